//! Outcomes of probes and of reports: the targets' health, what follows from it, and the reports of it.

use std::sync::Arc;
use std::time::Duration;

use super::{Control, Effect, Overruled, PUBLISH_WINDOW, Part, PushRefusal, Turn};
use crate::health::{Health, LastProbe, Outcome, Push, State, Transition};
use crate::snapshot::{PoolId, PoolSpec};
use crate::watch::{FailStaticEvent, Observed, Restored, TargetId};

impl Control {
    pub(super) fn observe(&mut self, target: TargetId, seen: &Outcome, now: Duration, effects: &mut Vec<Effect>) {
        let from = self.watch.decided(target).state();
        let serving = self.serving.as_ref();
        let datacenters = |target| serving.map_or_else(Vec::new, |serving| serving.datacenters(target).collect());
        let observed = self.watch.observe(target, seen, now, datacenters);
        self.await_no_longer(target);
        let Some(Observed { transition, fail_static }) = observed else { return };
        if !seen.may_be_ours() {
            self.note_fail_statics();
        }
        self.follow(target, from, transition, seen, now, effects);
        if let Some(fail_static) = fail_static {
            self.tell_fail_static(fail_static, now, effects);
        }
    }

    /// Takes in an outcome that no probe of this node found.
    pub(super) fn hear(&mut self, target: TargetId, said: &Outcome, now: Duration, effects: &mut Vec<Effect>) {
        let from = self.watch.decided(target).state();
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
        let is_probed = |id| self.target(id).is_some_and(|target| target.is_probed());
        let targets = push.addressees(&serving.dependents, &named, is_probed)?;
        let weighed = push.load.map(|load| named.iter().filter(|&&place| self.loads.take_in(place, load, now)).count());
        if push.said.is_none() && weighed == Some(0) {
            return Err(PushRefusal::Unweighed(push.endpoint));
        }
        if let Some((said, times)) = push.outcome() {
            for &target in &targets {
                (0..times).for_each(|_| self.hear(target, &said, now, effects));
            }
        }
        Ok(targets.len().max(weighed.unwrap_or(0)))
    }

    /// Removes this target from those that the next configuration waits for.
    pub(super) fn await_no_longer(&mut self, target: TargetId) {
        if let Some(next) = &mut self.next {
            next.unprobed.remove(&target);
        }
    }

    /// Publishes and reports the changes that an outcome caused.
    pub(super) fn follow(
        &mut self,
        target: TargetId,
        from: State,
        transition: Transition,
        seen: &Outcome,
        now: Duration,
        effects: &mut Vec<Effect>,
    ) {
        let Some(watched) = self.watch.target(target) else { return };
        let probed = watched.target().clone();
        if let Some(serving) = self.serving.as_mut().filter(|serving| serving.dependents.hold(target)) {
            if transition != Transition::None {
                serving.dirty.pools.extend(serving.dependents.pools(target));
                serving.publish_at.get_or_insert(now + PUBLISH_WINDOW);
            }
            self.loads.hear(&probed, serving.dependents.own_endpoints(target), seen, now);
            self.rollouts.see_outcome(&serving.dependents.own_pools(target), seen, now);
        }
        let health = self.watch.health(target);
        self.keeping.observe(watched, health, now);
        self.note(target, health, Some(seen.clone()), now);
        self.sight(target, Some(seen), now, now);
        let to = self.watch.decided(target).state();
        if from != to {
            self.turn(target, [from, to], Some(seen), now, effects);
        }
        self.agree(now, effects);
        let is_overruled = transition == Transition::Changed && self.watch.decided(target).state() != health.state();
        if let Some(witnesses) = self.opinions(target).filter(|_| is_overruled) {
            effects.push(Effect::Overruled(Overruled {
                target: probed,
                own: health.state(),
                seen: seen.clone(),
                witnesses,
            }));
        }
    }

    /// Reports that the state of a target changed that answers follow, and what follows from it.
    pub(super) fn turn(
        &mut self,
        target: TargetId,
        [from, to]: [State; 2],
        seen: Option<&Outcome>,
        now: Duration,
        effects: &mut Vec<Effect>,
    ) {
        let Some(probed) = self.target(target).cloned() else { return };
        let (of, holders) = self.part(target);
        let mut turn = Turn::new(&probed, of, [from, to], seen.cloned());
        turn.witnesses = self.opinions(target);
        for (spec, place) in &holders {
            turn.add(spec, *place);
        }
        effects.push(Effect::Report(turn));
        if let Some(serving) = &self.serving {
            let (world, dependents) = (serving.snapshot.world(), &serving.dependents);
            let turns = self.aggregates.follow(world, dependents, (target, &probed), seen, &self.watch, now);
            let witnesses = self.opinions(target);
            let told = |turn| Effect::Report(Turn { witnesses: witnesses.clone(), ..turn });
            effects.extend(turns.into_iter().map(told));
        }
    }

    /// Keeps when fail-static began, until something answers. So a node that is restarted in between does not begin it
    /// again.
    pub(super) fn note_fail_statics(&mut self) {
        for (means, since) in self.watch.unanswered_since() {
            self.keeping.note_fail_static(means, since);
        }
    }

    /// Publishes and reports that fail-static began or ended.
    pub(super) fn tell_fail_static(&mut self, fail_static: FailStaticEvent, now: Duration, effects: &mut Vec<Effect>) {
        if let Some(serving) = &mut self.serving {
            serving.dirty.pools.extend(serving.dependents.all_pools());
            serving.publish_at.get_or_insert(now + PUBLISH_WINDOW);
        }
        let restored = match &fail_static {
            FailStaticEvent::Began { restored, .. } => restored.clone(),
            FailStaticEvent::Resumed | FailStaticEvent::Answered(_) | FailStaticEvent::Ended => Vec::new(),
        };
        self.note_fail_statics();
        if let Some(serving) = &self.serving {
            let restored = restored.iter().flat_map(|restored| serving.dependents.pools(restored.target));
            self.ramps.forgive(restored.copied());
        }
        effects.push(Effect::FailStatic(fail_static));
        for Restored { target, from, seen } in restored {
            self.follow(target, from, Transition::Changed, &seen, now, effects);
        }
    }

    /// Records the health of a watched target.
    pub(super) fn note(&mut self, target: TargetId, health: Health, seen: Option<Outcome>, now: Duration) {
        if health.state() == State::Unknown {
            // The target is no longer watched.
            return;
        }
        let before = self.last_probes.get(target).filter(|before| before.health.state() == health.state());
        let since = before.map_or(now, |before| before.since);
        if let Some(watched) = self.watch.target(target).filter(|_| before.is_none()) {
            self.probe_history.turn(watched.fingerprint(), health.state(), seen.as_ref(), self.now.wall);
        }
        let last_probe = LastProbe { health, since, seen: seen.map(|outcome| (outcome, now)) };
        self.last_probes.insert(target, last_probe);
    }

    /// Returns whether a target is the only probe of its endpoints, and the pools to report, each with the position of
    /// the endpoint. These are pools of the next configuration if any of them holds the target, otherwise pools of the
    /// served one.
    fn part(&self, target: TargetId) -> (Part, Vec<(Arc<PoolSpec>, usize)>) {
        let next = self.next.as_ref().map(|next| (&next.dependents, next.blueprint.world()));
        let serving = self.serving.as_ref().map(|serving| (&serving.dependents, serving.snapshot.world()));
        let mut worlds = [next, serving].into_iter().flatten();
        let found = worlds.find(|(dependents, _)| dependents.hold(target));
        let (part, ids) = found.map_or((Part::Only, Vec::new()), |(dependents, _)| Part::of(target, dependents));
        let pools = found.map_or(&[][..], |(_, world)| &world.pools);
        let place_in = |id: PoolId| {
            let (dependents, _) = found?;
            dependents.endpoints(target).iter().find(|(pool, _)| *pool == id).map(|&(_, place)| place)
        };
        let holder = |id: PoolId| Some((pools[id.index()].clone(), place_in(id)?));
        (part, ids.into_iter().filter_map(holder).collect())
    }
}
