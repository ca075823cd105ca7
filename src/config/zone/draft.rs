//! A zone that was read: its checks, and the zone that is served from it.

use std::collections::HashSet;
use std::sync::Arc;

use crate::config::checks::ZoneCheck;
use crate::config::dnssec;
use crate::config::fault::{Fault, Faults};
use crate::config::known::Kept;
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
use crate::snapshot::{SteeredName, Steering, ZoneSpec};
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
#[derive(Debug)]
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
    /// The steered ones among its owners, and the reflecting ones.
    pub(in crate::config) names: Arc<[SteeredName]>,
    pub(in crate::config) reflect: Arc<[Name]>,
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
    /// The part that is needed to use it for the next configuration; `None` if it must be read anew.
    pub(in crate::config) kept: Option<Box<Kept>>,
}

impl ZoneDraft {
    /// Creates a zone without records, names and definitions.
    pub(super) fn new(origin: Name, place: Place) -> Self {
        Self {
            origin,
            place,
            regions: Arc::new(Regions::new(Vec::new())),
            tree: None,
            leads: Vec::new(),
            owners: Vec::new(),
            names: Arc::default(),
            reflect: Arc::default(),
            sections: None,
            counts_serial: false,
            contents: 0,
            text: 0,
            soa: None,
            included: Vec::new(),
            depends_on: DependsOn::Files,
            dnssec: None,
            presigned: None,
            kept: None,
        }
    }

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
        self.share_rules();
        self.take_names_of_owners();
        self
    }

    /// Lets names with equal rules share them.
    fn share_rules(&mut self) {
        let mut known: HashSet<Arc<Steering>> = HashSet::new();
        for owner in &mut self.owners {
            let OwnerKind::Steered { name, .. } = &mut owner.kind else { continue };
            match known.get(&name.steering) {
                Some(equal) => name.steering.clone_from(equal),
                None => _ = known.insert(name.steering.clone()),
            }
        }
    }

    /// Changes the rules of all names. The previous world keeps those that it shares.
    pub(in crate::config) fn change_rules(&mut self, change: impl Fn(&mut Steering)) {
        for owner in &mut self.owners {
            let OwnerKind::Steered { name, .. } = &mut owner.kind else { continue };
            change(Arc::make_mut(&mut name.steering));
        }
        self.share_rules();
        self.take_names_of_owners();
    }

    /// Finds the names among the owners.
    fn take_names_of_owners(&mut self) {
        let steered = self.owners.iter().filter_map(|owner| match &owner.kind {
            OwnerKind::Steered { name, .. } => Some(name.clone()),
            OwnerKind::Reflect => None,
        });
        let reflect = self.owners.iter().filter(|owner| matches!(owner.kind, OwnerKind::Reflect));
        (self.names, self.reflect) = (steered.collect(), reflect.map(|owner| owner.name.clone()).collect());
    }

    /// Gives the owners the rules of the names.
    pub(in crate::config) fn take_steering_of_names(&mut self) {
        let steered = self.owners.iter_mut().filter_map(|owner| match &mut owner.kind {
            OwnerKind::Steered { name, .. } => Some(name),
            OwnerKind::Reflect => None,
        });
        steered.zip(&*self.names).for_each(|(name, shared)| name.steering.clone_from(&shared.steering));
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

    /// Returns the zone as it is served, signed with these keys; `None` if it has a fault. Zones with equal regions share them.
    pub(in crate::config) fn finish(
        &mut self,
        known: &mut KnownRegions,
        keys: Option<Arc<ZoneKeys>>,
    ) -> Option<ZoneSpec> {
        known.share(&mut self.regions);
        Some(ZoneSpec {
            origin: self.origin.clone(),
            regions: self.regions.clone(),
            tree: self.tree.clone()?,
            serial: self.soa.as_ref()?.0,
            names: self.names.clone(),
            reflect: self.reflect.clone(),
            counts_serial: self.counts_serial,
            contents: self.contents,
            text: self.text,
            keys,
        })
    }
}

/// The different regions of all zones.
#[derive(Default)]
pub(in crate::config) struct KnownRegions {
    regions: HashSet<Arc<Regions>>,
    /// Those that are shared already.
    shared: HashSet<*const Regions>,
}

impl KnownRegions {
    fn share(&mut self, regions: &mut Arc<Regions>) {
        if self.shared.contains(&Arc::as_ptr(regions)) {
            return;
        }
        match self.regions.get(regions) {
            Some(known) => regions.clone_from(known),
            None => _ = self.regions.insert(regions.clone()),
        }
        self.shared.insert(Arc::as_ptr(regions));
    }
}
