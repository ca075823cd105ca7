//! Control in a fleet: three nodes, whose messages arrive at once.

use super::*;
use crate::vantage::{FleetEvent, Letter, Me, News, NodeName};

pub(super) const REPORTS: Duration = Duration::from_secs(2);

/// Three endpoints in two datacenters.
pub(super) const SOME: &[&[&str]] = &[&["127.0.0.1", "127.0.0.2"], &["127.0.0.3"]];

pub(super) struct Trio {
    pub(super) nodes: [Scene; 3],
    pub(super) is_cut: [bool; 3],
    now: Duration,
}

fn name(number: usize) -> NodeName {
    NodeName::try_new(&format!("n{number}")).unwrap()
}

fn join(scene: &mut Scene, number: usize, incarnation: u64) {
    let me = Me { node: name(number), site: "".into(), interval: REPORTS, observes: false };
    scene.control.join(me, incarnation, false, Arc::default());
}

impl Trio {
    /// Three nodes that see everything up, and agree.
    pub(super) fn new(monitor: &Monitor) -> Self {
        let nodes = [0, 1, 2].map(|number| {
            let mut scene = Scene::new();
            join(&mut scene, number, 1);
            scene.happen(compile(world(monitor.clone(), SOME)));
            scene.happen(Event::Fleet(FleetEvent::Connected("hub".into())));
            scene
        });
        let mut trio = Self { nodes, is_cut: [false; 3], now: Duration::ZERO };
        trio.pass(at(20), |_, _| WELL);
        for node in &mut trio.nodes {
            node.turns.clear();
            node.fleet_turns.clear();
        }
        trio
    }

    /// Lets time pass. `outcome` gives what a node finds at an address.
    pub(super) fn pass(&mut self, time: Duration, outcome: impl Fn(usize, &str) -> Outcome) {
        let until = self.now + time;
        while self.now < until {
            self.now += Duration::from_millis(5);
            for number in 0..3 {
                self.nodes[number].pass(self.now, |address| outcome(number, address));
            }
            for from in 0..3 {
                for Letter { to, message } in std::mem::take(&mut self.nodes[from].letters) {
                    let meant = |other: &usize| *other != from && to.as_ref().is_none_or(|to| *to == name(*other));
                    for other in (0..3).filter(meant).filter(|&other| !self.is_cut[from] && !self.is_cut[other]) {
                        self.nodes[other]
                            .happen(Event::Fleet(FleetEvent::Heard(name(from), Box::new(message.clone()))));
                    }
                }
            }
        }
    }

    /// Stops a node and starts it again, with or without what it kept. It asks for its server at once.
    pub(super) fn restart(&mut self, number: usize, monitor: &Monitor, keeps: bool) {
        self.nodes[number].happen(Event::Stop);
        let mut scene = Scene { now: self.now, ..Scene::new() };
        join(&mut scene, number, 2);
        if keeps {
            let before = &self.nodes[number];
            (scene.kept, scene.agreements) = (before.kept.clone(), before.agreements.clone());
            scene.happen(Event::Restore(before.kept.clone()));
            scene.happen(Event::Recall(before.agreements.clone()));
        }
        scene.happen(compile(world(monitor.clone(), SOME)));
        scene.happen(Event::Fleet(FleetEvent::Connected("hub".into())));
        self.nodes[number] = scene;
    }

    /// The number of open endpoints in the first datacenter, as each node answers.
    fn open(&self) -> [usize; 3] {
        self.nodes.each_ref().map(|node| node.open_in(0).len())
    }
}

#[test]
fn what_one_sees_is_told_and_what_two_see_counts_everywhere() {
    let mut trio = Trio::new(&tcp());
    let blind = |node: usize| {
        move |number: usize, address: &str| if number <= node && address != "127.0.0.3" { REFUSED } else { WELL }
    };
    trio.pass(at(25), blind(0));
    assert_eq!(trio.open(), [2; 3]);
    let overruled: Vec<State> = trio.nodes[0].overruled.iter().map(|(_, own)| *own).collect();
    assert_eq!(overruled, [State::Down; 2]);
    assert!(trio.nodes.iter().all(|node| node.turns.is_empty()));
    let survey = trio.nodes[0].control.survey();
    assert_eq!(survey.fleet.as_ref().unwrap().overruled, 2);
    assert_eq!(survey.agreements.len(), 3);
    assert!(survey.agreements.values().all(|agreement| agreement.needed == 2 && agreement.witnesses.len() == 3));

    trio.pass(at(25), blind(1));
    assert_eq!(trio.open(), [0; 3]);
    for node in &trio.nodes {
        assert_eq!(node.turns.iter().map(|turn| turn.1).collect::<Vec<_>>(), [State::Down; 2]);
        assert!(!node.pool(0).is_restless(), "it is settled");
    }
    trio.pass(at(25), |_, _| WELL);
    assert_eq!(trio.open(), [2; 3]);
    assert!(trio.nodes.iter().all(|node| node.turns.len() == 4));
}

#[test]
fn a_monitor_may_have_its_own_quorum() {
    let quorum = Some(crate::health::Quorum::Number(std::num::NonZeroU16::MIN));
    let mut trio = Trio::new(&Monitor { quorum, ..tcp() });
    trio.pass(at(25), |number, address| if number == 0 && address == "127.0.0.1" { REFUSED } else { WELL });
    assert_eq!(trio.open(), [1; 3]);
}

#[test]
fn one_that_is_cut_off_decides_alone_and_one_that_is_alone_changes_nothing() {
    let mut trio = Trio::new(&tcp());
    let blind = |number: usize, address: &str| if number == 0 && address != "127.0.0.3" { REFUSED } else { WELL };
    trio.pass(at(25), blind);
    assert_eq!(trio.open(), [2; 3]);
    trio.is_cut[0] = true;
    trio.pass(at(12), blind);
    assert_eq!(trio.open(), [0, 2, 2]);
    assert!(trio.nodes[0].fleet_turns.iter().any(|turn| matches!(turn, FleetTurn::News(News::Alone(_)))));
    assert!(trio.nodes[0].control.survey().agreements.is_empty());
    trio.is_cut[0] = false;
    trio.pass(at(12), blind);
    assert_eq!(trio.open(), [2; 3]);
    let turns = trio.nodes[0].turns.iter().map(|turn| turn.1).collect::<Vec<_>>();
    assert_eq!(turns, [State::Down, State::Down, State::Up, State::Up]);
}

#[test]
fn a_sick_prober_follows_the_others_and_does_not_count() {
    let mut trio = Trio::new(&tcp());
    // The second one sees one endpoint down; the first one hangs altogether, and begins to hold its states.
    let sick = |number: usize, address: &str| match number {
        0 => TIMED_OUT,
        1 if address == "127.0.0.1" => REFUSED,
        _ => WELL,
    };
    trio.pass(at(30), sick);
    assert_eq!(trio.nodes[0].fail_statics.len(), 1);
    assert_eq!(trio.open(), [2; 3], "one of two sees it down");
    assert!(!trio.nodes[0].pool(0).is_restless(), "the others vouch for the states");
    trio.pass(
        at(30),
        |number, address| if number == 2 && address == "127.0.0.1" { REFUSED } else { sick(number, address) },
    );
    assert_eq!(trio.open(), [1; 3], "the two others see it down");
    // The hold is over, and it sees everything down. The others do not.
    trio.pass(at(60), sick);
    assert_eq!(trio.nodes[0].fail_statics.len(), 2);
    assert_eq!(trio.open(), [2; 3]);
    let points = trio.nodes[2].control.survey().fleet.unwrap().vantage_points;
    assert_eq!(points[0].weight, crate::health::Weight::Discounted);
}

#[test]
fn a_restart_within_an_incident_flaps_nothing() {
    let mut trio = Trio::new(&tcp());
    let blind = |number: usize, address: &str| if number < 2 && address != "127.0.0.3" { REFUSED } else { WELL };
    trio.pass(at(40), blind);
    assert_eq!(trio.open(), [0; 3]);
    trio.nodes.iter_mut().for_each(|node| node.turns.clear());
    // One that sees the endpoints up, and one of those that see them down.
    for restarted in [2, 0] {
        trio.restart(restarted, &tcp(), true);
        assert_eq!(trio.open(), [0; 3], "it answers at once, and as before");
        assert_eq!(trio.nodes[restarted].control.survey().agreements.len(), 3);
        for _ in 0..300 {
            trio.pass(Duration::from_millis(50), blind);
            assert_eq!(trio.open(), [0; 3], "{:?}", trio.now);
        }
        assert!(trio.nodes.iter().all(|node| node.turns.is_empty()));
        let survey = trio.nodes[restarted].control.survey();
        assert!(survey.agreements.values().all(|agreement| agreement.witnesses.len() == 3), "it has heard the others");
    }
    // Nobody is there any more: what was agreed on stands for four intervals.
    trio.is_cut[2] = true;
    trio.restart(2, &tcp(), true);
    trio.pass(REPORTS * 4 - Duration::from_millis(50), blind);
    assert_eq!(trio.open(), [0; 3]);
    trio.pass(Duration::from_millis(200), blind);
    assert_eq!(trio.open(), [0, 0, 2]);
}

#[test]
fn a_node_without_memory_hears_the_others_before_its_first_answer() {
    let mut trio = Trio::new(&tcp());
    let blind = |number: usize, address: &str| if number < 2 && address != "127.0.0.3" { REFUSED } else { WELL };
    trio.pass(at(40), blind);
    trio.restart(2, &tcp(), false);
    let begun = trio.now;
    while trio.nodes[2].serving.is_none() {
        trio.pass(Duration::from_millis(10), blind);
        assert!(trio.now - begun < FIRST_ROUND);
    }
    assert!(trio.now - begun >= REPORTS * 2);
    assert_eq!((trio.open(), trio.nodes[2].publications), ([0; 3], 1), "the first answer is right");

    // It does not wait where nobody is heard, nor where there is no server.
    for (event, wait) in
        [(FleetEvent::Connected("hub".into()), REPORTS), (FleetEvent::Disconnected("no server".into()), Duration::ZERO)]
    {
        let mut scene = Scene::new();
        join(&mut scene, 0, 1);
        scene.happen(compile(world(tcp(), SOME)));
        scene.happen(Event::Fleet(event));
        scene.answer_probes(|_| WELL);
        assert_eq!(scene.serving.is_some(), wait.is_zero());
        scene.pass(wait, |_| WELL);
        assert!(scene.serving.is_some());
    }
}

/// The nodes that probed each address since the last call.
#[derive(Default)]
struct Probers(std::cell::RefCell<std::collections::BTreeMap<String, std::collections::BTreeSet<usize>>>);

impl Probers {
    fn note(&self, number: usize, address: &str) {
        self.0.borrow_mut().entry(address.to_owned()).or_default().insert(number);
    }

    fn take(&self) -> Vec<Vec<usize>> {
        std::mem::take(&mut *self.0.borrow_mut()).into_values().map(|nodes| nodes.into_iter().collect()).collect()
    }
}

#[test]
fn what_is_shared_is_probed_by_its_node_and_followed_by_all() {
    let vantages = Some(std::num::NonZeroU16::MIN);
    let mut trio = Trio::new(&Monitor { vantages, ..tcp() });
    let probers = Probers::default();
    let well = |number: usize, address: &str| {
        probers.note(number, address);
        WELL
    };
    trio.pass(at(20), well);
    let before = probers.take();
    assert!(before.len() == 3 && before.iter().all(|nodes| nodes.len() == 1), "{before:?}");
    assert_eq!(trio.open(), [2; 3]);
    let survey = trio.nodes[0].control.survey();
    assert!(survey.agreements.values().all(|agreement| agreement.assigned.as_ref().is_some_and(|it| it.len() == 1)));

    // Its node sees the first one down, and all follow.
    let who = before[0][0];
    let refused = |number: usize, address: &str| {
        probers.note(number, address);
        if address == "127.0.0.1" { REFUSED } else { WELL }
    };
    trio.pass(at(25), refused);
    assert_eq!(trio.open(), [1; 3]);
    let first: IpAddr = "127.0.0.1".parse().unwrap();
    assert!(trio.nodes.iter().all(|node| node.turns == [(first, State::Down)]), "all tell it");
    assert_eq!(probers.take(), before);

    // Its node is cut off: another one takes over, with the state that was agreed on. The node itself probes everything.
    trio.is_cut[who] = true;
    trio.pass(at(30), refused);
    assert_eq!(trio.open(), [1; 3]);
    let meanwhile = probers.take();
    assert!(meanwhile.iter().all(|nodes| nodes.contains(&who) && nodes.len() == 2), "{meanwhile:?}");
    assert!(trio.nodes.iter().all(|node| node.turns.len() == 1), "nothing flaps");
    trio.pass(at(20), well);
    assert_eq!(trio.open(), [2; 3]);

    // It comes back, and gets its own again.
    trio.is_cut[who] = false;
    trio.pass(at(20), well);
    probers.take();
    trio.pass(at(20), well);
    assert_eq!(probers.take(), before);
    assert_eq!(trio.open(), [2; 3]);
    assert!(trio.nodes.iter().all(|node| node.turns == [(first, State::Down), (first, State::Up)]));
}

#[test]
fn an_edit_that_changes_no_question_leaves_the_endpoints_with_their_nodes() {
    let monitor = Monitor { vantages: Some(std::num::NonZeroU16::MIN), ..tcp() };
    let mut trio = Trio::new(&monitor);
    let probers = Probers::default();
    let refused = |number: usize, address: &str| {
        probers.note(number, address);
        if address == "127.0.0.1" { REFUSED } else { WELL }
    };
    trio.pass(at(40), refused);
    probers.take();
    trio.pass(at(20), refused);
    let before = probers.take();
    assert!(before.iter().all(|nodes| nodes.len() == 1), "{before:?}");
    for node in &mut trio.nodes {
        let edited = Monitor { hold_down: Duration::from_secs(1), ..monitor.clone() };
        node.happen(compile(world(edited, SOME)));
    }
    for _ in 0..200 {
        trio.pass(Duration::from_millis(100), refused);
        assert_eq!(trio.open(), [1; 3]);
    }
    probers.take();
    trio.pass(at(20), refused);
    assert_eq!(probers.take(), before);
}

#[test]
fn a_node_that_probes_little_restarts_with_what_was_agreed_on() {
    let monitor = Monitor { vantages: Some(std::num::NonZeroU16::MIN), ..tcp() };
    let mut trio = Trio::new(&monitor);
    let refused = |_: usize, address: &str| if address == "127.0.0.1" { REFUSED } else { WELL };
    trio.pass(at(40), refused);
    assert_eq!(trio.open(), [1; 3]);
    for restarted in 0..3 {
        trio.restart(restarted, &monitor, true);
        assert_eq!(trio.open(), [1; 3]);
        for _ in 0..200 {
            trio.pass(Duration::from_millis(100), refused);
            assert_eq!(trio.open(), [1; 3]);
        }
    }
}
