//! `[connections]`: how many connections clients may have, and how long they may be idle.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::code::Code;
use super::decode::Value;
use super::fault::{Fault, Faults};

/// Range of `max` and `per_client`.
const CONNECTIONS: RangeInclusive<u32> = 1..=1_000_000;

/// Range of `idle`. RFC 7766, section 6.2.3, recommends a few seconds.
const IDLE: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(3600);

/// Limits of connections over TCP, TLS, HTTPS and QUIC together. `None` means the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Connections {
    /// Most connections.
    pub max: Option<usize>,
    /// Most connections of an IPv4 address or an IPv6 /64.
    pub per_client: Option<usize>,
    /// Longest time without a query.
    pub idle: Option<Duration>,
}

/// Reads `[connections]`.
pub(super) fn read(value: Option<Value<'_>>, faults: &mut Faults) -> Connections {
    let Some(mut table) = value.and_then(|value| value.table("`[connections]`", faults)) else {
        return Connections::default();
    };
    let max = table.take("max").and_then(|value| value.integer(CONNECTIONS, faults));
    let per_client = table.take("per_client").and_then(|value| value.integer(CONNECTIONS, faults));
    let idle = table.take("idle").and_then(|value| value.duration(IDLE, faults));
    table.finish(faults);
    if let (Some(max), Some(per_client)) = (&max, &per_client)
        && per_client.value > max.value
    {
        let message = format!("a client cannot have {} connections: there are {}", per_client.value, max.value);
        faults.push(
            Fault::error(&per_client.place, message, "more than `max`").related(&max.place, "all").code(Code::Conflict),
        );
    }
    Connections {
        max: max.map(|max| max.value as usize),
        per_client: per_client.map(|per_client| per_client.value as usize),
        idle: idle.map(|idle| idle.value),
    }
}
