//! The versions of the zones that this node has, in the state folder, and the shape of what is said of them.
//!
//! ```text
//!   versions/served        the version that is served, and the one before: JSON
//!   versions/DIGEST.zones  a version as octets, as it came
//!   versions/DIGEST/       its files, made from these octets
//!   versions/trial/        files that are being checked
//!   ...new                 something that is being written
//! ```
//!
//! The octets are on disk before a version is served, and `served` names it after that: each by a file that takes the place of
//! another one at once. Whatever ends the process, the next one finds the old version or the new one. The files of a
//! version are compared with the octets before they are used.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ledger::{Content, Matter};
use crate::vantage::NodeName;
use crate::versions::{Bundle, BundleError, Canary, Digest, Files, Release, Releases};

/// The folder in the state folder.
const FOLDER: &str = "versions";

/// The file that names the versions that are served.
const SERVED: &str = "served";

/// The folder of files that are being checked.
const TRIAL: &str = "trial";

/// The ending of a version's octets.
const OCTETS: &str = "zones";

/// The ending of whatever is being written.
const NEW: &str = "new";

/// Number of versions that `served` names: the one that is served, and the one before.
const SERVED_KEPT: usize = 2;

/// The versions on disk.
#[derive(Clone, Debug)]
pub struct Copies {
    folder: PathBuf,
}

/// Why a version on disk cannot be used.
#[derive(Debug)]
pub enum CopyError {
    /// It cannot be read or written.
    Disk(PathBuf, io::Error),
    /// It is damaged.
    Bundle(PathBuf, BundleError),
}

impl fmt::Display for CopyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disk(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Bundle(path, error) => write!(f, "{}: {error}", path.display()),
        }
    }
}

impl std::error::Error for CopyError {}

/// A file with the versions that are to be served, complete on disk, that nobody reads yet.
#[derive(Debug)]
pub struct PreparedCopies {
    from: PathBuf,
    to: PathBuf,
}

impl PreparedCopies {
    /// Lets it count.
    pub fn commit(self) -> Result<(), CopyError> {
        fs::rename(&self.from, &self.to)
            .and_then(|()| sync_folder(&self.to))
            .map_err(|error| CopyError::Disk(self.to, error))
    }
}

impl Copies {
    /// The versions in a state folder.
    pub fn of(state: &Path) -> Self {
        Self { folder: state.join(FOLDER) }
    }

    /// The versions that were served last, the latest first. None if there are none, or nothing can be read.
    pub fn served(&self) -> Vec<Release> {
        let text = fs::read(self.folder.join(SERVED)).unwrap_or_default();
        let records = serde_json::from_slice::<Vec<ReleaseRecord>>(&text).unwrap_or_default();
        records.into_iter().filter_map(ReleaseRecord::into_release).collect()
    }

    /// Writes which versions are served from now on: this one, and the one of before. It counts once it is committed.
    pub fn prepare(&self, release: &Release) -> Result<PreparedCopies, CopyError> {
        let before = self.served().into_iter().filter(|before| before.number != release.number);
        let served: Vec<ReleaseRecord> =
            [release.clone()].into_iter().chain(before).take(SERVED_KEPT).map(|it| ReleaseRecord::new(&it)).collect();
        let text = serde_json::to_vec(&served).expect("it has a form in JSON");
        let to = self.folder.join(SERVED);
        let from = to.with_extension(NEW);
        self.write(&from, &text)?;
        Ok(PreparedCopies { from, to })
    }

    /// Removes what interrupted writes left, and the versions that are not served.
    pub fn tidy(&self) {
        let kept: Vec<String> = self.served().iter().map(|release| release.id.to_string()).collect();
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let (name, path) = (entry.file_name(), entry.path());
            let stem = Path::new(&name).file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
            let is_new = path.extension().is_some_and(|ending| ending == NEW);
            let is_served = name == SERVED || kept.contains(&stem);
            if is_new || !is_served {
                remove(&path);
            }
        }
    }

    /// Keeps the octets of a version.
    pub fn put(&self, id: Digest, octets: &[u8]) -> Result<(), CopyError> {
        let path = self.octets(id);
        if self.get(id).is_ok() {
            return Ok(());
        }
        let new = path.with_extension(NEW);
        self.write(&new, octets)?;
        fs::rename(&new, &path).and_then(|()| sync_folder(&path)).map_err(|error| CopyError::Disk(path, error))
    }

    /// Reads a version.
    pub fn get(&self, id: Digest) -> Result<Bundle, CopyError> {
        let path = self.octets(id);
        match fs::read(&path) {
            Ok(octets) => Bundle::decode(&octets, id).map_err(|error| CopyError::Bundle(path, error)),
            Err(error) => Err(CopyError::Disk(path, error)),
        }
    }

    /// Returns the folder with the files of a version, which it makes if it is not there as it should be.
    pub fn unpack(&self, id: Digest, files: &Files) -> Result<PathBuf, CopyError> {
        let folder = self.folder.join(id.to_string());
        if !is_folder_of(&folder, files) {
            unpack(&folder, files)?;
        }
        Ok(folder)
    }

    /// Returns a folder with files that are to be checked.
    pub fn unpack_trial(&self, files: &Files) -> Result<PathBuf, CopyError> {
        let folder = self.folder.join(TRIAL);
        unpack(&folder, files)?;
        Ok(folder)
    }

    /// Removes the folder with files that were checked.
    pub fn end_trial(&self) {
        remove(&self.folder.join(TRIAL));
    }

    fn octets(&self, id: Digest) -> PathBuf {
        self.folder.join(format!("{id}.{OCTETS}"))
    }

    fn write(&self, path: &Path, octets: &[u8]) -> Result<(), CopyError> {
        let written = fs::create_dir_all(&self.folder).and_then(|()| {
            let mut file = File::create(path)?;
            file.write_all(octets)?;
            file.sync_all()
        });
        written.map_err(|error| {
            remove(path);
            CopyError::Disk(path.to_owned(), error)
        })
    }
}

/// Makes a folder with these files, at once.
fn unpack(folder: &Path, files: &Files) -> Result<(), CopyError> {
    let new = folder.with_extension(NEW);
    remove(&new);
    for (path, contents) in files.iter() {
        let path = new.join(path.as_str());
        let written = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&path, contents));
        if let Err(error) = written {
            remove(&new);
            return Err(CopyError::Disk(path, error));
        }
    }
    remove(folder);
    fs::rename(&new, folder).map_err(|error| CopyError::Disk(folder.to_owned(), error))
}

/// True if a folder has these files with these contents. It may have others, which nobody reads.
fn is_folder_of(folder: &Path, files: &Files) -> bool {
    files.iter().all(|(path, contents)| fs::read(folder.join(path.as_str())).is_ok_and(|found| found == contents))
}

/// Removes a file, or a folder with all that is in it. What cannot be removed is tried again at the next start.
fn remove(path: &Path) {
    let _ = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
}

/// Makes the name of a file last.
fn sync_folder(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

/// A version that was pushed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReleaseRecord {
    number: u32,
    /// Hexadecimal digits.
    id: String,
    files: String,
    octets: u32,
    /// Unix time in seconds.
    made_at: u64,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    who: Box<str>,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    comment: Box<str>,
}

/// Which versions are current; without any, the order was taken back.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct ReleasesRecord {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stable: Option<ReleaseRecord>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    canary: Option<CanaryRecord>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    past: Vec<ReleaseRecord>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct CanaryRecord {
    release: ReleaseRecord,
    nodes: Vec<String>,
}

impl ReleaseRecord {
    /// Returns the record of a version.
    pub fn new(release: &Release) -> Self {
        let Release { number, id, files, octets, made_at, who, comment } = release;
        Self {
            number: *number,
            id: id.to_string(),
            files: files.to_string(),
            octets: *octets,
            made_at: made_at.as_secs(),
            who: who.clone(),
            comment: comment.clone(),
        }
    }

    /// Returns the version; `None` if it cannot be read.
    pub fn into_release(self) -> Option<Release> {
        let Self { number, id, files, octets, made_at, who, comment } = self;
        let (id, files) = (Digest::parse(&id)?, Digest::parse(&files)?);
        Some(Release { number, id, files, octets, made_at: Duration::from_secs(made_at), who, comment })
    }
}

impl ReleasesRecord {
    pub(super) fn new(releases: Option<&Releases>) -> Self {
        let Some(releases) = releases else { return Self::default() };
        let canary = |canary: &Canary| CanaryRecord {
            release: ReleaseRecord::new(&canary.release),
            nodes: canary.nodes.iter().map(ToString::to_string).collect(),
        };
        Self {
            stable: releases.stable().map(ReleaseRecord::new),
            canary: releases.canary().map(canary),
            past: releases.past().iter().map(ReleaseRecord::new).collect(),
        }
    }

    pub(super) fn read(self) -> Option<(Matter, Option<Content>)> {
        if self == Self::default() {
            return Some((Matter::Zones, None));
        }
        let Self { stable, canary, past } = self;
        let stable = stable.map_or(Some(None), |stable| stable.into_release().map(Some))?;
        let canary = match canary {
            Some(CanaryRecord { release, nodes }) => {
                let nodes = nodes.iter().map(|node| NodeName::try_new(node)).collect::<Option<_>>()?;
                Some(Canary { release: release.into_release()?, nodes })
            }
            None => None,
        };
        let past = past.into_iter().map(ReleaseRecord::into_release).collect::<Option<_>>()?;
        Some((Matter::Zones, Some(Content::Zones(Releases::try_new(stable, canary, past)?))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::versions::FilePath;

    fn bundle(text: &str) -> (Bundle, Digest, Vec<u8>) {
        let file = |path: &str| (FilePath::try_new(path).unwrap(), text.as_bytes().into());
        let bundle = Bundle::new(Files::try_new([file("a.toml"), file("p/x.inc")]).unwrap(), Vec::new());
        let octets = bundle.encode();
        (bundle, Digest::of(&octets), octets)
    }

    fn release(number: u32, id: Digest) -> Release {
        let (who, comment) = ("ada".into(), "".into());
        Release { number, id, files: id, octets: 9, made_at: Duration::from_secs(5), who, comment }
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn two_versions_are_kept_and_what_was_left_half_done_goes() {
        let state = tempfile::tempdir().unwrap();
        let copies = Copies::of(state.path());
        assert_eq!(copies.served(), []);
        copies.tidy();
        let all: Vec<_> = ["one", "two", "three"].map(bundle).into();
        for (number, (bundle, id, octets)) in (1..).zip(&all) {
            copies.put(*id, octets).unwrap();
            assert_eq!(copies.get(*id).unwrap(), *bundle);
            copies.unpack(*id, bundle.files()).unwrap();
            let named = copies.prepare(&release(number, *id)).unwrap();
            // Until then the one before counts.
            assert!(copies.served().iter().all(|served| served.number < number));
            named.commit().unwrap();
        }
        let served: Vec<u32> = copies.served().iter().map(|release| release.number).collect();
        assert_eq!(served, [3, 2]);
        let folder = state.path().join(FOLDER);
        fs::write(folder.join("x.new"), "half").unwrap();
        fs::create_dir(folder.join("y.new")).unwrap();
        copies.unpack_trial(all[0].0.files()).unwrap();
        copies.tidy();
        let [two, three] = [all[1].1, all[2].1];
        let mut kept: Vec<String> =
            [two, three].iter().flat_map(|id| [id.to_string(), format!("{id}.zones")]).collect();
        kept.push(SERVED.to_owned());
        kept.sort();
        assert_eq!(names(&folder), kept);
        // A restart with the same version does not forget the one before.
        copies.prepare(&release(3, three)).unwrap().commit().unwrap();
        assert_eq!(copies.served().len(), 2);
    }

    #[test]
    fn a_copy_that_was_changed_on_disk_is_made_anew_or_refused() {
        let state = tempfile::tempdir().unwrap();
        let copies = Copies::of(state.path());
        let (bundle, id, octets) = bundle("one");
        copies.put(id, &octets).unwrap();
        let folder = copies.unpack(id, bundle.files()).unwrap();
        for damage in ["a.toml", "p/x.inc"] {
            fs::write(folder.join(damage), "edited").unwrap();
            let again = copies.unpack(id, bundle.files()).unwrap();
            assert_eq!(fs::read_to_string(again.join(damage)).unwrap(), "one");
        }
        let path = state.path().join(FOLDER).join(format!("{id}.zones"));
        fs::write(&path, &octets[..octets.len() - 1]).unwrap();
        assert!(matches!(copies.get(id), Err(CopyError::Bundle(_, BundleError::Damaged))));
        // It is written once more.
        copies.put(id, &octets).unwrap();
        assert!(copies.get(id).is_ok());
        fs::write(state.path().join(FOLDER).join(SERVED), "garbage").unwrap();
        assert_eq!(copies.served(), []);
        let gone = Copies::of(&state.path().join(FOLDER).join(SERVED));
        assert!(gone.put(id, &octets).is_err() && gone.prepare(&release(1, id)).is_err());
    }

    #[test]
    fn what_is_current_comes_back_as_it_was() {
        let id = |text: &str| Digest::of(text.as_bytes());
        let node = NodeName::try_new("ns1").unwrap();
        let one = Releases::push(None, release(1, id("1")), Vec::new(), false).unwrap();
        let two = Releases::push(Some(&one), release(2, id("2")), vec![node], false).unwrap();
        let three = two.promote().unwrap();
        for releases in [Some(&one), Some(&two), Some(&three), None] {
            let text = serde_json::to_string(&ReleasesRecord::new(releases)).unwrap();
            let read = serde_json::from_str::<ReleasesRecord>(&text).unwrap().read();
            assert_eq!(read, Some((Matter::Zones, releases.cloned().map(Content::Zones))), "{text}");
        }
        for text in [
            r#"{"past":[]}"#.replace("[]", r#"[{"number":1,"id":"x","files":"x","octets":1,"made_at":1}]"#),
            r#"{"canary":{"release":{"number":1,"id":"x","files":"x","octets":1,"made_at":1},"nodes":[]}}"#.to_owned(),
        ] {
            assert_eq!(serde_json::from_str::<ReleasesRecord>(&text).unwrap().read(), None, "{text}");
        }
    }
}
