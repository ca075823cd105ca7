//! The folders and names that lead to the files that were read.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};

use crate::disk::{Counts, Reads};

/// Maximum number of symbolic links that the kernel follows in one path (path_resolution(7)).
const MOST_LINKS: usize = 40;

/// Folders by their real paths.
#[derive(Debug, Default)]
pub(super) struct Folders(BTreeMap<PathBuf, Interest>);

/// The names of interest in a folder.
#[derive(Clone, Debug, Default)]
pub(super) struct Interest {
    names: BTreeSet<OsString>,
    counts: Vec<Counts>,
}

impl Interest {
    pub(super) fn has(&self, name: &OsStr) -> bool {
        self.names.contains(name) || self.counts.iter().any(|counts| counts(name))
    }

    /// Adds the names of another path to the same folder.
    pub(super) fn add(&mut self, other: &Self) {
        self.names.extend(other.names.iter().cloned());
        self.counts.extend(&other.counts);
    }
}

impl Folders {
    /// Returns all folders that lead to the files: every folder on each path, and every folder on the paths of links on
    /// the way.
    pub(super) fn of(reads: &Reads) -> Self {
        let mut tracer = Tracer::default();
        for path in reads.files() {
            tracer.trace(path);
        }
        for (path, counts) in reads.folders() {
            let real = tracer.trace(path);
            tracer.folders.entry(real).or_default().counts.push(counts);
        }
        Self(tracer.folders)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Path, &Interest)> {
        self.0.iter().map(|(path, interest)| (path.as_path(), interest))
    }
}

/// Follows paths as the kernel does.
#[derive(Default)]
struct Tracer {
    folders: BTreeMap<PathBuf, Interest>,
    /// The targets of links that were read; `None` for names that are not links. Most paths have the same beginning, so
    /// each link is read only once.
    links: HashMap<PathBuf, Option<PathBuf>>,
}

impl Tracer {
    /// Adds every name on a path, and returns the real path, without links.
    fn trace(&mut self, path: &Path) -> PathBuf {
        let mut here = PathBuf::from("/");
        let mut ahead = steps(path);
        let mut links = 0;
        while let Some(step) = ahead.pop() {
            if step == ".." {
                here.pop();
                continue;
            }
            let next = here.join(&step);
            self.folders.entry(here.clone()).or_default().names.insert(step);
            let target = self.links.entry(next.clone()).or_insert_with(|| next.read_link().ok());
            match target {
                Some(target) if links < MOST_LINKS => {
                    links += 1;
                    if target.is_absolute() {
                        here = PathBuf::from("/");
                    }
                    ahead.extend(steps(target));
                }
                _ => here = next,
            }
        }
        here
    }
}

/// Returns the components of a path, the last one first.
fn steps(path: &Path) -> Vec<OsString> {
    let step = |component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    };
    path.components().rev().filter_map(step).collect()
}
