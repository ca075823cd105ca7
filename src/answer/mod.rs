//! From a query to its answer.
//!
//! [`answer`] is a function of the snapshot, the query, the asker and a little state of the worker that asks: it takes no
//! lock, allocates nothing, reads no clock and writes no log. It follows RFC 1034, section 4.3.2; what that algorithm
//! would find out on its way down the tree stands at the tree's nodes already.

mod chain;
mod client;
mod exchange;
mod https;
mod identity;
mod lookup;
mod offer;
mod reflect;
mod response;
mod steered;
mod transfer;
mod worker;

use std::net::IpAddr;
use std::time::Duration;

pub use client::Client;
use exchange::Exchange;
use response::Response;
pub use transfer::Transfer;
pub use worker::{Rotation, Worker};

use crate::snapshot::Snapshot;
use crate::wire::{CLASS_CH, ExtendedError, InfoCode, Message, Query, Question, Rcode};

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

/// What became of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// So many octets were written.
    Reply {
        /// Of the message.
        length: usize,
        /// What it says.
        rcode: Rcode,
        /// What kind of response it is.
        class: ResponseClass,
        /// Whether the asker has shown by a cookie that the address is its own.
        has_valid_cookie: bool,
    },
    /// It is none that gets an answer.
    Silence,
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

impl ResponseClass {
    fn of(rcode: Rcode, header: &[u8]) -> Self {
        /// Where the number of answers stands (RFC 1035, section 4.1.1).
        const ANCOUNT: std::ops::Range<usize> = 6..8;
        match rcode {
            Rcode::NoError if header[ANCOUNT] == [0, 0] => Self::Empty,
            Rcode::NoError => Self::Answer,
            Rcode::NxDomain => Self::NxDomain,
            _ => Self::Error,
        }
    }
}

/// Answers one message at the time `now`, in Unix seconds. `out` holds at least [`MAX_PLAIN_UDP`](crate::wire::MAX_PLAIN_UDP)
/// octets, and [`MAX_MESSAGE`](crate::wire::MAX_MESSAGE) for streams.
pub fn answer(
    snapshot: &Snapshot,
    worker: &mut Worker,
    message: &[u8],
    asker: Asker,
    now: u64,
    out: &mut [u8],
) -> Outcome {
    let Some(query) = Query::parse(message) else { return Outcome::Silence };
    let exchange = Exchange::new(snapshot, &query, asker, now);
    let mut reply = exchange.reply(out);
    let (length, rcode) = match exchange.admit(&mut reply) {
        Err(rcode) => (reply.finish(rcode), rcode),
        Ok(question) if question.class == CLASS_CH => {
            let rcode = identity::answer(&snapshot.world().protocol.identity, question, &mut reply);
            (reply.finish(rcode), rcode)
        }
        Ok(question) => {
            let client = Client::find(&snapshot.world().ecs, exchange.client_subnet(), asker.address);
            resolve(snapshot, worker, question, &client, asker, reply)
        }
    };
    let has_valid_cookie = exchange.has_valid_cookie();
    Outcome::Reply { length, rcode, class: ResponseClass::of(rcode, out), has_valid_cookie }
}

/// Answers one message with nothing but TC: whoever asked may ask again over a stream. EDNS and cookies are answered as
/// ever, so that an asker who speaks of cookies has one the next time.
pub fn truncate(snapshot: &Snapshot, message: &[u8], asker: Asker, now: u64, out: &mut [u8]) -> Option<usize> {
    let query = Query::parse(message)?;
    let mut reply = Exchange::new(snapshot, &query, asker, now).reply(out);
    reply.set_truncated();
    Some(reply.finish(Rcode::NoError))
}

fn resolve(
    snapshot: &Snapshot,
    worker: &mut Worker,
    question: &Question<'_>,
    client: &Client,
    asker: Asker,
    mut reply: Message<'_>,
) -> (usize, Rcode) {
    let key = question.key();
    let Some(zone) = snapshot.authority(key, question.rtype) else {
        reply.explain(ExtendedError { code: InfoCode::NotAuthoritative, text: "no zone here holds this name" });
        return (reply.finish(Rcode::Refused), Rcode::Refused);
    };
    let response = Response { snapshot, worker, message: reply, rtype: question.rtype, client, asker };
    response.resolve(zone)
}
