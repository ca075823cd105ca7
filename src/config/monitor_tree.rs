//! The monitors of a pool: one monitor, or several of which a number must be up.

use std::sync::Arc;

use crate::health::Monitor;

/// One monitor, or several of which a number must be up.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum MonitorTree {
    /// One monitor.
    One(PlacedMonitor),
    /// At least this number of these must be up.
    AtLeast(u8, Vec<MonitorTree>),
}

/// A monitor with its name, and the host that it asks for if it has its own.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PlacedMonitor {
    pub(super) name: Box<str>,
    pub(super) monitor: Arc<Monitor>,
    pub(super) host: Option<Box<str>>,
}

impl MonitorTree {
    /// All monitors in the tree.
    pub(super) fn monitors(&self) -> Vec<&PlacedMonitor> {
        match self {
            Self::One(monitor) => vec![monitor],
            Self::AtLeast(_, parts) => parts.iter().flat_map(Self::monitors).collect(),
        }
    }
}
