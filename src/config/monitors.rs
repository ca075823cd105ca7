//! `[monitors]`: how endpoints are probed. This module reads the keys that all types share. Each type's own keys have
//! their own file.

mod dns;
mod elsewhere;
mod exec;
mod grpc;
mod http;
mod tcp;
mod tls;

use std::num::NonZeroU8;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use crate::disk::Disk;
use crate::duration;
use crate::health::{
    Check, DEFAULT_CLEAR, DEFAULT_FALL, DEFAULT_INTERVAL, DEFAULT_RISE, DEFAULT_TIMEOUT, Monitor, Pace,
};
use crate::name::{MAX_LABEL_LENGTH, MAX_NAME_LENGTH};

use super::IcmpMonitor;
use super::aggregates::{self, Needed, Written};
use super::code::Code;
use super::datacenters::is_word;
use super::decode::{Placed, TomlTable, Value, entries};
use super::fault::{Fault, Faults};
use super::fleet;
use super::meant;
use super::monitor_tree::{MonitorTree, PlacedMonitor};
use super::scope::Definitions;
use super::spelling;
use elsewhere::Elsewhere;
pub(super) use elsewhere::read_probe_host;

/// Range of `interval`. Shorter intervals would overload endpoints; longer ones would make health meaningless.
const INTERVAL: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(3600);

/// Range of `timeout`. It must also be below `interval`.
const TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(3600);

/// Range of `hold_down`.
const HOLD_DOWN: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(86_400);

/// Default ports of the protocols.
const HTTP_PORT: u16 = 80;
const HTTPS_PORT: u16 = 443;
const DNS_PORT: u16 = 53;

/// The port of a monitor whose protocol has no ports, or that does not probe.
const NO_PORT: u16 = 0;

/// Default `deadline` of a push monitor: the time after which a silent endpoint counts as down.
const DEFAULT_DEADLINE: Duration = Duration::from_secs(30);

/// The value of a monitor's `type`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Http,
    Https,
    Tls,
    Tcp,
    Dns,
    Grpc,
    Icmp,
    Exec,
    Push,
    Aggregate(Needed),
}

/// The words for `type`.
const KINDS: [(&str, Kind); 12] = [
    ("http", Kind::Http),
    ("https", Kind::Https),
    ("tls", Kind::Tls),
    ("tcp", Kind::Tcp),
    ("dns", Kind::Dns),
    ("grpc", Kind::Grpc),
    ("icmp", Kind::Icmp),
    ("exec", Kind::Exec),
    ("push", Kind::Push),
    ("all", Kind::Aggregate(Needed::All)),
    ("any", Kind::Aggregate(Needed::Any)),
    ("at_least", Kind::Aggregate(Needed::Count)),
];

/// Keys that only some types have, with those types and their names for messages.
const OWN_KEYS: [(&[&str], &[Kind], &str); 11] = [
    (&["host"], &HOST_KINDS, "http, https, tls, grpc and exec"),
    (&http::KEYS, &[Kind::Http, Kind::Https], "http and https"),
    (&["degraded"], &[Kind::Http, Kind::Https, Kind::Exec], "http, https and exec"),
    (&tls::KEYS, &[Kind::Https, Kind::Tls, Kind::Grpc], "https, tls and grpc"),
    (&["alpn"], &[Kind::Tls], "tls"),
    (&["send"], &[Kind::Tcp], "tcp"),
    (&["expect"], &[Kind::Tcp, Kind::Dns], "tcp and dns"),
    (&dns::KEYS, &[Kind::Dns], "dns"),
    (&grpc::KEYS, &[Kind::Grpc], "grpc"),
    (&["command"], &[Kind::Exec], "exec"),
    (&["deadline"], &[Kind::Push], "push"),
];

/// The types whose probes send a host name.
const HOST_KINDS: [Kind; 5] = [Kind::Http, Kind::Https, Kind::Tls, Kind::Grpc, Kind::Exec];

/// Reads a file's `[monitors]`. `shared` holds the server file's monitors, for a zone file. Reads the files that
/// monitors name through `disk`.
pub(super) fn read(
    section: Option<&Value<'_>>,
    shared: Option<&Definitions<MonitorTree>>,
    disk: &Disk,
    faults: &mut Faults,
) -> Definitions<MonitorTree> {
    let mut written = Vec::new();
    for value in entries(section, "monitors", faults) {
        is_word(&value.name(), faults);
        written.push((value.name(), read_written(&value, disk, faults)));
    }
    aggregates::resolve(written, shared, faults)
}

/// Returns the monitors of a file that send ICMP echoes.
pub(super) fn icmp(monitors: &Definitions<MonitorTree>) -> impl Iterator<Item = IcmpMonitor> {
    let is_icmp = |tree: &MonitorTree| tree.only().is_some_and(|placed| placed.monitor.check == Check::Icmp);
    let icmp = monitors.iter().filter(move |monitor| monitor.value.as_ref().is_some_and(is_icmp));
    icmp.map(|monitor| IcmpMonitor { name: monitor.name.value.clone(), place: monitor.name.place.clone() })
}

fn read_written(value: &Value<'_>, disk: &Disk, faults: &mut Faults) -> Option<Written> {
    let mut table = value.table("a monitor", faults)?;
    // Without the type no other key can be checked.
    let kind = table.require("type", faults)?.word(&KINDS, faults)?.value;
    match kind {
        Kind::Aggregate(needed) => aggregates::read(table, needed, faults).map(Written::Aggregate),
        _ => read_monitor(value.key.into(), table, kind, disk, faults).map(Written::One),
    }
}

fn read_monitor(
    name: Box<str>,
    mut table: TomlTable<'_>,
    kind: Kind,
    disk: &Disk,
    faults: &mut Faults,
) -> Option<MonitorTree> {
    table.refuse(&["of", "count"], "is for monitors of type all, any and at_least", faults);
    for (keys, _, types) in OWN_KEYS.iter().filter(|(_, kinds, _)| !kinds.contains(&kind)) {
        table.refuse(keys, &format!("is for monitors of type {types}"), faults);
    }

    let port = read_port(&mut table, kind, faults);
    let pace = if kind == Kind::Push { read_deadline(&mut table, faults) } else { read_times(&mut table, faults) };
    let count = |value: Value<'_>, faults: &mut Faults| value.integer(1..=u8::MAX, faults);
    let rise = table.take("rise").and_then(|value| count(value, faults));
    let fall = table.take("fall").and_then(|value| count(value, faults));
    let clear = table.take("clear").and_then(|value| count(value, faults));
    let hold_down = table.take("hold_down").and_then(|value| value.duration(HOLD_DOWN, faults));
    let (quorum, vantages) = if kind == Kind::Push {
        table.refuse(&["quorum", "vantages"], "is for monitors that probe: reports come to one node", faults);
        (None, None)
    } else {
        let quorum = table.take("quorum").and_then(|value| fleet::read_quorum(&value, faults));
        (quorum, table.take("vantages").and_then(|value| fleet::read_vantages(&value, faults)))
    };

    let elsewhere = elsewhere::read(&mut table, kind == Kind::Push, faults);
    let host = if HOST_KINDS.contains(&kind) { read_host(&mut table, "host", faults) } else { None };
    let check = match kind {
        Kind::Tcp => tcp::read(&mut table, faults).map(Check::Tcp),
        Kind::Dns => dns::read(&mut table, faults).map(Check::Dns),
        Kind::Grpc => grpc::read(&mut table, disk, faults).map(Check::Grpc),
        Kind::Icmp => Some(Check::Icmp),
        Kind::Push | Kind::Aggregate(_) => Some(Check::Push),
        Kind::Exec => exec::read(&mut table, port != Some(NO_PORT), disk, faults).map(Check::Exec),
        Kind::Http => http::read(&mut table, pace.timeout(), faults).map(http::without_tls).map(Check::Http),
        Kind::Https => {
            let (http, tls) = (http::read(&mut table, pace.timeout(), faults), tls::read(&mut table, disk, faults));
            http.zip(tls).map(|(http, tls)| Check::Https(http, tls))
        }
        Kind::Tls => {
            let (alpn, tls) = (tls::read_alpn(&mut table, faults), tls::read(&mut table, disk, faults));
            alpn.zip(tls).map(|(alpn, tls)| Check::Tls(tls, alpn))
        }
    };
    table.finish(faults);
    let nonzero = |count: Option<Placed<u8>>, default| count.and_then(|c| NonZeroU8::new(c.value)).unwrap_or(default);
    let monitor = Monitor {
        check: check?,
        pace,
        rise: nonzero(rise, DEFAULT_RISE),
        fall: nonzero(fall, DEFAULT_FALL),
        clear: nonzero(clear, DEFAULT_CLEAR),
        hold_down: hold_down.map_or(Duration::ZERO, |hold_down| hold_down.value),
        quorum,
        vantages,
        port: port?,
    };
    let Elsewhere { address, is_inverted } = elsewhere;
    let placed = PlacedMonitor { name, monitor: Arc::new(monitor), host, address };
    Some(MonitorTree::One(placed).inverted_if(is_inverted))
}

/// Reads the port. Reports a fault and returns `None` if it is faulty.
fn read_port(table: &mut TomlTable<'_>, kind: Kind, faults: &mut Faults) -> Option<u16> {
    let default = match kind {
        Kind::Http => HTTP_PORT,
        Kind::Https => HTTPS_PORT,
        Kind::Dns => DNS_PORT,
        Kind::Exec => NO_PORT,
        Kind::Icmp => {
            table.refuse(&["port"], "is for monitors of other types: icmp has no ports", faults);
            return Some(NO_PORT);
        }
        Kind::Push | Kind::Aggregate(_) => {
            table.refuse(&["port"], "is for monitors that probe", faults);
            return Some(NO_PORT);
        }
        Kind::Tcp | Kind::Tls | Kind::Grpc => {
            return table.require("port", faults)?.integer(1..=u16::MAX, faults).map(|port| port.value);
        }
    };
    let Some(value) = table.take("port") else { return Some(default) };
    value.integer(1..=u16::MAX, faults).map(|port| port.value)
}

fn read_times(table: &mut TomlTable<'_>, faults: &mut Faults) -> Pace {
    let anchor = table.place();
    let interval = table.take("interval").and_then(|value| value.duration(INTERVAL, faults));
    let timeout = table.take("timeout").and_then(|value| value.duration(TIMEOUT, faults));
    let times = (
        interval.as_ref().map_or(DEFAULT_INTERVAL, |interval| interval.value),
        timeout.as_ref().map_or(DEFAULT_TIMEOUT, |timeout| timeout.value),
    );
    Pace::try_new(times.0, times.1).unwrap_or_else(|| {
        let message = format!(
            "the timeout ({}) is not below the interval ({})",
            duration::Written(times.1),
            duration::Written(times.0)
        );
        let place = timeout.or(interval).map_or(anchor, |written| written.place);
        let help = "probes of one endpoint never overlap: shorten `timeout` or lengthen `interval`";
        faults.push(Fault::error(&place, message, "").code(Code::Monitor).help(help));
        Pace::DEFAULT
    })
}

/// Reads the deadline of a push monitor as its interval: the time that an endpoint may be silent. It has no timeout.
fn read_deadline(table: &mut TomlTable<'_>, faults: &mut Faults) -> Pace {
    table.refuse(&["interval", "timeout"], "is for monitors that probe: a push monitor has a `deadline`", faults);
    let deadline = table.take("deadline").and_then(|value| value.duration(INTERVAL, faults));
    let deadline = deadline.map_or(DEFAULT_DEADLINE, |deadline| deadline.value);
    Pace::try_new(deadline, Duration::ZERO).unwrap_or(Pace::DEFAULT)
}

/// Reads a host name or an address without a port, as in a `Host` header field.
fn read_host(table: &mut TomlTable<'_>, key: &'static str, faults: &mut Faults) -> Option<Box<str>> {
    let expected = "a host name or an address, without a port";
    let value = table.take(key)?;
    let Some(text) = value.text().filter(|text| !text.is_empty()) else { return value.unexpected(expected, faults) };
    if text.parse::<std::net::IpAddr>().is_ok() || is_host_name(text) {
        return Some(text.trim_end_matches('.').into());
    }
    let meant = meant_host(text).map(|meant| format!("did you mean \"{meant}\"?"));
    let message = format!("`{key}` takes {expected}");
    faults.push(Fault::error(&value.place(), message, meant.unwrap_or_default()).code(Code::BadValue));
    None
}

/// The host that was probably meant: without scheme, user, port, path and brackets, and in A-labels.
pub(super) fn meant_host(text: &str) -> Option<String> {
    let bare = text.trim().split_once("://").map_or(text.trim(), |(_, rest)| rest);
    let bare = bare.split('/').next().unwrap_or_default();
    let bare = bare.rsplit_once('@').map_or(bare, |(_, host)| host);
    let address = || bare.rsplit_once(':').filter(|(front, _)| front.ends_with(']')).map_or(bare, |(front, _)| front);
    if let Some(address) = meant::bare_address(bare).or_else(|| meant::bare_address(address())) {
        return Some(address.to_string());
    }
    let bare = bare.split(':').next().unwrap_or_default();
    let meant = spelling::a_label(bare).unwrap_or_else(|| bare.to_owned());
    (meant != text && is_host_name(&meant)).then_some(meant)
}

/// True if a request can send it as a host: labels of letters, digits, hyphens and underscores, without hyphens at
/// their ends (RFC 1123, section 2.1; underscores are in use).
pub(super) fn is_host_name(text: &str) -> bool {
    let is_label = |label: &str| {
        let letters = label.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-_".contains(&octet));
        letters && (1..=MAX_LABEL_LENGTH).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
    };
    let text = text.strip_suffix('.').unwrap_or(text);
    // "The highest-level component label will be alphabetic": else it is meant as an address (RFC 1123, section 2.1).
    let is_address = text.rsplit('.').next().is_some_and(|last| last.bytes().all(|octet| octet.is_ascii_digit()));
    text.len() < MAX_NAME_LENGTH - 1 && text.split('.').all(is_label) && !is_address
}
