//! The only writer: takes in what happens and says what is to be done.
//!
//! [`Control::step`] is a machine without clock, sockets or tasks; [`run`] gives it all three.
//!
//! ```text
//!   Adopt(blueprint) ─► next ── every target probed once, or 5 s passed ──► serving ─► Publish
//!                                                                             ▲
//!   Outcome(target) ─► health ── its pools changed ── 5 ms ───────────────────┘
//! ```
//!
//! Start and reload are one path: a blueprint waits as *next*, its new targets are probed, and then it takes the place
//! of what is served, if anything is. So the first answer knows what is up, and an endpoint that comes with a reload is
//! not handed out unseen. What the last run found of a target, if that was not long ago, counts as a probe: with
//! `Restore` before the first `Adopt`, a node that was restarted answers at once, and as before.

mod expiry;
mod keeping;
mod overrides;
mod ramps;
mod run;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

pub use keeping::{BELIEVED_FOR, CONFIRM_EVERY, KEEP_EVERY, KEPT_FOR, Keep};
pub use overrides::{EndpointView, OverrideEvent, OverrideReply, Reply};
pub use ramps::{Comebacks, TICK};
pub use run::run;

use crate::health::{Comeback, Kept, Outcome, State, Target, Transition};
use crate::overrides::{Book, Change};
use crate::snapshot::{Blueprint, PoolId, PoolSpec, Snapshot, Standing, World};
use crate::watch::Watch;
use keeping::Keeping;
use ramps::{Ramps, Sayings};

/// How long a new configuration waits for the first outcomes of its new targets; what is unprobed then is up.
pub const FIRST_ROUND: Duration = Duration::from_secs(5);

/// Changes of health within this time are published together.
pub const PUBLISH_WINDOW: Duration = Duration::from_millis(5);

/// Something that happened.
#[derive(Debug)]
pub enum Event {
    /// What the last run kept of its targets' health, by fingerprint. It comes before the first configuration.
    Restore(HashMap<u128, Kept>),
    /// What the last run kept of what was coming back. It comes before the first configuration too.
    Resume(HashMap<String, Comeback>),
    /// A new configuration was read and compiled.
    Adopt(Arc<Blueprint>),
    /// A probe ended.
    Outcome(Arc<Target>, Outcome),
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
    /// Tell the operator that an endpoint went up or down, once.
    Report(Turn),
    /// Keep this for the next run.
    Keep(Keep),
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
    ramps: Ramps,
    serving: Option<Serving>,
    next: Option<Next>,
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
            ramps: Ramps::default(),
            serving: None,
            next: None,
        }
    }

    /// When something is to be done next, if nothing happens before.
    pub fn wake_at(&mut self) -> Option<Duration> {
        let publish_at = self.serving.as_ref().and_then(|serving| serving.publish_at);
        let deadline = self.next.as_ref().map(|next| next.deadline);
        let overrides_at = self.overrides.change_at();
        let times = [self.watch.next_due(), publish_at, deadline, self.keeping.due(), overrides_at, self.ramps.due()];
        times.into_iter().flatten().min()
    }

    /// Takes in an event at a time that never runs backwards: the time since the Unix epoch, as what is kept is compared
    /// with it in another run.
    pub fn step(&mut self, event: Event, now: Duration) -> Vec<Effect> {
        let mut effects = Vec::new();
        match event {
            Event::Restore(kept) => self.keeping.restore(kept),
            Event::Resume(kept) => self.ramps.restore(kept),
            Event::Adopt(blueprint) => self.prepare(blueprint, now),
            Event::Outcome(target, outcome) => effects.extend(self.observe(&target, outcome, now)),
            Event::Override(event) => effects.extend(self.take_override(event, now)),
            Event::Tick => {}
            Event::Stop => {
                self.keeping.note(self.ramps.take_changed());
                effects.extend(self.keeping.take().map(Effect::Keep));
            }
        }
        effects.extend(self.advance_overrides(now));
        effects.extend(self.adopt(now));
        self.advance_ramps(now);
        effects.extend(self.publish(now));
        effects.extend(self.keeping.take_due(now).map(Effect::Keep));
        effects.extend(self.watch.take_due(now).into_iter().map(Effect::Probe));
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
        self.keeping.retain(pools_of.keys().map(|target| &**target), now);
        let windows = self.overrides.set_windows(&blueprint.world().windows, now);
        let before = self.serving.as_ref().map(|serving| &*serving.snapshot);
        let sayings = sayings(&self.watch, &self.overrides, blueprint.world());
        self.ramps.adopt(&sayings, now);
        self.keeping.note(self.ramps.take_changed());
        let standing = overrides::standing(&sayings, &self.ramps);
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

    /// Has published what time has changed.
    fn advance_ramps(&mut self, now: Duration) {
        let Some(serving) = &mut self.serving else { return };
        let changed = self.ramps.take_due(now);
        if !changed.is_empty() {
            serving.changed.extend(changed);
            serving.publish_at.get_or_insert(now);
        }
    }

    fn publish(&mut self, now: Duration) -> Option<Effect> {
        let serving = self.serving.as_mut()?;
        serving.publish_at.take_if(|at| *at <= now)?;
        let changed: Vec<PoolId> = std::mem::take(&mut serving.changed).into_iter().collect();
        let before = serving.snapshot.clone();
        let sayings = sayings(&self.watch, &self.overrides, before.world());
        self.ramps.observe(changed.iter().copied(), &sayings, now);
        self.keeping.note(self.ramps.take_changed());
        let mut snapshot = before.with_pools(&changed, overrides::standing(&sayings, &self.ramps));
        if std::mem::take(&mut serving.names_changed) {
            snapshot = snapshot.overlaid(self.overrides.rulings());
        }
        serving.snapshot = Arc::new(snapshot);
        Some(Effect::Publish(serving.snapshot.clone()))
    }
}

/// What probes and operators say of endpoints.
fn sayings<'a>(
    watch: &'a Watch,
    overrides: &'a Book,
    world: &'a World,
) -> Sayings<'a, impl Fn(&PoolSpec, usize) -> Standing + 'a> {
    let probed = |pool: &PoolSpec, place| watch.standing(pool.members.condition(place));
    Sayings { world, rulings: overrides.rulings(), probed }
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
