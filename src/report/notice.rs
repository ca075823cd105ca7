//! Notices about events on a node, for webhooks and for clients that follow events.

mod lease;
mod sentence;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use super::{Impact, OverrideShape, RolloutChange, Seen, Severity};
use crate::health::{Outcome, State, Target};

/// One event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// Increases from notice to notice, also over restarts.
    pub id: u64,
    /// Unix time in seconds.
    pub time: u64,
    /// The event.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// The kind of an event, with its details.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum EventKind {
    /// The node began to answer queries.
    Start {
        /// The node's name.
        node: String,
        /// Number of zones.
        zones: usize,
    },
    /// The state of an endpoint changed.
    Endpoint {
        /// The probed address; without a port if several probes decide.
        endpoint: String,
        /// Number of endpoints that changed because they depend on what is probed there; absent if it is an endpoint
        /// itself.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        dependents: Option<usize>,
        /// The pools with this endpoint, such as `web/fra`.
        pools: Vec<String>,
        /// The monitors of these pools, each once.
        #[serde(default)]
        monitors: Vec<String>,
        /// The old state: `unknown`, `up`, `degraded`, `drained` or `down`.
        from: String,
        /// The new state.
        to: String,
        /// The last probe outcome, as text.
        seen: String,
        /// The last probe outcome in detail.
        #[serde(flatten)]
        sight: Seen,
        /// The opinions of the fleet's vantage points, as a sentence; absent if this node decided alone.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        fleet: Option<String>,
        /// The clients that move; absent if unknown, as while a node starts or reloads.
        #[serde(flatten)]
        impact: Option<Impact>,
    },
    /// A pool went down as a whole, or came back.
    Pool {
        /// The pool, such as `web/fra`.
        pool: String,
        /// `down` or `up`.
        to: String,
        /// Number of its endpoints in service that are down.
        down: usize,
        /// Number of its endpoints in service.
        endpoints: usize,
        /// The clients that move; absent if unknown.
        #[serde(flatten)]
        impact: Option<Impact>,
    },
    /// A datacenter went down as a whole, or came back.
    Datacenter {
        /// The datacenter.
        datacenter: String,
        /// Its pools that are probed or reported.
        pools: Vec<String>,
        /// `down` or `up`.
        to: String,
        /// Number of its endpoints in service that are down.
        down: usize,
        /// Number of its endpoints in service.
        endpoints: usize,
        /// The clients that move; absent if unknown.
        #[serde(flatten)]
        impact: Option<Impact>,
    },
    /// A pool that was down is usable again and held back by `failback`; or it no longer is.
    Hold {
        /// The pool.
        pool: String,
        /// True if it is held back now.
        held: bool,
        /// The clients that move; absent if unknown.
        #[serde(flatten)]
        impact: Option<Impact>,
    },
    /// The files were read again.
    Reload {
        /// The reason for the reload.
        reason: String,
        /// True if the new configuration was accepted. If false, the old one stays in use.
        taken: bool,
        /// Number of errors.
        errors: usize,
        /// Number of warnings.
        warnings: usize,
    },
    /// All targets failed at once, so that endpoints keep their last states (fail-static); or that has ended.
    #[serde(rename = "doubt")]
    FailStatic {
        /// True at the beginning.
        began: bool,
    },
    /// An override was placed, began, ended or was lifted.
    Override {
        /// The override and the event.
        #[serde(flatten)]
        change: OverrideShape,
        /// The clients that move; absent if the override has no effect now.
        #[serde(flatten)]
        impact: Option<Impact>,
    },
    /// A roll-out changed.
    Rollout {
        /// The roll-out and the change.
        #[serde(flatten)]
        change: RolloutChange,
        /// The clients that move; absent if the change has no effect now.
        #[serde(flatten)]
        impact: Option<Impact>,
    },
    /// The certificate of an endpoint expires soon.
    Certificate {
        /// The endpoint that uses it.
        endpoint: String,
        /// The server name that was asked for.
        host: String,
        /// Whole days until it expires; 0 if it has expired.
        days: u64,
        /// When it expires: Unix time in seconds.
        expires: u64,
    },
    /// One of the node's own certificates was replaced, expires, or cannot be loaded.
    OwnCertificate {
        /// The server that shows it: `dns` or `admin`.
        server: String,
        /// The change.
        happening: CertificateTurn,
        /// The names in the certificate that the node shows.
        names: Vec<String>,
        /// When the certificate that the node shows expires: Unix time in seconds; absent if it cannot be read.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        expires: Option<u64>,
        /// The error, if it was not loaded.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        error: Option<String>,
    },
    /// Changes of state can no longer be written to disk, or can be written again.
    Store {
        /// True if it is kept.
        kept: bool,
        /// The error, if it is not.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        error: Option<String>,
    },
    /// The maps from clients to rankings were rebuilt.
    Remap {
        /// The reason: `round trips`, `databases` or `configuration`.
        by: String,
        /// Number of times since the last such event.
        times: u64,
        /// Number of maps that were rebuilt in all.
        maps: usize,
        /// The longest time that it took to rebuild them once, in milliseconds.
        took_ms: u64,
    },
    /// Something about the fleet.
    Fleet {
        /// `connected`, `disconnected`, `heard`, `silent`, `left`, `alone`, `together`, `discounted`, `counted`,
        /// `wrong_clock`, `right_clock`, `name_taken`, `shared`, `apart`, `overtaken`, `refused`, `meaningless` or
        /// `restored`.
        happening: String,
        /// The nodes that it is about; none for the connection.
        #[serde(default)]
        nodes: Vec<String>,
        /// The same in a sentence.
        detail: String,
    },
    /// An endpoint registered itself, left, or did not renew its lease; or a request for a lease was refused.
    Lease {
        /// `registered`, `changed`, `leaving`, `released`, `ended`, `barred` or `refused`.
        happening: String,
        /// The pool, such as `web/fra`.
        pool: String,
        /// The endpoint's own name. Each event has an `id` of its own.
        lease: String,
        /// Its address; absent if the request named none.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        address: Option<String>,
        /// The name of the token or the client that asked for it; absent without a name, and if nobody asked.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        who: Option<String>,
        /// Why it was refused.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        reason: Option<String>,
    },
    /// No lease of a pool is renewed any more, so that the last ones are kept; or they are renewed again.
    Register {
        /// The pool, such as `web/fra`.
        pool: String,
        /// True if no lease is renewed.
        silent: bool,
        /// Number of the pool's leases.
        leases: usize,
        /// Why the source of the endpoints cannot be used; absent if they register themselves, or if it can.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        why: Option<String>,
    },
    /// A key of a signed zone came to another state of a roll-over, or waits for somebody.
    Key {
        /// The zone.
        zone: String,
        /// The key tag.
        tag: u16,
        /// The mnemonic of the algorithm.
        algorithm: String,
        /// The state: `generated`, `published`, `ready`, `active`, `retired`, `dead` or `removed`; or `gone` if there is no
        /// file of it any more.
        to: String,
        /// The records that it signs: `everything`, `keys`, `records` or `nothing`.
        signs: String,
        /// The event that it waits for: `ds`, `no_ds` or `successor`; absent if it waits for none.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        waits_for: Option<String>,
    },
    /// A TXT record was set or removed.
    Txt {
        /// Its owner.
        name: String,
        /// Its value.
        value: String,
        /// True if it was set.
        set: bool,
        /// Who ordered it; absent if its time was over.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        who: Option<String>,
    },
    /// The node is about to stop.
    Stop {},
}

/// What changed because of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed {
    /// The probed endpoint, which has no other probes.
    Probed,
    /// The probed endpoint, whose state is calculated from several probes, or from an inverted one.
    Calculated {
        /// True if the endpoint is good while the probe fails.
        is_inverted: bool,
    },
    /// Endpoints that depend on what is probed.
    Dependents {
        /// Their number.
        count: usize,
        /// True if they are good while the probe fails.
        is_inverted: bool,
    },
}

/// An event of one of the node's own certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CertificateTurn {
    /// It expires within a week.
    ExpiresSoon,
    /// It has expired.
    Expired,
    /// Another one replaced it.
    Replaced,
    /// The files on disk cannot be used, so the old one is shown.
    NotLoaded,
    /// The files on disk can be used again.
    Loaded,
}

impl EventKind {
    /// Makes a notice about changed endpoints of these pools with these monitors. `seen` is the last outcome of this node's
    /// own probe, if it probes the target.
    pub fn endpoint(
        target: &Target,
        changed: Changed,
        [pools, monitors]: [&[Box<str>]; 2],
        [from, to]: [State; 2],
        seen: Option<&Outcome>,
        impact: Option<Impact>,
    ) -> Self {
        let seen_text = seen.map_or_else(|| "other nodes probe it".to_owned(), ToString::to_string);
        let check = target.monitor.check.as_str();
        let of_several =
            |is_inverted: bool| format!("{check} {target}{}: {seen_text}", if is_inverted { ", inverted" } else { "" });
        let (endpoint, dependents, seen_text) = match changed {
            Changed::Probed => (target.address.to_string(), None, seen_text),
            Changed::Calculated { is_inverted } => (target.address.host(), None, of_several(is_inverted)),
            Changed::Dependents { count, is_inverted } => {
                (target.address.to_string(), Some(count), of_several(is_inverted))
            }
        };
        Self::Endpoint {
            endpoint,
            dependents,
            pools: pools.iter().map(ToString::to_string).collect(),
            monitors: monitors.iter().map(ToString::to_string).collect(),
            from: word(from).to_owned(),
            to: word(to).to_owned(),
            seen: seen_text,
            sight: seen.map_or_else(Seen::elsewhere, Seen::from),
            fleet: None,
            impact,
        }
    }

    /// The same with what the vantage points say about the endpoint.
    pub fn with_fleet(mut self, said: Option<String>) -> Self {
        if let Self::Endpoint { fleet, .. } = &mut self {
            *fleet = said;
        }
        self
    }

    /// Returns the kind's name in JSON.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Start { .. } => "start",
            Self::Endpoint { .. } => "endpoint",
            Self::Pool { .. } => "pool",
            Self::Datacenter { .. } => "datacenter",
            Self::Hold { .. } => "hold",
            Self::Reload { .. } => "reload",
            Self::FailStatic { .. } => "doubt",
            Self::Override { .. } => "override",
            Self::Rollout { .. } => "rollout",
            Self::Certificate { .. } => "certificate",
            Self::OwnCertificate { .. } => "own_certificate",
            Self::Store { .. } => "store",
            Self::Remap { .. } => "remap",
            Self::Fleet { .. } => "fleet",
            Self::Lease { .. } => "lease",
            Self::Register { .. } => "register",
            Self::Key { .. } => "key",
            Self::Txt { .. } => "txt",
            Self::Stop {} => "stop",
        }
    }

    /// Returns the severity.
    pub fn severity(&self) -> Severity {
        match self {
            Self::FailStatic { began: true } | Self::OwnCertificate { happening: CertificateTurn::Expired, .. } => {
                Severity::Critical
            }
            Self::Datacenter { to, .. } if to == word(State::Down) => Severity::Critical,
            Self::Pool { to, .. } if to == word(State::Down) => Severity::Error,
            Self::Reload { taken: false, .. }
            | Self::Register { silent: true, .. }
            | Self::Store { kept: false, .. }
            | Self::OwnCertificate { happening: CertificateTurn::NotLoaded, .. } => Severity::Error,
            Self::Fleet { happening, .. } if happening == NAME_TAKEN => Severity::Error,
            Self::Fleet { happening, .. } if !FLEET_IS_WELL.contains(&happening.as_str()) => Severity::Warning,
            Self::Endpoint { to, .. } if to == word(State::Down) => Severity::Error,
            Self::Endpoint { to, .. } if to == DEGRADED || to == DRAINED => Severity::Warning,
            Self::Rollout { change, .. } if change.happening == ROLLED_BACK => Severity::Warning,
            Self::Lease { happening, .. } if happening == REFUSED => Severity::Warning,
            Self::Hold { held: true, .. }
            | Self::Certificate { .. }
            | Self::Key { waits_for: Some(_), .. }
            | Self::OwnCertificate { happening: CertificateTurn::ExpiresSoon, .. } => Severity::Warning,
            _ => Severity::Info,
        }
    }

    /// True if the event is the end of a problem.
    pub fn is_good(&self) -> bool {
        match self {
            Self::Endpoint { .. }
            | Self::Pool { .. }
            | Self::Datacenter { .. }
            | Self::Hold { .. }
            | Self::Reload { .. }
            | Self::OwnCertificate { .. }
            | Self::Store { .. }
            | Self::Fleet { .. }
            | Self::Lease { .. }
            | Self::Register { .. }
            | Self::Key { .. }
            | Self::FailStatic { .. } => self.severity() == Severity::Info,
            Self::Override { change, .. } => matches!(change.happening.as_deref(), Some("ended" | "lifted")),
            Self::Rollout { change, .. } => matches!(change.happening.as_str(), "completed" | "ended"),
            Self::Txt { set, .. } => !set,
            Self::Start { .. } | Self::Remap { .. } => true,
            Self::Certificate { .. } | Self::Stop {} => false,
        }
    }

    /// Returns the key of the problem that the event belongs to. The beginning and the end of a problem have the same
    /// key.
    pub fn subject(&self) -> String {
        match self {
            Self::Endpoint { endpoint, pools, .. } => format!("endpoint {endpoint} {}", pools.join(" ")),
            Self::Pool { pool, .. } => format!("pool {pool}"),
            Self::Datacenter { datacenter, .. } => format!("datacenter {datacenter}"),
            Self::Hold { pool, .. } => format!("hold {pool}"),
            Self::Override { change, .. } => format!("override {}", change.number),
            Self::Rollout { change, .. } => format!("rollout {}", change.name),
            Self::Certificate { endpoint, host, expires, .. } => format!("certificate {endpoint} {host} {expires}"),
            Self::Fleet { happening, nodes, .. } => {
                let of = match happening.as_str() {
                    "connected" | "disconnected" => "connection",
                    "alone" | "together" => return "fleet alone".to_owned(),
                    "discounted" | "counted" => "probes",
                    "wrong_clock" | "right_clock" => "clock",
                    "name_taken" => "name",
                    "shared" | "apart" => return "fleet orders".to_owned(),
                    "overtaken" | "refused" | "meaningless" | "restored" => "order",
                    _ => "node",
                };
                format!("fleet {of} {}", nodes.join(" ")).trim_end().to_owned()
            }
            Self::Lease { pool, lease, .. } => format!("lease {pool} {lease}"),
            Self::Register { pool, .. } => format!("register {pool}"),
            Self::Key { zone, tag, algorithm, .. } => format!("key {zone} {tag} {algorithm}"),
            Self::Txt { name, value, .. } => format!("txt {name} {value}"),
            Self::Start { .. } | Self::Stop {} => "node".to_owned(),
            Self::OwnCertificate { server, .. } => format!("own certificate {server}"),
            Self::Reload { .. } | Self::FailStatic { .. } | Self::Store { .. } | Self::Remap { .. } => {
                self.kind().to_owned()
            }
        }
    }

    /// Returns the clients that move, if that is known.
    pub fn impact(&self) -> Option<&Impact> {
        match self {
            Self::Endpoint { impact, .. }
            | Self::Pool { impact, .. }
            | Self::Datacenter { impact, .. }
            | Self::Hold { impact, .. }
            | Self::Override { impact, .. }
            | Self::Rollout { impact, .. } => impact.as_ref(),
            _ => None,
        }
    }
}

/// Events of a fleet that are no problem, or the end of one.
const FLEET_IS_WELL: [&str; 8] =
    ["connected", "heard", "left", "together", "counted", "right_clock", "shared", "zones"];

/// Two processes have one name in a fleet.
const NAME_TAKEN: &str = "name_taken";

/// The event of a claim that the files do not allow.
const REFUSED: &str = "refused";

/// The word for any degraded state.
const DEGRADED: &str = "degraded";

/// The word for an endpoint that works and asks for no clients.
const DRAINED: &str = "drained";

/// The event of a roll-out that was taken back.
const ROLLED_BACK: &str = "rolled back";

/// Returns the word for a state.
pub(super) fn word(state: State) -> &'static str {
    match state {
        State::Unknown => "unknown",
        State::Up => "up",
        State::Degraded(share) if !share.is_some() => DRAINED,
        State::Degraded(_) => DEGRADED,
        State::Down => "down",
    }
}
