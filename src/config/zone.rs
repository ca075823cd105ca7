//! A zone's files: `gslb.example.com.toml`, `gslb.example.com.zone`, or both.

mod draft;

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use crate::disk::Disk;
use crate::geo::DatacenterId;
use crate::name::Name;
use crate::snapshot::{Ecs, SteeredName};
use crate::steering::Step;
use crate::wire::Rtype;

pub(super) use self::draft::{DependsOn, KnownRegions, ZoneDraft};
use super::LastServed;
use super::code::Code;
use super::decode::{Placed, TomlTable, Value};
use super::dnssec;
use super::document::read_document_again;
use super::fault::{Fault, Faults};
use super::files::ZoneFiles;
use super::lints;
use super::master::Includes;
use super::master::{Located, Master, parse_master_file};
use super::names::{self, NameScope, Owner, OwnerKind};
use super::owners::parse_name;
use super::pools::PoolDraft;
use super::regions::{self, DEFAULT, SharedRegions};
use super::scope::View;
use super::sections::{Drafts, Sections};
use super::serial;
use super::source::Place;
use super::statics::{self, RECORD_TTL, SoaDefaults};
use super::ttls;

/// Default TTL of steered answers, in seconds. Resolvers notice a failover within this time.
const DEFAULT_TTL: u32 = 30;

/// Default TTL in seconds while the state of an endpoint is unconfirmed.
const DEFAULT_TTL_MIN: u32 = 5;

/// The inputs for reading a zone.
pub(super) struct ZoneReader<'a> {
    /// The zones folder. Master files may include files from it.
    pub(super) folder: &'a Path,
    /// The access to the files.
    pub(super) disk: &'a Disk,
    /// The server file's definitions for all zones.
    pub(super) shared: &'a Sections,
    /// The regions of `shared`.
    pub(super) regions: &'a SharedRegions,
    /// How Client Subnet is used.
    pub(super) ecs: Ecs,
    /// Returns the serial and the contents that a zone was last served with.
    pub(super) last_served: &'a dyn Fn(&Name) -> Option<LastServed>,
    /// The serials that the version of the fleet gives; `None` if the zones do not come from a fleet.
    pub(super) given: Option<&'a HashMap<Name, u32>>,
}

impl ZoneReader<'_> {
    /// Gives a zone the serial that it is to be served with, or warns if the file's own serial would not reach secondaries.
    pub(super) fn set_serial(&self, draft: &mut ZoneDraft, files: &ZoneFiles, faults: &mut Faults) {
        let last = (self.last_served)(&draft.origin);
        match &mut draft.soa {
            Some((serial, _)) if draft.counts_serial => {
                *serial = serial::count(files, draft.contents, last, self.given(&draft.origin));
            }
            Some((serial, place)) => serial::check(&draft.origin, *serial, place, draft.contents, last, faults),
            None => {}
        }
    }

    /// The serial that the version of the fleet gives to a zone.
    fn given(&self, origin: &Name) -> Option<u32> {
        self.given?.get(origin).copied()
    }

    /// Reads the files of one stem. `None` if there is none or its syntax is broken, which was reported.
    pub(super) fn read(
        &self,
        stem: &str,
        files: &ZoneFiles,
        drafts: &mut Drafts,
        faults: &mut Faults,
    ) -> Option<ZoneDraft> {
        let before = faults.0.len();
        if let Some(toml) = &files.toml {
            let read = |table: TomlTable<'_>, faults: &mut Faults| self.read_toml(stem, table, files, drafts, faults);
            let again = |table: TomlTable<'_>, faults: &mut Faults| {
                _ = self.read_toml(stem, table, files, &mut Drafts::default(), faults);
            };
            let (draft, records) = read_document_again(&toml.source, "a zone file", faults, read, again)??;
            // The tables of the parser are gone now: in a zone of many records they take most of the memory.
            return Some(draft.checked(records, before, faults));
        }
        let master = files.master.as_ref()?;
        let place = Place { source: master.source.clone(), span: 0..0 };
        let origin = origin_of_stem(stem, &place, faults)?;
        let Master { records, included } = self.read_master(&origin, files, faults);
        let contents = serial::fingerprint(&records);
        let draft = ZoneDraft { contents, text: contents, included, ..ZoneDraft::new(origin, place) };
        Some(draft.checked(records, before, faults))
    }

    /// Reads a zone file, with the records of the zone's master file. The zone is not checked yet.
    fn read_toml(
        &self,
        stem: &str,
        mut table: TomlTable<'_>,
        files: &ZoneFiles,
        drafts: &mut Drafts,
        faults: &mut Faults,
    ) -> Option<(ZoneDraft, Vec<Located>)> {
        let (origin, place) = match table.take("origin") {
            Some(value) => {
                let text = value.string(faults)?;
                (parse_name(&text, &Name::root(), faults)?, text.place)
            }
            None => (origin_of_stem(stem, &table.place(), faults)?, table.place()),
        };
        let (ttl, ttl_min) = ttls::read(&mut table, (DEFAULT_TTL, DEFAULT_TTL_MIN), faults);
        let (others, operations) = (drafts.pools.len(), self.disk.operations());
        let sections = Sections::read(&mut table, Some(self.shared), Some(&origin), self.disk, drafts, faults);
        let region_view = View { own: &sections.regions, shared: Some(&self.shared.regions) };
        let scope = NameScope {
            origin: &origin,
            ttl,
            ttl_min,
            ecs: self.ecs,
            datacenters: View { own: &sections.datacenters, shared: Some(&self.shared.datacenters) },
            regions: region_view,
            pools: View { own: &sections.pools, shared: Some(&self.shared.pools) },
        };
        let dnssec = dnssec::read_zone(table.take("dnssec"), &origin, faults);
        let draft = ZoneDraft::new(origin.clone(), place);
        let names = table.take("names");
        let depends_on = if self.disk.operations() != operations {
            DependsOn::OtherFiles
        } else if names.is_none() && sections.are_empty() {
            DependsOn::Files
        } else {
            DependsOn::Definitions
        };
        let owners = names::read(names.as_ref(), &scope, &mut drafts.pools, faults);
        let regions = regions::resolve(&sections.regions, self.regions, faults);
        check_regions_are_used(region_view, &owners, &drafts.pools, faults);
        lints::check_matches(region_view, self.ecs, faults);
        lints::Names { owners: &owners, pools: &drafts.pools, others, regions: regions.list() }.check(faults);
        let (Master { records, included }, counted) = self.read_records(&origin, &mut table, files, faults);
        table.finish(faults);
        let counts_serial = counted.is_some();
        let contents = counted.unwrap_or_else(|| serial::fingerprint(&records));
        let text = serial::fingerprint_with(&records, files);
        let sections = Some(sections);
        let read = ZoneDraft {
            regions,
            owners,
            sections,
            counts_serial,
            contents,
            text,
            included,
            depends_on,
            dnssec,
            ..draft
        };
        Some((read, records))
    }

    /// Returns all static records: those of the master file, and those of the zone file's sections. If truenorth counts
    /// the SOA's serial, the second value is the fingerprint of the contents with that serial.
    fn read_records(
        &self,
        origin: &Name,
        table: &mut TomlTable<'_>,
        files: &ZoneFiles,
        faults: &mut Faults,
    ) -> (Master, Option<u64>) {
        let anchor = table.place();
        let nameservers_section = table.take("nameservers");
        let soa_section = table.take("soa");
        let before = faults.0.len();
        let Master { mut records, included } = self.parse_master(origin, files, faults);
        let is_apex = |located: &&Located, rtype| located.record.rtype == rtype && located.record.owner == *origin;
        let master_ns = records.iter().find(|located| is_apex(located, Rtype::NS)).cloned();
        let master_soa = records.iter().find(|located| is_apex(located, Rtype::SOA)).cloned();

        let nameservers = statics::read_nameservers(nameservers_section.as_ref(), origin, faults);
        check_in_one_file("NS", master_ns.as_ref(), nameservers_section.as_ref(), faults);
        check_in_one_file("SOA", master_soa.as_ref(), soa_section.as_ref(), faults);
        let ns: Vec<&Located> = nameservers.iter().chain(&master_ns).filter(|l| l.record.rtype == Rtype::NS).collect();
        if ns.is_empty() && !faults.has_errors_since(before) {
            let help = "name them: [nameservers], ns1 = [\"192.0.2.53\"]";
            let place = nameservers_section.as_ref().map_or(anchor.clone(), Value::anchor);
            let fault = Fault::error(&place, format!("the zone {origin} has no nameservers"), "").code(Code::Apex);
            faults.push(fault.help(help));
        }
        let before_soa = records.len();
        let mname = ns.first().map(|located| Name::from_wire(&located.record.rdata));
        let second = ns.get(1).map(|located| located.place.clone());
        // Nameservers in both files were already reported as a fault.
        records.extend(nameservers.into_iter().filter(|l| master_ns.is_none() || l.record.rtype != Rtype::NS));
        records.extend(statics::read_records(table, origin, faults));
        if master_soa.is_some() {
            return (Master { records, included }, None);
        }
        let contents = serial::fingerprint_with(&records, files);
        let serial = serial::count(files, contents, (self.last_served)(origin), self.given(origin));
        let defaults = SoaDefaults { origin, mname, serial, place: anchor };
        let (soa, has_serial) = statics::read_soa(soa_section.as_ref(), defaults, faults);
        // The nodes of a fleet agree without one.
        if let Some(second) = second.filter(|_| !has_serial && self.given.is_none()) {
            let message = format!("the zone {origin} has several nameservers but no `serial`");
            let fault = Fault::warning(&second, message, "may serve another serial").code(Code::Serial);
            faults.push(fault.help("give one in `[soa]`, so that the nameservers agree"));
        }
        if let Some(soa) = soa {
            records.insert(before_soa, soa);
        }
        (Master { records, included }, (!has_serial).then_some(contents))
    }

    /// The files that its master files may include.
    pub(super) fn includes(&self) -> Includes<'_> {
        Includes { folder: self.folder, disk: self.disk }
    }

    fn parse_master(&self, origin: &Name, files: &ZoneFiles, faults: &mut Faults) -> Master {
        files.master.as_ref().map_or_else(Master::default, |master| {
            parse_master_file(&master.source, origin, RECORD_TTL, self.includes(), faults)
        })
    }

    /// Reads the records of a zone that has only a master file. The SOA and NS records come from that file.
    fn read_master(&self, origin: &Name, files: &ZoneFiles, faults: &mut Faults) -> Master {
        let before = faults.0.len();
        let master = self.parse_master(origin, files, faults);
        // A missing record may be on a line that could not be read.
        if !faults.has_errors_since(before) {
            for rtype in [Rtype::SOA, Rtype::NS] {
                if !master.records.iter().any(|l| l.record.rtype == rtype && l.record.owner == *origin) {
                    let source = files.master.as_ref().map(|master| master.source.clone());
                    let place = source.map(|source| Place { source, span: 0..0 });
                    let message = format!("the zone {origin} has no {rtype} record at its apex");
                    faults.push(Fault { place, ..Fault::without_place(message).code(Code::Apex) });
                }
            }
        }
        master
    }
}

fn origin_of_stem(stem: &str, place: &Place, faults: &mut Faults) -> Option<Name> {
    parse_name(&Placed { value: stem.to_owned(), place: place.clone() }, &Name::root(), faults)
}

fn check_in_one_file(what: &str, master: Option<&Located>, section: Option<&Value<'_>>, faults: &mut Faults) {
    if let (Some(master), Some(section)) = (master, section) {
        let message = format!("the zone's {what} is in both of its files");
        let fault = Fault::error(&master.place, message, "here, in the master file").code(Code::Duplicate);
        faults.push(fault.related(&section.anchor(), "and here"));
    }
}

/// Marks regions as used if a name steers by their map. Warns if some clients of a map are in no region.
fn check_regions_are_used(
    view: View<'_, regions::PlacedRegion>,
    owners: &[Owner],
    pools: &[Arc<PoolDraft>],
    faults: &mut Faults,
) {
    let by_region: Vec<(&Owner, &SteeredName)> = owners
        .iter()
        .filter_map(|owner| match &owner.kind {
            OwnerKind::Steered { name, .. } if name.steering.steer.contains(&Step::Region) => Some((owner, name)),
            _ => None,
        })
        .collect();
    let used: HashSet<&str> = by_region.iter().map(|(_, name)| &*name.steering.map).collect();
    view.mark(|region| used.contains(regions::map_of(region)));
    // The region has no effect on a name whose pools are all in one datacenter.
    let is_spread = |name: &SteeredName| {
        let places: HashSet<Option<DatacenterId>> =
            name.steering.pools.iter().map(|used| pools[used.pool.index()].datacenter).collect();
        places.len() > 1
    };
    let mut told = HashSet::new();
    for (owner, name) in by_region.into_iter().filter(|(_, name)| is_spread(name)) {
        let map = &*name.steering.map;
        let default = regions::in_map(map, DEFAULT);
        if told.insert(map) && !view.visible().any(|region| region.text() == default) {
            let section = if map.is_empty() { "[regions.default]".to_owned() } else { format!("[maps.{map}.default]") };
            let message = format!("there is no `{section}`");
            let fault = Fault::warning(&owner.place, message, "steers by region").code(Code::Region);
            faults.push(fault.help("clients that are in no region are sent to any datacenter"));
        }
    }
}
