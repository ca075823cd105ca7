//! Fail-static: all endpoints stop answering at once.

use super::*;
use crate::health::{ExecCheck, ExitCodes};

/// Three endpoints in two datacenters.
const SOME: &[&[&str]] = &[&["127.0.0.1", "127.0.0.2"], &["127.0.0.3"]];
const NO_ROUTE: Outcome = Outcome::Failure(Failure::Unreachable);
const NO_DESCRIPTORS: Outcome = Outcome::Failure(Failure::NoDescriptors);

/// Long enough for every probe to have run again.
const ROUND: Duration = Duration::from_millis(5100);

fn began(scene: &Scene) -> bool {
    matches!(scene.fail_statics.first(), Some(FailStaticEvent::Began { targets: 3, datacenters: 2, .. }))
}

fn all_open(scene: &Scene) -> bool {
    scene.open_in(0).len() + scene.open_in(1).len() == 3
}

#[test]
fn a_pulled_cable_takes_nothing_out_and_is_told() {
    for outcome in [TIMED_OUT, NO_ROUTE, NO_DESCRIPTORS] {
        let mut scene = Scene::serving(world(tcp(), SOME));
        scene.turns.clear();
        scene.pass(at(50), |_| outcome.clone());
        assert!(began(&scene), "{outcome}: {:?}", scene.fail_statics);
        assert!(all_open(&scene), "{outcome}");
        assert!(scene.pool(0).is_restless() && scene.pool(1).is_restless(), "the TTL is short meanwhile");

        scene.pass(at(50) + ROUND, |_| WELL);
        assert!(matches!(scene.fail_statics[1..], [FailStaticEvent::Answered(_)]));
        assert!(all_open(&scene));
        assert!(!scene.pool(0).is_restless() && !scene.pool(1).is_restless());
        assert!(scene.turns.is_empty(), "{:?}", scene.turns);
    }
}

#[test]
fn what_falls_at_the_first_failure_is_put_back() {
    let monitor = Monitor { fall: std::num::NonZeroU8::MIN, ..tcp() };
    let mut scene = Scene::serving(world(monitor, SOME));
    scene.turns.clear();
    scene.pass(at(1) + ROUND, |_| TIMED_OUT);
    assert!(began(&scene));
    assert!(all_open(&scene));
    let downs = scene.turns.iter().filter(|turn| turn.1 == State::Down).count();
    let ups = scene.turns.iter().filter(|turn| turn.1 == State::Up).count();
    assert_eq!((downs, ups), (2, 2), "the reports of the changes are taken back");
}

#[test]
fn a_hold_ends_by_itself_and_the_usual_rule_goes_on() {
    let mut scene = Scene::serving(world(tcp(), SOME));
    scene.pass(at(1) + ROUND, |_| TIMED_OUT);
    assert!(began(&scene));
    scene.pass(at(61), |_| TIMED_OUT);
    assert!(all_open(&scene));
    scene.pass(at(61) + ROUND * 4, |_| TIMED_OUT);
    assert_eq!(scene.fail_statics[1..], [FailStaticEvent::Ended]);
    assert!(scene.open_in(0).is_empty() && scene.open_in(1).is_empty());
    // Fail-static does not begin again before the endpoints have answered.
    scene.pass(at(600), |_| TIMED_OUT);
    assert_eq!(scene.fail_statics.len(), 2);
    scene.pass(at(700), |_| WELL);
    scene.pass(at(720), |_| TIMED_OUT);
    assert_eq!(scene.fail_statics.len(), 3);
    assert!(all_open(&scene));
}

#[test]
fn a_datacenter_that_dies_alone_falls_as_usual() {
    let mut scene = Scene::serving(world(tcp(), SOME));
    scene.pass(at(30), |address| if address == "127.0.0.3" { WELL } else { TIMED_OUT });
    assert!(scene.fail_statics.is_empty());
    assert_eq!((scene.open_in(0).len(), scene.open_in(1).len()), (0, 1));
    // The last target follows later, alone.
    scene.pass(at(60), |_| TIMED_OUT);
    assert!(scene.fail_statics.is_empty());
    assert!(scene.open_in(1).is_empty());
}

#[test]
fn few_endpoints_or_one_datacenter_are_no_reason_to_doubt() {
    let two: &[&[&str]] = &[&["127.0.0.1"], &["127.0.0.2"]];
    let one: &[&[&str]] = &[&["127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4"]];
    for pools in [two, one] {
        let mut scene = Scene::serving(world(tcp(), pools));
        scene.pass(at(30), |_| TIMED_OUT);
        assert!(scene.fail_statics.is_empty());
        assert!(scene.open_in(0).is_empty());
    }
}

#[test]
fn those_that_refuse_fall_as_usual() {
    let mut scene = Scene::serving(world(tcp(), SOME));
    scene.pass(at(20), |_| REFUSED);
    assert!(scene.fail_statics.is_empty());
    assert!(scene.open_in(0).is_empty() && scene.open_in(1).is_empty());
}

#[test]
fn a_refusal_ends_a_hold_and_counts() {
    let mut scene = Scene::serving(world(tcp(), SOME));
    scene.pass(at(30), |_| TIMED_OUT);
    assert!(began(&scene));
    scene.pass(at(30) + ROUND * 4, |address| if address == "127.0.0.1" { REFUSED } else { TIMED_OUT });
    assert!(matches!(scene.fail_statics[1..], [FailStaticEvent::Answered(_)]));
    assert!(scene.open_in(0).is_empty() && scene.open_in(1).is_empty());
}

#[test]
fn those_that_died_long_ago_do_not_count_and_those_that_were_down_do_not_matter() {
    let pools: &[&[&str]] = &[&["127.0.0.1", "127.0.0.2"], &["127.0.0.3", "127.0.0.4"]];
    let mut scene = Scene::serving(world(tcp(), pools));
    let two_died = |address: &str| if matches!(address, "127.0.0.1" | "127.0.0.3") { TIMED_OUT } else { WELL };
    scene.pass(at(100), two_died);
    scene.pass(at(130), |_| TIMED_OUT);
    assert!(scene.fail_statics.is_empty(), "two turned now, two long ago");

    let mut scene = Scene::serving(world(tcp(), pools));
    scene.pass(at(100), but("127.0.0.1"));
    scene.pass(at(130), |address| if address == "127.0.0.1" { REFUSED } else { TIMED_OUT });
    // The endpoint that is down keeps refusing. That proves nothing: a firewall of this node may refuse.
    assert!(began(&scene) && scene.fail_statics.len() == 1, "{:?}", scene.fail_statics);
    assert_eq!((scene.open_in(0).len(), scene.open_in(1).len()), (1, 2));
}

#[test]
fn whoever_answers_clears_those_that_turned_before() {
    let mut scene = Scene::serving(world(tcp(), SOME));
    // A datacenter dies. The other one answers three times more before it hangs too: this node could be heard
    // meanwhile.
    scene.pass(at(1) + INTERVAL * 4, |address| if address == "127.0.0.3" { WELL } else { TIMED_OUT });
    scene.pass(at(60), |_| TIMED_OUT);
    assert!(scene.fail_statics.is_empty(), "{:?}", scene.fail_statics);
    assert!(scene.open_in(0).is_empty() && scene.open_in(1).is_empty());

    // A target that was down answers with a status: this also shows that this node can be heard.
    let status = Outcome::Failure(Failure::Status(503));
    let pools: &[&[&str]] = &[&["127.0.0.1", "127.0.0.2"], &["127.0.0.3", "127.0.0.4"]];
    let mut scene = Scene::serving(world(tcp(), pools));
    scene.pass(at(60), |address| if address == "127.0.0.4" { status.clone() } else { WELL });
    scene.pass(at(120), |address| if address == "127.0.0.4" { status.clone() } else { TIMED_OUT });
    assert!(scene.fail_statics.is_empty(), "{:?}", scene.fail_statics);
    assert!(scene.open_in(0).is_empty() && scene.open_in(1).is_empty());
}

#[test]
fn one_that_answers_badly_and_falls_silent_with_the_others_is_one_of_them() {
    let mut scene = Scene::serving(world(tcp(), SOME));
    let status = |address: &str| if address == "127.0.0.3" { Outcome::Failure(Failure::Status(503)) } else { WELL };
    scene.pass(at(60), status);
    scene.pass(at(80), |_| TIMED_OUT);
    assert!(began(&scene), "{:?}", scene.fail_statics);
    assert_eq!((scene.open_in(0).len(), scene.open_in(1).len()), (2, 0), "it is down as before");
    scene.pass(at(90), status);
    assert!(matches!(scene.fail_statics[1..], [FailStaticEvent::Answered(_)]), "{:?}", scene.fail_statics);
}

/// The same world, with two probes for every endpoint.
fn with_two_probes(pools: &[&[&str]]) -> World {
    let mut world = world(tcp(), pools);
    for pool in &mut world.pools {
        let spec = Arc::make_mut(pool);
        let Members::Addresses(endpoints) = &mut spec.members else { unreachable!() };
        endpoints.edit(|list| {
            for endpoint in list {
                let second = Arc::new(Monitor { port: 81, ..tcp() });
                let parts = [Arc::new(tcp()), second].map(|monitor| Condition::Probe(target(endpoint.value, &monitor)));
                endpoint.condition = Some(Condition::AtLeast(2, parts.into()));
            }
        });
    }
    world
}

#[test]
fn endpoints_are_counted_and_not_their_probes() {
    // Two endpoints with two probes each, and one machine in two pools that contain others too.
    let two: &[&[&str]] = &[&["127.0.0.1"], &["127.0.0.2"]];
    let shared: &[&[&str]] = &[&["127.0.0.1", "127.0.0.2"], &["127.0.0.1", "127.0.0.2"]];
    let mut two_ports = world(tcp(), shared);
    let other_port = world(Monitor { port: 81, ..tcp() }, shared);
    two_ports.pools[1] = other_port.pools[1].clone();
    for world in [with_two_probes(two), two_ports] {
        let mut scene = Scene::serving(world);
        scene.pass(at(60), |_| TIMED_OUT);
        assert!(scene.fail_statics.is_empty(), "{:?}", scene.fail_statics);
        assert!(scene.open_in(0).is_empty() && scene.open_in(1).is_empty());
    }
    let mut scene = Scene::serving(with_two_probes(SOME));
    scene.pass(at(30), |_| TIMED_OUT);
    assert!(began(&scene) && all_open(&scene), "three are three: {:?}", scene.fail_statics);
}

#[test]
fn a_restart_within_a_hold_goes_on_with_it_and_begins_no_new_one() {
    let mut before = Scene::serving(world(tcp(), SOME));
    before.pass(at(30), |_| TIMED_OUT);
    let until = before.control.survey().held_until.unwrap();
    assert!(began(&before));
    let mut scene = Scene::restarted(before.kept.clone(), at(31));
    scene.happen(Event::Resume(before.recovery_states.clone()));
    scene.happen(compile(world(tcp(), SOME)));
    assert_eq!(scene.control.survey().held_until, Some(until), "it ends when it would have ended");
    assert_eq!(scene.fail_statics, [FailStaticEvent::Resumed]);
    scene.pass(until - at(1), |_| TIMED_OUT);
    assert!(all_open(&scene) && scene.pool(0).is_restless());
    scene.pass(until + ROUND * 4, |_| TIMED_OUT);
    assert_eq!(scene.fail_statics[1..], [FailStaticEvent::Ended]);
    assert!(scene.open_in(0).is_empty() && scene.open_in(1).is_empty());

    // The hold ended with an answer, or its time passed while the node was away: it does not go on, and no new one
    // begins.
    for (now, heard) in [(at(40), true), (at(200), false)] {
        let mut before = Scene::serving(world(tcp(), SOME));
        before.pass(at(30), |_| TIMED_OUT);
        if heard {
            before.pass(at(38), |_| WELL);
        }
        let mut scene = Scene::restarted(before.kept.clone(), now);
        scene.happen(Event::Resume(before.recovery_states.clone()));
        scene.happen(compile(world(tcp(), SOME)));
        assert_eq!(scene.control.survey().held_until, None);
        scene.pass(now + ROUND * 4, |_| TIMED_OUT);
        assert_eq!(scene.fail_statics.len(), usize::from(heard), "{:?}", scene.fail_statics);
    }
}

#[test]
fn a_restart_after_a_hold_begins_no_new_one_before_something_answers() {
    let mut before = Scene::serving(world(tcp(), SOME));
    before.pass(at(30), |_| TIMED_OUT);
    let until = before.control.survey().held_until.unwrap();
    // The hold is over, but no endpoint is down yet: all of their kept states are still up.
    before.pass(until + at(1), |_| TIMED_OUT);
    assert!(
        matches!(before.fail_statics[..], [FailStaticEvent::Began { .. }, FailStaticEvent::Ended]) && all_open(&before)
    );
    before.happen(Event::Stop);
    let restarted = |before: &Scene| {
        let mut scene = Scene::restarted(before.kept.clone(), before.now + at(1));
        scene.happen(Event::Resume(before.recovery_states.clone()));
        scene.happen(compile(world(tcp(), SOME)));
        scene
    };
    let mut scene = restarted(&before);
    scene.recovery_states = before.recovery_states.clone();
    scene.pass(before.now + ROUND * 5, |_| TIMED_OUT);
    assert!(scene.fail_statics.is_empty(), "{:?}", scene.fail_statics);
    assert!(scene.open_in(0).is_empty() && scene.open_in(1).is_empty());
    assert!(scene.recovery_states.contains_key("network"), "for the next restart");

    // Once something answered, the next outage is another one, after a restart too.
    scene.pass(scene.now + ROUND * 4, |_| WELL);
    scene.happen(Event::Stop);
    assert!(!scene.recovery_states.contains_key("network"));
    let mut scene = restarted(&scene);
    scene.pass(scene.now + ROUND * 4, |_| TIMED_OUT);
    assert!(began(&scene) && all_open(&scene));
}

#[test]
fn without_a_hold_there_is_no_doubt() {
    let mut without = world(tcp(), SOME);
    without.probing.hold = Duration::ZERO;
    let mut scene = Scene::serving(without);
    scene.pass(at(30), |_| TIMED_OUT);
    assert!(scene.fail_statics.is_empty());
    assert!(scene.open_in(0).is_empty());
}

#[test]
fn what_comes_while_the_node_doubts_is_up_until_it_can_be_seen() {
    let mut scene = Scene::serving(world(tcp(), SOME));
    scene.pass(at(20), |_| TIMED_OUT);
    assert!(began(&scene));
    scene.happen(compile(world(tcp(), &[&["127.0.0.1", "127.0.0.2", "127.0.0.9"], &["127.0.0.3"]])));
    scene.pass(at(30), |_| TIMED_OUT);
    assert_eq!(scene.open_in(0).len(), 3);
    assert!(scene.pool(0).is_restless());
}

#[test]
fn a_node_that_restarts_behind_a_pulled_cable_answers_as_before() {
    let mut before = Scene::serving(world(tcp(), SOME));
    before.pass(at(10), but("127.0.0.2"));
    before.pass(at(30), but("127.0.0.2"));
    before.happen(Event::Stop);
    let pools: &[&[&str]] = &[&["127.0.0.1", "127.0.0.2"], &["127.0.0.3"], &["127.0.0.4"]];
    let mut scene = Scene::restarted(before.kept.clone(), at(60));
    scene.happen(compile(world(tcp(), pools)));
    scene.pass(at(90), |address| if address == "127.0.0.4" { WELL } else { TIMED_OUT });
    assert!(scene.fail_statics.is_empty(), "one of them answers");

    let mut before = Scene::serving(world(tcp(), SOME));
    before.pass(at(30), |_| WELL);
    before.happen(Event::Stop);
    let confirmed: Vec<_> = before.kept.values().map(|kept| kept.confirmed).collect();
    let mut scene = Scene::restarted(before.kept, at(60));
    scene.happen(compile(world(tcp(), SOME)));
    scene.pass(at(110), |_| TIMED_OUT);
    assert!(began(&scene) && all_open(&scene));
    scene.happen(Event::Stop);
    let still: Vec<_> = scene.kept.values().map(|kept| kept.confirmed).filter(|time| *time > at(65)).collect();
    assert!(still.is_empty(), "an outcome that does not count confirms nothing: {confirmed:?}, {still:?}");
}

#[test]
fn what_programs_find_neither_makes_a_doubt_nor_ends_it() {
    let program = ExecCheck {
        program: std::path::Path::new("/bin/true").into(),
        arguments: Vec::new(),
        degraded: ExitCodes::default(),
    };
    let exec = Monitor { pace: pace(INTERVAL), ..Monitor::new(Check::Exec(program), 0) };
    let with_program = |sent: &[&[&str]], run: &[&[&str]]| {
        let (mut both, more) = (world(tcp(), sent), world(exec.clone(), run));
        both.pools.extend(more.pools);
        both
    };
    let mut scene = Scene::serving(with_program(SOME, &[&["127.0.0.9"]]));
    scene.pass(at(30), |address| if address == "127.0.0.9" { WELL } else { TIMED_OUT });
    assert!(began(&scene) && scene.fail_statics.len() == 1, "{:?}", scene.fail_statics);

    // A program that this node cannot run is this node's own fault, whatever state its network is in.
    let missing = Outcome::Failure(Failure::Unrunnable("./check".to_owned()));
    let mut scene = Scene::serving(with_program(SOME, &[&["127.0.0.7", "127.0.0.8"], &["127.0.0.9"]]));
    scene.pass(at(30), |address| if address < "127.0.0.7" { WELL } else { missing.clone() });
    assert!(began(&scene), "{:?}", scene.fail_statics);
    assert_eq!((scene.open_in(2).len(), scene.open_in(3).len()), (2, 1));
    assert!(scene.pool(2).is_restless() && !scene.pool(0).is_restless());

    let mut scene = Scene::serving(with_program(&[&["127.0.0.1"], &["127.0.0.2"]], &[&["127.0.0.8"], &["127.0.0.9"]]));
    scene.pass(at(30), |_| TIMED_OUT);
    assert!(scene.fail_statics.is_empty(), "two probes are too few");
    assert!((0..4).all(|pool| scene.open_in(pool).is_empty()));
}
