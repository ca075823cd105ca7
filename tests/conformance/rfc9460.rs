//! RFC 9460: HTTPS records of steered names. `tests/scenarios/https.rs` checks their contents for each client.

use hickory_proto::rr::RecordType;

use crate::message::{Asked, SeenRecord, ask, name};
use crate::scene::{self, Scene};

const HTTPS: u16 = 65;

const ECH: &str = "AAb+DQACBwc=";

fn node(https: &str) -> Scene {
    Scene::new(&format!("[names.www]\npools = [\"web\"]\nhttps = {https}\n"))
}

fn ask_https() -> Asked {
    ask("www", HTTPS).option(8, &[0, 1, 24, 0, 10, 2, 7])
}

fn https(record: &SeenRecord) -> (&[u8], Vec<(u16, &[u8])>) {
    let [0, 1, 0, params @ ..] = record.rdata.as_slice() else { panic!("priority 1, target `.`: {:?}", record.rdata) };
    let (mut rest, mut read) = (params, Vec::new());
    while let [k0, k1, l0, l1, behind @ ..] = rest {
        let (value, next) = behind.split_at(usize::from(u16::from_be_bytes([*l0, *l1])));
        read.push((u16::from_be_bytes([*k0, *k1]), value));
        rest = next;
    }
    assert!(rest.is_empty(), "parameters fill the record");
    (&record.owner, read)
}

/// 2.2: "The wire format of the RDATA consists of" SvcPriority, TargetName and SvcParams; "SvcParamKeys SHALL appear in
/// increasing numeric order."
#[test]
fn section_2_2_parameters_are_in_ascending_order() {
    let table = format!("{{ ech = \"{ECH}\", port = 8443, no_default_alpn = true, alpn = [\"h2\", \"h3\"] }}");
    let reply = node(&table).see(&ask_https());
    let (owner, params) = https(&reply.records[0]);
    assert_eq!((reply.counts[1], owner), (1, &[0xc0, 12][..]));
    let expected: [(u16, &[u8]); 6] = [
        (1, b"\x02h2\x02h3"),
        (2, b""),
        (3, &[0x20, 0xfb]),
        (4, &[192, 0, 2, 1]),
        (5, &[0, 6, 0xfe, 0x0d, 0, 2, 7, 7]),
        (6, &[0x20, 1, 0x0d, 0xb8, 0, 0x0a, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
    ];
    assert_eq!(params, expected);
}

/// 2.4.3: ServiceMode, with a SvcPriority that is not 0; 2.5.2: "if TargetName has the value ".", then the owner name
/// of this record MUST be used as the effective TargetName." Another project's decoder reads the same.
#[test]
fn section_2_5_2_the_record_stands_for_its_owner() {
    let mut node = node("{ alpn = [\"h2\", \"h3\"], port = 8443 }");
    let reply = node.ask("www", RecordType::HTTPS, "10.2.7.0/24");
    // That decoder writes a comma after each member of a list.
    let hints = "ipv4hint=192.0.2.1, ipv6hint=2001:db8:a::1,";
    assert_eq!(reply.answers(), [format!("www.example.com. 30 IN HTTPS 1 . alpn=h2,h3, port=8443 {hints}")]);
    let apex = "[names.\"@\"]\npools = [\"web/sin\"]\nhttps = { alpn = [\"h2\"] }\n";
    let reply = Scene::new(apex).see(&ask("example.com.", HTTPS));
    assert_eq!(https(&reply.records[0]).1, [(1, &b"\x02h2"[..]), (4, &[203, 0, 113, 1])]);
    let wildcard = "[names.\"*\"]\npools = [\"web/sin\"]\nhttps = {}\n";
    let reply = Scene::new(wildcard).see(&ask("Any.Name", HTTPS));
    assert_eq!(reply.question[..name("Any.Name.example.com").len()], name("Any.Name.example.com"));
    assert_eq!(https(&reply.records[0]), (&[0xc0, 12][..], vec![(4, &[203, 0, 113, 1][..])]));
}

/// 4.1: "When replying to a SVCB query, authoritative DNS servers SHOULD return A, AAAA, and SVCB RRs in the Additional
/// section for any TargetNames that are in the zone."
#[test]
fn section_4_1_the_addresses_come_along_and_are_those_of_the_hints() {
    let mut node = node("{ alpn = [\"h2\"] }");
    for client in ["10.1.7.0/24", "10.2.7.0/24", "10.3.7.0/24"] {
        let reply = node.see(&ask("www", HTTPS).option(8, &scene_subnet(client)));
        let (_, params) = https(&reply.records[0]);
        for (rtype, key) in [(1, 4), (28, 6)] {
            let records = reply.records[1..].iter().filter(|record| record.rtype == rtype);
            let addresses: Vec<u8> = records.flat_map(|record| record.rdata.clone()).collect();
            let hint = params.iter().find(|(other, _)| *other == key).map_or(&[][..], |(_, value)| value);
            assert_eq!(addresses, hint, "{client}");
        }
        assert!(reply.records.iter().all(|record| record.ttl == 30));
    }
}

/// The same for static records: addresses of the owner for ".", addresses of other names in the zone, and a further
/// SVCB RRset for AliasMode.
#[test]
fn section_4_1_targets_of_static_records_bring_their_addresses() {
    let zone = "[records.svc]\nHTTPS = [\"1 . alpn=h2\", \"2 other alpn=h2\", \"3 cdn.example.net.\"]\nA = [\"192.0.2.10\"]\n\
                [records.other]\nA = [\"192.0.2.11\"]\nAAAA = [\"2001:db8::11\"]\n\
                [records.alias]\nHTTPS = [\"0 svc\"]\n[records.none]\nHTTPS = [\"0 .\"]\nA = [\"192.0.2.12\"]\n\
                [records.\"_8443._foo.svc\"]\nSVCB = [\"1 any.wild port=8443\"]\n[records.\"*.wild\"]\nA = [\"192.0.2.13\"]\n";
    let mut node = Scene::new(zone);
    let mut additional = |owner: &str, rtype: u16| {
        let reply = node.ask(owner, RecordType::from(rtype), "");
        reply
            .additionals()
            .iter()
            .map(|record| record.split(" 300 IN ").collect::<Vec<_>>().join(" "))
            .collect::<Vec<_>>()
    };
    let other = ["other.example.com. A 192.0.2.11", "other.example.com. AAAA 2001:db8::11"];
    assert_eq!(additional("svc", HTTPS), ["svc.example.com. A 192.0.2.10", other[0], other[1]]);
    let alias = additional("alias", HTTPS);
    assert_eq!(alias.len(), 4, "{alias:?}");
    assert!(alias[..3].iter().all(|record| record.starts_with("svc.example.com. HTTPS")), "{alias:?}");
    assert_eq!(alias[3], "svc.example.com. A 192.0.2.10");
    assert!(additional("none", HTTPS).is_empty(), "there is no service");
    assert_eq!(additional("_8443._foo.svc", 64), ["any.wild.example.com. A 192.0.2.13"]);
}

/// 4.1 says SHOULD; the addresses of a steered target would narrow the scope of an answer that is the same for all
/// clients, so clients must ask for them.
#[test]
fn section_4_1_steered_targets_bring_nothing_so_that_the_answer_holds_for_everybody() {
    let mut node = Scene::new(
        "[names.www]\npools = [\"web\"]\n[records.svc]\nHTTPS = [\"1 www alpn=h2\", \"2 other alpn=h2\"]\n\
         [records.other]\nA = [\"192.0.2.11\"]\n",
    );
    for client in ["10.1.7.0/24", "10.2.7.0/24", "10.3.7.0/24"] {
        let reply = node.ask("svc", RecordType::HTTPS, client);
        assert_eq!(reply.answers().len(), 2);
        assert_eq!(
            (reply.additionals(), reply.scope()),
            (vec!["other.example.com. 300 IN A 192.0.2.11".to_owned()], Some(0))
        );
    }
}

fn scene_subnet(client: &str) -> Vec<u8> {
    let (address, _) = client.split_once('/').unwrap();
    let address: std::net::Ipv4Addr = address.parse().unwrap();
    [&[0, 1, 24, 0][..], &address.octets()[..3]].concat()
}

/// 4.1, on the additional section: records without room are left out, and the answer stays complete. Without EDNS there
/// is room for 512 octets.
#[test]
fn section_4_1_without_room_the_answer_is_whole_all_the_same() {
    let addresses = |count: u8| (1..=count).map(|n| format!("\"192.0.2.{n}\"")).collect::<Vec<_>>().join(", ");
    let zone = |count| {
        let name = "[names.many]\npools = [\"many\"]\nsteer = []\nanswers = 64\nhttps = { alpn = [\"h2\"] }\n";
        Scene::new(&format!("[pools.many]\nendpoints = [{}]\n{name}", addresses(count)))
    };
    let reply = zone(60).see(&ask("many", HTTPS));
    assert_eq!((reply.counts, reply.flags & crate::message::TC), ([1, 1, 0, 0], 0));
    assert_eq!(https(&reply.records[0]).1[1].1.len(), 240);
    let long = format!("{{ ech = \"{}\" }}", base64_of_a_long_list());
    let mut node = node(&long);
    assert_eq!(node.see(&ask("www", HTTPS)).flags & crate::message::TC, crate::message::TC);
    let over_tcp = node.see_over(truenorth::answer::Transport::Tcp, &ask("www", HTTPS));
    assert_eq!((over_tcp.counts[1], over_tcp.flags & crate::message::TC), (1, 0));
}

/// An ECHConfigList of 1,200 octets.
fn base64_of_a_long_list() -> String {
    // 0x04ae octets, of version 0xfe0d, 0x04aa octets; three octets are four digits.
    format!("BK7+DQSq{}", "A".repeat(1592))
}

/// 7.3: "An empty list of addresses is invalid"; so there is no hint for a family without addresses.
#[test]
fn section_7_3_a_family_without_addresses_has_no_hint() {
    let reply = node("{ alpn = [\"h2\"] }").see(&ask("www", HTTPS).option(8, &[0, 1, 24, 0, 10, 3, 7]));
    assert_eq!(https(&reply.records[0]).1, [(1, &b"\x02h2"[..]), (4, &[203, 0, 113, 1])]);
    assert_eq!(reply.counts, [1, 1, 0, 2], "the address and OPT");
}

/// 7.1.1: "When "no-default-alpn" is specified in an RR, "alpn" must also be specified in order for the RR to be
/// "self-consistent""; an alpn-id has at least one octet.
#[test]
fn section_7_1_1_what_contradicts_itself_is_no_configuration() {
    for (https, fault) in [
        ("{ no_default_alpn = true }", "`no_default_alpn` without `alpn` leaves no protocol at all"),
        ("{ alpn = [\"h2\", \"\"] }", "a protocol's name has 1 to 255 octets"),
        ("{ alpn = [\"h2\", \"h2\"] }", "`alpn` names a protocol twice"),
        ("{ alpn = [] }", "`alpn` needs a protocol"),
        ("{ port = 0 }", "`port` takes a whole number from 1 to 65535"),
    ] {
        let zone = format!("{}[names.www]\npools = [\"web\"]\nhttps = {https}\n", scene::ZONE);
        let faults = scene::load("", &[("example.com.toml", &zone)]).unwrap_err();
        let errors = faults.0.iter().filter(|fault| fault.severity == truenorth::config::Severity::Error);
        assert_eq!(errors.map(|fault| fault.message.as_str()).collect::<Vec<_>>(), [fault]);
    }
}
