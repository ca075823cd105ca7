//! The parts that control is connected to: the sockets' snapshot, the prober, and the state folder.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{Notify, oneshot};

use super::files::Files;
use crate::clock::unix_time;
use crate::control::Keep;
use crate::counters::NodeCounters;
use crate::health::{Outcome, Target};
use crate::monitor::Prober;
use crate::overrides::{Change, Happening};
use crate::report::Tallies;
use crate::resolver::Resolver;
use crate::rollout;
use crate::server::AheadBell;
use crate::snapshot::Snapshot;
use crate::store::{
    AGREEMENTS, Batch, HEALTH, HealthRecord, LEDGER, LedgerRecord, OVERRIDES, OverrideRecord, RECOVERIES, ROLLOUTS,
    RolloutRecord, STREAMS, Store,
};

/// Returns the function that publishes snapshots. It takes a snapshot and the time that it took to make it, replaces
/// the published snapshot, and returns the old one. With the first snapshot, it sends the place where snapshots are
/// published to `first`. It counts in `counters`, passes the counters of replaced configurations to `tallies`, and
/// tells `replaced` so. It rings the bell of the thread that signs ahead, if there is one.
pub(super) fn publisher(
    first: oneshot::Sender<Arc<ArcSwap<Snapshot>>>,
    tallies: Arc<Tallies>,
    counters: Arc<NodeCounters>,
    bell: Option<AheadBell>,
    replaced: Arc<Notify>,
) -> impl FnMut(Arc<Snapshot>, Duration) -> Option<Arc<Snapshot>> {
    let mut first = Some(first);
    let mut place: Option<Arc<ArcSwap<Snapshot>>> = None;
    move |snapshot, took| {
        counters.publications.fetch_add(1, Relaxed);
        counters.build_times.record(took);
        counters.published_at.store(unix_time(), Relaxed);
        if let Some(place) = &place {
            let before = place.swap(snapshot.clone());
            if let Some(bell) = &bell {
                bell.ring();
            }
            if before.counters().map(Arc::as_ptr) != snapshot.counters().map(Arc::as_ptr) {
                tallies.replace(before.blueprint());
                replaced.notify_one();
            }
            return Some(before);
        }
        let new = place.insert(Arc::new(ArcSwap::new(snapshot)));
        if let Some(first) = first.take() {
            // The start of the node waits for it, and may have failed in the meantime.
            let _ = first.send(new.clone());
        }
        None
    }
}

/// Returns the function that probes a target. It looks up the hosts of targets with `resolver`.
pub(super) fn prober(resolver: Resolver) -> impl Fn(Arc<Target>) -> Pin<Box<dyn Future<Output = Outcome> + Send>> {
    let prober = Prober::new().resolving(resolver);
    move |target| {
        let prober = prober.clone();
        Box::pin(async move { prober.probe(&target).await })
    }
}

/// Returns the function that stores the state that control keeps. All rows of one event are in one batch.
pub(super) fn keeper(store: Arc<Store>) -> impl Fn(Keep) {
    move |Keep { health, agreements, recovery_states, overrides, rollouts, ledger, streams }| {
        let mut batch = Batch::default();
        for change in &overrides {
            put_override(change, &mut batch);
        }
        put_rollouts(&rollouts, &mut batch);
        for (key, row) in ledger {
            let key = key.as_str().to_owned();
            match row {
                Some(row) => batch.put(&LEDGER, &key, &LedgerRecord::new(&row)),
                None => batch.delete(&LEDGER, &key),
            }
        }
        for (book, identity) in streams {
            batch.put(&STREAMS, &book.as_str().to_owned(), &format!("{identity:x}"));
        }
        for (target, kept) in health {
            match kept.and_then(HealthRecord::new) {
                Some(record) => batch.put(&HEALTH, &target, &record),
                None => batch.delete(&HEALTH, &target),
            }
        }
        for (target, kept) in agreements {
            match kept {
                Some(kept) => batch.put(&AGREEMENTS, &target, &kept.into()),
                None => batch.delete(&AGREEMENTS, &target),
            }
        }
        for (key, recovery_state) in recovery_states {
            match recovery_state {
                Some(recovery_state) => batch.put(&RECOVERIES, &key, &recovery_state.into()),
                None => batch.delete(&RECOVERIES, &key),
            }
        }
        store.write(batch);
    }
}

fn put_override(change: &Change, batch: &mut Batch) {
    let Some((key, record)) = OverrideRecord::new(&change.item) else { return };
    match change.happening {
        Happening::Placed => batch.put(&OVERRIDES, &key, &record),
        Happening::Began => {}
        Happening::Ended | Happening::Lifted { .. } => batch.delete(&OVERRIDES, &key),
    }
}

fn put_rollouts(rows: &rollout::Rows, batch: &mut Batch) {
    for (id, kept) in rows {
        let key = RolloutRecord::key(id);
        match kept {
            Some(kept) => batch.put(&ROLLOUTS, &key, &RolloutRecord::new(kept)),
            None => batch.delete(&ROLLOUTS, &key),
        }
    }
}

/// Interval at which counters of replaced configurations are looked at. Their memory is free only after that: with reloads in quick
/// succession it would become most of the node's.
const TIDY_EVERY: Duration = Duration::from_millis(20);

/// Adds the counts of replaced configurations to the sums, as soon as no worker counts in them. Runs as long as the node.
pub(super) fn tidy(files: &Files, published: Arc<ArcSwap<Snapshot>>) -> impl Future<Output = ()> + use<> {
    let (tallies, replaced) = (files.tallies.clone(), files.replaced.clone());
    async move {
        loop {
            if !tallies.has_replaced() {
                replaced.notified().await;
            }
            tokio::time::sleep(TIDY_EVERY).await;
            tallies.tidy(&published.load());
        }
    }
}
