//! The messages that a node sends.

use std::time::Duration;

use super::message::{Body, Letter, MAX_ROWS, Message, Part, Report, Sight};
use super::{NodeName, Row, Vantages};
use crate::health::Identity;

/// Rows of a regular report: it carries a part of all rows, so that their times reach the others too.
const REGULAR_ROWS: usize = 16;

impl Vantages {
    /// Reports what changed, or else a part of all rows.
    pub(super) fn report(&mut self, now: Duration, wall: Duration, letters: &mut Vec<Letter>) {
        // It comes before the report that refers to it, so that nobody asks for it.
        if self.untold_identity.take().is_some() {
            letters.extend(self.introduction(None, wall));
        }
        letters.extend(self.untold_rtts(wall));
        let untold = std::mem::take(&mut self.untold);
        let mut rows: Vec<_> =
            untold.into_iter().map(|id| (id, self.own.table.get(id).map(|row| sight(*row, now)))).collect();
        let is_due = self.report_at <= now;
        if is_due {
            self.report_at = now + self.me.interval;
            self.tell_samples(wall, letters);
        }
        if rows.is_empty() && is_due {
            rows = self
                .own
                .table
                .page(self.told_up_to, REGULAR_ROWS)
                .map(|(id, row)| (id, Some(sight(*row, now))))
                .collect();
            // After the last row the first one follows.
            self.told_up_to = rows.last().map(|&(id, _)| id).filter(|_| rows.len() == REGULAR_ROWS);
        }
        loop {
            let rest = rows.split_off(rows.len().min(MAX_ROWS));
            let report = Report { rows, ..self.bare_report() };
            letters.push(Letter { to: None, message: self.message(Body::Report(report), wall) });
            if rest.is_empty() {
                return;
            }
            rows = rest;
        }
    }

    /// Tells all rows to those who asked for them.
    pub(super) fn answer(&mut self, now: Duration, wall: Duration, letters: &mut Vec<Letter>) {
        let askers = std::mem::take(&mut self.to_answer);
        if askers.is_empty() {
            return;
        }
        self.answered_until.retain(|_, until| *until > now);
        let all: Vec<_> = self.own.table.iter().map(|(id, row)| (id, Some(sight(*row, now)))).collect();
        let of = all.len().div_ceil(MAX_ROWS).max(1) as u32;
        for asker in askers {
            self.answered_until.insert(asker.clone(), now + self.me.interval / 2);
            letters.extend(self.introduction(Some(asker.clone()), wall));
            letters.extend(self.rtts_letter(Some(asker.clone()), wall));
            for number in 0..of {
                let rows = all.iter().skip(number as usize * MAX_ROWS).take(MAX_ROWS).copied().collect();
                let report = Report { part: Some(Part { number, of }), rows, ..self.bare_report() };
                letters.push(Letter { to: Some(asker.clone()), message: self.message(Body::Report(report), wall) });
            }
        }
    }

    /// Returns the letter that tells one node, or all, what this node runs; `None` while it serves nothing yet.
    fn introduction(&mut self, to: Option<NodeName>, wall: Duration) -> Option<Letter> {
        let identity = Identity::clone(self.identity.as_ref()?);
        Some(Letter { to, message: self.message(Body::Identity(identity), wall) })
    }

    pub(super) fn bare_report(&self) -> Report {
        Report {
            site: self.me.site.clone(),
            interval: self.me.interval,
            doubts: self.own.doubts,
            leaves: false,
            digest: self.own.table.digest(),
            identity: self.identity.as_ref().map(|identity| identity.digest()),
            rtts: self.own_rtts_digest(),
            parts: self.sharing.parts(),
            part: None,
            rows: Vec::new(),
        }
    }

    pub(super) fn message(&mut self, body: Body, wall: Duration) -> Message {
        self.sequence += 1;
        Message { incarnation: self.incarnation, sequence: self.sequence, wall, body }
    }
}

fn sight(row: Row, now: Duration) -> Sight {
    Sight {
        opinion: row.opinion,
        turned: now.saturating_sub(row.turned),
        seen: now.saturating_sub(row.seen),
        took: row.took,
    }
}
