//! Reading queries.
//!
//! A query is read where it lies: nothing is copied but the question's name in lower case, into an array on the stack.

use super::edns::Edns;
use super::{HEADER_LENGTH, Rtype, read_u16};
use crate::name::MAX_NAME_LENGTH;

/// What came is not what RFC 1035 allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// The header and the sections of a query.
#[derive(Clone, Debug)]
pub struct Query<'a> {
    /// ID, to be repeated.
    pub id: u16,
    /// OPCODE; 0 is QUERY.
    pub opcode: u8,
    /// RD, to be repeated.
    pub recursion_desired: bool,
    /// The question, or why there is none to answer.
    pub question: Result<Question<'a>, Malformed>,
    /// The OPT record, if there is one and the message is sound up to its end.
    pub edns: Result<Option<Edns<'a>>, Malformed>,
}

/// The only entry of the question section.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// The whole entry as it came, to be repeated.
    pub octets: &'a [u8],
    /// QTYPE.
    pub rtype: Rtype,
    /// QCLASS.
    pub class: u16,
    key: [u8; MAX_NAME_LENGTH],
    length: u8,
}

impl Question<'_> {
    /// QNAME in wire format and lower case.
    pub fn key(&self) -> &[u8] {
        &self.key[..usize::from(self.length)]
    }
}

impl<'a> Query<'a> {
    /// Reads a message. `None` for what gets no answer: less than a header, or a response (a reply to it could come back
    /// for ever).
    pub fn parse(message: &'a [u8]) -> Option<Self> {
        const QR: u8 = 0x80;
        const RD: u8 = 0x01;
        let header: &[u8; HEADER_LENGTH] = message.first_chunk()?;
        if header[2] & QR != 0 {
            return None;
        }
        let count = |at| read_u16(header, at).unwrap_or(0);
        let mut reader = Reader { message, at: HEADER_LENGTH };
        // RFC 9619: a QUERY has exactly one question; "a DNS message with OPCODE = 0 and QDCOUNT > 1 MUST be treated as
        // an incorrectly formatted message".
        let question = if count(4) == 1 { reader.question() } else { Err(Malformed) };
        let others = usize::from(count(6)) + usize::from(count(8));
        let edns = match question {
            Ok(_) => reader.edns(others, usize::from(count(10))),
            Err(malformed) => Err(malformed),
        };
        Some(Self {
            id: read_u16(header, 0)?,
            opcode: header[2] >> 3 & 0x0f,
            recursion_desired: header[2] & RD != 0,
            question,
            edns,
        })
    }
}

struct Reader<'a> {
    message: &'a [u8],
    at: usize,
}

/// A record's fields behind its owner, and whether the owner is the root.
struct Fields<'a> {
    is_root: bool,
    rtype: Rtype,
    class: u16,
    ttl: u32,
    rdata: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let octets = self.message.get(self.at..self.at + count).ok_or(Malformed)?;
        self.at += count;
        Ok(octets)
    }

    fn u16(&mut self) -> Result<u16, Malformed> {
        read_u16(self.take(2)?, 0).ok_or(Malformed)
    }

    fn question(&mut self) -> Result<Question<'a>, Malformed> {
        let start = self.at;
        let mut key = [0; MAX_NAME_LENGTH];
        let mut length = 0;
        loop {
            // There is nothing before the question's name that a pointer could point at, so it has none.
            let label = usize::from(self.take(1)?[0]);
            if label > crate::name::MAX_LABEL_LENGTH || length + 1 + label > MAX_NAME_LENGTH {
                return Err(Malformed);
            }
            let octets = self.take(label)?;
            key[length] = label as u8;
            for (to, from) in key[length + 1..].iter_mut().zip(octets) {
                *to = from.to_ascii_lowercase();
            }
            length += 1 + label;
            if label == 0 {
                break;
            }
        }
        let rtype = Rtype(self.u16()?);
        let class = self.u16()?;
        Ok(Question { octets: &self.message[start..self.at], rtype, class, key, length: length as u8 })
    }

    /// Passes over the answer and authority sections' records, and finds the OPT among the additional ones. RFC 6891,
    /// section 6.1.1: "If a query message with more than one OPT RR is received, a FORMERR MUST be returned."
    fn edns(&mut self, others: usize, additional: usize) -> Result<Option<Edns<'a>>, Malformed> {
        for _ in 0..others {
            self.record()?;
        }
        let mut edns = None;
        for _ in 0..additional {
            let record = self.record()?;
            if record.rtype == Rtype::OPT {
                if edns.is_some() || !record.is_root {
                    return Err(Malformed);
                }
                edns = Some(Edns::parse(record.class, record.ttl, record.rdata));
            }
        }
        if self.at == self.message.len() { Ok(edns) } else { Err(Malformed) }
    }

    fn record(&mut self) -> Result<Fields<'a>, Malformed> {
        let is_root = self.skip_name()?;
        let rtype = Rtype(self.u16()?);
        let class = self.u16()?;
        let ttl = u32::from(self.u16()?) << 16 | u32::from(self.u16()?);
        let length = usize::from(self.u16()?);
        Ok(Fields { is_root, rtype, class, ttl, rdata: self.take(length)? })
    }

    /// Passes over a name without following its pointer; tells whether it is a lone root label.
    fn skip_name(&mut self) -> Result<bool, Malformed> {
        let start = self.at;
        loop {
            let label = self.take(1)?[0];
            match label {
                0 => return Ok(self.at == start + 1),
                1..=63 => _ = self.take(usize::from(label))?,
                0xc0.. => {
                    self.take(1)?;
                    return Ok(false);
                }
                64..=0xbf => return Err(Malformed),
            }
            if self.at - start > MAX_NAME_LENGTH {
                return Err(Malformed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEADER: [u8; 12] = [0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    const QUESTION: &[u8] = b"\x03WwW\x07example\x00\x00\x1c\x00\x01";

    fn with_additional(count: u8, records: &[u8]) -> Vec<u8> {
        let mut message = [&HEADER[..], QUESTION, records].concat();
        message[11] = count;
        message
    }

    #[test]
    fn a_question_is_read_and_known_in_lower_case() {
        let message = [&HEADER[..], QUESTION].concat();
        let query = Query::parse(&message).unwrap();
        let question = query.question.unwrap();
        assert_eq!((query.id, query.opcode, query.recursion_desired), (0xabcd, 0, true));
        assert_eq!(question.key(), b"\x03www\x07example\x00");
        assert_eq!((question.rtype, question.class, question.octets), (Rtype::AAAA, 1, QUESTION));
        assert_eq!(query.edns, Ok(None));
    }

    #[test]
    fn rfc6891_6_1_1_two_opt_records_are_malformed() {
        let opt = [0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0];
        let message = with_additional(1, &opt);
        let edns = Query::parse(&message).unwrap().edns.unwrap().unwrap();
        assert_eq!((edns.payload, edns.version), (1232, 0));
        assert_eq!(Query::parse(&with_additional(2, &[opt, opt].concat())).unwrap().edns, Err(Malformed));
    }

    #[test]
    fn what_is_cut_short_or_goes_on_is_malformed() {
        let opt = [0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0];
        let whole = with_additional(1, &opt);
        for length in 12..whole.len() {
            let query = Query::parse(&whole[..length]).unwrap();
            assert_eq!(query.edns, Err(Malformed), "{length}");
        }
        assert_eq!(Query::parse(&[&whole[..], &[0]].concat()).unwrap().edns, Err(Malformed));
        assert!(Query::parse(&whole[..11]).is_none());
    }

    #[test]
    fn a_response_is_no_query() {
        let mut message = [&HEADER[..], QUESTION].concat();
        message[2] |= 0x80;
        assert!(Query::parse(&message).is_none());
    }

    proptest! {
        #[test]
        fn no_octets_do_harm(octets in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = Query::parse(&octets);
        }
    }
}
