//! Proofs that a name or a type does not exist, in the compact form of RFC 9824.
//!
//! Each proof is one NSEC record at the name that was asked for, which covers no other name:
//!
//! ```text
//!   the name lacks the type   www.example.com.  NSEC \000.www.example.com. A AAAA RRSIG NSEC
//!   the name does not exist   nope.example.com. NSEC \000.nope.example.com. RRSIG NSEC NXNAME
//! ```
//!
//! So nothing is said about neighbours, and a resolver that uses NSEC records for other questions (RFC 8198) can never
//! hide a name with them.

use crate::name::MAX_NAME_LENGTH;
use crate::wire::Rtype;

/// The label of a name's immediate successor (RFC 9824, section 3.1, and RFC 4470, section 4).
const FIRST_BELOW: [u8; 2] = [1, 0];

/// Number of types in a window of a bitmap (RFC 4034, section 4.1.2).
const WINDOW: usize = 256;

/// Appends the RDATA of the NSEC record of a name, in wire format and lower case. `types` are the types that the name
/// has, sorted and without duplicates. `apex` is the length of the apex in octets.
pub(super) fn append_rdata(name: &[u8], apex: usize, types: &[Rtype], rdata: &mut Vec<u8>) {
    append_successor(name, apex, rdata);
    let mut rest = types;
    while let [first, ..] = rest {
        let window = first.0 >> 8;
        let count = rest.iter().take_while(|rtype| rtype.0 >> 8 == window).count();
        let (of_window, others) = rest.split_at(count);
        rest = others;
        let mut bitmap = [0u8; WINDOW / 8];
        let mut length = 0;
        for rtype in of_window {
            let low = usize::from(rtype.0) % WINDOW;
            bitmap[low / 8] |= 0x80 >> (low % 8);
            length = length.max(low / 8 + 1);
        }
        rdata.extend_from_slice(&[window as u8, length as u8]);
        rdata.extend_from_slice(&bitmap[..length]);
    }
}

/// Appends the name that follows in canonical order: the first one below. If that would be too long, nothing can be
/// below, and the first name after it follows (RFC 4471, section 3.1.1).
fn append_successor(name: &[u8], apex: usize, successor: &mut Vec<u8>) {
    if name.len() + FIRST_BELOW.len() <= MAX_NAME_LENGTH {
        successor.extend_from_slice(&FIRST_BELOW);
        successor.extend_from_slice(name);
        return;
    }
    let mut name = name;
    while name.len() > apex {
        let (label, above) = name[1..].split_at(usize::from(name[0]));
        // Octets are compared without case, so the one before `A` is followed by the one after `Z`.
        let last = label.iter().rposition(|&octet| octet != u8::MAX);
        if let Some(last) = last {
            let octet = if label[last] == b'A' - 1 { b'Z' + 1 } else { label[last] + 1 };
            successor.push(last as u8 + 1);
            successor.extend_from_slice(&label[..last]);
            successor.push(octet);
            successor.extend_from_slice(above);
            return;
        }
        name = above;
    }
    // The last name of the zone is followed by the apex.
    successor.extend_from_slice(name);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rdata(name: &[u8], types: &[u16]) -> Vec<u8> {
        let types: Vec<Rtype> = types.iter().map(|&rtype| Rtype(rtype)).collect();
        let mut rdata = Vec::new();
        append_rdata(name, 1, &types, &mut rdata);
        rdata
    }

    /// The example of RFC 4034, section 4.3: A, MX, RRSIG, NSEC and TYPE1234.
    #[test]
    fn the_bitmap_of_the_rfc_is_made() {
        let mut expected = b"\x01\x00\x05alfa.\x00\x00\x06\x40\x01\x00\x00\x00\x03\x04\x1b".to_vec();
        expected.extend_from_slice(&[0; 26]);
        expected.push(0x20);
        assert_eq!(rdata(b"\x05alfa.\x00", &[1, 15, 46, 47, 1234]), expected);
    }

    #[test]
    fn names_that_do_not_exist_have_the_type_nxname() {
        let rdata = rdata(b"\x01a\x00", &[46, 47, 128]);
        assert_eq!(rdata[5..], *b"\x00\x11\0\0\0\0\0\x03\0\0\0\0\0\0\0\0\0\0\x80");
    }

    #[test]
    fn the_successor_of_the_longest_names_comes_after_them() {
        let long = |last: &[u8]| {
            let mut name = vec![last.len() as u8];
            name.extend_from_slice(last);
            for _ in 0..3 {
                name.extend_from_slice(&[63]);
                name.extend_from_slice(&[b'x'; 63]);
            }
            name.push(0);
            name
        };
        let successor = |name: &[u8], apex| {
            let mut successor = Vec::new();
            append_successor(name, apex, &mut successor);
            successor
        };
        let name = |label: &[u8]| long(&[&[b'y'; 60][..], label].concat());
        assert_eq!(name(b"a").len(), 255);
        assert_eq!(successor(&name(b"a"), 1), name(b"b"));
        assert_eq!(successor(&name(b"@"), 1), name(b"["));
        assert_eq!(successor(&name(b"\xff"), 1), long(&[&[b'y'; 59][..], b"z"].concat()));
        let all = long(&[0xff; 61]);
        assert_eq!(successor(&all, all.len() - 62), all[62..], "the zone's last name");
        assert_eq!(successor(b"\x03www\x00", 1), b"\x01\x00\x03www\x00");
    }
}
