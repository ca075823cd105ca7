//! Tells when a file of the configuration changed.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};
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
        let paths: BTreeSet<PathBuf> = paths.iter().flat_map(|path| with_its_links(path)).collect();
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
    let is_folder = |path: &PathBuf| path.is_dir() && !path.is_symlink();
    let folder = |path: &PathBuf| if is_folder(path) { Some(path.clone()) } else { path.parent().map(Path::to_owned) };
    paths.iter().filter_map(folder).collect()
}

/// Where a path leads, and every link that it meets on its way from its folder: whoever renews a certificate may write a new
/// file and turn a link to it. Each is told by its real folder, so that none is watched by two names.
fn with_its_links(path: &Path) -> Vec<PathBuf> {
    /// As many links as the kernel follows.
    const MOST: usize = 40;
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let folder = absolute.parent().and_then(|folder| folder.canonicalize().ok());
    let (Some(mut here), Some(name)) = (folder, absolute.file_name()) else {
        return vec![absolute.canonicalize().unwrap_or(absolute)];
    };
    let mut links = Vec::new();
    let mut ahead = PathBuf::from(name);
    while let Some(step) = ahead.components().next() {
        let next = here.join(step);
        let behind = ahead.components().skip(1).collect();
        match next.read_link() {
            Ok(target) if links.len() < MOST => {
                links.push(next);
                ahead = target.join::<PathBuf>(behind);
                continue;
            }
            _ if step == Component::ParentDir => drop(here.pop()),
            // The root's join leaves nothing of what was there before.
            _ => here = next,
        }
        ahead = behind;
    }
    links.push(here);
    links
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;
    use tokio::time::timeout;

    /// What a change on disk takes to be told, however busy the machine is.
    const PATIENCE: Duration = Duration::from_secs(5);

    /// `live/key` is a link to `archive/key1`, as certbot has it.
    fn certbot() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path);
        fs::create_dir(at("live")).unwrap();
        fs::create_dir(at("archive")).unwrap();
        fs::write(at("archive/key1"), "1").unwrap();
        symlink("../archive/key1", at("live/key")).unwrap();
        folder
    }

    #[tokio::test]
    async fn a_link_that_is_turned_is_a_change() {
        let folder = certbot();
        let at = |path: &str| folder.path().join(path);
        let mut watch = FileWatch::new(&[at("live/key")]).unwrap();
        fs::write(at("archive/key2"), "2").unwrap();
        symlink("../archive/key2", at("live/new")).unwrap();
        fs::rename(at("live/new"), at("live/key")).unwrap();
        timeout(PATIENCE, watch.changed()).await.unwrap();
    }

    #[tokio::test]
    async fn what_a_link_leads_to_may_change_as_well_and_its_neighbours_do_not_count() {
        let folder = certbot();
        let at = |path: &str| folder.path().join(path);
        let mut watch = FileWatch::new(&[at("live/key")]).unwrap();
        fs::write(at("archive/other"), "2").unwrap();
        fs::write(at("live/other"), "2").unwrap();
        assert!(timeout(QUIET * 3, watch.changed()).await.is_err());
        fs::write(at("archive/key1"), "2").unwrap();
        timeout(PATIENCE, watch.changed()).await.unwrap();
    }

    #[tokio::test]
    async fn a_folder_that_kubernetes_exchanges_is_a_change() {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path);
        for version in ["..1", "..2"] {
            fs::create_dir(at(version)).unwrap();
            fs::write(at(version).join("key"), version).unwrap();
        }
        symlink("..1", at("..data")).unwrap();
        symlink("..data/key", at("key")).unwrap();
        let mut watch = FileWatch::new(&[at("key")]).unwrap();
        symlink("..2", at("..new")).unwrap();
        fs::rename(at("..new"), at("..data")).unwrap();
        fs::remove_dir_all(at("..1")).unwrap();
        timeout(PATIENCE, watch.changed()).await.unwrap();
    }
}
