//! The private half of a key: makes signatures, and is made anew.

use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};

use super::algorithm::SIGNATURE;
use super::{Algorithm, PublicKey};

/// Length of a private key of either algorithm in octets.
pub(super) const PRIVATE: usize = 32;

/// The first octet of an uncompressed point of an elliptic curve (SEC 1, section 2.3.3). DNSKEY records leave it out
/// (RFC 6605, section 4).
const UNCOMPRESSED: u8 = 4;

/// A private key that signs.
pub(super) enum PrivateKey {
    EcdsaP256Sha256(EcdsaKeyPair, SystemRandom),
    Ed25519(Ed25519KeyPair),
}

/// The private octets do not belong to the public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mismatch;

impl PrivateKey {
    /// Makes a key pair of these halves. Fails if they do not belong together.
    pub(super) fn new(octets: &[u8; PRIVATE], public: &PublicKey) -> Result<Self, Mismatch> {
        match public.algorithm() {
            Algorithm::EcdsaP256Sha256 => {
                let random = SystemRandom::new();
                let point = [&[UNCOMPRESSED], public.octets()].concat();
                let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
                let pair = EcdsaKeyPair::from_private_key_and_public_key(algorithm, octets, &point, &random);
                pair.map(|pair| Self::EcdsaP256Sha256(pair, random)).map_err(|_| Mismatch)
            }
            Algorithm::Ed25519 => {
                let pair = Ed25519KeyPair::from_seed_and_public_key(octets, public.octets());
                pair.map(Self::Ed25519).map_err(|_| Mismatch)
            }
        }
    }

    /// Signs. Returns `None` if the system has no random octets, which ECDSA needs.
    pub(super) fn sign(&self, message: &[u8]) -> Option<[u8; SIGNATURE]> {
        match self {
            Self::EcdsaP256Sha256(pair, random) => pair.sign(random, message).ok()?.as_ref().try_into().ok(),
            Self::Ed25519(pair) => pair.sign(message).as_ref().try_into().ok(),
        }
    }
}

/// Makes a new private key, and the octets of its public half. Returns `None` if the system has no random octets.
pub(super) fn generate(algorithm: Algorithm) -> Option<([u8; PRIVATE], Vec<u8>)> {
    let random = SystemRandom::new();
    match algorithm {
        Algorithm::EcdsaP256Sha256 => {
            let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).ok()?;
            let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
            let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).ok()?;
            let public = pair.public_key().as_ref().get(1..)?.to_vec();
            Some((within(document.as_ref())?, public))
        }
        Algorithm::Ed25519 => {
            let mut seed = [0; PRIVATE];
            ring::rand::SecureRandom::fill(&random, &mut seed).ok()?;
            let pair = Ed25519KeyPair::from_seed_unchecked(&seed).ok()?;
            Some((seed, pair.public_key().as_ref().to_vec()))
        }
    }
}

/// Finds the private key within a PKCS #8 document of P-256 (RFC 5915, section 3): the only octet string of 32 octets.
fn within(document: &[u8]) -> Option<[u8; PRIVATE]> {
    /// Tag and length of an octet string of 32 octets, after the version 1 of ECPrivateKey.
    const BEFORE: [u8; 5] = [2, 1, 1, 4, PRIVATE as u8];
    let at = document.windows(BEFORE.len()).position(|window| window == BEFORE)? + BEFORE.len();
    document.get(at..at + PRIVATE)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_keys_are_pairs_and_sign() {
        for algorithm in Algorithm::ALL {
            let (private, public) = generate(algorithm).unwrap();
            let public = PublicKey::new(algorithm, true, &public).unwrap();
            let key = PrivateKey::new(&private, &public).unwrap_or_else(|_| panic!("{algorithm}"));
            let signature = key.sign(b"octets").unwrap();
            let (verifier, key): (&dyn ring::signature::VerificationAlgorithm, Vec<u8>) = match algorithm {
                Algorithm::EcdsaP256Sha256 => {
                    (&ring::signature::ECDSA_P256_SHA256_FIXED, [&[4], public.octets()].concat())
                }
                Algorithm::Ed25519 => (&ring::signature::ED25519, public.octets().to_vec()),
            };
            let verifier = ring::signature::UnparsedPublicKey::new(verifier, key);
            assert!(verifier.verify(b"octets", &signature).is_ok());
            assert!(verifier.verify(b"others", &signature).is_err());
        }
    }

    #[test]
    fn halves_of_different_keys_are_refused() {
        for algorithm in Algorithm::ALL {
            let [(private, _), (_, public)] = [generate(algorithm).unwrap(), generate(algorithm).unwrap()];
            let public = PublicKey::new(algorithm, true, &public).unwrap();
            assert_eq!(PrivateKey::new(&private, &public).err(), Some(Mismatch));
        }
    }
}
