//! Types that few zones use now and that BIND still reads as text: NSAP (RFC 1706), ATMA (ATM Forum, AF-DANS-0152), WKS
//! (RFC 1035), NXT (RFC 2535) and A6 (RFC 2874).

use std::net::Ipv6Addr;

use data_encoding::HEXUPPER_PERMISSIVE;

use super::layout::Words;
use super::parse_rtype;
use super::reader::{Reader, Wrong, number, word};

/// The highest type in an NXT record (RFC 2535, section 5.2). The lowest is 1.
const MAX_NXT_TYPE: u16 = 127;

/// Most octets of an NXT's bit map.
const MAX_NXT_BITMAP: usize = 16;

/// Most octets of a WKS's bit map: a bit for each port.
const MAX_PORTS: usize = 0x2000;

/// The first octet of an ATM address: 0 for an ATM end system address, 1 for a number of E.164 in ASCII.
const AESA: u8 = 0;
const E164: u8 = 1;

/// Bits of an IPv6 address.
const ADDRESS_BITS: u8 = 128;

/// Old services by their names in IANA's registry.
const SERVICES: Words = &[
    ("echo", 7),
    ("discard", 9),
    ("systat", 11),
    ("daytime", 13),
    ("netstat", 15),
    ("qotd", 17),
    ("chargen", 19),
    ("ftp-data", 20),
    ("ftp", 21),
    ("ssh", 22),
    ("telnet", 23),
    ("smtp", 25),
    ("time", 37),
    ("whois", 43),
    ("domain", 53),
    ("tftp", 69),
    ("gopher", 70),
    ("finger", 79),
    ("http", 80),
    ("kerberos", 88),
    ("pop3", 110),
    ("sunrpc", 111),
    ("auth", 113),
    ("nntp", 119),
    ("ntp", 123),
    ("imap2", 143),
    ("snmp", 161),
    ("irc", 194),
    ("ldap", 389),
    ("https", 443),
];

/// Reads hexadecimal digits after `0x`. Dots may separate them (RFC 1706, section 7).
pub(super) fn nsap(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"))?;
    HEXUPPER_PERMISSIVE.decode(digits.replace('.', "").as_bytes()).ok().filter(|octets| !octets.is_empty())
}

/// Reads `+` and the digits of a telephone number, or hexadecimal digits. Dots may separate them.
pub(super) fn atm_address(text: &str) -> Option<Vec<u8>> {
    let (format, digits) = text.strip_prefix('+').map_or((AESA, text), |digits| (E164, digits));
    if digits.split('.').any(str::is_empty) {
        return None;
    }
    let digits = digits.replace('.', "");
    let octets =
        if format == E164 { Some(digits.into_bytes()) } else { HEXUPPER_PERMISSIVE.decode(digits.as_bytes()).ok() };
    octets.map(|octets| [&[format], &*octets].concat()).filter(|octets| is_atm_address(octets))
}

/// True if octets are an ATM address.
pub(super) fn is_atm_address(octets: &[u8]) -> bool {
    match octets {
        [_] | [] => false,
        [E164, digits @ ..] => digits.iter().all(u8::is_ascii_digit),
        _ => true,
    }
}

/// Reads services, by name or port, into the bit map of RFC 1035, section 3.4.2.
pub(super) fn services(reader: &mut Reader<'_>) -> Result<(), Wrong> {
    let port = |text: &str| word(SERVICES, text).or_else(|| number(text));
    let bits = bit_map(reader, "service", "a service such as smtp, or a port", port)?;
    reader.rdata.extend(bits);
    Ok(())
}

/// True if a bit map of a WKS can have this length.
pub(super) fn are_services(octets: &[u8]) -> bool {
    octets.len() <= MAX_PORTS
}

/// Reads types, by mnemonic or number, into the bit map of RFC 2535, section 5.2.
pub(super) fn nxt_types(reader: &mut Reader<'_>) -> Result<(), Wrong> {
    let rtype = |text: &str| parse_rtype(text).map(|rtype| rtype.0).or_else(|| number(text));
    let rtype = |text: &str| rtype(text).filter(|number| (1..=MAX_NXT_TYPE).contains(number));
    let bits = bit_map(reader, "type", "a record type up to 127", rtype)?;
    reader.rdata.extend(bits);
    Ok(())
}

/// True if octets are a bit map of types. "If the zero bit of the type bit map is a one, it indicates that a different
/// format is being used".
pub(super) fn are_nxt_types(octets: &[u8]) -> bool {
    octets.len() <= MAX_NXT_BITMAP && octets.last() != Some(&0) && octets.first().is_none_or(|first| first & 0x80 == 0)
}

/// Reads the remaining tokens. Each is the number of a bit.
fn bit_map(
    reader: &mut Reader<'_>,
    name: &str,
    expected: &str,
    read: impl Fn(&str) -> Option<u16>,
) -> Result<Vec<u8>, Wrong> {
    let mut bits = Vec::new();
    while !reader.tokens.is_empty() {
        let text = reader.take(name)?.text;
        let bit = read(text).map(usize::from);
        let bit = bit.ok_or_else(|| Wrong { at: 0, reason: format!("the {name} is {expected}, not `{text}`") })?;
        bits.resize(bits.len().max(bit / 8 + 1), 0);
        bits[bit / 8] |= 0x80 >> (bit % 8);
    }
    Ok(bits)
}

/// Reads a prefix length, the rest of an address, and the name that holds the prefix (RFC 2874, section 3.1).
pub(super) fn a6(reader: &mut Reader<'_>) -> Result<(), Wrong> {
    let wrong = |reason: &str| Wrong { at: 0, reason: reason.to_owned() };
    let length = number::<u8>(reader.take("prefix length")?.text).filter(|&length| length <= ADDRESS_BITS);
    let length = length.ok_or_else(|| wrong("the prefix length is a number up to 128"))?;
    reader.rdata.push(length);
    if length < ADDRESS_BITS {
        let address: Option<Ipv6Addr> = reader.take("address suffix")?.text.parse().ok();
        let address = address.ok_or_else(|| wrong("the address suffix is an IPv6 address"))?;
        // "The address suffix ... the leading bits ... MUST be zero".
        let suffix = (address.to_bits() & u128::MAX >> length).to_be_bytes();
        reader.rdata.extend_from_slice(&suffix[usize::from(length / 8)..]);
    }
    if length > 0 { reader.name("prefix name") } else { Ok(()) }
}

/// Returns the octets of an A6 record before its name, and true if a name follows.
pub(super) fn a6_head(octets: &[u8]) -> Option<(usize, bool)> {
    let length = *octets.first().filter(|&&length| length <= ADDRESS_BITS)?;
    Some((1 + usize::from((ADDRESS_BITS - length).div_ceil(8)), length > 0))
}
