//! The files of a node: read at the start, watched for changes, and read again.

use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;
use std::{ptr, thread};

use tokio::sync::Notify;
use tracing::warn;

use super::super::copies::{Begun, load_first};
use super::super::load::{Loaded, Loader};
use super::super::watch_files::FileWatch;
use super::orders::kept_txt;
use super::register::Register;
use super::serials::{last_served, put_serials};
use super::{ServeError, beside};
use crate::clock::unix_time;
use crate::config::{self, Code, Fault, Faults, Server, Severity, Watching, ZonesCopy};
use crate::control::DynamicTxt;
use crate::counters::{NodeCounters, Traffic};
use crate::disk::{Disk, Reads};
use crate::dnssec::ZoneKeys;
use crate::name::Name;
use crate::report::{Summary, Tallies};
use crate::resolver::Resolver;
use crate::snapshot::{Blueprint, HostChange, Snapshot};
use crate::store::{Batch, Copies, Store};

/// Maximum number of lost zones that a message names. It counts the others.
const MOST_LOST: usize = 20;

/// The inputs and outputs of a reload.
pub(super) struct Files {
    pub(super) path: PathBuf,
    /// `None` while a thread is reading with it.
    pub(super) loader: Option<Loader>,
    pub(super) store: Arc<Store>,
    pub(super) server: Server,
    /// `None` if the system had no thread or descriptor for it. That was logged.
    pub(super) watch: Option<FileWatch>,
    /// The counters of queries and answers.
    pub(super) tallies: Arc<Tallies>,
    /// Tells that the counters of a configuration were replaced.
    pub(super) replaced: Arc<Notify>,
    /// Facts about the node.
    pub(super) counters: Arc<NodeCounters>,
    /// Looks up hosts.
    pub(super) resolver: Resolver,
    /// The version of the zones that is read in place of the files of the zones folder.
    pub(super) copy: Option<ZonesCopy>,
    /// The version that the node began with, until somebody takes it; `None` if it takes none from a fleet.
    pub(super) begun: Option<Begun>,
    /// The folder of keys.
    pub(super) keys: PathBuf,
    /// The keys of zones whose files changed, if everything was read and had errors.
    pub(super) changed_keys: Vec<ZoneKeys>,
    /// The last log message about probed addresses that are reserved for documentation.
    pub(super) noticed: Option<String>,
}

impl Files {
    /// Reads everything with this loader, after it opened the state folder.
    pub(super) async fn open(
        path: PathBuf,
        mut loader: Loader,
    ) -> Result<(Self, Loaded, DynamicTxt, Register), ServeError> {
        let from = path.clone();
        let opened = beside(move || {
            let other = |error: &dyn std::fmt::Display| ServeError::Other(error.to_string());
            // The last serials of the zones are in the state folder, and the server file names that folder. So the
            // folder is opened first, and the zones are read only once.
            let (state, copies) = match config::load_early(&from) {
                Ok(early) => (early.state.clone(), early.takes_zones.then(|| Copies::of(&early.state))),
                // Reads everything, so that all other faults are reported together with this one.
                Err(faults) => return Err(loader.load(&Disk::new(), &|_| None, None).err().unwrap_or(faults).into()),
            };
            let store = Store::open(&state).map_err(|error| other(&error))?;
            Ok::<_, ServeError>((loader, store, copies))
        });
        let (loader, store, copies) = opened.await.map_err(|why| ServeError::Other(unread(&why)))??;
        Self::read(path, loader, store, copies).await
    }

    /// Reads everything, with the last serials, the TXT records and the leases of the state folder. With `copies` the zones are
    /// those of the version that was served last.
    pub(super) async fn read(
        path: PathBuf,
        mut loader: Loader,
        store: Store,
        copies: Option<Copies>,
    ) -> Result<(Self, Loaded, DynamicTxt, Register), ServeError> {
        let counters = Arc::new(NodeCounters::default());
        let (store, began) = (Arc::new(store), Instant::now());
        let served = store.clone();
        let read = beside(move || {
            let (loaded, reads, begun) = load_first(&mut loader, copies, &last_served(&served))?;
            Ok::<_, Faults>((loader, loaded, reads, begun))
        });
        let (loader, loaded, reads, begun) = read.await.map_err(|why| ServeError::Other(unread(&why)))??;
        count_load(&counters, began, true);
        let watch = FileWatch::start().inspect_err(|error| {
            warn!(%error, "the node does not notice changed files: send SIGHUP, or run `truenorth reload`");
        });
        let server = loaded.server.clone();
        let workers = thread::available_parallelism().map_or(1, NonZeroUsize::get) * server.listen.dns.len();
        let tallies = Arc::new(Tallies::new(Arc::new(Traffic::new(workers))));
        let resolver = Resolver::default();
        resolver.ask_servers(&server.resolvers);
        let (loader, watch) = (Some(loader), watch.ok());
        let keys = server.keys.clone();
        let mut files = Self {
            path,
            loader,
            store,
            server,
            watch,
            tallies,
            replaced: Arc::default(),
            counters,
            resolver,
            copy: None,
            begun,
            keys,
            changed_keys: Vec::new(),
            noticed: None,
        };
        files.follow(reads, loaded.server.watching);
        let (txt, mut register) = (kept_txt(&files.store), Register::restore(&files.store));
        let loaded = files.adopt(loaded, None, &txt, &mut register)?;
        Ok((files, loaded, txt, register))
    }

    /// Reads everything again, and adds the TXT records and the registered endpoints. `previous` is served now, and `latest` is the
    /// configuration whose serials are stored.
    pub(super) async fn load(
        &mut self,
        previous: Arc<Snapshot>,
        latest: &Blueprint,
        txt: &DynamicTxt,
        register: &mut Register,
    ) -> Result<Loaded, Faults> {
        let store = self.store.clone();
        // If a thread panicked and the loader was lost with it, a new one only has to read more.
        let mut loader = self.loader.take().unwrap_or_else(|| Loader::new(&self.path));
        loader.use_copy(self.copy.clone());
        let keys = self.keys.clone();
        let read = beside(move || {
            let disk = Disk::new();
            let loaded = loader.load(&disk, &last_served(&store), Some(&*previous));
            let mut changed_keys = Vec::new();
            if loaded.is_err() {
                let of_zones: Vec<_> = previous.zones().iter().filter_map(|served| served.keys.clone()).collect();
                if !of_zones.is_empty() {
                    changed_keys = config::read_changed(&keys, &of_zones, &disk, unix_time());
                }
            }
            (loader, loaded, changed_keys, disk.into_reads())
        });
        let (loader, loaded, changed_keys, reads) =
            read.await.map_err(|why| Faults(vec![Fault::without_place(unread(&why)).code(Code::File)]))?;
        (self.loader, self.changed_keys) = (Some(loader), changed_keys);
        // The files are watched even if they have faults, so that the next change is noticed.
        let watching = loaded.as_ref().map_or(self.server.watching, |loaded| loaded.server.watching);
        self.follow(reads, watching);
        self.adopt(loaded?, Some(latest), txt, register)
    }

    /// Waits until files on disk differ from those that were read last.
    pub(super) async fn changed(&mut self) {
        match &mut self.watch {
            Some(watch) => watch.changed().await,
            None => std::future::pending().await,
        }
    }

    /// Watches these files for changes from now on.
    pub(super) fn follow(&mut self, reads: Reads, watching: Watching) {
        self.server.watching = watching;
        if let Some(watch) = &mut self.watch {
            watch.follow(reads, watching);
        }
    }

    /// Prepares a configuration that was read to be served, with the TXT records that are set and the registered
    /// endpoints. Logs which changes need a restart. Fails if this process is not permitted to do what the configuration
    /// needs.
    pub(super) fn adopt(
        &mut self,
        mut loaded: Loaded,
        latest: Option<&Blueprint>,
        txt: &DynamicTxt,
        register: &mut Register,
    ) -> Result<Loaded, Faults> {
        if loaded.forbidden.has_errors() {
            return Err(loaded.forbidden);
        }
        let summary = Summary::of(loaded.blueprint.world());
        let notice = summary.notice();
        if let Some(notice) = notice.as_ref().filter(|_| notice != self.noticed) {
            warn!("{notice}");
        }
        self.noticed = notice;
        let (blueprint, left_out) = txt.apply(&loaded.blueprint);
        let blueprint = register.adopt(blueprint);
        loaded.summary = ptr::eq(blueprint.world(), loaded.blueprint.world()).then(|| Box::new(summary));
        loaded.blueprint = Arc::new(blueprint.counted(self.tallies.traffic()));
        for (name, why) in left_out {
            warn!(%name, %why, "TXT records that were set cannot be served by the new configuration and are left out");
        }
        self.keep_serials(&loaded.blueprint, latest);
        self.keys.clone_from(&loaded.server.keys);
        let admin = |server: &Server| server.admin.as_ref().map(|admin| (admin.listen.clone(), admin.socket.clone()));
        let bound = |server: &Server| (server.listen.clone(), server.connections, admin(server));
        if bound(&loaded.server) != bound(&self.server) {
            warn!(
                "changes of the listening addresses and of `[connections]` take effect only when the process is replaced or restarted"
            );
        }
        let fixed = |server: &Server| (server.state.clone(), server.process.clone());
        if fixed(&loaded.server) != fixed(&self.server) {
            warn!("changes of the state folder and of `[process]` take effect only after a restart");
        }
        if loaded.server.fleet != self.server.fleet {
            warn!("changes of `[fleet]` but `quorum` take effect only when the process is replaced or restarted");
        }
        if loaded.server.log != self.server.log {
            warn!("changes of `[log]` take effect only when the process is replaced or restarted");
        }
        Ok(loaded)
    }
}

/// Adds warnings for pools whose probes ask for another host than now, because a name was added or removed, or a
/// monitor was edited.
pub(super) fn warn_of_hosts(previous: &Snapshot, mut loaded: Loaded) -> Loaded {
    let rehosted = loaded.blueprint.world().rehosted(previous.world());
    let warnings = rehosted.chunk_by(|one, other| std::ptr::eq(one.pool, other.pool)).map(|probes| {
        let mut change = HostChange::new(&probes[0].pool.name);
        for probe in probes {
            change.add(&probe.before.host, &probe.after.host);
        }
        let message = change.to_string();
        let help = "if a monitor has no `host`, its probes ask for a name that uses the pool";
        Fault { severity: Severity::Warning, ..Fault::without_place(message).code(Code::ProbeHost) }.help(help)
    });
    let warnings: Vec<Fault> = warnings.collect();
    loaded.warnings.0.extend(warnings);
    loaded
}

impl Files {
    /// Stores the serials of a configuration that is about to be served. Those of `latest` are stored already.
    pub(super) fn keep_serials(&self, blueprint: &Blueprint, latest: Option<&Blueprint>) {
        let mut serials = Batch::default();
        put_serials(blueprint, blueprint.zones_since(latest), &self.store, &mut serials);
        self.store.write(serials);
    }
}

/// Sets the metrics of a configuration that was read.
pub(super) fn count_load(counters: &NodeCounters, began: Instant, is_good: bool) {
    let now = unix_time();
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

fn unread(why: &str) -> String {
    format!("the files were not read: {why}")
}

/// Adds a warning for zones that are served now but missing in the new configuration. Fails if the new configuration
/// has no zone at all, unless `may_be_empty`.
pub(super) fn judge_lost(previous: &Snapshot, mut loaded: Loaded, may_be_empty: bool) -> Result<Loaded, Faults> {
    if loaded.blueprint.has_zones_of(previous.blueprint()) {
        return Ok(loaded);
    }
    let left: HashSet<&Name> = loaded.blueprint.zones().iter().map(|served| served.zone.apex()).collect();
    let apexes = previous.zones().iter().map(|served| served.zone.apex());
    let lost: Vec<String> = apexes.filter(|apex| !left.contains(apex)).map(ToString::to_string).collect();
    if lost.is_empty() {
        return Ok(loaded);
    }
    let is_empty = left.is_empty();
    let mut list = lost[..lost.len().min(MOST_LOST)].join(", ");
    if lost.len() > MOST_LOST {
        list = format!("{list} and {} more", lost.len() - MOST_LOST);
    }
    let message = format!(
        "zones that are served now are missing in the new configuration, so queries for them would be refused: {list}"
    );
    if !is_empty || may_be_empty {
        loaded
            .warnings
            .0
            .push(Fault { severity: Severity::Warning, ..Fault::without_place(message).code(Code::Reload) });
        return Ok(loaded);
    }
    let fault = Fault::without_place(format!("no zone is left. {message}")).code(Code::Reload);
    Err(Faults(vec![fault.help("if this is intended, run `truenorth reload --allow-empty`")]))
}
