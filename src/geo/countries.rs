//! The countries and territories of ISO 3166-1, each with its continent and its centroid.
//!
//! Databases often name the country alone. Its continent, and a point to measure distances from, are facts that a table
//! of 250 rows holds: the 249 codes that ISO assigned, and XK, which databases use for Kosovo.
//!
//! A country is on one continent here, the one GeoIP2 gives it: Russia and Cyprus are in Europe, Türkiye and the South
//! Caucasus are in Asia, the islands around the South Pole are in Antarctica. A centroid is exact to a tenth of a
//! degree or so; of a country with far-off parts it is that of the part where most people live.

use super::location::{Continent, Coordinates, CountryCode};

/// A country or territory with a code of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Country {
    /// Its ISO 3166-1 alpha-2 code.
    pub code: CountryCode,
    /// Its common name in English.
    pub name: &'static str,
    /// The continent GeoIP databases count it to.
    pub continent: Continent,
    /// A point in its middle.
    pub centroid: Coordinates,
}

/// The country with this code; `None` if nobody assigned it.
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
        let centroid = Coordinates::try_new(latitude, longitude)?;
        Some(Self { code: CountryCode::parse(code)?, name, continent, centroid })
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
    ("AD", "Andorra", EU, 42.5, 1.6),
    ("AE", "United Arab Emirates", AS, 23.4, 53.8),
    ("AF", "Afghanistan", AS, 33.9, 67.7),
    ("AG", "Antigua and Barbuda", NA, 17.1, -61.8),
    ("AI", "Anguilla", NA, 18.2, -63.1),
    ("AL", "Albania", EU, 41.2, 20.2),
    ("AM", "Armenia", AS, 40.1, 45.0),
    ("AO", "Angola", AF, -11.2, 17.9),
    ("AQ", "Antarctica", AN, -82.9, 0.0),
    ("AR", "Argentina", SA, -38.4, -63.6),
    ("AS", "American Samoa", OC, -14.3, -170.7),
    ("AT", "Austria", EU, 47.5, 14.6),
    ("AU", "Australia", OC, -25.3, 133.8),
    ("AW", "Aruba", NA, 12.5, -70.0),
    ("AX", "Åland Islands", EU, 60.2, 19.9),
    ("AZ", "Azerbaijan", AS, 40.1, 47.6),
    ("BA", "Bosnia and Herzegovina", EU, 43.9, 17.7),
    ("BB", "Barbados", NA, 13.2, -59.5),
    ("BD", "Bangladesh", AS, 23.7, 90.4),
    ("BE", "Belgium", EU, 50.5, 4.5),
    ("BF", "Burkina Faso", AF, 12.2, -1.6),
    ("BG", "Bulgaria", EU, 42.7, 25.5),
    ("BH", "Bahrain", AS, 26.0, 50.6),
    ("BI", "Burundi", AF, -3.4, 29.9),
    ("BJ", "Benin", AF, 9.3, 2.3),
    ("BL", "Saint Barthélemy", NA, 17.9, -62.8),
    ("BM", "Bermuda", NA, 32.3, -64.8),
    ("BN", "Brunei", AS, 4.5, 114.7),
    ("BO", "Bolivia", SA, -16.3, -63.6),
    ("BQ", "Bonaire, Sint Eustatius and Saba", NA, 12.2, -68.3),
    ("BR", "Brazil", SA, -14.2, -51.9),
    ("BS", "Bahamas", NA, 24.3, -76.0),
    ("BT", "Bhutan", AS, 27.5, 90.4),
    ("BV", "Bouvet Island", AN, -54.4, 3.4),
    ("BW", "Botswana", AF, -22.3, 24.7),
    ("BY", "Belarus", EU, 53.7, 28.0),
    ("BZ", "Belize", NA, 17.2, -88.5),
    ("CA", "Canada", NA, 56.1, -106.3),
    ("CC", "Cocos (Keeling) Islands", AS, -12.2, 96.9),
    ("CD", "Democratic Republic of the Congo", AF, -2.9, 23.7),
    ("CF", "Central African Republic", AF, 6.6, 20.9),
    ("CG", "Republic of the Congo", AF, -0.2, 15.8),
    ("CH", "Switzerland", EU, 46.8, 8.2),
    ("CI", "Côte d'Ivoire", AF, 7.5, -5.5),
    ("CK", "Cook Islands", OC, -21.2, -159.8),
    ("CL", "Chile", SA, -35.7, -71.5),
    ("CM", "Cameroon", AF, 7.4, 12.4),
    ("CN", "China", AS, 35.9, 104.2),
    ("CO", "Colombia", SA, 4.6, -74.3),
    ("CR", "Costa Rica", NA, 9.7, -83.8),
    ("CU", "Cuba", NA, 21.5, -79.0),
    ("CV", "Cabo Verde", AF, 16.0, -24.0),
    ("CW", "Curaçao", NA, 12.2, -69.0),
    ("CX", "Christmas Island", OC, -10.4, 105.7),
    ("CY", "Cyprus", EU, 35.1, 33.4),
    ("CZ", "Czechia", EU, 49.8, 15.5),
    ("DE", "Germany", EU, 51.2, 10.5),
    ("DJ", "Djibouti", AF, 11.8, 42.6),
    ("DK", "Denmark", EU, 56.3, 9.5),
    ("DM", "Dominica", NA, 15.4, -61.4),
    ("DO", "Dominican Republic", NA, 18.7, -70.2),
    ("DZ", "Algeria", AF, 28.0, 1.7),
    ("EC", "Ecuador", SA, -1.8, -78.2),
    ("EE", "Estonia", EU, 58.6, 25.0),
    ("EG", "Egypt", AF, 26.8, 30.8),
    ("EH", "Western Sahara", AF, 24.2, -12.9),
    ("ER", "Eritrea", AF, 15.2, 39.8),
    ("ES", "Spain", EU, 40.5, -3.7),
    ("ET", "Ethiopia", AF, 8.6, 39.6),
    ("FI", "Finland", EU, 64.0, 26.0),
    ("FJ", "Fiji", OC, -17.8, 178.0),
    ("FK", "Falkland Islands", SA, -51.8, -59.5),
    ("FM", "Micronesia", OC, 6.9, 158.2),
    ("FO", "Faroe Islands", EU, 61.9, -6.9),
    ("FR", "France", EU, 46.2, 2.2),
    ("GA", "Gabon", AF, -0.8, 11.6),
    ("GB", "United Kingdom", EU, 54.1, -2.9),
    ("GD", "Grenada", NA, 12.1, -61.7),
    ("GE", "Georgia", AS, 42.3, 43.4),
    ("GF", "French Guiana", SA, 3.9, -53.1),
    ("GG", "Guernsey", EU, 49.5, -2.6),
    ("GH", "Ghana", AF, 7.9, -1.0),
    ("GI", "Gibraltar", EU, 36.1, -5.3),
    ("GL", "Greenland", NA, 71.7, -42.6),
    ("GM", "Gambia", AF, 13.4, -15.3),
    ("GN", "Guinea", AF, 9.9, -9.7),
    ("GP", "Guadeloupe", NA, 16.3, -61.6),
    ("GQ", "Equatorial Guinea", AF, 1.7, 10.3),
    ("GR", "Greece", EU, 39.1, 21.8),
    ("GS", "South Georgia and the South Sandwich Islands", AN, -54.4, -36.6),
    ("GT", "Guatemala", NA, 15.8, -90.2),
    ("GU", "Guam", OC, 13.4, 144.8),
    ("GW", "Guinea-Bissau", AF, 11.8, -15.2),
    ("GY", "Guyana", SA, 4.9, -58.9),
    ("HK", "Hong Kong", AS, 22.4, 114.1),
    ("HM", "Heard Island and McDonald Islands", AN, -53.1, 73.5),
    ("HN", "Honduras", NA, 15.2, -86.2),
    ("HR", "Croatia", EU, 45.1, 15.2),
    ("HT", "Haiti", NA, 19.0, -72.3),
    ("HU", "Hungary", EU, 47.2, 19.5),
    ("ID", "Indonesia", AS, -2.5, 118.0),
    ("IE", "Ireland", EU, 53.4, -8.2),
    ("IL", "Israel", AS, 31.4, 35.0),
    ("IM", "Isle of Man", EU, 54.2, -4.5),
    ("IN", "India", AS, 20.6, 79.0),
    ("IO", "British Indian Ocean Territory", AS, -6.3, 71.9),
    ("IQ", "Iraq", AS, 33.2, 43.7),
    ("IR", "Iran", AS, 32.4, 53.7),
    ("IS", "Iceland", EU, 65.0, -19.0),
    ("IT", "Italy", EU, 41.9, 12.6),
    ("JE", "Jersey", EU, 49.2, -2.1),
    ("JM", "Jamaica", NA, 18.1, -77.3),
    ("JO", "Jordan", AS, 30.6, 36.2),
    ("JP", "Japan", AS, 36.2, 138.3),
    ("KE", "Kenya", AF, 0.0, 37.9),
    ("KG", "Kyrgyzstan", AS, 41.2, 74.8),
    ("KH", "Cambodia", AS, 12.6, 105.0),
    ("KI", "Kiribati", OC, 1.4, 173.0),
    ("KM", "Comoros", AF, -11.9, 43.9),
    ("KN", "Saint Kitts and Nevis", NA, 17.3, -62.7),
    ("KP", "North Korea", AS, 40.3, 127.5),
    ("KR", "South Korea", AS, 35.9, 127.8),
    ("KW", "Kuwait", AS, 29.3, 47.5),
    ("KY", "Cayman Islands", NA, 19.3, -81.3),
    ("KZ", "Kazakhstan", AS, 48.0, 66.9),
    ("LA", "Laos", AS, 18.5, 103.8),
    ("LB", "Lebanon", AS, 33.9, 35.9),
    ("LC", "Saint Lucia", NA, 13.9, -61.0),
    ("LI", "Liechtenstein", EU, 47.2, 9.6),
    ("LK", "Sri Lanka", AS, 7.9, 80.8),
    ("LR", "Liberia", AF, 6.4, -9.4),
    ("LS", "Lesotho", AF, -29.6, 28.2),
    ("LT", "Lithuania", EU, 55.2, 23.9),
    ("LU", "Luxembourg", EU, 49.8, 6.1),
    ("LV", "Latvia", EU, 56.9, 24.6),
    ("LY", "Libya", AF, 26.3, 17.2),
    ("MA", "Morocco", AF, 31.8, -7.1),
    ("MC", "Monaco", EU, 43.7, 7.4),
    ("MD", "Moldova", EU, 47.4, 28.4),
    ("ME", "Montenegro", EU, 42.7, 19.4),
    ("MF", "Saint Martin", NA, 18.1, -63.1),
    ("MG", "Madagascar", AF, -18.8, 46.9),
    ("MH", "Marshall Islands", OC, 7.1, 171.2),
    ("MK", "North Macedonia", EU, 41.6, 21.7),
    ("ML", "Mali", AF, 17.6, -4.0),
    ("MM", "Myanmar", AS, 21.9, 96.0),
    ("MN", "Mongolia", AS, 46.9, 103.8),
    ("MO", "Macao", AS, 22.2, 113.5),
    ("MP", "Northern Mariana Islands", OC, 15.2, 145.7),
    ("MQ", "Martinique", NA, 14.6, -61.0),
    ("MR", "Mauritania", AF, 21.0, -10.9),
    ("MS", "Montserrat", NA, 16.7, -62.2),
    ("MT", "Malta", EU, 35.9, 14.4),
    ("MU", "Mauritius", AF, -20.3, 57.6),
    ("MV", "Maldives", AS, 3.2, 73.2),
    ("MW", "Malawi", AF, -13.3, 34.3),
    ("MX", "Mexico", NA, 23.6, -102.6),
    ("MY", "Malaysia", AS, 4.2, 109.5),
    ("MZ", "Mozambique", AF, -18.7, 35.5),
    ("NA", "Namibia", AF, -23.0, 18.5),
    ("NC", "New Caledonia", OC, -20.9, 165.6),
    ("NE", "Niger", AF, 17.6, 8.1),
    ("NF", "Norfolk Island", OC, -29.0, 168.0),
    ("NG", "Nigeria", AF, 9.1, 8.7),
    ("NI", "Nicaragua", NA, 12.9, -85.2),
    ("NL", "Netherlands", EU, 52.1, 5.3),
    ("NO", "Norway", EU, 62.0, 10.0),
    ("NP", "Nepal", AS, 28.4, 84.1),
    ("NR", "Nauru", OC, -0.5, 166.9),
    ("NU", "Niue", OC, -19.1, -169.9),
    ("NZ", "New Zealand", OC, -40.9, 174.9),
    ("OM", "Oman", AS, 21.5, 55.9),
    ("PA", "Panama", NA, 8.5, -80.8),
    ("PE", "Peru", SA, -9.2, -75.0),
    ("PF", "French Polynesia", OC, -17.7, -149.4),
    ("PG", "Papua New Guinea", OC, -6.3, 144.0),
    ("PH", "Philippines", AS, 12.9, 121.8),
    ("PK", "Pakistan", AS, 30.4, 69.3),
    ("PL", "Poland", EU, 51.9, 19.1),
    ("PM", "Saint Pierre and Miquelon", NA, 46.9, -56.3),
    ("PN", "Pitcairn Islands", OC, -24.4, -128.3),
    ("PR", "Puerto Rico", NA, 18.2, -66.6),
    ("PS", "Palestine", AS, 31.9, 35.2),
    ("PT", "Portugal", EU, 39.4, -8.2),
    ("PW", "Palau", OC, 7.5, 134.6),
    ("PY", "Paraguay", SA, -23.4, -58.4),
    ("QA", "Qatar", AS, 25.4, 51.2),
    ("RE", "Réunion", AF, -21.1, 55.5),
    ("RO", "Romania", EU, 45.9, 25.0),
    ("RS", "Serbia", EU, 44.0, 21.0),
    ("RU", "Russia", EU, 61.5, 90.0),
    ("RW", "Rwanda", AF, -1.9, 29.9),
    ("SA", "Saudi Arabia", AS, 23.9, 45.1),
    ("SB", "Solomon Islands", OC, -9.6, 160.2),
    ("SC", "Seychelles", AF, -4.7, 55.5),
    ("SD", "Sudan", AF, 15.6, 30.2),
    ("SE", "Sweden", EU, 62.2, 14.8),
    ("SG", "Singapore", AS, 1.4, 103.8),
    ("SH", "Saint Helena, Ascension and Tristan da Cunha", AF, -15.9, -5.7),
    ("SI", "Slovenia", EU, 46.2, 15.0),
    ("SJ", "Svalbard and Jan Mayen", EU, 78.6, 19.0),
    ("SK", "Slovakia", EU, 48.7, 19.7),
    ("SL", "Sierra Leone", AF, 8.5, -11.8),
    ("SM", "San Marino", EU, 43.9, 12.5),
    ("SN", "Senegal", AF, 14.5, -14.5),
    ("SO", "Somalia", AF, 5.2, 46.2),
    ("SR", "Suriname", SA, 3.9, -56.0),
    ("SS", "South Sudan", AF, 7.3, 30.3),
    ("ST", "São Tomé and Príncipe", AF, 0.2, 6.6),
    ("SV", "El Salvador", NA, 13.8, -88.9),
    ("SX", "Sint Maarten", NA, 18.0, -63.1),
    ("SY", "Syria", AS, 34.8, 39.0),
    ("SZ", "Eswatini", AF, -26.5, 31.5),
    ("TC", "Turks and Caicos Islands", NA, 21.7, -71.8),
    ("TD", "Chad", AF, 15.5, 18.7),
    ("TF", "French Southern Territories", AN, -49.3, 69.3),
    ("TG", "Togo", AF, 8.6, 0.8),
    ("TH", "Thailand", AS, 15.9, 101.0),
    ("TJ", "Tajikistan", AS, 38.9, 71.3),
    ("TK", "Tokelau", OC, -9.0, -171.9),
    ("TL", "Timor-Leste", OC, -8.9, 125.7),
    ("TM", "Turkmenistan", AS, 39.0, 59.6),
    ("TN", "Tunisia", AF, 33.9, 9.5),
    ("TO", "Tonga", OC, -21.2, -175.2),
    ("TR", "Türkiye", AS, 39.0, 35.2),
    ("TT", "Trinidad and Tobago", NA, 10.7, -61.2),
    ("TV", "Tuvalu", OC, -8.5, 179.2),
    ("TW", "Taiwan", AS, 23.7, 121.0),
    ("TZ", "Tanzania", AF, -6.4, 34.9),
    ("UA", "Ukraine", EU, 48.4, 31.2),
    ("UG", "Uganda", AF, 1.4, 32.3),
    ("UM", "U.S. Minor Outlying Islands", OC, 19.3, 166.6),
    ("US", "United States", NA, 39.8, -98.6),
    ("UY", "Uruguay", SA, -32.5, -55.8),
    ("UZ", "Uzbekistan", AS, 41.4, 64.6),
    ("VA", "Vatican City", EU, 41.9, 12.5),
    ("VC", "Saint Vincent and the Grenadines", NA, 13.3, -61.2),
    ("VE", "Venezuela", SA, 6.4, -66.6),
    ("VG", "British Virgin Islands", NA, 18.4, -64.6),
    ("VI", "U.S. Virgin Islands", NA, 18.3, -64.9),
    ("VN", "Vietnam", AS, 16.0, 107.8),
    ("VU", "Vanuatu", OC, -15.4, 166.9),
    ("WF", "Wallis and Futuna", OC, -13.8, -177.2),
    ("WS", "Samoa", OC, -13.8, -172.1),
    ("XK", "Kosovo", EU, 42.6, 20.9),
    ("YE", "Yemen", AS, 15.6, 48.5),
    ("YT", "Mayotte", AF, -12.8, 45.2),
    ("ZA", "South Africa", AF, -29.5, 24.0),
    ("ZM", "Zambia", AF, -13.1, 27.8),
    ("ZW", "Zimbabwe", AF, -19.0, 29.2),
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
    fn centroids_lie_where_the_countries_are() {
        for (code, latitude, longitude, kilometres) in [
            ("DE", 51.0, 10.5, 100.0),
            ("US", 39.1, -94.6, 500.0),
            ("FJ", -17.8, 178.0, 200.0),
            ("NZ", -41.3, 174.8, 300.0),
            ("KI", 1.4, 173.0, 300.0),
            ("TV", -8.5, 179.2, 300.0),
            ("AU", -23.7, 133.9, 500.0),
            ("BR", -15.8, -47.9, 600.0),
            ("ZA", -29.1, 26.2, 500.0),
            ("JP", 35.7, 139.7, 300.0),
        ] {
            let place = Coordinates::try_new(latitude, longitude).unwrap();
            let distance = find(code).centroid.distance_km(place);
            assert!(distance < kilometres, "{code} is {distance:.0} km off");
        }
    }

    /// The great circle within which each continent's centroids lie catches swapped signs and swapped columns.
    #[test]
    fn centroids_lie_on_their_continents() {
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
            let distance = one.centroid.distance_km(middle);
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
