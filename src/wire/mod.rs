//! DNS messages: what a query holds, and how a response is written.

mod client_subnet;
mod cookie;
mod edns;
mod fold;
mod message;
mod opt;
mod pointer;
mod query;
mod rtype;
mod svcb;
mod tsig;

pub use client_subnet::{BadSubnet, ClientSubnet};
pub use cookie::{COOKIE_LENGTH, Cookie, CookieSecret};
pub use edns::{Edns, Options};
pub use fold::Fold;
pub use message::{Message, NameOffset, RrsetWriter, Section, Truncated};
pub use opt::{ExtendedError, InfoCode, Opt, PADDING_BLOCK};
pub use query::{Query, Question};
pub use rtype::Rtype;
pub use svcb::{BadSvcParams, SvcParams, is_ech_config_list};
pub use tsig::Tsig;

/// What came is not what RFC 1035 allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// Octets of a message's header.
pub const HEADER_LENGTH: usize = 12;

/// Class IN.
pub const CLASS_IN: u16 = 1;

/// Class CH: what a server says of itself.
pub const CLASS_CH: u16 = 3;

/// What this server takes over UDP, and sends at most, if nothing else is said: it fits any path without fragments (DNS Flag
/// Day 2020).
pub const DEFAULT_UDP_PAYLOAD: u16 = 1232;

/// What it can be told to take and send at most: RFC 6891, section 6.2.5, begins there.
pub const MAX_UDP_PAYLOAD: u16 = 4096;

/// What a UDP message holds at most where EDNS is not spoken (RFC 1035, section 4.2.1).
pub const MAX_PLAIN_UDP: usize = 512;

/// What a TCP message holds at most: its length has 16 bits (RFC 1035, section 4.2.2).
pub const MAX_MESSAGE: usize = 65_535;

/// Response codes. The upper eight bits of those above 15 travel in the OPT record.
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
    /// The mnemonic.
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

/// Reads 16 bits, most significant first; `None` behind the end.
fn read_u16(octets: &[u8], at: usize) -> Option<u16> {
    octets.get(at..)?.first_chunk().map(|two| u16::from_be_bytes(*two))
}
