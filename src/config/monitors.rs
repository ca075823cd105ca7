//! `[monitors]`: how endpoints are probed. What each type asks stands in a file of its own.

mod dns;
mod exec;
mod grpc;
mod tcp;

use std::num::NonZeroU8;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use crate::health::{
    Check, DEFAULT_FALL, DEFAULT_INTERVAL, DEFAULT_RISE, DEFAULT_TIMEOUT, HttpCheck, Monitor, TlsCheck,
};

use super::IcmpMonitor;
use super::datacenters::is_word;
use super::decode::{Placed, Table, Value, entries};
use super::fault::{Fault, Faults};
use super::http_check;
use super::scope::Definitions;

/// What `interval` may be: below it endpoints would be attacked rather than probed, above it health means nothing.
const INTERVAL: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(3600);

/// What `timeout` may be; it is below `interval` besides.
const TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(3600);

/// What `hold_down` may be.
const HOLD_DOWN: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(86_400);

/// Ports that the protocols have by themselves.
const HTTP_PORT: u16 = 80;
const HTTPS_PORT: u16 = 443;
const DNS_PORT: u16 = 53;

/// Where there are none.
const NO_PORT: u16 = 0;

/// Keys that not every type has, and the types that have them.
const KEYS_OF_TYPES: [(&str, &str); 18] = [
    ("method", "http and https"),
    ("path", "http and https"),
    ("headers", "http and https"),
    ("expect_status", "http and https"),
    ("expect_body", "http and https"),
    ("host", "http, https, grpc and exec"),
    ("sni", "https and grpc"),
    ("verify", "https and grpc"),
    ("send", "tcp"),
    ("expect", "tcp and dns"),
    ("query", "dns"),
    ("qtype", "dns"),
    ("transport", "dns"),
    ("recursion", "dns"),
    ("expect_rcode", "dns"),
    ("service", "grpc"),
    ("tls", "grpc"),
    ("command", "exec"),
];

/// A monitor and the host it asks for, if it says so itself.
#[derive(Clone)]
pub(super) struct PlacedMonitor {
    pub(super) monitor: Arc<Monitor>,
    pub(super) host: Option<Box<str>>,
}

/// What `type` may say.
const KINDS: [(&str, Kind); 7] = [
    ("http", Kind::Http),
    ("https", Kind::Https),
    ("tcp", Kind::Tcp),
    ("dns", Kind::Dns),
    ("grpc", Kind::Grpc),
    ("icmp", Kind::Icmp),
    ("exec", Kind::Exec),
];

#[derive(Clone, Copy)]
enum Kind {
    Http,
    Https,
    Tcp,
    Dns,
    Grpc,
    Icmp,
    Exec,
}

/// Reads a file's `[monitors]`.
pub(super) fn read(section: Option<&Value<'_>>, faults: &mut Faults) -> Definitions<PlacedMonitor> {
    let mut definitions = Definitions::new("monitor");
    for value in entries(section, "monitors", faults) {
        is_word(&value.name(), faults);
        definitions.push(value.name(), read_monitor(&value, faults));
    }
    definitions
}

/// The monitors of a file that send ICMP echoes.
pub(super) fn icmp(monitors: &Definitions<PlacedMonitor>) -> impl Iterator<Item = IcmpMonitor> {
    let is_icmp = |placed: &PlacedMonitor| placed.monitor.check == Check::Icmp;
    let icmp = monitors.iter().filter(move |monitor| monitor.value.as_ref().is_some_and(is_icmp));
    icmp.map(|monitor| IcmpMonitor { name: monitor.name.value.clone(), place: monitor.name.place.clone() })
}

fn read_monitor(value: &Value<'_>, faults: &mut Faults) -> Option<PlacedMonitor> {
    let mut table = value.table("a monitor", faults)?;
    let later = ["tls", "push"];
    // Without its type nothing else about it can be judged.
    let kind = table.require("type", faults)?.word(&KINDS, &later, faults)?.value;

    let port = read_port(&mut table, kind, faults);
    let (interval, timeout) = read_times(&mut table, faults);
    let count = |value: Value<'_>, faults: &mut Faults| value.integer(1..=u8::MAX, faults);
    let rise = table.take("rise").and_then(|value| count(value, faults));
    let fall = table.take("fall").and_then(|value| count(value, faults));
    let hold_down = table.take("hold_down").and_then(|value| value.duration(HOLD_DOWN, faults));

    let (check, host) = match kind {
        Kind::Tcp => (tcp::read(&mut table, faults).map(Check::Tcp), None),
        Kind::Dns => (dns::read(&mut table, faults).map(Check::Dns), None),
        Kind::Grpc => {
            let host = read_host(&mut table, "host", faults);
            (grpc::read(&mut table, faults).map(Check::Grpc), host)
        }
        Kind::Icmp => (Some(Check::Icmp), None),
        Kind::Exec => {
            let host = read_host(&mut table, "host", faults);
            (exec::read(&mut table, port != Some(NO_PORT), faults).map(Check::Exec), host)
        }
        Kind::Http => {
            let host = read_host(&mut table, "host", faults);
            (http_check::read(&mut table, faults).map(Check::Http), host)
        }
        Kind::Https => {
            let host = read_host(&mut table, "host", faults);
            let tls = read_tls(&mut table, faults);
            (http_check::read(&mut table, faults).map(|http: HttpCheck| Check::Https(http, tls)), host)
        }
    };
    // Those of its own type have been taken.
    for (key, types) in KEYS_OF_TYPES {
        table.refuse(&[key], &format!("is for monitors of type {types}"), faults);
    }
    table.finish(&[], faults);
    let nonzero = |count: Option<Placed<u8>>, default| count.and_then(|c| NonZeroU8::new(c.value)).unwrap_or(default);
    let monitor = Monitor {
        check: check?,
        interval,
        timeout,
        rise: nonzero(rise, DEFAULT_RISE),
        fall: nonzero(fall, DEFAULT_FALL),
        hold_down: hold_down.map_or(Duration::ZERO, |hold_down| hold_down.value),
        port: port?,
    };
    Some(PlacedMonitor { monitor: Arc::new(monitor), host })
}

/// The port; what is faulty is told, and `None` then.
fn read_port(table: &mut Table<'_>, kind: Kind, faults: &mut Faults) -> Option<u16> {
    let default = match kind {
        Kind::Http => HTTP_PORT,
        Kind::Https => HTTPS_PORT,
        Kind::Dns => DNS_PORT,
        Kind::Exec => NO_PORT,
        Kind::Icmp => {
            table.refuse(&["port"], "is for monitors of other types: icmp has no ports", faults);
            return Some(NO_PORT);
        }
        Kind::Tcp | Kind::Grpc => {
            return table.require("port", faults)?.integer(1..=u16::MAX, faults).map(|port| port.value);
        }
    };
    let Some(value) = table.take("port") else { return Some(default) };
    value.integer(1..=u16::MAX, faults).map(|port| port.value)
}

fn read_times(table: &mut Table<'_>, faults: &mut Faults) -> (Duration, Duration) {
    let anchor = table.place();
    let interval = table.take("interval").and_then(|value| value.duration(INTERVAL, faults));
    let timeout = table.take("timeout").and_then(|value| value.duration(TIMEOUT, faults));
    let times = (
        interval.as_ref().map_or(DEFAULT_INTERVAL, |interval| interval.value),
        timeout.as_ref().map_or(DEFAULT_TIMEOUT, |timeout| timeout.value),
    );
    if times.1 >= times.0 {
        let message = format!("the timeout ({:?}) is not below the interval ({:?})", times.1, times.0);
        let place = timeout.or(interval).map_or(anchor, |written| written.place);
        let help = "probes of one endpoint never overlap: shorten `timeout` or lengthen `interval`";
        faults.push(Fault::error(&place, message, "").help(help));
    }
    times
}

fn read_tls(table: &mut Table<'_>, faults: &mut Faults) -> TlsCheck {
    let sni = read_host(table, "sni", faults);
    let verify = table.take("verify").and_then(|value| value.boolean(faults));
    TlsCheck { sni, verify: verify.is_none_or(|verify| verify.value) }
}

/// A host name or an address, as a `Host` field has it, without a port.
fn read_host(table: &mut Table<'_>, key: &'static str, faults: &mut Faults) -> Option<Box<str>> {
    let expected = "a host name or an address, without a port";
    let host = table.take(key)?.parsed(expected, faults, |text| {
        let name = || !text.is_empty() && text.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_.".contains(&c));
        (text.parse::<std::net::IpAddr>().is_ok() || name()).then(|| Box::from(text.trim_end_matches('.')))
    });
    host.map(|host| host.value)
}
