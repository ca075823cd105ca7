//! The progress of one canary, step by step.
//!
//! ```text
//!              held, and good                          held, at 100 %
//!   running 5 % ───► running 25 % ───► ... running 100 % ───► complete
//!     │  ▲                 │                                      │
//!   pause resume           │ a bound is broken, or `back`         │ `back`
//!     ▼  │                 ▼                                      ▼
//!   paused ─────────────► back ◄──────────────────────────────────┘
//!                          └── `resume`, or another canary in the file ──► running 5 %
//! ```
//!
//! A canary is judged while it runs and while it is paused. A complete canary is no longer judged: nothing rolls it
//! back automatically. If the last step is less than 100 %, the canary stays at that step, and is judged all the time.

use std::time::Duration;

use super::canary::Canary;
use super::evidence::{Breach, Evidence, Side, Signals};
use crate::health::Share;

/// The phase of a canary. Steps count from 0; times are since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// A share of clients is sent to the new pool.
    Running {
        /// The present step.
        step: usize,
        /// Since when.
        since: Duration,
        /// When the step has been held long enough; `None` for the last step if it is below 100 %.
        next_at: Option<Duration>,
    },
    /// Clients are sent as in the present step, until an operator acts.
    Paused {
        /// The present step.
        step: usize,
        /// When it was paused.
        since: Duration,
        /// The time that the step is still held after it is resumed.
        left: Option<Duration>,
    },
    /// All clients are sent to the new pool.
    Complete {
        /// Since when.
        since: Duration,
    },
    /// No client is sent to the new pool.
    Back {
        /// Since when.
        since: Duration,
        /// The reason.
        why: Box<str>,
    },
}

/// An operator's action on a canary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Stay at the present step.
    Pause,
    /// Continue; after a rollback, from the first step.
    Resume,
    /// Begin the next step now.
    Advance,
    /// Send no clients to the new pool.
    Back,
}

impl Action {
    /// All actions, with the names of their commands.
    pub const ALL: [(&'static str, Self); 4] =
        [("pause", Self::Pause), ("resume", Self::Resume), ("advance", Self::Advance), ("back", Self::Back)];

    /// The name of its command.
    pub fn as_str(self) -> &'static str {
        Self::ALL[self as usize].0
    }
}

impl Phase {
    /// All words for phases.
    pub const WORDS: [&'static str; 4] = ["running", "paused", "complete", "back"];

    /// The same with times converted by `by` to another clock.
    pub fn timed(self, by: &impl Fn(Duration) -> Duration) -> Self {
        match self {
            Self::Running { step, since, next_at } => {
                Self::Running { step, since: by(since), next_at: next_at.map(by) }
            }
            Self::Paused { step, since, left } => Self::Paused { step, since: by(since), left },
            Self::Complete { since } => Self::Complete { since: by(since) },
            Self::Back { since, why } => Self::Back { since: by(since), why },
        }
    }

    /// When the phase began.
    pub fn since(&self) -> Duration {
        match *self {
            Self::Running { since, .. }
            | Self::Paused { since, .. }
            | Self::Complete { since }
            | Self::Back { since, .. } => since,
        }
    }

    /// The phase as one word.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Running { .. } => Self::WORDS[0],
            Self::Paused { .. } => Self::WORDS[1],
            Self::Complete { .. } => Self::WORDS[2],
            Self::Back { .. } => Self::WORDS[3],
        }
    }
}

/// The part of a canary that is kept for the next run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptCanary {
    /// [`Canary::identity`].
    pub identity: String,
    /// [`Canary::terms`].
    pub terms: String,
    /// The phase.
    pub phase: Phase,
}

/// A canary and its progress.
#[derive(Clone, Debug)]
pub(super) struct Progress {
    canary: Canary,
    phase: Phase,
    evidence: Evidence,
}

impl Progress {
    /// A canary at its first step.
    pub(super) fn begin(canary: Canary, now: Duration) -> Self {
        let evidence = Evidence::new(&canary);
        let mut progress = Self { canary, phase: Phase::Complete { since: now }, evidence };
        progress.enter(0, now);
        progress
    }

    /// The kept progress; `None` if it is of another canary. The node did not watch the pool meanwhile, so it holds the
    /// step at least for the length of the evidence window.
    pub(super) fn restore(canary: Canary, kept: KeptCanary, now: Duration) -> Option<Self> {
        if !goes_on(&canary, &kept.identity, &kept.terms, &kept.phase) {
            return None;
        }
        let evidence = Evidence::new(&canary);
        let phase = match kept.phase {
            Phase::Running { step, since, next_at } => {
                let next_at = next_at.map(|at| at.clamp(now + canary.hold.min(super::WINDOW), now + canary.hold));
                Phase::Running { step: step.min(canary.steps.len() - 1), since: since.min(now), next_at }
            }
            Phase::Paused { step, since, left } => {
                Phase::Paused { step: step.min(canary.steps.len() - 1), since, left }
            }
            phase => phase,
        };
        Some(Self { canary, phase, evidence })
    }

    /// Takes in the configuration after a reload. Returns false if it is another canary.
    pub(super) fn follow(&mut self, canary: &Canary) -> bool {
        if self.canary == *canary {
            return true;
        }
        if !goes_on(canary, &self.canary.identity(), &self.canary.terms(), &self.phase) {
            return false;
        }
        if let Phase::Running { since, next_at: Some(next_at), .. } = &mut self.phase {
            *next_at = *since + canary.hold;
        }
        self.evidence = Evidence::new(canary);
        self.canary = canary.clone();
        true
    }

    /// Takes in the phase of this canary at another node. If it began just now there (`is_live`), it begins now here, so
    /// that clocks do not matter. Returns false if it is another canary.
    pub(super) fn take_over(&mut self, kept: KeptCanary, is_live: bool, now: Duration) -> bool {
        if !goes_on(&self.canary, &kept.identity, &kept.terms, &kept.phase) {
            return false;
        }
        let last = self.canary.steps.len() - 1;
        if matches!((&self.phase, &kept.phase), (Phase::Back { .. }, Phase::Running { .. })) {
            self.evidence = Evidence::new(&self.canary);
        }
        self.phase = match kept.phase {
            Phase::Running { step, since, next_at } => {
                let left = next_at.map(|at| at.saturating_sub(if is_live { since } else { now }));
                let next_at = left.map(|left| now + left.min(self.canary.hold));
                Phase::Running { step: step.min(last), since: if is_live { now } else { since.min(now) }, next_at }
            }
            Phase::Paused { step, since, left } => Phase::Paused { step: step.min(last), since, left },
            phase => phase,
        };
        true
    }

    pub(super) fn kept(&self) -> KeptCanary {
        KeptCanary { identity: self.canary.identity(), terms: self.canary.terms(), phase: self.phase.clone() }
    }

    pub(super) fn canary(&self) -> &Canary {
        &self.canary
    }

    pub(super) fn phase(&self) -> &Phase {
        &self.phase
    }

    pub(super) fn signals(&self, now: Duration) -> Signals {
        self.evidence.signals(now)
    }

    /// The share of clients that is sent to the new pool.
    pub(super) fn share(&self) -> Share {
        match self.phase {
            Phase::Running { step, .. } | Phase::Paused { step, .. } => self.canary.steps.share(step),
            Phase::Complete { .. } => Share::FULL,
            Phase::Back { .. } => Share::NONE,
        }
    }

    /// True if the share may change soon.
    pub(super) fn is_ramping(&self) -> bool {
        matches!(self.phase, Phase::Running { next_at: Some(_), .. } | Phase::Paused { .. })
    }

    pub(super) fn see_open(&mut self, open: Option<Share>, now: Duration) {
        self.evidence.see_open(open, &self.canary.bounds, now);
    }

    pub(super) fn see_probe(&mut self, side: Side, took: Duration, now: Duration) {
        self.evidence.see_probe(side, took, now);
    }

    pub(super) fn see_requests(&mut self, errors: u64, requests: u64, now: Duration) {
        self.evidence.see_requests(errors, requests, now);
    }

    /// When to look at it again if there are no new observations.
    pub(super) fn wake_at(&self) -> Option<Duration> {
        if !self.is_judged() {
            return None;
        }
        let next_at = match self.phase {
            // If the evidence is not good, no time matters: the observation that makes it good is an event.
            Phase::Running { next_at, .. } if self.evidence.is_good() => next_at,
            _ => None,
        };
        next_at.into_iter().chain(self.evidence.breach_at()).min()
    }

    /// Rolls it back if a bound is broken.
    pub(super) fn judge(&mut self, now: Duration) -> Option<Breach> {
        let breach = self.is_judged().then(|| self.evidence.breach(&self.canary.bounds, now))??;
        self.phase = Phase::Back { since: now, why: breach.to_string().into() };
        Some(breach)
    }

    /// Begins the next step if it is due and the evidence is good. Returns true if it did.
    pub(super) fn advance(&mut self, now: Duration) -> bool {
        let Phase::Running { step, next_at: Some(next_at), .. } = self.phase else { return false };
        if now < next_at || !self.evidence.is_good() {
            return false;
        }
        self.enter(step + 1, now);
        true
    }

    /// Carries out an operator's action; `why` is the given reason. Returns false if the action makes no sense in this
    /// phase.
    pub(super) fn obey(&mut self, action: Action, why: &str, now: Duration) -> bool {
        match (action, self.phase.clone()) {
            (Action::Pause, Phase::Running { step, next_at, .. }) => {
                let left = next_at.map(|at| at.saturating_sub(now));
                self.phase = Phase::Paused { step, since: now, left };
            }
            (Action::Resume, Phase::Paused { step, left, .. }) => {
                self.phase = Phase::Running { step, since: now, next_at: left.map(|left| now + left) };
            }
            (Action::Resume, Phase::Back { .. }) => {
                self.evidence = Evidence::new(&self.canary);
                self.enter(0, now);
            }
            (Action::Advance, Phase::Running { step, next_at: Some(_), .. }) => self.enter(step + 1, now),
            (Action::Advance, Phase::Paused { step, left: Some(_), .. }) => {
                self.enter(step + 1, now);
                // Only an operator resumes a paused canary, so it stays paused.
                self.obey(Action::Pause, why, now);
            }
            (Action::Back, Phase::Running { .. } | Phase::Paused { .. } | Phase::Complete { .. }) => {
                self.phase = Phase::Back { since: now, why: why.into() };
            }
            _ => return false,
        }
        true
    }

    fn is_judged(&self) -> bool {
        matches!(self.phase, Phase::Running { .. } | Phase::Paused { .. })
    }

    /// Begins a step; after the last one, the canary is complete.
    fn enter(&mut self, step: usize, now: Duration) {
        let steps = &self.canary.steps;
        self.phase = if step >= steps.len() {
            Phase::Complete { since: now }
        } else {
            let ends = step + 1 < steps.len() || steps.share(step).is_full();
            Phase::Running { step, since: now, next_at: ends.then(|| now + self.canary.hold) }
        };
    }
}

/// True if the configured canary is the one that was in this phase. After a rollback any changed setting makes it
/// another canary, because that is another try.
fn goes_on(canary: &Canary, identity: &str, terms: &str, phase: &Phase) -> bool {
    match phase {
        Phase::Back { .. } => canary.terms() == terms,
        _ => canary.identity() == identity,
    }
}
