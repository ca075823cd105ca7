//! The page at `/`: what the node does, for people. It is static files without a build step, and fetches everything
//! that it shows from `/v1/`.
//!
//! Text from outside, such as the reason of an override or the reply of an endpoint, never becomes HTML. The scripts
//! write text nodes only, and [`RULES`] makes the browser refuse anything else. The page loads nothing from another
//! site, sends nothing there, and cannot be shown within another page.
//!
//! Browsers without JavaScript get a [table], made here, if the request may read the state of the node.

mod table;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::AppState;
use super::gate::MayRead;
use super::refusal::ApiError;
use crate::report::Filter;

/// The rules for browsers (Content Security Policy Level 3; Trusted Types): own files only, no text as HTML or script,
/// and no frame around the page.
const RULES: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                     base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                     require-trusted-types-for 'script'; trusted-types 'none'";

/// The document, and the comment in it that the table replaces.
const DOCUMENT: &str = include_str!("index.html");
const TABLE: &str = "<!-- table -->";

/// The files beside the document.
#[rustfmt::skip]
const FILES: &[(&str, &str, &str)] = &[
    ("style.css", CSS, include_str!("style.css")),
    ("icon.svg", SVG, include_str!("icon.svg")),
    ("main.js", SCRIPT, include_str!("main.js")),
    ("api.js", SCRIPT, include_str!("api.js")),
    ("ask.js", SCRIPT, include_str!("ask.js")),
    ("datacenters.js", SCRIPT, include_str!("datacenters.js")),
    ("dom.js", SCRIPT, include_str!("dom.js")),
    ("events.js", SCRIPT, include_str!("events.js")),
    ("history.js", SCRIPT, include_str!("history.js")),
    ("latency.js", SCRIPT, include_str!("latency.js")),
    ("map.js", SCRIPT, include_str!("map.js")),
    ("names.js", SCRIPT, include_str!("names.js")),
    ("orders.js", SCRIPT, include_str!("orders.js")),
    ("places.js", SCRIPT, include_str!("places.js")),
    ("pools.js", SCRIPT, include_str!("pools.js")),
    ("projection.js", SCRIPT, include_str!("projection.js")),
    ("rollouts.js", SCRIPT, include_str!("rollouts.js")),
    ("text.js", SCRIPT, include_str!("text.js")),
    ("verdict.js", SCRIPT, include_str!("verdict.js")),
    ("world.js", SCRIPT, include_str!("world.js")),
];

const CSS: &str = "text/css; charset=utf-8";
const SVG: &str = "image/svg+xml";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// True for the paths of the page and its files.
pub(super) fn is_page(path: &str) -> bool {
    path == "/" || path.starts_with("/page/")
}

/// `GET /`.
pub(super) async fn index(
    State(app): State<Arc<AppState>>,
    Extension(MayRead(may_read)): Extension<MayRead>,
) -> Result<Response, ApiError> {
    let table = if may_read {
        let _turn = app.long_work.acquire().await;
        let snapshot = app.published.load_full();
        let totals = app.tallies.totals(&snapshot);
        table::render(&app.status(&snapshot, &totals, &Filter::default()).await?)
    } else {
        table::WITHOUT_TOKEN.to_owned()
    };
    let fields = [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CONTENT_SECURITY_POLICY, RULES)];
    Ok((fields, DOCUMENT.replacen(TABLE, &table, 1)).into_response())
}

/// `GET /page/FILE`. The browser keeps the file, and asks each time if it has changed.
pub(super) async fn file(Path(name): Path<String>, headers: HeaderMap) -> Result<Response, ApiError> {
    let Some((_, content_type, content)) = FILES.iter().find(|(file, ..)| *file == name) else {
        return Err(ApiError::new(StatusCode::NOT_FOUND, "there is no such path"));
    };
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    let tag = format!("\"{:016x}\"", hasher.finish());
    let is_known = headers.get_all(header::IF_NONE_MATCH).iter().any(|field| {
        let field = field.to_str().unwrap_or_default();
        field.split(',').any(|known| known.trim().trim_start_matches("W/") == tag)
    });
    let mut response = if is_known { StatusCode::NOT_MODIFIED.into_response() } else { (*content).into_response() };
    let fields = response.headers_mut();
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        fields.insert(header::ETAG, tag);
    }
    Ok(response)
}
