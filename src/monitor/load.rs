//! Load reports in the responses of endpoints.
//!
//! ```text
//!   endpoint-load-metrics: TEXT application_utilization=0.3,cpu_utilization=0.4
//!   endpoint-load-metrics: JSON {"cpu_utilization": 0.4}
//!   X-Load: 350/1000
//!   X-Load: 350
//!   {"workers": {"busy": 350}}                               with load_json = "workers.busy"
//! ```
//!
//! The first form is ORCA, known from Envoy and gRPC (`xds.data.orca.v3.OrcaLoadReport`). A report that cannot be read
//! is ignored: it counts neither for nor against the endpoint.

use hyper::HeaderMap;
use serde_json::Value;
use tracing::debug;

use crate::health::Load;

/// The header field of ORCA reports.
const ORCA: &str = "endpoint-load-metrics";
/// The header field with one or two numbers.
const X_LOAD: &str = "x-load";
/// The whole, of which a utilization is a part.
const WHOLE: u64 = 1000;

/// The load in the header fields of a response, if they report one. `X-Load` takes precedence.
pub(super) fn of_headers(headers: &HeaderMap) -> Option<Load> {
    let read = |field: &str, parse: fn(&str) -> Option<Load>| {
        let value = headers.get(field)?;
        let load = value.to_str().ok().and_then(parse);
        if load.is_none() {
            debug!(field, ?value, "the field is not a valid load report");
        }
        load
    };
    read(X_LOAD, parse_x_load).or_else(|| read(ORCA, parse_orca))
}

/// The load in a JSON document: the number at `pointer` (RFC 6901), if there is one.
pub(super) fn of_json(document: &[u8], pointer: &str) -> Option<Load> {
    let found = serde_json::from_slice(document).ok().and_then(|document: Value| number(document.pointer(pointer)?));
    if found.is_none() {
        debug!(pointer, octets = document.len(), "the body has no number at this pointer");
    }
    found.map(|used| Load { used, capacity: None })
}

/// A number in thousandths; `None` for a negative number and for other texts.
pub(super) fn thousandths(text: &str) -> Option<u64> {
    Load::thousandths_of(text.parse().ok()?)
}

/// A number, or a string that is one: proto3's JSON puts large numbers in quotes.
fn number(value: &Value) -> Option<u64> {
    match value {
        Value::String(text) => thousandths(text),
        other => Load::thousandths_of(other.as_f64()?),
    }
}

/// Reads `used` or `used/capacity`.
fn parse_x_load(text: &str) -> Option<Load> {
    let Some((used, capacity)) = text.split_once('/') else {
        return Some(Load { used: thousandths(text.trim())?, capacity: None });
    };
    let capacity = thousandths(capacity.trim()).filter(|&capacity| capacity > 0)?;
    Some(Load { used: thousandths(used.trim())?, capacity: Some(capacity) })
}

fn parse_orca(report: &str) -> Option<Load> {
    let (form, metrics) = report.trim().split_once(' ')?;
    match form {
        "TEXT" => utilization(|metric| {
            let mut pairs = metrics.split(',').filter_map(|pair| pair.split_once('='));
            let (_, value) = pairs.find(|(key, _)| key.trim() == metric.proto)?;
            thousandths(value.trim())
        }),
        "JSON" => {
            let metrics: Value = serde_json::from_str(metrics).ok()?;
            utilization(|metric| number(metrics.get(metric.proto).or_else(|| metrics.get(metric.json))?))
        }
        _ => None,
    }
}

/// A metric's name in ORCA's definition, and in proto3's JSON, whose readers accept both.
struct Metric {
    proto: &'static str,
    json: &'static str,
}

/// As gRPC weighs endpoints (its proposal A58): the application's utilization if there is one, otherwise the
/// processor's.
fn utilization(metric: impl Fn(&Metric) -> Option<u64>) -> Option<Load> {
    let application = metric(&Metric { proto: "application_utilization", json: "applicationUtilization" });
    let processor = metric(&Metric { proto: "cpu_utilization", json: "cpuUtilization" });
    let used = application.filter(|&used| used > 0).or(processor).or(application)?;
    Some(Load { used, capacity: Some(WHOLE) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    fn of(fields: &[(&'static str, &str)]) -> Option<Load> {
        let field = |&(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        of_headers(&fields.iter().map(field).collect())
    }

    #[test]
    fn orca_reports_say_how_much_of_the_whole_is_used() {
        let part = |used| Some(Load { used, capacity: Some(1000) });
        for (report, load) in [
            ("TEXT cpu_utilization=0.3,mem_utilization=0.8,rps_fractional=10.0,named_metrics.x=0.4", part(300)),
            ("TEXT application_utilization=0.5, cpu_utilization=0.3", part(500)),
            ("TEXT application_utilization=0,cpu_utilization=0.3", part(300)),
            ("TEXT application_utilization=0", part(0)),
            ("TEXT application_utilization=1.25", part(1250)),
            (r#"JSON {"cpu_utilization": 0.3, "mem_utilization": 0.8}"#, part(300)),
            (r#"JSON {"applicationUtilization": 0.5, "cpuUtilization": 0.3}"#, part(500)),
            (r#"JSON {"application_utilization": "0.5"}"#, part(500)),
            ("TEXT cpu_utilization=NaN", None),
            ("TEXT cpu_utilization=-1", None),
            ("TEXT cpu_utilization", None),
            ("TEXT mem_utilization=0.5", None),
            ("TEXT", None),
            ("JSON {", None),
            ("JSON []", None),
            ("BIN CAAQ", None),
            ("", None),
        ] {
            assert_eq!(of(&[("endpoint-load-metrics", report)]), load, "{report}");
        }
    }

    #[test]
    fn x_load_says_how_much_is_used_of_how_much() {
        let load = |used, capacity| Some(Load { used, capacity });
        for (text, expected) in [
            ("350/1000", load(350_000, Some(1_000_000))),
            (" 3.5 / 10 ", load(3500, Some(10_000))),
            ("350", load(350_000, None)),
            ("0", load(0, None)),
            ("1500/1000", load(1_500_000, Some(1_000_000))),
            ("1/0", None),
            ("1/", None),
            ("/1", None),
            ("-1", None),
            ("1e300", None),
            ("many", None),
        ] {
            assert_eq!(of(&[("x-load", text)]), expected, "{text}");
        }
        let both = [("x-load", "1"), ("endpoint-load-metrics", "TEXT cpu_utilization=0.3")];
        assert_eq!(of(&both), load(1000, None));
        let broken = [("x-load", "?"), ("endpoint-load-metrics", "TEXT cpu_utilization=0.3")];
        assert_eq!(of(&broken), load(300, Some(1000)));
    }

    #[test]
    fn a_json_body_holds_the_number_where_it_is_said_to() {
        let document = br#"{"workers": [{"busy": 3}, {"busy": "4.5"}], "a/b": 1, "text": "x", "less": -1}"#;
        let used = |used| Some(Load { used, capacity: None });
        for (pointer, load) in [
            ("/workers/0/busy", used(3000)),
            ("/workers/1/busy", used(4500)),
            ("/a~1b", used(1000)),
            ("/workers", None),
            ("/workers/2/busy", None),
            ("/text", None),
            ("/less", None),
            ("/nothing", None),
        ] {
            assert_eq!(of_json(document, pointer), load, "{pointer}");
        }
        assert_eq!(of_json(&document[..20], "/workers/0/busy"), None);
        assert_eq!(of_json(&b"[".repeat(60_000), "/0"), None);
    }

    proptest! {
        #[test]
        fn whole_numbers_are_read_back(used: u32, capacity in 1_u32..) {
            let expected = Load { used: u64::from(used) * 1000, capacity: Some(u64::from(capacity) * 1000) };
            prop_assert_eq!(parse_x_load(&format!("{used}/{capacity}")), Some(expected));
        }

        #[test]
        fn no_report_is_more_than_can_be_reckoned_with(text in "(TEXT |JSON )?[ -~]{0,60}") {
            let loads = [parse_orca(&text), parse_x_load(&text)];
            for load in loads.into_iter().flatten() {
                prop_assert!(load.used <= 1_000_000_000_000_000);
                prop_assert!(load.capacity.is_none_or(|capacity| capacity > 0 && capacity <= 1_000_000_000_000_000));
            }
        }
    }
}
