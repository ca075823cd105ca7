//! Loads, as control takes them in: whose gauge a report belongs to, when rounds are, and what comes of them.
//!
//! Pools that share a name with the step `load` take one another's clients, so they have their rounds together, and so have
//! all that are connected by such names. A pool whose endpoints are drawn by `least-load` has rounds of its own if it is not
//! among them. Nothing is kept of pools whose load makes no difference.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;

use crate::health::{Finding, Load, LoadSeen, Outcome, Sighting, Target};
use crate::load::{Allowance, BELIEVED_FOR, Draw, Gauge, Group, Reading, SHORTEST_ROUND, Seat, Stand};
use crate::name::Name;
use crate::snapshot::{Circle, Duty, Family, Pool, PoolId, PoolSpec, Snapshot, World};

/// Reports are smoothed over this part of a round, so that its end counts, when most clients know what was decided.
const SMOOTHED_PART: u32 = 4;

/// A report is believed for so many intervals of its monitor at least.
const BELIEVED_INTERVALS: u32 = 3;

/// The loads of all pools that are served, as far as they make a difference.
#[derive(Debug, Default)]
pub(super) struct Loads {
    rounds: Vec<Rounds>,
    /// Which circle each pool belongs to, and its place there.
    seats: HashMap<PoolId, (usize, usize), RandomState>,
    /// The endpoints that each target tells of.
    places: HashMap<Arc<Target>, Vec<(PoolId, usize)>, RandomState>,
}

/// Pools that have their rounds together.
#[derive(Debug)]
struct Rounds {
    pools: Vec<Stock>,
    group: Group,
    /// From one to the next.
    round: Duration,
    last: Duration,
    due: Duration,
}

/// What is known of one pool's endpoints.
#[derive(Debug)]
struct Stock {
    id: PoolId,
    spec: Arc<PoolSpec>,
    gauges: Vec<Gauge>,
    /// If they are drawn by load.
    draw: Option<Draw>,
}

impl Loads {
    /// Of what is served from now on. What is known of pools and endpoints that stay is taken over from `before`.
    pub(super) fn new(world: &World, before: &Self, sightings: &HashMap<Arc<Target>, Sighting>, now: Duration) -> Self {
        let known = before.by_name();
        let mut loads = Self::default();
        for circle in world.circles() {
            for (place, &id) in circle.pools.iter().enumerate() {
                loads.seats.insert(id, (loads.rounds.len(), place));
            }
            loads.rounds.push(Rounds::new(world, &circle, &known, now));
        }
        for (&id, &(circle, place)) in &loads.seats {
            let spec = &loads.rounds[circle].pools[place].spec;
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
            if let Some((seen, at)) = sightings.get(&target).filter(|_| !known).and_then(|it| it.seen.as_ref()) {
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
            let (circle, place) = self.seats[&id];
            let circle = &mut self.rounds[circle];
            let smoothing = circle.round / SMOOTHED_PART;
            let gauge = &mut circle.pools[place].gauges[endpoint];
            if let Some(load) = load {
                gauge.hear(*load, now, smoothing, BELIEVED_FOR.max(target.monitor.interval * BELIEVED_INTERVALS));
            }
            if target.is_probed() {
                gauge.time(*took);
            }
        }
    }

    /// Takes in what somebody says of the load of an endpoint; whether that makes a difference.
    pub(super) fn take_in(&mut self, (id, endpoint): (PoolId, usize), load: Load, now: Duration) -> bool {
        let Some(&(circle, place)) = self.seats.get(&id) else { return false };
        let circle = &mut self.rounds[circle];
        let smoothing = circle.round / SMOOTHED_PART;
        circle.pools[place].gauges[endpoint].hear(load, now, smoothing, BELIEVED_FOR);
        true
    }

    /// When the next round is.
    pub(super) fn due(&self) -> Option<Duration> {
        self.rounds.iter().map(|circle| circle.due).min()
    }

    /// Has the rounds whose time has come. Gives the pools that keep another share of their clients or can take other ones, and
    /// those whose endpoints are drawn otherwise.
    pub(super) fn round(&mut self, snapshot: &Snapshot, now: Duration) -> Vec<PoolId> {
        let due = self.rounds.iter_mut().filter(|circle| circle.due <= now);
        due.flat_map(|circle| circle.round(snapshot.pools(), now)).collect()
    }

    /// What is known of all pools' loads now, by the key of each pool.
    pub(super) fn seen(&self, pools: &[Arc<Pool>], now: Duration) -> HashMap<String, LoadSeen> {
        let stocks = self.rounds.iter().flat_map(|circle| &circle.pools);
        let seen = |stock: &Stock| {
            let Reading { used, capacity, .. } = stock.read(&pools[stock.id as usize], now, now);
            let heard = stock.gauges.iter().filter_map(|gauge| gauge.heard_at(now)).max();
            (stock.spec.key(), LoadSeen { used, capacity, heard })
        };
        stocks.map(seen).collect()
    }

    /// How much of its clients a pool keeps, and what room it has for others'.
    pub(super) fn allowance(&self, pool: PoolId) -> Allowance {
        self.seats.get(&pool).map_or(Allowance::UNKNOWN, |&(circle, place)| self.rounds[circle].group.allowance(place))
    }

    /// How often `least-load` draws an endpoint.
    pub(super) fn weight(&self, pool: PoolId, endpoint: usize) -> u16 {
        let stock = self.seats.get(&pool).map(|&(circle, place)| &self.rounds[circle].pools[place]);
        let drawn = stock.and_then(|stock| stock.draw.as_ref());
        drawn.map_or(crate::load::FULL_WEIGHT, |draw| draw.weight(endpoint))
    }

    fn by_name(&self) -> Known<'_> {
        let places = self.rounds.iter().flat_map(|circle| (0..circle.pools.len()).map(move |place| (circle, place)));
        places.map(|(circle, place)| (identity(&circle.pools[place].spec), (circle, place))).collect()
    }
}

/// What outlives a change of the configuration, by pool: its circle, and its place there.
type Known<'a> = HashMap<(Option<&'a Name>, &'a str), (&'a Rounds, usize)>;

fn identity(spec: &PoolSpec) -> (Option<&Name>, &str) {
    (spec.zone.as_ref(), &spec.name)
}

impl Rounds {
    fn new(world: &World, circle: &Circle, before: &Known<'_>, now: Duration) -> Self {
        let ids = &circle.pools;
        let specs: Vec<&Arc<PoolSpec>> = ids.iter().map(|&id| &world.pools[id as usize]).collect();
        let known: Vec<_> = specs.iter().map(|spec| before.get(&identity(spec)).copied()).collect();
        let stocks = ids.iter().zip(&specs).zip(&known).map(|((&id, &spec), known)| {
            let stock = known.map(|(rounds, place)| &rounds.pools[place]);
            let gauge = |endpoint| stock.and_then(|stock| stock.gauge_of(spec, endpoint)).unwrap_or_default();
            let draws = circle.drawn.contains(&id);
            let same = stock.filter(|stock| stock.spec.members == spec.members);
            Stock {
                id,
                spec: spec.clone(),
                gauges: (0..spec.members.len()).map(gauge).collect(),
                draw: draws.then(|| same.and_then(|stock| stock.draw.clone()).unwrap_or_default()),
            }
        });
        let pools = known.iter().map(|known| known.map(|(circle, place)| circle.group.pool(place)).unwrap_or_default());
        let targets = specs.iter().flat_map(|spec| spec.members.targets()).filter(|target| target.is_probed());
        let intervals = targets.map(|target| target.monitor.interval);
        let interval = intervals.max().unwrap_or_default();
        let round = (Duration::from_secs(u64::from(circle.ttl)) + interval).max(SHORTEST_ROUND);
        // Nothing is decided yet that clients would have to hear of: the first round waits for reports alone.
        let first = now + interval.max(SHORTEST_ROUND);
        let known_rounds = || known.iter().flatten().map(|(rounds, _)| rounds);
        let due = known_rounds().map(|rounds| rounds.due.min(now + round)).min().unwrap_or(first);
        let last = known_rounds().map(|rounds| rounds.last).min().unwrap_or(now);
        let group = Group::new(pools.collect(), &circle.names);
        Self { pools: stocks.collect(), group, round, last, due }
    }

    fn round(&mut self, pools: &[Arc<Pool>], now: Duration) -> Vec<PoolId> {
        let (last, group) = (self.last, &mut self.group);
        let readings: Vec<Reading> =
            self.pools.iter().map(|stock| stock.read(&pools[stock.id as usize], now, last)).collect();
        let mut changed: Vec<PoolId> = group.round(&readings).into_iter().map(|place| self.pools[place].id).collect();
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

impl Stock {
    /// The gauge of an endpoint of a pool that takes this one's place, if it was here already.
    fn gauge_of(&self, spec: &PoolSpec, endpoint: usize) -> Option<Gauge> {
        let text = spec.members.text(endpoint);
        let place = (0..self.spec.members.len()).find(|&place| self.spec.members.text(place) == text)?;
        Some(self.gauges[place])
    }

    fn stands(&self, pool: &Pool) -> Vec<Stand<'_>> {
        let stand = |(endpoint, gauge)| Stand {
            gauge,
            capacity: self.spec.members.capacity(endpoint),
            is_open: {
                let standing = pool.standing(endpoint);
                standing.duty == Duty::On && standing.share.is_some()
            },
        };
        self.gauges.iter().enumerate().map(stand).collect()
    }

    fn read(&self, pool: &Pool, now: Duration, since: Duration) -> Reading {
        let is_alive = pool.is_usable(Family::V4) || pool.is_usable(Family::V6);
        Reading::new(is_alive, &self.stands(pool), self.spec.capacity, now, since)
    }

    fn seats(&self, pool: &Pool, now: Duration) -> Vec<Seat> {
        let part = self.spec.capacity.map(|capacity| capacity / self.gauges.len() as f64);
        let seat = |stand: &Stand<'_>| {
            let used = stand.gauge.load(now).map(|(used, _)| used);
            let load = used.zip(stand.capacity_now(part, now));
            Seat { is_open: stand.is_open, load, response: stand.gauge.response() }
        };
        self.stands(pool).iter().map(seat).collect()
    }
}
