//! TLS settings of a monitor: how the endpoint's certificate is checked, and which certificate the probe presents.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use siphasher::sip128::{Hasher128, SipHasher24};

/// How long before the expiry of a certificate its warning comes. A 90-day certificate is usually renewed 30 days
/// before it expires, so at the warning half of that time has passed without a renewal.
pub const DEFAULT_EXPIRY_WARNING: Duration = Duration::from_secs(14 * 24 * 3600);

/// TLS settings of a monitor.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TlsCheck {
    /// The name for SNI and for the certificate; `None` for the target's host.
    pub sni: Option<Box<str>>,
    /// True if the certificate must be valid: chain, name and dates.
    pub verify: bool,
    /// The trusted authorities; `None` for those of the system.
    pub authorities: Option<Certificates>,
    /// The certificate that the probe presents if the endpoint asks for one.
    pub identity: Option<ClientIdentity>,
    /// How long before the expiry of a certificate its warning comes; 0 disables it.
    pub expiry_warning: Duration,
}

impl Default for TlsCheck {
    /// A valid certificate of an authority that the system trusts.
    fn default() -> Self {
        Self { sni: None, verify: true, authorities: None, identity: None, expiry_warning: DEFAULT_EXPIRY_WARNING }
    }
}

/// X.509 certificates in DER, shared by all holders.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificates {
    digest: u128,
    list: Arc<[Box<[u8]>]>,
}

/// A client certificate with its chain and its private key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClientIdentity {
    /// The certificate first, then those of its issuers.
    pub chain: Certificates,
    /// The private key of the first certificate.
    pub key: PrivateKey,
}

/// A private key in DER: PKCS #8, PKCS #1 or SEC 1.
#[derive(Clone, PartialEq, Eq)]
pub struct PrivateKey {
    digest: u128,
    der: Arc<[u8]>,
}

/// Replaces the content in hashes: a target is hashed at every probe, and a bundle of authorities is long.
fn digest(content: impl Hash) -> u128 {
    let mut hasher = SipHasher24::new();
    content.hash(&mut hasher);
    hasher.finish128().as_u128()
}

impl Certificates {
    /// Takes certificates in DER.
    pub fn new(certificates: impl IntoIterator<Item = Box<[u8]>>) -> Self {
        let list: Arc<[Box<[u8]>]> = certificates.into_iter().collect();
        Self { digest: digest(&list), list }
    }

    /// The certificates in DER.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.list.iter().map(|certificate| &**certificate)
    }
}

impl Hash for Certificates {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.digest.hash(state);
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} certificates", self.list.len())
    }
}

impl PrivateKey {
    /// A key in DER.
    pub fn new(der: impl Into<Arc<[u8]>>) -> Self {
        let der = der.into();
        Self { digest: digest(&der), der }
    }

    /// The key in DER.
    pub fn der(&self) -> &[u8] {
        &self.der
    }
}

impl Hash for PrivateKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.digest.hash(state);
    }
}

impl fmt::Debug for PrivateKey {
    /// Does not print the key, because the output may be logged.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a private key")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_never_printed() {
        let key = PrivateKey::new(*b"\x30\x03\x02\x01\x2a");
        let identity = ClientIdentity { chain: Certificates::new([Box::from(*b"\x30\x00")]), key };
        let check = TlsCheck { identity: Some(identity), ..TlsCheck::default() };
        let printed = format!("{check:?}");
        assert!(printed.contains("a private key") && !printed.contains("42"), "{printed}");
    }

    #[test]
    fn another_content_is_another_check() {
        let with = |octets: &[u8]| TlsCheck {
            authorities: Some(Certificates::new([Box::from(octets)])),
            ..TlsCheck::default()
        };
        assert_eq!(with(b"ab"), with(b"ab"));
        assert_ne!(with(b"ab"), with(b"ac"));
        assert_ne!(with(b"ab"), TlsCheck::default());
        assert_eq!(digest(with(b"ab")), digest(with(b"ab")));
        assert_ne!(digest(with(b"ab")), digest(with(b"ac")));
    }
}
