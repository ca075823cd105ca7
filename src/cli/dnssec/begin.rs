//! Begins a roll-over: makes the new keys, and gives old ones new times. An operator does so by a command, and a node by itself.

use std::path::{Path, PathBuf};

use super::write;
use crate::clock;
use crate::config;
use crate::dnssec::key_file::{KeyFiles, NewKey};
use crate::dnssec::{Refusal, Replacement, Schedule, ZoneKeys};
use crate::vital;

/// Times that a new key is made anew because its tag is taken. Each one is by chance one of 65,536.
const TRIES: usize = 8;

/// A roll-over that has begun.
pub(in crate::cli) struct Begun {
    /// When, in Unix seconds.
    pub(in crate::cli) now: u64,
    /// The files that were written, in this order.
    pub(in crate::cli) written: Vec<PathBuf>,
    /// The keys of the files before.
    pub(super) before: ZoneKeys,
    /// The keys of the files now.
    pub(super) after: ZoneKeys,
}

/// Begins a roll-over of a zone with these keys in this folder. `choose` returns what it replaces and when its first step comes, in
/// Unix seconds, from the keys of the files at the time now: the files may be newer than what is served. Returns `None` if it
/// returns `None`. Fails with the reason; then the keys in use go on, and it can be repeated.
pub(in crate::cli) fn begin(
    keys: &ZoneKeys,
    folder: &Path,
    choose: impl FnOnce(&ZoneKeys, u64) -> Option<(Replacement, u64)>,
) -> Result<Option<Begun>, String> {
    let _locked = config::lock_keys(folder)?;
    let now = clock::unix_time();
    let stored = || config::read_signing_keys(folder, keys.apex());
    let with = |stored| keys.with_keys(stored, now).map_err(|error| error.to_string());
    let before = with(stored()?)?;
    let Some((replacement, start)) = choose(&before, now) else { return Ok(None) };
    let schedule = Schedule::begin(&before.times_and_parts(), replacement, start, before.delays());
    let Schedule { new, old } = schedule.map_err(|refusal| refused(&before, refusal))?;
    let ttl = before.delays().keys as u32;
    let mut made: Vec<KeyFiles> = Vec::new();
    for (role, algorithm, timing) in new {
        made.push(new_key(&before, &made, NewKey { role, algorithm, ttl, created: now, timing })?);
    }
    // The old ones come first. If it ends here, they go on without a successor, and it can be repeated.
    let mut written = Vec::new();
    for (number, timing) in old {
        let (key, _) = before.parts().nth(number).ok_or("a key is gone")?;
        let path = config::set_times(folder, before.apex(), key.public(), timing)
            .map_err(|error| format!("cannot write the times of key {}: {error}", key.public().tag()))?;
        written.push(path);
    }
    vital::holding_point("old keys written");
    for files in &made {
        let path = write(folder, files)?;
        written.extend([path.with_extension("private"), path]);
    }
    let after = with(stored()?)?;
    Ok(Some(Begun { now, written, before, after }))
}

/// Makes a key whose tag no other key of the zone has: validators would have to try both.
fn new_key(keys: &ZoneKeys, made: &[KeyFiles], new: NewKey) -> Result<KeyFiles, String> {
    let zone = keys.apex();
    let is_taken = |files: &KeyFiles| {
        let tag = |stem: &str| stem.rsplit('+').next().and_then(|tag| tag.parse::<u16>().ok());
        let own = tag(&files.stem);
        let is_foreign = keys.foreign().iter().any(|key| Some(key.tag()) == own);
        let is_own = keys.parts().any(|(key, _)| Some(key.public().tag()) == own);
        is_foreign || is_own || made.iter().any(|other| tag(&other.stem) == own)
    };
    let files = (0..TRIES).filter_map(|_| new.create(zone)).find(|files| !is_taken(files));
    files.ok_or_else(|| format!("no file can bear the name of {zone}, or the system has no random octets"))
}

pub(super) fn refused(keys: &ZoneKeys, refusal: Refusal) -> String {
    let zone = keys.apex();
    match refusal {
        Refusal::UnderWay(number, state) => {
            let tag = keys.parts().nth(number).map_or(0, |(key, _)| key.public().tag());
            format!(
                "a roll-over of {zone} is under way: key {tag} is {}. `truenorth dnssec status` says what it waits for",
                state.as_str()
            )
        }
        Refusal::NoneOf(role) => format!("no {role} of {zone} is in use"),
        Refusal::SameAlgorithm(algorithm) => format!("a key of {zone} has the algorithm {algorithm} already"),
    }
}
