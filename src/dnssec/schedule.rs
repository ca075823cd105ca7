//! The times that a roll-over writes to key files. They are the earliest ones: a [`Plan`](super::Plan) keeps to them and
//! waits for what no time can say.

use std::fmt;

use super::Algorithm;
use super::plan::{KeyTimes, Part, State};
use super::time::{Delays, Timing};

/// The role of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A combined signing key: an entry point that signs everything.
    Csk,
    /// A key-signing key: an entry point that signs DNSKEY, CDS and CDNSKEY.
    Ksk,
    /// A zone-signing key, which signs everything else.
    Zsk,
}

impl Role {
    /// True if the parent's DS record may refer to a key with this role.
    pub const fn is_entry(self) -> bool {
        matches!(self, Self::Csk | Self::Ksk)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Csk => "CSK",
            Self::Ksk => "KSK",
            Self::Zsk => "ZSK",
        })
    }
}

/// The keys that a roll-over replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replacement {
    /// Those with this role.
    Role(Role),
    /// All, by keys of this algorithm.
    Algorithm(Algorithm),
}

/// New times of keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    /// The keys to make, with their times.
    pub new: Vec<(Role, Algorithm, Timing)>,
    /// The keys whose times change, by their position among the given ones.
    pub old: Vec<(usize, Timing)>,
}

/// The reason why no roll-over can begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The key at this position is neither in use nor gone: another roll-over is under way.
    UnderWay(usize, State),
    /// No key with this role is in use.
    NoneOf(Role),
    /// All keys have this algorithm already.
    SameAlgorithm(Algorithm),
}

impl Schedule {
    /// Returns the times of a roll-over that begins at the time `start`, in Unix seconds. Fails if it cannot begin.
    pub fn begin(
        keys: &[(KeyTimes, Part)],
        replacement: Replacement,
        start: u64,
        delays: Delays,
    ) -> Result<Self, Refusal> {
        if let Some((key, state)) = Self::under_way(keys) {
            return Err(Refusal::UnderWay(key, state));
        }
        let times = Times { start, delays };
        let active: Vec<usize> = (0..keys.len()).filter(|&key| keys[key].1.state == State::Active).collect();
        let role = |key: usize| role(keys, key);
        let replaced: Vec<usize> = match replacement {
            Replacement::Role(of) => active.into_iter().filter(|&key| role(key) == of).collect(),
            Replacement::Algorithm(_) => active,
        };
        match replacement {
            Replacement::Role(of) if replaced.is_empty() => return Err(Refusal::NoneOf(of)),
            Replacement::Algorithm(of) if replaced.iter().any(|&key| keys[key].0.algorithm == of) => {
                return Err(Refusal::SameAlgorithm(of));
            }
            Replacement::Role(_) | Replacement::Algorithm(_) => {}
        }
        let mut schedule = Self::default();
        let mut made: Vec<(Role, Algorithm)> = Vec::new();
        for key in replaced {
            let algorithm = if let Replacement::Algorithm(new) = replacement { new } else { keys[key].0.algorithm };
            let is_same = algorithm == keys[key].0.algorithm;
            let (role, dates) = (role(key), if is_same { times.beside() } else { times.of_algorithm() });
            if !made.contains(&(role, algorithm)) {
                made.push((role, algorithm));
                schedule.new.push((role, algorithm, dates.of_new(role)));
            }
            schedule.old.push((key, dates.of_old(role, keys[key].0.timing)));
        }
        Ok(schedule)
    }

    /// Returns the position and the state of a key that is neither in use nor gone; `None` if no roll-over is under way.
    pub(super) fn under_way(keys: &[(KeyTimes, Part)]) -> Option<(usize, State)> {
        let is_settled = |state: State| matches!(state, State::Active | State::Removed);
        let key = keys.iter().position(|(_, part)| !is_settled(part.state))?;
        Some((key, keys[key].1.state))
    }

    /// Returns the seconds from the activation of a new key with this role to the end of the old one, if the parent takes no
    /// time.
    pub(super) fn overlap(role: Role, delays: Delays) -> u64 {
        let dates = Times { start: 0, delays }.beside();
        let (new, old) = (dates.of_new(role), dates.of_old(role, Timing::default()));
        old.delete.unwrap_or(0).saturating_sub(new.activate.unwrap_or(0))
    }

    /// Returns the times of all keys after the parent was seen, at the time `seen`, to hold the DS record of the key at
    /// this position, and none of those that it replaces. `ttl` is the TTL of the parent's DS records in seconds.
    pub fn ds_seen(keys: &[(KeyTimes, Part)], key: usize, seen: u64, ttl: u64, delays: Delays) -> Self {
        let algorithm = keys[key].0.algorithm;
        let gone = seen + delays.ds.max(ttl) + delays.propagation;
        let later = |time: u64| Some(time.max(gone));
        let mut schedule = Self::default();
        for (other, (KeyTimes { algorithm: of, is_entry, timing }, part)) in keys.iter().enumerate() {
            // Keys that are not published any more keep their times.
            let is_going = other != key && part.is_published;
            let Some(delete) = timing.delete.filter(|_| is_going) else { continue };
            let timing = if *of != algorithm {
                let delete = delete.max(gone);
                let inactive = delete + delays.keys + delays.propagation;
                Timing { delete: Some(delete), inactive: timing.inactive.map(|time| time.max(inactive)), ..*timing }
            } else if *is_entry {
                Timing { delete: later(delete), ..*timing }
            } else {
                continue;
            };
            schedule.old.push((other, timing));
        }
        // The last one: if not all can be written, the roll-over goes on waiting.
        schedule.old.push((key, Timing { ds_publish: Some(seen), ..keys[key].0.timing }));
        schedule
    }
}

/// Returns the role of the key at this position.
pub(super) fn role(keys: &[(KeyTimes, Part)], key: usize) -> Role {
    let is_zone_key = |(times, part): &(KeyTimes, Part)| {
        !times.is_entry && times.algorithm == keys[key].0.algorithm && part.state != State::Removed
    };
    match keys[key].0.is_entry {
        false => Role::Zsk,
        true if keys.iter().any(is_zone_key) => Role::Ksk,
        true => Role::Csk,
    }
}

/// The beginning of a roll-over and the delays, which give all its times.
#[derive(Clone, Copy)]
struct Times {
    start: u64,
    delays: Delays,
}

impl Times {
    /// Returns the dates of a new key beside others of its algorithm.
    fn beside(self) -> Dates {
        let Delays { keys, zone, ds, propagation } = self.delays;
        let known = self.start + keys + propagation;
        Dates {
            publish: self.start,
            sign_keys: self.start,
            sign: known,
            ask: known,
            stop: known,
            unused: known + zone + propagation,
            untrusted: known + ds + propagation,
            is_whole: false,
        }
    }

    /// Returns the dates of the keys of a new algorithm.
    fn of_algorithm(self) -> Dates {
        let Delays { keys, zone, ds, propagation } = self.delays;
        let publish = self.start + zone + propagation;
        let ask = publish + keys + propagation;
        let untrusted = ask + ds + propagation;
        let stop = untrusted + keys + propagation;
        let (sign_keys, sign) = (self.start, self.start);
        Dates { publish, sign_keys, sign, ask, stop, unused: stop, untrusted, is_whole: true }
    }
}

/// The dates of a roll-over, in Unix seconds.
#[derive(Clone, Copy)]
struct Dates {
    /// The new DNSKEY record is published.
    publish: u64,
    /// The new KSK or CSK signs.
    sign_keys: u64,
    /// The new ZSK signs.
    sign: u64,
    /// CDS records ask for the new DS record.
    ask: u64,
    /// The old keys sign no more records.
    stop: u64,
    /// No cache holds records of the old ZSK.
    unused: u64,
    /// No cache holds the old DS record, if the parent changed it at once.
    untrusted: u64,
    /// True if an algorithm comes and another one goes.
    is_whole: bool,
}

impl Dates {
    fn of_new(self, role: Role) -> Timing {
        let sync_publish = role.is_entry().then_some(self.ask);
        let activate = Some(if role.is_entry() { self.sign_keys } else { self.sign });
        Timing { publish: Some(self.publish), activate, sync_publish, ..Timing::default() }
    }

    fn of_old(self, role: Role, timing: Timing) -> Timing {
        let (inactive, delete) = match role {
            // The DNSKEY records of an algorithm go before its signatures.
            _ if self.is_whole => (self.stop, self.untrusted),
            Role::Zsk => (self.stop, self.unused),
            Role::Ksk => (self.untrusted, self.untrusted),
            Role::Csk => (self.stop, self.untrusted.max(self.unused)),
        };
        let sync_delete = if role.is_entry() { Some(self.ask) } else { timing.sync_delete };
        Timing { inactive: Some(inactive), delete: Some(delete), sync_delete, ..timing }
    }
}
