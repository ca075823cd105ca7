//! The outline of a query: its parts, found without reading what they say.

use super::HEADER_LENGTH;
use super::edns::{OPTION_FIXED, code};
use super::opt::OPT_LENGTH;
use crate::name::MAX_NAME_LENGTH;

/// Length of QTYPE and QCLASS in octets.
const QUESTION_FIXED: usize = 4;

/// Length in octets of what follows the name in a query without EDNS, in one whose OPT record is empty, and in one whose
/// OPT record ends with the first fields of a Client Subnet option.
const PLAIN: usize = QUESTION_FIXED;
const WITH_OPT: usize = PLAIN + OPT_LENGTH;
const WITH_SUBNET: usize = WITH_OPT + OPTION_FIXED + 4;

/// The maximum length of that with the address of the option.
const LONGEST: usize = WITH_SUBNET + 16;

/// The parts of a query of the most common forms: one question, and at most one OPT record with no option but Client
/// Subnet. The parts are not checked: two queries are equal in meaning if their parts are, but for the ID and the case of
/// the name.
#[derive(Clone, Copy, Debug)]
pub struct Outline<'a> {
    /// ID, to be repeated in the response.
    pub id: [u8; 2],
    /// The header's second two octets.
    flags: [u8; 2],
    /// QNAME in wire format, as received; at most 255 octets.
    pub name: &'a [u8],
    /// Everything behind the name.
    rest: &'a [u8],
}

/// The form of a query: all of its octets but the ID, the name, and the address in its Client Subnet option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    flags: [u8; 2],
    /// The number of octets behind the name.
    length: u8,
    /// The first of them, with zeros behind if there are fewer.
    rest: [u8; WITH_SUBNET],
}

impl Form {
    /// A form that no query has.
    pub const NONE: Self = Self { flags: [0; 2], length: 0, rest: [0; WITH_SUBNET] };
}

impl<'a> Outline<'a> {
    /// Returns the outline of a message; `None` if it has another form, or is no query.
    #[inline]
    pub fn of(message: &'a [u8]) -> Option<Self> {
        const QR: u8 = 0x80;
        let header = message.first_chunk::<HEADER_LENGTH>()?;
        let &[id_high, id_low, flags_high, flags_low, ref counts @ ..] = header;
        let mut end = HEADER_LENGTH;
        loop {
            let label = usize::from(*message.get(end)?);
            end += 1 + label;
            if label == 0 {
                break;
            }
        }
        let (name, rest) = message[HEADER_LENGTH..].split_at_checked(end - HEADER_LENGTH)?;
        // One question, and one additional record if anything is behind it.
        let expected = [0, 1, 0, 0, 0, 0, 0, u8::from(rest.len() > PLAIN)];
        if flags_high & QR != 0 || *counts != expected || name.len() > MAX_NAME_LENGTH {
            return None;
        }
        let is_common = match rest.len() {
            PLAIN | WITH_OPT => true,
            WITH_SUBNET..=LONGEST => rest[WITH_OPT..WITH_OPT + 2] == code::CLIENT_SUBNET.to_be_bytes(),
            _ => false,
        };
        is_common.then_some(Self { id: [id_high, id_low], flags: [flags_high, flags_low], name, rest })
    }

    /// Returns the octets of the Client Subnet option, without its code and its length; none without one.
    #[inline]
    pub fn subnet(&self) -> &'a [u8] {
        self.rest.get(WITH_OPT + OPTION_FIXED..).unwrap_or_default()
    }

    /// Returns the form of the query.
    pub fn form(&self) -> Form {
        let mut form = Form { flags: self.flags, length: self.rest.len() as u8, ..Form::NONE };
        let length = self.rest.len().min(WITH_SUBNET);
        form.rest[..length].copy_from_slice(&self.rest[..length]);
        form
    }

    /// True if the query is of this form.
    #[inline]
    pub fn is_of(&self, form: &Form) -> bool {
        #[inline]
        fn begins_equal<const LENGTH: usize>(rest: &[u8], form: &Form) -> bool {
            rest.first_chunk::<LENGTH>() == form.rest.first_chunk()
        }
        usize::from(form.length) == self.rest.len()
            && form.flags == self.flags
            && match self.rest.len() {
                PLAIN => begins_equal::<PLAIN>(self.rest, form),
                WITH_OPT => begins_equal::<WITH_OPT>(self.rest, form),
                _ => begins_equal::<WITH_SUBNET>(self.rest, form),
            }
    }

    /// Returns a number that spreads queries of different forms over a table. Those for different types, with and without
    /// EDNS or DO, have different numbers.
    #[inline]
    pub fn number(&self) -> u64 {
        let rtype = self.rest.first_chunk().map_or(0, |rtype| u16::from_be_bytes(*rtype));
        let dnssec_ok = self.rest.get(PLAIN + 7).copied().unwrap_or_default();
        u64::from(rtype) << 16 | u64::from(dnssec_ok) << 8 | self.rest.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::{ClientSubnet, Query};

    const QUESTION: &[u8] = b"\x03WwW\x07example\x00\x00\x1c\x00\x01";
    const OPT: [u8; OPT_LENGTH] = [0, 0, 41, 4, 208, 0, 0, 0x80, 0, 0, 0];

    fn message(records: &[u8]) -> Vec<u8> {
        let header = [0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, u8::from(!records.is_empty())];
        [&header[..], QUESTION, records].concat()
    }

    fn with_options(options: &[u8]) -> Vec<u8> {
        let mut opt = OPT;
        opt[OPT_LENGTH - 1] = options.len() as u8;
        message(&[&opt[..], options].concat())
    }

    #[test]
    fn the_common_forms_have_an_outline() {
        for records in [&[][..], &OPT] {
            let message = message(records);
            let outline = Outline::of(&message).unwrap();
            assert_eq!((outline.id, outline.name, outline.subnet()), ([0xab, 0xcd], &QUESTION[..13], &[][..]));
            assert_eq!(usize::from(outline.form().length), PLAIN + records.len());
        }
        let subnet = [0, 8, 0, 7, 0, 1, 24, 0, 192, 0, 2];
        assert_eq!(Outline::of(&with_options(&subnet)).unwrap().subnet(), &subnet[4..]);
    }

    #[test]
    fn others_have_none() {
        let cookie = [0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8];
        assert!(Outline::of(&with_options(&cookie)).is_none());
        assert!(Outline::of(&with_options(&[0, 3, 0, 0])).is_none(), "NSID");
        let plain = message(&[]);
        for length in 0..plain.len() {
            assert!(Outline::of(&plain[..length]).is_none(), "{length}");
        }
        for (at, value) in [(2, 0x81), (5, 2), (7, 1), (9, 1), (11, 1)] {
            let mut other = plain.clone();
            other[at] = value;
            assert!(Outline::of(&other).is_none(), "octet {at}");
        }
        let mut without_record = message(&OPT);
        without_record[11] = 0;
        assert!(Outline::of(&without_record).is_none());
    }

    #[test]
    fn forms_differ_in_everything_but_the_address() {
        let subnet = |source: u8, address: &[u8]| {
            let length = 4 + address.len() as u8;
            with_options(&[&[0, 8, 0, length, 0, 1, source, 0], address].concat())
        };
        let form = |message: &[u8]| Outline::of(message).unwrap().form();
        assert_eq!(form(&subnet(24, &[192, 0, 2])), form(&subnet(24, &[10, 1, 2])));
        assert_ne!(form(&subnet(24, &[192, 0, 2])), form(&subnet(23, &[192, 0, 2])));
        assert_ne!(form(&subnet(24, &[192, 0, 2])), form(&subnet(24, &[192, 0, 2, 0])));
        let plain = message(&OPT);
        for at in (2..4).chain(HEADER_LENGTH + 13..plain.len()) {
            let mut other = plain.clone();
            other[at] ^= 0x10;
            assert_ne!(form(&other), form(&plain), "octet {at}");
            assert!(!Outline::of(&other).unwrap().is_of(&form(&plain)), "octet {at}");
        }
    }

    proptest! {
        #[test]
        fn two_queries_of_one_form_mean_the_same(
            octets in proptest::collection::vec(any::<u8>(), 0..60),
            address in proptest::collection::vec(any::<u8>(), 16),
        ) {
            for mut message in [octets.clone(), with_options(&octets)] {
                let Some(outline) = Outline::of(&message) else { continue };
                let (form, subnet) = (outline.form(), outline.subnet().len());
                let meaning = |message: &[u8]| {
                    let query = Query::parse(message).unwrap();
                    let options = query.edns.map(|edns| edns.options.map(|options| options.asks_nsid));
                    (query.question.map(|question| question.map(|question| (question.rtype, question.class))),
                     query.records, query.edns.map(|edns| (edns.payload, edns.version, edns.dnssec_ok)), options)
                };
                let before = meaning(&message);
                let end = message.len();
                let start = end - subnet.saturating_sub(4);
                message[start..end].copy_from_slice(&address[..end - start]);
                prop_assert!(Outline::of(&message).unwrap().is_of(&form));
                prop_assert_eq!(meaning(&message), before);
            }
        }

        #[test]
        fn a_subnet_is_read_as_in_a_whole_query(octets in proptest::collection::vec(any::<u8>(), 4..20)) {
            let option = [&[0, 8, 0, octets.len() as u8], &octets[..]].concat();
            let message = with_options(&option);
            let query = Query::parse(&message).unwrap();
            let whole = query.edns.unwrap().options.unwrap().client_subnet.unwrap();
            prop_assert_eq!(ClientSubnet::parse(Outline::of(&message).unwrap().subnet()), whole);
        }
    }
}
