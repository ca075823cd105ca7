//! Files that were read, and places in them.
//!
//! Places live as long as the zone that was read from a file, texts do not: the text of a file is kept only while it is parsed,
//! and while a fault in it is told. If it is needed later, it is read again, and it is used only if it is still the same.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::ops::{Deref, Range};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, OnceLock, PoisonError, RwLock};

use siphasher::sip128::{Hasher128, SipHasher13};

use super::secrets;
use crate::disk::Disk;

/// A file that was read.
#[derive(Debug)]
pub struct Source {
    /// Its path, as the operator would write it.
    pub path: PathBuf,
    /// True if the file is not UTF-8. Each character of the text is then one octet of the file, as in Latin-1.
    pub(super) is_latin1: bool,
    print: u128,
    contents: RwLock<Contents>,
}

/// The text of a file, or where to read it again.
#[derive(Debug)]
struct Contents {
    text: Option<Text>,
    /// Where the file is; `None` if its text is in no file.
    file: Option<PathBuf>,
}

/// The whole text of a file.
#[derive(Clone, Debug)]
pub struct Text(Arc<Lines>);

#[derive(Debug)]
struct Lines {
    text: Box<str>,
    /// The offset of each line's first octet. Computed at the first use: a file with thousands of faults is scanned
    /// only once.
    starts: OnceLock<Box<[usize]>>,
    /// Ranges of octets that are secret and never drawn, in ascending order.
    secrets: OnceLock<Box<[Range<usize>]>>,
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0.text
    }
}

impl Text {
    fn new(text: String) -> Self {
        Self(Arc::new(Lines { text: text.into(), starts: OnceLock::new(), secrets: OnceLock::new() }))
    }

    /// The number of the line that holds an octet, from 0.
    fn line_of(&self, octet: usize) -> usize {
        self.line_starts().partition_point(|&start| start <= octet) - 1
    }

    /// The octets of a line without its line break; `line` counts from 0.
    fn line(&self, line: usize) -> Range<usize> {
        let starts = self.line_starts();
        let start = starts[line];
        let end = starts.get(line + 1).map_or(self.len(), |next| next - 1);
        let end = if self[start..end].ends_with('\r') { end - 1 } else { end };
        start..end
    }

    fn line_starts(&self) -> &[usize] {
        self.0.starts.get_or_init(|| {
            let ends = self.bytes().enumerate().filter(|(_, octet)| *octet == b'\n');
            std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect()
        })
    }
}

/// Returns a fingerprint of a text. It is valid in this process only.
fn print(text: &str, is_latin1: bool) -> u128 {
    // The keys are random, so that an author of zone files cannot make two different texts with one fingerprint.
    static KEYS: LazyLock<[u64; 2]> = LazyLock::new(|| [0, 1].map(|key| RandomState::new().hash_one(key)));
    let mut hasher = SipHasher13::new_with_keys(KEYS[0], KEYS[1]);
    hasher.write_u8(is_latin1.into());
    hasher.write(text.as_bytes());
    hasher.finish128().as_u128()
}

/// The text of octets that are not UTF-8.
fn latin1(octets: &[u8]) -> String {
    octets.iter().copied().map(char::from).collect()
}

impl Source {
    /// Creates a file with this text, which is in no file or is never read again.
    pub fn new(path: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        Self::with(path.into(), text.into(), false)
    }

    fn with(path: PathBuf, text: String, is_latin1: bool) -> Self {
        let print = print(&text, is_latin1);
        let contents = Contents { text: Some(Text::new(text)), file: None };
        Self { path, is_latin1, print, contents: RwLock::new(contents) }
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
            Err(error) => Self::with(path.into(), latin1(error.as_bytes()), true),
        })
    }

    /// A fingerprint of its contents. It is valid in this process only.
    pub(super) fn print(&self) -> u128 {
        self.print
    }

    /// Its whole text. It is read again if it is not in memory, and is empty if the file has changed since.
    pub fn text(&self) -> Text {
        let contents = self.contents.read().unwrap_or_else(PoisonError::into_inner);
        let text = contents.text.clone().or_else(|| self.read_again(contents.file.as_ref()?));
        text.unwrap_or_else(|| Text::new(String::new()))
    }

    fn read_again(&self, file: &Path) -> Option<Text> {
        let octets = Disk::new().read(file).ok()?.octets;
        let text = if self.is_latin1 { latin1(&octets) } else { String::from_utf8(octets).ok()? };
        (print(&text, self.is_latin1) == self.print).then(|| Text::new(text))
    }

    /// True if its text is in memory.
    pub(super) fn has_text(&self) -> bool {
        self.contents.read().unwrap_or_else(PoisonError::into_inner).text.is_some()
    }

    /// Notes where its text can be read again.
    pub(super) fn found_at(&self, file: PathBuf) {
        self.contents.write().unwrap_or_else(PoisonError::into_inner).file = Some(file);
    }

    /// Takes the text of another file with equal contents.
    pub(super) fn take_text_of(&self, equal: &Self) {
        let text = equal.text();
        self.contents.write().unwrap_or_else(PoisonError::into_inner).text = Some(text);
    }

    /// Forgets the text if it can be read again.
    pub(super) fn forget_text(&self) {
        let mut contents = self.contents.write().unwrap_or_else(PoisonError::into_inner);
        if contents.file.is_some() {
            contents.text = None;
        }
    }

    /// Returns the same file with its text, which is never forgotten.
    pub(super) fn with_its_text(&self) -> Self {
        let contents = Contents { text: Some(self.text()), file: None };
        Self { path: self.path.clone(), is_latin1: self.is_latin1, print: self.print, contents: RwLock::new(contents) }
    }

    /// Returns a part of the text for drawing. Asterisks replace secrets, octet for octet. Only TOML files hold
    /// secrets.
    pub(super) fn shown(&self, part: Range<usize>) -> String {
        let text = self.text();
        let secrets = text.0.secrets.get_or_init(|| {
            let is_toml = self.path.extension().is_some_and(|extension| extension == "toml");
            if is_toml { secrets::find(&text).into() } else { Box::default() }
        });
        secrets::masked(&text[part.clone()], part.start, secrets)
    }

    /// The number of the line that holds an octet, from 1.
    pub(super) fn line_number(&self, octet: usize) -> usize {
        self.text().line_of(octet) + 1
    }
}

impl PartialEq for Source {
    fn eq(&self, other: &Self) -> bool {
        (&self.path, self.print) == (&other.path, other.print)
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

/// Keeps the texts of the places' files in memory, as they are now, for whoever draws them later.
pub(super) fn keep_texts<'p>(places: impl IntoIterator<Item = &'p mut Place>) {
    let mut kept: HashMap<*const Source, [Arc<Source>; 2]> = HashMap::new();
    for Place { source, .. } in places {
        let of_source = || [source.clone(), Arc::new(source.with_its_text())];
        let [_, with_text] = kept.entry(Arc::as_ptr(source)).or_insert_with(of_source);
        *source = with_text.clone();
    }
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
        let text = self.source.text();
        let start = floor_char_boundary(&text, self.span.start);
        let line = text.line(text.line_of(start));
        let end = floor_char_boundary(&text, self.span.end).clamp(start, line.end.max(start));
        (line, start..end)
    }

    fn position(&self, octet: usize) -> Position {
        let text = self.source.text();
        let octet = floor_char_boundary(&text, octet);
        let line = text.line_of(octet);
        let start = text.line(line).start;
        Position { line: line + 1, column: 1 + text[start..octet].chars().count() }
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
