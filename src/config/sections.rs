//! The sections that both the server file (for all zones) and a zone file may hold. A zone's own entry takes
//! precedence.

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
pub(super) struct Sections {
    pub(super) datacenters: Definitions<DatacenterId>,
    pub(super) regions: Definitions<PlacedRegion>,
    pub(super) monitors: Definitions<MonitorTree>,
    pub(super) pools: Definitions<PoolEntry>,
}

/// The definitions of all files together.
#[derive(Default)]
pub(super) struct Drafts {
    pub(super) places: Places,
    pub(super) pools: Vec<PoolDraft>,
}

impl Sections {
    /// Returns sections without definitions.
    pub(super) fn empty() -> Self {
        Self {
            datacenters: Definitions::new("datacenter"),
            regions: Definitions::new("region"),
            monitors: Definitions::new("monitor"),
            pools: Definitions::new("pool"),
        }
    }

    /// True if nothing is defined.
    pub(super) fn are_empty(&self) -> bool {
        self.datacenters.iter().next().is_none()
            && self.regions.iter().next().is_none()
            && self.monitors.iter().next().is_none()
            && self.pools.iter().next().is_none()
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
        let regions = regions::read(table.take("regions").as_ref(), seen_datacenters, faults);
        let scope = PoolScope {
            origin,
            datacenters: seen_datacenters,
            monitors: View { own: &monitors, shared: shared_monitors },
        };
        let pools = pools::read(table.take("pools").as_ref(), &scope, &mut drafts.pools, faults);
        Self { datacenters, regions, monitors, pools }
    }

    /// Warns of every definition that nothing refers to. `site` is a reference to a datacenter.
    pub(super) fn warn_unused(&self, site: Option<&str>, faults: &mut Faults) {
        for datacenter in self.datacenters.iter().filter(|datacenter| site == Some(&datacenter.name.value)) {
            datacenter.mark_used();
        }
        self.datacenters.warn_unused(faults);
        self.regions.warn_unused(faults);
        self.monitors.warn_unused(faults);
        self.pools.warn_unused(faults);
    }
}
