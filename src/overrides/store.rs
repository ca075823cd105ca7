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

/// Maximum number of octets of `who`.
pub const MAX_WHO: usize = 128;

/// The overrides that commands placed, and the windows of the server file.
#[derive(Clone, Debug, Default)]
pub struct OverrideStore {
    placed: BTreeMap<OverrideId, Override>,
    windows: BTreeMap<OverrideId, Override>,
    /// The last number that was assigned.
    last: u64,
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
        let mut item = Override { id: OverrideId::Placed(self.last + 1), made_at: now, order };
        if item.order.mode != Mode::Open || !is_now || self.is_exception(&mut item, overlaps) {
            self.last += 1;
            self.placed.insert(item.id, item.clone());
            self.in_force.extend(is_now.then_some(item.id));
            changes.push(Change { happening: Happening::Placed, item });
        }
        self.settle(now);
        Ok(changes)
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
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1_796_090_400);
    const HOUR: Duration = Duration::from_secs(3600);

    fn order(mode: Mode, target: &str) -> Order {
        let target = target.parse().unwrap();
        Order { mode, target, from: None, until: None, over: None, reason: "test".into(), who: "ada".into() }
    }

    fn place(store: &mut OverrideStore, order: Order, now: Duration) -> Vec<String> {
        told(&store.place(order, now, |_| true).unwrap())
    }

    fn told(changes: &[Change]) -> Vec<String> {
        let tell = |Change { happening, item }: &Change| {
            format!("{} {} {} {}", happening.as_str(), item.id, item.order.mode, item.order.target)
        };
        changes.iter().map(tell).collect()
    }

    fn effective_override(store: &OverrideStore, endpoint: &str) -> Option<Mode> {
        store
            .effective_overrides()
            .of_endpoint(Some("fra"), "web/fra", || endpoint.to_owned())
            .map(|item| item.order.mode)
    }

    #[test]
    fn what_is_placed_counts_until_it_ends() {
        let mut store = OverrideStore::default();
        let drain = Order { until: Some(NOW + HOUR), ..order(Mode::Drain, "dc:fra") };
        assert_eq!(place(&mut store, drain, NOW), ["placed 1 drain dc:fra"]);
        assert_eq!(effective_override(&store, "192.0.2.1"), Some(Mode::Drain));
        assert_eq!(store.change_at(), Some(NOW + HOUR));
        assert!(store.advance(NOW + HOUR - Duration::from_nanos(1)).is_empty());
        assert_eq!(told(&store.advance(NOW + HOUR)), ["ended 1 drain dc:fra"]);
        assert_eq!((effective_override(&store, "192.0.2.1"), store.change_at(), store.all().count()), (None, None, 0));
    }

    #[test]
    fn what_is_scheduled_waits_for_its_time() {
        let mut store = OverrideStore::default();
        let later = Order { from: Some(NOW + HOUR), until: Some(NOW + HOUR * 2), ..order(Mode::Drain, "dc:fra") };
        assert_eq!(place(&mut store, later, NOW), ["placed 1 drain dc:fra"]);
        assert_eq!((effective_override(&store, "192.0.2.1"), store.change_at()), (None, Some(NOW + HOUR)));
        place(&mut store, order(Mode::ForceUp, "dc:fra"), NOW);
        assert_eq!(store.all().count(), 2, "an override that has not begun is not replaced");
        assert_eq!(told(&store.advance(NOW + HOUR)), ["began 1 drain dc:fra"]);
        assert_eq!(effective_override(&store, "192.0.2.1"), Some(Mode::ForceUp), "the one made last");
        assert_eq!(told(&store.advance(NOW + HOUR * 2)), ["ended 1 drain dc:fra"]);
    }

    #[test]
    fn what_was_said_of_the_same_target_gives_way() {
        let mut store = OverrideStore::default();
        place(&mut store, order(Mode::Drain, "dc:fra"), NOW);
        let told = place(&mut store, order(Mode::ForceDown, "dc:fra"), NOW);
        assert_eq!(told, ["lifted 1 drain dc:fra", "placed 2 force-down dc:fra"]);
    }

    #[test]
    fn open_undoes_and_is_kept_only_as_an_exception() {
        let mut store = OverrideStore::default();
        place(&mut store, order(Mode::Drain, "pool:web/fra"), NOW);
        place(&mut store, order(Mode::ForceDown, "endpoint:192.0.2.9"), NOW);
        assert_eq!(place(&mut store, order(Mode::Open, "pool:web/fra"), NOW), ["lifted 1 drain pool:web/fra"]);
        assert!(place(&mut store, order(Mode::Open, "pool:web/fra"), NOW).is_empty(), "it is open");
        place(&mut store, order(Mode::Drain, "dc:fra"), NOW);
        place(&mut store, order(Mode::Open, "pool:web/fra"), NOW);
        assert_eq!((effective_override(&store, "192.0.2.1"), store.change_at()), (Some(Mode::Open), None));
        let apart = store.place(order(Mode::Open, "pool:web/iad"), NOW, |_| false).unwrap();
        assert!(apart.is_empty(), "what drains elsewhere needs no exception here");
    }

    #[test]
    fn an_exception_ends_with_what_it_is_an_exception_from() {
        let mut store = OverrideStore::default();
        let window = |hours: std::ops::Range<u32>| {
            let (from, until) = (Some(NOW + HOUR * hours.start), Some(NOW + HOUR * hours.end));
            Order { from, until, ..order(Mode::Drain, "dc:fra") }
        };
        store.set_windows(&[window(0..2), window(5..6)], NOW);
        place(&mut store, Order { until: Some(NOW + HOUR), ..order(Mode::Drain, "dc:f*") }, NOW);
        place(&mut store, order(Mode::Open, "dc:fra"), NOW);
        assert_eq!(effective_override(&store, "192.0.2.1"), Some(Mode::Open));
        store.advance(NOW + HOUR * 2);
        assert_eq!(effective_override(&store, "192.0.2.1"), None);
        store.advance(NOW + HOUR * 5);
        assert_eq!(effective_override(&store, "192.0.2.1"), Some(Mode::Drain), "the next window has its effect");
        let own = Order { until: Some(NOW + HOUR * 9), ..order(Mode::Open, "dc:fra") };
        place(&mut store, own, NOW + HOUR * 5);
        store.advance(NOW + HOUR * 7);
        assert_eq!(store.change_at(), Some(NOW + HOUR * 9), "its own end counts");
    }

    #[test]
    fn what_is_not_taken() {
        let mut store = OverrideStore::default();
        let drain = || order(Mode::Drain, "dc:fra");
        let refusal = |store: &mut OverrideStore, order| store.place(order, NOW, |_| true).unwrap_err();
        assert_eq!(refusal(&mut store, Order { until: Some(NOW), ..drain() }), OverrideRefusal::Over);
        let (from, until) = (Some(NOW + HOUR), Some(NOW + HOUR));
        assert_eq!(refusal(&mut store, Order { from, until, ..drain() }), OverrideRefusal::Over);
        let over = Some(HOUR);
        for order in [order(Mode::ForceDown, "dc:fra"), order(Mode::Drain, "name:www.example.com")] {
            assert_eq!(refusal(&mut store, Order { over, ..order }), OverrideRefusal::NotGradual);
        }
        let at_once = Order { over: Some(Duration::ZERO), ..drain() };
        assert_eq!(refusal(&mut store, at_once), OverrideRefusal::NotGradual);
        let reason = "r".repeat(MAX_REASON + 1).into();
        assert_eq!(refusal(&mut store, Order { reason, ..drain() }), OverrideRefusal::TooLong);
        let who = "w".repeat(MAX_WHO + 1).into();
        assert_eq!(refusal(&mut store, Order { who, ..drain() }), OverrideRefusal::TooLong);
        let full = (1..=MAX_OVERRIDES as u64).map(|number| Override {
            id: OverrideId::Placed(number),
            made_at: NOW,
            order: order(Mode::Drain, &format!("endpoint:2001:db8::{number:x}")),
        });
        store.restore(full, NOW);
        assert_eq!(refusal(&mut store, drain()), OverrideRefusal::TooMany);
        place(&mut store, order(Mode::Open, "endpoint:2001:db8::7"), NOW);
        assert_eq!(effective_override(&store, "2001:db8::7"), Some(Mode::Open), "one that replaces another has room");
    }

    #[test]
    fn windows_stand_beside_what_is_placed_and_commands_go_before_them() {
        let mut store = OverrideStore::default();
        let window = Order { from: Some(NOW), until: Some(NOW + HOUR), ..order(Mode::Drain, "dc:fra") };
        assert_eq!(told(&store.set_windows(std::slice::from_ref(&window), NOW)), ["began window-1 drain dc:fra"]);
        assert!(store.set_windows(std::slice::from_ref(&window), NOW).is_empty(), "a reload that changes nothing");
        let id = OverrideId::Window(1);
        assert_eq!(store.lift(&Selector::Id(id), "ada", NOW), Err(OverrideRefusal::IsWindow(id)));
        place(&mut store, order(Mode::Open, "dc:fra"), NOW);
        assert_eq!(effective_override(&store, "192.0.2.1"), Some(Mode::Open));
        store.lift(&Selector::Target("dc:fra".parse().unwrap()), "ada", NOW).unwrap();
        assert_eq!(effective_override(&store, "192.0.2.1"), Some(Mode::Drain));
        assert_eq!(told(&store.set_windows(&[], NOW)), ["ended window-1 drain dc:fra"]);
        assert_eq!(told(&store.set_windows(&[window], NOW + HOUR)), [""; 0]);
    }

    #[test]
    fn what_is_kept_over_a_restart_counts_and_its_numbers_are_not_given_again() {
        let mut store = OverrideStore::default();
        let short = Order { until: Some(NOW + HOUR), ..order(Mode::Drain, "dc:fra") };
        place(&mut store, short, NOW);
        place(&mut store, order(Mode::ForceDown, "endpoint:192.0.2.1"), NOW);
        let kept: Vec<Override> = store.placed().cloned().collect();
        let mut next = OverrideStore::default();
        let changes = next.restore(kept, NOW + HOUR);
        assert_eq!(told(&changes), ["ended 1 drain dc:fra", "began 2 force-down endpoint:192.0.2.1"]);
        assert_eq!(effective_override(&next, "192.0.2.1"), Some(Mode::ForceDown));
        assert_eq!(place(&mut next, order(Mode::Drain, "dc:fra"), NOW), ["placed 3 drain dc:fra"]);
        let nowhere = Selector::Id(OverrideId::Placed(9));
        assert_eq!(next.lift(&nowhere, "ada", NOW), Err(OverrideRefusal::NotPlaced(nowhere)));
    }

    #[test]
    fn what_has_a_date_keeps_it_when_the_clock_is_set() {
        let mut store = OverrideStore::default();
        let window = Order { from: Some(NOW + HOUR), until: Some(NOW + HOUR * 2), ..order(Mode::Drain, "dc:fra") };
        store.set_windows(&[window], NOW);
        place(&mut store, Order { until: Some(NOW + HOUR * 3), ..order(Mode::ForceDown, "dc:iad") }, NOW);
        assert!(!store.is_due(NOW) && !store.is_due(NOW + Duration::from_secs(1)));
        assert!(store.is_due(NOW + HOUR));
        assert_eq!(told(&store.advance(NOW + HOUR)), ["began window-1 drain dc:fra"]);
        assert!(store.is_due(NOW), "set back");
        assert_eq!(told(&store.advance(NOW)), ["ended window-1 drain dc:fra"]);
        assert!(!store.is_due(NOW));
        assert_eq!(store.change_at(), Some(NOW + HOUR));
        assert!(store.is_due(NOW + HOUR * 9));
        assert_eq!(told(&store.advance(NOW + HOUR * 9)), ["ended 1 force-down dc:iad"]);
    }

    #[test]
    fn ids_are_read_as_they_are_written() {
        for id in [OverrideId::Window(3), OverrideId::Placed(12)] {
            assert_eq!(id.to_string().parse(), Ok(id));
        }
    }
}
