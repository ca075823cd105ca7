//! The connectors for handshakes: a configuration of rustls for each way of verifying certificates.
//!
//! A configuration is built once and shared by all probes that need the same one. Monitors come and go with reloads: a
//! configuration that was not used for longer than the longest interval is dropped.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustls::client::{Resumption, WantsClientCert};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ConfigBuilder, WantsVerifier};
use tokio_rustls::TlsConnector;
use tracing::warn;

use super::any_certificate::AnyCertificate;
use super::verifier::{Authorities, Verifier};
use crate::health::{Certificates, ClientIdentity, Failure, TlsCheck};
use crate::monitor::tls_error::explain;

/// A configuration that was not used for this long belongs to no monitor: twice the longest interval.
const UNUSED: Duration = Duration::from_secs(2 * 3600);

/// Certificate authorities.
pub(in super::super) type Roots = Arc<Authorities>;

/// The configurations so far.
pub(in super::super) struct Connectors {
    roots: Roots,
    built: Mutex<HashMap<Settings, Built>>,
}

/// The settings in which configurations differ.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Settings {
    verify: bool,
    authorities: Option<Certificates>,
    identity: Option<ClientIdentity>,
    alpn: Vec<Vec<u8>>,
}

struct Built {
    connector: TlsConnector,
    used: Instant,
}

impl Connectors {
    /// Connectors that trust these authorities if a check names none of its own.
    pub(in super::super) fn new(roots: Roots) -> Self {
        Self { roots, built: Mutex::default() }
    }

    /// The configuration for a check that offers these protocols.
    pub(super) fn get(&self, check: &TlsCheck, alpn: &[impl AsRef<str>]) -> Result<TlsConnector, Failure> {
        let settings = Settings {
            verify: check.verify,
            // Authorities only matter if the certificate is verified.
            authorities: check.authorities.clone().filter(|_| check.verify),
            identity: check.identity.clone(),
            alpn: alpn.iter().map(|protocol| protocol.as_ref().into()).collect(),
        };
        let used = Instant::now();
        let mut built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = built.get_mut(&settings) {
            found.used = used;
            return Ok(found.connector.clone());
        }
        built.retain(|_, other| used.duration_since(other.used) < UNUSED);
        let connector = settings.build(&self.roots)?;
        built.insert(settings, Built { connector: connector.clone(), used });
        Ok(connector)
    }
}

impl Settings {
    fn build(&self, roots: &Roots) -> Result<TlsConnector, Failure> {
        let builder = if self.verify {
            let own = self.authorities.as_ref().map(|authorities| self::roots(authorities.iter().map(<[u8]>::to_vec)));
            let verifier = Verifier::new(own.unwrap_or_else(|| roots.clone()), provider())?;
            builder().dangerous().with_custom_certificate_verifier(Arc::new(verifier))
        } else {
            builder().dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate))
        };
        let mut config = with_identity(builder, self.identity.as_ref())?;
        // Every handshake is a full one. A resumed session carries no certificate, and one that has expired in the
        // meantime would go unnoticed.
        config.resumption = Resumption::disabled();
        config.alpn_protocols.clone_from(&self.alpn);
        Ok(TlsConnector::from(Arc::new(config)))
    }
}

fn builder() -> ConfigBuilder<ClientConfig, WantsVerifier> {
    ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("ring has cipher suites for TLS 1.2 and 1.3")
}

/// The cryptography for all handshakes. It is named here and not taken from the process, so that other code in the
/// process cannot change it.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn with_identity(
    builder: ConfigBuilder<ClientConfig, WantsClientCert>,
    identity: Option<&ClientIdentity>,
) -> Result<ClientConfig, Failure> {
    let Some(ClientIdentity { chain, key }) = identity else { return Ok(builder.with_no_client_auth()) };
    let unusable = |why: String| Failure::Tls(format!("the monitor's own certificate cannot be used: {why}"));
    let chain = chain.iter().map(|certificate| CertificateDer::from(certificate.to_vec())).collect();
    let key = PrivateKeyDer::try_from(key.der().to_vec()).map_err(|why| unusable(why.to_owned()))?;
    builder.with_client_auth_cert(chain, key).map_err(|why| unusable(explain(&why)))
}

/// The certificate authorities of the system.
pub(in super::super) fn system_roots() -> Roots {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        warn!(%error, "cannot read a part of the system's trust store: the rest is used");
    }
    let roots = store(found.certs);
    if roots.is_empty() {
        warn!("the system's trust store is empty: monitors with TLS fail unless they have a `ca` or `verify = false`");
    }
    roots
}

/// These certificate authorities, in DER.
pub(in super::super) fn roots(certificates: impl IntoIterator<Item = Vec<u8>>) -> Roots {
    store(certificates.into_iter().map(CertificateDer::from))
}

fn store(certificates: impl IntoIterator<Item = CertificateDer<'static>>) -> Roots {
    let (authorities, ignored) = Authorities::new(certificates);
    if ignored > 0 {
        warn!(ignored, "the trust store has entries that are not certificates: they are ignored");
    }
    Arc::new(authorities)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_is_built_once_for_all_who_want_the_same() {
        let connectors = Connectors::new(roots([]));
        let unverified = TlsCheck { verify: false, ..TlsCheck::default() };
        let named = TlsCheck { sni: Some("a.example".into()), expiry_warning: Duration::ZERO, ..unverified.clone() };
        let foreign = TlsCheck { authorities: Some(Certificates::new([])), ..TlsCheck::default() };
        for (check, alpn, count) in [
            (&unverified, "h2", 1),
            (&named, "h2", 1),
            (&unverified, "http/1.1", 2),
            (&TlsCheck::default(), "h2", 3),
            (&foreign, "h2", 4),
            (&TlsCheck { verify: false, ..foreign.clone() }, "h2", 4),
        ] {
            connectors.get(check, &[alpn]).unwrap();
            assert_eq!(connectors.built.lock().unwrap().len(), count, "{check:?} {alpn}");
        }
    }

    #[test]
    fn what_is_unused_for_hours_is_thrown_away_when_another_comes() {
        let connectors = Connectors::new(roots([]));
        let check = TlsCheck { verify: false, ..TlsCheck::default() };
        connectors.get(&check, &["h2"]).unwrap();
        let Some(long_ago) = Instant::now().checked_sub(UNUSED) else { return };
        connectors.built.lock().unwrap().values_mut().for_each(|built| built.used = long_ago);
        connectors.get(&check, &["http/1.1"]).unwrap();
        assert_eq!(connectors.built.lock().unwrap().len(), 1);
    }

    #[test]
    fn a_key_that_is_none_is_told() {
        let identity =
            ClientIdentity { chain: Certificates::new([Box::from(*b"x")]), key: crate::health::PrivateKey::new(*b"x") };
        let check = TlsCheck { identity: Some(identity), ..TlsCheck::default() };
        let failure = Connectors::new(roots([])).get(&check, &["h2"]).err();
        assert!(matches!(&failure, Some(Failure::Tls(why)) if why.contains("own certificate")), "{failure:?}");
    }
}
