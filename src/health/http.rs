//! What a monitor of type http or https asks, and what it makes of the response.

use std::hash::{Hash, Hasher};
use std::time::Duration;

use super::Share;

/// An HTTP request and the response that counts as success. Redirects are not followed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HttpCheck {
    /// The version that is spoken; if absent, what both agree on by ALPN, and HTTP/1.1 without TLS.
    pub version: Option<HttpVersion>,
    /// `GET`, `HEAD`, ...: a valid token.
    pub method: Box<str>,
    /// Path and query, beginning with a slash.
    pub path: Box<str>,
    /// Further header fields, valid for the wire, `Host` not among them.
    pub headers: Vec<(Box<str>, Box<str>)>,
    /// Status codes that count as success; never empty.
    pub expect_status: Vec<StatusRange>,
    /// What the first 64 KiB of the body must hold.
    pub expect_body: Option<BodyMatch>,
    /// Which successes ask for less than all clients.
    pub degraded: Option<Degraded>,
    /// The field of the response in which the endpoint asks for a share of its clients, in per cent.
    pub weight_header: Option<Box<str>>,
    /// Where a JSON body says how much is used, as a JSON pointer (RFC 6901).
    pub load_json: Option<Box<str>>,
    /// Whether the connection is kept for the next probe.
    pub reuse: bool,
}

impl Default for HttpCheck {
    /// `GET /`, answered with a status from 200 to 399: the endpoint did what was asked, or sends elsewhere.
    fn default() -> Self {
        Self {
            version: None,
            method: "GET".into(),
            path: "/".into(),
            headers: Vec::new(),
            expect_status: vec![StatusRange { first: 200, last: 399 }],
            expect_body: None,
            degraded: None,
            weight_header: None,
            load_json: None,
            reuse: false,
        }
    }
}

/// A version of HTTP that probes speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HttpVersion {
    /// HTTP/1.1 (RFC 9112).
    Http1,
    /// HTTP/2 (RFC 9113); without TLS with prior knowledge.
    Http2,
}

/// Status codes from `first` to `last`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StatusRange {
    /// 100-599, not above `last`.
    pub first: u16,
    /// 100-599.
    pub last: u16,
}

impl StatusRange {
    /// Whether this status lies in it.
    pub fn contains(self, status: u16) -> bool {
        (self.first..=self.last).contains(&status)
    }
}

/// When an endpoint serves, but not as it should, and how many clients it is to keep then.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Degraded {
    /// Status codes that say so; they count as successes whatever `expect_status` and `expect_body` are.
    pub expect_status: Vec<StatusRange>,
    /// A success is degraded if its response took longer: from the request to the last octet that was looked at.
    pub above: Option<Duration>,
    /// The share of its clients that a degraded endpoint keeps.
    pub share: Share,
}

/// What a body must hold.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum BodyMatch {
    /// These octets, anywhere.
    Substring(Box<str>),
    /// A match of this pattern, anywhere.
    Pattern(Pattern),
}

/// A compiled regular expression; equal if its text is.
#[derive(Clone, Debug)]
pub struct Pattern(pub regex::bytes::Regex);

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Eq for Pattern {}

impl Hash for Pattern {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.as_str().hash(state);
    }
}
