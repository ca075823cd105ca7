//! A zone that was read: its checks, and the zone that is served from it.

use std::collections::HashSet;
use std::sync::Arc;

use crate::config::checks::ZoneCheck;
use crate::config::dnssec;
use crate::config::fault::{Fault, Faults};
use crate::config::leads;
use crate::config::master::{Included, Located, rrset};
use crate::config::names::{Owner, OwnerKind};
use crate::config::presigned;
use crate::config::sections::Sections;
use crate::config::serial;
use crate::config::source::Place;
use crate::config::spelling;
use crate::dnssec::ZoneKeys;
use crate::geo::Regions;
use crate::name::Name;
use crate::snapshot::{SteeredName, ZoneSpec};
use crate::steering::Step;
use crate::wire::Rtype;
use crate::zone::{Builder, Tree};

/// The part of the configuration that a zone depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) enum DependsOn {
    /// Only its own files: it defines nothing and has no names.
    Files,
    /// Its own files, and the definitions of the server file.
    Definitions,
    /// Also other files, which its monitors name.
    OtherFiles,
}

/// A zone whose names are resolved.
pub(in crate::config) struct ZoneDraft {
    pub(in crate::config) origin: Name,
    /// The place where it is defined.
    pub(in crate::config) place: Place,
    pub(in crate::config) regions: Arc<Regions>,
    /// Its names and records; `None` if the zone has a fault.
    pub(in crate::config) tree: Option<Arc<Tree>>,
    /// Its records that point at other names, in their order.
    pub(in crate::config) leads: Vec<Located>,
    pub(in crate::config) owners: Vec<Owner>,
    /// The definitions of its zone file; `None` for a master file alone.
    pub(in crate::config) sections: Option<Sections>,
    /// True if truenorth counts the SOA's serial itself.
    pub(in crate::config) counts_serial: bool,
    /// A fingerprint of the zone's contents.
    pub(in crate::config) contents: u64,
    /// A fingerprint of the text of its files.
    pub(in crate::config) text: u64,
    /// The serial of its SOA and the place of that record, if there is one.
    pub(in crate::config) soa: Option<(u32, Place)>,
    /// The files that it includes.
    pub(in crate::config) included: Vec<Included>,
    pub(in crate::config) depends_on: DependsOn,
    /// `[dnssec]` of its zone file, if there is one.
    pub(in crate::config) dnssec: Option<dnssec::Section>,
    /// The place of the first record that belongs to a zone which another program signs.
    pub(in crate::config) presigned: Option<Place>,
}

impl ZoneDraft {
    /// Checks the zone with these records and builds its tree. `before` is the number of faults when its reading began.
    pub(super) fn checked(mut self, records: Vec<Located>, before: usize, faults: &mut Faults) -> Self {
        let complete = !faults.has_errors_since(before);
        let soa = records.iter().find(|l| l.record.rtype == Rtype::SOA && l.record.owner == self.origin);
        self.soa = soa.and_then(|soa| Some((serial::of_soa(&soa.record.rdata)?, soa.place.clone())));
        let presigned = records.iter().find(|located| dnssec::OF_SIGNING.contains(&located.record.rtype));
        self.presigned = presigned.map(|located| located.place.clone());
        let (records, presigned) = presigned::split(&self.origin, records);
        if let Some(presigned) = &presigned {
            presigned.check_alone(&self, &records, faults);
        }
        let names = self.names(&records);
        spelling::check_origin(&self.origin, &self.place, faults);
        spelling::check_owners(&self.origin, &records, &self.owners, &names, faults);
        let (records, all) = rrset::settle(records, &names, faults);
        let names = if all { names } else { self.names(&records) };
        let check = ZoneCheck { origin: &self.origin, records: &records, owners: &self.owners, names: &names };
        check.run(complete, faults);
        if presigned.is_none() {
            check.warn_half_signed(faults);
        }
        if !faults.has_errors_since(before) {
            match names.finish(&records) {
                Ok(tree) => {
                    let tree = match &presigned {
                        Some(presigned) => presigned.check(tree, &records, faults),
                        None => Some(tree),
                    };
                    self.tree = tree.map(Arc::new);
                }
                Err(error) => faults.push(Fault::error(&self.place, format!("zone {}: {error}", self.origin), "")),
            }
        }
        self.leads = records.into_iter().filter(|located| leads::leads(located.record.rtype)).collect();
        self.leads.shrink_to_fit();
        self
    }

    /// The owners of the records and of the dynamic names.
    fn names(&self, records: &[Located]) -> Builder {
        let mut names = Builder::new(&self.origin, records);
        for owner in &self.owners {
            match &owner.kind {
                OwnerKind::Steered { .. } => names.steer(&owner.name),
                OwnerKind::Reflect => names.reflect(&owner.name),
            }
        }
        names
    }

    /// The place of a name that steers by this step, if there is one.
    pub(in crate::config) fn steers_by(&self, step: Step) -> Option<&Place> {
        let steers = |owner: &&Owner| matches!(&owner.kind, OwnerKind::Steered { name, .. } if name.steering.steer.contains(&step));
        self.owners.iter().find(steers).map(|owner| &owner.place)
    }

    /// Returns the zone as it is served, signed with these keys; `None` if it has a fault. Zones with equal regions share those in `known`.
    pub(in crate::config) fn finish(
        self,
        known: &mut HashSet<Arc<Regions>>,
        keys: Option<Arc<ZoneKeys>>,
    ) -> Option<ZoneSpec> {
        let regions = known.get(&self.regions).cloned().unwrap_or_else(|| {
            known.insert(self.regions.clone());
            self.regions
        });
        let (mut names, mut reflect): (Vec<SteeredName>, Vec<Name>) = Default::default();
        for owner in self.owners {
            match owner.kind {
                OwnerKind::Steered { name, .. } => names.push(name),
                OwnerKind::Reflect => reflect.push(owner.name),
            }
        }
        Some(ZoneSpec {
            origin: self.origin,
            regions,
            tree: self.tree?,
            serial: self.soa?.0,
            names,
            reflect,
            counts_serial: self.counts_serial,
            contents: self.contents,
            text: self.text,
            keys,
        })
    }
}
