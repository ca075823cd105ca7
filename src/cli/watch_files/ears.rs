//! Receives the kernel's reports about folders: inotify(7).
//!
//! The kernel identifies a folder by its inode. To add a folder that is watched already changes nothing, so all folders
//! are added each time.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;
use tracing::warn;

use super::folders::{Folders, Interest};

/// How long a file that was written to, but not closed, counts as half written. A program may keep a file open for
/// ever.
const LONGEST_WRITE: Duration = Duration::from_secs(60);

/// Number of octets of events that are read at once. An event has 16 octets, and a name of at most 255.
const BUFFER: usize = 16 << 10;

/// Waits for reports from the kernel, and for a bell that another thread can ring.
pub(super) struct Ears {
    inotify: Option<OwnedFd>,
    bell: Arc<OwnedFd>,
    /// The watched folders, by the kernel's number of the watch.
    folders: HashMap<i32, Interest>,
    /// The time of the last write to each file that was not closed since.
    writing: HashMap<(i32, OsString), Instant>,
    /// True if it was logged that the kernel does not report all changes.
    is_logged: bool,
}

impl Ears {
    /// Creates a listener that watches no folder yet.
    pub(super) fn new(bell: Arc<OwnedFd>) -> Self {
        let mut ears = Self::deaf(bell);
        match inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK) {
            Ok(inotify) => ears.inotify = Some(inotify),
            Err(error) => ears.tell(&format!("inotify cannot be used: {error}")),
        }
        ears
    }

    /// Creates a listener that hears only the bell.
    pub(super) fn deaf(bell: Arc<OwnedFd>) -> Self {
        Self { inotify: None, bell, folders: HashMap::new(), writing: HashMap::new(), is_logged: false }
    }

    fn tell(&mut self, why: &str) {
        if !std::mem::replace(&mut self.is_logged, true) {
            warn!(
                "{why}; the node looks at all files every 2 s instead. \
                 To give inotify more room, raise the sysctls fs.inotify.max_user_instances and fs.inotify.max_user_watches"
            );
        }
    }

    /// Watches these folders, and no others. Returns true if the kernel reports all changes in them.
    pub(super) fn listen_to(&mut self, folders: &Folders) -> bool {
        let mut heard: HashMap<i32, Interest> = HashMap::new();
        let mut is_full = false;
        if let Some(inotify) = &self.inotify {
            let events = WatchFlags::MODIFY
                | WatchFlags::CLOSE_WRITE
                | WatchFlags::ATTRIB
                | WatchFlags::CREATE
                | WatchFlags::DELETE
                | WatchFlags::DELETE_SELF
                | WatchFlags::MOVE_SELF
                | WatchFlags::MOVED_FROM
                | WatchFlags::MOVED_TO
                | WatchFlags::ONLYDIR;
            for (path, interest) in folders.iter() {
                match inotify::add_watch(inotify, path, events) {
                    Ok(number) => heard.entry(number).or_default().add(interest),
                    Err(Errno::NOSPC | Errno::NOMEM) => is_full = true,
                    // A folder that is missing or not readable is covered by the folders above it, or by the regular
                    // look.
                    Err(_) => {}
                }
            }
            let wanted: HashSet<i32> = heard.keys().copied().collect();
            for number in self.folders.keys().filter(|number| !wanted.contains(number)) {
                // This fails if the folder is gone. Then the kernel has removed the watch already.
                let _ = inotify::remove_watch(inotify, *number);
            }
        }
        self.writing.retain(|(number, name), _| heard.get(number).is_some_and(|interest| interest.has(name)));
        self.folders = heard;
        if is_full {
            self.tell("inotify has no room for all folders of the configuration");
        }
        self.inotify.is_some() && !is_full
    }

    /// Waits for an event of a name of interest, for the bell, or until this time. Returns true if there was such an
    /// event.
    pub(super) fn listen(&mut self, until: Option<Instant>) -> bool {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        // A time that does not fit in a timespec is longer than anybody waits.
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        let mut sources = vec![PollFd::new(&*self.bell, PollFlags::IN)];
        sources.extend(self.inotify.as_ref().map(|inotify| PollFd::new(inotify, PollFlags::IN)));
        // A signal that interrupts the wait is treated like an event.
        let _ = poll(&mut sources, left.as_ref());
        // This silences the bell until it is rung again.
        let _ = rustix::io::read(&*self.bell, &mut [0; 8]);
        let Some(inotify) = self.inotify.take() else { return false };
        let is_stirred = self.hear(&inotify);
        self.inotify = Some(inotify);
        is_stirred
    }

    /// Reads all waiting events. Returns true if one is about something of interest.
    fn hear(&mut self, inotify: &OwnedFd) -> bool {
        let mut buffer = [MaybeUninit::uninit(); BUFFER];
        let mut events = Reader::new(inotify.as_fd(), &mut buffer);
        let mut is_stirred = false;
        // The iterator ends with an error when there are no more events.
        while let Ok(event) = events.next() {
            let (number, kind) = (event.wd(), event.events());
            let name = event.file_name().map(|name| OsStr::from_bytes(name.to_bytes()));
            is_stirred |= self.take(number, kind, name);
        }
        is_stirred
    }

    /// Takes in an event. Returns true if it is about something of interest.
    fn take(&mut self, number: i32, kind: ReadFlags, name: Option<&OsStr>) -> bool {
        if kind.contains(ReadFlags::IGNORED) {
            // The watch of a folder has ended. Earlier events reported what happened to the folder.
            self.folders.remove(&number);
            return false;
        }
        // The event is about the folder itself, or says that events were lost.
        let Some(name) = name else { return true };
        if !self.folders.get(&number).is_some_and(|interest| interest.has(name)) {
            return false;
        }
        let file = (number, name.to_owned());
        if kind.contains(ReadFlags::MODIFY) {
            self.writing.insert(file, Instant::now());
        } else if kind.intersects(ReadFlags::CLOSE_WRITE | ReadFlags::DELETE | ReadFlags::MOVED_FROM) {
            self.writing.remove(&file);
        }
        true
    }

    /// True if a file of interest is half written.
    pub(super) fn is_writing(&mut self, now: Instant) -> bool {
        self.writing.retain(|_, last| now.duration_since(*last) < LONGEST_WRITE);
        !self.writing.is_empty()
    }
}

/// Wakes the listener.
pub(super) fn ring(bell: &OwnedFd) {
    // The write fails only if the bell is already ringing.
    let _ = rustix::io::write(bell, &1_u64.to_ne_bytes());
}
