//! Presentation format (RFC 1035, section 5.1): splits a text into entries, and an entry into tokens.
//!
//! An entry is a line, or several lines if parentheses join them. A token is a word or a quoted string. It keeps its
//! escapes, because only its reader knows whether an escaped dot is a separator. Every token knows its place. A broken
//! entry ends where a valid one would have ended, so that the following entries are read too.

use std::iter::Peekable;
use std::ops::Range;

use crate::name::{self, NameError};

/// A word or a quoted string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token<'a> {
    /// The text as it is written, with escapes but without quotes.
    pub text: &'a str,
    /// True if it is in quotes.
    pub quoted: bool,
    /// True if it directly follows the token before it, as the value does in `alpn="h2"`.
    pub glued: bool,
    /// Its range in the text, including its quotes.
    pub span: Range<usize>,
}

/// A logical line that is not empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Entry<'a> {
    /// Its tokens; at least one.
    pub tokens: Vec<Token<'a>>,
    /// True if it begins with a blank: its owner is then the last owner.
    pub indented: bool,
    /// True if it has a comment.
    pub commented: bool,
}

impl Entry<'_> {
    /// Returns this entry with other texts of its tokens, in their order.
    pub(super) fn with_texts<'a>(&self, texts: &'a [String]) -> Entry<'a> {
        let token = |(token, text): (&Token<'_>, &'a String)| Token { text, span: token.span.clone(), ..*token };
        Entry { tokens: self.tokens.iter().zip(texts).map(token).collect(), ..*self }
    }
}

/// The error of an entry that cannot be split into tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SyntaxError {
    /// The faulty octets.
    pub span: Range<usize>,
    /// The message: a sentence without a full stop.
    pub message: &'static str,
}

/// The entries of a text. Skips blank lines and lines that hold only a comment.
pub(super) struct Entries<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Entries<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        // Some editors write a byte order mark at the beginning. It belongs to no token.
        let at = text.len() - text.trim_start_matches('\u{feff}').len();
        Self { text, at }
    }

    /// Reads the next entry into `entry`, which reuses its memory. Returns `None` at the end. Fails if the entry cannot
    /// be split into tokens; the next call reads the entry after it.
    pub(super) fn read(&mut self, entry: &mut Entry<'a>) -> Option<Result<(), SyntaxError>> {
        while self.at < self.text.len() {
            match self.entry(entry) {
                Ok(()) if entry.tokens.is_empty() => {}
                result => return Some(result),
            }
        }
        None
    }

    fn entry(&mut self, entry: &mut Entry<'a>) -> Result<(), SyntaxError> {
        entry.tokens.clear();
        entry.indented = matches!(self.peek(), Some(b' ' | b'\t'));
        entry.commented = false;
        let mut open = Vec::new();
        let mut fault = None;
        let mut token_end = None;
        while let Some(octet) = self.peek() {
            match octet {
                b'\n' if open.is_empty() => break,
                b'\n' | b'\r' | b' ' | b'\t' => self.at += 1,
                b';' => {
                    entry.commented = true;
                    self.skip_line();
                }
                b'(' => {
                    open.push(self.at);
                    self.at += 1;
                }
                b')' => {
                    if open.pop().is_none() {
                        let span = self.at..self.at + 1;
                        fault.get_or_insert(SyntaxError { span, message: "this parenthesis has no opening one" });
                    }
                    self.at += 1;
                }
                _ => {
                    let glued = token_end == Some(self.at);
                    match if octet == b'"' { self.quoted(glued) } else { Ok(self.word(glued)) } {
                        Ok(token) => entry.tokens.push(token),
                        Err(error) => drop(fault.get_or_insert(error)),
                    }
                    token_end = Some(self.at);
                }
            }
        }
        // Skip the line feed, unless the text ends without one.
        self.at = self.text.len().min(self.at + 1);
        // An open parenthesis takes all lines to the end of the text, so nothing is left to read.
        if let Some(&at) = open.first() {
            fault.get_or_insert(SyntaxError {
                span: at..at + 1,
                message: "this parenthesis is never closed; the rest of the file was not read",
            });
        }
        fault.map_or(Ok(()), Err)
    }

    fn word(&mut self, glued: bool) -> Token<'a> {
        let start = self.at;
        while let Some(octet) = self.peek() {
            match octet {
                b' ' | b'\t' | b'\r' | b'\n' | b';' | b'(' | b')' | b'"' => break,
                b'\\' => self.skip_escape(),
                _ => self.at += 1,
            }
        }
        Token { text: &self.text[start..self.at], quoted: false, glued, span: start..self.at }
    }

    fn quoted(&mut self, glued: bool) -> Result<Token<'a>, SyntaxError> {
        let start = self.at;
        self.at += 1;
        while let Some(octet) = self.peek() {
            match octet {
                b'"' => {
                    self.at += 1;
                    let text = &self.text[start + 1..self.at - 1];
                    return Ok(Token { text, quoted: true, glued, span: start..self.at });
                }
                b'\n' => break,
                b'\\' => self.skip_escape(),
                _ => self.at += 1,
            }
        }
        Err(SyntaxError { span: start..self.at, message: "a quoted string must end on the line where it begins" })
    }

    /// Skips a backslash and the character after it, but never the end of a line: a stray backslash must not swallow
    /// the next line.
    fn skip_escape(&mut self) {
        self.at += 1;
        if self.peek().is_some_and(|octet| octet != b'\n') {
            self.at += 1;
        }
    }

    fn skip_line(&mut self) {
        while self.peek().is_some_and(|octet| octet != b'\n') {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<Entry<'a>, SyntaxError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut entry = Entry::default();
        self.read(&mut entry).map(|read| read.map(|()| entry))
    }
}

/// Returns the octets that a token represents. Characters that are not ASCII become their UTF-8 octets, as in every
/// other server. Fails if an escape is malformed.
pub(super) fn unescape(text: &str) -> Result<Vec<u8>, NameError> {
    let mut octets = text.bytes();
    let mut unescaped = Vec::with_capacity(text.len());
    while let Some(octet) = octets.next() {
        unescaped.push(if octet == b'\\' { name::unescape(&mut octets)? } else { octet });
    }
    Ok(unescaped)
}

/// Reads a time in seconds, plain (`5400`) or with units as BIND writes it (`1h30m`). Returns `None` if the text is not
/// a time, and `u64::MAX` if the time does not fit into 64 bits.
pub(super) fn seconds(text: &str) -> Option<u64> {
    let mut symbols = text.bytes().peekable();
    let mut total = number(&mut symbols)?;
    let Some(unit) = symbols.next() else { return Some(total) };
    total = total.saturating_mul(unit_seconds(unit)?);
    while symbols.peek().is_some() {
        let count = number(&mut symbols)?;
        total = total.saturating_add(count.saturating_mul(unit_seconds(symbols.next()?)?));
    }
    Some(total)
}

fn number(symbols: &mut Peekable<impl Iterator<Item = u8>>) -> Option<u64> {
    let mut value = None;
    while let Some(digit) = symbols.next_if(u8::is_ascii_digit) {
        value = Some(value.unwrap_or(0_u64).saturating_mul(10).saturating_add(u64::from(digit - b'0')));
    }
    value
}

fn unit_seconds(unit: u8) -> Option<u64> {
    match unit.to_ascii_lowercase() {
        b's' => Some(1),
        b'm' => Some(60),
        b'h' => Some(60 * 60),
        b'd' => Some(24 * 60 * 60),
        b'w' => Some(7 * 24 * 60 * 60),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Texts<'a> = Result<Vec<&'a str>, (Range<usize>, &'static str)>;

    fn texts(text: &str) -> Vec<Texts<'_>> {
        Entries::new(text)
            .map(|entry| match entry {
                Ok(entry) => Ok(entry.tokens.iter().map(|token| token.text).collect()),
                Err(error) => Err((error.span, error.message)),
            })
            .collect()
    }

    #[test]
    fn lines_are_entries() {
        assert_eq!(texts("\n a b\r\n; c\n\nd"), [Ok(vec!["a", "b"]), Ok(vec!["d"])]);
        assert_eq!(texts("\u{feff}a"), [Ok(vec!["a"])]);
        assert_eq!(texts("a ( b ; c )\n (d) e\n) f\ng"), [Ok(vec!["a", "b", "d", "e", "f"]), Ok(vec!["g"])]);
    }

    #[test]
    fn tokens_keep_their_escapes_and_places() {
        let text = r#" a\ b\;c k="d e\"" "" "#;
        let entry = Entries::new(text).next().unwrap().unwrap();
        assert!(entry.indented && !entry.commented);
        let seen: Vec<_> = entry.tokens.iter().map(|token| (token.text, token.quoted, token.glued)).collect();
        assert_eq!(
            seen,
            [(r"a\ b\;c", false, false), ("k=", false, false), (r#"d e\""#, true, true), ("", true, false)]
        );
        assert_eq!(&text[entry.tokens[2].span.clone()], r#""d e\"""#);
    }

    #[test]
    fn a_broken_entry_leaves_the_next_ones_alone() {
        assert_eq!(
            texts("a ) b\nc \"d\ne ( \"f\ng )\nh\\\ni"),
            [
                Err((2..3, "this parenthesis has no opening one")),
                Err((8..10, "a quoted string must end on the line where it begins")),
                Err((15..17, "a quoted string must end on the line where it begins")),
                Ok(vec!["h\\"]),
                Ok(vec!["i"]),
            ]
        );
        assert_eq!(
            texts("a (\nb ("),
            [Err((2..3, "this parenthesis is never closed; the rest of the file was not read"))]
        );
    }

    #[test]
    fn escapes_stand_for_octets() {
        assert_eq!(unescape(r"a\.\032\255é").unwrap(), b"a. \xff\xc3\xa9");
        assert_eq!(unescape("\\"), Err(NameError::BadEscape));
        assert_eq!(unescape(r"\256"), Err(NameError::BadEscape));
    }

    #[test]
    fn times_are_plain_or_in_units() {
        assert_eq!(seconds("5400"), Some(5400));
        assert_eq!(seconds("1h30M"), Some(5400));
        assert_eq!(seconds("1w2d3s"), Some(777_603));
        assert_eq!(seconds("99999999999999999999w"), Some(u64::MAX));
        for bad in ["", "h", "1x", "1h30", "-1", "+1", "1 "] {
            assert_eq!(seconds(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_comes_to_an_end(text in r#"([ -~]|[\n\r\t"\\();é]){0,200}"#) {
            let entries: Vec<_> = Entries::new(&text).collect();
            prop_assert!(entries.len() <= text.len());
            for token in entries.iter().flatten().flat_map(|entry| &entry.tokens) {
                let quotes = usize::from(token.quoted);
                prop_assert_eq!(&text[token.span.start + quotes..token.span.end - quotes], token.text);
            }
        }
    }
}
