//! Entries as JSON lines.
//!
//! ```text
//!   {"time":"2026-11-27T10:25:01.123456Z","transport":"UDP","client":"192.0.2.53","port":5353,...,"name":"www.example.com.",
//!    "type":"A",...,"steered":[{"name":"www.example.com.","region":"europe","rung":"usable","pools":["web/fra"],...}]}
//! ```
//!
//! `truenorth simulate` reads such lines. Names are in presentation format, and serde escapes all texts.

use std::net::IpAddr;

use serde::Serialize;

use crate::answer::Transport;
use crate::name::{MAX_NAME_LENGTH, Name};
use crate::tap::{Entry, Fate, Note};
use crate::timestamp::rfc3339;
use crate::wire::Query;

use super::privacy::Cut;

/// Flags of a header, in the order of dig: the octet, the bit, and the name.
const FLAGS: [(usize, u8, &str); 6] =
    [(2, 0x04, "aa"), (2, 0x02, "tc"), (2, 0x01, "rd"), (3, 0x80, "ra"), (3, 0x20, "ad"), (3, 0x10, "cd")];

/// One answer.
#[derive(Debug, Serialize)]
struct Line<'a> {
    time: String,
    transport: &'static str,
    client: IpAddr,
    port: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    server_port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subnet: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    rtype: Option<String>,
    flags: Vec<&'static str>,
    rcode: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<u32>,
    size: usize,
    truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    limited: Option<&'static str>,
    duration_us: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    zone: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    steered: Vec<SteeredName<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    addresses: Vec<IpAddr>,
}

/// The choice of steering at a name.
#[derive(Debug, Default, Serialize)]
struct SteeredName<'a> {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    country: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<&'a str>,
    rung: &'a str,
    pools: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    datacenter: Option<&'a str>,
}

/// Writes an entry as a line.
pub(super) fn write(entry: &Entry<'_>, cut: Cut, out: &mut Vec<u8>) {
    let query = Query::parse(entry.query);
    let question = query.as_ref().and_then(|query| query.question.as_ref().ok()?.as_ref());
    // A response that was dropped has no header.
    let header = if entry.response.is_empty() { entry.query } else { entry.response };
    let is_set = |&&(octet, bit, _): &&(usize, u8, &str)| header.get(octet).is_some_and(|octet| octet & bit != 0);
    let mut flags: Vec<&'static str> = FLAGS.iter().filter(is_set).map(|(.., name)| *name).collect();
    if query.as_ref().and_then(|query| query.edns).is_some_and(|edns| edns.dnssec_ok) {
        flags.push("do");
    }
    let mut line = Line {
        time: microseconds(entry.received),
        transport: Transport::ALL[usize::from(entry.transport)].as_str(),
        client: cut.address(entry.client.ip()),
        port: entry.client.port(),
        server: entry.server.map(|server| server.ip().to_canonical()),
        server_port: entry.server.map(|server| server.port()),
        subnet: None,
        scope: None,
        name: question.and_then(|question| presentation(&question.name.to_ascii_lowercase())),
        rtype: question.map(|question| question.rtype.to_string()),
        truncated: !entry.response.is_empty() && flags.contains(&"tc"),
        flags,
        rcode: "",
        ttl: None,
        size: entry.response.len(),
        limited: match entry.fate {
            Fate::Sent => None,
            Fate::Slipped => Some("truncated"),
            Fate::Dropped => Some("dropped"),
        },
        duration_us: entry.answered.saturating_sub(entry.received).as_micros() as u64,
        zone: None,
        steered: Vec::new(),
        addresses: Vec::new(),
    };
    Note::all(entry.notes).for_each(|note| line.add(note, cut));
    // Nothing in it can fail to be written as JSON.
    if serde_json::to_writer(&mut *out, &line).is_ok() {
        out.push(b'\n');
    }
}

impl<'a> Line<'a> {
    fn add(&mut self, note: Note<'a>, cut: Cut) {
        let mut unnamed = SteeredName::default();
        let steered = self.steered.last_mut().unwrap_or(&mut unnamed);
        match note {
            Note::Rcode(code) => self.rcode = code,
            Note::Zone(apex) => self.zone = presentation(apex),
            Note::Subnet(address, source, scope) => {
                let (address, length) = cut.network(address, source);
                self.subnet = Some(format!("{address}/{length}"));
                self.scope = Some(scope);
            }
            Note::Ttl(seconds) => self.ttl = Some(seconds),
            Note::Name(name) => {
                let name = presentation(name).unwrap_or_default();
                self.steered.push(SteeredName { name, ..SteeredName::default() });
            }
            Note::Country(code) => steered.country = Some(code),
            Note::Region(name) => steered.region = Some(name),
            Note::Rung(name) => steered.rung = name,
            Note::Pool(name) => steered.pools.push(name),
            Note::Datacenter(name) => steered.datacenter = Some(name),
            Note::Address(address) => self.addresses.push(address),
        }
    }
}

fn presentation(wire: &[u8]) -> Option<String> {
    let is_name = wire.len() <= MAX_NAME_LENGTH && wire.last() == Some(&0);
    is_name.then(|| Name::from_wire(wire).to_string())
}

/// A time of RFC 3339 with microseconds.
fn microseconds(time: std::time::Duration) -> String {
    format!("{}.{:06}Z", rfc3339(time).trim_end_matches('Z'), time.subsec_micros())
}
