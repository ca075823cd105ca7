//! Leases of endpoints that a source lists.

use std::net::IpAddr;
use std::time::Duration;

use super::pool::Stage;
use super::{Asker, Claim, LeaseHappening, LeaseId, LeaseNews, LeaseRefusal, Leases, PoolChoice};
use crate::health::PoolKey;
use crate::snapshot::{Capacity, PoolSpec};

/// The holder of these leases. The name of a token or a client has no control characters, so nobody else has this one.
pub(super) const DISCOVERY: &str = "discovery\u{1f}";

/// The term of these leases. Sources look much more often; the term matters only if they no longer do.
const TERM: Duration = Duration::from_secs(3600);

/// The reason when a source lists nothing while the pool has endpoints.
const NOTHING: &str = "it lists no endpoint any more";

/// An endpoint that a source lists.
#[derive(Clone, Debug, PartialEq)]
pub struct Discovered {
    /// Its address, which is its name too.
    pub address: IpAddr,
    /// Weight for draws.
    pub weight: u16,
    /// Its maximum load.
    pub capacity: Option<Capacity>,
    /// True if it is about to end: it is drained until the source lists it no more.
    pub is_leaving: bool,
}

impl Leases {
    /// Takes in what the source of a pool lists. Afterwards the pool has exactly these endpoints, as far as its bounds
    /// allow. If the source failed, or lists nothing while the pool has endpoints, the pool keeps those it has.
    pub fn discover(&mut self, key: &PoolKey, found: Result<Vec<Discovered>, String>, now: Duration) {
        let Some(pool) = self.pools.get_mut(key) else { return };
        if pool.taking.as_ref().is_none_or(|taking| taking.bounds.source.is_none()) {
            // The configuration has changed meanwhile.
            return;
        }
        let found = match found {
            Ok(list) if list.is_empty() && !pool.leases.is_empty() => Err(NOTHING.to_owned()),
            found => found,
        };
        match found {
            Ok(list) => self.follow(key, &list, now),
            Err(why) => self.keep(key, &why),
        }
    }

    /// Why the source of a pool cannot be used now.
    pub fn problem(&self, spec: &PoolSpec) -> Option<Box<str>> {
        self.pools.get(&spec.key())?.problem.clone()
    }

    fn follow(&mut self, key: &PoolKey, list: &[Discovered], now: Duration) {
        let asker = Asker { name: Some(DISCOVERY.into()), may_order: false };
        let Some(pool) = self.pools.get_mut(key) else { return };
        let name = pool.name.clone();
        let is_gone = |address: IpAddr| !list.iter().any(|endpoint| endpoint.address == address);
        let gone = pool.leases.iter().filter(|(_, lease)| is_gone(lease.claim.address));
        let gone: Vec<LeaseId> = gone.map(|(id, _)| id.clone()).collect();
        // Those that go make room.
        for id in gone {
            self.end(key, &id, None, LeaseHappening::Released);
        }
        let choice = PoolChoice { pool: name, datacenter: None, zone: None };
        let mut problem = None;
        for &Discovered { address, weight, capacity, is_leaving } in list {
            let Ok(id) = address.to_string().parse::<LeaseId>() else { continue };
            let claim = Claim { address, weight, capacity, ttl: TERM };
            if self.is_fresh(key, &id, &claim, is_leaving, now) {
                continue;
            }
            let claimed = self.claim_in(key.clone(), &id, claim, &asker, now);
            self.tell_refusal(&choice, &id, Some(address), &asker, &claimed, now);
            if let Err(refusal @ (LeaseRefusal::Full(..) | LeaseRefusal::BadAddress(..))) = &claimed {
                problem.get_or_insert(refusal.to_string());
            }
            if is_leaving && claimed.is_ok() {
                self.drain(key, &id);
            }
        }
        self.set_problem(key, problem.as_deref());
        self.tell_turn(key);
    }

    /// True if the lease is there as it should be, for at least half of its term: sources look often, and each renewal is
    /// written to disk.
    fn is_fresh(&self, key: &PoolKey, id: &LeaseId, claim: &Claim, is_leaving: bool, now: Duration) -> bool {
        let lease = self.pools.get(key).and_then(|pool| pool.leases.get(id));
        let stage = if is_leaving { Stage::Leaving } else { Stage::Held };
        lease.is_some_and(|it| it.claim == *claim && it.stage == stage && it.ends_at > now + TERM / 2)
    }

    /// Drains an endpoint that is about to end.
    fn drain(&mut self, key: &PoolKey, id: &LeaseId) {
        let Some(pool) = self.pools.get_mut(key) else { return };
        let Some(lease) = pool.leases.get_mut(id) else { return };
        lease.stage = Stage::Leaving;
        let (pool, address) = (pool.name.clone(), Some(lease.claim.address));
        let (id, happening) = (id.clone(), LeaseHappening::Leaving);
        self.changed_rows.insert((key.clone(), id.clone()));
        self.news.push(LeaseNews::Lease { pool, id, address, who: Some(DISCOVERY.into()), happening });
        self.is_changed = true;
    }

    /// Keeps the endpoints that the source listed last. Those that were about to end do so still.
    fn keep(&mut self, key: &PoolKey, why: &str) {
        self.set_problem(key, Some(why));
        let Some(pool) = self.pools.get_mut(key) else { return };
        for lease in pool.leases.values_mut().filter(|lease| lease.stage == Stage::Held) {
            lease.stage = Stage::Kept;
            self.is_changed = true;
        }
        if !pool.leases.is_empty() && !std::mem::replace(&mut pool.is_silent, true) {
            let source = pool.taking.as_ref().and_then(|taking| taking.bounds.source.as_ref());
            let why = source.map(|source| format!("{source}: {why}").into());
            let (pool, leases) = (pool.name.clone(), pool.leases.len());
            self.news.push(LeaseNews::Silence { pool, began: true, leases, why });
        }
    }

    /// Sets the reason why the source cannot be used, or only in part.
    fn set_problem(&mut self, key: &PoolKey, why: Option<&str>) {
        let Some(pool) = self.pools.get_mut(key) else { return };
        if pool.problem.as_deref() != why {
            pool.problem = why.map(Into::into);
            self.is_changed = true;
        }
    }

    /// Fails if a source lists the endpoints of the pool.
    pub(super) fn refuse_discovered(&self, key: &PoolKey) -> Result<(), LeaseRefusal> {
        let Some(pool) = self.pools.get(key) else { return Ok(()) };
        match pool.taking.as_ref().and_then(|taking| taking.bounds.source.clone()) {
            Some(source) => Err(LeaseRefusal::Discovered(pool.name.to_string(), source)),
            None => Ok(()),
        }
    }
}
