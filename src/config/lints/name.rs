//! Warns about the steering of one name: pools to which no client is ever sent, weights without effect, families that
//! only some pools have.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::Names;
use crate::config::code::Code;
use crate::config::fault::{Fault, Faults};
use crate::config::names::Owner;
use crate::config::pools::{DraftMembers, PoolDraft};
use crate::config::regions::{DEFAULT, in_map};
use crate::config::suggest::list_of;
use crate::geo::{DatacenterId, Region};
use crate::snapshot::{PoolId, SteeredName};
use crate::steering::Step;

/// A function that tests if a pool has addresses of a family, from its (IPv4, IPv6) flags.
type Has = fn(&(bool, bool)) -> bool;

/// Maximum number of pools that a message lists. A longer list would hide the fault itself.
const MAX_LISTED: usize = 4;

/// A name with all definitions that it refers to.
pub(super) struct NameLints<'a> {
    pub(super) names: &'a Names<'a>,
    pub(super) name: &'a SteeredName,
    pub(super) owner: &'a Owner,
}

impl NameLints<'_> {
    fn pool(&self, id: PoolId) -> &PoolDraft {
        &self.names.pools[id.index()]
    }

    fn warn(&self, message: String, label: &str, help: Option<String>, faults: &mut Faults) {
        let fault = Fault::warning(&self.owner.place, message, label).code(Code::NoEffect);
        faults.push(match help {
            Some(help) => fault.help(help),
            None => fault,
        });
    }

    fn has(&self, step: Step) -> bool {
        self.name.steering.steer.contains(&step)
    }

    /// The regions of the name's map.
    fn regions(&self) -> impl Iterator<Item = &Arc<Region>> {
        self.names.regions.iter().filter(|region| region.map() == &*self.name.steering.map)
    }

    /// True if clients of the region are never sent to other datacenters than its own.
    fn is_only(&self, region: &Region) -> bool {
        self.name.steering.only.unwrap_or(region.only)
    }

    /// True if clients that no region names may be sent anywhere.
    fn lacks_default(&self) -> bool {
        let default = in_map(&self.name.steering.map, DEFAULT);
        !self.regions().any(|region| *region.name == *default)
    }

    /// The tiers of datacenters for clients of each region. The last tier, with all datacenters that are not listed, is
    /// `None`. Clients that are in no region may be sent anywhere.
    fn tiers<'t>(&'t self, region: &'t Region) -> &'t [Vec<DatacenterId>] {
        let own = self.name.steering.prefer.iter().find(|(name, _)| *name == region.name);
        own.map_or(&region.prefer, |(_, tiers)| tiers)
    }

    /// Warns of pools that no client is ever sent to: every region has `only`, and none lists their datacenter. Returns
    /// true if there are such pools.
    pub(super) fn check_reach(&self, faults: &mut Faults) -> bool {
        if !self.has(Step::Region) || self.lacks_default() || self.regions().any(|region| !self.is_only(region)) {
            return false;
        }
        let listed: HashSet<DatacenterId> =
            self.regions().flat_map(|region| self.tiers(region).iter().flatten().copied()).collect();
        let is_out = |id: &PoolId| !self.pool(*id).datacenter.is_some_and(|datacenter| listed.contains(&datacenter));
        let unreachable: Vec<PoolId> =
            self.name.steering.pools.iter().map(|used| used.pool).filter(|id| is_out(id)).collect();
        if !unreachable.is_empty() {
            let message = format!("no client of {} is ever sent to {}", self.name.owner, self.list(&unreachable));
            self.warn(message, "every region has `only`, and none lists them", None, faults);
        }
        !unreachable.is_empty()
    }

    /// Warns of clients that get no answer: their region has `only`, and the name has no pool in its datacenters.
    pub(super) fn check_only(&self, faults: &mut Faults) {
        if !self.has(Step::Region) || self.name.steering.fallback.is_some() {
            return;
        }
        let places: HashSet<DatacenterId> =
            self.name.steering.pools.iter().filter_map(|used| self.pool(used.pool).datacenter).collect();
        let is_empty = |region: &&Arc<Region>| {
            self.is_only(region) && !self.tiers(region).iter().flatten().any(|datacenter| places.contains(datacenter))
        };
        let names: Vec<&str> = self.regions().filter(is_empty).map(|region| &*region.name).collect();
        if let [first, ..] = names[..] {
            let message = format!("clients of region {} get nothing from {}", list_of(&names), self.name.owner);
            let label = format!("`{first}` has `only`, and no pool of the name is in its datacenters");
            let help = "give the name a `fallback`, or its own `prefer` for the region".to_owned();
            self.warn(message, &label, Some(help), faults);
        }
    }

    /// Warns of weights of pools that no draw uses.
    pub(super) fn check_weights(&self, faults: &mut Faults) {
        let steering = &self.name.steering;
        let differ = steering.pools.iter().any(|used| used.weight != steering.pools[0].weight);
        if !differ {
            return;
        }
        // A spare pool is drawn by weight from all remaining pools of the ranking.
        if steering.spare {
            return;
        }
        if !steering.steer.iter().any(|step| step.draws()) {
            let message = format!("the weights of {}'s pools have no effect", self.name.owner);
            self.warn(message, "no step of `steer` uses weights", None, faults);
        } else if self.has(Step::Region) && self.regions().next().is_some() && !self.ties_anywhere() {
            let message = format!("the weights of {}'s pools have no effect", self.name.owner);
            let help = "an inner list in a region's `prefer` is a tie, which weights break".to_owned();
            self.warn(message, "no region leaves a tie between them", Some(help), faults);
        }
    }

    /// True if some region leaves two of the pools tied. For clients that are in no region, all pools are tied.
    fn ties_anywhere(&self) -> bool {
        if self.lacks_default() {
            return true;
        }
        self.regions().any(|region| {
            let tiers = self.tiers(region);
            let tier_of = |id: PoolId| {
                let datacenter = self.pool(id).datacenter;
                tiers.iter().position(|tier| datacenter.is_some_and(|datacenter| tier.contains(&datacenter)))
            };
            let mut counts: HashMap<Option<usize>, usize> = HashMap::new();
            for used in &self.name.steering.pools {
                *counts.entry(tier_of(used.pool)).or_default() += 1;
            }
            counts.iter().any(|(tier, &count)| count > 1 && (tier.is_some() || !self.is_only(region)))
        })
    }

    /// Warns of pools without addresses of a family that the name's other pools have. Clients that are sent there get
    /// none.
    pub(super) fn check_families(&self, faults: &mut Faults) {
        let families = |id: PoolId| match &self.pool(id).members {
            DraftMembers::Addresses(list) => {
                // Endpoints of either family of the prefixes may register.
                let prefixes = self.pool(id).registered.iter().flat_map(|bounds| &bounds.prefixes);
                let may_be = list.iter().map(|endpoint| endpoint.value).chain(prefixes.map(IpNet::addr));
                let (v4, v6): (Vec<IpAddr>, Vec<IpAddr>) = may_be.partition(IpAddr::is_ipv4);
                Some((!v4.is_empty(), !v6.is_empty()))
            }
            DraftMembers::Cname(_) => None,
        };
        let pools: Vec<(PoolId, (bool, bool))> =
            self.name.steering.pools.iter().filter_map(|used| Some((used.pool, families(used.pool)?))).collect();
        let kinds: [(&str, Has); 2] = [("IPv4", |has| has.0), ("IPv6", |has| has.1)];
        for (family, has) in kinds {
            let without: Vec<PoolId> = pools.iter().filter(|(_, of)| !has(of)).map(|&(id, _)| id).collect();
            if !without.is_empty() && without.len() < pools.len() {
                let verb = if without.len() == 1 { "has" } else { "have" };
                let message = format!("{} of {} {verb} no {family} addresses", self.list(&without), self.name.owner);
                let label = "its other pools have some";
                let help = format!("clients that are sent there get no {family} address at all");
                self.warn(message, label, Some(help), faults);
            }
        }
    }

    fn list(&self, pools: &[PoolId]) -> String {
        let names: Vec<&str> = pools.iter().take(MAX_LISTED).map(|&id| &*self.pool(id).name).collect();
        let more = pools.len() - names.len();
        let what = if pools.len() == 1 { "pool" } else { "pools" };
        if more == 0 {
            format!("{what} {}", list_of(&names))
        } else {
            format!("{what} {} and {more} more", list_of(&names))
        }
    }
}
