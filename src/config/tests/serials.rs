//! The serials that zones are served with.

use std::time::{Duration, UNIX_EPOCH};

use crate::config::LastServed;
use crate::name::Name;
use crate::wire::Rtype;

use super::*;

/// The serial that a node served last; nothing is known of the contents.
fn last_serial(serial: u32) -> LastServed {
    LastServed { serial, contents: None }
}

/// The serial and the contents that a node served last.
fn last(serial: u32, contents: u64) -> LastServed {
    LastServed { serial, contents: Some(contents) }
}

/// Loads the zone with these files in its folder. `date` is their time in seconds after 1970. Returns the serial, the
/// contents and the warnings.
fn served(files: &[(&str, &str)], date: u64, last: Option<LastServed>) -> (u32, u64, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("zones")).unwrap();
    let server = folder.path().join("truenorth.toml");
    fs::write(&server, "").unwrap();
    for (file, text) in files {
        let path = folder.path().join("zones").join(file);
        fs::write(&path, text).unwrap();
        let time = UNIX_EPOCH + Duration::from_secs(date);
        fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
    }
    let origin = Name::parse("example.com.", &Name::root()).unwrap();
    let config = load(&server, &Disk::new(), &|zone| last.filter(|_| *zone == origin))
        .unwrap_or_else(|faults| panic!("{}", faults.render(false)));
    let spec = &config.world.zones[0];
    let soa = spec.tree.records().into_iter().find(|record| record.rtype == Rtype::SOA).unwrap();
    let numbers: &[u8; 20] = soa.rdata.last_chunk().unwrap();
    let serial = u32::from_be_bytes(*numbers.first_chunk().unwrap());
    let told = config.warnings.0.iter().map(|fault| fault.message.clone());
    (serial, spec.contents, told.filter(|message| message.contains("serial")).collect())
}

#[test]
fn the_serial_is_the_larger_of_the_time_and_the_last_one() {
    let files = [("example.com.toml", "[nameservers]\nns1 = [\"192.0.2.53\"]\n")];
    let serial = |last: Option<u32>| served(&files, 1_700_000_000, last.map(last_serial)).0;
    assert_eq!(serial(None), 1_700_000_000);
    assert_eq!(serial(Some(1_600_000_000)), 1_700_000_000);
    assert_eq!(serial(Some(1_800_000_000)), 1_800_000_000);
}

#[test]
fn a_serial_goes_up_whenever_the_contents_change_whichever_way() {
    const OLD: u64 = 1_600_000_000;
    const NEW: u64 = 1_700_000_000;
    let zone = |address: &str| format!("[nameservers]\nns1 = [\"192.0.2.53\"]\n[records.www]\nA = \"{address}\"\n");
    let toml = |address: &str, date, before| served(&[("example.com.toml", &zone(address))], date, before);
    let (first, contents, _) = toml("192.0.2.1", OLD, None);
    assert_eq!(u64::from(first), OLD);
    let (second, other, _) = toml("192.0.2.2", NEW, Some(last(first, contents)));
    assert_eq!(u64::from(second), NEW);
    // `cp -p` of the old file.
    let (third, back, _) = toml("192.0.2.1", OLD, Some(last(second, other)));
    assert_eq!((third, back), (second + 1, contents));
    assert_eq!(toml("192.0.2.1", OLD, Some(last(third, back))).0, third, "nothing changed");
    assert_eq!(toml("192.0.2.1", NEW + 500, Some(last(third, back))).0, third, "a file that was only touched");
    // A date in the future does not count, and a serial of long ago does not matter.
    let future = 2_000_000_000;
    assert!(u64::from(toml("192.0.2.1", future, None).0) < future);
    assert_eq!(u64::from(toml("192.0.2.2", NEW, Some(last(future as u32, contents))).0), future + 1);
    assert_eq!(toml("192.0.2.2", 0, Some(last(u32::MAX, contents))).0, 0, "they go round (RFC 1982)");
    // Included files and the settings of steered names are contents too.
    let with = |included: &str, more: &str| {
        let toml = format!("{}{more}", zone("192.0.2.1"));
        let files = [("example.com.toml", &*toml), ("example.com.zone", "$INCLUDE more.inc\n"), ("more.inc", included)];
        served(&files, OLD, Some(last(7, 7))).1
    };
    let steered = "[pools.web]\nendpoints = [\"192.0.2.9\"]\n[names.x]\npools = [\"web\"]\n";
    let all = [with("a A 192.0.2.1\n", ""), with("a A 192.0.2.2\n", ""), with("a A 192.0.2.1\n", steered)];
    assert!(all[0] != all[1] && all[0] != all[2] && all[1] != all[2]);
}

#[test]
fn a_serial_of_the_operators_that_no_secondary_follows_is_told() {
    let master = |serial: u32, address: &str, before| {
        let zone = format!("$TTL 60\n@ SOA ns h {serial} 3600 600 604800 30\n@ NS ns.example.net.\nwww A {address}\n");
        let (served, contents, told) = served(&[("example.com.zone", &zone)], 1_600_000_000, before);
        assert_eq!(served, serial, "it is the operator's");
        (contents, told)
    };
    let (contents, told) = master(10, "192.0.2.1", None);
    assert_eq!(told, [""; 0]);
    for (serial, address, told) in [
        (10, "192.0.2.1", None),
        (11, "192.0.2.1", None),
        (11, "192.0.2.2", None),
        (10, "192.0.2.2", Some("the zone example.com. has changed, but still has the serial 10")),
        (9, "192.0.2.1", Some("the serial of example.com. is 9, but 10 was served before, which is later (RFC 1982)")),
    ] {
        let expected: Vec<String> = told.into_iter().map(str::to_owned).collect();
        assert_eq!(master(serial, address, Some(last(10, contents))).1, expected, "{serial}");
    }
    assert_eq!(master(0, "192.0.2.1", Some(last(u32::MAX, contents))).1, [""; 0], "it went round");
    let toml = "[soa]\nserial = 3\n[nameservers]\nns1 = [\"192.0.2.53\"]\n";
    assert_eq!(served(&[("example.com.toml", toml)], 1_600_000_000, Some(last(1_600_000_000, 7))).2.len(), 1);
}
