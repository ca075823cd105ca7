//! The start of a node: alone, or in the place of a running process.
//!
//! ```text
//!   alone:          files ─► sockets ─► first snapshot ─► workers ─► admin server
//!   as replacement: files ─► the other's sockets and rows ─► files again ─► its last rows ─► first snapshot ─► workers
//!                                                                   from here on the other one drains ─► admin server
//! ```
//!
//! A replacement reads the files twice. The first time may take long, and the running process does not have to wait
//! during that time. The second time, only changed files are read.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::sign::CertifiedKey;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use super::certificates::OwnCertificates;
use super::discovery::Discovery;
use super::files::Files;
use super::notifier::Notifier;
use super::orders::Orders;
use super::parents::Parents;
use super::parts::{keeper, prober, publisher, tidy};
use super::register::Register;
use super::replace::{Waiting, own_path};
use super::roller::Roller;
use super::shared::{Words, words_on_txt};
use super::told::{Lookout, tell_start};
use super::versions::Versions;
use super::{Node, ServeError, beside, fleet, query_log};
use crate::admin::{self, Journal};
use crate::answer::Rotation;
use crate::cli::copies::load_first;
use crate::cli::descriptors::Descriptors;
use crate::cli::kept_latency::KeptLatency;
use crate::cli::load::{Loaded, Loader};
use crate::cli::log::Log;
use crate::cli::privileges::Privileges;
use crate::cli::{log_faults, systemd, version};
use crate::config::{self, Connections, Listen, Server};
use crate::control::{self, Control, DynamicTxt, Event, Handle, OverrideEvent, RolloutEvent};
use crate::handover::{HandoverError, Inherited, Predecessor};
use crate::health::{Kept, RecoveryState};
use crate::report::EventKind;
use crate::server::{AheadBell, Bound, EncryptedAddresses, Running, TcpLimits, ahead_bell};
use crate::snapshot::{Blueprint, Snapshot};
use crate::store::{AGREEMENTS, Copies, HEALTH, LATENCY, OVERRIDES, RECOVERIES, ROLLOUTS, Store};
use crate::vital::{self, Alarm};
use crate::watch::{Lateness, ProbeCounters, ProbeHistory};
use crate::wire::CookieSecret;

/// Maximum time that a replacement waits for the maps of the round trips that it took over.
const MAPS: Duration = Duration::from_secs(2);

/// Interval at which it looks for these maps.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Everything that a node needs to begin.
pub(super) struct Beginning {
    files: Files,
    loaded: Loaded,
    txt: DynamicTxt,
    register: Register,
    inherited: Inherited,
    /// The running process that this one replaces.
    predecessor: Option<Predecessor>,
}

impl Beginning {
    /// Reads everything for a node that replaces no other. `inherited` are the sockets that systemd passed to it.
    pub(super) async fn alone(path: &Path, inherited: Inherited) -> Result<Self, ServeError> {
        let (files, loaded, txt, register) = Files::open(path.to_owned(), Loader::new(path)).await?;
        Ok(Self { files, loaded, txt, register, inherited, predecessor: None })
    }

    /// Reads everything, and gets sockets and rows from the process that holds the state folder. If there is no such
    /// process, does the same as [`alone`](Self::alone). Fails if the configuration has errors, or if the other process
    /// refuses; then the other process goes on.
    pub(super) async fn as_replacement(path: &Path, inherited: Inherited) -> Result<Self, ServeError> {
        let from = path.to_owned();
        let found = beside(move || {
            let early = config::load_early(&from)?;
            let (folder, takes_zones) = (early.state, early.takes_zones);
            let found = Predecessor::find(&folder, version::PROGRAM, systemd::address());
            Ok::<_, ServeError>(found.map_err(|error| not_replaced(&error))?.map(|found| (found, folder, takes_zones)))
        });
        let Some((mut predecessor, folder, takes_zones)) = found.await.map_err(ServeError::Other)?? else {
            info!("there is no running process to replace: starting as usual");
            return Self::alone(path, inherited).await;
        };
        let (process, program) = (predecessor.pid(), predecessor.program());
        info!(process, program, "replacing the running process");
        let from = path.to_owned();
        let prepared = beside(move || {
            let mut loader = Loader::new(&from);
            let copies = takes_zones.then(|| Copies::of(&folder));
            let (checked, ..) = load_first(&mut loader, copies.clone(), &|_| None)?;
            if checked.forbidden.has_errors() {
                return Err(checked.forbidden.into());
            }
            vital::holding_point("checked");
            let (inherited, parcel, rows) = predecessor.prepare().map_err(|error| not_replaced(&error))?;
            let store = Store::of_successor(&folder, parcel.lock, &rows);
            let store = store.ok_or_else(|| not_replaced(&HandoverError::Unexpected))?;
            vital::holding_point("prepared");
            Ok::<_, ServeError>((loader, store, copies, inherited, parcel.secret, predecessor))
        });
        let (loader, store, copies, inherited, secret, predecessor) = prepared.await.map_err(ServeError::Other)??;
        let (files, mut loaded, txt, register) = Files::read(path.to_owned(), loader, store, copies).await?;
        if let Ok(secret) = secret.try_into() {
            let blueprint = Arc::unwrap_or_clone(loaded.blueprint);
            loaded.blueprint = Arc::new(blueprint.with_own_secret(CookieSecret::new(secret)));
        }
        Ok(Self { files, loaded, txt, register, inherited, predecessor: Some(predecessor) })
    }
}

fn not_replaced(error: &HandoverError) -> ServeError {
    ServeError::Other(format!("the running process is not replaced: {error}"))
}

/// Runs a blocking step with the process that this one replaces. Fails if the step fails.
async fn ask<T: Send + 'static>(
    mut predecessor: Predecessor,
    question: impl FnOnce(&mut Predecessor) -> Result<T, HandoverError> + Send + 'static,
) -> Result<(Predecessor, T), ServeError> {
    let asked = beside(move || question(&mut predecessor).map(|answer| (predecessor, answer)));
    asked.await.map_err(ServeError::Other)?.map_err(|error| not_replaced(&error))
}

/// All sockets of a node, bound.
struct Sockets {
    bound: Bound,
    admin: Option<(admin::Bound, config::Admin)>,
    addresses: Vec<SocketAddr>,
    encrypted: EncryptedAddresses,
    /// The limits of descriptors for the parts of the node.
    descriptors: Descriptors,
}

impl Sockets {
    /// Binds every address that has no inherited socket. Fails if an address cannot be bound, or if systemd passed a
    /// socket that no address uses. A process that is replaced may have sockets that are not used any more.
    fn bind(
        server: Server,
        credentials: Option<Arc<CertifiedKey>>,
        inherited: Inherited,
        is_replacement: bool,
    ) -> Result<Self, ServeError> {
        let other = |error: &dyn std::fmt::Display| ServeError::Other(error.to_string());
        let workers = std::thread::available_parallelism().map_err(|error| other(&error))?;
        let Listen { dns, tls, https, quic } = server.listen;
        let mut bound = Bound::inheriting(inherited, &dns, workers).map_err(|error| other(&error))?;
        if let Some(credentials) = credentials {
            let encrypted = EncryptedAddresses { tls, https, quic };
            bound = bound.with_encrypted(&encrypted, credentials).map_err(|error| other(&error))?;
        }
        let addresses = bound.addresses();
        let encrypted = bound.encrypted_addresses().map_err(|error| other(&error))?;
        let mut inherited = bound.take_inherited();
        let admin = server.admin.map(|admin| Ok((admin::Bound::new(&admin, &mut inherited)?, admin))).transpose();
        let admin = admin.map_err(|error: admin::BindError| other(&error))?;
        let left = inherited.left();
        if !is_replacement && !left.is_empty() {
            let left = left.join(", ");
            return Err(ServeError::Other(format!(
                "socket activation: no address of the configuration is that of {left}; the addresses must be written in \
                 the same way"
            )));
        }
        if let Some((admin, _)) = &admin {
            bound = bound.with_admin(admin.listeners().map_err(|error| other(&error))?);
        }
        // All sockets are bound now, so the descriptors that are left can be divided.
        let descriptors = Descriptors::share();
        let bound = bound.with_tcp_limits(tcp_limits(server.connections, descriptors.dns));
        Ok(Self { bound, admin, addresses, encrypted, descriptors })
    }
}

/// Returns the limits of the configuration, as far as there are descriptors.
fn tcp_limits(configured: Connections, descriptors: usize) -> TcpLimits {
    let default = TcpLimits::default();
    let connections = configured.max.unwrap_or(default.connections);
    let limits = TcpLimits {
        connections,
        connections_per_client: configured.per_client.unwrap_or(default.connections_per_client).min(connections),
        idle: configured.idle.unwrap_or(default.idle),
        ..default
    };
    if let Some(wanted) = configured.max
        && wanted > descriptors
    {
        warn!(
            wanted,
            possible = descriptors,
            "the limit of file descriptors leaves clients fewer connections than `max` of `[connections]` says"
        );
    }
    limits.within(descriptors)
}

impl Node {
    /// Reads everything, binds every socket, probes every target once, and begins to answer. `alarm` is called if a
    /// part of the node ends by itself. Fails if the node cannot start.
    pub(in crate::cli) async fn start(path: &Path, log: &Log, alarm: &Alarm) -> Result<Self, ServeError> {
        let beginning = Beginning::alone(path, Inherited::default()).await?;
        Self::begin(beginning, Privileges::unchanged(), log, alarm).await
    }

    /// Binds every socket, probes every target once, and begins to answer. A replacement then takes over from the
    /// running process. Fails if the node cannot start; then a running process goes on.
    pub(super) async fn begin(
        beginning: Beginning,
        privileges: Privileges,
        log: &Log,
        alarm: &Alarm,
    ) -> Result<Self, ServeError> {
        let Beginning { mut files, loaded, txt, mut register, inherited, predecessor } = beginning;
        let other = |error: &dyn std::fmt::Display| ServeError::Other(error.to_string());
        let (program, tallies, counters) = (own_path(), files.tallies.clone(), files.counters.clone());
        log.count_in(&counters);
        log_faults(&loaded.warnings);
        let is_replacement = predecessor.is_some();
        let (server, credentials, admin_tls) = (loaded.server.clone(), loaded.credentials, loaded.admin_tls);
        let certificates = OwnCertificates::new(credentials.as_ref(), admin_tls.as_ref(), &counters);
        let bind = move || Sockets::bind(server, credentials, inherited, is_replacement);
        let sockets = privileges.bind(bind).await.map_err(ServeError::Other)??;
        let Sockets { bound, mut admin, addresses, encrypted, descriptors } = sockets;
        let ((open_quic, gate), (bell, rings)) = (watch::channel(!is_replacement), ahead_bell());
        let bound = bound.with_alarm(alarm.clone()).with_quic_gate(gate).with_counters(tallies.traffic().clone());
        let (query_log, bound) = query_log::start(bound.with_ahead(rings), &files, &loaded.blueprint, is_replacement)?;

        let predecessor = match predecessor {
            Some(predecessor) => Some(take(predecessor, &mut admin, &files, &loaded.blueprint).await?),
            None => None,
        };
        let journal = Arc::new(Journal::new(files.store.clone()));
        let notifier = Notifier::new(journal.clone(), counters.clone(), alarm.part("the task that delivers events"));
        notifier.set_webhooks(loaded.server.webhooks, loaded.blueprint.world());
        let StartedControl { control, control_task, first_published, latency, lateness, probes, history, mut post } =
            start_control(&files, descriptors.probes, Some(bell), &notifier, alarm);
        let taken_over = restore(&control, &files.store, &journal).await;
        let latest = loaded.blueprint;
        let versions = Versions::new(&mut files, post.jobs.clone(), post.opened(), &control).await;
        control.tell(Event::Adopt(latest.clone())).await;
        // A replacement lets the other process speak for this node until it takes over.
        let fleet_task = if is_replacement { None } else { fleet::start(&files, &mut post, false, control.clone()) };
        let published = first_published.await.map_err(|error| other(&error))?;
        let recalled = latency.recall(&control);
        if is_replacement && !files.store.is_empty(&LATENCY) {
            maps_of_round_trips(recalled, &published).await;
        }
        vital::holding_point("taken");
        let running = bound.start(published.clone(), Arc::new(Rotation::default())).map_err(|error| other(&error))?;
        let running = succeed(predecessor, running, open_quic, &mut admin).await?;
        files.store.own();
        let fleet_task = fleet_task.or_else(|| fleet::start(&files, &mut post, false, control.clone()));
        query_log.use_settings(query_log::settings(&files.server, &latest));
        tokio::spawn(alarm.part("the task that keeps counters").run(tidy(&files, published.clone())));
        let started = admin.map(|(bound, admin)| {
            let node = admin::Node {
                published: published.clone(),
                control: control.clone(),
                journal,
                dns: addresses.clone(),
                store: files.store.clone(),
                limiter: running.limiter().clone(),
                losses: running.losses().clone(),
                signatures: running.signatures().clone(),
                tallies,
                counters,
                probes,
                history,
                lateness: lateness.clone(),
                connections: descriptors.admin,
                alarm: alarm.clone(),
            };
            bound.start(&admin, admin_tls.as_ref(), node)
        });
        let (admin, orders) = started.transpose().map_err(|error| other(&error))?.unzip();
        tell_start(&loaded.databases, taken_over, txt.values().len());
        // The start took a while, in which no endpoint could renew its lease.
        register.begin();
        systemd::watch(control.clone(), Some(running.workers()));
        let successors = Waiting::start(&files.server.state).await;
        let resolver = files.resolver.clone();
        let roller = Roller::new(loaded.server.keys, loaded.server.is_roller, &latest);
        Ok(Self {
            files,
            running,
            published,
            control,
            control_task,
            fleet_task,
            latency,
            lateness,
            addresses,
            encrypted,
            external_dns: loaded.server.external_dns.clone(),
            discovery: Discovery::begin(latest.world(), resolver),
            latest,
            txt,
            register,
            notifier,
            certificates,
            lookout: Lookout::new(),
            parents: Parents::new(loaded.server.parents),
            roller,
            admin,
            orders: Orders::new(orders),
            follows: post.follows,
            versions,
            words: Words::default(),
            query_log,
            successors,
            started: std::time::Instant::now(),
            program,
        })
    }
}

/// Takes over from the running process, if there is one. Begins with QUIC as soon as the other process has ended its own
/// connections over QUIC. If the other process does not agree, answers the queries that were read, stops, and fails.
async fn succeed(
    predecessor: Option<Predecessor>,
    running: Running,
    open_quic: watch::Sender<bool>,
    admin: &mut Option<(admin::Bound, config::Admin)>,
) -> Result<Running, ServeError> {
    let Some(predecessor) = predecessor else { return Ok(running) };
    vital::holding_point("answering");
    match ask(predecessor, Predecessor::replace).await {
        Ok((predecessor, ())) => {
            info!(process = predecessor.pid(), "took over from the process that ran before");
            tokio::spawn(async move {
                // If no thread can be started for it, QUIC begins at once.
                let _ = beside(move || predecessor.wait_for_quic()).await;
                open_quic.send_replace(true);
            });
            Ok(running)
        }
        Err(error) => {
            leave(admin);
            running.stop().await;
            Err(error)
        }
    }
}

/// Control and its connections. It runs, but has no configuration yet.
pub(super) struct StartedControl {
    pub(super) control: Handle,
    pub(super) control_task: JoinHandle<()>,
    pub(super) first_published: oneshot::Receiver<Arc<ArcSwap<Snapshot>>>,
    pub(super) latency: KeptLatency,
    lateness: Arc<Lateness>,
    probes: Arc<ProbeCounters>,
    history: Arc<ProbeHistory>,
    /// The way from control to others.
    pub(super) post: fleet::Post,
}

/// Starts control, with this maximum number of simultaneous probes. `bell` rings for each new snapshot; `None` for a node that
/// only observes and answers nothing.
pub(super) fn start_control(
    files: &Files,
    in_flight: usize,
    bell: Option<AheadBell>,
    notifier: &Notifier,
    alarm: &Alarm,
) -> StartedControl {
    let (control, received) = Handle::new();
    let (first, first_published) = oneshot::channel();
    let mut machine = Control::new(fastrand::u64(..), in_flight);
    if let Some(fleet) = &files.server.fleet {
        fleet::join(&mut machine, fleet, bell.is_none(), &files.counters);
    }
    let (posts, post) = fleet::posts(files.counters.clone());
    let (lateness, probes, history) = (machine.lateness(), machine.probe_counters(), machine.probe_history());
    let latency = KeptLatency::new(files.store.clone());
    let (keep, measured) = (keeper(files.store.clone()), latency.clone());
    let keep_latency = move |table, now| measured.keep(table, now);
    let publish = publisher(first, files.tallies.clone(), files.counters.clone(), bell, files.replaced.clone());
    let running = control::run(
        machine,
        received.posting(posts),
        prober(files.resolver.clone()),
        publish,
        keep,
        keep_latency,
        notifier.teller(),
    );
    let control_task = tokio::spawn(alarm.part("control").run(running));
    StartedControl { control, control_task, first_published, latency, lateness, probes, history, post }
}

/// Takes over the last rows of the running process, which pauses now. Fails if the other process goes on instead.
async fn take(
    predecessor: Predecessor,
    admin: &mut Option<(admin::Bound, config::Admin)>,
    files: &Files,
    blueprint: &Blueprint,
) -> Result<Predecessor, ServeError> {
    let taken = ask(predecessor, Predecessor::take).await;
    // If that failed, the other process keeps the file of the admin server's socket.
    let (predecessor, rows) = taken.inspect_err(|_| leave(admin))?;
    files.store.replace(&rows).ok_or_else(|| not_replaced(&HandoverError::Unexpected))?;
    files.keep_serials(blueprint, None);
    Ok(predecessor)
}

/// Leaves the file of the admin server's socket to the process that goes on.
fn leave(admin: &mut Option<(admin::Bound, config::Admin)>) {
    if let Some((bound, _)) = admin.take() {
        bound.leave();
    }
}

/// The amount of state that a node has from an earlier process.
#[derive(Clone, Copy, Debug)]
pub(super) struct TakenOver {
    pub(super) endpoints: usize,
    pub(super) overrides: usize,
    pub(super) rollouts: usize,
}

/// Sends control the state that an earlier process kept.
pub(super) async fn restore(control: &Handle, store: &Store, journal: &Journal) -> TakenOver {
    let kept: std::collections::HashMap<_, _> =
        store.all(&HEALTH).into_iter().map(|(target, record)| (target, Kept::from(record))).collect();
    let endpoints = kept.len();
    control.tell(Event::Restore(kept)).await;
    let agreed = store.all(&AGREEMENTS).into_iter().map(|(target, record)| (target, record.into()));
    control.tell(Event::Recall(agreed.collect())).await;
    let recovery_states = store.all(&RECOVERIES).into_iter().map(|(key, record)| (key, RecoveryState::from(record)));
    control.tell(Event::Resume(recovery_states.collect())).await;
    let history = journal.history(0);
    control.tell(Event::Reported(EventKind::groups_down(history.iter().map(|notice| &notice.kind)))).await;
    let placed: Vec<_> =
        store.all(&OVERRIDES).into_iter().filter_map(|(key, record)| record.into_override(key)).collect();
    let overrides = placed.len();
    control.tell(Event::Override(OverrideEvent::Restore(placed))).await;
    let rolled_out: Vec<_> =
        store.all(&ROLLOUTS).into_iter().filter_map(|(key, record)| record.into_kept(&key)).collect();
    let rollouts = rolled_out.len();
    control.tell(Event::Rollout(RolloutEvent::Restore(rolled_out))).await;
    control.tell(Event::RestoreLedger(store.ledger())).await;
    control.tell(Event::Remind(words_on_txt(store))).await;
    TakenOver { endpoints, overrides, rollouts }
}

/// Waits until answers use the round trips that were taken over, but not longer than [`MAPS`].
async fn maps_of_round_trips(recalled: JoinHandle<()>, published: &ArcSwap<Snapshot>) {
    // The task ends when the round trips are read.
    let _ = recalled.await;
    let deadline = Instant::now() + MAPS;
    let is_made = || published.load().client_rtts().is_none_or(|client_rtts| !client_rtts.table().is_empty());
    while !is_made() && Instant::now() < deadline {
        sleep(LOOK_EVERY).await;
    }
}
