//! The reason why an endpoint of a pool gets no clients, or fewer than its share, in a sentence.

use std::time::Duration;

use super::EndpointHealth;
use crate::overrides::{EffectiveOverrides, Mode, Override};
use crate::printable::Printable;
use crate::report::table::span;
use crate::snapshot::{AdminState, Pool, World};

/// The facts that a reason is made from, in addition to the snapshot.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Known<'a> {
    pub(in super::super) world: &'a World,
    pub(in super::super) effective_overrides: &'a EffectiveOverrides,
    /// The present time, since the Unix epoch.
    pub(in super::super) now: Duration,
}

impl Known<'_> {
    /// Returns the reason why the endpoint at this position gets no clients, or fewer than its share; `None` if it gets
    /// its whole share.
    pub(in super::super) fn absence(&self, pool: &Pool, place: usize, health: &EndpointHealth) -> Option<String> {
        let state = pool.endpoint_state(place);
        let order = self.world.effective_override(self.effective_overrides, pool.spec(), place);
        let for_so_long = health
            .since
            .map_or_else(String::new, |since| format!(" for {}", span(self.now.saturating_sub(since).as_secs())));
        let seen = |text: &str| format!("{text}: {}", health.seen());
        Some(match state.admin_state {
            AdminState::Off => format!("forced down {}", by(order?)),
            AdminState::Pending => "registered, and waits for its first probe".to_owned(),
            AdminState::Draining => match order.filter(|order| order.order.mode == Mode::Drain) {
                Some(order) => format!("drained {}", by(order)),
                None if pool.spec().members.lease(place).is_some_and(|lease| lease.is_leaving) => {
                    "drained, because it asked to leave".to_owned()
                }
                None => seen(&format!("drained{for_so_long}, because it asks for no clients")),
            },
            AdminState::On | AdminState::Held if !state.share.is_some() => seen(&format!("down{for_so_long}")),
            AdminState::Held => format!("up{for_so_long}, but failback holds its pool back"),
            AdminState::On if !state.ramp.is_full() => {
                let percent = f64::from(state.ramp.thousandths()) / 10.0;
                match order.filter(|order| order.order.mode == Mode::Drain) {
                    Some(order) => {
                        format!("takes {percent:.0} % of its clients: it leaves slowly, drained {}", by(order))
                    }
                    None => format!("takes {percent:.0} % of its clients: it comes back slowly"),
                }
            }
            AdminState::On if !state.share.is_full() => {
                let percent = f64::from(state.share.thousandths()) / 10.0;
                seen(&format!("takes {percent:.0} % of its clients{for_so_long}"))
            }
            AdminState::On => return None,
        })
    }
}

/// Returns the author, the number and the reason of an override: `by ada (override 7): new switches`.
fn by(Override { id, order, .. }: &Override) -> String {
    let who = if order.who.is_empty() { "somebody" } else { &order.who };
    let reason = if order.reason.is_empty() { String::new() } else { format!(": {}", Printable(&order.reason)) };
    format!("by {} (override {id}){reason}", Printable(who))
}
