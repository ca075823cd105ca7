//! A connection that requests are sent over, in either version of HTTP.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::http::uri::Scheme;
use hyper::rt::Executor;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::super::{Budget, failure};
use super::driver::Driver;
use super::request;
use crate::health::{Failure, HttpVersion, Stage, Times};

/// Octets of a response's head, at most; four times what common servers let an application send.
const HEAD_LIMIT: u32 = 32 * 1024;

/// A connection to an endpoint.
pub(super) struct Connection {
    sender: Sender,
    driver: Driver,
    /// How long it took to come about.
    pub(super) times: Times,
    /// Until when the endpoint's certificate is valid, since the Unix epoch.
    pub(super) certificate_expires: Option<Duration>,
}

enum Sender {
    Http1(http1::SendRequest<Empty<Bytes>>),
    Http2(http2::SendRequest<Empty<Bytes>>),
}

/// The head of a response, with the body still to come.
pub(super) struct Answer {
    pub(super) response: Response<Incoming>,
    /// When the request was sent.
    pub(super) asked: Instant,
    /// How long the head took from then on.
    pub(super) first_byte: Duration,
}

impl Connection {
    /// Speaks this version over a connected stream.
    pub(super) async fn speak<S>(stream: S, version: HttpVersion, budget: Budget) -> Result<Self, Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut driver = Driver::default();
        let spawner = driver.spawner();
        // On the heap: what hyper's handshakes hold of both versions would make every probe as large.
        let opening = Box::pin(async {
            let stream = TokioIo::new(stream);
            // What a connection has to say, its end included, it hands to the response or to its body.
            match version {
                HttpVersion::Http1 => {
                    let (sender, connection) =
                        http1::Builder::new().max_buf_size(HEAD_LIMIT as usize).handshake(stream).await?;
                    spawner.execute(async { drop(connection.await) });
                    Ok(Sender::Http1(sender))
                }
                HttpVersion::Http2 => {
                    let (sender, connection) =
                        http2::Builder::new(spawner.clone()).max_header_list_size(HEAD_LIMIT).handshake(stream).await?;
                    spawner.execute(async { drop(connection.await) });
                    Ok(Sender::Http2(sender))
                }
            }
        });
        let opened: Result<Sender, hyper::Error> = budget.within(Stage::Response, driver.along(opening)).await?;
        let sender = opened.map_err(|error| failure::from_http(&error, Stage::Response))?;
        Ok(Self { sender, driver, times: Times::UNKNOWN, certificate_expires: None })
    }

    /// Sends a request and waits for the head of the response.
    pub(super) async fn ask(
        &mut self,
        request: &Request<Empty<Bytes>>,
        scheme: &Scheme,
        budget: Budget,
    ) -> Result<Answer, Failure> {
        let asked = Instant::now();
        let response = match &mut self.sender {
            Sender::Http1(sender) => {
                let response = sender.send_request(request.clone());
                budget.within(Stage::Response, self.driver.along(response)).await?
            }
            Sender::Http2(sender) => {
                let response = sender.send_request(request::for_http2(request.clone(), scheme)?);
                budget.within(Stage::Response, self.driver.along(response)).await?
            }
        };
        let response = response.map_err(|error| failure::from_http(&error, Stage::Response))?;
        Ok(Answer { response, asked, first_byte: asked.elapsed() })
    }

    /// Waits for something that comes over it, such as a body.
    pub(super) async fn wait<F: Future>(&mut self, future: F) -> F::Output {
        self.driver.along(future).await
    }

    /// Waits until it can take another request; `false` if it never will.
    pub(super) async fn is_ready(&mut self) -> bool {
        match &mut self.sender {
            Sender::Http1(sender) => self.driver.along(sender.ready()).await.is_ok(),
            Sender::Http2(sender) => self.driver.along(sender.ready()).await.is_ok(),
        }
    }
}
