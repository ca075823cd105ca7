//! `site`: the location of this node. Its probes measure round trips for the clients around it.

use crate::geo::{Coordinates, CountryCode};
use crate::snapshot::{Datacenter, World};
use crate::steering::Step;

use super::code::Code;
use super::datacenters::read_country;
use super::decode::{Placed, Value};
use super::fault::{Fault, Faults};
use super::sections::Sections;
use super::suggest::did_you_mean;

/// The location of this node.
pub(super) enum Site {
    /// It is in this datacenter.
    Datacenter(Placed<String>),
    /// It is elsewhere: at these coordinates, in this country.
    Elsewhere(Coordinates, CountryCode),
}

/// Reads `"fra"` or `{ latitude = 50.11, longitude = 8.68, country = "DE" }`.
pub(super) fn read(value: &Value<'_>, faults: &mut Faults) -> Option<Site> {
    if !value.is_table() {
        return value.string(faults).map(Site::Datacenter);
    }
    let mut table = value.table("a site", faults)?;
    let latitude = table.require("latitude", faults).and_then(|value| value.number(-90.0..=90.0, faults));
    let longitude = table.require("longitude", faults).and_then(|value| value.number(-180.0..=180.0, faults));
    let country = table.require("country", faults).and_then(|value| read_country(&value, faults));
    table.finish(faults);
    let coordinates = Coordinates::try_new(latitude?.value, longitude?.value)?;
    country.map(|country| Site::Elsewhere(coordinates, country))
}

impl Site {
    /// The name of its datacenter; `None` if it is elsewhere.
    pub(super) fn datacenter(&self) -> Option<&str> {
        match self {
            Self::Datacenter(name) => Some(&name.value),
            Self::Elsewhere(..) => None,
        }
    }

    /// Its datacenter, or else its country.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Datacenter(name) => name.value.clone(),
            Self::Elsewhere(_, country) => country.to_string(),
        }
    }

    /// Reports a datacenter that no section defines.
    pub(super) fn check<'a>(&self, sections: impl Iterator<Item = &'a Sections>, faults: &mut Faults) {
        let Self::Datacenter(name) = self else { return };
        let datacenters: Vec<_> = sections.map(|sections| &sections.datacenters).collect();
        if datacenters.iter().any(|definitions| definitions.contains(&name.value)) {
            return;
        }
        let names = datacenters.iter().flat_map(|definitions| definitions.iter());
        let label = did_you_mean(&name.value, names.map(|definition| definition.name.value.as_str()));
        let label = label.map_or("not a datacenter".to_owned(), |meant| format!("did you mean `{meant}`?"));
        faults.push(
            Fault::error(&name.place, format!("there is no datacenter `{}`", name.value), label)
                .code(Code::UnknownName),
        );
    }

    /// Returns the coordinates of the site; `None` if its datacenter is unknown.
    pub(super) fn coordinates(&self, world: &World) -> Option<Coordinates> {
        match self {
            Self::Datacenter(name) => Some(find(&name.value, world)?.coordinates),
            Self::Elsewhere(coordinates, _) => Some(*coordinates),
        }
    }

    /// Returns the country of the site. Warns if round trips matter to a node alone and the country is not known.
    pub(super) fn country(&self, world: &World, is_alone: bool, faults: &mut Faults) -> Option<CountryCode> {
        let name = match self {
            Self::Datacenter(name) => name,
            Self::Elsewhere(_, country) => return Some(*country),
        };
        let datacenter = find(&name.value, world)?;
        let mut names = world.zones.iter().flat_map(|zone| zone.names.iter());
        let is_needed = is_alone && datacenter.country.is_none();
        if is_needed && names.any(|name| name.steering.steer.contains(&Step::Latency)) {
            let message = format!("datacenter `{}` has no `country`", name.value);
            let fault = Fault::warning(&name.place, message, "the round trips that its probes measure are not used")
                .code(Code::Measuring);
            faults
                .push(fault.help(
                    "set `country`: round trips of this node's own probes count for the clients of that country",
                ));
        }
        datacenter.country
    }
}

fn find<'a>(name: &str, world: &'a World) -> Option<&'a Datacenter> {
    world.datacenters.iter().find(|datacenter| *datacenter.name == *name)
}
