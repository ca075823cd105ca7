//! `/v1/txt`: TXT records that are set while the node runs, for ACME's dns-01.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use tokio::sync::oneshot;

use super::gate::Caller;
use super::refusal::{ApiError, json};
use super::{AppState, Order, TxtDone, TxtOrder, body};
use crate::clock::{self, unix_time};
use crate::control::{MAX_TXT_LIFETIME, TxtError, TxtValue};
use crate::duration;
use crate::name::Name;
use crate::report::{self, Question, TxtChange, TxtList, TxtShape};

/// Default lifetime of a value. Certificate authorities check values within less time.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(10 * 60);

/// `GET /v1/txt`.
pub(super) async fn list(State(app): State<Arc<AppState>>) -> Result<Response, ApiError> {
    obey(&app, TxtOrder::List).await
}

/// `POST /v1/txt` with `{"name": ..., "value": ..., "for": ...}`. Answers as soon as the record is served.
pub(super) async fn set(
    State(app): State<Arc<AppState>>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Response, ApiError> {
    let (name, TxtChange { value, lifetime, .. }) = read(request).await?;
    let value = value.ok_or_else(|| ApiError::bad("`value` is needed"))?;
    let lifetime = match &lifetime {
        None => DEFAULT_LIFETIME,
        Some(text) => {
            let lifetime = duration::parse(text);
            let whole = lifetime.filter(|time| (Duration::from_secs(1)..=MAX_TXT_LIFETIME).contains(time));
            whole.ok_or_else(|| ApiError::bad("`for` takes a duration from 1s to 168h, such as \"10m\""))?
        }
    };
    // Rounded up to whole seconds, so that no record is removed too early.
    let until = (clock::wall() + lifetime).as_millis().div_ceil(1000) as u64;
    obey(&app, TxtOrder::Set(name, value, until, caller.who(String::new()))).await
}

/// `DELETE /v1/txt` with `{"name": ..., "value": ...}`. Without a value, removes all values that were set at the name.
/// It is not an error if there are none.
pub(super) async fn unset(
    State(app): State<Arc<AppState>>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Response, ApiError> {
    let (name, TxtChange { value, lifetime, .. }) = read(request).await?;
    if lifetime.is_some() {
        return Err(ApiError::bad("`for` is allowed only when a record is set"));
    }
    obey(&app, TxtOrder::Unset(name, value, caller.who(String::new()))).await
}

async fn read(request: Request) -> Result<(Name, TxtChange), ApiError> {
    let text = body::read(request, body::MAX_BODY).await?;
    let change: TxtChange = report::from_json(&text).map_err(|why| ApiError::bad(format!("the body: {why}")))?;
    let name = Question::parse_name(&change.name).map_err(|why| ApiError::bad(format!("`name`: {why}")))?;
    Ok((name, change))
}

async fn obey(app: &AppState, order: TxtOrder) -> Result<Response, ApiError> {
    let (is_order, (reply, done)) = (!matches!(order, TxtOrder::List), oneshot::channel());
    app.order(Order::Txt(order, reply))?;
    let TxtDone { records, served } = done.await.map_err(|_| ApiError::stopping())?.map_err(|error| refuse(&error))?;
    let generation = match served {
        None => None,
        Some(served) => served.await.ok().map(|snapshot| snapshot.generation()),
    };
    let fleet = if is_order { app.shared().await } else { None };
    let kept = if is_order { Some(app.on_disk().await) } else { None };
    let records = records.values().iter().map(shape).collect();
    let list = TxtList { records, time: unix_time(), generation, kept, fleet };
    Ok(json(StatusCode::OK, report::to_json(&list)))
}

fn refuse(error: &TxtError) -> ApiError {
    let status = match error {
        TxtError::BadLength(_) => StatusCode::BAD_REQUEST,
        TxtError::Unfit(_) | TxtError::Zone(_) => StatusCode::CONFLICT,
        TxtError::Full => StatusCode::INSUFFICIENT_STORAGE,
    };
    ApiError::new(status, error.to_string())
}

fn shape(TxtValue { name, value, until }: &TxtValue) -> TxtShape {
    TxtShape { name: name.to_string(), value: value.clone(), until: *until }
}
