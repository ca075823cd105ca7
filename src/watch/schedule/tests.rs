use std::collections::{HashMap, HashSet};

use super::*;
use crate::health::{Check, DEFAULT_TIMEOUT, Monitor, Pace, TcpCheck};
use crate::watch::targets::Targets;

const INTERVAL: Duration = Duration::from_secs(5);

/// A schedule, and the ids of its targets.
struct Scene {
    schedule: ProbeSchedule,
    targets: Targets,
    ids: Vec<TargetId>,
}

impl Scene {
    fn new(count: u16, bound: usize) -> Self {
        let schedule = ProbeSchedule::new(1, bound);
        let mut scene = Self { schedule, targets: Targets::default(), ids: Vec::new() };
        scene.ids = (1..=count).map(|number| scene.add(Check::Tcp(TcpCheck::default()), number)).collect();
        scene
    }

    fn add(&mut self, check: Check, number: u16) -> TargetId {
        let monitor = Monitor { pace: Pace::try_new(INTERVAL, DEFAULT_TIMEOUT).unwrap(), ..Monitor::new(check, 80) };
        let target = Target {
            address: std::net::SocketAddr::from(([127, 0, 0, 1], number)).into(),
            host: "a".into(),
            monitor: monitor.into(),
        };
        let (id, _) = self.targets.add(&target);
        self.schedule.add(id, &target, Duration::ZERO);
        id
    }
}

fn with_targets(count: u16, bound: usize) -> (ProbeSchedule, Vec<TargetId>) {
    let Scene { schedule, ids, .. } = Scene::new(count, bound);
    (schedule, ids)
}

/// Starts probes that end at once, up to a time. Returns when each one started.
fn run(schedule: &mut ProbeSchedule, until: Duration) -> Vec<(Duration, TargetId)> {
    let mut starts = Vec::new();
    while let Some(now) = schedule.next_due().filter(|at| *at <= until) {
        for call in schedule.take_due(now) {
            let Call::Probe(target) = call else { panic!("{call:?}") };
            schedule.finish(target, now);
            starts.push((now, target));
        }
    }
    starts
}

#[test]
fn a_handful_begins_at_once_and_ten_thousand_within_half_of_the_first_round() {
    let (mut schedule, _) = with_targets(5, 100);
    assert_eq!(schedule.take_due(Duration::ZERO).len(), 5);

    let (mut schedule, _) = with_targets(10_000, 100);
    let starts = run(&mut schedule, Duration::from_millis(2500));
    let first: HashSet<_> = starts.iter().map(|(_, target)| target).collect();
    assert_eq!(first.len(), 10_000);
    let early = starts.iter().filter(|(at, _)| *at <= Duration::from_millis(100)).count();
    assert!(early <= 500, "{early} in the first tenth of a second");
}

#[test]
fn after_the_first_probe_turns_are_spread_evenly_and_gaps_are_never_longer_than_the_interval() {
    let (mut schedule, targets) = with_targets(1000, 2000);
    let starts = run(&mut schedule, INTERVAL * 12);
    let mut seen: HashMap<TargetId, Duration> = HashMap::new();
    for &(at, target) in &starts {
        if let Some(before) = seen.insert(target, at) {
            assert!(at - before <= INTERVAL, "{:?}", at - before);
        }
    }
    assert_eq!(seen.len(), targets.len());
    // From the second interval on, each tenth of it holds about a tenth of all probes.
    for tenth in 20..110 {
        let (from, to) = (INTERVAL * tenth / 10, INTERVAL * (tenth + 1) / 10);
        let count = starts.iter().filter(|(at, _)| (from..to).contains(at)).count();
        assert!((80..=140).contains(&count), "{count} in tenth {tenth}");
    }
}

#[test]
fn later_gaps_are_a_tenth_shorter_at_most() {
    let (mut schedule, _) = with_targets(1, 1);
    let starts = run(&mut schedule, INTERVAL * 100);
    assert!(starts.len() > 100);
    for pair in starts[1..].windows(2) {
        assert!((INTERVAL * 9 / 10..=INTERVAL).contains(&(pair[1].0 - pair[0].0)));
    }
}

#[test]
fn beyond_the_bound_probes_wait_in_order_and_their_lateness_is_measured() {
    let (mut schedule, targets) = with_targets(4, 2);
    let probe = |at: usize| Call::Probe(targets[at]);
    assert_eq!(schedule.take_due(Duration::ZERO), [probe(0), probe(1)]);
    assert_eq!(schedule.next_due().map(|at| at > Duration::ZERO), Some(true), "nothing to do before one ends");
    let later = Duration::from_millis(300);
    schedule.finish(targets[1], later);
    assert_eq!(schedule.next_due(), Some(Duration::ZERO));
    assert_eq!(schedule.take_due(later)[0], probe(2));
    schedule.finish(targets[0], later);
    assert_eq!(schedule.take_due(later)[0], probe(3));
    assert_eq!((schedule.lateness().count(), schedule.lateness().longest()), (4, later));
}

#[test]
fn probes_of_one_target_never_overlap() {
    let (mut schedule, targets) = with_targets(1, 10);
    assert_eq!(schedule.take_due(Duration::ZERO).len(), 1);
    assert!(schedule.take_due(INTERVAL).is_empty());
    assert_eq!(schedule.next_due(), None);
    schedule.finish(targets[0], INTERVAL * 2);
    assert_eq!(schedule.take_due(INTERVAL * 2).len(), 1);
    assert_eq!(
        schedule.lateness().longest(),
        Duration::ZERO,
        "the slowness of the target is not lateness of the schedule"
    );
}

#[test]
fn what_goes_gives_its_room_and_its_place_in_the_queue_free() {
    let (mut schedule, targets) = with_targets(4, 2);
    schedule.take_due(Duration::ZERO);
    let stopped = schedule.retain(|id| id == targets[3]);
    assert_eq!(stopped.len(), 2);
    assert_eq!(schedule.take_due(Duration::ZERO), [Call::Probe(targets[3])]);
    // A late outcome does not free a slot twice.
    schedule.finish(targets[0], Duration::ZERO);
    schedule.finish(targets[3], Duration::ZERO);
    schedule.finish(targets[3], Duration::ZERO);
    assert_eq!(schedule.in_flight, 0);
}

#[test]
fn silence_is_counted_each_interval_after_the_last_report_even_if_no_probe_may_start() {
    let mut scene = Scene::new(2, 1);
    let pushed = scene.add(Check::Push, 1);
    let mut schedule = scene.schedule;
    assert_eq!(schedule.take_due(Duration::ZERO).len(), 1, "the probed ones");
    schedule.hear(pushed, Duration::from_secs(3));
    assert!(schedule.take_due(INTERVAL).is_empty());
    let silent = Duration::from_secs(8);
    assert_eq!(schedule.next_due(), Some(silent));
    assert_eq!(schedule.take_due(silent), [Call::Silence(pushed)]);
    assert_eq!(schedule.take_due(silent + INTERVAL), [Call::Silence(pushed)]);
}

#[test]
fn a_pause_of_this_node_is_no_silence() {
    let mut scene = Scene::new(0, 1);
    let pushed = scene.add(Check::Push, 1);
    let mut schedule = scene.schedule;
    let pause = Duration::from_secs(60);
    let woken = Duration::from_secs(2) + pause;
    schedule.sleep(pause);
    assert!(schedule.take_due(woken).is_empty());
    let silent = INTERVAL + pause;
    assert_eq!(schedule.next_due(), Some(silent));
    assert!(schedule.take_due(silent - Duration::from_millis(1)).is_empty());
    assert_eq!(schedule.take_due(silent), [Call::Silence(pushed)]);
}

#[test]
fn what_rests_is_not_probed_and_many_that_are_resumed_are_paced() {
    let (mut schedule, ids) = with_targets(10_000, 100);
    run(&mut schedule, INTERVAL * 2);
    // One is in flight, and one waits for its turn.
    let begun = INTERVAL * 3;
    let calls = schedule.take_due(begun);
    assert_eq!(calls.len(), 100);
    for &id in &ids[1..] {
        schedule.rest(id);
    }
    assert!(!schedule.is_resting(ids[0]) && schedule.is_resting(ids[1]));
    for call in calls {
        let Call::Probe(target) = call else { panic!("{call:?}") };
        schedule.finish(target, begun);
    }
    let starts = run(&mut schedule, INTERVAL * 9);
    assert!(starts.len() >= 5 && starts.iter().all(|(_, target)| *target == ids[0]), "{}", starts.len());

    let now = INTERVAL * 9;
    assert!(ids[1..].iter().all(|&id| schedule.resume(id, now)) && !schedule.resume(ids[1], now));
    // Some are probed a second time meanwhile.
    let mut resumed = HashSet::new();
    resumed.extend(run(&mut schedule, now + Duration::from_secs(1)).into_iter().map(|(_, target)| target));
    assert!((3_900..4_200).contains(&resumed.len()), "{} in a second", resumed.len());
    resumed.extend(run(&mut schedule, now + Duration::from_secs(3)).into_iter().map(|(_, target)| target));
    assert!(ids[1..].iter().all(|id| resumed.contains(id)), "all within a round");
}
