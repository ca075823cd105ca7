//! Maps share the runs of a database and find their own ones at each look-up. This compares them with a plain reference
//! over random regions, databases, round trips and addresses: a list of everything between two cuts, each ranked by
//! definition, and the scope found by trying every length.

mod drawn;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use drawn::{Drawn, any_draft, any_v4, any_v6};
use proptest::prelude::*;
use truenorth::geo::{Bits, Caps, Run};
use truenorth::steering::{Placement, Ranking};

/// A part of the address space in which all clients are equal.
struct Part<B> {
    first: B,
    last: B,
    ranking: Ranking,
    is_unnamed: bool,
}

/// The address space in parts: networks of `cap` bits, or hosts if that is the full width.
fn parts<B: Bits>(world: &Drawn, address: fn(B) -> IpAddr, cuts: &[B], cap: u8) -> Vec<Part<B>> {
    let mask = B::host_mask(cap);
    // A network has the facts of its lowest address, so a cut inside of it counts from the next network on.
    let network = |&cut: &B| if cut.without(mask) == cut { Some(cut) } else { cut.with(mask).next() };
    let mut starts: Vec<B> = cuts.iter().filter_map(network).collect();
    starts.dedup();
    let ends = starts[1..].iter().map(|next| next.previous().unwrap()).chain([B::MAX]);
    let part = |(&first, last)| {
        let client = address(first);
        Part { first, last, ranking: world.by_definition(client), is_unnamed: world.is_unnamed(client) }
    };
    starts.iter().zip(ends).map(part).collect()
}

/// The placement of an address by definition.
fn place<B: Bits>(parts: &[Part<B>], address: B) -> (&Ranking, u8, bool) {
    let here = parts.iter().rfind(|part| part.first <= address).unwrap();
    let is_constant = |length: &u8| {
        let mask = B::host_mask(*length);
        let (first, last) = (address.without(mask), address.with(mask));
        let mut inside = parts.iter().filter(|part| part.first <= last && first <= part.last);
        inside.all(|part| (&part.ranking, part.is_unnamed) == (&here.ranking, here.is_unnamed))
    };
    (&here.ranking, (0..=B::WIDTH).find(is_constant).unwrap(), here.is_unnamed)
}

/// The parts with equal neighbours joined, as the map writes its runs out.
fn joined<B: Bits>(parts: &[Part<B>]) -> Vec<(B, B, &Ranking)> {
    let runs = parts.chunk_by(|one, next| (&one.ranking, one.is_unnamed) == (&next.ranking, next.is_unnamed));
    runs.map(|run| (run[0].first, run[run.len() - 1].last, &run[0].ranking)).collect()
}

fn agree<B: Bits>(
    world: &Drawn,
    address: fn(B) -> IpAddr,
    (cuts, cap): (&[B], u8),
    clients: &[B],
    runs: impl Iterator<Item = Run<B>>,
) -> Result<bool, TestCaseError> {
    let map = &world.map;
    let networks = parts(world, address, cuts, cap);
    let hosts = parts(world, address, cuts, B::WIDTH);
    let edges = cuts.iter().flat_map(|cut| [Some(*cut), cut.previous(), cut.next()]).flatten();
    for client in clients.iter().copied().chain(edges) {
        let (ranking, scope, is_unnamed) = place(&networks, client);
        let expected = Placement { ranking, scope, is_unnamed };
        prop_assert_eq!(map.look_up(address(client)), expected, "{:?}", address(client));
        let host = map.ranking_of_host(address(client));
        prop_assert_eq!(host, &hosts.iter().rfind(|part| part.first <= client).unwrap().ranking);
    }
    let runs: Vec<_> = runs.map(|run| (run.first, run.last, &map.rankings()[run.value as usize])).collect();
    prop_assert_eq!(runs, joined(&networks));
    let first = &networks[0].ranking;
    Ok(networks.iter().chain(&hosts).all(|part| part.ranking == *first))
}

fn any_caps() -> impl Strategy<Value = Caps> {
    prop_oneof![
        Just(Caps::NONE),
        Just(Caps { v4: 24, v6: 56 }),
        (0u8..=32, 0u8..=128).prop_map(|(v4, v6)| Caps { v4, v6 })
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn maps_agree_with_their_definition(
        draft in any_draft(),
        caps in any_caps(),
        v4 in proptest::collection::vec(any_v4(), 6),
        v6 in proptest::collection::vec(any_v6(), 6),
    ) {
        let world = draft.world(caps);
        let (cuts_v4, cuts_v6) = (draft.cuts_v4(), draft.cuts_v6());
        let (runs_v4, runs_v6) = (world.map.v4(), world.map.v6());
        let in_v4 = agree(&world, |bits| Ipv4Addr::from_bits(bits).into(), (&cuts_v4, caps.v4), &v4, runs_v4.iter())?;
        let in_v6 = agree(&world, |bits| Ipv6Addr::from_bits(bits).into(), (&cuts_v6, caps.v6), &v6, runs_v6.iter())?;
        let zero = |address: IpAddr| world.by_definition(address);
        let are_equal = zero(Ipv4Addr::UNSPECIFIED.into()) == zero(Ipv6Addr::UNSPECIFIED.into());
        prop_assert_eq!(world.map.is_uniform(), in_v4 && in_v6 && are_equal);
    }
}
