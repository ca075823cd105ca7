//! TLS for probes: whom to trust, and which name to ask for.
//!
//! Every handshake is a full one. A resumed session carries no certificate, and one that expired in the meantime would go
//! unnoticed.

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ConfigBuilder, DigitallySignedStruct, RootCertStore, SignatureScheme, WantsVerifier};
use tokio_rustls::TlsConnector;
use tracing::warn;

use crate::health::Failure;

/// ALPN's names of the protocols that probes speak (RFC 7301 section 6, RFC 9113 section 3.1).
pub(super) const HTTP_1_1: &[u8] = b"http/1.1";
pub(super) const H2: &[u8] = b"h2";

/// Certificate authorities.
pub(super) type Roots = Arc<RootCertStore>;

/// The certificate authorities of the system.
pub(super) fn system_roots() -> Roots {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        warn!(%error, "cannot read a part of the trust store");
    }
    let roots = store(found.certs);
    if roots.is_empty() {
        warn!("the trust store is empty: https monitors fail unless they have `verify = false`");
    }
    roots
}

/// These certificate authorities, each in DER.
pub(super) fn roots(certificates: impl IntoIterator<Item = Vec<u8>>) -> Roots {
    store(certificates.into_iter().map(CertificateDer::from))
}

fn store(certificates: impl IntoIterator<Item = CertificateDer<'static>>) -> Roots {
    let mut store = RootCertStore::empty();
    let (_, ignored) = store.add_parsable_certificates(certificates);
    if ignored > 0 {
        warn!(ignored, "the trust store holds what is not a certificate");
    }
    Arc::new(store)
}

/// Accepts a certificate that a root vouches for, within its dates and for the name that is asked for.
pub(super) fn verifying(roots: &Roots) -> TlsConnector {
    connector(builder().with_root_certificates(Arc::clone(roots)).with_no_client_auth())
}

/// Accepts any certificate.
pub(super) fn unverifying() -> TlsConnector {
    let verifier = Arc::new(AnyCertificate);
    connector(builder().dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
}

fn builder() -> ConfigBuilder<ClientConfig, WantsVerifier> {
    // Named rather than taken from the process, so that a probe works whatever else is linked in or installed.
    let provider: Arc<CryptoProvider> = Arc::new(ring::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has cipher suites for TLS 1.2 and 1.3")
}

fn connector(mut config: ClientConfig) -> TlsConnector {
    config.resumption = Resumption::disabled();
    TlsConnector::from(Arc::new(config))
}

/// The name for SNI and for the certificate. An address goes into no SNI (RFC 6066 section 3), but the certificate must
/// be valid for it.
pub(super) fn server_name(name: &str) -> Result<ServerName<'static>, Failure> {
    // RFC 6066 section 3: "The hostname is represented as a byte string using ASCII encoding without a trailing dot."
    let relative = name.strip_suffix('.').unwrap_or(name);
    ServerName::try_from(relative.to_owned()).map_err(|_| Failure::Tls(format!("{name:?} is no host name")))
}

/// Looks at no certificate and hence at no signature either: what proves the possession of a key that is not trusted
/// proves nothing.
#[derive(Debug)]
struct AnyCertificate;

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    /// All that an endpoint may sign with, those that ring cannot check included.
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![
            SignatureScheme::ECDSA_NISTP256_SHA256,
            SignatureScheme::ECDSA_NISTP384_SHA384,
            SignatureScheme::ECDSA_NISTP521_SHA512,
            SignatureScheme::ED25519,
            SignatureScheme::ED448,
            SignatureScheme::RSA_PSS_SHA256,
            SignatureScheme::RSA_PSS_SHA384,
            SignatureScheme::RSA_PSS_SHA512,
            SignatureScheme::RSA_PKCS1_SHA256,
            SignatureScheme::RSA_PKCS1_SHA384,
            SignatureScheme::RSA_PKCS1_SHA512,
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_can_be_asked_for_and_nothing_else() {
        assert_eq!(server_name("www.example.com.").unwrap().to_str(), "www.example.com");
        assert!(matches!(server_name("2001:db8::1").unwrap(), ServerName::IpAddress(_)));
        for name in ["", ".", "a b", "a..b", "*.example.com", "münchen.example", &"a".repeat(64)] {
            assert!(matches!(server_name(name), Err(Failure::Tls(_))), "{name}");
        }
    }
}
