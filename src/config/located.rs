//! Checks regions against the databases: finds client matches that fit no network of any database.

use std::collections::HashSet;

use crate::geo::{ClientMatch, Locations};

use super::code::Code;
use super::decode::Placed;
use super::fault::{Fault, Faults};
use super::source::Place;
use super::suggest::list_of;

/// Maximum number of matches that a message lists.
const MAX_LISTED: usize = 4;

/// The facts about clients that a configuration needs from the databases, with the places that need them.
#[derive(Debug, Default)]
pub struct Asked {
    /// The matches in the regions of names that steer by region, without prefixes.
    pub(super) clients: Vec<Placed<ClientMatch>>,
    /// The place of a name that steers by distance, if there is one.
    pub(super) distance: Option<Place>,
    /// The places that name the databases, one each; empty if there are none.
    pub(super) databases: Vec<Place>,
}

/// A function that tests if a match is of a certain kind.
type IsKind = fn(&ClientMatch) -> bool;

/// The kinds of facts that databases may hold about a client, each with a match that asks for it.
const KINDS: [(&str, &str, IsKind); 4] = [
    ("autonomous systems", "asn:", |client| matches!(client, ClientMatch::Asn(_))),
    ("subdivisions", "subdivision:", |client| matches!(client, ClientMatch::Subdivision(_))),
    ("countries", "country:", |client| matches!(client, ClientMatch::Country(_))),
    ("continents", "continent:", |client| matches!(client, ClientMatch::Continent(_))),
];

impl Asked {
    /// The place that names the database with this number; `None` if there is no such database.
    pub fn database(&self, number: usize) -> Option<&Place> {
        self.databases.get(number)
    }

    /// Warns of facts that no database holds: one warning for each kind of fact, and one for all single codes.
    pub fn check(&self, locations: &Locations) -> Faults {
        let mut faults = Faults::default();
        let known = known(locations);
        let has_points = locations.table.iter().any(|location| location.coordinates.is_some());
        if self.databases.is_empty() {
            if let Some(first) = self.clients.first() {
                let message = format!("there is no GeoIP database: `{}` matches no client", first.value);
                faults.push(nobody(&first.place, message));
            } else if let Some(place) = &self.distance {
                faults.push(nobody(place, "there is no GeoIP database: the step `distance` ranks nothing".to_owned()));
            }
            return faults;
        }
        if known.is_empty() && !has_points {
            let message = "the GeoIP databases locate no client";
            let fault = Fault::warning(&self.databases[0], message, "of another kind, or empty").code(Code::NotLocated);
            faults.push(fault);
            return faults;
        }
        let (mut strangers, mut reported): (Vec<&Placed<ClientMatch>>, HashSet<ClientMatch>) = Default::default();
        for (what, prefix, is_kind) in KINDS {
            let asked: Vec<_> =
                self.clients.iter().filter(|client| is_kind(&client.value) && reported.insert(client.value)).collect();
            if known.iter().any(is_kind) {
                strangers.extend(asked.into_iter().filter(|client| !known.contains(&client.value)));
            } else if let Some(first) = asked.first() {
                let message = format!("no GeoIP database knows {what}: `{}` matches no client", first.value);
                let fault = Fault::warning(&first.place, message, "never matches").code(Code::NotLocated);
                let help = format!("`{prefix}` asks for a database with {what}; add one to `databases` in `[geoip]`");
                faults.push(fault.help(help));
            }
        }
        if let Some(first) = strangers.first() {
            let texts: Vec<String> = strangers.iter().take(MAX_LISTED).map(|client| client.value.to_string()).collect();
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let more = strangers.len() - texts.len();
            let more = if more == 0 { String::new() } else { format!(" and {more} more") };
            let message = format!("no network of the GeoIP databases is in {}{more}", list_of(&texts));
            faults.push(Fault::warning(&first.place, message, "never matches").code(Code::NotLocated));
        }
        if let Some(place) = self.distance.as_ref().filter(|_| !has_points) {
            let message = "no GeoIP database gives a point: step `distance` ranks nothing";
            faults.push(Fault::warning(place, message, "steers by distance").code(Code::NotLocated));
        }
        faults
    }
}

fn nobody(place: &Place, message: String) -> Fault {
    let fault = Fault::warning(place, message, "never matches").code(Code::NotLocated);
    fault.help(
        "name one in the server file: [geoip], databases = [\"geoip/country.mmdb\"]; without it only prefixes match",
    )
}

/// All areas that some location belongs to.
fn known(locations: &Locations) -> HashSet<ClientMatch> {
    let mut known = HashSet::new();
    for location in &*locations.table {
        known.extend(location.asn.map(ClientMatch::Asn));
        known.extend(location.subdivisions.iter().flatten().copied().map(ClientMatch::Subdivision));
        known.extend(location.country.map(ClientMatch::Country));
        known.extend(location.continent.map(ClientMatch::Continent));
    }
    known
}
