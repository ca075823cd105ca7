//! From a query to its answer: decide, then write.
//!
//! ```text
//!   message ── Query::parse ──► Exchange ── Resolution::resolve ──► Resolution ── render ──► message
//!                               EDNS, cookies,                      the hops of RFC 1034, section 4.3.2,
//!                               who may ask what                    and the records picked for the client
//! ```
//!
//! Both steps are functions of the snapshot, the query, the asker and a little state of the worker that asks: they take no lock,
//! allocate nothing, read no clock and write no log. What the algorithm of RFC 1034, section 4.3.2, would find out on its way down
//! the tree stands at the tree's nodes already.

mod access;
mod additional;
mod candidates;
mod client;
mod exchange;
mod identity;
mod reflect;
mod resolution;
mod resolve;
mod rrset;
mod steered;
mod transfer;
mod worker;
mod write;

use std::net::IpAddr;
use std::time::Duration;

pub use client::Client;
use exchange::Admission;
pub use exchange::Exchange;
pub use resolution::{Given, Hop, Reflection, Resolution, Steered, Step, Synthesis};
pub use transfer::Transfer;
pub use worker::{Rotation, Worker};

use crate::wire::Rcode;

/// Who asks, and by which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asker {
    /// The packet's source.
    pub address: IpAddr,
    /// What carries the answer.
    pub transport: Transport,
    /// How long the asker's connection stays open without a query, for those who ask (RFC 7828); `None` where there is no
    /// such connection.
    pub idle: Option<Duration>,
}

/// What carries a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A datagram: answers that do not fit are truncated.
    Udp,
    /// A stream of messages (RFC 7766).
    Tcp,
    /// The same within TLS (RFC 7858).
    Tls,
    /// An HTTPS exchange (RFC 8484).
    Https,
    /// A QUIC stream (RFC 9250).
    Quic,
}

impl Transport {
    /// What it is called.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Https => "HTTPS",
            Self::Quic => "QUIC",
        }
    }

    /// Whether answers are as long as they like, and the asker's address is surely its own.
    pub fn is_stream(self) -> bool {
        self != Self::Udp
    }

    /// Whether nobody else reads the messages, but may see how long they are.
    pub fn is_encrypted(self) -> bool {
        matches!(self, Self::Tls | Self::Https | Self::Quic)
    }
}

/// A response that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Octets of the message.
    pub length: usize,
    /// The response code.
    pub rcode: Rcode,
    /// What a limit on rates takes it for.
    pub class: ResponseClass,
    /// Seconds that all of it may be kept; `None` for failures and referrals.
    pub ttl: Option<u32>,
}

/// What kind of response a client gets, as far as a limit on its rate tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResponseClass {
    /// There are records in the answer section.
    Answer,
    /// There are none, but the name exists: an empty answer, or a referral.
    Empty,
    /// NXDOMAIN.
    NxDomain,
    /// Any other code.
    Error,
}

/// Answers a query. `out` holds at least [`MAX_PLAIN_UDP`](crate::wire::MAX_PLAIN_UDP) octets, and
/// [`MAX_MESSAGE`](crate::wire::MAX_MESSAGE) for streams. A transfer is refused here: whoever can send many messages makes a
/// [`Transfer`] of it.
pub fn answer(exchange: &Exchange<'_>, worker: &mut Worker, out: &mut [u8]) -> Reply {
    if let Some(question) = exchange.question() {
        let (client, source) = (exchange.client(), exchange.asker().address);
        let mut resolution = Resolution::new((question.key(), question.rtype), client, source);
        resolution.resolve(exchange.snapshot(), worker);
        return render(exchange, &resolution, out);
    }
    let mut message = exchange.reply(out);
    let (rcode, ttl) = match exchange.admission() {
        Admission::Identity(question) => {
            identity::answer(&exchange.snapshot().world().protocol.identity, question, &mut message)
        }
        Admission::Rejection(rcode, _) => (rcode, None),
        // One message does not hold a zone.
        Admission::Transfer(..) | Admission::Question(_) => (Rcode::Refused, None),
    };
    let class = match (rcode, ttl) {
        (Rcode::NoError, Some(_)) => ResponseClass::Answer,
        (Rcode::NoError, None) => ResponseClass::Empty,
        _ => ResponseClass::Error,
    };
    Reply { length: message.finish(rcode), rcode, class, ttl }
}

/// Writes the answer that a question was resolved to.
pub fn render(exchange: &Exchange<'_>, resolution: &Resolution<'_>, out: &mut [u8]) -> Reply {
    let mut message = exchange.reply(out);
    write::write(resolution, exchange.snapshot().world(), &mut message);
    let rcode = resolution.rcode();
    Reply { length: message.finish(rcode), rcode, class: resolution.class(), ttl: resolution.ttl() }
}

/// Answers with nothing but TC: whoever asked may ask again over a stream. EDNS and cookies are answered as ever, so that an
/// asker who speaks of cookies has one the next time. Gives the message's length.
pub fn truncate(exchange: &Exchange<'_>, out: &mut [u8]) -> usize {
    let mut reply = exchange.reply(out);
    reply.set_truncated();
    reply.finish(Rcode::NoError)
}
