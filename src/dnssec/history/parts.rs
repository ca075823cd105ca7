//! Reads from the life of a zone's keys what each of them does, its state, and what it waits for.

use super::History;
use crate::dnssec::plan::{KeyTimes, Part, State, Wait};
use crate::dnssec::time::Timing;

impl History<'_> {
    /// Returns what a key does now.
    pub(super) fn part(&mut self, key: usize) -> Part {
        let track = self.tracks[key];
        let (wait, waits_since) = self.wait(key).unzip();
        Part {
            is_published: track.published.is_some(),
            signs_keys: self.signs_keys(key),
            signs_records: track.signs_records,
            has_cds: track.has_cds,
            state: self.state(key),
            wait,
            waits_since: waits_since.unwrap_or(0),
        }
    }

    fn state(&mut self, key: usize) -> State {
        let track = self.tracks[key];
        let KeyTimes { is_entry, timing, .. } = self.keys[key];
        if track.removed.is_some() {
            return State::Removed;
        }
        if track.published.is_none() {
            return State::Generated;
        }
        let is_unused = self.is_unused(key);
        if is_entry {
            let is_trusted =
                self.vouched_from(key) == Some(0) || timing.ds_publish.is_some_and(|seen| self.has_come(seen));
            let is_over = self.has_ended(timing.sync_delete.or(timing.inactive).or(timing.delete));
            if is_over && !track.has_cds && self.signs_keys(key) {
                let is_replaced = self.is_replaced(key, false) || self.is_replaced(key, true);
                return if is_unused && is_replaced { State::Dead } else { State::Retired };
            }
            if is_trusted && self.signs_keys(key) {
                return State::Active;
            }
        } else if track.signs_records {
            return State::Active;
        } else if track.signed_until.is_some() {
            return if is_unused { State::Dead } else { State::Retired };
        }
        let is_ready = if is_entry { self.is_vouched(key) } else { self.is_known(key) };
        if is_ready { State::Ready } else { State::Published }
    }

    /// Returns since when CDS records ask no more for the DS record of a published key whose time is over.
    fn left(&mut self, key: usize) -> Option<u64> {
        let Timing { inactive, delete, sync_delete, .. } = self.keys[key].timing;
        let end = sync_delete.or(inactive).or(delete)?;
        let has_left = !self.tracks[key].has_cds && self.signs_keys(key) && self.has_come(end);
        has_left.then(|| self.tracks[key].cds_until.unwrap_or(end))
    }

    /// Returns the event that a key waits for, and since when.
    fn wait(&mut self, key: usize) -> Option<(Wait, u64)> {
        let track = self.tracks[key];
        let Timing { inactive, delete, sync_publish, ds_publish, .. } = self.keys[key].timing;
        track.published?;
        // The operator gave the parent the DS record of the zone's first key, so that key waits for nothing. A later key
        // waits until the parent holds its own DS record.
        let vouched_from = self.vouched_from(key).filter(|&from| from > 0);
        let left = (0..self.keys.len()).filter_map(|other| self.left(other)).max();
        if track.has_cds && ds_publish.is_none() && (vouched_from.is_some() || left.is_some()) {
            let vouched = |from: u64| from.saturating_add(self.delays.keys).saturating_add(self.delays.propagation);
            let since = vouched_from.map(vouched).into_iter().chain(sync_publish).chain(left).max();
            return Some((Wait::Ds, since.unwrap_or(0)));
        }
        if let Some(until) = self.left(key) {
            // The successor says itself what it waits for, if it waits.
            let mut successors = (0..self.keys.len()).filter(|&other| self.tracks[other].has_cds);
            let sees = |other: usize| self.keys[other].timing.ds_publish.is_none_or(|seen| seen >= until);
            return (!successors.any(sees)).then_some((Wait::NoDs, until));
        }
        // A key that only waits for the other one's DS record has a successor.
        let is_alone = !(0..self.keys.len()).any(|other| {
            let is_successor = other != key && self.keys[other].is_entry == self.keys[key].is_entry;
            let Timing { inactive, delete, .. } = self.keys[other].timing;
            is_successor && self.tracks[other].published.is_some() && inactive.or(delete).is_none()
        });
        let end = [inactive, delete].into_iter().flatten().min()?;
        let is_needed = track.signs_records || self.signs_keys(key);
        (is_alone && is_needed && self.has_come(end)).then_some((Wait::Successor, end))
    }
}
