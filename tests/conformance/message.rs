//! Messages octet by octet: queries that no library would write, and strictly parsed replies.

use std::net::IpAddr;

use truenorth::answer::Transport;

use crate::scene::Scene;

pub(crate) const A: u16 = 1;
pub(crate) const SOA: u16 = 6;
pub(crate) const TXT: u16 = 16;
pub(crate) const OPT: u16 = 41;
pub(crate) const TSIG: u16 = 250;
pub(crate) const ANY: u16 = 255;

pub(crate) const IN: u16 = 1;
pub(crate) const CH: u16 = 3;

pub(crate) const NSID: u16 = 3;
pub(crate) const CLIENT_SUBNET: u16 = 8;
pub(crate) const COOKIE: u16 = 10;
pub(crate) const TCP_KEEPALIVE: u16 = 11;
pub(crate) const PADDING: u16 = 12;
pub(crate) const EXTENDED_ERROR: u16 = 15;

pub(crate) const NOERROR: u16 = 0;
pub(crate) const FORMERR: u16 = 1;
pub(crate) const SERVFAIL: u16 = 2;
pub(crate) const NXDOMAIN: u16 = 3;
pub(crate) const NOTIMP: u16 = 4;
pub(crate) const REFUSED: u16 = 5;
pub(crate) const NOTAUTH: u16 = 9;
pub(crate) const BADVERS: u16 = 16;
pub(crate) const BADCOOKIE: u16 = 23;

pub(crate) const QR: u16 = 0x8000;
pub(crate) const AA: u16 = 0x0400;
pub(crate) const TC: u16 = 0x0200;
pub(crate) const RD: u16 = 0x0100;
pub(crate) const DO: u16 = 0x8000;

/// The longest message over UDP without EDNS.
pub(crate) const PLAIN: usize = 512;

/// Names for the tests, added to [`ZONE`](crate::scene::ZONE): a steered one, and RRsets of 400, 1,000 and 3,000
/// octets.
pub(crate) fn names() -> String {
    let strings = |count: u8| (0..count).map(|n| format!("\"{n:a<97}\"")).collect::<Vec<_>>().join(", ");
    format!(
        "[names.www]\npools = [\"web\"]\n[records.some]\nTXT = [{}]\n[records.more]\nTXT = [{}]\n[records.most]\nTXT = [{}]\n",
        strings(3),
        strings(9),
        strings(27)
    )
}

/// A node with these names.
pub(crate) fn node() -> Scene {
    Scene::new(&names())
}

/// The same, with additions to the server file.
pub(crate) fn node_with(server: &str) -> Scene {
    Scene::with_server(server, &names())
}

/// A name in wire format.
pub(crate) fn name(text: &str) -> Vec<u8> {
    let labels = text.split('.').filter(|label| !label.is_empty());
    labels.flat_map(|label| [&[label.len() as u8], label.as_bytes()].concat()).chain([0]).collect()
}

/// A record.
pub(crate) fn record(owner: &[u8], rtype: u16, class: u16, ttl: u32, rdata: &[u8]) -> Vec<u8> {
    let numbers = [rtype.to_be_bytes(), class.to_be_bytes()].concat();
    [owner, &numbers, &ttl.to_be_bytes(), &(rdata.len() as u16).to_be_bytes(), rdata].concat()
}

/// A query under construction.
#[derive(Clone)]
pub(crate) struct Asked {
    pub(crate) flags: u16,
    /// QDCOUNT, ANCOUNT, NSCOUNT and ARCOUNT, without the OPT record.
    pub(crate) counts: [u16; 4],
    /// The question section.
    pub(crate) questions: Vec<u8>,
    /// Everything between the question and the OPT record.
    pub(crate) records: Vec<u8>,
    /// CLASS and TTL of the OPT record, and its options.
    edns: Option<(u16, u32, Vec<u8>)>,
    /// Everything after the OPT record.
    pub(crate) tail: Vec<u8>,
}

/// A query for a name in example.com, or any other if it ends with a dot.
pub(crate) fn ask(owner: &str, rtype: u16) -> Asked {
    let owner = if owner.ends_with('.') { owner.to_owned() } else { format!("{owner}.example.com.") };
    ask_for([&name(&owner)[..], &rtype.to_be_bytes(), &IN.to_be_bytes()].concat())
}

/// A query with this question.
pub(crate) fn ask_for(question: Vec<u8>) -> Asked {
    Asked { flags: 0, counts: [1, 0, 0, 0], questions: question, records: Vec::new(), edns: None, tail: Vec::new() }
}

impl Asked {
    pub(crate) fn class(mut self, class: u16) -> Self {
        let at = self.questions.len() - 2;
        self.questions[at..].copy_from_slice(&class.to_be_bytes());
        self
    }

    pub(crate) fn flags(mut self, flags: u16) -> Self {
        self.flags |= flags;
        self
    }

    pub(crate) fn opcode(self, opcode: u16) -> Self {
        self.flags(opcode << 11)
    }

    /// With an OPT record that offers this payload.
    pub(crate) fn payload(self, payload: u16) -> Self {
        self.opt(payload, 0)
    }

    /// With an OPT record of this CLASS and TTL.
    pub(crate) fn opt(mut self, payload: u16, ttl: u32) -> Self {
        self.edns = Some((payload, ttl, Vec::new()));
        self
    }

    /// With an OPT record.
    pub(crate) fn edns(self) -> Self {
        self.payload(1232)
    }

    /// With one more option.
    pub(crate) fn option(mut self, code: u16, octets: &[u8]) -> Self {
        let (_, _, options) = self.edns.get_or_insert((1232, 0, Vec::new()));
        options.extend([code.to_be_bytes(), (octets.len() as u16).to_be_bytes()].concat());
        options.extend(octets);
        self
    }

    /// With octets at the end of the OPT record's RDATA.
    pub(crate) fn raw_options(mut self, octets: &[u8]) -> Self {
        let (_, _, options) = self.edns.get_or_insert((1232, 0, Vec::new()));
        options.extend(octets);
        self
    }

    /// With a record at the end of the additional section.
    pub(crate) fn last(mut self, record: &[u8]) -> Self {
        self.tail.extend(record);
        self.counts[3] += 1;
        self
    }

    pub(crate) fn octets(&self) -> Vec<u8> {
        let opt = self.edns.as_ref().map(|(payload, ttl, options)| record(&[0], OPT, *payload, *ttl, options));
        let mut counts = self.counts;
        counts[3] += u16::from(opt.is_some());
        let header = [0x1234, self.flags, counts[0], counts[1], counts[2], counts[3]].map(u16::to_be_bytes).concat();
        [header, self.questions.clone(), self.records.clone(), opt.unwrap_or_default(), self.tail.clone()].concat()
    }
}

/// A reply.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) octets: Vec<u8>,
    pub(crate) flags: u16,
    /// With the upper bits that the OPT record holds.
    pub(crate) rcode: u16,
    /// QDCOUNT, ANCOUNT, NSCOUNT, ARCOUNT.
    pub(crate) counts: [u16; 4],
    /// The question section.
    pub(crate) question: Vec<u8>,
    pub(crate) records: Vec<SeenRecord>,
    pub(crate) opt: Option<SeenOpt>,
    pub(crate) has_valid_cookie: bool,
}

/// A record other than OPT, its owner as the message has it.
#[derive(Debug)]
pub(crate) struct SeenRecord {
    pub(crate) owner: Vec<u8>,
    pub(crate) rtype: u16,
    pub(crate) class: u16,
    pub(crate) ttl: u32,
    pub(crate) rdata: Vec<u8>,
}

/// An OPT record.
#[derive(Debug)]
pub(crate) struct SeenOpt {
    pub(crate) payload: u16,
    pub(crate) version: u8,
    pub(crate) flags: u16,
    pub(crate) options: Vec<(u16, Vec<u8>)>,
}

impl Scene {
    /// Asks over UDP from loopback.
    pub(crate) fn see(&mut self, query: &Asked) -> Seen {
        self.see_over(Transport::Udp, query)
    }

    pub(crate) fn see_over(&mut self, transport: Transport, query: &Asked) -> Seen {
        self.see_octets(transport, &query.octets()).expect("a query gets a reply")
    }

    pub(crate) fn see_from(&mut self, source: &str, query: &Asked) -> Seen {
        let source = source.parse().expect("an address");
        self.see_octets_from(source, Transport::Udp, &query.octets()).expect("a query gets a reply")
    }

    pub(crate) fn see_octets(&mut self, transport: Transport, octets: &[u8]) -> Option<Seen> {
        self.see_octets_from(IpAddr::from([127, 0, 0, 1]), transport, octets)
    }

    fn see_octets_from(&mut self, source: IpAddr, transport: Transport, octets: &[u8]) -> Option<Seen> {
        let (reply, has_valid_cookie) = self.exchange(source, octets, transport)?;
        assert_eq!(reply[..2], octets[..2], "the ID comes back");
        Some(Seen::read(reply, has_valid_cookie))
    }
}

impl Seen {
    /// Reads a reply; it must be complete, with nothing after it.
    fn read(octets: Vec<u8>, has_valid_cookie: bool) -> Self {
        let u16_at = |at: usize| u16::from_be_bytes([octets[at], octets[at + 1]]);
        let name_end = |mut at: usize| loop {
            match octets[at] {
                0 => return at + 1,
                192.. => return at + 2,
                label => at += 1 + usize::from(label),
            }
        };
        let counts = [4, 6, 8, 10].map(u16_at);
        let mut at = (0..counts[0]).fold(12, |at, _| name_end(at) + 4);
        let question = octets[12..at].to_vec();
        let (mut records, mut opt) = (Vec::new(), None);
        for _ in 0..counts[1] + counts[2] + counts[3] {
            let fields = name_end(at);
            let end = fields + 10 + usize::from(u16_at(fields + 8));
            let (owner, rdata) = (octets[at..fields].to_vec(), octets[fields + 10..end].to_vec());
            let ttl = u32::from(u16_at(fields + 4)) << 16 | u32::from(u16_at(fields + 6));
            let (rtype, class) = (u16_at(fields), u16_at(fields + 2));
            if rtype == OPT {
                assert!(opt.is_none() && owner == [0], "one OPT record, owned by the root");
                opt = Some(SeenOpt::read(class, ttl, &rdata));
            } else {
                records.push(SeenRecord { owner, rtype, class, ttl, rdata });
            }
            at = end;
        }
        assert_eq!(at, octets.len(), "nothing goes behind the last record");
        let flags = u16_at(2);
        assert_eq!(flags & QR, QR);
        let upper = opt.as_ref().map_or(0, |(upper, _)| *upper);
        let (rcode, opt) = (flags & 0x0f | upper << 4, opt.map(|(_, opt)| opt));
        Self { octets, flags, rcode, counts, question, records, opt, has_valid_cookie }
    }

    /// The only option with this code.
    pub(crate) fn option(&self, code: u16) -> Option<&[u8]> {
        let options = &self.opt.as_ref()?.options;
        let mut found = options.iter().filter(|(other, _)| *other == code).map(|(_, octets)| octets.as_slice());
        let option = found.next();
        assert_eq!(found.next(), None, "an option comes once");
        option
    }

    /// INFO-CODE and EXTRA-TEXT.
    pub(crate) fn extended_error(&self) -> Option<(u16, String)> {
        let (code, text) = self.option(EXTENDED_ERROR)?.split_first_chunk()?;
        Some((u16::from_be_bytes(*code), String::from_utf8(text.to_vec()).expect("EXTRA-TEXT is UTF-8")))
    }

    /// The reply has no records but OPT.
    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }
}

impl SeenOpt {
    fn read(payload: u16, ttl: u32, mut rdata: &[u8]) -> (u16, Self) {
        let mut options = Vec::new();
        while let [c0, c1, l0, l1, rest @ ..] = rdata {
            let (option, behind) = rest.split_at(usize::from(u16::from_be_bytes([*l0, *l1])));
            options.push((u16::from_be_bytes([*c0, *c1]), option.to_vec()));
            rdata = behind;
        }
        assert!(rdata.is_empty(), "options fill the OPT record");
        ((ttl >> 24) as u16, Self { payload, version: (ttl >> 16) as u8, flags: ttl as u16, options })
    }
}

/// Octets from hexadecimal digits.
pub(crate) fn hex(digits: &str) -> Vec<u8> {
    let pairs = digits.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).expect("ASCII"));
    pairs.map(|pair| u8::from_str_radix(pair, 16).expect("hexadecimal digits")).collect()
}
