//! The location of a client, as far as databases know it.

use std::fmt;

/// The radius of the Earth in kilometres: the mean radius R1 of the International Union of Geodesy and Geophysics.
const EARTH_RADIUS_KM: f64 = 6371.0088;

/// Units of coordinates in a degree: ten-thousandths of a degree, about 11 m, as in databases.
const UNITS_PER_DEGREE: f64 = 10_000.0;

/// A point on the Earth, to a ten-thousandth of a degree, so that equal points are equal values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Coordinates {
    latitude: i32,
    longitude: i32,
}

impl Coordinates {
    /// From degrees: `latitude` -90 to 90, `longitude` -180 to 180; `None` outside these ranges and for NaN.
    pub fn try_new(latitude: f64, longitude: f64) -> Option<Self> {
        let valid = (-90.0..=90.0).contains(&latitude) && (-180.0..=180.0).contains(&longitude);
        valid.then(|| Self {
            latitude: (latitude * UNITS_PER_DEGREE).round() as i32,
            longitude: (longitude * UNITS_PER_DEGREE).round() as i32,
        })
    }

    /// Degrees north.
    pub fn latitude(self) -> f64 {
        f64::from(self.latitude) / UNITS_PER_DEGREE
    }

    /// Degrees east.
    pub fn longitude(self) -> f64 {
        f64::from(self.longitude) / UNITS_PER_DEGREE
    }

    /// The great-circle distance between two points in kilometres, by the haversine formula.
    pub fn distance_km(self, other: Self) -> f64 {
        let (latitude, other_latitude) = (self.latitude().to_radians(), other.latitude().to_radians());
        let half_north = (other_latitude - latitude) / 2.0;
        let half_east = (other.longitude() - self.longitude()).to_radians() / 2.0;
        let chord = half_north.sin().powi(2) + latitude.cos() * other_latitude.cos() * half_east.sin().powi(2);
        2.0 * EARTH_RADIUS_KM * chord.sqrt().min(1.0).asin()
    }
}

/// A country's or territory's ISO 3166-1 alpha-2 code, in capitals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CountryCode([u8; 2]);

impl CountryCode {
    /// From two letters of either case; `None` for any other text. [`super::countries`] knows which codes ISO assigned.
    pub fn parse(text: &str) -> Option<Self> {
        match text.as_bytes() {
            [a, b] if a.is_ascii_alphabetic() && b.is_ascii_alphabetic() => {
                Some(Self([a.to_ascii_uppercase(), b.to_ascii_uppercase()]))
            }
            _ => None,
        }
    }

    /// The two capitals.
    pub const fn letters(self) -> [u8; 2] {
        self.0
    }

    /// The code in capitals.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// An ISO 3166-2 subdivision: its country and one to three letters or digits, in capitals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Subdivision {
    country: CountryCode,
    code: [u8; 3],
}

impl Subdivision {
    /// From a country and the part after the hyphen, in either case; `None` if the part is not one to three letters or
    /// digits.
    pub fn new(country: CountryCode, code: &str) -> Option<Self> {
        if code.is_empty() || code.len() > 3 || !code.bytes().all(|octet| octet.is_ascii_alphanumeric()) {
            return None;
        }
        let mut padded = [0; 3];
        padded[..code.len()].copy_from_slice(code.to_ascii_uppercase().as_bytes());
        Some(Self { country, code: padded })
    }

    /// From the whole code, such as `US-HI`; `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        let (country, code) = text.split_once('-')?;
        Self::new(CountryCode::parse(country)?, code)
    }

    /// The country it is a part of.
    pub fn country(self) -> CountryCode {
        self.country
    }
}

/// A continent, as GeoIP databases divide the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Continent {
    Africa,
    Antarctica,
    Asia,
    Europe,
    NorthAmerica,
    Oceania,
    SouthAmerica,
}

impl Continent {
    /// All continents, with their two-letter codes.
    pub const ALL: [(&'static str, Self); 7] = [
        ("AF", Self::Africa),
        ("AN", Self::Antarctica),
        ("AS", Self::Asia),
        ("EU", Self::Europe),
        ("NA", Self::NorthAmerica),
        ("OC", Self::Oceania),
        ("SA", Self::SouthAmerica),
    ];

    /// From a two-letter code of either case; `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().find(|(code, _)| code.eq_ignore_ascii_case(text)).map(|&(_, continent)| continent)
    }

    /// The two-letter code.
    pub fn as_str(self) -> &'static str {
        Self::ALL[self as usize].0
    }
}

/// The location of a network. A fact that no database knows is `None`, never guessed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Location {
    /// The continent, from a database or otherwise from the country.
    pub continent: Option<Continent>,
    /// The country in which the network is used.
    pub country: Option<CountryCode>,
    /// The subdivisions, the largest first (England before Oxfordshire).
    pub subdivisions: [Option<Subdivision>; 2],
    /// The autonomous system that announces the network.
    pub asn: Option<u32>,
    /// The point that the database gives, or otherwise the country's point.
    pub coordinates: Option<Coordinates>,
}

impl fmt::Display for CountryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Subdivision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-", self.country)?;
        f.write_str(std::str::from_utf8(&self.code).unwrap_or_default().trim_end_matches('\0'))
    }
}

impl fmt::Display for Continent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The known facts, from the largest to the smallest, such as `NA US US-HI AS4713 21.3069,-157.8583`; `unknown` if
/// there are none.
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut gap = "";
        let mut put = |part: fmt::Arguments<'_>| {
            let result = write!(f, "{gap}{part}");
            gap = " ";
            result
        };
        if let Some(continent) = self.continent {
            put(format_args!("{continent}"))?;
        }
        if let Some(country) = self.country {
            put(format_args!("{country}"))?;
        }
        for subdivision in self.subdivisions.iter().flatten() {
            put(format_args!("{subdivision}"))?;
        }
        if let Some(asn) = self.asn {
            put(format_args!("AS{asn}"))?;
        }
        if let Some(point) = self.coordinates {
            put(format_args!("{},{}", point.latitude(), point.longitude()))?;
        }
        if gap.is_empty() { f.write_str("unknown") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_crosses_the_antimeridian() {
        let fiji = Coordinates::try_new(-17.8, 178.0).unwrap();
        let samoa = Coordinates::try_new(-13.8, -172.0).unwrap();
        assert!((fiji.distance_km(samoa) - 1157.0).abs() < 15.0, "{}", fiji.distance_km(samoa));
        let frankfurt = Coordinates::try_new(50.11, 8.68).unwrap();
        let ashburn = Coordinates::try_new(38.95, -77.45).unwrap();
        assert!((frankfurt.distance_km(ashburn) - 6540.0).abs() < 50.0, "{}", frankfurt.distance_km(ashburn));
    }

    #[test]
    fn coordinates_outside_the_earth_are_refused() {
        assert_eq!(Coordinates::try_new(90.1, 0.0), None);
        assert_eq!(Coordinates::try_new(0.0, f64::NAN), None);
    }

    #[test]
    fn codes_are_read_in_either_case() {
        assert_eq!(Subdivision::parse("us-hi").unwrap().to_string(), "US-HI");
        assert_eq!(Subdivision::parse("US-"), None);
        assert_eq!(CountryCode::parse("d1"), None);
        assert_eq!(Continent::parse("eu"), Some(Continent::Europe));
    }
}
