//! The metrics of a node, for Prometheus and other programs that read its format.
//!
//! Names, units and labels follow Prometheus' conventions. docs/metrics.md describes each family; a test compares that
//! page with what a node writes. The numbers are those of `status`: the counters of workers, and the state of control.

mod answers;
mod exposition;
mod fleet;
mod health;
mod node;
mod rollouts;
mod signing;
mod traffic;

use crate::counters::NodeCounters;
use crate::health::Survey;
use crate::overrides::Mode;
use crate::snapshot::Snapshot;
use crate::watch::{Lateness, ProbeCounters};

use super::{RolloutShape, Totals, Traffic};
use exposition::Exposition;
pub use exposition::Format;

/// Everything that the metrics are made from, at one time.
#[derive(Debug)]
pub struct Metrics<'a> {
    /// The snapshot that queries are answered from.
    pub snapshot: &'a Snapshot,
    /// The state of everything that is probed. Its times count from the Unix epoch.
    pub survey: &'a Survey,
    /// The sums of the workers' counters.
    pub totals: &'a Totals,
    /// Connections and losses.
    pub traffic: Traffic,
    /// Facts about the node.
    pub node: &'a NodeCounters,
    /// Outcomes of probes.
    pub probes: &'a ProbeCounters,
    /// How late probes started.
    pub lateness: &'a Lateness,
    /// All overrides, and whether each is in force.
    pub overrides: &'a [(Mode, bool)],
    /// All roll-outs.
    pub rollouts: &'a [RolloutShape],
    /// The state folder.
    pub store: StoreFacts,
    /// The process, as the system sees it.
    pub process: ProcessFacts,
}

/// The condition of the state folder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreFacts {
    /// True if the last attempt to write succeeded.
    pub is_writing: bool,
    /// Changes that are not on disk yet.
    pub unwritten: u64,
}

/// The resources that the process uses.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ProcessFacts {
    /// When the process began, Unix time in seconds.
    pub started: f64,
    /// Time on processors, in seconds.
    pub processor: f64,
    /// Memory in octets.
    pub resident: u64,
    /// Open file descriptors.
    pub descriptors: u64,
    /// Maximum number of them.
    pub most_descriptors: u64,
}

impl Metrics<'_> {
    /// Returns the text.
    pub fn text(&self, format: Format) -> String {
        let mut out = Exposition::new(format);
        self.traffic_families(&mut out);
        self.answer_families(&mut out);
        self.health_families(&mut out);
        self.rollout_families(&mut out);
        self.node_families(&mut out);
        out.finish()
    }
}
