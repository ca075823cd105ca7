//! The records of signed answers, section by section.

use std::collections::BTreeSet;

use hickory_proto::op::{Edns, EdnsFlags, ResponseCode};
use hickory_proto::rr::RecordType::{A, AXFR};

use crate::harness::{Record, Reply};
use crate::validators::Client;
use crate::world::{files, server, steady};

/// The types of a section's records, with the type that a signature covers.
pub(crate) fn types(section: &[Record]) -> Vec<String> {
    let shown = |record: &Record| match record.rtype.as_str() {
        "RRSIG" => format!("RRSIG {}", record.data.split(' ').next().unwrap_or_default()),
        other => other.to_owned(),
    };
    section.iter().map(shown).collect()
}

fn bitmap(reply: &Reply) -> BTreeSet<String> {
    let section = reply.authority.iter().chain(&reply.answer);
    let nsec = section.into_iter().find(|record| record.rtype == "NSEC").expect("there is a proof");
    // `dig` of Debian 12 knows NXNAME by its number only.
    nsec.data.replace("TYPE128", "NXNAME").split(' ').skip(1).map(str::to_owned).collect()
}

fn set(types: &str) -> BTreeSet<String> {
    types.split(' ').map(str::to_owned).collect()
}

#[test]
fn without_do_nothing_of_it_is_seen() {
    let (_files, node) = steady();
    for (name, rtype, status, sections) in [
        ("www", "A", "NOERROR", [1, 0]),
        ("nope", "A", "NXDOMAIN", [0, 1]),
        ("www", "MX", "NOERROR", [0, 1]),
        ("x.cut", "A", "NOERROR", [0, 2]),
    ] {
        let reply = node.dig(&format!("{name}.signed.example {rtype}"));
        assert_eq!((reply.status.as_str(), [reply.answer.len(), reply.authority.len()]), (status, sections), "{name}");
        assert!(!reply.has("ad"));
    }
    // The keys are records like others.
    assert_eq!(node.dig("signed.example DNSKEY").answer.len(), 1);
    assert!(node.dig("www.signed.example NSEC").answer.is_empty(), "proofs are for those who want them");
}

#[test]
fn rrsets_come_with_their_signatures() {
    let (_files, node) = steady();
    for (name, rtype, answer) in [
        ("www", "A", "A RRSIG A"),
        ("www", "HTTPS", "HTTPS RRSIG HTTPS"),
        ("any.apps", "AAAA", "AAAA AAAA RRSIG AAAA"),
        ("any.wild", "TXT", "TXT RRSIG TXT"),
        ("alias", "A", "CNAME RRSIG CNAME A RRSIG A"),
        ("whoami", "TXT", "TXT RRSIG TXT"),
        ("chain", "A", "CNAME RRSIG CNAME CNAME RRSIG CNAME A RRSIG A"),
        ("host.old", "A", "DNAME RRSIG DNAME CNAME A RRSIG A"),
        ("www", "ANY", "HINFO RRSIG HINFO"),
        ("mail", "ANY", "A RRSIG A"),
        ("securecut", "DS", "DS RRSIG DS"),
        ("www", "RRSIG", "RRSIG NSEC"),
        ("@", "CDS", "CDS RRSIG CDS"),
        ("@", "CDNSKEY", "CDNSKEY RRSIG CDNSKEY"),
        ("@", "NSEC", "NSEC RRSIG NSEC"),
    ] {
        let name = if name == "@" { "signed.example".to_owned() } else { format!("{name}.signed.example") };
        let reply = node.dig(&format!("+dnssec {name} {rtype}"));
        assert_eq!(types(&reply.answer).join(" "), answer, "{name} {rtype}");
        assert!(reply.authority.is_empty() && reply.has("aa") && !reply.has("ad"), "{name} {rtype}");
    }
    let mx = node.dig("+dnssec signed.example MX");
    assert_eq!(types(&mx.additional).iter().filter(|rtype| rtype.starts_with("RRSIG")).count(), 2, "{mx:?}");
}

#[test]
fn proofs_name_the_types_of_the_name() {
    let (_files, node) = steady();
    for (name, rtype, types) in [
        ("nope", "A", "RRSIG NSEC NXNAME"),
        ("x.y.nope", "TXT", "RRSIG NSEC NXNAME"),
        ("www", "MX", "A HTTPS RRSIG NSEC"),
        ("www", "AAAA", "A HTTPS RRSIG NSEC"),
        ("many", "TXT", "A AAAA RRSIG NSEC"),
        ("any.apps", "MX", "A AAAA RRSIG NSEC"),
        ("whoami", "A", "TXT RRSIG NSEC"),
        ("any.wild", "MX", "A TXT RRSIG NSEC"),
        ("b.c", "A", "RRSIG NSEC"),
        ("cut", "DS", "NS RRSIG NSEC"),
        ("unknown", "A", "RRSIG NSEC TYPE65280"),
        ("old", "A", "DNAME TXT RRSIG NSEC"),
        ("www", "DS", "A HTTPS RRSIG NSEC"),
    ] {
        let reply = node.dig(&format!("+dnssec {name}.signed.example {rtype}"));
        assert_eq!(bitmap(&reply), set(types), "{name} {rtype}");
        assert_eq!(reply.status, "NOERROR", "{name} {rtype}");
        assert_eq!(reply.authority.len(), 4, "{name} {rtype}: {reply:?}");
        let nsec = reply.authority.iter().find(|record| record.rtype == "NSEC").unwrap();
        assert_eq!(nsec.data.split(' ').next(), Some(&*format!("\\000.{}", nsec.name)), "it covers no other name");
    }
    let apex = node.dig("+dnssec signed.example SRV");
    assert_eq!(bitmap(&apex), set("NS SOA MX TXT RRSIG NSEC DNSKEY CDS CDNSKEY CAA"));
}

#[test]
fn referrals_say_whether_the_zone_below_is_signed() {
    let (_files, node) = steady();
    let unsigned = node.dig("+dnssec www.cut.signed.example A");
    assert_eq!(types(&unsigned.authority), ["NS", "NS", "NSEC", "RRSIG NSEC"]);
    assert_eq!(bitmap(&unsigned), set("NS RRSIG NSEC"));
    assert!(!unsigned.has("aa") && unsigned.additional.iter().any(|record| record.name == "ns.cut.signed.example."));
    let secure = node.dig("+dnssec www.securecut.signed.example A");
    assert_eq!(types(&secure.authority), ["NS", "DS", "RRSIG DS"]);
    // The same proofs answer questions for DS, and validators accept those.
    let proof = |reply: &Reply| reply.authority.iter().find(|record| record.data.starts_with("NSEC 13")).cloned();
    assert_eq!(proof(&unsigned), proof(&node.dig("+dnssec cut.signed.example DS")));
}

#[test]
fn names_that_do_not_exist_have_the_code_that_the_asker_accepts() {
    /// The flag Compact Answers OK (RFC 9824, section 5.1).
    const CO: u16 = 0x4000;
    let (_files, node) = steady();
    let mut client = Client::of_node(node.address(), false);
    let mut ask = |name: &str, dnssec_ok, z| {
        let set = |edns: &mut Edns| *edns.flags_mut() = EdnsFlags { dnssec_ok, z };
        let reply = client.try_ask_with(name, A, set).unwrap();
        let flags = reply.edns.as_ref().map(|edns| edns.flags().z);
        (reply.metadata.response_code, flags, reply.authorities.len())
    };
    assert_eq!(ask("nope.signed.example.", true, 0), (ResponseCode::NoError, Some(0), 4));
    assert_eq!(ask("nope.signed.example.", true, CO), (ResponseCode::NXDomain, Some(CO), 4));
    assert_eq!(ask("nope.signed.example.", false, CO), (ResponseCode::NXDomain, Some(0), 1), "without DO");
    assert_eq!(ask("www.signed.example.", true, CO | 1), (ResponseCode::NoError, Some(CO), 0));
    assert_eq!(node.dig("+dnssec nope.plain.example A").status, "NXDOMAIN", "the zone is not signed");
    assert_eq!(node.dig("+dnssec missing.plain.example A").status, "NOERROR", "the last zone of the chain is signed");
    assert_eq!(node.dig("nope.signed.example TYPE128").status, "FORMERR");
}

#[test]
fn rotation_does_not_change_a_signature() {
    let (_files, node) = steady();
    let replies: Vec<Reply> = (0..20).map(|_| node.dig("+dnssec many.signed.example A")).collect();
    let first: BTreeSet<&str> = replies.iter().map(|reply| reply.data()[0]).collect();
    assert!(first.len() > 1, "addresses rotate");
    let signatures: BTreeSet<&str> = replies.iter().filter_map(|reply| reply.data().last().copied()).collect();
    assert_eq!(signatures.len(), 1, "{signatures:?}");
}

#[test]
fn no_copy_leaves_without_signatures() {
    let text = "[dnssec]\nenabled = true\n[nameservers]\nns1 = [\"127.0.0.1\"]\n";
    let files = files(&server("[transfer]\nallow = [\"127.0.0.0/8\"]\n"), text);
    let node = files.serve();
    let mut client = Client::of_node(node.address(), true);
    assert_eq!(client.ask("signed.example.", AXFR).metadata.response_code, ResponseCode::Refused);
    assert_eq!(client.ask("plain.example.", AXFR).metadata.response_code, ResponseCode::NoError);
}

#[test]
fn answers_that_do_not_fit_are_truncated() {
    let (_files, node) = steady();
    let long = "x".repeat(60);
    let name = format!("{long}.{long}.nope.signed.example");
    let reply = node.dig(&format!("+dnssec +bufsize=512 +ignore {name} A"));
    assert!(reply.has("tc"), "{reply:?}");
    assert!(!node.dig(&format!("+dnssec +bufsize=1232 +ignore {name} A")).has("tc"));
    assert_eq!(node.dig(&format!("+dnssec +tcp {name} A")).authority.len(), 4);
}
