//! A million networks with measured round trips, over a million networks of a database: the cost of keeping them, of
//! making maps from them, and of looking up a client.

mod world;

use std::hint::black_box;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use ipnet::{IpNet, Ipv4Net};
use truenorth::geo::{Caps, Coordinates, DatacenterId};
use truenorth::latency::{ClientRtts, Clients, LatencyTable, Measured, Record, Rtt, Sample, Tolerance, Widths};
use truenorth::steering::{CompiledChain, CompiledStep as Step, Ground, Map};

const NETWORKS: u32 = 1_000_000;
const CHAINS: u16 = 20;
const DATACENTERS: [&str; 3] = ["fra", "iad", "sin"];

fn sites() -> Box<[Coordinates]> {
    [(50.11, 8.68), (38.95, -77.45), (1.35, 103.99)].map(|(n, e)| Coordinates::try_new(n, e).unwrap()).into()
}

/// Every sixteenth /24 has a measured round trip to each datacenter.
fn table() -> LatencyTable {
    let mut table = LatencyTable::default();
    table.adopt(DATACENTERS, Widths::default());
    let records = (0..NETWORKS).flat_map(|number| {
        let network = Ipv4Net::new(Ipv4Addr::from_bits(number << 12), 24).unwrap();
        (0..).zip(DATACENTERS).map(move |(place, datacenter)| Record {
            clients: Clients::Network(IpNet::V4(network)),
            datacenter: datacenter.into(),
            measured: Measured {
                mean: Rtt::from_ms(f64::from(world::scattered(number * 3 + place) >> 20) / 10.0),
                samples: 100,
                age: Duration::ZERO,
            },
        })
    });
    table.restore(records, Duration::ZERO);
    table
}

/// Chains that no two names share.
fn chains() -> Vec<CompiledChain> {
    let places = [0, 1, 2].map(|place| Some(DatacenterId::from_index(place)));
    let chain = |number| {
        let tolerance = Tolerance::try_new(100 + number, 50).unwrap();
        CompiledChain::new(3, vec![Step::Latency(places.into(), tolerance)])
    };
    (0..CHAINS).map(chain).collect()
}

fn latency(criterion: &mut Criterion) {
    let (locations, table) = (Arc::new(world::locations(NETWORKS)), table());
    assert_eq!(table.len(), NETWORKS as usize * DATACENTERS.len());
    let client_rtts = Arc::new(ClientRtts::new(table.clone(), sites(), &locations));
    let caps = Caps { v4: 24, v6: 56 };
    let by_rtt = |client_rtts| Arc::new(Ground::of_client_rtts(locations.clone(), client_rtts, caps));
    let chains = chains();

    let begun = Instant::now();
    let ground = by_rtt(Arc::new(ClientRtts::new(table.clone(), sites(), &locations)));
    let maps: Vec<Map> = chains.iter().map(|chain| Map::build(chain.clone(), None, &ground)).collect();
    println!("a remap of {} chains: {:?}", maps.len(), begun.elapsed());

    let mut group = criterion.benchmark_group("latency");
    group.sample_size(10).measurement_time(Duration::from_secs(5));
    group.bench_function("client_rtts of a million rows", |bencher| {
        bencher.iter(|| ClientRtts::new(black_box(table.clone()), sites(), &locations));
    });
    group.bench_function("ground of all chains", |bencher| bencher.iter(|| by_rtt(black_box(client_rtts.clone()))));
    group.bench_function("map of one chain", |bencher| {
        bencher.iter(|| Map::build(black_box(chains[0].clone()), None, &ground));
    });
    let mut turn = 0;
    let by_distance = CompiledChain::new(3, vec![Step::Distance(sites().iter().copied().map(Some).collect())]);
    let by_distance = Map::build(by_distance, None, &Arc::new(Ground::of_locations(locations.clone(), caps)));
    let mut look_up = |name: &str, map: &Map| {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                turn += 1;
                black_box(map.look_up(Ipv4Addr::from_bits(world::scattered(turn)).into()));
            });
        });
    };
    look_up("look-up by distance", &by_distance);
    look_up("look-up by latency", &maps[0]);
    let mut table = table;
    group.bench_function("a thousand samples, while maps are made", |bencher| {
        bencher.iter(|| {
            let held = table.clone();
            for _ in 0..1000 {
                turn += 1;
                let client = IpNet::V4(Ipv4Net::new(Ipv4Addr::from_bits(world::scattered(turn)), 32).unwrap());
                let sample = Sample::try_new(client, DATACENTERS[turn as usize % 3], 20.0).unwrap();
                table.feed(&sample, &locations.look_up(client.addr()), Duration::ZERO);
            }
            held
        });
    });
    group.bench_function("fading", |bencher| bencher.iter(|| table.fade(black_box(Duration::from_secs(60)))));
    group.finish();
}

criterion_group!(benches, latency);
criterion_main!(benches);
