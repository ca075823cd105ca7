//! Scenarios for HTTPS records: which clients get which, and how they follow A and AAAA.

use hickory_proto::rr::RData;
use hickory_proto::rr::RecordType::{self, A, AAAA, HTTPS};
use hickory_proto::rr::rdata::svcb::{SvcParamKey, SvcParamValue};

use super::{ASIA, EUROPE, FRA, WEB};
use crate::scene::{Reply, Scene};

const FRA_V6: &str = "2001:db8:f::1";

fn named(more: &str) -> Scene {
    Scene::new(&format!("[names.www]\npools = [\"web\"]\nhttps = {{ alpn = [\"h2\", \"h3\"] }}\n{more}"))
}

/// The addresses that the only HTTPS record hints at, of a family.
fn hints(reply: &Reply, key: SvcParamKey) -> Vec<String> {
    let [record] = reply.message.answers.as_slice() else { panic!("one record: {:?}", reply.answers()) };
    let RData::HTTPS(https) = &record.data else { panic!("no HTTPS record: {record}") };
    let found = https.svc_params.iter().find(|(other, _)| *other == key).map(|(_, value)| value);
    match found {
        Some(SvcParamValue::Ipv4Hint(hint)) => hint.0.iter().map(ToString::to_string).collect(),
        Some(SvcParamValue::Ipv6Hint(hint)) => hint.0.iter().map(ToString::to_string).collect(),
        _ => Vec::new(),
    }
}

fn v4(reply: &Reply) -> Vec<String> {
    hints(reply, SvcParamKey::Ipv4Hint)
}

fn v6(reply: &Reply) -> Vec<String> {
    hints(reply, SvcParamKey::Ipv6Hint)
}

fn sorted(mut list: Vec<String>) -> Vec<String> {
    list.sort_unstable();
    list
}

#[test]
fn hints_are_what_a_and_aaaa_would_be_with_their_ttl_and_scope() {
    let mut scene = named("");
    for client in [EUROPE, "10.2.7.0/24", ASIA, "10.9.9.0/24", "10.4.0.0/24", "2001:db8:1::/56", "192.0.2.0/24"] {
        let [https, a, aaaa] = [HTTPS, A, AAAA].map(|rtype| scene.ask("www", rtype, client));
        assert_eq!((sorted(v4(&https)), sorted(v6(&https))), (a.sorted(), aaaa.sorted()), "{client}");
        assert_eq!((https.ttl(), https.scope()), (a.ttl(), a.scope()), "{client}");
    }
    scene.restless(&[FRA_V6]);
    assert_eq!((scene.ask("www", HTTPS, EUROPE).ttl(), scene.ask("www", HTTPS, ASIA).ttl()), (5, 30));
}

#[test]
fn a_family_that_is_down_at_the_place_is_hinted_at_elsewhere_as_aaaa_would_be() {
    let mut scene = named("");
    scene.down(&[FRA_V6]);
    let reply = scene.ask("www", HTTPS, EUROPE);
    assert_eq!((sorted(v4(&reply)), v6(&reply)), (FRA.map(str::to_owned).to_vec(), vec!["2001:db8:a::1".to_owned()]));
    scene.down(&FRA);
    assert_eq!(v4(&scene.ask("www", HTTPS, EUROPE)), ["192.0.2.1"]);
}

#[test]
fn a_family_that_is_down_everywhere_has_no_hint_while_the_other_one_is_well() {
    let sorry = "[pools.sorry]\nendpoints = [\"192.0.2.99\", \"2001:db8::99\"]\n";
    let mut scene = Scene::new(&format!(
        "{sorry}[names.www]\npools = [\"web\"]\nhttps = {{ alpn = [\"h2\"] }}\nfallback = \"sorry\"\n"
    ));
    scene.down(&[FRA_V6, "2001:db8:a::1"]);
    let reply = scene.ask("www", HTTPS, EUROPE);
    assert_eq!((sorted(v4(&reply)), v6(&reply)), (FRA.map(str::to_owned).to_vec(), vec![]));
}

#[test]
fn answers_cuts_each_family_and_both_take_turns() {
    let pool = "[pools.many]\nendpoints = [\"192.0.2.11\", \"192.0.2.12\", \"192.0.2.13\", \"2001:db8::11\", \"2001:db8::12\", \"2001:db8::13\"]\n";
    let name = "[names.many]\npools = [\"many\"]\nsteer = []\nanswers = 2\nhttps = {}\n";
    let mut scene = Scene::new(&format!("{pool}{name}"));
    let mut firsts = Vec::new();
    for _ in 0..3 {
        let reply = scene.ask("many", HTTPS, "");
        assert_eq!((v4(&reply).len(), v6(&reply).len()), (2, 2));
        firsts.push((v4(&reply)[0].clone(), v6(&reply)[0].clone()));
    }
    firsts.sort_unstable();
    let pair = |number: u8| (format!("192.0.2.{number}"), format!("2001:db8::{number}"));
    assert_eq!(firsts, [pair(11), pair(12), pair(13)]);
}

#[test]
fn a_draw_is_made_once_for_both_families() {
    let name = "[names.api]\npools = [\"web/fra\", \"web/iad\"]\nsteer = [\"weight\"]\nhttps = { alpn = [\"h2\"] }\n";
    let mut scene = Scene::new(name);
    let mut frankfurt = 0;
    for _ in 0..1000 {
        let reply = scene.ask("api", HTTPS, EUROPE);
        let is_frankfurt = v6(&reply) == [FRA_V6];
        let here: &[&str] = if is_frankfurt { &FRA } else { &["192.0.2.1"] };
        assert_eq!(sorted(v4(&reply)), here);
        frankfurt += u32::from(is_frankfurt);
    }
    // Half of 1,000; the standard deviation is 16.
    assert!((430..570).contains(&frankfurt), "{frankfurt}");
    // Only one family is down there: the datacenter is drawn as before, and only that family is answered by another.
    scene.down(&[FRA_V6]);
    let moved = (0..400).filter(|_| {
        let reply = scene.ask("api", HTTPS, EUROPE);
        assert_eq!(v6(&reply), ["2001:db8:a::1"]);
        sorted(v4(&reply)) == FRA
    });
    assert!((120..280).contains(&moved.count()));
}

#[test]
fn when_all_is_down_https_ends_as_a_does() {
    for (all_down, rcode) in [("all", 0), ("last-healthy", 0), ("nodata", 0), ("servfail", 2)] {
        let mut scene = named(&format!("all_down = \"{all_down}\"\n"));
        scene.down(&WEB[..3]);
        scene.down(&WEB[3..]);
        let reply = scene.ask("www", HTTPS, EUROPE);
        assert_eq!(reply.rcode(), rcode, "{all_down}");
        match all_down {
            "all" => assert_eq!(sorted(v4(&reply)), FRA),
            "last-healthy" => {
                assert_eq!(
                    (v4(&reply).concat(), v6(&reply).concat()),
                    ("192.0.2.1".to_owned(), "2001:db8:a::1".to_owned())
                );
            }
            "nodata" => assert!(reply.is_nodata() && reply.ttl() == 30 && reply.scope() == Some(16)),
            _ => assert!(reply.message.answers.is_empty()),
        }
    }
}

#[test]
fn a_fallback_is_hinted_at_and_a_cname_stands_for_https_too() {
    let pools = "[pools.sorry]\nendpoints = [\"192.0.2.99\"]\n[pools.gone]\nendpoints = [{ cname = \"status.example.net.\" }]\n";
    let mut scene = named(&format!("fallback = \"sorry\"\n{pools}"));
    scene.down(&WEB);
    let reply = scene.ask("www", HTTPS, EUROPE);
    assert_eq!((v4(&reply), v6(&reply)), (vec!["192.0.2.99".to_owned()], Vec::new()));
    let mut scene = named(&format!("fallback = \"gone\"\n{pools}"));
    assert_eq!(sorted(v4(&scene.ask("www", HTTPS, EUROPE))), FRA);
    scene.down(&WEB);
    let reply = scene.ask("www", HTTPS, EUROPE);
    assert_eq!(reply.answers(), ["www.example.com. 30 IN CNAME status.example.net."]);
}

#[test]
fn other_types_and_names_without_the_key_are_as_ever() {
    let mut scene = named(
        "[names.plain]\npools = [\"web\"]\n[records.plain]\nHTTPS = [\"1 . alpn=h2\"]\n[names.none]\npools = [\"web\"]\n",
    );
    for rtype in [RecordType::SVCB, RecordType::TXT] {
        let reply = scene.ask("www", rtype, EUROPE);
        assert!(reply.is_nodata() && reply.scope() == Some(0), "{rtype}");
    }
    assert_eq!(scene.ask("www", RecordType::ANY, EUROPE).answers(), ["www.example.com. 3600 IN HINFO RFC8482 "]);
    let reply = scene.ask("plain", HTTPS, EUROPE);
    assert_eq!((reply.ttl(), reply.scope(), v4(&reply)), (300, Some(0), Vec::new()), "static, as written");
    assert!(scene.ask("none", HTTPS, EUROPE).is_nodata());
}

#[test]
fn an_alias_leads_to_the_record() {
    let mut scene = named("[records.alias]\nCNAME = [\"www\"]\n");
    let reply = scene.ask("alias", HTTPS, EUROPE);
    let types: Vec<RecordType> = reply.message.answers.iter().map(hickory_proto::rr::Record::record_type).collect();
    assert_eq!((types, reply.scope()), (vec![RecordType::CNAME, HTTPS], Some(16)));
}
