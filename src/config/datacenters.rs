//! `[datacenters]`: locations of pools. All files share one list of them.

use std::collections::HashMap;

use crate::geo::{Coordinates, CountryCode, DatacenterId, MAX_DATACENTERS};
use crate::snapshot::Datacenter;

use super::code::Code;
use super::decode::{Placed, Value, entries};
use super::fault::{Fault, Faults};
use super::scope::Definitions;
use super::source::Place;

/// All datacenters of all files, in the order of their ids.
#[derive(Default)]
pub(super) struct Places {
    pub(super) list: Vec<Datacenter>,
    /// By name: the id, and the place of the first definition.
    defined: HashMap<Box<str>, (DatacenterId, Place)>,
    /// All definitions, in the order of the files.
    written: Vec<WrittenDatacenter>,
}

/// A datacenter as one file defines it.
#[derive(Clone, Debug)]
pub(super) struct WrittenDatacenter {
    pub(super) datacenter: Datacenter,
    pub(super) id: DatacenterId,
    pub(super) place: Place,
}

/// Reads a file's `[datacenters]`.
pub(super) fn read(section: Option<&Value<'_>>, places: &mut Places, faults: &mut Faults) -> Definitions<DatacenterId> {
    let mut definitions = Definitions::new("datacenter");
    for value in entries(section, "datacenters", faults) {
        let name = value.name();
        let valid = is_word(&name, faults);
        let datacenter = read_datacenter(&value, faults).filter(|_| valid);
        let id = datacenter.and_then(|datacenter| places.add(datacenter, &name.place, faults));
        definitions.push(name, id);
    }
    definitions
}

fn read_datacenter(value: &Value<'_>, faults: &mut Faults) -> Option<Datacenter> {
    let mut table = value.table("a datacenter", faults)?;
    let latitude = table.require("latitude", faults).and_then(|value| value.number(-90.0..=90.0, faults));
    let longitude = table.require("longitude", faults).and_then(|value| value.number(-180.0..=180.0, faults));
    let country = table.take("country").and_then(|value| read_country(&value, faults));
    table.finish(faults);
    Some(Datacenter {
        name: value.key.into(),
        coordinates: Coordinates::try_new(latitude?.value, longitude?.value)?,
        country,
    })
}

/// Reads an ISO 3166-1 code.
pub(super) fn read_country(value: &Value<'_>, faults: &mut Faults) -> Option<CountryCode> {
    let code = value.parsed("a country's two letters, such as \"DE\"", faults, CountryCode::parse)?;
    check_country(code.value, &code.place, faults);
    Some(code.value)
}

/// Reports codes that ISO 3166-1 does not assign.
pub(super) fn check_country(code: CountryCode, place: &Place, faults: &mut Faults) {
    if crate::geo::countries::country(code).is_none() {
        let message = format!("`{code}` is not the code of a country");
        let fault = Fault::error(place, message, "not in ISO 3166-1").code(Code::UnknownName);
        faults.push(match code.as_str() {
            "UK" => fault.help("the United Kingdom is `GB`"),
            "EL" => fault.help("Greece is `GR`"),
            _ => fault,
        });
    }
}

impl Places {
    /// The definitions so far.
    pub(super) fn written(&self) -> &[WrittenDatacenter] {
        &self.written
    }

    /// True if these definitions of one file would get the ids that they have, without a fault.
    pub(super) fn fit(&self, written: &[WrittenDatacenter]) -> bool {
        let mut next = self.list.len();
        written.iter().all(|WrittenDatacenter { datacenter, id, .. }| {
            if let Some((known, _)) = self.defined.get(&datacenter.name) {
                return known == id && agree(&self.list[known.index()], datacenter);
            }
            next += 1;
            next <= MAX_DATACENTERS && id.index() == next - 1
        })
    }

    /// Adds definitions that [`fit`](Self::fit).
    pub(super) fn add_again(&mut self, written: impl IntoIterator<Item = WrittenDatacenter>) {
        for WrittenDatacenter { datacenter, place, .. } in written {
            // Definitions that fit have no faults.
            let _ = self.add(datacenter, &place, &mut Faults::default());
        }
    }

    /// Returns the id of a datacenter: a new one, or its id from another file.
    fn add(&mut self, datacenter: Datacenter, place: &Place, faults: &mut Faults) -> Option<DatacenterId> {
        let id = self.id(&datacenter, place, faults)?;
        self.written.push(WrittenDatacenter { datacenter, id, place: place.clone() });
        Some(id)
    }

    fn id(&mut self, datacenter: &Datacenter, place: &Place, faults: &mut Faults) -> Option<DatacenterId> {
        if let Some((id, first)) = self.defined.get(&datacenter.name) {
            let known = &mut self.list[id.index()];
            // One of two files may leave out the country.
            known.country = known.country.or(datacenter.country);
            if !agree(known, datacenter) {
                let message = format!("datacenter `{}` has two different locations", datacenter.name);
                faults.push(
                    Fault::error(place, message, "another location")
                        .code(Code::Conflict)
                        .related(first, "first defined here"),
                );
            }
            return Some(*id);
        }
        if self.list.len() == MAX_DATACENTERS {
            let message = format!("there are more than {MAX_DATACENTERS} datacenters");
            faults.push(Fault::error(place, message, "one too many").code(Code::Limit));
            return None;
        }
        let id = DatacenterId::from_index(self.list.len());
        self.defined.insert(datacenter.name.clone(), (id, place.clone()));
        self.list.push(datacenter.clone());
        Some(id)
    }
}

/// True if two files may define one datacenter in these two ways. One of them may leave out the country.
fn agree(one: &Datacenter, other: &Datacenter) -> bool {
    let same_country = one.country.is_none() || other.country.is_none() || one.country == other.country;
    one.coordinates == other.coordinates && same_country
}

/// True if a name that the operator chose can be written in `web/fra` and on a command line. Reports a fault otherwise.
pub(super) fn is_word(name: &Placed<String>, faults: &mut Faults) -> bool {
    let valid = !name.value.is_empty() && name.value.chars().all(|c| c.is_alphanumeric() || "-_.".contains(c));
    if !valid {
        let message = format!("`{}` cannot be a name", name.value.escape_debug());
        let label = "use letters, digits, `-`, `_` and `.`";
        faults.push(Fault::error(&name.place, message, label).code(Code::BadValue));
    }
    valid
}
