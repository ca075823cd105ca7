//! `/v1/overrides`: overrides by operators.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::effect::Foreseen;
use super::gate::Caller;
use super::refusal::{ApiError, json};
use super::{AppState, body};
use crate::clock::{self, unix_time};
use crate::control::Proposal;
use crate::duration;
use crate::overrides::{self, Order, Override, Placement, Selector, TargetPattern};
use crate::report::{self, FleetShare, OrderEffect, OverrideList, OverrideOrder, OverrideSelector, OverrideShape};

/// `GET /v1/overrides`.
pub(super) async fn list(State(app): State<Arc<AppState>>) -> Result<Response, ApiError> {
    let all = app.control.overrides().await.ok_or_else(ApiError::stopping)?;
    let shape = |(item, in_force): &(Override, bool)| OverrideShape { in_force: Some(*in_force), ..item.into() };
    Ok(answer(all.iter().map(shape).collect(), Vec::new(), None, None, None))
}

/// `POST /v1/overrides` with `{"mode": ..., "target": ..., "for": ..., "reason": ...}`. Answers as soon as DNS answers
/// follow the override. With `"dry_run": true`, answers with its effect and changes nothing.
pub(super) async fn place(
    State(app): State<Arc<AppState>>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Response, ApiError> {
    let text = body::read(request, body::MAX_BODY).await?;
    let order: OverrideOrder = report::from_json(&text).map_err(|why| ApiError::bad(format!("the body: {why}")))?;
    let dry_run = order.dry_run;
    let placement = read_order(order, &caller)?;
    let Foreseen { changes, released, effect } = app.foresee(Proposal::Place(placement.clone()), dry_run).await?;
    if dry_run {
        return Ok(answer(changes.iter().map(Into::into).collect(), released, None, None, effect));
    }
    let placed = app.control.place(placement).await.ok_or_else(ApiError::stopping)??;
    let (kept, fleet) = app.settled().await?;
    Ok(answer(placed.iter().map(Into::into).collect(), released, Some(kept), fleet, effect))
}

/// `DELETE /v1/overrides` with `{"override": ...}` or `{"target": ...}`. Takes `"dry_run": true` too.
pub(super) async fn lift(
    State(app): State<Arc<AppState>>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Response, ApiError> {
    let text = body::read(request, body::MAX_BODY).await?;
    let selector: OverrideSelector =
        report::from_json(&text).map_err(|why| ApiError::bad(format!("the body: {why}")))?;
    let which = match (selector.number, selector.target) {
        (Some(number), None) => {
            Selector::Id(number.parse().map_err(|_| ApiError::bad(format!("`override`: `{number}` is not a number")))?)
        }
        (None, Some(target)) => Selector::Target(read_target(&target)?),
        _ => return Err(ApiError::bad("either `override` or `target` is needed")),
    };
    let dry_run = selector.dry_run;
    let Foreseen { changes, released, effect } = app.foresee(Proposal::Lift(which.clone()), dry_run).await?;
    if dry_run {
        return Ok(answer(changes.iter().map(Into::into).collect(), released, None, None, effect));
    }
    let lifted = app.control.lift(which, caller.who(selector.who)).await.ok_or_else(ApiError::stopping)??;
    let (kept, fleet) = app.settled().await?;
    Ok(answer(lifted.iter().map(Into::into).collect(), released, Some(kept), fleet, effect))
}

fn read_order(
    OverrideOrder { mode, target, lifetime, from, over, reason, who, dry_run: _ }: OverrideOrder,
    caller: &Caller,
) -> Result<Placement, ApiError> {
    let lifetime = lifetime.map(|text| read_duration("for", &text)).transpose()?;
    let over = over.map(|text| read_duration("over", &text)).transpose()?;
    let from = from.map(Duration::from_secs);
    if lifetime.is_some_and(|lifetime| from.unwrap_or_else(clock::wall).checked_add(lifetime).is_none()) {
        return Err(ApiError::bad("`for` is too long"));
    }
    let order = Order {
        mode: mode.parse().map_err(|error: overrides::UnknownMode| ApiError::bad(format!("`mode`: {error}")))?,
        target: read_target(&target)?,
        from,
        until: None,
        over,
        reason: reason.into(),
        who: caller.who(who),
    };
    Ok(Placement { order, lifetime })
}

fn read_duration(key: &str, text: &str) -> Result<Duration, ApiError> {
    let parsed = duration::parse(text).filter(|time| !time.is_zero());
    parsed.ok_or_else(|| ApiError::bad(format!("`{key}` takes a duration such as \"2h\"")))
}

fn read_target(text: &str) -> Result<TargetPattern, ApiError> {
    text.parse().map_err(|error: overrides::TargetPatternError| ApiError::bad(format!("`target`: {error}")))
}

impl From<overrides::OverrideRefusal> for ApiError {
    fn from(refusal: overrides::OverrideRefusal) -> Self {
        let status = match refusal {
            overrides::OverrideRefusal::Unknown(..) | overrides::OverrideRefusal::NotPlaced(_) => StatusCode::NOT_FOUND,
            overrides::OverrideRefusal::Over
            | overrides::OverrideRefusal::NotGradual
            | overrides::OverrideRefusal::NotInName
            | overrides::OverrideRefusal::TooLong => StatusCode::BAD_REQUEST,
            overrides::OverrideRefusal::TooMany => StatusCode::INSUFFICIENT_STORAGE,
            overrides::OverrideRefusal::IsWindow(_) => StatusCode::CONFLICT,
        };
        Self::new(status, refusal.to_string())
    }
}

fn answer(
    overrides: Vec<OverrideShape>,
    released: Vec<String>,
    kept: Option<bool>,
    fleet: Option<FleetShare>,
    effect: Option<OrderEffect>,
) -> Response {
    json(StatusCode::OK, report::to_json(&OverrideList { overrides, released, time: unix_time(), kept, fleet, effect }))
}
