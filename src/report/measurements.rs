//! Measured round trips as they are pushed: JSON, one in a line.
//!
//! ```text
//!   {"client": "198.51.100.7", "datacenter": "fra", "rtt_ms": 23.4}
//!   {"client": "2001:db8:7::/48", "datacenter": "iad", "rtt_ms": 101}
//! ```
//!
//! Who pushes a hundred thousand lines has a bad one among them. It is told by its number, and the others count.

use std::borrow::Cow;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::latency::Sample;
use crate::wire::Fold;

/// Bad lines that are told; how many more there are is counted.
const MAX_TOLD: usize = 20;

/// What became of the lines that were pushed.
#[derive(Debug, Default, Serialize)]
pub struct Measurements {
    /// The good ones.
    #[serde(skip)]
    pub samples: Vec<Sample>,
    taken: usize,
    refused: usize,
    /// The first of those that were refused.
    faults: Vec<LineFault>,
}

/// A line that is no measurement.
#[derive(Debug, Serialize)]
struct LineFault {
    /// Counted from 1.
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
    /// Reads all lines but empty ones. `is_datacenter` knows the names that count.
    pub fn read(text: &str, is_datacenter: impl Fn(&str) -> bool) -> Self {
        let mut measurements = Self::default();
        for (line, text) in (1..).zip(text.lines()).filter(|(_, text)| !text.trim().is_empty()) {
            match read_line(text, &is_datacenter) {
                Ok(sample) => measurements.samples.push(sample),
                Err(error) => {
                    measurements.refused += 1;
                    if measurements.faults.len() < MAX_TOLD {
                        measurements.faults.push(LineFault { line, error });
                    }
                }
            }
        }
        measurements.taken = measurements.samples.len();
        measurements
    }

    /// Whether every line was good.
    pub fn is_good(&self) -> bool {
        self.refused == 0
    }
}

fn read_line(text: &str, is_datacenter: impl Fn(&str) -> bool) -> Result<Sample, String> {
    let Line { client, datacenter, rtt_ms } = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let network = client.parse::<IpNet>().or_else(|_| client.parse::<IpAddr>().map(IpNet::from));
    let network = network.map_err(|_| format!("`{client}` is no address and no prefix"))?;
    if !is_datacenter(&datacenter) {
        return Err(format!("there is no datacenter `{datacenter}`"));
    }
    Sample::try_new(without_wrapping(network), datacenter, rtt_ms).map_err(|error| error.to_string())
}

/// The IPv4 client within an IPv6 address: a web server that listens on `[::]` writes `::ffff:198.51.100.7`.
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
        Measurements::read(text, |name| name == "fra")
    }

    #[test]
    fn a_line_is_a_measurement() {
        let text = r#"
            {"client": "198.51.100.7", "datacenter": "fra", "rtt_ms": 23.4}

            {"rtt_ms": 101, "client": "2001:db8:7::/48", "datacenter": "fra"}
            {"client": "::ffff:198.51.100.7", "datacenter": "fra", "rtt_ms": 1}"#;
        let read = read(text);
        assert!(read.is_good(), "{read:?}");
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
                "`198.51.100.777` is no address and no prefix",
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
    fn of_many_bad_lines_some_are_told_and_all_are_counted() {
        let read = read(&"[]\n".repeat(1000));
        assert_eq!((read.taken, read.refused, read.faults.len()), (0, 1000, MAX_TOLD));
    }
}
