//! The proofs of a zone that another program has signed: its chain of NSEC or NSEC3 records.
//!
//! ```text
//!   NSEC     example. ──► a.example. ──► *.b.example. ──► example.       names in canonical order (RFC 4034, section 6.1)
//!   NSEC3    0p9mhave... ──► 2t7b4g4v... ──► 0p9mhave...                  hashes of names in their order (RFC 5155)
//! ```
//!
//! A chain closes: each record names the next one, so it covers all names between the two. To prove that a name does not
//! exist, the record before it is found with a binary search. An answer needs up to four records (RFC 4035, section 3.1.3,
//! and RFC 5155, section 7.2). Nothing is allocated, and nothing is walked.
//!
//! Owners of NSEC3 records are no names of the zone: a question for one finds nothing (RFC 5155, section 7.2.8). So the tree
//! does not hold them, but the chain.

mod hash;
mod link;
mod order;
mod prove;
mod validity;

use std::cmp::Ordering;
use std::collections::HashSet;
use std::fmt;

pub use hash::Hashing;
use hash::LABEL;
pub use link::Link;
pub use prove::{Denied, Proof};
pub use validity::Validity;

use super::builder::render;
use super::record::Record;
use super::rrset::{Rrset, TooLarge};
use super::tree::{NodeId, Rrsets, Tree};
use crate::name::Name;
use crate::wire::Rtype;

/// The greatest number of additional iterations with which names are hashed. RFC 9276, section 3.1, demands 0; validators
/// treat a zone with more than 100 as unsigned (appendix A), and each costs time for every name that does not exist.
pub const MAX_ITERATIONS: u16 = 100;

/// The hash algorithm SHA-1, the only one (RFC 5155, section 11).
const SHA1: u8 = 1;

/// Length in octets of the fields before the salt in NSEC3 and NSEC3PARAM records, the salt's length included.
const BEFORE_SALT: usize = 5;

/// The flag Opt-Out of an NSEC3 record (RFC 5155, section 3.1.2.1).
const OPT_OUT: u8 = 1;

/// The chain of a signed zone.
#[derive(Debug, PartialEq, Eq)]
pub struct Chain {
    kind: Kind,
    /// NSEC3 records of other chains, which copies of the zone hold, too.
    others: Box<[(Name, Box<[Rrset]>)]>,
    validity: Validity,
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    /// The nodes with NSEC records, in canonical order.
    Nsec(Box<[NodeId]>),
    Nsec3(Hashed),
}

/// A chain of NSEC3 records.
#[derive(Debug, PartialEq, Eq)]
struct Hashed {
    hashing: Hashing,
    /// The owners in wire format and lower case, one behind the other, in the order of their hashes.
    owners: Box<[u8]>,
    /// Length of an owner in octets: all have the same.
    stride: usize,
    /// The records of each owner, and the signatures that cover them.
    records: Box<[(Rrset, Option<Rrset>)]>,
}

/// The reason why a signed zone has no chain that could be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoChain {
    /// There are neither NSEC records nor an NSEC3PARAM record.
    Missing,
    /// No NSEC3 record has the parameters of the NSEC3PARAM record.
    Unhashed,
    /// The algorithm of NSEC3PARAM is unknown.
    Algorithm(u8),
    /// Names are hashed with so many iterations, more than [`MAX_ITERATIONS`].
    Iterations(u16),
    /// The records of this owner do not fit in a message.
    TooLarge(Name, Rtype),
}

impl fmt::Display for NoChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("it has neither NSEC records nor an NSEC3PARAM record"),
            Self::Unhashed => f.write_str("no NSEC3 record has the parameters of its NSEC3PARAM record"),
            Self::Algorithm(number) => write!(f, "the hash algorithm {number} of its NSEC3PARAM record is unknown"),
            Self::Iterations(number) => {
                write!(f, "its names are hashed with {number} iterations, and {MAX_ITERATIONS} are the most")
            }
            Self::TooLarge(owner, rtype) => write!(f, "the {rtype} records of {owner} do not fit into a message"),
        }
    }
}

impl std::error::Error for NoChain {}

impl Tree {
    /// Returns the tree with its chain. `hashed` are the NSEC3 records of the zone and the signatures that cover them, which
    /// the tree does not hold. Fails if there is no chain.
    pub fn chained(mut self, hashed: &[&Record]) -> Result<Self, NoChain> {
        let param = self.nodes[0].rrsets.as_slice().iter().find(|rrset| rrset.rtype() == Rtype::NSEC3PARAM);
        let of_param = |(record, _): (&[u8], _)| {
            let hashing = Hashing::read(&record[super::FIXED_FIELDS..])?;
            Hashed::new(&self.apex, hashing, hashed)
        };
        // A zone may be on its way to other parameters: the first ones that it has records for are used.
        let chain = param.and_then(|param| param.records().map(of_param).reduce(Result::or));
        let (kind, rest) = match (chain, self.in_order()) {
            (Some(Ok((chain, rest))), _) => (Kind::Nsec3(chain), rest),
            (_, Some(order)) => (Kind::Nsec(order), hashed.to_vec()),
            (Some(Err(why)), None) => return Err(why),
            (None, None) => return Err(NoChain::Missing),
        };
        let of_hashes = hashed.iter().filter(|record| record.rtype == Rtype::RRSIG).map(|record| &*record.rdata);
        let validity = Validity::of(&self, of_hashes).ok_or(NoChain::Missing)?;
        let others = grouped(&self.apex, &rest)?;
        let others = others.into_iter().map(|(owner, rrsets)| (owner, rrsets.as_slice().into())).collect();
        self.records += hashed.len();
        self.chain = Some(Box::new(Chain { kind, others, validity }));
        Ok(self)
    }

    /// Returns the chain if the zone is signed by its file.
    pub fn chain(&self) -> Option<&Chain> {
        self.chain.as_deref()
    }

    /// Returns the nodes with NSEC records in canonical order. `None` if the apex, which is before all names below it, has none.
    fn in_order(&self) -> Option<Box<[NodeId]>> {
        let has_nsec = |id: &NodeId| {
            let node = self.node(*id);
            let is_below = node.end.is_some_and(|end| usize::from(end.length) < self.names.get(id.name()).len());
            !is_below && node.rrsets.as_slice().iter().any(|rrset| rrset.rtype() == Rtype::NSEC)
        };
        let mut ids: Vec<NodeId> = (0..self.nodes.len()).map(NodeId::from_index).filter(has_nsec).collect();
        ids.sort_by(|a, b| order::compare(self.names.get(a.name()), self.names.get(b.name())));
        (ids.first() == Some(&NodeId::APEX)).then(|| ids.into())
    }
}

impl Chain {
    /// Returns the way in which names are hashed; `None` for a chain of NSEC records.
    pub fn hashing(&self) -> Option<&Hashing> {
        match &self.kind {
            Kind::Nsec(_) => None,
            Kind::Nsec3(hashed) => Some(&hashed.hashing),
        }
    }

    /// Returns when the signatures of the zone are valid.
    pub fn validity(&self) -> Validity {
        self.validity
    }

    /// Returns all RRsets that the tree does not hold, with their owners in lower case.
    pub(super) fn rrsets(&self) -> impl Iterator<Item = (&[u8], &Rrset)> {
        let hashed = match &self.kind {
            Kind::Nsec(_) => None,
            Kind::Nsec3(hashed) => Some(hashed),
        };
        let own = hashed.into_iter().flat_map(|hashed| {
            hashed.records.iter().enumerate().flat_map(move |(index, (nsec3, signatures))| {
                [Some(nsec3), signatures.as_ref()].into_iter().flatten().map(move |rrset| (hashed.owner(index), rrset))
            })
        });
        let others = self.others.iter().flat_map(|(owner, rrsets)| rrsets.iter().map(|rrset| (owner.as_wire(), rrset)));
        own.chain(others)
    }
}

impl Hashed {
    /// Makes the chain of the records that are hashed in this way. Returns the other records, too.
    fn new<'r>(apex: &Name, hashing: Hashing, records: &[&'r Record]) -> Result<(Self, Vec<&'r Record>), NoChain> {
        let parent = apex.to_key();
        let is_link = |record: &Record| {
            let owner = record.owner.to_key();
            owner.len() == LABEL + parent.len() && owner[LABEL..] == *parent && usize::from(owner[0]) == LABEL - 1
        };
        let is_of = |record: &&&Record| record.rtype == Rtype::NSEC3 && is_link(record) && hashing.is_of(&record.rdata);
        let owners: HashSet<&Name> = records.iter().filter(is_of).map(|record| &record.owner).collect();
        let (own, rest): (Vec<&Record>, Vec<&Record>) = records.iter().copied().partition(|record| {
            owners.contains(&record.owner) && (record.rtype != Rtype::NSEC3 || hashing.is_of(&record.rdata))
        });
        let mut links = Vec::new();
        for (owner, rrsets) in grouped(apex, &own)? {
            let of = |rtype| rrsets.as_slice().iter().find(|rrset| rrset.rtype() == rtype).cloned();
            if let Some(nsec3) = of(Rtype::NSEC3) {
                links.push((owner.to_key(), (nsec3, of(Rtype::RRSIG))));
            }
        }
        links.sort_by(|(a, _), (b, _)| a.cmp(b));
        if links.is_empty() {
            return Err(NoChain::Unhashed);
        }
        let (owners, records): (Vec<Box<[u8]>>, Vec<_>) = links.into_iter().unzip();
        let chain =
            Self { hashing, owners: owners.concat().into(), stride: LABEL + parent.len(), records: records.into() };
        Ok((chain, rest))
    }

    /// Returns the owner with this index.
    fn owner(&self, index: usize) -> &[u8] {
        &self.owners[index * self.stride..(index + 1) * self.stride]
    }

    /// Returns the index of the record with the greatest hash that is not above this one; the last record covers what is
    /// before the first.
    fn before(&self, label: &[u8; LABEL]) -> (usize, bool) {
        let (mut low, mut high) = (0, self.records.len());
        while low < high {
            let middle = low.midpoint(high);
            match self.owner(middle)[..LABEL].cmp(label) {
                Ordering::Equal => return (middle, true),
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
            }
        }
        (low.checked_sub(1).unwrap_or(self.records.len() - 1), false)
    }
}

/// Returns the RRsets of records by their owners. Fails if one does not fit in a message.
fn grouped(apex: &Name, records: &[&Record]) -> Result<Vec<(Name, Rrsets)>, NoChain> {
    let mut sorted: Vec<(Box<[u8]>, &Record)> = records.iter().map(|record| (record.owner.to_key(), *record)).collect();
    // The order of an owner's records stays.
    sorted.sort_by(|(a, _), (b, _)| a.cmp(b));
    let groups = sorted.chunk_by(|(a, _), (b, _)| a == b).map(|group| {
        let records: Vec<&Record> = group.iter().map(|(_, record)| *record).collect();
        let owner = Name::from_wire(&group[0].0);
        match render(&records, &owner, apex) {
            Ok(rrsets) => Ok((owner, rrsets)),
            Err((rtype, TooLarge)) => Err(NoChain::TooLarge(owner, rtype)),
        }
    });
    groups.collect()
}

#[cfg(test)]
mod tests;
