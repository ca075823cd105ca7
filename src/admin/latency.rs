//! `POST /v1/latency`: round trips that clients or datacenters measured.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, StatusCode};
use axum::response::Response;

use super::AppState;
use super::body::Parts;
use super::refusal::{ApiError, json, problem, refuse};
use crate::control::Event;
use crate::report::{self, Measurements};

/// Maximum length of a body in octets: about a hundred thousand lines.
const MAX_BODY: usize = 8 << 20;

/// Maximum time of a body: less than that of a whole request, and enough for a client that has to wait for a busy node.
const BODY_TIME: Duration = Duration::from_secs(50);

/// Number of samples that control processes between two other events. They take a few milliseconds.
const BATCH: usize = 1000;

/// `POST /v1/latency` with a measurement in each line. Lines are processed as they arrive, so only one line and one
/// batch are in memory. Valid lines count, even if others are faulty or the rest of the body never arrives.
pub(super) async fn push(State(app): State<Arc<AppState>>, request: Request<Body>) -> Result<Response, ApiError> {
    let mut parts = Parts::new(request, MAX_BODY, BODY_TIME)?;
    parts.enter_bulk()?;
    let mut measurements = Measurements::default();
    while let Some(octets) = parts.next().await? {
        app.parse(&mut measurements, Some(&octets)).await;
        if measurements.is_given_up() {
            break;
        }
        if measurements.samples.len() >= BATCH {
            app.take_in(&mut measurements).await;
        }
    }
    app.parse(&mut measurements, None).await;
    app.take_in(&mut measurements).await;
    let is_bad = measurements.is_given_up() || measurements.is_bad();
    if is_bad {
        let status = StatusCode::BAD_REQUEST;
        let problem = problem(status, measurements.why_refused());
        return Ok(refuse(status, problem.to_json_with(&measurements)));
    }
    Ok(json(StatusCode::OK, report::to_json(&measurements)))
}

impl AppState {
    /// Waits for its turn, and parses the lines in these octets, or the rest at the end of the body.
    async fn parse(&self, measurements: &mut Measurements, octets: Option<&[u8]>) {
        let _turn = self.long_work.acquire().await;
        let snapshot = self.published.load_full();
        let datacenters = &snapshot.world().datacenters;
        let is_datacenter = |name: &str| datacenters.iter().any(|datacenter| *datacenter.name == *name);
        match octets {
            Some(octets) => measurements.feed(octets, is_datacenter),
            None => measurements.finish(is_datacenter),
        }
    }

    /// Sends the valid measurements to control.
    async fn take_in(&self, measurements: &mut Measurements) {
        for batch in std::mem::take(&mut measurements.samples).chunks(BATCH) {
            self.control.tell(Event::Latency(batch.to_vec())).await;
        }
    }
}
