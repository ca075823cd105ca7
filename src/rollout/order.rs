//! What is said of roll-outs: by the files, by operators, by what was kept, and to those who want to know.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::canary::Spec;
use super::evidence::Signals;
use super::progress::{Action, KeptCanary, Phase};
use super::switch::KeptSwitch;
use crate::health::Share;

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
