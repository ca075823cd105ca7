//! What a monitor of type http or https asks, and what it takes for success.

use regex::bytes::Regex;

use crate::health::{BodyMatch, HttpCheck, Pattern, StatusRange};

use super::decode::{Placed, Table, Value};
use super::fault::{Fault, Faults};

/// Success unless the monitor says otherwise: the endpoint did what was asked, or sends elsewhere.
const DEFAULT_STATUS: StatusRange = StatusRange { first: 200, last: 399 };

/// Status codes that a response may have (RFC 9110, section 15).
const STATUS: std::ops::RangeInclusive<u16> = 100..=599;

/// Header fields that a probe sets by itself.
const RESERVED: [&str; 4] = ["host", "connection", "content-length", "transfer-encoding"];

/// Takes the keys of a request and its response out of a monitor's table; `None` if any is faulty, which has been told.
pub(super) fn read(table: &mut Table<'_>, faults: &mut Faults) -> Option<HttpCheck> {
    let method = optional(table, "method", "GET".into(), faults, |value, faults| {
        value.parsed("a method such as GET", faults, |text| is_token(text).then(|| text.into()))
    });
    let path = optional(table, "path", "/".into(), faults, |value, faults| {
        value.parsed("a path that begins with a slash, blanks as %20", faults, |text| {
            (text.starts_with('/') && text.bytes().all(|c| c.is_ascii_graphic() && c != b'#')).then(|| text.into())
        })
    });
    let headers = table.take("headers").map_or_else(Vec::new, |value| read_headers(&value, faults));
    let expect_status = match table.take("expect_status") {
        None => vec![DEFAULT_STATUS],
        Some(value) => read_statuses(&value, faults),
    };
    let expect_body = match table.take("expect_body") {
        None => Some(None),
        Some(value) => read_match(&value, faults).map(Some),
    };
    Some(HttpCheck { method: method?, path: path?, headers, expect_status, expect_body: expect_body? })
}

/// A key's value or its default; `None` if it is faulty.
fn optional(
    table: &mut Table<'_>,
    key: &'static str,
    default: Box<str>,
    faults: &mut Faults,
    read: impl FnOnce(&Value<'_>, &mut Faults) -> Option<Placed<Box<str>>>,
) -> Option<Box<str>> {
    match table.take(key) {
        None => Some(default),
        Some(value) => read(&value, faults).map(|placed| placed.value),
    }
}

fn read_headers(value: &Value<'_>, faults: &mut Faults) -> Vec<(Box<str>, Box<str>)> {
    let mut headers = Vec::new();
    for field in value.table("headers", faults).into_iter().flat_map(Table::into_values) {
        if !is_token(field.key) {
            let message = format!("`{}` is not the name of a header field", field.key.escape_debug());
            faults.push(Fault::error(&field.anchor(), message, "not a token of RFC 9110"));
        } else if RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(field.key)) {
            let fault = Fault::error(&field.anchor(), format!("a probe sets `{}` by itself", field.key), "not here");
            let is_host = field.key.eq_ignore_ascii_case("host");
            faults.push(if is_host { fault.help("use the monitor's own key `host`") } else { fault });
        } else if let Some(text) = field.parsed("text in ASCII, without control characters", faults, field_value) {
            headers.push((field.key.into(), text.value));
        }
    }
    headers
}

/// RFC 9110, section 5.5: visible characters, blanks and tabs between them.
fn field_value(text: &str) -> Option<Box<str>> {
    let valid = text.bytes().all(|c| c.is_ascii_graphic() || c == b' ' || c == b'\t');
    (valid && text.trim() == text).then(|| text.into())
}

/// RFC 9110, section 5.6.2.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|c| c.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&c))
}

/// One status or a list of them: `204`, `"200-299"`.
fn read_statuses(value: &Value<'_>, faults: &mut Faults) -> Vec<StatusRange> {
    if !value.is_list() {
        return read_status(value, faults).into_iter().collect();
    }
    let items = value.items("`expect_status` needs a status code", faults);
    items.iter().filter_map(|item| read_status(item, faults)).collect()
}

fn read_status(value: &Value<'_>, faults: &mut Faults) -> Option<StatusRange> {
    if !value.is_string() {
        let code = value.integer(STATUS, faults)?.value;
        return Some(StatusRange { first: code, last: code });
    }
    let range = value.parsed("a status code such as 204 or a range such as \"200-299\"", faults, |text| {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let range = StatusRange { first: first.parse().ok()?, last: last.parse().ok()? };
        (STATUS.contains(&range.first) && STATUS.contains(&range.last) && range.first <= range.last).then_some(range)
    });
    range.map(|range| range.value)
}

/// `/a regular expression/`, or text that stands in the body as it is.
pub(super) fn read_match(value: &Value<'_>, faults: &mut Faults) -> Option<BodyMatch> {
    let text = value.string(faults)?;
    let pattern = text.value.strip_prefix('/').and_then(|rest| rest.strip_suffix('/'));
    match pattern {
        Some(pattern) if !pattern.is_empty() => match Regex::new(pattern) {
            Ok(regex) => Some(BodyMatch::Pattern(Pattern(regex))),
            Err(error) => {
                let reason = error.to_string();
                let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ");
                let message = format!("`{}` is not a regular expression", value.key);
                faults.push(Fault::error(&text.place, message, reason));
                None
            }
        },
        _ if text.value.is_empty() || pattern.is_some() => value.unexpected("text that an answer can lack", faults),
        _ => Some(BodyMatch::Substring(text.value.into())),
    }
}
