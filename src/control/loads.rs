//! Loads, as control takes them in: whose gauge a report belongs to, when rounds are, and what comes of them.
//!
//! Pools that share a name with the step `load` take one another's clients, so they have their rounds together, and so have
//! all that are connected by such names. A pool whose endpoints are drawn by `least-load` has rounds of its own if it is not
//! among them. Nothing is kept of pools whose load makes no difference.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;

use crate::health::{Finding, LastProbe, Load, LoadSeen, Outcome, Target};
use crate::load::{
    Allowance, BELIEVED_FOR, Draw, DrawCandidate, EndpointLoad, GroupShares, LoadEstimate, PoolEstimate, SHORTEST_ROUND,
};
use crate::name::Name;
use crate::snapshot::{AdminState, Family, LoadGroup, Pool, PoolId, PoolSpec, Snapshot, World};

/// Reports are smoothed over this part of a round, so that its end counts, when most clients know what was decided.
const SMOOTHED_PART: u32 = 4;

/// A report is believed for so many intervals of its monitor at least.
const BELIEVED_INTERVALS: u32 = 3;

/// The loads of all pools that are served, as far as they make a difference.
#[derive(Debug, Default)]
pub(super) struct Loads {
    rounds: Vec<GroupRounds>,
    /// Which circle each pool belongs to, and its place there.
    seats: HashMap<PoolId, (usize, usize), RandomState>,
    /// The endpoints that each target tells of.
    places: HashMap<Arc<Target>, Vec<(PoolId, usize)>, RandomState>,
}

/// Pools that have their rounds together.
#[derive(Debug)]
struct GroupRounds {
    pools: Vec<PoolLoads>,
    shares: GroupShares,
    /// From one to the next.
    round: Duration,
    last: Duration,
    due: Duration,
}

/// What is known of one pool's endpoints.
#[derive(Debug)]
struct PoolLoads {
    id: PoolId,
    spec: Arc<PoolSpec>,
    estimates: Vec<LoadEstimate>,
    /// If they are drawn by load.
    draw: Option<Draw>,
}

impl Loads {
    /// Of what is served from now on. What is known of pools and endpoints that stay is taken over from `before`.
    pub(super) fn new(
        world: &World,
        before: &Self,
        last_probes: &HashMap<Arc<Target>, LastProbe>,
        now: Duration,
    ) -> Self {
        let known = before.by_name();
        let mut loads = Self::default();
        for group in world.load_groups() {
            for (place, &id) in group.pools.iter().enumerate() {
                loads.seats.insert(id, (loads.rounds.len(), place));
            }
            loads.rounds.push(GroupRounds::new(world, &group, &known, now));
        }
        for (&id, &(group, place)) in &loads.seats {
            let spec = &loads.rounds[group].pools[place].spec;
            for endpoint in 0..spec.members.len() {
                let Some(condition) = spec.members.condition(endpoint) else { continue };
                condition.each_target(&mut |target| match loads.places.get_mut(target) {
                    Some(places) => places.push((id, endpoint)),
                    None => _ = loads.places.insert(Arc::new(target.clone()), vec![(id, endpoint)]),
                });
            }
        }
        // What was seen while nobody asked for it yet.
        for target in loads.places.keys().cloned().collect::<Vec<_>>() {
            let known = before.places.contains_key(&target);
            if let Some((seen, at)) = last_probes.get(&target).filter(|_| !known).and_then(|it| it.seen.as_ref()) {
                loads.hear(&target, seen, *at);
            }
        }
        loads
    }

    /// Takes in what a probe found, or what somebody said in its stead.
    pub(super) fn hear(&mut self, target: &Arc<Target>, seen: &Outcome, now: Duration) {
        let Outcome::Success(Finding { took, load, .. }) = seen else { return };
        let Some(places) = self.places.get(target) else { return };
        for &(id, endpoint) in places {
            let (group, place) = self.seats[&id];
            let group = &mut self.rounds[group];
            let smoothing = group.round / SMOOTHED_PART;
            let estimate = &mut group.pools[place].estimates[endpoint];
            if let Some(load) = load {
                estimate.hear(*load, now, smoothing, BELIEVED_FOR.max(target.monitor.interval * BELIEVED_INTERVALS));
            }
            if target.is_probed() {
                estimate.time(*took);
            }
        }
    }

    /// Takes in what somebody says of the load of an endpoint; whether that makes a difference.
    pub(super) fn take_in(&mut self, (id, endpoint): (PoolId, usize), load: Load, now: Duration) -> bool {
        let Some(&(group, place)) = self.seats.get(&id) else { return false };
        let group = &mut self.rounds[group];
        let smoothing = group.round / SMOOTHED_PART;
        group.pools[place].estimates[endpoint].hear(load, now, smoothing, BELIEVED_FOR);
        true
    }

    /// When the next round is.
    pub(super) fn due(&self) -> Option<Duration> {
        self.rounds.iter().map(|group| group.due).min()
    }

    /// Has the rounds whose time has come. Gives the pools that keep another share of their clients or can take other ones, and
    /// those whose endpoints are drawn otherwise.
    pub(super) fn round(&mut self, snapshot: &Snapshot, now: Duration) -> Vec<PoolId> {
        let due = self.rounds.iter_mut().filter(|group| group.due <= now);
        due.flat_map(|group| group.round(snapshot.pools(), now)).collect()
    }

    /// What is known of all pools' loads now, by the key of each pool.
    pub(super) fn seen(&self, pools: &[Arc<Pool>], now: Duration) -> HashMap<String, LoadSeen> {
        let stocks = self.rounds.iter().flat_map(|group| &group.pools);
        let seen = |stock: &PoolLoads| {
            let PoolEstimate { used, capacity, .. } = stock.read(&pools[stock.id as usize], now, now);
            let heard = stock.estimates.iter().filter_map(|estimate| estimate.heard_at(now)).max();
            (stock.spec.key(), LoadSeen { used, capacity, heard })
        };
        stocks.map(seen).collect()
    }

    /// How much of its clients a pool keeps, and what room it has for others'.
    pub(super) fn allowance(&self, pool: PoolId) -> Allowance {
        self.seats.get(&pool).map_or(Allowance::UNKNOWN, |&(group, place)| self.rounds[group].shares.allowance(place))
    }

    /// How often `least-load` draws an endpoint.
    pub(super) fn weight(&self, pool: PoolId, endpoint: usize) -> u16 {
        let stock = self.seats.get(&pool).map(|&(group, place)| &self.rounds[group].pools[place]);
        let drawn = stock.and_then(|stock| stock.draw.as_ref());
        drawn.map_or(crate::load::FULL_WEIGHT, |draw| draw.weight(endpoint))
    }

    fn by_name(&self) -> Known<'_> {
        let places = self.rounds.iter().flat_map(|group| (0..group.pools.len()).map(move |place| (group, place)));
        places.map(|(group, place)| (identity(&group.pools[place].spec), (group, place))).collect()
    }
}

/// What outlives a change of the configuration, by pool: its circle, and its place there.
type Known<'a> = HashMap<(Option<&'a Name>, &'a str), (&'a GroupRounds, usize)>;

fn identity(spec: &PoolSpec) -> (Option<&Name>, &str) {
    (spec.zone.as_ref(), &spec.name)
}

impl GroupRounds {
    fn new(world: &World, group: &LoadGroup, before: &Known<'_>, now: Duration) -> Self {
        let ids = &group.pools;
        let specs: Vec<&Arc<PoolSpec>> = ids.iter().map(|&id| &world.pools[id as usize]).collect();
        let known: Vec<_> = specs.iter().map(|spec| before.get(&identity(spec)).copied()).collect();
        let stocks = ids.iter().zip(&specs).zip(&known).map(|((&id, &spec), known)| {
            let stock = known.map(|(rounds, place)| &rounds.pools[place]);
            let estimate = |endpoint| stock.and_then(|stock| stock.gauge_of(spec, endpoint)).unwrap_or_default();
            let draws = group.drawn.contains(&id);
            let same = stock.filter(|stock| stock.spec.members == spec.members);
            PoolLoads {
                id,
                spec: spec.clone(),
                estimates: (0..spec.members.len()).map(estimate).collect(),
                draw: draws.then(|| same.and_then(|stock| stock.draw.clone()).unwrap_or_default()),
            }
        });
        let pools = known.iter().map(|known| known.map(|(group, place)| group.shares.pool(place)).unwrap_or_default());
        let targets = specs.iter().flat_map(|spec| spec.members.targets()).filter(|target| target.is_probed());
        let intervals = targets.map(|target| target.monitor.interval);
        let interval = intervals.max().unwrap_or_default();
        let round = (Duration::from_secs(u64::from(group.ttl)) + interval).max(SHORTEST_ROUND);
        // Nothing is decided yet that clients would have to hear of: the first round waits for reports alone.
        let first = now + interval.max(SHORTEST_ROUND);
        let known_rounds = || known.iter().flatten().map(|(rounds, _)| rounds);
        let due = known_rounds().map(|rounds| rounds.due.min(now + round)).min().unwrap_or(first);
        let last = known_rounds().map(|rounds| rounds.last).min().unwrap_or(now);
        let shares = GroupShares::new(pools.collect(), &group.names);
        Self { pools: stocks.collect(), shares, round, last, due }
    }

    fn round(&mut self, pools: &[Arc<Pool>], now: Duration) -> Vec<PoolId> {
        let (last, shares) = (self.last, &mut self.shares);
        let readings: Vec<PoolEstimate> =
            self.pools.iter().map(|stock| stock.read(&pools[stock.id as usize], now, last)).collect();
        let mut changed: Vec<PoolId> = shares.round(&readings).into_iter().map(|place| self.pools[place].id).collect();
        for stock in &mut self.pools {
            let seats = stock.seats(&pools[stock.id as usize], now);
            if stock.draw.as_mut().is_some_and(|draw| draw.round(&seats)) {
                changed.push(stock.id);
            }
        }
        (self.last, self.due) = (now, now + self.round);
        changed
    }
}

impl PoolLoads {
    /// The gauge of an endpoint of a pool that takes this one's place, if it was here already.
    fn gauge_of(&self, spec: &PoolSpec, endpoint: usize) -> Option<LoadEstimate> {
        let text = spec.members.text(endpoint);
        let place = (0..self.spec.members.len()).find(|&place| self.spec.members.text(place) == text)?;
        Some(self.estimates[place])
    }

    fn stands(&self, pool: &Pool) -> Vec<EndpointLoad<'_>> {
        let stand = |(endpoint, estimate)| EndpointLoad {
            estimate,
            capacity: self.spec.members.capacity(endpoint),
            is_open: {
                let endpoint_state = pool.endpoint_state(endpoint);
                endpoint_state.admin_state == AdminState::On && endpoint_state.share.is_some()
            },
        };
        self.estimates.iter().enumerate().map(stand).collect()
    }

    fn read(&self, pool: &Pool, now: Duration, since: Duration) -> PoolEstimate {
        let is_alive = pool.is_usable(Family::V4) || pool.is_usable(Family::V6);
        PoolEstimate::new(is_alive, &self.stands(pool), self.spec.capacity, now, since)
    }

    fn seats(&self, pool: &Pool, now: Duration) -> Vec<DrawCandidate> {
        let part = self.spec.capacity.map(|capacity| capacity / self.estimates.len() as f64);
        let seat = |stand: &EndpointLoad<'_>| {
            let used = stand.estimate.load(now).map(|(used, _)| used);
            let load = used.zip(stand.capacity_now(part, now));
            DrawCandidate { is_open: stand.is_open, load, response: stand.estimate.response() }
        };
        self.stands(pool).iter().map(seat).collect()
    }
}
