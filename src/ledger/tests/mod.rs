//! One node and a stream, step by step; and many nodes on a bad network.

mod proposals;
mod simulation;

use std::time::Duration;

use super::*;
use crate::name::Name;
use crate::vantage::NodeName;

pub(super) fn node(number: usize) -> NodeName {
    NodeName::try_new(&format!("ns{number}")).unwrap()
}

pub(super) fn txt(number: usize) -> Matter {
    Matter::Txt(Name::parse(&format!("n{number}.example."), &Name::root()).unwrap(), "x".into())
}

fn word(number: usize, until: u64, saying: Saying) -> Word {
    Word { matter: txt(number), content: Some(Content::Txt(until)), who: "ada".into(), saying }
}

fn entry(by: usize, number: u64, matter: usize, until: Option<u64>) -> Entry {
    let origin = Origin { node: node(by), run: 1, number, who: "bob".into() };
    Entry::try_new(txt(matter), until.map(Content::Txt), origin).unwrap()
}

fn heard(sequence: u64, entry: Entry) -> StreamEvent {
    StreamEvent::Heard { sequence, entry: Box::new(entry) }
}

/// A ledger whose streams are read, and were empty.
fn open() -> Ledger {
    let mut ledger = Ledger::new(node(1), 1, Book::read_by(false, false));
    connect(&mut ledger, 1, &[]);
    ledger
}

/// Opens the stream of TXT records with these entries, and the other one.
fn connect(ledger: &mut Ledger, identity: u128, entries: &[(u64, Entry)]) {
    let last = entries.iter().map(|(sequence, _)| *sequence).max().unwrap_or_default();
    for (book, last) in [(Book::Lasting, 0), (Book::Passing, last)] {
        ledger.hear(StreamEvent::Opened { book, identity, last }).unwrap();
        for (sequence, entry) in entries.iter().filter(|_| book == Book::Passing) {
            ledger.hear(heard(*sequence, entry.clone())).unwrap();
        }
        ledger.hear(StreamEvent::Read(book)).unwrap();
    }
}

fn contents(follows: &[Follow]) -> Vec<Option<u64>> {
    let until = |content: &Option<Content>| match content {
        Some(Content::Txt(until)) => Some(*until),
        _ => None,
    };
    follows.iter().map(|follow| until(&follow.content)).collect()
}

const NOW: Duration = Duration::from_secs(100);

#[test]
fn an_order_goes_out_without_condition_while_the_stream_is_read_and_is_confirmed_when_it_comes_back() {
    let mut ledger = open();
    ledger.say(word(1, 5, Saying::Order));
    let sent = ledger.advance(NOW);
    assert_eq!((sent.len(), sent[0].expects), (1, None));
    assert_eq!(ledger.advance(NOW), [], "it is on its way");
    assert_eq!(ledger.advance(NOW + RESEND), sent, "it was not confirmed");
    assert!(!ledger.is_settled());
    ledger.hear(heard(1, sent[0].entry.clone())).unwrap();
    assert!(ledger.is_settled());
    assert_eq!(ledger.take_follows(), [], "it counts here already");
}

#[test]
fn the_latest_in_the_order_of_the_stream_counts() {
    let mut ledger = open();
    ledger.say(word(1, 5, Saying::Order));
    let sent = ledger.advance(NOW).remove(0);
    // Another order came first, and does not count for a moment.
    ledger.hear(heard(1, entry(2, 1, 1, Some(6)))).unwrap();
    assert_eq!(ledger.take_follows(), []);
    ledger.hear(heard(2, sent.entry)).unwrap();
    ledger.hear(heard(3, entry(2, 2, 1, Some(7)))).unwrap();
    ledger.hear(heard(2, entry(3, 1, 1, Some(8)))).unwrap();
    assert_eq!(contents(&ledger.take_follows()), [Some(7)], "what comes late does not count");
}

#[test]
fn an_order_given_while_cut_off_does_not_undo_what_others_said_meanwhile() {
    let mut ledger = open();
    ledger.hear(heard(1, entry(2, 1, 1, Some(1)))).unwrap();
    ledger.hear(heard(2, entry(2, 2, 2, Some(1)))).unwrap();
    ledger.take_follows();
    ledger.disconnect();
    ledger.take_news();
    ledger.say(word(1, 5, Saying::Order));
    ledger.say(word(2, 5, Saying::Order));
    assert_eq!(ledger.advance(NOW), []);
    // Of the first one nobody said anything meanwhile.
    connect(&mut ledger, 1, &[(1, entry(2, 1, 1, Some(1))), (3, entry(3, 1, 2, Some(9)))]);
    let sent = ledger.advance(NOW);
    assert_eq!((sent.len(), sent[0].entry.matter().clone(), sent[0].expects), (1, txt(1), Some(1)));
    assert_eq!(contents(&ledger.take_follows()), [Some(9)]);
    let news = ledger.take_news();
    assert!(matches!(&news[0], LedgerNews::Overtaken(matter, Some(by)) if *matter == txt(2) && by.node == node(3)));
    assert_eq!(news[1], LedgerNews::Shared(1));
}

#[test]
fn an_order_on_its_way_when_the_connection_breaks_is_found_again_or_expects_what_was_known() {
    let mut ledger = open();
    ledger.say(word(1, 5, Saying::Order));
    let sent = ledger.advance(NOW).remove(0);
    ledger.disconnect();
    let mut lost = KeptLedger::default();
    lost.rows.extend(ledger.take_rows().into_values().flatten());
    // The stream has it.
    connect(&mut ledger, 1, &[(1, sent.entry)]);
    assert!(ledger.is_settled());
    // The stream does not have it, after the process was killed too.
    let mut ledger = Ledger::new(node(1), 2, Book::read_by(false, false));
    ledger.restore(lost);
    assert_eq!(contents(&ledger.take_follows()), [Some(5)]);
    connect(&mut ledger, 1, &[]);
    assert_eq!(ledger.advance(NOW)[0].expects, Some(0));
}

#[test]
fn a_lease_lives_as_long_as_somebody_renews_it_anywhere() {
    let mut ledger = open();
    ledger.hear(heard(1, entry(2, 1, 1, Some(1)))).unwrap();
    ledger.disconnect();
    ledger.say(word(1, 5, Saying::Claim));
    // The others saw it end.
    connect(&mut ledger, 1, &[(2, entry(2, 2, 1, None))]);
    assert_eq!(ledger.advance(NOW)[0].expects, None);
    // It ends here, and is renewed there at the same time.
    let mut ledger = open();
    ledger.hear(heard(1, entry(2, 1, 1, Some(1)))).unwrap();
    ledger.take_follows();
    ledger.say(Word { content: None, ..word(1, 0, Saying::Finding) });
    assert_eq!(ledger.advance(NOW)[0].expects, Some(1));
    ledger.hear(StreamEvent::Overtaken(txt(1).key())).unwrap();
    ledger.hear(heard(2, entry(2, 2, 1, Some(2)))).unwrap();
    assert_eq!((contents(&ledger.take_follows()), ledger.is_settled()), (vec![Some(2)], true));
    assert_eq!(ledger.take_news().len(), 1, "nobody ordered anything");
}

#[test]
fn what_the_stream_has_forgotten_is_gone_and_a_new_stream_gets_everything_back() {
    let mut ledger = open();
    ledger.hear(heard(1, entry(2, 1, 1, Some(1)))).unwrap();
    ledger.hear(heard(2, entry(2, 2, 2, Some(2)))).unwrap();
    ledger.hear(heard(3, entry(2, 3, 3, None))).unwrap();
    ledger.take_follows();
    connect(&mut ledger, 1, &[(2, entry(2, 2, 2, Some(2))), (3, entry(2, 3, 3, None))]);
    assert_eq!(contents(&ledger.take_follows()), [None]);
    ledger.take_news();
    connect(&mut ledger, 2, &[]);
    assert_eq!(ledger.take_news()[0], LedgerNews::Restored(1));
    let sent = ledger.advance(NOW);
    assert_eq!(sent, [Publish { entry: entry(2, 2, 2, Some(2)), expects: Some(0) }]);
    assert_eq!(ledger.take_follows(), [], "it counts all the time");
    ledger.hear(heard(1, sent[0].entry.clone())).unwrap();
    assert!(ledger.is_settled());
    // A copy of the stream from before is another stream too.
    connect(&mut ledger, 2, &[]);
    assert_eq!(ledger.advance(NOW).len(), 1);
}

#[test]
fn why_orders_are_not_shared_is_told_once() {
    let mut ledger = Ledger::new(node(1), 1, Book::read_by(false, false));
    for _ in 0..3 {
        ledger.hear(StreamEvent::Closed(Book::Lasting, "off".into())).unwrap();
        ledger.hear(StreamEvent::Closed(Book::Passing, "off".into())).unwrap();
    }
    assert_eq!(ledger.take_news(), [LedgerNews::Apart("off".into())]);
    ledger.say(word(1, 5, Saying::Order));
    assert_eq!(ledger.view(), LedgerView { is_shared: false, why: "off".into(), orders: 1, waiting: 1 });
    connect(&mut ledger, 1, &[]);
    assert_eq!(ledger.take_news(), [LedgerNews::Shared(1)]);
}

#[test]
fn a_refusal_is_told_once_and_the_entry_that_never_comes_is_given_up() {
    let mut ledger = open();
    ledger.take_news();
    ledger.say(word(1, 5, Saying::Order));
    for _ in 0..3 {
        ledger.hear(StreamEvent::Refused(txt(1).key(), "full".into())).unwrap();
    }
    assert_eq!(ledger.take_news(), [LedgerNews::Refused(txt(1), "full".into())]);
    assert!(!ledger.is_settled());
    for _ in 0..3 {
        ledger.hear(StreamEvent::Overtaken(txt(1).key())).unwrap();
    }
    assert!(ledger.is_settled());
    assert_eq!(ledger.take_news(), [LedgerNews::Overtaken(txt(1), None)]);
}

#[test]
fn an_order_beyond_the_bound_is_not_shared() {
    let mut ledger = open();
    (0..=MAX_MATTERS).for_each(|number| ledger.say(word(number, 5, Saying::Order)));
    for (sequence, number) in (1..).zip(0..MAX_MATTERS) {
        ledger.hear(heard(sequence, entry(1, sequence, number, Some(5)))).unwrap();
    }
    assert!(ledger.is_settled());
    assert!(matches!(ledger.has_last_word(), Some(Err(why)) if why.contains("at most")));
    ledger.say(word(1, 6, Saying::Order));
    ledger.hear(heard(1 << 20, entry(1, MAX_MATTERS as u64 + 1, 1, Some(6)))).unwrap();
    assert_eq!(ledger.has_last_word(), Some(Ok(())));
}

#[test]
fn what_the_stream_refused_says_nothing_of_later_orders() {
    let mut ledger = open();
    assert_eq!(ledger.has_last_word(), Some(Ok(())));
    ledger.say(word(1, 5, Saying::Order));
    ledger.advance(NOW);
    assert_eq!(ledger.has_last_word(), None);
    ledger.hear(StreamEvent::Refused(txt(1).key(), "too long".into())).unwrap();
    assert_eq!(ledger.has_last_word(), Some(Err("too long".into())));
    ledger.say(word(2, 6, Saying::Order));
    ledger.advance(NOW);
    assert_eq!(ledger.has_last_word(), None);
    ledger.hear(heard(1, entry(1, 2, 2, Some(6)))).unwrap();
    assert_eq!((ledger.has_last_word(), ledger.is_settled()), (Some(Ok(())), false));
    // A stream that is opened again may take what waits.
    ledger.disconnect();
    connect(&mut ledger, 1, &[(1, entry(1, 2, 2, Some(6)))]);
    ledger.advance(NOW + RESEND);
    assert_eq!(ledger.has_last_word(), None);
}

#[test]
fn what_the_stream_refuses_counts_until_somebody_else_says_something() {
    let mut ledger = open();
    ledger.say(word(1, 5, Saying::Order));
    ledger.advance(NOW);
    ledger.hear(StreamEvent::Refused(txt(1).key(), "not allowed".into())).unwrap();
    assert_eq!(ledger.advance(NOW + RESEND)[0].expects, Some(0));
    ledger.hear(heard(1, entry(2, 1, 1, Some(6)))).unwrap();
    assert_eq!((contents(&ledger.take_follows()), ledger.is_settled()), (vec![Some(6)], true));
}

#[test]
fn nothing_is_taken_back_that_nobody_said() {
    let mut ledger = open();
    ledger.say(Word { content: None, ..word(1, 0, Saying::Order) });
    assert!(ledger.is_settled());
    let other = Matter::Lease(crate::health::PoolKey::new("", "web"), "a".parse().unwrap());
    let origin = Origin { node: node(1), run: 1, number: 1, who: "".into() };
    assert_eq!(Entry::try_new(other, Some(Content::Txt(1)), origin), None, "it does not belong to it");
}
