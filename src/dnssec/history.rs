//! Lives through the times of a zone's keys, step by step. [`Plan`](super::Plan) says what the steps are.

mod parts;

use super::Algorithm;
use super::plan::{KeyTimes, Part};
use super::time::{Delays, Timing};

/// Keys that are published within this time in seconds of a zone's first ones were made with them: no cache holds a DNSKEY
/// RRset without them.
const TOGETHER: u64 = 60;

/// How a DNSKEY record comes to the zone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Arrival {
    /// To others of its algorithm.
    #[default]
    Beside,
    /// With the first keys of the zone: no cache ever held a DNSKEY RRset without it.
    First,
    /// With a new algorithm, which signed all records before.
    Presigned,
}

/// The life of a key up to now: since when it is published, signs, and has CDS records. Times are in Unix seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Track {
    /// Since when its DNSKEY record is published.
    published: Option<u64>,
    /// How its DNSKEY record came.
    arrival: Arrival,
    /// When its DNSKEY record went.
    removed: Option<u64>,
    signs_records: bool,
    /// Since when it signs records, or signed them first.
    signed_from: Option<u64>,
    /// Until when it signed records.
    signed_until: Option<u64>,
    has_cds: bool,
    /// When CDS records stopped to ask for its DS record.
    cds_until: Option<u64>,
}

/// The life of all keys of a zone up to a time.
pub(super) struct History<'k> {
    keys: &'k [KeyTimes],
    delays: Delays,
    tracks: Vec<Track>,
    now: u64,
    /// The earliest later time that was asked about.
    next: Option<u64>,
}

impl<'k> History<'k> {
    pub(super) fn new(keys: &'k [KeyTimes], delays: Delays) -> Self {
        Self { keys, delays, tracks: vec![Track::default(); keys.len()], now: 0, next: None }
    }

    /// Lives until this time. Returns what each key does then, and the next time at which that may change.
    pub(super) fn live_until(mut self, now: u64) -> (Box<[Part]>, Option<u64>) {
        loop {
            self.next = None;
            self.settle();
            let parts = (0..self.keys.len()).map(|key| self.part(key)).collect();
            match self.next {
                Some(next) if next <= now => self.now = next,
                next => return (parts, next),
            }
        }
    }

    /// Takes all steps that are due.
    fn settle(&mut self) {
        // Each key takes few steps, and none of them twice at one time.
        for _ in 0..=4 * self.keys.len() {
            let before = self.tracks.clone();
            self.publish();
            self.sign();
            self.ask_parent();
            self.remove();
            if self.tracks == before {
                return;
            }
        }
    }

    /// True if this time has come. All comparisons with the time are made here, so the next time is known.
    fn has_come(&mut self, time: u64) -> bool {
        if time > self.now {
            self.next = Some(self.next.map_or(time, |next| next.min(time)));
        }
        time <= self.now
    }

    /// True if a time that begins something has come. Without one, it always has.
    fn has_begun(&mut self, time: Option<u64>) -> bool {
        time.is_none_or(|time| self.has_come(time))
    }

    /// True if a time that ends something has come. Without one, it never has.
    fn has_ended(&mut self, time: Option<u64>) -> bool {
        time.is_some_and(|time| self.has_come(time))
    }

    /// True if this much and the time of propagation have passed since then.
    fn has_passed(&mut self, delay: u64, since: u64) -> bool {
        self.has_come(since.saturating_add(delay).saturating_add(self.delays.propagation))
    }

    /// Returns the keys of an algorithm that are not removed.
    fn of(&self, algorithm: Algorithm) -> Vec<usize> {
        let is = |&key: &usize| self.keys[key].algorithm == algorithm && self.tracks[key].removed.is_none();
        (0..self.keys.len()).filter(is).collect()
    }

    /// Returns the published keys of an algorithm.
    fn published(&self, algorithm: Algorithm) -> Vec<usize> {
        self.of(algorithm).into_iter().filter(|&key| self.tracks[key].published.is_some()).collect()
    }

    fn is_published(&self, algorithm: Algorithm) -> bool {
        !self.published(algorithm).is_empty()
    }

    fn is_other_published(&self, algorithm: Algorithm) -> bool {
        Algorithm::ALL.into_iter().any(|other| other != algorithm && self.is_published(other))
    }

    /// True if the key's time to be published has come and is not over.
    fn is_due(&mut self, key: usize) -> bool {
        let Timing { publish, activate, delete, .. } = self.keys[key].timing;
        self.has_begun(publish.or(activate)) && !self.has_ended(delete)
    }

    /// True if all caches that hold the DNSKEY RRset know the key.
    fn is_known(&mut self, key: usize) -> bool {
        let Track { published, arrival, .. } = self.tracks[key];
        published.is_some_and(|published| arrival == Arrival::First || self.has_passed(self.delays.keys, published))
    }

    /// Returns since when the DNSKEY RRset has the signature of a published entry point; 0 if no cache ever held one without
    /// it.
    fn vouched_from(&self, key: usize) -> Option<u64> {
        let Track { published, arrival, .. } = self.tracks[key];
        let from = published?.max(self.keys[key].timing.activate.unwrap_or(0));
        Some(if arrival == Arrival::First && Some(from) == published { 0 } else { from })
    }

    /// True if all caches that hold the DNSKEY RRset hold the signature of this entry point too, so that a DS record may
    /// refer to it.
    fn is_vouched(&mut self, key: usize) -> bool {
        match self.vouched_from(key) {
            Some(from) => from == 0 || self.has_passed(self.delays.keys, from),
            None => false,
        }
    }

    /// Publishes DNSKEY records. RFC 4035, section 2.2: "There MUST be an RRSIG for each RRset using at least one DNSKEY
    /// of each algorithm in the zone apex DNSKEY RRset." So an algorithm comes after its signatures, with all its keys.
    fn publish(&mut self) {
        for algorithm in Algorithm::ALL {
            let waiting: Vec<usize> =
                self.of(algorithm).into_iter().filter(|&key| self.tracks[key].published.is_none()).collect();
            let due: Vec<usize> = waiting.into_iter().filter(|&key| self.is_due(key)).collect();
            if due.is_empty() {
                continue;
            }
            let (now, is_present) = (self.now, self.is_published(algorithm));
            if is_present {
                let together = self.delays.propagation.min(TOGETHER);
                let first = self.of(algorithm).into_iter().filter(|&key| self.tracks[key].arrival == Arrival::First);
                let founded = first.filter_map(|key| self.tracks[key].published).min();
                let is_first = founded.is_some_and(|founded| now <= founded.saturating_add(together));
                let arrival = if is_first { Arrival::First } else { Arrival::Beside };
                for key in due {
                    self.tracks[key] = Track { published: Some(now), arrival, ..self.tracks[key] };
                }
                continue;
            }
            let signs = |own: &mut Self, key: usize| own.has_begun(own.keys[key].timing.activate);
            let active: Vec<usize> = due.iter().copied().filter(|&key| signs(self, key)).collect();
            if !active.iter().any(|&key| self.keys[key].is_entry) {
                continue;
            }
            let is_first = !self.is_other_published(algorithm);
            let signed = self.of(algorithm).into_iter().filter(|&key| self.tracks[key].signed_from.is_some());
            let signed: Vec<usize> = signed.collect();
            let from = signed.iter().filter_map(|&key| self.tracks[key].signed_from).min();
            if is_first || from.is_some_and(|from| self.has_passed(self.delays.zone, from)) {
                // Caches hold the signatures of all that signed, whatever their own times say.
                for key in due.into_iter().chain(signed) {
                    let arrival = if is_first { Arrival::First } else { Arrival::Presigned };
                    self.tracks[key] = Track { published: Some(now), arrival, ..self.tracks[key] };
                }
            }
        }
    }

    /// Finds the keys that sign records, for each algorithm.
    fn sign(&mut self) {
        for algorithm in Algorithm::ALL {
            let signing = if self.is_published(algorithm) {
                self.signers(algorithm)
            } else if self.is_other_published(algorithm) {
                let mut signing = self.leaving(algorithm);
                signing.extend(self.early_signers(algorithm));
                signing
            } else {
                Vec::new()
            };
            let now = self.now;
            for (key, track) in self.tracks.iter_mut().enumerate() {
                if self.keys[key].algorithm != algorithm || track.signs_records == signing.contains(&key) {
                    continue;
                }
                track.signs_records = !track.signs_records;
                if track.signs_records {
                    track.signed_from.get_or_insert(now);
                    track.signed_until = None;
                } else {
                    track.signed_until = Some(now);
                }
            }
        }
    }

    /// Returns the keys of a published algorithm that sign records: ZSKs, or without them entry points. Those whose time is
    /// over go on until others of their kind can.
    fn signers(&mut self, algorithm: Algorithm) -> Vec<usize> {
        let published = self.published(algorithm);
        let fit: Vec<usize> = published.iter().copied().filter(|&key| self.can_sign(key)).collect();
        let (entries, zone_keys): (Vec<usize>, Vec<usize>) = fit.into_iter().partition(|&key| self.keys[key].is_entry);
        let is_going_on = |&key: &usize| !self.keys[key].is_entry && self.tracks[key].signs_records;
        let going_on: Vec<usize> = published.iter().copied().filter(is_going_on).collect();
        if !zone_keys.is_empty() {
            zone_keys
        } else if !going_on.is_empty() {
            going_on
        } else if !entries.is_empty() {
            entries
        } else {
            published.into_iter().filter(|&key| self.tracks[key].signs_records).collect()
        }
    }

    /// True if the time of a published key to sign records has come and is not over.
    fn can_sign(&mut self, key: usize) -> bool {
        let Timing { activate, inactive, .. } = self.keys[key].timing;
        let has_come = self.has_begun(activate) && !self.has_ended(inactive);
        has_come && (self.tracks[key].arrival == Arrival::Presigned || self.is_known(key))
    }

    /// Returns the keys of an algorithm that is to be published later, and that sign already.
    fn early_signers(&mut self, algorithm: Algorithm) -> Vec<usize> {
        let keys = self.of(algorithm);
        if !keys.iter().any(|&key| self.keys[key].is_entry) {
            return Vec::new();
        }
        let active = |own: &mut Self, key: usize| {
            let Timing { activate, inactive, delete, .. } = own.keys[key].timing;
            own.has_begun(activate) && !own.has_ended(inactive) && !own.has_ended(delete)
        };
        let mut active: Vec<usize> = keys.iter().copied().filter(|&key| active(self, key)).collect();
        if active.is_empty() {
            active = keys.into_iter().filter(|&key| self.tracks[key].signs_records).collect();
        }
        let zone_keys: Vec<usize> = active.iter().copied().filter(|&key| !self.keys[key].is_entry).collect();
        if zone_keys.is_empty() { active } else { zone_keys }
    }

    /// Returns the keys of an algorithm that is published no longer, and that still sign: caches may hold its DNSKEY
    /// records.
    fn leaving(&mut self, algorithm: Algorithm) -> Vec<usize> {
        let is_leaving = |own: &mut Self, key: usize| {
            let Track { removed, signs_records, .. } = own.tracks[key];
            own.keys[key].algorithm == algorithm
                && signs_records
                && removed.is_some_and(|removed| {
                    let has_passed = own.has_passed(own.delays.keys, removed);
                    !(own.has_begun(own.keys[key].timing.inactive) && has_passed)
                })
        };
        (0..self.keys.len()).filter(|&key| is_leaving(self, key)).collect()
    }

    /// Finds the keys whose DS records CDS and CDNSKEY ask for. RFC 7344, section 4.1: the set must not break the chain,
    /// so a key is in it only once all caches know it.
    fn ask_parent(&mut self) {
        let entries: Vec<usize> = (0..self.keys.len()).filter(|&key| self.signs_keys(key)).collect();
        let asks = |own: &mut Self, key: usize| {
            let Timing { sync_publish, sync_delete, inactive, delete, .. } = own.keys[key].timing;
            let has_ended = own.has_ended(sync_delete.or(inactive).or(delete));
            own.is_vouched(key) && own.has_begun(sync_publish) && !has_ended
        };
        let mut asking: Vec<usize> = entries.iter().copied().filter(|&key| asks(self, key)).collect();
        if asking.is_empty() {
            asking = entries.into_iter().filter(|&key| self.tracks[key].has_cds).collect();
        }
        let now = self.now;
        for (key, track) in self.tracks.iter_mut().enumerate() {
            if track.has_cds && !asking.contains(&key) {
                track.cds_until = Some(now);
            }
            track.has_cds = asking.contains(&key);
        }
    }

    /// True if a key signs the DNSKEY RRset: every published entry point does whose time has come.
    fn signs_keys(&mut self, key: usize) -> bool {
        self.keys[key].is_entry
            && self.tracks[key].published.is_some()
            && self.has_begun(self.keys[key].timing.activate)
    }

    /// True if no cache holds a DS record that needs the key: the parent holds that of another key instead, and the TTL has
    /// passed. The other one has the same algorithm, or with `is_whole` another one. That the key's own DS record is gone
    /// can only have been seen after CDS records stopped to ask for it.
    fn is_replaced(&mut self, key: usize, is_whole: bool) -> bool {
        let mut is_replaced = false;
        let Track { has_cds, cds_until, .. } = self.tracks[key];
        for other in (0..self.keys.len()).filter(|&other| other != key) {
            let Timing { delete, ds_publish, .. } = self.keys[other].timing;
            let Some(seen) = ds_publish.filter(|&seen| !has_cds && cds_until.is_none_or(|until| until <= seen)) else {
                continue;
            };
            let is_fit = (self.keys[other].algorithm != self.keys[key].algorithm) == is_whole;
            if is_fit && !self.has_ended(delete) && self.signs_keys(other) && self.is_vouched(other) {
                let from = self.vouched_from(other).filter(|&from| from > 0);
                let vouched = from.map_or(0, |from| from.saturating_add(self.delays.keys));
                is_replaced |= self.has_passed(self.delays.ds, seen.max(vouched));
            }
        }
        is_replaced
    }

    /// True if no cache holds records that need the key to be verified.
    fn is_unused(&mut self, key: usize) -> bool {
        let Track { signs_records, signed_until, .. } = self.tracks[key];
        !signs_records && signed_until.is_none_or(|until| self.has_passed(self.delays.zone, until))
    }

    /// Removes DNSKEY records whose time is over and that no cache needs.
    fn remove(&mut self) {
        for algorithm in Algorithm::ALL {
            let mut left = self.published(algorithm);
            let mut over = left.clone();
            over.retain(|&key| self.has_ended(self.keys[key].timing.delete));
            for &key in &over {
                let rest: Vec<usize> = left.iter().copied().filter(|&other| other != key).collect();
                let is_covered = rest.iter().any(|&other| self.signs_keys(other))
                    && rest.iter().any(|&other| self.tracks[other].signs_records);
                if is_covered && self.is_unused(key) && (!self.keys[key].is_entry || self.is_replaced(key, false)) {
                    self.take_away(key);
                    left = rest;
                }
            }
            // An algorithm goes with all its keys at once. Its signatures stay for a while.
            if !left.is_empty() && left.iter().all(|key| over.contains(key)) && self.is_other_published(algorithm) {
                let entries: Vec<usize> = left.iter().copied().filter(|&key| self.keys[key].is_entry).collect();
                let replaced = entries.iter().filter(|&&key| self.is_replaced(key, true)).count();
                if replaced == entries.len() {
                    for key in left {
                        self.take_away(key);
                    }
                }
            }
        }
    }

    fn take_away(&mut self, key: usize) {
        self.tracks[key].published = None;
        self.tracks[key].removed.get_or_insert(self.now);
        self.tracks[key].has_cds = false;
    }
}
