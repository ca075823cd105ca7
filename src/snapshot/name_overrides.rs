//! Separate plans for the names that operators' overrides concern. They replace the plans that these names share with
//! others.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::plan::Plan;
use super::pool::Pool;
use crate::overrides::Mode;
use crate::zone::{NameId, PlanId};

/// The plans of names with an override; mostly none.
#[derive(Clone, Debug, Default)]
pub(super) struct NameOverrides {
    by_name: HashMap<NameId, usize, foldhash::fast::RandomState>,
    /// Each pair of rule and mode once: names that share a plan share it here too.
    plans: Vec<Plan>,
}

impl NameOverrides {
    /// `plan_of_name` lists all steered names; `shared` are the plans without overrides.
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

    /// Returns the plan of a name with an override; `None` for other names.
    pub(super) fn get(&self, name: NameId) -> Option<&Plan> {
        if self.plans.is_empty() {
            return None;
        }
        self.by_name.get(&name).map(|&place| &self.plans[place])
    }
}
