//! Begins the roll-overs that lifetimes of keys ask for, if this node is the one that makes keys.
//!
//! ```text
//!   a lifetime ends soon ──► lock the folder, read the key files ──► still so ──► write key files ──► reload
//!        ▲                                │ not any more                 │ cannot be written
//!        └─────────── later ◄─────────────┴──────────────────────────────┘
//! ```
//!
//! The files are the only memory: they say that a roll-over is under way, after a restart and whatever the clock does.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::fs::{Access, access};
use tokio::sync::mpsc;
use tracing::{info, warn};

use super::Node;
use crate::backoff::Backoff;
use crate::cli::dnssec::begin::{Begun, begin};
use crate::clock::unix_time;
use crate::dnssec::{Lifetimes, Replacement, ZoneKeys};
use crate::name::Name;
use crate::snapshot::Blueprint;
use crate::timestamp::rfc3339;

/// Number of roll-overs that begin before the files are read again.
const AT_ONCE: usize = 64;

/// The results for some zones: a roll-over, or `None` if the files on disk ask for none.
type Attempts = Vec<(Arc<ZoneKeys>, Result<Option<Begun>, String>)>;

/// A zone whose roll-over could not begin.
#[derive(Default)]
struct Rest {
    backoff: Backoff,
    until: Option<Instant>,
    /// The reason that was logged.
    told: Option<String>,
}

/// The part of the node that begins roll-overs by itself: it makes their keys.
pub(super) struct Roller {
    /// The folder of keys; `None` if this node makes no keys.
    folder: Option<PathBuf>,
    /// False while the files on disk have errors: this node would not serve the new keys.
    is_loaded: bool,
    is_busy: bool,
    resting: HashMap<Name, Rest>,
    attempts: mpsc::UnboundedReceiver<Result<Attempts, String>>,
    sender: mpsc::UnboundedSender<Result<Attempts, String>>,
}

impl Roller {
    pub(super) fn new(folder: PathBuf, is_roller: bool, served: &Blueprint) -> Self {
        let (sender, attempts) = mpsc::unbounded_channel();
        let mut roller =
            Self { folder: None, is_loaded: true, is_busy: false, resting: HashMap::new(), attempts, sender };
        roller.set(folder, is_roller, served);
        roller
    }

    /// Makes keys in this folder from now on if the node is the roller. Warns if it cannot.
    pub(super) fn set(&mut self, folder: PathBuf, is_roller: bool, served: &Blueprint) {
        let folder = is_roller.then_some(folder);
        let keys = served.zones().iter().filter_map(|served| served.keys.as_ref());
        let rolls = keys.into_iter().any(|keys| keys.lifetimes() != Lifetimes::default());
        if let Some(folder) = folder.as_ref().filter(|_| rolls)
            && let Err(error) = access(folder, Access::WRITE_OK)
        {
            warn!(folder = %folder.display(), %error, "this node is to begin roll-overs by itself, but cannot write to the folder of keys");
        }
        (self.folder, self.is_loaded) = (folder, true);
    }

    /// Begins no roll-over until the files on disk are served.
    pub(super) fn pause(&mut self) {
        self.is_loaded = false;
    }

    /// Waits until key files of a roll-over are written.
    pub(super) async fn begun(&mut self) {
        loop {
            // This value has a sender itself, so the channel is never closed.
            let Some(attempts) = self.attempts.recv().await else { return std::future::pending().await };
            self.is_busy = false;
            let attempts = attempts.unwrap_or_else(|error| {
                warn!(error, "roll-overs that are due do not begin: trying again");
                Vec::new()
            });
            let mut has_begun = false;
            for (keys, result) in attempts {
                has_begun |= self.take_in(&keys, result);
            }
            if has_begun {
                return;
            }
        }
    }

    /// Logs a result. Returns true if a roll-over has begun.
    fn take_in(&mut self, keys: &ZoneKeys, result: Result<Option<Begun>, String>) -> bool {
        let zone = keys.apex();
        let error = match result {
            Ok(Some(Begun { now, written, .. })) => {
                self.resting.remove(zone);
                let before = rfc3339(Duration::from_secs(now + keys.delays().propagation));
                info!(%zone, files = ?written, before, "a roll-over begins, because the lifetime of a key ends: copy these files to every nameserver of the zone");
                if !keys.foreign().is_empty() {
                    warn!(%zone, before, "the other providers of the zone must publish the DNSKEY records in these files");
                }
                return true;
            }
            Ok(None) => None,
            Err(error) => Some(error),
        };
        let rest = self.resting.entry(zone.clone()).or_default();
        rest.until = Some(Instant::now() + rest.backoff.next(None, 0.0));
        if error.is_some() && rest.told != error {
            let reason = error.as_deref();
            warn!(%zone, reason, "a roll-over that is due cannot begin: the keys in use go on, and it is tried again");
            rest.told = error;
        }
        false
    }

    fn may_try(&self, zone: &Name) -> bool {
        let until = self.resting.get(zone).and_then(|rest| rest.until);
        until.is_none_or(|until| until <= Instant::now())
    }
}

impl Node {
    /// Begins the roll-overs that are due, on a thread of its own.
    pub(super) fn begin_roll_overs(&mut self) {
        let roller = &mut self.roller;
        let Some(folder) = roller.folder.clone().filter(|_| roller.is_loaded && !roller.is_busy) else { return };
        let now = unix_time();
        let keys = self.latest.zones().iter().filter_map(|served| served.keys.clone());
        let is_due = |keys: &Arc<ZoneKeys>| due(keys, now).is_some() && roller.may_try(keys.apex());
        let due_now: Vec<Arc<ZoneKeys>> = keys.filter(is_due).take(AT_ONCE).collect();
        if due_now.is_empty() {
            return;
        }
        roller.is_busy = true;
        let sender = roller.sender.clone();
        tokio::spawn(async move {
            let attempt = move |keys: Arc<ZoneKeys>| {
                let begun = begin(&keys, &folder, due);
                (keys, begun)
            };
            let attempts = super::beside(move || due_now.into_iter().map(attempt).collect()).await;
            // If the node stops, nobody waits for it.
            let _ = sender.send(attempts);
        });
    }
}

/// Returns what is replaced and when the first step comes, as the command does it, if a roll-over is due at the time `now`, in Unix
/// seconds.
fn due(keys: &ZoneKeys, now: u64) -> Option<(Replacement, u64)> {
    let turn = keys.turns().into_iter().next().filter(|turn| turn.begins <= now)?;
    Some((Replacement::Role(turn.role), now + keys.delays().propagation))
}
