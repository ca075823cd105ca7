//! The thread that signs likely answers before anybody asks.
//!
//! ```text
//!   a snapshot is published ──► ring ──► the present answers, then those that may come next ──► wait for the next ring,
//!                                        in slices, with pauses                                 or look again
//! ```
//!
//! Whoever publishes only rings, and never waits. A newer snapshot replaces the work of the one before.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

use crate::answer::Ahead;
use crate::clock::wall;
use crate::counters::Tally;
use crate::dnssec::LEAD;
use crate::snapshot::Snapshot;

/// Work without a pause. A processor that is needed elsewhere is taken away from it sooner.
const SLICE: Duration = Duration::from_millis(2);

/// Length of a pause for each unit of work: the thread uses at most a tenth of one processor.
const PAUSES: u32 = 9;

/// Interval at which everything is looked at again without a new snapshot: signatures whose window ends soon are followed by
/// the next ones, and those that gave way to others are made again.
const AGAIN: Duration = Duration::from_secs(LEAD / 2);

/// Tells the thread that there is a new snapshot.
#[derive(Clone, Debug)]
pub struct AheadBell(SyncSender<()>);

/// The end of an [`AheadBell`] where the thread listens.
#[derive(Debug)]
pub struct AheadRings(Receiver<()>);

/// Returns a bell, and the end where the thread listens. The thread ends when the bell is dropped.
pub fn ahead_bell() -> (AheadBell, AheadRings) {
    // One ring is enough, however many snapshots come before it is heard.
    let (bell, rings) = sync_channel(1);
    (AheadBell(bell), AheadRings(rings))
}

impl AheadBell {
    /// Tells the thread to look for a new snapshot. Does not wait.
    pub fn ring(&self) {
        // If it is full, the thread will look anyway; if the thread is gone, nobody needs to.
        let _ = self.0.try_send(());
    }
}

/// Signs ahead for the snapshots that are published, until the bell is gone. Counts in `tally`.
pub(super) fn run(
    AheadRings(rings): AheadRings,
    published: &ArcSwap<Snapshot>,
    mut ahead: Ahead,
    tally: Option<&Tally>,
) {
    loop {
        ahead.begin(published.load_full());
        loop {
            let began = Instant::now();
            let is_done = work(&mut ahead, began, tally);
            thread::sleep(began.elapsed() * PAUSES);
            match rings.try_recv() {
                Ok(()) => break,
                Err(TryRecvError::Disconnected) => return,
                Err(TryRecvError::Empty) if !is_done => {}
                Err(TryRecvError::Empty) => match rings.recv_timeout(AGAIN) {
                    Ok(()) | Err(RecvTimeoutError::Timeout) => break,
                    Err(RecvTimeoutError::Disconnected) => return,
                },
            }
        }
    }
}

/// Works for a slice. Returns true if nothing is left to do. A bug in it costs only signatures that are made later.
fn work(ahead: &mut Ahead, began: Instant, tally: Option<&Tally>) -> bool {
    let slice = || {
        while began.elapsed() < SLICE {
            let Some(made) = ahead.step(wall()) else { return true };
            if let Some(tally) = tally {
                tally.signed_ahead(made);
            }
        }
        false
    };
    catch_unwind(AssertUnwindSafe(slice)).unwrap_or_else(|_| {
        tracing::error!("signing ahead panicked; this is a bug of truenorth. Answers are signed when they are given");
        true
    })
}
