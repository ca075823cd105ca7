//! Round trips that clients, or their datacenters, measured.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, StatusCode};
use axum::response::Response;
use tokio::task::spawn_blocking;

use super::refusal::{Refusal, json};
use super::{Office, body};
use crate::control::Event;
use crate::report::{self, Measurements};

/// Octets of a body: a hundred thousand lines or so.
const MAX_BODY: usize = 8 << 20;

/// Samples that control takes in between two other events: a few milliseconds' worth.
const BATCH: usize = 1000;

/// `POST /v1/latency` with a measurement in each line. Good lines count, whatever the others are.
pub(super) async fn push(State(office): State<Arc<Office>>, request: Request<Body>) -> Result<Response, Refusal> {
    let text = body::read(request, MAX_BODY).await?;
    let snapshot = office.published.load_full();
    let read = spawn_blocking(move || {
        let datacenters = &snapshot.world().datacenters;
        Measurements::read(&text, |name| datacenters.iter().any(|datacenter| *datacenter.name == *name))
    });
    let mut measurements = read.await.map_err(|_| Refusal::stopping())?;
    let samples = std::mem::take(&mut measurements.samples);
    let status = if samples.is_empty() && !measurements.is_good() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    for batch in samples.chunks(BATCH) {
        office.control.tell(Event::Latency(batch.to_vec())).await;
    }
    Ok(json(status, report::to_json(&measurements)))
}
