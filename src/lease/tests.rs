mod discovered;
mod shared;

use super::*;
use std::time::Duration;

use crate::config::tests::fixture;
use crate::name::Name;
use crate::snapshot::World;

const ZONE: &str = r#"
[nameservers]
ns1 = ["127.0.0.1"]
[datacenters]
fra = { latitude = 50, longitude = 8 }
iad = { latitude = 38, longitude = -77 }
[monitors.web]
type = "tcp"
port = 80
[pools.web]
monitor = "web"
endpoints.fra = ["10.0.0.1"]
endpoints.iad = []
registered = { max = 3, prefixes = ["10.0.0.0/8", "2001:db8::/32"] }
[pools.strict]
monitor = "web"
registered = { max = 2, prefixes = ["10.0.0.0/8"], keep_last = false, by = ["fleet"] }
[pools.plain]
endpoints = ["10.0.0.9"]
[pools.listed]
monitor = "web"
endpoints = ["10.0.0.1"]
discover = { file = "/run/listed.json", max = 3, prefixes = ["10.0.0.0/8"] }
[names.listed]
pools = ["listed"]
[names.www]
pools = ["web"]
[names.strict]
pools = ["strict"]
[names.plain]
pools = ["plain"]
"#;

fn world(zone: &str) -> World {
    fixture::world("", &[("example.com.toml", zone)])
}

/// The leases of one node, with a clock.
struct Scene {
    leases: Leases,
    now: Duration,
}

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn id(text: &str) -> LeaseId {
    text.parse().unwrap()
}

fn asker(name: &str) -> Asker {
    Asker { name: (!name.is_empty()).then(|| name.into()), may_order: false }
}

fn claim(address: &str) -> Claim {
    Claim { address: address.parse().unwrap(), weight: 1, capacity: None, ttl: seconds(30.0) }
}

fn pool(pool: &str) -> PoolChoice {
    PoolChoice { pool: pool.into(), datacenter: None, zone: None }
}

impl Scene {
    fn new() -> Self {
        let mut scene = Self { leases: Leases::default(), now: seconds(100.0) };
        scene.leases.adopt(&world(ZONE), scene.now);
        scene
    }

    fn claim(&mut self, at: &str, name: &str, address: &str) -> Result<Claimed, LeaseRefusal> {
        self.leases.claim(&pool(at), &id(name), claim(address), &asker("fleet"), self.now)
    }

    /// Lets time pass as a node does, which wakes whenever something is due.
    fn pass(&mut self, time: f64) {
        let end = self.now + seconds(time);
        while let Some(at) = self.leases.wake_at().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.leases.advance(self.now);
            self.leases.take_rows(self.now, self.now, false);
        }
        self.now = end;
        self.leases.advance(self.now);
    }

    /// The addresses in a pool: with `!` if they leave, `?` if they are kept.
    fn of(&self, name: &str) -> Vec<String> {
        let mut listed: Vec<String> = Vec::new();
        for view in self.leases.list(Some(&pool(name)), self.now) {
            let mark = if view.is_leaving {
                "!"
            } else if view.is_kept {
                "?"
            } else {
                ""
            };
            listed.push(format!("{}{mark}", view.claim.address));
        }
        listed
    }

    /// The events, each as a word with its endpoint, or the silence of a pool.
    fn news(&mut self) -> Vec<String> {
        let told = |news: LeaseNews| match news {
            LeaseNews::Lease { id, happening, .. } => format!("{} {id}", happening.as_str()),
            LeaseNews::Silence { pool, began, leases, .. } => {
                format!("{pool} {} {leases}", if began { "silent" } else { "heard" })
            }
        };
        self.leases.take_news().into_iter().map(told).collect()
    }
}

#[test]
fn an_endpoint_is_there_as_long_as_it_renews() {
    let mut scene = Scene::new();
    assert_eq!(scene.claim("web/fra", "a", "10.1.0.1"), Ok(Claimed::New));
    assert_eq!(scene.claim("web/fra", "b", "2001:db8::1"), Ok(Claimed::New));
    assert!(scene.leases.take_changed());
    for _ in 0..10 {
        scene.pass(10.0);
        assert_eq!(scene.claim("web/fra", "a", "10.1.0.1"), Ok(Claimed::Renewed));
    }
    assert_eq!(scene.of("web/fra"), ["10.1.0.1"], "the other one was silent");
    assert_eq!(scene.news(), ["registered a", "registered b", "ended b"]);
    assert!(scene.leases.take_changed());
    scene.pass(10.0);
    scene.claim("web/fra", "a", "10.1.0.1").unwrap();
    assert!(!scene.leases.take_changed(), "a renewal changes nothing");
    let heavier = Claim { weight: 7, ..claim("10.1.0.1") };
    let changed = scene.leases.claim(&pool("web/fra"), &id("a"), heavier, &asker("fleet"), scene.now);
    assert_eq!(changed, Ok(Claimed::Changed));
    assert!(scene.leases.take_changed());
    assert_eq!(scene.news(), ["changed a"]);
}

#[test]
fn an_endpoint_leaves_at_once_or_after_a_drain() {
    let mut scene = Scene::new();
    for (name, address) in [("a", "10.1.0.1"), ("b", "10.1.0.2")] {
        scene.claim("web/fra", name, address).unwrap();
    }
    let mut release = |name: &str, drain, who: &Asker| {
        scene.leases.release(&pool("web/fra"), &id(name), seconds(drain), who, scene.now)
    };
    let foreign = LeaseRefusal::Foreign(id("a"), Some("fleet".into()));
    assert_eq!(release("a", 0.0, &asker("other")), Err(foreign));
    assert_eq!(release("a", 0.0, &Asker { name: None, may_order: true }), Ok(()));
    assert!(matches!(release("a", 0.0, &asker("fleet")), Err(LeaseRefusal::NoLease(..))));
    assert_eq!(release("b", 20.0, &asker("fleet")), Ok(()));
    assert_eq!(release("b", 60.0, &asker("fleet")), Ok(()), "a second request does not prolong the drain");
    assert_eq!(scene.of("web/fra"), ["10.1.0.2!"]);
    scene.pass(19.0);
    assert_eq!(scene.of("web/fra"), ["10.1.0.2!"]);
    scene.pass(2.0);
    assert!(scene.of("web/fra").is_empty());
    let told = ["registered a", "registered b", "refused a", "released a", "leaving b", "released b"];
    assert_eq!(scene.news(), told);
}

#[test]
fn the_files_bound_who_registers_what() {
    let mut scene = Scene::new();
    let refusal = |result: Result<Claimed, LeaseRefusal>| result.unwrap_err().to_string();
    let mut refused = |at: &str, address: &str| refusal(scene.claim(at, "x", address));
    assert_eq!(refused("nowhere", "10.1.0.1"), "there is no pool nowhere");
    assert_eq!(refused("plain", "10.1.0.1"), "pool plain takes no registered endpoints: it has no `registered`");
    let several = "web may mean web/fra of example.com. or web/iad of example.com.: `datacenter` or `zone` says which";
    assert_eq!(refused("web", "10.1.0.1"), several);
    assert_eq!(refused("web/fra", "11.0.0.1"), "11.0.0.1 is in none of the `prefixes` of pool web/fra");
    assert_eq!(refused("web/fra", "10.0.0.1"), "the files list 10.0.0.1 in pool web/fra already");
    let folded = "::ffff:10.1.0.1 embeds an IPv4 address, which belongs in a pool as itself";
    assert_eq!(refused("web/fra", "::ffff:10.1.0.1"), folded);
    assert_eq!(scene.news(), ["refused x", "refused x"], "each of these once, and only what is forbidden");

    let in_iad = PoolChoice {
        datacenter: Some("iad".into()),
        zone: Name::parse("example.com.", &Name::root()).ok(),
        ..pool("web")
    };
    let claimed = scene.leases.claim(&in_iad, &id("x"), claim("10.0.0.1"), &asker(""), scene.now);
    assert_eq!(claimed, Ok(Claimed::New), "the address is in the files of another pool");
    assert_eq!(scene.of("web/iad"), ["10.0.0.1"]);

    let stranger = scene.leases.claim(&pool("strict"), &id("x"), claim("10.1.0.1"), &asker("web"), scene.now);
    assert_eq!(refusal(stranger), "`web` is not in `by` of pool strict");
    let unnamed = scene.leases.claim(&pool("strict"), &id("x"), claim("10.1.0.1"), &asker(""), scene.now);
    assert_eq!(refusal(unnamed), "an asker without a name is not in `by` of pool strict");
    scene.claim("strict", "a", "10.1.0.1").unwrap();
    scene.claim("strict", "b", "10.1.0.2").unwrap();
    let full = "pool strict has 2 leases, and its `max` allows no more";
    assert_eq!(refusal(scene.claim("strict", "c", "10.1.0.3")), full);
    assert_eq!(scene.claim("strict", "a", "10.1.0.1"), Ok(Claimed::Renewed), "a renewal is no further lease");
}

#[test]
fn neither_an_id_nor_an_address_is_held_twice() {
    let mut scene = Scene::new();
    scene.claim("web/fra", "a", "10.1.0.1").unwrap();
    scene.pass(9.5);
    let told = |result: Result<Claimed, LeaseRefusal>| result.unwrap_err().to_string();
    let id_held = "a is registered with 10.1.0.1: release that lease, or wait 21s until it ends";
    assert_eq!(told(scene.claim("web/fra", "a", "10.1.0.2")), id_held);
    let address_held = "10.1.0.1 is registered as a: release that lease, or wait 21s until it ends";
    assert_eq!(told(scene.claim("web/fra", "b", "10.1.0.1")), address_held);
    assert_eq!(scene.claim("web/iad", "a", "10.1.0.1"), Ok(Claimed::New), "another pool");
}

#[test]
fn the_last_leases_are_kept_while_nobody_renews() {
    let mut scene = Scene::new();
    scene.claim("web/fra", "a", "10.1.0.1").unwrap();
    scene.pass(4.0);
    scene.claim("web/fra", "b", "10.1.0.2").unwrap();
    scene.pass(4.0);
    scene.claim("web/fra", "c", "10.1.0.3").unwrap();
    scene.news();
    scene.leases.take_changed();
    // An hour without a word: the first lease to end raises the alarm, and nothing goes.
    scene.pass(3600.0);
    assert_eq!(scene.of("web/fra"), ["10.1.0.1?", "10.1.0.2?", "10.1.0.3?"]);
    assert_eq!(scene.news(), ["web/fra silent 3"]);
    assert_eq!(scene.leases.wake_at(), None);
    // With the first renewal the others have one more term.
    assert_eq!(scene.claim("web/fra", "b", "10.1.0.2"), Ok(Claimed::Renewed));
    assert!(scene.leases.take_changed());
    assert_eq!(scene.of("web/fra"), ["10.1.0.1", "10.1.0.2", "10.1.0.3"]);
    scene.pass(20.0);
    scene.claim("web/fra", "b", "10.1.0.2").unwrap();
    scene.claim("web/fra", "c", "10.1.0.3").unwrap();
    scene.pass(11.0);
    assert_eq!(scene.of("web/fra"), ["10.1.0.2", "10.1.0.3"]);
    assert_eq!(scene.news(), ["web/fra heard 3", "ended a"]);
}

#[test]
fn a_reload_that_no_longer_keeps_the_last_leases_lets_them_go() {
    let mut scene = Scene::new();
    scene.claim("web/fra", "a", "10.1.0.1").unwrap();
    scene.pass(60.0);
    assert_eq!(scene.of("web/fra"), ["10.1.0.1?"]);
    scene.news();
    let other = ZONE.replace("\"2001:db8::/32\"] }", "\"2001:db8::/32\"], keep_last = false }");
    scene.leases.adopt(&world(&other), scene.now);
    scene.pass(0.1);
    assert!(scene.of("web/fra").is_empty());
    assert_eq!(scene.news(), ["ended a", "web/fra heard 0"]);
}

#[test]
fn without_keep_last_an_endpoint_that_is_silent_goes_though_it_is_the_last() {
    let mut scene = Scene::new();
    scene.claim("strict", "a", "10.1.0.1").unwrap();
    scene.pass(31.0);
    assert!(scene.of("strict").is_empty());
    assert_eq!(scene.news(), ["registered a", "ended a"]);
}

#[test]
fn an_endpoint_that_comes_back_under_another_name_takes_the_place_of_its_kept_lease() {
    let mut scene = Scene::new();
    scene.claim("web/fra", "a", "10.1.0.1").unwrap();
    scene.pass(60.0);
    assert_eq!(scene.of("web/fra"), ["10.1.0.1?"]);
    assert_eq!(scene.claim("web/fra", "b", "10.1.0.1"), Ok(Claimed::New));
    assert_eq!(scene.of("web/fra"), ["10.1.0.1"]);
    // An operator may remove what is kept, which proves nothing about the register.
    scene.pass(60.0);
    assert_eq!(scene.of("web/fra"), ["10.1.0.1?"]);
    scene.news();
    let operator = Asker { name: None, may_order: true };
    scene.leases.release(&pool("web/fra"), &id("b"), Duration::ZERO, &operator, scene.now).unwrap();
    assert_eq!(scene.news(), ["released b", "web/fra heard 0"]);
}

#[test]
fn time_in_which_nobody_could_renew_does_not_count() {
    let mut scene = Scene::new();
    for (name, address) in [("a", "10.1.0.1"), ("b", "10.1.0.2")] {
        scene.claim("strict", name, address).unwrap();
    }
    // The process was stopped for a minute.
    scene.now += seconds(60.0);
    scene.leases.advance(scene.now);
    assert_eq!(scene.of("strict").len(), 2);
    scene.claim("strict", "a", "10.1.0.1").unwrap();
    scene.pass(1.5);
    assert_eq!(scene.of("strict"), ["10.1.0.1"]);
}

#[test]
fn a_restart_keeps_leases_whatever_the_wall_clock_says() {
    let rows = |wall: f64| {
        let mut scene = Scene::new();
        scene.claim("web/fra", "a", "10.1.0.1").unwrap();
        scene.claim("strict", "b", "10.1.0.2").unwrap();
        scene.leases.release(&pool("strict"), &id("b"), seconds(10.0), &asker("fleet"), scene.now).unwrap();
        let rows = scene.leases.take_rows(scene.now, seconds(wall), true);
        rows.into_iter().filter_map(|(_, _, row)| row).collect::<Vec<LeaseRow>>()
    };
    // The wall clock stood at 1000 when the leases were kept. For each time at which the next run starts: what is left of
    // the term of `a`, and of the drain of `b`.
    for (wall, left, drain) in [(1000.0, 30.0, 10.0), (1008.0, 22.0, 2.0), (5000.0, 15.0, 0.0), (10.0, 30.0, 30.0)] {
        let mut leases = Leases::default();
        leases.restore(rows(1000.0), seconds(7.0), seconds(wall));
        leases.adopt(&world(ZONE), seconds(7.0));
        let of = |name: &str| leases.list(Some(&pool(name)), seconds(7.0)).into_iter().map(|view| view.left).next();
        assert_eq!((of("web/fra"), of("strict")), (Some(seconds(left)), Some(seconds(drain))), "at {wall}");
    }
}

#[test]
fn a_reload_may_close_a_pool_or_narrow_it() {
    let mut scene = Scene::new();
    scene.claim("web/fra", "a", "10.1.0.1").unwrap();
    scene.claim("strict", "b", "10.1.0.2").unwrap();
    scene.news();
    let closed = ZONE.replace(
        "registered = { max = 2, prefixes = [\"10.0.0.0/8\"], keep_last = false, by = [\"fleet\"] }",
        "endpoints = [\"10.0.0.2\"]",
    );
    let narrow = closed.replace("prefixes = [\"10.0.0.0/8\", \"2001:db8::/32\"]", "prefixes = [\"10.2.0.0/16\"]");
    scene.leases.adopt(&world(&narrow), scene.now);
    assert_eq!(scene.news(), ["barred a"]);
    assert!(scene.of("strict").is_empty() && scene.of("web/fra").is_empty());
    assert!(matches!(scene.claim("strict", "b", "10.1.0.2"), Err(LeaseRefusal::Closed(_))));
    // The lease is there again if the pool takes endpoints again before it ends.
    scene.leases.adopt(&world(ZONE), scene.now);
    assert_eq!(scene.of("strict"), ["10.1.0.2"]);
    scene.leases.adopt(&world(&narrow), scene.now);
    scene.pass(31.0);
    scene.leases.adopt(&world(ZONE), scene.now);
    assert!(scene.of("strict").is_empty());
}

#[test]
fn rows_are_kept_when_something_changes_and_those_of_renewals_together() {
    let mut scene = Scene::new();
    let rows = |scene: &mut Scene| {
        let rows = scene.leases.take_rows(scene.now, scene.now, false);
        rows.into_iter()
            .map(|(_, id, row)| format!("{id}{}", if row.is_some() { "" } else { " gone" }))
            .collect::<Vec<_>>()
    };
    rows(&mut scene);
    scene.claim("web/fra", "a", "10.1.0.1").unwrap();
    assert_eq!(rows(&mut scene), ["a"]);
    scene.claim("web/fra", "a", "10.1.0.1").unwrap();
    assert!(rows(&mut scene).is_empty());
    scene.now += seconds(6.0);
    assert_eq!(rows(&mut scene), ["a"]);
    scene.leases.release(&pool("web/fra"), &id("a"), Duration::ZERO, &asker("fleet"), scene.now).unwrap();
    assert_eq!(rows(&mut scene), ["a gone"]);
}

#[test]
fn ids_are_words_that_need_no_quoting() {
    for good in ["a", "i-0abc", "web-7d4.default", "10.0.0.1:8080", "host@42", &"x".repeat(128)] {
        assert!(good.parse::<LeaseId>().is_ok(), "{good}");
    }
    for bad in ["", "a b", "a/b", "ä", "a\"b", &"x".repeat(129)] {
        assert!(bad.parse::<LeaseId>().is_err(), "{bad}");
    }
}
