//! The verdict on a response: success or failure, the share of clients, and the load.

use std::time::Duration;

use hyper::HeaderMap;
use tracing::debug;

use super::super::Budget;
use super::super::body::{Body, Source};
use super::super::load::{self, thousandths};
use super::connection::Answer;
use crate::health::{Degraded, Failure, HttpCheck, Load, Share, Stage, StatusRange};

/// The result of a successful request.
pub(super) struct Judgement {
    pub(super) share: Share,
    pub(super) load: Option<Load>,
    pub(super) first_byte: Duration,
}

/// Judges a response by its status, its body, its fields and the time that it took.
pub(super) async fn judge(
    answer: Answer,
    body: &mut Body<'_, impl Source>,
    check: &HttpCheck,
    budget: Budget,
) -> Result<Judgement, Failure> {
    let Answer { status, fields, asked, first_byte } = answer;
    let includes = |ranges: &[StatusRange]| ranges.iter().any(|range| range.contains(status));
    let says_degraded = check.degraded.as_ref().is_some_and(|degraded| includes(&degraded.expect_status));
    if !says_degraded {
        if !includes(&check.expect_status) {
            return Err(Failure::Status(status));
        }
        if let Some(wanted) = &check.expect_body
            && !budget.within(Stage::Body, body.holds(wanted)).await??
        {
            return Err(Failure::Body);
        }
    }
    let of_body = match &check.load_json {
        Some(pointer) => load_of(body, pointer, budget).await,
        None => None,
    };
    let is_slow = |degraded: &Degraded| degraded.above.is_some_and(|above| asked.elapsed() > above);
    let degraded = check.degraded.as_ref().filter(|degraded| says_degraded || is_slow(degraded));
    let own = check.weight_header.as_ref().and_then(|field| read_share(&fields, field));
    // Both shares are upper limits, so the smaller one counts.
    let share = degraded.map_or(Share::FULL, |degraded| degraded.share).min(own.unwrap_or(Share::FULL));
    let load = of_body.or_else(|| load::of_headers(&fields));
    Ok(Judgement { share, load, first_byte })
}

/// The load in a body; `None` if the body cannot be read or does not end in time. The verdict does not depend on it.
async fn load_of(body: &mut Body<'_, impl Source>, pointer: &str, budget: Budget) -> Option<Load> {
    match budget.within(Stage::Body, body.whole()).await {
        Ok(Ok(whole)) => load::of_json(whole, pointer),
        Ok(Err(failure)) | Err(failure) => {
            debug!(pointer, %failure, "the body that tells the load cannot be read");
            None
        }
    }
}

/// The share that the endpoint asks for in this field, in per cent. An invalid value changes nothing.
fn read_share(headers: &HeaderMap, field: &str) -> Option<Share> {
    let value = headers.get(field)?;
    let share = value.to_str().ok().and_then(parse_share);
    if share.is_none() {
        debug!(field, ?value, "this is no share from 0 to 100");
    }
    share
}

/// `75`, `12.5` or `75%`.
fn parse_share(text: &str) -> Option<Share> {
    let percent = text.trim().strip_suffix('%').unwrap_or(text).trim();
    let of_a_thousand = thousandths(percent)?.div_ceil(100);
    // A value above 0 is never rounded to 0: an endpoint that asks for little is not drained.
    let mantissa = percent.split(['e', 'E']).next().unwrap_or_default();
    let least = u64::from(mantissa.contains(|digit| matches!(digit, '1'..='9')));
    u16::try_from(of_a_thousand.max(least))
        .ok()
        .filter(|&share| share <= Share::FULL.thousandths())
        .map(Share::from_thousandths)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_share_is_a_number_of_per_cent() {
        for (text, share) in [
            ("0", Some(0)),
            ("100", Some(1000)),
            (" 75 ", Some(750)),
            ("75 %", Some(750)),
            ("12.5%", Some(125)),
            ("0.0", Some(0)),
            ("0.04", Some(1)),
            ("0.00001 %", Some(1)),
            ("100.1", None),
            ("-1", None),
            ("", None),
            ("half", None),
            ("NaN", None),
            ("inf", None),
        ] {
            assert_eq!(parse_share(text).map(Share::thousandths), share, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn every_whole_share_is_read_back(percent in 0_u16..=100) {
            prop_assert_eq!(parse_share(&percent.to_string()), Some(Share::from_thousandths(percent * 10)));
        }

        #[test]
        fn no_text_is_more_than_all(text in "[ -~]{0,12}") {
            prop_assert!(parse_share(&text).is_none_or(|share| share <= Share::FULL));
        }
    }
}
