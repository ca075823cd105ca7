//! The latest outcomes and states of each target, for people who look at them: bounded, and in memory only.
//!
//! ```text
//!   a target ─► slots of 15 s, for an hour:  probes that succeeded and failed, the mean time of those that succeeded
//!           └─► the last 16 states:          when each began, and the outcome that confirmed it
//! ```
//!
//! Control writes the history, and others may read it meanwhile. A slot takes 12 octets and exists only if there was a
//! probe in its time, so a target takes 3 KiB at most.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use foldhash::fast::RandomState;

use crate::health::{Outcome, State};

/// The time that one slot covers.
pub const SLOT: Duration = Duration::from_secs(15);

/// Number of slots of each target: an hour.
pub const SLOTS: usize = 240;

/// Number of the last states of each target.
const TURNS: usize = 16;

/// Maximum number of targets with a history: 12 MiB. When there are more, those without a probe for an hour give way;
/// if there are none, further targets have no history.
const MAX_TARGETS: usize = 4096;

/// Maximum number of characters of the text of an outcome.
const MAX_TEXT: usize = 200;

/// The history of all targets, by their fingerprint.
#[derive(Debug, Default)]
pub struct ProbeHistory(Mutex<Histories>);

#[derive(Debug, Default)]
struct Histories {
    tracks: HashMap<u128, Track, RandomState>,
    /// The slot in which tracks without recent probes were removed last.
    tidied: u32,
}

/// The history of one target.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Track {
    /// In the order of their numbers.
    pub slots: VecDeque<Slot>,
    /// The oldest first.
    pub turns: VecDeque<Turned>,
}

/// The probes that ended within the time of one slot.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slot {
    /// Its beginning as a multiple of [`SLOT`] since the Unix epoch.
    pub number: u32,
    /// Number of probes that succeeded.
    pub successes: u16,
    /// Number of probes that failed.
    pub failures: u16,
    /// Mean time of those that succeeded, in milliseconds; 0 without any.
    pub mean_ms: f32,
}

/// The beginning of a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turned {
    /// Wall-clock time since the Unix epoch.
    pub at: Duration,
    /// The state.
    pub to: State,
    /// The outcome that confirmed it; `None` if an earlier run found it.
    pub seen: Option<Box<str>>,
}

/// Returns the number of the slot at a wall-clock time.
pub fn slot_at(wall: Duration) -> u32 {
    u32::try_from(wall.as_secs() / SLOT.as_secs()).unwrap_or(u32::MAX)
}

impl ProbeHistory {
    /// Takes in the outcome of a probe. `wall` is the wall-clock time.
    pub fn observe(&self, fingerprint: u128, outcome: &Outcome, wall: Duration) {
        let number = slot_at(wall);
        if let Some(track) = self.histories().track(fingerprint, number) {
            track.observe(number, outcome);
        }
    }

    /// Takes in that a target changed to a state, at this wall-clock time.
    pub fn turn(&self, fingerprint: u128, to: State, seen: Option<&Outcome>, wall: Duration) {
        let mut histories = self.histories();
        let Some(track) = histories.track(fingerprint, slot_at(wall)) else { return };
        if track.turns.len() == TURNS {
            track.turns.pop_front();
        }
        let seen = seen.map(|outcome| outcome.to_string().chars().take(MAX_TEXT).collect::<String>().into());
        track.turns.push_back(Turned { at: wall, to, seen });
    }

    /// Returns the history of a target; `None` if there is none.
    pub fn track(&self, fingerprint: u128) -> Option<Track> {
        self.histories().tracks.get(&fingerprint).cloned()
    }

    fn histories(&self) -> MutexGuard<'_, Histories> {
        // A panic while the lock was held can at most have lost an outcome.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Histories {
    /// Returns the track of a target, a new one if it has none and there is room.
    fn track(&mut self, fingerprint: u128, now: u32) -> Option<&mut Track> {
        if !self.tracks.contains_key(&fingerprint) && self.tracks.len() >= MAX_TARGETS {
            // All tracks are looked at once in the time of a slot, not for each probe.
            if self.tidied == now {
                return None;
            }
            self.tidied = now;
            let oldest = now.saturating_sub(SLOTS as u32);
            self.tracks.retain(|_, track| track.slots.back().is_some_and(|slot| slot.number > oldest));
            if self.tracks.len() >= MAX_TARGETS {
                return None;
            }
        }
        Some(self.tracks.entry(fingerprint).or_default())
    }
}

impl Track {
    fn observe(&mut self, number: u32, outcome: &Outcome) {
        // The wall clock was set back: what it says now counts.
        while self.slots.back().is_some_and(|slot| slot.number > number) {
            self.slots.pop_back();
        }
        if self.slots.back().is_none_or(|slot| slot.number < number) {
            self.slots.push_back(Slot { number, successes: 0, failures: 0, mean_ms: 0.0 });
        }
        while self.slots.front().is_some_and(|slot| slot.number + SLOTS as u32 <= number) {
            self.slots.pop_front();
        }
        let Some(slot) = self.slots.back_mut() else { return };
        match outcome {
            Outcome::Success(finding) => {
                slot.successes = slot.successes.saturating_add(1);
                let ms = finding.took.as_secs_f32() * 1000.0;
                slot.mean_ms += (ms - slot.mean_ms) / f32::from(slot.successes);
            }
            Outcome::Failure(_) => slot.failures = slot.failures.saturating_add(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::{Failure, Finding};

    const START: Duration = Duration::from_secs(1_800_000_000);

    fn ok(ms: u64) -> Outcome {
        Outcome::Success(Finding::full(Duration::from_millis(ms)))
    }

    #[test]
    fn outcomes_of_one_slot_are_added_up_and_an_hour_is_kept() {
        let history = ProbeHistory::default();
        for (second, outcome) in [(0, ok(10)), (5, ok(20)), (10, Outcome::Failure(Failure::Refused)), (15, ok(7))] {
            history.observe(1, &outcome, START + Duration::from_secs(second));
        }
        let first = slot_at(START);
        let slots: Vec<Slot> = history.track(1).unwrap().slots.into();
        assert_eq!(slots[0], Slot { number: first, successes: 2, failures: 1, mean_ms: 15.0 });
        assert_eq!(slots[1], Slot { number: first + 1, successes: 1, failures: 0, mean_ms: 7.0 });
        for number in 0..2 * SLOTS as u32 {
            history.observe(1, &ok(1), START + number * SLOT);
        }
        let track = history.track(1).unwrap();
        assert_eq!((track.slots.len(), track.slots[0].number), (SLOTS, first + SLOTS as u32));
        assert_eq!(history.track(2), None);
    }

    #[test]
    fn a_clock_that_is_set_back_begins_anew_from_there() {
        let history = ProbeHistory::default();
        history.observe(1, &ok(1), START);
        history.observe(1, &ok(2), START + 3 * SLOT);
        history.observe(1, &ok(3), START + SLOT);
        let numbers: Vec<u32> = history.track(1).unwrap().slots.iter().map(|slot| slot.number).collect();
        assert_eq!(numbers, [slot_at(START), slot_at(START) + 1]);
    }

    #[test]
    fn the_last_states_are_kept_with_short_texts() {
        let history = ProbeHistory::default();
        let long = Outcome::Failure(Failure::Reported(Some("ä".repeat(MAX_TEXT).into())));
        for second in 0..=TURNS as u64 {
            history.turn(1, State::Down, Some(&long), START + Duration::from_secs(second));
        }
        let turns = history.track(1).unwrap().turns;
        assert_eq!((turns.len(), turns[0].at), (TURNS, START + Duration::from_secs(1)));
        assert!(turns[0].seen.as_ref().unwrap().chars().count() <= MAX_TEXT);
    }

    #[test]
    fn targets_that_are_no_longer_probed_give_way() {
        let history = ProbeHistory::default();
        for target in 0..MAX_TARGETS as u128 {
            history.observe(target, &ok(1), START);
        }
        history.observe(u128::MAX, &ok(1), START + SLOT);
        assert_eq!(history.track(u128::MAX), None, "all others are fresh");
        history.observe(0, &ok(1), START + SLOTS as u32 * SLOT);
        history.observe(u128::MAX, &ok(1), START + SLOTS as u32 * SLOT);
        assert!(history.track(u128::MAX).is_some() && history.track(0).is_some() && history.track(1).is_none());
    }
}
