//! Reads ahead what a batch of queries needs, before they are answered one after the other.
//!
//! A query for a name that nobody has asked for lately waits more than a dozen times for memory, each time for the place that
//! the last read told. Where names are many, that takes longer than all the rest of the answer. But the queries of one batch do not
//! depend on each other, and a processor waits for several reads at the same time. So they go their way together, each step
//! for all of them:
//!
//! ```text
//!   name ─► zone ─► slot ─► node ─► plan ─► rule ─► map ─► ranking ─► pool ─► endpoints
//!                                                                             counters
//! ```
//!
//! This decides nothing: answers are the same without it. Steps whose name begins with `read` only read; [`black_box`] takes
//! what they find, because the compiler leaves out what nobody uses. All is left out where it would only cost: while few names
//! are served, which stay in the processor's caches, and while most queries are for names that were asked for lately.

use std::hint::black_box;
use std::net::IpAddr;
use std::sync::Arc;

use super::{Client, Worker};
use crate::name::{MAX_NAME_LENGTH, key_of};
use crate::snapshot::{Choice, Family, Plan, Pool, Selection, ServedZone, Snapshot, Verdict};
use crate::steering::Ranking;
use crate::wire::{ClientSubnet, Outline, Query, Rtype};
use crate::zone::{Dynamic, Found, NameId, Node, NodeId, Rrset, ZoneId};

/// Number of queries that go together. A processor waits for about ten reads at a time.
const TOGETHER: usize = 16;

/// Number of names with which they, and all that belongs to them, do not fit in the caches.
const MANY_NAMES: usize = 10_000;

/// Reads what the answers to this number of datagrams need, each with the address that it came from, if it pays. Returns true
/// if it does.
#[inline]
pub fn prefetch<'q>(
    snapshot: &Snapshot,
    count: usize,
    datagrams: impl Iterator<Item = (&'q [u8], IpAddr)>,
    worker: &mut Worker,
) -> bool {
    // The last batch was probably as long.
    let are_most_new = worker.take_anew() > count / 2;
    let pays = are_most_new && count > 1 && snapshot.blueprint().name_count() >= MANY_NAMES;
    if pays {
        prefetch_all(snapshot, datagrams, worker);
    }
    pays
}

/// Reads what the answers to these datagrams need.
#[inline(never)]
pub(super) fn prefetch_all<'q>(
    snapshot: &Snapshot,
    mut datagrams: impl Iterator<Item = (&'q [u8], IpAddr)>,
    worker: &mut Worker,
) {
    loop {
        let mut searches = [const { None }; TOGETHER];
        for (search, (octets, source)) in searches.iter_mut().zip(&mut datagrams) {
            *search = Search::new(snapshot, octets, source);
        }
        for step in Search::STEPS {
            searches.iter_mut().flatten().for_each(|search| step(search, snapshot, worker));
        }
        if searches.last().is_none_or(Option::is_none) {
            return;
        }
    }
}

/// The way of one query. Each step follows the place that the last one found, and finds the next one.
struct Search<'s> {
    /// The name in lower case, and zeros.
    key: [u8; MAX_NAME_LENGTH],
    /// Length of the name in octets.
    length: usize,
    /// The family of the addresses that are asked for, if any are.
    family: Family,
    /// The address by which the client is ranked.
    client: IpAddr,
    zone: Option<(ZoneId, &'s ServedZone)>,
    /// The name that is compared first, in the zone.
    candidate: Option<NodeId>,
    node: Option<Node<'s>>,
    plan: Option<(&'s Plan, NameId)>,
    ranking: Option<&'s Ranking>,
    pool: Option<&'s Arc<Pool>>,
}

impl<'s> Search<'s> {
    const STEPS: [fn(&mut Self, &'s Snapshot, &mut Worker); 13] = [
        Self::find_zone,
        Self::read_zone,
        Self::read_slot,
        Self::read_node,
        Self::read_name,
        Self::find_node,
        Self::find_plan,
        Self::read_rule,
        Self::read_map,
        Self::find_ranking,
        Self::find_pool,
        Self::read_pool,
        Self::read_endpoints_and_counters,
    ];

    /// Returns the search for a query that came from this address; `None` for a message without a name.
    fn new(snapshot: &Snapshot, octets: &[u8], source: IpAddr) -> Option<Self> {
        let question = Query::first_question(octets)?;
        let option = Outline::of(octets).map_or(&[][..], |outline| outline.subnet());
        let client = Client::find(&snapshot.world().ecs, ClientSubnet::parse(option).ok().as_ref(), source).address;
        let mut key = [0; MAX_NAME_LENGTH];
        let length = key_of(question.name, &mut key).len();
        Some(Self {
            key,
            length,
            family: if question.rtype == Rtype::AAAA { Family::V6 } else { Family::V4 },
            client,
            zone: None,
            candidate: None,
            node: None,
            plan: None,
            ranking: None,
            pool: None,
        })
    }

    fn key(&self) -> &[u8] {
        &self.key[..self.length]
    }

    fn find_zone(&mut self, snapshot: &'s Snapshot, _: &mut Worker) {
        // For DS it may be the zone above, but such questions are rare.
        self.zone = snapshot.authority(self.key(), Rtype::A);
    }

    fn read_zone(&mut self, _: &'s Snapshot, _: &mut Worker) {
        if let Some((_, served)) = self.zone {
            black_box(Arc::as_ptr(served.zone.tree()));
        }
    }

    fn read_slot(&mut self, _: &'s Snapshot, _: &mut Worker) {
        self.candidate = self.zone.and_then(|(_, served)| served.zone.tree().first_candidate(self.key()));
    }

    fn read_node(&mut self, _: &'s Snapshot, _: &mut Worker) {
        if let Some(((_, served), candidate)) = self.zone.zip(self.candidate) {
            black_box((served.zone.tree().name_of(candidate).len(), served.zone.tree().is_steered(candidate)));
        }
    }

    fn read_name(&mut self, _: &'s Snapshot, _: &mut Worker) {
        if let Some(((_, served), candidate)) = self.zone.zip(self.candidate) {
            black_box(served.zone.tree().name_of(candidate).first());
        }
    }

    fn find_node(&mut self, snapshot: &'s Snapshot, worker: &mut Worker) {
        let Some((zone_id, served)) = self.zone else { return };
        if let Found::Node { node, encloser, id } = served.zone.look_up(self.key(), Rtype::A) {
            self.node = Some(node);
            if encloser == self.length {
                worker.keep(snapshot, worker.hash(self.key()), (zone_id, id));
            }
        }
    }

    fn find_plan(&mut self, snapshot: &'s Snapshot, _: &mut Worker) {
        let Some(node) = self.node else { return };
        match node.dynamic() {
            Dynamic::Steered(plan, name) => {
                let plan = snapshot.plan(plan, name);
                black_box(Arc::as_ptr(plan.rule()));
                self.plan = Some((plan, name));
            }
            Dynamic::None | Dynamic::Reflect => {
                black_box(node.rrsets().first().map(Rrset::ttl));
            }
        }
    }

    fn read_rule(&mut self, _: &'s Snapshot, _: &mut Worker) {
        if let Some((plan, _)) = self.plan {
            black_box((Arc::as_ptr(&plan.rule().map), plan.rule().pools.first(), plan.shares_addresses()));
        }
    }

    fn read_map(&mut self, _: &'s Snapshot, _: &mut Worker) {
        if let Some((plan, _)) = self.plan {
            black_box(plan.rule().map.rankings().first());
        }
    }

    fn find_ranking(&mut self, _: &'s Snapshot, _: &mut Worker) {
        self.ranking = self.plan.map(|(plan, _)| plan.rule().map.look_up(self.client).ranking);
    }

    fn find_pool(&mut self, snapshot: &'s Snapshot, _: &mut Worker) {
        let (Some((plan, _)), Some(ranking)) = (self.plan, self.ranking) else { return };
        let Some(Choice { verdict: Verdict::Pools(set, _), .. }) = plan.first_usable(ranking, self.family) else {
            return;
        };
        self.pool = plan.rule().pools_of(set).next().map(|id| &snapshot.pools()[id.index()]);
        black_box(self.pool.map(Arc::as_ptr));
    }

    fn read_pool(&mut self, _: &'s Snapshot, _: &mut Worker) {
        let Some(kind) = self.pool.map(|pool| pool.kind()) else { return };
        black_box(kind.v4().map(|list| list.select(Selection::Open).len()));
        black_box(kind.v6().map(|list| list.select(Selection::Open).len()));
    }

    fn read_endpoints_and_counters(&mut self, snapshot: &'s Snapshot, worker: &mut Worker) {
        let Some((zone, _)) = self.zone else { return };
        let kind = self.pool.map(|pool| pool.kind());
        let v4 = kind.and_then(|kind| kind.v4()?.select(Selection::Open).first()).map(|member| member.number);
        let v6 = kind.and_then(|kind| kind.v6()?.select(Selection::Open).first()).map(|member| member.number);
        let name = self.plan.map(|(_, name)| name.index());
        if let (Some(tally), Some(counters)) = (worker.tally(), snapshot.counters()) {
            black_box(tally.answer(counters).read(zone.index(), name, v4.or(v6)));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::answer::Rotation;
    use crate::config::tests::fixture;
    use crate::geo::Locations;
    use crate::snapshot::{Blueprint, EndpointState};

    const ZONE: &str = "$TTL 300\n@ SOA ns1 host 1 3600 600 604800 60\n@ NS ns1\nns1 A 192.0.2.1\n*.any A 192.0.2.2\n";

    fn snapshot(more: &str) -> Snapshot {
        let blueprint = Blueprint::compile(
            fixture::world("", &[("a.test.zone", &format!("{ZONE}{more}"))]),
            Arc::new(Locations::unknown()),
            None,
        );
        Snapshot::new(Arc::new(blueprint), |_, _| EndpointState::CALM, None)
    }

    fn query(label: &[u8]) -> Vec<u8> {
        [b"\0\x07\x01\0\0\x01\0\0\0\0\0\0\x03", label, b"\x01a\x04test\0\0\x01\0\x01"].concat()
    }

    #[test]
    fn names_are_known_before_they_are_asked_for() {
        let (snapshot, mut worker) = (snapshot(""), Worker::new(Arc::new(Rotation::default())).recalling());
        // More than go together, and one that is shorter than its header.
        let mut datagrams = vec![query(b"any"); TOGETHER];
        datagrams.extend([query(b"any")[..9].to_vec(), query(b"NS1"), query(b"not")]);
        let source = "192.0.2.9".parse().unwrap();
        prefetch_all(&snapshot, datagrams.iter().map(|octets| (&octets[..], source)), &mut worker);
        let is_known = |name: &[u8]| worker.recall(&snapshot, worker.hash(name), name).is_some();
        assert!(is_known(b"\x03ns1\x01a\x04test\0") && is_known(b"\x03any\x01a\x04test\0"));
        assert!(!is_known(b"\x03not\x01a\x04test\0"));
    }

    #[test]
    fn it_is_left_out_where_it_would_only_cost() {
        let many = (0..MANY_NAMES).fold(String::new(), |zone, number| zone + &format!("n{number} A 192.0.2.3\n"));
        let (few, many) = (snapshot(""), snapshot(&many));
        let mut worker = Worker::new(Arc::new(Rotation::default())).recalling();
        let (octets, name, source) = (query(b"ns1"), b"\x03ns1\x01a\x04test\0", "192.0.2.9".parse().unwrap());
        for (snapshot, count, anew, is_done) in
            [(&few, 8, 8, false), (&many, 8, 4, false), (&many, 1, 1, false), (&many, 8, 5, true)]
        {
            (0..anew).for_each(|_| worker.answers_anew());
            let done = prefetch(snapshot, count, std::iter::once((&octets[..], source)), &mut worker);
            let is_known = worker.recall(snapshot, worker.hash(name), name).is_some();
            assert_eq!((done, is_known), (is_done, is_done), "{anew} of {count}");
            assert_eq!(worker.take_anew(), 0);
        }
    }

    proptest! {
        #[test]
        fn messages_of_any_octets_do_no_harm(
            octets in prop::collection::vec(prop_oneof![any::<u8>(), 0..4_u8, Just(b'A')], 0..300),
            whole in 0..40_usize,
        ) {
            let mut message = query(b"any");
            message.truncate(whole);
            message.extend(octets);
            let mut worker = Worker::new(Arc::new(Rotation::default())).recalling();
            prefetch_all(&snapshot(""), [(&message[..], "192.0.2.9".parse().unwrap())].into_iter(), &mut worker);
        }
    }
}
