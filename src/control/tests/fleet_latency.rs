//! Round trips in a fleet of three nodes: those of their probes, and those that clients push.

use super::fleet::{REPORTS, SOME, Trio};
use super::*;
use crate::geo::{CountryCode, Location};
use crate::health::Times;
use crate::latency::{MIN_SAMPLES, ReadingSource, Sample};

/// Germany, the United States, and a node that tells no country. The datacenters are at 0,0 and 0,1.
fn sited(number: usize) -> World {
    let country = ["DE", "US", ""][number];
    let coordinates = [(50.1, 8.7), (38.9, -77.4), (48.2, 16.4)][number];
    World {
        site_country: CountryCode::parse(country),
        site_coordinates: Coordinates::try_new(coordinates.0, coordinates.1),
        ..world(tcp(), SOME)
    }
}

/// A node finds the first datacenter 10 ms away, 20 ms, 30 ms; the second one twice as far.
fn timed(number: usize, address: &str) -> Outcome {
    let ms = 10 * (number as u64 + 1) * if address == "127.0.0.3" { 2 } else { 1 };
    let times = Times { connect: Some(Duration::from_millis(ms)), ..Times::UNKNOWN };
    Outcome::Success(Finding { times, ..Finding::full(Duration::ZERO) })
}

fn fleet() -> Trio {
    let mut trio = Trio::new(&tcp());
    for (number, node) in trio.nodes.iter_mut().enumerate() {
        node.happen(compile(sited(number)));
    }
    trio.pass(INTERVAL * u32::from(MIN_SAMPLES) + at(5), timed);
    trio
}

/// The round trips to the two datacenters and their sources, as a node has them for a client.
fn readings(scene: &Scene, country: &str, coordinates: Option<Coordinates>) -> Vec<(f64, String)> {
    let location = Location { country: CountryCode::parse(country), coordinates, ..Location::default() };
    let sites = [(0.0, 0.0), (0.0, 1.0)].map(|(north, east)| Coordinates::try_new(north, east).unwrap());
    let client = "198.51.100.7".parse().unwrap();
    let readings = scene.control.latency.table().readings(client, &location, &sites);
    readings
        .into_iter()
        .map(|reading| {
            let source = match reading.source {
                ReadingSource::Measured(clients, _) => clients.to_string(),
                ReadingSource::Probed(node, _) => format!("probed by {node}"),
                ReadingSource::Corrected(node) => format!("corrected by {node}"),
                ReadingSource::Estimated | ReadingSource::Median | ReadingSource::Unknown => String::new(),
            };
            (reading.rtt.ms(), source)
        })
        .collect()
}

#[test]
fn the_probes_of_all_nodes_count_for_the_clients_around_each_on_every_node() {
    let trio = fleet();
    let bratislava = Coordinates::try_new(48.1, 17.1);
    for node in &trio.nodes {
        assert_eq!(readings(node, "DE", None), [(10.0, "probed by n0".into()), (20.0, "probed by n0".into())]);
        assert_eq!(readings(node, "US", None), [(20.0, "probed by n1".into()), (40.0, "probed by n1".into())]);
        let near = readings(node, "SK", bratislava);
        assert_eq!(near, readings(&trio.nodes[0], "SK", bratislava), "the same on all nodes");
        assert!(near.iter().all(|(_, source)| source == "corrected by n2"), "{near:?}");
        assert_eq!(readings(node, "SK", None)[0].1, "");
    }
    let told = trio.nodes[1].control.survey().fleet.unwrap().vantage_points;
    assert_eq!(told[2].rtts, [("0".into(), Duration::from_millis(30)), ("1".into(), Duration::from_millis(60))]);
}

#[test]
fn a_node_that_is_cut_off_keeps_the_matrix_and_a_node_without_fleet_has_none() {
    let mut trio = fleet();
    trio.is_cut[2] = true;
    trio.pass(at(60 * 60), timed);
    assert_eq!(readings(&trio.nodes[2], "DE", None)[0].1, "probed by n0");
    assert_eq!(readings(&trio.nodes[0], "US", None)[0].1, "probed by n1");
    let bratislava = Coordinates::try_new(48.1, 17.1);
    assert_eq!(readings(&trio.nodes[0], "SK", bratislava)[0].1, "corrected by n0", "the next one is in Frankfurt");
    trio.is_cut[2] = false;
    trio.pass(REPORTS * 4, timed);
    assert_eq!(readings(&trio.nodes[0], "SK", bratislava), readings(&trio.nodes[2], "SK", bratislava));

    let mut alone = Scene::new();
    alone.happen(compile(sited(0)));
    alone.pass(INTERVAL * 20, |address| timed(0, address));
    assert_eq!(readings(&alone, "DE", None)[0], (10.0, "own probes, for DE".into()));
    assert_eq!(readings(&alone, "SK", bratislava)[0].1, "");
}

#[test]
fn what_clients_push_to_one_node_counts_on_all_and_more_than_what_probes_say() {
    let mut trio = fleet();
    let client = "198.51.100.7/32".parse().unwrap();
    let samples = vec![Sample::try_new(client, "0", 7.77).unwrap(); usize::from(MIN_SAMPLES)];
    trio.nodes[1].happen(Event::Latency(samples));
    trio.pass(REPORTS + Duration::from_millis(50), timed);
    for node in &trio.nodes {
        let rtts = readings(node, "DE", None);
        assert_eq!(rtts, [(7.8, "198.51.100.0/24".into()), (20.0, "probed by n0".into())]);
    }
    // A node that is cut off takes in what is pushed to it, for itself.
    trio.is_cut[0] = true;
    let client = "203.0.113.0/24".parse().unwrap();
    let samples = vec![Sample::try_new(client, "0", 7.77).unwrap(); usize::from(MIN_SAMPLES)];
    let before = trio.nodes.each_ref().map(|node| node.control.latency.table().len());
    trio.nodes[0].happen(Event::Latency(samples));
    trio.pass(REPORTS * 4, timed);
    let after = trio.nodes.each_ref().map(|node| node.control.latency.table().len());
    assert_eq!(after, [before[0] + 1, before[1], before[2]]);
}
