//! Files that were read, and places in them.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use super::secrets;

/// A file that was read.
#[derive(Debug)]
pub struct Source {
    /// Its path, as the operator would write it.
    pub path: PathBuf,
    /// Its whole text.
    pub text: String,
    /// True if the file is not UTF-8. Each character of the text is then one octet of the file, as in Latin-1.
    pub(super) is_latin1: bool,
    /// The offset of each line's first octet. Computed at the first use: a file with thousands of faults is scanned
    /// only once.
    line_starts: OnceLock<Box<[usize]>>,
    /// Ranges of octets that are secret and never drawn, in ascending order.
    secrets: OnceLock<Box<[Range<usize>]>>,
}

impl Source {
    /// Creates a file with this text.
    pub fn new(path: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        let (path, text) = (path.into(), text.into());
        Self { path, text, is_latin1: false, line_starts: OnceLock::new(), secrets: OnceLock::new() }
    }

    /// Creates a master file with these octets. RFC 1035 knows no encodings: an octet stands for itself. A file that is
    /// not UTF-8 is therefore read as Latin-1, which has a character for each octet. Fails with the reason if the file
    /// is UTF-16, as some editors save it.
    pub(super) fn master(path: impl Into<PathBuf>, octets: Vec<u8>) -> Result<Self, &'static str> {
        if octets.starts_with(&[0xFF, 0xFE]) || octets.starts_with(&[0xFE, 0xFF]) {
            return Err("it is UTF-16; save it as UTF-8");
        }
        Ok(match String::from_utf8(octets) {
            Ok(text) => Self::new(path, text),
            Err(error) => {
                let text: String = error.as_bytes().iter().copied().map(char::from).collect();
                Self { is_latin1: true, ..Self::new(path, text) }
            }
        })
    }

    /// Returns a part of the text for drawing. Asterisks replace secrets, octet for octet. Only TOML files hold
    /// secrets.
    pub(super) fn shown(&self, part: Range<usize>) -> String {
        let secrets = self.secrets.get_or_init(|| {
            let is_toml = self.path.extension().is_some_and(|extension| extension == "toml");
            if is_toml { secrets::find(&self.text).into() } else { Box::default() }
        });
        secrets::masked(&self.text[part.clone()], part.start, secrets)
    }

    /// The number of the line that holds an octet, from 1.
    pub(super) fn line_number(&self, octet: usize) -> usize {
        self.line_of(octet) + 1
    }

    /// The number of the line that holds an octet, from 0.
    fn line_of(&self, octet: usize) -> usize {
        self.line_starts().partition_point(|&start| start <= octet) - 1
    }

    /// The octets of a line without its line break; `line` counts from 0.
    fn line(&self, line: usize) -> Range<usize> {
        let starts = self.line_starts();
        let start = starts[line];
        let end = starts.get(line + 1).map_or(self.text.len(), |next| next - 1);
        let end = if self.text[start..end].ends_with('\r') { end - 1 } else { end };
        start..end
    }

    fn line_starts(&self) -> &[usize] {
        self.line_starts.get_or_init(|| {
            let ends = self.text.bytes().enumerate().filter(|(_, octet)| *octet == b'\n');
            std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect()
        })
    }
}

impl PartialEq for Source {
    fn eq(&self, other: &Self) -> bool {
        (&self.path, &self.text, self.is_latin1) == (&other.path, &other.text, other.is_latin1)
    }
}

impl Eq for Source {}

/// A range of text in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub source: Arc<Source>,
    /// Range of octets in its text. A parser's range may end inside a character or behind the text; readers round it
    /// down.
    pub span: Range<usize>,
}

/// A line and a column. Both count from 1; columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The line, from 1.
    pub line: usize,
    /// The column in that line, in characters, from 1.
    pub column: usize,
}

impl Place {
    /// The position of the first character.
    pub fn start(&self) -> Position {
        self.position(self.span.start)
    }

    /// The position behind the last character.
    pub fn end(&self) -> Position {
        self.position(self.span.end.max(self.span.start))
    }

    /// The line of the first character, from 1.
    pub fn line(&self) -> usize {
        self.start().line
    }

    /// The column of the first character, from 1.
    pub fn column(&self) -> usize {
        self.start().column
    }

    /// Returns two ranges of octets: from the start of the place's first line, and the place itself cut at the end of
    /// that line. The fault is rarely in the following lines.
    pub(super) fn first_line(&self) -> (Range<usize>, Range<usize>) {
        let text = &self.source.text;
        let start = floor_char_boundary(text, self.span.start);
        let line = self.source.line(self.source.line_of(start));
        let end = floor_char_boundary(text, self.span.end).clamp(start, line.end.max(start));
        (line, start..end)
    }

    fn position(&self, octet: usize) -> Position {
        let octet = floor_char_boundary(&self.source.text, octet);
        let line = self.source.line_of(octet);
        let start = self.source.line(line).start;
        Position { line: line + 1, column: 1 + self.source.text[start..octet].chars().count() }
    }
}

/// The last character boundary at or before `index`.
pub(super) fn floor_char_boundary(text: &str, index: usize) -> usize {
    (0..=index.min(text.len())).rev().find(|&index| text.is_char_boundary(index)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str, span: Range<usize>) -> Place {
        Place { source: Arc::new(Source::new("a", text)), span }
    }

    #[test]
    fn lines_and_columns_count_from_one() {
        let at = |octet: usize| {
            let place = place("é1\r\n\nlast", octet..octet + 1);
            (place.line(), place.column())
        };
        assert_eq!(
            [0, 1, 2, 3, 4, 5, 6, 9, 10, 99].map(at),
            [(1, 1), (1, 1), (1, 2), (1, 3), (1, 4), (2, 1), (3, 1), (3, 4), (3, 5), (3, 5),]
        );
        assert_eq!(place("", 0..0).end(), Position { line: 1, column: 1 });
    }

    #[test]
    fn the_end_is_behind_the_last_character() {
        assert_eq!(place("a\nbc", 0..4).end(), Position { line: 2, column: 3 });
        assert_eq!(place("a\nbc", 0..4).first_line(), (0..1, 0..1));
        assert_eq!(place("ab\r\nc", 1..2).first_line(), (0..2, 1..2));
        assert_eq!(place("ab\r\nc", 1..5).first_line(), (0..2, 1..2));
        assert_eq!(place("ab\r\nc", 3..4).first_line(), (0..2, 3..3));
    }
}
