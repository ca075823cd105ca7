//! The versions of the zones at this node: what the fleet orders is fetched, kept, read and served.
//!
//! ```text
//!   an order of the fleet ─► on disk? ─ no ─► fetch ─► on disk ─► read as a reload does ─┬─► served; told to the fleet
//!                              └─ yes ──────────────────────────►                        └─► refused: the old one stays
//! ```
//!
//! One version is fetched at a time, in a task of its own. What cannot be fetched or written is tried again, with pauses; what
//! has errors is not, until this node's own files are read again or another version is ordered.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};
use tracing::{info, warn};

use super::files::Files;
use super::{Node, beside};
use crate::backoff::Backoff;
use crate::cli::copies::{self, Begun};
use crate::config::{Faults, ZonesCopy};
use crate::control::{Event, Handle, ZonesNews};
use crate::counters::NodeCounters;
use crate::fleet::Job;
use crate::health::ZonesSight;
use crate::ledger::Content;
use crate::snapshot::Snapshot;
use crate::store::{Copies, CopyError, PreparedCopies};
use crate::vantage::NodeName;
use crate::versions::{Bundle, Release, Releases};

/// Longest reason that is told to others, in octets.
const MAX_REASON: usize = 300;

/// That a version is on disk, or why it is not.
type Fetched = Result<(), Box<str>>;

/// Something that is to be done about the versions.
#[derive(Debug)]
pub(super) enum Arrival {
    /// This version is on disk, or could not be fetched.
    Version(Release, Fetched),
    /// The version with this number is in the answers.
    Served(u32),
    /// The stream of the versions was opened.
    Opened,
    /// It is time to try again.
    Retry,
}

/// The versions of the zones at a node that takes them from its fleet.
pub(super) struct Versions {
    pub(super) node: NodeName,
    pub(super) copies: Copies,
    pub(super) jobs: mpsc::Sender<Job>,
    opened: mpsc::Receiver<()>,
    counters: Arc<NodeCounters>,
    control: Handle,
    /// The version that is served.
    pub(super) serving: Option<Release>,
    /// The versions that are current in the fleet; `None` if it knows of none.
    pub(super) current: Option<Releases>,
    /// A version that is to be served and is not, with the reason.
    pub(super) refused: Option<(u32, Box<str>)>,
    retry_at: Option<Instant>,
    attempts: Backoff,
    /// The version that is being fetched or read.
    pursued: Option<Release>,
    arrived: mpsc::UnboundedSender<Arrival>,
    arrivals: mpsc::UnboundedReceiver<Arrival>,
}

/// Waits for something to do.
pub(super) async fn next(versions: &mut Option<Box<Versions>>) -> Arrival {
    let Some(versions) = versions else { return std::future::pending().await };
    let Versions { arrivals, opened, retry_at, .. } = &mut **versions;
    let retry = async {
        match *retry_at {
            Some(at) => sleep_until(at).await,
            None => std::future::pending().await,
        }
    };
    let arrival = tokio::select! {
        Some(arrival) = arrivals.recv() => arrival,
        Some(()) = opened.recv() => Arrival::Opened,
        () = retry => Arrival::Retry,
    };
    if matches!(arrival, Arrival::Retry) {
        *retry_at = None;
    }
    arrival
}

impl Versions {
    /// The versions of a node that began so. Tells the fleet, and operators, which one it serves.
    pub(super) async fn new(
        files: &mut Files,
        jobs: mpsc::Sender<Job>,
        opened: mpsc::Receiver<()>,
        control: &Handle,
    ) -> Option<Box<Self>> {
        let Begun { copies, serves, fell_back } = files.begun.take()?;
        let node = files.server.fleet.as_ref()?.node.clone();
        let (arrived, arrivals) = mpsc::unbounded_channel();
        let (serving, copy) = serves.unzip();
        files.copy = copy;
        let counters = files.counters.clone();
        counters.fleet.takes_zones.store(true, Relaxed);
        let versions = Box::new(Self {
            node,
            copies,
            jobs,
            opened,
            counters,
            control: control.clone(),
            serving,
            current: None,
            refused: None,
            retry_at: None,
            attempts: Backoff::default(),
            pursued: None,
            arrived,
            arrivals,
        });
        let folder = files.server.zones.display().to_string();
        let version = versions.serving.as_ref().map_or(0, |release| release.number);
        if version == 0 {
            info!(folder, "zones come from the fleet; until the first version comes, from the files of the folder");
        } else {
            info!(version, folder, "zones come from the fleet: the files of the folder are not read");
        }
        let kept = versions.copies.clone();
        // Left-overs are removed at the next start if no thread can be started for it.
        let _ = beside(move || kept.tidy()).await;
        versions.tell(fell_back).await;
        Some(versions)
    }

    /// The version that this node is to serve.
    fn wanted(&self) -> Option<&Release> {
        self.current.as_ref()?.wanted(&self.node)
    }

    /// Takes in what the fleet orders; `None` if the fleet no longer knows of any version.
    pub(super) fn follow(&mut self, content: Option<Content>) {
        self.current = match content {
            Some(Content::Zones(releases)) => Some(releases),
            _ => None,
        };
        self.attempts = Backoff::default();
        self.count();
        self.pursue();
    }

    /// Begins to fetch the version that is to be served, if it is another one.
    pub(super) fn pursue(&mut self) {
        let Some(wanted) = self.wanted().cloned() else { return };
        let is_there = self.serving.as_ref() == Some(&wanted);
        if is_there || self.pursued.is_some() {
            return;
        }
        self.pursued = Some(wanted.clone());
        self.retry_at = None;
        let (copies, jobs, arrived) = (self.copies.clone(), self.jobs.clone(), self.arrived.clone());
        tokio::spawn(async move {
            let fetched = fetch(copies, jobs, &wanted).await;
            // The node may be stopping.
            let _ = arrived.send(Arrival::Version(wanted, fetched));
        });
    }

    /// Does what is to be done. Returns a version that is to be read now.
    pub(super) async fn take_in(&mut self, arrival: Arrival) -> Option<Release> {
        match arrival {
            Arrival::Version(release, fetched) => return self.arrive(release, fetched).await,
            Arrival::Served(number) => {
                let served = self.serving.as_ref().filter(|serving| serving.number == number);
                if let Some(news) = served.map(|release| ZonesNews::Serves(number, release.who.clone())) {
                    self.tell(Some(news)).await;
                }
            }
            Arrival::Opened => {
                self.give_back();
                if self.retry_at.is_some() {
                    self.pursue();
                }
            }
            Arrival::Retry => self.pursue(),
        }
        None
    }

    async fn arrive(&mut self, release: Release, fetched: Fetched) -> Option<Release> {
        self.pursued = None;
        if self.wanted() != Some(&release) {
            self.pursue();
            return None;
        }
        match fetched {
            Ok(()) => Some(release),
            Err(why) => {
                self.postpone(&release, why).await;
                None
            }
        }
    }

    /// Takes in that the version was read, and is served as soon as its new endpoints were probed. `named` lets the next process
    /// begin with it.
    pub(super) async fn serve(
        &mut self,
        release: Release,
        named: PreparedCopies,
        served: oneshot::Receiver<Arc<Snapshot>>,
    ) {
        let (number, arrived) = (release.number, self.arrived.clone());
        (self.serving, self.refused, self.retry_at) = (Some(release), None, None);
        self.attempts = Backoff::default();
        let copies = self.copies.clone();
        let kept = beside(move || named.commit().inspect(|()| copies.tidy()).map_err(|error| error.to_string()));
        if let Err(error) = kept.await.and_then(|kept| kept) {
            warn!(version = number, %error, "a restart would serve the version of the zones from before");
        }
        tokio::spawn(async move {
            // If another configuration comes first, it has this version too, or says so itself.
            let _ = served.await;
            let _ = arrived.send(Arrival::Served(number));
        });
        // Something else may have been ordered while it was read.
        self.pursue();
    }

    /// Takes in that the version has errors.
    pub(super) async fn refuse(&mut self, release: &Release, faults: &Faults) {
        self.retry_at = None;
        self.note_refusal(release, faults.first().into()).await;
    }

    /// Takes in that the version could not be fetched or written. It is tried again.
    pub(super) async fn postpone(&mut self, release: &Release, why: Box<str>) {
        self.retry_at = Some(Instant::now() + self.attempts.next(None, fastrand::f64()));
        self.note_refusal(release, why).await;
    }

    async fn note_refusal(&mut self, release: &Release, why: Box<str>) {
        let mut told: String = why.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_REASON).collect();
        while told.len() > MAX_REASON {
            told.pop();
        }
        let why: Box<str> = told.into();
        let refused = Some((release.number, why.clone()));
        if self.refused == refused {
            return;
        }
        self.refused = refused;
        self.tell(Some(ZonesNews::Refuses(release.number, why))).await;
    }

    /// Tells the others which version is served, and operators this news.
    async fn tell(&self, news: Option<ZonesNews>) {
        self.count();
        let serves = self.serving.as_ref().map(|release| (release.number, release.id.short()));
        let sight = ZonesSight { serves, refuses: self.refused.clone() };
        self.control.tell(Event::Sight(sight, news)).await;
    }

    fn count(&self) {
        let counters = &self.counters.fleet;
        let number = |release: Option<&Release>| release.map_or(0, |release| release.number.into());
        counters.zones_served.store(number(self.serving.as_ref()), Relaxed);
        counters.zones_wanted.store(number(self.wanted().or(self.serving.as_ref())), Relaxed);
    }

    /// Gives the stream the version that is served, if it is current and the stream has lost it.
    pub(super) fn give_back(&self) {
        let Some(serving) = self.serving.clone().filter(|serving| self.wanted() == Some(serving)) else { return };
        let (copies, jobs) = (self.copies.clone(), self.jobs.clone());
        tokio::spawn(async move {
            let Ok(Ok(bundle)) = beside(move || copies.get(serving.id)).await else { return };
            let (reply, kept) = oneshot::channel();
            if jobs.send(Job::Keep(serving.id, bundle.encode().into(), reply)).await.is_ok()
                && let Ok(Err(why)) = kept.await
            {
                warn!(version = serving.number, %why, "the fleet's stream may lack the version of the zones");
            }
        });
    }
}

/// Lets a version be on disk.
async fn fetch(copies: Copies, jobs: mpsc::Sender<Job>, release: &Release) -> Fetched {
    let (id, from) = (release.id, copies.clone());
    if matches!(beside(move || from.get(id)).await, Ok(Ok(_))) {
        return Ok(());
    }
    let octets = fetch_octets(&jobs, release).await?;
    let kept = beside(move || {
        Bundle::decode(&octets, id).map_err(|error| error.to_string())?;
        copies.put(id, &octets).map_err(|error| format!("it cannot be written to the state folder: {error}"))
    });
    kept.await.and_then(|kept| kept).map_err(Box::from)
}

/// Fetches the octets of a version from the stream.
pub(super) async fn fetch_octets(jobs: &mpsc::Sender<Job>, release: &Release) -> Result<Vec<u8>, Box<str>> {
    let (reply, fetched) = oneshot::channel();
    let stopping = || Box::from("the node is stopping");
    jobs.send(Job::Fetch(release.id, release.octets as usize, reply)).await.map_err(|_| stopping())?;
    fetched.await.map_err(|_| stopping())?
}

/// How a version is read, and the file that will name it as served.
pub(super) async fn prepare(copies: &Copies, release: &Release) -> Result<(ZonesCopy, PreparedCopies), Box<str>> {
    let (copies, release) = (copies.clone(), release.clone());
    let prepared = beside(move || {
        let (_, copy) = copies::open(&copies, release.id)?;
        Ok::<_, CopyError>((copy, copies.prepare(&release)?))
    });
    match prepared.await {
        Ok(Ok(prepared)) => Ok(prepared),
        Ok(Err(error)) => Err(error.to_string().into()),
        Err(why) => Err(why.into()),
    }
}

impl Node {
    /// Does what is to be done about the versions. A version that arrived is read as a reload reads files, and is served or
    /// refused.
    pub(super) async fn take_in_version(&mut self, arrival: Arrival) {
        let Some(versions) = &mut self.versions else { return };
        let Some(release) = versions.take_in(arrival).await else { return };
        let (copy, named) = match prepare(&versions.copies, &release).await {
            Ok(prepared) => prepared,
            Err(why) => return versions.postpone(&release, why).await,
        };
        let before = self.files.copy.replace(copy);
        let had_faults = self.files.counters.is_last_load_bad.load(Relaxed);
        let reloaded = self.reload(&reason(&release), false).await;
        let Some(versions) = &mut self.versions else { return };
        match reloaded {
            Ok(loaded) => versions.serve(release, named, loaded.served).await,
            Err(faults) => {
                self.files.copy = before;
                // A restart begins with the version of before.
                self.files.counters.is_last_load_bad.store(had_faults, Relaxed);
                versions.refuse(&release, &faults).await;
            }
        }
    }

    /// Tries a version that was refused once more: the files of this node may fit now.
    pub(super) fn try_version_again(&mut self) {
        if let Some(versions) = &mut self.versions {
            versions.pursue();
        }
    }
}

/// Why a configuration is read, when this version comes.
pub(super) fn reason(release: &Release) -> String {
    format!("version {} of the zones", release.number)
}
