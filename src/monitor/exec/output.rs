//! What a program says: its beginning is kept, the rest is read all the same, so that nobody waits at a full pipe.

use std::convert::Infallible;
use std::io::{self, PipeReader, PipeWriter, Read};
use std::os::fd::OwnedFd;

use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;

/// Octets that are kept: more than the line of the log takes that is made of them.
const KEPT: usize = 1024;
/// Octets that are read at once.
const PIECE: usize = 4096;

/// The reading end of a program's standard output.
pub(super) struct Output {
    /// `None` once it has ended, or cannot be read.
    pipe: Option<Receiver>,
    beginning: Vec<u8>,
}

impl Output {
    /// With the end that the program writes to.
    pub(super) fn pipe() -> io::Result<(Self, PipeWriter)> {
        let (reader, writer) = io::pipe()?;
        let pipe = Receiver::from_owned_fd(OwnedFd::from(reader))?;
        Ok((Self { pipe: Some(pipe), beginning: Vec::new() }, writer))
    }

    /// Reads for as long as it is polled.
    pub(super) async fn take_in(&mut self) -> Infallible {
        let mut piece = [0; PIECE];
        while let Some(pipe) = &mut self.pipe {
            match pipe.read(&mut piece).await {
                Ok(0) | Err(_) => self.pipe = None,
                Ok(length) => self.keep(&piece[..length]),
            }
        }
        std::future::pending().await
    }

    /// Reads what is there now, as far as it would be kept, whether or not the runtime has heard of it yet.
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
