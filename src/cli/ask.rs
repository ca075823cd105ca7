//! Sends requests to the admin servers of running nodes. The server file, or `--node`, names their addresses.

mod node;

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use reqwest::{Client, Method, RequestBuilder, Url};
use rustls::{AlertDescription, CertificateError};

use super::config_file::{ConfigFile, is_there};
use super::output;
use crate::config::{self, ALL_NODES, Admin, Faults};
use crate::monitor::explain_tls;
use crate::printable::Printable;
use crate::report::{self, Problem, Shape};
use node::NodePlace;

/// Options that name running nodes and the form of the output.
#[derive(Clone, Debug, Args)]
pub(super) struct Ask {
    // The [admin] section of the server file has the node's address and the token.
    #[command(flatten)]
    config: ConfigFile,
    /// Ask the node at this address, such as 127.0.0.1:8053, at this URL, such as `<https://ns1.example.net:8053>`, or
    /// with this name in `[admin.nodes]` of the server file; `all` means all of those. May be given several times
    #[arg(long = "node", value_name = "ADDR:PORT|URL|NAME")]
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

/// The reason why a request failed.
pub(super) enum AskError {
    /// The server file, or the arguments, name no node.
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

    /// Parses the answer as JSON, even if the node refuses the request. Fails if the answer has another shape.
    pub(super) fn shape_of_any<T: Shape>(self) -> Result<T, AskError> {
        report::from_json(&self.text).map_err(|why| {
            AskError::Refused(match report::from_json::<Problem>(&self.text) {
                Ok(_) => self.problem(),
                Err(_) => format!("{} sent an answer that cannot be read: {why}", self.url),
            })
        })
    }

    /// Returns the reason why the node refuses the request.
    fn problem(&self) -> String {
        let problem = report::from_json::<Problem>(&self.text);
        problem.map_or_else(|_| format!("{} refused the request without a reason", self.url), |problem| problem.detail)
    }
}

impl Ask {
    /// Returns the path of the server file.
    pub(super) fn config(&self) -> PathBuf {
        self.config.path()
    }

    /// True if several nodes are named, or all of them.
    pub(super) fn names_several(&self) -> bool {
        self.nodes.len() > 1 || self.nodes.iter().any(|node| node == ALL_NODES)
    }

    /// Runs a command for each named node, one after the other. Returns the exit code of the last node for which it
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

    /// Returns the named nodes. Replaces `all` by the nodes of `[admin.nodes]`, and fails if there are none.
    fn named(&self) -> Result<Vec<String>, AskError> {
        if !self.nodes.iter().any(|node| node == ALL_NODES) {
            return Ok(self.nodes.clone());
        }
        let admin = config::load_admin(&self.config()).map_err(AskError::Faults)?;
        let known = admin.iter().flat_map(|admin| &admin.nodes).map(|(name, _)| name.to_string());
        let others = self.nodes.iter().filter(|node| *node != ALL_NODES).cloned();
        let mut nodes: Vec<String> = known.collect();
        if nodes.is_empty() {
            let why = format!("{} has no [admin.nodes], so `all` names no node", self.config().display());
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
    pub(super) fn order(&self, method: Method, path: &str, body: &impl Shape) -> Result<Answer, AskError> {
        self.send(method, path, &[], Some(report::to_json_line(body)))
    }

    /// Sends an order without a body.
    pub(super) fn post(&self, path: &str, query: &[(&str, String)]) -> Result<Answer, AskError> {
        self.send(Method::POST, path, query, None)
    }

    /// Prints a shape, as JSON if `--json` was given. Returns `code`, or the exit code for failures if it cannot be
    /// printed.
    pub(super) fn print<T: Shape>(&self, shape: &T, text: impl FnOnce(&T) -> String, code: ExitCode) -> ExitCode {
        output::print(if self.json { report::to_json(shape) } else { text(shape) }, code)
    }

    /// Prints what a node told, or why it told nothing. Returns the exit code.
    pub(super) fn print_told<T: Shape + fmt::Display>(&self, told: Result<T, AskError>) -> ExitCode {
        match told {
            Ok(shape) => self.print(&shape, ToString::to_string, ExitCode::SUCCESS),
            Err(error) => error.exit(),
        }
    }

    fn send(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, String)],
        body: Option<String>,
    ) -> Result<Answer, AskError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| AskError::Refused(error.to_string()))?;
        runtime.block_on(async {
            let link = self.link(self.nodes.first().map(String::as_str))?;
            link.send(method, path, query, body).await
        })
    }

    /// Returns a link to each of the named nodes, or to the one of the server file.
    pub(super) fn links(&self) -> Result<Vec<Link>, AskError> {
        let nodes = self.named()?;
        if nodes.is_empty() {
            return Ok(vec![self.link(None)?]);
        }
        nodes.iter().map(|node| self.link(Some(node))).collect()
    }

    /// Returns a link to a named node, or to the one of the server file.
    fn link(&self, named: Option<&str>) -> Result<Link, AskError> {
        let config = self.config();
        let admin = match config::load_admin(&config) {
            // If `--node` names the node, the server file may be missing.
            Err(faults) if self.nodes.is_empty() || is_there(&config) => return Err(AskError::Faults(faults)),
            Err(_) => None,
            Ok(admin) => admin,
        };
        let Some(node) = NodePlace::of(named, admin.as_ref())? else {
            let why = format!("{} has no [admin], so no node can be asked", config.display());
            return Err(AskError::NoNode(why));
        };
        let client = node.client(admin.as_ref())?.build();
        let client = client.map_err(|error| AskError::Silent { at: node.to_string(), why: root_cause(&error) })?;
        Ok(Link { node, client, admin })
    }
}

/// A node, and the client that sends requests to it.
pub(super) struct Link {
    node: NodePlace,
    client: Client,
    admin: Option<Admin>,
}

impl Link {
    /// Sends a request. Fails if the node does not answer.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, String)],
        body: Option<String>,
    ) -> Result<Answer, AskError> {
        let silent = |error: &reqwest::Error| AskError::Silent { at: self.node.to_string(), why: root_cause(error) };
        let mut url = self.node.url(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let request = request(self.client.request(method, url.clone()), self.admin.as_ref(), body);
        let response = request.send().await.map_err(|error| silent(&error))?;
        let is_success = response.status().is_success();
        let text = response.text().await.map_err(|error| silent(&error))?;
        Ok(Answer { url, is_success, text })
    }

    /// Returns the host and the port of the node; `None` if it is reached by a socket in the file system.
    pub(super) fn host_and_port(&self) -> Option<(String, u16)> {
        self.node.host_and_port()
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.node.fmt(f)
    }
}

fn request(mut request: RequestBuilder, admin: Option<&Admin>, body: Option<String>) -> RequestBuilder {
    // The token with the most permissions; the first one if several have equally many.
    let grants = admin.map_or(&[][..], |admin| &admin.grants);
    if let Some(grant) = grants.iter().rev().max_by_key(|grant| grant.may.len()) {
        request = request.bearer_auth(grant.token.reveal());
    }
    match body {
        Some(body) => request.header("Content-Type", "application/json").body(body),
        None => request,
    }
}

/// Returns the reason why a request got no answer. It is in the innermost error: the outer ones only say that something
/// failed.
fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &(dyn Error + 'static) = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    if error.is_timeout() {
        return "timed out".to_owned();
    }
    match tls_error(cause) {
        Some(rustls::Error::AlertReceived(AlertDescription::CertificateRequired)) => {
            return "the node requires a certificate: set `certificate` and `key` of [admin.connect]".to_owned();
        }
        Some(tls @ rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {
            return format!("TLS: {}; set `ca` of [admin.connect] to the authority of your nodes", explain_tls(tls));
        }
        Some(tls) => return format!("TLS: {}", explain_tls(tls)),
        None => {}
    }
    match cause.downcast_ref::<io::Error>() {
        Some(error) if error.kind() == io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        _ => cause.to_string(),
    }
}

/// Returns the TLS error in an error, if there is one. It may be wrapped in several I/O errors.
fn tls_error<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e rustls::Error> {
    let wrapped = || tls_error(error.downcast_ref::<io::Error>()?.get_ref()?);
    error.downcast_ref().or_else(wrapped)
}
