//! RDATA from presentation format.
//!
//! One table tells how each type is laid out ([`layout`]). Texts are read by it ([`text`]), and so are octets: every type may
//! be written as `\# length hex` (RFC 3597, section 5), and what is written so for a known type must be what its text could
//! have said ([`octets`]). What the layout does not say, such as how long a digest is, the [`rules`] do.

mod bitmap;
mod layout;
mod location;
mod octets;
mod prefixes;
mod rare;
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

/// Octets the RDATA of a record takes at most: RDLENGTH has 16 bits (RFC 1035, section 3.2.1).
const MAX_RDATA_LENGTH: usize = 65_535;

/// Octets a character string takes at most, its length octet excluded (RFC 1035, section 3.3).
const MAX_CHARACTER_STRING: usize = 255;

/// What stands before data of any type in octets (RFC 3597, section 5).
const GENERIC: &str = "\\#";

/// The mnemonic of IANA's registry, which the table of names below lacks the hyphen of.
const NSAP_PTR: &str = "NSAP-PTR";

/// Why tokens are no data of a type.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RdataError {
    /// Which token is at fault; none if one is missing at the end.
    pub token: Option<usize>,
    /// A sentence without a full stop.
    pub message: String,
    /// The advice to the operator.
    pub help: Option<String>,
}

impl RdataError {
    fn new(token: Option<usize>, message: impl Into<String>) -> Self {
        Self { token, message: message.into(), help: None }
    }

    /// The fault that it is at this place.
    pub(super) fn at(self, place: &Place) -> Fault {
        Fault { help: self.help, ..Fault::error(place, self.message, "").code(Code::BadData) }
    }
}

/// Reads a record type: its mnemonic in either case, or `TYPEnnn` (RFC 3597, section 5). Types that only questions and
/// messages have are none (RFC 6895, section 3.1).
pub(super) fn parse_rtype(text: &str) -> Option<Rtype> {
    // Most words of a zone are one of these, or a TTL; no mnemonic begins with a digit.
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

/// Reads the data of a record of type `rtype`, to wire format without compression. Relative names continue with
/// `origin`.
pub(super) fn parse_rdata(rtype: Rtype, text: &str, origin: &Name) -> Result<Box<[u8]>, RdataError> {
    let mut entries = Entries::new(text);
    let tokens = match entries.next() {
        None => Vec::new(),
        Some(Err(error)) => return Err(RdataError::new(None, error.message)),
        // In a master file a comment is meant; here what follows the semicolon would be lost silently.
        Some(Ok(entry)) if entry.commented => {
            return Err(RdataError::new(None, "a semicolon begins a comment; write \\; or put quotes around it"));
        }
        Some(Ok(entry)) => entry.tokens,
    };
    if entries.next().is_some() {
        return Err(RdataError::new(None, "the data of one record stands on one line"));
    }
    rdata_from_tokens(rtype, &tokens, origin)
}

/// As [`parse_rdata`], from what stands behind the type in an entry.
pub(super) fn rdata_from_tokens(rtype: Rtype, tokens: &[Token<'_>], origin: &Name) -> Result<Box<[u8]>, RdataError> {
    // Most records of most zones; whatever is wrong is for the layout to say.
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
            let message = format!("{rtype} data is understood only as \\# LENGTH HEX (RFC 3597, section 5)");
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

/// Says why a record's data is doubtful, in a sentence without a full stop; `None` if it is not.
pub(super) fn doubt(rtype: Rtype, rdata: &[u8]) -> Option<String> {
    rules::doubt(rtype, rdata)
}

/// Reads a length and as many octets in hexadecimal digits.
fn generic(rtype: Rtype, tokens: &[Token<'_>]) -> Result<Vec<u8>, RdataError> {
    let fault = |at, reason: String| Err(RdataError::new(at, format!("no {rtype} data: {reason}")));
    let Some((first, rest)) = tokens.split_first() else { return fault(None, "a length stands behind \\#".to_owned()) };
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

/// The RDATA of a TXT record whose whole text is `text`: split at 255 octets, nothing escaped, nothing split at blanks.
pub(super) fn txt_rdata(text: &str) -> Box<[u8]> {
    if text.is_empty() {
        return Box::new([0]);
    }
    text.as_bytes().chunks(MAX_CHARACTER_STRING).flat_map(|string| [&[string.len() as u8], string].concat()).collect()
}

#[cfg(test)]
mod tests;
