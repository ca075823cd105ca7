//! The effect of an order on clients. It is computed before the order is executed.

use tracing::error;

use super::AppState;
use super::refusal::ApiError;
use crate::control::{OrderRefusal, Preview, Proposal, Publication};
use crate::overrides::Change;
use crate::report::{Changes, OrderEffect};

/// The changes that would follow from an order, and their effect.
pub(super) struct Foreseen {
    /// The overrides that would be placed, end or be lifted.
    pub(super) changes: Vec<Change>,
    /// The pools that `failback` holds back and that would answer again.
    pub(super) released: Vec<String>,
    /// The effect on clients; `None` while no configuration is served.
    pub(super) effect: Option<OrderEffect>,
}

impl AppState {
    /// Returns the changes that would follow from an order, or why it would be refused. The calculation takes up to a
    /// second of one processor, on a thread for such work.
    pub(super) async fn foresee(&self, proposal: Proposal, dry_run: bool) -> Result<Foreseen, ApiError> {
        let preview = self.control.preview(proposal).await.ok_or_else(ApiError::stopping)?;
        let Preview { changes, released, publication } = preview.map_err(|refusal| match refusal {
            OrderRefusal::Override(refusal) => ApiError::from(refusal),
            OrderRefusal::Rollout(refusal) => ApiError::from(refusal),
        })?;
        let find = move |Publication { before, after }: Publication| {
            Changes::new(&before, &after).map(|mut changes| OrderEffect::new(&mut changes, dry_run))
        };
        let effect = match publication {
            None => None,
            Some(publication) => tokio::task::spawn_blocking(move || find(publication)).await.unwrap_or_else(|_| {
                error!(
                    "the effect of an order is not known, because the calculation panicked: this is a bug of truenorth"
                );
                None
            }),
        };
        Ok(Foreseen { changes, released: released.into_iter().map(String::from).collect(), effect })
    }
}
