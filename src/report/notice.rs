//! Notices about events on a node, for whoever follows it.

use std::fmt;

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
        /// The pools with this endpoint, such as `web/fra`.
        pools: Vec<String>,
        /// The name of the monitor whose probe caused the change.
        #[serde(default)]
        monitor: String,
        /// The old state: `unknown`, `up`, `degraded`, `drained` or `down`.
        from: String,
        /// The new state.
        to: String,
        /// The last probe outcome, as text.
        seen: String,
        /// The last probe outcome in detail.
        #[serde(flatten)]
        sight: Seen,
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
        /// True if the new configuration is served now, or soon. If false, the old configuration stays in use.
        taken: bool,
        /// Number of errors.
        errors: usize,
        /// Number of warnings.
        warnings: usize,
    },
    /// All targets failed at once, so that the last states are held (fail-static); or that has ended.
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
    /// A TXT record was set or removed.
    Txt {
        /// Its owner.
        name: String,
        /// Its value.
        value: String,
        /// True if it was set.
        set: bool,
    },
    /// The node is about to stop.
    Stop {},
}

impl EventKind {
    /// Makes a notice about a changed endpoint. `is_one_of_several` is true if the state depends on
    /// other targets too.
    pub fn endpoint(
        (monitor, target): (&str, &Target),
        is_one_of_several: bool,
        pools: &[Box<str>],
        [from, to]: [State; 2],
        seen: &Outcome,
        impact: Option<Impact>,
    ) -> Self {
        let (endpoint, seen_text) = if is_one_of_several {
            let check = target.monitor.check.as_str();
            (target.address.ip().to_string(), format!("{monitor} ({check} {target}): {seen}"))
        } else {
            (target.address.to_string(), seen.to_string())
        };
        Self::Endpoint {
            endpoint,
            pools: pools.iter().map(ToString::to_string).collect(),
            monitor: monitor.to_owned(),
            from: word(from).to_owned(),
            to: word(to).to_owned(),
            seen: seen_text,
            sight: seen.into(),
            impact,
        }
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
            Self::Txt { .. } => "txt",
            Self::Stop {} => "stop",
        }
    }

    /// Returns the severity.
    pub fn severity(&self) -> Severity {
        match self {
            Self::FailStatic { began: true } => Severity::Critical,
            Self::Datacenter { to, .. } if to == word(State::Down) => Severity::Critical,
            Self::Pool { to, .. } if to == word(State::Down) => Severity::Error,
            Self::Reload { taken: false, .. } => Severity::Error,
            Self::Endpoint { to, .. } if to == word(State::Down) => Severity::Error,
            Self::Endpoint { to, .. } if to == DEGRADED || to == DRAINED => Severity::Warning,
            Self::Rollout { change, .. } if change.happening == ROLLED_BACK => Severity::Warning,
            Self::Hold { held: true, .. } | Self::Certificate { .. } => Severity::Warning,
            _ => Severity::Info,
        }
    }

    /// True if it reports the end of a problem.
    pub fn is_good(&self) -> bool {
        match self {
            Self::Endpoint { .. }
            | Self::Pool { .. }
            | Self::Datacenter { .. }
            | Self::Hold { .. }
            | Self::Reload { .. }
            | Self::FailStatic { .. } => self.severity() == Severity::Info,
            Self::Override { change, .. } => matches!(change.happening.as_deref(), Some("ended" | "lifted")),
            Self::Rollout { change, .. } => matches!(change.happening.as_str(), "completed" | "ended"),
            Self::Txt { set, .. } => !set,
            Self::Start { .. } => true,
            Self::Certificate { .. } | Self::Stop {} => false,
        }
    }

    /// Returns the key of the problem: the same for its beginning and its end.
    pub fn subject(&self) -> String {
        match self {
            Self::Endpoint { endpoint, pools, .. } => format!("endpoint {endpoint} {}", pools.join(" ")),
            Self::Pool { pool, .. } => format!("pool {pool}"),
            Self::Datacenter { datacenter, .. } => format!("datacenter {datacenter}"),
            Self::Hold { pool, .. } => format!("hold {pool}"),
            Self::Override { change, .. } => format!("override {}", change.number),
            Self::Rollout { change, .. } => format!("rollout {}", change.name),
            Self::Certificate { endpoint, host, expires, .. } => format!("certificate {endpoint} {host} {expires}"),
            Self::Txt { name, value, .. } => format!("txt {name} {value}"),
            Self::Start { .. } | Self::Stop {} => "node".to_owned(),
            Self::Reload { .. } | Self::FailStatic { .. } => self.kind().to_owned(),
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

/// Writes a sentence without a full stop.
impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start { node, zones } => write!(f, "{node} began to answer for {zones} zones")?,
            Self::Endpoint { endpoint, pools, to, seen, .. } => {
                write!(f, "{endpoint} of {} is {to}: {seen}", pools.join(", "))?;
            }
            Self::Pool { pool, to, down, endpoints, .. } => {
                write!(f, "pool {pool} is {to}: {down} of {endpoints} endpoints down")?;
            }
            Self::Datacenter { datacenter, to, down, endpoints, .. } => {
                write!(f, "datacenter {datacenter} is {to}: {down} of {endpoints} endpoints down")?;
            }
            Self::Hold { pool, held: true, .. } => {
                write!(f, "pool {pool} is usable again, but failback holds it back")?
            }
            Self::Hold { pool, held: false, .. } => write!(f, "failback no longer holds pool {pool} back")?,
            Self::Reload { reason, taken: true, warnings, .. } => {
                write!(f, "configuration reloaded ({reason}), with {warnings} warnings")?;
            }
            Self::Reload { reason, taken: false, errors, .. } => {
                write!(f, "configuration not reloaded ({reason}): {errors} errors, the old one stays in use")?;
            }
            Self::FailStatic { began: true } => {
                f.write_str(
                    "everything stopped answering at once: this node may be the sick one, last states are held",
                )?;
            }
            Self::FailStatic { began: false } => f.write_str("states are held no longer")?,
            Self::Override { change, .. } => {
                let OverrideShape { mode, target, reason, who, happening, .. } = change;
                write!(f, "{mode} {target} {}, asked for by {who}", happening.as_deref().unwrap_or_default())?;
                if !reason.is_empty() {
                    write!(f, ": {reason}")?;
                }
            }
            Self::Rollout { change, .. } => {
                let RolloutChange { name, happening, from, to, who, reason, pool: _ } = change;
                write!(f, "roll-out of {name} {happening}: {from} -> {to}, by {who}")?;
                if !reason.is_empty() {
                    write!(f, ": {reason}")?;
                }
            }
            Self::Certificate { endpoint, host, days, .. } => {
                write!(f, "the certificate of {endpoint} for {host} ends in {days} days")?;
            }
            Self::Txt { name, set, .. } => write!(f, "TXT record of {name} {}", if *set { "set" } else { "gone" })?,
            Self::Stop {} => f.write_str("the node stops")?,
        }
        self.impact().map_or(Ok(()), |impact| write!(f, "; {impact}"))
    }
}

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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::health::{Check, Failure, Monitor, Share, TcpCheck};
    use crate::report::Shift;

    #[test]
    fn a_notice_is_one_flat_object() {
        let notice =
            Notice { id: 7, time: 8, kind: EventKind::Txt { name: "a.".into(), value: "b".into(), set: true } };
        let json = serde_json::to_value(&notice).unwrap();
        let expected = serde_json::json!({"id": 7, "time": 8, "event": "txt", "name": "a.", "value": "b", "set": true});
        assert_eq!(json, expected);
        assert_eq!(json["event"], notice.kind.kind());
        assert_eq!(serde_json::from_value::<Notice>(json).unwrap(), notice);
    }

    #[test]
    fn a_turn_tells_what_was_seen_and_what_it_moves_and_is_read_again() {
        let target = Target {
            address: ([127, 0, 0, 1], 80).into(),
            host: "a".into(),
            monitor: Monitor::new(Check::Tcp(TcpCheck::default()), 80).into(),
        };
        let shift = Shift {
            names: vec!["www.".into()],
            more: 1,
            from: vec!["fra".into()],
            to: vec!["iad".into()],
            clients: vec!["europe".into()],
        };
        let impact = Some(Impact { moves: vec![shift], more: 0 });
        let seen = Outcome::Failure(Failure::Status(500));
        let kind =
            EventKind::endpoint(("web", &target), false, &["web/fra".into()], [State::Up, State::Down], &seen, impact);
        let expected = "127.0.0.1:80 of web/fra is down: status 500; names www. and 1 more: fra -> iad for europe";
        assert_eq!(kind.to_string(), expected);
        assert_eq!((kind.severity(), kind.is_good()), (Severity::Error, false));
        let notice = Notice { id: 1, time: 2, kind };
        let json = serde_json::to_value(&notice).unwrap();
        assert_eq!(
            (&json["seen"], &json["outcome"], &json["status"]),
            (&json!("status 500"), &json!("status"), &json!(500))
        );
        assert_eq!(json["impact"][0]["clients"], json!(["europe"]));
        assert_eq!(serde_json::from_value::<Notice>(json).unwrap(), notice);
        let unknown = EventKind::endpoint(("web", &target), false, &[], [State::Down, State::Up], &seen, None);
        assert_eq!(unknown.subject(), "endpoint 127.0.0.1:80 ");
        let json = serde_json::to_value(&unknown).unwrap();
        assert!(unknown.is_good() && json.get("impact").is_none());
        assert_eq!(serde_json::from_value::<EventKind>(json).unwrap(), unknown);
        let one_of_several =
            EventKind::endpoint(("web", &target), true, &["web/fra".into()], [State::Up, State::Down], &seen, None);
        let expected = "127.0.0.1 of web/fra is down: web (tcp 127.0.0.1:80): status 500";
        assert_eq!(one_of_several.to_string(), expected);
        let drained = [State::Up, State::Degraded(Share::NONE)];
        let drained = EventKind::endpoint(("web", &target), false, &["web/fra".into()], drained, &seen, None);
        assert_eq!(drained.severity(), Severity::Warning);
        assert!(drained.to_string().contains("is drained"), "{drained}");
    }
}
