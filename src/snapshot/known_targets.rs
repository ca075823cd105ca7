//! Everything that targets can name in one world. Each kind is listed only once, however many targets are looked up.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use super::world::{SteeredName, World};
use crate::overrides::{TargetKind, TargetPattern, canonical};
use crate::suggest::did_you_mean;

/// Sorted texts: if two texts are equally similar, the same one is suggested each time.
type Texts = BTreeSet<String>;

/// The texts that targets can have in one world. Each kind is listed when it is first asked for.
#[derive(Debug)]
pub struct KnownTargets<'a> {
    world: &'a World,
    datacenters: OnceCell<Texts>,
    pools: OnceCell<Texts>,
    endpoints: OnceCell<Texts>,
    names: OnceCell<BTreeMap<String, &'a SteeredName>>,
}

impl<'a> KnownTargets<'a> {
    /// Returns the texts of a world. None of them is listed yet.
    pub fn new(world: &'a World) -> Self {
        Self {
            world,
            datacenters: OnceCell::new(),
            pools: OnceCell::new(),
            endpoints: OnceCell::new(),
            names: OnceCell::new(),
        }
    }

    /// True if a target means anything in the world.
    pub fn has(&self, target: &TargetPattern) -> bool {
        let is_any = |texts: &Texts| match target.literal() {
            Some(text) => texts.contains(&text),
            None => texts.iter().any(|text| target.means(text)),
        };
        match target.kind() {
            TargetKind::Datacenter => is_any(self.datacenters()),
            TargetKind::Pool => is_any(self.pools()),
            TargetKind::Endpoint => is_any(self.endpoints()),
            TargetKind::Name => self.names_meant(target).next().is_some(),
            TargetKind::PoolInName => self.names_meant(target).any(|name| self.uses(name, target)),
        }
    }

    /// Returns the target that a target without a meaning was probably meant to be: the most similar one. `None` if
    /// there is no similar one.
    pub fn closest(&self, target: &TargetPattern) -> Option<TargetPattern> {
        fn similar<'t>(text: &str, known: impl Iterator<Item = &'t String>) -> Option<&'t str> {
            did_you_mean(text, known.map(String::as_str))
        }
        let text = target.text();
        let meant = match target.kind() {
            TargetKind::Datacenter => similar(text, self.datacenters().iter())?.to_owned(),
            TargetKind::Pool => similar(text, self.pools().iter())?.to_owned(),
            TargetKind::Endpoint => similar(text, self.endpoints().iter())?.to_owned(),
            TargetKind::Name => similar(text, self.names().keys())?.to_owned(),
            TargetKind::PoolInName => {
                let used: Texts =
                    self.names_meant(target).flat_map(|name| self.pools_of(name)).map(str::to_owned).collect();
                let name = target.name()?.text();
                if used.is_empty() {
                    format!("{text}@{}", similar(name, self.names().keys())?)
                } else {
                    format!("{}@{name}", similar(text, used.iter())?)
                }
            }
        };
        format!("{}:{meant}", target.kind().as_str()).parse().ok()
    }

    /// Returns the number of texts of a kind.
    pub fn count(&self, kind: TargetKind) -> usize {
        match kind {
            TargetKind::Datacenter => self.datacenters().len(),
            TargetKind::Pool => self.pools().len(),
            TargetKind::Endpoint => self.endpoints().len(),
            TargetKind::Name | TargetKind::PoolInName => self.names().len(),
        }
    }

    /// Returns the steered names that a target means. For a pool in a name, these are the names that its name part
    /// means.
    fn names_meant(&self, target: &TargetPattern) -> impl Iterator<Item = &'a SteeredName> {
        let pattern = target.name().unwrap_or(target);
        let (exact, all) = match pattern.literal() {
            Some(text) => (self.names().get(&text).copied(), None),
            None => (None, Some(self.names().iter())),
        };
        let others = all.into_iter().flatten().filter(|(text, _)| pattern.means(text)).map(|(_, name)| *name);
        exact.into_iter().chain(others)
    }

    /// True if a name uses a pool that the target means.
    fn uses(&self, name: &'a SteeredName, target: &TargetPattern) -> bool {
        self.pools_of(name).any(|pool| target.means(pool))
    }

    /// Returns the names of the pools that a steered name uses.
    fn pools_of(&self, name: &'a SteeredName) -> impl Iterator<Item = &'a str> + use<'a> {
        let world = self.world;
        let pools = name.steering.pools.iter().map(|used| used.pool).chain(name.steering.fallback);
        pools.map(|id| &*world.pools[id.index()].name)
    }

    fn datacenters(&self) -> &Texts {
        self.datacenters.get_or_init(|| self.world.datacenters.iter().map(|place| place.name.to_string()).collect())
    }

    /// Returns the names of all pools, and of all entries that consist of pools in several datacenters.
    fn pools(&self) -> &Texts {
        self.pools
            .get_or_init(|| self.world.pools.iter().flat_map(|pool| pool.references()).map(str::to_owned).collect())
    }

    fn endpoints(&self) -> &Texts {
        let texts = || self.world.pools.iter().flat_map(|pool| (0..pool.members.len()).map(|it| pool.members.text(it)));
        self.endpoints.get_or_init(|| texts().collect())
    }

    fn names(&self) -> &BTreeMap<String, &'a SteeredName> {
        let names = || self.world.zones.iter().flat_map(|zone| zone.names.iter());
        self.names.get_or_init(|| names().map(|name| (canonical(&name.owner), name)).collect())
    }
}
