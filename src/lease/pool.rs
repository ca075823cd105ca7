//! The leases of one pool, and what the files allow in it.

use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;
use std::time::Duration;

use super::discover::DISCOVERY;
use super::{Asker, Claim, LeaseId, LeaseRefusal, LeaseRow, LeaseView, PoolChoice};
use crate::health::PoolKey;
use crate::name::Name;
use crate::snapshot::{Bounds, LeaseMark, Members, PoolSpec, Registered, UnfitAddress};

/// The leases of a pool.
#[derive(Clone, Debug)]
pub(super) struct PoolLeases {
    /// Its name, such as `web/fra`.
    pub(super) name: Box<str>,
    /// Its part of the configuration; `None` while it takes no registered endpoints. Its leases then end.
    pub(super) taking: Option<Taking>,
    pub(super) leases: BTreeMap<LeaseId, Lease>,
    /// When a lease of it was last claimed or released.
    pub(super) heard_at: Duration,
    /// True if no lease is renewed, so that the last ones are kept.
    pub(super) is_silent: bool,
    /// Why the source of its endpoints cannot be used now.
    pub(super) problem: Option<Box<str>>,
}

/// A pool that takes registered endpoints.
#[derive(Clone, Debug)]
pub(super) struct Taking {
    pub(super) zone: Option<Name>,
    pub(super) datacenter: Option<Box<str>>,
    pub(super) bounds: Bounds,
    /// The addresses that the files list.
    pub(super) in_files: HashSet<IpAddr>,
}

/// A lease.
#[derive(Clone, Debug)]
pub(super) struct Lease {
    pub(super) claim: Claim,
    /// The name of the token or the client that claimed it last.
    pub(super) holder: Option<Box<str>>,
    pub(super) ends_at: Duration,
    pub(super) stage: Stage,
    /// When a fleet was told of it, or told this node of it; `None` if that never happened.
    pub(super) told_at: Option<Duration>,
}

/// The stage of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Held,
    /// Its time is over, and no lease of its pool is renewed.
    Kept,
    /// Its endpoint asked to leave.
    Leaving,
}

impl Taking {
    pub(super) fn new(spec: &PoolSpec, datacenter: Option<Box<str>>, bounds: Bounds) -> Self {
        Self { zone: spec.zone.clone(), datacenter, bounds, in_files: in_files(spec) }
    }
}

impl Lease {
    /// True if a source listed the endpoint.
    pub(super) fn is_discovered(&self) -> bool {
        self.holder.as_deref() == Some(DISCOVERY)
    }

    /// The endpoint as it stands in its pool.
    pub(super) fn registered(&self, id: &LeaseId) -> Registered {
        let Claim { address, weight, capacity, ttl: _ } = self.claim;
        let (is_leaving, is_kept) = (self.stage == Stage::Leaving, self.stage == Stage::Kept);
        Registered { address, weight, capacity, lease: LeaseMark { id: id.as_str().into(), is_leaving, is_kept } }
    }

    /// The lease for those who ask.
    pub(super) fn view(&self, pool: &str, taking: &Taking, id: &LeaseId, now: Duration) -> LeaseView {
        LeaseView {
            pool: pool.into(),
            zone: taking.zone.clone(),
            datacenter: taking.datacenter.clone(),
            id: id.clone(),
            claim: self.claim.clone(),
            holder: self.holder.as_ref().map(|holder| holder.trim_end_matches(char::is_control).into()),
            left: self.ends_at.saturating_sub(now),
            is_leaving: self.stage == Stage::Leaving,
            is_kept: self.stage == Stage::Kept,
        }
    }

    /// The lease as it is kept for the next run.
    pub(super) fn row(&self, pool: &PoolKey, name: &str, id: &LeaseId, now: Duration, wall: Duration) -> LeaseRow {
        LeaseRow {
            pool: pool.clone(),
            pool_name: name.into(),
            id: id.clone(),
            claim: self.claim.clone(),
            holder: self.holder.clone(),
            until: wall + self.ends_at.saturating_sub(now),
            is_leaving: self.stage == Stage::Leaving,
        }
    }
}

impl PoolLeases {
    pub(super) fn new(name: Box<str>, now: Duration) -> Self {
        Self { name, taking: None, leases: BTreeMap::new(), heard_at: now, is_silent: false, problem: None }
    }

    /// True if a choice may mean it.
    pub(super) fn is_meant(&self, PoolChoice { pool, datacenter, zone }: &PoolChoice) -> bool {
        let entry = self.name.split_once('/').map(|(entry, _)| entry);
        let is_named = *self.name == **pool || entry == Some(&**pool);
        let taking = self.taking.as_ref();
        let own = |of: fn(&Taking) -> Option<&str>| taking.and_then(of);
        is_named
            && datacenter.as_deref().is_none_or(|meant| own(|taking| taking.datacenter.as_deref()) == Some(meant))
            && zone.as_ref().is_none_or(|meant| taking.is_some_and(|taking| taking.zone.as_ref() == Some(meant)))
    }

    /// Its name with its zone.
    pub(super) fn in_full(&self) -> String {
        match self.taking.as_ref().and_then(|taking| taking.zone.as_ref()) {
            Some(zone) => format!("{} of {zone}", self.name),
            None => self.name.to_string(),
        }
    }

    /// Fails if the endpoint may not have the lease. Returns the lease that it takes the place of: a kept one with its
    /// address, whose endpoint is known to be gone now.
    pub(super) fn check(
        &self,
        id: &LeaseId,
        claim: &Claim,
        asker: &Asker,
        now: Duration,
    ) -> Result<Option<LeaseId>, LeaseRefusal> {
        let pool = || self.name.to_string();
        let Some(Taking { bounds, in_files, .. }) = &self.taking else { return Err(LeaseRefusal::Closed(pool())) };
        let address = claim.address;
        if let Some(by) = &bounds.by
            && !asker.name.as_ref().is_some_and(|name| by.contains(name))
        {
            return Err(LeaseRefusal::Stranger(asker.name.clone(), pool()));
        }
        if let Some(UnfitAddress { why, .. }) = UnfitAddress::of(address).filter(|unfit| unfit.is_error) {
            return Err(LeaseRefusal::BadAddress(address, why));
        }
        if !bounds.hold(address) {
            return Err(LeaseRefusal::Outside(address, pool()));
        }
        if in_files.contains(&address) {
            return Err(LeaseRefusal::InFiles(address, pool()));
        }
        let left = |lease: &Lease| lease.ends_at.saturating_sub(now);
        let own = self.leases.get(id);
        if let Some(own) = own
            && own.claim.address != address
            && own.stage != Stage::Kept
        {
            return Err(LeaseRefusal::IdHeld(id.clone(), own.claim.address, left(own)));
        }
        let other = self.leases.iter().find(|(other, lease)| *other != id && lease.claim.address == address);
        if let Some((other, lease)) = other {
            return match lease.stage {
                Stage::Kept => Ok(Some(other.clone())),
                Stage::Held | Stage::Leaving => Err(LeaseRefusal::AddressHeld(address, other.clone(), left(lease))),
            };
        }
        if own.is_none() && self.leases.len() >= usize::from(bounds.max) {
            return Err(LeaseRefusal::Full(pool(), self.leases.len()));
        }
        Ok(None)
    }

    /// Lets kept leases end now.
    pub(super) fn stop_keeping(&mut self, now: Duration) {
        for lease in self.leases.values_mut().filter(|lease| lease.stage == Stage::Kept) {
            (lease.stage, lease.ends_at) = (Stage::Held, now);
        }
    }

    /// Takes in that the register works: each kept lease gets one more term.
    pub(super) fn hear(&mut self, now: Duration) {
        self.heard_at = now;
        for lease in self.leases.values_mut().filter(|lease| lease.stage == Stage::Kept) {
            (lease.stage, lease.ends_at) = (Stage::Held, now + lease.claim.ttl);
        }
    }
}

/// Returns the addresses that the files list in a pool.
fn in_files(spec: &PoolSpec) -> HashSet<IpAddr> {
    match &spec.members {
        Members::Addresses(endpoints) => {
            endpoints.iter().filter(|endpoint| endpoint.lease.is_none()).map(|endpoint| endpoint.value).collect()
        }
        Members::Cname(_) => HashSet::new(),
    }
}
