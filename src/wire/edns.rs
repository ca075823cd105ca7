//! EDNS in queries (RFC 6891): the OPT record and the supported options.

use super::Malformed;
use super::client_subnet::BadSubnet;
use super::{ClientSubnet, Cookie};

/// Option codes, as IANA registers them.
pub(super) mod code {
    pub(crate) const NSID: u16 = 3;
    pub(crate) const CLIENT_SUBNET: u16 = 8;
    pub(crate) const COOKIE: u16 = 10;
    pub(crate) const TCP_KEEPALIVE: u16 = 11;
    pub(crate) const PADDING: u16 = 12;
    pub(crate) const EXTENDED_ERROR: u16 = 15;
}

/// Length in octets of an option's code and length fields.
pub(super) const OPTION_FIXED: usize = 4;

/// The DO bit among the flags in the OPT record's TTL (RFC 3225, section 3).
pub(super) const DNSSEC_OK: u16 = 0x8000;

/// The CO bit among these flags: Compact Answers OK (RFC 9824, section 5.1).
pub(super) const COMPACT_OK: u16 = 0x4000;

/// The contents of a query's OPT record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edns<'a> {
    /// Maximum UDP payload of the asker, in octets.
    pub payload: u16,
    /// The EDNS version; only 0 exists.
    pub version: u8,
    /// The DO bit, to be repeated in the response.
    pub dnssec_ok: bool,
    /// The CO bit: the asker accepts NXDOMAIN beside a compact proof.
    pub compact_ok: bool,
    /// The options; an error if one runs past the end of the record.
    pub options: Result<Options<'a>, Malformed>,
}

/// The supported options of a query. Unknown options are ignored (RFC 6891, section 6.1.2).
///
/// If there are several options of one kind, the first one counts (RFC 7873, section 5.2, requires that for cookies).
/// But the others must be well-formed too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options<'a> {
    /// The Client Subnet option (RFC 7871), or its fault.
    pub client_subnet: Option<Result<ClientSubnet<'a>, BadSubnet>>,
    /// The COOKIE option (RFC 7873); an error if it is malformed.
    pub cookie: Option<Result<Cookie<'a>, Malformed>>,
    /// True if there is an NSID option (RFC 5001).
    pub asks_nsid: bool,
    /// True if there is an edns-tcp-keepalive option (RFC 7828).
    pub asks_keepalive: bool,
    /// True if there is a Padding option (RFC 7830).
    pub is_padded: bool,
}

impl<'a> Edns<'a> {
    /// Reads the CLASS and the TTL of an OPT record.
    #[inline]
    pub(super) fn new(payload: u16, ttl: u32) -> Self {
        Self {
            payload,
            version: (ttl >> 16) as u8,
            dnssec_ok: ttl as u16 & DNSSEC_OK != 0,
            compact_ok: ttl as u16 & COMPACT_OK != 0,
            options: Ok(Options::default()),
        }
    }

    /// Reads the RDATA, which contains the options. If it is malformed, `options` becomes an error.
    #[inline]
    pub(super) fn read(&mut self, rdata: &'a [u8]) {
        let read = self.options.as_mut().map_or(Err(Malformed), |options| options.read(rdata));
        if read.is_err() {
            self.options = Err(Malformed);
        }
    }
}

impl<'a> Options<'a> {
    #[inline]
    fn read(&mut self, mut octets: &'a [u8]) -> Result<(), Malformed> {
        while let &[code_high, code_low, high, low, ref rest @ ..] = octets {
            let length = usize::from(u16::from_be_bytes([high, low]));
            let (option, behind) = rest.split_at_checked(length).ok_or(Malformed)?;
            match u16::from_be_bytes([code_high, code_low]) {
                // RFC 5001, section 2.2: "The name server MUST ignore any NSID payload data that might be present in
                // the query message." The contents of the other two options do not matter either.
                code::NSID => self.asks_nsid = true,
                code::TCP_KEEPALIVE => self.asks_keepalive = true,
                code::PADDING => self.is_padded = true,
                code::CLIENT_SUBNET => first(&mut self.client_subnet, ClientSubnet::parse(option)),
                code::COOKIE => first(&mut self.cookie, Cookie::parse(option)),
                _ => {}
            }
            octets = behind;
        }
        if octets.is_empty() { Ok(()) } else { Err(Malformed) }
    }
}

/// Keeps the first option of its kind, or a later one that is malformed.
#[inline]
fn first<T, E>(kept: &mut Option<Result<T, E>>, found: Result<T, E>) {
    if kept.is_none() || found.is_err() {
        *kept = Some(found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(octets: &[u8]) -> Result<Options<'_>, Malformed> {
        let mut edns = Edns::new(1232, 0);
        edns.read(octets);
        edns.options
    }

    const SUBNET: &[u8] = &[0, 8, 0, 7, 0, 1, 24, 0, 203, 0, 113];
    const OTHER: &[u8] = &[0, 8, 0, 6, 0, 1, 16, 0, 10, 1];
    const BROKEN: &[u8] = &[0, 8, 0, 4, 0, 9, 0, 0];

    #[test]
    fn the_first_of_two_options_counts_and_both_must_be_sound() {
        let both = [SUBNET, OTHER].concat();
        let options = parse(&both).unwrap();
        assert_eq!(options.client_subnet.unwrap().unwrap().source, 24);
        for octets in [[SUBNET, BROKEN].concat(), [BROKEN, SUBNET].concat()] {
            assert_eq!(parse(&octets).unwrap().client_subnet, Some(Err(BadSubnet::Family)));
        }
    }

    #[test]
    fn options_that_run_past_the_end_are_malformed() {
        for length in 1..SUBNET.len() {
            assert_eq!(parse(&SUBNET[..length]), Err(Malformed), "{length}");
        }
        assert_eq!(parse(&[]), Ok(Options::default()));
    }
}
