//! truenorth gives the same answers as Knot DNS, NSD and hickory-server for the same master files.
//!
//! Zones and questions come from seeds. Answer and authority sections are compared as sets, TTLs included, with the
//! code and AA. If Knot and NSD agree, this server must agree with them. If they do not, it follows the RFC, and
//! [`Accepted`] lists the cases. hickory-server, which runs in this process, is compared in the same way; [`Departure`]
//! lists its deviations. Needs the programs `knotd`, `nsd` and `named-compilezone` (Debian's packages knot, nsd and
//! bind9-utils).

mod departures;
mod hickory;
mod peers;
#[path = "../scene/mod.rs"]
mod scene;
mod text_forms;
mod zones;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU16, Ordering};

use departures::{Departure, Ours};
use hickory_proto::op::Message;
use hickory_proto::rr::{Record, RecordType};
use peers::Peer;
use scene::Scene;
use truenorth::answer::Transport;
use zones::Zone;

/// Zones that are made and asked about.
const ZONES: u64 = 50;

/// The parser of the tests knows this type only by its number.
const DNAME: RecordType = RecordType::Unknown(39);

const TYPES: [RecordType; 14] = [
    RecordType::A,
    RecordType::AAAA,
    RecordType::TXT,
    RecordType::MX,
    RecordType::SRV,
    RecordType::NS,
    RecordType::SOA,
    RecordType::CNAME,
    RecordType::PTR,
    RecordType::CAA,
    RecordType::ANY,
    RecordType::DS,
    RecordType::Unknown(65280),
    DNAME,
];

/// The cuts of [`SHORT`].
const CUTS: [&str; 6] = ["inside", "deep.er", "sibling", "outside", "mixed", "many"];

/// A zone whose names end alike.
const SHORT: &str = "$ORIGIN short.test.
$TTL 3600
@ SOA ns1.dns.outside.test. hostmaster.dns.outside.test. 1 3600 600 604800 300
@ NS ns1.dns.outside.test.
@ NS ns2.dns.outside.test.
inside NS ns1.inside
inside NS ns2.inside
ns1.inside A 192.0.2.1
ns2.inside A 192.0.2.2
ns2.inside AAAA 2001:db8::2
deep.er NS a.ns.deep.er
deep.er NS b.ns.deep.er
a.ns.deep.er A 192.0.2.3
b.ns.deep.er A 192.0.2.4
sibling NS ns1.inside
sibling NS ns2.inside
outside NS ns1.dns.outside.test.
outside NS ns2.dns.outside.test.
outside NS ns3.outside.test.
mixed NS ns.mixed
mixed NS ns1.dns.outside.test.
mixed NS ns2.inside
mixed NS dns.outside.test.
ns.mixed A 192.0.2.5
many NS a.one.many
many NS b.one.many
many NS a.two.many
many NS b.two.many
a.one.many A 192.0.2.6
b.one.many A 192.0.2.7
a.two.many A 192.0.2.8
b.two.many A 192.0.2.9
mail.dept MX 10 mx1.dept
mail.dept MX 20 mx2.dept
mail.dept MX 30 a.relay.outside.test.
mail.dept MX 40 b.relay.outside.test.
mx1.dept A 192.0.2.10
mx2.dept A 192.0.2.11
";

/// CNAME records that Knot follows, synthesized ones included.
const KNOTS_CHAIN: usize = 5;

/// The parts of an answer that are compared.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Said {
    rcode: u16,
    authoritative: bool,
    answer: BTreeSet<String>,
    authority: BTreeSet<String>,
}

impl Said {
    /// Returns this server's answer.
    fn ours(scene: &mut Scene, question: &Message) -> Self {
        Self::of(&scene.send(&question.to_vec().unwrap(), Transport::Tcp).unwrap().message)
    }

    fn of(message: &Message) -> Self {
        // Names keep their case in one server and lose it in another.
        let set = |records: &[Record]| records.iter().map(|record| record.to_string().to_lowercase()).collect();
        Self {
            rcode: message.metadata.response_code.into(),
            authoritative: message.metadata.authoritative,
            answer: set(&message.answers),
            authority: set(&message.authorities),
        }
    }
}

fn question(name: &str, rtype: RecordType) -> Message {
    static IDS: AtomicU16 = AtomicU16::new(0);
    let mut message = scene::query(&format!("{name}."), rtype, "");
    message.metadata.id = IDS.fetch_add(1, Ordering::Relaxed);
    if let Some(edns) = &mut message.edns {
        edns.set_max_payload(4096);
    }
    message
}

/// A question, and the answer of each server.
#[derive(Debug)]
struct Case {
    name: String,
    rtype: RecordType,
    ours: Said,
    knot: Said,
    nsd: Said,
}

/// Why a case is right although not all servers agree; the fewer there are, the better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Accepted {
    /// "A DNS responder can choose to select one or a larger subset of the available RRsets at the QNAME" (RFC 8482,
    /// section 4), and the servers choose differently.
    AnyChoosesFreely,
    /// Knot follows five aliases, NSD and this server more: "fairly long chains of DNAMEs may be valid" (RFC 6672, section
    /// 2.2).
    LongChain,
    /// A DNAME whose target lies below its owner redirects for ever. Knot gives up after five rounds, NSD and this server
    /// after one: "servers should be cautious in devoting resources to a query" (RFC 6672, section 2.2).
    DnameBelowItself,
}

impl Case {
    fn accepted(&self, peers: &[Peer; 2]) -> Option<Accepted> {
        let aliases = |said: &Said| said.answer.iter().filter(|record| record.contains(" cname ")).count();
        if self.ours == self.nsd && aliases(&self.knot) == KNOTS_CHAIN {
            if self.knot.answer.is_subset(&self.ours.answer) {
                return Some(Accepted::LongChain);
            }
            if self.ours.answer.is_subset(&self.knot.answer) {
                return Some(Accepted::DnameBelowItself);
            }
        }
        let is_any = self.rtype == RecordType::ANY && self.any_is_whole(peers);
        is_any.then_some(Accepted::AnyChoosesFreely)
    }

    /// True if both peers, asked for the type of our answer to ANY, give the same answer.
    fn any_is_whole(&self, peers: &[Peer; 2]) -> bool {
        let chosen = TYPES.into_iter().filter(|&rtype| rtype != RecordType::ANY);
        chosen.into_iter().any(|rtype| {
            let question = question(&self.name, rtype);
            peers.iter().all(|peer| Said::of(&peer.ask(&question)) == self.ours)
        })
    }
}

#[test]
fn knot_and_nsd_answer_the_same() {
    let zones: Vec<Zone> = (0..ZONES).map(zones::generate).collect();
    let mut scene = serve(&zones);
    let peers = [Peer::knot(&zones), Peer::nsd(&zones)];
    let mut asked = 0;
    let mut accepted: BTreeMap<Accepted, usize> = BTreeMap::new();
    for name in zones.iter().flat_map(|zone| &zone.questions) {
        for rtype in TYPES {
            let question = question(name, rtype);
            let [knot, nsd] = [0, 1].map(|peer: usize| Said::of(&peers[peer].ask(&question)));
            let case = Case { name: name.clone(), rtype, ours: Said::ours(&mut scene, &question), knot, nsd };
            asked += 1;
            if case.ours != case.knot || case.ours != case.nsd {
                let reason = case.accepted(&peers).unwrap_or_else(|| panic!("{case:#?}"));
                *accepted.entry(reason).or_default() += 1;
            }
        }
    }
    println!("{asked} questions; accepted differences: {accepted:?}");
    assert!(asked > 100_000, "so many questions have to be asked: {asked}");
}

#[test]
fn hickory_answers_the_same_but_for_what_is_named() {
    let zones: Vec<Zone> = (0..ZONES).map(zones::generate).collect();
    let mut scene = serve(&zones);
    let hickory = Peer::hickory(&zones);
    let mut asked = 0;
    let mut same = 0;
    let mut accepted: BTreeMap<Departure, usize> = BTreeMap::new();
    for zone in &zones {
        let mut ours = Ours::new(&mut scene, zone);
        for name in &zone.questions {
            for rtype in TYPES {
                let said = Said::of(&hickory.ask(&question(name, rtype)));
                asked += 1;
                if said == ours.ask(name, rtype) {
                    same += 1;
                    continue;
                }
                let departures = ours.departures(name, rtype, &said);
                let departures = departures
                    .unwrap_or_else(|| panic!("{name} {rtype}: {said:#?} and not {:#?}", ours.ask(name, rtype)));
                for departure in departures {
                    *accepted.entry(departure).or_default() += 1;
                }
            }
        }
    }
    println!("{asked} questions, {same} answers the same in all; departures: {accepted:?}");
    assert!(asked > 100_000, "so many questions have to be asked: {asked}");
    assert_eq!(accepted.len(), Departure::COUNT, "a departure that never happens excuses nothing: {accepted:?}");
}

/// Cuts of every kind, and records whose names share a lot: this server compresses everything that Knot or NSD
/// compress.
#[test]
fn answers_are_as_short_as_knots_and_nsds() {
    let mut zone = Zone { origin: "short.test".to_owned(), text: SHORT.to_owned(), questions: Vec::new() };
    zone.questions = CUTS.map(|cut| format!("www.{cut}.short.test")).to_vec();
    let zones = [zone];
    let mut scene = serve(&zones);
    let peers = [Peer::knot(&zones), Peer::nsd(&zones)];
    let referrals = zones[0].questions.iter().map(|name| (name.as_str(), RecordType::A));
    let others =
        [("short.test", RecordType::NS), ("mail.dept.short.test", RecordType::MX), ("no.short.test", RecordType::A)];
    for (name, rtype) in referrals.chain(others) {
        let question = question(name, rtype);
        let octets = scene.octets([127, 0, 0, 1].into(), &question.to_vec().unwrap(), Transport::Udp).unwrap();
        let counts = |message: &Message| [&message.answers, &message.authorities, &message.additionals].map(Vec::len);
        let ours = (counts(&Message::from_vec(&octets).unwrap()), octets.len());
        for peer in &peers {
            let (reply, length) = peer.ask_length(&question);
            println!("{name} {rtype}: {ours:?}, {} {:?}, {length}", peer.name, counts(&reply));
            // With this option, NSD adds no addresses to an answer.
            let is_brief = peer.name == "nsd" && rtype == RecordType::MX;
            assert!(is_brief || ours.0 == counts(&reply), "{name} {rtype}: {} has other records", peer.name);
            assert!(is_brief || ours.1 <= length, "{name} {rtype}: {} octets, {} needs {length}", ours.1, peer.name);
        }
    }
}

/// This server with these zones.
fn serve(zones: &[Zone]) -> Scene {
    let files: Vec<(String, &str)> =
        zones.iter().map(|zone| (format!("{}.zone", zone.origin), zone.text.as_str())).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), *text)).collect();
    Scene::of_files(&files)
}
