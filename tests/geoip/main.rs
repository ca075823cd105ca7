//! GeoIP databases of every layout, sound and broken, read through the library.

mod broken;
mod countries;
mod hostile;

use std::io::Write;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use maxminddb_writer::Database;
use maxminddb_writer::metadata::IpVersion;
use maxminddb_writer::paths::IpAddrWithMask;
use proptest::prelude::*;
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

}
