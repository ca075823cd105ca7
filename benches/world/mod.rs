//! The zone and the queries that benches share: three places, a map of regions, a database of many networks, queries.

// Each bench compiles this module and uses a part of it.
#![allow(dead_code)]

use std::fs;
use std::net::Ipv4Addr;
use std::sync::Arc;

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query};
use hickory_proto::rr::rdata::opt::{ClientSubnet, EdnsOption};
use hickory_proto::rr::{Name, RecordType};
use truenorth::config;
use truenorth::counters::Traffic;
use truenorth::disk::Disk;
use truenorth::geo::{Location, Locations, RunsBuilder, countries};
use truenorth::snapshot::{Blueprint, EndpointState, Snapshot};

/// The top of a zone file for `example.com`. Names and records can be added.
pub(crate) const ZONE: &str = r#"
[soa]
serial = 1
[nameservers]
ns1 = ["192.0.2.53"]
[datacenters]
fra = { latitude = 50.11, longitude = 8.68 }
iad = { latitude = 38.95, longitude = -77.45 }
sin = { latitude = 1.35, longitude = 103.99 }
[regions.europe]
clients = ["continent:EU", "continent:AF"]
prefer = ["fra", "iad", "sin"]
[regions.americas]
clients = ["continent:NA", "continent:SA"]
prefer = ["iad", "fra", "sin"]
[regions.apac]
clients = ["continent:AS", "continent:OC"]
prefer = ["sin", ["fra", "iad"]]
[regions.default]
prefer = ["iad", "fra", "sin"]
[pools.web]
endpoints.fra = ["198.51.100.10", "198.51.100.11"]
endpoints.iad = ["192.0.2.10", "192.0.2.11"]
endpoints.sin = ["203.0.113.80"]
[records.static]
A = ["192.0.2.1"]
"#;

/// Scatters numbers, so that no pattern is followed.
pub(crate) fn scattered(number: u32) -> u32 {
    number.wrapping_mul(2_654_435_761)
}

/// So many networks of equal size in each family, each in another country than its neighbours.
pub(crate) fn locations(networks: u32) -> Locations {
    let table: Vec<Location> = countries::countries()
        .map(|country| Location {
            continent: Some(country.continent),
            country: Some(country.code),
            coordinates: Some(country.point),
            ..Location::default()
        })
        .collect();
    let step = u32::MAX / networks;
    let (mut v4, mut v6) = (RunsBuilder::default(), RunsBuilder::default());
    for network in 0..networks {
        let country = scattered(network) % table.len() as u32;
        v4.push(network * step, country);
        v6.push(u128::from(network * step) << 96, country);
    }
    Locations { v4: v4.finish(), v6: v6.finish(), table: table.into() }
}

/// A node that serves this zone file, all endpoints calm.
pub(crate) fn snapshot(zone: &str, networks: u32) -> Snapshot {
    snapshot_with("", zone, networks)
}

/// The same with these lines in the server file.
pub(crate) fn snapshot_with(lines: &str, zone: &str, networks: u32) -> Snapshot {
    let folder = tempfile::tempdir().unwrap();
    let server = folder.path().join("truenorth.toml");
    fs::create_dir(folder.path().join("zones")).unwrap();
    fs::write(&server, format!("zones = \"zones\"\n{lines}")).unwrap();
    fs::write(folder.path().join("zones/example.com.toml"), zone).unwrap();
    let config = config::load(&server, &Disk::new(), &|_| None);
    let config = config.unwrap_or_else(|faults| panic!("{faults:?}"));
    let blueprint = Blueprint::compile(config.world, Arc::new(locations(networks)), None);
    Snapshot::new(Arc::new(blueprint), |_, _| EndpointState::CALM, None)
}

/// The same node, which counts.
pub(crate) fn counted(snapshot: &Snapshot, traffic: &Traffic) -> Snapshot {
    let blueprint = Blueprint::clone(snapshot.blueprint()).counted(traffic);
    Snapshot::new(Arc::new(blueprint), |_, _| EndpointState::CALM, None)
}

/// A query for a name of the zone, with a Client Subnet option of 24 bits if a client is given.
pub(crate) fn query(name: &str, rtype: RecordType, client: Option<Ipv4Addr>) -> Vec<u8> {
    let mut message = Message::new(7, MessageType::Query, OpCode::Query);
    message.add_query(Query::query(Name::from_ascii(format!("{name}.example.com.")).unwrap(), rtype));
    let mut edns = Edns::new();
    if let Some(address) = client {
        edns.options_mut().insert(EdnsOption::Subnet(ClientSubnet::new(address.into(), 24, 0)));
    }
    message.set_edns(edns);
    message.to_vec().unwrap()
}

/// A client's network, one for each number.
pub(crate) fn client(number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(scattered(number) & 0xffff_ff00)
}
