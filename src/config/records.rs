//! RDATA from presentation format.
//!
//! `domain` reads the text of each type it knows. A type whose data looks exactly like another's is read as that one, and
//! one whose data is a row of simple fields by its [`layout`]; every type is read as `\# length hex` (RFC 3597, section 5), and what is written so for a known type must be what its
//! text could have said.

mod layout;

use domain::base::rdata::{ComposeRecordData, ParseRecordData};
use domain::base::{ParsedName, iana};
use domain::dep::octseq::parse::Parser;
use domain::rdata::ZoneRecordData;

use super::presentation::{Entries, Token};
use super::scanner::{MAX_CHARACTER_STRING, ScanError, TokenScanner};
use crate::name::Name;
use crate::wire::Rtype;

/// Octets the RDATA of a record takes at most: RDLENGTH has 16 bits (RFC 1035, section 3.2.1).
const MAX_RDATA_LENGTH: usize = 65_535;

/// Fields of an SOA before its times, which may be written in units: MNAME, RNAME and SERIAL.
const SOA_FIELDS_BEFORE_TIMES: usize = 3;

/// What stands before data of any type in octets (RFC 3597, section 5).
const GENERIC: &str = "\\#";

/// Why tokens are no data of a type.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RdataError {
    /// Which token is at fault; none if one is missing at the end.
    pub token: Option<usize>,
    /// A sentence without a full stop.
    pub message: String,
}

/// Reads a record type: its mnemonic in either case, or `TYPEnnn` (RFC 3597, section 5). Types that only questions and
/// messages have are none (RFC 6895, section 3.1).
pub(super) fn parse_rtype(text: &str) -> Option<Rtype> {
    let rtype = match text.split_at_checked(4) {
        Some((prefix, number)) if prefix.eq_ignore_ascii_case("TYPE") => {
            number.parse().ok().filter(|_| number.bytes().all(|octet| octet.is_ascii_digit())).map(Rtype)
        }
        _ => iana::Rtype::from_mnemonic(text.as_bytes()).map(|rtype| Rtype(rtype.to_int())),
    };
    rtype.filter(|rtype| !matches!(rtype.0, 0 | 41 | 128..=255))
}

/// Reads the data of a record of type `rtype`, to wire format without compression. Relative names continue with
/// `origin`.
pub(super) fn parse_rdata(rtype: Rtype, text: &str, origin: &Name) -> Result<Box<[u8]>, String> {
    let mut entries = Entries::new(text);
    let tokens = match entries.next() {
        None => Vec::new(),
        Some(Err(error)) => return Err(error.message.to_owned()),
        // In a master file a comment is meant; here what follows the semicolon would be lost silently.
        Some(Ok(entry)) if entry.commented => {
            return Err("a semicolon begins a comment; write \\; or put quotes around it".to_owned());
        }
        Some(Ok(entry)) => entry.tokens,
    };
    if entries.next().is_some() {
        return Err("the data of one record stands on one line".to_owned());
    }
    rdata_from_tokens(rtype, &tokens, origin).map_err(|error| error.message)
}

/// As [`parse_rdata`], from what stands behind the type in an entry.
pub(super) fn rdata_from_tokens(rtype: Rtype, tokens: &[Token<'_>], origin: &Name) -> Result<Box<[u8]>, RdataError> {
    // No data at all is written as `\# 0`.
    if tokens.is_empty() {
        return Err(RdataError { token: None, message: format!("no {rtype} data: {}", ScanError::Missing) });
    }
    if let Some(fields) = layout::of(rtype).filter(|_| tokens[0].quoted || tokens[0].text != GENERIC) {
        return check_length(layout::read(rtype, fields, tokens)?);
    }
    let before_times = if rtype == Rtype::SOA { SOA_FIELDS_BEFORE_TIMES } else { usize::MAX };
    let mut scanner = TokenScanner::new(tokens, origin, before_times);
    let format = iana::Rtype::from_int(same_format(rtype).0);
    let scanned = ZoneRecordData::scan(format, &mut scanner);
    let read = scanner.tokens_read();
    let rdata = match scanned {
        Ok(ZoneRecordData::Unknown(generic)) => generic.data().clone(),
        Ok(known) => wire_format(&known),
        Err(ScanError::Missing) => {
            return Err(RdataError { token: None, message: format!("no {rtype} data: {}", ScanError::Missing) });
        }
        // A type whose text it does not know is refused before a token is read.
        Err(ScanError::Wrong(_)) if read == 0 => {
            let message = format!("{rtype} data is understood only as \\# LENGTH HEX (RFC 3597, section 5)");
            return Err(RdataError { token: Some(0), message });
        }
        Err(error) => return Err(RdataError { token: Some(read - 1), message: format!("no {rtype} data: {error}") }),
    };
    if read < tokens.len() {
        return Err(RdataError { token: Some(read), message: format!("nothing may follow this {rtype} data") });
    }
    let rdata = check_length(rdata.into())?;
    // Octets can be anything, and of some texts, such as a ZONEMD digest's, `domain` does not look at the length.
    if !is_wire_format(format, &rdata) {
        return Err(RdataError { token: Some(0), message: format!("this is no {rtype} data") });
    }
    Ok(rdata)
}

fn check_length(rdata: Box<[u8]>) -> Result<Box<[u8]>, RdataError> {
    if rdata.len() > MAX_RDATA_LENGTH {
        return Err(RdataError { token: Some(0), message: "a record holds at most 65535 octets".to_owned() });
    }
    Ok(rdata)
}

/// The RDATA of a TXT record whose whole text is `text`: split at 255 octets, nothing escaped, nothing split at blanks.
pub(super) fn txt_rdata(text: &str) -> Box<[u8]> {
    if text.is_empty() {
        return Box::new([0]);
    }
    text.as_bytes().chunks(MAX_CHARACTER_STRING).flat_map(|string| [&[string.len() as u8], string].concat()).collect()
}

/// A type that `domain` reads and whose data has the same fields as that of `rtype`, if there is one; else `rtype`.
fn same_format(rtype: Rtype) -> Rtype {
    match rtype.0 {
        // AFSDB and RT (RFC 1183), KX (RFC 2230), LP (RFC 6742): a number of 16 bits and a name.
        18 | 21 | 36 | 107 => Rtype::MX,
        // NSAP-PTR (RFC 1348): a name.
        23 => Rtype::PTR,
        // SPF (RFC 7208), NINFO, AVC, RESINFO (RFC 9606) and WALLET: strings.
        56 | 99 | 258 | 261 | 262 => Rtype::TXT,
        // TA and DLV (RFC 4431).
        32_768 | 32_769 => Rtype::DS,
        // SMIMEA (RFC 8162): as TLSA.
        53 => Rtype(52),
        // DHCID (RFC 4701): Base64, as OPENPGPKEY.
        49 => Rtype(61),
        _ => rtype,
    }
}

fn wire_format(rdata: &impl ComposeRecordData) -> Vec<u8> {
    let mut wire = Vec::new();
    match rdata.compose_rdata(&mut wire) {
        Ok(()) => wire,
        Err(never) => match never {},
    }
}

/// Whether `rdata` is what a record of type `format` may hold: it parses, nothing is left over, and it is what its parts
/// are written as, so no name in it is compressed. Of a type that `domain` does not know, all octets may.
fn is_wire_format(format: iana::Rtype, rdata: &[u8]) -> bool {
    // "One or more <character-string>s" (RFC 1035, section 3.3.14), of which `domain` lets none pass.
    if format == iana::Rtype::TXT && rdata.is_empty() {
        return false;
    }
    let mut parser = Parser::from_ref(rdata);
    let parsed = ZoneRecordData::<&[u8], ParsedName<&[u8]>>::parse_rdata(format, &mut parser);
    matches!(parsed, Ok(Some(parsed)) if parser.remaining() == 0 && wire_format(&parsed) == rdata)
}

#[cfg(test)]
mod tests;
