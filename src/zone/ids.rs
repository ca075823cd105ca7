//! Numbers of steered names and of their plans, as types: one does not compile where the other is due.

/// A plan, by its place in the snapshot's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PlanId(u32);

/// A steered name, by its place among all of the snapshot's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NameId(u32);

impl PlanId {
    /// The plan in this place.
    pub const fn from_index(index: usize) -> Self {
        Self(index as u32)
    }

    /// Its place.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl NameId {
    /// The name in this place.
    pub const fn from_index(index: usize) -> Self {
        Self(index as u32)
    }

    /// Its place.
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// The name so many places behind this one.
    pub const fn after(self, places: u32) -> Self {
        Self(self.0 + places)
    }
}
