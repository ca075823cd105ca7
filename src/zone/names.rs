//! A table of names: each in lower case, each once, by its place.
//!
//! A zone of a million names is mostly names. So they stand one behind the other in one list of octets, and the table of their
//! hashes has eight octets a slot.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::RandomState;

/// No name.
const NONE: u32 = u32::MAX;

/// Slots of a table that holds anything, at least.
const MIN_SLOTS: usize = 8;

/// Names in wire format, by their number from 0.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    octets: Vec<u8>,
    /// Where each begins in `octets`.
    starts: Vec<usize>,
    /// A power of two of them, at most three quarters in use; none while there is no name.
    slots: Vec<Slot>,
    hasher: RandomState,
}

/// A name's place in the table, right behind the one that its hash says or the first free one after that.
#[derive(Clone, Copy, Debug)]
struct Slot {
    /// The hash's low half. It finds the slot, and it tells most other names apart without a look at them.
    hash: u32,
    id: u32,
}

const FREE: Slot = Slot { hash: 0, id: NONE };

impl Names {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.starts.len()
    }

    /// The name of this number.
    pub(super) fn get(&self, id: u32) -> &[u8] {
        let start = self.starts[id as usize];
        let end = self.starts.get(id as usize + 1).copied().unwrap_or(self.octets.len());
        &self.octets[start..end]
    }

    /// All names, in the order of their numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len() as u32).map(|id| self.get(id))
    }

    /// The number of a name in lower case.
    pub(super) fn find(&self, key: &[u8]) -> Option<u32> {
        self.seek(self.hash(key), key).ok()
    }

    /// The number of a name in lower case, and whether it is a new one.
    pub(super) fn insert(&mut self, key: &[u8]) -> (u32, bool) {
        if (self.len() + 1) * 4 > self.slots.len() * 3 {
            self.grow();
        }
        let hash = self.hash(key);
        match self.seek(hash, key) {
            Ok(id) => (id, false),
            Err(free) => {
                let id = self.len() as u32;
                self.slots[free] = Slot { hash, id };
                self.starts.push(self.octets.len());
                self.octets.extend_from_slice(key);
                (id, true)
            }
        }
    }

    /// Gives back what is kept for further names.
    pub(super) fn shrink(&mut self) {
        self.octets.shrink_to_fit();
        self.starts.shrink_to_fit();
    }

    fn hash(&self, key: &[u8]) -> u32 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(key);
        hasher.finish() as u32
    }

    /// The number of a name, or the free slot that it belongs into.
    fn seek(&self, hash: u32, key: &[u8]) -> Result<u32, usize> {
        let Some(mask) = self.slots.len().checked_sub(1) else { return Err(0) };
        let mut at = hash as usize & mask;
        loop {
            let slot = self.slots[at];
            if slot.id == NONE {
                return Err(at);
            }
            if slot.hash == hash && self.get(slot.id) == key {
                return Ok(slot.id);
            }
            at = (at + 1) & mask;
        }
    }

    fn grow(&mut self) {
        let mut slots = vec![FREE; (self.slots.len() * 2).max(MIN_SLOTS)];
        let mask = slots.len() - 1;
        for slot in self.slots.iter().filter(|slot| slot.id != NONE) {
            let mut at = slot.hash as usize & mask;
            while slots[at].id != NONE {
                at = (at + 1) & mask;
            }
            slots[at] = *slot;
        }
        self.slots = slots;
    }
}

/// Whether both hold the same names under the same numbers.
impl PartialEq for Names {
    fn eq(&self, other: &Self) -> bool {
        self.starts == other.starts && self.octets == other.octets
    }
}

impl Eq for Names {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_by_themselves_alone() {
        let mut names = Names::default();
        assert_eq!(names.find(b"\0"), None);
        let name = |number: u32| [&[4][..], &number.to_be_bytes(), &[0]].concat();
        for number in 0..1000 {
            assert_eq!(names.insert(&name(number)), (number, true));
            assert_eq!(names.insert(&name(number)), (number, false));
        }
        names.shrink();
        assert!((0..1000).all(|number| names.find(&name(number)) == Some(number) && names.get(number) == name(number)));
        assert_eq!(names.find(&name(1000)), None);
        assert_eq!(names.iter().count(), 1000);
        assert!(names == names.clone());
    }
}
