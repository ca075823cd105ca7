//! RFC 2308: negative answers.

use hickory_proto::rr::RecordType::{A, TXT};

use crate::scene::Scene;

const HEAD: &str = "$TTL 3600\n@ 3600 SOA ns h 1 3600 600 604800 120\n@ NS ns.example.net.\n";
const SOA: &str = "example.com. 120 IN SOA ns.example.com. h.example.com. 1 3600 600 604800 120";

fn scene(records: &str) -> Scene {
    Scene::of_files(&[("example.com.zone", &format!("{HEAD}{records}"))])
}

/// "Name servers authoritative for a zone MUST include the SOA record of the zone in the authority section of the response
/// when reporting an NXDOMAIN or indicating that no data of the requested type exists. [...] The TTL of this record is set
/// from the minimum of the MINIMUM field of the SOA record and the TTL of the SOA itself".
#[test]
fn section_3_negative_answers_hold_the_soa() {
    let mut scene = scene("www A 192.0.2.1\n");
    let reply = scene.ask("nothing", A, "");
    assert_eq!((reply.rcode(), reply.is_authoritative(), reply.authorities()), (3, true, vec![SOA.to_owned()]));
    let reply = scene.ask("www", TXT, "");
    assert_eq!((reply.rcode(), reply.is_authoritative(), reply.authorities()), (0, true, vec![SOA.to_owned()]));
}

/// The opposite case: an SOA whose TTL is lower than its MINIMUM.
#[test]
fn section_3_the_soas_own_ttl_may_be_the_lesser() {
    let zone = "@ 10 SOA ns h 1 3600 600 604800 120\n@ 60 NS ns.example.net.\n";
    let mut scene = Scene::of_files(&[("example.com.zone", zone)]);
    assert_eq!(scene.ask("nothing", A, "").ttl(), 10);
}

/// Section 2.1: "Note: the answer section may have SIG and CNAME RRs"; what does not exist is the last name.
#[test]
fn section_2_1_the_soa_is_that_of_the_last_zone() {
    let other = "$TTL 60\n@ SOA ns h 2 3600 600 604800 5\n@ NS ns.example.org.\n";
    let alias = format!("{HEAD}alias CNAME nothing.example.net.\n");
    let mut scene = Scene::of_files(&[("example.com.zone", &alias), ("example.net.zone", other)]);
    let reply = scene.ask("alias", A, "");
    assert_eq!(reply.rcode(), 3);
    assert_eq!(reply.data(), ["nothing.example.net."]);
    assert_eq!(reply.authorities(), ["example.net. 5 IN SOA ns.example.net. h.example.net. 2 3600 600 604800 5"]);
}

/// Section 3: the response code is NXDOMAIN even if there is no room for the SOA. TC says that something is missing
/// (RFC 2181, section 9).
#[test]
fn section_3_nxdomain_stays_nxdomain_where_its_soa_has_no_room() {
    let label = "x".repeat(60);
    let long = |first: char| [first.to_string(), label.clone(), label.clone(), label.clone()].join(".");
    let zone = format!(
        "$TTL 3600\n@ SOA {}.example.net. {}.example.org. 1 3600 600 604800 120\n@ NS ns.example.net.\n",
        long('m'),
        long('r')
    );
    let mut scene = Scene::of_files(&[("example.com.zone", &zone)]);
    let mut query = crate::scene::query(&format!("{}.example.com.", long('n')), A, "");
    query.edns = None;
    let query = query.to_vec().unwrap();
    let reply = scene.send(&query, truenorth::answer::Transport::Udp).unwrap();
    assert_eq!((reply.rcode(), reply.message.metadata.truncation, reply.authorities()), (3, true, vec![]));
    let reply = scene.send(&query, truenorth::answer::Transport::Tcp).unwrap();
    assert_eq!((reply.rcode(), reply.message.metadata.truncation, reply.authorities().len()), (3, false, 1));
}
