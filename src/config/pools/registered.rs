//! `registered` and `discover` of a pool: which endpoints come and go while the node runs, by themselves or by a source.

use std::ops::RangeInclusive;

use ipnet::IpNet;

use crate::config::code::Code;
use crate::config::decode::{TomlTable, Value};
use crate::config::fault::{Fault, Faults};
use crate::config::monitors::read_probe_host;
use crate::config::prefix::read_network;
use crate::health::ProbeHost;
use crate::name::Name;
use crate::snapshot::{Bounds, MAX_ENDPOINTS, Source};

/// Range of `max`: at most as many as a pool holds of one family.
const MAX: RangeInclusive<u16> = 1..=MAX_ENDPOINTS as u16;

/// Default of `max`.
const DEFAULT_MAX: u16 = 100;

/// Reads `registered = { max = ..., prefixes = [...], keep_last = ..., by = [...] }`. `probed` is true if the pool has a
/// monitor. `None` if it has a fault, which was reported.
pub(super) fn read(value: &Value<'_>, probed: bool, faults: &mut Faults) -> Option<Bounds> {
    let mut table = value.table("`registered`", faults)?;
    let keep_last = table.take("keep_last").and_then(|keep| keep.boolean(faults));
    let by = table.take("by");
    let bounds = read_bounds(table, faults);
    let before = faults.0.len();
    let by = by.map(|by| {
        let names = by.items("`by` names the tokens and clients that may register", faults);
        names.iter().filter_map(|name| Some(name.string(faults)?.value.into())).collect()
    });
    warn_unprobed(value, probed, faults);
    let keep_last = keep_last.is_none_or(|keep| keep.value);
    bounds.filter(|_| !faults.has_errors_since(before)).map(|bounds| Bounds { keep_last, by, ..bounds })
}

/// Reads `discover = { file = ..., max = ..., prefixes = [...] }`, or `dns` or `srv` in place of `file`. `probed` is true if
/// the pool has a monitor. `None` if it has a fault, which was reported.
pub(super) fn read_discover(value: &Value<'_>, probed: bool, faults: &mut Faults) -> Option<Bounds> {
    let mut table = value.table("`discover`", faults)?;
    let sources = ["file", "dns", "srv"].map(|key| table.take(key));
    let bounds = read_bounds(table, faults);
    warn_unprobed(value, probed, faults);
    let mut given = sources.into_iter().flatten();
    let Some(source) = given.next() else {
        let message = "`discover` needs `file`, `dns` or `srv`";
        faults.push(Fault::error(&value.anchor(), message, "what lists the endpoints?").code(Code::MissingKey));
        return None;
    };
    if let Some(other) = given.next() {
        let fault = Fault::error(&other.anchor(), "`discover` has one source", "another one").code(Code::Conflict);
        faults.push(fault.related(&source.anchor(), "the first one").help("give each source a pool of its own"));
        return None;
    }
    let source = match source.key {
        "file" => Source::File(source.path(faults)?.value.into()),
        "dns" => Source::Addresses(read_name(&source, faults)?),
        _ => Source::Services(read_name(&source, faults)?),
    };
    Some(Bounds { source: Some(source), ..bounds? })
}

/// Reads a name that is looked up. Names of services begin with an underscore, which no host has.
fn read_name(value: &Value<'_>, faults: &mut Faults) -> Option<Box<str>> {
    let text = value.text().unwrap_or_default();
    let is_service = text.starts_with('_') && Name::parse(text.trim_end_matches('.'), &Name::root()).is_ok();
    if is_service {
        return Some(text.trim_end_matches('.').to_ascii_lowercase().into());
    }
    match read_probe_host(value, faults)? {
        ProbeHost::Name(name) => Some(name),
        ProbeHost::Ip(address) => {
            let message = format!("`{}` takes a name in the DNS", value.key);
            let label = format!("{address} is an address");
            faults.push(Fault::error(&value.place(), message, label).code(Code::BadValue));
            None
        }
    }
}

fn read_bounds(mut table: TomlTable<'_>, faults: &mut Faults) -> Option<Bounds> {
    let max = table.take("max").and_then(|max| max.integer(MAX, faults));
    let prefixes = table.require("prefixes", faults);
    table.finish(faults);
    let before = faults.0.len();
    let prefixes = prefixes?;
    let items = prefixes.items("the pool needs the networks that its endpoints may come from", faults);
    let prefixes: Vec<IpNet> = items.iter().filter_map(|item| read_network(item, faults)).collect();
    (!faults.has_errors_since(before)).then(|| Bounds {
        max: max.map_or(DEFAULT_MAX, |max| max.value),
        prefixes: prefixes.into(),
        keep_last: true,
        by: None,
        source: None,
    })
}

fn warn_unprobed(value: &Value<'_>, probed: bool, faults: &mut Faults) {
    if !probed {
        let message = "registered endpoints are handed out unprobed: the pool has no monitor";
        let fault = Fault::warning(&value.anchor(), message, "nothing says whether they work").code(Code::Pool);
        faults.push(fault.help("give the pool a monitor, so that an endpoint is handed out once it answers"));
    }
}
