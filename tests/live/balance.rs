//! The distribution of answers over pools and endpoints.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use hickory_proto::rr::RecordType;

use crate::harness::{Asker, Files, Node, SERVER, addresses};

const ZONE: &str = r#"
[nameservers]
ns1 = ["127.0.0.1"]

[datacenters]
fra = { latitude = 50.11, longitude = 8.68 }

[regions.default]
prefer = ["fra"]

[pools.blue]
endpoints = ["192.0.2.1"]
[pools.green]
endpoints = ["192.0.2.2"]
[pools.canary]
endpoints = ["192.0.2.3"]

[names.pools]
pools = [{ pool = "blue", weight = 70 }, { pool = "green", weight = 25 }, { pool = "canary", weight = 5 }]
steer = ["weight"]

[pools.uneven]
endpoints = [
    { address = "192.0.2.11", weight = 5 },
    { address = "192.0.2.12", weight = 3 },
    { address = "192.0.2.13", weight = 2 },
    { address = "192.0.2.14", weight = 0 },
]

[names.endpoints]
pools = ["uneven"]
pick  = "weighted"

[pools.even]
endpoints = [
    "192.0.2.21", "192.0.2.22", "192.0.2.23", "192.0.2.24", "192.0.2.25",
    "2001:db8::21", "2001:db8::22", "2001:db8::23",
]

[names.rotated]
pools = ["even"]
"#;

/// Number of answers in a sample.
const SAMPLE: u32 = 2000;

/// A chi-square value with two degrees of freedom exceeds this with a probability of 0.001.
const CHI_SQUARE_2: f64 = 13.816;

fn serve() -> Node {
    Files::new(SERVER, &[("example.com.toml", ZONE)]).serve()
}

/// Returns the distance of a sample's counts from the shares by weight.
fn chi_square(asker: &mut Asker, name: &str, weights: [(&str, f64); 3]) -> f64 {
    let mut counts: BTreeMap<IpAddr, u32> = BTreeMap::new();
    for _ in 0..SAMPLE {
        match addresses(&asker.ask(name, RecordType::A, None))[..] {
            [address] => *counts.entry(address).or_default() += 1,
            ref others => panic!("one address an answer, not {others:?}"),
        }
    }
    let all: f64 = weights.iter().map(|(_, weight)| weight).sum();
    let terms = weights.iter().map(|(address, weight)| {
        let count = counts.remove(&address.parse().expect("an address")).unwrap_or(0);
        let expected = f64::from(SAMPLE) * weight / all;
        (f64::from(count) - expected).powi(2) / expected
    });
    let chi_square = terms.sum();
    assert_eq!(counts, BTreeMap::new(), "nothing else is answered");
    chi_square
}

/// Fails if two samples in a row deviate too much: by chance this happens once in a million times.
#[track_caller]
fn expect_weights(name: &str, weights: [(&str, f64); 3]) {
    let node = serve();
    let mut asker = node.asker();
    let far_off = [(); 2].map(|()| chi_square(&mut asker, name, weights));
    assert!(far_off.iter().any(|&chi_square| chi_square < CHI_SQUARE_2), "{far_off:?}");
}

#[test]
fn two_thousand_answers_fit_the_weights_of_pools() {
    expect_weights("pools.example.com.", [("192.0.2.1", 70.0), ("192.0.2.2", 25.0), ("192.0.2.3", 5.0)]);
}

#[test]
fn two_thousand_answers_fit_the_weights_of_endpoints() {
    expect_weights("endpoints.example.com.", [("192.0.2.11", 5.0), ("192.0.2.12", 3.0), ("192.0.2.13", 2.0)]);
}

#[test]
fn successive_answers_begin_with_each_address_once_whatever_socket_and_worker_they_meet() {
    const ROUNDS: usize = 30;
    let node = serve();
    let mut first = [(RecordType::A, Vec::new()), (RecordType::AAAA, Vec::new())];
    // Enough answers for whole rounds of five and of three.
    for _ in 0..ROUNDS * 5 * 3 {
        for (rtype, first) in &mut first {
            let reply = node.asker().ask("rotated.example.com.", *rtype, None);
            let addresses = addresses(&reply);
            let all: BTreeSet<IpAddr> = addresses.iter().copied().collect();
            let count = if *rtype == RecordType::A { 5 } else { 3 };
            assert_eq!((addresses.len(), all.len()), (count, count), "each once: {addresses:?}");
            first.push(addresses[0]);
        }
    }
    for (rtype, first) in first {
        let count = if rtype == RecordType::A { 5 } else { 3 };
        for window in first.windows(count) {
            let distinct: BTreeSet<_> = window.iter().collect();
            assert_eq!(distinct.len(), count, "{rtype}: {window:?}");
        }
    }
}
