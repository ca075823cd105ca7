//! Gathers notices that belong together before they are posted: a dead datacenter gives one notice, not fifty.
//!
//! ```text
//!   a fall ─► waits ── its time is over ──────────────► posted ─► its return is posted
//!               ├───── it returns ────────────────────► nothing is posted
//!               └───── its pool or datacenter falls ──► covered by that ─► its return is not posted
//! ```
//!
//! Falls and returns are those of endpoints, pools and datacenters. Every other notice is posted at once. When a pool
//! or a datacenter returns, the falls that it covered and that are not over wait again. State is bounded by the number
//! of endpoints: a reload removes the falls of pools that are gone.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use crate::report::{Fall, Notice};

/// The falls of one receiver.
#[derive(Debug, Default)]
pub(super) struct Gather {
    /// Falls that are not posted yet, by their subject, each with the time to post it.
    waiting: HashMap<String, (Duration, Arc<Notice>)>,
    /// Falls that were posted.
    posted: HashMap<String, Arc<Notice>>,
    /// Falls that a greater one covers.
    covered: HashMap<String, Arc<Notice>>,
}

impl Gather {
    /// Takes in a notice. Returns it if it is to be posted now. `time` is how long a fall waits; 0 gathers nothing.
    pub(super) fn take_in(&mut self, notice: &Arc<Notice>, now: Duration, time: Duration) -> Option<Arc<Notice>> {
        let Some(fall) = notice.kind.fall() else { return Some(notice.clone()) };
        let subject = notice.kind.subject();
        if time.is_zero() {
            return Some(notice.clone());
        }
        if !fall.is_over {
            if self.is_covered(&fall) {
                self.covered.insert(subject, notice.clone());
            } else {
                self.cover(&fall);
                self.waiting.insert(subject, (now + time, notice.clone()));
            }
            return None;
        }
        let was_waiting = self.waiting.remove(&subject).is_some();
        let was_covered = self.covered.remove(&subject).is_some();
        self.posted.remove(&subject);
        self.uncover(now + time);
        // The fall of any other return was posted, by this run or by an earlier one. So its return is posted too.
        (!was_waiting && !was_covered).then(|| notice.clone())
    }

    /// Forgets the falls of pools that a new configuration does not have, because no notice of their return will come.
    pub(super) fn retain(&mut self, pools: &HashSet<Box<str>>, now: Duration, time: Duration) {
        let is_there = |notice: &Notice| notice.kind.fall().is_some_and(|fall| fall.is_of_any(pools));
        self.waiting.retain(|_, (_, notice)| is_there(notice));
        self.posted.retain(|_, notice| is_there(notice));
        self.covered.retain(|_, notice| is_there(notice));
        self.uncover(now + time);
    }

    /// Moves covered falls that no greater fall covers any more to the falls that wait. `at` is the time to post them.
    fn uncover(&mut self, at: Duration) {
        let mut covered: Vec<(String, Arc<Notice>)> = self.covered.drain().collect();
        // A pool may cover its endpoints again.
        covered.sort_by_key(|(_, notice)| Reverse(notice.kind.fall().map(|fall| fall.size())));
        for (subject, notice) in covered {
            if notice.kind.fall().is_some_and(|fall| self.is_covered(&fall)) {
                self.covered.insert(subject, notice);
            } else {
                self.waiting.insert(subject, (at, notice));
            }
        }
    }

    /// Returns the falls whose time has come, the oldest first.
    pub(super) fn take_due(&mut self, now: Duration) -> Vec<Arc<Notice>> {
        let due = self.waiting.extract_if(|_, (at, _)| *at <= now);
        let mut due: Vec<(String, Arc<Notice>)> = due.map(|(subject, (_, notice))| (subject, notice)).collect();
        due.sort_by_key(|(_, notice)| notice.id);
        self.posted.extend(due.iter().cloned());
        due.into_iter().map(|(_, notice)| notice).collect()
    }

    /// When the next fall is to be posted.
    pub(super) fn due(&self) -> Option<Duration> {
        self.waiting.values().map(|(at, _)| *at).min()
    }

    fn is_covered(&self, fall: &Fall<'_>) -> bool {
        let open = self.waiting.values().map(|(_, notice)| notice).chain(self.posted.values());
        open.filter_map(|notice| notice.kind.fall()).any(|other| other.covers(fall))
    }

    /// Covers the smaller falls that still wait.
    fn cover(&mut self, fall: &Fall<'_>) {
        let smaller =
            self.waiting.extract_if(|_, (_, other)| other.kind.fall().is_some_and(|other| fall.covers(&other)));
        self.covered.extend(smaller.map(|(subject, (_, notice))| (subject, notice)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::EventKind;

    const TIME: Duration = Duration::from_secs(5);

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn endpoint(address: &str, pools: &[&str], to: &str) -> Arc<Notice> {
        notice(EventKind::Endpoint {
            endpoint: address.into(),
            dependents: None,
            pools: pools.iter().map(ToString::to_string).collect(),
            monitors: Vec::new(),
            from: String::new(),
            to: to.into(),
            seen: String::new(),
            sight: crate::report::Seen::default(),
            fleet: None,
            impact: None,
        })
    }

    fn pool(name: &str, to: &str) -> Arc<Notice> {
        notice(EventKind::Pool { pool: name.into(), to: to.into(), down: 1, endpoints: 1, impact: None })
    }

    fn datacenter(pools: &[&str], to: &str) -> Arc<Notice> {
        let pools = pools.iter().map(ToString::to_string).collect();
        notice(EventKind::Datacenter {
            datacenter: "fra".into(),
            pools,
            to: to.into(),
            down: 2,
            endpoints: 2,
            impact: None,
        })
    }

    fn notice(kind: EventKind) -> Arc<Notice> {
        Arc::new(Notice { id: 1, time: 0, kind })
    }

    fn subjects(notices: &[Arc<Notice>]) -> Vec<String> {
        notices.iter().map(|notice| notice.kind.subject()).collect()
    }

    #[test]
    fn a_dead_datacenter_is_one_notice_and_so_is_its_return() {
        let mut gather = Gather::default();
        for host in 1..=50 {
            let fall = endpoint(&format!("127.0.0.{host}:80"), &["web/fra"], "down");
            assert_eq!(gather.take_in(&fall, at(1), TIME), None);
        }
        assert_eq!(gather.take_in(&pool("web/fra", "down"), at(2), TIME), None);
        assert_eq!(gather.take_in(&datacenter(&["web/fra", "api/fra"], "down"), at(3), TIME), None);
        assert_eq!(gather.take_in(&endpoint("127.0.1.1:80", &["api/fra"], "down"), at(4), TIME), None);
        assert_eq!(gather.due(), Some(at(8)));
        assert_eq!(subjects(&gather.take_due(at(8))), ["datacenter fra"]);
        assert_eq!((gather.due(), gather.covered.len()), (None, 52));
        // All return, the endpoints first.
        for host in 1..=50 {
            let back = endpoint(&format!("127.0.0.{host}:80"), &["web/fra"], "up");
            assert_eq!(gather.take_in(&back, at(60), TIME), None);
        }
        let back = datacenter(&["web/fra", "api/fra"], "up");
        assert_eq!(gather.take_in(&back, at(60), TIME), Some(back));
        assert_eq!(gather.take_in(&pool("web/fra", "up"), at(60), TIME), None);
        // One endpoint is still down, and nothing covers it any more.
        assert_eq!(subjects(&gather.take_due(at(65))), ["endpoint 127.0.1.1:80 api/fra"]);
        let back = endpoint("127.0.1.1:80", &["api/fra"], "up");
        assert_eq!(gather.take_in(&back, at(70), TIME), Some(back));
        assert!(gather.waiting.is_empty() && gather.posted.is_empty() && gather.covered.is_empty());
    }

    #[test]
    fn a_short_fall_is_not_posted_and_a_long_one_is_with_its_return() {
        let mut gather = Gather::default();
        let [fall, back] = ["down", "up"].map(|to| endpoint("127.0.0.1:80", &["web/fra"], to));
        assert_eq!(gather.take_in(&fall, at(1), TIME), None);
        assert_eq!(gather.take_in(&back, at(3), TIME), None);
        assert_eq!(gather.take_due(at(9)), []);
        assert_eq!(gather.take_in(&fall, at(10), TIME), None);
        assert_eq!(gather.take_due(at(15)), std::slice::from_ref(&fall));
        assert_eq!(gather.take_in(&back, at(20), TIME), Some(back.clone()));
        // A return whose fall an earlier run posted. With a time of 0 nothing waits.
        assert_eq!(gather.take_in(&back, at(30), TIME), Some(back.clone()));
        assert_eq!(gather.take_in(&fall, at(30), Duration::ZERO), Some(fall));
    }

    #[test]
    fn a_reload_forgets_what_is_gone_and_uncovers_what_is_left() {
        let mut gather = Gather::default();
        let falls = [datacenter(&["web/fra", "api/fra"], "down"), pool("web/fra", "down"), pool("api/fra", "down")];
        for fall in &falls {
            assert_eq!(gather.take_in(fall, at(1), TIME), None);
        }
        assert_eq!(gather.take_in(&endpoint("127.0.0.1:80", &["api/fra"], "down"), at(1), TIME), None);
        assert_eq!(subjects(&gather.take_due(at(6))), ["datacenter fra"]);
        let pools = |names: &[&str]| names.iter().map(|name| Box::from(*name)).collect();
        gather.retain(&pools(&["api/fra"]), at(10), TIME);
        assert_eq!(
            (gather.posted.len(), gather.covered.len(), gather.due()),
            (1, 2, None),
            "the datacenter is still down"
        );
        // Now the pool is in another datacenter, which does not cover it.
        gather.posted.clear();
        gather.retain(&pools(&["api/fra"]), at(10), TIME);
        assert_eq!(subjects(&gather.take_due(at(15))), ["pool api/fra"]);
        gather.retain(&pools(&["other"]), at(20), TIME);
        assert!(gather.waiting.is_empty() && gather.posted.is_empty() && gather.covered.is_empty());
    }

    #[test]
    fn what_is_in_a_living_pool_too_is_not_covered() {
        let mut gather = Gather::default();
        assert_eq!(gather.take_in(&pool("web/fra", "down"), at(1), TIME), None);
        assert_eq!(gather.take_in(&endpoint("127.0.0.1:80", &["web/fra", "api/fra"], "down"), at(1), TIME), None);
        assert_eq!(gather.take_due(at(6)).len(), 2);
        let other = notice(EventKind::Stop {});
        assert_eq!(gather.take_in(&other, at(7), TIME), Some(other));
    }
}
