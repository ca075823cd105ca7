//! State that changes with time alone: slow starts, pools that `failback` holds back, and gradual drains.
//!
//! ```text
//!   endpoint   up ── probes find it down ──► down ── up again ──► rising ── slow_start is over ──► up
//!
//!   pool       usable ──► failed ── usable again ──► held ── its time is over, or `open` ──► usable, all endpoints rising
//!                           ▲                          │
//!                           └────── unusable again ────┘
//! ```
//!
//! Both depend on what probes find. An endpoint that this node never saw going down has no slow start: this includes
//! every endpoint in the first round, and new endpoints. Overrides act at once, except for a drain with a duration. A
//! pool that only overrides have emptied has not failed.
//!
//! Endpoints and pools are identified by their text in the files, so a reload changes nothing. The state for the next
//! run is kept under the same keys.

mod inputs;
mod stages;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

pub(super) use self::inputs::StateInputs;
use self::stages::{Endpoint, PoolStage, Stages, slow_start};
use super::Now;
use crate::health::{EndpointKey, Failback, PoolKey, Ramp, RecoveryState, Share};
use crate::overrides::{Change, Happening, Mode, Override, OverrideId};
use crate::snapshot::{AdminState, EndpointState, PoolId, PoolSpec, World};

/// The least time between two changes of shares; a twentieth of the shortest ramp if that is less.
pub const TICK: Duration = Duration::from_secs(1);

const TICKS_A_RAMP: u32 = 20;

/// Recovery states by the key of an endpoint or a pool; `None` for one that is over.
pub type RecoveryStates = BTreeMap<String, Option<RecoveryState>>;

/// A pool began or stopped to be held back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoldTurn {
    /// The pool.
    pub id: PoolId,
    /// Its name, as `web/fra`.
    pub pool: Box<str>,
    /// True if it is held back now.
    pub is_held: bool,
}

/// All slow starts, pools that are held back, and gradual drains.
#[derive(Clone, Debug, Default)]
pub(super) struct Ramps {
    stages: Stages,
    moving: BTreeMap<PoolId, Moving>,
    /// Pools that did not fail: this node's own probes failed.
    forgiven: BTreeSet<PoolId>,
    /// Gradual drains, each with its beginning.
    drains: HashMap<OverrideId, Duration>,
    /// When shares were computed last.
    at: Duration,
    ticked_at: Duration,
    tick_at: Option<Duration>,
    /// Changes that were not reported to the operator yet.
    turns: Vec<HoldTurn>,
}

/// The part of a pool's state that changes with time.
#[derive(Clone, Debug, Default)]
struct Moving {
    ramps: Vec<Ramp>,
    release_at: Option<Duration>,
    /// When this was computed.
    at: Duration,
}

impl Ramps {
    /// Takes in the recovery states of the last run.
    pub(super) fn restore(&mut self, kept: HashMap<String, RecoveryState>) {
        self.stages.restore(kept);
    }

    /// Takes in the world that is served from now on. Forgets the state of endpoints and pools that it lacks.
    pub(super) fn adopt<P: Fn(PoolId, usize) -> EndpointState>(&mut self, inputs: &StateInputs<'_, P>, now: Duration) {
        let pools = &inputs.world.pools;
        let held = pools.iter().filter(|pool| pool.recovery.failback != Failback::Auto);
        let held: HashSet<PoolKey> = held.map(|pool| pool.key()).collect();
        let slow = pools.iter().filter(|pool| !pool.recovery.slow_start.is_zero());
        let slow = slow.flat_map(|pool| (0..pool.members.len()).map(|place| pool.key_of(place)));
        let slow: HashSet<EndpointKey> = slow.collect();
        self.stages.retain(&held, &slow);
        self.stages.none_from_the_future(now);
        self.moving.clear();
        self.forgiven.clear();
        self.observe(inputs.world.pool_ids(), inputs, now);
    }

    /// Takes in changes of overrides. A gradual drain begins at its wall-clock time. From then on it goes by elapsed
    /// time, even if the wall clock is set.
    pub(super) fn follow(&mut self, changes: &[Change], now: Now) {
        for Change { happening, item } in changes {
            match happening {
                Happening::Placed | Happening::Began if item.order.over.is_some() => {
                    self.drains.insert(item.id, now.to_elapsed(item.begins_at()).min(now.elapsed));
                }
                Happening::Placed | Happening::Began => {}
                Happening::Ended | Happening::Lifted { .. } => _ = self.drains.remove(&item.id),
            }
        }
    }

    /// Takes in that these pools did not fail: the node distrusted its own probes. Their endpoints come back without a
    /// slow start.
    pub(super) fn forgive(&mut self, pools: impl IntoIterator<Item = PoolId>) {
        self.forgiven.extend(pools);
    }

    /// Takes in the present state of these pools.
    pub(super) fn observe<P: Fn(PoolId, usize) -> EndpointState>(
        &mut self,
        pools: impl IntoIterator<Item = PoolId>,
        inputs: &StateInputs<'_, P>,
        now: Duration,
    ) {
        self.at = now;
        for id in pools {
            let pool = &*inputs.world.pools[id.index()];
            if self.forgiven.remove(&id) {
                self.forgive_one(id, inputs);
            }
            if !pool.recovery.slow_start.is_zero() {
                (0..pool.members.len()).for_each(|place| self.observe_endpoint(id, place, inputs, now));
            }
            if pool.recovery.failback != Failback::Auto
                && let Some(is_usable) = inputs.is_usable(id)
            {
                self.observe_pool((id, pool), is_usable, now);
            }
            let moving = self.movement(pool, inputs, now);
            if moving.ramps.is_empty() && moving.release_at.is_none() {
                self.moving.remove(&id);
            } else {
                self.moving.insert(id, moving);
            }
        }
        self.schedule();
    }

    fn forgive_one<P: Fn(PoolId, usize) -> EndpointState>(&mut self, id: PoolId, inputs: &StateInputs<'_, P>) {
        let pool = &*inputs.world.pools[id.index()];
        for place in 0..pool.members.len() {
            let key = pool.key_of(place);
            let is_up = (inputs.probed)(id, place).share.is_some();
            if is_up && self.stages.of_endpoint(&key) == Some(Endpoint::Down) {
                self.stages.set_endpoint(key, None);
            }
        }
        if inputs.is_usable(id) == Some(true) && self.stages.of_pool(pool) == Some(PoolStage::Failed) {
            self.stages.set_pool(pool.key(), PoolStage::Usable);
        }
    }

    fn observe_endpoint<P: Fn(PoolId, usize) -> EndpointState>(
        &mut self,
        id: PoolId,
        place: usize,
        inputs: &StateInputs<'_, P>,
        now: Duration,
    ) {
        let pool = &*inputs.world.pools[id.index()];
        let key = pool.key_of(place);
        let before = self.stages.of_endpoint(&key);
        let is_up = (inputs.probed)(id, place).share.is_some();
        let after = match before {
            _ if !is_up => Some(Endpoint::Down),
            Some(Endpoint::Down) => Some(Endpoint::Rising(now)),
            Some(Endpoint::Rising(since)) => {
                Some(Endpoint::Rising(since)).filter(|_| !slow_start(pool, since).is_over(now))
            }
            None => None,
        };
        if after != before {
            self.stages.set_endpoint(key, after);
        }
    }

    fn observe_pool(&mut self, (id, pool): (PoolId, &PoolSpec), is_usable: bool, now: Duration) {
        let key = pool.key();
        let before = self.stages.of_pool(pool);
        match (before, is_usable) {
            (None, true) => self.stages.begin(key),
            (Some(PoolStage::Usable | PoolStage::Held(_)), false) => self.stages.set_pool(key, PoolStage::Failed),
            (Some(PoolStage::Failed), true) => {
                self.stages.set_pool(key, PoolStage::Held(now));
                self.turns.push(HoldTurn { id, pool: pool.name.clone(), is_held: true });
            }
            (Some(PoolStage::Held(since)), true) if release_at(pool, since).is_some_and(|at| at <= now) => {
                self.let_go((id, pool), now);
            }
            _ => {}
        }
    }

    /// Takes in that an operator opens these pools. Those that are held back answer from now on; returns them.
    pub(super) fn release(&mut self, pools: &[PoolId], world: &World, now: Duration) -> Vec<PoolId> {
        let is_held = |id: &PoolId| self.stages.is_held(&world.pools[id.index()]);
        let held: Vec<PoolId> = pools.iter().copied().filter(is_held).collect();
        for &id in &held {
            self.let_go((id, &world.pools[id.index()]), now);
        }
        held
    }

    /// Ends the hold of a pool. The pool had no clients until now, so its slow start, if it has one, begins now.
    fn let_go(&mut self, (id, pool): (PoolId, &PoolSpec), now: Duration) {
        self.stages.set_pool(pool.key(), PoolStage::Usable);
        self.turns.push(HoldTurn { id, pool: pool.name.clone(), is_held: false });
        if pool.recovery.slow_start.is_zero() {
            return;
        }
        for key in (0..pool.members.len()).map(|place| pool.key_of(place)) {
            if self.stages.of_endpoint(&key) != Some(Endpoint::Down) {
                self.stages.set_endpoint(key, Some(Endpoint::Rising(now)));
            }
        }
    }

    /// The state of an endpoint, from its probed state and the override in effect.
    pub(super) fn endpoint_state(
        &self,
        pool: &PoolSpec,
        place: usize,
        probed: EndpointState,
        effective_override: Option<&Override>,
    ) -> EndpointState {
        let is_held = self.stages.is_held(pool);
        // An endpoint that asks for no clients gets none, even after its pool answers again.
        let admin_state =
            if is_held && probed.admin_state == AdminState::On { AdminState::Held } else { probed.admin_state };
        let rising = self.stages.rising(pool, place).filter(|_| !is_held);
        let endpoint_state =
            EndpointState { admin_state, ramp: rising.map_or(probed.ramp, |ramp| ramp.share(self.at)), ..probed };
        match effective_override
            .and_then(|effective_override| self.falling(effective_override))
            .filter(|ramp| !ramp.is_over(self.at))
        {
            Some(ramp) => EndpointState {
                ramp: at_least_something(endpoint_state.ramp.of(ramp.share(self.at))),
                ..endpoint_state
            },
            None => endpoint_state.under(effective_override.map(|effective_override| effective_override.order.mode)),
        }
    }

    /// When something changes next.
    pub(super) fn due(&self) -> Option<Duration> {
        self.tick_at
    }

    /// The pools in which something changed, if a change is due. The caller has to observe them then.
    pub(super) fn take_due(&mut self, now: Duration) -> Vec<PoolId> {
        if self.tick_at.take_if(|at| *at <= now).is_none() {
            return Vec::new();
        }
        self.ticked_at = now;
        let due = self.moving.iter().filter(|(_, moving)| moving.next_change().is_some_and(|at| at <= now));
        due.map(|(&id, _)| id).collect()
    }

    /// The recovery states that changed since the last call, to be kept; `None` removes one.
    pub(super) fn take_changed(&mut self) -> RecoveryStates {
        self.stages.take_changed()
    }

    /// The changes to report to the operator.
    pub(super) fn take_turns(&mut self) -> Vec<HoldTurn> {
        std::mem::take(&mut self.turns)
    }

    fn movement<P: Fn(PoolId, usize) -> EndpointState>(
        &self,
        pool: &PoolSpec,
        inputs: &StateInputs<'_, P>,
        now: Duration,
    ) -> Moving {
        let stage = self.stages.of_pool(pool);
        let release_at = match stage {
            Some(PoolStage::Held(since)) => release_at(pool, since),
            _ => None,
        };
        let places = 0..pool.members.len();
        let rising = places.clone().filter_map(|place| self.stages.rising(pool, place));
        let rising = rising.filter(|_| !matches!(stage, Some(PoolStage::Held(_))));
        let falling = places.filter_map(|place| {
            self.falling(inputs.world.effective_override(inputs.effective_overrides, pool, place)?)
        });
        let ramps = rising.chain(falling.filter(|ramp| !ramp.is_over(now)));
        Moving { ramps: ramps.collect(), release_at, at: now }
    }

    fn schedule(&mut self) {
        let shortest = self.moving.values().flat_map(|moving| &moving.ramps).map(|ramp| ramp.over).min();
        let tick = shortest.map_or(TICK, |over| TICK.min(over / TICKS_A_RAMP));
        let changes = self.moving.values().filter_map(Moving::next_change);
        self.tick_at = changes.min().map(|at| at.max(self.ticked_at + tick));
    }

    /// The ramp of a drain with a duration.
    fn falling(&self, effective_override: &Override) -> Option<Ramp> {
        let over = effective_override.order.over.filter(|_| effective_override.order.mode == Mode::Drain)?;
        Some(Ramp { since: *self.drains.get(&effective_override.id)?, over, rises: false })
    }
}

impl Moving {
    fn next_change(&self) -> Option<Duration> {
        self.ramps.iter().map(|ramp| ramp.next_change(self.at)).chain(self.release_at).min()
    }
}

/// When a pool that is held back since `since` answers again by itself.
fn release_at(pool: &PoolSpec, since: Duration) -> Option<Duration> {
    match pool.recovery.failback {
        Failback::Auto => Some(since),
        Failback::After(time) => Some(since + time),
        Failback::Manual => None,
    }
}

fn at_least_something(share: Share) -> Share {
    share.max(Share::from_thousandths(1))
}
