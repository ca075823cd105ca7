//! The notices that wait for one receiver.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::report::Notice;

/// Maximum number of waiting notices.
pub(super) const QUEUE: usize = 256;

/// Notices in order. The first one may be in delivery.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: VecDeque<Arc<Notice>>,
    /// Notices that were lost since the last accepted one.
    lost: u64,
}

impl Queue {
    /// Adds a notice at the end. Returns true if the oldest was dropped for it.
    pub(super) fn put(&mut self, notice: Arc<Notice>) -> bool {
        let is_full = self.waiting.len() == QUEUE;
        if is_full {
            self.waiting.pop_front();
            self.lost += 1;
        }
        self.waiting.push_back(notice);
        is_full
    }

    /// The oldest notice; `None` if the queue is empty.
    pub(super) fn first(&self) -> Option<&Arc<Notice>> {
        self.waiting.front()
    }

    /// The number of waiting notices.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// The number of lost notices that are not reported yet.
    pub(super) fn lost(&self) -> u64 {
        self.lost
    }

    /// True if this is the oldest notice.
    pub(super) fn holds(&self, notice: &Notice) -> bool {
        self.first().is_some_and(|first| first.id == notice.id)
    }

    /// Removes a delivered notice that reported this number of losses. A notice that was dropped during its delivery no
    /// longer counts as lost.
    pub(super) fn taken(&mut self, notice: &Notice, reported: u64) {
        self.lost -= reported.min(self.lost);
        if self.holds(notice) {
            self.waiting.pop_front();
        } else {
            self.lost = self.lost.saturating_sub(1);
        }
    }

    /// Counts the notice as lost. If it was dropped during its delivery, it is counted already.
    pub(super) fn give_up(&mut self, notice: &Notice) {
        if self.holds(notice) {
            self.waiting.pop_front();
            self.lost += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::EventKind;

    fn notice(id: u64) -> Arc<Notice> {
        Arc::new(Notice { id, time: 0, kind: EventKind::Stop {} })
    }

    #[test]
    fn the_oldest_go_when_it_is_full_and_are_counted() {
        let mut queue = Queue::default();
        let dropped = (0..QUEUE as u64 + 3).filter(|&id| queue.put(notice(id))).count();
        assert_eq!((dropped, queue.len(), queue.lost()), (3, QUEUE, 3));
        assert!(queue.holds(&notice(3)));
    }

    #[test]
    fn losses_are_told_once_by_what_is_taken() {
        let mut queue = Queue::default();
        (0..3).for_each(|id| _ = queue.put(notice(id)));
        queue.give_up(&notice(0));
        assert_eq!((queue.lost(), queue.holds(&notice(1))), (1, true));
        queue.taken(&notice(1), 1);
        assert_eq!((queue.lost(), queue.holds(&notice(2))), (0, true));
    }

    #[test]
    fn one_that_was_on_its_way_when_it_was_dropped_counts_for_what_became_of_it() {
        let full = || {
            let mut queue = Queue::default();
            (0..=QUEUE as u64).for_each(|id| _ = queue.put(notice(id)));
            queue
        };
        let (mut taken, mut given_up) = (full(), full());
        taken.taken(&notice(0), 0);
        given_up.give_up(&notice(0));
        assert_eq!((taken.lost(), taken.len()), (0, QUEUE));
        assert_eq!((given_up.lost(), given_up.len()), (1, QUEUE));
    }
}
