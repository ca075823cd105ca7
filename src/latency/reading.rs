//! What is known of a round trip, and how.

use std::fmt;

use ipnet::IpNet;

use super::measure::Measured;
use super::rtt::Rtt;
use crate::geo::{Continent, Coordinates, CountryCode, Location};

/// Networks that share a row where they have none of their own, from the smallest to the largest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Area {
    /// Those of an autonomous system in a country.
    Asn(u32, CountryCode),
    /// Those in a country.
    Country(CountryCode),
    /// Those in the country of this node's site, as its own probes measure.
    Probed(CountryCode),
    /// Those on a continent.
    Continent(Continent),
}

/// Whose row it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Clients {
    /// Those in this network.
    Network(IpNet),
    /// Those in this area.
    Area(Area),
}

/// What is known of the round trip between a client and a datacenter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    /// What rankings are made of.
    pub rtt: Rtt,
    /// How it is known.
    pub source: ReadingSource,
}

/// How a round trip time is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ReadingSource {
    /// It was measured for these clients.
    Measured(Clients, Measured),
    /// From the distance.
    Estimated,
    /// Not even the distance is known: the median of the other datacenters.
    Median,
    /// Nothing is known of any datacenter.
    Unknown,
}

/// Where no round trip was measured: the estimate, or without coordinates the median of the others.
pub(super) fn fill(rtts: &mut [Rtt], client: Option<Coordinates>, sites: &[Coordinates]) {
    if let Some(client) = client {
        for (rtt, &site) in rtts.iter_mut().zip(sites).filter(|(rtt, _)| !rtt.is_known()) {
            *rtt = Rtt::estimate(client, site);
        }
        return;
    }
    if rtts.iter().all(|rtt| rtt.is_known()) {
        return;
    }
    let mut known: Vec<Rtt> = rtts.iter().copied().filter(|rtt| rtt.is_known()).collect();
    known.sort_unstable();
    let median = Rtt::median(&known);
    rtts.iter_mut().filter(|rtt| !rtt.is_known()).for_each(|rtt| *rtt = median);
}

/// The areas that a sample from here feeds.
pub(super) fn areas_of(location: &Location) -> impl Iterator<Item = Area> {
    fallback_of(location).filter(|area| !matches!(area, Area::Probed(_)))
}

/// The areas that are asked for clients here, the smallest first.
pub(super) fn fallback_of(location: &Location) -> impl Iterator<Item = Area> + use<> {
    let asn = location.asn.zip(location.country).map(|(asn, country)| Area::Asn(asn, country));
    let country = location.country;
    let areas = [asn, country.map(Area::Country), country.map(Area::Probed), location.continent.map(Area::Continent)];
    areas.into_iter().flatten()
}

/// As an operator reads it: `198.51.100.0/24`, `AS3320 in DE`, `DE`, `EU`.
impl fmt::Display for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(net) => net.fmt(f),
            Self::Area(Area::Asn(asn, country)) => write!(f, "AS{asn} in {country}"),
            Self::Area(Area::Country(country)) => country.fmt(f),
            Self::Area(Area::Probed(country)) => write!(f, "own probes, for {country}"),
            Self::Area(Area::Continent(continent)) => continent.fmt(f),
        }
    }
}
