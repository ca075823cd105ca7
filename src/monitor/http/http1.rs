//! HTTP/1.1 as a probe speaks it (RFC 9112).
//!
//! ```text
//!   request ──► 1xx ... 1xx ──► head ──► body: none, by length, in chunks, or until the connection ends
//! ```
//!
//! This module does not use hyper's client, for four reasons:
//!
//! 1. An endpoint is up if its users' clients accept its responses. Clients accept more than hyper does with all of its
//!    options: chunks that end with a bare line feed, chunks under HTTP/1.0, a wrong `Content-Length` that nobody uses.
//! 2. The limits here are exact, however the network cuts a response into pieces. hyper's limits depend on the present
//!    size of its buffer.
//! 3. Endless interim responses can be counted.
//! 4. Fields are written as the RFCs and the operator write them.
//!
//! HTTP/2 leaves no such choices, and there hyper is used.

mod framing;
mod head;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::super::body::Source;
use super::super::failure;
use crate::health::{Failure, Stage};
use framing::Framing;
pub(super) use head::Head;
use head::{HEAD_LIMIT, Start};

/// Maximum number of interim responses before the final one. Servers send one or two.
const INTERIM_LIMIT: usize = 32;

/// Octets that are read at a time.
const PIECE: usize = 8 * 1024;

/// A stream that carries HTTP/1.1.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// A connection for one request after another.
pub(super) struct Http1 {
    stream: Box<dyn Stream>,
    /// Octets that were received and not used yet.
    buffer: BytesMut,
    /// The part of the body that is still to come.
    framing: Framing,
    /// True if the peer intends to keep the connection.
    persists: bool,
}

impl Http1 {
    /// A connection over a connected stream.
    pub(super) fn new(stream: Box<dyn Stream>) -> Self {
        Self { stream, buffer: BytesMut::new(), framing: Framing::NONE, persists: true }
    }

    /// Sends a request and reads the head of the final response. The body is still to come.
    pub(super) async fn ask(&mut self, request: &[u8], is_head: bool) -> Result<Head, Failure> {
        let failed = |error: std::io::Error| failure::from_io(&error, Stage::Response);
        self.stream.write_all(request).await.map_err(failed)?;
        self.stream.flush().await.map_err(failed)?;
        for _ in 0..=INTERIM_LIMIT {
            let head = self.read_head().await?;
            if !head.is_interim() {
                self.framing = Framing::of(&head, is_head);
                self.persists = head.persists() && self.framing.ends_before_connection();
                return Ok(head);
            }
        }
        Err(Failure::TooMuch(format!("more than {INTERIM_LIMIT} interim responses")))
    }

    /// True if another request may follow: the body has ended, and no unexpected octets came.
    pub(super) fn is_reusable(&self) -> bool {
        self.persists && self.framing.is_over() && self.buffer.is_empty()
    }

    async fn read_head(&mut self) -> Result<Head, Failure> {
        let mut looked_at = 0;
        loop {
            match Head::begin(&self.buffer, looked_at)? {
                Start::Whole { length } => {
                    let octets = self.buffer.split_to(length);
                    return Head::parse(&octets);
                }
                Start::Part => looked_at = self.buffer.len(),
            }
            if self.buffer.len() > HEAD_LIMIT {
                return Err(Failure::TooMuch(format!("a head of more than {} KiB", HEAD_LIMIT / 1024)));
            }
            if self.fill().await? == 0 {
                return Err(Failure::Closed);
            }
        }
    }

    /// Reads some octets and returns their number; 0 means that the peer has closed its side.
    async fn fill(&mut self) -> Result<usize, Failure> {
        self.buffer.reserve(PIECE);
        let read = self.stream.read_buf(&mut self.buffer).await;
        read.map_err(|error| failure::from_io(&error, Stage::Response))
    }
}

impl Source for Http1 {
    async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        loop {
            let mut octets = BytesMut::new();
            let decoded = self.framing.decode(&mut self.buffer, &mut octets);
            if octets.has_remaining() {
                return Ok(Some(octets.freeze()));
            }
            decoded?;
            if self.framing.is_over() {
                return Ok(None);
            }
            if self.fill().await? == 0 {
                return if self.framing.ends_with_connection() { Ok(None) } else { Err(Failure::Closed) };
            }
        }
    }
}
