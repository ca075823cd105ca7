//! A client for many questions: hickory-proto over one UDP socket, a question at a time.

use std::io::ErrorKind;
use std::net::IpAddr;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query};
use hickory_proto::rr::rdata::opt::{ClientSubnet, EdnsCode, EdnsOption};
use hickory_proto::rr::{Name, RData, RecordType};
use ipnet::IpNet;

/// Maximum time of an answer on a busy machine; nothing is lost on loopback.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Maximum length of a datagram in octets.
const MAX_DATAGRAM: usize = 65_535;

/// A client with a socket.
pub(crate) struct Asker {
    socket: UdpSocket,
    id: u16,
}

impl Asker {
    /// A new socket, from whatever port the kernel chooses.
    pub(crate) fn new(node: SocketAddr) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has free ports");
        socket.connect(node).expect("loopback is there");
        socket.set_read_timeout(Some(TIMEOUT)).expect("the time-out is above 0");
        Self { socket, id: 0 }
    }

    /// Asks with the client's network in a Client Subnet option.
    #[track_caller]
    pub(crate) fn ask(&mut self, name: &str, rtype: RecordType, subnet: Option<IpNet>) -> Message {
        match self.try_ask(name, rtype, subnet) {
            Some(reply) => reply,
            None => panic!("no answer for {name} {rtype} within {TIMEOUT:?}"),
        }
    }

    /// Does the same; `None` if no answer came in time or no process listens.
    pub(crate) fn try_ask(&mut self, name: &str, rtype: RecordType, subnet: Option<IpNet>) -> Option<Message> {
        self.id = self.id.wrapping_add(1);
        self.send(&query(self.id, name, rtype, subnet)).then_some(())?;
        loop {
            let reply = Message::from_vec(&self.receive()?).expect("what comes back is a message");
            // A late answer to an earlier question is skipped.
            if reply.metadata.id == self.id {
                return Some(reply);
            }
        }
    }

    /// Sends this cookie, the client's 8 octets or a whole cookie. Returns the cookie in the response.
    #[track_caller]
    pub(crate) fn ask_with_cookie(&mut self, name: &str, cookie: &[u8]) -> Vec<u8> {
        assert!(self.send(&query_with_cookie(0, name, cookie)));
        let reply = Message::from_vec(&self.receive().expect("an answer")).expect("what comes back is a message");
        match reply.edns.as_ref().and_then(|edns| edns.option(EdnsCode::Cookie)) {
            Some(EdnsOption::Unknown(_, octets)) => octets.clone(),
            other => panic!("a cookie, not {other:?}"),
        }
    }

    /// Waits for datagrams no longer than this from now on.
    pub(crate) fn wait_at_most(&self, time: Duration) {
        self.socket.set_read_timeout(Some(time)).expect("the time-out is above 0");
    }

    /// Sends octets as they are. Returns false if that failed.
    pub(crate) fn send(&self, octets: &[u8]) -> bool {
        // An error means that an earlier datagram was refused.
        self.socket.send(octets).is_ok()
    }

    /// The next datagram; `None` if none came in time.
    pub(crate) fn receive(&self) -> Option<Vec<u8>> {
        let mut octets = vec![0; MAX_DATAGRAM];
        match self.socket.recv(&mut octets) {
            Ok(length) => {
                octets.truncate(length);
                Some(octets)
            }
            // If this process was stopped for a moment, as on a busy or paused machine, the wait begins again.
            Err(error) if error.kind() == ErrorKind::Interrupted => self.receive(),
            Err(error) => {
                let expected = [ErrorKind::WouldBlock, ErrorKind::TimedOut, ErrorKind::ConnectionRefused];
                assert!(expected.contains(&error.kind()), "{error}");
                None
            }
        }
    }
}

/// A query for A with a COOKIE option (RFC 7873).
pub(crate) fn query_with_cookie(id: u16, name: &str, cookie: &[u8]) -> Vec<u8> {
    let mut message = Message::new(id, MessageType::Query, OpCode::Query);
    message.add_query(Query::query(Name::from_ascii(name).expect("a name"), RecordType::A));
    let mut edns = Edns::new();
    edns.options_mut().insert(EdnsOption::Unknown(EdnsCode::Cookie.into(), cookie.to_vec()));
    message.set_edns(edns);
    message.to_vec().expect("a question fits into a message")
}

/// A query in wire format.
pub(crate) fn query(id: u16, name: &str, rtype: RecordType, subnet: Option<IpNet>) -> Vec<u8> {
    let mut message = Message::new(id, MessageType::Query, OpCode::Query);
    message.add_query(Query::query(Name::from_ascii(name).expect("a name"), rtype));
    if let Some(subnet) = subnet {
        let mut edns = Edns::new();
        let subnet = ClientSubnet::new(subnet.network(), subnet.prefix_len(), 0);
        edns.options_mut().insert(EdnsOption::Subnet(subnet));
        message.set_edns(edns);
    }
    message.to_vec().expect("a question fits into a message")
}

/// The addresses of an answer, in order.
pub(crate) fn addresses(reply: &Message) -> Vec<IpAddr> {
    let address = |data: &RData| match data {
        RData::A(a) => Some(IpAddr::V4(a.0)),
        RData::AAAA(aaaa) => Some(IpAddr::V6(aaaa.0)),
        _ => None,
    };
    reply.answers.iter().filter_map(|record| address(&record.data)).collect()
}

/// The TTL of an answer, or of the SOA of a negative one.
pub(crate) fn ttl(reply: &Message) -> Option<u32> {
    reply.answers.iter().chain(&reply.authorities).map(|record| record.ttl).min()
}

/// The scope prefix length.
pub(crate) fn scope(reply: &Message) -> Option<u8> {
    match reply.edns.as_ref()?.option(EdnsCode::Subnet)? {
        EdnsOption::Subnet(subnet) => Some(subnet.scope_prefix()),
        _ => None,
    }
}
