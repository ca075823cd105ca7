//! Whole roll-overs, second by second, on two nodes whose clocks differ, with a parent that takes its time. At every second
//! a validator that holds any mix of cached DS, DNSKEY and other records must find them valid.

use proptest::prelude::*;

use super::super::{Replacement, Role, Schedule};
use super::*;

const ECDSA: Algorithm = Algorithm::EcdsaP256Sha256;
const ED: Algorithm = Algorithm::Ed25519;

/// When the story begins. The first keys were made long before.
const BEGIN: u64 = 1000;

/// Keys as a set of bits, by position.
type Keys = u8;

/// The apex records and signatures that one node serves at one second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Served {
    published: Keys,
    signs_keys: Keys,
    signs_records: Keys,
    asked_for: Keys,
}

impl Served {
    fn at(keys: &[KeyTimes], delays: Delays, now: u64) -> Self {
        let plan = Plan::at(keys, delays, now);
        let set = |does: fn(&Part) -> bool| {
            plan.parts.iter().enumerate().filter(|(_, part)| does(part)).fold(0, |set, (key, _)| set | 1 << key)
        };
        Self {
            published: set(|part| part.is_published),
            signs_keys: set(|part| part.signs_keys),
            signs_records: set(|part| part.signs_records),
            asked_for: set(|part| part.has_cds),
        }
    }
}

/// A zone, its nodes and its parent.
struct World {
    delays: Delays,
    keys: Vec<KeyTimes>,
    /// The seconds by which the clock of the second node is ahead, and by which it gets files later.
    ahead: i64,
    copied_after: u64,
    /// The files of each second.
    files: Vec<Vec<KeyTimes>>,
    /// The DS records of each second.
    ds: Vec<Keys>,
    served: [Vec<Served>; 2],
    /// Seconds that the parent takes, and seconds after which it is noticed.
    parent_takes: u64,
    noticed_after: u64,
    /// When the parent saw that it should change.
    asked: Option<u64>,
    changed: Option<u64>,
}

impl World {
    fn new(keys: Vec<KeyTimes>, delays: Delays, (ahead, copied_after): (i64, u64), parent: (u64, u64)) -> Self {
        let asked = Served::at(&keys, delays, BEGIN).asked_for;
        Self {
            delays,
            keys,
            ahead,
            copied_after,
            files: Vec::new(),
            ds: vec![asked],
            served: [Vec::new(), Vec::new()],
            parent_takes: parent.0,
            noticed_after: parent.1,
            asked: None,
            changed: None,
        }
    }

    fn now(&self) -> u64 {
        BEGIN + self.files.len() as u64
    }

    /// Lets a second pass.
    fn pass(&mut self) {
        let now = self.now();
        self.files.push(self.keys.clone());
        let late = self.files.len() - 1 - (self.copied_after as usize).min(self.files.len() - 1);
        self.served[0].push(Served::at(&self.keys, self.delays, now));
        let other = now.saturating_add_signed(self.ahead);
        self.served[1].push(Served::at(&self.files[late], self.delays, other));
        let ds = *self.ds.last().unwrap();
        // The parent asks either node.
        let asked = self.served[now as usize % 2].last().unwrap().asked_for;
        if asked != ds {
            let since = *self.asked.get_or_insert(now);
            if now >= since + self.parent_takes {
                self.ds.push(asked);
                (self.asked, self.changed) = (None, Some(now));
                return;
            }
        }
        self.ds.push(ds);
        if let Some(changed) = self.changed
            && now >= changed + self.noticed_after
        {
            if ds != Served::at(&self.keys, self.delays, now).asked_for {
                return;
            }
            self.changed = None;
            let parts = self.parts();
            let may_repeat = parts.iter().any(|(_, part)| part.wait == Some(Wait::NoDs))
                && parts.iter().all(|(_, part)| part.state != State::Removed);
            for key in (0..self.keys.len()).filter(|&key| ds & 1 << key != 0) {
                if self.keys[key].timing.ds_publish.is_none() || may_repeat {
                    let Schedule { old, .. } = Schedule::ds_seen(&self.parts(), key, now, self.delays.ds, self.delays);
                    for (key, timing) in old {
                        self.keys[key].timing = timing;
                    }
                }
            }
        }
    }

    fn of(&self, set: Keys, algorithm: Algorithm) -> Keys {
        let of = (0..self.keys.len()).filter(|&key| self.keys[key].algorithm == algorithm);
        of.fold(0, |mask, key| mask | 1 << key) & set
    }

    /// Checks all mixes of caches at the last second.
    fn check(&self) {
        let last = self.files.len() - 1;
        let since = |ttl: u64| last.saturating_sub(ttl as usize)..=last;
        let check = |ds: Keys, at: (usize, usize), of: (usize, usize)| {
            let (keys, records) = (self.served[at.0][at.1], self.served[of.0][of.1]);
            // RFC 6840, section 5.11: strict validators want every algorithm of the DS RRset, and some want all of the
            // DNSKEY RRset.
            let is_trusted = [ECDSA, ED].into_iter().all(|algorithm| {
                let is_used = self.of(ds, algorithm) != 0;
                !is_used || self.of(ds & keys.published & keys.signs_keys, algorithm) != 0
            });
            let is_signed = [ECDSA, ED].into_iter().all(|algorithm| {
                let is_used = self.of(keys.published, algorithm) != 0;
                !is_used
                    || self.of(keys.published & keys.signs_keys, algorithm) != 0
                        && self.of(keys.published & records.signs_records, algorithm) != 0
            });
            assert!(
                ds != 0 && is_trusted && is_signed,
                "bogus at {last}: DS {ds:b}, {keys:?} of node {} at {}, {records:?} of node {} at {}\n{:?}\n{:?}",
                at.0,
                at.1,
                of.0,
                of.1,
                self.keys,
                self.delays
            );
        };
        for ds_at in since(self.delays.ds) {
            for keys_at in since(self.delays.keys) {
                for records_at in since(self.delays.zone) {
                    for nodes in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                        check(self.ds[ds_at + 1], (nodes.0, keys_at), (nodes.1, records_at));
                    }
                }
            }
        }
    }

    fn live(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.pass();
            self.check();
        }
    }

    fn parts(&self) -> Vec<(KeyTimes, Part)> {
        let plan = Plan::at(&self.keys, self.delays, self.now());
        self.keys.iter().copied().zip(plan.parts).collect()
    }

    fn begin(&mut self, replacement: Replacement) {
        let keys = self.parts();
        let start = self.now() + self.delays.propagation;
        let Schedule { new, old } = Schedule::begin(&keys, replacement, start, self.delays).unwrap();
        for (key, timing) in old {
            self.keys[key].timing = timing;
        }
        self.keys.extend(new.into_iter().map(|(role, algorithm, timing)| KeyTimes {
            algorithm,
            is_entry: role.is_entry(),
            timing,
        }));
    }
}

fn first(algorithm: Algorithm, is_entry: bool) -> KeyTimes {
    let timing = Timing { publish: Some(100), activate: Some(100), ..Timing::default() };
    KeyTimes { algorithm, is_entry, timing }
}

fn delays() -> impl Strategy<Value = Delays> {
    (0..6u64, 0..6u64, 0..6u64, 1..4u64).prop_map(|(keys, zone, ds, propagation)| Delays {
        keys,
        zone,
        ds,
        propagation,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn no_cache_finds_a_roll_over_bogus(
        delays in delays(),
        shape in 0..5usize,
        ahead in -3..=3i64,
        copied_after in 0..3u64,
        parent in (0..9u64, 0..5u64),
    ) {
        let limit = delays.propagation.cast_signed();
        let ahead = ahead.clamp(-limit, limit);
        // The time of propagation is that of both.
        let copied_after = copied_after.min((limit - ahead.abs()).cast_unsigned());
        let pair = || vec![first(ECDSA, true), first(ECDSA, false)];
        let (keys, replacement) = match shape {
            0 => (vec![first(ECDSA, true)], Replacement::Role(Role::Csk)),
            1 => (vec![first(ED, true)], Replacement::Algorithm(ECDSA)),
            2 => (pair(), Replacement::Role(Role::Zsk)),
            3 => (pair(), Replacement::Role(Role::Ksk)),
            _ => (pair(), Replacement::Algorithm(ED)),
        };
        let mut world = World::new(keys, delays, (ahead, copied_after), parent);
        world.live(8);
        world.begin(replacement);
        world.live(90);
        // Once more, over the keys that are in use now.
        let replacement = match replacement {
            Replacement::Algorithm(ED) => Replacement::Role(Role::Ksk),
            Replacement::Algorithm(ECDSA) => Replacement::Role(Role::Csk),
            role => role,
        };
        world.begin(replacement);
        world.live(90);
        let plan = Plan::at(&world.keys, delays, world.now());
        prop_assert_eq!(plan.until, None);
        prop_assert!(plan.parts.iter().all(|part| matches!(part.state, State::Active | State::Removed)), "{:?}", plan);
        prop_assert!(plan.parts.iter().all(|part| part.wait.is_none()));
        let gone = plan.parts.iter().filter(|part| part.state == State::Removed).count();
        prop_assert_eq!(gone, if shape == 4 { 3 } else { 2 }, "{:?}", plan);
        prop_assert!(plan.parts.iter().all(|part| part.is_published == (part.state == State::Active)));
    }

    /// Whatever times operators or other programs write.
    #[test]
    fn no_times_make_a_zone_bogus(
        delays in delays(),
        ahead in -3..=3i64,
        parent in (0..9u64, 0..5u64),
        keys in prop::collection::vec((any::<bool>(), any::<bool>(), prop::collection::vec(prop::option::of(0..60u64), 6)), 1..4),
        ends in prop::collection::vec(prop::option::of(0..60u64), 3),
    ) {
        let limit = delays.propagation.cast_signed();
        let at = |time: Option<u64>| time.map(|time| BEGIN + 8 + time);
        let mut all = vec![first(ECDSA, true)];
        (all[0].timing.inactive, all[0].timing.delete, all[0].timing.sync_delete) = (at(ends[0]), at(ends[1]), at(ends[2]));
        for (is_ecdsa, is_entry, times) in keys {
            let timing = Timing {
                // Without any time a key was there from the beginning.
                publish: at(times[0].or(Some(5))),
                activate: at(times[1].or(Some(5))),
                inactive: at(times[2]),
                delete: at(times[3]),
                sync_publish: at(times[4]),
                sync_delete: at(times[5]),
                ds_publish: None,
            };
            all.push(KeyTimes { algorithm: if is_ecdsa { ECDSA } else { ED }, is_entry, timing });
        }
        let mut world = World::new(all, delays, (ahead.clamp(-limit, limit), 0), parent);
        world.live(130);
    }

    #[test]
    fn a_plan_lasts_until_it_says(delays in delays(), shape in any::<bool>(), step in 0..60u64) {
        let keys = vec![first(ECDSA, true), first(ECDSA, false)];
        let mut world = World::new(keys, delays, (0, 0), (0, 0));
        world.begin(if shape { Replacement::Role(Role::Zsk) } else { Replacement::Algorithm(ED) });
        let now = world.now() + step;
        let plan = Plan::at(&world.keys, delays, now);
        let until = plan.until.unwrap_or(now + 40);
        prop_assert!(until > now);
        for time in now..until.min(now + 100) {
            prop_assert_eq!(&Plan::at(&world.keys, delays, time).parts, &plan.parts, "{}", time);
        }
    }
}

#[test]
fn states_follow_the_drawing() {
    let delays = Delays { keys: 10, zone: 20, ds: 40, propagation: 1 };
    let mut world = World::new(vec![first(ECDSA, true)], delays, (0, 0), (1000, 0));
    world.begin(Replacement::Role(Role::Csk));
    let states = |keys: &[KeyTimes], now: u64| {
        let plan = Plan::at(keys, delays, now);
        plan.parts.iter().map(|part| part.state.as_str()).collect::<Vec<_>>().join(" ")
    };
    let start = BEGIN + 1;
    let at = |after: u64| states(&world.keys, start + after);
    assert_eq!(states(&world.keys, BEGIN), "active generated");
    assert_eq!([at(0), at(10)], ["active published", "active published"]);
    assert_eq!([at(11), at(1000)], ["retired ready", "retired ready"]);
    let waiting = Plan::at(&world.keys, delays, start + 1000);
    assert_eq!((waiting.parts[1].wait, waiting.parts[1].waits_since), (Some(Wait::Ds), start + 11));
    assert_eq!(waiting.until, None);
    let signing: Vec<bool> = waiting.parts.iter().map(|part| part.signs_records).collect();
    assert_eq!(signing, [false, true]);
    assert!(waiting.parts.iter().all(|part| part.signs_keys));
    let keys: Vec<_> = world.keys.iter().copied().zip(waiting.parts).collect();
    let seen = Schedule::ds_seen(&keys, 1, start + 1000, 0, delays);
    for (key, timing) in seen.old {
        world.keys[key].timing = timing;
    }
    let at = |after: u64| states(&world.keys, start + after);
    assert_eq!([at(1000), at(1040), at(1041)], ["retired active", "retired active", "removed active"]);
    let (next, plan) = Plan::at(&world.keys, delays, start + 1000).next(&world.keys, delays).unwrap();
    assert_eq!((next, plan.parts[0].state), (start + 1041, State::Removed));
}

#[test]
fn a_key_whose_time_is_over_goes_on_without_a_successor() {
    let mut key = first(ECDSA, true);
    (key.timing.inactive, key.timing.delete) = (Some(500), Some(600));
    let plan = Plan::at(&[key], Delays::default(), BEGIN);
    assert!(plan.parts[0].signs_keys && plan.parts[0].signs_records && plan.parts[0].has_cds);
    assert_eq!((plan.parts[0].wait, plan.parts[0].waits_since), (Some(Wait::Successor), 500));

    // Its KSK does not take its place: the next roll-over finds a ZSK to replace.
    let zsk = KeyTimes { is_entry: false, ..key };
    let plan = Plan::at(&[first(ECDSA, true), zsk], Delays::default(), BEGIN);
    assert_eq!(plan.parts.iter().map(|part| part.signs_records).collect::<Vec<_>>(), [false, true]);
    assert_eq!((plan.parts[1].state, plan.parts[1].wait), (State::Active, Some(Wait::Successor)));
}
