//! What works, but cannot be meant: [`matches`] that never decide, a [`name`]'s pools that nobody is ever sent to, [`numbers`] without
//! effect.

mod matches;
mod name;
mod numbers;

use crate::geo::Region;
use crate::snapshot::PoolId;

use super::fault::Faults;
use super::names::{Owner, OwnerKind};
use super::pools::PoolDraft;
use name::NameLints;

pub(super) use matches::check_matches;

/// A zone's names with what they refer to.
pub(super) struct Names<'a> {
    pub(super) owners: &'a [Owner],
    pub(super) pools: &'a [PoolDraft],
    /// How many of the pools other files define: the zone's own come behind.
    pub(super) others: usize,
    pub(super) regions: &'a [Region],
}

impl Names<'_> {
    /// The zone's own pools, with their numbers.
    fn own_pools(&self) -> impl Iterator<Item = (PoolId, &PoolDraft)> {
        (self.others as PoolId..).zip(&self.pools[self.others..])
    }

    /// Tells what of the names' steering cannot be meant.
    pub(super) fn check(&self, faults: &mut Faults) {
        for owner in self.owners {
            let OwnerKind::Steered { name, .. } = &owner.kind else { continue };
            let critique = NameLints { names: self, name, owner };
            if !critique.check_reach(faults) {
                critique.check_only(faults);
            }
            critique.check_weights(faults);
            critique.check_families(faults);
        }
        self.check_ttls(faults);
        self.check_endpoint_weights(faults);
        self.check_capacities(faults);
    }
}
