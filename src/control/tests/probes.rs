//! From the outcomes of probes to what is served.

use super::*;

#[test]
fn nothing_is_served_before_the_first_round_is_over() {
    let mut scene = Scene::new();
    scene.happen(adopt(&ADDRESSES));
    assert_eq!(scene.probes.len(), 2);
    let ((first, _), (second, target)) = (scene.probes[0].clone(), scene.probes[1].clone());
    scene.happen(Event::Outcome(first, WELL));
    assert!(scene.serving.is_none());
    let down = target.address.host();
    scene.happen(Event::Outcome(second, REFUSED));
    assert_eq!(scene.open().len(), 1);
    assert!(!scene.open().contains(&down));
}

#[test]
fn what_is_unprobed_at_the_deadline_is_up() {
    let mut scene = Scene::new();
    scene.happen(adopt(&ADDRESSES));
    scene.probes.clear();
    scene.now = FIRST_ROUND;
    scene.happen(Event::Tick);
    assert_eq!(scene.open(), ADDRESSES);
}

#[test]
fn a_world_without_monitors_is_served_at_once() {
    let mut scene = Scene::new();
    scene.happen(adopt(&[]));
    assert!(scene.serving.is_some());
}

#[test]
fn an_endpoint_leaves_within_its_falls_and_returns_after_its_rises() {
    let mut scene = Scene::new();
    scene.happen(adopt(&ADDRESSES));
    scene.answer_probes(|_| WELL);
    assert_eq!(scene.open(), ADDRESSES);

    let died = Duration::from_secs(1);
    scene.pass(died, |_| WELL);
    scene.pass(died + INTERVAL * 3 + PUBLISH_WINDOW, but("127.0.0.2"));
    assert_eq!(scene.open(), ["127.0.0.1"]);

    let mended = scene.now;
    scene.pass(mended + INTERVAL * 2 + PUBLISH_WINDOW, |_| WELL);
    assert_eq!(scene.open(), ADDRESSES);
    let second: IpAddr = "127.0.0.2".parse().unwrap();
    let of_second: Vec<_> = scene.turns.iter().filter(|turn| turn.0 == second).map(|turn| turn.1).collect();
    assert_eq!(of_second, [State::Up, State::Down, State::Up], "each transition is told once");
}

#[test]
fn the_first_unconfirmed_failure_is_published() {
    let mut scene = Scene::new();
    scene.happen(adopt(&ADDRESSES));
    scene.answer_probes(|_| WELL);
    assert!(!scene.pool(0).is_restless());
    scene.pass(INTERVAL + PUBLISH_WINDOW, but("127.0.0.2"));
    assert!(scene.pool(0).is_restless());
    assert_eq!(scene.open(), ADDRESSES);
}

#[test]
fn a_reload_keeps_health_and_waits_for_what_is_new() {
    let mut scene = Scene::new();
    scene.happen(adopt(&ADDRESSES));
    scene.answer_probes(but("127.0.0.2"));
    assert_eq!(scene.open(), ["127.0.0.1"]);

    scene.happen(adopt(&["127.0.0.1", "127.0.0.2", "127.0.0.3"]));
    assert_eq!(scene.probes.len(), 1, "only the new one is probed at once");
    assert_eq!(scene.serving.as_ref().unwrap().generation(), 1, "the old configuration goes on");
    scene.answer_probes(|_| REFUSED);
    assert_eq!(scene.open(), ["127.0.0.1"]);
    assert_eq!(scene.serving.as_ref().unwrap().generation(), 2);
}

#[test]
fn a_removed_endpoint_is_probed_no_more() {
    let mut scene = Scene::new();
    scene.happen(adopt(&ADDRESSES));
    scene.answer_probes(|_| WELL);
    scene.happen(adopt(&["127.0.0.1"]));
    assert_eq!(scene.open(), ["127.0.0.1"]);
    scene.now = INTERVAL;
    scene.happen(Event::Tick);
    assert_eq!(scene.probes.len(), 1);
}

#[test]
fn when_all_died_a_pool_knows_what_was_up_before() {
    let recent = |scene: &Scene, place: usize| -> Vec<u8> {
        let crate::snapshot::Kind::Addresses(v4, _) = scene.pool(place).kind() else { panic!("no addresses") };
        v4.select(crate::snapshot::Selection::Recent).iter().map(|member| member.value[3]).collect()
    };
    let pools: &[&[&str]] = &[&["127.0.0.1", "127.0.0.2", "127.0.0.3"], &["127.0.0.4"]];
    let mut scene = Scene::serving(world(tcp(), pools));
    scene.pass(at(60), but("127.0.0.2"));
    let died = scene.now;
    scene.pass(died + INTERVAL * 4, |_| REFUSED);
    assert!(!scene.pool(0).is_open(Family::V4) && !scene.pool(1).is_open(Family::V4));
    assert_eq!(recent(&scene, 0), [1, 3], "one was dead before, and the others died together");
    for pool in [0, 1] {
        let last_up = scene.pool(pool).last_up(Family::V4);
        assert!(last_up > died && last_up <= scene.now);
    }
    assert_eq!(scene.pool(0).outage(), INTERVAL * 3 + at(2));

    // It is known after a restart too.
    scene.happen(Event::Stop);
    let mut again = Scene::restarted(scene.kept.clone(), scene.now + at(30));
    again.happen(compile(world(tcp(), pools)));
    assert_eq!(recent(&again, 0), [1, 3]);
}

#[test]
fn a_probe_that_runs_is_stopped_when_its_endpoint_goes() {
    let mut scene = Scene::serving(world(tcp(), &[&ADDRESSES]));
    scene.now = INTERVAL;
    scene.happen(Event::Tick);
    assert_eq!(scene.probes.len(), 2);
    scene.happen(adopt(&["127.0.0.1"]));
    let stopped: Vec<_> = scene.stopped.iter().map(|target| target.address.host()).collect();
    assert_eq!(stopped, ["127.0.0.2"]);
}

#[test]
fn a_probe_that_broke_off_is_not_waited_for_and_comes_again() {
    let mut scene = Scene::new();
    scene.happen(adopt(&["127.0.0.1"]));
    let (id, _) = scene.probes.pop().unwrap();
    scene.happen(Event::Lost(id));
    assert_eq!(scene.open(), ["127.0.0.1"], "nothing speaks against it");
    scene.pass(INTERVAL, |_| REFUSED);
    assert!(scene.open().is_empty());
}

#[test]
fn an_endpoint_that_asks_for_less_is_degraded_and_told_so() {
    let half = Share::from_thousandths(500);
    let asks = |share| Outcome::Success(Finding { share, ..Finding::full(Duration::ZERO) });
    let mut scene = Scene::serving(world(tcp(), &[&ADDRESSES]));
    scene.turns.clear();
    scene.pass(scene.now + INTERVAL * 3, |address| asks(if address == "127.0.0.2" { half } else { Share::FULL }));
    assert_eq!(scene.turns, [("127.0.0.2".parse().unwrap(), State::Degraded(half))]);
    assert_eq!(scene.open(), ADDRESSES, "it still answers");
    scene.pass(scene.now + INTERVAL * 3, |_| WELL);
    assert_eq!(scene.turns.last().unwrap().1, State::Up);
}

#[test]
fn an_endpoint_that_asks_for_nothing_is_drained_and_not_down() {
    let asks = |share| Outcome::Success(Finding { share, ..Finding::full(Duration::ZERO) });
    let one = |share| move |address: &str| asks(if address == "127.0.0.2" { share } else { Share::FULL });
    let mut both = world(tcp(), &[&ADDRESSES, &["127.0.0.2"]]);
    for pool in &mut both.pools {
        Arc::make_mut(pool).min_healthy = MinHealthy::try_new(1.0).unwrap();
    }
    let mut scene = Scene::serving(both);
    scene.turns.clear();
    scene.pass(scene.now + INTERVAL * 4, one(Share::NONE));
    assert_eq!(scene.turns, [("127.0.0.2".parse().unwrap(), State::Degraded(Share::NONE))]);
    assert_eq!(scene.open(), ["127.0.0.1"]);
    assert!(scene.pool(0).is_usable(Family::V4), "what drains is not missed");
    assert!(!scene.pool(1).is_open(Family::V4) && scene.pool(1).is_draining(Family::V4), "it answers as the last one");

    // The drained state is kept, and then the endpoint falls like any other.
    scene.happen(Event::Stop);
    let mut again = Scene::restarted(scene.kept.clone(), scene.now);
    again.happen(compile(world(tcp(), &[&ADDRESSES])));
    assert_eq!(again.open(), ["127.0.0.1"]);
    assert!(again.pool(0).has_draining());
    scene.pass(scene.now + INTERVAL * 4, but("127.0.0.2"));
    assert_eq!(scene.turns.last().unwrap().1, State::Down);
    assert!(!scene.pool(1).is_draining(Family::V4) && !scene.pool(0).is_usable(Family::V4));
    // A thousandth is more than nothing.
    scene.pass(scene.now + INTERVAL * 4, one(Share::from_part(0.000_4)));
    assert!(scene.pool(0).is_usable(Family::V4) && scene.pool(1).is_open(Family::V4));
}

#[test]
fn an_aggregate_turns_when_what_its_probes_come_to_does() {
    let parts = [80, 81, 82].map(|port| Arc::new(Monitor { port, ..tcp() }));
    let mut aggregate = world(tcp(), &[&["127.0.0.1"], &["127.0.0.1"]]);
    for pool in &mut aggregate.pools {
        let Members::Addresses(endpoints) = &mut Arc::make_mut(pool).members else { unreachable!() };
        let probes = parts.each_ref().map(|monitor| Condition::Probe(target(endpoints[0].value, monitor)));
        endpoints.edit(|list| list[0].condition = Some(Condition::AtLeast(2, probes.into())));
    }
    let mut scene = Scene::serving(aggregate);
    let turned = |scene: &mut Scene, ports: &[u16], outcome: &Outcome| {
        scene.whole_turns.clear();
        for _ in 0..3 {
            for monitor in parts.iter().filter(|monitor| ports.contains(&monitor.port)) {
                let target = target("127.0.0.1".parse().unwrap(), monitor);
                scene.happen(Event::Outcome(scene.id_of(&target), outcome.clone()));
            }
        }
        std::mem::take(&mut scene.whole_turns)
    };
    let both = || vec!["web/0".into(), "web/1".into()];
    assert_eq!(turned(&mut scene, &[80], &REFUSED), [], "two of three are left");
    assert_eq!(turned(&mut scene, &[82], &REFUSED), [(both(), State::Up, State::Down)]);
    assert_eq!(turned(&mut scene, &[81], &REFUSED), [], "it is down already");
    assert_eq!(turned(&mut scene, &[80], &WELL), []);
    assert_eq!(turned(&mut scene, &[81], &WELL), [(both(), State::Down, State::Up)]);
    let turned_at = scene.control.survey().turned;
    assert_eq!(turned_at.len(), 2);
    assert!(turned_at.values().all(|&since| since == scene.now));
}

#[test]
fn what_is_held_down_comes_back_with_the_first_good_outcome_after_it() {
    let hold_down = at(60);
    let mut scene = Scene::serving(world(Monitor { hold_down, ..tcp() }, &[&ADDRESSES]));
    scene.pass(INTERVAL * 4, but("127.0.0.2"));
    assert_eq!(scene.open(), ["127.0.0.1"]);
    scene.pass(hold_down, |_| WELL);
    assert_eq!(scene.open(), ["127.0.0.1"]);
    scene.pass(INTERVAL * 4 + hold_down + INTERVAL + PUBLISH_WINDOW, |_| WELL);
    assert_eq!(scene.open(), ADDRESSES);
    assert!(!scene.pool(0).is_restless());
}
