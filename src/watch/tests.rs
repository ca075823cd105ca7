//! Health and schedule together, without a clock.

use super::*;
use crate::health::{Check, DEFAULT_TIMEOUT, Failure, Finding, Monitor, Pace, TcpCheck};

const INTERVAL: Duration = Duration::from_secs(5);
const ROOM: usize = 100;

fn pace(interval: Duration) -> Pace {
    Pace::try_new(interval, DEFAULT_TIMEOUT).unwrap()
}

fn target(port: u16) -> Target {
    let monitor = Monitor { pace: pace(INTERVAL), ..Monitor::new(Check::Tcp(TcpCheck::default()), port) };
    Target {
        address: std::net::SocketAddr::from(([127, 0, 0, 1], port)).into(),
        host: "a".into(),
        monitor: monitor.into(),
    }
}

fn add<const N: usize>(watch: &mut Watch, targets: [&Target; N], now: Duration) -> [TargetId; N] {
    watch.add(targets, now).0.try_into().unwrap()
}

fn success() -> Outcome {
    Outcome::Success(Finding::full(Duration::ZERO))
}

fn observe(watch: &mut Watch, target: TargetId, outcome: &Outcome, now: Duration) -> Option<Observed> {
    watch.observe(target, outcome, now, |_| Vec::new())
}

#[test]
fn one_that_stays_keeps_its_health_and_its_turn_and_one_that_goes_is_forgotten() {
    let mut watch = Watch::new(1, ROOM);
    let [stays] = add(&mut watch, [&target(1)], Duration::ZERO);
    let [goes] = add(&mut watch, [&target(2)], Duration::ZERO);
    watch.take_due(Duration::ZERO);
    observe(&mut watch, stays, &success(), Duration::ZERO);
    let stopped = watch.retain(|id| id == stays);
    assert_eq!(stopped, [goes], "its probe must be stopped");
    let turn = watch.next_due().unwrap();
    assert_eq!(add(&mut watch, [&target(1)], Duration::from_millis(1)), [stays]);
    assert_eq!(watch.health(stays).state(), State::Up);
    assert_eq!(watch.health(goes).state(), State::Unknown);
    assert_eq!(watch.next_due(), Some(turn));
    assert_eq!(watch.take_due(INTERVAL), [Call::Probe(stays)]);
    assert_eq!(observe(&mut watch, goes, &success(), INTERVAL), None);
}

#[test]
fn what_came_back_is_a_new_target() {
    let mut watch = Watch::new(1, ROOM);
    let [first] = add(&mut watch, [&target(1)], Duration::ZERO);
    watch.take_due(Duration::ZERO);
    observe(&mut watch, first, &Outcome::Failure(Failure::Refused), Duration::ZERO);
    watch.retain(|_| false);
    let [again] = add(&mut watch, [&target(1)], INTERVAL);
    assert_eq!(watch.health(again), Health::UNKNOWN);
    assert_eq!(watch.take_due(INTERVAL), [Call::Probe(again)]);
}

#[test]
fn an_id_that_is_given_again_brings_nothing_of_its_last_target() {
    let mut watch = Watch::new(1, ROOM);
    let failed = Outcome::Failure(Failure::TimedOut(crate::health::Stage::Connect));
    let [stays, goes] = add(&mut watch, [&target(1), &target(2)], Duration::ZERO);
    watch.take_due(Duration::ZERO);
    for id in [stays, goes] {
        observe(&mut watch, id, &success(), Duration::ZERO);
        observe(&mut watch, id, &failed, INTERVAL);
    }
    watch.retain(|id| id == stays);
    let [new] = add(&mut watch, [&target(3)], INTERVAL);
    assert_eq!(new, goes, "the id is free");
    assert_eq!((watch.health(new), watch.target(new).unwrap().target().address.port()), (Health::UNKNOWN, 3));
    let due = watch.take_due(INTERVAL);
    assert!(due.contains(&Call::Probe(new)), "{due:?}");
    assert_eq!(due.iter().filter(|call| **call == Call::Probe(new)).count(), 1, "the old turn is gone");
}

#[test]
fn a_probe_that_tells_nothing_is_due_again() {
    let mut watch = Watch::new(1, 1);
    let [target] = add(&mut watch, [&target(1)], Duration::ZERO);
    watch.take_due(Duration::ZERO);
    watch.lose(target, Duration::ZERO);
    assert_eq!(watch.health(target), Health::UNKNOWN);
    assert_eq!(watch.take_due(INTERVAL), [Call::Probe(target)]);
}

#[test]
fn a_monitor_with_another_tempo_goes_on_with_what_is_known_and_with_outcomes_in_a_row() {
    let mut watch = Watch::new(1, ROOM);
    let (first, second) = (target(1), target(2));
    let [dead, failing] = add(&mut watch, [&first, &second], Duration::ZERO);
    observe(&mut watch, dead, &Outcome::Failure(Failure::Refused), Duration::ZERO);
    observe(&mut watch, failing, &success(), Duration::ZERO);
    for _ in 0..2 {
        observe(&mut watch, failing, &Outcome::Failure(Failure::Refused), Duration::ZERO);
    }
    let edited = |target: &Target| {
        let monitor = Monitor { fall: 2.try_into().unwrap(), pace: pace(INTERVAL * 2), ..(*target.monitor).clone() };
        Target { monitor: monitor.into(), ..target.clone() }
    };
    let (ids, carried) = watch.add([&edited(&first), &edited(&second), &target(3)], INTERVAL);
    let [dead_now, failing_now, other] = ids.try_into().unwrap();
    assert_eq!(carried, [(dead_now, dead), (failing_now, failing)]);
    assert_eq!(watch.health(dead_now).state(), State::Down);
    assert_eq!(watch.health(failing_now).in_a_row(), (2, 0));
    assert_eq!(watch.health(other), Health::UNKNOWN);
    observe(&mut watch, failing_now, &Outcome::Failure(Failure::Refused), INTERVAL);
    assert_eq!(watch.health(failing_now).state(), State::Down);
}
