//! The sections that both the server file (for all zones) and a zone file may hold. A zone's own entry takes
//! precedence.

use std::sync::Arc;

use crate::disk::Disk;
use crate::geo::DatacenterId;
use crate::name::Name;

use super::datacenters::{self, Places};
use super::decode::TomlTable;
use super::fault::Faults;
use super::monitor_tree::MonitorTree;
use super::monitors;
use super::pools::{self, PoolDraft, PoolEntry, PoolScope};
use super::regions::{self, PlacedRegion};
use super::scope::{Definitions, View};

/// The definitions of one file.
#[derive(Clone, Debug)]
pub(super) struct Sections {
    pub(super) datacenters: Definitions<DatacenterId>,
    pub(super) regions: Definitions<PlacedRegion>,
    pub(super) monitors: Definitions<MonitorTree>,
    pub(super) pools: Definitions<PoolEntry>,
}

/// The definitions of one file that were referred to, by kind: their positions.
#[derive(Debug, Default)]
pub(super) struct Marks([Vec<usize>; 4]);

/// The definitions of all files together.
#[derive(Default)]
pub(super) struct Drafts {
    pub(super) places: Places,
    pub(super) pools: Vec<Arc<PoolDraft>>,
}

impl Sections {
    /// True if nothing is defined.
    pub(super) fn are_empty(&self) -> bool {
        self.datacenters.is_empty() && self.regions.is_empty() && self.monitors.is_empty() && self.pools.is_empty()
    }

    /// Takes the sections out of a file's table. A zone file passes `shared` and `origin`.
    pub(super) fn read(
        table: &mut TomlTable<'_>,
        shared: Option<&Sections>,
        origin: Option<&Name>,
        disk: &Disk,
        drafts: &mut Drafts,
        faults: &mut Faults,
    ) -> Self {
        let datacenters = datacenters::read(table.take("datacenters").as_ref(), &mut drafts.places, faults);
        let shared_monitors = shared.map(|shared| &shared.monitors);
        let monitors = monitors::read(table.take("monitors").as_ref(), shared_monitors, disk, faults);
        let seen_datacenters = View { own: &datacenters, shared: shared.map(|shared| &shared.datacenters) };
        let (regions, maps) = (table.take("regions"), table.take("maps"));
        let regions = regions::read(regions.as_ref(), maps.as_ref(), seen_datacenters, faults);
        let scope = PoolScope {
            origin,
            datacenters: seen_datacenters,
            monitors: View { own: &monitors, shared: shared_monitors },
        };
        let pools = pools::read(table.take("pools").as_ref(), &scope, &mut drafts.pools, faults);
        Self { datacenters, regions, monitors, pools }
    }

    /// Returns the definitions that were referred to since this was called last.
    pub(super) fn take_marks(&self) -> Marks {
        let Self { datacenters, regions, monitors, pools } = self;
        Marks([datacenters.take_marks(), regions.take_marks(), monitors.take_marks(), pools.take_marks()])
    }

    /// Records that something refers to these definitions.
    pub(super) fn mark(&self, Marks([datacenters, regions, monitors, pools]): &Marks) {
        self.datacenters.mark_each(datacenters.iter().copied());
        self.regions.mark_each(regions.iter().copied());
        self.monitors.mark_each(monitors.iter().copied());
        self.pools.mark_each(pools.iter().copied());
    }

    /// Warns of every definition that nothing refers to. `site` is a reference to a datacenter.
    pub(super) fn warn_unused(&self, site: Option<&str>, faults: &mut Faults) {
        if let Some(site) = site {
            self.datacenters.refer(site);
        }
        self.datacenters.warn_unused(faults);
        self.regions.warn_unused(faults);
        self.monitors.warn_unused(faults);
        self.pools.warn_unused(faults);
    }
}
