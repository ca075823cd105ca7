//! TLS as a server: one certificate for everything encrypted, which may be exchanged at any time.
//!
//! Handshakes that begin after an exchange show the new certificate; connections that are there do not notice. Whatever
//! name a client asks for, it gets this certificate: it knows whether that is whom it meant.
//!
//! Sessions may be resumed, but without early data: it could be replayed (RFC 8446, section 8), and an answer saves a
//! resolver no round trip that its open connection does not save already.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};

/// ALPN's name of DNS over TLS, as IANA has it. Clients that name no protocol are served too: RFC 7858 asks for none.
pub(super) const DOT: &[&[u8]] = &[b"dot"];

/// ALPN's names of HTTP, the better one first (RFC 9113, section 3.2).
pub(super) const HTTP: &[&[u8]] = &[HTTP_2, b"http/1.1"];

/// ALPN's name of HTTP/2.
pub(super) const HTTP_2: &[u8] = b"h2";

/// ALPN's name of DNS over QUIC (RFC 9250, section 4.1).
pub(super) const DOQ: &[&[u8]] = &[b"doq"];

/// The certificate that is shown, with its key.
#[derive(Debug)]
pub(super) struct Shown(ArcSwap<CertifiedKey>);

impl Shown {
    pub(super) fn new(credentials: Arc<CertifiedKey>) -> Self {
        Self(ArcSwap::new(credentials))
    }

    /// Shows another certificate from now on. Whether it is another one.
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

/// TLS 1.2 and 1.3 for streams, with these protocols inside.
pub(super) fn over_tcp(shown: &Arc<Shown>, protocols: &[&[u8]]) -> Arc<ServerConfig> {
    config(&[&TLS13, &TLS12], shown, protocols)
}

/// TLS 1.3, which QUIC demands (RFC 9001, section 4.2).
pub(super) fn over_quic(shown: &Arc<Shown>, protocols: &[&[u8]]) -> Arc<ServerConfig> {
    config(&[&TLS13], shown, protocols)
}

fn config(
    versions: &[&'static rustls::SupportedProtocolVersion],
    shown: &Arc<Shown>,
    protocols: &[&[u8]],
) -> Arc<ServerConfig> {
    // Named rather than taken from the process, so that it is the same whatever else is linked in or installed.
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .expect("ring has cipher suites for TLS 1.2 and 1.3")
        .with_no_client_auth()
        .with_cert_resolver(shown.clone());
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Arc::new(config)
}
