//! The tree of a zone's names, in flat form.
//!
//! Every name that exists has a node; empty non-terminals exist too (RFC 4592, section 2.2.2). When the tree is built,
//! each node gets the results of a walk down from the apex: the zone cut or DNAME at or above it, and the wildcard
//! below it. So the algorithm of RFC 1034, section 4.3.2, only needs to find the deepest existing node.
//!
//! A tree holds the records of the files, and marks the names that are steered or that reflect. It holds nothing else
//! of the configuration, so snapshots share it as long as the zone stays the same. It never changes; a
//! [`Zone`](super::Zone) holds later changes.

use super::chain::Chain;
use super::names::Names;
use super::record::Record;
use super::rrset::Rrset;
use crate::name::Name;
use crate::wire::Rtype;

/// A node, as an index in its zone. The nodes of the tree come first, then those of a patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(u32);

impl NodeId {
    /// The node of the apex.
    pub(super) const APEX: Self = Self(0);

    /// Returns the node with this index.
    pub const fn from_index(index: usize) -> Self {
        Self(index as u32)
    }

    /// Returns the index.
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// Returns the node of the name with this number in a zone's table of names.
    pub(super) const fn of_name(number: u32) -> Self {
        Self(number)
    }

    /// Returns the number of its name in its zone's table of names.
    pub(super) const fn name(self) -> u32 {
        self.0
    }
}

/// The beginning of a wildcard's name (RFC 4592, section 2.1.1).
pub(super) const WILDCARD: &[u8] = b"\x01*";

/// The names and static RRsets of a zone.
#[derive(Debug)]
pub struct Tree {
    pub(super) apex: Name,
    /// The names of the nodes, by [`NodeId`]; the apex is the first.
    pub(super) names: Names,
    pub(super) nodes: Box<[Stored]>,
    /// Number of records that the tree was built from.
    pub(super) records: usize,
    /// True if no name is steered or reflects.
    pub(super) is_static: bool,
    /// The proofs of a zone that its file has signed.
    pub(super) chain: Option<Box<Chain>>,
}

/// A name that exists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) rrsets: Rrsets,
    pub(super) dynamic: Local,
    /// The topmost zone cut or DNAME at or above the node.
    pub(super) end: Option<End>,
    /// The node of the wildcard directly below.
    pub(super) wildcard: Option<NodeId>,
}

/// The RRsets of a node. Most nodes have one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Rrsets {
    #[default]
    None,
    One(Rrset),
    Many(Box<[Rrset]>),
}

impl Rrsets {
    #[inline]
    pub(super) fn as_slice(&self) -> &[Rrset] {
        match self {
            Self::None => &[],
            Self::One(rrset) => std::slice::from_ref(rrset),
            Self::Many(rrsets) => rrsets,
        }
    }
}

/// The part of a node's answers that is not static, as far as the tree alone determines it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Local {
    #[default]
    None,
    /// The index of the name among the zone's steered names.
    Steered(u32),
    Reflect,
}

/// A node that ends this zone's authority over the names below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    pub(super) node: NodeId,
    /// Length of its name in octets.
    pub(super) length: u8,
    /// True for a DNAME, false for a zone cut. At a node with both, the cut counts, because a zone cannot redirect a
    /// name that it delegates.
    pub(super) is_dname: bool,
}

/// Where a name lies in its zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The zone is authoritative for the name.
    Own,
    /// The name is a zone cut: the zone is authoritative for its DS records and for proofs.
    Cut,
    /// The name is below a zone cut or a DNAME: the zone is not authoritative for it.
    Below,
}

/// The reason why records do not form a zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ZoneError {
    /// There is no SOA at the apex, or more than one.
    NoSoa,
    /// These records do not fit in a message.
    TooLarge(Name, Rtype),
}

impl std::fmt::Display for ZoneError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoSoa => f.write_str("a zone needs exactly one SOA at its apex"),
            Self::TooLarge(owner, rtype) => write!(f, "the {rtype} records of {owner} do not fit into a message"),
        }
    }
}

impl std::error::Error for ZoneError {}

impl Tree {
    /// Returns the node whose name a search for this one compares first; `None` if it compares none.
    pub(crate) fn first_candidate(&self, key: &[u8]) -> Option<NodeId> {
        self.names.first_candidate(key).map(NodeId::of_name)
    }

    /// Returns the name of a node, in lower case.
    pub(crate) fn name_of(&self, id: NodeId) -> &[u8] {
        self.names.get(id.name())
    }

    /// True if the name of this node is steered.
    pub(crate) fn is_steered(&self, id: NodeId) -> bool {
        matches!(self.nodes[id.index()].dynamic, Local::Steered(_))
    }

    /// Returns the number of names.
    pub(crate) fn name_count(&self) -> usize {
        self.nodes.len()
    }

    /// Returns the name of the zone.
    pub fn apex(&self) -> &Name {
        &self.apex
    }

    /// True if both trees have the same contents in the same order, apart from the SOA's serial.
    pub fn says_as(&self, other: &Self) -> bool {
        let apex = |tree: &Self| {
            let rrsets = tree.nodes[0].rrsets.as_slice().iter();
            let uncounted =
                rrsets.map(|rrset| if rrset.rtype() == Rtype::SOA { rrset.with_serial(0) } else { rrset.clone() });
            (tree.nodes[0].dynamic, uncounted.collect::<Vec<_>>())
        };
        self.apex == other.apex
            && self.names == other.names
            && apex(self) == apex(other)
            && self.chain == other.chain
            && self.nodes.iter().skip(1).eq(other.nodes.iter().skip(1))
    }

    /// Returns the SERIAL of the SOA.
    pub fn serial(&self) -> u32 {
        self.soa().soa_serial().unwrap_or_default()
    }

    /// Returns the node of a name in lower case.
    pub fn find(&self, key: &[u8]) -> Option<NodeId> {
        self.names.find(key).map(NodeId::of_name)
    }

    /// Returns the node with this number.
    pub(super) fn node(&self, id: NodeId) -> &Stored {
        &self.nodes[id.index()]
    }

    /// Returns the record at this position of the RRset of this node and type, with its owner in lower case; `None` if
    /// there is none.
    pub fn record(&self, node: NodeId, rtype: Rtype, place: usize) -> Option<Record> {
        let rrsets = self.nodes.get(node.index())?.rrsets.as_slice();
        let rrset = rrsets.iter().find(|rrset| rrset.rtype() == rtype)?;
        rrset.content(place, &Name::from_wire(self.names.get(node.name())), &self.apex)
    }

    /// Returns the number of static records.
    pub fn record_count(&self) -> usize {
        self.records
    }

    /// Returns the greatest TTL of its records, in seconds.
    pub fn greatest_ttl(&self) -> u32 {
        let rrsets = self.nodes.iter().flat_map(|node| node.rrsets.as_slice());
        rrsets.map(Rrset::ttl).max().unwrap_or_default()
    }

    /// True if all answers are static records.
    pub fn is_static(&self) -> bool {
        self.is_static
    }

    /// True if a name in lower case exists; empty non-terminals exist.
    pub fn contains(&self, key: &[u8]) -> bool {
        self.names.find(key).is_some()
    }

    /// True if a name in lower case has records, is steered or reflects.
    pub fn is_owner(&self, key: &[u8]) -> bool {
        let node = self.find(key).map(|id| self.node(id));
        node.is_some_and(|node| node.rrsets != Rrsets::None || node.dynamic != Local::None)
    }

    /// True if a name in lower case is at or below a zone cut or a DNAME.
    pub fn is_ended(&self, key: &[u8]) -> bool {
        let mut existing = crate::name::suffixes(key).filter_map(|suffix| self.find(suffix));
        existing.next().is_some_and(|id| self.node(id).end.is_some())
    }

    /// Returns the owner of the DNAME record that redirects a name in lower case. The owner is an end of that name.
    pub fn dname_above<'k>(&self, key: &'k [u8]) -> Option<&'k [u8]> {
        let mut existing = crate::name::suffixes(key).filter_map(|suffix| self.find(suffix));
        let end = existing.next().and_then(|id| self.node(id).end)?;
        let owner = key.get(key.len() - usize::from(end.length)..)?;
        // The owner itself is not redirected (RFC 6672, section 2.3).
        (end.is_dname && owner.len() < key.len()).then_some(owner)
    }

    /// Returns all names in lower case, empty non-terminals included, each with its place and its static RRsets.
    pub fn nodes(&self) -> impl Iterator<Item = (&[u8], Place, &[Rrset])> {
        self.names.iter().zip(&self.nodes).map(|(key, node)| {
            let place = match node.end {
                Some(end) if usize::from(end.length) < key.len() => Place::Below,
                Some(End { is_dname: false, .. }) => Place::Cut,
                _ => Place::Own,
            };
            (key, place, node.rrsets.as_slice())
        })
    }

    /// Returns the names that have records, are steered or reflect, in lower case.
    pub fn owners(&self) -> impl Iterator<Item = &[u8]> {
        self.names.iter().filter(|key| self.is_owner(key))
    }

    /// Returns the static RRset of this type at a name in lower case.
    pub fn rrset(&self, key: &[u8], rtype: Rtype) -> Option<&Rrset> {
        let node = self.node(self.find(key)?);
        node.rrsets.as_slice().iter().find(|rrset| rrset.rtype() == rtype)
    }

    /// Returns all records, grouped by owner.
    #[cfg(test)]
    pub(crate) fn records(&self) -> Vec<Record> {
        let nodes = self.names.iter().zip(&self.nodes);
        let contents = |(key, node): (&[u8], &Stored)| {
            let rrsets = node.rrsets.as_slice().iter();
            rrsets.flat_map(|rrset| rrset.contents(&Name::from_wire(key), &self.apex)).collect::<Vec<_>>()
        };
        nodes.flat_map(contents).collect()
    }

    /// Returns the SOA. No tree is built without one.
    pub(super) fn soa(&self) -> &Rrset {
        let soa = self.nodes[0].rrsets.as_slice().iter().find(|rrset| rrset.rtype() == Rtype::SOA);
        soa.expect("a tree has an SOA")
    }
}
