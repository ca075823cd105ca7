//! The runs of one map: edges among the runs that all maps share, and pieces of the space with numbers of their own.
//!
//! ```text
//!   shared runs   |  US  |  CA  |       DE       |  FR  |  JP  |      of a database, the same for all maps
//!   numbers       |  1      1   |        2          2   |  3   |      of the spots, and the edges between them
//!   own           |                |  1  |                     |      a region's prefix
//!   this map      |     1       | 2|  1  |    2         |  3   |
//! ```
//!
//! A map of countries therefore needs one bit for each shared run, and a few octets for each of its prefixes.

use super::ground::Side;
use super::numbers::Numbers;
use crate::geo::{Bits, Edges, Run, Runs};

/// The value of own runs in which the shared runs count.
pub(super) const SHARED: u32 = u32::MAX;

/// The runs of one address family.
#[derive(Debug)]
pub(super) struct Table<B> {
    /// The shared runs at which the number changes.
    edges: Edges,
    /// The number of the ranking where a region's prefix or local space decides, else [`SHARED`].
    own: Runs<B>,
    /// For each of the own runs: how far the number at its lowest address reaches down, and how far the number at its
    /// highest address reaches up.
    reach: Box<[(B, B)]>,
}

impl<B: Bits> Table<B> {
    pub(super) fn new(edges: Edges, own: Runs<B>, side: Side<'_, B>, numbers: &Numbers) -> Self {
        let reach = own.iter().map(|piece| (piece.first, piece.last)).collect();
        let mut table = Self { edges, own, reach };
        table.join(side, numbers);
        table
    }

    /// Returns the same map with other own runs.
    pub(super) fn with_own(self, own: Runs<B>, side: Side<'_, B>, numbers: &Numbers) -> Self {
        Self::new(self.edges, own, side, numbers)
    }

    /// Lets each own run reach across its ends where the number goes on.
    fn join(&mut self, side: Side<'_, B>, numbers: &Numbers) {
        let number = |table: &Self, address| table.look_up(side, numbers, address).value;
        for next in 1..self.own.len() {
            let (before, here) = (self.own.last(next - 1), self.own.first(next));
            if number(self, before) == number(self, here) {
                self.reach[next].0 = self.look_up(side, numbers, before).first;
            }
        }
        for here in (1..self.own.len()).rev().map(|next| next - 1) {
            let (last, behind) = (self.own.last(here), self.own.first(here + 1));
            if number(self, last) == number(self, behind) {
                self.reach[here].1 = self.look_up(side, numbers, behind).last;
            }
        }
    }

    /// The run that contains `address`. Its value is the number of the ranking.
    #[inline]
    pub(super) fn look_up(&self, side: Side<'_, B>, numbers: &Numbers, address: B) -> Run<B> {
        let place = self.own.position(address);
        let (down, up) = self.reach[place];
        let value = self.own.values()[place];
        if value != SHARED {
            return Run { value, first: down, last: up };
        }
        let shared = side.networks;
        let position = shared.position(address);
        let first = shared.first(self.edges.at_or_before(position));
        let last = self.edges.after(position).and_then(|edge| shared.first(edge).previous()).unwrap_or(B::MAX);
        Run {
            value: numbers.get(shared.values()[position]),
            first: if first <= self.own.first(place) { down } else { first },
            last: if last >= self.own.last(place) { up } else { last },
        }
    }

    /// The runs in which a region's prefix or local space decides, and those between them.
    pub(super) fn own(&self) -> &Runs<B> {
        &self.own
    }

    /// The number of runs, or a few more.
    pub(super) fn len_at_most(&self) -> usize {
        self.edges.count() + self.own.len()
    }

    /// All runs in ascending order.
    pub(super) fn iter<'a>(&'a self, side: Side<'a, B>, numbers: &'a Numbers) -> impl Iterator<Item = Run<B>> + 'a {
        let mut next = Some(B::ZERO);
        std::iter::from_fn(move || {
            let run = self.look_up(side, numbers, next?);
            next = run.last.next();
            Some(run)
        })
    }
}
