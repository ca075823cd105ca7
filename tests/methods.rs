//! Executes the examples of docs/methods.md with the real answering code.
//!
//! A line of an example that is a comment as a whole is a step:
//!
//! ```text
//! # client 193.0.0.0/16 is continent:EU country:NL at 52.4,4.9      the location of these clients, as from a GeoIP database
//! # ask www A 193.0.6.0/24 -> 192.0.2.1 192.0.2.2, scope 16, ttl 30     the whole answer, in any order
//! # rotate www A 193.0.6.0/24 -> ...               the same, and n successive answers put each of n addresses first once
//! # draw www A 193.0.6.0/24 -> 75% 192.0.2.1 | 25% 192.0.2.2, scope 0, ttl 30      how often each answer is drawn
//! # hash www A 10.0.0.0/12 -> ...                  the same for each /24 in it, and none of them gets another one next time
//! # down 192.0.2.1         # up 192.0.2.1          these addresses, confirmed
//! # doubt 192.0.2.1                                one unconfirmed outcome contradicts the state of exactly these
//! # degrade 192.0.2.1 25%                          it asks for at most this share of its clients
//! # ramp 192.0.2.1 25%                           its slow start has reached this share
//! # hold 192.0.2.1                               `failback` holds exactly these addresses' pools back
//! # load web/fra keeps 60% room 0                the share of its clients that a pool keeps, and its room for others'
//! # room 192.0.2.1 50%                           the headroom of this endpoint, relative to others of its pool
//! # switch shop blue                             the active pool of a blue-green name
//! # canary api 25%                               the share of a canary's clients
//! # measure 193.0.6.0/24 fra 80 iad 20             round trips in milliseconds
//! # drain dc:fra           # lift dc:fra           an operator's order, and its end
//! ```
//!
//! A block continues the zone of earlier blocks. It begins with all endpoints up, no measurements and no orders.

mod scene;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::Ipv4Addr;

use hickory_proto::rr::RecordType;
use scene::{ORIGIN, Reply, Scene};
use truenorth::geo::{Continent, Coordinates, CountryCode, Location, Locations, Prefix, Runs, nest};
use truenorth::health::Share;
use truenorth::rollout::Exposure;

const PAGE: &str = include_str!("../docs/methods.md");

/// Number of queries for a draw.
const DRAWS: usize = 4000;

/// Maximum deviation of a share in standard deviations: chance alone exceeds it once in two million times.
const DEVIATIONS: f64 = 5.0;

/// A whole answer: its data in a fixed order, its scope and its TTL.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Whole {
    data: Vec<String>,
    around: String,
}

/// The expected answers of a step.
struct Claim<'a> {
    name: &'a str,
    rtype: RecordType,
    client: &'a str,
    /// The expected answers, each with its share of the queries in per cent.
    answers: Vec<(f64, Whole)>,
}

/// An example: its addition to the zone, and its steps.
struct Example<'a> {
    zone: String,
    steps: Vec<&'a str>,
}

impl Whole {
    fn new(data: &str, around: &str) -> Self {
        let mut data: Vec<String> = data.split_whitespace().map(str::to_owned).collect();
        data.sort_unstable();
        Self { data, around: around.to_owned() }
    }

    fn of(reply: &Reply) -> Self {
        let scope = reply.scope().map(|scope| format!("scope {scope}"));
        if reply.rcode() == 2 {
            return Self::new("SERVFAIL", &scope.unwrap_or_default());
        }
        assert!(reply.rcode() == 0 && reply.is_authoritative());
        let data = if reply.is_nodata() { "NODATA".to_owned() } else { reply.data().join(" ") };
        let around = scope.into_iter().chain([format!("ttl {}", reply.ttl())]).collect::<Vec<_>>();
        Self::new(&data, &around.join(", "))
    }
}

impl fmt::Display for Whole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.data.join(" "), self.around)
    }
}

impl<'a> Claim<'a> {
    fn parse(text: &'a str) -> Self {
        let (question, answer) = text.split_once(" -> ").expect("`->` stands between question and answer");
        let [name, rtype, client] = words(question)[..] else { panic!("a name, a type, a client: {question}") };
        let (answers, around) = answer.split_once(", ").expect("a scope and a TTL");
        let answers = answers.split(" | ").map(|answer| {
            let (share, data) = answer.split_once("% ").unwrap_or(("100", answer));
            (share.parse::<f64>().expect("a share in per cent"), Whole::new(data, around))
        });
        let answers: Vec<_> = answers.collect();
        let sum: f64 = answers.iter().map(|(share, _)| share).sum();
        assert!((99.0..=100.0).contains(&sum), "the shares come to {sum} %");
        Self { name, rtype: rtype.parse().unwrap(), client, answers }
    }

    fn ask(&self, scene: &mut Scene) -> Reply {
        scene.ask(self.name, self.rtype, self.client)
    }

    /// The only expected answer.
    fn only(&self) -> &Whole {
        let [(_, whole)] = &self.answers[..] else { panic!("one answer, without shares") };
        whole
    }

    /// Asks once. Fails if the answer differs.
    fn hold(&self, scene: &mut Scene) -> Result<(), String> {
        let found = Whole::of(&self.ask(scene));
        if found == *self.only() { Ok(()) } else { Err(found.to_string()) }
    }

    /// Asks once for each address. Fails unless each address is first once.
    fn hold_in_turn(&self, scene: &mut Scene) -> Result<(), String> {
        let replies: Vec<Reply> = self.only().data.iter().map(|_| self.ask(scene)).collect();
        if let Some(other) = replies.iter().map(Whole::of).find(|whole| whole != self.only()) {
            return Err(other.to_string());
        }
        let mut firsts: Vec<String> = replies.iter().map(|reply| reply.data().swap_remove(0)).collect();
        firsts.sort_unstable();
        if firsts == self.only().data { Ok(()) } else { Err(format!("first come {firsts:?}")) }
    }

    /// Asks [`DRAWS`] times for one client. Fails if the frequencies differ too much.
    fn hold_on_average(&self, scene: &mut Scene) -> Result<(), String> {
        self.hold_for(&(0..DRAWS).map(|_| Whole::of(&self.ask(scene))).collect::<Vec<_>>())
    }

    /// Asks twice for each network in the client's prefix. Fails if both answers differ, or if the frequencies differ
    /// too much.
    fn hold_for_each(&self, scene: &mut Scene) -> Result<(), String> {
        let (first, length) = prefix(self.client);
        let networks = (0..1 << (24 - length)).map(|number: u32| Ipv4Addr::from_bits(first + (number << 8)));
        let clients: Vec<String> = networks.map(|network| format!("{network}/24")).collect();
        let mut ask_all = || -> Vec<Whole> {
            clients.iter().map(|client| Whole::of(&scene.ask(self.name, self.rtype, client))).collect()
        };
        let answers = ask_all();
        if answers != ask_all() {
            return Err("another answer for the same client".into());
        }
        self.hold_for(&answers)
    }

    /// True if there are exactly the expected answers, each with the expected frequency.
    fn hold_for(&self, found: &[Whole]) -> Result<(), String> {
        let all = found.len() as f64;
        let mut counts: BTreeMap<&Whole, f64> = BTreeMap::new();
        for whole in found {
            *counts.entry(whole).or_default() += 1.0;
        }
        let is_share = |(share, whole): &(f64, Whole)| {
            let expected = all * share / 100.0;
            let deviation = (expected * (1.0 - share / 100.0)).sqrt();
            counts.get(whole).is_some_and(|count| (count - expected).abs() <= DEVIATIONS * deviation)
        };
        if counts.len() == self.answers.len() && self.answers.iter().all(is_share) {
            return Ok(());
        }
        let shares = counts.iter().map(|(whole, count)| format!("{:.1}% {whole}", 100.0 * count / all));
        Err(shares.collect::<Vec<_>>().join(" | "))
    }
}

fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

fn prefix(text: &str) -> (u32, u8) {
    let (address, length) = text.split_once('/').expect("a prefix");
    (address.parse::<Ipv4Addr>().unwrap().to_bits(), length.parse().unwrap())
}

/// The owner of a roll-out for a name of the page.
fn owner(name: &str) -> String {
    format!("{name}.{}", ORIGIN.trim_end_matches('.'))
}

/// `198.51.100.10 25%`, in thousandths.
fn target_and_share(text: &str) -> (&str, u16) {
    let (target, share) = text.split_once(' ').expect("what it is, and a share");
    (target, thousandths(share))
}

fn thousandths(share: &str) -> u16 {
    share.strip_suffix('%').expect("per cent").parse::<u16>().unwrap() * 10
}

/// The page's examples, in order.
fn examples() -> Vec<Example<'static>> {
    let mut examples = Vec::new();
    let mut lines = PAGE.lines();
    while let Some(line) = lines.next() {
        if line.starts_with("```toml") {
            let block: Vec<&str> = lines.by_ref().take_while(|line| !line.starts_with("```")).collect();
            let steps = block.iter().filter_map(|line| line.strip_prefix("# ")).collect();
            examples.push(Example { zone: block.join("\n") + "\n", steps });
        }
    }
    examples
}

/// The locations of clients by the `client` steps, as from GeoIP databases.
fn locations(examples: &[Example]) -> Locations {
    let mut table = vec![Location::default()];
    let mut networks = Vec::new();
    for step in examples.iter().flat_map(|example| &example.steps) {
        let Some((network, place)) = step.strip_prefix("client ").and_then(|rest| rest.split_once(" is ")) else {
            continue;
        };
        let (first, length) = prefix(network);
        networks.push(Prefix { first, length, value: table.len() as u32 });
        table.push(location(place));
    }
    Locations { v4: nest(networks, 0), v6: Runs::uniform(0), table: table.into() }
}

/// `continent:NA country:US asn:46 at 40.5,-74.4`
fn location(text: &str) -> Location {
    let (known, at) = text.split_once(" at ").expect("a point on the map");
    let (latitude, longitude) = at.split_once(',').expect("latitude and longitude");
    let (latitude, longitude) = (latitude.parse().unwrap(), longitude.parse().unwrap());
    let mut location = Location { coordinates: Coordinates::try_new(latitude, longitude), ..Location::default() };
    for word in words(known) {
        match word.split_once(':').expect("what it is, and which") {
            ("continent", code) => location.continent = Continent::parse(code),
            ("country", code) => location.country = CountryCode::parse(code),
            ("asn", number) => location.asn = Some(number.parse().unwrap()),
            _ => panic!("what is {word}?"),
        }
    }
    location
}

/// Executes a step. Fails with the answer that was found if it is not the expected one.
fn play(scene: &mut Scene, step: &str) -> Result<(), String> {
    let (verb, rest) = step.split_once(' ').unwrap_or((step, ""));
    match verb {
        "ask" => return Claim::parse(rest).hold(scene),
        "rotate" => return Claim::parse(rest).hold_in_turn(scene),
        "draw" => return Claim::parse(rest).hold_on_average(scene),
        "hash" => return Claim::parse(rest).hold_for_each(scene),
        // `locations` has read these steps before the example begins.
        "client" => {}
        "down" => scene.down(&words(rest)),
        "up" => scene.up(&words(rest)),
        "doubt" => scene.restless(&words(rest)),
        "degrade" => {
            let (address, thousandths) = target_and_share(rest);
            scene.degraded(&[address], thousandths);
        }
        "ramp" => {
            let (address, thousandths) = target_and_share(rest);
            scene.ramp(&[address], thousandths);
        }
        "hold" => scene.hold(&words(rest)),
        "load" => {
            let [pool, "keeps", keeps, "room", room] = words(rest)[..] else { panic!("what a pool keeps: {rest}") };
            scene.loads(&[(pool, thousandths(keeps), room.parse().unwrap())]);
        }
        "room" => {
            let room = target_and_share(rest);
            scene.rooms(&[room]);
        }
        "switch" => {
            let (name, pool) = rest.split_once(' ').expect("a name and a pool");
            scene.roll_out(&owner(name), &Exposure::Active(pool.into()), false);
        }
        "canary" => {
            let (name, thousandths) = target_and_share(rest);
            let is_between = (1..1000).contains(&thousandths);
            scene.roll_out(&owner(name), &Exposure::Share(Share::from_thousandths(thousandths)), is_between);
        }
        "measure" => {
            let (client, times) = rest.split_once(' ').expect("a network and its round trips");
            let times = words(times);
            let times = times.chunks_exact(2).map(|pair| (client, pair[0], pair[1].parse().unwrap()));
            scene.measure(&times.collect::<Vec<_>>());
        }
        "drain" | "open" | "force-up" | "force-down" => scene.order(step),
        "lift" => scene.lift(rest),
        _ => panic!("no such step: {step}"),
    }
    Ok(())
}

#[test]
fn every_answer_is_as_the_page_says() {
    let examples = examples();
    let mut zone = String::new();
    let mut wrong = Vec::new();
    for (index, example) in examples.iter().enumerate() {
        zone += &example.zone;
        let mut scene = Scene::of_zone_with(locations(&examples[..=index]), &zone);
        for step in &example.steps {
            if let Err(found) = play(&mut scene, step) {
                wrong.push(format!("# {step}\nbut it is {found}\n"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let count = examples.iter().map(|example| example.steps.len()).sum::<usize>();
    assert!(count > 100, "only {count} steps were found");
}

#[test]
fn every_name_of_the_page_is_asked_for() {
    for example in examples() {
        let defined = example.zone.lines().filter_map(|line| line.strip_prefix("[names.")?.strip_suffix(']'));
        let asked: BTreeSet<&str> = example.steps.iter().filter_map(|step| words(step).get(1).copied()).collect();
        for name in defined {
            assert!(asked.contains(name), "{name} in\n{}", example.zone);
        }
    }
}

#[test]
fn a_claim_that_is_not_so_is_found() {
    let zone = "[soa]\nserial = 1\n[nameservers]\nns1 = [\"192.0.2.53\"]\n[pools.two]\nendpoints = [\"192.0.2.1\", \"192.0.2.2\"]\n\
                [names.www]\npools = [\"two\"]\nsteer = []\n[names.one]\npools = [\"two\"]\nsteer = []\npick = \"sticky\"\n";
    let mut scene = Scene::of_zone(zone);
    for step in [
        "ask www A 60.0.0.0/24 -> 192.0.2.1 192.0.2.2, scope 0, ttl 30",
        "rotate www A 60.0.0.0/24 -> 192.0.2.1 192.0.2.2, scope 0, ttl 30",
        "hash one A 60.0.0.0/16 -> 50% 192.0.2.1 | 50% 192.0.2.2, scope 24, ttl 30",
    ] {
        assert_eq!(play(&mut scene, step), Ok(()));
    }
    for (step, found) in [
        ("ask www A 60.0.0.0/24 -> 192.0.2.1, scope 0, ttl 30", "192.0.2.1 192.0.2.2, scope 0, ttl 30"),
        ("ask www A 60.0.0.0/24 -> 192.0.2.1 192.0.2.2, scope 1, ttl 30", "192.0.2.1 192.0.2.2, scope 0, ttl 30"),
        ("ask www A 60.0.0.0/24 -> 192.0.2.1 192.0.2.2, scope 0, ttl 5", "192.0.2.1 192.0.2.2, scope 0, ttl 30"),
        ("rotate one A 60.0.0.0/24 -> 192.0.2.1 192.0.2.2, scope 24, ttl 30", "192.0.2.2, scope 24, ttl 30"),
        ("draw www A 60.0.0.0/24 -> 50% 192.0.2.1 | 50% 192.0.2.2, scope 0, ttl 30", "100.0% 192.0.2.1 192.0.2.2"),
        ("hash one A 60.0.0.0/16 -> 10% 192.0.2.1 | 90% 192.0.2.2, scope 24, ttl 30", "% 192.0.2.2, scope 24, ttl 30"),
        ("hash www A 60.0.0.0/16 -> 99% 192.0.2.1 192.0.2.2 | 1% 192.0.2.2, scope 0, ttl 30", "100.0%"),
    ] {
        let instead = play(&mut scene, step).expect_err(step);
        assert!(instead.contains(found), "{step}: {instead}");
    }
}
