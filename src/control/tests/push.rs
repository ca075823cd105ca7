//! Reports that others send.

use std::num::NonZeroU8;

use super::*;
use crate::health::{Push, Said};

const DEADLINE: Duration = Duration::from_secs(30);
const ONE: &str = "127.0.0.1";

fn pushed() -> Monitor {
    Monitor {
        pace: Pace::try_new(DEADLINE, Duration::ZERO).unwrap(),
        fall: NonZeroU8::new(2).unwrap(),
        ..Monitor::new(Check::Push, 0)
    }
}

fn bad(failures: u8) -> Said {
    Said::Bad { failures: NonZeroU8::new(failures).unwrap(), reason: Some("disk full".into()) }
}

impl Scene {
    fn push(&mut self, endpoint: &str, pool: Option<&str>, said: Said) -> Result<usize, PushRefusal> {
        let (reply, mut answer) = tokio::sync::oneshot::channel();
        let push =
            Push { endpoint: endpoint.parse().unwrap(), pool: pool.map(Into::into), said: Some(said), load: None };
        self.happen(Event::Push(push, reply));
        answer.try_recv().expect("each report is answered at once")
    }

    fn settle(&mut self) {
        self.pass(self.now + PUBLISH_WINDOW, |_| WELL);
    }
}

#[test]
fn an_endpoint_that_is_not_heard_of_is_up_until_its_deadline() {
    let mut scene = Scene::new();
    scene.happen(compile(world(pushed(), &[&[ONE]])));
    assert_eq!(scene.open(), [ONE], "nobody waits for it");
    assert!(scene.probes.is_empty());
    scene.pass(DEADLINE + PUBLISH_WINDOW, |_| WELL);
    assert!(scene.open().is_empty());
}

#[test]
fn silence_counts_once_each_deadline() {
    let mut scene = Scene::new();
    scene.happen(compile(world(pushed(), &[&[ONE]])));
    scene.now = at(20);
    assert_eq!(scene.push(ONE, None, Said::Good(Share::FULL)), Ok(1));
    scene.pass(at(50) + PUBLISH_WINDOW, |_| WELL);
    assert_eq!(scene.open(), [ONE]);
    assert!(scene.pool(0).is_restless(), "the first silence");
    scene.pass(at(80) + PUBLISH_WINDOW, |_| WELL);
    assert!(scene.open().is_empty());
    for _ in 0..2 {
        assert_eq!(scene.push(ONE, Some("web/0"), Said::Good(Share::FULL)), Ok(1));
    }
    scene.settle();
    assert_eq!(scene.open(), [ONE]);
}

#[test]
fn a_report_may_tell_of_several_failures_or_of_a_share() {
    let mut scene = Scene::new();
    scene.happen(compile(world(pushed(), &[&[ONE]])));
    scene.push(ONE, None, Said::Good(Share::FULL)).unwrap();
    scene.push(ONE, None, bad(2)).unwrap();
    scene.settle();
    assert!(scene.open().is_empty());
    let half = Share::from_thousandths(500);
    for _ in 0..2 {
        scene.push(ONE, None, Said::Good(half)).unwrap();
    }
    assert_eq!(scene.turns.last().unwrap().1, State::Degraded(half));
}

#[test]
fn bad_reports_of_probed_endpoints_count_beside_their_probes_and_good_ones_do_not() {
    let mut scene = Scene::serving(world(tcp(), &[&ADDRESSES]));
    assert_eq!(scene.push(ONE, None, Said::Good(Share::FULL)), Err(PushRefusal::Probed(ONE.parse().unwrap())));
    assert_eq!(scene.push(ONE, Some("web"), bad(1)), Ok(1));
    scene.settle();
    assert!(scene.pool(0).is_restless());
    scene.push(ONE, None, bad(2)).unwrap();
    scene.settle();
    assert_eq!(scene.open(), ["127.0.0.2"]);
    // Its probes bring it back up.
    scene.pass(scene.now + INTERVAL * 3, |_| WELL);
    assert_eq!(scene.open(), ADDRESSES);
}

#[test]
fn a_report_counts_for_push_monitors_if_there_are_any() {
    let mut world = world(tcp(), &[&[ONE]]);
    let address: IpAddr = ONE.parse().unwrap();
    let parts = [tcp(), pushed()].map(|monitor| Condition::Probe(target(address, &Arc::new(monitor))));
    let Members::Addresses(endpoints) = &mut Arc::make_mut(&mut world.pools[0]).members else { panic!("addresses") };
    endpoints.edit(|list| list[0].condition = Some(Condition::AtLeast(2, parts.into())));
    let mut scene = Scene::serving(world);
    assert_eq!(scene.push(ONE, None, Said::Good(Share::FULL)), Ok(1));
    assert_eq!(scene.push(ONE, None, bad(2)), Ok(1));
    scene.settle();
    assert!(scene.open().is_empty(), "all of them must be up");
}

#[test]
fn reports_of_what_is_not_watched_are_refused() {
    let mut world = world(tcp(), &[&["127.0.0.1"], &["127.0.0.2"]]);
    let Members::Addresses(endpoints) = &mut Arc::make_mut(&mut world.pools[1]).members else { panic!("addresses") };
    endpoints.edit(|list| list[0].condition = None);
    let mut scene = Scene::serving(world);
    let [one, two, three]: [IpAddr; 3] = ["127.0.0.1", "127.0.0.2", "127.0.0.3"].map(|text| text.parse().unwrap());
    assert_eq!(scene.push("127.0.0.3", None, bad(1)), Err(PushRefusal::UnknownEndpoint(three)));
    assert_eq!(scene.push("127.0.0.2", None, bad(1)), Err(PushRefusal::Unwatched(two)));
    assert_eq!(scene.push("127.0.0.1", Some("web/1"), bad(1)), Err(PushRefusal::NotInPool(one, "web/1".into())));
}

#[test]
fn an_edit_of_the_deadline_forgets_no_report() {
    let mut scene = Scene::new();
    scene.happen(compile(world(pushed(), &[&[ONE]])));
    assert_eq!(scene.push(ONE, None, Said::Good(Share::FULL)), Ok(1));
    assert_eq!(scene.push(ONE, None, bad(2)), Ok(1));
    scene.settle();
    assert!(scene.open().is_empty());
    let longer = Monitor { pace: Pace::try_new(DEADLINE * 2, Duration::ZERO).unwrap(), ..pushed() };
    let fall = Monitor { fall: NonZeroU8::new(9).unwrap(), ..pushed() };
    for monitor in [longer, fall] {
        scene.happen(compile(world(monitor, &[&[ONE]])));
        scene.settle();
        assert!(scene.open().is_empty());
    }
}

#[test]
fn a_pause_of_the_node_is_nobodys_silence() {
    let mut scene = Scene::new();
    scene.happen(compile(world(pushed(), &[&[ONE]])));
    scene.now = at(20);
    assert_eq!(scene.push(ONE, None, Said::Good(Share::FULL)), Ok(1));
    scene.now = at(25) + DEADLINE * 10;
    scene.control.sleep(DEADLINE * 10);
    scene.pass(scene.now + PUBLISH_WINDOW, |_| WELL);
    assert!(!scene.pool(0).is_restless() && scene.open() == [ONE]);
    scene.pass(at(20) + DEADLINE * 12 + PUBLISH_WINDOW, |_| WELL);
    assert!(scene.open().is_empty(), "silence counts as before");
}
