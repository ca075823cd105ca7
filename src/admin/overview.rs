//! The paths that the page reads: `/v1/overview`, `/v1/decisions`, `/v1/history` and `GET /v1/latency`. Also `/v1/fleet`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::AppState;
use super::refusal::{ApiError, json};
use super::routes::{Parameters, QueryPairs};
use crate::clock::unix_time;
use crate::report::{self, Decisions, Filter, FleetView, History, LatencyMatrix, Overview, Question};
use crate::snapshot::Snapshot;

/// `GET /v1/overview`.
pub(super) async fn get(State(app): State<Arc<AppState>>, query: QueryPairs) -> Result<Response, ApiError> {
    Parameters::new(query)?.finish()?;
    let _turn = app.long_work.acquire().await;
    let snapshot = app.published.load_full();
    let totals = app.tallies.totals(&snapshot);
    // No names here: the overview lists them with their decisions.
    let status = app.status(&snapshot, &totals, &Filter { limit: Some(0), ..Filter::default() }).await?;
    let decisions = decided(&app, &snapshot).await?;
    let overview = Overview::new(status, &snapshot, &totals, &decisions);
    Ok(json(StatusCode::OK, report::to_json_line(&overview)))
}

/// `GET /v1/decisions?name=`.
pub(super) async fn decisions(State(app): State<Arc<AppState>>, query: QueryPairs) -> Result<Response, ApiError> {
    let mut parameters = Parameters::new(query)?;
    let name = parameters.take("name", Question::parse_name)?;
    parameters.finish()?;
    let name = name.ok_or_else(|| ApiError::bad("`name` is needed: /v1/decisions?name=www.example.com"))?;
    let _turn = app.long_work.acquire().await;
    let snapshot = app.published.load_full();
    let decisions = decided(&app, &snapshot).await?;
    match decisions.of_name(&snapshot, &name) {
        Some(group) => Ok(json(StatusCode::OK, report::to_json_line(&group))),
        None if decisions.more > 0 => Err(ApiError::new(
            StatusCode::NOT_FOUND,
            format!("{name} is not steered here, or it is beyond the limit of names whose decisions are computed"),
        )),
        None => Err(ApiError::new(StatusCode::NOT_FOUND, format!("{name} is not steered here"))),
    }
}

/// Returns the decisions of a snapshot. The calculation takes up to a second of one processor, on a thread for such
/// work.
async fn decided(app: &Arc<AppState>, snapshot: &Arc<Snapshot>) -> Result<Arc<Decisions>, ApiError> {
    let (app, snapshot) = (app.clone(), snapshot.clone());
    let decided = tokio::task::spawn_blocking(move || app.decisions.of(&snapshot)).await;
    decided.map_err(|_| ApiError::unavailable("the calculation of decisions panicked: this is a bug of truenorth"))
}

/// `GET /v1/history?pool=`.
pub(super) async fn history(State(app): State<Arc<AppState>>, query: QueryPairs) -> Result<Response, ApiError> {
    let mut parameters = Parameters::new(query)?;
    let pool = parameters.take("pool", |text| Ok(text.to_owned()))?;
    parameters.finish()?;
    let pool = pool.ok_or_else(|| ApiError::bad("`pool` is needed: /v1/history?pool=web/fra"))?;
    let _turn = app.long_work.acquire().await;
    let snapshot = app.published.load_full();
    match History::new(&snapshot, &app.history, &pool, unix_time()) {
        Some(history) => Ok(json(StatusCode::OK, report::to_json_line(&history))),
        None => Err(ApiError::new(StatusCode::NOT_FOUND, format!("there is no pool `{pool}`"))),
    }
}

/// `GET /v1/latency`.
pub(super) async fn latency(State(app): State<Arc<AppState>>, query: QueryPairs) -> Result<Response, ApiError> {
    Parameters::new(query)?.finish()?;
    let _turn = app.long_work.acquire().await;
    let snapshot = app.published.load_full();
    Ok(json(StatusCode::OK, report::to_json_line(&LatencyMatrix::new(&snapshot))))
}

/// `GET /v1/fleet`.
pub(super) async fn fleet(State(app): State<Arc<AppState>>, query: QueryPairs) -> Result<Response, ApiError> {
    Parameters::new(query)?.finish()?;
    let survey = app.control.survey().await.ok_or_else(ApiError::stopping)?;
    let _turn = app.long_work.acquire().await;
    let snapshot = app.published.load_full();
    match FleetView::new(snapshot.world(), &survey, unix_time()) {
        Some(view) => Ok(json(StatusCode::OK, report::to_json(&view))),
        None => Err(ApiError::new(StatusCode::NOT_FOUND, "this node has no fleet: its server file has no `[fleet]`")),
    }
}
