//! HTTP/1.1, as a probe speaks it (RFC 9112).
//!
//! ```text
//!   request ──► 1xx ... 1xx ──► head ──► body: none, so many octets, chunks, or until the connection ends
//! ```
//!
//! This is no use of hyper's client, for four reasons. An endpoint is well if its users' clients take what it says, and those
//! take more than hyper does, with all of its options: chunks that end by a bare line feed, chunks under HTTP/1.0, a
//! `Content-Length` that is wrong but that nobody looks at. The limits here are sharp, however the network cuts a response to
//! pieces: hyper's depend on how large its buffer has grown by chance. Endless interim responses can be counted. And fields
//! are written as the RFCs and the operator write them. HTTP/2 leaves no such choices; there hyper speaks.

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

/// Interim responses before the final one, at most. Servers send one or two of them.
const INTERIM_LIMIT: usize = 32;

/// Octets that are read at once.
const PIECE: usize = 8 * 1024;

/// The stream that HTTP/1.1 is spoken over.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// A connection on which one request after another is answered.
pub(super) struct Http1 {
    stream: Box<dyn Stream>,
    /// What came and was not used yet.
    buffer: BytesMut,
    /// The part of the body that is still to come.
    framing: Framing,
    /// Whether the peer means to keep the connection.
    persists: bool,
}

impl Http1 {
    /// Over a connected stream.
    pub(super) fn new(stream: Box<dyn Stream>) -> Self {
        Self { stream, buffer: BytesMut::new(), framing: Framing::NONE, persists: true }
    }

    /// Sends a request and reads the head of the final response; the body is to come.
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

    /// Whether another request may follow: the body has ended, and nothing came that nobody asked for.
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

    /// Reads some octets; their number is 0 when the peer's part has ended.
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
