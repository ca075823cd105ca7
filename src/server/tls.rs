//! TLS for servers: one certificate for all encrypted transports, which can be replaced at any time.
//!
//! New handshakes use the new certificate; existing connections are not affected. A client gets this certificate for
//! every name that it asks for; it checks the name itself.
//!
//! Sessions can be resumed, but without early data. Early data can be replayed (RFC 8446, section 8), and saves a
//! resolver no round trip that its open connection does not save already.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};

/// The ALPN name of DNS over TLS in IANA's registry. Clients without ALPN are served too, because RFC 7858 does not
/// require it.
pub(super) const DOT: &[&[u8]] = &[b"dot"];

/// The ALPN names of HTTP, the preferred one first (RFC 9113, section 3.2).
pub(super) const HTTP: &[&[u8]] = &[HTTP_2, b"http/1.1"];

/// The ALPN name of HTTP/2.
pub(super) const HTTP_2: &[u8] = b"h2";

/// The ALPN name of DNS over QUIC (RFC 9250, section 4.1).
pub(super) const DOQ: &[&[u8]] = &[b"doq"];

/// The current certificate, with its key.
#[derive(Debug)]
pub(super) struct Shown(ArcSwap<CertifiedKey>);

impl Shown {
    pub(super) fn new(credentials: Arc<CertifiedKey>) -> Self {
        Self(ArcSwap::new(credentials))
    }

    /// Replaces the certificate. Returns true if it differs from the one before.
    pub(super) fn exchange(&self, credentials: Arc<CertifiedKey>) -> bool {
        let is_other = |old: &CertifiedKey| old.cert != credentials.cert;
        let is_other = is_other(&self.0.load());
        self.0.store(credentials);
        is_other
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _client_hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

/// Returns the TLS configuration for streams: TLS 1.2 and 1.3, with these ALPN protocols.
pub(super) fn over_tcp(shown: &Arc<Shown>, protocols: &[&[u8]]) -> Arc<ServerConfig> {
    config(&[&TLS13, &TLS12], shown, protocols)
}

/// Returns the TLS configuration for QUIC: TLS 1.3 (RFC 9001, section 4.2).
pub(super) fn over_quic(shown: &Arc<Shown>, protocols: &[&[u8]]) -> Arc<ServerConfig> {
    config(&[&TLS13], shown, protocols)
}

fn config(
    versions: &[&'static rustls::SupportedProtocolVersion],
    shown: &Arc<Shown>,
    protocols: &[&[u8]],
) -> Arc<ServerConfig> {
    // The provider is named here, so that it does not depend on other libraries in the process.
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .expect("ring has cipher suites for TLS 1.2 and 1.3")
        .with_no_client_auth()
        .with_cert_resolver(shown.clone());
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Arc::new(config)
}
