//! Leases that a fleet shares: what the other nodes are told, and what they tell.
//!
//! An endpoint renews its lease at any node, or at several. A renewal is told at most four times in a term, whichever node
//! it reaches. What a source lists is not told: each node looks at the source itself.

use std::time::Duration;

use super::pool::{Lease, PoolLeases, Stage};
use super::{LeaseHappening, LeaseId, LeaseNews, LeaseRow, Leases};
use crate::health::PoolKey;

/// Most often that a renewal is told, in a term.
const TOLD: u32 = 4;

/// The kind of a word, on a lease or on another matter of the fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saying {
    /// The endpoint claims it: it is there.
    Claim,
    /// Somebody gives it up.
    Order,
    /// Its time is over.
    Finding,
    /// Somebody orders something that is to count on all nodes at once, or on none. There are none on leases.
    Proposal,
}

/// A word on a lease, for a fleet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseWord {
    /// The pool.
    pub pool: PoolKey,
    /// The endpoint's own name.
    pub id: LeaseId,
    /// The name of the token or the client that asked for it.
    pub who: Option<Box<str>>,
    /// Its kind.
    pub saying: Saying,
}

impl Leases {
    /// Returns the words since the last call, each with the lease as it is now; without it the lease is gone. `wall` is the
    /// wall-clock time.
    pub fn take_said(&mut self, now: Duration, wall: Duration) -> Vec<(LeaseWord, Option<LeaseRow>)> {
        let said = std::mem::take(&mut self.said);
        let with_row = |word: LeaseWord| {
            let row = self.row(&word.pool, &word.id, now, wall);
            (word, row)
        };
        said.into_iter().map(with_row).collect()
    }

    fn row(&self, key: &PoolKey, id: &LeaseId, now: Duration, wall: Duration) -> Option<LeaseRow> {
        let pool = self.pools.get(key)?;
        Some(pool.leases.get(id)?.row(key, &pool.name, id, now, wall))
    }

    pub(super) fn say(&mut self, key: &PoolKey, id: &LeaseId, who: Option<Box<str>>, saying: Saying, now: Duration) {
        let Some(lease) = self.pools.get_mut(key).and_then(|pool| pool.leases.get_mut(id)) else { return };
        if lease.is_discovered() {
            return;
        }
        lease.told_at = Some(now);
        self.said.push(LeaseWord { pool: key.clone(), id: id.clone(), who, saying });
    }

    /// Tells the fleet that a lease was renewed, if that was not told just before.
    pub(super) fn tell_renewal(&mut self, key: &PoolKey, id: &LeaseId, now: Duration) {
        let lease = self.pools.get(key).and_then(|pool| pool.leases.get(id));
        let Some(lease) = lease else { return };
        if lease.told_at.is_none_or(|told| told + lease.claim.ttl / TOLD <= now) {
            let who = lease.holder.clone();
            self.say(key, id, who, Saying::Claim, now);
        }
    }

    /// Takes in that an endpoint claimed or renewed a lease at another node, `by` whom. If that was just now (`is_live`), a
    /// whole term begins; otherwise the wall-clock time says how much of it is left. It is at least half of a term, as after
    /// a restart.
    pub fn follow_claim(&mut self, row: LeaseRow, is_live: bool, by: &str, now: Duration, wall: Duration) {
        let LeaseRow { pool: key, pool_name, id, claim, holder, until, is_leaving } = row;
        let left = until.saturating_sub(wall).min(if is_leaving { Duration::MAX } else { claim.ttl });
        let left = match (is_leaving, is_live) {
            (true, _) => left,
            (false, true) => claim.ttl,
            (false, false) => left.max(claim.ttl / 2),
        };
        let pool = self.pools.entry(key.clone()).or_insert_with(|| PoolLeases::new(pool_name, now));
        if let Some(taking) = &pool.taking
            && (taking.bounds.source.is_some() || !taking.bounds.hold(claim.address))
        {
            // The files of this node do not allow it.
            return;
        }
        if is_live {
            pool.hear(now);
        }
        let stage = if is_leaving { Stage::Leaving } else { Stage::Held };
        let address = claim.address;
        let new = Lease { claim, holder, ends_at: now + left, stage, told_at: Some(now) };
        let happening = match pool.leases.get(&id) {
            Some(old) if old.claim == new.claim && old.stage == stage => None,
            Some(old) if old.stage != stage && is_leaving => Some(LeaseHappening::Leaving),
            Some(_) => Some(LeaseHappening::Changed),
            None => Some(LeaseHappening::Registered),
        };
        // Of two endpoints with one address the later one counts.
        let is_other = |(other, lease): &(&LeaseId, &Lease)| **other != id && lease.claim.address == address;
        let others: Vec<LeaseId> = pool.leases.iter().filter(is_other).map(|(other, _)| other.clone()).collect();
        let name = pool.name.clone();
        pool.leases.insert(id.clone(), new);
        for other in others {
            self.follow_end(&key, &other, by);
        }
        if is_live {
            self.tell_turn(&key);
        }
        self.changed_rows.insert((key, id.clone()));
        if let Some(happening) = happening {
            self.is_changed = true;
            self.news.push(LeaseNews::Lease {
                pool: name,
                id,
                address: Some(address),
                who: Some(by.into()),
                happening,
            });
        }
    }

    /// Takes in that a lease ended at another node, or was given up there `by` somebody.
    pub fn follow_end(&mut self, key: &PoolKey, id: &LeaseId, by: &str) {
        let is_discovered = |pool: &PoolLeases| pool.leases.get(id).is_some_and(Lease::is_discovered);
        if self.pools.get(key).is_none_or(is_discovered) {
            return;
        }
        let told = self.said.len();
        self.end(key, id, Some(by.into()), LeaseHappening::Released);
        // The fleet knows.
        self.said.truncate(told);
    }
}
