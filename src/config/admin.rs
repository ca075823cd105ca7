//! `[admin]`: the addresses of the admin HTTP server, who may use it, and how commands reach it and other nodes.

mod connect;
mod grants;
mod tls;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::disk::Disk;

use super::code::Code;
use super::decode::{Placed, Value};
use super::fault::{Fault, Faults};
use super::listen::{self, Listen};
use super::source::Place;

pub use connect::{Connect, Identity, NodeUrl};
pub use grants::{Client, Grant, Purpose, Token};
pub use tls::AdminTls;
pub(super) use tls::TlsFiles;

/// The usual port of the admin server.
const PORT: u16 = 8053;

/// Longest path of a socket in octets: 107 (unix(7)) without the ending that it has until the socket is ready.
pub(super) const MAX_SOCKET: usize = 103;

/// Stands for all nodes of `nodes`.
pub const ALL_NODES: &str = "all";

/// Longest host name, in characters.
const MAX_HOST: usize = 253;

/// The admin HTTP server, and how commands reach it and other nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    /// The addresses that it listens on.
    pub listen: Vec<SocketAddr>,
    /// Its socket in the file system.
    pub socket: Option<PathBuf>,
    /// The tokens that requests must show one of. Unless clients show certificates, there is at least one if any
    /// address is not on loopback.
    pub grants: Vec<Grant>,
    /// The clients that need no token, because their certificate says who they are.
    pub clients: Vec<Client>,
    /// Host names that requests may be sent to, in lower case. Address literals and `localhost` are always allowed.
    pub hosts: Vec<Box<str>>,
    /// Nodes that commands may be sent to by name, in the order of their names.
    pub nodes: Vec<(Box<str>, NodeUrl)>,
    /// How commands connect to nodes over TLS.
    pub connect: Connect,
    /// True if connections to addresses that are not on loopback use TLS.
    pub is_encrypted: bool,
}

/// `[admin]`, with the files that its server needs and commands do not.
pub(super) struct AdminSection {
    pub(super) admin: Admin,
    pub(super) tls: Option<TlsFiles>,
}

impl Admin {
    /// True if there is an admin server. Otherwise only commands use the section.
    pub fn is_served(&self) -> bool {
        !self.listen.is_empty() || self.socket.is_some()
    }
}

/// True if only programs of this machine reach the address.
pub fn is_loopback(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

/// Reads `[admin]`. Relative paths are relative to `folder`. `dns` holds the addresses that serve DNS.
pub(super) fn read(
    value: Option<Value<'_>>,
    folder: &Path,
    dns: &Listen,
    disk: &Disk,
    faults: &mut Faults,
) -> Option<AdminSection> {
    let value = value?;
    let anchor = value.anchor();
    let before = faults.0.len();
    let mut table = value.table("`[admin]`", faults)?;
    let (socket, nodes, connect) = (table.take("socket"), table.take("nodes"), table.take("connect"));
    // A file that only says how to reach other nodes is for commands.
    let may_be_silent = socket.is_some() || nodes.is_some() || connect.is_some();
    let listen = if may_be_silent { table.take("listen") } else { table.require("listen", faults) };
    let listen = listen.map(|value| read_addresses(&value, faults)).unwrap_or_default();
    let socket = socket.and_then(|value| read_socket(&value, folder, faults));
    let grants = grants::read_grants(&mut table, folder, disk, faults);
    let clients = table.take("clients");
    let tls = tls::read(&mut table, &listen, clients.as_ref().map(Value::anchor), faults);
    let clients = grants::read_clients(clients.as_ref(), faults);
    let hosts = table.take("hosts").map(|value| value.each(faults, read_host)).unwrap_or_default();
    let nodes = connect::read_nodes(nodes.as_ref(), faults);
    let connect = connect::read(connect, faults);
    table.finish(faults);
    // A faulty token was already reported.
    let is_open = grants.is_empty() && !tls.as_ref().is_some_and(TlsFiles::are_clients_verified);
    if is_open && !faults.has_errors_since(before) {
        check_loopback(&listen, &anchor, faults);
    }
    listen::check_admin(&listen, dns, faults);
    let listen: Vec<SocketAddr> = listen.into_iter().map(|address| address.value).collect();
    let is_encrypted = tls.is_some();
    let admin = Admin { listen, socket, grants, clients, hosts, nodes, connect, is_encrypted };
    Some(AdminSection { admin, tls })
}

/// Reads an address or a list of addresses.
fn read_addresses(value: &Value<'_>, faults: &mut Faults) -> Vec<Placed<SocketAddr>> {
    let items = if value.is_string() {
        vec![value.clone()]
    } else {
        value.items("`listen` needs an address; without `[admin]` there is no admin server", faults)
    };
    let expected = format!("an address with a port, such as \"127.0.0.1:{PORT}\" or \"[::1]:{PORT}\"");
    let mut addresses: Vec<Placed<SocketAddr>> = Vec::new();
    for item in items {
        let Some(address) = listen::read_address(&item, &expected, PORT, faults) else { continue };
        if addresses.iter().any(|other| other.value == address.value) {
            let message = format!("`listen` names {} twice", address.value);
            faults.push(Fault::error(&address.place, message, "again").code(Code::Duplicate));
            continue;
        }
        addresses.push(address);
    }
    addresses
}

/// Reads the path of the socket in the file system.
fn read_socket(value: &Value<'_>, folder: &Path, faults: &mut Faults) -> Option<PathBuf> {
    let text = value.string(faults)?;
    let path = folder.join(&text.value);
    if path.as_os_str().len() > MAX_SOCKET {
        let message = format!("{} is too long for a socket: {MAX_SOCKET} octets at most", path.display());
        faults.push(Fault::error(&text.place, message, "").code(Code::BadValue));
        return None;
    }
    Some(path)
}

fn read_host(item: &Value<'_>, faults: &mut Faults) -> Option<Box<str>> {
    let is_part = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_');
    let accept = |text: &str| {
        (text.len() <= MAX_HOST && text.bytes().all(is_part)).then(|| Box::from(text.to_ascii_lowercase()))
    };
    item.parsed("host names without a port, such as \"ns1.example.com\"", faults, accept).map(|host| host.value)
}

/// Requires tokens or certificates of clients for addresses that are not on loopback: whoever can send requests controls
/// the node. Loopback is open only to users of the machine.
fn check_loopback(listen: &[Placed<SocketAddr>], anchor: &Place, faults: &mut Faults) {
    for address in listen.iter().filter(|address| !is_loopback(address.value)) {
        let message = format!(
            "{} is not on loopback, so `[admin]` needs `token`, `token_file` or `client_ca`",
            address.value.ip()
        );
        let fault = Fault::error(&address.place, message, "others can reach it").code(Code::Credentials);
        faults.push(fault.related(anchor, "no token here"));
    }
}
