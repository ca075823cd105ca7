//! `/v1/events`: sends events as they happen (server-sent events, HTML Living Standard, section 9.2), or lists past
//! ones.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;

use super::AppState;
use super::journal::Following;
use super::refusal::{ApiError, json};
use super::rooms::Visit;
use super::routes::{Parameters, QueryPairs};
use crate::clock::unix_time;
use crate::duration;
use crate::report::{self, EventList, Notice};

/// Interval at which a comment is sent if there are no events, so that both sides notice a broken connection.
const PING: Duration = Duration::from_secs(15);

/// A client that follows the events.
struct Follower {
    following: Following,
    stopping: watch::Receiver<()>,
    is_done: bool,
}

/// `GET /v1/events?since=`. With `since`, lists the past events. Without it, sends events as they happen; a client that
/// sends `Last-Event-ID` first gets the events that it missed.
pub(super) async fn follow(
    State(app): State<Arc<AppState>>,
    Extension(visit): Extension<Arc<Visit>>,
    headers: HeaderMap,
    query: QueryPairs,
) -> Result<Response, ApiError> {
    let mut parameters = Parameters::new(query)?;
    let since = parameters.take("since", parse_since)?;
    parameters.finish()?;
    if let Some(since) = since {
        let _turn = app.long_work.acquire().await;
        let list = EventList { events: app.journal.history(since), time: unix_time() };
        return Ok(json(StatusCode::OK, report::to_json(&list)));
    }
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

/// Reads a Unix time in seconds, or a duration before the present time. Returns a Unix time.
fn parse_since(text: &str) -> Result<u64, String> {
    let ago = || duration::parse(text).map(|ago| unix_time().saturating_sub(ago.as_secs()));
    text.parse().ok().or_else(ago).ok_or_else(|| format!("`{text}` is neither a duration such as 2h nor a Unix time"))
}

impl Follower {
    async fn next(&mut self) -> Option<Event> {
        if self.is_done {
            return None;
        }
        if std::mem::take(&mut self.following.has_gap) {
            return Some(
                Event::default().comment("some of the events that you missed are lost: the node no longer keeps them"),
            );
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
                Some(Event::default().comment(format!("you read too slowly: {count} events were lost; connect again")))
            }
            Err(RecvError::Closed) => None,
        }
    }
}

fn event(notice: &Notice) -> Event {
    // The data must be one line: a line break would end the field.
    Event::default().id(notice.id.to_string()).event(notice.kind.kind()).data(report::to_json_line(notice))
}
