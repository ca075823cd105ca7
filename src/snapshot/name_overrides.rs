//! What the operator says of names: plans of their own for those names, over the plans that they share with others.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::plan::Plan;
use super::pool::Pool;
use crate::overrides::Mode;
use crate::zone::{NameId, PlanId};

/// Plans of names of which something is said; mostly none.
#[derive(Clone, Debug, Default)]
pub(super) struct NameOverrides {
    by_name: HashMap<NameId, usize, foldhash::fast::RandomState>,
    /// Each rule with each mode once: names that share a plan share it here too.
    plans: Vec<Plan>,
}

impl NameOverrides {
    /// `plan_of_name` has all steered names; `shared` are the plans of names of which nothing is said.
    pub(super) fn new(
        modes: &BTreeMap<NameId, Mode>,
        plan_of_name: &[PlanId],
        shared: &[Plan],
        pools: &[Arc<Pool>],
    ) -> Self {
        let mut name_overrides = Self::default();
        let mut known: HashMap<(PlanId, Mode), usize> = HashMap::new();
        for (&name, &mode) in modes {
            let plan = plan_of_name[name.index()];
            let place = *known.entry((plan, mode)).or_insert_with(|| {
                let shared = &shared[plan.index()];
                name_overrides.plans.push(Plan::new(shared.rule().clone(), pools, Some(mode), shared.split()));
                name_overrides.plans.len() - 1
            });
            name_overrides.by_name.insert(name, place);
        }
        name_overrides
    }

    /// The plan of a name of which something is said.
    pub(super) fn get(&self, name: NameId) -> Option<&Plan> {
        if self.plans.is_empty() {
            return None;
        }
        self.by_name.get(&name).map(|&place| &self.plans[place])
    }
}
