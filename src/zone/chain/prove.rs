//! The records of a chain that an answer needs.

use arrayvec::ArrayVec;

use super::{Chain, Hashed, Kind, Link, order};
use crate::name::{MAX_NAME_LENGTH, suffixes};
use crate::wire::Rtype;
use crate::zone::tree::{NodeId, Tree, WILDCARD};

/// Maximum number of records in a proof: the closest encloser, the next closer name and the wildcard.
const MAX_LINKS: usize = 3;

/// The records that prove something together.
pub type Proof<'z> = ArrayVec<Link<'z>, MAX_LINKS>;

/// A fact about a name that a proof shows. `encloser` is the length in octets of the closest encloser's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// The name does not exist, and no wildcard answers for it.
    Name {
        /// See above.
        encloser: usize,
    },
    /// The name exists, and has no records of the type.
    Type,
    /// A wildcard answers for the name, and has no records of the type.
    TypeOfWildcard {
        /// See above.
        encloser: usize,
    },
    /// The name does not exist: so the wildcard rightly answered for it.
    Expanded {
        /// See above.
        encloser: usize,
    },
}

impl Tree {
    /// Returns the records that prove this about a name in lower case, at or below the apex. There are none without a chain.
    pub fn prove(&self, key: &[u8], denied: Denied) -> Proof<'_> {
        match self.chain() {
            Some(Chain { kind: Kind::Nsec(order), .. }) => self.prove_in_order(order, key, denied),
            Some(Chain { kind: Kind::Nsec3(hashed), .. }) => hashed.prove(self.apex.as_wire().len(), key, denied),
            None => Proof::new(),
        }
    }

    /// Returns all records of the chain in their order; none without a chain.
    pub fn links(&self) -> Vec<Link<'_>> {
        match self.chain() {
            Some(Chain { kind: Kind::Nsec(order), .. }) => order.iter().filter_map(|&id| self.link(id)).collect(),
            Some(Chain { kind: Kind::Nsec3(hashed), .. }) => {
                (0..hashed.records.len()).map(|at| hashed.link(at)).collect()
            }
            None => Vec::new(),
        }
    }

    /// RFC 4035, sections 3.1.3.1 to 3.1.3.4. The record before a name covers it; that of the name itself shows its types.
    fn prove_in_order(&self, order: &[NodeId], key: &[u8], denied: Denied) -> Proof<'_> {
        let mut proof = Proof::new();
        proof.extend(self.before(order, key));
        if let Denied::Name { encloser } | Denied::TypeOfWildcard { encloser } = denied {
            with_wildcard(key, encloser, |wildcard| proof.extend(self.before(order, wildcard)));
        }
        proof
    }

    /// Returns the record of the last name in canonical order that is not behind this one.
    fn before(&self, order: &[NodeId], key: &[u8]) -> Option<Link<'_>> {
        let behind = order.partition_point(|id| order::compare(self.names.get(id.name()), key).is_le());
        self.link(*order.get(behind.checked_sub(1)?)?)
    }

    fn link(&self, id: NodeId) -> Option<Link<'_>> {
        let rrset = |rtype| self.node(id).rrsets.as_slice().iter().find(|rrset| rrset.rtype() == rtype);
        Some(Link { owner: self.names.get(id.name()), record: rrset(Rtype::NSEC)?, signatures: rrset(Rtype::RRSIG) })
    }
}

impl Hashed {
    /// RFC 5155, sections 7.2.2 to 7.2.7. `apex` is the length of the apex in octets.
    fn prove(&self, apex: usize, key: &[u8], denied: Denied) -> Proof<'_> {
        let mut proof = Proof::new();
        match denied {
            Denied::Type => match self.matching(key) {
                Some(link) => proof.push(link),
                // The name is an unsigned delegation that no record names, or only such names are below it (opt-out).
                None => _ = self.enclose(apex, key, key.len(), &mut proof),
            },
            Denied::Name { encloser } => {
                let provable = self.enclose(apex, key, encloser, &mut proof);
                with_wildcard(key, provable, |wildcard| proof.push(self.covering(wildcard)));
            }
            Denied::TypeOfWildcard { encloser } => {
                _ = self.enclose(apex, key, encloser, &mut proof);
                with_wildcard(key, encloser, |wildcard| proof.push(self.covering(wildcard)));
            }
            Denied::Expanded { encloser } => {
                proof.extend(next_closer(key, encloser).map(|name| self.covering(name)));
            }
        }
        proof
    }

    /// Adds the closest encloser proof (section 7.2.1): the record of the closest encloser, or of the closest name above it that
    /// has one, and the record that covers the next closer name. Returns the length of the name that is proved to exist.
    fn enclose<'z>(&'z self, apex: usize, key: &[u8], encloser: usize, proof: &mut Proof<'z>) -> usize {
        let above = suffixes(key).filter(|suffix| (apex..=encloser).contains(&suffix.len()));
        let found = above.into_iter().find_map(|suffix| Some((suffix.len(), self.matching(suffix)?)));
        let Some((length, link)) = found else { return apex };
        proof.push(link);
        proof.extend(next_closer(key, length).map(|name| self.covering(name)));
        length
    }

    /// Returns the record of a name.
    fn matching(&self, key: &[u8]) -> Option<Link<'_>> {
        let (index, is_match) = self.before(&self.hashing.label(key));
        is_match.then(|| self.link(index))
    }

    /// Returns the record that covers a name, or that of the name itself.
    fn covering(&self, key: &[u8]) -> Link<'_> {
        self.link(self.before(&self.hashing.label(key)).0)
    }

    fn link(&self, index: usize) -> Link<'_> {
        let (record, signatures) = &self.records[index];
        Link { owner: self.owner(index), record, signatures: signatures.as_ref() }
    }
}

/// Returns the next closer name: the name that has one label more than the closest encloser (RFC 5155, section 1.3). `None`
/// if the encloser is the name itself.
fn next_closer(key: &[u8], encloser: usize) -> Option<&[u8]> {
    suffixes(key).take_while(|suffix| suffix.len() > encloser).last()
}

/// Calls `prove` with the wildcard below the last `encloser` octets of a name, unless that would be too long for a name.
fn with_wildcard(key: &[u8], encloser: usize, prove: impl FnOnce(&[u8])) {
    let length = WILDCARD.len() + encloser;
    let mut name = [0; MAX_NAME_LENGTH];
    if let Some(wildcard) = name.get_mut(..length) {
        wildcard[..WILDCARD.len()].copy_from_slice(WILDCARD);
        wildcard[WILDCARD.len()..].copy_from_slice(&key[key.len() - encloser..]);
        prove(wildcard);
    }
}
