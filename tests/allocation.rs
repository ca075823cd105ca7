//! `answer()` allocates nothing, nor does the query log: for steered and static names, for valid and malformed queries.
#![allow(unsafe_code, reason = "a counting allocator is an allocator")]

mod scene;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::rr::RecordType::{A, AAAA, ANY, DS, HTTPS, MX, NS, TXT};
use truenorth::answer::{self, Asker, Exchange, Rotation, Transport, Worker};
use truenorth::config;
use truenorth::disk::Disk;
use truenorth::dnssec::Algorithm;
use truenorth::dnssec::key_file::NewKey;
use truenorth::geo::Locations;
use truenorth::name::Name;
use truenorth::snapshot::{Blueprint, EndpointState, Snapshot};
use truenorth::tap::{Entry, Fate, Parts, Rings};

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller guarantees it.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller guarantees it.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const SERVER: &str = r#"
[cookies]
require = true
secrets = ["e5e973e5a6b2a43f48e7dc849e37bfcf", "445536bcd2513298075a5d379663c962"]
[identity]
nsid = "fra-1"
id = "fra-1"
version = "north"
[query_log]
sink = "unix:/run/dnstap.sock"
"#;

const NAMES: &str = r#"
[pools.green]
datacenter = "fra"
endpoints = [{ address = "198.51.100.20", weight = 3 }, { address = "198.51.100.21" }]
[pools.alias]
endpoints = [{ cname = "www.example.com." }]
[names.www]
pools = ["web"]
steer = ["region", "distance", "weight"]
https = { alpn = ["h2", "h3"], port = 8443, ech = "AAb+DQACBwc=" }
[names.api]
pools = [{ pool = "web/fra", weight = 90 }, { pool = "green", weight = 10 }]
steer = ["weight"]
https = {}
[names.random]
pools = ["web"]
pick = "random"
take = 2
[names.spare]
pools = ["web"]
take = 2
spare = true
https = {}
[names.sticky]
pools = ["web", "green"]
steer = ["sticky"]
pick = "sticky"
answers = 2
https = {}
[names.load]
pools = ["web", "green"]
steer = ["region", "load", "weight"]
[names.least]
pools = ["web"]
pick = "least-load"
[names."*.apps"]
pools = ["web"]
fallback = "green"
[names.old]
pools = ["alias"]
steer = []
[names.whoami]
reflect = true
[records."@"]
MX = ["10 mail.example.com."]
TXT = ["v=spf1 -all"]
[records.chain]
CNAME = ["www"]
[records.sub]
NS = ["ns.sub"]
[records."ns.sub"]
A = ["192.0.2.77"]
[records.moved]
DNAME = ["apps"]
[records.grows]
DNAME = ["deep.grows"]
[records.loop]
CNAME = ["pool"]
[records.pool]
CNAME = ["loop"]
[records.far]
DNAME = ["label-that-makes-it-long.label-that-makes-it-long.example.net."]
"#;

/// A name that the DNAME would turn into one of more than 255 octets.
const LONG: &str = "a-label-of-some-length-as-there-are-many.a-label-of-some-length-as-there-are-many.\
                    a-label-of-some-length-as-there-are-many.a-label-of-some-length-as-there-are-many.\
                    a-label-of-some-length-as-there-are-many.far";

#[test]
fn no_query_allocates() {
    let mut scene = scene::Scene::with_server(SERVER, NAMES);
    scene.down(&["198.51.100.1", "203.0.113.1"]);
    scene.degraded(&["198.51.100.2", "192.0.2.1", "198.51.100.20"], 500);
    scene.loads(&[("web/fra", 300, 0), ("web/iad", 1000, 10_000), ("web/sin", 1000, 30_000)]);
    scene.order("drain pool:web/sin");
    scene.order(r"drain name:\*.apps.example.com");
    let snapshot = scene.snapshot();
    let mut worker = scene.worker();
    let mut out = vec![0; truenorth::wire::MAX_MESSAGE];
    let names = [
        "www",
        "api",
        "random",
        "spare",
        "sticky",
        "load",
        "least",
        "x.apps",
        "old",
        "whoami",
        "example.com.",
        "chain",
        "X.y.Moved",
        "x.grows",
        "loop",
        LONG,
        "x.sub",
        "nowhere",
        "a.b.c.d",
        "else.test.",
    ];
    let mut queries = Vec::new();
    for name in names {
        for rtype in [A, AAAA, HTTPS, TXT, MX, NS, ANY] {
            for client in ["", "10.1.7.0/24", "10.3.7.0/24", "2001:db8:1::/56", "2002:a03:700::/40"] {
                queries.push(scene::query(name, rtype, client).to_vec().unwrap());
            }
        }
    }
    queries.extend(odd_queries());
    let whole = queries[7].clone();
    queries.extend((0..whole.len()).map(|length| whole[..length].to_vec()));
    let Rings { mut producers, mut consumers, memory } = Rings::new(1);
    memory.make(&std::thread::current());
    let (mut longer, mut logged, mut parts) = (0, 0, Parts::default());
    let mut rcodes = BTreeSet::new();
    for transport in [Transport::Udp, Transport::Tcp, Transport::Tls] {
        for query in &queries {
            let asker = Asker { address: "10.9.9.9".parse().unwrap(), transport, idle: Some(scene::IDLE) };
            while consumers[0].take(&mut parts, |_| ()).is_some() {}
            let before = ALLOCATIONS.with(Cell::get);
            let parsed = truenorth::wire::Query::parse(query);
            let reply = parsed.as_ref().map(|query| {
                let exchange = Exchange::new(&snapshot, query, asker, scene::START);
                answer::answer(&exchange, &mut worker, &mut out)
            });
            if let Some((reply, notes)) = reply.zip(worker.take_notes()) {
                let (received, answered) = (Duration::from_secs(1), Duration::from_secs(2));
                let (client, server) = ((asker.address, 5353).into(), Some((asker.address, 53).into()));
                let (transport, response) = (transport as u8, &out[..reply.length]);
                let fate = Fate::Sent;
                let entry = Entry { received, answered, transport, fate, client, server, notes, query, response };
                logged += usize::from(producers[0].record(&entry));
            }
            let after = ALLOCATIONS.with(Cell::get);
            assert_eq!(before, after, "{reply:?} for {query:02x?}");
            rcodes.extend(reply.iter().map(|reply| reply.rcode.as_str()));
            longer += usize::from(reply.is_some_and(|reply| reply.length > query.len()));
        }
    }
    assert!(longer > 600, "most were answered: {longer}");
    assert!(logged > longer, "all were logged: {logged}");
    let all = ["BADCOOKIE", "BADVERS", "FORMERR", "NOERROR", "NOTAUTH", "NOTIMP", "NXDOMAIN", "REFUSED", "YXDOMAIN"];
    assert!(rcodes.iter().eq(&all), "every path was taken: {rcodes:?}");
}

/// The same without a query log, so that a worker may answer a query with what it kept of an equal one.
#[test]
fn no_repeated_query_allocates() {
    let scene = scene::Scene::new(NAMES);
    let snapshot = scene.snapshot();
    let (mut worker, mut out, mut answered) = (scene.worker(), [0; 1232], 0);
    for name in ["www", "WWW", "api", "random", "sticky", "x.apps", "old", "chain", "example.com.", "x.sub", "nowhere"]
    {
        for rtype in [A, AAAA, HTTPS, TXT, MX, NS, ANY] {
            for client in ["", "10.1.7.0/24", "2001:db8:1::/56", "2002:a03:700::/40"] {
                let query = scene::query(name, rtype, client).to_vec().unwrap();
                for round in 0..3 {
                    let datagram = (&query[..], "10.9.9.9".parse().unwrap());
                    let before = ALLOCATIONS.with(Cell::get);
                    let reply = answer::answer_datagram(&snapshot, datagram, scene::START, &mut worker, &mut out);
                    let after = ALLOCATIONS.with(Cell::get);
                    assert_eq!(before, after, "{name} {rtype} for {client:?}, round {round}: {reply:?}");
                    answered += usize::from(reply.is_some());
                }
            }
        }
    }
    assert_eq!(answered, 11 * 7 * 4 * 3);
}

#[test]
fn reading_ahead_does_not_allocate() {
    // As many names as are needed before it reads ahead.
    let record = |number| format!("[records.n{number}]\nA = [\"192.0.2.1\"]\n");
    let many = (0..10_000).map(record).collect::<Vec<_>>().concat();
    let scene = scene::Scene::new(&format!("{NAMES}{many}"));
    let snapshot = scene.snapshot();
    let (mut worker, mut out) = (scene.worker(), [0; 1232]);
    let mut queries = odd_queries();
    for name in ["www", "API", "random", "x.apps", "old", "chain", "x.sub", "nowhere", "else.test."] {
        for client in ["", "10.1.7.0/24", "2001:db8:1::/56"] {
            queries.push(scene::query(name, A, client).to_vec().unwrap());
        }
    }
    let datagrams = || queries.iter().map(|query| (&query[..], "10.9.9.9".parse().unwrap()));
    for _ in 0..3 {
        for datagram in datagrams() {
            answer::answer_datagram(&snapshot, datagram, scene::START, &mut worker, &mut out);
        }
        let before = ALLOCATIONS.with(Cell::get);
        assert!(answer::prefetch(&snapshot, queries.len(), datagrams(), &mut worker));
        assert_eq!(ALLOCATIONS.with(Cell::get), before);
    }
}

/// A zone that is signed.
const SIGNED: &str = "[dnssec]\nenabled = true\n[nameservers]\nns1 = [\"127.0.0.1\"]\n[pools.web]\n\
    endpoints = [\"192.0.2.1\", \"192.0.2.2\", \"2001:db8::1\"]\n[names.www]\npools = [\"web\"]\nhttps = {}\n\
    [names.\"*.apps\"]\npools = [\"web\"]\n[records.\"@\"]\nMX = [\"10 mail\"]\n[records.mail]\nA = [\"192.0.2.3\"]\n\
    [records.chain]\nCNAME = [\"www\"]\n[records.sub]\nNS = [\"ns.sub\"]\n[records.\"ns.sub\"]\nA = [\"192.0.2.4\"]\n";

/// A zone that its file has signed, until 2090: with NSEC, and with NSEC3 and opt-out.
const PRESIGNED: [&str; 2] = [include_str!("allocation/nsec.zone"), include_str!("allocation/nsec3.zone")];

/// Returns a snapshot of a zone in this file, and a key for it.
fn snapshot_of(file: &str, text: &str) -> Snapshot {
    let folder = tempfile::tempdir().unwrap();
    let zone = Name::parse("example.com.", &Name::root()).unwrap();
    fs::create_dir(folder.path().join("zones")).unwrap();
    fs::write(folder.path().join("truenorth.toml"), "").unwrap();
    fs::write(folder.path().join("zones").join(file), text).unwrap();
    let key = NewKey::first(Algorithm::EcdsaP256Sha256, 3600, 0).create(&zone).unwrap();
    config::write_key(&folder.path().join("keys"), &key).unwrap();
    let config = config::load(&folder.path().join("truenorth.toml"), &Disk::new(), &|_| None);
    let config = config.unwrap_or_else(|faults| panic!("{}", faults.render(false)));
    let blueprint = Arc::new(Blueprint::compile(config.world, Arc::new(Locations::unknown()), None));
    Snapshot::new(blueprint, |_, _| EndpointState::CALM, None)
}

/// Returns queries of many types for these names, from askers that want signatures.
fn with_do(names: &[&str]) -> Vec<Vec<u8>> {
    let mut queries = Vec::new();
    for name in names {
        for rtype in [A, AAAA, HTTPS, TXT, MX, NS, DS, ANY] {
            let mut query = scene::query(name, rtype, "10.1.7.0/24");
            query.edns.get_or_insert_default().set_dnssec_ok(true);
            queries.push(query.to_vec().unwrap());
        }
    }
    queries
}

/// True if a reply has signatures: 46 is their type.
fn has_signatures(reply: &[u8]) -> bool {
    reply.windows(2).any(|pair| pair == [0, 46])
}

/// Answers the queries over a stream in this many rounds. Asserts that all answers have signatures, and that those from round
/// `warm` on allocate nothing. Returns their response codes.
fn answer_signed(snapshot: &Snapshot, queries: &[Vec<u8>], rounds: usize, warm: usize) -> BTreeSet<&'static str> {
    let mut worker = Worker::new(Arc::new(Rotation::default())).recalling();
    let (mut out, mut rcodes) = (vec![0; truenorth::wire::MAX_MESSAGE], BTreeSet::new());
    let asker = Asker { address: "10.9.9.9".parse().unwrap(), transport: Transport::Tcp, idle: None };
    for round in 0..rounds {
        for query in queries {
            let before = ALLOCATIONS.with(Cell::get);
            let query = truenorth::wire::Query::parse(query).unwrap();
            let exchange = Exchange::new(snapshot, &query, asker, scene::START);
            let reply = answer::answer(&exchange, &mut worker, &mut out);
            let after = ALLOCATIONS.with(Cell::get);
            assert!(before == after || round < warm, "{query:?}");
            assert!(has_signatures(&out[..reply.length]), "{query:?}");
            rcodes.insert(reply.rcode.as_str());
        }
    }
    rcodes
}

#[test]
fn answers_of_signed_files_do_not_allocate() {
    let names =
        ["mail", "x.apps", "example.com.", "chain", "x.sub", "x.secure", "sub", "secure", "b", "x.old", "nope", "x.b"];
    for text in PRESIGNED {
        // The first answers make the worker's buffers.
        answer_signed(&snapshot_of("example.com.zone", text), &with_do(&names), 2, 1);
    }
}

#[test]
fn signed_answers_that_were_given_before_do_not_allocate() {
    let names = ["www", "x.apps", "example.com.", "mail", "chain", "x.sub", "nope"];
    // All orders of the addresses, which are hints of HTTPS records, are given in the first rounds.
    let rcodes = answer_signed(&snapshot_of("example.com.toml", SIGNED), &with_do(&names), 12, 10);
    assert_eq!(Vec::from_iter(rcodes), ["NOERROR"]);
}

/// All options, valid and malformed; classes, types and opcodes that no zone answers; a signature.
fn odd_queries() -> Vec<Vec<u8>> {
    const EVERY_OPTION: &[u8] = &[
        0, 3, 0, 0, 0, 8, 0, 7, 0, 1, 24, 0, 10, 1, 7, 0, 11, 0, 0, 0, 12, 0, 2, 0, 0, 0, 10, 0, 24, 0x24, 0x64, 0xc4,
        0xab, 0xcf, 0x10, 0xc9, 0x57, 1, 0, 0, 0, 0x5c, 0xf7, 0x9f, 0x11, 0x1f, 0x81, 0x30, 0xc3, 0xee, 0xe2, 0x94,
        0x80,
    ];
    const BAD_SUBNET: &[u8] = &[0, 8, 0, 4, 0, 9, 0, 0];
    const BAD_COOKIE: &[u8] = &[0, 10, 0, 2, 7, 7];
    const SIGNATURE: &[u8] = b"\x03key\x00\x00\xfa\x00\xff\x00\x00\x00\x00\x00\x13\x01m\x00\
        \x00\x00\x00\x00\x00\x00\x01\x2c\x00\x00\x00\x07\x00\x00\x00\x00";
    let questions: [(&[u8], [u8; 4]); 8] = [
        (b"\x03www\x07example\x03com\x00", [0, 1, 0, 1]),
        (b"\x02id\x06server\x00", [0, 16, 0, 3]),
        (b"\x07version\x04bind\x00", [0, 16, 0, 3]),
        (b"\x07authors\x04bind\x00", [0, 16, 0, 3]),
        (b"\x07example\x03com\x00", [0, 252, 0, 1]),
        (b"\x07example\x03com\x00", [0, 254, 0, 1]),
        (b"\x07example\x03com\x00", [0, 1, 0, 4]),
        (b"\x04else\x04test\x00", [0, 1, 0, 1]),
    ];
    let mut queries = Vec::new();
    for opcode in [0, 5 << 3] {
        for (name, fields) in questions {
            for options in [EVERY_OPTION, BAD_SUBNET, BAD_COOKIE, &[0, 3]] {
                for (version, signature) in [(0, &[][..]), (1, &[]), (0, SIGNATURE)] {
                    let additional = 1 + u8::from(!signature.is_empty());
                    let header = [0, 7, opcode, 0, 0, 1, 0, 0, 0, 0, 0, additional];
                    let opt = [0, 0, 41, 4, 208, 0, version, 0x80, 0, 0, options.len() as u8];
                    queries.push([&header, name, &fields, &opt, options, signature].concat());
                }
            }
        }
        // A query with only a cookie.
        let opt = [0, 0, 41, 4, 208, 0, 0, 0, 0, 0, EVERY_OPTION.len() as u8];
        queries.push([&[0, 7, opcode, 0, 0, 0, 0, 0, 0, 0, 0, 1][..], &opt, EVERY_OPTION].concat());
    }
    queries
}
