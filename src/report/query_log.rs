//! Query logs for simulations: one JSON object per line.
//!
//! ```text
//!   {"client": "192.0.2.7", "name": "www.gslb.example.com"}
//!   {"client": "192.0.2.0/24", "name": "www.gslb.example.com", "type": "AAAA", "count": 12}
//! ```
//!
//! `client` is the address that asked, or the network of its EDNS Client Subnet option. A node's own log has the
//! network as `subnet`, which counts first. Other keys are ignored, so a log with more details can be used as it is.
//! The input is not trusted: the length of lines and the number of faults are limited.

use std::fmt;
use std::io::{self, BufRead, Read};
use std::num::NonZeroU32;
use std::str::FromStr;

use hickory_proto::rr::RecordType;
use serde::Deserialize;

use super::network::Network;
use crate::name::Name;
use crate::wire::Rtype;

/// Maximum length of a line in octets, its end included. A name has at most 255; the rest is for other keys of the log.
const MAX_LINE: usize = 16 << 10;

/// Maximum number of faults that are reported. A file with so many faults is not a query log.
const MAX_FAULTS: usize = 10;

/// A number of equal queries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Logged {
    pub(super) client: Network,
    pub(super) name: Name,
    pub(super) rtype: Rtype,
    pub(super) count: NonZeroU32,
}

/// The reason why a log cannot be used.
#[derive(Debug)]
pub(super) enum LogError {
    /// The file cannot be read to its end.
    Unreadable(io::Error),
    /// Lines that are not queries, the first [`MAX_FAULTS`] of them.
    BadLines(Vec<BadLine>),
}

/// A line that is not a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BadLine {
    /// Its number, from 1.
    line: u64,
    /// The fault.
    reason: String,
}

/// A line as serde reads it.
#[derive(Deserialize)]
struct Line {
    client: String,
    subnet: Option<String>,
    name: String,
    #[serde(rename = "type")]
    rtype: Option<String>,
    count: Option<NonZeroU32>,
}

/// Calls `each` with every query of a log; empty lines are skipped. If it fails, the queries that were passed on must
/// be ignored.
pub(super) fn read(mut log: impl BufRead, mut each: impl FnMut(Logged)) -> Result<(), LogError> {
    let mut faults = Vec::new();
    let mut text = Vec::new();
    for line in 1.. {
        text.clear();
        log.by_ref().take(MAX_LINE as u64).read_until(b'\n', &mut text).map_err(LogError::Unreadable)?;
        if text.is_empty() || faults.len() == MAX_FAULTS {
            break;
        }
        let read = if text.len() == MAX_LINE && !text.ends_with(b"\n") {
            log.skip_until(b'\n').map_err(LogError::Unreadable)?;
            Err(format!("the line is longer than {MAX_LINE} octets"))
        } else if text.trim_ascii().is_empty() {
            continue;
        } else {
            parse(&text)
        };
        match read {
            Ok(logged) => each(logged),
            Err(reason) => faults.push(BadLine { line, reason }),
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(LogError::BadLines(faults)) }
}

fn parse(text: &[u8]) -> Result<Logged, String> {
    let Line { client, subnet, name, rtype, count } = serde_json::from_slice(text).map_err(|error| reason(&error))?;
    // With a prefix length of 0, the client asked not to be located. Then the address of its resolver was used.
    let subnet = subnet.filter(|subnet| !subnet.ends_with("/0"));
    Ok(Logged {
        client: subnet.as_ref().unwrap_or(&client).parse()?,
        name: Name::parse(&name, &Name::root()).map_err(|error| format!("`{name}`: {error}"))?,
        rtype: rtype.map_or(Ok(Rtype::A), |rtype| parse_type(&rtype))?,
        count: count.unwrap_or(NonZeroU32::MIN),
    })
}

fn parse_type(text: &str) -> Result<Rtype, String> {
    let rtype =
        RecordType::from_str(&text.to_ascii_uppercase()).map_err(|_| format!("`{text}` is not a record type"))?;
    Ok(Rtype(rtype.into()))
}

/// Returns the reason without serde_json's line number, because serde_json sees only one line.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let what = text.split(" at line ").next().unwrap_or_default();
    if error.column() == 0 { what.to_owned() } else { format!("{what} (column {})", error.column()) }
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.line, self.reason)
    }
}

impl LogError {
    /// Returns one line for each fault of the log with this name.
    pub(super) fn render(&self, log: &str) -> String {
        match self {
            Self::Unreadable(error) => format!("{log}: {error}"),
            Self::BadLines(lines) => {
                let mut told: Vec<String> = lines.iter().map(|line| format!("{log}:{line}")).collect();
                if lines.len() == MAX_FAULTS {
                    told.push("there may be more: the rest was not read".to_owned());
                }
                told.join("\n")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(text: &str) -> Result<Vec<Logged>, LogError> {
        let mut all = Vec::new();
        read(text.as_bytes(), |logged| all.push(logged)).map(|()| all)
    }

    fn bad_lines(text: &str) -> Vec<String> {
        let LogError::BadLines(lines) = read_all(text).unwrap_err() else { panic!("it can be read") };
        lines.iter().map(BadLine::to_string).collect()
    }

    #[test]
    fn a_line_is_a_query() {
        let all = read_all(
            "{\"client\": \"192.0.2.7\", \"name\": \"www.example.com\", \"rcode\": 0}\n\n\
             {\"client\":\"2001:db8::/48\",\"name\":\"www.example.com.\",\"type\":\"aaaa\",\"count\":12}",
        );
        let name = Name::parse("www.example.com.", &Name::root()).unwrap();
        let one = NonZeroU32::MIN;
        let first = Logged { client: "192.0.2.7".parse().unwrap(), name: name.clone(), rtype: Rtype::A, count: one };
        let count = NonZeroU32::new(12).unwrap();
        let second = Logged { client: "2001:db8::/48".parse().unwrap(), name, rtype: Rtype::AAAA, count };
        assert_eq!(all.unwrap(), [first, second]);
    }

    #[test]
    fn the_network_of_client_subnet_counts_before_the_resolver_that_sent_it() {
        let line = |subnet: &str| {
            read_all(&format!(r#"{{"client":"192.0.2.53","subnet":"{subnet}","name":"www.example.com."}}"#)).unwrap()
        };
        assert_eq!(line("203.0.113.0/24")[0].client, "203.0.113.0/24".parse().unwrap());
        assert_eq!(line("0.0.0.0/0")[0].client, "192.0.2.53".parse().unwrap());
    }

    #[test]
    fn every_line_that_is_none_is_told_with_its_number() {
        let good = r#"{"client": "192.0.2.7", "name": "www.example.com"}"#;
        let lines = [
            "client=192.0.2.7",
            good,
            r#"{"name": "www.example.com"}"#,
            r#"{"client": "192.0.2.300", "name": "www.example.com"}"#,
            r#"{"client": "192.0.2.0/33", "name": "www.example.com"}"#,
            r#"{"client": "192.0.2.7", "name": "www..example.com"}"#,
            r#"{"client": "192.0.2.7", "name": "www.example.com", "type": "AX"}"#,
            r#"{"client": "192.0.2.7", "name": "www.example.com", "count": 0}"#,
        ];
        let expected = [
            "1: expected value (column 1)",
            "3: missing field `client` (column 27)",
            "4: `192.0.2.300` is not an IP address",
            "5: `33` is not a prefix length from 1 to 32",
            "6: `www..example.com`: a label may not be empty",
            "7: `AX` is not a record type",
            "8: invalid value: integer `0`, expected a nonzero u32 (column 61)",
        ];
        assert_eq!(bad_lines(&lines.join("\n")), expected);
    }

    #[test]
    fn what_is_told_is_bounded() {
        assert_eq!(bad_lines(&"no\n".repeat(1000)).len(), MAX_FAULTS);
        let long = format!("{{\"client\": \"{}\"}}\nno", "1".repeat(1 << 20));
        assert_eq!(bad_lines(&long), ["1: the line is longer than 16384 octets", "2: expected ident (column 2)"]);
    }
}
