//! Roll-overs that begin by themselves, because the lifetime of a key ends.
//!
//! ```text
//!   Activate                                files are written    Publish         ready, and the lifetime ends
//!      ├─────────────────── … ─────────────────────┼── propagation ──┼── K, propagation ──┤
//! ```
//!
//! K is the TTL of DNSKEY records. So a new key takes over when the lifetime of the old one ends. This only decides; whoever
//! may make keys begins the roll-over as an operator would.

use super::plan::{KeyTimes, Part, State};
use super::schedule::{Role, Schedule, role};
use super::time::{Delays, Timing};

/// How long keys are used before the next ones take over, in seconds; `None` for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lifetimes {
    /// That of entry points: KSKs and CSKs.
    pub ksk: Option<u64>,
    /// That of ZSKs.
    pub zsk: Option<u64>,
}

impl Lifetimes {
    /// Returns the lifetime of keys with this role.
    pub fn of(self, role: Role) -> Option<u64> {
        if role.is_entry() { self.ksk } else { self.zsk }
    }

    /// Returns the least lifetime in seconds with which a roll-over of this role ends before the next one begins, if the
    /// parent takes no time.
    pub fn least(role: Role, delays: Delays) -> u64 {
        Schedule::overlap(role, delays) + lead(delays)
    }
}

/// Returns how long before the end of a lifetime a roll-over begins, in seconds.
fn lead(delays: Delays) -> u64 {
    delays.propagation + delays.keys + delays.propagation
}

/// A roll-over that a lifetime asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// The position of the key whose lifetime ends first among those with its role.
    pub key: usize,
    /// The role of the keys that it replaces.
    pub role: Role,
    /// When it begins, in Unix seconds.
    pub begins: u64,
    /// When the lifetime of the key ends, in Unix seconds.
    pub ends: u64,
}

impl Turn {
    /// Returns the roll-overs that lifetimes ask for, the earliest first. There are none while another roll-over is under way.
    /// `since` is when each key came into use, in Unix seconds; `None` if its files do not tell.
    pub(super) fn all(
        keys: &[(KeyTimes, Part)],
        since: &[Option<u64>],
        lifetimes: Lifetimes,
        delays: Delays,
    ) -> Vec<Self> {
        if Schedule::under_way(keys).is_some() {
            return Vec::new();
        }
        let mut turns: Vec<Self> = Vec::new();
        for (key, (times, part)) in keys.iter().enumerate() {
            let role = role(keys, key);
            let Some(lifetime) = lifetimes.of(role).filter(|_| part.state == State::Active) else { continue };
            let Timing { inactive, delete, .. } = times.timing;
            let end = since[key].map(|since| since.saturating_add(lifetime));
            let Some(ends) = [end, inactive, delete].into_iter().flatten().min() else { continue };
            let turn = Self { key, role, begins: ends.saturating_sub(lead(delays)), ends };
            match turns.iter_mut().find(|other| other.role == role) {
                Some(other) if other.ends <= ends => {}
                Some(other) => *other = turn,
                None => turns.push(turn),
            }
        }
        turns.sort_by_key(|turn| turn.begins);
        turns
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Algorithm, Plan, Replacement};
    use super::*;

    const DELAYS: Delays = Delays { keys: 60, zone: 300, ds: 600, propagation: 10 };
    const LIFETIMES: Lifetimes = Lifetimes { ksk: Some(20_000), zsk: Some(5000) };

    /// When the first keys were made.
    const BORN: u64 = 1_000_000;

    fn key(is_entry: bool) -> KeyTimes {
        let timing = Timing { publish: Some(BORN), activate: Some(BORN), ..Timing::default() };
        KeyTimes { algorithm: Algorithm::Ed25519, is_entry, timing }
    }

    fn turns(keys: &[KeyTimes], lifetimes: Lifetimes, now: u64) -> Vec<Turn> {
        let since: Vec<Option<u64>> = keys.iter().map(|key| key.timing.activate).collect();
        Turn::all(&at(keys, now), &since, lifetimes, DELAYS)
    }

    fn at(keys: &[KeyTimes], now: u64) -> Vec<(KeyTimes, Part)> {
        keys.iter().copied().zip(Plan::at(keys, DELAYS, now).parts.iter().copied()).collect()
    }

    /// Writes the files of a roll-over of this role at this time.
    fn roll(keys: &mut Vec<KeyTimes>, role: Role, now: u64) {
        let schedule = Schedule::begin(&at(keys, now), Replacement::Role(role), now + DELAYS.propagation, DELAYS);
        let Schedule { new, old } = schedule.unwrap();
        for (key, timing) in old {
            keys[key].timing = timing;
        }
        let new = new.into_iter();
        keys.extend(new.map(|(role, algorithm, timing)| KeyTimes { algorithm, is_entry: role.is_entry(), timing }));
    }

    #[test]
    fn each_role_has_its_time() {
        let pair = [key(true), key(false)];
        let lead = 10 + 60 + 10;
        let zsk = Turn { key: 1, role: Role::Zsk, begins: BORN + 5000 - lead, ends: BORN + 5000 };
        let ksk = Turn { key: 0, role: Role::Ksk, begins: BORN + 20_000 - lead, ends: BORN + 20_000 };
        assert_eq!(turns(&pair, LIFETIMES, BORN), [zsk, ksk]);
        assert_eq!(turns(&pair, LIFETIMES, BORN + 1_000_000), [zsk, ksk], "it is late, and not forgotten");
        assert_eq!(turns(&pair, Lifetimes { zsk: None, ..LIFETIMES }, BORN), [ksk]);
        assert_eq!(turns(&[key(true)], LIFETIMES, BORN), [Turn { role: Role::Csk, ..ksk }]);
        assert_eq!(turns(&[key(true)], Lifetimes { ksk: None, ..LIFETIMES }, BORN), []);
    }

    #[test]
    fn the_earlier_end_of_a_key_counts() {
        let mut ends = key(true);
        ends.timing.inactive = Some(BORN + 9000);
        assert_eq!(
            turns(&[key(true), ends], LIFETIMES, BORN)[0],
            Turn { key: 1, role: Role::Csk, begins: BORN + 9000 - 80, ends: BORN + 9000 }
        );
        // A file without times tells no age.
        let ageless = KeyTimes { timing: Timing::default(), ..key(true) };
        assert_eq!(turns(&[ageless], LIFETIMES, BORN), []);
    }

    /// Every second for weeks: one roll-over at a time, and each new key takes over when the lifetime of the old one ends.
    #[test]
    fn zsks_follow_one_another() {
        let mut keys = vec![key(true), key(false)];
        let lifetimes = Lifetimes { ksk: None, zsk: Some(Lifetimes::least(Role::Zsk, DELAYS)) };
        let (mut rolled, mut now) = (Vec::new(), BORN);
        while rolled.len() < 5 {
            assert!(now < BORN + 10_000, "{rolled:?}");
            if let Some(turn) = turns(&keys, lifetimes, now).first().filter(|turn| turn.begins <= now) {
                assert_eq!((turn.begins, turn.role), (now, Role::Zsk));
                roll(&mut keys, turn.role, now);
                assert_eq!(turns(&keys, lifetimes, now), [], "it is under way");
                assert_eq!(keys.last().unwrap().timing.activate, Some(turn.ends));
                rolled.push(now);
            }
            now += 1;
        }
        let steps: Vec<u64> = rolled.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(steps.iter().all(|&step| step == lifetimes.zsk.unwrap()), "{steps:?}");
    }

    #[test]
    fn a_roll_over_of_an_entry_point_waits_for_the_parent_and_no_other_begins() {
        let mut keys = vec![key(true)];
        let begins = turns(&keys, LIFETIMES, BORN)[0].begins;
        roll(&mut keys, Role::Csk, begins);
        for now in [begins, begins + 1000, begins + 1_000_000] {
            assert_eq!(turns(&keys, LIFETIMES, now), [], "{now}");
        }
        let seen = begins + 1_000_000;
        let schedule = Schedule::ds_seen(&at(&keys, seen), 1, seen, 600, DELAYS);
        for (key, timing) in schedule.old {
            keys[key].timing = timing;
        }
        assert_eq!(turns(&keys, LIFETIMES, seen), [], "the old key is still there");
        let next = turns(&keys, LIFETIMES, seen + 2000);
        assert_eq!(next.len(), 1);
        assert_eq!((next[0].key, next[0].begins < seen), (1, true), "the new key is as old as its file says");
    }

    /// The clock is set back and forth after the files are written: the files say that a roll-over is under way.
    #[test]
    fn a_clock_that_steps_begins_no_second_roll_over() {
        let mut keys = vec![key(true), key(false)];
        let begins = turns(&keys, LIFETIMES, BORN)[0].begins;
        roll(&mut keys, Role::Zsk, begins);
        for now in [begins - 1, BORN, begins + 1, BORN + 1, begins + 100] {
            assert_eq!(turns(&keys, LIFETIMES, now), [], "{now}");
        }
        // A clock that was far ahead.
        let mut keys = vec![key(true), key(false)];
        roll(&mut keys, Role::Zsk, BORN + 1_000_000_000);
        assert_eq!(turns(&keys, LIFETIMES, begins), []);
        assert_eq!(turns(&[key(true)], LIFETIMES, 0), [], "its key is not in use yet");
    }

    /// The node was killed when it had written the old key's file: there is no new key.
    #[test]
    fn a_roll_over_that_was_cut_short_begins_again() {
        let mut keys = vec![key(true), key(false)];
        let begins = turns(&keys, LIFETIMES, BORN)[0].begins;
        roll(&mut keys, Role::Zsk, begins);
        keys.pop();
        for now in [begins, begins + 100, begins + 1_000_000] {
            let due = turns(&keys, LIFETIMES, now);
            assert!(due[0].role == Role::Zsk && due[0].begins <= now, "{due:?}");
        }
    }
}
