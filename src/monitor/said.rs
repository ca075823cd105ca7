//! What an endpoint or a program says in its own words, made fit for a line of the log.

/// Characters that are shown, at most.
const LIMIT: usize = 120;

/// The first line of it; octets that are no text, and characters that would do something to a terminal, are replaced.
pub(super) fn first_line(octets: &[u8]) -> String {
    let line = octets.split(|&octet| octet == b'\n').next().unwrap_or_default();
    let text = String::from_utf8_lossy(line);
    let shown = text.trim().chars().take(LIMIT);
    shown.map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_line_of_characters_is_shown() {
        assert_eq!(first_line(b"CRITICAL - no route\r\nmore"), "CRITICAL - no route");
        assert_eq!(first_line(b"\x1b[2Jred\xff"), "\u{fffd}[2Jred\u{fffd}");
        assert_eq!(first_line("ü".repeat(200).as_bytes()), "ü".repeat(LIMIT));
        assert_eq!(first_line(b""), "");
    }
}
