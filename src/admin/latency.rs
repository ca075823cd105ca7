//! Round trips that clients, or their datacenters, measured.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, StatusCode};
use axum::response::Response;

use super::AppState;
use super::body::Parts;
use super::refusal::{ApiError, json};
use crate::control::Event;
use crate::report::{self, Measurements};

/// Octets of a body: a hundred thousand lines or so.
const MAX_BODY: usize = 8 << 20;

/// How long they may take: less than a whole request may, and more than a node that is busy makes them wait.
const BODY_TIME: Duration = Duration::from_secs(50);

/// Samples that control takes in between two other events: a few milliseconds' worth.
const BATCH: usize = 1000;

/// `POST /v1/latency` with a measurement in each line. They are taken in as they come: what is held of a body is a line and a
/// batch. Good lines count, whatever the others are, and whatever becomes of the rest of the body.
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
    let status = if is_bad { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    Ok(json(status, report::to_json(&measurements)))
}

impl AppState {
    /// Reads the lines of these octets, or what is left at the end, when it is its turn.
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

    async fn take_in(&self, measurements: &mut Measurements) {
        for batch in std::mem::take(&mut measurements.samples).chunks(BATCH) {
            self.control.tell(Event::Latency(batch.to_vec())).await;
        }
    }
}
