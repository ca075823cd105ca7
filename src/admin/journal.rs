//! The latest events with their numbers, for clients that follow them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::broadcast;

use crate::clock;
use crate::report::{EventKind, Notice};

/// Notices that are kept for clients that reconnect. A follower may be behind by this number.
pub(super) const KEPT: usize = 256;

/// The last notices, and a channel for the following ones.
#[derive(Debug)]
pub struct Journal {
    pages: Mutex<Pages>,
    sender: broadcast::Sender<Arc<Notice>>,
}

#[derive(Debug)]
struct Pages {
    next: u64,
    kept: VecDeque<Arc<Notice>>,
}

/// The reader of a follower: first the notices that it missed, then new ones.
#[derive(Debug)]
pub(super) struct Following {
    /// True if some of the missed notices are no longer kept.
    pub(super) has_gap: bool,
    pub(super) missed: VecDeque<Arc<Notice>>,
    pub(super) coming: broadcast::Receiver<Arc<Notice>>,
}

impl Journal {
    /// Creates an empty journal. Numbers begin with the milliseconds since 1970. Those of a later run are therefore
    /// higher, unless there are more than a thousand events per second, and a double can represent them.
    pub fn new() -> Self {
        let now = clock::wall();
        Self::beginning_with(now.as_millis() as u64)
    }

    fn beginning_with(next: u64) -> Self {
        let pages = Mutex::new(Pages { next, kept: VecDeque::with_capacity(KEPT) });
        Self { pages, sender: broadcast::Sender::new(KEPT) }
    }

    /// Adds an event, sends it to all followers, and returns it as a notice.
    pub fn tell(&self, kind: EventKind) -> Arc<Notice> {
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        let notice = Arc::new(Notice { id: pages.next, time: clock::unix_time(), kind });
        pages.next += 1;
        if pages.kept.len() == KEPT {
            pages.kept.pop_front();
        }
        pages.kept.push_back(notice.clone());
        // An error means that there are no followers. Sent under the lock, so that a new follower gets each notice
        // exactly once.
        let _ = self.sender.send(notice.clone());
        notice
    }

    /// Follows from the notice after `last` on, or from now on.
    pub(super) fn follow(&self, last: Option<u64>) -> Following {
        let pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        let coming = self.sender.subscribe();
        let Some(last) = last else { return Following { has_gap: false, missed: VecDeque::new(), coming } };
        let oldest = pages.kept.front().map_or(pages.next, |notice| notice.id);
        let missed = pages.kept.iter().filter(|notice| notice.id > last).cloned().collect();
        Following { has_gap: last.saturating_add(1) < oldest, missed, coming }
    }
}

impl Default for Journal {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(following: &mut Following) -> Vec<u64> {
        let mut ids: Vec<u64> = following.missed.iter().map(|notice| notice.id).collect();
        while let Ok(notice) = following.coming.try_recv() {
            ids.push(notice.id);
        }
        ids
    }

    #[test]
    fn a_follower_gets_what_it_missed_and_what_comes_each_once() {
        let journal = Journal::beginning_with(10);
        (0..3).for_each(|_| _ = journal.tell(EventKind::Stop {}));
        let mut since = journal.follow(Some(10));
        let mut now = journal.follow(None);
        journal.tell(EventKind::Stop {});
        assert_eq!((ids(&mut since), since.has_gap), (vec![11, 12, 13], false));
        assert_eq!((ids(&mut now), now.has_gap), (vec![13], false));
    }

    #[test]
    fn what_is_no_longer_kept_is_told() {
        let journal = Journal::beginning_with(1000);
        let mut of_last_run = journal.follow(Some(7));
        assert_eq!((ids(&mut of_last_run), of_last_run.has_gap), (vec![], true));
        (0..=KEPT).for_each(|_| _ = journal.tell(EventKind::Stop {}));
        let mut far_behind = journal.follow(Some(999));
        assert_eq!((ids(&mut far_behind).len(), far_behind.has_gap), (KEPT, true));
        assert!(!journal.follow(Some(1000)).has_gap);
        assert!(ids(&mut journal.follow(Some(u64::MAX))).is_empty());
    }
}
