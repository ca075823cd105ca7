//! Settings of HTTP checks: the request, and how the response is judged.

use std::hash::{Hash, Hasher};
use std::time::Duration;

use super::Share;

/// An HTTP request and the response that counts as success. Redirects are not followed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HttpCheck {
    /// The version to use. `None`: what both sides agree on by ALPN, and HTTP/1.1 without TLS.
    pub version: Option<HttpVersion>,
    /// The method, such as `GET` or `HEAD`: a valid token.
    pub method: Box<str>,
    /// Path and query; begins with a slash.
    pub path: Box<str>,
    /// Further header fields, valid for the wire; never `Host`.
    pub headers: Vec<(Box<str>, Box<str>)>,
    /// Status codes that count as success; never empty.
    pub expect_status: Vec<StatusRange>,
    /// The match that the first 64 KiB of the body must contain.
    pub expect_body: Option<BodyMatch>,
    /// The successes that count as degraded.
    pub degraded: Option<Degraded>,
    /// The response field in which the endpoint asks for a share of its clients, in per cent.
    pub weight_header: Option<Box<str>>,
    /// The place of the load in a JSON body, as a JSON pointer (RFC 6901).
    pub load_json: Option<Box<str>>,
    /// True if the connection is kept for the next probe.
    pub reuse: bool,
}

impl Default for HttpCheck {
    /// `GET /`, with a status from 200 to 399 as success: the endpoint did what was asked, or redirects.
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

/// A version of HTTP that probes can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HttpVersion {
    /// HTTP/1.1 (RFC 9112).
    Http1,
    /// HTTP/2 (RFC 9113); without TLS, with prior knowledge.
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
    /// True if the status is in the range.
    pub fn contains(self, status: u16) -> bool {
        (self.first..=self.last).contains(&status)
    }
}

/// When an endpoint counts as degraded, and the share of its clients that it then keeps.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Degraded {
    /// Status codes that mean degraded. They count as successes, whatever `expect_status` and `expect_body` are.
    pub expect_status: Vec<StatusRange>,
    /// A success is degraded if its response took longer, from the request to the last octet that was examined.
    pub above: Option<Duration>,
    /// The share of its clients that a degraded endpoint keeps.
    pub share: Share,
}

/// Text or a pattern that a body must contain.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum BodyMatch {
    /// This text, anywhere.
    Substring(Box<str>),
    /// A match of this pattern, anywhere.
    Pattern(Pattern),
}

/// A compiled regular expression. Two are equal if their texts are.
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
