//! `/metrics`: the counters of the node, for Prometheus and other programs that read its format.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};

use super::refusal::ApiError;
use super::{AppState, process};
use crate::report::{Format, Metrics, RolloutShape, StoreFacts};

/// `GET /metrics`.
pub(super) async fn get(State(app): State<Arc<AppState>>, headers: HeaderMap) -> Result<Response, ApiError> {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    let format = Format::of(accept);
    let _turn = app.long_work.acquire().await;
    let survey = app.control.survey().await.ok_or_else(ApiError::stopping)?;
    let overrides = app.control.overrides().await.ok_or_else(ApiError::stopping)?;
    let overrides: Vec<_> = overrides.iter().map(|(item, is_in_force)| (item.order.mode, *is_in_force)).collect();
    let rollouts = app.control.rollouts().await.ok_or_else(ApiError::stopping)?;
    let rollouts: Vec<RolloutShape> = rollouts.into_iter().map(RolloutShape::from).collect();
    let (is_writing, unwritten) = app.store.condition();
    let snapshot = app.published.load_full();
    let metrics = Metrics {
        snapshot: &snapshot,
        survey: &survey,
        totals: &app.tallies.totals(&snapshot),
        traffic: app.traffic(),
        node: &app.counters,
        probes: &app.probes,
        lateness: &app.lateness,
        overrides: &overrides,
        rollouts: &rollouts,
        store: StoreFacts { is_writing, unwritten },
        process: process::facts(),
    };
    let content_type = HeaderValue::from_static(format.content_type());
    Ok(([(header::CONTENT_TYPE, content_type)], metrics.text(format)).into_response())
}
