//! Many files that are read in one go: the caller and the thread wait for each other once, and not for each file.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{Receiver, channel};
use std::vec;

use super::reads::Seen;
use super::regular::{Contents, read_regular};
use super::{Disk, Job, leave_behind};

/// The file at a path: its identity, and its contents.
type Found = (Seen, io::Result<Contents>);

/// The files of a list, one after the other, and what each contains.
#[derive(Debug)]
pub struct InTurn<'d> {
    disk: &'d Disk,
    /// The paths that have not been returned yet.
    paths: vec::IntoIter<PathBuf>,
    /// Increases while a large file is read.
    progress: Arc<AtomicU64>,
    /// The files as the thread reads them, or why there is no thread. `None` when nothing follows.
    found: Option<io::Result<Receiver<Found>>>,
}

impl<'d> InTurn<'d> {
    pub(super) fn begin(disk: &'d Disk, paths: Vec<PathBuf>) -> Self {
        let (progress, (sender, found)) = (Arc::new(AtomicU64::new(0)), channel());
        let counted = progress.clone();
        let places: Vec<PathBuf> = paths.iter().map(|path| disk.place(path)).collect();
        let job = move || {
            let mut found = places.iter().map(|path| read_regular(path, &counted));
            // The caller may have given up.
            let _ = found.try_for_each(|found| sender.send(found));
        };
        let found = disk.submit(Job(Box::new(job))).map(|()| found);
        Self { disk, paths: paths.into_iter(), progress, found: Some(found) }
    }
}

impl Iterator for InTurn<'_> {
    type Item = (PathBuf, io::Result<Contents>);

    fn next(&mut self) -> Option<Self::Item> {
        let found = self.found.take()?;
        let path = self.paths.next()?;
        let receiver = match found {
            Ok(receiver) => receiver,
            Err(error) => return Some((path, Err(error))),
        };
        match self.disk.wait(&path, &self.progress, &receiver) {
            Ok(Ok((seen, contents))) => {
                self.found = Some(Ok(receiver));
                // A folder is not a file that was read: what changes in it does not matter.
                if contents.as_ref().map_err(io::Error::kind).err() != Some(io::ErrorKind::IsADirectory) {
                    self.disk.inner().reads.note(&self.disk.place(&path), seen);
                }
                Some((path, contents))
            }
            Ok(Err(error)) => Some((path, Err(error))),
            Err(error) => {
                leave_behind(receiver);
                Some((path, Err(error)))
            }
        }
    }
}
