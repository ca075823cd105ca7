//! `/v1/rollouts`: how clients move to new pools; and `/v1/reports`: how those do.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::gate::Caller;
use super::refusal::{Refusal, json};
use super::{Office, body, unix_time};
use crate::control::{Requests, RequestsRefusal};
use crate::overrides::canonical;
use crate::report::{self, Question, ReportTaken, RequestsReport, RolloutList, RolloutOrder};
use crate::rollout::{self, Action, Command, Order};

/// `GET /v1/rollouts`.
pub(super) async fn list(State(office): State<Arc<Office>>) -> Result<Response, Refusal> {
    office.rollouts(None).await
}

/// `GET /v1/rollouts/NAME`.
pub(super) async fn show(State(office): State<Arc<Office>>, Path(name): Path<String>) -> Result<Response, Refusal> {
    office.rollouts(Some(&read_name(&name)?)).await
}

/// `POST /v1/rollouts/NAME` with `{"active": ...}` or `{"action": ...}`. The answer comes when it is served.
pub(super) async fn order(
    State(office): State<Arc<Office>>,
    Path(name): Path<String>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Response, Refusal> {
    let text = body::read(request, body::MAX_BODY).await?;
    let RolloutOrder { active, action, reason, who } =
        report::from_json(&text).map_err(|why| Refusal::bad(format!("the body: {why}")))?;
    let command = match (active, action) {
        (Some(pool), None) => Command::Switch(pool.into()),
        (None, Some(action)) => {
            let known = Action::ALL.iter().find(|(word, _)| *word == action);
            let (_, action) = known.ok_or_else(|| Refusal::bad("`action`: one of pause, resume, advance and back"))?;
            Command::Act(*action)
        }
        _ => return Err(Refusal::bad("one of `active` and `action` is needed")),
    };
    let owner = read_name(&name)?;
    let order = Order { owner: owner.clone().into(), command, reason: reason.into(), who: caller.who(who) };
    let done = office.control.roll_out(order).await.ok_or_else(Refusal::stopping)?;
    done.map_err(|refusal| refuse(&refusal))?;
    office.settled().await?;
    office.rollouts(Some(&owner)).await
}

/// `POST /v1/reports` with `{"endpoint": ..., "pool": ..., "requests": ..., "errors": ...}`.
pub(super) async fn report(office: &Office, text: &str) -> Result<Response, Refusal> {
    let RequestsReport { endpoint, pool, requests, errors } =
        report::from_json(text).map_err(|why| Refusal::bad(format!("the body: {why}")))?;
    if errors > requests {
        return Err(Refusal::bad("`errors`: more than `requests`"));
    }
    let requests = Requests { endpoint, pool: pool.map(Into::into), requests, errors };
    let taken = office.control.report(requests).await.ok_or_else(Refusal::stopping)?;
    let canaries = taken.map_err(|refusal| {
        let status = match refusal {
            RequestsRefusal::NoSubject => StatusCode::BAD_REQUEST,
            RequestsRefusal::UnknownEndpoint(_) | RequestsRefusal::UnknownPool(_) => StatusCode::NOT_FOUND,
        };
        Refusal::new(status, refusal.to_string())
    })?;
    // Too many errors take a canary back, and the answer tells that they were counted.
    office.control.published().await.ok_or_else(Refusal::stopping)?;
    Ok(json(StatusCode::OK, report::to_json(&ReportTaken { canaries })))
}

fn read_name(text: &str) -> Result<String, Refusal> {
    Question::parse_name(text).map(|name| canonical(&name)).map_err(Refusal::bad)
}

fn refuse(refusal: &rollout::Refusal) -> Refusal {
    let status = match refusal {
        rollout::Refusal::Unknown(..) | rollout::Refusal::NoPool(..) => StatusCode::NOT_FOUND,
        rollout::Refusal::TooLong(..) => StatusCode::BAD_REQUEST,
        rollout::Refusal::NoCanary(_)
        | rollout::Refusal::NoSwitch(_)
        | rollout::Refusal::Phase(..)
        | rollout::Refusal::Already(_)
        | rollout::Refusal::NeverSwitched => StatusCode::CONFLICT,
    };
    Refusal::new(status, refusal.to_string())
}

impl Office {
    /// All roll-outs, or that of a name.
    async fn rollouts(&self, owner: Option<&str>) -> Result<Response, Refusal> {
        let views = self.control.rollouts().await.ok_or_else(Refusal::stopping)?;
        let meant = views.into_iter().filter(|view| owner.is_none_or(|owner| *view.id.owner == *owner));
        let list = RolloutList { rollouts: meant.map(Into::into).collect(), time: unix_time() };
        match owner {
            Some(owner) if list.rollouts.is_empty() => {
                Err(Refusal::new(StatusCode::NOT_FOUND, format!("{owner} has no roll-out")))
            }
            _ => Ok(json(StatusCode::OK, report::to_json(&list))),
        }
    }
}
