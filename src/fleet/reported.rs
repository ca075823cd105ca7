//! Reports about endpoints as JSON.
//!
//! ```json
//! {"v":1,"run":1764266400000,"seq":9,"wall":1764266400120,
//!  "reported":[{"endpoint":"192.0.2.1","pool":"web/fra","share":1000,"used":1500,"capacity":4000},
//!              {"endpoint":"192.0.2.2","failures":3,"reason":"connection refused"},
//!              {"pool":"next/fra","requests":1000,"errors":3}]}
//! ```
//!
//! `share`, `used` and `capacity` are thousandths. A row with `requests` tells what was served.

use std::net::IpAddr;
use std::num::NonZeroU8;

use serde::{Deserialize, Serialize};

use super::encoding::MAX_SITE;
use crate::health::{Load, MAX_REASON, Push, Requests, Said, Share};
use crate::vantage::{MAX_ROWS, Reported};

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct ReportedShape {
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pool: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    share: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failures: Option<NonZeroU8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    used: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    capacity: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    requests: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<u64>,
}

impl ReportedShape {
    pub(super) fn new(reported: &Reported) -> Self {
        match reported {
            Reported::Push(Push { endpoint, pool, said, load }) => {
                let (mut share, mut failures, mut reason) = (None, None, None);
                match said {
                    Some(Said::Good(good)) => share = Some(good.thousandths()),
                    Some(Said::Bad { failures: times, reason: why }) => {
                        failures = Some(*times);
                        reason = why.as_ref().map(|why| why.chars().take(MAX_REASON).collect());
                    }
                    None => {}
                }
                let (used, capacity) = (load.map(|load| load.used), load.and_then(|load| load.capacity));
                let (endpoint, pool) = (Some(*endpoint), pool.clone());
                Self { endpoint, pool, share, failures, reason, used, capacity, ..Self::default() }
            }
            Reported::Requests(Requests { endpoint, pool, requests, errors }) => Self {
                endpoint: *endpoint,
                pool: pool.clone(),
                requests: Some(*requests),
                errors: Some(*errors),
                ..Self::default()
            },
        }
    }

    /// `None` if it breaks the rules.
    fn read(self) -> Option<Reported> {
        let Self { endpoint, pool, share, failures, reason, used, capacity, requests, errors } = self;
        let is_text =
            |text: &Option<Box<str>>, longest| text.as_ref().is_none_or(|text| text.chars().count() <= longest);
        if !is_text(&pool, MAX_SITE) || !is_text(&reason, MAX_REASON) {
            return None;
        }
        if let Some(requests) = requests {
            let errors = errors.filter(|errors| *errors <= requests)?;
            return Some(Reported::Requests(Requests { endpoint, pool, requests, errors }));
        }
        let said = match (share, failures) {
            (Some(share), None) if share <= Share::FULL.thousandths() => {
                Some(Said::Good(Share::from_thousandths(share)))
            }
            (None, Some(failures)) => Some(Said::Bad { failures, reason }),
            (None, None) => None,
            _ => return None,
        };
        let most = Load::thousandths_of(MAX_UNITS)?;
        let load = match (used, capacity) {
            (Some(used), capacity) if used <= most && capacity.is_none_or(|it| (1..=most).contains(&it)) => {
                Some(Load { used, capacity })
            }
            (None, None) => None,
            _ => return None,
        };
        let is_report = said.is_some() || load.is_some();
        endpoint.filter(|_| is_report).map(|endpoint| Reported::Push(Push { endpoint, pool, said, load }))
    }
}

/// The largest load.
const MAX_UNITS: f64 = 1e12;

/// Reads the reports of a message; `None` if one of them breaks the rules.
pub(super) fn read_reported(reported: Vec<ReportedShape>) -> Option<Vec<Reported>> {
    if reported.len() > MAX_ROWS {
        return None;
    }
    reported.into_iter().map(ReportedShape::read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_comes_back_as_it_was() {
        let endpoint: IpAddr = "2001:db8::1".parse().unwrap();
        let push = |said, load| Reported::Push(Push { endpoint, pool: Some("web/fra".into()), said, load });
        let load = Load { used: 1500, capacity: Some(4000) };
        let bad = Said::Bad { failures: NonZeroU8::MIN, reason: Some("disk full".into()) };
        for reported in [
            push(Some(Said::Good(Share::from_thousandths(250))), Some(load)),
            push(Some(bad), None),
            push(None, Some(Load { used: 0, capacity: None })),
            Reported::Requests(Requests { endpoint: None, pool: Some("next".into()), requests: 100, errors: 3 }),
        ] {
            let text = serde_json::to_string(&[ReportedShape::new(&reported)]).unwrap();
            let shapes: Vec<ReportedShape> = serde_json::from_str(&text).unwrap();
            assert_eq!(read_reported(shapes), Some(vec![reported]), "{text}");
        }
    }

    #[test]
    fn what_is_no_report_is_not_read() {
        for text in [
            "[{}]",
            r#"[{"endpoint":"192.0.2.1"}]"#,
            r#"[{"endpoint":"192.0.2.1","share":1001}]"#,
            r#"[{"endpoint":"192.0.2.1","share":1000,"failures":1}]"#,
            r#"[{"endpoint":"192.0.2.1","capacity":1000}]"#,
            r#"[{"endpoint":"192.0.2.1","used":1,"capacity":0}]"#,
            r#"[{"share":1000}]"#,
            r#"[{"pool":"web","requests":1,"errors":2}]"#,
        ] {
            let shapes: Vec<ReportedShape> = serde_json::from_str(text).unwrap();
            assert_eq!(read_reported(shapes), None, "{text}");
        }
    }
}
