//! Requests to the HTTP APIs that sources read: a token, a deadline and a largest size for each.
//!
//! The files of the token and of the authorities are read again for each request: Kubernetes replaces the token of a
//! service account every hour, and Consul's is replaced by whoever rotates it. Nothing that a server sends goes into a
//! message, because a hostile one would send back the token.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Response, StatusCode, Url};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout_at};

use super::{Sight, small_file};
use crate::backoff::Backoff;
use crate::outbound;

/// Time to connect, and for whatever a server sends once it has begun to answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// Largest answer in octets. The largest pool needs a quarter of it.
pub(super) const MAX_ANSWER: usize = 16 << 20;

/// Largest file of a token, and of authorities, in octets.
const MAX_TOKEN: u64 = 64 << 10;
const MAX_AUTHORITIES: u64 = 1 << 20;

/// A connection that waits for news is checked by the system: after this silence, this often, this many times.
const SILENCE: Duration = Duration::from_secs(10);
const PROBE_EVERY: Duration = Duration::from_secs(5);
const PROBES: u32 = 3;

/// The way in which a server takes a token.
#[derive(Clone, Copy, Debug)]
pub(super) enum TokenHeader {
    /// `Authorization: Bearer` (RFC 6750, section 2.1).
    Bearer,
    /// `X-Consul-Token`.
    Consul,
}

/// A server with an HTTP API.
pub(super) struct Api {
    place: Place,
    header: TokenHeader,
    /// The client, and the authorities that it trusts.
    client: Option<(Option<Vec<u8>>, Client)>,
}

/// The way to a server: its URL and its files.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) url: Url,
    pub(super) ca_file: Option<PathBuf>,
    pub(super) token_file: Option<PathBuf>,
}

/// The reason why a request failed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    /// For operators.
    pub(super) why: String,
    /// The status, if the server answered.
    pub(super) status: Option<u16>,
    /// The time that the server asks to wait.
    pub(super) after: Option<Duration>,
}

impl Trouble {
    pub(super) fn new(why: impl Into<String>) -> Self {
        Self { why: why.into(), status: None, after: None }
    }

    /// Returns what is found out by this: nothing, and when the next attempt is due.
    pub(super) fn sight(self, backoff: &mut Backoff) -> Sight {
        Sight { again_after: backoff.next(self.after, fastrand::f64()), endpoints: Err(self.why) }
    }
}

impl Api {
    pub(super) fn new(place: Place, header: TokenHeader) -> Self {
        Self { place, header, client: None }
    }

    /// Asks for a path below the server's URL. Waits for the head of the answer until `patience` is over. Fails unless the
    /// status is 200.
    pub(super) async fn get(
        &mut self,
        path: &[&str],
        query: &[(&str, &str)],
        patience: Duration,
    ) -> Result<Response, Trouble> {
        let (authorities, token) = self.read_files().await?;
        let client = self.client(authorities)?;
        let mut url = self.place.url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url.query_pairs_mut().extend_pairs(query);
        let mut headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/json"))]);
        headers.extend(token);
        let sent = timeout_at(Instant::now() + patience, client.get(url).headers(headers).send()).await;
        let response = match sent {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(Trouble::new(outbound::root_cause(error))),
            Err(_) => return Err(Trouble::new(format!("it did not answer within {} s", patience.as_secs()))),
        };
        if response.status() == StatusCode::OK {
            return Ok(response);
        }
        let after = outbound::retry_after(response.headers());
        Err(Trouble { why: advice(response.status()), status: Some(response.status().as_u16()), after })
    }

    /// Returns the client for these authorities. It stays the same until they change.
    fn client(&mut self, authorities: Option<Vec<u8>>) -> Result<Client, Trouble> {
        if let Some((known, client)) = &self.client
            && *known == authorities
        {
            return Ok(client.clone());
        }
        let trusted = match &authorities {
            _ if self.place.url.scheme() == "http" => Vec::new(),
            None => outbound::system_authorities(),
            Some(pem) => {
                let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
                let read = read.ok().filter(|list| !list.is_empty());
                read.ok_or_else(|| Trouble::new("`ca_file` holds no certificate in PEM"))?
            }
        };
        let client = outbound::client(trusted)
            .connect_timeout(PATIENCE)
            .tcp_keepalive(SILENCE)
            .tcp_keepalive_interval(PROBE_EVERY)
            .tcp_keepalive_retries(PROBES);
        let client = client.build().map_err(|error| Trouble::new(outbound::root_cause(error)))?;
        self.client = Some((authorities, client.clone()));
        Ok(client)
    }

    /// Reads the authorities and the token.
    async fn read_files(&self) -> Result<(Option<Vec<u8>>, Option<(HeaderName, HeaderValue)>), Trouble> {
        let (ca_file, token_file, kind) = (self.place.ca_file.clone(), self.place.token_file.clone(), self.header);
        let read = move || {
            let authorities = ca_file.map(|path| read("ca_file", &path, MAX_AUTHORITIES)).transpose()?;
            let token = token_file.map(|path| header(kind, &read("token_file", &path, MAX_TOKEN)?)).transpose()?;
            Ok((authorities, token))
        };
        let read = tokio::task::spawn_blocking(read).await;
        read.unwrap_or_else(|error| Err(error.to_string())).map_err(Trouble::new)
    }
}

fn read(key: &str, path: &Path, most: u64) -> Result<Vec<u8>, String> {
    small_file(path, most).map_err(|why| format!("`{key}` {}: {why}", path.display()))
}

/// Makes the header of a token. A token is text in one line; its file often ends in a line feed.
fn header(kind: TokenHeader, token: &[u8]) -> Result<(HeaderName, HeaderValue), String> {
    let token = token.trim_ascii();
    if token.is_empty() || !token.iter().all(u8::is_ascii_graphic) {
        return Err("`token_file` holds no token: one line of visible characters".to_owned());
    }
    let (name, octets) = match kind {
        TokenHeader::Bearer => (AUTHORIZATION, [b"Bearer ", token].concat()),
        TokenHeader::Consul => (HeaderName::from_static("x-consul-token"), token.to_vec()),
    };
    let mut value = HeaderValue::from_bytes(&octets).map_err(|error| error.to_string())?;
    value.set_sensitive(true);
    Ok((name, value))
}

/// Returns the text for a status, with what an operator can do.
fn advice(status: StatusCode) -> String {
    let mut text = format!("it answered with status {}", status.as_u16());
    let advice = match status {
        StatusCode::UNAUTHORIZED => "it does not accept the token",
        StatusCode::FORBIDDEN => "the token does not allow to read this",
        StatusCode::NOT_FOUND => "it has no such API, or `server` has a wrong path",
        StatusCode::TOO_MANY_REQUESTS => "it is asked too often",
        _ => return text,
    };
    let _ = write!(text, ": {advice}");
    text
}

/// Reads a whole answer of JSON. Fails if it is too long, slow or malformed.
pub(super) async fn json<T: DeserializeOwned>(mut response: Response) -> Result<T, Trouble> {
    let too_long = || Trouble::new(format!("its answer is longer than {} MiB", MAX_ANSWER >> 20));
    if response.content_length().is_some_and(|length| length > MAX_ANSWER as u64) {
        return Err(too_long());
    }
    let deadline = Instant::now() + PATIENCE;
    let mut octets = Vec::new();
    while let Some(chunk) = next(&mut response, deadline).await? {
        if octets.len() + chunk.as_ref().len() > MAX_ANSWER {
            return Err(too_long());
        }
        octets.extend_from_slice(chunk.as_ref());
    }
    parse(&octets)
}

/// Returns the next part of an answer; `None` at its end. Fails if it does not come before the deadline.
pub(super) async fn next(response: &mut Response, deadline: Instant) -> Result<Option<impl AsRef<[u8]>>, Trouble> {
    match timeout_at(deadline, response.chunk()).await {
        Ok(Ok(chunk)) => Ok(chunk),
        Ok(Err(error)) => Err(Trouble::new(format!("its answer broke off: {}", outbound::root_cause(error)))),
        Err(_) => Err(Trouble::new(format!("its answer took longer than {} s", PATIENCE.as_secs()))),
    }
}

/// Parses JSON.
pub(super) fn parse<T: DeserializeOwned>(octets: &[u8]) -> Result<T, Trouble> {
    // The text of the error may quote the answer.
    serde_json::from_slice(octets).map_err(|error| {
        let kind = if error.is_data() { "has not the expected form" } else { "is not JSON" };
        Trouble::new(format!("its answer {kind} (line {}, column {})", error.line(), error.column()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_one_line_and_is_not_shown() {
        let (name, value) = header(TokenHeader::Bearer, b" s3cret-word\n").unwrap();
        assert_eq!((name.as_str(), value.to_str().unwrap()), ("authorization", "Bearer s3cret-word"));
        assert!(!format!("{value:?}").contains("s3cret"));
        assert_eq!(header(TokenHeader::Consul, b"abc\r\n").unwrap().0.as_str(), "x-consul-token");
        for token in [&b""[..], b"\n", b"two words", b"two\nlines", b"\xff"] {
            let why = header(TokenHeader::Bearer, token).unwrap_err();
            assert!(why.contains("holds no token") && !why.contains("two"), "{why}");
        }
    }

    #[test]
    fn a_message_quotes_nothing_of_an_answer() {
        for (text, why) in [
            ("{\"a\": \"s3cret\"}", "its answer has not the expected form (line 1, column 0)"),
            ("s3cret", "its answer is not JSON (line 1, column 1)"),
        ] {
            assert_eq!(parse::<Vec<u8>>(text.as_bytes()).unwrap_err().why, why);
        }
    }
}
