//! Reads queries.
//!
//! A query is read in place: nothing of it is copied.

use super::edns::Edns;
use super::pointer::POINTER;
use super::tsig::Tsig;
use super::{HEADER_LENGTH, Malformed, Rtype};
use crate::name::{MAX_LABEL_LENGTH, MAX_NAME_LENGTH};

/// The header and the sections of a query.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    /// ID, to be repeated in the response.
    pub id: u16,
    /// OPCODE; 0 is QUERY.
    pub opcode: u8,
    /// RD, to be repeated in the response.
    pub recursion_desired: bool,
    /// The question; `None` if there is none, an error if there are several or if it is malformed.
    pub question: Result<Option<Question<'a>>, Malformed>,
    /// The serial of the last SOA record in the authority section: the version that an IXFR client has (RFC 1995,
    /// section 3).
    pub serial: Option<u32>,
    /// The OPT record, if it comes before the first malformed record.
    pub edns: Option<Edns<'a>>,
    /// The TSIG record, if it comes before the first malformed record.
    pub tsig: Option<Tsig<'a>>,
    /// An error if a question cannot be read, or if anything after the questions is malformed.
    pub records: Result<(), Malformed>,
}

/// The only entry of the question section.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The whole entry as received, to be repeated in the response.
    pub octets: &'a [u8],
    /// QNAME in wire format, as received.
    pub name: &'a [u8],
    /// QTYPE.
    pub rtype: Rtype,
    /// QCLASS.
    pub class: u16,
}

impl<'a> Query<'a> {
    /// Reads a message. Returns `None` for messages that get no answer: those shorter than a header, and responses (a
    /// reply to a response could cause an endless exchange).
    pub fn parse(message: &'a [u8]) -> Option<Self> {
        let header = Self::header(message)?;
        let mut query = Self::new(header);
        query.read(message, header);
        Some(query)
    }

    /// Returns the header of a message; `None` for messages that get no answer.
    #[inline]
    pub fn header(message: &[u8]) -> Option<&[u8; HEADER_LENGTH]> {
        const QR: u8 = 0x80;
        message.first_chunk().filter(|header: &&[u8; HEADER_LENGTH]| header[2] & QR == 0)
    }

    /// Returns what follows the header, read as a question; `None` if it is none.
    pub(crate) fn first_question(message: &'a [u8]) -> Option<Question<'a>> {
        Reader { message, at: HEADER_LENGTH }.question().ok()
    }

    /// Begins a query with this header. [`read`](Self::read) fills it where it stays, because it has hundreds of octets.
    #[inline]
    pub fn new(header: &[u8; HEADER_LENGTH]) -> Self {
        const RD: u8 = 0x01;
        Self {
            id: u16::from_be_bytes([header[0], header[1]]),
            opcode: header[2] >> 3 & 0x0f,
            recursion_desired: header[2] & RD != 0,
            question: Ok(None),
            serial: None,
            edns: None,
            tsig: None,
            records: Ok(()),
        }
    }

    /// Reads the sections of the message with this header.
    #[inline(never)]
    pub fn read(&mut self, message: &'a [u8], header: &[u8; HEADER_LENGTH]) {
        self.records = self.sections(message, header);
    }

    /// Reads the sections. Fails at the first malformed record; everything that was read before stays in the query.
    #[inline]
    fn sections(&mut self, message: &'a [u8], header: &[u8; HEADER_LENGTH]) -> Result<(), Malformed> {
        let count = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
        let mut reader = Reader { message, at: HEADER_LENGTH };
        match count(4) {
            0 => {}
            1 => {
                self.question = reader.question().map(Some);
                self.question?;
            }
            // RFC 9619, section 4: "A DNS message with OPCODE = 0 and QDCOUNT > 1 MUST be treated as an incorrectly
            // formatted message." The OPT record is still read.
            many => {
                self.question = Err(Malformed);
                reader.skip_questions(many)?;
            }
        }
        reader.records(self, [count(6), count(8), count(10)])
    }

    /// True if the question asks for a copy of a zone.
    pub fn asks_for_transfer(&self) -> bool {
        matches!(&self.question, Ok(Some(question)) if question.rtype.is_transfer())
    }
}

/// Returns the serial of an SOA record: the first of the five numbers at its end (RFC 1035, section 3.3.13).
fn soa_serial(rdata: &[u8]) -> Result<u32, Malformed> {
    let numbers: &[u8; 5 * size_of::<u32>()] = rdata.last_chunk().ok_or(Malformed)?;
    numbers.first_chunk().map(|serial| u32::from_be_bytes(*serial)).ok_or(Malformed)
}

struct Reader<'a> {
    message: &'a [u8],
    at: usize,
}

/// A record's fields after its owner, the owner's offset, and whether the owner is the root.
struct Fields<'a> {
    owner: usize,
    is_root: bool,
    rtype: Rtype,
    class: u16,
    ttl: u32,
    rdata: &'a [u8],
}

impl<'a> Reader<'a> {
    #[inline]
    fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let octets = self.message.get(self.at..self.at + count).ok_or(Malformed)?;
        self.at += count;
        Ok(octets)
    }

    /// Takes the next `COUNT` numbers of 16 bits.
    #[inline]
    fn numbers<const COUNT: usize>(&mut self) -> Result<[u16; COUNT], Malformed> {
        let octets = self.take(2 * COUNT)?;
        Ok(std::array::from_fn(|number| u16::from_be_bytes([octets[2 * number], octets[2 * number + 1]])))
    }

    #[inline]
    fn question(&mut self) -> Result<Question<'a>, Malformed> {
        let start = self.at;
        // Nothing before the question's name could be the target of a compression pointer, so the name has none.
        // `lengths` collects the bits of all label lengths. All lower bits of the maximum are set, so `lengths` exceeds
        // it exactly if one label does.
        let mut lengths = 0;
        loop {
            let label = usize::from(*self.message.get(self.at).ok_or(Malformed)?);
            self.at += 1 + label;
            lengths |= label;
            if label == 0 {
                break;
            }
        }
        if lengths > MAX_LABEL_LENGTH || self.at - start > MAX_NAME_LENGTH {
            return Err(Malformed);
        }
        let name = &self.message[start..self.at];
        let [rtype, class] = self.numbers()?;
        Ok(Question { octets: &self.message[start..self.at], name, rtype: Rtype(rtype), class })
    }

    fn skip_questions(&mut self, count: u16) -> Result<(), Malformed> {
        (0..count).try_for_each(|_| {
            self.skip_name()?;
            self.take(4).map(drop)
        })
    }

    /// Reads this many answer, authority and additional records, and keeps OPT, TSIG and the serial of an SOA. RFC
    /// 6891, section 6.1.1: "If a query message with more than one OPT RR is received, a FORMERR [...] MUST be
    /// returned. The placement flexibility for the OPT RR does not override the need for the TSIG [...] to be last".
    #[inline]
    fn records(&mut self, found: &mut Query<'a>, [answer, authority, additional]: [u16; 3]) -> Result<(), Malformed> {
        for number in 0..u32::from(answer) + u32::from(authority) {
            let record = self.record()?;
            match record.rtype {
                Rtype::OPT | Rtype::TSIG => return Err(Malformed),
                Rtype::SOA if number >= u32::from(answer) => found.serial = Some(soa_serial(record.rdata)?),
                _ => {}
            }
        }
        for left in (0..additional).rev() {
            let record = self.record()?;
            match record.rtype {
                // Section 6.1.2: NAME "MUST be 0 (root domain)".
                Rtype::OPT if found.edns.is_some() || !record.is_root => return Err(Malformed),
                Rtype::OPT => found.edns.get_or_insert(Edns::new(record.class, record.ttl)).read(record.rdata),
                // RFC 8945, section 5.2: "If multiple TSIG records are detected or a TSIG record is present in any
                // other position, the DNS message is dropped and a response with RCODE 1 (FORMERR) MUST be returned."
                Rtype::TSIG if left > 0 => return Err(Malformed),
                Rtype::TSIG => found.tsig = Some(Tsig::parse(self.message, record.owner, record.rdata)?),
                _ => {}
            }
        }
        if self.at == self.message.len() { Ok(()) } else { Err(Malformed) }
    }

    #[inline]
    fn record(&mut self) -> Result<Fields<'a>, Malformed> {
        let owner = self.at;
        let is_root = self.skip_name()?;
        let [rtype, class, ttl_high, ttl_low, length] = self.numbers()?;
        let ttl = u32::from(ttl_high) << 16 | u32::from(ttl_low);
        Ok(Fields { owner, is_root, rtype: Rtype(rtype), class, ttl, rdata: self.take(length.into())? })
    }

    /// Skips a name, and does not follow its compression pointer. Returns true if the name is the root.
    #[inline]
    fn skip_name(&mut self) -> Result<bool, Malformed> {
        let start = self.at;
        loop {
            let label = self.take(1)?[0];
            match label {
                0 => return Ok(self.at == start + 1),
                1..=63 => _ = self.take(usize::from(label))?,
                POINTER.. => {
                    self.take(1)?;
                    return Ok(false);
                }
                64..POINTER => return Err(Malformed),
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
    fn a_question_is_read_in_place() {
        let message = [&HEADER[..], QUESTION].concat();
        let query = Query::parse(&message).unwrap();
        let question = query.question.unwrap().unwrap();
        assert_eq!((query.id, query.opcode, query.recursion_desired), (0xabcd, 0, true));
        assert_eq!(question.name, b"\x03WwW\x07example\x00");
        assert_eq!((question.rtype, question.class, question.octets), (Rtype::AAAA, 1, QUESTION));
        assert_eq!((query.edns, query.records), (None, Ok(())));
    }

    #[test]
    fn rfc6891_6_1_1_two_opt_records_are_malformed() {
        let opt = [0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0];
        let message = with_additional(1, &opt);
        let edns = Query::parse(&message).unwrap().edns.unwrap();
        assert_eq!((edns.payload, edns.version), (1232, 0));
        let message = with_additional(2, &[opt, opt].concat());
        let query = Query::parse(&message).unwrap();
        assert_eq!((query.edns.is_some(), query.records), (true, Err(Malformed)), "it speaks EDNS all the same");
    }

    #[test]
    fn what_is_cut_short_or_goes_on_is_malformed() {
        let opt = [0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0];
        let whole = with_additional(1, &opt);
        for length in 12..whole.len() {
            let query = Query::parse(&whole[..length]).unwrap();
            assert_eq!(query.records, Err(Malformed), "{length}");
        }
        assert_eq!(Query::parse(&[&whole[..], &[0]].concat()).unwrap().records, Err(Malformed));
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
