//! Checks the rules for the scope with random regions, prefixes, databases and round trips. Every address within the
//! scope has the same ranking, and the same hash if the name is sticky. One bit less would be too wide, unless the
//! scope is at its maximum or 0.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::{NonZeroU8, NonZeroU16};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use proptest::prelude::*;
use truenorth::answer::Client;
use truenorth::geo::{
    Bits, Caps, ClientMatch, Continent, Coordinates, CountryCode, DatacenterId, Location, Locations, Prefix, Region,
    RegionId, Regions, nest,
};
use truenorth::latency::{ClientRtts, LatencyTable, MIN_SAMPLES, Rtt, Sample, Tolerance, Widths};
use truenorth::snapshot::{Ecs, PoolId, Rule, Ttls};
use truenorth::steering::{
    self, AllDown, CompiledChain, CompiledStep, Draw, Ground, HashKey, Map, Pick, Ranking, RegionTiers, SelectionPolicy,
};

/// Number of candidate classes that rankings order.
const CLASSES: u8 = 4;

/// The datacenter of each candidate class.
const DATACENTERS: [&str; CLASSES as usize] = ["fra", "iad", "sin", "gru"];

/// A random configuration.
#[derive(Clone, Debug)]
struct Draft {
    locations: Vec<Location>,
    v4: Vec<(u32, u8, usize)>,
    v6: Vec<(u128, u8, usize)>,
    regions: Vec<DraftRegion>,
    steps: Vec<u8>,
    places: Vec<Option<(i32, i32)>>,
    failover: Vec<usize>,
    /// Number of leading bits of an address that form a network.
    widths: (u8, u8),
    /// Round trips that clients measured to a candidate class's datacenter, in milliseconds.
    round_trips: Vec<(IpAddr, usize, u16)>,
    tolerance: (u16, u16),
}

#[derive(Clone, Debug)]
struct DraftRegion {
    clients: Vec<DraftMatch>,
    order: Vec<usize>,
    only: bool,
}

#[derive(Clone, Debug)]
enum DraftMatch {
    V4(u32, u8),
    V6(u128, u8),
    Asn(u32),
    Country(usize),
    Continent(usize),
}

const COUNTRIES: [&str; 4] = ["DE", "US", "JP", "BR"];

/// Few different bits, so that many prefixes nest, touch and overlap.
fn any_v4() -> impl Strategy<Value = u32> {
    prop_oneof![
        any::<u32>(),
        (0u32..64).prop_map(|low| 0x0a00_0000 | low << 14),
        (0u32..1024).prop_map(|low| 0xcb00_7100 | low)
    ]
}

fn any_v6() -> impl Strategy<Value = u128> {
    prop_oneof![any::<u128>(), (0u128..64).prop_map(|low| 0x2001_0db8 << 96 | low << 74)]
}

fn any_location() -> impl Strategy<Value = Location> {
    (0usize..5, 0u32..4, proptest::option::of((-8i32..8, -17i32..17))).prop_map(|(country, asn, point)| Location {
        continent: Some(Continent::ALL[country % 7].1),
        country: COUNTRIES.get(country).and_then(|code| CountryCode::parse(code)),
        asn: (asn > 0).then_some(asn),
        coordinates: point.and_then(|(latitude, longitude)| {
            Coordinates::try_new(f64::from(latitude) * 10.0, f64::from(longitude) * 10.0)
        }),
        ..Location::default()
    })
}

fn any_match() -> impl Strategy<Value = DraftMatch> {
    prop_oneof![
        (any_v4(), 0u8..=32).prop_map(|(address, length)| DraftMatch::V4(address, length)),
        (any_v6(), 0u8..=128).prop_map(|(address, length)| DraftMatch::V6(address, length)),
        (1u32..4).prop_map(DraftMatch::Asn),
        (0usize..4).prop_map(DraftMatch::Country),
        (0usize..7).prop_map(DraftMatch::Continent),
    ]
}

fn any_region() -> impl Strategy<Value = DraftRegion> {
    let clients = proptest::collection::vec(any_match(), 1..5);
    let order = proptest::collection::vec(0usize..5, usize::from(CLASSES));
    (clients, order, any::<bool>()).prop_map(|(clients, order, only)| DraftRegion { clients, order, only })
}

fn any_round_trip() -> impl Strategy<Value = (IpAddr, usize, u16)> {
    let v4 = any_v4().prop_map(|address| Ipv4Addr::from_bits(address).into());
    let v6 = any_v6().prop_map(|address| Ipv6Addr::from_bits(address).into());
    (prop_oneof![v4, v6], 0usize..usize::from(CLASSES), 1u16..60)
}

fn any_draft() -> impl Strategy<Value = Draft> {
    let latency = ((0u8..=24, 0u8..=48), proptest::collection::vec(any_round_trip(), 0..40), (0u16..300, 0u16..100));
    (
        proptest::collection::vec(any_location(), 1..8),
        proptest::collection::vec((any_v4(), 0u8..=32, any::<usize>()), 0..30),
        proptest::collection::vec((any_v6(), 0u8..=128, any::<usize>()), 0..30),
        proptest::collection::vec(any_region(), 0..4),
        proptest::collection::vec(0u8..4, 0..4),
        proptest::collection::vec(proptest::option::of((-9i32..=9, -18i32..=18)), usize::from(CLASSES)),
        proptest::collection::vec(0usize..3, usize::from(CLASSES)),
        latency,
    )
        .prop_map(|(locations, v4, v6, regions, steps, places, failover, latency)| Draft {
            widths: latency.0,
            round_trips: latency.1,
            tolerance: latency.2,
            locations,
            v4,
            v6,
            regions,
            steps,
            places,
            failover,
        })
}

fn prefixes<B: Bits>(drafts: &[(B, u8, usize)], count: usize) -> Vec<Prefix<B>> {
    let prefix = |&(address, length, value): &(B, u8, usize)| Prefix {
        first: address.without(B::host_mask(length)),
        length,
        value: (value % count) as u32,
    };
    drafts.iter().map(prefix).collect()
}

impl Draft {
    fn locations(&self) -> Locations {
        let mut table = vec![Location::default()];
        table.extend_from_slice(&self.locations);
        let count = table.len();
        Locations {
            v4: nest(prefixes(&self.v4, count), 0),
            v6: nest(prefixes(&self.v6, count), 0),
            table: table.into(),
        }
    }

    /// Regions without duplicate matches.
    fn regions(&self) -> Regions {
        let mut known = std::collections::HashSet::new();
        let mut list: Vec<Region> = Vec::new();
        for (number, region) in self.regions.iter().enumerate() {
            let clients = region.clients.iter().map(|client| match *client {
                DraftMatch::V4(address, length) => {
                    ClientMatch::Prefix(IpNet::new(Ipv4Addr::from_bits(address).into(), length).unwrap().trunc())
                }
                DraftMatch::V6(address, length) => {
                    ClientMatch::Prefix(IpNet::new(Ipv6Addr::from_bits(address).into(), length).unwrap().trunc())
                }
                DraftMatch::Asn(number) => ClientMatch::Asn(number),
                DraftMatch::Country(country) => ClientMatch::Country(CountryCode::parse(COUNTRIES[country]).unwrap()),
                DraftMatch::Continent(continent) => ClientMatch::Continent(Continent::ALL[continent].1),
            });
            let clients = clients.filter(|client| known.insert(*client)).collect();
            let name = if number == 0 { "default".into() } else { format!("region{number}").into() };
            list.push(Region { name, clients, prefer: Vec::new(), only: region.only });
        }
        Regions::new(list)
    }

    fn compiled_chain(&self) -> CompiledChain {
        let regions = Arc::new(self.regions());
        let by_number = |numbers: &[usize]| -> Box<[u64]> {
            let tier = |wanted: usize| {
                numbers
                    .iter()
                    .enumerate()
                    .filter(|(_, number)| **number == wanted)
                    .fold(0, |set, (class, _)| set | 1 << class)
            };
            // The highest number means "not listed".
            (0..4).map(tier).filter(|&set| set != 0).collect()
        };
        let steps = self.steps.iter().map(|step| match step {
            0 => {
                let tiers = self
                    .regions
                    .iter()
                    .map(|region| RegionTiers { tiers: by_number(&region.order), only: region.only });
                CompiledStep::Region(regions.clone(), tiers.collect())
            }
            1 => CompiledStep::Distance(self.places.iter().copied().map(place).collect()),
            2 => {
                // Candidate classes without a location have no datacenter.
                let datacenter = |(class, place): (usize, &Option<_>)| place.map(|_| DatacenterId::from_index(class));
                let tolerance = Tolerance::try_new(self.tolerance.0, self.tolerance.1).unwrap();
                CompiledStep::Latency(self.places.iter().enumerate().map(datacenter).collect(), tolerance)
            }
            _ => CompiledStep::Failover(by_number(&self.failover)),
        });
        CompiledChain::new(CLASSES, steps.collect())
    }

    /// Returns the location of each candidate class's datacenter.
    fn sites(&self) -> Box<[Coordinates]> {
        let origin = Coordinates::try_new(0.0, 0.0).unwrap();
        self.places.iter().map(|&draft| place(draft).unwrap_or(origin)).collect()
    }

    fn table(&self, locations: &Locations) -> LatencyTable {
        let mut table = LatencyTable::default();
        table.adopt(DATACENTERS, Widths::new(self.widths.0, self.widths.1));
        for &(client, class, ms) in &self.round_trips {
            let sample = Sample::try_new(client.into(), DATACENTERS[class], f64::from(ms)).unwrap();
            for _ in 0..MIN_SAMPLES {
                table.feed(&sample, &locations.look_up(client), Duration::ZERO);
            }
        }
        table
    }

    /// The configuration if this many bits of a network's address are used.
    fn world(&self, caps: Caps) -> Drawn {
        let (locations, compiled_chain) = (self.locations(), self.compiled_chain());
        let (table, sites) = (self.table(&locations), self.sites());
        let client_rtts = ClientRtts::new(table.clone(), sites.clone(), &locations);
        let ground = Ground { locations: &locations, client_rtts: Some(&client_rtts), caps };
        let map = Map::build(compiled_chain.clone(), None, ground);
        Drawn { locations, compiled_chain, table, sites, map: Arc::new(map) }
    }
}

fn place(draft: Option<(i32, i32)>) -> Option<Coordinates> {
    draft.and_then(|(north, east)| Coordinates::try_new(f64::from(north) * 10.0, f64::from(east) * 10.0))
}

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

/// A random configuration, and its map.
struct Drawn {
    locations: Locations,
    compiled_chain: CompiledChain,
    table: LatencyTable,
    sites: Box<[Coordinates]>,
    map: Arc<Map>,
}

impl Drawn {
    /// Returns the ranking by definition: from the client's location, its region, its round trips, and the chain.
    fn by_definition(&self, address: IpAddr) -> Ranking {
        let location = self.locations.look_up(address);
        let region = self.compiled_chain.regions().map_or(RegionId::NOWHERE, |regions| regions.of(address, &location));
        let readings = self.table.readings(address, &location, &self.sites);
        let rtts: Vec<Rtt> = readings.iter().map(|reading| reading.rtt).collect();
        self.compiled_chain.rank(&steering::Client { region, coordinates: location.coordinates, rtts: &rtts })
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
