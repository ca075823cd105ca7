//! The sockets of another process in `/proc`, to find the addresses of a node without a readable log.

use std::collections::BTreeSet;
use std::fs;

/// `TCP_LISTEN` of the kernel's `net/tcp_states.h`, as `/proc/net/tcp` prints it.
const LISTENING: &str = "0A";

/// An address of its own as `/proc/net` prints it: 127.0.0.1, the least octet first.
const LOOPBACK: &str = "0100007F";

/// Ports of loopback that a process receives datagrams on.
pub(super) fn udp_ports(pid: u32) -> BTreeSet<u16> {
    // The state of a UDP socket that is not connected is 07, closed.
    ports(pid, "udp", "07")
}

/// Ports of loopback that a process listens on for connections.
pub(super) fn listening_ports(pid: u32) -> BTreeSet<u16> {
    ports(pid, "tcp", LISTENING)
}

fn ports(pid: u32, protocol: &str, state: &str) -> BTreeSet<u16> {
    let sockets = sockets(pid);
    // Fields of a line: number, local address, remote address, state, six others, inode (proc(5)).
    let table = fs::read_to_string(format!("/proc/{pid}/net/{protocol}")).unwrap_or_default();
    let port = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (address, port) = fields.get(1)?.split_once(':')?;
        let is_its = address == LOOPBACK && *fields.get(3)? == state && sockets.contains(*fields.get(9)?);
        is_its.then(|| u16::from_str_radix(port, 16).ok())?
    };
    table.lines().skip(1).filter_map(port).collect()
}

/// The inodes of a process's sockets.
fn sockets(pid: u32) -> BTreeSet<String> {
    let Ok(descriptors) = fs::read_dir(format!("/proc/{pid}/fd")) else { return BTreeSet::new() };
    let inode = |link: String| Some(link.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned());
    let links = descriptors.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    links.filter_map(|link| inode(link.to_str()?.to_owned())).collect()
}
