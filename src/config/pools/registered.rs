//! `registered` of a pool: which endpoints may come and go by themselves while the node runs.

use std::ops::RangeInclusive;

use ipnet::IpNet;

use crate::config::code::Code;
use crate::config::decode::{TomlTable, Value};
use crate::config::fault::{Fault, Faults};
use crate::config::prefix::read_network;
use crate::snapshot::{Bounds, MAX_ENDPOINTS};

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

/// Reads the keys that `registered` and `discover` share.
pub(super) fn read_bounds(mut table: TomlTable<'_>, faults: &mut Faults) -> Option<Bounds> {
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

/// Warns if nothing probes the endpoints.
pub(super) fn warn_unprobed(value: &Value<'_>, probed: bool, faults: &mut Faults) {
    if !probed {
        let message = "registered endpoints are handed out unprobed: the pool has no monitor";
        let fault = Fault::warning(&value.anchor(), message, "nothing says whether they work").code(Code::Pool);
        faults.push(fault.help("give the pool a monitor, so that an endpoint is handed out once it answers"));
    }
}
