//! What the kernel tells of folders: inotify(7).
//!
//! A folder is watched by its identity. To watch the same one again changes nothing, so whatever is to be heard is simply
//! asked for anew.

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

/// A file that was written to and not closed since counts as half written for so long: a program may hold it open for ever.
const LONGEST_WRITE: Duration = Duration::from_secs(60);

/// Octets of events that are read at once: an event takes 16 and its name, 255 at most.
const BUFFER: usize = 16 << 10;

/// Listens to the kernel, and to a bell.
pub(super) struct Ears {
    inotify: Option<OwnedFd>,
    bell: Arc<OwnedFd>,
    /// By the kernel's number of the watch.
    folders: HashMap<i32, Interest>,
    /// When each file was written to last that was not closed since.
    writing: HashMap<(i32, OsString), Instant>,
    /// That not everything can be heard was told.
    is_told: bool,
}

impl Ears {
    /// Hears nothing but the bell yet.
    pub(super) fn new(bell: Arc<OwnedFd>) -> Self {
        let mut ears = Self::deaf(bell);
        match inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK) {
            Ok(inotify) => ears.inotify = Some(inotify),
            Err(error) => ears.tell(&format!("inotify cannot be used: {error}")),
        }
        ears
    }

    /// Hears nothing but the bell, ever.
    pub(super) fn deaf(bell: Arc<OwnedFd>) -> Self {
        Self { inotify: None, bell, folders: HashMap::new(), writing: HashMap::new(), is_told: false }
    }

    fn tell(&mut self, why: &str) {
        if !std::mem::replace(&mut self.is_told, true) {
            warn!(
                "{why}; changed files are found by looking at all of them every 2 s instead. \
                 More room for inotify: sysctl fs.inotify.max_user_instances and fs.inotify.max_user_watches"
            );
        }
    }

    /// Listens to these folders, and no others. Whether all that happens there will be heard.
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
                    // What is not there, or is not for us, is heard of from the folders above, or by looking.
                    Err(_) => {}
                }
            }
            let wanted: HashSet<i32> = heard.keys().copied().collect();
            for number in self.folders.keys().filter(|number| !wanted.contains(number)) {
                // A folder that is gone is watched no more in any case.
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

    /// Waits for a name of interest, for the bell, or until then. Whether something happened to such a name.
    pub(super) fn listen(&mut self, until: Option<Instant>) -> bool {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        // A time that a timespec cannot hold is none that anybody waits for.
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        let mut sources = vec![PollFd::new(&*self.bell, PollFlags::IN)];
        sources.extend(self.inotify.as_ref().map(|inotify| PollFd::new(inotify, PollFlags::IN)));
        // A signal that interrupts it is as good as an event.
        let _ = poll(&mut sources, left.as_ref());
        // The bell is silent until it is rung again.
        let _ = rustix::io::read(&*self.bell, &mut [0; 8]);
        let Some(inotify) = self.inotify.take() else { return false };
        let is_stirred = self.hear(&inotify);
        self.inotify = Some(inotify);
        is_stirred
    }

    fn hear(&mut self, inotify: &OwnedFd) -> bool {
        let mut buffer = [MaybeUninit::uninit(); BUFFER];
        let mut events = Reader::new(inotify.as_fd(), &mut buffer);
        let mut is_stirred = false;
        // It ends with an error when there are no more.
        while let Ok(event) = events.next() {
            let (number, kind) = (event.wd(), event.events());
            let name = event.file_name().map(|name| OsStr::from_bytes(name.to_bytes()));
            is_stirred |= self.take(number, kind, name);
        }
        is_stirred
    }

    /// Whether an event is about something of interest.
    fn take(&mut self, number: i32, kind: ReadFlags, name: Option<&OsStr>) -> bool {
        if kind.contains(ReadFlags::IGNORED) {
            // What became of the folder was told before.
            self.folders.remove(&number);
            return false;
        }
        // Of a folder itself, or of events that were lost.
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

    /// Whether a file of interest is half written.
    pub(super) fn is_writing(&mut self, now: Instant) -> bool {
        self.writing.retain(|_, last| now.duration_since(*last) < LONGEST_WRITE);
        !self.writing.is_empty()
    }
}

/// Wakes who listens.
pub(super) fn ring(bell: &OwnedFd) {
    // It is full only if it rings already.
    let _ = rustix::io::write(bell, &1_u64.to_ne_bytes());
}
