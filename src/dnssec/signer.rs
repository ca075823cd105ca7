//! Signs the RRsets of a message while it is written: with a signature that is kept, or with a fresh one.

use std::hash::Hasher;
use std::num::NonZeroU32;
use std::sync::{Arc, OnceLock};

use ring::rand::{SecureRandom, SystemRandom};
use siphasher::sip::SipHasher24;
use siphasher::sip128::{Hasher128, SipHasher13};

use super::algorithm::SIGNATURE;
use super::canonical::Canonical;
use super::keys::ZoneKeys;
use super::nsec;
use super::signing_key::{KEY_ID, SigningKey};
use super::table::{Hash, Table};
use crate::wire::{Message, NameOffset, Rtype, Section, Truncated};

/// Length in octets of the fields of an RRSIG record before the signer's name (RFC 4034, section 3.1).
const FIXED: usize = 18;

/// The key of the hash that spreads windows. It is not secret: it is fixed so that nodes agree.
const SPREAD: &[u8; 16] = b"truenorth window";

/// Signatures are made ahead for answers that are given up to this many seconds later. So a signature whose window ends is
/// followed by the next one in time. Whoever signs ahead does so twice in this time at least.
pub const LEAD: u64 = 120;

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

impl Tables {
    fn of(&self, origin: Origin) -> &Table {
        match origin {
            Origin::Known => &self.known,
            Origin::MadeUp => &self.made_up,
        }
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

/// The use of the signatures that a signer makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// Answers: within the budget.
    Answers,
    /// Answers that may come: without a budget, and nothing counts as read.
    Ahead,
    /// Explanations: nothing is kept either.
    Explanations,
}

/// Numbers of signatures that were kept, made and refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Signatures that were kept.
    pub kept: u32,
    /// Those of them that were made ahead, and are read for the first time.
    pub foreseen: u32,
    /// Signatures that were made.
    pub fresh: u32,
    /// Signatures that were not made for want of budget.
    pub refused: u32,
}

/// Signs for one worker. After its first answers it allocates nothing.
#[derive(Clone, Debug)]
pub struct Signer {
    signatures: Arc<Signatures>,
    purpose: Purpose,
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
    /// For explanations: true for each signature that was kept, in the order in which they were written.
    sources: Vec<bool>,
}

impl Signer {
    /// Returns a signer that shares these signatures with others.
    pub fn new(signatures: Arc<Signatures>) -> Self {
        Self::with_purpose(signatures, Purpose::Answers)
    }

    /// Returns a signer that fills these signatures before they are asked for. It has no budget: its caller limits the time.
    pub fn ahead(signatures: Arc<Signatures>) -> Self {
        Self::with_purpose(signatures, Purpose::Ahead)
    }

    /// Returns a signer that takes the signatures that are kept here, and leaves everything as it is.
    pub fn looking(signatures: Arc<Signatures>) -> Self {
        Self::with_purpose(signatures, Purpose::Explanations)
    }

    fn with_purpose(signatures: Arc<Signatures>, purpose: Purpose) -> Self {
        Self {
            signatures,
            purpose,
            sources: Vec::new(),
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

    /// Returns, for each signature that was written since this was called last, true if it was kept. Empty unless the signer
    /// is [looking](Self::looking).
    pub fn take_sources(&mut self) -> Vec<bool> {
        std::mem::take(&mut self.sources)
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
            let spread = self.spread(key);
            let window = keys.policy().window(now, spread);
            if self.purpose == Purpose::Ahead {
                let next = keys.policy().window(now + LEAD, spread);
                if next != window {
                    self.fill(key, keys.signer(), original_ttl, next);
                    self.signature(key, limits, origin, now)?;
                }
            }
            self.fill(key, keys.signer(), original_ttl, window);
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

    /// Writes the fields before the records into `octets`: the key's own number, and the RDATA of the RRSIG record without its
    /// signature.
    fn fill(&mut self, key: &SigningKey, signer: &[u8], original_ttl: u32, (inception, expiration): (u32, u32)) {
        let public = key.public();
        let fields: [&[u8]; 8] = [
            key.id(),
            &self.canonical.rtype().0.to_be_bytes(),
            &[public.algorithm().number(), self.canonical.labels()],
            &original_ttl.to_be_bytes(),
            &expiration.to_be_bytes(),
            &inception.to_be_bytes(),
            &public.tag().to_be_bytes(),
            signer,
        ];
        let mut at = 0;
        for field in fields {
            self.octets[at..at + field.len()].copy_from_slice(field);
            at += field.len();
        }
    }

    /// Returns the kept signature of `octets`, or makes one.
    fn signature(
        &mut self,
        key: &SigningKey,
        limits: Limits,
        origin: Origin,
        now: u64,
    ) -> Result<[u8; SIGNATURE], Unsigned> {
        if self.purpose != Purpose::Answers {
            return self.signature_beside(key, limits, origin, now);
        }
        let tables = self.signatures.tables(limits);
        let (table, hash) = (tables.of(origin), hash(&tables.secret, &self.octets));
        if let Some((kept, is_foreseen)) = table.get(hash, now as u32) {
            self.counts.kept += 1;
            self.counts.foreseen += u32::from(is_foreseen);
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
        table.keep(hash, &signature, now as u32, false);
        self.spent += 1;
        self.counts.fresh += 1;
        Ok(signature)
    }

    /// Returns the kept signature of `octets`, or makes one, for another purpose than an answer.
    #[inline(never)]
    fn signature_beside(
        &mut self,
        key: &SigningKey,
        limits: Limits,
        origin: Origin,
        now: u64,
    ) -> Result<[u8; SIGNATURE], Unsigned> {
        let is_ahead = self.purpose == Purpose::Ahead;
        // An explanation takes no memory for signatures.
        let tables = if is_ahead { Some(self.signatures.tables(limits)) } else { self.signatures.tables.get() };
        let place = tables.map(|tables| (tables.of(origin), hash(&tables.secret, &self.octets)));
        let kept = place.and_then(|(table, hash)| table.peek(hash));
        if !is_ahead {
            self.sources.push(kept.is_some());
        }
        if let Some(kept) = kept {
            self.counts.kept += 1;
            return Ok(kept);
        }
        let signature = key.sign(&self.octets[KEY_ID..]).ok_or(Unsigned::Failed)?;
        if let Some((table, hash)) = place.filter(|_| is_ahead) {
            table.keep(hash, &signature, now as u32, true);
        }
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
mod tests;
