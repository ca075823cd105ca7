//! EDNS in responses (RFC 6891): the OPT record.
//!
//! Room for all mandatory options is reserved before the first record is written. An Extended DNS Error and padding are
//! optional: they are written if there is room left.

use super::edns::{COMPACT_OK, DNSSEC_OK, OPTION_FIXED, code};
use super::{COOKIE_LENGTH, Rtype, copy};

/// Length of an OPT record without options, in octets (RFC 6891, section 6.1.2).
pub(super) const OPT_LENGTH: usize = 11;

/// Length in octets of FAMILY and SOURCE PREFIX-LENGTH, the fields before SCOPE PREFIX-LENGTH (RFC 7871, section 6).
const BEFORE_SCOPE: usize = 3;

/// RFC 8467, section 4.1: a server that gets a padded query "SHOULD pad the corresponding response to a multiple of 468
/// octets".
pub const PADDING_BLOCK: usize = 468;

/// The contents of a response's OPT record.
#[derive(Clone, Copy, Debug, Default)]
pub struct Opt<'a> {
    /// Maximum UDP payload that this server accepts, in octets.
    pub payload: u16,
    /// The DO bit of the query.
    pub dnssec_ok: bool,
    /// The CO bit: the response contains compact proofs, and its response code is that of the name (RFC 9824, section
    /// 5.1).
    pub compact_ok: bool,
    /// The octets of the query's Client Subnet option, repeated with a scope.
    pub client_subnet: Option<&'a [u8]>,
    /// The COOKIE option.
    pub cookie: Option<[u8; COOKIE_LENGTH]>,
    /// The NSID option.
    pub nsid: Option<&'a [u8]>,
    /// The edns-tcp-keepalive option: how long an idle connection stays open, in units of 100 ms.
    pub keepalive: Option<u16>,
    /// True if the message is padded to a multiple of [`PADDING_BLOCK`].
    pub is_padded: bool,
}

/// An explanation of the response, beyond its response code (RFC 8914).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtendedError {
    /// INFO-CODE.
    pub code: InfoCode,
    /// EXTRA-TEXT, for people.
    pub text: &'static str,
}

/// Codes of Extended DNS Errors, as IANA registers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "RFC 8914, section 4, has the words")]
pub enum InfoCode {
    Other = 0,
    Prohibited = 18,
    NotAuthoritative = 20,
    NotSupported = 21,
    InvalidQueryType = 30,
}

impl Opt<'_> {
    /// Returns the length of the record in octets, without an Extended DNS Error and padding.
    #[inline]
    pub(super) fn length(&self) -> usize {
        let option = |length: Option<usize>| length.map_or(0, |length| OPTION_FIXED + length);
        OPT_LENGTH
            + option(self.client_subnet.map(<[u8]>::len))
            + option(self.cookie.map(|_| COOKIE_LENGTH))
            + option(self.nsid.map(<[u8]>::len))
            + option(self.keepalive.map(|_| size_of::<u16>()))
    }

    /// Returns the OPT record at the end of a response if it has no option but a Client Subnet option of this length, or none
    /// at all.
    pub fn plain_at_end(response: &[u8], subnet: Option<usize>) -> Option<&[u8]> {
        let options = subnet.map_or(0, |length| OPTION_FIXED + length);
        let record = response.get(response.len().checked_sub(OPT_LENGTH + options)?..)?;
        let ([type_high, type_low], [high, low]) = (Rtype::OPT.0.to_be_bytes(), (options as u16).to_be_bytes());
        let is_opt = record.starts_with(&[0, type_high, type_low]) && record[OPT_LENGTH - 2..OPT_LENGTH] == [high, low];
        is_opt.then_some(record)
    }

    /// Writes a Client Subnet option at the end of an OPT record, where another one of this length is. `subnet` are the octets
    /// of the query's option.
    #[inline]
    pub fn put_subnet(record: &mut [u8], subnet: &[u8], scope: u8) {
        let start = record.len() - subnet.len();
        copy(&mut record[start..], subnet);
        record[start + BEFORE_SCOPE] = scope;
    }

    /// Writes the record after the first `start` octets of `buffer`, and may use the rest of the buffer. Returns the
    /// offset of the record's end.
    #[inline]
    pub(super) fn write(
        &self,
        buffer: &mut [u8],
        start: usize,
        rcode: u16,
        scope: u8,
        error: Option<ExtendedError>,
    ) -> usize {
        let mut writer = Writer { buffer, at: start };
        let ([type_high, type_low], [high, low]) = (Rtype::OPT.0.to_be_bytes(), self.payload.to_be_bytes());
        let flag = |is_set, flag| if is_set { flag } else { 0 };
        let [flags_high, flags_low] =
            (flag(self.dnssec_ok, DNSSEC_OK) | flag(self.compact_ok, COMPACT_OK)).to_be_bytes();
        // The last two octets are the length of the options, which is written at the end.
        writer.put(&[0, type_high, type_low, high, low, (rcode >> 4) as u8, 0, flags_high, flags_low, 0, 0]);
        if let Some(subnet) = self.client_subnet {
            let start = writer.at + OPTION_FIXED;
            writer.option(code::CLIENT_SUBNET, subnet);
            writer.buffer[start + BEFORE_SCOPE] = scope;
        }
        if let Some(cookie) = &self.cookie {
            writer.option(code::COOKIE, cookie);
        }
        if let Some(nsid) = self.nsid {
            writer.option(code::NSID, nsid);
        }
        if let Some(keepalive) = self.keepalive {
            writer.option(code::TCP_KEEPALIVE, &keepalive.to_be_bytes());
        }
        if let Some(ExtendedError { code, text }) = error {
            let code = code as u16;
            let length = size_of_val(&code) + text.len();
            if OPTION_FIXED + length <= writer.room() {
                writer.begin(code::EXTENDED_ERROR, length);
                writer.put(&code.to_be_bytes());
                writer.put(text.as_bytes());
            }
        }
        if self.is_padded {
            writer.pad();
        }
        let length = (writer.at - start - OPT_LENGTH) as u16;
        writer.buffer[start + OPT_LENGTH - size_of_val(&length)..start + OPT_LENGTH]
            .copy_from_slice(&length.to_be_bytes());
        writer.at
    }
}

struct Writer<'b> {
    buffer: &'b mut [u8],
    at: usize,
}

impl Writer<'_> {
    fn room(&self) -> usize {
        self.buffer.len() - self.at
    }

    /// Writes octets for which room is reserved.
    #[inline]
    fn put(&mut self, octets: &[u8]) {
        copy(&mut self.buffer[self.at..self.at + octets.len()], octets);
        self.at += octets.len();
    }

    /// Begins an option of this length in octets.
    fn begin(&mut self, code: u16, length: usize) {
        let ([high, low], [length_high, length_low]) = (code.to_be_bytes(), (length as u16).to_be_bytes());
        self.put(&[high, low, length_high, length_low]);
    }

    fn option(&mut self, code: u16, octets: &[u8]) {
        self.begin(code, octets.len());
        self.put(octets);
    }

    /// Pads the message to a whole number of blocks, or to its maximum length. Does nothing if there is no room for the
    /// option.
    fn pad(&mut self) {
        if self.room() < OPTION_FIXED {
            return;
        }
        let end = (self.at + OPTION_FIXED).next_multiple_of(PADDING_BLOCK).min(self.buffer.len());
        let length = end - self.at - OPTION_FIXED;
        self.begin(code::PADDING, length);
        self.buffer[self.at..end].fill(0);
        self.at = end;
    }
}
