//! The questions that all servers get, in dnsperf's binary form: each message after its length.

// Each bench compiles this module and uses a part of it.
#![allow(dead_code)]

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;

use fastrand::Rng;

/// Client Subnets are of this length, which resolvers use (RFC 7871, section 11.1).
const SOURCE: u8 = 24;

/// The EDNS part of a question.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum With {
    Nothing,
    Edns,
    /// EDNS with a Client Subnet that is drawn at random.
    Subnet,
    /// EDNS with DO: the asker wants signatures.
    Dnssec,
}

/// Writes questions for the A records of these names.
pub(crate) fn write(to: &Path, names: impl Iterator<Item = impl AsRef<str>>, with: With) {
    let mut random = Rng::with_seed(1);
    let stream = |message: Vec<u8>| [&(message.len() as u16).to_be_bytes()[..], &message].concat();
    let octets: Vec<u8> = names.flat_map(|name| stream(question(name.as_ref(), with, &mut random))).collect();
    fs::write(to, octets).expect("a file is written");
}

/// A query for A with RD set, as `dig` sends it. dnsperf sets the ID.
pub(crate) fn question(name: &str, with: With, random: &mut Rng) -> Vec<u8> {
    let additional = u8::from(with != With::Nothing);
    let mut message = vec![0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, additional];
    for label in name.split('.') {
        message.push(label.len() as u8);
        message.extend_from_slice(label.as_bytes());
    }
    message.extend_from_slice(&[0, 0, 1, 0, 1]);
    let option = match with {
        With::Nothing => return message,
        With::Edns | With::Dnssec => Vec::new(),
        With::Subnet => {
            let [a, b, c, _] = public(random).octets();
            vec![0, 8, 0, 7, 0, 1, SOURCE, 0, a, b, c]
        }
    };
    let flags = if with == With::Dnssec { 0x80 } else { 0 };
    // The root, OPT, a payload of 1232.
    message.extend_from_slice(&[0, 0, 41, 0x04, 0xd0, 0, 0, flags, 0, 0, option.len() as u8]);
    message.extend_from_slice(&option);
    message
}

/// An address that somebody may have.
fn public(random: &mut Rng) -> Ipv4Addr {
    loop {
        let address = Ipv4Addr::from_bits(random.u32(0x0100_0000..0xe000_0000));
        if !address.is_private() && !address.is_loopback() && !address.is_link_local() {
            return address;
        }
    }
}
