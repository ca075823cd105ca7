//! `diff` and `simulate`: the real command on configurations and databases written for it.

mod diff;
mod draws;
mod explain;
#[path = "../harness/mod.rs"]
mod harness;
mod simulate;

use maxminddb_writer::Database;
use maxminddb_writer::metadata::IpVersion;
use maxminddb_writer::paths::IpAddrWithMask;
use serde_json::{Value, json};

use harness::{Files, Ran, SERVER, places, run};

/// Four countries: 4.5 times 2^24 IPv4 addresses, and 2.5 times 2^16 of IPv6's /48s.
const COUNTRIES: [(&str, &str); 8] = [
    ("::10.0.0.0/104", "DE"),
    ("::11.0.0.0/104", "DE"),
    ("::20.0.0.0/104", "US"),
    ("::30.0.0.0/104", "JP"),
    ("::40.0.0.0/105", "TR"),
    ("2001:db8::/32", "DE"),
    ("2001:db9::/32", "US"),
    ("2001:dba::/33", "JP"),
];

/// Three datacenters, and a region for each. Clients in no region go to Singapore first, then to the nearer of the
/// other two.
const ZONE: &str = concat!(
    places!(),
    r#"sin = { latitude = 1.35, longitude = 103.99 }

[regions.europe]
clients = ["continent:EU"]
prefer = ["fra", "iad", "sin"]
[regions.americas]
clients = ["country:US"]
prefer = ["iad", ["fra", "sin"]]
[regions.default]
prefer = ["sin", ["fra", "iad"]]

[pools.web]
endpoints.fra = ["127.1.0.1", "127.1.0.2", "::1"]
endpoints.iad = ["127.2.0.1", "::1"]
endpoints.sin = ["127.3.0.1", "::1"]
[pools.green]
datacenter = "iad"
endpoints = ["127.2.0.9"]
[pools.sorry]
endpoints = ["127.9.0.1"]

[names.www]
pools = ["web"]
steer = ["region", "distance"]
[names.mirror]
pools = ["web"]
steer = ["region", "distance"]
[names.api]
pools = [{ pool = "web/fra", weight = 90 }, { pool = "green", weight = 10 }]
steer = ["weight"]
"#
);

/// A configuration with the database of [`COUNTRIES`], and this zone file.
fn world(zone: &str) -> Files {
    let server = format!("{SERVER}[geoip]\ndatabases = [\"countries.mmdb\"]\n");
    let files = Files::new(&server, &[("gslb.example.com.toml", zone)]);
    files.write("countries.mmdb", database(&COUNTRIES));
    files
}

fn database(countries: &[(&str, &str)]) -> Vec<u8> {
    let mut database = Database::default();
    database.metadata.ip_version = IpVersion::V6;
    database.metadata.binary_format_major_version = 2;
    for (prefix, country) in countries {
        let record = database.insert_value(json!({ "country_code": country })).expect("it is small");
        database.insert_node(prefix.parse::<IpAddrWithMask>().expect("a prefix"), record);
    }
    let mut octets = Vec::new();
    database.write_to(&mut octets).expect("memory takes it");
    octets
}

/// The zone after an edit. Fails if `from` is not in it.
#[track_caller]
fn edited(from: &str, to: &str) -> String {
    assert!(ZONE.contains(from), "{from}");
    ZONE.replace(from, to)
}

#[track_caller]
fn told(ran: &Ran) -> Value {
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{ran:?}");
    serde_json::from_str(&ran.stdout).expect("JSON")
}

/// Equal but for rounding in the last digits.
#[track_caller]
fn assert_near(found: &Value, expected: f64) {
    let found = found.as_f64().unwrap_or_else(|| panic!("{found} is no number"));
    assert!((found - expected).abs() < 1e-12, "{found}, not {expected}");
}
