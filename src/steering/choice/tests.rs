//! Walks down rankings, and draws.

use super::*;
use crate::steering::{Client, CompiledChain, CompiledStep};

const FRA: Option<DatacenterId> = Some(DatacenterId::from_index(0));
const IAD: Option<DatacenterId> = Some(DatacenterId::from_index(1));
const SIN: Option<DatacenterId> = Some(DatacenterId::from_index(2));
const GRU: Option<DatacenterId> = Some(DatacenterId::from_index(3));
const SYD: Option<DatacenterId> = Some(DatacenterId::from_index(4));

fn take(count: u8) -> NonZeroU8 {
    NonZeroU8::new(count).unwrap()
}

fn policy(datacenters: &[Option<DatacenterId>]) -> SelectionPolicy {
    let classes = (0..datacenters.len()).map(|pool| 1 << pool).collect();
    let weights = vec![1; datacenters.len()].into();
    SelectionPolicy { classes, datacenters: datacenters.into(), weights, draw: None, take: take(1), spare: false }
}

fn nothing_to_draw(pools: Set, weights: &[u32]) -> usize {
    unreachable!("{pools:b} of {weights:?} are drawn from")
}

fn ranking(tiers: &[Set]) -> Ranking {
    let classes = tiers.iter().map(|tier| tier.count_ones() as u8).sum();
    let client = Client { region: crate::geo::RegionId::NOWHERE, coordinates: None, rtts: &[] };
    CompiledChain::new(classes, vec![CompiledStep::Failover(tiers.into())]).rank(&client)
}

#[test]
fn the_first_tier_with_something_available_answers() {
    let policy = policy(&[FRA, IAD, SIN]);
    let ranking = ranking(&[0b001, 0b110]);
    assert_eq!(
        policy.walk(&ranking, 0b111, &Spill::NONE, &[], nothing_to_draw),
        Walk { chosen: 0b001, reached: 0b001 }
    );
    assert_eq!(
        policy.walk(&ranking, 0b110, &Spill::NONE, &[], nothing_to_draw),
        Walk { chosen: 0b110, reached: 0b111 }
    );
    assert_eq!(policy.walk(&ranking, 0, &Spill::NONE, &[], nothing_to_draw), Walk { chosen: 0, reached: 0b111 });
}

#[test]
fn take_goes_on_until_enough_datacenters_answer() {
    let policy = SelectionPolicy { take: take(2), ..policy(&[FRA, FRA, IAD, SIN]) };
    let ranking = ranking(&[0b0001, 0b0010, 0b0100, 0b1000]);
    assert_eq!(policy.walk(&ranking, 0b1111, &Spill::NONE, &[], nothing_to_draw).chosen, 0b0111);
    assert_eq!(policy.walk(&ranking, 0b1001, &Spill::NONE, &[], nothing_to_draw).chosen, 0b1001);
}

#[test]
fn weights_draw_one_pool_of_a_tie() {
    let policy = SelectionPolicy { draw: Some(Draw::Chance), ..policy(&[FRA, FRA, IAD]) };
    let weights = &[90, 10, 0];
    let ranking = ranking(&[0b111]);
    let drawn = |number: u32| {
        let number = |sum| {
            assert_eq!(sum, 100);
            number
        };
        policy.walk(&ranking, 0b111, &Spill::NONE, weights, by_weight(number))
    };
    assert_eq!(drawn(89).chosen, 0b001);
    assert_eq!(drawn(90).chosen, 0b010);
    assert_eq!(policy.walk(&ranking, 0b100, &Spill::NONE, weights, by_weight(|_| 0)).chosen, 0b100);
}

#[test]
fn a_draw_for_two_datacenters_draws_again_without_the_first() {
    let policy = SelectionPolicy { take: take(2), draw: Some(Draw::Chance), ..policy(&[FRA, FRA, IAD]) };
    let mut numbers = [1, 0].into_iter();
    let draw = by_weight(|_| numbers.next().unwrap());
    assert_eq!(policy.walk(&ranking(&[0b111]), 0b111, &Spill::NONE, &[1; 3], draw).chosen, 0b110);
}

#[test]
fn a_spare_is_one_of_all_others_by_the_weights_of_its_best_pools() {
    // fra, fra | iad | sin, fra | sin, gru, gru
    let datacenters = [FRA, FRA, IAD, SIN, FRA, SIN, GRU, GRU];
    let policy = SelectionPolicy { take: take(2), spare: true, ..policy(&datacenters) };
    let ranking = ranking(&[0b0000_0011, 0b0000_0100, 0b0001_1000, 0b1110_0000]);
    let weights = [9, 9, 1, 2, 9, 9, 3, 4];
    let drawn = |number: u32| {
        let number = |sum| {
            assert_eq!(sum, 1 + 2 + 3 + 4);
            number
        };
        policy.walk(&ranking, 0b1111_1111, &Spill::NONE, &weights, by_weight(number))
    };
    assert_eq!(drawn(0), Walk { chosen: 0b0000_0111, reached: 0b1111_1111 });
    assert_eq!([drawn(1), drawn(2)].map(|walk| walk.chosen), [0b0000_1011; 2]);
    assert_eq!([drawn(3), drawn(9)].map(|walk| walk.chosen), [0b1100_0011; 2], "tied pools of one place together");
    let nobody = policy.walk(&ranking, 0b0001_0011, &Spill::NONE, &weights, nothing_to_draw);
    assert_eq!(nobody.chosen, 0b0000_0011, "there is no other place");
    let one_pool = SelectionPolicy { draw: Some(Draw::Chance), ..policy };
    let mut numbers = [10, 9].into_iter();
    let draw = by_weight(|_| numbers.next().unwrap());
    assert_eq!(one_pool.walk(&ranking, 0b1111_1111, &Spill::NONE, &weights, draw).chosen, 0b1000_0010);
}

#[test]
fn three_places_are_the_two_best_and_a_spare() {
    let policy = SelectionPolicy { take: take(3), spare: true, ..policy(&[FRA, IAD, SIN, GRU, SYD]) };
    let (ranked, tied) = (ranking(&[0b1, 0b10, 0b100, 0b1000, 0b1_0000]), ranking(&[0b111, 0b1_1000]));
    for (number, spare) in [(0, 0b100), (1, 0b1000), (2, 0b1_0000)] {
        assert_eq!(policy.walk(&ranked, 0b1_1111, &Spill::NONE, &[1; 5], by_weight(|_| number)).chosen, 0b11 | spare);
    }
    for (number, spare) in [(0, 0b1000), (1, 0b1_0000)] {
        let walk = policy.walk(&tied, 0b1_1111, &Spill::NONE, &[1; 5], by_weight(|_| number));
        assert_eq!(walk.chosen, 0b111 | spare, "a tie answers whole, the spare is one place");
    }
}

/// A ranking whose first tiers, `home`, are home by the steps before `load`.
fn at_home(home: &[Set], rest: &[Set]) -> Ranking {
    let all: Set = home.iter().chain(rest).fold(0, |all, tier| all | tier);
    let home_first = [home.iter().fold(0, |all, tier| all | tier)].into_iter().chain(rest.iter().copied());
    let fine = home.iter().chain(rest).copied().collect();
    let client = Client { region: crate::geo::RegionId::NOWHERE, coordinates: None, rtts: &[] };
    let steps = vec![CompiledStep::Failover(home_first.collect()), CompiledStep::Load, CompiledStep::Failover(fine)];
    CompiledChain::new(all.count_ones() as u8, steps).rank(&client)
}

#[test]
fn who_is_not_kept_goes_where_there_is_room_then_stays_then_goes_on() {
    let policy = policy(&[FRA, IAD, SIN, GRU]);
    let ranking = at_home(&[0b0001], &[0b0010, 0b1100]);
    let walk = |available, keep, roomy| {
        let next = |pools: Set| 63 - pools.leading_zeros() as usize;
        policy.walk(&ranking, available, &Spill { part: !0, keep, roomy, next: &next }, &[], nothing_to_draw)
    };
    assert_eq!(walk(0b1111, !0, 0b0110), Walk { chosen: 0b0001, reached: 0b0001 }, "its pool keeps it");
    assert_eq!(walk(0b1111, !1, 0b0110), Walk { chosen: 0b0100, reached: 0b0111 });
    assert_eq!(walk(0b1011, !1, 0b0110).chosen, 0b0010, "the next available pool with headroom");
    assert_eq!(walk(0b1110, !0, 0b0110).chosen, 0b0100, "home is dead");
    assert_eq!(walk(0b1111, !1, 0).chosen, 0b0001, "no pool has headroom");
    assert_eq!(walk(0b1001, !1, 0b0110).chosen, 0b0001, "no available pool has headroom");
    assert_eq!(walk(0b1110, !1, 0).chosen, 0b0010, "home is dead and no pool has headroom: the usual next tier");
    assert_eq!(walk(0b1000, !1, 0b0110).chosen, 0b1000);
}

#[test]
fn tied_pools_are_home_together_and_those_that_keep_a_client_answer_it() {
    let policy = policy(&[FRA, IAD, SIN]);
    let tied = at_home(&[0b011], &[0b100]);
    let next = |_| 2;
    let walk = |ranking: &Ranking, keep| {
        policy.walk(ranking, 0b111, &Spill { part: !0, keep, roomy: 0b100, next: &next }, &[], nothing_to_draw).chosen
    };
    assert_eq!([walk(&tied, !0), walk(&tied, !1), walk(&tied, !2), walk(&tied, !3)], [0b011, 0b010, 0b001, 0b100]);
    // Later steps rank the pools that keep the client.
    let ranked = at_home(&[0b001, 0b010], &[0b100]);
    assert_eq!([walk(&ranked, !0), walk(&ranked, !1), walk(&ranked, !3)], [0b001, 0b010, 0b100]);
    // If `load` is the first step there is no other pool to go to.
    let all = at_home(&[0b111], &[]);
    assert_eq!([walk(&all, !0), walk(&all, !5), walk(&all, !7)], [0b111, 0b010, 0b111]);
}

#[test]
fn a_second_place_has_room_too() {
    let policy = SelectionPolicy { take: take(2), ..policy(&[FRA, IAD, SIN, GRU]) };
    let ranking = at_home(&[0b0001], &[0b0010, 0b0100, 0b1000]);
    let next = |pools: Set| 63 - pools.leading_zeros() as usize;
    let walk = |keep| {
        policy
            .walk(&ranking, 0b1111, &Spill { part: !0, keep, roomy: 0b0110, next: &next }, &[], nothing_to_draw)
            .chosen
    };
    assert_eq!([walk(!0), walk(!1)], [0b0101, 0b0110]);
    let order = policy.order(&ranking, &Spill { part: !0, keep: !1, roomy: 0b0110, next: &next });
    assert_eq!(order, [0b0100, 0b0010, 0b0001, 0b1000]);
}

#[test]
fn a_hash_draws_the_same_pool_as_long_as_it_is_there() {
    let keys: Box<[HashKey]> = [b"a", b"b", b"c"].map(|name| HashKey::of_candidate(name)).into();
    let policy = SelectionPolicy { draw: Some(Draw::Sticky(keys.clone())), take: take(2), ..policy(&[FRA, IAD, SIN]) };
    let mut seen = 0;
    for number in 0..50_u8 {
        let client = HashKey::of_client([10, 0, number, 0].into(), 24, b"\0");
        let choose = |available| {
            policy.walk(&ranking(&[0b111]), available, &Spill::NONE, &[1; 3], by_hash(client, &keys)).chosen
        };
        let first = 1 << by_hash(client, &keys)(0b111, &[1; 3]);
        let second = 1 << by_hash(client, &keys)(0b111 & !first, &[1; 3]);
        assert_eq!(choose(0b111), first | second);
        assert_eq!(choose(first | second), first | second, "the third is not missed");
        assert_eq!(choose(0b111 & !first), 0b111 & !first);
        seen |= first;
    }
    assert_eq!(seen, 0b111);
}
