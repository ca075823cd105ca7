//! Many nodes and a stream on a bad network: connections break before and after an entry is stored, nodes are killed and
//! come back with what was on their disks some time ago, and the stream may lose everything. All chance comes from a seed.
//!
//! After a time of trouble everything becomes calm. Then all nodes must have the same orders as the stream, nothing may
//! wait, and nothing may be on its way.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use fastrand::Rng;

use super::{node, txt};
use crate::ledger::*;

const TICK: Duration = Duration::from_millis(20);

/// Matters that are ordered about.
const MATTERS: usize = 6;

/// The stream of TXT records, as a NATS server has it.
struct Stream {
    identity: u128,
    last: u64,
    entries: BTreeMap<MatterKey, (u64, Entry)>,
    /// The ids of entries that were stored. An entry that comes twice is stored once.
    ids: BTreeSet<(String, u64, u64)>,
}

struct Node {
    ledger: Ledger,
    run: u64,
    /// What counts at this node.
    orders: BTreeMap<MatterKey, Content>,
    rows: BTreeMap<MatterKey, KeptRow>,
    identity: Option<u128>,
    /// What was on the disk some time ago.
    on_disk: (BTreeMap<MatterKey, KeptRow>, Option<u128>),
    is_up: bool,
    is_linked: bool,
    /// What the server sends to this node, with the time of its arrival.
    coming: VecDeque<(Duration, StreamEvent)>,
    /// What this node sends to the server.
    going: VecDeque<(Duration, Publish)>,
}

struct Simulation {
    rng: Rng,
    now: Duration,
    stream: Stream,
    nodes: Vec<Node>,
    said: u64,
    overtaken: usize,
}

impl Node {
    /// Lets what the ledger says count.
    fn follow(&mut self) {
        for Follow { matter, content, .. } in self.ledger.take_follows() {
            match content {
                Some(content) => _ = self.orders.insert(matter.key(), content),
                None => _ = self.orders.remove(&matter.key()),
            }
        }
    }
}

impl Simulation {
    fn new(seed: u64, nodes: usize) -> Self {
        let stream = Stream { identity: 1, last: 0, entries: BTreeMap::new(), ids: BTreeSet::new() };
        let nodes = (1..=nodes).map(|number| Node {
            ledger: Ledger::new(node(number), 1, Book::read_by(false, false)),
            run: 1,
            orders: BTreeMap::new(),
            rows: BTreeMap::new(),
            identity: None,
            on_disk: Default::default(),
            is_up: true,
            is_linked: false,
            coming: VecDeque::new(),
            going: VecDeque::new(),
        });
        let nodes = nodes.collect();
        Self { rng: Rng::with_seed(seed), now: Duration::from_secs(10), stream, nodes, said: 0, overtaken: 0 }
    }

    fn link(&mut self, number: usize) {
        let node = &mut self.nodes[number];
        if !node.is_up || node.is_linked {
            return;
        }
        node.is_linked = true;
        self.read_from_beginning(number);
    }

    fn read_from_beginning(&mut self, number: usize) {
        let (identity, last) = (self.stream.identity, self.stream.last);
        let mut entries: Vec<_> = self.stream.entries.values().cloned().collect();
        entries.sort_by_key(|(sequence, _)| *sequence);
        let heard = entries.into_iter().map(|(sequence, entry)| StreamEvent::Heard { sequence, entry: entry.into() });
        let open = |book, last| StreamEvent::Opened { book, identity, last };
        let mut events = vec![open(Book::Lasting, 0), StreamEvent::Read(Book::Lasting), open(Book::Passing, last)];
        events.extend(heard);
        events.push(StreamEvent::Read(Book::Passing));
        for event in events {
            self.deliver(number, event);
        }
    }

    fn unlink(&mut self, number: usize) {
        let node = &mut self.nodes[number];
        if std::mem::take(&mut node.is_linked) {
            node.coming.clear();
            // Some of it may arrive nevertheless, but no answer does.
            let arrive = self.rng.usize(..=node.going.len());
            let going: Vec<Publish> = node.going.drain(..).map(|(_, publish)| publish).take(arrive).collect();
            node.ledger.disconnect();
            for publish in going {
                self.store(None, publish);
            }
        }
    }

    fn deliver(&mut self, number: usize, event: StreamEvent) {
        let delay = Duration::from_millis(self.rng.u64(1..200));
        let coming = &mut self.nodes[number].coming;
        // One connection keeps the order.
        let at = coming.back().map_or(Duration::ZERO, |(at, _)| *at).max(self.now + delay);
        coming.push_back((at, event));
    }

    /// The server takes in an entry.
    fn store(&mut self, from: Option<usize>, Publish { entry, expects }: Publish) {
        let (key, origin) = (entry.key(), entry.origin());
        let id = (origin.node.to_string(), origin.run, origin.number);
        if self.stream.ids.contains(&id) {
            return;
        }
        let present = self.stream.entries.get(&key).map_or(0, |(sequence, _)| *sequence);
        if expects.is_some_and(|expects| expects != present) {
            if let Some(from) = from {
                self.deliver(from, StreamEvent::Overtaken(key));
            }
            return;
        }
        self.stream.ids.insert(id);
        self.stream.last += 1;
        let sequence = self.stream.last;
        self.stream.entries.insert(key, (sequence, entry.clone()));
        for number in 0..self.nodes.len() {
            if self.nodes[number].is_linked {
                self.deliver(number, StreamEvent::Heard { sequence, entry: Box::new(entry.clone()) });
            }
        }
    }

    fn order(&mut self, number: usize) {
        let node = &mut self.nodes[number];
        if !node.is_up {
            return;
        }
        self.said += 1;
        let matter = txt(self.rng.usize(..MATTERS));
        let content = self.rng.u8(..4).ne(&0).then_some(Content::Txt(self.said));
        match &content {
            Some(content) => _ = node.orders.insert(matter.key(), content.clone()),
            None => _ = node.orders.remove(&matter.key()),
        }
        let saying = [Saying::Order, Saying::Order, Saying::Claim, Saying::Finding][self.rng.usize(..4)];
        node.ledger.say(Word { matter, content, who: "".into(), saying });
    }

    fn kill(&mut self, number: usize) {
        self.unlink(number);
        self.nodes[number].is_up = false;
    }

    fn start(&mut self, number: usize) {
        let node = &mut self.nodes[number];
        if std::mem::replace(&mut node.is_up, true) {
            return;
        }
        node.run += 1;
        node.ledger = Ledger::new(super::node(number + 1), node.run, Book::read_by(false, false));
        (node.rows, node.identity) = node.on_disk.clone();
        node.orders.clear();
        let streams = node.identity.map(|identity| (Book::Passing, identity)).into_iter().collect();
        node.ledger.restore(KeptLedger { rows: node.rows.values().cloned().collect(), streams });
        node.follow();
    }

    fn trouble(&mut self) {
        let number = self.rng.usize(..self.nodes.len());
        match self.rng.u16(..2000) {
            0..=19 => self.unlink(number),
            20..=59 => self.link(number),
            60..=64 => self.kill(number),
            65..=84 => self.start(number),
            85..=300 => self.order(number),
            // The server is restarted.
            301..=304 => (0..self.nodes.len()).for_each(|number| self.unlink(number)),
            // The server loses its disk.
            305 => {
                (0..self.nodes.len()).for_each(|number| self.unlink(number));
                let identity = self.stream.identity + 1;
                self.stream = Stream { identity, last: 0, entries: BTreeMap::new(), ids: BTreeSet::new() };
            }
            306..=309 if self.nodes[number].is_linked => self.read_from_beginning(number),
            _ => {}
        }
    }

    fn step(&mut self) {
        self.now += TICK;
        let now = self.now;
        for number in 0..self.nodes.len() {
            while self.nodes[number].going.front().is_some_and(|(at, _)| *at <= now) {
                let (_, publish) = self.nodes[number].going.pop_front().unwrap();
                self.store(Some(number), publish);
            }
        }
        for number in 0..self.nodes.len() {
            let node = &mut self.nodes[number];
            if !node.is_up {
                continue;
            }
            while node.coming.front().is_some_and(|(at, _)| *at <= now) {
                let (_, event) = node.coming.pop_front().unwrap();
                node.ledger.hear(event).unwrap();
            }
            node.follow();
            for (key, row) in node.ledger.take_rows() {
                match row {
                    Some(row) => _ = node.rows.insert(key, row),
                    None => _ = node.rows.remove(&key),
                }
            }
            for (book, identity) in node.ledger.take_streams() {
                if book == Book::Passing {
                    node.identity = Some(identity);
                }
            }
            if self.rng.u8(..20) == 0 {
                node.on_disk = (node.rows.clone(), node.identity);
            }
            let news = node.ledger.take_news();
            self.overtaken += news.iter().filter(|news| matches!(news, LedgerNews::Overtaken(..))).count();
            for publish in node.ledger.advance(now) {
                let at = now + Duration::from_millis(self.rng.u64(1..100));
                let at = node.going.back().map_or(Duration::ZERO, |(at, _)| *at).max(at);
                if node.is_linked {
                    node.going.push_back((at, publish));
                }
            }
        }
    }

    /// Lets everything become calm, and checks that all agree.
    fn settle(&mut self) {
        for number in 0..self.nodes.len() {
            self.start(number);
            self.link(number);
        }
        for _ in 0..3000 {
            self.step();
        }
        let stream: BTreeMap<MatterKey, Content> = self
            .stream
            .entries
            .iter()
            .filter_map(|(key, (_, entry))| Some((key.clone(), entry.content()?.clone())))
            .collect();
        for (number, node) in self.nodes.iter().enumerate() {
            assert_eq!(node.orders, stream, "node {number}");
            assert!(node.ledger.is_settled(), "node {number}: nothing waits");
            assert!(node.going.is_empty() && node.coming.is_empty(), "node {number}: nothing is on its way");
            assert_eq!(node.ledger.view().orders, stream.len());
        }
    }
}

#[test]
fn all_nodes_end_with_the_order_of_the_stream_whatever_happens() {
    let mut overtaken = 0;
    for seed in 0..60 {
        let mut simulation = Simulation::new(seed, 2 + seed as usize % 7);
        (0..simulation.nodes.len()).for_each(|number| simulation.link(number));
        for _ in 0..3000 {
            simulation.trouble();
            simulation.step();
        }
        simulation.settle();
        // Once more, from what they agreed on.
        for _ in 0..1000 {
            simulation.trouble();
            simulation.step();
        }
        simulation.settle();
        overtaken += simulation.overtaken;
    }
    assert!(overtaken > 100, "orders were overtaken only {overtaken} times");
}

#[test]
fn an_order_given_at_a_node_that_is_cut_off_reaches_all_if_nobody_said_anything_else() {
    let mut simulation = Simulation::new(7, 4);
    simulation.settle();
    simulation.unlink(0);
    let word = Word { matter: txt(1), content: Some(Content::Txt(99)), who: "ada".into(), saying: Saying::Order };
    simulation.nodes[0].orders.insert(txt(1).key(), Content::Txt(99));
    simulation.nodes[0].ledger.say(word);
    simulation.step();
    simulation.nodes[0].on_disk = (simulation.nodes[0].rows.clone(), simulation.nodes[0].identity);
    simulation.kill(0);
    simulation.settle();
    assert!(simulation.nodes.iter().all(|node| node.orders[&txt(1).key()] == Content::Txt(99)));
    assert_eq!(simulation.overtaken, 0);
}
