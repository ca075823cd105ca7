//! TLS for probes: the handshake, and the facts of the endpoint's certificate.

mod any_certificate;
mod certificate;
mod connectors;
mod verifier;

use std::time::{Duration, Instant};

use rustls::ProtocolVersion;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::client::TlsStream;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::meter::{Metered, Unit};
use super::wire::Wire;
use super::{Budget, failure};
use crate::health::{Failure, Stage, TlsCheck};

pub(super) use connectors::{Connectors, Roots, roots, system_roots};

/// The ALPN names of the protocols that probes speak (RFC 7301 section 6, RFC 9113 section 3.1).
pub(super) const HTTP_1_1: &str = "http/1.1";
pub(super) const H2: &str = "h2";

/// The time to wait for an endpoint that may refuse the monitor's certificate: a long round trip.
const REFUSAL: Duration = Duration::from_millis(250);

/// A stream after its handshake.
pub(super) struct Secured {
    pub(super) stream: TlsStream<Metered<Wire>>,
    /// The time that the handshake took.
    pub(super) took: Duration,
    /// When the endpoint's certificate expires, since the Unix epoch; `None` if it cannot be read.
    pub(super) certificate_expires: Option<Duration>,
}

impl Connectors {
    /// Performs a handshake over a connected stream. Offers these protocols, and uses the check's name or otherwise
    /// `host`.
    pub(super) async fn handshake(
        &self,
        wire: Wire,
        check: &TlsCheck,
        alpn: &[impl AsRef<str>],
        host: &str,
        budget: Budget,
    ) -> Result<Secured, Failure> {
        let connector = self.get(check, alpn)?;
        let name = server_name(check.sni.as_deref().unwrap_or(host))?;
        // Without this, the request waits until the last octets of the handshake are acknowledged: a round trip or 40
        // ms more.
        wire.set_nodelay()?;
        let meter = wire.meter();
        let stream = Metered::new(wire, meter, Unit::Record);
        let started = Instant::now();
        let stream = budget.within(Stage::Handshake, connector.connect(name, stream)).await?;
        let stream = stream.map_err(|error| failure::from_io(&error, Stage::Handshake))?;
        let certificates = stream.get_ref().1.peer_certificates();
        let certificate_expires = certificates.and_then(|chain| expiry(chain.first()?));
        Ok(Secured { stream, took: started.elapsed(), certificate_expires })
    }
}

impl Secured {
    /// The protocol that the endpoint chose from those that were offered; `None` if it chose none.
    pub(super) fn protocol(&self) -> Option<&str> {
        self.stream.get_ref().1.alpn_protocol().and_then(|protocol| std::str::from_utf8(protocol).ok())
    }

    /// Closes the connection, and fails if the endpoint refuses the monitor's certificate. In TLS 1.3 the handshake is
    /// over for a client before the endpoint has seen that certificate (RFC 8446 section 2).
    pub(super) async fn close(mut self, budget: Budget) -> Result<(), Failure> {
        if self.stream.get_ref().1.protocol_version() != Some(ProtocolVersion::TLSv1_3) {
            return Ok(());
        }
        let answer = async {
            self.stream.shutdown().await?;
            self.stream.read(&mut [0]).await
        };
        match tokio::time::timeout(REFUSAL.min(budget.left()), answer).await {
            // How the connection ends does not matter, unless it ends with an alert.
            Ok(Err(error)) => match failure::from_io(&error, Stage::Handshake) {
                refused @ Failure::Tls(_) => Err(refused),
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }
}

/// The failure if the endpoint chose none of the required protocols.
pub(super) fn no_agreement(wanted: &[impl AsRef<str>]) -> Failure {
    let wanted: Vec<&str> = wanted.iter().map(AsRef::as_ref).collect();
    Failure::Tls(format!("no agreement on {} by ALPN", wanted.join(" or ")))
}

/// When a certificate in DER expires, since the Unix epoch.
fn expiry(certificate: &[u8]) -> Option<Duration> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    // An expiry before the epoch counts as the epoch.
    Some(Duration::from_secs(u64::try_from(certificate.validity().not_after.timestamp()).unwrap_or(0)))
}

/// The name for SNI and for the certificate. An address is not sent in SNI (RFC 6066 section 3), but the certificate
/// must be valid for it.
fn server_name(name: &str) -> Result<ServerName<'static>, Failure> {
    // RFC 6066 section 3: "The hostname is represented as a byte string using ASCII encoding without a trailing dot."
    let relative = name.strip_suffix('.').unwrap_or(name);
    ServerName::try_from(relative.to_owned()).map_err(|_| Failure::Tls(format!("`{name}` is not a host name")))
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
