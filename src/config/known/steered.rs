//! The part of a zone that has names and definitions. It is fitted to the configuration that is read now:
//!
//! * Its pools are numbered after those of all earlier zones. The numbers move if an earlier zone has more or fewer
//!   pools than before.
//! * Its datacenters must get the same ids. If they do not, the zone is read anew.

use std::sync::Arc;

use crate::config::datacenters::WrittenDatacenter;
use crate::config::fault::Faults;
use crate::config::names::{Owner, OwnerKind};
use crate::config::pools::PoolDraft;
use crate::config::scope::Definition;
use crate::config::sections::{Drafts, Marks};
use crate::config::zone::{ZoneDraft, ZoneReader};
use crate::snapshot::{PoolId, Steering};

/// The definitions of a zone without errors that those of all zones consist of.
#[derive(Debug)]
pub(super) struct Steered {
    /// The version of the server file's definitions that it refers to.
    version: u64,
    datacenters: Vec<WrittenDatacenter>,
    pools: Vec<Arc<PoolDraft>>,
    /// The number of its first pool.
    first_pool: PoolId,
    /// The definitions of the server file that it refers to.
    marks: Marks,
}

/// The state before a zone is read: the drafts and faults of all zones before it.
pub(super) struct Before<'a> {
    reader: &'a ZoneReader<'a>,
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
    /// Returns the definitions that were added to `drafts` since `before`.
    pub(super) fn new(version: u64, before: &Before<'_>, drafts: &Drafts) -> Self {
        Self {
            version,
            datacenters: drafts.places.written()[before.datacenters..].to_vec(),
            pools: drafts.pools[before.pools..].to_vec(),
            first_pool: PoolId::from_index(before.pools),
            marks: before.reader.shared.take_marks(),
        }
    }

    /// True if it can be used again after the zones in `drafts`, with this version of the server file's definitions.
    pub(super) fn fits(&self, version: u64, drafts: &Drafts) -> bool {
        self.version == version && drafts.places.fit(&self.datacenters)
    }

    /// Adds its pools and datacenters to `drafts`, and gives the names and definitions of its zone the numbers that the pools
    /// have there. Requires that it [`fits`](Self::fits).
    pub(super) fn recall(&mut self, zone: &mut ZoneDraft, drafts: &mut Drafts, reader: &ZoneReader<'_>) {
        self.move_pools(zone, PoolId::from_index(drafts.pools.len()));
        reader.shared.mark(&self.marks);
        self.note_users(&zone.owners, drafts);
        drafts.places.add_again(self.datacenters.iter().cloned());
        drafts.pools.extend(self.pools.iter().cloned());
    }

    /// Gives its pools the numbers from `first` on.
    fn move_pools(&mut self, zone: &mut ZoneDraft, first: PoolId) {
        let before = std::mem::replace(&mut self.first_pool, first);
        if before == first {
            return;
        }
        // Lower numbers belong to the server file's pools, which do not move.
        let moved = |pool: PoolId| {
            let position = pool.index().checked_sub(before.index());
            position.map_or(pool, |position| PoolId::from_index(first.index() + position))
        };
        let definitions = zone.sections.iter_mut().flat_map(|sections| sections.pools.iter_mut());
        for Definition { value, .. } in definitions {
            value.iter_mut().flat_map(|entry| &mut entry.parts).for_each(|(_, pool)| *pool = moved(*pool));
        }
        zone.change_rules(|Steering { pools, fallback, .. }| {
            pools.renumber(moved);
            *fallback = fallback.map(moved);
        });
    }

    /// Adds names to the users of the server file's pools.
    fn note_users(&self, owners: &[Owner], drafts: &mut Drafts) {
        for owner in owners {
            let OwnerKind::Steered { name, .. } = &owner.kind else { continue };
            let used = name.steering.pools.iter().map(|used| used.pool).chain(name.steering.fallback);
            for pool in used.filter(|pool| *pool < self.first_pool) {
                Arc::make_mut(&mut drafts.pools[pool.index()]).note_user(&owner.name);
            }
        }
    }
}
