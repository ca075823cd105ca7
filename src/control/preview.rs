//! Previews of orders: the snapshot that would follow from one is derived, and nothing is changed.
//!
//! An order that begins later, and a drain that takes its time, are previewed as they are in the end.

use std::fmt;
use std::sync::Arc;

use super::overrides::{self, known_world, place_in};
use super::serving::inputs;
use super::{Control, Now, Publication, rollouts};
use crate::overrides::{Change, Happening, Mode, Order, OverrideRefusal, OverrideStore, Placement, Selector};
use crate::rollout::{self, RolloutRefusal};
use crate::snapshot::{Dirty, Snapshot};

/// An order that is not given yet.
#[derive(Clone, Debug)]
pub enum Proposal {
    /// To place an override.
    Place(Placement),
    /// To lift overrides.
    Lift(Selector),
    /// To change a roll-out.
    Rollout(rollout::Order),
}

/// The changes that would follow from an order.
#[derive(Clone, Debug)]
pub struct Preview {
    /// The overrides that would be placed, end or be lifted.
    pub changes: Vec<Change>,
    /// The pools that `failback` holds back and that would answer again.
    pub released: Vec<Box<str>>,
    /// The snapshots before and after; `None` while no configuration is served.
    pub publication: Option<Publication>,
}

/// Why an order would be refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderRefusal {
    /// An order about overrides.
    Override(OverrideRefusal),
    /// An order about a roll-out.
    Rollout(RolloutRefusal),
}

impl fmt::Display for OrderRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Override(refusal) => refusal.fmt(f),
            Self::Rollout(refusal) => refusal.fmt(f),
        }
    }
}

impl std::error::Error for OrderRefusal {}

impl Control {
    /// Returns what would follow from an order, or why it would be refused.
    pub fn preview(&self, proposal: &Proposal, now: impl Into<Now>) -> Result<Preview, OrderRefusal> {
        let now = now.into();
        match proposal {
            Proposal::Place(placement) => {
                let order = placement.clone().at(now.wall);
                let world = known_world(self.serving.as_ref(), self.next.as_ref());
                let changes = place_in(&mut self.overrides.clone(), world, order.clone(), now.wall);
                let changes = changes.map_err(OrderRefusal::Override)?;
                let in_the_end = Order { from: None, over: None, ..order.clone() };
                let mut store = self.overrides.clone();
                // An order that ends before it could begin is refused above.
                let begun = place_in(&mut store, world, in_the_end, now.wall).unwrap_or_default();
                Ok(self.with_overrides(&store, Some(&order), &begun, now).of(changes))
            }
            Proposal::Lift(which) => {
                let mut store = self.overrides.clone();
                let changes = store.lift(which, "", now.wall).map_err(OrderRefusal::Override)?;
                Ok(self.with_overrides(&store, None, &changes, now).of(changes))
            }
            Proposal::Rollout(order) => {
                let store = self.rollouts.after(order, now.elapsed).map_err(OrderRefusal::Rollout)?;
                let publication = self.serving.as_ref().map(|serving| {
                    let before = serving.snapshot.clone();
                    let mut state = before.state().clone();
                    state.set_splits(rollouts::splits(&store, before.world()));
                    let dirty = Dirty { names: true, ..Dirty::default() };
                    publication(before, |before| before.next(state, &dirty))
                });
                Ok(Preview { changes: Vec::new(), released: Vec::new(), publication })
            }
        }
    }

    /// Returns the effects that follow if `store` replaces the overrides because of `order`.
    fn with_overrides(&self, store: &OverrideStore, order: Option<&Order>, changes: &[Change], now: Now) -> Followed {
        let Some(serving) = &self.serving else { return Followed::default() };
        let before = serving.snapshot.clone();
        let world = before.world();
        let mut ramps = self.ramps.clone();
        ramps.follow(changes, now);
        let mut dirty = Dirty::default();
        for change in changes {
            overrides::touch(&mut dirty, change, world, now.wall);
        }
        let began = |change: &&Change| matches!(change.happening, Happening::Began);
        let opened = changes.iter().filter(began).map(|change| &change.item.order).chain(order);
        let mut released = Vec::new();
        for order in opened.filter(|order| order.mode == Mode::Open) {
            released.extend(ramps.release(&world.pools_meant(&order.target), world, now.elapsed));
        }
        dirty.pools.extend(&released);
        let mut state = before.state().clone();
        let inputs = inputs(&self.watch, &serving.dependents, store, world);
        ramps.observe(dirty.pools.iter().copied(), &inputs, now.elapsed);
        let endpoint_state = overrides::endpoint_state(&inputs, &ramps, &self.loads);
        for &id in &dirty.pools {
            state.set_endpoint_states(id, |endpoint| endpoint_state(id, endpoint));
        }
        if dirty.names {
            state.set_name_orders(before.blueprint(), store.effective_overrides());
        }
        let released = released.iter().map(|id| world.pools[id.index()].name.clone()).collect();
        Followed { released, publication: Some(publication(before.clone(), |before| before.next(state, &dirty))) }
    }
}

/// The effects of changed overrides.
#[derive(Default)]
struct Followed {
    released: Vec<Box<str>>,
    publication: Option<Publication>,
}

impl Followed {
    fn of(self, changes: Vec<Change>) -> Preview {
        let Self { released, publication } = self;
        Preview { changes, released, publication }
    }
}

fn publication(before: Arc<Snapshot>, next: impl FnOnce(&Snapshot) -> Snapshot) -> Publication {
    let after = Arc::new(next(&before));
    Publication { before, after }
}
