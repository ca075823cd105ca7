use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::name::Name;
use crate::serial;
use crate::vantage::NodeName;

fn path(text: &str) -> FilePath {
    FilePath::try_new(text).unwrap()
}

fn files(named: &[(&str, &str)]) -> Result<Files, FilesError> {
    Files::try_new(named.iter().map(|(name, text)| (path(name), text.as_bytes().into())))
}

fn line(origin: &str, serial: u32, contents: u64) -> ZoneLine {
    ZoneLine { origin: Name::parse(origin, &Name::root()).unwrap(), serial, contents }
}

#[test]
fn a_path_that_could_lead_out_of_its_folder_is_refused() {
    let long = "x".repeat(256);
    for bad in [
        "",
        "/",
        "/etc/passwd",
        "../x.toml",
        "a/../x.toml",
        "a/..",
        "./a",
        ".",
        "a//b",
        "a/",
        ".hidden",
        "a/.git/x",
        "a\\b",
        "a\0b",
        "a\nb",
        "1/2/3/4/5/6/7/8/9",
        &long,
    ] {
        assert!(FilePath::try_new(bad).is_err(), "{bad:?}");
    }
    for (good, is_zone) in [("example.com.toml", true), ("a.zone", true), ("parts/a.zone", false), ("x.inc", false)] {
        assert_eq!(path(good).is_zone(), is_zone, "{good}");
    }
}

#[test]
fn files_that_cannot_be_a_version_are_refused() {
    assert_eq!(files(&[]), Err(FilesError::NoZone));
    assert_eq!(files(&[("x.inc", "")]), Err(FilesError::NoZone));
    assert_eq!(files(&[("a.toml", "1"), ("a.toml", "2")]), Err(FilesError::Twice(path("a.toml"))));
    assert_eq!(files(&[("a.toml", ""), ("p", ""), ("p/q", "")]), Err(FilesError::Twice(path("p"))));
    let large = "x".repeat(MAX_OCTETS);
    assert_eq!(files(&[("a.toml", &large)]), Err(FilesError::TooLarge(MAX_OCTETS + 6)));
    assert!(files(&[("a.toml", &large[6..])]).is_ok());
    let many = (0..20_001).map(|number| (path(&format!("{number}.toml")), Box::from(&b""[..])));
    assert_eq!(Files::try_new(many), Err(FilesError::TooMany));
}

#[test]
fn damaged_octets_are_no_version() {
    let bundle = Bundle::new(files(&[("a.toml", "one"), ("p/x.inc", "two")]).unwrap(), vec![line("a.", 7, 9)]);
    let octets = bundle.encode();
    let id = Digest::of(&octets);
    assert_eq!(Digest::parse(&id.to_string()), Some(id));
    for wrong in ["", "zz", &"g".repeat(64), &"A".repeat(64)] {
        assert_eq!(Digest::parse(wrong), None);
    }
    for place in 0..octets.len() {
        let mut other = octets.clone();
        other[place] ^= 1;
        assert_eq!(Bundle::decode(&other, id), Err(BundleError::Damaged));
        // Whoever forges the digest too cannot write a version in a second way.
        if let Ok(read) = Bundle::decode(&other, Digest::of(&other)) {
            assert_eq!(read.encode(), other);
        }
        let short = &octets[..place];
        assert!(Bundle::decode(short, Digest::of(short)).is_err(), "{place}");
    }
    let at = octets.windows(7).position(|octets| octets == b"p/x.inc").unwrap();
    let mut escape = octets.clone();
    escape[at..at + 7].copy_from_slice(b"../x.in");
    assert!(matches!(Bundle::decode(&escape, Digest::of(&escape)), Err(BundleError::Files(FilesError::Path(_)))));
}

#[test]
fn a_version_has_one_digest_whatever_the_order_of_its_files_and_zones() {
    let [one, two] = [("a.toml", "one"), ("b.toml", "two")];
    let (a, b) = (line("A.example.", 1, 1), line("b.example.", 2, 2));
    let first = Bundle::new(files(&[one, two]).unwrap(), vec![a, b.clone()]);
    let second = Bundle::new(files(&[two, one]).unwrap(), vec![b, line("a.example.", 1, 1)]);
    assert_eq!(first.encode(), second.encode());
    let later = Bundle::new(files(&[one, two]).unwrap(), vec![line("a.example.", 3, 1)]);
    assert_ne!(first.encode(), later.encode());
    assert_eq!(Bundle::digest_of_files(first.files()), Bundle::digest_of_files(later.files()));
}

proptest! {
    #[test]
    fn a_version_comes_back_as_it_was(
        named in prop::collection::btree_map(
            "[a-z]{1,8}(/[a-z]{1,8}){0,2}\\.(toml|zone|inc)", prop::collection::vec(any::<u8>(), 0..200), 1..8
        ),
        zones in prop::collection::vec(("[a-z]{1,9}\\.example", any::<u32>(), any::<u64>()), 0..8),
        large in 0_usize..3 * PART,
    ) {
        let all = named.into_iter().map(|(name, octets)| (path(&name), octets.into()));
        let all = all.chain([(path("zone-1.toml"), vec![b'x'; large].into())]);
        // A file may happen to have the path of a folder.
        if let Ok(files) = Files::try_new(all) {
            let lines = zones.iter().map(|(origin, serial, contents)| line(origin, *serial, *contents)).collect();
            let bundle = Bundle::new(files, lines);
            let octets = bundle.encode();
            let mut parts: Vec<&[u8]> = octets.chunks(PART).collect();
            prop_assert_eq!(parts.len(), parts_of(octets.len()));
            prop_assert_eq!(Bundle::decode(&parts.concat(), Digest::of(&octets)), Ok(bundle));
            parts.pop();
            prop_assert_eq!(Bundle::decode(&parts.concat(), Digest::of(&octets)), Err(BundleError::Damaged));
        }
    }

    #[test]
    fn a_serial_stays_with_its_contents_and_never_goes_back(
        before in prop::collection::vec((0_u32..1000, 0_u64..3), 0..3), base in any::<u32>(), now in 0_u32..1000,
        contents in 0_u64..3,
    ) {
        let counted: Vec<Counted> = before
            .iter()
            .map(|(spread, contents)| Counted { serial: base.wrapping_add(*spread), contents: Some(*contents) })
            .collect();
        let serial = assign(contents, &counted, &[], base.wrapping_add(now));
        for other in &counted {
            let is_kept = other.contents == Some(contents) && other.serial == serial;
            let is_later = serial::is_later(serial, other.serial);
            prop_assert!(is_kept || is_later, "{} after {:?}", serial, other);
        }
    }
}

#[test]
fn a_zone_gets_the_time_or_the_next_serial() {
    let counted = |serial, contents| Counted { serial, contents: Some(contents) };
    let unknown = |serial| Counted { serial, contents: None };
    assert_eq!(assign(1, &[], &[], 1000), 1000);
    assert_eq!(assign(1, &[], &[unknown(999), unknown(2000)], 1000), 2001);
    assert_eq!(assign(1, &[counted(500, 1)], &[unknown(900)], 1000), 500);
    assert_eq!(assign(2, &[counted(500, 1)], &[], 1000), 1000);
    assert_eq!(assign(2, &[counted(u32::MAX, 1)], &[], u32::MAX - 5), 0);
    // Some nodes have other contents first: whatever comes next is later than both.
    assert_eq!(assign(1, &[counted(1500, 1), counted(1600, 2)], &[], 1000), 1601);
}

fn release(number: u32, contents: &str) -> Release {
    Release {
        number,
        id: Digest::of(format!("{contents} {number}").as_bytes()),
        files: Digest::of(contents.as_bytes()),
        octets: 1,
        made_at: Duration::from_secs(1),
        who: "ada".into(),
        comment: "".into(),
    }
}

fn node(name: &str) -> NodeName {
    NodeName::try_new(name).unwrap()
}

#[test]
fn some_nodes_have_a_version_first_and_then_all_or_none() {
    let [ns1, ns2] = ["ns1", "ns2"].map(node);
    let wanted = |releases: &Releases, node| releases.wanted(node).map(|release| release.number);
    let push = |before: Option<&Releases>, number, nodes: &[&NodeName]| {
        Releases::push(before, release(number, &number.to_string()), nodes.iter().copied().cloned().collect(), false)
    };
    // The first version, at some nodes: the others have their own files.
    let first = push(None, 1, &[&ns1]).unwrap();
    assert_eq!((wanted(&first, &ns1), wanted(&first, &ns2)), (Some(1), None));
    assert_eq!(first.before(), Err(ReleasesError::NothingBefore));
    let first = first.promote().unwrap();
    assert_eq!((wanted(&first, &ns1), wanted(&first, &ns2)), (Some(1), Some(1)));
    assert_eq!(first.promote(), Err(ReleasesError::NoCanary));

    let canary = push(Some(&first), 2, &[&ns2, &ns2]).unwrap();
    assert_eq!((wanted(&canary, &ns1), wanted(&canary, &ns2)), (Some(1), Some(2)));
    assert!(matches!(push(Some(&canary), 3, &[]), Err(ReleasesError::CanaryRuns(_))));
    // Rolled back: the files of the others, with a number of their own.
    assert_eq!(canary.before().map(|release| release.number), Ok(1));
    let back = Releases::push(Some(&canary), release(3, "1"), Vec::new(), true).unwrap();
    assert_eq!((wanted(&back, &ns1), wanted(&back, &ns2), back.latest()), (Some(3), Some(3), 3));
    assert_eq!(back.past().iter().map(|release| release.number).collect::<Vec<_>>(), [2, 1]);
    // Back once more leads to the latest one with other files.
    assert_eq!(back.before().map(|release| release.number), Ok(2));
    let promoted = canary.promote().unwrap();
    assert_eq!(promoted.stable().map(|release| release.number), Some(2));
    assert_eq!(promoted.before().map(|release| release.number), Ok(1));
}

#[test]
fn the_last_twenty_are_kept() {
    let mut releases = None;
    for number in 1..=50 {
        let next = release(number, &number.to_string());
        releases = Some(Releases::push(releases.as_ref(), next, Vec::new(), false).unwrap());
    }
    let releases = releases.unwrap();
    assert_eq!((releases.past().len(), releases.latest()), (KEPT - 2, 50));
    assert!(releases.find(32).is_some() && releases.find(31).is_none());
    let read = Releases::try_new(releases.stable().cloned(), None, releases.past().to_vec());
    assert_eq!(read, Some(releases.clone()));
    // What says one number twice, or nothing, is not read.
    assert_eq!(Releases::try_new(None, None, releases.past().to_vec()), None);
    assert_eq!(Releases::try_new(releases.past().first().cloned(), None, releases.past().to_vec()), None);
    let nobody = Canary { release: release(60, "x"), nodes: Vec::new() };
    assert_eq!(Releases::try_new(None, Some(nobody), Vec::new()), None);
    let long = Release { comment: "x".repeat(MAX_COMMENT + 1).into(), ..release(51, "x") };
    assert_eq!(Releases::push(Some(&releases), long, Vec::new(), false), Err(ReleasesError::TooLong));
}
