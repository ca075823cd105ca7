//! Many files that are read in one go: the caller and the thread wait for each other once for many files, and not for each.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::{io, vec};

use super::reads::Seen;
use super::regular::{Reading, read_unless};
use super::{Disk, Job, leave_behind};

/// Files that the thread reads in one job. It reads one job ahead of the caller: the texts of all zones at once would take memory of
/// which something is needed for long here and there.
const AT_ONCE: usize = 64;

/// The file at a path: its identity, and what was read.
type Found = (Seen, io::Result<Reading>);

/// The files of a list, one after the other, and what each contains.
#[derive(Debug)]
pub struct InTurn<'d> {
    disk: &'d Disk,
    /// The files of which nobody was asked yet, with their known identities.
    files: vec::IntoIter<(PathBuf, Option<Seen>)>,
    /// The files that the thread reads now. `None` when nothing follows.
    ahead: Option<Batch>,
    /// The files that were read and not returned yet.
    found: vec::IntoIter<(PathBuf, Found)>,
}

/// Files that are read in one job.
#[derive(Debug)]
struct Batch {
    paths: Vec<PathBuf>,
    state: Arc<State>,
    /// Receives the files as they are read, or the reason why there is no thread.
    found: io::Result<Receiver<Vec<Found>>>,
}

/// The state of the thread's work.
#[derive(Debug, Default)]
struct State {
    /// Increases with each file, and while a large one is read.
    progress: AtomicU64,
    /// The number of files that were read.
    read: AtomicUsize,
}

impl<'d> InTurn<'d> {
    pub(super) fn begin(disk: &'d Disk, files: Vec<(PathBuf, Option<Seen>)>) -> Self {
        let mut files = Self { disk, files: files.into_iter(), ahead: None, found: Vec::new().into_iter() };
        files.ahead = files.next_batch();
        files
    }

    /// Lets the thread read the next files. `None` if there are none.
    fn next_batch(&mut self) -> Option<Batch> {
        let disk = self.disk;
        let (places, paths): (Vec<_>, Vec<_>) =
            self.files.by_ref().take(AT_ONCE).map(|(path, known)| ((disk.place(&path), known), path)).unzip();
        if paths.is_empty() {
            return None;
        }
        let (state, (sender, found)) = (Arc::new(State::default()), channel());
        let (shared, settles) = (state.clone(), disk.settles);
        let job = move || {
            let read = places.iter().map(|(path, known)| {
                let found = read_unless(path, (known.as_ref(), settles), &shared.progress);
                shared.read.fetch_add(1, Ordering::Relaxed);
                shared.progress.fetch_add(1, Ordering::Relaxed);
                found
            });
            // The caller may have given up.
            let _ = sender.send(read.collect());
        };
        let found = disk.submit(Job(Box::new(job))).map(|()| found);
        Some(Batch { paths, state, found })
    }
}

impl Batch {
    /// Waits for the files. Fails with the path where nothing can be read.
    fn wait(self, disk: &Disk) -> Result<Vec<(PathBuf, Found)>, (PathBuf, io::Error)> {
        let Self { paths, state, found } = self;
        let path = |number: usize| paths.get(number).cloned().unwrap_or_default();
        let receiver = found.map_err(|error| (path(0), error))?;
        let now = || path(state.read.load(Ordering::Relaxed));
        match disk.wait(now, &state.progress, &receiver) {
            Ok(Ok(found)) => Ok(paths.into_iter().zip(found).collect()),
            Ok(Err(error)) => Err((now(), error)),
            Err(error) => {
                leave_behind(receiver);
                Err((now(), error))
            }
        }
    }
}

impl Iterator for InTurn<'_> {
    type Item = (PathBuf, io::Result<Reading>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.found.as_slice().is_empty() {
            let batch = self.ahead.take()?;
            // The thread reads these while the caller works on those before.
            let ahead = batch.found.is_ok().then(|| self.next_batch()).flatten();
            match batch.wait(self.disk) {
                Ok(found) => (self.found, self.ahead) = (found.into_iter(), ahead),
                Err((path, error)) => return Some((path, Err(error))),
            }
        }
        let (path, (seen, read)) = self.found.next()?;
        // A folder is not a file that was read: what changes in it does not matter.
        if read.as_ref().map_err(io::Error::kind).err() != Some(io::ErrorKind::IsADirectory) {
            self.disk.inner().reads.note(&self.disk.place(&path), seen);
        }
        Some((path, read))
    }
}
