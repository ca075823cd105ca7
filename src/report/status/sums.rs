//! Sums over a node: the numbers of endpoints, pools and names by their state and datacenter.

use serde::{Deserialize, Serialize};

use super::Owners;
use crate::geo::DatacenterId;
use crate::report::{EndpointCounts, Totals};
use crate::snapshot::{Family, Pool, Rung, Snapshot};
use crate::zone::NameId;

/// Numbers of endpoints, pools and names by their state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sums {
    /// Endpoints of all pools.
    pub endpoints: EndpointCounts,
    /// Pools.
    pub pools: usize,
    /// Pools that are usable for any family.
    pub usable_pools: usize,
    /// Steered names.
    pub names: usize,
    /// Steered names that a usable pool answers for.
    pub usable_names: usize,
}

/// A datacenter.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DatacenterStatus {
    /// Its name; absent for the pools without a datacenter.
    pub datacenter: Option<String>,
    /// Its endpoints.
    pub endpoints: EndpointCounts,
    /// Number of its pools.
    pub pools: usize,
    /// Number of those that are usable for any family.
    pub usable_pools: usize,
    /// Answers since the node's start in which one of its endpoints came first.
    pub answers: u64,
    /// Its share of them, 0-1; absent without any answer.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub share: Option<f64>,
}

/// Returns the sums of a snapshot, and those of each datacenter in the order of the configuration; at the end those of
/// pools without one, if there are any.
pub(super) fn sums(snapshot: &Snapshot, owners: &Owners<'_>, totals: &Totals) -> (Sums, Vec<DatacenterStatus>) {
    let world = snapshot.world();
    let named = world.datacenters.iter().map(|datacenter| Some(datacenter.name.to_string()));
    let mut datacenters: Vec<DatacenterStatus> =
        named.chain([None]).map(|datacenter| DatacenterStatus { datacenter, ..DatacenterStatus::default() }).collect();
    for (id, pool) in world.pool_ids().zip(snapshot.pools()) {
        let place = pool.spec().datacenter.map_or(world.datacenters.len(), DatacenterId::index);
        let datacenter = &mut datacenters[place];
        datacenter.pools += 1;
        datacenter.usable_pools += usize::from(is_usable(pool));
        for place in 0..pool.spec().members.len() {
            datacenter.endpoints.add(pool.endpoint_state(place));
            datacenter.answers += totals.endpoint(id, place).1;
        }
    }
    let plans = (0..world.steered_names().count()).map(|number| owners.of_id(NameId::from_index(number)));
    let is_answered = |place: Option<usize>| place.map(|place| owners.plan(place).best_rung()) == Some(Rung::Usable);
    let sums = Sums {
        endpoints: EndpointCounts::of(snapshot.pools().iter().map(|pool| &**pool)),
        pools: snapshot.pools().len(),
        usable_pools: snapshot.pools().iter().filter(|pool| is_usable(pool)).count(),
        names: plans.len(),
        usable_names: plans.filter(|place| is_answered(*place)).count(),
    };
    let all: u64 = datacenters.iter().map(|datacenter| datacenter.answers).sum();
    for datacenter in &mut datacenters {
        datacenter.share = (all > 0).then(|| datacenter.answers as f64 / all as f64);
    }
    datacenters.pop_if(|rest| rest.pools == 0);
    (sums, datacenters)
}

fn is_usable(pool: &Pool) -> bool {
    [Family::V4, Family::V6].into_iter().any(|family| pool.is_usable(family))
}
