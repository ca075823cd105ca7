//! Entries as messages of dnstap (<https://github.com/dnstap/dnstap.pb>): `AUTH_QUERY` and `AUTH_RESPONSE`.
//!
//! The two protobuf messages have some twenty fields of three kinds, so they are written by hand: a generator would need a
//! compiler for protobuf, and a copy of every field.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::answer::Transport;
use crate::tap::{Entry, Fate, Note};

use super::privacy::Cut;

/// The kinds of values in protobuf that occur here.
const VARINT: u64 = 0;
const OCTETS: u64 = 2;
const FIXED32: u64 = 5;

/// Fields of `Dnstap`, and its only type.
const IDENTITY: u64 = 1;
const VERSION: u64 = 2;
const MESSAGE: u64 = 14;
const TYPE: u64 = 15;
const TYPE_MESSAGE: u64 = 1;

/// Fields of `Message`.
const MESSAGE_TYPE: u64 = 1;
const SOCKET_FAMILY: u64 = 2;
const SOCKET_PROTOCOL: u64 = 3;
const QUERY_ADDRESS: u64 = 4;
const RESPONSE_ADDRESS: u64 = 5;
const QUERY_PORT: u64 = 6;
const RESPONSE_PORT: u64 = 7;
const QUERY_TIME_SEC: u64 = 8;
const QUERY_TIME_NSEC: u64 = 9;
const QUERY_MESSAGE: u64 = 10;
const QUERY_ZONE: u64 = 11;
const RESPONSE_TIME_SEC: u64 = 12;
const RESPONSE_TIME_NSEC: u64 = 13;
const RESPONSE_MESSAGE: u64 = 14;

/// The two types of messages of an authoritative server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    AuthQuery = 1,
    AuthResponse = 2,
}

/// Writes entries as frames.
#[derive(Debug)]
pub(super) struct Dnstap {
    pub(super) queries: bool,
    pub(super) responses: bool,
    /// Identity and version, as they stand in each message.
    head: Vec<u8>,
    cut: Cut,
    /// A message under construction.
    message: Vec<u8>,
}

impl Dnstap {
    pub(super) fn new(queries: bool, responses: bool, identity: &str, version: &str, cut: Cut) -> Self {
        let mut head = Vec::new();
        for (field, text) in [(IDENTITY, identity), (VERSION, version)] {
            if !text.is_empty() {
                put_octets(&mut head, field, text.as_bytes());
            }
        }
        Self { queries, responses, head, cut, message: Vec::new() }
    }

    /// Writes an entry in up to two frames.
    pub(super) fn write(&mut self, entry: &Entry<'_>, out: &mut Vec<u8>) {
        if self.queries {
            self.frame(Kind::AuthQuery, entry, out);
        }
        if self.responses && entry.fate != Fate::Dropped {
            self.frame(Kind::AuthResponse, entry, out);
        }
    }

    fn frame(&mut self, kind: Kind, entry: &Entry<'_>, out: &mut Vec<u8>) {
        let Self { head, cut, message, .. } = self;
        message.clear();
        put_message(message, kind, entry, *cut);
        let start = out.len();
        out.extend([0; 4]);
        out.extend(&*head);
        put_octets(out, MESSAGE, message);
        put_varint(out, TYPE, TYPE_MESSAGE);
        let length = (out.len() - start - 4) as u32;
        out[start..start + 4].copy_from_slice(&length.to_be_bytes());
    }
}

fn put_message(out: &mut Vec<u8>, kind: Kind, entry: &Entry<'_>, cut: Cut) {
    put_varint(out, MESSAGE_TYPE, kind as u64);
    let client = SocketAddr::new(cut.address(entry.client.ip()), entry.client.port());
    put_varint(out, SOCKET_FAMILY, if client.is_ipv4() { 1 } else { 2 });
    put_varint(out, SOCKET_PROTOCOL, protocol(entry.transport));
    put_address(out, QUERY_ADDRESS, client.ip());
    put_varint(out, QUERY_PORT, client.port().into());
    if let Some(server) = entry.server {
        put_address(out, RESPONSE_ADDRESS, server.ip().to_canonical());
        put_varint(out, RESPONSE_PORT, server.port().into());
    }
    put_time(out, [QUERY_TIME_SEC, QUERY_TIME_NSEC], entry.received);
    let zone = Note::all(entry.notes).find_map(|note| if let Note::Zone(apex) = note { Some(apex) } else { None });
    if let Some(apex) = zone {
        put_octets(out, QUERY_ZONE, apex);
    }
    match kind {
        Kind::AuthQuery => put_octets(out, QUERY_MESSAGE, &cut.message(entry.query)),
        Kind::AuthResponse => {
            put_time(out, [RESPONSE_TIME_SEC, RESPONSE_TIME_NSEC], entry.answered);
            put_octets(out, RESPONSE_MESSAGE, &cut.message(entry.response));
        }
    }
}

/// The number of a transport in `SocketProtocol`.
fn protocol(transport: u8) -> u64 {
    match Transport::ALL[usize::from(transport)] {
        Transport::Udp => 1,
        Transport::Tcp => 2,
        Transport::Tls => 3,
        Transport::Https => 4,
        Transport::Quic => 7,
    }
}

fn put_address(out: &mut Vec<u8>, field: u64, address: IpAddr) {
    match address {
        IpAddr::V4(address) => put_octets(out, field, &address.octets()),
        IpAddr::V6(address) => put_octets(out, field, &address.octets()),
    }
}

fn put_time(out: &mut Vec<u8>, [seconds, nanoseconds]: [u64; 2], time: Duration) {
    put_varint(out, seconds, time.as_secs());
    put_number(out, nanoseconds << 3 | FIXED32);
    out.extend(time.subsec_nanos().to_le_bytes());
}

fn put_octets(out: &mut Vec<u8>, field: u64, octets: &[u8]) {
    put_number(out, field << 3 | OCTETS);
    put_number(out, octets.len() as u64);
    out.extend(octets);
}

fn put_varint(out: &mut Vec<u8>, field: u64, value: u64) {
    put_number(out, field << 3 | VARINT);
    put_number(out, value);
}

/// Writes a number in groups of seven bits, the lowest first.
fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}
