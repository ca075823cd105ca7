//! Keeps zones that were read before, so that an unchanged zone is not parsed and checked again.
//!
//! ```text
//!   files ─► the same texts as before? ─ yes ─► the tree of before, its warnings, its leads, its names and
//!                                       │       definitions at their places
//!                                       └ no ──► read anew; kept for the next time
//! ```
//!
//! A static zone depends only on its own files, so equal texts mean an equal zone. A zone with names or definitions
//! depends on the server file too: it is kept while the server file's text and monitors stay the same. If its own
//! monitors name files, such as certificates, it is read anew each time, because those files and their dates matter.
//!
//! The zones' files themselves are always read: reading takes a fraction of the time of parsing, and nothing else
//! detects every change. The cache holds no text. It holds the tree and the rules for steered names, which are served
//! anyway, and their definitions. Checks between zones also need some numbers for each record that points at another
//! name.

mod steered;

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use super::dnssec;
use super::external_dns::Pending;
use super::fault::{Fault, Faults, Severity};
use super::files::{ZoneFiles, print};
use super::master::{Included, Located};
use super::monitor_tree::MonitorTree;
use super::scope::Definitions;
use super::sections::{Drafts, Sections};
use super::source::{Place, Source};
use super::zone::{DependsOn, ZoneDraft, ZoneReader};
use crate::geo::Regions;
use crate::name::Name;
use crate::wire::Rtype;
use crate::zone::{NodeId, Tree};
use steered::{Before, Steered};

/// The zones of the last configuration, kept until it is read again.
#[derive(Debug, Default)]
pub struct Known {
    /// The zones of the last configuration, by the stems of their files' names.
    zones: HashMap<String, Zone>,
    /// The zones of the configuration that is being read.
    next: HashMap<String, Zone>,
    /// The number of zones in `next` that were parsed.
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
    /// Increases whenever these parts change.
    version: u64,
    print: u128,
    /// Its monitors, because they contain the contents of other files.
    monitors: Vec<Option<MonitorTree>>,
    /// True if it has errors. References to faulty definitions are ignored, so zones are incomplete.
    is_faulty: bool,
}

/// A zone without errors.
#[derive(Debug)]
struct Zone {
    prints: [Option<u128>; 2],
    /// The arguments of its `$INCLUDE` directives, and the fingerprints of those files.
    included: Box<[(String, u128)]>,
    origin: Name,
    place: Spot,
    tree: Arc<Tree>,
    leads: Box<[Lead]>,
    warnings: Box<[Warning]>,
    counts_serial: bool,
    contents: u64,
    text: u64,
    soa: Spot,
    /// True if the zone has a zone file.
    has_toml: bool,
    /// Its names and definitions; `None` for a static zone.
    steered: Option<Box<Steered>>,
    dnssec: Option<(Spot, dnssec::Settings)>,
    presigned: Option<Spot>,
}

/// A place in one of a zone's texts. `text` counts the zone's files in the order of their names, then the included
/// ones, then the server file.
#[derive(Clone, Debug)]
struct Spot {
    text: u32,
    span: Range<usize>,
}

/// A record that points at another name: its position in the tree and its place in the files.
#[derive(Debug)]
struct Lead {
    node: NodeId,
    rtype: Rtype,
    /// Its index in its RRset.
    number: u16,
    spot: Spot,
}

/// A fault without places, and its places.
#[derive(Debug)]
struct Warning {
    fault: Fault,
    place: Spot,
    related: Option<(Spot, String)>,
}

impl Known {
    /// Returns the zone of one stem: the kept zone if its files did not change, otherwise the zone that `reader` reads
    /// now. Returns `None` if there is no zone, or if its syntax is broken, which was reported.
    pub(super) fn zone(
        &mut self,
        stem: &str,
        files: &ZoneFiles,
        reader: &ZoneReader<'_>,
        drafts: &mut Drafts,
        faults: &mut Faults,
    ) -> Option<ZoneDraft> {
        if files.unreadable {
            return None;
        }
        let mut draft = if let Some(draft) = self.recall(stem, files, reader, drafts, faults) {
            draft
        } else {
            let before = Before::of(reader, drafts, faults);
            let mut draft = reader.read(stem, files, drafts, faults)?;
            self.keep(stem, files, &mut draft, &before, drafts, faults);
            draft
        };
        reader.set_serial(&mut draft, files, faults);
        Some(draft)
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

    /// Begins to read a configuration, whose server file has this fingerprint, these monitors and these faults.
    pub(super) fn begin(&mut self, print: u128, monitors: &Definitions<MonitorTree>, faults: &Faults) {
        self.read = 0;
        let monitors: Vec<_> = monitors.iter().map(|monitor| monitor.value.clone()).collect();
        let is_faulty = faults.has_errors();
        let before = &self.server;
        if is_faulty || before.is_faulty || (before.print, &before.monitors) != (print, &monitors) {
            self.server = Server { version: self.server.version + 1, print, monitors, is_faulty };
        }
    }

    /// Ends reading. Forgets the zones that the configuration does not have.
    pub(super) fn end(&mut self) {
        self.zones = std::mem::take(&mut self.next);
    }

    /// Returns the zone of these files if it was read before and did not change.
    pub(super) fn recall(
        &mut self,
        stem: &str,
        files: &ZoneFiles,
        reader: &ZoneReader<'_>,
        drafts: &mut Drafts,
        faults: &mut Faults,
    ) -> Option<ZoneDraft> {
        let zone = self.zones.get_mut(stem).filter(|zone| zone.prints == prints(files))?;
        if zone.steered.as_ref().is_some_and(|steered| !steered.fits(self.server.version, drafts)) {
            return None;
        }
        let included = zone.included(reader)?;
        let draft = zone.draft(files, included, reader, drafts, faults)?;
        let zone = self.zones.remove(stem)?;
        self.next.insert(stem.to_owned(), zone);
        Some(draft)
    }

    /// Keeps a zone that was read from these files, with all faults that were reported since `before`.
    fn keep(
        &mut self,
        stem: &str,
        files: &ZoneFiles,
        draft: &mut ZoneDraft,
        before: &Before<'_>,
        drafts: &Drafts,
        faults: &Faults,
    ) {
        self.read += 1;
        let kept = self.zones.remove(stem);
        let Some(tree) = &mut draft.tree else { return };
        // Perhaps only a comment changed.
        if let Some(kept) = kept.filter(|kept| kept.tree.says_as(tree)) {
            *tree = kept.tree;
        }
        let texts = Texts::of(files, &draft.included, before.reader);
        let steered = match draft.depends_on {
            DependsOn::Files => None,
            _ if self.server.is_faulty => return,
            _ => match Steered::new(draft, self.server.version, before, drafts, &texts) {
                Some(steered) => Some(Box::new(steered)),
                None => return,
            },
        };
        if let Some(zone) = Zone::new(files, draft, &texts, steered, &faults.0[before.faults..]) {
            self.next.insert(stem.to_owned(), zone);
        }
    }
}

impl Zone {
    /// Returns `None` if the zone has errors, or places outside of `texts`.
    fn new(
        files: &ZoneFiles,
        draft: &ZoneDraft,
        texts: &Texts,
        steered: Option<Box<Steered>>,
        reported: &[Fault],
    ) -> Option<Self> {
        let warning = |fault: &Fault| {
            let place = texts.spot(fault.place.as_ref()?)?;
            let related = match &fault.related {
                Some((place, label)) => Some((texts.spot(place)?, label.clone())),
                None => None,
            };
            let fault = Fault { place: None, related: None, ..fault.clone() };
            (fault.severity == Severity::Warning).then_some(Warning { fault, place, related })
        };
        let tree = draft.tree.clone()?;
        Some(Self {
            prints: prints(files),
            included: draft.included.iter().map(|file| (file.written.clone(), print(&file.source))).collect(),
            origin: draft.origin.clone(),
            place: texts.spot(&draft.place)?,
            leads: texts.leads(&tree, &draft.leads)?,
            tree,
            warnings: reported.iter().map(warning).collect::<Option<_>>()?,
            counts_serial: draft.counts_serial,
            contents: draft.contents,
            text: draft.text,
            soa: texts.spot(&draft.soa.as_ref()?.1)?,
            has_toml: files.toml.is_some(),
            steered,
            dnssec: match &draft.dnssec {
                Some(section) => Some((texts.spot(&section.place)?, section.settings.clone())),
                None => None,
            },
            presigned: match &draft.presigned {
                Some(place) => Some(texts.spot(place)?),
                None => None,
            },
        })
    }

    /// Returns the files that the zone includes if none of them changed.
    fn included(&self, reader: &ZoneReader<'_>) -> Option<Vec<Included>> {
        let includes = reader.includes();
        let read = |(written, expected): &(String, u128)| {
            let source = includes.find(written).and_then(|file| includes.source(written, &file)).ok()?;
            (print(&source) == *expected).then(|| Included { written: written.clone(), source })
        };
        self.included.iter().map(read).collect()
    }

    fn draft(
        &mut self,
        files: &ZoneFiles,
        included: Vec<Included>,
        reader: &ZoneReader<'_>,
        drafts: &mut Drafts,
        faults: &mut Faults,
    ) -> Option<ZoneDraft> {
        let texts = Texts::of(files, &included, reader);
        let at = |spot: &Spot| texts.place(spot);
        let lead = |lead: &Lead| {
            let record = self.tree.record(lead.node, lead.rtype, usize::from(lead.number))?;
            Some(Located { record, place: at(&lead.spot)? })
        };
        let (place, soa) = (at(&self.place)?, at(&self.soa)?);
        let leads = self.leads.iter().map(lead).collect::<Option<_>>()?;
        let section = |(spot, settings): &(Spot, dnssec::Settings)| {
            at(spot).map(|place| dnssec::Section { place, settings: settings.clone() })
        };
        // Nothing may fail from here on: the zone would be read anew, and would report its warnings twice.
        for Warning { fault, place, related } in &self.warnings {
            let related = related.as_ref().and_then(|(spot, label)| Some((at(spot)?, label.clone())));
            faults.push(Fault { place: at(place), related, ..fault.clone() });
        }
        let mut draft = ZoneDraft {
            origin: self.origin.clone(),
            place,
            // A zone file always has the regions of the server file, even if its names do not use them.
            regions: if self.has_toml { reader.regions.regions.clone() } else { Arc::new(Regions::new(Vec::new())) },
            tree: Some(self.tree.clone()),
            leads,
            owners: Vec::new(),
            sections: self.has_toml.then(Sections::empty),
            counts_serial: self.counts_serial,
            contents: self.contents,
            text: self.text,
            soa: Some((self.tree.serial(), soa)),
            included,
            depends_on: DependsOn::Files,
            dnssec: self.dnssec.as_ref().and_then(section),
            presigned: self.presigned.as_ref().and_then(at),
        };
        if let Some(steered) = &mut self.steered {
            steered.recall(&mut draft, drafts, &texts, reader);
        }
        Some(draft)
    }
}

fn prints(files: &ZoneFiles) -> [Option<u128>; 2] {
    [&files.toml, &files.master].map(|file| file.as_ref().map(|file| file.print))
}

/// The texts that a zone's places are in: its files, those that it includes, and the server file.
struct Texts(Vec<Arc<Source>>);

impl Texts {
    fn of(files: &ZoneFiles, included: &[Included], reader: &ZoneReader<'_>) -> Self {
        let own = [&files.toml, &files.master].into_iter().flatten().map(|file| &file.source);
        let included = included.iter().map(|file| &file.source);
        Self(own.chain(included).chain([reader.server]).cloned().collect())
    }

    fn place(&self, spot: &Spot) -> Option<Place> {
        Some(Place { source: self.0.get(spot.text as usize)?.clone(), span: spot.span.clone() })
    }

    /// Returns `None` if the place is in none of the texts.
    fn spot(&self, place: &Place) -> Option<Spot> {
        let text = self.0.iter().position(|source| Arc::ptr_eq(source, &place.source))?;
        Some(Spot { text: text as u32, span: place.span.clone() })
    }

    fn leads(&self, tree: &Tree, leads: &[Located]) -> Option<Box<[Lead]>> {
        // The leads and the tree have no duplicates, and both have the order of the files. So positions correspond.
        let mut counts: HashMap<(NodeId, Rtype), u16, foldhash::fast::RandomState> = HashMap::default();
        let lead = |Located { record, place }: &Located| {
            let node = tree.find(&record.owner.to_key())?;
            let count = counts.entry((node, record.rtype)).or_default();
            *count += 1;
            Some(Lead { node, rtype: record.rtype, number: *count - 1, spot: self.spot(place)? })
        };
        leads.iter().map(lead).collect()
    }
}
