//! The round trips from the vantage points of a fleet to the datacenters, and what they say of clients near them.
//!
//! ```text
//!             fra    iad    sin
//!   ns1-fra   0.4   88.1  162.0     clients in the vantage point's country: these values
//!   ns2-iad  88.3    0.5  231.4     clients elsewhere: their estimates, corrected by the nearest vantage point
//! ```
//!
//! A vantage point sees how much longer a path is than the distance suggests. A client next to it has the same detour, a
//! client half as far from it as from the datacenter has half of it, and one that is nearer to the datacenter none:
//!
//! ```text
//!   estimate + (measured - distance from vantage point to datacenter / 80 km per ms) * weight
//!   weight = 1 - distance from client to vantage point / distance from client to datacenter, or 0
//! ```

use std::sync::Arc;

use super::rtt::Rtt;
use crate::geo::{Coordinates, CountryCode, DatacenterId, Location};

/// Most round trips of one vantage point: as many as there can be datacenters.
pub const MAX_PLACES: usize = 255;

/// A vantage point as it tells the others: where it stands, and its settled round trips.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VantageRtts {
    country: Option<CountryCode>,
    coordinates: Option<Coordinates>,
    /// By the datacenters' names; all known.
    rtts: Vec<(Box<str>, Rtt)>,
}

impl VantageRtts {
    /// A vantage point in this country, at these coordinates. Round trips that are unknown are left out, and those beyond
    /// [`MAX_PLACES`].
    pub fn new(
        country: Option<CountryCode>,
        coordinates: Option<Coordinates>,
        rtts: impl IntoIterator<Item = (Box<str>, Rtt)>,
    ) -> Self {
        let mut rtts: Vec<_> = rtts.into_iter().filter(|(_, rtt)| rtt.is_known()).collect();
        rtts.sort_unstable();
        rtts.dedup_by(|later, first| later.0 == first.0);
        rtts.truncate(MAX_PLACES);
        Self { country, coordinates, rtts }
    }

    /// Its country, if it tells it.
    pub fn country(&self) -> Option<CountryCode> {
        self.country
    }

    /// Its coordinates, if it tells them.
    pub fn coordinates(&self) -> Option<Coordinates> {
        self.coordinates
    }

    /// Its round trips, by the datacenters' names.
    pub fn rtts(&self) -> &[(Box<str>, Rtt)] {
        &self.rtts
    }
}

/// The vantage points of a fleet, this node included.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Matrix {
    told: Vec<(Arc<str>, Arc<VantageRtts>)>,
    /// The round trips of each, by datacenter.
    rtts: Vec<Box<[Rtt]>>,
}

impl Matrix {
    /// The vantage points by name, and the datacenters' names by id. Datacenters that are not among these are left out.
    pub(super) fn new(mut told: Vec<(Arc<str>, Arc<VantageRtts>)>, places: &[Box<str>]) -> Self {
        told.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        let rtts = told.iter().map(|(_, told)| {
            let rtt = |place: &str| {
                let found = told.rtts.binary_search_by(|(name, _)| (**name).cmp(place));
                found.map_or(Rtt::UNKNOWN, |found| told.rtts[found].1)
            };
            places.iter().map(|place| rtt(place)).collect()
        });
        let rtts = rtts.collect();
        Self { told, rtts }
    }

    /// The same vantage points for other datacenters.
    pub(super) fn with_places(&self, places: &[Box<str>]) -> Self {
        Self::new(self.told.clone(), places)
    }

    /// The vantage points that say something of clients at a location.
    pub(super) fn around(&self, location: &Location) -> Around<'_> {
        let row = |number: usize| {
            let (node, told) = &self.told[number];
            let km = location.coordinates.zip(told.coordinates).map(|(client, here)| client.distance_km(here));
            Row { node, told, rtts: &self.rtts[number], km: km.unwrap_or(f64::INFINITY) }
        };
        let mut rows: Vec<Row<'_>> = (0..self.told.len()).map(row).collect();
        // Equally near ones stay in the order of their names, which is the same on all nodes.
        rows.sort_by(|one, other| one.km.total_cmp(&other.km));
        Around { rows, client: *location }
    }
}

/// A vantage point, seen from a client.
#[derive(Clone, Copy, Debug)]
struct Row<'a> {
    node: &'a Arc<str>,
    told: &'a VantageRtts,
    rtts: &'a [Rtt],
    /// Kilometres to the client; infinite if that is unknown.
    km: f64,
}

/// The vantage points around a client, the nearest first.
#[derive(Debug)]
pub(super) struct Around<'a> {
    rows: Vec<Row<'a>>,
    client: Location,
}

impl Around<'_> {
    /// The round trip to a datacenter that the nearest vantage point in the client's country measured, and its name.
    pub(super) fn measured(&self, place: DatacenterId) -> Option<(Rtt, &Arc<str>)> {
        let country = self.client.country?;
        let near = self.rows.iter().find(|row| row.told.country == Some(country) && row.knows(place))?;
        Some((near.rtts[place.index()], near.node))
    }

    /// The estimate for a datacenter at `site`, as the nearest vantage point corrects it, and the vantage point's name.
    /// `None` if no vantage point is nearer to the client than the datacenter.
    pub(super) fn corrected(&self, place: DatacenterId, site: Coordinates) -> Option<(Rtt, &Arc<str>)> {
        let client = self.client.coordinates?;
        let near = self.rows.iter().find(|row| row.knows(place))?;
        let (here, km) = (near.told.coordinates?, client.distance_km(site));
        if near.km >= km {
            return None;
        }
        let detour_ms = near.rtts[place.index()].ms() - Rtt::ms_of_km(here.distance_km(site));
        Some((Rtt::estimate_with_detour(km, detour_ms * (1.0 - near.km / km)), near.node))
    }
}

impl Row<'_> {
    fn knows(&self, place: DatacenterId) -> bool {
        self.rtts.get(place.index()).is_some_and(|rtt| rtt.is_known())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRA: DatacenterId = DatacenterId::from_index(0);
    const IAD: DatacenterId = DatacenterId::from_index(1);

    fn at(latitude: f64, longitude: f64) -> Coordinates {
        Coordinates::try_new(latitude, longitude).unwrap()
    }

    fn frankfurt() -> Coordinates {
        at(50.11, 8.68)
    }

    fn ashburn() -> Coordinates {
        at(38.95, -77.45)
    }

    fn country(code: &str) -> Option<CountryCode> {
        CountryCode::parse(code)
    }

    fn vantage(name: &str, code: &str, coordinates: Coordinates, rtts: &[(&str, f64)]) -> (Arc<str>, Arc<VantageRtts>) {
        let rtts = rtts.iter().map(|&(place, ms)| (place.into(), Rtt::from_ms(ms)));
        (name.into(), Arc::new(VantageRtts::new(country(code), Some(coordinates), rtts)))
    }

    fn places() -> [Box<str>; 2] {
        ["fra".into(), "iad".into()]
    }

    fn client(code: &str, coordinates: Option<Coordinates>) -> Location {
        Location { country: country(code), coordinates, ..Location::default() }
    }

    #[test]
    fn the_nearest_vantage_point_in_the_country_speaks_for_the_client() {
        let told = vec![
            vantage("west", "US", at(37.4, -122.1), &[("fra", 150.0), ("iad", 62.0)]),
            vantage("east", "US", ashburn(), &[("iad", 1.0), ("mars", 9.0)]),
            vantage("vie", "AT", at(48.2, 16.4), &[("fra", 12.0)]),
        ];
        let matrix = Matrix::new(told, &places());
        let measured = |client: &Location, place| {
            matrix.around(client).measured(place).map(|(rtt, node)| (rtt.ms(), node.to_string()))
        };
        let boston = client("US", Some(at(42.4, -71.1)));
        assert_eq!(measured(&boston, IAD), Some((1.0, "east".into())));
        assert_eq!(measured(&boston, FRA), Some((150.0, "west".into())), "the nearest that knows it");
        // Without coordinates the first by name counts.
        assert_eq!(measured(&client("US", None), IAD), Some((1.0, "east".into())));
        assert_eq!(measured(&client("DE", Some(frankfurt())), FRA), None);
        let renumbered = matrix.with_places(&["iad".into()]);
        assert_eq!(renumbered.around(&boston).measured(FRA).unwrap().0, Rtt::from_ms(1.0));
    }

    #[test]
    fn a_detour_counts_less_with_the_distance_from_who_measured_it() {
        let vienna = at(48.2, 16.4);
        let direct = vienna.distance_km(frankfurt()) / 80.0;
        let matrix = Matrix::new(vec![vantage("vie", "AT", vienna, &[("fra", direct + 30.0)])], &places());
        let corrected = |coordinates| {
            let client = client("SK", Some(coordinates));
            matrix.around(&client).corrected(FRA, frankfurt()).map(|(rtt, _)| rtt.ms())
        };
        let plain = |coordinates| Rtt::estimate(coordinates, frankfurt()).ms();
        let beside = corrected(vienna).unwrap() - plain(vienna);
        assert!((29.8..=30.1).contains(&beside), "{beside}");
        // Bratislava is 54 km from Vienna and 650 km from Frankfurt.
        let near = at(48.15, 17.1);
        let part = corrected(near).unwrap() - plain(near);
        assert!((27.0..28.0).contains(&part), "{part}");
        assert_eq!(corrected(at(50.5, 9.0)), None, "Frankfurt is nearer than Vienna");
        let nowhere = client("SK", None);
        assert_eq!(matrix.around(&nowhere).corrected(FRA, frankfurt()).map(|(rtt, _)| rtt.ms()), None);
        assert_eq!(matrix.around(&client("SK", Some(near))).corrected(IAD, ashburn()).map(|(rtt, _)| rtt.ms()), None);
    }

    #[test]
    fn what_a_vantage_point_tells_is_sorted_and_known() {
        let rtts = [("iad", 2.0), ("fra", 1.0), ("iad", 3.0)].map(|(place, ms)| (Box::from(place), Rtt::from_ms(ms)));
        let told = VantageRtts::new(None, None, rtts.into_iter().chain([("sin".into(), Rtt::UNKNOWN)]));
        assert_eq!(told.rtts(), [("fra".into(), Rtt::from_ms(1.0)), ("iad".into(), Rtt::from_ms(2.0))]);
    }
}
