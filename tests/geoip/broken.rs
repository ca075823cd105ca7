//! Files that are broken: each is a fault, or harmless.

use std::fs;
use std::path::PathBuf;

use proptest::prelude::*;
use proptest::sample::Index;
use truenorth::geoip::GeoipFault;

use super::{file, load, maxmind};

/// Reading a broken file never panics, and its data can be looked up.
fn assert_harmless(octets: &[u8]) {
    if let Ok(locations) = load(&[file(octets).path()]) {
        let numbers = locations.v4.iter().map(|run| run.value).chain(locations.v6.iter().map(|run| run.value));
        assert_eq!(numbers.max().map(|highest| locations.table.get(highest as usize).is_some()), Some(true));
    }
}

proptest! {
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
