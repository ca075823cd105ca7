//! ICMP echoes: a request and its reply (RFC 792; RFC 4443, section 4).
//!
//! ```text
//!   type | code | checksum | identifier | sequence | token
//!    1      1        2           2           2        16     octets
//! ```
//!
//! Linux has two kinds of sockets for this. A ping socket is available to the groups in `net.ipv4.ping_group_range`,
//! and receives only the replies to its own requests. A raw socket needs `CAP_NET_RAW`, and receives all packets from
//! the address it is connected to. On both, a packet that is not the reply to this request, by source, identifier,
//! sequence and token, is ignored.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;

use super::meter::{Meter, Unit};
use super::{Budget, failure};
use crate::health::{Failure, Finding, Stage};

/// Octets of the header before the token.
const HEADER: usize = 8;
/// Octets of the token, which nobody else can predict.
const TOKEN: usize = 16;
/// Octets of a reply that are examined: the longest IPv4 header and the request's message.
const REPLY: usize = 60 + HEADER + TOKEN;

/// Every probe has its own socket and token, so no second sequence number is needed.
const SEQUENCE: u16 = 1;

/// True if the system permits this process to send echoes. The lack of IPv4 or IPv6 does not count as a refusal.
pub fn is_allowed() -> bool {
    let addresses = [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()];
    let is_refused = |error: &io::Error| error.kind() == io::ErrorKind::PermissionDenied;
    !addresses.into_iter().any(|address| EchoSocket::open(address).is_err_and(|error| is_refused(&error)))
}

/// Sends a request and waits for its reply.
pub(super) async fn probe(address: IpAddr, budget: Budget) -> Result<Finding, Failure> {
    let failed = |error: io::Error| failure::from_io(&error, Stage::Response);
    let EchoSocket { socket, kind } = EchoSocket::open(address).map_err(failed)?;
    socket.connect(&SocketAddr::new(address, 0).into()).map_err(failed)?;
    let socket = UdpSocket::from_std(socket.into()).map_err(failed)?;
    let mut token = [0; TOKEN];
    getrandom::fill(&mut token).map_err(|error| Failure::Io(error.to_string()))?;
    let identifier = match kind {
        // The kernel writes the number of a ping socket into the identifier.
        Kind::Ping => socket.local_addr().map_err(failed)?.port(),
        Kind::Raw => u16::from_be_bytes([token[0], token[1]]),
    };
    let echo = Echo { address, identifier, token };
    budget.within(Stage::Response, echo.exchange(&socket, kind)).await?.map_err(failed)?;
    Ok(Finding::full(budget.started.elapsed()))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Ping,
    Raw,
}

struct EchoSocket {
    socket: Socket,
    kind: Kind,
}

impl EchoSocket {
    /// The better socket of those that this process may open.
    fn open(address: IpAddr) -> io::Result<Self> {
        let (domain, protocol) =
            if address.is_ipv4() { (Domain::IPV4, Protocol::ICMPV4) } else { (Domain::IPV6, Protocol::ICMPV6) };
        let (socket, kind) = match Socket::new(domain, Type::DGRAM, Some(protocol)) {
            Ok(socket) => (socket, Kind::Ping),
            Err(_) => (Socket::new(domain, Type::RAW, Some(protocol))?, Kind::Raw),
        };
        socket.set_nonblocking(true)?;
        Ok(Self { socket, kind })
    }
}

/// A request that waits for its reply.
struct Echo {
    address: IpAddr,
    identifier: u16,
    token: [u8; TOKEN],
}

impl Echo {
    async fn exchange(&self, socket: &UdpSocket, kind: Kind) -> io::Result<()> {
        socket.send(&self.request()).await?;
        let meter = Meter::default();
        let mut packet = [0; REPLY];
        loop {
            let (length, source) = socket.recv_from(&mut packet).await?;
            // A raw socket receives every reply of its endpoint, also those to other probes.
            meter.count(Unit::Piece, 1)?;
            let packet = &packet[..length];
            // A raw IPv4 socket receives packets with their IPv4 header, all others the message alone.
            let message = if kind == Kind::Raw && self.address.is_ipv4() { without_header(packet) } else { packet };
            if source.ip() == self.address && self.is_answered_by(message) {
                return Ok(());
            }
        }
    }

    fn request(&self) -> Vec<u8> {
        const ECHO_REQUEST: u8 = 8;
        const ECHO_REQUEST_V6: u8 = 128;
        let kind = if self.address.is_ipv4() { ECHO_REQUEST } else { ECHO_REQUEST_V6 };
        let mut message = vec![kind, 0, 0, 0];
        message.extend(self.identifier.to_be_bytes());
        message.extend(SEQUENCE.to_be_bytes());
        message.extend(self.token);
        // The checksum of ICMPv6 covers addresses that the kernel chooses, so the kernel computes it.
        if self.address.is_ipv4() {
            let checksum = checksum(&message);
            message[2..4].copy_from_slice(&checksum.to_be_bytes());
        }
        message
    }

    fn is_answered_by(&self, message: &[u8]) -> bool {
        const ECHO_REPLY: u8 = 0;
        const ECHO_REPLY_V6: u8 = 129;
        let kind = if self.address.is_ipv4() { ECHO_REPLY } else { ECHO_REPLY_V6 };
        let Some((header, token)) = message.split_first_chunk::<HEADER>() else { return false };
        // The kernel has verified the checksum.
        let [found, code, _, _, identifier @ .., high, low] = header;
        let sequence = u16::from_be_bytes([*high, *low]);
        (*found, *code, sequence) == (kind, 0, SEQUENCE)
            && *identifier == self.identifier.to_be_bytes()
            && token.starts_with(&self.token)
    }
}

/// The part after an IPv4 header. The header's length is in the lower half of its first octet, in words of four octets.
fn without_header(packet: &[u8]) -> &[u8] {
    let words = packet.first().map_or(0, |first| first & 0x0F);
    packet.get(usize::from(words) * 4..).unwrap_or_default()
}

/// RFC 1071: the complement of the sum, in ones' complement, of all words of 16 bits.
fn checksum(octets: &[u8]) -> u16 {
    let words = octets.chunks(2).map(|word| u32::from(word[0]) << 8 | u32::from(*word.get(1).unwrap_or(&0)));
    let mut sum: u32 = words.sum();
    while sum > 0xFFFF {
        sum = (sum >> 16) + (sum & 0xFFFF);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn echo(address: &str) -> Echo {
        Echo { address: address.parse().unwrap(), identifier: 0x1234, token: *b"0123456789abcdef" }
    }

    /// The reply to a request: the same message with another type.
    fn reply(echo: &Echo) -> Vec<u8> {
        let mut message = echo.request();
        message[0] = if echo.address.is_ipv4() { 0 } else { 129 };
        message
    }

    #[test]
    fn checksums_are_those_of_rfc_1071() {
        // The example of RFC 1071: the sum is DDF2.
        assert_eq!(checksum(&[0x00, 0x01, 0xF2, 0x03, 0xF4, 0xF5, 0xF6, 0xF7]), !0xDDF2);
        // A message that contains its own checksum sums to 0.
        assert_eq!(checksum(&echo("192.0.2.1").request()), 0);
        assert_eq!(checksum(&[0xFF]), !0xFF00);
    }

    #[test]
    fn only_the_reply_to_this_request_counts() {
        for address in ["192.0.2.1", "2001:db8::1"] {
            let echo = echo(address);
            let good = reply(&echo);
            assert!(echo.is_answered_by(&good));
            assert!(echo.is_answered_by(&[&good[..], b"more"].concat()));
            assert!(!echo.is_answered_by(&echo.request()), "the request is no reply");
            for length in 0..good.len() {
                assert!(!echo.is_answered_by(&good[..length]), "{length} octets");
            }
            for place in (0..good.len()).filter(|place| !(2..4).contains(place)) {
                let mut other = good.clone();
                other[place] ^= 1;
                assert!(!echo.is_answered_by(&other), "octet {place}");
            }
        }
    }

    #[test]
    fn headers_of_any_length_are_taken_off() {
        assert_eq!(without_header(&[&[0x45; 20][..], b"x"].concat()), b"x");
        assert_eq!(without_header(&[&[0x4F; 60][..], b"x"].concat()), b"x");
        assert_eq!(without_header(&[0x4F; 20]), b"");
        assert_eq!(without_header(b""), b"");
    }
}
