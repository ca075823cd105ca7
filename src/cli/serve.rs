//! `truenorth serve`: connects files, probes, control and sockets, and runs them until it is told to stop.
//!
//! ```text
//!   SIGHUP, a changed file, an order ──► reload ──► Adopt ──► control ──► Publish ──► the snapshot that workers load
//!   a TXT record, its end ─────────────► amend ───► Amend ──►  ▲   │
//!                                                    Outcome ──┘   ├──► Probe ──► monitor
//!                                       last run ──► Restore       └──► Keep ──► store
//! ```
//!
//! One loop makes all configurations, one after the other, so that none is based on an outdated one.

mod files;
mod notifier;
mod orders;
mod parts;
mod serials;
mod signals;

use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::sync::oneshot;
use tracing::{error, info, warn};

use super::descriptors::Descriptors;
use super::kept_latency::KeptLatency;
use super::log::{Log, log_to_stderr};
use super::log_faults;
use super::watch_files::FileWatch;
use crate::admin::{self, Journal};
use crate::answer::Rotation;
use crate::config::{Faults, Listen, Severity, certificate_expires};
use crate::control::{self, Control, DynamicTxt, Event, Handle, OverrideEvent, RolloutEvent};
use crate::counters::NodeCounters;
use crate::duration::Written;
use crate::health::{Kept, RecoveryState};
use crate::report::{EventKind, Summary, Tallies};
use crate::server::{Bound, EncryptedAddresses, Running, TcpLimits};
use crate::snapshot::{Blueprint, Snapshot};
use crate::store::{HEALTH, OVERRIDES, RECOVERIES, ROLLOUTS};
use crate::vital::{self, Alarm, Ends};
use crate::watch::Lateness;
use files::{Files, judge_lost, warn_of_hosts};
use notifier::Notifier;
use orders::Orders;
use parts::{keeper, prober, publisher};
pub(super) use signals::Signals;

/// Longest time that control may take to hand over its last changes when the node stops. It takes milliseconds unless
/// control hangs.
const LAST_EVENT: Duration = Duration::from_millis(500);

/// How often counters of replaced configurations are looked at. Until then their memory is not free.
const TIDY_EVERY: Duration = Duration::from_secs(1);

/// The reason why serving did not begin, or ended without a request.
pub(super) enum ServeError {
    /// The configuration has faults.
    Faults(Faults),
    /// Another reason, in a sentence.
    Other(String),
}

impl From<Faults> for ServeError {
    fn from(faults: Faults) -> Self {
        Self::Faults(faults)
    }
}

/// Serves until a signal says to stop. Returns exit code 1 if serving never began, or ended by itself.
pub(super) fn run(path: &Path) -> ExitCode {
    run_to_end(|log, signals| async move {
        log_to_stderr(&log);
        let (alarm, ends) = vital::alarm();
        // Before the node answers there is nothing to drain.
        let node = tokio::select! {
            () = signals.stop() => return Ok(()),
            node = Node::start(path, &log, &alarm) => node?,
        };
        node.run(signals, ends).await
    })
}

/// Runs `serves` on all processors until it is told to stop. If it never began or ended by itself, prints the reason to
/// standard error, as the log does.
pub(super) fn run_to_end<F: Future<Output = Result<(), ServeError>>>(
    serve: impl FnOnce(Log, Signals) -> F,
) -> ExitCode {
    let log = match Log::start(std::io::stderr()) {
        Ok(log) => log,
        Err(error) => {
            super::output::complain(format_args!("truenorth: cannot start the thread of the log: {error}"));
            return ExitCode::from(super::BAD);
        }
    };
    let code = match serve_with(&log, serve) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let text = match error {
                ServeError::Faults(faults) => super::draw_faults(&faults),
                ServeError::Other(why) => format!("truenorth: {why}"),
            };
            log.write(format!("{text}\n").as_bytes());
            ExitCode::from(super::BAD)
        }
    };
    log.finish();
    code
}

fn serve_with<F: Future<Output = Result<(), ServeError>>>(
    log: &Log,
    serve: impl FnOnce(Log, Signals) -> F,
) -> Result<(), ServeError> {
    let other = |what: &str, error: &dyn std::fmt::Display| ServeError::Other(format!("{what}: {error}"));
    // The first step, so that no later signal is lost.
    let signals = Signals::handle(log.clone()).map_err(|error| other("cannot handle signals", &error))?;
    let workers = thread::available_parallelism().map_err(|error| other("cannot count the processors", &error))?;
    try_threads(2 * workers.get()).map_err(|error| other("the system does not allow enough threads", &error))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(workers.get()).enable_all().build();
    let runtime = runtime.map_err(|error| other("cannot start the runtime for tasks", &error))?;
    let result = runtime.block_on(serve(log.clone(), signals));
    // Do not wait for tasks that hang, such as the lookup of a webhook's name.
    runtime.shutdown_background();
    result
}

/// Tests if the system can start this number of threads now. If tokio cannot start one, it panics and then waits for
/// itself for ever. Twice the number that tokio needs is tried: the node needs more threads, and those of this test
/// count until they have ended.
fn try_threads(count: usize) -> io::Result<()> {
    let gate = Mutex::new(());
    thread::scope(|scope| {
        let closed = gate.lock();
        let wait = || drop(gate.lock());
        let tried = (0..count).try_for_each(|_| thread::Builder::new().spawn_scoped(scope, wait).map(drop));
        drop(closed);
        tried
    })
}

/// Runs slow work on a separate thread and waits for it. Fails with the reason why the work was not done.
async fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
    let (done, result) = oneshot::channel();
    let work = move || {
        // Nobody waits any more if the node stops.
        let _ = done.send(work());
    };
    let spawned = thread::Builder::new().name("files".to_owned()).spawn(work);
    spawned.map_err(|error| format!("the files were not read: cannot start a thread: {error}"))?;
    result.await.map_err(|_| "the files were not read: the thread that reads them panicked".to_owned())
}

/// A node that serves.
pub(super) struct Node {
    files: Files,
    running: Running,
    published: Arc<ArcSwap<Snapshot>>,
    control: Handle,
    control_task: tokio::task::JoinHandle<()>,
    /// The storage of measured round trips.
    latency: KeptLatency,
    counters: Arc<NodeCounters>,
    lateness: Arc<Lateness>,
    addresses: Vec<std::net::SocketAddr>,
    encrypted: EncryptedAddresses,
    /// The last adopted configuration, with the TXT records that are set.
    latest: Arc<Blueprint>,
    txt: DynamicTxt,
    notifier: Notifier,
    admin: Option<admin::Running>,
    orders: Orders,
}

impl Node {
    /// Reads everything, binds every socket, probes every target once, and begins to answer. Tells `alarm` if a part of
    /// the node ends by itself.
    pub(super) async fn start(path: &Path, log: &Log, alarm: &Alarm) -> Result<Self, ServeError> {
        let other = |error: &dyn std::fmt::Display| ServeError::Other(error.to_string());
        let counters = Arc::new(NodeCounters::default());
        log.count_in(&counters);
        let began = Instant::now();
        let (files, loaded, txt) = Files::open(path.to_owned()).await?;
        count_load(&counters, began, true);
        log_faults(&loaded.warnings);
        let workers = std::thread::available_parallelism().map_err(|error| other(&error))?;
        let Listen { dns, tls, https, quic } = loaded.server.listen.clone();
        let mut bound = Bound::new(&dns, workers).map_err(|error| other(&error))?.with_alarm(alarm.clone());
        if let Some(credentials) = loaded.credentials {
            counters.certificate_expires.store(certificate_expires(&credentials).unwrap_or_default(), Relaxed);
            let encrypted = EncryptedAddresses { tls, https, quic };
            bound = bound.with_encrypted(&encrypted, credentials).map_err(|error| other(&error))?;
        }
        let addresses = bound.addresses();
        let encrypted = bound.encrypted_addresses().map_err(|error| other(&error))?;
        let admin = loaded.server.admin;
        let admin = admin.map(|admin| Ok((admin::Bound::new(&admin)?, admin))).transpose();
        let admin = admin.map_err(|error: admin::BindError| other(&error))?;
        if let Some((admin, _)) = &admin {
            bound = bound.with_admin(admin.listeners().map_err(|error| other(&error))?);
        }
        // All sockets are bound: divide the descriptors that are left.
        let descriptors = Descriptors::share();
        let bound = bound.with_tcp_limits(TcpLimits::default().within(descriptors.dns));
        let bound = bound.with_counters(files.tallies.traffic().clone());

        let journal = Arc::new(Journal::new());
        let notifier = Notifier::new(journal.clone(), counters.clone(), alarm.part("the task that delivers events"));
        notifier.set_webhooks(loaded.server.webhooks, &loaded.blueprint.world().node);
        let (control, received) = Handle::new();
        let (first, first_published) = oneshot::channel();
        let machine = Control::new(fastrand::u64(..), descriptors.probes);
        let (lateness, probes) = (machine.lateness(), machine.probe_counters());
        let latency = KeptLatency::new(files.store.clone());
        let (keep, measured) = (keeper(files.store.clone()), latency.clone());
        let keep_latency = move |table, now| measured.keep(table, now);
        let publish = publisher(first, files.tallies.clone(), counters.clone());
        let running = control::run(machine, received, prober(), publish, keep, keep_latency, notifier.teller());
        let control_task = tokio::spawn(alarm.part("control").run(running));
        let kept = files.store.all(&HEALTH).into_iter().map(|(target, record)| (target, Kept::from(record)));
        control.tell(Event::Restore(kept.collect())).await;
        let recovery_states =
            files.store.all(&RECOVERIES).into_iter().map(|(key, record)| (key, RecoveryState::from(record)));
        control.tell(Event::Resume(recovery_states.collect())).await;
        let placed = files.store.all(&OVERRIDES).into_iter();
        let placed = placed.filter_map(|(key, record)| record.into_override(key)).collect();
        control.tell(Event::Override(OverrideEvent::Restore(placed))).await;
        let rolled_out = files.store.all(&ROLLOUTS).into_iter();
        let rolled_out = rolled_out.filter_map(|(key, record)| record.into_kept(&key)).collect();
        control.tell(Event::Rollout(RolloutEvent::Restore(rolled_out))).await;
        let latest = loaded.blueprint;
        control.tell(Event::Adopt(latest.clone())).await;
        let published = first_published.await.map_err(|error| other(&error))?;
        latency.recall(&control);
        let running = bound.start(published.clone(), Arc::new(Rotation::default())).map_err(|error| other(&error))?;
        let tidying = tidy(files.tallies.clone(), published.clone());
        tokio::spawn(alarm.part("the task that keeps counters").run(tidying));
        let started = admin.map(|(bound, admin)| {
            let node = admin::Node {
                published: published.clone(),
                control: control.clone(),
                journal,
                dns: addresses.clone(),
                store: files.store.clone(),
                limiter: running.limiter().clone(),
                losses: running.losses().clone(),
                tallies: files.tallies.clone(),
                counters: counters.clone(),
                probes,
                lateness: lateness.clone(),
                connections: descriptors.admin,
                alarm: alarm.clone(),
            };
            bound.start(&admin, node)
        });
        let (admin, orders) = started.transpose().map_err(|error| other(&error))?.unzip();
        Ok(Self {
            files,
            running,
            published,
            control,
            control_task,
            latency,
            counters,
            lateness,
            addresses,
            encrypted,
            latest,
            txt,
            notifier,
            admin,
            orders: Orders::new(orders),
        })
    }

    /// The addresses that answer DNS.
    pub(super) fn addresses(&self) -> &[std::net::SocketAddr] {
        &self.addresses
    }

    /// Reloads when asked to, until asked to stop. Then drains. Fails with the part of the node that ended by itself.
    pub(super) async fn run(mut self, signals: Signals, mut ends: Ends) -> Result<(), ServeError> {
        let zones = self.published.load().zones().len();
        info!(addresses = ?self.addresses, zones, "answering");
        let EncryptedAddresses { tls, https, quic } = &self.encrypted;
        if self.encrypted != EncryptedAddresses::default() {
            info!(?tls, ?https, ?quic, "answering encrypted");
        }
        let node = self.latest.world().node.to_string();
        self.notifier.tell(EventKind::Start { node, zones });
        if let Some(admin) = &self.admin {
            info!(addresses = ?admin.addresses(), socket = admin.socket().map(|path| tracing::field::display(path.display())), "admin server listening");
        }
        let failed = loop {
            // A started order is dropped: nobody was told that it is done.
            tokio::select! {
                biased;
                () = signals.stop() => break None,
                end = ends.next() => break Some(end),
                () = self.turn(&signals) => {}
            }
        };
        if let Some(end) = failed {
            error!("{end}; this is a bug of truenorth. The node stops, because its answers would soon be out of date");
        }
        let late = |share| tracing::field::display(Written(self.lateness.quantile(share)));
        let (p50, p99, longest) = (late(0.5), late(0.99), self.lateness.longest());
        info!(probes = self.lateness.count(), late_p50 = p50, late_p99 = p99, late_max = %Written(longest), "stopping");
        self.notifier.tell(EventKind::Stop {});
        self.notifier.catch_up().await;
        let admin = async {
            if let Some(admin) = self.admin {
                admin.stop().await;
            }
        };
        // The state is written to disk while the last queries are answered.
        let kept = async {
            let stopped = tokio::time::timeout(LAST_EVENT, async {
                self.control.tell(Event::Stop).await;
                let _ = (&mut self.control_task).await;
            });
            if stopped.await.is_err() {
                self.control_task.abort();
                warn!("the last changes of health may be lost: control did not hand them over in time");
            }
            let (store, latency) = (self.files.store.clone(), self.latency);
            let close = move || {
                latency.finish();
                store.close();
            };
            // If there is no thread for it, the store is closed when it is dropped.
            let _ = beside(close).await;
        };
        let ((), (), (), ()) = tokio::join!(admin, self.running.stop(), self.notifier.stop(), kept);
        match failed {
            None => Ok(()),
            Some(end) => Err(ServeError::Other(format!("the node ended: {end}"))),
        }
    }

    /// Waits for the next thing to do, and does it.
    async fn turn(&mut self, signals: &Signals) {
        let reason = tokio::select! {
            () = signals.reload() => "signal",
            () = changed(&mut self.files.watch) => "file changed",
            order = self.orders.next() => return self.obey(order).await,
            () = orders::expiry(&self.txt) => return self.expire().await,
        };
        // The faults were already logged.
        let _ = self.reload(reason, false).await;
    }

    /// Reads the configuration again. Fails with the faults that keep the old configuration, or with those that would
    /// stop its being served. A configuration without a zone, while zones are served, is accepted only if
    /// `may_be_empty`: a folder that is not mounted looks like one.
    async fn reload(&mut self, reason: &str, may_be_empty: bool) -> admin::Reloaded {
        let (previous, began) = (self.published.load_full(), Instant::now());
        // Reading and compiling take a while. Probes and answers go on in the meantime.
        let loaded = self.files.load(previous.clone(), &self.txt).await;
        let loaded = loaded.and_then(|loaded| judge_lost(&previous, loaded, may_be_empty));
        let loaded = loaded.map(|loaded| warn_of_hosts(&previous, loaded));
        let faults = loaded.as_ref().map_or_else(|faults| faults, |loaded| &loaded.warnings);
        log_faults(faults);
        let (errors, warnings) = (faults.count(Severity::Error), faults.count(Severity::Warning));
        let taken = loaded.is_ok();
        count_load(&self.counters, began, taken);
        self.notifier.tell(EventKind::Reload { reason: reason.to_owned(), taken, errors, warnings });
        let loaded = loaded.inspect_err(|_| error!(reason, "configuration not reloaded: the old one stays in use"))?;
        if let Some(credentials) = loaded.credentials {
            self.counters.certificate_expires.store(certificate_expires(&credentials).unwrap_or_default(), Relaxed);
            if self.running.show(credentials) {
                info!("certificate replaced");
            }
        }
        if let Some((running, admin)) = self.admin.as_ref().zip(loaded.server.admin.as_ref()) {
            running.admit(admin);
        }
        self.notifier.set_webhooks(loaded.server.webhooks, &loaded.blueprint.world().node);
        let summary = Summary::of(loaded.blueprint.world());
        let (zones, read, built) = (loaded.blueprint.zones().len(), loaded.read, loaded.built);
        info!(reason, zones, read, built, "configuration reloaded");
        self.latest = loaded.blueprint;
        let served = self.control.adopt(self.latest.clone()).await;
        Ok(admin::Loaded { warnings: loaded.warnings, summary, served })
    }
}

/// Counts a configuration that was read.
fn count_load(counters: &NodeCounters, began: Instant, is_good: bool) {
    let now = crate::clock::unix_time();
    counters.loaded_at.store(now, Relaxed);
    counters.is_last_load_bad.store(!is_good, Relaxed);
    if is_good {
        counters.loads.fetch_add(1, Relaxed);
        counters.loaded_well_at.store(now, Relaxed);
        counters.load_times.record(began.elapsed());
    } else {
        counters.failed_loads.fetch_add(1, Relaxed);
    }
}

/// Keeps the counts of replaced configurations as soon as no worker uses them, for as long as the node runs.
async fn tidy(tallies: Arc<Tallies>, published: Arc<ArcSwap<Snapshot>>) {
    loop {
        tokio::time::sleep(TIDY_EVERY).await;
        tallies.tidy(&published.load());
    }
}

/// Waits until files on disk differ from those that were read last.
async fn changed(watch: &mut Option<FileWatch>) {
    match watch {
        Some(watch) => watch.changed().await,
        None => std::future::pending().await,
    }
}
