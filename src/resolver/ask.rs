//! Asks servers one after the other: over UDP, and over TCP if an answer is truncated.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use domain::base::iana::Rtype;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use super::ResolveError;
use super::query::{Found, Query};

/// The time in which a server has to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often all servers are asked.
const ROUNDS: usize = 2;

/// Largest datagram that is read.
const MAX_DATAGRAM: usize = 4096;

/// Asks the servers until one of them answers. A server that fails to answer for the name says nothing about it, so the
/// next one is asked.
pub(super) async fn ask(servers: &[SocketAddr], name: &str, rtype: Rtype) -> Result<Found, ResolveError> {
    let mut last = ResolveError::TimedOut;
    for _ in 0..ROUNDS {
        for &server in servers {
            match timeout(PATIENCE, ask_one(server, name, rtype)).await {
                Ok(Ok(found)) => return Ok(found),
                Ok(Err(why)) if is_final(&why) => return Err(why),
                Ok(Err(why)) => last = why,
                Err(_) => {}
            }
        }
    }
    Err(last)
}

/// True if another server would say the same.
fn is_final(why: &ResolveError) -> bool {
    match why {
        ResolveError::BadName(_) | ResolveError::NoData => true,
        ResolveError::Rcode(code) => code == "NXDOMAIN",
        ResolveError::TimedOut | ResolveError::Malformed | ResolveError::Io(_) => false,
    }
}

async fn ask_one(server: SocketAddr, name: &str, rtype: Rtype) -> Result<Found, ResolveError> {
    // Whoever could predict the ID could answer in the server's place (RFC 5452, section 9.1).
    let id = getrandom::u32().map_err(|error| ResolveError::Io(error.to_string()))? as u16;
    let query = Query::new(name, rtype, id)?;
    let over_udp = ask_over_udp(server, &query).await.map_err(io)?;
    if let Some(found) = query.read(&over_udp)? {
        return Ok(found);
    }
    let over_tcp = ask_over_tcp(server, &query).await.map_err(io)?;
    if !query.is_answered_by(&over_tcp) {
        return Err(ResolveError::Malformed);
    }
    query.read(&over_tcp)?.ok_or(ResolveError::Malformed)
}

async fn ask_over_udp(server: SocketAddr, query: &Query) -> std::io::Result<Vec<u8>> {
    let local: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    // The system gives each socket a random port. It is connected, so others cannot answer.
    let socket = UdpSocket::bind((local, 0)).await?;
    socket.connect(server).await?;
    socket.send(&query.message).await?;
    let mut datagram = [0; MAX_DATAGRAM];
    loop {
        let length = socket.recv(&mut datagram).await?;
        if query.is_answered_by(&datagram[..length]) {
            return Ok(datagram[..length].to_vec());
        }
    }
}

/// RFC 1035, section 4.2.2: "The message is prefixed with a two byte length field".
async fn ask_over_tcp(server: SocketAddr, query: &Query) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    let framed = [&(query.message.len() as u16).to_be_bytes(), &query.message[..]].concat();
    stream.write_all(&framed).await?;
    let length = stream.read_u16().await?;
    let mut message = vec![0; length.into()];
    stream.read_exact(&mut message).await?;
    Ok(message)
}

#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
fn io(error: std::io::Error) -> ResolveError {
    ResolveError::Io(error.to_string())
}
