//! One record of a database, in any of the known layouts.
//!
//! | layout | country | continent | subdivisions | coordinates | autonomous system |
//! | --- | --- | --- | --- | --- | --- |
//! | GeoIP2, GeoLite2, DB-IP | `country.iso_code` | `continent.code` | `subdivisions[].iso_code` | `location.latitude`, `.longitude` | `autonomous_system_number`, also in `traits` |
//! | IPinfo | `country_code`, or `country` where that is a code | `continent_code`, or `continent` | `region_code` | `latitude` or `lat`, `longitude` or `lng`, numbers or text | `asn` = `"AS64500"` |
//! | flat | `country_code` | `continent_code` | `region_code` | `latitude`, `longitude` | `autonomous_system_number` |
//!
//! No layout uses a name with a different meaning than another one, so they are all read as one: [`Field::below`] knows
//! every name. A value of a type that does not fit its field is ignored.
//!
//! GeoIP2's `registered_country` is the country where the holder of a network is registered, not where the network is
//! used: [`Facts`] keeps it apart. Registries use EU and AP as countries for networks of a whole region. These only give
//! a continent. They are kept apart too, because any file with a real location knows more.

use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::table::{Facts, Pseudo, Region};
use crate::geo::{Continent, Coordinates, CountryCode, Location, Subdivision, countries};

/// The texts and numbers of a record that concern the location of a network.
#[derive(Default)]
pub(super) struct Record<'a> {
    country_code: Option<&'a str>,
    country: Option<&'a str>,
    registered_country: Option<&'a str>,
    continent_code: Option<&'a str>,
    continent: Option<&'a str>,
    subdivisions: [Option<&'a str>; 2],
    latitude: Option<f64>,
    longitude: Option<f64>,
    asn: Option<u32>,
}

impl Record<'_> {
    /// The facts in the record. Codes that are not assigned, such as ZZ, are ignored.
    pub(super) fn facts(&self) -> Facts {
        let codes = [self.country_code, self.country].into_iter().flatten();
        let country = codes.clone().find_map(assigned);
        let continent = [self.continent_code, self.continent].into_iter().flatten().find_map(Continent::parse);
        let region = codes.clone().find_map(Region::parse).filter(|_| country.is_none());
        // A continent that matches the region was derived from the code. A different one is a fact of its own.
        let pseudo = region.filter(|region| continent.is_none_or(|continent| continent == region.continent()));
        let pseudo = pseudo.map(|region| Pseudo { region, coordinates: self.coordinates() });
        let location = Location {
            continent: continent.filter(|_| pseudo.is_none()),
            country,
            subdivisions: self.subdivisions.map(|code| subdivision(country?, code?)),
            asn: self.asn.filter(|&number| number != 0),
            coordinates: self.coordinates().filter(|_| pseudo.is_none()),
        };
        Facts { location, registered: self.registered_country.and_then(assigned), pseudo }
    }

    /// Some databases write 0, 0 for an unknown place; nobody lives there, in the Gulf of Guinea.
    fn coordinates(&self) -> Option<Coordinates> {
        let (latitude, longitude) = (self.latitude?, self.longitude?);
        Coordinates::try_new(latitude, longitude).filter(|&point| Some(point) != Coordinates::try_new(0.0, 0.0))
    }
}

/// A country from an assigned code.
fn assigned(code: &str) -> Option<CountryCode> {
    CountryCode::parse(code).filter(|&code| countries::country(code).is_some())
}

/// A subdivision from its code, with or without the country in front.
fn subdivision(country: CountryCode, code: &str) -> Option<Subdivision> {
    if code.contains('-') {
        return Subdivision::parse(code).filter(|subdivision| subdivision.country() == country);
    }
    Subdivision::new(country, code)
}

/// The position of a value in a record. No position is below itself, so reading a record always ends.
#[derive(Clone, Copy)]
enum Field {
    Record,
    CountryCode,
    Country,
    RegisteredCountry,
    RegisteredCountryCode,
    ContinentCode,
    Continent,
    Subdivisions,
    Subdivision(usize),
    SubdivisionCode(usize),
    Location,
    Latitude,
    Longitude,
    Traits,
    Asn,
}

impl Field {
    /// The position of the value `name` of a map at this position; `None` if it is not needed.
    fn below(self, name: &str) -> Option<Self> {
        Some(match (self, name) {
            (Self::Record, "country_code") | (Self::Country, "iso_code") => Self::CountryCode,
            (Self::Record, "country") => Self::Country,
            (Self::Record, "registered_country") => Self::RegisteredCountry,
            (Self::RegisteredCountry, "iso_code") => Self::RegisteredCountryCode,
            (Self::Record, "continent_code") | (Self::Continent, "code") => Self::ContinentCode,
            (Self::Record, "continent") => Self::Continent,
            (Self::Record, "subdivisions") => Self::Subdivisions,
            (Self::Record, "region_code") => Self::SubdivisionCode(0),
            (Self::Subdivision(position), "iso_code") => Self::SubdivisionCode(position),
            (Self::Record, "location") => Self::Location,
            (Self::Location | Self::Record, "latitude") | (Self::Record, "lat") => Self::Latitude,
            (Self::Location | Self::Record, "longitude") | (Self::Record, "lng" | "lon") => Self::Longitude,
            (Self::Record, "traits") => Self::Traits,
            (Self::Record | Self::Traits, "autonomous_system_number") | (Self::Record, "asn") => Self::Asn,
            _ => return None,
        })
    }

    /// The position of the element at `position` of an array at this position; `None` if it is not needed.
    fn element(self, position: usize) -> Option<Self> {
        match self {
            Self::Subdivisions if position < Location::default().subdivisions.len() => {
                Some(Self::Subdivision(position))
            }
            _ => None,
        }
    }
}

/// Reads the value at one position into the record.
struct RecordReader<'r, 'a> {
    place: Field,
    record: &'r mut Record<'a>,
}

impl<'a> RecordReader<'_, 'a> {
    fn text(self, text: &'a str) {
        let record = self.record;
        match self.place {
            Field::CountryCode => record.country_code = Some(text),
            Field::Country => record.country = Some(text),
            Field::RegisteredCountryCode => record.registered_country = Some(text),
            Field::ContinentCode => record.continent_code = Some(text),
            Field::Continent => record.continent = Some(text),
            Field::SubdivisionCode(position) => record.subdivisions[position] = Some(text),
            Field::Latitude => record.latitude = text.parse().ok(),
            Field::Longitude => record.longitude = text.parse().ok(),
            Field::Asn => record.asn = text.strip_prefix("AS").unwrap_or(text).parse().ok(),
            Field::Record
            | Field::RegisteredCountry
            | Field::Subdivisions
            | Field::Subdivision(_)
            | Field::Location
            | Field::Traits => {}
        }
    }

    fn number(self, number: f64) {
        match self.place {
            Field::Latitude => self.record.latitude = Some(number),
            Field::Longitude => self.record.longitude = Some(number),
            _ => {}
        }
    }
}

impl<'a> Deserialize<'a> for Record<'a> {
    fn deserialize<D: Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        let mut record = Record::default();
        RecordReader { place: Field::Record, record: &mut record }.deserialize(deserializer)?;
        Ok(record)
    }
}

impl<'a> DeserializeSeed<'a> for RecordReader<'_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for RecordReader<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<&str>()? {
            match self.place.below(name) {
                Some(place) => map.next_value_seed(RecordReader { place, record: self.record })?,
                None => map.next_value::<IgnoredAny>().map(drop)?,
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut elements: A) -> Result<(), A::Error> {
        for position in 0.. {
            let more = match self.place.element(position) {
                Some(place) => elements.next_element_seed(RecordReader { place, record: self.record })?.is_some(),
                None => elements.next_element::<IgnoredAny>()?.is_some(),
            };
            if !more {
                break;
            }
        }
        Ok(())
    }

    fn visit_borrowed_str<E>(self, text: &'a str) -> Result<(), E> {
        self.text(text);
        Ok(())
    }

    fn visit_f64<E>(self, number: f64) -> Result<(), E> {
        self.number(number);
        Ok(())
    }

    fn visit_u64<E>(self, number: u64) -> Result<(), E> {
        match self.place {
            Field::Asn => self.record.asn = number.try_into().ok(),
            _ => self.number(number as f64),
        }
        Ok(())
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<(), E> {
        if let Ok(number) = u64::try_from(number) {
            return self.visit_u64(number);
        }
        self.number(number as f64);
        Ok(())
    }

    fn visit_u128<E>(self, _: u128) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_bytes<E>(self, _: &[u8]) -> Result<(), E> {
        Ok(())
    }
}
