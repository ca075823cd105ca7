//! Round trips of vantage points and of clients.

use super::*;
use crate::geo::{Coordinates, CountryCode};
use crate::latency::{Rtt, Sample, VantageRtts};
use crate::vantage::MAX_SAMPLES;

type Matrix = Vec<(String, Vec<(String, f64)>)>;

fn rtts(to: &[(&str, f64)]) -> VantageRtts {
    let to = to.iter().map(|&(place, ms)| (place.into(), Rtt::from_ms(ms)));
    VantageRtts::new(CountryCode::parse("DE"), Coordinates::try_new(50.0, 8.0), to)
}

fn samples(count: usize) -> Vec<Sample> {
    (0..count)
        .map(|number| {
            let client = format!("10.{}.{}.0/24", number / 256, number % 256).parse().unwrap();
            Sample::try_new(client, "fra", 20.0).unwrap()
        })
        .collect()
}

impl Crew {
    fn measure(&mut self, node: &str, to: &[(&str, f64)]) {
        let now = self.now;
        self.node(node).measure(rtts(to), now);
    }

    /// The matrix of each node, if it changed since the last call.
    fn matrices(&mut self) -> Vec<Option<Matrix>> {
        let told = |(node, told): (std::sync::Arc<str>, std::sync::Arc<VantageRtts>)| {
            let to = told.rtts().iter().map(|(place, rtt)| (place.to_string(), rtt.ms())).collect();
            (node.to_string(), to)
        };
        let matrix = |node: &mut Vantages| {
            node.take_matrix().map(|all| {
                let mut all: Matrix = all.into_iter().map(told).collect();
                all.sort_by(|one, other| one.0.cmp(&other.0));
                all
            })
        };
        self.nodes.values_mut().map(matrix).collect()
    }

    fn rows(&mut self) -> Vec<Option<usize>> {
        self.matrices().into_iter().map(|matrix| matrix.map(|rows| rows.len())).collect()
    }
}

#[test]
fn all_nodes_hold_the_same_matrix_and_a_lost_change_is_asked_for() {
    let mut crew = Crew::calm(&THREE, 4);
    for (number, node) in (1..).zip(THREE) {
        crew.measure(node, &[("fra", f64::from(number)), ("iad", 90.0)]);
    }
    crew.pass(Duration::from_millis(30));
    let matrices = crew.matrices();
    let first = matrices[0].clone().unwrap();
    assert_eq!(first[1], ("b".to_owned(), vec![("fra".to_owned(), 2.0), ("iad".to_owned(), 90.0)]));
    assert!(first.len() == 3 && matrices.iter().all(|matrix| matrix.as_ref() == Some(&first)), "{matrices:?}");
    crew.measure("a", &[("fra", 1.0), ("iad", 90.0)]);
    crew.pass(INTERVAL * 2);
    assert_eq!(crew.rows(), [None; 3], "nothing changed");

    // Nobody hears the change.
    crew.measure("a", &[("fra", 9.0)]);
    crew.now += Duration::from_millis(20);
    let (now, wall) = (crew.now, crew.wall(&name("a")));
    assert!(crew.node("a").advance(now, wall).iter().any(|letter| matches!(letter.message.body, Body::Rtts(_))));
    crew.pass(INTERVAL + Duration::from_millis(50));
    for matrix in crew.matrices() {
        assert_eq!(matrix.unwrap()[0], ("a".to_owned(), vec![("fra".to_owned(), 9.0)]));
    }
    let told = crew.node("b").vantage_points().remove(0).rtts;
    assert_eq!(told, [("fra".into(), Duration::from_millis(9))]);

    // A newcomer gets all of it.
    crew.start("d", 1, 4);
    crew.pass(INTERVAL * 2);
    assert_eq!(crew.rows()[3], Some(3));
}

#[test]
fn who_goes_stays_in_the_matrix_for_a_while_and_who_is_alone_keeps_it() {
    let mut crew = Crew::calm(&THREE, 4);
    for node in THREE {
        crew.measure(node, &[("fra", 1.0)]);
    }
    crew.pass(INTERVAL);
    assert_eq!(crew.rows(), [Some(3); 3]);
    crew.cut("c");
    crew.pass(Duration::from_secs(9 * 60));
    assert_eq!(crew.rows(), [None; 3]);
    crew.pass(Duration::from_secs(2 * 60));
    assert_eq!(crew.rows(), [Some(2), Some(2), None], "the one that is alone keeps what it knew");
    crew.mend("c");
    crew.pass(INTERVAL * 4);
    assert_eq!(crew.rows(), [Some(3), Some(3), None], "and changes nothing when it comes back");
    // A restart without memory says at first that nothing is known, and is believed when it has begun to measure.
    crew.nodes.remove(&name("a"));
    crew.start("a", 2, 4);
    crew.pass(INTERVAL * 3);
    assert_eq!(crew.rows()[1..], [None; 2]);
    crew.measure("a", &[]);
    crew.pass(INTERVAL * 3);
    assert_eq!(crew.matrices()[1].as_ref().unwrap()[0], ("a".to_owned(), vec![]));
}

#[test]
fn what_clients_push_to_one_node_reaches_all_others() {
    let mut crew = Crew::calm(&THREE, 4);
    crew.node("a").push(samples(600));
    crew.letters.clear();
    crew.pass(INTERVAL);
    let parts = crew.letters.iter().filter(|(_, letter)| matches!(letter.message.body, Body::Samples(_))).count();
    assert_eq!(parts, 2, "512 and the rest");
    let heard: Vec<_> = THREE.iter().map(|node| crew.node(node).take_samples()).collect();
    assert_eq!((heard[0].len(), &heard[1], &heard[2]), (0, &samples(600), &samples(600)));
    assert_eq!(crew.node("a").take_thinned(), 0);
    // Without a link they stay here, and are not told later.
    crew.cut("a");
    crew.node("a").push(samples(10));
    crew.mend("a");
    crew.pass(INTERVAL * 2);
    assert!(crew.node("b").take_samples().is_empty());
}

#[test]
fn of_too_many_samples_a_fair_choice_is_told() {
    let mut crew = Crew::calm(&THREE, 4);
    let most = MAX_SAMPLES / 3;
    crew.node("a").push(samples(60_000));
    crew.pass(INTERVAL);
    let heard = crew.node("b").take_samples();
    assert_eq!(heard.len(), most);
    assert_eq!(crew.node("a").take_thinned(), 60_000 - most as u64);
    // Of three equal parts of the clients, each has about a third.
    for part in 0..3 {
        let is_of_part = |sample: &&Sample| match sample.client().addr() {
            std::net::IpAddr::V4(at) => usize::from(at.octets()[1]) * 256 / 20_000 == part,
            std::net::IpAddr::V6(_) => false,
        };
        let count = heard.iter().filter(is_of_part).count();
        assert!((most / 4..most / 2).contains(&count), "{count} of {most}");
    }
}

#[test]
fn samples_of_strangers_late_ones_and_floods_are_ignored() {
    let mut crew = Crew::calm(&["a", "b"], 4);
    let (now, wall) = (crew.now, crew.wall(&name("a")));
    let letter =
        |incarnation, sequence| Message { incarnation, sequence, wall, body: Body::Samples(samples(MAX_ROWS)) };
    let b = crew.node("b");
    assert_eq!(b.hear(&name("z"), letter(1, 1), now, wall), Err(Ignored::Unknown));
    assert_eq!(b.hear(&name("a"), letter(7, 1), now, wall), Err(Ignored::Unknown), "of another run");
    // They overtake reports, and are not late for that.
    assert_eq!(b.hear(&name("a"), letter(1, 1), now, wall), Ok(()));
    assert_eq!(b.hear(&name("a"), letter(1, 1), now, wall), Err(Ignored::Stale));
    let taken = (2..100).filter(|&sequence| b.hear(&name("a"), letter(1, sequence), now, wall).is_ok()).count();
    assert_eq!(taken, 2 * MAX_SAMPLES / MAX_ROWS - 1);
    assert_eq!(b.hear(&name("a"), letter(1, 100), now, wall), Err(Ignored::TooMuch));
    assert_eq!(b.hear(&name("a"), letter(1, 101), now + INTERVAL, wall), Ok(()), "the next interval");
    assert_eq!(b.take_samples().len(), 2 * MAX_SAMPLES + MAX_ROWS);
}
