//! The way of one canary, step by step.
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
//! A canary is judged while it runs and while it is paused. One that is complete is no longer a canary: nothing takes it
//! back by itself. If the last step is less than 100 %, it stays there, and is judged as long as it does.

use std::time::Duration;

use super::canary::Canary;
use super::evidence::{Breach, Evidence, Side, Signals};
use crate::health::Share;

/// Where a canary is on its way. Steps count from 0; times are since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// A share of clients is sent to the new pool.
    Running {
        /// Which share.
        step: usize,
        /// Since when.
        since: Duration,
        /// When the step has been held long enough; `None` for the last one, if it is not for all clients.
        next_at: Option<Duration>,
    },
    /// The same, until somebody says otherwise.
    Paused {
        /// Which share.
        step: usize,
        /// Since when it waits.
        since: Duration,
        /// How much longer the step is to be held when it goes on.
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
        /// Why.
        why: Box<str>,
    },
}

/// What an operator does with a canary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It stays at its step.
    Pause,
    /// It goes on; after it was taken back, from the first step.
    Resume,
    /// It takes the next step now.
    Advance,
    /// No client is sent to the new pool.
    Back,
}

impl Action {
    /// All of them, with the names of their commands.
    pub const ALL: [(&'static str, Self); 4] =
        [("pause", Self::Pause), ("resume", Self::Resume), ("advance", Self::Advance), ("back", Self::Back)];

    /// Its command's name.
    pub fn as_str(self) -> &'static str {
        Self::ALL[self as usize].0
    }
}

impl Phase {
    /// The same, its times told by another clock.
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

    /// Since when it is so.
    pub fn since(&self) -> Duration {
        match *self {
            Self::Running { since, .. }
            | Self::Paused { since, .. }
            | Self::Complete { since }
            | Self::Back { since, .. } => since,
        }
    }

    /// A word for it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Running { .. } => "running",
            Self::Paused { .. } => "paused",
            Self::Complete { .. } => "complete",
            Self::Back { .. } => "back",
        }
    }
}

/// What is kept of a canary over a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptCanary {
    /// [`Canary::identity`].
    pub identity: String,
    /// [`Canary::terms`].
    pub terms: String,
    /// Where it was.
    pub phase: Phase,
}

/// A canary on its way.
#[derive(Clone, Debug)]
pub(super) struct Progress {
    canary: Canary,
    phase: Phase,
    evidence: Evidence,
}

impl Progress {
    /// At the first step.
    pub(super) fn begin(canary: Canary, now: Duration) -> Self {
        let evidence = Evidence::new(&canary);
        let mut progress = Self { canary, phase: Phase::Complete { since: now }, evidence };
        progress.enter(0, now);
        progress
    }

    /// Where it was when this was kept, if it is the same canary. Nobody watched meanwhile, so the step is held as long as it
    /// takes to see how it does.
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

    /// The file was read again, and says this. `false` if that is another canary.
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

    /// Whether that may soon be another one.
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

    /// When it is to be looked at again, if nothing is seen before.
    pub(super) fn wake_at(&self) -> Option<Duration> {
        if !self.is_judged() {
            return None;
        }
        let next_at = match self.phase {
            // What is not good enough goes on when it is seen to be, and that is an event.
            Phase::Running { next_at, .. } if self.evidence.is_good() => next_at,
            _ => None,
        };
        next_at.into_iter().chain(self.evidence.breach_at()).min()
    }

    /// Takes it back if a bound is broken.
    pub(super) fn judge(&mut self, now: Duration) -> Option<Breach> {
        let breach = self.is_judged().then(|| self.evidence.breach(&self.canary.bounds, now))??;
        self.phase = Phase::Back { since: now, why: breach.to_string().into() };
        Some(breach)
    }

    /// Takes the next step if it is time for it, and all is good. Whether it did.
    pub(super) fn advance(&mut self, now: Duration) -> bool {
        let Phase::Running { step, next_at: Some(next_at), .. } = self.phase else { return false };
        if now < next_at || !self.evidence.is_good() {
            return false;
        }
        self.enter(step + 1, now);
        true
    }

    /// Does what an operator says; `why` is the reason given. `false` if there is nothing to do in this phase.
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
                // Whoever held it said nothing of letting go.
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

    /// Begins a step, or is complete behind the last.
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

/// Whether a canary is the one that was in this phase. What was taken back was so on certain terms; other ones are another
/// try.
fn goes_on(canary: &Canary, identity: &str, terms: &str, phase: &Phase) -> bool {
    match phase {
        Phase::Back { .. } => canary.terms() == terms,
        _ => canary.identity() == identity,
    }
}
