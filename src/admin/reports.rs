//! `/v1/reports`: other programs report the state of endpoints.

use std::num::NonZeroU8;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::refusal::{ApiError, json, problem, refuse};
use super::{AppState, body, rollouts};
use crate::control::PushRefusal;
use crate::health::{Load, Share};
use crate::health::{Push, Said};
use crate::report::{self, LoadShape, PushRefused, PushResult, PushShape};

/// Maximum length of a body in octets: enough for reports about ten thousand endpoints.
const MAX_REPORTS: usize = 1024 * 1024;

/// `POST /v1/reports`: reports about endpoints, or about the requests that they served.
pub(super) async fn take(State(app): State<Arc<AppState>>, request: Request) -> Result<Response, ApiError> {
    let text = body::read(request, MAX_REPORTS).await?;
    if report::is_of_requests(&text) { rollouts::report(&app, &text).await } else { push(&app, &text).await }
}

/// Takes a report or a list of reports. Each is accepted or refused by itself, but a list with a syntax error is
/// refused as a whole. Answers as soon as DNS answers follow the accepted reports.
async fn push(app: &AppState, text: &str) -> Result<Response, ApiError> {
    // The first character tells a list from a single report, so that an error message is about the right form.
    let reports: Result<Vec<PushShape>, String> = if text.trim_start().starts_with('[') {
        report::from_json(text)
    } else {
        report::from_json(text).map(|report| vec![report])
    };
    let reports = reports.map_err(|why| ApiError::bad(format!("the body: {why}")))?;
    let read = reports
        .into_iter()
        .enumerate()
        .map(|(place, shape)| read(shape).map_err(|why| ApiError::bad(format!("report {place}: {why}"))));
    let pushes: Vec<Push> = read.collect::<Result<_, _>>()?;
    let mut result = PushResult::default();
    let mut first_refusal = None;
    for (report, push) in pushes.into_iter().enumerate() {
        match app.control.push(push).await.ok_or_else(ApiError::stopping)? {
            Ok(count) => result.counted += count,
            Err(refusal) => {
                result.refused.push(PushRefused { report, error: refusal.to_string() });
                first_refusal.get_or_insert(refusal);
            }
        }
    }
    if result.counted > 0 {
        app.control.published().await.ok_or_else(ApiError::stopping)?;
    }
    let Some(refusal) = first_refusal.filter(|_| result.counted == 0) else {
        return Ok(json(StatusCode::OK, report::to_json(&result)));
    };
    let status = match refusal {
        PushRefusal::UnknownEndpoint(_) | PushRefusal::NotInPool(..) => StatusCode::NOT_FOUND,
        PushRefusal::Unwatched(_) | PushRefusal::Probed(_) | PushRefusal::Unweighed(_) => StatusCode::CONFLICT,
    };
    Ok(refuse(status, problem(status, refusal.to_string()).to_json_with(&result)))
}

fn read(shape: PushShape) -> Result<Push, String> {
    let said = read_said(&shape)?;
    let PushShape { endpoint, pool, load, .. } = shape;
    let load = load.map(|load| read_load(&load)).transpose()?;
    if said.is_none() && load.is_none() {
        return Err("a report needs `ok`, or `load`, or both".to_owned());
    }
    let endpoint = endpoint.parse().map_err(|_| format!("`{endpoint}` is not an address"))?;
    Ok(Push { endpoint, pool: pool.map(Into::into), said, load })
}

/// Converts a load to thousandths of the operator's unit, as for loads that probes find. Fails with the reason why it
/// is not valid.
fn read_load(LoadShape { used, capacity }: &LoadShape) -> Result<Load, String> {
    let used = Load::thousandths_of(*used).ok_or("`used` must be a number that is not negative")?;
    let capacity = capacity.map(|capacity| {
        let thousandths = Load::thousandths_of(capacity).filter(|&capacity| capacity > 0);
        thousandths.ok_or("`capacity` must be a number above 0")
    });
    Ok(Load { used, capacity: capacity.transpose()? })
}

fn read_said(PushShape { ok, failures, weight, reason, .. }: &PushShape) -> Result<Option<Said>, String> {
    let Some(ok) = *ok else {
        return match (failures, weight, reason) {
            (None, None, None) => Ok(None),
            _ => Err("`failures`, `weight` and `reason` are not allowed without `ok`".to_owned()),
        };
    };
    let said = if ok {
        if failures.is_some() || reason.is_some() {
            return Err("`failures` and `reason` are allowed only if `ok` is false".to_owned());
        }
        let percent = weight.unwrap_or(100.0);
        if !(0.0..=100.0).contains(&percent) {
            return Err("`weight` must be a share from 0 to 100 per cent".to_owned());
        }
        Said::Good(Share::from_part(percent / 100.0))
    } else {
        if weight.is_some() {
            return Err("`weight` is allowed only if `ok` is true".to_owned());
        }
        let failures = NonZeroU8::new(failures.unwrap_or(1)).ok_or("`failures` must be from 1 to 255")?;
        Said::Bad { failures, reason: reason.as_deref().map(Into::into) }
    };
    Ok(Some(said))
}
