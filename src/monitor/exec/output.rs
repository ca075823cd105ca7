//! The output of a program. Its beginning is kept. The rest is read too, so that the program does not block on a full
//! pipe. Reading stops at a limit.

use std::io::{self, PipeReader, PipeWriter, Read};
use std::os::fd::OwnedFd;

use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;

use crate::health::Failure;

/// Octets that are kept: more than the log line made from them can hold.
const KEPT: usize = 1024;
/// Maximum number of octets that are read: no program has this much to say about an endpoint.
const LIMIT: usize = 16 * 1024 * 1024;
/// Octets of one read: the capacity of Linux pipes, so that a flood costs few system calls.
const PIECE: usize = 64 * 1024;

/// The reading end of a program's standard output.
pub(super) struct Output {
    /// `None` once it has ended or cannot be read.
    pipe: Option<Receiver>,
    beginning: Vec<u8>,
    /// Number of octets read so far.
    read: usize,
}

/// The program wrote more than [`LIMIT`].
#[derive(Debug)]
pub(super) struct TooMuch;

impl From<TooMuch> for Failure {
    fn from(_: TooMuch) -> Self {
        Self::TooMuch(format!("the program wrote more than {} MiB", LIMIT / 1024 / 1024))
    }
}

impl Output {
    /// An output, and the end of the pipe that the program writes to.
    pub(super) fn pipe() -> io::Result<(Self, PipeWriter)> {
        let (reader, writer) = io::pipe()?;
        let pipe = Receiver::from_owned_fd(OwnedFd::from(reader))?;
        Ok((Self { pipe: Some(pipe), beginning: Vec::new(), read: 0 }, writer))
    }

    /// Reads as long as it is polled. Returns only if the program writes too much.
    pub(super) async fn take_in(&mut self) -> TooMuch {
        let mut piece = vec![0; PIECE];
        while let Some(pipe) = &mut self.pipe {
            match pipe.read(&mut piece).await {
                Ok(0) | Err(_) => self.pipe = None,
                Ok(length) => {
                    self.keep(&piece[..length]);
                    self.read += length;
                    if self.read > LIMIT {
                        return TooMuch;
                    }
                }
            }
        }
        std::future::pending().await
    }

    /// Reads what is in the pipe now, up to the octets that are kept, even if the runtime was not notified of it yet.
    pub(super) fn take_rest(&mut self) {
        let Some(Ok(pipe)) = self.pipe.take().map(Receiver::into_nonblocking_fd) else { return };
        let mut pipe = PipeReader::from(pipe);
        let mut piece = [0; KEPT];
        while self.beginning.len() < KEPT {
            match pipe.read(&mut piece) {
                Ok(length) if length > 0 => self.keep(&piece[..length]),
                _ => return,
            }
        }
    }

    pub(super) fn beginning(&self) -> &[u8] {
        &self.beginning
    }

    fn keep(&mut self, piece: &[u8]) {
        let room = KEPT - self.beginning.len();
        self.beginning.extend_from_slice(&piece[..piece.len().min(room)]);
    }
}
