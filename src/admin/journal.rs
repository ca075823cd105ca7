//! The latest events with their numbers: in memory for clients that follow them, and in the state folder for requests
//! for past events.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::broadcast;

use crate::clock;
use crate::report::{EventKind, Notice};
use crate::store::{Batch, EVENTS, Store};

/// Number of notices that are kept for clients that reconnect. A client may be behind by this number without a loss.
pub(super) const KEPT: usize = 256;

/// Minimum number of notices that the state folder keeps.
const KEPT_ON_DISK: usize = 4096;

/// Number of notices after which the oldest ones are removed from the state folder.
const TIDY_EVERY: u64 = 256;

/// The last notices, and a channel for the following ones.
#[derive(Debug)]
pub struct Journal {
    store: Arc<Store>,
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
    /// Creates a journal whose history is in this store. Numbers begin with the milliseconds since 1970. Those of a
    /// later run are therefore higher, unless there are more than a thousand events per second, and a double can
    /// represent them.
    pub fn new(store: Arc<Store>) -> Self {
        let now = clock::wall();
        Self::beginning_with(store, now.as_millis() as u64)
    }

    fn beginning_with(store: Arc<Store>, next: u64) -> Self {
        let pages = Mutex::new(Pages { next, kept: VecDeque::with_capacity(KEPT) });
        Self { store, pages, sender: broadcast::Sender::new(KEPT) }
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
        // An error means that there are no followers. The notice is sent while the lock is held, so that a new follower
        // gets each notice exactly once.
        let _ = self.sender.send(notice.clone());
        drop(pages);
        self.keep(&notice);
        notice
    }

    /// Keeps a notice in the state folder.
    fn keep(&self, notice: &Notice) {
        let mut batch = Batch::default();
        batch.put(&EVENTS, &notice.id.into(), &notice.to_row());
        if notice.id.is_multiple_of(TIDY_EVERY) {
            let kept = self.store.all(&EVENTS);
            let surplus = (kept.len() + 1).saturating_sub(KEPT_ON_DISK);
            kept.keys().take(surplus).for_each(|id| batch.delete(&EVENTS, id));
        }
        self.store.write(batch);
    }

    /// Returns the notices from this Unix time on that are still kept, also those of earlier runs; the oldest first.
    pub fn history(&self, since: u64) -> Vec<Notice> {
        let kept = self.store.all(&EVENTS).into_values();
        kept.filter_map(Notice::from_row).filter(|notice| notice.time >= since).collect()
    }

    /// Returns a reader of the notices after the one with the number `last`, or of all later ones without it.
    pub(super) fn follow(&self, last: Option<u64>) -> Following {
        let pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        let coming = self.sender.subscribe();
        let Some(last) = last else { return Following { has_gap: false, missed: VecDeque::new(), coming } };
        let oldest = pages.kept.front().map_or(pages.next, |notice| notice.id);
        let missed = pages.kept.iter().filter(|notice| notice.id > last).cloned().collect();
        Following { has_gap: last.saturating_add(1) < oldest, missed, coming }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn journal(next: u64) -> (Journal, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        (Journal::beginning_with(Arc::new(Store::open(folder.path()).unwrap()), next), folder)
    }

    fn ids(following: &mut Following) -> Vec<u64> {
        let mut ids: Vec<u64> = following.missed.iter().map(|notice| notice.id).collect();
        while let Ok(notice) = following.coming.try_recv() {
            ids.push(notice.id);
        }
        ids
    }

    #[test]
    fn a_follower_gets_what_it_missed_and_what_comes_each_once() {
        let (journal, _folder) = journal(10);
        (0..3).for_each(|_| _ = journal.tell(EventKind::Stop {}));
        let mut since = journal.follow(Some(10));
        let mut now = journal.follow(None);
        journal.tell(EventKind::Stop {});
        assert_eq!((ids(&mut since), since.has_gap), (vec![11, 12, 13], false));
        assert_eq!((ids(&mut now), now.has_gap), (vec![13], false));
    }

    #[test]
    fn what_is_no_longer_kept_is_told() {
        let (journal, _folder) = journal(1000);
        let mut of_last_run = journal.follow(Some(7));
        assert_eq!((ids(&mut of_last_run), of_last_run.has_gap), (vec![], true));
        (0..=KEPT).for_each(|_| _ = journal.tell(EventKind::Stop {}));
        let mut far_behind = journal.follow(Some(999));
        assert_eq!((ids(&mut far_behind).len(), far_behind.has_gap), (KEPT, true));
        assert!(!journal.follow(Some(1000)).has_gap);
        assert!(ids(&mut journal.follow(Some(u64::MAX))).is_empty());
    }

    #[test]
    fn the_history_outlives_the_run_and_is_bounded() {
        let (journal, folder) = journal(1);
        let all = KEPT_ON_DISK as u64 + 3 * TIDY_EVERY;
        (0..all).for_each(|_| _ = journal.tell(EventKind::Stop {}));
        drop(journal);
        let again = Journal::beginning_with(Arc::new(Store::open(folder.path()).unwrap()), all + 10);
        again.tell(EventKind::Hold { pool: "web".into(), held: true, impact: None });
        let history = again.history(0);
        assert!((KEPT_ON_DISK..=KEPT_ON_DISK + TIDY_EVERY as usize).contains(&history.len()), "{}", history.len());
        assert!(history.is_sorted_by_key(|notice| notice.id));
        assert_eq!(history.last().unwrap().kind, EventKind::Hold { pool: "web".into(), held: true, impact: None });
        assert_eq!(again.history(u64::MAX), []);
    }
}
