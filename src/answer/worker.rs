//! What a worker keeps from query to query.

use std::hash::{BuildHasher, Hash, Hasher};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::wire::Rtype;

/// Counters that rotate answers; a power of two. Askers that share one by chance see one another's turns.
const TURNS: usize = 1 << 18;

/// Whose turn it is, for every asker and question, whichever worker and socket it meets. It outlives snapshots.
#[derive(Debug)]
pub struct Rotation {
    turns: Box<[AtomicU32]>,
    hasher: foldhash::fast::RandomState,
}

impl Default for Rotation {
    fn default() -> Self {
        Self { turns: (0..TURNS).map(|_| AtomicU32::new(0)).collect(), hasher: foldhash::fast::RandomState::default() }
    }
}

impl Rotation {
    /// How many answers this asker had to this question before.
    fn next(&self, asker: IpAddr, name: &[u8], rtype: Rtype) -> u32 {
        let mut hasher = self.hasher.build_hasher();
        asker.hash(&mut hasher);
        hasher.write(name);
        hasher.write_u16(rtype.0);
        // Relaxed: the counter guards nothing, and two questions at once may come in either order.
        self.turns[hasher.finish() as usize % TURNS].fetch_add(1, Ordering::Relaxed)
    }
}

/// One worker's own state: cheap to make, used by one thread at a time.
#[derive(Clone, Debug)]
pub struct Worker {
    rotation: Arc<Rotation>,
    random: fastrand::Rng,
}

impl Worker {
    /// A worker that shares turns with all others and draws from its own random numbers.
    pub fn new(rotation: Arc<Rotation>) -> Self {
        Self { rotation, random: fastrand::Rng::new() }
    }

    /// How many answers this asker had to this question before, from any worker.
    pub(super) fn turn(&self, asker: IpAddr, name: &[u8], rtype: Rtype) -> u32 {
        self.rotation.next(asker, name, rtype)
    }

    /// Random numbers for a decision that is made more than once: a clone gives the same ones again.
    pub(super) fn numbers(&mut self) -> fastrand::Rng {
        self.random.fork()
    }

    /// A uniform random number below `bound`.
    pub(super) fn draw(&mut self, bound: u32) -> u32 {
        self.random.u32(..bound)
    }
}
