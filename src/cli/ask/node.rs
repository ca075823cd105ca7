//! The place of a running node's admin server, and the HTTP client for it.
//!
//! | `--node` | place |
//! | --- | --- |
//! | none | the socket of the server file, if this user may open it; else its first loopback address; else its first address |
//! | `ADDR:PORT` | plain HTTP there |
//! | a URL | HTTP or HTTPS there |
//! | a name | the URL of that name in `[admin.nodes]` |

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, ClientBuilder, Url};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};

use super::AskError;
use crate::config::{Admin, Identity, NodeUrl, is_loopback};
use crate::suggest::did_you_mean;

/// Maximum time to connect.
const CONNECT: Duration = Duration::from_secs(2);

/// Maximum time to wait for an answer. The server works on a request for no longer than this.
const ANSWER: Duration = Duration::from_secs(60);

/// The place of a node's admin server.
pub(super) struct NodePlace {
    url: NodeUrl,
    way: Way,
}

/// The way to a node.
enum Way {
    /// The host and port of the URL.
    Url,
    /// A port of this machine, where the server has the certificate of the URL's host.
    Address(SocketAddr),
    /// A socket in the file system, which needs no token.
    Socket(PathBuf),
}

impl NodePlace {
    /// Returns the place of the named node, or of the one in the server file. Returns `None` if no node is named and
    /// the file has none. Fails if the name means nothing.
    pub(super) fn of(named: Option<&str>, admin: Option<&Admin>) -> Result<Option<Self>, AskError> {
        match named {
            Some(named) => Ok(Some(Self { url: url_of(named, admin)?, way: Way::Url })),
            None => admin.map_or(Ok(None), Self::own),
        }
    }

    /// Returns the place of the node in the server file; `None` if it has no address and no socket that can be opened.
    fn own(admin: &Admin) -> Result<Option<Self>, AskError> {
        let address = admin.listen.iter().find(|address| is_loopback(**address)).or(admin.listen.first()).copied();
        if let Some(path) = &admin.socket
            && (address.is_none() || UnixStream::connect(path).is_ok())
        {
            return Ok(Some(Self { url: url("http", "localhost")?, way: Way::Socket(path.clone()) }));
        }
        let Some(address) = address else { return Ok(None) };
        let is_encrypted = admin.is_encrypted && !is_loopback(address);
        let address = reachable(address);
        let Some(host) = admin.hosts.first().filter(|_| is_encrypted) else {
            return Ok(Some(Self { url: of_address(address, is_encrypted)?, way: Way::Url }));
        };
        let url = url("https", &format!("{host}:{}", address.port()))?;
        Ok(Some(Self { url, way: Way::Address(address) }))
    }

    /// Returns the host and the port of the node; `None` if it is reached by a socket in the file system.
    pub(super) fn host_and_port(&self) -> Option<(String, u16)> {
        match &self.way {
            Way::Socket(_) => None,
            Way::Address(address) => Some((address.ip().to_string(), address.port())),
            Way::Url => {
                let url = self.url.url();
                let host = url.host_str()?.trim_start_matches('[').trim_end_matches(']');
                Some((host.to_owned(), url.port_or_known_default()?))
            }
        }
    }

    /// Returns the URL of a path.
    pub(super) fn url(&self, path: &str) -> Url {
        let mut url = self.url.url().clone();
        url.set_path(path);
        url
    }

    /// Returns the HTTP client for the node. Fails if the certificates of the server file cannot be used.
    pub(super) fn client(&self, admin: Option<&Admin>) -> Result<ClientBuilder, AskError> {
        let identity = match admin.filter(|_| self.url.is_encrypted()) {
            Some(admin) => admin.connect.read().map_err(AskError::Faults)?,
            None => Identity::default(),
        };
        let tls = tls(identity, self.url.is_encrypted())?;
        // No proxy may come between an operator and a node, because it would see the token.
        let client = Client::builder().tls_backend_preconfigured(tls).no_proxy();
        let client = client.connect_timeout(CONNECT).timeout(ANSWER);
        Ok(match &self.way {
            Way::Url => client,
            Way::Address(address) => client.resolve(self.url.url().host_str().unwrap_or_default(), *address),
            Way::Socket(path) => client.unix_socket(path.clone()),
        })
    }
}

/// Displays the place for messages.
impl fmt::Display for NodePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.way {
            Way::Url => write!(f, "{}", self.url),
            Way::Address(address) => write!(f, "{} ({})", self.url, address.ip()),
            Way::Socket(path) => write!(f, "{}", path.display()),
        }
    }
}

fn url(scheme: &str, host: &str) -> Result<NodeUrl, AskError> {
    NodeUrl::parse(&format!("{scheme}://{host}"))
        .ok_or_else(|| AskError::NoNode(format!("{host} cannot be a part of a URL")))
}

fn of_address(address: SocketAddr, is_encrypted: bool) -> Result<NodeUrl, AskError> {
    let url = NodeUrl::of(address, is_encrypted);
    url.ok_or_else(|| AskError::NoNode(format!("{address} cannot be a part of a URL")))
}

/// Returns the URL of a node that is named by its address, its URL or a name of the server file. Fails if it is none of
/// these.
fn url_of(node: &str, admin: Option<&Admin>) -> Result<NodeUrl, AskError> {
    let known = || admin.into_iter().flat_map(|admin| &admin.nodes);
    if let Ok(address) = node.parse::<SocketAddr>() {
        return of_address(reachable(address), false);
    }
    let found = known().find(|(name, _)| **name == *node).map(|(_, url)| url.clone());
    if let Some(url) = found.or_else(|| NodeUrl::parse(node)) {
        return Ok(url);
    }
    let meant = did_you_mean(node, known().map(|(name, _)| &**name));
    let meant = meant.map_or_else(String::new, |name| format!(": did you mean {name}?"));
    Err(AskError::NoNode(format!(
        "`{node}` is neither an address with a port, nor an http or https URL without a path, nor a name in \
         [admin.nodes]{meant}"
    )))
}

/// Replaces the unspecified address, which means that a server listens on all addresses, by the loopback address.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    (ip, address.port()).into()
}

/// Returns the TLS configuration of a command. A connection without TLS needs no authorities. Fails if the certificate
/// cannot be used.
fn tls(identity: Identity, is_encrypted: bool) -> Result<ClientConfig, AskError> {
    let mut roots = RootCertStore::empty();
    if is_encrypted {
        let system = || rustls_native_certs::load_native_certs().certs;
        roots.add_parsable_certificates(identity.authorities.unwrap_or_else(system));
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has cipher suites for TLS 1.2 and 1.3")
        .with_root_certificates(roots);
    match identity.shown {
        None => Ok(builder.with_no_client_auth()),
        Some((chain, key)) => {
            let shown = builder.with_client_auth_cert(chain, key);
            shown.map_err(|error| {
                AskError::Refused(format!("the certificate of [admin.connect] cannot be used: {error}"))
            })
        }
    }
}
