//! What happened lately, numbered, for those who follow it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use tokio::sync::broadcast;

use crate::report::{EventKind, Notice};

/// Notices that are kept for those who come back, and that a follower may be behind by.
pub(super) const KEPT: usize = 256;

/// The last notices, and a channel for the next ones.
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

/// What a follower reads: first what it missed, then what comes.
#[derive(Debug)]
pub(super) struct Following {
    /// Whether some of what it missed is no longer kept.
    pub(super) has_gap: bool,
    pub(super) missed: VecDeque<Arc<Notice>>,
    pub(super) coming: broadcast::Receiver<Arc<Notice>>,
}

impl Journal {
    /// Nothing happened yet. Numbers begin with the milliseconds since 1970, so that those of a later run are higher, unless a
    /// thousand things happen each second; and a double holds them.
    pub fn new() -> Self {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self::beginning_with(now.as_millis() as u64)
    }

    fn beginning_with(next: u64) -> Self {
        let pages = Mutex::new(Pages { next, kept: VecDeque::with_capacity(KEPT) });
        Self { pages, sender: broadcast::Sender::new(KEPT) }
    }

    /// Writes down what happened, and tells those who follow. What was written is given back.
    pub fn tell(&self, kind: EventKind) -> Arc<Notice> {
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        let notice = Arc::new(Notice { id: pages.next, time: super::unix_time(), kind });
        pages.next += 1;
        if pages.kept.len() == KEPT {
            pages.kept.pop_front();
        }
        pages.kept.push_back(notice.clone());
        // Nobody may follow. Sent under the lock: who begins to follow gets each notice once.
        let _ = self.sender.send(notice.clone());
        notice
    }

    /// Follows from behind this notice on, or from now on.
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
