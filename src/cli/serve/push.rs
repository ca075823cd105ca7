//! Pushes a version of the zones to the fleet.
//!
//! ```text
//!   files ─► checked here as a reload does ─► serials ─► on disk here ─► parts in the stream ─► proposed ─► current
//!              └─ errors: refused, nothing changed                                               └─ overtaken: refused
//! ```
//!
//! Files are checked in the loop that reads the configuration. The rest is done in a task of its own, so that the loop goes on
//! while the stream takes the version.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tracing::{info, warn};

use super::serials::last_served;
use super::versions::{Versions, fetch_octets};
use super::{Node, beside};
use crate::admin::{ZonesError, ZonesOrder, ZonesPush, ZonesPushed, ZonesView};
use crate::cli::copies::copy_of;
use crate::cli::load::{Loaded, Loader};
use crate::clock::unix_time;
use crate::config::Faults;
use crate::control::Handle;
use crate::disk::Disk;
use crate::fleet::Job;
use crate::ledger::Decision;
use crate::printable::Printable;
use crate::report::Diff;
use crate::snapshot::{Blueprint, EndpointState, Snapshot};
use crate::store::Copies;
use crate::versions::{Bundle, Counted, Digest, Files, Release, Releases, ReleasesError, ZoneLine, assign};

/// Everything that is needed to make a version current.
struct Proposal {
    releases: Releases,
    based_on: Option<Releases>,
    release: Release,
    octets: Arc<[u8]>,
    who: Box<str>,
}

/// The files of a push, read.
struct Checked {
    loaded: Loaded,
    /// The clients that move, as text.
    effect: Option<String>,
}

impl Node {
    /// Executes an order about versions. Its sender may be gone by then.
    pub(super) async fn obey_zones(&mut self, order: ZonesOrder) {
        let Some(versions) = &self.versions else {
            return match order {
                ZonesOrder::Show(reply) => _ = reply.send(Err(ZonesError::NotTaken)),
                ZonesOrder::Files(_, reply) => _ = reply.send(Err(ZonesError::NotTaken)),
                ZonesOrder::Push(_, reply) => _ = reply.send(Err(ZonesError::NotTaken)),
                ZonesOrder::Promote(_, reply) => _ = reply.send(Err(ZonesError::NotTaken)),
            };
        };
        match order {
            ZonesOrder::Show(reply) => {
                let Versions { current, serving, refused, .. } = &**versions;
                let view = ZonesView { current: current.clone(), serving: serving.clone(), refused: refused.clone() };
                let _ = reply.send(Ok(view));
            }
            ZonesOrder::Files(number, reply) => {
                let (copies, jobs) = (versions.copies.clone(), versions.jobs.clone());
                let release = versions.find(number).cloned();
                tokio::spawn(async move {
                    let files = match release {
                        Ok(release) => files_of(&copies, &jobs, &release).await.map(|files| (release, files)),
                        Err(error) => Err(error.into()),
                    };
                    let _ = reply.send(files);
                });
            }
            ZonesOrder::Promote(who, reply) => {
                let (current, control) = (versions.current.clone(), self.control.clone());
                tokio::spawn(async move {
                    let _ = reply.send(promote(&control, current, who).await);
                });
            }
            ZonesOrder::Push(push, reply) => match self.check_push(&push).await {
                Ok((pushed, None)) => _ = reply.send(Ok(pushed)),
                Ok((pushed, Some(proposal))) => {
                    let Some(versions) = &self.versions else { return };
                    let (copies, jobs) = (versions.copies.clone(), versions.jobs.clone());
                    let control = self.control.clone();
                    tokio::spawn(async move {
                        let made = propose(&copies, &jobs, &control, proposal).await;
                        let _ = reply.send(made.map(|release| ZonesPushed { release: Some(release), ..pushed }));
                    });
                }
                Err(error) => {
                    if let ZonesError::Faults(faults) = &error {
                        let who = &push.who;
                        warn!(who = %Printable(who), why = %Printable(faults.first()), "a version of the zones is refused");
                    }
                    let _ = reply.send(Err(error));
                }
            },
        }
    }

    /// Checks files as a reload does. Returns what they change, and how they become a version, if they are to.
    async fn check_push(&mut self, push: &ZonesPush) -> Result<(ZonesPushed, Option<Proposal>), ZonesError> {
        let Some(versions) = &self.versions else { return Err(ZonesError::NotTaken) };
        let (current, copies) = (versions.current.clone(), versions.copies.clone());
        let number = versions.latest() + 1;
        check_basis(current.as_ref(), push)?;
        let files = Bundle::digest_of_files(&push.files);
        let is_same = |current: &Releases| {
            current.canary().is_none() && current.stable().is_some_and(|stable| stable.files == files)
        };
        if let Some(current) = current.as_ref().filter(|current| is_same(current) && !push.is_roll_back) {
            let (release, zones) = (current.stable().cloned(), Default::default());
            let warnings = Faults::default();
            return Ok((ZonesPushed { release, is_same: true, warnings, zones, effect: None }, None));
        }
        let draft = Release {
            number,
            id: files,
            files,
            octets: 0,
            made_at: Duration::from_secs(unix_time()),
            who: format!("{} at {}", push.who, versions.node).into(),
            comment: push.comment.clone(),
        };
        // Whatever does not fit is told before the files are read.
        Releases::push(current.as_ref(), draft.clone(), push.nodes.clone(), push.is_forced)?;
        let Checked { loaded, effect } = self.read_trial(push).await?;
        let zones = changed(&self.latest, &loaded.blueprint);
        let warnings = loaded.warnings;
        if push.dry_run {
            return Ok((ZonesPushed { release: None, is_same: false, warnings, zones, effect }, None));
        }
        let lines = self.count_serials(current.as_ref(), &copies, &loaded.blueprint).await;
        let octets: Arc<[u8]> = Bundle::new(push.files.clone(), lines).encode().into();
        let release = Release { id: Digest::of(&octets), octets: octets.len() as u32, ..draft };
        let releases = Releases::push(current.as_ref(), release.clone(), push.nodes.clone(), push.is_forced)?;
        let proposal = Proposal { releases, based_on: current, release, octets, who: push.who.clone() };
        Ok((ZonesPushed { release: None, is_same: false, warnings, zones, effect: None }, Some(proposal)))
    }

    /// Reads everything with these files in place of the zones, and serves nothing of it.
    async fn read_trial(&mut self, push: &ZonesPush) -> Result<Checked, ZonesError> {
        let Some(versions) = &self.versions else { return Err(ZonesError::NotTaken) };
        let (copies, files, store) = (versions.copies.clone(), push.files.clone(), self.files.store.clone());
        let (previous, latest) = (self.published.load_full(), self.latest.clone());
        let mut loader = self.files.loader.take().unwrap_or_else(|| Loader::new(&self.files.path));
        let (dry_run, copy) = (push.dry_run, self.files.copy.clone());
        let read = beside(move || {
            let checked = copies.unpack_trial(&files).map_err(|error| ZonesError::Broken(error.to_string()));
            let checked = checked.and_then(|folder| {
                loader.use_copy(Some(copy_of(folder, &files, &[])));
                let loaded = loader.load(&Disk::new(), &last_served(&store), Some(&*previous));
                let loaded = loaded.map_err(ZonesError::Faults)?;
                if loaded.forbidden.has_errors() {
                    return Err(ZonesError::Faults(loaded.forbidden));
                }
                let effect = dry_run.then(|| effect(&latest, &loaded));
                Ok(Checked { loaded, effect })
            });
            loader.use_copy(copy);
            copies.end_trial();
            (loader, checked)
        });
        let (loader, checked) = read.await.map_err(ZonesError::Broken)?;
        self.files.loader = Some(loader);
        checked
    }

    /// Returns what a version says of each zone.
    async fn count_serials(&self, current: Option<&Releases>, copies: &Copies, blueprint: &Blueprint) -> Vec<ZoneLine> {
        let ids: Vec<Digest> = current.into_iter().flat_map(Releases::current).map(|release| release.id).collect();
        let from = copies.clone();
        // Without one of them no zone keeps its serial.
        let read = beside(move || ids.into_iter().map(|id| from.get(id)).collect::<Result<Vec<_>, _>>());
        let known: Option<Vec<Bundle>> = read.await.ok().and_then(Result::ok);
        let elsewhere = self.control.survey().await.and_then(|survey| survey.fleet);
        let identities: Vec<_> = elsewhere
            .iter()
            .flat_map(|fleet| &fleet.vantage_points)
            .filter_map(|point| point.identity.clone())
            .collect();
        let last = last_served(&self.files.store);
        let now = unix_time() as u32;
        let line = |spec: &crate::snapshot::ZoneSpec| {
            let of = |zone: &ZoneLine| Counted { serial: zone.serial, contents: Some(zone.contents) };
            let said = |bundle: &Bundle| bundle.zones().iter().find(|zone| zone.origin == spec.origin).map(of);
            let said: Vec<Counted> = known.iter().flatten().filter_map(said).collect();
            let here = last(&spec.origin).map(|last| Counted { serial: last.serial, contents: last.contents });
            let origin = spec.origin.to_string();
            let there = identities.iter().filter_map(|identity| identity.zone(&origin));
            let there = there.map(|zone| Counted { serial: zone.serial, contents: None });
            let served: Vec<Counted> = here.into_iter().chain(there).collect();
            let serial = assign(spec.contents, &said, &served, now);
            ZoneLine { origin: spec.origin.clone(), serial, contents: spec.contents }
        };
        blueprint.world().zones.iter().filter(|spec| spec.counts_serial).map(line).collect()
    }
}

impl Versions {
    /// The number of the latest version that this node knows of.
    fn latest(&self) -> u32 {
        let current = self.current.as_ref().map_or(0, Releases::latest);
        self.serving.as_ref().map_or(current, |serving| serving.number.max(current))
    }

    /// The version with this number, or the one that a roll-back without a number leads to.
    fn find(&self, number: Option<u32>) -> Result<&Release, ReleasesError> {
        let current = self.current.as_ref().ok_or(ReleasesError::NothingBefore)?;
        match number {
            Some(number) => current.find(number).ok_or(ReleasesError::Unknown(number)),
            None => current.before(),
        }
    }
}

/// Fails if files were made from another version than the one that is current.
fn check_basis(current: Option<&Releases>, push: &ZonesPush) -> Result<(), ReleasesError> {
    let latest = current.map_or(0, Releases::latest);
    match push.based_on {
        Some(based_on) if based_on != latest && !push.is_forced => Err(ReleasesError::Overtaken(latest)),
        _ => Ok(()),
    }
}

/// Returns the files of a version: those on disk, or those of the stream.
async fn files_of(copies: &Copies, jobs: &mpsc::Sender<Job>, release: &Release) -> Result<Files, ZonesError> {
    let (id, from) = (release.id, copies.clone());
    if let Ok(Ok(bundle)) = beside(move || from.get(id)).await {
        return Ok(bundle.files().clone());
    }
    let number = release.number;
    let failed = |why: &dyn std::fmt::Display| ZonesError::Broken(format!("version {number} cannot be fetched: {why}"));
    let octets = fetch_octets(jobs, release).await.map_err(|why| failed(&why))?;
    let bundle = Bundle::decode(&octets, id).map_err(|error| failed(&error))?;
    Ok(bundle.files().clone())
}

/// Stores a version in the stream, and makes it current.
async fn propose(
    copies: &Copies,
    jobs: &mpsc::Sender<Job>,
    control: &Handle,
    proposal: Proposal,
) -> Result<Release, ZonesError> {
    let Proposal { releases, based_on, release, octets, who } = proposal;
    let (id, kept, to) = (release.id, octets.clone(), copies.clone());
    let kept = beside(move || to.put(id, &kept).map_err(|error| error.to_string())).await.and_then(|kept| kept);
    kept.map_err(|why| ZonesError::Broken(format!("the version cannot be written to the state folder: {why}")))?;
    let (reply, stored) = oneshot::channel();
    let stopping = || ZonesError::Broken("the node is stopping".to_owned());
    jobs.send(Job::Store(id, octets, reply)).await.map_err(|_| stopping())?;
    let stored = stored.await.map_err(|_| stopping())?;
    stored.map_err(|why| ZonesError::Broken(format!("the fleet does not get the version: {why}")))?;
    let number = release.number;
    decide(control, releases, based_on, who).await?;
    info!(version = number, who = %Printable(&release.who), comment = %Printable(&release.comment), "version of the zones pushed");
    Ok(release)
}

async fn promote(control: &Handle, current: Option<Releases>, who: Box<str>) -> Result<Release, ZonesError> {
    let before = current.ok_or(ReleasesError::NoCanary)?;
    let after = before.promote()?;
    let release = after.stable().cloned().ok_or(ReleasesError::NoCanary)?;
    decide(control, after, Some(before), who.clone()).await?;
    info!(version = release.number, who = %Printable(&who), "version of the zones promoted");
    Ok(release)
}

/// Lets the fleet decide about what is to be current.
async fn decide(
    control: &Handle,
    releases: Releases,
    based_on: Option<Releases>,
    who: Box<str>,
) -> Result<(), ZonesError> {
    match control.propose(releases, based_on, who).await {
        Some(Decision::Taken) => Ok(()),
        Some(Decision::Overtaken) => Err(ReleasesError::Overtaken(0).into()),
        Some(Decision::Refused(why)) => Err(ZonesError::Broken(format!("the fleet does not take it: {why}"))),
        None => Err(ZonesError::Broken("the node is stopping".to_owned())),
    }
}

/// Returns the zones that are added, changed and removed.
fn changed(before: &Blueprint, after: &Blueprint) -> [Vec<String>; 3] {
    let mut zones = [Vec::new(), Vec::new(), Vec::new()];
    for spec in &after.world().zones {
        match before.spec(&spec.origin) {
            None => zones[0].push(spec.origin.to_string()),
            Some(old) if old.text != spec.text => zones[1].push(spec.origin.to_string()),
            Some(_) => {}
        }
    }
    let gone = before.world().zones.iter().filter(|spec| after.spec(&spec.origin).is_none());
    zones[2].extend(gone.map(|spec| spec.origin.to_string()));
    zones
}

/// Returns the clients that move, with every endpoint up, as text.
fn effect(before: &Arc<Blueprint>, after: &Loaded) -> String {
    let calm = |blueprint| Snapshot::new(blueprint, |_, _| EndpointState::CALM, None);
    match Diff::new(&calm(before.clone()), &calm(after.offline()), None) {
        Ok(diff) => diff.to_string(),
        Err(why) => why,
    }
}
