//! The hosts that are looked up, and their last addresses: a state machine without clock and sockets.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use super::query::Answer;
use super::{MAX_TTL, MIN_TTL, RETRY_AFTER, ResolveError};

/// Hosts that nobody asked for during this time are forgotten.
const FORGET_AFTER: Duration = Duration::from_secs(2 * 3600);

/// The hosts that are known. Times are those of a monotonic clock.
#[derive(Debug, Default)]
pub(super) struct Names {
    hosts: HashMap<Box<str>, Host>,
}

#[derive(Debug)]
struct Host {
    address: IpAddr,
    /// When it is asked for again.
    due: Duration,
    /// True if the last attempt failed.
    is_failing: bool,
    asked_for_at: Duration,
}

/// What to do when a host is needed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Use this address.
    Use(IpAddr),
    /// Use this address, and ask again.
    UseAndAsk(IpAddr),
    /// Ask, and wait for the answer.
    Ask,
}

/// The effect of an attempt.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// The host is known now.
    New(IpAddr),
    /// It has another address than before.
    Moved(IpAddr, IpAddr),
    /// It could be asked for before, and no longer can.
    Failed,
    /// It can be asked for again, and has the same address.
    Back,
    /// Nothing changed.
    Same,
}

impl Names {
    /// Says what to do when a host is needed. The caller asks if it is told to, and hands in the result.
    pub(super) fn next(&mut self, host: &str, now: Duration) -> Next {
        let Some(known) = self.hosts.get_mut(host) else { return Next::Ask };
        known.asked_for_at = now;
        if known.due > now {
            return Next::Use(known.address);
        }
        // Others that need it meanwhile do not ask too.
        known.due = now + RETRY_AFTER;
        Next::UseAndAsk(known.address)
    }

    /// Takes in the result of an attempt. Returns what changed, and the address to use; an error if there is none.
    pub(super) fn take(
        &mut self,
        host: &str,
        found: Result<Answer<IpAddr>, ResolveError>,
        now: Duration,
    ) -> (Taken, Result<IpAddr, ResolveError>) {
        let lowest = found.and_then(|Answer { values, ttl }| {
            let lowest = values.into_iter().min().ok_or(ResolveError::NoData)?;
            Ok((lowest, now + ttl.clamp(MIN_TTL, MAX_TTL)))
        });
        let known = self.hosts.get_mut(host);
        match (known, lowest) {
            (None, Err(why)) => (Taken::Same, Err(why)),
            (Some(known), Err(_)) => {
                known.due = now + RETRY_AFTER;
                let was_failing = std::mem::replace(&mut known.is_failing, true);
                (if was_failing { Taken::Same } else { Taken::Failed }, Ok(known.address))
            }
            (Some(known), Ok((address, due))) => {
                let before = std::mem::replace(&mut known.address, address);
                let was_failing = std::mem::replace(&mut known.is_failing, false);
                known.due = due;
                let taken = match (before == address, was_failing) {
                    (false, _) => Taken::Moved(before, address),
                    (true, true) => Taken::Back,
                    (true, false) => Taken::Same,
                };
                (taken, Ok(address))
            }
            (None, Ok((address, due))) => {
                self.hosts.retain(|_, host| host.asked_for_at + FORGET_AFTER > now);
                self.hosts.insert(host.into(), Host { address, due, is_failing: false, asked_for_at: now });
                (Taken::New(address), Ok(address))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn answer(addresses: &[&str], ttl: u64) -> Answer<IpAddr> {
        let values = addresses.iter().map(|address| address.parse().unwrap()).collect();
        Answer { values, ttl: seconds(ttl) }
    }

    #[test]
    fn the_lowest_address_is_used_until_the_ttl_is_over() {
        let mut names = Names::default();
        let [first, other]: [IpAddr; 2] = ["192.0.2.1", "192.0.2.9"].map(|text| text.parse().unwrap());
        assert_eq!(names.next("db", seconds(1)), Next::Ask);
        let taken = names.take("db", Ok(answer(&["2001:db8::1", "192.0.2.9", "192.0.2.1"], 30)), seconds(1));
        assert_eq!(taken, (Taken::New(first), Ok(first)));
        assert_eq!(names.next("db", seconds(30)), Next::Use(first));
        // Only one of those that need it asks.
        assert_eq!(names.next("db", seconds(31)), Next::UseAndAsk(first));
        assert_eq!(names.next("db", seconds(31)), Next::Use(first));
        // The order of an answer means nothing.
        assert_eq!(names.take("db", Ok(answer(&["192.0.2.1", "192.0.2.9"], 0)), seconds(32)), (Taken::Same, Ok(first)));
        assert_eq!(names.next("db", seconds(32)), Next::Use(first), "a TTL of 0 is one second");
        assert_eq!(names.next("db", seconds(33)), Next::UseAndAsk(first));
        let moved = names.take("db", Ok(answer(&["192.0.2.9"], 86_400)), seconds(33));
        assert_eq!(moved, (Taken::Moved(first, other), Ok(other)));
        assert_eq!(names.next("db", seconds(33) + MAX_TTL), Next::UseAndAsk(other), "long TTLs are cut");
    }

    #[test]
    fn a_failure_keeps_the_last_answer_and_is_told_once() {
        let mut names = Names::default();
        let first: IpAddr = "192.0.2.1".parse().unwrap();
        let failed = || Err(ResolveError::Rcode("NXDOMAIN".into()));
        assert_eq!(names.take("db", failed(), seconds(1)), (Taken::Same, Err(failed().unwrap_err())));
        assert_eq!(names.next("db", seconds(1)), Next::Ask, "nothing is known");
        let _ = names.take("db", Ok(answer(&["192.0.2.1"], 10)), seconds(1));
        assert_eq!(names.next("db", seconds(11)), Next::UseAndAsk(first));
        assert_eq!(names.take("db", failed(), seconds(12)), (Taken::Failed, Ok(first)));
        assert_eq!(names.next("db", seconds(16)), Next::Use(first));
        assert_eq!(names.next("db", seconds(17)), Next::UseAndAsk(first), "it is tried again soon");
        assert_eq!(
            names.take("db", Ok(answer(&[], 10)), seconds(18)),
            (Taken::Same, Ok(first)),
            "an empty answer fails"
        );
        assert_eq!(names.take("db", Ok(answer(&["192.0.2.1"], 10)), seconds(23)), (Taken::Back, Ok(first)));
    }

    #[test]
    fn hosts_that_nobody_needs_are_forgotten() {
        let mut names = Names::default();
        let _ = names.take("old", Ok(answer(&["192.0.2.1"], 10)), seconds(0));
        let _ = names.take("new", Ok(answer(&["192.0.2.1"], 10)), FORGET_AFTER + seconds(1));
        assert_eq!(names.hosts.len(), 1);
    }
}
