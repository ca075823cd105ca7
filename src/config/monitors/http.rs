//! A monitor of type http or https: its request, and the responses that count as success.

use std::time::Duration;

use regex::bytes::Regex;

use crate::duration::Written;
use crate::health::{BodyMatch, Degraded, HttpCheck, HttpVersion, Pattern, Share, StatusRange};

use super::super::code::Code;
use super::super::decode::{TomlTable, Value};
use super::super::fault::{Fault, Faults};
use super::super::source::Place;

/// The keys that only this module reads. It also reads `degraded`.
pub(super) const KEYS: [&str; 9] =
    ["version", "method", "path", "headers", "expect_status", "expect_body", "weight_header", "load_json", "reuse"];

/// Valid status codes (RFC 9110, section 15).
const STATUS: std::ops::RangeInclusive<u16> = 100..=599;

/// The methods of RFC 9110, section 9.3, and PATCH.
const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"];

/// Header fields that a probe sets itself.
const RESERVED: [&str; 4] = ["host", "connection", "content-length", "transfer-encoding"];

/// Default share of a degraded endpoint.
pub(super) const DEGRADED_SHARE: Share = Share::from_thousandths(500);

/// Takes the keys of the request and the response from a monitor's table. `None` if one is faulty, which was reported.
pub(super) fn read(table: &mut TomlTable<'_>, timeout: Duration, faults: &mut Faults) -> Option<HttpCheck> {
    let default = HttpCheck::default();
    let version = optional(table, "version", None, faults, |value, faults| {
        let versions = [("1.1", HttpVersion::Http1), ("2", HttpVersion::Http2)];
        value.word(&versions, faults).map(|version| Some(version.value))
    });
    let method = optional(table, "method", default.method, faults, read_method);
    let path = optional(table, "path", default.path, faults, read_path);
    let headers = table.take("headers").map_or_else(Vec::new, |value| read_headers(&value, faults));
    let expect_status = table.take("expect_status").map(|value| read_statuses(&value, faults));
    let body_place = table.rest().iter().find(|value| value.key == "expect_body").map(Value::anchor);
    let expect_body = optional(table, "expect_body", None, faults, |value, faults| read_match(value, faults).map(Some));
    let degraded =
        optional(table, "degraded", None, faults, |value, faults| read_degraded(value, timeout, faults).map(Some));
    let weight_header = optional(table, "weight_header", None, faults, |value, faults| {
        parsed(value, "the name of a header field", faults, |text| is_token(text).then(|| Some(text.into())))
    });
    let load_place = table.rest().iter().find(|value| value.key == "load_json").map(Value::anchor);
    let load_json = optional(table, "load_json", None, faults, |value, faults| {
        let expected = "a path such as \"workers.busy\" or \"/workers/busy\"";
        parsed(value, expected, faults, |text| pointer(text).map(Some))
    });
    let reuse = optional(table, "reuse", false, faults, |value, faults| value.boolean(faults).map(|reuse| reuse.value));
    let statuses = expect_status.as_deref().unwrap_or(&default.expect_status);
    if let (Some(method), Some(Some(_))) = (&method, &expect_body) {
        check_body(method, statuses, body_place.as_ref(), faults)?;
    }
    if let (Some(why), Some(place)) = (method.as_ref().and_then(|method| lack_of_body(method, statuses)), &load_place) {
        let message = format!("`load_json` has no effect: {why}");
        faults.push(Fault::warning(place, message, "no load is read").code(Code::NoEffect));
    }
    Some(HttpCheck {
        version: version?,
        method: method?,
        path: path?,
        headers,
        expect_status: expect_status.unwrap_or(default.expect_status),
        expect_body: expect_body?,
        degraded: degraded?,
        weight_header: weight_header?,
        load_json: load_json?,
        reuse: reuse?,
    })
}

/// Returns the same check without TLS. Nothing is negotiated there, so HTTP/1.1 is the same as the default.
pub(super) fn without_tls(check: HttpCheck) -> HttpCheck {
    HttpCheck { version: check.version.or(Some(HttpVersion::Http1)), ..check }
}

/// Reads a key's value, or returns its default. `None` if the value is faulty.
fn optional<T>(
    table: &mut TomlTable<'_>,
    key: &'static str,
    default: T,
    faults: &mut Faults,
    read: impl FnOnce(&Value<'_>, &mut Faults) -> Option<T>,
) -> Option<T> {
    match table.take(key) {
        None => Some(default),
        Some(value) => read(&value, faults),
    }
}

fn parsed<T>(
    value: &Value<'_>,
    expected: &str,
    faults: &mut Faults,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Option<T> {
    value.parsed(expected, faults, parse).map(|placed| placed.value)
}

/// Reads a method. "The method token is case-sensitive" (RFC 9110, section 9.1).
fn read_method(value: &Value<'_>, faults: &mut Faults) -> Option<Box<str>> {
    let expected = "a method such as GET";
    let upper = value.text().map(str::to_ascii_uppercase).filter(|upper| METHODS.contains(&upper.as_str()));
    match upper.filter(|upper| value.text() != Some(upper)) {
        Some(upper) => value.misread(expected, Some(format!("\"{upper}\"")), faults),
        None => parsed(value, expected, faults, |text| is_token(text).then(|| text.into())),
    }
}

/// Reads a request target in origin-form (RFC 9112, section 3.2.1).
fn read_path(value: &Value<'_>, faults: &mut Faults) -> Option<Box<str>> {
    let expected = "a path that begins with a slash, blanks as %20";
    let Some(text) = value.text().filter(|text| !text.is_empty()) else { return value.unexpected(expected, faults) };
    let escapes_are_whole = text
        .split('%')
        .skip(1)
        .all(|rest| rest.get(..2).is_some_and(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit())));
    if text.starts_with('/') && escapes_are_whole && text.bytes().all(is_target) {
        return Some(text.into());
    }
    // A request line has the method in front of the path, and the version behind it.
    let method = text.split_once(' ').filter(|(method, rest)| METHODS.contains(method) && rest.starts_with('/'));
    let text = method.map_or(text, |(_, rest)| rest.split(' ').next().unwrap_or_default());
    let (host, path) = match text.split_once("://") {
        Some((_, rest)) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
        // A name with a dot is the host.
        None => match text.split_once('/') {
            Some((host, path)) if host.contains('.') => (host, path),
            _ => ("", text),
        },
    };
    let path = path.split('#').next().unwrap_or_default().trim_start_matches('/');
    let encode = |octet: u8| {
        let is_part = is_target(octet) && (octet != b'%' || escapes_are_whole);
        if is_part { char::from(octet).to_string() } else { format!("%{octet:02X}") }
    };
    let path: String = path.bytes().map(encode).collect();
    let host = if host.is_empty() {
        String::new()
    } else {
        format!(" and host = \"{}\"", host.split(':').next().unwrap_or_default())
    };
    let method = method.map_or_else(String::new, |(method, _)| format!(" and method = \"{method}\""));
    let label = format!("did you mean \"/{path}\"{host}{method}?");
    faults.push(Fault::error(&value.place(), format!("`path` takes {expected}"), label).code(Code::BadValue));
    None
}

/// The characters of a path and a query (RFC 3986, sections 3.3 and 3.4), and brackets, which servers accept in
/// queries.
fn is_target(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?%[]".contains(&octet)
}

/// The reason if no response that is a success can have a body: RFC 9110, sections 9.3.2, 15.2, 15.3.5, 15.3.6 and 15.4.5.
fn lack_of_body(method: &str, statuses: &[StatusRange]) -> Option<&'static str> {
    let has_none = |status: u16| matches!(status, 100..=199 | 204 | 205 | 304);
    if method == "HEAD" {
        Some("a response to HEAD has no body")
    } else if !statuses.is_empty() && statuses.iter().all(|range| (range.first..=range.last).all(has_none)) {
        Some("responses with the expected status have no body")
    } else {
        None
    }
}

/// Reports `expect_body` if no response can have a body.
fn check_body(method: &str, statuses: &[StatusRange], place: Option<&Place>, faults: &mut Faults) -> Option<()> {
    let Some(why) = lack_of_body(method, statuses) else { return Some(()) };
    let fault = Fault::error(place?, format!("`expect_body` never holds: {why}"), "always fails");
    faults.push(fault.code(Code::Conflict));
    None
}

fn read_degraded(value: &Value<'_>, timeout: Duration, faults: &mut Faults) -> Option<Degraded> {
    let mut table = value.table("`degraded`", faults)?;
    let anchor = table.place();
    let expect_status = table.take("expect_status").map(|value| read_statuses(&value, faults));
    let above = table.take("above").map(|value| read_above(&value, timeout, faults));
    let share = table.take("share").map(|value| value.number(0.0..=1.0, faults));
    table.finish(faults);
    if expect_status.is_none() && above.is_none() {
        let message = "`degraded` needs `expect_status` or `above`";
        faults.push(Fault::error(&anchor, message, "when is an endpoint degraded?").code(Code::MissingKey));
        return None;
    }
    let share = share.map_or(Some(DEGRADED_SHARE), |share| Some(Share::from_part(share?.value)));
    Some(Degraded {
        expect_status: expect_status.unwrap_or_default(),
        above: above.map_or(Some(None), |above| above.map(Some))?,
        share: share?,
    })
}

/// Reads `above`. It must be below the timeout: a slower response never arrives.
fn read_above(value: &Value<'_>, timeout: Duration, faults: &mut Faults) -> Option<Duration> {
    let above = value.duration(Duration::from_millis(1)..=Duration::from_secs(3600), faults)?;
    if above.value >= timeout {
        let message = format!("`above` ({}) is not below the timeout ({})", Written(above.value), Written(timeout));
        faults.push(Fault::error(&above.place, message, "no response takes so long").code(Code::Monitor));
        return None;
    }
    Some(above.value)
}

/// Reads a JSON pointer (RFC 6901), or keys separated by dots, which become a pointer.
fn pointer(text: &str) -> Option<Box<str>> {
    if text.starts_with('/') {
        // RFC 6901, section 3: "~" is only part of "~0" and "~1".
        let escapes_are_whole = text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
        return escapes_are_whole.then(|| text.into());
    }
    let mut pointer = String::new();
    for key in text.split('.') {
        if key.is_empty() {
            return None;
        }
        pointer.push('/');
        pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
    }
    Some(pointer.into())
}

fn read_headers(value: &Value<'_>, faults: &mut Faults) -> Vec<(Box<str>, Box<str>)> {
    let mut headers = Vec::new();
    for field in value.table("headers", faults).into_iter().flat_map(TomlTable::into_values) {
        if !is_token(field.key) {
            let message = format!("`{}` is not the name of a header field", field.key.escape_debug());
            faults.push(Fault::error(&field.anchor(), message, "not a token of RFC 9110").code(Code::BadValue));
        } else if RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(field.key)) {
            let fault = Fault::error(&field.anchor(), format!("a probe sets `{}` by itself", field.key), "not here")
                .code(Code::Monitor);
            let is_host = field.key.eq_ignore_ascii_case("host");
            faults.push(if is_host { fault.help("use the monitor's own key `host`") } else { fault });
        } else if let Some(text) = field.parsed("text in ASCII, without control characters", faults, field_value) {
            headers.push((field.key.into(), text.value));
        }
    }
    headers
}

/// Reads the value of a header field: visible characters, with blanks and tabs between them (RFC 9110, section 5.5).
fn field_value(text: &str) -> Option<Box<str>> {
    let valid = text.bytes().all(|c| c.is_ascii_graphic() || c == b' ' || c == b'\t');
    (valid && text.trim() == text).then(|| text.into())
}

/// True for a token (RFC 9110, section 5.6.2).
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|c| c.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&c))
}

/// Reads a status code, a range, or a list of both: `204`, `"200-299"`.
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
    let expected = "a status code such as 204 or a range such as \"200-299\"";
    let text = value.text().unwrap_or_default();
    match meant_status(text).filter(|_| status_range(text).is_none()) {
        Some(meant) => value.misread(expected, Some(meant), faults),
        None => parsed(value, expected, faults, status_range),
    }
}

fn status_range(text: &str) -> Option<StatusRange> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let range = StatusRange { first: first.parse().ok()?, last: last.parse().ok()? };
    (STATUS.contains(&range.first) && STATUS.contains(&range.last) && range.first <= range.last).then_some(range)
}

/// The status codes that were probably meant: by a class such as `2xx`, a list in one text, or a range with blanks or from
/// its end to its beginning.
fn meant_status(text: &str) -> Option<String> {
    let plain = text.split_whitespace().collect::<String>().replace("...", "-").replace("..", "-");
    if let Some(class @ b'1'..=b'5') = plain.bytes().next()
        && plain.len() == 3
        && plain[1..].eq_ignore_ascii_case("xx")
    {
        let class = char::from(class);
        return Some(format!("\"{class}00-{class}99\""));
    }
    if plain.contains([',', '|']) {
        let codes: Option<Vec<_>> = plain.split([',', '|']).map(|part| status_range(part).map(|_| part)).collect();
        return codes.map(|codes| {
            format!("[{}]", codes.iter().map(|code| format!("\"{code}\"")).collect::<Vec<_>>().join(", "))
        });
    }
    let turned = || plain.split_once('-').map(|(last, first)| format!("{first}-{last}"));
    [Some(plain.clone()), turned()]
        .into_iter()
        .flatten()
        .find(|text| status_range(text).is_some())
        .map(|text| format!("\"{text}\""))
}

/// Reads `/a regular expression/`, or text that the body must contain.
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
                faults.push(Fault::error(&text.place, message, reason).code(Code::BadValue));
                None
            }
        },
        _ if text.value.is_empty() || pattern.is_some() => value.unexpected("text that an answer can lack", faults),
        _ => Some(BodyMatch::Substring(text.value.into())),
    }
}
