//! Finishes pools once it is known which names use them: what a probe asks for depends on that.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::health::{Check, Condition, GrpcCheck, Target};
use crate::snapshot::{Endpoint, Members, PoolSpec};

use super::fault::{Fault, Faults, Place};
use super::monitors::PlacedMonitor;
use super::pools::{DraftEndpoint, DraftMembers, PoolDraft};

/// So many names that use a pool are listed; more would hide the fault itself.
const MAX_LISTED: usize = 4;

/// Makes pools of drafts, in the same order.
pub(super) fn finish(drafts: Vec<PoolDraft>, faults: &mut Faults) -> Vec<Arc<PoolSpec>> {
    let mut told: Option<Place> = None;
    let mut pools = Vec::with_capacity(drafts.len());
    for draft in drafts {
        // The pools of one entry stand at one place, and one word about it is enough.
        if told.as_ref() != Some(&draft.place)
            && let Some(fault) = host_fault(&draft)
        {
            told = Some(draft.place.clone());
            faults.push(fault);
        }
        pools.push(Arc::new(finish_pool(draft)));
    }
    pools
}

fn finish_pool(draft: PoolDraft) -> PoolSpec {
    let host = host(&draft);
    let PoolDraft { name, place: _, zone, datacenter, min_healthy, recovery, members, monitor, users: _ } = draft;
    let members = match members {
        DraftMembers::Addresses(list) => Members::Addresses(
            list.into_iter()
                .map(|endpoint| {
                    let own = Some(endpoint.value);
                    finish_endpoint(endpoint, own, monitor.as_ref(), host.as_deref())
                })
                .collect(),
        ),
        DraftMembers::Cname(endpoint) => {
            Members::Cname(finish_endpoint(endpoint, None, monitor.as_ref(), host.as_deref()))
        }
    };
    PoolSpec { name, zone, datacenter, min_healthy, recovery, members }
}

fn finish_endpoint<T>(
    endpoint: DraftEndpoint<T>,
    own_address: Option<IpAddr>,
    monitor: Option<&PlacedMonitor>,
    host: Option<&str>,
) -> Endpoint<T> {
    let DraftEndpoint { value, weight, check_address, check_port } = endpoint;
    // A CNAME with a monitor has a check address; its reader saw to that.
    let condition = monitor.zip(check_address.or(own_address)).map(|(monitor, address)| {
        // What has no ports is the same target whatever port the endpoint names for other monitors.
        let own_port = check_port.filter(|_| monitor.monitor.check != Check::Icmp);
        Condition::Probe(Target {
            address: SocketAddr::new(address, own_port.unwrap_or(monitor.monitor.port)),
            host: host.map_or_else(|| address.to_string().into(), Into::into),
            monitor: monitor.monitor.clone(),
        })
    });
    Endpoint { value, weight, condition }
}

/// The host that a pool's probes ask for: the monitor's, else the only name that uses the pool; `None` for the check
/// address. Some checks ask for none: there the address lets pools share a probe.
fn host(draft: &PoolDraft) -> Option<Box<str>> {
    let monitor = draft.monitor.as_ref().filter(|monitor| asks_for_host(&monitor.monitor.check))?;
    if let Some(host) = &monitor.host {
        return Some(host.clone());
    }
    let mut names = draft.users.iter().filter(|name| !name.is_wildcard());
    match (names.next(), names.next()) {
        (Some(only), None) => Some(only.to_string().trim_end_matches('.').into()),
        _ => None,
    }
}

fn asks_for_host(check: &Check) -> bool {
    match check {
        Check::Tcp(_) | Check::Dns(_) | Check::Icmp => false,
        Check::Tls(tls, _) => tls.sni.is_none(),
        Check::Http(_) | Check::Https(..) | Check::Grpc(_) | Check::Exec(_) => true,
    }
}

/// What is wrong with asking for a check address as host, if that is what the probes would do.
fn host_fault(draft: &PoolDraft) -> Option<Fault> {
    let monitor = draft.monitor.as_ref()?;
    let check = &monitor.monitor.check;
    // A program need not make anything of the host.
    if draft.users.is_empty() || host(draft).is_some() || !asks_for_host(check) || matches!(check, Check::Exec(_)) {
        return None;
    }
    let mut users: Vec<String> = draft.users.iter().take(MAX_LISTED).map(ToString::to_string).collect();
    if draft.users.len() > MAX_LISTED {
        users.push("...".to_owned());
    }
    let label = format!("used by {}", users.join(", "));
    Some(match check {
        Check::Https(_, tls) | Check::Tls(tls, _) | Check::Grpc(GrpcCheck { tls: Some(tls), .. })
            if tls.verify && tls.sni.is_none() =>
        {
            let message = format!("no name to verify the certificates of pool `{}` for", draft.name);
            Fault::error(&draft.place, message, label).help("give its monitor a `host`, or an `sni`")
        }
        _ => {
            let message = format!("probes of pool `{}` ask for its addresses, not for a host name", draft.name);
            Fault::warning(&draft.place, message, label).help("give its monitor a `host`")
        }
    })
}
