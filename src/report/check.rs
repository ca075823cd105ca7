//! The shapes of `truenorth check`.

use std::collections::HashSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::snapshot::{SteeredName, World};

/// What is wrong, and what is there if nothing is.
#[derive(Debug, Serialize)]
pub struct Check<F> {
    /// Every fault.
    pub faults: F,
    /// What can be served.
    pub summary: Option<Summary>,
}

/// What a configuration holds.
#[derive(Debug, Serialize, Deserialize)]
pub struct Summary {
    zones: usize,
    names: usize,
    records: usize,
    pools: usize,
    endpoints: usize,
    probes_a_second: f64,
    /// Seconds for which a client may hold a dead address: `interval * fall + timeout + ttl` of the slowest pairing.
    worst_case_exposure: Option<f64>,
}

impl Summary {
    /// Of a world that can be served.
    pub fn of(world: &World) -> Self {
        let targets: HashSet<_> = world.pools.iter().flat_map(|pool| pool.members.targets()).collect();
        let names = || world.zones.iter().flat_map(|zone| &zone.names);
        let exposures = names().filter_map(|name| exposure(world, name));
        Self {
            zones: world.zones.len(),
            names: names().count(),
            records: world.zones.iter().map(|zone| zone.records.len()).sum(),
            pools: world.pools.len(),
            endpoints: world.pools.iter().map(|pool| pool.members.len()).sum(),
            // An empty sum of floats is -0.0.
            probes_a_second: targets.iter().fold(0.0, |sum, target| sum + 1.0 / target.monitor.interval.as_secs_f64()),
            worst_case_exposure: exposures.reduce(f64::max),
        }
    }
}

/// Seconds from an endpoint's last breath until no client holds its address, if its name is probed at all.
fn exposure(world: &World, name: &SteeredName) -> Option<f64> {
    let pools = name.steering.pools.iter().map(|used| &world.pools[used.pool as usize]);
    let targets = pools.flat_map(|pool| pool.members.targets());
    let detection = targets.map(|target| {
        let monitor = &target.monitor;
        (monitor.interval * u32::from(monitor.fall.get()) + monitor.timeout).as_secs_f64()
    });
    detection.reduce(f64::max).map(|seconds| seconds + f64::from(name.steering.ttl))
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = [
            (self.zones, "zone"),
            (self.names, "steered name"),
            (self.records, "static record"),
            (self.pools, "pool"),
            (self.endpoints, "endpoint"),
        ];
        f.write_str("good: ")?;
        for (count, what) in counts {
            write!(f, "{count} {what}{}, ", if count == 1 { "" } else { "s" })?;
        }
        write!(f, "{:.1} probes a second", self.probes_a_second)?;
        match self.worst_case_exposure {
            Some(seconds) => write!(f, "\na client holds a dead address for at most {seconds:.0} s"),
            None => Ok(()),
        }
    }
}
