//! Keys: names in wire format and lower case, as tables hold them.
//!
//! Every query's name becomes a key, is hashed, and is compared. So all three take many octets at a time, and call nothing.

use std::hash::{BuildHasher, RandomState};

use super::MAX_NAME_LENGTH;

/// Turns a name in wire format into lower case, the key of the name in tables: many octets at a time, because every
/// query's name comes through here. Length octets are at most 63, so none of them is a letter.
#[inline]
pub(crate) fn make_key(wire: &mut [u8]) {
    /// Turns whole parts into lower case, and the last octets as one more part, which overlaps with the octets before.
    #[inline]
    fn lower<const PART: usize>(octets: &mut [u8]) {
        let lower = |part: &mut [u8; PART]| part.iter_mut().for_each(|octet| *octet = octet.to_ascii_lowercase());
        octets.as_chunks_mut().0.iter_mut().for_each(lower);
        if let Some(last) = octets.last_chunk_mut() {
            lower(last);
        }
    }
    match wire.len() {
        16.. => lower::<16>(wire),
        8..16 => lower::<8>(wire),
        _ => wire.make_ascii_lowercase(),
    }
}

/// True if a name in wire format has no upper-case letter, so that it is its own key.
#[inline]
pub(crate) fn is_key(wire: &[u8]) -> bool {
    /// Looks at whole parts, and at the last octets as one more part, without a branch for each octet.
    #[inline]
    fn is_lower<const PART: usize>(octets: &[u8]) -> bool {
        let has_upper = |part: &[u8; PART]| part.iter().fold(false, |found, octet| found | octet.is_ascii_uppercase());
        !octets.as_chunks().0.iter().any(has_upper) && !octets.last_chunk().is_some_and(has_upper)
    }
    match wire.len() {
        16.. => is_lower::<16>(wire),
        8..16 => is_lower::<8>(wire),
        _ => is_lower::<1>(wire),
    }
}

/// True if two keys of one length are equal. Most have 8 to 32 octets, which are compared as two parts that may overlap:
/// that costs less than a call.
#[inline]
pub(crate) fn is_same_key(one: &[u8], other: &[u8]) -> bool {
    #[inline]
    fn ends<const PART: usize>(octets: &[u8]) -> Option<(&[u8; PART], &[u8; PART])> {
        Some((octets.first_chunk()?, octets.last_chunk()?))
    }
    match one.len() {
        16..=32 => ends::<16>(one) == ends::<16>(other),
        8..16 => ends::<8>(one) == ends::<8>(other),
        _ => one == other,
    }
}

/// Hashes keys. Two secret numbers keep whoever writes names from choosing names that collide.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyHasher([u64; 2]);

impl KeyHasher {
    /// Returns a hasher with secret numbers of its own.
    pub(crate) fn random() -> Self {
        let state = RandomState::new();
        Self([state.hash_one(0), state.hash_one(1)])
    }

    /// Returns the hasher with these numbers.
    pub(crate) const fn with_seeds(seeds: [u64; 2]) -> Self {
        Self(seeds)
    }

    /// Returns the hash of a key: its octets are multiplied with each other, sixteen at a time. Some may be taken twice, so
    /// the length counts too.
    #[inline]
    pub(crate) fn hash(self, key: &[u8]) -> u64 {
        let Self([state, seed]) = self;
        let mut state = state.rotate_right(key.len() as u32);
        let mut take = |low: [u8; 8], high: [u8; 8]| {
            state = fold(state ^ u64::from_le_bytes(low), seed ^ u64::from_le_bytes(high));
        };
        match (key.first_chunk(), key.last_chunk()) {
            (Some(first), Some(last)) if key.len() <= 16 => take(*first, *last),
            (Some(_), Some(last)) => {
                for [low, high] in key.as_chunks().0.as_chunks().0 {
                    take(*low, *high);
                }
                let before = key[..key.len() - last.len()].last_chunk();
                take(*before.unwrap_or(last), *last);
            }
            _ => take(key.iter().fold(0, |octets, &octet| octets << 8 | u64::from(octet)).to_le_bytes(), [0; 8]),
        }
        state
    }
}

/// Returns the product of two numbers, with its halves combined, so that its low bits too depend on all of both.
#[inline]
pub(crate) fn fold(one: u64, other: u64) -> u64 {
    let product = u128::from(one) * u128::from(other);
    product as u64 ^ (product >> 64) as u64
}

/// Returns a copy of a name in wire format in lower case.
pub(crate) fn key_of<'k>(wire: &[u8], key: &'k mut [u8; MAX_NAME_LENGTH]) -> &'k [u8] {
    let key = &mut key[..wire.len()];
    key.copy_from_slice(wire);
    make_key(key);
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_in_lower_case_whatever_their_length() {
        let every: Vec<u8> = (0..=u8::MAX).collect();
        for length in 0..=40 {
            for octets in every.windows(length.max(1)) {
                let mut key = octets[..length].to_vec();
                make_key(&mut key);
                assert_eq!(key, octets[..length].to_ascii_lowercase());
                assert_eq!(is_key(&octets[..length]), key == octets[..length]);
            }
        }
    }

    #[test]
    fn keys_are_the_same_if_all_octets_are() {
        for length in 0..=40 {
            let key = vec![7; length];
            assert!(is_same_key(&key, &key.clone()));
            for place in 0..length {
                let mut other = key.clone();
                other[place] ^= 1;
                assert!(!is_same_key(&key, &other), "{length} {place}");
            }
        }
    }

    #[test]
    fn each_octet_of_a_key_changes_its_hash() {
        let hasher = KeyHasher::with_seeds([0x243f_6a88_85a3_08d3, 0x1319_8a2e_0370_7344]);
        let mut seen = std::collections::HashSet::new();
        for length in 1..=MAX_NAME_LENGTH {
            let key = vec![b'a'; length];
            assert!(seen.insert(hasher.hash(&key)), "{length}");
            for place in 0..length {
                let mut other = key.clone();
                other[place] = b'b';
                assert!(seen.insert(hasher.hash(&other)), "{length} {place}");
            }
        }
    }
}
