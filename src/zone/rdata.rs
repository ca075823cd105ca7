//! The positions of domain names in RDATA.
//!
//! Names are compared without case (RFC 4343), and all other octets exactly. So two records are the same if their RDATA
//! is equal after the names in it are converted to lower case: the canonical form of RFC 4034, section 6.2.

use std::borrow::Cow;

use crate::wire::Rtype;

/// Types whose RDATA holds names that only [`canonical`] reads. These names are never compressed, and nobody follows
/// them to addresses.
const IPSECKEY: u16 = 45;
const HIP: u16 = 55;
const DSYNC: u16 = 66;
const AMTRELAY: u16 = 260;

/// A field of RDATA.
#[derive(Clone, Copy, Debug)]
pub enum Part {
    /// A fixed number of octets.
    Octets(usize),
    /// A character string: a length octet and that many octets (RFC 1035, section 3.3).
    Text,
    /// A domain name.
    Name,
}

/// Returns the fields of a type's RDATA up to its last domain name. Returns none for types without names, and for types
/// whose names only [`canonical`] reads.
pub fn parts(rtype: Rtype) -> &'static [Part] {
    use Part::{Name, Octets, Text};
    match rtype.0 {
        // NS, MD, MF, CNAME, MB, MG, MR, PTR (RFC 1035), NSAP-PTR (RFC 1348), NXT (RFC 2535), DNAME (RFC 6672), NSEC
        // (RFC 4034).
        2..=5 | 7..=9 | 12 | 23 | 30 | 39 | 47 => &[Name],
        // SOA, MINFO (RFC 1035), RP (RFC 1183), TALINK.
        6 | 14 | 17 | 58 => &[Name, Name],
        // MX (RFC 1035), AFSDB, RT (RFC 1183), KX (RFC 2230), SVCB, HTTPS (RFC 9460), LP (RFC 6742).
        15 | 18 | 21 | 36 | 64 | 65 | 107 => &[Octets(2), Name],
        // PX (RFC 2163).
        26 => &[Octets(2), Name, Name],
        // SRV (RFC 2782).
        33 => &[Octets(6), Name],
        // NAPTR (RFC 3403).
        35 => &[Octets(4), Text, Text, Text, Name],
        // SIG (RFC 2535), RRSIG (RFC 4034).
        24 | 46 => &[Octets(18), Name],
        _ => &[],
    }
}

/// Splits a field off RDATA. Opaque data (RFC 3597) may be too short for the type; then the field ends early.
pub(super) fn split(part: Part, rdata: &[u8]) -> (&[u8], &[u8]) {
    let length = match part {
        Part::Octets(count) => count,
        Part::Text => 1 + rdata.first().map_or(0, |&length| usize::from(length)),
        Part::Name => name_length(rdata),
    };
    rdata.split_at(length.min(rdata.len()))
}

/// Returns the length in octets of the name at the start; `usize::MAX` if it has no end.
pub(super) fn name_length(octets: &[u8]) -> usize {
    let mut length = 0;
    while let Some(&label) = octets.get(length) {
        length += 1 + usize::from(label);
        if label == 0 {
            return length;
        }
    }
    usize::MAX
}

/// Returns RDATA with the names in it in lower case. Two records of a type are the same if this is equal for both.
pub fn canonical(rtype: Rtype, rdata: &[u8]) -> Cow<'_, [u8]> {
    let mut canonical = Cow::Borrowed(rdata);
    let mut at = 0;
    let mut fold = |part| {
        let (field, rest) = split(part, &rdata[at..]);
        if matches!(part, Part::Name) && field.iter().any(u8::is_ascii_uppercase) {
            canonical.to_mut()[at..at + field.len()].make_ascii_lowercase();
        }
        at += field.len();
        !rest.is_empty()
    };
    match (rtype.0, rdata) {
        // IPSECKEY (RFC 4025) and AMTRELAY (RFC 8777): the gateway or relay is a name if its type is 3.
        (IPSECKEY, [_, 3, _, ..]) => _ = fold(Part::Octets(3)) && fold(Part::Name),
        (AMTRELAY, [_, 3 | 0x83, ..]) => _ = fold(Part::Octets(2)) && fold(Part::Name),
        // DSYNC (RFC 9859).
        (DSYNC, _) => _ = fold(Part::Octets(5)) && fold(Part::Name),
        // HIP (RFC 8005): the names of rendezvous servers follow the tag and the key, and fill the rest.
        (HIP, [tag, _, high, low, ..]) => {
            let before = 4 + usize::from(*tag) + usize::from(u16::from_be_bytes([*high, *low]));
            let mut goes_on = fold(Part::Octets(before));
            while goes_on {
                goes_on = fold(Part::Name);
            }
        }
        _ => parts(rtype).iter().for_each(|&part| _ = fold(part)),
    }
    canonical
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_folded_and_nothing_else() {
        let folded = |rtype: u16, rdata: &[u8]| canonical(Rtype(rtype), rdata).into_owned();
        assert_eq!(folded(5, b"\x03WwW\x00"), b"\x03www\x00");
        assert_eq!(folded(15, b"AB\x01M\x00"), b"AB\x01m\x00", "a preference is a number");
        assert_eq!(folded(6, b"\x01A\x00\x01B\x00ABCDABCDABCDABCDABCD"), b"\x01a\x00\x01b\x00ABCDABCDABCDABCDABCD");
        assert_eq!(folded(35, b"ABCD\x01U\x03E2U\x02!A\x01R\x00"), b"ABCD\x01U\x03E2U\x02!A\x01r\x00");
        assert_eq!(folded(65, b"\x00\x01\x01T\x00\x00\x01\x00\x03\x02H2"), b"\x00\x01\x01t\x00\x00\x01\x00\x03\x02H2");
        assert_eq!(folded(46, b"ABCDEFGHIJKLMNOPQR\x01S\x00SIGNATURE"), b"ABCDEFGHIJKLMNOPQR\x01s\x00SIGNATURE");
        assert_eq!(folded(66, b"ABCDE\x01T\x00"), b"ABCDE\x01t\x00");
        assert_eq!(folded(45, b"A\x03C\x01G\x00KEY"), b"A\x03C\x01g\x00KEY");
        assert_eq!(folded(45, b"A\x01CABCDKEY"), b"A\x01CABCDKEY", "an address is no name");
        assert_eq!(folded(260, b"A\x83\x01R\x00"), b"A\x83\x01r\x00");
        assert_eq!(folded(260, b"A\x82ABCDABCDABCDABCD"), b"A\x82ABCDABCDABCDABCD");
        let (hip, lower) = (b"\x02A\x00\x03HTKEY\x01A\x00\x01B\x00", b"\x02A\x00\x03HTKEY\x01a\x00\x01b\x00");
        assert_eq!(folded(55, hip), lower);
        assert_eq!(folded(16, b"\x03WwW"), b"\x03WwW", "text is text");
        assert_eq!(folded(65280, b"\x03WwW\x00"), b"\x03WwW\x00", "an unknown type (RFC 3597, section 6)");
    }

    #[test]
    fn what_is_cut_short_is_taken_as_far_as_it_goes() {
        for (rtype, rdata) in [
            (15, &b"A"[..]),
            (35, b"ABCD\x09U"),
            (6, b"\x01A\x00"),
            (33, b""),
            (45, b"A\x03C"),
            (55, b"\xff\x01\xff\xffA"),
            (55, b"\x01A\x00\x01TK\x09A"),
            (260, b"A\x03"),
        ] {
            assert_eq!(canonical(Rtype(rtype), rdata).len(), rdata.len());
        }
    }
}
