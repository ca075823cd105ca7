//! The cost of a query without sockets, and the cost of making a map.
//!
//! The world: a zone with static data, 10,000 steered names over three places, and a database of a million networks in
//! as many countries as there are.

mod world;

use std::hint::black_box;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use hickory_proto::rr::RecordType;
use truenorth::answer::{Asker, Exchange, Rotation, Transport, Worker, answer};
use truenorth::snapshot::Snapshot;
use truenorth::steering::{Ground, Map};
use truenorth::wire::{MAX_MESSAGE, Query, Rcode};

const NETWORKS: u32 = 1_000_000;
const NAMES: usize = 10_000;

fn snapshot() -> Snapshot {
    let names = |number| format!("[names.www{number}]\npools = [\"web\"]\nsteer = [\"region\", \"distance\"]\n");
    let zone = (0..NAMES).fold(world::ZONE.to_owned(), |zone, number| zone + &names(number));
    world::snapshot(&zone, NETWORKS)
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
                let query = Query::parse(black_box(&queries[turn])).unwrap();
                let exchange = Exchange::new(&snapshot, &query, asker, 0);
                assert_eq!(answer(&exchange, &mut worker, &mut out).rcode, expected);
            });
        });
    };
    // Many names and clients, so that neither stays in the cache because it is always the same.
    let many = |name: &dyn Fn(u32) -> String, client: bool| -> Vec<Vec<u8>> {
        let client = |number| client.then(|| world::client(number));
        (0..8192).map(|number| world::query(&name(number), RecordType::A, client(number))).collect()
    };
    ask("static", &many(&|_| "static".to_owned(), false), Rcode::NoError);
    ask("steered", &many(&|number| format!("www{number}"), false), Rcode::NoError);
    ask("steered, client subnet", &many(&|number| format!("www{number}"), true), Rcode::NoError);
    ask("nxdomain", &many(&|number| format!("no{number}"), false), Rcode::NxDomain);
    group.finish();
}

fn maps(criterion: &mut Criterion) {
    let snapshot = snapshot();
    let compiled_chain = snapshot.plans()[0].rule().map.compiled_chain().clone();
    let mut group = criterion.benchmark_group("map");
    group.sample_size(20).measurement_time(Duration::from_secs(5));
    group.bench_function("two million networks, region and distance", |bencher| {
        let ground = Arc::new(Ground::of_locations(snapshot.locations().clone(), snapshot.world().ecs.caps()));
        bencher.iter(|| Map::build(black_box(compiled_chain.clone()), None, &ground));
    });
    group.finish();
}

criterion_group!(benches, answers, maps);
criterion_main!(benches);
