//! Overrides, as control takes them in.
//!
//! A change of overrides is a change of the pools that its target means, and is published with all others of the same 5 ms.
//! What probes say goes on beside: [`Control::endpoints`] tells both.

use std::time::Duration;

use tokio::sync::oneshot;

use super::{Control, Effect, Serving};
use crate::health::{Health, Target};
use crate::overrides::{Book, Change, Happening, Order, Override, Refusal, Rulings, Selector, TargetKind};
use crate::snapshot::{PoolId, PoolSpec, Standing, World};
use crate::watch::Watch;

/// What an operator, or what was kept from the last run, says of overrides.
#[derive(Debug)]
pub enum OverrideEvent {
    /// One more. Whoever waits is told under which id, or why not.
    Place(Order, oneshot::Sender<Result<Override, Refusal>>),
    /// Some less; who says so. Whoever waits is told which.
    Lift(Selector, Box<str>, oneshot::Sender<Result<Vec<Override>, Refusal>>),
    /// What the last run had placed. It is taken as it is: what it means may come with a later configuration.
    Restore(Vec<Override>),
}

/// What whoever placed or lifted overrides is told, and where.
#[derive(Debug)]
pub enum OverrideReply {
    /// About [`OverrideEvent::Place`].
    Placed(oneshot::Sender<Result<Override, Refusal>>, Result<Override, Refusal>),
    /// About [`OverrideEvent::Lift`].
    Lifted(oneshot::Sender<Result<Vec<Override>, Refusal>>, Result<Vec<Override>, Refusal>),
}

impl OverrideReply {
    /// Tells it, if somebody still waits.
    pub fn send(self) {
        match self {
            Self::Placed(to, result) => _ = to.send(result),
            Self::Lifted(to, result) => _ = to.send(result),
        }
    }
}

/// All that is known of one endpoint of what is served.
#[derive(Debug)]
pub struct EndpointView<'a> {
    /// The pool.
    pub pool: &'a PoolSpec,
    /// Its place in there.
    pub place: usize,
    /// What it depends on and how that is, whatever overrides say; empty if nobody watches it.
    pub probes: Vec<(&'a Target, Health)>,
    /// What probes come to.
    pub probed: Standing,
    /// What answers make of it.
    pub standing: Standing,
    /// The override that counts for it.
    pub ruling: Option<&'a Override>,
}

impl Control {
    /// All overrides and windows, and which are in force.
    pub fn overrides(&self) -> &Book {
        &self.overrides
    }

    /// Every endpoint of every pool that is served, pool by pool.
    pub fn endpoints(&self) -> impl Iterator<Item = EndpointView<'_>> {
        let world = self.serving.as_ref().map(|serving| serving.snapshot.world());
        world.into_iter().flat_map(move |world| {
            world
                .pools
                .iter()
                .flat_map(move |pool| (0..pool.members.len()).map(move |place| self.endpoint(world, pool, place)))
        })
    }

    fn endpoint<'a>(&'a self, world: &'a World, pool: &'a PoolSpec, place: usize) -> EndpointView<'a> {
        let condition = pool.members.condition(place);
        let mut probes = Vec::new();
        if let Some(condition) = condition {
            condition.each_target(&mut |target| probes.push((target, self.watch.health(target))));
        }
        let probed = self.watch.standing(condition);
        let ruling = world.ruling(self.overrides.rulings(), pool, place);
        EndpointView { pool, place, probes, probed, standing: ruled(probed, ruling), ruling }
    }

    pub(super) fn take_override(&mut self, event: OverrideEvent, now: Duration) -> Vec<Effect> {
        match event {
            OverrideEvent::Place(order, to) => {
                let (result, changes) = match self.place(order, now) {
                    Ok((item, changes)) => (Ok(item), changes),
                    Err(refusal) => (Err(refusal), Vec::new()),
                };
                self.tell(changes, Some(OverrideReply::Placed(to, result)), now)
            }
            OverrideEvent::Lift(which, who, to) => {
                let result = self.overrides.lift(&which, &who, now);
                let changes = result.as_ref().map_or_else(|_| Vec::new(), Clone::clone);
                let result = result.map(|changes| changes.into_iter().map(|change| change.item).collect());
                self.tell(changes, Some(OverrideReply::Lifted(to, result)), now)
            }
            OverrideEvent::Restore(kept) => {
                let changes = self.overrides.restore(kept, now);
                self.tell(changes, None, now)
            }
        }
    }

    fn place(&mut self, order: Order, now: Duration) -> Result<(Override, Vec<Change>), Refusal> {
        let serving = self.serving.as_ref().map(|serving| serving.snapshot.world());
        let world = serving.or_else(|| self.next.as_ref().map(|next| next.blueprint.world()));
        let target = order.target.clone();
        if let Some(world) = world {
            world.find(&target).map_err(|meant| Refusal::Unknown(target.clone(), meant))?;
        }
        let is_excepted = |other: &Override| world.is_some_and(|world| world.overlap(&target, &other.order.target));
        self.overrides.place(order, now, is_excepted)
    }

    /// What begins and ends by itself.
    pub(super) fn advance_overrides(&mut self, now: Duration) -> Vec<Effect> {
        if self.overrides.change_at().is_none_or(|at| at > now) {
            return Vec::new();
        }
        let changes = self.overrides.advance(now);
        self.tell(changes, None, now)
    }

    /// Has what changed published, and tells of it.
    fn tell(&mut self, changes: Vec<Change>, reply: Option<OverrideReply>, now: Duration) -> Vec<Effect> {
        if let Some(serving) = &mut self.serving {
            for change in &changes {
                serving.touch(change, now);
            }
        }
        let told = changes.into_iter().map(Effect::Overridden);
        told.chain(reply.map(Effect::Reply)).collect()
    }
}

impl Serving {
    fn touch(&mut self, change: &Change, now: Duration) {
        let order = &change.item.order;
        if change.happening == Happening::Placed && !order.is_in_force(now) {
            return;
        }
        if order.target.kind() == TargetKind::Name {
            self.names_changed = true;
        } else {
            self.changed.extend(self.snapshot.world().pools_meant(&order.target));
        }
        self.publish_at.get_or_insert(now + super::PUBLISH_WINDOW);
    }
}

/// What probes and overrides together say of each pool's endpoints, by their place in its spec.
pub(super) fn standing<'a>(
    watch: &'a Watch,
    rulings: &'a Rulings,
    world: &'a World,
) -> impl Fn(PoolId, usize) -> Standing + 'a {
    |id, place| {
        let pool = &world.pools[id as usize];
        ruled(watch.standing(pool.members.condition(place)), world.ruling(rulings, pool, place))
    }
}

fn ruled(probed: Standing, ruling: Option<&Override>) -> Standing {
    probed.under(ruling.map(|ruling| ruling.order.mode))
}
