//! `/healthz`: the node queries itself as a resolver would, over UDP and TCP at each of its addresses. It fails if the
//! node does not answer, or if control has ended, so that answers would be out of date. An anycast speaker can withdraw
//! its route then. Endpoints that are down do not matter here, because steering handles them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use hickory_proto::rr::{Name, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::AppState;
use super::refusal::json;
use crate::answer::Transport;
use crate::report::{self, SelfCheck};

/// Maximum time of one query and its answer.
const EXCHANGE: Duration = Duration::from_millis(500);

/// Number of attempts over a transport before the check fails. Under load, datagrams can get lost, and a machine can be paused
/// for a moment: a node that is withdrawn for that is missed longer.
const ATTEMPTS: usize = 3;

/// How long a result is reused, so that frequent requests do not cost the node much.
const FRESH: Duration = Duration::from_secs(1);

/// Length of a client cookie in octets (RFC 7873, section 4.1).
const CLIENT_COOKIE: usize = 8;

/// Maximum length of an answer in octets.
const MAX_ANSWER: usize = 65_535;

/// The addresses that are queried, and their last results.
#[derive(Debug)]
pub(super) struct SelfChecks {
    addresses: Vec<Arc<Address>>,
    last: tokio::sync::Mutex<Option<(Instant, Vec<String>)>>,
}

/// An address that answers DNS.
#[derive(Debug)]
struct Address {
    /// The address as a client on this machine reaches it.
    address: SocketAddr,
    /// The COOKIE option of the next query. Rate limiting exempts clients with a valid cookie.
    cookie: Mutex<Vec<u8>>,
}

impl SelfChecks {
    pub(super) fn new(addresses: Vec<SocketAddr>) -> Self {
        let address = |listening: SocketAddr| {
            let ip = match listening.ip() {
                IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
                IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
                ip => ip,
            };
            let cookie = Mutex::new(fastrand::u64(..).to_be_bytes().to_vec());
            Arc::new(Address { address: (ip, listening.port()).into(), cookie })
        };
        Self { addresses: addresses.into_iter().map(address).collect(), last: tokio::sync::Mutex::default() }
    }

    /// Returns the failures of a check that is at most [`FRESH`] old. Concurrent callers wait for the same result.
    async fn failures(&self, apex: Option<Name>) -> Vec<String> {
        let mut last = self.last.lock().await;
        if let Some((at, failures)) = &*last
            && at.elapsed() < FRESH
        {
            return failures.clone();
        }
        let failures = match apex {
            None => vec!["no zone is served".to_owned()],
            Some(apex) => self.ask_all(&apex).await,
        };
        *last = Some((Instant::now(), failures.clone()));
        failures
    }

    async fn ask_all(&self, apex: &Name) -> Vec<String> {
        let mut asking = JoinSet::new();
        for address in &self.addresses {
            for transport in [Transport::Udp, Transport::Tcp] {
                let (address, apex) = (address.clone(), apex.clone());
                asking.spawn(async move { address.ask(&apex, transport).await });
            }
        }
        let mut failures: Vec<String> = asking.join_all().await.into_iter().filter_map(Result::err).collect();
        failures.sort_unstable();
        failures
    }
}

impl Address {
    /// Asks over UDP or TCP until an answer is right. Fails with the address, the transport, and the reason why the last one is wrong.
    async fn ask(&self, apex: &Name, transport: Transport) -> Result<(), String> {
        let mut verdict = Ok(());
        for _ in 0..ATTEMPTS {
            let query = self.query(apex);
            let exchanged = if transport.is_stream() {
                timeout(EXCHANGE, self.exchange_tcp(&query)).await
            } else {
                timeout(EXCHANGE, self.exchange_udp(&query)).await
            };
            verdict = match exchanged {
                Ok(Ok(reply)) => self.judge(&reply, apex),
                Ok(Err(error)) => Err(error.to_string()),
                Err(_) => Err("no answer".to_owned()),
            };
            if verdict.is_ok() {
                break;
            }
        }
        verdict.map_err(|why| format!("{} over {}: {why}", self.address, transport.as_str()))
    }

    fn query(&self, apex: &Name) -> Message {
        let mut message = Message::new(fastrand::u16(..), MessageType::Query, OpCode::Query);
        message.add_query(Query::query(apex.clone(), RecordType::SOA));
        let mut edns = Edns::new();
        let cookie = self.cookie.lock().unwrap_or_else(PoisonError::into_inner).clone();
        edns.options_mut().insert(EdnsOption::Unknown(EdnsCode::Cookie.into(), cookie));
        message.set_edns(edns);
        message
    }

    async fn exchange_udp(&self, query: &Message) -> std::io::Result<Message> {
        let any: IpAddr =
            if self.address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let socket = UdpSocket::bind((any, 0)).await?;
        socket.connect(self.address).await?;
        socket.send(&encode(query)?).await?;
        let mut octets = vec![0; MAX_ANSWER];
        loop {
            let length = socket.recv(&mut octets).await?;
            if let Ok(reply) = Message::from_vec(&octets[..length])
                && reply.metadata.id == query.metadata.id
            {
                return Ok(reply);
            }
        }
    }

    async fn exchange_tcp(&self, query: &Message) -> std::io::Result<Message> {
        let mut stream = TcpStream::connect(self.address).await?;
        let query = encode(query)?;
        stream.write_all(&[&(query.len() as u16).to_be_bytes()[..], &query].concat()).await?;
        let length = stream.read_u16().await?;
        let mut octets = vec![0; length.into()];
        stream.read_exact(&mut octets).await?;
        Message::from_vec(&octets).map_err(std::io::Error::other)
    }

    /// Checks an answer, and keeps its cookie for the next query. Fails with the reason why the answer is wrong.
    fn judge(&self, reply: &Message, apex: &Name) -> Result<(), String> {
        let cookie = reply.edns.as_ref().and_then(|edns| edns.option(EdnsCode::Cookie));
        if let Some(EdnsOption::Unknown(_, octets)) = cookie {
            let mut ours = self.cookie.lock().unwrap_or_else(PoisonError::into_inner);
            if octets.get(..CLIENT_COOKIE) == ours.get(..CLIENT_COOKIE) {
                ours.clone_from(octets);
            }
        }
        let code = reply.metadata.response_code;
        if code != ResponseCode::NoError {
            return Err(format!("answers {code}"));
        }
        let is_soa =
            |record: &hickory_proto::rr::Record| record.record_type() == RecordType::SOA && record.name == *apex;
        if !reply.metadata.authoritative || !reply.answers.iter().any(is_soa) {
            return Err(format!("answers without the SOA of {apex}"));
        }
        Ok(())
    }
}

fn encode(query: &Message) -> std::io::Result<Vec<u8>> {
    query.to_vec().map_err(std::io::Error::other)
}

/// `GET /healthz`.
pub(super) async fn get(State(app): State<Arc<AppState>>) -> Response {
    let apex = {
        let snapshot = app.published.load();
        let apex = snapshot.zones().first().map(|served| served.zone.apex().to_string());
        apex.and_then(|apex| Name::from_ascii(apex).ok())
    };
    let mut failed = app.self_checks.failures(apex).await;
    failed.extend(app.control.ailment());
    let ok = failed.is_empty();
    let status = if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    json(status, report::to_json(&SelfCheck { ok, failed }))
}

#[cfg(test)]
mod tests {
    use hickory_proto::rr::rdata::SOA;
    use hickory_proto::rr::{RData, Record};
    use tokio::net::TcpListener;

    use super::*;

    /// Answers as the server of a zone does, but closes the first connections.
    async fn serve(listener: TcpListener, closed: usize) {
        let mut accepted = 0;
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            accepted += 1;
            if accepted <= closed {
                continue;
            }
            let mut octets = vec![0; stream.read_u16().await.unwrap().into()];
            stream.read_exact(&mut octets).await.unwrap();
            let mut reply = Message::from_vec(&octets).unwrap();
            reply.metadata.message_type = MessageType::Response;
            reply.metadata.authoritative = true;
            let apex = reply.queries[0].name().clone();
            let soa = SOA::new(apex.clone(), apex.clone(), 1, 2, 3, 4, 5);
            reply.add_answer(Record::from_rdata(apex, 60, RData::SOA(soa)));
            let reply = reply.to_vec().unwrap();
            stream.write_all(&[&(reply.len() as u16).to_be_bytes()[..], &reply].concat()).await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_node_is_ill_if_no_attempt_is_answered() {
        let apex = Name::from_ascii("example.com.").unwrap();
        for (closed, is_well) in [(0, true), (ATTEMPTS - 1, true), (ATTEMPTS, false)] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let server = tokio::spawn(serve(listener, closed));
            let checked = Address { address, cookie: Mutex::new(vec![0; CLIENT_COOKIE]) };
            let verdict = checked.ask(&apex, Transport::Tcp).await;
            assert_eq!(verdict.is_ok(), is_well, "{closed} closed: {verdict:?}");
            server.abort();
        }
    }
}
