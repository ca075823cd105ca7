//! The roll-outs of a world.

use super::ids::PoolId;
use super::world::{Steering, World};
use crate::health::Share;
use crate::overrides::canonical;
use crate::rollout::{Draft, Exposure, RolloutId, Spec};
use crate::steering::{Set, Split};
use crate::zone::NameId;

/// A steered name with a roll-out.
#[derive(Debug)]
pub struct RolledOut<'a> {
    /// Its number among all steered names.
    pub name: NameId,
    /// The roll-out as configured.
    pub draft: Draft,
    /// The other settings of the name.
    pub steering: &'a Steering,
}

impl World {
    /// Returns all names with a roll-out.
    pub fn rollouts(&self) -> impl Iterator<Item = RolledOut<'_>> {
        let names = self.zones.iter().flat_map(|zone| zone.names.iter().map(|name| (&zone.origin, name)));
        (0..).zip(names).filter_map(|(number, (origin, name))| {
            let spec = Spec::clone(name.steering.rollout.as_ref()?);
            let id = RolloutId { zone: canonical(origin).into(), owner: canonical(&name.owner).into() };
            let draft = Draft { id, spec, pools: self.references(&name.steering) };
            Some(RolledOut { name: NameId::from_index(number), draft, steering: &name.steering })
        })
    }

    /// Returns the split of a name's pools for this state of its roll-out.
    pub fn split(&self, steering: &Steering, exposure: &Exposure, is_ramping: bool) -> Option<Split> {
        match (exposure, steering.rollout.as_deref()?) {
            (Exposure::Active(pool), _) => Some(Split::new(self.part(steering, pool), Share::FULL, is_ramping, pool)),
            (Exposure::Share(share), Spec::Canary(canary)) => {
                Some(Split::new(self.part(steering, &canary.pool), *share, is_ramping, &canary.pool))
            }
            (Exposure::Share(_), Spec::Active(_)) => None,
        }
    }

    /// Returns the split of a name's pools when its roll-out begins.
    pub(super) fn first_split(&self, steering: &Steering) -> Option<Split> {
        let (exposure, is_ramping) = match steering.rollout.as_deref()? {
            Spec::Active(pool) => (Exposure::Active(pool.clone()), false),
            Spec::Canary(canary) => (Exposure::Share(canary.steps.share(0)), true),
        };
        self.split(steering, &exposure, is_ramping)
    }

    /// Returns the pools of a name that a reference means, as positions in the name's list.
    fn part(&self, steering: &Steering, reference: &str) -> Set {
        let pools = steering.pools.iter().enumerate();
        let meant = pools.filter(|(_, used)| self.is_referred_to(used.pool, reference));
        meant.fold(0, |set, (place, _)| set | 1 << place)
    }

    /// True if a reference in a name's `pools` means this pool: `web` means `web/fra` and `web/iad`.
    pub fn is_referred_to(&self, pool: PoolId, reference: &str) -> bool {
        self.pools[pool.index()].is_referred_to(reference)
    }

    /// Returns all references that mean one or several of a name's pools: the names of the pools and of their entries.
    fn references(&self, steering: &Steering) -> Vec<Box<str>> {
        let mut references: Vec<Box<str>> = Vec::new();
        for used in &steering.pools {
            let pool = &self.pools[used.pool.index()];
            for reference in pool.references() {
                if !references.iter().any(|known| **known == *reference) {
                    references.push(reference.into());
                }
            }
        }
        references
    }
}
