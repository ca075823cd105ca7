//! Warns of configuration that works but makes no sense: [`matches`] without effect, pools of a [`name`] to which no
//! client is ever sent, and [`numbers`] without effect.

mod matches;
mod name;
mod numbers;

use std::sync::Arc;

use crate::geo::Region;
use crate::snapshot::PoolId;

use super::fault::Faults;
use super::names::{Owner, OwnerKind};
use super::pools::PoolDraft;
use name::NameLints;

pub(super) use matches::check_matches;

/// A zone's names and the definitions that they refer to.
pub(super) struct Names<'a> {
    pub(super) owners: &'a [Owner],
    pub(super) pools: &'a [Arc<PoolDraft>],
    /// The number of pools that other files define. The zone's own follow them.
    pub(super) others: usize,
    pub(super) regions: &'a [Arc<Region>],
}

impl Names<'_> {
    /// The zone's own pools with their numbers.
    fn own_pools(&self) -> impl Iterator<Item = (PoolId, &PoolDraft)> {
        (self.others..).map(PoolId::from_index).zip(self.pools[self.others..].iter().map(|pool| &**pool))
    }

    /// Warns of steering that makes no sense.
    pub(super) fn check(&self, faults: &mut Faults) {
        for owner in self.owners {
            let OwnerKind::Steered { name, .. } = &owner.kind else { continue };
            let lints = NameLints { names: self, name, owner };
            if !lints.check_reach(faults) {
                lints.check_only(faults);
            }
            lints.check_weights(faults);
            lints.check_families(faults);
        }
        self.check_ttls(faults);
        self.check_endpoint_weights(faults);
        self.check_capacities(faults);
    }
}
