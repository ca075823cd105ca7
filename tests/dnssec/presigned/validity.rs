//! Answers of signed files validate.

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType::{self, A, AAAA, CAA, CNAME, DNSKEY, DS, HTTPS, MX, NS, SOA, SRV, TXT};

use super::signers::{Signed, UNSIGNED, WAYS, Way};
use crate::harness::SERVER;
use crate::validators::{Memory, Validator, delv, is_authentic};

/// Questions that each validator is asked for each way to sign, half of them over TCP.
const QUESTIONS: usize = 1000;

const NAMES: [&str; 30] = [
    "",
    "mail.",
    "www.",
    "chain.",
    "x.wild.",
    "y.z.wild.",
    "x.wildalias.",
    "x.wildchain.",
    "a.b.c.",
    "b.c.",
    "c.",
    "old.",
    "host.old.",
    "nope.old.",
    "svcb.",
    "srv.",
    "unknown.",
    "tlsa.",
    "nope.",
    "deep.nope.",
    "zzz.",
    "zzzz.",
    "emptywild.",
    "x.emptywild.",
    "sub.*.emptywild.",
    "*.wild.",
    "dangling.",
    "x.wildnothing.",
    "_tcp.",
    "below.",
];

const TYPES: [RecordType; 12] = [A, AAAA, HTTPS, TXT, MX, SOA, NS, CAA, SRV, CNAME, DNSKEY, DS];

/// True if the answer must be authentic. unbound looks for a signature of the CNAME that a DNAME yields, which has none, and
/// nobody serves the parent zone. With opt-out, only what exists is proved.
fn is_provable(name: &str, rtype: RecordType, way: Way, code: ResponseCode, is_empty: bool) -> bool {
    let is_denied = is_empty || code == ResponseCode::NXDomain;
    let is_expanded = name.contains("wild");
    way != Way::BindOptOut || !(is_denied || is_expanded) || (rtype == SOA && name == "signed.example.")
}

fn can_be_asked(name: &str, rtype: RecordType) -> bool {
    !(rtype == DS && name == "signed.example." || rtype == CNAME && name.contains(".old."))
}

#[test]
fn answers_of_signed_files_validate() {
    for (way, seed) in WAYS.into_iter().zip(1..) {
        let signed = Signed::zone(UNSIGNED, way);
        let (_files, node) = signed.serve(SERVER);
        for validator in [
            Validator::unbound(node.address(), &signed.ds, Memory::Short),
            Validator::named(node.address(), &signed.ds, Memory::Short),
            Validator::kresd_for(&[("signed.example", node.address())], &signed.ds, Memory::Short),
        ] {
            let mut clients = [validator.client(false), validator.client(true)];
            let mut random = fastrand::Rng::with_seed(seed);
            for number in 0..QUESTIONS {
                let name = match random.usize(..8) {
                    0 => format!("n{number}.signed.example."),
                    1 => format!("w{number}.wild.signed.example."),
                    2 => format!("a{number}.mail.signed.example."),
                    _ => format!("{}signed.example.", NAMES[random.usize(..NAMES.len())]),
                };
                // `*.emptywild` is an empty non-terminal, so it exists (RFC 4592, section 2.2.2) and is the source of synthesis, and no NSEC
                // record can be its own (RFC 4035, section 2.3). The record that covers it proves it, because its next name is below.
                // NSD and Knot give that proof, unbound and BIND accept it. Knot Resolver 5.6 wants an NSEC record whose owner is the
                // wildcard; with NSEC3, where empty non-terminals have records, it accepts the proof.
                if clients[0].name == "kresd"
                    && name == "x.emptywild.signed.example."
                    && matches!(way, Way::BindNsec | Way::BindTwoAlgorithms)
                {
                    continue;
                }
                let mut rtype = TYPES[random.usize(..TYPES.len())];
                if !can_be_asked(&name, rtype) {
                    rtype = A;
                }
                let mut reply = clients[number % 2].ask(&name, rtype);
                if reply.metadata.truncation {
                    reply = clients[1].ask(&name, rtype);
                }
                let code = reply.metadata.response_code;
                assert_ne!(
                    code,
                    ResponseCode::ServFail,
                    "{way:?} {}: {name} {rtype}\n{}",
                    clients[0].name,
                    validator.log()
                );
                let is_empty = reply.answers.iter().all(|record| record.record_type() != rtype);
                if is_provable(&name, rtype, way, code, is_empty) {
                    assert!(is_authentic(&reply), "{way:?} {}: {name} {rtype}: {reply}", clients[0].name);
                }
            }
            // The zones below are not served; without a signature of DS there is no telling.
            for (name, is_secure) in [("cut.", way != Way::BindOptOut), ("securecut.", true)] {
                let reply = clients[0].ask(&format!("{name}signed.example."), DS);
                assert_eq!(is_authentic(&reply), is_secure, "{way:?} {name}: {reply}");
            }
        }
    }
}

#[test]
fn proofs_of_signed_files_hide_no_name() {
    for way in [Way::BindNsec, Way::BindNsec3] {
        let signed = Signed::zone(UNSIGNED, way);
        let (_files, node) = signed.serve(SERVER);
        for validator in [
            Validator::unbound(node.address(), &signed.ds, Memory::Long),
            Validator::named(node.address(), &signed.ds, Memory::Long),
            Validator::kresd_for(&[("signed.example", node.address())], &signed.ds, Memory::Long),
        ] {
            let mut client = validator.client(false);
            // The validator learns much of the chain.
            for number in 0..200 {
                for above in ["", "mail.", "c.", "b.c."] {
                    let reply = client.ask(&format!("n{number}.{above}signed.example."), TXT);
                    assert!(is_authentic(&reply) && reply.metadata.response_code == ResponseCode::NXDomain, "{reply}");
                }
            }
            for (name, rtype, records) in [
                ("mail", A, 2),
                ("x.wild", A, 1),
                ("a.b.c", TXT, 1),
                ("zzz", A, 1),
                ("svcb", HTTPS, 1),
                ("x.wildalias", A, 3),
            ] {
                let reply = client.ask(&format!("{name}.signed.example."), rtype);
                let count = reply.answers.iter().filter(|record| record.record_type() != RecordType::RRSIG).count();
                assert_eq!((count, is_authentic(&reply)), (records, true), "{name}: {reply}");
            }
        }
    }
}

#[test]
fn delv_says_fully_validated() {
    for way in WAYS {
        let signed = Signed::zone(UNSIGNED, way);
        let (_files, node) = signed.serve(SERVER);
        for words in
            ["mail.signed.example A", "signed.example MX", "x.wildchain.signed.example TXT", "signed.example DNSKEY"]
        {
            let said = delv(node.address(), &signed.ds, words);
            // With opt-out there might be a delegation in the place of the wildcard's name.
            let is_proved = way != Way::BindOptOut || !words.contains("wild");
            assert!(
                said.contains(if is_proved { "fully validated" } else { "unsigned answer" }),
                "{way:?} {words}: {said}"
            );
        }
        let said = delv(node.address(), &signed.ds, "nope.signed.example A");
        assert!(said.contains("negative response, fully validated"), "{way:?}: {said}");
    }
}
