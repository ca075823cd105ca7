//! The reasons for a choice, its TTL and its scope, in words.

use std::borrow::Cow;

use crate::answer::{Client, Steered};
use crate::overrides::Mode;
use crate::snapshot::{Plan, Pool, Rung, Snapshot};
use crate::steering::{AllDown, Set};

/// Returns the order for the pool at this position in this name only; `None` if there is none.
pub(super) fn order(plan: &Plan, place: usize) -> Option<Cow<'static, str>> {
    let is_in = |set: Set| set & 1 << place != 0;
    let orders = plan.orders();
    if is_in(orders.forced_down) {
        return Some("forced down in this name".into());
    }
    is_in(orders.drained).then(|| "drained in this name".into())
}

/// Returns the rung in words.
pub(super) fn rung(rung: Rung, all_down: AllDown) -> &'static str {
    match rung {
        Rung::Usable => "usable",
        Rung::BelowMinimum => "below min_healthy",
        Rung::Ready => "the other part of the roll-out",
        Rung::Held => "held back by failback",
        Rung::Draining => "draining",
        Rung::Fallback => "fallback",
        Rung::ForcedDown => "forced down",
        Rung::AllDown => all_down.reason(),
    }
}

/// Returns the TTL, and the reason for it in words.
pub(super) fn why_ttl(snapshot: &Snapshot, steered: &Steered<'_>) -> String {
    let plan = steered.plan;
    let choices = || [Some(steered.choice), steered.second].into_iter().flatten();
    let reached = choices().fold(0, |set, choice| set | choice.reached);
    let reached = plan.rule().pools_of(reached).chain(plan.rule().fallback);
    let any = |holds: fn(&Pool) -> bool| reached.clone().any(|id| holds(&snapshot.pools()[id.index()]));
    let drains = any(Pool::has_draining) || plan.orders().mode == Some(Mode::Drain) || plan.orders().drained != 0;
    let why = match choices().any(|choice| choice.restless) {
        false => "no change is expected",
        true if drains => "an endpoint, a pool or the name is draining",
        true if any(Pool::is_ramping) => "an endpoint comes back or leaves slowly",
        true if plan.split().is_some_and(|split| split.is_ramping) => "a roll-out is in progress",
        true => "an endpoint's state is unconfirmed",
    };
    format!("{} s: {why}", steered.ttl)
}

/// Returns the scope prefix length, and the reason for it in words.
pub(super) fn why_scope(client: &Client, steered: &Steered<'_>) -> String {
    let rule = steered.plan.rule();
    let (Some(placement), Some(subnet)) = (&steered.placement, client.subnet) else {
        return "none: no Client Subnet option, so the resolver's address decides".to_owned();
    };
    let scope = placement.scope;
    let told = client.scope(scope);
    if rule.is_uniform() {
        "0: the same for every client".to_owned()
    } else if placement.is_unnamed {
        format!("{told}: the networks around this one tell no place either")
    } else if rule.sticky_length(client.address) == Some(scope) {
        format!("{told}: the length of the prefix that the client's hash uses")
    } else if scope > subnet.max_scope {
        format!("{told}: the ranking changes within this /{}, but the server uses no longer prefixes", subnet.max_scope)
    } else {
        format!("{told}: the shortest prefix in which all clients have this ranking")
    }
}
