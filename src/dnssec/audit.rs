//! Looks for reasons why resolvers would reject answers of a zone that its file has signed.
//!
//! ```text
//!   each RRset of the zone       a signature by a published key, with each algorithm of the keys (RFC 4035, section 2.2)
//!   each signature               covers an RRset, is that of its records, and is valid for some time
//!   each name                    is in the chain with the types that it has; the chain closes
//! ```
//!
//! Delegations that are not signed may be left out of a chain with opt-out (RFC 5155, section 6), and so may empty
//! non-terminals above them.

mod verify;

use std::collections::{BTreeSet, HashSet};

use super::public;
use crate::name::{Name, suffixes};
use crate::wire::Rtype;
use crate::zone::{Denied, FIXED_FIELDS, Link, Place, Rrset, Tree};

/// Number of signatures that are verified, those of the apex first. A thousand take a tenth of a second, and a zone that was
/// changed after it was signed has another SOA record.
const VERIFIED: usize = 1000;

/// The flag of a key that signs a zone, and that of a key that is revoked (RFC 4034, section 2.1.1; RFC 5011, section 2.1).
const ZONE_KEY: u16 = 0x0100;
const REVOKED: u16 = 0x0080;

/// One reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// The owner of the records.
    pub owner: Name,
    /// The type of the records.
    pub rtype: Rtype,
    /// The kind of the flaw.
    pub kind: FlawKind,
}

/// The kinds of flaws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlawKind {
    /// The apex has no DNSKEY record of a key that can sign.
    NoKey,
    /// No signature of a published key covers the records.
    Unsigned,
    /// Keys of this algorithm are published, and none of them has signed the records.
    LacksAlgorithm(u8),
    /// A signature of the records by the key with this tag is that of other records.
    Forged(u16),
    /// Signatures cover records of this type, and there are none that are signed.
    Stray,
    /// The chain has no record for the name.
    Missing,
    /// The record of the chain names other types than the name has.
    Types,
    /// The record of the chain does not lead to the one that follows.
    Broken,
    /// The record of the chain is for a name that does not exist.
    Unmatched,
}

impl FlawKind {
    /// True if resolvers reject answers because of it.
    pub fn is_fatal(self) -> bool {
        !matches!(self, Self::Stray | Self::LacksAlgorithm(_))
    }
}

/// A key of the apex.
struct Key<'t> {
    tag: u16,
    algorithm: u8,
    rdata: &'t [u8],
}

/// Returns the keys that the apex publishes and that can sign, as tag, flags and number of the algorithm.
pub fn published(tree: &Tree) -> Vec<(u16, u16, u8)> {
    keys(tree).iter().map(|key| (key.tag, u16::from_be_bytes([key.rdata[0], key.rdata[1]]), key.algorithm)).collect()
}

/// Returns the RDATA of a DS record with SHA-256 for each key of the apex that a DS record may refer to: the entry points, or
/// all keys if none is one.
pub fn ds_of_file(tree: &Tree) -> Vec<[u8; public::DS_LENGTH]> {
    let keys = keys(tree);
    let is_entry = |key: &&Key<'_>| key.rdata[1] & 1 != 0;
    let ds = |key: &Key<'_>| public::ds(key.rdata, tree.apex());
    let entries: Vec<_> = keys.iter().filter(is_entry).map(ds).collect();
    if entries.is_empty() { keys.iter().map(ds).collect() } else { entries }
}

/// True if the apex publishes the key that this RDATA of a DS record refers to, as far as digests are known.
pub fn has_key_of_ds(tree: &Tree, ds: &[u8]) -> bool {
    keys(tree).iter().any(|key| public::is_in(key.rdata, ds, tree.apex()))
}

fn keys(tree: &Tree) -> Vec<Key<'_>> {
    let rrset = tree.rrset(&tree.apex().to_key(), Rtype::DNSKEY);
    let rdata = rrset.into_iter().flat_map(Rrset::records).map(|(record, _)| &record[FIXED_FIELDS..]);
    let key = |rdata: &'_ [u8]| match *rdata {
        [high, low, 3, algorithm, ..] if u16::from_be_bytes([high, low]) & (ZONE_KEY | REVOKED) == ZONE_KEY => {
            Some((public::key_tag(rdata), algorithm))
        }
        _ => None,
    };
    rdata.filter_map(|rdata| key(rdata).map(|(tag, algorithm)| Key { tag, algorithm, rdata })).collect()
}

/// Returns the flaws of a zone that its file has signed.
pub fn audit(tree: &Tree) -> Vec<Flaw> {
    let keys = keys(tree);
    let flaw = |rtype, kind| Flaw { owner: tree.apex().clone(), rtype, kind };
    if keys.is_empty() {
        return vec![flaw(Rtype::DNSKEY, FlawKind::NoKey)];
    }
    let algorithms = keys.iter().map(|key| key.algorithm).collect();
    let mut audit =
        Audit { tree, apex: tree.apex().to_key(), keys, algorithms, unverified: VERIFIED, flaws: Vec::new() };
    for (name, place, rrsets) in tree.nodes() {
        audit.check_signatures(name, place, rrsets);
    }
    let links = tree.links();
    if tree.chain().is_some_and(|chain| chain.hashing().is_some()) {
        for link in &links {
            audit.check_rrset(link.owner, link.record, link.signatures);
        }
    }
    audit.check_chain(&links);
    audit.flaws
}

struct Audit<'t> {
    tree: &'t Tree,
    apex: Box<[u8]>,
    keys: Vec<Key<'t>>,
    algorithms: BTreeSet<u8>,
    /// Number of signatures that may still be verified.
    unverified: usize,
    flaws: Vec<Flaw>,
}

impl Audit<'_> {
    fn report(&mut self, owner: &[u8], rtype: Rtype, kind: FlawKind) {
        self.flaws.push(Flaw { owner: Name::from_wire(owner), rtype, kind });
    }

    /// Checks that exactly the records are signed for which the zone is authoritative (RFC 4035, section 2.2).
    fn check_signatures(&mut self, name: &[u8], place: Place, rrsets: &[Rrset]) {
        let signatures = rrsets.iter().find(|rrset| rrset.rtype() == Rtype::RRSIG);
        let is_signed = |rrset: &&Rrset| match (place, rrset.rtype()) {
            (Place::Below, _) | (_, Rtype::RRSIG) => false,
            (Place::Cut, rtype) => matches!(rtype, Rtype::DS | Rtype::NSEC),
            (Place::Own, _) => true,
        };
        for rrset in rrsets.iter().filter(is_signed) {
            self.check_rrset(name, rrset, signatures);
        }
        let covered: BTreeSet<Rtype> =
            signatures.into_iter().flat_map(Rrset::signatures).map(|signature| signature.covered).collect();
        for rtype in covered {
            if !rrsets.iter().filter(is_signed).any(|rrset| rrset.rtype() == rtype) {
                self.report(name, rtype, FlawKind::Stray);
            }
        }
    }

    fn check_rrset(&mut self, owner: &[u8], rrset: &Rrset, signatures: Option<&Rrset>) {
        let labels = suffixes(owner).count() - 1 - usize::from(owner.starts_with(b"\x01*"));
        let mut lacking = self.algorithms.clone();
        let mut forged = Vec::new();
        for signature in signatures.into_iter().flat_map(Rrset::signatures) {
            let is_own = signature.covered == rrset.rtype()
                && signature.signer.eq_ignore_ascii_case(&self.apex)
                && usize::from(signature.labels) == labels;
            let made = |key: &&Key<'_>| (key.tag, key.algorithm) == (signature.tag, signature.algorithm);
            let mut makers = self.keys.iter().filter(made).peekable();
            if !is_own || makers.peek().is_none() {
                continue;
            }
            lacking.remove(&signature.algorithm);
            if self.unverified > 0 {
                self.unverified -= 1;
                // Two keys may have the same tag.
                let is_valid =
                    |key: &Key<'_>| verify::is_valid(self.tree.apex(), (owner, rrset), &signature, key.rdata);
                if makers.all(|key| !is_valid(key)) {
                    forged.push(FlawKind::Forged(signature.tag));
                }
            }
        }
        if lacking.len() == self.algorithms.len() {
            self.report(owner, rrset.rtype(), FlawKind::Unsigned);
        } else {
            let lacks = lacking.into_iter().map(FlawKind::LacksAlgorithm);
            lacks.chain(forged).for_each(|kind| self.report(owner, rrset.rtype(), kind));
        }
    }

    /// Checks that the chain closes, and that it has a record with the right types for each name.
    fn check_chain(&mut self, links: &[Link<'_>]) {
        let Some(chain) = self.tree.chain() else { return };
        let rtype = if chain.hashing().is_some() { Rtype::NSEC3 } else { Rtype::NSEC };
        for (link, next) in links.iter().zip(links.iter().cycle().skip(1)) {
            if !link.leads_to(next) {
                self.report(link.owner, rtype, FlawKind::Broken);
            }
        }
        let tree = self.tree;
        let mut matched: HashSet<&[u8]> = HashSet::new();
        for (name, place, rrsets) in tree.nodes().filter(|(_, place, _)| *place != Place::Below) {
            // An empty non-terminal has no NSEC record.
            if chain.hashing().is_none() && rrsets.is_empty() {
                continue;
            }
            let proof = tree.prove(name, Denied::Type);
            let own = chain.hashing().map(|hashing| hashing.label(name));
            let is_own = |link: &&Link<'_>| match &own {
                Some(label) => link.owner.starts_with(label),
                None => link.owner == name,
            };
            let Some(link) = proof.iter().find(is_own) else {
                let is_unsigned_cut = place == Place::Cut && !rrsets.iter().any(|rrset| rrset.rtype() == Rtype::DS);
                let may_be_left_out = is_unsigned_cut || rrsets.is_empty();
                if !(may_be_left_out && proof.last().is_some_and(Link::is_opt_out)) {
                    self.report(name, rtype, FlawKind::Missing);
                }
                continue;
            };
            matched.insert(link.owner);
            // RFC 4035, section 2.3: at a cut, NSEC names only the types for which the zone is authoritative, and NS.
            let is_told = |rtype: &Rtype| {
                place != Place::Cut || matches!(*rtype, Rtype::NS | Rtype::DS | Rtype::NSEC | Rtype::RRSIG)
            };
            let mut types: Vec<Rtype> = rrsets.iter().map(Rrset::rtype).filter(is_told).collect();
            types.sort_unstable();
            if link.types() != types {
                self.report(name, rtype, FlawKind::Types);
            }
        }
        if chain.hashing().is_some() {
            for link in links.iter().filter(|link| !matched.contains(link.owner)) {
                self.report(link.owner, rtype, FlawKind::Unmatched);
            }
        }
    }
}
