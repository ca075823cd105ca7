//! When each target is probed.
//!
//! ```text
//!   add ─ paced ─► due ─ a free slot ─► in flight ─► due again
//!                   ▲      └ no free slot: waits in order
//!                   └── evenly spread after the first, then 90-100 % of the interval after each start
//! ```
//!
//! **Ten thousand targets.** Their first probes start a quarter of a millisecond apart, so that all of them have
//! started within half of the first round. A few start at once. The second probe of each target starts at its own point
//! within the interval, taken from a sequence that spreads any number of points evenly. Targets whose probes still
//! coincide drift apart later.
//!
//! **A bound on probes in flight** leaves descriptors for everything else. Probes that are due beyond it wait in order,
//! and how late each one starts is measured. Probes of one target never overlap: one that is due while another is in
//! flight starts when that one ends.
//!
//! **Targets that report** are not probed. They are due when they have not reported for an interval.
//!
//! **Targets that rest** are not probed until they are resumed, because other nodes of the fleet probe them. Many that are
//! resumed together are paced like new ones.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::{Lateness, TargetId, TargetMap};
use crate::health::Target;

/// From the start of one new target's first probe to the start of the next one's: 10,000 start within 2.5 s.
const PACE: Duration = Duration::from_micros(250);

/// The number of new targets that start at once, before the pace applies.
const BURST: u32 = 64;

/// The shortest gap between two starts, in per cent of the interval.
const SHORTEST_INTERVAL_PERCENT: u32 = 90;

/// The fraction of the golden ratio in 64 bits. Its multiples fill the range evenly, however many there are (Weyl's
/// sequence).
const GOLDEN_STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// An action that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// Probe this target.
    Probe(TargetId),
    /// Count a failure: this target should have reported.
    Silence(TargetId),
}

/// The next probe of every target.
#[derive(Debug)]
pub(super) struct ProbeSchedule {
    turns: TargetMap<Turn>,
    /// The earliest first. An entry is stale if its target is gone or due at another time.
    due: BinaryHeap<Reverse<Due>>,
    /// Probes that are due and wait for a free slot.
    waiting: VecDeque<Due>,
    in_flight: usize,
    bound: usize,
    random: fastrand::Rng,
    /// When the first probe of the next new target starts if the burst is used up.
    pace: Duration,
    /// The point within its interval that the last new target got, as a fraction of 2^64.
    phase: u64,
    /// Numbers entries, so that entries with equal times keep their order.
    count: u64,
    lateness: Arc<Lateness>,
}

#[derive(Debug)]
struct Turn {
    /// The monitor's interval.
    interval: Duration,
    /// The entry that is not stale.
    entry: u64,
    kind: Kind,
    is_resting: bool,
}

#[derive(Debug)]
enum Kind {
    Probed {
        /// From the start of the first probe to the start of the second.
        first_gap: Option<Duration>,
        flight: Flight,
    },
    /// The target counts as silent from the deadline on.
    Reports { deadline: Duration },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flight {
    None,
    /// A probe is in flight.
    One,
    /// A probe is in flight, and the next one is due already.
    Overdue,
}

#[derive(Debug)]
struct Due {
    at: Duration,
    entry: u64,
    target: TargetId,
}

impl ProbeSchedule {
    /// An empty schedule. At most `bound` probes are in flight; 0 counts as 1.
    pub(super) fn new(seed: u64, bound: usize) -> Self {
        Self {
            turns: TargetMap::default(),
            due: BinaryHeap::new(),
            waiting: VecDeque::new(),
            in_flight: 0,
            bound: bound.max(1),
            random: fastrand::Rng::with_seed(seed),
            pace: Duration::ZERO,
            phase: 0,
            count: 0,
            lateness: Arc::default(),
        }
    }

    pub(super) fn lateness(&self) -> &Arc<Lateness> {
        &self.lateness
    }

    /// Adds a target. Its first probe is due soon.
    pub(super) fn add(&mut self, id: TargetId, target: &Target, now: Duration) {
        let interval = target.monitor.pace.interval();
        let (at, kind) = if target.is_probed() {
            let (at, first_gap) = self.first_start(interval, now);
            (at, Kind::Probed { first_gap: Some(first_gap), flight: Flight::None })
        } else {
            (now + interval, Kind::Reports { deadline: now + interval })
        };
        self.turns.insert(id, Turn { interval, entry: 0, kind, is_resting: false });
        self.schedule(id, at);
    }

    /// Returns when a new target is probed first, and the time from there to its second probe.
    fn first_start(&mut self, interval: Duration, now: Duration) -> (Duration, Duration) {
        self.pace = self.pace.max(now) + PACE;
        self.phase = self.phase.wrapping_add(GOLDEN_STEP);
        let at = now.max(self.pace.saturating_sub(PACE * BURST));
        (at, interval.mul_f64(self.phase as f64 / 2f64.powi(64)))
    }

    /// Does not probe a target until it is resumed. A probe in flight ends as usual.
    pub(super) fn rest(&mut self, id: TargetId) {
        self.count += 1;
        let Some(turn) = self.turns.get_mut(id) else { return };
        // The entries that it has are stale now.
        turn.entry = self.count;
        turn.is_resting = true;
        if let Kind::Probed { flight: flight @ Flight::Overdue, .. } = &mut turn.kind {
            *flight = Flight::One;
        }
        let turns = &self.turns;
        self.waiting.retain(|due| due.is_current(turns));
    }

    /// Probes a target again that rests, soon. Returns false if it does not rest.
    pub(super) fn resume(&mut self, id: TargetId, now: Duration) -> bool {
        let Some(interval) = self.turns.get(id).filter(|turn| turn.is_resting).map(|turn| turn.interval) else {
            return false;
        };
        let (at, gap) = self.first_start(interval, now);
        if let Some(turn) = self.turns.get_mut(id) {
            turn.is_resting = false;
            if let Kind::Probed { first_gap, .. } = &mut turn.kind {
                *first_gap = Some(gap);
            }
        }
        self.schedule(id, at);
        true
    }

    /// True if a target rests.
    pub(super) fn is_resting(&self, id: TargetId) -> bool {
        self.turns.get(id).is_some_and(|turn| turn.is_resting)
    }

    /// Forgets the targets that `keep` rejects. Returns those whose probes are in flight.
    pub(super) fn retain(&mut self, keep: impl Fn(TargetId) -> bool) -> Vec<TargetId> {
        let in_flight = |turn: &Turn| matches!(turn.kind, Kind::Probed { flight, .. } if flight != Flight::None);
        let gone = self.turns.iter().filter(|(id, _)| !keep(*id));
        let stopped: Vec<TargetId> = gone.filter(|(_, turn)| in_flight(turn)).map(|(id, _)| id).collect();
        self.turns.retain(|id, _| keep(id));
        self.in_flight -= stopped.len();
        let turns = &self.turns;
        self.waiting.retain(|due| due.is_current(turns));
        stopped
    }

    /// When the next probe is due; without a free slot, waiting probes do not count.
    pub(super) fn next_due(&mut self) -> Option<Duration> {
        let waiting = self.waiting.front().filter(|_| self.in_flight < self.bound).map(|due| due.at);
        while let Some(Reverse(due)) = self.due.peek() {
            if due.is_current(&self.turns) {
                let next = due.at;
                return Some(waiting.map_or(next, |at| at.min(next)));
            }
            self.due.pop();
        }
        waiting
    }

    /// The calls that are due.
    pub(super) fn take_due(&mut self, now: Duration) -> Vec<Call> {
        let mut calls = Vec::new();
        while let Some(due) = self.pop_due(now) {
            let Some(Turn { kind, interval, .. }) = self.turns.get_mut(due.target) else { continue };
            match kind {
                Kind::Probed { flight: Flight::None, .. } => self.waiting.push_back(due),
                Kind::Probed { flight, .. } => *flight = Flight::Overdue,
                // The target has reported since this entry was made.
                Kind::Reports { deadline } if *deadline > now => {
                    let deadline = *deadline;
                    self.schedule(due.target, deadline);
                }
                Kind::Reports { deadline } => {
                    *deadline = now + *interval;
                    let deadline = *deadline;
                    calls.push(Call::Silence(due.target));
                    self.schedule(due.target, deadline);
                }
            }
        }
        while self.in_flight < self.bound
            && let Some(due) = self.waiting.pop_front()
        {
            calls.push(Call::Probe(due.target));
            self.start(due, now);
        }
        calls
    }

    /// Takes in that a probe ended, with or without an outcome.
    pub(super) fn finish(&mut self, target: TargetId, now: Duration) {
        let Some(Turn { kind: Kind::Probed { flight, .. }, .. }) = self.turns.get_mut(target) else { return };
        let ended = std::mem::replace(flight, Flight::None);
        if ended != Flight::None {
            self.in_flight -= 1;
        }
        if ended == Flight::Overdue {
            self.schedule(target, now);
        }
    }

    /// Takes in a report of a target: its deadline begins anew. Targets that are probed have no deadline.
    pub(super) fn hear(&mut self, target: TargetId, now: Duration) {
        if let Some(Turn { kind: Kind::Reports { deadline }, interval, .. }) = self.turns.get_mut(target) {
            // The entry stays and moves when it is due: a new entry for each report would pile up.
            *deadline = now + *interval;
        }
    }

    /// Takes in that the process was stopped for this long: the deadlines move by the pause, because no endpoint could
    /// report.
    pub(super) fn sleep(&mut self, pause: Duration) {
        for turn in self.turns.values_mut() {
            if let Kind::Reports { deadline } = &mut turn.kind {
                // The entry moves when it is due.
                *deadline += pause;
            }
        }
    }

    fn pop_due(&mut self, now: Duration) -> Option<Due> {
        while self.due.peek().is_some_and(|Reverse(due)| due.at <= now) {
            let Reverse(due) = self.due.pop()?;
            if due.is_current(&self.turns) {
                return Some(due);
            }
        }
        None
    }

    fn start(&mut self, Due { at, target, .. }: Due, now: Duration) {
        let Some(Turn { kind: Kind::Probed { first_gap, flight }, interval, .. }) = self.turns.get_mut(target) else {
            return;
        };
        let jittered = *interval * self.random.u32(SHORTEST_INTERVAL_PERCENT..=100) / 100;
        let gap = first_gap.take().unwrap_or(jittered);
        *flight = Flight::One;
        self.in_flight += 1;
        self.lateness.record(now - at);
        self.schedule(target, now + gap);
    }

    fn schedule(&mut self, target: TargetId, at: Duration) {
        self.count += 1;
        if let Some(turn) = self.turns.get_mut(target) {
            turn.entry = self.count;
        }
        self.due.push(Reverse(Due { at, entry: self.count, target }));
    }
}

impl Due {
    fn is_current(&self, turns: &TargetMap<Turn>) -> bool {
        turns.get(self.target).is_some_and(|turn| turn.entry == self.entry)
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
mod tests;
