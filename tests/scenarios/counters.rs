//! The counters equal the answers that a client sees.

use std::collections::HashMap;

use hickory_proto::rr::RecordType::{A, AAAA, AXFR, HTTPS, MX, TXT};
use truenorth::answer::Transport;
use truenorth::counters::{QueryType, SubnetUse, ZoneAnswer};
use truenorth::geo::{CountryCode, Location, Locations, Prefix, Runs, nest};
use truenorth::name::Name;
use truenorth::report::NameTotals;
use truenorth::snapshot::{PoolId, Rung};
use truenorth::wire::{Rcode, Rtype};

use crate::scene::{Scene, ZONE, query};

const NAMES: &str = r#"
[pools.sorry]
endpoints = ["192.0.2.200"]
[names.www]
pools = ["web"]
fallback = "sorry"
https = { alpn = ["h2"] }
[names.api]
pools = [{ pool = "web/fra", weight = 90 }, { pool = "web/iad", weight = 10 }]
steer = ["weight"]
[names.strict]
pools = ["web/sin"]
all_down = "servfail"
[names.empty]
pools = ["web/sin"]
all_down = "nodata"
[names.both]
pools = ["web"]
steer = ["region"]
take = 2
[records.alias]
CNAME = ["www"]
[records.child]
NS = ["ns.example.net."]
[records.text]
TXT = ["a text"]
"#;

/// Returns what is counted for a steered name.
fn counted(scene: &Scene, owner: &str) -> NameTotals {
    let owner = Name::parse(owner, &Name::root()).unwrap();
    let snapshot = scene.snapshot();
    let mut names = snapshot.world().zones.iter().flat_map(|zone| zone.names.iter()).enumerate();
    let (number, name) = names.find(|(_, name)| name.owner == owner).expect("the name is steered");
    let pools: Vec<PoolId> = name.steering.pools.iter().map(|used| used.pool).collect();
    scene.totals().name(number, &owner, &pools)
}

/// Returns in how many answers an endpoint was, and in how many it came first.
fn endpoint(scene: &Scene, pool: &str, address: &str) -> (u64, u64) {
    let snapshot = scene.snapshot();
    let (id, spec) = snapshot
        .world()
        .pool_ids()
        .zip(&snapshot.world().pools)
        .find(|(_, spec)| *spec.name == *pool)
        .expect("there is such a pool");
    let place = (0..spec.members.len()).find(|&place| spec.members.text(place) == address).expect("it is in the pool");
    scene.totals().endpoint(id, place)
}

#[test]
fn what_is_handed_out_is_counted_as_a_client_counts_it() {
    let mut scene = Scene::new(NAMES);
    let (mut given, mut first): (HashMap<String, u64>, HashMap<String, u64>) = (HashMap::new(), HashMap::new());
    let clients = ["10.1.0.0/24", "10.2.0.0/24", "10.3.0.0/24", "10.9.9.0/24", "", "2001:db8:1::/56"];
    for round in 0..240 {
        // In each second, all of the first clients are located.
        scene.now += 1;
        for (name, rtype) in [("www", A), ("www", AAAA), ("api", A), ("both", A)] {
            let reply = scene.ask(name, rtype, clients[round % clients.len()]);
            for (place, address) in reply.data().into_iter().enumerate() {
                *given.entry(address.clone()).or_default() += 1;
                *first.entry(address.clone()).or_default() += u64::from(place == 0);
            }
        }
    }
    assert!(given.len() > 5, "{given:?}");
    for (pool, address) in [
        ("web/fra", "198.51.100.1"),
        ("web/fra", "198.51.100.2"),
        ("web/fra", "2001:db8:f::1"),
        ("web/iad", "192.0.2.1"),
        ("web/iad", "2001:db8:a::1"),
        ("web/sin", "203.0.113.1"),
    ] {
        let seen = (given.get(address).copied().unwrap_or_default(), first.get(address).copied().unwrap_or_default());
        assert_eq!(endpoint(&scene, pool, address), seen, "{address}");
    }
    let api = counted(&scene, "api.example.com.");
    assert_eq!(api.pools.iter().sum::<u64>(), 240);
    assert!((190..=238).contains(&api.pools[0]), "{api:?}");
    // Each pool of an answer counts: one for the office, three for asia, where two datacenters tie, two for all others.
    assert_eq!(counted(&scene, "both.example.com.").pools, [240, 200, 40]);
    let totals = scene.totals();
    assert_eq!(totals.traffic.all_responses(), 4 * 240);
    assert_eq!(totals.traffic.rung(Rung::Usable as usize), 4 * 240);
    assert_eq!(totals.traffic.subnets(SubnetUse::Network), 4 * 200);
    let regions = totals.regions(0);
    assert_eq!(regions.iter().map(|(_, count)| count).sum::<u64>(), 4 * 240);
    for (region, count) in [("europe", 320), ("americas", 160), ("asia", 160), ("office", 160), ("default", 160)] {
        assert!(regions.contains(&(Some(region), count)), "{region}: {regions:?}");
    }
}

#[test]
fn the_ladder_fallback_and_empty_answers_are_counted() {
    let mut scene = Scene::new(NAMES);
    scene.down(&["203.0.113.1"]);
    for name in ["strict", "empty"] {
        (0..3).for_each(|_| _ = scene.ask(name, A, ""));
    }
    assert_eq!(counted(&scene, "strict.example.com.").failures, 3);
    assert_eq!(counted(&scene, "empty.example.com.").nodata, 3);
    scene.order("drain name:www.example.com");
    (0..5).for_each(|_| _ = scene.ask("alias", A, "10.1.0.0/24"));
    let www = counted(&scene, "www.example.com.");
    assert_eq!((www.fallback, www.pools.iter().sum::<u64>()), (5, 0));
    assert_eq!(endpoint(&scene, "sorry", "192.0.2.200"), (5, 5));
    scene.lift("name:www.example.com");
    // The hints of an HTTPS record are handed out too, of both families.
    scene.ask("www", HTTPS, "10.1.0.0/24");
    assert_eq!(endpoint(&scene, "web/fra", "2001:db8:f::1"), (1, 1));
    let totals = scene.totals();
    assert_eq!(totals.traffic.rung(Rung::AllDown as usize), 6);
    assert_eq!(totals.traffic.rung(Rung::Fallback as usize), 5);
}

#[test]
fn queries_are_counted_by_transport_type_and_code() {
    let mut scene = Scene::new(NAMES);
    scene.ask("text", TXT, "");
    scene.ask("text", MX, "");
    scene.ask("nowhere", A, "");
    scene.ask("x.child", A, "");
    scene.ask("else.test.", A, "10.1.2.0/0");
    let mut odd = query("text", TXT, "").to_vec().unwrap();
    scene.send(&odd, Transport::Tls);
    scene.send(&query("text", AXFR, "").to_vec().unwrap(), Transport::Udp);
    // Another opcode.
    odd[2] |= 0x20;
    scene.send(&odd, Transport::Quic);
    let totals = scene.totals();
    let cells: Vec<_> = totals.traffic.responses().collect();
    let known = QueryType::Known;
    for cell in [
        (Transport::Udp as usize, known(Rtype::TXT), Rcode::NoError, 1),
        (Transport::Udp as usize, known(Rtype::MX), Rcode::NoError, 1),
        (Transport::Udp as usize, known(Rtype::A), Rcode::NxDomain, 1),
        (Transport::Udp as usize, known(Rtype::A), Rcode::NoError, 1),
        (Transport::Udp as usize, known(Rtype::A), Rcode::Refused, 1),
        (Transport::Tls as usize, known(Rtype::TXT), Rcode::NoError, 1),
        (Transport::Udp as usize, known(Rtype::AXFR), Rcode::FormErr, 1),
        (Transport::Quic as usize, known(Rtype::TXT), Rcode::NotImp, 1),
    ] {
        assert!(cells.contains(&cell), "{cell:?} in {cells:?}");
    }
    assert_eq!(cells.len(), 8);
    assert_eq!(totals.traffic.subnets(SubnetUse::Private), 1);
    let kinds = ZoneAnswer::ALL.map(|kind| totals.zone(0, kind));
    assert_eq!(kinds, [2, 1, 1, 1, 0], "answer, nodata, nxdomain, referral, failure");
}

#[test]
fn clients_are_counted_by_country_and_destination() {
    // 10.0.0.0/9 is in Germany, the rest of the world nowhere.
    let v4 = nest(vec![Prefix { first: 0x0a00_0000, length: 9, value: 1 }], 0);
    let germany = Location { country: CountryCode::parse("DE"), ..Location::default() };
    let table = Box::new([Location::default(), germany]);
    let locations = Locations { v4, v6: Runs::uniform(0), table };
    let mut scene = Scene::with_locations(locations, NAMES);
    (0..7).for_each(|_| _ = scene.ask("www", A, "10.1.0.0/24"));
    (0..5).for_each(|_| _ = scene.ask("www", A, "10.2.0.0/24"));
    (0..3).for_each(|_| _ = scene.ask("www", A, ""));
    (0..2).for_each(|_| _ = scene.ask("text", TXT, "10.1.0.0/24"));
    let sent = |country: &str, datacenter: Option<&str>| (CountryCode::parse(country), datacenter.map(Into::into));
    let clients = scene.totals().clients();
    let expected = vec![
        (sent("", Some("iad")), 3),
        (sent("DE", None), 2),
        (sent("DE", Some("fra")), 7),
        (sent("DE", Some("iad")), 5),
    ];
    assert_eq!(clients, expected);
    // After 512 clients in a second, a worker locates one of 16 clients, which counts for all 16.
    let many = 512 - 17 + 100 * 16;
    (0..many).for_each(|_| _ = scene.ask("www", A, "10.1.0.0/24"));
    let count = scene.totals().clients().into_iter().find(|(key, _)| *key == sent("DE", Some("fra"))).unwrap().1;
    assert_eq!(count, 7 + many);
    assert_eq!(endpoint(&scene, "web/fra", "198.51.100.1").0, 7 + many, "all answers are counted");
}

#[test]
fn counts_outlive_a_reload_and_follow_names() {
    let mut scene = Scene::new(NAMES);
    (0..4).for_each(|_| _ = scene.ask("api", A, "10.1.0.0/24"));
    (0..6).for_each(|_| _ = scene.ask("www", A, "10.1.0.0/24"));
    // A zone that comes before, another order of pools and endpoints, one name less.
    let changed = format!("{ZONE}{NAMES}")
        .replace(r#"["198.51.100.1", "198.51.100.2", "#, r#"["198.51.100.9", "198.51.100.2", "198.51.100.1", "#)
        .replace("[names.strict]\npools = [\"web/sin\"]\nall_down = \"servfail\"\n", "");
    let before = "[nameservers]\nns1 = [\"192.0.2.53\"]\n[pools.web]\nendpoints = [\"192.0.2.7\"]\n[names.www]\npools = [\"web\"]\n";
    scene.reload(&[("a.test.toml", before), ("example.com.toml", &changed)]);
    (0..5).for_each(|_| _ = scene.ask("www", A, "10.1.0.0/24"));
    assert_eq!(counted(&scene, "api.example.com.").pools.iter().sum::<u64>(), 4);
    assert_eq!(counted(&scene, "www.example.com.").pools[0], 11);
    assert_eq!(counted(&scene, "www.a.test."), NameTotals { pools: vec![0], ..NameTotals::default() });
    assert_eq!(endpoint(&scene, "web/fra", "198.51.100.9").0, 5);
    let (given, _) = endpoint(&scene, "web/fra", "198.51.100.1");
    assert!((11..=15).contains(&given), "{given}");
    assert_eq!(scene.totals().zone(1, ZoneAnswer::Answer), 15);
    assert_eq!(scene.totals().regions(1).iter().map(|(_, count)| count).sum::<u64>(), 15);
    // Counters of names that went away are dropped. They start at 0 when the names come back.
    scene.reload(&[("a.test.toml", before)]);
    scene.totals();
    scene.reload(&[("a.test.toml", before), ("example.com.toml", &changed)]);
    assert_eq!(counted(&scene, "www.example.com.").pools[0], 0);
}
