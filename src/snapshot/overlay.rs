//! What the operator says of names: plans of their own for those names, over the plans that they share with others.

use std::collections::HashMap;
use std::sync::Arc;

use super::plan::Plan;
use super::pool::Pool;
use crate::overrides::Mode;
use crate::zone::{NameId, PlanId};

/// Plans of names of which something is said; mostly none.
#[derive(Clone, Debug, Default)]
pub(super) struct Overlay {
    by_name: HashMap<NameId, usize, foldhash::fast::RandomState>,
    /// Each rule with each mode once: names that share a plan share it here too.
    plans: Vec<Plan>,
}

impl Overlay {
    /// `names` are all steered names by [`NameId`]: what is said of them, and which of the `shared` plans they
    /// have else.
    pub(super) fn new(
        names: impl Iterator<Item = (Option<Mode>, PlanId)>,
        shared: &[Plan],
        pools: &[Arc<Pool>],
    ) -> Self {
        let mut overlay = Self::default();
        let mut known: HashMap<(PlanId, Mode), usize> = HashMap::new();
        for (name, (mode, plan)) in (0..).zip(names) {
            // An exception from what is said of more names is nothing said.
            let Some(mode) = mode.filter(|mode| *mode != Mode::Open) else { continue };
            let place = *known.entry((plan, mode)).or_insert_with(|| {
                let shared = &shared[plan as usize];
                overlay.plans.push(Plan::new(shared.rule().clone(), pools, Some(mode)).divided(shared.split()));
                overlay.plans.len() - 1
            });
            overlay.by_name.insert(name, place);
        }
        overlay
    }

    /// The same over pools in another state.
    pub(super) fn over(&self, pools: &[Arc<Pool>]) -> Self {
        let renew = |plan: &Plan| Plan::new(plan.rule().clone(), pools, plan.mode()).divided(plan.split());
        let plans = self.plans.iter().map(renew).collect();
        Self { by_name: self.by_name.clone(), plans }
    }

    /// The plan of a name of which something is said.
    pub(super) fn get(&self, name: NameId) -> Option<&Plan> {
        if self.plans.is_empty() {
            return None;
        }
        self.by_name.get(&name).map(|&place| &self.plans[place])
    }
}
