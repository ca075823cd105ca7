//! Asks the nameservers of a parent zone for the DS records of a zone.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name as ProtoName, RecordType};
use hickory_proto::serialize::binary::BinEncodable;

use crate::config::ParentSettings;
use crate::dnssec::{Held, ZoneKeys};
use crate::name::Name;

/// Time for one nameserver to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks all nameservers of the parent, one after the other. Returns the DS records that each of them holds. Fails with the
/// reason if one of them does not answer: it might hold others.
pub(in crate::cli) fn ask(parent: &ParentSettings) -> Result<Vec<Held>, String> {
    let ask = |&server: &SocketAddr| {
        ask_one(server, &parent.zone)
            .map_err(|why| format!("{server} does not tell the DS records of {}: {why}", parent.zone))
    };
    parent.servers.iter().map(ask).collect()
}

/// Returns the tag of the key that all nameservers agree on, and the greatest TTL of the DS records in seconds; `None` if
/// the parent has not done yet what the zone waits for.
pub(in crate::cli) fn agreed(keys: &ZoneKeys, held: &[Held]) -> Option<(u16, u64)> {
    let tag = keys.awaited_ds(held)?;
    Some((tag, held.iter().map(|held| held.ttl.into()).max().unwrap_or_default()))
}

/// Asks over TCP (RFC 7766), which nobody can forge without seeing the connection.
fn ask_one(server: SocketAddr, zone: &Name) -> Result<Held, String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let name = ProtoName::from_ascii(zone.to_string()).map_err(|error| text(&error))?;
    let id = fastrand::u16(..);
    let mut query = Message::new(id, MessageType::Query, OpCode::Query);
    query.add_query(Query::query(name.clone(), RecordType::DS));
    let query = query.to_vec().map_err(|error| text(&error))?;
    let reply = exchange(server, &query).map_err(|error| text(&error))?;
    let reply = Message::from_vec(&reply).map_err(|error| text(&error))?;
    if reply.metadata.id != id || !reply.metadata.authoritative || reply.metadata.response_code != ResponseCode::NoError
    {
        return Err(format!("it answers {}, and not as one of the parent's nameservers", reply.metadata.response_code));
    }
    let mut held = Held::default();
    for record in reply.answers.iter().filter(|record| record.record_type() == RecordType::DS && record.name == name) {
        held.rdata.push(record.data.to_bytes().map_err(|error| text(&error))?);
        held.ttl = held.ttl.max(record.ttl);
    }
    Ok(held)
}

fn exchange(server: SocketAddr, query: &[u8]) -> std::io::Result<Vec<u8>> {
    let end = Instant::now() + PATIENCE;
    let mut stream = TcpStream::connect_timeout(&server, PATIENCE)?;
    let left = || end.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
    stream.set_write_timeout(Some(left()))?;
    stream.write_all(&[&(query.len() as u16).to_be_bytes(), query].concat())?;
    stream.set_read_timeout(Some(left()))?;
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut reply = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.set_read_timeout(Some(left()))?;
    stream.read_exact(&mut reply)?;
    Ok(reply)
}
