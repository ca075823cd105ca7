//! The monitors of a pool: one monitor, or several of which a number must be up.

use std::sync::Arc;

use crate::health::{Monitor, ProbeHost};

/// One monitor, or several of which a number must be up.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum MonitorTree {
    /// One monitor.
    One(PlacedMonitor),
    /// At least this number of these must be up.
    AtLeast(u8, Vec<MonitorTree>),
    /// This must be down.
    Not(Box<MonitorTree>),
}

/// A monitor with its name, and the host that it asks for if it has its own.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PlacedMonitor {
    pub(super) name: Box<str>,
    pub(super) monitor: Arc<Monitor>,
    pub(super) host: Option<Box<str>>,
    /// Where it probes, instead of the endpoints.
    pub(super) address: Option<ProbeHost>,
}

impl MonitorTree {
    /// All monitors in the tree.
    pub(super) fn monitors(&self) -> Vec<&PlacedMonitor> {
        match self {
            Self::One(monitor) => vec![monitor],
            Self::AtLeast(_, parts) => parts.iter().flat_map(Self::monitors).collect(),
            Self::Not(tree) => tree.monitors(),
        }
    }

    /// The monitor that this is, inverted or not; `None` if it is made of others.
    pub(super) fn only(&self) -> Option<&PlacedMonitor> {
        match self {
            Self::One(monitor) => Some(monitor),
            Self::AtLeast(..) => None,
            Self::Not(tree) => tree.only(),
        }
    }

    /// True if it probes the endpoints themselves, or waits for their reports.
    pub(super) fn is_of_endpoints(&self) -> bool {
        self.monitors().iter().any(|monitor| monitor.address.is_none())
    }

    /// The same, or its inversion.
    pub(super) fn inverted_if(self, inverted: bool) -> Self {
        if inverted { Self::Not(Box::new(self)) } else { self }
    }
}
