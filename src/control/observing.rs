//! Outcomes of probes and of reports: the targets' health, what follows from it, and the reports of it.

use std::sync::Arc;
use std::time::Duration;

use super::{Control, Effect, PUBLISH_WINDOW, Push, PushRefusal, Turn};
use crate::health::{Health, LastProbe, Outcome, State, Target, Transition};
use crate::snapshot::PoolSpec;
use crate::watch::{FailStaticEvent, Observed, Restored};

impl Control {
    pub(super) fn observe(&mut self, target: &Arc<Target>, seen: &Outcome, now: Duration, effects: &mut Vec<Effect>) {
        let from = self.watch.health(target).state();
        let serving = self.serving.as_ref();
        let datacenters = |target: &Target| serving.map_or_else(Vec::new, |serving| serving.datacenters(target));
        let observed = self.watch.observe(target, seen, now, datacenters);
        self.await_no_longer(target);
        let Some(Observed { transition, fail_static }) = observed else { return };
        self.follow(target, from, transition, seen, now, effects);
        if let Some(fail_static) = fail_static {
            self.tell_fail_static(fail_static, now, effects);
        }
    }

    /// Takes in an outcome that no probe of this node found.
    pub(super) fn hear(&mut self, target: &Arc<Target>, said: &Outcome, now: Duration, effects: &mut Vec<Effect>) {
        let from = self.watch.health(target).state();
        let transition = self.watch.hear(target, said, now);
        self.follow(target, from, transition, said, now, effects);
    }

    pub(super) fn take_in(
        &mut self,
        push: &Push,
        now: Duration,
        effects: &mut Vec<Effect>,
    ) -> Result<usize, PushRefusal> {
        let Some(serving) = &self.serving else { return Err(PushRefusal::UnknownEndpoint(push.endpoint)) };
        let places = serving.places.get(&push.endpoint).map_or(&[][..], Vec::as_slice);
        let named = push.named(serving.snapshot.world(), places)?;
        let targets = push.addressees(serving.snapshot.world(), &named)?;
        let weighed = push.load.map(|load| named.iter().filter(|&&place| self.loads.take_in(place, load, now)).count());
        if push.said.is_none() && weighed == Some(0) {
            return Err(PushRefusal::Unweighed(push.endpoint));
        }
        if let Some((said, times)) = push.outcome() {
            for target in &targets {
                (0..times).for_each(|_| self.hear(target, &said, now, effects));
            }
        }
        Ok(targets.len().max(weighed.unwrap_or(0)))
    }

    /// The configuration that waits to be served no longer waits for this target.
    pub(super) fn await_no_longer(&mut self, target: &Arc<Target>) {
        if let Some(next) = &mut self.next {
            next.unprobed.remove(target);
        }
    }

    /// Publishes and reports the changes that an outcome caused.
    pub(super) fn follow(
        &mut self,
        target: &Arc<Target>,
        from: State,
        transition: Transition,
        seen: &Outcome,
        now: Duration,
        effects: &mut Vec<Effect>,
    ) {
        if let Some(serving) = self.serving.as_mut().filter(|_| transition != Transition::None)
            && let Some(ids) = serving.pools_of.get(target)
        {
            serving.dirty.pools.extend(ids);
            serving.publish_at.get_or_insert(now + PUBLISH_WINDOW);
        }
        self.loads.hear(target, seen, now);
        if let Some(ids) = self.serving.as_ref().and_then(|serving| serving.pools_of.get(target)) {
            self.rollouts.see_outcome(ids, seen, now);
        }
        let health = self.watch.health(target);
        let to = health.state();
        self.keeping.observe(target, health, now);
        self.note(target, health, Some(seen.clone()), now);
        if from == to {
            return;
        }
        let ((of, pools), last) = (self.aggregates.part(target, &self.pools_with(target)), seen.clone());
        effects.push(Effect::Report(Turn { target: target.clone(), of, pools, from, to, seen: last }));
        if let Some(serving) = &self.serving {
            let health = |target: &Target| self.watch.health(target);
            let turns = self.aggregates.follow(target, seen, serving.snapshot.world(), &health, now);
            effects.extend(turns.into_iter().map(Effect::Report));
        }
    }

    /// Publishes and reports that endpoints keep their last states, or no longer do.
    pub(super) fn tell_fail_static(&mut self, fail_static: FailStaticEvent, now: Duration, effects: &mut Vec<Effect>) {
        if let Some(serving) = &mut self.serving {
            serving.dirty.pools.extend(serving.pools_of.values().flatten());
            serving.publish_at.get_or_insert(now + PUBLISH_WINDOW);
        }
        let restored = match &fail_static {
            FailStaticEvent::Began { restored, .. } => restored.clone(),
            FailStaticEvent::Resumed | FailStaticEvent::Answered(_) | FailStaticEvent::Ended => Vec::new(),
        };
        for (means, since) in self.watch.fail_static_since() {
            self.keeping.note_fail_static(means, since);
        }
        if let Some(serving) = &self.serving {
            let restored = restored.iter().filter_map(|restored| serving.pools_of.get(&restored.target));
            self.ramps.forgive(restored.flatten().copied());
        }
        effects.push(Effect::FailStatic(fail_static));
        for Restored { target, from, seen } in restored {
            self.follow(&target, from, Transition::Changed, &seen, now, effects);
        }
    }

    /// Records the health of a watched target.
    pub(super) fn note(&mut self, target: &Arc<Target>, health: Health, seen: Option<Outcome>, now: Duration) {
        if health.state() == State::Unknown {
            // The target is no longer watched.
            return;
        }
        let before = self.last_probes.get(target).filter(|before| before.health.state() == health.state());
        let since = before.map_or(now, |before| before.since);
        let last_probe = LastProbe { health, since, seen: seen.map(|outcome| (outcome, now)) };
        self.last_probes.insert(target.clone(), last_probe);
    }

    /// The pools that hold a target: those of the next configuration if any does, otherwise those that are served.
    pub(super) fn pools_with(&self, target: &Arc<Target>) -> Vec<&PoolSpec> {
        let next = self.next.as_ref().map(|next| (&next.pools_of, next.blueprint.world()));
        let serving = self.serving.as_ref().map(|serving| (&serving.pools_of, serving.snapshot.world()));
        let mut holders = [next, serving].into_iter().flatten();
        let found = holders.find_map(|(pools_of, world)| Some((pools_of.get(target)?, world)));
        found.map_or_else(Vec::new, |(ids, world)| ids.iter().map(|&id| &*world.pools[id.index()]).collect())
    }
}
