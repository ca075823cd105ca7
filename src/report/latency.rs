//! The round trips from a client to datacenters, and their sources.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::latency::{Reading, ReadingSource};

/// The round trip to one datacenter.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct LatencyShape {
    datacenter: String,
    /// The value that rankings use; absent if it is unknown.
    rtt_ms: Option<f64>,
    source: Cow<'static, str>,
    /// The node of the fleet whose probes measured it, or corrected the estimate; absent for other sources.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    vantage_point: Option<String>,
    /// Absent if the round trip was not measured.
    #[serde(flatten)]
    measured: Option<MeasuredShape>,
}

#[derive(Debug, Serialize, Deserialize)]
struct MeasuredShape {
    /// The clients it was measured for, such as `198.51.100.0/24`, `AS3320 in DE` or `EU`.
    clients: String,
    mean_ms: f64,
    samples: u16,
    /// Age of the last sample when the map was made, in seconds.
    age_s: u64,
}

impl LatencyShape {
    pub(super) fn new(datacenter: &str, reading: &Reading) -> Self {
        let (mut measured, mut vantage_point) = (None, None);
        let source = match &reading.source {
            ReadingSource::Measured(clients, of) => {
                measured = Some(MeasuredShape {
                    clients: clients.to_string(),
                    mean_ms: of.mean.ms(),
                    samples: of.samples,
                    age_s: of.age.as_secs(),
                });
                "measured".into()
            }
            ReadingSource::Probed(node, country) => {
                vantage_point = Some(node.to_string());
                format!("measured for {country} by the probes of {node}").into()
            }
            ReadingSource::Corrected(node) => {
                vantage_point = Some(node.to_string());
                format!("estimated from the distance, corrected by the probes of {node}").into()
            }
            ReadingSource::Estimated => "estimated from the distance".into(),
            ReadingSource::Median => "not measured, so taken as the median".into(),
            ReadingSource::Unknown => "unknown".into(),
        };
        let rtt_ms = reading.rtt.is_known().then(|| reading.rtt.ms());
        Self { datacenter: datacenter.to_owned(), rtt_ms, source, vantage_point, measured }
    }
}

impl fmt::Display for LatencyShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.datacenter)?;
        if let Some(rtt) = self.rtt_ms {
            write!(f, "{rtt:.1} ms, ")?;
        }
        f.write_str(&self.source)?;
        if let Some(MeasuredShape { clients, mean_ms, samples, age_s }) = &self.measured {
            write!(f, " for {clients}: mean {mean_ms:.1} ms of {samples} samples, {} min old", age_s / 60)?;
        }
        Ok(())
    }
}
