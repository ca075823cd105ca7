//! Response rate limiting: a maximum rate of each class of responses to each client network, in a fixed amount of
//! memory.
//!
//! With forged sources, an attacker can make this server send responses to a victim. So the rate of each class of
//! responses to one network is limited. Of the responses over the limit, one in `slip` is sent as a header with TC, so
//! that a real client in that network can ask over TCP; the others are not sent.
//!
//! The server keeps one number for every network and class: the time up to which its rate is used up (the generic cell
//! rate algorithm, a kind of token bucket). These times are in two tables, at the positions of two hashes with a secret
//! seed. Networks that share a position by chance also share its rate. A response is over its limit only if both
//! positions are used up, so a flood rarely affects other clients.

use std::hash::{BuildHasher, Hash, Hasher};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::answer::ResponseClass;
use crate::geo::Bits;
use crate::limiter::Losses;
use crate::snapshot::RateLimit;

/// Number of positions in each of the two tables; a power of two.
const PLACES: usize = 1 << 17;

/// Time between two log lines while responses are limited.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// The decision about a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RateDecision {
    /// Send it.
    Send,
    /// Send its header with TC.
    Slip,
    /// Do not send it.
    Drop,
}

/// The used-up rates, for all workers together.
#[derive(Debug)]
pub(super) struct RateLimiter {
    /// For each position: nanoseconds since the server's start up to which the rate is used up.
    used_up: [Box<[AtomicU64]>; 2],
    hasher: foldhash::quality::RandomState,
    losses: Arc<Losses>,
    last: Mutex<Option<IpAddr>>,
    start: Instant,
}

/// The number of limited responses so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Limited {
    pub(super) slipped: u64,
    pub(super) dropped: u64,
    /// The client of the last limited response.
    pub(super) last: Option<IpAddr>,
}

impl RateLimiter {
    /// Returns a limiter that counts in `losses`.
    pub(super) fn new(losses: Arc<Losses>) -> Self {
        let table = || (0..PLACES).map(|_| AtomicU64::new(0)).collect();
        Self {
            used_up: [table(), table()],
            hasher: foldhash::quality::RandomState::default(),
            losses,
            last: Mutex::new(None),
            start: Instant::now(),
        }
    }

    /// Returns the time since the start, for a batch of responses.
    pub(super) fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// Counts a response of this class to this client, and decides about it. `now` is the time since the server's
    /// start.
    ///
    /// The order of accesses is relaxed. If two workers count at the same time, one count may be lost, so one response
    /// more is sent.
    pub(super) fn count(&self, limit: &RateLimit, client: IpAddr, class: ResponseClass, now: Duration) -> RateDecision {
        if limit.exempt.iter().any(|prefix| prefix.contains(&client)) {
            return RateDecision::Send;
        }
        let rate = rate(limit, class);
        let now = now.as_nanos() as u64;
        let cost = Duration::from_secs(1).as_nanos() as u64 / u64::from(rate.get());
        let burst = cost * u64::from(rate.get()) * u64::from(limit.window.get());
        let hash = self.hash(limit, client, class);
        let mut over = true;
        for (table, hash) in self.used_up.iter().zip([hash as usize, (hash >> 32) as usize]) {
            let place = &table[hash % PLACES];
            let begin = place.load(Ordering::Relaxed).max(now);
            if begin + cost <= now + burst {
                place.store(begin + cost, Ordering::Relaxed);
                over = false;
            }
        }
        if over { self.limit(limit, client) } else { RateDecision::Send }
    }

    /// Returns the number of limited responses so far.
    pub(super) fn limited(&self) -> Limited {
        Limited {
            slipped: self.losses.slipped.load(Ordering::Relaxed),
            dropped: self.losses.limited.load(Ordering::Relaxed),
            last: self.last.lock().map_or(None, |last| *last),
        }
    }

    /// Decides between the two ways to limit a response, and counts it.
    fn limit(&self, limit: &RateLimit, client: IpAddr) -> RateDecision {
        // If another worker holds the lock, it records its own client as the last one.
        if let Ok(mut last) = self.last.try_lock() {
            *last = Some(client);
        }
        let Losses { slipped, limited, .. } = &*self.losses;
        let count = slipped.load(Ordering::Relaxed) + limited.load(Ordering::Relaxed);
        if limit.slip > 0 && count.is_multiple_of(u64::from(limit.slip)) {
            slipped.fetch_add(1, Ordering::Relaxed);
            RateDecision::Slip
        } else {
            limited.fetch_add(1, Ordering::Relaxed);
            RateDecision::Drop
        }
    }

    fn hash(&self, limit: &RateLimit, client: IpAddr, class: ResponseClass) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        match client {
            IpAddr::V4(address) => hasher.write_u32(address.to_bits().without(u32::host_mask(limit.prefix_v4))),
            IpAddr::V6(address) => hasher.write_u128(address.to_bits().without(u128::host_mask(limit.prefix_v6))),
        }
        class.hash(&mut hasher);
        hasher.finish()
    }
}

/// Returns the allowed responses per second.
fn rate(limit: &RateLimit, class: ResponseClass) -> NonZeroU32 {
    let own = match class {
        ResponseClass::Answer | ResponseClass::Empty => None,
        ResponseClass::NxDomain => limit.nxdomains_per_second,
        ResponseClass::Error => limit.errors_per_second,
    };
    own.unwrap_or(limit.responses_per_second)
}

/// Logs how many responses were limited, until the server stops.
pub(super) async fn tell(limiter: Arc<RateLimiter>, mut stopping: watch::Receiver<()>) {
    let mut told = Limited::default();
    loop {
        tokio::select! {
            () = tokio::time::sleep(TELL_EVERY) => {}
            _ = stopping.changed() => return,
        }
        let limited = limiter.limited();
        if (limited.slipped, limited.dropped) != (told.slipped, told.dropped) {
            let (cut, dropped) = (limited.slipped - told.slipped, limited.dropped - told.dropped);
            let last = limited.last.map(tracing::field::display);
            tracing::warn!(cut, dropped, last, "responses over the rate limit were cut to TC or dropped");
        }
        told = limited;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(per_second: u32, slip: u32) -> RateLimit {
        RateLimit {
            responses_per_second: NonZeroU32::new(per_second).unwrap(),
            nxdomains_per_second: None,
            errors_per_second: NonZeroU32::new(1),
            window: NonZeroU32::new(2).unwrap(),
            slip,
            prefix_v4: 24,
            prefix_v6: 56,
            exempt: vec!["198.51.100.0/24".parse().unwrap()],
        }
    }

    fn verdicts(limiter: &RateLimiter, limit: &RateLimit, client: &str, count: usize, now: Duration) -> [usize; 3] {
        let mut sums = [0; 3];
        for _ in 0..count {
            let verdict = limiter.count(limit, client.parse().unwrap(), ResponseClass::Answer, now);
            sums[verdict as usize] += 1;
        }
        sums
    }

    #[test]
    fn a_window_of_responses_is_sent_and_then_the_rate() {
        let (limiter, limit) = (RateLimiter::new(Arc::default()), limit(10, 0));
        let start = Duration::from_secs(5);
        assert_eq!(verdicts(&limiter, &limit, "192.0.2.1", 100, start), [20, 0, 80]);
        assert_eq!(verdicts(&limiter, &limit, "192.0.2.1", 100, start + Duration::from_secs(1)), [10, 0, 90]);
        assert_eq!(verdicts(&limiter, &limit, "192.0.2.1", 100, start + Duration::from_secs(60)), [20, 0, 80]);
        let last = "192.0.2.1".parse().ok();
        assert_eq!(limiter.limited(), Limited { slipped: 0, dropped: 250, last });
    }

    #[test]
    fn one_in_slip_is_cut_instead() {
        let limiter = RateLimiter::new(Arc::default());
        assert_eq!(verdicts(&limiter, &limit(10, 2), "192.0.2.1", 120, Duration::ZERO), [20, 50, 50]);
        assert_eq!(verdicts(&limiter, &limit(10, 1), "203.0.113.1", 120, Duration::ZERO), [20, 100, 0]);
    }

    #[test]
    fn a_network_is_one_and_others_are_not_touched() {
        let (limiter, limit) = (RateLimiter::new(Arc::default()), limit(10, 0));
        assert_eq!(verdicts(&limiter, &limit, "192.0.2.1", 20, Duration::ZERO), [20, 0, 0]);
        assert_eq!(verdicts(&limiter, &limit, "192.0.2.200", 20, Duration::ZERO), [0, 0, 20]);
        assert_eq!(verdicts(&limiter, &limit, "192.0.3.1", 20, Duration::ZERO), [20, 0, 0]);
        assert_eq!(verdicts(&limiter, &limit, "2001:db8::1", 20, Duration::ZERO), [20, 0, 0]);
        assert_eq!(verdicts(&limiter, &limit, "198.51.100.9", 500, Duration::ZERO), [500, 0, 0]);
    }

    #[test]
    fn classes_are_counted_apart() {
        let (limiter, limit) = (RateLimiter::new(Arc::default()), limit(10, 0));
        verdicts(&limiter, &limit, "192.0.2.1", 100, Duration::ZERO);
        let client = "192.0.2.1".parse().unwrap();
        let error = || limiter.count(&limit, client, ResponseClass::Error, Duration::ZERO);
        assert_eq!([error(), error(), error()], [RateDecision::Send, RateDecision::Send, RateDecision::Drop]);
    }

    #[test]
    fn a_flood_from_everywhere_rarely_costs_a_bystander() {
        let (limiter, limit) = (RateLimiter::new(Arc::default()), limit(10, 0));
        for network in 0..2000u32 {
            let client = IpAddr::from(std::net::Ipv4Addr::from_bits(0x0a00_0000 | network << 8));
            for _ in 0..30 {
                limiter.count(&limit, client, ResponseClass::Answer, Duration::ZERO);
            }
        }
        let hurt = (0..2000u32).filter(|network| {
            let client = IpAddr::from(std::net::Ipv4Addr::from_bits(0xac10_0000 | network << 8));
            limiter.count(&limit, client, ResponseClass::Answer, Duration::ZERO) != RateDecision::Send
        });
        // The probability that both positions are used up is (2,000 / 131,072)^2, about 1 in 4,300.
        assert!(hurt.count() < 10);
    }
}
