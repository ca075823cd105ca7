//! The keys of a zone, and what each of them signs.

use std::fmt;
use std::sync::Arc;

use ring::digest;

use super::algorithm::SIGNATURE;
use super::private::PrivateKey;
use super::time::{Policy, Stage, Timing};
use super::{KEY_TTL, PublicKey};
use crate::name::Name;
use crate::wire::Rtype;
use crate::zone::Record;

/// Length in octets of a key's own number.
pub(super) const KEY_ID: usize = 16;

/// A key with both halves.
pub struct SigningKey {
    public: PublicKey,
    private: PrivateKey,
    timing: Timing,
    /// A digest of the public key, because tags of different keys can be equal.
    id: [u8; KEY_ID],
}

impl SigningKey {
    pub(super) fn new(public: PublicKey, private: PrivateKey, timing: Timing) -> Self {
        let digest = digest::digest(&digest::SHA256, public.rdata());
        let mut id = [0; KEY_ID];
        id.copy_from_slice(&digest.as_ref()[..KEY_ID]);
        Self { public, private, timing, id }
    }

    /// Returns the public half.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Returns when it is published and signs.
    pub fn timing(&self) -> Timing {
        self.timing
    }

    pub(super) fn id(&self) -> &[u8; KEY_ID] {
        &self.id
    }

    /// Signs. Returns `None` if the system has no random octets.
    pub(super) fn sign(&self, message: &[u8]) -> Option<[u8; SIGNATURE]> {
        self.private.sign(message)
    }
}

/// Shows the public half only.
impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("public", &self.public).field("timing", &self.timing).finish_non_exhaustive()
    }
}

/// The keys that sign a zone, with the part of each.
///
/// ```text
///   all active keys are entry points   each signs everything (CSK)
///   some are, and some are not         entry points sign DNSKEY, CDS and CDNSKEY (KSK), the others all else (ZSK)
///   published keys                     stand in the DNSKEY RRset and sign nothing
/// ```
///
/// Keys of one algorithm are looked at together; another algorithm's keys have their parts among themselves.
#[derive(Debug)]
pub struct ZoneKeys {
    apex: Name,
    /// The apex in lower case: the signer's name (RFC 4034, section 3.1.7).
    signer: Box<[u8]>,
    /// All published keys, by algorithm and tag.
    published: Box<[Arc<SigningKey>]>,
    /// Those that sign DNSKEY, CDS and CDNSKEY.
    of_keys: Box<[Arc<SigningKey>]>,
    /// Those that sign everything else.
    of_data: Box<[Arc<SigningKey>]>,
    policy: Policy,
}

/// The reason why keys cannot sign a zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadKeys {
    /// No key signs at this time.
    NoneActive,
    /// No key signs that the parent's DS record could refer to.
    NoEntry,
    /// A published key has an algorithm by which no active key signs all records. RFC 4035, section 2.2: "There MUST be
    /// an RRSIG for each RRset using at least one DNSKEY of each algorithm in the zone apex DNSKEY RRset."
    Uncovered(super::Algorithm),
}

impl fmt::Display for BadKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoneActive => f.write_str("none of its keys signs at this time"),
            Self::NoEntry => f.write_str("none of its keys that sign is an entry point (flags 257)"),
            Self::Uncovered(algorithm) => {
                write!(f, "a key of algorithm {algorithm} is published, but none of that algorithm signs all records")
            }
        }
    }
}

impl std::error::Error for BadKeys {}

impl ZoneKeys {
    /// Gives each key its part at the time `now`, in Unix seconds. Fails if the zone cannot be signed with these keys.
    pub fn try_new(apex: &Name, mut keys: Vec<SigningKey>, policy: Policy, now: u64) -> Result<Self, BadKeys> {
        keys.retain(|key| key.timing.stage(now) != Stage::Absent);
        keys.sort_by_key(|key| (key.public.algorithm().number(), key.public.tag(), key.id));
        let published: Box<[Arc<SigningKey>]> = keys.into_iter().map(Arc::new).collect();
        let active: Vec<_> = published.iter().filter(|key| key.timing.stage(now) == Stage::Active).cloned().collect();
        let of_keys: Vec<_> = active.iter().filter(|key| key.public.is_entry()).cloned().collect();
        if of_keys.is_empty() {
            return Err(if active.is_empty() { BadKeys::NoneActive } else { BadKeys::NoEntry });
        }
        let has_other =
            |algorithm| active.iter().any(|key| !key.public.is_entry() && key.public.algorithm() == algorithm);
        let signs_data = |key: &&Arc<SigningKey>| !key.public.is_entry() || !has_other(key.public.algorithm());
        let of_data: Vec<_> = active.iter().filter(signs_data).cloned().collect();
        let signs = |keys: &[Arc<SigningKey>], algorithm| keys.iter().any(|key| key.public.algorithm() == algorithm);
        let uncovered = published
            .iter()
            .map(|key| key.public.algorithm())
            .find(|&algorithm| !signs(&of_keys, algorithm) || !signs(&of_data, algorithm));
        match uncovered {
            Some(algorithm) => Err(BadKeys::Uncovered(algorithm)),
            None => Ok(Self {
                apex: apex.clone(),
                signer: apex.to_key(),
                published,
                of_keys: of_keys.into(),
                of_data: of_data.into(),
                policy,
            }),
        }
    }

    /// Returns the name of the zone.
    pub fn apex(&self) -> &Name {
        &self.apex
    }

    /// Returns all published keys.
    pub fn published(&self) -> &[Arc<SigningKey>] {
        &self.published
    }

    /// Returns the keys that sign records of this type.
    pub fn signing(&self, rtype: Rtype) -> &[Arc<SigningKey>] {
        match rtype {
            Rtype::DNSKEY | Rtype::CDS | Rtype::CDNSKEY => &self.of_keys,
            _ => &self.of_data,
        }
    }

    /// Returns how long signatures are valid.
    pub fn policy(&self) -> Policy {
        self.policy
    }

    /// Returns the signer's name in signatures: the apex in lower case.
    pub(super) fn signer(&self) -> &[u8] {
        &self.signer
    }

    /// Returns the records of the apex that tell the keys: DNSKEY, and CDS and CDNSKEY, by which the parent keeps its DS
    /// records up to date (RFC 7344).
    pub fn records(&self) -> Vec<Record> {
        let record =
            |rtype, rdata: &[u8]| Record { owner: self.apex.clone(), rtype, ttl: KEY_TTL, rdata: rdata.into() };
        let published = self.published.iter().map(|key| record(Rtype::DNSKEY, key.public.rdata()));
        let entries = self.of_keys.iter().flat_map(|key| {
            [record(Rtype::CDS, &key.public.ds(&self.apex)), record(Rtype::CDNSKEY, key.public.rdata())]
        });
        published.chain(entries).collect()
    }
}

/// Equal if both make the same records and signatures of the same windows.
impl PartialEq for ZoneKeys {
    fn eq(&self, other: &Self) -> bool {
        let ids = |keys: &[Arc<SigningKey>]| keys.iter().map(|key| key.id).collect::<Vec<_>>();
        self.apex == other.apex
            && self.policy == other.policy
            && ids(&self.published) == ids(&other.published)
            && ids(&self.of_keys) == ids(&other.of_keys)
            && ids(&self.of_data) == ids(&other.of_data)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Algorithm, key_file, private};
    use super::*;

    fn zone() -> Name {
        Name::parse("example.com.", &Name::root()).unwrap()
    }

    fn key(algorithm: Algorithm, is_entry: bool, timing: Timing) -> SigningKey {
        let (private, public) = private::generate(algorithm).unwrap();
        let public = PublicKey::new(algorithm, is_entry, &public).unwrap();
        let private = PrivateKey::new(&private, &public).unwrap_or_else(|_| unreachable!());
        SigningKey::new(public, private, timing)
    }

    fn keys(keys: Vec<SigningKey>) -> Result<ZoneKeys, BadKeys> {
        ZoneKeys::try_new(&zone(), keys, Policy::default(), 100)
    }

    const ALWAYS: Timing = Timing { publish: None, activate: None, inactive: None, delete: None };
    const LATER: Timing = Timing { publish: Some(0), activate: Some(200), ..ALWAYS };

    #[test]
    fn a_single_key_signs_everything() {
        let files = key_file::create(&zone(), Algorithm::EcdsaP256Sha256, 0).unwrap();
        let keys = keys(vec![key_file::read(&zone(), &files.public, &files.private).unwrap()]).unwrap();
        assert_eq!([Rtype::DNSKEY, Rtype::A].map(|rtype| keys.signing(rtype).len()), [1, 1]);
        let types: Vec<Rtype> = keys.records().iter().map(|record| record.rtype).collect();
        assert_eq!(types, [Rtype::DNSKEY, Rtype::CDS, Rtype::CDNSKEY]);
    }

    #[test]
    fn keys_have_their_parts() {
        let ecdsa = Algorithm::EcdsaP256Sha256;
        let keys = keys(vec![key(ecdsa, true, ALWAYS), key(ecdsa, false, ALWAYS), key(ecdsa, false, LATER)]).unwrap();
        assert_eq!(keys.published().len(), 3);
        assert!(keys.signing(Rtype::CDS).iter().all(|key| key.public().is_entry()));
        assert!(keys.signing(Rtype::SOA).iter().all(|key| !key.public().is_entry()));
        assert_eq!([Rtype::CDNSKEY, Rtype::TXT].map(|rtype| keys.signing(rtype).len()), [1, 1]);
    }

    #[test]
    fn keys_that_cannot_sign_the_zone_are_refused() {
        let (ecdsa, ed) = (Algorithm::EcdsaP256Sha256, Algorithm::Ed25519);
        assert_eq!(keys(Vec::new()).unwrap_err(), BadKeys::NoneActive);
        assert_eq!(keys(vec![key(ecdsa, true, LATER)]).unwrap_err(), BadKeys::NoneActive);
        assert_eq!(keys(vec![key(ecdsa, false, ALWAYS)]).unwrap_err(), BadKeys::NoEntry);
        let mixed = || vec![key(ecdsa, true, ALWAYS), key(ed, true, LATER)];
        assert_eq!(keys(mixed()).unwrap_err(), BadKeys::Uncovered(ed));
        assert_eq!(keys(vec![key(ecdsa, true, ALWAYS), key(ed, false, ALWAYS)]).unwrap_err(), BadKeys::Uncovered(ed));
        assert!(keys(vec![key(ecdsa, true, ALWAYS), key(ed, true, ALWAYS)]).is_ok());
    }
}
