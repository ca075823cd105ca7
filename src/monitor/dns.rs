//! A DNS question, and the judgement of the response.
//!
//! ```text
//!   udp: question ──► truncated (TC)? ──► the same over tcp
//!                    └─ no ──► the right question? ──► code ──► the records that are expected
//! ```
//!
//! The socket is connected, so the kernel drops datagrams from other addresses. A datagram that is not a response with
//! the question's ID is ignored: it may be a late answer to an earlier user of the port. Any other datagram is judged.
//! A message is parsed no further than necessary: records of other types and of other sections, broken or not, say
//! nothing about the endpoint.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use domain::base::iana::{Class, Rcode, Rtype};
use domain::base::rdata::{ComposeRecordData, ParseAnyRecordData};
use domain::base::{Message, MessageBuilder, Name, ParsedName, Question};
use domain::dep::octseq::Parser;
use domain::rdata::AllRecordData;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UdpSocket;

use super::meter::{Meter, Unit};
use super::wire::Wire;
use super::{Budget, failure};
use crate::health::{DnsCheck, DnsTransport, ExpectedRecord, Failure, Finding, Stage};
use crate::wire::MAX_UDP_PAYLOAD;

/// Sends the question and judges the response.
pub(super) async fn probe(address: SocketAddr, check: &DnsCheck, budget: Budget) -> Result<Finding, Failure> {
    ask(address, check, budget).await?;
    Ok(Finding::full(budget.started.elapsed()))
}

async fn ask(address: SocketAddr, check: &DnsCheck, budget: Budget) -> Result<(), Failure> {
    let query = Query::new(check)?;
    if check.transport == DnsTransport::Udp {
        let answer = budget.within(Stage::Response, query.ask_over_udp(address)).await??;
        // RFC 2181 section 9: "When a DNS client receives a reply with TC set, it should ignore that response, and query
        // again, using a mechanism, such as a TCP connection, that will permit larger replies."
        if !answer.header().tc() {
            return query.judge(&answer, check);
        }
    }
    let (wire, _) = Wire::connect(address, budget).await?;
    let answer = budget.within(Stage::Response, query.ask_over_tcp(wire)).await??;
    query.judge(&answer, check)
}

/// A question with its own ID.
struct Query {
    question: Question<Name<Vec<u8>>>,
    message: Vec<u8>,
}

impl Query {
    fn new(check: &DnsCheck) -> Result<Self, Failure> {
        let unsendable =
            |error: &dyn std::fmt::Display| Failure::Protocol(format!("the question cannot be sent: {error}"));
        let name = Name::from_octets(check.query.to_vec()).map_err(|error| unsendable(&error))?;
        let question = Question::new(name, Rtype::from_int(check.qtype), Class::IN);
        // The ID comes from the system's random numbers: an attacker who could predict it could answer in place of the
        // endpoint.
        let id = getrandom::u32().map_err(|error| unsendable(&error))? as u16;
        let mut builder = MessageBuilder::new_vec();
        builder.header_mut().set_id(id);
        builder.header_mut().set_rd(check.recursion);
        let mut builder = builder.question();
        builder.push(&question).map_err(|error| unsendable(&error))?;
        Ok(Self { question, message: builder.finish() })
    }

    async fn ask_over_udp(&self, address: SocketAddr) -> Result<Message<Vec<u8>>, Failure> {
        let local: IpAddr = if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let failed = |error: std::io::Error| failure::from_io(&error, Stage::Response);
        let socket = UdpSocket::bind((local, 0)).await.map_err(failed)?;
        socket.connect(address).await.map_err(failed)?;
        socket.send(&self.message).await.map_err(failed)?;
        let meter = Meter::default();
        let mut datagram = [0; MAX_UDP_PAYLOAD as usize];
        loop {
            let length = socket.recv(&mut datagram).await.map_err(failed)?;
            meter.count(Unit::Piece, 1).map_err(failed)?;
            if self.is_answered_by(&datagram[..length]) {
                return read(&datagram[..length]);
            }
        }
    }

    /// RFC 1035, section 4.2.2: "The message is prefixed with a two byte length field".
    async fn ask_over_tcp(&self, mut wire: Wire) -> Result<Message<Vec<u8>>, Failure> {
        let failed = |error: std::io::Error| failure::from_io(&error, Stage::Response);
        // Length and message in one segment: some servers read no further than the first segment (RFC 7766, section 8).
        let framed = [&(self.message.len() as u16).to_be_bytes(), &self.message[..]].concat();
        wire.write_all(&framed).await.map_err(failed)?;
        let length = wire.read_u16().await.map_err(failed)?;
        let mut message = vec![0; length.into()];
        wire.read_exact(&mut message).await.map_err(failed)?;
        if !self.is_answered_by(&message) {
            return Err(Failure::Protocol("the answer has another ID than the question".to_owned()));
        }
        read(&message)
    }

    /// True if the message has the question's ID and is a response.
    fn is_answered_by(&self, message: &[u8]) -> bool {
        const ID_LENGTH: usize = 2;
        const QR: u8 = 0x80;
        message.starts_with(&self.message[..ID_LENGTH]) && message.get(ID_LENGTH).is_some_and(|flags| flags & QR != 0)
    }

    /// `Ok` if the response is as expected, otherwise the reason.
    fn judge(&self, answer: &Message<Vec<u8>>, check: &DnsCheck) -> Result<(), Failure> {
        let rcode = answer.header().rcode();
        if !self.is_repeated_in(answer, rcode) {
            return Err(Failure::Protocol("the answer repeats another question".to_owned()));
        }
        if !check.expect_rcode.contains(&rcode.to_int()) {
            return Err(Failure::Rcode(rcode.to_string()));
        }
        let found = self.records(answer).ok_or_else(|| Failure::Protocol("the answer section is broken".to_owned()))?;
        for ExpectedRecord { text, rdata } in &check.expect {
            let wanted = canonical(self.question.qtype(), rdata);
            let wanted = wanted.ok_or_else(|| Failure::Protocol(format!("{text} cannot be looked for")))?;
            if !found.contains(&wanted) {
                return Err(Failure::Record(text.to_string()));
            }
        }
        Ok(())
    }

    fn is_repeated_in(&self, answer: &Message<Vec<u8>>, rcode: Rcode) -> bool {
        // A server that did not understand the question need not repeat it: some send only the header.
        if answer.header_counts().qdcount() == 0 {
            return rcode != Rcode::NOERROR;
        }
        answer.sole_question().is_ok_and(|question| question == self.question)
    }

    /// The RDATA of the records of the asked type in the answer section; `None` if that section is malformed.
    fn records(&self, answer: &Message<Vec<u8>>) -> Option<Vec<Vec<u8>>> {
        let mut found = Vec::new();
        for record in answer.answer().ok()? {
            let record = record.ok()?;
            if record.rtype() == self.question.qtype() && record.class() == Class::IN {
                let record = record.to_any_record::<AllRecordData<_, _>>().ok();
                found.extend(record.and_then(|record| octets(record.data())));
            }
        }
        Some(found)
    }
}

fn read(message: &[u8]) -> Result<Message<Vec<u8>>, Failure> {
    Message::from_octets(message.to_vec()).map_err(|_| Failure::Protocol("the answer is no DNS message".to_owned()))
}

/// The canonical form of RDATA in wire format; `None` if it is invalid for this type.
fn canonical(rtype: Rtype, rdata: &[u8]) -> Option<Vec<u8>> {
    let mut parser = Parser::from_ref(rdata);
    octets(&AllRecordData::<&[u8], ParsedName<&[u8]>>::parse_any_rdata(rtype, &mut parser).ok()?)
}

/// RDATA in canonical form: names in it are uncompressed and in lower case (RFC 4034 section 6.2).
fn octets(data: &impl ComposeRecordData) -> Option<Vec<u8>> {
    let mut octets = Vec::new();
    data.compose_canonical_rdata(&mut octets).ok()?;
    Some(octets)
}
