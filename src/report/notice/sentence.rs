//! Events as sentences.

use std::fmt;
use std::time::Duration;

use super::super::text::Counted;
use super::super::{OverrideShape, RolloutChange};
use super::{CertificateTurn, EventKind};
use crate::duration::Written;
use crate::timestamp::rfc3339;

/// Writes a sentence without a full stop.
impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start { node, zones } => {
                write!(f, "{node} began to answer for {}", Counted(*zones, "zone"))?;
            }
            Self::Fleet { detail, .. } => f.write_str(detail)?,
            Self::Endpoint { endpoint, dependents, pools, monitors, to, seen, fleet, .. } => {
                let plural = if monitors.len() == 1 { "" } else { "s" };
                let by = if monitors.is_empty() {
                    String::new()
                } else {
                    format!(" (monitor{plural} {})", monitors.join(", "))
                };
                let pools = pools.join(", ");
                match dependents {
                    None => write!(f, "{endpoint} of {pools} is {to}{by}: {seen}")?,
                    Some(count) => {
                        let are = if *count == 1 { "is" } else { "are" };
                        write!(f, "{} of {pools} {are} {to}{by}: {seen}", Counted(*count, "endpoint"))?;
                    }
                }
                if let Some(fleet) = fleet {
                    write!(f, "; {fleet}")?;
                }
            }
            Self::Pool { pool, to, down, endpoints, .. } => {
                write!(f, "pool {pool} is {to}: {down} of {endpoints} endpoints down")?;
            }
            Self::Datacenter { datacenter, to, down, endpoints, .. } => {
                write!(f, "datacenter {datacenter} is {to}: {down} of {endpoints} endpoints down")?;
            }
            Self::Hold { pool, held: true, .. } => {
                write!(f, "pool {pool} is usable again, but failback holds it back")?;
            }
            Self::Hold { pool, held: false, .. } => write!(f, "failback no longer holds pool {pool} back")?,
            Self::Reload { reason, taken: true, warnings, .. } => {
                write!(f, "configuration reloaded ({reason}), with {}", Counted(*warnings, "warning"))?;
            }
            Self::Reload { reason, taken: false, errors, .. } => {
                let errors = Counted(*errors, "error");
                write!(f, "configuration not reloaded ({reason}): {errors}, the old one stays in use")?;
            }
            Self::FailStatic { began: true } => {
                f.write_str(
                    "everything stopped answering at once: the fault may be on this node, so endpoints keep their last states",
                )?;
            }
            Self::FailStatic { began: false } => {
                f.write_str("endpoints no longer keep their last states: probes decide again")?;
            }
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
                write!(f, "the certificate of {endpoint} for {host} ")?;
                match days {
                    0 => f.write_str("expires within a day, or has expired")?,
                    days => write!(f, "expires in {days} day{}", if *days == 1 { "" } else { "s" })?,
                }
            }
            Self::OwnCertificate { .. } => write_own_certificate(self, f)?,
            Self::Store { kept: true, .. } => f.write_str("state is kept again")?,
            Self::Store { kept: false, error } => {
                let error = error.as_deref().unwrap_or_default();
                write!(f, "state is not kept, so a restart would lose orders: {error}")?;
            }
            Self::Remap { by, times, maps, took_ms } => {
                write!(f, "{} rebuilt after a change of the {by}", Counted(*maps, "map"))?;
                if *times > 1 {
                    write!(f, ", {times} times")?;
                }
                write!(f, ", in {} at most", Written(Duration::from_millis(*took_ms)))?;
            }
            Self::Lease { .. } => write_lease(self, f)?,
            Self::Key { .. } => write_key(self, f)?,
            Self::Register { .. } => write_register(self, f)?,
            Self::Txt { name, set, who, .. } => {
                write!(f, "TXT record of {name} {}", if *set { "set" } else { "removed" })?;
                who.as_ref().map_or(Ok(()), |who| write!(f, " by {who}"))?;
            }
            Self::Stop {} => f.write_str("the node stops")?,
        }
        self.impact().map_or(Ok(()), |impact| write!(f, "; {impact}"))
    }
}

/// Writes what happened to the leases of a pool as a whole. Any other event writes nothing.
fn write_register(event: &EventKind, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let EventKind::Register { pool, silent, leases, why } = event else { return Ok(()) };
    let count = Counted(*leases, "lease");
    match (silent, why) {
        (true, Some(why)) => {
            let count = Counted(*leases, "endpoint");
            write!(f, "the endpoints of pool {pool} cannot be discovered, so the last ones are kept ({count}): {why}")
        }
        (true, None) => write!(
            f,
            "no lease of pool {pool} is renewed any more: the fault may be on the way to this node, so the last ones are kept \
             ({count})"
        ),
        (false, _) => write!(f, "leases of pool {pool} no longer outlive their terms ({count})"),
    }
}

/// Writes what happened to a certificate of the node itself. Any other event writes nothing.
fn write_own_certificate(event: &EventKind, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let EventKind::OwnCertificate { server, happening, names, expires, error } = event else { return Ok(()) };
    let whose = if server == "admin" { "the admin server" } else { "encrypted DNS" };
    write!(f, "the certificate of {whose} ({}) ", names.join(", "))?;
    let until = || expires.map(|expires| rfc3339(Duration::from_secs(expires))).unwrap_or_default();
    match happening {
        CertificateTurn::ExpiresSoon => write!(f, "expires soon: it is valid until {}", until())?,
        CertificateTurn::Expired => write!(f, "has expired: it was valid until {}", until())?,
        CertificateTurn::Replaced => write!(f, "was replaced by one that is valid until {}", until())?,
        CertificateTurn::NotLoaded => {
            let error = error.as_deref().unwrap_or_default();
            write!(f, "stays in use, because the new one cannot be loaded: {error}")?;
        }
        CertificateTurn::Loaded => f.write_str("can be loaded again")?,
    }
    Ok(())
}

/// Writes what happened to a key of a zone. Any other event writes nothing.
fn write_key(event: &EventKind, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let EventKind::Key { zone, tag, algorithm, to, signs, waits_for } = event else { return Ok(()) };
    write!(f, "key {tag} ({algorithm}) of {zone} is {to}, and signs {signs}")?;
    f.write_str(match waits_for.as_deref() {
        Some("ds") => "; it waits for its DS record at the parent",
        Some("no_ds") => "; its DS record must leave the parent",
        Some(_) => "; its time is over, and no key takes its place",
        None => "",
    })
}

/// Writes what happened to a lease. Any other event writes nothing.
fn write_lease(event: &EventKind, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let EventKind::Lease { happening, pool, lease, address, who, reason } = event else { return Ok(()) };
    let endpoint = match address {
        Some(address) => format!("{lease} ({address})"),
        None => lease.clone(),
    };
    match happening.as_str() {
        "registered" => write!(f, "{endpoint} registered itself in pool {pool}")?,
        "changed" => write!(f, "{endpoint} of pool {pool} renewed its lease with other values")?,
        "leaving" => write!(f, "{endpoint} leaves pool {pool}, and is drained")?,
        "released" => write!(f, "{endpoint} left pool {pool}")?,
        "barred" => write!(f, "{endpoint} left pool {pool}: its `prefixes` no longer hold the address")?,
        "refused" => {
            let reason = reason.as_deref().unwrap_or_default();
            write!(f, "a claim of {endpoint} for pool {pool} was refused: {reason}")?;
        }
        _ => write!(f, "{endpoint} left pool {pool}: it did not renew its lease")?,
    }
    if let Some(who) = who {
        write!(f, ", asked for by {who}")?;
    }
    Ok(())
}
