//! The beginning of a body, and the search for a match in it.
//!
//! At most 64 KiB are read of any body. A search stops at a match, at that limit or at the end of the body. It looks at
//! the octets when the body ends or the limit is reached, and before that at most once in `LOOK_INTERVAL`. A body in
//! thousands of tiny pieces therefore costs no more than one in a few large pieces. In a body that never ends, a match
//! is still found soon after it has come.

use std::time::Duration;

use hyper::body::Bytes;
use tokio::time::{Instant, timeout_at};

use crate::health::{BodyMatch, Failure};

/// Maximum number of octets of the body that are searched.
const BODY_LIMIT: usize = 64 * 1024;
/// The time from one search of an unfinished body to the next.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);

/// The source of a body.
pub(super) trait Source {
    /// The next piece; `None` at the end. Dropping the future before it ends loses no data.
    fn next(&mut self) -> impl Future<Output = Result<Option<Bytes>, Failure>> + Send;
}

/// A body, and the part of it that has been read.
pub(super) struct Body<'s, S> {
    source: &'s mut S,
    beginning: Vec<u8>,
    ended: bool,
}

impl<'s, S: Source> Body<'s, S> {
    /// A body of which nothing has been read.
    pub(super) fn new(source: &'s mut S) -> Self {
        Self { source, beginning: Vec::new(), ended: false }
    }

    /// True if the first 64 KiB contain the match. Reads no further than necessary.
    pub(super) async fn holds(&mut self, wanted: &BodyMatch) -> Result<bool, Failure> {
        let mut looked_at = 0;
        // Most bodies come in one piece. The first search therefore starts at once.
        let mut next_look = Instant::now();
        loop {
            let has_news = self.beginning.len() > looked_at;
            let read = if has_news { timeout_at(next_look, self.read()).await } else { Ok(self.read().await) };
            match read {
                Ok(Ok(true)) => {}
                Ok(Ok(false)) => return Ok(is_in(wanted, &self.beginning)),
                // The match may have come before the error. A search before the error would have found it, so it
                // counts.
                Ok(Err(error)) => return if is_surely_in(wanted, &mut self.beginning) { Ok(true) } else { Err(error) },
                Err(_) => {
                    if is_surely_in(wanted, &mut self.beginning) {
                        return Ok(true);
                    }
                    looked_at = self.beginning.len();
                    next_look = Instant::now() + LOOK_INTERVAL;
                }
            }
        }
    }

    /// The whole body, or its first 64 KiB.
    pub(super) async fn whole(&mut self) -> Result<&[u8], Failure> {
        while self.read().await? {}
        Ok(&self.beginning)
    }

    /// Reads the rest. Returns the source if the body ended within the first 64 KiB.
    pub(super) async fn drained(mut self) -> Option<&'s mut S> {
        self.whole().await.ok()?;
        self.ended.then_some(self.source)
    }

    /// Reads one more piece. Returns false if there is nothing left to read.
    async fn read(&mut self) -> Result<bool, Failure> {
        if self.ended || self.beginning.len() == BODY_LIMIT {
            return Ok(false);
        }
        match self.source.next().await? {
            None => self.ended = true,
            Some(octets) => {
                let room = BODY_LIMIT - self.beginning.len();
                self.beginning.extend_from_slice(&octets[..octets.len().min(room)]);
            }
        }
        Ok(true)
    }
}

/// True if a body that ends here contains the match.
fn is_in(wanted: &BodyMatch, body: &[u8]) -> bool {
    match wanted {
        BodyMatch::Substring(text) => {
            text.is_empty() || body.windows(text.len()).any(|window| window == text.as_bytes())
        }
        BodyMatch::Pattern(pattern) => pattern.0.is_match(body),
    }
}

/// True if a body that begins like this contains the match, whatever follows.
///
/// A pattern may look ahead by `$`, `\z` or `\b`: it matches at the end of the octets so far, and no longer once more
/// octets have come. The test appends a letter and then a blank, because no look-ahead accepts both. The verdict
/// therefore does not depend on how the network cuts the body into pieces.
fn is_surely_in(wanted: &BodyMatch, beginning: &mut Vec<u8>) -> bool {
    let BodyMatch::Pattern(pattern) = wanted else {
        return is_in(wanted, beginning);
    };
    let end = beginning.len();
    [b'a', b' '].into_iter().all(|next| {
        beginning.push(next);
        let found = pattern.0.shortest_match(beginning).is_some_and(|found| found <= end);
        beginning.truncate(end);
        found
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::Pattern;

    fn pattern(text: &str) -> BodyMatch {
        BodyMatch::Pattern(Pattern(regex::bytes::Regex::new(text).unwrap()))
    }

    #[test]
    fn what_looks_ahead_is_sure_only_once_the_body_is_over() {
        for (text, body, now, surely) in [
            ("ok", "ok", true, true),
            ("ok+", "so ok", true, true),
            ("ok.*", "ok then", true, true),
            ("^ok$", "ok", true, false),
            (r"ok\z", "ok", true, false),
            (r"ok\b", "ok", true, false),
            (r"ok\b", "ok.", true, true),
            (r"ok\B", "ok", false, false),
            (r"ok\B", "oks", true, true),
            ("(?m)^ok$", "ok\nand so on", true, true),
            ("(?m)^ok$", "ok", true, false),
            ("ok.", "ok", false, false),
            ("", "", true, true),
            ("^$", "", true, false),
        ] {
            let wanted = pattern(text);
            assert_eq!(is_in(&wanted, body.as_bytes()), now, "{text} in {body}");
            assert_eq!(is_surely_in(&wanted, &mut body.into()), surely, "{text} in {body}, surely");
        }
    }

    #[test]
    fn a_substring_may_be_empty_or_longer_than_the_body() {
        assert!(is_in(&BodyMatch::Substring("".into()), b""));
        assert!(!is_in(&BodyMatch::Substring("longer".into()), b"short"));
    }
}
