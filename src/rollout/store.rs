//! All roll-outs of a node: where each stands, and what happens to them.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::canary::Spec;
use super::evidence::{Side, Signals};
use super::progress::{Action, KeptCanary, Phase, Progress};
use super::switch::{KeptSwitch, Switch};
use crate::health::Share;
use crate::overrides::{MAX_REASON, MAX_WHO};
use crate::suggest::did_you_mean;

/// Who acts where nobody does.
const ITSELF: &str = "truenorth";

/// By what a roll-out is known: the zone and the owner, in lower case and without final dots.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RolloutId {
    /// The zone's origin.
    pub zone: Box<str>,
    /// The steered name.
    pub owner: Box<str>,
}

/// A roll-out as the files have it.
#[derive(Clone, Debug)]
pub struct Draft {
    /// By what it is known.
    pub id: RolloutId,
    /// What the operator wrote.
    pub spec: Spec,
    /// All that `active` may be.
    pub pools: Vec<Box<str>>,
}

/// What is kept of a roll-out over a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Of a blue-green name: what an operator said.
    Switch(KeptSwitch),
    /// Of a canary.
    Canary(KeptCanary),
}

impl Kept {
    /// The same, its times told by another clock.
    pub fn timed(self, by: &impl Fn(Duration) -> Duration) -> Self {
        match self {
            Self::Switch(kept) => Self::Switch(KeptSwitch { since: by(kept.since), ..kept }),
            Self::Canary(kept) => Self::Canary(KeptCanary { phase: kept.phase.timed(by), ..kept }),
        }
    }
}

/// What an operator says of a roll-out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// This pool is to answer.
    Switch(Box<str>),
    /// What is to become of a canary. `back` also has the pool answer that did before the last switch.
    Act(Action),
}

/// What an operator asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Of which name, in lower case and without its final dot.
    pub owner: Box<str>,
    /// What.
    pub command: Command,
    /// Why, in the operator's words; may be empty.
    pub reason: Box<str>,
    /// Who asks.
    pub who: Box<str>,
}

/// Where clients are sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stand {
    /// This share of them to the new pool.
    Share(Share),
    /// All of them to this pool.
    Active(Box<str>),
}

impl fmt::Display for Stand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Share(share) => share.fmt(f),
            Self::Active(pool) => f.write_str(pool),
        }
    }
}

/// What happened to a roll-out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happening {
    /// A canary takes its first step.
    Began,
    /// It takes another one.
    Advanced,
    /// It is past the last one.
    Completed,
    /// It was taken back.
    RolledBack,
    /// It waits.
    Paused,
    /// It waits no longer.
    Resumed,
    /// Another pool answers.
    Switched,
    /// The files have no such roll-out any more.
    Ended,
}

impl View {
    /// The same, its times told by another clock.
    pub fn timed(self, by: &impl Fn(Duration) -> Duration) -> Self {
        let kind = match self.kind {
            ViewKind::Switch { file, chosen } => {
                let chosen = chosen.map(|kept| KeptSwitch { since: by(kept.since), ..kept });
                ViewKind::Switch { file, chosen }
            }
            ViewKind::Canary { pool, share, steps, phase, signals } => {
                ViewKind::Canary { pool, share, steps, phase: phase.timed(by), signals }
            }
        };
        Self { kind, ..self }
    }
}

impl Happening {
    /// A word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Began => "began",
            Self::Advanced => "advanced",
            Self::Completed => "completed",
            Self::RolledBack => "rolled back",
            Self::Paused => "paused",
            Self::Resumed => "resumed",
            Self::Switched => "switched",
            Self::Ended => "ended",
        }
    }
}

/// Something happened to a roll-out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// To which.
    pub id: RolloutId,
    /// The canary's pool, if it is one.
    pub pool: Option<Box<str>>,
    /// What.
    pub happening: Happening,
    /// Where clients were sent.
    pub from: Stand,
    /// Where they are now.
    pub to: Stand,
    /// Who did it.
    pub who: Box<str>,
    /// Why; may be empty.
    pub reason: Box<str>,
}

/// Rows for the next run, by roll-out: what each is to be from now on; `None` for one to be removed.
pub type Rows = BTreeMap<RolloutId, Option<Kept>>;

/// A roll-out as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// By what it is known.
    pub id: RolloutId,
    /// Where clients are sent.
    pub stand: Stand,
    /// What it is.
    pub kind: ViewKind,
}

/// What a roll-out is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ViewKind {
    /// A blue-green name.
    Switch {
        /// What the file says.
        file: Box<str>,
        /// What an operator said since.
        chosen: Option<KeptSwitch>,
    },
    /// A canary.
    Canary {
        /// The new pool.
        pool: Box<str>,
        /// The share of clients that is sent there.
        share: Share,
        /// The shares of its steps.
        steps: Vec<Share>,
        /// Where it is.
        phase: Phase,
        /// What is seen of the new pool.
        signals: Signals,
    },
}

/// Why an order is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RolloutRefusal {
    /// The name has no roll-out; one that has may have been meant.
    Unknown(Box<str>, Option<String>),
    /// The name's `pools` have no such entry; one that they have may have been meant.
    NoPool(Box<str>, Option<String>),
    /// It has no canary.
    NoCanary(Box<str>),
    /// It has no `active`.
    NoSwitch(Box<str>),
    /// It is in a phase in which there is nothing of the kind to do.
    Phase(Action, &'static str),
    /// The pool answers already.
    Already(Box<str>),
    /// Nobody switched it.
    NeverSwitched,
    /// The reason, or who asks, is longer than what is kept.
    TooLong(&'static str, usize),
}

impl fmt::Display for RolloutRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let meant = |f: &mut fmt::Formatter<'_>, meant: &Option<String>| match meant {
            Some(meant) => write!(f, ": did you mean {meant}?"),
            None => Ok(()),
        };
        match self {
            Self::Unknown(owner, other) => {
                write!(f, "{owner} has no roll-out")?;
                meant(f, other)
            }
            Self::NoPool(pool, other) => {
                write!(f, "the name's `pools` have no {pool}")?;
                meant(f, other)
            }
            Self::NoCanary(owner) => write!(f, "{owner} has no `canary`: `switch` changes its `active`"),
            Self::NoSwitch(owner) => write!(f, "{owner} has no `active`: `rollout` moves its `canary`"),
            Self::Phase(Action::Resume, "running") => f.write_str("the roll-out is running already"),
            Self::Phase(Action::Advance, "running") => f.write_str("the roll-out is at its last step"),
            Self::Phase(action, phase) => write!(f, "there is nothing to {}: the roll-out is {phase}", action.as_str()),
            Self::Already(pool) => write!(f, "{pool} answers already"),
            Self::NeverSwitched => f.write_str("nobody switched it, so there is no way back"),
            Self::TooLong(what, most) => write!(f, "{what} takes at most {most} octets"),
        }
    }
}

impl std::error::Error for RolloutRefusal {}

/// All roll-outs.
#[derive(Debug, Default)]
pub struct RolloutStore {
    rollouts: BTreeMap<RolloutId, Rollout>,
    /// What is kept for the next run.
    kept: BTreeMap<RolloutId, Kept>,
}

#[derive(Debug)]
struct Rollout {
    pools: Vec<Box<str>>,
    course: Course,
}

#[derive(Debug)]
enum Course {
    Switch(Switch),
    Canary(Box<Progress>),
}

impl RolloutStore {
    /// What the last run kept. It comes before the first configuration.
    pub fn restore(&mut self, kept: impl IntoIterator<Item = (RolloutId, Kept)>) {
        self.kept.extend(kept);
    }

    /// The files were read, and have these.
    pub fn adopt(&mut self, drafts: impl IntoIterator<Item = Draft>, now: Duration) -> Vec<Change> {
        let mut before = std::mem::take(&mut self.rollouts);
        let mut changes = Vec::new();
        for Draft { id, spec, pools } in drafts {
            let old = before.remove(&id);
            let stood = old.as_ref().map(Rollout::stand);
            let kept = self.kept.get(&id).filter(|_| old.is_none()).cloned();
            let course = Course::follow(old.map(|old| old.course), &spec, kept, now);
            let new = Rollout { pools, course };
            changes.extend(new.adopted(&id, stood, now));
            self.rollouts.insert(id, new);
        }
        // What is gone is forgotten: if it comes back, it begins anew.
        changes.extend(before.into_iter().map(|(id, old)| old.ended(id)));
        changes
    }

    /// What of what is kept changed since this was asked last.
    pub fn unsaved(&mut self) -> Rows {
        let kept = self.rollouts.iter().filter_map(|(id, rollout)| Some((id.clone(), rollout.kept()?)));
        let kept: BTreeMap<RolloutId, Kept> = kept.collect();
        let gone = self.kept.keys().filter(|id| !kept.contains_key(id)).map(|id| (id.clone(), None));
        let new = kept.iter().filter(|(id, row)| self.kept.get(id) != Some(row));
        let rows = gone.chain(new.map(|(id, row)| (id.clone(), Some(row.clone())))).collect();
        self.kept = kept;
        rows
    }

    /// Where clients are sent, and whether that may soon be otherwise.
    pub fn stand(&self, id: &RolloutId) -> Option<(Stand, bool)> {
        self.rollouts.get(id).map(|rollout| (rollout.stand(), rollout.course.is_ramping()))
    }

    /// All of them, in the order of their zones and owners.
    pub fn views(&self, now: Duration) -> Vec<View> {
        self.rollouts.iter().map(|(id, rollout)| rollout.view(id.clone(), now)).collect()
    }

    /// Does what an operator asks for.
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
        let from = rollout.stand();
        let happening = rollout.obey(order, now)?;
        Ok(rollout.change(id, happening, from, &order.who, &order.reason))
    }

    /// What is open of a canary's pool, if anything of it is on duty.
    pub fn see_open(&mut self, id: &RolloutId, open: Option<Share>, now: Duration) {
        if let Some(progress) = self.canary(id) {
            progress.see_open(open, now);
        }
    }

    /// A probe of one of a canary name's pools took so long.
    pub fn see_probe(&mut self, id: &RolloutId, side: Side, took: Duration, now: Duration) {
        if let Some(progress) = self.canary(id) {
            progress.see_probe(side, took, now);
        }
    }

    /// So many of so many requests to a canary's pool failed.
    pub fn see_requests(&mut self, id: &RolloutId, errors: u64, requests: u64, now: Duration) {
        if let Some(progress) = self.canary(id) {
            progress.see_requests(errors, requests, now);
        }
    }

    /// When something is to be done, if nothing is seen before.
    pub fn wake_at(&self) -> Option<Duration> {
        let canaries = self.rollouts.values().filter_map(Rollout::canary);
        canaries.filter_map(Progress::wake_at).min()
    }

    /// What follows from what was seen, and from the time.
    pub fn advance(&mut self, now: Duration) -> Vec<Change> {
        let mut changes = Vec::new();
        for (id, rollout) in &mut self.rollouts {
            let from = rollout.stand();
            let Course::Canary(progress) = &mut rollout.course else { continue };
            let (happening, why) = if let Some(breach) = progress.judge(now) {
                (Happening::RolledBack, breach.to_string())
            } else if progress.advance(now) {
                (stepped(progress), "held, and nothing spoke against it".to_owned())
            } else {
                continue;
            };
            changes.push(rollout.change(id.clone(), happening, from, ITSELF, &why));
        }
        changes
    }

    fn canary(&mut self, id: &RolloutId) -> Option<&mut Progress> {
        match &mut self.rollouts.get_mut(id)?.course {
            Course::Canary(progress) => Some(progress),
            Course::Switch(_) => None,
        }
    }
}

impl Course {
    /// What the file says, after what was before, in this run or in the last.
    fn follow(old: Option<Self>, spec: &Spec, kept: Option<Kept>, now: Duration) -> Self {
        match (spec, old) {
            (Spec::Active(file), Some(Self::Switch(mut switch))) => {
                switch.follow(file);
                Self::Switch(switch)
            }
            (Spec::Active(file), _) => {
                let kept = kept.and_then(|kept| if let Kept::Switch(kept) = kept { Some(kept) } else { None });
                Self::Switch(Switch::new(file.clone(), kept))
            }
            (Spec::Canary(canary), Some(Self::Canary(mut progress))) => {
                if !progress.follow(canary) {
                    *progress = Progress::begin(canary.clone(), now);
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

/// What a step forward was.
fn stepped(progress: &Progress) -> Happening {
    if matches!(progress.phase(), Phase::Complete { .. }) { Happening::Completed } else { Happening::Advanced }
}

impl Rollout {
    fn canary(&self) -> Option<&Progress> {
        match &self.course {
            Course::Canary(progress) => Some(progress),
            Course::Switch(_) => None,
        }
    }

    fn stand(&self) -> Stand {
        match &self.course {
            Course::Switch(switch) => Stand::Active(switch.active().into()),
            Course::Canary(progress) => Stand::Share(progress.share()),
        }
    }

    fn kept(&self) -> Option<Kept> {
        match &self.course {
            Course::Switch(switch) => switch.kept().cloned().map(Kept::Switch),
            Course::Canary(progress) => Some(Kept::Canary(progress.kept())),
        }
    }

    /// What a configuration changed, if that is to be told: a canary begins, or the file switches.
    fn adopted(&self, id: &RolloutId, stood: Option<Stand>, now: Duration) -> Option<Change> {
        const WHY: &str = "the configuration";
        match &self.course {
            Course::Switch(_) => {
                let from = stood.filter(|from| *from != self.stand())?;
                Some(self.change(id.clone(), Happening::Switched, from, ITSELF, WHY))
            }
            Course::Canary(progress) => {
                let Phase::Running { step: 0, since, .. } = progress.phase() else { return None };
                if *since != now {
                    return None;
                }
                let from = stood.unwrap_or(Stand::Share(Share::NONE));
                Some(self.change(id.clone(), Happening::Began, from, ITSELF, WHY))
            }
        }
    }

    fn ended(self, id: RolloutId) -> Change {
        let stand = self.stand();
        self.change(id, Happening::Ended, stand, ITSELF, "the configuration has none")
    }

    fn change(&self, id: RolloutId, happening: Happening, from: Stand, who: &str, reason: &str) -> Change {
        let pool = self.canary().map(|progress| progress.canary().pool.clone());
        let (who, reason) = (who.into(), reason.into());
        Change { id, pool, happening, from, to: self.stand(), who, reason }
    }

    fn obey(&mut self, order: &Order, now: Duration) -> Result<Happening, RolloutRefusal> {
        match (&mut self.course, &order.command) {
            (Course::Switch(switch), Command::Switch(pool)) => {
                if !self.pools.contains(pool) {
                    let meant = did_you_mean(pool, self.pools.iter().map(|pool| &**pool)).map(str::to_owned);
                    return Err(RolloutRefusal::NoPool(pool.clone(), meant));
                }
                switch.to(pool, now).then_some(Happening::Switched).ok_or_else(|| RolloutRefusal::Already(pool.clone()))
            }
            (Course::Switch(switch), Command::Act(Action::Back)) => {
                switch.back(now).then_some(Happening::Switched).ok_or(RolloutRefusal::NeverSwitched)
            }
            (Course::Canary(progress), Command::Act(action)) => {
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
            (Course::Switch(_), Command::Act(_)) => Err(RolloutRefusal::NoCanary(order.owner.clone())),
            (Course::Canary(_), Command::Switch(_)) => Err(RolloutRefusal::NoSwitch(order.owner.clone())),
        }
    }

    fn view(&self, id: RolloutId, now: Duration) -> View {
        let kind = match &self.course {
            Course::Switch(switch) => ViewKind::Switch { file: switch.file().into(), chosen: switch.kept().cloned() },
            Course::Canary(progress) => {
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
        View { id, stand: self.stand(), kind }
    }
}
