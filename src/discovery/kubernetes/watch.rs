//! A watch: a response that brings one JSON object for each event, each in a line of its own.

use std::time::Duration;

use reqwest::Response;
use serde::Deserialize;
use tokio::time::Instant;

use super::objects::Object;
use crate::discovery::api::{self, PATIENCE, Trouble};

/// Longest line in octets: several times the largest object that a cluster stores.
const MAX_LINE: usize = 4 << 20;

/// A watch that runs.
pub(super) struct Watch {
    response: Response,
    /// What came after the last event.
    rest: Vec<u8>,
    /// When the line in `rest` began.
    began: Instant,
}

/// An event of a watch.
#[derive(Debug, PartialEq)]
pub(super) enum Event {
    /// An object that is new or changed.
    Put(Box<Object>),
    /// An object that was removed.
    Removed(Box<Object>),
    /// Nothing changed up to this version.
    Bookmark(String),
    /// The server ends the watch with this status.
    Failed(u16),
}

/// An event as it is sent.
#[derive(Deserialize)]
struct Sent {
    r#type: String,
    object: serde_json::Value,
}

impl Watch {
    pub(super) fn new(response: Response) -> Self {
        Self { response, rest: Vec::new(), began: Instant::now() }
    }

    /// Returns the next event; `None` if the server ended the watch in order. Fails if none begins within `patience`, or if
    /// one takes too long.
    pub(super) async fn next(&mut self, patience: Duration) -> Result<Option<Event>, Trouble> {
        let since = Instant::now();
        // Octets of `rest` without a line feed.
        let mut searched = 0;
        loop {
            if let Some(end) = self.rest[searched..].iter().position(|&octet| octet == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=searched + end).collect();
                self.began = Instant::now();
                searched = 0;
                if line.trim_ascii().is_empty() {
                    continue;
                }
                return event(&line).map(Some);
            }
            searched = self.rest.len();
            if searched > MAX_LINE {
                return Err(Trouble::new(format!("an event of its watch is longer than {} MiB", MAX_LINE >> 20)));
            }
            let deadline = if self.rest.is_empty() { since + patience } else { self.began + PATIENCE };
            match api::next(&mut self.response, deadline).await? {
                Some(chunk) => {
                    if self.rest.is_empty() {
                        self.began = Instant::now();
                    }
                    self.rest.extend_from_slice(chunk.as_ref());
                }
                None if self.rest.is_empty() => return Ok(None),
                None => return Err(Trouble::new("its watch broke off within an event")),
            }
        }
    }
}

fn event(line: &[u8]) -> Result<Event, Trouble> {
    let Sent { r#type, object } = api::parse(line)?;
    let malformed = || Trouble::new("an event of its watch has not the expected form");
    if r#type == "ERROR" {
        // `Status`: its `code` is the status of HTTP.
        let code = object.get("code").and_then(serde_json::Value::as_u64).and_then(|code| u16::try_from(code).ok());
        return code.map(Event::Failed).ok_or_else(malformed);
    }
    if r#type == "BOOKMARK" {
        // Its object has nothing but a version.
        let version = object["metadata"]["resourceVersion"].as_str();
        return version.map(|version| Event::Bookmark(version.to_owned())).ok_or_else(malformed);
    }
    let object: Box<Object> = serde_json::from_value(object).map_err(|_| malformed())?;
    match r#type.as_str() {
        "ADDED" | "MODIFIED" => Ok(Event::Put(object)),
        "DELETED" => Ok(Event::Removed(object)),
        _ => Err(malformed()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_and_others_are_refused() {
        let slice =
            r#"{"metadata": {"name": "web-1", "resourceVersion": "7"}, "addressType": "IPv4", "endpoints": []}"#;
        let read = |kind: &str, object: &str| {
            event(format!("{{\"type\": \"{kind}\", \"object\": {object}}}\n").as_bytes()).map_err(|trouble| trouble.why)
        };
        assert!(matches!(read("ADDED", slice), Ok(Event::Put(object)) if object.version() == "7"));
        assert!(matches!(read("MODIFIED", slice), Ok(Event::Put(_))));
        assert!(matches!(read("DELETED", slice), Ok(Event::Removed(_))));
        assert_eq!(read("BOOKMARK", r#"{"metadata": {"resourceVersion": "9"}}"#), Ok(Event::Bookmark("9".to_owned())));
        assert_eq!(read("ERROR", r#"{"kind": "Status", "code": 410}"#), Ok(Event::Failed(410)));
        for (kind, object) in [("ADDED", "{}"), ("ERROR", "{}"), ("BOOKMARK", "[]"), ("SOMETHING", slice)] {
            assert!(read(kind, object).unwrap_err().contains("has not the expected form"), "{kind}");
        }
    }
}
