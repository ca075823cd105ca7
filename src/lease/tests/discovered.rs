//! Endpoints that a source lists.

use super::*;

impl Scene {
    /// The source of the pool `listed` lists these addresses.
    fn list(&mut self, addresses: &[&str]) {
        self.list_leaving(addresses, &[]);
    }

    /// It lists these addresses, and these that are about to end.
    fn list_leaving(&mut self, addresses: &[&str], leaving: &[&str]) {
        let endpoint = |address: &str, is_leaving| Discovered {
            address: address.parse().unwrap(),
            weight: 1,
            capacity: None,
            is_leaving,
        };
        let staying = addresses.iter().map(|address| endpoint(address, false));
        self.found(Ok(staying.chain(leaving.iter().map(|address| endpoint(address, true))).collect()));
    }

    fn found(&mut self, found: Result<Vec<Discovered>, String>) {
        let key = Self::listed().key();
        self.leases.discover(&key, found, self.now);
    }

    fn listed() -> std::sync::Arc<crate::snapshot::PoolSpec> {
        world(ZONE).pools.iter().find(|pool| &*pool.name == "listed").unwrap().clone()
    }

    fn problem(&self) -> Option<Box<str>> {
        self.leases.problem(&Self::listed())
    }
}

#[test]
fn a_pool_has_what_its_source_lists() {
    let mut scene = Scene::new();
    scene.list(&["10.1.0.1", "10.1.0.2"]);
    assert_eq!(scene.of("listed"), ["10.1.0.1", "10.1.0.2"]);
    assert!(scene.leases.take_changed());
    scene.list(&["10.1.0.1", "10.1.0.2"]);
    assert!(!scene.leases.take_changed(), "the same list changes nothing");
    scene.list(&["10.1.0.3", "10.1.0.2"]);
    assert_eq!(scene.of("listed"), ["10.1.0.2", "10.1.0.3"]);
    assert_eq!(
        scene.news(),
        ["registered 10.1.0.1", "registered 10.1.0.2", "released 10.1.0.1", "registered 10.1.0.3"]
    );
    // The bounds hold for a source too: networks, the number, and what the files list.
    scene.list(&["192.0.2.1", "10.0.0.1", "10.1.0.2", "10.1.0.3", "10.1.0.4", "10.1.0.5"]);
    assert_eq!(scene.of("listed"), ["10.1.0.2", "10.1.0.3", "10.1.0.4"]);
    assert_eq!(scene.news(), ["refused 192.0.2.1", "registered 10.1.0.4"]);
    assert!(scene.problem().unwrap().contains("its `max` allows no more"));
    scene.list(&["10.1.0.2"]);
    assert_eq!(scene.problem(), None);
}

#[test]
fn a_source_that_fails_or_lists_nothing_keeps_the_last() {
    let mut scene = Scene::new();
    scene.found(Err("no such file".into()));
    assert_eq!((scene.of("listed").len(), scene.news().len()), (0, 0), "nothing was there");
    assert_eq!(scene.problem().as_deref(), Some("no such file"));
    scene.list(&[]);
    assert_eq!(scene.problem(), None, "an empty list is right where nothing was");
    scene.list(&["10.1.0.1", "10.1.0.2"]);
    scene.news();
    scene.found(Err("no such file".into()));
    scene.list(&[]);
    assert_eq!(scene.problem().as_deref(), Some("it lists no endpoint any more"));
    assert_eq!(scene.news(), ["listed silent 2"], "the alarm tells it once");
    // No term ends meanwhile.
    for _ in 0..200 {
        scene.pass(60.0);
    }
    assert_eq!(scene.of("listed").len(), 2);
    assert!(scene.leases.list(None, scene.now).iter().all(|view| view.is_kept));
    scene.list(&["10.1.0.1"]);
    assert_eq!(scene.news(), ["released 10.1.0.2", "listed heard 1"]);
    assert!(scene.leases.list(None, scene.now).iter().all(|view| !view.is_kept));
}

#[test]
fn nobody_registers_where_a_source_lists_and_an_edit_ends_what_came_the_other_way() {
    let mut scene = Scene::new();
    let refused = scene.claim("listed", "a", "10.1.0.9").unwrap_err();
    assert!(refused.is_forbidden() && refused.to_string().contains("file /run/listed.json lists"), "{refused}");
    scene.list(&["10.1.0.1"]);
    let released = scene.leases.release(
        &PoolChoice { pool: "listed".into(), datacenter: None, zone: None },
        &id("10.1.0.1"),
        Duration::ZERO,
        &Asker { name: None, may_order: true },
        scene.now,
    );
    assert!(matches!(released, Err(LeaseRefusal::Discovered(..))));
    scene.news();
    let registered = ZONE.replace("discover = { file = \"/run/listed.json\",", "registered = {");
    scene.leases.adopt(&world(&registered), scene.now);
    assert_eq!(scene.news(), ["barred 10.1.0.1"]);
    assert_eq!(scene.claim("listed", "a", "10.1.0.9"), Ok(Claimed::New));
    // What a source says after the edit is about another configuration.
    scene.list(&["10.1.0.1"]);
    assert_eq!(scene.news(), ["registered a"]);
}

#[test]
fn an_endpoint_that_is_about_to_end_is_drained_and_stays_so_when_its_source_fails() {
    let mut scene = Scene::new();
    scene.list(&["10.1.0.1", "10.1.0.2"]);
    scene.news();
    scene.list_leaving(&["10.1.0.2"], &["10.1.0.1"]);
    assert_eq!(scene.news(), ["leaving 10.1.0.1"]);
    let leaving = |scene: &Scene| {
        let views = scene.leases.list(None, scene.now);
        views.iter().map(|view| (view.is_leaving, view.is_kept)).collect::<Vec<_>>()
    };
    assert_eq!(leaving(&scene), [(true, false), (false, false)]);
    scene.leases.take_changed();
    scene.list_leaving(&["10.1.0.2"], &["10.1.0.1"]);
    assert!(!scene.leases.take_changed() && scene.news().is_empty(), "the same list changes nothing");
    scene.found(Err("it is away".into()));
    assert_eq!(leaving(&scene), [(true, false), (false, true)]);
    assert_eq!(scene.news(), ["listed silent 2"]);
    // Its term ends, and it was about to end.
    for _ in 0..61 {
        scene.pass(60.0);
    }
    assert_eq!(scene.of("listed"), ["10.1.0.2?"]);
    assert_eq!(scene.news(), ["released 10.1.0.1"]);
    // Another one that was never there before is drained from the beginning, and may come back.
    scene.list_leaving(&["10.1.0.2"], &["10.1.0.3"]);
    assert_eq!(scene.news(), ["listed heard 1", "registered 10.1.0.3", "leaving 10.1.0.3"]);
    scene.list(&["10.1.0.2", "10.1.0.3"]);
    assert_eq!(scene.news(), ["changed 10.1.0.3"]);
}
