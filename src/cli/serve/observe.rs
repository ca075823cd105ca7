//! `truenorth probe`: a node that observes for its fleet, and answers nothing.
//!
//! ```text
//!   SIGHUP, a changed file ──► reload ──► Adopt ──► control ──► Probe ──► monitor
//!                                                   ▲   │  ▲                 │
//!                                                   │   │  └──── Outcome ────┘
//!                                     other nodes ──┘   └──► other nodes
//! ```
//!
//! It reads the same files as a node that serves, and has the same control, so that it is the same vantage point. It has no
//! sockets for DNS and no admin server, reads no database, and delivers no alerts.

use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use arc_swap::ArcSwap;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tracing::{error, info, warn};

use super::files::{Files, count_load, judge_lost};
use super::fleet::Follows;
use super::notifier::Notifier;
use super::register::Register;
use super::start::{StartedControl, restore, start_control};
use super::versions::{self, Arrival, Versions};
use super::{LAST_EVENT, ServeError, Signals, begin_log, beside, fleet, run_with_threads, shared};
use crate::admin::Journal;
use crate::cli::descriptors::Descriptors;
use crate::cli::kept_latency::KeptLatency;
use crate::cli::load::Loader;
use crate::cli::privileges::Privileges;
use crate::cli::{BAD, log_faults, output, systemd, version};
use crate::config::{Faults, LogFormat};
use crate::control::{DynamicTxt, Event, Handle};
use crate::ledger::{Follow, Followed, Matter};
use crate::snapshot::Snapshot;
use crate::vital::{self, Alarm, End};

/// Threads for probes and messages. They wait for the network most of the time.
const THREADS: NonZeroUsize = NonZeroUsize::MIN;

/// A node that observes.
struct Observer {
    files: Files,
    control: Handle,
    control_task: JoinHandle<()>,
    fleet_task: Option<JoinHandle<()>>,
    latency: KeptLatency,
    published: Arc<ArcSwap<Snapshot>>,
    notifier: Notifier,
    txt: DynamicTxt,
    register: Register,
    follows: Follows,
    /// The versions of the zones, if this node takes them from its fleet.
    versions: Option<Box<Versions>>,
}

/// Observes until a signal says to stop. Returns exit code 1 if it never began, or ended by itself. `format` is the form of
/// log lines, instead of that of the server file.
pub(in crate::cli) fn run(path: &Path, format: Option<LogFormat>) -> ExitCode {
    let privileges = match Privileges::settle(path) {
        Ok(privileges) => privileges,
        Err(why) => {
            output::complain(format_args!("truenorth: {why}"));
            return ExitCode::from(BAD);
        }
    };
    run_with_threads(Ok(THREADS), |log, signals| async move {
        begin_log(path, format, &log)?;
        info!(version = version::VERSION, config = %path.display(), "starting to observe");
        privileges.tell();
        let (alarm, mut ends) = vital::alarm();
        // Until it is part of its fleet, it can be stopped at once.
        let mut observer = tokio::select! {
            () = signals.stop() => return Ok(()),
            started = Observer::start(path, privileges, &alarm) => started?,
        };
        observer.tell_ready("");
        let failed = loop {
            tokio::select! {
                biased;
                () = signals.stop() => break None,
                end = ends.next() => break Some(end),
                () = observer.turn(&signals) => {}
            }
        };
        observer.stop(failed).await
    })
}

impl Observer {
    /// Reads everything, and probes every target once. Fails if there is no fleet to observe for.
    async fn start(path: &Path, privileges: Privileges, alarm: &Alarm) -> Result<Self, ServeError> {
        let (mut files, loaded, txt, register) = Files::open(path.to_owned(), Loader::observing(path)).await?;
        let Some(of) = &files.server.fleet else {
            return Err(ServeError::Other(format!(
                "{} has no `[fleet]`: a node that only observes needs other nodes to tell what it sees",
                path.display()
            )));
        };
        log_faults(&loaded.warnings);
        if of.site.is_empty() {
            warn!("the server file has no `site`: the round trips that this node measures count for no clients");
        }
        // It binds nothing. What it may do from here on is what it needs for probes.
        privileges.bind(|| ()).await.map_err(ServeError::Other)?;
        let journal = Arc::new(Journal::new(files.store.clone()));
        let part = alarm.part("the task that keeps events");
        let notifier = Notifier::new(journal.clone(), files.counters.clone(), part);
        let StartedControl { control, control_task, first_published, latency, mut post, .. } =
            start_control(&files, Descriptors::share().probes, None, &notifier, alarm);
        restore(&control, &files.store, &journal).await;
        let versions = Versions::new(&mut files, post.jobs.clone(), post.opened(), &control).await;
        control.tell(Event::Adopt(loaded.blueprint)).await;
        let fleet_task = fleet::start(&files, &mut post, true, control.clone());
        let published = first_published.await.map_err(|error| ServeError::Other(error.to_string()))?;
        latency.recall(&control);
        files.store.own();
        systemd::watch(control.clone(), None);
        let follows = post.follows;
        Ok(Self {
            files,
            control,
            control_task,
            fleet_task,
            latency,
            published,
            notifier,
            txt,
            register,
            follows,
            versions,
        })
    }

    /// Waits until the files are to be read again, and reads them.
    async fn turn(&mut self, signals: &Signals) {
        let reason = tokio::select! {
            () = signals.reload() => "signal",
            () = self.files.changed() => "file changed",
            followed = shared::next(&mut self.follows) => {
                self.follow(followed);
                return;
            }
            arrival = versions::next(&mut self.versions) => {
                self.take_in_version(arrival).await;
                return;
            }
            () = signals.replace() => {
                warn!("a node that only observes answers nothing, so nothing is lost when it is restarted: it is not replaced");
                return;
            }
            () = signals.summary() => {
                info!(probes = self.probes(), "observing");
                return;
            }
        };
        _ = self.reload(reason).await;
        if let Some(versions) = &mut self.versions {
            versions.pursue();
        }
    }

    /// Lets the fleet's orders about the zones count.
    fn follow(&mut self, followed: Followed) {
        for Follow { matter, content, .. } in followed.follows {
            if let (Matter::Zones, Some(versions)) = (matter, &mut self.versions) {
                versions.follow(content);
            }
        }
    }

    /// Does what is to be done about the versions, as a node that answers does.
    async fn take_in_version(&mut self, arrival: Arrival) {
        let Some(versions) = &mut self.versions else { return };
        let Some(release) = versions.take_in(arrival).await else { return };
        let (copy, named) = match versions::prepare(&versions.copies, &release).await {
            Ok(prepared) => prepared,
            Err(why) => return versions.postpone(&release, why).await,
        };
        let before = self.files.copy.replace(copy);
        let had_faults = self.files.counters.is_last_load_bad.load(Relaxed);
        let reloaded = self.reload(&versions::reason(&release)).await;
        let Some(versions) = &mut self.versions else { return };
        match reloaded {
            Ok(served) => versions.serve(release, named, served).await,
            Err(faults) => {
                self.files.copy = before;
                self.files.counters.is_last_load_bad.store(had_faults, Relaxed);
                versions.refuse(&release, &faults).await;
            }
        }
    }

    /// Reads everything again. Returns what receives the first snapshot. Fails with the faults, and then the old configuration
    /// stays in use.
    async fn reload(&mut self, reason: &str) -> Result<oneshot::Receiver<Arc<Snapshot>>, Faults> {
        systemd::reloading();
        let began = std::time::Instant::now();
        let previous = self.published.load_full();
        let loaded = self.files.load(previous.clone(), previous.blueprint(), &self.txt, &mut self.register).await;
        let loaded = loaded.and_then(|loaded| judge_lost(&previous, loaded, false));
        log_faults(loaded.as_ref().map_or_else(|faults| faults, |loaded| &loaded.warnings));
        count_load(&self.files.counters, began, loaded.is_ok());
        match loaded {
            Ok(loaded) => {
                info!(reason, zones = loaded.blueprint.zones().len(), "configuration reloaded");
                // Until its new targets were probed, the old configuration stays in use.
                let (reply, served) = oneshot::channel();
                if let Ok(snapshot) = self.control.adopt(loaded.blueprint).await.await {
                    let _ = reply.send(snapshot);
                }
                self.tell_ready("");
                Ok(served)
            }
            Err(faults) => {
                error!(reason, "configuration not reloaded: the old one stays in use");
                self.tell_ready("; the last reload failed, because the files have errors");
                Err(faults)
            }
        }
    }

    /// Number of endpoints of the configuration in use that are probed.
    fn probes(&self) -> usize {
        let published = self.published.load();
        published.world().pools.iter().flat_map(|pool| pool.members.targets()).collect::<HashSet<_>>().len()
    }

    fn tell_ready(&self, more: &str) {
        let probes = self.probes();
        info!(probes, "observing");
        systemd::ready(&format!("{}, observing, {probes} probes{more}", version::PROGRAM));
    }

    /// Tells the others that it stops, and keeps its state.
    async fn stop(self, failed: Option<End>) -> Result<(), ServeError> {
        systemd::stopping();
        info!("stopping");
        let mut control_task = self.control_task;
        let stopped = tokio::time::timeout(LAST_EVENT, async {
            self.control.tell(Event::Stop).await;
            let _ = (&mut control_task).await;
        });
        if stopped.await.is_err() {
            control_task.abort();
            warn!("the last changes of endpoint states may be lost: control did not hand them over in time");
        }
        fleet::finish(self.fleet_task).await;
        self.notifier.stop().await;
        let (store, latency) = (self.files.store.clone(), self.latency);
        let close = move || {
            latency.finish();
            store.close();
        };
        // If no thread can be started for it, the store is closed when it is dropped.
        let _ = beside(close).await;
        match failed {
            None => Ok(()),
            Some(end) => Err(ServeError::Other(format!("the node ended: {end}"))),
        }
    }
}
