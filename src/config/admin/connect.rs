//! `[admin.nodes]` and `[admin.connect]`: how commands reach nodes.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use url::{Position, Url};

use super::super::certificate;
use super::super::code::Code;
use super::super::decode::{Placed, Value, entries};
use super::super::fault::{Fault, Faults};
use super::super::meant;
use super::{ALL_NODES, PORT};
use crate::disk::Disk;

/// The place of a node's admin server: `http://` or `https://` with a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeUrl(Url);

impl NodeUrl {
    /// Reads an address with a port, which is reached by plain HTTP, or a URL without a path.
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(address) = text.parse() {
            return Self::of(address, false);
        }
        let url = Url::parse(text).ok()?;
        let is_bare = url.username().is_empty() && url.password().is_none() && &url[Position::BeforePath..] == "/";
        (matches!(url.scheme(), "http" | "https") && url.has_host() && is_bare).then_some(Self(url))
    }

    /// The URL of an address; `None` for an address with a scope, such as `[fe80::1%2]:8053`, which has none.
    pub fn of(address: SocketAddr, is_encrypted: bool) -> Option<Self> {
        let scheme = if is_encrypted { "https" } else { "http" };
        Url::parse(&format!("{scheme}://{address}")).ok().map(Self)
    }

    /// True if the node is reached over TLS.
    pub fn is_encrypted(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// The URL.
    pub fn url(&self) -> &Url {
        &self.0
    }
}

/// Writes the URL without a path.
impl fmt::Display for NodeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0[..Position::BeforePath])
    }
}

/// How commands connect over TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Connect {
    ca: Option<Placed<PathBuf>>,
    certificate: Option<(Placed<PathBuf>, Placed<PathBuf>)>,
}

/// The certificates of a command.
#[derive(Debug, Default)]
pub struct Identity {
    /// The authorities that may sign the certificates of nodes; `None` for those of the system.
    pub authorities: Option<Vec<CertificateDer<'static>>>,
    /// The certificate that the command shows, with its chain and its key.
    pub shown: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
}

impl Connect {
    /// Reads the files. Fails with their faults; warnings are left out.
    pub fn read(&self) -> Result<Identity, Faults> {
        let (disk, mut faults) = (Disk::new(), Faults::default());
        let authorities = self.ca.as_ref().and_then(|file| certificate::read_authorities(file, &disk, &mut faults));
        let shown = self.certificate.as_ref().and_then(|(certificate, key)| {
            let read = certificate::read(certificate, key, &disk, &mut faults)?;
            Some((read.certified.cert.clone(), read.key))
        });
        if faults.has_errors() { Err(faults) } else { Ok(Identity { authorities, shown }) }
    }
}

/// Reads `[admin.connect]`.
pub(super) fn read(value: Option<Value<'_>>, faults: &mut Faults) -> Connect {
    let Some(mut table) = value.and_then(|value| value.table("`[admin.connect]`", faults)) else {
        return Connect::default();
    };
    let ca = table.take("ca").and_then(|value| value.path(faults));
    let certificate = match (table.take("certificate"), table.take("key")) {
        (Some(certificate), Some(key)) => certificate.path(faults).zip(key.path(faults)),
        (None, None) => None,
        (Some(alone), None) => lone(&alone, "key", faults),
        (None, Some(alone)) => lone(&alone, "certificate", faults),
    };
    table.finish(faults);
    Connect { ca, certificate }
}

fn lone<T>(value: &Value<'_>, other: &str, faults: &mut Faults) -> Option<T> {
    let message = format!("`{}` needs `{other}`", value.key);
    faults.push(Fault::error(&value.anchor(), message, format!("`{other}` is missing here")).code(Code::MissingKey));
    None
}

/// Reads the names of other nodes. A name that looks like an address would hide what `--node` means.
pub(super) fn read_nodes(value: Option<&Value<'_>>, faults: &mut Faults) -> Vec<(Box<str>, NodeUrl)> {
    let mut nodes = Vec::new();
    let expected = format!(
        "an address with a port, such as \"192.0.2.53:{PORT}\", or a URL such as \"https://ns1.example.net:{PORT}\""
    );
    for value in entries(value, "`[admin.nodes]`", faults) {
        let name = value.key;
        let is_name = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-' || octet == b'_';
        if name.is_empty() || !name.bytes().all(is_name) || name == ALL_NODES {
            let message = format!("a node's name has letters, digits, `-` and `_`, and is not `{ALL_NODES}`");
            faults.push(Fault::error(&value.anchor(), message, "not a name").code(Code::BadValue));
            continue;
        }
        let text = value.text().unwrap_or_default();
        match NodeUrl::parse(text) {
            Some(url) => nodes.push((name.into(), url)),
            None if text.is_empty() => value.unexpected(&expected, faults).unwrap_or_default(),
            None => {
                let label =
                    meant::socket(text, PORT).map_or_else(String::new, |meant| format!("did you mean {meant}?"));
                let message = format!("`{name}` takes {expected}");
                faults.push(Fault::error(&value.place(), message, label).code(Code::BadValue));
            }
        }
    }
    nodes
}
