//! The version of the zones: it counts once the stream has it, or not at all.

use std::time::Duration;

use super::*;
use crate::versions::{Digest, Release, Releases};

fn releases(number: u32) -> Releases {
    let (id, files) = (Digest::of(&number.to_be_bytes()), Digest::of(b"files"));
    let (who, comment) = ("ada".into(), "".into());
    let release = Release { number, id, files, octets: 1, made_at: Duration::from_secs(1), who, comment };
    Releases::push(None, release, Vec::new(), false).unwrap()
}

fn proposal(number: u32) -> Word {
    let content = Some(Content::Zones(releases(number)));
    Word { matter: Matter::Zones, content, who: "ada".into(), saying: Saying::Proposal }
}

fn other(by: usize, number: u32) -> Entry {
    let origin = Origin { node: node(by), run: 1, number: number.into(), who: "bob".into() };
    Entry::try_new(Matter::Zones, Some(Content::Zones(releases(number))), origin).unwrap()
}

/// A ledger that reads the versions, with these entries in their stream.
fn open_zones(entries: &[(u64, Entry)]) -> Ledger {
    let mut ledger = Ledger::new(node(1), 1, Book::read_by(true, true));
    connect_zones(&mut ledger, entries);
    ledger
}

fn connect_zones(ledger: &mut Ledger, entries: &[(u64, Entry)]) {
    let last = entries.iter().map(|(sequence, _)| *sequence).max().unwrap_or_default();
    // Its parts are in the stream too, before the entries that name them.
    ledger.hear(StreamEvent::Opened { book: Book::Zones, identity: 1, last: last + 5 }).unwrap();
    for (sequence, entry) in entries {
        ledger.hear(heard(*sequence, entry.clone())).unwrap();
    }
    ledger.hear(StreamEvent::Read(Book::Zones)).unwrap();
}

fn numbers(follows: &[Follow]) -> Vec<u32> {
    let number = |follow: &Follow| match &follow.content {
        Some(Content::Zones(releases)) => Some(releases.latest()),
        _ => None,
    };
    follows.iter().filter_map(number).collect()
}

#[test]
fn a_proposal_counts_once_the_stream_has_it() {
    let mut ledger = open_zones(&[(7, other(2, 1))]);
    assert!(ledger.is_shared(), "what this node does not read is not waited for");
    assert_eq!(numbers(&ledger.take_follows()), [1]);
    ledger.say(proposal(2));
    assert_eq!((numbers(&ledger.take_follows()), ledger.take_decisions()), (vec![], vec![]));
    assert_eq!(ledger.content(&Matter::Zones), Some(&Content::Zones(releases(1))));
    let sent = ledger.advance(NOW).remove(0);
    assert_eq!(sent.expects, Some(7));
    ledger.hear(heard(9, sent.entry)).unwrap();
    assert_eq!(ledger.take_decisions(), [Decision::Taken]);
    assert_eq!(numbers(&ledger.take_follows()), [2], "it counts here as everywhere");
    assert!(ledger.is_settled());
}

#[test]
fn of_two_proposals_the_one_that_the_stream_got_first_counts() {
    let mut ledger = open_zones(&[]);
    ledger.say(proposal(1));
    let sent = ledger.advance(NOW).remove(0);
    assert_eq!(sent.expects, Some(0));
    ledger.hear(heard(3, other(2, 9))).unwrap();
    assert_eq!((ledger.take_decisions(), numbers(&ledger.take_follows())), (vec![Decision::Overtaken], vec![9]));
    // The refusal of the stream may come first.
    ledger.say(proposal(10));
    assert_eq!(ledger.advance(NOW)[0].expects, Some(3));
    ledger.hear(StreamEvent::Overtaken(Matter::Zones.key())).unwrap();
    assert_eq!(ledger.take_decisions(), [Decision::Overtaken]);
    assert_eq!(ledger.advance(NOW + RESEND), [], "it is not sent again");
    ledger.hear(heard(4, other(3, 10))).unwrap();
    assert_eq!((ledger.take_decisions(), numbers(&ledger.take_follows())), (vec![], vec![10]));
    ledger.say(proposal(11));
    ledger.hear(StreamEvent::Refused(Matter::Zones.key(), "no room".into())).unwrap();
    assert_eq!(ledger.take_decisions(), [Decision::Refused("no room".into())]);
    assert!(ledger.is_settled() && ledger.take_news().iter().all(LedgerNews::is_good));
}

#[test]
fn a_proposal_on_its_way_when_the_connection_breaks_never_goes_out_later() {
    let mut ledger = open_zones(&[(7, other(2, 1))]);
    ledger.say(proposal(2));
    let kept: Vec<KeptRow> = ledger.take_rows().into_values().flatten().collect();
    assert!(kept.iter().all(|row| row.waiting.is_none()), "nor after a restart");
    let sent = ledger.advance(NOW).remove(0);
    ledger.disconnect();
    assert!(matches!(&ledger.take_decisions()[..], [Decision::Refused(why)] if why.contains("not known")));
    // The stream did not get it.
    connect_zones(&mut ledger, &[(7, other(2, 1))]);
    assert_eq!(ledger.advance(NOW), []);
    assert_eq!(ledger.content(&Matter::Zones), Some(&Content::Zones(releases(1))));
    // Or it did.
    ledger.take_follows();
    connect_zones(&mut ledger, &[(9, sent.entry)]);
    assert_eq!(numbers(&ledger.take_follows()), [2]);
}

#[test]
fn the_first_proposal_leaves_nothing_behind_when_it_fails() {
    let mut ledger = open_zones(&[]);
    ledger.say(proposal(1));
    ledger.disconnect();
    assert!(!ledger.knows(&Matter::Zones));
    assert_eq!(ledger.take_rows().into_values().collect::<Vec<_>>(), [None]);
}

#[test]
fn versions_that_were_lost_with_their_stream_are_given_back() {
    let mut ledger = open_zones(&[(7, other(2, 1))]);
    ledger.hear(StreamEvent::Opened { book: Book::Zones, identity: 2, last: 0 }).unwrap();
    ledger.hear(StreamEvent::Read(Book::Zones)).unwrap();
    let sent = ledger.advance(NOW).remove(0);
    assert_eq!((sent.expects, sent.entry), (Some(0), other(2, 1)));
}

#[test]
fn what_a_node_does_not_read_it_neither_says_nor_hears_nor_remembers() {
    let mut ledger = open_zones(&[]);
    ledger.say(word(1, 5, Saying::Order));
    ledger.hear(StreamEvent::Opened { book: Book::Passing, identity: 1, last: 1 }).unwrap();
    ledger.hear(heard(1, entry(2, 1, 1, Some(1)))).unwrap();
    let row = KeptRow { heard: Some((1, entry(2, 1, 1, Some(1)))), waiting: None, basis: 0 };
    ledger.restore(KeptLedger { rows: vec![row], streams: Vec::new() });
    assert_eq!((ledger.take_follows(), ledger.advance(NOW), ledger.view().orders), (vec![], vec![], 0));
    let mut without = open();
    without.say(proposal(1));
    assert_eq!((without.advance(NOW), without.is_shared()), (vec![], true));
}

/// A stream that takes an entry only if nothing else came first, and knows the ones that it has taken.
#[derive(Default)]
struct Stream(Vec<Entry>);

impl Stream {
    fn publish(&mut self, Publish { entry, expects }: Publish) -> Result<(), StreamEvent> {
        if self.0.iter().any(|taken| taken.origin() == entry.origin()) {
            return Ok(());
        }
        if expects != Some(self.0.len() as u64) {
            return Err(StreamEvent::Overtaken(entry.key()));
        }
        self.0.push(entry);
        Ok(())
    }
}

/// A node, how many entries of the stream it has heard, and the numbers that it proposed.
struct Proposer {
    ledger: Ledger,
    is_connected: bool,
    heard: usize,
    proposed: Vec<u32>,
    decisions: Vec<Decision>,
}

impl Proposer {
    fn latest(&self) -> u32 {
        match self.ledger.content(&Matter::Zones) {
            Some(Content::Zones(releases)) => releases.latest(),
            _ => 0,
        }
    }

    fn propose(&mut self) {
        if self.ledger.reads(Book::Zones) && !self.ledger.is_proposed(&Matter::Zones) {
            let number = self.latest() + 1;
            self.ledger.say(proposal(number));
            self.proposed.push(number);
        }
    }

    fn send(&mut self, stream: &mut Stream, now: Duration, is_answer_lost: bool) {
        for publish in self.ledger.advance(now) {
            if let Err(refusal) = stream.publish(publish)
                && !is_answer_lost
            {
                self.ledger.hear(refusal).unwrap();
            }
        }
    }

    fn hear(&mut self, stream: &Stream) {
        if let Some(entry) = stream.0.get(self.heard).filter(|_| self.is_connected) {
            self.heard += 1;
            self.ledger.hear(heard(self.heard as u64, entry.clone())).unwrap();
        }
    }

    fn connect(&mut self, stream: &Stream) {
        if !std::mem::replace(&mut self.is_connected, true) {
            let last = stream.0.len() as u64;
            self.ledger.hear(StreamEvent::Opened { book: Book::Zones, identity: 1, last }).unwrap();
            // The stream keeps the last one.
            self.heard = stream.0.len().saturating_sub(1);
            self.hear(stream);
            self.ledger.hear(StreamEvent::Read(Book::Zones)).unwrap();
        }
    }

    fn disconnect(&mut self) {
        self.is_connected = false;
        self.ledger.disconnect();
    }
}

proptest::proptest! {
    /// Whatever is lost and whoever is cut off: all end with the same, no version is built on another one than its author saw,
    /// and nobody is told something else about a proposal than what became of it.
    #[test]
    fn all_nodes_agree_on_what_is_current(steps in proptest::collection::vec((0_usize..3, 0_u8..8), 0..200)) {
        let mut stream = Stream::default();
        let mut nodes: Vec<Proposer> = (1..=3)
            .map(|number| Proposer {
                ledger: Ledger::new(node(number), 1, Book::read_by(true, true)),
                is_connected: false,
                heard: 0,
                proposed: Vec::new(),
                decisions: Vec::new(),
            })
            .collect();
        let mut now = NOW;
        for (place, action) in steps {
            now += Duration::from_secs(1);
            let node = &mut nodes[place];
            match action {
                0 | 1 => node.propose(),
                2 => node.send(&mut stream, now, false),
                3 => node.send(&mut stream, now, true),
                4 | 5 => node.hear(&stream),
                6 => node.connect(&stream),
                _ => node.disconnect(),
            }
            node.decisions.extend(node.ledger.take_decisions());
        }
        for _ in 0..2 {
            for node in &mut nodes {
                node.connect(&stream);
                node.send(&mut stream, now + RESEND, false);
            }
            for node in &mut nodes {
                stream.0.iter().for_each(|_| node.hear(&stream));
                node.decisions.extend(node.ledger.take_decisions());
            }
            now += RESEND;
        }
        for (place, node) in nodes.iter().enumerate() {
            proptest::prop_assert_eq!(node.latest() as usize, stream.0.len());
            proptest::prop_assert_eq!(node.proposed.len(), node.decisions.len());
            for (number, (proposed, decision)) in (1..).zip(node.proposed.iter().zip(&node.decisions)) {
                let is_taken = stream.0.iter().any(|entry| {
                    entry.origin().node == super::node(place + 1) && entry.origin().number == number
                });
                match decision {
                    Decision::Taken => proptest::prop_assert!(is_taken, "{} of {}", proposed, place),
                    Decision::Overtaken => proptest::prop_assert!(!is_taken, "{} of {}", proposed, place),
                    // Nobody knows.
                    Decision::Refused(_) => {}
                }
            }
        }
        let latest = |entry: &Entry| match entry.content() {
            Some(Content::Zones(releases)) => releases.latest(),
            _ => 0,
        };
        let chain: Vec<u32> = stream.0.iter().map(latest).collect();
        proptest::prop_assert_eq!(chain, (1..=stream.0.len() as u32).collect::<Vec<_>>());
    }
}
