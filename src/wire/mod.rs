//! DNS messages: what a query holds, and how a response is written.

mod edns;
mod message;
mod query;
mod rtype;

pub use edns::{ClientSubnet, Edns, Fold};
pub use message::{Message, Owner, RrsetWriter, Section, Truncated, UDP_PAYLOAD};
pub use query::{Malformed, Query, Question};
pub use rtype::Rtype;

/// Octets of a message's header.
pub const HEADER_LENGTH: usize = 12;

/// Class IN.
pub const CLASS_IN: u16 = 1;

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
    BadVers = 16,
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
            Self::BadVers => "BADVERS",
        }
    }
}

/// Reads 16 bits, most significant first; `None` behind the end.
fn read_u16(octets: &[u8], at: usize) -> Option<u16> {
    octets.get(at..)?.first_chunk().map(|two| u16::from_be_bytes(*two))
}
