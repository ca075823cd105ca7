//! A ring of octets between one writer and one reader, neither of whom waits for the other.
//!
//! ```text
//!            read                 written
//!              ▼                     ▼
//!   ── free ──┤ entry │ entry │ entry ├── free ──      the positions only grow; a place is a position modulo the length
//! ```
//!
//! An entry is a word with the lengths of its parts, and then the parts, each from a word of its own on. The words are
//! relaxed atomics, which cost what plain memory costs. The writer publishes an entry with one release store, and the
//! reader frees it with another.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, TryLockError};
use std::thread::Thread;

use super::entry::Entry;

/// Number of parts of an entry: its head, its notes, the query and the response.
pub(super) const PARTS: usize = 4;

/// Octets of a word.
const WORD: usize = size_of::<u64>();

/// Words of a ring: 1 MiB, some three thousand entries.
const WORDS: usize = 1 << 17;

/// A writer wakes the reader when more than this many words wait.
const HALF: usize = WORDS / 2;

/// A position that has a cache line of its own, and the neighbour that processors fetch with it.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Position(AtomicUsize);

#[derive(Debug, Default)]
struct Ring {
    /// Made when the log is first used: a node without a log needs no memory for it.
    words: OnceLock<Box<[AtomicU64; WORDS]>>,
    read: Position,
    written: Position,
    /// The thread that reads.
    reader: OnceLock<Thread>,
}

/// The only writer of a ring.
#[derive(Debug)]
pub struct Producer {
    ring: Arc<Ring>,
    /// The position that the reader had when it was last looked at.
    read: usize,
}

/// The only reader of a ring.
#[derive(Debug)]
pub struct Consumer {
    ring: Arc<Ring>,
}

/// The writers that connections share. There is one for each thread that may answer at the same time, so one is free.
#[derive(Debug)]
pub struct SharedProducers(Box<[Mutex<Producer>]>);

/// The memory of all rings.
#[derive(Clone, Debug)]
pub struct Memory(Arc<[Arc<Ring>]>);

/// Rings without memory.
#[derive(Debug)]
pub struct Rings {
    /// Their writers.
    pub producers: Vec<Producer>,
    /// Their readers, in the same order.
    pub consumers: Vec<Consumer>,
    /// Their memory.
    pub memory: Memory,
}

impl Rings {
    /// Returns this many rings.
    pub fn new(count: usize) -> Self {
        let rings: Arc<[Arc<Ring>]> = (0..count).map(|_| Arc::default()).collect();
        Self {
            producers: rings.iter().map(|ring| Producer { ring: ring.clone(), read: 0 }).collect(),
            consumers: rings.iter().map(|ring| Consumer { ring: ring.clone() }).collect(),
            memory: Memory(rings),
        }
    }
}

impl Memory {
    /// Makes the memory of all rings, if it is not there yet. From then on they take entries, and wake this thread when
    /// many wait.
    pub fn make(&self, reader: &Thread) {
        for ring in &*self.0 {
            ring.reader.get_or_init(|| reader.clone());
            ring.words.get_or_init(|| {
                let words: Box<[AtomicU64]> = (0..WORDS).map(|_| AtomicU64::new(0)).collect();
                words.try_into().expect("it has so many words")
            });
        }
    }
}

impl Producer {
    /// Puts an entry into the ring. Returns false if there is no room for it.
    pub fn record(&mut self, entry: &Entry<'_>) -> bool {
        let ring = &*self.ring;
        // The snapshot that asks for entries is published after the rings are made.
        let Some(words) = ring.words.get() else { return false };
        let head = entry.head();
        let parts: [&[u8]; PARTS] = [&head, entry.notes, entry.query, entry.response];
        let length = 1 + parts.iter().map(|part| part.len().div_ceil(WORD)).sum::<usize>();
        let written = ring.written.0.load(Ordering::Relaxed);
        if written + length - self.read > WORDS {
            self.read = ring.read.0.load(Ordering::Acquire);
            if written + length - self.read > WORDS {
                return false;
            }
        }
        let mut at = written;
        let mut put = |word| {
            words[at % WORDS].store(word, Ordering::Relaxed);
            at += 1;
        };
        put(parts.iter().fold(0, |lengths, part| lengths << 16 | part.len() as u64));
        for part in parts {
            let (whole, rest) = part.as_chunks::<WORD>();
            for octets in whole {
                put(u64::from_le_bytes(*octets));
            }
            if !rest.is_empty() {
                let mut octets = [0; WORD];
                octets[..rest.len()].copy_from_slice(rest);
                put(u64::from_le_bytes(octets));
            }
        }
        ring.written.0.store(at, Ordering::Release);
        if at - self.read > HALF {
            self.read = ring.read.0.load(Ordering::Acquire);
            // Only the entry that passes the half wakes the reader: that is a system call.
            if at - self.read > HALF
                && written - self.read <= HALF
                && let Some(reader) = ring.reader.get()
            {
                reader.unpark();
            }
        }
        true
    }
}

impl SharedProducers {
    /// Shares these writers.
    pub fn new(producers: Vec<Producer>) -> Self {
        Self(producers.into_iter().map(Mutex::new).collect())
    }

    /// Puts an entry into a ring that nobody writes to at this moment. Returns false if there is none, or no room.
    pub fn record(&self, entry: &Entry<'_>) -> bool {
        for producer in &self.0 {
            let mut producer = match producer.try_lock() {
                Ok(producer) => producer,
                Err(TryLockError::WouldBlock) => continue,
                // An entry that a panic left unfinished was not published.
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            };
            return producer.record(entry);
        }
        false
    }
}

/// Room for the parts of an entry that is read.
#[derive(Debug, Default)]
pub struct Parts([Vec<u8>; PARTS]);

impl Consumer {
    /// True if no entry waits.
    pub fn is_empty(&self) -> bool {
        self.ring.read.0.load(Ordering::Relaxed) == self.ring.written.0.load(Ordering::Acquire)
    }

    /// Takes the oldest entry, and passes it on. Returns `None` if the ring is empty.
    pub fn take<T>(&mut self, parts: &mut Parts, each: impl FnOnce(Entry<'_>) -> T) -> Option<T> {
        let ring = &*self.ring;
        let read = ring.read.0.load(Ordering::Relaxed);
        if read == ring.written.0.load(Ordering::Acquire) {
            return None;
        }
        let words = ring.words.get()?;
        let mut at = read;
        let mut get = || {
            let word = words[at % WORDS].load(Ordering::Relaxed);
            at += 1;
            word
        };
        let lengths = get();
        for (number, part) in parts.0.iter_mut().enumerate() {
            let length = (lengths >> (16 * (PARTS - 1 - number))) as u16;
            part.clear();
            (0..usize::from(length).div_ceil(WORD)).for_each(|_| part.extend_from_slice(&get().to_le_bytes()));
            part.truncate(length.into());
        }
        ring.read.0.store(at, Ordering::Release);
        let [head, notes, query, response] = &parts.0;
        Some(each(Entry::from_parts(head, notes, query, response)))
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use super::super::Fate;
    use super::*;

    fn entry<'a>(number: u64, query: &'a [u8], response: &'a [u8]) -> Entry<'a> {
        Entry {
            received: Duration::from_nanos(number),
            answered: Duration::from_nanos(number + 1),
            transport: 4,
            fate: Fate::Sent,
            client: "192.0.2.53:5353".parse().unwrap(),
            server: Some("[2001:db8::53]:53".parse().unwrap()),
            notes: b"notes",
            query,
            response,
        }
    }

    fn ready(count: usize, reader: &Thread) -> (Vec<Producer>, Vec<Consumer>) {
        let Rings { producers, consumers, memory } = Rings::new(count);
        memory.make(reader);
        (producers, consumers)
    }

    #[test]
    fn what_goes_in_comes_out_in_order_whatever_the_lengths() {
        let (mut producers, mut consumers) = ready(1, &thread::current());
        let (octets, mut parts) = ([7; 70], Parts::default());
        for number in 0..100_000 {
            let (query, response) = (&octets[..number % 70], &octets[..number / 70 % 70]);
            assert!(producers[0].record(&entry(number as u64, query, response)));
            let taken = consumers[0].take(&mut parts, |taken| {
                assert_eq!(taken, entry(number as u64, query, response));
            });
            assert!(taken.is_some() && consumers[0].is_empty());
        }
    }

    #[test]
    fn a_full_ring_takes_nothing_and_goes_on_when_it_is_read() {
        let Rings { mut producers, mut consumers, memory } = Rings::new(1);
        assert!(!producers[0].record(&entry(0, b"", b"")), "there is no memory yet");
        memory.make(&thread::current());
        let response = vec![1; u16::MAX.into()];
        let held = (0..u64::MAX).take_while(|&number| producers[0].record(&entry(number, b"query", &response))).count();
        assert_eq!(held, (WORDS * WORD) / (response.len() + 100));
        let mut parts = Parts::default();
        assert_eq!(consumers[0].take(&mut parts, |taken| taken.received.as_nanos()), Some(0));
        assert!(producers[0].record(&entry(99, b"query", &response)));
        assert!(!producers[0].record(&entry(100, b"query", &response)));
        let left = std::iter::from_fn(|| consumers[0].take(&mut parts, |taken| taken.received.as_nanos()));
        assert_eq!(left.last(), Some(99));
    }

    #[test]
    fn a_reader_beside_a_writer_sees_each_entry_whole_or_not_at_all() {
        const ENTRIES: u64 = 200_000;
        let (mut producers, mut consumers) = ready(1, &thread::current());
        let mut producer = producers.remove(0);
        let writer = thread::spawn(move || {
            let mut lost = 0;
            for number in 0..ENTRIES {
                let query = number.to_le_bytes().repeat(1 + number as usize % 20);
                lost += u64::from(!producer.record(&entry(number, &query, &query)));
            }
            lost
        });
        let (mut seen, mut parts, mut last) = (0, Parts::default(), None);
        loop {
            let is_over = writer.is_finished();
            while let Some(number) = consumers[0].take(&mut parts, |taken| {
                let number = taken.received.as_nanos() as u64;
                assert_eq!(taken.query, number.to_le_bytes().repeat(1 + number as usize % 20));
                assert_eq!(taken.query, taken.response);
                number
            }) {
                assert!(last < Some(number));
                (seen, last) = (seen + 1, Some(number));
            }
            if is_over {
                break;
            }
        }
        assert_eq!(seen + writer.join().unwrap(), ENTRIES);
    }

    #[test]
    fn a_ring_that_fills_wakes_its_reader() {
        let reader = thread::spawn(thread::park);
        let (mut producers, _consumers) = ready(1, reader.thread());
        while producers[0].record(&entry(0, &[0; 1000], b"")) {}
        reader.join().unwrap();
    }

    #[test]
    fn writers_that_share_rings_use_one_that_is_free() {
        let (producers, consumers) = ready(2, &thread::current());
        let shared = SharedProducers::new(producers);
        let busy = shared.0[0].lock().unwrap();
        assert!(shared.record(&entry(1, b"", b"")));
        assert!(consumers[0].is_empty() && !consumers[1].is_empty());
        let all_busy = shared.0[1].lock().unwrap();
        assert!(!shared.record(&entry(2, b"", b"")));
        drop((busy, all_busy));
        assert!(shared.record(&entry(3, b"", b"")) && !consumers[0].is_empty());
    }
}
