//! `truenorth serve`: wires files, probes, control and sockets together, and keeps them so until it is told to stop.
//!
//! ```text
//!   SIGHUP, a changed file, an order ──► reload ──► Adopt ──► control ──► Publish ──► the snapshot that workers load
//!   a TXT record, its end ─────────────► amend ───► Amend ──►  ▲   │
//!                                                    Outcome ──┘   ├──► Probe ──► monitor
//!                                       last run ──► Restore       └──► Keep ──► store
//! ```
//!
//! Configurations are made in one loop, one after another, so that none is made of what is no longer the last one.

mod herald;
mod orders;

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::oneshot;
use tracing::{error, info, warn};

use super::descriptors::Descriptors;
use super::kept_latency::KeptLatency;
use super::load::{Loaded, Loader};
use super::log_faults;
use super::watch_files::FileWatch;
use crate::admin::{self, Journal};
use crate::answer::Rotation;
use crate::config::{Faults, Listen, Server, Severity};
use crate::control::{self, Control, DynamicTxt, Event, Handle, Keep, OverrideEvent, RolloutEvent};
use crate::health::{Comeback, Kept, Outcome, Target};
use crate::monitor::Prober;
use crate::name::Name;
use crate::overrides::{Change, Happening};
use crate::report::{News, Summary};
use crate::rollout;
use crate::server::{Bound, EncryptedAddresses, Running, TcpLimits};
use crate::snapshot::{Blueprint, Snapshot};
use crate::store::{
    Batch, COMEBACKS, HEALTH, HealthRecord, OVERRIDES, OverrideRecord, ROLLOUTS, RolloutRecord, SERIALS, Store,
};
use crate::watch::Lateness;
use herald::Herald;
use orders::Orders;

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
    control: Handle,
    control_task: tokio::task::JoinHandle<()>,
    lateness: Arc<Lateness>,
    addresses: Vec<std::net::SocketAddr>,
    signals: Signals,
    encrypted: EncryptedAddresses,
    /// The configuration adopted last, with the TXT records that are set.
    latest: Arc<Blueprint>,
    txt: DynamicTxt,
    herald: Herald,
    admin: Option<admin::Running>,
    orders: Orders,
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
        let (files, loaded, txt) = Files::open(path)?;
        log_faults(&loaded.warnings);
        if let Some(notice) = Summary::of(loaded.blueprint.world()).notice() {
            warn!("{notice}");
        }
        let workers = std::thread::available_parallelism().map_err(|error| other(&error))?;
        let Listen { dns, tls, https, quic } = loaded.server.listen.clone();
        let mut bound = Bound::new(&dns, workers).map_err(|error| other(&error))?;
        if let Some(credentials) = loaded.credentials {
            let encrypted = EncryptedAddresses { tls, https, quic };
            bound = bound.with_encrypted(&encrypted, credentials).map_err(|error| other(&error))?;
        }
        let addresses = bound.addresses();
        let encrypted = bound.encrypted_addresses().map_err(|error| other(&error))?;
        let admin = loaded.server.admin;
        let admin = admin.map(|admin| Ok((admin::Bound::new(&admin)?, admin))).transpose();
        let admin = admin.map_err(|error: admin::BindError| other(&error))?;
        // All sockets that are listened on are there: what is left is shared out.
        let descriptors = Descriptors::share();
        let bound = bound.with_tcp_limits(TcpLimits::default().within(descriptors.dns));

        let journal = Arc::new(Journal::new());
        let herald = Herald::new(journal.clone());
        herald.set_webhooks(loaded.server.webhooks, &loaded.blueprint.world().node);
        let (control, received) = Handle::new();
        let (first, first_published) = oneshot::channel();
        let machine = Control::new(fastrand::u64(..), descriptors.probes);
        let lateness = machine.lateness();
        let latency = KeptLatency::new(files.store.clone());
        let (keep, measured) = (keeper(files.store.clone()), latency.clone());
        let keep_latency = move |table, now| measured.keep(table, now);
        let running = control::run(machine, received, prober(), publisher(first), keep, keep_latency, herald.teller());
        let control_task = tokio::spawn(running);
        let kept = files.store.all(&HEALTH).into_iter().map(|(target, record)| (target, Kept::from(record)));
        control.tell(Event::Restore(kept.collect())).await;
        let comebacks = files.store.all(&COMEBACKS).into_iter().map(|(key, record)| (key, Comeback::from(record)));
        control.tell(Event::Resume(comebacks.collect())).await;
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
        let started = admin.map(|(bound, admin)| {
            let (published, control) = (published.clone(), control.clone());
            let (dns, store) = (addresses.clone(), files.store.clone());
            let connections = descriptors.admin;
            let (seats, dropped) = (running.seats().clone(), running.dropped().clone());
            let node = admin::Node { published, control, journal, dns, store, seats, dropped, connections };
            bound.start(&admin, node)
        });
        let (admin, orders) = started.transpose().map_err(|error| other(&error))?.unzip();
        Ok(Self {
            files,
            running,
            published,
            control,
            control_task,
            lateness,
            addresses,
            signals,
            encrypted,
            latest,
            txt,
            herald,
            admin,
            orders: Orders::new(orders),
        })
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
        let node = self.latest.world().node.to_string();
        self.herald.tell(News::Start { node, zones });
        if let Some(admin) = &self.admin {
            info!(addresses = ?admin.addresses(), socket = admin.socket().map(|path| tracing::field::display(path.display())), "admin server listening");
        }
        loop {
            let reason = tokio::select! {
                signal = self.signals.next() => match signal {
                    Signal::Reload => "signal",
                    Signal::Stop => break,
                },
                () = self.files.watch.changed() => "file changed",
                order = self.orders.next() => {
                    self.obey(order).await;
                    continue;
                }
                () = orders::expiry(&self.txt) => {
                    self.expire().await;
                    continue;
                }
            };
            // What is wrong was told.
            let _ = self.reload(reason).await;
        }
        let late = |share| tracing::field::debug(self.lateness.quantile(share));
        let (p50, p99, longest) = (late(0.5), late(0.99), self.lateness.longest());
        info!(probes = self.lateness.count(), late_p50 = p50, late_p99 = p99, late_max = ?longest, "stopping");
        self.herald.tell(News::Stop {});
        self.herald.catch_up().await;
        let admin = async {
            if let Some(admin) = self.admin {
                admin.stop().await;
            }
        };
        // What is kept comes to disk while the last queries are answered.
        let stopped = tokio::time::timeout(LAST_EVENT, async {
            self.control.tell(Event::Stop).await;
            let _ = (&mut self.control_task).await;
        });
        let ((), (), (), stopped) = tokio::join!(admin, self.running.stop(), self.herald.stop(), stopped);
        if stopped.is_err() {
            self.control_task.abort();
            warn!("the last changes of health may not be kept");
        }
    }

    /// The faults that keep the old configuration, or what is about to be served.
    async fn reload(&mut self, reason: &str) -> admin::Reloaded {
        let previous = self.published.load_full();
        // Reading and compiling take a while; probes and answers go on meanwhile.
        let loaded = tokio::task::block_in_place(|| self.files.load(Some(&previous), &self.txt));
        let faults = loaded.as_ref().map_or_else(|faults| faults, |loaded| &loaded.warnings);
        log_faults(faults);
        let (errors, warnings) = (faults.count(Severity::Error), faults.count(Severity::Warning));
        let taken = loaded.is_ok();
        self.herald.tell(News::Reload { reason: reason.to_owned(), taken, errors, warnings });
        let loaded = loaded.inspect_err(|_| error!(reason, "configuration not reloaded: the old one goes on"))?;
        if loaded.credentials.is_some_and(|credentials| self.running.show(credentials)) {
            info!("certificate exchanged");
        }
        if let Some((running, admin)) = self.admin.as_ref().zip(loaded.server.admin.as_ref()) {
            running.admit(admin);
        }
        self.herald.set_webhooks(loaded.server.webhooks, &loaded.blueprint.world().node);
        let summary = Summary::of(loaded.blueprint.world());
        info!(reason, zones = loaded.blueprint.zones().len(), "configuration reloaded");
        self.latest = loaded.blueprint;
        let served = self.control.adopt(self.latest.clone()).await;
        Ok(admin::Loaded { warnings: loaded.warnings, summary, served })
    }
}

impl Files {
    fn open(path: &Path) -> Result<(Self, Loaded, DynamicTxt), StartError> {
        let mut loader = Loader::new(path);
        // Where the state folder is stands in the configuration, and the last serials stand in the state folder.
        // What else was loaded is let go at once: big zones need not stand in memory twice.
        let Loaded { server, watched, .. } = loader.load(&|_| None, None)?;
        let store = Store::open(&server.state).map_err(|error| StartError::Other(error.to_string()))?;
        let watch = FileWatch::new(&watched).map_err(|error| StartError::Other(error.to_string()))?;
        let mut files = Self { loader, store: Arc::new(store), server, watch };
        let txt = files.kept_txt();
        let loaded = files.load(None, &txt)?;
        Ok((files, loaded, txt))
    }

    /// Reads everything; the TXT records that are set are part of it.
    fn load(&mut self, previous: Option<&Snapshot>, txt: &DynamicTxt) -> Result<Loaded, Faults> {
        let store = &self.store;
        let last_serial = |origin: &Name| store.get(&SERIALS, &origin.to_string());
        let mut loaded = self.loader.load(&last_serial, previous)?;
        if loaded.forbidden.has_errors() {
            return Err(loaded.forbidden);
        }
        let (blueprint, left_out) = txt.apply(&loaded.blueprint);
        loaded.blueprint = Arc::new(blueprint);
        for (name, why) in left_out {
            warn!(%name, %why, "TXT records that were set are left out");
        }
        let mut serials = Batch::default();
        put_serials(&loaded.blueprint, &mut serials);
        self.store.write(serials);
        let admin = |server: &Server| server.admin.as_ref().map(|admin| (admin.listen.clone(), admin.socket.clone()));
        let fixed = |server: &Server| (server.state.clone(), server.listen.clone(), admin(server));
        if previous.is_some() && fixed(&loaded.server) != fixed(&self.server) {
            warn!("the state folder and the listening addresses change only with a restart");
        }
        if let Err(error) = self.watch.follow(&loaded.watched) {
            warn!(%error, "changed files are not noticed; send SIGHUP instead");
        }
        Ok(loaded)
    }
}

/// Puts the serials of all zones into a batch. A zone that is gone keeps its serial: it may come back.
fn put_serials(blueprint: &Blueprint, batch: &mut Batch) {
    for served in blueprint.zones() {
        batch.put(&SERIALS, &served.zone.apex().to_string(), &served.serial());
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

/// Keeps what control says: all of one event in one batch.
fn keeper(store: Arc<Store>) -> impl Fn(Keep) {
    move |Keep { health, comebacks, overrides, rollouts }| {
        let mut batch = Batch::default();
        for change in &overrides {
            put_override(change, &mut batch);
        }
        put_rollouts(&rollouts, &mut batch);
        for (target, kept) in health {
            match kept.and_then(HealthRecord::new) {
                Some(record) => batch.put(&HEALTH, &target, &record),
                None => batch.delete(&HEALTH, &target),
            }
        }
        for (key, comeback) in comebacks {
            match comeback {
                Some(comeback) => batch.put(&COMEBACKS, &key, &comeback.into()),
                None => batch.delete(&COMEBACKS, &key),
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
