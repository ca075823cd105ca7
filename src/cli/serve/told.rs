//! Log lines about the node as a whole: the state that it begins with, zones that are added and removed, and a summary
//! if an operator asks for one (SIGUSR1).

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior, interval};
use tracing::info;

use super::Node;
use super::start::TakenOver;
use crate::cli::version;
use crate::clock::unix_time;
use crate::duration::Written;
use crate::name::Name;
use crate::report::{EndpointCounts, EventKind};
use crate::snapshot::Snapshot;
use crate::timestamp::rfc3339;

/// Maximum number of zones that a line names. It counts the others.
const MOST_NAMED: usize = 20;

/// Time between two looks at the state folder and the node's own certificates.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Logs the kept state and the databases that a node begins with.
pub(super) fn tell_start(databases: &[(PathBuf, Duration)], taken_over: TakenOver, txt: usize) {
    let TakenOver { endpoints, overrides, rollouts } = taken_over;
    info!(endpoints, overrides, rollouts, txt, "kept state taken over");
    for (path, built) in databases {
        info!(database = %path.display(), built = rfc3339(*built), "database in use");
    }
}

/// Logs the zones that were added and removed.
pub(super) fn tell_zones(before: &Snapshot, after: &crate::snapshot::Blueprint) {
    if after.has_zones_of(before.blueprint()) {
        return;
    }
    let apexes = |zones: &[std::sync::Arc<crate::snapshot::ServedZone>]| -> Vec<Name> {
        zones.iter().map(|served| served.zone.apex().clone()).collect()
    };
    let (before, after) = (apexes(before.zones()), apexes(after.zones()));
    for (those, others, what) in [(&after, &before, "added"), (&before, &after, "removed")] {
        let others: HashSet<&Name> = others.iter().collect();
        let names = those.iter().filter(|apex| !others.contains(apex)).map(ToString::to_string);
        if let Some(list) = list(names.collect()) {
            info!(zones = list, "zones {what}");
        }
    }
}

/// Joins names; `None` if there are none.
fn list(mut names: Vec<String>) -> Option<String> {
    let more = names.len().saturating_sub(MOST_NAMED);
    names.truncate(MOST_NAMED);
    let named = names.join(", ");
    (!named.is_empty()).then(|| if more > 0 { format!("{named} and {more} more") } else { named })
}

/// Looks once a second for changes that nobody reports: those of the state folder and of the node's own certificates.
pub(super) struct Lookout {
    interval: Interval,
    /// True if the last event about the state folder says that it cannot be written.
    is_store_in_trouble: bool,
}

impl Lookout {
    /// Begins to look, on the current tokio runtime.
    pub(super) fn new() -> Self {
        let mut interval = interval(LOOK_EVERY);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { interval, is_store_in_trouble: false }
    }

    /// Waits for the next look.
    pub(super) async fn next(&mut self) {
        self.interval.tick().await;
    }
}

impl Node {
    /// Reports if state can no longer be written to disk, or can be written again, and if certificates expire.
    pub(super) fn look_around(&mut self) {
        let trouble = self.files.store.trouble();
        if trouble.is_some() != self.lookout.is_store_in_trouble {
            self.lookout.is_store_in_trouble = trouble.is_some();
            let error = trouble.as_deref().map(ToString::to_string);
            self.notifier.tell(EventKind::Store { kept: trouble.is_none(), error });
        }
        self.notifier.tell_all(self.certificates.look(unix_time()));
    }

    /// Logs a summary of the node's state.
    pub(super) async fn tell_summary(&self) {
        let snapshot = self.published.load_full();
        let uptime = Written(Duration::from_secs(self.started.elapsed().as_secs()));
        let (generation, zones) = (snapshot.generation(), snapshot.zones().len());
        info!(version = version::VERSION, %uptime, generation, zones, "summary");
        let counts = EndpointCounts::of(snapshot.pools().iter().map(|pool| &**pool));
        info!(up = counts.in_use(), down = counts.down, out = counts.out(), "summary of endpoints");
        let overrides = self.control.overrides().await.unwrap_or_default();
        let in_force = overrides.iter().filter(|(_, is_in_force)| *is_in_force).count();
        info!(overrides = in_force, txt = self.txt.values().len(), "summary of orders in force");
        let connections = self.running.limiter().occupancy().taken;
        let losses = self.running.losses();
        let (dropped, refused) = (losses.queries.load(Ordering::Relaxed), losses.connections.load(Ordering::Relaxed));
        let queries = self.files.tallies.traffic().sums().all_responses();
        info!(queries, connections, dropped, refused, "summary of clients");
    }
}
