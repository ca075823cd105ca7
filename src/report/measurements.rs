//! Measured round trips that clients push: one JSON object per line.
//!
//! ```text
//!   {"client": "198.51.100.7", "datacenter": "fra", "rtt_ms": 23.4}
//!   {"client": "2001:db8:7::/48", "datacenter": "iad", "rtt_ms": 101}
//! ```
//!
//! A bad line among a hundred thousand must not cost the others. Bad lines are reported with their numbers, and the
//! others count.

use std::borrow::Cow;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::latency::Sample;
use crate::wire::Fold;

/// Maximum number of bad lines that are reported; further ones are counted.
const MAX_TOLD: usize = 20;

/// Number of bad lines after which the rest is not read. The body probably has another format, and a bad line takes as
/// much time as a good one.
const MAX_REFUSED: usize = 1000;

/// Maximum length of a line in octets: several times the longest measurement.
const MAX_LINE: usize = 1024;

/// The result of the lines that were pushed. Lines are [fed](Self::feed) as they arrive.
#[derive(Debug, Default, Serialize)]
pub struct Measurements {
    /// The valid measurements, until the caller takes them.
    #[serde(skip)]
    pub samples: Vec<Sample>,
    taken: usize,
    refused: usize,
    /// The first refused lines.
    faults: Vec<LineFault>,
    /// The reason why the rest was not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// Number of complete lines.
    #[serde(skip)]
    lines: usize,
    /// The incomplete last line. Of a line that is too long, only the beginning is kept.
    #[serde(skip)]
    line: Vec<u8>,
}

/// A line that is not a measurement.
#[derive(Debug, Serialize)]
struct LineFault {
    /// Its number, counted from 1.
    line: usize,
    error: String,
}

/// A line.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    #[serde(borrow)]
    client: Cow<'a, str>,
    #[serde(borrow)]
    datacenter: Cow<'a, str>,
    rtt_ms: f64,
}

impl Measurements {
    /// Reads the lines that end in these octets, except empty ones. `is_datacenter` is true for names of datacenters.
    pub fn feed(&mut self, octets: &[u8], is_datacenter: impl Fn(&str) -> bool) {
        for part in octets.split_inclusive(|&octet| octet == b'\n') {
            if self.is_given_up() {
                return;
            }
            let room = (MAX_LINE + 2).saturating_sub(self.line.len());
            self.line.extend_from_slice(&part[..part.len().min(room)]);
            if part.ends_with(b"\n") {
                self.end_line(&is_datacenter);
            }
        }
    }

    /// Reads the last line if it has no line break.
    pub fn finish(&mut self, is_datacenter: impl Fn(&str) -> bool) {
        if !self.is_given_up() {
            self.end_line(&is_datacenter);
        }
    }

    /// True if there were bad lines, and no valid one.
    pub fn is_bad(&self) -> bool {
        self.taken == 0 && self.refused > 0
    }

    /// Returns why the measurements are refused, in a sentence.
    pub fn why_refused(&self) -> String {
        let first = || self.faults.first().map(|fault| format!("line {}: {}", fault.line, fault.error));
        self.error.clone().or_else(first).unwrap_or_default()
    }

    /// True if there were so many bad lines that the rest is not read.
    pub fn is_given_up(&self) -> bool {
        self.error.is_some()
    }

    fn end_line(&mut self, is_datacenter: impl Fn(&str) -> bool) {
        self.lines += 1;
        let line = std::mem::take(&mut self.line);
        let octets = line.trim_ascii();
        if octets.is_empty() {
            return;
        }
        let read = match std::str::from_utf8(octets) {
            _ if octets.len() > MAX_LINE => Err(format!("the line is longer than {MAX_LINE} octets")),
            Err(_) => Err("the line is not UTF-8".to_owned()),
            Ok(text) => read_line(text, is_datacenter),
        };
        match read {
            Ok(sample) => {
                self.taken += 1;
                self.samples.push(sample);
            }
            Err(error) => self.refuse(error),
        }
    }

    fn refuse(&mut self, error: String) {
        self.refused += 1;
        if self.faults.len() < MAX_TOLD {
            self.faults.push(LineFault { line: self.lines, error });
        }
        if self.refused >= MAX_REFUSED {
            let line = self.lines;
            self.error = Some(format!("{MAX_REFUSED} lines are bad: nothing after line {line} was read"));
        }
    }
}

fn read_line(text: &str, is_datacenter: impl Fn(&str) -> bool) -> Result<Sample, String> {
    let Line { client, datacenter, rtt_ms } = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let network = client.parse::<IpNet>().or_else(|_| client.parse::<IpAddr>().map(IpNet::from));
    let network = network.map_err(|_| format!("`{client}` is neither an IP address nor a prefix"))?;
    if !is_datacenter(&datacenter) {
        return Err(format!("there is no datacenter `{datacenter}`"));
    }
    Sample::try_new(without_wrapping(network), datacenter, rtt_ms).map_err(|error| error.to_string())
}

/// Returns the IPv4 network that an IPv6 network stands for, if it does. A web server that listens on `[::]` writes
/// `::ffff:198.51.100.7` for an IPv4 client.
fn without_wrapping(network: IpNet) -> IpNet {
    let fold = match network {
        IpNet::V6(net) => Fold::find(net.addr(), net.prefix_len()),
        IpNet::V4(_) => None,
    };
    fold.map_or(network, |fold| IpNet::new_assert(fold.address.into(), fold.length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Measurements {
        read_in_parts(text, usize::MAX)
    }

    /// Reads the text in parts of this length.
    fn read_in_parts(text: &str, length: usize) -> Measurements {
        let mut measurements = Measurements::default();
        for part in text.as_bytes().chunks(length) {
            measurements.feed(part, |name| name == "fra");
        }
        measurements.finish(|name| name == "fra");
        measurements
    }

    #[test]
    fn a_line_is_a_measurement() {
        let text = r#"
            {"client": "198.51.100.7", "datacenter": "fra", "rtt_ms": 23.4}

            {"rtt_ms": 101, "client": "2001:db8:7::/48", "datacenter": "fra"}
            {"client": "::ffff:198.51.100.7", "datacenter": "fra", "rtt_ms": 1}"#;
        let read = read(text);
        assert_eq!(read.refused, 0, "{read:?}");
        let told = |sample: &Sample| (sample.client().to_string(), sample.datacenter().to_owned(), sample.ms());
        assert_eq!(
            read.samples.iter().map(told).collect::<Vec<_>>(),
            [
                ("198.51.100.7/32".to_owned(), "fra".to_owned(), 23.4),
                ("2001:db8:7::/48".to_owned(), "fra".to_owned(), 101.0),
                ("198.51.100.7/32".to_owned(), "fra".to_owned(), 1.0),
            ]
        );
    }

    #[test]
    fn bad_lines_are_told_by_number_and_do_not_lose_the_good_ones() {
        let good = r#"{"client": "198.51.100.7", "datacenter": "fra", "rtt_ms": 23.4}"#;
        let bad = [
            ("{", "EOF while parsing an object at line 1 column 1"),
            (
                r#"{"client": "198.51.100.777", "datacenter": "fra", "rtt_ms": 1}"#,
                "`198.51.100.777` is neither an IP address nor a prefix",
            ),
            (r#"{"client": "198.51.100.7", "datacenter": "far", "rtt_ms": 1}"#, "there is no datacenter `far`"),
            (
                r#"{"client": "198.51.100.7", "datacenter": "fra", "rtt_ms": 0}"#,
                "0 ms is not above 0 and at most 6000 ms",
            ),
            (r#"{"client": "198.51.100.7", "datacenter": "fra"}"#, "missing field `rtt_ms` at line 1 column 47"),
        ];
        let text = bad.map(|(line, _)| [line, good].join("\n")).join("\n");
        let read = read(&text);
        assert_eq!(read.samples.len(), bad.len());
        assert_eq!((read.taken, read.refused), (bad.len(), bad.len()));
        let told: Vec<(usize, &str)> = read.faults.iter().map(|fault| (fault.line, &*fault.error)).collect();
        let expected: Vec<(usize, &str)> = bad.iter().enumerate().map(|(at, (_, why))| (2 * at + 1, *why)).collect();
        assert_eq!(told, expected);
    }

    #[test]
    fn however_a_body_is_cut_its_lines_are_the_same() {
        let good = r#"{"client": "198.51.100.7", "datacenter": "fra", "rtt_ms": 23.4}"#;
        let text = format!("{good}\r\n\n{{\n{good}");
        let whole = read(&text);
        assert_eq!((whole.taken, whole.refused, whole.faults[0].line), (2, 1, 3));
        for length in 1..text.len() {
            let cut = read_in_parts(&text, length);
            assert_eq!((cut.taken, cut.refused, cut.faults[0].line), (2, 1, 3), "{length}");
        }
    }

    #[test]
    fn a_line_without_end_is_one_bad_line_and_is_not_kept() {
        let good = r#"{"client": "198.51.100.7", "datacenter": "fra", "rtt_ms": 23.4}"#;
        let mut measurements = Measurements::default();
        for _ in 0..100 {
            measurements.feed(&[b'x'; 10_000], |_| true);
            assert!(measurements.line.len() <= MAX_LINE + 2);
        }
        measurements.feed(format!("\n{good}\n").as_bytes(), |_| true);
        assert_eq!((measurements.taken, measurements.refused), (1, 1));
        assert_eq!(measurements.faults[0].error, "the line is longer than 1024 octets");
    }

    #[test]
    fn of_many_bad_lines_some_are_told_and_the_rest_is_not_read() {
        let good = r#"{"client": "198.51.100.7", "datacenter": "fra", "rtt_ms": 23.4}"#;
        let read = read(&format!("{}{good}\n", "[]\n".repeat(5000)));
        assert_eq!((read.taken, read.refused, read.faults.len()), (0, MAX_REFUSED, MAX_TOLD));
        let why = "1000 lines are bad: nothing after line 1000 was read";
        assert_eq!(read.error.as_deref(), Some(why));
    }
}
