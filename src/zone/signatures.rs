//! The signatures of a zone's file (RFC 4034, section 3.1).
//!
//! A name's RRSIG records are one RRset for questions, but each covers an RRset of its own. So answers take those that cover
//! their records.

use super::rrset::{FIXED_FIELDS, Rrset};
use crate::wire::Rtype;

/// Length in octets of the fields of an RRSIG record before the signer's name.
const FIXED: usize = 18;

/// One RRSIG record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature<'z> {
    /// The type of the records that it covers.
    pub covered: Rtype,
    /// The number of its algorithm.
    pub algorithm: u8,
    /// The number of labels of the owner, without the root and without the asterisk of a wildcard.
    pub labels: u8,
    /// The TTL of the records that it covers, in seconds.
    pub original_ttl: u32,
    /// It is valid until then, in Unix seconds modulo 2^32.
    pub expiration: u32,
    /// It is valid from then on, in Unix seconds modulo 2^32.
    pub inception: u32,
    /// The tag of the key that made it.
    pub tag: u16,
    /// The zone of that key, in wire format.
    pub signer: &'z [u8],
    /// The signature itself.
    pub octets: &'z [u8],
}

impl<'z> Signature<'z> {
    /// Reads the RDATA of an RRSIG record; `None` if it is too short.
    pub fn read(rdata: &'z [u8]) -> Option<Self> {
        let (fixed, rest) = rdata.split_first_chunk::<FIXED>()?;
        let two = |at: usize| u16::from_be_bytes([fixed[at], fixed[at + 1]]);
        let four = |at: usize| u32::from(two(at)) << 16 | u32::from(two(at + 2));
        let (signer, octets) = rest.split_at_checked(super::rdata::name_length(rest))?;
        Some(Self {
            covered: Rtype(two(0)),
            algorithm: fixed[2],
            labels: fixed[3],
            original_ttl: four(4),
            expiration: four(8),
            inception: four(12),
            tag: two(16),
            signer,
            octets,
        })
    }
}

impl Rrset {
    /// Returns the records of an RRSIG RRset that cover this type, from TYPE on.
    pub fn covering(&self, rtype: Rtype) -> impl Iterator<Item = &[u8]> {
        let covered = rtype.0.to_be_bytes();
        self.records().map(|(record, _)| record).filter(move |record| record[FIXED_FIELDS..].starts_with(&covered))
    }

    /// Returns all records of an RRSIG RRset.
    pub fn signatures(&self) -> impl Iterator<Item = Signature<'_>> {
        self.records().filter_map(|(record, _)| Signature::read(&record[FIXED_FIELDS..]))
    }
}
