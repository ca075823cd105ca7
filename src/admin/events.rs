//! `/v1/events`: sends events as they happen (server-sent events, HTML Living Standard, section 9.2).

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;

use super::AppState;
use super::journal::Following;
use super::refusal::ApiError;
use super::rooms::Visit;
use crate::report::{self, Notice};

/// Interval of comments if there are no events, so that a broken connection is noticed.
const PING: Duration = Duration::from_secs(15);

/// A client that follows the events.
struct Follower {
    following: Following,
    stopping: watch::Receiver<()>,
    is_done: bool,
}

/// `GET /v1/events`. A client that sends `Last-Event-ID` first gets the events that it missed.
pub(super) async fn follow(
    State(app): State<Arc<AppState>>,
    Extension(visit): Extension<Arc<Visit>>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let last = match headers.get("last-event-id") {
        None => None,
        Some(id) => {
            let id = id.to_str().ok().and_then(|id| id.parse().ok());
            Some(id.ok_or_else(|| ApiError::bad("Last-Event-ID is not a number"))?)
        }
    };
    visit.follow();
    let follower = Follower { following: app.journal.follow(last), stopping: app.stopping.clone(), is_done: false };
    let events = stream::unfold(follower, |mut follower| async {
        let event = follower.next().await?;
        Some((Ok::<_, Infallible>(event), follower))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(PING)).into_response())
}

impl Follower {
    async fn next(&mut self) -> Option<Event> {
        if self.is_done {
            return None;
        }
        if std::mem::take(&mut self.following.has_gap) {
            return Some(Event::default().comment("some of the events that you missed are no longer kept"));
        }
        if let Some(notice) = self.following.missed.pop_front() {
            return Some(event(&notice));
        }
        let received = tokio::select! {
            biased;
            received = self.following.coming.recv() => received,
            _ = self.stopping.changed() => return None,
        };
        match received {
            Ok(notice) => Some(event(&notice)),
            Err(RecvError::Lagged(count)) => {
                self.is_done = true;
                Some(Event::default().comment(format!("too slow: {count} events were lost; connect again")))
            }
            Err(RecvError::Closed) => None,
        }
    }
}

fn event(notice: &Notice) -> Event {
    // The data must be one line: a line break would end the field.
    Event::default().id(notice.id.to_string()).event(notice.kind.kind()).data(report::to_json_line(notice))
}
