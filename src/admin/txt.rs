//! `/v1/txt`: TXT records that are set while the node runs, for ACME's dns-01.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use tokio::sync::oneshot;

use super::gate::Caller;
use super::refusal::{ApiError, json};
use super::{AppState, Order, TxtDone, TxtOrder, body};
use crate::clock::{self, unix_time};
use crate::control::{DynamicTxt, MAX_TXT_LIFETIME, TxtError, TxtValue};
use crate::duration;
use crate::name::Name;
use crate::printable::Printable;
use crate::report::{self, FleetShare, Question, TxtChange, TxtList, TxtOfName, TxtReplacement, TxtShape};

/// Default lifetime of a value. Certificate authorities check values within less time.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(10 * 60);

/// True for the paths of TXT records.
pub(super) fn is_txt(path: &str) -> bool {
    path.strip_prefix("/v1/txt").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The result of an order, with what became of it.
struct Done {
    records: DynamicTxt,
    is_first: bool,
    generation: Option<u64>,
    kept: Option<bool>,
    fleet: Option<FleetShare>,
}

/// `GET /v1/txt`.
pub(super) async fn list(State(app): State<Arc<AppState>>) -> Result<Response, ApiError> {
    Ok(all(obey(&app, TxtOrder::List).await?))
}

/// `POST /v1/txt` with `{"name": ..., "value": ..., "for": ...}`. Answers as soon as the record is served.
pub(super) async fn set(
    State(app): State<Arc<AppState>>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Response, ApiError> {
    let TxtChange { name, value, lifetime } = body::read_json(request).await?;
    let name = read_name(&name)?;
    let value = value.ok_or_else(|| ApiError::bad("`value` is needed"))?;
    let until = read_end(lifetime.as_deref())?;
    Ok(all(obey(&app, TxtOrder::Set(name, value, until, caller.who(String::new()))).await?))
}

/// `DELETE /v1/txt` with `{"name": ..., "value": ...}`. Without a value, removes all values that were set at the name.
/// It is not an error if there are none.
pub(super) async fn unset(
    State(app): State<Arc<AppState>>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Response, ApiError> {
    let TxtChange { name, value, lifetime } = body::read_json(request).await?;
    let name = read_name(&name)?;
    if lifetime.is_some() {
        return Err(ApiError::bad("`for` is allowed only when a record is set"));
    }
    Ok(all(obey(&app, TxtOrder::Unset(name, value, caller.who(String::new()))).await?))
}

/// `GET /v1/txt/{name}`: the values that are set at one name.
pub(super) async fn show(State(app): State<Arc<AppState>>, Path(name): Path<String>) -> Result<Response, ApiError> {
    let name = read_name(&name)?;
    one(&name, obey(&app, TxtOrder::List).await?)
}

/// `PUT /v1/txt/{name}` with `{"values": [...], "for": ...}`. Replaces the values that are set at the name, and answers
/// as soon as they are served.
pub(super) async fn replace(
    State(app): State<Arc<AppState>>,
    Path(name): Path<String>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Response, ApiError> {
    let TxtReplacement { name: named, mut values, lifetime } = body::read_json(request).await?;
    let name = read_name(&name)?;
    if let Some(named) = named
        && read_name(&named)? != name
    {
        return Err(ApiError::bad(format!("`name` is {named}, but the path is for {name}")));
    }
    values.sort_unstable();
    if values.is_empty() {
        return Err(ApiError::bad("`values` is empty: DELETE removes all values of a name"));
    }
    if let Some((twice, _)) = values.iter().zip(values.iter().skip(1)).find(|(value, next)| value == next) {
        return Err(ApiError::bad(format!("`values` has `{}` twice", Printable(twice))));
    }
    let until = read_end(lifetime.as_deref())?;
    let order = TxtOrder::Replace(name.clone(), values, until, caller.who(String::new()));
    one(&name, obey(&app, order).await?)
}

/// `DELETE /v1/txt/{name}`: removes all values that are set at the name. It is not an error if there are none.
pub(super) async fn remove(
    State(app): State<Arc<AppState>>,
    Path(name): Path<String>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, ApiError> {
    Ok(all(obey(&app, TxtOrder::Unset(read_name(&name)?, None, caller.who(String::new()))).await?))
}

fn read_name(text: &str) -> Result<Name, ApiError> {
    Question::parse_name(text).map_err(|why| ApiError::bad(format!("`name`: {why}")))
}

/// Returns when a value expires that has this lifetime from now on: Unix time in seconds.
fn read_end(lifetime: Option<&str>) -> Result<u64, ApiError> {
    let lifetime = match lifetime {
        None => DEFAULT_LIFETIME,
        Some(text) => {
            let lifetime = duration::parse(text);
            let whole = lifetime.filter(|time| (Duration::from_secs(1)..=MAX_TXT_LIFETIME).contains(time));
            whole.ok_or_else(|| ApiError::bad("`for` takes a duration from 1s to 168h, such as \"10m\""))?
        }
    };
    // Rounded up to whole seconds, so that no record is removed too early.
    Ok((clock::wall() + lifetime).as_millis().div_ceil(1000) as u64)
}

async fn obey(app: &AppState, order: TxtOrder) -> Result<Done, ApiError> {
    let (is_order, (reply, done)) = (!matches!(order, TxtOrder::List), oneshot::channel());
    app.order(Order::Txt(order, reply))?;
    let done = done.await.map_err(|_| ApiError::stopping())?;
    let TxtDone { records, is_first, served } = done.map_err(|error| refuse(&error))?;
    let generation = match served {
        None => None,
        Some(served) => served.await.ok().map(|snapshot| snapshot.generation()),
    };
    let fleet = if is_order { app.shared().await } else { None };
    let kept = if is_order { Some(app.on_disk().await) } else { None };
    Ok(Done { records, is_first, generation, kept, fleet })
}

/// Returns the response with all records.
fn all(Done { records, is_first: _, generation, kept, fleet }: Done) -> Response {
    let records = records.values().iter().map(shape).collect();
    json(StatusCode::OK, report::to_json(&TxtList { records, time: unix_time(), generation, kept, fleet }))
}

/// Returns the response with the records of a name. Fails if there are none.
fn one(name: &Name, Done { records, is_first, generation, kept, fleet }: Done) -> Result<Response, ApiError> {
    let Some(until) = records.of(name).map(|value| value.until).min() else {
        return Err(ApiError::new(StatusCode::NOT_FOUND, format!("no TXT record is set at {name}")));
    };
    let mut values: Vec<String> = records.of(name).map(|value| value.value.clone()).collect();
    values.sort_unstable();
    let status = if is_first { StatusCode::CREATED } else { StatusCode::OK };
    let shape = TxtOfName { name: name.to_string(), values, until, generation, kept, fleet };
    Ok(json(status, report::to_json(&shape)))
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
