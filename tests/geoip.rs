//! GeoIP databases of every layout, sound and broken, read through the library.

use std::fs;
use std::io::Write;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use maxminddb_writer::Database;
use maxminddb_writer::metadata::IpVersion;
use maxminddb_writer::paths::IpAddrWithMask;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};
use tempfile::NamedTempFile;
use truenorth::geo::{CountryCode, Locations};
use truenorth::geoip::{self, GeoipFault};

const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/geoip/country.mmdb");

static SHIPPED_LOCATIONS: LazyLock<Locations> = LazyLock::new(|| load(&[SHIPPED]).unwrap());

/// Returns the locations that these databases give together.
fn load<P: AsRef<Path>>(paths: &[P]) -> Result<Locations, Vec<GeoipFault>> {
    geoip::load(&truenorth::disk::Disk::new(), paths).map(|loaded| loaded.locations)
}

fn maxmind(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/geoip/maxmind").join(name)
}

fn look_up(locations: &Locations, address: &str) -> String {
    locations.look_up(address.parse().unwrap()).to_string()
}

/// Checks the locations of addresses, in the form of `Location`'s display.
#[track_caller]
fn expect(locations: &Locations, expected: &[(&str, &str)]) {
    let found: Vec<_> = expected.iter().map(|&(address, _)| (address, look_up(locations, address))).collect();
    let found: Vec<_> = found.iter().map(|(address, location)| (*address, location.as_str())).collect();
    assert_eq!(found, expected);
}

/// A database with these records, in a file that vanishes with the value.
fn write(ip_version: IpVersion, records: &[(&str, Value)]) -> NamedTempFile {
    let mut database = Database::default();
    database.metadata.ip_version = ip_version;
    database.metadata.binary_format_major_version = 2;
    for (prefix, record) in records {
        let record = database.insert_value(record).unwrap();
        database.insert_node(prefix.parse::<IpAddrWithMask>().unwrap(), record);
    }
    let mut octets = Vec::new();
    database.write_to(&mut octets).unwrap();
    file(&octets)
}

fn file(octets: &[u8]) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(octets).unwrap();
    file
}

#[test]
fn geoip2_city() {
    expect(
        &load(&[maxmind("GeoIP2-City-Test.mmdb")]).unwrap(),
        &[
            ("81.2.69.160", "EU GB GB-ENG 51.5142,-0.0931"),
            ("2.125.160.216", "EU GB GB-ENG GB-WBK 51.75,-1.25"),
            ("216.160.83.56", "NA US US-WA 47.2513,-122.3149"),
            ("67.43.156.1", "AS BT 27.5,90.5"),
            ("175.16.199.1", "AS CN CN-22 43.88,125.3228"),
            ("2001:218::1", "AS JP 35.6854,139.7531"),
            ("2a02:d300::1", "EU UA 49,32"),
            ("192.0.2.1", "unknown"),
            // These are aliases of IPv4 in the file, which the walk leaves out.
            ("2002:5102:45a0::1", "unknown"),
            ("::ffff:81.2.69.160", "unknown"),
        ],
    );
}

#[test]
fn geoip2_country_has_the_point_of_the_country_for_coordinates() {
    expect(
        &load(&[maxmind("GeoIP2-Country-Test.mmdb")]).unwrap(),
        &[
            ("81.2.69.160", "EU GB 52.5,-1.4"),
            // The country in which a military base is, not the country that it represents.
            ("202.196.224.1", "AS PH 13.9,121.4"),
            ("2a02:cf40::1", "EU NO 59.9,10.4"),
        ],
    );
}

#[test]
fn geolite2_asn() {
    expect(
        &load(&[maxmind("GeoLite2-ASN-Test.mmdb")]).unwrap(),
        &[("1.128.0.1", "AS1221"), ("2600:6000::1", "AS237"), ("192.0.2.1", "unknown")],
    );
}

#[test]
fn geoip2_enterprise_has_the_asn_among_its_traits() {
    expect(
        &load(&[maxmind("GeoIP2-Precision-Enterprise-Test.mmdb")]).unwrap(),
        &[
            ("74.209.24.1", "NA US US-NY AS14671 42.3478,-73.5549"),
            ("89.160.20.112", "EU SE SE-E AS29518 58.4167,15.6167"),
        ],
    );
}

#[test]
fn ipinfo_layouts() {
    let file = write(
        IpVersion::V4,
        &[
            (
                "10.0.0.0/8",
                json!({ "country": "United States", "country_code": "US", "continent": "North America",
                    "continent_code": "NA", "asn": "AS64500", "as_name": "Example" }),
            ),
            ("11.0.0.0/8", json!({ "country": "DE", "continent": "EU", "country_name": "Germany" })),
            (
                "12.0.0.0/8",
                json!({ "country": "US", "region": "California", "region_code": "CA", "lat": "37.4", "lng": "-122.1" }),
            ),
            (
                "13.0.0.0/8",
                json!({ "country_code": "US", "region_code": "US-HI", "latitude": 21.3, "longitude": -157.9 }),
            ),
        ],
    );
    expect(
        &load(&[file.path()]).unwrap(),
        &[
            ("10.1.2.3", "NA US AS64500 39,-87.9"),
            ("11.1.2.3", "EU DE 50.8,9.2"),
            ("12.1.2.3", "NA US US-CA 37.4,-122.1"),
            ("13.1.2.3", "NA US US-HI 21.3,-157.9"),
        ],
    );
}

#[test]
fn what_a_record_does_not_tell_is_absent() {
    let file = write(
        IpVersion::V4,
        &[
            ("10.0.0.0/8", json!({ "country_code": "ZZ" })),
            ("11.0.0.0/8", json!({ "registered_country": { "iso_code": "FR" }, "continent": { "code": "EU" } })),
            ("12.0.0.0/8", json!({ "country": { "iso_code": "ZZ" }, "registered_country": { "iso_code": "FR" } })),
            (
                "13.0.0.0/8",
                json!({ "country": 7, "continent": ["EU"], "location": "Paris", "asn": "ASX", "traits": true }),
            ),
            ("14.0.0.0/8", json!(["country_code", "US"])),
            ("15.0.0.0/8", json!({ "latitude": 91.0, "longitude": 10.0, "autonomous_system_number": 0 })),
            ("16.0.0.0/8", json!({ "latitude": 0.0, "longitude": 0, "asn": 4_294_967_296_u64 })),
            ("17.0.0.0/8", json!({ "latitude": 10, "longitude": -20, "country_code": "x" })),
            ("18.0.0.0/8", json!({ "country_code": "US", "region_code": "California" })),
            ("19.0.0.0/8", json!({ "country_code": "US", "region_code": "CA-ON" })),
        ],
    );
    expect(
        &load(&[file.path()]).unwrap(),
        &[
            ("10.1.2.3", "unknown"),
            ("11.1.2.3", "EU FR"),
            ("12.1.2.3", "unknown"),
            ("13.1.2.3", "unknown"),
            ("14.1.2.3", "unknown"),
            ("15.1.2.3", "unknown"),
            ("16.1.2.3", "unknown"),
            ("17.1.2.3", "10,-20"),
            ("18.1.2.3", "NA US 39,-87.9"),
            ("19.1.2.3", "NA US 39,-87.9"),
        ],
    );
}

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

#[test]
fn files_that_locate_nobody_are_told() {
    let mute = [
        write(IpVersion::V6, &[("2001:db8::/32", json!({}))]),
        write(IpVersion::V4, &[("11.0.0.0/8", json!({ "is_anonymous": true, "is_hosting_provider": true }))]),
        write(IpVersion::V4, &[("11.0.0.0/8", json!({ "connection_type": "Cable/DSL" }))]),
        write(IpVersion::V4, &[("11.0.0.0/8", json!({ "country_code": "ZZ", "latitude": 0, "longitude": 0 }))]),
        write(IpVersion::V4, &[("11.0.0.0/8", json!({ "land": "DE" }))]),
    ];
    let mut paths: Vec<&Path> = mute.iter().map(NamedTempFile::path).collect();
    let told = paths.clone();
    let telling = write(IpVersion::V4, &[("11.0.0.0/8", json!({ "asn": 64500 }))]);
    paths.insert(2, telling.path());
    let loaded = geoip::load(&truenorth::disk::Disk::new(), &paths).unwrap();
    assert_eq!(loaded.mute, told);
    expect(&loaded.locations, &[("11.1.2.3", "AS64500")]);
    assert!(geoip::load(&truenorth::disk::Disk::new(), &[SHIPPED]).unwrap().mute.is_empty());
}

#[test]
fn a_file_for_ipv4_and_one_for_ipv6_make_a_pair() {
    let v4 = write(IpVersion::V4, &[("10.0.0.0/8", json!({ "country_code": "DE" }))]);
    let v6 = write(IpVersion::V6, &[("2001:db8::/32", json!({ "country_code": "JP" }))]);
    for pair in [[v4.path(), v6.path()], [v6.path(), v4.path()]] {
        expect(
            &load(&pair).unwrap(),
            &[("10.1.2.3", "EU DE 50.8,9.2"), ("2001:db8::1", "AS JP 35.5,137.8"), ("11.1.2.3", "unknown")],
        );
    }
}

#[test]
fn later_files_fill_in_what_earlier_ones_lack() {
    let corrections = write(
        IpVersion::V6,
        &[
            ("::81.2.69.160/123", json!({ "country_code": "GB" })),
            ("::67.43.156.0/120", json!({ "country_code": "FR" })),
            ("2001:218::/32", json!({ "continent_code": "AS" })),
        ],
    );
    let files = [corrections.path().to_owned(), maxmind("GeoIP2-City-Test.mmdb"), maxmind("GeoLite2-ASN-Test.mmdb")];
    let locations = load(&files).unwrap();
    expect(
        &locations,
        &[
            ("81.2.69.160", "EU GB GB-ENG 51.5142,-0.0931"),
            // The second file says Bhutan, so its coordinates do not apply to France. The ASN of the third one is not a
            // location.
            ("67.43.156.1", "EU FR AS35908 48,2.5"),
            ("2001:218::1", "AS JP 35.6854,139.7531"),
            ("1.128.0.1", "AS1221"),
        ],
    );
    let distinct: std::collections::HashSet<_> = locations.table.iter().collect();
    assert_eq!(distinct.len(), locations.table.len());
}

#[test]
fn runs_with_equal_locations_are_joined() {
    let file = write(
        IpVersion::V4,
        &[
            ("10.0.0.0/9", json!({ "country_code": "DE" })),
            ("10.128.0.0/9", json!({ "country_code": "DE", "continent_code": "EU" })),
        ],
    );
    let locations = load(&[file.path()]).unwrap();
    assert_eq!((locations.v4.len(), locations.table.len()), (3, 2));
}

#[test]
fn a_record_for_the_whole_address_space_holds_for_both_families() {
    let file = write(IpVersion::V6, &[("::/0", json!({ "country_code": "DE" }))]);
    expect(
        &load(&[file.path()]).unwrap(),
        &[("0.0.0.0", "EU DE 50.8,9.2"), ("255.255.255.255", "EU DE 50.8,9.2"), ("2001:db8::1", "EU DE 50.8,9.2")],
    );
}

/// The record at ::/8 is above the start of the IPv4 subtree, and other networks share it. All of them must keep it.
#[test]
fn a_record_above_the_ipv4_subtree_is_no_alias() {
    let shared = json!({ "country_code": "DE" });
    let mut database = Database::default();
    database.metadata.ip_version = IpVersion::V6;
    database.metadata.binary_format_major_version = 2;
    let record = database.insert_value(&shared).unwrap();
    for prefix in ["::/8", "2600::/12"] {
        database.insert_node(prefix.parse::<IpAddrWithMask>().unwrap(), record);
    }
    let mut octets = Vec::new();
    database.write_to(&mut octets).unwrap();
    let file = file(&octets);
    expect(
        &load(&[file.path()]).unwrap(),
        &[("10.0.0.1", "EU DE 50.8,9.2"), ("2600::1", "EU DE 50.8,9.2"), ("2610::1", "unknown")],
    );
}

#[test]
fn without_files_nothing_is_known() {
    expect(&load::<&Path>(&[]).unwrap(), &[("10.0.0.1", "unknown"), ("2001:db8::1", "unknown")]);
}

#[test]
fn the_shipped_database_knows_ten_countries_over_both_families() {
    for (country, v4, v6) in [
        ("AU", "129.78.5.8", "2001:388::1"),
        ("BR", "200.160.2.3", "2001:12ff::10"),
        ("CH", "129.132.1.1", "2001:620::1"),
        ("CN", "166.111.4.100", "2001:da8::1"),
        ("CZ", "147.32.1.1", "2001:718::1"),
        ("GB", "212.58.244.20", "2001:630::1"),
        ("JP", "202.12.27.33", "2001:200::1"),
        ("NL", "193.0.6.139", "2001:610::1"),
        ("US", "18.0.0.1", "2607:f140::1"),
        ("ZA", "196.216.2.1", "2001:42d0::1"),
    ] {
        for address in [v4, v6] {
            let location = SHIPPED_LOCATIONS.look_up(address.parse().unwrap());
            assert_eq!(location.country.unwrap().as_str(), country, "{address}");
            assert!(location.continent.is_some() && location.coordinates.is_some());
        }
    }
}

/// Reading a broken file never panics, and its data can be looked up.
fn assert_harmless(octets: &[u8]) {
    if let Ok(locations) = load(&[file(octets).path()]) {
        let numbers = locations.v4.iter().map(|run| run.value).chain(locations.v6.iter().map(|run| run.value));
        assert_eq!(numbers.max().map(|highest| locations.table.get(highest as usize).is_some()), Some(true));
    }
}

proptest! {
    /// The reader's own look-up is the oracle.
    #[test]
    fn runs_agree_with_look_ups_in_the_file(v4 in prop::collection::vec(any::<u32>(), 100), v6 in prop::collection::vec(any::<u128>(), 100)) {
        static READER: LazyLock<maxminddb::Reader<Vec<u8>>> =
            LazyLock::new(|| maxminddb::Reader::open_readfile(SHIPPED).unwrap());
        // Global unicast, so that random addresses meet records; Teredo and 6to4 are left out.
        let v6 = v6.iter().map(|bits| 0x2 << 124 | bits >> 4).filter(|bits| !matches!(bits >> 112, 0x2001 | 0x2002));
        let addresses = v4.iter().map(|&bits| IpAddr::V4(bits.into())).chain(v6.map(|bits| IpAddr::V6(bits.into())));
        for address in addresses {
            let network = READER.lookup(address).unwrap();
            let country: Option<&str> = network.decode_path(&maxminddb::path!["country_code"]).unwrap();
            let location = SHIPPED_LOCATIONS.look_up(address);
            prop_assert_eq!(location.country.as_ref().map(CountryCode::as_str), country, "{}", address);
        }
    }

    #[test]
    fn flipped_octets_are_harmless(flips in prop::collection::vec((any::<Index>(), any::<u8>()), 1..8)) {
        let mut octets = fs::read(maxmind("GeoIP2-Precision-Enterprise-Test.mmdb")).unwrap();
        for (index, octet) in flips {
            *index.get_mut(&mut octets) = octet;
        }
        assert_harmless(&octets);
    }

    #[test]
    fn missing_octets_are_harmless(from in any::<Index>(), length in 1_usize..2_000) {
        let mut octets = fs::read(maxmind("GeoIP2-City-Test.mmdb")).unwrap();
        let from = from.index(octets.len());
        octets.drain(from..(from + length).min(octets.len()));
        assert_harmless(&octets);
    }
}

#[test]
fn a_file_that_was_cut_off_is_a_fault_at_every_length() {
    let octets = fs::read(maxmind("GeoLite2-ASN-Test.mmdb")).unwrap();
    for length in (0..octets.len()).step_by(97).chain(octets.len() - 300..octets.len()) {
        let faults = load(&[file(&octets[..length]).path()]).unwrap_err();
        assert!(matches!(faults[..], [GeoipFault::NotMmdb { .. }]), "{length}: {faults:?}");
    }
}

#[test]
fn bad_files_are_faults_or_harmless() {
    let (mut sound, mut broken) = (Vec::new(), Vec::new());
    for folder in ["", "bad-data"] {
        for entry in fs::read_dir(maxmind(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "mmdb") {
                continue;
            }
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            match load(&[&path]) {
                Ok(_) => sound.push(name),
                Err(faults) => {
                    assert!(faults[0].to_string().starts_with(path.to_str().unwrap()));
                    broken.push(name);
                }
            }
        }
    }
    for name in [
        "GeoIP2-City-Test-Broken-Double-Format",
        "GeoIP2-City-Test-Invalid-Node-Count",
        "MaxMind-DB-test-broken-pointers-24",
        "MaxMind-DB-test-broken-search-tree-24",
        "MaxMind-DB-test-metadata-payload-limit",
        "cyclic-data-structure",
        "libmaxminddb-deep-nesting",
        "libmaxminddb-metadata-marker-only",
        "libmaxminddb-offset-integer-overflow",
        "libmaxminddb-oversized-array",
    ] {
        assert!(broken.iter().any(|other| other == name), "{name} was read");
    }
    for name in ["GeoIP2-City-Test", "MaxMind-DB-test-nested", "MaxMind-DB-test-pointer-decoder-dos-ipv6"] {
        assert!(sound.iter().any(|other| other == name), "{name} was not read");
    }
}

#[test]
fn every_faulty_file_is_told() {
    let text = file(b"datacenter, address\n");
    let paths = [PathBuf::from("/nowhere/geo.mmdb"), text.path().into(), maxmind("GeoIP2-City-Test.mmdb")];
    let faults = load(&paths).unwrap_err();
    assert!(matches!(faults[..], [GeoipFault::Unreadable { .. }, GeoipFault::NotMmdb { .. }]), "{faults:?}");
    assert_eq!(faults[0].to_string(), "/nowhere/geo.mmdb: cannot be read: No such file or directory (os error 2)");
}

/// Files that no database writer produces.
mod hostile {
    use super::*;

    const EMPTY_MAP: &[u8] = &[0xe0];
    const POINTER_TO_ITSELF: &[u8] = &[0x20, 0x00];

    /// Octets of a database whose search tree has these nodes, and one record. The tree refers to the record by the
    /// number of nodes plus 16.
    fn database(nodes: &[[u32; 2]], record: &[u8]) -> Vec<u8> {
        let mut octets: Vec<u8> = nodes.iter().flatten().flat_map(|child| child.to_be_bytes()).collect();
        octets.extend([0; 16]);
        octets.extend(record);
        octets.extend(b"\xab\xcd\xefMaxMind.com\xe9");
        let text = |text: &str| [&[0x40 | text.len() as u8], text.as_bytes()].concat();
        for (name, value) in [
            ("binary_format_major_version", vec![0xa1, 2]),
            ("binary_format_minor_version", vec![0xa0]),
            ("build_epoch", vec![0x00, 0x02]),
            ("database_type", text("Test")),
            ("description", vec![0xe0]),
            ("ip_version", vec![0xa1, 6]),
            ("languages", vec![0x00, 0x04]),
            ("node_count", [&[0xc4], &(nodes.len() as u32).to_be_bytes()[..]].concat()),
            ("record_size", vec![0xa1, 32]),
        ] {
            octets.extend(text(name));
            octets.extend(value);
        }
        octets
    }

    /// 128 nodes in a row, the last one's children being `leaf`. A node whose two children are the same doubles the
    /// networks below it, so these make 2^128 of them.
    fn ladder(leaf: u32) -> Vec<[u32; 2]> {
        (1..128).map(|next| [next, next]).chain([[leaf; 2]]).collect()
    }

    fn assert_corrupt(nodes: &[[u32; 2]]) {
        let faults = load(&[file(&database(nodes, EMPTY_MAP)).path()]).unwrap_err();
        assert!(matches!(faults[..], [GeoipFault::Corrupt { .. }]), "{faults:?}");
        assert!(faults[0].to_string().contains("more networks than its nodes allow"), "{faults:?}");
    }

    #[test]
    fn tangled_nodes_are_corrupt_whatever_their_leaves_are() {
        assert_corrupt(&ladder(128)); // nothing
        assert_corrupt(&ladder(128 + 16)); // the record
    }

    #[test]
    fn tangled_nodes_are_corrupt_even_if_all_ways_lead_to_ipv4() {
        let mut nodes = ladder(0);
        nodes.truncate(96);
        nodes.push([97, 97]); // node 96, where IPv4 begins; the tree ends here
        assert_corrupt(&nodes);
    }

    #[test]
    fn a_straight_tree_of_this_making_is_sound() {
        let empty = 128;
        let nodes: Vec<_> = (1..=128).map(|next| [next, empty]).collect();
        expect(&load(&[file(&database(&nodes, EMPTY_MAP)).path()]).unwrap(), &[("10.0.0.1", "unknown")]);
    }

    #[test]
    fn a_record_that_points_to_itself_is_corrupt() {
        let octets = database(&[[17, 17]], POINTER_TO_ITSELF);
        let faults = load(&[file(&octets).path()]).unwrap_err();
        assert!(matches!(faults[..], [GeoipFault::Corrupt { .. }]), "{faults:?}");
    }
}
