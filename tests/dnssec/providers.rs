//! Another provider signs the same zone with keys of its own (RFC 8901, model 2): answers of one validate with the keys that
//! came from the other.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use hickory_proto::rr::RecordType::{A, AAAA, DNSKEY, MX, SOA, TXT};

use crate::harness::{Files, PATIENCE, SERVER};
use crate::presigned::peers::Peer;
use crate::presigned::signers::{Signed, Way};
use crate::validators::{Memory, Validator, free_port, is_authentic};
use crate::world::{ZONE, create_key};

/// Questions of each kind.
const ROUNDS: usize = 40;

/// The zone as the other provider has it.
const OTHERS: &str = "$ORIGIN signed.example.
$TTL 300
@ 3600 SOA ns1 hostmaster 1 3600 600 604800 60
@ 3600 NS ns1
ns1 A 127.0.0.1
mail A 192.0.2.25
www CNAME mail
*.wild TXT \"a wildcard\"
";

/// The same zone here.
fn ours(keys: &[&str]) -> String {
    format!(
        "[dnssec]\nenabled = true\nforeign_keys = {keys:?}\n[nameservers]\nns1 = [\"127.0.0.1\"]\n[soa]\nserial = 1\n\
         [records.mail]\nA = [\"192.0.2.25\"]\n[records.www]\nCNAME = [\"mail\"]\n[records.\"*.wild\"]\nTXT = [\"a wildcard\"]\n"
    )
}

/// The provider for a type and the number of a question.
type Choose = Box<dyn Fn(u16, usize) -> SocketAddr + Send + Sync>;

/// Passes each question to the provider that is chosen for it, over UDP and TCP: `named` asks over TCP where a server does not
/// return the cookie that another one gave.
struct Relay {
    address: SocketAddr,
    is_done: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

/// The ways that questions take.
struct Ways {
    choose: Choose,
    /// Number of questions so far.
    asked: AtomicUsize,
}

impl Ways {
    fn provider(&self, query: &[u8]) -> SocketAddr {
        let mut at = 12;
        while query[at] != 0 {
            at += 1 + usize::from(query[at]);
        }
        let rtype = u16::from_be_bytes([query[at + 1], query[at + 2]]);
        (self.choose)(rtype, self.asked.fetch_add(1, Ordering::Relaxed))
    }
}

/// Time between two looks whether the relay has ended.
const TURN: Duration = Duration::from_millis(20);

impl Relay {
    fn start(choose: Choose) -> Self {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let (udp, tcp) = (UdpSocket::bind(address).unwrap(), TcpListener::bind(address).unwrap());
        udp.set_read_timeout(Some(TURN)).unwrap();
        tcp.set_nonblocking(true).unwrap();
        let is_done = Arc::<AtomicBool>::default();
        let of_udp = Arc::new(Ways { choose, asked: AtomicUsize::default() });
        let of_tcp = of_udp.clone();
        let [udp_ends, tcp_ends] = [is_done.clone(), is_done.clone()];
        let over_udp = thread::spawn(move || {
            let mut buffer = [0; 4096];
            while !udp_ends.load(Ordering::Relaxed) {
                let Ok((length, asker)) = udp.recv_from(&mut buffer) else { continue };
                let out = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
                out.set_read_timeout(Some(PATIENCE)).unwrap();
                out.send_to(&buffer[..length], of_udp.provider(&buffer[..length])).unwrap();
                let length = out.recv(&mut buffer).unwrap();
                let _ = udp.send_to(&buffer[..length], asker);
            }
        });
        let over_tcp = thread::spawn(move || {
            while !tcp_ends.load(Ordering::Relaxed) {
                let Ok((asker, _)) = tcp.accept() else {
                    thread::sleep(TURN);
                    continue;
                };
                asker.set_nonblocking(false).unwrap();
                let ways = of_tcp.clone();
                // It ends with the asker's connection.
                thread::spawn(move || pass_on(asker, &ways));
            }
        });
        Self { address, is_done, threads: vec![over_udp, over_tcp] }
    }
}

/// Passes the questions of one connection on, until the asker closes it.
fn pass_on(mut asker: TcpStream, ways: &Ways) {
    while let Some(query) = framed(&mut asker) {
        let mut provider = TcpStream::connect(ways.provider(&query)).unwrap();
        write_framed(&mut provider, &query);
        let Some(reply) = framed(&mut provider) else { return };
        write_framed(&mut asker, &reply);
    }
}

fn framed(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut length = [0; 2];
    stream.read_exact(&mut length).ok()?;
    let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut message).ok()?;
    Some(message)
}

fn write_framed(stream: &mut TcpStream, message: &[u8]) {
    let length = (message.len() as u16).to_be_bytes();
    let _ = stream.write_all(&[&length, message].concat());
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.is_done.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// Files with a key, and the same zone signed by BIND. Each knows the keys of the other.
fn providers() -> (Files, Signed) {
    let files = Files::new(SERVER, &[("signed.example.toml", &ours(&[]))]);
    create_key(&files, ZONE);
    let [public, _] = crate::world::key_paths(&files);
    let public = std::fs::read_to_string(public).unwrap();
    let key = public.lines().find(|line| line.contains(" DNSKEY ")).unwrap();
    let signed = Signed::zone(&format!("{OTHERS}{key}\n"), Way::BindNsec);
    let [zsk, ksk] = &signed.keys[..] else { panic!("two keys") };
    // Data, and a whole record.
    let (_, data) = zsk.split_once(" DNSKEY ").unwrap();
    files.write("zones/signed.example.toml", ours(&[data, ksk]));
    (files, signed)
}

#[test]
fn answers_of_each_provider_validate_with_the_keys_of_the_other() {
    let (files, signed) = providers();
    let (node, other) = (files.serve(), Peer::knot(&signed.text));
    let (ours, theirs) = (node.address(), other.address);
    let own = files.run("dnssec ds signed.example").stdout;
    let (_, own) = own.lines().next().unwrap().split_once(" DS ").unwrap();
    let is_key = |rtype| rtype == u16::from(DNSKEY);
    let cases: [(&str, String, Choose); 3] = [
        ("keys from here", own.to_owned(), Box::new(move |rtype, _| if is_key(rtype) { ours } else { theirs })),
        ("keys from there", signed.ds.clone(), Box::new(move |rtype, _| if is_key(rtype) { theirs } else { ours })),
        // The parent holds the DS records of both.
        (
            "in turn",
            format!("{own}\n{}", signed.ds),
            Box::new(move |_, number| if number % 3 == 0 { ours } else { theirs }),
        ),
    ];
    for (case, anchors, choose) in cases {
        let relay = Relay::start(choose);
        for validator in [
            Validator::unbound_for(&[("signed.example", relay.address)], &anchors, Memory::Short),
            Validator::named_for(&[("signed.example", relay.address)], &anchors, Memory::Short),
        ] {
            let mut client = validator.client(false);
            for number in 0..ROUNDS {
                let (wild, nope) = (format!("w{number}.wild."), format!("n{number}."));
                for (name, rtype) in [
                    ("mail.", A),
                    ("www.", A),
                    (&*wild, TXT),
                    (&*nope, A),
                    ("mail.", AAAA),
                    ("", SOA),
                    ("", MX),
                    ("", DNSKEY),
                ] {
                    let name = format!("{name}signed.example.");
                    let reply = client.ask(&name, rtype);
                    assert!(
                        is_authentic(&reply),
                        "{case}, {}: {name} {rtype}: {reply}\n{}",
                        client.name,
                        validator.log()
                    );
                }
            }
        }
    }
}

#[test]
fn keys_of_others_are_published_and_told() {
    let (files, signed) = providers();
    let node = files.serve();
    let keys = node.dig("+dnssec signed.example DNSKEY").answer;
    let of_type = |rtype: &str| keys.iter().filter(|record| record.rtype == rtype).count();
    assert_eq!((of_type("DNSKEY"), of_type("RRSIG")), (3, 1), "{keys:?}");
    // The CDS records are those of all entry points (RFC 8901, section 9).
    let cds = node.dig("signed.example CDS");
    assert_eq!(cds.answer.len(), 2, "{cds:?}");
    assert_eq!(node.dig("signed.example CDNSKEY").answer.len(), 2);
    let lines = files.run("dnssec ds signed.example").stdout;
    assert!(lines.lines().count() == 2 && lines.contains(&signed.ds[..20]), "{lines}");
    let status = files.run("dnssec status").stdout;
    assert_eq!(status.matches(", of another provider").count(), 2, "{status}");
    let tag = signed.ds.split(' ').next().unwrap();
    assert!(status.contains(&format!("key {tag:<5}  ECDSAP256SHA256  flags 257, of another provider")), "{status}");
    let explained = files.run("explain signed.example CDS --client 192.0.2.1").stdout;
    assert!(explained.contains(&format!("foreign   key {tag} is of another provider")), "{explained}");
    // While keys of our own roll, they stay.
    let begun = files.run("dnssec rollover signed.example --now").stdout;
    assert!(begun.contains("give the DNSKEY records in the .key files to the other providers"), "{begun}");
    node.signal("HUP");
    let is_begun = || {
        let keys = node.dig("+dnssec signed.example DNSKEY").answer;
        let count = |rtype: &str| keys.iter().filter(|record| record.rtype == rtype).count();
        (count("DNSKEY"), count("RRSIG")) == (4, 2)
    };
    let end = std::time::Instant::now() + PATIENCE;
    while !is_begun() {
        assert!(std::time::Instant::now() < end, "{:?}", node.dig("+dnssec signed.example DNSKEY"));
        thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(node.dig("signed.example CDS").answer.len(), 2, "the new key is not known to all caches yet");
}

#[test]
fn what_is_no_key_of_another_provider_is_refused() {
    let (files, signed) = providers();
    let [zsk, ksk] = [&signed.keys[0], &signed.keys[1]];
    let data = zsk.split_once(" DNSKEY ").unwrap().1;
    let with = |keys: &[&str]| {
        files.write("zones/signed.example.toml", ours(keys));
        let ran = files.run("check");
        (ran.code, ran.stderr)
    };
    let own = std::fs::read_to_string(&crate::world::key_paths(&files)[0]).unwrap();
    let own = own.lines().last().unwrap();
    for (key, why) in [
        (data.replacen("256", "0", 1), "the flags of a key that signs a zone are 256 or 257, not 0"),
        (data.replacen(" 3 ", " 2 ", 1), "the protocol of a key is 3, not 2"),
        (data.replacen(" 13 ", " 5 ", 1), "zones are not signed with algorithm 5 any more"),
        (data.replacen(" 13 ", " 15 ", 1), "a public key of type 15 has 32 octets, not 64"),
        (zsk.replacen("signed.example.", "other.example.", 1), "other.example. is not the zone signed.example."),
        ("256 3 13".to_owned(), "is missing"),
        (own.to_owned(), "is a key of this zone's files"),
    ] {
        let (code, said) = with(&[&key]);
        assert!(code == Some(1) && said.contains(why), "{why}: {said}");
        assert!(said.contains("example.toml:3:") || said.contains("example.toml:1:"), "{said}");
    }
    let (code, said) = with(&[data, zsk]);
    assert!(code == Some(1) && said.contains("is given twice"), "{said}");
    let rsa = "257 3 8 AwEAAcNEU67LJI5GEgF9QLNqLO1SMq1EdoQ6E9f85ha0k0ewQGCblyW2836GiVsm6k8Kr5ECIoMJ6fZWf3CQSQ9ycWfTyOHfmI3eQ/1Covhb2y4bAmL/07PhrL7ozWBW3wBfM335Ft9xjtXHPy7ztCbV9qZ4TVDTW/Iyg0PiwgoXVesz";
    let (code, said) = with(&[data, ksk, rsa]);
    assert!(code == Some(0) && said.contains("has algorithm 8, and no key here has it"), "{said}");
    files.write("zones/signed.example.toml", ours(&[]));
    files.write("truenorth.toml", format!("{SERVER}[dnssec]\nenabled = true\nforeign_keys = []\n"));
    let ran = files.run("check");
    assert!(ran.code == Some(1) && ran.stderr.contains("belongs in `[dnssec]` of the zone file"), "{ran:?}");
}
