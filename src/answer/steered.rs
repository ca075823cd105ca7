//! What is chosen for the client at a steered name.
//!
//! An HTTPS record (RFC 9460) tells where a browser connects, and by which protocols, in one answer. Its hints are what A and
//! AAAA would be answered with: one place for both families, drawn once where a draw decides.

use std::net::IpAddr;

use super::candidates::{Candidates, Chosen};
use super::resolution::{Given, Picked, Sname, Steered};
use super::resolve::Resolver;
use super::{Client, Worker};
use crate::snapshot::{Choice, Plan, Rule, Verdict};
use crate::steering::{HashKey, Placement, Ranking};
use crate::wire::Rtype;
use crate::zone::{NameId, PlanId};

/// How a client is ranked for a rule.
struct Ranked<'s> {
    /// The address that decided.
    by: IpAddr,
    ranking: &'s Ranking,
    placement: Option<Placement<'s>>,
    key: Option<HashKey>,
}

/// Chooses for a steered name. `None` if the asked type is left to the name's static records.
pub(super) fn resolve<'s>(
    resolver: &mut Resolver<'_, 's>,
    sname: Sname<'s>,
    id: (PlanId, NameId),
) -> Option<Steered<'s>> {
    let plan = resolver.snapshot.plan(id.0, id.1);
    let families = plan.families(resolver.resolution.rtype, resolver.snapshot.pools());
    let &first = families.first()?;
    let Ranked { by: ranked_by, ranking, placement, key } = rank(resolver, plan.rule(), sname);
    let steered = |choice, second: Option<Choice>, given| {
        let ttl = second.map_or(u32::MAX, |second| plan.ttl(&second)).min(plan.ttl(&choice));
        Steered { id, plan, families, ranked_by, ranking, placement, key, choice, second, ttl, given }
    };
    if let Some(&second) = families.get(1) {
        // Both families see the same numbers, so that a draw comes to the same place.
        let numbers = resolver.worker.numbers();
        let [choice, second] = [first, second].map(|family| {
            let mut numbers = numbers.clone();
            plan.choose(ranking, family, key, |below| numbers.u32(..below))
        });
        return Some(steered(choice, Some(second), hint(resolver, sname, plan, key, [choice, second])));
    }
    let worker = &mut *resolver.worker;
    let choice = plan.choose(ranking, first, key, |below| worker.draw(below));
    give(resolver, sname, plan, key, &choice).map(|given| steered(choice, None, given))
}

/// Ranks the client. The answer holds for as much of its network as the ranking does.
fn rank<'s>(resolver: &mut Resolver<'_, 's>, rule: &'s Rule, sname: Sname<'s>) -> Ranked<'s> {
    let resolution = &mut *resolver.resolution;
    let Client { mut address, subnet } = resolution.client;
    let mut placement = None;
    if subnet.is_some() {
        let placed = rule.place(address);
        if !rule.is_uniform() {
            resolution.scope = resolution.scope.max(resolution.client.scope(placed.scope));
        }
        if !placed.is_unnamed {
            let key = rule.client_key(address, resolution.octets(sname));
            return Ranked { by: address, ranking: placed.ranking, placement: Some(placed), key };
        }
        // A network such as 10.1.2.0/24 tells no place (RFC 7871, section 10), but the resolver that speaks of it stands somewhere.
        address = Client::of_host(resolution.source).address;
        placement = Some(placed);
    }
    let key = rule.client_key(address, resolution.octets(sname));
    Ranked { by: address, ranking: rule.map.ranking_of_host(address), placement, key }
}

/// Picks for a question for addresses, or for any type at a name that stands for another. `None` if addresses answer, but were
/// not asked for.
fn give<'s>(
    resolver: &mut Resolver<'_, 's>,
    sname: Sname<'s>,
    plan: &'s Plan,
    key: Option<HashKey>,
    choice: &Choice,
) -> Option<Given<'s>> {
    let Some(chosen) = Chosen::of(choice, plan.rule(), resolver.snapshot.pools()) else {
        // For every type: where a CNAME might stand there are no static records.
        return Some(nothing(choice));
    };
    match resolver.resolution.rtype {
        _ if chosen.is_cname() => return Some(canonical_name(resolver, sname, &chosen, key)),
        Rtype::A => {
            let candidates = chosen.v4(key, resolver.worker);
            let turn = turn(resolver, sname);
            pick(&candidates, resolver.worker, turn, &mut resolver.resolution.v4);
        }
        Rtype::AAAA => {
            let candidates = chosen.v6(key, resolver.worker);
            let turn = turn(resolver, sname);
            pick(&candidates, resolver.worker, turn, &mut resolver.resolution.v6);
        }
        _ => return None,
    }
    Some(Given::Addresses)
}

/// Picks for a question for the HTTPS record of a name that has one.
fn hint<'s>(
    resolver: &mut Resolver<'_, 's>,
    sname: Sname<'s>,
    plan: &'s Plan,
    key: Option<HashKey>,
    choices: [Choice; 2],
) -> Given<'s> {
    let (rule, pools) = (plan.rule(), resolver.snapshot.pools());
    let [v4, v6] = choices.each_ref().map(|choice| Chosen::of(choice, rule, pools));
    match (v4.or(v6), &rule.https) {
        (Some(chosen), _) if chosen.is_cname() => canonical_name(resolver, sname, &chosen, key),
        (Some(_), Some(params)) => {
            let turn = turn(resolver, sname);
            if let Some(chosen) = v4 {
                let candidates = chosen.v4(key, resolver.worker);
                pick(&candidates, resolver.worker, turn, &mut resolver.resolution.v4);
            }
            if let Some(chosen) = v6 {
                let candidates = chosen.v6(key, resolver.worker);
                pick(&candidates, resolver.worker, turn, &mut resolver.resolution.v6);
            }
            Given::Https(params)
        }
        _ => nothing(&choices[0]),
    }
}

fn nothing<'s>(choice: &Choice) -> Given<'s> {
    match choice.verdict {
        Verdict::Servfail => Given::Servfail,
        _ => Given::Nodata,
    }
}

/// One canonical name: an owner has no more (RFC 2181, section 10.1).
fn canonical_name<'s>(
    resolver: &mut Resolver<'_, 's>,
    sname: Sname<'s>,
    chosen: &Chosen<'s>,
    key: Option<HashKey>,
) -> Given<'s> {
    let candidates = chosen.cname(key, resolver.worker);
    let turn = turn(resolver, sname);
    let picks = candidates.pick(resolver.worker, turn);
    picks.iter().next().map_or(Given::Nodata, |place| Given::Cname(&candidates.get(place).value))
}

/// The turn of this asker for this question: one more than at its last answer.
fn turn(resolver: &Resolver<'_, '_>, sname: Sname<'_>) -> u32 {
    let resolution = &*resolver.resolution;
    resolver.worker.turn(resolution.source, resolution.octets(sname), resolution.rtype)
}

/// Picks members of an offer, in the order in which they are to answer.
fn pick<'s, T: Clone + PartialEq>(
    candidates: &Candidates<'s, T>,
    worker: &mut Worker,
    turn: u32,
    picked: &mut Picked<'s, T>,
) {
    picked.extend(candidates.pick(worker, turn).iter().map(|place| candidates.get(place)));
}
