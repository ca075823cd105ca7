//! Canaries and blue-green names from files to snapshots.

use super::*;
use crate::config::tests::fixture;
use crate::control::{RequestsRefusal, RolloutEvent};
use crate::health::Requests;
use crate::rollout::{Action, Command, Exposure, MIN_REQUESTS, Order, PATIENCE, RolloutRefusal};
use crate::zone::{NameId, PlanId};
use tokio::sync::oneshot;

const ZONE: &str = r#"
    [nameservers]
    ns1 = ["192.0.2.53"]
    [monitors.web]
    type = "tcp"
    port = 80
    [pools.stable]
    monitor = "web"
    endpoints = ["127.0.0.1", "127.0.0.2"]
    [pools.next]
    monitor = "web"
    endpoints = ["127.0.1.1", "127.0.1.2"]
"#;
pub(super) const CANARY: &str = r#"
    [names.api]
    pools = ["stable", "next"]
    canary = { pool = "next", steps = [5, 100], hold = "10m", rollback = { healthy = 0.9, errors = 0.05, latency = "200%" } }
"#;
pub(super) const BLUE: &str = "[names.shop]\npools = [\"stable\", \"next\"]\nactive = \"stable\"\n";
pub(super) const HOLD: Duration = at(600);

pub(super) fn world_of(names: &str) -> World {
    fixture::world("", &[("example.com.toml", &format!("{ZONE}{names}"))])
}

/// Probes take this many milliseconds at endpoints that are up.
pub(super) fn took(milliseconds: u64) -> Outcome {
    Outcome::Success(Finding::full(Duration::from_millis(milliseconds)))
}

pub(super) fn well(_: &str) -> Outcome {
    took(10)
}

fn next_is(outcome: Outcome) -> impl Fn(&str) -> Outcome {
    move |address| if address.starts_with("127.0.1.") { outcome.clone() } else { took(10) }
}

impl Scene {
    fn rolling_out(names: &str) -> Self {
        let mut scene = Self::new();
        scene.happen(compile(world_of(names)));
        scene.pass(at(1), well);
        scene
    }

    pub(super) fn wait(&mut self, time: Duration, outcome: impl Fn(&str) -> Outcome) {
        self.pass(self.now + time, outcome);
    }

    /// The share of clients that the only name sends to the new or active pool, as queries find it.
    pub(super) fn share(&self) -> u16 {
        let split = self.serving.as_ref().unwrap().plan(PlanId::from_index(0), NameId::from_index(0)).split().unwrap();
        split.share.thousandths()
    }

    pub(super) fn command(&mut self, owner: &str, command: Command) -> Result<rollout::Change, RolloutRefusal> {
        let (to, mut answer) = oneshot::channel();
        let order = Order { owner: owner.into(), command, reason: "test".into(), who: "ada".into() };
        self.happen(Event::Rollout(RolloutEvent::Order(order, to)));
        answer.try_recv().expect("an answer comes with the step")
    }

    pub(super) fn report(
        &mut self,
        endpoint: Option<&str>,
        pool: Option<&str>,
        errors: u64,
    ) -> Result<usize, RequestsRefusal> {
        let (to, mut answer) = oneshot::channel();
        let endpoint = endpoint.map(|text| text.parse().unwrap());
        let requests = Requests { endpoint, pool: pool.map(Into::into), requests: MIN_REQUESTS, errors };
        self.happen(Event::Rollout(RolloutEvent::Requests(requests, to)));
        answer.try_recv().expect("an answer comes with the step")
    }
}

#[test]
fn a_canary_moves_clients_in_the_snapshots_that_queries_are_answered_from() {
    let mut scene = Scene::rolling_out(CANARY);
    assert_eq!(scene.share(), 50);
    let generation = scene.serving.as_ref().unwrap().generation();
    scene.wait(HOLD, well);
    assert_eq!(scene.share(), 1000);
    assert_eq!(scene.serving.as_ref().unwrap().generation(), generation + 1, "one snapshot");
    assert!(
        scene.serving.as_ref().unwrap().plan(PlanId::from_index(0), NameId::from_index(0)).split().unwrap().is_ramping
    );
    scene.wait(HOLD, well);
    assert!(
        !scene.serving.as_ref().unwrap().plan(PlanId::from_index(0), NameId::from_index(0)).split().unwrap().is_ramping
    );
    let told: Vec<&str> = scene.rolled_out.iter().map(|told| told.split(':').next().unwrap()).collect();
    assert_eq!(told, ["began 0 % -> 5 %", "advanced 5 % -> 100 %", "completed 100 % -> 100 %"]);
}

#[test]
fn endpoints_that_go_down_take_it_back() {
    let mut scene = Scene::rolling_out(CANARY);
    scene.wait(at(60), |address| if address == "127.0.1.1" { REFUSED } else { took(10) });
    assert_eq!(scene.share(), 0);
    assert_eq!(scene.rolled_out[1], "rolled back 5 % -> 0 %: 50 % of its endpoints are open, less than 90 %");
    scene.wait(HOLD * 3, well);
    assert_eq!(scene.share(), 0);
}

#[test]
fn what_the_operator_takes_off_duty_is_not_missed() {
    let mut scene = Scene::rolling_out(CANARY);
    let (to, _answer) = oneshot::channel();
    let target = "endpoint:127.0.1.1".parse().unwrap();
    let (reason, who) = ("disk".into(), "ada".into());
    let order = crate::overrides::Order {
        mode: crate::overrides::Mode::ForceDown,
        target,
        from: None,
        until: None,
        over: None,
        reason,
        who,
    };
    scene.happen(Event::Override(OverrideEvent::Place(order.into(), to)));
    scene.wait(PATIENCE * 2, well);
    assert_eq!(scene.share(), 50);
}

#[test]
fn slow_probes_take_it_back() {
    let mut scene = Scene::rolling_out(CANARY);
    scene.wait(at(60), next_is(took(19)));
    assert_eq!(scene.share(), 50);
    scene.wait(at(60), next_is(took(50)));
    assert_eq!(scene.share(), 0);
    assert!(scene.rolled_out[1].contains("probes take"), "{:?}", scene.rolled_out);
}

#[test]
fn reports_of_requests_count_for_the_canary_of_their_pool() {
    let mut scene = Scene::rolling_out(CANARY);
    assert_eq!(scene.report(Some("127.0.0.1"), None, 100), Ok(0), "the old pool is not on trial");
    assert_eq!(scene.report(None, Some("next"), 1), Ok(1));
    assert_eq!(scene.report(None, Some("nxt"), 1), Err(RequestsRefusal::UnknownPool("nxt".into())));
    let address = "127.0.0.9".parse().unwrap();
    assert_eq!(scene.report(Some("127.0.0.9"), None, 1), Err(RequestsRefusal::UnknownEndpoint(address)));
    let address = "127.0.1.1".parse().unwrap();
    assert_eq!(scene.report(Some("127.0.1.1"), Some("stable"), 1), Err(RequestsRefusal::UnknownEndpoint(address)));
    assert_eq!(scene.report(None, None, 1), Err(RequestsRefusal::NoSubject));
    assert_eq!(scene.share(), 50);
    assert_eq!(scene.report(Some("127.0.1.1"), None, 100), Ok(1));
    scene.wait(PUBLISH_WINDOW, well);
    assert_eq!(scene.share(), 0);
}

#[test]
fn a_switch_is_published_at_once_and_stays_under_what_is_said_of_the_name() {
    let mut scene = Scene::rolling_out(BLUE);
    let part = |scene: &Scene| {
        scene.serving.as_ref().unwrap().plan(PlanId::from_index(0), NameId::from_index(0)).split().unwrap().part
    };
    assert_eq!(part(&scene), 0b01);
    let (to, _answer) = oneshot::channel();
    let target = "name:shop.example.com".parse().unwrap();
    let mode = crate::overrides::Mode::ForceUp;
    let order = crate::overrides::Order {
        mode,
        target,
        from: None,
        until: None,
        over: None,
        reason: "".into(),
        who: "".into(),
    };
    scene.happen(Event::Override(OverrideEvent::Place(order.into(), to)));
    let change = scene.command("shop.example.com", Command::Switch("next".into())).unwrap();
    assert_eq!((change.from, change.to), (Exposure::Active("stable".into()), Exposure::Active("next".into())));
    scene.wait(PUBLISH_WINDOW, well);
    let plan = scene.serving.as_ref().unwrap().plan(PlanId::from_index(0), NameId::from_index(0)).clone();
    assert_eq!((plan.orders().mode, plan.split().unwrap().part), (Some(mode), 0b10));
    scene.wait(at(20), next_is(REFUSED));
    assert_eq!(part(&scene), 0b10, "a change of health changes nothing of it");
    scene.command("shop.example.com", Command::Act(Action::Back)).unwrap();
    scene.wait(PUBLISH_WINDOW, well);
    assert_eq!(part(&scene), 0b01);
}

#[test]
fn a_restart_and_a_reload_go_on_where_it_was() {
    let mut scene = Scene::rolling_out(&format!("{CANARY}{BLUE}"));
    scene.command("api.example.com", Command::Act(Action::Advance)).unwrap();
    scene.command("shop.example.com", Command::Switch("next".into())).unwrap();
    scene.happen(compile(world_of(&format!("{BLUE}{CANARY}"))));
    let parts = |scene: &Scene| {
        let snapshot = scene.serving.clone().unwrap();
        let splits = snapshot.plans().iter().filter_map(crate::snapshot::Plan::split);
        splits.map(|split| (split.part, split.share.thousandths())).collect::<Vec<_>>()
    };
    let expected = vec![(0b10, 1000), (0b10, 1000)];
    assert_eq!(parts(&scene), expected);
    let mut restarted = Scene::new();
    restarted.now = scene.now + at(5);
    restarted.happen(Event::Rollout(RolloutEvent::Restore(scene.rows.clone().into_iter().collect())));
    restarted.happen(compile(world_of(&format!("{CANARY}{BLUE}"))));
    restarted.wait(at(1), well);
    assert_eq!((parts(&restarted), restarted.rolled_out.len()), (expected, 0));
    restarted.happen(compile(world_of("[names.api]\npools = [\"next\"]\n")));
    restarted.wait(at(1), well);
    assert!(parts(&restarted).is_empty());
    assert_eq!(restarted.rolled_out.len(), 2);
}
