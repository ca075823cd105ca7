//! Scenarios for rotation: the first turn of askers that ask once, and the next turns of those that ask again.

use std::collections::{BTreeMap, HashSet};
use std::net::{IpAddr, Ipv4Addr};

use hickory_proto::rr::RecordType::{self, A, AAAA, HTTPS};
use truenorth::answer::Transport;

use crate::scene::{self, Scene};

/// Number of askers that ask once.
const ASKERS: u32 = 6_000;

/// Normal deviates that chance exceeds once in 30,000 cases. First turns are the same in every run, so no run fails by chance.
const DEVIATES: f64 = 4.0;

/// Sizes of the pools. The unit tests of the counters have every size from 2 to 300.
const SIZES: [usize; 9] = [2, 3, 5, 8, 13, 30, 100, 299, 300];

/// Asserts that counts of outcomes with these probabilities are as even as chance allows: chi-square by its normal
/// approximation of Wilson and Hilferty.
#[track_caller]
fn assert_shares(counts: &[u32], shares: &[f64], case: &str) {
    let (freedom, all) = ((counts.len() - 1) as f64, f64::from(counts.iter().sum::<u32>()));
    let parts = counts.iter().zip(shares);
    let chi_square: f64 = parts.map(|(&count, share)| (f64::from(count) - all * share).powi(2) / (all * share)).sum();
    let spread = 2.0 / (9.0 * freedom);
    let deviates = ((chi_square / freedom).cbrt() - (1.0 - spread)) / spread.sqrt();
    assert!(deviates < DEVIATES, "{case}: {counts:?}, {deviates:.1} deviates");
}

fn zone(names: &str) -> String {
    let many = |count: usize| {
        let addresses: Vec<String> = (0..count).map(|n| format!("\"192.0.{}.{}\"", 2 + n / 250, n % 250)).collect();
        format!("[pools.p{count}]\nendpoints = [{}]\n", addresses.join(", "))
    };
    let pools: Vec<String> = SIZES.map(many).into();
    format!(
        "[soa]\nserial = 1\n[nameservers]\nns1 = [\"192.0.2.253\"]\n[datacenters]\nfra = {{ latitude = 50, longitude = 8 }}\n\
         iad = {{ latitude = 38, longitude = -77 }}\n[regions.default]\nprefer = [[\"fra\", \"iad\"]]\n\
         [pools.web]\nendpoints.fra = [\"198.51.100.1\", \"2001:db8:f::1\"]\nendpoints.iad = [\"198.51.100.2\", \"2001:db8:a::1\"]\n\
         [pools.uneven]\nendpoints.fra = [\"198.51.100.3\", \"198.51.100.4\", \"198.51.100.5\"]\nendpoints.iad = [\"198.51.100.6\"]\n\
         [pools.one]\ndatacenter = \"fra\"\nendpoints = [{{ cname = \"one.example.net.\" }}]\n\
         [pools.two]\ndatacenter = \"iad\"\nendpoints = [{{ cname = \"two.example.net.\" }}]\n{}{names}",
        pools.concat()
    )
}

fn source(number: u32) -> IpAddr {
    Ipv4Addr::from_bits(0x3c00_0035 + number * 0x101).into()
}

fn ask_from(scene: &mut Scene, source: IpAddr, name: &str, rtype: RecordType) -> Vec<String> {
    let query = scene::query(name, rtype, "").to_vec().unwrap();
    scene.send_from(source, &query, Transport::Tcp).unwrap().data()
}

/// Returns how often each address is first for askers that ask once.
fn firsts(scene: &mut Scene, name: &str, rtype: RecordType) -> BTreeMap<String, u32> {
    let mut firsts = BTreeMap::new();
    for number in 0..ASKERS {
        *firsts.entry(ask_from(scene, source(number), name, rtype).swap_remove(0)).or_default() += 1;
    }
    firsts
}

#[test]
fn first_answers_of_those_who_ask_once_are_spread_evenly() {
    let names: Vec<String> = SIZES.map(|n| format!("[names.n{n}]\npools = [\"p{n}\"]\nsteer = []\n")).into();
    let mut scene = Scene::of_zone(&zone(&names.concat()));
    for count in SIZES {
        let firsts = firsts(&mut scene, &format!("n{count}"), A);
        assert_eq!(firsts.len(), count);
        let counts: Vec<u32> = firsts.into_values().collect();
        assert_shares(&counts, &vec![1.0 / count as f64; count], &format!("{count} endpoints"));
    }
}

#[test]
fn every_endpoint_is_given_where_an_answer_holds_few_of_them() {
    let names = "[names.one]\npools = [\"p300\"]\nsteer = []\nanswers = 1\n[names.some]\npools = [\"p300\"]\nsteer = []\nanswers = 8\n";
    let mut scene = Scene::of_zone(&zone(names));
    for (name, answers) in [("one", 1), ("some", 8)] {
        let mut given: BTreeMap<String, u32> = BTreeMap::new();
        for number in 0..ASKERS {
            let addresses = ask_from(&mut scene, source(number), name, A);
            assert_eq!(addresses.len(), answers);
            for address in addresses {
                *given.entry(address).or_default() += 1;
            }
        }
        assert_eq!(given.len(), 300, "{name}");
    }
}

#[test]
fn a_tie_of_datacenters_is_spread_over_their_endpoints() {
    let names = "[names.www]\npools = [\"web\"]\nsteer = [\"region\"]\n[names.uneven]\npools = [\"uneven\"]\nsteer = [\"region\"]\n\
                 [names.alias]\npools = [\"one\", \"two\"]\nsteer = [\"region\"]\n\
                 [names.both]\npools = [\"uneven\"]\nsteer = [\"failover\"]\ntake = 2\n\
                 [names.single]\npools = [\"uneven\"]\nsteer = [\"region\"]\nanswers = 1\n";
    let mut scene = Scene::of_zone(&zone(names));
    for (name, rtype) in [("www", A), ("www", AAAA), ("alias", A), ("alias", AAAA)] {
        let counts: Vec<u32> = firsts(&mut scene, name, rtype).into_values().collect();
        assert_shares(&counts, &[0.5, 0.5], &format!("{name} {rtype}"));
    }
    // Each of four addresses, whether all of them answer or one does.
    for name in ["both", "single"] {
        let counts: Vec<u32> = firsts(&mut scene, name, A).into_values().collect();
        assert_shares(&counts, &[0.25; 4], name);
    }
    // Three quarters go to the datacenter with three of four endpoints, as `simulate` says.
    let uneven = firsts(&mut scene, "uneven", A);
    let iad = uneven["198.51.100.6"];
    assert_shares(&[ASKERS - iad, iad], &[0.75, 0.25], "uneven");
}

#[test]
fn successive_answers_put_each_address_first_once_wherever_they_begin() {
    let names = "[names.www]\npools = [\"p8\"]\nsteer = []\n[names.three]\npools = [\"p8\"]\nsteer = []\nanswers = 3\n";
    let mut scene = Scene::of_zone(&zone(names));
    for name in ["www", "three"] {
        for number in 0..50 {
            let mut firsts = || ask_from(&mut scene, source(number), name, A).swap_remove(0);
            let round: Vec<String> = (0..8).map(|_| firsts()).collect();
            assert_eq!(round.iter().collect::<HashSet<_>>().len(), 8, "{round:?}");
            assert_eq!((0..8).map(|_| firsts()).collect::<Vec<_>>(), round, "and so on");
        }
    }
}

#[test]
fn both_families_of_an_asker_begin_at_the_same_place_and_turn_apart() {
    let names = "[names.www]\npools = [\"web\"]\nsteer = [\"region\"]\nhttps = { alpn = [\"h2\"] }\n";
    let mut scene = Scene::of_zone(&zone(names));
    let place = |addresses: &[String]| {
        if addresses[0].ends_with("f::1") || addresses[0].ends_with(".1") { "fra" } else { "iad" }
    };
    let mut together = 0;
    for number in 0..200 {
        let a = ask_from(&mut scene, source(number), "www", A);
        // HTTPS has turns of its own, and does not affect other types.
        ask_from(&mut scene, source(number), "www", HTTPS);
        let aaaa = ask_from(&mut scene, source(number), "www", AAAA);
        together += u32::from(place(&a) == place(&aaaa));
        assert_ne!(ask_from(&mut scene, source(number), "www", A), a);
        assert_ne!(ask_from(&mut scene, source(number), "www", AAAA), aaaa);
    }
    // Askers that share a counter by chance differ later.
    assert!(together > 190, "{together}");
}
