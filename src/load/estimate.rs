//! Load reports of endpoints, smoothed, and their sum for a pool.

use std::time::Duration;

use crate::health::Load;

/// The time that a report counts; three intervals of its monitor if that is longer. After that the load is unknown.
pub const BELIEVED_FOR: Duration = Duration::from_secs(60);

/// The weight of the newest probe in an endpoint's response time.
const TIME_GAIN: f64 = 0.25;

/// The estimate of one endpoint's load and response time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LoadEstimate {
    heard: Option<Heard>,
    /// Seconds.
    response: Option<f64>,
}

/// A smoothed report, in the operator's units.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Heard {
    used: f64,
    capacity: Option<f64>,
    at: Duration,
    until: Duration,
}

impl LoadEstimate {
    /// Takes in a report that counts for `believed_for`. Reports are smoothed over roughly the time `smoothing`.
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

    /// Takes in how long a successful probe took.
    pub fn time(&mut self, took: Duration) {
        let took = took.as_secs_f64();
        self.response = Some(self.response.map_or(took, |before| before + TIME_GAIN * (took - before)));
    }

    /// The load, and the capacity if the endpoint reports it; `None` if the load is unknown, or no longer known.
    pub fn load(&self, now: Duration) -> Option<(f64, Option<f64>)> {
        self.heard.filter(|heard| now < heard.until).map(|heard| (heard.used, heard.capacity))
    }

    /// When the present report was heard; `None` if there is none, or it no longer counts.
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

/// An endpoint of a pool, for [`PoolEstimate::new`].
#[derive(Clone, Copy, Debug)]
pub struct EndpointLoad<'a> {
    /// Its estimate.
    pub estimate: &'a LoadEstimate,
    /// Its capacity, if the operator configured it.
    pub capacity: Option<f64>,
    /// True if the endpoint is in answers.
    pub is_open: bool,
}

/// The load estimate of a pool, from those of its endpoints.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PoolEstimate {
    /// True if the pool is usable.
    pub is_alive: bool,
    /// The load of its open endpoints. Endpoints that do not report are assumed to be as full as the others.
    pub used: Option<f64>,
    /// The capacity of its open endpoints.
    pub capacity: Option<f64>,
    /// True if there was a report since the last round.
    pub is_fresh: bool,
}

impl PoolEstimate {
    /// The estimate of a pool of these endpoints. `capacity` is the configured capacity of the whole pool: an upper
    /// limit, and divided evenly among endpoints without a capacity of their own.
    pub fn new(
        is_alive: bool,
        endpoints: &[EndpointLoad<'_>],
        capacity: Option<f64>,
        now: Duration,
        since: Duration,
    ) -> Self {
        let part = capacity.map(|capacity| capacity / endpoints.len() as f64);
        let open = || endpoints.iter().filter(|endpoint| endpoint.is_open);
        let capacity_of = |endpoint: &EndpointLoad<'_>| endpoint.capacity_now(part, now);
        let known: Vec<f64> = open().filter_map(capacity_of).collect();
        let mean = if known.is_empty() { None } else { Some(known.iter().sum::<f64>() / known.len() as f64) };
        // If no capacity is known, all endpoints count as equally large.
        let size = |endpoint: &EndpointLoad<'_>| capacity_of(endpoint).or(mean).unwrap_or(1.0);
        let (mut used, mut reporting, mut all) = (0.0, 0.0, 0.0);
        for endpoint in open() {
            all += size(endpoint);
            if let Some((load, _)) = endpoint.estimate.load(now) {
                used += load;
                reporting += size(endpoint);
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
            is_fresh: open().any(|endpoint| endpoint.estimate.is_heard_since(since)),
        }
    }
}

impl EndpointLoad<'_> {
    /// The capacity: the configured one, otherwise the reported one, otherwise an even part of the pool's.
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
        assert_eq!(estimate.load(at(200)), Some((10.0, None)), "a forgotten report does not count in smoothing");
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

    /// An endpoint: its load, its reported and its configured capacity, and true if it is open.
    type LoadFacts = (Option<u64>, Option<u64>, Option<f64>, bool);

    fn read(endpoints: &[LoadFacts], capacity: Option<f64>) -> PoolEstimate {
        let estimates =
            endpoints.iter().map(|&(used, said, ..)| used.map_or(LoadEstimate::default(), |used| estimate(used, said)));
        let estimates: Vec<LoadEstimate> = estimates.collect();
        let pairs = estimates.iter().zip(endpoints);
        let endpoints =
            pairs.map(|(estimate, &(_, _, capacity, is_open))| EndpointLoad { estimate, capacity, is_open });
        let endpoints: Vec<EndpointLoad<'_>> = endpoints.collect();
        PoolEstimate::new(true, &endpoints, capacity, at(110), at(90))
    }

    #[test]
    fn a_capacity_is_the_operators_else_the_endpoints_own_else_a_part_of_the_pools() {
        let capacity = |endpoints: &[_], capacity| read(endpoints, capacity).capacity;
        let (says, silent) = ((Some(1), Some(50), None, true), (Some(1), None, None, true));
        assert_eq!(capacity(&[says, says], None), Some(100.0));
        assert_eq!(capacity(&[(Some(1), Some(50), Some(70.0), true), says], None), Some(120.0));
        assert_eq!(capacity(&[silent, silent], Some(300.0)), Some(300.0));
        assert_eq!(capacity(&[silent, (None, None, None, false), silent], Some(300.0)), Some(200.0));
        assert_eq!(capacity(&[says, says], Some(80.0)), Some(80.0), "the whole may have less capacity than its parts");
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
        let endpoints = [EndpointLoad { estimate: &said, capacity: None, is_open: true }];
        assert!(PoolEstimate::new(true, &endpoints, None, at(110), at(99)).is_fresh);
        assert!(!PoolEstimate::new(true, &endpoints, None, at(110), at(100)).is_fresh);
    }
}
