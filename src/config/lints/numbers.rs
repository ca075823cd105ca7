//! Warns of numbers that do not fit a zone's names: TTLs, and weights and capacities that no name uses.

use std::collections::{HashMap, HashSet};

use super::Names;
use crate::config::code::Code;
use crate::config::fault::{Fault, Faults};
use crate::config::names::{Owner, OwnerKind};
use crate::config::pools::DraftMembers;
use crate::snapshot::{PoolId, Steering};
use crate::steering::Pick;

/// Longest sensible TTL in seconds of an address that is probed. A longer one makes failover useless.
const LONG_TTL: u32 = 3600;

impl Names<'_> {
    /// Warns of TTLs that do not fit failover: once for TTLs of 0, once for very long ones.
    pub(super) fn check_ttls(&self, faults: &mut Faults) {
        let steered = || {
            self.owners.iter().filter_map(|owner| match &owner.kind {
                OwnerKind::Steered { name, .. } => Some((owner, &name.steering)),
                OwnerKind::Reflect => None,
            })
        };
        let is_probed =
            |steering: &Steering| steering.pools.iter().any(|used| self.pools[used.pool.index()].monitor.is_some());
        let mut warn = |of: Vec<&Owner>, what: &str, label: &str, help: &str| {
            let Some(first) = of.first() else { return };
            let names = match of.len() - 1 {
                0 => format!("{} has", first.name),
                more => format!("{} and {more} more have", first.name),
            };
            let fault = Fault::warning(&first.place, format!("{names} a TTL of {what}"), label).code(Code::Ttl);
            faults.push(fault.help(help));
        };
        let zero = steered().filter(|(_, steering)| steering.ttls.calm() == 0).map(|(owner, _)| owner).collect();
        warn(
            zero,
            "0",
            "no resolver keeps it",
            "every query of every client comes here: 5 s are short enough for failover",
        );
        let long = steered().filter(|(_, steering)| steering.ttls.calm() > LONG_TTL && is_probed(steering));
        let label = "clients keep using an address for this long after it went down";
        warn(
            long.map(|(owner, _)| owner).collect(),
            "more than an hour",
            label,
            "30 to 300 s are usual where endpoints are probed",
        );
    }

    /// Warns of weights of endpoints that no name uses. Checks only the zone's own pools: a pool of the server file may
    /// have other users.
    pub(super) fn check_endpoint_weights(&self, faults: &mut Faults) {
        let mut looked_at: HashMap<PoolId, bool> = HashMap::new();
        for owner in self.owners {
            let OwnerKind::Steered { name, .. } = &owner.kind else { continue };
            let weighs = !matches!(name.steering.pick, Some(Pick::Rotate | Pick::Random));
            for used in &name.steering.pools {
                *looked_at.entry(used.pool).or_default() |= weighs;
            }
        }
        let mut reported = HashSet::new();
        for (id, pool) in self.own_pools() {
            let differ = match &pool.members {
                DraftMembers::Addresses(list) => list.iter().any(|endpoint| endpoint.weight != list[0].weight),
                DraftMembers::Cname(_) => false,
            };
            if differ && looked_at.get(&id) == Some(&false) && reported.insert(pool.place.span.start) {
                let message = format!("the weights of the endpoints of pool `{}` have no effect", pool.name);
                let fault = Fault::warning(&pool.place, message, "no name's `pick` uses weights").code(Code::NoEffect);
                faults.push(fault.help("set `pick = \"weighted\"` in a name that uses it"));
            }
        }
    }

    /// Warns of capacities that no name uses. Checks only the zone's own pools: a pool of the server file may have
    /// other users.
    pub(super) fn check_capacities(&self, faults: &mut Faults) {
        let mut looked_at: HashSet<PoolId> = HashSet::new();
        for owner in self.owners {
            let OwnerKind::Steered { name, .. } = &owner.kind else { continue };
            if name.steering.goes_by_load() {
                looked_at.extend(name.steering.pools.iter().map(|used| used.pool));
            }
        }
        let mut reported = HashSet::new();
        for (_, pool) in self.own_pools().filter(|(id, _)| !looked_at.contains(id)) {
            if pool.has_capacity() && reported.insert(pool.place.span.start) {
                let message = format!("the capacity of pool `{}` has no effect", pool.name);
                let fault = Fault::warning(&pool.place, message, "no name that uses it steers or picks by load")
                    .code(Code::NoEffect);
                faults.push(fault.help("use the step `load`, or `pick = \"least-load\"`, in a name"));
            }
        }
    }
}
