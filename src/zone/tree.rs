//! The tree of a zone's names, flattened.
//!
//! Every name that exists has a node, empty non-terminals too (RFC 4592, section 2.2.2). What a look-up would find on its
//! way down from the apex is written at each node when the tree is built: the zone cut or DNAME at or above it, and the
//! wildcard below it. So the algorithm of RFC 1034, section 4.3.2, comes down to finding the deepest existing node.
//!
//! A tree holds what the files say and nothing of a configuration around it, so snapshots share it as long as the zone stays
//! the same. It never changes; what a zone says besides is a [`Zone`](super::Zone)'s.

use super::names::Names;
use super::record::Record;
use super::rrset::Rrset;
use crate::name::Name;
use crate::wire::Rtype;

use super::builder::Builder;

/// A node by its place in its zone.
pub type NodeId = u32;

/// How the name of a wildcard begins (RFC 4592, section 2.1.1).
pub(super) const WILDCARD: &[u8] = b"\x01*";

/// The names and static RRsets of a zone.
#[derive(Debug)]
pub struct Tree {
    pub(super) apex: Name,
    /// The names of the nodes, by [`NodeId`]. The apex is the first.
    pub(super) names: Names,
    pub(super) nodes: Box<[Stored]>,
    /// Labels of the deepest node, so that longer names need no look-up at their full length.
    pub(super) depth: usize,
    /// How many records it was made of.
    pub(super) records: usize,
    /// Whether no name has anything special.
    pub(super) is_static: bool,
}

/// A name that exists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) rrsets: Rrsets,
    pub(super) dynamic: Local,
    /// The topmost zone cut or DNAME at or above the node.
    pub(super) end: Option<End>,
    /// The node of the asterisk label below.
    pub(super) wildcard: Option<NodeId>,
}

/// The RRsets of a node. Most have one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Rrsets {
    #[default]
    None,
    One(Rrset),
    Many(Box<[Rrset]>),
}

impl Rrsets {
    pub(super) fn as_slice(&self) -> &[Rrset] {
        match self {
            Self::None => &[],
            Self::One(rrset) => std::slice::from_ref(rrset),
            Self::Many(rrsets) => rrsets,
        }
    }
}

/// What a node answers with besides static RRsets, as far as its zone alone can say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Local {
    #[default]
    None,
    /// The number of the name among the zone's steered ones.
    Steered(u32),
    Reflect,
}

/// A node below which the zone says nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    pub(super) node: NodeId,
    /// Octets of its name.
    pub(super) length: u8,
    /// A DNAME, or else a zone cut, which goes before one: what is delegated is not this zone's to redirect.
    pub(super) is_dname: bool,
}

/// Why records do not make a zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ZoneError {
    /// There is no SOA at the apex, or more than one.
    NoSoa,
    /// These records fit no message.
    TooLarge(Name, Rtype),
}

impl std::fmt::Display for ZoneError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoSoa => f.write_str("a zone needs exactly one SOA at its apex"),
            Self::TooLarge(owner, rtype) => write!(f, "{rtype} records of {owner} fit no message"),
        }
    }
}

impl std::error::Error for ZoneError {}

impl Tree {
    /// Builds a tree from records at or below `apex`, and from names that are steered or reflect.
    pub fn build<'n, R: AsRef<Record>>(
        apex: &Name,
        records: &[R],
        steered: impl IntoIterator<Item = &'n Name>,
        reflect: impl IntoIterator<Item = &'n Name>,
    ) -> Result<Self, ZoneError> {
        let mut builder = Builder::new(apex, records);
        steered.into_iter().for_each(|name| builder.steer(name));
        reflect.into_iter().for_each(|name| builder.reflect(name));
        builder.finish(records)
    }

    /// The name of the zone.
    pub fn apex(&self) -> &Name {
        &self.apex
    }

    /// Whether both say the same in the same order, the SOA's serial apart.
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
            && self.nodes.iter().skip(1).eq(other.nodes.iter().skip(1))
    }

    /// SERIAL of its SOA.
    pub fn serial(&self) -> u32 {
        self.soa().soa_serial().unwrap_or_default()
    }

    /// The number of a name in lower case.
    pub fn find(&self, key: &[u8]) -> Option<NodeId> {
        self.names.find(key)
    }

    /// A record by its owner, its type and its place in its RRset. The owner is in lower case.
    pub fn record(&self, node: NodeId, rtype: Rtype, place: usize) -> Option<Record> {
        let rrsets = self.nodes.get(node as usize)?.rrsets.as_slice();
        let rrset = rrsets.iter().find(|rrset| rrset.rtype() == rtype)?;
        rrset.content(place, &Name::from_wire(self.names.get(node)), &self.apex)
    }

    /// How many static records it has.
    pub fn record_count(&self) -> usize {
        self.records
    }

    /// Whether its records are all there is to it: no name is answered from anything else.
    pub fn is_static(&self) -> bool {
        self.is_static
    }

    /// Whether a name in lower case exists, empty non-terminals included.
    pub fn contains(&self, key: &[u8]) -> bool {
        self.names.find(key).is_some()
    }

    /// Whether a name in lower case exists for more than the names below it.
    pub fn is_owner(&self, key: &[u8]) -> bool {
        let node = self.names.find(key).map(|id| &self.nodes[id as usize]);
        node.is_some_and(|node| node.rrsets != Rrsets::None || node.dynamic != Local::None)
    }

    /// Whether a name in lower case stands at or below a zone cut or a DNAME.
    pub fn is_ended(&self, key: &[u8]) -> bool {
        let mut existing = crate::name::suffixes(key).filter_map(|suffix| self.names.find(suffix));
        existing.next().is_some_and(|id| self.nodes[id as usize].end.is_some())
    }

    /// The names that own something, in lower case.
    pub fn owners(&self) -> impl Iterator<Item = &[u8]> {
        self.names.iter().filter(|key| self.is_owner(key))
    }

    /// The static RRset of this type at a name in lower case.
    pub fn rrset(&self, key: &[u8], rtype: Rtype) -> Option<&Rrset> {
        let node = &self.nodes[self.names.find(key)? as usize];
        node.rrsets.as_slice().iter().find(|rrset| rrset.rtype() == rtype)
    }

    /// All records, those of one owner together.
    #[cfg(test)]
    pub(crate) fn records(&self) -> Vec<Record> {
        let nodes = self.names.iter().zip(&self.nodes);
        let contents = |(key, node): (&[u8], &Stored)| {
            let rrsets = node.rrsets.as_slice().iter();
            rrsets.flat_map(|rrset| rrset.contents(&Name::from_wire(key), &self.apex)).collect::<Vec<_>>()
        };
        nodes.flat_map(contents).collect()
    }

    /// The SOA. There is one: no tree is built without it.
    pub(super) fn soa(&self) -> &Rrset {
        let soa = self.nodes[0].rrsets.as_slice().iter().find(|rrset| rrset.rtype() == Rtype::SOA);
        soa.expect("a tree has an SOA")
    }
}
