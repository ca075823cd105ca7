//! Health and schedule together, without a clock.

use super::*;
use crate::health::{Check, Failure, Finding, Monitor, TcpCheck};

const INTERVAL: Duration = Duration::from_secs(5);
const ROOM: usize = 100;

fn target(port: u16) -> Arc<Target> {
    let monitor = Monitor { interval: INTERVAL, ..Monitor::new(Check::Tcp(TcpCheck::default()), port) };
    Arc::new(Target { address: ([127, 0, 0, 1], port).into(), host: "a".into(), monitor: monitor.into() })
}

fn success() -> Outcome {
    Outcome::Success(Finding::full(Duration::ZERO))
}

fn observe(watch: &mut Watch, target: &Arc<Target>, outcome: &Outcome, now: Duration) -> Option<Observed> {
    watch.observe(target, outcome, now, |_| Vec::new())
}

#[test]
fn one_that_stays_keeps_its_health_and_its_turn_and_one_that_goes_is_forgotten() {
    let mut watch = Watch::new(1, ROOM);
    let (stays, goes) = (target(1), target(2));
    watch.add([&stays], Duration::ZERO);
    watch.add([&goes], Duration::ZERO);
    watch.take_due(Duration::ZERO);
    observe(&mut watch, &stays, &success(), Duration::ZERO);
    let stopped = watch.retain(|target| *target == *stays);
    assert_eq!(stopped, std::slice::from_ref(&goes), "its probe must be stopped");
    let turn = watch.next_due().unwrap();
    watch.add([&target(1)], Duration::from_millis(1));
    assert_eq!(watch.health(&stays).state(), State::Up);
    assert_eq!(watch.health(&goes).state(), State::Unknown);
    assert_eq!(watch.next_due(), Some(turn));
    assert_eq!(watch.take_due(INTERVAL), [Call::Probe(stays)]);
    assert_eq!(observe(&mut watch, &goes, &success(), INTERVAL), None);
}

#[test]
fn what_came_back_is_a_new_target() {
    let mut watch = Watch::new(1, ROOM);
    let target = target(1);
    watch.add([&target], Duration::ZERO);
    watch.take_due(Duration::ZERO);
    observe(&mut watch, &target, &Outcome::Failure(Failure::Refused), Duration::ZERO);
    watch.retain(|_| false);
    watch.add([&target], INTERVAL);
    assert_eq!(watch.health(&target), Health::UNKNOWN);
    assert_eq!(watch.take_due(INTERVAL), [Call::Probe(target)]);
}

#[test]
fn a_probe_that_tells_nothing_is_due_again() {
    let mut watch = Watch::new(1, 1);
    let target = target(1);
    watch.add([&target], Duration::ZERO);
    watch.take_due(Duration::ZERO);
    watch.lose(&target, Duration::ZERO);
    assert_eq!(watch.health(&target), Health::UNKNOWN);
    assert_eq!(watch.take_due(INTERVAL), [Call::Probe(target)]);
}

#[test]
fn a_monitor_with_another_tempo_goes_on_with_what_is_known_and_with_outcomes_in_a_row() {
    let mut watch = Watch::new(1, ROOM);
    let (dead, failing) = (target(1), target(2));
    watch.add([&dead, &failing], Duration::ZERO);
    observe(&mut watch, &dead, &Outcome::Failure(Failure::Refused), Duration::ZERO);
    observe(&mut watch, &failing, &success(), Duration::ZERO);
    for _ in 0..2 {
        observe(&mut watch, &failing, &Outcome::Failure(Failure::Refused), Duration::ZERO);
    }
    let edited = |target: &Target| {
        let monitor = Monitor { fall: 2.try_into().unwrap(), interval: INTERVAL * 2, ..(*target.monitor).clone() };
        Arc::new(Target { monitor: monitor.into(), ..target.clone() })
    };
    let (dead_now, failing_now, other) = (edited(&dead), edited(&failing), target(3));
    let carried = watch.add([&dead_now, &failing_now, &other], INTERVAL);
    assert_eq!(carried, [(dead_now.clone(), dead), (failing_now.clone(), failing)]);
    assert_eq!(watch.health(&dead_now).state(), State::Down);
    assert_eq!(watch.health(&failing_now).in_a_row(), (2, 0));
    assert_eq!(watch.health(&other), Health::UNKNOWN);
    observe(&mut watch, &failing_now, &Outcome::Failure(Failure::Refused), INTERVAL);
    assert_eq!(watch.health(&failing_now).state(), State::Down);
}
