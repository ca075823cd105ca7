//! Slow starts, held-back pools and slow drains as clients see them: shares, the ladder, TTLs.

mod scene;

use std::collections::BTreeMap;

use hickory_proto::rr::RecordType::{A, AAAA};
use proptest::prelude::*;
use scene::Scene;

const FRA: [&str; 3] = ["198.51.100.1", "198.51.100.2", "2001:db8:f::1"];
const FRA_V4: [&str; 2] = ["198.51.100.1", "198.51.100.2"];
const IAD: [&str; 2] = ["192.0.2.1", "2001:db8:a::1"];
const SIN: [&str; 1] = ["203.0.113.1"];
const EUROPE: &str = "10.1.7.0/24";
const WWW: &str = "[names.www]\npools = [\"web\"]\n";

/// Number of questions whose answers are counted.
const COUNT: u32 = 20_000;

/// A chi-square value with one degree of freedom exceeds this by chance once in a million times.
const CRITICAL: f64 = 23.93;

/// Counts how often each set of addresses answered.
fn counted(scene: &mut Scene, name: &str) -> BTreeMap<Vec<String>, u32> {
    let mut counts = BTreeMap::new();
    for _ in 0..COUNT {
        *counts.entry(scene.ask(name, A, EUROPE).sorted()).or_default() += 1;
    }
    counts
}

/// Asserts that an answer had this probability.
#[track_caller]
fn assert_share(counts: &BTreeMap<Vec<String>, u32>, answer: &[&str], probability: f64) {
    let answer: Vec<String> = answer.iter().map(|&text| text.to_owned()).collect();
    let seen = f64::from(counts.get(&answer).copied().unwrap_or(0));
    let expected = f64::from(COUNT) * probability;
    let chi_square = (seen - expected).powi(2) / expected + (seen - expected).powi(2) / (f64::from(COUNT) - expected);
    assert!(chi_square < CRITICAL, "{answer:?}: {seen}, not {expected}; chi-square {chi_square}; {counts:?}");
}

#[test]
fn a_pool_that_comes_back_takes_its_share_and_the_next_tier_the_rest() {
    let mut scene = Scene::new(WWW);
    for percent in [5, 40, 95] {
        scene.ramp(&FRA, percent * 10);
        let counts = counted(&mut scene, "www");
        assert_share(&counts, &FRA_V4, f64::from(percent) / 100.0);
        assert_share(&counts, &IAD[..1], 1.0 - f64::from(percent) / 100.0);
        assert_eq!(counts.len(), 2, "whole answers, never parts of them: {counts:?}");
    }
    let reply = scene.ask("www", A, EUROPE);
    assert_eq!((reply.ttl(), reply.scope()), (5, Some(16)));
    scene.ramp(&FRA, 1000);
    let reply = scene.ask("www", A, EUROPE);
    assert_eq!((reply.sorted(), reply.ttl()), (FRA_V4.map(str::to_owned).to_vec(), 30));
}

#[test]
fn clients_that_do_not_get_as_far_keep_the_long_ttl() {
    let mut scene = Scene::new(WWW);
    scene.ramp(&FRA, 50);
    assert_eq!(scene.ask("www", A, "10.2.7.0/24").ttl(), 30);
}

#[test]
fn where_no_other_pool_is_usable_a_ramping_one_takes_all() {
    let mut scene = Scene::new("[names.www]\npools = [\"web/fra\"]\n[names.both]\npools = [\"web\"]\n");
    scene.ramp(&FRA, 50);
    assert_eq!(counted(&mut scene, "www").len(), 1);
    scene.down(&IAD);
    scene.down(&SIN);
    assert_eq!(counted(&mut scene, "both").len(), 1);
    assert_eq!(scene.ask("both", A, "10.9.9.0/24").sorted(), FRA_V4, "`only` keeps a region's clients there");
    // All pools ramp: the pool with the higher ramp takes clients up to its own share.
    scene.up(&IAD);
    scene.up(&SIN);
    scene.down(&SIN);
    scene.ramp(&IAD, 500);
    let counts = counted(&mut scene, "both");
    assert_share(&counts, &IAD[..1], 0.95 * 0.5);
    assert_share(&counts, &FRA_V4, 1.0 - 0.95 * 0.5);
}

#[test]
fn weights_are_taken_with_the_share() {
    let pools =
        "pools = [{ pool = \"web/fra\", weight = 3 }, { pool = \"web/iad\", weight = 1 }]\nsteer = [\"weight\"]\n";
    let mut scene = Scene::new(&format!("[names.www]\n{pools}"));
    scene.ramp(&FRA, 200);
    let counts = counted(&mut scene, "www");
    assert_share(&counts, &FRA_V4, 0.75 * 0.2);
    assert_share(&counts, &IAD[..1], 1.0 - 0.75 * 0.2);
}

#[test]
fn sticky_clients_join_a_pool_that_comes_back_and_stay() {
    let mut scene = Scene::new(&format!("{WWW}steer = [\"region\", \"sticky\"]\n"));
    let mut before = 0;
    for percent in [5_u16, 30, 60, 100] {
        scene.ramp(&FRA, percent * 10);
        let mut joined = 0;
        for network in 0..200_u32 {
            let client = format!("10.1.{network}.0/24");
            let answer = scene.ask("www", A, &client).sorted();
            assert_eq!(scene.ask("www", A, &client).sorted(), answer, "the same each time");
            let is_there = answer == FRA_V4;
            let family = scene.ask("www", AAAA, &client).data();
            assert_eq!(family, if is_there { &FRA[2..] } else { &IAD[1..] }, "the same place in both families");
            joined += u16::from(is_there);
        }
        assert!(joined >= before && joined.abs_diff(percent * 2) < 30, "{percent}: {joined}");
        before = joined;
    }
}

#[test]
fn one_endpoint_among_others_stands_in_its_share_of_the_answers() {
    let mut scene = Scene::new(WWW);
    scene.ramp(&FRA_V4[1..], 300);
    let counts = counted(&mut scene, "www");
    assert_share(&counts, &FRA_V4, 0.3);
    assert_share(&counts, &FRA_V4[..1], 0.7);
    // The endpoint is degraded too: its share is the product of both.
    scene.degraded(&FRA_V4[1..], 500);
    let counts = counted(&mut scene, "www");
    assert_share(&counts, &FRA_V4, 0.15);
    // When its neighbour ramps too, the pool ramps with the highest ramp, and within it the other endpoint gets less.
    scene.degraded(&FRA_V4[1..], 1000);
    scene.ramp(&[FRA_V4[0], FRA[2]], 600);
    let counts = counted(&mut scene, "www");
    assert_share(&counts, &FRA_V4, 0.6 * 0.5);
    assert_share(&counts, &FRA_V4[..1], 0.6 * 0.5);
    assert_share(&counts, &IAD[..1], 0.4);
}

#[test]
fn a_name_that_is_forced_up_knows_no_ramps() {
    let mut scene = Scene::new(WWW);
    scene.ramp(&FRA, 50);
    scene.order("force-up name:www.example.com");
    assert_eq!(counted(&mut scene, "www").len(), 1);
    assert_eq!(scene.ask("www", A, EUROPE).ttl(), 30);
}

#[test]
fn a_pool_that_is_held_back_stands_between_the_minimum_and_the_draining() {
    let more = "[pools.sorry]\nendpoints = [\"192.0.2.99\"]\n[pools.shop]\nmonitor = \"web\"\nmin_healthy = 0.6\n\
                datacenter = \"iad\"\nendpoints = [\"192.0.2.7\", \"192.0.2.8\"]\n\
                [names.www]\npools = [\"web/fra\", \"shop\", \"web/sin\"]\nsteer = [\"failover\"]\nfallback = \"sorry\"\n";
    let mut scene = Scene::new(more);
    scene.hold(&FRA);
    let reply = scene.ask("www", A, EUROPE);
    assert_eq!((reply.sorted(), reply.ttl()), (vec!["192.0.2.7".to_owned(), "192.0.2.8".to_owned()], 30), "it is calm");
    scene.down(&["192.0.2.7"]);
    assert_eq!(scene.ask("www", A, EUROPE).data(), SIN);
    scene.order("drain pool:web/sin");
    assert_eq!(scene.ask("www", A, EUROPE).data(), ["192.0.2.8"], "below the minimum goes before held back");
    scene.down(&["192.0.2.8"]);
    assert_eq!(scene.ask("www", A, EUROPE).sorted(), FRA_V4, "held back goes before draining");
    assert_eq!(scene.ask("www", AAAA, EUROPE).sorted(), FRA[2..]);
    scene.up(&["192.0.2.8", "192.0.2.7"]);
    assert_eq!(scene.ask("www", A, EUROPE).sorted(), ["192.0.2.7", "192.0.2.8"], "and then it is held back again");
    scene.down(&["192.0.2.7", "192.0.2.8"]);
    scene.down(&FRA);
    assert_eq!(scene.ask("www", A, EUROPE).data(), SIN);
    scene.down(&SIN);
    assert_eq!(scene.ask("www", A, EUROPE).data(), ["192.0.2.99"]);
}

#[test]
fn a_fallback_that_is_held_back_still_falls_back() {
    let mut scene = Scene::new("[names.www]\npools = [\"web/sin\"]\nfallback = \"web/fra\"\n");
    scene.hold(&FRA);
    scene.down(&SIN);
    assert_eq!(scene.ask("www", A, EUROPE).sorted(), FRA_V4);
}

/// Returns every endpoint with its pool.
fn endpoints() -> Vec<(usize, &'static str)> {
    let of = |pool: usize, list: &'static [&'static str]| list.iter().map(move |&address| (pool, address));
    of(0, &FRA).chain(of(1, &IAD)).chain(of(2, &SIN)).collect()
}

proptest! {
    #[test]
    fn no_answer_holds_what_is_held_back_while_another_pool_is_usable(
        held in proptest::collection::vec(any::<bool>(), 3),
        down in proptest::collection::vec(any::<bool>(), 6),
        ramps in proptest::collection::vec(1_u16..=100, 6),
        steer in proptest::sample::select(vec!["[]", "[\"region\"]", "[\"region\", \"weight\"]", "[\"weight\"]"]),
        take in 1_u8..=3,
        client in proptest::sample::select(vec![EUROPE, "10.2.7.0/24", "10.3.7.0/24", "10.8.7.0/24"]),
    ) {
        let mut scene = Scene::new(&format!("{WWW}steer = {steer}\ntake = {take}\n"));
        let all = endpoints();
        for ((&(_, address), down), ramp) in all.iter().zip(&down).zip(ramps) {
            if *down {
                scene.down(&[address]);
            }
            scene.ramp(&[address], ramp * 10);
        }
        let is_held = |address: &str| all.iter().any(|&(pool, other)| other == address && held[pool]);
        let held_back: Vec<&str> = all.iter().map(|&(_, address)| address).filter(|address| is_held(address)).collect();
        scene.hold(&held_back);
        for rtype in [A, AAAA] {
            let usable = all.iter().zip(&down).any(|(&(pool, address), down)| {
                !held[pool] && !down && address.contains(':') == (rtype == AAAA)
            });
            let answer = scene.ask("www", rtype, client).data();
            if usable {
                prop_assert!(answer.iter().all(|address| !is_held(address)), "{rtype}: {answer:?}");
            }
            let is_up = |address: &String| {
                all.iter().zip(&down).any(|(&(_, other), down)| other == address && !down)
            };
            let any_up = all.iter().zip(&down).any(|(&(_, address), down)| !down && address.contains(':') == (rtype == AAAA));
            prop_assert!(!any_up || answer.iter().all(is_up), "{rtype}: {answer:?}");
        }
    }
}
