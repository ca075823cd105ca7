//! `truenorth serve`: wires files, probes, control and sockets together, and keeps them so until it is told to stop.
//!
//! ```text
//!   SIGHUP, a changed file ──► reload ──► Adopt ──► control ──► Publish ──► the snapshot that workers load
//!                                                   ▲     │
//!                                         Outcome ──┘     ├──► Probe ──► monitor
//!                             last run ──► Restore        └──► Keep ──► store
//! ```

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, oneshot};
use tracing::{error, info, warn};

use super::descriptors;
use super::load::{Loaded, Loader};
use super::log_faults;
use super::watch_files::FileWatch;
use crate::answer::Rotation;
use crate::config::{Faults, Listen, Server};
use crate::control::{self, Control, Event, Keep};
use crate::health::{Kept, Outcome, Target};
use crate::monitor::Prober;
use crate::name::Name;
use crate::server::{Bound, EncryptedAddresses, Running};
use crate::snapshot::Snapshot;
use crate::store::{Batch, HEALTH, HealthRecord, SERIALS, Store};
use crate::watch::Lateness;

/// Events that wait for control at most: more than it can be behind by in any test or attack; senders wait then.
const EVENT_QUEUE: usize = 1024;

/// How long control may take to hand over what is to be kept when the node stops; milliseconds, unless it hangs.
const LAST_EVENT: Duration = Duration::from_millis(500);

/// Why serving did not begin.
pub(super) enum StartError {
    /// The configuration has faults.
    Faults(Faults),
    /// Something else, in a sentence.
    Other(String),
}

impl From<Faults> for StartError {
    fn from(faults: Faults) -> Self {
        Self::Faults(faults)
    }
}

/// Serves until a signal says to stop. Exit code 1 if that never began.
pub(super) fn run(path: &Path) -> ExitCode {
    run_to_end(async {
        let node = Node::start(path).await?;
        node.run().await;
        Ok(())
    })
}

/// Runs on all processors what serves until it is told to stop, and tells why if it never began.
pub(super) fn run_to_end(serving: impl Future<Output = Result<(), StartError>>) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| StartError::Other(format!("no runtime for tasks: {error}")));
    match runtime.and_then(|runtime| runtime.block_on(serving)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(StartError::Faults(faults)) => {
            super::print_faults(&faults);
            ExitCode::from(super::BAD)
        }
        Err(StartError::Other(why)) => {
            eprintln!("truenorth: {why}");
            ExitCode::from(super::BAD)
        }
    }
}

/// A node that serves.
pub(super) struct Node {
    files: Files,
    running: Running,
    published: Arc<ArcSwap<Snapshot>>,
    events: mpsc::Sender<Event>,
    control: tokio::task::JoinHandle<()>,
    lateness: Arc<Lateness>,
    addresses: Vec<std::net::SocketAddr>,
    signals: Signals,
    encrypted: EncryptedAddresses,
}

/// What a reload reads from and writes to.
struct Files {
    loader: Loader,
    store: Arc<Store>,
    server: Server,
    watch: FileWatch,
}

impl Node {
    /// Reads everything, binds every socket, probes every target once, and begins to answer.
    pub(super) async fn start(path: &Path) -> Result<Self, StartError> {
        let other = |error: &dyn std::fmt::Display| StartError::Other(error.to_string());
        // First of all: a signal that comes from now on is not lost.
        let signals = Signals::new().map_err(|error| other(&error))?;
        let (files, loaded) = Files::open(path)?;
        log_faults(&loaded.warnings);
        let workers = std::thread::available_parallelism().map_err(|error| other(&error))?;
        let Listen { dns, tls, https, quic } = loaded.server.listen.clone();
        let mut bound = Bound::new(&dns, workers).map_err(|error| other(&error))?;
        if let Some(credentials) = loaded.credentials {
            let encrypted = EncryptedAddresses { tls, https, quic };
            bound = bound.with_encrypted(&encrypted, credentials).map_err(|error| other(&error))?;
        }
        let addresses = bound.addresses();
        let encrypted = bound.encrypted_addresses().map_err(|error| other(&error))?;

        let (events, received) = mpsc::channel(EVENT_QUEUE);
        let (first, first_published) = oneshot::channel();
        let control = Control::new(fastrand::u64(..), descriptors::for_probes());
        let lateness = control.lateness();
        let control = control::run(control, received, prober(), publisher(first), keeper(files.store.clone()));
        let control = tokio::spawn(control);
        let kept = files.store.all(&HEALTH).into_iter().map(|(target, record)| (target, Kept::from(record)));
        events.send(Event::Restore(kept.collect())).await.map_err(|error| other(&error))?;
        events.send(Event::Adopt(loaded.blueprint)).await.map_err(|error| other(&error))?;
        let published = first_published.await.map_err(|error| other(&error))?;
        let running = bound.start(published.clone(), Arc::new(Rotation::default())).map_err(|error| other(&error))?;
        Ok(Self { files, running, published, events, control, lateness, addresses, signals, encrypted })
    }

    /// Where DNS is answered.
    pub(super) fn addresses(&self) -> &[std::net::SocketAddr] {
        &self.addresses
    }

    /// Reloads when asked to, until asked to stop; then drains.
    pub(super) async fn run(mut self) {
        let zones = self.published.load().zones().len();
        info!(addresses = ?self.addresses, zones, "answering");
        let EncryptedAddresses { tls, https, quic } = &self.encrypted;
        if self.encrypted != EncryptedAddresses::default() {
            info!(?tls, ?https, ?quic, "answering encrypted");
        }
        loop {
            let reason = tokio::select! {
                signal = self.signals.next() => match signal {
                    Signal::Reload => "signal",
                    Signal::Stop => break,
                },
                () = self.files.watch.changed() => "file changed",
            };
            self.reload(reason).await;
        }
        let late = |share| tracing::field::debug(self.lateness.quantile(share));
        let (p50, p99, longest) = (late(0.5), late(0.99), self.lateness.longest());
        info!(probes = self.lateness.count(), late_p50 = p50, late_p99 = p99, late_max = ?longest, "stopping");
        // What is kept comes to disk while the last queries are answered.
        let stopped = tokio::time::timeout(LAST_EVENT, async {
            let _ = self.events.send(Event::Stop).await;
            let _ = (&mut self.control).await;
        });
        let ((), stopped) = tokio::join!(self.running.stop(), stopped);
        if stopped.is_err() {
            self.control.abort();
            warn!("the last changes of health may not be kept");
        }
    }

    async fn reload(&mut self, reason: &str) {
        let previous = self.published.load_full();
        // Reading and compiling take a while; probes and answers go on meanwhile.
        match tokio::task::block_in_place(|| self.files.load(Some(&previous))) {
            Ok(loaded) => {
                log_faults(&loaded.warnings);
                if loaded.credentials.is_some_and(|credentials| self.running.show(credentials)) {
                    info!("certificate exchanged");
                }
                info!(reason, zones = loaded.blueprint.world().zones.len(), "configuration reloaded");
                // Control lives as long as the node does.
                let _ = self.events.send(Event::Adopt(loaded.blueprint)).await;
            }
            Err(faults) => {
                log_faults(&faults);
                error!(reason, "configuration not reloaded: the old one goes on");
            }
        }
    }
}

impl Files {
    fn open(path: &Path) -> Result<(Self, Loaded), StartError> {
        let mut loader = Loader::new(path);
        // Where the state folder is stands in the configuration, and the last serials stand in the state folder.
        // What else was loaded is let go at once: big zones need not stand in memory twice.
        let Loaded { server, watched, .. } = loader.load(&|_| None, None)?;
        let store = Store::open(&server.state).map_err(|error| StartError::Other(error.to_string()))?;
        let watch = FileWatch::new(&watched).map_err(|error| StartError::Other(error.to_string()))?;
        let mut files = Self { loader, store: Arc::new(store), server, watch };
        let loaded = files.load(None)?;
        Ok((files, loaded))
    }

    fn load(&mut self, previous: Option<&Snapshot>) -> Result<Loaded, Faults> {
        let store = &self.store;
        let last_serial = |origin: &Name| store.get(&SERIALS, &origin.to_string());
        let loaded = self.loader.load(&last_serial, previous)?;
        if loaded.forbidden.has_errors() {
            return Err(loaded.forbidden);
        }
        self.keep_serials(&loaded);
        let fixed = |server: &Server| (server.state.clone(), server.listen.clone());
        if previous.is_some() && fixed(&loaded.server) != fixed(&self.server) {
            warn!("the state folder and the listening addresses change only with a restart");
        }
        if let Err(error) = self.watch.follow(&loaded.watched) {
            warn!(%error, "changed files are not noticed; send SIGHUP instead");
        }
        Ok(loaded)
    }

    /// A zone that is gone keeps its serial: it may come back.
    fn keep_serials(&self, loaded: &Loaded) {
        let mut serials = Batch::default();
        for zone in &loaded.blueprint.world().zones {
            if let Some(serial) = zone.serial() {
                serials.put(&SERIALS, &zone.origin.to_string(), &serial);
            }
        }
        self.store.write(serials);
    }
}

/// Puts each snapshot in the place of the one before, which it gives back. The place itself is told to `first` with the
/// first snapshot.
fn publisher(first: oneshot::Sender<Arc<ArcSwap<Snapshot>>>) -> impl FnMut(Arc<Snapshot>) -> Option<Arc<Snapshot>> {
    let mut first = Some(first);
    let mut place: Option<Arc<ArcSwap<Snapshot>>> = None;
    move |snapshot| {
        if let Some(place) = &place {
            return Some(place.swap(snapshot));
        }
        let new = place.insert(Arc::new(ArcSwap::new(snapshot)));
        if let Some(first) = first.take() {
            // The start that waits for it may have failed meanwhile.
            let _ = first.send(new.clone());
        }
        None
    }
}

/// Probes a target.
fn prober() -> impl Fn(Arc<Target>) -> Pin<Box<dyn Future<Output = Outcome> + Send>> {
    let prober = Prober::new();
    move |target| {
        let prober = prober.clone();
        Box::pin(async move { prober.probe(&target).await })
    }
}

/// Keeps what control says of targets' health.
fn keeper(store: Arc<Store>) -> impl Fn(Keep) {
    move |rows| {
        let mut batch = Batch::default();
        for (target, kept) in rows {
            match kept.and_then(HealthRecord::new) {
                Some(record) => batch.put(&HEALTH, &target, &record),
                None => batch.delete(&HEALTH, &target),
            }
        }
        store.write(batch);
    }
}

/// What the operator's signals ask for.
enum Signal {
    Reload,
    Stop,
}

struct Signals {
    hangup: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.hangup.recv() => Signal::Reload,
            _ = self.terminate.recv() => Signal::Stop,
            _ = self.interrupt.recv() => Signal::Stop,
        }
    }
}
