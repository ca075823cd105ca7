//! The signatures that were made, for all workers.
//!
//! ```text
//!   hash of what is signed and by which key ──► a set of four entries ──► the signature, or none
//! ```
//!
//! An entry is found by a keyed hash of 128 bits over everything that the signature covers: the key, the times, and the
//! records in canonical form. So an entry is never wrong, whatever changes, and nothing has to be removed: entries that
//! nobody asks for are replaced.
//!
//! Readers take no lock. Each entry has a version that is odd while somebody writes to it; a reader that meets such an
//! entry, or a version that changed meanwhile, takes the entry as missing.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

use super::algorithm::SIGNATURE;

/// Number of entries that a hash can be in.
const WAYS: usize = 4;

/// The bit of [`Entry::used`] that is set until somebody reads a signature that was made ahead.
const UNREAD: u32 = 1;

/// Number of words of a signature.
const WORDS: usize = SIGNATURE / size_of::<u64>();

/// A hash of everything that a signature covers.
pub(super) type Hash = [u64; 2];

#[derive(Debug, Default)]
struct Entry {
    /// Odd while somebody writes the entry.
    version: AtomicU32,
    /// The second in which it was made or read last, modulo 2^31, in the upper bits; [`UNREAD`] in the lowest one.
    used: AtomicU32,
    /// Zero in an empty entry.
    hash: [AtomicU64; 2],
    signature: [AtomicU64; WORDS],
}

/// A table of a fixed size.
#[derive(Debug)]
pub(super) struct Table {
    sets: Box<[[Entry; WAYS]]>,
}

impl Table {
    /// Returns an empty table of at least this many entries.
    pub(super) fn new(entries: usize) -> Self {
        let sets = entries.div_ceil(WAYS).max(1);
        Self { sets: (0..sets).map(|_| <[Entry; WAYS]>::default()).collect() }
    }

    /// Returns the signature with this hash, and true if it was made ahead and is read for the first time. `now` is the
    /// time in seconds.
    pub(super) fn get(&self, hash: Hash, now: u32) -> Option<([u8; SIGNATURE], bool)> {
        self.set(hash).iter().find_map(|entry| Some((entry.read(hash)?, entry.mark_read(now))))
    }

    /// Returns the signature with this hash without marking it as read.
    pub(super) fn peek(&self, hash: Hash) -> Option<[u8; SIGNATURE]> {
        self.set(hash).iter().find_map(|entry| entry.read(hash))
    }

    /// Keeps a signature in place of the one of its set that was read the longest time ago. If another thread writes to
    /// the same entry, it is not kept. `is_ahead` is true if nobody has asked for it yet.
    pub(super) fn keep(&self, hash: Hash, signature: &[u8; SIGNATURE], now: u32, is_ahead: bool) {
        let present = stamp(now);
        let age = |entry: &&Entry| {
            let is_empty = entry.hash[0].load(Ordering::Relaxed) == 0;
            if is_empty { u32::MAX } else { present.wrapping_sub(entry.used.load(Ordering::Relaxed) & !UNREAD) }
        };
        if let Some(entry) = self.set(hash).iter().max_by_key(age) {
            entry.set(hash, signature, present | if is_ahead { UNREAD } else { 0 });
        }
    }

    fn set(&self, hash: Hash) -> &[Entry; WAYS] {
        &self.sets[(hash[0] % self.sets.len() as u64) as usize]
    }
}

/// Returns a time in seconds as entries hold it.
fn stamp(now: u32) -> u32 {
    now << 1
}

impl Entry {
    fn read(&self, hash: Hash) -> Option<[u8; SIGNATURE]> {
        // Acquire: the words that are read below are not older than the version.
        let version = self.version.load(Ordering::Acquire);
        let is_same = self.hash.each_ref().map(|word| word.load(Ordering::Relaxed)) == hash;
        if !is_same || !version.is_multiple_of(2) {
            return None;
        }
        let mut signature = [0; SIGNATURE];
        for (octets, word) in signature.as_chunks_mut().0.iter_mut().zip(&self.signature) {
            *octets = word.load(Ordering::Relaxed).to_ne_bytes();
        }
        // The words above are read before the version is read again.
        fence(Ordering::Acquire);
        (self.version.load(Ordering::Relaxed) == version).then_some(signature)
    }

    /// Notes that the signature was read now. Returns true if it was made ahead and this is the first time.
    fn mark_read(&self, now: u32) -> bool {
        let present = stamp(now);
        let before = self.used.load(Ordering::Relaxed);
        // Most entries are read many times a second. Writing only once keeps the line shared between processors.
        if before == present {
            return false;
        }
        if before & UNREAD != 0 {
            // Of several readers, one is the first.
            return self.used.swap(present, Ordering::Relaxed) & UNREAD != 0;
        }
        self.used.store(present, Ordering::Relaxed);
        false
    }

    fn set(&self, hash: Hash, signature: &[u8; SIGNATURE], used: u32) {
        let version = self.version.load(Ordering::Relaxed);
        let begun = version.wrapping_add(1);
        let is_free = version.is_multiple_of(2);
        if !is_free || self.version.compare_exchange(version, begun, Ordering::Acquire, Ordering::Relaxed).is_err() {
            return;
        }
        // The odd version is visible before any word changes.
        fence(Ordering::Release);
        for (word, octets) in self.signature.iter().zip(signature.as_chunks().0) {
            word.store(u64::from_ne_bytes(*octets), Ordering::Relaxed);
        }
        for (word, half) in self.hash.iter().zip(hash) {
            word.store(half, Ordering::Relaxed);
        }
        self.used.store(used, Ordering::Relaxed);
        // Release: whoever sees this version sees the words.
        self.version.store(begun.wrapping_add(1), Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;
    use std::thread;

    use super::*;

    fn signature(number: u64) -> [u8; SIGNATURE] {
        let mut signature = [0; SIGNATURE];
        signature.chunks_exact_mut(8).for_each(|word| word.copy_from_slice(&number.to_ne_bytes()));
        signature
    }

    #[test]
    fn what_was_read_last_stays() {
        let table = Table::new(WAYS);
        for number in 1..=4 {
            table.keep([number, 7], &signature(number), number as u32, false);
        }
        assert_eq!(table.get([1, 7], 9), Some((signature(1), false)), "read again");
        table.keep([5, 7], &signature(5), 10, false);
        let kept = [1, 2, 3, 4, 5].map(|number| table.get([number, 7], 10).is_some());
        assert_eq!(kept, [true, false, true, true, true]);
        assert_eq!(table.get([1, 8], 10), None);
    }

    #[test]
    fn what_was_made_ahead_is_new_until_it_is_read() {
        let table = Table::new(WAYS);
        table.keep([1, 7], &signature(1), 5, true);
        table.keep([2, 7], &signature(2), 5, false);
        assert_eq!((table.peek([1, 7]), table.peek([3, 7])), (Some(signature(1)), None));
        let mut is_new = |number| table.get([number, 7], 5).map(|(_, is_new)| is_new);
        assert_eq!(
            [1, 2, 1].map(&mut is_new),
            [Some(true), Some(false), Some(false)],
            "in the second of its making too"
        );
        for number in 3..=4 {
            table.keep([number, 7], &signature(number), 6, true);
        }
        table.get([1, 7], 7);
        // A look does not keep it.
        table.peek([2, 7]);
        table.keep([5, 7], &signature(5), 8, true);
        let kept = [1, 2, 3, 4, 5].map(|number| table.peek([number, 7]).is_some());
        assert_eq!(kept, [true, false, true, true, true]);
    }

    #[test]
    fn the_size_is_bounded() {
        // docs/dnssec.md tells it.
        assert_eq!(size_of::<Entry>(), 88);
        let table = Table::new(10);
        for number in 1..10_000u64 {
            table.keep([number.wrapping_mul(0x9e37_79b9_7f4a_7c15), number], &signature(number), 0, false);
        }
        assert_eq!(table.sets.len(), 3);
    }

    #[test]
    fn readers_see_whole_signatures_while_others_write() {
        let table = Arc::new(Table::new(WAYS));
        let stop = Arc::new(AtomicBool::new(false));
        let writers: Vec<_> = (0..2)
            .map(|_| {
                let (table, stop) = (table.clone(), stop.clone());
                thread::spawn(move || {
                    let mut number = 0;
                    while !stop.load(Ordering::Relaxed) {
                        number = number % 50 + 1;
                        table.keep([number, number], &signature(number), number as u32, false);
                    }
                })
            })
            .collect();
        let mut met = 0;
        while met < 20_000 {
            for number in 1..=50 {
                if let Some((read, _)) = table.get([number, number], 0) {
                    assert_eq!(read, signature(number));
                    met += 1;
                }
            }
        }
        stop.store(true, Ordering::Relaxed);
        for writer in writers {
            writer.join().unwrap();
        }
    }
}
