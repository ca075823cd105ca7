//! Foresees what one change of health makes of a name's pools: an endpoint that falls or comes back, or a pool that loses all
//! of its endpoints at once.
//!
//! Only probed endpoints and registered ones change by themselves. What operators order is not foreseen.

use std::sync::Arc;
use std::time::Duration;

use super::Snapshot;
use super::endpoint_state::{AdminState, EndpointState, PoolState};
use super::ids::PoolId;
use super::plan::{Plan, Rule};
use super::pool::Pool;
use crate::health::Share;

/// A change of health that may come next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HealthChange {
    /// An endpoint falls.
    Fall(PoolId, usize),
    /// An endpoint comes back.
    Return(PoolId, usize),
    /// All endpoints of a pool fall, as when a datacenter is cut off.
    Outage(PoolId),
}

impl HealthChange {
    /// Returns the pool whose endpoints change.
    pub fn pool(self) -> PoolId {
        let (Self::Fall(pool, _) | Self::Return(pool, _) | Self::Outage(pool)) = self;
        pool
    }
}

impl Snapshot {
    /// Returns the changes of health that can come next for the pools of a rule, pool by pool. Outages come before the changes
    /// of single endpoints, of which there can be thousands.
    pub fn next_changes(&self, rule: &Rule) -> impl Iterator<Item = HealthChange> {
        let pools = rule.pools.iter().chain(&rule.fallback).copied().collect::<Vec<PoolId>>();
        let outages = pools.clone().into_iter().filter(|&pool| self.open(pool).nth(1).is_some());
        let singles = pools.into_iter().flat_map(move |pool| {
            let states = &self.state.pool(pool).endpoint_states;
            let changes = states.iter().enumerate().filter(move |&(place, _)| self.changes_by_itself(pool, place));
            changes.filter_map(move |(place, state)| match state.admin_state {
                AdminState::Off => None,
                _ if state.share.is_some() => Some(HealthChange::Fall(pool, place)),
                _ => Some(HealthChange::Return(pool, place)),
            })
        });
        outages.map(HealthChange::Outage).chain(singles)
    }

    /// Returns the pool as it is after a change at the time `now`, on the clock of control.
    pub fn pool_after(&self, change: HealthChange, now: Duration) -> Arc<Pool> {
        let id = change.pool();
        let PoolState { endpoint_states, allowance } = self.state.pool(id).clone();
        let mut endpoint_states = endpoint_states.to_vec();
        match change {
            HealthChange::Fall(_, place) => endpoint_states[place].fall(now),
            HealthChange::Return(_, place) => endpoint_states[place].come_back(),
            HealthChange::Outage(_) => self.open(id).for_each(|place| endpoint_states[place].fall(now)),
        }
        let spec = self.world().pools[id.index()].clone();
        let state = PoolState { endpoint_states: endpoint_states.into(), allowance };
        Arc::new(Pool::new(spec, &state, self.blueprint.first_endpoints[id.index()]))
    }

    /// The endpoints of a pool that are open and can fall.
    fn open(&self, pool: PoolId) -> impl Iterator<Item = usize> {
        let states = self.state.pool(pool).endpoint_states.iter().enumerate();
        states
            .filter(move |&(place, state)| state.is_open() && self.changes_by_itself(pool, place))
            .map(|(place, _)| place)
    }

    /// True if probes or a lease can change the state of this endpoint.
    fn changes_by_itself(&self, pool: PoolId, place: usize) -> bool {
        let members = &self.world().pools[pool.index()].members;
        members.condition(place).is_some() || members.lease(place).is_some()
    }
}

impl Plan {
    /// Returns the plan of the same names when the pools are in these states.
    pub fn with_pools(&self, pools: &[Arc<Pool>]) -> Self {
        Self::new(self.rule().clone(), pools, *self.orders(), self.split())
    }
}

impl EndpointState {
    fn fall(&mut self, now: Duration) {
        *self = Self { share: Share::NONE, last_up: now, ..*self };
    }

    fn come_back(&mut self) {
        let admin_state = match self.admin_state {
            AdminState::Pending => AdminState::On,
            other => other,
        };
        *self = Self { share: Share::FULL, last_up: Duration::MAX, ramp: Share::FULL, admin_state, ..*self };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::fixture;
    use crate::geo::Locations;
    use crate::snapshot::{Blueprint, Family};

    const ZONE: &str = "[nameservers]\nns1 = [\"192.0.2.53\"]\n[monitors.web]\ntype = \"tcp\"\nport = 80\n\
        [pools.web]\nmonitor = \"web\"\nendpoints = [\"192.0.2.1\", \"192.0.2.2\", \"192.0.2.3\", \"192.0.2.4\"]\n\
        [pools.steady]\nendpoints = [\"192.0.2.9\"]\n[names.www]\npools = [\"web\"]\nfallback = \"steady\"\n";

    /// A snapshot in which the third endpoint is down, and an operator has forced down the fourth.
    fn snapshot() -> Snapshot {
        let world = fixture::world("", &[("a.test.toml", ZONE)]);
        let blueprint = Blueprint::compile(world, Arc::new(Locations::unknown()), None);
        let down = EndpointState { share: Share::NONE, last_up: Duration::from_secs(5), ..EndpointState::CALM };
        let off = EndpointState { admin_state: AdminState::Off, ..down };
        let state = |_, place| if place == 2 { down } else { EndpointState::CALM };
        let of_web = |pool: PoolId, place| if place == 3 { off } else { state(pool, place) };
        Snapshot::new(Arc::new(blueprint), of_web, None)
    }

    #[test]
    fn one_fall_one_return_or_a_whole_pool() {
        let snapshot = snapshot();
        let plan = &snapshot.plans()[0];
        let web = plan.rule().pools[0];
        let changes: Vec<HealthChange> = snapshot.next_changes(plan.rule()).collect();
        let expected = [
            HealthChange::Outage(web),
            HealthChange::Fall(web, 0),
            HealthChange::Fall(web, 1),
            HealthChange::Return(web, 2),
        ];
        assert_eq!(changes, expected);
        let open = changes.into_iter().map(|change| {
            let pool = snapshot.pool_after(change, Duration::from_secs(9));
            (pool.counts(Family::V4).0, pool.last_up(Family::V4))
        });
        let up = Duration::MAX;
        assert_eq!(open.collect::<Vec<_>>(), [(0, Duration::from_secs(9)), (1, up), (1, up), (3, up)]);
    }

    #[test]
    fn the_plan_after_a_change_chooses_as_it_will() {
        let snapshot = snapshot();
        let plan = &snapshot.plans()[0];
        let mut pools = snapshot.pools().to_vec();
        let outage = HealthChange::Outage(plan.rule().pools[0]);
        assert!(plan.with_pools(&pools).has_usable_pool());
        pools[outage.pool().index()] = snapshot.pool_after(outage, Duration::from_secs(9));
        assert!(!plan.with_pools(&pools).has_usable_pool());
        // What is served has not changed.
        assert!(snapshot.plans()[0].has_usable_pool());
    }
}
