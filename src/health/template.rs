//! The condition of a pool's endpoints before their addresses are known.
//!
//! The files say once how all endpoints of a pool are probed. An endpoint of the files and one that registers itself
//! while the node runs get their conditions from the same template. A monitor with an address of its own makes the same
//! target for each of them, so that it is probed once.

use std::sync::Arc;
use std::time::Duration;

use super::{Check, Condition, Monitor, ProbeAddress, ProbeHost, Target};

/// A condition that lacks the address.
#[derive(Clone, Debug, PartialEq)]
pub enum ConditionTemplate {
    /// This monitor finds the endpoint up.
    Probe {
        /// The monitor.
        monitor: Arc<Monitor>,
        /// The host that its probes ask for; `None` for the address itself.
        host: Option<Box<str>>,
    },
    /// This target is up, which the endpoint depends on.
    Dependency(Target),
    /// At least this many of the parts are up. The number is from 1 to the number of parts.
    AtLeast(u8, Box<[ConditionTemplate]>),
    /// This condition is down.
    Not(Box<ConditionTemplate>),
}

impl ConditionTemplate {
    /// Returns the time that its slowest monitor needs to confirm a failure.
    pub fn detection(&self) -> Duration {
        match self {
            Self::Probe { monitor, .. } => monitor.detection(),
            Self::Dependency(target) => target.monitor.detection(),
            Self::AtLeast(_, parts) => parts.iter().map(Self::detection).max().unwrap_or_default(),
            Self::Not(condition) => condition.detection(),
        }
    }

    /// Returns the condition of the endpoint that is probed at this host; `None` if it has probes but no host. `port` is
    /// the port of its probes if it has one of its own.
    pub fn at(&self, at: Option<&ProbeHost>, port: Option<u16>) -> Option<Condition> {
        Some(match self {
            Self::Probe { monitor, host } => {
                // A port of its own does not change the target of a monitor without a port.
                let has_port = !matches!(monitor.check, Check::Push | Check::Icmp);
                let address = ProbeAddress::new(at?, port.filter(|_| has_port).unwrap_or(monitor.port));
                let host = host.clone().unwrap_or_else(|| address.host().into());
                Condition::Probe(Target { address, host, monitor: monitor.clone() })
            }
            Self::Dependency(target) => Condition::Dependency(target.clone()),
            Self::AtLeast(needed, parts) => {
                Condition::AtLeast(*needed, parts.iter().map(|part| part.at(at, port)).collect::<Option<_>>()?)
            }
            Self::Not(condition) => Condition::Not(Box::new(condition.at(at, port)?)),
        })
    }
}
