//! A TLS record of its own for each answer over HTTP/2.
//!
//! HTTP/2 writes all answers that are ready at once, and TLS puts what is written at once into one record. A client that reads a
//! record at a time and expects one answer in it loses the others: dnsperf 2.10 does. With a record for each answer it loses
//! none. The records still leave together: the stream below TLS collects them until it is flushed.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use arrayvec::ArrayVec;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Length of a frame's header (RFC 9113, section 4.1).
const FRAME_HEADER: usize = 9;

/// Types of frames that can end a stream (RFC 9113, sections 6.1 and 6.2), and the flag that says so.
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const END_STREAM: u8 = 1;

/// A stream that ends each of its writes after an answer, so that the TLS stream below makes a record of it.
pub(super) struct AnswerRecords<S> {
    stream: S,
    /// `None` with HTTP/1.1, which has no frames, and where a client waits for each answer.
    frames: Option<Frames>,
}

impl<S> AnswerRecords<S> {
    /// Takes a TLS stream on which nothing of HTTP was written yet.
    pub(super) fn new(stream: S, is_http_2: bool) -> Self {
        Self { stream, frames: is_http_2.then(Frames::default) }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for AnswerRecords<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context, buffer: &mut ReadBuf) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for AnswerRecords<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context, octets: &[u8]) -> Poll<io::Result<usize>> {
        let answer = self.frames.clone().map_or(octets, |mut frames| frames.first_answer(octets));
        let written = ready!(Pin::new(&mut self.stream).poll_write(context, answer))?;
        // A full socket takes a part, and the rest comes again.
        if let Some(frames) = &mut self.frames {
            frames.first_answer(&octets[..written]);
        }
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// A position between the frames of a connection, or within one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Frames {
    /// The octets of a header that is not complete yet.
    header: ArrayVec<u8, FRAME_HEADER>,
    /// Octets that the current frame's payload still has.
    payload: usize,
    /// Whether the current frame is the last one of an answer.
    ends_answer: bool,
}

impl Frames {
    /// Returns the octets up to the end of the first answer, or all if no answer ends in them; and moves behind them.
    fn first_answer<'a>(&mut self, octets: &'a [u8]) -> &'a [u8] {
        let mut rest = octets;
        while !rest.is_empty() {
            if self.payload == 0 {
                let missing = FRAME_HEADER - self.header.len();
                let (header, behind) = rest.split_at(missing.min(rest.len()));
                self.header.extend(header.iter().copied());
                rest = behind;
                if !self.header.is_full() {
                    return octets;
                }
                self.begin();
            }
            let (payload, behind) = rest.split_at(self.payload.min(rest.len()));
            self.payload -= payload.len();
            rest = behind;
            if self.payload == 0 && self.ends_answer {
                return &octets[..octets.len() - rest.len()];
            }
        }
        octets
    }

    /// Begins the frame whose header is complete.
    fn begin(&mut self) {
        let &[high, middle, low, kind, flags, ..] = self.header.as_slice() else { return };
        self.header.clear();
        self.payload = u32::from_be_bytes([0, high, middle, low]) as usize;
        self.ends_answer = matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: usize) -> Vec<u8> {
        let mut frame = vec![0, (payload >> 8) as u8, payload as u8, kind, flags, 0, 0, 0, 1];
        frame.resize(FRAME_HEADER + payload, 0xff);
        frame
    }

    fn answer(length: usize) -> Vec<u8> {
        [frame(HEADERS, 4, 30), frame(DATA, END_STREAM, length)].concat()
    }

    /// Returns the lengths of the pieces that a stream of frames is written in, when so many octets come at a time.
    fn pieces(octets: &[u8], at_a_time: usize) -> Vec<usize> {
        let mut frames = Frames::default();
        let mut pieces = Vec::new();
        for mut chunk in octets.chunks(at_a_time) {
            while !chunk.is_empty() {
                let piece = frames.first_answer(chunk).len();
                pieces.push(piece);
                chunk = &chunk[piece..];
            }
        }
        pieces
    }

    #[test]
    fn each_answer_is_a_piece() {
        let settings = frame(4, 0, 18);
        let octets = [settings, answer(57), answer(300), frame(HEADERS, END_STREAM | 4, 12), frame(6, 1, 8)].concat();
        let (first, second) = (27 + 39 + 66, 39 + 309);
        assert_eq!(pieces(&octets, octets.len()), [first, second, 21, 17]);
    }

    #[test]
    fn answers_end_where_they_end_however_they_come() {
        let octets = [answer(57), answer(0), answer(1_000)].concat();
        for at_a_time in 1..octets.len() {
            let mut position = 0;
            let ends: Vec<usize> = pieces(&octets, at_a_time)
                .into_iter()
                .map(|piece| {
                    position += piece;
                    position
                })
                .collect();
            for end in [105, 153, 1_201] {
                assert!(ends.contains(&end), "{at_a_time} at a time: nothing ends at {end}");
            }
        }
    }
}
