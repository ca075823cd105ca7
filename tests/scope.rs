//! Checks the rules for the scope with random regions, prefixes, databases and round trips. Every address within the
//! scope has the same ranking, and the same hash if the name is sticky. One bit less would be too wide, unless the
//! scope is at its maximum or 0.

mod drawn;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::{NonZeroU8, NonZeroU16};
use std::sync::Arc;

use drawn::{CLASSES, Drawn, any_draft, any_v4, any_v6};
use proptest::prelude::*;
use truenorth::answer::Client;
use truenorth::geo::{Bits, Caps, DatacenterId};
use truenorth::snapshot::{Ecs, PoolId, Rule, Ttls};
use truenorth::steering::{AllDown, Draw, HashKey, Map, Pick, SelectionPolicy};

/// A name in wire format that is hashed with clients.
const NAME: &[u8] = b"\x03www\x07example\0";

/// A name's rule over this map, sticky by this many bits if it is.
fn rule(map: Arc<Map>, sticky: Option<[u8; 2]>) -> Rule {
    let policy = SelectionPolicy {
        classes: (0..CLASSES).map(|class| 1 << class).collect(),
        datacenters: (0..usize::from(CLASSES)).map(DatacenterId::from_index).map(Some).collect(),
        weights: vec![1; usize::from(CLASSES)].into(),
        draw: sticky.map(|_| Draw::Sticky((0..CLASSES).map(|class| HashKey::of_candidate(&[class])).collect())),
        take: NonZeroU8::MIN,
        spare: false,
    };
    Rule {
        pools: (0..usize::from(CLASSES)).map(PoolId::from_index).collect(),
        map,
        policy,
        pick: Some(Pick::Rotate),
        answers: Some(NonZeroU16::MIN),
        shares_addresses: false,
        sticky,
        load: None,
        fallback: None,
        all_down: AllDown::All,
        ttls: Ttls::try_new(30, 5).unwrap(),
        https: None,
        split: None,
    }
}

fn hold<B: Bits>(
    address: fn(B) -> IpAddr,
    world: &Drawn,
    rule: &Rule,
    here: B,
    others: &[B],
) -> Result<(), TestCaseError> {
    let placement = rule.place(address(here));
    let key = |other: B| rule.client_key(address(other), NAME);
    prop_assert_eq!(placement.ranking, &world.by_definition(address(here)));
    let mask = B::host_mask(placement.scope);
    let inside = others.iter().map(|other| here.without(mask).with(other.without(B::MAX.without(mask))));
    for other in inside.chain([here.without(mask), here.with(mask)]) {
        prop_assert_eq!(rule.place(address(other)), placement);
        prop_assert_eq!(placement.ranking, &world.by_definition(address(other)));
        // A network without a location is not hashed.
        if !placement.is_unnamed {
            prop_assert_eq!(key(other), key(here));
        }
    }
    if placement.scope > 0 {
        // The half that one bit less would add contains an address with another ranking, because a run ends there, or
        // one with another hash.
        let wider = B::host_mask(placement.scope - 1);
        let differs = |other: B| {
            let beside = rule.place(address(other));
            (beside.ranking, beside.is_unnamed) != (placement.ranking, placement.is_unnamed) || key(other) != key(here)
        };
        let (first, last) = (here.without(wider), here.with(wider));
        let mut beside = edges(address, &rule.map, first, last);
        beside.push(last);
        prop_assert!(beside.into_iter().any(differs), "/{} is too narrow at {:?}", placement.scope, here);
    }
    Ok(())
}

/// An address of every run between two addresses, found by walking from run to run.
fn edges<B: Bits>(address: fn(B) -> IpAddr, map: &Map, first: B, last: B) -> Vec<B> {
    let mut found = vec![first];
    let mut here = first;
    while let Some(next) = here.with(B::host_mask(map.look_up(address(here)).scope)).next() {
        if next > last || found.len() > 10_000 {
            break;
        }
        found.push(next);
        here = next;
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn a_scope_holds_one_ranking_and_one_hash_and_one_bit_less_would_not_do(
        draft in any_draft(),
        sticky in proptest::option::of((0u8..=32, 0u8..=128)),
        v4 in proptest::collection::vec(any_v4(), 6),
        v6 in proptest::collection::vec(any_v6(), 6),
    ) {
        let world = draft.world(Caps::NONE);
        let rule = rule(world.map.clone(), sticky.map(|(v4, v6)| [v4, v6]));
        for &here in &v4 {
            hold(|number| Ipv4Addr::from_bits(number).into(), &world, &rule, here, &v4)?;
        }
        for &here in &v6 {
            hold(|number| Ipv6Addr::from_bits(number).into(), &world, &rule, here, &v6)?;
        }
    }

    #[test]
    fn what_is_told_is_cut_at_the_cap_and_so_is_the_client(
        draft in any_draft(),
        here in any_v4(),
        others in proptest::collection::vec(any::<u32>(), 6),
        cap in 0u8..=32,
        sticky in proptest::option::of(0u8..=32),
    ) {
        // A configuration with a longer one is refused.
        let sticky = sticky.map(|length| [length.min(cap), 0]);
        let ecs = Ecs { max_source_v4: cap, ..Ecs::default() };
        let world = draft.world(ecs.caps());
        let rule = rule(world.map.clone(), sticky);
        let client = |number| Client::of_network(&ecs, Ipv4Addr::from_bits(number).into(), 32);
        let placement = rule.place(client(here).address);
        let told = client(here).scope(placement.scope);
        prop_assert!(told <= cap);
        prop_assert_eq!(placement.ranking, &world.by_definition(client(here).address));
        // A packet's source is looked up with all of its bits.
        prop_assert_eq!(rule.map.ranking_of_host(Ipv4Addr::from_bits(here).into()), &world.by_definition(Ipv4Addr::from_bits(here).into()));
        // All clients that share the prefix of this scope, cut to the server's maximum, get the same answer.
        let mask = u32::host_mask(told);
        for other in others {
            let other = here.without(mask).with(other.without(!mask));
            prop_assert_eq!(rule.place(client(other).address).ranking, placement.ranking);
            let key = |number| rule.client_key(client(number).address, NAME);
            if !placement.is_unnamed {
                prop_assert_eq!(key(other), key(here));
            }
        }
        // Only networks of this length can be asked for, so the scope is not narrower than their rankings require.
        if told > 0 && told < cap && sticky.is_none_or(|[length, _]| length < told) {
            let wider = u32::host_mask(told - 1);
            let (first, last) = (here.without(wider), here.with(wider));
            let steps = 1_u64 << (u32::from(cap) - u32::from(told - 1)).min(12);
            let step = (u64::from(last - first) + 1) / steps;
            let exact = steps == 1 << (cap - (told - 1));
            let differs = |number: u64| {
                let other = rule.place(client(first + (number * step) as u32).address);
                (other.ranking, other.is_unnamed) != (placement.ranking, placement.is_unnamed)
            };
            prop_assert!(!exact || (0..steps).any(differs), "/{told} is too narrow");
        }
    }
}
