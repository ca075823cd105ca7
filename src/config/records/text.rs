//! Data in presentation format: reads tokens by the fields of their type.

use std::net::{Ipv4Addr, Ipv6Addr};

use data_encoding::{BASE32HEX_NOPAD, BASE64, HEXUPPER_PERMISSIVE};

use super::layout::{Field, Kind};
use super::reader::{Reader, Wrong, counted, number, word};
use super::{RdataError, bitmap, location, parse_rtype, prefixes, rare, svcb};
use crate::config::presentation::{self, Token};
use crate::name::Name;
use crate::wire::Rtype;

/// The value that a missing number before a name probably has. The only exchange of a domain may have any preference,
/// and priority 1 is the first in ServiceMode (RFC 9460, section 2.4.1).
const PREFERENCES: [(Rtype, &str); 3] = [(Rtype::MX, "10"), (Rtype::HTTPS, "1"), (Rtype(64), "1")];

/// Reads the tokens of a record's data, field by field.
pub(super) fn read(rtype: Rtype, fields: &[Field], tokens: &[Token<'_>], origin: &Name) -> Result<Vec<u8>, RdataError> {
    let mut reader = Reader { tokens, origin, rdata: Vec::new() };
    for field in fields {
        let at = tokens.len() - reader.tokens.len();
        reader.field(field).map_err(|wrong| RdataError {
            token: Some(at + wrong.at).filter(|&at| at < tokens.len()),
            message: format!("no {rtype} data: {}", wrong.reason),
            help: help(rtype, fields, tokens, at + wrong.at),
        })?;
    }
    if reader.tokens.is_empty() {
        return Ok(reader.rdata);
    }
    let is_address = matches!(rtype, Rtype::A | Rtype::AAAA);
    Err(RdataError {
        token: Some(tokens.len() - reader.tokens.len()),
        message: format!("nothing may follow this {rtype} data"),
        help: if is_address { Some("each address is a record of its own".to_owned()) } else { shape(rtype, fields) },
    })
}

/// The help for a faulty token.
fn help(rtype: Rtype, fields: &[Field], tokens: &[Token<'_>], at: usize) -> Option<String> {
    let Some(token) = tokens.get(at) else { return shape(rtype, fields) };
    if let Some(help) = address_help(rtype, token.text) {
        return Some(help.to_owned());
    }
    let left_out = PREFERENCES.iter().find(|(other, _)| *other == rtype && at == 0);
    if let Some((_, preference)) = left_out.filter(|_| tokens.len() < fields.len()) {
        return Some(format!("the {} comes first: {preference} {}", fields[0].0, token.text));
    }
    shape(rtype, fields)
}

fn address_help(rtype: Rtype, text: &str) -> Option<&'static str> {
    let bare = text.trim_matches(['[', ']']);
    match rtype {
        Rtype::A if bare.parse::<Ipv6Addr>().is_ok() => Some("an IPv6 address belongs in an AAAA record"),
        Rtype::AAAA if bare.parse::<Ipv4Addr>().is_ok() => Some("an IPv4 address belongs in an A record"),
        Rtype::A | Rtype::AAAA if text.contains(',') => Some("each address is a record of its own"),
        Rtype::A | Rtype::AAAA if text.contains('/') => Some("a record holds one address, not a prefix"),
        Rtype::A if text.contains(':') => Some("a record holds an address, not a port"),
        Rtype::AAAA if bare != text => Some("an address is written without brackets"),
        Rtype::A | Rtype::AAAA
            if text.bytes().any(|octet| octet.is_ascii_alphabetic() && !octet.is_ascii_hexdigit()) =>
        {
            Some("a CNAME record points at a name")
        }
        _ => None,
    }
}

/// The names of the fields in their order, if there are several.
fn shape(rtype: Rtype, fields: &[Field]) -> Option<String> {
    let names: Vec<String> = fields.iter().map(|field| format!("<{}>", field.0)).collect();
    (names.len() > 1).then(|| format!("{rtype} data is {}", names.join(" ")))
}

impl Reader<'_> {
    fn field(&mut self, field: &Field) -> Result<(), Wrong> {
        let Field(name, kind) = *field;
        match kind {
            Kind::Names => {
                while !self.tokens.is_empty() {
                    self.name(name)?;
                }
                Ok(())
            }
            Kind::Strings(most) => {
                self.string(name)?;
                let mut count = 1;
                while !self.tokens.is_empty() && count < most {
                    self.string(name)?;
                    count += 1;
                }
                Ok(())
            }
            Kind::Hex => {
                self.rest(name, "hexadecimal digits, two for each octet", |text| HEXUPPER_PERMISSIVE.decode(text).ok())
            }
            Kind::Base64 => self.rest(name, "Base64", |text| BASE64.decode(text).ok()),
            Kind::OptionalBase64 if self.tokens.is_empty() => Ok(()),
            Kind::OptionalBase64 => self.rest(name, "Base64", |text| BASE64.decode(text).ok()),
            Kind::DashedBase64 if self.tokens.first().is_some_and(|token| token.text == "-") => {
                self.take(name).map(drop)
            }
            Kind::DashedBase64 => self.rest(name, "Base64, or - for none", |text| BASE64.decode(text).ok()),
            Kind::Services => rare::services(self),
            Kind::NxtTypes => rare::nxt_types(self),
            Kind::A6 => rare::a6(self),
            Kind::Bitmap { .. } => bitmap::read(self),
            Kind::SvcParams => svcb::read(self),
            Kind::Location => location::read(self),
            Kind::Prefixes => prefixes::read(self),
            Kind::Gateway => self.gateway(),
            Kind::Relay => self.relay(),
            Kind::HostIdentity => self.host_identity(),
            Kind::Name => self.name(name),
            Kind::String => self.string(name),
            Kind::Octets(_) => Err(Wrong {
                at: 0,
                reason: "it can be written only as \\# LENGTH HEX (RFC 3597, section 5)".to_owned(),
            }),
            _ => self.single(field),
        }
    }

    /// Reads a field of exactly one token.
    fn single(&mut self, field: &Field) -> Result<(), Wrong> {
        let Field(name, kind) = *field;
        let text = self.take(name)?.text;
        let read: Result<Vec<u8>, &str> = match kind {
            Kind::U8(words) => {
                let value = word(words, text).and_then(|value| u8::try_from(value).ok()).or_else(|| number(text));
                value.map(|value| vec![value]).ok_or("a number up to 255")
            }
            Kind::U16(words) => {
                let value = word(words, text).or_else(|| number(text));
                value.map(|value| value.to_be_bytes().into()).ok_or("a number up to 65535")
            }
            Kind::U32 => number(text).map(|value: u32| value.to_be_bytes().into()).ok_or("a number up to 4294967295"),
            Kind::Seconds => {
                let seconds = presentation::seconds(text).and_then(|seconds| u32::try_from(seconds).ok());
                seconds.map(|seconds| seconds.to_be_bytes().into()).ok_or("a time in seconds, such as 3600 or 1h")
            }
            Kind::Time => time(text).map(|time| time.to_be_bytes().into()).ok_or("a time as YYYYMMDDHHmmSS"),
            Kind::Type => {
                let rtype = parse_rtype(text).map(|rtype| rtype.0.to_be_bytes().into());
                rtype.ok_or("a record type")
            }
            Kind::Ipv4 => text.parse().map(|address: Ipv4Addr| address.octets().into()).map_err(|_| "an IPv4 address"),
            Kind::Ipv6 => text.parse().map(|address: Ipv6Addr| address.octets().into()).map_err(|_| "an IPv6 address"),
            Kind::Groups { count, octets, separator } => {
                groups(text, count, octets, separator).ok_or("hexadecimal digits in groups, such as 00-00-5e or 0:1:2")
            }
            Kind::Digits(least) => {
                let is_number = text.len() >= least && text.bytes().all(|octet| octet.is_ascii_digit());
                let octets = u8::try_from(text.len()).ok().filter(|_| is_number);
                octets.map(|length| [&[length], text.as_bytes()].concat()).ok_or("a number of at least four digits")
            }
            Kind::Tag => {
                let is_tag = !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_alphanumeric());
                let octets = u8::try_from(text.len()).ok().filter(|_| is_tag);
                octets.map(|length| [&[length], text.as_bytes()].concat()).ok_or("letters and digits, such as issue")
            }
            Kind::Nsap => rare::nsap(text).ok_or("0x and hexadecimal digits"),
            Kind::AtmAddress => rare::atm_address(text).ok_or("hexadecimal digits, or + and a telephone number"),
            Kind::Text => return self.push(presentation::unescape(text).map_err(|error| error.to_string())),
            Kind::Salt => {
                let octets =
                    if text == "-" { Some(Vec::new()) } else { HEXUPPER_PERMISSIVE.decode(text.as_bytes()).ok() };
                octets.and_then(|octets| counted(&octets)).ok_or("hexadecimal digits, or - for none")
            }
            Kind::Hash => {
                let octets = BASE32HEX_NOPAD.decode(text.to_ascii_uppercase().as_bytes()).ok();
                octets
                    .filter(|octets| !octets.is_empty())
                    .and_then(|octets| counted(&octets))
                    .ok_or("a hash in Base32 (RFC 5155, section 3.3)")
            }
            _ => Err("something else"),
        };
        self.push(read.map_err(|expected| format!("the {name} is {expected}, not `{text}`")))
    }

    /// "gateway-type algorithm gateway base64-public-key" (RFC 4025, section 3.1).
    fn gateway(&mut self) -> Result<(), Wrong> {
        self.single(&Field("gateway type", Kind::U8(&[])))?;
        let gateway_type = self.rdata.last().copied().unwrap_or_default();
        self.single(&Field("algorithm", Kind::U8(&[])))?;
        let algorithm = self.rdata.last().copied().unwrap_or_default();
        self.host(gateway_type, "gateway")?;
        // "A value of 0 indicates that no key is present" (section 2.4).
        if algorithm == 0 { Ok(()) } else { self.field(&Field("public key", Kind::Base64)) }
    }

    /// "D-bit type relay" (RFC 8777, section 4.3.1).
    fn relay(&mut self) -> Result<(), Wrong> {
        let discovery = match self.take("discovery bit")?.text {
            "0" => 0,
            "1" => 0x80,
            _ => return Err(Wrong { at: 0, reason: "the discovery bit is 0 or 1".to_owned() }),
        };
        self.single(&Field("relay type", Kind::U8(&[])))?;
        let relay_type = self.rdata.pop().unwrap_or_default();
        self.rdata.push(discovery | relay_type);
        self.host(relay_type, "relay")
    }

    /// Reads nothing, an address or a name, as the type says (RFC 4025, section 2.3).
    fn host(&mut self, host_type: u8, name: &'static str) -> Result<(), Wrong> {
        match host_type {
            0 if self.take(name)?.text == "." => Ok(()),
            0 => Err(Wrong { at: 0, reason: format!("the {name} is . where its type is 0") }),
            1 => self.single(&Field(name, Kind::Ipv4)),
            2 => self.single(&Field(name, Kind::Ipv6)),
            3 => self.name(name),
            _ => Err(Wrong { at: 0, reason: format!("the {name} type is 0, 1, 2 or 3") }),
        }
    }

    /// "pk-algorithm base16-encoded-hit base64-encoded-public-key" (RFC 8005, section 6).
    fn host_identity(&mut self) -> Result<(), Wrong> {
        let algorithm = number::<u8>(self.take("algorithm")?.text);
        let hit = HEXUPPER_PERMISSIVE.decode(self.take("HIT")?.text.as_bytes()).ok();
        let key = BASE64.decode(self.take("public key")?.text.as_bytes()).ok();
        let (Some(algorithm), Some(hit), Some(key)) = (algorithm, hit, key) else {
            let reason = "the host identity is an algorithm, a HIT in hexadecimal digits and a public key in Base64";
            return Err(Wrong { at: 0, reason: reason.to_owned() });
        };
        let lengths = u8::try_from(hit.len()).ok().zip(u16::try_from(key.len()).ok());
        let head = lengths.map(|(hit, key)| [&[hit, algorithm][..], &key.to_be_bytes()].concat());
        self.push(head.map(|head| [head, hit, key].concat()).ok_or_else(|| "the HIT is too long".to_owned()))
    }
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

/// Reads a calendar time or a number as seconds since 1970 modulo 2^32 (RFC 4034, section 3.2).
fn time(text: &str) -> Option<u32> {
    const DIGITS: usize = 14;
    if text.len() != DIGITS {
        return number(text);
    }
    let part = |from: usize, to: usize| number::<i64>(text.get(from..to)?);
    let (year, month, day) = (part(0, 4)?, part(4, 6)?, part(6, 8)?);
    let (hour, minute, second) = (part(8, 10)?, part(10, 12)?, part(12, 14)?);
    let is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let days_of_month = match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        _ => return None,
    };
    if year < 1970 || !(1..=days_of_month).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    // Days from 1970-01-01 in the proleptic Gregorian calendar. A year begins in March here, so that the leap day is
    // its last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719_468;
    let seconds = 86_400 * days + 3600 * hour + 60 * minute + second;
    Some((seconds & i64::from(u32::MAX)) as u32)
}
