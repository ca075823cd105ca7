//! The address space divided into maximal runs of equal values.
//!
//! [`Runs`] holds, for one address family, the sorted first addresses of runs that cover the whole space, and the value
//! of each run. Neighbours always differ, so the edges of a run are real changes. The shortest prefix around an address
//! that stays inside its run is therefore exact by construction: that prefix is the ECS scope.
//!
//! ```text
//!   starts   0.0.0.0      1.0.0.0      1.0.1.0      ...
//!   values      7            3            9         ...
//!   index    one entry for each value of the high bits: the run with the lowest address that has them
//! ```

use std::fmt::Debug;

use super::values::Values;

/// Maximum number of high bits of an address that the index over the starts uses; fewer if there are fewer runs.
const MAX_INDEX_BITS: u32 = 16;

/// Entries of the index for each run, about: with several of them, most entries need no search.
const ENTRIES_PER_RUN: usize = 32;

/// An address of one family as a number, most significant bit first: `u32` for IPv4, `u128` for IPv6.
pub trait Bits: Copy + Ord + Debug + Send + Sync + 'static {
    /// Bits in an address of this family.
    const WIDTH: u8;
    /// The lowest address.
    const ZERO: Self;
    /// The highest address.
    const MAX: Self;

    /// The bits after the first `length` ones, all set.
    fn host_mask(length: u8) -> Self;
    /// Only the bit after the first `length` ones set; `length` is below the width.
    fn bit(length: u8) -> Self;
    /// Bitwise and with the complement of `mask`.
    fn without(self, mask: Self) -> Self;
    /// Bitwise or.
    fn with(self, mask: Self) -> Self;
    /// The number of leading bits that both have in common.
    fn common_prefix(self, other: Self) -> u8;
    /// The next address; `None` after the last one.
    fn next(self) -> Option<Self>;
    /// The previous address; `None` before the first one.
    fn previous(self) -> Option<Self>;
    /// The high `bits` bits, 1 to 16.
    fn high(self, bits: u32) -> usize;
    /// The lowest address whose high `bits` bits are `high`.
    fn from_high(high: usize, bits: u32) -> Self;
}

macro_rules! impl_bits {
    ($number:ty, $width:literal) => {
        impl Bits for $number {
            const WIDTH: u8 = $width;
            const ZERO: Self = 0;
            const MAX: Self = <$number>::MAX;

            fn host_mask(length: u8) -> Self {
                Self::MAX.checked_shr(u32::from(length)).unwrap_or(0)
            }
            fn bit(length: u8) -> Self {
                1 << ($width - 1 - length)
            }
            fn without(self, mask: Self) -> Self {
                self & !mask
            }
            fn with(self, mask: Self) -> Self {
                self | mask
            }
            fn common_prefix(self, other: Self) -> u8 {
                (self ^ other).leading_zeros() as u8
            }
            fn next(self) -> Option<Self> {
                self.checked_add(1)
            }
            fn previous(self) -> Option<Self> {
                self.checked_sub(1)
            }
            #[inline]
            fn high(self, bits: u32) -> usize {
                (self >> ($width - bits)) as usize
            }
            fn from_high(high: usize, bits: u32) -> Self {
                (high as Self) << ($width - bits)
            }
        }
    };
}

impl_bits!(u32, 32);
impl_bits!(u128, 128);

/// The whole space of one address family as maximal runs of equal values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Runs<B> {
    starts: Box<[B]>,
    values: Values,
    /// `index[h]` is the run that contains the lowest address with the high bits `h`. One more entry ends the last one.
    index: Box<[u32]>,
    index_bits: u32,
}

/// One run: all addresses from `first` to `last` have `value`, and the addresses next to them do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run<B> {
    /// The value of all its addresses.
    pub value: u32,
    /// The lowest address.
    pub first: B,
    /// The highest address.
    pub last: B,
}

impl<B: Bits> Run<B> {
    /// The length of the shortest prefix around `address` that stays inside the run. `address` must be in the run.
    #[inline]
    pub fn scope(&self, address: B) -> u8 {
        let beside = |neighbour: Option<B>| neighbour.map_or(0, |other| address.common_prefix(other) + 1);
        beside(self.first.previous()).max(beside(self.last.next()))
    }
}

impl<B: Bits> Runs<B> {
    /// One run over the whole space.
    pub fn uniform(value: u32) -> Self {
        let mut builder = RunsBuilder::default();
        builder.push(B::ZERO, value);
        builder.finish()
    }

    /// The run that contains `address`.
    pub fn look_up(&self, address: B) -> Run<B> {
        let position = self.position(address);
        Run { value: self.values.get(position), first: self.starts[position], last: self.last(position) }
    }

    /// The value at `address`.
    pub fn value(&self, address: B) -> u32 {
        self.values.get(self.position(address))
    }

    /// The position of the run that contains `address`, counted from 0.
    #[inline]
    pub fn position(&self, address: B) -> usize {
        let high = address.high(self.index_bits);
        let entries = &self.index[high..high + 2];
        let (from, to) = (entries[0] as usize, entries[1] as usize);
        // The run with the block's first address may begin before the block, so it needs no comparison.
        from + self.starts[from + 1..=to].partition_point(|start| *start <= address)
    }

    /// The lowest address of the run at this position.
    #[inline]
    pub fn first(&self, position: usize) -> B {
        self.starts[position]
    }

    /// The highest address of the run at this position.
    #[inline]
    pub fn last(&self, position: usize) -> B {
        self.starts.get(position + 1).and_then(|start| start.previous()).unwrap_or(B::MAX)
    }

    /// The values of all runs, by position.
    #[inline]
    pub fn values(&self) -> &Values {
        &self.values
    }

    /// All runs in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = Run<B>> {
        (0..self.starts.len()).map(|position| Run {
            value: self.values.get(position),
            first: self.starts[position],
            last: self.last(position),
        })
    }

    /// The runs between two addresses in ascending order. The first and the last one are cut at these addresses.
    pub fn within(&self, first: B, last: B) -> impl Iterator<Item = Run<B>> {
        let positions = self.position(first)..self.starts.len();
        positions
            .map(move |position| Run {
                value: self.values.get(position),
                first: self.starts[position].max(first),
                last: self.last(position).min(last),
            })
            .take_while(move |run| run.first <= last)
    }

    /// The runs as seen with only the first `length` bits of addresses: each network of that length has the value of
    /// its lowest address. Runs that contain no lowest address disappear.
    pub fn rounded(&self, length: u8) -> Self {
        let mask = B::host_mask(length);
        let mut builder = RunsBuilder::default();
        for run in self.iter() {
            let lowest = run.first.without(mask);
            let first = if lowest == run.first { Some(lowest) } else { lowest.with(mask).next() };
            if let Some(first) = first.filter(|first| *first <= run.last) {
                builder.push(first, run.value);
            }
        }
        builder.finish()
    }

    /// The number of runs; at least one.
    #[allow(clippy::len_without_is_empty, reason = "the whole space is always covered")]
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// The runs with `f` applied to their values. Neighbours that become equal are joined.
    pub fn map(&self, mut f: impl FnMut(u32) -> u32) -> Self {
        let mut builder = RunsBuilder::default();
        for (&start, value) in self.starts.iter().zip(self.values.iter()) {
            builder.push(start, f(value));
        }
        builder.finish()
    }

    /// Combines two divisions of the space in one sweep: `f` gives the value from the two values at an address.
    pub fn join(&self, other: &Self, mut f: impl FnMut(u32, u32) -> u32) -> Self {
        let mut builder = RunsBuilder::default();
        let (mut here, mut there) = (0, 0);
        let mut start = B::ZERO;
        loop {
            builder.push(start, f(self.values.get(here), other.values.get(there)));
            let (next_here, next_there) = (self.starts.get(here + 1), other.starts.get(there + 1));
            start = match (next_here, next_there) {
                (None, None) => return builder.finish(),
                (Some(&a), Some(&b)) => a.min(b),
                (Some(&a), None) => a,
                (None, Some(&b)) => b,
            };
            here += usize::from(next_here == Some(&start));
            there += usize::from(next_there == Some(&start));
        }
    }
}

/// Takes runs in ascending order and joins neighbours with equal values.
#[derive(Debug)]
pub struct RunsBuilder<B> {
    starts: Vec<B>,
    values: Vec<u32>,
}

impl<B> Default for RunsBuilder<B> {
    fn default() -> Self {
        Self { starts: Vec::new(), values: Vec::new() }
    }
}

impl<B: Bits> RunsBuilder<B> {
    /// Sets `value` for addresses from `start` to the next start. The first start must be the lowest address, and
    /// starts must ascend. A start equal to the last one replaces it.
    pub fn push(&mut self, start: B, value: u32) {
        debug_assert!(self.starts.last().map_or(start == B::ZERO, |last| *last <= start));
        if self.starts.last() == Some(&start) {
            self.starts.pop();
            self.values.pop();
        }
        if self.values.last() != Some(&value) {
            self.starts.push(start);
            self.values.push(value);
        }
    }

    /// The finished runs with their index.
    pub fn finish(self) -> Runs<B> {
        let starts = self.starts.into_boxed_slice();
        let index_bits =
            if starts.len() == 1 { 1 } else { (starts.len() * ENTRIES_PER_RUN).ilog2().min(MAX_INDEX_BITS) };
        let mut index = Vec::with_capacity((1 << index_bits) + 1);
        let mut position = 0;
        for high in 0..1 << index_bits {
            let lowest = B::from_high(high, index_bits);
            while starts.get(position + 1).is_some_and(|start| *start <= lowest) {
                position += 1;
            }
            index.push(position as u32);
        }
        index.push(starts.len() as u32 - 1);
        Runs { starts, values: self.values.into(), index: index.into(), index_bits }
    }
}

/// A prefix with its value, for [`nest`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix<B> {
    /// The lowest address; its host bits are clear.
    pub first: B,
    /// Number of leading bits.
    pub length: u8,
    /// The value of addresses in the prefix.
    pub value: u32,
}

impl<B: Bits> Prefix<B> {
    fn last(&self) -> B {
        self.first.with(B::host_mask(self.length))
    }
}

/// The runs in which each address has the value of the longest prefix that contains it, or `default` outside all
/// prefixes. If a prefix is given twice, the last one counts.
pub fn nest<B: Bits>(mut prefixes: Vec<Prefix<B>>, default: u32) -> Runs<B> {
    prefixes.sort_by_key(|prefix| (prefix.first, prefix.length));
    let mut builder = RunsBuilder::default();
    builder.push(B::ZERO, default);
    let mut open: Vec<Prefix<B>> = Vec::new();
    for prefix in prefixes {
        close_before(&mut builder, &mut open, default, Some(prefix.first));
        builder.push(prefix.first, prefix.value);
        open.push(prefix);
    }
    close_before(&mut builder, &mut open, default, None);
    builder.finish()
}

/// Ends the open prefixes that lie completely before `address`, all of them for `None`. After each one its parent
/// continues.
fn close_before<B: Bits>(builder: &mut RunsBuilder<B>, open: &mut Vec<Prefix<B>>, default: u32, address: Option<B>) {
    while let Some(&innermost) = open.last() {
        if address.is_some_and(|address| address <= innermost.last()) {
            return;
        }
        open.pop();
        if let Some(behind) = innermost.last().next() {
            builder.push(behind, open.last().map_or(default, |parent| parent.value));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::Ipv4Addr;

    fn prefix(text: &str, value: u32) -> Prefix<u32> {
        let (address, length) = text.split_once('/').unwrap();
        Prefix { first: address.parse::<Ipv4Addr>().unwrap().to_bits(), length: length.parse().unwrap(), value }
    }

    fn address(text: &str) -> u32 {
        text.parse::<Ipv4Addr>().unwrap().to_bits()
    }

    #[test]
    fn nested_prefixes_give_way_to_longer_ones() {
        let runs = nest(vec![prefix("10.0.0.0/8", 1), prefix("10.1.0.0/16", 2), prefix("10.1.255.0/24", 3)], 0);
        for (text, value) in
            [("9.9.9.9", 0), ("10.0.0.0", 1), ("10.1.2.3", 2), ("10.1.255.9", 3), ("10.2.0.0", 1), ("11.0.0.0", 0)]
        {
            assert_eq!(runs.value(address(text)), value, "{text}");
        }
    }

    #[test]
    fn neighbours_with_equal_values_are_one_run() {
        let runs = nest(vec![prefix("10.0.0.0/9", 1), prefix("10.128.0.0/9", 1)], 0);
        assert_eq!(runs.len(), 3);
        assert_eq!(runs.look_up(address("10.200.0.1")).scope(address("10.200.0.1")), 8);
    }

    #[test]
    fn the_whole_space_has_scope_zero() {
        assert_eq!(Runs::<u32>::uniform(5).look_up(77).scope(77), 0);
        assert_eq!(Runs::<u128>::uniform(5).look_up(77).scope(77), 0);
    }

    fn any_prefixes() -> impl Strategy<Value = Vec<Prefix<u32>>> {
        let one = (any::<u32>(), 0u8..=32, 0u32..5).prop_map(|(address, length, value)| Prefix {
            first: address.without(u32::host_mask(length)),
            length,
            value,
        });
        proptest::collection::vec(one, 0..40)
    }

    fn longest_match(prefixes: &[Prefix<u32>], address: u32) -> u32 {
        let holding = prefixes.iter().filter(|prefix| prefix.first <= address && address <= prefix.last());
        holding.max_by_key(|prefix| prefix.length).map_or(99, |prefix| prefix.value)
    }

    proptest! {
        #[test]
        fn nest_is_longest_prefix_match(prefixes in any_prefixes(), addresses in proptest::collection::vec(any::<u32>(), 50)) {
            let runs = nest(prefixes.clone(), 99);
            let edges = prefixes.iter().flat_map(|prefix| [prefix.first, prefix.last()]);
            for address in addresses.into_iter().chain(edges) {
                prop_assert_eq!(runs.value(address), longest_match(&prefixes, address));
            }
        }

        #[test]
        fn a_scope_is_wide_enough_and_no_wider(prefixes in any_prefixes(), address in any::<u32>()) {
            let runs = nest(prefixes, 99);
            let run = runs.look_up(address);
            let scope = run.scope(address);
            let mask = u32::host_mask(scope);
            prop_assert!(run.first <= address.without(mask) && address.with(mask) <= run.last);
            if scope > 0 {
                let wider = u32::host_mask(scope - 1);
                prop_assert!(address.without(wider) < run.first || run.last < address.with(wider));
            }
        }

        #[test]
        fn rounded_runs_have_the_values_of_lowest_addresses(
            prefixes in any_prefixes(), addresses in proptest::collection::vec(any::<u32>(), 50), length in 0u8..=32,
        ) {
            let runs = nest(prefixes.clone(), 99);
            let rounded = runs.rounded(length);
            let edges = prefixes.iter().flat_map(|prefix| [prefix.first, prefix.last()]);
            for address in addresses.into_iter().chain(edges) {
                prop_assert_eq!(rounded.value(address), runs.value(address.without(u32::host_mask(length))));
            }
            prop_assert!(rounded.len() <= runs.len());
        }

        #[test]
        fn runs_within_two_addresses_are_cut_to_them(prefixes in any_prefixes(), a in any::<u32>(), b in any::<u32>()) {
            let (first, last) = (a.min(b), a.max(b));
            let runs = nest(prefixes, 99);
            let mut next = Some(first);
            for run in runs.within(first, last) {
                prop_assert_eq!(Some(run.first), next);
                prop_assert_eq!((runs.value(run.first), runs.value(run.last)), (run.value, run.value));
                next = run.last.next();
            }
            prop_assert_eq!(next, last.next());
        }

        #[test]
        fn a_join_looks_both_up(a in any_prefixes(), b in any_prefixes(), address in any::<u32>()) {
            let (a, b) = (nest(a, 99), nest(b, 98));
            let both = a.join(&b, |x, y| x * 100 + y);
            prop_assert_eq!(both.value(address), a.value(address) * 100 + b.value(address));
        }
    }
}
