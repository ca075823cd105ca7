//! Domain names in the wire format of RFC 1035.
//!
//! A [`Name`] is absolute and uncompressed: length octet and label, length octet and label, and the root's zero octet.
//! It keeps the case of its text, but comparisons ignore case (RFC 4343).

mod key;

use std::fmt;
use std::hash::{Hash, Hasher};

pub(crate) use key::{KeyHasher, fold, is_key, is_same_key, key_of, make_key};

/// Maximum number of octets of a name, its final zero included (RFC 1035, section 2.3.4).
pub const MAX_NAME_LENGTH: usize = 255;

/// Maximum number of octets of a label, without its length octet (RFC 1035, section 2.3.4).
pub const MAX_LABEL_LENGTH: usize = 63;

/// An absolute domain name in wire format, 1 to [`MAX_NAME_LENGTH`] octets.
#[derive(Clone)]
pub struct Name {
    wire: Box<[u8]>,
}

/// The reason why a text is not a domain name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameError {
    /// The text is empty; the root is written as a single dot.
    Empty,
    /// There are two dots in a row, or a dot at the beginning.
    EmptyLabel,
    /// A label is longer than [`MAX_LABEL_LENGTH`] octets.
    LabelTooLong,
    /// The name is longer than [`MAX_NAME_LENGTH`] octets.
    NameTooLong,
    /// A backslash is followed neither by a character nor by three digits up to 255.
    BadEscape,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "a name may not be empty",
            Self::EmptyLabel => "a label may not be empty",
            Self::LabelTooLong => "a label may not be longer than 63 octets",
            Self::NameTooLong => "a name may not be longer than 255 octets",
            Self::BadEscape => "a backslash takes one character or three digits up to 255",
        })
    }
}

impl std::error::Error for NameError {}

impl Name {
    /// Returns the root.
    pub fn root() -> Self {
        Self { wire: Box::new([0]) }
    }

    /// Makes a name of wire format that the caller has parsed: labels up to the root, and nothing after it.
    pub(crate) fn from_wire(wire: &[u8]) -> Self {
        debug_assert!(wire.len() <= MAX_NAME_LENGTH && wire.last() == Some(&0));
        Self { wire: wire.into() }
    }

    /// Parses presentation format (RFC 1035, section 5.1). With a final dot the name is absolute, otherwise `origin` is
    /// appended; `@` alone is the origin. Fails if the text is not a domain name.
    pub fn parse(text: &str, origin: &Name) -> Result<Self, NameError> {
        if text == "@" {
            return Ok(origin.clone());
        }
        if text == "." {
            return Ok(Self::root());
        }
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        let mut writer = Writer { wire: [0; MAX_NAME_LENGTH], length: 0, label: 0 };
        let mut absolute = false;
        let mut octets = text.bytes();
        while let Some(octet) = octets.next() {
            absolute = octet == b'.';
            match octet {
                b'.' => writer.end_label()?,
                b'\\' => writer.push(unescape(&mut octets)?),
                _ => writer.push(octet),
            }
        }
        if absolute {
            return writer.finish(&[0]);
        }
        writer.end_label()?;
        writer.finish(&origin.wire)
    }

    /// Returns the name in wire format.
    pub fn as_wire(&self) -> &[u8] {
        &self.wire
    }

    /// Returns the wire format in lower case, which is the key of the name in tables.
    pub fn to_key(&self) -> Box<[u8]> {
        let mut key = self.wire.clone();
        make_key(&mut key);
        key
    }

    /// Returns the labels from the leftmost on, without the root's empty one.
    pub fn labels(&self) -> impl Iterator<Item = &[u8]> {
        labels(&self.wire)
    }

    /// Returns the name with its labels in front of `origin`, as if its text had no final dot. `None` for the root, and if
    /// the result would be too long.
    pub fn relative_to(&self, origin: &Self) -> Option<Self> {
        let labels = &self.wire[..self.wire.len() - 1];
        let fits = !labels.is_empty() && labels.len() + origin.wire.len() <= MAX_NAME_LENGTH;
        fits.then(|| Self::from_wire(&[labels, &origin.wire].concat()))
    }

    /// Returns the number of labels, without the root's.
    pub fn label_count(&self) -> usize {
        self.labels().count()
    }

    /// True if the leftmost label is a single asterisk (RFC 4592, section 2.1.1).
    pub fn is_wildcard(&self) -> bool {
        self.wire.starts_with(b"\x01*")
    }

    /// Returns the wildcard below the name; `None` if it would be too long for a name.
    pub fn wildcard(&self) -> Option<Self> {
        let wire = [b"\x01*", &*self.wire].concat();
        (wire.len() <= MAX_NAME_LENGTH).then(|| Self { wire: wire.into() })
    }

    /// Returns the name without its leftmost label; `None` for the root.
    pub fn parent(&self) -> Option<Name> {
        match self.wire[0] {
            0 => None,
            length => Some(Self { wire: self.wire[1 + usize::from(length)..].into() }),
        }
    }

    /// True if this name is `ancestor` or a subdomain of it. Whole labels are compared, without case.
    pub fn is_at_or_below(&self, ancestor: &Name) -> bool {
        suffixes(&self.wire).any(|suffix| suffix.eq_ignore_ascii_case(&ancestor.wire))
    }
}

/// Returns the labels of an uncompressed name, without the root's empty one.
pub(crate) fn labels(wire: &[u8]) -> impl Iterator<Item = &[u8]> {
    suffixes(wire).filter_map(|suffix| match suffix[0] {
        0 => None,
        length => Some(&suffix[1..=usize::from(length)]),
    })
}

/// Returns an uncompressed name, its parent, its parent's parent, and so on to the root.
pub(crate) fn suffixes(wire: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(wire);
    std::iter::from_fn(move || {
        let current = rest?;
        rest = match current[0] {
            0 => None,
            length => Some(&current[1 + usize::from(length)..]),
        };
        Some(current)
    })
}

/// A name under construction, in a buffer that is long enough for every name.
struct Writer {
    wire: [u8; MAX_NAME_LENGTH],
    /// Number of octets of the complete labels.
    length: usize,
    /// Number of octets of the incomplete label, without its length octet. Octets that have no room are counted too.
    label: usize,
}

impl Writer {
    fn push(&mut self, octet: u8) {
        self.label += 1;
        if let Some(place) = self.wire.get_mut(self.length + self.label) {
            *place = octet;
        }
    }

    fn end_label(&mut self) -> Result<(), NameError> {
        match self.label {
            0 => return Err(NameError::EmptyLabel),
            1..=MAX_LABEL_LENGTH => {}
            _ => return Err(NameError::LabelTooLong),
        }
        if let Some(place) = self.wire.get_mut(self.length) {
            *place = self.label as u8;
        }
        self.length += 1 + self.label;
        self.label = 0;
        Ok(())
    }

    /// Returns the labels, followed by `behind`.
    fn finish(self, behind: &[u8]) -> Result<Name, NameError> {
        let length = self.length + behind.len();
        if length > MAX_NAME_LENGTH {
            return Err(NameError::NameTooLong);
        }
        let mut wire = Vec::with_capacity(length);
        wire.extend_from_slice(&self.wire[..self.length]);
        wire.extend_from_slice(behind);
        Ok(Name { wire: wire.into() })
    }
}

/// Reads the rest of an escape sequence, after its backslash. Returns the octet that it means.
pub(crate) fn unescape(octets: &mut impl Iterator<Item = u8>) -> Result<u8, NameError> {
    let first = octets.next().ok_or(NameError::BadEscape)?;
    if !first.is_ascii_digit() {
        return Ok(first);
    }
    let mut value = u32::from(first - b'0');
    for _ in 0..2 {
        let digit = octets.next().filter(u8::is_ascii_digit).ok_or(NameError::BadEscape)?;
        value = value * 10 + u32::from(digit - b'0');
    }
    u8::try_from(value).map_err(|_| NameError::BadEscape)
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.wire.eq_ignore_ascii_case(&other.wire)
    }
}

impl Eq for Name {}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // One write: a hasher takes many octets as fast as one.
        let mut lower = [0; MAX_NAME_LENGTH];
        let lower = &mut lower[..self.wire.len()];
        lower.copy_from_slice(&self.wire);
        lower.make_ascii_lowercase();
        state.write(lower);
    }
}

/// Presentation format with the final dot. Characters with a special meaning are escaped (RFC 1035, section 5.1).
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.wire.len() == 1 {
            return f.write_str(".");
        }
        for label in self.labels() {
            for &octet in label {
                match octet {
                    b'.' | b'\\' | b'"' | b';' | b'(' | b')' | b'@' | b'$' => write!(f, "\\{}", octet as char)?,
                    0x21..=0x7e => write!(f, "{}", octet as char)?,
                    _ => write!(f, "\\{octet:03}")?,
                }
            }
            f.write_str(".")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::parse(text, &Name::root()).unwrap()
    }

    #[test]
    fn relative_names_continue_with_the_origin() {
        let origin = name("Example.com.");
        assert_eq!(Name::parse("www", &origin).unwrap(), name("www.example.com."));
        assert_eq!(Name::parse("@", &origin).unwrap(), origin);
        assert_eq!(Name::parse("a.b.", &origin).unwrap(), name("a.b."));
    }

    #[test]
    fn escapes_are_read_and_written() {
        let escaped = name(r"a\.b\032c.example.");
        assert_eq!(escaped.label_count(), 2);
        assert_eq!(escaped.to_string(), r"a\.b\032c.example.");
        assert_eq!(Name::parse(r"a\25", &Name::root()), Err(NameError::BadEscape));
        assert_eq!(Name::parse(r"a\256", &Name::root()), Err(NameError::BadEscape));
    }

    #[test]
    fn limits_hold() {
        assert_eq!(Name::parse(&"a".repeat(64), &Name::root()), Err(NameError::LabelTooLong));
        assert_eq!(Name::parse("a..b", &Name::root()), Err(NameError::EmptyLabel));
        let longest = ["a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(61)].join(".");
        assert_eq!(name(&longest).as_wire().len(), MAX_NAME_LENGTH);
        assert_eq!(Name::parse(&format!("{longest}d"), &Name::root()), Err(NameError::NameTooLong));
    }

    #[test]
    fn ancestry_is_told_on_label_boundaries() {
        assert!(name("a.Example.com").is_at_or_below(&name("example.COM")));
        assert!(name("example.com").is_at_or_below(&name("example.com")));
        assert!(!name("badexample.com").is_at_or_below(&name("example.com")));
        assert!(name("com").is_at_or_below(&Name::root()));
    }
}
