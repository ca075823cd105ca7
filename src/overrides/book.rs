//! All overrides, which of them are in force, and when that changes next. It has no clock: time is what the caller says.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use super::{Mode, Order, Override, OverrideId, Rulings, TargetPattern};

/// Overrides that are placed at a time, at most: beyond that somebody's script runs wild, and the configuration is the
/// better place.
pub const MAX_OVERRIDES: usize = 4096;

/// Octets of a reason at most: a sentence and a link.
pub const MAX_REASON: usize = 512;

/// Octets that tell who asked, at most.
pub const MAX_WHO: usize = 128;

/// The overrides that were placed, and the windows of the server file.
#[derive(Clone, Debug, Default)]
pub struct Book {
    placed: BTreeMap<OverrideId, Override>,
    windows: BTreeMap<OverrideId, Override>,
    /// The last number that was given.
    last: u64,
    in_force: BTreeSet<OverrideId>,
    rulings: Rulings,
    change_at: Option<Duration>,
}

/// What happened to an override.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What.
    pub happening: Happening,
    /// To which.
    pub item: Override,
}

/// What can happen to an override.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// It was placed; it may wait for its time.
    Placed,
    /// Its time has come.
    Began,
    /// Its time is over, and it is forgotten.
    Ended,
    /// It was taken back before its time was over, by whom.
    Lifted {
        /// By whom.
        by: Box<str>,
    },
}

impl Happening {
    /// In one word.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Placed => "placed",
            Self::Began => "began",
            Self::Ended => "ended",
            Self::Lifted { .. } => "lifted",
        }
    }
}

/// Which overrides are to be lifted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// This one.
    Id(OverrideId),
    /// All that were placed on exactly this target.
    Target(TargetPattern),
}

/// Why an order is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Nothing bears such a name; what may have been meant.
    Unknown(TargetPattern, Option<TargetPattern>),
    /// It would end before it begins, or has ended already.
    Over,
    /// [`MAX_OVERRIDES`] are placed.
    TooMany,
    /// Its reason is longer than [`MAX_REASON`], or its author than [`MAX_WHO`].
    TooLong,
    /// Nothing is placed there that could be lifted.
    NotPlaced(Selector),
    /// It is a window of the server file, and stays as long as it stands there.
    IsWindow(OverrideId),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(target, None) => write!(f, "nothing is named {target}"),
            Self::Unknown(target, Some(meant)) => write!(f, "nothing is named {target}: did you mean {meant}?"),
            Self::Over => f.write_str("it would be over before it begins"),
            Self::TooMany => write!(f, "{MAX_OVERRIDES} overrides are placed, and that is the limit: lift some first"),
            Self::TooLong => {
                write!(f, "a reason has at most {MAX_REASON} octets, and who gives it at most {MAX_WHO}")
            }
            Self::NotPlaced(Selector::Id(id)) => write!(f, "there is no override {id}"),
            Self::NotPlaced(Selector::Target(target)) => write!(f, "no override is placed on {target}"),
            Self::IsWindow(id) => write!(f, "{id} stands in the server file: change it there, or place an `open`"),
        }
    }
}

impl std::error::Error for Refusal {}

impl Book {
    /// Everything, windows first, in the order in which it was made.
    pub fn all(&self) -> impl Iterator<Item = &Override> {
        self.windows.values().chain(self.placed.values())
    }

    /// What was placed by commands, to be kept over a restart.
    pub fn placed(&self) -> impl Iterator<Item = &Override> {
        self.placed.values()
    }

    /// Whether an override counted at the last change.
    pub fn is_in_force(&self, id: OverrideId) -> bool {
        self.in_force.contains(&id)
    }

    /// What counts for whom.
    pub fn rulings(&self) -> &Rulings {
        &self.rulings
    }

    /// When something begins or ends next.
    pub fn change_at(&self) -> Option<Duration> {
        self.change_at
    }

    /// Takes an order. What was placed on exactly its target before and is in force gives way to it, if it is in force
    /// itself. An `open` that leaves nothing to be excepted from is not kept: nothing would ever lift it.
    ///
    /// Whether the target means anything is for the caller to know, and `is_excepted` tells whether one of the others means
    /// any of what it means.
    pub fn place(
        &mut self,
        order: Order,
        now: Duration,
        is_excepted: impl Fn(&Override) -> bool,
    ) -> Result<(Override, Vec<Change>), Refusal> {
        if order.is_over(now) || order.from.zip(order.until).is_some_and(|(from, until)| until <= from) {
            return Err(Refusal::Over);
        }
        if order.reason.len() > MAX_REASON || order.who.len() > MAX_WHO {
            return Err(Refusal::TooLong);
        }
        let is_now = order.is_in_force(now);
        let gives_way = |item: &&Override| is_now && item.order.target == order.target && item.order.is_in_force(now);
        let replaced: Vec<OverrideId> = self.placed.values().filter(gives_way).map(|item| item.id).collect();
        if self.placed.len() - replaced.len() >= MAX_OVERRIDES {
            return Err(Refusal::TooMany);
        }
        let mut changes: Vec<Change> = replaced.iter().filter_map(|id| self.take(*id, &order.who)).collect();
        self.last += 1;
        let item = Override { id: OverrideId::Placed(self.last), made_at: now, order };
        let is_needed = item.order.mode != Mode::Open || !is_now || self.all().any(is_excepted);
        if is_needed {
            self.placed.insert(item.id, item.clone());
            self.in_force.extend(is_now.then_some(item.id));
            changes.push(Change { happening: Happening::Placed, item: item.clone() });
        }
        changes.extend(self.advance(now));
        self.settle(now);
        Ok((item, changes))
    }

    /// Takes overrides back.
    pub fn lift(&mut self, which: &Selector, who: &str, now: Duration) -> Result<Vec<Change>, Refusal> {
        let ids: Vec<OverrideId> = match which {
            Selector::Id(id) if self.windows.contains_key(id) => return Err(Refusal::IsWindow(*id)),
            Selector::Id(id) => vec![*id],
            Selector::Target(target) => {
                self.placed.values().filter(|item| item.order.target == *target).map(|item| item.id).collect()
            }
        };
        let changes: Vec<Change> = ids.into_iter().filter_map(|id| self.take(id, who)).collect();
        if changes.is_empty() {
            return Err(Refusal::NotPlaced(which.clone()));
        }
        self.settle(now);
        Ok(changes)
    }

    /// Takes in what was kept over a restart. Numbers go on behind the greatest.
    pub fn restore(&mut self, kept: impl IntoIterator<Item = Override>, now: Duration) -> Vec<Change> {
        for item in kept {
            if let OverrideId::Placed(number) = item.id {
                self.last = self.last.max(number);
                self.placed.insert(item.id, item);
            }
        }
        let changes = self.advance(now);
        self.settle(now);
        changes
    }

    /// Puts the windows of a new configuration in the place of those of the old.
    pub fn set_windows(&mut self, windows: &[Order], now: Duration) -> Vec<Change> {
        let mut changes = Vec::new();
        let window = |(number, order): (u32, &Order)| {
            let id = OverrideId::Window(number);
            (id, Override { id, made_at: Duration::ZERO, order: order.clone() })
        };
        let new: BTreeMap<_, _> = (1..).zip(windows).map(window).collect();
        for (id, item) in std::mem::take(&mut self.windows) {
            if new.get(&id) != Some(&item) && self.in_force.remove(&id) {
                changes.push(Change { happening: Happening::Ended, item });
            }
        }
        self.windows = new;
        changes.extend(self.advance(now));
        self.settle(now);
        changes
    }

    /// What began and what ended up to now.
    pub fn advance(&mut self, now: Duration) -> Vec<Change> {
        let mut changes = Vec::new();
        let over: Vec<OverrideId> =
            self.placed.values().filter(|item| item.order.is_over(now)).map(|item| item.id).collect();
        for item in over.iter().filter_map(|id| self.placed.remove(id)) {
            self.in_force.remove(&item.id);
            changes.push(Change { happening: Happening::Ended, item });
        }
        for item in self.windows.values().chain(self.placed.values()) {
            let happening = match (self.in_force.contains(&item.id), item.order.is_in_force(now)) {
                (false, true) => Happening::Began,
                (true, false) => Happening::Ended,
                _ => continue,
            };
            changes.push(Change { happening, item: item.clone() });
        }
        for change in &changes {
            match change.happening {
                Happening::Began => _ = self.in_force.insert(change.item.id),
                _ => _ = self.in_force.remove(&change.item.id),
            }
        }
        if !changes.is_empty() || self.change_at.is_some_and(|at| at <= now) {
            self.settle(now);
        }
        changes
    }

    fn take(&mut self, id: OverrideId, who: &str) -> Option<Change> {
        let item = self.placed.remove(&id)?;
        self.in_force.remove(&id);
        Some(Change { happening: Happening::Lifted { by: who.into() }, item })
    }

    /// Works out what follows from what is in force.
    fn settle(&mut self, now: Duration) {
        let in_force = |item: &&Override| self.in_force.contains(&item.id);
        self.rulings = Rulings::new(self.windows.values().chain(self.placed.values()).filter(in_force));
        let borders = self.all().flat_map(|item| [item.order.from, item.order.until]).flatten();
        self.change_at = borders.filter(|at| *at > now).min();
    }
}
