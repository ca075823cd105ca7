//! Why a client gets the answer it gets: every step as the serving code takes it, and the answer that it really gives.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::{Edns, Message, OpCode, Query};
use hickory_proto::rr::rdata::opt::{ClientSubnet, EdnsCode, EdnsOption};
use hickory_proto::rr::{Name as ProtoName, RData, Record as ProtoRecord, RecordType};
use serde::{Deserialize, Serialize};

use super::latency::LatencyShape;
use super::split::SplitShape;
use super::text::Percent;
use super::{Network, PoolLoad, owners};
use crate::answer::{self, Asker, Client, Rotation, Transport, Worker};
use crate::geo::{ClientMatch, DatacenterId, Location};
use crate::health::{Share, Survey};
use crate::name::Name;
use crate::overrides::{Mode, Refusal, TargetKind, TargetPattern, rfc3339};
use crate::snapshot::{Choice, Family, Plan, Pool, PoolId, Rule, Rung, ServedZone, Snapshot, Standing, Verdict, World};
use crate::steering::{self, AllDown, Criterion, Draw, Outcomes, Placement, Ranking, Set, members};
use crate::wire::{MAX_MESSAGE, Rtype};

/// Outcomes of a draw that are told; `--json` has all.
const OUTCOMES: usize = 12;

/// What is asked, for whom.
#[derive(Clone, Debug)]
pub struct Question {
    /// The owner name.
    pub name: Name,
    /// A type that hickory-proto knows by this name.
    pub rtype: RecordType,
    /// The client's network.
    pub client: Network,
}

impl Question {
    /// A name as a person writes it: absolute whether it ends with a dot or not.
    pub fn parse_name(text: &str) -> Result<Name, String> {
        Name::parse(text, &Name::root()).map_err(|error| error.to_string())
    }

    /// A type as a person writes it, in upper or lower case.
    pub fn parse_type(text: &str) -> Result<RecordType, String> {
        text.to_ascii_uppercase().parse().map_err(|_| format!("`{text}` is no record type"))
    }
}

/// The standing of endpoints in a world where probes find nothing down but what these targets mean. One that means nothing
/// is an error.
pub fn standing_without<'a>(
    down: &'a [TargetPattern],
    world: &'a World,
) -> Result<impl Fn(PoolId, usize) -> Standing + 'a, String> {
    check_meant(down, world)?;
    Ok(|id, endpoint| without(down, world, id, endpoint, Standing::CALM))
}

/// What would be answered from if what these targets mean went down now. One that means nothing is an error.
fn snapshot_without(down: &[TargetPattern], snapshot: &Snapshot) -> Result<Snapshot, String> {
    let world = snapshot.world();
    check_meant(down, world)?;
    let changed: BTreeSet<PoolId> = down.iter().flat_map(|target| world.pools_meant(target)).collect();
    let changed: Vec<PoolId> = changed.into_iter().collect();
    let standing = |id: PoolId, endpoint| snapshot.pools()[id as usize].standing(endpoint);
    Ok(snapshot.with_pools(&changed, |id, endpoint| without(down, world, id, endpoint, standing(id, endpoint))))
}

fn check_meant(down: &[TargetPattern], world: &World) -> Result<(), String> {
    for target in down {
        if target.kind() == TargetKind::Name {
            return Err(format!("{target} is not probed: what may be down is dc:NAME, pool:NAME or endpoint:ADDRESS"));
        }
        world.find(target).map_err(|meant| Refusal::Unknown(target.clone(), meant).to_string())?;
    }
    Ok(())
}

/// The standing of an endpoint that is down if one of the targets means it, and else stands so.
fn without(down: &[TargetPattern], world: &World, id: PoolId, endpoint: usize, so: Standing) -> Standing {
    let pool = &world.pools[id as usize];
    let is_down = down.iter().any(|target| world.is_meant(target, pool, endpoint));
    if is_down { Standing { share: Share::NONE, restless: false, ..so } } else { so }
}

/// The story of one answer.
#[derive(Debug, Serialize, Deserialize)]
pub struct Explanation {
    /// Whether no running node was asked: all is taken as up but what the question takes down.
    offline: bool,
    /// The node that was asked, and the generation that it answered from.
    node: Option<String>,
    generation: Option<u64>,
    down: Vec<String>,
    name: String,
    #[serde(rename = "type")]
    rtype: String,
    client: ClientShape,
    zone: Option<String>,
    steering: Option<SteeringShape>,
    answer: AnswerShape,
}

#[derive(Debug, Serialize, Deserialize)]
struct ClientShape {
    network: String,
    looked_up_as: String,
    /// Whether the network tells no place, so that the resolver's own address would decide.
    #[serde(default)]
    tells_no_place: bool,
    location: String,
    region: Option<String>,
    region_match: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct SteeringShape {
    steps: Vec<StepShape>,
    pools: Vec<PoolShape>,
    rung: Cow<'static, str>,
    /// How a roll-out divides the pools, if one does.
    rollout: Option<SplitShape>,
    /// What the client's hash goes by, if pools or endpoints are chosen by it.
    sticky: Option<String>,
    /// All pools that can be; where a draw decides, `outcomes` tells which together. Where a hash does, these it is.
    chosen: Vec<String>,
    /// Whether hashes alone chose them.
    hashed: bool,
    /// What draws can come to, the most probable first; none without a draw. Of a hash, what it comes to for many clients.
    outcomes: Vec<OutcomeShape>,
    /// Whether these are all that the draws can come to; otherwise they are a sample.
    exact: bool,
    /// Whether the place had no open endpoint of the asked family, so that it was chosen for this family alone.
    for_this_family_alone: bool,
    why_ttl: String,
    why_scope: String,
}

/// A step and the order of pools behind it: tiers, best first.
#[derive(Debug, Serialize, Deserialize)]
struct StepShape {
    step: Cow<'static, str>,
    tiers: Vec<Vec<String>>,
    /// Round trips to the pools' datacenters, the lowest first, where the step goes by them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    latency: Vec<LatencyShape>,
}

#[derive(Debug, Serialize, Deserialize)]
struct PoolShape {
    pool: String,
    open_v4: usize,
    given_v4: usize,
    open_v6: usize,
    given_v6: usize,
    /// Whether `failback` holds it back.
    held_back: bool,
    /// The part of its queries that it takes while it comes back, or leaves, slowly.
    ramp: Option<f64>,
    /// What the chain draws by, if it draws.
    weight: Option<u16>,
    /// If it makes a difference.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    load: Option<PoolLoad>,
    /// The pool's key among all zones.
    #[serde(skip)]
    key: String,
}

/// Pools that answer together.
#[derive(Debug, Serialize, Deserialize)]
struct OutcomeShape {
    chosen: Vec<String>,
    probability: f64,
}

#[derive(Debug, Serialize, Deserialize)]
struct AnswerShape {
    rcode: Cow<'static, str>,
    records: Vec<String>,
    ttl: Option<u32>,
    scope: Option<u8>,
}

impl Explanation {
    /// Answers the question from a snapshot made without a running node, with these things down.
    pub fn offline(snapshot: &Snapshot, question: &Question, down: &[TargetPattern]) -> Result<Self, String> {
        Self::new(snapshot, question, down, true)
    }

    /// Answers the question from what this node answers from, or would with these things down besides.
    pub fn live(snapshot: &Snapshot, question: &Question, down: &[TargetPattern]) -> Result<Self, String> {
        match down {
            [] => Self::new(snapshot, question, down, false),
            _ => Self::new(&snapshot_without(down, snapshot)?, question, down, false),
        }
    }

    fn new(snapshot: &Snapshot, question: &Question, down: &[TargetPattern], offline: bool) -> Result<Self, String> {
        let client = Client::of_network(&snapshot.world().ecs, question.client.address, question.client.length());
        let key = question.name.to_key();
        let zone = snapshot.find_zone(&key);
        let location = snapshot.locations().look_up(client.address);
        let answer = AnswerShape::ask(snapshot, question)?;
        let node = owners::find_node(snapshot, &key, Rtype(question.rtype.into()));
        let plan = node.and_then(owners::steered).map(|(plan, name)| snapshot.plan(plan, name));
        Ok(Self {
            offline,
            node: (!offline).then(|| snapshot.world().node.to_string()),
            generation: (!offline).then(|| snapshot.generation()),
            down: down.iter().map(TargetPattern::to_string).collect(),
            name: question.name.to_string(),
            rtype: question.rtype.to_string(),
            client: ClientShape::new(snapshot, question, &client, &location, zone),
            zone: zone.map(|zone| zone.zone.apex().to_string()),
            steering: zone
                .zip(plan)
                .map(|(zone, plan)| SteeringShape::new(snapshot, zone, plan, question, &client, &location)),
            answer,
        })
    }
}

impl ClientShape {
    fn new(
        snapshot: &Snapshot,
        question: &Question,
        client: &Client,
        location: &Location,
        zone: Option<&ServedZone>,
    ) -> Self {
        let region = zone.and_then(|zone| {
            let id = zone.regions.of(client.address, location);
            zone.regions.get(id)
        });
        let length = client.subnet.map_or(question.client.length(), |subnet| subnet.length);
        let matching = region.and_then(|region| region.best_match(client.address, location));
        Self {
            network: format!("{}/{}", question.client.address, question.client.length()),
            looked_up_as: format!("{}/{length}", client.address),
            tells_no_place: zone.is_some_and(|zone| client.tells_no_place(snapshot.locations(), &zone.regions)),
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
        let placement = rule.place(client.address);
        let families = match plan.families(Rtype(question.rtype.into()), snapshot.pools()) {
            [] => &[Family::V4],
            families => families,
        };
        let key = rule.client_key(client.address, &question.name.to_key());
        let odds = plan.odds(placement.ranking, families, key);
        let own = plan.odds_for(placement.ranking, families, key);
        let (choice, own) = (own.ways[0].0.1, by_probability(&own));
        let is_hashed = own.is_empty() && (rule.load.is_some() || matches!(rule.course.draw, Some(Draw::Sticky(_))));
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
        let mut steps = steps(plan, &ranked, placement.ranking, |slots| names(pools_of_slots(slots)), round_trips);
        if rule.load.is_some() {
            let order = plan.spill(key, |spill| rule.course.order(placement.ranking, spill));
            let tiers = order.into_iter().map(names).collect();
            steps.push(StepShape { step: "load, for this client".into(), tiers, latency: Vec::new() });
        }
        let fallback = || rule.fallback.map(|id| snapshot.world().pools[id as usize].name.to_string());
        let pools_of = |verdict: Verdict| match verdict {
            Verdict::Pools(set, _) => names(set),
            Verdict::Fallback(_) => fallback().into_iter().collect(),
            Verdict::Nodata | Verdict::Servfail => Vec::new(),
        };
        let outcomes = if is_hashed { by_probability(&odds) } else { own.clone() };
        let pools = rule.pools.iter().enumerate();
        let weight = |place: usize| rule.course.draws().then(|| rule.course.weights[place]);
        let pools = pools.map(|(place, &id)| PoolShape::new(snapshot, id, weight(place), rule));
        Self {
            steps,
            pools: pools.collect(),
            rung: rung(&choice, rule.all_down).into(),
            chosen: pools_of(own.iter().fold(choice.verdict, |all, (verdict, _)| together(all, *verdict))),
            hashed: is_hashed,
            rollout: SplitShape::new(snapshot, plan, key),
            sticky: rule.sticky_length(client.address).and_then(|length| {
                let network = ipnet::IpNet::new(client.address, length).ok()?;
                Some(network.trunc().to_string())
            }),
            outcomes: outcomes
                .into_iter()
                .map(|(verdict, probability)| OutcomeShape { chosen: pools_of(verdict), probability })
                .collect(),
            exact: odds.are_exact,
            for_this_family_alone: choice.alone,
            why_ttl: why_ttl(snapshot, plan, &choice),
            why_scope: why_scope(client, &placement, rule),
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
        for &tier in &tiers {
            criterion.split(tier, client, &mut split);
        }
        tiers = split;
        let (step, latency) = match criterion {
            Criterion::Region(..) => ("region", Vec::new()),
            Criterion::Latency(places, _) => ("latency", round_trips(places)),
            Criterion::Distance(_) => ("distance", Vec::new()),
            Criterion::Failover(_) => ("failover", Vec::new()),
            // It ranks by what is known now, and is told of behind the others.
            Criterion::Load => continue,
        };
        let tiers = tiers.iter().map(|&tier| names(tier)).collect();
        shapes.push(StepShape { step: step.into(), tiers, latency });
    }
    let step = match rule.course.draw {
        Some(Draw::Chance) => "weight",
        Some(Draw::Sticky(_)) => "sticky",
        None => return shapes,
    };
    let tiers = ranking.tiers().iter().filter(|&&tier| tier != 0).map(|&tier| names(tier)).collect();
    shapes.push(StepShape { step: step.into(), tiers, latency: Vec::new() });
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

/// What draws can come to, each once and the most probable first; nothing where there is one outcome.
fn by_probability(odds: &Outcomes<(Family, Choice)>) -> Vec<(Verdict, f64)> {
    let mut verdicts: HashMap<Verdict, f64> = HashMap::new();
    for ((_, choice), probability) in &odds.ways {
        *verdicts.entry(choice.verdict).or_default() += probability;
    }
    let mut outcomes: Vec<_> = verdicts.into_iter().filter(|_| odds.ways.len() > 1).collect();
    outcomes.sort_by(|(a, one), (b, other)| other.total_cmp(one).then(a.cmp(b)));
    outcomes
}

/// The pools of both.
fn together(one: Verdict, other: Verdict) -> Verdict {
    match (one, other) {
        (Verdict::Pools(one, selection), Verdict::Pools(other, _)) => Verdict::Pools(one | other, selection),
        (Verdict::Pools(..), _) => one,
        _ => other,
    }
}

fn rung(choice: &Choice, all_down: AllDown) -> &'static str {
    match (choice.rung, all_down) {
        (Rung::Usable, _) => "usable",
        (Rung::BelowMinimum, _) => "below min_healthy",
        (Rung::Ready, _) => "held ready",
        (Rung::Held, _) => "held back by failback",
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
    let reached = rule.pools_of(choice.reached).chain(rule.fallback);
    let any = |holds: fn(&Pool) -> bool| reached.clone().any(|id| holds(&snapshot.pools()[id as usize]));
    let drains = any(Pool::has_draining) || plan.mode() == Some(Mode::Drain);
    let why = match choice.restless {
        false => "all is calm",
        true if drains => "something drains",
        true if any(Pool::is_ramping) => "something comes back, or leaves, slowly",
        true if plan.split().is_some_and(|split| split.is_ramping) => "a roll-out is under way",
        true => "an endpoint's state is unconfirmed",
    };
    format!("{} s: {why}", plan.ttl(choice))
}

fn why_scope(client: &Client, placement: &Placement<'_>, rule: &Rule) -> String {
    let scope = placement.scope;
    let told = client.scope(scope);
    let max = client.subnet.map_or(0, |subnet| subnet.max_scope);
    if rule.is_uniform() {
        "0: the same for every client".to_owned()
    } else if placement.is_unnamed {
        format!("{told}: the networks around it tell no place either")
    } else if rule.sticky_length(client.address) == Some(scope) {
        format!("{told}: the prefix that the client's hash goes by")
    } else if scope > max {
        format!("{told}: the ranking changes within /{max}, which is as far as this server looks")
    } else {
        format!("{told}: the shortest prefix on which this ranking holds")
    }
}

impl Explanation {
    /// With what endpoints say of their load now, and since when, in place of what was published.
    pub fn with_loads(mut self, survey: &Survey) -> Self {
        for pool in self.steering.iter_mut().flat_map(|steering| &mut steering.pools) {
            if let Some(seen) = survey.loads.get(&pool.key).filter(|seen| seen.heard.is_some()) {
                pool.load = pool.load.take().map(|load| load.seen(seen));
            }
        }
        self
    }
}

impl PoolShape {
    fn new(snapshot: &Snapshot, id: PoolId, weight: Option<u16>, rule: &Rule) -> Self {
        let pool = &snapshot.pools()[id as usize];
        let ((open_v4, given_v4), (open_v6, given_v6)) = (pool.counts(Family::V4), pool.counts(Family::V6));
        let held_back = [Family::V4, Family::V6].into_iter().any(|family| pool.is_held(family));
        let ramp =
            pool.is_ramping().then(|| f64::from(pool.ramp().thousandths()) / f64::from(Share::FULL.thousandths()));
        let load = rule.load.is_some().then(|| PoolLoad::new(pool.allowance()));
        let (pool, key) = (pool.spec().name.to_string(), pool.spec().key());
        Self { pool, open_v4, given_v4, open_v6, given_v6, held_back, ramp, weight, load, key }
    }
}

impl AnswerShape {
    /// Asks the serving code, as a resolver would.
    fn ask(snapshot: &Snapshot, question: &Question) -> Result<Self, String> {
        let name = ProtoName::from_ascii(question.name.to_string()).map_err(|error| error.to_string())?;
        let mut query = Message::new(0, hickory_proto::op::MessageType::Query, OpCode::Query);
        query.add_query(Query::query(name, question.rtype));
        let (client, length) = (question.client.address, question.client.length());
        let masked = ipnet::IpNet::new(client, length).map_err(|error| error.to_string())?.network();
        let mut edns = Edns::new();
        edns.options_mut().insert(EdnsOption::Subnet(ClientSubnet::new(masked, length, 0)));
        query.set_edns(edns);
        let query = query.to_vec().map_err(|error| error.to_string())?;

        let mut worker = Worker::new(Arc::new(Rotation::default()));
        let asker = Asker { address: client, transport: Transport::Tcp, idle: None };
        let mut out = vec![0; MAX_MESSAGE];
        // No cookie is asked for, so the time does not matter.
        let outcome = answer::answer(snapshot, &mut worker, &query, asker, 0, &mut out);
        let answer::Outcome::Reply { length: written, rcode, .. } = outcome else {
            return Err("the question gets no answer".to_owned());
        };
        let reply = Message::from_vec(&out[..written]).map_err(|error| error.to_string())?;
        let subnet = reply.edns.as_ref().and_then(|edns| edns.option(EdnsCode::Subnet));
        Ok(Self {
            rcode: rcode.as_str().into(),
            ttl: reply.answers.iter().map(|record| record.ttl).min().or_else(|| negative_ttl(&reply)),
            records: reply.answers.iter().map(in_presentation_format).collect(),
            scope: subnet.and_then(|option| match option {
                EdnsOption::Subnet(subnet) => Some(subnet.scope_prefix()),
                _ => None,
            }),
        })
    }
}

/// How long resolvers keep that there is nothing. RFC 2308, section 5: "The TTL of this record is set from the minimum of the
/// MINIMUM field of the SOA record and the TTL of the SOA itself".
fn negative_ttl(reply: &Message) -> Option<u32> {
    reply.authorities.iter().find_map(|record| match &record.data {
        RData::SOA(soa) => Some(record.ttl.min(soa.minimum)),
        _ => None,
    })
}

/// A record as a zone file would hold it. hickory writes the strings of TXT without quotes, one behind the other, and a
/// comma behind each member of a list in HTTPS.
fn in_presentation_format(record: &ProtoRecord) -> String {
    let txt = match &record.data {
        RData::TXT(txt) => txt,
        RData::HTTPS(_) => return format!("{record} ").replace(", ", " ").trim_end().to_owned(),
        _ => return record.to_string(),
    };
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
        match (&self.node, self.down.as_slice()) {
            (None, []) => writeln!(f, "offline: all taken as up")?,
            (None, down) => writeln!(f, "offline: all taken as up but {}", down.join(", "))?,
            (Some(node), []) => writeln!(f, "live: as {node} answers now")?,
            (Some(node), down) => writeln!(f, "live: as {node} would answer without {}", down.join(", "))?,
        }
        writeln!(f, "{} {} for {}", self.name, self.rtype, self.client.network)?;
        let ClientShape { looked_up_as, tells_no_place, location, region, region_match, .. } = &self.client;
        writeln!(f, "  client    looked up as {looked_up_as}")?;
        if *tells_no_place {
            writeln!(
                f,
                "            such a network tells no place: the address of the resolver decides instead. This is for one that"
            )?;
            writeln!(f, "            cannot be located either")?;
        }
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
        let AnswerShape { rcode, records, ttl, .. } = &self.answer;
        match ttl.filter(|_| records.is_empty()) {
            Some(ttl) => {
                let nodata = if rcode == "NOERROR" { ", no data" } else { "" };
                write!(f, "  answer    {rcode}{nodata}; resolvers keep that for {ttl} s")?;
            }
            None => write!(f, "  answer    {rcode}")?,
        }
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
            if let Some(weight) = pool.weight {
                write!(f, ", weight {weight}")?;
            }
            if pool.held_back {
                write!(f, ", held back by failback")?;
            }
            match pool.ramp {
                Some(1.0) => write!(f, ", an endpoint ramps")?,
                Some(part) => write!(f, ", takes {} while it ramps", Percent(part))?,
                None => {}
            }
            if let Some(load) = &pool.load {
                write!(f, "; {load}")?;
            }
            match pool.load.as_ref().and_then(|load| load.since) {
                Some(since) => writeln!(f, ", reported at {}", rfc3339(Duration::from_secs(since)))?,
                None => writeln!(f)?,
            }
        }
        if let Some(rollout) = &self.rollout {
            writeln!(f, "  rollout   {rollout}")?;
        }
        if let Some(network) = &self.sticky {
            writeln!(f, "  sticky    by the hash of {network} and the name")?;
        }
        let alone = if self.for_this_family_alone { ", for this family alone" } else { "" };
        match self.outcomes.as_slice() {
            [] => writeln!(f, "  chosen    {} ({}{alone})", told(&self.chosen), self.rung)?,
            outcomes => {
                let about = if self.exact { "" } else { ", about" };
                if self.hashed {
                    writeln!(
                        f,
                        "  chosen    {} ({}{alone}{about}), of many clients for",
                        told(&self.chosen),
                        self.rung
                    )?;
                } else {
                    writeln!(f, "  chosen    by a draw ({}{alone}{about})", self.rung)?;
                }
                for OutcomeShape { chosen, probability } in outcomes.iter().take(OUTCOMES) {
                    writeln!(f, "    {:>8}  {}", Percent(*probability), told(chosen))?;
                }
                if let Some(more @ 1..) = outcomes.len().checked_sub(OUTCOMES) {
                    writeln!(f, "    and {more} less probable ones")?;
                }
            }
        }
        writeln!(f, "  ttl       {}", self.why_ttl)?;
        writeln!(f, "  scope     {}", self.why_scope)
    }
}

/// Pools that answer together.
fn told(chosen: &[String]) -> String {
    if chosen.is_empty() { "none".to_owned() } else { chosen.join(" and ") }
}
