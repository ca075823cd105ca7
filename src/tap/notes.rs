//! The facts that decided an answer, as a list in one piece of memory.
//!
//! Ids belong to a snapshot, which may be gone when the log is written. So the notes hold names.

use std::net::IpAddr;

use arrayvec::ArrayVec;

/// Most octets of the notes of an answer. Facts that find no room are left out: addresses and pools of very long answers.
const MOST: usize = 2048;

/// The facts about one answer. The buffer is used again for the next one.
#[derive(Clone, Debug, Default)]
pub struct Notes(ArrayVec<u8, MOST>);

/// One fact. Those about steering belong to the last [`Name`](Note::Name) before them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note<'a> {
    /// The response code.
    Rcode(&'a str),
    /// The apex of the zone that answers, in wire format.
    Zone(&'a [u8]),
    /// The network from the Client Subnet option with its source prefix length, and the scope of the answer.
    Subnet(IpAddr, u8, u8),
    /// How long the answer may be cached, in seconds.
    Ttl(u32),
    /// A steered name, in wire format and lower case.
    Name(&'a [u8]),
    /// The country of the client.
    Country(&'a str),
    /// The region of the client.
    Region(&'a str),
    /// The rung of the ladder.
    Rung(&'a str),
    /// A pool that answers.
    Pool(&'a str),
    /// The datacenter of the first pool.
    Datacenter(&'a str),
    /// An endpoint that was handed out, in the order of the answer.
    Address(IpAddr),
}

impl Notes {
    /// Forgets all facts.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Adds a fact, if there is room for it.
    pub fn add(&mut self, note: Note<'_>) {
        match note {
            Note::Rcode(code) => self.put(0, &[code.as_bytes()]),
            Note::Zone(apex) => self.put(1, &[apex]),
            Note::Subnet(IpAddr::V4(address), source, scope) => self.put(2, &[&[source, scope], &address.octets()]),
            Note::Subnet(IpAddr::V6(address), source, scope) => self.put(2, &[&[source, scope], &address.octets()]),
            Note::Ttl(seconds) => self.put(3, &[&seconds.to_le_bytes()]),
            Note::Name(name) => self.put(4, &[name]),
            Note::Country(code) => self.put(5, &[code.as_bytes()]),
            Note::Region(name) => self.put(6, &[name.as_bytes()]),
            Note::Rung(name) => self.put(7, &[name.as_bytes()]),
            Note::Pool(name) => self.put(8, &[name.as_bytes()]),
            Note::Datacenter(name) => self.put(9, &[name.as_bytes()]),
            Note::Address(IpAddr::V4(address)) => self.put(10, &[&address.octets()]),
            Note::Address(IpAddr::V6(address)) => self.put(10, &[&address.octets()]),
        }
    }

    fn put(&mut self, kind: u8, parts: &[&[u8]]) {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let Ok(length) = u8::try_from(length) else { return };
        if self.0.remaining_capacity() < 2 + usize::from(length) {
            return;
        }
        self.0.push(kind);
        self.0.push(length);
        self.0.extend(parts.iter().flat_map(|part| part.iter().copied()));
    }

    /// Returns the facts as octets.
    pub fn as_octets(&self) -> &[u8] {
        &self.0
    }
}

impl<'a> Note<'a> {
    /// Returns the facts in these octets, in order.
    pub fn all(mut octets: &'a [u8]) -> impl Iterator<Item = Self> {
        std::iter::from_fn(move || {
            let (&[kind, length], rest) = octets.split_first_chunk()?;
            let (content, rest) = rest.split_at_checked(length.into())?;
            octets = rest;
            Self::read(kind, content)
        })
    }

    fn read(kind: u8, content: &'a [u8]) -> Option<Self> {
        let text = || std::str::from_utf8(content).ok();
        Some(match kind {
            0 => Self::Rcode(text()?),
            1 => Self::Zone(content),
            2 => {
                let (&[source, scope], octets) = content.split_first_chunk()?;
                Self::Subnet(address(octets)?, source, scope)
            }
            3 => Self::Ttl(u32::from_le_bytes(content.try_into().ok()?)),
            4 => Self::Name(content),
            5 => Self::Country(text()?),
            6 => Self::Region(text()?),
            7 => Self::Rung(text()?),
            8 => Self::Pool(text()?),
            9 => Self::Datacenter(text()?),
            _ => Self::Address(address(content)?),
        })
    }
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    match octets.len() {
        4 => Some(<[u8; 4]>::try_from(octets).ok()?.into()),
        _ => Some(<[u8; 16]>::try_from(octets).ok()?.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_come_back_as_they_were_noted() {
        let facts = [
            Note::Rcode("BADVERS"),
            Note::Zone(b"\x07example\0"),
            Note::Subnet("192.0.2.0".parse().unwrap(), 24, 20),
            Note::Subnet("2001:db8::".parse().unwrap(), 56, 0),
            Note::Ttl(30),
            Note::Name(b"\x03www\x07example\0"),
            Note::Country("DE"),
            Note::Region("europe"),
            Note::Rung("usable"),
            Note::Pool("web/fra"),
            Note::Datacenter("fra"),
            Note::Address("198.51.100.10".parse().unwrap()),
            Note::Address("2001:db8:f::10".parse().unwrap()),
        ];
        let mut notes = Notes::default();
        notes.add(Note::Pool("of the last answer"));
        notes.clear();
        for fact in facts {
            notes.add(fact);
        }
        assert!(Note::all(notes.as_octets()).eq(facts));
    }

    #[test]
    fn what_finds_no_room_is_left_out_whole() {
        let mut notes = Notes::default();
        let name = "x".repeat(200);
        (0..20).for_each(|_| notes.add(Note::Pool(&name)));
        notes.add(Note::Pool(&"x".repeat(256)));
        notes.add(Note::Rung("usable"));
        let read: Vec<_> = Note::all(notes.as_octets()).collect();
        assert_eq!(read.len(), 11);
        assert_eq!(read.last(), Some(&Note::Rung("usable")));
    }
}
