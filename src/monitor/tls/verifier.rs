//! Verifies an endpoint's certificate, and explains in words what is wrong with it.
//!
//! webpki decides. Two cases that people rely on are added. First, a certificate that is itself among the trusted ones
//! is valid even if it is marked as an authority, as the certificates of `openssl req -x509` are. Second, keys for
//! RSASSA-PSS only can sign handshakes like other RSA keys.
//!
//! Schemes that this node cannot verify, such as a key on the curve P-521, are offered in the handshake too. Otherwise
//! the endpoint would end it with just `handshake_failure`, and nobody would know why.

use std::collections::HashSet;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use super::certificate::{Certificate, RSA_PSS_PSS};
use crate::health::Failure;
use crate::monitor::tls_error::{self, Explained};

/// The trusted certificates.
#[derive(Debug)]
pub(in super::super) struct Authorities {
    store: Arc<RootCertStore>,
    certificates: HashSet<CertificateDer<'static>>,
}

impl Authorities {
    /// Returns the authorities, and the number of entries that are not certificates.
    pub(super) fn new(certificates: impl IntoIterator<Item = CertificateDer<'static>>) -> (Self, usize) {
        let certificates: HashSet<_> = certificates.into_iter().collect();
        let mut store = RootCertStore::empty();
        let (_, ignored) = store.add_parsable_certificates(certificates.iter().cloned());
        (Self { store: Arc::new(store), certificates }, ignored)
    }

    /// True if there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.store.is_empty()
    }
}

/// Verifies certificates for one configuration.
#[derive(Debug)]
pub(super) struct Verifier {
    /// `None` if nothing is trusted: then no certificate is valid.
    webpki: Option<Arc<WebPkiServerVerifier>>,
    authorities: Arc<Authorities>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    /// A verifier that trusts these authorities.
    pub(super) fn new(authorities: Arc<Authorities>, provider: Arc<CryptoProvider>) -> Result<Self, Failure> {
        let algorithms = provider.signature_verification_algorithms;
        let webpki = if authorities.is_empty() {
            None
        } else {
            let builder = WebPkiServerVerifier::builder_with_provider(Arc::clone(&authorities.store), provider);
            Some(builder.build().map_err(|error| Failure::Tls(error.to_string()))?)
        };
        Ok(Self { webpki, authorities, algorithms })
    }

    /// Verifies an authority's certificate as an endpoint's, if it is one of the trusted ones. Its dates were verified
    /// before.
    fn verify_trusted(&self, leaf: &CertificateDer<'_>, name: &ServerName<'_>) -> Option<Result<(), Error>> {
        self.authorities
            .certificates
            .contains(leaf)
            .then(|| rustls::client::verify_server_name(&ParsedCertificate::try_from(leaf)?, name))
    }

    /// A more detailed explanation than webpki's; `None` if webpki's is enough.
    fn explain(
        &self,
        error: &Error,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
    ) -> Option<String> {
        let certificate = Certificate::read(leaf)?;
        let is_authority = tls_error::is_authority_as_leaf(error);
        let Error::InvalidCertificate(error) = error else { return None };
        match error {
            CertificateError::BadSignature => self.short_key(&certificate, intermediates),
            _ if certificate.is_self_issued() && (is_authority || matches!(error, CertificateError::UnknownIssuer)) => {
                Some("unknown issuer: the certificate is self-signed and not trusted (`ca` may name it)".to_owned())
            }
            CertificateError::UnsupportedSignatureAlgorithmContext { .. }
            | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
                let chain = [leaf].into_iter().chain(intermediates).filter_map(Certificate::read);
                let algorithms: Vec<String> = chain.map(|certificate| certificate.signature_algorithm()).collect();
                Some(format!(
                    "certificate is signed in a way that this node does not verify: {}",
                    algorithms.join(", ")
                ))
            }
            _ => None,
        }
    }

    /// Names the key in a chain that is too short or too long to verify a signature with: webpki only calls the
    /// signature bad.
    fn short_key(&self, leaf: &Certificate<'_>, intermediates: &[CertificateDer<'_>]) -> Option<String> {
        let chain: Vec<Certificate<'_>> = intermediates.iter().filter_map(Certificate::read).collect();
        let issuers: Vec<&[u8]> = [leaf].into_iter().chain(&chain).map(Certificate::issuer).collect();
        let authorities = self.authorities.certificates.iter().filter_map(Certificate::read);
        let mut authorities = authorities.filter(|authority| issuers.contains(&authority.subject()));
        let problem = chain.iter().find_map(Certificate::unusable_key);
        let problem = problem.or_else(|| authorities.find_map(|authority| authority.unusable_key()));
        problem.map(|problem| format!("certificate of an issuer cannot be used: {problem}"))
    }

    /// Verifies a signature by a key for RSASSA-PSS only; `None` for all other keys.
    fn verify_rsa_pss(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Option<Result<HandshakeSignatureValid, Error>> {
        let certificate = Certificate::read(certificate)?;
        let key = certificate.rsa_pss_key()?;
        let place = RSA_PSS_PSS.iter().position(|&scheme| scheme == signed.scheme);
        // The same signature schemes, under their names for rsaEncryption keys.
        let names = [SignatureScheme::RSA_PSS_SHA256, SignatureScheme::RSA_PSS_SHA384, SignatureScheme::RSA_PSS_SHA512];
        let wanted = place.map(|place| names[place]);
        let found = self.algorithms.mapping.iter().find(|(scheme, _)| Some(*scheme) == wanted);
        let verified = found
            .and_then(|(_, algorithms)| algorithms.first())
            .map(|algorithm| algorithm.verify_signature(key, message, signed.signature()));
        Some(match verified {
            Some(Ok(())) => Ok(HandshakeSignatureValid::assertion()),
            _ => Err(CertificateError::BadSignature.into()),
        })
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = match &self.webpki {
            Some(webpki) => webpki.verify_server_cert(leaf, intermediates, name, ocsp_response, now),
            None => Err(CertificateError::UnknownIssuer.into()),
        };
        if let Err(error) = verified {
            let trusted = if tls_error::is_authority_as_leaf(&error) { self.verify_trusted(leaf, name) } else { None };
            match (trusted, self.explain(&error, leaf, intermediates)) {
                (Some(verified), _) => verified?,
                (None, Some(why)) => return Err(Explained::error(why)),
                (None, None) => return Err(error),
            }
        }
        match Certificate::read(leaf).and_then(|certificate| certificate.unusable_key()) {
            Some(problem) => Err(Explained::error(format!("certificate cannot be verified: {problem}"))),
            None => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify_rsa_pss(message, certificate, signed)
            .unwrap_or_else(|| rustls::crypto::verify_tls12_signature(message, certificate, signed, &self.algorithms))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify_rsa_pss(message, certificate, signed)
            .unwrap_or_else(|| rustls::crypto::verify_tls13_signature(message, certificate, signed, &self.algorithms))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let mut schemes = self.algorithms.supported_schemes();
        schemes.extend(RSA_PSS_PSS);
        schemes.extend([SignatureScheme::ECDSA_NISTP521_SHA512, SignatureScheme::ED448]);
        schemes
    }
}
