//! Signs the RRsets of a message while it is written: with a signature that is kept, or with a fresh one.

use std::hash::Hasher;
use std::num::NonZeroU32;
use std::sync::{Arc, OnceLock};

use ring::rand::{SecureRandom, SystemRandom};
use siphasher::sip::SipHasher24;
use siphasher::sip128::{Hasher128, SipHasher13};

use super::algorithm::SIGNATURE;
use super::canonical::Canonical;
use super::keys::{KEY_ID, SigningKey, ZoneKeys};
use super::nsec;
use super::table::{Hash, Table};
use crate::wire::{Message, NameOffset, Rtype, Section, Truncated};

/// Length in octets of the fields of an RRSIG record before the signer's name (RFC 4034, section 3.1).
const FIXED: usize = 18;

/// The key of the hash that spreads windows. It is not secret: it is fixed so that nodes agree.
const SPREAD: &[u8; 16] = b"truenorth window";

/// Entries for known names for each entry for made-up ones, which need fewer: hardly any of them is asked for twice.
const KNOWN_FOR_EACH_MADE_UP: usize = 4;

/// How much workers sign, and how many signatures are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Signatures that each worker makes in a second at most. Names that exist only in questions get half of them.
    pub signatures_per_second: NonZeroU32,
    /// Signatures of known names that are kept at most, at least one. A quarter as many are kept in addition for names
    /// that exist only in questions.
    pub kept: usize,
}

impl Default for Limits {
    /// Returns 4000 signatures a second, which leave a processor most of its time for answers, and 7 MB for those that
    /// are kept.
    fn default() -> Self {
        Self { signatures_per_second: NonZeroU32::new(4000).unwrap_or(NonZeroU32::MIN), kept: 65_536 }
    }
}

/// The signatures that all workers share. Their memory is taken when the first one is made.
#[derive(Debug, Default)]
pub struct Signatures {
    tables: OnceLock<Tables>,
}

#[derive(Debug)]
struct Tables {
    known: Table,
    made_up: Table,
    /// Nobody can make two RRsets with the same hash without knowing this.
    secret: [u8; 16],
}

impl Signatures {
    fn tables(&self, limits: Limits) -> &Tables {
        self.tables.get_or_init(|| {
            let mut secret = [0; 16];
            SystemRandom::new().fill(&mut secret).expect("the system has random octets");
            let made_up = limits.kept.div_ceil(KNOWN_FOR_EACH_MADE_UP);
            Tables { known: Table::new(limits.kept), made_up: Table::new(made_up), secret }
        })
    }
}

/// Where the owner of an RRset comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The zone holds the name.
    Known,
    /// The question made the name, or the data: a name that does not exist or that a wildcard answers for, or facts
    /// about the asker. Whoever asks random questions can make any number of these.
    MadeUp,
}

/// The signatures of one RRset, and where they go.
#[derive(Clone, Copy, Debug)]
pub struct Covered {
    /// The section of the RRset.
    pub section: Section,
    /// The offset in the message of the first record.
    pub start: usize,
    /// Where the owner comes from.
    pub origin: Origin,
    /// The TTL of the RRset in the zone, in seconds, if the message has a lower one.
    pub original_ttl: Option<u32>,
}

/// A proof that a name lacks types, or does not exist.
#[derive(Clone, Copy, Debug)]
pub struct Denial<'n> {
    /// The section of the proof.
    pub section: Section,
    /// The name in the message.
    pub owner: NameOffset,
    /// The same name in wire format and lower case.
    pub name: &'n [u8],
    /// Where the name comes from.
    pub origin: Origin,
    /// The TTL of the proof, in seconds.
    pub ttl: u32,
    /// False to write the signatures alone.
    pub with_record: bool,
}

/// The reason why an RRset of a message is not signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsigned {
    /// There is no room for the signature.
    Truncated,
    /// The worker has made all signatures of this second that it may make.
    OverBudget,
    /// The system has no random octets, or the message holds no RRset there.
    Failed,
}

impl From<Truncated> for Unsigned {
    fn from(_: Truncated) -> Self {
        Self::Truncated
    }
}

/// Numbers of signatures that were kept, made and refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Signatures that were kept.
    pub kept: u32,
    /// Signatures that were made.
    pub fresh: u32,
    /// Signatures that were not made for want of budget.
    pub refused: u32,
}

/// Signs for one worker. After its first answers it allocates nothing.
#[derive(Clone, Debug)]
pub struct Signer {
    signatures: Arc<Signatures>,
    canonical: Canonical,
    /// The octets that are signed, after the key's own number.
    octets: Vec<u8>,
    types: Vec<Rtype>,
    rdata: Vec<u8>,
    /// The present second.
    second: u64,
    /// Signatures that were made in it.
    spent: u32,
    counts: Counts,
}

impl Signer {
    /// Returns a signer that shares these signatures with others.
    pub fn new(signatures: Arc<Signatures>) -> Self {
        Self {
            signatures,
            canonical: Canonical::default(),
            octets: Vec::new(),
            types: Vec::new(),
            rdata: Vec::new(),
            second: 0,
            spent: 0,
            counts: Counts::default(),
        }
    }

    /// Returns what signing did since this was called last.
    pub fn take_counts(&mut self) -> Counts {
        std::mem::take(&mut self.counts)
    }

    /// Returns the list of types for the next [denial](Self::deny), which is empty.
    pub fn types(&mut self) -> &mut Vec<Rtype> {
        self.types.clear();
        &mut self.types
    }

    /// Writes the signatures of the RRset that begins at `covered.start` and ends at the end of the message, or at the
    /// next RRset. `now` is the time in Unix seconds.
    pub fn sign(
        &mut self,
        keys: &ZoneKeys,
        limits: Limits,
        message: &mut Message<'_>,
        covered: Covered,
        now: u64,
    ) -> Result<(), Unsigned> {
        self.canonical.read(message.as_octets(), covered.start).ok_or(Unsigned::Failed)?;
        let owner = message.name_at(covered.start).ok_or(Unsigned::Truncated)?;
        let original_ttl = covered.original_ttl.unwrap_or(self.canonical.ttl());
        self.write(keys, limits, message, (covered.section, owner), (covered.origin, original_ttl), now)
    }

    /// Returns owner in lower case, type and end of the RRset that begins at this offset of the message; `None` if there
    /// is none.
    pub fn look(&mut self, message: &Message<'_>, start: usize) -> Option<(&[u8], Rtype, usize)> {
        let end = self.canonical.read(message.as_octets(), start)?;
        Some((self.canonical.owner(), self.canonical.rtype(), end))
    }

    /// Writes a proof that the name has exactly the [types](Self::types), together with RRSIG and NSEC, and its
    /// signatures.
    pub fn deny(
        &mut self,
        keys: &ZoneKeys,
        limits: Limits,
        message: &mut Message<'_>,
        denial: Denial<'_>,
        now: u64,
    ) -> Result<(), Unsigned> {
        let Denial { section, owner, name, origin, ttl, with_record } = denial;
        self.types.extend([Rtype::RRSIG, Rtype::NSEC]);
        self.types.sort_unstable();
        self.types.dedup();
        self.rdata.clear();
        nsec::append_rdata(name, keys.signer().len(), &self.types, &mut self.rdata);
        if with_record {
            message.push_rrset(section, |rrset| rrset.record(owner, Rtype::NSEC, ttl, &self.rdata))?;
        }
        self.canonical.set(name, Rtype::NSEC, ttl, &self.rdata);
        self.write(keys, limits, message, (section, owner), (origin, ttl), now)
    }

    /// Writes the signatures of the canonical RRset.
    fn write(
        &mut self,
        keys: &ZoneKeys,
        limits: Limits,
        message: &mut Message<'_>,
        (section, owner): (Section, NameOffset),
        (origin, original_ttl): (Origin, u32),
        now: u64,
    ) -> Result<(), Unsigned> {
        let (rtype, ttl) = (self.canonical.rtype(), self.canonical.ttl());
        let before = KEY_ID + FIXED + keys.signer().len();
        self.octets.clear();
        self.octets.resize(before, 0);
        self.canonical.append(original_ttl, &mut self.octets);
        for key in keys.signing(rtype) {
            let (inception, expiration) = keys.policy().window(now, self.spread(key));
            let public = key.public();
            let fields: [&[u8]; 8] = [
                key.id(),
                &rtype.0.to_be_bytes(),
                &[public.algorithm().number(), self.canonical.labels()],
                &original_ttl.to_be_bytes(),
                &expiration.to_be_bytes(),
                &inception.to_be_bytes(),
                &public.tag().to_be_bytes(),
                keys.signer(),
            ];
            let mut at = 0;
            for field in fields {
                self.octets[at..at + field.len()].copy_from_slice(field);
                at += field.len();
            }
            let signature = self.signature(key, limits, origin, now)?;
            let rdata = &self.octets[KEY_ID..before];
            message.push_rrset(section, |rrset| {
                rrset.fields(owner, Rtype::RRSIG, ttl, rdata.len() + SIGNATURE)?;
                rrset.octets(rdata)?;
                rrset.octets(&signature)
            })?;
        }
        Ok(())
    }

    /// Returns the kept signature of `octets`, or makes one.
    fn signature(
        &mut self,
        key: &SigningKey,
        limits: Limits,
        origin: Origin,
        now: u64,
    ) -> Result<[u8; SIGNATURE], Unsigned> {
        let tables = self.signatures.tables(limits);
        let table = match origin {
            Origin::Known => &tables.known,
            Origin::MadeUp => &tables.made_up,
        };
        let hash = hash(&tables.secret, &self.octets);
        if let Some(kept) = table.get(hash, now as u32) {
            self.counts.kept += 1;
            return Ok(kept);
        }
        if self.second != now {
            (self.second, self.spent) = (now, 0);
        }
        let budget = limits.signatures_per_second.get();
        let budget = if origin == Origin::Known { budget } else { budget.div_ceil(2) };
        if self.spent >= budget {
            self.counts.refused += 1;
            return Err(Unsigned::OverBudget);
        }
        let signature = key.sign(&self.octets[KEY_ID..]).ok_or(Unsigned::Failed)?;
        table.keep(hash, &signature, now as u32);
        self.spent += 1;
        self.counts.fresh += 1;
        Ok(signature)
    }

    /// Returns a number that is the same for all signatures of this owner, type and key, on every node.
    fn spread(&self, key: &SigningKey) -> u64 {
        let mut hasher = SipHasher24::new_with_key(SPREAD);
        hasher.write(key.id());
        hasher.write(&self.canonical.rtype().0.to_be_bytes());
        hasher.write(self.canonical.owner());
        hasher.finish()
    }
}

fn hash(secret: &[u8; 16], octets: &[u8]) -> Hash {
    let mut hasher = SipHasher13::new_with_key(secret);
    hasher.write(octets);
    let hash = hasher.finish128();
    // Zero stands for an empty entry.
    [hash.h1.max(1), hash.h2]
}

#[cfg(test)]
mod tests {
    use super::super::{Algorithm, Policy, Rules, key_file};
    use super::*;
    use crate::name::Name;
    use crate::wire::Query;

    /// A query for `www.example.`, whose name is at offset 12.
    const QUERY: &[u8] = b"\0\x07\0\0\0\x01\0\0\0\0\0\0\x03www\x07example\0\0\x01\0\x01";

    const NOW: u64 = 1_800_000_000;

    fn keys(algorithm: Algorithm) -> ZoneKeys {
        let zone = Name::parse("Example.", &Name::root()).unwrap();
        let files = key_file::NewKey::first(algorithm, 3600, 0).create(&zone).unwrap();
        let key = key_file::read(&zone, &files.public, &files.private).unwrap();
        ZoneKeys::try_new(&zone, vec![key], Rules::default(), NOW).unwrap()
    }

    fn signer() -> Signer {
        Signer::new(Arc::default())
    }

    /// Writes these addresses and signs them. Returns the RDATA of the RRSIG record.
    fn sign(
        signer: &mut Signer,
        keys: &ZoneKeys,
        limits: Limits,
        addresses: &[[u8; 4]],
        (origin, now): (Origin, u64),
    ) -> Result<Vec<u8>, Unsigned> {
        let query = Query::parse(QUERY).unwrap();
        let mut buffer = vec![0; 1232];
        let mut message = Message::begin(&mut buffer, 1232, &query, None);
        let start = message.len();
        let of = (NameOffset::QUESTION, Rtype::A, 30);
        message.push_rrset(Section::Answer, |rrset| rrset.addresses(of, addresses.iter())).unwrap();
        let end = message.len();
        let covered = Covered { section: Section::Answer, start, origin, original_ttl: None };
        signer.sign(keys, limits, &mut message, covered, now)?;
        // Owner, type, class, TTL and length come before.
        Ok(message.as_octets()[end + 12..].to_vec())
    }

    const ADDRESSES: [[u8; 4]; 3] = [[192, 0, 2, 3], [192, 0, 2, 1], [192, 0, 2, 2]];

    #[test]
    fn a_signature_covers_the_canonical_records() {
        use ring::signature::{ECDSA_P256_SHA256_FIXED, ED25519, UnparsedPublicKey};
        for algorithm in Algorithm::ALL {
            let keys = keys(algorithm);
            let rdata = sign(&mut signer(), &keys, Limits::default(), &ADDRESSES, (Origin::Known, NOW)).unwrap();
            let (fields, signature) = rdata.split_at(rdata.len() - SIGNATURE);
            let public = keys.parts().next().unwrap().0.public();
            let [high, low] = public.tag().to_be_bytes();
            assert_eq!(fields[..8], [0, 1, algorithm.number(), 2, 0, 0, 0, 30]);
            assert_eq!(fields[16..], [&[high, low][..], b"\x07example\0"].concat());
            let time = |at: usize| u64::from(u32::from_be_bytes(fields[at..at + 4].try_into().unwrap()));
            assert!(time(12) <= NOW - 3600 && time(8) >= NOW + Policy::default().refresh());
            // RFC 4034, section 3.1.8.1: signature = sign(RRSIG_RDATA | RR(1) | RR(2)... )
            let record =
                |last: u8| [&b"\x03www\x07example\0\0\x01\0\x01\0\0\0\x1e\0\x04\xc0\0\x02"[..], &[last]].concat();
            let signed = [fields, &record(1), &record(2), &record(3)].concat();
            let valid = match algorithm {
                Algorithm::EcdsaP256Sha256 => {
                    let point = [&[4], public.octets()].concat();
                    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(&signed, signature)
                }
                Algorithm::Ed25519 => UnparsedPublicKey::new(&ED25519, public.octets()).verify(&signed, signature),
            };
            assert!(valid.is_ok(), "{algorithm}");
        }
    }

    #[test]
    fn the_same_records_keep_their_signature_in_any_order() {
        let (keys, mut signer, limits) = (keys(Algorithm::EcdsaP256Sha256), signer(), Limits::default());
        let mut sign =
            |addresses: &[[u8; 4]], now| sign(&mut signer, &keys, limits, addresses, (Origin::Known, now)).unwrap();
        let first = sign(&ADDRESSES, NOW);
        let mut turned = ADDRESSES;
        turned.rotate_left(1);
        assert_eq!(sign(&turned, NOW), first);
        assert_ne!(sign(&ADDRESSES[..2], NOW), first);
        // A week later every window has ended.
        assert_ne!(sign(&ADDRESSES, NOW + 7 * 86_400), first);
        assert_eq!(signer.take_counts(), Counts { kept: 1, fresh: 3, refused: 0 });
        assert_eq!(signer.take_counts(), Counts::default());
    }

    #[test]
    fn other_workers_use_what_one_has_signed() {
        let (keys, shared) = (keys(Algorithm::Ed25519), Arc::<Signatures>::default());
        let [mut first, mut second] = [(); 2].map(|()| Signer::new(shared.clone()));
        for signer in [&mut first, &mut second] {
            sign(signer, &keys, Limits::default(), &ADDRESSES, (Origin::Known, NOW)).unwrap();
        }
        assert_eq!([first.take_counts().fresh, second.take_counts().kept], [1, 1]);
    }

    #[test]
    fn made_up_names_get_half_of_the_budget_and_the_next_second_a_new_one() {
        let (keys, mut signer) = (keys(Algorithm::Ed25519), signer());
        let limits = Limits { signatures_per_second: NonZeroU32::new(4).unwrap(), kept: 1024 };
        let mut number = 0;
        let mut fresh = |origin, now| {
            number += 1;
            sign(&mut signer, &keys, limits, &[[10, 0, 0, number]], (origin, now)).map(|_| ())
        };
        let over = Err(Unsigned::OverBudget);
        let made_up = [(); 3].map(|()| fresh(Origin::MadeUp, NOW));
        assert_eq!(made_up, [Ok(()), Ok(()), over]);
        let known = [(); 3].map(|()| fresh(Origin::Known, NOW));
        assert_eq!(known, [Ok(()), Ok(()), over]);
        assert_eq!(fresh(Origin::MadeUp, NOW + 1), Ok(()));
        assert_eq!(signer.take_counts(), Counts { kept: 0, fresh: 5, refused: 2 });
    }
}
