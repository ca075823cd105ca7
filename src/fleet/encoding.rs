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
use crate::health::{Identity, MAX_ORIGIN, MAX_ZONES, Share, ZoneIdentity};
use crate::vantage::{Body, Digest, MAX_ROWS, Message, NodeName, Part, Parts, QuestionId, Report, Sight};

/// The version of messages. A change that older nodes would misread increases it.
const VERSION: u32 = 1;

/// Most names that one question for rows may hold.
const MAX_NAMES: usize = 1024;

/// Longest text of a site, in octets.
pub(super) const MAX_SITE: usize = 255;

/// Longest version of a program, in octets.
const MAX_VERSION: usize = 64;

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
    ask: Option<Vec<String>>,
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
    #[serde(skip_serializing_if = "is_zero", default)]
    more: u32,
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    observes: bool,
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
    let mut shape =
        MessageShape { v: VERSION, run, seq, wall, report: None, identity: None, rtts: None, samples: None, ask: None };
    match body {
        Body::Report(of) => shape.report = Some(report_shape(of)),
        Body::Identity(of) => shape.identity = Some(identity_shape(of)),
        Body::Rtts(of) => shape.rtts = Some(RttsShape::new(of)),
        Body::Samples(samples) => shape.samples = Some(samples.iter().map(sample_shape).collect()),
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
    let Some(MessageShape { v: _, run, seq, wall, report, identity, rtts, samples, ask }) = shape else {
        let is_foreign = serde_json::from_slice::<VersionShape>(payload).is_ok_and(|shape| shape.v != VERSION);
        return Err(if is_foreign { Unreadable::Foreign } else { Unreadable::Malformed });
    };
    let body = match (report, identity, rtts, samples, ask) {
        (Some(report), None, None, None, None) => read_report(report).map(Body::Report),
        (None, Some(identity), None, None, None) => read_identity(identity).map(Body::Identity),
        (None, None, Some(rtts), None, None) => rtts.read().map(Body::Rtts),
        (None, None, None, Some(samples), None) => read_samples(samples).map(Body::Samples),
        (None, None, None, None, Some(asked)) if asked.len() <= MAX_NAMES => {
            asked.iter().map(|name| NodeName::try_new(name)).collect::<Option<_>>().map(Body::Ask)
        }
        _ => None,
    };
    let body = body.ok_or(Unreadable::Malformed)?;
    Ok(Message { incarnation: run, sequence: seq, wall: Duration::from_millis(wall), body })
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
    let Identity { version, configuration, zones, more_zones, observes } = identity;
    let zone = |ZoneIdentity { origin, serial, text }: &ZoneIdentity| (origin.to_string(), *serial, hexadecimal(*text));
    IdentityShape {
        version: version.to_string(),
        configuration: hexadecimal(*configuration),
        zones: zones.iter().map(zone).collect(),
        more: *more_zones,
        observes: *observes,
    }
}

fn read_identity(shape: IdentityShape) -> Option<Identity> {
    let IdentityShape { version, configuration, zones, more, observes } = shape;
    let is_text =
        |text: &str, longest| text.len() <= longest && text.bytes().all(|octet| (b' '..=b'~').contains(&octet));
    let is_sorted = zones.is_sorted_by(|one, next| one.0 < next.0);
    if !is_text(&version, MAX_VERSION) || zones.len() > MAX_ZONES || !is_sorted {
        return None;
    }
    let zone = |(origin, serial, text): (String, u32, String)| {
        let text = read_hexadecimal(&text)?;
        is_text(&origin, MAX_ORIGIN).then(|| ZoneIdentity { origin: origin.into(), serial, text })
    };
    Some(Identity {
        version: version.into(),
        configuration: read_hexadecimal(&configuration)?,
        zones: zones.into_iter().map(zone).collect::<Option<_>>()?,
        more_zones: more,
        observes,
    })
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
mod tests {
    use super::*;
    use crate::geo::{Coordinates, CountryCode};
    use crate::latency::{Rtt, Sample, VantageRtts};
    use proptest::prelude::*;

    fn report() -> Report {
        let sight = |opinion| Sight {
            opinion,
            turned: Duration::from_secs(61),
            seen: Duration::from_millis(420),
            took: Some(Duration::from_micros(3_100)),
        };
        Report {
            site: "fra".into(),
            interval: Duration::from_secs(2),
            doubts: true,
            leaves: false,
            digest: Digest { count: 3, sum: 0x9a0f },
            identity: Some(0x51),
            rtts: Some(0x52),
            parts: Some(std::array::from_fn(|number| number as u32 + 0xf0)),
            part: Some(Part { number: 1, of: 2 }),
            rows: vec![
                (QuestionId(7), Some(sight(Some(Share::from_thousandths(250))))),
                (QuestionId(8), Some(Sight { took: None, ..sight(None) })),
                (QuestionId(u128::MAX), None),
            ],
        }
    }

    fn identity() -> Identity {
        let zone = |origin: &str| ZoneIdentity { origin: origin.into(), serial: 2_026_112_701, text: 0xab };
        Identity::new("0.1.0 (3f2a9c)", vec![zone("example.com."), zone("example.net.")])
    }

    fn rtts() -> VantageRtts {
        let site = Coordinates::try_new(50.11, -8.6812);
        let to = [("fra", 0.4), ("iad", 88.1)].map(|(place, ms)| (place.into(), Rtt::from_ms(ms)));
        VantageRtts::new(CountryCode::parse("DE"), site, to)
    }

    fn sample(client: &str, ms: f64) -> Sample {
        Sample::try_new(client.parse().unwrap(), "fra", ms).unwrap()
    }

    fn message(body: Body) -> Message {
        Message { incarnation: 1_764_266_400_000, sequence: 7, wall: Duration::from_millis(1_764_266_412_345), body }
    }

    #[test]
    fn messages_come_back_as_they_were() {
        let name = |text| NodeName::try_new(text).unwrap();
        let bare = Report {
            doubts: false,
            leaves: true,
            identity: None,
            rtts: None,
            parts: None,
            part: None,
            rows: Vec::new(),
            ..report()
        };
        let asked = vec![name("ns1"), name("ns2")];
        let bodies = [
            Body::Report(report()),
            Body::Report(bare),
            Body::Identity(identity()),
            Body::Identity(Identity { observes: true, ..identity() }),
            Body::Rtts(rtts()),
            Body::Rtts(VantageRtts::default()),
            Body::Samples(vec![sample("198.51.100.0/24", 23.4), sample("2001:db8:7::/48", 0.25)]),
            Body::Ask(asked),
        ];
        for body in bodies {
            let message = message(body);
            assert_eq!(decode(&encode(&message)), Ok(message));
        }
    }

    #[test]
    fn the_form_is_the_same_in_every_version() {
        let text = String::from_utf8(encode(&message(Body::Report(report())))).unwrap();
        assert_eq!(
            text,
            "{\"v\":1,\"run\":1764266400000,\"seq\":7,\"wall\":1764266412345,\"report\":{\"site\":\"fra\",\
             \"interval\":2000,\"doubts\":true,\"count\":3,\"digest\":\"0000000000009a0f\",\
             \"identity\":\"0000000000000051\",\"rtts\":\"0000000000000052\",\"parts\":\"000000f0000000f1000000f2000000f3000000f4000000f5000000f6000000f7\
             000000f8000000f9000000fa000000fb000000fc000000fd000000fe000000ff\",\"part\":[1,2],\"rows\":[\
             [\"00000000000000000000000000000007\",250,61000,420,3100],\
             [\"00000000000000000000000000000008\",null,61000,420,null],[\"ffffffffffffffffffffffffffffffff\"]]}}"
        );
    }

    #[test]
    fn what_breaks_the_rules_is_malformed_and_another_version_is_foreign() {
        let good = String::from_utf8(encode(&message(Body::Report(report())))).unwrap();
        for (from, to) in [
            ("[1,2]", "[2,2]"),
            ("250", "1001"),
            ("250", "-1"),
            ("\"site\":\"fra\"", "\"site\":\"f\\nra\""),
            ("\"site\":\"fra\"", "\"site\":\"\u{202e}fra\""),
            ("0000000000009a0f", "9a0f"),
            ("000000f0", "f0"),
            ("000000f0", "\u{e4}0000f0"),
            ("00000000000000000000000000000007", "+0000000000000000000000000000007"),
            ("00000000000000000000000000000007", "7"),
            ("\"report\"", "\"rapport\""),
            ("\"seq\":7", "\"seq\":-7"),
            ("{\"v\":1", "{\"v\":1,\"ask\":[]"),
            ("}}", "}"),
        ] {
            let bad = good.replacen(from, to, 1);
            assert_ne!(bad, good);
            assert_eq!(decode(bad.as_bytes()), Err(Unreadable::Malformed), "{bad}");
        }
        assert_eq!(decode(b"{\"v\":2,\"all\":\"new\"}"), Err(Unreadable::Foreign));
        assert_eq!(decode(good.replacen("\"v\":1", "\"v\":9", 1).as_bytes()), Err(Unreadable::Foreign));
        assert_eq!(decode(&vec![b' '; MAX_PAYLOAD + 1]), Err(Unreadable::Malformed));
        let later = good.replacen("\"seq\"", "\"new\":{},\"seq\"", 1);
        assert!(decode(later.as_bytes()).is_ok(), "keys that are added later are no harm");
    }

    #[test]
    fn an_identity_that_breaks_the_rules_is_malformed() {
        let good = String::from_utf8(encode(&message(Body::Identity(identity())))).unwrap();
        assert!(good.contains("\"zones\":[[\"example.com.\",2026112701,\"00000000000000ab\"],"), "{good}");
        for (from, to) in [
            ("0.1.0", "0.1.0\u{1b}[2J"),
            ("0.1.0", &"1".repeat(MAX_VERSION + 1)),
            ("example.com.", "example.org."),
            ("example.com.", "ex\u{e4}mple.com."),
            ("00000000000000ab", "ab"),
            ("2026112701", "-1"),
        ] {
            let bad = good.replacen(from, to, 1);
            assert_ne!(bad, good);
            assert_eq!(decode(bad.as_bytes()), Err(Unreadable::Malformed), "{bad}");
        }
        let zone = |number: usize| {
            let origin = format!("{number:03}{}", "a".repeat(MAX_ORIGIN - 3)).into();
            ZoneIdentity { origin, serial: u32::MAX, text: u64::MAX }
        };
        let largest = message(Body::Identity(Identity::new("0.1.0", (0..MAX_ZONES).map(zone).collect())));
        assert!(encode(&largest).len() < MAX_PAYLOAD);
        assert_eq!(decode(&encode(&largest)), Ok(largest));
    }

    #[test]
    fn round_trips_that_break_the_rules_are_malformed() {
        let good = String::from_utf8(encode(&message(Body::Rtts(rtts())))).unwrap();
        for (from, to) in [
            ("DE", "D"),
            ("50.11", "91"),
            ("\"fra\"", "\"\""),
            ("\"fra\"", "\"f\\u001b\""),
            (",4]", ",0]"),
            (",4]", ",65535]"),
        ] {
            let bad = good.replacen(from, to, 1);
            assert_ne!(bad, good, "{from}");
            assert_eq!(decode(bad.as_bytes()), Err(Unreadable::Malformed), "{bad}");
        }
        let many = vec![sample("198.51.100.0/24", 23.4); MAX_ROWS + 1];
        let good = String::from_utf8(encode(&message(Body::Samples(many[1..].to_vec())))).unwrap();
        assert!(decode(good.as_bytes()).is_ok());
        assert_eq!(decode(&encode(&message(Body::Samples(many)))), Err(Unreadable::Malformed));
        for (from, to) in [("198.51.100.0/24", "198.51.100.0/33"), ("fra", ""), ("23400", "0"), ("23400", "6000001")] {
            assert_eq!(decode(good.replacen(from, to, 1).as_bytes()), Err(Unreadable::Malformed), "{to}");
        }
        let long = "2001:0db8:ffff:ffff:ffff:ffff:ffff:ffff/128".parse().unwrap();
        let long = Sample::try_new(long, "d".repeat(63), 5999.999).unwrap();
        let octets = encode(&message(Body::Samples(vec![long; MAX_ROWS]))).len();
        assert!(octets < MAX_PAYLOAD, "{octets}");
    }

    #[test]
    fn the_largest_message_is_far_below_what_servers_take() {
        let (_, row) = report().rows[0];
        let ages =
            row.map(|row| Sight { turned: Duration::from_secs(40_000_000), took: Some(Duration::from_secs(9)), ..row });
        let rows = vec![(QuestionId(u128::MAX), ages); MAX_ROWS];
        let octets = encode(&message(Body::Report(Report { rows, ..report() }))).len();
        assert!(octets < MAX_PAYLOAD / 2, "{octets}");
    }

    /// docs/fleet.md has these numbers.
    #[test]
    fn a_calm_fleet_of_a_hundred_nodes_needs_less_than_a_megabit() {
        let row = |number: u128| {
            let sight = Sight {
                opinion: Some(Share::FULL),
                turned: Duration::from_secs(86_400),
                seen: Duration::from_millis(2_417),
                took: Some(Duration::from_micros(13_208)),
            };
            (QuestionId(u128::MAX / 10_000 * number), Some(sight))
        };
        let size = |rows, part| {
            let digest = Digest { count: 10_000, sum: u64::MAX };
            let report = Report { doubts: false, digest, parts: None, part, rows, ..report() };
            encode(&Message { sequence: 1_000_000, ..message(Body::Report(report)) }).len()
        };
        let calm = size((0..16).map(row).collect(), None);
        let all: usize = (0..20)
            .map(|number| {
                let rows =
                    (number * 512..(number * 512 + 512).min(10_000)).map(|row_number| row(row_number.into())).collect();
                size(rows, Some(Part { number, of: 20 }))
            })
            .sum();
        println!("a calm report has {calm} octets, all of 10,000 rows have {all}");
        // Two seconds, and 60 octets of NATS around each message.
        let bits = |nodes: usize| (calm + 60) * 8 * (nodes - 1) / 2;
        println!("10 nodes: {} bit/s, 100 nodes: {} bit/s", bits(10), bits(100));
        assert!(bits(100) < 1_000_000);
    }

    proptest! {
        #[test]
        fn any_octets_are_read_or_refused(octets in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = decode(&octets);
        }

        #[test]
        fn a_message_with_a_wrong_octet_is_read_or_refused(place in any::<prop::sample::Index>(), octet in any::<u8>()) {
            let mut octets = encode(&message(Body::Report(report())));
            let place = place.index(octets.len());
            octets[place] = octet;
            if let Ok(read) = decode(&octets) {
                prop_assert_eq!(decode(&encode(&read)), Ok(read));
            }
        }
    }
}
