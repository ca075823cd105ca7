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

use super::values::Values;

/// The positions with an edge, as a set of bits. Position 0 begins the space and is no edge.
#[derive(Clone, Debug)]
pub struct Edges {
    /// The bits of the positions; no word at all if there is no edge.
    words: Box<[u64]>,
    /// The levels above, up to one of a single word.
    above: Box<[Box<[u64]>]>,
}

/// Bits of a word.
const WORD: usize = u64::BITS as usize;

impl Edges {
    /// The edges after `f` is applied to the values of the shared runs: the positions whose result differs from the one
    /// before.
    pub fn between(values: &Values, f: impl FnMut(u32) -> u32) -> Self {
        match values {
            Values::Narrow(values) => Self::over(words(values, f)),
            Values::Wide(values) => Self::over(words(values, f)),
            Values::Full(values) => Self::over(words(values, f)),
        }
    }

    fn over(words: Vec<u64>) -> Self {
        if words.iter().all(|&word| word == 0) {
            return Self { words: Box::default(), above: Box::default() };
        }
        let mut above: Vec<Box<[u64]>> = Vec::new();
        while let Some(below) = Some(above.last().map_or(&*words, |level| &**level)).filter(|level| level.len() > 1) {
            let summary =
                |words: &[u64]| (0..).zip(words).fold(0, |all, (bit, &word)| all | u64::from(word != 0) << bit);
            let level = below.chunks(WORD).map(summary).collect();
            above.push(level);
        }
        Self { words: words.into(), above: above.into() }
    }

    /// The last edge at or before this position, or position 0, and the first edge after it, if there is one.
    #[inline]
    pub fn around(&self, position: usize) -> (usize, Option<usize>) {
        let (place, bit) = (position / WORD, position % WORD);
        let Some(&word) = self.words.get(place) else { return (0, None) };
        let (back, ahead) = (word << (WORD - 1 - bit), word >> bit >> 1);
        let before = if back == 0 { self.before_word(place) } else { position - back.leading_zeros() as usize };
        let after =
            if ahead == 0 { self.after_word(place) } else { Some(position + 1 + ahead.trailing_zeros() as usize) };
        (before, after)
    }

    /// The last edge in the words before this one, or position 0.
    #[cold]
    fn before_word(&self, word: usize) -> usize {
        let place = last_below(&self.above, word);
        place.map_or(0, |place| place * WORD + self.words[place].ilog2() as usize)
    }

    /// The first edge in the words after this one.
    #[cold]
    fn after_word(&self, word: usize) -> Option<usize> {
        let place = first_from(&self.above, word + 1)?;
        Some(place * WORD + self.words[place].trailing_zeros() as usize)
    }

    /// The number of edges.
    pub fn count(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }
}

/// A bit for each value: set if `f` gives another result than for the value before.
fn words<V: Copy + Into<u32>>(values: &[V], mut f: impl FnMut(u32) -> u32) -> Vec<u64> {
    let mut latest = values.first().map_or(0, |&value| f(value.into()));
    let mut word = |values: &[V]| {
        let mut word = 0;
        for (bit, &value) in (0..).zip(values) {
            let value = f(value.into());
            word |= u64::from(value != latest) << bit;
            latest = value;
        }
        word
    };
    values.chunks(WORD).map(&mut word).collect()
}

/// The highest set position below `end`.
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
            for change in &changes {
                is_edge[change.index(length)] = true;
            }
            is_edge[0] = false;
            let mut value = 0;
            let values: Vec<u32> = is_edge.iter().map(|&edge| { value += 2 * u32::from(edge); value }).collect();
            // Shared runs differ more often than what counts of them.
            let shared = (0..).zip(&values).map(|(number, value)| value + number % 2).collect::<Vec<u32>>();
            let edges = Edges::between(&shared.into(), |value| value / 2);
            prop_assert_eq!(edges.count(), is_edge.iter().filter(|&&edge| edge).count());
            for position in positions.iter().map(|position| position.index(length)) {
                let before = (0..=position).rev().find(|&at| is_edge[at]).unwrap_or(0);
                let after = (position + 1..length).find(|&at| is_edge[at]);
                prop_assert_eq!(edges.around(position), (before, after));
            }
        }
    }

    #[test]
    fn equal_values_have_no_edges() {
        let edges = Edges::between(&(0..1000).collect::<Vec<u32>>().into(), |_| 7);
        assert_eq!((edges.around(999), edges.around(0), edges.count()), ((0, None), (0, None), 0));
    }
}
