//! Keys of other providers that sign the same zone (RFC 8901, section 2.1.2).
//!
//! Each provider signs with keys of its own, and publishes those of the others in a DNSKEY RRset that it signs itself. So a
//! resolver can validate answers of one provider with the keys that it got from another.

use std::fmt;

use super::public;
use crate::name::Name;

/// The flags of keys that sign zones: without and with Secure Entry Point (RFC 4034, section 2.1.1).
const FLAGS: [u16; 2] = [256, 257];

/// The only protocol (RFC 4034, section 2.1.2).
const PROTOCOL: u8 = 3;

/// Algorithms that zones may be signed with: RSA with SHA-256 and SHA-512, ECDSA, Ed25519 and Ed448 (RFC 8624, section 3.1).
const ALGORITHMS: [u8; 6] = [8, 10, 13, 14, 15, 16];

/// A key of another provider.
#[derive(Clone, PartialEq, Eq)]
pub struct ForeignKey {
    /// RDATA of its DNSKEY record.
    rdata: Box<[u8]>,
}

/// The reason why a DNSKEY record is not one of a key that signs a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadForeignKey {
    /// It has other flags than 256 and 257.
    Flags(u16),
    /// It has another protocol than 3.
    Protocol(u8),
    /// Zones are not signed with its algorithm.
    Algorithm(u8),
    /// There is no key.
    Empty,
}

impl fmt::Display for BadForeignKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flags(flags) => write!(f, "the flags of a key that signs a zone are 256 or 257, not {flags}"),
            Self::Protocol(protocol) => write!(f, "the protocol of a key is {PROTOCOL}, not {protocol}"),
            Self::Algorithm(number) => {
                write!(
                    f,
                    "zones are not signed with algorithm {number} any more, or it is unknown (RFC 8624, section 3.1)"
                )
            }
            Self::Empty => f.write_str("the key is missing"),
        }
    }
}

impl std::error::Error for BadForeignKey {}

impl ForeignKey {
    /// Reads the RDATA of a DNSKEY record. Fails if it is no key that signs a zone.
    pub fn try_new(rdata: &[u8]) -> Result<Self, BadForeignKey> {
        let [high, low, protocol, algorithm, _, ..] = *rdata else { return Err(BadForeignKey::Empty) };
        let flags = u16::from_be_bytes([high, low]);
        if !FLAGS.contains(&flags) {
            return Err(BadForeignKey::Flags(flags));
        }
        if protocol != PROTOCOL {
            return Err(BadForeignKey::Protocol(protocol));
        }
        if !ALGORITHMS.contains(&algorithm) {
            return Err(BadForeignKey::Algorithm(algorithm));
        }
        Ok(Self { rdata: rdata.into() })
    }

    /// Returns the RDATA of its DNSKEY record, which is that of its CDNSKEY record, too.
    pub fn rdata(&self) -> &[u8] {
        &self.rdata
    }

    /// Returns its tag.
    pub fn tag(&self) -> u16 {
        public::key_tag(&self.rdata)
    }

    /// Returns the number of its algorithm.
    pub fn algorithm(&self) -> u8 {
        self.rdata[3]
    }

    /// Returns its flags.
    pub fn flags(&self) -> u16 {
        u16::from_be_bytes([self.rdata[0], self.rdata[1]])
    }

    /// True if the parent's DS record may refer to it. RFC 8901, section 9: all providers ask the parent for the same ones.
    pub fn is_entry(&self) -> bool {
        self.flags() == FLAGS[1]
    }

    /// Returns the RDATA of the DS record with SHA-256 for this key of a zone.
    pub fn ds(&self, zone: &Name) -> [u8; public::DS_LENGTH] {
        public::ds(&self.rdata, zone)
    }
}

impl fmt::Debug for ForeignKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ForeignKey({} {} {})", self.flags(), self.algorithm(), self.tag())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_keys_that_sign_zones_are_keys() {
        let read = |flags: u16, protocol, algorithm| {
            ForeignKey::try_new(&[&flags.to_be_bytes()[..], &[protocol, algorithm, 7, 7]].concat())
        };
        assert!(read(257, 3, 8).is_ok_and(|key| key.is_entry()) && read(256, 3, 16).is_ok_and(|key| !key.is_entry()));
        assert_eq!(read(0, 3, 13), Err(BadForeignKey::Flags(0)));
        assert_eq!(read(385, 3, 13), Err(BadForeignKey::Flags(385)), "a revoked key (RFC 5011)");
        assert_eq!(read(256, 2, 13), Err(BadForeignKey::Protocol(2)));
        assert_eq!(read(256, 3, 5), Err(BadForeignKey::Algorithm(5)));
        assert_eq!(ForeignKey::try_new(&[1, 1, 3, 13]), Err(BadForeignKey::Empty));
    }
}
