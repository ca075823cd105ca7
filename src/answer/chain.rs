//! What a chain of CNAME and DNAME records has met, so that it ends and no record is given twice.

use crate::name::MAX_NAME_LENGTH;
use crate::wire::{Message, Owner};
use crate::zone::Rrset;

/// CNAME records that an answer follows at most, synthesised ones included: more than a sane chain has, and what was
/// gathered still fits a datagram in most cases.
const MAX_CHAIN: usize = 16;

/// What a chain has met so far, so that no record is given twice.
#[derive(Default)]
pub(super) struct Chain<'s> {
    names: [Option<Owner>; MAX_CHAIN],
    dnames: [Option<&'s Rrset>; MAX_CHAIN],
    length: usize,
}

impl<'s> Chain<'s> {
    /// Remembers a name that was looked up, and the DNAME that redirected it.
    pub(super) fn push(&mut self, name: Owner, dname: Option<&'s Rrset>) {
        self.names[self.length] = Some(name);
        self.dnames[self.length] = dname;
        self.length += 1;
    }

    pub(super) fn is_full(&self) -> bool {
        self.length == MAX_CHAIN
    }

    pub(super) fn has_name(&self, message: &Message<'_>, name: &[u8]) -> bool {
        let mut key = [0; MAX_NAME_LENGTH];
        self.names.iter().flatten().any(|&seen| {
            let length = message.read_name(seen, &mut key);
            key[..length] == *name
        })
    }

    pub(super) fn has_dname(&self, dname: &Rrset) -> bool {
        self.dnames.iter().flatten().any(|seen| std::ptr::eq(*seen, dname))
    }
}
