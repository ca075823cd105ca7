//! Indexes of zones, of steered names and of their plans. Each is a type of its own, so that one does not compile in
//! the place of another.

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
    /// Returns the plan with this index.
    pub const fn from_index(index: usize) -> Self {
        Self(index as u32)
    }

    /// Returns the index.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl ZoneId {
    /// Returns the zone with this index.
    pub const fn from_index(index: usize) -> Self {
        Self(index as u32)
    }

    /// Returns the index.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl NameId {
    /// Returns the name with this index.
    pub const fn from_index(index: usize) -> Self {
        Self(index as u32)
    }

    /// Returns the index.
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// Returns the name whose index is higher by `distance`.
    pub const fn after(self, distance: u32) -> Self {
        Self(self.0 + distance)
    }
}
