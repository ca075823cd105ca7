//! `[pools]`: endpoints that serve the same thing.
//!
//! An entry `[pools.web]` with endpoints in several datacenters is several pools, `web/fra`, `web/iad`, ...; the
//! reference `web` means all of them. A probe's request depends on the names that use a pool. Pools therefore stay
//! drafts until all names of all zones are known; `targets` finishes them.

mod discovered;
mod members;
mod parts;
mod registered;

use std::sync::{Arc, OnceLock};

use crate::geo::DatacenterId;
use crate::health::Recovery;
use crate::name::Name;
use crate::snapshot::{Bounds, Capacity, MinHealthy, PoolId, PoolSpec};

pub(super) use self::discovered::check_files;
use self::members::read_capacity;
pub(super) use self::members::{DraftEndpoint, DraftMembers};
use self::parts::{Part, Taking};
use super::code::Code;
use super::datacenters::is_word;
use super::decode::{Placed, Value, entries};
use super::fault::{Fault, Faults};
use super::monitor_tree::MonitorTree;
use super::recovery;
use super::scope::{Definition, Definitions, View};
use super::source::Place;
use super::suggest::{did_you_mean, is_worth_comparing, list_of};

/// The result of reading an entry of `[pools]`.
#[derive(Clone, Debug)]
pub(super) struct PoolEntry {
    /// Its pools. Each has its datacenter's name if the entry has a list for each datacenter.
    pub(super) parts: Vec<(Option<String>, PoolId)>,
}

/// A pool whose users are not all known yet.
#[derive(Clone, Debug)]
pub(super) struct PoolDraft {
    pub(super) name: Box<str>,
    pub(super) place: Place,
    pub(super) zone: Option<Name>,
    pub(super) datacenter: Option<DatacenterId>,
    pub(super) min_healthy: MinHealthy,
    /// True if the pool draws one endpoint by weight, false if all rotate; `None` leaves it to the weights.
    pub(super) draws: Option<bool>,
    pub(super) capacity: Option<Capacity>,
    pub(super) recovery: Recovery,
    pub(super) members: DraftMembers,
    /// Which endpoints may register themselves; `None` if none may.
    pub(super) registered: Option<Bounds>,
    pub(super) monitor: Option<MonitorTree>,
    /// The names that use it, also as `fallback`.
    pub(super) users: Vec<Name>,
    /// The pool and its fault, once all users are known.
    pub(super) finished: OnceLock<(Arc<PoolSpec>, Option<Box<Fault>>)>,
}

impl PoolDraft {
    /// True if the pool or one of its endpoints has a capacity.
    pub(super) fn has_capacity(&self) -> bool {
        let of_endpoints = match &self.members {
            DraftMembers::Addresses(list) => list.iter().any(|endpoint| endpoint.capacity.is_some()),
            DraftMembers::Cname(endpoint) => endpoint.capacity.is_some(),
        };
        self.capacity.is_some() || of_endpoints
    }

    /// Records that a name uses it.
    pub(super) fn note_user(&mut self, name: &Name) {
        // The entries of a name are read one after the other, so the name is the last user or not a user yet.
        if self.users.last() != Some(name) {
            self.users.push(name.clone());
            self.finished = OnceLock::new();
        }
    }
}

/// The definitions that a file's pools can refer to.
pub(super) struct PoolScope<'a> {
    /// The origin of relative names; `None` in the server file.
    pub(super) origin: Option<&'a Name>,
    pub(super) datacenters: View<'a, DatacenterId>,
    pub(super) monitors: View<'a, MonitorTree>,
}

/// Reads a file's `[pools]`. Adds the pools to `drafts`.
pub(super) fn read(
    section: Option<&Value<'_>>,
    scope: &PoolScope<'_>,
    drafts: &mut Vec<Arc<PoolDraft>>,
    faults: &mut Faults,
) -> Definitions<PoolEntry> {
    let mut definitions = Definitions::new("pool");
    for value in entries(section, "pools", faults) {
        is_word(&value.name(), faults);
        definitions.push(value.name(), read_entry(&value, scope, drafts, faults));
    }
    definitions
}

fn read_entry(
    value: &Value<'_>,
    scope: &PoolScope<'_>,
    drafts: &mut Vec<Arc<PoolDraft>>,
    faults: &mut Faults,
) -> Option<PoolEntry> {
    let mut table = value.table("a pool", faults)?;
    let datacenter = table.take("datacenter").and_then(|value| value.string(faults));
    let monitor = table.take("monitor").and_then(|value| value.string(faults));
    let min_healthy = table.take("min_healthy").and_then(|value| value.number(0.0..=1.0, faults));
    let min_healthy = min_healthy.and_then(|share| MinHealthy::try_new(share.value)).unwrap_or_default();
    let draws = table.take("pick").and_then(|value| value.word(&[("rotate", false), ("weighted", true)], faults));
    let draws = draws.map(|draws| draws.value);
    let capacity = read_capacity(&mut table, faults);
    let recoveries = recovery::read(&mut table, monitor.as_ref(), faults);
    let (registered, discover) = (table.take("registered"), table.take("discover"));
    let taking = Taking::read(registered.as_ref(), discover.as_ref(), monitor.is_some(), faults);
    let may_be_empty = taking.as_ref().is_none_or(Taking::is_some);
    let endpoints = if may_be_empty { table.take("endpoints") } else { table.require("endpoints", faults) };
    table.finish(faults);
    let taking = taking?;

    let at = datacenter.as_ref().and_then(|name| Some((name.clone(), scope.datacenters.find(name, faults)?.value?)));
    let monitor_value = monitor.as_ref().map(|name| scope.monitors.find(name, faults).and_then(|m| m.value.clone()));
    // A faulty monitor is taken as one of the endpoints.
    let probed = monitor_value.as_ref().is_some_and(|tree| tree.as_ref().is_none_or(MonitorTree::is_of_endpoints));
    if endpoints.is_none() && !taking.is_some() {
        return None;
    }
    let by_datacenter = taking.is_by_datacenter() || endpoints.as_ref().is_some_and(Value::is_table);
    let parts: Vec<Part> = if by_datacenter {
        if let Some(datacenter) = &datacenter {
            let message = "`datacenter` is given twice: the endpoints are already listed by datacenter";
            faults.push(Fault::error(&datacenter.place, message, "leave it out").code(Code::Conflict));
        }
        parts::read_each(endpoints.as_ref(), scope, probed, &taking, faults)
    } else {
        let place = at.map(|(name, id)| (name.value, id));
        vec![parts::read_one(endpoints.as_ref(), place, scope, probed, &taking, faults)?]
    };
    parts::check_source(&parts, &taking, value, faults);
    let datacenters: Vec<Option<&str>> =
        parts.iter().map(|part| part.place.as_ref().map(|(name, _)| name.as_str())).collect();
    recoveries.check(&datacenters, faults);
    // A missing monitor was reported. The pool is left out, so that it does not count as always up.
    let monitor = match monitor_value {
        Some(found) => Some(found?),
        None => None,
    };
    let mut entry = PoolEntry { parts: Vec::new() };
    for Part { place, members, taking } in parts {
        let name = match &place {
            Some((datacenter, _)) if by_datacenter => format!("{}/{datacenter}", value.key).into(),
            _ => value.key.into(),
        };
        entry.parts.push((
            place.as_ref().filter(|_| by_datacenter).map(|(name, _)| name.clone()),
            PoolId::from_index(drafts.len()),
        ));
        let recovery = recoveries.of(place.as_ref().map(|(name, _)| name.as_str()));
        drafts.push(Arc::new(PoolDraft {
            name,
            place: value.anchor(),
            zone: scope.origin.cloned(),
            datacenter: place.map(|(_, id)| id),
            min_healthy,
            draws,
            capacity,
            recovery,
            members,
            registered: taking,
            monitor: monitor.clone(),
            users: Vec::new(),
            finished: OnceLock::new(),
        }));
    }
    Some(entry)
}

/// Returns the pools that a reference means: `web/fra`, or `web` for all of its datacenters. Reports a fault if there
/// are none.
pub(super) fn find(view: View<'_, PoolEntry>, reference: &Placed<String>, faults: &mut Faults) -> Option<Vec<PoolId>> {
    let Some((entry, datacenter)) = reference.value.split_once('/') else {
        let entry = view.find(reference, faults)?.value.as_ref()?;
        return Some(entry.parts.iter().map(|&(_, id)| id).collect());
    };
    let definition: &Definition<PoolEntry> = view.find(&reference.with(entry.to_owned()), faults)?;
    let parts = &definition.value.as_ref()?.parts;
    if let Some((_, id)) = parts.iter().find(|(name, _)| name.as_deref() == Some(datacenter)) {
        return Some(vec![*id]);
    }
    let names: Vec<&str> = parts.iter().filter_map(|(name, _)| name.as_deref()).collect();
    let meant = is_worth_comparing(faults, names.len()).then(|| did_you_mean(datacenter, names.iter().copied()));
    let label = match meant.flatten() {
        Some(meant) => format!("did you mean `{entry}/{meant}`?"),
        None => format!("not a datacenter of `{entry}`"),
    };
    let message = format!("pool `{entry}` has no endpoints in `{datacenter}`");
    let fault = Fault::error(&reference.place, message, label).code(Code::UnknownName);
    faults.push(match names.as_slice() {
        [] => fault.help(format!("`{entry}` has one list of endpoints: refer to it as `{entry}`")),
        names => fault.help(format!("it has some in {}", list_of(names))),
    });
    None
}
