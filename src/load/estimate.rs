//! What endpoints say of their load, smoothed, and what those of one pool say together.

use std::time::Duration;

use crate::health::Load;

/// A report is believed for so long, or for three intervals of its monitor if that is longer. Then nothing is known.
pub const BELIEVED_FOR: Duration = Duration::from_secs(60);

/// How much the newest probe's time counts in an endpoint's response time.
const TIME_GAIN: f64 = 0.25;

/// One endpoint's load and response time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LoadEstimate {
    heard: Option<Heard>,
    /// Seconds.
    response: Option<f64>,
}

/// Loads are in the operator's units here.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Heard {
    used: f64,
    capacity: Option<f64>,
    at: Duration,
    until: Duration,
}

impl LoadEstimate {
    /// Takes in a report that is to be believed for this long. Reports are smoothed over about the time `smoothing`.
    pub fn hear(&mut self, load: Load, now: Duration, smoothing: Duration, believed_for: Duration) {
        let said = units(load.used);
        let used = match self.heard.filter(|heard| now < heard.until) {
            Some(before) => {
                let passed = now.saturating_sub(before.at).as_secs_f64();
                let sum = passed + smoothing.as_secs_f64();
                let gain = if sum > 0.0 { passed / sum } else { 1.0 };
                before.used + gain * (said - before.used)
            }
            None => said,
        };
        self.heard = Some(Heard { used, capacity: load.capacity.map(units), at: now, until: now + believed_for });
    }

    /// Takes in how long a probe that was answered took.
    pub fn time(&mut self, took: Duration) {
        let took = took.as_secs_f64();
        self.response = Some(self.response.map_or(took, |before| before + TIME_GAIN * (took - before)));
    }

    /// What is used, and of what if the endpoint says so; `None` if that is not known, or not any longer.
    pub fn load(&self, now: Duration) -> Option<(f64, Option<f64>)> {
        self.heard.filter(|heard| now < heard.until).map(|heard| (heard.used, heard.capacity))
    }

    /// When the report was heard that is believed now.
    pub fn heard_at(&self, now: Duration) -> Option<Duration> {
        self.heard.filter(|heard| now < heard.until).map(|heard| heard.at)
    }

    /// Its response time in seconds, if it was ever probed.
    pub fn response(&self) -> Option<f64> {
        self.response
    }

    fn is_heard_since(&self, time: Duration) -> bool {
        self.heard.is_some_and(|heard| heard.at > time)
    }
}

fn units(thousandths: u64) -> f64 {
    thousandths as f64 / 1000.0
}

/// An endpoint in its pool.
#[derive(Clone, Copy, Debug)]
pub struct EndpointLoad<'a> {
    /// What it says.
    pub estimate: &'a LoadEstimate,
    /// Its capacity, if the operator says it.
    pub capacity: Option<f64>,
    /// Whether it is answered.
    pub is_open: bool,
}

/// What a pool's endpoints say together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PoolEstimate {
    /// Whether the pool is usable.
    pub is_alive: bool,
    /// What is used of its open endpoints. Those that say nothing are taken to be as full as the others.
    pub used: Option<f64>,
    /// What they can take.
    pub capacity: Option<f64>,
    /// Whether anything was said since the last reading.
    pub is_fresh: bool,
}

impl PoolEstimate {
    /// Reads a pool of these endpoints. `capacity` is what the operator says of the pool as a whole: the most that all of it
    /// can take, and its endpoints even parts of it where nothing else is said of them.
    pub fn new(
        is_alive: bool,
        stands: &[EndpointLoad<'_>],
        capacity: Option<f64>,
        now: Duration,
        since: Duration,
    ) -> Self {
        let part = capacity.map(|capacity| capacity / stands.len() as f64);
        let open = || stands.iter().filter(|stand| stand.is_open);
        let capacity_of = |stand: &EndpointLoad<'_>| stand.capacity_now(part, now);
        let known: Vec<f64> = open().filter_map(capacity_of).collect();
        let mean = if known.is_empty() { None } else { Some(known.iter().sum::<f64>() / known.len() as f64) };
        // Without any capacity endpoints are as large as one another.
        let size = |stand: &EndpointLoad<'_>| capacity_of(stand).or(mean).unwrap_or(1.0);
        let (mut used, mut reporting, mut all) = (0.0, 0.0, 0.0);
        for stand in open() {
            all += size(stand);
            if let Some((load, _)) = stand.estimate.load(now) {
                used += load;
                reporting += size(stand);
            }
        }
        let sum = mean.map(|_| all);
        Self {
            is_alive,
            used: (reporting > 0.0).then(|| used * all / reporting),
            capacity: match (sum, capacity) {
                (Some(sum), Some(most)) => Some(sum.min(most)),
                (sum, most) => sum.or(most),
            },
            is_fresh: open().any(|stand| stand.estimate.is_heard_since(since)),
        }
    }
}

impl EndpointLoad<'_> {
    /// What it can take: as the operator says, else as it says itself, else an even part of what its pool can take.
    pub fn capacity_now(&self, part: Option<f64>, now: Duration) -> Option<f64> {
        let said = || self.estimate.load(now).and_then(|(_, capacity)| capacity);
        self.capacity.or_else(said).or(part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMOOTHING: Duration = Duration::from_secs(10);

    fn at(second: u64) -> Duration {
        Duration::from_secs(second)
    }

    fn load(used: u64, capacity: Option<u64>) -> Load {
        Load { used: used * 1000, capacity: capacity.map(|capacity| capacity * 1000) }
    }

    fn estimate(used: u64, capacity: Option<u64>) -> LoadEstimate {
        let mut estimate = LoadEstimate::default();
        estimate.hear(load(used, capacity), at(100), SMOOTHING, BELIEVED_FOR);
        estimate
    }

    #[test]
    fn reports_are_smoothed_and_forgotten() {
        let mut estimate = estimate(100, Some(500));
        assert_eq!(estimate.load(at(100)), Some((100.0, Some(500.0))));
        estimate.hear(load(200, None), at(110), SMOOTHING, BELIEVED_FOR);
        assert_eq!(estimate.load(at(169)), Some((150.0, None)));
        assert_eq!(estimate.load(at(170)), None);
        estimate.hear(load(10, None), at(200), SMOOTHING, BELIEVED_FOR);
        assert_eq!(estimate.load(at(200)), Some((10.0, None)), "what is forgotten is not smoothed with");
        estimate.hear(load(20, None), at(200), Duration::ZERO, BELIEVED_FOR);
        assert_eq!(estimate.load(at(200)), Some((20.0, None)));
    }

    #[test]
    fn response_times_are_smoothed() {
        let mut estimate = LoadEstimate::default();
        assert_eq!(estimate.response(), None);
        estimate.time(Duration::from_millis(100));
        estimate.time(Duration::from_millis(200));
        assert_eq!(estimate.response(), Some(0.125));
    }

    /// An endpoint: what it uses, what it says and what the operator says of its capacity, and whether it is open.
    type LoadFacts = (Option<u64>, Option<u64>, Option<f64>, bool);

    fn read(endpoints: &[LoadFacts], capacity: Option<f64>) -> PoolEstimate {
        let estimates =
            endpoints.iter().map(|&(used, said, ..)| used.map_or(LoadEstimate::default(), |used| estimate(used, said)));
        let estimates: Vec<LoadEstimate> = estimates.collect();
        let pairs = estimates.iter().zip(endpoints);
        let stands = pairs.map(|(estimate, &(_, _, capacity, is_open))| EndpointLoad { estimate, capacity, is_open });
        let stands: Vec<EndpointLoad<'_>> = stands.collect();
        PoolEstimate::new(true, &stands, capacity, at(110), at(90))
    }

    #[test]
    fn a_capacity_is_the_operators_else_the_endpoints_own_else_a_part_of_the_pools() {
        let capacity = |endpoints: &[_], capacity| read(endpoints, capacity).capacity;
        let (says, silent) = ((Some(1), Some(50), None, true), (Some(1), None, None, true));
        assert_eq!(capacity(&[says, says], None), Some(100.0));
        assert_eq!(capacity(&[(Some(1), Some(50), Some(70.0), true), says], None), Some(120.0));
        assert_eq!(capacity(&[silent, silent], Some(300.0)), Some(300.0));
        assert_eq!(capacity(&[silent, (None, None, None, false), silent], Some(300.0)), Some(200.0));
        assert_eq!(capacity(&[says, says], Some(80.0)), Some(80.0), "the whole may be less than its parts");
        assert_eq!(capacity(&[says, silent], None), Some(100.0), "the others are as large on average");
        assert_eq!(capacity(&[silent, silent], None), None);
        assert_eq!(capacity(&[], Some(80.0)), Some(80.0));
    }

    #[test]
    fn what_is_used_is_that_of_open_endpoints_and_the_silent_are_as_full() {
        let used = |endpoints: &[_]| read(endpoints, None).used;
        let (says, silent) = ((Some(30), Some(50), None, true), (None, None, Some(100.0), true));
        assert_eq!(used(&[says, says]), Some(60.0));
        assert_eq!(used(&[says, silent]), Some(90.0));
        assert_eq!(used(&[says, (Some(20), Some(50), None, false)]), Some(30.0));
        assert_eq!(used(&[silent]), None);
        assert_eq!(used(&[(Some(30), None, None, true), (None, None, None, true)]), Some(60.0));
    }

    #[test]
    fn a_reading_is_fresh_if_anything_was_said_since_the_last() {
        let said = estimate(1, None);
        let stands = [EndpointLoad { estimate: &said, capacity: None, is_open: true }];
        assert!(PoolEstimate::new(true, &stands, None, at(110), at(99)).is_fresh);
        assert!(!PoolEstimate::new(true, &stands, None, at(110), at(100)).is_fresh);
    }
}
