//! Overrides in control.
//!
//! A changed override changes the pools that its target matches. The change is published with all other changes of the
//! same 5 ms. Probes continue meanwhile: [`Control::endpoints`] returns both the probed state and the state with
//! overrides.

#[cfg(test)]
mod tests;

use std::time::Duration;

use tokio::sync::oneshot;

use super::loads::Loads;
use super::ramps::{Ramps, StateInputs};
use super::serving::probed_state;
use super::{Control, Effect, Next, Now, Serving};
use crate::health::{Health, Target};
use crate::overrides::{
    Change, Happening, Mode, Order, Override, OverrideRefusal, OverrideStore, Placement, Selector, TargetPattern,
};
use crate::snapshot::{Dirty, EndpointState, PoolId, PoolSpec, World};

/// An operator's order about overrides, or the overrides of the last run.
#[derive(Debug)]
pub enum OverrideEvent {
    /// Places an override. The sender gets the changes, or why there are none. An `open` of a target that is already
    /// open changes nothing.
    Place(Placement, Reply),
    /// Lifts the selected overrides. The text names the operator.
    Lift(Selector, Box<str>, Reply),
    /// The overrides of the last run. They are not checked, because a later configuration may contain their targets.
    Restore(Vec<Override>),
}

/// The channel for the reply to an order.
pub type Reply = oneshot::Sender<Result<Vec<Change>, OverrideRefusal>>;

/// The reply to an order to place or lift overrides.
#[derive(Debug)]
pub struct OverrideReply {
    to: Reply,
    result: Result<Vec<Change>, OverrideRefusal>,
}

impl OverrideReply {
    /// Sends the reply, if somebody still waits.
    pub fn send(self) {
        let _ = self.to.send(self.result);
    }
}

/// Everything known of one endpoint of a pool that is served.
#[derive(Debug)]
pub struct EndpointView<'a> {
    /// The pool.
    pub pool: &'a PoolSpec,
    /// Its position in the pool.
    pub place: usize,
    /// The probes that it depends on and their health, without overrides; empty if it has no monitor.
    pub probes: Vec<(&'a Target, Health)>,
    /// The state that follows from its probes.
    pub probed: EndpointState,
    /// The state that answers use.
    pub endpoint_state: EndpointState,
    /// The override that is in effect for it.
    pub effective_override: Option<&'a Override>,
}

impl Control {
    /// All overrides and windows, and which are in force.
    pub fn overrides(&self) -> &OverrideStore {
        &self.overrides
    }

    /// Every endpoint of every pool that is served, pool by pool.
    pub fn endpoints(&self) -> impl Iterator<Item = EndpointView<'_>> {
        self.serving.iter().flat_map(move |serving| {
            let pools = serving.snapshot.world().pools_by_id();
            pools
                .flat_map(move |(id, pool)| (0..pool.members.len()).map(move |place| self.endpoint(serving, id, place)))
        })
    }

    fn endpoint<'a>(&'a self, serving: &'a Serving, id: PoolId, place: usize) -> EndpointView<'a> {
        let world = serving.snapshot.world();
        let pool = &*world.pools[id.index()];
        let condition = serving.dependents.condition(id, place);
        let mut probes = Vec::new();
        if let Some(condition) = condition {
            condition.each_target(&mut |&id| probes.extend(self.target(id).map(|it| (&**it, self.watch.health(id)))));
        }
        let probed = probed_state(&self.watch, &serving.dependents, world, id, place);
        let effective_override = world.effective_override(self.overrides.effective_overrides(), pool, place);
        let endpoint_state = self.ramps.endpoint_state(pool, place, probed, effective_override);
        EndpointView { pool, place, probes, probed, endpoint_state, effective_override }
    }

    pub(super) fn take_override(&mut self, event: OverrideEvent) -> Vec<Effect> {
        let mut effects = self.advance_overrides();
        let (result, to) = match event {
            OverrideEvent::Place(placement, to) => (self.place(placement), Some(to)),
            OverrideEvent::Lift(which, who, to) => (self.lift(&which, &who), Some(to)),
            OverrideEvent::Restore(kept) => (Ok(self.overrides.restore(kept, self.now.wall)), None),
        };
        effects.extend(self.tell(result.clone().unwrap_or_default()));
        // An `open` releases pools that are held back. Both changes are kept in one batch, so that a crash cannot keep
        // one without the other.
        self.keeping.note(self.ramps.take_changed());
        effects.extend(self.keeping.take().map(|keep| Effect::Keep(keep.timed(self.now))));
        effects.extend(to.map(|to| Effect::Reply(OverrideReply { to, result })));
        effects
    }

    fn lift(&mut self, which: &Selector, who: &str) -> Result<Vec<Change>, OverrideRefusal> {
        let changes = self.overrides.lift(which, &self.signed(who.into()), self.now.wall)?;
        self.say_overrides(&changes, None, who);
        Ok(changes)
    }

    fn place(&mut self, placement: Placement) -> Result<Vec<Change>, OverrideRefusal> {
        let Now { elapsed, wall } = self.now;
        let now = self.told_time(wall);
        let order = placement.at(now);
        let who = order.who.clone();
        let order = Order { who: self.signed(order.who), ..order };
        let opens = (order.mode == Mode::Open && order.is_in_force(now)).then(|| order.target.clone());
        let world = known_world(self.serving.as_ref(), self.next.as_ref());
        let changes = place_in(&mut self.overrides, world, order, now)?;
        if let Some(target) = &opens {
            self.release(target, elapsed);
        }
        self.say_overrides(&changes, opens.as_ref(), &who);
        Ok(changes)
    }

    /// Releases the held pools that the target matches: they answer again.
    pub(super) fn release(&mut self, target: &TargetPattern, now: Duration) {
        let Some(serving) = &mut self.serving else { return };
        let world = serving.snapshot.world();
        let released = self.ramps.release(&world.pools_meant(target), world, now);
        if !released.is_empty() {
            serving.dirty.pools.extend(released);
            serving.publish_at.get_or_insert(now + super::PUBLISH_WINDOW);
        }
    }

    /// Takes in the overrides that begin or end now.
    pub(super) fn advance_overrides(&mut self) -> Vec<Effect> {
        if !self.overrides.is_due(self.now.wall) {
            return Vec::new();
        }
        let changes = self.overrides.advance(self.now.wall);
        self.tell(changes)
    }

    /// Schedules the publication of changes, and returns the effects that report them.
    pub(super) fn tell(&mut self, changes: Vec<Change>) -> Vec<Effect> {
        self.ramps.follow(&changes, self.now);
        if let Some(serving) = &mut self.serving {
            for change in &changes {
                serving.touch(change, self.now);
            }
        }
        for Change { happening, item } in &changes {
            if *happening == Happening::Began && item.order.mode == Mode::Open {
                self.release(&item.order.target, self.now.elapsed);
            }
        }
        changes.into_iter().map(Effect::Overridden).collect()
    }
}

impl Serving {
    fn touch(&mut self, change: &Change, now: Now) {
        if touch(&mut self.dirty, change, self.snapshot.world(), now.wall) {
            self.publish_at.get_or_insert(now.elapsed + super::PUBLISH_WINDOW);
        }
    }
}

/// The world that orders are checked against: the served one, otherwise the one that will be served, if any.
pub(super) fn known_world<'a>(serving: Option<&'a Serving>, next: Option<&'a Next>) -> Option<&'a World> {
    serving.map(|serving| serving.snapshot.world()).or_else(|| next.map(|next| next.blueprint.world()))
}

/// Places an override and returns the changes. Fails if this world has nothing that the target matches, or if the store
/// refuses the order.
pub(super) fn place_in(
    store: &mut OverrideStore,
    world: Option<&World>,
    order: Order,
    now: Duration,
) -> Result<Vec<Change>, OverrideRefusal> {
    let target = order.target.clone();
    if let Some(world) = world {
        world.find(&target).map_err(|meant| OverrideRefusal::Unknown(target.clone(), meant))?;
    }
    let overlaps = |other: &Override| world.is_some_and(|world| world.overlap(&target, &other.order.target));
    store.place(order, now, overlaps)
}

/// Marks the parts of the state that a change of an override affects. Returns false if the override is not in force
/// yet, so that it affects nothing. `now` is the wall-clock time.
pub(super) fn touch(dirty: &mut Dirty, change: &Change, world: &World, now: Duration) -> bool {
    let order = &change.item.order;
    if change.happening == Happening::Placed && !order.is_in_force(now) {
        return false;
    }
    if order.target.kind().is_of_endpoints() {
        dirty.pools.extend(world.pools_meant(&order.target));
    } else {
        dirty.names = true;
    }
    true
}

/// Returns a function that gives the state of an endpoint, by pool and position, from probes, overrides, time and
/// loads.
pub(super) fn endpoint_state<'a>(
    inputs: &'a StateInputs<'a, impl Fn(PoolId, usize) -> EndpointState>,
    ramps: &'a Ramps,
    loads: &'a Loads,
) -> impl Fn(PoolId, usize) -> EndpointState + 'a {
    |id, place| {
        let pool = &inputs.world.pools[id.index()];
        let effective_override = inputs.world.effective_override(inputs.effective_overrides, pool, place);
        let endpoint_state = ramps.endpoint_state(pool, place, (inputs.probed)(id, place), effective_override);
        EndpointState { room: loads.weight(id, place), ..endpoint_state }
    }
}
