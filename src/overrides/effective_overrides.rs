//! The effective overrides: of all overrides in force, the one that counts for each endpoint and each name.

use std::collections::HashMap;

use super::{Override, TargetKind};

/// The overrides in force, sorted by precedence: the first one that matches counts.
#[derive(Clone, Debug, Default)]
pub struct EffectiveOverrides {
    datacenters: Vec<Override>,
    pools: Vec<Override>,
    /// The overrides without globs, by the endpoint's text: there may be thousands.
    endpoints: HashMap<Box<str>, Override>,
    endpoint_globs: Vec<Override>,
    names: Vec<Override>,
    pools_in_names: Vec<Override>,
}

impl EffectiveOverrides {
    /// Sorts the overrides in force.
    pub fn new<'a>(in_force: impl Iterator<Item = &'a Override>) -> Self {
        let mut sorted: Vec<_> = in_force.collect();
        sorted.sort_by(|a, b| a.cmp_precedence(b).reverse());
        let mut effective_overrides = Self::default();
        for item in sorted {
            let target = &item.order.target;
            match target.kind() {
                TargetKind::Datacenter => effective_overrides.datacenters.push(item.clone()),
                TargetKind::Pool => effective_overrides.pools.push(item.clone()),
                TargetKind::Endpoint if target.is_glob() => effective_overrides.endpoint_globs.push(item.clone()),
                TargetKind::Endpoint => {
                    effective_overrides.endpoints.entry(target.text().into()).or_insert_with(|| item.clone());
                }
                TargetKind::Name => effective_overrides.names.push(item.clone()),
                TargetKind::PoolInName => effective_overrides.pools_in_names.push(item.clone()),
            }
        }
        effective_overrides
    }

    /// The override that counts for an endpoint of this pool, if any. `endpoint` gives its address or canonical name in
    /// the form that patterns use.
    pub fn of_endpoint(
        &self,
        datacenter: Option<&str>,
        pool: &str,
        endpoint: impl FnOnce() -> String,
    ) -> Option<&Override> {
        self.of_endpoint_itself(endpoint)
            .or_else(|| first(&self.pools, pool))
            .or_else(|| first(&self.datacenters, datacenter?))
    }

    fn of_endpoint_itself(&self, endpoint: impl FnOnce() -> String) -> Option<&Override> {
        if self.endpoints.is_empty() && self.endpoint_globs.is_empty() {
            return None;
        }
        let endpoint = endpoint();
        self.endpoints.get(endpoint.as_str()).or_else(|| first(&self.endpoint_globs, &endpoint))
    }

    /// The override that counts for a steered name, by its canonical text, if any.
    pub fn of_name(&self, name: &str) -> Option<&Override> {
        first(&self.names, name)
    }

    /// The override that counts for a pool in the answers of a steered name, by the name's canonical text, if any.
    pub fn of_pool_in_name(&self, pool: &str, name: &str) -> Option<&Override> {
        let means = |item: &&Override| {
            let target = &item.order.target;
            target.name().is_some_and(|pattern| pattern.means(name)) && target.means(pool)
        };
        self.pools_in_names.iter().find(means)
    }

    /// True if an override concerns names.
    pub fn affects_names(&self) -> bool {
        !self.names.is_empty() || self.affects_pools_in_names()
    }

    /// True if an override concerns pools in the answers of names.
    pub fn affects_pools_in_names(&self) -> bool {
        !self.pools_in_names.is_empty()
    }
}

fn first<'a>(sorted: &'a [Override], text: &str) -> Option<&'a Override> {
    sorted.iter().find(|item| item.order.target.means(text))
}
