//! Chooses pools and picks endpoints for the client at a steered name.
//!
//! An HTTPS record (RFC 9460) says where a browser connects, and with which protocols. Its hints are the addresses that
//! answers for A and AAAA would contain. Both families use the same draw, so that it leads to the same pool for both.

use std::net::IpAddr;

use super::candidates::{Candidates, Chosen};
use super::resolution::{Given, Picked, Sname, Steered, Step};
use super::resolver::Resolver;
use super::{Client, Worker};
use crate::snapshot::{Choice, Plan, Rule, Verdict};
use crate::steering::{HashKey, Placement, Ranking};
use crate::wire::Rtype;
use crate::zone::{NameId, PlanId};

/// The ranking of a client for a rule.
struct Ranked<'s> {
    /// The address that the ranking was looked up by.
    by: IpAddr,
    ranking: &'s Ranking,
    placement: Option<Placement<'s>>,
    key: Option<HashKey>,
}

/// Chooses pools for a steered name, and fills the last hop with the choice. Returns false if the name's static records
/// must answer for the asked type.
#[inline(never)]
pub(super) fn resolve<'s>(resolver: &mut Resolver<'_, 's>, sname: Sname<'s>, id: (PlanId, NameId)) -> bool {
    let plan = resolver.snapshot.plan(id.0, id.1);
    let families = plan.families(resolver.resolution.rtype, resolver.snapshot.pools());
    let Some(&first) = families.first() else { return false };
    let Ranked { by: ranked_by, ranking, placement, key } = rank(resolver, plan.rule(), sname);
    if let Some(&second) = families.get(1) {
        // Both families use the same random numbers, so that a draw has the same outcome for both.
        let numbers = resolver.worker.numbers();
        let [choice, second] = [first, second].map(|family| {
            let mut numbers = numbers.clone();
            plan.choose(ranking, family, key, |below| numbers.u32(..below))
        });
        let given = hint(resolver, plan, key, [choice, second]);
        let (ttl, second) = (plan.ttl(&choice).min(plan.ttl(&second)), Some(second));
        let steered = Steered { id, plan, families, ranked_by, ranking, placement, key, choice, second, ttl, given };
        resolver.take(Step::Steered(steered));
        return true;
    }
    let worker = &mut *resolver.worker;
    let choice = plan.choose(ranking, first, key, |below| worker.draw(below));
    let Some(given) = give(resolver, plan, key, &choice) else { return false };
    let (ttl, second) = (plan.ttl(&choice), None);
    let steered = Steered { id, plan, families, ranked_by, ranking, placement, key, choice, second, ttl, given };
    resolver.take(Step::Steered(steered));
    true
}

/// Ranks the client. Limits the scope of the answer to addresses that have the same ranking.
#[inline]
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
        // A network such as 10.1.2.0/24 tells no place (RFC 7871, section 10). So the resolver that sent the option is
        // ranked instead.
        address = Client::of_host(resolution.source).address;
        placement = Some(placed);
    }
    let key = rule.client_key(address, resolution.octets(sname));
    Ranked { by: address, ranking: rule.map.ranking_of_host(address), placement, key }
}

/// Picks endpoints for a question for addresses, or for a question of any type at a name that is an alias now. Returns
/// `None` if the pools hold addresses, but the question asks for another type.
#[inline]
fn give<'s>(
    resolver: &mut Resolver<'_, 's>,
    plan: &'s Plan,
    key: Option<HashKey>,
    choice: &Choice,
) -> Option<Given<'s>> {
    let Some(chosen) = Chosen::of(choice, plan, resolver.snapshot.pools()) else {
        // Every type gets this answer, because a name that may become a CNAME has no static records.
        return Some(nothing(choice));
    };
    match resolver.resolution.rtype {
        _ if chosen.is_cname() => return Some(canonical_name(resolver, &chosen, key)),
        Rtype::A => {
            let candidates = chosen.v4(key, resolver.worker);
            let turn = turn(resolver);
            pick(&candidates, resolver.worker, turn, &mut resolver.resolution.v4);
        }
        Rtype::AAAA => {
            let candidates = chosen.v6(key, resolver.worker);
            let turn = turn(resolver);
            pick(&candidates, resolver.worker, turn, &mut resolver.resolution.v6);
        }
        _ => return None,
    }
    Some(Given::Addresses)
}

/// Picks endpoints for a question for an HTTPS record, at a name that has one.
#[inline(never)]
fn hint<'s>(resolver: &mut Resolver<'_, 's>, plan: &'s Plan, key: Option<HashKey>, choices: [Choice; 2]) -> Given<'s> {
    let (rule, pools) = (plan.rule(), resolver.snapshot.pools());
    let [v4, v6] = choices.each_ref().map(|choice| Chosen::of(choice, plan, pools));
    match (v4.or(v6), &rule.https) {
        (Some(chosen), _) if chosen.is_cname() => canonical_name(resolver, &chosen, key),
        (Some(_), Some(params)) => {
            let turn = turn(resolver);
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

/// Returns one canonical name, because an owner has at most one CNAME record (RFC 2181, section 10.1).
#[inline(never)]
fn canonical_name<'s>(resolver: &mut Resolver<'_, 's>, chosen: &Chosen<'s>, key: Option<HashKey>) -> Given<'s> {
    let candidates = chosen.cname(key, resolver.worker);
    let turn = turn(resolver);
    let picks = candidates.pick(resolver.worker, turn);
    candidates.members(&picks).next().map_or(Given::Nodata, |member| Given::Cname(&member.value))
}

/// Returns the turn of this asker for this question: one more than at its last answer.
#[inline]
fn turn(resolver: &Resolver<'_, '_>) -> u32 {
    let resolution = &*resolver.resolution;
    resolver.worker.turn(resolution.source, resolver.hash, resolution.rtype)
}

/// Picks endpoints among the candidates, in the order of the answer.
#[inline]
fn pick<'s, T: Clone + PartialEq>(
    candidates: &Candidates<'s, T>,
    worker: &mut Worker,
    turn: u32,
    picked: &mut Picked<'s, T>,
) {
    match candidates.rotated(turn) {
        Some(runs) => runs.into_iter().for_each(|members| picked.extend(members)),
        None => picked.extend(candidates.members(&candidates.pick(worker, turn))),
    }
}
