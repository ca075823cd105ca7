//! Keeps the latency table, and decides when maps are made from it.
//!
//! ```text
//!   samples, probes ─► table ── something settled anew ─► Remap ─► (beside) ─► Remapped ─► Publish
//!                      ▲   │       not sooner than 5 s after the last
//!                      │   ▼
//!                      fleet: the samples and the round trips of all nodes
//! ```
//!
//! Maps are stale if the generation of the table that they were made from differs from that of the present table. No
//! flag is needed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::{Control, Effect};
use crate::geo::{CountryCode, DatacenterId};
use crate::health::{Finding, Outcome, Times};
use crate::latency::{LatencyTable, Record, Sample, VantageRtts};
use crate::snapshot::{Blueprint, Dirty, Remapped, Snapshot};
use crate::watch::TargetId;

/// Minimum time from making maps to making them again: this takes a while if a million networks were measured.
pub const REMAP_INTERVAL: Duration = Duration::from_secs(5);

/// The time from a failure to make maps to the next attempt. The cause may still be there, and an attempt costs a processor.
pub const REMAP_RETRY: Duration = Duration::from_secs(60);

/// The interval at which old measurements are searched for and removed.
pub(super) const FADE_INTERVAL: Duration = Duration::from_secs(5 * 60);

/// The time between two savings of the table.
pub const KEEP_LATENCY_EVERY: Duration = Duration::from_secs(10 * 60);

/// The latency table, and the state of the work with it.
#[derive(Debug, Default)]
pub(super) struct Latency {
    table: LatencyTable,
    /// True while maps are being made.
    is_remapping: bool,
    remap_at: Duration,
    fade_at: Duration,
    /// When the table has to be saved; set when it is fed.
    keep_at: Option<Duration>,
    /// The generation of the table whose round trips the fleet was told last.
    told: Option<u64>,
}

impl Control {
    /// Takes in round trips that clients measured. It ignores them until something is served, because clients cannot be
    /// located before.
    pub(super) fn feed(&mut self, samples: &[Sample], now: Duration) {
        let Some(serving) = &self.serving else { return };
        if let Some(fleet) = &mut self.fleet {
            // This node takes in the same as the others.
            let widths = self.latency.table.widths();
            let told: Vec<Sample> = samples.iter().map(|sample| sample.told(widths)).collect();
            self.latency.feed(&told, &serving.snapshot, now);
            fleet.push(told);
        } else {
            self.latency.feed(samples, &serving.snapshot, now);
        }
    }

    /// Takes in what other vantage points measured, and round trips that clients pushed to other nodes. Tells the others
    /// what this node measured.
    pub(super) fn share_latency(&mut self, now: Duration) {
        let (Some(fleet), Some(serving)) = (&mut self.fleet, &self.serving) else { return };
        let samples = fleet.take_samples();
        if !samples.is_empty() {
            self.latency.feed(&samples, &serving.snapshot, now);
        }
        let table = &mut self.latency.table;
        if self.latency.told != Some(table.generation()) {
            let world = serving.snapshot.world();
            fleet.measure(
                VantageRtts::new(world.site_country, world.site_coordinates, table.probed(world.site_country)),
                now,
            );
        }
        if let Some(matrix) = fleet.take_matrix() {
            table.set_vantage_points(matrix);
        }
        self.latency.told = Some(table.generation());
    }

    /// Feeds the time that a probe's connection took as a round trip to the datacenters of its target.
    pub(super) fn time(&mut self, target: TargetId, seen: &Outcome, now: Duration) {
        if let Some(serving) = &self.serving
            && let Outcome::Success(Finding { times: Times { connect: Some(rtt), .. }, .. }) = seen
            && serving.dependents.hold(target)
        {
            let country = serving.snapshot.world().site_country;
            if country.is_some() || self.fleet.is_some() {
                let places: BTreeSet<DatacenterId> = serving.datacenters(target).collect();
                self.latency.feed_probe(*rtt, places, country, now);
            }
        }
    }

    /// Asks for maps of the present table, if those that are served were made from another one.
    pub(super) fn remap(&mut self, now: Duration) -> Option<Effect> {
        let snapshot = &self.serving.as_ref()?.snapshot;
        let table = self.latency.pass(snapshot, now)?;
        Some(Effect::Remap(snapshot.blueprint().clone(), table))
    }

    /// Publishes new maps, unless they were made for another configuration.
    pub(super) fn exchange_maps(&mut self, made_for: &Arc<Blueprint>, maps: Remapped, now: Duration) -> Option<Effect> {
        self.latency.end_remap(now);
        let serving = self.serving.as_mut().filter(|serving| serving.snapshot.blueprint().is_like(made_for))?;
        let mut state = serving.snapshot.state().clone();
        state.set_maps(Arc::new(maps));
        serving.snapshot = Arc::new(serving.snapshot.next(state, &Dirty { maps: true, ..Dirty::default() }));
        Some(Effect::Publish(serving.snapshot.clone()))
    }
}

impl Latency {
    /// When something has to be done next. `snapshot` is the one that is served.
    pub(super) fn wake_at(&self, snapshot: Option<&Snapshot>) -> Option<Duration> {
        let fade_at = (!self.table.is_empty()).then_some(self.fade_at);
        let remap_at = snapshot.filter(|snapshot| self.is_due(snapshot)).map(|_| self.remap_at);
        [fade_at, remap_at, self.keep_at].into_iter().flatten().min()
    }

    /// Takes in a world that is served from now on.
    pub(super) fn adopt(&mut self, blueprint: &Blueprint) {
        blueprint.adopt(&mut self.table);
    }

    /// Takes in round trips that clients measured.
    fn feed(&mut self, samples: &[Sample], snapshot: &Snapshot, now: Duration) {
        self.keep_at.get_or_insert(now + KEEP_LATENCY_EVERY);
        for sample in samples {
            let location = snapshot.locations().look_up(sample.client().network());
            self.table.feed(sample, &location, now);
        }
    }

    /// Takes in a round trip that a probe of this node, which is in this country, measured to endpoints in these
    /// datacenters.
    fn feed_probe(
        &mut self,
        rtt: Duration,
        places: impl IntoIterator<Item = DatacenterId>,
        country: Option<CountryCode>,
        now: Duration,
    ) {
        self.keep_at.get_or_insert(now + KEEP_LATENCY_EVERY);
        places.into_iter().for_each(|place| self.table.feed_probe(country, place, rtt, now));
    }

    /// All round trips.
    #[cfg(test)]
    pub(super) fn table(&self) -> &LatencyTable {
        &self.table
    }

    /// Takes in the measurements of an earlier run.
    pub(super) fn restore(&mut self, records: Vec<Record>, now: Duration) {
        self.table.restore(records, now);
    }

    /// Takes in that the making of maps ended, for this configuration or for another one.
    fn end_remap(&mut self, now: Duration) {
        self.is_remapping = false;
        self.remap_at = now + REMAP_INTERVAL;
    }

    /// Takes in that no maps could be made. The next attempt uses the table as it is at that time.
    pub(super) fn fail_remap(&mut self, now: Duration) {
        self.is_remapping = false;
        self.remap_at = now + REMAP_RETRY;
    }

    /// Removes old measurements if it is time to. Returns the table if maps have to be made from it now.
    fn pass(&mut self, snapshot: &Snapshot, now: Duration) -> Option<LatencyTable> {
        if self.fade_at <= now {
            self.table.fade(now);
            self.fade_at = now + FADE_INTERVAL;
        }
        if self.remap_at > now || !self.is_due(snapshot) {
            return None;
        }
        self.is_remapping = true;
        Some(self.table.clone())
    }

    /// The table, if it is time to save it.
    pub(super) fn take_kept(&mut self, now: Duration) -> Option<LatencyTable> {
        self.keep_at.take_if(|at| *at <= now).map(|_| self.table.clone())
    }

    /// The table, if it was fed since it was saved last.
    pub(super) fn take_unkept(&mut self) -> Option<LatencyTable> {
        self.keep_at.take().map(|_| self.table.clone())
    }

    /// True if the maps of the snapshot were made from another table, and no maps are being made.
    fn is_due(&self, snapshot: &Snapshot) -> bool {
        let is_stale = |made_of: &LatencyTable| made_of.generation() != self.table.generation();
        !self.is_remapping && snapshot.client_rtts().is_some_and(|client_rtts| is_stale(client_rtts.table()))
    }
}
