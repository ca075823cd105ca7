//! The cost of a query without sockets, and the cost of making a map.
//!
//! The world: a zone with static data, 10,000 steered names over three places, and a database of a million networks in
//! as many countries as there are.

use std::hint::black_box;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query};
use hickory_proto::rr::rdata::opt::{ClientSubnet, EdnsOption};
use hickory_proto::rr::{Name, RecordType};
use truenorth::answer::{Asker, Exchange, Rotation, Transport, Worker, answer};
use truenorth::geo::{Location, Locations, RunsBuilder, countries};
use truenorth::snapshot::{Blueprint, EndpointState, Snapshot};
use truenorth::steering::{Ground, Map};
use truenorth::wire::{self, MAX_MESSAGE, Rcode};

const NETWORKS: u32 = 1_000_000;
const NAMES: usize = 10_000;

const ZONE: &str = r#"
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

/// A million networks of 4,096 addresses, each in another country than its neighbours.
fn locations() -> Locations {
    let table: Vec<Location> = countries::countries()
        .map(|country| Location {
            continent: Some(country.continent),
            country: Some(country.code),
            coordinates: Some(country.point),
            ..Location::default()
        })
        .collect();
    let step = u32::MAX / NETWORKS;
    let mut v4 = RunsBuilder::default();
    let mut v6 = RunsBuilder::default();
    for network in 0..NETWORKS {
        // Neighbours differ, and no pattern is followed.
        let country = network.wrapping_mul(2_654_435_761) % table.len() as u32;
        v4.push(network * step, country);
        v6.push(u128::from(network * step) << 96, country);
    }
    Locations { v4: v4.finish(), v6: v6.finish(), table: table.into() }
}

fn snapshot() -> Snapshot {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("zones")).unwrap();
    let names = |number| format!("[names.www{number}]\npools = [\"web\"]\nsteer = [\"region\", \"distance\"]\n");
    let zone = (0..NAMES).fold(ZONE.to_owned(), |zone, number| zone + &names(number));
    std::fs::write(folder.path().join("truenorth.toml"), "zones = \"zones\"\n").unwrap();
    std::fs::write(folder.path().join("zones/example.com.toml"), zone).unwrap();
    let config =
        truenorth::config::load(&folder.path().join("truenorth.toml"), &truenorth::disk::Disk::new(), &|_| None)
            .unwrap();
    let blueprint = Blueprint::compile(config.world, Arc::new(locations()), None);
    Snapshot::new(Arc::new(blueprint), |_, _| EndpointState::CALM, None)
}

fn query(name: &str, client: Option<Ipv4Addr>) -> Vec<u8> {
    let mut message = Message::new(7, MessageType::Query, OpCode::Query);
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), RecordType::A));
    let mut edns = Edns::new();
    if let Some(address) = client {
        edns.options_mut().insert(EdnsOption::Subnet(ClientSubnet::new(address.into(), 24, 0)));
    }
    message.set_edns(edns);
    message.to_vec().unwrap()
}

fn answers(criterion: &mut Criterion) {
    let snapshot = snapshot();
    let mut worker = Worker::new(Arc::new(Rotation::default()));
    let mut out = vec![0; MAX_MESSAGE];
    let mut group = criterion.benchmark_group("answer");
    let mut ask = |name: &str, queries: &[Vec<u8>], expected: Rcode| {
        let mut turn = 0;
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                turn = (turn + 1) % queries.len();
                let address = Ipv4Addr::new(192, 0, 2, turn as u8).into();
                let asker = Asker { address, transport: Transport::Udp, idle: None };
                let query = wire::Query::parse(black_box(&queries[turn])).unwrap();
                let exchange = Exchange::new(&snapshot, &query, asker, 0);
                assert_eq!(answer(&exchange, &mut worker, &mut out).rcode, expected);
            });
        });
    };
    // Many names and clients, so that neither stays in the cache because it is always the same.
    let many = |name: &dyn Fn(u32) -> String, client: bool| -> Vec<Vec<u8>> {
        let address = |number: u32| Ipv4Addr::from_bits(number.wrapping_mul(2_654_435_761) & 0xffff_ff00);
        (0..8192).map(|number| query(&name(number), client.then(|| address(number)))).collect()
    };
    ask("static", &many(&|_| "static.example.com.".to_owned(), false), Rcode::NoError);
    ask("steered", &many(&|number| format!("www{number}.example.com."), false), Rcode::NoError);
    ask("steered, client subnet", &many(&|number| format!("www{number}.example.com."), true), Rcode::NoError);
    ask("nxdomain", &many(&|number| format!("no{number}.example.com."), false), Rcode::NxDomain);
    group.finish();
}

fn maps(criterion: &mut Criterion) {
    let snapshot = snapshot();
    let compiled_chain = snapshot.plans()[0].rule().map.compiled_chain().clone();
    let mut group = criterion.benchmark_group("map");
    group.sample_size(20).measurement_time(Duration::from_secs(5));
    group.bench_function("two million networks, region and distance", |bencher| {
        let ground = Ground { locations: snapshot.locations(), client_rtts: None, caps: snapshot.world().ecs.caps() };
        bencher.iter(|| Map::build(black_box(compiled_chain.clone()), None, ground));
    });
    group.finish();
}

criterion_group!(benches, answers, maps);
criterion_main!(benches);
