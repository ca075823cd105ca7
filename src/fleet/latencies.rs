//! Round trips as JSON.
//!
//! ```json
//! {"v":1,"run":1764266400000,"seq":2,"wall":1764266400120,
//!  "rtts":{"country":"DE","site":[50.11,8.68],"to":[["fra",4],["iad",881]]}}
//! {"v":1,"run":1764266400000,"seq":3,"wall":1764266400120,
//!  "samples":[["198.51.100.0/24","fra",23400],["2001:db8:7::/48","iad",101000]]}
//! ```
//!
//! The round trips of a vantage point are tenths of a millisecond, those of clients microseconds.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::encoding::{MAX_SITE, is_plain};
use crate::geo::{Coordinates, CountryCode};
use crate::latency::{MAX_PLACES, Rtt, Sample, VantageRtts};
use crate::vantage::MAX_ROWS;

/// What a vantage point tells of its round trips.
#[derive(Serialize, Deserialize)]
pub(super) struct RttsShape {
    #[serde(skip_serializing_if = "Option::is_none", default)]
    country: Option<String>,
    /// Latitude and longitude.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    site: Option<(f64, f64)>,
    /// Datacenters, and tenths of a millisecond.
    to: Vec<(String, u16)>,
}

/// A network, a datacenter, and microseconds.
pub(super) type SampleShape = (String, String, u32);

impl RttsShape {
    pub(super) fn new(rtts: &VantageRtts) -> Self {
        Self {
            country: rtts.country().map(|country| country.as_str().to_owned()),
            site: rtts.coordinates().map(|site| (site.latitude(), site.longitude())),
            to: rtts.rtts().iter().map(|(datacenter, rtt)| (datacenter.to_string(), rtt.to_tenths())).collect(),
        }
    }

    /// `None` if it breaks the rules.
    pub(super) fn read(self) -> Option<VantageRtts> {
        let Self { country, site, to } = self;
        let country = country.map_or(Some(None), |code| CountryCode::parse(&code).map(Some))?;
        let site = site.map_or(Some(None), |(north, east)| Coordinates::try_new(north, east).map(Some))?;
        if to.len() > MAX_PLACES {
            return None;
        }
        let rtt = |(datacenter, tenths): (String, u16)| Some((name(datacenter)?, Rtt::from_tenths(tenths)?));
        Some(VantageRtts::new(country, site, to.into_iter().map(rtt).collect::<Option<Vec<_>>>()?))
    }
}

pub(super) fn sample_shape(sample: &Sample) -> SampleShape {
    (sample.client().to_string(), sample.datacenter().to_owned(), sample.us())
}

/// Reads the samples of a message; `None` if one of them breaks the rules.
pub(super) fn read_samples(samples: Vec<SampleShape>) -> Option<Vec<Sample>> {
    let sample = |(client, datacenter, us): SampleShape| {
        let client: IpNet = client.parse().ok()?;
        Sample::try_new(client.trunc(), name(datacenter)?, f64::from(us) / 1000.0).ok()
    };
    if samples.len() > MAX_ROWS {
        return None;
    }
    samples.into_iter().map(sample).collect()
}

/// The name of a datacenter.
fn name(text: String) -> Option<Box<str>> {
    let is_name = (1..=MAX_SITE).contains(&text.len()) && text.chars().all(is_plain);
    is_name.then(|| text.into_boxed_str())
}
