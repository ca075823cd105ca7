//! The keys of a monitor that probes something other than the endpoints, or that is good while it fails.

use std::net::IpAddr;

use super::super::addresses;
use super::super::code::Code;
use super::super::decode::{TomlTable, Value};
use super::super::fault::{Fault, Faults};
use super::{is_host_name, meant_host};
use crate::health::ProbeHost;

/// Keys whose values are about the endpoint that answers, and not about what it depends on.
const OF_ENDPOINTS: [&str; 2] = ["weight_header", "load_json"];

/// Keys that say how much an endpoint serves that answers well. An inverted monitor is good while nothing answers well.
const OF_SHARES: [&str; 3] = ["degraded", "weight_header", "load_json"];

/// Where a monitor probes, and how it counts.
pub(super) struct Elsewhere {
    /// Where it probes, instead of the endpoints.
    pub(super) address: Option<ProbeHost>,
    /// True if it is good while it fails.
    pub(super) is_inverted: bool,
}

/// Takes `address` and `invert`, and refuses keys that make no sense with them. `is_push` is true for a monitor that waits
/// for reports.
pub(super) fn read(table: &mut TomlTable<'_>, is_push: bool, faults: &mut Faults) -> Elsewhere {
    if is_push {
        table.refuse(&["address"], "is for monitors that probe: reports are about the endpoints", faults);
        table.refuse(&["invert"], "is for monitors that probe: a report says itself what is good", faults);
        return Elsewhere { address: None, is_inverted: false };
    }
    let address = table.take("address");
    if address.is_some() {
        table.refuse(&OF_ENDPOINTS, "is about the endpoints, which a monitor with an `address` does not ask", faults);
    }
    let invert = table.take("invert").and_then(|value| value.boolean(faults)).is_some_and(|invert| invert.value);
    if invert {
        table.refuse(&OF_SHARES, "has no effect on an inverted monitor: it is good while the probe fails", faults);
    }
    Elsewhere { address: address.and_then(|value| read_probe_host(&value, faults)), is_inverted: invert }
}

/// Reads an address or a host name to probe, without a port.
pub(in super::super) fn read_probe_host(value: &Value<'_>, faults: &mut Faults) -> Option<ProbeHost> {
    let expected = "an address or a host name, without a port";
    let Some(text) = value.text().filter(|text| !text.is_empty()) else { return value.unexpected(expected, faults) };
    if let Ok(address) = text.parse::<IpAddr>() {
        return addresses::check(address, &value.place(), faults).then_some(ProbeHost::Ip(address));
    }
    if is_host_name(text) {
        return Some(ProbeHost::Name(text.trim_end_matches('.').to_ascii_lowercase().into()));
    }
    let meant = meant_host(text).map(|meant| format!("did you mean \"{meant}\"?"));
    let message = format!("`{}` takes {expected}", value.key);
    faults.push(Fault::error(&value.place(), message, meant.unwrap_or_default()).code(Code::BadValue));
    None
}
