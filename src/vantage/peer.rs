//! One other node, as far as it is known.

use std::sync::Arc;
use std::time::Duration;

use super::latency::Allowance;
use super::message::{Message, Part, Report, Sight};
use super::skew::Skew;
use super::{MAX_QUESTIONS, Parts, QuestionId, Row, Table};
use crate::health::Identity;

/// Range of another node's interval. What it says beyond that is taken as the nearest of these.
const INTERVAL: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(60)];

/// A node is silent after this number of its intervals without a message.
const SILENT_AFTER: u32 = 3;

/// Silent nodes are forgotten after this number of intervals without a message.
pub(super) const FORGOTTEN_AFTER: u32 = SILENT_AFTER + 1;

/// Another node, as its messages show it.
#[derive(Debug)]
pub(super) struct Peer {
    incarnation: u64,
    sequence: u64,
    /// When its last message came.
    pub(super) heard: Duration,
    interval: Duration,
    pub(super) site: Box<str>,
    /// Its software and configuration, as it told.
    pub(super) identity: Option<Arc<Identity>>,
    /// The digest of what it runs by now; `None` while it serves nothing yet.
    runs: Option<u64>,
    /// The digest of its round trips by now; `None` while it serves nothing yet.
    rtts: Option<u64>,
    /// The samples that it sent lately.
    pub(super) allowance: Allowance,
    /// The reports that it passed on lately.
    pub(super) reports: Allowance,
    /// True if it distrusts its own probes.
    pub(super) doubts: bool,
    /// True if it sees everything down, and others do not.
    pub(super) is_discounted: bool,
    /// When it said that it stops.
    pub(super) left: Option<Duration>,
    /// The digests of the questions that it shares; `None` if it shares none.
    pub(super) parts: Option<Parts>,
    /// It gets endpoints to probe from this time on.
    pub(super) matures_at: Duration,
    pub(super) table: Table,
    /// All rows of an answer, as far as its parts have come.
    partial: Option<(Part, Table)>,
    /// True if the table was the sender's when its last message came.
    pub(super) is_in_step: bool,
    /// Not asked for all rows before this time.
    ask_at: Duration,
    pub(super) skew: Skew,
}

/// The questions whose opinions may have changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// These.
    Some(Vec<QuestionId>),
    /// Any.
    All,
}

impl Default for Changed {
    fn default() -> Self {
        Self::Some(Vec::new())
    }
}

impl Changed {
    /// True if nothing changed.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Some(ids) if ids.is_empty())
    }

    pub(super) fn add(&mut self, other: Self) {
        match (&mut *self, other) {
            (Self::All, _) => {}
            (_, Self::All) => *self = Self::All,
            (Self::Some(ids), Self::Some(more)) => ids.extend(more),
        }
    }
}

impl Peer {
    /// A node that is heard for the first time, or again after it was restarted.
    pub(super) fn new(incarnation: u64, now: Duration) -> Self {
        Self {
            incarnation,
            sequence: 0,
            heard: now,
            interval: INTERVAL[1],
            site: Box::default(),
            identity: None,
            runs: None,
            rtts: None,
            allowance: Allowance::default(),
            reports: Allowance::default(),
            doubts: false,
            is_discounted: false,
            left: None,
            parts: None,
            matures_at: now,
            table: Table::default(),
            partial: None,
            is_in_step: false,
            ask_at: Duration::ZERO,
            skew: Skew::default(),
        }
    }

    /// Takes in its last message.
    pub(super) fn leave(&mut self, message: &Message, now: Duration) {
        self.sequence = message.sequence;
        self.heard = now;
        self.left = Some(now);
    }

    /// Takes in that another run of it began. What the last run saw stands until the new one has told what it sees: a
    /// restart is no change of mind. Returns true if the last run had said that it stops.
    pub(super) fn restart(&mut self, incarnation: u64) -> bool {
        self.incarnation = incarnation;
        self.sequence = 0;
        self.allowance.restart();
        self.reports.restart();
        self.partial = None;
        self.is_in_step = false;
        self.ask_at = Duration::ZERO;
        self.left.take().is_some()
    }

    /// True if a message is from an earlier run, or came after a later message.
    pub(super) fn is_stale(&self, message: &Message) -> bool {
        message.incarnation < self.incarnation
            || (message.incarnation == self.incarnation && message.sequence <= self.sequence)
    }

    /// True if a message is from a later run than all that is known.
    pub(super) fn is_restarted(&self, message: &Message) -> bool {
        message.incarnation > self.incarnation
    }

    /// True if a message with this number is of its present run.
    pub(super) fn is_run(&self, incarnation: u64) -> bool {
        self.incarnation == incarnation
    }

    /// Longest time between two of its reports.
    pub(super) fn interval(&self) -> Duration {
        self.interval
    }

    /// Takes in that a message came. Returns true if the node's clock turned out to be wrong, or right again.
    pub(super) fn hear(&mut self, message: &Message, now: Duration, wall: Duration) -> bool {
        self.sequence = message.sequence;
        self.heard = now;
        self.skew.measure(message.wall, wall)
    }

    /// Takes in what it sees.
    pub(super) fn take_in(&mut self, report: Report, now: Duration) -> Changed {
        let Report { site, interval, doubts, leaves: _, digest, identity, rtts, parts, part, rows } = report;
        self.parts = parts;
        self.runs = identity;
        self.rtts = rtts;
        self.site = site;
        self.interval = interval.clamp(INTERVAL[0], INTERVAL[1]);
        let mut changed = if self.doubts == doubts { Changed::default() } else { Changed::All };
        self.doubts = doubts;
        let row = |sight: Sight| Row {
            opinion: sight.opinion,
            turned: now.saturating_sub(sight.turned),
            seen: now.saturating_sub(sight.seen),
            took: sight.took,
        };
        let rows: Vec<_> = rows.into_iter().map(|(id, sight)| (id, sight.map(row))).collect();
        match part {
            Some(Part { number: 0, of }) => self.partial = Some((Part { number: 0, of }, Table::default())),
            Some(Part { number, of }) => {
                // Without one of the parts the others are worth nothing: they are asked for again.
                self.partial.take_if(|(next, _)| next.number != number || next.of != of);
            }
            None => {}
        }
        if let Some((_, partial)) = &mut self.partial {
            for &(id, row) in &rows {
                set(partial, id, row);
            }
        }
        if let Some(part) = part {
            if let Some((next, _)) = &mut self.partial {
                next.number += 1;
            }
            let is_last = part.number + 1 == part.of;
            if let Some((_, table)) = self.partial.take_if(|_| is_last) {
                let before = std::mem::replace(&mut self.table, table);
                changed.add(Changed::Some(before.differences(&self.table)));
            }
        } else {
            let turned =
                rows.into_iter().filter(|&(id, row)| set(&mut self.table, id, row)).map(|(id, _)| id).collect();
            changed.add(Changed::Some(turned));
        }
        self.is_in_step = self.table.digest() == digest;
        changed
    }

    /// Takes in what it runs.
    pub(super) fn identify(&mut self, identity: Identity) {
        self.runs = Some(identity.digest());
        self.identity = Some(Arc::new(identity));
    }

    /// True if it is to be asked for everything now. It is not asked again before this interval is over. `rtts` is the
    /// digest of the round trips that are known of it.
    pub(super) fn is_to_ask(&mut self, rtts: Option<u64>, interval: Duration, now: Duration) -> bool {
        let is_known = self.runs == self.identity.as_ref().map(|known| known.digest())
            && (self.rtts.is_none() || self.rtts == rtts);
        let asks = (!self.is_in_step || !is_known) && self.ask_at <= now;
        if asks {
            self.ask_at = now + interval;
        }
        asks
    }

    /// True if its opinions count.
    pub(super) fn counts(&self) -> bool {
        !self.doubts && !self.is_discounted
    }

    /// True if it should have been heard again before now.
    pub(super) fn is_silent(&self, now: Duration) -> bool {
        self.heard + self.interval * SILENT_AFTER <= now
    }

    /// When silent nodes are forgotten because of this one: an interval after it became silent. If this node itself
    /// can't hear, the others become silent within this interval, so all are forgotten at once.
    pub(super) fn forget_at(&self) -> Duration {
        self.heard + self.interval * FORGOTTEN_AFTER
    }
}

/// Sets or removes a row. Returns true if that changed an opinion.
fn set(table: &mut Table, id: QuestionId, row: Option<Row>) -> bool {
    match row {
        Some(row) if table.len() < MAX_QUESTIONS || table.get(id).is_some() => table.put(id, row),
        Some(_) => false,
        None => table.remove(id),
    }
}
