//! What must hold for an endpoint to answer: one probe, or so many of several.
//!
//! An endpoint's *verdict* is the share that its condition leaves it. `all`, `any` and `at_least = N` are one rule: the
//! N-th best of the parts, so that a degraded part degrades only what needs it. A part that is down is worse than one that asks
//! for nothing: the first fails the endpoint, the second drains it.

use std::time::Duration;

use super::{Health, Share, State, Target};

/// What tells whether an endpoint answers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Condition {
    /// This probe.
    Probe(Target),
    /// At least so many of these, at least 1 and not more than there are: all of them, any, or a number in between.
    AtLeast(u8, Box<[Condition]>),
}

/// What a condition comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConditionState {
    /// What is left to the endpoint; `None` if it is down.
    pub share: Option<Share>,
    /// Whether outcomes that are not confirmed yet could change that.
    pub restless: bool,
    /// When the endpoint was up last: [`Duration::MAX`] while it is, zero if it was not yet.
    pub last_up: Duration,
}

/// The share as it is, and the least and the most that unconfirmed outcomes could make of it.
#[derive(Clone, Copy)]
struct Bounds {
    share: Option<Share>,
    least: Option<Share>,
    most: Option<Share>,
    last_up: Duration,
}

impl Condition {
    /// Tells `visit` of every probe.
    pub fn each_target<'a>(&'a self, visit: &mut impl FnMut(&'a Target)) {
        match self {
            Self::Probe(target) => visit(target),
            Self::AtLeast(_, parts) => parts.iter().for_each(|part| part.each_target(visit)),
        }
    }

    /// What the probes' health comes to.
    pub fn verdict(&self, health: &impl Fn(&Target) -> Health) -> ConditionState {
        let Bounds { share, least, most, last_up } = self.bounds(health);
        ConditionState { share, restless: least != most, last_up }
    }

    /// What the endpoint is taken to be: unknown while nothing is known of any probe.
    pub fn state(&self, health: &impl Fn(&Target) -> Health) -> State {
        let mut is_known = false;
        self.each_target(&mut |target| is_known |= health(target).state() != State::Unknown);
        match self.verdict(health).share {
            _ if !is_known => State::Unknown,
            None => State::Down,
            Some(share) if share.is_full() => State::Up,
            Some(share) => State::Degraded(share),
        }
    }

    fn bounds(&self, health: &impl Fn(&Target) -> Health) -> Bounds {
        match self {
            Self::Probe(target) => {
                let health = health(target);
                let (least, most) = health.prospects();
                Bounds { share: health.share(), least, most, last_up: health.last_up() }
            }
            Self::AtLeast(needed, parts) => {
                let parts: Vec<Bounds> = parts.iter().map(|part| part.bounds(health)).collect();
                // A part that is down was up until it fell: that of the endpoint is the N-th best of these too.
                let last_up = nth_best(*needed, &parts, |part| part.last_up).unwrap_or_default();
                let nth_best = |of: fn(&Bounds) -> Option<Share>| nth_best(*needed, &parts, of).flatten();
                Bounds {
                    share: nth_best(|part| part.share),
                    least: nth_best(|part| part.least),
                    most: nth_best(|part| part.most),
                    last_up,
                }
            }
        }
    }
}

fn nth_best<T: Ord>(nth: u8, parts: &[Bounds], of: fn(&Bounds) -> T) -> Option<T> {
    let mut values: Vec<T> = parts.iter().map(of).collect();
    values.sort_unstable_by(|a, b| b.cmp(a));
    values.into_iter().nth(usize::from(nth).saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::{Check, Monitor, TcpCheck};
    use std::sync::Arc;

    fn target(port: u16) -> Target {
        let monitor = Monitor::new(Check::Tcp(TcpCheck::default()), port);
        Target { address: ([127, 0, 0, 1], port).into(), host: "a".into(), monitor: Arc::new(monitor) }
    }

    /// Each letter is a probe: up, down, (d)egraded to a quarter, (n) to nothing, (r)estless but up, (s) restless but down, (e) degraded and
    /// about to be up.
    fn verdict(needed: u8, probes: &str) -> ConditionState {
        let parts = (1..=probes.len() as u16).map(|port| Condition::Probe(target(port))).collect();
        let health = |target: &Target| {
            let quarter = Some(Share::from_thousandths(250));
            let outcomes: &[Option<Share>] = match probes.as_bytes()[usize::from(target.address.port()) - 1] {
                b'u' => &[Some(Share::FULL)],
                b'd' => &[quarter],
                b'n' => &[Some(Share::NONE)],
                b'e' => &[quarter, Some(Share::FULL)],
                b'r' => &[Some(Share::FULL), None],
                b's' => &[None, Some(Share::FULL)],
                _ => &[None],
            };
            let mut health = Health::UNKNOWN;
            for &outcome in outcomes {
                health.observe(outcome, &target.monitor, Duration::ZERO);
            }
            health
        };
        Condition::AtLeast(needed, parts).verdict(&health)
    }

    #[test]
    fn all_any_and_at_least_are_the_nth_best_share() {
        let (quarter, full, nothing) = (Some(Share::from_thousandths(250)), Some(Share::FULL), Some(Share::NONE));
        for (needed, probes, share) in [
            (3, "uuu", full),
            (3, "uxu", None),
            (2, "uxu", full),
            (1, "xxu", full),
            (1, "xxx", None),
            (3, "udu", quarter),
            (2, "udu", full),
            (2, "xdu", quarter),
            (2, "un", nothing),
            (1, "un", full),
            (2, "xn", None),
            (1, "xn", nothing),
            (2, "nn", nothing),
        ] {
            let ConditionState { share: found, restless, last_up } = verdict(needed, probes);
            assert_eq!((found, restless), (share, false), "{needed} of {probes}");
            assert_eq!(last_up == Duration::MAX, share.is_some(), "{needed} of {probes}");
        }
    }

    #[test]
    fn a_condition_is_restless_only_where_an_unconfirmed_outcome_could_change_it() {
        for (needed, probes, restless) in [
            (1, "ru", false),
            (2, "ru", true),
            (1, "rx", true),
            (2, "rx", false),
            (2, "su", true),
            (1, "su", false),
            (1, "de", true),
            (1, "eu", false),
            (2, "eu", true),
            (2, "de", false),
        ] {
            assert_eq!(verdict(needed, probes).restless, restless, "{needed} of {probes}");
        }
    }
}
