//! Reads RDATA from presentation format.
//!
//! One table says how the data of each type is laid out ([`layout`]). Both texts ([`text`]) and octets ([`octets`]) are
//! read by this table. Every type may be written as `\# length hex` (RFC 3597, section 5); for a known type, those
//! octets must be valid data of that type. The [`rules`] check what the layout does not express, such as the length of
//! a digest.

mod bitmap;
mod layout;
mod location;
mod octets;
mod prefixes;
mod rare;
mod reader;
mod rules;
mod svcb;
mod text;
pub(super) mod unknown;

use std::net::Ipv4Addr;

use data_encoding::HEXUPPER_PERMISSIVE;
use domain::base::iana;

use super::code::Code;
use super::fault::Fault;
use super::presentation::{Entries, Token};
use super::source::Place;
use crate::name::Name;
use crate::wire::Rtype;

/// Most octets of a record's RDATA: RDLENGTH has 16 bits (RFC 1035, section 3.2.1).
const MAX_RDATA_LENGTH: usize = 65_535;

/// Most octets of a character string, without its length octet (RFC 1035, section 3.3).
const MAX_CHARACTER_STRING: usize = 255;

/// The token before data that is written as octets (RFC 3597, section 5).
const GENERIC: &str = "\\#";

/// IANA's mnemonic. The table of names below has it without the hyphen.
const NSAP_PTR: &str = "NSAP-PTR";

/// The reason why tokens are not valid data of a type.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RdataError {
    /// The index of the faulty token; `None` if a token is missing at the end.
    pub token: Option<usize>,
    /// The message: a sentence without a full stop.
    pub message: String,
    /// The advice to the operator.
    pub help: Option<String>,
}

impl RdataError {
    fn new(token: Option<usize>, message: impl Into<String>) -> Self {
        Self { token, message: message.into(), help: None }
    }

    /// Returns it as a fault at this place.
    pub(super) fn at(self, place: &Place) -> Fault {
        Fault { help: self.help, ..Fault::error(place, self.message, "").code(Code::BadData) }
    }
}

/// Reads a record type: its mnemonic in any case, or `TYPEnnn` (RFC 3597, section 5). Returns `None` for types that
/// occur only in questions and messages (RFC 6895, section 3.1).
pub(super) fn parse_rtype(text: &str) -> Option<Rtype> {
    // Most words of a zone are one of these types, or a TTL. No mnemonic begins with a digit.
    match text.as_bytes() {
        b"A" => return Some(Rtype::A),
        b"AAAA" => return Some(Rtype::AAAA),
        b"IN" | [b'0'..=b'9', ..] => return None,
        _ => {}
    }
    let rtype = match text.split_at_checked(4) {
        Some((prefix, number)) if prefix.eq_ignore_ascii_case("TYPE") => {
            number.parse().ok().filter(|_| number.bytes().all(|octet| octet.is_ascii_digit())).map(Rtype)
        }
        _ if text.eq_ignore_ascii_case(NSAP_PTR) => Some(Rtype::NSAP_PTR),
        _ => iana::Rtype::from_mnemonic(text.as_bytes()).map(|rtype| Rtype(rtype.to_int())),
    };
    rtype.filter(|rtype| !matches!(rtype.0, 0 | 41 | 128..=255))
}

/// Reads the data of a record of type `rtype` into wire format without compression. Relative names end in `origin`.
pub(super) fn parse_rdata(rtype: Rtype, text: &str, origin: &Name) -> Result<Box<[u8]>, RdataError> {
    let mut entries = Entries::new(text);
    let tokens = match entries.next() {
        None => Vec::new(),
        Some(Err(error)) => return Err(RdataError::new(None, error.message)),
        // In a master file the semicolon begins a comment. Here the text after it would be lost silently.
        Some(Ok(entry)) if entry.commented => {
            return Err(RdataError::new(None, "a semicolon begins a comment; write \\; or put quotes around it"));
        }
        Some(Ok(entry)) => entry.tokens,
    };
    if entries.next().is_some() {
        return Err(RdataError::new(None, "the data of one record must be on one line"));
    }
    rdata_from_tokens(rtype, &tokens, origin)
}

/// As [`parse_rdata`], from the tokens after the type in an entry.
pub(super) fn rdata_from_tokens(rtype: Rtype, tokens: &[Token<'_>], origin: &Name) -> Result<Box<[u8]>, RdataError> {
    // A fast path for most records of most zones. The layout reports faults.
    if let (Rtype::A, [token]) = (rtype, tokens)
        && let Ok(address) = token.text.parse::<Ipv4Addr>()
    {
        return Ok(address.octets().into());
    }
    let fields = layout::of(rtype);
    let is_generic = tokens.first().is_some_and(|token| !token.quoted && token.text == GENERIC);
    let rdata = match fields {
        _ if is_generic => generic(rtype, &tokens[1..])?,
        Some(fields) => text::read(rtype, fields, tokens, origin)?,
        None => {
            let message = format!("{rtype} data can be written only as \\# LENGTH HEX (RFC 3597, section 5)");
            return Err(RdataError::new((!tokens.is_empty()).then_some(0), message));
        }
    };
    if rdata.len() > MAX_RDATA_LENGTH {
        return Err(RdataError::new(Some(0), "a record holds at most 65535 octets"));
    }
    let checked = fields.map_or(Ok(()), |fields| octets::check(fields, &rdata));
    checked
        .and_then(|()| rules::check(rtype, &rdata))
        .map_err(|reason| RdataError::new(Some(0), format!("no {rtype} data: {reason}")))?;
    Ok(rdata.into())
}

/// The reason why a record's data is doubtful, in a sentence without a full stop; `None` if it is not.
pub(super) fn doubt(rtype: Rtype, rdata: &[u8]) -> Option<String> {
    rules::doubt(rtype, rdata)
}

/// Reads a length, and octets of that length in hexadecimal digits.
fn generic(rtype: Rtype, tokens: &[Token<'_>]) -> Result<Vec<u8>, RdataError> {
    let fault = |at, reason: String| Err(RdataError::new(at, format!("no {rtype} data: {reason}")));
    let Some((first, rest)) = tokens.split_first() else { return fault(None, "a length must follow \\#".to_owned()) };
    let is_number = first.text.bytes().all(|octet| octet.is_ascii_digit());
    let Some(length) = first.text.parse::<u16>().ok().filter(|_| is_number) else {
        return fault(Some(1), format!("the length is a number up to {MAX_RDATA_LENGTH}"));
    };
    let digits: String = rest.iter().map(|token| token.text).collect();
    match HEXUPPER_PERMISSIVE.decode(digits.as_bytes()) {
        Ok(octets) if octets.len() == usize::from(length) => Ok(octets),
        Ok(octets) => fault(Some(1), format!("{} octets follow, not {length}", octets.len())),
        Err(_) => fault(
            Some(2).filter(|_| !rest.is_empty()),
            "hexadecimal digits are expected, two for each octet".to_owned(),
        ),
    }
}

/// Returns the RDATA of a TXT record for `text`: split after every 255 octets. Escapes and blanks have no meaning.
pub(super) fn txt_rdata(text: &str) -> Box<[u8]> {
    if text.is_empty() {
        return Box::new([0]);
    }
    text.as_bytes().chunks(MAX_CHARACTER_STRING).flat_map(|string| [&[string.len() as u8], string].concat()).collect()
}

#[cfg(test)]
mod tests;
