//! Finds secrets in the files. The drawing of a fault shows the line of the fault, and drawings end up in logs, tickets
//! and chats.
//!
//! Secrets are found by words and quotes, not by the TOML parser. A file that is not valid TOML is drawn as well, and a
//! missing quote around a token is a typical reason for a drawing.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

/// Words in the names of keys whose values are secret. Names of files are not.
const WORDS: &str = r"token|secrets?|password|passwd|passphrase|passcode|authorization|credentials?|cookie|headers|(?:api|access|auth|routing|integration|private|service|shared|secret)[-_]?key";

/// A key, and the text between it and its value: TOML's `=`, JSON's `:` in the body of a webhook, or a parameter of a
/// URL.
static KEY: LazyLock<Regex> = LazyLock::new(|| {
    let key =
        format!(r#"(?i)(?:^|[\s"'.{{,?&\[-])(?:[\w-]*[-_.])?(?:{WORDS})(?:[-_]?(?:id|value))?\\?["']?\s*[=:]\s*"#);
    Regex::new(&key).expect("it is a regular expression")
});

/// A table whose values are secret.
static TABLE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?im)^\s*\[+[^\]\n]*\bheaders\b[^\n]*").expect("it is a regular expression"));

/// Text before a secret inside a string: HTTP's schemes (RFC 9110, section 11), the commands of Redis, POP and IMAP,
/// and the user information of a URL. The path of a webhook is secret: it lets anybody post.
static WITHIN: LazyLock<Regex> = LazyLock::new(|| {
    let within = r#"(?i)\b(?:Bearer|Basic|AUTH|PASS|LOGIN)\s+([^"'\s\\]+)|\burl["']?\s*=\s*["']?[\w+.-]+://[^/"'\s]*/([^"'\s]+)|://([^/@"'\s]+)@"#;
    Regex::new(within).expect("it is a regular expression")
});

/// True if a key with this name holds a secret.
pub(super) fn is_secret(key: &str) -> bool {
    KEY.is_match(&format!(" {key} ="))
}

/// Returns the octets of a TOML text that are secret, in ascending order. Ranges may overlap.
pub(super) fn find(text: &str) -> Vec<Range<usize>> {
    let mut secrets: Vec<Range<usize>> =
        KEY.find_iter(text).map(|key| key.end()..end_of_value(text, key.end())).collect();
    for table in TABLE.find_iter(text) {
        let body = table.end()..text[table.end()..].find("\n[").map_or(text.len(), |length| table.end() + length);
        let mut at = body.start;
        for line in text[body].split_inclusive('\n') {
            if let Some(equals) = line.find('=') {
                secrets.push(at + equals + 1..at + line.trim_end().len().max(equals + 1));
            }
            at += line.len();
        }
    }
    let within = WITHIN.captures_iter(text).filter_map(|found| found.iter().skip(1).flatten().next());
    secrets.extend(within.map(|group| group.range()));
    secrets.sort_by_key(|range| range.start);
    secrets
}

/// Returns the end of the value that begins at `start`: a quoted text with its quotes, a text in brackets, or a word.
fn end_of_value(text: &str, start: usize) -> usize {
    let (mut depth, mut quote) = (0_usize, None);
    for (at, character) in text[start..].char_indices().map(|(at, character)| (start + at, character)) {
        match (quote, character) {
            // Only strings in three quotes continue on the next line. A missing quote must not hide the rest of the
            // file.
            (Some(_), '\n') if depth == 0 && !text[start..].starts_with(['"', '\'']) => return at,
            (Some(open), _) if character == open => {
                quote = None;
                if depth == 0 && !text[at + 1..].starts_with(open) {
                    return at + 1;
                }
            }
            (None, '"' | '\'') if at == start || depth > 0 => quote = Some(character),
            (None, '[' | '{') => depth += 1,
            (None, ']' | '}') if depth <= 1 => return at + depth,
            (None, ']' | '}') => depth -= 1,
            (None, '\n' | '&' | '"' | '\'' | ',' | '#') if depth == 0 => return at,
            _ => {}
        }
    }
    text.len()
}

/// Returns `text`, which begins at octet `start` of its file, with asterisks in place of secrets. The length in octets
/// stays the same, and so do the places.
pub(super) fn masked(text: &str, start: usize, secrets: &[Range<usize>]) -> String {
    let is_secret = |octet: usize| {
        let before = secrets.partition_point(|range| range.start <= octet);
        secrets[..before].iter().rev().any(|range| range.contains(&octet))
    };
    let mask = |(at, character): (usize, char)| {
        let shown = character.is_whitespace() || "\"'=[]{},".contains(character) || !is_secret(start + at);
        if shown { character.to_string() } else { "*".repeat(character.len_utf8()) }
    };
    text.char_indices().map(mask).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(text: &str) -> String {
        masked(text, 0, &find(text))
    }

    #[test]
    fn values_of_secret_keys_are_hidden() {
        for (text, expected) in [
            (r#"token = "s3cret-öl" # mine"#, r#"token = "**********" # mine"#),
            (r#"token = "never closed"#, r#"token = "***** ******"#),
            ("token = unquoted1", "token = *********"),
            ("Token='x'", "Token='*'"),
            (r#"admin = { token = "abc", listen = "x" }"#, r#"admin = { token = "***", listen = "x" }"#),
            (
                "secrets = [\n  \"ab\", # old\n  \"cd\",\n]\nnext = 1",
                "secrets = [\n  \"**\", * ***\n  \"**\",\n]\nnext = 1",
            ),
            (r#"headers = { Authorization = "Bearer a b" }"#, r#"headers = { ************* = "****** * *" }"#),
            (
                "[webhooks.headers]\nX-Any = \"abc\"\n[next]\nurl = \"x\"",
                "[webhooks.headers]\nX-Any = \"***\"\n[next]\nurl = \"x\"",
            ),
            (r#""x-api-key" = "abc""#, r#""x-api-key" = "***""#),
            (r#"body = '{"routing_key": "abc", "text": "x"}'"#, r#"body = '{"routing_key": "***", "text": "x"}'"#),
            (r#"path = "/healthz?token=abc&x=1""#, r#"path = "/healthz?token=***&x=1""#),
            (r#"send = "AUTH abc\r\n""#, r#"send = "AUTH ***\r\n""#),
            (r#"url = "https://hooks.example.com/T0/B1""#, r#"url = "https://hooks.example.com/*****""#),
            (r#"query = "https://me:abc@example.com""#, r#"query = "https://******@example.com""#),
        ] {
            assert_eq!(hidden(text), expected);
        }
    }

    #[test]
    fn all_else_is_shown() {
        for text in [
            r#"token_file = "admin.token""#,
            r#"certificate = "tls/fullchain.pem""#,
            r#"key = "tls/privkey.pem""#,
            r#"keys = "keys""#,
            "[cookies]",
            r#"weight_header = "X-Weight""#,
            r#"path = "/healthz""#,
            r#"url = "https://example.com""#,
            r#"TXT = ["v=spf1 -all"]"#,
        ] {
            assert_eq!(hidden(text), text);
        }
    }

    #[test]
    fn any_text_keeps_its_length() {
        use proptest::prelude::*;
        proptest!(|(text in r#"(token|headers|=|"|'|\[|\]|\{|\}|,|ö| |\n|url|Bearer ){0,40}"#)| {
            prop_assert_eq!(hidden(&text).len(), text.len());
        });
    }
}
