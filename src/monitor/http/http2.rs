//! HTTP/2, spoken by hyper (RFC 9113).

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper::http::response::Parts;
use hyper::rt::Executor;
use hyper_util::rt::TokioIo;

use super::super::body::Source;
use super::super::failure;
use super::driver::Driver;
use super::http1::Stream;
use crate::health::{Failure, Stage};

/// Maximum number of octets of a head, counted as in RFC 9113 section 6.5.2: as many as HTTP/1.1 may have.
const HEAD_LIMIT: u32 = 32 * 1024;
/// Octets of bodies that the endpoint may send before any is read: as many as are examined (RFC 9113 section 5.2).
const WINDOW: u32 = 64 * 1024;

/// A connection for one request after another.
pub(super) struct Http2 {
    sender: SendRequest<Empty<Bytes>>,
    driver: Driver,
    /// The unread rest of the last response.
    incoming: Option<Incoming>,
    /// Why the connection ended, if it ended with an error.
    ended: Arc<OnceLock<Failure>>,
}

impl Http2 {
    /// A connection over a connected stream.
    pub(super) async fn speak(stream: impl Stream + 'static) -> Result<Self, Failure> {
        let mut driver = Driver::default();
        let spawner = driver.spawner();
        let mut builder = Builder::new(spawner.clone());
        builder.max_header_list_size(HEAD_LIMIT);
        builder.initial_stream_window_size(WINDOW).initial_connection_window_size(WINDOW);
        let opening = builder.handshake(TokioIo::new(stream));
        let (sender, connection) = driver.along(opening).await.map_err(|error| failed(&error))?;
        let ended = Arc::new(OnceLock::new());
        let end = Arc::clone(&ended);
        // The connection passes its errors, its end included, to the response or its body. It does not pass them to a
        // request that comes too late.
        spawner.execute(async move {
            if let Err(error) = connection.await {
                let _ = end.set(failed(&error));
            }
        });
        Ok(Self { sender, driver, incoming: None, ended })
    }

    /// Sends a request and waits for the head of the response.
    pub(super) async fn ask(&mut self, request: Request<Empty<Bytes>>) -> Result<Parts, Failure> {
        self.incoming = None;
        let response = self.driver.along(self.sender.send_request(request)).await.map_err(|error| failed(&error));
        let response = response.map_err(|failure| match self.ended.get() {
            Some(reason) if failure == Failure::Closed => reason.clone(),
            _ => failure,
        });
        let (head, incoming) = response?.into_parts();
        self.incoming = Some(incoming);
        Ok(head)
    }

    /// Waits until it can take another request. Returns false if it never will.
    pub(super) async fn is_ready(&mut self) -> bool {
        self.incoming = None;
        self.driver.along(self.sender.ready()).await.is_ok()
    }
}

impl Source for Http2 {
    async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        let Some(incoming) = &mut self.incoming else { return Ok(None) };
        loop {
            let Some(frame) = self.driver.along(incoming.frame()).await else { return Ok(None) };
            let frame = frame.map_err(|error| failure::from_http(&error, Stage::Body))?;
            // A frame that is not data contains trailers, and the end comes next.
            if let Ok(octets) = frame.into_data() {
                return Ok(Some(octets));
            }
        }
    }
}

fn failed(error: &hyper::Error) -> Failure {
    failure::from_http(error, Stage::Response)
}
