//! Indexes of steered names and of their plans, as types: one does not compile in the place of the other.

/// The plan of a steered name, as an index in the snapshot's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PlanId(u32);

/// A zone, as an index in the snapshot's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ZoneId(u32);

/// A steered name, as an index among all steered names of the snapshot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NameId(u32);

impl PlanId {
    /// The plan with this index.
    pub const fn from_index(index: usize) -> Self {
        Self(index as u32)
    }

    /// The index.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl ZoneId {
    /// The zone with this index.
    pub const fn from_index(index: usize) -> Self {
        Self(index as u32)
    }

    /// The index.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl NameId {
    /// The name with this index.
    pub const fn from_index(index: usize) -> Self {
        Self(index as u32)
    }

    /// The index.
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// The name whose index is this much higher.
    pub const fn after(self, distance: u32) -> Self {
        Self(self.0 + distance)
    }
}
