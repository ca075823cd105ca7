//! Overrides: an operator's orders for endpoints and names, which count instead of what probes find.
//!
//! ```text
//!   Order ── placed by a command, or written as a window ──► Override ── its time has come ──► in force
//!                                                                                                 │
//!   OverrideStore: all overrides, which are in force, and when that changes next                  ▼
//!   EffectiveOverrides: for an endpoint or a name, the one that counts ◄──────────────── the most specific
//! ```
//!
//! **Precedence.** Of all overrides that are in force and match an endpoint, one counts: `endpoint:` before `pool:`
//! before `dc:`. Among equals, an exact target counts before a glob, and `pool:web/fra` before `pool:web`. Then the
//! latest counts. `open` therefore makes an exception: `open pool:web/fra` keeps that pool in service while the rest of
//! `dc:fra` drains. The overrides of names follow the same rules among themselves, and so do those of pools in names.

mod effective_overrides;
mod store;
mod target;

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

pub use effective_overrides::EffectiveOverrides;
pub use store::{Change, Happening, MAX_OVERRIDES, MAX_REASON, MAX_WHO, OverrideRefusal, OverrideStore, Selector};
pub use target::{TargetKind, TargetPattern, TargetPatternError, canonical};

/// The effect of an override on its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Drained: no answers while another endpoint is left. Probes continue and count.
    Drain,
    /// As if there were no less specific override.
    Open,
    /// Forced up, whatever probes find.
    ForceUp,
    /// Forced down: never answered, not even by `all_down`.
    ForceDown,
}

impl Mode {
    /// All modes, with the names of their commands.
    pub const ALL: [(&'static str, Self); 4] =
        [("drain", Self::Drain), ("open", Self::Open), ("force-up", Self::ForceUp), ("force-down", Self::ForceDown)];

    /// The name of its command.
    pub fn as_str(self) -> &'static str {
        Self::ALL[self as usize].0
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is not the name of a [`Mode`].
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

/// An operator's order for an override. Times are since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Order {
    /// The effect.
    pub mode: Mode,
    /// The target.
    pub target: TargetPattern,
    /// The beginning; `None` means at once.
    pub from: Option<Duration>,
    /// The end, which is excluded; `None` means until it is lifted.
    pub until: Option<Duration>,
    /// The time that a gradual drain takes, from its beginning until no clients are left; only for drains.
    pub over: Option<Duration>,
    /// The reason, in the operator's words; may be empty.
    pub reason: Box<str>,
    /// The operator who gives it.
    pub who: Box<str>,
}

impl Order {
    /// True if it is in force at this time.
    pub fn is_in_force(&self, now: Duration) -> bool {
        self.from.is_none_or(|from| from <= now) && !self.is_over(now)
    }

    /// True if `over` is allowed: only a drain of endpoints can be gradual, because shares can be taken from endpoints
    /// but not from a name.
    pub fn is_well_timed(&self) -> bool {
        self.over.is_none_or(|over| self.mode == Mode::Drain && self.target.kind().is_of_endpoints() && !over.is_zero())
    }

    /// True if its mode is allowed for its target. For a pool in one name, `force-up` is not allowed: an endpoint is up
    /// for all names or for none.
    pub fn fits_target(&self) -> bool {
        self.target.kind() != TargetKind::PoolInName || self.mode != Mode::ForceUp
    }

    /// True if it has ended.
    pub fn is_over(&self, now: Duration) -> bool {
        self.until.is_some_and(|until| until <= now)
    }
}

/// An order as an operator gives it. Only when it is placed is its end known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// The order.
    pub order: Order,
    /// How long it lasts from its beginning; `None` leaves the order's end as it is.
    pub lifetime: Option<Duration>,
}

impl Placement {
    /// The order with its end, if it is placed at this time. However short its time is, it has not ended yet.
    pub fn at(self, now: Duration) -> Order {
        let Self { order, lifetime } = self;
        let begin = order.from.unwrap_or(now);
        let until = lifetime.map_or(order.until, |lifetime| Some(begin.saturating_add(lifetime)));
        Order { until, ..order }
    }
}

impl From<Order> for Placement {
    fn from(order: Order) -> Self {
        Self { order, lifetime: None }
    }
}

/// Identifies an override.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OverrideId {
    /// A window of the server file, by its position there, counted from 1.
    Window(u32),
    /// An override placed by a command. A number is never used again.
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

/// An order that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// Its id.
    pub id: OverrideId,
    /// When it was placed, since the Unix epoch; 0 for windows of the server file, so that commands take precedence
    /// over them.
    pub made_at: Duration,
    /// The order.
    pub order: Order,
}

impl Override {
    /// Its beginning.
    pub fn begins_at(&self) -> Duration {
        self.order.from.unwrap_or(self.made_at)
    }

    /// Compares precedence: the greater one counts.
    fn cmp_precedence(&self, other: &Self) -> Ordering {
        let key = |item: &Self| (item.order.target.kind(), item.order.target.exactness(), item.made_at, item.id);
        key(self).cmp(&key(other))
    }
}
