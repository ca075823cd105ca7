//! The steered names of a snapshot.

use std::collections::{BTreeSet, HashMap};

use crate::name::Name;
use crate::snapshot::{Plan, Snapshot};
use crate::wire::Rtype;
use crate::zone::{Dynamic, Found, NameId, Node, PlanId};

/// A steered owner name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Owner<'a> {
    pub(super) name: &'a Name,
    /// Its plan, and its number among all steered names. Both are the same in every snapshot of this world.
    pub(super) steered: (PlanId, NameId),
}

/// All steered names, in the order of the configuration.
pub(super) struct Owners<'a> {
    snapshot: &'a Snapshot,
    pub(super) list: Vec<Owner<'a>>,
    by_id: HashMap<NameId, usize>,
}

impl<'a> Owners<'a> {
    pub(super) fn new(snapshot: &'a Snapshot) -> Self {
        let mut owners = Self { snapshot, list: Vec::new(), by_id: HashMap::new() };
        for (served, spec) in snapshot.zones().iter().zip(&snapshot.world().zones) {
            for name in &*spec.names {
                let Some(node) = served.zone.node(&name.owner.to_key()) else { continue };
                let Some(steered) = steered(node) else { continue };
                owners.by_id.insert(steered.1, owners.list.len());
                owners.list.push(Owner { name: &name.owner, steered });
            }
        }
        owners
    }

    /// Returns the index of the owner that answers for a name: the name itself, or the wildcard above it.
    pub(super) fn find(&self, name: &Name) -> Option<usize> {
        let (_, id) = find(self.snapshot, name)?;
        self.of_id(id)
    }

    /// Returns the index of a steered name.
    pub(super) fn of_id(&self, id: NameId) -> Option<usize> {
        self.by_id.get(&id).copied()
    }

    /// Returns the indices of the owners that answer for these names; all if there are no names. Fails if a name is not
    /// steered here.
    pub(super) fn choose(&self, names: &[Name]) -> Result<BTreeSet<usize>, String> {
        if names.is_empty() {
            return Ok((0..self.list.len()).collect());
        }
        names.iter().map(|name| self.find(name).ok_or_else(|| format!("{name} is not steered here"))).collect()
    }

    pub(super) fn plan(&self, place: usize) -> &'a Plan {
        let (plan, name) = self.list[place].steered;
        self.snapshot.plan(plan, name)
    }
}

/// Returns the plan and number of the steered name that answers for this name; `None` if it is not steered here.
pub(super) fn find(snapshot: &Snapshot, name: &Name) -> Option<(PlanId, NameId)> {
    steered(find_node(snapshot, &name.to_key(), Rtype::A)?)
}

/// Returns the plan and number of a steered node; `None` for others.
fn steered(node: Node<'_>) -> Option<(PlanId, NameId)> {
    match node.dynamic() {
        Dynamic::Steered(plan, name) => Some((plan, name)),
        Dynamic::Reflect | Dynamic::None => None,
    }
}

/// Returns the node that answers questions for this name and type here.
fn find_node<'a>(snapshot: &'a Snapshot, key: &[u8], rtype: Rtype) -> Option<Node<'a>> {
    match snapshot.find_zone(key)?.zone.look_up(key, rtype) {
        Found::Node { node, .. } => Some(node),
        Found::Cut { .. } | Found::Dname { .. } | Found::Nothing { .. } => None,
    }
}
