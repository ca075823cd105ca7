//! Scenarios for client networks without a location, such as 10.1.2.0/24, and for networks smaller than Client Subnet
//! allows.

use std::sync::Arc;

use hickory_proto::rr::RecordType::{A, AAAA, TXT};
use truenorth::answer::Transport;
use truenorth::geo::{Caps, Coordinates, CountryCode, Location, Locations, Prefix, nest};
use truenorth::steering::{CompiledChain, CompiledStep, Ground, Map};

use crate::scene::{self, Reply, Scene};

/// A resolver in the region that is never sent anywhere but to fra.
const OFFICE_RESOLVER: &str = "198.51.100.53";

/// A resolver that no region names.
const ANY_RESOLVER: &str = "203.0.113.53";

const ZONE: &str = r#"
[soa]
serial = 1
[nameservers]
ns1 = ["192.0.2.53"]
[datacenters]
fra = { latitude = 50.11, longitude = 8.68 }
iad = { latitude = 38.95, longitude = -77.45 }
[regions.office]
clients = ["198.51.100.0/24", "2001:db8:0ff1::/48"]
prefer = ["fra"]
only = true
[regions.default]
prefer = ["iad", "fra"]
[pools.web]
endpoints.fra = ["198.51.100.1", "2001:db8:f::1"]
endpoints.iad = ["192.0.2.1", "2001:db8:a::1"]
[names.www]
pools = ["web"]
steer = ["region"]
[names.cache]
pools = ["web"]
steer = ["sticky"]
[names.plain]
pools = ["web/iad"]
steer = ["failover"]
[names.whoami]
reflect = true
"#;

const FRA: &str = "198.51.100.1";
const IAD: &str = "192.0.2.1";

fn ask_from(scene: &mut Scene, source: &str, name: &str, client: &str) -> Reply {
    let query = scene::query(name, A, client).to_vec().unwrap();
    scene.send_from(source.parse().unwrap(), &query, Transport::Udp).unwrap()
}

/// Networks without a location, and the scope of an answer to each: the block that contains it.
const TELL_NO_PLACE: [(&str, u8); 18] = [
    ("0.1.2.0/24", 8),
    ("10.1.2.0/24", 8),
    ("10.0.0.0/8", 8),
    ("10.1.2.3/32", 8),
    ("100.64.1.0/24", 10),
    ("127.0.0.1/32", 8),
    ("169.254.7.0/24", 16),
    ("172.16.0.0/16", 12),
    ("172.31.255.0/24", 12),
    ("192.168.1.0/24", 16),
    ("::/56", 32),
    ("::1/128", 32),
    ("64:ff9b:1::/56", 48),
    ("fd12:3456:789a::/48", 7),
    ("fe80::/64", 10),
    // Folded: the scope counts from the front of the IPv6 address.
    ("::ffff:10.1.2.0/120", 96 + 8),
    ("64:ff9b::192.168.1.0/120", 96 + 16),
    ("2002:ac10:100::/40", 16 + 12),
];

#[test]
fn the_packets_source_decides_for_networks_that_tell_no_place() {
    let mut scene = Scene::of_zone(ZONE);
    for (client, scope) in TELL_NO_PLACE {
        for (source, expected) in [(OFFICE_RESOLVER, FRA), (ANY_RESOLVER, IAD), ("2001:db8:ff1::53", FRA)] {
            let reply = ask_from(&mut scene, source, "www", client);
            assert_eq!((reply.data(), reply.scope()), (vec![expected.to_owned()], Some(scope)), "{client} by {source}");
        }
    }
}

#[test]
fn scopes_of_public_networks_reach_into_no_block_of_local_space() {
    let mut scene = Scene::of_zone(ZONE);
    for (client, scope) in [
        ("1.0.0.0/24", 8),
        ("9.255.255.0/24", 7),
        ("11.0.0.0/24", 8),
        ("8.8.8.0/24", 7),
        ("100.63.255.0/24", 10),
        ("100.128.0.0/24", 9),
        ("172.15.255.0/24", 12),
        ("172.32.0.0/24", 11),
        ("192.167.255.0/24", 13),
        ("192.169.0.0/24", 16),
        ("fbff::/56", 6),
        ("fe00::/56", 9),
        // Documentation and benchmarking ranges are ordinary networks.
        ("192.0.2.0/24", 9),
        ("203.0.113.0/24", 5),
        ("198.18.0.0/24", 11),
        ("2001:db8::/56", 37),
        ("3fff::/56", 4),
    ] {
        for source in [OFFICE_RESOLVER, ANY_RESOLVER] {
            let reply = ask_from(&mut scene, source, "www", client);
            assert_eq!((reply.data(), reply.scope()), (vec![IAD.to_owned()], Some(scope)), "{client} by {source}");
        }
    }
}

#[test]
fn a_name_that_ranks_all_clients_alike_has_scope_0_for_local_space_too() {
    let reply = ask_from(&mut Scene::of_zone(ZONE), OFFICE_RESOLVER, "plain", "10.1.2.0/24");
    assert_eq!((reply.data(), reply.scope()), (vec![IAD.to_owned()], Some(0)));
}

#[test]
fn a_regions_prefix_gives_a_local_network_its_meaning() {
    let zone = ZONE.replace(
        "[regions.default]",
        "[regions.lab]\nclients = [\"10.7.0.0/16\", \"fd00:7::/32\"]\nprefer = [\"iad\"]\nonly = true\n[regions.default]",
    );
    let mut scene = Scene::of_zone(&zone);
    for (client, expected, scope) in [
        ("10.7.1.0/24", IAD, 16),
        ("10.6.1.0/24", FRA, 16),
        ("10.128.0.0/24", FRA, 9),
        ("fd00:7:1::/56", IAD, 32),
        ("fd00:6:1::/56", FRA, 32),
        ("::ffff:10.7.1.0/120", IAD, 96 + 16),
    ] {
        let reply = ask_from(&mut scene, OFFICE_RESOLVER, "www", client);
        assert_eq!((reply.data(), reply.scope()), (vec![expected.to_owned()], Some(scope)), "{client}");
    }
    // If a hash decides, a network of a region is hashed itself, although the chain does not use regions.
    assert_eq!(ask_from(&mut scene, OFFICE_RESOLVER, "cache", "10.7.1.0/24").scope(), Some(24));
    assert_eq!(ask_from(&mut scene, OFFICE_RESOLVER, "cache", "10.6.1.0/24").scope(), Some(16));
}

/// A database of the operator says that 10.9.0.0/16, a private network, is in Germany.
fn locations() -> Locations {
    let germany = Location { country: CountryCode::parse("DE"), ..Location::default() };
    let network = Prefix { first: 0x0a09_0000, length: 16, value: 1 };
    Locations { v4: nest(vec![network], 0), v6: nest(Vec::new(), 0), table: [Location::default(), germany].into() }
}

#[test]
fn a_database_gives_a_local_network_its_meaning() {
    let mut scene = Scene::of_zone_with(locations(), ZONE);
    let reply = ask_from(&mut scene, OFFICE_RESOLVER, "www", "10.9.1.0/24");
    assert_eq!((reply.data(), reply.scope()), (vec![IAD.to_owned()], Some(16)));
    let reply = ask_from(&mut scene, OFFICE_RESOLVER, "www", "10.8.1.0/24");
    assert_eq!((reply.data(), reply.scope()), (vec![FRA.to_owned()], Some(16)));
}

#[test]
fn a_hash_goes_by_the_resolver_where_the_network_tells_no_place() {
    let mut scene = Scene::of_zone(ZONE);
    let mut seen = std::collections::HashSet::new();
    for third in 0..40 {
        let resolver = format!("60.1.{third}.53");
        let own = ask_from(&mut scene, &resolver, "cache", "").data();
        for client in ["10.1.2.0/24", "10.200.3.0/24", "192.168.1.0/24"] {
            assert_eq!(ask_from(&mut scene, &resolver, "cache", client).data(), own, "{client} by {resolver}");
        }
        seen.insert(own);
    }
    assert_eq!(seen.len(), 2, "resolvers differ");
    assert_eq!(ask_from(&mut scene, ANY_RESOLVER, "cache", "10.1.2.0/24").scope(), Some(8));
    assert_eq!(ask_from(&mut scene, ANY_RESOLVER, "cache", "11.1.2.0/24").scope(), Some(24));
}

#[test]
fn a_reflecting_name_tells_that_the_source_decides() {
    let mut scene = Scene::of_zone(ZONE);
    let query = |client| scene::query("whoami", TXT, client).to_vec().unwrap();
    let mut told = |client| {
        let reply = scene.send_from(OFFICE_RESOLVER.parse().unwrap(), &query(client), Transport::Udp).unwrap();
        reply.data().join(" ")
    };
    let local = told("10.1.2.0/24");
    assert!(local.contains("ecs=10.1.2.0/24 tells no place: source decides"), "{local}");
    assert!(local.contains("region=office"), "{local}");
    let public = told("60.1.2.0/24");
    assert!(public.contains("ecs=60.1.2.0/24") && !public.contains("tells no place"), "{public}");
    assert!(public.contains("region=default"), "{public}");
}

#[test]
fn where_few_bits_count_a_block_that_is_longer_is_no_block() {
    let zone = format!("ttl = 30\n{ZONE}");
    let mut scene = Scene::of_all("[ecs]\nmax_source_v4 = 9\nmax_source_v6 = 24\n", &[("example.com.toml", &zone)]);
    // Nine bits do not distinguish 172.16.0.0 from 172.0.0.0.
    assert_eq!(ask_from(&mut scene, OFFICE_RESOLVER, "www", "172.16.0.0/16").data(), [IAD]);
    assert_eq!(ask_from(&mut scene, OFFICE_RESOLVER, "www", "10.1.2.0/24").data(), [FRA]);
    assert_eq!(ask_from(&mut scene, OFFICE_RESOLVER, "www", "fd00::/48").data(), [FRA]);
    assert_eq!(ask_from(&mut scene, OFFICE_RESOLVER, "www", "::1/128").data(), [IAD]);
}

#[test]
fn a_host_is_looked_up_with_all_of_its_bits_and_narrows_no_scope() {
    let zone = ZONE.replace("\"198.51.100.0/24\"", "\"60.0.0.200/32\", \"198.51.100.0/24\"");
    let mut scene = Scene::of_zone(&zone);
    assert_eq!(ask_from(&mut scene, "60.0.0.200", "www", "").data(), [FRA]);
    assert_eq!(ask_from(&mut scene, "60.0.0.201", "www", "").data(), [IAD]);
    let reply = ask_from(&mut scene, ANY_RESOLVER, "www", "60.0.0.0/24");
    assert_eq!((reply.data(), reply.scope()), (vec![IAD.to_owned()], Some(3)), "no query tells of the /32");
    // Every bit of a resolver's address counts if the client network has no location.
    assert_eq!(ask_from(&mut scene, "60.0.0.200", "www", "10.1.2.0/24").data(), [FRA]);
    let query = scene::query("www", AAAA, "fd00::/48").to_vec().unwrap();
    let reply = scene.send_from("60.0.0.200".parse().unwrap(), &query, Transport::Udp).unwrap();
    assert_eq!(reply.data(), ["2001:db8:f::1"]);
}

/// MaxMind's test file of cities, whose networks in Great Britain are all longer than /24.
fn cities() -> Locations {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/geoip/maxmind/GeoIP2-City-Test.mmdb");
    truenorth::geoip::load(&truenorth::disk::Disk::new(), &[path]).unwrap().locations
}

#[test]
fn what_a_database_says_of_parts_of_a_network_narrows_no_scope_but_locates_hosts() {
    let zone = ZONE.replace(
        "[regions.office]",
        "[regions.britain]\nclients = [\"country:GB\"]\nprefer = [\"fra\"]\n[regions.office]",
    );
    let mut scene = Scene::of_zone_with(cities(), &zone);
    // 64.0.0.0/3; one bit less would reach 100.64.0.0/10, which has no location.
    let reply = ask_from(&mut scene, ANY_RESOLVER, "www", "80.0.0.0/24");
    assert_eq!((reply.data(), reply.scope()), (vec![IAD.to_owned()], Some(3)));
    assert_eq!(
        ask_from(&mut scene, "81.2.69.160", "www", "").data(),
        [FRA],
        "a resolver is located by all of its address"
    );
    let finer = [("example.com.toml", zone.as_str())];
    let mut scene = Scene::of_world("[ecs]\nmax_source_v4 = 32\n", &finer, cities());
    assert_eq!(ask_from(&mut scene, ANY_RESOLVER, "www", "80.0.0.0/24").scope(), Some(8));
    assert_eq!(ask_from(&mut scene, ANY_RESOLVER, "www", "81.2.69.160/32").data(), [FRA]);
}

#[test]
fn maps_hold_no_runs_that_no_network_begins_in() {
    let compiled_chain = || {
        let places = [(50.0, 8.0), (39.0, -77.0), (1.0, 104.0)].map(|(north, east)| Coordinates::try_new(north, east));
        CompiledChain::new(3, vec![CompiledStep::Distance(places.into())])
    };
    let locations = Arc::new(cities());
    let map = |caps| Map::build(compiled_chain(), None, &Arc::new(Ground::of_locations(locations.clone(), caps)));
    let (rounded, exact) = (map(Caps { v4: 24, v6: 56 }), map(Caps::NONE));
    assert!(rounded.v4().len() < exact.v4().len(), "{} runs, not {}", rounded.v4().len(), exact.v4().len());
    assert!(rounded.v4().iter().all(|run| run.first.trailing_zeros() >= 8));
    assert!(rounded.v6().iter().all(|run| run.first.trailing_zeros() >= 72));
}
