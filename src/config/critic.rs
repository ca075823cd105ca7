//! What works, but cannot be meant: matches that never decide, pools that nobody is ever sent to, weights without effect.

use std::collections::{HashMap, HashSet};

use ipnet::{IpNet, Ipv4Net};

use crate::geo::{ClientMatch, DatacenterId, Region, countries};
use crate::snapshot::{Ecs, PoolId, SteeredName, Steering};
use crate::steering::{Pick, Step};
use crate::wire::Fold;

use super::code::Code;
use super::decode::Placed;
use super::fault::{Fault, Faults};
use super::names::{Owner, OwnerKind};
use super::pools::{DraftMembers, PoolDraft};
use super::regions::PlacedRegion;
use super::scope::View;
use super::shadows::shadowed;
use super::suggest::list_of;

/// Whether a pool has addresses of a family, by whether it has IPv4 and IPv6 ones.
type Has = fn(&(bool, bool)) -> bool;

/// Seconds that clients may hold an address which is probed: more than an hour is what a name without failover has.
const LONG_TTL: u32 = 3600;

/// So many pools are listed by name; more would hide the fault itself.
const MAX_LISTED: usize = 4;

/// Tells which matches of a file's own regions never decide. `view` is all that they compete with.
pub(super) fn check_matches(view: View<'_, PlacedRegion>, ecs: Ecs, faults: &mut Faults) {
    let all: Vec<ClientMatch> = view
        .visible()
        .filter_map(|definition| definition.value.as_ref())
        .flat_map(|region| region.clients().iter().map(|client| client.value))
        .collect();
    let shadowed = shadowed(all.iter().copied());
    let own = view.own.iter().filter_map(|definition| definition.value.as_ref());
    for client in own.flat_map(PlacedRegion::clients) {
        match client.value {
            ClientMatch::Prefix(net) => check_prefix(client, net, shadowed.contains(&net), ecs, faults),
            ClientMatch::Continent(continent) => {
                let named: HashSet<_> = all
                    .iter()
                    .filter_map(|other| if let ClientMatch::Country(code) = other { Some(*code) } else { None })
                    .collect();
                let mut of_continent = countries::countries().filter(|country| country.continent == continent);
                if of_continent.all(|country| named.contains(&country.code)) {
                    let message = format!("`{}` never decides: all its countries are named", client.value);
                    faults.push(Fault::warning(&client.place, message, "shadowed").code(Code::NoEffect));
                }
            }
            ClientMatch::Asn(_) | ClientMatch::Subdivision(_) | ClientMatch::Country(_) => {}
        }
    }
}

/// Clients behind an IPv4 address in an IPv6 one are looked up by the IPv4 address.
fn check_fold(client: &Placed<ClientMatch>, net: IpNet, faults: &mut Faults) -> bool {
    let IpNet::V6(v6) = net else { return false };
    let Some(Fold { address, length, .. }) = Fold::find(v6.network(), v6.prefix_len()) else { return false };
    let message = format!("{net} never decides: its clients are looked up by their IPv4 addresses");
    let meant = Ipv4Net::new(address, length).map_or_else(|_| address.to_string(), |net| net.to_string());
    let fault = Fault::warning(&client.place, message, format!("did you mean `{meant}`?"));
    faults.push(fault.code(Code::NoEffect));
    true
}

fn check_prefix(client: &Placed<ClientMatch>, net: IpNet, is_shadowed: bool, ecs: Ecs, faults: &mut Faults) {
    if check_fold(client, net, faults) {
        return;
    }
    let (key, max_source) = match net {
        IpNet::V4(_) => ("max_source_v4", ecs.max_source_v4),
        IpNet::V6(_) => ("max_source_v6", ecs.max_source_v6),
    };
    if ecs.enabled && net.prefix_len() > max_source {
        let message = format!("{net} is longer than `{key}` ({max_source})");
        let fault = Fault::warning(&client.place, message, "finer than Client Subnet is looked at");
        let help =
            "the lowest address of a client's network decides for all of it: lengthen the maximum or shorten this";
        faults.push(fault.help(help));
    }
    if is_shadowed {
        let message = format!("{net} never decides: longer prefixes cover all of it");
        faults.push(Fault::warning(&client.place, message, "shadowed").code(Code::NoEffect));
    }
}

/// A zone's names with what they refer to.
pub(super) struct Names<'a> {
    pub(super) owners: &'a [Owner],
    pub(super) pools: &'a [PoolDraft],
    /// How many of the pools other files define: the zone's own come behind.
    pub(super) others: usize,
    pub(super) regions: &'a [Region],
}

impl Names<'_> {
    /// Tells what of the names' steering cannot be meant.
    pub(super) fn check(&self, faults: &mut Faults) {
        for owner in self.owners {
            let OwnerKind::Steered { name, .. } = &owner.kind else { continue };
            let critique = Critique { names: self, name, owner };
            if !critique.check_reach(faults) {
                critique.check_only(faults);
            }
            critique.check_weights(faults);
            critique.check_families(faults);
        }
        self.check_ttls(faults);
        self.check_endpoint_weights(faults);
        self.check_capacities(faults);
    }

    /// TTLs that do not go with failover: once for names that nobody may keep, once for those that clients keep for long.
    fn check_ttls(&self, faults: &mut Faults) {
        let steered = || {
            self.owners.iter().filter_map(|owner| match &owner.kind {
                OwnerKind::Steered { name, .. } => Some((owner, &name.steering)),
                OwnerKind::Reflect => None,
            })
        };
        let is_probed =
            |steering: &Steering| steering.pools.iter().any(|used| self.pools[used.pool as usize].monitor.is_some());
        let mut warn = |of: Vec<&Owner>, what: &str, label: &str, help: &str| {
            let Some(first) = of.first() else { return };
            let names = match of.len() - 1 {
                0 => format!("{} has", first.name),
                more => format!("{} and {more} more have", first.name),
            };
            let fault = Fault::warning(&first.place, format!("{names} a TTL of {what}"), label);
            faults.push(fault.help(help));
        };
        let zero = steered().filter(|(_, steering)| steering.ttl == 0).map(|(owner, _)| owner).collect();
        warn(
            zero,
            "0",
            "no resolver keeps it",
            "every question of every client comes here: 5 s are short enough for failover",
        );
        let long = steered().filter(|(_, steering)| steering.ttl > LONG_TTL && is_probed(steering));
        let label = "clients hold a dead address for so long";
        warn(
            long.map(|(owner, _)| owner).collect(),
            "more than an hour",
            label,
            "30 to 300 s are usual where endpoints are probed",
        );
    }

    /// Weights of endpoints that no name looks at. A pool of the server file may have other users.
    fn check_endpoint_weights(&self, faults: &mut Faults) {
        let mut looked_at: HashMap<PoolId, bool> = HashMap::new();
        for owner in self.owners {
            let OwnerKind::Steered { name, .. } = &owner.kind else { continue };
            let weighs = !matches!(name.steering.pick, Some(Pick::Rotate | Pick::Random));
            for used in &name.steering.pools {
                *looked_at.entry(used.pool).or_default() |= weighs;
            }
        }
        let mut told = HashSet::new();
        for (id, pool) in self.own_pools() {
            let differ = match &pool.members {
                DraftMembers::Addresses(list) => list.iter().any(|endpoint| endpoint.weight != list[0].weight),
                DraftMembers::Cname(_) => false,
            };
            if differ && looked_at.get(&id) == Some(&false) && told.insert(pool.place.span.start) {
                let message = format!("the weights of the endpoints of pool `{}` have no effect", pool.name);
                let fault =
                    Fault::warning(&pool.place, message, "no name's `pick` looks at weights").code(Code::NoEffect);
                faults.push(fault.help("names that use it take `pick = \"weighted\"` to draw by weight"));
            }
        }
    }
}

impl Names<'_> {
    fn own_pools(&self) -> impl Iterator<Item = (PoolId, &PoolDraft)> {
        (self.others as PoolId..).zip(&self.pools[self.others..])
    }

    /// Capacities that no name looks at. A pool of the server file may have other users.
    fn check_capacities(&self, faults: &mut Faults) {
        let mut looked_at: HashSet<PoolId> = HashSet::new();
        for owner in self.owners {
            let OwnerKind::Steered { name, .. } = &owner.kind else { continue };
            if name.steering.goes_by_load() {
                looked_at.extend(name.steering.pools.iter().map(|used| used.pool));
            }
        }
        let mut told = HashSet::new();
        for (_, pool) in self.own_pools().filter(|(id, _)| !looked_at.contains(id)) {
            if pool.has_capacity() && told.insert(pool.place.span.start) {
                let message = format!("the capacity of pool `{}` has no effect", pool.name);
                let fault =
                    Fault::warning(&pool.place, message, "no name that uses it goes by load").code(Code::NoEffect);
                faults.push(fault.help("names do with the step `load`, or with `pick = \"least-load\"`"));
            }
        }
    }
}

struct Critique<'a> {
    names: &'a Names<'a>,
    name: &'a SteeredName,
    owner: &'a Owner,
}

impl Critique<'_> {
    fn pool(&self, id: PoolId) -> &PoolDraft {
        &self.names.pools[id as usize]
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

    /// The tiers of datacenters that clients of each region are sent to; the last one, of all that are not listed, is `None`.
    /// Whom no region names, nothing is kept from.
    fn tiers<'t>(&'t self, region: &'t Region) -> &'t [Vec<DatacenterId>] {
        let own = self.name.steering.prefer.iter().find(|(name, _)| *name == region.name);
        own.map_or(&region.prefer, |(_, tiers)| tiers)
    }

    /// Pools that no client is ever sent to: every region says `only`, and none lists their datacenter. The value is whether there are any.
    fn check_reach(&self, faults: &mut Faults) -> bool {
        let regions = self.names.regions;
        let somebody_is_nowhere = !regions.iter().any(|region| &*region.name == super::regions::DEFAULT);
        if !self.has(Step::Region) || somebody_is_nowhere || regions.iter().any(|region| !region.only) {
            return false;
        }
        let listed: HashSet<DatacenterId> =
            regions.iter().flat_map(|region| self.tiers(region).iter().flatten().copied()).collect();
        let is_out = |id: &PoolId| !self.pool(*id).datacenter.is_some_and(|datacenter| listed.contains(&datacenter));
        let unreachable: Vec<PoolId> =
            self.name.steering.pools.iter().map(|used| used.pool).filter(|id| is_out(id)).collect();
        if !unreachable.is_empty() {
            let message = format!("no client of {} is ever sent to {}", self.name.owner, self.list(&unreachable));
            self.warn(message, "every region says `only`, and none lists them", None, faults);
        }
        !unreachable.is_empty()
    }

    /// Clients that no pool answers: their region says `only`, and none of the name's pools stands in its datacenters.
    fn check_only(&self, faults: &mut Faults) {
        if !self.has(Step::Region) || self.name.steering.fallback.is_some() {
            return;
        }
        let places: HashSet<DatacenterId> =
            self.name.steering.pools.iter().filter_map(|used| self.pool(used.pool).datacenter).collect();
        let is_empty = |region: &&Region| {
            region.only && !self.tiers(region).iter().flatten().any(|datacenter| places.contains(datacenter))
        };
        let names: Vec<&str> = self.names.regions.iter().filter(is_empty).map(|region| &*region.name).collect();
        if let [first, ..] = names[..] {
            let message = format!("clients of region {} get nothing from {}", list_of(&names), self.name.owner);
            let label = format!("`{first}` says `only`, and no pool of the name is in its datacenters");
            let help = "give the name a `fallback`, or its own `prefer` for the region".to_owned();
            self.warn(message, &label, Some(help), faults);
        }
    }

    /// Weights of pools that no draw ever looks at.
    fn check_weights(&self, faults: &mut Faults) {
        let steering = &self.name.steering;
        let differ = steering.pools.iter().any(|used| used.weight != steering.pools[0].weight);
        if !differ {
            return;
        }
        // A spare is drawn by weight from all that the ranking holds.
        if steering.spare {
            return;
        }
        if !steering.steer.iter().any(|step| step.draws()) {
            let message = format!("the weights of {}'s pools have no effect", self.name.owner);
            self.warn(message, "no step of `steer` looks at weights", None, faults);
        } else if self.has(Step::Region) && !self.names.regions.is_empty() && !self.ties_anywhere() {
            let message = format!("the weights of {}'s pools have no effect", self.name.owner);
            let help = "an inner list in a region's `prefer` is a tie, which weights break".to_owned();
            self.warn(message, "no region leaves a tie between them", Some(help), faults);
        }
    }

    /// Whether any region leaves two of the pools tied; clients that no region names find all of them tied.
    fn ties_anywhere(&self) -> bool {
        let regions = self.names.regions;
        if !regions.iter().any(|region| &*region.name == super::regions::DEFAULT) {
            return true;
        }
        regions.iter().any(|region| {
            let tiers = self.tiers(region);
            let tier_of = |id: PoolId| {
                let datacenter = self.pool(id).datacenter;
                tiers.iter().position(|tier| datacenter.is_some_and(|datacenter| tier.contains(&datacenter)))
            };
            let mut counts: HashMap<Option<usize>, usize> = HashMap::new();
            for used in &self.name.steering.pools {
                *counts.entry(tier_of(used.pool)).or_default() += 1;
            }
            counts.iter().any(|(tier, &count)| count > 1 && (tier.is_some() || !region.only))
        })
    }

    /// Clients that are sent to a pool without a family that others have lose it on the way.
    fn check_families(&self, faults: &mut Faults) {
        let families = |id: PoolId| match &self.pool(id).members {
            DraftMembers::Addresses(list) => {
                Some((list.iter().any(|e| e.value.is_ipv4()), list.iter().any(|e| e.value.is_ipv6())))
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
