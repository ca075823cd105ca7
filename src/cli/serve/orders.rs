//! What the admin server orders, and the TXT records that are set and go.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::{mpsc, oneshot};
use tracing::{error, info};

use super::Node;
use crate::admin::{Order, TxtDone, TxtOrder};
use crate::control::{DynamicTxt, TxtError, TxtValue};
use crate::name::Name;
use crate::report::News;
use crate::snapshot::Snapshot;

/// Where orders come from; nowhere without an admin server.
pub(super) struct Orders(Option<mpsc::Receiver<Order>>);

impl Orders {
    pub(super) fn new(receiver: Option<mpsc::Receiver<Order>>) -> Self {
        Self(receiver)
    }

    /// Waits for the next one.
    pub(super) async fn next(&mut self) -> Order {
        match &mut self.0 {
            Some(receiver) => match receiver.recv().await {
                Some(order) => order,
                None => std::future::pending().await,
            },
            None => std::future::pending().await,
        }
    }
}

/// Waits until a TXT record has had its time.
pub(super) async fn expiry(txt: &DynamicTxt) {
    match txt.next_expiry() {
        Some(until) => tokio::time::sleep(Duration::from_secs(until.saturating_sub(unix_time()))).await,
        None => std::future::pending().await,
    }
}

/// Seconds since 1970; a clock that stands before that is taken to stand there.
fn unix_time() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

impl Node {
    /// Does what is ordered. Who ordered it may have gone meanwhile.
    pub(super) async fn obey(&mut self, order: Order) {
        match order {
            Order::Reload(reply) => _ = reply.send(self.reload("order").await),
            Order::Txt(order, reply) => _ = reply.send(self.obey_txt(order).await),
        }
    }

    async fn obey_txt(&mut self, order: TxtOrder) -> Result<TxtDone, TxtError> {
        let served = match order {
            TxtOrder::List => None,
            TxtOrder::Set(name, value, until) => self.set_txt(TxtValue { name, value, until }).await?,
            TxtOrder::Unset(name, value) => {
                let gone = self.txt.unset(&name, value.as_deref());
                self.tell_gone(&gone);
                self.amend(&names(&gone)).await?
            }
        };
        Ok(TxtDone { records: self.txt.clone(), served })
    }

    async fn set_txt(&mut self, new: TxtValue) -> Result<Option<oneshot::Receiver<Arc<Snapshot>>>, TxtError> {
        self.latest.place_for_txt(&new.name).map_err(TxtError::Unfit)?;
        let (name, value) = (new.name.clone(), new.value.clone());
        let before = self.txt.clone();
        if !self.txt.set(new)? {
            return Ok(None);
        }
        let served = self.amend(std::slice::from_ref(&name)).await.inspect_err(|_| self.txt = before)?;
        info!(%name, "TXT record set");
        self.journal.tell(News::Txt { name: name.to_string(), value, set: true });
        Ok(served)
    }

    /// Takes away the TXT records that have had their time.
    pub(super) async fn expire(&mut self) {
        let gone = self.txt.expire(unix_time());
        self.tell_gone(&gone);
        // Fewer records fit where more did.
        if let Err(error) = self.amend(&names(&gone)).await {
            error!(%error, "TXT records stay although their time is over");
        }
    }

    fn tell_gone(&self, gone: &[TxtValue]) {
        for TxtValue { name, value, .. } in gone {
            info!(%name, "TXT record gone");
            self.journal.tell(News::Txt { name: name.to_string(), value: value.clone(), set: false });
        }
    }

    /// Has the zones of these names served as their TXT records are now.
    async fn amend(&mut self, names: &[Name]) -> Result<Option<oneshot::Receiver<Arc<Snapshot>>>, TxtError> {
        if names.is_empty() {
            return Ok(None);
        }
        // A big zone takes a while.
        let amended = tokio::task::block_in_place(|| self.txt.amend(&self.latest, names))?;
        self.latest = Arc::new(amended);
        self.files.keep_serials(&self.latest);
        Ok(Some(self.control.amend(self.latest.clone()).await))
    }
}

fn names(values: &[TxtValue]) -> Vec<Name> {
    values.iter().map(|value| value.name.clone()).collect()
}
