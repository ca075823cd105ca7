//! Leases of two nodes that share them.

use super::*;
use crate::lease::{LeaseRow, LeaseWord, Saying};

/// What a node says, as its kind with the endpoint, and what it holds.
fn said(scene: &mut Scene) -> Vec<(LeaseWord, Option<LeaseRow>)> {
    scene.leases.take_said(scene.now, scene.now)
}

fn words(said: &[(LeaseWord, Option<LeaseRow>)]) -> Vec<(Saying, &str, bool)> {
    said.iter().map(|(word, row)| (word.saying, word.id.as_str(), row.is_some())).collect()
}

/// Passes everything that one node says on to another one at once.
fn tell(from: &mut Scene, to: &mut Scene) {
    for (LeaseWord { pool, id, .. }, row) in said(from) {
        match row {
            Some(row) => to.leases.follow_claim(row, true, "fleet at a", to.now, to.now),
            None => to.leases.follow_end(&pool, &id, "fleet at a"),
        }
    }
}

#[test]
fn an_endpoint_that_renews_at_one_node_is_at_both_until_it_leaves_at_either() {
    let (mut one, mut other) = (Scene::new(), Scene::new());
    one.claim("web/fra", "a", "10.1.0.1").unwrap();
    tell(&mut one, &mut other);
    assert_eq!(other.of("web/fra"), ["10.1.0.1"]);
    assert!(other.leases.take_changed());
    for _ in 0..12 {
        one.pass(10.0);
        other.pass(10.0);
        one.claim("web/fra", "a", "10.1.0.1").unwrap();
        tell(&mut one, &mut other);
    }
    assert_eq!(other.of("web/fra"), ["10.1.0.1"]);
    assert_eq!(other.news(), ["registered a"]);
    // It is given up at the other node, which says so. The first one only follows.
    other.leases.release(&pool("web/fra"), &id("a"), Duration::ZERO, &asker("fleet"), other.now).unwrap();
    tell(&mut other, &mut one);
    assert_eq!((one.of("web/fra"), said(&mut one).len()), (Vec::new(), 0));
}

#[test]
fn a_renewal_is_told_four_times_in_a_term_whichever_node_it_reaches() {
    let (mut one, mut other) = (Scene::new(), Scene::new());
    let mut told = 0;
    for _ in 0..60 {
        one.claim("web/fra", "a", "10.1.0.1").unwrap();
        let words = said(&mut one);
        told += words.len();
        for (_, row) in words {
            other.leases.follow_claim(row.unwrap(), true, "fleet at a", other.now, other.now);
        }
        other.claim("web/fra", "a", "10.1.0.1").unwrap();
        told += said(&mut other).len();
        one.pass(1.0);
        other.pass(1.0);
    }
    assert!((8..=9).contains(&told), "{told} words in two terms");
}

#[test]
fn a_lease_whose_time_is_over_is_taken_back_for_all_and_what_concerns_one_node_is_not() {
    let mut scene = Scene::new();
    scene.claim("strict", "a", "10.1.0.1").unwrap();
    assert_eq!(words(&said(&mut scene)), [(Saying::Claim, "a", true)]);
    scene.pass(31.0);
    assert_eq!(words(&said(&mut scene)), [(Saying::Finding, "a", false)]);
    // It leaves in its own time.
    scene.claim("strict", "b", "10.1.0.2").unwrap();
    said(&mut scene);
    scene.leases.release(&pool("strict"), &id("b"), seconds(5.0), &asker("fleet"), scene.now).unwrap();
    assert_eq!(words(&said(&mut scene)), [(Saying::Order, "b", true)]);
    scene.pass(6.0);
    assert_eq!(words(&said(&mut scene)), [(Saying::Finding, "b", false)]);
    // A reload at one node takes its network away.
    scene.claim("strict", "c", "10.1.0.3").unwrap();
    said(&mut scene);
    let other = ZONE.replace("prefixes = [\"10.0.0.0/8\"], keep_last", "prefixes = [\"10.9.0.0/16\"], keep_last");
    scene.leases.adopt(&world(&other), scene.now);
    assert_eq!((scene.of("strict"), said(&mut scene).len()), (Vec::new(), 0));
}

#[test]
fn what_the_files_of_a_node_do_not_allow_or_a_source_lists_is_left_as_it_is() {
    let (mut one, mut other) = (Scene::new(), Scene::new());
    let narrow = ZONE.replace("\"10.0.0.0/8\", \"2001:db8::/32\"", "\"10.9.0.0/16\"");
    other.leases.adopt(&world(&narrow), other.now);
    one.claim("web/fra", "a", "10.1.0.1").unwrap();
    tell(&mut one, &mut other);
    assert_eq!(other.of("web/fra"), Vec::<String>::new());
    // Two endpoints with one address: the later one counts.
    let row = |name: &str| LeaseRow {
        pool: crate::health::PoolKey::new("example.com.", "web/fra"),
        pool_name: "web/fra".into(),
        id: id(name),
        claim: claim("10.1.0.1"),
        holder: None,
        until: seconds(1000.0),
        is_leaving: false,
    };
    one.leases.follow_claim(row("b"), true, "fleet at b", one.now, one.now);
    let ids: Vec<String> = one.leases.list(None, one.now).iter().map(|view| view.id.to_string()).collect();
    assert_eq!(ids, ["b"]);
    assert_eq!(said(&mut one).len(), 0);
}
