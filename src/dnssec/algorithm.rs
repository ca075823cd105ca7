//! The algorithms that zones are signed with.

use std::fmt;

/// A signing algorithm, by its number in IANA's registry.
///
/// Both make keys of a fixed length, and signatures of [`SIGNATURE`] octets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// ECDSA with curve P-256 and SHA-256 (RFC 6605), number 13. Every validator knows it.
    #[default]
    EcdsaP256Sha256 = 13,
    /// Ed25519 (RFC 8080), number 15.
    Ed25519 = 15,
}

/// Length of a signature in octets (RFC 6605, section 4, and RFC 8080, section 4).
pub(super) const SIGNATURE: usize = 64;

impl Algorithm {
    /// All algorithms, the default first.
    pub const ALL: [Self; 2] = [Self::EcdsaP256Sha256, Self::Ed25519];

    /// Returns the number in IANA's registry.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// Returns the algorithm with this number, if zones can be signed with it here.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.number() == number)
    }

    /// Returns the algorithm with this mnemonic, in any case.
    pub fn from_mnemonic(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.mnemonic().eq_ignore_ascii_case(text))
    }

    /// Returns the mnemonic of IANA's registry.
    pub const fn mnemonic(self) -> &'static str {
        match self {
            Self::EcdsaP256Sha256 => "ECDSAP256SHA256",
            Self::Ed25519 => "ED25519",
        }
    }

    /// Returns the length in octets of a public key in a DNSKEY record.
    pub(super) const fn public_length(self) -> usize {
        match self {
            Self::EcdsaP256Sha256 => 64,
            Self::Ed25519 => 32,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.mnemonic())
    }
}
