//! Decides when a change is reported: when the files differ from those that were read, and nothing has changed for a
//! while.

use std::time::{Duration, Instant};

use tracing::warn;

use crate::disk::Reads;
use crate::duration::Written;

/// Interval of looks at all files if the kernel reports changes. They are needed, because it does not see every change.
const LOOK_BESIDE: Duration = Duration::from_secs(10);

/// Interval of looks at all files if the kernel reports no changes, or not those of all folders.
const LOOK: Duration = Duration::from_secs(2);

/// If only a look found a change, the files must be quiet for the usual time multiplied by this number: without reports
/// from the kernel, it is not known if a file is still open and half written.
const UNHEARD: u32 = 5;

/// Looks take at most this fraction of a processor's time (one divided by this number), however many files there are.
const SHARE: u32 = 50;

/// If files keep changing for this time, that is logged.
const RESTLESS: Duration = Duration::from_secs(60);

/// Watches the files that were read.
pub(super) struct Vigil {
    read: Reads,
    /// The files at the last look.
    seen: Reads,
    quiet: Duration,
    is_sharp: bool,
    stir: Option<Stir>,
    look_at: Instant,
}

/// The result of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// There is nothing to report now.
    Nothing,
    /// Something happened, but the files are still those that were read. Other folders and links may lead to them now.
    Same,
    /// The files differ from those that were read, and this is to be reported.
    Change,
}

/// A change that is not reported yet.
#[derive(Clone, Copy)]
struct Stir {
    first: Instant,
    last: Instant,
    /// True if the kernel reported the change. Then it also reports further ones. If only a look found it, the files
    /// may still be changing at the next look.
    is_heard: bool,
    is_logged: bool,
}

impl Vigil {
    /// Begins with a look, because files may have changed while they were read. `is_sharp` is true if the kernel
    /// reports changes.
    pub(super) fn new(reads: Reads, quiet: Duration, is_sharp: bool, now: Instant) -> Self {
        let stir = Some(Stir { first: now, last: now, is_heard: false, is_logged: false });
        Self { seen: reads.clone(), read: reads, quiet, is_sharp, stir, look_at: now + LOOK }
    }

    /// Handles a report from the kernel.
    pub(super) fn stir(&mut self, now: Instant) {
        let stir = self.stir.get_or_insert(Stir { first: now, last: now, is_heard: true, is_logged: false });
        (stir.last, stir.is_heard) = (now, true);
    }

    /// Returns the time of the next action.
    pub(super) fn wake_at(&self, now: Instant) -> Instant {
        match self.stir {
            // It has been quiet for long enough, but a file is still being written. Looks again after the same time.
            Some(stir) if self.quiet_at(stir) <= now => now + self.quiet,
            Some(stir) => self.quiet_at(stir),
            None => self.look_at,
        }
    }

    /// Returns the time at which the files have been quiet for long enough, unless something changes again.
    fn quiet_at(&self, stir: Stir) -> Instant {
        stir.last + if stir.is_heard { self.quiet } else { self.quiet * UNHEARD }
    }

    /// Returns the files that were read.
    pub(super) fn read(&self) -> &Reads {
        &self.read
    }

    /// Returns the change to report now, if there is one. `is_writing` is true if a file is open and half written.
    pub(super) fn turn(&mut self, now: Instant, is_writing: bool) -> Found {
        let Some(stir) = self.stir else {
            if now >= self.look_at && self.look(now) {
                self.stir = Some(Stir { first: now, last: now, is_heard: false, is_logged: false });
            }
            return Found::Nothing;
        };
        if now < self.quiet_at(stir) || is_writing {
            if now.duration_since(stir.first) >= RESTLESS && !stir.is_logged {
                warn!(
                    quiet = %Written(self.quiet),
                    "configuration files keep changing: they are read when nothing has changed for the time `quiet`"
                );
                self.stir = Some(Stir { is_logged: true, ..stir });
            }
            return Found::Nothing;
        }
        let is_other = self.look(now);
        if self.seen.is_same(&self.read) {
            self.stir = None;
            return Found::Same;
        }
        if is_other && !stir.is_heard {
            self.stir = Some(Stir { last: now, ..stir });
            return Found::Nothing;
        }
        self.stir = None;
        Found::Change
    }

    /// Looks at all files. Returns true if they differ from the last look.
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
    use std::ffi::OsStr;
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::super::folders::Folders;
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
        assert_eq!(vigil.turn(at(50), false), Found::Same, "all is as it was");
        assert!(vigil.wake_at(at(50)) > at(70), "and it is not looked at all the time");
        // A file that is appended to repeatedly, with pauses shorter than the quiet time.
        for tenth in [60, 65, 74, 83] {
            fs::write(&path, format!("{tenth} and more")).unwrap();
            vigil.stir(at(tenth));
            assert_eq!(vigil.turn(at(tenth), false), Found::Nothing);
            assert_eq!(vigil.wake_at(at(tenth)), at(tenth + 10));
            assert_eq!(vigil.turn(at(tenth + 8), false), Found::Nothing);
        }
        assert_eq!(vigil.turn(at(93), true), Found::Nothing, "it is open");
        assert_eq!(vigil.turn(at(100), false), Found::Change);
        assert_eq!(vigil.turn(at(110), false), Found::Nothing, "once");
    }

    #[test]
    fn another_way_to_the_same_file_is_no_change_but_is_listened_to() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("file"), "1").unwrap();
        symlink("file", path("a.zone")).unwrap();
        let disk = Disk::new();
        disk.read(&path("a.zone")).unwrap();
        let start = Instant::now();
        let at = |tenths: u32| start + Duration::from_millis(100) * tenths;
        let mut vigil = Vigil::new(disk.reads(), QUIET, true, start);
        assert_eq!(vigil.turn(at(50), false), Found::Same, "the look at the beginning");
        symlink("file", path("between")).unwrap();
        symlink("between", path("new")).unwrap();
        fs::rename(path("new"), path("a.zone")).unwrap();
        vigil.stir(at(60));
        assert_eq!(vigil.turn(at(70), false), Found::Same);
        assert_eq!(vigil.turn(at(71), false), Found::Nothing);
        let leads = |vigil: &Vigil, name: &str| {
            let real = folder.path().canonicalize().unwrap();
            Folders::of(vigil.read()).iter().any(|(path, interest)| path == real && interest.has(OsStr::new(name)))
        };
        assert!(leads(&vigil, "between") && leads(&vigil, "file"));
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
        assert_eq!(vigil.turn(at(50), false), Found::Nothing);
        fs::write(&path, "half and more").unwrap();
        // The pause is longer than one that is allowed after a report of the kernel.
        assert_eq!(vigil.turn(at(99), false), Found::Nothing);
        assert_eq!(vigil.turn(at(100), false), Found::Nothing);
        assert_eq!(vigil.turn(at(149), false), Found::Nothing);
        assert_eq!(vigil.turn(at(150), false), Found::Change);
    }
}
