//! Verifies signatures that others have made (RFC 4035, section 5.3.3).

use ring::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm};

use crate::dnssec::canonical::Canonical;
use crate::name::Name;
use crate::zone::{Rrset, Signature};

/// Octets of a DNSKEY record before the public key.
const BEFORE_KEY: usize = 4;

/// The octet before a point of an elliptic curve, which DNSKEY records leave out (RFC 6605, section 4).
const POINT: u8 = 4;

/// True if the signature is that of these records of the zone by this key, or if its algorithm is unknown here. The owner is
/// in lower case.
pub(super) fn is_valid(apex: &Name, (owner, rrset): (&[u8], &Rrset), signature: &Signature<'_>, key: &[u8]) -> bool {
    let Some(octets) = signed_octets(apex, (owner, rrset), signature) else { return false };
    let Some(public) = key.get(BEFORE_KEY..) else { return false };
    let verify = |algorithm: &'static dyn VerificationAlgorithm, public: &[u8]| {
        UnparsedPublicKey::new(algorithm, public).verify(&octets, signature.octets).is_ok()
    };
    let rsa = |parameters| {
        let Some((e, n)) = rsa_parts(public) else { return false };
        RsaPublicKeyComponents { n, e }.verify(parameters, &octets, signature.octets).is_ok()
    };
    let point = || [&[POINT], public].concat();
    match signature.algorithm {
        8 => rsa(&signature::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY),
        10 => rsa(&signature::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY),
        13 => verify(&signature::ECDSA_P256_SHA256_FIXED, &point()),
        14 => verify(&signature::ECDSA_P384_SHA384_FIXED, &point()),
        15 => verify(&signature::ED25519, public),
        _ => true,
    }
}

/// Returns the octets that are signed (RFC 4034, section 3.1.8.1); `None` if the records cannot be read.
fn signed_octets(apex: &Name, (owner, rrset): (&[u8], &Rrset), signature: &Signature<'_>) -> Option<Vec<u8>> {
    // Whole records with whole names, as a message could hold them.
    let mut records = Vec::new();
    for record in rrset.contents(&Name::from_wire(owner), apex) {
        records.extend_from_slice(owner);
        records.extend_from_slice(&record.rtype.0.to_be_bytes());
        records.extend_from_slice(&crate::wire::CLASS_IN.to_be_bytes());
        records.extend_from_slice(&record.ttl.to_be_bytes());
        records.extend_from_slice(&u16::try_from(record.rdata.len()).ok()?.to_be_bytes());
        records.extend_from_slice(&record.rdata);
    }
    let mut canonical = Canonical::default();
    canonical.read(&records, 0)?;
    let Signature { covered, algorithm, labels, original_ttl, expiration, inception, tag, signer, .. } = signature;
    let mut octets = covered.0.to_be_bytes().to_vec();
    octets.extend_from_slice(&[*algorithm, *labels]);
    for number in [original_ttl, expiration, inception] {
        octets.extend_from_slice(&number.to_be_bytes());
    }
    octets.extend_from_slice(&tag.to_be_bytes());
    octets.extend_from_slice(&signer.to_ascii_lowercase());
    canonical.append(*original_ttl, &mut octets);
    Some(octets)
}

/// Returns exponent and modulus (RFC 3110, section 2).
fn rsa_parts(key: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = match key {
        [0, high, low, rest @ ..] => (usize::from(u16::from_be_bytes([*high, *low])), rest),
        [length, rest @ ..] => (usize::from(*length), rest),
        [] => return None,
    };
    rest.split_at_checked(length)
}
