//! The files of a node: read at the start, watched for changes, and read again.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use tracing::warn;

use super::super::load::{Loaded, Loader};
use super::super::watch_files::FileWatch;
use super::serials::{last_served, put_serials};
use super::{ServeError, beside};
use crate::config::{self, Code, Fault, Faults, Server, Severity, Watching};
use crate::control::DynamicTxt;
use crate::disk::{Disk, Reads};
use crate::name::Name;
use crate::report::Summary;
use crate::snapshot::{Blueprint, Snapshot};
use crate::store::{Batch, Store};

/// Most lost zones that a message names. It counts the others.
const MOST_LOST: usize = 20;

/// The inputs and outputs of a reload.
pub(super) struct Files {
    pub(super) path: PathBuf,
    /// `None` while a thread is reading with it.
    pub(super) loader: Option<Loader>,
    pub(super) store: Arc<Store>,
    pub(super) server: Server,
    /// `None` if the system has no thread or descriptor for it, which was logged.
    pub(super) watch: Option<FileWatch>,
    /// The last log message about probed addresses that are reserved for documentation.
    pub(super) noticed: Option<String>,
}

impl Files {
    pub(super) async fn open(path: PathBuf) -> Result<(Self, Loaded, DynamicTxt), ServeError> {
        let from = path.clone();
        let opened = beside(move || {
            let other = |error: &dyn std::fmt::Display| ServeError::Other(error.to_string());
            let mut loader = Loader::new(&from);
            // The zones' last serials are in the state folder, and the server file names that folder. It is opened
            // first, so that the zones are read only once.
            let state = match config::load_early(&from) {
                Ok(early) => early.state,
                // The other faults of the file are reported together with this one.
                Err(faults) => return Err(loader.load(&Disk::new(), &|_| None, None).err().unwrap_or(faults).into()),
            };
            let store = Store::open(&state).map_err(|error| other(&error))?;
            Ok::<_, ServeError>((loader, store))
        });
        let (loader, store) = opened.await.map_err(|why| ServeError::Other(unread(&why)))??;
        Self::read(path, loader, store).await
    }

    /// Reads everything with the contents of the state folder.
    pub(super) async fn read(
        path: PathBuf,
        mut loader: Loader,
        store: Store,
    ) -> Result<(Self, Loaded, DynamicTxt), ServeError> {
        let store = Arc::new(store);
        let served = store.clone();
        let read = beside(move || {
            let disk = Disk::new();
            let loaded = loader.load(&disk, &last_served(&served), None)?;
            Ok::<_, Faults>((loader, loaded, disk.reads()))
        });
        let (loader, loaded, reads) = read.await.map_err(|why| ServeError::Other(unread(&why)))??;
        let watch = FileWatch::start().inspect_err(|error| {
            warn!(%error, "changed files are not noticed: send SIGHUP, or run `truenorth reload`");
        });
        let server = loaded.server.clone();
        let mut files = Self { path, loader: Some(loader), store, server, watch: watch.ok(), noticed: None };
        files.follow(reads, loaded.server.watching);
        let txt = files.kept_txt();
        let loaded = files.adopt(loaded, &txt)?;
        Ok((files, loaded, txt))
    }

    /// Reads everything again, including the TXT records that are set.
    pub(super) async fn load(&mut self, previous: Arc<Snapshot>, txt: &DynamicTxt) -> Result<Loaded, Faults> {
        let store = self.store.clone();
        // A loader that was lost with its thread only held a cache.
        let mut loader = self.loader.take().unwrap_or_else(|| Loader::new(&self.path));
        let read = beside(move || {
            let disk = Disk::new();
            let loaded = loader.load(&disk, &last_served(&store), Some(&*previous));
            (loader, loaded, disk.reads())
        });
        let (loader, loaded, reads) =
            read.await.map_err(|why| Faults(vec![Fault::without_place(unread(&why)).code(Code::File)]))?;
        self.loader = Some(loader);
        // The files are watched even if they are faulty, so that the next change is read.
        let watching = loaded.as_ref().map_or(self.server.watching, |loaded| loaded.server.watching);
        self.follow(reads, watching);
        self.adopt(loaded?, txt)
    }

    /// From now on, watches these files for changes.
    pub(super) fn follow(&mut self, reads: Reads, watching: Watching) {
        self.server.watching = watching;
        if let Some(watch) = &mut self.watch {
            watch.follow(reads, watching);
        }
    }

    /// Adopts a configuration, with the TXT records that are set.
    pub(super) fn adopt(&mut self, mut loaded: Loaded, txt: &DynamicTxt) -> Result<Loaded, Faults> {
        if loaded.forbidden.has_errors() {
            return Err(loaded.forbidden);
        }
        let notice = Summary::of(loaded.blueprint.world()).notice();
        if let Some(notice) = notice.as_ref().filter(|_| notice != self.noticed) {
            warn!("{notice}");
        }
        self.noticed = notice;
        let (blueprint, left_out) = txt.apply(&loaded.blueprint);
        loaded.blueprint = Arc::new(blueprint);
        for (name, why) in left_out {
            warn!(%name, %why, "TXT records that were set cannot be served by the new configuration and are left out");
        }
        self.keep_serials(&loaded.blueprint);
        let admin = |server: &Server| server.admin.as_ref().map(|admin| (admin.listen.clone(), admin.socket.clone()));
        let bound = |server: &Server| (server.listen.clone(), admin(server));
        if bound(&loaded.server) != bound(&self.server) {
            warn!("changes of the listening addresses take effect only when the process is replaced or restarted");
        }
        let fixed = |server: &Server| (server.state.clone(), server.process.clone());
        if fixed(&loaded.server) != fixed(&self.server) {
            warn!("changes of the state folder and of `[process]` take effect only after a restart");
        }
        Ok(loaded)
    }
}

impl Files {
    /// Stores the serials of a configuration that is about to be served.
    pub(super) fn keep_serials(&self, blueprint: &Blueprint) {
        let mut serials = Batch::default();
        put_serials(blueprint, blueprint.zones(), &self.store, &mut serials);
        self.store.write(serials);
    }
}

fn unread(why: &str) -> String {
    format!("the files were not read: {why}")
}

/// Warns of zones that are served now but missing in the new configuration. Fails if it has no zone at all, unless
/// `may_be_empty`.
pub(super) fn judge_lost(previous: &Snapshot, mut loaded: Loaded, may_be_empty: bool) -> Result<Loaded, Faults> {
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
    let message =
        format!("the new configuration lacks zones that are served now; queries for them would be refused: {list}");
    if !is_empty || may_be_empty {
        loaded
            .warnings
            .0
            .push(Fault { severity: Severity::Warning, ..Fault::without_place(message).code(Code::Reload) });
        return Ok(loaded);
    }
    let fault = Fault::without_place(format!("no zone is left. {message}")).code(Code::Reload);
    Err(Faults(vec![fault.help("if that is meant, run `truenorth reload --allow-empty`")]))
}
