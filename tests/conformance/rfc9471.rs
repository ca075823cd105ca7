//! RFC 9471: glue in referrals.

use std::fmt::Write;

use hickory_proto::rr::RecordType::A;
use truenorth::answer::Transport;

use crate::message::ask;
use crate::scene::{Scene, query};

/// A cut with an in-domain nameserver of `inside` addresses, named after one in a sibling zone with `sibling`.
fn scene(inside: usize, sibling: usize) -> Scene {
    let mut zone = "$TTL 60\n@ SOA ns h 1 3600 600 604800 30\n@ NS ns.example.net.\nsub NS ns.notsub\nsub NS ns.sub\nnotsub NS ns.notsub\n".to_owned();
    for (owner, count) in [("ns.sub", inside), ("ns.notsub", sibling)] {
        for place in 0..count {
            _ = writeln!(zone, "{owner} AAAA 2001:db8::{place:x}");
        }
    }
    Scene::of_files(&[("example.com.zone", &zone)])
}

/// Section 3.1: a referral holds all glue of in-domain nameservers, or TC is set.
#[test]
fn section_3_1_in_domain_glue_fits_or_the_referral_is_truncated() {
    let mut few = scene(3, 1);
    let reply = few.ask("www.sub", A, "");
    assert_eq!((reply.message.metadata.truncation, reply.additionals().len()), (false, 4));
    let mut many = scene(60, 1);
    assert!(many.ask("www.sub", A, "").message.metadata.truncation);
    let over_tcp = many.send(&query("www.sub", A, "").to_vec().unwrap(), Transport::Tcp).unwrap();
    assert_eq!((over_tcp.message.metadata.truncation, over_tcp.additionals().len()), (false, 61));
}

/// Section 3.2: glue of sibling nameservers should be present, but its absence need not set TC. In-domain glue has
/// priority, even if the sibling nameserver comes first.
#[test]
fn section_3_2_sibling_glue_comes_last_and_may_be_left_out() {
    let reply = scene(3, 60).ask("www.sub", A, "");
    assert!(!reply.message.metadata.truncation);
    assert!(reply.additionals().iter().all(|record| record.starts_with("ns.sub.example.com.")));
    assert_eq!(reply.additionals().len(), 3);
}

/// RFC 1035, section 4.1.4: a pointer can replace a name that the message already holds. The NS records hold the
/// nameservers' names, so the owners of their addresses take two octets each.
#[test]
fn glue_owners_point_at_the_names_in_the_ns_records() {
    let octets = scene(2, 1).octets([127, 0, 0, 1].into(), &ask("www.sub", 1).octets(), Transport::Udp).unwrap();
    let count = |label: &[u8]| octets.windows(label.len()).filter(|window| *window == label).count();
    assert_eq!((count(b"\x02ns"), count(b"\x06notsub"), count(b"\x07example")), (2, 1, 1));
    let reply = hickory_proto::op::Message::from_vec(&octets).unwrap();
    let owners: Vec<String> = reply.additionals.iter().map(|record| record.name.to_string()).collect();
    assert_eq!(owners, ["ns.sub.example.com.", "ns.sub.example.com.", "ns.notsub.example.com."]);
}
