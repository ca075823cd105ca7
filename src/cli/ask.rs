//! Sends requests to the admin server of the running node. The server file names its address.

use std::error::Error;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use reqwest::{Client, Method, RequestBuilder, Url};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};

use super::config_file::{ConfigFile, is_there};
use super::output;
use crate::config::{self, ALL_NODES, Admin, Faults};
use crate::printable::Printable;
use crate::report::{self, Problem, Shape};
use crate::suggest::did_you_mean;

/// Longest time to connect.
const CONNECT: Duration = Duration::from_secs(2);

/// Longest time to wait for an answer. The server works on one for no longer.
const ANSWER: Duration = Duration::from_secs(60);

/// Options that name running nodes and the form of the output.
#[derive(Clone, Debug, Args)]
pub(super) struct Ask {
    // Its [admin] holds the node's address and the token.
    #[command(flatten)]
    config: ConfigFile,
    /// Ask the node at this address, such as 127.0.0.1:8053, or with this name in `[admin.nodes]` of the server file;
    /// `all` stands for all of them. May be given several times
    #[arg(long = "node", value_name = "ADDR:PORT|NAME")]
    nodes: Vec<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// An answer of the node.
pub(super) struct Answer {
    url: Url,
    is_success: bool,
    text: String,
}

/// The reason why there is no good answer.
pub(super) enum AskError {
    /// The server file has no `[admin]`.
    NoNode(String),
    /// No node answers at this address.
    Silent { at: String, why: String },
    /// The node refuses, or the request itself is wrong.
    Refused(String),
    /// The files have faults.
    Faults(Faults),
}

impl fmt::Display for AskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoNode(why) | Self::Refused(why) => f.write_str(why),
            Self::Silent { at, why } => write!(f, "no node answers at {at}: {why}"),
            Self::Faults(_) => f.write_str("the configuration has faults"),
        }
    }
}

impl AskError {
    /// Prints the error and returns the exit code for failures.
    pub(super) fn exit(&self) -> ExitCode {
        match self {
            Self::Faults(faults) => super::print_faults(faults),
            other => output::complain(format_args!("truenorth: {}", Printable(other))),
        }
        ExitCode::from(super::BAD)
    }
}

impl Answer {
    /// Parses the answer as JSON. Fails if the node refuses.
    pub(super) fn shape<T: Shape>(self) -> Result<T, AskError> {
        if !self.is_success {
            return Err(AskError::Refused(self.problem()));
        }
        self.shape_of_any()
    }

    /// Parses the answer as JSON, whether the node refuses or not.
    pub(super) fn shape_of_any<T: Shape>(self) -> Result<T, AskError> {
        report::from_json(&self.text).map_err(|why| {
            AskError::Refused(match report::from_json::<Problem>(&self.text) {
                Ok(_) => self.problem(),
                Err(_) => format!("{} sent an answer that cannot be read: {why}", self.url),
            })
        })
    }

    fn problem(&self) -> String {
        let problem = report::from_json::<Problem>(&self.text);
        problem.map_or_else(|_| format!("{} refused the request without a reason", self.url), |problem| problem.detail)
    }
}

impl Ask {
    /// The server file.
    pub(super) fn config(&self) -> PathBuf {
        self.config.path()
    }

    /// Runs a command for each node that was named, one after the other. Returns the exit code of the last one that
    /// failed.
    pub(super) fn each(&self, run: impl Fn(&Self) -> ExitCode) -> ExitCode {
        let nodes = match self.named() {
            Ok(nodes) if nodes.len() > 1 => nodes,
            Ok(nodes) => return run(&Self { nodes, ..self.clone() }),
            Err(error) => return error.exit(),
        };
        let mut code = ExitCode::SUCCESS;
        for (number, node) in nodes.into_iter().enumerate() {
            if !self.json {
                let gap = if number > 0 { "\n" } else { "" };
                output::print(format_args!("{gap}== {node}"), ExitCode::SUCCESS);
            }
            let ended = run(&Self { nodes: vec![node], ..self.clone() });
            code = if ended == ExitCode::SUCCESS { code } else { ended };
        }
        code
    }

    /// The nodes that were named, with the names that `all` stands for.
    fn named(&self) -> Result<Vec<String>, AskError> {
        if !self.nodes.iter().any(|node| node == ALL_NODES) {
            return Ok(self.nodes.clone());
        }
        let admin = config::load_admin(&self.config()).map_err(AskError::Faults)?;
        let known = admin.iter().flat_map(|admin| &admin.nodes).map(|(name, _)| name.to_string());
        let others = self.nodes.iter().filter(|node| *node != ALL_NODES).cloned();
        let mut nodes: Vec<String> = known.collect();
        if nodes.is_empty() {
            let why = format!("{} has no [admin.nodes], so nobody knows who all nodes are", self.config().display());
            return Err(AskError::NoNode(why));
        }
        nodes.extend(others.filter(|node| !nodes.contains(node)).collect::<Vec<_>>());
        Ok(nodes)
    }

    /// Sends a GET request with these parameters.
    pub(super) fn get(&self, path: &str, query: &[(&str, String)]) -> Result<Answer, AskError> {
        self.send(Method::GET, path, query, None)
    }

    /// Sends an order with this body.
    pub(super) fn order(&self, method: Method, path: &str, body: Option<&impl Shape>) -> Result<Answer, AskError> {
        self.send(method, path, &[], body.map(report::to_json_line))
    }

    /// Prints a shape, as JSON if `--json` was given. Returns `code`, or the exit code for failures if it cannot be
    /// printed.
    pub(super) fn print<T: Shape>(&self, shape: &T, text: impl FnOnce(&T) -> String, code: ExitCode) -> ExitCode {
        output::print(if self.json { report::to_json(shape) } else { text(shape) }, code)
    }

    fn send(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, String)],
        body: Option<String>,
    ) -> Result<Answer, AskError> {
        let config = self.config();
        let admin = match config::load_admin(&config) {
            // With `--node`, the server file may be missing.
            Err(faults) if self.nodes.is_empty() || is_there(&config) => return Err(AskError::Faults(faults)),
            Err(_) => None,
            Ok(admin) => admin,
        };
        let named = self.nodes.first().map(|node| address_of(node, admin.as_ref())).transpose()?;
        let Some(place) = place(named, admin.as_ref()) else {
            let why = format!("{} has no [admin], so no node can be asked", config.display());
            return Err(AskError::NoNode(why));
        };
        let host = match &place {
            NodeAddress::Network(address) => reachable(*address).to_string(),
            NodeAddress::Socket(_) => "localhost".to_owned(),
        };
        let mut url =
            Url::parse(&format!("http://{host}{path}")).map_err(|error| AskError::Refused(error.to_string()))?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let at = match &place {
            NodeAddress::Network(_) => url.origin().ascii_serialization(),
            NodeAddress::Socket(path) => path.display().to_string(),
        };
        let silent = |error: &reqwest::Error| AskError::Silent { at: at.clone(), why: root_cause(error) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| AskError::Refused(error.to_string()))?;
        runtime.block_on(async {
            let request = request(method, url.clone(), &place, admin.as_ref(), body).map_err(|error| silent(&error))?;
            let response = request.send().await.map_err(|error| silent(&error))?;
            let is_success = response.status().is_success();
            let text = response.text().await.map_err(|error| silent(&error))?;
            Ok(Answer { url: url.clone(), is_success, text })
        })
    }
}

/// The address of a node.
enum NodeAddress {
    Network(SocketAddr),
    /// A socket in the file system, which needs no token.
    Socket(PathBuf),
}

/// The address of a node that was named by its address or by a name of the server file.
fn address_of(node: &str, admin: Option<&Admin>) -> Result<SocketAddr, AskError> {
    let known = || admin.into_iter().flat_map(|admin| &admin.nodes);
    if let Some(address) = node.parse().ok().or_else(|| known().find(|(name, _)| **name == *node).map(|(_, at)| *at)) {
        return Ok(address);
    }
    let meant = did_you_mean(node, known().map(|(name, _)| &**name));
    let meant = meant.map_or_else(String::new, |name| format!(": did you mean {name}?"));
    Err(AskError::NoNode(format!("`{node}` is neither an address with a port nor a name in [admin.nodes]{meant}")))
}

/// The address to use: `named` if given, else the socket of the server file if this user may open it, else the file's
/// first address.
fn place(named: Option<SocketAddr>, admin: Option<&Admin>) -> Option<NodeAddress> {
    if let Some(address) = named {
        return Some(NodeAddress::Network(address));
    }
    let admin = admin?;
    match (&admin.socket, admin.listen.first()) {
        (Some(path), Some(address)) if UnixStream::connect(path).is_err() => Some(NodeAddress::Network(*address)),
        (Some(path), _) => Some(NodeAddress::Socket(path.clone())),
        (None, address) => address.copied().map(NodeAddress::Network),
    }
}

/// Replaces an unspecified address, on which the node listens everywhere, with loopback.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    (ip, address.port()).into()
}

fn request(
    method: Method,
    url: Url,
    place: &NodeAddress,
    admin: Option<&Admin>,
    body: Option<String>,
) -> reqwest::Result<RequestBuilder> {
    // No proxy may come between an operator and a node, because it would see the token. The server speaks plain HTTP,
    // so no certificate authority is needed.
    let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has cipher suites for TLS 1.2 and 1.3")
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let client = Client::builder().tls_backend_preconfigured(tls).no_proxy();
    let client = client.connect_timeout(CONNECT).timeout(ANSWER);
    let client = match place {
        NodeAddress::Network(_) => client,
        NodeAddress::Socket(path) => client.unix_socket(path.clone()),
    };
    let mut request = client.build()?.request(method, url);
    // The token with the most permissions; the first of several.
    let grants = admin.map_or(&[][..], |admin| &admin.grants);
    if let Some(grant) = grants.iter().rev().max_by_key(|grant| grant.may.len()) {
        request = request.bearer_auth(grant.token.reveal());
    }
    Ok(match body {
        Some(body) => request.header("Content-Type", "application/json").body(body),
        None => request,
    })
}

/// The innermost error says what happened. The outer ones only say that something failed.
fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    if error.is_timeout() {
        return "timed out".to_owned();
    }
    match cause.downcast_ref::<std::io::Error>() {
        Some(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        _ => cause.to_string(),
    }
}
