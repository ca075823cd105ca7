//! Malformed messages get an answer that an RFC names, or none, and do no harm.

use hickory_proto::rr::RecordType;

use crate::harness::{Asker, Files, Node, SERVER, random};

const ZONE: &str = r#"
[nameservers]
ns1 = ["127.0.0.1"]
[pools.web]
endpoints = ["192.0.2.1"]
[names.www]
pools = ["web"]
"#;

/// Messages of each kind.
const MESSAGES: usize = 2000;

/// Octets of a header.
const HEADER: usize = 12;

/// A header that asks one question and has one additional record.
const ASKING: [u8; HEADER] = [0xbe, 0xef, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1];
const QUESTION: &[u8] = b"\x03www\x07example\x03com\x00\x00\x01\x00\x01";
/// The OPT record up to its TTL.
const OPT: &[u8] = b"\x00\x00\x29\x04\xd0";

/// The answer to this message shows that all earlier ones were handled: messages of one socket are answered in turn.
const LAST: [u8; 2] = [0xfe, 0xed];

/// Response codes to a query that may be faulty.
const NOERROR: u8 = 0;
const FORMERR: u8 = 1;
const NOTIMP: u8 = 4;
const REFUSED: u8 = 5;

fn serve() -> Node {
    Files::new(SERVER, &[("example.com.toml", ZONE)]).serve()
}

/// Everything that comes back for these octets.
fn replies(asker: &Asker, octets: &[u8]) -> Vec<Vec<u8>> {
    assert!(asker.send(octets));
    let last = [&LAST, &ASKING[2..11], &[0], QUESTION].concat();
    assert!(asker.send(&last));
    let mut replies = Vec::new();
    loop {
        let reply = asker.receive().expect("the server lives, and answers what is sound");
        if reply.starts_with(&LAST) {
            return replies;
        }
        replies.push(reply);
    }
}

/// The response code, extended by an OPT record's where there is one at the end.
#[track_caller]
fn rcode(replies: &[Vec<u8>]) -> u8 {
    match replies {
        [reply] => {
            assert!(reply.len() >= HEADER && reply[2] & 0x80 != 0, "a response: {reply:02x?}");
            reply[3] & 0x0f
        }
        others => panic!("one reply, not {others:02x?}"),
    }
}

fn with_opt(ttl: [u8; 4], rdata: &[u8]) -> Vec<u8> {
    let length = (rdata.len() as u16).to_be_bytes();
    [&ASKING, QUESTION, OPT, &ttl, &length, rdata].concat()
}

fn with_subnet(option: &[u8]) -> Vec<u8> {
    let length = (option.len() as u16).to_be_bytes();
    with_opt([0; 4], &[&[0, 8], &length, option].concat())
}

/// A query with these octets of the header replaced.
fn with_header(changes: &[(usize, u8)]) -> Vec<u8> {
    let mut message = [&ASKING[..11], &[0], QUESTION].concat();
    for &(at, octet) in changes {
        message[at] = octet;
    }
    message
}

#[test]
fn rfc7871_malformed_client_subnet_options_are_formerr() {
    let node = serve();
    let asker = node.asker();
    let malformed: [(&str, &[u8]); 12] = [
        ("nothing", &[]),
        ("no prefix lengths", &[0, 1]),
        ("a family nobody knows", &[0, 3, 0, 0]),
        ("a longer prefix than IPv4 has", &[0, 1, 33, 0, 1, 2, 3, 4, 5]),
        ("a longer prefix than IPv6 has", &[0, 2, 129, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17]),
        ("a scope in a query", &[0, 1, 24, 24, 203, 0, 113]),
        ("an octet too few", &[0, 1, 24, 0, 203, 0]),
        ("an octet too many", &[0, 1, 24, 0, 203, 0, 113, 0]),
        ("an address for no prefix", &[0, 1, 0, 0, 203]),
        ("bits beyond the prefix", &[0, 1, 23, 0, 203, 0, 113]),
        ("bits beyond an IPv6 prefix", &[0, 2, 33, 0, 0x20, 1, 0x0d, 0xb8, 0x40]),
        ("an address of no family", &[0, 0, 8, 0, 1]),
    ];
    for (what, option) in malformed {
        assert_eq!(rcode(&replies(&asker, &with_subnet(option))), FORMERR, "{what}");
    }
    for sound in [&[0, 1, 24, 0, 203, 0, 113][..], &[0, 2, 32, 0, 0x20, 1, 0x0d, 0xb8], &[0, 1, 0, 0], &[0, 0, 0, 0]] {
        let replies = replies(&asker, &with_subnet(sound));
        assert_eq!(rcode(&replies), NOERROR, "{sound:?}");
        // RFC 7871, section 7.2.1: FAMILY, SOURCE PREFIX-LENGTH and ADDRESS come back as they were.
        let end = &replies[0][replies[0].len() - sound.len()..];
        assert_eq!((&end[..3], &end[4..]), (&sound[..3], &sound[4..]), "{sound:?}");
    }
}

#[test]
fn rfc6891_and_rfc1035_faults_have_their_codes() {
    let node = serve();
    let asker = node.asker();
    let two_opts = {
        let mut message = [with_opt([0; 4], &[]), with_opt([0; 4], &[])[HEADER + QUESTION.len()..].to_vec()].concat();
        message[11] = 2;
        message
    };
    let cases: [(&str, Vec<u8>, u8); 13] = [
        ("an option longer than the record", with_opt([0; 4], &[0, 10, 0, 9, 1]), FORMERR),
        ("an option's code alone", with_opt([0; 4], &[0, 10]), FORMERR),
        ("two OPT records", two_opts, FORMERR),
        ("an OPT record cut short", with_opt([0; 4], &[])[..HEADER + QUESTION.len() + 4].to_vec(), FORMERR),
        ("octets behind the message", [with_header(&[]), vec![0; 3]].concat(), FORMERR),
        ("no question", with_header(&[(5, 0)])[..HEADER].to_vec(), FORMERR),
        ("a question that is not there", with_header(&[(5, 1)])[..HEADER].to_vec(), FORMERR),
        ("two questions", [with_header(&[(5, 2)]), QUESTION.to_vec()].concat(), FORMERR),
        ("a label of 64 octets", with_header(&[(HEADER, 64)]), FORMERR),
        ("a name that is a pointer to itself", with_header(&[(HEADER, 0xc0), (HEADER + 1, HEADER as u8)]), FORMERR),
        ("STATUS", with_header(&[(2, 2 << 3)]), NOTIMP),
        ("UPDATE", with_header(&[(2, 5 << 3)]), NOTIMP),
        ("class CH", with_header(&[(HEADER + QUESTION.len() - 1, 3)]), REFUSED),
    ];
    for (what, message, expected) in cases {
        let replies = replies(&asker, &message);
        assert_eq!(rcode(&replies), expected, "{what}");
        assert_eq!(replies[0][..2], message[..2], "{what}: the ID comes back");
    }
    // BADVERS is 16: its upper bits are in the OPT record.
    let badvers = replies(&asker, &with_opt([0, 1, 0, 0], &[]));
    assert_eq!(rcode(&badvers), NOERROR);
    let opt = [OPT[0], OPT[1], OPT[2]];
    let at = badvers[0].windows(3).rposition(|octets| octets == opt).expect("an OPT record");
    assert_eq!(badvers[0][at + 5..at + 7], [1, 0], "extended code 1, version 0");
}

#[test]
fn responses_and_less_than_a_header_get_no_answer() {
    let node = serve();
    let asker = node.asker();
    assert_eq!(replies(&asker, &with_header(&[(2, 0x80)])), Vec::<Vec<u8>>::new(), "a reply could come back for ever");
    for length in 0..HEADER {
        assert_eq!(replies(&asker, &with_header(&[])[..length]), Vec::<Vec<u8>>::new(), "{length} octets");
    }
}

/// Checks the response to garbage, if there is one: the same ID, QR set, a code that an RFC names for it.
#[track_caller]
fn expect_civil(asker: &Asker, message: &[u8]) {
    if message.starts_with(&LAST) {
        return;
    }
    let replies = replies(asker, message);
    assert!(replies.len() <= 1, "{message:02x?}: {replies:02x?}");
    let Some(reply) = replies.first() else { return };
    assert_eq!(reply[..2], message[..2], "{message:02x?}: {reply:02x?}");
    let allowed = [NOERROR, FORMERR, 3, NOTIMP, REFUSED];
    assert!(allowed.contains(&rcode(&replies)), "{message:02x?}: {reply:02x?}");
    let limit = if message.len() > HEADER + QUESTION.len() { 1232 } else { 512 };
    assert!(reply.len() <= limit, "{message:02x?}: {reply:02x?}");
}

#[test]
fn garbage_is_answered_civilly_or_not_at_all() {
    let mut node = serve();
    let asker = node.asker();
    let mut random = random();
    let sound = with_subnet(&[0, 1, 24, 0, 203, 0, 113]);
    for _ in 0..MESSAGES {
        // Random octets, some of them after a valid header.
        let length = random.usize(..600);
        let mut noise: Vec<u8> = (0..length).map(|_| random.u8(..)).collect();
        if random.bool() && length >= HEADER {
            noise[..HEADER].copy_from_slice(&ASKING);
        }
        expect_civil(&asker, &noise);
        // A valid query with some octets changed, cut at a random place.
        let mut bent = sound.clone();
        for _ in 0..random.usize(1..6) {
            let at = random.usize(..bent.len());
            bent[at] = random.u8(..);
        }
        bent.truncate(random.usize(bent.len() / 2..=bent.len()));
        expect_civil(&asker, &bent);
    }
    assert!(node.is_running());
    assert_eq!(node.dig("www.example.com").data(), ["192.0.2.1"]);
    assert_eq!(node.dig("www.example.com +tcp").data(), ["192.0.2.1"]);
    let panics = node.log.lines().iter().filter(|line| line.contains("panicked")).count();
    assert_eq!(panics, 0);
}

#[test]
fn garbage_over_tcp_ends_its_own_connection_at_most() {
    use std::io::{Read, Write};
    use std::net::TcpStream;
    use std::time::Duration;

    let mut node = serve();
    let mut random = random();
    for _ in 0..MESSAGES / 10 {
        let mut stream = TcpStream::connect(node.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let noise: Vec<u8> = (0..random.usize(1..200)).map(|_| random.u8(..)).collect();
        // The server may close after the first octets.
        let _ = stream.write_all(&noise);
        let _ = stream.read(&mut [0; 512]);
    }
    assert!(node.is_running());
    assert_eq!(node.dig("www.example.com +tcp").data(), ["192.0.2.1"]);
    let reply = node.asker().ask("www.example.com.", RecordType::A, None);
    assert_eq!(reply.answers.len(), 1);
    let panics = node.log.lines().iter().filter(|line| line.contains("panicked")).count();
    assert_eq!(panics, 0);
}
