//! `answer()` allocates nothing: neither for steered names nor for static ones, neither for good queries nor for bad.
#![allow(unsafe_code, reason = "a counting allocator is an allocator")]

mod scene;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

use hickory_proto::rr::RecordType::{A, AAAA, ANY, MX, NS, TXT};
use truenorth::answer::{self, Asker, Rotation, Transport, Worker};

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call is handed to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const NAMES: &str = r#"
[pools.green]
datacenter = "fra"
endpoints = [{ address = "198.51.100.20", weight = 3 }, { address = "198.51.100.21" }]
[pools.alias]
endpoints = [{ cname = "www.example.com." }]
[names.www]
pools = ["web"]
steer = ["region", "distance", "weight"]
[names.api]
pools = [{ pool = "web/fra", weight = 90 }, { pool = "green", weight = 10 }]
steer = ["weight"]
[names.random]
pools = ["web"]
pick = "random"
take = 2
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

/// Whose DNAME makes a name of more than 255 octets.
const LONG: &str = "a-label-of-some-length-as-there-are-many.a-label-of-some-length-as-there-are-many.\
                    a-label-of-some-length-as-there-are-many.a-label-of-some-length-as-there-are-many.\
                    a-label-of-some-length-as-there-are-many.far";

#[test]
fn no_query_allocates() {
    let mut scene = scene::Scene::new(NAMES);
    scene.down(&["198.51.100.1", "203.0.113.1"]);
    let snapshot = scene.snapshot();
    let mut worker = Worker::new(Arc::new(Rotation::default()));
    let mut out = vec![0; truenorth::wire::MAX_MESSAGE];
    let names = [
        "www",
        "api",
        "random",
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
        for rtype in [A, AAAA, TXT, MX, NS, ANY] {
            for client in ["", "10.1.7.0/24", "10.3.7.0/24", "2001:db8:1::/56", "2002:a03:700::/40"] {
                queries.push(scene::query(name, rtype, client).to_vec().unwrap());
            }
        }
    }
    let whole = queries[7].clone();
    queries.extend((0..whole.len()).map(|length| whole[..length].to_vec()));
    let mut longer = 0;
    for transport in [Transport::Udp, Transport::Tcp] {
        for query in &queries {
            let asker = Asker { address: "10.9.9.9".parse().unwrap(), transport };
            let before = ALLOCATIONS.with(Cell::get);
            let outcome = answer::answer(&snapshot, &mut worker, query, asker, &mut out);
            let after = ALLOCATIONS.with(Cell::get);
            assert_eq!(before, after, "{outcome:?} for {query:02x?}");
            longer += usize::from(matches!(outcome, answer::Outcome::Reply { length, .. } if length > query.len()));
        }
    }
    assert!(longer > 400, "most were answered: {longer}");
}
