//! Selects the endpoints of an answer among the available ones.

use super::chain::Pick;
use super::rendezvous::{HashKey, Score};
use crate::health::Share;
use crate::mix::mix;

/// The default for the most addresses in an answer, if all endpoints may be in it.
const DEFAULT_ANSWERS: u16 = 8;

impl Pick {
    /// The default for the most addresses in an answer. It is 1 if a draw or a hash decides, so that the answer is its
    /// choice alone.
    pub fn default_answers(self) -> u16 {
        match self {
            Self::Rotate | Self::Random => DEFAULT_ANSWERS,
            Self::Weighted | Self::Sticky | Self::LeastLoad => 1,
        }
    }

    /// Returns the relative frequency with which each endpoint is first in an answer, over many clients. Endpoints are
    /// given by weight and share. If some keep only a share of their clients, the result is exact for `weighted` and
    /// close for the others.
    pub fn stakes(self, endpoints: &[(u16, Share)]) -> Vec<u64> {
        let by_weight = match self {
            Self::Weighted | Self::Sticky | Self::LeastLoad => endpoints.iter().any(|(weight, _)| *weight > 0),
            Self::Rotate | Self::Random => false,
        };
        let weight = |weight: u16| if by_weight { u64::from(weight) } else { 1 };
        endpoints.iter().map(|&(own, share)| weight(own) * u64::from(share.thousandths())).collect()
    }
}

/// Maximum number of endpoints in an answer.
pub const MAX_ANSWERS: usize = 64;

/// The full share, in thousandths.
const WHOLE: u64 = 1000;

/// The picked endpoints, as positions among the available ones, in the order of the answer.
#[derive(Clone, Debug)]
pub struct Picks(Order);

#[derive(Clone, Debug)]
enum Order {
    /// So many of all endpoints, from this one on; after the last one comes the first one of all.
    Turn { first: usize, count: usize, all: usize },
    /// Any.
    List(List),
}

/// Positions one by one.
#[derive(Clone, Debug)]
struct List {
    /// Those after the first `count` mean nothing.
    places: [u16; MAX_ANSWERS],
    count: u8,
}

impl Picks {
    /// Picks at most `answers` of `count` endpoints. `turn` increases by one for each answer to one client; `weight`
    /// gives the weight of an endpoint; `draw` returns a uniform random number below its argument. A sticky pick
    /// without a client key is a weighted draw.
    #[inline]
    pub fn new(
        pick: Pick,
        count: usize,
        answers: u16,
        turn: u32,
        weight: impl Fn(usize) -> u16,
        draw: impl FnMut(u32) -> u32,
    ) -> Self {
        let wanted = wanted(count, answers);
        if pick == Pick::Rotate {
            return Self(Order::Turn { first: turn as usize % count.max(1), count: wanted, all: count });
        }
        let is_even = pick == Pick::Random || (0..count).all(|place| weight(place) == 0);
        let weight = |place| if is_even { 1 } else { u32::from(weight(place)) };
        Self(Order::List(List::drawn(wanted, count, weight, draw)))
    }

    /// Picks at most `answers` of `count` endpoints by rendezvous hash: those with the best scores, the best first.
    /// `candidate` gives an endpoint's key and its weight. Endpoints of weight 0 are picked only if there are no
    /// others.
    #[inline(never)]
    pub fn sticky(client: HashKey, count: usize, answers: u16, candidate: impl Fn(usize) -> (HashKey, u32)) -> Self {
        let wanted = wanted(count, answers);
        let mut list = List::EMPTY;
        let none_weighs = (0..count).all(|place| candidate(place).1 == 0);
        let mut scores = [Score::WORST; MAX_ANSWERS];
        for place in 0..count {
            let (key, weight) = candidate(place);
            let weight = if none_weighs { 1 } else { weight };
            if weight == 0 {
                continue;
            }
            let score = Score::draw(client, key, weight);
            let picked = usize::from(list.count);
            let rank = scores[..picked].iter().position(|other| score.is_better(*other)).unwrap_or(picked);
            if rank < wanted {
                let last = picked.min(wanted - 1);
                scores.copy_within(rank..last, rank + 1);
                list.places.copy_within(rank..last, rank + 1);
                scores[rank] = score;
                list.places[rank] = place as u16;
                list.count = last as u8 + 1;
            }
        }
        Self(Order::List(list))
    }

    /// Picks when some endpoints keep only a share of their clients. `share` returns 1 to 1000 thousandths. A weighted
    /// draw uses weight times share. Otherwise each endpoint is in an answer with its share as the probability; if all
    /// would be left out, all are kept.
    #[inline(never)]
    pub fn degraded(
        pick: Pick,
        count: usize,
        answers: u16,
        turn: u32,
        weight: impl Fn(usize) -> u16,
        share: impl Fn(usize) -> u16,
        mut draw: impl FnMut(u32) -> u32,
    ) -> Self {
        let wanted = wanted(count, answers);
        if matches!(pick, Pick::Weighted | Pick::Sticky | Pick::LeastLoad) {
            let even = (0..count).all(|place| weight(place) == 0);
            let weight = |place| u64::from(if even { 1 } else { weight(place) }) * u64::from(share(place));
            // Draws have 32 bits. If a sum does not fit, all weights lose their low bits, which do not matter at that
            // size.
            let total: u64 = (0..count).map(weight).sum();
            let surplus = u32::BITS.saturating_sub(total.leading_zeros());
            let weight = |place| (weight(place) >> surplus) as u32;
            return Self(Order::List(List::drawn(wanted, count, weight, draw)));
        }
        let seed = u64::from(draw(u32::MAX));
        let stays = |place: &usize| scatter(seed, *place as u64) % WHOLE < u64::from(share(*place));
        let staying = (0..count).filter(stays).count();
        if staying == 0 {
            return Self::new(pick, count, answers, turn, weight, draw);
        }
        let wanted = wanted.min(staying);
        if pick == Pick::Random {
            return Self(Order::List(List::drawn(wanted, count, |place| u32::from(stays(&place)), draw)));
        }
        let mut list = List { count: wanted as u8, ..List::EMPTY };
        let in_turn = (0..count).filter(stays).cycle().skip(turn as usize % staying);
        for (place, picked) in list.places[..wanted].iter_mut().zip(in_turn) {
            *place = picked as u16;
        }
        Self(Order::List(list))
    }

    /// The positions, in the order of the answer.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = usize> + Clone {
        let count = match &self.0 {
            Order::Turn { count, .. } => *count,
            Order::List(list) => list.count.into(),
        };
        (0..count).map(|number| match &self.0 {
            Order::Turn { first, all, .. } => (first + number).checked_sub(*all).unwrap_or(first + number),
            Order::List(list) => list.places[number].into(),
        })
    }
}

/// The number of endpoints in an answer.
fn wanted(count: usize, answers: u16) -> usize {
    count.min(answers.into()).min(MAX_ANSWERS)
}

impl List {
    const EMPTY: Self = Self { places: [0; MAX_ANSWERS], count: 0 };

    /// Draws so many of `count` endpoints without replacement. Ends early when only endpoints of weight 0 are left.
    #[inline(never)]
    fn drawn(wanted: usize, count: usize, weight: impl Fn(usize) -> u32, mut draw: impl FnMut(u32) -> u32) -> Self {
        let mut list = Self::EMPTY;
        let mut left: u32 = (0..count).map(&weight).sum();
        while usize::from(list.count) < wanted && left > 0 {
            let mut drawn = draw(left);
            let is_drawn = |&place: &usize| {
                let here = drawn < weight(place);
                drawn = drawn.saturating_sub(weight(place));
                here
            };
            let picked = &list.places[..usize::from(list.count)];
            let Some(place) = (0..count).filter(|place| !picked.contains(&(*place as u16))).find(is_drawn) else {
                return list;
            };
            list.places[usize::from(list.count)] = place as u16;
            list.count += 1;
            left -= weight(place);
        }
        list
    }
}

/// A number for each endpoint that looks random from seed to seed. It is the same when computed twice, so nothing has
/// to be stored for thousands of endpoints.
fn scatter(seed: u64, place: u64) -> u64 {
    mix(seed << 32 | place)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(picks: &Picks) -> Vec<usize> {
        picks.iter().collect()
    }

    #[test]
    fn rotation_puts_each_first_in_turn() {
        let turn = |turn| places(&Picks::new(Pick::Rotate, 3, 2, turn, |_| 1, |_| 0));
        assert_eq!([turn(0), turn(1), turn(2), turn(3)], [[0, 1], [1, 2], [2, 0], [0, 1]]);
        assert!(places(&Picks::new(Pick::Rotate, 0, 2, 5, |_| 1, |_| 0)).is_empty());
    }

    #[test]
    fn a_weighted_draw_takes_none_twice_and_leaves_weight_0_out() {
        let weights = [3, 0, 1];
        let mut asked = Vec::new();
        let picks = Picks::new(
            Pick::Weighted,
            3,
            8,
            0,
            |place| weights[place],
            |below| {
                asked.push(below);
                0
            },
        );
        assert_eq!(places(&picks), [0, 2]);
        assert_eq!(asked, [4, 1]);
    }

    #[test]
    fn weight_0_serves_when_there_is_no_other() {
        assert_eq!(places(&Picks::new(Pick::Weighted, 2, 1, 0, |_| 0, |_| 1)), [1]);
    }

    #[test]
    fn a_random_order_holds_each_once() {
        let picks = Picks::new(Pick::Random, 4, 8, 0, |_| 9, |below| below - 1);
        assert_eq!(places(&picks), [3, 2, 1, 0]);
    }

    const ENDPOINTS: [(u16, u16); 4] = [(1, 1000), (3, 250), (2, 500), (0, 1)];

    fn degraded(pick: Pick, answers: u16, turn: u32, random: &mut fastrand::Rng) -> Picks {
        let (weight, share) = (|place: usize| ENDPOINTS[place].0, |place: usize| ENDPOINTS[place].1);
        Picks::degraded(pick, ENDPOINTS.len(), answers, turn, weight, share, |below| random.u32(..below))
    }

    #[test]
    fn a_degraded_endpoint_stands_in_an_answer_with_its_share_as_probability() {
        const ANSWERS: u32 = 40_000;
        let mut random = fastrand::Rng::with_seed(7);
        for pick in [Pick::Rotate, Pick::Random] {
            let (mut seen, mut first) = ([0; 4], [0; 4]);
            for turn in 0..ANSWERS {
                let picked = places(&degraded(pick, 8, turn, &mut random));
                first[picked[0]] += 1;
                for place in picked {
                    seen[place] += 1;
                }
            }
            for (place, (_, share)) in ENDPOINTS.into_iter().enumerate() {
                let (share, count) = (f64::from(share) / 1000.0, f64::from(ANSWERS));
                let error = (f64::from(seen[place]) - count * share).abs();
                // Four standard deviations of a binomial distribution.
                assert!(error <= 4.0 * (count * share * (1.0 - share)).sqrt(), "{pick:?} {place}: {}", seen[place]);
            }
            // Alone, with the second, with the third, or with both: 3/8, 1/8, 3/8, 1/8; each position is first equally
            // often.
            let expected = f64::from(ANSWERS) * (3.0 / 8.0 + 1.0 / 16.0 + 3.0 / 16.0 + 1.0 / 24.0);
            assert!((f64::from(first[0]) - expected).abs() < 400.0, "{pick:?}: {first:?}");
        }
    }

    #[test]
    fn a_weighted_draw_takes_weights_times_shares() {
        let mut random = fastrand::Rng::with_seed(7);
        let mut seen = [0_u32; 4];
        (0..27_500).for_each(|turn| seen[places(&degraded(Pick::Weighted, 1, turn, &mut random))[0]] += 1);
        // 1000 to 750 to 1000 to 0; the standard deviation is 80.
        for (place, expected) in [(0, 10_000), (1, 7_500), (2, 10_000), (3, 0_u32)] {
            assert!(seen[place].abs_diff(expected) < 320, "{seen:?}");
        }
        let heavy = Picks::degraded(Pick::Weighted, 1000, 1, 0, |_| u16::MAX, |_| 999, |below| below - 1);
        assert_eq!(places(&heavy), [999], "a sum beyond 32 bits is drawn by too");
    }

    #[test]
    fn where_all_would_be_left_out_all_stay() {
        let picks = |seed: u32| {
            let mut numbers = std::iter::once(seed).chain(std::iter::repeat(0));
            Picks::degraded(Pick::Rotate, 2, 8, 1, |_| 1, |_| 1, |_| numbers.next().unwrap())
        };
        let whole = (0..200).filter(|&seed| places(&picks(seed)) == [1, 0]).count();
        assert!(whole > 190, "{whole}");
    }

    const CLIENTS: u32 = 20_000;

    /// The answer for a client, as the numbers of endpoints with these weights.
    fn sticky(client: u32, endpoints: &[(u8, u32)], answers: u16) -> Vec<u8> {
        let network = std::net::Ipv4Addr::from_bits(client << 8).into();
        let client = HashKey::of_client(network, 24, b"\x03www\x07example\0");
        let candidate = |place: usize| {
            let (number, weight) = endpoints[place];
            (HashKey::of_candidate(&[192, 0, 2, number]), weight)
        };
        let picks = Picks::sticky(client, endpoints.len(), answers, candidate);
        places(&picks).into_iter().map(|place| endpoints[place].0).collect()
    }

    #[test]
    fn a_sticky_pick_is_the_order_in_which_endpoints_would_win() {
        let all = [(1, 1), (2, 3), (3, 1), (4, 0), (5, 2)];
        for client in 0..200 {
            let order = sticky(client, &all, 8);
            assert_eq!(sticky(client, &all, 2), order[..2]);
            let mut left = all.to_vec();
            for first in order {
                assert_eq!(sticky(client, &left, 1), [first]);
                left.retain(|&(number, _)| number != first);
            }
            assert_eq!(left, [(4, 0)], "weight 0 only when there is no other");
        }
        assert!((0..50).any(|client| sticky(client, &[(4, 0), (6, 0)], 1) == [6]));
        assert!(sticky(0, &[], 1).is_empty());
    }

    #[test]
    fn when_an_endpoint_leaves_only_its_clients_move() {
        let all = [(1, 1), (2, 3), (3, 1), (5, 2)];
        let without = [all[0], all[2], all[3]];
        let both = (0..CLIENTS).map(|client| (sticky(client, &all, 1), sticky(client, &without, 1)));
        let moved: Vec<_> = both.filter(|(before, after)| before != after).collect();
        assert!(moved.iter().all(|(before, _)| *before == [2]));
        let share = moved.len() as f64 / f64::from(CLIENTS);
        assert!((share - 3.0 / 7.0).abs() < 0.015, "{share}");
    }
}
