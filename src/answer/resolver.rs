//! The state of a resolution in progress, which the parts of the algorithm share.

use super::Worker;
use super::resolution::{Resolution, Sname};
use crate::snapshot::Snapshot;
use crate::wire::Rtype;

/// A resolution under construction.
pub(super) struct Resolver<'a, 's> {
    pub(super) snapshot: &'s Snapshot,
    pub(super) worker: &'a mut Worker,
    pub(super) resolution: &'a mut Resolution<'s>,
    /// The hash of the last hop's name.
    pub(super) hash: u64,
}

impl<'s> Resolver<'_, 's> {
    pub(super) fn rtype(&self) -> Rtype {
        self.resolution.rtype
    }

    pub(super) fn key(&self, sname: Sname<'s>) -> &[u8] {
        self.resolution.octets(sname)
    }
}
