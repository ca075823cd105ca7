//! `[resolver]`: the servers that are asked for the addresses of hosts.

use std::net::SocketAddr;

use super::code::Code;
use super::decode::Value;
use super::fault::{Fault, Faults};
use super::listen;

/// Maximum number of servers, as in `/etc/resolv.conf`: each silent one costs seconds.
const MAX_SERVERS: usize = 3;

const DNS_PORT: u16 = 53;

/// Reads the servers; empty for those of the system.
pub(super) fn read(value: Option<Value<'_>>, faults: &mut Faults) -> Vec<SocketAddr> {
    let Some(mut table) = value.and_then(|value| value.table("`[resolver]`", faults)) else { return Vec::new() };
    let servers = table.require("servers", faults);
    table.finish(faults);
    let Some(servers) = servers else { return Vec::new() };
    let addresses = listen::read_addresses(&servers, DNS_PORT, faults);
    if let Some(more) = addresses.get(MAX_SERVERS) {
        let message = format!("`servers` names at most {MAX_SERVERS} servers");
        faults.push(Fault::error(&more.place, message, "one too many").code(Code::Limit));
    }
    addresses.into_iter().map(|address| address.value).collect()
}
