//! The id of a pool. It is a type of its own, so that no other number can take its place by mistake.

/// A pool of a world: a position in [`World::pools`](super::World::pools). In another world, the same id may mean
/// another pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PoolId(u32);

impl PoolId {
    /// Returns the id of the pool at this position.
    pub const fn from_index(index: usize) -> Self {
        Self(index as u32)
    }

    /// Returns the position.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}
