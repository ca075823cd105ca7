//! How a monitor looks at certificates, and which it shows.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use siphasher::sip128::{Hasher128, SipHasher24};

/// How long before its end a certificate is warned of: who renews 90-day certificates does so a month ahead, so half of
/// that month has gone by without a renewal.
pub const DEFAULT_EXPIRY_WARNING: Duration = Duration::from_secs(14 * 24 * 3600);

/// How the endpoint's certificate is looked at.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TlsCheck {
    /// The name for SNI and for the certificate; the target's host if absent.
    pub sni: Option<Box<str>>,
    /// Whether the certificate must hold: chain, name and dates.
    pub verify: bool,
    /// The authorities that it must come from; those of the system if absent.
    pub authorities: Option<Certificates>,
    /// What the probe shows if the endpoint asks for a certificate.
    pub identity: Option<ClientIdentity>,
    /// How long before its end a certificate is warned of; 0 for never.
    pub expiry_warning: Duration,
}

impl Default for TlsCheck {
    /// A certificate that holds and that an authority of the system vouches for.
    fn default() -> Self {
        Self { sni: None, verify: true, authorities: None, identity: None, expiry_warning: DEFAULT_EXPIRY_WARNING }
    }
}

/// X.509 certificates in DER, shared by all who hold them.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificates {
    digest: u128,
    list: Arc<[Box<[u8]>]>,
}

/// A certificate with its chain, its own first, and its private key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClientIdentity {
    /// The certificate, then those that vouch for it.
    pub chain: Certificates,
    /// The key of the first one.
    pub key: PrivateKey,
}

/// A private key in DER: PKCS #8, PKCS #1 or SEC 1.
#[derive(Clone, PartialEq, Eq)]
pub struct PrivateKey {
    digest: u128,
    der: Arc<[u8]>,
}

/// Stands for a content where it is hashed: a target is hashed at every probe, and a bundle of authorities is long.
fn digest(content: impl Hash) -> u128 {
    let mut hasher = SipHasher24::new();
    content.hash(&mut hasher);
    hasher.finish128().as_u128()
}

impl Certificates {
    /// Each in DER.
    pub fn new(certificates: impl IntoIterator<Item = Box<[u8]>>) -> Self {
        let list: Arc<[Box<[u8]>]> = certificates.into_iter().collect();
        Self { digest: digest(&list), list }
    }

    /// Each in DER.
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
    /// Nothing of the key: what is printed may be logged.
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
