//! Endpoints that depend on something else, and endpoints that are up while a probe fails.

use super::*;
use crate::health::{Push, Said};

/// The address of what endpoints depend on.
const DB: &str = "127.0.0.53";

fn database() -> Arc<Monitor> {
    Arc::new(Monitor { port: 5432, ..tcp() })
}

/// The same world with other conditions: `condition` makes one from the endpoint's own target.
fn with_conditions(mut world: World, condition: impl Fn(Target) -> Condition) -> World {
    for pool in &mut world.pools {
        let Members::Addresses(endpoints) = &mut Arc::make_mut(pool).members else { unreachable!() };
        endpoints.edit(|list| {
            for endpoint in list {
                let Some(Condition::Probe(target)) = endpoint.condition.take() else { unreachable!() };
                endpoint.condition = Some(condition(target));
            }
        });
    }
    world
}

fn dependency() -> Condition {
    Condition::Dependency(target(DB.parse().unwrap(), &database()))
}

#[test]
fn what_all_depend_on_is_probed_once_and_takes_all_of_them_down_in_one_event() {
    let plain = world(tcp(), &[&["127.0.0.1", "127.0.0.2"], &["127.0.0.3"]]);
    let mut scene = Scene::serving(with_conditions(plain, |own| {
        Condition::AtLeast(2, [Condition::Probe(own), dependency()].into())
    }));
    assert_eq!(scene.probed.values().filter(|target| target.address.host() == DB).count(), 1);
    assert_eq!(scene.open(), ["127.0.0.1", "127.0.0.2"]);
    scene.whole_turns.clear();
    scene.dependents.clear();
    scene.pass(scene.now + INTERVAL * 4, but(DB));
    assert!(scene.open().is_empty() && scene.open_in(1).is_empty());
    let both = || vec!["web/0".into(), "web/1".into()];
    assert_eq!(std::mem::take(&mut scene.whole_turns), [(both(), State::Up, State::Down)]);
    assert_eq!(std::mem::take(&mut scene.dependents), [3], "one report for all of them");
    scene.pass(scene.now + INTERVAL * 4, |_| WELL);
    assert_eq!((scene.open().len(), scene.open_in(1).len()), (2, 1));
    assert_eq!(std::mem::take(&mut scene.whole_turns), [(both(), State::Down, State::Up)]);
}

#[test]
fn what_is_measured_of_a_dependency_is_not_of_the_endpoints() {
    let mut scene = Scene::serving(with_conditions(world(tcp(), &[&["127.0.0.1"], &["127.0.0.2"]]), |_| dependency()));
    let db = scene.id_of(&target(DB.parse().unwrap(), &database()));
    let serving = scene.control.serving.as_ref().unwrap();
    assert_eq!((serving.datacenters(db).count(), serving.dependents.own_endpoints(db)), (0, &[][..]));
    assert_eq!(serving.dependents.endpoints(db).len(), 2);
    // A report about an endpoint is not about the database.
    let push = Push {
        endpoint: "127.0.0.1".parse().unwrap(),
        pool: None,
        said: Some(Said::Bad { failures: std::num::NonZeroU8::MAX, reason: None }),
        load: None,
    };
    let (reply, mut replied) = tokio::sync::oneshot::channel();
    scene.happen(Event::Push(push, reply));
    assert!(matches!(replied.try_recv(), Ok(Err(PushRefusal::Unwatched(_)))));
    scene.pass(scene.now + INTERVAL, |_| WELL);
    assert_eq!((scene.open().len(), scene.open_in(1).len()), (1, 1));
}

#[test]
fn an_inverted_endpoint_is_up_once_its_probe_is_down() {
    let inverted =
        with_conditions(world(tcp(), &[&["127.0.0.1"]]), |own| Condition::Not(Box::new(Condition::Probe(own))));
    let mut scene = Scene::new();
    scene.happen(compile(inverted));
    // The first outcome sets the state.
    scene.pass(at(1), |_| REFUSED);
    assert_eq!(scene.open(), ["127.0.0.1"]);
    assert_eq!(std::mem::take(&mut scene.whole_turns), [(vec!["web/0".into()], State::Unknown, State::Up)]);
    // `rise` successes in a row bring the probe up, and take the endpoint down.
    scene.pass(scene.now + INTERVAL, |_| WELL);
    assert!(scene.pool(0).is_restless() && scene.open().len() == 1);
    scene.pass(scene.now + INTERVAL * 2, |_| WELL);
    assert!(scene.open().is_empty());
    assert_eq!(std::mem::take(&mut scene.whole_turns), [(vec!["web/0".into()], State::Up, State::Down)]);
    // `fall` failures in a row take the probe down, and bring the endpoint up.
    scene.pass(scene.now + INTERVAL * 4, |_| REFUSED);
    assert_eq!(scene.open(), ["127.0.0.1"]);
    assert!(!scene.pool(0).is_restless());
}
