//! Finishes pools once all names that use them are known. The request of a probe depends on those names.

use std::net::IpAddr;
use std::sync::Arc;

use crate::health::{Check, ConditionTemplate, ProbeAddress, ProbeHost, Target};
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
pub(super) fn finish(drafts: &[Arc<PoolDraft>], faults: &mut Faults) -> Vec<Arc<PoolSpec>> {
    let mut reported: Option<&Place> = None;
    let mut pools = Vec::with_capacity(drafts.len());
    for draft in drafts {
        let (pool, fault) = draft
            .finished
            .get_or_init(|| (Arc::new(finish_pool(PoolDraft::clone(draft))), host_fault(draft).map(Box::new)));
        // The pools of one entry share a place. One fault for all of them is enough.
        if let Some(fault) = fault.as_ref().filter(|_| reported != Some(&draft.place)) {
            reported = Some(&draft.place);
            faults.push(Fault::clone(fault));
        }
        pools.push(pool.clone());
    }
    pools
}

fn finish_pool(draft: PoolDraft) -> PoolSpec {
    let PoolDraft { name, place: _, zone, datacenter, min_healthy, draws, capacity, .. } = draft;
    let PoolDraft { recovery, members, registered, monitor, users, .. } = draft;
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
    let registration = registered.map(|bounds| Registration { bounds, template, problem: None });
    PoolSpec { name, zone, datacenter, min_healthy, draws, capacity, recovery, members, monitors, registration }
}

/// Returns the condition of a pool's endpoints, but for their addresses.
fn template(tree: &MonitorTree, users: &[Name]) -> ConditionTemplate {
    match tree {
        MonitorTree::One(placed) => match &placed.address {
            None => ConditionTemplate::Probe { monitor: placed.monitor.clone(), host: host(placed, users) },
            Some(address) => ConditionTemplate::Dependency(dependency(placed, address)),
        },
        MonitorTree::AtLeast(needed, parts) => {
            ConditionTemplate::AtLeast(*needed, parts.iter().map(|part| template(part, users)).collect())
        }
        MonitorTree::Not(tree) => ConditionTemplate::Not(Box::new(template(tree, users))),
    }
}

/// Returns the target of a monitor with an address of its own. It is the same for all pools, so the host never depends on
/// the names that use them.
fn dependency(placed: &PlacedMonitor, address: &ProbeHost) -> Target {
    let host = placed.host.clone().filter(|_| asks_for_host(&placed.monitor.check));
    Target {
        address: ProbeAddress::new(address, placed.monitor.port),
        host: host.unwrap_or_else(|| address.to_string().into()),
        monitor: placed.monitor.clone(),
    }
}

fn finish_endpoint<T>(
    endpoint: DraftEndpoint<T>,
    own_address: Option<IpAddr>,
    template: Option<&ConditionTemplate>,
) -> Endpoint<T> {
    let DraftEndpoint { value, place: _, weight, capacity, check_host, check_port } = endpoint;
    // A CNAME with probes of its own has a host for them: its reader required one.
    let at = check_host.or(own_address.map(ProbeHost::Ip));
    let condition = template.and_then(|template| template.at(at.as_ref(), check_port));
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
    if let Some(address) = &monitor.address {
        return dependency_host_fault(monitor, address, draft);
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
        check if verifies_host(check) => {
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

/// True if the host of the probes is compared with a certificate.
fn verifies_host(check: &Check) -> bool {
    check.tls().is_some_and(|tls| tls.verify && tls.sni.is_none())
}

/// Returns the fault if the certificate of what a pool depends on cannot be verified. Other checks ask for the address
/// itself, which needs no host name.
fn dependency_host_fault(monitor: &PlacedMonitor, address: &ProbeHost, draft: &PoolDraft) -> Option<Fault> {
    if !verifies_host(&monitor.monitor.check) || matches!(address, ProbeHost::Name(_)) {
        return None;
    }
    let message = format!("the certificate of {address} cannot be verified: no host name is set");
    let label = format!("by monitor `{}`", monitor.name);
    let fault = Fault::error(&draft.place, message, label).code(Code::ProbeHost);
    Some(fault.help("give the monitor a `host` or an `sni`, or a host name as its `address`"))
}
