//! TLS for servers: the certificate of encrypted DNS and that of the admin server, which can be replaced at any time.
//!
//! New handshakes use the new certificate; existing connections are not affected. A client gets this certificate for
//! every name that it asks for; it checks the name itself.
//!
//! Sessions can be resumed, but without early data. Early data can be replayed (RFC 8446, section 8), and saves a
//! resolver no round trip that its open connection does not save already. Where clients show certificates, sessions are
//! not resumed: each connection proves again who it is.

use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// The ALPN name of DNS over TLS in IANA's registry. Clients without ALPN are served too, because RFC 7858 does not
/// require it.
pub(crate) const DOT: &[&[u8]] = &[b"dot"];

/// The ALPN names of HTTP, the preferred one first (RFC 9113, section 3.2).
pub(crate) const HTTP: &[&[u8]] = &[HTTP_2, HTTP_1];

/// The ALPN names of the admin server, which speaks only HTTP/1.1.
pub(crate) const ADMIN: &[&[u8]] = &[HTTP_1];

/// The ALPN name of HTTP/1.1 (RFC 7301, section 6).
const HTTP_1: &[u8] = b"http/1.1";

/// The ALPN name of HTTP/2.
pub(crate) const HTTP_2: &[u8] = b"h2";

/// The ALPN name of DNS over QUIC (RFC 9250, section 4.1).
pub(crate) const DOQ: &[&[u8]] = &[b"doq"];

/// The current certificate, with its key.
#[derive(Debug)]
pub(crate) struct Shown(ArcSwap<CertifiedKey>);

impl Shown {
    pub(crate) fn new(credentials: Arc<CertifiedKey>) -> Self {
        Self(ArcSwap::new(credentials))
    }

    /// Replaces the certificate.
    pub(crate) fn exchange(&self, credentials: Arc<CertifiedKey>) {
        self.0.store(credentials);
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _client_hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

/// Returns the TLS configuration for streams: TLS 1.2 and 1.3, with these ALPN protocols. With a verifier, clients must
/// show a certificate that it accepts.
pub(crate) fn over_tcp(
    shown: &Arc<Shown>,
    protocols: &[&[u8]],
    clients: Option<Arc<dyn ClientCertVerifier>>,
) -> Arc<ServerConfig> {
    config(&[&TLS13, &TLS12], shown, protocols, clients)
}

/// Returns the TLS configuration for QUIC: TLS 1.3 (RFC 9001, section 4.2).
pub(crate) fn over_quic(shown: &Arc<Shown>, protocols: &[&[u8]]) -> Arc<ServerConfig> {
    config(&[&TLS13], shown, protocols, None)
}

fn config(
    versions: &[&'static rustls::SupportedProtocolVersion],
    shown: &Arc<Shown>,
    protocols: &[&[u8]],
    clients: Option<Arc<dyn ClientCertVerifier>>,
) -> Arc<ServerConfig> {
    // The provider is named here, so that it does not depend on other libraries in the process.
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .expect("ring has cipher suites for TLS 1.2 and 1.3");
    let are_clients_verified = clients.is_some();
    let builder = match clients {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(shown.clone());
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    if are_clients_verified {
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    Arc::new(config)
}

/// Returns the names that a certificate bears: host names, e-mail addresses, URIs and addresses of its subject
/// alternative name, or the common name of its subject if it has none of them.
pub(crate) fn names(certificate: &CertificateDer<'_>) -> Vec<Box<str>> {
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else { return Vec::new() };
    let alternative = certificate.subject_alternative_name().ok().flatten();
    let names = alternative.iter().flat_map(|extension| &extension.value.general_names);
    let names: Vec<Box<str>> = names.filter_map(alternative_name).collect();
    if !names.is_empty() {
        return names;
    }
    let common = certificate.subject().iter_common_name().filter_map(|name| name.as_str().ok());
    common.map(Box::from).collect()
}

fn alternative_name(name: &GeneralName<'_>) -> Option<Box<str>> {
    match name {
        GeneralName::DNSName(text) | GeneralName::RFC822Name(text) | GeneralName::URI(text) => Some((*text).into()),
        GeneralName::IPAddress(octets) => {
            let address = <[u8; 4]>::try_from(*octets).map(IpAddr::from);
            let address = address.or_else(|_| <[u8; 16]>::try_from(*octets).map(IpAddr::from));
            address.ok().map(|address| address.to_string().into())
        }
        _ => None,
    }
}
