//! The lateness of probes.
//!
//! Lateness is counted in buckets of one eighth of a power of two, in microseconds. This is fine enough for
//! percentiles, and the size does not grow with the number of probes. It can be read while it is being written.

use std::array;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::counters::Histogram;

/// Number of buckets for each power of two, in bits: 3 bits are 8 buckets, whose bounds are 12.5 % apart.
const FINENESS: u32 = 3;

/// Enough for 2^36 microseconds, 19 hours. The last bucket also counts what is later.
const BUCKETS: usize = (36 - FINENESS as usize + 1) << FINENESS;

/// The number of probes by lateness: the time from when a probe was due to when it started.
#[derive(Debug)]
pub struct Lateness {
    buckets: [AtomicU64; BUCKETS],
    /// Microseconds.
    longest: AtomicU64,
    /// The same with few buckets, for metrics.
    histogram: Histogram,
}

impl Default for Lateness {
    fn default() -> Self {
        Self {
            buckets: array::from_fn(|_| AtomicU64::new(0)),
            longest: AtomicU64::new(0),
            histogram: Histogram::default(),
        }
    }
}

impl Lateness {
    /// Counts one more probe that started.
    pub fn record(&self, late: Duration) {
        let micros = u64::try_from(late.as_micros()).unwrap_or(u64::MAX);
        self.buckets[bucket(micros)].fetch_add(1, Relaxed);
        self.longest.fetch_max(micros, Relaxed);
        self.histogram.record(late);
    }

    /// The distribution with few buckets.
    pub fn histogram(&self) -> &Histogram {
        &self.histogram
    }

    /// The number of probes that started.
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|bucket| bucket.load(Relaxed)).sum()
    }

    /// The greatest lateness.
    pub fn longest(&self) -> Duration {
        Duration::from_micros(self.longest.load(Relaxed))
    }

    /// The lateness that this share (0-1) of all probes did not exceed. It is at most an eighth too large.
    pub fn quantile(&self, share: f64) -> Duration {
        let counts: Vec<u64> = self.buckets.iter().map(|bucket| bucket.load(Relaxed)).collect();
        let wanted = (counts.iter().sum::<u64>() as f64 * share).ceil() as u64;
        let mut seen = 0;
        let found = counts.iter().position(|count| {
            seen += count;
            seen >= wanted
        });
        Duration::from_micros(found.map_or(0, upper_bound)).min(self.longest())
    }
}

/// Below 2^FINENESS each microsecond has its own bucket. Above, the leading bits select the bucket.
fn bucket(micros: u64) -> usize {
    let power = micros.checked_ilog2().unwrap_or(0);
    if power < FINENESS {
        return micros as usize;
    }
    let shift = power - FINENESS;
    let within = (micros >> shift) as usize - (1 << FINENESS);
    ((((shift + 1) as usize) << FINENESS) + within).min(BUCKETS - 1)
}

/// The largest number of microseconds that a bucket counts.
fn upper_bound(bucket: usize) -> u64 {
    let (row, within) = (bucket >> FINENESS, bucket & ((1 << FINENESS) - 1));
    match row.checked_sub(1) {
        None => within as u64,
        Some(shift) => (((1 << FINENESS) + within as u64 + 1) << shift) - 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn percentiles_of_a_hundred() {
        let lateness = Lateness::default();
        assert_eq!((lateness.count(), lateness.quantile(0.99)), (0, Duration::ZERO));
        for millis in 1..=100 {
            lateness.record(Duration::from_millis(millis));
        }
        assert_eq!((lateness.count(), lateness.longest()), (100, Duration::from_millis(100)));
        for (share, millis) in [(0.5, 50), (0.9, 90), (0.99, 99)] {
            let (found, exact) = (lateness.quantile(share), Duration::from_millis(millis));
            assert!(found >= exact && found <= exact * 9 / 8, "{share}: {found:?}");
        }
        assert_eq!(lateness.quantile(1.0), lateness.longest());
    }

    proptest! {
        #[test]
        fn buckets_follow_each_other_and_hold_what_they_say(power in 0..36u32, low in any::<u64>()) {
            let micros = (1 << power) | (low & ((1 << power) - 1));
            let found = bucket(micros);
            prop_assert!(found < BUCKETS);
            prop_assert!(micros <= upper_bound(found));
            prop_assert!(found == 0 || micros > upper_bound(found - 1));
        }
    }
}
