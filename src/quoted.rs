//! Text as a basic string of TOML, for files that the node writes.

use std::fmt::{self, Write};

/// Displays a text as a basic string of TOML, in quotes. Control characters are written as escapes, so that it stays in one
/// line.
#[derive(Clone, Copy, Debug)]
pub struct Quoted<'a>(pub &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for c in self.0.chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                c if c.is_control() => write!(f, "\\u{:04X}", u32::from(c))?,
                c => f.write_char(c)?,
            }
        }
        f.write_char('"')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_is_read_again_from_one_line() {
        for text in ["", "plain", "\"quotes\" and \\", "lines\r\n and \t tabs", "\u{0}\u{7f}\u{9f}", "Zürich 東京"] {
            let line = format!("key = {}", Quoted(text));
            assert_eq!(line.lines().count(), 1, "{line}");
            assert_eq!(line.parse::<toml::Table>().unwrap()["key"].as_str(), Some(text), "{line}");
        }
    }
}
