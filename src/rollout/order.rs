//! The types at the border of this module: drafts from the files, operators' orders, kept rows, and views for display.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::canary::Spec;
use super::evidence::Signals;
use super::progress::{Action, KeptCanary, Phase};
use super::switch::KeptSwitch;
use crate::health::Share;

/// Identifies a roll-out: the zone and the owner, in lower case and without final dots.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RolloutId {
    /// The zone's origin.
    pub zone: Box<str>,
    /// The steered name.
    pub owner: Box<str>,
}

/// A roll-out as it is in the files.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Its id.
    pub id: RolloutId,
    /// Its configuration.
    pub spec: Spec,
    /// All pools that `active` may name.
    pub pools: Vec<Box<str>>,
}

/// The part of a roll-out that is kept for the next run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Of a blue-green name: an operator's choice.
    Switch(KeptSwitch),
    /// Of a canary: its progress.
    Canary(KeptCanary),
}

impl Kept {
    /// The same with times converted by `by` to another clock.
    pub fn timed(self, by: &impl Fn(Duration) -> Duration) -> Self {
        match self {
            Self::Switch(kept) => Self::Switch(KeptSwitch { since: by(kept.since), ..kept }),
            Self::Canary(kept) => Self::Canary(KeptCanary { phase: kept.phase.timed(by), ..kept }),
        }
    }
}

/// An operator's command for a roll-out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Send all clients to this pool.
    Switch(Box<str>),
    /// Act on a canary. `Back` also works for a blue-green name: the pool that answered before the last switch answers
    /// again.
    Act(Action),
}

/// An operator's order for a roll-out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The name, in lower case and without its final dot.
    pub owner: Box<str>,
    /// The command.
    pub command: Command,
    /// The reason, in the operator's words; may be empty.
    pub reason: Box<str>,
    /// The operator.
    pub who: Box<str>,
}

/// Where clients are sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exposure {
    /// This share of clients is sent to the new pool.
    Share(Share),
    /// All clients are sent to this pool.
    Active(Box<str>),
}

impl fmt::Display for Exposure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Share(share) => share.fmt(f),
            Self::Active(pool) => f.write_str(pool),
        }
    }
}

/// The kinds of events of a roll-out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happening {
    /// A canary began its first step.
    Began,
    /// A canary began the next step.
    Advanced,
    /// A canary completed its last step.
    Completed,
    /// A canary was rolled back.
    RolledBack,
    /// A canary was paused.
    Paused,
    /// A canary was resumed.
    Resumed,
    /// Another pool of a blue-green name answers.
    Switched,
    /// The files no longer contain the roll-out.
    Ended,
}

impl View {
    /// The same with times converted by `by` to another clock.
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
    /// The event in words.
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

/// An event in the life of a roll-out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The roll-out.
    pub id: RolloutId,
    /// The canary's pool, if it is a canary.
    pub pool: Option<Box<str>>,
    /// The kind of event.
    pub happening: Happening,
    /// Where clients were sent before.
    pub from: Exposure,
    /// Where clients are sent now.
    pub to: Exposure,
    /// The operator who caused it, or `truenorth`.
    pub who: Box<str>,
    /// The reason; may be empty.
    pub reason: Box<str>,
}

/// Rows for the next run, by roll-out: the new value of each; `None` removes it.
pub type Rows = BTreeMap<RolloutId, Option<Kept>>;

/// The state of a roll-out, for display.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Its id.
    pub id: RolloutId,
    /// Where clients are sent.
    pub exposure: Exposure,
    /// Its kind and details.
    pub kind: ViewKind,
}

/// The kind of a roll-out, with details.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ViewKind {
    /// A blue-green name.
    Switch {
        /// The active pool in the file.
        file: Box<str>,
        /// An operator's choice since then.
        chosen: Option<KeptSwitch>,
    },
    /// A canary.
    Canary {
        /// The new pool.
        pool: Box<str>,
        /// The share of clients that is sent to it.
        share: Share,
        /// The shares of its steps.
        steps: Vec<Share>,
        /// The present phase.
        phase: Phase,
        /// The present evidence.
        signals: Signals,
    },
}

/// Why an order is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RolloutRefusal {
    /// The name has no roll-out. The text is the closest name that has one.
    Unknown(Box<str>, Option<String>),
    /// The name's `pools` have no such entry. The text is the closest entry.
    NoPool(Box<str>, Option<String>),
    /// The name has no canary.
    NoCanary(Box<str>),
    /// The name has no `active`.
    NoSwitch(Box<str>),
    /// The action makes no sense in the present phase.
    Phase(Action, &'static str),
    /// The pool answers already.
    Already(Box<str>),
    /// No operator switched the name.
    NeverSwitched,
    /// The reason or `who` is too long.
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
                write!(f, "the name's `pools` do not contain {pool}")?;
                meant(f, other)
            }
            Self::NoCanary(owner) => write!(f, "{owner} has no `canary`: `switch` changes its `active`"),
            Self::NoSwitch(owner) => write!(f, "{owner} has no `active`: `rollout` moves its `canary`"),
            Self::Phase(Action::Resume, "running") => f.write_str("the roll-out is running already"),
            Self::Phase(Action::Advance, "running") => f.write_str("the roll-out is at its last step"),
            Self::Phase(action, phase) => write!(f, "there is nothing to {}: the roll-out is {phase}", action.as_str()),
            Self::Already(pool) => write!(f, "{pool} answers already"),
            Self::NeverSwitched => f.write_str("nobody switched it, so there is nothing to go back to"),
            Self::TooLong(what, most) => write!(f, "{what} may have at most {most} octets"),
        }
    }
}

impl std::error::Error for RolloutRefusal {}
