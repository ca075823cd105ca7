//! The only writer: takes in what happens and says what is to be done.
//!
//! [`Control::step`] is a machine without clock, sockets or tasks; [`run`] gives it all three.
//!
//! ```text
//!   Adopt(blueprint) ─► next ── every target probed once, or 5 s passed ──► serving ─► Publish
//!                                                                             ▲
//!   Outcome, Push ─► health ── its pools changed ── 5 ms ─────────────────────┤
//!   Latency(samples) ─► table ── something settled ─► Remap ─► Remapped(maps) ┤
//!              └───► loads ─── a round ── its pools changed ── 5 ms ──────────┤
//!   Amend(blueprint) ── into next, or at once ────────────────────────────────┘
//! ```
//!
//! Start and reload are one path: a blueprint waits as *next*, its new targets are probed, and then it takes the place
//! of what is served, if anything is. So the first answer knows what is up, and an endpoint that comes with a reload is
//! not handed out unseen. What the last run found of a target, if that was not long ago, counts as a probe: with
//! `Restore` before the first `Adopt`, a node that was restarted answers at once, and as before.

mod expiry;
mod handle;
mod keeping;
mod latency;
mod loads;
mod now;
mod overrides;
mod pulse;
mod push;
mod ramps;
mod rollouts;
mod run;
mod turns;
mod txt;

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;

pub use handle::{Handle, Inbox, Message};
pub use keeping::{BELIEVED_FOR, CONFIRM_EVERY, KEEP_EVERY, KEPT_FOR, Keep};
pub use latency::{KEEP_LATENCY_EVERY, REMAP_INTERVAL};
pub use now::Now;
pub use overrides::{EndpointView, OverrideEvent, OverrideReply, Reply};
pub use push::{MAX_REASON, Push, PushRefusal, PushReply, Said};
pub use ramps::{HoldTurn, RecoveryStates, TICK};
pub use rollouts::{Requests, RequestsRefusal, RolloutEvent, RolloutReply};
pub use run::run;
pub use turns::{Part, Turn};
pub use txt::{DynamicTxt, MAX_TXT_LIFETIME, MAX_VALUES, TxtError, TxtValue};

use crate::geo::DatacenterId;
use crate::health::{Failure, Health, Kept, LastProbe, Outcome, RecoveryState, State, Survey, Target, Transition};
use crate::latency::{LatencyTable, Record, Sample};
use crate::overrides::{Change, OverrideStore};
use crate::rollout;
use crate::snapshot::{Blueprint, Dirty, EndpointState, PoolId, PoolSpec, Remapped, Snapshot, World, WorldState};
use crate::watch::{Call, FailStaticEvent, Lateness, Observed, Restored, Watch};
use keeping::Keeping;
use latency::Latency;
use loads::Loads;
use ramps::{Ramps, StateInputs};
use rollouts::Rollouts;
use turns::Aggregates;

/// How long a new configuration waits for the first outcomes of its new targets; what is unprobed then is up.
pub const FIRST_ROUND: Duration = Duration::from_secs(5);

/// Changes of health within this time are published together.
pub const PUBLISH_WINDOW: Duration = Duration::from_millis(5);

/// Probes in flight at most, however many descriptors there are: each takes a descriptor, a port and some 10 KiB.
pub const MAX_IN_FLIGHT: usize = 16_384;

/// Something that happened.
#[derive(Debug)]
pub enum Event {
    /// What the last run kept of its targets' health, by fingerprint. It comes before the first configuration.
    Restore(HashMap<u128, Kept>),
    /// What the last run kept of what was coming back. It comes before the first configuration too.
    Resume(HashMap<String, RecoveryState>),
    /// A new configuration was read and compiled.
    Adopt(Arc<Blueprint>),
    /// The configuration adopted last has other records: what [`Blueprint::amended`] made of it.
    Amend(Arc<Blueprint>),
    /// A probe ended.
    Outcome(Arc<Target>, Outcome),
    /// A probe ended without an outcome.
    Lost(Arc<Target>),
    /// Somebody reports an endpoint, and waits to be told what became of that.
    Push(Push, PushReply),
    /// Clients, or their datacenters, measured round trips.
    Latency(Vec<Sample>),
    /// Measures that an earlier run kept. They are told after the first snapshot.
    KeptLatency(Vec<Record>),
    /// Maps were made of a latency table, for this configuration.
    Remapped(Arc<Blueprint>, Remapped),
    /// The operator says what is to answer.
    Override(OverrideEvent),
    /// Something is said of roll-outs.
    Rollout(RolloutEvent),
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
    /// The probe of this target that runs is of no interest any more; there will be no outcome.
    Stop(Arc<Target>),
    /// Answer queries from this snapshot from now on.
    Publish(Arc<Snapshot>),
    /// Make maps of this table, beside, and tell them.
    Remap(Arc<Blueprint>, LatencyTable),
    /// Tell the operator that an endpoint, or one of its probes, went up or down, once.
    Report(Turn),
    /// Tell the operator that the node began, or ceased, to doubt its own probes.
    FailStatic(FailStaticEvent),
    /// Tell whoever reported what became of that.
    Pushed(PushReply, Result<usize, PushRefusal>),
    /// Tell the operator that a pool is held back after it was down, or is no longer.
    Hold(HoldTurn),
    /// Keep this for the next run.
    Keep(Keep),
    /// Keep these round trips as well, beside: they may be many.
    KeepLatency(LatencyTable),
    /// Tell the operator what became of an override, and keep it over a restart or forget it.
    Overridden(Change),
    /// Tell whoever asked for an override.
    Reply(OverrideReply),
    /// Tell the operator that clients are sent elsewhere.
    RolledOut(rollout::Change),
    /// Keep this of roll-outs for the next run.
    KeepRollouts(rollout::Rows),
    /// Tell whoever spoke of roll-outs.
    RolloutReply(RolloutReply),
}

/// What whoever follows the node may want to hear.
#[derive(Clone, Debug)]
pub enum NodeEvent {
    /// An endpoint's state changed.
    Turn(Turn),
    /// An override was placed, began, ended or was lifted.
    Override(Change),
    /// Something happened to a roll-out.
    Rollout(rollout::Change),
    /// The node began, or ceased, to doubt its own probes.
    FailStatic(FailStaticEvent),
    /// A certificate that an endpoint shows ends soon.
    Certificate(Expiring),
}

/// A certificate that ends soon.
#[derive(Clone, Debug)]
pub struct Expiring {
    /// Whose it is.
    pub target: Arc<Target>,
    /// How long it is still valid; 0 if it has expired.
    pub left: Duration,
    /// When it ends, since the Unix epoch.
    pub expires: Duration,
}

/// What queries were answered from, and what they are answered from now: one world in two states.
#[derive(Clone, Debug)]
pub struct Publication {
    /// Until now.
    pub before: Arc<Snapshot>,
    /// From now on.
    pub after: Arc<Snapshot>,
}

/// The state of the node.
#[derive(Debug)]
pub struct Control {
    /// Of the last step.
    now: Now,
    watch: Watch,
    /// What was seen of the targets that are watched.
    last_probes: HashMap<Arc<Target>, LastProbe>,
    aggregates: Aggregates,
    loads: Loads,
    keeping: Keeping,
    overrides: OverrideStore,
    ramps: Ramps,
    rollouts: Rollouts,
    serving: Option<Serving>,
    next: Option<Next>,
    latency: Latency,
}

/// The pools that hold each target.
type PoolsOf = HashMap<Arc<Target>, Vec<PoolId>, RandomState>;

/// What queries are answered from.
#[derive(Debug)]
struct Serving {
    snapshot: Arc<Snapshot>,
    pools_of: PoolsOf,
    /// Where endpoints stand, for those who report them.
    places: HashMap<IpAddr, Vec<push::EndpointRef>>,
    /// What changed and is not published yet, and when it is to be.
    dirty: Dirty,
    publish_at: Option<Duration>,
}

/// What will be served next.
#[derive(Debug)]
struct Next {
    blueprint: Arc<Blueprint>,
    pools_of: PoolsOf,
    /// Its targets that are to be probed and never were.
    unprobed: HashSet<Arc<Target>>,
    deadline: Duration,
}

impl Control {
    /// Nothing is served yet. `seed` makes the probes' jitter repeatable; at most `in_flight` of them are, and no more than
    /// [`MAX_IN_FLIGHT`].
    pub fn new(seed: u64, in_flight: usize) -> Self {
        Self {
            now: Now::default(),
            watch: Watch::new(seed, in_flight.min(MAX_IN_FLIGHT)),
            last_probes: HashMap::new(),
            aggregates: Aggregates::default(),
            loads: Loads::default(),
            keeping: Keeping::default(),
            overrides: OverrideStore::default(),
            ramps: Ramps::default(),
            rollouts: Rollouts::default(),
            serving: None,
            next: None,
            latency: Latency::default(),
        }
    }

    /// How late probes started so far; it goes on counting.
    pub fn lateness(&self) -> Arc<Lateness> {
        self.watch.lateness().clone()
    }

    /// When something is to be done next, if nothing happens before.
    pub fn wake_at(&mut self) -> Option<Duration> {
        let publish_at = self.serving.as_ref().and_then(|serving| serving.publish_at);
        let deadline = self.next.as_ref().map(|next| next.deadline);
        let overrides_at = self.overrides.change_at().map(|at| self.now.to_elapsed(at));
        let rollouts_at = self.rollouts.wake_at();
        let latency_at = self.latency.wake_at(self.serving.as_ref().map(|serving| &*serving.snapshot));
        let (kept_at, ramps_at) = (self.keeping.due(), self.ramps.due());
        let steered_at = [overrides_at, rollouts_at, latency_at, ramps_at, self.loads.due()];
        let times = [self.watch.next_due(), publish_at, deadline, kept_at].into_iter().chain(steered_at);
        times.flatten().min()
    }

    /// Takes in an event. In here `now` is the time that elapses, wherever nothing else is said.
    pub fn step(&mut self, event: Event, now: impl Into<Now>) -> Vec<Effect> {
        self.now = now.into();
        let now = self.now.elapsed;
        let to_elapsed = |time| self.now.to_elapsed(time);
        let mut effects = Vec::new();
        match event {
            Event::Restore(kept) => {
                self.keeping.restore(kept.into_iter().map(|(key, kept)| (key, kept.timed(&to_elapsed))).collect());
            }
            Event::Resume(kept) => {
                let kept =
                    kept.into_iter().map(|(key, recovery_state)| (key, recovery_state.timed(&to_elapsed))).collect();
                for (means, since) in self.keeping.fail_statics(&kept) {
                    self.watch.resume_doubt(means, since);
                }
                self.ramps.restore(kept);
            }
            Event::Adopt(blueprint) => self.prepare(blueprint, now),
            Event::Amend(blueprint) => effects.extend(self.amend(blueprint).map(Effect::Publish)),
            Event::Outcome(target, outcome) => {
                self.time(&target, &outcome, now);
                self.observe(&target, &outcome, now, &mut effects);
            }
            Event::Lost(target) => {
                self.watch.lose(&target, now);
                self.await_no_longer(&target);
            }
            Event::Push(push, reply) => {
                let result = self.take_in(&push, now, &mut effects);
                effects.push(Effect::Pushed(reply, result));
            }
            Event::Latency(samples) => self.feed(&samples, now),
            Event::KeptLatency(records) => self.latency.restore(records, now),
            Event::Remapped(blueprint, maps) => effects.extend(self.exchange_maps(&blueprint, maps, now)),
            Event::Override(event) => effects.extend(self.take_override(event)),
            Event::Rollout(event) => self.take_rollout(event, now, &mut effects),
            Event::Tick => {}
            Event::Stop => {
                self.keeping.note(self.ramps.take_changed());
                effects.extend(self.keeping.take().map(|keep| Effect::Keep(keep.timed(self.now))));
                effects.extend(self.latency.take_unkept().map(Effect::KeepLatency));
            }
        }
        if let Some(over) = self.watch.end_doubt(now) {
            self.tell_doubt(over, now, &mut effects);
        }
        effects.extend(self.advance_overrides());
        self.adopt(now, &mut effects);
        self.advance_ramps(now);
        self.have_rounds(now);
        effects.extend(self.publish(now));
        effects.extend(self.ramps.take_turns().into_iter().map(Effect::Hold));
        self.advance_rollouts(now, &mut effects);
        effects.extend(self.keeping.take_due(now).map(|keep| Effect::Keep(keep.timed(self.now))));
        for call in self.watch.take_due(now) {
            match call {
                Call::Probe(target) => effects.push(Effect::Probe(target)),
                Call::Silence(target) => self.hear(&target, &Outcome::Failure(Failure::Silent), now, &mut effects),
            }
        }
        effects.extend(self.remap(now));
        effects.extend(self.latency.take_kept(now).map(Effect::KeepLatency));
        effects
    }

    /// The node was not running for so long, as when its process was stopped. Nobody could report meanwhile, so that is nobody's
    /// silence.
    pub fn sleep(&mut self, pause: Duration) {
        self.watch.sleep(pause);
    }

    /// Whether something happened that answers do not show yet, but soon will.
    pub fn will_publish(&self) -> bool {
        self.serving.as_ref().is_some_and(|serving| serving.publish_at.is_some())
    }

    /// All targets as they stand. Times are the wall's.
    pub fn survey(&self) -> Survey {
        let survey = Survey {
            last_probes: self.last_probes.clone(),
            turned: self.aggregates.since().map(|(key, since)| (key.to_owned(), since)).collect(),
            loads: self
                .serving
                .as_ref()
                .map_or_else(HashMap::new, |serving| self.loads.seen(serving.snapshot.pools(), self.now.elapsed)),
            held_until: self.watch.held_until(),
        };
        survey.timed(&|time| self.now.to_wall(time))
    }

    fn prepare(&mut self, blueprint: Arc<Blueprint>, now: Duration) {
        let pools_of = pools_of(blueprint.world());
        for (target, alike) in self.watch.add(pools_of.keys(), now) {
            if let Some(last_probe) = self.last_probes.get(&alike).cloned() {
                let health = self.watch.health(&target);
                self.keeping.observe(&target, health, now);
                self.last_probes.insert(target, LastProbe { health, ..last_probe });
            }
        }
        for target in pools_of.keys() {
            if self.watch.health(target) == Health::UNKNOWN
                && let Some(health) = self.keeping.health(target, now)
            {
                self.watch.restore(target, health);
                self.note(target, health, None, now);
            }
        }
        let is_unprobed =
            |target: &&Arc<Target>| target.is_probed() && self.watch.health(target).state() == State::Unknown;
        let unprobed = pools_of.keys().filter(is_unprobed).cloned().collect();
        self.aggregates.await_world(blueprint.world());
        self.next = Some(Next { blueprint, pools_of, unprobed, deadline: now + FIRST_ROUND });
    }

    /// What waits goes on waiting, for its probes are the same; what is served is served with the other records at once.
    fn amend(&mut self, blueprint: Arc<Blueprint>) -> Option<Arc<Snapshot>> {
        if let Some(next) = &mut self.next {
            next.blueprint = blueprint;
            return None;
        }
        let serving = self.serving.as_mut()?;
        let before = &serving.snapshot;
        serving.snapshot =
            Arc::new(Snapshot::derive(blueprint, before.state().clone(), Some((before, &Dirty::default()))));
        Some(serving.snapshot.clone())
    }

    fn observe(&mut self, target: &Arc<Target>, seen: &Outcome, now: Duration, effects: &mut Vec<Effect>) {
        let from = self.watch.health(target).state();
        let serving = self.serving.as_ref();
        let datacenters = |target: &Target| serving.map_or_else(Vec::new, |serving| serving.datacenters(target));
        let observed = self.watch.observe(target, seen, now, datacenters);
        self.await_no_longer(target);
        let Some(Observed { transition, fail_static }) = observed else { return };
        self.follow(target, from, transition, seen, now, effects);
        if let Some(fail_static) = fail_static {
            self.tell_doubt(fail_static, now, effects);
        }
    }

    /// Takes in what was not seen by a probe of this node.
    fn hear(&mut self, target: &Arc<Target>, said: &Outcome, now: Duration, effects: &mut Vec<Effect>) {
        let from = self.watch.health(target).state();
        let transition = self.watch.hear(target, said, now);
        self.follow(target, from, transition, said, now, effects);
    }

    fn take_in(&mut self, push: &Push, now: Duration, effects: &mut Vec<Effect>) -> Result<usize, PushRefusal> {
        let Some(serving) = &self.serving else { return Err(PushRefusal::UnknownEndpoint(push.endpoint)) };
        let places = serving.places.get(&push.endpoint).map_or(&[][..], Vec::as_slice);
        let named = push.named(serving.snapshot.world(), places)?;
        let targets = push.addressees(serving.snapshot.world(), &named)?;
        let weighed = push.load.map(|load| named.iter().filter(|&&place| self.loads.take_in(place, load, now)).count());
        if push.said.is_none() && weighed == Some(0) {
            return Err(PushRefusal::Unweighed(push.endpoint));
        }
        if let Some((said, times)) = push.outcome() {
            for target in &targets {
                (0..times).for_each(|_| self.hear(target, &said, now, effects));
            }
        }
        Ok(targets.len().max(weighed.unwrap_or(0)))
    }

    /// What waits to be served need not wait for this target any longer.
    fn await_no_longer(&mut self, target: &Arc<Target>) {
        if let Some(next) = &mut self.next {
            next.unprobed.remove(target);
        }
    }

    /// Publishes and tells what an outcome changed.
    fn follow(
        &mut self,
        target: &Arc<Target>,
        from: State,
        transition: Transition,
        seen: &Outcome,
        now: Duration,
        effects: &mut Vec<Effect>,
    ) {
        if let Some(serving) = self.serving.as_mut().filter(|_| transition != Transition::None)
            && let Some(ids) = serving.pools_of.get(target)
        {
            serving.dirty.pools.extend(ids);
            serving.publish_at.get_or_insert(now + PUBLISH_WINDOW);
        }
        self.loads.hear(target, seen, now);
        if let Some(ids) = self.serving.as_ref().and_then(|serving| serving.pools_of.get(target)) {
            self.rollouts.see_outcome(ids, seen, now);
        }
        let health = self.watch.health(target);
        let to = health.state();
        self.keeping.observe(target, health, now);
        self.note(target, health, Some(seen.clone()), now);
        if from == to {
            return;
        }
        let ((of, pools), last) = (self.aggregates.part(target, &self.pools_with(target)), seen.clone());
        effects.push(Effect::Report(Turn { target: target.clone(), of, pools, from, to, seen: last }));
        if let Some(serving) = &self.serving {
            let health = |target: &Target| self.watch.health(target);
            let turns = self.aggregates.follow(target, seen, serving.snapshot.world(), &health, now);
            effects.extend(turns.into_iter().map(Effect::Report));
        }
    }

    /// Publishes and tells that all that probes say is held, or no longer.
    fn tell_doubt(&mut self, fail_static: FailStaticEvent, now: Duration, effects: &mut Vec<Effect>) {
        if let Some(serving) = &mut self.serving {
            serving.dirty.pools.extend(serving.pools_of.values().flatten());
            serving.publish_at.get_or_insert(now + PUBLISH_WINDOW);
        }
        let restored = match &fail_static {
            FailStaticEvent::Began { restored, .. } => restored.clone(),
            FailStaticEvent::Resumed | FailStaticEvent::Answered(_) | FailStaticEvent::Ended => Vec::new(),
        };
        for (means, since) in self.watch.doubted_since() {
            self.keeping.note_doubt(means, since);
        }
        if let Some(serving) = &self.serving {
            let restored = restored.iter().filter_map(|restored| serving.pools_of.get(&restored.target));
            self.ramps.forgive(restored.flatten().copied());
        }
        effects.push(Effect::FailStatic(fail_static));
        for Restored { target, from, seen } in restored {
            self.follow(&target, from, Transition::Changed, &seen, now, effects);
        }
    }

    /// Writes down how a watched target stands.
    fn note(&mut self, target: &Arc<Target>, health: Health, seen: Option<Outcome>, now: Duration) {
        if health.state() == State::Unknown {
            // It is watched no more.
            return;
        }
        let before = self.last_probes.get(target).filter(|before| before.health.state() == health.state());
        let since = before.map_or(now, |before| before.since);
        let last_probe = LastProbe { health, since, seen: seen.map(|outcome| (outcome, now)) };
        self.last_probes.insert(target.clone(), last_probe);
    }

    /// The pools that hold a target, those that wait to be served before those that are.
    fn pools_with(&self, target: &Arc<Target>) -> Vec<&PoolSpec> {
        let next = self.next.as_ref().map(|next| (&next.pools_of, next.blueprint.world()));
        let serving = self.serving.as_ref().map(|serving| (&serving.pools_of, serving.snapshot.world()));
        let mut holders = [next, serving].into_iter().flatten();
        let found = holders.find_map(|(pools_of, world)| Some((pools_of.get(target)?, world)));
        found.map_or_else(Vec::new, |(ids, world)| ids.iter().map(|&id| &*world.pools[id as usize]).collect())
    }

    /// Puts what waits in the place of what is served, if it need not wait any longer.
    fn adopt(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        let Some(Next { blueprint, pools_of, .. }) =
            self.next.take_if(|next| next.unprobed.is_empty() || next.deadline <= now)
        else {
            return;
        };
        let world = blueprint.world();
        let stopped = self.watch.retain(|target| pools_of.contains_key(target));
        effects.extend(stopped.into_iter().map(Effect::Stop));
        let resumed = self.watch.set_hold(world.probing.hold, now);
        effects.extend(resumed.map(Effect::FailStatic));
        for (means, since) in self.watch.doubted_since() {
            self.keeping.note_doubt(means, since);
        }
        self.latency.adopt(&blueprint);
        self.last_probes.retain(|target, _| pools_of.contains_key(target));
        self.keeping.retain(pools_of.keys().map(|target| &**target), now);
        let health = |target: &Target| self.watch.health(target);
        let turns = self.aggregates.adopt(world, &health, &self.last_probes, now);
        effects.extend(turns.into_iter().map(Effect::Report));
        let windows = self.overrides.set_windows(&world.windows, self.now.wall);
        self.ramps.follow(&windows, self.now);
        effects.extend(windows.into_iter().map(Effect::Overridden));
        let before = self.serving.as_ref().map(|serving| &*serving.snapshot);
        self.loads = Loads::new(world, &self.loads, &self.last_probes, now);
        let mut state = {
            let inputs = inputs(&self.watch, &self.overrides, world);
            self.ramps.adopt(&inputs, now);
            WorldState::new(&blueprint, overrides::endpoint_state(&inputs, &self.ramps, &self.loads))
        };
        self.keeping.note(self.ramps.take_changed());
        let rolled_out = self.rollouts.adopt(world, now);
        (0..world.pools.len() as PoolId).for_each(|id| state.set_allowance(id, self.loads.allowance(id)));
        state.set_splits(self.rollouts.splits(world));
        state.set_modes(&blueprint, self.overrides.effective_overrides());
        let dirty = Dirty::everything(&blueprint);
        let snapshot = Arc::new(Snapshot::derive(blueprint.clone(), state, before.map(|before| (before, &dirty))));
        effects.push(Effect::Publish(snapshot.clone()));
        self.serving = Some(Serving {
            snapshot,
            places: push::places(world),
            pools_of,
            dirty: Dirty::default(),
            publish_at: None,
        });
        effects.extend(rolled_out.into_iter().map(Effect::RolledOut));
        self.keep_rollouts(effects);
        self.look_at_new_pools(now);
    }

    /// Has published what time has changed.
    fn advance_ramps(&mut self, now: Duration) {
        let Some(serving) = &mut self.serving else { return };
        let changed = self.ramps.take_due(now);
        if !changed.is_empty() {
            serving.dirty.pools.extend(changed);
            serving.publish_at.get_or_insert(now);
        }
    }

    /// Has loads compared whose time has come, and what comes of it published.
    fn have_rounds(&mut self, now: Duration) {
        let Some(serving) = &mut self.serving else { return };
        if self.loads.due().is_none_or(|due| due > now) {
            return;
        }
        let changed = self.loads.round(&serving.snapshot, now);
        if !changed.is_empty() {
            serving.dirty.pools.extend(changed);
            serving.publish_at.get_or_insert(now + PUBLISH_WINDOW);
        }
    }

    fn publish(&mut self, now: Duration) -> Option<Effect> {
        let serving = self.serving.as_mut()?;
        serving.publish_at.take_if(|at| *at <= now)?;
        let dirty = std::mem::take(&mut serving.dirty);
        let before = serving.snapshot.clone();
        let mut state = before.state().clone();
        let inputs = inputs(&self.watch, &self.overrides, before.world());
        self.ramps.observe(dirty.pools.iter().copied(), &inputs, now);
        self.keeping.note(self.ramps.take_changed());
        let endpoint_state = overrides::endpoint_state(&inputs, &self.ramps, &self.loads);
        for &id in &dirty.pools {
            state.set_endpoint_states(id, |endpoint| endpoint_state(id, endpoint));
            state.set_allowance(id, self.loads.allowance(id));
        }
        self.rollouts.see_open(Some(&dirty.pools), before.world(), endpoint_state, now);
        if dirty.names {
            state.set_splits(self.rollouts.splits(before.world()));
            state.set_modes(before.blueprint(), self.overrides.effective_overrides());
        }
        serving.snapshot = Arc::new(before.next(state, &dirty));
        Some(Effect::Publish(serving.snapshot.clone()))
    }
}

impl Serving {
    /// Where a target stands.
    fn datacenters(&self, target: &Target) -> Vec<DatacenterId> {
        let ids = self.pools_of.get(target).map_or(&[][..], Vec::as_slice);
        ids.iter().filter_map(|&id| self.snapshot.world().pools[id as usize].datacenter).collect()
    }
}

/// What probes and operators say of endpoints.
fn inputs<'a>(
    watch: &'a Watch,
    overrides: &'a OverrideStore,
    world: &'a World,
) -> StateInputs<'a, impl Fn(&PoolSpec, usize) -> EndpointState + 'a> {
    let probed = |pool: &PoolSpec, place| watch.endpoint_state(pool.members.condition(place));
    StateInputs { world, effective_overrides: overrides.effective_overrides(), probed }
}

/// The pools that hold each target, in their order.
fn pools_of(world: &World) -> PoolsOf {
    let mut pools_of = PoolsOf::default();
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
