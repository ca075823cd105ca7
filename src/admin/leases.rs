//! `/v1/pools/{pool}/endpoints`: endpoints that register themselves.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use tokio::sync::oneshot;

use super::gate::Caller;
use super::refusal::{ApiError, json};
use super::routes::{Parameters, QueryPairs};
use super::{AppState, LeaseDone, LeaseOrder, Order, body};
use crate::clock::unix_time;
use crate::duration;
use crate::lease::{Claim, Claimed, LeaseId, LeaseRefusal, MAX_TTL, MIN_TTL, PoolChoice};
use crate::name::Name;
use crate::report::{self, LeaseClaim, LeaseList, LeaseShape, Question};
use crate::snapshot::Capacity;

/// The longest drain of an endpoint that leaves.
const MAX_DRAIN: Duration = Duration::from_secs(24 * 3600);

/// True for the path of one lease.
pub(super) fn is_lease(path: &str) -> bool {
    path.starts_with("/v1/pools/")
}

/// `GET /v1/leases`.
pub(super) async fn all(State(app): State<Arc<AppState>>) -> Result<Response, ApiError> {
    let done = obey(&app, LeaseOrder::List(None)).await?;
    Ok(answer(StatusCode::OK, &done, None))
}

/// `GET /v1/pools/{pool}/endpoints?datacenter=&zone=`.
pub(super) async fn list(
    State(app): State<Arc<AppState>>,
    Path(pool): Path<String>,
    query: QueryPairs,
) -> Result<Response, ApiError> {
    let mut parameters = Parameters::new(query)?;
    let choice = choice(pool, &mut parameters)?;
    parameters.finish()?;
    let done = obey(&app, LeaseOrder::List(Some(choice))).await?;
    Ok(answer(StatusCode::OK, &done, None))
}

/// `GET /v1/pools/{pool}/endpoints/{id}?datacenter=&zone=`.
pub(super) async fn show(
    State(app): State<Arc<AppState>>,
    Path((pool, id)): Path<(String, String)>,
    query: QueryPairs,
) -> Result<Response, ApiError> {
    let mut parameters = Parameters::new(query)?;
    let choice = choice(pool, &mut parameters)?;
    parameters.finish()?;
    let done = obey(&app, LeaseOrder::Show(choice, read_id(&id)?)).await?;
    let view = done.leases.first().ok_or_else(|| ApiError::new(StatusCode::NOT_FOUND, "there is no such lease"))?;
    Ok(json(StatusCode::OK, report::to_json(&LeaseShape::new(view, unix_time()))))
}

/// `PUT /v1/pools/{pool}/endpoints/{id}` with `{"address": ..., "ttl": ...}`. Registers an endpoint, or renews its lease.
pub(super) async fn claim(
    State(app): State<Arc<AppState>>,
    Path((pool, id)): Path<(String, String)>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Response, ApiError> {
    let LeaseClaim { address, ttl, weight, capacity, datacenter, zone } = body::read_json(request).await?;
    let address = address.parse().map_err(|_| ApiError::bad(format!("`address`: `{address}` is not an address")))?;
    let ttl = duration::parse(&ttl).filter(|ttl| (MIN_TTL..=MAX_TTL).contains(ttl));
    let ttl = ttl.ok_or_else(|| ApiError::bad("`ttl` takes a duration from 1s to 24h, such as \"30s\""))?;
    let of_load = |load| Capacity::try_new(load).ok_or_else(|| ApiError::bad("`capacity` takes a number above 0"));
    let capacity = capacity.map(of_load).transpose()?;
    let zone = zone.as_deref().map(read_zone).transpose().map_err(ApiError::bad)?;
    let choice = PoolChoice { pool: pool.into(), datacenter: datacenter.map(Into::into), zone };
    let order = LeaseOrder::Claim(choice, read_id(&id)?, Claim { address, weight, capacity, ttl }, caller.asker());
    let done = obey(&app, order).await?;
    // A renewal need not be on disk: after a restart, an endpoint has time enough to renew.
    let kept = if done.claimed == Some(Claimed::Renewed) { None } else { Some(app.on_disk().await) };
    let status = if done.claimed == Some(Claimed::New) { StatusCode::CREATED } else { StatusCode::OK };
    Ok(answer(status, &done, kept))
}

/// `DELETE /v1/pools/{pool}/endpoints/{id}?drain=&datacenter=&zone=`.
pub(super) async fn release(
    State(app): State<Arc<AppState>>,
    Path((pool, id)): Path<(String, String)>,
    Extension(caller): Extension<Caller>,
    query: QueryPairs,
) -> Result<Response, ApiError> {
    let mut parameters = Parameters::new(query)?;
    let choice = choice(pool, &mut parameters)?;
    let read_drain = |text: &str| {
        let drain = duration::parse(text).filter(|drain| *drain <= MAX_DRAIN);
        drain.ok_or_else(|| "takes a duration up to 24h, such as \"30s\"".to_owned())
    };
    let drain = parameters.take("drain", read_drain)?.unwrap_or_default();
    parameters.finish()?;
    let done = obey(&app, LeaseOrder::Release(choice, read_id(&id)?, drain, caller.asker())).await?;
    Ok(answer(StatusCode::OK, &done, Some(app.on_disk().await)))
}

fn choice(pool: String, parameters: &mut Parameters) -> Result<PoolChoice, ApiError> {
    let datacenter = parameters.take("datacenter", |text| Ok(text.into()))?;
    let zone = parameters.take("zone", read_zone)?;
    Ok(PoolChoice { pool: pool.into(), datacenter, zone })
}

fn read_zone(text: &str) -> Result<Name, String> {
    Question::parse_name(text)
}

fn read_id(text: &str) -> Result<LeaseId, ApiError> {
    text.parse().map_err(ApiError::bad)
}

async fn obey(app: &AppState, order: LeaseOrder) -> Result<LeaseDone, ApiError> {
    let (reply, done) = oneshot::channel();
    let busy = |_| ApiError::unavailable("too many claims are waiting already: try again");
    app.leases.try_send(Order::Lease(order, reply)).map_err(busy)?;
    Ok(done.await.map_err(|_| ApiError::stopping())??)
}

impl From<LeaseRefusal> for ApiError {
    fn from(refusal: LeaseRefusal) -> Self {
        let status = match refusal {
            LeaseRefusal::NoPool(_) | LeaseRefusal::NoLease(..) => StatusCode::NOT_FOUND,
            LeaseRefusal::SeveralPools(..) | LeaseRefusal::BadAddress(..) => StatusCode::UNPROCESSABLE_ENTITY,
            LeaseRefusal::Closed(_)
            | LeaseRefusal::Discovered(..)
            | LeaseRefusal::Outside(..)
            | LeaseRefusal::Stranger(..)
            | LeaseRefusal::Foreign(..) => StatusCode::FORBIDDEN,
            LeaseRefusal::InFiles(..)
            | LeaseRefusal::AddressHeld(..)
            | LeaseRefusal::IdHeld(..)
            | LeaseRefusal::Full(..) => StatusCode::CONFLICT,
        };
        Self::new(status, refusal.to_string())
    }
}

fn answer(status: StatusCode, done: &LeaseDone, kept: Option<bool>) -> Response {
    let time = unix_time();
    let leases = done.leases.iter().map(|view| LeaseShape::new(view, time)).collect();
    json(status, report::to_json(&LeaseList { leases, time, kept }))
}
