//! `/v1/zones`: the versions of the zones that the fleet serves.
//!
//! | path | |
//! | --- | --- |
//! | `GET /v1/zones` | the versions that are current, and those of before |
//! | `POST /v1/zones` | check files, and push them as a version |
//! | `POST /v1/zones/rollback` | push the files of an earlier version |
//! | `POST /v1/zones/promote` | let all nodes have the version that some have first |

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, StatusCode};
use axum::response::Response;
use tokio::sync::oneshot;

use super::body;
use super::gate::Caller;
use super::refusal::{ApiError, json, problem, refuse};
use super::routes::{Parameters, QueryPairs};
use super::{AppState, Order, ZonesError, ZonesOrder, ZonesPush, ZonesPushed, ZonesView};
use crate::clock::unix_time;
use crate::config::Faults;
use crate::report::{self, ZonesList, ZonesPromotion, ZonesPushOrder, ZonesPushResult, ZonesRelease, ZonesRollBack};
use crate::versions::{MAX_OCTETS, ReleasesError};

/// Maximum length of a body in octets: the files, whose characters may need escapes.
const MAX_PUSH: usize = 2 * MAX_OCTETS;

/// Maximum time of a body: less than that of a whole request, with time left for the stream of the fleet.
const PUSH_TIME: Duration = Duration::from_secs(30);

/// `GET /v1/zones`.
pub(super) async fn list(State(app): State<Arc<AppState>>, query: QueryPairs) -> Result<Response, ApiError> {
    Parameters::new(query)?.finish()?;
    let (reply, shown) = oneshot::channel();
    app.order(Order::Zones(ZonesOrder::Show(reply)))?;
    let ZonesView { current, serving, refused } = shown.await.map_err(|_| ApiError::stopping())?.map_err(plain)?;
    let list = ZonesList::new(current.as_ref(), serving.as_ref(), refused.as_ref(), unix_time());
    Ok(json(StatusCode::OK, report::to_json(&list)))
}

/// `POST /v1/zones`. Answers as soon as the fleet has the version, or it is refused.
pub(super) async fn push(
    State(app): State<Arc<AppState>>,
    Extension(caller): Extension<Caller>,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    let text = body::read_within(request, MAX_PUSH, PUSH_TIME).await?;
    let order: ZonesPushOrder = report::from_json(&text).map_err(|why| ApiError::bad(format!("the body: {why}")))?;
    let unfit = |why: String| ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, why);
    let files = order.read_files().map_err(unfit)?;
    let nodes = order.read_nodes().map_err(ApiError::bad)?;
    let ZonesPushOrder { files: _, comment, who, nodes: _, based_on, force, dry_run } = order;
    let (who, comment) = (caller.who(who), comment.into());
    let push = ZonesPush { files, who, comment, nodes, based_on, is_forced: force, is_roll_back: false, dry_run };
    answer(&app, push).await
}

/// `POST /v1/zones/rollback`.
pub(super) async fn roll_back(
    State(app): State<Arc<AppState>>,
    Extension(caller): Extension<Caller>,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    let ZonesRollBack { version, comment, who, dry_run } = body::read_json(request).await?;
    let (reply, found) = oneshot::channel();
    app.order(Order::Zones(ZonesOrder::Files(version, reply)))?;
    let (release, files) = found.await.map_err(|_| ApiError::stopping())?.map_err(plain)?;
    let comment = if comment.is_empty() { format!("the files of version {}", release.number) } else { comment };
    let (who, comment, nodes) = (caller.who(who), comment.into(), Vec::new());
    // It ends what some nodes have first.
    let (is_forced, is_roll_back, based_on) = (true, true, None);
    let push = ZonesPush { files, who, comment, nodes, based_on, is_forced, is_roll_back, dry_run };
    answer(&app, push).await
}

/// `POST /v1/zones/promote`.
pub(super) async fn promote(
    State(app): State<Arc<AppState>>,
    Extension(caller): Extension<Caller>,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    let ZonesPromotion { who } = body::read_json(request).await?;
    let (reply, promoted) = oneshot::channel();
    app.order(Order::Zones(ZonesOrder::Promote(caller.who(who), reply)))?;
    let release = promoted.await.map_err(|_| ApiError::stopping())?.map_err(plain)?;
    let result =
        ZonesPushResult { release: Some(ZonesRelease::new(&release)), ..ZonesPushResult::refused(Faults::default()) };
    Ok(json(StatusCode::OK, report::to_json(&result)))
}

async fn answer(app: &AppState, push: ZonesPush) -> Result<Response, ApiError> {
    let (reply, pushed) = oneshot::channel();
    app.order(Order::Zones(ZonesOrder::Push(Box::new(push), reply)))?;
    match pushed.await.map_err(|_| ApiError::stopping())? {
        Ok(ZonesPushed { release, is_same, warnings, zones: [added, changed, removed], effect }) => {
            let release = release.as_ref().map(ZonesRelease::new);
            let (detail, unchanged, faults) = (None, is_same, warnings);
            let result = ZonesPushResult { detail, release, unchanged, faults, added, changed, removed, effect };
            Ok(json(StatusCode::OK, report::to_json(&result)))
        }
        Err(ZonesError::Faults(faults)) => {
            let why = "the files have errors, so nothing was pushed".to_owned();
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            Ok(refuse(status, problem(status, why).to_json_with(&ZonesPushResult::refused(faults))))
        }
        Err(other) => Err(plain(other)),
    }
}

/// The refusal of an order that has nothing to do with the contents of files.
fn plain(error: ZonesError) -> ApiError {
    match error {
        ZonesError::NotTaken => ApiError::new(
            StatusCode::CONFLICT,
            "this node does not take its zones from its fleet: set `zones = true` in [fleet]",
        ),
        ZonesError::Faults(faults) => ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, faults.first()),
        ZonesError::Releases(error) => {
            let status = match error {
                ReleasesError::Unknown(_) => StatusCode::NOT_FOUND,
                ReleasesError::TooLong => StatusCode::BAD_REQUEST,
                ReleasesError::Overtaken(_)
                | ReleasesError::CanaryRuns(_)
                | ReleasesError::NoCanary
                | ReleasesError::NothingBefore => StatusCode::CONFLICT,
            };
            ApiError::new(status, error.to_string())
        }
        ZonesError::Broken(why) => ApiError::unavailable(why),
    }
}
