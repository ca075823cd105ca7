//! Sums over a node: how many endpoints, pools and names are in which state, by datacenter.

use serde::{Deserialize, Serialize};

use super::Owners;
use crate::geo::DatacenterId;
use crate::report::Totals;
use crate::snapshot::{AdminState, EndpointState, Family, Plan, Pool, PoolId, Rung, Snapshot};
use crate::zone::NameId;

/// Numbers of endpoints, pools and names by their state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sums {
    /// Endpoints of all pools, by their state.
    #[serde(flatten)]
    pub endpoints: EndpointSums,
    /// Pools.
    pub pools: usize,
    /// Pools that are usable for any family.
    pub usable_pools: usize,
    /// Steered names.
    pub names: usize,
    /// Steered names that a usable pool answers for.
    pub usable_names: usize,
}

/// Numbers of endpoints by their state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointSums {
    /// All endpoints.
    pub endpoints: usize,
    /// In service and up, with their whole share or a part of it.
    pub up: usize,
    /// In service and down.
    pub down: usize,
    /// Out of service: drained, held back or forced down.
    pub out: usize,
}

/// A datacenter.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DatacenterStatus {
    /// Its name; absent for the pools without a datacenter.
    pub datacenter: Option<String>,
    /// Its endpoints.
    #[serde(flatten)]
    pub endpoints: EndpointSums,
    /// Number of answers of steered names since the node's start that were given by its pools.
    pub answers: u64,
    /// Its share of them, 0-1; absent without any answer.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub share: Option<f64>,
}

impl EndpointSums {
    fn add(&mut self, state: EndpointState) {
        self.endpoints += 1;
        match state.admin_state {
            AdminState::On if state.share.is_some() => self.up += 1,
            AdminState::On => self.down += 1,
            AdminState::Held if !state.share.is_some() => self.down += 1,
            AdminState::Held | AdminState::Draining | AdminState::Off => self.out += 1,
        }
    }
}

/// Returns the sums of a snapshot, and those of each datacenter in the order of the configuration; at the end those of
/// pools without one, if there are any.
pub(super) fn sums(snapshot: &Snapshot, owners: &Owners<'_>, totals: &Totals) -> (Sums, Vec<DatacenterStatus>) {
    let world = snapshot.world();
    let mut sums = Sums::default();
    let named = world.datacenters.iter().map(|datacenter| Some(datacenter.name.to_string()));
    let mut datacenters: Vec<DatacenterStatus> =
        named.chain([None]).map(|datacenter| DatacenterStatus { datacenter, ..DatacenterStatus::default() }).collect();
    let place = |pool: &Pool| pool.spec().datacenter.map_or(world.datacenters.len(), DatacenterId::index);
    for pool in snapshot.pools() {
        sums.pools += 1;
        sums.usable_pools += usize::from([Family::V4, Family::V6].into_iter().any(|family| pool.is_usable(family)));
        for state in (0..pool.spec().members.len()).map(|endpoint| pool.endpoint_state(endpoint)) {
            sums.endpoints.add(state);
            datacenters[place(pool)].endpoints.add(state);
        }
    }
    for (number, name) in world.zones.iter().flat_map(|zone| &zone.names).enumerate() {
        let plan = owners.of_id(NameId::from_index(number)).map(|place| owners.plan(place));
        sums.names += 1;
        sums.usable_names += usize::from(plan.is_some_and(|plan: &Plan| plan.best_rung() == Rung::Usable));
        let pools: Vec<PoolId> = name.steering.pools.iter().map(|used| used.pool).collect();
        for (id, count) in pools.iter().zip(totals.name(number, &name.owner, &pools).pools) {
            datacenters[place(&snapshot.pools()[id.index()])].answers += count;
        }
    }
    let all: u64 = datacenters.iter().map(|datacenter| datacenter.answers).sum();
    for datacenter in &mut datacenters {
        datacenter.share = (all > 0).then(|| datacenter.answers as f64 / all as f64);
    }
    datacenters.pop_if(|rest| rest.endpoints.endpoints == 0);
    (sums, datacenters)
}
