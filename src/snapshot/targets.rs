//! Resolves the targets of overrides against a world.

use super::ids::PoolId;
use super::known_targets::KnownTargets;
use super::world::{Members, PoolSpec, World};
use crate::name::Name;
use crate::overrides::{EffectiveOverrides, Override, TargetKind, TargetPattern, canonical};

impl Members {
    /// Returns the address or the canonical name of the endpoint at this position, in the form that targets use.
    pub fn text(&self, place: usize) -> String {
        match self {
            Self::Addresses(endpoints) => endpoints.get(place).map_or_else(String::new, |it| it.value.to_string()),
            Self::Cname(endpoint) => canonical(&endpoint.value),
        }
    }
}

impl World {
    /// Returns the name of the pool's datacenter.
    pub fn datacenter_of(&self, pool: &PoolSpec) -> Option<&str> {
        pool.datacenter.map(|id| &*self.datacenters[id.index()].name)
    }

    /// True if a target means the endpoint at this position of a pool.
    pub fn is_meant(&self, target: &TargetPattern, pool: &PoolSpec, place: usize) -> bool {
        match target.kind() {
            TargetKind::Datacenter => self.datacenter_of(pool).is_some_and(|name| target.means(name)),
            TargetKind::Pool => target.means(&pool.name),
            TargetKind::Endpoint => target.means(&pool.members.text(place)),
            TargetKind::Name | TargetKind::PoolInName => false,
        }
    }

    /// Returns the override that counts for the endpoint at this position of a pool.
    pub fn effective_override<'a>(
        &self,
        effective_overrides: &'a EffectiveOverrides,
        pool: &PoolSpec,
        place: usize,
    ) -> Option<&'a Override> {
        effective_overrides.of_endpoint(self.datacenter_of(pool), &pool.name, || pool.members.text(place))
    }

    /// Returns the pools with endpoints that a target means.
    pub fn pools_meant(&self, target: &TargetPattern) -> Vec<PoolId> {
        let meant = self.pools_by_id().filter(|(_, pool)| {
            // All endpoints of a pool match alike unless the target is an endpoint, and no pool is empty.
            let places = if target.kind() == TargetKind::Endpoint { pool.members.len() } else { 1 };
            (0..places).any(|place| self.is_meant(target, pool, place))
        });
        meant.map(|(id, _)| id).collect()
    }

    /// Returns the owners of all steered names.
    pub fn steered_names(&self) -> impl Iterator<Item = &Name> {
        self.zones.iter().flat_map(|zone| zone.names.iter().map(|name| &name.owner))
    }

    /// Succeeds if a target means anything in this world. Fails with the most similar target that does, if there is
    /// one.
    pub fn find(&self, target: &TargetPattern) -> Result<(), Option<TargetPattern>> {
        let known = KnownTargets::new(self);
        if known.has(target) { Ok(()) } else { Err(known.closest(target)) }
    }

    /// Returns the pools in names that a target means, each with the text of its name.
    fn pools_in_names<'a>(&'a self, target: &'a TargetPattern) -> impl Iterator<Item = (String, &'a PoolSpec)> {
        let names = self.zones.iter().flat_map(|zone| zone.names.iter()).map(|name| (canonical(&name.owner), name));
        let names = names.filter(|(text, _)| target.name().is_some_and(|pattern| pattern.means(text)));
        names.flat_map(|(text, name)| {
            let pools = name.steering.pools.iter().map(|used| used.pool).chain(name.steering.fallback);
            let pools = pools.map(|id| &*self.pools[id.index()]).filter(|pool| target.means(&pool.name));
            pools.map(move |pool| (text.clone(), pool))
        })
    }

    /// True if two targets have anything in common.
    pub fn overlap(&self, one: &TargetPattern, other: &TargetPattern) -> bool {
        if one.kind() != other.kind() && !(one.kind().is_of_endpoints() && other.kind().is_of_endpoints()) {
            return false;
        }
        match one.kind() {
            TargetKind::Name => {
                return self.steered_names().map(canonical).any(|text| one.means(&text) && other.means(&text));
            }
            TargetKind::PoolInName => {
                return self.pools_in_names(one).any(|(name, pool)| {
                    other.name().is_some_and(|pattern| pattern.means(&name)) && other.means(&pool.name)
                });
            }
            TargetKind::Datacenter | TargetKind::Pool | TargetKind::Endpoint => {}
        }
        self.pools_meant(one).into_iter().any(|id| {
            let pool = &self.pools[id.index()];
            (0..pool.members.len()).any(|it| self.is_meant(one, pool, it) && self.is_meant(other, pool, it))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geo::{Coordinates, DatacenterId};
    use crate::snapshot::{Addresses, Datacenter, Endpoint, KnownTargets};
    use std::sync::Arc;

    fn world() -> World {
        let datacenter = |name: &str| Datacenter {
            name: name.into(),
            coordinates: Coordinates::try_new(0.0, 0.0).unwrap(),
            country: None,
        };
        let pool = |name: &str, datacenter, address: &str| {
            let value = address.parse().unwrap();
            let members =
                Addresses::try_new(vec![Endpoint { value, weight: 1, capacity: None, condition: None, lease: None }]);
            Arc::new(PoolSpec { datacenter, ..PoolSpec::new(name, Members::Addresses(members.unwrap())) })
        };
        World {
            datacenters: ["fra", "iad"].map(datacenter).into(),
            pools: vec![
                pool("web/fra", Some(DatacenterId::from_index(0)), "192.0.2.1"),
                pool("web/iad", Some(DatacenterId::from_index(1)), "192.0.2.2"),
                pool("sorry", None, "192.0.2.1"),
            ],
            ..World::default()
        }
    }

    #[test]
    fn targets_mean_pools() {
        for (target, pools) in [
            ("dc:fra", vec![0]),
            ("dc:*", vec![0, 1]),
            ("pool:web", vec![0, 1]),
            ("pool:web/iad", vec![1]),
            ("endpoint:192.0.2.1", vec![0, 2]),
            ("name:www.example.com", vec![]),
        ] {
            let pools: Vec<PoolId> = pools.into_iter().map(PoolId::from_index).collect();
            let (world, target) = (world(), target.parse().unwrap());
            assert_eq!(world.pools_meant(&target), pools, "{target}");
            assert_eq!(KnownTargets::new(&world).has(&target), !pools.is_empty(), "{target}");
        }
    }

    #[test]
    fn what_means_nothing_may_have_been_meant_otherwise() {
        for (target, meant) in [
            ("dc:fro", Some("dc:fra")),
            ("pool:web/ida", Some("pool:web/iad")),
            ("endpoint:192.0.2.22", Some("endpoint:192.0.2.2")),
            ("pool:something/else", None),
            ("dc:x*", None),
        ] {
            let meant = meant.map(|text| text.parse().unwrap());
            let (world, target) = (world(), target.parse().unwrap());
            assert_eq!(world.find(&target), Err(meant), "{target}");
            assert!(!KnownTargets::new(&world).has(&target), "{target}");
        }
    }

    /// Rows of earlier runs are found by these texts: they must never change.
    #[test]
    fn identities_are_the_same_on_every_node_and_in_every_version() {
        let spec = &world().pools[0];
        let origin = Name::parse("Example.COM.", &Name::root()).unwrap();
        let endpoint = |text: &str| Endpoint {
            value: text.parse().unwrap(),
            weight: 1,
            capacity: None,
            condition: None,
            lease: None,
        };
        let members =
            Members::Addresses(Addresses::try_new(["192.0.2.1", "2001:DB8:0:0::1"].map(endpoint).into()).unwrap());
        let in_zone = PoolSpec { zone: Some(origin), members, ..PoolSpec::clone(spec) };
        let target = Name::parse("Status.Example.NET.", &Name::root()).unwrap();
        let cname = Members::Cname(Endpoint { value: target, weight: 1, capacity: None, condition: None, lease: None });
        let elsewhere = PoolSpec { name: "sorry".into(), members: cname, ..PoolSpec::clone(spec) };
        assert_eq!(in_zone.key().to_string(), "example.com. web/fra");
        assert_eq!(in_zone.key_of(0).to_string(), "example.com. web/fra 192.0.2.1");
        assert_eq!(in_zone.key_of(1).to_string(), "example.com. web/fra 2001:db8::1");
        assert_eq!(elsewhere.key_of(0).to_string(), " sorry status.example.net");
    }

    #[test]
    fn targets_have_things_in_common_or_not() {
        let overlap = |one: &str, other: &str| world().overlap(&one.parse().unwrap(), &other.parse().unwrap());
        assert!(overlap("dc:fra", "pool:web"));
        assert!(overlap("endpoint:192.0.2.1", "pool:sorry"));
        assert!(!overlap("dc:fra", "pool:web/iad"));
        assert!(!overlap("dc:fra", "name:*"));
    }
}
