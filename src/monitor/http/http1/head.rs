//! The head of a response: its status and its fields.
//!
//! Common clients accept mistakes of servers if the meaning is clear. So does this module: it accepts lines that end
//! with a bare line feed, and fields that continue in the next line (RFC 9112 section 5.2). It also accepts blanks
//! before the colon (section 5.1), lines that are not fields, and any number of fields.

use hyper::HeaderMap;
use hyper::header::{CONNECTION, HeaderName, HeaderValue};

use crate::health::Failure;

/// Maximum number of octets of a head up to the end of its empty line: four times as much as common servers let an
/// application send.
pub(in super::super) const HEAD_LIMIT: usize = 32 * 1024;

/// The beginning of every response (RFC 9112 section 2.3), in any case.
const NAME: &[u8] = b"HTTP/1.";

/// The head of a response.
#[derive(Debug)]
pub(in super::super) struct Head {
    /// 100 to 999.
    pub(in super::super) status: u16,
    /// The fields that can be read.
    pub(in super::super) fields: HeaderMap,
    /// True for HTTP/1.0, false for 1.1 and versions compatible with it (RFC 9110 section 2.5).
    pub(super) is_old: bool,
}

/// How much of a head the received octets hold.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// They begin with a whole head of this number of octets.
    Whole { length: usize },
    /// They are a part of a head.
    Part,
}

impl Head {
    /// Searches for the end of a head. The octets up to `looked_at` were searched before. Fails at once if no head can
    /// follow.
    pub(super) fn begin(octets: &[u8], looked_at: usize) -> Result<Start, Failure> {
        // Line ends may be left over from the body before.
        let blank = octets.iter().take_while(|octet| matches!(octet, b'\r' | b'\n')).count();
        let seen = &octets[blank..];
        if !NAME.iter().zip(seen).all(|(name, octet)| name.eq_ignore_ascii_case(octet)) {
            return Err(Failure::Protocol("the answer is not HTTP/1.1".to_owned()));
        }
        let within = &octets[..octets.len().min(HEAD_LIMIT)];
        // The octets around the border are searched again: the empty line may lie across it.
        let from = looked_at.saturating_sub(2).max(blank).min(within.len());
        let ends = |at: usize| match &within[at + 1..] {
            [b'\n', ..] => Some(at + 2),
            [b'\r', b'\n', ..] => Some(at + 3),
            _ => None,
        };
        let mut feeds = (from..within.len()).filter(|&at| within[at] == b'\n');
        Ok(feeds.find_map(ends).map_or(Start::Part, |length| Start::Whole { length }))
    }

    /// Reads a whole head.
    pub(super) fn parse(octets: &[u8]) -> Result<Self, Failure> {
        let mut lines = octets.split(|&octet| octet == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        let first = lines.find(|line| !line.is_empty()).unwrap_or_default();
        let (status, is_old) =
            status(first).ok_or_else(|| Failure::Protocol("the status line is broken".to_owned()))?;
        Ok(Self { status, fields: fields(lines), is_old })
    }

    /// True if another head follows. After 101, HTTP ends.
    pub(super) fn is_interim(&self) -> bool {
        (100..200).contains(&self.status) && self.status != 101
    }

    /// True if the peer intends to take another request (RFC 9112 section 9.3).
    pub(super) fn persists(&self) -> bool {
        let says = |word: &str| elements(&self.fields, &CONNECTION).any(|element| element.eq_ignore_ascii_case(word));
        !says("close") && (!self.is_old || says("keep-alive"))
    }
}

/// The elements of a list, over all fields of that name (RFC 9110 section 5.6.1).
pub(super) fn elements<'a>(fields: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let lists = fields.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    lists.flat_map(|list| list.split(',')).map(str::trim).filter(|element| !element.is_empty())
}

/// Reads `HTTP/1.x`, blanks, three digits, and any text that does not begin with a digit.
fn status(line: &[u8]) -> Option<(u16, bool)> {
    let (minor, rest) = line.get(NAME.len()..)?.split_first()?;
    let digits = rest.trim_ascii_start();
    if !minor.is_ascii_digit() || digits.len() == rest.len() {
        return None;
    }
    let (digits, reason) = digits.split_at_checked(3)?;
    let is_end = !reason.first().is_some_and(u8::is_ascii_digit);
    let status = std::str::from_utf8(digits).ok()?.parse().ok().filter(|_| digits.iter().all(u8::is_ascii_digit))?;
    (is_end && status >= 100).then_some((status, *minor == b'0'))
}

/// The valid fields among these lines. By RFC 9112 section 5.2, the line end of a folded line becomes blanks.
fn fields<'a>(lines: impl Iterator<Item = &'a [u8]>) -> HeaderMap {
    let mut fields = HeaderMap::new();
    let mut unfolded: Vec<u8> = Vec::new();
    for line in lines.chain([&b""[..]]) {
        if line.starts_with(b" ") || line.starts_with(b"\t") {
            unfolded.push(b' ');
            unfolded.extend_from_slice(line.trim_ascii());
            continue;
        }
        if let Some((name, value)) = field(&unfolded) {
            // An error means that the map is full. No probe looks at so many fields.
            let _ = fields.try_append(name, value);
        }
        unfolded.clear();
        unfolded.extend_from_slice(line);
    }
    fields
}

fn field(line: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let colon = line.iter().position(|&octet| octet == b':')?;
    let name = HeaderName::from_bytes(line[..colon].trim_ascii()).ok()?;
    let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?;
    Some((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn head(text: &str) -> Head {
        let octets = format!("{text}\r\n\r\n");
        assert_eq!(Head::begin(octets.as_bytes(), 0), Ok(Start::Whole { length: octets.len() }));
        Head::parse(octets.as_bytes()).unwrap()
    }

    #[test]
    fn a_status_line_is_read_as_clients_read_it() {
        for (line, expected) in [
            ("HTTP/1.1 200 OK", Some((200, false))),
            ("HTTP/1.0 503 Service Unavailable", Some((503, true))),
            ("HTTP/1.1 200", Some((200, false))),
            ("HTTP/1.1 200 ", Some((200, false))),
            ("HTTP/1.1  200  OK", Some((200, false))),
            ("http/1.1 204 \u{fc}\u{7}", Some((204, false))),
            ("HTTP/1.9 299 Later", Some((299, false))),
            ("HTTP/1.1 999 Odd", Some((999, false))),
            ("HTTP/1.1 099 Low", None),
            ("HTTP/1.1 20", None),
            ("HTTP/1.1 200OK", Some((200, false))),
            ("HTTP/1.1 204-No Content", Some((204, false))),
            ("HTTP/1.1 2000", None),
            ("HTTP/1.1 +20 OK", None),
            ("HTTP/1.1200 OK", None),
            ("HTTP/1.x 200 OK", None),
            ("HTTP/1.1", None),
            ("", None),
        ] {
            assert_eq!(status(line.as_bytes()), expected, "{line}");
        }
    }

    #[test]
    fn fields_that_can_be_read_are() {
        let head = head(
            "HTTP/1.1 200 OK\r\nX-Weight : 30\r\nno field at all\r\nBad Name: 1\r\nX-Folded: one\r\n two\n\tthree\r\n\
             : nameless\r\nX-Nul: a\0b\r\nX-Load:350/1000\r\nX-\u{fc}: 1\r\nX-Latin: \u{fc}",
        );
        let value =
            |name: &str| head.fields.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        assert_eq!(value("x-weight").as_deref(), Some("30"));
        assert_eq!(value("x-folded").as_deref(), Some("one two three"));
        assert_eq!(value("x-load").as_deref(), Some("350/1000"));
        assert_eq!(value("x-latin").as_deref(), Some("\u{fc}"));
        assert_eq!(head.fields.len(), 4, "{:?}", head.fields);
    }

    #[test]
    fn any_number_of_fields_has_room() {
        let many = (0..2000).map(|n| format!("\r\nX-{n}: {n}")).collect::<Vec<_>>().concat();
        let head = head(&format!("HTTP/1.1 200 OK{many}"));
        assert_eq!((head.fields.len(), &head.fields["x-1999"]), (2000, &HeaderValue::from_static("1999")));
    }

    #[test]
    fn what_is_not_http_is_told_at_its_first_octets() {
        for octets in ["S", "SSH-2.0-OpenSSH_9.6\r\n", "HTTP/2", "HTTQ", "\r\n\r\n220 mail", "\0"] {
            assert!(Head::begin(octets.as_bytes(), 0).is_err(), "{octets:?}");
        }
        for octets in ["", "H", "HTTP/1.", "\r\n", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\n\r"] {
            assert_eq!(Head::begin(octets.as_bytes(), 0), Ok(Start::Part), "{octets:?}");
        }
    }

    #[test]
    fn a_connection_persists_unless_somebody_says_otherwise() {
        for (text, expected) in [
            ("HTTP/1.1 200 OK", true),
            ("HTTP/1.1 200 OK\r\nConnection: keep-alive", true),
            ("HTTP/1.1 200 OK\r\nConnection: x, Close", false),
            ("HTTP/1.0 200 OK", false),
            ("HTTP/1.0 200 OK\r\nConnection: Keep-Alive", true),
        ] {
            assert_eq!(head(text).persists(), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_limit_is_sharp_and_the_end_found_however_it_is_cut(
            spare in -3_isize..3,
            cuts in prop::collection::btree_set(0_usize..HEAD_LIMIT + 4, 0..6),
        ) {
            let start = "HTTP/1.1 200 OK\r\nX: ";
            let length = HEAD_LIMIT.strict_add_signed(spare);
            let mut octets = format!("{start}{}\r\n\r\n", "x".repeat(length - start.len() - 4)).into_bytes();
            octets.extend(b"body\n\n");
            let mut looked_at = 0;
            let mut found = Start::Part;
            for cut in cuts.into_iter().chain([octets.len()]) {
                found = Head::begin(&octets[..cut.min(octets.len())], looked_at).unwrap();
                if found != Start::Part {
                    break;
                }
                looked_at = cut;
            }
            prop_assert_eq!(found, if spare <= 0 { Start::Whole { length } } else { Start::Part });
        }

        #[test]
        fn no_octets_do_harm(octets in prop::collection::vec(any::<u8>(), 0..200)) {
            let octets = [b"HTTP/1.1 200 OK\r\n", &octets[..], b"\r\n\r\n"].concat();
            if let Ok(Start::Whole { length }) = Head::begin(&octets, 0) {
                prop_assert!(Head::parse(&octets[..length]).is_ok());
            }
        }
    }
}
