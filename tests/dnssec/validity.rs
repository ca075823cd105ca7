//! Answers validate, whatever happens to endpoints and records meanwhile.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType::{self, A, AAAA, CAA, CDS, CNAME, DNSKEY, DS, HTTPS, MX, NS, NSEC, SOA, SRV, TXT};

use crate::endpoint::{ANY_PORT, Endpoint, Script};
use crate::validators::{Client, Memory, Validator, delv, is_authentic};
use crate::world::{STEADY, ZONE, ds, files, probed, server, zone};

/// Questions that each validator is asked in each transport while the world changes.
const QUESTIONS: usize = 2500;

/// Names of every kind, with types that they have and types that they lack.
const NAMES: [&str; 26] = [
    "",
    "www.",
    "WwW.",
    "maybe.",
    "nodata.",
    "many.",
    "some.",
    "x.apps.",
    "y.z.apps.",
    "alias.",
    "whoami.",
    "mail.",
    "upper.",
    "chain.",
    "a.b.c.",
    "b.c.",
    "x.wild.",
    "x.wildalias.",
    "svcb.",
    "unknown.",
    "old.",
    "host.old.",
    "nope.old.",
    "nope.",
    "deep.nope.",
    "sorry.",
];

const TYPES: [RecordType; 14] = [A, AAAA, HTTPS, TXT, MX, SOA, NS, CAA, SRV, CNAME, DNSKEY, DS, CDS, NSEC];

/// True if a validator can answer the question. They ask the parent zone for the DS records of the zone, and nobody serves
/// that here. unbound (1.17.1) fails if the CNAME is asked for that a DNAME yields and that has no signature (RFC 6672, section
/// 5.3.1): it looks for keys at that name. With a zone that Knot signs and serves, it fails in the same way.
fn can_be_asked(validator: &str, name: &str, rtype: RecordType) -> bool {
    !(rtype == DS && name == ZONE || rtype == CNAME && name.contains(".old.") && validator == "unbound")
}

/// Asks random questions. Names that do not exist are new each time.
fn ask_many(mut client: Client, seed: u64, asked: &AtomicUsize) {
    let mut random = fastrand::Rng::with_seed(seed);
    for number in 0..QUESTIONS {
        let name = match random.usize(..10) {
            0 => format!("n{number}-{seed}.{ZONE}"),
            1 => format!("w{number}.wild.{ZONE}"),
            2 => format!("a{number}.b.apps.{ZONE}"),
            _ => format!("{}{ZONE}", NAMES[random.usize(..NAMES.len())]),
        };
        let mut rtype = TYPES[random.usize(..TYPES.len())];
        if !can_be_asked(client.name, &name, rtype) {
            rtype = A;
        }
        let reply = client.ask(&name, rtype);
        assert!(is_authentic(&reply), "{}: {name} {rtype}: {reply}", client.name);
        asked.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn thousands_of_answers_validate_while_the_world_changes() {
    let [mut fra, mut iad] = [(); 2].map(|()| Endpoint::start(ANY_PORT, Script::status(200)));
    let files = files(&server(""), &zone(&probed(fra.address(), iad.address())));
    let mut node = files.serve();
    node.log.wait_for("admin server listening");
    let anchor = ds(&files, ZONE);
    let validators = [
        Validator::unbound(node.address(), &anchor, Memory::Short),
        Validator::named(node.address(), &anchor, Memory::Short),
        Validator::kresd(node.address(), &anchor, Memory::Short),
    ];
    let (is_done, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        let changing = scope.spawn(|| {
            let mut turn = 0;
            while !is_done.load(Ordering::Relaxed) {
                turn += 1;
                match turn % 4 {
                    1 => fra.stop_listening(),
                    2 => fra.listen_again(),
                    3 => iad.stop_listening(),
                    _ => iad.listen_again(),
                }
                for words in [
                    "txt set _acme-challenge.signed.example token",
                    "txt set a.new.name.signed.example token",
                    "txt set deep.x.apps.signed.example token",
                    "txt unset a.new.name.signed.example",
                    "txt unset _acme-challenge.signed.example",
                ] {
                    let ran = files.run(words);
                    assert_eq!(ran.code, Some(0), "{words}: {ran:?}");
                }
                thread::sleep(Duration::from_millis(100));
            }
        });
        let asking: Vec<_> = validators
            .iter()
            .flat_map(|validator| [false, true].map(|is_tcp| validator.client(is_tcp)))
            .zip(1..)
            .map(|(client, seed)| {
                scope.spawn({
                    let asked = &asked;
                    move || ask_many(client, seed, asked)
                })
            })
            .collect();
        let ends: Vec<_> = asking.into_iter().map(thread::ScopedJoinHandle::join).collect();
        is_done.store(true, Ordering::Relaxed);
        changing.join().unwrap();
        for end in ends {
            end.unwrap_or_else(|panic| {
                for validator in &validators {
                    eprintln!("{}", validator.log());
                }
                std::panic::resume_unwind(panic)
            });
        }
    });
    assert_eq!(asked.load(Ordering::Relaxed), 6 * QUESTIONS);
}

#[test]
fn every_kind_of_answer_validates() {
    let files = files(&server(""), &zone(STEADY));
    let node = files.serve();
    let anchor = ds(&files, ZONE);
    let unbound = Validator::unbound(node.address(), &anchor, Memory::Long);
    let named = Validator::named(node.address(), &anchor, Memory::Long);
    let kresd = Validator::kresd(node.address(), &anchor, Memory::Long);
    for validator in [&unbound, &named, &kresd] {
        let mut client = validator.client(false);
        // Twice, because the second time the validator concludes from what it knows.
        for name in NAMES.iter().chain(&NAMES) {
            for rtype in TYPES {
                let name = format!("{name}{ZONE}");
                if !can_be_asked(client.name, &name, rtype) {
                    continue;
                }
                let reply = client.ask(&name, rtype);
                assert!(is_authentic(&reply), "{}: {name} {rtype}: {reply}\n{}", client.name, validator.log());
            }
        }
        let mut has = |name: &str, rtype| {
            let reply = client.ask(&format!("{name}{ZONE}"), rtype);
            reply.answers.iter().any(|record| record.record_type() == rtype)
        };
        // RFC 8198: no proof hides what exists.
        for (name, rtype) in
            [("www.", A), ("www.", HTTPS), ("x.apps.", AAAA), ("a.b.c.", TXT), ("old.", TXT), ("mail.", AAAA)]
        {
            assert!(has(name, rtype), "{name} {rtype}");
        }
        // Validators that know NXNAME say NXDOMAIN, older ones NODATA.
        let code = client.ask(&format!("never.{ZONE}"), A).metadata.response_code;
        assert!(matches!(code, ResponseCode::NoError | ResponseCode::NXDomain), "{code}");
    }
}

/// Labels around the names of the zone in canonical order (RFC 4034, section 6.1), for proofs on both sides of each.
fn neighbours(label: &str) -> [String; 4] {
    let (most, last) = label.split_at(label.len() - 1);
    let before = if last == "a" { '9' } else { char::from(last.as_bytes()[0] - 1) };
    [format!("{label}0"), format!("{label}-"), format!("{most}{before}"), format!("a.{label}")]
}

/// RFC 8198: a validator that concludes from proofs what else does not exist never hides what exists.
#[test]
fn proofs_hide_nothing_that_exists() {
    let files = files(&server(""), &zone(STEADY));
    let mut node = files.serve();
    node.log.wait_for("admin server listening");
    let anchor = ds(&files, ZONE);
    let mut direct = Client::of_node(node.address(), true);
    for validator in [
        Validator::unbound(node.address(), &anchor, Memory::Long),
        Validator::named(node.address(), &anchor, Memory::Long),
        Validator::kresd(node.address(), &anchor, Memory::Long),
    ] {
        let mut client = validator.client(true);
        let token = format!("token-of-{}", client.name);
        // Proofs first: beside all names, of names that come later, and of types.
        for name in NAMES.iter().filter(|name| !name.is_empty()) {
            let first = name.split('.').next().unwrap().to_ascii_lowercase();
            for label in neighbours(&first) {
                client.ask(&format!("{label}.{ZONE}"), A);
            }
            client.ask(&format!("{name}{ZONE}"), RecordType::NAPTR);
        }
        client.ask(&format!("a.{token}.{ZONE}"), TXT);
        for owner in [token.clone(), format!("deep.{token}.www")] {
            let ran = files.run(&format!("txt set {owner}.signed.example {token}"));
            assert_eq!(ran.code, Some(0), "{ran:?}");
            let reply = client.ask(&format!("{owner}.{ZONE}"), TXT);
            assert!(reply.answers.iter().any(|record| record.record_type() == TXT), "{}: {reply}", client.name);
        }
        for name in NAMES {
            for rtype in TYPES {
                let name = format!("{name}{ZONE}");
                if !can_be_asked(client.name, &name, rtype) || rtype == NSEC {
                    continue;
                }
                let has = |client: &mut Client| {
                    let reply = client.ask(&name, rtype);
                    reply.answers.iter().any(|record| record.record_type() == rtype)
                };
                assert_eq!(has(&mut client), has(&mut direct), "{}: {name} {rtype}", client.name);
            }
        }
    }
}

#[test]
fn delv_finds_every_answer_valid() {
    let files = files(&server(""), &zone(STEADY));
    let node = files.serve();
    let anchor = ds(&files, ZONE);
    for (words, verdict) in [
        ("www.signed.example A", "; fully validated"),
        ("signed.example DNSKEY", "; fully validated"),
        ("x.wild.signed.example TXT", "; fully validated"),
        ("*.wild.signed.example A", "; fully validated"),
        ("securecut.signed.example DS", "; fully validated"),
        ("signed.example ANY", "; fully validated"),
        ("host.old.signed.example A", "; fully validated"),
        ("nope.signed.example A", "; negative response, fully validated"),
        ("www.signed.example MX", "; negative response, fully validated"),
        ("b.c.signed.example A", "; negative response, fully validated"),
        ("cut.signed.example DS", "; negative response, fully validated"),
    ] {
        for words in [words.to_owned(), format!("+tcp {words}")] {
            let output = delv(node.address(), &anchor, &words);
            assert!(output.contains(verdict), "{words}: {output}");
        }
    }
    // The test can fail: another key is not trusted.
    let wrong = format!("{}{}", if anchor.starts_with('1') { '2' } else { '1' }, &anchor[1..]);
    assert!(!delv(node.address(), &wrong, "www.signed.example A").contains("fully validated"));
}
