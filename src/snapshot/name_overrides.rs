//! Plans for the names that have overrides. They replace the plans that these names share with names without overrides.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::plan::Plan;
use super::pool::Pool;
use crate::overrides::Mode;
use crate::steering::Set;
use crate::zone::{NameId, PlanId};

/// The orders of operators for one name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct NameOrders {
    /// The override of the name.
    pub mode: Option<Mode>,
    /// The pools that are drained in the answers of the name, by their positions in its list.
    pub drained: Set,
    /// The pools that are never in the answers of the name.
    pub forced_down: Set,
    /// True if its `fallback` is drained or forced down for the name.
    pub no_fallback: bool,
}

impl NameOrders {
    /// True if nothing is ordered for the name.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Returns the pools that clients are not sent to while another is left.
    pub fn avoided(&self) -> Set {
        self.drained | self.forced_down
    }
}

/// The plans of names with an override. Usually there are none.
#[derive(Clone, Debug, Default)]
pub(super) struct NameOverrides {
    by_name: HashMap<NameId, usize, foldhash::fast::RandomState>,
    /// One for each pair of a shared plan and orders: names that share a plan and have equal orders share it here too.
    plans: Vec<Plan>,
}

impl NameOverrides {
    /// Makes the plans. `plan_of_name` has the plan of each steered name; `shared` are the plans without overrides.
    pub(super) fn new(
        orders: &BTreeMap<NameId, NameOrders>,
        plan_of_name: &[PlanId],
        shared: &[Plan],
        pools: &[Arc<Pool>],
    ) -> Self {
        let mut name_overrides = Self::default();
        let mut known: HashMap<(PlanId, NameOrders), usize> = HashMap::new();
        for (&name, &orders) in orders {
            let plan = plan_of_name[name.index()];
            let place = *known.entry((plan, orders)).or_insert_with(|| {
                let shared = &shared[plan.index()];
                name_overrides.plans.push(Plan::new(shared.rule().clone(), pools, orders, shared.split()));
                name_overrides.plans.len() - 1
            });
            name_overrides.by_name.insert(name, place);
        }
        name_overrides
    }

    /// Returns the plan of a name with an override; `None` for other names.
    #[inline]
    pub(super) fn get(&self, name: NameId) -> Option<&Plan> {
        if self.plans.is_empty() { None } else { self.find(name) }
    }

    #[inline(never)]
    fn find(&self, name: NameId) -> Option<&Plan> {
        self.by_name.get(&name).map(|&place| &self.plans[place])
    }
}
