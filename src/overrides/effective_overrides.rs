//! What counts for each endpoint and each name, out of all that is in force.

use std::collections::HashMap;

use super::{Override, TargetKind};

/// The overrides in force, sorted so that the first one that means something counts for it.
#[derive(Clone, Debug, Default)]
pub struct EffectiveOverrides {
    datacenters: Vec<Override>,
    pools: Vec<Override>,
    /// Those that are no globs, by what they mean: there may be thousands.
    endpoints: HashMap<Box<str>, Override>,
    endpoint_globs: Vec<Override>,
    names: Vec<Override>,
}

impl EffectiveOverrides {
    /// Sorts what is in force.
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
            }
        }
        effective_overrides
    }

    /// What counts for an endpoint of this pool. `endpoint` gives its address or canonical name as patterns know it.
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

    /// What counts for a steered name, by its canonical text.
    pub fn of_name(&self, name: &str) -> Option<&Override> {
        first(&self.names, name)
    }

    /// Whether anything is said of names.
    pub fn affects_names(&self) -> bool {
        !self.names.is_empty()
    }
}

fn first<'a>(sorted: &'a [Override], text: &str) -> Option<&'a Override> {
    sorted.iter().find(|item| item.order.target.means(text))
}
