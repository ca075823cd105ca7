//! A counter, and counters that one writer owns.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Number of unused counters at each end of a shard. They are longer than a cache line, so that a shard shares no cache
/// line with its neighbours in memory.
const PADDING: usize = 16;

/// A number that only grows.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    /// Adds to the counter, if no other thread does so at the same time.
    #[inline]
    fn add_alone(&self, count: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(count), Ordering::Relaxed);
    }

    /// Adds to the counter.
    fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counters that one writer owns, or that all connections share. A clone is the same shard.
#[derive(Clone, Debug)]
pub(super) struct Shard(Arc<[Counter]>);

impl Shard {
    pub(super) fn new(length: usize) -> Self {
        Self((0..length + 2 * PADDING).map(|_| Counter::default()).collect())
    }

    fn at(&self, place: usize) -> &Counter {
        &self.0[PADDING + place]
    }

    /// Returns a writer's access. `is_alone` says that nobody else writes.
    #[inline]
    pub(super) fn cells(&self, is_alone: bool) -> Cells<'_> {
        Cells { cells: &self.0[PADDING..], is_alone }
    }
}

/// The counters of a shard, for one who writes them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cells<'a> {
    cells: &'a [Counter],
    is_alone: bool,
}

impl Cells<'_> {
    pub(super) fn get(self, place: usize) -> u64 {
        self.cells[place].get()
    }

    #[inline]
    pub(super) fn add(self, place: usize, count: u64) {
        let counter = &self.cells[place];
        if self.is_alone { counter.add_alone(count) } else { counter.add(count) }
    }
}

/// Returns the sum of a counter over all shards.
pub(super) fn sum(shards: &[Shard], place: usize) -> u64 {
    shards.iter().map(|shard| shard.at(place).get()).fold(0, u64::wrapping_add)
}
