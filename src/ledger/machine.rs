//! The state machine of one node.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::row::{Row, Waiting};
use super::{
    Book, Content, Decision, Entry, Follow, KeptLedger, LedgerNews, MAX_MATTERS, Matter, MatterKey, Origin, Publish,
    RESEND, Rows, Saying, StreamEvent, Word,
};
use crate::vantage::NodeName;

/// Most entries that are sent and not confirmed. The others wait.
const MAX_UNCONFIRMED: usize = 256;

/// After so many refusals the entry that overtook this node's is not to be had, and the node gives up.
const MAX_REFUSALS: u8 = 3;

/// Why an entry was ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// More matters are known than there may be.
    TooMany,
}

#[derive(Debug)]
pub(super) struct BookState {
    /// The identity of the stream that was read last.
    identity: Option<u128>,
    pub(super) phase: Phase,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// This node does not read the stream.
    Unused,
    Closed(Box<str>),
    /// What was in the stream when it was opened comes.
    Reading,
    Open,
}

/// The ledger, as far as this node knows it.
#[derive(Debug)]
pub struct Ledger {
    node: NodeName,
    run: u64,
    number: u64,
    pub(super) rows: BTreeMap<MatterKey, Row>,
    /// The rows in which a word of this node waits.
    pub(super) waiting: BTreeSet<MatterKey>,
    pub(super) books: [BookState; Book::ALL.len()],
    /// The reason why orders are not shared, as it was told last.
    told: Option<Box<str>>,
    /// True if it was told that orders are shared, and nothing else since then.
    is_told_shared: bool,
    /// The last refusal that was told.
    refusal: Option<Box<str>>,
    /// The subject of the last word of this node, or why that word does not go out.
    pub(super) last_said: Option<Result<MatterKey, Box<str>>>,
    pub(super) changed: BTreeSet<MatterKey>,
    has_new_streams: bool,
    follows: Vec<Follow>,
    news: Vec<LedgerNews>,
    pub(super) decisions: Vec<Decision>,
}

impl Ledger {
    /// The ledger of a node that knows nothing yet, and reads these streams. A later run of the process has a greater `run`.
    pub fn new(node: NodeName, run: u64, reads: &[Book]) -> Self {
        let phase = |book| {
            if reads.contains(&book) { Phase::Closed("not connected yet".into()) } else { Phase::Unused }
        };
        Self {
            node,
            run,
            number: 0,
            rows: BTreeMap::new(),
            waiting: BTreeSet::new(),
            books: Book::ALL.map(|book| BookState { identity: None, phase: phase(book) }),
            told: None,
            is_told_shared: false,
            refusal: None,
            last_said: None,
            changed: BTreeSet::new(),
            has_new_streams: false,
            follows: Vec::new(),
            news: Vec::new(),
            decisions: Vec::new(),
        }
    }

    /// Takes in what an earlier run knew. All of it counts at once.
    pub fn restore(&mut self, KeptLedger { rows, streams }: KeptLedger) {
        for (book, identity) in streams {
            self.books[book as usize].identity = Some(identity);
        }
        for row in rows.into_iter().map(Row::from) {
            let Some(entry) = row.in_force() else { continue };
            if self.books[entry.matter().book() as usize].phase == Phase::Unused {
                continue;
            }
            let key = entry.key();
            self.follows.push(follow(entry, false));
            if row.waiting.is_some() {
                self.waiting.insert(key.clone());
            }
            self.rows.insert(key, row);
        }
    }

    /// True if somebody said something about a matter.
    pub fn knows(&self, matter: &Matter) -> bool {
        self.rows.contains_key(&matter.key())
    }

    /// The latest word on a matter; `None` if there is none, or if it is taken back.
    pub fn content(&self, matter: &Matter) -> Option<&Content> {
        self.rows.get(&matter.key())?.in_force()?.content()
    }

    /// Takes in a word of this node.
    pub fn say(&mut self, Word { matter, content, who, saying }: Word) {
        if self.books[matter.book() as usize].phase == Phase::Unused {
            return;
        }
        let key = matter.key();
        let row = self.rows.get(&key);
        let is_there = row.and_then(Row::in_force).is_some_and(|entry| entry.content().is_some());
        if content.is_none() && !is_there {
            return;
        }
        if row.is_none() && self.rows.len() >= MAX_MATTERS {
            let why: Box<str> = format!("a fleet has at most {MAX_MATTERS} orders").into();
            self.last_said = Some(Err(why.clone()));
            return self.news.push(LedgerNews::Refused(matter, why));
        }
        let is_open = self.reads(matter.book());
        self.number += 1;
        let origin = Origin { node: self.node.clone(), run: self.run, number: self.number, who };
        let Some(entry) = Entry::try_new(matter, content, origin) else { return };
        let row = self.rows.entry(key.clone()).or_insert_with(|| Row { heard: None, waiting: None, is_present: false });
        let basis = row.waiting.as_ref().map_or(row.sequence(), |before| before.basis);
        let is_conditional = match saying {
            Saying::Order => !is_open,
            Saying::Claim => false,
            Saying::Finding | Saying::Proposal => true,
        };
        row.waiting = Some(Waiting { entry, saying, basis, is_conditional, sent: None, refusals: 0, refused: None });
        self.waiting.insert(key.clone());
        self.last_said = Some(Ok(key.clone()));
        self.changed.insert(key);
    }

    /// Takes in an event of the streams. Fails if an entry is ignored.
    pub fn hear(&mut self, event: StreamEvent) -> Result<(), Unfit> {
        match event {
            StreamEvent::Opened { book, identity, last } => self.open(book, identity, last),
            StreamEvent::Heard { sequence, entry } => return self.hear_entry(sequence, *entry),
            StreamEvent::Read(book) => self.end_reading(book),
            StreamEvent::Closed(book, why) => {
                self.close(book, &why);
                if self.told.as_ref() != Some(&why) {
                    self.news.push(LedgerNews::Apart(why.clone()));
                    self.told = Some(why);
                }
            }
            StreamEvent::Overtaken(key) => self.be_refused(&key),
            StreamEvent::Refused(key, why) => self.keep_to_itself(&key, why),
        }
        Ok(())
    }

    /// Takes in that the connection is lost, which is told elsewhere.
    pub fn disconnect(&mut self) {
        for book in Book::ALL {
            self.close(book, "not connected");
        }
    }

    fn close(&mut self, book: Book, why: &str) {
        let phase = &mut self.books[book as usize].phase;
        if *phase == Phase::Unused {
            return;
        }
        *phase = Phase::Closed(why.into());
        self.is_told_shared = false;
        self.withdraw(book, &Decision::Refused(format!("{why}; it is not known whether the fleet has it").into()));
        for key in &self.waiting {
            let waiting = self.rows.get_mut(key).and_then(|row| row.waiting.as_mut());
            if let Some(waiting) = waiting.filter(|waiting| waiting.entry.matter().book() == book) {
                (waiting.sent, waiting.refused) = (None, None);
                // Others may say something before this node is back.
                waiting.is_conditional |= waiting.saying == Saying::Order;
            }
        }
    }

    fn open(&mut self, book: Book, identity: u128, last: u64) {
        let state = &mut self.books[book as usize];
        if state.phase == Phase::Unused {
            return;
        }
        let is_other = state.identity.is_some_and(|before| before != identity);
        self.has_new_streams |= state.identity != Some(identity);
        (state.identity, state.phase) = (Some(identity), Phase::Reading);
        let of_book = |row: &&mut Row| row.in_force().is_some_and(|entry| entry.matter().book() == book);
        let highest = self.rows.values_mut().filter(of_book).map(|row| row.sequence()).max();
        self.rows.values_mut().filter(of_book).for_each(|row| row.is_present = false);
        // A stream that was restored from an older copy is another one too.
        if is_other || highest.is_some_and(|highest| highest > last) {
            self.give_back(book);
        }
    }

    /// Prepares to give a new stream what this node knows.
    fn give_back(&mut self, book: Book) {
        let mut given = 0;
        let keys: Vec<MatterKey> = self.rows.keys().cloned().collect();
        for key in keys {
            let Some(row) = self.rows.get_mut(&key) else { continue };
            if row.in_force().is_none_or(|entry| entry.matter().book() != book) {
                continue;
            }
            let heard = row.heard.take().map(|(_, entry)| entry).filter(|entry| entry.content().is_some());
            match (&mut row.waiting, heard) {
                (Some(waiting), _) => waiting.basis = 0,
                (waiting @ None, Some(entry)) => {
                    let saying = Saying::Order;
                    *waiting = Some(Waiting {
                        entry,
                        saying,
                        basis: 0,
                        is_conditional: true,
                        sent: None,
                        refusals: 0,
                        refused: None,
                    });
                    self.waiting.insert(key.clone());
                    given += 1;
                }
                (None, None) => _ = self.rows.remove(&key),
            }
            self.changed.insert(key);
        }
        if given > 0 {
            self.news.push(LedgerNews::Restored(given));
        }
    }

    fn hear_entry(&mut self, sequence: u64, entry: Entry) -> Result<(), Unfit> {
        let (book, key) = (entry.matter().book(), entry.key());
        let is_live = self.reads(book);
        if matches!(self.books[book as usize].phase, Phase::Closed(_) | Phase::Unused) {
            return Ok(());
        }
        if !self.rows.contains_key(&key) && self.rows.len() >= MAX_MATTERS {
            return Err(Unfit::TooMany);
        }
        let row = self.rows.entry(key.clone()).or_insert_with(|| Row { heard: None, waiting: None, is_present: true });
        row.is_present = true;
        if sequence <= row.sequence() {
            return Ok(());
        }
        self.changed.insert(key.clone());
        let is_followed = match &mut row.waiting {
            None => true,
            Some(waiting) if *entry.origin() == *waiting.entry.origin() => {
                let is_proposal = waiting.saying == Saying::Proposal;
                row.waiting = None;
                self.waiting.remove(&key);
                self.refusal = None;
                if is_proposal {
                    self.decisions.push(Decision::Taken);
                }
                is_proposal
            }
            // What waits was on the disk, and is older than what this node said last.
            Some(waiting) if waiting.entry.origin().is_up_to(entry.origin()) => {
                self.give_up(&key, Some(entry.origin().clone()));
                true
            }
            // This node said it before what waits.
            Some(waiting) if entry.origin().is_up_to(waiting.entry.origin()) => {
                waiting.basis = sequence;
                false
            }
            Some(waiting) if waiting.is_conditional => {
                self.give_up(&key, Some(entry.origin().clone()));
                true
            }
            // What waits comes after it.
            Some(_) => false,
        };
        if is_followed {
            self.follows.push(follow(&entry, is_live));
        }
        if let Some(row) = self.rows.get_mut(&key) {
            row.heard = Some((sequence, entry));
        }
        Ok(())
    }

    /// Takes back the word of this node that waits, because another one counts.
    fn give_up(&mut self, key: &MatterKey, by: Option<Origin>) {
        self.waiting.remove(key);
        self.changed.insert(key.clone());
        let Some(waiting) = self.rows.get_mut(key).and_then(|row| row.waiting.take()) else { return };
        if waiting.saying == Saying::Proposal {
            self.decisions.push(Decision::Overtaken);
        }
        // What a node gives back to a new stream, or found by itself, nobody ordered here.
        if waiting.saying == Saying::Order && waiting.entry.origin().node == self.node {
            self.news.push(LedgerNews::Overtaken(waiting.entry.matter().clone(), by));
        }
    }

    /// Takes in that the stream does not take a word of this node. It counts here until somebody says something else.
    fn keep_to_itself(&mut self, key: &MatterKey, why: Box<str>) {
        let Some(row) = self.rows.get_mut(key) else { return };
        if row.is_proposed() {
            return self.decide(key, Decision::Refused(why));
        }
        let sequence = row.sequence();
        let Some(waiting) = &mut row.waiting else { return };
        waiting.refused = Some(why.clone());
        if waiting.saying == Saying::Order && !waiting.is_conditional {
            (waiting.is_conditional, waiting.basis) = (true, sequence);
            self.changed.insert(key.clone());
        }
        if self.refusal.as_ref() != Some(&why) {
            self.news.push(LedgerNews::Refused(waiting.entry.matter().clone(), why.clone()));
            self.refusal = Some(why);
        }
    }

    /// Takes in that the stream has a later entry than was expected. It is on its way, as a rule.
    fn be_refused(&mut self, key: &MatterKey) {
        if self.rows.get(key).is_some_and(Row::is_proposed) {
            return self.decide(key, Decision::Overtaken);
        }
        let Some(waiting) = self.rows.get_mut(key).and_then(|row| row.waiting.as_mut()) else { return };
        waiting.refusals += 1;
        if waiting.refusals >= MAX_REFUSALS {
            self.return_to_heard(key);
        }
    }

    /// Gives up the word of this node that waits, and lets the latest entry of the stream count.
    fn return_to_heard(&mut self, key: &MatterKey) {
        let Some(row) = self.rows.get(key) else { return };
        let heard = row.heard.as_ref().map(|(_, entry)| follow(entry, true));
        let follow = heard.or_else(|| {
            let matter = row.in_force()?.matter().clone();
            Some(Follow { matter, content: None, origin: None, is_live: true })
        });
        let is_empty = row.heard.is_none();
        self.give_up(key, follow.as_ref().and_then(|follow| follow.origin.clone()));
        self.follows.extend(follow);
        if is_empty {
            self.rows.remove(key);
        }
    }

    fn end_reading(&mut self, book: Book) {
        if self.books[book as usize].phase != Phase::Reading {
            return;
        }
        self.books[book as usize].phase = Phase::Open;
        let keys: Vec<MatterKey> = self.rows.keys().cloned().collect();
        for key in keys {
            let Some(row) = self.rows.get_mut(&key) else { continue };
            if row.in_force().is_none_or(|entry| entry.matter().book() != book) {
                continue;
            }
            if !row.is_present
                && let Some((_, entry)) = row.heard.take()
            {
                // The stream has forgotten it.
                self.changed.insert(key.clone());
                let Some(waiting) = &mut row.waiting else {
                    let matter = entry.matter().clone();
                    self.follows.push(Follow { matter, content: None, origin: None, is_live: false });
                    self.rows.remove(&key);
                    continue;
                };
                waiting.basis = 0;
            }
            let sequence = row.sequence();
            let is_overtaken =
                row.waiting.as_ref().is_some_and(|waiting| waiting.is_conditional && waiting.basis != sequence);
            if is_overtaken {
                self.return_to_heard(&key);
            } else if let Some(waiting) = &mut row.waiting
                && !waiting.is_conditional
            {
                // It may have been stored before the connection broke, and the stream would take it for the same one.
                self.number += 1;
                waiting.entry = waiting.entry.clone().numbered(self.run, self.number);
            }
        }
        if self.is_shared() && !std::mem::replace(&mut self.is_told_shared, true) {
            self.told = None;
            self.news.push(LedgerNews::Shared(self.waiting.len()));
        }
    }

    /// The entries that are to be sent now.
    pub fn advance(&mut self, now: Duration) -> Vec<Publish> {
        let mut due = Vec::new();
        let mut unconfirmed = 0;
        for key in &self.waiting {
            let Some(row) = self.rows.get_mut(key) else { continue };
            let Some(waiting) = &mut row.waiting else { continue };
            let is_open = self.books[waiting.entry.matter().book() as usize].phase == Phase::Open;
            if !is_open || unconfirmed >= MAX_UNCONFIRMED {
                continue;
            }
            unconfirmed += 1;
            if waiting.sent.is_none_or(|sent| sent + RESEND <= now) {
                waiting.sent = Some(now);
                let expects = waiting.is_conditional.then_some(waiting.basis);
                due.push(Publish { entry: waiting.entry.clone(), expects });
            }
        }
        due
    }

    /// When [`Self::advance`] is due if nothing happens before.
    pub fn wake_at(&self) -> Option<Duration> {
        let waiting = self.waiting.iter().filter_map(|key| self.waiting_in(key));
        let open = waiting.filter(|waiting| self.reads(waiting.entry.matter().book()));
        open.filter_map(|waiting| Some(waiting.sent? + RESEND)).min()
    }

    /// What counts from now on.
    pub fn take_follows(&mut self) -> Vec<Follow> {
        std::mem::take(&mut self.follows)
    }

    /// The news since the last call.
    pub fn take_news(&mut self) -> Vec<LedgerNews> {
        std::mem::take(&mut self.news)
    }

    /// The rows that changed since the last call.
    pub fn take_rows(&mut self) -> Rows {
        let changed = std::mem::take(&mut self.changed);
        let kept = |key: &MatterKey| self.rows.get(key).map(Row::kept).filter(|kept| !kept.is_empty());
        changed.into_iter().map(|key| (key.clone(), kept(&key))).collect()
    }

    /// The identities of the streams, if they changed since the last call.
    pub fn take_streams(&mut self) -> Vec<(Book, u128)> {
        if !std::mem::take(&mut self.has_new_streams) {
            return Vec::new();
        }
        Book::ALL.into_iter().filter_map(|book| Some((book, self.books[book as usize].identity?))).collect()
    }

    pub(super) fn waiting_in(&self, key: &MatterKey) -> Option<&Waiting> {
        self.rows.get(key)?.waiting.as_ref()
    }
}

fn follow(entry: &Entry, is_live: bool) -> Follow {
    Follow {
        matter: entry.matter().clone(),
        content: entry.content().cloned(),
        origin: Some(entry.origin().clone()),
        is_live,
    }
}
