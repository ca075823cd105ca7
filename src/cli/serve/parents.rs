//! Asks parent zones for the DS records that roll-overs wait for, and records them in the key files.
//!
//! ```text
//!   a key waits ──► ask all nameservers of the parent ──► they hold what it waits for ──► key files ──► reload
//!        ▲                                                          │ not yet
//!        └──────────────── a quarter of `propagation` ◄─────────────┘
//! ```
//!
//! The files are the only memory: what was seen is known after a restart, and to every node that gets them.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tracing::{info, warn};

use super::Node;
use crate::cli::dnssec::parent;
use crate::clock::unix_time;
use crate::config::{self, ParentSettings};
use crate::dnssec::ZoneKeys;
use crate::name::Name;

/// Least and greatest time between two looks at a parent.
const INTERVAL: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(600)];

/// The result of one look: the files that changed, if the parent has done what the zone waits for.
struct Look {
    zone: Name,
    result: Result<Option<Vec<PathBuf>>, String>,
}

/// The parents that are asked.
pub(super) struct Parents {
    settings: Vec<ParentSettings>,
    /// The zones whose parents are being asked.
    asking: HashSet<Name>,
    /// The zones whose parents could not be asked the last time. That was logged.
    failed: HashSet<Name>,
    last: Option<Instant>,
    looks: mpsc::UnboundedReceiver<Look>,
    sender: mpsc::UnboundedSender<Look>,
}

impl Parents {
    pub(super) fn new(settings: Vec<ParentSettings>) -> Self {
        let (sender, looks) = mpsc::unbounded_channel();
        Self { settings, asking: HashSet::new(), failed: HashSet::new(), last: None, looks, sender }
    }

    /// Asks other parents from now on.
    pub(super) fn set(&mut self, settings: Vec<ParentSettings>) {
        self.settings = settings;
    }

    /// Waits until key files changed because of what a parent holds.
    pub(super) async fn recorded(&mut self) {
        loop {
            // This value has a sender itself, so the channel is never closed.
            let Some(Look { zone, result }) = self.looks.recv().await else { return std::future::pending().await };
            self.asking.remove(&zone);
            match result {
                Ok(Some(files)) => {
                    self.failed.remove(&zone);
                    info!(%zone, ?files, "the parent holds the DS record of the new key: recorded in its files");
                    return;
                }
                Ok(None) => _ = self.failed.remove(&zone),
                Err(error) => {
                    if self.failed.insert(zone.clone()) {
                        warn!(%zone, error, "a roll-over waits, because what the parent holds is not known or cannot be recorded");
                    }
                }
            }
        }
    }
}

impl Node {
    /// Asks the parents of zones whose keys wait for them, each on a thread of its own.
    pub(super) fn ask_parents(&mut self) {
        let waiting = self.latest.zones().iter().filter_map(|served| served.keys.clone());
        let waiting: Vec<Arc<ZoneKeys>> = waiting.filter(|keys| keys.awaits_parent()).collect();
        let intervals = waiting.iter().map(|keys| Duration::from_secs(keys.delays().propagation / 4));
        let Some(interval) = intervals.min().map(|interval| interval.clamp(INTERVAL[0], INTERVAL[1])) else { return };
        let parents = &mut self.parents;
        // The looks that lead here come once a second, and a little more often than that.
        if parents.last.is_some_and(|last| last.elapsed() + INTERVAL[0] / 2 < interval) {
            return;
        }
        parents.last = Some(Instant::now());
        for keys in waiting {
            let settings = parents.settings.iter().find(|settings| settings.zone == *keys.apex());
            let Some(settings) = settings.cloned().filter(|settings| parents.asking.insert(settings.zone.clone()))
            else {
                continue;
            };
            let (zone, sender) = (settings.zone.clone(), parents.sender.clone());
            tokio::spawn(async move {
                let result = super::beside(move || look(&keys, &settings)).await.and_then(|result| result);
                // If the node stops, nobody waits for it.
                let _ = sender.send(Look { zone, result });
            });
        }
    }
}

/// Asks a parent, and records what it has done. Returns the files that changed; `None` if it has not done it yet.
fn look(keys: &ZoneKeys, settings: &ParentSettings) -> Result<Option<Vec<PathBuf>>, String> {
    let held = parent::ask(settings)?;
    let Some((tag, ttl)) = parent::agreed(keys, &held) else { return Ok(None) };
    config::record_ds(&settings.folder, keys, tag, unix_time(), ttl).map(Some)
}
