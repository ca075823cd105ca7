//! What a node needs to know to join its fleet.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::sign::CertifiedKey;

use crate::vantage::NodeName;

/// The connection of a node to its fleet.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The name of the fleet: a part of all subjects.
    pub fleet: Box<str>,
    /// The name of this node.
    pub node: NodeName,
    /// The URLs of the NATS servers, at least one.
    pub servers: Vec<Box<str>>,
    /// How the node shows who it is.
    pub login: Login,
    /// The authorities that the servers' certificates must be from; `None` for those of the system.
    pub authorities: Option<Vec<CertificateDer<'static>>>,
    /// The certificate that the node shows, if it does.
    pub identity: Option<Identity>,
    /// Longest time between two reports. Broken connections are found in a few of these.
    pub interval: Duration,
}

/// The certificate that the node shows to servers, with its key.
#[derive(Clone, Debug)]
pub struct Identity(pub Arc<CertifiedKey>);

/// How the node shows to a NATS server who it is.
#[derive(Clone, Debug)]
pub enum Login {
    /// Not at all, or by its certificate.
    Open,
    /// By the contents of a `.creds` file: a JWT and the seed of its nkey.
    Credentials(Secret),
    /// By the seed of an nkey.
    Nkey(Secret),
    /// By a user's name and password.
    Password(Box<str>, Secret),
}

/// A text that nothing prints.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Keeps this text.
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// The text itself, to show it to a server.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}
