//! `/v1/rollouts`: the roll-outs of names. Also `/v1/reports` about the requests that canaries served.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::effect::Foreseen;
use super::gate::Caller;
use super::refusal::{ApiError, json};
use super::{AppState, body};
use crate::clock::unix_time;
use crate::control::{Proposal, RequestsRefusal};
use crate::health::Requests;
use crate::overrides::canonical;
use crate::report::{self, FleetShare, OrderEffect, Question, ReportTaken, RequestsReport, RolloutList, RolloutOrder};
use crate::rollout::{self, Action, Command, Order};

/// `GET /v1/rollouts`.
pub(super) async fn list(State(app): State<Arc<AppState>>) -> Result<Response, ApiError> {
    app.rollouts(None, None, None, None).await
}

/// `GET /v1/rollouts/NAME`.
pub(super) async fn show(State(app): State<Arc<AppState>>, Path(name): Path<String>) -> Result<Response, ApiError> {
    app.rollouts(Some(&read_name(&name)?), None, None, None).await
}

/// `POST /v1/rollouts/NAME` with `{"active": ...}` or `{"action": ...}`. Answers as soon as DNS answers follow the
/// change. With `"dry_run": true`, answers with its effect and changes nothing.
pub(super) async fn order(
    State(app): State<Arc<AppState>>,
    Path(name): Path<String>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Response, ApiError> {
    let RolloutOrder { active, action, reason, who, dry_run } = body::read_json(request).await?;
    let command = match (active, action) {
        (Some(pool), None) => Command::Switch(pool.into()),
        (None, Some(action)) => {
            let known = Action::ALL.iter().find(|(word, _)| *word == action);
            let (_, action) = known.ok_or_else(|| ApiError::bad("`action` must be pause, resume, advance or back"))?;
            Command::Act(*action)
        }
        _ => return Err(ApiError::bad("either `active` or `action` is needed")),
    };
    let owner = read_name(&name)?;
    let order = Order { owner: owner.clone().into(), command, reason: reason.into(), who: caller.who(who) };
    let Foreseen { effect, .. } = app.foresee(Proposal::Rollout(order.clone()), dry_run).await?;
    if dry_run {
        return app.rollouts(Some(&owner), None, None, effect).await;
    }
    app.control.roll_out(order).await.ok_or_else(ApiError::stopping)??;
    let (kept, fleet) = app.settled().await?;
    app.rollouts(Some(&owner), Some(kept), fleet, effect).await
}

/// `POST /v1/reports` with `{"endpoint": ..., "pool": ..., "requests": ..., "errors": ...}`.
pub(super) async fn report(app: &AppState, text: &str) -> Result<Response, ApiError> {
    let RequestsReport { endpoint, pool, requests, errors } =
        report::from_json(text).map_err(|why| ApiError::bad(format!("the body: {why}")))?;
    if errors > requests {
        return Err(ApiError::bad("`errors` must not be above `requests`"));
    }
    let requests = Requests { endpoint, pool: pool.map(Into::into), requests, errors };
    let taken = app.control.report(requests).await.ok_or_else(ApiError::stopping)?;
    let canaries = taken.map_err(|refusal| {
        let status = match refusal {
            RequestsRefusal::NoSubject => StatusCode::BAD_REQUEST,
            RequestsRefusal::UnknownEndpoint(_) | RequestsRefusal::UnknownPool(_) => StatusCode::NOT_FOUND,
        };
        ApiError::new(status, refusal.to_string())
    })?;
    // Too many errors cause a rollback. Wait until it is in force, if there is one.
    app.control.published().await.ok_or_else(ApiError::stopping)?;
    Ok(json(StatusCode::OK, report::to_json(&ReportTaken { canaries })))
}

fn read_name(text: &str) -> Result<String, ApiError> {
    Question::parse_name(text).map(|name| canonical(&name)).map_err(ApiError::bad)
}

impl From<rollout::RolloutRefusal> for ApiError {
    fn from(refusal: rollout::RolloutRefusal) -> Self {
        let status = match refusal {
            rollout::RolloutRefusal::Unknown(..) | rollout::RolloutRefusal::NoPool(..) => StatusCode::NOT_FOUND,
            rollout::RolloutRefusal::TooLong(..) => StatusCode::BAD_REQUEST,
            rollout::RolloutRefusal::NoCanary(_)
            | rollout::RolloutRefusal::NoSwitch(_)
            | rollout::RolloutRefusal::Phase(..)
            | rollout::RolloutRefusal::Already(_)
            | rollout::RolloutRefusal::NeverSwitched => StatusCode::CONFLICT,
        };
        Self::new(status, refusal.to_string())
    }
}

impl AppState {
    /// Answers with all roll-outs, or with the roll-out of one name. `kept` and `effect` are about the order that
    /// changed it.
    async fn rollouts(
        &self,
        owner: Option<&str>,
        kept: Option<bool>,
        fleet: Option<FleetShare>,
        effect: Option<OrderEffect>,
    ) -> Result<Response, ApiError> {
        let views = self.control.rollouts().await.ok_or_else(ApiError::stopping)?;
        let meant = views.into_iter().filter(|view| owner.is_none_or(|owner| *view.id.owner == *owner));
        let list = RolloutList { rollouts: meant.map(Into::into).collect(), time: unix_time(), kept, fleet, effect };
        match owner {
            Some(owner) if list.rollouts.is_empty() => {
                Err(ApiError::new(StatusCode::NOT_FOUND, format!("{owner} has no roll-out")))
            }
            _ => Ok(json(StatusCode::OK, report::to_json(&list))),
        }
    }
}
