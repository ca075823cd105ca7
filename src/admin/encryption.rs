//! TLS on the listeners that other machines reach.
//!
//! The task of a connection does its handshake. The connection is in the hall during that time, so a slow handshake can
//! be closed for a new connection, and it has a time limit. Each connection uses the certificates that are configured
//! when it begins. A change does not affect connections that exist already.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tracing::debug;

use crate::config::AdminTls;
use crate::tls::{self, Shown};

/// Maximum time of a handshake.
const HANDSHAKE_TIME: Duration = Duration::from_secs(5);

/// The present certificates of the listeners.
#[derive(Debug, Default)]
pub(super) struct Encryption {
    /// `None` if connections are not encrypted.
    config: ArcSwapOption<ServerConfig>,
}

/// The names in the certificate that a client showed; `None` if it showed none.
#[derive(Clone, Debug, Default)]
pub(super) struct Peer(pub(super) Option<Arc<[Box<str>]>>);

impl Encryption {
    pub(super) fn new(tls: Option<&AdminTls>) -> Self {
        let encryption = Self::default();
        encryption.exchange(tls);
        encryption
    }

    /// Uses these certificates for new connections. With `None`, new connections are not encrypted.
    pub(super) fn exchange(&self, tls: Option<&AdminTls>) {
        let config = |AdminTls { credentials, clients }: &AdminTls| {
            tls::over_tcp(&Arc::new(Shown::new(credentials.clone())), tls::ADMIN, clients.clone())
        };
        self.config.store(tls.map(config));
    }

    /// Returns the acceptor of handshakes; `None` if connections are not encrypted.
    pub(super) fn acceptor(&self) -> Option<TlsAcceptor> {
        self.config.load_full().map(TlsAcceptor::from)
    }
}

/// Returns the stream after its handshake, and the names of the client. `None` if the client does not speak TLS, shows
/// no acceptable certificate, or takes too long.
pub(super) async fn handshake<S: AsyncRead + AsyncWrite + Unpin>(
    acceptor: &TlsAcceptor,
    stream: S,
) -> Option<(TlsStream<S>, Peer)> {
    match timeout(HANDSHAKE_TIME, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => {
            let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
            let names = shown.map(|certificate| tls::names(certificate).into());
            Some((stream, Peer(names)))
        }
        Ok(Err(error)) => {
            debug!(%error, "the TLS handshake with a client of the admin server failed");
            None
        }
        Err(_) => None,
    }
}
