//! Loads in control: assigns reports to load estimates, holds rounds, and returns the pools that they change.
//!
//! Pools that share a name with the step `load` take one another's clients. They have their rounds together, and so
//! have all pools that such names connect. A pool whose endpoints are drawn by `least-load` has rounds of its own if it
//! is in no such group. Pools whose load makes no difference have no estimates.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;

use super::push::EndpointRef;
use crate::health::{Finding, Load, LoadSeen, Outcome, PoolKey, Target};
use crate::load::{
    Allowance, BELIEVED_FOR, Draw, DrawCandidate, EndpointLoad, GroupShares, LoadEstimate, PoolEstimate, SHORTEST_ROUND,
};
use crate::name::Name;
use crate::snapshot::{AdminState, Family, LoadGroup, Pool, PoolId, PoolSpec, Snapshot, World};

/// The part of a round over which reports are smoothed. The end of the round counts most, because by then most clients
/// follow the last decision.
const SMOOTHED_PART: u32 = 4;

/// A report counts for at least this many intervals of its monitor.
const BELIEVED_INTERVALS: u32 = 3;

/// The loads of all served pools whose load makes a difference.
#[derive(Debug, Default)]
pub(super) struct Loads {
    rounds: Vec<GroupRounds>,
    /// The group that each pool belongs to, and its position there.
    positions: HashMap<PoolId, (usize, usize), RandomState>,
}

/// Pools that have their rounds together.
#[derive(Debug)]
struct GroupRounds {
    pools: Vec<PoolLoads>,
    shares: GroupShares,
    /// The time from one round to the next.
    round: Duration,
    last: Duration,
    due: Duration,
}

/// The load estimates of one pool's endpoints.
#[derive(Debug)]
struct PoolLoads {
    id: PoolId,
    spec: Arc<PoolSpec>,
    estimates: Vec<LoadEstimate>,
    /// Present if the endpoints are drawn by load.
    draw: Option<Draw>,
}

impl Loads {
    /// The loads of the world that is served from now on. The estimates of pools and endpoints that stay are taken over
    /// from `before`.
    pub(super) fn new(world: &World, before: &Self, now: Duration) -> Self {
        let known = before.by_name();
        let mut loads = Self::default();
        for group in world.load_groups() {
            for (place, &id) in group.pools.iter().enumerate() {
                loads.positions.insert(id, (loads.rounds.len(), place));
            }
            loads.rounds.push(GroupRounds::new(world, &group, &known, now));
        }
        loads
    }

    /// True if the load of any of these endpoints makes a difference.
    pub(super) fn use_any(&self, endpoints: &[EndpointRef]) -> bool {
        endpoints.iter().any(|(id, _)| self.positions.contains_key(id))
    }

    /// Takes in the outcome of a probe or of a report of a target, for the endpoints that depend on it.
    pub(super) fn hear(&mut self, target: &Target, endpoints: &[EndpointRef], seen: &Outcome, now: Duration) {
        let Outcome::Success(Finding { took, load, .. }) = seen else { return };
        for &(id, endpoint) in endpoints {
            let Some(&(group, place)) = self.positions.get(&id) else { continue };
            let group = &mut self.rounds[group];
            let smoothing = group.round / SMOOTHED_PART;
            let estimate = &mut group.pools[place].estimates[endpoint];
            if let Some(load) = load {
                estimate.hear(
                    *load,
                    now,
                    smoothing,
                    BELIEVED_FOR.max(target.monitor.pace.interval() * BELIEVED_INTERVALS),
                );
            }
            if target.is_probed() {
                estimate.time(*took);
            }
        }
    }

    /// Takes in a reported load of an endpoint. Returns true if the load makes a difference.
    pub(super) fn take_in(&mut self, (id, endpoint): EndpointRef, load: Load, now: Duration) -> bool {
        let Some(&(group, place)) = self.positions.get(&id) else { return false };
        let group = &mut self.rounds[group];
        let smoothing = group.round / SMOOTHED_PART;
        group.pools[place].estimates[endpoint].hear(load, now, smoothing, BELIEVED_FOR);
        true
    }

    /// When the next round is due.
    pub(super) fn due(&self) -> Option<Duration> {
        self.rounds.iter().map(|group| group.due).min()
    }

    /// Holds the rounds that are due. Returns the pools whose kept share or headroom changed, and those whose endpoints
    /// have other draw weights.
    pub(super) fn round(&mut self, snapshot: &Snapshot, now: Duration) -> Vec<PoolId> {
        let due = self.rounds.iter_mut().filter(|group| group.due <= now);
        due.flat_map(|group| group.round(snapshot.pools(), now)).collect()
    }

    /// The present loads of all pools.
    pub(super) fn seen(&self, pools: &[Arc<Pool>], now: Duration) -> HashMap<PoolKey, LoadSeen> {
        let all_loads = self.rounds.iter().flat_map(|group| &group.pools);
        let seen = |pool_loads: &PoolLoads| {
            let PoolEstimate { used, capacity, .. } = pool_loads.read(&pools[pool_loads.id.index()], now, now);
            let heard = pool_loads.estimates.iter().filter_map(|estimate| estimate.heard_at(now)).max();
            (pool_loads.spec.key(), LoadSeen { used, capacity, heard })
        };
        all_loads.map(seen).collect()
    }

    /// The share of its clients that a pool keeps, and its headroom for others' clients.
    pub(super) fn allowance(&self, pool: PoolId) -> Allowance {
        self.positions
            .get(&pool)
            .map_or(Allowance::UNKNOWN, |&(group, place)| self.rounds[group].shares.allowance(place))
    }

    /// The weight with which `least-load` draws an endpoint.
    pub(super) fn weight(&self, pool: PoolId, endpoint: usize) -> u16 {
        let pool_loads = self.positions.get(&pool).map(|&(group, place)| &self.rounds[group].pools[place]);
        let drawn = pool_loads.and_then(|pool_loads| pool_loads.draw.as_ref());
        drawn.map_or(crate::load::FULL_WEIGHT, |draw| draw.weight(endpoint))
    }

    fn by_name(&self) -> Known<'_> {
        let places = self.rounds.iter().flat_map(|group| (0..group.pools.len()).map(move |place| (group, place)));
        places.map(|(group, place)| (identity(&group.pools[place].spec), (group, place))).collect()
    }
}

/// The load state that outlives a change of the configuration, by pool: its group, and its position there.
type Known<'a> = HashMap<(Option<&'a Name>, &'a str), (&'a GroupRounds, usize)>;

fn identity(spec: &PoolSpec) -> (Option<&Name>, &str) {
    (spec.zone.as_ref(), &spec.name)
}

impl GroupRounds {
    fn new(world: &World, group: &LoadGroup, before: &Known<'_>, now: Duration) -> Self {
        let ids = &group.pools;
        let specs: Vec<&Arc<PoolSpec>> = ids.iter().map(|&id| &world.pools[id.index()]).collect();
        let known: Vec<_> = specs.iter().map(|spec| before.get(&identity(spec)).copied()).collect();
        let all_loads = ids.iter().zip(&specs).zip(&known).map(|((&id, &spec), known)| {
            let pool_loads = known.map(|(rounds, place)| &rounds.pools[place]);
            let estimate =
                |endpoint| pool_loads.and_then(|pool_loads| pool_loads.estimate_of(spec, endpoint)).unwrap_or_default();
            let draws = group.drawn.contains(&id);
            let same = pool_loads.filter(|pool_loads| pool_loads.spec.members == spec.members);
            PoolLoads {
                id,
                spec: spec.clone(),
                estimates: (0..spec.members.len()).map(estimate).collect(),
                draw: draws.then(|| same.and_then(|pool_loads| pool_loads.draw.clone()).unwrap_or_default()),
            }
        });
        let pools = known.iter().map(|known| known.map(|(group, place)| group.shares.pool(place)).unwrap_or_default());
        let targets = specs.iter().flat_map(|spec| spec.members.own_targets()).filter(|target| target.is_probed());
        let intervals = targets.map(|target| target.monitor.pace.interval());
        let interval = intervals.max().unwrap_or_default();
        let round = (Duration::from_secs(u64::from(group.ttl)) + interval).max(SHORTEST_ROUND);
        // No decision was published yet, so the first round need not wait for TTLs to end: it only waits for reports.
        let first = now + interval.max(SHORTEST_ROUND);
        let known_rounds = || known.iter().flatten().map(|(rounds, _)| rounds);
        let due = known_rounds().map(|rounds| rounds.due.min(now + round)).min().unwrap_or(first);
        let last = known_rounds().map(|rounds| rounds.last).min().unwrap_or(now);
        let shares = GroupShares::new(pools.collect(), &group.names);
        Self { pools: all_loads.collect(), shares, round, last, due }
    }

    fn round(&mut self, pools: &[Arc<Pool>], now: Duration) -> Vec<PoolId> {
        let (last, shares) = (self.last, &mut self.shares);
        let estimates: Vec<PoolEstimate> =
            self.pools.iter().map(|pool_loads| pool_loads.read(&pools[pool_loads.id.index()], now, last)).collect();
        let mut changed: Vec<PoolId> = shares.round(&estimates).into_iter().map(|place| self.pools[place].id).collect();
        for pool_loads in &mut self.pools {
            let candidates = pool_loads.draw_candidates(&pools[pool_loads.id.index()], now);
            if pool_loads.draw.as_mut().is_some_and(|draw| draw.round(&candidates)) {
                changed.push(pool_loads.id);
            }
        }
        (self.last, self.due) = (now, now + self.round);
        changed
    }
}

impl PoolLoads {
    /// The estimate of an endpoint of a pool that replaces this one, if this one holds the endpoint too.
    fn estimate_of(&self, spec: &PoolSpec, endpoint: usize) -> Option<LoadEstimate> {
        let text = spec.members.text(endpoint);
        let place = (0..self.spec.members.len()).find(|&place| self.spec.members.text(place) == text)?;
        Some(self.estimates[place])
    }

    fn endpoint_loads(&self, pool: &Pool) -> Vec<EndpointLoad<'_>> {
        let endpoint_load = |(endpoint, estimate)| EndpointLoad {
            estimate,
            capacity: self.spec.members.capacity(endpoint),
            is_open: {
                let endpoint_state = pool.endpoint_state(endpoint);
                endpoint_state.admin_state == AdminState::On && endpoint_state.share.is_some()
            },
        };
        self.estimates.iter().enumerate().map(endpoint_load).collect()
    }

    fn read(&self, pool: &Pool, now: Duration, since: Duration) -> PoolEstimate {
        let is_alive = pool.is_usable(Family::V4) || pool.is_usable(Family::V6);
        PoolEstimate::new(is_alive, &self.endpoint_loads(pool), self.spec.capacity(), now, since)
    }

    fn draw_candidates(&self, pool: &Pool, now: Duration) -> Vec<DrawCandidate> {
        let part = self.spec.capacity().map(|capacity| capacity / self.estimates.len() as f64);
        let candidate = |endpoint_load: &EndpointLoad<'_>| {
            let used = endpoint_load.estimate.load(now).map(|(used, _)| used);
            let load = used.zip(endpoint_load.capacity_now(part, now));
            DrawCandidate { is_open: endpoint_load.is_open, load, response: endpoint_load.estimate.response() }
        };
        self.endpoint_loads(pool).iter().map(candidate).collect()
    }
}
