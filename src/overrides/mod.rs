//! What an operator says of endpoints and names, against or instead of what probes say.
//!
//! ```text
//!   Order ── placed by a command, or written as a window ──► Override ── its time has come ──► in force
//!                                                                                                 │
//!   Book: all of them, which are in force, and when that changes next                             ▼
//!   Rulings: for an endpoint or a name, the one that counts ◄──────────────────────────── the most specific
//! ```
//!
//! **Precedence.** Of all that are in force and mean an endpoint, one counts: `endpoint:` before `pool:` before `dc:`;
//! among those what is written out before a glob, and `pool:web/fra` before `pool:web`; among those the one made last. So
//! `open` is an exception: `open pool:web/fra` keeps that pool in service while all else of `dc:fra` drains. What is said of
//! a name goes by the same rules, among what is said of names.

mod effective_overrides;
mod store;
mod target;
mod timestamp;

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

pub use effective_overrides::EffectiveOverrides;
pub use store::{Change, Happening, MAX_OVERRIDES, MAX_REASON, MAX_WHO, OverrideRefusal, OverrideStore, Selector};
pub use target::{TargetKind, TargetPattern, TargetPatternError, canonical};
pub use timestamp::{Civil, rfc3339};

/// What is to be done with what a target means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// It gets no answers while another is left. Its probes go on and count.
    Drain,
    /// As if nothing less specific had been said.
    Open,
    /// Up, whatever probes say.
    ForceUp,
    /// Down, whatever probes say. Nothing ignores that.
    ForceDown,
}

impl Mode {
    /// All of them, with the names of their commands.
    pub const ALL: [(&'static str, Self); 4] =
        [("drain", Self::Drain), ("open", Self::Open), ("force-up", Self::ForceUp), ("force-down", Self::ForceDown)];

    /// Its command's name.
    pub fn as_str(self) -> &'static str {
        Self::ALL[self as usize].0
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word is no [`Mode`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownMode;

impl fmt::Display for UnknownMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mode is drain, open, force-up or force-down")
    }
}

impl std::error::Error for UnknownMode {}

impl FromStr for Mode {
    type Err = UnknownMode;

    fn from_str(text: &str) -> Result<Self, UnknownMode> {
        Self::ALL.iter().find(|(name, _)| *name == text).map(|&(_, mode)| mode).ok_or(UnknownMode)
    }
}

/// What an operator asks for. Times are counted from the Unix epoch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Order {
    /// What is to be done.
    pub mode: Mode,
    /// With what.
    pub target: TargetPattern,
    /// From when on; at once without it.
    pub from: Option<Duration>,
    /// Until when, that moment excluded; until it is lifted without it.
    pub until: Option<Duration>,
    /// How long a drain takes, from its beginning until nothing is left; nothing but that takes time.
    pub over: Option<Duration>,
    /// Why, in the operator's words; may be empty.
    pub reason: Box<str>,
    /// Who asks.
    pub who: Box<str>,
}

impl Order {
    /// Whether it holds at this time.
    pub fn is_in_force(&self, now: Duration) -> bool {
        self.from.is_none_or(|from| from <= now) && !self.is_over(now)
    }

    /// Whether it may take the time that it wants to take: a share can be taken from endpoints, not from a name.
    pub fn is_well_timed(&self) -> bool {
        self.over
            .is_none_or(|over| self.mode == Mode::Drain && self.target.kind() != TargetKind::Name && !over.is_zero())
    }

    /// Whether it will never hold again.
    pub fn is_over(&self, now: Duration) -> bool {
        self.until.is_some_and(|until| until <= now)
    }
}

/// By what an override is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OverrideId {
    /// A window of the server file, by its place there, counted from 1.
    Window(u32),
    /// One placed by a command; numbers are given once.
    Placed(u64),
}

impl fmt::Display for OverrideId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Window(number) => write!(f, "window-{number}"),
            Self::Placed(number) => write!(f, "{number}"),
        }
    }
}

impl FromStr for OverrideId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_prefix("window-") {
            Some(number) => number.parse().map(Self::Window),
            None => text.parse().map(Self::Placed),
        }
    }
}

/// An order that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// By what it is known.
    pub id: OverrideId,
    /// When it was made, counted from the Unix epoch; 0 for what the server file says, so that a command goes before it.
    pub made_at: Duration,
    /// What was asked for.
    pub order: Order,
}

impl Override {
    /// When it begins, or began.
    pub fn begins_at(&self) -> Duration {
        self.order.from.unwrap_or(self.made_at)
    }

    /// The greater of two counts.
    fn cmp_precedence(&self, other: &Self) -> Ordering {
        let key = |item: &Self| (item.order.target.kind(), item.order.target.exactness(), item.made_at, item.id);
        key(self).cmp(&key(other))
    }
}
