//! A connection for requests, in either version of HTTP.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::HeaderMap;
use hyper::http::uri::Scheme;

use super::super::Budget;
use super::super::body::Source;
use super::super::meter::{Meter, Metered, Unit};
use super::http1::{Head, Http1, Stream};
use super::http2::Http2;
use super::request::Request;
use crate::health::{Failure, HttpVersion, Stage, Times};

/// A connection to an endpoint.
pub(super) struct Connection {
    link: Link,
    meter: Arc<Meter>,
    /// The time that it took to establish the connection.
    pub(super) times: Times,
    /// When the endpoint's certificate expires, since the Unix epoch.
    pub(super) certificate_expires: Option<Duration>,
}

enum Link {
    Http1(Http1),
    Http2(Http2),
}

/// The head of a response. The body is read from the connection.
pub(super) struct Answer {
    /// The status code.
    pub(super) status: u16,
    pub(super) fields: HeaderMap,
    /// When the request was sent.
    pub(super) asked: Instant,
    /// The time that the head took from then.
    pub(super) first_byte: Duration,
}

impl Connection {
    /// Starts to use this version over a connected stream.
    pub(super) async fn speak(
        stream: Box<dyn Stream>,
        meter: Arc<Meter>,
        version: HttpVersion,
        budget: Budget,
    ) -> Result<Self, Failure> {
        let link = match version {
            HttpVersion::Http1 => Link::Http1(Http1::new(stream)),
            HttpVersion::Http2 => {
                let stream = Metered::new(stream, Arc::clone(&meter), Unit::Frame);
                // On the heap: otherwise every probe would be as large as the state of hyper's handshake.
                Link::Http2(budget.within(Stage::Response, Box::pin(Http2::speak(stream))).await??)
            }
        };
        Ok(Self { link, meter, times: Times::UNKNOWN, certificate_expires: None })
    }

    /// Sends a request and waits for the head of the response.
    pub(super) async fn ask(
        &mut self,
        request: &Request<'_>,
        scheme: &Scheme,
        budget: Budget,
    ) -> Result<Answer, Failure> {
        let asked = Instant::now();
        let (status, fields) = match &mut self.link {
            Link::Http1(link) => {
                let asking = link.ask(request.octets(), request.is_head());
                let Head { status, fields, .. } = budget.within(Stage::Response, asking).await??;
                (status, fields)
            }
            Link::Http2(link) => {
                let head = budget.within(Stage::Response, link.ask(request.for_http2(scheme)?)).await??;
                (head.status.as_u16(), head.headers)
            }
        };
        Ok(Answer { status, fields, asked, first_byte: asked.elapsed() })
    }

    /// Waits until it can take another request. Returns false if it never will. The body must have been read.
    pub(super) async fn is_ready(&mut self) -> bool {
        self.meter.renew();
        match &mut self.link {
            Link::Http1(link) => link.is_reusable(),
            Link::Http2(link) => link.is_ready().await,
        }
    }
}

impl Source for Connection {
    async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        match &mut self.link {
            Link::Http1(link) => link.next().await,
            Link::Http2(link) => link.next().await,
        }
    }
}
