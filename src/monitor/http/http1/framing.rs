//! The end of the body of a response (RFC 9112 section 6.3), and its decoding.

use bytes::{Buf, BytesMut};
use hyper::header::{CONTENT_LENGTH, TRANSFER_ENCODING};

use super::head::{HEAD_LIMIT, Head, elements};
use crate::health::Failure;

/// Maximum number of octets of a chunk-size line, extensions included.
const SIZE_LINE_LIMIT: usize = 4 * 1024;
/// Maximum number of digits of a chunk size: those of 64 bits.
const SIZE_DIGITS: usize = 16;

/// The way in which the rest of a body is read.
#[derive(Debug)]
pub(super) enum Framing {
    /// By length: this number of octets is left.
    Length(u64),
    /// RFC 9112 section 7.1.
    Chunked(Chunk),
    /// Until the peer closes the connection.
    UntilClose,
    /// The head gives no usable length. This is an error once the body is needed.
    Unknown(&'static str),
}

/// The next part of a chunked body.
#[derive(Debug)]
pub(super) enum Chunk {
    /// The chunk-size line.
    Size,
    /// Data of the chunk: this number of octets is left.
    Data(u64),
    /// The line end after the data.
    DataEnd,
    /// The trailer fields after the last chunk, of which this number of octets has come.
    Trailers(usize),
    Over,
}

impl Framing {
    /// No body.
    pub(super) const NONE: Self = Self::Length(0);

    /// The framing of the body after this head, in the response to a HEAD request or to another one.
    pub(super) fn of(head: &Head, is_head: bool) -> Self {
        if is_head || head.status < 200 || matches!(head.status, 204 | 304) {
            return Self::NONE;
        }
        if let Some(last) = elements(&head.fields, &TRANSFER_ENCODING).last() {
            return if last.eq_ignore_ascii_case("chunked") { Self::Chunked(Chunk::Size) } else { Self::UntilClose };
        }
        if !head.fields.contains_key(CONTENT_LENGTH) {
            return Self::UntilClose;
        }
        let mut lengths = elements(&head.fields, &CONTENT_LENGTH);
        let first = lengths.next().unwrap_or_default();
        // "If all of the field values in the list are the same, then [...] process the message with that single value".
        let is_one = lengths.all(|other| other == first);
        // A plus sign and a length beyond 64 bits are taken as curl takes them.
        let digits = first.strip_prefix('+').unwrap_or(first);
        if digits.is_empty() || !digits.bytes().all(|octet| octet.is_ascii_digit()) || !is_one {
            return Self::Unknown("Content-Length is not one number");
        }
        digits.parse().map_or(Self::UntilClose, Self::Length)
    }

    /// True if the whole body has been read.
    pub(super) fn is_over(&self) -> bool {
        matches!(self, Self::Length(0) | Self::Chunked(Chunk::Over))
    }

    /// True if the end of the connection is the end of the body.
    pub(super) fn ends_with_connection(&self) -> bool {
        matches!(self, Self::UntilClose)
    }

    /// True if the body ends before the connection does.
    pub(super) fn ends_before_connection(&self) -> bool {
        matches!(self, Self::Length(_) | Self::Chunked(_))
    }

    /// Moves the octets of the body from the received octets, as far as possible now.
    pub(super) fn decode(&mut self, came: &mut BytesMut, body: &mut BytesMut) -> Result<(), Failure> {
        match self {
            Self::Length(left) => take(left, came, body),
            Self::UntilClose => body.unsplit(came.split()),
            Self::Unknown(why) => return Err(Failure::Protocol((*why).to_owned())),
            Self::Chunked(chunk) => while chunk.advance(came, body)? {},
        }
        Ok(())
    }
}

impl Chunk {
    /// Reads the next part. Returns false if it has not come yet or nothing is left.
    fn advance(&mut self, came: &mut BytesMut, body: &mut BytesMut) -> Result<bool, Failure> {
        match self {
            Self::Size => {
                let Some(line) = line(came, SIZE_LINE_LIMIT, "a chunk's length does not end")? else {
                    return Ok(false);
                };
                let size = size(&line).ok_or_else(|| broken("a chunk's length is not a number"))?;
                *self = if size == 0 { Self::Trailers(0) } else { Self::Data(size) };
            }
            Self::Data(left) => {
                take(left, came, body);
                if *left > 0 {
                    return Ok(false);
                }
                *self = Self::DataEnd;
            }
            Self::DataEnd => {
                match came.as_ref() {
                    [b'\n', ..] => came.advance(1),
                    [b'\r', b'\n', ..] => came.advance(2),
                    [] | [b'\r'] => return Ok(false),
                    _ => return Err(broken("a chunk is longer than it says")),
                }
                *self = Self::Size;
            }
            Self::Trailers(length) => {
                let Some(line) = line(came, HEAD_LIMIT, "a trailer does not end")? else { return Ok(false) };
                *length += line.len();
                if line.trim_ascii().is_empty() {
                    *self = Self::Over;
                } else if *length > HEAD_LIMIT {
                    return Err(Failure::TooMuch(format!("trailers of more than {} KiB", HEAD_LIMIT / 1024)));
                }
            }
            Self::Over => return Ok(false),
        }
        Ok(true)
    }
}

fn take(left: &mut u64, came: &mut BytesMut, body: &mut BytesMut) {
    let length = usize::try_from(*left).unwrap_or(usize::MAX).min(came.len());
    body.extend_from_slice(&came.split_to(length));
    *left -= length as u64;
}

/// Takes a line with its line end from `came`. Returns `None` if the line end has not come yet. Fails with
/// `without_end` if the first `limit` octets have none.
fn line(came: &mut BytesMut, limit: usize, without_end: &str) -> Result<Option<BytesMut>, Failure> {
    match came.iter().take(limit).position(|&octet| octet == b'\n') {
        Some(at) => Ok(Some(came.split_to(at + 1))),
        None if came.len() < limit => Ok(None),
        None => Err(broken(without_end)),
    }
}

/// The hexadecimal number at the beginning of a line; `None` if there is none. Ignores extensions after it, which
/// nobody uses.
fn size(line: &[u8]) -> Option<u64> {
    let line = line.trim_ascii_start();
    let length = line.iter().take_while(|octet| octet.is_ascii_hexdigit()).count();
    let digits = std::str::from_utf8(&line[..length]).ok().filter(|digits| digits.len() <= SIZE_DIGITS)?;
    u64::from_str_radix(digits, 16).ok()
}

fn broken(why: &str) -> Failure {
    Failure::Protocol(why.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn framing(fields: &str) -> Framing {
        Framing::of(&Head::parse(format!("HTTP/1.1 200 OK\r\n{fields}\r\n").as_bytes()).unwrap(), false)
    }

    /// The body of these octets, cut at these points, and true if it is over.
    fn decoded(fields: &str, octets: &[u8], cuts: &[usize]) -> Result<(Vec<u8>, bool), Failure> {
        let (mut framing, mut came, mut body) = (framing(fields), BytesMut::new(), BytesMut::new());
        let mut rest = octets;
        for &cut in cuts.iter().chain([&usize::MAX]) {
            let (piece, behind) = rest.split_at(cut.min(rest.len()));
            came.extend_from_slice(piece);
            framing.decode(&mut came, &mut body)?;
            rest = behind;
        }
        Ok((body.to_vec(), framing.is_over()))
    }

    #[test]
    fn a_head_says_where_its_body_ends() {
        for (fields, expected) in [
            ("", "until close"),
            ("Content-Length: 5\r\n", "5"),
            ("Content-Length: 5, 5\r\nContent-Length: 5\r\n", "5"),
            ("Content-Length: 5\r\nTransfer-Encoding: gzip, Chunked\r\n", "chunked"),
            ("Transfer-Encoding: identity\r\n", "until close"),
            ("Content-Length: 5, 6\r\n", "unknown"),
            ("Content-Length: -5\r\n", "unknown"),
            ("Content-Length: +5\r\n", "5"),
            ("Content-Length: +\r\n", "unknown"),
            ("Content-Length: ++5\r\n", "unknown"),
            ("Content-Length:\r\n", "unknown"),
            ("Content-Length: 99999999999999999999\r\n", "until close"),
        ] {
            let found = match framing(fields) {
                Framing::Length(length) => length.to_string(),
                Framing::Chunked(_) => "chunked".to_owned(),
                Framing::UntilClose => "until close".to_owned(),
                Framing::Unknown(_) => "unknown".to_owned(),
            };
            assert_eq!(found, expected, "{fields:?}");
        }
        for (status, is_head) in [(204, false), (304, false), (200, true), (101, false)] {
            let head = format!("HTTP/1.1 {status} X\r\nContent-Length: 5\r\n\r\n");
            assert!(Framing::of(&Head::parse(head.as_bytes()).unwrap(), is_head).is_over(), "{status}");
        }
    }

    #[test]
    fn chunks_are_taken_as_clients_take_them() {
        const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";
        for (octets, body) in [
            ("2\r\nok\r\n0\r\n\r\n", "ok"),
            ("2\nok\n0\n\n", "ok"),
            ("02; name=value\r\nok\r\n1  \r\n!\r\n000\r\nX-Trailer: 1\r\n\r\n", "ok!"),
            (" A\r\n0123456789\r\n0\r\n\r\n", "0123456789"),
        ] {
            assert_eq!(decoded(CHUNKED, octets.as_bytes(), &[]), Ok((body.into(), true)), "{octets:?}");
        }
        for octets in ["x\r\n", "\r\n", "2\r\nokay\r\n", "11111111111111111\r\n", &"1".repeat(5000)] {
            assert!(matches!(decoded(CHUNKED, octets.as_bytes(), &[]), Err(Failure::Protocol(_))), "{octets:?}");
        }
        let trailers = format!("0\r\n{}", "X: 1\r\n".repeat(10_000));
        assert!(matches!(decoded(CHUNKED, trailers.as_bytes(), &[]), Err(Failure::TooMuch(_))));
        assert_eq!(decoded(CHUNKED, b"2\r\nok\r\n0\r\n", &[]), Ok((b"ok".into(), false)));
    }

    proptest! {
        #[test]
        fn cuts_change_nothing(
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..30), 0..6),
            cuts in prop::collection::vec(0_usize..8, 0..60),
        ) {
            let body = pieces.concat();
            let mut chunks: Vec<u8> = Vec::new();
            for piece in &pieces {
                chunks.extend(format!("{:x}\r\n", piece.len()).bytes().chain(piece.iter().copied()).chain(*b"\r\n"));
            }
            chunks.extend(b"0\r\n\r\n");
            let found = decoded("Transfer-Encoding: chunked\r\n", &chunks, &cuts);
            prop_assert_eq!(found, Ok((body.clone(), true)));
            let found = decoded(&format!("Content-Length: {}\r\n", body.len()), &body, &cuts);
            prop_assert_eq!(found, Ok((body, true)));
        }
    }
}
