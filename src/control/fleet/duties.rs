//! Which targets this node probes, and which it leaves to other nodes.

use std::collections::HashSet;
use std::time::Duration;

use crate::control::Control;
use crate::rollout::Spec;
use crate::snapshot::{PoolId, World};
use crate::watch::TargetId;

impl Control {
    /// Begins and ceases to probe what the fleet assigns. Returns true if anything changed.
    pub(super) fn follow_duties(&mut self, now: Duration) -> bool {
        let Some(fleet) = &mut self.fleet else { return false };
        let turned = fleet.vantages.take_duties();
        let is_any = !turned.is_empty();
        let targets: Vec<(TargetId, bool)> = turned
            .into_iter()
            .flat_map(|(id, asks)| fleet.questions.get(&id).into_iter().flatten().map(move |&target| (target, asks)))
            .collect();
        for (target, asks) in targets {
            if !asks {
                self.leave_to_others(target);
            } else if !self.watch.resume(target, now) {
                self.sight_again(target, now);
            }
        }
        is_any
    }

    /// Lets the targets of a new configuration follow what this node asks already: several may ask the same question, and
    /// one may come back.
    pub(super) fn keep_duties(&mut self, now: Duration) {
        let Some(fleet) = &self.fleet else { return };
        let mut differ = Vec::new();
        for (&id, targets) in &fleet.questions {
            let asks = fleet.vantages.is_asked(id);
            differ.extend(targets.iter().filter(|&&it| self.watch.is_resting(it) == asks).map(|&it| (it, asks)));
        }
        for (target, asks) in differ {
            if asks {
                self.watch.resume(target, now);
            } else if self.watch.agreed_since(target).is_some() {
                self.leave_to_others(target);
            }
        }
    }

    /// Tells the fleet what this node last saw of a target, in this run or an earlier one.
    pub(super) fn sight_again(&mut self, target: TargetId, now: Duration) {
        let Some(last_probe) = self.last_probes.get(target) else { return };
        let (seen, at) = last_probe.seen.clone().map_or((None, now), |(seen, at)| (Some(seen), at));
        self.sight(target, seen.as_ref(), at, now);
    }

    fn leave_to_others(&mut self, target: TargetId) {
        self.watch.rest(target);
        self.last_probes.remove(target);
        if let Some(watched) = self.watch.target(target) {
            self.keeping.forget(watched);
        }
        self.await_no_longer(target);
    }
}

/// Returns the pools whose endpoints all nodes probe, because probes tell more of them than a state: loads by which clients
/// are steered, and times by which canaries are judged.
pub(super) fn measured_pools(world: &World) -> HashSet<PoolId> {
    let loaded = world.load_groups().into_iter().flat_map(|group| group.pools);
    let canaries = world.rollouts().filter(|rolled_out| matches!(rolled_out.draft.spec, Spec::Canary(_)));
    let judged =
        canaries.flat_map(|rolled_out| rolled_out.steering.pools.iter().map(|used| used.pool).collect::<Vec<_>>());
    loaded.chain(judged).collect()
}
