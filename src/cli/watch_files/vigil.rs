//! When a change is told: once what stands there is no longer what was read, and nothing has moved for a while.

use std::time::{Duration, Instant};

use tracing::warn;

use crate::disk::Reads;
use crate::duration::Written;

/// How often everything is looked at although the kernel tells of changes: some it does not see.
const LOOK_BESIDE: Duration = Duration::from_secs(10);

/// How often where the kernel tells of none, or not of all.
const LOOK: Duration = Duration::from_secs(2);

/// How many times as long as what the kernel tells of must be quiet what only looking finds: nobody tells that a file is still
/// open and half written.
const UNHEARD: u32 = 5;

/// Looking takes one part in so many of a processor's time at most, however many files there are.
const SHARE: u32 = 50;

/// Files that keep changing for so long are told of.
const RESTLESS: Duration = Duration::from_secs(60);

/// Watches over what was read.
pub(super) struct Vigil {
    read: Reads,
    /// As it stood at the last look.
    seen: Reads,
    quiet: Duration,
    is_sharp: bool,
    stir: Option<Stir>,
    look_at: Instant,
}

/// Something moved.
#[derive(Clone, Copy)]
struct Stir {
    first: Instant,
    last: Instant,
    /// The kernel told of it, and so tells when it goes on. What only a look found may be half done at the next look.
    is_heard: bool,
    is_told: bool,
}

impl Vigil {
    /// Begins with a look: something may have changed while it was read. `is_sharp` says that the kernel tells of changes.
    pub(super) fn new(reads: Reads, quiet: Duration, is_sharp: bool, now: Instant) -> Self {
        let stir = Some(Stir { first: now, last: now, is_heard: false, is_told: false });
        Self { seen: reads.clone(), read: reads, quiet, is_sharp, stir, look_at: now + LOOK }
    }

    /// The kernel told of something.
    pub(super) fn stir(&mut self, now: Instant) {
        let stir = self.stir.get_or_insert(Stir { first: now, last: now, is_heard: true, is_told: false });
        (stir.last, stir.is_heard) = (now, true);
    }

    /// When there is something to do again.
    pub(super) fn wake_at(&self, now: Instant) -> Instant {
        match self.stir {
            // Later than that, a file is being written: asked again after as long.
            Some(stir) if self.quiet_at(stir) <= now => now + self.quiet,
            Some(stir) => self.quiet_at(stir),
            None => self.look_at,
        }
    }

    /// When it has been quiet for long enough, unless something moves again.
    fn quiet_at(&self, stir: Stir) -> Instant {
        stir.last + if stir.is_heard { self.quiet } else { self.quiet * UNHEARD }
    }

    /// Whether a change is to be told now. `is_writing` says that a file is open and half written.
    pub(super) fn turn(&mut self, now: Instant, is_writing: bool) -> bool {
        let Some(stir) = self.stir else {
            if now >= self.look_at && self.look(now) {
                self.stir = Some(Stir { first: now, last: now, is_heard: false, is_told: false });
            }
            return false;
        };
        if now < self.quiet_at(stir) || is_writing {
            if now.duration_since(stir.first) >= RESTLESS && !stir.is_told {
                warn!(quiet = %Written(self.quiet), "files of the configuration keep changing: they are read when they have been quiet");
                self.stir = Some(Stir { is_told: true, ..stir });
            }
            return false;
        }
        let is_other = self.look(now);
        if self.seen.is_same(&self.read) {
            self.stir = None;
            return false;
        }
        if is_other && !stir.is_heard {
            self.stir = Some(Stir { last: now, ..stir });
            return false;
        }
        self.stir = None;
        true
    }

    /// Looks; whether it is another sight than the last.
    fn look(&mut self, now: Instant) -> bool {
        let seen = self.read.look_again();
        let cost = now.elapsed();
        let pause = if self.is_sharp { LOOK_BESIDE } else { LOOK };
        self.look_at = now + pause.max(cost * SHARE);
        !std::mem::replace(&mut self.seen, seen).is_same(&self.seen)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::disk::Disk;

    const QUIET: Duration = Duration::from_secs(1);

    #[test]
    fn quiet_is_counted_from_the_last_change_and_a_file_that_is_being_written_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.zone");
        fs::write(&path, "1").unwrap();
        let disk = Disk::new();
        disk.read(&path).unwrap();
        let start = Instant::now();
        let at = |tenths: u32| start + Duration::from_millis(100) * tenths;
        let mut vigil = Vigil::new(disk.reads(), QUIET, true, start);
        assert!(!vigil.turn(at(50), false), "all is as it was");
        assert!(vigil.wake_at(at(50)) > at(70), "and it is not looked at all the time");
        // Appended to, again and again, with pauses shorter than the quiet.
        for tenth in [60, 65, 74, 83] {
            fs::write(&path, format!("{tenth} and more")).unwrap();
            vigil.stir(at(tenth));
            assert!(!vigil.turn(at(tenth), false));
            assert_eq!(vigil.wake_at(at(tenth)), at(tenth + 10));
            assert!(!vigil.turn(at(tenth + 8), false));
        }
        assert!(!vigil.turn(at(93), true), "it is open");
        assert!(vigil.turn(at(100), false));
        assert!(!vigil.turn(at(110), false), "once");
    }

    #[test]
    fn what_only_looking_finds_must_look_the_same_twice() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.zone");
        let disk = Disk::new();
        assert!(disk.read(&path).is_err());
        let start = Instant::now();
        let at = |tenths: u32| start + Duration::from_millis(100) * tenths;
        let mut vigil = Vigil::new(disk.reads(), QUIET, false, start);
        fs::write(&path, "half").unwrap();
        assert_eq!(vigil.wake_at(at(0)), at(50));
        assert!(!vigil.turn(at(50), false));
        fs::write(&path, "half and more").unwrap();
        // It pauses for longer than one that is heard may.
        assert!(!vigil.turn(at(99), false));
        assert!(!vigil.turn(at(100), false));
        assert!(!vigil.turn(at(149), false));
        assert!(vigil.turn(at(150), false));
    }
}
