//! Displays text from outside safely in a line of a log, on a terminal and in a page.
//!
//! Endpoints, programs, certificates, reporters and operators' clients choose their own texts. Such a text may hold an
//! escape sequence that controls a terminal, or a line feed that forges a line of the log. A mark may reverse the
//! direction of the following text. All code that shows such a text uses [`Printable`].

use std::fmt::{self, Write};

/// Displays a text in one line. Replaces invisible characters with escapes, such as `\n` or `\u{1b}`.
#[derive(Clone, Copy, Debug)]
pub struct Printable<T>(pub T);

impl<T: fmt::Display> fmt::Display for Printable<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping(f), "{}", self.0)
    }
}

/// A writer that escapes its input.
struct Escaping<'a, 'f>(&'a mut fmt::Formatter<'f>);

impl Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some((at, hidden)) = rest.char_indices().find(|&(_, c)| is_hidden(c)) {
            self.0.write_str(&rest[..at])?;
            write!(self.0, "{}", hidden.escape_default())?;
            rest = &rest[at + hidden.len_utf8()..];
        }
        self.0.write_str(rest)
    }
}

/// True if a character moves, colours, hides or reorders others instead of being visible itself.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            // Soft hyphen, Arabic letter mark, Mongolian vowel separator.
            '\u{ad}' | '\u{61c}' | '\u{180e}'
            // Characters without width, marks of direction; separators of lines and paragraphs; embeddings and
            // overrides.
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            // Joiners, invisible operators, isolates, and deprecated characters of Unicode.
            | '\u{2060}'..='\u{206f}'
            // Byte order mark, annotations, tags.
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_seen_stays_and_what_acts_is_told() {
        for (text, shown) in [
            ("disk full, 100 %", "disk full, 100 %"),
            ("Störung 東京 😀", "Störung 東京 😀"),
            ("a\nb\r\tc", r"a\nb\r\tc"),
            ("\u{1b}[2J\u{7}", r"\u{1b}[2J\u{7}"),
            ("\u{9b}31m\u{7f}\0", r"\u{9b}31m\u{7f}\u{0}"),
            ("\u{202e}gnp.exe\u{2066}", r"\u{202e}gnp.exe\u{2066}"),
            ("\u{2028}x\u{feff}\u{e0041}", r"\u{2028}x\u{feff}\u{e0041}"),
            ("", ""),
        ] {
            assert_eq!(Printable(text).to_string(), shown);
        }
    }

    proptest! {
        #[test]
        fn no_text_leaves_its_line(text in any::<String>()) {
            prop_assert!(!Printable(&text).to_string().chars().any(is_hidden));
        }

        #[test]
        fn plain_text_is_left_alone(text in "[ -~äß東]{0,40}") {
            prop_assert_eq!(Printable(&text).to_string(), text);
        }
    }
}
