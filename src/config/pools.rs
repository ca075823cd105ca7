//! `[pools]`: endpoints that serve the same thing.
//!
//! An entry `[pools.web]` with endpoints in several datacenters is several pools, `web/fra`, `web/iad`, ...; the
//! reference `web` means all of them. A probe's request depends on the names that use a pool. Pools therefore stay
//! drafts until all names of all zones are known; `targets` finishes them.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use crate::geo::DatacenterId;
use crate::health::Recovery;
use crate::name::Name;
use crate::snapshot::{Capacity, MAX_ENDPOINTS, MinHealthy, PoolId};

use super::addresses;
use super::code::Code;
use super::datacenters::is_word;
use super::decode::{Placed, TomlTable, Value, entries};
use super::fault::{Fault, Faults};
use super::meant;
use super::monitor_tree::MonitorTree;
use super::owners::parse_name;
use super::recovery;
use super::scope::{Definition, Definitions, View};
use super::source::Place;
use super::suggest::{did_you_mean, is_worth_comparing, list_of};

/// The least capacity. Loads are computed in thousandths.
const SMALLEST_CAPACITY: f64 = 0.001;
/// The largest capacity: the largest number in a report.
const LARGEST_CAPACITY: f64 = 1e12;

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
    /// The entry of the file that it is a part of, if that has a pool for each of several datacenters.
    pub(super) entry: Option<Box<str>>,
    pub(super) place: Place,
    pub(super) zone: Option<Name>,
    pub(super) datacenter: Option<DatacenterId>,
    pub(super) min_healthy: MinHealthy,
    pub(super) capacity: Option<Capacity>,
    pub(super) recovery: Recovery,
    pub(super) members: DraftMembers,
    pub(super) monitor: Option<MonitorTree>,
    /// The names that use it, also as `fallback`.
    pub(super) users: Vec<Name>,
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
        }
    }

    /// The places of all parts.
    pub(super) fn places_mut(&mut self) -> impl Iterator<Item = &mut Place> {
        let (addresses, cname) = match &mut self.members {
            DraftMembers::Addresses(list) => (list.as_mut_slice(), None),
            DraftMembers::Cname(endpoint) => (&mut [][..], Some(&mut endpoint.place)),
        };
        let addresses = addresses.iter_mut().map(|endpoint| &mut endpoint.place);
        std::iter::once(&mut self.place).chain(addresses).chain(cname)
    }
}

/// The members of a pool.
#[derive(Clone, Debug)]
pub(super) enum DraftMembers {
    /// At least one and not too many, each once.
    Addresses(Vec<DraftEndpoint<IpAddr>>),
    Cname(DraftEndpoint<Name>),
}

/// An endpoint, with the address and port of its probes if it has its own.
#[derive(Clone, Debug)]
pub(super) struct DraftEndpoint<T> {
    pub(super) value: T,
    pub(super) place: Place,
    pub(super) weight: u16,
    pub(super) capacity: Option<Capacity>,
    pub(super) check_address: Option<IpAddr>,
    pub(super) check_port: Option<u16>,
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
    drafts: &mut Vec<PoolDraft>,
    faults: &mut Faults,
) -> Definitions<PoolEntry> {
    let mut definitions = Definitions::new("pool");
    for value in entries(section, "pools", faults) {
        is_word(&value.name(), faults);
        definitions.push(value.name(), read_entry(&value, scope, drafts, faults));
    }
    definitions
}

/// The datacenter of a list, if there is one, and the members in it.
type Part = (Option<(String, DatacenterId)>, DraftMembers);

fn read_entry(
    value: &Value<'_>,
    scope: &PoolScope<'_>,
    drafts: &mut Vec<PoolDraft>,
    faults: &mut Faults,
) -> Option<PoolEntry> {
    let mut table = value.table("a pool", faults)?;
    let datacenter = table.take("datacenter").and_then(|value| value.string(faults));
    let monitor = table.take("monitor").and_then(|value| value.string(faults));
    let min_healthy = table.take("min_healthy").and_then(|value| value.number(0.0..=1.0, faults));
    let min_healthy = min_healthy.and_then(|share| MinHealthy::try_new(share.value)).unwrap_or_default();
    let capacity = read_capacity(&mut table, faults);
    let recoveries = recovery::read(&mut table, monitor.as_ref(), faults);
    let endpoints = table.require("endpoints", faults);
    table.finish(faults);

    let at = datacenter.as_ref().and_then(|name| Some((name.clone(), scope.datacenters.find(name, faults)?.value?)));
    let monitor_value = monitor.as_ref().map(|name| scope.monitors.find(name, faults).and_then(|m| m.value.clone()));
    let endpoints = endpoints?;
    let probed = monitor.is_some();
    let by_datacenter = endpoints.is_table();
    let parts: Vec<Part> = if by_datacenter {
        if let Some(datacenter) = &datacenter {
            let message = "`datacenter` is given twice: the endpoints are already listed by datacenter";
            faults.push(Fault::error(&datacenter.place, message, "leave it out").code(Code::Conflict));
        }
        read_parts(&endpoints, scope, probed, faults)
    } else {
        let members = read_members(&endpoints, scope, probed, faults)?;
        vec![(at.map(|(name, id)| (name.value, id)), members)]
    };
    let datacenters: Vec<Option<&str>> =
        parts.iter().map(|(place, _)| place.as_ref().map(|(name, _)| name.as_str())).collect();
    recoveries.check(&datacenters, faults);
    // A missing monitor was reported. The pool is left out, so that it does not count as always up.
    let monitor = match monitor_value {
        Some(found) => Some(found?),
        None => None,
    };
    let mut entry = PoolEntry { parts: Vec::new() };
    for (place, members) in parts {
        let name = match &place {
            Some((datacenter, _)) if by_datacenter => format!("{}/{datacenter}", value.key).into(),
            _ => value.key.into(),
        };
        entry.parts.push((
            place.as_ref().filter(|_| by_datacenter).map(|(name, _)| name.clone()),
            PoolId::from_index(drafts.len()),
        ));
        let recovery = recoveries.of(place.as_ref().map(|(name, _)| name.as_str()));
        drafts.push(PoolDraft {
            name,
            entry: place.as_ref().filter(|_| by_datacenter).map(|_| value.key.into()),
            place: value.anchor(),
            zone: scope.origin.cloned(),
            datacenter: place.map(|(_, id)| id),
            min_healthy,
            capacity,
            recovery,
            members,
            monitor: monitor.clone(),
            users: Vec::new(),
        });
    }
    Some(entry)
}

/// `endpoints.fra = [...]`, one for each datacenter.
fn read_parts(endpoints: &Value<'_>, scope: &PoolScope<'_>, probed: bool, faults: &mut Faults) -> Vec<Part> {
    let parts = endpoints.table("endpoints", faults).map(TomlTable::into_values).unwrap_or_default();
    if parts.is_empty() {
        faults.push(Fault::error(&endpoints.anchor(), "a pool needs endpoints", "none").code(Code::Pool));
    }
    let mut read = Vec::new();
    for part in parts {
        let datacenter = scope.datacenters.find(&part.name(), faults).and_then(|definition| definition.value);
        let members = read_members(&part, scope, probed, faults);
        if let (Some(id), Some(members)) = (datacenter, members) {
            read.push((Some((part.key.to_owned(), id)), members));
        }
    }
    read
}

/// An endpoint of either kind.
enum Read {
    Address(DraftEndpoint<IpAddr>),
    Cname(DraftEndpoint<Name>),
}

fn read_members(list: &Value<'_>, scope: &PoolScope<'_>, probed: bool, faults: &mut Faults) -> Option<DraftMembers> {
    let items = list.items("a pool needs endpoints", faults);
    let mut addresses = Vec::new();
    let mut cnames: Vec<(DraftEndpoint<Name>, Place)> = Vec::new();
    for item in items {
        match read_endpoint(&item, scope, probed, faults) {
            Some(Read::Address(endpoint)) => addresses.push((endpoint, item.place())),
            Some(Read::Cname(endpoint)) => cnames.push((endpoint, item.place())),
            None => {}
        }
    }
    if let [(_, first), (_, second), ..] = &cnames[..] {
        let fault = Fault::error(second, "a pool holds exactly one CNAME", "another one").code(Code::Pool);
        faults.push(fault.related(first, "the first one"));
    }
    match (addresses.first(), cnames.into_iter().next()) {
        (Some((_, address)), Some((_, cname))) => {
            let fault = Fault::error(&cname, "a pool holds addresses or exactly one CNAME", "a CNAME").code(Code::Pool);
            faults.push(fault.related(address, "an address"));
            None
        }
        (Some(_), None) => {
            let addresses = each_once(addresses, faults);
            is_within_bound(&addresses, list, faults).then_some(DraftMembers::Addresses(addresses))
        }
        (None, Some((endpoint, _))) => Some(DraftMembers::Cname(endpoint)),
        (None, None) => None,
    }
}

/// Returns the endpoints with each address once. Removes duplicates and reports each of them.
fn each_once(endpoints: Vec<(DraftEndpoint<IpAddr>, Place)>, faults: &mut Faults) -> Vec<DraftEndpoint<IpAddr>> {
    let mut seen: HashMap<IpAddr, Place> = HashMap::new();
    let mut list = Vec::with_capacity(endpoints.len());
    for (endpoint, place) in endpoints {
        if let Some(first) = seen.get(&endpoint.value) {
            let message = format!("the pool holds {} twice", endpoint.value);
            let fault = Fault::error(&place, message, "again").code(Code::Duplicate).related(first, "first named here");
            faults.push(fault.help("give it once, with a higher `weight` if it is to answer more often"));
        } else {
            seen.insert(endpoint.value, place);
            list.push(endpoint);
        }
    }
    list
}

/// True if there are not too many endpoints. Reports a fault otherwise.
fn is_within_bound(addresses: &[DraftEndpoint<IpAddr>], list: &Value<'_>, faults: &mut Faults) -> bool {
    let v4 = addresses.iter().filter(|endpoint| endpoint.value.is_ipv4()).count();
    let counts = [("IPv4", v4), ("IPv6", addresses.len() - v4)];
    for (family, count) in counts {
        if count > MAX_ENDPOINTS {
            let message = format!("a pool holds at most {MAX_ENDPOINTS} endpoints of a family");
            faults.push(Fault::error(&list.anchor(), message, format!("{count} {family} addresses")).code(Code::Limit));
        }
    }
    counts.iter().all(|&(_, count)| count <= MAX_ENDPOINTS)
}

fn read_endpoint(item: &Value<'_>, scope: &PoolScope<'_>, probed: bool, faults: &mut Faults) -> Option<Read> {
    if item.is_string() {
        let value = read_address(item, "", faults)?;
        let place = item.place();
        let endpoint = DraftEndpoint { value, place, weight: 1, capacity: None, check_address: None, check_port: None };
        return Some(Read::Address(endpoint));
    }
    if !item.is_table() {
        return item.unexpected("addresses or tables with `address` or `cname`", faults);
    }
    let mut table = item.table("an endpoint", faults)?;
    let (address, cname) = (table.take("address"), table.take("cname"));
    let weight = table.take("weight").and_then(|value| value.integer(0..=u16::MAX, faults));
    let weight = weight.map_or(1, |weight| weight.value);
    let capacity = read_capacity(&mut table, faults);
    let check_address = table.take("check_address").map(|value| read_address(&value, "check_address", faults));
    let check_port = table.take("check_port").and_then(|value| value.integer(1..=u16::MAX, faults));
    let check_port = check_port.map(|port| port.value);
    let is_misnamed = address.is_none()
        && cname.is_none()
        && (table.is_misnamed("address", faults) || table.is_misnamed("cname", faults));
    table.finish(faults);
    if is_misnamed {
        return None;
    }
    if !probed && (check_address.is_some() || check_port.is_some()) {
        let message = "nothing is probed: the pool has no monitor";
        faults.push(Fault::warning(&item.place(), message, "says where to probe").code(Code::NoEffect));
    }
    if probed && cname.is_some() && check_address.is_none() {
        let message = "a CNAME in a pool with a monitor needs `check_address`";
        faults.push(Fault::error(&item.place(), message, "where should it be probed?").code(Code::Pool));
        return None;
    }
    let check_address = check_address.flatten();
    match (address, cname) {
        (Some(address), None) => {
            let (value, place) = (read_address(&address, "address", faults)?, address.place());
            Some(Read::Address(DraftEndpoint { value, place, weight, capacity, check_address, check_port }))
        }
        (None, Some(cname)) => {
            let (value, place) = (read_cname(&cname, scope, faults)?, cname.place());
            Some(Read::Cname(DraftEndpoint { value, place, weight, capacity, check_address, check_port }))
        }
        _ => {
            faults
                .push(Fault::error(&item.place(), "an endpoint has either `address` or `cname`", "").code(Code::Pool));
            None
        }
    }
}

/// Reads the capacity of a pool or an endpoint, in the operator's own unit.
fn read_capacity(table: &mut TomlTable<'_>, faults: &mut Faults) -> Option<Capacity> {
    let capacity = table.take("capacity")?.number(SMALLEST_CAPACITY..=LARGEST_CAPACITY, faults)?;
    Capacity::try_new(capacity.value)
}

/// Reads an address: the value of this key of an endpoint's table, or a whole endpoint without a table.
fn read_address(value: &Value<'_>, key: &str, faults: &mut Faults) -> Option<IpAddr> {
    let text = value.string(faults)?;
    if let Ok(address) = text.value.parse() {
        return addresses::check(address, &text.place, faults).then_some(address);
    }
    let shown = text.value.escape_debug();
    let message = format!("`{shown}` is not an address");
    let with_port = |at: SocketAddr| match key {
        "" => format!("{{ address = \"{}\", check_port = {} }}", at.ip(), at.port()),
        _ => format!("\"{}\" and check_port = {}", at.ip(), at.port()),
    };
    if let Some(meant) = meant::address(&text.value, with_port) {
        let fault = Fault::error(&text.place, message, format!("did you mean {meant}?"));
        faults.push(fault.code(Code::BadValue));
        return None;
    }
    let fault = Fault::error(&text.place, message, "not an address").code(Code::BadValue);
    let after = text.value.split_once("://").map_or(text.value.as_str(), |(_, rest)| rest);
    let host = after.split(['/', ':']).next().unwrap_or_default().trim_end_matches('.');
    let is_name = host.bytes().any(|octet| octet.is_ascii_alphabetic()) && after.matches(':').count() < 2;
    let help = || format!("a host name is written {{ cname = \"{host}.\" }}");
    faults.push(if is_name { fault.help(help()) } else { fault });
    None
}

fn read_cname(value: &Value<'_>, scope: &PoolScope<'_>, faults: &mut Faults) -> Option<Name> {
    let text = value.string(faults)?;
    if scope.origin.is_none() && !text.value.ends_with('.') {
        let message = format!("`{}` is relative, but the server file has no origin", text.value);
        faults.push(Fault::error(&text.place, message, "end it with a dot").code(Code::BadName));
        return None;
    }
    parse_name(&text, scope.origin.unwrap_or(&Name::root()), faults)
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
