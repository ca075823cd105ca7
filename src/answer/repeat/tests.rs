use std::fmt::Write;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::answer::prefetch::prefetch_all;
use crate::answer::{Rotation, answer_datagram};
use crate::config::tests::fixture;
use crate::counters::{Tally, Traffic};
use crate::geo::Locations;
use crate::health::Share;
use crate::name::Name;
use crate::snapshot::{Blueprint, EndpointState, PoolId};

const ZONE: &str = r#"
[soa]
serial = 1
[nameservers]
ns1 = ["192.0.2.53"]
[datacenters]
fra = { latitude = 50.11, longitude = 8.68 }
iad = { latitude = 38.95, longitude = -77.45 }
[regions.east]
clients = ["10.1.0.0/16", "2001:db8:1::/48"]
prefer = ["fra", "iad"]
[regions.default]
prefer = ["iad", "fra"]
[pools.web]
endpoints.fra = ["198.51.100.10", "198.51.100.11", "198.51.100.12", "2001:db8::10"]
endpoints.iad = ["192.0.2.10", "192.0.2.11"]
[pools.other]
endpoints = [{ cname = "www.example.net." }]
[names.www]
pools = ["web"]
steer = ["region"]
https = { alpn = ["h2"] }
[names.sticky]
pools = ["web"]
steer = ["region"]
pick = "sticky"
[names.away]
pools = ["other"]
steer = []
[pools.near]
endpoints = ["192.0.2.20"]
[names.may]
pools = ["near"]
fallback = "other"
steer = []
[names."*.apps"]
pools = ["web"]
steer = ["region"]
[names.whoami]
reflect = true
[records.static]
A = ["192.0.2.1", "192.0.2.2"]
TXT = ["of some length, and some more of it, so that a short answer is truncated"]
[records.long]
TXT = ["LONG-1", "LONG-2", "LONG-3"]
[records.alias]
CNAME = ["www"]
[records.chain]
CNAME = ["static"]
[records.moved]
DNAME = ["apps"]
[records.child]
NS = ["ns.child"]
[records."ns.child"]
A = ["192.0.2.54"]
"#;

const NAMES: &[&str] = &[
    "@",
    "www",
    "WwW",
    "sticky",
    "away",
    "may",
    "x.apps",
    "whoami",
    "static",
    "Static",
    "long",
    "alias",
    "chain",
    "moved",
    "x.moved",
    "child",
    "x.child",
    "none",
    "apps",
    "other.test.",
];

const RTYPES: [Rtype; 8] =
    [Rtype::A, Rtype::AAAA, Rtype::HTTPS, Rtype::TXT, Rtype::NS, Rtype::DS, Rtype::CNAME, Rtype::ANY];

/// OPT records: none, a plain one, others that are nearly equal to it, with Client Subnet of many kinds, with more options.
const OPTS: &[&[u8]] = &[
    &[],
    &[0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0],
    &[0, 0, 41, 2, 0, 0, 0, 0, 0, 0, 0],
    &[0, 0, 41, 4, 208, 0, 0, 0x80, 0, 0, 0],
    &[0, 0, 41, 4, 208, 0, 1, 0, 0, 0, 0],
    &[0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 11, 0, 8, 0, 7, 0, 1, 24, 0, 10, 1, 7],
    &[0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 11, 0, 8, 0, 7, 0, 1, 24, 0, 10, 9, 7],
    &[0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 11, 0, 8, 0, 7, 0, 1, 20, 0, 10, 1, 0x10],
    &[0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 11, 0, 8, 0, 7, 0, 1, 20, 0, 10, 1, 0x11],
    &[0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 8, 0, 8, 0, 4, 0, 1, 0, 0],
    &[0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 14, 0, 8, 0, 10, 0, 2, 48, 0, 0x20, 1, 0x0d, 0xb8, 0, 1],
    &[0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 12, 0, 8, 0, 4, 0, 1, 0, 0, 0, 3, 0, 0],
    &[0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 4, 0, 3, 0, 0],
    &[0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 12, 0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8],
];

fn query(name: &str, rtype: Rtype, opt: &[u8], id: u8) -> Vec<u8> {
    let name = Name::parse(name, &Name::parse("a.test.", &Name::root()).unwrap()).unwrap();
    let header = [id, 7, id & 1, 0, 0, 1, 0, 0, 0, 0, 0, u8::from(!opt.is_empty())];
    [&header[..], name.as_wire(), &rtype.0.to_be_bytes(), &[0, 1], opt].concat()
}

/// A node that serves the zone, with one worker.
struct Node {
    traffic: Traffic,
    blueprint: Arc<Blueprint>,
    worker: Worker,
}

impl Node {
    fn new(server: &str, prepare: fn(Worker) -> Worker) -> Self {
        Self::of(&ZONE.replace("LONG", &"long".repeat(55)), server, prepare)
    }

    fn of(zone: &str, server: &str, prepare: fn(Worker) -> Worker) -> Self {
        let server = format!("{server}[cookies]\nsecrets = [\"e5e973e5a6b2a43f48e7dc849e37bfcf\"]\n");
        let world = fixture::world(&server, &[("a.test.toml", zone)]);
        let traffic = Traffic::new(1);
        let blueprint = Arc::new(Blueprint::compile(world, Arc::new(Locations::unknown()), None).counted(&traffic));
        let worker = Worker::new(Arc::new(Rotation::with_seed(1))).counting(Tally::of_worker(&traffic, 0));
        Self { traffic, blueprint, worker: prepare(worker) }
    }

    /// The pools with these numbers are down.
    fn snapshot(&self, down: &[usize]) -> Snapshot {
        let is_down = EndpointState { share: Share::NONE, last_up: Duration::ZERO, ..EndpointState::CALM };
        let state = |pool: PoolId, _| if down.contains(&pool.index()) { is_down } else { EndpointState::CALM };
        Snapshot::new(self.blueprint.clone(), state, None)
    }

    fn ask(&mut self, snapshot: &Snapshot, query: &[u8]) -> (Option<(Reply, bool)>, Vec<u8>) {
        let (source, mut out) = (Ipv4Addr::new(10, 2, 0, 1).into(), [0; 1232]);
        let answered = answer_datagram(snapshot, (query, source), 1, &mut self.worker, &mut out);
        let length = answered.map_or(0, |(reply, _)| reply.length);
        (answered, out[..length].to_vec())
    }

    /// Everything that was counted.
    fn counts(&self) -> String {
        let counters = self.blueprint.counters().unwrap();
        let zones = ZoneAnswer::ALL.map(|kind| counters.zone(0, kind));
        let regions: Vec<u64> = [None, Some(0), Some(1)].map(|region| counters.region(0, region)).into();
        let names: Vec<_> = (0..5).map(|name| counters.name(name, 2)).collect();
        let endpoints: Vec<_> = (0..7).map(|endpoint| counters.endpoint(endpoint)).collect();
        let (clients, sums) = (counters.clients().collect::<Vec<_>>(), self.traffic.sums());
        let (responses, rungs) =
            (sums.responses().collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5, 6, 7].map(|rung| sums.rung(rung)));
        format!("{zones:?} {regions:?} {names:?} {endpoints:?} {clients:?} {responses:?} {rungs:?}")
    }
}

fn queries() -> impl Iterator<Item = Vec<u8>> {
    let kinds = NAMES.iter().flat_map(|name| RTYPES.map(|rtype| (name, rtype)));
    kinds.flat_map(|(name, rtype)| OPTS.iter().zip(0..).map(move |(opt, id)| query(name, rtype, opt, id)))
}

#[test]
fn answers_and_counters_are_those_of_a_worker_that_does_not_read_ahead() {
    let [mut plain, mut ahead] = [(); 2].map(|()| Node::new("", Worker::recalling));
    for down in [&[][..], &[0], &[0, 1]] {
        let snapshots = [plain.snapshot(down), ahead.snapshot(down)];
        let queries: Vec<_> = queries().collect();
        for batch in queries.chunks(40) {
            let datagrams = batch.iter().map(|query| (&query[..], Ipv4Addr::new(10, 2, 0, 1).into()));
            prefetch_all(&snapshots[1], datagrams, &mut ahead.worker);
            for query in batch {
                assert_eq!(ahead.ask(&snapshots[1], query), plain.ask(&snapshots[0], query), "{query:02x?}");
            }
        }
    }
    assert_eq!(ahead.counts(), plain.counts());
}

#[test]
fn answers_and_counters_are_those_of_a_worker_that_keeps_nothing() {
    for server in ["", "[ecs]\nenabled = false\n", "[identity]\nnsid = \"fra-1\"\n"] {
        let (mut plain, mut repeating) = (Node::new(server, |worker| worker), Node::new(server, Worker::recalling));
        // Both datacenters are up; one is down, and the other; all endpoints are down; all are up again.
        for down in [&[][..], &[0], &[1], &[0, 1], &[]] {
            let snapshots = [plain.snapshot(down), repeating.snapshot(down)];
            for round in 0..4 {
                for query in queries() {
                    let expected = plain.ask(&snapshots[0], &query);
                    assert_eq!(repeating.ask(&snapshots[1], &query), expected, "round {round}, {query:02x?}");
                }
            }
        }
        assert_eq!(repeating.counts(), plain.counts());
        let kept = repeating.worker.repeats.unwrap().slots.iter().filter(|kept| kept.snapshot != 0).count();
        assert!(kept > 300, "{kept} queries are kept with {server:?}");
    }
}

/// A query keeps what a few rankings lead to. Here are more of them than it has room for.
#[test]
fn clients_of_many_rankings_get_their_own_answers() {
    let places = ["a", "b", "c", "d"];
    let orders = (0..24).map(|order| {
        let mut left = places.to_vec();
        [order / 6, order / 2 % 3, order % 2, 0].map(|place| left.remove(place))
    });
    let mut zone =
        "[nameservers]\nns1 = [\"192.0.2.53\"]\n[names.www]\npools = [\"web\"]\nsteer = [\"region\"]\n".to_owned();
    for (number, place) in places.iter().enumerate() {
        writeln!(zone, "[datacenters.{place}]\nlatitude = {number}\nlongitude = 0").unwrap();
    }
    zone += "[pools.web.endpoints]\n";
    for (number, place) in places.iter().enumerate() {
        writeln!(zone, "{place} = [\"192.0.2.{number}\", \"198.51.100.{number}\"]").unwrap();
    }
    for (number, order) in orders.enumerate() {
        writeln!(zone, "[regions.r{number}]\nclients = [\"10.{number}.0.0/16\"]\nprefer = {order:?}").unwrap();
    }
    let (mut plain, mut repeating) = (Node::of(&zone, "", |worker| worker), Node::of(&zone, "", Worker::recalling));
    for down in [&[][..], &[0], &[1, 2]] {
        let snapshots = [plain.snapshot(down), repeating.snapshot(down)];
        for round in 0..200_u32 {
            // 7 and 25 have no common divisor.
            let mut opt = OPTS[5].to_vec();
            opt[20] = (round * 7 % 25) as u8;
            let query = query("www", Rtype::A, &opt, 1);
            assert_eq!(repeating.ask(&snapshots[1], &query), plain.ask(&snapshots[0], &query), "round {round}");
        }
        assert!(is_repeated(&mut repeating, &snapshots[1], &query("www", Rtype::A, OPTS[5], 1)));
        plain.ask(&snapshots[0], &query("www", Rtype::A, OPTS[5], 1));
    }
    assert_eq!(repeating.worker.repeats.unwrap().slots.iter().filter(|kept| kept.snapshot != 0).count(), 1);
}

/// True if the worker answers the query without reading it.
fn is_repeated(node: &mut Node, snapshot: &Snapshot, query: &[u8]) -> bool {
    let source = Ipv4Addr::new(10, 2, 0, 1).into();
    Datagram { snapshot, octets: query, source, now: 1 }.repeat(&mut node.worker, &mut [0; 1232]).is_ok()
}

#[test]
fn common_queries_are_repeated_and_only_for_their_snapshot() {
    let mut node = Node::new("", Worker::recalling);
    let (snapshot, other) = (node.snapshot(&[]), node.snapshot(&[]));
    let (plain, subnet) = (OPTS[1], OPTS[5]);
    for name in ["www", "sticky", "static", "chain", "child"] {
        for opt in [plain, subnet] {
            let asked = query(name, Rtype::A, opt, 1);
            for _ in 0..2 {
                assert!(!is_repeated(&mut node, &snapshot, &asked), "{name}");
                node.ask(&snapshot, &asked);
            }
            assert!(is_repeated(&mut node, &snapshot, &asked), "{name}");
            assert!(is_repeated(&mut node, &snapshot, &query(&name.to_uppercase(), Rtype::A, opt, 1)), "{name}");
            assert!(!is_repeated(&mut node, &other, &asked), "{name}");
        }
    }
    let elsewhere = query("www", Rtype::A, OPTS[6], 1);
    assert!(is_repeated(&mut node, &snapshot, &elsewhere), "another client");
    assert!(!is_repeated(&mut node, &snapshot, &query("www", Rtype::A, subnet, 2)), "another RD");
}

#[test]
fn what_tells_of_the_asker_and_what_a_flood_may_ask_is_not_kept() {
    let mut node = Node::new("", Worker::recalling);
    let snapshot = node.snapshot(&[]);
    for (name, rtype, opt) in [
        ("none", Rtype::A, OPTS[1]),
        ("x.apps", Rtype::A, OPTS[1]),
        ("x.moved", Rtype::A, OPTS[1]),
        ("x.child", Rtype::A, OPTS[1]),
        ("other.test.", Rtype::A, OPTS[1]),
        ("whoami", Rtype::TXT, OPTS[1]),
        ("long", Rtype::TXT, OPTS[2]),
        ("static", Rtype::A, OPTS[13]),
    ] {
        let asked = query(name, rtype, opt, 1);
        (0..3).for_each(|_| _ = node.ask(&snapshot, &asked));
        assert!(!is_repeated(&mut node, &snapshot, &asked), "{name} {rtype}");
    }
}
