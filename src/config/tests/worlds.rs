//! Whole configurations, and the worlds that they become.

use std::net::IpAddr;
use std::time::Duration;

use regex::bytes::Regex;

use crate::geo::{ClientMatch, Continent, Coordinates, CountryCode, DatacenterId, Region};
use crate::health::{
    BodyMatch, Check, Condition, DEFAULT_CLEAR, HttpCheck, Monitor, Pace, Pattern, StatusRange, Target, TcpCheck,
    TlsCheck,
};
use crate::latency::Tolerance;
use crate::name::Name;
use crate::snapshot::{
    Addresses, Cookies, Datacenter, Ecs, Endpoint, Identity, Members, MinHealthy, PoolId, PoolList, PoolSpec, PoolUse,
    SteeredName, Steering, Ttls, World, ZoneSpec,
};
use crate::steering::{AllDown, Step};
use crate::wire::CookieSecret;

use super::*;

const WHOLE_SERVER: &str = r#"
site = "iad"
state = "/var/lib/truenorth"

[listen]
dns = ["192.0.2.53:53"]

[geoip]
databases = ["country.mmdb"]

[ecs]
enabled = false
max_source_v4 = 20
max_source_v6 = 48

[edns]
payload = 4096

[cookies]
secrets = ["E5e973e5a6b2a43f48e7dc849e37bfcf", "000102030405060708090a0b0c0d0e0f"]
require = true

[identity]
nsid = "iad-1"
id = "iad"
version = "north"

[datacenters]
fra = { latitude = 50.11, longitude = 8.68, country = "de" }
iad = { latitude = 39, longitude = -77.45 }

[regions.europe]
clients = ["continent:eu", "192.0.2.0/24"]
prefer = ["fra"]
only = true

[regions.default]
prefer = [["iad", "fra"]]

[monitors.shared]
type = "tcp"
port = 22

[pools.shared]
datacenter = "iad"
monitor = "shared"
endpoints = [{ address = "192.0.2.1", check_address = "192.0.2.200", check_port = 2222 }]
"#;

const WHOLE_ZONE: &str = r#"
ttl = 20

[soa]
serial = 7
mname = "ns.example.net."
minimum = 30

[nameservers]
ns1 = ["192.0.2.53", "2001:db8::53"]
"ns.example.net." = []

[datacenters]
sin = { latitude = 1.35, longitude = 103.99 }

[regions.default]               # wins over the server file's
prefer = ["sin", "fra"]

[monitors.web]
type = "https"
method = "POST"
path = "/healthz?deep=1"
headers = { X-Probe = "truenorth" }
expect_status = ["200-299", 404]
expect_body = "/^o+k$/"
sni = "sni.example.com"
verify = false
interval = "500ms"
timeout = "100ms"
rise = 1
fall = 5

[pools.web]
monitor = "web"
min_healthy = 0.25
endpoints.fra = ["198.51.100.10", { address = "2001:db8::10", weight = 3 }]
endpoints.sin = ["203.0.113.80"]

[pools.away]
endpoints = [{ cname = "away" }]

[names.www]
pools = ["web/sin", [{ pool = "shared", weight = 9 }, "web/fra"]]
steer = ["region", "failover", "weight"]
fallback = "away"
all_down = "last-healthy"
take = 2
ttl = 3
prefer = { europe = ["sin", ["fra", "iad"]] }

[names."*.apps"]
pools = ["shared"]

[names.whoami]
reflect = true

[records."@"]
TXT = "v=spf1 -all"

[records.x]
ttl = 60
TYPE65280 = '\# 2 abcd'
"#;

fn name(text: &str) -> Name {
    Name::parse(text, &Name::root()).unwrap()
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn whole() -> Config {
    let zone = ("zones/example.com.toml", WHOLE_ZONE.as_bytes());
    let loaded = load_files(&[("truenorth.toml", WHOLE_SERVER.as_bytes()), zone]);
    loaded.unwrap_or_else(|faults| panic!("{}", faults.render(false)))
}

#[test]
fn the_samples_are_without_fault() {
    let config = sample();
    assert_eq!(config.warnings.render(false), "");
    assert_eq!(config.world.zones.len(), 2);
    assert_eq!(config.world.ecs, Ecs::default());
    assert_eq!(config.server.listen.dns, ["127.0.0.1:5300".parse().unwrap(), "[::1]:5300".parse().unwrap()]);
}

#[test]
fn the_server_file_is_taken_over() {
    let Config { server, credentials, world, warnings, icmp, asked: _, admin_tls: _ } = whole();
    assert!(credentials.is_none());
    let expected = [
        // The only zone has its own.
        "37:10 warning: region `default` is never used | nothing refers to it",
        "40:24 warning: CNAME points at away.example.com., which the zone example.com. does not have | not there",
        "42:8 warning: pools `web/sin`, `shared` of www.example.com. have no IPv6 addresses | its other pools have some | help: clients that are sent there get no IPv6 address at all",
        "51:8 warning: clients of region `europe` get nothing from *.apps.example.com. | `europe` has `only`, and no pool of the name is in its datacenters | help: give the name a `fallback`, or its own `prefer` for the region",
    ];
    assert_eq!(lines(&warnings), expected);
    let folder = server.zones.parent().unwrap();
    assert_eq!(server.state, Path::new("/var/lib/truenorth"));
    assert_eq!(server.listen.dns, ["192.0.2.53:53".parse().unwrap()]);
    assert_eq!(server.databases, [folder.join("country.mmdb")]);
    assert_eq!(icmp, []);
    assert_eq!(&*world.node, "iad");
    assert_eq!(world.ecs, Ecs { enabled: false, max_source_v4: 20, max_source_v6: 48 });
    assert_eq!(world.protocol.payload, 4096);
    let secrets = [0xe5e9_73e5_a6b2_a43f_48e7_dc84_9e37_bfcf_u128, 0x0001_0203_0405_0607_0809_0a0b_0c0d_0e0f];
    let secrets = secrets.map(|secret| CookieSecret::new(secret.to_be_bytes())).to_vec();
    assert_eq!(world.protocol.cookies, Cookies { secrets, are_required: true });
    let [nsid, id, version] = ["iad-1", "iad", "north"].map(|text| Some(text.into()));
    assert_eq!(world.protocol.identity, Identity { nsid, id, version });
    let datacenter = |name: &str, latitude, longitude, country| Datacenter {
        name: name.into(),
        coordinates: Coordinates::try_new(latitude, longitude).unwrap(),
        country,
    };
    let expected = [
        datacenter("fra", 50.11, 8.68, CountryCode::parse("DE")),
        datacenter("iad", 39.0, -77.45, None),
        datacenter("sin", 1.35, 103.99, None),
    ];
    assert_eq!(world.datacenters, expected);
}

fn addresses(endpoints: Vec<Endpoint<IpAddr>>) -> Members {
    Members::Addresses(Addresses::try_new(endpoints).unwrap())
}

fn pool_list(pools: Vec<PoolUse>) -> PoolList {
    PoolList::try_new(pools).unwrap()
}

#[test]
fn pools_know_their_targets() {
    let world = whole().world;
    let pools: Vec<&PoolSpec> = world.pools.iter().map(|pool| &**pool).collect();
    let tcp = Arc::new(Monitor::new(Check::Tcp(TcpCheck::default()), 22));
    let at = std::net::SocketAddr::new(address("192.0.2.200"), 2222);
    let target = Target { address: at.into(), host: "192.0.2.200".into(), monitor: tcp };
    let condition = Some(Condition::Probe(target));
    let endpoint = Endpoint { value: address("192.0.2.1"), weight: 1, capacity: None, condition, lease: None };
    let shared = PoolSpec {
        datacenter: Some(DatacenterId::from_index(1)),
        monitors: ["shared".into()].into(),
        ..PoolSpec::new("shared", addresses(vec![endpoint]))
    };
    let https = Arc::new(https_monitor());
    let web = |value: &str, weight| {
        let monitor = https.clone();
        let address = std::net::SocketAddr::new(address(value), 443);
        let target = Target { address: address.into(), host: "www.example.com".into(), monitor };
        Endpoint { value: address.ip(), weight, capacity: None, condition: Some(Condition::Probe(target)), lease: None }
    };
    let in_zone = |name: &str, datacenter, members| PoolSpec {
        zone: Some(self::name("example.com.")),
        datacenter,
        min_healthy: MinHealthy::try_new(if name.starts_with("web") { 0.25 } else { 0.0 }).unwrap(),
        monitors: if name.starts_with("web") { ["web".into()].into() } else { [].into() },
        ..PoolSpec::new(name, members)
    };
    let away = Endpoint { value: name("away.example.com."), weight: 1, capacity: None, condition: None, lease: None };
    let fra = addresses(vec![web("198.51.100.10", 1), web("2001:db8::10", 3)]);
    let expected = [
        shared,
        in_zone("web/fra", Some(DatacenterId::from_index(0)), fra),
        in_zone("web/sin", Some(DatacenterId::from_index(2)), addresses(vec![web("203.0.113.80", 1)])),
        in_zone("away", None, Members::Cname(away)),
    ];
    assert_eq!(pools, expected.iter().collect::<Vec<_>>());
}

fn https_monitor() -> Monitor {
    let http = HttpCheck {
        method: "POST".into(),
        path: "/healthz?deep=1".into(),
        headers: vec![("X-Probe".into(), "truenorth".into())],
        expect_status: vec![StatusRange { first: 200, last: 299 }, StatusRange { first: 404, last: 404 }],
        expect_body: Some(BodyMatch::Pattern(Pattern(Regex::new("^o+k$").unwrap()))),
        ..HttpCheck::default()
    };
    let tls = TlsCheck { sni: Some("sni.example.com".into()), verify: false, ..TlsCheck::default() };
    Monitor {
        pace: Pace::try_new(Duration::from_millis(500), Duration::from_millis(100)).unwrap(),
        rise: 1.try_into().unwrap(),
        fall: 5.try_into().unwrap(),
        clear: DEFAULT_CLEAR,
        ..Monitor::new(Check::Https(http, tls), 443)
    }
}

#[test]
fn names_know_their_pools() {
    let World { zones, .. } = whole().world;
    let [ZoneSpec { origin, regions, names, reflect, .. }] = &zones[..] else { panic!("{zones:?}") };
    assert_eq!(*origin, name("example.com."));
    assert_eq!(**reflect, [name("whoami.example.com.")]);
    let default = Region {
        name: "default".into(),
        clients: vec![],
        prefer: vec![vec![DatacenterId::from_index(2)], vec![DatacenterId::from_index(0)]],
        only: false,
    };
    let clients = vec![ClientMatch::Continent(Continent::Europe), ClientMatch::Prefix("192.0.2.0/24".parse().unwrap())];
    let europe = Region { name: "europe".into(), clients, prefer: vec![vec![DatacenterId::from_index(0)]], only: true };
    assert_eq!(regions.list(), [europe, default].map(Arc::new));
    let www = SteeredName {
        owner: name("www.example.com."),
        steering: Arc::new(Steering {
            pools: pool_list(vec![
                PoolUse { pool: PoolId::from_index(2), weight: 1, order: 0, mode: None },
                PoolUse { pool: PoolId::from_index(0), weight: 9, order: 1, mode: None },
                PoolUse { pool: PoolId::from_index(1), weight: 1, order: 1, mode: None },
            ]),
            steer: vec![Step::Region, Step::Failover, Step::Weight],
            map: "".into(),
            only: None,
            latency_tolerance: Tolerance::default(),
            pick: None,
            answers: None,
            take: 2.try_into().unwrap(),
            spare: false,
            sticky: None,
            prefer: vec![(
                "europe".into(),
                vec![vec![DatacenterId::from_index(2)], vec![DatacenterId::from_index(0), DatacenterId::from_index(1)]],
            )],
            fallback: Some(PoolId::from_index(3)),
            all_down: AllDown::LastHealthy,
            ttls: Ttls::try_new(3, 3).unwrap(),
            https: None,
            rollout: None,
        }),
    };
    let apps = SteeredName {
        owner: name("*.apps.example.com."),
        steering: Arc::new(Steering {
            pools: pool_list(vec![PoolUse { pool: PoolId::from_index(0), weight: 1, order: 0, mode: None }]),
            steer: vec![Step::Region, Step::Weight],
            map: "".into(),
            only: None,
            latency_tolerance: Tolerance::default(),
            pick: None,
            answers: None,
            take: 1.try_into().unwrap(),
            spare: false,
            sticky: None,
            prefer: vec![],
            fallback: None,
            all_down: AllDown::All,
            ttls: Ttls::try_new(20, 5).unwrap(),
            https: None,
            rollout: None,
        }),
    };
    assert_eq!(**names, [www, apps]);
}

#[test]
fn static_records_are_those_of_all_sections() {
    let world = whole().world;
    let records = world.zones[0].tree.records().into_iter();
    let shown: Vec<String> = records
        .map(|record| format!("{} {} {} {}", record.owner, record.ttl, record.rtype, hexadecimal(&record.rdata)))
        .collect();
    let soa = "026e73076578616d706c65036e657400 0a686f73746d6173746572076578616d706c6503636f6d00 \
        00000007 00000e10 00000258 00093a80 0000001e";
    let expected = [
        format!("example.com. 3600 SOA {}", soa.replace(' ', "")),
        "example.com. 3600 NS 036e7331076578616d706c6503636f6d00".to_owned(),
        "example.com. 3600 NS 026e73076578616d706c65036e657400".to_owned(),
        "example.com. 300 TXT 0b763d73706631202d616c6c".to_owned(),
        "ns1.example.com. 300 A c0000235".to_owned(),
        "ns1.example.com. 300 AAAA 20010db8000000000000000000000053".to_owned(),
        "x.example.com. 60 TYPE65280 abcd".to_owned(),
    ];
    assert_eq!(shown, expected);
}

fn hexadecimal(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |text, octet| text + &format!("{octet:02x}"))
}

#[test]
fn zones_with_equal_regions_share_them() {
    let zone = "[nameservers]\nns1 = [\"192.0.2.53\"]\n[names.www]\npools = [\"shared\"]\n";
    let config = load_files(&[
        ("truenorth.toml", WHOLE_SERVER.as_bytes()),
        ("zones/a.example.toml", zone.as_bytes()),
        ("zones/b.example.toml", zone.as_bytes()),
    ]);
    let zones = config.unwrap_or_else(|faults| panic!("{}", faults.render(false))).world.zones;
    assert!(Arc::ptr_eq(&zones[0].regions, &zones[1].regions));
    assert_eq!(zones[0].regions.list().len(), 2);
}

/// A zone with regions of its own has its own list. What stands in it for the server file's regions is theirs.
#[test]
fn zones_with_regions_of_their_own_share_the_others() {
    let zone = |own: &str| {
        format!("[nameservers]\nns1 = [\"192.0.2.53\"]\n{own}prefer = [\"fra\"]\n[names.www]\npools = [\"shared\"]\n")
    };
    let server = format!(
        "{WHOLE_SERVER}[regions.office]\nclients = [\"203.0.113.0/24\", \"2001:db8:1::/48\"]\nprefer = [\"fra\"]\n"
    );
    let [plain, asn, default, prefix, office] = [
        "[regions.europe2]\nclients = [\"asn:64511\"]\n",
        "[regions.other]\nclients = [\"asn:64512\"]\n",
        "[regions.default]\n",
        "[regions.lab]\nclients = [\"198.51.100.0/24\"]\n",
        "[regions.office]\nclients = [\"198.51.100.0/24\"]\n",
    ]
    .map(zone);
    let config = load_files(&[
        ("truenorth.toml", server.as_bytes()),
        ("zones/a.example.toml", plain.as_bytes()),
        ("zones/b.example.toml", asn.as_bytes()),
        ("zones/c.example.toml", default.as_bytes()),
        ("zones/d.example.toml", prefix.as_bytes()),
        ("zones/e.example.toml", office.as_bytes()),
    ]);
    let zones = config.unwrap_or_else(|faults| panic!("{}", faults.render(false))).world.zones;
    let office = |zone: usize| zones[zone].regions.list().iter().find(|region| &*region.name == "office").unwrap();
    for zone in 1..4 {
        assert!(Arc::ptr_eq(office(0), office(zone)), "{zone}");
    }
    assert!(!Arc::ptr_eq(office(0), office(4)));
    let tables = |zone: usize| (zones[zone].regions.prefixes_v4(), zones[zone].regions.prefixes_v6());
    for zone in 1..3 {
        assert!(std::ptr::eq(tables(0).0, tables(zone).0) && std::ptr::eq(tables(0).1, tables(zone).1), "{zone}");
    }
    let region = |zone: usize, client: &str| {
        let id = zones[zone].regions.of(client.parse().unwrap(), &crate::geo::Location::default());
        zones[zone].regions.get(id).map(|region| region.name.to_string()).unwrap_or_default()
    };
    for (client, expected) in [
        ("203.0.113.9", ["office", "office", "office", "office", "default"]),
        ("198.51.100.9", ["default", "default", "default", "lab", "office"]),
        ("2001:db8:1::9", ["office", "office", "office", "office", "default"]),
    ] {
        assert_eq!([0, 1, 2, 3, 4].map(|zone| region(zone, client)), expected, "{client}");
    }
}

#[test]
fn a_site_says_for_whose_clients_its_probes_measure() {
    let load = |site: &str| {
        let server =
            format!("site = {site}\n[datacenters]\nfra = {{ latitude = 50, longitude = 8, country = \"DE\" }}\n");
        load_files(&[("truenorth.toml", server.as_bytes())]).unwrap().world
    };
    let fra = load("\"fra\"");
    assert_eq!((&*fra.node, fra.site_country), ("fra", CountryCode::parse("DE")));
    assert_eq!(fra.site_coordinates, Coordinates::try_new(50.0, 8.0));
    let elsewhere = load("{ latitude = 48.2, longitude = 16.4, country = \"at\" }");
    assert_eq!(elsewhere.site_country, CountryCode::parse("AT"));
    assert_eq!(elsewhere.site_coordinates, Coordinates::try_new(48.2, 16.4));
}

#[test]
fn in_a_fleet_a_site_needs_no_country() {
    let warnings = |fleet: &str| {
        let server = format!("site = \"fra\"\n[datacenters]\nfra = {{ latitude = 50, longitude = 8 }}\n{fleet}");
        let zone = b"[nameservers]\nns1 = [\"192.0.2.53\"]\n[pools.web]\nendpoints.fra = [\"192.0.2.1\"]\n\
            [names.www]\npools = [\"web\"]\nsteer = [\"latency\"]\n";
        let config = load_files(&[("truenorth.toml", server.as_bytes()), ("zones/example.com.toml", zone)]).unwrap();
        config.warnings.0.iter().filter(|fault| fault.code == Code::Measuring).count()
    };
    assert_eq!(warnings(""), 1);
    assert_eq!(warnings("[fleet]\nnode = \"ns1\"\nservers = [\"tls://nats.example.net\"]\n"), 0);
}

#[test]
fn names_say_which_round_trips_tie() {
    let zone = |tolerance: &str| {
        let name = format!("[names.www]\npools = [\"shared\"]\nsteer = [\"latency\"]\n{tolerance}\n");
        let zone = format!("[nameservers]\nns1 = [\"192.0.2.53\"]\n{name}");
        let world =
            load_files(&[("truenorth.toml", WHOLE_SERVER.as_bytes()), ("zones/a.example.toml", zone.as_bytes())]);
        world.unwrap().world.zones[0].names[0].steering.clone()
    };
    let by_default = zone("");
    assert_eq!(by_default.steer, [Step::Latency]);
    assert_eq!(by_default.latency_tolerance, Tolerance::try_new(150, 50).unwrap());
    for (text, per_mille, tenths) in [("\"20%\"", 200, 0), ("\"2.5ms\"", 0, 25), ("[\"12.5%\", \"10ms\"]", 125, 100)] {
        let tolerance = zone(&format!("latency_tolerance = {text}")).latency_tolerance;
        assert_eq!(tolerance, Tolerance::try_new(per_mille, tenths).unwrap(), "{text}");
    }
}
