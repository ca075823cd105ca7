//! All leases, as a state machine.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::IpAddr;
use std::time::Duration;

use super::pool::{Lease, PoolLeases, Stage, Taking};
use super::shared::{LeaseWord, Saying};
use super::{Asker, Claim, LeaseHappening, LeaseId, LeaseNews, LeaseRefusal, LeaseRow, LeaseView, PoolChoice};
use crate::health::PoolKey;
use crate::snapshot::{PoolSpec, Registered, World};

/// If nothing could be taken in for longer than this when a lease is due, the node was stopped or busy.
const LATE: Duration = Duration::from_millis(500);

/// After such a pause, endpoints have at least this time to renew.
const CATCH_UP: Duration = Duration::from_secs(1);

/// The ends of renewed leases are kept this often, all together.
const KEEP_EVERY: Duration = Duration::from_secs(5);

/// The same refusal is told again after this time.
const TELL_REFUSAL_EVERY: Duration = Duration::from_secs(60);

/// Maximum number of refusals that are remembered, so that strangers cannot fill the memory.
const MAX_REFUSALS: usize = 1024;

/// All leases. Times are those of a monotonic clock unless a comment says otherwise.
#[derive(Clone, Debug, Default)]
pub struct Leases {
    pub(super) pools: BTreeMap<PoolKey, PoolLeases>,
    /// The names of the pools that take no registered endpoints.
    closed: HashSet<Box<str>>,
    pub(super) news: Vec<LeaseNews>,
    /// What a fleet is to be told.
    pub(super) said: Vec<LeaseWord>,
    /// Leases whose rows must be kept or removed now.
    pub(super) changed_rows: BTreeSet<(PoolKey, LeaseId)>,
    /// Leases that were renewed since their rows were kept.
    renewed_rows: BTreeSet<(PoolKey, LeaseId)>,
    /// When the ends of renewed leases are kept next.
    keep_at: Duration,
    /// True if pools have other endpoints than at the last call of [`take_changed`](Self::take_changed).
    pub(super) is_changed: bool,
    /// When each refusal was told last.
    refused_at: HashMap<(Box<str>, LeaseId), Duration>,
}

/// The result of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// The endpoint is new.
    New,
    /// The lease was renewed with other values.
    Changed,
    /// The lease was renewed, and nothing else changed.
    Renewed,
}

impl Leases {
    /// Takes in the leases that an earlier run kept. `wall` is the wall-clock time. A term has at least half of its length
    /// left, so that endpoints can renew that could not while no node ran.
    pub fn restore(&mut self, rows: impl IntoIterator<Item = LeaseRow>, now: Duration, wall: Duration) {
        for LeaseRow { pool, pool_name, id, claim, holder, until, is_leaving } in rows {
            let left = until.saturating_sub(wall).min(claim.ttl);
            let left = if is_leaving { left } else { left.max(claim.ttl / 2) };
            let stage = if is_leaving { Stage::Leaving } else { Stage::Held };
            let pool = self.pools.entry(pool).or_insert_with(|| PoolLeases::new(pool_name, now));
            pool.leases.insert(id, Lease { claim, holder, ends_at: now + left, stage, told_at: None });
        }
        self.is_changed = true;
    }

    /// Takes in a configuration that is about to be served. Ends the leases that its bounds exclude. Leases of pools that
    /// it lacks, or that no longer take registered endpoints, are kept in case they come back, until they end.
    pub fn adopt(&mut self, world: &World, now: Duration) {
        self.pools.values_mut().for_each(|pool| pool.taking = None);
        self.closed.clear();
        for spec in &world.pools {
            let Some(registration) = &spec.registration else {
                self.closed.extend(spec.references().map(Into::into));
                continue;
            };
            let datacenter = spec.datacenter.map(|id| world.datacenters[id.index()].name.clone());
            let taking = Taking::new(spec, datacenter, registration.bounds.clone());
            let key = spec.key();
            let pool = self.pools.entry(key.clone()).or_insert_with(|| PoolLeases::new(spec.name.clone(), now));
            if !taking.bounds.keep_last {
                pool.stop_keeping(now);
            }
            // What registered itself is not what a source lists, and the other way round.
            let is_discovered = taking.bounds.source.is_some();
            let barred = |(_, lease): &(&LeaseId, &Lease)| {
                !taking.bounds.hold(lease.claim.address) || lease.is_discovered() != is_discovered
            };
            let barred: Vec<LeaseId> = pool.leases.iter().filter(barred).map(|(id, _)| id.clone()).collect();
            pool.taking = Some(taking);
            for id in barred {
                self.end(&key, &id, None, LeaseHappening::Barred);
            }
        }
        self.pools.retain(|_, pool| pool.taking.is_some() || !pool.leases.is_empty());
        self.is_changed = true;
    }

    /// Gives an endpoint a lease, or renews it. Fails if the files or another lease do not allow it.
    pub fn claim(
        &mut self,
        choice: &PoolChoice,
        id: &LeaseId,
        claim: Claim,
        asker: &Asker,
        now: Duration,
    ) -> Result<Claimed, LeaseRefusal> {
        let address = claim.address;
        let claimed = self.try_to_claim(choice, id, claim, asker, now);
        self.tell_refusal(choice, id, Some(address), asker, &claimed, now);
        claimed
    }

    fn try_to_claim(
        &mut self,
        choice: &PoolChoice,
        id: &LeaseId,
        claim: Claim,
        asker: &Asker,
        now: Duration,
    ) -> Result<Claimed, LeaseRefusal> {
        let key = self.find(choice)?;
        self.refuse_discovered(&key)?;
        self.claim_in(key, id, claim, asker, now)
    }

    /// Does the same in the pool with this key.
    pub(super) fn claim_in(
        &mut self,
        key: PoolKey,
        id: &LeaseId,
        claim: Claim,
        asker: &Asker,
        now: Duration,
    ) -> Result<Claimed, LeaseRefusal> {
        let pool = self.pools.get_mut(&key).ok_or_else(|| LeaseRefusal::NoPool(key.to_string()))?;
        let replaced = pool.check(id, &claim, asker, now)?;
        pool.hear(now);
        let old = pool.leases.get(id);
        let told_at = old.and_then(|old| old.told_at);
        let new = Lease { ends_at: now + claim.ttl, claim, holder: asker.name.clone(), stage: Stage::Held, told_at };
        let claimed = match pool.leases.get(id) {
            None => Claimed::New,
            Some(old) if old.claim == new.claim && old.stage == Stage::Held => Claimed::Renewed,
            Some(_) => Claimed::Changed,
        };
        let (name, address) = (pool.name.clone(), new.claim.address);
        pool.leases.insert(id.clone(), new);
        if let Some(replaced) = replaced {
            self.end(&key, &replaced, asker.name.clone(), LeaseHappening::Ended);
        }
        self.tell_turn(&key);
        let happening = match claimed {
            Claimed::New => LeaseHappening::Registered,
            Claimed::Changed => LeaseHappening::Changed,
            Claimed::Renewed => {
                self.renewed_rows.insert((key.clone(), id.clone()));
                self.tell_renewal(&key, id, now);
                return Ok(claimed);
            }
        };
        let who = asker.name.clone();
        self.say(&key, id, who.clone(), Saying::Claim, now);
        self.news.push(LeaseNews::Lease { pool: name, id: id.clone(), address: Some(address), who, happening });
        self.changed_rows.insert((key, id.clone()));
        self.is_changed = true;
        Ok(claimed)
    }

    /// Ends a lease; after `drain`, if that is not zero, during which the endpoint is drained. Fails if there is no such
    /// lease, or if it belongs to another asker.
    pub fn release(
        &mut self,
        choice: &PoolChoice,
        id: &LeaseId,
        drain: Duration,
        asker: &Asker,
        now: Duration,
    ) -> Result<(), LeaseRefusal> {
        let released = self.try_to_release(choice, id, drain, asker, now);
        self.tell_refusal(choice, id, None, asker, &released, now);
        released
    }

    fn try_to_release(
        &mut self,
        choice: &PoolChoice,
        id: &LeaseId,
        drain: Duration,
        asker: &Asker,
        now: Duration,
    ) -> Result<(), LeaseRefusal> {
        let key = self.find(choice)?;
        self.refuse_discovered(&key)?;
        let pool = self.pools.get_mut(&key).ok_or_else(|| LeaseRefusal::NoPool(choice.pool.to_string()))?;
        let none = || LeaseRefusal::NoLease(id.clone(), pool.name.to_string());
        let lease = pool.leases.get_mut(id).ok_or_else(none)?;
        let is_own = lease.holder == asker.name;
        if !is_own && !asker.may_order {
            return Err(LeaseRefusal::Foreign(id.clone(), lease.holder.clone()));
        }
        // A lease that is kept may be released by an operator, who proves nothing about the way from the endpoints.
        if is_own && !pool.is_silent {
            pool.heard_at = now;
        }
        if drain.is_zero() {
            self.end(&key, id, asker.name.clone(), LeaseHappening::Released);
            return Ok(());
        }
        if lease.stage == Stage::Leaving {
            return Ok(());
        }
        (lease.stage, lease.ends_at) = (Stage::Leaving, now + drain);
        self.said.push(LeaseWord { pool: key.clone(), id: id.clone(), who: asker.name.clone(), saying: Saying::Order });
        let (pool, address) = (pool.name.clone(), Some(lease.claim.address));
        let (who, happening) = (asker.name.clone(), LeaseHappening::Leaving);
        self.news.push(LeaseNews::Lease { pool, id: id.clone(), address, who, happening });
        self.changed_rows.insert((key, id.clone()));
        self.is_changed = true;
        Ok(())
    }

    /// Takes in that time has passed: ends the leases whose time is over, or keeps them if their pool is silent. If the
    /// call comes later than [`wake_at`](Self::wake_at) asked for, nobody could renew meanwhile, and all terms are longer
    /// by that time.
    pub fn advance(&mut self, now: Duration) {
        let Some(due) = self.lease_due().filter(|due| *due <= now) else { return };
        let late = now - due;
        if late > LATE {
            self.shift(late + CATCH_UP);
            return;
        }
        let is_over = |lease: &Lease| lease.ends_at <= now && lease.stage != Stage::Kept;
        let over: Vec<(PoolKey, LeaseId)> = self
            .pools
            .iter()
            .flat_map(|(key, pool)| {
                pool.leases.iter().filter(|(_, lease)| is_over(lease)).map(|(id, _)| (key.clone(), id.clone()))
            })
            .collect();
        for (key, id) in over {
            self.expire(&key, &id, now);
        }
        self.pools.retain(|_, pool| pool.taking.is_some() || !pool.leases.is_empty());
    }

    fn expire(&mut self, key: &PoolKey, id: &LeaseId, now: Duration) {
        let Some(pool) = self.pools.get_mut(key) else { return };
        let Some(lease) = pool.leases.get_mut(id) else { return };
        if lease.stage == Stage::Leaving {
            return self.end(key, id, None, LeaseHappening::Left);
        }
        let keeps = pool.taking.as_ref().is_some_and(|taking| taking.bounds.keep_last);
        if !keeps || now < pool.heard_at + lease.claim.ttl / 2 {
            return self.end(key, id, None, LeaseHappening::Ended);
        }
        lease.stage = Stage::Kept;
        self.is_changed = true;
        if !std::mem::replace(&mut pool.is_silent, true) {
            let (pool, leases) = (pool.name.clone(), pool.leases.len());
            self.news.push(LeaseNews::Silence { pool, began: true, leases, why: None });
        }
    }

    /// When [`advance`](Self::advance) is due, or rows are to be kept; `None` if nothing waits.
    pub fn wake_at(&self) -> Option<Duration> {
        let keep_at = (!self.renewed_rows.is_empty()).then_some(self.keep_at);
        [self.lease_due(), keep_at].into_iter().flatten().min()
    }

    fn lease_due(&self) -> Option<Duration> {
        let leases = self.pools.values().flat_map(|pool| pool.leases.values());
        leases.filter(|lease| lease.stage != Stage::Kept).map(|lease| lease.ends_at).min()
    }

    /// Takes in that nobody could renew until now: all terms run on from here as they stood at time zero.
    pub fn pause(&mut self, until: Duration) {
        self.shift(until);
    }

    fn shift(&mut self, by: Duration) {
        for pool in self.pools.values_mut() {
            pool.heard_at += by;
            pool.leases.values_mut().for_each(|lease| lease.ends_at += by);
        }
    }

    /// True, once, if pools have other endpoints than at the last call.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.is_changed)
    }

    /// Returns the events since the last call.
    pub fn take_news(&mut self) -> Vec<LeaseNews> {
        std::mem::take(&mut self.news)
    }

    /// The rows to keep, or to remove if `None`. Renewals are kept together from time to time, or now if this is the
    /// `last` call. `wall` is the wall-clock time.
    pub fn take_rows(
        &mut self,
        now: Duration,
        wall: Duration,
        last: bool,
    ) -> Vec<(PoolKey, LeaseId, Option<LeaseRow>)> {
        let mut due = std::mem::take(&mut self.changed_rows);
        if last || now >= self.keep_at {
            due.append(&mut self.renewed_rows);
            self.keep_at = now + KEEP_EVERY;
        }
        let row = |(key, id): (PoolKey, LeaseId)| {
            let lease = self.pools.get(&key).and_then(|pool| Some((pool, pool.leases.get(&id)?)));
            let row = lease.map(|(pool, lease)| lease.row(&key, &pool.name, &id, now, wall));
            (key, id, row)
        };
        due.into_iter().map(row).collect()
    }

    /// The registered endpoints of a pool, in the order of their ids.
    pub fn of(&self, spec: &PoolSpec) -> Vec<Registered> {
        let pool = self.pools.get(&spec.key());
        let leases = pool.into_iter().filter(|pool| pool.taking.is_some()).flat_map(|pool| &pool.leases);
        leases.map(|(id, lease)| lease.registered(id)).collect()
    }

    /// The leases of the pools that `choice` may mean, or all leases.
    pub fn list(&self, choice: Option<&PoolChoice>, now: Duration) -> Vec<LeaseView> {
        let meant = |pool: &&PoolLeases| choice.is_none_or(|choice| pool.is_meant(choice));
        let taking = self.pools.values().filter(meant).filter_map(|pool| Some((pool, pool.taking.as_ref()?)));
        let views = taking.flat_map(|(pool, taking)| {
            pool.leases.iter().map(move |(id, lease)| lease.view(&pool.name, taking, id, now))
        });
        views.collect()
    }

    /// One lease. Fails if there is no such pool or lease, or if several pools may be meant.
    pub fn get(&self, choice: &PoolChoice, id: &LeaseId, now: Duration) -> Result<LeaseView, LeaseRefusal> {
        let pool = self.pools.get(&self.find(choice)?);
        let view = pool.and_then(|pool| Some(pool.leases.get(id)?.view(&pool.name, pool.taking.as_ref()?, id, now)));
        view.ok_or_else(|| LeaseRefusal::NoLease(id.clone(), choice.pool.to_string()))
    }

    /// Number of leases, of all pools.
    pub fn count(&self) -> usize {
        self.pools.values().map(|pool| pool.leases.len()).sum()
    }

    /// Returns the one pool that a choice means.
    fn find(&self, choice: &PoolChoice) -> Result<PoolKey, LeaseRefusal> {
        let mut meant = self.pools.iter().filter(|(_, pool)| pool.taking.is_some() && pool.is_meant(choice));
        match (meant.next(), meant.next()) {
            (Some((key, _)), None) => Ok(key.clone()),
            (None, _) if self.closed.contains(&choice.pool) => Err(LeaseRefusal::Closed(choice.pool.to_string())),
            (None, _) => Err(LeaseRefusal::NoPool(choice.pool.to_string())),
            (Some((_, first)), Some((_, second))) => {
                let named = [first, second].into_iter().chain(meant.map(|(_, pool)| pool)).map(PoolLeases::in_full);
                Err(LeaseRefusal::SeveralPools(choice.pool.to_string(), named.collect()))
            }
        }
    }

    /// Removes a lease, and tells why.
    pub(super) fn end(&mut self, key: &PoolKey, id: &LeaseId, who: Option<Box<str>>, happening: LeaseHappening) {
        let Some(pool) = self.pools.get_mut(key) else { return };
        let Some(lease) = pool.leases.remove(id) else { return };
        let (name, address) = (pool.name.clone(), Some(lease.claim.address));
        if !lease.is_discovered()
            && let Some(saying) = happening.saying()
        {
            self.said.push(LeaseWord { pool: key.clone(), id: id.clone(), who: who.clone(), saying });
        }
        self.news.push(LeaseNews::Lease { pool: name, id: id.clone(), address, who, happening });
        if pool.is_silent && pool.leases.is_empty() {
            pool.is_silent = false;
            self.news.push(LeaseNews::Silence { pool: pool.name.clone(), began: false, leases: 0, why: None });
        }
        self.changed_rows.insert((key.clone(), id.clone()));
        self.is_changed = true;
    }

    /// Tells that a pool is no longer silent, after it was heard.
    pub(super) fn tell_turn(&mut self, key: &PoolKey) {
        let Some(pool) = self.pools.get_mut(key) else { return };
        if std::mem::take(&mut pool.is_silent) {
            let (name, leases) = (pool.name.clone(), pool.leases.len());
            self.news.push(LeaseNews::Silence { pool: name, began: false, leases, why: None });
            self.is_changed = true;
        }
    }

    /// Tells a refusal of something that the files do not allow, but not for each repetition.
    pub(super) fn tell_refusal<T>(
        &mut self,
        choice: &PoolChoice,
        id: &LeaseId,
        address: Option<IpAddr>,
        asker: &Asker,
        result: &Result<T, LeaseRefusal>,
        now: Duration,
    ) {
        let Some(refusal) = result.as_ref().err().filter(|refusal| refusal.is_forbidden()) else { return };
        self.refused_at.retain(|_, at| now < *at + TELL_REFUSAL_EVERY);
        let key = (choice.pool.clone(), id.clone());
        if self.refused_at.len() >= MAX_REFUSALS || self.refused_at.contains_key(&key) {
            return;
        }
        self.refused_at.insert(key, now);
        let (pool, who, happening) =
            (choice.pool.clone(), asker.name.clone(), LeaseHappening::Refused(refusal.clone()));
        self.news.push(LeaseNews::Lease { pool, id: id.clone(), address, who, happening });
    }
}
