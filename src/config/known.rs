//! Zones that were read before. A zone that did not change is not parsed and checked again.
//!
//! ```text
//!   files ─► the same texts as before? ─ yes ─► the tree of before, its warnings and its leads at their places
//!                                       └ no ──► read anew; kept for the next time, if it is static
//! ```
//!
//! A static zone depends only on its own files, so equal texts mean an equal zone. The files themselves are always
//! read: reading takes a fraction of the time of parsing, and nothing else detects every change. The cache holds no
//! text. It holds the tree, which is served anyway, and some numbers for each record that points at another name,
//! because checks between zones need those.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::fault::{Fault, Faults, Severity};
use super::files::{ZoneFiles, print};
use super::master::{Included, Located};
use super::regions;
use super::scope::View;
use super::sections::{Drafts, Sections};
use super::source::{Place, Source};
use super::zone::{ZoneDraft, ZoneReader};
use crate::name::Name;
use crate::wire::Rtype;
use crate::zone::{NodeId, Tree};

/// The zones of the last configuration, kept until it is read again.
#[derive(Debug, Default)]
pub struct Known {
    /// The zones of the last configuration, by the stems of their files' names.
    zones: HashMap<String, Zone>,
    /// The zones of the configuration that is being read.
    next: HashMap<String, Zone>,
    /// The number of zones in `next` that were parsed.
    read: usize,
}

/// A static zone without errors.
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
    soa: Spot,
}

/// A place in one of a zone's texts. `text` counts the zone's files in the order of their names, then the included
/// ones.
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
    /// Returns the zone of one stem: the kept one if its files still say the same, else as `reader` reads it now. `None` if
    /// there is none or its syntax is broken, which was reported.
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
        let mut draft = if let Some(draft) = self.recall(stem, files, reader, faults) {
            draft
        } else {
            let before = faults.0.len();
            let mut draft = reader.read(stem, files, drafts, faults)?;
            self.keep(stem, files, &mut draft, &faults.0[before..]);
            draft
        };
        reader.set_serial(&mut draft, files, faults);
        Some(draft)
    }

    /// The number of zones of the last configuration that were parsed.
    pub fn read(&self) -> usize {
        self.read
    }

    /// Begins to read a configuration.
    pub(super) fn begin(&mut self) {
        self.read = 0;
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
        faults: &mut Faults,
    ) -> Option<ZoneDraft> {
        let zone = self.zones.get(stem).filter(|zone| zone.prints == prints(files))?;
        let included = zone.included(reader)?;
        let draft = zone.draft(files, included, reader, faults)?;
        let zone = self.zones.remove(stem)?;
        self.next.insert(stem.to_owned(), zone);
        Some(draft)
    }

    /// Keeps a zone that was read from these files, with all faults that were reported for it.
    pub(super) fn keep(&mut self, stem: &str, files: &ZoneFiles, draft: &mut ZoneDraft, reported: &[Fault]) {
        self.read += 1;
        let before = self.zones.remove(stem);
        let Some(tree) = &mut draft.tree else { return };
        // Perhaps only a comment changed.
        if let Some(before) = before.filter(|before| before.tree.says_as(tree)) {
            *tree = before.tree;
        }
        if let Some(zone) = Zone::new(files, draft, reported) {
            self.next.insert(stem.to_owned(), zone);
        }
    }
}

impl Zone {
    /// Returns `None` if the zone depends on more than its files.
    fn new(files: &ZoneFiles, draft: &ZoneDraft, reported: &[Fault]) -> Option<Self> {
        if !draft.owners.is_empty() || !draft.sections.as_ref().is_none_or(Sections::are_empty) {
            return None;
        }
        let texts = Texts(texts(files, &draft.included));
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
            included: draft.included.iter().map(|file| (file.written.clone(), print(&file.source.text))).collect(),
            origin: draft.origin.clone(),
            place: texts.spot(&draft.place)?,
            leads: texts.leads(&tree, &draft.leads)?,
            tree,
            warnings: reported.iter().map(warning).collect::<Option<_>>()?,
            counts_serial: draft.counts_serial,
            contents: draft.contents,
            soa: texts.spot(&draft.soa.as_ref()?.1)?,
        })
    }

    /// Returns the files that the zone includes if none of them changed.
    fn included(&self, reader: &ZoneReader<'_>) -> Option<Vec<Included>> {
        let includes = reader.includes();
        let read = |(written, expected): &(String, u128)| {
            let source = includes.find(written).and_then(|file| includes.source(written, &file)).ok()?;
            (print(&source.text) == *expected).then(|| Included { written: written.clone(), source })
        };
        self.included.iter().map(read).collect()
    }

    fn draft(
        &self,
        files: &ZoneFiles,
        included: Vec<Included>,
        reader: &ZoneReader<'_>,
        faults: &mut Faults,
    ) -> Option<ZoneDraft> {
        let texts = texts(files, &included);
        let at = |spot: &Spot| Some(Place { source: texts.get(spot.text as usize)?.clone(), span: spot.span.clone() });
        let lead = |lead: &Lead| {
            let record = self.tree.record(lead.node, lead.rtype, usize::from(lead.number))?;
            Some(Located { record, place: at(&lead.spot)? })
        };
        let (place, soa) = (at(&self.place)?, at(&self.soa)?);
        let leads = self.leads.iter().map(lead).collect::<Option<_>>()?;
        // From here on nothing fails: a zone that is read anew instead would report its warnings twice.
        for Warning { fault, place, related } in &self.warnings {
            let related = related.as_ref().and_then(|(spot, label)| Some((at(spot)?, label.clone())));
            faults.push(Fault { place: at(place), related, ..fault.clone() });
        }
        // A zone file can refer to the regions of the server file, whether its names use them or not.
        let sections = files.toml.as_ref().map(|_| Sections::empty());
        let view = sections.as_ref().map(|own| View { own: &own.regions, shared: Some(&reader.shared.regions) });
        let regions = view.map(|view| regions::resolve(view, faults)).unwrap_or_default();
        Some(ZoneDraft {
            origin: self.origin.clone(),
            place,
            regions,
            tree: Some(self.tree.clone()),
            leads,
            owners: Vec::new(),
            sections,
            counts_serial: self.counts_serial,
            contents: self.contents,
            soa: Some((self.tree.serial(), soa)),
            included,
        })
    }
}

fn prints(files: &ZoneFiles) -> [Option<u128>; 2] {
    [&files.toml, &files.master].map(|file| file.as_ref().map(|file| file.print))
}

/// Returns all texts of a zone.
fn texts(files: &ZoneFiles, included: &[Included]) -> Vec<Arc<Source>> {
    let own = [&files.toml, &files.master].into_iter().flatten().map(|file| file.source.clone());
    own.chain(included.iter().map(|file| file.source.clone())).collect()
}

struct Texts(Vec<Arc<Source>>);

impl Texts {
    /// Returns `None` if the place is in none of the texts.
    fn spot(&self, place: &Place) -> Option<Spot> {
        let text = self.0.iter().position(|source| Arc::ptr_eq(source, &place.source))?;
        Some(Spot { text: text as u32, span: place.span.clone() })
    }

    fn leads(&self, tree: &Tree, leads: &[Located]) -> Option<Box<[Lead]>> {
        // Duplicates were removed from the leads as from the tree, and both have the order of the files.
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
