//! Which node of the demo asks an endpoint: all of them ask from the same loopback address, so the owner of the socket
//! tells.

use std::fs;
use std::net::{SocketAddr, SocketAddrV4};
use std::sync::{Arc, Mutex, PoisonError};

/// The column of `/proc/net/tcp` with the number of the socket.
const INODE: usize = 9;

/// The nodes of the demo by their processes.
#[derive(Clone, Debug, Default)]
pub(super) struct Askers(Arc<Mutex<Vec<(u32, &'static str)>>>);

impl Askers {
    /// Adds a node with this process.
    pub(super) fn add(&self, process: u32, node: &'static str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((process, node));
    }

    /// The names of all nodes.
    pub(super) fn names(&self) -> Vec<&'static str> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().map(|(_, node)| *node).collect()
    }

    /// The name of the node that holds the connection from `asker` to `endpoint`; `None` if no node does.
    pub(super) fn name_of(&self, asker: SocketAddr, endpoint: SocketAddrV4) -> Option<&'static str> {
        let SocketAddr::V4(asker) = asker else { return None };
        let table = fs::read_to_string("/proc/net/tcp").ok()?;
        let link = format!("socket:[{}]", inode(&table, asker, endpoint)?);
        let nodes = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        nodes.into_iter().find(|(process, _)| holds(*process, &link)).map(|(_, node)| node)
    }
}

/// The number of the socket at `asker` that is connected to `endpoint`.
fn inode(table: &str, asker: SocketAddrV4, endpoint: SocketAddrV4) -> Option<&str> {
    // The kernel prints addresses as the numbers that they are in memory.
    let text = |at: SocketAddrV4| format!("{:08X}:{:04X}", u32::from_ne_bytes(at.ip().octets()), at.port());
    let ends = [text(asker), text(endpoint)];
    let line = table.lines().find(|line| line.split_whitespace().skip(1).take(2).eq(ends.iter().map(String::as_str)));
    line?.split_whitespace().nth(INODE)
}

fn holds(process: u32, link: &str) -> bool {
    let Ok(open) = fs::read_dir(format!("/proc/{process}/fd")) else { return false };
    open.flatten().any(|entry| fs::read_link(entry.path()).is_ok_and(|target| target.as_os_str() == link))
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn the_process_that_asks_is_found_by_its_socket() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let SocketAddr::V4(endpoint) = listener.local_addr().unwrap() else { panic!("no IPv4") };
        let stream = TcpStream::connect(endpoint).unwrap();
        let asker = stream.local_addr().unwrap();
        let askers = Askers::default();
        assert_eq!(askers.name_of(asker, endpoint), None);
        askers.add(std::process::id(), "ns1");
        assert_eq!(askers.name_of(asker, endpoint), Some("ns1"));
        drop(stream);
        let elsewhere = SocketAddrV4::new([127, 0, 0, 1].into(), 1);
        assert_eq!(askers.name_of(elsewhere.into(), endpoint), None);
    }
}
