//! `truenorth serve`: connects files, probes, control and sockets, and runs them until it is stopped.
//!
//! ```text
//!   SIGHUP, a changed file, an order ──► reload ──► Adopt ──► control ──► Publish ──► the snapshot that workers load
//!   a version of the zones, fetched ───►  ▲
//!   a TXT record, its end ─────────────► amend ───► Amend ──►  ▲   │
//!   the time of a key ─────────────────► follow ──► Amend ──►  ▲   │
//!   a lease, its end ──► register ─ batched ──────► Register ► ▲   │
//!                                                    Outcome ──┘   ├──► Probe ──► monitor
//!                                       last run ──► Restore       └──► Keep ──► store
//! ```
//!
//! One loop makes all changes of the configuration, one after the other, so that each is based on the one before.

mod certificates;
mod discovery;
mod external_dns;
mod files;
mod fleet;
mod keys;
mod notifier;
mod observe;
mod orders;
mod parents;
mod parts;
mod push;
mod query_log;
mod register;
mod reload;
mod replace;
mod roller;
mod serials;
mod shared;
mod signals;
mod start;
mod told;
mod versions;

use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::sync::oneshot;
use tracing::{error, info, warn};

use super::kept_latency::KeptLatency;
use super::log::{Log, log_to_stderr};
use super::privileges::Privileges;
use super::{output, systemd, version};
use crate::admin;
use crate::config::{self, Faults, LogFormat, LogSettings};
use crate::control::{DynamicTxt, Event, Handle};
use crate::duration::Written;
use crate::handover::Inherited;
use crate::querylog::QueryLog;
use crate::report::EventKind;
use crate::server::{EncryptedAddresses, Running};
use crate::snapshot::{Blueprint, Snapshot};
use crate::vital::{self, End, Ends};
use crate::watch::Lateness;
use certificates::OwnCertificates;
use discovery::Discovery;
use files::Files;
use notifier::Notifier;
pub(super) use observe::run as observe;
use orders::Orders;
use parents::Parents;
use register::Register;
use replace::{HandedOver, Ready, Waiting};
use roller::Roller;
pub(super) use signals::Signals;
use start::Beginning;
use told::Lookout;
use versions::Versions;

/// Maximum time for control to hand over its last changes when the node stops. It takes milliseconds unless control
/// hangs.
const LAST_EVENT: Duration = Duration::from_millis(500);

/// The reason why the node did not start, or ended by itself.
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

/// Serves until a signal says to stop, or another process takes over. Returns exit code 1 if serving never began, or
/// ended by itself. With `replaces` it takes over from the running process, if there is one. `format` is the form of
/// log lines, instead of that of the server file.
pub(super) fn run(path: &Path, replaces: bool, format: Option<LogFormat>) -> ExitCode {
    if replaces && let Some(code) = replace::orphan() {
        return code;
    }
    // This removes environment variables, which is safe only as long as there are no other threads.
    let inherited = match Inherited::from_systemd() {
        Ok(inherited) => inherited,
        Err(error) => {
            output::complain(format_args!("truenorth: {error}"));
            return ExitCode::from(super::BAD);
        }
    };
    let privileges = match Privileges::settle(path) {
        Ok(privileges) => privileges,
        Err(why) => {
            output::complain(format_args!("truenorth: {why}"));
            return ExitCode::from(super::BAD);
        }
    };
    run_to_end(|log, signals| async move {
        begin_log(path, format, &log)?;
        info!(version = version::VERSION, config = %path.display(), "starting");
        privileges.tell();
        let (alarm, ends) = vital::alarm();
        let start = async {
            let beginning = if replaces {
                Beginning::as_replacement(path, inherited).await
            } else {
                Beginning::alone(path, inherited).await
            };
            Node::begin(beginning?, privileges, &log, &alarm).await
        };
        // Until the node answers, it can be stopped at once.
        let node = tokio::select! {
            () = signals.stop() => return Ok(()),
            node = start => node?,
        };
        node.run(signals, ends).await
    })
}

/// Begins to log to standard error, in this form or in that of the server file.
fn begin_log(path: &Path, format: Option<LogFormat>, log: &Log) -> Result<(), ServeError> {
    // If the file has faults, they are reported later, together with all others.
    let settings = config::load_early(path).map(|early| early.log).unwrap_or_default();
    let settings = LogSettings { format: format.unwrap_or(settings.format), ..settings };
    log_to_stderr(log, &settings).map_err(ServeError::Other)
}

/// Runs `serves` on all processors until it is told to stop. If it never began or ended by itself, prints the reason to
/// standard error, as the log does.
pub(super) fn run_to_end<F: Future<Output = Result<(), ServeError>>>(
    serve: impl FnOnce(Log, Signals) -> F,
) -> ExitCode {
    let workers = thread::available_parallelism();
    run_with_threads(workers, serve)
}

/// Does the same on this number of threads.
fn run_with_threads<F: Future<Output = Result<(), ServeError>>>(
    workers: io::Result<NonZeroUsize>,
    serve: impl FnOnce(Log, Signals) -> F,
) -> ExitCode {
    let log = match Log::start(std::io::stderr()) {
        Ok(log) => log,
        Err(error) => {
            super::output::complain(format_args!("truenorth: cannot start the thread of the log: {error}"));
            return ExitCode::from(super::BAD);
        }
    };
    let code = match serve_with(workers, &log, serve) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let text = match error {
                ServeError::Faults(faults) => super::draw_faults(&faults),
                ServeError::Other(why) => format!("truenorth: {why}"),
            };
            log.write_all(&format!("{text}\n"));
            ExitCode::from(super::BAD)
        }
    };
    log.finish();
    code
}

fn serve_with<F: Future<Output = Result<(), ServeError>>>(
    workers: io::Result<NonZeroUsize>,
    log: &Log,
    serve: impl FnOnce(Log, Signals) -> F,
) -> Result<(), ServeError> {
    let other = |what: &str, error: &dyn std::fmt::Display| ServeError::Other(format!("{what}: {error}"));
    // This is the first step, so that no later signal is lost.
    let signals = Signals::handle(log.clone()).map_err(|error| other("cannot handle signals", &error))?;
    let workers = workers.map_err(|error| other("cannot count the processors", &error))?;
    try_threads(2 * workers.get()).map_err(|error| other("the system does not allow enough threads", &error))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(workers.get()).enable_all().build();
    let runtime = runtime.map_err(|error| other("cannot start the runtime for tasks", &error))?;
    let result = runtime.block_on(serve(log.clone(), signals));
    // Does not wait for tasks that hang, such as the look-up of a webhook's host name.
    runtime.shutdown_background();
    result
}

/// Fails if the system cannot start this number of threads now. If tokio cannot start a thread, it panics and then
/// hangs for ever, so this is tested before. The caller tests twice the number that tokio needs: the node needs further
/// threads, and the system may count the threads of this test for a moment longer.
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
    // One type for all work, so that the start of a thread is compiled once.
    let work: Box<dyn FnOnce() + Send> = Box::new(move || {
        // If the node stops, nobody waits for the result any more.
        let _ = done.send(work());
    });
    let spawned = thread::Builder::new().name("files".to_owned()).spawn(work);
    spawned.map_err(|error| format!("cannot start a thread: {error}"))?;
    result.await.map_err(|_| "the thread that does the work panicked".to_owned())
}

/// A node that serves.
pub(super) struct Node {
    files: Files,
    running: Running,
    published: Arc<ArcSwap<Snapshot>>,
    control: Handle,
    control_task: tokio::task::JoinHandle<()>,
    /// Talks to the fleet; ends after control.
    fleet_task: Option<tokio::task::JoinHandle<()>>,
    /// The storage of measured round trips.
    latency: KeptLatency,
    lateness: Arc<Lateness>,
    addresses: Vec<std::net::SocketAddr>,
    encrypted: EncryptedAddresses,
    /// The last adopted configuration, with the TXT records that are set.
    latest: Arc<Blueprint>,
    txt: DynamicTxt,
    register: Register,
    discovery: Discovery,
    /// The zones that external-dns keeps records in.
    external_dns: Option<config::ExternalDns>,
    notifier: Notifier,
    certificates: OwnCertificates,
    lookout: Lookout,
    parents: Parents,
    roller: Roller,
    admin: Option<admin::Running>,
    orders: Orders,
    /// The fleet's orders about TXT records and leases.
    follows: fleet::Follows,
    /// The versions of the zones, if this node takes them from its fleet.
    versions: Option<Box<Versions>>,
    words: shared::Words,
    query_log: QueryLog,
    successors: Waiting,
    started: Instant,
    /// The path of this program. After an upgrade, it is the path of the new program.
    program: Option<PathBuf>,
}

/// The reason why a node ends: a request, a part that ended by itself, or a process that replaced it.
enum Ending {
    Asked,
    Failed(End),
    Replaced(Box<HandedOver>),
}

impl Node {
    /// Returns the addresses that answer DNS.
    pub(super) fn addresses(&self) -> &[std::net::SocketAddr] {
        &self.addresses
    }

    /// Returns the addresses of the admin server.
    pub(super) fn admin_addresses(&self) -> &[std::net::SocketAddr] {
        self.admin.as_ref().map_or(&[], |admin| admin.addresses())
    }

    /// Reloads and executes orders until it is told to stop. Then completes the queries and requests in progress. Fails
    /// with the name of a part of the node that ended by itself.
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
        systemd::ready(&self.status());
        let ending = loop {
            // An order in progress is dropped when the node stops. Its sender has not been told that it was executed.
            let ready = tokio::select! {
                biased;
                () = signals.stop() => break Ending::Asked,
                end = ends.next() => break Ending::Failed(end),
                ready = self.turn(&signals) => ready,
            };
            // This step is not interrupted, so that either this process or the other one owns everything.
            if let Some(ready) = ready
                && let Some(handed_over) = self.hand_over(ready).await
            {
                break Ending::Replaced(Box::new(handed_over));
            }
        };
        let failed = match ending {
            Ending::Asked => None,
            Ending::Failed(end) => Some(end),
            Ending::Replaced(handed_over) => {
                tokio::select! {
                    () = signals.stop() => {}
                    () = self.retire(*handed_over) => {}
                }
                return Ok(());
            }
        };
        systemd::stopping();
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
                warn!("the last changes of endpoint states may be lost: control did not hand them over in time");
            }
            fleet::finish(self.fleet_task).await;
            self.register.keep(&self.files.store, true);
            let (store, latency) = (self.files.store.clone(), self.latency);
            let close = move || {
                latency.finish();
                store.close();
            };
            // If no thread can be started for it, the store is closed when it is dropped.
            let _ = beside(close).await;
        };
        let ((), (), (), ()) = tokio::join!(admin, self.running.stop(), self.notifier.stop(), kept);
        query_log::finish(self.query_log).await;
        match failed {
            None => Ok(()),
            Some(end) => Err(ServeError::Other(format!("the node ended: {end}"))),
        }
    }

    /// Waits for the next thing to do, and does it. Returns the process that is ready to replace this one, if there is
    /// one.
    async fn turn(&mut self, signals: &Signals) -> Option<Ready> {
        let reason = tokio::select! {
            () = signals.reload() => "signal",
            () = self.files.changed() => "file changed",
            () = self.parents.recorded() => "DS record seen",
            () = self.roller.begun() => "roll-over begun",
            successor = self.successors.next() => return self.prepare_hand_over(successor).await,
            () = signals.replace() => {
                self.start_successor();
                return None;
            }
            () = signals.summary() => {
                self.tell_summary().await;
                return None;
            }
            () = self.lookout.next() => {
                self.look_around();
                self.follow_keys().await;
                self.ask_parents();
                self.begin_roll_overs();
                return None;
            }
            order = self.orders.next() => {
                self.obey(order).await;
                return None;
            }
            follows = shared::next(&mut self.follows) => {
                self.follow(follows).await;
                return None;
            }
            arrival = versions::next(&mut self.versions) => {
                Box::pin(self.take_in_version(arrival)).await;
                return None;
            }
            () = orders::expiry(&self.txt) => {
                self.expire().await;
                return None;
            }
            () = self.register.due() => {
                self.advance_leases().await;
                return None;
            }
            found = self.discovery.next() => {
                self.take_in_found(found).await;
                return None;
            }
        };
        // The faults were already logged.
        let _ = self.reload(reason, false).await;
        self.try_version_again();
        None
    }

    /// Returns the line that `systemctl status` shows.
    fn status(&self) -> String {
        let zones = self.latest.zones().len();
        format!("{}, answering, {zones} zone{}", version::PROGRAM, if zones == 1 { "" } else { "s" })
    }
}
