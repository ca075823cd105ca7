//! Everything that targets can name in one world, for many targets at once.
//!
//! [`World::find`] goes through all names for one target, which is right for an order. A server file may have thousands of
//! windows, and its zones a hundred thousand names: here each kind is listed once.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;

use super::world::{SteeredName, World};
use crate::overrides::{TargetKind, TargetPattern, canonical};

type Texts = HashSet<String, RandomState>;

/// The texts that targets can have in one world. Each kind is listed when it is first asked for.
#[derive(Debug)]
pub struct KnownTargets<'a> {
    world: &'a World,
    datacenters: OnceCell<Texts>,
    pools: OnceCell<Texts>,
    endpoints: OnceCell<Texts>,
    names: OnceCell<HashMap<String, &'a SteeredName, RandomState>>,
}

impl<'a> KnownTargets<'a> {
    /// Nothing is listed yet.
    pub fn new(world: &'a World) -> Self {
        Self {
            world,
            datacenters: OnceCell::new(),
            pools: OnceCell::new(),
            endpoints: OnceCell::new(),
            names: OnceCell::new(),
        }
    }

    /// True if a target means anything: [`World::find`] succeeds.
    pub fn has(&self, target: &TargetPattern) -> bool {
        let is_any = |texts: &Texts| texts.contains(target.text()) || texts.iter().any(|text| target.means(text));
        match target.kind() {
            TargetKind::Datacenter => is_any(self.datacenters()),
            TargetKind::Pool => is_any(self.pools()),
            TargetKind::Endpoint => is_any(self.endpoints()),
            TargetKind::Name => {
                let names = self.names();
                names.contains_key(target.text()) || names.keys().any(|text| target.means(text))
            }
            TargetKind::PoolInName => {
                let named = target.name().and_then(|name| self.names().get(name.text()));
                named.is_some_and(|name| self.uses(name, target)) || self.world.find(target).is_ok()
            }
        }
    }

    /// The number of texts of a kind.
    pub fn count(&self, kind: TargetKind) -> usize {
        match kind {
            TargetKind::Datacenter => self.datacenters().len(),
            TargetKind::Pool => self.pools().len(),
            TargetKind::Endpoint => self.endpoints().len(),
            TargetKind::Name | TargetKind::PoolInName => self.names().len(),
        }
    }

    /// True if a name uses a pool that the target means.
    fn uses(&self, name: &SteeredName, target: &TargetPattern) -> bool {
        let pools = name.steering.pools.iter().map(|used| used.pool).chain(name.steering.fallback);
        pools.into_iter().any(|id| target.means(&self.world.pools[id.index()].name))
    }

    fn datacenters(&self) -> &Texts {
        self.datacenters.get_or_init(|| self.world.datacenters.iter().map(|place| place.name.to_string()).collect())
    }

    /// The pools, and the entries that are pools in several datacenters.
    fn pools(&self) -> &Texts {
        self.pools.get_or_init(|| {
            let names = self.world.pools.iter().map(|pool| &*pool.name);
            let entries = names.clone().filter_map(|name| Some(name.split_once('/')?.0));
            names.chain(entries).map(str::to_owned).collect()
        })
    }

    fn endpoints(&self) -> &Texts {
        let texts = || self.world.pools.iter().flat_map(|pool| (0..pool.members.len()).map(|it| pool.members.text(it)));
        self.endpoints.get_or_init(|| texts().collect())
    }

    fn names(&self) -> &HashMap<String, &'a SteeredName, RandomState> {
        let names = || self.world.zones.iter().flat_map(|zone| &zone.names);
        self.names.get_or_init(|| names().map(|name| (canonical(&name.owner), name)).collect())
    }
}
