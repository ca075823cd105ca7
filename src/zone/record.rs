//! One static record.

use crate::name::Name;
use crate::wire::Rtype;

/// A record of class IN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The owner, at or below the zone's apex.
    pub owner: Name,
    /// The type.
    pub rtype: Rtype,
    /// TTL in seconds, below 2^31 (RFC 2181, section 8).
    pub ttl: u32,
    /// The RDATA in wire format, valid for the type, with uncompressed names.
    pub rdata: Box<[u8]>,
}

impl AsRef<Record> for Record {
    fn as_ref(&self) -> &Record {
        self
    }
}
