//! `[admin]`: the addresses of the admin HTTP server, and who may use it.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use subtle::ConstantTimeEq;

use crate::disk::{Contents, Disk};

use super::code::Code;
use super::decode::{Placed, TomlTable, Value, entries};
use super::fault::{Fault, Faults};
use super::kept;
use super::listen::{self, Listen};
use super::source::Place;

/// The usual port of the admin server.
const PORT: u16 = 8053;

/// Length of a token in octets. 16 hexadecimal digits are 64 bits, more than anybody can guess over a network.
const TOKEN_LENGTH: std::ops::RangeInclusive<usize> = 16..=1024;

/// Longest path of a socket in octets: 107 (unix(7)) without the ending that it has until the socket is ready.
pub(super) const MAX_SOCKET: usize = 103;

/// Stands for all nodes of `nodes`.
pub const ALL_NODES: &str = "all";

/// Longest host name, in characters.
const MAX_HOST: usize = 253;

/// The admin HTTP server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    /// The addresses that it listens on.
    pub listen: Vec<SocketAddr>,
    /// Its socket in the file system. Required if there is no address.
    pub socket: Option<PathBuf>,
    /// The tokens that requests must show one of. At least one if any address is not on loopback.
    pub grants: Vec<Grant>,
    /// Host names that requests may be sent to, in lower case. Address literals and `localhost` are always allowed.
    pub hosts: Vec<Box<str>>,
    /// Nodes that commands may be sent to by name, in the order of their names.
    pub nodes: Vec<(Box<str>, SocketAddr)>,
}

/// A token and its permissions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The `NAME` of `tokens.NAME`; `None` for the token that may do everything.
    pub name: Option<Box<str>>,
    /// The token.
    pub token: Token,
    /// The permitted purposes; at least one.
    pub may: Vec<Purpose>,
}

/// The purpose of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Read the state of the node and its events.
    Read,
    /// Report the state of endpoints, the outcome of their requests, and round trips.
    Report,
    /// List, set and unset TXT records.
    Txt,
    /// Change the answers: overrides, roll-outs and reloads.
    Order,
}

impl Purpose {
    /// All purposes with their words.
    pub const ALL: [(&'static str, Self); 4] =
        [("read", Self::Read), ("report", Self::Report), ("txt", Self::Txt), ("order", Self::Order)];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, purpose)| *purpose == self).map_or("", |(word, _)| word)
    }
}

/// A secret that requests show. Nothing prints it.
#[derive(Clone)]
pub struct Token(Arc<str>);

impl Token {
    /// The secret itself, to send it to a node.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// True if the request showed this token. The comparison takes a time that depends only on the length.
    pub fn is(&self, shown: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(shown).into()
    }
}

impl PartialEq for Token {
    fn eq(&self, other: &Self) -> bool {
        self.is(other.0.as_bytes())
    }
}

impl Eq for Token {}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// Reads `[admin]`. Relative paths are relative to `folder`. `dns` holds the addresses that serve DNS.
pub(super) fn read(
    value: Option<Value<'_>>,
    folder: &Path,
    dns: &Listen,
    disk: &Disk,
    faults: &mut Faults,
) -> Option<Admin> {
    let value = value?;
    let anchor = value.anchor();
    let before = faults.0.len();
    let mut table = value.table("`[admin]`", faults)?;
    let socket = table.take("socket");
    let listen = if socket.is_some() { table.take("listen") } else { table.require("listen", faults) };
    let listen = listen.map(|value| read_addresses(&value, faults)).unwrap_or_default();
    let socket = socket.and_then(|value| read_socket(&value, folder, faults));
    let grants = read_grants(&mut table, folder, disk, faults);
    let hosts = table.take("hosts").map(|value| value.each(faults, read_host)).unwrap_or_default();
    let nodes = read_nodes(table.take("nodes").as_ref(), faults);
    table.finish(faults);
    // A faulty token was already reported.
    if grants.is_empty() && !faults.has_errors_since(before) {
        check_loopback(&listen, &anchor, faults);
    }
    listen::check_admin(&listen, dns, faults);
    let listen: Vec<SocketAddr> = listen.into_iter().map(|address| address.value).collect();
    let is_served = !listen.is_empty() || socket.is_some();
    is_served.then_some(Admin { listen, socket, grants, hosts, nodes })
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

/// Reads the names of other nodes. A name that looks like an address would hide what `--node` means.
fn read_nodes(value: Option<&Value<'_>>, faults: &mut Faults) -> Vec<(Box<str>, SocketAddr)> {
    let mut nodes = Vec::new();
    let expected = format!("an address with a port, such as \"192.0.2.53:{PORT}\"");
    for value in entries(value, "`[admin.nodes]`", faults) {
        let name = value.key;
        let is_name = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-' || octet == b'_';
        if name.is_empty() || !name.bytes().all(is_name) || name == ALL_NODES {
            let message = format!("a node's name has letters, digits, `-` and `_`, and is not `{ALL_NODES}`");
            faults.push(Fault::error(&value.anchor(), message, "not a name").code(Code::BadValue));
            continue;
        }
        nodes.extend(listen::read_address(&value, &expected, PORT, faults).map(|address| (name.into(), address.value)));
    }
    nodes
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

/// Reads all tokens and their permissions.
fn read_grants(table: &mut TomlTable<'_>, folder: &Path, disk: &Disk, faults: &mut Faults) -> Vec<Grant> {
    let mut grants = Vec::new();
    let token = read_token(table, folder, disk, faults);
    grants.extend(token.map(|token| Grant {
        name: None,
        token,
        may: Purpose::ALL.map(|(_, purpose)| purpose).to_vec(),
    }));
    for value in entries(table.take("tokens").as_ref(), "`[admin.tokens]`", faults) {
        let Some(mut table) = value.table("a token", faults) else { continue };
        let before = faults.0.len();
        let token = read_token(&mut table, folder, disk, faults);
        if token.is_none() && !faults.has_errors_since(before) {
            let message = format!("the token `{}` needs `token` or `token_file`", value.key);
            faults.push(Fault::error(&value.anchor(), message, "none here").code(Code::MissingKey));
        }
        let may = table.require("may", faults).map(|may| {
            may.items("`may` needs a purpose", faults)
                .iter()
                .filter_map(|item| item.word(&Purpose::ALL, faults))
                .collect()
        });
        table.finish(faults);
        let may = may.map(|may: Vec<Placed<Purpose>>| may.into_iter().map(|purpose| purpose.value).collect());
        let Some((token, may)) = token.zip(may) else { continue };
        if grants.iter().any(|other| other.token == token) {
            let message = format!("the token `{}` is the same as another one", value.key);
            faults.push(Fault::error(&value.anchor(), message, "each has its own").code(Code::Credentials));
            continue;
        }
        grants.push(Grant { name: Some(value.key.into()), token, may });
    }
    grants
}

/// Reads the token, from its key or from the file that the configuration names.
fn read_token(table: &mut TomlTable<'_>, folder: &Path, disk: &Disk, faults: &mut Faults) -> Option<Token> {
    let (token, file) = (table.take("token"), table.take("token_file"));
    let expected = format!(
        "{} to {} visible characters of ASCII, such as `openssl rand -hex 32` makes",
        TOKEN_LENGTH.start(),
        TOKEN_LENGTH.end()
    );
    match (token, file) {
        (Some(token), Some(file)) => {
            let fault = Fault::error(&file.anchor(), "`token` and `token_file` both give the token", "the second one")
                .code(Code::Conflict);
            faults.push(fault.related(&token.anchor(), "the first one"));
            None
        }
        (Some(token), None) => {
            let place = token.anchor();
            kept::check(&place.source.path, "the token", &place, disk, faults);
            token.parsed(&expected, faults, parse_token).map(|token| token.value)
        }
        (None, Some(file)) => {
            let path = file.string(faults).map(|text| text.with(folder.join(&text.value)))?;
            match disk.read(&path.value) {
                Ok(Contents { octets, .. }) => {
                    kept::check(&path.value, "the token", &path.place, disk, faults);
                    let token = str::from_utf8(&octets).ok().and_then(|text| parse_token(text.trim()));
                    if token.is_none() {
                        let message = format!("{} does not hold {expected}", path.value.display());
                        faults.push(Fault::error(&path.place, message, "").code(Code::Credentials));
                    }
                    token
                }
                Err(error) => {
                    let message = format!("cannot read {}: {error}", path.value.display());
                    faults.push(Fault::error(&path.place, message, "").code(Code::File));
                    None
                }
            }
        }
        (None, None) => None,
    }
}

fn parse_token(text: &str) -> Option<Token> {
    let is_visible = text.bytes().all(|octet| octet.is_ascii_graphic());
    (TOKEN_LENGTH.contains(&text.len()) && is_visible).then(|| Token(text.into()))
}

fn read_host(item: &Value<'_>, faults: &mut Faults) -> Option<Box<str>> {
    let is_part = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_');
    let accept = |text: &str| {
        (text.len() <= MAX_HOST && text.bytes().all(is_part)).then(|| Box::from(text.to_ascii_lowercase()))
    };
    item.parsed("host names without a port, such as \"ns1.example.com\"", faults, accept).map(|host| host.value)
}

/// Requires a token for addresses that are not on loopback: whoever can send requests controls the node. Loopback is
/// open only to users of the machine.
fn check_loopback(listen: &[Placed<SocketAddr>], anchor: &Place, faults: &mut Faults) {
    for address in listen.iter().filter(|address| !address.value.ip().to_canonical().is_loopback()) {
        let message = format!("{} is not on loopback, so `[admin]` needs `token` or `token_file`", address.value.ip());
        let fault = Fault::error(&address.place, message, "others can reach it").code(Code::Credentials);
        faults.push(fault.related(anchor, "no token here"));
    }
}
