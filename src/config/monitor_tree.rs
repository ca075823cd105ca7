//! What a pool refers to: a monitor, or several of which so many must be up.

use std::sync::Arc;

use crate::health::Monitor;

/// A monitor, or so many of several: what a pool refers to.
#[derive(Clone)]
pub(super) enum MonitorTree {
    /// This one.
    One(PlacedMonitor),
    /// At least so many of these.
    AtLeast(u8, Vec<MonitorTree>),
}

/// A monitor and the host it asks for, if it says so itself.
#[derive(Clone)]
pub(super) struct PlacedMonitor {
    pub(super) monitor: Arc<Monitor>,
    pub(super) host: Option<Box<str>>,
}

impl MonitorTree {
    /// The monitors that it is made of.
    pub(super) fn monitors(&self) -> Vec<&PlacedMonitor> {
        match self {
            Self::One(monitor) => vec![monitor],
            Self::AtLeast(_, parts) => parts.iter().flat_map(Self::monitors).collect(),
        }
    }
}
