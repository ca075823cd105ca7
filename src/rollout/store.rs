//! The roll-out store: the state of all roll-outs of a node, and their changes.

use std::collections::BTreeMap;
use std::time::Duration;

use super::canary::Spec;
use super::evidence::Side;
use super::order::{
    Change, Command, Draft, Exposure, Happening, Kept, Order, RolloutId, RolloutRefusal, Rows, View, ViewKind,
};
use super::progress::{Action, Phase, Progress};
use super::switch::Switch;
use crate::health::Share;
use crate::overrides::{MAX_REASON, MAX_WHO};
use crate::suggest::did_you_mean;

/// The `who` of changes that no operator caused.
const ITSELF: &str = "truenorth";

/// All roll-outs.
#[derive(Clone, Debug, Default)]
pub struct RolloutStore {
    rollouts: BTreeMap<RolloutId, Rollout>,
    /// The rows for the next run.
    kept: BTreeMap<RolloutId, Kept>,
}

#[derive(Clone, Debug)]
struct Rollout {
    pools: Vec<Box<str>>,
    state: RolloutState,
}

#[derive(Clone, Debug)]
enum RolloutState {
    Switch(Switch),
    Canary(Box<Progress>),
}

impl RolloutStore {
    /// Takes in the rows of the last run. They come before the first configuration.
    pub fn restore(&mut self, kept: impl IntoIterator<Item = (RolloutId, Kept)>) {
        self.kept.extend(kept);
    }

    /// Takes in the roll-outs of the configuration, and returns the changes. `elsewhere` is the state that other nodes gave
    /// to roll-outs which this node did not have until now.
    pub fn adopt(
        &mut self,
        drafts: impl IntoIterator<Item = Draft>,
        elsewhere: impl Fn(&RolloutId) -> Option<Kept>,
        now: Duration,
    ) -> Vec<Change> {
        let mut before = std::mem::take(&mut self.rollouts);
        let mut changes = Vec::new();
        for Draft { id, spec, pools } in drafts {
            let old = before.remove(&id);
            let from = old.as_ref().map(Rollout::exposure);
            let kept = elsewhere(&id).or_else(|| self.kept.get(&id).filter(|_| old.is_none()).cloned());
            let state = RolloutState::follow(old.map(|old| old.state), &spec, kept, now);
            let new = Rollout { pools, state };
            changes.extend(new.adopted(&id, from, now));
            self.rollouts.insert(id, new);
        }
        // A roll-out that is removed is forgotten: if it comes back, it begins anew.
        changes.extend(before.into_iter().map(|(id, old)| old.ended(id)));
        changes
    }

    /// The rows that changed since the last call.
    pub fn unsaved(&mut self) -> Rows {
        let kept = self.rollouts.iter().filter_map(|(id, rollout)| Some((id.clone(), rollout.kept()?)));
        let kept: BTreeMap<RolloutId, Kept> = kept.collect();
        let gone = self.kept.keys().filter(|id| !kept.contains_key(id)).map(|id| (id.clone(), None));
        let new = kept.iter().filter(|(id, row)| self.kept.get(id) != Some(row));
        let rows = gone.chain(new.map(|(id, row)| (id.clone(), Some(row.clone())))).collect();
        self.kept = kept;
        rows
    }

    /// Where clients are sent, and true if that may change soon.
    pub fn exposure(&self, id: &RolloutId) -> Option<(Exposure, bool)> {
        self.rollouts.get(id).map(|rollout| (rollout.exposure(), rollout.state.is_ramping()))
    }

    /// The state of all roll-outs, in the order of their zones and owners.
    pub fn views(&self, now: Duration) -> Vec<View> {
        self.rollouts.iter().map(|(id, rollout)| rollout.view(id.clone(), now)).collect()
    }

    /// Carries out an operator's order. Returns the change, or why it was refused.
    pub fn order(&mut self, order: &Order, now: Duration) -> Result<Change, RolloutRefusal> {
        for (what, text, most) in [("a reason", &order.reason, MAX_REASON), ("`who`", &order.who, MAX_WHO)] {
            if text.len() > most {
                return Err(RolloutRefusal::TooLong(what, most));
            }
        }
        let owners = self.rollouts.keys().map(|id| &*id.owner);
        let Some(id) = self.rollouts.keys().find(|id| id.owner == order.owner).cloned() else {
            return Err(RolloutRefusal::Unknown(
                order.owner.clone(),
                did_you_mean(&order.owner, owners).map(str::to_owned),
            ));
        };
        let rollout = self.rollouts.get_mut(&id).expect("its key was found");
        let from = rollout.exposure();
        let happening = rollout.obey(order, now)?;
        Ok(rollout.change(id, happening, from, &order.who, &order.reason))
    }

    /// Takes in the state of a roll-out at another node, where it changed because of `by`. Returns the change, if there is
    /// one. Does nothing if this node has not the same roll-out in its files.
    pub fn follow(&mut self, id: &RolloutId, kept: Kept, is_live: bool, by: &str, now: Duration) -> Option<Change> {
        let rollout = self.rollouts.get_mut(id)?;
        let (from, before) = (rollout.exposure(), rollout.kept());
        let is_followed = match (&mut rollout.state, kept) {
            (RolloutState::Switch(switch), Kept::Switch(kept)) => {
                rollout.pools.contains(&kept.active) && switch.take_over(kept)
            }
            (RolloutState::Canary(progress), Kept::Canary(kept)) => progress.take_over(kept, is_live, now),
            _ => false,
        };
        let happening = is_followed.then(|| happened(before.as_ref(), &rollout.state))??;
        let why = match &rollout.state {
            RolloutState::Canary(progress) => match progress.phase() {
                Phase::Back { why, .. } => why.clone(),
                _ => "".into(),
            },
            RolloutState::Switch(_) => "".into(),
        };
        Some(rollout.change(id.clone(), happening, from, by, &why))
    }

    /// The state of a roll-out as it is kept.
    pub fn kept(&self, id: &RolloutId) -> Option<Kept> {
        self.rollouts.get(id)?.kept()
    }

    /// Takes in the share of a canary's pool that is open; `None` if no endpoint is in service.
    pub fn see_open(&mut self, id: &RolloutId, open: Option<Share>, now: Duration) {
        if let Some(progress) = self.canary(id) {
            progress.see_open(open, now);
        }
    }

    /// Takes in how long a probe took of one of the pools of a canary's name.
    pub fn see_probe(&mut self, id: &RolloutId, side: Side, took: Duration, now: Duration) {
        if let Some(progress) = self.canary(id) {
            progress.see_probe(side, took, now);
        }
    }

    /// Takes in reported errors out of requests to a canary's pool.
    pub fn see_requests(&mut self, id: &RolloutId, errors: u64, requests: u64, now: Duration) {
        if let Some(progress) = self.canary(id) {
            progress.see_requests(errors, requests, now);
        }
    }

    /// When something has to be done if there are no new observations.
    pub fn wake_at(&self) -> Option<Duration> {
        let canaries = self.rollouts.values().filter_map(Rollout::canary);
        canaries.filter_map(Progress::wake_at).min()
    }

    /// Judges the canaries and advances them. Returns the changes.
    pub fn advance(&mut self, now: Duration) -> Vec<Change> {
        let mut changes = Vec::new();
        for (id, rollout) in &mut self.rollouts {
            let from = rollout.exposure();
            let RolloutState::Canary(progress) = &mut rollout.state else { continue };
            let (happening, why) = if let Some(breach) = progress.judge(now) {
                (Happening::RolledBack, breach.to_string())
            } else if progress.advance(now) {
                (stepped(progress), "the step was held and no bound was broken".to_owned())
            } else {
                continue;
            };
            changes.push(rollout.change(id.clone(), happening, from, ITSELF, &why));
        }
        changes
    }

    fn canary(&mut self, id: &RolloutId) -> Option<&mut Progress> {
        match &mut self.rollouts.get_mut(id)?.state {
            RolloutState::Canary(progress) => Some(progress),
            RolloutState::Switch(_) => None,
        }
    }
}

impl RolloutState {
    /// The state for this configuration, continued from the state before, in this run or in the last one.
    fn follow(old: Option<Self>, spec: &Spec, kept: Option<Kept>, now: Duration) -> Self {
        match (spec, old) {
            (Spec::Active(file), Some(Self::Switch(mut switch))) => {
                let kept = kept.and_then(|kept| if let Kept::Switch(kept) = kept { Some(kept) } else { None });
                switch.follow(file, kept);
                Self::Switch(switch)
            }
            (Spec::Active(file), _) => {
                let kept = kept.and_then(|kept| if let Kept::Switch(kept) = kept { Some(kept) } else { None });
                Self::Switch(Switch::new(file.clone(), kept))
            }
            (Spec::Canary(canary), Some(Self::Canary(mut progress))) => {
                if !progress.follow(canary) {
                    let kept = kept.and_then(|kept| if let Kept::Canary(kept) = kept { Some(kept) } else { None });
                    let elsewhere = kept.and_then(|kept| Progress::restore(canary.clone(), kept, now));
                    *progress = elsewhere.unwrap_or_else(|| Progress::begin(canary.clone(), now));
                }
                Self::Canary(progress)
            }
            (Spec::Canary(canary), _) => {
                let kept = kept.and_then(|kept| if let Kept::Canary(kept) = kept { Some(kept) } else { None });
                let restored = kept.and_then(|kept| Progress::restore(canary.clone(), kept, now));
                Self::Canary(Box::new(restored.unwrap_or_else(|| Progress::begin(canary.clone(), now))))
            }
        }
    }

    fn is_ramping(&self) -> bool {
        match self {
            Self::Switch(_) => false,
            Self::Canary(progress) => progress.is_ramping(),
        }
    }
}

/// The event that led from one state to another one; `None` if there was none.
fn happened(before: Option<&Kept>, after: &RolloutState) -> Option<Happening> {
    let RolloutState::Canary(progress) = after else {
        let RolloutState::Switch(switch) = after else { return None };
        let is_same = matches!(before, Some(Kept::Switch(before)) if Some(before) == switch.kept());
        return (!is_same).then_some(Happening::Switched);
    };
    let before = match before {
        Some(Kept::Canary(before)) => Some(&before.phase),
        _ => None,
    };
    match (before, progress.phase()) {
        (Some(Phase::Running { step: before, .. }), Phase::Running { step, .. })
        | (Some(Phase::Paused { step: before, .. }), Phase::Paused { step, .. }) => {
            (before != step).then_some(Happening::Advanced)
        }
        (Some(Phase::Complete { .. }), Phase::Complete { .. }) | (Some(Phase::Back { .. }), Phase::Back { .. }) => None,
        (Some(Phase::Paused { .. }), Phase::Running { .. }) => Some(Happening::Resumed),
        (_, Phase::Running { .. }) => Some(Happening::Began),
        (_, Phase::Paused { .. }) => Some(Happening::Paused),
        (_, Phase::Complete { .. }) => Some(Happening::Completed),
        (_, Phase::Back { .. }) => Some(Happening::RolledBack),
    }
}

/// The event for a step forward.
fn stepped(progress: &Progress) -> Happening {
    if matches!(progress.phase(), Phase::Complete { .. }) { Happening::Completed } else { Happening::Advanced }
}

impl Rollout {
    fn canary(&self) -> Option<&Progress> {
        match &self.state {
            RolloutState::Canary(progress) => Some(progress),
            RolloutState::Switch(_) => None,
        }
    }

    fn exposure(&self) -> Exposure {
        match &self.state {
            RolloutState::Switch(switch) => Exposure::Active(switch.active().into()),
            RolloutState::Canary(progress) => Exposure::Share(progress.share()),
        }
    }

    fn kept(&self) -> Option<Kept> {
        match &self.state {
            RolloutState::Switch(switch) => switch.kept().cloned().map(Kept::Switch),
            RolloutState::Canary(progress) => Some(Kept::Canary(progress.kept())),
        }
    }

    /// The change that a configuration caused; `None` if there is nothing to report. A canary that began and a pool
    /// that the file switched are reported.
    fn adopted(&self, id: &RolloutId, before: Option<Exposure>, now: Duration) -> Option<Change> {
        const WHY: &str = "the configuration";
        match &self.state {
            RolloutState::Switch(_) => {
                let from = before.filter(|from| *from != self.exposure())?;
                Some(self.change(id.clone(), Happening::Switched, from, ITSELF, WHY))
            }
            RolloutState::Canary(progress) => {
                let Phase::Running { step: 0, since, .. } = progress.phase() else { return None };
                if *since != now {
                    return None;
                }
                let from = before.unwrap_or(Exposure::Share(Share::NONE));
                Some(self.change(id.clone(), Happening::Began, from, ITSELF, WHY))
            }
        }
    }

    fn ended(self, id: RolloutId) -> Change {
        let exposure = self.exposure();
        self.change(id, Happening::Ended, exposure, ITSELF, "the configuration no longer has it")
    }

    fn change(&self, id: RolloutId, happening: Happening, from: Exposure, who: &str, reason: &str) -> Change {
        let pool = self.canary().map(|progress| progress.canary().pool.clone());
        let (who, reason) = (who.into(), reason.into());
        Change { id, pool, happening, from, to: self.exposure(), who, reason }
    }

    fn obey(&mut self, order: &Order, now: Duration) -> Result<Happening, RolloutRefusal> {
        match (&mut self.state, &order.command) {
            (RolloutState::Switch(switch), Command::Switch(pool)) => {
                if !self.pools.contains(pool) {
                    let meant = did_you_mean(pool, self.pools.iter().map(|pool| &**pool)).map(str::to_owned);
                    return Err(RolloutRefusal::NoPool(pool.clone(), meant));
                }
                switch.to(pool, now).then_some(Happening::Switched).ok_or_else(|| RolloutRefusal::Already(pool.clone()))
            }
            (RolloutState::Switch(switch), Command::Act(Action::Back)) => {
                switch.back(now).then_some(Happening::Switched).ok_or(RolloutRefusal::NeverSwitched)
            }
            (RolloutState::Canary(progress), Command::Act(action)) => {
                let was = progress.phase().as_str();
                if !progress.obey(*action, &order.reason, now) {
                    return Err(RolloutRefusal::Phase(*action, was));
                }
                Ok(match action {
                    Action::Pause => Happening::Paused,
                    Action::Resume if was == "back" => Happening::Began,
                    Action::Resume => Happening::Resumed,
                    Action::Advance => stepped(progress),
                    Action::Back => Happening::RolledBack,
                })
            }
            (RolloutState::Switch(_), Command::Act(_)) => Err(RolloutRefusal::NoCanary(order.owner.clone())),
            (RolloutState::Canary(_), Command::Switch(_)) => Err(RolloutRefusal::NoSwitch(order.owner.clone())),
        }
    }

    fn view(&self, id: RolloutId, now: Duration) -> View {
        let kind = match &self.state {
            RolloutState::Switch(switch) => {
                ViewKind::Switch { file: switch.file().into(), chosen: switch.kept().cloned() }
            }
            RolloutState::Canary(progress) => {
                let steps = &progress.canary().steps;
                ViewKind::Canary {
                    pool: progress.canary().pool.clone(),
                    share: progress.share(),
                    steps: (0..steps.len()).map(|step| steps.share(step)).collect(),
                    phase: progress.phase().clone(),
                    signals: progress.signals(now),
                }
            }
        };
        View { id, exposure: self.exposure(), kind }
    }
}
