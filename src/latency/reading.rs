//! A known round trip time and its source.

use std::fmt;
use std::sync::Arc;

use ipnet::IpNet;

use super::measure::Measured;
use super::rtt::Rtt;
use crate::geo::{Continent, CountryCode, Location};

/// Networks that share a row of measurements, which is used for networks without a row of their own. Ordered from the
/// smallest area to the largest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Area {
    /// Networks of an autonomous system in a country.
    Asn(u32, CountryCode),
    /// Networks in a country.
    Country(CountryCode),
    /// Networks in the country of this node's site, as this node's probes measure them. Without a country the row is for
    /// no clients: the node only tells it to its fleet.
    Probed(Option<CountryCode>),
    /// Networks on a continent.
    Continent(Continent),
}

/// The clients that a row is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Clients {
    /// Clients in this network.
    Network(IpNet),
    /// Clients in this area.
    Area(Area),
}

/// The round trip time between a client and a datacenter, and its source.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// The round trip time that rankings use.
    pub rtt: Rtt,
    /// Its source.
    pub source: ReadingSource,
}

/// The source of a round trip time.
#[derive(Clone, Debug, PartialEq)]
pub enum ReadingSource {
    /// It was measured for these clients.
    Measured(Clients, Measured),
    /// The probes of this vantage point, which is in the country of these clients, measured it.
    Probed(Arc<str>, CountryCode),
    /// It was estimated from the distance, and corrected by what this vantage point measured.
    Corrected(Arc<str>),
    /// It was estimated from the distance.
    Estimated,
    /// The median of the other datacenters' round trip times, because the distance is unknown.
    Median,
    /// No datacenter has a known round trip time.
    Unknown,
}

/// Fills in unknown round trip times by the median of the others.
pub(super) fn fill(rtts: &mut [Rtt]) {
    if rtts.iter().all(|rtt| rtt.is_known()) {
        return;
    }
    let mut known: Vec<Rtt> = rtts.iter().copied().filter(|rtt| rtt.is_known()).collect();
    known.sort_unstable();
    let median = Rtt::median(&known);
    rtts.iter_mut().filter(|rtt| !rtt.is_known()).for_each(|rtt| *rtt = median);
}

/// The areas that a sample from this location feeds.
pub(super) fn areas_of(location: &Location) -> impl Iterator<Item = Area> {
    fallback_of(location).filter(|area| !matches!(area, Area::Probed(_)))
}

/// The areas whose rows are used for clients at this location, the smallest first.
pub(super) fn fallback_of(location: &Location) -> impl Iterator<Item = Area> + use<> {
    let asn = location.asn.zip(location.country).map(|(asn, country)| Area::Asn(asn, country));
    let country = location.country;
    let areas = [
        asn,
        country.map(Area::Country),
        country.map(|it| Area::Probed(Some(it))),
        location.continent.map(Area::Continent),
    ];
    areas.into_iter().flatten()
}

/// The text for operators: `198.51.100.0/24`, `AS3320 in DE`, `DE`, `EU`.
impl fmt::Display for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(net) => net.fmt(f),
            Self::Area(Area::Asn(asn, country)) => write!(f, "AS{asn} in {country}"),
            Self::Area(Area::Country(country)) => country.fmt(f),
            Self::Area(Area::Probed(Some(country))) => write!(f, "own probes, for {country}"),
            Self::Area(Area::Probed(None)) => f.write_str("own probes"),
            Self::Area(Area::Continent(continent)) => continent.fmt(f),
        }
    }
}
