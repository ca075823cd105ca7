//! The tree of a zone's names, flattened.
//!
//! Every name that exists has a node, empty non-terminals too (RFC 4592, section 2.2.2). What a look-up would find on its
//! way down from the apex is written at each node when the zone is built: the zone cut or DNAME at or above it, and the
//! wildcard below it. So the algorithm of RFC 1034, section 4.3.2, comes down to finding the deepest existing node.
//!
//! Records that come while the zone is served are extra: they make names exist, and names that exist hide a wildcard (RFC 4592,
//! section 3.3.1). So each name that is new, empty non-terminals too, gets what its wildcard answers with, and a wildcard of
//! its own for the names below it:
//!
//! ```text
//!   *.apps A          and extra  _acme.foo.apps TXT  make  foo.apps A, *.foo.apps A, _acme.foo.apps A and TXT, ...
//! ```

use std::collections::{HashMap, HashSet};

use super::rdata::canonical;
use super::record::Record;
use super::rrset::{Rrset, TooLarge};
use crate::name::{Name, suffixes};
use crate::wire::Rtype;

/// A node by its place in its zone.
pub type NodeId = u32;

/// What is steered at a node, by its place in the snapshot's list.
pub type PlanId = u32;

/// A steered name, by its place among all of the snapshot's.
pub type NameId = u32;

/// An immutable zone.
#[derive(Debug)]
pub struct Zone {
    apex: Name,
    nodes: Box<[Node]>,
    by_name: HashMap<Box<[u8]>, NodeId, foldhash::fast::RandomState>,
    /// How many nodes there would be without the extra records; theirs come behind.
    own_nodes: NodeId,
    /// Labels of the deepest node, so that longer names need no look-up at their full length.
    depth: usize,
    /// Whether no name has anything special.
    is_static: bool,
    /// The SOA as negative answers hold it (RFC 2308, section 3).
    negative_soa: Rrset,
}

/// A name that exists.
#[derive(Debug, Default)]
pub struct Node {
    rrsets: Vec<Rrset>,
    special: Special,
    /// The topmost zone cut or DNAME at or above the node.
    end: Option<End>,
    /// The node of the asterisk label below.
    wildcard: Option<NodeId>,
}

/// A node below which the zone says nothing more.
#[derive(Clone, Copy, Debug)]
struct End {
    node: NodeId,
    /// Octets of its name.
    length: u8,
    /// A DNAME, or else a zone cut, which goes before one: what is delegated is not this zone's to redirect.
    is_dname: bool,
}

/// What a node answers with besides static RRsets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Special {
    /// Nothing.
    #[default]
    None,
    /// Addresses chosen for each client: how, and for which name.
    Steered(PlanId, NameId),
    /// TXT with what is known of the asker.
    Reflect,
}

/// Where a look-up ended.
#[derive(Clone, Copy, Debug)]
pub enum Found<'a> {
    /// At the name, or at the wildcard that it is synthesised from.
    Node {
        /// Where the records are.
        node: &'a Node,
        /// Octets of the closest encloser's name (RFC 4592, section 3.3.1): the whole name if that exists.
        encloser: usize,
    },
    /// At a zone cut: whoever is asked below it is referred to these nameservers. The cut's name is as long as `length`.
    Cut {
        /// The NS RRset.
        nameservers: &'a Rrset,
        /// Octets of the cut's name.
        length: usize,
    },
    /// Below a DNAME: the name goes on with another end. The DNAME's owner is as long as `length`.
    Dname {
        /// The only record of its type.
        dname: &'a Rrset,
        /// Octets of its owner.
        length: usize,
    },
    /// The name does not exist.
    Nothing {
        /// Octets of the closest encloser's name.
        encloser: usize,
    },
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

impl Node {
    /// The RRset of this type.
    pub fn rrset(&self, rtype: Rtype) -> Option<&Rrset> {
        self.rrsets.iter().find(|rrset| rrset.rtype() == rtype)
    }

    /// All static RRsets.
    pub fn rrsets(&self) -> &[Rrset] {
        &self.rrsets
    }

    /// What it answers with besides them.
    pub fn special(&self) -> Special {
        self.special
    }
}

impl Zone {
    /// Builds a zone from records at or below `apex`, from names with something special, and from extra records, which
    /// hide nothing of the others.
    pub fn build(
        apex: &Name,
        records: &[Record],
        specials: impl IntoIterator<Item = (Name, Special)>,
        extra: &[Record],
    ) -> Result<Self, ZoneError> {
        let mut builder = Builder::new(apex);
        let mut placed: Vec<(NodeId, &Record)> =
            records.iter().map(|record| (builder.node(&record.owner), record)).collect();
        for (owner, special) in specials {
            let id = builder.node(&owner);
            builder.nodes[id as usize].special = special;
        }
        let own_nodes = builder.nodes.len() as NodeId;
        let copies = builder.copies(records, extra);
        placed.extend(extra.iter().chain(&copies).map(|record| (builder.node(&record.owner), record)));
        builder.add_records(&placed)?;
        builder.finish(own_nodes)
    }

    /// The name of the zone.
    pub fn apex(&self) -> &Name {
        &self.apex
    }

    /// The SOA for negative answers, with its TTL for them.
    pub fn negative_soa(&self) -> &Rrset {
        &self.negative_soa
    }

    /// Whether its records are all there is to it: no name is answered from anything else.
    pub fn is_static(&self) -> bool {
        self.is_static
    }

    /// All static RRsets, each once, those below cuts too, with their owners in lower case. Those of one owner come together;
    /// owners come in no order, but in the same one each time.
    pub fn rrsets(&self) -> impl Iterator<Item = (&[u8], &Rrset)> {
        self.by_name
            .iter()
            .flat_map(|(owner, &id)| self.nodes[id as usize].rrsets.iter().map(move |rrset| (&**owner, rrset)))
    }

    /// The node of the apex.
    pub fn apex_node(&self) -> &Node {
        &self.nodes[0]
    }

    /// Where a name at or below the apex leads; `key` is the name in lower case. Of the types only DS counts: at a cut it
    /// belongs to this side (RFC 4035, section 3.1.4.1).
    pub fn look_up(&self, key: &[u8], rtype: Rtype) -> Found<'_> {
        let (encloser, matched) = self.closest_encloser(key);
        let is_match = matched == key.len();
        if let Some(end) = self.nodes[encloser as usize].end {
            let here = is_match && end.node == encloser;
            // A DNAME's owner is not redirected itself (RFC 6672, section 2.3).
            if !here || !(end.is_dname || rtype == Rtype::DS) {
                return self.found_end(end);
            }
        }
        let found = Some(encloser).filter(|_| is_match).or(self.nodes[encloser as usize].wildcard);
        match found {
            Some(id) => Found::Node { node: &self.nodes[id as usize], encloser: matched },
            None => Found::Nothing { encloser: matched },
        }
    }

    /// The node of a name that exists, whether it lies below a cut or not: glue is looked up so.
    pub fn node(&self, key: &[u8]) -> Option<&Node> {
        self.by_name.get(key).map(|&id| &self.nodes[id as usize])
    }

    /// The same; for a name that does not exist, the wildcard that answers for it, if one does.
    pub fn node_or_wildcard(&self, key: &[u8]) -> Option<&Node> {
        self.node(key).or_else(|| match self.look_up(key, Rtype::A) {
            Found::Node { node, .. } => Some(node),
            Found::Cut { .. } | Found::Dname { .. } | Found::Nothing { .. } => None,
        })
    }

    /// The wildcard that would answer for a name if the zone had no extra records, and its name; `None` for a name that would
    /// exist, or for which none would answer.
    pub fn own_wildcard(&self, name: &Name) -> Option<(&Node, Name)> {
        let own = |name: &Name| self.by_name.get(&*name.to_key()).copied().filter(|&id| id < self.own_nodes);
        let encloser = std::iter::successors(Some(name.clone()), Name::parent).find(|above| own(above).is_some())?;
        let wildcard = self.nodes[own(&encloser)? as usize].wildcard.filter(|&id| id < self.own_nodes)?;
        (encloser != *name).then(|| Some((&self.nodes[wildcard as usize], encloser.wildcard()?))).flatten()
    }

    /// Whether a name is a zone cut of this zone.
    pub fn delegates(&self, key: &[u8]) -> bool {
        let end = self.by_name.get(key).and_then(|&id| Some((id, self.nodes[id as usize].end?)));
        end.is_some_and(|(id, end)| end.node == id && !end.is_dname)
    }

    /// The deepest node at or above a name, and how many octets its name has.
    fn closest_encloser(&self, key: &[u8]) -> (NodeId, usize) {
        let surplus = crate::name::labels(key).count().saturating_sub(self.depth);
        suffixes(key)
            .skip(surplus)
            .find_map(|suffix| Some((*self.by_name.get(suffix)?, suffix.len())))
            .unwrap_or((0, self.apex.as_wire().len()))
    }

    fn found_end(&self, End { node, length, is_dname }: End) -> Found<'_> {
        let rrset = |rtype| self.nodes[node as usize].rrset(rtype);
        let length = usize::from(length);
        let found = if is_dname {
            rrset(Rtype::DNAME).map(|dname| Found::Dname { dname, length })
        } else {
            rrset(Rtype::NS).map(|nameservers| Found::Cut { nameservers, length })
        };
        found.unwrap_or(Found::Nothing { encloser: length })
    }
}

struct Builder {
    apex: Name,
    nodes: Vec<Node>,
    names: Vec<Name>,
    by_name: HashMap<Box<[u8]>, NodeId, foldhash::fast::RandomState>,
}

impl Builder {
    fn new(apex: &Name) -> Self {
        let mut builder =
            Self { apex: apex.clone(), nodes: Vec::new(), names: Vec::new(), by_name: HashMap::default() };
        builder.insert(apex);
        builder
    }

    fn insert(&mut self, name: &Name) -> NodeId {
        let id = self.nodes.len() as NodeId;
        self.nodes.push(Node::default());
        self.names.push(name.clone());
        self.by_name.insert(name.to_key(), id);
        id
    }

    /// The node of a name; it and the empty non-terminals above it are made where they are missing.
    fn node(&mut self, name: &Name) -> NodeId {
        if let Some(&id) = self.by_name.get(&*name.to_key()) {
            return id;
        }
        let id = self.insert(name);
        if let Some(parent) = name.parent() {
            let parent = self.node(&parent);
            if name.is_wildcard() {
                self.nodes[parent as usize].wildcard = Some(id);
            }
        }
        id
    }

    /// Adds the nodes of extra records, gives those that are new what their wildcard answers with, and gives the records that
    /// are to be added for that.
    fn copies(&mut self, records: &[Record], extra: &[Record]) -> Vec<Record> {
        let mut hidden: HashMap<NodeId, Vec<Name>> = HashMap::new();
        let own_nodes = self.nodes.len() as NodeId;
        for record in extra {
            let own = |name: &Name| self.by_name.get(&*name.to_key()).copied().filter(|&id| id < own_nodes);
            let mut new = Vec::new();
            let mut above = Some(record.owner.clone());
            while let Some(name) = above.take_if(|name| own(name).is_none()) {
                above = name.parent();
                new.push(name);
            }
            let encloser = above.as_ref().and_then(own);
            let wildcard = encloser.and_then(|id| self.nodes[id as usize].wildcard).filter(|&id| id < own_nodes);
            if let Some(wildcard) = wildcard {
                let names = hidden.entry(wildcard).or_default();
                names.extend(new.into_iter().flat_map(|name| [name.wildcard(), Some(name)]).flatten());
            }
        }
        let mut copies = Vec::new();
        for (wildcard, names) in hidden {
            let (special, owner) = (self.nodes[wildcard as usize].special, self.names[wildcard as usize].clone());
            let at_wildcard: Vec<&Record> = records.iter().chain(extra).filter(|r| r.owner == owner).collect();
            for name in names {
                let id = self.node(&name);
                self.nodes[id as usize].special = special;
                copies.extend(at_wildcard.iter().map(|&record| Record { owner: name.clone(), ..record.clone() }));
            }
        }
        copies
    }

    fn add_records(&mut self, records: &[(NodeId, &Record)]) -> Result<(), ZoneError> {
        let mut rrsets: HashMap<(NodeId, Rtype), Vec<&Record>> = HashMap::new();
        let mut order = Vec::new();
        for &(id, record) in records {
            let key = (id, record.rtype);
            let rrset = rrsets.entry(key).or_default();
            if rrset.is_empty() {
                order.push(key);
            }
            rrset.push(record);
        }
        for key in order {
            let (id, rtype) = key;
            let owner = &self.names[id as usize];
            let rrset = Rrset::render(rtype, &distinct(rtype, &rrsets[&key]), owner, &self.apex)
                .map_err(|TooLarge| ZoneError::TooLarge(owner.clone(), rtype))?;
            let rrsets = &mut self.nodes[id as usize].rrsets;
            // Most names hold one RRset, and a list that grows by itself begins with room for four.
            rrsets.reserve_exact(1);
            rrsets.push(rrset);
        }
        Ok(())
    }

    fn finish(mut self, own_nodes: NodeId) -> Result<Zone, ZoneError> {
        self.mark_ends();
        let soa = self.nodes[0].rrset(Rtype::SOA).filter(|soa| soa.len() == 1).ok_or(ZoneError::NoSoa)?;
        let negative_soa = soa.with_ttl(soa.ttl().min(soa_minimum(soa)));
        let depth = self.names.iter().map(Name::label_count).max().unwrap_or(0);
        let is_static = self.nodes.iter().all(|node| node.special == Special::None);
        Ok(Zone {
            apex: self.apex,
            nodes: self.nodes.into(),
            by_name: self.by_name,
            own_nodes,
            depth,
            is_static,
            negative_soa,
        })
    }

    /// Writes at every node the topmost cut or DNAME at or above it.
    fn mark_ends(&mut self) {
        let is_end = |node: &Node, is_apex: bool| {
            node.rrset(Rtype::DNAME).is_some() || !is_apex && node.rrset(Rtype::NS).is_some()
        };
        if !self.nodes.iter().enumerate().any(|(id, node)| is_end(node, id == 0)) {
            return;
        }
        for id in 0..self.nodes.len() {
            let key = self.names[id].to_key();
            let in_zone = suffixes(&key).take_while(|suffix| suffix.len() >= self.apex.as_wire().len());
            self.nodes[id].end = in_zone.filter_map(|suffix| self.end_at(suffix)).last();
        }
    }

    fn end_at(&self, key: &[u8]) -> Option<End> {
        let id = self.by_name[key];
        let has = |rtype| self.nodes[id as usize].rrset(rtype).is_some();
        let is_cut = has(Rtype::NS) && key.len() > self.apex.as_wire().len();
        (is_cut || has(Rtype::DNAME)).then_some(End { node: id, length: key.len() as u8, is_dname: !is_cut })
    }
}

/// What an RRset is rendered from: TTL and RDATA of its records, each once. RFC 2181, section 5: duplicates are suppressed; 5.2:
/// the TTLs of an RRset are the same, and the lowest is the safe one. Only signatures each live as long as what they cover
/// (RFC 4034, section 3).
fn distinct<'r>(rtype: Rtype, records: &[&'r Record]) -> Vec<(u32, &'r [u8])> {
    /// Octets of the type covered, with which the RDATA of a signature begins.
    const COVERED: usize = size_of::<u16>();
    let covered = |record: &'r Record| record.rdata.get(..COVERED).filter(|_| rtype == Rtype::RRSIG);
    let mut lowest: HashMap<Option<&[u8]>, u32> = HashMap::new();
    for record in records {
        let ttl = lowest.entry(covered(record)).or_insert(record.ttl);
        *ttl = record.ttl.min(*ttl);
    }
    let mut seen = HashSet::with_capacity(records.len());
    let first = records.iter().filter(|record| seen.insert(canonical(rtype, &record.rdata)));
    first.map(|record| (lowest[&covered(record)], &*record.rdata)).collect()
}

/// The last field of the only SOA record.
fn soa_minimum(soa: &Rrset) -> u32 {
    let record = soa.records().next().map_or(&[][..], |(record, _)| record);
    record.last_chunk().map_or(0, |octets| u32::from_be_bytes(*octets))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::parse(text, &Name::parse("example.com.", &Name::root()).unwrap()).unwrap()
    }

    fn record(owner: &str, rtype: Rtype, rdata: &[u8]) -> Record {
        Record { owner: name(owner), rtype, ttl: 3600, rdata: rdata.into() }
    }

    fn zone(records: &[Record]) -> Zone {
        let soa = [name("ns1").as_wire(), name("hostmaster").as_wire(), &[0; 16], &60u32.to_be_bytes()].concat();
        let mut all = vec![record("@", Rtype::SOA, &soa), record("@", Rtype::NS, name("ns1").as_wire())];
        all.extend_from_slice(records);
        Zone::build(&name("@"), &all, [(name("*.apps"), Special::Steered(7, 3))], &[]).unwrap()
    }

    fn look_up<'a>(zone: &'a Zone, text: &str) -> Found<'a> {
        zone.look_up(&name(text).to_key(), Rtype::A)
    }

    #[test]
    fn empty_non_terminals_exist() {
        let zone = zone(&[record("a.b.c", Rtype::A, &[1, 2, 3, 4])]);
        for text in ["a.b.c", "b.c", "c", "apps"] {
            assert!(matches!(look_up(&zone, text), Found::Node { .. }), "{text}");
        }
        for text in ["d", "d.c", "x.a.b.c", "y.x.a.b.c"] {
            assert!(matches!(look_up(&zone, text), Found::Nothing { .. }), "{text}");
        }
    }

    #[test]
    fn a_wildcard_stands_for_names_that_do_not_exist() {
        let zone = zone(&[record("there.apps", Rtype::A, &[1, 2, 3, 4])]);
        let special = |text| match look_up(&zone, text) {
            Found::Node { node, .. } => node.special(),
            Found::Cut { .. } | Found::Dname { .. } | Found::Nothing { .. } => panic!("{text} is not found"),
        };
        assert_eq!(special("any.apps"), Special::Steered(7, 3));
        assert_eq!(special("deep.any.apps"), Special::Steered(7, 3));
        assert_eq!(special("there.apps"), Special::None);
        // RFC 4592, section 2.2.1: the closest encloser is an existing name, so its own wildcard would be asked.
        assert!(matches!(look_up(&zone, "x.there.apps"), Found::Nothing { .. }));
    }

    #[test]
    fn everything_at_or_below_a_cut_is_referred() {
        let zone = zone(&[
            record("sub", Rtype::NS, name("ns.sub").as_wire()),
            record("deep.sub", Rtype::NS, name("ns.sub").as_wire()),
            record("ns.sub", Rtype::A, &[1, 2, 3, 4]),
        ]);
        for text in ["sub", "ns.sub", "x.sub", "deep.sub", "x.deep.sub"] {
            let Found::Cut { length, .. } = look_up(&zone, text) else { panic!("{text} is not referred") };
            assert_eq!(length, name("sub").as_wire().len());
        }
        assert!(matches!(zone.look_up(&name("sub").to_key(), Rtype::DS), Found::Node { .. }));
        assert!(matches!(zone.look_up(&name("x.sub").to_key(), Rtype::DS), Found::Cut { .. }));
    }

    #[test]
    fn names_below_a_dname_are_redirected_and_its_owner_is_not() {
        let zone = zone(&[
            record("old", Rtype::DNAME, name("new").as_wire()),
            record("old", Rtype::A, &[1, 2, 3, 4]),
            record("below.old", Rtype::A, &[1, 2, 3, 4]),
        ]);
        assert!(matches!(look_up(&zone, "old"), Found::Node { .. }));
        for text in ["below.old", "x.old", "x.below.old"] {
            let Found::Dname { length, .. } = look_up(&zone, text) else { panic!("{text} is not redirected") };
            assert_eq!(length, name("old").as_wire().len());
        }
    }

    #[test]
    fn negative_answers_live_no_longer_than_the_minimum() {
        assert_eq!(zone(&[]).negative_soa().ttl(), 60);
    }
}
