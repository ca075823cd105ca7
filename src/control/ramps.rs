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

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use super::Now;
use crate::health::{EndpointKey, Failback, PoolKey, Ramp, RecoveryState, Share};
use crate::overrides::{Change, EffectiveOverrides, Happening, Mode, Override, OverrideId};
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
    endpoints: HashMap<EndpointKey, Endpoint>,
    pools: HashMap<PoolKey, PoolStage>,
    moving: BTreeMap<PoolId, Moving>,
    /// Pools that did not fail: this node's own probes failed.
    forgiven: BTreeSet<PoolId>,
    /// Gradual drains, each with its beginning.
    drains: HashMap<OverrideId, Duration>,
    /// When shares were computed last.
    at: Duration,
    ticked_at: Duration,
    tick_at: Option<Duration>,
    /// Changes to keep that were not handed over yet.
    changed: RecoveryStates,
    /// Changes that were not reported to the operator yet.
    turns: Vec<HoldTurn>,
}

/// An endpoint that is not simply up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Endpoint {
    Down,
    Rising(Duration),
}

/// A pool with `failback` that has been usable before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PoolStage {
    Usable,
    Failed,
    Held(Duration),
}

/// The part of a pool's state that changes with time.
#[derive(Clone, Debug, Default)]
struct Moving {
    ramps: Vec<Ramp>,
    release_at: Option<Duration>,
    /// When this was computed.
    at: Duration,
}

/// The inputs of endpoint states: what probes find, without overrides; and the overrides in effect.
pub(super) struct StateInputs<'a, P> {
    pub(super) world: &'a World,
    pub(super) effective_overrides: &'a EffectiveOverrides,
    pub(super) probed: P,
}

impl Ramps {
    /// Takes in the recovery states of the last run.
    pub(super) fn restore(&mut self, kept: HashMap<String, RecoveryState>) {
        for (key, recovery_state) in kept {
            match recovery_state {
                RecoveryState::Rising(since) => {
                    self.endpoints.insert(EndpointKey::from_kept(key), Endpoint::Rising(since));
                }
                RecoveryState::Failed => _ = self.pools.insert(PoolKey::from_kept(key), PoolStage::Failed),
                RecoveryState::Held(since) => _ = self.pools.insert(PoolKey::from_kept(key), PoolStage::Held(since)),
                // `Keeping` takes in this one: it concerns the node's probes, not its endpoints.
                RecoveryState::FailStatic(_) => {}
            }
        }
    }

    /// Takes in the world that is served from now on. Forgets the state of endpoints and pools that it lacks.
    pub(super) fn adopt<P: Fn(PoolId, usize) -> EndpointState>(&mut self, inputs: &StateInputs<'_, P>, now: Duration) {
        let pools = &inputs.world.pools;
        let held = pools.iter().filter(|pool| pool.recovery.failback != Failback::Auto);
        let held: HashSet<PoolKey> = held.map(|pool| pool.key()).collect();
        let slow = pools.iter().filter(|pool| !pool.recovery.slow_start.is_zero());
        let slow = slow.flat_map(|pool| (0..pool.members.len()).map(|place| pool.key_of(place)));
        let slow: HashSet<EndpointKey> = slow.collect();
        let gone = self.pools.keys().filter(|key| !held.contains(*key)).map(PoolKey::to_string);
        let gone_endpoints = self.endpoints.keys().filter(|key| !slow.contains(*key)).map(EndpointKey::to_string);
        self.changed.extend(gone.chain(gone_endpoints).map(|key| (key, None)));
        self.pools.retain(|key, _| held.contains(key));
        self.endpoints.retain(|key, _| slow.contains(key));
        self.moving.clear();
        self.forgiven.clear();
        self.none_from_the_future(now);
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

    /// Times in the future, left by a clock that was ahead, become now.
    fn none_from_the_future(&mut self, now: Duration) {
        for endpoint in self.endpoints.values_mut() {
            if let Endpoint::Rising(since) = endpoint {
                *since = now.min(*since);
            }
        }
        for stage in self.pools.values_mut() {
            if let PoolStage::Held(since) = stage {
                *since = now.min(*since);
            }
        }
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
            if is_up && self.endpoints.get(&key) == Some(&Endpoint::Down) {
                self.set_endpoint(key, None);
            }
        }
        if inputs.is_usable(id) == Some(true) && self.stage(pool) == Some(PoolStage::Failed) {
            self.set_pool(pool.key(), PoolStage::Usable);
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
        let before = self.endpoints.get(&key).copied();
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
            self.set_endpoint(key, after);
        }
    }

    fn observe_pool(&mut self, (id, pool): (PoolId, &PoolSpec), is_usable: bool, now: Duration) {
        let key = pool.key();
        let before = self.pools.get(&key).copied();
        match (before, is_usable) {
            (None, true) => _ = self.pools.insert(key, PoolStage::Usable),
            (Some(PoolStage::Usable | PoolStage::Held(_)), false) => self.set_pool(key, PoolStage::Failed),
            (Some(PoolStage::Failed), true) => {
                self.set_pool(key, PoolStage::Held(now));
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
        let is_held = |id: &PoolId| self.is_held(&world.pools[id.index()]);
        let held: Vec<PoolId> = pools.iter().copied().filter(is_held).collect();
        for &id in &held {
            self.let_go((id, &world.pools[id.index()]), now);
        }
        held
    }

    /// Ends the hold of a pool. The pool had no clients until now, so its slow start, if it has one, begins now.
    fn let_go(&mut self, (id, pool): (PoolId, &PoolSpec), now: Duration) {
        self.set_pool(pool.key(), PoolStage::Usable);
        self.turns.push(HoldTurn { id, pool: pool.name.clone(), is_held: false });
        if pool.recovery.slow_start.is_zero() {
            return;
        }
        for key in (0..pool.members.len()).map(|place| pool.key_of(place)) {
            if self.endpoints.get(&key) != Some(&Endpoint::Down) {
                self.set_endpoint(key, Some(Endpoint::Rising(now)));
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
        let is_held = self.is_held(pool);
        // An endpoint that asks for no clients gets none, even after its pool answers again.
        let admin_state =
            if is_held && probed.admin_state == AdminState::On { AdminState::Held } else { probed.admin_state };
        let rising = self.rising(pool, place).filter(|_| !is_held);
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
        std::mem::take(&mut self.changed)
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
        let stage = self.stage(pool);
        let release_at = match stage {
            Some(PoolStage::Held(since)) => release_at(pool, since),
            _ => None,
        };
        let places = 0..pool.members.len();
        let rising = places.clone().filter_map(|place| self.rising(pool, place));
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

    fn stage(&self, pool: &PoolSpec) -> Option<PoolStage> {
        // Most pools have no `failback`, so there is nothing to look up.
        if pool.recovery.failback == Failback::Auto {
            return None;
        }
        self.pools.get(&pool.key()).copied()
    }

    fn is_held(&self, pool: &PoolSpec) -> bool {
        matches!(self.stage(pool), Some(PoolStage::Held(_)))
    }

    fn rising(&self, pool: &PoolSpec, place: usize) -> Option<Ramp> {
        if pool.recovery.slow_start.is_zero() || self.endpoints.is_empty() {
            return None;
        }
        match self.endpoints.get(&pool.key_of(place)) {
            Some(&Endpoint::Rising(since)) => Some(slow_start(pool, since)),
            _ => None,
        }
    }

    /// The ramp of a drain with a duration.
    fn falling(&self, effective_override: &Override) -> Option<Ramp> {
        let over = effective_override.order.over.filter(|_| effective_override.order.mode == Mode::Drain)?;
        Some(Ramp { since: *self.drains.get(&effective_override.id)?, over, rises: false })
    }

    fn set_endpoint(&mut self, key: EndpointKey, endpoint: Option<Endpoint>) {
        let kept = match endpoint {
            Some(Endpoint::Rising(since)) => Some(RecoveryState::Rising(since)),
            Some(Endpoint::Down) | None => None,
        };
        self.changed.insert(key.to_string(), kept);
        match endpoint {
            Some(endpoint) => _ = self.endpoints.insert(key, endpoint),
            None => _ = self.endpoints.remove(&key),
        }
    }

    fn set_pool(&mut self, key: PoolKey, stage: PoolStage) {
        let kept = match stage {
            PoolStage::Usable => None,
            PoolStage::Failed => Some(RecoveryState::Failed),
            PoolStage::Held(since) => Some(RecoveryState::Held(since)),
        };
        self.changed.insert(key.to_string(), kept);
        self.pools.insert(key, stage);
    }
}

impl Moving {
    fn next_change(&self) -> Option<Duration> {
        self.ramps.iter().map(|ramp| ramp.next_change(self.at)).chain(self.release_at).min()
    }
}

impl<P: Fn(PoolId, usize) -> EndpointState> StateInputs<'_, P> {
    /// True if, in some address family, enough of the endpoints that overrides leave in service are up. `None` if
    /// overrides leave no endpoint in service.
    fn is_usable(&self, id: PoolId) -> Option<bool> {
        let pool = &*self.world.pools[id.index()];
        // Endpoints in service and those of them that are up, by address family.
        let mut counts = [(0_usize, 0_usize); 2];
        for place in 0..pool.members.len() {
            let mode = self
                .world
                .effective_override(self.effective_overrides, pool, place)
                .map(|effective_override| effective_override.order.mode);
            let endpoint_state = (self.probed)(id, place).under(mode);
            let family = usize::from(pool.members.address(place).is_some_and(|address| address.is_ipv6()));
            if endpoint_state.admin_state == AdminState::On {
                counts[family].0 += 1;
                counts[family].1 += usize::from(endpoint_state.share.is_some());
            }
        }
        let is_enough = |&(in_service, up): &(usize, usize)| pool.min_healthy.is_met(up, in_service);
        counts.iter().any(|(in_service, _)| *in_service > 0).then(|| counts.iter().any(is_enough))
    }
}

fn slow_start(pool: &PoolSpec, since: Duration) -> Ramp {
    Ramp { since, over: pool.recovery.slow_start, rises: true }
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
