//! Reads the bodies of requests. Length and time are limited.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout_at};

use super::refusal::ApiError;
use super::rooms::{Room, Visit};
use crate::report::{self, Shape};

/// Maximum length of an ordinary body in octets. The longest order is a name and a value.
pub(super) const MAX_BODY: usize = 64 * 1024;

/// Maximum time until a body is complete, from the moment when the node begins to read it.
const BODY_TIME: Duration = Duration::from_secs(5);

/// A body that is being received.
pub(super) struct Parts {
    body: Body,
    /// Number of octets that may still follow.
    room: usize,
    most: usize,
    deadline: Instant,
    visit: Option<Arc<Visit>>,
}

impl Parts {
    /// Begins to read a body, which may have `most` octets and take this time. Fails if its Content-Length is above
    /// `most`.
    pub(super) fn new(request: Request<Body>, most: usize, time: Duration) -> Result<Self, ApiError> {
        let length = request.headers().get(header::CONTENT_LENGTH);
        let length = length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if length.is_some_and(|length| length > most as u64) {
            return Err(too_large(most));
        }
        let visit = request.extensions().get().cloned();
        Ok(Self { body: request.into_body(), room: most, most, deadline: Instant::now() + time, visit })
    }

    /// Moves the connection to the room for long bodies. Fails if that room is full.
    pub(super) fn enter_bulk(&self) -> Result<(), ApiError> {
        self.visit.as_ref().map_or(Ok(()), |visit| visit.enter(Room::Bulk))
    }

    /// Returns the next octets; `None` at the end. From the end on, the node works for the client, so the connection
    /// can no longer be closed for another one. Fails if the client is too slow, sends too much, or breaks the
    /// connection.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, ApiError> {
        loop {
            let frame = match timeout_at(self.deadline, self.body.frame()).await {
                Err(_) => return Err(ApiError::new(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time")),
                Ok(Some(Err(error))) => return Err(ApiError::bad(format!("the body cannot be read: {error}"))),
                Ok(Some(Ok(frame))) => frame,
                Ok(None) => {
                    if let Some(visit) = &self.visit {
                        visit.hold();
                    }
                    return Ok(None);
                }
            };
            // Trailers are ignored.
            let Ok(octets) = frame.into_data() else { continue };
            self.room = self.room.checked_sub(octets.len()).ok_or_else(|| too_large(self.most))?;
            return Ok(Some(octets));
        }
    }
}

fn too_large(most: usize) -> ApiError {
    ApiError::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        format!("the body is too long: at most {most} octets are allowed here"),
    )
}

/// Reads the text of a body of at most `most` octets. A body longer than [`MAX_BODY`] needs the room for long bodies.
/// Fails with the reason why the body is refused.
pub(super) async fn read(request: Request<Body>, most: usize) -> Result<String, ApiError> {
    read_within(request, most, BODY_TIME).await
}

/// Does the same for a body that may take this time.
pub(super) async fn read_within(request: Request<Body>, most: usize, time: Duration) -> Result<String, ApiError> {
    let mut parts = Parts::new(request, most, time)?;
    let mut text = Vec::new();
    let mut is_bulk = false;
    while let Some(octets) = parts.next().await? {
        if !is_bulk && text.len() + octets.len() > MAX_BODY {
            parts.enter_bulk()?;
            is_bulk = true;
        }
        text.extend_from_slice(&octets);
    }
    String::from_utf8(text).map_err(|_| ApiError::bad("the body is not UTF-8"))
}

/// Reads a body of at most [`MAX_BODY`] octets that is JSON. Fails with the reason why it is refused.
pub(super) async fn read_json<T: Shape>(request: Request<Body>) -> Result<T, ApiError> {
    let text = read(request, MAX_BODY).await?;
    report::from_json(&text).map_err(|why| ApiError::bad(format!("the body: {why}")))
}
