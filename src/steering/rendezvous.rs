//! Weighted rendezvous hashing: a client and its candidates give the same choice on every node and after every restart.
//!
//! Each candidate gets a score from the client's key and its own, and the lowest score wins. With `u` uniform between 0
//! and 1 the score is `-log2(u) / weight`. Such scores have an exponential distribution. A candidate therefore wins in
//! proportion to its weight, and which of two candidates is better does not depend on any third one. It follows that:
//!
//! * when a candidate leaves, its clients go to the others in proportion to their weights, and no other client moves;
//! * when a weight changes, only the difference moves, from or to that candidate.
//!
//! Everything is integer arithmetic, so that nodes of different versions and processors agree. Scores and keys must
//! stay the same for that: the golden vectors in the tests below must never change.

use std::hash::Hasher;
use std::net::IpAddr;

use siphasher::sip::SipHasher24;

use crate::mix::mix;

/// The key of all hashes. It is not secret: it is fixed so that nodes agree.
const KEY: [u8; 16] = *b"truenorth sticky";

/// The hash of a candidate's or a client's identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HashKey(u64);

impl HashKey {
    /// The key of a client's network, cut to its `length` leading bits, for one name in wire format and lower case.
    pub fn of_client(network: IpAddr, length: u8, name: &[u8]) -> Self {
        let mut hasher = SipHasher24::new_with_key(&KEY);
        match network {
            IpAddr::V4(address) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(length.min(32))).unwrap_or(0);
                hasher.write(&[4, length]);
                hasher.write(&(address.to_bits() & mask).to_be_bytes());
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(length.min(128))).unwrap_or(0);
                hasher.write(&[6, length]);
                hasher.write(&(address.to_bits() & mask).to_be_bytes());
            }
        }
        hasher.write(name);
        Self(hasher.finish())
    }

    /// The key of a candidate: of a pool's name, or an endpoint's octets.
    pub fn of_candidate(identity: &[u8]) -> Self {
        let mut hasher = SipHasher24::new_with_key(&KEY);
        hasher.write(identity);
        Self(hasher.finish())
    }

    /// A uniform number for the pair of both.
    pub fn with(self, other: Self) -> u64 {
        mix(self.0 ^ mix(other.0))
    }
}

/// The score of a candidate for a client; lower is better.
#[derive(Clone, Copy, Debug)]
pub(super) struct Score {
    length: u64,
    weight: u32,
}

impl Score {
    /// The worst score.
    pub(super) const WORST: Self = Self { length: u64::MAX, weight: 1 };

    /// The score of a candidate of this weight, which must not be 0.
    pub(super) fn draw(client: HashKey, candidate: HashKey, weight: u32) -> Self {
        Self { length: minus_log2(client.with(candidate)), weight }
    }

    /// True if this score wins over the other one: its `length / weight` is less. Compares without a division.
    pub(super) fn is_better(self, other: Self) -> bool {
        u128::from(self.length) * u128::from(other.weight) < u128::from(other.length) * u128::from(self.weight)
    }
}

/// The position of the candidate with the best score. Candidates of weight 0 win only if there are no others, and then
/// evenly.
pub fn winner(client: HashKey, candidates: impl Iterator<Item = (HashKey, u32)> + Clone) -> Option<usize> {
    let none_weighs = candidates.clone().all(|(_, weight)| weight == 0);
    let mut best: Option<(usize, Score)> = None;
    for (place, (key, weight)) in candidates.enumerate() {
        let weight = if none_weighs { 1 } else { weight };
        if weight == 0 {
            continue;
        }
        let score = Score::draw(client, key, weight);
        if best.is_none_or(|(_, shortest)| score.is_better(shortest)) {
            best = Some((place, score));
        }
    }
    best.map(|(place, _)| place)
}

/// True if this client is in the part of clients that follows the candidate, in thousandths. As the part grows, clients
/// only join it. The result is independent of scores.
pub fn is_among(client: HashKey, candidate: HashKey, part: u16) -> bool {
    let number = mix(!client.with(candidate));
    (u128::from(number) * WHOLE) >> u64::BITS < u128::from(part)
}

/// The whole, in thousandths.
const WHOLE: u128 = 1000;

/// Binary digits after the point of a logarithm.
const FRACTION: u32 = 32;

/// The table below has an entry for each value of this many leading digits of a number.
const TABLE_BITS: u32 = 8;

/// `log2(1 + place / 256)`. A straight line between two entries is off by less than 3e-6.
static LOGARITHMS: [u64; (1 << TABLE_BITS) + 1] = {
    let mut table = [0; (1 << TABLE_BITS) + 1];
    let mut place = 0;
    while place < table.len() - 1 {
        table[place] = log2_by_squaring((1 << TABLE_BITS) + place as u64);
        place += 1;
    }
    table[place] = 1 << FRACTION;
    table
};

/// The logarithm of `1 <= number / 256 < 2`, computed one binary digit at a time: squaring a number doubles its
/// logarithm.
const fn log2_by_squaring(number: u64) -> u64 {
    /// 1.0 in the scale of `number` below.
    const ONE: u128 = 1 << 62;
    let mut x = (number as u128) << (62 - TABLE_BITS);
    let mut logarithm = 0;
    let mut digit = FRACTION;
    while digit > 0 {
        digit -= 1;
        x = (x * x) >> 62;
        if x >= 2 * ONE {
            x >>= 1;
            logarithm |= 1 << digit;
        }
    }
    logarithm
}

/// `-log2((number + 1) / 2^64)`, with [`FRACTION`] binary digits; at least one in the last digit, so that no score is
/// 0.
fn minus_log2(number: u64) -> u64 {
    let number = number.max(1);
    let zeros = number.leading_zeros();
    // The digits after the leading one, shifted to the front.
    let digits = (number << zeros) << 1;
    let place = (digits >> (64 - TABLE_BITS)) as usize;
    let beyond = (digits << TABLE_BITS) >> 32;
    let (low, high) = (LOGARITHMS[place], LOGARITHMS[place + 1]);
    let logarithm = low + (((high - low) * beyond) >> 32);
    ((u64::from(zeros) + 1) << FRACTION).saturating_sub(logarithm).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const CLIENTS: u32 = 100_000;

    fn client(number: u32) -> HashKey {
        HashKey::of_client(Ipv4Addr::from_bits(0x0a00_0000 | number << 8).into(), 24, b"\x03www\x07example\0")
    }

    fn pool(number: usize) -> HashKey {
        HashKey::of_candidate(format!("web/dc{number}").as_bytes())
    }

    /// The choice of each client among pools of these weights; `None` is a pool that left.
    fn choices(weights: &[Option<u32>]) -> Vec<usize> {
        let present: Vec<(usize, u32)> =
            weights.iter().enumerate().filter_map(|(place, weight)| Some((place, (*weight)?))).collect();
        let candidates = present.iter().map(|&(place, weight)| (pool(place), weight));
        (0..CLIENTS).map(|number| present[winner(client(number), candidates.clone()).unwrap()].0).collect()
    }

    fn share(choices: &[usize], place: usize) -> f64 {
        choices.iter().filter(|&&choice| choice == place).count() as f64 / f64::from(CLIENTS)
    }

    #[test]
    fn golden_vectors() {
        let v6 = "2001:db8:1:2::".parse().unwrap();
        let name = b"\x03www\x07example\0";
        assert_eq!(HashKey::of_client(Ipv4Addr::new(192, 0, 2, 77).into(), 24, name).0, GOLDEN[0]);
        assert_eq!(HashKey::of_client(v6, 56, name).0, GOLDEN[1]);
        assert_eq!(HashKey::of_candidate(b"web/fra").0, GOLDEN[2]);
        assert_eq!(client(7).with(pool(3)), GOLDEN[3]);
        for (number, logarithm) in [
            (0, 64 << 32),
            (1, 64 << 32),
            (u64::MAX, 1),
            (1 << 63, 1 << 32),
            (0xc000_0000_0000_0000, 1_782_572_487),
            (0x0123_4567_89ab_cdef, 33_559_941_884),
        ] {
            assert_eq!(minus_log2(number), logarithm, "{number:#x}");
        }
        let first: String =
            choices(&[Some(1), Some(2), Some(3), Some(0)])[..40].iter().map(ToString::to_string).collect();
        assert_eq!(first, GOLDEN_CHOICES);
    }

    /// Two clients, a candidate, and a client with a candidate, from another implementation of the same rule.
    const GOLDEN: [u64; 4] =
        [2_704_814_506_690_930_556, 16_414_294_565_221_617_648, 7_384_446_069_792_744_696, 16_972_625_065_662_181_728];
    const GOLDEN_CHOICES: &str = "1120222120211112021211011222120002012221";

    #[test]
    fn the_logarithm_is_right_to_five_digits() {
        let mut number: u64 = 1;
        for step in 1..5000_u64 {
            number = mix(number ^ step) >> (step % 60);
            let right = 64.0 - (number.max(1) as f64).log2();
            let found = minus_log2(number) as f64 / 2_f64.powi(32);
            assert!((right - found).abs() < 4e-6, "{number}: {right} {found}");
        }
    }

    #[test]
    fn clients_that_share_the_prefix_share_the_choice() {
        let name = b"\x01a\0";
        let key = |text: &str, length| HashKey::of_client(text.parse().unwrap(), length, name);
        assert_eq!(key("192.0.2.1", 24), key("192.0.2.200", 24));
        assert_ne!(key("192.0.2.1", 24), key("192.0.3.1", 24));
        assert_eq!(key("2001:db8::1", 56), key("2001:db8:0:ff::", 56));
        assert_ne!(key("2001:db8::1", 56), key("2001:db8:0:100::", 56));
        assert_eq!(key("192.0.2.1", 0), key("8.8.8.8", 0));
    }

    #[test]
    fn when_one_of_ten_leaves_only_its_tenth_moves() {
        let ten = [Some(1); 10];
        let before = choices(&ten);
        for leaves in 0..10 {
            let mut nine = ten;
            nine[leaves] = None;
            let after = choices(&nine);
            let moved = before.iter().zip(&after).filter(|(before, after)| before != after);
            assert!(moved.clone().all(|(&before, _)| before == leaves));
            let moved = moved.count() as f64 / f64::from(CLIENTS);
            assert!((moved - 0.1).abs() < 0.01, "{moved}");
            for stays in (0..10).filter(|&place| place != leaves) {
                let share = share(&after, stays);
                assert!((share - 1.0 / 9.0).abs() < 0.01, "{share}");
            }
        }
    }

    #[test]
    fn when_a_weight_changes_only_the_difference_moves() {
        let before = choices(&[Some(50), Some(30), Some(20)]);
        let after = choices(&[Some(50), Some(30), Some(80)]);
        for (place, weight) in [(0, 0.5), (1, 0.3), (2, 0.2)] {
            let share = share(&before, place);
            assert!((share - weight).abs() < 0.01, "{share}");
        }
        assert!(before.iter().zip(&after).all(|(before, after)| before == after || *after == 2));
        assert!((share(&after, 2) - 0.5).abs() < 0.01);
    }

    #[test]
    fn a_part_of_the_clients_goes_along_and_others_only_join() {
        let places = choices(&[Some(1), Some(3)]);
        let mut before = vec![false; CLIENTS as usize];
        for part in [0, 50, 500, 950, 1000] {
            let after: Vec<bool> = (0..CLIENTS).map(|number| is_among(client(number), pool(0), part)).collect();
            assert!(before.iter().zip(&after).all(|(before, after)| before <= after));
            let share = |of: usize| {
                let chosen = places.iter().zip(&after).filter(|(place, _)| **place == of);
                chosen.clone().filter(|(_, is_among)| **is_among).count() as f64 / chosen.count() as f64
            };
            for place in [0, 1] {
                assert!((share(place) - f64::from(part) / 1000.0).abs() < 0.01, "{part} of {place}: {}", share(place));
            }
            before = after;
        }
    }

    #[test]
    fn weight_zero_wins_only_when_there_is_no_other() {
        assert!(choices(&[Some(0), Some(1)]).iter().all(|&choice| choice == 1));
        assert!((share(&choices(&[Some(0), Some(0)]), 0) - 0.5).abs() < 0.01);
        assert_eq!(winner(client(1), std::iter::empty()), None);
    }
}
