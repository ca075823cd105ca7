//! The watched targets, each with a dense id.
//!
//! A target is a whole question: address, host, monitor. It is hashed whole once, when a configuration that holds it is
//! prepared; everything that is known of it is then found by its id. Configurations share the ids of the targets that
//! they share, so health survives a reload.
//!
//! The id of a forgotten target is given to another target. By then no configuration holds the target, and its probe is
//! stopped, so no outcome can still come for the id.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;

use crate::health::Target;

/// A watched target, as an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TargetId(u32);

impl TargetId {
    fn from_index(index: usize) -> Self {
        Self(index as u32)
    }

    fn index(self) -> usize {
        self.0 as usize
    }
}

/// A watched target, with its identity over restarts.
#[derive(Clone, Debug)]
pub struct Watched {
    target: Arc<Target>,
    fingerprint: u128,
    question: u128,
    hostless: u128,
}

impl Watched {
    /// A target that will be watched.
    pub fn new(target: Arc<Target>) -> Self {
        let (fingerprint, question) = (target.fingerprint(), target.question_fingerprint());
        Self { fingerprint, question, hostless: target.hostless_fingerprint(), target }
    }

    /// The target.
    pub fn target(&self) -> &Arc<Target> {
        &self.target
    }

    /// The target's [`Target::fingerprint`].
    pub fn fingerprint(&self) -> u128 {
        self.fingerprint
    }

    /// The target's [`Target::question_fingerprint`].
    pub fn question(&self) -> u128 {
        self.question
    }

    /// The target's [`Target::hostless_fingerprint`].
    pub fn hostless(&self) -> u128 {
        self.hostless
    }
}

/// All watched targets.
#[derive(Debug, Default)]
pub(super) struct Targets {
    ids: HashMap<Arc<Target>, TargetId, RandomState>,
    watched: TargetMap<Watched>,
    /// The ids below the highest one that are not in use.
    free: Vec<TargetId>,
}

impl Targets {
    /// The id of a target, and true if it is new.
    pub(super) fn add(&mut self, target: &Target) -> (TargetId, bool) {
        if let Some(&id) = self.ids.get(target) {
            return (id, false);
        }
        let id = self.free.pop().unwrap_or_else(|| TargetId::from_index(self.ids.len()));
        let target = Arc::new(target.clone());
        self.watched.insert(id, Watched::new(target.clone()));
        self.ids.insert(target, id);
        (id, true)
    }

    /// The id of a target; `None` if it is not watched.
    pub(super) fn find(&self, target: &Target) -> Option<TargetId> {
        self.ids.get(target).copied()
    }

    /// The watched target with this id; `None` if it was forgotten.
    pub(super) fn get(&self, id: TargetId) -> Option<&Watched> {
        self.watched.get(id)
    }

    /// All watched targets.
    pub(super) fn iter(&self) -> impl Iterator<Item = (TargetId, &Watched)> {
        self.watched.iter()
    }

    /// Forgets the targets that `keep` rejects.
    pub(super) fn retain(&mut self, keep: impl Fn(TargetId) -> bool) {
        let Self { ids, watched, free } = self;
        ids.retain(|_, id| keep(*id));
        watched.retain(|id, _| {
            let stays = keep(id);
            free.extend((!stays).then_some(id));
            stays
        });
    }
}

/// Values by target. Sets of targets have the value `()`.
#[derive(Clone, Debug)]
pub struct TargetMap<T> {
    values: Vec<Option<T>>,
    count: usize,
}

impl<T> Default for TargetMap<T> {
    fn default() -> Self {
        Self { values: Vec::new(), count: 0 }
    }
}

impl<T> TargetMap<T> {
    /// The value of a target, if it has one.
    pub fn get(&self, id: TargetId) -> Option<&T> {
        self.values.get(id.index())?.as_ref()
    }

    /// The value of a target, for changes.
    pub fn get_mut(&mut self, id: TargetId) -> Option<&mut T> {
        self.values.get_mut(id.index())?.as_mut()
    }

    /// True if the target has a value.
    pub fn contains(&self, id: TargetId) -> bool {
        self.get(id).is_some()
    }

    /// Sets the value of a target. Returns the earlier value, if there was one.
    pub fn insert(&mut self, id: TargetId, value: T) -> Option<T> {
        if self.values.len() <= id.index() {
            self.values.resize_with(id.index() + 1, || None);
        }
        let before = self.values[id.index()].replace(value);
        self.count += usize::from(before.is_none());
        before
    }

    /// The value of a target, for changes. Sets the default if there is no value.
    pub fn entry(&mut self, id: TargetId) -> &mut T
    where
        T: Default,
    {
        if !self.contains(id) {
            self.insert(id, T::default());
        }
        self.values[id.index()].get_or_insert_default()
    }

    /// Removes the value of a target, and returns it if there was one.
    pub fn remove(&mut self, id: TargetId) -> Option<T> {
        let before = self.values.get_mut(id.index())?.take();
        self.count -= usize::from(before.is_some());
        before
    }

    /// Removes the values that `keep` rejects.
    pub fn retain(&mut self, mut keep: impl FnMut(TargetId, &T) -> bool) {
        for (index, slot) in self.values.iter_mut().enumerate() {
            if slot.take_if(|value| !keep(TargetId::from_index(index), value)).is_some() {
                self.count -= 1;
            }
        }
    }

    /// Removes all values.
    pub fn clear(&mut self) {
        if !self.is_empty() {
            *self = Self::default();
        }
    }

    /// True if no target has a value.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The number of targets with a value.
    pub fn len(&self) -> usize {
        self.count
    }

    /// All values, in the order of the ids.
    pub fn iter(&self) -> impl Iterator<Item = (TargetId, &T)> {
        let values = self.values.iter().enumerate();
        values.filter_map(|(index, value)| Some((TargetId::from_index(index), value.as_ref()?)))
    }

    /// All values, for changes.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.values.iter_mut().flatten()
    }

    /// The targets with a value, in the order of their ids.
    pub fn ids(&self) -> impl Iterator<Item = TargetId> {
        self.iter().map(|(id, _)| id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::{Check, Monitor};

    fn target(port: u16) -> Target {
        Target {
            address: std::net::SocketAddr::from(([127, 0, 0, 1], port)).into(),
            host: "a".into(),
            monitor: Monitor::new(Check::Icmp, port).into(),
        }
    }

    #[test]
    fn a_target_keeps_its_id_and_ids_stay_dense() {
        let mut targets = Targets::default();
        let ids: Vec<TargetId> = (0..4).map(|port| targets.add(&target(port)).0).collect();
        assert_eq!(targets.add(&target(2)), (ids[2], false));
        targets.retain(|id| id != ids[1]);
        assert!(targets.get(ids[1]).is_none());
        assert_eq!(targets.add(&target(2)), (ids[2], false));
        assert_eq!(targets.add(&target(7)), (ids[1], true), "a free id is given first");
        assert_eq!(targets.add(&target(8)).0.index(), 4);
        assert_eq!(targets.get(ids[1]).unwrap().target().address.port(), 7);
    }

    #[test]
    fn a_map_counts_its_values() {
        let (first, last) = (TargetId(0), TargetId(9));
        let mut map = TargetMap::default();
        assert!(map.is_empty() && map.remove(last).is_none());
        assert_eq!((map.insert(last, 1), map.insert(last, 2), map.insert(first, 3)), (None, Some(1), None));
        assert_eq!(map.iter().collect::<Vec<_>>(), [(first, &3), (last, &2)]);
        map.retain(|id, _| id == last);
        assert_eq!((map.len(), map.get(first), map.contains(last)), (1, None, true));
        *map.entry(first) += 5;
        assert_eq!((map.len(), map.remove(first), map.remove(first)), (2, Some(5), None));
        map.clear();
        assert!(map.is_empty() && map.ids().next().is_none());
    }
}
