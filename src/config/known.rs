//! Keeps zones that were read before, so that an unchanged zone is not read, parsed and checked again.
//!
//! ```text
//!   files ─► the same as before? ─ yes ─► the zone as it was read: its tree, names, definitions, leads and warnings
//!                               └ no ──► read anew; kept for the next time
//! ```
//!
//! A static zone depends only on its own files, so equal files mean an equal zone. A zone with names or definitions
//! depends on the server file too: it is kept while the server file's text and monitors stay the same. If its own
//! monitors name files, such as certificates, it is read anew each time, because those files and their dates matter.
//!
//! A file is the same if it has the identity and the times that it had when it was read. Files that changed less than a minute
//! before they were read are read again, and so are those of zones with warnings, whose texts are drawn; then the same text is the
//! same file. The cache holds no texts. Checks between zones need the records that point at other names: if there are many, it holds
//! some numbers of each.
//!
//! While a configuration is read, the zones are with those who check them, and come back at the end.

mod steered;

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::{mem, vec};

use foldhash::fast::RandomState;

use super::external_dns::Pending;
use super::fault::{Fault, Faults, Severity};
use super::files::{ReadFile, ZoneFiles};
use super::master::{Included, Located};
use super::monitor_tree::MonitorTree;
use super::scope::Definitions;
use super::sections::Drafts;
use super::source::{Place, Source};
use super::zone::{DependsOn, ZoneDraft, ZoneReader};
use crate::name::Name;
use crate::snapshot::share_names;
use crate::wire::Rtype;
use crate::zone::{NodeId, Tree};
use steered::{Before, Steered};

/// The zones of the last configuration, kept until it is read again.
#[derive(Debug, Default)]
pub struct Known {
    /// In the order of the stems of their files' names.
    zones: Vec<ZoneDraft>,
    /// Those that follow in the configuration that is read, in the same order.
    following: vec::IntoIter<ZoneDraft>,
    /// The number of zones of this configuration that were parsed.
    read: usize,
    server: Server,
    /// Records of external-dns that are tried before they are written.
    pending: Pending,
    /// The files that are read in place of those of the zones folder.
    copy: Option<ZonesCopy>,
    /// The folder that is read instead of the one of the server file.
    folder: Option<PathBuf>,
}

/// A version of the zones of a fleet, which is read in place of the files of the zones folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZonesCopy {
    /// The folder with its files.
    pub folder: PathBuf,
    /// Its files by their paths in the folder.
    pub files: Arc<BTreeSet<PathBuf>>,
    /// The serials of zones whose files give none.
    pub serials: Arc<HashMap<Name, u32>>,
}

/// The parts of the server file that zones depend on.
#[derive(Debug, Default)]
struct Server {
    /// The file. It stays the same while its text does, because places of zones point into it.
    source: Option<Arc<Source>>,
    /// Increases whenever these parts change.
    version: u64,
    print: u128,
    /// Its monitors, because they contain the contents of other files.
    monitors: Vec<Option<MonitorTree>>,
    /// True if it has errors. References to faulty definitions are ignored, so zones are incomplete.
    is_faulty: bool,
}

/// The part of a zone without errors that is needed to use it again.
#[derive(Debug)]
pub(super) struct Kept {
    /// The stem of its files' names.
    stem: String,
    files: ZoneFiles,
    /// The zone's leads in short form, if they are many; `None` if the zone keeps them.
    leads: Option<Box<[Lead]>>,
    /// The faults that were reported when it was read. None of them is an error.
    warnings: Faults,
    /// For a zone with names or definitions.
    steered: Option<Box<Steered>>,
}

/// Records that point at other names which a zone keeps as they are. Most zones have hardly any beside their NS records.
const FEW_LEADS: usize = 16;

/// A record that points at another name: its position in the tree and its place in the files.
#[derive(Debug)]
struct Lead {
    node: NodeId,
    rtype: Rtype,
    /// Its index in its RRset.
    number: u16,
    /// The file: counts the zone's files in the order of their names, then the included ones.
    text: u32,
    span: Range<usize>,
}

impl Known {
    /// Returns the zone of one stem: the kept zone if its files did not change, otherwise the zone that `reader` reads
    /// now. Returns `None` if there is no zone, or if its syntax is broken, which was reported.
    pub(super) fn zone(
        &mut self,
        stem: &str,
        files: &mut ZoneFiles,
        reader: &ZoneReader<'_>,
        drafts: &mut Drafts,
        faults: &mut Faults,
    ) -> Option<ZoneDraft> {
        if files.unreadable {
            return None;
        }
        let mut kept = self.take(stem);
        let recalled = kept.take_if(|kept| kept.recall(files, self.server.version, reader, drafts, faults));
        let mut draft = recalled.or_else(|| self.read_anew((stem, files), kept, reader, drafts, faults))?;
        reader.set_serial(&mut draft, files, faults);
        Some(draft)
    }

    /// Reads the zone of these files, and keeps it. `before` is the same zone as it was read before.
    fn read_anew(
        &mut self,
        (stem, files): (&str, &mut ZoneFiles),
        before: Option<ZoneDraft>,
        reader: &ZoneReader<'_>,
        drafts: &mut Drafts,
        faults: &mut Faults,
    ) -> Option<ZoneDraft> {
        if !files.read_texts(reader.disk, faults) {
            return None;
        }
        let begun = Before::of(reader, drafts, faults);
        let mut draft = reader.read(stem, files, drafts, faults)?;
        self.read += 1;
        if let Some(before) = before {
            draft.share_with(before);
        }
        draft.kept = self.keep(stem, files, &draft, &begun, drafts, faults).map(Box::new);
        if draft.kept.as_ref().is_some_and(|kept| kept.warnings.0.is_empty()) {
            draft.forget_texts();
        }
        Some(draft)
    }

    /// Returns the files of all zones by their paths: as they were read before, and whether their texts are needed in any case.
    pub(super) fn files(&self) -> HashMap<&OsStr, (&ReadFile, bool), RandomState> {
        let kept = self.zones.iter().filter_map(|zone| zone.kept.as_deref());
        let files = kept.flat_map(|Kept { files, warnings, .. }| {
            files.each().map(|file| (file.source.path.as_os_str(), (file, !warnings.0.is_empty())))
        });
        files.collect()
    }

    /// The server file, as it was read last.
    pub(super) fn server_file(&self) -> Option<&Arc<Source>> {
        self.server.source.as_ref()
    }

    /// Reads configurations with these records of external-dns in place of those in the files, from now on.
    pub fn try_records(&mut self, pending: Pending) {
        self.pending = pending;
    }

    /// Reads this version of the zones in place of the files of the zones folder, from now on.
    pub fn use_copy(&mut self, copy: Option<ZonesCopy>) {
        self.copy = copy;
    }

    /// The version that is read in place of the files of the zones folder.
    pub fn copy(&self) -> Option<&ZonesCopy> {
        self.copy.as_ref()
    }

    /// Reads the zones in this folder instead of the one that the server file names.
    pub fn use_folder(&mut self, folder: PathBuf) {
        self.folder = Some(folder);
    }

    /// The folder that is read instead of the one that the server file names.
    pub(super) fn folder(&self) -> Option<&PathBuf> {
        self.folder.as_ref()
    }

    /// The records that are tried.
    pub(super) fn pending(&self) -> &Pending {
        &self.pending
    }

    /// The number of zones of the last configuration that were parsed.
    pub fn read(&self) -> usize {
        self.read
    }

    /// Begins to read a configuration, which has this server file with these monitors and these faults.
    pub(super) fn begin(&mut self, source: &Arc<Source>, monitors: &Definitions<MonitorTree>, faults: &Faults) {
        self.read = 0;
        self.following = mem::take(&mut self.zones).into_iter();
        let monitors: Vec<_> = monitors.iter().map(|monitor| monitor.value.clone()).collect();
        let (print, is_faulty) = (source.print(), faults.has_errors());
        let before = &self.server;
        if is_faulty || before.is_faulty || (before.print, &before.monitors) != (print, &monitors) {
            let version = self.server.version + 1;
            self.server = Server { source: None, version, print, monitors, is_faulty };
        }
        self.server.source = Some(source.clone());
    }

    /// Returns the kept zone of a stem. Stems come in their order.
    fn take(&mut self, stem: &str) -> Option<ZoneDraft> {
        let order = |zones: &[ZoneDraft]| Some(zones.first()?.stem().cmp(stem));
        while order(self.following.as_slice()) == Some(Ordering::Less) {
            drop(self.following.next());
        }
        let is_next = order(self.following.as_slice()) == Some(Ordering::Equal);
        if is_next { self.following.next() } else { None }
    }

    /// Ends reading: keeps the zones of the configuration that can be used again, and forgets all others. They have the order of
    /// the stems.
    pub(super) fn end(&mut self, mut zones: Vec<ZoneDraft>) {
        zones.retain_mut(ZoneDraft::rest);
        (self.zones, self.following) = (zones, Vec::new().into_iter());
    }

    /// Returns what is kept of a zone that was read from these files, with all faults that were reported since `before`; `None`
    /// if it must be read anew next time.
    fn keep(
        &self,
        stem: &str,
        files: &ZoneFiles,
        draft: &ZoneDraft,
        before: &Before<'_>,
        drafts: &Drafts,
        faults: &Faults,
    ) -> Option<Kept> {
        let reported = &faults.0[before.faults..];
        let is_warning = |fault: &Fault| fault.severity == Severity::Warning && fault.place.is_some();
        let tree = draft.tree.as_ref().filter(|_| reported.iter().all(is_warning))?;
        let steered = match draft.depends_on {
            DependsOn::Files => None,
            DependsOn::Definitions if !self.server.is_faulty => {
                Some(Box::new(Steered::new(self.server.version, before, drafts)))
            }
            DependsOn::Definitions | DependsOn::OtherFiles => return None,
        };
        let sources: Vec<&Arc<Source>> = sources(files, &draft.included).collect();
        let is_many = draft.leads.len() > FEW_LEADS;
        let leads = if is_many { Some(leads(tree, &draft.leads, &sources)?) } else { None };
        Some(Kept { stem: stem.to_owned(), files: files.clone(), leads, warnings: Faults(reported.to_vec()), steered })
    }
}

impl ZoneDraft {
    /// Makes the zone a part of the configuration that is read, if it is what its files say now. Returns false if it must be
    /// read anew.
    fn recall(
        &mut self,
        files: &ZoneFiles,
        version: u64,
        reader: &ZoneReader<'_>,
        drafts: &mut Drafts,
        faults: &mut Faults,
    ) -> bool {
        let Some(mut kept) =
            self.kept.take().filter(|kept| kept.is_still(files, version, &self.included, reader, drafts))
        else {
            return false;
        };
        if let Some(leads) = &kept.leads {
            let Some(leads) = kept.leads(self, leads) else { return false };
            self.leads = leads;
        }
        kept.files.update(files);
        faults.0.extend_from_slice(&kept.warnings.0);
        // A zone file always has the regions of the server file, even if its names do not use them.
        if self.sections.as_ref().is_some_and(|sections| sections.regions.is_empty()) {
            self.regions = reader.regions.regions.clone();
        }
        if let Some(steered) = &mut kept.steered {
            steered.recall(self, drafts, reader);
        }
        self.kept = Some(kept);
        true
    }

    /// Takes the tree and the names of the same zone from before where they say the same. Perhaps only a comment changed.
    fn share_with(&mut self, before: Self) {
        if let (Some(tree), Some(before)) = (&mut self.tree, before.tree)
            && before.says_as(tree)
        {
            *tree = before;
        }
        share_names(&mut self.names, &before.names);
        self.take_steering_of_names();
    }

    /// True if the zone can be used again. Forgets what is not needed until then.
    fn rest(&mut self) -> bool {
        self.forget_texts();
        let Some(kept) = &self.kept else { return false };
        if kept.leads.is_some() {
            self.leads = Vec::new();
        }
        true
    }

    /// Forgets the texts of its files.
    fn forget_texts(&self) {
        let files = self.kept.iter().flat_map(|kept| sources(&kept.files, &self.included));
        files.for_each(|source| source.forget_text());
    }

    /// The stem of its files' names, if it is kept.
    fn stem(&self) -> &str {
        self.kept.as_ref().map_or("", |kept| &kept.stem)
    }
}

impl Kept {
    /// True if a zone that includes these files is what its files say now.
    fn is_still(
        &self,
        files: &ZoneFiles,
        version: u64,
        included: &[Included],
        reader: &ZoneReader<'_>,
        drafts: &Drafts,
    ) -> bool {
        let includes = reader.includes();
        let is_same = |Included { written, source }: &Included| {
            let read = includes.find(written).and_then(|file| includes.source(written, &file));
            let same = read.ok().filter(|read| read.print() == source.print());
            same.inspect(|same| source.take_text_of(same)).is_some()
        };
        self.files.are_like(files)
            && self.steered.as_ref().is_none_or(|steered| steered.fits(version, drafts))
            && included.iter().all(is_same)
    }

    /// Returns the records of its zone that point at other names.
    fn leads(&self, zone: &ZoneDraft, leads: &[Lead]) -> Option<Vec<Located>> {
        let (tree, sources): (_, Vec<&Arc<Source>>) =
            (zone.tree.as_ref()?, sources(&self.files, &zone.included).collect());
        let lead = |lead: &Lead| {
            let record = tree.record(lead.node, lead.rtype, usize::from(lead.number))?;
            let source = (*sources.get(lead.text as usize)?).clone();
            Some(Located { record, place: Place { source, span: lead.span.clone() } })
        };
        leads.iter().map(lead).collect()
    }
}

/// The files of a zone, and those that it includes.
fn sources<'a>(files: &'a ZoneFiles, included: &'a [Included]) -> impl Iterator<Item = &'a Arc<Source>> {
    files.each().map(|file| &file.source).chain(included.iter().map(|file| &file.source))
}

/// Returns the positions of records in their zone; `None` if the place of one is in none of these files.
fn leads(tree: &Tree, leads: &[Located], sources: &[&Arc<Source>]) -> Option<Box<[Lead]>> {
    // The leads and the tree have no duplicates, and both have the order of the files. So positions correspond.
    let mut counts: HashMap<(NodeId, Rtype), u16, RandomState> = HashMap::default();
    let lead = |Located { record, place }: &Located| {
        let node = tree.find(&record.owner.to_key())?;
        let count = counts.entry((node, record.rtype)).or_default();
        *count += 1;
        let text = sources.iter().position(|source| Arc::ptr_eq(source, &place.source))? as u32;
        Some(Lead { node, rtype: record.rtype, number: *count - 1, text, span: place.span.clone() })
    };
    leads.iter().map(lead).collect()
}
