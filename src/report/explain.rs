//! Why a client gets the answer it gets: every step as the serving code takes it, and the answer that it really gives.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use hickory_proto::op::{Edns, Message, OpCode, Query};
use hickory_proto::rr::rdata::opt::{ClientSubnet, EdnsCode, EdnsOption};
use hickory_proto::rr::{Name as ProtoName, RData, Record as ProtoRecord, RecordType};
use serde::Serialize;

use super::latency::LatencyShape;
use crate::answer::{self, Asker, Client, Rotation, Transport, Worker};
use crate::geo::{ClientMatch, DatacenterId, Location};
use crate::health::Share;
use crate::name::Name;
use crate::overrides::{Mode, Refusal, TargetKind, TargetPattern};
use crate::snapshot::{Choice, Family, Plan, PoolId, Rung, ServedZone, Snapshot, Standing, Verdict, World};
use crate::steering::{self, AllDown, Criterion, Ranking, Set, members};
use crate::wire::{MAX_MESSAGE, Rtype};
use crate::zone::{Found, Special};

/// What is asked, for whom.
#[derive(Clone, Debug)]
pub struct Question {
    /// The owner name.
    pub name: Name,
    /// A type that hickory-proto knows by this name.
    pub rtype: RecordType,
    /// The client's network.
    pub client: IpAddr,
    /// Bits of it that a resolver would tell.
    pub length: u8,
}

/// The standing of endpoints in a world where probes find nothing down but what these targets mean. One that means nothing
/// is an error.
pub fn standing_without<'a>(
    down: &'a [TargetPattern],
    world: &'a World,
) -> Result<impl Fn(PoolId, usize) -> Standing + 'a, String> {
    for target in down {
        if target.kind() == TargetKind::Name {
            return Err(format!("{target} is not probed: what may be down is dc:NAME, pool:NAME or endpoint:ADDRESS"));
        }
        world.find(target).map_err(|meant| Refusal::Unknown(target.clone(), meant).to_string())?;
    }
    Ok(|id, endpoint| {
        let pool = &world.pools[id as usize];
        let is_down = down.iter().any(|target| world.is_meant(target, pool, endpoint));
        Standing { share: if is_down { Share::NONE } else { Share::FULL }, ..Standing::CALM }
    })
}

/// The story of one answer.
#[derive(Debug, Serialize)]
pub struct Explanation {
    /// Whether no running node was asked: all is taken as up but what the question takes down.
    offline: bool,
    down: Vec<String>,
    name: String,
    #[serde(rename = "type")]
    rtype: String,
    client: ClientShape,
    zone: Option<String>,
    steering: Option<SteeringShape>,
    answer: AnswerShape,
}

#[derive(Debug, Serialize)]
struct ClientShape {
    network: String,
    looked_up_as: String,
    location: String,
    region: Option<String>,
    region_match: Option<String>,
}

#[derive(Debug, Serialize)]
struct SteeringShape {
    steps: Vec<StepShape>,
    pools: Vec<PoolShape>,
    rung: &'static str,
    chosen: Vec<String>,
    /// Whether the place had no open endpoint of the asked family, so that it was chosen for this family alone.
    for_this_family_alone: bool,
    why_ttl: String,
    why_scope: String,
}

/// A step and the order of pools behind it: tiers, best first.
#[derive(Debug, Serialize)]
struct StepShape {
    step: &'static str,
    tiers: Vec<Vec<String>>,
    /// Round trips to the pools' datacenters, the lowest first, where the step goes by them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    latency: Vec<LatencyShape>,
}

#[derive(Debug, Serialize)]
struct PoolShape {
    pool: String,
    open_v4: usize,
    given_v4: usize,
    open_v6: usize,
    given_v6: usize,
    /// The chance to be drawn where the step `weight` draws among all tied pools with something open.
    share: Option<f64>,
}

#[derive(Debug, Serialize)]
struct AnswerShape {
    rcode: &'static str,
    records: Vec<String>,
    ttl: Option<u32>,
    scope: Option<u8>,
}

impl Explanation {
    /// Answers the question from a snapshot made without a running node, with these things down.
    pub fn new(snapshot: &Snapshot, question: &Question, down: &[TargetPattern]) -> Result<Self, String> {
        let client = Client::of_network(&snapshot.world().ecs, question.client, question.length);
        let key = question.name.to_key();
        let zone = snapshot.find_zone(&key);
        let location = snapshot.locations().look_up(client.address);
        let answer = AnswerShape::ask(snapshot, question)?;
        let plan = zone.and_then(|zone| match zone.zone.look_up(&key, Rtype(question.rtype.into())) {
            Found::Node(node) => match node.special() {
                Special::Steered(plan, name) => Some(snapshot.plan(plan, name)),
                Special::Reflect | Special::None => None,
            },
            Found::Cut { .. } | Found::Dname { .. } | Found::Nothing => None,
        });
        Ok(Self {
            offline: true,
            down: down.iter().map(TargetPattern::to_string).collect(),
            name: question.name.to_string(),
            rtype: question.rtype.to_string(),
            client: ClientShape::new(question, &client, &location, zone),
            zone: zone.map(|zone| zone.zone.apex().to_string()),
            steering: zone
                .zip(plan)
                .map(|(zone, plan)| SteeringShape::new(snapshot, zone, plan, question, &client, &location)),
            answer,
        })
    }
}

impl ClientShape {
    fn new(question: &Question, client: &Client, location: &Location, zone: Option<&ServedZone>) -> Self {
        let region = zone.and_then(|zone| {
            let id = zone.regions.of(client.address, location);
            zone.regions.get(id)
        });
        let length = client.subnet.map_or(question.length, |subnet| subnet.length);
        let matching = region.and_then(|region| region.best_match(client.address, location));
        Self {
            network: format!("{}/{}", question.client, question.length),
            looked_up_as: format!("{}/{length}", client.address),
            location: location.to_string(),
            region: region.map(|region| region.name.to_string()),
            region_match: matching.map(ClientMatch::to_string),
        }
    }
}

impl SteeringShape {
    fn new(
        snapshot: &Snapshot,
        zone: &ServedZone,
        plan: &Plan,
        question: &Question,
        client: &Client,
        location: &Location,
    ) -> Self {
        let rule = plan.rule();
        let placement = rule.map.look_up(client.address);
        let family = if question.rtype == RecordType::AAAA { Family::V6 } else { Family::V4 };
        let choice = plan.choose(placement.ranking, family, |_| 0);
        let names = |set: Set| -> Vec<String> {
            rule.pools_of(set).map(|id| snapshot.world().pools[id as usize].name.to_string()).collect()
        };
        let pools_of_slots = |slots: Set| members(slots).fold(0, |set, slot| set | rule.course.slots[slot]);
        let ranked = steering::Client {
            region: zone.regions.of(client.address, location),
            coordinates: location.coordinates,
            rtts: snapshot.vantages().map_or(&[], |vantages| vantages.look_up(client.address)),
        };
        let round_trips = |places: &[Option<DatacenterId>]| round_trips(snapshot, client, location, places);
        let steps = steps(plan, &ranked, placement.ranking, |slots| names(pools_of_slots(slots)), round_trips);
        let best = Draw::new(plan, &choice, placement.ranking);
        let chosen = match choice.verdict {
            Verdict::Pools(..) if best.0.len() > 1 => best.0.iter().flat_map(|(place, _)| names(1 << place)).collect(),
            Verdict::Pools(set, _) => names(set),
            Verdict::Fallback(_) => {
                rule.fallback.iter().map(|&id| snapshot.world().pools[id as usize].name.to_string()).collect()
            }
            Verdict::Nodata | Verdict::Servfail => Vec::new(),
        };
        let pools = rule.pools.iter().enumerate().map(|(place, &id)| PoolShape::new(snapshot, id, best.share(place)));
        Self {
            steps,
            pools: pools.collect(),
            rung: rung(&choice, rule.all_down),
            chosen,
            for_this_family_alone: choice.alone,
            why_ttl: why_ttl(snapshot, plan, &choice),
            why_scope: why_scope(client, placement.scope, rule.map.is_uniform()),
        }
    }
}

/// What each step of the chain makes of the tiers before it; the last shows the ranking as queries find it.
fn steps(
    plan: &Plan,
    client: &steering::Client<'_>,
    ranking: &Ranking,
    names: impl Fn(Set) -> Vec<String>,
    round_trips: impl Fn(&[Option<DatacenterId>]) -> Vec<LatencyShape>,
) -> Vec<StepShape> {
    let rule = plan.rule();
    let all = rule.course.slots.iter().enumerate().fold(0, |set: Set, (slot, _)| set | 1 << slot);
    let mut tiers = vec![all];
    let mut shapes = Vec::new();
    for criterion in rule.map.criteria().steps() {
        let mut split = Vec::new();
        tiers.iter().for_each(|&tier| criterion.split(tier, client, &mut split));
        tiers = split;
        let (step, latency) = match criterion {
            Criterion::Region(..) => ("region", Vec::new()),
            Criterion::Latency(places, _) => ("latency", round_trips(places)),
            Criterion::Distance(_) => ("distance", Vec::new()),
            Criterion::Failover(_) => ("failover", Vec::new()),
        };
        shapes.push(StepShape { step, tiers: tiers.iter().map(|&tier| names(tier)).collect(), latency });
    }
    if rule.course.weights.is_some() {
        let tiers = ranking.tiers().iter().map(|&tier| names(tier)).collect();
        shapes.push(StepShape { step: "weight", tiers, latency: Vec::new() });
    }
    shapes
}

/// The round trips from a client to these datacenters, each once, the lowest first.
fn round_trips(
    snapshot: &Snapshot,
    client: &Client,
    location: &Location,
    places: &[Option<DatacenterId>],
) -> Vec<LatencyShape> {
    let Some(vantages) = snapshot.vantages() else { return Vec::new() };
    let readings = vantages.readings(client.address, location);
    let places: BTreeSet<DatacenterId> = places.iter().copied().flatten().collect();
    let mut places: Vec<DatacenterId> = places.into_iter().collect();
    places.sort_by_key(|&place| readings[usize::from(place)].rtt);
    let name = |place: DatacenterId| &snapshot.world().datacenters[usize::from(place)].name;
    places.iter().map(|&place| LatencyShape::new(name(place), &readings[usize::from(place)])).collect()
}

/// The pools that a weighted draw chooses among, with their chances; none without a draw.
struct Draw(Vec<(usize, f64)>);

impl Draw {
    fn new(plan: &Plan, choice: &Choice, ranking: &Ranking) -> Self {
        let rule = plan.rule();
        let (Some(weights), Verdict::Pools(set, _)) = (plan.weights(), choice.verdict) else {
            return Self(Vec::new());
        };
        let tier_of = |slots: Set| members(slots).fold(0, |pools, slot| pools | rule.course.slots[slot]);
        let tier = ranking.tiers().iter().map(|&slots| tier_of(slots)).find(|pools| pools & set != 0).unwrap_or(0);
        let open: Vec<usize> = members(tier & plan.available(choice)).collect();
        let total: f64 = open.iter().map(|&place| f64::from(weights[place])).sum();
        let even = 1.0 / open.len() as f64;
        let chance = |place: usize| if total > 0.0 { f64::from(weights[place]) / total } else { even };
        Self(open.into_iter().map(|place| (place, chance(place))).filter(|(_, chance)| *chance > 0.0).collect())
    }

    fn share(&self, place: usize) -> Option<f64> {
        self.0.iter().find(|(drawn, _)| *drawn == place).map(|&(_, chance)| chance)
    }
}

fn rung(choice: &Choice, all_down: AllDown) -> &'static str {
    match (choice.rung, all_down) {
        (Rung::Usable, _) => "usable",
        (Rung::BelowMinimum, _) => "below min_healthy",
        (Rung::Draining, _) => "draining",
        (Rung::Fallback, _) => "fallback",
        (Rung::ForcedDown, _) => "forced down",
        (Rung::AllDown, AllDown::All) => "all down: all",
        (Rung::AllDown, AllDown::LastHealthy) => "all down: last-healthy",
        (Rung::AllDown, AllDown::Nodata) => "all down: nodata",
        (Rung::AllDown, AllDown::Servfail) => "all down: servfail",
    }
}

fn why_ttl(snapshot: &Snapshot, plan: &Plan, choice: &Choice) -> String {
    let rule = plan.rule();
    let mut reached = rule.pools_of(choice.reached).chain(rule.fallback);
    let mut drains =
        || reached.any(|id| snapshot.pools()[id as usize].has_draining()) || plan.mode() == Some(Mode::Drain);
    let why = match choice.restless {
        false => "all is calm",
        true if drains() => "something drains",
        true => "an endpoint's state is unconfirmed",
    };
    format!("{} s: {why}", plan.ttl(choice))
}

fn why_scope(client: &Client, scope: u8, uniform: bool) -> String {
    let told = client.scope(scope);
    let max = client.subnet.map_or(0, |subnet| subnet.max_scope);
    if uniform {
        "0: the same for every client".to_owned()
    } else if scope > max {
        format!("{told}: the ranking changes within /{max}, which is as far as this server looks")
    } else {
        format!("{told}: the shortest prefix on which this ranking holds")
    }
}

impl PoolShape {
    fn new(snapshot: &Snapshot, id: PoolId, share: Option<f64>) -> Self {
        let pool = &snapshot.pools()[id as usize];
        let ((open_v4, given_v4), (open_v6, given_v6)) = (pool.counts(Family::V4), pool.counts(Family::V6));
        Self { pool: pool.spec().name.to_string(), open_v4, given_v4, open_v6, given_v6, share }
    }
}

impl AnswerShape {
    /// Asks the serving code, as a resolver would.
    fn ask(snapshot: &Snapshot, question: &Question) -> Result<Self, String> {
        let name = ProtoName::from_ascii(question.name.to_string()).map_err(|error| error.to_string())?;
        let mut query = Message::new(0, hickory_proto::op::MessageType::Query, OpCode::Query);
        query.add_query(Query::query(name, question.rtype));
        let masked = ipnet::IpNet::new(question.client, question.length).map_err(|error| error.to_string())?.network();
        let mut edns = Edns::new();
        edns.options_mut().insert(EdnsOption::Subnet(ClientSubnet::new(masked, question.length, 0)));
        query.set_edns(edns);
        let query = query.to_vec().map_err(|error| error.to_string())?;

        let mut worker = Worker::new(Arc::new(Rotation::default()));
        let asker = Asker { address: question.client, transport: Transport::Tcp, idle: None };
        let mut out = vec![0; MAX_MESSAGE];
        // No cookie is asked for, so the time does not matter.
        let outcome = answer::answer(snapshot, &mut worker, &query, asker, 0, &mut out);
        let answer::Outcome::Reply { length, rcode, .. } = outcome else {
            return Err("the question gets no answer".to_owned());
        };
        let reply = Message::from_vec(&out[..length]).map_err(|error| error.to_string())?;
        let subnet = reply.edns.as_ref().and_then(|edns| edns.option(EdnsCode::Subnet));
        Ok(Self {
            rcode: rcode.as_str(),
            ttl: reply.answers.iter().map(|record| record.ttl).min(),
            records: reply.answers.iter().map(in_presentation_format).collect(),
            scope: subnet.and_then(|option| match option {
                EdnsOption::Subnet(subnet) => Some(subnet.scope_prefix()),
                _ => None,
            }),
        })
    }
}

/// A record as a zone file would hold it. hickory writes the strings of TXT without quotes, one behind the other.
fn in_presentation_format(record: &ProtoRecord) -> String {
    let RData::TXT(txt) = &record.data else { return record.to_string() };
    let strings: Vec<String> = txt.txt_data.iter().map(|string| quoted(string)).collect();
    let ProtoRecord { name, ttl, dns_class, .. } = record;
    format!("{name} {ttl} {dns_class} TXT {}", strings.join(" "))
}

/// A character string in quotes (RFC 1035, section 5.1).
fn quoted(octets: &[u8]) -> String {
    let escaped = octets.iter().map(|&octet| match octet {
        b'"' | b'\\' => format!("\\{}", octet as char),
        b' '..=b'~' => (octet as char).to_string(),
        _ => format!("\\{octet:03}"),
    });
    format!("\"{}\"", escaped.collect::<Vec<_>>().concat())
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.offline {
            match self.down.as_slice() {
                [] => writeln!(f, "offline: all taken as up")?,
                down => writeln!(f, "offline: all taken as up but {}", down.join(", "))?,
            }
        }
        writeln!(f, "{} {} for {}", self.name, self.rtype, self.client.network)?;
        let ClientShape { looked_up_as, location, region, region_match, .. } = &self.client;
        writeln!(f, "  client    looked up as {looked_up_as}")?;
        writeln!(f, "  location  {location}")?;
        match (region, region_match) {
            (Some(region), Some(matching)) => writeln!(f, "  region    {region}, by {matching}")?,
            (Some(region), None) => writeln!(f, "  region    {region}: no region names the client")?,
            (None, _) => writeln!(f, "  region    none")?,
        }
        match &self.zone {
            Some(zone) => writeln!(f, "  zone      {zone}")?,
            None => writeln!(f, "  zone      none here")?,
        }
        if let Some(steering) = &self.steering {
            steering.fmt(f)?;
        }
        let AnswerShape { rcode, records, .. } = &self.answer;
        write!(f, "  answer    {rcode}")?;
        records.iter().try_for_each(|record| write!(f, "\n    {record}"))
    }
}

impl fmt::Display for SteeringShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for StepShape { step, tiers, latency } in &self.steps {
            let tiers: Vec<String> = tiers.iter().map(|tier| tier.join(" = ")).collect();
            writeln!(
                f,
                "  step      {step}: {}",
                if tiers.is_empty() { "none".to_owned() } else { tiers.join(" > ") }
            )?;
            latency.iter().try_for_each(|round_trip| writeln!(f, "            {round_trip}"))?;
        }
        for pool in &self.pools {
            write!(f, "  pool      {}: ", pool.pool)?;
            let counts = [("A", pool.open_v4, pool.given_v4), ("AAAA", pool.open_v6, pool.given_v6)];
            let counts = counts.iter().filter(|(.., given)| *given > 0);
            let counts: Vec<String> =
                counts.map(|(family, open, given)| format!("{open} of {given} {family} open")).collect();
            write!(f, "{}", counts.join(", "))?;
            match pool.share {
                Some(share) => writeln!(f, ", drawn for {:.1} % of the queries", share * 100.0)?,
                None => writeln!(f)?,
            }
        }
        let alone = if self.for_this_family_alone { ", for this family alone" } else { "" };
        let chosen = if self.chosen.is_empty() { "none".to_owned() } else { self.chosen.join(" and ") };
        writeln!(f, "  chosen    {chosen} ({}{alone})", self.rung)?;
        writeln!(f, "  ttl       {}", self.why_ttl)?;
        writeln!(f, "  scope     {}", self.why_scope)
    }
}
