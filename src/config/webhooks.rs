//! `[[webhooks]]`: the URLs that events are posted to.

mod template;

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use url::Url;

use super::code::Code;
use super::decode::{Placed, TomlTable, Value};
use super::fault::{Fault, Faults};
use super::kept;
use super::secrets::is_secret;
use super::source::Place;
use super::suggest::{did_you_mean, list_of};
use crate::disk::Disk;

pub use template::{FIELDS, Template};

/// The kinds of events, by the words of notices.
pub const EVENTS: [(&str, &str); 19] = [
    ("endpoint", "endpoint"),
    ("pool", "pool"),
    ("datacenter", "datacenter"),
    ("hold", "hold"),
    ("override", "override"),
    ("rollout", "rollout"),
    ("doubt", "doubt"),
    ("certificate", "certificate"),
    ("own_certificate", "own_certificate"),
    ("store", "store"),
    ("remap", "remap"),
    ("fleet", "fleet"),
    ("reload", "reload"),
    ("lease", "lease"),
    ("register", "register"),
    ("key", "key"),
    ("txt", "txt"),
    ("start", "start"),
    ("stop", "stop"),
];

/// Maximum number of webhooks. That is enough for any on-call rota.
const MAX_WEBHOOKS: usize = 16;

const TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(60);
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

const GATHER: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(300);
const DEFAULT_GATHER: Duration = Duration::from_secs(5);

const RETRIES: RangeInclusive<u32> = 0..=20;
const DEFAULT_RETRIES: u32 = 5;

/// The header that names the media type of a body.
const CONTENT_TYPE: &str = "content-type";

/// The media type of bodies, unless a header sets another.
const JSON: &str = "application/json";

/// Headers that belong to the connection and cannot be set.
const RESERVED: [&str; 4] = ["host", "content-length", "transfer-encoding", "connection"];

/// A webhook: where notices are posted, and in which form. Its [`Debug`] prints only its [`label`](Webhook::label),
/// because paths, headers and bodies hold secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct Webhook {
    url: Url,
    /// The kinds of events that are posted.
    pub events: Vec<&'static str>,
    /// The names and values of headers, including `Content-Type`.
    pub headers: Vec<(String, String)>,
    /// The body to post; `None` posts the notice as JSON.
    pub body: Option<Template>,
    /// Longest time of one attempt.
    pub timeout: Duration,
    /// How often a failed attempt is repeated.
    pub retries: u32,
    /// How long a fall waits for the others that belong to it.
    pub gather: Duration,
}

impl Webhook {
    /// The whole URL. Not for logs: at some services the path is a secret.
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// The URL without its secret parts: `https://hooks.example.com`.
    pub fn label(&self) -> String {
        self.url.origin().ascii_serialization()
    }
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Webhook({})", self.label())
    }
}

/// Reads `[[webhooks]]`.
pub(super) fn read(value: Option<&Value<'_>>, disk: &Disk, faults: &mut Faults) -> Vec<Webhook> {
    let Some(value) = value else { return Vec::new() };
    let webhooks = value.each(faults, |value, faults| read_webhook(value, disk, faults));
    if webhooks.len() > MAX_WEBHOOKS {
        faults.push(
            Fault::error(&value.anchor(), format!("there are more than {MAX_WEBHOOKS} webhooks"), "").code(Code::Limit),
        );
    }
    webhooks
}

fn read_webhook(value: &Value<'_>, disk: &Disk, faults: &mut Faults) -> Option<Webhook> {
    let mut table = value.table("a webhook", faults)?;
    let url = table.require("url", faults).and_then(|value| read_url(&value, faults));
    let events = table.take("events").map(|value| {
        let words = value.items("`events` needs an event; without the key all events are posted", faults);
        words.iter().filter_map(|word| Some(word.word(&EVENTS, faults)?.value)).collect()
    });
    let headers = read_headers(&mut table, disk, faults);
    let body = table.take("body").and_then(|value| value.string(faults));
    let timeout = table.take("timeout").and_then(|value| value.duration(TIMEOUT, faults));
    let retries = table.take("retries").and_then(|value| value.integer(RETRIES, faults));
    let gather = table.take("gather").and_then(|value| value.duration(GATHER, faults));
    table.finish(faults);
    let body = match body {
        Some(body) => Some(read_body(&body, is_json(&headers), faults)?),
        None => None,
    };
    Some(Webhook {
        url: url?,
        events: events.unwrap_or_else(|| EVENTS.map(|(_, event)| event).to_vec()),
        headers,
        body,
        timeout: timeout.map_or(DEFAULT_TIMEOUT, |timeout| timeout.value),
        retries: retries.map_or(DEFAULT_RETRIES, |retries| retries.value),
        gather: gather.map_or(DEFAULT_GATHER, |gather| gather.value),
    })
}

fn read_url(value: &Value<'_>, faults: &mut Faults) -> Option<Url> {
    let expected = "a URL that begins with http:// or https://";
    let parse = |text: &str| Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let url = value.parsed(expected, faults, parse)?;
    if !url.value.username().is_empty() || url.value.password().is_some() {
        let fault =
            Fault::error(&url.place, "a webhook's URL must not hold a user name or password", "").code(Code::Webhook);
        faults.push(fault.help("headers = { Authorization = \"Basic ...\" } does the same"));
        return None;
    }
    Some(url.value)
}

/// Reads the names and values of headers. Adds `Content-Type` if it is missing.
fn read_headers(table: &mut TomlTable<'_>, disk: &Disk, faults: &mut Faults) -> Vec<(String, String)> {
    let mut headers: Vec<(String, String)> = Vec::new();
    let values = table.take("headers").and_then(|value| value.table("`headers`", faults)).map(TomlTable::into_values);
    for value in values.unwrap_or_default() {
        let name = value.name();
        let lower = name.value.to_ascii_lowercase();
        // RFC 9110, section 5.6.2: tchar.
        let is_token = |octet: u8| octet.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&octet);
        if lower.is_empty() || !lower.bytes().all(is_token) || RESERVED.contains(&lower.as_str()) {
            faults.push(
                Fault::error(&name.place, format!("`{}` cannot be set as a header", name.value), "")
                    .code(Code::Webhook),
            );
            continue;
        }
        if headers.iter().any(|(other, _)| *other == lower) {
            faults.push(
                Fault::error(&name.place, format!("`headers` names {} twice", name.value), "again")
                    .code(Code::Duplicate),
            );
            continue;
        }
        // RFC 9110, section 5.5. The value may be a secret, so the fault points at the name.
        let is_visible = |octet: u8| octet.is_ascii_graphic() || octet == b' ';
        let mut unseen = Faults::default();
        let text = value.string(&mut unseen).map(|text| text.value);
        if let Some(text) = text.filter(|text| !text.is_empty() && text.bytes().all(is_visible)) {
            if is_secret(&lower) {
                kept::check(&name.place.source.path, "the credentials of a webhook", &name.place, disk, faults);
            }
            headers.push((lower, text));
        } else {
            let message = format!("the header {} takes visible characters of ASCII", name.value);
            faults.push(Fault::error(&name.place, message, "").code(Code::Webhook));
        }
    }
    if !headers.iter().any(|(name, _)| name == CONTENT_TYPE) {
        headers.push((CONTENT_TYPE.to_owned(), JSON.to_owned()));
    }
    headers
}

/// True if the headers say that bodies are JSON (RFC 8259), or a type based on it (RFC 6839, section 3.1).
fn is_json(headers: &[(String, String)]) -> bool {
    let of = headers.iter().find(|(name, _)| name == CONTENT_TYPE).map_or(JSON, |(_, value)| value);
    let kind = of.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == JSON || kind.ends_with("+json")
}

fn read_body(body: &Placed<String>, is_json: bool, faults: &mut Faults) -> Option<Template> {
    let template = match Template::parse(&body.value, is_json) {
        Ok(template) => template,
        Err(unknown) => {
            let place = find(&body.place, &unknown);
            let name = unknown.trim_matches(['{', '}']).trim();
            let message = format!("`body` has no placeholder `{name}`");
            let fault = match did_you_mean(name, FIELDS.into_iter()) {
                Some(meant) => {
                    Fault::error(&place, message, format!("did you mean `{{{{{meant}}}}}`?")).code(Code::Webhook)
                }
                None => Fault::error(&place, message, "unknown")
                    .code(Code::Webhook)
                    .help(format!("there are {}", list_of(&FIELDS))),
            };
            faults.push(fault);
            return None;
        }
    };
    if let Some(why) = template.fault().filter(|_| is_json) {
        let fault =
            Fault::error(&body.place, format!("`body` does not produce valid JSON: {why}"), "").code(Code::Webhook);
        faults.push(fault.help(
            "put placeholders inside quotes, but {{notice}}, {{id}} and {{time}} outside; or set another Content-Type",
        ));
        return None;
    }
    Some(template)
}

/// The place of a text inside another place, if it occurs there literally.
fn find(place: &Place, text: &str) -> Place {
    let within = place.source.text().get(place.span.clone()).and_then(|whole| whole.find(text));
    within.map_or_else(
        || place.clone(),
        |at| {
            let start = place.span.start + at;
            Place { source: place.source.clone(), span: start..start + text.len() }
        },
    )
}
