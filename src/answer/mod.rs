//! From a query to its answer.
//!
//! [`answer`] is a function of the snapshot, the query, the asker and a little state of the worker that asks: it takes no
//! lock, allocates nothing, reads no clock and writes no log. It follows RFC 1034, section 4.3.2; what that algorithm
//! would find out on its way down the tree stands at the tree's nodes already.

mod chain;
mod client;
mod reflect;
mod response;
mod steered;
mod worker;

use std::net::IpAddr;

pub use client::Client;
use response::Response;
pub use worker::{Rotation, Worker};

use crate::snapshot::Snapshot;
use crate::wire::{CLASS_IN, MAX_MESSAGE, MAX_PLAIN_UDP, Message, Query, Question, Rcode, Rtype, UDP_PAYLOAD};

/// Who asks, and by which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asker {
    /// The packet's source.
    pub address: IpAddr,
    /// What carries the answer.
    pub transport: Transport,
}

/// What carries a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A datagram: answers that do not fit are truncated.
    Udp,
    /// A stream: answers are as long as they like.
    Tcp,
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
    },
    /// It is none that gets an answer.
    Silence,
}

const OPCODE_QUERY: u8 = 0;

/// Answers one message. `out` holds at least [`MAX_PLAIN_UDP`] octets, and for TCP [`MAX_MESSAGE`].
pub fn answer(snapshot: &Snapshot, worker: &mut Worker, message: &[u8], asker: Asker, out: &mut [u8]) -> Outcome {
    let Some(query) = Query::parse(message) else { return Outcome::Silence };
    let mut reply = Message::begin(out, limit(&query, asker.transport), &query);
    let checked = check(&query, &mut reply, snapshot.world().ecs.enabled);
    let (length, rcode) = match (checked, &query.question) {
        (Err(rcode), _) => (reply.finish(rcode), rcode),
        (Ok(()), Err(_)) => (reply.finish(Rcode::FormErr), Rcode::FormErr),
        (Ok(()), Ok(question)) => {
            let subnet = query.edns.ok().flatten().and_then(|edns| edns.client_subnet.ok().flatten());
            let client = Client::find(&snapshot.world().ecs, subnet.as_ref(), asker.address);
            resolve(snapshot, worker, question, &client, asker, reply)
        }
    };
    Outcome::Reply { length, rcode }
}

/// Octets that the answer may have.
fn limit(query: &Query<'_>, transport: Transport) -> usize {
    match (transport, &query.edns) {
        (Transport::Tcp, _) => MAX_MESSAGE,
        // RFC 6891, section 6.2.3: values below 512 are treated as 512.
        (Transport::Udp, Ok(Some(edns))) => usize::from(edns.payload.min(UDP_PAYLOAD)).max(MAX_PLAIN_UDP),
        (Transport::Udp, _) => MAX_PLAIN_UDP,
    }
}

/// Whether a query is one that a zone can answer; otherwise the code that says why not.
fn check<'a>(query: &Query<'a>, reply: &mut Message<'a>, use_ecs: bool) -> Result<(), Rcode> {
    let mut malformed_option = false;
    if let Ok(Some(edns)) = query.edns {
        // RFC 6891, section 6.1.1: who is asked with an OPT record answers with one.
        reply.speak_edns(edns.client_subnet.ok().flatten().filter(|_| use_ecs));
        // Section 6.1.3: a version that is not implemented is answered with BADVERS, whatever else there is.
        if edns.version > 0 {
            return Err(Rcode::BadVers);
        }
        malformed_option = edns.client_subnet.is_err();
    }
    if query.opcode != OPCODE_QUERY {
        return Err(Rcode::NotImp);
    }
    let question = query.question.as_ref().map_err(|_| Rcode::FormErr)?;
    if query.edns.is_err() || malformed_option {
        return Err(Rcode::FormErr);
    }
    let is_transfer = matches!(question.rtype, Rtype::AXFR | Rtype::IXFR);
    if question.class != CLASS_IN || is_transfer {
        return Err(Rcode::Refused);
    }
    Ok(())
}

fn resolve(
    snapshot: &Snapshot,
    worker: &mut Worker,
    question: &Question<'_>,
    client: &Client,
    asker: Asker,
    reply: Message<'_>,
) -> (usize, Rcode) {
    let key = question.key();
    let Some(zone) = snapshot.authority(key, question.rtype) else {
        return (reply.finish(Rcode::Refused), Rcode::Refused);
    };
    let response = Response { snapshot, worker, message: reply, rtype: question.rtype, client, asker };
    response.resolve(zone)
}
