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
use crate::geo::{Bits, Edges, Run, Runs, Values};

/// The value of own runs in which the shared runs count.
pub(super) const SHARED: u32 = u32::MAX;

/// The runs of one address family.
#[derive(Debug)]
pub(super) struct Table<B> {
    /// The shared runs at which the number changes.
    edges: Edges,
    /// The number of the ranking where a region's prefix or local space decides, else [`SHARED`].
    own: Runs<B>,
    /// The same, by the positions of these runs.
    pieces: Box<[Piece<B>]>,
}

/// One of a map's own runs.
#[derive(Clone, Copy, Debug)]
struct Piece<B> {
    /// Its first and its last address.
    first: B,
    last: B,
    /// The first address of the run that contains its first one, and the last address of the run that contains its last
    /// one: the number may go on beyond its ends.
    down: B,
    up: B,
    number: u32,
}

impl<B: Bits> Table<B> {
    pub(super) fn new(edges: Edges, own: Runs<B>, side: Side<'_, B>, numbers: &Values) -> Self {
        let piece = |Run { value, first, last }| Piece { first, last, down: first, up: last, number: value };
        let pieces = own.iter().map(piece).collect();
        let mut table = Self { edges, own, pieces };
        table.join(side, numbers);
        table
    }

    /// Returns the same map with other own runs.
    pub(super) fn with_own(self, own: Runs<B>, side: Side<'_, B>, numbers: &Values) -> Self {
        Self::new(self.edges, own, side, numbers)
    }

    /// Lets each own run reach across its ends where the number goes on.
    fn join(&mut self, side: Side<'_, B>, numbers: &Values) {
        let number = |table: &Self, address| table.look_up(side, numbers, address).value;
        for next in 1..self.own.len() {
            let (before, here) = (self.own.last(next - 1), self.own.first(next));
            if number(self, before) == number(self, here) {
                self.pieces[next].down = self.look_up(side, numbers, before).first;
            }
        }
        for here in (1..self.own.len()).rev().map(|next| next - 1) {
            let (last, behind) = (self.own.last(here), self.own.first(here + 1));
            if number(self, last) == number(self, behind) {
                self.pieces[here].up = self.look_up(side, numbers, behind).last;
            }
        }
    }

    /// The run that contains `address`. Its value is the number of the ranking.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "each query that is steered looks up, and a call costs a tenth of it")]
    pub(super) fn look_up(&self, side: Side<'_, B>, numbers: &Values, address: B) -> Run<B> {
        let piece = &self.pieces[self.own.position(address)];
        if piece.number != SHARED {
            return Run { value: piece.number, first: piece.down, last: piece.up };
        }
        let shared = side.networks;
        let position = shared.position(address);
        let (first, behind) = self.edges.around(position);
        let first = shared.first(first);
        let last = behind.and_then(|behind| shared.first(behind).previous()).unwrap_or(B::MAX);
        Run {
            value: numbers.get(shared.values().get(position) as usize),
            first: if first <= piece.first { piece.down } else { first },
            last: if last >= piece.last { piece.up } else { last },
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
    pub(super) fn iter<'a>(&'a self, side: Side<'a, B>, numbers: &'a Values) -> impl Iterator<Item = Run<B>> + 'a {
        let mut next = Some(B::ZERO);
        std::iter::from_fn(move || {
            let run = self.look_up(side, numbers, next?);
            next = run.last.next();
            Some(run)
        })
    }
}
