//! A table of names: lower case, without duplicates, numbered.
//!
//! A zone of a million names consists mostly of names. So all names are stored in one list of octets, and the hash
//! table has eight octets per slot.
//!
//! To find the closest encloser of a name, its ends are looked up, the longest first. Most of them have a length that
//! no name of the table has, so they need no hash.

use crate::name::{KeyHasher, MAX_NAME_LENGTH, is_same_key};

/// The `id` of a free slot.
const NONE: u32 = u32::MAX;

/// Minimum number of slots of a table that is not empty.
const MIN_SLOTS: usize = 8;

/// Names in wire format, numbered from 0.
#[derive(Clone, Debug)]
pub struct Names {
    octets: Vec<u8>,
    /// The beginning of each name in `octets`.
    starts: Vec<usize>,
    /// The hash table. Its length is a power of two, and at most three quarters of its slots are in use. It is empty if
    /// there are no names.
    slots: Vec<Slot>,
    /// The lengths of the names in octets: bit `n` is set if a name has `n` octets. Each number holds 64 bits, lowest
    /// first.
    lengths: [u64; MAX_NAME_LENGTH / 64 + 1],
    hasher: KeyHasher,
}

impl Default for Names {
    fn default() -> Self {
        let lengths = [0; MAX_NAME_LENGTH / 64 + 1];
        Self { octets: Vec::new(), starts: Vec::new(), slots: Vec::new(), lengths, hasher: KeyHasher::random() }
    }
}

/// A slot of the hash table. A name is in the slot that its hash selects, or in the first free one after it.
#[derive(Clone, Copy, Debug)]
struct Slot {
    /// The lower half of the hash. It selects the slot, and it distinguishes most names without comparing them.
    hash: u32,
    id: u32,
}

const FREE: Slot = Slot { hash: 0, id: NONE };

impl Names {
    /// Returns the number of names.
    pub(super) fn len(&self) -> usize {
        self.starts.len()
    }

    /// Returns the name with this number.
    pub(super) fn get(&self, id: u32) -> &[u8] {
        let start = self.starts[id as usize];
        let end = self.starts.get(id as usize + 1).copied().unwrap_or(self.octets.len());
        &self.octets[start..end]
    }

    /// Returns all names, in the order of their numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len() as u32).map(|id| self.get(id))
    }

    /// Returns the number of a name in lower case; `None` if the table does not hold it.
    #[inline]
    pub fn find(&self, key: &[u8]) -> Option<u32> {
        let is_length = self.lengths.get(key.len() / 64).is_some_and(|lengths| lengths >> (key.len() % 64) & 1 == 1);
        if is_length { self.find_of_length(key) } else { None }
    }

    /// Returns the same for a name of a length that names of the table have.
    #[inline(never)]
    fn find_of_length(&self, key: &[u8]) -> Option<u32> {
        self.seek(self.hash(key), key).ok()
    }

    /// Returns the number of the name that a search for this one compares first; `None` if it compares none.
    pub(super) fn first_candidate(&self, key: &[u8]) -> Option<u32> {
        let mask = self.slots.len().checked_sub(1)?;
        Some(self.slots[self.hash(key) as usize & mask].id).filter(|id| *id != NONE)
    }

    /// Adds a name in lower case. Returns its number, and true if it is new.
    pub fn insert(&mut self, key: &[u8]) -> (u32, bool) {
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
                self.lengths[key.len() / 64] |= 1 << (key.len() % 64);
                (id, true)
            }
        }
    }

    /// Frees the memory that is reserved for further names.
    pub(super) fn shrink(&mut self) {
        self.octets.shrink_to_fit();
        self.starts.shrink_to_fit();
    }

    #[inline]
    fn hash(&self, key: &[u8]) -> u32 {
        self.hasher.hash(key) as u32
    }

    /// Returns the number of a name. If the table does not hold it, fails with the index of the free slot for it.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "each query looks up two names, and a call costs a quarter of that")]
    fn seek(&self, hash: u32, key: &[u8]) -> Result<u32, usize> {
        let Some(mask) = self.slots.len().checked_sub(1) else { return Err(0) };
        let mut at = hash as usize & mask;
        loop {
            let slot = self.slots[at];
            if slot.id == NONE {
                return Err(at);
            }
            if slot.hash == hash && self.holds(slot.id, key) {
                return Ok(slot.id);
            }
            at = (at + 1) & mask;
        }
    }

    /// True if there is a name with this number, and it is `key`. Each name ends with the root, so no name is the beginning
    /// of another one.
    #[inline]
    pub(super) fn holds(&self, id: u32, key: &[u8]) -> bool {
        let Some(&start) = self.starts.get(id as usize) else { return false };
        self.octets.get(start..start + key.len()).is_some_and(|name| is_same_key(name, key))
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

/// True if both hold the same names with the same numbers.
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
        assert_eq!((names.find(b"\x01a\0"), names.find(&[1; 300])), (None, None), "no name has this length");
        assert_eq!(names.iter().count(), 1000);
        assert!(names == names.clone());
    }
}
