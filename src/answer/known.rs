//! The names that a worker found lately.
//!
//! Most questions are for few names, and each of them needs two look-ups: that of its zone, and that of the name in it. So a
//! worker keeps where it found the last names. What it keeps is only where to look first: the name there must be the
//! asked one, and the world must still be the same.

use std::ptr;
use std::sync::{Arc, Weak};

use crate::snapshot::{Blueprint, Snapshot};
use crate::zone::{Node, NodeId, ZoneId};

/// Number of names that are kept; a power of two. They take 16 KiB.
const SLOTS: usize = 1024;

/// Where names of one world were found.
#[derive(Clone, Debug)]
pub(super) struct KnownNames {
    /// The world of the names. The reference keeps nothing of it but its address, which no other world gets meanwhile.
    blueprint: Weak<Blueprint>,
    /// Each name has the one slot that its hash selects.
    slots: Box<[Slot]>,
}

/// A name that exists. A free slot is one for the apex of the first zone, whose hash is hardly ever 0.
#[derive(Clone, Copy, Debug)]
struct Slot {
    hash: u64,
    zone: ZoneId,
    node: NodeId,
}

const FREE: Slot = Slot { hash: 0, zone: ZoneId::from_index(0), node: NodeId::from_index(0) };

impl Default for KnownNames {
    fn default() -> Self {
        Self { blueprint: Weak::new(), slots: vec![FREE; SLOTS].into() }
    }
}

impl KnownNames {
    /// Returns the zone and the node of a name in lower case with this hash, if it is known and its zone answers for it
    /// itself.
    #[inline]
    pub(super) fn find<'s>(&self, snapshot: &'s Snapshot, hash: u64, key: &[u8]) -> Option<(ZoneId, Node<'s>)> {
        let slot = &self.slots[hash as usize % SLOTS];
        if slot.hash != hash || !ptr::eq(self.blueprint.as_ptr(), Arc::as_ptr(snapshot.blueprint())) {
            return None;
        }
        let node = snapshot.zones().get(slot.zone.index())?.zone.own_node(slot.node, key)?;
        Some((slot.zone, node))
    }

    /// Keeps where a name with this hash was found, for any type but DS.
    pub(super) fn keep(&mut self, snapshot: &Snapshot, hash: u64, (zone, node): (ZoneId, NodeId)) {
        if !ptr::eq(self.blueprint.as_ptr(), Arc::as_ptr(snapshot.blueprint())) {
            self.blueprint = Arc::downgrade(snapshot.blueprint());
            self.slots.fill(FREE);
        }
        self.slots[hash as usize % SLOTS] = Slot { hash, zone, node };
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::answer::{Asker, Exchange, Rotation, Transport, Worker, answer};
    use crate::config::tests::fixture;
    use crate::geo::Locations;
    use crate::name::Name;
    use crate::snapshot::EndpointState;
    use crate::wire::{Query, Rtype};

    /// Returns a snapshot of two zones, one below the other, in which `www` has this address.
    fn snapshot(address: &str) -> Snapshot {
        let head = "$TTL 300\n@ SOA ns1 host 1 3600 600 604800 60\n@ NS ns1\nns1 A 192.0.2.1\n";
        let above = format!(
            "{head}www A {address}\n*.any A {address}\ncut NS ns.cut\ncut DS 1 13 250 00\nns.cut A 192.0.2.2\n\
             deep.cut A 192.0.2.3\nold DNAME new\nold A 192.0.2.4\nbelow NS ns1.below\nbelow DS 2 13 250 00\n"
        );
        let below = format!("{head}www A 192.0.2.5\n");
        let files = [("a.test.zone", above.as_str()), ("below.a.test.zone", below.as_str())];
        let blueprint = Blueprint::compile(fixture::world("", &files), Arc::new(Locations::unknown()), None);
        Snapshot::new(Arc::new(blueprint), |_, _| EndpointState::CALM, None)
    }

    fn ask(snapshot: &Snapshot, worker: &mut Worker, name: &str, rtype: Rtype) -> Vec<u8> {
        let name = Name::parse(name, &Name::parse("a.test.", &Name::root()).unwrap()).unwrap();
        let header = [0, 7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        let message = [&header[..], name.as_wire(), &rtype.0.to_be_bytes(), &[0, 1]].concat();
        let query = Query::parse(&message).unwrap();
        let asker = Asker { address: Ipv4Addr::LOCALHOST.into(), transport: Transport::Udp, idle: None };
        let mut out = [0; 1232];
        let reply = answer(&Exchange::new(snapshot, &query, asker, 0), worker, &mut out);
        out[..reply.length].to_vec()
    }

    #[test]
    fn answers_are_those_of_a_worker_that_keeps_no_names() {
        let worker = || Worker::new(Arc::new(Rotation::with_seed(1)));
        let mut recalling = worker().recalling();
        let names =
            ["@", "www", "WWW", "x.any", "cut", "deep.cut", "ns.cut", "old", "x.old", "none", "below", "www.below"];
        // The world changes, and changes back.
        for address in ["192.0.2.8", "192.0.2.9", "192.0.2.8"] {
            let snapshot = snapshot(address);
            for round in 0..2 {
                for name in names {
                    for rtype in [Rtype::A, Rtype::DS, Rtype::NS, Rtype::ANY, Rtype::CNAME, Rtype::TXT] {
                        let expected = ask(&snapshot, &mut worker(), name, rtype);
                        let answer = ask(&snapshot, &mut recalling, name, rtype);
                        assert_eq!(answer, expected, "{name} {rtype}, round {round} of {address}");
                    }
                }
            }
        }
    }

    #[test]
    fn names_are_known_once_they_are_found_and_only_in_their_world() {
        let (snapshot, other) = (snapshot("192.0.2.8"), snapshot("192.0.2.9"));
        let mut worker = Worker::new(Arc::default()).recalling();
        let key = |name: &str| Name::parse(name, &Name::root()).unwrap().to_key();
        let (www, cut) = (key("www.a.test."), key("cut.a.test."));
        let is_known =
            |worker: &Worker, snapshot: &Snapshot, key: &[u8]| worker.recall(snapshot, worker.hash(key), key).is_some();
        assert!(!is_known(&worker, &snapshot, &www));
        for name in ["www", "cut"] {
            ask(&snapshot, &mut worker, name, Rtype::A);
        }
        assert!(is_known(&worker, &snapshot, &www));
        assert!(!is_known(&worker, &snapshot, &cut), "another zone answers for it");
        assert!(!is_known(&worker, &other, &www));
        assert!(worker.recall(&snapshot, worker.hash(&www), &cut).is_none(), "the name is compared");
        ask(&other, &mut worker, "cut", Rtype::DS);
        assert!(is_known(&worker, &snapshot, &www), "nothing was kept of the other world");
        ask(&other, &mut worker, "www", Rtype::A);
        assert!(is_known(&worker, &other, &www) && !is_known(&worker, &snapshot, &www));
    }
}
