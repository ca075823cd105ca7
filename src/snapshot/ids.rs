//! The id of a pool, as a type: no other number compiles in its place.

/// A pool of a world, as a position in [`World::pools`](super::World::pools). Another world may give it to another pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PoolId(u32);

impl PoolId {
    /// The pool at this position.
    pub const fn from_index(index: usize) -> Self {
        Self(index as u32)
    }

    /// The position.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}
