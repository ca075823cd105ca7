//! hickory-server inside this process: another implementation in Rust, asked over a socket like the other peers.

use std::net::Ipv4Addr;
use std::sync::Arc;

use hickory_proto::rr::rdata::NULL;
use hickory_proto::rr::{LowerName, Name, RData, Record, RecordType};
use hickory_proto::serialize::binary::BinEncodable;
use hickory_proto::serialize::txt::Parser;
use hickory_server::Server;
use hickory_server::store::in_memory::InMemoryZoneHandler;
use hickory_server::zone_handler::{AxfrPolicy, Catalog, ZoneHandler, ZoneType};
use tokio::net::UdpSocket;
use tokio::runtime::{Builder, Runtime};

use crate::zones::Zone;

/// The number of its type (RFC 6672, section 2.1).
const DNAME: u16 = 39;

/// The number of its type (RFC 4034, section 5).
const DS: u16 = 43;

/// A server that runs until it is dropped.
pub(crate) struct Hickory {
    /// Runs the tasks that receive and answer, until it is dropped.
    runtime: Runtime,
    server: Server<Catalog>,
    port: u16,
}

impl Hickory {
    /// Serves the zones over UDP.
    pub(crate) fn start(zones: &[Zone]) -> Self {
        let mut catalog = Catalog::new();
        for zone in zones {
            let handler: Arc<dyn ZoneHandler> = Arc::new(load(zone));
            catalog.upsert(LowerName::new(&name(&zone.origin)), vec![handler]);
        }
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let inside = runtime.enter();
        let socket = runtime.block_on(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let port = socket.local_addr().unwrap().port();
        let mut server = Server::new(catalog);
        server.register_socket(socket);
        drop(inside);
        Self { runtime, server, port }
    }

    /// Returns the address where it listens, on loopback.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Hickory {
    /// Lets the server finish its answers.
    fn drop(&mut self) {
        // An error could only concern its socket, which closes now.
        let _ = self.runtime.block_on(self.server.shutdown_gracefully());
    }
}

fn name(text: &str) -> Name {
    Name::from_ascii(format!("{}.", text.trim_end_matches('.'))).unwrap()
}

/// Loads a zone. hickory-server's own parser reads the types that it knows; other records are passed as octets.
fn load(zone: &Zone) -> InMemoryZoneHandler {
    let mut text = String::new();
    let mut opaque = Vec::new();
    for line in zone.text.lines() {
        match opaque_record(line) {
            Some(record) => opaque.push(record),
            None => text.extend([line, "\n"]),
        }
    }
    let origin = name(&zone.origin);
    let (_, records) = Parser::new(text, None, Some(origin.clone())).parse().unwrap();
    let mut handler = InMemoryZoneHandler::new(origin, records, ZoneType::Primary, AxfrPolicy::Deny).unwrap();
    for record in opaque {
        let shown = record.to_string();
        assert!(handler.upsert_mut(record, 0), "{shown} is not taken");
    }
    handler
}

/// The record of a line whose type its parser does not read.
fn opaque_record(line: &str) -> Option<Record> {
    let words: Vec<&str> = line.split(' ').collect();
    let (code, octets) = match words[2..] {
        ["DNAME", target] => (DNAME, name(target).to_bytes().unwrap()),
        ["DS", tag, algorithm, digest_type, digest] => {
            let mut octets = tag.parse::<u16>().unwrap().to_be_bytes().to_vec();
            octets.extend([algorithm, digest_type].map(|number| number.parse::<u8>().unwrap()));
            octets.extend(octets_of(digest));
            (DS, octets)
        }
        // RFC 3597, section 5.
        [rtype, "\\#", _length, octets] => (rtype.trim_start_matches("TYPE").parse().unwrap(), octets_of(octets)),
        _ => return None,
    };
    let data = RData::Unknown { code: RecordType::from(code), rdata: NULL::with(octets) };
    Some(Record::from_rdata(name(words[0]), words[1].parse().unwrap(), data))
}

fn octets_of(hex: &str) -> Vec<u8> {
    data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap()
}
