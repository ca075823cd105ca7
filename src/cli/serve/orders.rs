//! Executes orders of the admin server, and removes expired TXT records.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tracing::{error, info};

use super::Node;
use super::serials::put_serials;
use super::shared::word_on_txt;
use crate::admin::{Order, OrderReceivers, TxtDone, TxtOrder};
use crate::clock::unix_time;
use crate::control::{DynamicTxt, Replaced, TxtError, TxtValue};
use crate::name::Name;
use crate::report::EventKind;
use crate::snapshot::Snapshot;
use crate::store::{Batch, Store, TXT, TxtRecord};

/// The receivers of orders; `None` without an admin server.
pub(super) struct Orders(Option<OrderReceivers>);

impl Orders {
    pub(super) fn new(receivers: Option<OrderReceivers>) -> Self {
        Self(receivers)
    }

    /// Waits for the next order.
    pub(super) async fn next(&mut self) -> Order {
        let Some(OrderReceivers { orders, leases }) = &mut self.0 else { return std::future::pending().await };
        let order = tokio::select! {
            order = orders.recv() => order,
            order = leases.recv() => order,
        };
        match order {
            Some(order) => order,
            None => std::future::pending().await,
        }
    }

    /// Returns an order about leases that waits already.
    pub(super) fn next_about_leases(&mut self) -> Option<Order> {
        self.0.as_mut()?.leases.try_recv().ok()
    }
}

/// Maximum time between two looks at the wall clock while TXT records wait to expire. Somebody may set the clock.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Waits until a TXT record may have expired.
pub(super) async fn expiry(txt: &DynamicTxt) {
    match txt.next_expiry() {
        Some(until) => tokio::time::sleep(Duration::from_secs(until.saturating_sub(unix_time())).min(LOOK_EVERY)).await,
        None => std::future::pending().await,
    }
}

impl Node {
    /// Executes an order. Its sender may be gone by then.
    pub(super) async fn obey(&mut self, order: Order) {
        match order {
            Order::Reload { may_be_empty, reply } => {
                let _ = reply.send(self.reload("order", may_be_empty).await);
                self.try_version_again();
            }
            Order::Zones(order) => Box::pin(self.obey_zones(order)).await,
            Order::Txt(order, reply) => _ = reply.send(self.obey_txt(order).await),
            Order::ExternalDns(order) => self.obey_external_dns(order).await,
            Order::Lease(order, reply) => _ = reply.send(self.obey_lease(order).await),
        }
    }

    async fn obey_txt(&mut self, order: TxtOrder) -> Result<TxtDone, TxtError> {
        let is_first = matches!(&order, TxtOrder::Replace(name, ..) if self.txt.of(name).next().is_none());
        let served = match order {
            TxtOrder::List => None,
            TxtOrder::Replace(name, values, until, who) => self.replace_txt(&name, &values, until, &who).await?,
            TxtOrder::Set(name, value, until, who) => self.set_txt(TxtValue { name, value, until }, &who).await?,
            TxtOrder::Unset(name, value, who) => {
                let gone = self.txt.unset(&name, value.as_deref());
                for value in &gone {
                    self.tell_txt(value, false, &who);
                }
                let served = self.amend(&names(&gone), rows(&[], &gone)).await?;
                let word = |value: &TxtValue| word_on_txt(&value.name, &value.value, None, &who);
                self.say(gone.iter().map(word).collect()).await;
                served
            }
        };
        Ok(TxtDone { records: self.txt.clone(), is_first, served })
    }

    async fn replace_txt(
        &mut self,
        name: &Name,
        values: &[String],
        until: u64,
        who: &str,
    ) -> Result<Option<oneshot::Receiver<Arc<Snapshot>>>, TxtError> {
        self.latest.place_for_txt(name).map_err(TxtError::Unfit)?;
        let before = self.txt.clone();
        let Replaced { set, new, gone } = self.txt.replace(name, values, until)?;
        let batch = rows(&set, &gone);
        let served = if new.is_empty() && gone.is_empty() {
            self.files.store.write(batch);
            None
        } else {
            self.amend(std::slice::from_ref(name), batch).await.inspect_err(|_| self.txt = before)?
        };
        let word = |(value, until): (&TxtValue, Option<u64>)| word_on_txt(&value.name, &value.value, until, who);
        let gone_words = gone.iter().map(|value| (value, None));
        self.say(gone_words.chain(set.iter().map(|value| (value, Some(until)))).map(word).collect()).await;
        for (value, is_set) in gone.iter().map(|value| (value, false)).chain(new.iter().map(|value| (value, true))) {
            self.tell_txt(value, is_set, who);
        }
        Ok(served)
    }

    async fn set_txt(
        &mut self,
        new: TxtValue,
        who: &str,
    ) -> Result<Option<oneshot::Receiver<Arc<Snapshot>>>, TxtError> {
        self.latest.place_for_txt(&new.name).map_err(TxtError::Unfit)?;
        let name = new.name.clone();
        let word = word_on_txt(&name, &new.value, Some(new.until), who);
        let before = self.txt.clone();
        let is_new = self.txt.set(new.clone())?;
        let batch = rows(std::slice::from_ref(&new), &[]);
        if !is_new {
            self.files.store.write(batch);
            self.say(vec![word]).await;
            return Ok(None);
        }
        let served = self.amend(std::slice::from_ref(&name), batch).await.inspect_err(|_| self.txt = before)?;
        self.say(vec![word]).await;
        self.tell_txt(&new, true, who);
        Ok(served)
    }

    /// Removes the TXT records that have expired.
    pub(super) async fn expire(&mut self) {
        let gone = self.txt.expire(unix_time());
        for value in &gone {
            self.tell_txt(value, false, "");
        }
        // A zone that could hold more records can hold fewer.
        if let Err(error) = self.amend(&names(&gone), rows(&[], &gone)).await {
            error!(%error, "expired TXT records cannot be removed, so they are still served");
        }
    }

    /// Tells that a record was set or removed by `who`; empty if its time was over.
    pub(super) fn tell_txt(&self, TxtValue { name, value, .. }: &TxtValue, is_set: bool, who: &str) {
        info!(%name, who, "TXT record {}", if is_set { "set" } else { "removed" });
        let who = (!who.is_empty()).then(|| who.to_owned());
        self.notifier.tell(EventKind::Txt { name: name.to_string(), value: value.clone(), set: is_set, who });
    }

    /// Rebuilds the zones of these names with their present TXT records. The rows of the records and the new serials
    /// are stored together. If a zone changed without a new serial, its secondaries would keep the old zone. Fails if a
    /// zone cannot hold the records.
    pub(super) async fn amend(
        &mut self,
        names: &[Name],
        mut rows: Batch,
    ) -> Result<Option<oneshot::Receiver<Arc<Snapshot>>>, TxtError> {
        if names.is_empty() {
            return Ok(None);
        }
        self.latest = Arc::new(self.txt.amend(&self.latest, names)?);
        let mut zones: Vec<_> = names.iter().filter_map(|name| self.latest.zone_of(name)).collect();
        zones.sort_unstable_by_key(|zone| Arc::as_ptr(zone));
        zones.dedup_by(|a, b| Arc::ptr_eq(a, b));
        for served in &zones {
            // The cost of an order depends on the number of changed names, not on the size of the zone.
            info!(zone = %served.zone.apex(), serial = served.serial(), names = served.zone.patched_names(), "zone amended");
        }
        put_serials(&self.latest, zones, &self.files.store, &mut rows);
        self.files.store.write(rows);
        Ok(Some(self.control.amend(self.latest.clone()).await))
    }
}

/// Returns the TXT records of an earlier run. Those that expired in the meantime are among them: they are removed later like
/// others that expire, so that the serial of their zone increases.
pub(super) fn kept_txt(store: &Store) -> DynamicTxt {
    let value = |record: TxtRecord| {
        let name = Name::parse(&record.name, &Name::root()).ok()?;
        Some(TxtValue { name, value: record.value, until: record.until })
    };
    DynamicTxt::new(store.all(&TXT).into_values().filter_map(value).collect())
}

/// Returns the batch that stores the rows of values that are set, and deletes those of values that are gone.
pub(super) fn rows(set: &[TxtValue], gone: &[TxtValue]) -> Batch {
    let mut batch = Batch::default();
    set.iter().map(record).for_each(|record| batch.put(&TXT, &record.key(), &record));
    gone.iter().map(record).for_each(|record| batch.delete(&TXT, &record.key()));
    batch
}

fn record(TxtValue { name, value, until }: &TxtValue) -> TxtRecord {
    // Names are compared without regard to case, so the row has a lower-case name.
    TxtRecord { name: name.to_string().to_ascii_lowercase(), value: value.clone(), until: *until }
}

pub(super) fn names(values: &[TxtValue]) -> Vec<Name> {
    values.iter().map(|value| value.name.clone()).collect()
}
