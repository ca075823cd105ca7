//! Regions: groups of clients with the same preferences.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher};
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::ids::{DatacenterId, RegionId};
use super::location::{Continent, CountryCode, Location, Subdivision};
use super::runs::{Prefix, Runs, nest};

/// A condition for a client to belong to a region, the most specific kind first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClientMatch {
    /// Its address is in this prefix; the longest prefix counts. Host bits are clear.
    Prefix(IpNet),
    /// This autonomous system announces its network.
    Asn(u32),
    /// It is in this subdivision.
    Subdivision(Subdivision),
    /// It is in this country.
    Country(CountryCode),
    /// It is on this continent.
    Continent(Continent),
}

impl ClientMatch {
    /// True if a client with this address at this location matches.
    pub fn takes(&self, address: IpAddr, location: &Location) -> bool {
        match self {
            Self::Prefix(net) => net.contains(&address),
            Self::Asn(number) => location.asn == Some(*number),
            Self::Subdivision(code) => location.subdivisions.contains(&Some(*code)),
            Self::Country(code) => location.country == Some(*code),
            Self::Continent(code) => location.continent == Some(*code),
        }
    }
}

/// A set of clients and the datacenters they prefer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Region {
    /// The name: `europe` for `[regions.europe]`, `wide/europe` for `[maps.wide.europe]`.
    pub name: Box<str>,
    /// The clients that belong to it; empty for the region `default`. No match is in two regions of a map.
    pub clients: Vec<ClientMatch>,
    /// Tiers of datacenters, best first. Each datacenter is in at most one.
    pub prefer: Vec<Vec<DatacenterId>>,
    /// True if unlisted datacenters are excluded; otherwise they are the last tier.
    pub only: bool,
}

impl Region {
    /// The map that it is a part of; empty for a region of `[regions]`.
    pub fn map(&self) -> &str {
        self.name.split_once('/').map_or("", |(map, _)| map)
    }

    /// The most specific match of a client with this address at this location; `None` if the region does not contain
    /// the client.
    pub fn best_match(&self, address: IpAddr, location: &Location) -> Option<&ClientMatch> {
        let specificity = |client: &&ClientMatch| match client {
            ClientMatch::Prefix(net) => (4, net.prefix_len()),
            ClientMatch::Asn(_) => (3, 0),
            ClientMatch::Subdivision(_) => (2, 0),
            ClientMatch::Country(_) => (1, 0),
            ClientMatch::Continent(_) => (0, 0),
        };
        self.clients.iter().filter(|client| client.takes(address, location)).max_by_key(specificity)
    }
}

/// The regions of clients with each of these facts. Thousands of zones look up each location of a database in them.
type Numbered<K> = HashMap<K, RegionId, foldhash::fast::FixedState>;

/// A zone's regions, with tables to find the region of a client. Zones share what they have in common: a region may have
/// tens of thousands of prefixes.
///
/// The regions of one map divide all clients among them. A zone has the map of `[regions]`, whose name is empty, and those
/// of `[maps]`. All of them have the same list, so that a region has the same id in each; they differ in the tables.
#[derive(Debug)]
pub struct Regions {
    list: Arc<[Arc<Region>]>,
    /// The hash of each region, so that a shared one is not hashed again for each zone.
    digests: Arc<[u64]>,
    /// The map whose regions the tables find.
    map: Box<str>,
    /// The other maps of the zone, in the order of their first regions; empty in one of these.
    others: Box<[Arc<Regions>]>,
    default: RegionId,
    v4: Arc<Runs<u32>>,
    v6: Arc<Runs<u128>>,
    asn: Numbered<u32>,
    subdivision: Numbered<Subdivision>,
    country: Numbered<CountryCode>,
    continent: Numbered<Continent>,
    /// Hash of `list`, so that two big lists rarely have to be compared.
    digest: u64,
}

impl Regions {
    /// The value of runs outside all regions' prefixes.
    pub const NO_PREFIX: u32 = u32::MAX;

    /// Builds the look-up tables. The region named `default` takes the clients that match no other region.
    pub fn new(list: Vec<Region>) -> Self {
        Self::over(None, list.into_iter().map(Arc::new).collect())
    }

    /// Does the same for regions of which some are those of `shared`, at the same positions.
    pub fn over(shared: Option<&Self>, list: Vec<Arc<Region>>) -> Self {
        let is_same = |(place, region): (usize, &Arc<Region>)| {
            shared.and_then(|shared| shared.list.get(place)).is_some_and(|other| Arc::ptr_eq(region, other))
        };
        let hash = |(place, region): (usize, &Arc<Region>)| match shared {
            Some(shared) if is_same((place, region)) => shared.digests[place],
            _ => foldhash::fast::FixedState::default().hash_one(region),
        };
        let list: Arc<[Arc<Region>]> = list.into();
        let digests: Arc<[u64]> = list.iter().enumerate().map(hash).collect();
        let all = (list, digests);
        let mut maps: Vec<&str> = all.0.iter().map(|region| region.map()).filter(|map| !map.is_empty()).collect();
        let mut seen = HashSet::new();
        maps.retain(|map| seen.insert(*map));
        let of_map = |map: &&str| {
            Arc::new(Self::of_one(
                map,
                shared.and_then(|it| it.others.iter().find(|other| *other.map == **map)).map(|it| &**it),
                &all,
            ))
        };
        let others = maps.iter().map(of_map).collect();
        Self { others, ..Self::of_one("", shared, &all) }
    }

    /// Builds the tables of one map. `shared` has the tables of the same map over another list.
    fn of_one(map: &str, shared: Option<&Self>, (list, digests): &(Arc<[Arc<Region>]>, Arc<[u64]>)) -> Self {
        let is_same = |(place, region): (usize, &Arc<Region>)| {
            shared.and_then(|shared| shared.list.get(place)).is_some_and(|other| Arc::ptr_eq(region, other))
        };
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        let (mut asn, mut subdivision, mut country, mut continent) =
            (Numbered::default(), Numbered::default(), Numbered::default(), Numbered::default());
        let has_prefixes = |region: &Region| {
            region.map() == map && region.clients.iter().any(|it| matches!(it, ClientMatch::Prefix(_)))
        };
        // The prefixes are those of the shared regions, as long as no region with prefixes came or went.
        let of_shared = shared.filter(|shared| {
            let mut own = list.iter().enumerate().filter(|item| !is_same(*item));
            let gone = (0..shared.list.len()).filter(|&place| list.get(place).is_none_or(|it| !is_same((place, it))));
            !own.any(|(_, region)| has_prefixes(region)) && !gone.into_iter().any(|it| has_prefixes(&shared.list[it]))
        });
        let of_map = (0..).zip(list.iter()).filter(|(_, region)| region.map() == map);
        for (number, region) in of_map {
            let id = RegionId::from_index(number as usize);
            for client in &region.clients {
                match *client {
                    ClientMatch::Prefix(_) if of_shared.is_some() => {}
                    ClientMatch::Prefix(IpNet::V4(net)) => {
                        v4.push(Prefix { first: net.network().to_bits(), length: net.prefix_len(), value: number });
                    }
                    ClientMatch::Prefix(IpNet::V6(net)) => {
                        v6.push(Prefix { first: net.network().to_bits(), length: net.prefix_len(), value: number });
                    }
                    ClientMatch::Asn(number) => _ = asn.insert(number, id),
                    ClientMatch::Subdivision(code) => _ = subdivision.insert(code, id),
                    ClientMatch::Country(code) => _ = country.insert(code, id),
                    ClientMatch::Continent(code) => _ = continent.insert(code, id),
                }
            }
        }
        let is_default =
            |region: &Arc<Region>| region.map() == map && region.name.rsplit('/').next() == Some("default");
        let default = list.iter().position(is_default);
        let (v4, v6) = match of_shared {
            Some(shared) => (shared.v4.clone(), shared.v6.clone()),
            None => (Arc::new(nest(v4, Self::NO_PREFIX)), Arc::new(nest(v6, Self::NO_PREFIX))),
        };
        Self {
            list: list.clone(),
            digests: digests.clone(),
            map: map.into(),
            others: [].into(),
            default: default.map_or(RegionId::NOWHERE, RegionId::from_index),
            v4,
            v6,
            asn,
            subdivision,
            country,
            continent,
            digest: foldhash::fast::FixedState::default().hash_one((digests, map)),
        }
    }

    /// The regions of the map with this name, which is empty for that of `[regions]`; `None` if the zone has no such map.
    pub fn of_map<'a>(self: &'a Arc<Self>, name: &str) -> Option<&'a Arc<Self>> {
        if name == &*self.map { Some(self) } else { self.others.iter().find(|other| *other.map == *name) }
    }

    /// The ids of the regions of this map.
    pub fn ids(&self) -> impl Iterator<Item = RegionId> {
        let of_map = self.list.iter().enumerate().filter(|(_, region)| region.map() == &*self.map);
        of_map.map(|(place, _)| RegionId::from_index(place))
    }

    /// The regions of all maps of the zone, in the order of their ids.
    pub fn list(&self) -> &[Arc<Region>] {
        &self.list
    }

    /// The region with this id; `None` for [`RegionId::NOWHERE`].
    pub fn get(&self, id: RegionId) -> Option<&Region> {
        self.list.get(id.index()).map(|region| &**region)
    }

    /// The region of a client. The most specific match wins, whichever region it is in.
    pub fn of(&self, address: IpAddr, location: &Location) -> RegionId {
        self.by_prefix(address).unwrap_or_else(|| self.of_location(location))
    }

    /// True if the prefix of some region contains this address.
    pub fn has_prefix_for(&self, address: IpAddr) -> bool {
        self.by_prefix(address).is_some()
    }

    fn by_prefix(&self, address: IpAddr) -> Option<RegionId> {
        Self::of_run(match address {
            IpAddr::V4(address) => self.v4.value(address.to_bits()),
            IpAddr::V6(address) => self.v6.value(address.to_bits()),
        })
    }

    /// The region whose prefix contains a run of [`Self::prefixes_v4`] or [`Self::prefixes_v6`] with this value; `None`
    /// for [`Self::NO_PREFIX`].
    pub fn of_run(value: u32) -> Option<RegionId> {
        (value != Self::NO_PREFIX).then(|| RegionId::from_index(value as usize))
    }

    /// The region of clients at `location` outside all prefixes.
    pub fn of_location(&self, location: &Location) -> RegionId {
        let by_asn = || location.asn.and_then(|number| self.asn.get(&number));
        // The second of two subdivisions is smaller and more specific.
        let by_subdivision =
            || location.subdivisions.iter().rev().flatten().find_map(|code| self.subdivision.get(code));
        let by_country = || location.country.and_then(|code| self.country.get(&code));
        let by_continent = || location.continent.and_then(|code| self.continent.get(&code));
        by_asn().or_else(by_subdivision).or_else(by_country).or_else(by_continent).copied().unwrap_or(self.default)
    }

    /// Runs over all IPv4 addresses. The value is the position of the region whose prefix contains them, or
    /// [`Self::NO_PREFIX`].
    pub fn prefixes_v4(&self) -> &Runs<u32> {
        &self.v4
    }

    /// The same for IPv6.
    pub fn prefixes_v6(&self) -> &Runs<u128> {
        &self.v6
    }
}

impl PartialEq for Regions {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest && self.map == other.map && self.list == other.list
    }
}

impl Eq for Regions {}

impl Hash for Regions {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.digest);
    }
}

/// The text in a zone file.
impl fmt::Display for ClientMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prefix(net) => net.fmt(f),
            Self::Asn(number) => write!(f, "asn:{number}"),
            Self::Subdivision(code) => write!(f, "subdivision:{code}"),
            Self::Country(code) => write!(f, "country:{code}"),
            Self::Continent(code) => write!(f, "continent:{code}"),
        }
    }
}
