//! One query and its answer, as they pass through a ring.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// The fate of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It was sent.
    Sent = 0,
    /// The rate limit cut it down to a header with TC.
    Slipped = 1,
    /// The rate limit dropped it.
    Dropped = 2,
}

/// One query and its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// When the query was read, since the Unix epoch.
    pub received: Duration,
    /// When the answer was ready.
    pub answered: Duration,
    /// The number of the transport.
    pub transport: u8,
    /// The fate of the response.
    pub fate: Fate,
    /// The address and port that the query came from.
    pub client: SocketAddr,
    /// The address and port that it came to; `None` if the system did not tell it.
    pub server: Option<SocketAddr>,
    /// The facts that decided the answer, for [`Note::all`](super::Note::all).
    pub notes: &'a [u8],
    /// The query as it came.
    pub query: &'a [u8],
    /// The response as it was made; empty if it was dropped.
    pub response: &'a [u8],
}

/// Octets of an end: the length of its address, the address, and the port.
const END: usize = 1 + 16 + 2;

/// Octets of a head.
const HEAD: usize = 8 + 8 + 1 + 1 + 2 * END;

impl<'a> Entry<'a> {
    /// Returns everything of fixed length as octets.
    pub(super) fn head(&self) -> [u8; HEAD] {
        let mut head = [0; HEAD];
        head[..8].copy_from_slice(&(self.received.as_nanos() as u64).to_le_bytes());
        head[8..16].copy_from_slice(&(self.answered.as_nanos() as u64).to_le_bytes());
        (head[16], head[17]) = (self.transport, self.fate as u8);
        for (end, place) in [Some(self.client), self.server].into_iter().zip([18, 18 + END]) {
            let Some(end) = end else { continue };
            let out = &mut head[place..place + END];
            match end.ip() {
                IpAddr::V4(address) => {
                    out[0] = 4;
                    out[1..5].copy_from_slice(&address.octets());
                }
                IpAddr::V6(address) => {
                    out[0] = 16;
                    out[1..17].copy_from_slice(&address.octets());
                }
            }
            out[17..].copy_from_slice(&end.port().to_le_bytes());
        }
        head
    }

    /// Returns the entry with these parts, which [`head`](Self::head) and the writer made.
    pub(super) fn from_parts(head: &[u8], notes: &'a [u8], query: &'a [u8], response: &'a [u8]) -> Self {
        let time = |place: usize| {
            let octets = head[place..place + 8].try_into().expect("it has so many octets");
            Duration::from_nanos(u64::from_le_bytes(octets))
        };
        let end = |place: usize| {
            let octets = &head[place..place + END];
            let address: IpAddr = match octets[0] {
                0 => return None,
                4 => <[u8; 4]>::try_from(&octets[1..5]).ok()?.into(),
                _ => <[u8; 16]>::try_from(&octets[1..17]).ok()?.into(),
            };
            Some(SocketAddr::new(address, u16::from_le_bytes([octets[17], octets[18]])))
        };
        Self {
            received: time(0),
            answered: time(8),
            transport: head[16],
            fate: match head[17] {
                0 => Fate::Sent,
                1 => Fate::Slipped,
                _ => Fate::Dropped,
            },
            client: end(18).unwrap_or((Ipv6Addr::UNSPECIFIED, 0).into()),
            server: end(18 + END),
            notes,
            query,
            response,
        }
    }
}
