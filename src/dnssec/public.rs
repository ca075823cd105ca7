//! The public half of a key: its DNSKEY record, its tag, and the DS record that the parent publishes.

use ring::digest;

use super::Algorithm;
use crate::name::Name;

/// The flag of keys that sign a zone (RFC 4034, section 2.1.1).
const ZONE_KEY: u16 = 0x0100;

/// The flag of keys that a DS record may refer to: Secure Entry Point (RFC 4034, section 2.1.1).
const SECURE_ENTRY_POINT: u16 = 0x0001;

/// The only protocol of keys (RFC 4034, section 2.1.2).
const PROTOCOL: u8 = 3;

/// The digest type SHA-256 of DS records (RFC 4509).
const SHA256: u8 = 2;

/// Length in octets of the fields before the public key in a DNSKEY record.
const BEFORE_KEY: usize = 4;

/// Length in octets of the RDATA of a DS record with SHA-256.
pub(super) const DS_LENGTH: usize = 4 + 32;

/// The public half of a key, as its DNSKEY record holds it.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    algorithm: Algorithm,
    /// RDATA of the DNSKEY record.
    rdata: Box<[u8]>,
}

impl PublicKey {
    /// Returns the key with these octets; `is_entry` is true for a key that the parent's DS record may refer to.
    /// `None` if the octets do not have the algorithm's length.
    pub(super) fn new(algorithm: Algorithm, is_entry: bool, octets: &[u8]) -> Option<Self> {
        let flags = ZONE_KEY | if is_entry { SECURE_ENTRY_POINT } else { 0 };
        let rdata = [&flags.to_be_bytes()[..], &[PROTOCOL, algorithm.number()], octets].concat();
        (octets.len() == algorithm.public_length()).then(|| Self { algorithm, rdata: rdata.into() })
    }

    /// Reads the fields of a DNSKEY record. `None` if it is no key of a zone, or if zones cannot be signed with its
    /// algorithm here.
    pub(super) fn from_fields(flags: u16, protocol: u8, algorithm: u8, octets: &[u8]) -> Option<Self> {
        let is_entry = flags & SECURE_ENTRY_POINT != 0;
        let is_fit = flags == ZONE_KEY | (flags & SECURE_ENTRY_POINT) && protocol == PROTOCOL;
        Self::new(Algorithm::from_number(algorithm).filter(|_| is_fit)?, is_entry, octets)
    }

    /// Returns the algorithm.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// True if the parent's DS record may refer to the key.
    pub fn is_entry(&self) -> bool {
        self.flags() & SECURE_ENTRY_POINT != 0
    }

    /// Returns the flags: 257 for an entry point, 256 for other keys.
    pub fn flags(&self) -> u16 {
        u16::from_be_bytes([self.rdata[0], self.rdata[1]])
    }

    /// Returns the RDATA of the DNSKEY record, which is that of the CDNSKEY record too (RFC 7344, section 3.2).
    pub fn rdata(&self) -> &[u8] {
        &self.rdata
    }

    /// Returns the key itself.
    pub fn octets(&self) -> &[u8] {
        &self.rdata[BEFORE_KEY..]
    }

    /// Returns the key tag (RFC 4034, appendix B).
    pub fn tag(&self) -> u16 {
        key_tag(&self.rdata)
    }

    /// Returns the RDATA of the DS record with SHA-256 for this key of a zone (RFC 4034, section 5.1).
    pub fn ds(&self, zone: &Name) -> [u8; DS_LENGTH] {
        ds(&self.rdata, zone)
    }

    /// True if this RDATA of a DS record refers to the key. A digest of another kind is not computed here: tag and algorithm
    /// must do.
    pub fn is_in(&self, rdata: &[u8], zone: &Name) -> bool {
        is_in(&self.rdata, rdata, zone)
    }
}

/// Returns the tag of the key with this RDATA of a DNSKEY record (RFC 4034, appendix B). Its algorithm is not 1.
pub fn key_tag(rdata: &[u8]) -> u16 {
    let pairs = rdata.chunks(2).map(|pair| match *pair {
        [high, low] => u32::from(u16::from_be_bytes([high, low])),
        [high] => u32::from(high) << 8,
        _ => 0,
    });
    let sum: u32 = pairs.sum();
    (sum + (sum >> 16)) as u16
}

/// Returns the RDATA of the DS record with SHA-256 for the key of a zone with this RDATA of a DNSKEY record, which has four
/// octets at least.
pub(super) fn ds(rdata: &[u8], zone: &Name) -> [u8; DS_LENGTH] {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(&zone.to_key());
    context.update(rdata);
    let [high, low] = key_tag(rdata).to_be_bytes();
    let mut ds = [0; DS_LENGTH];
    ds[..4].copy_from_slice(&[high, low, rdata[BEFORE_KEY - 1], SHA256]);
    ds[4..].copy_from_slice(context.finish().as_ref());
    ds
}

/// True if the RDATA `of_parent` of a DS record refers to the key of a zone with this RDATA of a DNSKEY record. A digest of another
/// kind is not computed here: tag and algorithm must do.
pub(super) fn is_in(rdata: &[u8], of_parent: &[u8], zone: &Name) -> bool {
    let ds = ds(rdata, zone);
    of_parent == ds || (of_parent.len() > 4 && of_parent[3] != ds[3] && of_parent[..3] == ds[..3])
}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PublicKey({} {} {})", self.flags(), self.algorithm, self.tag())
    }
}

#[cfg(test)]
mod tests {
    use data_encoding::{BASE64, HEXLOWER};

    use super::*;

    /// The examples of RFC 6605, section 6.1, and RFC 8080, section 6.1: key, tag and digest.
    #[test]
    fn tags_and_digests_are_those_of_the_rfcs() {
        for (algorithm, key, tag, ds) in [
            (
                13,
                "GojIhhXUN/u4v54ZQqGSnyhWJwaubCvTmeexv7bR6edbkrSqQpF64cYbcB7wNcP+e+MAnLr+Wi9xMWyQLc8NAA==",
                55648,
                "b4c8c1fe2e7477127b27115656ad6256f424625bf5c1e2770ce6d6e37df61d17",
            ),
            (
                15,
                "l02Woi0iS8Aa25FQkUd9RMzZHJpBoRQwAQEX1SxZJA4=",
                3613,
                "3aa5ab37efce57f737fc1627013fee07bdf241bd10f3b1964ab55c78e79a304b",
            ),
        ] {
            let key = PublicKey::from_fields(257, 3, algorithm, &BASE64.decode(key.as_bytes()).unwrap()).unwrap();
            let zone =
                Name::parse(if algorithm == 13 { "example.net." } else { "Example.COM." }, &Name::root()).unwrap();
            assert_eq!(key.tag(), tag);
            let made = key.ds(&zone);
            assert_eq!(made[..4], [&tag.to_be_bytes()[..], &[algorithm, 2]].concat());
            assert_eq!(HEXLOWER.encode(&made[4..]), ds);
        }
    }

    #[test]
    fn only_keys_of_zones_with_known_algorithms_are_keys() {
        assert!(PublicKey::from_fields(256, 3, 15, &[1; 32]).is_some_and(|key| !key.is_entry()));
        for (flags, protocol, algorithm, length) in
            [(0, 3, 15, 32), (385, 3, 15, 32), (257, 2, 15, 32), (257, 3, 8, 32), (257, 3, 15, 31), (257, 3, 13, 32)]
        {
            let key = PublicKey::from_fields(flags, protocol, algorithm, &vec![1; length]);
            assert_eq!(key, None, "{flags} {protocol} {algorithm} {length}");
        }
    }
}
