//! `/v1/overrides`: overrides by operators.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::effect::Foreseen;
use super::gate::Caller;
use super::refusal::{ApiError, json};
use super::{AppState, body};
use crate::clock::{self, unix_time};
use crate::control::Proposal;
use crate::duration;
use crate::overrides::{self, Order, Override, OverrideId, OverrideRefusal, Placement, Selector, TargetPattern};
use crate::report::{self, OverrideList, OverrideOrder, OverrideSelector, OverrideShape, TargetOrder};

/// `GET /v1/overrides`.
pub(super) async fn list(State(app): State<Arc<AppState>>) -> Result<Response, ApiError> {
    let all = app.control.overrides().await.ok_or_else(ApiError::stopping)?;
    let shape = |(item, in_force): &(Override, bool)| OverrideShape { in_force: Some(*in_force), ..item.into() };
    let list =
        OverrideList { overrides: all.iter().map(shape).collect(), time: unix_time(), ..OverrideList::default() };
    Ok(json(StatusCode::OK, report::to_json(&list)))
}

/// `POST /v1/overrides` with `{"mode": ..., "target": ..., "for": ..., "reason": ...}`. Answers as soon as DNS answers
/// follow the override. With `"dry_run": true`, answers with its effect and changes nothing.
pub(super) async fn place(
    State(app): State<Arc<AppState>>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Response, ApiError> {
    let order: OverrideOrder = body::read_json(request).await?;
    let dry_run = order.dry_run;
    let list = app.place(read_order(order, &caller)?, dry_run).await?;
    Ok(json(StatusCode::OK, report::to_json(&list)))
}

/// `DELETE /v1/overrides` with `{"override": ...}` or `{"target": ...}`. Takes `"dry_run": true` too.
pub(super) async fn lift(
    State(app): State<Arc<AppState>>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Response, ApiError> {
    let selector: OverrideSelector = body::read_json(request).await?;
    let which = match (selector.number, selector.target) {
        (Some(number), None) => {
            Selector::Id(number.parse().map_err(|_| ApiError::bad(format!("`override`: `{number}` is not a number")))?)
        }
        (None, Some(target)) => Selector::Target(read_target(&target)?),
        _ => return Err(ApiError::bad("either `override` or `target` is needed")),
    };
    let list = app.lift(which, caller.who(selector.who), selector.dry_run).await?;
    Ok(json(StatusCode::OK, report::to_json(&list)))
}

/// `GET /v1/overrides/{override}`: the override with this number, or the one that counts of those that were placed on
/// this target.
pub(super) async fn show(State(app): State<Arc<AppState>>, Path(which): Path<String>) -> Result<Response, ApiError> {
    let which = read_selector(&which)?;
    let all = app.control.overrides().await.ok_or_else(ApiError::stopping)?;
    let found = match &which {
        Selector::Id(id) => all.iter().find(|(item, _)| item.id == *id),
        Selector::Target(target) => {
            let placed = all.iter().filter(|(item, _)| matches!(item.id, OverrideId::Placed(_)));
            // One that is in force comes before one that begins later; of several in force the latest counts.
            placed
                .filter(|(item, _)| item.order.target == *target)
                .max_by_key(|(item, in_force)| (*in_force, item.made_at, item.id))
        }
    };
    let (item, in_force) = found.ok_or(OverrideRefusal::NotPlaced(which))?;
    let shape = OverrideShape { in_force: Some(*in_force), ..item.into() };
    Ok(json(StatusCode::OK, report::to_json(&shape)))
}

/// `PUT /v1/overrides/{target}` with `{"mode": ..., "reason": ...}`. Places an override in place of the one that is in
/// force on the target.
pub(super) async fn put(
    State(app): State<Arc<AppState>>,
    Path(target): Path<String>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Response, ApiError> {
    let TargetOrder { mode, target: named, lifetime, over, reason, who } = body::read_json(request).await?;
    let meant = read_target(&target)?;
    if let Some(named) = named
        && read_target(&named)? != meant
    {
        return Err(ApiError::bad(format!("`target` is another than {meant}, which the path is for")));
    }
    let order = OverrideOrder { mode, target, lifetime, from: None, over, reason, who, dry_run: false };
    let list = app.place(read_order(order, &caller)?, false).await?;
    let has = |happening: &str| list.overrides.iter().any(|item| item.happening.as_deref() == Some(happening));
    let status = if has("placed") && !has("lifted") { StatusCode::CREATED } else { StatusCode::OK };
    Ok(json(status, report::to_json(&list)))
}

/// `DELETE /v1/overrides/{override}`: lifts the override with this number, or all that were placed on this target.
pub(super) async fn remove(
    State(app): State<Arc<AppState>>,
    Path(which): Path<String>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, ApiError> {
    let list = app.lift(read_selector(&which)?, caller.who(String::new()), false).await?;
    Ok(json(StatusCode::OK, report::to_json(&list)))
}

impl AppState {
    async fn place(&self, placement: Placement, dry_run: bool) -> Result<OverrideList, ApiError> {
        let foreseen = self.foresee(Proposal::Place(placement.clone()), dry_run).await?;
        if dry_run {
            return Ok(list_of_changes(foreseen));
        }
        let changes = self.control.place(placement).await.ok_or_else(ApiError::stopping)??;
        let (kept, fleet) = self.settled().await?;
        Ok(OverrideList { kept: Some(kept), fleet, ..list_of_changes(Foreseen { changes, ..foreseen }) })
    }

    async fn lift(&self, which: Selector, who: Box<str>, dry_run: bool) -> Result<OverrideList, ApiError> {
        let foreseen = self.foresee(Proposal::Lift(which.clone()), dry_run).await?;
        if dry_run {
            return Ok(list_of_changes(foreseen));
        }
        let changes = self.control.lift(which, who).await.ok_or_else(ApiError::stopping)??;
        let (kept, fleet) = self.settled().await?;
        Ok(OverrideList { kept: Some(kept), fleet, ..list_of_changes(Foreseen { changes, ..foreseen }) })
    }
}

/// Reads the number of an override, or a target.
fn read_selector(text: &str) -> Result<Selector, ApiError> {
    match text.parse() {
        Ok(id) => Ok(Selector::Id(id)),
        Err(_) if text.contains(':') => Ok(Selector::Target(read_target(text)?)),
        Err(_) => Err(ApiError::bad("the path ends with the number of an override or with its target")),
    }
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

impl From<OverrideRefusal> for ApiError {
    fn from(refusal: OverrideRefusal) -> Self {
        let status = match refusal {
            OverrideRefusal::Unknown(..) | OverrideRefusal::NotPlaced(_) => StatusCode::NOT_FOUND,
            OverrideRefusal::Over
            | OverrideRefusal::NotGradual
            | OverrideRefusal::NotInName
            | OverrideRefusal::TooLong => StatusCode::BAD_REQUEST,
            OverrideRefusal::TooMany => StatusCode::INSUFFICIENT_STORAGE,
            OverrideRefusal::IsWindow(_) => StatusCode::CONFLICT,
        };
        Self::new(status, refusal.to_string())
    }
}

fn list_of_changes(Foreseen { changes, released, effect }: Foreseen) -> OverrideList {
    let overrides = changes.iter().map(Into::into).collect();
    OverrideList { overrides, released, time: unix_time(), kept: None, fleet: None, effect }
}
