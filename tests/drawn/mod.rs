//! Random configurations: locations, regions, chains and round trips, and the ranking of a client by definition.

// Each test binary compiles this module and uses a part of it.
#![allow(dead_code)]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use proptest::prelude::*;
use truenorth::geo::local::LocalSpace;
use truenorth::geo::{
    Bits, Caps, ClientMatch, Continent, Coordinates, CountryCode, DatacenterId, Location, Locations, Prefix, Region,
    RegionId, Regions, local, nest,
};
use truenorth::latency::{ClientRtts, LatencyTable, MIN_SAMPLES, Rtt, Sample, Tolerance, Widths};
use truenorth::steering::{self, CompiledChain, CompiledStep, Ground, Map, Ranking, RegionTiers};

/// Number of candidate classes that rankings order.
pub(crate) const CLASSES: u8 = 4;

/// The datacenter of each candidate class.
const DATACENTERS: [&str; CLASSES as usize] = ["fra", "iad", "sin", "gru"];

/// A random configuration.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
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
    /// True if regions' prefixes name local space for chains without regions too.
    is_named: bool,
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
pub(crate) fn any_v4() -> impl Strategy<Value = u32> {
    prop_oneof![
        any::<u32>(),
        (0u32..64).prop_map(|low| 0x0a00_0000 | low << 14),
        (0u32..1024).prop_map(|low| 0xcb00_7100 | low)
    ]
}

pub(crate) fn any_v6() -> impl Strategy<Value = u128> {
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

pub(crate) fn any_draft() -> impl Strategy<Value = Draft> {
    let latency = ((0u8..=24, 0u8..=48), proptest::collection::vec(any_round_trip(), 0..40), (0u16..300, 0u16..100));
    (
        proptest::collection::vec(any_location(), 1..8),
        proptest::collection::vec((any_v4(), 0u8..=32, any::<usize>()), 0..30),
        proptest::collection::vec((any_v6(), 0u8..=128, any::<usize>()), 0..30),
        proptest::collection::vec(any_region(), 0..4),
        proptest::collection::vec(0u8..4, 0..4),
        proptest::collection::vec(proptest::option::of((-9i32..=9, -18i32..=18)), usize::from(CLASSES)),
        proptest::collection::vec(0usize..3, usize::from(CLASSES)),
        (latency, any::<bool>()),
    )
        .prop_map(|(locations, v4, v6, regions, steps, places, failover, (latency, is_named))| Draft {
            widths: latency.0,
            round_trips: latency.1,
            tolerance: latency.2,
            is_named,
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

    /// The networks with round trips.
    fn measured(&self) -> Vec<IpNet> {
        let network = |&(client, ..): &(IpAddr, usize, u16)| {
            let width = if client.is_ipv4() { self.widths.0 } else { self.widths.1 };
            IpNet::new(client, width).unwrap().trunc()
        };
        self.round_trips.iter().map(network).collect()
    }

    /// The first addresses of everything that can distinguish IPv4 clients.
    pub(crate) fn cuts_v4(&self) -> Vec<u32> {
        let mut cuts = Cuts::new();
        for &(address, length, _) in &self.v4 {
            cuts.add(address, length);
        }
        for client in self.regions.iter().flat_map(|region| &region.clients) {
            if let &DraftMatch::V4(address, length) = client {
                cuts.add(address, length);
            }
        }
        for net in self.measured() {
            if let IpNet::V4(net) = net {
                cuts.add(net.network().to_bits(), net.prefix_len());
            }
        }
        cuts.finish()
    }

    /// The first addresses of everything that can distinguish IPv6 clients.
    pub(crate) fn cuts_v6(&self) -> Vec<u128> {
        let mut cuts = Cuts::new();
        for &(address, length, _) in &self.v6 {
            cuts.add(address, length);
        }
        for client in self.regions.iter().flat_map(|region| &region.clients) {
            if let &DraftMatch::V6(address, length) = client {
                cuts.add(address, length);
            }
        }
        for net in self.measured() {
            if let IpNet::V6(net) = net {
                cuts.add(net.network().to_bits(), net.prefix_len());
            }
        }
        cuts.finish()
    }

    /// The configuration if this many bits of a network's address are used.
    pub(crate) fn world(&self, caps: Caps) -> Drawn {
        let (locations, compiled_chain) = (Arc::new(self.locations()), self.compiled_chain());
        let (table, sites) = (self.table(&locations), self.sites());
        let ground = if compiled_chain.measures_latency() {
            let client_rtts = ClientRtts::new(table.clone(), sites.clone(), &locations);
            Ground::of_client_rtts(locations.clone(), Arc::new(client_rtts), caps)
        } else {
            Ground::of_locations(locations.clone(), caps)
        };
        let naming = Some(Arc::new(self.regions())).filter(|_| self.is_named && compiled_chain.regions().is_none());
        let map = Map::build(compiled_chain.clone(), naming.clone(), &Arc::new(ground));
        Drawn { locations, compiled_chain, naming, measured: self.measured(), table, sites, caps, map: Arc::new(map) }
    }
}

fn place(draft: Option<(i32, i32)>) -> Option<Coordinates> {
    draft.and_then(|(north, east)| Coordinates::try_new(f64::from(north) * 10.0, f64::from(east) * 10.0))
}

/// A random configuration, and its map.
pub(crate) struct Drawn {
    pub(crate) locations: Arc<Locations>,
    pub(crate) compiled_chain: CompiledChain,
    naming: Option<Arc<Regions>>,
    /// The networks with round trips.
    measured: Vec<IpNet>,
    table: LatencyTable,
    sites: Box<[Coordinates]>,
    pub(crate) caps: Caps,
    pub(crate) map: Arc<Map>,
}

impl Drawn {
    /// Returns the ranking by definition: from the client's location, its region, its round trips, and the chain.
    pub(crate) fn by_definition(&self, address: IpAddr) -> Ranking {
        let location = self.locations.look_up(address);
        let region = self.compiled_chain.regions().map_or(RegionId::NOWHERE, |regions| regions.of(address, &location));
        let readings = self.table.readings(address, &location, &self.sites);
        let rtts: Vec<Rtt> = readings.iter().map(|reading| reading.rtt).collect();
        self.compiled_chain.rank(&steering::Client { region, coordinates: location.coordinates, rtts: &rtts })
    }

    /// The regions whose prefixes give clients a location.
    pub(crate) fn regions(&self) -> Option<&Regions> {
        self.compiled_chain.regions().or(self.naming.as_ref()).map(|regions| &**regions)
    }

    /// True if the network with this lowest address has no location, by definition: neither a prefix, nor a database,
    /// nor round trips if they count, say anything of it.
    pub(crate) fn is_unnamed(&self, network: IpAddr) -> bool {
        let is_measured = |net: &IpNet| self.compiled_chain.measures_latency() && net.contains(&network);
        if self.measured.iter().any(is_measured) {
            return false;
        }
        let cap = if network.is_ipv4() { self.caps.v4 } else { self.caps.v6 };
        let nobody = Regions::new(Vec::new());
        local::is_unnamed(network, cap, &self.locations, self.regions().unwrap_or(&nobody))
    }
}

/// The prefixes between which clients cannot differ.
struct Cuts<B>(Vec<B>);

impl<B: LocalSpace> Cuts<B> {
    fn new() -> Self {
        let mut cuts = Self(vec![B::ZERO]);
        for &(first, length) in B::BLOCKS {
            cuts.add(first, length);
        }
        cuts
    }

    fn add(&mut self, address: B, length: u8) {
        let mask = B::host_mask(length);
        self.0.push(address.without(mask));
        self.0.extend(address.with(mask).next());
    }

    fn finish(mut self) -> Vec<B> {
        self.0.sort_unstable();
        self.0.dedup();
        self.0
    }
}
