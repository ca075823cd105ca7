//! Checks if octets are data of their type, field by field.

use super::layout::{Field, Kind};
use super::{bitmap, location, prefixes, rare, svcb};
use crate::name::MAX_NAME_LENGTH;

/// Octets of a HIP record before its HIT and its public key (RFC 8005, section 5).
const HOST_IDENTITY_HEAD: usize = 4;

/// Checks octets against these fields: names must be uncompressed, and nothing may follow. Fails with the reason.
pub(super) fn check(fields: &[Field], octets: &[u8]) -> Result<(), String> {
    let mut rest = octets;
    for Field(name, kind) in fields {
        let length = length(*kind, rest).ok_or_else(|| format!("the {name} is missing, or not whole"))?;
        let (value, behind) = rest.split_at(length);
        check_field(name, *kind, value)?;
        rest = behind;
    }
    if rest.is_empty() { Ok(()) } else { Err(format!("{} octets follow it", rest.len())) }
}

fn check_field(name: &str, kind: Kind, value: &[u8]) -> Result<(), String> {
    let is_valid = match kind {
        Kind::Bitmap { may_be_empty } => (may_be_empty || !value.is_empty()) && bitmap::is_valid(value),
        Kind::Location => location::is_valid(value),
        Kind::Prefixes => prefixes::are_valid(value),
        Kind::AtmAddress => rare::is_atm_address(value),
        Kind::Services => rare::are_services(value),
        Kind::NxtTypes => rare::are_nxt_types(value),
        Kind::Tag => value.len() > 1 && value[1..].iter().all(u8::is_ascii_alphanumeric),
        Kind::Digits(least) => value.len() > least && value[1..].iter().all(u8::is_ascii_digit),
        Kind::Hash => value.len() > 1,
        Kind::Hex | Kind::Base64 | Kind::Nsap => !value.is_empty(),
        Kind::SvcParams => return svcb::check(value),
        _ => true,
    };
    if is_valid {
        Ok(())
    } else if value.len() <= 1 {
        Err(format!("the {name} is missing"))
    } else {
        Err(format!("the {name} breaks the rules of its format"))
    }
}

/// Returns the number of octets of a field; `None` if the field is incomplete.
fn length(kind: Kind, octets: &[u8]) -> Option<usize> {
    let length = match kind {
        Kind::U8(_) => 1,
        Kind::U16(_) | Kind::Type => 2,
        Kind::U32 | Kind::Seconds | Kind::Time | Kind::Ipv4 => 4,
        Kind::Ipv6 => 16,
        Kind::Groups { count, octets, .. } => count * octets,
        Kind::Name => name_length(octets)?,
        Kind::Names => {
            let mut length = 0;
            while length < octets.len() {
                length += name_length(&octets[length..])?;
            }
            length
        }
        Kind::String | Kind::Digits(_) | Kind::Tag | Kind::Salt | Kind::Hash => 1 + usize::from(*octets.first()?),
        Kind::Strings(most) => {
            let (mut length, mut count) = (0, 0);
            while count == 0 || (length < octets.len() && count < most) {
                length += 1 + usize::from(*octets.get(length)?);
                count += 1;
            }
            length
        }
        Kind::Gateway => {
            let (gateway_type, algorithm) = (*octets.first()?, *octets.get(1)?);
            let host = host_length(gateway_type, octets.get(2..)?)?;
            // "A value of 0 indicates that no key is present" (RFC 4025, section 2.4).
            (octets.len() > 2 + host || algorithm == 0).then_some(octets.len())?
        }
        Kind::Relay => 1 + host_length(octets.first()? & 0x7f, &octets[1..])?,
        Kind::HostIdentity => {
            let head = octets.first_chunk::<HOST_IDENTITY_HEAD>()?;
            HOST_IDENTITY_HEAD + usize::from(head[0]) + usize::from(u16::from_be_bytes([head[2], head[3]]))
        }
        Kind::A6 => {
            let (head, has_name) = rare::a6_head(octets)?;
            head + if has_name { name_length(octets.get(head..)?)? } else { 0 }
        }
        Kind::Octets(least) => octets.len().max(least),
        Kind::Text
        | Kind::Hex
        | Kind::Base64
        | Kind::OptionalBase64
        | Kind::DashedBase64
        | Kind::Nsap
        | Kind::AtmAddress
        | Kind::Services
        | Kind::NxtTypes
        | Kind::Bitmap { .. }
        | Kind::SvcParams
        | Kind::Location
        | Kind::Prefixes => octets.len(),
    };
    (length <= octets.len()).then_some(length)
}

/// Returns the number of octets of nothing, an address or a name, as the type says (RFC 4025, section 2.3).
pub(super) fn host_length(host_type: u8, octets: &[u8]) -> Option<usize> {
    let length = match host_type {
        0 => 0,
        1 => 4,
        2 => 16,
        3 => name_length(octets)?,
        _ => return None,
    };
    (length <= octets.len()).then_some(length)
}

/// Returns the number of octets of an uncompressed name.
fn name_length(octets: &[u8]) -> Option<usize> {
    let mut length = 0;
    loop {
        match *octets.get(length)? {
            0 => return Some(length + 1).filter(|&length| length <= MAX_NAME_LENGTH),
            label @ 1..=63 => length += 1 + usize::from(label),
            _ => return None,
        }
    }
}
