//! A recursive server of the tests' own, whose answers they change.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::thread;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::{RData, Record, RecordType};

/// A recursive server that answers A questions from a table. A name that is not in it gets SERVFAIL.
pub(crate) struct Recursive {
    pub(crate) address: SocketAddr,
    table: Arc<Mutex<HashMap<String, IpAddr>>>,
}

impl Recursive {
    pub(crate) fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let (address, table) = (socket.local_addr().expect("bound"), Arc::<Mutex<HashMap<String, IpAddr>>>::default());
        let known = table.clone();
        thread::spawn(move || {
            let mut datagram = [0; 1500];
            while let Ok((length, from)) = socket.recv_from(&mut datagram) {
                let Ok(query) = Message::from_vec(&datagram[..length]) else { continue };
                let question = query.queries[0].clone();
                let mut reply = Message::response(query.metadata.id, query.metadata.op_code);
                reply.metadata.recursion_available = true;
                reply.add_query(question.clone());
                match known.lock().unwrap().get(&question.name().to_string()) {
                    Some(_) if question.query_type() != RecordType::A => {}
                    Some(IpAddr::V4(address)) => {
                        let data = RData::A(A(*address));
                        _ = reply.add_answer(Record::from_rdata(question.name().clone(), 1, data));
                    }
                    _ => reply.metadata.response_code = ResponseCode::ServFail,
                }
                let _ = socket.send_to(&reply.to_vec().expect("a small message"), from);
            }
        });
        Self { address, table }
    }

    /// Gives a name with a final dot an address, or takes it away.
    pub(crate) fn set(&self, name: &str, address: Option<IpAddr>) {
        let mut table = self.table.lock().unwrap();
        match address {
            Some(address) => _ = table.insert(name.to_owned(), address),
            None => _ = table.remove(name),
        }
    }
}
