//! DNS messages: reads queries, and writes responses.

mod client_subnet;
mod cookie;
mod edns;
mod fold;
mod message;
mod opt;
mod outline;
mod pointer;
mod query;
mod rtype;
mod svcb;
mod tsig;

pub use client_subnet::{BadSubnet, ClientSubnet};
pub use cookie::{COOKIE_LENGTH, Cookie, CookieSecret};
pub use edns::{Edns, Options};
pub use fold::Fold;
pub use message::{FIELDS, Message, NameOffset, RrsetWriter, Section, Truncated, put_addresses};
pub use opt::{ExtendedError, InfoCode, Opt, PADDING_BLOCK};
pub use outline::{Form, Outline};
pub use query::{Query, Question};
pub use rtype::Rtype;
pub use svcb::{BadSvcParams, SvcParams, is_ech_config_list};
pub use tsig::Tsig;

/// The error for octets that violate RFC 1035, or the RFC of an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// Length of a message's header in octets.
pub const HEADER_LENGTH: usize = 12;

/// Class IN.
pub const CLASS_IN: u16 = 1;

/// Class CH: questions about the server itself.
pub const CLASS_CH: u16 = 3;

/// The default UDP payload in octets that this server accepts and sends. It fits in a packet on every path without
/// fragmentation (DNS Flag Day 2020).
pub const DEFAULT_UDP_PAYLOAD: u16 = 1232;

/// The maximum UDP payload that can be configured, in octets. RFC 6891, section 6.2.5, recommends it as a starting
/// point.
pub const MAX_UDP_PAYLOAD: u16 = 4096;

/// Maximum length of a UDP message without EDNS, in octets (RFC 1035, section 4.2.1).
pub const MAX_PLAIN_UDP: usize = 512;

/// Maximum length of a TCP message in octets: its length field has 16 bits (RFC 1035, section 4.2.2).
pub const MAX_MESSAGE: usize = 65_535;

/// Response codes. The upper eight bits of codes above 15 are in the OPT record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the mnemonics of IANA's registry")]
pub enum Rcode {
    NoError = 0,
    FormErr = 1,
    ServFail = 2,
    NxDomain = 3,
    NotImp = 4,
    Refused = 5,
    YxDomain = 6,
    NotAuth = 9,
    BadVers = 16,
    BadCookie = 23,
}

impl Rcode {
    /// Returns the mnemonic.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoError => "NOERROR",
            Self::FormErr => "FORMERR",
            Self::ServFail => "SERVFAIL",
            Self::NxDomain => "NXDOMAIN",
            Self::NotImp => "NOTIMP",
            Self::Refused => "REFUSED",
            Self::YxDomain => "YXDOMAIN",
            Self::NotAuth => "NOTAUTH",
            Self::BadVers => "BADVERS",
            Self::BadCookie => "BADCOOKIE",
        }
    }
}

/// Copies octets to a slice of the same length. Most pieces of a message are short. So 4 to 32 octets are copied in two
/// parts that may overlap, which costs less than a call.
#[inline]
fn copy(to: &mut [u8], from: &[u8]) {
    #[inline]
    fn ends<const PART: usize>(to: &mut [u8], from: &[u8]) -> Option<()> {
        let (first, last): ([u8; PART], [u8; PART]) = (*from.first_chunk()?, *from.last_chunk()?);
        *to.first_chunk_mut()? = first;
        *to.last_chunk_mut()? = last;
        Some(())
    }
    let done = match from.len() {
        16..=32 => ends::<16>(to, from),
        8..16 => ends::<8>(to, from),
        4..8 => ends::<4>(to, from),
        _ => None,
    };
    if done.is_none() {
        to.copy_from_slice(from);
    }
}

/// Reads the 16 bits at this offset, most significant bit first; `None` if the octets end before.
fn read_u16(octets: &[u8], at: usize) -> Option<u16> {
    octets.get(at..)?.first_chunk().map(|two| u16::from_be_bytes(*two))
}
