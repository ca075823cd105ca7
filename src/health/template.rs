//! The condition of a pool's endpoints before their addresses are known.
//!
//! The files say once how all endpoints of a pool are probed. An endpoint of the files and one that registers itself
//! while the node runs get their conditions from the same template.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::{Check, Condition, Monitor, Target};

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
    /// At least this many of the parts are up. The number is from 1 to the number of parts.
    AtLeast(u8, Box<[ConditionTemplate]>),
}

impl ConditionTemplate {
    /// Returns the time that its slowest monitor needs to confirm a failure.
    pub fn detection(&self) -> Duration {
        match self {
            Self::Probe { monitor, .. } => monitor.detection(),
            Self::AtLeast(_, parts) => parts.iter().map(Self::detection).max().unwrap_or_default(),
        }
    }

    /// Returns the condition of the endpoint that is probed at this address. `port` is the port of its probes if it has
    /// one of its own.
    pub fn at(&self, address: IpAddr, port: Option<u16>) -> Condition {
        match self {
            Self::Probe { monitor, host } => {
                // A port of its own does not change the target of a monitor without a port.
                let has_port = !matches!(monitor.check, Check::Push | Check::Icmp);
                let port = port.filter(|_| has_port).unwrap_or(monitor.port);
                let host = host.clone().unwrap_or_else(|| address.to_string().into());
                Condition::Probe(Target { address: SocketAddr::new(address, port), host, monitor: monitor.clone() })
            }
            Self::AtLeast(needed, parts) => {
                Condition::AtLeast(*needed, parts.iter().map(|part| part.at(address, port)).collect())
            }
        }
    }
}
