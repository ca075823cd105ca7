//! A name's pools in two parts, and the clients of each part.
//!
//! Each client belongs to one part (each query if clients have no hash), and the chain runs over the pools of that part
//! only. By hash, the first part only grows when its share does: at 25 % it still contains all clients of the 5 %.

use super::ranking::Set;
use super::rendezvous::{HashKey, is_among};
use crate::health::Share;

/// A split of a name's pools and clients into two parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Split {
    /// The pools of the first part; all others are the second.
    pub part: Set,
    /// The share of clients in the first part.
    pub share: Share,
    /// True if the share may change soon.
    pub is_ramping: bool,
    /// The key that clients are hashed with.
    key: HashKey,
}

impl Split {
    /// `name` is the name of the first part: splits with other names have other clients.
    pub fn new(part: Set, share: Share, is_ramping: bool, name: &str) -> Self {
        Self { part, share, is_ramping, key: HashKey::of_candidate(format!("part {name}").as_bytes()) }
    }

    /// The pools of a client, by its key, or by chance if it has none. `number` returns a uniform random number below
    /// its argument.
    pub fn pools(&self, client: Option<HashKey>, number: impl FnOnce(u32) -> u32) -> Set {
        let share = self.share.thousandths();
        let is_first = match client {
            _ if self.is_whole() => self.share.is_full(),
            Some(client) => is_among(client, self.key, share),
            None => number(u32::from(Share::FULL.thousandths())) < u32::from(share),
        };
        self.side(is_first)
    }

    /// The pools of the first part, or of the second.
    pub fn side(&self, is_first: bool) -> Set {
        if is_first { self.part } else { !self.part }
    }

    /// True if all clients belong to the same part.
    pub fn is_whole(&self) -> bool {
        self.share.is_full() || !self.share.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn split(share: u16) -> Split {
        Split::new(0b01, Share::from_thousandths(share), true, "next")
    }

    fn client(number: u32) -> HashKey {
        HashKey::of_client(std::net::Ipv4Addr::from_bits(number << 8).into(), 24, b"\x03api\0")
    }

    fn by_hash(share: u16, number: u32) -> Set {
        split(share).pools(Some(client(number)), |_| unreachable!("it goes by hash"))
    }

    #[test]
    fn by_hash_the_share_is_that_of_the_clients() {
        const CLIENTS: u32 = 100_000;
        for share in [50, 250, 500] {
            let first = (0..CLIENTS).filter(|&number| by_hash(share, number) == 0b01).count();
            let found = first as f64 * 1000.0 / f64::from(CLIENTS);
            assert!((found - f64::from(share)).abs() < 5.0, "{found}");
        }
    }

    #[test]
    fn by_chance_the_number_decides() {
        let at = |number| split(50).pools(None, |below| if below == 1000 { number } else { below });
        assert_eq!((at(49), at(50)), (0b01, !0b01));
    }

    #[test]
    fn where_all_belong_to_one_part_nothing_is_drawn() {
        assert_eq!(split(0).pools(None, |_| unreachable!("nothing to draw")), !0b01);
        assert_eq!(split(1000).pools(None, |_| unreachable!("nothing to draw")), 0b01);
    }

    proptest! {
        #[test]
        fn who_belongs_to_the_first_part_stays_when_it_grows(number: u32, a in 0..=1000_u16, b in 0..=1000_u16) {
            let (less, more) = (a.min(b), a.max(b));
            prop_assert!(by_hash(less, number) != 0b01 || by_hash(more, number) == 0b01);
        }
    }
}
