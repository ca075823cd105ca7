//! A zone as queries see it: a tree that snapshots share, the plans of its steered names, and later changes.
//!
//! Records that are added while the zone is served are extra records. They and the serial that counts them are in a
//! patch over the tree. A patch holds only the nodes that differ, so its cost does not depend on the size of the zone.

use std::sync::Arc;

use super::chain::Chain;
use super::ids::{NameId, PlanId};
use super::patch::Patch;
use super::record::Record;
use super::rrset::Rrset;
use super::tree::{End, Local, NodeId, Stored, Tree, ZoneError};
use crate::name::{Name, suffixes};
use crate::wire::Rtype;

/// An immutable zone.
#[derive(Debug)]
pub struct Zone {
    tree: Arc<Tree>,
    patch: Option<Patch>,
    /// Records of the apex that are in no file.
    apex_records: Arc<[Record]>,
    steered: Steered,
    /// The SOA with the TTL of negative answers (RFC 2308, section 3).
    negative_soa: Rrset,
}

/// The numbers and the plans of a zone's steered names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Steered {
    /// The number of the first steered name. The others follow in order.
    pub first: NameId,
    /// The plan of each steered name.
    pub plans: Arc<[PlanId]>,
}

/// A name that exists, in its zone.
#[derive(Clone, Copy, Debug)]
pub struct Node<'a> {
    stored: &'a Stored,
    dynamic: Dynamic,
}

/// The part of a node's answers that is not static.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dynamic {
    /// All answers are static.
    #[default]
    None,
    /// The name is steered: addresses are chosen for each client.
    Steered(PlanId, NameId),
    /// The name reflects: TXT shows the facts that the node knows about the asker.
    Reflect,
}

/// The result of a look-up.
#[derive(Clone, Copy, Debug)]
pub enum Found<'a> {
    /// The name exists, or a wildcard answers for it.
    Node {
        /// The node with the records.
        node: Node<'a>,
        /// Length in octets of the closest encloser's name (RFC 4592, section 3.3.1). If the name exists, it is the
        /// length of the whole name.
        encloser: usize,
        /// The node of the closest encloser.
        id: NodeId,
    },
    /// The name is at or below a zone cut: these nameservers are authoritative for it.
    Cut {
        /// The NS RRset.
        nameservers: &'a Rrset,
        /// Length in octets of the cut's name.
        length: usize,
    },
    /// The name is below the owner of a DNAME record, which replaces the end of the name.
    Dname {
        /// The DNAME RRset; it has one record.
        dname: &'a Rrset,
        /// Length in octets of the DNAME's owner.
        length: usize,
    },
    /// The name does not exist.
    Nothing {
        /// Length in octets of the closest encloser's name.
        encloser: usize,
    },
}

impl<'a> Node<'a> {
    /// Returns the RRset of this type.
    #[inline]
    pub fn rrset(self, rtype: Rtype) -> Option<&'a Rrset> {
        self.rrsets().iter().find(|rrset| rrset.rtype() == rtype)
    }

    /// Returns all static RRsets.
    pub fn rrsets(self) -> &'a [Rrset] {
        self.stored.rrsets.as_slice()
    }

    /// Returns the part of its answers that is not static.
    pub fn dynamic(self) -> Dynamic {
        self.dynamic
    }
}

impl Zone {
    /// Makes a zone from the tree of its files, with this serial. `steered` has a plan for each name that was steered
    /// when the tree was built.
    pub fn new(tree: Arc<Tree>, steered: Steered, serial: u32) -> Self {
        Self::patched(Patch::counted(&tree, serial), tree, steered, [].into())
    }

    /// Returns the zone with records of the apex that are in no file, such as its keys. They must be of types that the
    /// files do not hold there, and few enough to fit in a message.
    pub fn with_apex_records(self, records: Vec<Record>) -> Self {
        let serial = self.serial();
        match Patch::new(&self.tree, &records, &[], serial) {
            Ok(patch) if !records.is_empty() => Self::patched(patch, self.tree, self.steered, records.into()),
            _ => self,
        }
    }

    fn patched(patch: Option<Patch>, tree: Arc<Tree>, steered: Steered, apex_records: Arc<[Record]>) -> Self {
        let negative_soa = negative(tree.soa());
        let mut zone = Self { tree, patch, apex_records, steered, negative_soa };
        if let Some(soa) = zone.apex_node().rrset(Rtype::SOA) {
            zone.negative_soa = negative(soa);
        }
        zone
    }

    /// Returns the zone with exactly these extra records beside those of its files, and with this serial. The records
    /// must be of types that are allowed beside all others: no NS, DNAME, CNAME or SOA. Fails if an RRset does not fit
    /// in a message.
    pub fn amended(&self, extra: &[Record], serial: u32) -> Result<Self, ZoneError> {
        let patch = Patch::new(&self.tree, &self.apex_records, extra, serial)?;
        Ok(Self::patched(patch, self.tree.clone(), self.steered.clone(), self.apex_records.clone()))
    }

    /// Returns the records of the files.
    pub fn tree(&self) -> &Arc<Tree> {
        &self.tree
    }

    /// True if its file has signed it.
    pub fn is_presigned(&self) -> bool {
        self.tree.chain().is_some()
    }

    /// Returns the numbers and plans of its steered names.
    pub fn steered(&self) -> &Steered {
        &self.steered
    }

    /// True if the zone has no extra records.
    pub fn is_plain(&self) -> bool {
        self.patch.as_ref().is_none_or(Patch::is_plain)
    }

    /// Returns the number of names that differ from the tree: the cost of the last change.
    pub fn patched_names(&self) -> usize {
        self.patch.as_ref().map_or(0, Patch::len)
    }

    /// Returns the SERIAL of the SOA as it is served (RFC 1035, section 3.3.13).
    pub fn serial(&self) -> u32 {
        self.negative_soa.soa_serial().unwrap_or_default()
    }

    /// Returns the name of the zone.
    pub fn apex(&self) -> &Name {
        self.tree.apex()
    }

    /// Returns the SOA for negative answers, with its TTL for them.
    pub fn negative_soa(&self) -> &Rrset {
        &self.negative_soa
    }

    /// True if all answers are static records.
    pub fn is_static(&self) -> bool {
        self.tree.is_static()
    }

    /// Returns all static RRsets without duplicates, including those below cuts and those of its chain, with their owners in lower case. The
    /// RRsets of one owner are together. The order of owners is arbitrary, but it is always the same for one zone.
    pub fn rrsets(&self) -> impl Iterator<Item = (&[u8], &Rrset)> {
        let own = self.tree.names.iter().zip((0..).map(NodeId::of_name)).map(|(owner, id)| (owner, self.stored(id)));
        let new = self.patch.iter().flat_map(Patch::new_names);
        let of_names =
            own.chain(new).flat_map(|(owner, node)| node.rrsets.as_slice().iter().map(move |rrset| (owner, rrset)));
        of_names.chain(self.tree.chain().into_iter().flat_map(Chain::rrsets))
    }

    /// Returns the node of the apex.
    pub fn apex_node(&self) -> Node<'_> {
        self.at(NodeId::APEX)
    }

    /// Looks up a name at or below the apex; `key` is the name in lower case. The type matters only for DS: at a cut,
    /// DS belongs to this zone, the parent (RFC 4035, section 3.1.4.1).
    #[inline(always)]
    #[allow(
        clippy::inline_always,
        reason = "each query looks up a name, and a call costs a third of what is done here"
    )]
    pub fn look_up(&self, key: &[u8], rtype: Rtype) -> Found<'_> {
        let (encloser, matched) = self.closest_encloser(key);
        let is_match = matched == key.len();
        let node = self.stored(encloser);
        if let Some(end) = node.end {
            let here = is_match && usize::from(end.length) == matched;
            // The owner of a DNAME is not redirected itself (RFC 6672, section 2.3).
            if !here || !(end.is_dname || rtype == Rtype::DS) {
                return self.found_end(end);
            }
        }
        let found = if is_match { Some(self.shown(node)) } else { node.wildcard.map(|wildcard| self.at(wildcard)) };
        match found {
            Some(node) => Found::Node { node, encloser: matched, id: encloser },
            None => Found::Nothing { encloser: matched },
        }
    }

    /// Returns the node with this number if the name, in lower case, is its own, and no cut or DNAME is at or above it. So
    /// the node is what [`look_up`](Self::look_up) finds for the name, for all types.
    #[inline]
    pub fn own_node(&self, id: NodeId, key: &[u8]) -> Option<Node<'_>> {
        if !self.tree.names.holds(id.name(), key) {
            return None;
        }
        let node = self.stored(id);
        node.end.is_none().then(|| self.shown(node))
    }

    /// Returns the node of a name that exists. It may be below a cut, for glue.
    pub fn node(&self, key: &[u8]) -> Option<Node<'_>> {
        self.find(key).map(|id| self.at(id))
    }

    /// Returns the node of a name, or of the wildcard that answers for it if it does not exist.
    pub fn node_or_wildcard(&self, key: &[u8]) -> Option<Node<'_>> {
        self.node(key).or_else(|| match self.look_up(key, Rtype::A) {
            Found::Node { node, .. } => Some(node),
            Found::Cut { .. } | Found::Dname { .. } | Found::Nothing { .. } => None,
        })
    }

    /// Returns the wildcard that would answer for a name if the zone had no extra records, and the wildcard's name.
    /// `None` if the name would exist, or if no wildcard would answer.
    pub fn own_wildcard(&self, name: &Name) -> Option<(Node<'_>, Name)> {
        let own = |name: &Name| self.tree.find(&name.to_key());
        let encloser = std::iter::successors(Some(name.clone()), Name::parent).find(|above| own(above).is_some())?;
        let wildcard = self.tree.node(own(&encloser)?).wildcard?;
        (encloser != *name).then(|| Some((self.at(wildcard), encloser.wildcard()?))).flatten()
    }

    /// True if a name, in lower case, is a zone cut of this zone.
    pub fn delegates(&self, key: &[u8]) -> bool {
        let end = self.find(key).and_then(|id| self.stored(id).end);
        end.is_some_and(|end| usize::from(end.length) == key.len() && !end.is_dname)
    }

    /// Returns the deepest node at or above a name, and the length of its name in octets.
    #[inline]
    fn closest_encloser(&self, key: &[u8]) -> (NodeId, usize) {
        // Most questions are for names that exist.
        self.find(key).map_or_else(|| self.encloser_above(key), |id| (id, key.len()))
    }

    /// Returns the same for a name that does not exist.
    #[inline(never)]
    fn encloser_above(&self, key: &[u8]) -> (NodeId, usize) {
        let apex = self.apex().as_wire().len();
        let mut below = suffixes(key).skip(1).take_while(|suffix| suffix.len() > apex);
        below.find_map(|suffix| Some((self.find(suffix)?, suffix.len()))).unwrap_or((NodeId::APEX, apex))
    }

    #[inline]
    fn find(&self, key: &[u8]) -> Option<NodeId> {
        let own = self.tree.find(key);
        own.or_else(|| self.patch.as_ref()?.find(key))
    }

    #[inline]
    fn stored(&self, id: NodeId) -> &Stored {
        match &self.patch {
            None => self.tree.node(id),
            Some(patch) => patch.node(id).unwrap_or_else(|| self.tree.node(id)),
        }
    }

    fn at(&self, id: NodeId) -> Node<'_> {
        self.shown(self.stored(id))
    }

    #[inline]
    fn shown<'a>(&self, stored: &'a Stored) -> Node<'a> {
        let dynamic = match stored.dynamic {
            Local::None => Dynamic::None,
            Local::Reflect => Dynamic::Reflect,
            Local::Steered(number) => {
                Dynamic::Steered(self.steered.plans[number as usize], self.steered.first.after(number))
            }
        };
        Node { stored, dynamic }
    }

    fn found_end(&self, End { node, length, is_dname }: End) -> Found<'_> {
        let node = self.at(node);
        let length = usize::from(length);
        let found = if is_dname {
            node.rrset(Rtype::DNAME).map(|dname| Found::Dname { dname, length })
        } else {
            node.rrset(Rtype::NS).map(|nameservers| Found::Cut { nameservers, length })
        };
        found.unwrap_or(Found::Nothing { encloser: length })
    }
}

/// Returns an SOA with the TTL of negative answers: the lower one of its TTL and its MINIMUM field (RFC 2308, section
/// 3). MINIMUM is the last field.
fn negative(soa: &Rrset) -> Rrset {
    let record = soa.records().next().map_or(&[][..], |(record, _)| record);
    let minimum = record.last_chunk().map_or(0, |octets| u32::from_be_bytes(*octets));
    soa.with_ttl(soa.ttl().min(minimum))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: PlanId = PlanId::from_index(7);
    const NAME: NameId = NameId::from_index(3);

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
        let tree = Tree::build(&name("@"), &all, [&name("*.apps")], []).unwrap();
        let tree = Arc::new(tree);
        let serial = tree.serial();
        Zone::new(tree, Steered { first: NAME, plans: [PLAN].into() }, serial)
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
        let dynamic = |text| match look_up(&zone, text) {
            Found::Node { node, .. } => node.dynamic(),
            Found::Cut { .. } | Found::Dname { .. } | Found::Nothing { .. } => panic!("{text} is not found"),
        };
        assert_eq!(dynamic("any.apps"), Dynamic::Steered(PLAN, NAME));
        assert_eq!(dynamic("deep.any.apps"), Dynamic::Steered(PLAN, NAME));
        assert_eq!(dynamic("there.apps"), Dynamic::None);
        // RFC 4592, section 2.2.1: the closest encloser is an existing name, so only its own wildcard could answer.
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
    fn records_of_the_apex_stay_when_extra_records_come_and_go() {
        let key = record("@", Rtype::DNSKEY, &[1, 1, 3, 13, 7]);
        let zone = zone(&[record("a", Rtype::A, &[1, 2, 3, 4])]).with_apex_records(vec![key]);
        let amended = zone.amended(&[record("x", Rtype::TXT, b"\x01t")], 7).unwrap();
        let back = amended.amended(&[], 8).unwrap();
        for (zone, is_plain, has_extra) in [(&zone, true, false), (&amended, false, true), (&back, true, false)] {
            assert!(zone.apex_node().rrset(Rtype::DNSKEY).is_some());
            assert_eq!(zone.is_plain(), is_plain);
            assert_eq!(matches!(look_up(zone, "x"), Found::Node { .. }), has_extra);
            assert!(matches!(look_up(zone, "a"), Found::Node { .. }));
        }
        assert_eq!((amended.serial(), back.serial()), (7, 8));
        assert_eq!(back.rrsets().filter(|(_, rrset)| rrset.rtype() == Rtype::DNSKEY).count(), 1);
    }

    #[test]
    fn negative_answers_live_no_longer_than_the_minimum() {
        assert_eq!(zone(&[]).negative_soa().ttl(), 60);
    }
}
