//! The part of a zone that has names and definitions. It is kept as it was read, and fitted to the configuration that
//! is read now:
//!
//! * Its places point into blank texts, which stand for the texts of the zone. They are replaced by the new texts.
//! * Its pools are numbered after those of all earlier zones. The numbers move if an earlier zone has more or fewer
//!   pools than before.
//! * Its datacenters must get the same ids. If they do not, the zone is read anew.

use std::sync::Arc;

use super::Texts;
use crate::config::datacenters::WrittenDatacenter;
use crate::config::fault::Faults;
use crate::config::names::{Owner, OwnerKind};
use crate::config::pools::PoolDraft;
use crate::config::scope::Definition;
use crate::config::sections::{Drafts, Marks, Sections};
use crate::config::source::{Place, Source};
use crate::config::zone::{DependsOn, ZoneDraft, ZoneReader};
use crate::geo::Regions;
use crate::snapshot::{PoolId, Steering};

/// The names and definitions of a zone without errors.
#[derive(Debug)]
pub(super) struct Steered {
    /// The version of the server file's definitions that it refers to.
    version: u64,
    sections: Sections,
    regions: Arc<Regions>,
    owners: Vec<Owner>,
    datacenters: Vec<WrittenDatacenter>,
    pools: Vec<PoolDraft>,
    /// The number of its first pool.
    first_pool: PoolId,
    /// The definitions of the server file that it refers to.
    marks: Marks,
    /// The texts that its places point into.
    blanks: Vec<Arc<Source>>,
}

/// The state before a zone is read: the drafts and faults of all zones before it.
pub(super) struct Before<'a> {
    pub(super) reader: &'a ZoneReader<'a>,
    /// The number of faults.
    pub(super) faults: usize,
    pools: usize,
    datacenters: usize,
}

impl<'a> Before<'a> {
    pub(super) fn of(reader: &'a ZoneReader<'_>, drafts: &Drafts, faults: &Faults) -> Self {
        // Drops the marks of earlier zones.
        drop(reader.shared.take_marks());
        let (pools, datacenters) = (drafts.pools.len(), drafts.places.written().len());
        Self { reader, faults: faults.0.len(), pools, datacenters }
    }
}

impl Steered {
    /// Copies the names and definitions of a zone that was just read. Returns `None` if they depend on other files than
    /// the zone's own, which can change alone.
    pub(super) fn new(
        draft: &ZoneDraft,
        version: u64,
        before: &Before<'_>,
        drafts: &Drafts,
        texts: &Texts,
    ) -> Option<Self> {
        let sections = draft.sections.as_ref().filter(|_| draft.depends_on == DependsOn::Definitions)?;
        let mut steered = Self {
            version,
            sections: sections.clone(),
            regions: draft.regions.clone(),
            owners: draft.owners.clone(),
            datacenters: drafts.places.written()[before.datacenters..].to_vec(),
            pools: drafts.pools[before.pools..].to_vec(),
            first_pool: PoolId::from_index(before.pools),
            marks: before.reader.shared.take_marks(),
            blanks: texts.0.iter().map(|text| Arc::new(Source::new(&text.path, ""))).collect(),
        };
        let blanks = steered.blanks.clone();
        move_places(steered.places_mut(), &texts.0, &blanks).then_some(steered)
    }

    /// True if it can be used again after the zones in `drafts`, with this version of the server file's definitions.
    pub(super) fn fits(&self, version: u64, drafts: &Drafts) -> bool {
        self.version == version && drafts.places.fit(&self.datacenters)
    }

    /// Puts names and definitions into `draft`, and adds pools and datacenters to `drafts`. Places point into `texts`
    /// then. Requires that it [`fits`](Self::fits).
    pub(super) fn recall(
        &mut self,
        draft: &mut ZoneDraft,
        drafts: &mut Drafts,
        texts: &Texts,
        reader: &ZoneReader<'_>,
    ) {
        self.move_pools(PoolId::from_index(drafts.pools.len()));
        let mut copy = Self {
            version: self.version,
            sections: self.sections.clone(),
            regions: self.regions.clone(),
            owners: self.owners.clone(),
            datacenters: self.datacenters.clone(),
            pools: self.pools.clone(),
            first_pool: self.first_pool,
            marks: Marks::default(),
            blanks: Vec::new(),
        };
        move_places(copy.places_mut(), &self.blanks, &texts.0);
        reader.shared.mark(&self.marks);
        self.note_users(drafts);
        drafts.places.add_again(copy.datacenters);
        drafts.pools.extend(copy.pools);
        draft.regions = if copy.sections.regions.is_empty() { reader.regions.regions.clone() } else { copy.regions };
        draft.owners = copy.owners;
        draft.sections = Some(copy.sections);
        draft.depends_on = DependsOn::Definitions;
    }

    fn places_mut(&mut self) -> impl Iterator<Item = &mut Place> {
        let of_datacenters = self.datacenters.iter_mut().map(|datacenter| &mut datacenter.place);
        let of_owners = self.owners.iter_mut().map(|Owner { name: _, place, kind: _ }| place);
        let of_pools = self.pools.iter_mut().flat_map(PoolDraft::places_mut);
        self.sections.places_mut().chain(of_datacenters).chain(of_owners).chain(of_pools)
    }

    /// Gives its pools the numbers from `first` on.
    fn move_pools(&mut self, first: PoolId) {
        let before = std::mem::replace(&mut self.first_pool, first);
        if before == first {
            return;
        }
        // Lower numbers belong to the server file's pools, which do not move.
        let moved = |pool: PoolId| {
            let position = pool.index().checked_sub(before.index());
            position.map_or(pool, |position| PoolId::from_index(first.index() + position))
        };
        for Definition { value, .. } in self.sections.pools.iter_mut() {
            value.iter_mut().flat_map(|entry| &mut entry.parts).for_each(|(_, pool)| *pool = moved(*pool));
        }
        for owner in &mut self.owners {
            let OwnerKind::Steered { name, .. } = &mut owner.kind else { continue };
            // The previous world may share it.
            let Steering { pools, fallback, .. } = Arc::make_mut(&mut name.steering);
            pools.renumber(moved);
            *fallback = fallback.map(moved);
        }
    }

    /// Adds its names to the users of the server file's pools.
    fn note_users(&self, drafts: &mut Drafts) {
        for owner in &self.owners {
            let OwnerKind::Steered { name, .. } = &owner.kind else { continue };
            let used = name.steering.pools.iter().map(|used| used.pool).chain(name.steering.fallback);
            for pool in used.filter(|pool| *pool < self.first_pool) {
                drafts.pools[pool.index()].note_user(&owner.name);
            }
        }
    }
}

/// Moves places from the texts `from` to the texts `to`. Returns false if a place is in none of them.
fn move_places<'a>(mut places: impl Iterator<Item = &'a mut Place>, from: &[Arc<Source>], to: &[Arc<Source>]) -> bool {
    places.all(|place| {
        let text = from.iter().position(|source| Arc::ptr_eq(source, &place.source)).and_then(|text| to.get(text));
        text.map(|text| place.source = text.clone()).is_some()
    })
}
