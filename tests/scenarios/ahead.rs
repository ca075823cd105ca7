//! Answers that are signed before anybody asks: those of the present state, and those after the next change of health.

use std::sync::Arc;
use std::time::Duration;

use hickory_proto::rr::RecordType::{A, AAAA, HTTPS};
use truenorth::answer::{Ahead, Rotation, Transport};
use truenorth::dnssec::Signatures;

use super::{FRA, WEB};
use crate::scene::{self, Scene};

const SERVER: &str = "[dnssec]\nenabled = true\n";

/// More pools: one with different weights, one with many endpoints, and an alias.
const POOLS: &str = r#"
[pools.mixed]
monitor = "web"
endpoints.fra = [{ address = "198.51.100.11", weight = 3 }, "198.51.100.12", "2001:db8:f::11", "2001:db8:f::12"]
endpoints.iad = ["192.0.2.11", { address = "192.0.2.12", weight = 0 }, "192.0.2.13"]
[pools.many]
monitor = "web"
endpoints = ["192.0.2.31", "192.0.2.32", "192.0.2.33", "192.0.2.34", "2001:db8::31", "2001:db8::32", "2001:db8::33"]
[pools.sorry]
endpoints = [{ cname = "static.example.com." }]
[records.static]
A = ["192.0.2.99"]
"#;

/// Addresses that fall one after the other.
const FALLING: [&str; 10] = [
    "198.51.100.1",
    "198.51.100.2",
    "192.0.2.1",
    "203.0.113.1",
    "2001:db8:f::1",
    "198.51.100.11",
    "192.0.2.13",
    "192.0.2.31",
    "192.0.2.34",
    "2001:db8::32",
];

const CLIENTS: [&str; 4] = ["10.1.7.0/24", "10.2.7.0/24", "10.3.7.0/24", "10.9.9.0/24"];

/// How often each question is asked: draws and rotations have many results.
const ROUNDS: usize = 40;

/// A node that signs ahead.
struct Signing {
    scene: Scene,
    ahead: Ahead,
    names: Vec<&'static str>,
    /// The number of signatures that it made at first.
    first: u32,
}

impl Signing {
    fn new(names: &[&'static str], lines: &str) -> Self {
        Self::with_server(SERVER, names, lines)
    }

    fn with_server(server: &str, names: &[&'static str], lines: &str) -> Self {
        let mut scene = Scene::with_server(server, &format!("{POOLS}{lines}"));
        let signatures = Arc::<Signatures>::default();
        scene.share(&signatures);
        let ahead = Ahead::new(Arc::new(Rotation::with_seed(1)), signatures);
        let mut signing = Self { scene, ahead, names: names.to_vec(), first: 0 };
        signing.first = signing.look_ahead();
        signing
    }

    /// Signs ahead for the present state. Returns the number of signatures that were made.
    fn look_ahead(&mut self) -> u32 {
        self.ahead.begin(self.scene.snapshot());
        let now = Duration::from_secs(self.scene.now);
        std::iter::from_fn(|| self.ahead.step(now)).sum()
    }

    /// The numbers of signatures that answers have made, and of those that were made ahead and used.
    fn counts(&self) -> (u64, u64) {
        let sums = self.scene.totals().traffic;
        (sums.signatures()[1], sums.signed_ahead()[1])
    }

    /// Asks all questions of all clients, and fails if an answer needs a signature that is not there.
    #[track_caller]
    fn asks(&mut self, when: &str) {
        let (before, _) = self.counts();
        for name in self.names.clone() {
            for rtype in [A, AAAA, HTTPS] {
                for client in CLIENTS {
                    let mut query = scene::query(name, rtype, client);
                    query.edns.get_or_insert_default().set_dnssec_ok(true);
                    let query = query.to_vec().unwrap();
                    let replies: Vec<_> = (0..ROUNDS).map(|_| self.scene.send(&query, Transport::Tcp)).collect();
                    let made = self.counts().0 - before;
                    assert_eq!(made, 0, "{when}: {name} {rtype} for {client}: {:?}", replies[0]);
                }
            }
        }
    }
}

/// Names of every kind that is foreseen in whole.
const NAMES: &str = r#"
[names.www]
pools = ["web"]
https = { alpn = ["h2"] }
[names.plain]
pools = ["web"]
fallback = "sorry"
all_down = "nodata"
[names.drawn]
pools = [{ pool = "web/fra", weight = 90 }, { pool = "many", weight = 10 }]
steer = ["weight"]
https = {}
[names.stays]
pools = ["web", "many"]
steer = ["region", "sticky"]
[names.mixed]
pools = ["mixed"]
all_down = "last-healthy"
[names.together]
pools = ["mixed", "web"]
steer = []
take = 2
[names.some]
pools = ["many"]
pick = "random"
answers = 2
[names.turns]
pools = ["many"]
answers = 3
https = {}
[names.spare]
pools = ["web"]
take = 2
spare = true
[names.alias]
pools = ["sorry"]
"#;

const ALL: [&str; 10] = ["www", "plain", "drawn", "stays", "mixed", "together", "some", "turns", "spare", "alias"];

#[test]
fn the_next_fall_and_the_next_return_need_no_new_signature() {
    let mut signing = Signing::new(&ALL, NAMES);
    signing.asks("at first");
    assert!(signing.counts().1 > 80, "{:?}", signing.counts());
    signing.scene.restless(&WEB);
    signing.asks("while the states are unconfirmed");
    signing.scene.restless(&[]);
    assert_eq!(signing.look_ahead(), 0, "everything is there");
    for address in FALLING {
        signing.scene.down(&[address]);
        signing.asks(&format!("after the fall of {address}"));
        signing.look_ahead();
        signing.scene.up(&[address]);
        signing.asks(&format!("after the return of {address}"));
    }
}

#[test]
fn one_change_after_the_other_is_foreseen() {
    let mut signing = Signing::new(&["www", "plain", "mixed", "spare"], NAMES);
    for address in WEB.iter().chain(&["198.51.100.12", "192.0.2.11"]) {
        signing.scene.down(&[address]);
        signing.asks(&format!("after the fall of {address}"));
        signing.look_ahead();
    }
    for address in WEB {
        signing.scene.up(&[address]);
        signing.asks(&format!("after the return of {address}"));
        signing.look_ahead();
    }
}

#[test]
fn a_datacenter_that_is_cut_off_is_foreseen() {
    let mut signing = Signing::new(&["www", "plain", "spare"], NAMES);
    signing.scene.down(&[FRA[0], FRA[1], "2001:db8:f::1"]);
    signing.asks("without fra");
}

#[test]
fn the_next_window_is_signed_before_it_begins() {
    // Windows of an hour.
    let server = format!("{SERVER}validity = \"3h\"\nrefresh = \"2h\"\n");
    let mut signing = Signing::with_server(&server, &["www"], "[names.www]\npools = [\"web\"]\nhttps = {}\n");
    let mut later = 0;
    for minute in 1..=60 {
        signing.scene.now += 60;
        signing.asks(&format!("after {minute} min"));
        later += signing.look_ahead();
    }
    // Each signature has one follower. Those whose window ended in the first two minutes had it at once.
    assert!((signing.first / 2..=signing.first).contains(&later), "{later} after {}", signing.first);
}

#[test]
fn too_many_sets_are_left_to_the_first_asker() {
    let endpoints: Vec<String> = (1..=70).map(|number| format!("\"10.0.0.{number}\"")).collect();
    let lines = |keys: &str| {
        format!("[pools.wide]\nendpoints = [{}]\n[names.wide]\npools = [\"wide\"]\n{keys}", endpoints.join(", "))
    };
    for (keys, most) in
        [("steer = []\nanswers = 64\n", 6), ("pick = \"random\"\nanswers = 2\n", 6), ("pick = \"weighted\"\n", 6)]
    {
        let made = Signing::new(&[], &lines(keys)).first;
        assert!((1..=most).contains(&made), "{keys}: {made}");
    }
}

#[test]
fn names_below_a_wildcard_and_zones_without_keys_are_left_alone() {
    assert_eq!(Signing::new(&[], "").first, 0);
    assert_eq!(Signing::new(&[], "[names.\"*.apps\"]\npools = [\"web\"]\n").first, 0);
    let unsigned = "[dnssec]\nenabled = false\n";
    assert_eq!(Signing::with_server(unsigned, &[], "[names.www]\npools = [\"web\"]\n").first, 0);
}

#[test]
fn a_small_table_is_not_filled() {
    let names: Vec<String> = (0..100).map(|number| format!("[names.n{number}]\npools = [\"web\"]\n")).collect();
    let made = Signing::with_server(&format!("{SERVER}kept = 1024\n"), &[], &names.concat()).first;
    // A quarter, of which some are counted for several names; the last name may exceed it a little.
    assert!((150..300).contains(&made), "{made}");
}
