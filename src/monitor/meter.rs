//! Limits on how much a probe accepts from its endpoint.
//!
//! A broken or hostile endpoint may send without end, in pieces as small as its protocol allows, and each piece costs
//! this node time. Each connection therefore has a meter, which is reset for each probe. It counts four things,
//! whatever the protocol: octets, pieces (the result of one read from the socket), TLS records and HTTP/2 frames. If an
//! endpoint sends more than the largest reasonable answer needs, the probe fails at once and the connection is closed.
//!
//! ```text
//!   TCP ── octets, pieces ──► TLS ── records ──► HTTP/2 ── frames ──► gRPC
//!                     └────────────────────────► HTTP/1.1, tcp, dns
//! ```

use std::fmt::Display;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Maximum number of octets read from a socket: certificates of 64 KiB (the longest message that rustls accepts), a
/// head of 32 KiB, a body of 64 KiB, and as much again for overhead.
const OCTETS: u32 = 256 * 1024;
/// Maximum number of pieces, TLS records and HTTP/2 frames, each: a body of 64 KiB in pieces of 32 octets.
const PIECES: u32 = 2048;

/// A unit that a meter counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Octet,
    Piece,
    /// RFC 8446 section 5.1: a header of type, version and length, then as many octets as the length.
    Record,
    /// RFC 9113 section 4.1: a header of length, type, flags and stream, then as many octets as the length.
    Frame,
}

/// Counts of everything that came over a connection since its probe began.
#[derive(Debug, Default)]
pub(super) struct Meter([AtomicU32; 4]);

impl Meter {
    /// Resets the counts for the next probe over the same connection.
    pub(super) fn renew(&self) {
        self.0.iter().for_each(|count| count.store(0, Ordering::Relaxed));
    }

    /// Adds to a count. Fails once it exceeds its limit.
    pub(super) fn count(&self, unit: Unit, amount: usize) -> io::Result<()> {
        let amount = u32::try_from(amount).unwrap_or(u32::MAX);
        let before = self.0[unit as usize].fetch_add(amount, Ordering::Relaxed);
        if before.saturating_add(amount) > unit.limit() { Err(too_much(unit.describe_limit())) } else { Ok(()) }
    }
}

impl Unit {
    fn limit(self) -> u32 {
        match self {
            Self::Octet => OCTETS,
            Self::Piece | Self::Record | Self::Frame => PIECES,
        }
    }

    fn describe_limit(self) -> String {
        match self {
            Self::Octet => format!("more than {} KiB in one probe", OCTETS / 1024),
            Self::Piece => format!("more than {PIECES} pieces in one probe"),
            Self::Record => format!("more than {PIECES} TLS records in one probe"),
            Self::Frame => format!("more than {PIECES} HTTP/2 frames in one probe"),
        }
    }

    /// Octets of the header, and which of them hold the length of the content.
    fn header(self) -> (usize, std::ops::Range<usize>) {
        match self {
            Self::Record => (5, 3..5),
            Self::Frame => (9, 0..3),
            Self::Octet | Self::Piece => unreachable!("neither has a header"),
        }
    }
}

/// The error of a stream whose peer sends too much. Only its kind passes through TLS and HTTP/2.
pub(super) fn too_much(what: impl Display) -> io::Error {
    io::Error::new(io::ErrorKind::QuotaExceeded, what.to_string())
}

/// A stream whose records or frames are counted as they are read.
#[derive(Debug)]
pub(super) struct Metered<S> {
    stream: S,
    meter: Arc<Meter>,
    unit: Unit,
    /// The octets of a header that have come so far.
    header: [u8; 9],
    filled: usize,
    /// Octets that are left of the content that the last header announced.
    announced: usize,
}

impl<S> Metered<S> {
    /// A stream that counts its records or frames.
    pub(super) fn new(stream: S, meter: Arc<Meter>, unit: Unit) -> Self {
        Self { stream, meter, unit, header: [0; 9], filled: 0, announced: 0 }
    }

    /// Skips contents in the octets that were read, and counts the headers.
    fn pass(&mut self, mut octets: &[u8]) -> io::Result<()> {
        let (length, place) = self.unit.header();
        while !octets.is_empty() {
            let skipped = self.announced.min(octets.len());
            self.announced -= skipped;
            octets = &octets[skipped..];
            let taken = (length - self.filled).min(octets.len());
            self.header[self.filled..][..taken].copy_from_slice(&octets[..taken]);
            self.filled += taken;
            octets = &octets[taken..];
            if self.filled == length {
                self.filled = 0;
                self.announced = self.header[place.clone()].iter().fold(0, |sum, &octet| sum << 8 | usize::from(octet));
                self.meter.count(self.unit, 1)?;
            }
        }
        Ok(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(context, buffer))?;
        Poll::Ready(this.pass(&buffer.filled()[before..]))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, octets)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frames(count: usize) -> Vec<u8> {
        (0..count).flat_map(|n| [&[0, 0, (n % 5) as u8, 6, 0, 0, 0, 0, 0][..], &vec![0xFF; n % 5]].concat()).collect()
    }

    fn records(count: usize) -> Vec<u8> {
        (0..count).flat_map(|n| [&[23, 3, 3, 0, (n % 7) as u8][..], &vec![0xFF; n % 7]].concat()).collect()
    }

    fn metered(unit: Unit) -> Metered<()> {
        Metered::new((), Arc::default(), unit)
    }

    #[test]
    fn more_than_the_limit_is_an_error_that_says_so() {
        let meter = Meter::default();
        meter.count(Unit::Octet, OCTETS as usize).unwrap();
        let error = meter.count(Unit::Octet, 1).unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string().as_str()),
            (io::ErrorKind::QuotaExceeded, "more than 256 KiB in one probe")
        );
        meter.count(Unit::Piece, 1).unwrap();
        meter.renew();
        meter.count(Unit::Octet, OCTETS as usize).unwrap();
        assert!(meter.count(Unit::Octet, usize::MAX).is_err());
    }

    proptest! {
        #[test]
        fn headers_are_counted_however_they_are_cut(cuts in prop::collection::vec(1_usize..40, 0..200)) {
            let limit = PIECES as usize;
            for (unit, enough, more) in
                [(Unit::Frame, frames(limit), frames(limit + 1)), (Unit::Record, records(limit), records(limit + 1))]
            {
                for (octets, is_good) in [(enough, true), (more, false)] {
                    let mut metered = metered(unit);
                    let mut rest = &octets[..];
                    let mut passed = Ok(());
                    for cut in cuts.iter().copied().chain([usize::MAX]) {
                        let (piece, behind) = rest.split_at(cut.min(rest.len()));
                        passed = passed.and_then(|()| metered.pass(piece));
                        rest = behind;
                    }
                    prop_assert_eq!(passed.is_ok(), is_good, "{:?}", unit);
                }
            }
        }
    }
}
