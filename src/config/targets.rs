//! Finishes pools once all names that use them are known. The request of a probe depends on those names.

use std::net::IpAddr;
use std::sync::Arc;

use crate::health::{Check, ConditionTemplate, GrpcCheck};
use crate::name::Name;
use crate::snapshot::{Addresses, Endpoint, Members, PoolSpec, Registration};

use super::code::Code;
use super::fault::{Fault, Faults, Severity};
use super::monitor_tree::{MonitorTree, PlacedMonitor};
use super::pools::{DraftEndpoint, DraftMembers, PoolDraft};
use super::source::Place;

/// The placeholder for the host in a program's arguments.
const HOST_ARGUMENT: &str = "{host}";

/// Maximum number of names that a message lists. A longer list would hide the fault itself.
const MAX_LISTED: usize = 4;

/// Turns drafts into pools, in the same order.
pub(super) fn finish(drafts: Vec<PoolDraft>, faults: &mut Faults) -> Vec<Arc<PoolSpec>> {
    let mut reported: Option<Place> = None;
    let mut pools = Vec::with_capacity(drafts.len());
    for draft in drafts {
        // The pools of one entry share a place. One fault for all of them is enough.
        if reported.as_ref() != Some(&draft.place)
            && let Some(fault) = host_fault(&draft)
        {
            reported = Some(draft.place.clone());
            faults.push(fault);
        }
        pools.push(Arc::new(finish_pool(draft)));
    }
    pools
}

fn finish_pool(draft: PoolDraft) -> PoolSpec {
    let PoolDraft { name, place: _, zone, datacenter, min_healthy, capacity, recovery, .. } = draft;
    let PoolDraft { members, registered, monitor, users, .. } = draft;
    let template = monitor.as_ref().map(|tree| template(tree, &users));
    let members = match members {
        DraftMembers::Addresses(list) => {
            let endpoints = list.into_iter().map(|endpoint| {
                let own = Some(endpoint.value);
                finish_endpoint(endpoint, own, template.as_ref())
            });
            let endpoints = endpoints.collect();
            let addresses =
                if registered.is_some() { Addresses::try_registered(endpoints) } else { Addresses::try_new(endpoints) };
            Members::Addresses(addresses.expect("a draft holds enough addresses, not too many, and each once"))
        }
        DraftMembers::Cname(endpoint) => Members::Cname(finish_endpoint(endpoint, None, template.as_ref())),
    };
    let monitors = monitor.iter().flat_map(MonitorTree::monitors).map(|placed| placed.name.clone()).collect();
    let registration = registered.map(|bounds| Registration { bounds, template });
    PoolSpec { name, zone, datacenter, min_healthy, capacity, recovery, members, monitors, registration }
}

/// Returns the condition of a pool's endpoints, but for their addresses.
fn template(tree: &MonitorTree, users: &[Name]) -> ConditionTemplate {
    match tree {
        MonitorTree::One(placed) => {
            ConditionTemplate::Probe { monitor: placed.monitor.clone(), host: host(placed, users) }
        }
        MonitorTree::AtLeast(needed, parts) => {
            ConditionTemplate::AtLeast(*needed, parts.iter().map(|part| template(part, users)).collect())
        }
    }
}

fn finish_endpoint<T>(
    endpoint: DraftEndpoint<T>,
    own_address: Option<IpAddr>,
    template: Option<&ConditionTemplate>,
) -> Endpoint<T> {
    let DraftEndpoint { value, place: _, weight, capacity, check_address, check_port } = endpoint;
    // A CNAME with a monitor has a check address: its reader required one.
    let address = check_address.or(own_address);
    let condition = template.zip(address).map(|(template, address)| template.at(address, check_port));
    Endpoint { value, weight, capacity, condition, lease: None }
}

/// Returns the host that a pool's probes ask for: the monitor's, else the only name that uses the pool, else `None`,
/// which stands for the check address. `None` also for checks that need no host, so that pools can share a probe of one
/// address.
fn host(placed: &PlacedMonitor, users: &[Name]) -> Option<Box<str>> {
    if !asks_for_host(&placed.monitor.check) {
        return None;
    }
    if let Some(host) = &placed.host {
        return Some(host.clone());
    }
    let first = names(users).next()?;
    Some(first.to_string().trim_end_matches('.').into())
}

/// The names that a probe may ask for.
fn names(users: &[Name]) -> impl Iterator<Item = &Name> {
    users.iter().filter(|name| !name.is_wildcard())
}

fn asks_for_host(check: &Check) -> bool {
    match check {
        Check::Tcp(_) | Check::Dns(_) | Check::Icmp | Check::Push => false,
        Check::Tls(tls, _) => tls.sni.is_none(),
        Check::Http(_) | Check::Https(..) | Check::Grpc(_) | Check::Exec(_) => true,
    }
}

/// Returns the fault if no host is configured for the probes: an error if one of the pool's monitors needs a host, else
/// a warning.
fn host_fault(draft: &PoolDraft) -> Option<Fault> {
    let monitors = draft.monitor.as_ref()?.monitors();
    let faults = monitors.into_iter().filter_map(|monitor| monitor_host_fault(monitor, draft));
    faults.max_by_key(|fault| fault.severity == Severity::Error)
}

fn monitor_host_fault(monitor: &PlacedMonitor, draft: &PoolDraft) -> Option<Fault> {
    let check = &monitor.monitor.check;
    let of_others = match check {
        Check::Exec(exec) => !exec.arguments.iter().any(|argument| argument.contains(HOST_ARGUMENT)),
        _ => !asks_for_host(check),
    };
    if draft.users.is_empty() || monitor.host.is_some() || of_others {
        return None;
    }
    let mut users: Vec<String> = draft.users.iter().take(MAX_LISTED).map(ToString::to_string).collect();
    if draft.users.len() > MAX_LISTED {
        users.push("...".to_owned());
    }
    let label = format!("used by {}", users.join(", "));
    if let Some(first) = names(&draft.users).next() {
        let several = names(&draft.users).any(|name| name != first);
        // Probes cannot use one of several names: the choice would depend on the order of the files, and could change
        // when a name is added.
        return several.then(|| {
            let message = format!("probes of pool `{}` need a host name, but several names use the pool", draft.name);
            let host = first.to_string();
            let help = format!("give its monitor a host, such as host = \"{}\"", host.trim_end_matches('.'));
            Fault::error(&draft.place, message, label).code(Code::ProbeHost).help(help)
        });
    }
    Some(match check {
        Check::Https(_, tls) | Check::Tls(tls, _) | Check::Grpc(GrpcCheck { tls: Some(tls), .. })
            if tls.verify && tls.sni.is_none() =>
        {
            let message = format!("the certificates of pool `{}` cannot be verified: no host name is set", draft.name);
            Fault::error(&draft.place, message, label)
                .code(Code::ProbeHost)
                .help("give its monitor a `host`, or an `sni`")
        }
        _ => {
            let message = format!("probes of pool `{}` send an address as the host, not a host name", draft.name);
            Fault::warning(&draft.place, message, label).code(Code::ProbeHost).help("give its monitor a `host`")
        }
    })
}
