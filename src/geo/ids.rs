//! The ids of datacenters and regions, as types: no other number compiles in their place.

/// Maximum number of datacenters in a world. An id fits into an octet, and one value stays free.
pub const MAX_DATACENTERS: usize = 255;

/// A datacenter, as a position in the world's list. Another world may give it to another datacenter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DatacenterId(u8);

/// A region, as a position in its zone's [`Regions`](super::Regions).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RegionId(u32);

impl DatacenterId {
    /// The datacenter at this position, below [`MAX_DATACENTERS`].
    pub const fn from_index(index: usize) -> Self {
        Self(index as u8)
    }

    /// The position.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl RegionId {
    /// The region of clients that no region matches, if there is no `[regions.default]`.
    pub const NOWHERE: Self = Self(u32::MAX);

    /// The region at this position.
    pub const fn from_index(index: usize) -> Self {
        Self(index as u32)
    }

    /// The position. For [`Self::NOWHERE`] it is past the end of every list.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}
