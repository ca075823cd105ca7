//! From the opinions of the vantage points to the states that answers follow.

use std::collections::HashMap;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::Fleet;
use super::duties::measured_pools;
use crate::control::dependents::Dependents;
use crate::control::keeping::CONFIRM_EVERY;
use crate::control::{Control, Effect, PUBLISH_WINDOW};
use crate::health::{Health, Means, Opinion, Outcome, Quorum, State};
use crate::snapshot::World;
use crate::vantage::{Changed, Place, QuestionId};
use crate::watch::{TargetId, Watched};

impl Fleet {
    /// Returns the opinion that answers follow about a target, given the opinions that count; `None` if this node decides
    /// alone.
    fn verdict(&self, watched: &Watched, of_fleet: Quorum, mut opinions: Vec<Opinion>) -> Option<Opinion> {
        if self.vantages.is_arriving() {
            return self.recalled.get(&watched.fingerprint()).copied();
        }
        quorum(watched, of_fleet).agree(&mut opinions)
    }
}

impl Control {
    /// Sets the questions of the world that is served from now on, and what its probes have seen so far. Targets that are
    /// new to this node follow the fleet from the first answer on.
    pub(in crate::control) fn adopt_fleet(&mut self, dependents: &Dependents, world: &World, now: Duration) {
        let Some(fleet) = &mut self.fleet else { return };
        let mut places: HashMap<QuestionId, Place> = HashMap::new();
        fleet.questions.clear();
        let measured = measured_pools(world);
        for id in dependents.targets() {
            let Some(watched) = self.watch.target(id).filter(|watched| is_shared(watched)) else { continue };
            let question = QuestionId(watched.question());
            let of_endpoints = dependents.own_pools(id);
            let is_measured = of_endpoints.iter().any(|pool| measured.contains(pool));
            let vantages = watched.target().monitor.vantages.or(world.probing.vantages).filter(|_| !is_measured);
            let is_first = !places.contains_key(&question);
            let place = places.entry(question).or_default();
            // Of several targets with the same question, the one that most nodes are to probe counts.
            let more = place.vantages.zip(vantages).map(|(one, other)| one.max(other));
            place.vantages = if is_first { vantages } else { more };
            place.address = watched.target().address.ip();
            for datacenter in of_endpoints.iter().filter_map(|pool| world.pools[pool.index()].datacenter) {
                if !place.datacenters.contains(&datacenter) {
                    place.datacenters.push(datacenter);
                }
            }
            fleet.questions.entry(question).or_default().push(id);
        }
        fleet.vantages.set_places(places, now);
        let targets: Vec<TargetId> = dependents.targets().collect();
        for &target in &targets {
            // The other nodes also hear the states that an earlier run of this node saw.
            self.sight_again(target, now);
        }
        let Some(fleet) = &self.fleet else { return };
        let ids: Vec<QuestionId> = fleet.questions.keys().copied().collect();
        for (id, opinions) in ids.iter().zip(fleet.vantages.opinions(&ids)) {
            for &target in &fleet.questions[id] {
                let Some(watched) = self.watch.target(target) else { continue };
                if self.watch.agreed_since(target).is_some() {
                    // If that changed, it is decided and told as any other change.
                    continue;
                }
                let verdict = fleet.verdict(watched, world.probing.quorum, opinions.clone());
                if !fleet.vantages.is_arriving() {
                    self.keeping.agree(watched, verdict, now);
                }
                self.watch.agree(target, verdict, now);
            }
        }
        self.keep_duties(now);
    }

    /// Tells the fleet the state that this node's own probes confirmed, the last one at `at`. Of several targets with the
    /// same question the worst state counts.
    pub(in crate::control) fn sight(&mut self, target: TargetId, seen: Option<&Outcome>, at: Duration, now: Duration) {
        let (Some(fleet), Some(watched)) = (&mut self.fleet, self.watch.target(target)) else { return };
        let question = QuestionId(watched.question());
        let Some(targets) = fleet.questions.get(&question) else { return };
        let known = targets.iter().map(|&id| self.watch.health(id)).filter(|health| health.state() != State::Unknown);
        let Some(opinion) = known.map(Health::share).min() else { return };
        let took = match seen {
            Some(Outcome::Success(finding)) => Some(finding.took),
            Some(Outcome::Failure(_)) | None => None,
        };
        fleet.vantages.see(question, opinion, took, at, now);
    }

    /// Follows what the vantage points agree on.
    pub(in crate::control) fn agree(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        let (Some(fleet), Some(serving)) = (&mut self.fleet, &self.serving) else { return };
        let of_fleet = serving.snapshot.world().probing.quorum;
        let changed = fleet.vantages.take_changed();
        if changed.is_empty() {
            return;
        }
        let ids: Vec<QuestionId> = match changed {
            Changed::Some(mut ids) => {
                ids.sort_unstable();
                ids.dedup();
                ids.retain(|id| fleet.questions.contains_key(id));
                ids
            }
            Changed::All => fleet.questions.keys().copied().collect(),
        };
        if !fleet.vantages.is_arriving() {
            fleet.recalled.clear();
        }
        let opinions = fleet.vantages.opinions(&ids);
        let mut verdicts = Vec::new();
        for (id, opinions) in ids.iter().zip(opinions) {
            for &target in &fleet.questions[id] {
                let Some(watched) = self.watch.target(target) else { continue };
                let verdict = fleet.verdict(watched, of_fleet, opinions.clone());
                if !fleet.vantages.is_arriving() {
                    self.keeping.agree(watched, verdict, now);
                }
                verdicts.push((target, verdict, fleet.vantages.assigned(*id).is_some()));
            }
        }
        for (target, verdict, is_assigned) in verdicts {
            // Nobody has said yet what this node does not look at itself: what was agreed on stands.
            if verdict.is_none() && self.watch.is_resting(target) {
                continue;
            }
            let from = self.watch.decided(target);
            if !self.watch.agree(target, verdict, now) {
                continue;
            }
            let to = self.watch.decided(target);
            if let Some(serving) = &mut self.serving {
                serving.dirty.pools.extend(serving.dependents.pools(target));
                serving.publish_at.get_or_insert(now + PUBLISH_WINDOW);
            }
            let seen = self.last_probes.get(target).and_then(|last_probe| last_probe.seen.clone());
            // A target that was neither probed nor agreed on yet has no state that could change.
            let is_known = seen.is_some() || is_assigned && from.state() != State::Unknown;
            if from.state() != to.state() && is_known {
                let seen = seen.map(|(seen, _)| seen);
                self.turn(target, [from.state(), to.state()], seen.as_ref(), now, effects);
            }
        }
        if let Some(fleet) = &self.fleet {
            fleet.count_nodes();
            fleet.counters.fleet.overruled.store(self.watch.overruled() as u64, Relaxed);
        }
    }

    /// Writes the agreements to the state folder again if that is due, so that they count after a restart.
    pub(super) fn confirm_agreements(&mut self, now: Duration) {
        let Some(fleet) = &mut self.fleet else { return };
        if !fleet.vantages.is_settled() || fleet.confirm_at > now {
            return;
        }
        fleet.confirm_at = now + CONFIRM_EVERY;
        for &target in fleet.questions.values().flatten() {
            if let Some(watched) = self.watch.target(target) {
                self.keeping.agree(watched, self.watch.agreed(target), now);
            }
        }
    }
}

/// The quorum for a target.
pub(super) fn quorum(watched: &Watched, of_fleet: Quorum) -> Quorum {
    watched.target().monitor.quorum.unwrap_or(of_fleet)
}

/// True if vantage points agree about a target. Reports come to one node, so the others' silence says nothing.
fn is_shared(watched: &Watched) -> bool {
    watched.target().means() != Means::Reports
}
