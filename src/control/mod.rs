//! The only writer: takes in what happens and says what is to be done.
//!
//! [`Control::step`] is a machine without clock, sockets or tasks; [`run`] gives it all three.
//!
//! ```text
//!   Adopt(blueprint) ─► next ── every target probed once, or 5 s passed ──► serving ─► Publish
//!                                                                             ▲
//!   Outcome(target) ─► health ── its pools changed ── 5 ms ───────────────────┤
//!   Latency(samples) ─► table ── something settled ─► Remap ─► Remapped(maps) ┘
//! ```
//!
//! Start and reload are one path: a blueprint waits as *next*, its new targets are probed, and then it takes the place
//! of what is served, if anything is. So the first answer knows what is up, and an endpoint that comes with a reload is
//! not handed out unseen. What the last run found of a target, if that was not long ago, counts as a probe: with
//! `Restore` before the first `Adopt`, a node that was restarted answers at once, and as before.

mod expiry;
mod keeping;
mod latency;
mod overrides;
mod run;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

pub use keeping::{BELIEVED_FOR, CONFIRM_EVERY, KEEP_EVERY, KEPT_FOR, Keep};
pub use latency::{KEEP_LATENCY_EVERY, REMAP_INTERVAL};
pub use overrides::{EndpointView, OverrideEvent, OverrideReply, Reply};
pub use run::run;

use crate::geo::DatacenterId;
use crate::health::{Finding, Kept, Outcome, State, Target, Times, Transition};
use crate::latency::{Record, Sample, Table};
use crate::overrides::{Book, Change};
use crate::snapshot::{Blueprint, PoolId, Remapped, Snapshot, World};
use crate::watch::Watch;
use keeping::Keeping;
use latency::Latency;

/// How long a new configuration waits for the first outcomes of its new targets; what is unprobed then is up.
pub const FIRST_ROUND: Duration = Duration::from_secs(5);

/// Changes of health within this time are published together.
pub const PUBLISH_WINDOW: Duration = Duration::from_millis(5);

/// Something that happened.
#[derive(Debug)]
pub enum Event {
    /// What the last run kept of its targets' health, by fingerprint. It comes before the first configuration.
    Restore(HashMap<u128, Kept>),
    /// A new configuration was read and compiled.
    Adopt(Arc<Blueprint>),
    /// A probe ended.
    Outcome(Arc<Target>, Outcome),
    /// Clients, or their datacenters, measured round trips.
    Latency(Vec<Sample>),
    /// Measures that an earlier run kept. They are told after the first snapshot.
    KeptLatency(Vec<Record>),
    /// Maps were made of a latency table, for this configuration.
    Remapped(Arc<Blueprint>, Remapped),
    /// The operator says what is to answer.
    Override(OverrideEvent),
    /// Time passed.
    Tick,
    /// The node stops: what waits to be kept is kept now.
    Stop,
}

/// Something to do.
#[derive(Debug)]
pub enum Effect {
    /// Probe this target now, and tell the outcome.
    Probe(Arc<Target>),
    /// Answer queries from this snapshot from now on.
    Publish(Arc<Snapshot>),
    /// Make maps of this table, beside, and tell them.
    Remap(Arc<Blueprint>, Table),
    /// Tell the operator that an endpoint went up or down, once.
    Report(Turn),
    /// Keep this for the next run.
    Keep(Keep),
    /// Keep this as well, beside: it may be big.
    KeepLatency(Table),
    /// Tell the operator what became of an override, and keep it over a restart or forget it.
    Overridden(Change),
    /// Tell whoever asked for an override.
    Reply(OverrideReply),
}

/// An endpoint's state changed.
#[derive(Clone, Debug)]
pub struct Turn {
    /// Which one.
    pub target: Arc<Target>,
    /// The pools that hold it, as `web/fra`.
    pub pools: Vec<Box<str>>,
    /// What it was.
    pub from: State,
    /// What it is.
    pub to: State,
    /// What was seen last.
    pub seen: Outcome,
}

/// The state of the node.
#[derive(Debug)]
pub struct Control {
    watch: Watch,
    keeping: Keeping,
    overrides: Book,
    serving: Option<Serving>,
    next: Option<Next>,
    latency: Latency,
}

/// What queries are answered from.
#[derive(Debug)]
struct Serving {
    snapshot: Arc<Snapshot>,
    pools_of: HashMap<Arc<Target>, Vec<PoolId>>,
    /// Pools whose change is not published yet, and when it is to be.
    changed: BTreeSet<PoolId>,
    publish_at: Option<Duration>,
    /// Whether something else is said of names, and is not published yet.
    names_changed: bool,
}

/// What will be served next.
#[derive(Debug)]
struct Next {
    blueprint: Arc<Blueprint>,
    pools_of: HashMap<Arc<Target>, Vec<PoolId>>,
    /// Its targets that were never probed.
    unprobed: HashSet<Arc<Target>>,
    deadline: Duration,
}

impl Control {
    /// Nothing is served yet. `seed` makes the probes' jitter repeatable.
    pub fn new(seed: u64) -> Self {
        Self {
            watch: Watch::new(seed),
            keeping: Keeping::default(),
            overrides: Book::default(),
            serving: None,
            next: None,
            latency: Latency::default(),
        }
    }

    /// When something is to be done next, if nothing happens before.
    pub fn wake_at(&mut self) -> Option<Duration> {
        let publish_at = self.serving.as_ref().and_then(|serving| serving.publish_at);
        let deadline = self.next.as_ref().map(|next| next.deadline);
        let overrides_at = self.overrides.change_at();
        let latency_at = self.latency.wake_at(self.serving.as_ref().map(|serving| &*serving.snapshot));
        let times = [self.watch.next_due(), publish_at, deadline, self.keeping.due(), overrides_at, latency_at];
        times.into_iter().flatten().min()
    }

    /// Takes in an event at a time that never runs backwards: the time since the Unix epoch, as what is kept is compared
    /// with it in another run.
    pub fn step(&mut self, event: Event, now: Duration) -> Vec<Effect> {
        let mut effects = Vec::new();
        match event {
            Event::Restore(kept) => self.keeping.restore(kept),
            Event::Adopt(blueprint) => self.prepare(blueprint, now),
            Event::Outcome(target, outcome) => {
                self.time(&target, &outcome, now);
                effects.extend(self.observe(&target, outcome, now));
            }
            Event::Latency(samples) => {
                if let Some(serving) = &self.serving {
                    self.latency.feed(&samples, &serving.snapshot, now);
                }
            }
            Event::KeptLatency(records) => self.latency.restore(records, now),
            Event::Remapped(blueprint, maps) => effects.extend(self.exchange_maps(&blueprint, &maps, now)),
            Event::Override(event) => effects.extend(self.take_override(event, now)),
            Event::Tick => {}
            Event::Stop => {
                effects.extend(self.keeping.take().map(Effect::Keep));
                effects.extend(self.latency.take_unkept().map(Effect::KeepLatency));
            }
        }
        effects.extend(self.advance_overrides(now));
        effects.extend(self.adopt(now));
        effects.extend(self.publish(now));
        effects.extend(self.keeping.take_due(now).map(Effect::Keep));
        effects.extend(self.watch.take_due(now).into_iter().map(Effect::Probe));
        effects.extend(self.remap(now));
        effects.extend(self.latency.take_kept(now).map(Effect::KeepLatency));
        effects
    }

    fn prepare(&mut self, blueprint: Arc<Blueprint>, now: Duration) {
        let pools_of = pools_of(blueprint.world());
        for target in pools_of.keys() {
            self.watch.add(target, now);
            if let Some(state) = self.keeping.state(target, now) {
                self.watch.restore(target, state);
            }
        }
        let is_unprobed = |target: &&Arc<Target>| self.watch.health(target).state() == State::Unknown;
        let unprobed = pools_of.keys().filter(is_unprobed).cloned().collect();
        self.next = Some(Next { blueprint, pools_of, unprobed, deadline: now + FIRST_ROUND });
    }

    fn observe(&mut self, target: &Arc<Target>, seen: Outcome, now: Duration) -> Option<Effect> {
        let from = self.watch.health(target).state();
        let transition = self.watch.observe(target, seen.share(), now);
        if let Some(next) = &mut self.next {
            next.unprobed.remove(target);
        }
        if let Some(serving) = &mut self.serving
            && transition != Transition::None
            && let Some(ids) = serving.pools_of.get(target)
        {
            serving.changed.extend(ids);
            serving.publish_at.get_or_insert(now + PUBLISH_WINDOW);
        }
        let health = self.watch.health(target);
        let to = health.state();
        self.keeping.observe(target, health, now);
        (from != to)
            .then(|| Effect::Report(Turn { target: target.clone(), pools: self.pool_names(target), from, to, seen }))
    }

    /// How long a probe's connection took is a round trip to the datacenters of its target.
    fn time(&mut self, target: &Arc<Target>, seen: &Outcome, now: Duration) {
        if let Some(serving) = &self.serving
            && let Outcome::Success(Finding { times: Times { connect: Some(rtt), .. }, .. }) = seen
            && let Some(ids) = serving.pools_of.get(target)
        {
            let pools = &serving.snapshot.world().pools;
            let places: BTreeSet<DatacenterId> = ids.iter().filter_map(|&id| pools[id as usize].datacenter).collect();
            self.latency.feed_probe(*rtt, places, &serving.snapshot, now);
        }
    }

    /// The pools that hold a target, those that wait to be served before those that are.
    fn pool_names(&self, target: &Arc<Target>) -> Vec<Box<str>> {
        let next = self.next.as_ref().map(|next| (&next.pools_of, next.blueprint.world()));
        let serving = self.serving.as_ref().map(|serving| (&serving.pools_of, serving.snapshot.world()));
        let mut holders = [next, serving].into_iter().flatten();
        let found = holders.find_map(|(pools_of, world)| Some((pools_of.get(target)?, world)));
        found
            .map_or_else(Vec::new, |(ids, world)| ids.iter().map(|&id| world.pools[id as usize].name.clone()).collect())
    }

    /// Puts what waits in the place of what is served, if it need not wait any longer.
    fn adopt(&mut self, now: Duration) -> Vec<Effect> {
        let Some(Next { blueprint, pools_of, .. }) =
            self.next.take_if(|next| next.unprobed.is_empty() || next.deadline <= now)
        else {
            return Vec::new();
        };
        self.watch.retain(|target| pools_of.contains_key(target));
        self.latency.adopt(&blueprint);
        self.keeping.retain(pools_of.keys().map(|target| &**target), now);
        let windows = self.overrides.set_windows(&blueprint.world().windows, now);
        let before = self.serving.as_ref().map(|serving| &*serving.snapshot);
        let standing = overrides::standing(&self.watch, self.overrides.rulings(), blueprint.world());
        let snapshot = Snapshot::new(blueprint.clone(), standing, before);
        let snapshot = Arc::new(snapshot.overlaid(self.overrides.rulings()));
        self.serving = Some(Serving {
            snapshot: snapshot.clone(),
            pools_of,
            changed: BTreeSet::new(),
            publish_at: None,
            names_changed: false,
        });
        windows.into_iter().map(Effect::Overridden).chain([Effect::Publish(snapshot)]).collect()
    }

    /// Asks for maps of the table as it is, if those that are served were made of another one.
    fn remap(&mut self, now: Duration) -> Option<Effect> {
        let snapshot = &self.serving.as_ref()?.snapshot;
        let table = self.latency.pass(snapshot, now)?;
        Some(Effect::Remap(snapshot.blueprint().clone(), table))
    }

    /// Serves new maps, unless another configuration came between.
    fn exchange_maps(&mut self, made_for: &Arc<Blueprint>, maps: &Remapped, now: Duration) -> Option<Effect> {
        self.latency.end_remap(now);
        let serving = self.serving.as_mut().filter(|serving| Arc::ptr_eq(made_for, serving.snapshot.blueprint()))?;
        serving.snapshot = Arc::new(serving.snapshot.with_maps(maps, self.overrides.rulings()));
        Some(Effect::Publish(serving.snapshot.clone()))
    }

    fn publish(&mut self, now: Duration) -> Option<Effect> {
        let serving = self.serving.as_mut()?;
        serving.publish_at.take_if(|at| *at <= now)?;
        let changed: Vec<PoolId> = std::mem::take(&mut serving.changed).into_iter().collect();
        let before = &serving.snapshot;
        let rulings = self.overrides.rulings();
        let mut snapshot = before.with_pools(&changed, overrides::standing(&self.watch, rulings, before.world()));
        if std::mem::take(&mut serving.names_changed) {
            snapshot = snapshot.overlaid(rulings);
        }
        serving.snapshot = Arc::new(snapshot);
        Some(Effect::Publish(serving.snapshot.clone()))
    }
}

/// The pools that hold each target.
fn pools_of(world: &World) -> HashMap<Arc<Target>, Vec<PoolId>> {
    let mut pools_of: HashMap<Arc<Target>, Vec<PoolId>> = HashMap::new();
    for (id, spec) in (0..).zip(&world.pools) {
        for target in spec.members.targets() {
            match pools_of.get_mut(target) {
                Some(ids) if ids.last() == Some(&id) => {}
                Some(ids) => ids.push(id),
                None => _ = pools_of.insert(Arc::new(target.clone()), vec![id]),
            }
        }
    }
    pools_of
}

#[cfg(test)]
mod tests;
