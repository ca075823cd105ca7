//! Tells when a file of the configuration changed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify_debouncer_full::notify::{EventKind, RecommendedWatcher, RecursiveMode};
use notify_debouncer_full::{DebounceEventResult, Debouncer, RecommendedCache, new_debouncer};
use tokio::sync::mpsc;
use tracing::warn;

/// Editors write a file in several strokes; so much quiet means that they are done.
const QUIET: Duration = Duration::from_millis(200);

/// Watches the folders that hold the configuration's files: a file that is replaced is another file.
pub(super) struct FileWatch {
    debouncer: Debouncer<RecommendedWatcher, RecommendedCache>,
    followed: BTreeSet<PathBuf>,
    changes: mpsc::Receiver<Vec<PathBuf>>,
}

impl FileWatch {
    pub(super) fn new(paths: &[PathBuf]) -> notify_debouncer_full::notify::Result<Self> {
        /// Bursts that wait while a reload is under way.
        const WAITING: usize = 64;
        let (sender, changes) = mpsc::channel(WAITING);
        let debouncer = new_debouncer(QUIET, None, move |result: DebounceEventResult| match result {
            Ok(events) => {
                let real = events.iter().filter(|event| !matches!(event.kind, EventKind::Access(_)));
                let paths: Vec<PathBuf> = real.flat_map(|event| event.paths.clone()).collect();
                if !paths.is_empty() {
                    // A full queue holds changes enough for the reload that empties it.
                    let _ = sender.try_send(paths);
                }
            }
            Err(errors) => errors.iter().for_each(|error| warn!(%error, "watching files")),
        })?;
        let mut watch = Self { debouncer, followed: BTreeSet::new(), changes };
        watch.follow(paths)?;
        Ok(watch)
    }

    /// Watches these files and folders, and no others.
    pub(super) fn follow(&mut self, paths: &[PathBuf]) -> notify_debouncer_full::notify::Result<()> {
        let paths: BTreeSet<PathBuf> = paths.iter().map(|path| absolute(path)).collect();
        let (old, new) = (folders(&self.followed), folders(&paths));
        for folder in old.difference(&new) {
            // A folder that is gone is watched no more in any case.
            let _ = self.debouncer.unwatch(folder);
        }
        self.followed = paths;
        new.difference(&old).try_for_each(|folder| self.debouncer.watch(folder, RecursiveMode::NonRecursive))
    }

    /// Waits until one of them changed.
    pub(super) async fn changed(&mut self) {
        loop {
            match self.changes.recv().await {
                Some(paths) if paths.iter().any(|path| self.is_followed(path)) => break,
                Some(_) => {}
                None => std::future::pending().await,
            }
        }
        while self.changes.try_recv().is_ok() {}
    }

    /// Whether a path is one of those followed, or stands in a folder that is.
    fn is_followed(&self, path: &Path) -> bool {
        self.followed.contains(path) || path.parent().is_some_and(|folder| self.followed.contains(folder))
    }
}

/// The folders to watch: those followed, and those that hold the files followed.
fn folders(paths: &BTreeSet<PathBuf>) -> BTreeSet<PathBuf> {
    let folder = |path: &PathBuf| if path.is_dir() { Some(path.clone()) } else { path.parent().map(Path::to_owned) };
    paths.iter().filter_map(folder).collect()
}

fn absolute(path: &Path) -> PathBuf {
    path.canonicalize().or_else(|_| std::path::absolute(path)).unwrap_or_else(|_| path.to_owned())
}
