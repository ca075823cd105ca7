//! Questions to a real name server, Debian's Knot DNS, and to scripted ones that lie.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use hickory_proto::op::{Message, MessageType, ResponseCode};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use tempfile::TempDir;
use truenorth::health::{Check, DnsCheck, DnsTransport, ExpectedRecord, Failure, Stage};

use crate::endpoint::{ANY_PORT, Endpoint, Script, Step};
use crate::{IMPATIENCE, PATIENCE, assert_left_alone, failure, probe};

const NOERROR: u8 = 0;
const SERVFAIL: u8 = 2;
const NXDOMAIN: u8 = 3;
const A: u16 = 1;
const TXT: u16 = 16;

fn asking(name: &str, qtype: u16, transport: DnsTransport) -> DnsCheck {
    let labels = name.split('.').filter(|label| !label.is_empty());
    let wire = labels.flat_map(|label| [&[label.len() as u8], label.as_bytes()].concat()).chain([0]);
    let query = wire.collect();
    DnsCheck { query, qtype, transport, recursion: false, expect_rcode: vec![NOERROR], expect: Vec::new() }
}

fn www(expect: &[Ipv4Addr]) -> DnsCheck {
    let record =
        |address: &Ipv4Addr| ExpectedRecord { text: address.to_string().into(), rdata: address.octets().into() };
    DnsCheck { expect: expect.iter().map(record).collect(), ..asking("www.example.com", A, DnsTransport::Udp) }
}

async fn ask(address: SocketAddr, check: DnsCheck) -> Result<(), Failure> {
    let outcome = probe(address, Check::Dns(check), PATIENCE).await;
    if outcome.is_success() { Ok(()) } else { Err(failure(outcome)) }
}

mod knot {
    use super::*;

    /// Length of a string. Four of them are longer than a UDP message without EDNS.
    const LONG: usize = 250;

    /// Knot DNS with `example.com`, and with `broken.example`, whose file is missing.
    struct Knot {
        process: Child,
        address: SocketAddr,
        _folder: TempDir,
    }

    impl Knot {
        fn start() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let here = folder.path().display();
            let long = ["0", "1", "2", "3"].map(|digit| format!("long TXT {}", digit.repeat(LONG))).join("\n");
            let zone = format!(
                "$TTL 60\n@ SOA ns hostmaster 1 3600 600 604800 60\n@ NS ns\nns A 127.0.0.1\n\
                 www A 192.0.2.1\nwww A 192.0.2.2\nalias CNAME www\n@ MX 10 Mail\n{long}\n"
            );
            fs::write(folder.path().join("example.com.zone"), zone).unwrap();
            let port = free_port();
            let config = format!(
                "server:\n    rundir: {here}\n    listen: 127.0.0.1@{port}\n    udp-workers: 1\n\
                 database:\n    storage: {here}\n\
                 template:\n  - id: default\n    storage: {here}\n    zonefile-sync: -1\n\
                 zone:\n  - domain: example.com\n    file: example.com.zone\n\
                 \u{20} - domain: broken.example\n    file: nowhere.zone\n"
            );
            let path = folder.path().join("knot.conf");
            fs::write(&path, config).unwrap();
            let process = Command::new("knotd")
                .arg("-c")
                .arg(&path)
                .env("PATH", format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default()))
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap_or_else(|error| panic!("knotd does not start ({error}): apt-get install knot"));
            Self { process, address: (Ipv4Addr::LOCALHOST, port).into(), _folder: folder }
        }

        async fn wait_until_loaded(&self) {
            let deadline = Instant::now() + PATIENCE;
            while let Err(failure) = ask(self.address, www(&[])).await {
                assert!(Instant::now() < deadline, "knotd: {failure}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }

    impl Drop for Knot {
        fn drop(&mut self) {
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }

    /// A port that is free for UDP and TCP now; Knot takes no port 0.
    fn free_port() -> u16 {
        loop {
            let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let port = tcp.local_addr().unwrap().port();
            if UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
                return port;
            }
        }
    }

    fn txt(digit: char) -> ExpectedRecord {
        let rdata = [&[LONG as u8], digit.to_string().repeat(LONG).as_bytes()].concat();
        ExpectedRecord { text: "long".into(), rdata: rdata.into() }
    }

    #[tokio::test]
    async fn is_judged_by_what_it_answers() {
        let mut knot = Knot::start();
        knot.wait_until_loaded().await;
        let [one, two, three] = [1, 2, 3].map(|last| Ipv4Addr::new(192, 0, 2, last));

        assert_eq!(ask(knot.address, www(&[one])).await, Ok(()));
        assert_eq!(ask(knot.address, www(&[two, one])).await, Ok(()));
        assert_eq!(ask(knot.address, www(&[one, three])).await, Err(Failure::Record("192.0.2.3".to_owned())));
        let over_tcp = |check| DnsCheck { transport: DnsTransport::Tcp, ..check };
        assert_eq!(ask(knot.address, over_tcp(www(&[two]))).await, Ok(()));
        assert_eq!(ask(knot.address, over_tcp(www(&[three]))).await, Err(Failure::Record("192.0.2.3".to_owned())));
        let alias = asking("alias.example.com", A, DnsTransport::Udp);
        assert_eq!(ask(knot.address, DnsCheck { expect: www(&[one]).expect, ..alias }).await, Ok(()));
        // Names in data are compared without case and without compression.
        let mail = [&[0, 10, 4][..], b"mail\x07EXAMPLE\x03com\0"].concat();
        let mail = vec![ExpectedRecord { text: "10 mail".into(), rdata: mail.into() }];
        let mx = DnsCheck { expect: mail, ..asking("example.com", 15, DnsTransport::Udp) };
        assert_eq!(ask(knot.address, mx).await, Ok(()));

        let nowhere = asking("nowhere.example.com", A, DnsTransport::Udp);
        assert_eq!(ask(knot.address, nowhere.clone()).await, Err(Failure::Rcode("NXDOMAIN".to_owned())));
        let expected = DnsCheck { expect_rcode: vec![NOERROR, NXDOMAIN], ..nowhere };
        assert_eq!(ask(knot.address, expected).await, Ok(()));
        let broken = asking("www.broken.example", A, DnsTransport::Udp);
        assert_eq!(ask(knot.address, broken.clone()).await, Err(Failure::Rcode("SERVFAIL".to_owned())));
        assert_eq!(ask(knot.address, DnsCheck { expect_rcode: vec![SERVFAIL], ..broken }).await, Ok(()));
        let elsewhere = asking("www.example.net", A, DnsTransport::Tcp);
        assert_eq!(ask(knot.address, elsewhere).await, Err(Failure::Rcode("REFUSED".to_owned())));

        // Four long strings do not fit into 512 octets, so the probe finds the expected record over TCP.
        let long = asking("long.example.com", TXT, DnsTransport::Udp);
        assert_eq!(ask(knot.address, long.clone()).await, Ok(()));
        let all = ['0', '1', '2', '3'].map(txt).to_vec();
        assert_eq!(ask(knot.address, DnsCheck { expect: all, ..long.clone() }).await, Ok(()));
        let lacking = DnsCheck { expect: vec![txt('4')], ..long };
        assert_eq!(ask(knot.address, lacking).await, Err(Failure::Record("long".to_owned())));

        knot.process.kill().unwrap();
        knot.process.wait().unwrap();
        for transport in [DnsTransport::Udp, DnsTransport::Tcp] {
            assert_eq!(ask(knot.address, DnsCheck { transport, ..www(&[one]) }).await, Err(Failure::Refused));
        }
    }
}

/// The responses of a scripted name server to a question, one datagram after the other.
type Answers = Vec<Vec<u8>>;

/// A name server over UDP that sends scripted answers.
struct Liar {
    address: SocketAddr,
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Liar {
    /// Answers from the address that is asked, or from another port if `elsewhere`.
    fn start(elsewhere: bool, answer: impl Fn(&Message) -> Answers + Send + 'static) -> Self {
        Self::start_at(ANY_PORT, elsewhere, answer)
    }

    fn start_at(address: SocketAddr, elsewhere: bool, answer: impl Fn(&Message) -> Answers + Send + 'static) -> Self {
        let socket = UdpSocket::bind(address).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
        let address = socket.local_addr().unwrap();
        let other = UdpSocket::bind(ANY_PORT).unwrap();
        let stopping = Arc::new(AtomicBool::new(false));
        let stop = stopping.clone();
        let thread = thread::spawn(move || {
            let mut buffer = [0; 512];
            while !stop.load(Ordering::Relaxed) {
                let Ok((length, asker)) = socket.recv_from(&mut buffer) else { continue };
                let question = Message::from_vec(&buffer[..length]).unwrap();
                for datagram in answer(&question) {
                    // An error means that the prober is gone: it may leave after the first answer that it accepts.
                    let _ = if elsewhere { &other } else { &socket }.send_to(&datagram, asker);
                }
            }
        });
        Self { address, stopping, thread: Some(thread) }
    }
}

/// A name server that sends scripted answers over UDP, and the true answer over TCP at the same port, to `askers`
/// clients.
fn cuts(askers: usize, answer: impl Fn(&Message) -> Vec<u8> + Send + 'static) -> (Liar, JoinHandle<()>) {
    let listener = TcpListener::bind(ANY_PORT).unwrap();
    let liar = Liar::start_at(listener.local_addr().unwrap(), false, move |question| vec![answer(question)]);
    let truthful = thread::spawn(move || {
        for _ in 0..askers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut length = [0; 2];
            stream.read_exact(&mut length).unwrap();
            let mut question = vec![0; u16::from_be_bytes(length).into()];
            stream.read_exact(&mut question).unwrap();
            let answer = wire(&truth(&Message::from_vec(&question).unwrap()));
            stream.write_all(&[&(answer.len() as u16).to_be_bytes(), &answer[..]].concat()).unwrap();
        }
    });
    (liar, truthful)
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The true answer.
fn truth(question: &Message) -> Message {
    let mut answer = question.clone();
    answer.metadata.message_type = MessageType::Response;
    let name = Name::from_ascii("www.example.com.").unwrap();
    answer.add_answer(Record::from_rdata(name, 60, RData::A(ONE.into())));
    answer
}

fn wire(message: &Message) -> Vec<u8> {
    message.to_vec().unwrap()
}

const ONE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

#[tokio::test]
async fn what_is_no_answer_to_the_question_is_passed_over() {
    let liar = Liar::start(false, |question| {
        let mut late = truth(question);
        late.metadata.id ^= 1;
        late.metadata.response_code = ResponseCode::ServFail;
        vec![wire(&late), vec![], vec![0; 3], wire(question), wire(&truth(question))]
    });
    assert_eq!(ask(liar.address, www(&[ONE])).await, Ok(()));
}

#[tokio::test]
async fn what_comes_from_elsewhere_does_not_count() {
    let liar = Liar::start(true, |question| vec![wire(&truth(question))]);
    let started = Instant::now();
    let outcome = probe(liar.address, Check::Dns(www(&[])), IMPATIENCE).await;
    assert_eq!(failure(outcome), Failure::TimedOut(Stage::Response));
    assert!(started.elapsed() < PATIENCE);
}

#[tokio::test]
async fn what_is_malformed_or_answers_another_question_is_a_protocol_error() {
    type Lie = fn(&Message) -> Vec<u8>;
    let lies: [(Lie, &str); 5] = [
        (|question| [&question.metadata.id.to_be_bytes()[..], &[0x80]].concat(), ""),
        (|question| wire(&truth(question))[..40].to_vec(), ""),
        // A pointer to itself.
        (
            |question| [&question.metadata.id.to_be_bytes()[..], &[0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xC0, 12]].concat(),
            "",
        ),
        (
            |question| {
                let mut other = truth(question);
                other.queries[0].set_query_type(RecordType::AAAA);
                wire(&other)
            },
            "the answer repeats another question",
        ),
        (
            |question| {
                let mut bare = truth(question);
                bare.queries.clear();
                wire(&bare)
            },
            "the answer repeats another question",
        ),
    ];
    for (lie, why) in lies {
        let liar = Liar::start(false, move |question| vec![lie(question)]);
        match ask(liar.address, www(&[])).await {
            Err(Failure::Protocol(told)) => assert!(told.contains(why), "{told}"),
            other => panic!("a protocol error was expected, not {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_bare_header_may_say_what_is_wrong() {
    let liar =
        Liar::start(false, |question| vec![[&question.metadata.id.to_be_bytes()[..], &[0x80, 4], &[0; 8]].concat()]);
    assert_eq!(ask(liar.address, www(&[])).await, Err(Failure::Rcode("NOTIMP".to_owned())));
}

#[tokio::test]
async fn recursion_is_asked_for_only_where_it_is_wanted() {
    let liar = Liar::start(false, |question| {
        let mut answer = truth(question);
        if question.metadata.recursion_desired {
            answer.metadata.response_code = ResponseCode::Refused;
        }
        vec![wire(&answer)]
    });
    assert_eq!(ask(liar.address, www(&[ONE])).await, Ok(()));
    let recursive = DnsCheck { recursion: true, ..www(&[ONE]) };
    assert_eq!(ask(liar.address, recursive).await, Err(Failure::Rcode("REFUSED".to_owned())));
}

#[tokio::test]
async fn tcp_that_lies_stalls_or_breaks_off_is_told() {
    let over_tcp = || DnsCheck { transport: DnsTransport::Tcp, ..www(&[]) };
    let endpoint = Endpoint::start(ANY_PORT, Script(vec![Step::Say([&[0, 12][..], &[0; 12]].concat()), Step::Hang]));
    assert!(matches!(ask(endpoint.address(), over_tcp()).await, Err(Failure::Protocol(_))));
    assert_left_alone(&endpoint);
    endpoint.play(Script(vec![Step::ReadQuestion, Step::Say(vec![0, 100, 1, 2, 3])]));
    assert_eq!(ask(endpoint.address(), over_tcp()).await, Err(Failure::Closed));
    endpoint.play(Script(vec![Step::Say(vec![0, 100, 1, 2, 3]), Step::Reset]));
    assert_eq!(ask(endpoint.address(), over_tcp()).await, Err(Failure::Reset));
    endpoint.play(Script(vec![Step::Say(vec![0xFF, 0xFF]), Step::Hang]));
    let outcome = probe(endpoint.address(), Check::Dns(over_tcp()), IMPATIENCE).await;
    assert_eq!(failure(outcome), Failure::TimedOut(Stage::Response));
    assert_left_alone(&endpoint);
}

#[tokio::test]
async fn a_cut_answer_is_asked_for_again_before_anything_of_it_is_read() {
    const TC: u8 = 0x02;
    type Cut = fn(&Message) -> Vec<u8>;
    let cuts_there: [Cut; 5] = [
        // Only the header.
        |question| [&question.metadata.id.to_be_bytes()[..], &[0x80 | TC, 0, 0, 0, 0, 0, 0, 0, 0, 0]].concat(),
        // An unexpected code, and counts of records that are missing.
        |question| [&question.metadata.id.to_be_bytes()[..], &[0x80 | TC, 2, 0, 1, 0, 9, 0, 9, 0, 9]].concat(),
        // Cut in the middle of a record, as some do.
        |question| {
            let mut cut = truth(question);
            cut.metadata.truncation = true;
            wire(&cut)[..wire(&cut).len() - 2].to_vec()
        },
        // The truncated answer contains all expected records.
        |question| {
            let mut cut = truth(question);
            cut.metadata.truncation = true;
            wire(&cut)
        },
        // Another question, and random octets.
        |question| {
            [&question.metadata.id.to_be_bytes()[..], &[0x80 | TC, 0, 0, 1, 0, 0, 0, 0, 0, 0], b"\xc0\x0c\xff\xff"]
                .concat()
        },
    ];
    for (number, cut) in cuts_there.into_iter().enumerate() {
        let (liar, truthful) = cuts(1, cut);
        assert_eq!(ask(liar.address, www(&[ONE])).await, Ok(()), "{number}");
        truthful.join().unwrap();
    }
}

#[tokio::test]
async fn records_that_nobody_asked_about_say_nothing() {
    /// The answer with this many records added at its end, which a section's count in the header includes.
    fn with(question: &Message, section: usize, records: &[&[u8]]) -> Vec<u8> {
        let mut octets = wire(&truth(question));
        octets[section + 1] += records.len() as u8;
        octets.extend(records.concat());
        octets
    }
    const ANSWER: usize = 6;
    const AUTHORITY: usize = 8;
    const ADDITIONAL: usize = 10;
    /// Owner, type, class, TTL and length of a record.
    const BROKEN_MX: &[u8] = b"\0\0\x0f\0\x01\0\0\0\0\0\x01x";
    const BROKEN_SOA: &[u8] = b"\0\0\x06\0\x01\0\0\0\0\0\x02\xc0\xff";
    const UNKNOWN: &[u8] = b"\0\xff\x42\0\x01\0\0\0\0\0\x03abc";
    const BROKEN_A: &[u8] = b"\0\0\x01\0\x01\0\0\0\0\0\x03abc";
    const BROKEN_OPT: &[u8] = b"\x01x\0\0\x29\x02\0\0\0\0\0\0\x01x";
    const LONGER_THAN_ALL: &[u8] = b"\0\0\x10\0\x01\0\0\0\0\xff\xff";
    type Odd = fn(&Message) -> Vec<u8>;
    let oddities: [Odd; 7] = [
        |question| with(question, ANSWER, &[BROKEN_MX, UNKNOWN]),
        |question| with(question, ANSWER, &[BROKEN_A]),
        |question| with(question, AUTHORITY, &[BROKEN_SOA]),
        |question| with(question, AUTHORITY, &[LONGER_THAN_ALL]),
        |question| with(question, ADDITIONAL, &[BROKEN_OPT, UNKNOWN]),
        // A wrong count, and octets after the message.
        |question| {
            let mut octets = wire(&truth(question));
            octets[ADDITIONAL + 1] = 9;
            octets
        },
        |question| [&wire(&truth(question))[..], b"behind it"].concat(),
    ];
    for (number, odd) in oddities.into_iter().enumerate() {
        let liar = Liar::start(false, move |question| vec![odd(question)]);
        assert_eq!(ask(liar.address, www(&[ONE])).await, Ok(()), "{number}");
    }
}

#[tokio::test]
async fn datagrams_without_end_are_left() {
    let liar = Liar::start(false, |question| {
        let mut late = truth(question);
        late.metadata.id ^= 1;
        vec![wire(&late); 100_000]
    });
    let found = ask(liar.address, www(&[])).await;
    assert!(matches!(found, Err(Failure::TooMuch(_))), "{found:?}");
}
