//! Scenarios for load: which clients stay, which move, where they go, and what does not depend on load.

use std::collections::{BTreeMap, HashSet};
use std::net::Ipv4Addr;

use hickory_proto::rr::RecordType::{A, AAAA};
use truenorth::snapshot::{Family, PoolId};

use super::{FRA, IAD, SIN};
use crate::scene::Scene;

const NAME: &str = "[names.www]\npools = [\"web\"]\nsteer = [\"region\", \"load\"]\nanswers = 1\n";

/// Networks of Europe, whose clients are fra's.
const CLIENTS: u32 = 256;

/// Returns the answer to each of fra's client networks.
fn answers(scene: &mut Scene, name: &str) -> Vec<String> {
    (0..CLIENTS).map(|number| scene.ask(name, A, &format!("10.1.{number}.0/24")).data().remove(0)).collect()
}

fn place(address: &str) -> &'static str {
    match address {
        IAD => "iad",
        SIN => "sin",
        _ => "fra",
    }
}

fn counts(answers: &[String]) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for answer in answers {
        *counts.entry(place(answer)).or_default() += 1;
    }
    counts
}

/// Asserts that this number of all clients is this share, to four standard deviations.
#[track_caller]
fn assert_share(counts: &BTreeMap<&str, usize>, place: &str, share: f64) {
    let (count, all) = (counts.get(place).copied().unwrap_or(0) as f64, f64::from(CLIENTS));
    let deviation = (all * share * (1.0 - share)).sqrt();
    assert!((count - all * share).abs() <= 4.0 * deviation, "{place}: {count} of {all}, not {share}");
}

#[test]
fn nobody_moves_while_nothing_is_known() {
    let mut scene = Scene::new(NAME);
    assert_eq!(counts(&answers(&mut scene, "www")), BTreeMap::from([("fra", 256)]));
    scene.down(&FRA);
    assert_eq!(counts(&answers(&mut scene, "www")), BTreeMap::from([("iad", 256)]), "the next in the ranking");
}

#[test]
fn a_pool_over_capacity_keeps_a_share_and_the_rest_goes_in_proportion_to_room() {
    let mut scene = Scene::new(NAME);
    scene.loads(&[("web/fra", 600, 0), ("web/iad", 1000, 10_000), ("web/sin", 1000, 30_000)]);
    let counts = counts(&answers(&mut scene, "www"));
    assert_share(&counts, "fra", 0.6);
    assert_share(&counts, "iad", 0.1);
    assert_share(&counts, "sin", 0.3);
    let reply = scene.ask("www", A, "10.1.7.0/24");
    assert_eq!((reply.scope(), reply.ttl()), (Some(24), 30));
    assert_eq!(scene.ask("www", A, "10.2.7.0/24").data(), [IAD], "clients of other pools do not move");
}

#[test]
fn when_keep_falls_only_the_difference_moves_and_it_comes_back() {
    let mut scene = Scene::new(NAME);
    let mut at = |keep| {
        scene.loads(&[("web/fra", keep, 0), ("web/iad", 1000, 10_000), ("web/sin", 1000, 10_000)]);
        answers(&mut scene, "www")
    };
    let (all, most, half) = (at(1000), at(800), at(500));
    let kept = |answers: &[String]| -> HashSet<usize> {
        (0..answers.len()).filter(|&client| place(&answers[client]) == "fra").collect()
    };
    assert!(kept(&half).is_subset(&kept(&most)) && kept(&most).len() < kept(&all).len());
    for client in (0..most.len()).filter(|client| !kept(&most).contains(client)) {
        assert_eq!(most[client], half[client], "a moved client is not moved again");
    }
    let places = |answers: &[String]| answers.iter().map(|answer| place(answer)).collect::<Vec<_>>();
    assert_eq!(places(&at(800)), places(&most));
    assert_eq!(places(&at(1000)), places(&all));
}

#[test]
fn a_dead_pools_clients_go_to_all_others_in_proportion_to_room() {
    let mut scene = Scene::new(NAME);
    scene.loads(&[("web/fra", 1000, 50_000), ("web/iad", 1000, 20_000), ("web/sin", 1000, 60_000)]);
    scene.down(&FRA);
    let before = answers(&mut scene, "www");
    assert_share(&counts(&before), "iad", 0.25);
    assert_share(&counts(&before), "sin", 0.75);
    scene.loads(&[("web/fra", 0, 0)]);
    assert_eq!(answers(&mut scene, "www"), before, "that it keeps nobody changes nothing");
    scene.up(&FRA);
    assert_eq!(answers(&mut scene, "www"), before, "it is up again, and keeps nobody yet");
    scene.order("drain pool:web/sin");
    assert_eq!(counts(&answers(&mut scene, "www")), BTreeMap::from([("iad", 256)]));
}

#[test]
fn where_nobody_has_room_clients_stay_and_a_dead_pools_go_on_as_ever() {
    let mut scene = Scene::new(NAME);
    scene.loads(&[("web/fra", 300, 0), ("web/iad", 900, 0), ("web/sin", 1000, 0)]);
    assert_eq!(counts(&answers(&mut scene, "www")), BTreeMap::from([("fra", 256)]));
    scene.down(&FRA);
    assert_eq!(counts(&answers(&mut scene, "www")), BTreeMap::from([("iad", 256)]));
}

#[test]
fn both_families_agree_on_the_place() {
    let mut scene = Scene::new(NAME);
    scene.loads(&[("web/fra", 500, 0), ("web/iad", 1000, 10_000)]);
    for number in 0..CLIENTS {
        let client = format!("10.1.{number}.0/24");
        let (v4, v6) = (scene.ask("www", A, &client).data(), scene.ask("www", AAAA, &client).data());
        let expected = if place(&v4[0]) == "fra" { "2001:db8:f::1" } else { "2001:db8:a::1" };
        assert_eq!(v6, [expected], "{client}");
    }
}

#[test]
fn an_office_is_never_sent_where_it_may_not_go() {
    let mut scene = Scene::new(NAME);
    scene.loads(&[("web/fra", 10, 0), ("web/iad", 1000, 10_000)]);
    for _ in 0..4 {
        assert_eq!(place(&scene.ask("www", A, "10.9.9.0/24").data()[0]), "fra");
    }
}

#[test]
fn scopes_are_the_same_whatever_the_loads() {
    let sticky = format!("{NAME}sticky_v4 = 20\nsticky_v6 = 40\n");
    let mut scene = Scene::new(&sticky);
    let scopes = |scene: &mut Scene| {
        ["10.1.7.0/24", "10.9.9.0/24", "10.200.0.0/24", "2001:db8:1::/56"]
            .map(|client| scene.ask("www", A, client).scope())
    };
    let calm = scopes(&mut scene);
    assert_eq!(calm[0], Some(20), "the hash's prefix, if the ranking's is not longer");
    scene.loads(&[("web/fra", 500, 0), ("web/iad", 1000, 10_000)]);
    assert_eq!(scopes(&mut scene), calm);
    // All clients of a prefix get the same answer.
    for block in 0..16 {
        let data: HashSet<_> = (0..16)
            .map(|number| place(&scene.ask("www", A, &format!("10.1.{}.0/24", block * 16 + number)).data()[0]))
            .collect();
        assert_eq!(data.len(), 1, "{block}");
    }
}

#[test]
fn weights_draw_among_those_that_keep_a_client() {
    let name = "[names.www]\npools = [{ pool = \"web/fra\", weight = 50 }, { pool = \"web/iad\", weight = 50 }]\n\
                steer = [\"load\", \"weight\"]\nanswers = 1\n";
    let mut scene = Scene::new(name);
    scene.loads(&[("web/fra", 400, 0), ("web/iad", 1000, 10_000)]);
    let seen = counts(&answers(&mut scene, "www"));
    assert_share(&seen, "fra", 0.2);
    assert_share(&seen, "iad", 0.8);
    scene.loads(&[("web/fra", 0, 0), ("web/iad", 0, 0)]);
    assert_share(&counts(&answers(&mut scene, "www")), "fra", 0.5);
}

#[test]
fn a_roll_outs_parts_keep_to_themselves() {
    let pools = "[pools.next]\ndatacenter = \"sin\"\nendpoints = [\"203.0.113.9\"]\n";
    let name = "[names.www]\npools = [\"next\", \"web/fra\", \"web/iad\"]\nsteer = [\"failover\", \"load\"]\n\
                active = \"web\"\nanswers = 1\n";
    let mut scene = Scene::new(&format!("{pools}{name}"));
    scene.loads(&[("next", 1000, 90_000), ("web/fra", 500, 0), ("web/iad", 1000, 10_000)]);
    let seen = answers(&mut scene, "www");
    assert!(!seen.contains(&"203.0.113.9".to_owned()), "it has room, but is not active");
    assert_share(&counts(&seen), "fra", 0.5);
    assert_share(&counts(&seen), "iad", 0.5);
}

#[test]
fn what_comes_back_slowly_is_home_for_a_part_of_the_queries() {
    let mut scene = Scene::new(NAME);
    scene.loads(&[("web/fra", 1000, 0), ("web/sin", 1000, 10_000)]);
    scene.ramp(&["198.51.100.1", "198.51.100.2", "2001:db8:f::1"], 250);
    let seen = counts(&answers(&mut scene, "www"));
    assert_share(&seen, "fra", 0.25);
    assert_share(&seen, "sin", 0.75);
}

#[test]
fn failover_spills_from_the_first_pool_too() {
    let name =
        "[names.www]\npools = [\"web/fra\", \"web/iad\", \"web/sin\"]\nsteer = [\"failover\", \"load\"]\nanswers = 1\n";
    let mut scene = Scene::new(name);
    scene.loads(&[("web/fra", 500, 0), ("web/sin", 1000, 10_000)]);
    let seen = counts(&answers(&mut scene, "www"));
    assert_share(&seen, "fra", 0.5);
    assert_share(&seen, "sin", 0.5);
}

#[test]
fn an_unconfirmed_failure_of_who_might_take_clients_shortens_the_ttl() {
    let mut scene = Scene::new(NAME);
    scene.restless(&[SIN]);
    scene.loads(&[("web/fra", 0, 0), ("web/iad", 1000, 10_000), ("web/sin", 1000, 10)]);
    assert_eq!(scene.ask("www", A, "10.1.7.0/24").ttl(), 5);
    scene.loads(&[("web/fra", 1000, 0)]);
    assert_eq!(scene.ask("www", A, "10.1.7.0/24").ttl(), 30);
}

#[test]
fn least_load_draws_one_endpoint_in_proportion_to_room() {
    let name = "[names.www]\npools = [\"web\"]\nsteer = [\"region\"]\npick = \"least-load\"\n";
    let mut scene = Scene::new(name);
    let share = |scene: &mut Scene| {
        let drawn = (0..2000).map(|_| scene.ask("www", A, "10.1.7.0/24").data());
        drawn.filter(|data| *data == [FRA[1]]).count() as f64 / 2000.0
    };
    assert!((share(&mut scene) - 0.5).abs() < 0.05, "all are equal while nothing is known");
    scene.rooms(&[(FRA[1], 250)]);
    assert!((share(&mut scene) - 0.2).abs() < 0.04);
    scene.rooms(&[(FRA[1], 0)]);
    assert!(share(&mut scene) <= 0.0);
    scene.down(&[FRA[0]]);
    assert!(share(&mut scene) >= 1.0, "it has no room, but there is no other");
    let reply = scene.ask("www", A, "10.1.7.0/24");
    assert_eq!(reply.scope(), Some(16), "a draw is valid for all clients of the region");
}

#[test]
fn shares_are_those_of_the_answers() {
    let mut scene = Scene::new(NAME);
    scene.loads(&[("web/fra", 600, 0), ("web/iad", 1000, 22_000), ("web/sin", 1000, 78_000)]);
    let shares = |scene: &Scene| {
        let snapshot = scene.snapshot();
        let plan = &snapshot.plans()[0];
        let ranking = plan.rule().place(Ipv4Addr::new(10, 1, 7, 0).into()).ranking;
        let shares = plan.shares(snapshot.pools(), ranking, &[Family::V4]);
        assert!(shares.are_exact);
        let name = |id: Option<PoolId>| snapshot.pools()[id.unwrap().index()].spec().name.to_string();
        let rounded = shares.by_pool.into_iter().map(|(id, share)| (name(id), (share * 1000.0).round() as u32));
        rounded.collect::<Vec<_>>()
    };
    let expect =
        |shares: &[(&str, u32)]| shares.iter().map(|(name, share)| ((*name).to_owned(), *share)).collect::<Vec<_>>();
    assert_eq!(shares(&scene), expect(&[("web/fra", 600), ("web/iad", 88), ("web/sin", 312)]));
    scene.down(&FRA);
    assert_eq!(shares(&scene), expect(&[("web/iad", 220), ("web/sin", 780)]));
}
