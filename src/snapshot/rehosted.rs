//! Finds the probes that ask for another host than in an earlier world.
//!
//! A monitor without `host` asks for the name that uses the pool. So the host can change when a name is added or
//! removed.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;

use super::world::{PoolSpec, World};
use crate::health::{ProbeAddress, Target};

/// A probe that differs from an earlier one of the same pool only in the host that it asks for.
#[derive(Clone, Copy, Debug)]
pub struct Rehosted<'a> {
    /// The pool, as it is now.
    pub pool: &'a PoolSpec,
    /// The target before, which the pool no longer has.
    pub before: &'a Target,
    /// The target now, which the pool did not have.
    pub after: &'a Target,
}

/// Maximum number of hosts that a message names. It counts the others.
const MOST_HOSTS: usize = 4;

/// The hosts that the probes of a pool ask for now, and those that they asked for before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostChange {
    pool: Box<str>,
    before: BTreeSet<Box<str>>,
    after: BTreeSet<Box<str>>,
}

impl HostChange {
    /// Begins with a pool without a change.
    pub fn new(pool: &str) -> Self {
        Self { pool: pool.into(), before: BTreeSet::new(), after: BTreeSet::new() }
    }

    /// Adds a probe that asked for one host and now asks for another one.
    pub fn add(&mut self, before: &str, after: &str) {
        self.before.insert(before.into());
        self.after.insert(after.into());
    }
}

impl fmt::Display for HostChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pool, before, after } = self;
        let [before, after] = [before, after].map(list);
        write!(
            f,
            "probes of pool `{pool}` now ask for the host {after} instead of {before}; its endpoints keep their states \
             until these probes confirm others"
        )
    }
}

/// Joins the names of hosts, at most [`MOST_HOSTS`] of them.
fn list(hosts: &BTreeSet<Box<str>>) -> String {
    let listed: Vec<&str> = hosts.iter().map(|host| &**host).take(MOST_HOSTS).collect();
    let listed = listed.join(", ");
    if hosts.len() > MOST_HOSTS { format!("{listed} and {} more", hosts.len() - MOST_HOSTS) } else { listed }
}

impl World {
    /// Returns the probes that ask for another host than they did in the world before, in the order of the pools.
    pub fn rehosted<'a>(&'a self, before: &'a Self) -> Vec<Rehosted<'a>> {
        let old: HashMap<_, _> = before.pools.iter().map(|pool| ((&pool.zone, &pool.name), &**pool)).collect();
        let pairs = self.pools.iter().filter_map(|pool| Some((&**pool, *old.get(&(&pool.zone, &pool.name))?)));
        pairs.filter(|(pool, old)| pool.members != old.members).flat_map(|(pool, old)| rehosted_of(pool, old)).collect()
    }
}

fn rehosted_of<'a>(pool: &'a PoolSpec, old: &'a PoolSpec) -> Vec<Rehosted<'a>> {
    let (before, after) = (old.members.targets(), pool.members.targets());
    let (was, is) = (before.iter().collect::<HashSet<_>>(), after.iter().collect::<HashSet<_>>());
    let mut gone: HashMap<&ProbeAddress, Vec<&Target>> = HashMap::new();
    for target in before.iter().copied().filter(|target| !is.contains(target)) {
        gone.entry(&target.address).or_default().push(target);
    }
    let came = after.iter().filter(|target| !was.contains(target)).copied();
    came.filter_map(|after| {
        let is_same = |before: &&&Target| before.monitor.check == after.monitor.check;
        // If several targets match, the one with the first host is taken, so that every run reports the same.
        let before = *gone.get(&after.address)?.iter().filter(is_same).min_by_key(|before| &before.host)?;
        (before.host != after.host).then_some(Rehosted { pool, before, after })
    })
    .collect()
}
