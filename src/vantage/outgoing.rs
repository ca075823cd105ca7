//! What a node tells the others.

use std::time::Duration;

use super::message::{Body, Letter, MAX_ROWS, Message, Part, Report, Sight};
use super::{Row, Vantages};

/// Rows of a regular report: it carries a part of all rows, so that their times reach the others too.
const REGULAR_ROWS: usize = 16;

impl Vantages {
    /// Reports what changed, or else a part of all rows.
    pub(super) fn report(&mut self, now: Duration, wall: Duration, letters: &mut Vec<Letter>) {
        let untold = std::mem::take(&mut self.untold);
        let mut rows: Vec<_> =
            untold.into_iter().map(|id| (id, self.own.table.get(id).map(|row| sight(*row, now)))).collect();
        let is_due = self.report_at <= now;
        if is_due {
            self.report_at = now + self.me.interval;
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
            for number in 0..of {
                let rows = all.iter().skip(number as usize * MAX_ROWS).take(MAX_ROWS).copied().collect();
                let report = Report { part: Some(Part { number, of }), rows, ..self.bare_report() };
                letters.push(Letter { to: Some(asker.clone()), message: self.message(Body::Report(report), wall) });
            }
        }
    }

    pub(super) fn bare_report(&self) -> Report {
        Report {
            site: self.me.site.clone(),
            interval: self.me.interval,
            doubts: self.own.doubts,
            leaves: false,
            digest: self.own.table.digest(),
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
