//! Lends `domain` our tokens.
//!
//! `domain` knows the text format of each record type and reads it through its [`Scanner`] trait. Its own scanner of
//! master files rejects tabs and UTF-8 in strings, stops at a file's first fault and tells no column for it; this one
//! reads tokens that [`presentation`](super::presentation) has told apart, and knows which one it read last.

use std::borrow::Cow;
use std::fmt;

use domain::base::charstr::CharStr;
use domain::base::name;
use domain::base::scan::{ConvertSymbols, EntrySymbol, Scanner, ScannerError, Symbol, Symbols};
use domain::dep::octseq::str::Str;

use super::presentation::{self, Token};
use crate::name::Name;

/// Octets a character string takes at most, its length octet excluded (RFC 1035, section 3.3).
pub(super) const MAX_CHARACTER_STRING: usize = 255;

/// The tokens of one record's data, read from the left.
pub(super) struct TokenScanner<'a> {
    tokens: &'a [Token<'a>],
    read: usize,
    origin: &'a Name,
    /// How many tokens stand before those that may be times in units.
    before_times: usize,
}

/// Why the data is none of its type.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ScanError {
    /// More tokens are needed.
    Missing,
    /// The token read last, or an earlier one, is wrong.
    Wrong(Cow<'static, str>),
}

impl<'a> TokenScanner<'a> {
    /// Reads `tokens`; relative names continue with `origin`, and tokens from `before_times` on may be times in units.
    pub(super) fn new(tokens: &'a [Token<'a>], origin: &'a Name, before_times: usize) -> Self {
        Self { tokens, read: 0, origin, before_times }
    }

    /// How many tokens have been read.
    pub(super) fn tokens_read(&self) -> usize {
        self.read
    }

    fn peek(&self) -> Option<&'a Token<'a>> {
        self.tokens.get(self.read)
    }

    fn token(&mut self) -> Result<&'a Token<'a>, ScanError> {
        let token = self.peek().ok_or(ScanError::Missing)?;
        self.read += 1;
        Ok(token)
    }

    fn symbols(&mut self, mut take: impl FnMut(Symbol) -> Result<(), ScanError>) -> Result<(), ScanError> {
        let times = self.read >= self.before_times;
        let token = self.token()?;
        let text = match presentation::seconds(token.text).filter(|_| times) {
            Some(seconds) => Cow::Owned(seconds.to_string()),
            None => Cow::Borrowed(token.text),
        };
        let mut symbols = Symbols::new(text.chars());
        symbols.by_ref().try_for_each(&mut take)?;
        symbols.ok().map_err(|_| ScanError::custom("a backslash takes one character or three digits up to 255"))
    }
}

impl Scanner for TokenScanner<'_> {
    type Octets = Vec<u8>;
    type OctetsBuilder = Vec<u8>;
    type Name = name::Name<Vec<u8>>;
    type Error = ScanError;

    fn has_space(&self) -> bool {
        self.peek().is_some_and(|token| !token.glued)
    }

    fn continues(&mut self) -> bool {
        self.peek().is_some()
    }

    fn scan_symbols<F>(&mut self, op: F) -> Result<(), ScanError>
    where
        F: FnMut(Symbol) -> Result<(), ScanError>,
    {
        self.symbols(op)
    }

    fn scan_entry_symbols<F>(&mut self, mut op: F) -> Result<(), ScanError>
    where
        F: FnMut(EntrySymbol) -> Result<(), ScanError>,
    {
        while self.continues() {
            self.symbols(|symbol| op(symbol.into()))?;
            op(EntrySymbol::EndOfToken)?;
        }
        Ok(())
    }

    fn convert_token<C: ConvertSymbols<Symbol, ScanError>>(&mut self, mut convert: C) -> Result<Vec<u8>, ScanError> {
        let mut octets = Vec::new();
        self.symbols(|symbol| {
            octets.extend_from_slice(convert.process_symbol(symbol)?.unwrap_or_default());
            Ok(())
        })?;
        octets.extend_from_slice(convert.process_tail()?.unwrap_or_default());
        Ok(octets)
    }

    fn convert_entry<C: ConvertSymbols<EntrySymbol, ScanError>>(
        &mut self,
        mut convert: C,
    ) -> Result<Vec<u8>, ScanError> {
        let mut octets = Vec::new();
        while self.continues() {
            self.symbols(|symbol| {
                octets.extend_from_slice(convert.process_symbol(symbol.into())?.unwrap_or_default());
                Ok(())
            })?;
        }
        octets.extend_from_slice(convert.process_tail()?.unwrap_or_default());
        Ok(octets)
    }

    fn scan_octets(&mut self) -> Result<Vec<u8>, ScanError> {
        Ok(presentation::unescape(self.token()?.text)?)
    }

    /// A parameter's key and its quoted value are two tokens that touch (RFC 9460, section 2.1).
    fn scan_svcb_octets(&mut self) -> Result<Vec<u8>, ScanError> {
        let mut octets = self.scan_octets()?;
        if self.peek().is_some_and(|token| token.glued && token.quoted) {
            octets.append(&mut self.scan_octets()?);
        }
        Ok(octets)
    }

    fn scan_ascii_str<F, T>(&mut self, op: F) -> Result<T, ScanError>
    where
        F: FnOnce(&str) -> Result<T, ScanError>,
    {
        let text = self.scan_string()?;
        if text.is_ascii() { op(&text) } else { Err(ScanError::custom("only ASCII may stand here")) }
    }

    fn scan_name(&mut self) -> Result<Self::Name, ScanError> {
        let name = Name::parse(self.token()?.text, self.origin)?;
        name::Name::from_octets(name.as_wire().to_vec()).map_err(|_| ScanError::custom("expected a name"))
    }

    fn scan_charstr(&mut self) -> Result<CharStr<Vec<u8>>, ScanError> {
        CharStr::from_octets(self.scan_octets()?)
            .map_err(|_| ScanError::custom("a string may not be longer than 255 octets"))
    }

    fn scan_string(&mut self) -> Result<Str<Vec<u8>>, ScanError> {
        Str::from_utf8(self.scan_octets()?).map_err(|_| ScanError::custom("only UTF-8 may stand here"))
    }

    fn scan_charstr_entry(&mut self) -> Result<Vec<u8>, ScanError> {
        let mut strings = Vec::new();
        loop {
            let string = self.scan_charstr()?;
            strings.push(string.len() as u8);
            strings.extend_from_slice(string.as_slice());
            if !self.continues() {
                return Ok(strings);
            }
        }
    }

    fn scan_opt_unknown_marker(&mut self) -> Result<bool, ScanError> {
        let marked = self.peek().is_some_and(|token| !token.quoted && token.text == r"\#");
        if marked {
            self.read += 1;
            // What follows are hexadecimal digits, some of which look like a time: `1d`.
            self.before_times = usize::MAX;
        }
        Ok(marked)
    }

    fn octets_builder(&mut self) -> Result<Vec<u8>, ScanError> {
        Ok(Vec::new())
    }
}

impl ScannerError for ScanError {
    fn custom(message: &'static str) -> Self {
        Self::Wrong(message.into())
    }

    fn end_of_entry() -> Self {
        Self::Missing
    }

    fn short_buf() -> Self {
        Self::custom("it is too long for a record")
    }

    fn trailing_tokens() -> Self {
        Self::custom("nothing may follow here")
    }
}

impl From<crate::name::NameError> for ScanError {
    fn from(error: crate::name::NameError) -> Self {
        Self::Wrong(error.to_string().into())
    }
}

impl fmt::Display for ScanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("more is expected at its end"),
            Self::Wrong(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for ScanError {}
