//! Values of a world that are valid once they exist. The room `config` reports invalid input with its place in the
//! file.

use std::collections::HashSet;
use std::net::IpAddr;
use std::ops::Deref;

use super::ids::PoolId;
use super::world::{Endpoint, PoolUse};

/// Maximum number of pools of a name, so that a set of them fits in one machine word. `web/fra` and `web/iad` are two.
pub const MAX_POOLS: usize = 64;

/// Maximum number of endpoints of one address family in a pool.
pub const MAX_ENDPOINTS: usize = 1024;

/// The pools of a name: 1 to [`MAX_POOLS`], without duplicates.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PoolList(Box<[PoolUse]>);

/// The addresses of a pool: at least one, at most [`MAX_ENDPOINTS`] of either family, without duplicates. A pool that takes
/// registered endpoints may have none.
#[derive(Clone, Debug, PartialEq)]
pub struct Addresses(Box<[Endpoint<IpAddr>]>);

/// The TTLs of a name's answers, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ttls {
    calm: u32,
    unconfirmed: u32,
}

/// The share of a family's endpoints, 0-1, that must be open for a pool to be usable; 0 requires one endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct MinHealthy(f64);

/// A maximum load, in the operator's unit, above 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Capacity(f64);

/// Numbers of endpoints that differ by less than this count as equal. A decimal share such as 0.28 is not an exact
/// binary fraction, so 25 times the share is a little more than 7. The share of one endpoint in [`MAX_ENDPOINTS`] is a
/// million times larger than this number.
const ROUNDING: f64 = 1e-9;

impl PoolList {
    /// Returns `None` if there are no pools or too many of them, or if a pool is listed twice.
    pub fn try_new(pools: Vec<PoolUse>) -> Option<Self> {
        let mut seen = HashSet::new();
        let is_valid = (1..=MAX_POOLS).contains(&pools.len()) && pools.iter().all(|used| seen.insert(used.pool));
        is_valid.then(|| Self(pools.into()))
    }

    /// Gives the pools other numbers. `number` must give different pools different numbers.
    pub fn renumber(&mut self, number: impl Fn(PoolId) -> PoolId) {
        for used in &mut self.0 {
            used.pool = number(used.pool);
        }
        debug_assert!(Self::try_new(self.0.to_vec()).is_some(), "two pools got the same number");
    }
}

impl Deref for PoolList {
    type Target = [PoolUse];

    fn deref(&self) -> &[PoolUse] {
        &self.0
    }
}

impl<'a> IntoIterator for &'a PoolList {
    type Item = &'a PoolUse;
    type IntoIter = std::slice::Iter<'a, PoolUse>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl Addresses {
    /// Returns `None` if there are no addresses or too many of a family, or if an address is listed twice.
    pub fn try_new(endpoints: Vec<Endpoint<IpAddr>>) -> Option<Self> {
        if endpoints.is_empty() { None } else { Self::try_registered(endpoints) }
    }

    /// Returns the addresses of a pool that takes registered endpoints. Returns `None` if there are too many of a family,
    /// or if an address is listed twice.
    pub fn try_registered(endpoints: Vec<Endpoint<IpAddr>>) -> Option<Self> {
        let mut seen = HashSet::new();
        let v4 = endpoints.iter().filter(|endpoint| endpoint.value.is_ipv4()).count();
        let is_valid = [v4, endpoints.len() - v4].iter().all(|&count| count <= MAX_ENDPOINTS)
            && endpoints.iter().all(|endpoint| seen.insert(endpoint.value));
        is_valid.then(|| Self(endpoints.into()))
    }

    /// Changes the endpoints, for tests.
    #[cfg(test)]
    pub(crate) fn edit(&mut self, change: impl FnOnce(&mut [Endpoint<IpAddr>])) {
        let mut endpoints = self.0.to_vec();
        change(&mut endpoints);
        *self = Self::try_new(endpoints).expect("addresses stay different");
    }
}

impl Deref for Addresses {
    type Target = [Endpoint<IpAddr>];

    fn deref(&self) -> &[Endpoint<IpAddr>] {
        &self.0
    }
}

impl Ttls {
    /// `unconfirmed` is `ttl_min`. Returns `None` if it is above `calm`.
    pub fn try_new(calm: u32, unconfirmed: u32) -> Option<Self> {
        (unconfirmed <= calm).then_some(Self { calm, unconfirmed })
    }

    /// Returns the TTL while the state is confirmed.
    pub fn calm(self) -> u32 {
        self.calm
    }

    /// Returns the TTL while a state is unconfirmed. It is not above [`calm`](Self::calm).
    pub fn unconfirmed(self) -> u32 {
        self.unconfirmed
    }
}

impl MinHealthy {
    /// Returns `None` if the share is not from 0 to 1.
    pub fn try_new(share: f64) -> Option<Self> {
        (0.0..=1.0).contains(&share).then_some(Self(share))
    }

    /// True if `open` of a family's `in_service` endpoints are enough, counted in whole endpoints: at least one.
    pub fn is_met(self, open: usize, in_service: usize) -> bool {
        let needed = (in_service as f64 * self.0 - ROUNDING).ceil() as usize;
        open >= needed.max(1)
    }
}

impl Capacity {
    /// Returns `None` if the load is not a number above 0.
    pub fn try_new(load: f64) -> Option<Self> {
        (load > 0.0 && load.is_finite()).then_some(Self(load))
    }

    /// Returns the load.
    pub fn get(self) -> f64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::PoolId;

    #[test]
    fn lists_are_bounded_and_hold_nothing_twice() {
        let used = |pool: usize| PoolUse { pool: PoolId::from_index(pool), weight: 1, order: 0, mode: None };
        for (pools, is_valid) in [(0..0, false), (0..1, true), (0..MAX_POOLS, true), (0..MAX_POOLS + 1, false)] {
            assert_eq!(PoolList::try_new(pools.clone().map(used).collect()).is_some(), is_valid, "{pools:?}");
        }
        assert_eq!(PoolList::try_new(vec![used(3), used(3)]), None);

        let endpoint = |value| Endpoint { value, weight: 1, capacity: None, condition: None, lease: None };
        let v4 = |number: usize| endpoint(IpAddr::from((number as u32).to_be_bytes()));
        let v6 = |number: usize| endpoint(IpAddr::from((number as u128).to_be_bytes()));
        assert_eq!(Addresses::try_new(Vec::new()), None);
        assert!(Addresses::try_registered(Vec::new()).is_some());
        assert_eq!(Addresses::try_new(vec![v4(1), v4(1)]), None);
        let full = |more: usize| (0..MAX_ENDPOINTS + more).map(v4).chain((0..MAX_ENDPOINTS).map(v6)).collect();
        assert!(Addresses::try_new(full(0)).is_some() && Addresses::try_new(full(1)).is_none());
    }

    #[test]
    fn numbers_are_in_their_ranges() {
        assert!(Ttls::try_new(30, 30).is_some() && Ttls::try_new(30, 31).is_none());
        assert!([0.0, 0.28, 1.0].iter().all(|&share| MinHealthy::try_new(share).is_some()));
        assert!([-0.1, 1.1, f64::NAN].iter().all(|&share| MinHealthy::try_new(share).is_none()));
        assert!(Capacity::try_new(0.001).is_some());
        assert!([0.0, -1.0, f64::NAN, f64::INFINITY].iter().all(|&load| Capacity::try_new(load).is_none()));
    }

    #[test]
    fn min_healthy_is_reckoned_in_whole_endpoints() {
        let share = |share: f64| MinHealthy::try_new(share).unwrap();
        for percent in 0..=100_usize {
            let min_healthy = share(percent as f64 / 100.0);
            for in_service in 1..=1024 {
                let needed = (in_service * percent).div_ceil(100).max(1);
                assert!(min_healthy.is_met(needed, in_service), "{needed} of {in_service} at {percent} %");
                assert!(!min_healthy.is_met(needed - 1, in_service), "{} of {in_service} at {percent} %", needed - 1);
            }
        }
        // An operator writes a third with some number of digits.
        let third = share(0.333_333_333_3);
        assert!(third.is_met(1, 3) && !third.is_met(0, 3));
        assert!(share(0.666_666_666_67).is_met(2, 3));
        assert!(!share(0.67).is_met(2, 3));
    }
}
