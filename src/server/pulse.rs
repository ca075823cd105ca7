//! Signs of life of the workers for UDP. A worker that waits for queries wakes up several times a second.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Seconds without a sign of life after which a worker counts as hung. A worker that answers a batch of the costliest
/// queries on a busy machine takes less than one.
const SILENCE: u64 = 10;

/// The time of a worker's last turn in Unix seconds; 0 before the first one. It has a cache line of its own, because
/// its worker writes it for each batch.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Beat(AtomicU64);

impl Beat {
    /// Records a sign of life.
    pub(super) fn at(&self, unix_second: u64) {
        self.0.store(unix_second, Ordering::Relaxed);
    }
}

/// The beats of all workers; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct WorkerPulse(Vec<Arc<Beat>>);

impl WorkerPulse {
    /// Adds a worker. Returns the place where it records its signs of life.
    pub(super) fn add(&mut self) -> Arc<Beat> {
        let beat = Arc::new(Beat::default());
        self.0.push(beat.clone());
        beat
    }

    /// Returns the reason why a worker counts as hung; `None` while all are alive.
    pub fn ailment(&self) -> Option<String> {
        self.ailment_at(crate::clock::unix_time())
    }

    fn ailment_at(&self, now: u64) -> Option<String> {
        // A worker that has not begun yet is not silent. If somebody sets the clock, all workers look silent until
        // their next turn, less than a second later.
        let silence = |beat: &Arc<Beat>| match beat.0.load(Ordering::Relaxed) {
            0 => 0,
            last => now.saturating_sub(last),
        };
        let longest = self.0.iter().map(silence).max().unwrap_or(0);
        (longest >= SILENCE).then(|| format!("a worker for UDP was silent for {longest} s"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worker_that_is_silent_longest_counts() {
        let mut pulse = WorkerPulse::default();
        let (one, other) = (pulse.add(), pulse.add());
        assert_eq!(pulse.ailment_at(1000), None, "none has begun");
        one.at(1000);
        other.at(1005);
        assert_eq!(pulse.ailment_at(1009), None);
        assert_eq!(pulse.ailment_at(1012).as_deref(), Some("a worker for UDP was silent for 12 s"));
        one.at(1012);
        assert_eq!(pulse.ailment_at(1012), None);
    }
}
