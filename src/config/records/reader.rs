//! Reads tokens in presentation format, one after the other, and collects their octets.

use super::MAX_CHARACTER_STRING;
use super::layout::Words;
use crate::config::presentation::{self, Token};
use crate::name::Name;

/// The reason why tokens are not valid for a field: the token, and what is wrong with it.
pub(super) struct Wrong {
    /// The index of the token, counted from the first unread one.
    pub at: usize,
    pub reason: String,
}

/// The unread tokens, and the octets of those that were read.
pub(super) struct Reader<'a> {
    pub tokens: &'a [Token<'a>],
    pub origin: &'a Name,
    pub rdata: Vec<u8>,
}

impl<'a> Reader<'a> {
    /// Takes the next token, for the field with this name.
    pub(super) fn take(&mut self, name: &str) -> Result<&'a Token<'a>, Wrong> {
        let (token, behind) =
            self.tokens.split_first().ok_or_else(|| Wrong { at: 0, reason: format!("the {name} is missing") })?;
        self.tokens = behind;
        Ok(token)
    }

    pub(super) fn push(&mut self, read: Result<Vec<u8>, String>) -> Result<(), Wrong> {
        self.rdata.extend(read.map_err(|reason| Wrong { at: 0, reason })?);
        Ok(())
    }

    pub(super) fn name(&mut self, name: &str) -> Result<(), Wrong> {
        let token = self.take(name)?;
        let read = Name::parse(token.text, self.origin);
        self.push(read.map(|name| name.as_wire().into()).map_err(|error| error.to_string()))
    }

    pub(super) fn string(&mut self, name: &str) -> Result<(), Wrong> {
        let octets = presentation::unescape(self.take(name)?.text).map_err(|error| error.to_string());
        let string = octets.and_then(|octets| {
            counted(&octets).ok_or_else(|| format!("a string may not be longer than {MAX_CHARACTER_STRING} octets"))
        });
        self.push(string)
    }

    /// Reads all remaining tokens, in an encoding that blanks may interrupt.
    pub(super) fn rest(
        &mut self,
        name: &str,
        what: &str,
        decode: impl Fn(&[u8]) -> Option<Vec<u8>>,
    ) -> Result<(), Wrong> {
        self.take(name).map(|first| self.encoded(first, name, what, decode))?
    }

    fn encoded(
        &mut self,
        first: &Token<'_>,
        name: &str,
        what: &str,
        decode: impl Fn(&[u8]) -> Option<Vec<u8>>,
    ) -> Result<(), Wrong> {
        let mut text = first.text.to_owned();
        self.tokens.iter().for_each(|token| text.push_str(token.text));
        self.tokens = &[];
        let octets = decode(text.as_bytes()).ok_or_else(|| format!("the {name} is not written in {what}"));
        self.push(octets.and_then(
            |octets| {
                if octets.is_empty() { Err(format!("the {name} is missing")) } else { Ok(octets) }
            },
        ))
    }
}

/// Reads a number in digits.
pub(super) fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.parse().ok().filter(|_| text.bytes().all(|octet| octet.is_ascii_digit()))
}

pub(super) fn word(words: Words, text: &str) -> Option<u16> {
    words.iter().find(|(word, _)| word.eq_ignore_ascii_case(text)).map(|&(_, value)| value)
}

/// Returns a length octet and these octets.
pub(super) fn counted(octets: &[u8]) -> Option<Vec<u8>> {
    let length = u8::try_from(octets.len()).ok()?;
    Some([&[length], octets].concat())
}
