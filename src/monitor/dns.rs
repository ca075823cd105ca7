//! A DNS question, and the answer to it.
//!
//! ```text
//!   udp: question ──► answer as expected ──► success
//!                     cut, and what is expected is not in it ──► the same over tcp
//! ```
//!
//! The socket is connected, so the kernel drops what comes from elsewhere. What is not a response with the question's ID
//! is passed over, for it may be a late answer to whoever had the port before; anything else is judged.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use domain::base::iana;
use hickory_proto::op::{Message, MessageType, OpCode, Query};
use hickory_proto::rr::{Name, RData, RecordType};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder, Restrict};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UdpSocket;

use super::{Budget, connect, failure};
use crate::health::{DnsCheck, DnsTransport, ExpectedRecord, Failure, Finding, Stage};
use crate::wire::MAX_UDP_PAYLOAD;

/// Asks the question and judges the answer.
pub(super) async fn probe(address: SocketAddr, check: &DnsCheck, budget: Budget) -> Result<Finding, Failure> {
    ask(address, check, budget).await?;
    Ok(Finding::full(budget.started.elapsed()))
}

async fn ask(address: SocketAddr, check: &DnsCheck, budget: Budget) -> Result<(), Failure> {
    let question = Question::new(check)?;
    if check.transport == DnsTransport::Udp {
        let answer = budget.within(Stage::Response, question.ask_over_udp(address)).await??;
        let verdict = judge(&answer, check);
        if !(answer.metadata.truncation && matches!(verdict, Err(Failure::Record(_)))) {
            return verdict;
        }
    }
    let (stream, _) = connect(address, budget).await?;
    let answer = budget.within(Stage::Response, question.ask_over_tcp(stream)).await??;
    judge(&answer, check)
}

/// A question with an ID of its own.
struct Question {
    query: Query,
    message: Vec<u8>,
}

impl Question {
    fn new(check: &DnsCheck) -> Result<Self, Failure> {
        let unsendable = |error: &dyn std::fmt::Display| Failure::Protocol(format!("cannot be asked: {error}"));
        let name = Name::from_bytes(&check.query).map_err(|error| unsendable(&error))?;
        let query = Query::query(name, check.qtype.into());
        // From the system: who could foretell the ID could answer in the endpoint's stead.
        let id = getrandom::u32().map_err(|error| unsendable(&error))? as u16;
        let mut message = Message::new(id, MessageType::Query, OpCode::Query);
        message.metadata.recursion_desired = check.recursion;
        message.add_query(query.clone());
        let message = message.to_vec().map_err(|error| unsendable(&error))?;
        Ok(Self { query, message })
    }

    async fn ask_over_udp(&self, address: SocketAddr) -> Result<Message, Failure> {
        let local: IpAddr = if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let failed = |error: std::io::Error| failure::from_io(&error, Stage::Response);
        let socket = UdpSocket::bind((local, 0)).await.map_err(failed)?;
        socket.connect(address).await.map_err(failed)?;
        socket.send(&self.message).await.map_err(failed)?;
        let mut datagram = [0; MAX_UDP_PAYLOAD as usize];
        loop {
            let length = socket.recv(&mut datagram).await.map_err(failed)?;
            if self.is_answered_by(&datagram[..length]) {
                return self.read(&datagram[..length]);
            }
        }
    }

    /// RFC 1035, section 4.2.2: "The message is prefixed with a two byte length field".
    async fn ask_over_tcp(&self, mut stream: tokio::net::TcpStream) -> Result<Message, Failure> {
        let failed = |error: std::io::Error| failure::from_io(&error, Stage::Response);
        // Length and message in one segment: there are those who read no further than that (RFC 7766, section 8).
        let framed = [&(self.message.len() as u16).to_be_bytes(), &self.message[..]].concat();
        stream.write_all(&framed).await.map_err(failed)?;
        let length = stream.read_u16().await.map_err(failed)?;
        let mut message = vec![0; length.into()];
        stream.read_exact(&mut message).await.map_err(failed)?;
        if !self.is_answered_by(&message) {
            return Err(Failure::Protocol("answered another message".to_owned()));
        }
        self.read(&message)
    }

    /// Whether this has the question's ID and calls itself a response.
    fn is_answered_by(&self, message: &[u8]) -> bool {
        const ID_LENGTH: usize = 2;
        const QR: u8 = 0x80;
        message.starts_with(&self.message[..ID_LENGTH]) && message.get(ID_LENGTH).is_some_and(|flags| flags & QR != 0)
    }

    fn read(&self, message: &[u8]) -> Result<Message, Failure> {
        let message = Message::from_vec(message).map_err(|error| Failure::Protocol(error.to_string()))?;
        // Who did not understand the question need not repeat it: the header alone is what some send.
        let is_repeated = match &message.queries[..] {
            [] => message.metadata.response_code != hickory_proto::op::ResponseCode::NoError,
            queries => queries == std::slice::from_ref(&self.query),
        };
        if is_repeated { Ok(message) } else { Err(Failure::Protocol("answered another question".to_owned())) }
    }
}

/// Whether the answer is as expected.
fn judge(answer: &Message, check: &DnsCheck) -> Result<(), Failure> {
    let rcode = answer.metadata.response_code.low();
    if !check.expect_rcode.contains(&rcode) {
        return Err(Failure::Rcode(iana::Rcode::masked_from_int(rcode).to_string()));
    }
    let rtype = RecordType::from(check.qtype);
    for ExpectedRecord { text, rdata } in &check.expect {
        let wanted = RData::read(&mut BinDecoder::new(rdata), rtype, Restrict::new(rdata.len() as u16));
        let wanted = wanted.map_err(|error| Failure::Protocol(format!("{text} cannot be looked for: {error}")))?;
        if !answer.answers.iter().any(|record| record.data == wanted) {
            return Err(Failure::Record(text.to_string()));
        }
    }
    Ok(())
}
