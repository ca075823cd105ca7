//! The countries and territories of ISO 3166-1, each with its continent and a representative point.
//!
//! Databases often name only the country. A table of 250 rows gives its continent, and a point to measure distances
//! from: the 249 codes that ISO assigned, and XK, which databases use for Kosovo.
//!
//! Each country is on one continent here, the continent in GeoIP2. Russia and Cyprus are in Europe, Türkiye and the
//! South Caucasus are in Asia, the islands around the South Pole are in Antarctica.
//!
//! The point of a country is the geometric median of its inhabitants, the point with the least mean distance to them.
//! Canada's is therefore near Toronto and Russia's on the Volga, not in the middle of the map. `geoip/points.mjs`
//! computes the points from the cities of [GeoNames](https://www.geonames.org), CC BY 4.0, and writes them here. They
//! are exact to a tenth of a degree.

use super::location::{Continent, Coordinates, CountryCode};

/// A country or territory with a code of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Country {
    /// Its ISO 3166-1 alpha-2 code.
    pub code: CountryCode,
    /// Its common name in English.
    pub name: &'static str,
    /// The continent that GeoIP databases assign it to.
    pub continent: Continent,
    /// The geometric median of its inhabitants.
    pub point: Coordinates,
}

/// The country with this code; `None` if the code is not assigned.
pub fn country(code: CountryCode) -> Option<Country> {
    let position = ROWS.binary_search_by_key(&code.as_str(), |row| row.0).ok()?;
    Country::from_row(&ROWS[position])
}

/// All countries in the order of their codes.
pub fn countries() -> impl Iterator<Item = Country> {
    ROWS.iter().filter_map(Country::from_row)
}

impl Country {
    fn from_row(&(code, name, continent, latitude, longitude): &Row) -> Option<Self> {
        let point = Coordinates::try_new(latitude, longitude)?;
        Some(Self { code: CountryCode::parse(code)?, name, continent, point })
    }
}

/// Code, name, continent, degrees north and degrees east.
type Row = (&'static str, &'static str, Continent, f64, f64);

const AF: Continent = Continent::Africa;
const AN: Continent = Continent::Antarctica;
const AS: Continent = Continent::Asia;
const EU: Continent = Continent::Europe;
const NA: Continent = Continent::NorthAmerica;
const OC: Continent = Continent::Oceania;
const SA: Continent = Continent::SouthAmerica;

/// Sorted by code.
#[rustfmt::skip]
static ROWS: [Row; 250] = [
    ("AD", "Andorra", EU, 42.5, 1.5),
    ("AE", "United Arab Emirates", AS, 25.1, 55.3),
    ("AF", "Afghanistan", AS, 34.5, 69.2),
    ("AG", "Antigua and Barbuda", NA, 17.1, -61.8),
    ("AI", "Anguilla", NA, 18.2, -63.1),
    ("AL", "Albania", EU, 41.3, 19.8),
    ("AM", "Armenia", AS, 40.2, 44.5),
    ("AO", "Angola", AF, -8.8, 13.2),
    ("AQ", "Antarctica", AN, -77.8, 166.7),
    ("AR", "Argentina", SA, -34.5, -58.6),
    ("AS", "American Samoa", OC, -14.3, -170.7),
    ("AT", "Austria", EU, 47.9, 15.4),
    ("AU", "Australia", OC, -34.2, 148.5),
    ("AW", "Aruba", NA, 12.5, -70.0),
    ("AX", "Åland Islands", EU, 60.1, 19.9),
    ("AZ", "Azerbaijan", AS, 40.4, 49.4),
    ("BA", "Bosnia and Herzegovina", EU, 44.2, 18.0),
    ("BB", "Barbados", NA, 13.1, -59.6),
    ("BD", "Bangladesh", AS, 23.7, 90.4),
    ("BE", "Belgium", EU, 50.9, 4.3),
    ("BF", "Burkina Faso", AF, 12.4, -1.5),
    ("BG", "Bulgaria", EU, 42.7, 24.8),
    ("BH", "Bahrain", AS, 26.2, 50.6),
    ("BI", "Burundi", AF, -3.4, 29.4),
    ("BJ", "Benin", AF, 6.6, 2.4),
    ("BL", "Saint Barthélemy", NA, 17.9, -62.8),
    ("BM", "Bermuda", NA, 32.4, -64.7),
    ("BN", "Brunei", AS, 4.8, 114.7),
    ("BO", "Bolivia", SA, -17.4, -66.0),
    ("BQ", "Bonaire, Sint Eustatius and Saba", NA, 12.2, -68.3),
    ("BR", "Brazil", SA, -21.4, -46.0),
    ("BS", "Bahamas", NA, 25.1, -77.3),
    ("BT", "Bhutan", AS, 27.5, 89.6),
    ("BV", "Bouvet Island", AN, -54.4, 3.4),
    ("BW", "Botswana", AF, -24.4, 25.9),
    ("BY", "Belarus", EU, 53.9, 27.6),
    ("BZ", "Belize", NA, 17.5, -88.2),
    ("CA", "Canada", NA, 44.1, -79.4),
    ("CC", "Cocos (Keeling) Islands", AS, -12.2, 96.8),
    ("CD", "Democratic Republic of the Congo", AF, -4.3, 15.3),
    ("CF", "Central African Republic", AF, 4.4, 18.6),
    ("CG", "Republic of the Congo", AF, -4.3, 15.3),
    ("CH", "Switzerland", EU, 47.2, 8.1),
    ("CI", "Côte d'Ivoire", AF, 5.4, -4.0),
    ("CK", "Cook Islands", OC, -21.2, -159.8),
    ("CL", "Chile", SA, -33.5, -70.6),
    ("CM", "Cameroon", AF, 5.0, 10.7),
    ("CN", "China", AS, 33.0, 115.9),
    ("CO", "Colombia", SA, 5.2, -74.7),
    ("CR", "Costa Rica", NA, 9.9, -84.1),
    ("CU", "Cuba", NA, 22.3, -80.3),
    ("CV", "Cabo Verde", AF, 15.1, -23.6),
    ("CW", "Curaçao", NA, 12.1, -68.9),
    ("CX", "Christmas Island", OC, -10.4, 105.7),
    ("CY", "Cyprus", EU, 35.1, 33.4),
    ("CZ", "Czechia", EU, 49.9, 15.4),
    ("DE", "Germany", EU, 50.8, 9.2),
    ("DJ", "Djibouti", AF, 11.6, 43.1),
    ("DK", "Denmark", EU, 55.7, 12.0),
    ("DM", "Dominica", NA, 15.3, -61.4),
    ("DO", "Dominican Republic", NA, 18.5, -69.9),
    ("DZ", "Algeria", AF, 36.3, 3.5),
    ("EC", "Ecuador", SA, -1.8, -79.6),
    ("EE", "Estonia", EU, 59.4, 24.8),
    ("EG", "Egypt", AF, 30.1, 31.2),
    ("EH", "Western Sahara", AF, 27.1, -13.2),
    ("ER", "Eritrea", AF, 15.3, 38.9),
    ("ES", "Spain", EU, 40.2, -3.3),
    ("ET", "Ethiopia", AF, 9.0, 38.7),
    ("FI", "Finland", EU, 61.2, 24.7),
    ("FJ", "Fiji", OC, -17.7, 177.8),
    ("FK", "Falkland Islands", SA, -51.7, -57.9),
    ("FM", "Micronesia", OC, 7.3, 152.8),
    ("FO", "Faroe Islands", EU, 62.0, -6.8),
    ("FR", "France", EU, 48.0, 2.5),
    ("GA", "Gabon", AF, 0.4, 9.5),
    ("GB", "United Kingdom", EU, 52.5, -1.4),
    ("GD", "Grenada", NA, 12.1, -61.7),
    ("GE", "Georgia", AS, 41.7, 44.8),
    ("GF", "French Guiana", SA, 4.9, -52.3),
    ("GG", "Guernsey", EU, 49.5, -2.5),
    ("GH", "Ghana", AF, 6.0, -0.7),
    ("GI", "Gibraltar", EU, 36.1, -5.4),
    ("GL", "Greenland", NA, 64.2, -51.7),
    ("GM", "Gambia", AF, 13.4, -16.7),
    ("GN", "Guinea", AF, 9.5, -13.7),
    ("GP", "Guadeloupe", NA, 16.2, -61.5),
    ("GQ", "Equatorial Guinea", AF, 1.9, 9.8),
    ("GR", "Greece", EU, 38.0, 23.7),
    ("GS", "South Georgia and the South Sandwich Islands", AN, -54.3, -36.5),
    ("GT", "Guatemala", NA, 14.6, -90.6),
    ("GU", "Guam", OC, 13.5, 144.8),
    ("GW", "Guinea-Bissau", AF, 11.9, -15.6),
    ("GY", "Guyana", SA, 6.8, -58.2),
    ("HK", "Hong Kong", AS, 22.3, 114.2),
    ("HM", "Heard Island and McDonald Islands", AN, -53.1, 73.5),
    ("HN", "Honduras", NA, 14.8, -87.6),
    ("HR", "Croatia", EU, 45.7, 16.1),
    ("HT", "Haiti", NA, 18.5, -72.3),
    ("HU", "Hungary", EU, 47.5, 19.1),
    ("ID", "Indonesia", AS, -6.2, 107.6),
    ("IE", "Ireland", EU, 53.3, -6.3),
    ("IL", "Israel", AS, 32.1, 34.9),
    ("IM", "Isle of Man", EU, 54.2, -4.5),
    ("IN", "India", AS, 22.1, 78.0),
    ("IO", "British Indian Ocean Territory", AS, -6.3, 71.9),
    ("IQ", "Iraq", AS, 33.3, 44.4),
    ("IR", "Iran", AS, 35.4, 51.2),
    ("IS", "Iceland", EU, 64.1, -21.9),
    ("IT", "Italy", EU, 43.5, 11.8),
    ("JE", "Jersey", EU, 49.2, -2.1),
    ("JM", "Jamaica", NA, 18.0, -76.8),
    ("JO", "Jordan", AS, 32.0, 35.9),
    ("JP", "Japan", AS, 35.5, 137.8),
    ("KE", "Kenya", AF, -1.3, 36.8),
    ("KG", "Kyrgyzstan", AS, 42.9, 74.6),
    ("KH", "Cambodia", AS, 11.6, 104.9),
    ("KI", "Kiribati", OC, 1.3, 173.0),
    ("KM", "Comoros", AF, -12.2, 44.3),
    ("KN", "Saint Kitts and Nevis", NA, 17.3, -62.7),
    ("KP", "North Korea", AS, 39.0, 125.8),
    ("KR", "South Korea", AS, 37.3, 127.1),
    ("KW", "Kuwait", AS, 29.1, 48.1),
    ("KY", "Cayman Islands", NA, 19.3, -81.4),
    ("KZ", "Kazakhstan", AS, 47.4, 72.5),
    ("LA", "Laos", AS, 18.1, 102.9),
    ("LB", "Lebanon", AS, 33.9, 35.5),
    ("LC", "Saint Lucia", NA, 14.0, -61.0),
    ("LI", "Liechtenstein", EU, 47.2, 9.5),
    ("LK", "Sri Lanka", AS, 6.9, 79.9),
    ("LR", "Liberia", AF, 6.3, -10.8),
    ("LS", "Lesotho", AF, -29.3, 27.5),
    ("LT", "Lithuania", EU, 55.0, 24.0),
    ("LU", "Luxembourg", EU, 49.6, 6.1),
    ("LV", "Latvia", EU, 56.9, 24.1),
    ("LY", "Libya", AF, 32.5, 13.9),
    ("MA", "Morocco", AF, 33.9, -6.8),
    ("MC", "Monaco", EU, 43.7, 7.4),
    ("MD", "Moldova", EU, 47.0, 28.9),
    ("ME", "Montenegro", EU, 42.4, 19.3),
    ("MF", "Saint Martin", NA, 18.1, -63.1),
    ("MG", "Madagascar", AF, -18.9, 47.5),
    ("MH", "Marshall Islands", OC, 7.1, 171.4),
    ("MK", "North Macedonia", EU, 42.0, 21.4),
    ("ML", "Mali", AF, 12.7, -8.0),
    ("MM", "Myanmar", AS, 16.9, 96.2),
    ("MN", "Mongolia", AS, 47.9, 106.9),
    ("MO", "Macao", AS, 22.2, 113.5),
    ("MP", "Northern Mariana Islands", OC, 15.2, 145.8),
    ("MQ", "Martinique", NA, 14.6, -61.0),
    ("MR", "Mauritania", AF, 18.1, -16.0),
    ("MS", "Montserrat", NA, 16.8, -62.2),
    ("MT", "Malta", EU, 35.9, 14.5),
    ("MU", "Mauritius", AF, -20.2, 57.5),
    ("MV", "Maldives", AS, 4.2, 73.5),
    ("MW", "Malawi", AF, -14.0, 33.8),
    ("MX", "Mexico", NA, 19.6, -99.2),
    ("MY", "Malaysia", AS, 3.3, 101.8),
    ("MZ", "Mozambique", AF, -22.2, 34.3),
    ("NA", "Namibia", AF, -22.6, 17.1),
    ("NC", "New Caledonia", OC, -22.3, 166.4),
    ("NE", "Niger", AF, 13.9, 4.4),
    ("NF", "Norfolk Island", OC, -29.1, 168.0),
    ("NG", "Nigeria", AF, 7.5, 5.3),
    ("NI", "Nicaragua", NA, 12.1, -86.3),
    ("NL", "Netherlands", EU, 52.1, 5.1),
    ("NO", "Norway", EU, 59.9, 10.4),
    ("NP", "Nepal", AS, 27.7, 85.3),
    ("NR", "Nauru", OC, -0.5, 166.9),
    ("NU", "Niue", OC, -19.1, -169.9),
    ("NZ", "New Zealand", OC, -39.7, 174.8),
    ("OM", "Oman", AS, 23.6, 58.2),
    ("PA", "Panama", NA, 9.0, -79.6),
    ("PE", "Peru", SA, -12.0, -77.0),
    ("PF", "French Polynesia", OC, -17.6, -149.6),
    ("PG", "Papua New Guinea", OC, -8.3, 147.0),
    ("PH", "Philippines", AS, 13.9, 121.4),
    ("PK", "Pakistan", AS, 30.8, 72.2),
    ("PL", "Poland", EU, 51.7, 19.5),
    ("PM", "Saint Pierre and Miquelon", NA, 46.8, -56.2),
    ("PN", "Pitcairn Islands", OC, -25.1, -130.1),
    ("PR", "Puerto Rico", NA, 18.4, -66.2),
    ("PS", "Palestine", AS, 31.7, 34.9),
    ("PT", "Portugal", EU, 39.4, -8.9),
    ("PW", "Palau", OC, 7.3, 134.5),
    ("PY", "Paraguay", SA, -25.3, -57.5),
    ("QA", "Qatar", AS, 25.3, 51.5),
    ("RE", "Réunion", AF, -21.1, 55.4),
    ("RO", "Romania", EU, 45.5, 25.5),
    ("RS", "Serbia", EU, 44.8, 20.5),
    ("RU", "Russia", EU, 55.4, 45.1),
    ("RW", "Rwanda", AF, -1.9, 30.1),
    ("SA", "Saudi Arabia", AS, 23.9, 43.1),
    ("SB", "Solomon Islands", OC, -9.4, 159.9),
    ("SC", "Seychelles", AF, -4.6, 55.5),
    ("SD", "Sudan", AF, 15.6, 32.5),
    ("SE", "Sweden", EU, 59.0, 16.2),
    ("SG", "Singapore", AS, 1.3, 103.9),
    ("SH", "Saint Helena, Ascension and Tristan da Cunha", AF, -15.9, -5.7),
    ("SI", "Slovenia", EU, 46.1, 14.6),
    ("SJ", "Svalbard and Jan Mayen", EU, 78.2, 15.6),
    ("SK", "Slovakia", EU, 48.7, 18.8),
    ("SL", "Sierra Leone", AF, 8.5, -13.0),
    ("SM", "San Marino", EU, 43.9, 12.5),
    ("SN", "Senegal", AF, 14.7, -17.4),
    ("SO", "Somalia", AF, 2.0, 45.3),
    ("SR", "Suriname", SA, 5.9, -55.2),
    ("SS", "South Sudan", AF, 6.7, 29.9),
    ("ST", "São Tomé and Príncipe", AF, 0.3, 6.7),
    ("SV", "El Salvador", NA, 13.7, -89.2),
    ("SX", "Sint Maarten", NA, 18.0, -63.1),
    ("SY", "Syria", AS, 35.0, 36.8),
    ("SZ", "Eswatini", AF, -26.5, 31.4),
    ("TC", "Turks and Caicos Islands", NA, 21.5, -71.1),
    ("TD", "Chad", AF, 12.1, 15.0),
    ("TF", "French Southern Territories", AN, -49.3, 70.2),
    ("TG", "Togo", AF, 6.1, 1.2),
    ("TH", "Thailand", AS, 13.8, 100.5),
    ("TJ", "Tajikistan", AS, 38.5, 68.8),
    ("TK", "Tokelau", OC, -9.2, -171.9),
    ("TL", "Timor-Leste", OC, -8.6, 125.6),
    ("TM", "Turkmenistan", AS, 38.0, 58.4),
    ("TN", "Tunisia", AF, 36.2, 10.3),
    ("TO", "Tonga", OC, -21.1, -175.2),
    ("TR", "Türkiye", AS, 40.3, 30.1),
    ("TT", "Trinidad and Tobago", NA, 10.5, -61.4),
    ("TV", "Tuvalu", OC, -8.5, 179.2),
    ("TW", "Taiwan", AS, 25.0, 121.5),
    ("TZ", "Tanzania", AF, -6.2, 37.1),
    ("UA", "Ukraine", EU, 48.8, 33.0),
    ("UG", "Uganda", AF, 0.3, 32.6),
    ("UM", "U.S. Minor Outlying Islands", OC, 19.3, 166.6),
    ("US", "United States", NA, 39.0, -87.9),
    ("UY", "Uruguay", SA, -34.9, -56.2),
    ("UZ", "Uzbekistan", AS, 41.2, 69.2),
    ("VA", "Vatican City", EU, 41.9, 12.5),
    ("VC", "Saint Vincent and the Grenadines", NA, 13.2, -61.2),
    ("VE", "Venezuela", SA, 10.2, -67.6),
    ("VG", "British Virgin Islands", NA, 18.4, -64.6),
    ("VI", "U.S. Virgin Islands", NA, 17.7, -64.7),
    ("VN", "Vietnam", AS, 11.6, 106.8),
    ("VU", "Vanuatu", OC, -17.7, 168.3),
    ("WF", "Wallis and Futuna", OC, -13.3, -176.2),
    ("WS", "Samoa", OC, -13.8, -171.8),
    ("XK", "Kosovo", EU, 42.6, 21.1),
    ("YE", "Yemen", AS, 15.3, 44.2),
    ("YT", "Mayotte", AF, -12.8, 45.2),
    ("ZA", "South Africa", AF, -26.9, 27.9),
    ("ZM", "Zambia", AF, -14.4, 28.4),
    ("ZW", "Zimbabwe", AF, -17.9, 31.0),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn find(code: &str) -> Country {
        country(CountryCode::parse(code).unwrap()).unwrap_or_else(|| panic!("{code} is missing"))
    }

    #[test]
    fn every_row_is_valid_and_in_its_place() {
        assert!(ROWS.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert_eq!(countries().count(), ROWS.len());
        assert!(countries().all(|one| country(one.code) == Some(one)));
    }

    #[test]
    fn codes_that_nobody_assigned_are_absent() {
        for code in ["ZZ", "EU", "AP", "UK", "AN"] {
            assert_eq!(country(CountryCode::parse(code).unwrap()), None, "{code}");
        }
    }

    #[test]
    fn points_lie_where_the_people_are() {
        for (code, latitude, longitude, kilometres) in [
            ("DE", 51.0, 10.5, 150.0),
            ("US", 40.0, -86.0, 300.0),  // Indiana
            ("CA", 43.7, -79.4, 150.0),  // Toronto
            ("RU", 55.8, 37.6, 700.0),   // Moscow
            ("AU", -33.9, 151.2, 400.0), // Sydney
            ("BR", -23.5, -46.6, 400.0), // São Paulo
            ("AR", -34.6, -58.4, 150.0), // Buenos Aires
            ("CL", -33.4, -70.7, 150.0), // Santiago
            ("CN", 31.2, 121.5, 600.0),  // Shanghai
            ("IN", 21.1, 79.1, 300.0),   // Nagpur
            ("ID", -6.2, 106.8, 300.0),  // Jakarta
            ("DZ", 36.8, 3.1, 150.0),    // Algiers
            ("EG", 30.0, 31.2, 100.0),   // Cairo
            ("SE", 59.3, 18.1, 300.0),   // Stockholm
            ("NO", 59.9, 10.8, 150.0),   // Oslo
            ("MX", 19.4, -99.1, 150.0),  // Mexico City
            ("PE", -12.0, -77.0, 300.0), // Lima
            ("ZA", -26.2, 28.0, 150.0),  // Johannesburg
            ("FJ", -17.8, 178.0, 100.0),
            ("NZ", -41.3, 174.8, 300.0),
            ("KI", 1.4, 173.0, 100.0),
            ("TV", -8.5, 179.2, 100.0),
            ("JP", 35.7, 139.7, 300.0),
        ] {
            let place = Coordinates::try_new(latitude, longitude).unwrap();
            let distance = find(code).point.distance_km(place);
            assert!(distance < kilometres, "{code} is {distance:.0} km off");
        }
    }

    /// The nearest datacenter that an operator with datacenters all over the world expects, if the database only gives
    /// the country.
    #[test]
    fn large_countries_are_nearest_to_the_datacenters_of_most_of_their_people() {
        let datacenters = [
            ("fra", 50.1, 8.7),
            ("iad", 39.0, -77.5),
            ("sfo", 37.4, -122.0),
            ("gru", -23.4, -46.5),
            ("jnb", -26.1, 28.2),
            ("bom", 19.1, 72.9),
            ("sin", 1.4, 104.0),
            ("nrt", 35.8, 140.4),
            ("syd", -33.9, 151.2),
        ]
        .map(|(name, latitude, longitude)| (name, Coordinates::try_new(latitude, longitude).unwrap()));
        for (codes, expected) in [
            ("RU UA BY FI SE NO IS GB IE ES PT DZ MA LY EG TR GE", "fra"),
            ("CA US GL CU", "iad"),
            ("BR AR CL BO PY UY", "gru"),
            ("ZA NA BW ZW MZ", "jnb"),
            ("IN PK LK NP", "bom"),
            ("ID MY TH VN PH MM", "sin"),
            ("JP KR CN TW MN", "nrt"),
            ("AU NZ FJ", "syd"),
        ] {
            for code in codes.split(' ') {
                let point = find(code).point;
                let distance = |place: &Coordinates| point.distance_km(*place);
                let nearest = datacenters.iter().min_by(|(_, a), (_, b)| distance(a).total_cmp(&distance(b)));
                assert_eq!(nearest.unwrap().0, expected, "{code}");
            }
        }
    }

    /// A great circle around each continent must contain its points. This finds swapped signs and swapped columns.
    #[test]
    fn points_lie_on_their_continents() {
        let centre = |latitude, longitude| Coordinates::try_new(latitude, longitude).unwrap();
        for one in countries() {
            let (middle, reach) = match one.continent {
                Continent::Africa => (centre(2.0, 17.0), 5_500.0),
                Continent::Antarctica => (centre(-90.0, 0.0), 4_600.0),
                Continent::Asia => (centre(30.0, 85.0), 5_700.0),
                Continent::Europe => (centre(52.0, 20.0), 4_200.0),
                Continent::NorthAmerica => (centre(35.0, -85.0), 5_000.0),
                Continent::Oceania => (centre(-12.0, 178.0), 8_000.0),
                Continent::SouthAmerica => (centre(-18.0, -60.0), 4_100.0),
            };
            let distance = one.point.distance_km(middle);
            assert!(distance < reach, "{} is {distance:.0} km from the middle", one.code);
        }
    }

    #[test]
    fn continents_follow_geoip() {
        for (code, continent) in
            [("RU", EU), ("CY", EU), ("TR", AS), ("GE", AS), ("EG", AF), ("GL", NA), ("TL", OC), ("BV", AN), ("GY", SA)]
        {
            assert_eq!(find(code).continent, continent, "{code}");
        }
    }
}
