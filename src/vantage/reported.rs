//! Reports about endpoints, which come to one node and count at all.
//!
//! A report that counts at one node is passed on at once, with those of the same moment. It is soft state: a message that is
//! lost is not sent again, because the next report follows.
//!
//! **Once each.** A reporter may report to one node, or to several. Reports of health and load of an endpoint therefore count
//! from one source at a time: those that come to this node itself, or else those that one other node passes on, for as long
//! as it does. Counts of requests are added up, wherever they come.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use super::message::{Body, Letter, MAX_ROWS, Message};
use super::{Ignored, NodeName, Vantages};
use crate::health::{Push, Requests};

/// Reports within this time are passed on together.
const WINDOW: Duration = Duration::from_millis(50);

/// Most reports that wait to be passed on.
const MAX_PENDING: usize = 4096;

/// Most reports of one node that count in one of its intervals.
pub(super) const MAX_REPORTED: usize = 16 * MAX_PENDING;

/// A source of reports counts for this time after its last one.
const STAYS: Duration = Duration::from_secs(30);

/// A report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reported {
    /// Of the health or the load of an endpoint.
    Push(Push),
    /// Of requests that were served.
    Requests(Requests),
}

/// The endpoint that a report is about, and the pool that it names.
type Subject = (IpAddr, Option<Box<str>>);

/// Reports on their way.
#[derive(Debug, Default)]
pub(super) struct Reports {
    pending: Vec<Reported>,
    due: Option<Duration>,
    lost: u64,
    heard: Vec<Reported>,
    /// The node that passes on what is reported about an endpoint (`None` if it comes to this node), and the last time.
    sources: HashMap<Subject, (Option<NodeName>, Duration)>,
}

impl Reports {
    pub(super) fn due(&self) -> Option<Duration> {
        self.due
    }

    /// True if a report of this source counts.
    fn counts(&mut self, push: &Push, from: Option<&NodeName>, now: Duration) -> bool {
        let subject = (push.endpoint, push.pool.clone());
        let is_other = |(source, last): &(Option<NodeName>, Duration)| {
            source.as_ref() != from && from.is_some() && *last + STAYS > now
        };
        if self.sources.get(&subject).is_some_and(is_other) {
            return false;
        }
        if self.sources.len() >= MAX_REPORTED {
            self.sources.retain(|_, (_, last)| *last + STAYS > now);
        }
        self.sources.insert(subject, (from.cloned(), now));
        true
    }
}

impl Vantages {
    /// Takes in a report that came to this node, to tell the others.
    pub fn pass_on(&mut self, reported: Reported, now: Duration) {
        if let Reported::Push(push) = &reported {
            self.reports.counts(push, None, now);
        }
        if !self.is_linked() || self.peers.is_empty() {
            return;
        }
        if self.reports.pending.len() >= MAX_PENDING {
            self.reports.lost += 1;
            return;
        }
        self.reports.pending.push(reported);
        self.reports.due.get_or_insert(now + WINDOW);
    }

    /// The reports of other nodes since the last call.
    pub fn take_reported(&mut self) -> Vec<Reported> {
        std::mem::take(&mut self.reports.heard)
    }

    /// Number of reports that were not passed on since the last call, because there were too many.
    pub fn take_lost_reports(&mut self) -> u64 {
        std::mem::take(&mut self.reports.lost)
    }

    pub(super) fn hear_reported(&mut self, from: &NodeName, message: Message, now: Duration) -> Result<(), Ignored> {
        let Body::Reported(reported) = message.body else { return Ok(()) };
        let peer = self.peers.get_mut(from).filter(|peer| peer.is_run(message.incarnation));
        let peer = peer.ok_or(Ignored::Unknown)?;
        let interval = peer.interval();
        peer.reports.take(message.sequence, (reported.len(), MAX_REPORTED), interval, now)?;
        for reported in reported {
            let counts = match &reported {
                Reported::Push(push) => self.reports.counts(push, Some(from), now),
                Reported::Requests(_) => true,
            };
            if counts {
                self.reports.heard.push(reported);
            }
        }
        Ok(())
    }

    /// Passes on what was reported.
    pub(super) fn tell_reported(&mut self, now: Duration, wall: Duration, letters: &mut Vec<Letter>) {
        if self.reports.due.take_if(|due| *due <= now).is_none() {
            return;
        }
        let pending = std::mem::take(&mut self.reports.pending);
        for batch in pending.chunks(MAX_ROWS) {
            letters.push(Letter { to: None, message: self.message(Body::Reported(batch.to_vec()), wall) });
        }
    }
}
