//! The number of vantage points that must see an endpoint down before it is.
//!
//! In a fleet each vantage point has an opinion on an endpoint: the share of its clients that the endpoint keeps, or
//! that it is down. The agreed opinion is the *n-th worst* one, where n is the quorum. So an endpoint is down if at
//! least n vantage points see it down, and it is degraded to a share if at least n see that share or less. Without
//! others the agreed opinion is the node's own.

use std::fmt;
use std::num::NonZeroU16;

use super::Share;

/// The share of its clients that an endpoint keeps, as one vantage point sees it; `None` if it is down.
pub type Opinion = Option<Share>;

/// How many of the vantage points that can be heard must see an endpoint down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Quorum {
    /// More than half of them.
    #[default]
    Majority,
    /// This number of them, or all if there are fewer.
    Number(NonZeroU16),
    /// At least this share of them, above none, and at least one.
    Share(Share),
}

impl Quorum {
    /// The number of vantage points that this means, from 1 to `heard`; 1 if nobody is heard.
    pub fn of(self, heard: usize) -> usize {
        let needed = match self {
            Self::Majority => heard / 2 + 1,
            Self::Number(number) => usize::from(number.get()),
            Self::Share(share) => {
                (heard * usize::from(share.thousandths())).div_ceil(usize::from(Share::FULL.thousandths()))
            }
        };
        needed.clamp(1, heard.max(1))
    }

    /// The opinion that vantage points with these opinions agree on; `None` if there are none. Sorts them.
    pub fn agree(self, opinions: &mut [Opinion]) -> Option<Opinion> {
        opinions.sort_unstable();
        opinions.get(self.of(opinions.len()) - 1).copied()
    }
}

/// As a configuration writes it: `majority`, a number, or a share of 1.
impl fmt::Display for Quorum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Majority => f.write_str("majority"),
            Self::Number(number) => number.fmt(f),
            Self::Share(share) => {
                write!(f, "{:?}", f64::from(share.thousandths()) / f64::from(Share::FULL.thousandths()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const UP: Opinion = Some(Share::FULL);
    const DOWN: Opinion = None;
    const QUARTER: Opinion = Some(Share::from_thousandths(250));

    fn number(number: u16) -> Quorum {
        Quorum::Number(NonZeroU16::new(number).unwrap())
    }

    fn share(thousandths: u16) -> Quorum {
        Quorum::Share(Share::from_thousandths(thousandths))
    }

    #[test]
    fn the_quorum_is_of_those_that_are_heard() {
        for (quorum, of) in [
            (Quorum::Majority, [1, 1, 2, 2, 3, 3]),
            (number(1), [1, 1, 1, 1, 1, 1]),
            (number(3), [1, 1, 2, 3, 3, 3]),
            (share(1), [1, 1, 1, 1, 1, 1]),
            (share(500), [1, 1, 1, 2, 2, 3]),
            (share(667), [1, 1, 2, 3, 3, 4]),
            (share(1000), [1, 1, 2, 3, 4, 5]),
        ] {
            let found: Vec<usize> = (0..=5).map(|heard| quorum.of(heard)).collect();
            assert_eq!(found, of, "{quorum}");
        }
    }

    #[test]
    fn an_endpoint_is_down_if_the_quorum_says_so() {
        for (quorum, mut opinions, agreed) in [
            (Quorum::Majority, vec![], None),
            (Quorum::Majority, vec![DOWN], Some(DOWN)),
            (Quorum::Majority, vec![DOWN, UP], Some(UP)),
            (Quorum::Majority, vec![DOWN, DOWN], Some(DOWN)),
            (Quorum::Majority, vec![UP, DOWN, UP], Some(UP)),
            (Quorum::Majority, vec![DOWN, UP, DOWN], Some(DOWN)),
            (Quorum::Majority, vec![DOWN, UP, QUARTER], Some(QUARTER)),
            (Quorum::Majority, vec![UP, UP, QUARTER], Some(UP)),
            (number(1), vec![UP, UP, DOWN], Some(DOWN)),
            (number(3), vec![DOWN, UP, DOWN], Some(UP)),
            (share(1000), vec![DOWN, DOWN, DOWN, UP], Some(UP)),
        ] {
            assert_eq!(quorum.agree(&mut opinions), agreed, "{quorum} of {opinions:?}");
        }
    }

    proptest! {
        #[test]
        fn whoever_hears_the_same_agrees_whatever_the_order(
            mut opinions in prop::collection::vec(prop::option::of((0..=1000u16).prop_map(Share::from_thousandths)), 1..9),
            rotation in 0..8usize,
        ) {
            let agreed = Quorum::Majority.agree(&mut opinions.clone());
            let by = rotation % opinions.len();
            opinions.rotate_left(by);
            prop_assert_eq!(Quorum::Majority.agree(&mut opinions.clone()), agreed);
            let down = opinions.iter().filter(|opinion| opinion.is_none()).count();
            prop_assert_eq!(agreed == Some(DOWN), down * 2 > opinions.len());
        }
    }
}
