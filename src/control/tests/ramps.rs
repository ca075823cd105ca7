//! Slow starts, held pools and gradual drains.

use tokio::sync::oneshot;

use super::*;
use crate::health::{Failback, Recovery};
use crate::overrides::{Mode, Order};
use crate::snapshot::{AdminState, Pool};

const MINUTE: Duration = Duration::from_secs(60);

/// Long enough for falls, for rises, and for the last publication.
const TURN: Duration = Duration::from_secs(30);

const POOLS: &[&[&str]] = &[&["127.0.0.1", "127.0.0.2"], &["127.0.0.3"]];

const FIRST: [&str; 2] = ["127.0.0.1", "127.0.0.2"];

/// Two pools. The first one has this recovery.
fn recovering(recovery: Recovery) -> World {
    let mut world = world(tcp(), POOLS);
    Arc::make_mut(&mut world.pools[0]).recovery = recovery;
    world
}

fn slow_start(time: Duration) -> Recovery {
    Recovery { slow_start: time, ..Recovery::default() }
}

fn failback(failback: Failback) -> Recovery {
    Recovery { failback, ..Recovery::default() }
}

/// Refusals at these addresses; all others are up.
fn without(down: &[&str]) -> impl Fn(&str) -> Outcome {
    move |address| if down.contains(&address) { REFUSED } else { WELL }
}

impl Scene {
    fn elapse(&mut self, time: Duration, down: &[&str]) {
        self.pass(self.now + time, without(down));
    }

    /// Lets time pass until the condition holds for the first pool, at most for a minute.
    fn pass_until(&mut self, down: &[&str], is_so: impl Fn(&Pool) -> bool) {
        let end = self.now + MINUTE;
        while !is_so(self.pool(0)) {
            assert!(self.now < end, "{:?}", self.pool(0));
            self.elapse(PUBLISH_WINDOW, down);
        }
    }

    fn order(&mut self, mode: Mode, target: &str, over: Option<Duration>) -> usize {
        let target = target.parse().unwrap();
        let order = Order { mode, target, from: None, until: None, over, reason: "".into(), who: "ada".into() };
        let (to, mut reply) = oneshot::channel();
        self.happen(Event::Override(OverrideEvent::Place(order.into(), to)));
        let changes = reply.try_recv().expect("an answer comes with the step").unwrap().len();
        self.elapse(PUBLISH_WINDOW, &[]);
        changes
    }

    /// The share of its queries that the first pool takes, in per cent.
    fn percent(&self) -> u16 {
        self.pool(0).ramp().thousandths() / 10
    }

    fn is_held(&self) -> bool {
        let pool = self.pool(0);
        assert!(!pool.is_held(Family::V4) || !pool.is_open(Family::V4));
        pool.is_held(Family::V4)
    }

    /// The next run of this node, this much later, with all rows that were kept.
    fn next_run(&mut self, world: World, later: Duration) -> Self {
        self.happen(Event::Stop);
        let mut scene = Self::restarted(self.kept.clone(), self.now + later);
        scene.recovery_states = self.recovery_states.clone();
        scene.happen(Event::Resume(self.recovery_states.clone()));
        scene.happen(compile(world));
        scene
    }
}

#[test]
fn nothing_ramps_at_the_first_round_nor_after_a_reload() {
    let world = || recovering(slow_start(MINUTE));
    let mut scene = Scene::serving(world());
    assert_eq!((scene.percent(), scene.pool(0).is_restless()), (100, false));
    scene.happen(compile(world()));
    scene.elapse(TURN, &[]);
    assert_eq!(scene.percent(), 100);
    let mut more = recovering(slow_start(MINUTE));
    more.pools[0] = Arc::new(PoolSpec {
        members: super::world(tcp(), &[&["127.0.0.1", "127.0.0.2", "127.0.0.9"]]).pools[0].members.clone(),
        ..PoolSpec::clone(&more.pools[0])
    });
    scene.happen(compile(more));
    scene.elapse(TURN, &[]);
    assert_eq!((scene.open().len(), scene.pool(0).is_ramping()), (3, false), "what is new was never down");
}

#[test]
fn a_pool_that_recovered_takes_more_and_more_over_its_slow_start() {
    let mut scene = Scene::serving(recovering(slow_start(MINUTE)));
    scene.elapse(TURN, &FIRST);
    scene.pass_until(&[], Pool::is_ramping);
    let (began, published) = (scene.now, scene.publications);
    assert_eq!(scene.percent(), 5);
    assert!(scene.pool(0).is_restless());
    let mut last = 0;
    for second in 1..60 {
        scene.elapse(at(1), &[]);
        let percent = scene.percent();
        let linear = 5.0 + 95.0 * f64::from(second) / 60.0;
        // The endpoint that came up first is ahead. Shares are at most a second old, and rounded down.
        assert!((linear - 3.0..linear + 0.1).contains(&f64::from(percent)), "{second}: {percent}");
        assert!(percent >= last);
        last = percent;
    }
    scene.pass_until(&[], |pool| pool.ramp().is_full());
    assert!(scene.now <= began + MINUTE + TICK + PUBLISH_WINDOW, "{:?}", scene.now - began);
    scene.pass_until(&[], |pool| !pool.is_restless());
    let publications = scene.publications - published;
    assert!((20..=75).contains(&publications), "{publications}");
    let published = scene.publications;
    scene.elapse(MINUTE, &[]);
    assert_eq!(scene.publications, published, "what is over costs nothing");
}

#[test]
fn only_pools_that_ramp_are_made_anew() {
    let mut scene = Scene::serving(recovering(slow_start(MINUTE)));
    scene.elapse(TURN, &FIRST);
    scene.pass_until(&[], Pool::is_ramping);
    let before = scene.serving.clone().unwrap();
    scene.elapse(at(10), &[]);
    let after = scene.serving.clone().unwrap();
    assert!(!Arc::ptr_eq(&before.pools()[0], &after.pools()[0]));
    assert!(Arc::ptr_eq(&before.pools()[1], &after.pools()[1]));
}

#[test]
fn one_endpoint_of_two_comes_back_slowly_among_the_others() {
    let mut scene = Scene::serving(recovering(slow_start(MINUTE)));
    scene.elapse(TURN, &["127.0.0.2"]);
    scene.pass_until(&[], Pool::is_ramping);
    assert_eq!(scene.percent(), 100, "the pool itself was there all the time");
    assert_eq!(scene.pool(0).share(), Share::FULL, "the step `weight` gives it no less than before");
    let shares = |scene: &Scene| {
        let crate::snapshot::Kind::Addresses(v4, _) = scene.pool(0).kind() else { panic!("no addresses") };
        let open = v4.select(crate::snapshot::Selection::Open);
        open.iter().map(|member| member.share.thousandths()).collect::<Vec<_>>()
    };
    assert_eq!(shares(&scene), [1000, 50]);
    scene.elapse(at(30), &[]);
    assert!((500..540).contains(&shares(&scene)[1]), "{:?}", shares(&scene));
    scene.elapse(at(3), &["127.0.0.2"]);
    scene.elapse(TURN, &["127.0.0.2"]);
    assert_eq!(shares(&scene), [1000], "down again");
    scene.pass_until(&[], Pool::is_ramping);
    assert_eq!(shares(&scene), [1000, 50], "it begins anew");
}

#[test]
fn a_reload_during_a_slow_start_changes_nothing() {
    let mut scene = Scene::serving(recovering(slow_start(MINUTE)));
    scene.elapse(TURN, &FIRST);
    scene.pass_until(&[], Pool::is_ramping);
    scene.elapse(at(30), &[]);
    let before = scene.percent();
    scene.happen(compile(recovering(slow_start(MINUTE))));
    assert!((before..before + 4).contains(&scene.percent()), "{before} {}", scene.percent());
    scene.happen(compile(recovering(Recovery::default())));
    assert_eq!((scene.percent(), scene.control.ramps.due()), (100, None), "without the key there is no slow start");
}

#[test]
fn state_goes_with_an_endpoint_that_moves_in_its_list_and_a_pool_that_moves_in_its_file() {
    let recovery = Recovery { slow_start: MINUTE, failback: Failback::After(MINUTE) };
    let mut scene = Scene::serving(recovering(recovery));
    scene.elapse(TURN, &FIRST);
    scene.pass_until(&FIRST[1..], |pool| pool.is_held(Family::V4));
    let moved = || {
        let mut world = recovering(recovery);
        let mut pool = PoolSpec::clone(&world.pools[0]);
        let Members::Addresses(endpoints) = &mut pool.members else { unreachable!() };
        endpoints.edit(<[_]>::reverse);
        world.pools = vec![world.pools[1].clone(), Arc::new(pool)];
        world
    };
    let is_held = |scene: &Scene| scene.pool(1).is_held(Family::V4);
    scene.happen(compile(moved()));
    assert!(is_held(&scene), "the pool is at another position, and its endpoints too");
    let mut scene = scene.next_run(moved(), at(5));
    assert!(is_held(&scene), "after a restart too");
    scene.elapse(MINUTE, &FIRST[1..]);
    let shares = |scene: &Scene| {
        let endpoints = scene.control.endpoints().map(|it| (it.pool.members.text(it.place), it.endpoint_state));
        endpoints.map(|(text, it)| (text, (it.share.is_some(), it.ramp.is_full()))).collect::<HashMap<_, _>>()
    };
    let expected = [("127.0.0.1", (true, false)), ("127.0.0.2", (false, true)), ("127.0.0.3", (true, true))];
    let expected: HashMap<_, _> = expected.map(|(text, it)| (text.to_owned(), it)).into();
    assert_eq!(shares(&scene), expected, "one rises, one is down");
    scene.happen(compile(recovering(recovery)));
    assert_eq!(shares(&scene), expected, "and moved back");
}

#[test]
fn failback_auto_is_at_once() {
    let mut scene = Scene::serving(recovering(Recovery::default()));
    scene.elapse(TURN, &FIRST);
    assert!(scene.open().is_empty());
    scene.elapse(TURN, &[]);
    assert_eq!((scene.open().len(), scene.is_held()), (2, false));
}

#[test]
fn a_pool_is_held_back_for_its_time_and_anew_when_it_fails_again() {
    let mut scene = Scene::serving(recovering(failback(Failback::After(MINUTE * 10))));
    assert!(!scene.is_held(), "not at the first round");
    scene.elapse(TURN, &FIRST);
    scene.pass_until(&[], |pool| pool.is_held(Family::V4));
    scene.elapse(TURN, &[]);
    assert!(!scene.pool(0).is_restless(), "a settled state is calm");
    scene.elapse(MINUTE * 8, &[]);
    assert!(scene.is_held());
    // Another failure restarts the time.
    scene.elapse(TURN, &FIRST);
    assert!(!scene.is_held() && scene.open().is_empty());
    scene.pass_until(&[], |pool| pool.is_held(Family::V4));
    let held = scene.now;
    scene.elapse(MINUTE * 9 + at(50), &[]);
    assert!(scene.is_held());
    scene.pass_until(&[], |pool| pool.is_open(Family::V4));
    assert!(scene.now - held <= MINUTE * 10 + TICK);
    assert!(
        scene.recovery_states.is_empty() || {
            scene.happen(Event::Stop);
            scene.recovery_states.is_empty()
        }
    );
}

#[test]
fn a_pool_that_was_never_usable_is_not_held_back() {
    let mut scene = Scene::new();
    scene.happen(compile(recovering(failback(Failback::Manual))));
    scene.pass(TURN, without(&FIRST));
    assert!(scene.open().is_empty());
    scene.elapse(TURN, &[]);
    assert_eq!((scene.open().len(), scene.is_held()), (2, false));
}

#[test]
fn failback_manual_waits_for_the_operator() {
    for target in ["pool:web/0", "pool:web/*", "dc:0"] {
        let mut scene = Scene::serving(recovering(failback(Failback::Manual)));
        scene.elapse(TURN, &FIRST);
        scene.elapse(MINUTE * 60 * 3, &[]);
        assert!(scene.is_held());
        scene.order(Mode::Open, "pool:web/1", None);
        assert!(scene.is_held(), "another one was opened");
        assert_eq!(scene.holds, [true]);
        scene.order(Mode::Open, target, None);
        assert_eq!(scene.holds, [true, false]);
        assert!(!scene.is_held() && scene.open().len() == 2, "{target}");
        scene.elapse(TURN, &FIRST);
        scene.elapse(TURN, &[]);
        assert!(scene.is_held(), "an earlier `open` does not count now");
    }
}

#[test]
fn a_pool_that_was_held_back_starts_slowly_when_it_is_let_go() {
    let mut scene = Scene::serving(recovering(Recovery { slow_start: MINUTE, failback: Failback::Manual }));
    scene.elapse(TURN, &FIRST);
    scene.elapse(MINUTE * 5, &[]);
    assert!(scene.is_held());
    assert!(!scene.pool(0).is_ramping(), "while it is held back nothing ramps");
    scene.order(Mode::Open, "pool:web/0", None);
    assert_eq!((scene.percent(), scene.is_held()), (5, false));
    scene.elapse(MINUTE + TICK, &[]);
    assert_eq!((scene.percent(), scene.pool(0).is_restless()), (100, false));
}

#[test]
fn what_operators_empty_has_not_failed() {
    let recovery = Recovery { slow_start: MINUTE, failback: Failback::Manual };
    for mode in [Mode::Drain, Mode::ForceDown] {
        let mut scene = Scene::serving(recovering(recovery));
        scene.order(mode, "pool:web/0", None);
        assert!(scene.open().is_empty());
        scene.elapse(TURN, &[]);
        scene.order(Mode::Open, "pool:web/0", None);
        assert_eq!((scene.open().len(), scene.percent(), scene.is_held()), (2, 100, false), "{mode}");
    }
}

#[test]
fn what_is_forced_up_is_up_though_its_pool_is_held_back() {
    let mut scene = Scene::serving(recovering(failback(Failback::Manual)));
    scene.elapse(TURN, &FIRST);
    scene.elapse(TURN, &[]);
    scene.order(Mode::ForceUp, "endpoint:127.0.0.2", None);
    assert_eq!(scene.open(), ["127.0.0.2"]);
}

#[test]
fn a_drain_takes_its_time_and_open_ends_it_at_once() {
    let mut scene = Scene::serving(recovering(slow_start(MINUTE)));
    scene.order(Mode::Drain, "dc:0", Some(MINUTE * 5));
    assert_eq!(
        (scene.percent(), scene.open().len(), scene.pool(0).is_restless()),
        (100, 2, false),
        "it begins with all"
    );
    scene.elapse(MINUTE, &[]);
    assert!((80..=81).contains(&scene.percent()) && scene.pool(0).is_restless(), "{}", scene.percent());
    scene.elapse(MINUTE * 3, &[]);
    assert!((20..=21).contains(&scene.percent()), "{}", scene.percent());
    scene.order(Mode::Open, "dc:0", None);
    assert_eq!((scene.percent(), scene.pool(0).is_restless()), (100, false));

    scene.order(Mode::Drain, "pool:web/0", Some(MINUTE));
    scene.elapse(MINUTE - at(1), &[]);
    assert!(scene.open().len() == 2 && scene.percent() < 4, "{}", scene.percent());
    scene.elapse(at(2), &[]);
    assert!(scene.open().is_empty() && scene.pool(0).is_draining(Family::V4));
    let endpoint_state = scene.control.endpoints().next().unwrap().endpoint_state;
    assert_eq!(endpoint_state.admin_state, AdminState::Draining);
}

#[test]
fn a_restart_goes_on_where_it_was() {
    let world = || recovering(Recovery { slow_start: MINUTE * 2, failback: Failback::After(MINUTE * 10) });
    let mut scene = Scene::serving(world());
    scene.elapse(TURN, &FIRST);
    let mut scene = scene.next_run(world(), at(5));
    scene.pass_until(&[], |pool| pool.is_held(Family::V4));
    let held = scene.now;
    scene.elapse(MINUTE * 4, &[]);
    let mut scene = scene.next_run(world(), at(20));
    assert!(scene.is_held(), "from the first answer on");
    scene.elapse(MINUTE * 5, &[]);
    assert!(scene.is_held());
    scene.pass_until(&[], |pool| pool.is_open(Family::V4));
    assert!(scene.now - held <= MINUTE * 10 + TICK, "the time of before counts: {:?}", scene.now - held);
    scene.elapse(MINUTE, &[]);
    let before = scene.percent();
    assert!((50..56).contains(&before), "{before}");
    let mut scene = scene.next_run(world(), at(12));
    assert!((before + 8..=before + 11).contains(&scene.percent()), "{before} {}", scene.percent());
    scene.elapse(MINUTE, &[]);
    scene.elapse(TURN, &[]);
    scene.happen(Event::Stop);
    assert_eq!((scene.percent(), scene.recovery_states.len()), (100, 0), "what is over is not kept");
}

#[test]
fn what_is_kept_of_pools_that_are_gone_or_from_the_future_does_no_harm() {
    let mut scene = Scene::serving(recovering(slow_start(MINUTE)));
    scene.elapse(TURN, &FIRST);
    scene.pass_until(&[], Pool::is_ramping);
    scene.happen(Event::Stop);
    assert_eq!(scene.recovery_states.len(), 1, "{:?}", scene.recovery_states);
    let future = RecoveryState::Rising(scene.now + MINUTE * 60 * 24 * 365);
    let key = scene.recovery_states.keys().next().unwrap().clone();
    scene.recovery_states = HashMap::from([(key, future), (" gone/0".into(), RecoveryState::Held(scene.now))]);
    let mut scene = scene.next_run(recovering(slow_start(MINUTE)), at(60));
    scene.elapse(MINUTE + TURN, &[]);
    scene.happen(Event::Stop);
    assert_eq!((scene.percent(), scene.recovery_states.len()), (100, 0));
}

#[test]
fn what_only_seemed_to_be_down_comes_back_at_once() {
    let recovery = Recovery { slow_start: MINUTE, failback: Failback::Manual };
    let mut scene = Scene::serving(recovering(recovery));
    // The first two endpoints fail within one interval and are down before the third one fails too. Then the node
    // distrusts its probes.
    let impatient = Monitor { fall: 1.try_into().unwrap(), ..tcp() };
    let mut world = world(impatient, POOLS);
    Arc::make_mut(&mut world.pools[0]).recovery = recovery;
    world.probing.hold = MINUTE;
    scene.happen(compile(world));
    scene.elapse(TURN, &[]);
    scene.pass(scene.now + TURN, |_| TIMED_OUT);
    assert!(!scene.fail_statics.is_empty());
    scene.elapse(TURN, &[]);
    assert_eq!((scene.open().len(), scene.percent(), scene.is_held()), (2, 100, false));
}
