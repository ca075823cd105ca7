//! One attempt to deliver a notice.

use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Response, StatusCode};

use crate::config::Webhook;
use crate::outbound;
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

/// Creates the HTTP client.
pub(super) fn client() -> Client {
    let client = outbound::client(outbound::system_authorities());
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
        Err(error) => PostResult::Again { why: outbound::root_cause(error), after: None },
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
        PostResult::Again { why, after: outbound::retry_after(response.headers()) }
    } else {
        PostResult::Refused { why }
    }
}
