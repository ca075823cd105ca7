//! When to probe what, and what the outcomes say: a machine without clock, sockets or tasks.
//!
//! Time is what the caller says it is, counted from any beginning. A probe starts when it is due, and is due again an
//! `interval` after that start, shortened by up to a tenth at random, so that probes that began together drift apart.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use crate::health::{Condition, Health, Share, State, Target, Transition, Verdict};
use crate::snapshot::Standing;

/// The least part of its interval, in per cent, after which a probe starts again.
const SHORTEST_INTERVAL_PERCENT: u32 = 90;

/// Every target that is watched, its health, and when it is probed next.
#[derive(Debug)]
pub struct Watch {
    probes: HashMap<Arc<Target>, Probe>,
    /// When targets are due, the earliest first. Entries of targets that are gone or due at another time are stale.
    agenda: BinaryHeap<Reverse<Due>>,
    random: fastrand::Rng,
    /// Numbers agenda entries, so that equal times keep their order.
    count: u64,
}

#[derive(Debug)]
struct Probe {
    health: Health,
    /// The agenda entry that counts.
    entry: u64,
}

#[derive(Debug)]
struct Due {
    at: Duration,
    entry: u64,
    target: Arc<Target>,
}

impl Watch {
    /// Nothing is watched. `seed` makes the jitter repeatable.
    pub fn new(seed: u64) -> Self {
        Self { probes: HashMap::new(), agenda: BinaryHeap::new(), random: fastrand::Rng::with_seed(seed), count: 0 }
    }

    /// Watches one more target, which is due at once. One that is watched already keeps its health and its turn.
    pub fn add(&mut self, target: &Arc<Target>, now: Duration) {
        if !self.probes.contains_key(target) {
            self.probes.insert(target.clone(), Probe { health: Health::UNKNOWN, entry: 0 });
            self.schedule(target, now);
        }
    }

    /// Takes a target that was never probed for what an earlier run found it to be.
    pub fn restore(&mut self, target: &Target, state: State) {
        if let Some(probe) = self.probes.get_mut(target).filter(|probe| probe.health == Health::UNKNOWN) {
            probe.health = Health::settled(state);
        }
    }

    /// Forgets the targets that are not to be kept.
    pub fn retain(&mut self, keep: impl Fn(&Target) -> bool) {
        self.probes.retain(|target, _| keep(target));
    }

    /// When the next target is due.
    pub fn next_due(&mut self) -> Option<Duration> {
        while let Some(Reverse(due)) = self.agenda.peek() {
            if self.probes.get(&due.target).is_some_and(|probe| probe.entry == due.entry) {
                return Some(due.at);
            }
            self.agenda.pop();
        }
        None
    }

    /// The targets whose time has come. Each is due again after its interval.
    pub fn take_due(&mut self, now: Duration) -> Vec<Arc<Target>> {
        let mut due = Vec::new();
        while self.next_due().is_some_and(|at| at <= now) {
            let Some(Reverse(Due { target, .. })) = self.agenda.pop() else { break };
            let interval = target.monitor.interval * self.random.u32(SHORTEST_INTERVAL_PERCENT..=100) / 100;
            self.schedule(&target, now + interval);
            due.push(target);
        }
        due
    }

    /// Takes in the end of a probe, the share of clients that a success asks for; that of a target no longer watched
    /// changes nothing.
    pub fn observe(&mut self, target: &Target, outcome: Option<Share>, now: Duration) -> Transition {
        match self.probes.get_mut(target) {
            Some(probe) => probe.health.observe(outcome, &target.monitor, now),
            None => Transition::None,
        }
    }

    /// A target's health; unknown if it is not watched.
    pub fn health(&self, target: &Target) -> Health {
        self.probes.get(target).map_or(Health::UNKNOWN, |probe| probe.health)
    }

    /// What answers may make of an endpoint with this condition.
    pub fn standing(&self, condition: Option<&Condition>) -> Standing {
        condition.map_or(Standing::CALM, |condition| {
            let Verdict { share, restless } = condition.verdict(&|target| self.health(target));
            Standing { share, restless, ..Standing::CALM }
        })
    }

    fn schedule(&mut self, target: &Arc<Target>, at: Duration) {
        self.count += 1;
        if let Some(probe) = self.probes.get_mut(target) {
            probe.entry = self.count;
        }
        self.agenda.push(Reverse(Due { at, entry: self.count, target: target.clone() }));
    }
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.entry).cmp(&(other.at, other.entry))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::{Check, Monitor, TcpCheck};

    const INTERVAL: Duration = Duration::from_secs(5);

    fn target(port: u16) -> Arc<Target> {
        let monitor = Monitor { interval: INTERVAL, ..Monitor::new(Check::Tcp(TcpCheck::default()), port) };
        Arc::new(Target { address: ([127, 0, 0, 1], port).into(), host: "a".into(), monitor: monitor.into() })
    }

    #[test]
    fn a_new_target_is_due_at_once_and_then_within_its_interval() {
        let mut watch = Watch::new(1);
        watch.add(&target(1), Duration::ZERO);
        assert_eq!(watch.take_due(Duration::ZERO).len(), 1);
        let mut now = Duration::ZERO;
        for _ in 0..100 {
            let next = watch.next_due().unwrap();
            assert!((INTERVAL * 9 / 10..=INTERVAL).contains(&(next - now)), "{:?}", next - now);
            assert!(watch.take_due(next - Duration::from_nanos(1)).is_empty());
            assert_eq!(watch.take_due(next).len(), 1);
            now = next;
        }
    }

    #[test]
    fn targets_that_began_together_drift_apart() {
        let mut watch = Watch::new(1);
        let targets: Vec<_> = (1..=100).map(target).collect();
        for target in &targets {
            watch.add(target, Duration::ZERO);
        }
        assert_eq!(watch.take_due(Duration::ZERO).len(), 100);
        assert!(watch.take_due(INTERVAL * 95 / 100).len() < 80);
    }

    #[test]
    fn one_that_stays_keeps_its_health_and_its_turn_and_one_that_goes_is_forgotten() {
        let mut watch = Watch::new(1);
        let (stays, goes) = (target(1), target(2));
        watch.add(&stays, Duration::ZERO);
        watch.add(&goes, Duration::ZERO);
        watch.take_due(Duration::ZERO);
        watch.observe(&stays, Some(Share::FULL), Duration::ZERO);
        watch.observe(&goes, None, Duration::ZERO);
        watch.retain(|target| *target == *stays);
        watch.add(&target(1), Duration::from_secs(1));
        assert_eq!(watch.health(&stays).state(), State::Up);
        assert_eq!(watch.health(&goes).state(), State::Unknown);
        assert!(watch.next_due().unwrap() >= INTERVAL * 9 / 10);
        assert_eq!(watch.take_due(INTERVAL).len(), 1);
        assert_eq!(watch.observe(&goes, Some(Share::FULL), INTERVAL), Transition::None);
    }
}
