//! Types that `domain` does not read and whose data is a row of simple fields.

use std::net::Ipv4Addr;

use domain::utils::base64;

use super::RdataError;
use crate::config::presentation::{self, Token};
use crate::config::scanner::ScanError;
use crate::wire::Rtype;

/// One field of a type's data.
pub(super) enum Field {
    /// 8 bits, or a word that stands for them.
    U8(&'static [(&'static str, u8)]),
    /// 16 bits, or a word that stands for them.
    U16(&'static [(&'static str, u16)]),
    /// An IPv4 address.
    Ipv4,
    /// So many groups of octets in hexadecimal digits, a separator between them. Colons let leading zeros be left out.
    Groups { count: usize, octets: usize, separator: char },
    /// All that follows in Base64, blanks or not.
    Base64,
    /// A string without a length in front, not empty.
    Text,
}

/// RFC 4398, section 2.1.
const CERTIFICATES: &[(&str, u16)] = &[
    ("PKIX", 1),
    ("SPKI", 2),
    ("PGP", 3),
    ("IPKIX", 4),
    ("ISPKI", 5),
    ("IPGP", 6),
    ("ACPKIX", 7),
    ("IACPKIX", 8),
    ("URI", 253),
    ("OID", 254),
];

/// IANA's DNS Security Algorithm Numbers, those with a mnemonic that are still in use.
const ALGORITHMS: &[(&str, u8)] = &[
    ("RSASHA1", 5),
    ("RSASHA1-NSEC3-SHA1", 7),
    ("RSASHA256", 8),
    ("RSASHA512", 10),
    ("ECDSAP256SHA256", 13),
    ("ECDSAP384SHA384", 14),
    ("ED25519", 15),
    ("ED448", 16),
];

/// How the data of a type is laid out, if it is one of these.
pub(super) fn of(rtype: Rtype) -> Option<&'static [Field]> {
    const LOCATOR: Field = Field::Groups { count: 4, octets: 2, separator: ':' };
    Some(match rtype.0 {
        // CERT (RFC 4398).
        37 => &[Field::U16(CERTIFICATES), Field::U16(&[]), Field::U8(ALGORITHMS), Field::Base64],
        // NID, L32 and L64 (RFC 6742).
        104 | 106 => &[Field::U16(&[]), LOCATOR],
        105 => &[Field::U16(&[]), Field::Ipv4],
        // EUI48 and EUI64 (RFC 7043).
        108 => &[Field::Groups { count: 6, octets: 1, separator: '-' }],
        109 => &[Field::Groups { count: 8, octets: 1, separator: '-' }],
        // URI (RFC 7553).
        256 => &[Field::U16(&[]), Field::U16(&[]), Field::Text],
        _ => return None,
    })
}

/// Reads data that is laid out so.
pub(super) fn read(rtype: Rtype, fields: &[Field], tokens: &[Token<'_>]) -> Result<Box<[u8]>, RdataError> {
    let fault = |token, reason: &str| RdataError { token, message: format!("no {rtype} data: {reason}") };
    let mut rdata = Vec::new();
    let mut rest = tokens;
    for field in fields {
        let at = tokens.len() - rest.len();
        let (token, behind) = rest.split_first().ok_or_else(|| fault(None, &ScanError::Missing.to_string()))?;
        let wrong = |reason: &str| fault(Some(at), reason);
        match field {
            Field::U8(words) => {
                let value = number(token, words).ok_or_else(|| wrong("a number up to 255 stands here"))?;
                rdata.push(value);
            }
            Field::U16(words) => {
                let value = number(token, words).ok_or_else(|| wrong("a number up to 65535 stands here"))?;
                rdata.extend_from_slice(&value.to_be_bytes());
            }
            Field::Ipv4 => {
                let address: Ipv4Addr = token.text.parse().map_err(|_| wrong("an IPv4 address stands here"))?;
                rdata.extend_from_slice(&address.octets());
            }
            Field::Groups { count, octets, separator } => {
                let read = groups(token.text, *count, *octets, *separator);
                rdata.extend(read.ok_or_else(|| wrong("hexadecimal digits in groups stand here"))?);
            }
            Field::Base64 => {
                let text: String = rest.iter().map(|token| token.text).collect();
                let octets: Vec<u8> = base64::decode(&text).map_err(|_| wrong("this is not Base64"))?;
                rdata.extend(octets);
                return Ok(rdata.into());
            }
            Field::Text => {
                let text = presentation::unescape(token.text).map_err(|error| wrong(&error.to_string()))?;
                if text.is_empty() {
                    return Err(wrong("a text that is not empty stands here"));
                }
                rdata.extend(text);
            }
        }
        rest = behind;
    }
    if rest.is_empty() {
        return Ok(rdata.into());
    }
    let message = format!("nothing may follow this {rtype} data");
    Err(RdataError { token: Some(tokens.len() - rest.len()), message })
}

fn number<T: std::str::FromStr + Copy>(token: &Token<'_>, words: &[(&str, T)]) -> Option<T> {
    let word = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(token.text));
    let is_number = token.text.bytes().all(|octet| octet.is_ascii_digit());
    word.map(|&(_, value)| value).or_else(|| token.text.parse().ok().filter(|_| is_number))
}

fn groups(text: &str, count: usize, octets: usize, separator: char) -> Option<Vec<u8>> {
    let digits = 2 * octets;
    let mut read = Vec::with_capacity(count * octets);
    for group in text.split(separator) {
        let has_length = group.len() == digits || (separator == ':' && (1..digits).contains(&group.len()));
        if !has_length || !group.bytes().all(|octet| octet.is_ascii_hexdigit()) {
            return None;
        }
        let value = u16::from_str_radix(group, 16).ok()?.to_be_bytes();
        read.extend_from_slice(&value[value.len() - octets..]);
    }
    (read.len() == count * octets).then_some(read)
}
