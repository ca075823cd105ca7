//! Texts of endpoints and programs, cut to a line. They are escaped when they are shown.

/// Maximum number of characters that are kept.
const LIMIT: usize = 120;

/// The first line; invalid octets are replaced.
pub(super) fn first_line(octets: &[u8]) -> String {
    let line = octets.split(|&octet| octet == b'\n').next().unwrap_or_default();
    String::from_utf8_lossy(line).trim().chars().take(LIMIT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_line_of_characters_is_kept() {
        assert_eq!(first_line(b"CRITICAL - no route\r\nmore"), "CRITICAL - no route");
        assert_eq!(first_line(b"red\xff"), "red\u{fffd}");
        assert_eq!(first_line("ü".repeat(200).as_bytes()), "ü".repeat(LIMIT));
        assert_eq!(first_line(b""), "");
    }
}
