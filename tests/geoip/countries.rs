//! Which country a record tells: that of the location, or the registered one.

use maxminddb_writer::metadata::IpVersion;
use serde_json::json;

use super::{expect, load, write};

#[test]
fn a_registered_country_counts_only_where_no_file_tells_more_and_never_by_its_point() {
    let registered = |continent: Option<&str>, country: &str| {
        let mut record = json!({ "registered_country": { "iso_code": country } });
        if let Some(continent) = continent {
            record["continent"] = json!({ "code": continent });
        }
        record
    };
    let first = write(
        IpVersion::V4,
        &[
            ("11.0.0.0/8", registered(Some("AS"), "US")),
            ("12.0.0.0/8", registered(Some("EU"), "FR")),
            ("13.0.0.0/8", registered(None, "FR")),
            ("14.0.0.0/8", registered(Some("AS"), "US")),
            ("15.0.0.0/8", registered(Some("EU"), "FR")),
            ("16.0.0.0/8", registered(None, "FR")),
            (
                "17.0.0.0/8",
                json!({ "registered_country": { "iso_code": "US" }, "location": { "latitude": 48.9, "longitude": 2.4 }, "continent": { "code": "NA" } }),
            ),
            ("18.0.0.0/8", registered(Some("EU"), "EU")),
        ],
    );
    expect(
        &load(&[first.path()]).unwrap(),
        &[
            ("11.1.2.3", "AS"),
            ("12.1.2.3", "EU FR"),
            ("13.1.2.3", "unknown"),
            ("17.1.2.3", "NA US 48.9,2.4"),
            ("18.1.2.3", "EU"),
        ],
    );
    // Other files know more.
    let second = write(
        IpVersion::V4,
        &[
            ("14.0.0.0/8", json!({ "country_code": "JP" })),
            ("15.0.0.0/8", json!({ "country_code": "DE" })),
            ("16.0.0.0/8", json!({ "continent_code": "EU" })),
        ],
    );
    let known = [("14.1.2.3", "AS JP 35.5,137.8"), ("15.1.2.3", "EU DE 50.8,9.2"), ("16.1.2.3", "EU FR")];
    expect(&load(&[first.path(), second.path()]).unwrap(), &known);
    expect(&load(&[second.path(), first.path()]).unwrap(), &known);
}

#[test]
fn what_registries_write_as_countries_and_are_none_tells_a_continent() {
    let codes = write(
        IpVersion::V4,
        &[
            ("11.0.0.0/8", json!({ "country_code": "EU" })),
            ("12.0.0.0/8", json!({ "country_code": "AP" })),
            ("13.0.0.0/8", json!({ "country": { "iso_code": "EU" } })),
            ("14.0.0.0/8", json!({ "country": "ap" })),
            ("15.0.0.0/8", json!({ "country_code": "AP", "continent_code": "OC" })),
            ("16.0.0.0/8", json!({ "country_code": "EU", "country": "FR" })),
            ("17.0.0.0/8", json!({ "country_code": "EU" })),
            ("18.0.0.0/8", json!({ "country_code": "EU" })),
            ("19.0.0.0/8", json!({ "country_code": "AP" })),
            (
                "20.0.0.0/8",
                json!({ "country": { "iso_code": "AP" }, "continent": { "code": "AS" }, "location": { "latitude": 35, "longitude": 105 } }),
            ),
            (
                "21.0.0.0/8",
                json!({ "country": { "iso_code": "AP" }, "continent": { "code": "AS" }, "location": { "latitude": 35, "longitude": 105 } }),
            ),
            ("22.0.0.0/8", json!({ "country_code": "AP" })),
            ("23.0.0.0/8", json!({ "country_code": "AP", "continent_code": "OC" })),
            ("24.0.0.0/8", json!({ "country": { "iso_code": "AP" }, "registered_country": { "iso_code": "AU" } })),
            ("25.0.0.0/8", json!({ "country": { "iso_code": "AP" }, "registered_country": { "iso_code": "US" } })),
            ("26.0.0.0/8", json!({ "country_code": "EU", "asn": "AS64500" })),
        ],
    );
    let countries = write(
        IpVersion::V4,
        &[
            ("17.0.0.0/8", json!({ "country_code": "DE" })),
            ("18.0.0.0/8", json!({ "country_code": "US" })),
            ("19.0.0.0/8", json!({ "country_code": "AU" })),
            ("20.0.0.0/8", json!({ "country_code": "AU" })),
            ("22.0.0.0/8", json!({ "continent_code": "OC" })),
            ("23.0.0.0/8", json!({ "country_code": "JP" })),
            ("26.0.0.0/8", json!({ "country_code": "NO", "asn": "AS64501" })),
        ],
    );
    expect(
        &load(&[codes.path(), countries.path()]).unwrap(),
        &[
            ("11.1.2.3", "EU"),
            ("12.1.2.3", "AS"),
            ("13.1.2.3", "EU"),
            ("14.1.2.3", "AS"),
            ("15.1.2.3", "OC"),
            ("16.1.2.3", "EU FR 48,2.5"),
            ("17.1.2.3", "EU DE 50.8,9.2"),
            ("18.1.2.3", "NA US 39,-87.9"),
            ("19.1.2.3", "OC AU -34.2,148.5"),
            ("20.1.2.3", "OC AU -34.2,148.5"),
            ("21.1.2.3", "AS 35,105"),
            ("22.1.2.3", "OC"),
            ("23.1.2.3", "OC"),
            ("24.1.2.3", "OC AU"),
            ("25.1.2.3", "AS"),
            ("26.1.2.3", "EU NO AS64500 59.9,10.4"),
        ],
    );
    // The order of the files does not matter: a pseudo-country knows less than any place.
    expect(
        &load(&[countries.path(), codes.path()]).unwrap(),
        &[("18.1.2.3", "NA US 39,-87.9"), ("19.1.2.3", "OC AU -34.2,148.5"), ("22.1.2.3", "OC"), ("12.1.2.3", "AS")],
    );
}
