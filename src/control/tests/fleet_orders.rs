//! Orders in a fleet: three nodes with a stream between them that numbers what they say.

use super::rollouts::{BLUE, CANARY, HOLD, took, well, world_of};
use super::*;
use crate::health::{Push, Said};
use crate::ledger::{Book, Content, Entry, LedgerNews, Matter, MatterKey, Publish, StreamEvent, TargetOrders, Word};
use crate::overrides::{Mode, Order, Selector};
use crate::rollout::{Action, Command, MIN_REQUESTS};
use crate::vantage::{FleetEvent, Letter, Me, NodeName};
use std::num::NonZeroU8;
use tokio::sync::oneshot;

struct Shared {
    nodes: [Scene; 3],
    is_cut: [bool; 3],
    now: Duration,
    last: u64,
    entries: BTreeMap<MatterKey, (u64, Entry)>,
}

fn name(number: usize) -> NodeName {
    NodeName::try_new(&format!("n{number}")).unwrap()
}

impl Shared {
    /// Three nodes that share their orders, each with this configuration.
    fn new(names: &str) -> Self {
        let nodes = [0, 1, 2].map(|number| {
            let mut scene = Scene::new();
            let me = Me { node: name(number), site: "".into(), interval: at(2), observes: false };
            scene.control.join(me, 1, false, Arc::default());
            scene.happen(compile(world_of(names)));
            scene
        });
        let mut shared = Self { nodes, is_cut: [false; 3], now: Duration::ZERO, last: 0, entries: BTreeMap::new() };
        for number in 0..3 {
            shared.connect(number);
        }
        shared.pass(at(10), |_, address| well(address));
        shared
    }

    fn connect(&mut self, number: usize) {
        self.is_cut[number] = false;
        let (last, node) = (self.last, &mut self.nodes[number]);
        node.happen(Event::Fleet(FleetEvent::Connected("hub".into())));
        for book in Book::ALL {
            node.happen(Event::Stream(StreamEvent::Opened { book, identity: 1, last }));
            for (sequence, entry) in self.entries.values().filter(|(_, entry)| entry.matter().book() == book) {
                let event = StreamEvent::Heard { sequence: *sequence, entry: Box::new(entry.clone()) };
                node.happen(Event::Stream(event));
            }
            node.happen(Event::Stream(StreamEvent::Read(book)));
        }
    }

    fn cut(&mut self, number: usize) {
        self.is_cut[number] = true;
        self.nodes[number].happen(Event::Fleet(FleetEvent::Disconnected("gone".into())));
    }

    fn pass(&mut self, time: Duration, outcome: impl Fn(usize, &str) -> Outcome) {
        let until = self.now + time;
        while self.now < until {
            self.now += Duration::from_millis(100);
            for number in 0..3 {
                self.nodes[number].pass(self.now, |address| outcome(number, address));
            }
            self.carry();
        }
    }

    /// Carries messages and entries until there are none.
    fn carry(&mut self) {
        for from in 0..3 {
            let (letters, entries) =
                (std::mem::take(&mut self.nodes[from].letters), std::mem::take(&mut self.nodes[from].submitted));
            if self.is_cut[from] {
                continue;
            }
            for Letter { to, message } in letters {
                let meant = |other: &usize| *other != from && to.as_ref().is_none_or(|to| *to == name(*other));
                for other in (0..3).filter(meant).filter(|&other| !self.is_cut[other]) {
                    let heard = FleetEvent::Heard(name(from), Box::new(message.clone()));
                    self.nodes[other].happen(Event::Fleet(heard));
                }
            }
            for Publish { entry, expects } in entries {
                let key = entry.key();
                let present = self.entries.get(&key).map_or(0, |(sequence, _)| *sequence);
                if expects.is_some_and(|expects| expects != present) {
                    self.nodes[from].happen(Event::Stream(StreamEvent::Overtaken(key)));
                    continue;
                }
                self.last += 1;
                self.entries.insert(key, (self.last, entry.clone()));
                for node in (0..3).filter(|&node| !self.is_cut[node]) {
                    let event = StreamEvent::Heard { sequence: self.last, entry: Box::new(entry.clone()) };
                    self.nodes[node].happen(Event::Stream(event));
                }
            }
        }
    }

    fn settle(&mut self) {
        self.pass(Duration::from_millis(500), |_, address| well(address));
    }

    fn shares(&self) -> [u16; 3] {
        [0, 1, 2].map(|number| self.nodes[number].share())
    }

    /// Where each node sends clients.
    fn exposures(&self) -> [Vec<String>; 3] {
        [0, 1, 2].map(|number| {
            let views = self.nodes[number].control.rollouts(self.now);
            views.iter().map(|view| view.exposure.to_string()).collect()
        })
    }

    /// The overrides that are placed at each node.
    fn placed(&self) -> [Vec<(String, String)>; 3] {
        [0, 1, 2].map(|number| {
            let placed = self.nodes[number].control.overrides().placed();
            placed
                .map(|item| (format!("{} {}", item.order.mode, item.order.target), item.order.who.to_string()))
                .collect()
        })
    }
}

fn place(scene: &mut Scene, mode: Mode, target: &str) {
    let (to, mut answer) = oneshot::channel();
    let target = target.parse().unwrap();
    let order = Order { mode, target, from: None, until: None, over: None, reason: "test".into(), who: "ada".into() };
    scene.happen(Event::Override(OverrideEvent::Place(order.into(), to)));
    answer.try_recv().expect("an answer comes with the step").unwrap();
}

#[test]
fn an_override_is_placed_and_lifted_everywhere_and_says_who_and_where() {
    let mut shared = Shared::new(BLUE);
    place(&mut shared.nodes[0], Mode::Drain, "endpoint:127.0.0.1");
    shared.settle();
    let drained = vec![("drain endpoint:127.0.0.1".to_owned(), "ada at n0".to_owned())];
    assert_eq!(shared.placed(), [drained.clone(), drained.clone(), drained]);
    // Its number is the same everywhere, and no two nodes give the same one.
    let ids = [0, 1, 2].map(|number| shared.nodes[number].control.overrides().placed().next().unwrap().id);
    assert!(ids[0] == ids[1] && ids[1] == ids[2]);
    place(&mut shared.nodes[1], Mode::ForceDown, "pool:next");
    place(&mut shared.nodes[2], Mode::ForceDown, "pool:stable");
    shared.settle();
    assert_eq!(shared.placed()[0].len(), 3);
    let (to, mut answer) = oneshot::channel();
    shared.nodes[2].happen(Event::Override(OverrideEvent::Lift(Selector::Id(ids[0]), "bob".into(), to)));
    answer.try_recv().unwrap().unwrap();
    shared.settle();
    assert!(shared.placed().iter().all(|placed| placed.len() == 2));
}

#[test]
fn two_orders_for_one_target_at_the_same_time_end_as_the_stream_has_them() {
    let mut shared = Shared::new(BLUE);
    place(&mut shared.nodes[0], Mode::Drain, "pool:next");
    place(&mut shared.nodes[1], Mode::ForceDown, "pool:next");
    shared.settle();
    let latest = vec![("force-down pool:next".to_owned(), "ada at n1".to_owned())];
    assert_eq!(shared.placed(), [latest.clone(), latest.clone(), latest]);
}

#[test]
fn what_was_placed_before_there_was_a_fleet_is_told_to_it() {
    let mut shared = Shared::new(BLUE);
    let mut scene = Scene { now: shared.now, ..Scene::new() };
    scene.happen(compile(world_of(BLUE)));
    place(&mut scene, Mode::Drain, "pool:next");
    let placed: Vec<_> = scene.control.overrides().placed().cloned().collect();
    // The same node, now with a fleet.
    let mut scene = Scene { now: shared.now, ..Scene::new() };
    let me = Me { node: name(2), site: "".into(), interval: at(2), observes: false };
    scene.control.join(me, 2, false, Arc::default());
    scene.happen(Event::Override(OverrideEvent::Restore(placed)));
    scene.happen(Event::RestoreLedger(crate::ledger::KeptLedger::default()));
    scene.happen(compile(world_of(BLUE)));
    shared.nodes[2] = scene;
    shared.connect(2);
    shared.settle();
    assert!(shared.placed().iter().all(|placed| placed.len() == 1 && placed[0].0 == "drain pool:next"));
}

#[test]
fn a_switch_at_one_node_switches_all_and_a_node_that_was_cut_off_follows_when_it_is_back() {
    let mut shared = Shared::new(BLUE);
    let before = shared.exposures();
    shared.cut(2);
    shared.nodes[0].command("shop.example.com", Command::Switch("next".into())).unwrap();
    shared.settle();
    let after = shared.exposures();
    assert!(after[0] == after[1] && after[0] != before[0] && after[2] == before[2], "{after:?}");
    shared.connect(2);
    shared.settle();
    assert!(shared.exposures().iter().all(|exposure| *exposure == after[0]));
    shared.nodes[1].command("shop.example.com", Command::Act(Action::Back)).unwrap();
    shared.settle();
    assert_eq!(shared.exposures(), before);
}

#[test]
fn one_node_takes_the_steps_of_a_canary_and_any_rolls_it_back() {
    let mut shared = Shared::new(CANARY);
    assert_eq!(shared.shares(), [50; 3]);
    shared.pass(HOLD, |_, address| well(address));
    assert_eq!(shared.shares(), [1000; 3]);
    let key = Matter::Rollout(rollout::RolloutId { zone: "example.com".into(), owner: "api.example.com".into() }).key();
    let (sequence, _) = shared.entries[&key];
    // Requests that fail are reported to one node. Their counts reach all.
    let next = ["127.0.1.1", "127.0.1.2"];
    assert_eq!(shared.nodes[2].report(Some(next[0]), None, MIN_REQUESTS), Ok(1));
    shared.settle();
    assert_eq!(shared.shares(), [0; 3]);
    // It was rolled back once for all, and not once more by each.
    assert!(shared.entries[&key].0 > sequence);
    let last = shared.entries[&key].0;
    shared.pass(HOLD, |_, address| well(address));
    assert_eq!((shared.entries[&key].0, shared.shares()), (last, [0; 3]));
    shared.nodes[1].command("api.example.com", Command::Act(Action::Resume)).unwrap();
    shared.settle();
    assert_eq!(shared.shares(), [50; 3]);
    // The node that took the last step is gone: another one takes the next.
    shared.cut(1);
    shared.pass(HOLD, |_, address| well(address));
    assert_eq!([shared.shares()[0], shared.shares()[2]], [1000; 2]);
}

#[test]
fn a_canary_begins_once_although_the_nodes_get_its_files_one_after_the_other() {
    let mut shared = Shared::new(BLUE);
    let both = format!("{BLUE}{CANARY}");
    shared.nodes[0].happen(compile(world_of(&both)));
    shared.pass(HOLD / 2, |_, address| well(address));
    shared.nodes[1].happen(compile(world_of(&both)));
    shared.settle();
    let next_at = |shared: &Shared, number: usize| {
        let views = shared.nodes[number].control.rollouts(shared.now);
        let mut phases = views.into_iter().filter_map(|view| match view.kind {
            rollout::ViewKind::Canary { phase: rollout::Phase::Running { next_at, .. }, .. } => next_at,
            _ => None,
        });
        phases.next().expect("it runs")
    };
    // The second node holds the step for as long as it takes to judge it, and follows the first one.
    assert!(next_at(&shared, 0) < shared.now + HOLD / 2);
    shared.pass(HOLD / 2, |_, address| well(address));
    let [first, second, _] = shared.exposures();
    assert_eq!(first, second);
    assert!(!first.is_empty());
}

#[test]
fn an_order_for_what_the_files_lack_is_kept_and_told() {
    let mut shared = Shared::new(BLUE);
    let matter = Matter::Target("pool:other".parse().unwrap());
    let order = Order {
        mode: Mode::Drain,
        target: "pool:other".parse().unwrap(),
        from: None,
        until: None,
        over: None,
        reason: "".into(),
        who: "ada at n9".into(),
    };
    let item = crate::overrides::Override { id: crate::overrides::OverrideId::Placed(4096), made_at: at(1), order };
    let orders = TargetOrders { placed: vec![item], opens: false };
    let origin = crate::ledger::Origin { node: name(9), run: 1, number: 1, who: "ada".into() };
    let entry = Entry::try_new(matter, Some(Content::Target(orders)), origin).unwrap();
    shared.nodes[0].fleet_turns.clear();
    shared.nodes[0].happen(Event::Stream(StreamEvent::Heard { sequence: 1, entry: Box::new(entry) }));
    assert_eq!(shared.placed()[0].len(), 1);
    let is_told = |turn: &FleetTurn| matches!(turn, FleetTurn::Orders(LedgerNews::Meaningless(..)));
    assert!(shared.nodes[0].fleet_turns.iter().any(is_told));
}

#[test]
fn words_on_txt_records_go_out_and_those_of_others_come_with_the_number_of_words_taken_in() {
    let mut shared = Shared::new(BLUE);
    let matter =
        Matter::Txt(crate::name::Name::parse("a.example.com.", &crate::name::Name::root()).unwrap(), "x".into());
    let word = Word {
        matter: matter.clone(),
        content: Some(Content::Txt(99)),
        who: "ada".into(),
        saying: crate::ledger::Saying::Order,
    };
    shared.nodes[0].happen(Event::Say(vec![word.clone()]));
    // The others know it already, or are told by another node: it is not said again.
    shared.settle();
    shared.nodes[1].happen(Event::Remind(vec![word]));
    shared.settle();
    assert_eq!(shared.last, 1);
    assert!(shared.nodes[0].follows.is_empty());
    assert_eq!(shared.nodes[1].follows.len(), 1);
    assert_eq!((&shared.nodes[1].follows[0].matter, shared.nodes[1].follows[0].is_live), (&matter, true));
}

#[test]
fn a_report_at_one_node_counts_at_all_and_once_however_many_nodes_it_is_sent_to() {
    let mut shared = Shared::new(BLUE);
    let bad = |failures| Push {
        endpoint: "127.0.0.1".parse().unwrap(),
        pool: None,
        said: Some(Said::Bad { failures: NonZeroU8::new(failures).unwrap(), reason: None }),
        load: None,
    };
    let push = |shared: &mut Shared, number: usize, push: Push| {
        let (reply, mut answer) = oneshot::channel();
        shared.nodes[number].happen(Event::Push(push, reply));
        answer.try_recv().unwrap().unwrap();
    };
    let down = |shared: &Shared| -> [bool; 3] {
        [0, 1, 2].map(|number| {
            let mut endpoints = shared.nodes[number].control.endpoints();
            endpoints.any(|endpoint| endpoint.probes.iter().any(|(_, health)| health.state() == State::Down))
        })
    };
    // Two of three failures, sent to two nodes, are two for each of them.
    push(&mut shared, 0, bad(1));
    shared.carry();
    push(&mut shared, 1, bad(1));
    shared.pass(Duration::from_millis(100), |_, _| took(1));
    assert_eq!(down(&shared), [false; 3]);
    // Nobody reports to those two any more.
    shared.pass(at(31), |_, _| took(1));
    push(&mut shared, 2, bad(3));
    shared.now += Duration::from_millis(60);
    for number in 0..3 {
        let now = shared.now;
        shared.nodes[number].pass(now, |_| REFUSED);
    }
    shared.carry();
    assert_eq!(down(&shared), [true; 3], "a majority agrees at once");
}
