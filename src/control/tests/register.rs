//! Registered endpoints come and go while a configuration is served, or while one waits.

use super::*;
use crate::health::ConditionTemplate;
use crate::snapshot::{AdminState, Bounds, LeaseMark, Registered, Registration};

const GUEST: &str = "127.0.0.9";

/// A world whose first pool takes registered endpoints.
fn open_world() -> World {
    let mut world = world(tcp(), &[&ADDRESSES, &["127.0.1.1"]]);
    let prefixes = ["127.0.0.0/8".parse().unwrap()].into();
    let bounds = Bounds { max: 9, prefixes, keep_last: true, by: None, source: None };
    let template = ConditionTemplate::Probe { monitor: Arc::new(tcp()), host: Some("a".into()) };
    let registration = Some(Registration { bounds, template: Some(template), problem: None });
    let pool = &mut world.pools[0];
    *pool = Arc::new(PoolSpec { registration, ..PoolSpec::clone(pool) });
    world
}

/// The blueprint with this endpoint in its first pool, or with none.
fn with_guest(blueprint: &Blueprint, guest: Option<(&str, bool)>) -> Arc<Blueprint> {
    let registered = |_: &PoolSpec| {
        let guests = guest.into_iter().map(|(address, is_leaving)| Registered {
            address: address.parse().unwrap(),
            weight: 1,
            capacity: None,
            lease: LeaseMark { id: "guest".into(), is_leaving, is_kept: false },
        });
        guests.collect()
    };
    Arc::new(blueprint.with_registered(registered, |_| None).expect("that is a change"))
}

#[test]
fn an_endpoint_that_registers_is_handed_out_after_its_first_outcome() {
    let mut scene = Scene::serving(open_world());
    let first = scene.serving.clone().unwrap().blueprint().clone();
    let second = with_guest(&first, Some((GUEST, false)));
    scene.happen(Event::Register(second.clone()));
    let snapshot = scene.serving.clone().unwrap();
    assert!(snapshot.is_of(&second), "nothing is waited for");
    assert_eq!(scene.open_in(0), ADDRESSES, "the others stay as they are");
    assert_eq!(scene.pool(0).endpoint_state(2).admin_state, AdminState::Pending);
    assert!(!scene.pool(0).is_restless(), "it moves nobody who is here already");
    scene.pass(scene.now + at(1), |_| WELL);
    assert_eq!(scene.open_in(0), [ADDRESSES[0], ADDRESSES[1], GUEST]);
    // It asks to leave, and is gone.
    let third = with_guest(&second, Some((GUEST, true)));
    scene.happen(Event::Register(third.clone()));
    assert_eq!(scene.open_in(0), ADDRESSES);
    assert_eq!(scene.pool(0).endpoint_state(2).admin_state, AdminState::Draining);
    scene.happen(Event::Register(with_guest(&third, None)));
    assert_eq!(scene.pool(0).spec().members.len(), 2);
    assert!(scene.stopped.iter().all(|target| target.address.host() == GUEST));
    let generation = scene.serving.as_ref().unwrap().generation();
    assert_eq!(generation, snapshot.generation() + 3, "one for its outcome, one for each step of its leave");
}

#[test]
fn an_endpoint_whose_first_outcome_is_bad_is_down() {
    let mut scene = Scene::serving(open_world());
    let first = scene.serving.clone().unwrap().blueprint().clone();
    scene.happen(Event::Register(with_guest(&first, Some((GUEST, false)))));
    scene.pass(scene.now + at(1), but(GUEST));
    assert_eq!(scene.open_in(0), ADDRESSES);
    let state = scene.pool(0).endpoint_state(2);
    assert_eq!((state.admin_state, state.share.is_some()), (AdminState::On, false));
}

#[test]
fn an_endpoint_that_registers_while_a_configuration_waits_waits_with_it_and_no_longer() {
    let mut scene = Scene::new();
    let first = blueprint(open_world());
    scene.happen(Event::Adopt(first.clone()));
    scene.now += FIRST_ROUND / 2;
    let second = with_guest(&first, Some((GUEST, false)));
    scene.happen(Event::Register(second.clone()));
    assert!(scene.serving.is_none());
    scene.now += FIRST_ROUND / 2;
    scene.happen(Event::Tick);
    assert!(scene.serving.as_ref().is_some_and(|snapshot| snapshot.is_of(&second)));
    // Without an outcome, the endpoints of the file count as up, and the registered one does not.
    assert_eq!(scene.open_in(0), ADDRESSES);
}

#[test]
fn a_restart_hands_out_a_registered_endpoint_that_was_up() {
    let mut scene = Scene::serving(open_world());
    let first = scene.serving.clone().unwrap().blueprint().clone();
    let second = with_guest(&first, Some((GUEST, false)));
    scene.happen(Event::Register(second.clone()));
    scene.pass(scene.now + at(3), |_| WELL);
    let mut restarted = Scene::restarted(scene.kept.clone(), scene.now);
    restarted.happen(Event::Adopt(second));
    assert_eq!(restarted.open_in(0), [ADDRESSES[0], ADDRESSES[1], GUEST]);
}
