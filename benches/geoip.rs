//! The time to read databases into runs, and the memory that they take: the shipped one, one of a million networks by
//! country, and one of five million networks by city, with coordinates.

mod process;

use std::fs;
use std::io::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use maxminddb_writer::Database;
use maxminddb_writer::metadata::IpVersion;
use maxminddb_writer::paths::IpAddrWithMask;
use process::{mebibytes, status_field};
use serde_json::{Value, json};
use truenorth::disk::Disk;
use truenorth::geo::countries;

/// Loads of each database; the median is told.
const LOADS: usize = 5;

/// Prefix lengths of the networks.
const LENGTHS: (u8, u8) = (23, 40);

/// Places of a city database.
const CITIES: u32 = 300_000;

/// Scatters numbers, so that no pattern is followed.
fn scattered(number: u32) -> u32 {
    number.wrapping_mul(2_654_435_761)
}

/// Two thirds of so many networks are IPv4, each with another record than its neighbours.
fn write(to: &Path, networks: u32, records: u32, record: impl Fn(u32) -> Value) {
    let mut database = Database::default();
    database.metadata.ip_version = IpVersion::V6;
    database.metadata.binary_format_major_version = 2;
    let records: Vec<_> =
        (0..records).map(|number| database.insert_value(record(number)).expect("a record is written")).collect();
    let (v4, v6) = LENGTHS;
    let of_v4 = networks / 3 * 2;
    for number in 0..networks {
        let (address, length) = if number < of_v4 {
            // IPv4 begins at 1.0.0.0, and fits in below 224.0.0.0.
            let block = u32::from(v4);
            (u128::from((1 << 24) + (number << (32 - block))), 96 + v4)
        } else {
            (0x2a00 << 112 | u128::from(number - of_v4) << (128 - u32::from(v6)), v6)
        };
        let record = records[scattered(number) as usize % records.len()];
        database.insert_node(IpAddrWithMask::new(Ipv6Addr::from_bits(address).into(), length), record);
    }
    let mut file = fs::File::create(to).expect("a file");
    database.write_to(&mut file).expect("the database is written");
}

fn by_country(number: u32) -> Value {
    let countries: Vec<_> = countries::countries().collect();
    let country = countries[number as usize];
    json!({ "country": { "iso_code": country.code.as_str() }, "continent": { "code": country.continent.as_str() } })
}

fn by_city(number: u32) -> Value {
    let countries: Vec<_> = countries::countries().collect();
    let country = countries[number as usize % countries.len()];
    let degrees = |number: u32, range: f64| {
        (f64::from(scattered(number)) / f64::from(u32::MAX) * range * 10_000.0).round() / 10_000.0 - range / 2.0
    };
    json!({
        "city": { "geoname_id": number, "names": { "en": format!("City {number}") } },
        "continent": { "code": country.continent.as_str() },
        "country": { "iso_code": country.code.as_str() },
        "location": { "latitude": degrees(number, 170.0), "longitude": degrees(number + 7, 359.0) },
        "subdivisions": [{ "iso_code": format!("{}", number % 80) }],
    })
}

fn load(path: &Path) -> Duration {
    let begun = Instant::now();
    let loaded = truenorth::geoip::load(&Disk::new(), &[path]).expect("the database is sound");
    let took = begun.elapsed();
    assert!(loaded.locations.look_up(Ipv4Addr::new(1, 1, 1, 1).into()).country.is_some());
    took
}

/// KiB that this process takes while the database is loaded, and at the most while it is read.
fn memory(path: &Path) -> (u64, u64) {
    let field = |name| status_field(std::process::id(), name).expect("Linux");
    let before = field("VmRSS:");
    let loaded = truenorth::geoip::load(&Disk::new(), &[path]).expect("the database is sound");
    let taken = (field("VmRSS:").saturating_sub(before), field("VmHWM:").saturating_sub(before));
    drop(loaded);
    taken
}

/// Measures in a process of its own for each database, so that no memory of another one counts.
fn measure(path: &Path) {
    let (resident, peak) = memory(path);
    let mut times: Vec<Duration> = (0..LOADS).map(|_| load(path)).collect();
    times.sort_unstable();
    let size = fs::metadata(path).expect("a file").len();
    let median = times[LOADS / 2].as_millis();
    println!("{:>10} {median:>7} ms {:>10} {:>10}", mebibytes(size / 1024), mebibytes(resident), mebibytes(peak));
}

fn main() {
    // The second argument of a process that measures is the file.
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, order, path] = &*arguments
        && order == "measure"
    {
        return measure(Path::new(path));
    }
    let folder = tempfile::tempdir().expect("a folder");
    let shipped = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/geoip/country.mmdb"));
    let (countries, cities) = (folder.path().join("countries.mmdb"), folder.path().join("cities.mmdb"));
    write(&countries, 1_000_000, countries::countries().count() as u32, by_country);
    write(&cities, 5_000_000, CITIES, by_city);
    println!("{:<40} {:>10} {:>10} {:>10} {:>10}", "", "file", "load", "resident", "peak");
    for (name, path) in [
        ("the shipped database", shipped),
        ("a million networks, countries", countries),
        ("five million, cities", cities),
    ] {
        print!("{name:<40} ");
        std::io::stdout().flush().expect("standard output");
        let program = std::env::current_exe().expect("a program");
        let status = std::process::Command::new(program).arg("measure").arg(path).status().expect("it runs");
        assert!(status.success());
    }
}
