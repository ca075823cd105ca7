//! Records of external-dns in a running node.
//!
//! ```text
//!   changes ─► the records of the file, changed ─► read with all files, as a trial ─► written ─► reload
//!                                                   └─ a fault: refused, nothing changed
//! ```

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use tokio::sync::oneshot;
use tracing::{info, warn};

use super::serials::last_served;
use super::{Node, beside};
use crate::admin::{ExternalDnsError, ExternalDnsOrder};
use crate::cli::load::Loader;
use crate::config::{ExternalDns, Faults, Pending, Severity, write_records};
use crate::disk::Disk;
use crate::external_dns::{Changes, Records};
use crate::name::Name;
use crate::printable::Printable;
use crate::snapshot::Snapshot;

/// Maximum number of faults that an answer tells.
const MAX_TOLD: usize = 5;

/// Receives the snapshot with a change; `None` if nothing changed.
type Served = Option<oneshot::Receiver<Arc<Snapshot>>>;

impl Node {
    /// Executes an order of external-dns.
    pub(super) async fn obey_external_dns(&mut self, order: ExternalDnsOrder) {
        match order {
            ExternalDnsOrder::List(reply) => _ = reply.send(self.list_external_dns().await),
            ExternalDnsOrder::Change(changes, who, reply) => {
                let changed = self.change_external_dns(changes, &who).await;
                let changed = changed.inspect_err(|why| {
                    warn!(why = %Printable(why), who = %Printable(&who), "a change of external-dns is refused");
                });
                // Its sender may be gone by then.
                let _ = reply.send(changed);
            }
        }
    }

    fn external_dns(&self) -> Result<ExternalDns, ExternalDnsError> {
        self.external_dns.clone().ok_or(ExternalDnsError::NoZones)
    }

    async fn list_external_dns(&self) -> Result<(Vec<Name>, Records), ExternalDnsError> {
        let settings = self.external_dns()?;
        let read = beside(move || read_all(&settings)).await.map_err(ExternalDnsError::Broken)?;
        let all = read?;
        let records = all.iter().flat_map(|(_, records)| records.iter().cloned()).collect();
        Ok((all.into_iter().map(|(zone, _)| zone).collect(), records))
    }

    async fn change_external_dns(&mut self, changes: Changes, who: &str) -> Result<Served, ExternalDnsError> {
        let settings = self.external_dns()?;
        let parts = changes.by_zone(&settings.zones).map_err(|unfit| ExternalDnsError::Unfit(unfit.to_string()))?;
        let (store, path) = (self.files.store.clone(), self.files.path.clone());
        let mut loader = self.files.loader.take().unwrap_or_else(|| Loader::new(&path));
        loader.use_copy(self.files.copy.clone());
        let had_faults = self.files.counters.is_last_load_bad.load(Relaxed);
        let work = move || {
            let mut loader = loader;
            let tried = (|| {
                let before = read_all(&settings)?;
                let mut pending = Pending::new();
                for ((zone, records), (_, part)) in before.iter().zip(&parts) {
                    let after = records.apply(part).map_err(|unfit| ExternalDnsError::Unfit(unfit.to_string()))?;
                    if after != *records {
                        pending.insert(zone.clone(), after);
                    }
                }
                if pending.is_empty() {
                    return Ok(pending);
                }
                let refused = |faults: Faults| refuse(&faults, had_faults);
                loader.try_records(pending.clone(), &last_served(&store)).map_err(refused)?;
                write_records(&settings, &pending).map_err(|error| {
                    ExternalDnsError::Broken(format!("the records cannot be written to the state folder: {error}"))
                })?;
                Ok(pending)
            })();
            (loader, tried)
        };
        let (loader, tried) = beside(work).await.map_err(ExternalDnsError::Broken)?;
        self.files.loader = Some(loader);
        let changed = tried?;
        if changed.is_empty() {
            return Ok(None);
        }
        for (zone, records) in &changed {
            let records = records.iter().count();
            info!(%zone, records, who = %Printable(who), "records of external-dns changed");
        }
        match self.reload("external-dns", false).await {
            Ok(loaded) => Ok(Some(loaded.served)),
            Err(faults) => Err(ExternalDnsError::Broken(told(&faults))),
        }
    }
}

fn read_all(settings: &ExternalDns) -> Result<Vec<(Name, Records)>, ExternalDnsError> {
    let disk = Disk::new();
    let read = |zone: &Name| Ok((zone.clone(), settings.read(zone, &disk).map_err(ExternalDnsError::Broken)?));
    settings.zones.iter().map(read).collect()
}

/// Returns the refusal of records with which the configuration has faults. If it had some without them, nobody can say
/// whose they are, and external-dns shall try again.
fn refuse(faults: &Faults, had_faults: bool) -> ExternalDnsError {
    if had_faults {
        return ExternalDnsError::Broken(format!("the files have errors: {}", told(faults)));
    }
    ExternalDnsError::Unfit(told(faults))
}

fn told(faults: &Faults) -> String {
    let errors = faults.0.iter().filter(|fault| fault.severity == Severity::Error);
    errors.take(MAX_TOLD).map(|fault| fault.message.clone()).collect::<Vec<_>>().join("; ")
}
