//! Address prefixes of APL records (RFC 3123).

use std::net::IpAddr;

use super::reader::{Reader, Wrong};

/// Address families (RFC 3123, sections 4.1 and 4.2).
const IPV4: u16 = 1;
const IPV6: u16 = 2;

/// The bit before the length that marks a prefix as an exception.
const NEGATION: u8 = 0x80;

/// Number of octets of an address; `None` if the family is unknown.
fn width(family: u16) -> Option<u8> {
    match family {
        IPV4 => Some(4),
        IPV6 => Some(16),
        _ => None,
    }
}

/// Reads `[!]family:address/length` up to the end.
pub(super) fn read(reader: &mut Reader<'_>) -> Result<(), Wrong> {
    while !reader.tokens.is_empty() {
        let text = reader.take("prefix")?.text;
        let prefix = prefix(text)
            .ok_or_else(|| Wrong { at: 0, reason: format!("`{text}` is no prefix such as 1:192.0.2.0/24") })?;
        reader.rdata.extend(prefix);
    }
    Ok(())
}

fn prefix(text: &str) -> Option<Vec<u8>> {
    let (negation, rest) = text.strip_prefix('!').map_or((0, text), |rest| (NEGATION, rest));
    let (family, rest) = rest.split_once(':')?;
    let (address, length) = rest.split_once('/')?;
    let (family, length): (u16, u8) = (family.parse().ok()?, length.parse().ok()?);
    let octets: Vec<u8> = match (family, address.parse().ok()?) {
        (IPV4, IpAddr::V4(address)) => address.octets().into(),
        (IPV6, IpAddr::V6(address)) => address.octets().into(),
        _ => return None,
    };
    if usize::from(length) > 8 * octets.len() {
        return None;
    }
    // "Trailing zero octets do not bear any information ... and so MUST be omitted" (section 4).
    let kept = octets.iter().rposition(|&octet| octet != 0).map_or(0, |last| last + 1);
    let [high, low] = family.to_be_bytes();
    Some([&[high, low, length, negation | kept as u8], &octets[..kept]].concat())
}

/// True if octets are prefixes.
pub(super) fn are_valid(mut octets: &[u8]) -> bool {
    while let [high, low, prefix_length, afd_length, rest @ ..] = octets {
        let length = afd_length & !NEGATION;
        let Some((address, behind)) = rest.split_at_checked(usize::from(length)) else { return false };
        let fits = match width(u16::from_be_bytes([*high, *low])) {
            Some(width) => length <= width && u16::from(*prefix_length) <= 8 * u16::from(width),
            None => true,
        };
        if !fits || address.last() == Some(&0) {
            return false;
        }
        octets = behind;
    }
    octets.is_empty()
}
