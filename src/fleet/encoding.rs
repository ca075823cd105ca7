//! Messages as JSON.
//!
//! ```json
//! {"v":1,"run":1764266400000,"seq":7,"wall":1764266412345,
//!  "report":{"site":"fra","interval":2000,"count":2,"digest":"9a0f…",
//!            "rows":[["8c…",1000,61000,420,3100],["d1…",null,150,150,null]]}}
//! ```
//!
//! A row is the question's id, the opinion (thousandths of the clients, `null` for down), two ages in milliseconds (of the
//! opinion, of the last probe) and how long the last successful probe took in microseconds. A row with the id alone is
//! no longer watched. `run` and `wall` are milliseconds since the Unix epoch. `identity` of a report is the digest of what
//! the sender runs, which it tells in a message of its own; `parts` are the digests of what it shares with others:
//!
//! ```json
//! {"v":1,"run":1764266400000,"seq":1,"wall":1764266400120,
//!  "identity":{"version":"0.1.0","configuration":"51…","zones":[["example.com.",2026112701,"ab…"]]}}
//! ```
//!
//! `rtts` of a report is the digest of the sender's round trips, which are in a message of their own too (see `latencies`).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::MAX_PAYLOAD;
use super::latencies::{RttsShape, SampleShape, read_samples, sample_shape};
use super::reported::{ReportedShape, read_reported};
use crate::health::{Identity, MAX_KEYS, MAX_ORIGIN, MAX_ZONES, Share, ZoneIdentity, ZonesSight};
use crate::ledger::Entry;
use crate::store::EntryRecord;
use crate::vantage::{Body, Digest, MAX_ROWS, Message, NodeName, Part, Parts, QuestionId, Report, Sight};

/// The version of messages. A change that older nodes would misread increases it.
const VERSION: u32 = 1;

/// Most names that one question for rows may hold.
const MAX_NAMES: usize = 1024;

/// Longest text of a site, in octets.
pub(super) const MAX_SITE: usize = 255;

/// Longest version of a program, in octets.
const MAX_VERSION: usize = 64;

/// Longest reason why a node refuses a version of the zones, in octets.
const MAX_REASON: usize = 1024;

/// Why a message cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// It is no message of a fleet, or breaks its rules.
    Malformed,
    /// It has another version.
    Foreign,
}

#[derive(Serialize, Deserialize)]
struct MessageShape {
    v: u32,
    run: u64,
    seq: u64,
    wall: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<ReportShape>,
    #[serde(skip_serializing_if = "Option::is_none")]
    identity: Option<IdentityShape>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rtts: Option<RttsShape>,
    #[serde(skip_serializing_if = "Option::is_none")]
    samples: Option<Vec<SampleShape>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reported: Option<Vec<ReportedShape>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ask: Option<Vec<String>>,
}

#[derive(Serialize, Deserialize)]
struct EntryShape {
    v: u32,
    #[serde(flatten)]
    entry: EntryRecord,
}

#[derive(Deserialize)]
struct VersionShape {
    v: u32,
}

#[derive(Serialize, Deserialize)]
struct ReportShape {
    site: String,
    interval: u64,
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    doubts: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    leaves: bool,
    count: u32,
    digest: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    identity: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rtts: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parts: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    part: Option<(u32, u32)>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    rows: Vec<RowShape>,
}

#[derive(Serialize, Deserialize)]
struct IdentityShape {
    version: String,
    configuration: String,
    /// Names, serials and fingerprints.
    zones: Vec<(String, u32, String)>,
    /// The positions of signed zones in that list, and the tags of their keys.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    keys: Vec<(usize, Vec<u16>)>,
    #[serde(skip_serializing_if = "is_zero", default)]
    more: u32,
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    observes: bool,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    sight: Option<SightShape>,
}

/// The version of the zones that a node serves: its number and its short digest; and one that it refuses, with the reason.
#[derive(Serialize, Deserialize)]
struct SightShape {
    #[serde(skip_serializing_if = "Option::is_none", default)]
    serves: Option<(u32, String)>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    refuses: Option<(u32, String)>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// The id; the opinion; the ages of the opinion and of the last probe; how long it took.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum RowShape {
    Sight(String, Option<u16>, u64, u64, Option<u64>),
    Gone((String,)),
}

/// Writes a message.
pub(super) fn encode(message: &Message) -> Vec<u8> {
    let Message { incarnation, sequence, wall, body } = message;
    let (run, seq, wall) = (*incarnation, *sequence, milliseconds(*wall));
    let mut shape = MessageShape {
        v: VERSION,
        run,
        seq,
        wall,
        report: None,
        identity: None,
        rtts: None,
        samples: None,
        reported: None,
        ask: None,
    };
    match body {
        Body::Report(of) => shape.report = Some(report_shape(of)),
        Body::Identity(of) => shape.identity = Some(identity_shape(of)),
        Body::Rtts(of) => shape.rtts = Some(RttsShape::new(of)),
        Body::Samples(samples) => shape.samples = Some(samples.iter().map(sample_shape).collect()),
        Body::Reported(reported) => shape.reported = Some(reported.iter().map(ReportedShape::new).collect()),
        Body::Ask(asked) => shape.ask = Some(asked.iter().map(ToString::to_string).collect()),
    }
    serde_json::to_vec(&shape).expect("a message has a form in JSON")
}

/// Reads a message.
pub(super) fn decode(payload: &[u8]) -> Result<Message, Unreadable> {
    if payload.len() > MAX_PAYLOAD {
        return Err(Unreadable::Malformed);
    }
    let shape = serde_json::from_slice::<MessageShape>(payload).ok().filter(|shape| shape.v == VERSION);
    let Some(MessageShape { v: _, run, seq, wall, report, identity, rtts, samples, reported, ask }) = shape else {
        let is_foreign = serde_json::from_slice::<VersionShape>(payload).is_ok_and(|shape| shape.v != VERSION);
        return Err(if is_foreign { Unreadable::Foreign } else { Unreadable::Malformed });
    };
    let body = match (report, identity, rtts, samples, reported, ask) {
        (Some(report), None, None, None, None, None) => read_report(report).map(Body::Report),
        (None, Some(identity), None, None, None, None) => read_identity(identity).map(Body::Identity),
        (None, None, Some(rtts), None, None, None) => rtts.read().map(Body::Rtts),
        (None, None, None, Some(samples), None, None) => read_samples(samples).map(Body::Samples),
        (None, None, None, None, Some(reported), None) => read_reported(reported).map(Body::Reported),
        (None, None, None, None, None, Some(asked)) if asked.len() <= MAX_NAMES => {
            asked.iter().map(|name| NodeName::try_new(name)).collect::<Option<_>>().map(Body::Ask)
        }
        _ => None,
    };
    let body = body.ok_or(Unreadable::Malformed)?;
    Ok(Message { incarnation: run, sequence: seq, wall: Duration::from_millis(wall), body })
}

/// Writes an entry of a stream.
pub(super) fn encode_entry(entry: &Entry) -> Vec<u8> {
    serde_json::to_vec(&EntryShape { v: VERSION, entry: EntryRecord::new(entry) }).expect("an entry has a form in JSON")
}

/// Reads an entry of a stream.
pub(super) fn decode_entry(payload: &[u8]) -> Result<Entry, Unreadable> {
    if payload.len() > MAX_PAYLOAD {
        return Err(Unreadable::Malformed);
    }
    let shape = serde_json::from_slice::<EntryShape>(payload).ok().filter(|shape| shape.v == VERSION);
    let Some(EntryShape { v: _, entry }) = shape else {
        let is_foreign = serde_json::from_slice::<VersionShape>(payload).is_ok_and(|shape| shape.v != VERSION);
        return Err(if is_foreign { Unreadable::Foreign } else { Unreadable::Malformed });
    };
    entry.into_entry().ok_or(Unreadable::Malformed)
}

fn report_shape(report: &Report) -> ReportShape {
    let Report { site, interval, doubts, leaves, digest, identity, rtts, parts, part, rows } = report;
    let row = |&(QuestionId(id), sight): &(QuestionId, Option<Sight>)| {
        let id = format!("{id:032x}");
        match sight {
            None => RowShape::Gone((id,)),
            Some(Sight { opinion, turned, seen, took }) => RowShape::Sight(
                id,
                opinion.map(Share::thousandths),
                milliseconds(turned),
                milliseconds(seen),
                took.map(|took| u64::try_from(took.as_micros()).unwrap_or(u64::MAX)),
            ),
        }
    };
    ReportShape {
        site: site.to_string(),
        interval: milliseconds(*interval),
        doubts: *doubts,
        leaves: *leaves,
        count: digest.count,
        digest: hexadecimal(digest.sum),
        identity: identity.map(hexadecimal),
        rtts: rtts.map(hexadecimal),
        parts: parts.map(|parts| parts.map(|part| format!("{part:08x}")).concat()),
        part: part.map(|part| (part.number, part.of)),
        rows: rows.iter().map(row).collect(),
    }
}

fn identity_shape(identity: &Identity) -> IdentityShape {
    let Identity { version, configuration, zones, more_zones, observes, sight } = identity;
    let zone =
        |ZoneIdentity { origin, serial, text, .. }: &ZoneIdentity| (origin.to_string(), *serial, hexadecimal(*text));
    let signed = zones.iter().enumerate().filter(|(_, zone)| !zone.keys.is_empty());
    IdentityShape {
        version: version.to_string(),
        configuration: hexadecimal(*configuration),
        zones: zones.iter().map(zone).collect(),
        keys: signed.map(|(place, zone)| (place, zone.keys.clone())).collect(),
        more: *more_zones,
        observes: *observes,
        sight: sight.as_ref().map(|ZonesSight { serves, refuses }| SightShape {
            serves: serves.map(|(number, id)| (number, hexadecimal(id))),
            refuses: refuses.as_ref().map(|(number, why)| (*number, why.to_string())),
        }),
    }
}

fn read_identity(shape: IdentityShape) -> Option<Identity> {
    let IdentityShape { version, configuration, zones, keys, more, observes, sight } = shape;
    let is_text =
        |text: &str, longest| text.len() <= longest && text.bytes().all(|octet| (b' '..=b'~').contains(&octet));
    let is_sorted = zones.is_sorted_by(|one, next| one.0 < next.0);
    if !is_text(&version, MAX_VERSION) || zones.len() > MAX_ZONES || !is_sorted {
        return None;
    }
    let zone = |(origin, serial, text): (String, u32, String)| {
        let text = read_hexadecimal(&text)?;
        is_text(&origin, MAX_ORIGIN).then(|| ZoneIdentity { origin: origin.into(), serial, text, keys: Vec::new() })
    };
    let mut zones: Vec<ZoneIdentity> = zones.into_iter().map(zone).collect::<Option<_>>()?;
    for (place, keys) in keys {
        if keys.len() > MAX_KEYS || !keys.is_sorted() {
            return None;
        }
        zones.get_mut(place)?.keys = keys;
    }
    Some(Identity {
        version: version.into(),
        configuration: read_hexadecimal(&configuration)?,
        zones,
        more_zones: more,
        observes,
        sight: match sight {
            Some(sight) => Some(read_sight(sight)?),
            None => None,
        },
    })
}

fn read_sight(SightShape { serves, refuses }: SightShape) -> Option<ZonesSight> {
    let serves = match serves {
        Some((number, id)) => Some((number, read_hexadecimal(&id)?)),
        None => None,
    };
    let is_right = refuses.as_ref().is_none_or(|(_, why)| why.len() <= MAX_REASON && !why.contains(char::is_control));
    is_right.then(|| ZonesSight { serves, refuses: refuses.map(|(number, why)| (number, why.into())) })
}

fn hexadecimal(number: u64) -> String {
    format!("{number:016x}")
}

fn read_hexadecimal(text: &str) -> Option<u64> {
    let is_number = text.len() == 16 && text.bytes().all(|octet| octet.is_ascii_hexdigit());
    u64::from_str_radix(text, 16).ok().filter(|_| is_number)
}

/// Reads numbers of 32 bits, one after the other.
fn read_parts(text: &str) -> Option<Parts> {
    let mut parts = Parts::default();
    if text.len() != 2 * size_of_val(&parts) || !text.bytes().all(|octet| octet.is_ascii_hexdigit()) {
        return None;
    }
    for (number, part) in parts.iter_mut().enumerate() {
        *part = u32::from_str_radix(&text[number * 8..(number + 1) * 8], 16).ok()?;
    }
    Some(parts)
}

fn read_report(shape: ReportShape) -> Option<Report> {
    let ReportShape { site, interval, doubts, leaves, count, digest, identity, rtts, parts, part, rows } = shape;
    let part = match part {
        Some((number, of)) if number < of => Some(Part { number, of }),
        Some(_) => return None,
        None => None,
    };
    if rows.len() > MAX_ROWS || site.len() > MAX_SITE || !site.chars().all(is_plain) {
        return None;
    }
    let row = |row| match row {
        RowShape::Gone((id,)) => Some((read_id(&id)?, None)),
        RowShape::Sight(id, share, turned, seen, took) => {
            let is_share = share.is_none_or(|share| share <= Share::FULL.thousandths());
            let sight = Sight {
                opinion: share.map(Share::from_thousandths),
                turned: Duration::from_millis(turned),
                seen: Duration::from_millis(seen),
                took: took.map(Duration::from_micros),
            };
            is_share.then_some((read_id(&id)?, Some(sight)))
        }
    };
    Some(Report {
        site: site.into(),
        interval: Duration::from_millis(interval),
        doubts,
        leaves,
        digest: Digest { count, sum: read_hexadecimal(&digest)? },
        identity: identity.map_or(Some(None), |text| read_hexadecimal(&text).map(Some))?,
        rtts: rtts.map_or(Some(None), |text| read_hexadecimal(&text).map(Some))?,
        parts: parts.map_or(Some(None), |text| read_parts(&text).map(Some))?,
        part,
        rows: rows.into_iter().map(row).collect::<Option<_>>()?,
    })
}

/// True for the characters of names of datacenters and of coordinates. They do nothing to a terminal.
pub(super) fn is_plain(character: char) -> bool {
    character.is_alphanumeric() || "-_.,+ ".contains(character)
}

fn read_id(text: &str) -> Option<QuestionId> {
    let is_id = text.len() == 32 && text.bytes().all(|octet| octet.is_ascii_hexdigit());
    u128::from_str_radix(text, 16).ok().filter(|_| is_id).map(QuestionId)
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
