//! `/external-dns`: the webhook provider of external-dns, by its OpenAPI document. Its `/healthz` is the node's own.
//!
//! | path | |
//! | --- | --- |
//! | `GET /external-dns` | the zones, and the version of the protocol |
//! | `GET /external-dns/records` | the records as they were accepted |
//! | `POST /external-dns/records` | changes: 204 as soon as they are served and on disk |
//! | `POST /external-dns/adjustendpoints` | records as they would be kept |

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::sync::oneshot;

use super::gate::Caller;
use super::refusal::ApiError;
use super::{AppState, ExternalDnsError, ExternalDnsOrder, Order, body};
use crate::external_dns::{Changes, Records};
use crate::name::Name;
use crate::report::{self, DomainFilter};

/// The only version of the protocol.
const MEDIA_TYPE: &str = "application/external.dns.webhook+json;version=1";

/// Maximum length of a body in octets: ten thousand records.
const MAX_CHANGES: usize = 8 << 20;

/// True for these paths.
pub(super) fn is_external_dns(path: &str) -> bool {
    path.strip_prefix("/external-dns").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// `GET /external-dns`.
pub(super) async fn negotiate(State(app): State<Arc<AppState>>, headers: HeaderMap) -> Result<Response, ApiError> {
    check_accept(&headers)?;
    let (zones, _) = list(&app).await?;
    let zones = zones.iter().map(|zone| zone.to_string().trim_end_matches('.').to_owned()).collect();
    Ok(answer(report::to_json(&DomainFilter::new(zones))))
}

/// `GET /external-dns/records`.
pub(super) async fn records(State(app): State<Arc<AppState>>, headers: HeaderMap) -> Result<Response, ApiError> {
    check_accept(&headers)?;
    let (_, records) = list(&app).await?;
    Ok(answer(records.to_json()))
}

/// `POST /external-dns/records` with the changes.
pub(super) async fn change(
    State(app): State<Arc<AppState>>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Response, ApiError> {
    check_content(request.headers())?;
    let text = body::read(request, MAX_CHANGES).await?;
    let changes = Changes::from_json(&text).map_err(|why| ApiError::bad(format!("the body: {why}")))?;
    let (reply, done) = oneshot::channel();
    app.order(Order::ExternalDns(ExternalDnsOrder::Change(changes, caller.who(String::new()), reply)))?;
    if let Some(served) = done.await.map_err(|_| ApiError::stopping())?? {
        // It closes if a later configuration takes its place, which has the records too.
        let _ = served.await;
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `POST /external-dns/adjustendpoints` with records.
pub(super) async fn adjust(request: Request) -> Result<Response, ApiError> {
    check_content(request.headers())?;
    let text = body::read(request, MAX_CHANGES).await?;
    let records = Records::from_json(&text).map_err(|why| ApiError::bad(format!("the body: {why}")))?;
    Ok(answer(records.normalised().to_json()))
}

async fn list(app: &AppState) -> Result<(Vec<Name>, Records), ApiError> {
    let (reply, done) = oneshot::channel();
    app.order(Order::ExternalDns(ExternalDnsOrder::List(reply)))?;
    Ok(done.await.map_err(|_| ApiError::stopping())??)
}

/// Fails if the client wants another version only. Clients that ask for none get this one.
fn check_accept(headers: &HeaderMap) -> Result<(), ApiError> {
    let is_fit = |accept: &str| accept.split(',').any(|one| is_version(one) || one.trim().starts_with("*/*"));
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    if accept.is_none_or(is_fit) {
        return Ok(());
    }
    Err(ApiError::new(StatusCode::NOT_ACCEPTABLE, format!("there is only {MEDIA_TYPE}")))
}

/// Fails if the body is of another version, or of another kind. Early versions of external-dns do not say what it is.
fn check_content(headers: &HeaderMap) -> Result<(), ApiError> {
    let content = headers.get(header::CONTENT_TYPE).and_then(|content| content.to_str().ok());
    let is_plain = |content: &str| content.split(';').next().is_some_and(|kind| kind.trim() == "application/json");
    if content.is_none_or(|content| is_version(content) || is_plain(content)) {
        return Ok(());
    }
    Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, format!("the body is read as {MEDIA_TYPE}")))
}

/// True for [`MEDIA_TYPE`], however blanks and letters are written.
fn is_version(text: &str) -> bool {
    let written: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    written.eq_ignore_ascii_case(MEDIA_TYPE)
}

/// Returns the response with this JSON. external-dns demands these two fields as they are.
fn answer(text: String) -> Response {
    (StatusCode::OK, [(header::CONTENT_TYPE, MEDIA_TYPE), (header::VARY, "Content-Type")], text + "\n").into_response()
}

impl From<ExternalDnsError> for ApiError {
    fn from(error: ExternalDnsError) -> Self {
        let status = match error {
            ExternalDnsError::NoZones => StatusCode::NOT_FOUND,
            ExternalDnsError::Unfit(_) => StatusCode::UNPROCESSABLE_ENTITY,
            ExternalDnsError::Broken(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, error.to_string())
    }
}
