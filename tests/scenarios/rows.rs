//! Every step, pick, rung of the ladder and `all_down` once, with whole answers: addresses, scope and TTL.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use hickory_proto::rr::RecordType::A;
use truenorth::geo::{Coordinates, Location, Locations, Prefix, Runs, nest};

use super::{ASIA, EUROPE, FRA, IAD, SIN, WEB};
use crate::scene::Scene;

const OFFICE: &str = "10.9.9.0/24";

/// Asks for an address, and compares the whole reply.
#[track_caller]
fn expect(scene: &mut Scene, name: &str, client: &str, addresses: &[&str], scope: u8, ttl: u32) {
    let reply = scene.ask(name, A, client);
    assert_eq!(reply.rcode(), 0, "{name} for {client}");
    assert_eq!(reply.sorted(), addresses, "{name} for {client}");
    assert_eq!((reply.scope(), reply.ttl()), (Some(scope), ttl), "{name} for {client}");
    assert_eq!(reply.is_nodata(), addresses.is_empty());
}

/// Returns how often each answer was given, of this many; all with this scope and the TTL of a confirmed state.
#[track_caller]
fn tally(scene: &mut Scene, name: &str, scope: u8, count: u32) -> BTreeMap<Vec<String>, u32> {
    let mut tally = BTreeMap::new();
    for _ in 0..count {
        let reply = scene.ask(name, A, EUROPE);
        assert_eq!((reply.scope(), reply.ttl()), (Some(scope), 30), "{name}");
        *tally.entry(reply.sorted()).or_default() += 1;
    }
    tally
}

#[test]
fn region_sends_by_tiers_and_what_is_not_listed_comes_last() {
    let names = "[names.www]\npools = [\"web\"]\nsteer = [\"region\"]\n\
                 [names.own]\npools = [\"web\"]\nsteer = [\"region\"]\nprefer = { europe = [\"sin\"] }\n";
    let mut scene = Scene::new(names);
    expect(&mut scene, "www", EUROPE, &FRA, 16, 30);
    expect(&mut scene, "www", ASIA, &[SIN], 16, 30);
    expect(&mut scene, "own", EUROPE, &[SIN], 16, 30);
    scene.down(&[SIN]);
    expect(&mut scene, "www", ASIA, &[IAD, FRA[0], FRA[1]], 16, 30);
    expect(&mut scene, "own", EUROPE, &[IAD, FRA[0], FRA[1]], 16, 30);
}

#[test]
fn latency_sends_to_the_shortest_round_trip() {
    let mut scene = Scene::new("[names.www]\npools = [\"web\"]\nsteer = [\"latency\"]\n");
    scene.measure(&[(EUROPE, "fra", 90.0), (EUROPE, "iad", 10.0), (EUROPE, "sin", 50.0)]);
    expect(&mut scene, "www", EUROPE, &[IAD], 24, 30);
    scene.down(&[IAD, "2001:db8:a::1"]);
    expect(&mut scene, "www", EUROPE, &[SIN], 24, 30);
}

#[test]
fn distance_sends_to_the_nearest_and_a_pool_of_no_place_comes_last() {
    let at = |latitude, longitude| Location {
        coordinates: Coordinates::try_new(latitude, longitude),
        ..Location::default()
    };
    let network = |text: &str, value| Prefix { first: text.parse::<Ipv4Addr>().unwrap().to_bits(), length: 14, value };
    let locations = Locations {
        v4: nest(vec![network("10.4.0.0", 1), network("10.8.0.0", 2)], 0),
        v6: Runs::uniform(0),
        table: [Location::default(), at(51.0, 10.0), at(36.0, 138.0)].into(),
    };
    let names = "[pools.nowhere]\nendpoints = [\"192.0.2.99\"]\n\
                 [names.www]\npools = [\"web\", \"nowhere\"]\nsteer = [\"distance\"]\n";
    let mut scene = Scene::with_locations(locations, names);
    expect(&mut scene, "www", "10.4.7.0/24", &FRA, 14, 30);
    expect(&mut scene, "www", "10.8.7.0/24", &[SIN], 14, 30);
    // No scope reaches into 192.168.0.0/16, which has no location.
    expect(&mut scene, "www", "192.0.2.0/24", &[IAD, "192.0.2.99", FRA[0], FRA[1], SIN], 9, 30);
    scene.down(&[SIN]);
    expect(&mut scene, "www", "10.8.7.0/24", &FRA, 14, 30);
    scene.down(&WEB);
    expect(&mut scene, "www", "10.8.7.0/24", &["192.0.2.99"], 14, 30);
}

#[test]
fn failover_sends_all_to_the_first() {
    let mut scene = Scene::new("[names.www]\npools = [\"web/sin\", \"web/iad\"]\nsteer = [\"failover\"]\n");
    expect(&mut scene, "www", EUROPE, &[SIN], 0, 30);
    scene.down(&[SIN]);
    expect(&mut scene, "www", EUROPE, &[IAD], 0, 30);
    scene.up(&[SIN]);
    expect(&mut scene, "www", EUROPE, &[SIN], 0, 30);
}

#[test]
fn weight_draws_a_pool_for_each_query_within_the_tie() {
    let uses = "[{ pool = \"web/fra\", weight = 3 }, { pool = \"green\", weight = 1 }, \"web/iad\"]";
    let pool = "[pools.green]\ndatacenter = \"fra\"\nendpoints = [\"198.51.100.20\"]\n";
    let mut scene = Scene::new(&format!(
        "{pool}[names.all]\npools = {uses}\nsteer = [\"weight\"]\n[names.near]\npools = {uses}\nsteer = [\"region\", \"weight\"]\n"
    ));
    let all = tally(&mut scene, "all", 0, 2000);
    assert_eq!(all.len(), 3, "{all:?}");
    // Three fifths of 2,000; the standard deviation is 22.
    assert!((1090..1310).contains(&all[&FRA.map(str::to_owned).to_vec()]), "{all:?}");
    let near = tally(&mut scene, "near", 16, 2000);
    assert_eq!(near.len(), 2, "{near:?}");
    // Three quarters; the standard deviation is 19.
    assert!((1405..1595).contains(&near[&FRA.map(str::to_owned).to_vec()]), "{near:?}");
}

#[test]
fn sticky_sends_a_client_to_one_pool_and_back_to_it() {
    let mut scene = Scene::new("[names.www]\npools = [\"web/iad\", \"web/sin\"]\nsteer = [\"sticky\"]\n");
    let chosen = scene.ask("www", A, EUROPE).data();
    let [chosen] = &chosen[..] else { panic!("one pool, of one address: {chosen:?}") };
    let other = if chosen == IAD { SIN } else { IAD };
    (0..20).for_each(|_| expect(&mut scene, "www", EUROPE, &[chosen], 24, 30));
    let place = if chosen == IAD { vec![IAD, "2001:db8:a::1"] } else { vec![SIN] };
    scene.down(&place);
    expect(&mut scene, "www", EUROPE, &[other], 24, 30);
    scene.up(&place);
    expect(&mut scene, "www", EUROPE, &[chosen], 24, 30);
}

#[test]
fn each_pick_answers_in_its_way() {
    let pool = "[pools.trio]\nendpoints = [\"192.0.2.11\", \"192.0.2.12\", { address = \"192.0.2.13\", weight = 2 }]\n";
    let name =
        |pick: &str, more: &str| format!("[names.{pick}]\npools = [\"trio\"]\nsteer = []\npick = \"{pick}\"\n{more}\n");
    let picks =
        name("rotate", "") + &name("random", "") + &name("weighted", "") + &name("sticky", "ttl = 60\nsticky_v4 = 20");
    let mut scene = Scene::new(&(pool.to_owned() + &picks));
    for all in ["rotate", "random"] {
        expect(&mut scene, all, EUROPE, &["192.0.2.11", "192.0.2.12", "192.0.2.13"], 0, 30);
    }
    let mut firsts: Vec<String> = (0..3).map(|_| scene.ask("rotate", A, EUROPE).data().swap_remove(0)).collect();
    firsts.sort_unstable();
    assert_eq!(firsts, ["192.0.2.11", "192.0.2.12", "192.0.2.13"]);
    let weighted = tally(&mut scene, "weighted", 0, 2000);
    assert_eq!(weighted.len(), 3, "one each time: {weighted:?}");
    // Half of 2,000; the standard deviation is 22.
    assert!((890..1110).contains(&weighted[&vec!["192.0.2.13".to_owned()]]), "{weighted:?}");
    let sticky = scene.ask("sticky", A, EUROPE).data();
    assert_eq!(sticky.len(), 1);
    (0..20).for_each(|_| expect(&mut scene, "sticky", "10.1.15.0/24", &[&sticky[0]], 20, 60));
}

#[test]
fn the_ladder_is_gone_down_rung_by_rung_and_up_again() {
    let zone = "[pools.shop]\nmonitor = \"web\"\nmin_healthy = 0.6\nfailback = \"10m\"\n\
                endpoints.fra = [\"198.51.100.7\", \"198.51.100.8\"]\nendpoints.iad = [\"192.0.2.7\", \"192.0.2.8\"]\n\
                endpoints.sin = [\"203.0.113.7\"]\n\
                [pools.sorry]\nmonitor = \"web\"\nendpoints = [\"192.0.2.99\"]\n\
                [names.shop]\npools = [\"shop\"]\nfallback = \"sorry\"\nsteer = [\"region\"]\n";
    let mut scene = Scene::new(zone);
    scene.order("drain dc:sin");
    expect(&mut scene, "shop", EUROPE, &["198.51.100.7", "198.51.100.8"], 16, 30);
    scene.down(&["198.51.100.7"]);
    expect(&mut scene, "shop", EUROPE, &["192.0.2.7", "192.0.2.8"], 16, 30);
    scene.down(&["192.0.2.8"]);
    expect(&mut scene, "shop", EUROPE, &["198.51.100.8"], 16, 5); // sin, which drains, was looked at
    scene.down(&["198.51.100.8"]);
    expect(&mut scene, "shop", EUROPE, &["192.0.2.7"], 16, 5);
    scene.hold(&["192.0.2.7", "192.0.2.8"]);
    expect(&mut scene, "shop", EUROPE, &["192.0.2.7"], 16, 5);
    scene.down(&["192.0.2.7"]);
    expect(&mut scene, "shop", EUROPE, &["203.0.113.7"], 16, 5);
    scene.down(&["203.0.113.7"]);
    expect(&mut scene, "shop", EUROPE, &["192.0.2.99"], 16, 5);
    scene.down(&["192.0.2.99"]);
    expect(&mut scene, "shop", EUROPE, &["198.51.100.7", "198.51.100.8"], 16, 5);
    scene.lift("dc:sin");
    scene.hold(&[]);
    expect(&mut scene, "shop", EUROPE, &["198.51.100.7", "198.51.100.8"], 16, 30);
    scene.up(&["203.0.113.7"]);
    expect(&mut scene, "shop", EUROPE, &["203.0.113.7"], 16, 30);
    scene.up(&["198.51.100.7", "198.51.100.8"]);
    expect(&mut scene, "shop", EUROPE, &["198.51.100.7", "198.51.100.8"], 16, 30);
}

#[test]
fn what_is_held_back_comes_before_what_drains() {
    let mut scene = Scene::new("[names.www]\npools = [\"web\"]\nsteer = [\"region\"]\n");
    scene.order("drain dc:fra");
    scene.hold(&[IAD, "2001:db8:a::1"]);
    scene.down(&[SIN]);
    expect(&mut scene, "www", EUROPE, &[IAD], 16, 5);
    scene.down(&[IAD, "2001:db8:a::1"]);
    expect(&mut scene, "www", EUROPE, &FRA, 16, 5);
}

#[test]
fn each_all_down_ends_in_its_way_also_for_whom_may_go_nowhere_else() {
    let names = ["all", "last-healthy", "nodata", "servfail"]
        .map(|kind| format!("[names.{kind}]\npools = [\"web\"]\nsteer = [\"region\"]\nall_down = \"{kind}\"\n"));
    let mut scene = Scene::new(&names.concat());
    scene.down(&WEB[1..]);
    scene.down(&WEB[..1]);
    for (client, scope) in [(EUROPE, 16), (OFFICE, 24)] {
        expect(&mut scene, "all", client, &FRA, scope, 30);
        expect(&mut scene, "last-healthy", client, &FRA[..1], scope, 30);
        expect(&mut scene, "nodata", client, &[], scope, 30);
        let reply = scene.ask("servfail", A, client);
        assert_eq!((reply.rcode(), reply.answers(), reply.scope()), (2, vec![], Some(scope)));
    }
    expect(&mut scene, "all", ASIA, &[SIN], 16, 30);
    scene.order("force-down endpoint:198.51.100.1");
    expect(&mut scene, "all", EUROPE, &FRA[1..], 16, 30);
}
