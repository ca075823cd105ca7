//! Many nodes on a bad network: messages are delayed, reordered and lost, the network is parted, nodes crash and come back,
//! clocks are wrong, and a server that everybody is connected to disappears. All chance comes from a seed.
//!
//! After a time of trouble everything becomes calm, but for delay and loss. Then all nodes must agree with each other,
//! and with what the quorum of them sees. And while nothing changes, no verdict may.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::num::NonZeroU16;
use std::time::Duration;

use fastrand::Rng;

use super::{name, verdict};
use crate::geo::DatacenterId;
use crate::health::{Opinion, Quorum, Share};
use crate::vantage::*;

const INTERVAL: Duration = Duration::from_secs(2);
const TICK: Duration = Duration::from_millis(20);

/// A message under way, by the time of its arrival and a number that keeps the order total.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Arrival {
    at: Duration,
    number: u64,
    from: usize,
    to: usize,
}

struct Node {
    vantages: Vantages,
    incarnation: u64,
    /// How far its wall clock is off, in seconds; always above 0 so that no clock is before the epoch.
    clock: u64,
    /// The part of the network where it is.
    part: u8,
    /// Its opinion on each question, if it asks or would ask it.
    views: Vec<Opinion>,
    /// The questions that it asks.
    asked: Vec<bool>,
    /// Its verdicts of the last step.
    verdicts: Vec<Option<Opinion>>,
    is_up: bool,
}

struct Simulation {
    rng: Rng,
    now: Duration,
    nodes: Vec<Node>,
    under_way: BinaryHeap<Reverse<Arrival>>,
    messages: Vec<Option<(Message, usize)>>,
    sent: u64,
    /// In thousandths.
    loss: u64,
    longest_delay: u64,
    /// How many nodes ask each question; `None` if all do.
    vantages: Option<NonZeroU16>,
    /// Questions that a node began or ceased to ask.
    duties: u64,
    /// Verdicts that changed.
    turns: u64,
}

impl Simulation {
    fn new(seed: u64, nodes: usize, questions: usize) -> Self {
        Self::sharing(seed, nodes, questions, None)
    }

    /// So many nodes ask each question.
    fn sharing(seed: u64, nodes: usize, questions: usize, vantages: Option<u16>) -> Self {
        let mut rng = Rng::with_seed(seed);
        let nodes = (0..nodes).map(|_| Node::new(questions, &mut rng)).collect();
        let mut simulation = Self {
            rng,
            now: Duration::from_secs(10),
            nodes,
            under_way: BinaryHeap::new(),
            messages: Vec::new(),
            sent: 0,
            loss: 30,
            longest_delay: 250,
            vantages: vantages.and_then(NonZeroU16::new),
            duties: 0,
            turns: 0,
        };
        (0..simulation.nodes.len()).for_each(|node| simulation.start(node));
        simulation
    }

    fn start(&mut self, number: usize) {
        let now = self.now;
        let node = &mut self.nodes[number];
        node.incarnation += 1;
        node.is_up = true;
        let me = Me {
            node: node_name(number),
            site: format!("s{}", number % 4).into(),
            interval: INTERVAL,
            observes: false,
        };
        node.vantages = Vantages::new(me, node.incarnation);
        let place = |id: usize| (question(id), Place { vantages: self.vantages, ..place(id) });
        node.vantages.set_places((0..node.views.len()).map(place).collect(), now);
        node.asked.fill(true);
        for (id, &view) in node.views.iter().enumerate() {
            node.vantages.see(question(id), view, None, now, now);
        }
        node.vantages.connect(now);
    }

    fn set_view(&mut self, number: usize, id: usize, view: Opinion) {
        let now = self.now;
        let node = &mut self.nodes[number];
        node.views[id] = view;
        if node.is_up && node.asked[id] {
            node.vantages.see(question(id), view, None, now, now);
        }
    }

    /// One step of trouble: each kind of it has its chance.
    fn trouble(&mut self) {
        let number = self.rng.usize(..self.nodes.len());
        let questions = self.nodes[number].views.len();
        let now = self.now;
        match self.rng.u8(..60) {
            0 => self.nodes[number].is_up = false,
            1..=3 if !self.nodes[number].is_up => self.start(number),
            4 => self.nodes[number].part = self.rng.u8(..2),
            5 => self.nodes.iter_mut().for_each(|node| node.part = 0),
            6 => self.nodes[number].clock = self.rng.u64(..100_000),
            7 => self.nodes[number].vantages.doubt(true, now),
            8 => self.nodes[number].vantages.doubt(false, now),
            // The server goes away from all, and comes back for all.
            9 => self.nodes.iter_mut().for_each(|node| node.vantages.disconnect()),
            10 | 11 => self.nodes.iter_mut().for_each(|node| node.vantages.connect(now)),
            12 => (0..questions).for_each(|id| self.set_view(number, id, None)),
            13..=20 => {
                let (id, view) = (self.rng.usize(..questions), any_view(&mut self.rng));
                // What one sees most others see too.
                for other in 0..self.nodes.len() {
                    if self.rng.u8(..10) < 8 {
                        self.set_view(other, id, view);
                    }
                }
            }
            21..=30 => {
                let (id, view) = (self.rng.usize(..questions), any_view(&mut self.rng));
                self.set_view(number, id, view);
            }
            _ => {}
        }
    }

    /// All nodes run, in one part of the network, and trust their probes.
    fn mend(&mut self) {
        let now = self.now;
        for number in 0..self.nodes.len() {
            if !self.nodes[number].is_up {
                self.start(number);
            }
            let node = &mut self.nodes[number];
            node.part = 0;
            node.vantages.doubt(false, now);
            node.vantages.connect(now);
        }
    }

    fn run(&mut self, time: Duration, is_troubled: bool) {
        let until = self.now + time;
        while self.now < until {
            self.now += TICK;
            if is_troubled {
                self.trouble();
            }
            self.arrive();
            for number in 0..self.nodes.len() {
                self.advance(number);
            }
        }
    }

    fn arrive(&mut self) {
        while self.under_way.peek().is_some_and(|Reverse(arrival)| arrival.at <= self.now) {
            let Some(Reverse(Arrival { from, to, number, .. })) = self.under_way.pop() else { return };
            let place = number as usize / self.nodes.len();
            let Some((message, left)) = &mut self.messages[place] else { continue };
            *left -= 1;
            let message = if *left == 0 { self.messages[place].take().unwrap().0 } else { message.clone() };
            let (now, is_parted) = (self.now, self.nodes[from].part != self.nodes[to].part);
            let node = &mut self.nodes[to];
            if node.is_up && !is_parted {
                let wall = now + Duration::from_secs(node.clock);
                let _ = node.vantages.hear(&node_name(from), message, now, wall);
            }
        }
    }

    fn advance(&mut self, from: usize) {
        let now = self.now;
        let node = &mut self.nodes[from];
        if !node.is_up || node.vantages.wake_at(now).is_none_or(|at| at > now) && node.vantages.changed.is_empty() {
            return;
        }
        let mut letters = node.vantages.advance(now, now + Duration::from_secs(node.clock));
        for (id, is_asked) in node.vantages.take_duties() {
            let place = (0..node.views.len()).find(|&place| question(place) == id).unwrap();
            self.duties += u64::from(node.asked[place] != is_asked);
            node.asked[place] = is_asked;
            if is_asked {
                node.vantages.see(id, node.views[place], None, now, now);
            }
        }
        letters.extend(node.vantages.advance(now, now + Duration::from_secs(node.clock)));
        node.vantages.take_news();
        if !node.vantages.take_changed().is_empty() {
            let verdicts: Vec<_> = (0..node.views.len()).map(|id| verdict(&node.vantages, question(id))).collect();
            self.turns += verdicts.iter().zip(&node.verdicts).filter(|(one, other)| one != other).count() as u64;
            node.verdicts = verdicts;
        }
        for Letter { to, message } in letters {
            let count = self.nodes.len();
            let receivers: Vec<usize> = (0..count)
                .filter(|&other| other != from && to.as_ref().is_none_or(|to| *to == node_name(other)))
                .filter(|_| self.rng.u64(..1000) >= self.loss)
                .collect();
            let place = self.messages.len() as u64;
            for &to in &receivers {
                let at = now + Duration::from_millis(self.rng.u64(1..=self.longest_delay));
                let number = place * count as u64 + to as u64;
                self.under_way.push(Reverse(Arrival { at, number, from, to }));
            }
            self.sent += 1;
            self.messages.push((!receivers.is_empty()).then_some((message, receivers.len())));
        }
    }

    /// Fails unless all nodes have the verdicts that follow from the views of all.
    #[track_caller]
    fn expect_agreement(&self, seed: u64) {
        let questions = self.nodes[0].views.len();
        let sick = |node: &Node| node.views.iter().all(Option::is_none);
        let any_well = self.nodes.iter().any(|node| !sick(node));
        for id in 0..questions {
            // One that sees everything down counts only if nobody contradicts.
            let counted = self.nodes.iter().filter(|node| !sick(node) || !any_well);
            let mut opinions: Vec<Opinion> = counted.map(|node| node.views[id]).collect();
            let expected = Quorum::Majority.agree(&mut opinions);
            for (number, node) in self.nodes.iter().enumerate() {
                assert_eq!(node.verdicts[id], expected, "seed {seed}, node {number}, question {id}");
            }
        }
    }
}

impl Node {
    fn new(questions: usize, rng: &mut Rng) -> Self {
        let me = Me { node: name("none"), site: "".into(), interval: INTERVAL, observes: false };
        Self {
            vantages: Vantages::new(me, 0),
            incarnation: 0,
            clock: rng.u64(..100_000),
            part: 0,
            views: vec![Some(Share::FULL); questions],
            asked: vec![true; questions],
            verdicts: vec![None; questions],
            is_up: false,
        }
    }
}

/// A question, as far from the others as hashes are.
fn question(id: usize) -> QuestionId {
    QuestionId((id as u128).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835))
}

/// Where it is asked: each address is in one of three datacenters.
fn place(id: usize) -> Place {
    let address = std::net::Ipv4Addr::new(192, 0, (id >> 8) as u8, id as u8);
    Place { address: Some(address.into()), datacenters: vec![DatacenterId::from_index(id % 3)], vantages: None }
}

fn any_view(rng: &mut Rng) -> Opinion {
    [None, None, Some(Share::from_thousandths(250)), Some(Share::FULL), Some(Share::FULL)][rng.usize(..5)]
}

fn node_name(number: usize) -> NodeName {
    name(&format!("n{number}"))
}

#[test]
fn after_any_trouble_all_agree_and_stay_so() {
    for seed in 0..12 {
        let nodes = 3 + seed as usize % 7;
        let mut simulation = Simulation::new(seed, nodes, 6);
        simulation.run(Duration::from_secs(120), true);
        simulation.mend();
        simulation.run(INTERVAL * 12, false);
        simulation.expect_agreement(seed);
        simulation.turns = 0;
        simulation.run(INTERVAL * 30, false);
        simulation.expect_agreement(seed);
        assert_eq!(simulation.turns, 0, "seed {seed}: nothing changed, and a verdict did");
    }
}

#[test]
fn hundreds_of_nodes_agree_within_a_second_of_a_fall() {
    let mut simulation = Simulation::new(7, 200, 4);
    simulation.run(INTERVAL * 5, false);
    simulation.expect_agreement(7);
    simulation.turns = 0;
    for node in 0..101 {
        simulation.set_view(node, 0, None);
    }
    simulation.loss = 0;
    simulation.run(Duration::from_millis(500), false);
    simulation.expect_agreement(7);
    assert_eq!(simulation.turns, 200, "each node changes its verdict once");
    simulation.loss = 30;
    simulation.set_view(0, 0, Some(Share::FULL));
    simulation.run(INTERVAL * 3, false);
    simulation.expect_agreement(7);
}

#[test]
fn one_node_that_flaps_moves_nobody() {
    let mut simulation = Simulation::new(3, 9, 6);
    simulation.run(INTERVAL * 5, false);
    simulation.turns = 0;
    for round in 0..60_usize {
        let view = if round % 2 == 0 { None } else { Some(Share::FULL) };
        (0..5).for_each(|id| simulation.set_view(0, id, view));
        simulation.run(Duration::from_millis(300), false);
    }
    assert_eq!(simulation.turns, 0);
}

impl Simulation {
    /// The number of running nodes that ask each question.
    fn askers(&self) -> Vec<usize> {
        let count = |id: usize| self.nodes.iter().filter(|node| node.is_up && node.asked[id]).count();
        (0..self.nodes[0].views.len()).map(count).collect()
    }

    /// Fails unless all nodes assign the same, those that are assigned ask and no others, and all follow them.
    #[track_caller]
    fn expect_shares(&self, seed: u64) {
        for id in 0..self.nodes[0].views.len() {
            let assigned = self.nodes[0].vantages.assigned(question(id)).unwrap().to_vec();
            let is_assigned = |number: usize| assigned.contains(&node_name(number));
            let asks = (0..self.nodes.len()).filter(|&number| is_assigned(number));
            let mut opinions: Vec<Opinion> = asks.map(|number| self.nodes[number].views[id]).collect();
            assert_eq!(opinions.len(), usize::from(self.vantages.unwrap().get()).min(self.nodes.len()));
            let expected = Quorum::Majority.agree(&mut opinions);
            for (number, node) in self.nodes.iter().enumerate() {
                let told = format!("seed {seed}, node {number}, question {id}");
                assert_eq!(node.vantages.assigned(question(id)), Some(&*assigned), "{told}");
                assert_eq!(
                    (node.asked[id], node.vantages.is_asked(question(id))),
                    (is_assigned(number), is_assigned(number)),
                    "{told}"
                );
                assert_eq!(node.verdicts[id], expected, "{told}");
            }
        }
    }

    /// All see the same: every fifth question is down.
    fn calm_down(&mut self) {
        for number in 0..self.nodes.len() {
            for id in 0..self.nodes[number].views.len() {
                self.set_view(number, id, (id % 5 != 0).then_some(Share::FULL));
            }
        }
    }
}

#[test]
fn after_any_trouble_each_question_is_asked_by_its_nodes_and_stays_with_them() {
    for seed in 0..10 {
        let (nodes, vantages) = (3 + seed as usize % 8, 1 + seed as u16 % 3);
        let mut simulation = Simulation::sharing(seed, nodes, 40, Some(vantages));
        simulation.run(Duration::from_secs(120), true);
        simulation.mend();
        simulation.calm_down();
        simulation.run(INTERVAL * 10, false);
        simulation.expect_shares(seed);
        (simulation.duties, simulation.turns) = (0, 0);
        simulation.run(INTERVAL * 20, false);
        simulation.expect_shares(seed);
        assert_eq!((simulation.duties, simulation.turns), (0, 0), "seed {seed}: nothing changed");
    }
}

#[test]
fn who_crashes_is_replaced_and_who_comes_back_takes_over_without_a_gap() {
    let mut simulation = Simulation::sharing(5, 20, 200, Some(3));
    simulation.calm_down();
    simulation.run(INTERVAL * 8, false);
    simulation.expect_shares(5);
    (simulation.duties, simulation.turns) = (0, 0);
    // Nothing of what follows changes a verdict.
    simulation.nodes[7].is_up = false;
    let mut lasted = 0;
    while simulation.askers().iter().any(|&count| count < 3) {
        simulation.run(TICK, false);
        lasted += 1;
        assert!(simulation.askers().iter().all(|&count| count >= 2));
        assert!(TICK * lasted <= INTERVAL * 6, "it is replaced in time");
    }
    println!("replaced after {:?}", TICK * lasted);
    simulation.run(INTERVAL * 4, false);
    assert!(simulation.askers().iter().all(|&count| count == 3));
    let moved = simulation.duties;
    assert!((20..=40).contains(&moved), "{moved} of the 30 that it had");
    simulation.start(7);
    for _ in 0..500 {
        simulation.run(TICK, false);
        assert!(simulation.askers().iter().all(|&count| count >= 3));
    }
    simulation.expect_shares(5);
    let of_others = simulation.nodes.iter().enumerate().filter(|(number, _)| *number != 7).map(|(_, node)| node);
    assert!(of_others.flat_map(|node| &node.verdicts).all(Option::is_some));
}

#[test]
fn one_that_is_cut_off_asks_everything_and_gives_it_back() {
    let mut simulation = Simulation::sharing(6, 10, 60, Some(2));
    simulation.calm_down();
    simulation.run(INTERVAL * 8, false);
    simulation.expect_shares(6);
    simulation.nodes[3].part = 1;
    simulation.run(INTERVAL * 7, false);
    assert!(simulation.nodes[3].asked.iter().all(|asked| *asked));
    assert!(simulation.askers().iter().all(|&count| count == 3 || count == 2), "two of the others, and it");
    simulation.nodes[3].part = 0;
    simulation.run(INTERVAL * 8, false);
    simulation.expect_shares(6);
}
