//! Scenarios for `sticky`: pools and endpoints by hash, and the spare datacenter by draw.

use std::collections::{HashMap, HashSet};
use std::net::Ipv4Addr;

use hickory_proto::rr::RecordType::{self, A, AAAA, HTTPS};

use crate::scene::{self, Scene};

/// Ten places, each with an address of either family that ends in its number, tied for everybody.
fn ten(name: &str) -> String {
    let places = 1..=10;
    let joined = |lines: &mut dyn Iterator<Item = String>| lines.collect::<Vec<_>>().concat();
    let datacenters = joined(&mut places.clone().map(|n| format!("dc{n} = {{ latitude = {n}, longitude = {n} }}\n")));
    let endpoints = joined(&mut places.map(|n| format!("endpoints.dc{n} = [\"192.0.2.{n}\", \"2001:db8::{n}\"]\n")));
    format!(
        "[soa]\nserial = 1\n[nameservers]\nns1 = [\"192.0.2.53\"]\n[datacenters]\n{datacenters}[pools.web]\nmonitor = \"tcp\"\n{endpoints}\
         [monitors.tcp]\ntype = \"tcp\"\nport = 80\n{name}"
    )
}

const CLIENTS: u32 = 100_000;

/// Returns the answer to each of many clients: the last octet of the only address.
fn choices(scene: &mut Scene, name: &str) -> Vec<u8> {
    let mut query = scene::query(name, A, "60.0.0.0/24").to_vec().unwrap();
    let at = query.windows(7).position(|octets| octets == [0, 1, 24, 0, 60, 0, 0]).unwrap() + 4;
    let ask = |number: u32| {
        // 60.0.0.0/8 and its neighbours: more than 65,536 networks.
        query[at..at + 3].copy_from_slice(&((0x3c_0000 + number).to_be_bytes()[1..]));
        let octets = scene.octets(Ipv4Addr::LOCALHOST.into(), &query, truenorth::answer::Transport::Udp).unwrap();
        assert_eq!(octets[6..8], [0, 1], "one record");
        // Header, question with a name of so many octets, and a record: its address ends it.
        let question = octets[12..].iter().position(|&octet| octet == 0).unwrap() + 5;
        octets[12 + question + 15]
    };
    (0..CLIENTS).map(ask).collect()
}

fn share<'a>(of: impl Iterator<Item = &'a u8>, place: u8) -> f64 {
    of.filter(|&&choice| choice == place).count() as f64 / f64::from(CLIENTS)
}

/// Returns which clients moved, from where to where.
fn moved(before: &[u8], after: &[u8]) -> Vec<(u8, u8)> {
    before
        .iter()
        .zip(after)
        .filter(|(before, after)| before != after)
        .map(|(before, after)| (*before, *after))
        .collect()
}

#[track_caller]
fn assert_about(share: f64, expected: f64) {
    assert!((share - expected).abs() < 0.01, "{share}, not {expected}");
}

#[test]
fn when_one_of_ten_pools_leaves_only_its_clients_move_and_they_come_back() {
    let mut scene = Scene::of_zone(&ten("[names.www]\npools = [\"web\"]\nsteer = [\"sticky\"]\n"));
    let before = choices(&mut scene, "www");
    (1..=10).for_each(|place| assert_about(share(before.iter(), place), 0.1));
    scene.down(&["192.0.2.4", "2001:db8::4"]);
    let after = choices(&mut scene, "www");
    let moves = moved(&before, &after);
    assert!(moves.iter().all(|(from, _)| *from == 4));
    assert_about(moves.len() as f64 / f64::from(CLIENTS), 0.1);
    (1..=10).filter(|&place| place != 4).for_each(|place| assert_about(share(after.iter(), place), 1.0 / 9.0));
    scene.up(&["192.0.2.4", "2001:db8::4"]);
    assert_eq!(choices(&mut scene, "www"), before, "and after a restart it is the same, for nothing is remembered");
}

#[test]
fn when_a_weight_or_a_share_changes_only_the_difference_moves() {
    let name = |weight| {
        let uses = (1..=9).map(|n| format!("\"web/dc{n}\"")).collect::<Vec<_>>().join(", ");
        format!("[names.www]\npools = [{uses}, {{ pool = \"web/dc10\", weight = {weight} }}]\nsteer = [\"sticky\"]\n")
    };
    let mut even = Scene::of_zone(&ten(&name(1)));
    let before = choices(&mut even, "www");
    let after = choices(&mut Scene::of_zone(&ten(&name(3))), "www");
    let moves = moved(&before, &after);
    assert!(moves.iter().all(|(_, to)| *to == 10));
    assert_about(share(after.iter(), 10), 0.25);
    assert_about(moves.len() as f64 / f64::from(CLIENTS), 0.15);
    // One that keeps half of its clients counts half as much.
    even.degraded(&["192.0.2.4", "2001:db8::4"], 500);
    let after = choices(&mut even, "www");
    assert!(moved(&before, &after).iter().all(|(from, _)| *from == 4));
    assert_about(share(after.iter(), 4), 0.5 / 9.5);
}

#[test]
fn when_an_endpoint_leaves_only_its_clients_move() {
    let pools = "[pools.many]\nmonitor = \"tcp\"\nendpoints = [\"192.0.2.101\", \"192.0.2.102\", \"192.0.2.103\", { address = \"192.0.2.104\", weight = 2 }, \"2001:db8::101\"]\n";
    let names = "[names.www]\npools = [\"many\"]\nsteer = []\npick = \"sticky\"\n[names.two]\npools = [\"many\"]\nsteer = []\npick = \"sticky\"\nanswers = 2\n";
    let mut scene = Scene::of_zone(&ten(&format!("{pools}{names}")));
    let before = choices(&mut scene, "www");
    for (place, expected) in [(101, 0.2), (102, 0.2), (103, 0.2), (104, 0.4)] {
        assert_about(share(before.iter(), place), expected);
    }
    // The second address is the one that would be first if the first were down.
    let client = "60.0.7.0/24";
    let two = scene.ask("two", A, client).data();
    assert_eq!(scene.ask("two", A, client).data(), two, "in the same order each time");
    scene.down(&[&two[0]]);
    assert_eq!(scene.ask("two", A, client).data()[0], two[1]);
    scene.up(&[&two[0]]);

    scene.down(&["192.0.2.104"]);
    let after = choices(&mut scene, "www");
    assert!(moved(&before, &after).iter().all(|(from, _)| *from == 104));
    assert_about(moved(&before, &after).len() as f64 / f64::from(CLIENTS), 0.4);
    scene.up(&["192.0.2.104"]);
    scene.degraded(&["192.0.2.104"], 500);
    let after = choices(&mut scene, "www");
    assert!(moved(&before, &after).iter().all(|(from, _)| *from == 104));
    assert_about(share(after.iter(), 104), 0.25);
}

#[test]
fn names_are_hashed_apart_and_a_weight_of_0_waits() {
    let names = "[names.www]\npools = [\"web\"]\nsteer = [\"sticky\"]\n[names.\"*.apps\"]\npools = [{ pool = \"web/dc1\", weight = 0 }, \"web/dc2\", \"web/dc3\"]\nsteer = [\"sticky\"]\n";
    let mut scene = Scene::of_zone(&ten(names));
    let ask = |scene: &mut Scene, name: &str, third: u8| scene.ask(name, A, &format!("60.0.{third}.0/24")).data();
    let differ = (0..100).filter(|&third| ask(&mut scene, "a.apps", third) != ask(&mut scene, "b.apps", third)).count();
    assert!((30..70).contains(&differ), "half of them: {differ}");
    assert!((0..100).all(|third| ask(&mut scene, "A.Apps", third) == ask(&mut scene, "a.apps", third)));
    assert!((0..100).all(|third| ask(&mut scene, "a.apps", third) != ["192.0.2.1"]));
    scene.down(&["192.0.2.2", "192.0.2.3", "2001:db8::2", "2001:db8::3"]);
    assert_eq!(ask(&mut scene, "a.apps", 0), ["192.0.2.1"]);
}

/// True if a and aaaa come from one datacenter.
fn is_one_place(scene: &mut Scene, name: &str, client: &str) -> bool {
    let [a, aaaa] = [A, AAAA].map(|rtype| scene.ask(name, rtype, client).data().concat());
    a.rsplit('.').next() == aaaa.rsplit(':').next()
}

#[test]
fn a_and_aaaa_and_https_agree_where_a_draw_for_each_query_would_not() {
    let names = "[names.sticky]\npools = [\"web\"]\nsteer = [\"region\", \"sticky\"]\nhttps = {}\n[names.weight]\npools = [\"web\"]\nsteer = [\"weight\"]\n";
    let zone = ten(names).replace("[soa]", "[regions.default]\nprefer = [[\"dc1\", \"dc2\", \"dc3\"]]\n[soa]");
    let mut scene = Scene::of_zone(&zone);
    let clients: Vec<String> = (0..120).map(|number| format!("60.0.{number}.0/24")).collect();
    assert!(clients.iter().all(|client| is_one_place(&mut scene, "sticky", client)));
    assert!(!clients.iter().all(|client| is_one_place(&mut scene, "weight", client)));
    let places: HashSet<String> = clients.iter().map(|client| scene.ask("sticky", A, client).data().concat()).collect();
    assert_eq!(places.len(), 3, "the region's tie, and all of it: {places:?}");
    for client in &clients {
        let https = scene.ask("sticky", HTTPS, client);
        let additional: Vec<String> = https.message.additionals.iter().map(|record| record.data.to_string()).collect();
        let both = [A, AAAA].map(|rtype| scene.ask("sticky", rtype, client).data().concat());
        assert_eq!(additional, both);
    }
    // Its IPv6 dies: IPv4 stays, IPv6 alone goes elsewhere.
    let at_one: Vec<&String> =
        clients.iter().filter(|client| scene.ask("sticky", A, client).data() == ["192.0.2.1"]).collect();
    scene.down(&["2001:db8::1"]);
    for client in at_one {
        assert_eq!(scene.ask("sticky", A, client).data(), ["192.0.2.1"]);
        assert_ne!(scene.ask("sticky", AAAA, client).data(), ["2001:db8::1"]);
    }
}

#[test]
fn the_scope_is_the_longer_of_the_rankings_and_the_prefix_that_is_hashed_whatever_the_health() {
    let names = "[names.default]\npools = [\"web\"]\nsteer = [\"sticky\"]\nttl = 60\n\
                 [names.coarse]\npools = [\"web\"]\nsteer = [\"region\", \"sticky\"]\nsticky_v4 = 12\nsticky_v6 = 32\n\
                 [names.none]\npools = [\"web\"]\nsteer = [\"sticky\"]\nsticky_v4 = 0\nsticky_v6 = 0\n\
                 [names.pick]\npools = [\"web/fra\"]\nsteer = []\npick = \"sticky\"\nsticky_v4 = 20\n\
                 [records.alias]\nCNAME = [\"default\"]\n";
    let mut scene = Scene::new(names);
    let expected = [
        ("default", "10.1.7.0/24", 24),
        ("default", "10.1.0.0/16", 24),
        ("default", "2001:db8:1::/56", 56),
        ("default", "2002:a01:700::/40", 40),
        ("alias", "10.1.7.0/24", 24),
        // The region's /16 is longer than 12, the default region's run around 60.64.0.0 shorter.
        ("coarse", "10.1.7.0/24", 16),
        ("coarse", "60.64.0.0/24", 12),
        ("coarse", "2001:db8:1::/56", 48),
        ("coarse", "2400::/56", 32),
        ("none", "10.1.7.0/24", 0),
        ("pick", "10.1.7.0/24", 20),
    ];
    for all_are_up in [true, false] {
        for (name, client, scope) in expected {
            let reply = scene.ask(name, A, client);
            assert_eq!(reply.scope(), Some(scope), "{name} for {client}, {all_are_up}");
        }
        assert_eq!(scene.ask("default", A, "10.1.7.0/24").ttl(), 60);
        scene.down(&["198.51.100.1", "198.51.100.2", "2001:db8:f::1", "192.0.2.1", "2001:db8:a::1", "203.0.113.1"]);
    }
    assert_eq!(scene.ask("default", A, "").scope(), None);
    assert_eq!(scene.ask("default", A, "0.0.0.0/0").scope(), Some(0));
}

#[test]
fn what_is_known_of_a_client_is_hashed_its_lowest_address() {
    let mut scene = Scene::of_zone(&ten("[names.www]\npools = [\"web\"]\nsteer = [\"sticky\"]\n"));
    for second in 0..20 {
        let known = scene.ask("www", A, &format!("60.{second}.0.0/16"));
        let lowest = scene.ask("www", A, &format!("60.{second}.0.0/24"));
        assert_eq!((known.data(), known.scope()), (lowest.data(), Some(24)));
    }
    // Without the option the packet's source counts, cut to the same length.
    let query = scene::query("www", A, "").to_vec().unwrap();
    for last in [1, 77, 255] {
        let source = Ipv4Addr::new(60, 3, 0, last).into();
        let reply = scene.send_from(source, &query, truenorth::answer::Transport::Udp).unwrap();
        assert_eq!(reply.data(), scene.ask("www", A, "60.3.0.0/24").data());
    }
}

#[test]
fn the_cut_is_shorter_where_less_is_looked_at() {
    let name = "[names.www]\npools = [\"web\"]\nsteer = [\"sticky\"]\n";
    let mut scene = Scene::with_server("[ecs]\nmax_source_v4 = 16\nmax_source_v6 = 40\n", name);
    for (client, scope) in [("10.1.7.0/24", 16), ("2001:db8:1::/56", 40)] {
        assert_eq!(scene.ask("www", A, client).scope(), Some(scope));
    }
}

/// Addresses of the places that answer, and how often each set of them does.
fn tally(scene: &mut Scene, name: &str, rtype: RecordType, client: &str, count: u32) -> HashMap<Vec<String>, u32> {
    let mut tally = HashMap::new();
    for _ in 0..count {
        *tally.entry(scene.ask(name, rtype, client).sorted()).or_default() += 1;
    }
    tally
}

#[test]
fn a_spare_is_drawn_from_all_other_places_for_each_query() {
    let uses = "[{ pool = \"web/fra\", weight = 9 }, { pool = \"web/iad\", weight = 3 }, \"web/sin\"]";
    let name = format!("[names.www]\npools = {uses}\nsteer = [\"region\"]\ntake = 2\nspare = true\n");
    let mut scene = Scene::new(&name);
    let (fra, iad, sin) = (["198.51.100.1", "198.51.100.2"], "192.0.2.1", "203.0.113.1");
    let with = |spare: &str| {
        let mut all = [&fra[..], &[spare]].concat().into_iter().map(str::to_owned).collect::<Vec<_>>();
        all.sort_unstable();
        all
    };
    let tallied = tally(&mut scene, "www", A, "10.1.7.0/24", 2000);
    // Three quarters of 2,000; the standard deviation is 19.
    assert!((1400..1600).contains(&tallied[&with(iad)]), "{tallied:?}");
    assert_eq!(tallied[&with(iad)] + tallied[&with(sin)], 2000, "{tallied:?}");
    assert_eq!(scene.ask("www", A, "10.1.7.0/24").scope(), Some(16), "the ranking's own");
    // A client that is restricted by `only` has no spare either.
    assert_eq!(scene.ask("www", A, "10.9.9.0/24").sorted(), fra);
    // The nearest datacenter is down: the next one takes its role, and the spare is a third one.
    scene.down(&fra);
    scene.down(&["2001:db8:f::1"]);
    assert_eq!(scene.ask("www", A, "10.1.7.0/24").sorted(), [iad, sin]);
    // Any place may be the spare one, so an unconfirmed outcome anywhere shortens the TTL.
    scene.up(&["198.51.100.1", "198.51.100.2", "2001:db8:f::1"]);
    scene.restless(&[sin]);
    assert_eq!(scene.ask("www", A, "10.1.7.0/24").ttl(), 5);
    // The other places are all down.
    scene.down(&[iad, sin, "2001:db8:a::1"]);
    assert_eq!(scene.ask("www", A, "10.1.7.0/24").sorted(), fra);
}

#[test]
fn a_spare_is_one_place_where_a_tie_would_be_several() {
    let name = |more: &str| format!("[names.www]\npools = [\"web\"]\nsteer = [\"region\"]\ntake = 2\n{more}");
    // For Asia: sin, then fra and iad tied.
    assert_eq!(Scene::new(&name("")).ask("www", A, "10.3.7.0/24").data().len(), 4);
    let tallied = tally(&mut Scene::new(&name("spare = true\n")), "www", A, "10.3.7.0/24", 400);
    let mut sizes: Vec<usize> = tallied.keys().map(Vec::len).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [2, 3], "sin and iad, sin and both of fra: {tallied:?}");
    assert!(tallied.values().all(|count| (140..260).contains(count)), "{tallied:?}");
}

#[test]
fn a_sticky_chain_has_a_sticky_spare() {
    let name = "[names.www]\npools = [\"web\"]\nsteer = [\"region\", \"sticky\"]\ntake = 2\nspare = true\n";
    let mut scene = Scene::of_zone(&ten(name).replace("[soa]", "[regions.default]\nprefer = [\"dc7\"]\n[soa]"));
    let mut spares = HashSet::new();
    for number in 0..60 {
        let client = format!("60.0.{number}.0/24");
        let [a, aaaa] = [A, AAAA].map(|rtype| {
            let data = scene.ask("www", rtype, &client).sorted();
            data.iter().map(|address| address.rsplit(['.', ':']).next().unwrap().to_owned()).collect::<HashSet<_>>()
        });
        assert_eq!(a, aaaa);
        assert!(a.len() == 2 && a.contains("7"), "{a:?}");
        spares.extend(a);
    }
    assert!(spares.len() > 8, "{spares:?}");
}
