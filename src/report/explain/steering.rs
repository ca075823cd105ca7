//! Explains the choice of steering at a name, step by step.

mod reasons;
mod text;

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use self::reasons::{order, rung, why_scope, why_ttl};
use super::Beside;
use crate::answer::{Client, Steered};
use crate::geo::{DatacenterId, Location};
use crate::health::Share;
use crate::overrides::EffectiveOverrides;
use crate::report::PoolLoad;
use crate::report::latency::LatencyShape;
use crate::report::split::SplitShape;
use crate::report::status::{EndpointHealth, Known};
use crate::snapshot::{Choice, Family, Plan, PoolId, Rule, ServedZone, Snapshot, Verdict};
use crate::steering::{self, CompiledStep, Draw, Outcomes, Ranking, Set, members};

/// The choice of steering for the client.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SteeringShape {
    steps: Vec<StepShape>,
    pools: Vec<PoolShape>,
    rung: Cow<'static, str>,
    /// The split of a roll-out, if there is one.
    rollout: Option<SplitShape>,
    /// The network or address that the client's hash uses, if pools or endpoints are chosen by hash.
    sticky: Option<String>,
    /// All pools that may answer this client. If a draw decides, `outcomes` lists which of them answer together. If
    /// only hashes decide, these are the pools that do answer.
    chosen: Vec<String>,
    /// True if only hashes decide.
    hashed: bool,
    /// All results of the draws, the most probable first; empty without a draw. If only hashes decide, their results
    /// for many clients.
    outcomes: Vec<OutcomeShape>,
    /// True if these are all results; false if they come from a random sample.
    exact: bool,
    /// True if the first chosen pool had no open endpoint of the asked family, so that another was chosen for this
    /// family alone.
    for_this_family_alone: bool,
    why_ttl: String,
    why_scope: String,
}

/// A step, and the order of pools after it: tiers, best first.
#[derive(Debug, Serialize, Deserialize)]
struct StepShape {
    step: Cow<'static, str>,
    tiers: Vec<Vec<String>>,
    /// Round trips to the pools' datacenters, the lowest first, for the step `latency`.
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
    /// True if `failback` holds it back.
    held_back: bool,
    /// The share of its queries that it takes during a slow start or a slow drain, 0-1.
    ramp: Option<f64>,
    /// The weight that the chain draws by, if it draws.
    weight: Option<u16>,
    /// The load, if it makes a difference.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    load: Option<PoolLoad>,
    /// The order for the pool in this name only: `drained in this name` or `forced down in this name`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    order: Option<Cow<'static, str>>,
    /// The endpoints that get no clients, or fewer than their share; empty without a running node.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    absent: Vec<AbsentShape>,
}

/// An endpoint that gets no clients, or fewer than its share.
#[derive(Debug, Serialize, Deserialize)]
struct AbsentShape {
    endpoint: String,
    why: String,
}

/// Pools that answer together.
#[derive(Debug, Serialize, Deserialize)]
struct OutcomeShape {
    chosen: Vec<String>,
    probability: f64,
}

impl SteeringShape {
    /// Makes the explanation. `location` is that of the address that the client was ranked by.
    pub(super) fn new(
        snapshot: &Snapshot,
        zone: &ServedZone,
        steered: &Steered<'_>,
        client: &Client,
        location: &Location,
    ) -> Self {
        let Steered { plan, families, ranked_by, ranking, key, choice, .. } = *steered;
        let rule = plan.rule();
        let odds = plan.odds(ranking, families, key);
        let own = by_probability(&plan.odds_for(ranking, families, key));
        let is_hashed = own.is_empty() && (rule.load.is_some() || matches!(rule.policy.draw, Some(Draw::Sticky(_))));
        let names = |set: Set| -> Vec<String> {
            rule.pools_of(set).map(|id| snapshot.world().pools[id.index()].name.to_string()).collect()
        };
        let pools_of_slots = |classes: Set| members(classes).fold(0, |set, class| set | rule.policy.classes[class]);
        let ranked = steering::Client {
            region: rule.regions(&zone.regions).of(ranked_by, location),
            coordinates: location.coordinates,
            rtts: snapshot.client_rtts().map_or(&[], |client_rtts| client_rtts.look_up(ranked_by)),
        };
        let round_trips = |places: &[Option<DatacenterId>]| round_trips(snapshot, ranked_by, location, places);
        let mut steps = steps(plan, &ranked, ranking, |classes| names(pools_of_slots(classes)), round_trips);
        if rule.load.is_some() {
            let order = plan.spill(key, |spill| rule.policy.order(ranking, spill));
            let tiers = order.into_iter().map(names).collect();
            steps.push(StepShape { step: "load, for this client".into(), tiers, latency: Vec::new() });
        }
        let fallback = || rule.fallback.map(|id| snapshot.world().pools[id.index()].name.to_string());
        let pools_of = |verdict: Verdict| match verdict {
            Verdict::Pools(set, _) => names(set),
            Verdict::Fallback(_) => fallback().into_iter().collect(),
            Verdict::Nodata | Verdict::Servfail => Vec::new(),
        };
        let outcomes = if is_hashed { by_probability(&odds) } else { own.clone() };
        let pools = rule.pools.iter().enumerate();
        let weight = |place: usize| rule.policy.draws().then(|| rule.policy.weights[place]);
        let pools = pools.map(|(place, &id)| PoolShape {
            order: order(plan, place),
            ..PoolShape::new(snapshot, id, weight(place), rule)
        });
        Self {
            steps,
            pools: pools.collect(),
            rung: rung(choice.rung, rule.all_down).into(),
            chosen: pools_of(own.iter().fold(choice.verdict, |all, (verdict, _)| together(all, *verdict))),
            hashed: is_hashed,
            rollout: SplitShape::new(snapshot, plan, key),
            sticky: rule.sticky_length(ranked_by).and_then(|length| {
                let network = ipnet::IpNet::new(ranked_by, length).ok()?;
                Some(network.trunc().to_string())
            }),
            outcomes: outcomes
                .into_iter()
                .map(|(verdict, probability)| OutcomeShape { chosen: pools_of(verdict), probability })
                .collect(),
            exact: odds.are_exact,
            for_this_family_alone: choice.alone,
            why_ttl: why_ttl(snapshot, steered),
            why_scope: why_scope(client, steered),
        }
    }
}

impl SteeringShape {
    /// Adds the facts that only a running node knows: the present loads with their times, and the reasons why endpoints
    /// get no clients.
    pub(super) fn beside(mut self, snapshot: &Snapshot, plan: &Plan, beside: Beside<'_>) -> Self {
        let Beside { survey, overrides, now, .. } = beside;
        let in_force = overrides.iter().filter(|(_, is_in_force)| *is_in_force).map(|(item, _)| item);
        let effective_overrides = EffectiveOverrides::new(in_force);
        let known = Known { world: snapshot.world(), effective_overrides: &effective_overrides, now };
        for (shape, &id) in self.pools.iter_mut().zip(&plan.rule().pools) {
            let pool = &*snapshot.pools()[id.index()];
            if let Some(seen) = survey.loads.get(&pool.spec().key()).filter(|seen| seen.heard.is_some()) {
                shape.load = shape.load.take().map(|load| load.seen(seen));
            }
            let absent = (0..pool.spec().members.len()).filter_map(|place| {
                let why = known.absence(pool, place, &EndpointHealth::new(pool, place, survey))?;
                Some(AbsentShape { endpoint: pool.spec().members.text(place), why })
            });
            shape.absent = absent.collect();
        }
        self
    }
}

/// Returns the tiers after each step of the chain. The last one is the ranking that queries use.
fn steps(
    plan: &Plan,
    client: &steering::Client<'_>,
    ranking: &Ranking,
    names: impl Fn(Set) -> Vec<String>,
    round_trips: impl Fn(&[Option<DatacenterId>]) -> Vec<LatencyShape>,
) -> Vec<StepShape> {
    let rule = plan.rule();
    let all = rule.policy.classes.iter().enumerate().fold(0, |set: Set, (class, _)| set | 1 << class);
    let mut tiers = vec![all];
    let mut shapes = Vec::new();
    for compiled_step in rule.map.compiled_chain().steps() {
        let mut split = Vec::new();
        for &tier in &tiers {
            compiled_step.split(tier, client, &mut split);
        }
        tiers = split;
        let (step, latency) = match compiled_step {
            CompiledStep::Region(..) => ("region", Vec::new()),
            CompiledStep::Latency(places, _) => ("latency", round_trips(places)),
            CompiledStep::Distance(_) => ("distance", Vec::new()),
            CompiledStep::Failover(_) => ("failover", Vec::new()),
            // This step ranks by the present load. The caller adds it after the others.
            CompiledStep::Load => continue,
        };
        let tiers = tiers.iter().map(|&tier| names(tier)).collect();
        shapes.push(StepShape { step: step.into(), tiers, latency });
    }
    let step = match rule.policy.draw {
        Some(Draw::Chance) => "weight",
        Some(Draw::Sticky(_)) => "sticky",
        None => return shapes,
    };
    let tiers = ranking.tiers().iter().filter(|&&tier| tier != 0).map(|&tier| names(tier)).collect();
    shapes.push(StepShape { step: step.into(), tiers, latency: Vec::new() });
    shapes
}

/// Returns the round trips from a client to these datacenters, without duplicates, the lowest first.
fn round_trips(
    snapshot: &Snapshot,
    client: IpAddr,
    location: &Location,
    places: &[Option<DatacenterId>],
) -> Vec<LatencyShape> {
    let Some(client_rtts) = snapshot.client_rtts() else { return Vec::new() };
    let readings = client_rtts.readings(client, location);
    let places: BTreeSet<DatacenterId> = places.iter().copied().flatten().collect();
    let mut places: Vec<DatacenterId> = places.into_iter().collect();
    places.sort_by_key(|&place| readings[place.index()].rtt);
    let name = |place: DatacenterId| &snapshot.world().datacenters[place.index()].name;
    places.iter().map(|&place| LatencyShape::new(name(place), &readings[place.index()])).collect()
}

/// Returns the different results of the draws with their probabilities, the most probable first; empty if there is only
/// one result.
fn by_probability(odds: &Outcomes<(Family, Choice)>) -> Vec<(Verdict, f64)> {
    let mut verdicts: HashMap<Verdict, f64> = HashMap::new();
    for ((_, choice), probability) in &odds.ways {
        *verdicts.entry(choice.verdict).or_default() += probability;
    }
    let mut outcomes: Vec<_> = verdicts.into_iter().filter(|_| odds.ways.len() > 1).collect();
    outcomes.sort_by(|(a, one), (b, other)| other.total_cmp(one).then(a.cmp(b)));
    outcomes
}

/// Returns the pools of both verdicts.
fn together(one: Verdict, other: Verdict) -> Verdict {
    match (one, other) {
        (Verdict::Pools(one, selection), Verdict::Pools(other, _)) => Verdict::Pools(one | other, selection),
        (Verdict::Pools(..), _) => one,
        _ => other,
    }
}

impl PoolShape {
    fn new(snapshot: &Snapshot, id: PoolId, weight: Option<u16>, rule: &Rule) -> Self {
        let pool = &snapshot.pools()[id.index()];
        let ((open_v4, given_v4), (open_v6, given_v6)) = (pool.counts(Family::V4), pool.counts(Family::V6));
        let held_back = [Family::V4, Family::V6].into_iter().any(|family| pool.is_held(family));
        let ramp =
            pool.is_ramping().then(|| f64::from(pool.ramp().thousandths()) / f64::from(Share::FULL.thousandths()));
        let load = rule.load.is_some().then(|| PoolLoad::new(pool.allowance()));
        let pool = pool.spec().name.to_string();
        Self {
            pool,
            open_v4,
            given_v4,
            open_v6,
            given_v6,
            held_back,
            ramp,
            weight,
            load,
            order: None,
            absent: Vec::new(),
        }
    }
}
