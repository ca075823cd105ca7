//! Registered endpoints in a world: pools whose endpoints come and go while the node runs.
//!
//! A change of leases makes a new world from the one that is served: the same zones, names and pools, with other
//! endpoints in the pools that take them. So everything that reads a world knows registered endpoints without a word of
//! its own: probes, picks, weights, loads, status, explain and the counters. The alternative was to keep leases in the
//! [`WorldState`](super::WorldState) and to extend pools when a snapshot is derived; then every reader of a pool would
//! have had to look in two places.
//!
//! Nothing is compiled anew: rankings, maps and rules do not depend on endpoints. What it costs is a copy of the world's
//! lists, and a new pool and plan for the pool that changed and those behind it, so the caller batches changes.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::blueprint::Blueprint;
use super::source::Source;
use super::values::{Addresses, Capacity};
use super::world::{Endpoint, Members, PoolSpec};
use crate::health::ConditionTemplate;

/// The id of an endpoint that stands for others.
const STAND_IN: &str = "registered";

/// Which endpoints may register themselves in a pool, and how they are probed.
#[derive(Clone, Debug, PartialEq)]
pub struct Registration {
    /// The operator's bounds.
    pub bounds: Bounds,
    /// The condition for each of them to be up; `None` without a monitor.
    pub template: Option<ConditionTemplate>,
    /// Why the source of the endpoints cannot be used now; `None` if it can, or if there is none.
    pub problem: Option<Box<str>>,
}

/// The bounds of the endpoints that may register themselves in a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Maximum number of leases, from 1 to [`MAX_ENDPOINTS`](super::MAX_ENDPOINTS).
    pub max: u16,
    /// The networks of their addresses; at least one.
    pub prefixes: Box<[IpNet]>,
    /// True if the last leases are kept when all of the pool stop being renewed.
    pub keep_last: bool,
    /// The names of the tokens and clients that may register; `None` for all that may register at all.
    pub by: Option<Box<[Box<str>]>>,
    /// What lists them, so that they do not register themselves; `None` if they do.
    pub source: Option<Source>,
}

impl Bounds {
    /// True if an endpoint with this address may register.
    pub fn hold(&self, address: IpAddr) -> bool {
        self.prefixes.iter().any(|prefix| prefix.contains(&address))
    }
}

/// The facts about a lease that its endpoint shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseMark {
    /// The name that the endpoint gave itself, unique in its pool.
    pub id: Box<str>,
    /// True if the endpoint asked to leave: it is drained until its lease ends.
    pub is_leaving: bool,
    /// True if the lease is over, and kept because no lease of the pool is renewed.
    pub is_kept: bool,
}

/// An endpoint that has registered itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Registered {
    /// Its address.
    pub address: IpAddr,
    /// Weight for draws.
    pub weight: u16,
    /// Its maximum load.
    pub capacity: Option<Capacity>,
    /// Its lease.
    pub lease: LeaseMark,
}

impl Blueprint {
    /// Returns this blueprint with exactly these registered endpoints; `registered` returns those of a pool, and `problem`
    /// why its source cannot be used. An address that the files list in the pool stays as the files say. Returns `None`
    /// if nothing changes. The result counts nothing until it is [`counted`](Self::counted).
    pub fn with_registered(
        &self,
        registered: impl Fn(&PoolSpec) -> Vec<Registered>,
        problem: impl Fn(&PoolSpec) -> Option<Box<str>>,
    ) -> Option<Self> {
        let mut changed = Vec::new();
        for (id, spec) in self.world.pools_by_id() {
            let (Some(registration), Members::Addresses(before)) = (&spec.registration, &spec.members) else {
                continue;
            };
            let after = members(before, registered(spec), registration);
            let problem = problem(spec);
            if after[..] != before[..] || problem != registration.problem {
                let registration = Some(Registration { problem, ..registration.clone() });
                changed.push((id, PoolSpec { members: Members::Addresses(after), registration, ..(**spec).clone() }));
            }
        }
        if changed.is_empty() {
            return None;
        }
        let mut world = (*self.world).clone();
        for (id, spec) in changed {
            world.pools[id.index()] = Arc::new(spec);
        }
        Some(self.with_pools_of(world))
    }
}

impl Registration {
    /// Returns endpoints that stand for those that register, for tools that read files and know no leases: one for each
    /// family of the prefixes, at the first address of one of them.
    pub fn stand_ins(&self) -> Vec<Registered> {
        let first = |is_v6| {
            let mut prefixes = self.bounds.prefixes.iter();
            let prefix = prefixes.find(|prefix| prefix.addr().is_ipv6() == is_v6)?;
            prefix.hosts().next()
        };
        let stand_in = |address| Registered {
            address,
            weight: 1,
            capacity: None,
            lease: LeaseMark { id: STAND_IN.into(), is_leaving: false, is_kept: false },
        };
        [false, true].into_iter().filter_map(first).map(stand_in).collect()
    }
}

/// Returns the endpoints of the files among `before`, followed by the registered ones.
fn members(before: &Addresses, registered: Vec<Registered>, registration: &Registration) -> Addresses {
    let mut endpoints: Vec<Endpoint<IpAddr>> =
        before.iter().filter(|endpoint| endpoint.lease.is_none()).cloned().collect();
    let mut seen: HashSet<IpAddr> = endpoints.iter().map(|endpoint| endpoint.value).collect();
    for Registered { address, weight, capacity, lease } in registered {
        if seen.insert(address) {
            let condition =
                registration.template.as_ref().and_then(|template| template.at(Some(&address.into()), None));
            endpoints.push(Endpoint { value: address, weight, capacity, condition, lease: Some(lease.into()) });
        }
    }
    // The register refuses what would be too much. If the files grew since, the pool stays as it was.
    Addresses::try_registered(endpoints).unwrap_or_else(|| before.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::fixture;
    use crate::geo::Locations;
    use crate::snapshot::{EndpointState, Family, Snapshot};

    const ZONE: &str = r#"
[nameservers]
ns1 = ["127.0.0.1"]
[pools.a]
endpoints = ["192.0.2.1"]
[pools.b]
endpoints = ["10.0.0.1"]
registered = { prefixes = ["10.0.0.0/8", "2001:db8::/32"] }
[pools.c]
endpoints = ["192.0.2.3"]
registered = { prefixes = ["10.0.0.0/8"] }
[names.m]
pools = ["b", "c"]
steer = []
[names.n]
pools = ["a"]
steer = []
"#;

    fn blueprint() -> Blueprint {
        let world = fixture::world("", &[("example.com.toml", ZONE)]);
        Blueprint::compile(world, Arc::new(Locations::unknown()), None)
    }

    fn registered(address: &str) -> Registered {
        let lease = LeaseMark { id: address.into(), is_leaving: false, is_kept: false };
        Registered { address: address.parse().unwrap(), weight: 1, capacity: None, lease }
    }

    /// The addresses of each pool, those that are registered with a `+`.
    fn shown(blueprint: &Blueprint) -> Vec<String> {
        let of_pool = |spec: &Arc<PoolSpec>| {
            let texts = (0..spec.members.len()).map(|place| {
                format!("{}{}", if spec.members.lease(place).is_some() { "+" } else { "" }, spec.members.text(place))
            });
            texts.collect::<Vec<_>>().join(" ")
        };
        blueprint.world().pools.iter().map(of_pool).collect()
    }

    #[test]
    fn registered_endpoints_follow_those_of_the_files() {
        let before = blueprint();
        let in_b = |addresses: &'static [&'static str]| {
            move |spec: &PoolSpec| {
                let meant = addresses.iter().filter(|_| &*spec.name == "b");
                meant.map(|address| registered(address)).collect::<Vec<_>>()
            }
        };
        assert!(before.with_registered(in_b(&[]), |_| None).is_none(), "nothing changes");
        let after = before.with_registered(in_b(&["10.0.0.2", "2001:db8::1", "10.0.0.1"]), |_| None).unwrap();
        assert_eq!(shown(&after), ["192.0.2.1", "10.0.0.1 +10.0.0.2 +2001:db8::1", "192.0.2.3"]);
        assert!(
            after.is_like(&before) && after.with_registered(in_b(&["10.0.0.2", "2001:db8::1"]), |_| None).is_none()
        );
        assert_eq!(after.endpoint_number(crate::snapshot::PoolId::from_index(2), 0), 4);
        // Others replace them.
        let again = after.with_registered(in_b(&["10.0.0.3"]), |_| None).unwrap();
        assert_eq!(shown(&again), ["192.0.2.1", "10.0.0.1 +10.0.0.3", "192.0.2.3"]);
        assert_eq!(shown(&again.with_registered(in_b(&[]), |_| None).unwrap()), shown(&before));
    }

    #[test]
    fn an_address_that_comes_to_two_pools_of_a_name_is_answered_once() {
        let before = blueprint();
        let both = before.with_registered(|_| vec![registered("10.0.0.2")], |_| None).unwrap();
        let plans = |blueprint: Blueprint| {
            let snapshot = Snapshot::new(Arc::new(blueprint), |_, _| EndpointState::CALM, None);
            snapshot.plans().iter().map(super::super::Plan::shares_addresses).collect::<Vec<_>>()
        };
        assert_eq!((plans(before), plans(both)), (vec![false, false], vec![true, false]));
    }

    #[test]
    fn a_snapshot_with_other_endpoints_keeps_its_maps() {
        let before = Arc::new(blueprint());
        let snapshot = Snapshot::new(before.clone(), |_, _| EndpointState::CALM, None);
        let after = Arc::new(before.with_registered(|_| vec![registered("10.0.0.2")], |_| None).unwrap());
        let next = Snapshot::new(after, |_, _| EndpointState::CALM, Some(&snapshot));
        let counts = next.pools().iter().map(|pool| pool.counts(Family::V4)).collect::<Vec<_>>();
        assert_eq!((next.generation(), counts), (2, vec![(1, 1), (2, 2), (2, 2)]));
        for (one, other) in snapshot.plans().iter().zip(next.plans()) {
            assert!(Arc::ptr_eq(&one.rule().map, &other.rule().map));
        }
    }

    #[test]
    fn tools_without_leases_see_a_stand_in_of_each_family() {
        let world = fixture::world("", &[("example.com.toml", ZONE)]);
        let registration = world.pools[1].registration.as_ref().unwrap();
        let addresses: Vec<String> = registration.stand_ins().iter().map(|it| it.address.to_string()).collect();
        assert_eq!(addresses, ["10.0.0.1", "2001:db8::"]);
    }
}
