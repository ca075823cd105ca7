//! State that a worker keeps from query to query.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::known::KnownNames;
use super::repeat::Repeats;
use crate::counters::Tally;
use crate::dnssec::{Signatures, Signer};
use crate::name::{KeyHasher, fold};
use crate::snapshot::Snapshot;
use crate::tap::Notes;
use crate::wire::Rtype;
use crate::zone::{Node, NodeId, ZoneId};

/// Number of counters that rotate answers; a power of two. Askers that share a counter by chance advance each other's
/// turns.
const TURNS: usize = 1 << 18;

/// Spreads types over counters, so that A and AAAA of one asker and name have a counter each: 2^64 divided by the
/// golden ratio, odd (Knuth, The Art of Computer Programming, volume 3, section 6.4).
const TYPE_FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

/// Number of hash bits that are not used for an asker's first turn. The first turn has 31 bits, so that turns exceed 32
/// bits only after two thousand million answers to one asker.
const START_SHIFT: u32 = 33;

/// Counts the turns of every asker and question, over all workers and sockets. The counts are kept when snapshots
/// change.
///
/// The first turn of an asker is a hash of its address and the name, so that askers who ask only once are spread evenly
/// over the endpoints. Each further turn is one more. A and AAAA have counters of their own, but begin with the same
/// turn: where tied datacenters answer together, both families of one asker lead to the same one as long as it asks for
/// both equally often.
#[derive(Debug)]
pub struct Rotation {
    counts: Box<[AtomicU32]>,
    /// Hashes names.
    hasher: KeyHasher,
    /// Secret numbers for addresses.
    seeds: [u64; 2],
}

impl Default for Rotation {
    fn default() -> Self {
        Self::drawn(&mut fastrand::Rng::new())
    }
}

impl Rotation {
    /// Creates counters whose first turns depend only on the seed, so that their statistics can be repeated.
    pub fn with_seed(seed: u64) -> Self {
        Self::drawn(&mut fastrand::Rng::with_seed(seed))
    }

    fn drawn(random: &mut fastrand::Rng) -> Self {
        let mut seeds = || [random.u64(..), random.u64(..)];
        let hasher = KeyHasher::with_seeds(seeds());
        Self { counts: (0..TURNS).map(|_| AtomicU32::new(0)).collect(), hasher, seeds: seeds() }
    }

    /// Returns the turn of this asker for a question for the name with this [hash](Worker::hash): one more than the last
    /// time.
    fn next(&self, asker: IpAddr, name: u64, rtype: Rtype) -> u32 {
        let asker = match asker {
            IpAddr::V4(address) => address.to_bits().into(),
            IpAddr::V6(address) => address.to_bits(),
        };
        let [high, low] = self.seeds;
        let asker = fold((asker >> 64) as u64 ^ high, asker as u64 ^ low);
        let hash = fold(asker ^ high, name ^ low);
        let place = hash.wrapping_add(u64::from(rtype.0).wrapping_mul(TYPE_FACTOR)) as usize % TURNS;
        // Relaxed: the counter guards no other memory, and two simultaneous questions may come in either order.
        let count = self.counts[place].fetch_add(1, Ordering::Relaxed);
        ((hash >> START_SHIFT) as u32).wrapping_add(count)
    }
}

/// Number of clients that a worker locates for the counters in a second. Locating costs more than all other counters
/// together.
const ALL_UP_TO: u32 = 512;

/// The worker locates one of this many further clients in the same second.
const STRIDE: u32 = 16;

/// One worker's own state. It is cheap to make, and used by one thread at a time.
#[derive(Clone, Debug)]
pub struct Worker {
    rotation: Arc<Rotation>,
    random: fastrand::Rng,
    /// `None` if the worker does not count.
    tally: Option<Tally>,
    /// The present second.
    now: u64,
    /// Number of clients in this second that are all still located.
    left: u32,
    /// When `left` is 0: number of clients to skip before the next one that is located.
    until_located: u32,
    /// The facts that decided the last answer that the query log contains.
    notes: Notes,
    /// True if `notes` are those of the last answer, and nobody has taken them.
    is_noted: bool,
    /// `None` until a signature is needed, if the worker shares none.
    signer: Option<Box<Signer>>,
    /// The names that it found lately; `None` if it answers too few queries for that.
    known: Option<KnownNames>,
    /// The queries that it answered lately; `None` if it keeps no names either.
    pub(super) repeats: Option<Repeats>,
    /// Number of datagrams of which nothing was kept, since [`take_anew`](Self::take_anew) was called.
    anew: usize,
}

impl Worker {
    /// Returns a worker that shares turns with all workers of this rotation, and has random numbers of its own.
    pub fn new(rotation: Arc<Rotation>) -> Self {
        Self {
            rotation,
            random: fastrand::Rng::new(),
            tally: None,
            now: 0,
            left: ALL_UP_TO,
            until_located: 0,
            notes: Notes::default(),
            is_noted: false,
            signer: None,
            known: None,
            repeats: None,
            anew: 0,
        }
    }

    /// Returns the worker with signatures that it shares with others.
    pub fn sharing(self, signatures: Arc<Signatures>) -> Self {
        Self { signer: Some(Box::new(Signer::new(signatures))), ..self }
    }

    /// Returns the worker for signatures that nobody has asked for yet.
    pub(super) fn ahead(self, signatures: Arc<Signatures>) -> Self {
        Self { signer: Some(Box::new(Signer::ahead(signatures))), ..self }
    }

    /// Returns the worker for an explanation: it takes the signatures that are kept here, and changes nothing.
    pub fn looking(self, signatures: Arc<Signatures>) -> Self {
        Self { signer: Some(Box::new(Signer::looking(signatures))), ..self }
    }

    /// Returns what signs this worker's answers. Without shared signatures it keeps its own.
    pub(super) fn signer(&mut self) -> &mut Signer {
        self.signer.get_or_insert_with(|| Box::new(Signer::new(Arc::default())))
    }

    /// Returns, for each signature that a worker that is [looking](Self::looking) has written since this was called last, true
    /// if it was kept.
    pub fn take_sources(&mut self) -> Vec<bool> {
        self.signer().take_sources()
    }

    /// Returns the worker with a memory for names and queries, for one that answers many queries.
    pub fn recalling(self) -> Self {
        Self { known: Some(KnownNames::default()), repeats: Some(Repeats::default()), ..self }
    }

    /// Returns the worker with counters. It counts its answers from now on.
    pub fn counting(self, tally: Tally) -> Self {
        Self { tally: Some(tally), ..self }
    }

    /// Returns the counters, if the worker counts.
    pub fn tally(&self) -> Option<&Tally> {
        self.tally.as_ref()
    }

    /// Tells the worker the time in seconds. In each second it locates the first clients for the counters, and then one
    /// of [`STRIDE`].
    pub fn at(&mut self, now: u64) {
        if self.now != now {
            (self.now, self.left) = (now, ALL_UP_TO);
        }
    }

    /// Returns the number of clients that this one stands for; `None` if it is not located.
    pub(super) fn weight(&mut self) -> Option<u64> {
        if self.left > 0 {
            self.left -= 1;
            return Some(1);
        }
        if self.until_located > 0 {
            self.until_located -= 1;
            return None;
        }
        self.until_located = STRIDE - 1;
        Some(STRIDE.into())
    }

    /// True for one answer of `every`, at random. If a counter decided, and an asker asked for A and AAAA in turn, the
    /// log could contain only one of the two.
    pub(super) fn is_sampled(&mut self, every: NonZeroU32) -> bool {
        every == NonZeroU32::MIN || self.random.u32(..every.get()) == 0
    }

    /// Begins the notes of an answer.
    pub(super) fn begin_notes(&mut self) -> &mut Notes {
        self.is_noted = true;
        self.notes.clear();
        &mut self.notes
    }

    /// Forgets the notes of the last answer.
    pub(super) fn drop_notes(&mut self) {
        self.is_noted = false;
    }

    /// Returns the notes of the last answer, once; `None` if the query log does not contain it.
    #[inline]
    pub fn take_notes(&mut self) -> Option<&[u8]> {
        std::mem::take(&mut self.is_noted).then(|| self.notes.as_octets())
    }

    /// Counts a datagram of which nothing is kept.
    pub(super) fn answers_anew(&mut self) {
        self.anew += 1;
    }

    /// Returns the number of these datagrams since this was called last.
    #[inline]
    pub(super) fn take_anew(&mut self) -> usize {
        std::mem::take(&mut self.anew)
    }

    /// Returns the hash of a name in lower case, which is the same for all workers.
    #[inline]
    pub(super) fn hash(&self, key: &[u8]) -> u64 {
        self.rotation.hasher.hash(key)
    }

    /// Returns the zone and the node of a name that the worker found lately, if it keeps names.
    #[inline]
    pub(super) fn recall<'s>(&self, snapshot: &'s Snapshot, hash: u64, key: &[u8]) -> Option<(ZoneId, Node<'s>)> {
        self.known.as_ref()?.find(snapshot, hash, key)
    }

    /// Keeps where a name was found, if the worker keeps names.
    #[inline]
    pub(super) fn keep(&mut self, snapshot: &Snapshot, hash: u64, place: (ZoneId, NodeId)) {
        if let Some(known) = &mut self.known {
            known.keep(snapshot, hash, place);
        }
    }

    /// Returns the turn of this asker for a question for the name with this [hash](Self::hash): one more than at its
    /// last answer, whichever worker gave that.
    #[inline]
    pub(super) fn turn(&self, asker: IpAddr, name: u64, rtype: Rtype) -> u32 {
        self.rotation.next(asker, name, rtype)
    }

    /// Returns random numbers for a decision that is made more than once: a clone gives the same numbers again.
    pub(super) fn numbers(&mut self) -> fastrand::Rng {
        self.random.fork()
    }

    /// Returns a uniform random number below `bound`.
    pub(super) fn draw(&mut self, bound: u32) -> u32 {
        self.random.u32(..bound)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::*;

    const NAME: &[u8] = b"\x03www\x07example\0";

    /// Number of askers that ask once.
    const ASKERS: u32 = 60_000;

    /// The seed of all counters here: the statistics are the same in every run.
    const SEED: u64 = 1;

    /// Normal deviates that chance exceeds once in 300,000 cases. The tests here have some 3,600 cases.
    const DEVIATES: f64 = 4.5;

    /// Asserts that counts of equally probable outcomes are as even as chance allows: chi-square by its normal
    /// approximation of Wilson and Hilferty.
    #[track_caller]
    fn assert_even(counts: &[u32], case: &str) {
        let (freedom, expected) =
            ((counts.len() - 1) as f64, f64::from(counts.iter().sum::<u32>()) / counts.len() as f64);
        let chi_square: f64 = counts.iter().map(|&count| (f64::from(count) - expected).powi(2) / expected).sum();
        let spread = 2.0 / (9.0 * freedom);
        let deviates = ((chi_square / freedom).cbrt() - (1.0 - spread)) / spread.sqrt();
        assert!(deviates < DEVIATES, "{case}: chi-square {chi_square:.1} of {freedom} degrees: {deviates:.1} deviates");
    }

    /// The name of a pattern of askers, and the address of each asker.
    type Pattern = (&'static str, fn(u32) -> IpAddr);

    /// Returns askers in realistic patterns: neighbours, and one in each network, of both families.
    fn askers() -> [Pattern; 4] {
        [
            ("neighbours", |number| (0xc633_6400 + number).to_be_bytes().into()),
            ("one a /24", |number| ((number << 8) + 0x0b00_0035).to_be_bytes().into()),
            ("one a /64", |number| Ipv6Addr::from_bits(0x2001_0db8 << 96 | u128::from(number) << 64 | 0x53).into()),
            ("IPv6 neighbours", |number| Ipv6Addr::from_bits(0x2001_0db8 << 96 | u128::from(number)).into()),
        ]
    }

    #[test]
    fn first_turns_of_those_who_ask_once_are_spread_evenly() {
        for (pattern, asker) in askers() {
            for rtype in [Rtype::A, Rtype::AAAA, Rtype::HTTPS] {
                let rotation = Rotation::with_seed(SEED);
                let name = rotation.hasher.hash(NAME);
                let turns: Vec<u32> = (0..ASKERS).map(|number| rotation.next(asker(number), name, rtype)).collect();
                for endpoints in 2..=300 {
                    let mut counts = vec![0; endpoints];
                    for turn in &turns {
                        counts[*turn as usize % endpoints] += 1;
                    }
                    assert_even(&counts, &format!("{pattern}, {endpoints} endpoints, type {}", rtype.0));
                }
            }
        }
    }

    /// A resolver that asks once for each of many names begins with a different turn for each name.
    #[test]
    fn first_turns_of_one_asker_are_spread_over_names() {
        let rotation = Rotation::with_seed(SEED);
        let mut counts = [0; 3];
        for number in 0..ASKERS {
            let name = [&[8][..], format!("{number:08}").as_bytes(), NAME].concat();
            counts[rotation.next([192, 0, 2, 53].into(), rotation.hasher.hash(&name), Rtype::A) as usize % 3] += 1;
        }
        assert_even(&counts, "names");
    }

    #[test]
    fn turns_of_one_asker_go_by_ones_for_each_type_apart() {
        let rotation = Rotation::default();
        let name = rotation.hasher.hash(NAME);
        let turn = |rtype| rotation.next([192, 0, 2, 53].into(), name, rtype);
        let first = turn(Rtype::A);
        assert_eq!([turn(Rtype::A), turn(Rtype::A)], [first + 1, first + 2]);
        assert_eq!([turn(Rtype::AAAA), turn(Rtype::AAAA)], [first, first + 1], "both families begin at one place");
        assert_eq!(turn(Rtype::A), first + 3);
    }
}
