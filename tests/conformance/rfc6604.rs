//! RFC 6604: the code and AA of chains.

use hickory_proto::rr::RecordType::{A, TXT};

use crate::scene::Scene;

const HEAD: &str = "$TTL 60\n@ SOA ns h 1 3600 600 604800 30\n@ NS ns.example.net.\n";

/// "If the xNAME chain was terminated by an error, it will be that error code. If the xNAME chain terminated without error, it
/// will be zero."
#[test]
fn section_3_the_code_is_that_of_the_last_name() {
    let zone = format!(
        "{HEAD}gone CNAME nothing\nempty CNAME www\naway CNAME www.example.net.\nold DNAME new\nwww A 192.0.2.1\n"
    );
    let mut scene = Scene::of_files(&[("example.com.zone", &zone)]);
    assert_eq!(scene.ask("gone", A, "").rcode(), 3);
    assert_eq!(scene.ask("empty", TXT, "").rcode(), 0);
    assert_eq!(scene.ask("x.old", A, "").rcode(), 3);
    let away = scene.ask("away", A, "");
    assert_eq!((away.rcode(), away.data().len(), away.authorities().len()), (0, 1, 0));
}

/// "The AA bit is to be set based on whether the server providing the answer with the first owner name in the answer section
/// is authoritative."
#[test]
fn section_2_1_aa_is_that_of_the_first_name() {
    let zone = format!("{HEAD}alias CNAME www.sub\naway CNAME www.example.net.\nsub NS ns.example.net.\n");
    let mut scene = Scene::of_files(&[("example.com.zone", &zone)]);
    assert!(scene.ask("alias", A, "").is_authoritative());
    assert!(scene.ask("away", A, "").is_authoritative());
    assert!(!scene.ask("www.sub", A, "").is_authoritative());
}

/// The same if the last name is steered: its SERVFAIL or empty answer is the result of the chain.
#[test]
fn section_3_a_steered_name_ends_the_chain_with_its_own_code() {
    let name = |all_down: &str| {
        format!(
            "[names.{all_down}]\npools = [\"web/sin\"]\nsteer = []\nall_down = \"{all_down}\"\n[records.to-{all_down}]\nCNAME = [\"{all_down}\"]\n"
        )
    };
    let mut scene = Scene::new(&(name("servfail") + &name("nodata")));
    scene.down(&["203.0.113.1"]);
    assert_eq!(scene.ask("to-servfail", A, "").rcode(), 2);
    let reply = scene.ask("to-nodata", A, "");
    assert_eq!(
        (reply.rcode(), reply.data(), reply.authorities().len()),
        (0, vec!["nodata.example.com.".to_owned()], 1)
    );
    scene.up(&["203.0.113.1"]);
    assert_eq!(scene.ask("to-servfail", A, "").data(), ["servfail.example.com.", "203.0.113.1"]);
}
