//! Amazon Route 53: the answers are those that its documentation describes.

use std::fs;
use std::path::Path;

use super::world::World;
use super::*;
use crate::harness::{SERVER, random};

/// Returns the path of a file beside this one.
fn beside(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import").join(name).display().to_string()
}

/// Returns the answers to many clients of a name, with how often each is given.
fn shares(asker: &mut Asker, name: &str, rtype: RecordType, clients: &[IpNet]) -> BTreeMap<Vec<String>, f64> {
    let mut shares: BTreeMap<Vec<String>, f64> = BTreeMap::new();
    for client in clients {
        let given = answer(asker, &format!("{name}.example.com."), rtype, *client).into_iter().collect();
        *shares.entry(given).or_default() += 1.0 / clients.len() as f64;
    }
    shares
}

#[test]
fn each_policy_answers_as_it_is_documented() {
    let mut random = random();
    let world = World::draw(&mut random);
    let imported = Imported::of(&[
        "route53",
        &beside("route53-records.json"),
        "--health-checks",
        &beside("route53-health-checks.json"),
    ]);
    assert_eq!(imported.code, Some(3), "{}", imported.told);
    for note in [
        "example.com.: it is an alias of a name elsewhere, which the apex cannot be here",
        "byip.example.com.: the networks of its CIDR collection are not in the file",
        "spf.example.com. TXT: only A, AAAA and CNAME are chosen",
        "near.here has a bias of 10",
        "the nameservers of example.com. are those of Route 53",
        "the health check hc-blue is disabled",
    ] {
        assert!(imported.told.contains(note), "{note}: {}", imported.told);
    }
    println!("{}\n{}", imported.text("zones/example.com.toml"), imported.text("zones/example.com.zone"));
    let database = imported.folder.path().join("City.mmdb");
    fs::write(&database, world.database()).expect("the folder is writable");
    let (_files, node) = imported.serve(&format!("{SERVER}[geoip]\ndatabases = [\"{}\"]\n", database.display()));
    let mut asker = node.asker();
    let anywhere: Vec<IpNet> = (0..CLIENTS).map(|_| world.client(&mut random, &[])).collect();

    let always = |asker: &mut Asker, name: &str, rtype: RecordType, expected: &[&str]| {
        let given = shares(asker, name, rtype, &anywhere[..50]);
        let expected: Vec<String> = expected.iter().map(|&text| text.to_owned()).collect();
        assert_eq!(given.into_keys().collect::<Vec<_>>(), [expected], "{name} {rtype}");
    };
    always(&mut asker, "copy", RecordType::A, &["192.0.2.25"]);
    always(&mut asker, "x.apps", RecordType::A, &["192.0.2.90"]);
    always(&mut asker, "plain", RecordType::A, &["192.0.2.80", "192.0.2.81"]);
    always(&mut asker, "elsewhere", RecordType::AAAA, &["dualstack.web-123.eu-central-1.elb.amazonaws.com."]);
    // Two of the three checks are not up, so that the inverted one is.
    always(&mut asker, "failover", RecordType::A, &["192.0.2.11"]);
    always(&mut asker, "failover", RecordType::AAAA, &["2001:db8::11"]);
    // The primary set is not healthy.
    always(&mut asker, "site", RecordType::A, &["s3-website-us-east-1.amazonaws.com."]);
    // If all are unhealthy, all are taken for healthy.
    always(&mut asker, "multi", RecordType::A, &["127.0.2.21", "127.0.2.22", "127.0.2.23"]);

    let near = |asker: &mut Asker, name: &str, expected: &[(&str, f64)], clients: &[IpNet]| {
        let given = shares(asker, name, RecordType::A, clients);
        for (address, share) in expected {
            let given = given.get(&vec![(*address).to_owned()]).copied().unwrap_or_default();
            assert!((given - share).abs() < TOLERANCE, "{name}: {address} in {given:.3} of answers, not {share:.3}");
        }
    };
    near(&mut asker, "weighted", &[("192.0.2.1", 0.9), ("192.0.2.2", 0.1)], &anywhere);
    near(&mut asker, "canary", &[("a.example.net.", 0.75), ("b.example.net.", 0.25)], &anywhere);

    let of = |country: &str, random: &mut fastrand::Rng| -> Vec<IpNet> {
        (0..200).map(|_| world.client_in(random, country)).collect()
    };
    let (germany, france, japan, america) =
        (of("DE", &mut random), of("FR", &mut random), of("JP", &mut random), of("US", &mut random));
    // Nothing in Germany is healthy: what is for Europe answers.
    near(&mut asker, "geo", &[("192.0.2.41", 1.0)], &germany);
    near(&mut asker, "geo", &[("192.0.2.41", 1.0)], &france);
    near(&mut asker, "geo", &[("192.0.2.44", 1.0)], &japan);
    near(&mut asker, "geo", &[("192.0.2.44", 1.0)], &america);
    near(&mut asker, "strict", &[("192.0.2.45", 1.0)], &japan);
    near(&mut asker, "strict", &[("192.0.2.45", 0.0)], &germany);
    near(&mut asker, "latency", &[("192.0.2.31", 1.0)], &germany);
    near(&mut asker, "latency", &[("192.0.2.32", 1.0)], &america);
    near(&mut asker, "near", &[("192.0.2.51", 1.0)], &france);
    near(&mut asker, "near", &[("192.0.2.52", 1.0)], &america);
    // An alias of a weighted name, for those for whom its region is the nearest.
    near(&mut asker, "tree", &[("192.0.2.1", 0.9), ("192.0.2.2", 0.1)], &germany);
    let american = shares(&mut asker, "tree", RecordType::A, &america);
    assert_eq!(american.into_keys().collect::<Vec<_>>(), [["192.0.2.80", "192.0.2.81"]]);
    let mx = asker.ask("example.com.", RecordType::MX, None);
    assert!(mx.answers.iter().any(|record| record.data.to_string() == "10 mail.example.com."), "values are absolute");
}

#[test]
fn a_file_that_is_something_else_is_told() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let file = folder.path().join("x.json");
    for (text, why) in [("[", "EOF while parsing"), ("{}", "there is no SOA record")] {
        fs::write(&file, text).expect("the folder is writable");
        let ran = run(["import", "route53", file.to_str().expect("a plain name")]);
        assert_eq!(ran.code, Some(1));
        assert!(ran.stderr.contains(why), "{}", ran.stderr);
    }
}
