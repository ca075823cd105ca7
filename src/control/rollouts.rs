//! Roll-outs in control. Results of probes and reports about new pools go to the [`RolloutStore`]. Its decisions are
//! published with all other changes of the same 5 ms.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use tokio::sync::oneshot;

use super::{Control, Effect, Now, PUBLISH_WINDOW, Serving, push};
use crate::health::{Finding, Outcome, Requests, Share};
use crate::ledger::{Content, Follow, Matter, Origin, Saying, Word};
use crate::rollout::{Change, Happening, Kept, Order, RolloutId, RolloutRefusal, RolloutStore, Side, Spec, View};
use crate::snapshot::{AdminState, EndpointState, PoolId, World};
use crate::steering::Split;
use crate::vantage::Reported;
use crate::zone::NameId;

/// An event about roll-outs.
#[derive(Debug)]
pub enum RolloutEvent {
    /// The rows of the last run. They come before the first configuration.
    Restore(Vec<(RolloutId, Kept)>),
    /// An operator's order. The sender gets the change, or why there is none.
    Order(Order, oneshot::Sender<Result<Change, RolloutRefusal>>),
    /// A report of requests from a service. The sender gets the number of roll-outs that it counts for, or why it
    /// counts for none.
    Requests(Requests, oneshot::Sender<Result<usize, RequestsRefusal>>),
}

/// Why a report of requests does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestsRefusal {
    /// It names neither an endpoint nor a pool.
    NoSubject,
    /// No pool holds the endpoint, or the named pool does not hold it.
    UnknownEndpoint(IpAddr),
    /// There is no such pool.
    UnknownPool(Box<str>),
}

impl fmt::Display for RequestsRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSubject => f.write_str("a report must name an `endpoint` or a `pool`"),
            Self::UnknownEndpoint(endpoint) => write!(f, "no pool of that name holds {endpoint}"),
            Self::UnknownPool(pool) => write!(f, "there is no pool `{pool}`"),
        }
    }
}

impl std::error::Error for RequestsRefusal {}

/// The reply to an event about roll-outs.
#[derive(Debug)]
pub enum RolloutReply {
    /// The reply to an order.
    Order(oneshot::Sender<Result<Change, RolloutRefusal>>, Result<Change, RolloutRefusal>),
    /// The reply to a report of requests.
    Requests(oneshot::Sender<Result<usize, RequestsRefusal>>, Result<usize, RequestsRefusal>),
}

impl RolloutReply {
    /// Sends the reply, if somebody still waits.
    pub fn send(self) {
        match self {
            Self::Order(to, result) => _ = to.send(result),
            Self::Requests(to, result) => _ = to.send(result),
        }
    }
}

/// All roll-outs, and the pools of the served world that they use.
#[derive(Debug, Default)]
pub(super) struct Rollouts {
    store: RolloutStore,
    /// The canaries that each pool counts for.
    canaries_of: HashMap<PoolId, Vec<(RolloutId, Side)>>,
    /// The new pools of each canary.
    new_pools: Vec<(RolloutId, Vec<PoolId>)>,
    /// True if something was observed that the store has not judged yet.
    seen: bool,
}

impl Rollouts {
    pub(super) fn wake_at(&self) -> Option<Duration> {
        self.store.wake_at()
    }

    /// Takes in a configuration that is about to be served. `elsewhere` returns the state that other nodes gave a roll-out.
    pub(super) fn adopt(
        &mut self,
        world: &World,
        elsewhere: impl Fn(&RolloutId) -> Option<Kept>,
        now: Duration,
    ) -> Vec<Change> {
        self.canaries_of.clear();
        self.new_pools.clear();
        let mut drafts = Vec::new();
        for rolled_out in world.rollouts() {
            if let Spec::Canary(canary) = &rolled_out.draft.spec {
                let pools = rolled_out.steering.pools.iter().map(|used| used.pool);
                let (new, old): (Vec<_>, Vec<_>) = pools.partition(|&pool| world.is_referred_to(pool, &canary.pool));
                let sides =
                    new.iter().map(|&pool| (pool, Side::New)).chain(old.into_iter().map(|pool| (pool, Side::Old)));
                for (pool, side) in sides {
                    self.canaries_of.entry(pool).or_default().push((rolled_out.draft.id.clone(), side));
                }
                self.new_pools.push((rolled_out.draft.id.clone(), new));
            }
            drafts.push(rolled_out.draft);
        }
        self.seen = true;
        self.store.adopt(drafts, elsewhere, now)
    }

    /// The store as it would be after an order. Fails if the order would be refused.
    pub(super) fn after(&self, order: &Order, now: Duration) -> Result<RolloutStore, RolloutRefusal> {
        let mut store = self.store.clone();
        store.order(order, now)?;
        Ok(store)
    }

    /// The present splits of names' pools.
    pub(super) fn splits(&self, world: &World) -> Vec<(NameId, Split)> {
        splits(&self.store, world)
    }

    /// Tells the store how much of the new pools is open: of canaries with a changed pool, or of all if `changed` is
    /// `None`.
    pub(super) fn see_open(
        &mut self,
        changed: Option<&BTreeSet<PoolId>>,
        world: &World,
        endpoint_state: impl Fn(PoolId, usize) -> EndpointState,
        now: Duration,
    ) {
        for (id, pools) in &self.new_pools {
            if changed.is_some_and(|changed| !pools.iter().any(|pool| changed.contains(pool))) {
                continue;
            }
            let endpoints = pools.iter().flat_map(|&pool| {
                let places = 0..world.pools[pool.index()].members.len();
                places.map(move |place| (pool, place))
            });
            // Endpoints that an operator took out of service do not count.
            let in_service = endpoints
                .map(|(pool, place)| endpoint_state(pool, place))
                .filter(|it| it.admin_state == AdminState::On);
            let (count, open) = in_service.fold((0, 0), |(count, open), endpoint_state| {
                (count + 1, open + usize::from(endpoint_state.share.is_some()))
            });
            let thousandths = |count| Share::from_thousandths((open * 1000 / count) as u16);
            self.store.see_open(id, (count > 0).then(|| thousandths(count)), now);
            self.seen = true;
        }
    }

    /// Takes in the outcome of a probe of a target in these pools.
    pub(super) fn see_outcome(&mut self, pools: &[PoolId], outcome: &Outcome, now: Duration) {
        let Outcome::Success(Finding { took, .. }) = outcome else { return };
        for (id, side) in pools.iter().filter_map(|pool| self.canaries_of.get(pool)).flatten() {
            self.store.see_probe(id, *side, *took, now);
            self.seen = true;
        }
    }

    fn see_requests(&mut self, pools: &[PoolId], said: &Requests, now: Duration) -> usize {
        let canaries = pools.iter().filter_map(|pool| self.canaries_of.get(pool)).flatten();
        let new = canaries.filter(|(_, side)| *side == Side::New);
        let ids: BTreeSet<&RolloutId> = new.map(|(id, _)| id).collect();
        for id in &ids {
            self.store.see_requests(id, said.errors, said.requests, now);
        }
        self.seen |= !ids.is_empty();
        ids.len()
    }
}

/// The splits of names' pools in the state of this store.
pub(super) fn splits(store: &RolloutStore, world: &World) -> Vec<(NameId, Split)> {
    let split = |rolled_out: crate::snapshot::RolledOut<'_>| {
        let (exposure, is_ramping) = store.exposure(&rolled_out.draft.id)?;
        Some((rolled_out.name, world.split(rolled_out.steering, &exposure, is_ramping)?))
    };
    world.rollouts().filter_map(split).collect()
}

impl Control {
    /// The state of all roll-outs. Times are wall-clock times.
    pub fn rollouts(&self, now: impl Into<Now>) -> Vec<View> {
        let now = now.into();
        let views = self.rollouts.store.views(now.elapsed).into_iter();
        views.map(|view| view.timed(&|time| now.to_wall(time))).collect()
    }

    pub(super) fn take_rollout(&mut self, event: RolloutEvent, now: Duration, effects: &mut Vec<Effect>) {
        match event {
            RolloutEvent::Restore(kept) => {
                let to_elapsed = |time| self.now.to_elapsed(time);
                self.rollouts.store.restore(kept.into_iter().map(|(id, kept)| (id, kept.timed(&to_elapsed))));
            }
            RolloutEvent::Order(order, to) => {
                let who = order.who.clone();
                let order = Order { who: self.signed(order.who), ..order };
                let result = self.rollouts.store.order(&order, now);
                self.say_rollouts(result.as_ref().ok(), &who, Saying::Order);
                self.tell_rollouts(result.clone().ok(), now, effects);
                self.look_at_new_pools(now);
                effects.push(Effect::RolloutReply(RolloutReply::Order(to, result)));
            }
            RolloutEvent::Requests(requests, to) => {
                let pools = self.pools_reported(&requests);
                let result = pools.map(|pools| self.rollouts.see_requests(&pools, &requests, now));
                if result.is_ok() {
                    self.pass_on(Reported::Requests(requests), now);
                }
                effects.push(Effect::RolloutReply(RolloutReply::Requests(to, result)));
            }
        }
    }

    /// Counts requests that were reported to another node.
    pub(super) fn count_requests(&mut self, requests: &Requests, now: Duration) {
        if let Ok(pools) = self.pools_reported(requests) {
            self.rollouts.see_requests(&pools, requests, now);
        }
    }

    /// Lets the store judge new observations, and lets roll-outs advance with time.
    pub(super) fn advance_rollouts(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        let is_due = self.rollouts.wake_at().is_some_and(|at| at <= now);
        if std::mem::take(&mut self.rollouts.seen) || is_due {
            let changes = self.rollouts.store.advance(now);
            self.say_rollouts(&changes, "", Saying::Finding);
            self.tell_rollouts(changes, now, effects);
        }
    }

    /// Tells the fleet the state of roll-outs that changed at this node.
    fn say_rollouts<'a>(&mut self, changes: impl IntoIterator<Item = &'a Change>, who: &str, saying: Saying) {
        let ids: Vec<RolloutId> = changes.into_iter().map(|change| change.id.clone()).collect();
        for id in ids {
            self.say_rollout(id, who, saying);
        }
    }

    fn say_rollout(&mut self, id: RolloutId, who: &str, saying: Saying) {
        let to_wall = |time| self.now.to_wall(time);
        let content = self.rollouts.store.kept(&id).map(|kept| Content::Rollout(kept.timed(&to_wall)));
        let Some(ledger) = self.ledger() else { return };
        if content.is_some() {
            ledger.say(Word { matter: Matter::Rollout(id), content, who: who.into(), saying });
        }
    }

    /// Tells the fleet about canaries that began at this node, because it has a configuration that the others do not have
    /// yet.
    pub(super) fn say_begun(&mut self, changes: &[Change]) {
        let begun = |change: &&Change| change.happening == Happening::Began;
        let ids: Vec<RolloutId> = changes.iter().filter(begun).map(|change| change.id.clone()).collect();
        for id in ids {
            let own = self.rollouts.store.kept(&id);
            let known = self.rollout_elsewhere(&id);
            let is_known = match (own, known) {
                (Some(Kept::Canary(own)), Some(Kept::Canary(known))) => {
                    own.identity == known.identity && own.phase.as_str() == known.phase.as_str()
                }
                _ => false,
            };
            if !is_known {
                self.say_rollout(id, "", Saying::Finding);
            }
        }
    }

    /// The state of a roll-out that the fleet knows, on control's clock.
    pub(super) fn rollout_elsewhere(&self, id: &RolloutId) -> Option<Kept> {
        let ledger = self.fleet.as_ref()?.ledger()?;
        match ledger.content(&Matter::Rollout(id.clone()))? {
            Content::Rollout(kept) => Some(kept.clone().timed(&|time| self.now.to_elapsed(time))),
            _ => None,
        }
    }

    /// Lets a roll-out be in the state that it has at another node.
    pub(super) fn follow_rollout(&mut self, follow: Follow, now: Duration, effects: &mut Vec<Effect>) {
        let Follow { matter: Matter::Rollout(id), content, origin, is_live } = follow else { return };
        // Nobody takes a roll-out back: it ends with its files.
        let Some(Content::Rollout(kept)) = content else { return };
        let kept = kept.timed(&|time| self.now.to_elapsed(time));
        let change = self.rollouts.store.follow(&id, kept, is_live, &Origin::shown(origin.as_ref()), now);
        self.tell_rollouts(change, now, effects);
        self.keep_rollouts(effects);
        // A canary that begins anew has no evidence yet.
        self.look_at_new_pools(now);
    }

    /// Schedules the publication of these changes, and reports and keeps them.
    pub(super) fn tell_rollouts(
        &mut self,
        changes: impl IntoIterator<Item = Change>,
        now: Duration,
        effects: &mut Vec<Effect>,
    ) {
        let before = effects.len();
        effects.extend(changes.into_iter().map(Effect::RolledOut));
        if effects.len() == before {
            return;
        }
        if let Some(serving) = &mut self.serving {
            serving.dirty.names = true;
            serving.publish_at.get_or_insert(now + PUBLISH_WINDOW);
        }
        self.keep_rollouts(effects);
    }

    pub(super) fn keep_rollouts(&mut self, effects: &mut Vec<Effect>) {
        let rows = self.rollouts.store.unsaved();
        if !rows.is_empty() {
            let to_wall = |time| self.now.to_wall(time);
            let rows = rows.into_iter().map(|(id, kept)| (id, kept.map(|kept| kept.timed(&to_wall))));
            effects.push(Effect::KeepRollouts(rows.collect()));
        }
    }

    /// Tells the store how much of all new pools is open.
    pub(super) fn look_at_new_pools(&mut self, now: Duration) {
        let Some(serving) = &self.serving else { return };
        let world = serving.snapshot.world();
        let inputs = super::inputs(&self.watch, &serving.dependents, &self.overrides, world);
        let endpoint_state = super::overrides::endpoint_state(&inputs, &self.ramps, &self.loads);
        self.rollouts.see_open(None, world, endpoint_state, now);
    }

    fn pools_reported(&self, said: &Requests) -> Result<Vec<PoolId>, RequestsRefusal> {
        let Requests { endpoint, pool, .. } = said;
        let Some(Serving { snapshot, places, .. }) = &self.serving else { return Err(RequestsRefusal::NoSubject) };
        let world = snapshot.world();
        let is_named = |id: &PoolId| pool.as_deref().is_none_or(|pool| world.is_referred_to(*id, pool));
        let (pools, refusal): (Vec<PoolId>, _) = match (endpoint, pool) {
            (Some(endpoint), _) => {
                let held = places.get(endpoint).into_iter().flatten().map(|&(id, _): &push::EndpointRef| id);
                (held.filter(is_named).collect(), RequestsRefusal::UnknownEndpoint(*endpoint))
            }
            (None, Some(pool)) => {
                (world.pool_ids().filter(is_named).collect(), RequestsRefusal::UnknownPool(pool.clone()))
            }
            (None, None) => return Err(RequestsRefusal::NoSubject),
        };
        if pools.is_empty() { Err(refusal) } else { Ok(pools) }
    }
}
