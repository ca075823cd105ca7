//! One attempt to deliver a notice.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode, redirect};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};

use crate::config::Webhook;
use crate::report::Delivery;

/// The result of an attempt.
#[derive(Debug)]
pub(super) enum PostResult {
    /// The receiver accepted it.
    Taken,
    /// The receiver may accept it later, after the time that it asks for.
    Again { why: String, after: Option<Duration> },
    /// The receiver will never accept it.
    Refused { why: String },
}

/// Creates the HTTP client. It does not follow redirects: a redirect could send the headers, which may be secret, to
/// any server.
pub(super) fn client() -> Client {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    // Named explicitly, so that the choice does not depend on other code in the process.
    let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has cipher suites for TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let client = Client::builder().tls_backend_preconfigured(tls).redirect(redirect::Policy::none()).no_proxy();
    let client = client.user_agent(concat!("truenorth/", env!("CARGO_PKG_VERSION"))).pool_max_idle_per_host(1);
    client.build().expect("nothing is asked for that the client lacks")
}

/// Posts a notice once.
pub(super) async fn post(client: &Client, webhook: &Webhook, delivery: &Delivery) -> PostResult {
    let body = match &webhook.body {
        Some(template) => template.fill(|field| delivery.field(field)),
        None => delivery.to_json(),
    };
    let request = client.post(webhook.url()).headers(headers(webhook)).timeout(webhook.timeout).body(body);
    match request.send().await {
        Ok(response) => judge(&response),
        // The error's own text holds the URL.
        Err(error) => PostResult::Again { why: root_cause(&error.without_url()), after: None },
    }
}

fn headers(webhook: &Webhook) -> HeaderMap {
    let header = |(name, value): &(String, String)| {
        let mut value = HeaderValue::from_str(value).ok()?;
        value.set_sensitive(true);
        Some((HeaderName::from_bytes(name.as_bytes()).ok()?, value))
    };
    webhook.headers.iter().filter_map(header).collect()
}

fn judge(response: &Response) -> PostResult {
    let status = response.status();
    let why = format!("status {}", status.as_u16());
    if status.is_success() {
        PostResult::Taken
    } else if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        // RFC 9110, section 10.2.3; a date is ignored.
        let after = response.headers().get(RETRY_AFTER).and_then(|after| after.to_str().ok()?.parse().ok());
        PostResult::Again { why, after: after.map(Duration::from_secs) }
    } else {
        PostResult::Refused { why }
    }
}

/// Returns the text of the innermost error, which says what happened. The outer ones only say that something failed.
fn root_cause(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "timed out".to_owned();
    }
    let mut cause: &dyn Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
