//! `registered` of a pool: which endpoints may register themselves while the node runs.

use std::ops::RangeInclusive;

use ipnet::IpNet;

use crate::config::code::Code;
use crate::config::decode::Value;
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
    let max = table.take("max").and_then(|max| max.integer(MAX, faults));
    let prefixes = table.require("prefixes", faults);
    let keep_last = table.take("keep_last").and_then(|keep| keep.boolean(faults));
    let by = table.take("by");
    table.finish(faults);
    let before = faults.0.len();
    let prefixes = prefixes?;
    let items = prefixes.items("a pool with registered endpoints needs the networks that they may come from", faults);
    let prefixes: Vec<IpNet> = items.iter().filter_map(|item| read_network(item, faults)).collect();
    let by = by.map(|by| {
        let names = by.items("`by` names the tokens and clients that may register", faults);
        names.iter().filter_map(|name| Some(name.string(faults)?.value.into())).collect()
    });
    if !probed {
        let message = "registered endpoints are handed out unprobed: the pool has no monitor";
        let fault = Fault::warning(&value.anchor(), message, "nothing says whether they work").code(Code::Pool);
        faults.push(fault.help("give the pool a monitor, so that an endpoint is handed out once it answers"));
    }
    (!faults.has_errors_since(before)).then(|| Bounds {
        max: max.map_or(DEFAULT_MAX, |max| max.value),
        prefixes: prefixes.into(),
        keep_last: keep_last.is_none_or(|keep| keep.value),
        by,
    })
}
