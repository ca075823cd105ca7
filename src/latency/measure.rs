//! The measured round trip time between some clients and one datacenter.
//!
//! A measure follows its samples. Rankings use its *settled* round trip time, which follows the measure only when that
//! is farther than [`MARGIN_PER_MILLE`] or [`MARGIN_TENTHS`] away. Noise therefore changes nothing, and a client is not
//! sent back and forth between two equally good datacenters.
//!
//! ```text
//!   samples ─► mean ─────── farther than the margin ───────► settled ─► rankings
//!              │ moves with each sample                      │ moves rarely
//!              └ fades: half of its samples count after a day, none after a week
//! ```

use std::time::Duration;

use super::rtt::{Rtt, Tolerance};
use crate::geo::DatacenterId;

/// Minimum number of samples for a settled round trip time.
pub const MIN_SAMPLES: u16 = 16;

/// The number of samples that the mean of one network remembers. With single samples up to 30 % off, such a mean stays
/// within 8 %, which is about half of the margin.
pub(super) const NETWORK_MEMORY: u16 = 64;

/// The same for areas, which combine many networks: their samples come in bursts, network by network.
pub(super) const AREA_MEMORY: u16 = 1024;

/// A sample counts as at most this many times the mean. A SYN that was lost and sent again after a second says nothing
/// about the path. A path that really became longer is still followed.
const OUTLIER: f32 = 3.0;

/// The distance from the mean at which the settled round trip time follows: 15 % or 5 ms, the default tolerance of
/// names.
const MARGIN_PER_MILLE: u16 = 150;
const MARGIN_TENTHS: u16 = 50;

/// Half of the samples no longer count after this many minutes without a sample: a day.
const HALF_LIFE: u16 = 24 * 60;

/// The measure is removed after this many minutes without a sample: a week.
const MAX_AGE: u16 = 7 * HALF_LIFE;

/// Minutes, counted from any beginning. They wrap around after 45 days; no measure gets that old.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Minute(u16);

impl Minute {
    pub(super) fn of(now: Duration) -> Self {
        Self((now.as_secs() / 60) as u16)
    }

    /// Minutes from `earlier` to here.
    pub(super) fn since(self, earlier: Self) -> u16 {
        self.0.wrapping_sub(earlier.0)
    }

    fn before(self, minutes: u16) -> Self {
        Self(self.0.wrapping_sub(minutes))
    }
}

/// The measured samples of one datacenter, in 12 octets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Measure {
    /// Milliseconds.
    mean: f32,
    fed: Minute,
    /// At most 65,535.
    samples: u16,
    settled: Rtt,
    pub(super) place: DatacenterId,
}

/// A measure for display and for storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measured {
    /// The present mean.
    pub mean: Rtt,
    /// The number of samples, at most 65,535.
    pub samples: u16,
    /// The time since the last sample, in whole minutes.
    pub age: Duration,
}

impl Measure {
    /// A measure without samples.
    pub(super) fn new(place: DatacenterId, now: Minute) -> Self {
        Self { mean: 0.0, fed: now, samples: 0, settled: Rtt::UNKNOWN, place }
    }

    /// A stored measure; `None` if it is too old by now.
    pub(super) fn restore(place: DatacenterId, told: &Measured, memory: u16, now: Minute) -> Option<Self> {
        let age = u16::try_from(told.age.as_secs() / 60).ok().filter(|age| *age < MAX_AGE)?;
        let (mean, samples) = (told.mean.ms() as f32, told.samples);
        let mut measure = Self { mean, fed: now.before(age), samples, settled: Rtt::UNKNOWN, place };
        measure.settle(memory, now);
        Some(measure)
    }

    /// Takes in a sample in milliseconds. The mean remembers `memory` samples. Returns true if the settled round trip
    /// time changed.
    pub(super) fn feed(&mut self, ms: f32, memory: u16, now: Minute) -> bool {
        if now.since(self.fed) >= HALF_LIFE {
            self.samples = self.lasting(memory, now);
        }
        let ms = if self.samples >= MIN_SAMPLES { ms.min(self.mean * OUTLIER) } else { ms };
        self.samples = self.samples.saturating_add(1);
        self.mean += (ms - self.mean) / f32::from(self.samples.min(memory));
        self.fed = now;
        self.settle(memory, now)
    }

    /// The measure as it is at `now`; `None` if it is too old.
    pub(super) fn faded(mut self, memory: u16, now: Minute) -> Option<Self> {
        if now.since(self.fed) >= MAX_AGE {
            return None;
        }
        self.settle(memory, now);
        Some(self)
    }

    /// The settled round trip time, which rankings use; unknown while too few samples count.
    pub(super) fn settled(&self) -> Rtt {
        self.settled
    }

    /// Minutes since the last sample.
    pub(super) fn age(&self, now: Minute) -> u16 {
        now.since(self.fed)
    }

    pub(super) fn told(&self, now: Minute) -> Measured {
        let age = Duration::from_secs(60 * u64::from(self.age(now)));
        Measured { mean: Rtt::from_ms(f64::from(self.mean)), samples: self.samples, age }
    }

    /// The number of samples that still count.
    fn lasting(&self, memory: u16, now: Minute) -> u16 {
        self.samples.min(memory).checked_shr(u32::from(self.age(now) / HALF_LIFE)).unwrap_or(0)
    }

    fn settle(&mut self, memory: u16, now: Minute) -> bool {
        let margin = Tolerance::try_new(MARGIN_PER_MILLE, MARGIN_TENTHS).unwrap_or_default();
        let before = self.settled;
        let mean = Rtt::from_ms(f64::from(self.mean));
        if self.lasting(memory, now) < MIN_SAMPLES {
            self.settled = Rtt::UNKNOWN;
        } else if !before.is_known() || margin.tells_apart(before, mean) {
            self.settled = mean;
        }
        self.settled != before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    fn at(now: Duration) -> Minute {
        Minute::of(now)
    }

    const FRA: DatacenterId = DatacenterId::from_index(0);
    const IAD: DatacenterId = DatacenterId::from_index(1);

    fn fed(ms: f32, times: u16) -> Measure {
        let mut measure = Measure::new(FRA, at(Duration::ZERO));
        for _ in 0..times {
            measure.feed(ms, NETWORK_MEMORY, at(Duration::ZERO));
        }
        measure
    }

    #[test]
    fn few_samples_say_nothing() {
        assert_eq!(size_of::<Measure>(), 12);
        assert_eq!(fed(20.0, MIN_SAMPLES - 1).settled(), Rtt::UNKNOWN);
        assert_eq!(fed(20.0, MIN_SAMPLES).settled(), Rtt::from_ms(20.0));
    }

    #[test]
    fn what_is_settled_moves_only_when_the_margin_is_crossed() {
        let mut measure = fed(100.0, 64);
        for _ in 0..1000 {
            assert!(!measure.feed(114.0, NETWORK_MEMORY, at(MINUTE)), "within 15 %");
        }
        assert_eq!(measure.settled(), Rtt::from_ms(100.0));
        let changes = (0..1000).filter(|_| measure.feed(130.0, NETWORK_MEMORY, at(MINUTE))).count();
        assert_eq!(changes, 1);
        assert!(measure.settled() > Rtt::from_ms(115.0), "{}", measure.settled());
    }

    #[test]
    fn one_lost_packet_is_not_a_longer_way_but_a_longer_way_is_found() {
        let mut measure = fed(20.0, 64);
        assert!(!measure.feed(3000.0, NETWORK_MEMORY, at(MINUTE)));
        let mut measure = fed(20.0, 64);
        for _ in 0..600 {
            measure.feed(200.0, NETWORK_MEMORY, at(MINUTE));
        }
        assert!(!Tolerance::default().tells_apart(measure.settled(), Rtt::from_ms(200.0)), "{}", measure.settled());
    }

    #[test]
    fn a_measure_fades_by_halves_and_is_gone_after_a_week() {
        let measure = fed(20.0, 64);
        for (days, known) in [(0, true), (2, true), (3, false), (6, false)] {
            let faded = measure.faded(NETWORK_MEMORY, at(DAY * days)).unwrap();
            assert_eq!(faded.settled().is_known(), known, "after {days} days");
        }
        assert_eq!(measure.faded(NETWORK_MEMORY, at(DAY * 7)), None);
        // Fewer samples fade sooner. Faded samples count less against new ones.
        assert!(!fed(20.0, 31).faded(NETWORK_MEMORY, at(DAY)).unwrap().settled().is_known());
        let mut old = measure;
        old.feed(80.0, NETWORK_MEMORY, at(DAY * 5));
        assert_eq!(old.told(at(DAY * 5)).samples, 3);
        assert_eq!(old.told(at(DAY * 5)).mean, Rtt::from_ms(40.0));
    }

    #[test]
    fn minutes_wrap_around() {
        let late = Minute(u16::MAX - 1);
        let mut measure = Measure::new(FRA, late);
        measure.feed(20.0, NETWORK_MEMORY, late);
        assert_eq!(measure.age(Minute(1)), 3);
    }

    #[test]
    fn what_is_told_can_be_restored() {
        let measure = fed(20.0, 40);
        let told = measure.told(at(DAY));
        let restored = Measure::restore(IAD, &told, NETWORK_MEMORY, Minute(5)).unwrap();
        assert_eq!(restored.told(Minute(5)), told);
        assert_eq!(restored.settled(), Rtt::from_ms(20.0));
        assert_eq!(Measure::restore(IAD, &Measured { age: DAY * 7, ..told }, NETWORK_MEMORY, Minute(5)), None);
    }

    /// Counts how often the order of two nearly equal datacenters changes, fed by turns with noise.
    fn order_changes(seed: u64, one_ms: f32, other_ms: f32, order: impl Fn(Rtt, Rtt) -> bool) -> usize {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut pair = [Measure::new(FRA, at(Duration::ZERO)), Measure::new(IAD, at(Duration::ZERO))];
        let mut orders = Vec::new();
        for _ in 0..10_000 {
            for (measure, ms) in pair.iter_mut().zip([one_ms, other_ms]) {
                measure.feed(ms * (0.7 + 0.6 * random.f32()), NETWORK_MEMORY, at(Duration::ZERO));
            }
            let [one, other] = pair.map(|measure| measure.settled());
            if one.is_known() && other.is_known() {
                orders.push(order(one, other));
            }
        }
        orders.windows(2).filter(|pair| pair[0] != pair[1]).count()
    }

    #[test]
    fn noise_of_30_per_cent_changes_the_order_once_at_most() {
        for seed in 0..100 {
            assert!(order_changes(seed, 40.0, 41.0, |one, other| one < other) <= 1, "seed {seed}");
            assert!(order_changes(seed, 200.0, 202.0, |one, other| one < other) <= 1, "seed {seed}");
            // Exactly at the limit of a name's tolerance.
            let tied = |one, other| Tolerance::default().tells_apart(one, other);
            assert!(order_changes(seed, 100.0, 115.0, tied) <= 1, "seed {seed}");
        }
    }
}
