//! Facts of a certificate beyond what webpki verifies: the kind of its key, and whether this node can use it.

use rustls::SignatureScheme;
use rustls::pki_types::CertificateDer;
use x509_parser::der_parser::oid::Oid;
use x509_parser::objects::{oid_registry, oid2sn};
use x509_parser::oid_registry::{
    OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_NIST_EC_P384, OID_NIST_EC_P521, OID_PKCS1_RSAENCRYPTION,
    OID_PKCS1_RSASSAPSS, OID_SIG_ED25519,
};
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::RSAPublicKey;

/// RFC 8446 section 4.2.3: signatures by keys for RSASSA-PSS only. rustls has no names for them.
pub(super) const RSA_PSS_PSS: [SignatureScheme; 3] =
    [SignatureScheme::Unknown(0x0809), SignatureScheme::Unknown(0x080a), SignatureScheme::Unknown(0x080b)];

/// Key lengths in bits of RSA keys that ring can verify with. NIST SP 800-131A disallows shorter ones.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// A certificate that was parsed.
pub(super) struct Certificate<'a>(X509Certificate<'a>);

impl<'a> Certificate<'a> {
    /// Parses a certificate; `None` if it is malformed.
    pub(super) fn read(der: &'a CertificateDer<'_>) -> Option<Self> {
        X509Certificate::from_der(der).ok().map(|(_, certificate)| Self(certificate))
    }

    /// Why this node cannot verify signatures by the certificate's key; `None` if it can.
    pub(super) fn unusable_key(&self) -> Option<String> {
        let info = self.0.public_key();
        let algorithm = &info.algorithm.algorithm;
        if *algorithm == OID_PKCS1_RSAENCRYPTION || *algorithm == OID_PKCS1_RSASSAPSS {
            let bits = self.rsa_bits()?;
            let problem = match bits {
                _ if bits < *RSA_BITS.start() => format!("which is too short: {} are the least", RSA_BITS.start()),
                _ if bits > *RSA_BITS.end() => format!("which is too long: {} are the most", RSA_BITS.end()),
                _ => return None,
            };
            return Some(format!("its RSA key has {bits} bits, {problem}"));
        }
        if *algorithm == OID_SIG_ED25519 {
            return None;
        }
        let kind = if *algorithm == OID_KEY_TYPE_EC_PUBLIC_KEY {
            let curve = info.algorithm.parameters.as_ref().and_then(|curve| curve.as_oid().ok())?;
            if curve == OID_EC_P256 || curve == OID_NIST_EC_P384 {
                return None;
            }
            if curve == OID_NIST_EC_P521 { "P-521".to_owned() } else { name(&curve) }
        } else {
            name(algorithm)
        };
        Some(format!("its key is of type {kind}, which this node cannot verify: use P-256, P-384, RSA or Ed25519"))
    }

    /// The key itself, if it is for RSASSA-PSS only.
    pub(super) fn rsa_pss_key(&self) -> Option<&[u8]> {
        let info = self.0.public_key();
        (info.algorithm.algorithm == OID_PKCS1_RSASSAPSS).then(|| &*info.subject_public_key.data)
    }

    /// True if subject and issuer are the same.
    pub(super) fn is_self_issued(&self) -> bool {
        self.0.subject().as_raw() == self.0.issuer().as_raw()
    }

    /// The issuer's name, in DER.
    pub(super) fn issuer(&self) -> &[u8] {
        self.0.issuer().as_raw()
    }

    /// The subject's name, in DER.
    pub(super) fn subject(&self) -> &[u8] {
        self.0.subject().as_raw()
    }

    /// The name of the algorithm of its signature.
    pub(super) fn signature_algorithm(&self) -> String {
        let algorithm = &self.0.signature_algorithm.algorithm;
        name(algorithm)
    }

    fn rsa_bits(&self) -> Option<usize> {
        let info = self.0.public_key();
        // x509-parser reads only keys of rsaEncryption. RSASSA-PSS keys have the same form (RFC 4055 section 1.2).
        let (_, key) = RSAPublicKey::from_der(&info.subject_public_key.data).ok()?;
        let modulus = key.modulus.iter().skip_while(|&&octet| octet == 0).collect::<Vec<_>>();
        let first = modulus.first()?;
        Some(modulus.len() * 8 - first.leading_zeros() as usize)
    }
}

/// The common name of an object identifier, or otherwise its numbers.
fn name(oid: &Oid<'_>) -> String {
    oid2sn(oid, oid_registry()).map_or_else(|_| oid.to_id_string(), str::to_owned)
}
