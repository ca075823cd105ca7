//! Answers queries: first decides, then writes.
//!
//! ```text
//!   message ── Query::parse ──► Exchange ── Resolution::resolve ──► Resolution ── render ──► message
//!                               EDNS, cookies,                      the hops of RFC 1034, section 4.3.2,
//!                               who may ask what                    and the records picked for the client
//! ```
//!
//! Both steps depend only on the snapshot, the query, the asker, the time that the caller gives, and a little state of
//! the worker. They take no lock, allocate nothing, read no clock and write no log. The nodes of a zone's tree already
//! hold some results of RFC 1034, section 4.3.2: zone cuts, DNAME records and wildcards.

mod access;
mod additional;
mod ahead;
mod candidates;
mod client;
mod count;
mod exchange;
mod frame;
mod identity;
mod known;
mod note;
mod plain;
mod prefetch;
mod presigned;
mod reflect;
mod repeat;
mod resolution;
mod resolve;
mod resolver;
mod rrset;
mod seal;
mod signed;
mod steered;
mod transfer;
mod worker;
mod write;

use std::net::IpAddr;
use std::time::Duration;

pub use ahead::Ahead;
pub use client::Client;
use exchange::Admission;
pub use exchange::Exchange;
pub use prefetch::prefetch;
use repeat::Datagram;
pub use resolution::{Given, Hop, Reflection, Resolution, Steered, Step, Synthesis};
pub use transfer::Transfer;
pub use worker::{Rotation, Worker};

use crate::snapshot::Snapshot;
use crate::wire::{Query, Rcode};

/// The sender of a query, and its transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asker {
    /// The packet's source.
    pub address: IpAddr,
    /// The transport of query and answer.
    pub transport: Transport,
    /// How long the asker's connection may stay idle, for edns-tcp-keepalive (RFC 7828); `None` if there is no such
    /// connection.
    pub idle: Option<Duration>,
}

/// The transport of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A datagram: answers that do not fit are truncated.
    Udp,
    /// A stream of messages (RFC 7766).
    Tcp,
    /// A stream of messages within TLS (RFC 7858).
    Tls,
    /// An HTTPS exchange (RFC 8484).
    Https,
    /// A QUIC stream (RFC 9250).
    Quic,
}

impl Transport {
    /// All transports, in the order of their numbers.
    pub const ALL: [Self; 5] = [Self::Udp, Self::Tcp, Self::Tls, Self::Https, Self::Quic];

    /// Returns the transport's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Https => "HTTPS",
            Self::Quic => "QUIC",
        }
    }

    /// True if the transport does not limit the size of answers, and proves the asker's address.
    pub fn is_stream(self) -> bool {
        self != Self::Udp
    }

    /// True if others cannot read the messages, but can see their length.
    pub fn is_encrypted(self) -> bool {
        matches!(self, Self::Tls | Self::Https | Self::Quic)
    }
}

/// A response that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Length of the message in octets.
    pub length: usize,
    /// The response code.
    pub rcode: Rcode,
    /// The class of the response for rate limiting.
    pub class: ResponseClass,
    /// How long the whole answer may be cached, in seconds; `None` for failures and referrals.
    pub ttl: Option<u32>,
    /// True if TC is set: there was no room for a part of the answer.
    pub is_truncated: bool,
}

/// The class of a response, as rate limiting distinguishes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResponseClass {
    /// The answer section holds records.
    Answer,
    /// NOERROR without records in the answer section: NODATA, a referral, or the response to a query without a
    /// question.
    Empty,
    /// NXDOMAIN.
    NxDomain,
    /// Any other response code.
    Error,
}

/// Answers a query. `out` must hold at least [`MAX_PLAIN_UDP`](crate::wire::MAX_PLAIN_UDP) octets for UDP, and
/// [`MAX_MESSAGE`](crate::wire::MAX_MESSAGE) for streams. Transfers are refused here: a caller that can send several
/// messages uses [`Transfer`] instead.
pub fn answer(exchange: &Exchange<'_>, worker: &mut Worker, out: &mut [u8]) -> Reply {
    answer_and_keep(exchange, None, worker, out)
}

/// Answers a datagram from this address, as [`answer`] does, with what the worker keeps of earlier answers. `now` is the time
/// in Unix seconds. Returns `None` for messages that get no answer; else also whether the asker has proven with a cookie
/// that it uses its own address.
#[inline]
pub fn answer_datagram(
    snapshot: &Snapshot,
    (octets, source): (&[u8], IpAddr),
    now: u64,
    worker: &mut Worker,
    out: &mut [u8],
) -> Option<(Reply, bool)> {
    let datagram = Datagram { snapshot, octets, source, now };
    match datagram.repeat(worker, out) {
        Ok(reply) => Some((reply, false)),
        Err(hash) => answer_anew(datagram, hash, worker, out),
    }
}

/// Answers a datagram of which nothing is kept. `hash` is the hash of its name, if that is known.
#[inline(never)]
fn answer_anew(
    datagram: Datagram<'_>,
    hash: Option<u64>,
    worker: &mut Worker,
    out: &mut [u8],
) -> Option<(Reply, bool)> {
    let Datagram { snapshot, octets, source, now } = datagram;
    worker.answers_anew();
    let header = Query::header(octets)?;
    let mut query = Query::new(header);
    query.read(octets, header);
    let asker = Asker { address: source, transport: Transport::Udp, idle: None };
    let exchange = Exchange::new(snapshot, &query, asker, now);
    let trace = hash.map(|hash| (octets, hash));
    Some((answer_and_keep(&exchange, trace, worker, out), exchange.has_valid_cookie()))
}

/// Answers a query. If `trace` are its octets and the hash of its name, `worker` keeps what an equal query can have of the
/// answer.
#[inline]
fn answer_and_keep(exchange: &Exchange<'_>, trace: Option<(&[u8], u64)>, worker: &mut Worker, out: &mut [u8]) -> Reply {
    if let Some(question) = exchange.question() {
        let (client, source) = (exchange.client(), exchange.asker().address);
        let mut resolution = Resolution::new((question.name, question.rtype), client, source);
        resolution.resolve_hashed(exchange.snapshot(), worker, trace.map(|(_, hash)| hash));
        let reply = render(exchange, &resolution, worker, out);
        count::response(worker, exchange, Some(&resolution), &reply);
        note::response(worker, exchange, Some(&resolution), &reply);
        if let Some(trace) = trace {
            repeat::keep((worker, trace), exchange, &resolution, &reply, out);
        }
        return reply;
    }
    let mut message = exchange.reply(out);
    let (rcode, ttl) = match exchange.admission() {
        Admission::Identity(question) => {
            identity::answer(&exchange.snapshot().world().protocol.identity, question, &mut message)
        }
        Admission::Rejection(rejection) => (rejection.rcode, None),
        // A zone does not fit in one message.
        Admission::Transfer(..) | Admission::Question(_) => (Rcode::Refused, None),
    };
    let class = match (rcode, ttl) {
        (Rcode::NoError, Some(_)) => ResponseClass::Answer,
        (Rcode::NoError, None) => ResponseClass::Empty,
        _ => ResponseClass::Error,
    };
    let is_truncated = message.is_truncated();
    let reply = Reply { length: message.finish(rcode), rcode, class, ttl, is_truncated };
    count::response(worker, exchange, None, &reply);
    note::response(worker, exchange, None, &reply);
    reply
}

/// Writes the answer of a resolution. `worker` signs it if the asker wants that.
#[inline]
pub fn render(exchange: &Exchange<'_>, resolution: &Resolution<'_>, worker: &mut Worker, out: &mut [u8]) -> Reply {
    if exchange.is_dnssec_ok() && resolution.is_signed() {
        return signed::render(exchange, resolution, worker, out);
    }
    let mut message = exchange.begin(out);
    write::write(resolution, exchange.snapshot().world(), &mut seal::Plain, &mut message);
    let (rcode, is_truncated) = (resolution.rcode(), message.is_truncated());
    let (class, ttl) = (resolution.class(), resolution.ttl());
    Reply { length: message.finish(rcode), rcode, class, ttl, is_truncated }
}

/// Answers a datagram from this address without records and with TC set, so that the asker asks again over a stream. EDNS
/// and cookies are answered as usual, so that an asker with cookie support has a cookie for its next query. `now` is the
/// time in Unix seconds. Returns the answer's length in octets; 0 for messages that get no answer.
pub fn truncate_datagram(snapshot: &Snapshot, (octets, source): (&[u8], IpAddr), now: u64, out: &mut [u8]) -> usize {
    let Some(query) = Query::parse(octets) else { return 0 };
    let asker = Asker { address: source, transport: Transport::Udp, idle: None };
    let exchange = Exchange::new(snapshot, &query, asker, now);
    let mut reply = exchange.reply(out);
    reply.set_truncated();
    reply.finish(Rcode::NoError)
}
