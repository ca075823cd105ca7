//! The override store: all overrides, which of them are in force, and when that changes next. It has no clock: the
//! caller gives the time.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use super::{EffectiveOverrides, Mode, Order, Override, OverrideId, TargetPattern};

/// Maximum number of overrides that can be placed at a time. If there are more, a script is probably out of control, or
/// the configuration is the better place for them.
pub const MAX_OVERRIDES: usize = 4096;

/// Maximum number of octets of a reason: a sentence and a link.
pub const MAX_REASON: usize = 512;

/// Maximum number of octets of `who`. In a fleet the node's name is a part of it.
pub const MAX_WHO: usize = 200;

/// Bits of an override's number that say at which node of a fleet it was placed.
const TAG_BITS: u32 = 12;

/// The overrides that commands placed, and the windows of the server file.
#[derive(Clone, Debug, Default)]
pub struct OverrideStore {
    placed: BTreeMap<OverrideId, Override>,
    windows: BTreeMap<OverrideId, Override>,
    /// The last number that was assigned.
    last: u64,
    /// The lowest bits of the numbers that this node assigns; `None` without a fleet.
    tag: Option<u16>,
    in_force: BTreeSet<OverrideId>,
    effective_overrides: EffectiveOverrides,
    change_at: Option<Duration>,
    /// The time of the last [`Self::is_due`].
    looked: Duration,
}

/// An event in the life of an override.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The kind of event.
    pub happening: Happening,
    /// The override.
    pub item: Override,
}

/// The kinds of events of an override.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// It was placed; it may begin later.
    Placed,
    /// It began.
    Began,
    /// It ended, and is removed.
    Ended,
    /// An operator lifted it before its end.
    Lifted {
        /// The operator.
        by: Box<str>,
    },
}

impl Happening {
    /// The event as one word.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Placed => "placed",
            Self::Began => "began",
            Self::Ended => "ended",
            Self::Lifted { .. } => "lifted",
        }
    }
}

/// The overrides to lift.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// The override with this id.
    Id(OverrideId),
    /// All overrides that were placed on exactly this target.
    Target(TargetPattern),
}

/// Why an order is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OverrideRefusal {
    /// The configuration has nothing with this name. The second target is the closest name, if there is one.
    Unknown(TargetPattern, Option<TargetPattern>),
    /// It ends before it begins, or has ended already.
    Over,
    /// It has `over`, but is not a drain of endpoints.
    NotGradual,
    /// It forces a pool up for one name only.
    NotInName,
    /// [`MAX_OVERRIDES`] are placed already.
    TooMany,
    /// The reason is longer than [`MAX_REASON`], or `who` is longer than [`MAX_WHO`].
    TooLong,
    /// No such override is placed.
    NotPlaced(Selector),
    /// It is a window of the server file, and cannot be lifted while it is in the file.
    IsWindow(OverrideId),
}

impl fmt::Display for OverrideRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(target, None) => write!(f, "nothing is named {target}"),
            Self::Unknown(target, Some(meant)) => write!(f, "nothing is named {target}: did you mean {meant}?"),
            Self::Over => f.write_str("it would end before it begins, or has ended already"),
            Self::NotGradual => f.write_str("`over` is only for the drain of a dc:, pool: or endpoint:"),
            Self::NotInName => f.write_str("a pool in a name can be drained, forced down or opened, not forced up"),
            Self::TooMany => write!(f, "{MAX_OVERRIDES} overrides are placed, and that is the limit: lift some first"),
            Self::TooLong => {
                write!(f, "a reason may have at most {MAX_REASON} octets, and `who` at most {MAX_WHO}")
            }
            Self::NotPlaced(Selector::Id(id)) => write!(f, "there is no override {id}"),
            Self::NotPlaced(Selector::Target(target)) => write!(f, "no override is placed on {target}"),
            Self::IsWindow(id) => write!(f, "{id} is a window of the server file: change it there, or place an `open`"),
        }
    }
}

impl std::error::Error for OverrideRefusal {}

impl OverrideStore {
    /// All overrides: windows first, then placed ones in the order of their placement.
    pub fn all(&self) -> impl Iterator<Item = &Override> {
        self.windows.values().chain(self.placed.values())
    }

    /// The overrides that commands placed, to be kept for the next run.
    pub fn placed(&self) -> impl Iterator<Item = &Override> {
        self.placed.values()
    }

    /// True if the override was in force at the last change.
    pub fn is_in_force(&self, id: OverrideId) -> bool {
        self.in_force.contains(&id)
    }

    /// The effective overrides.
    pub fn effective_overrides(&self) -> &EffectiveOverrides {
        &self.effective_overrides
    }

    /// When an override begins or ends next.
    pub fn change_at(&self) -> Option<Duration> {
        self.change_at
    }

    /// True if an override may begin or end now, because its time has come or because the clock was set back since the
    /// last call.
    pub fn is_due(&mut self, now: Duration) -> bool {
        let was_set_back = now < std::mem::replace(&mut self.looked, now);
        was_set_back || self.change_at.is_some_and(|at| at <= now)
    }

    /// Places an override and returns the changes. If it is in force now, it replaces the overrides in force on exactly
    /// the same target.
    ///
    /// An `open` is kept only as an exception to a less specific override in force, and ends with it. Otherwise a
    /// forgotten `open` would cancel later windows.
    ///
    /// The caller must check that something in the configuration matches the target. `overlaps` returns true for an
    /// override whose target has something in common with this one's.
    pub fn place(
        &mut self,
        order: Order,
        now: Duration,
        overlaps: impl Fn(&Override) -> bool,
    ) -> Result<Vec<Change>, OverrideRefusal> {
        if order.is_over(now) || order.from.zip(order.until).is_some_and(|(from, until)| until <= from) {
            return Err(OverrideRefusal::Over);
        }
        if !order.is_well_timed() {
            return Err(OverrideRefusal::NotGradual);
        }
        if !order.fits_target() {
            return Err(OverrideRefusal::NotInName);
        }
        if order.reason.len() > MAX_REASON || order.who.len() > MAX_WHO {
            return Err(OverrideRefusal::TooLong);
        }
        let is_now = order.is_in_force(now);
        let gives_way = |item: &&Override| is_now && item.order.target == order.target && item.order.is_in_force(now);
        let replaced: Vec<OverrideId> = self.placed.values().filter(gives_way).map(|item| item.id).collect();
        if self.placed.len() - replaced.len() >= MAX_OVERRIDES {
            return Err(OverrideRefusal::TooMany);
        }
        let mut changes: Vec<Change> = replaced.iter().filter_map(|id| self.take(*id, &order.who)).collect();
        let number = self.next_number();
        let mut item = Override { id: OverrideId::Placed(number), made_at: now, order };
        if item.order.mode != Mode::Open || !is_now || self.is_exception(&mut item, overlaps) {
            self.last = number;
            self.placed.insert(item.id, item.clone());
            self.in_force.extend(is_now.then_some(item.id));
            changes.push(Change { happening: Happening::Placed, item });
        }
        self.settle(now);
        Ok(changes)
    }

    /// Lets the numbers of this node end with this tag, so that no two nodes of a fleet assign the same one.
    pub fn set_tag(&mut self, tag: u16) {
        self.tag = Some(tag % (1 << TAG_BITS));
    }

    fn next_number(&self) -> u64 {
        match self.tag {
            None => self.last + 1,
            Some(tag) => (((self.last >> TAG_BITS) + 1) << TAG_BITS) | u64::from(tag),
        }
    }

    /// Replaces all overrides that were placed on exactly this target by those that another node placed. `by` names the
    /// operator. Returns the changes. Nothing is checked: the files of this node may lack the target.
    pub fn follow(&mut self, target: &TargetPattern, items: Vec<Override>, by: &str, now: Duration) -> Vec<Change> {
        let new: BTreeMap<OverrideId, Override> =
            items.into_iter().filter(|item| !item.order.is_over(now)).map(|item| (item.id, item)).collect();
        let is_gone = |item: &&Override| {
            // A number that two nodes assigned belongs to the later order.
            new.get(&item.id).map_or(item.order.target == *target, |new| new != *item)
        };
        let gone: Vec<OverrideId> = self.placed.values().filter(is_gone).map(|item| item.id).collect();
        let mut changes: Vec<Change> = gone.into_iter().filter_map(|id| self.take(id, by)).collect();
        for (id, item) in new {
            if self.placed.contains_key(&id) {
                continue;
            }
            if let OverrideId::Placed(number) = id {
                self.last = self.last.max(number);
            }
            self.in_force.extend(item.order.is_in_force(now).then_some(id));
            self.placed.insert(id, item.clone());
            changes.push(Change { happening: Happening::Placed, item });
        }
        self.settle(now);
        changes
    }

    /// True if an `open` is an exception to overrides in force. An `open` without an end gets the latest end of these
    /// overrides, if all of them have an end.
    fn is_exception(&self, open: &mut Override, overlaps: impl Fn(&Override) -> bool) -> bool {
        let in_force = self.all().filter(|other| self.in_force.contains(&other.id));
        let excepted = in_force.filter(|other| other.cmp_precedence(open).is_lt() && overlaps(other));
        let ends: Vec<Option<Duration>> = excepted.map(|other| other.order.until).collect();
        let is_exception = !ends.is_empty();
        if open.order.until.is_none() {
            let ends: Option<Vec<Duration>> = ends.into_iter().collect();
            open.order.until = ends.and_then(|ends| ends.into_iter().max());
        }
        is_exception
    }

    /// Lifts overrides and returns the changes. Fails if there is none, or if it is a window.
    pub fn lift(&mut self, which: &Selector, who: &str, now: Duration) -> Result<Vec<Change>, OverrideRefusal> {
        let ids: Vec<OverrideId> = match which {
            Selector::Id(id) if self.windows.contains_key(id) => return Err(OverrideRefusal::IsWindow(*id)),
            Selector::Id(id) => vec![*id],
            Selector::Target(target) => {
                self.placed.values().filter(|item| item.order.target == *target).map(|item| item.id).collect()
            }
        };
        let changes: Vec<Change> = ids.into_iter().filter_map(|id| self.take(id, who)).collect();
        if changes.is_empty() {
            return Err(OverrideRefusal::NotPlaced(which.clone()));
        }
        self.settle(now);
        Ok(changes)
    }

    /// Takes in the overrides of the last run. New numbers continue after the greatest one.
    pub fn restore(&mut self, kept: impl IntoIterator<Item = Override>, now: Duration) -> Vec<Change> {
        for item in kept {
            if let OverrideId::Placed(number) = item.id {
                self.last = self.last.max(number);
                self.placed.insert(item.id, item);
            }
        }
        self.advance(now)
    }

    /// Replaces the windows by those of a new configuration.
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
        changes
    }

    /// The overrides that began or ended up to now.
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
        self.settle(now);
        changes
    }

    fn take(&mut self, id: OverrideId, who: &str) -> Option<Change> {
        let item = self.placed.remove(&id)?;
        self.in_force.remove(&id);
        Some(Change { happening: Happening::Lifted { by: who.into() }, item })
    }

    /// Computes the effective overrides, and the time of the next change.
    fn settle(&mut self, now: Duration) {
        let in_force = |item: &&Override| self.in_force.contains(&item.id);
        self.effective_overrides =
            EffectiveOverrides::new(self.windows.values().chain(self.placed.values()).filter(in_force));
        let borders = self.all().flat_map(|item| [item.order.from, item.order.until]).flatten();
        self.change_at = borders.filter(|at| *at > now).min();
    }
}

#[cfg(test)]
mod tests;
