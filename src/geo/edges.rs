//! Positions among shared runs at which a coarser division of the same space has an edge.
//!
//! Many maps divide the address space along the same runs, those of a database. Each map joins other neighbours, so it
//! keeps one bit for each run: set if its value differs from the value of the run before it. Over the bits stand more
//! levels, of which each bit says that a word of 64 bits below has any. A search for the nearest edge therefore takes
//! few steps, however far away the edge is.
//!
//! ```text
//!   runs      US  CA  US  DE  FR  DE  JP
//!   a map      1   1   1   2   2   2   3
//!   its edges              x           x
//! ```

/// The positions with an edge, as a set of bits. Position 0 begins the space and is no edge.
#[derive(Clone, Debug)]
pub struct Edges {
    /// From the bits of the positions up to a level of one word; no level at all if there is no edge.
    levels: Box<[Box<[u64]>]>,
}

/// Bits of a word.
const WORD: usize = u64::BITS as usize;

impl Edges {
    /// The edges after `f` is applied to the values of the shared runs: the positions whose result differs from the one
    /// before.
    pub fn between(values: &[u32], mut f: impl FnMut(u32) -> u32) -> Self {
        let mut latest = values.first().map_or(0, |&value| f(value));
        let mut edges_of = |values: &[u32]| {
            let mut word = 0;
            for (bit, &value) in (0..).zip(values) {
                let value = f(value);
                word |= u64::from(value != latest) << bit;
                latest = value;
            }
            word
        };
        Self::over(values.chunks(WORD).map(&mut edges_of).collect())
    }

    fn over(words: Vec<u64>) -> Self {
        if words.iter().all(|&word| word == 0) {
            return Self { levels: Box::default() };
        }
        let mut levels: Vec<Box<[u64]>> = vec![words.into()];
        while let Some(below) = levels.last().filter(|level| level.len() > 1) {
            let summary =
                |words: &[u64]| (0..).zip(words).fold(0, |all, (bit, &word)| all | u64::from(word != 0) << bit);
            let level = below.chunks(WORD).map(summary).collect();
            levels.push(level);
        }
        Self { levels: levels.into() }
    }

    /// The last edge at or before this position, or position 0.
    #[inline]
    pub fn at_or_before(&self, position: usize) -> usize {
        last_below(&self.levels, position + 1).unwrap_or(0)
    }

    /// The first edge after this position; `None` if there is none.
    #[inline]
    pub fn after(&self, position: usize) -> Option<usize> {
        first_from(&self.levels, position + 1)
    }

    /// The number of edges.
    pub fn count(&self) -> usize {
        self.levels.first().map_or(0, |words| words.iter().map(|word| word.count_ones() as usize).sum())
    }
}

/// The highest set position below `end`.
#[inline]
fn last_below(levels: &[Box<[u64]>], end: usize) -> Option<usize> {
    let (words, above) = levels.split_first()?;
    let (word, bit) = (end / WORD, end % WORD);
    let below = words.get(word).map_or(0, |&word| word & ((1 << bit) - 1));
    if below != 0 {
        return Some(word * WORD + below.ilog2() as usize);
    }
    let word = last_below(above, word)?;
    Some(word * WORD + words[word].ilog2() as usize)
}

/// The lowest set position from `start` on.
#[inline]
fn first_from(levels: &[Box<[u64]>], start: usize) -> Option<usize> {
    let (words, above) = levels.split_first()?;
    let (word, bit) = (start / WORD, start % WORD);
    let rest = words.get(word)? & (u64::MAX << bit);
    if rest != 0 {
        return Some(word * WORD + rest.trailing_zeros() as usize);
    }
    let word = first_from(above, word + 1)?;
    Some(word * WORD + words[word].trailing_zeros() as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Many runs and few edges, so that searches cross words and levels.
        #[test]
        fn the_nearest_edges_are_found(
            length in 1_usize..20_000,
            changes in proptest::collection::vec(any::<proptest::sample::Index>(), 0..40),
            positions in proptest::collection::vec(any::<proptest::sample::Index>(), 20),
        ) {
            let mut is_edge = vec![false; length];
            changes.iter().for_each(|change| is_edge[change.index(length)] = true);
            is_edge[0] = false;
            let mut value = 0;
            let shared = |(number, &edge): (u32, &bool)| {
                value += 2 * u32::from(edge);
                // Neighbours differ, but only edges change all bits that count.
                value + number % 2
            };
            let values: Vec<u32> = (0..).zip(&is_edge).map(shared).collect();
            let edges = Edges::between(&values, |value| value / 2 * 2);
            prop_assert_eq!(edges.count(), is_edge.iter().filter(|&&edge| edge).count());
            for position in positions.iter().map(|position| position.index(length)) {
                let before = (0..=position).rev().find(|&at| is_edge[at]).unwrap_or(0);
                let after = (position + 1..length).find(|&at| is_edge[at]);
                prop_assert_eq!((edges.at_or_before(position), edges.after(position)), (before, after));
            }
        }
    }

    #[test]
    fn equal_values_have_no_edges() {
        let edges = Edges::between(&(0..1000).collect::<Vec<_>>(), |_| 7);
        assert_eq!((edges.at_or_before(999), edges.after(0), edges.count()), (0, None, 0));
    }
}
