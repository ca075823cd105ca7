//! The members of a pool: addresses, or one CNAME.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use super::PoolScope;
use crate::config::addresses;
use crate::config::code::Code;
use crate::config::decode::{TomlTable, Value};
use crate::config::fault::{Fault, Faults};
use crate::config::meant;
use crate::config::monitors::read_probe_host;
use crate::config::owners::parse_name;
use crate::config::source::Place;
use crate::health::ProbeHost;
use crate::name::Name;
use crate::snapshot::{Capacity, MAX_ENDPOINTS};

/// The least capacity. Loads are computed in thousandths.
const SMALLEST_CAPACITY: f64 = 0.001;
/// The largest capacity: the largest number in a report.
const LARGEST_CAPACITY: f64 = 1e12;

/// The members of a pool.
#[derive(Clone, Debug)]
pub(in crate::config) enum DraftMembers {
    /// At least one and not too many, each once.
    Addresses(Vec<DraftEndpoint<IpAddr>>),
    Cname(DraftEndpoint<Name>),
}

/// An endpoint, with the address and port of its probes if it has its own.
#[derive(Clone, Debug)]
pub(in crate::config) struct DraftEndpoint<T> {
    pub(in crate::config) value: T,
    pub(in crate::config) place: Place,
    pub(in crate::config) weight: u16,
    pub(in crate::config) capacity: Option<Capacity>,
    /// The address or the host name of its probes, if it is not the endpoint's own address.
    pub(in crate::config) check_host: Option<ProbeHost>,
    pub(in crate::config) check_port: Option<u16>,
}

/// The facts about a pool that its endpoints depend on.
#[derive(Clone, Copy)]
pub(super) struct Held {
    /// True if it has a monitor that probes the endpoints themselves.
    pub(super) probed: bool,
    /// True if endpoints may register themselves, so that the file need not list any.
    pub(super) registered: bool,
}

/// An endpoint of either kind.
enum Read {
    Address(DraftEndpoint<IpAddr>),
    Cname(DraftEndpoint<Name>),
}

/// Reads the list of endpoints of a pool. `None` if it has a fault, which was reported.
pub(super) fn read_members(
    list: &Value<'_>,
    scope: &PoolScope<'_>,
    held: Held,
    faults: &mut Faults,
) -> Option<DraftMembers> {
    let items = if held.registered { list.list(faults)? } else { list.items("a pool needs endpoints", faults) };
    let is_empty = items.is_empty();
    let mut addresses = Vec::new();
    let mut cnames: Vec<(DraftEndpoint<Name>, Place)> = Vec::new();
    for item in items {
        match read_endpoint(&item, scope, held.probed, faults) {
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
        (None, Some((_, cname))) if held.registered => {
            let message = "endpoints register themselves by address, so the pool cannot hold a CNAME";
            faults.push(Fault::error(&cname, message, "a CNAME").code(Code::Pool));
            None
        }
        (None, Some((endpoint, _))) => Some(DraftMembers::Cname(endpoint)),
        (None, None) => (held.registered && is_empty).then(|| DraftMembers::Addresses(Vec::new())),
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
        let endpoint = DraftEndpoint { value, place, weight: 1, capacity: None, check_host: None, check_port: None };
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
    let check_address = table.take("check_address");
    let check_name = table.take("check_name");
    if let (Some(address), Some(name)) = (&check_address, &check_name) {
        let message = "an endpoint has either `check_address` or `check_name`";
        let fault = Fault::error(&name.anchor(), message, "a name").code(Code::Conflict);
        faults.push(fault.related(&address.anchor(), "an address"));
    }
    let has_check_host = check_address.is_some() || check_name.is_some();
    let check_address = check_address.and_then(|value| read_address(&value, "check_address", faults));
    let check_name = check_name.and_then(|value| read_check_name(&value, faults));
    let check_host = check_address.map(ProbeHost::Ip).or(check_name);
    let check_port = table.take("check_port").and_then(|value| value.integer(1..=u16::MAX, faults));
    let check_port = check_port.map(|port| port.value);
    let is_misnamed = address.is_none()
        && cname.is_none()
        && (table.is_misnamed("address", faults) || table.is_misnamed("cname", faults));
    table.finish(faults);
    if is_misnamed {
        return None;
    }
    if !probed && (has_check_host || check_port.is_some()) {
        let message = "the endpoint is not probed: the pool has no monitor that probes its endpoints";
        faults.push(Fault::warning(&item.place(), message, "says where to probe").code(Code::NoEffect));
    }
    if probed && cname.is_some() && !has_check_host {
        let message = "a CNAME in a pool with a monitor needs `check_address` or `check_name`";
        faults.push(Fault::error(&item.place(), message, "where should it be probed?").code(Code::Pool));
        return None;
    }
    match (address, cname) {
        (Some(address), None) => {
            let (value, place) = (read_address(&address, "address", faults)?, address.place());
            Some(Read::Address(DraftEndpoint { value, place, weight, capacity, check_host, check_port }))
        }
        (None, Some(cname)) => {
            let (value, place) = (read_cname(&cname, scope, faults)?, cname.place());
            Some(Read::Cname(DraftEndpoint { value, place, weight, capacity, check_host, check_port }))
        }
        _ => {
            faults
                .push(Fault::error(&item.place(), "an endpoint has either `address` or `cname`", "").code(Code::Pool));
            None
        }
    }
}

/// Reads `check_name`: a host name that is looked up again and again.
fn read_check_name(value: &Value<'_>, faults: &mut Faults) -> Option<ProbeHost> {
    let host = read_probe_host(value, faults)?;
    if let ProbeHost::Ip(address) = &host {
        let fault = Fault::error(&value.place(), "`check_name` takes a host name", format!("{address} is an address"));
        faults.push(fault.code(Code::BadValue).help("an address is a `check_address`"));
        return None;
    }
    Some(host)
}

/// Reads the capacity of a pool or an endpoint, in the operator's own unit.
pub(super) fn read_capacity(table: &mut TomlTable<'_>, faults: &mut Faults) -> Option<Capacity> {
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
