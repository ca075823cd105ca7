//! The condition for an endpoint to be up: one probe, or a number of several probes.
//!
//! The *verdict* of a condition is the share of its clients that the endpoint keeps. `all`, `any` and `at_least = N`
//! are one rule: the N-th best of the parts. A degraded part therefore degrades the endpoint only if the endpoint needs
//! it. A part that is down is worse than one that asks for no clients: the first fails the endpoint, the second drains
//! it.

use std::time::Duration;

use super::{Health, Share, State, Target};

/// The condition for an endpoint to be up. `T` is a target, or its id.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Condition<T = Target> {
    /// This probe is up.
    Probe(T),
    /// At least this many of the parts are up. The number is from 1 to the number of parts.
    AtLeast(u8, Box<[Condition<T>]>),
}

/// The result of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConditionState {
    /// The share that is left to the endpoint; `None` if it is down.
    pub share: Option<Share>,
    /// True if outcomes that are not confirmed yet could change the share.
    pub restless: bool,
    /// When the endpoint was last up: [`Duration::MAX`] while it is, zero if it never was.
    pub last_up: Duration,
}

/// The present share, and the least and the greatest share that unconfirmed outcomes could lead to.
#[derive(Clone, Copy)]
struct Bounds {
    share: Option<Share>,
    least: Option<Share>,
    most: Option<Share>,
    last_up: Duration,
}

impl<T> Condition<T> {
    /// The same condition with another value for each target.
    pub fn map<U>(&self, value: &mut impl FnMut(&T) -> U) -> Condition<U> {
        match self {
            Self::Probe(target) => Condition::Probe(value(target)),
            Self::AtLeast(needed, parts) => {
                Condition::AtLeast(*needed, parts.iter().map(|part| part.map(value)).collect())
            }
        }
    }

    /// Calls `visit` for every probe.
    pub fn each_target<'a>(&'a self, visit: &mut impl FnMut(&'a T)) {
        match self {
            Self::Probe(target) => visit(target),
            Self::AtLeast(_, parts) => parts.iter().for_each(|part| part.each_target(visit)),
        }
    }

    /// The state that follows from the health of the probes.
    pub fn verdict(&self, health: &impl Fn(&T) -> Health) -> ConditionState {
        let Bounds { share, least, most, last_up } = self.bounds(health);
        ConditionState { share, restless: least != most, last_up }
    }

    /// The state of the endpoint; unknown while no probe has a known state.
    pub fn state(&self, health: &impl Fn(&T) -> Health) -> State {
        let mut is_known = false;
        self.each_target(&mut |target| is_known |= health(target).state() != State::Unknown);
        match self.verdict(health).share {
            _ if !is_known => State::Unknown,
            None => State::Down,
            Some(share) if share.is_full() => State::Up,
            Some(share) => State::Degraded(share),
        }
    }

    /// True if enough probes were found up. Probes without an outcome are not.
    pub fn is_confirmed_up(&self, health: &impl Fn(&T) -> Health) -> bool {
        match self {
            Self::Probe(target) => !matches!(health(target).state(), State::Unknown | State::Down),
            Self::AtLeast(needed, parts) => {
                parts.iter().filter(|part| part.is_confirmed_up(health)).count() >= usize::from(*needed)
            }
        }
    }

    fn bounds(&self, health: &impl Fn(&T) -> Health) -> Bounds {
        match self {
            Self::Probe(target) => {
                let health = health(target);
                let (least, most) = health.prospects();
                Bounds { share: health.share(), least, most, last_up: health.last_up() }
            }
            Self::AtLeast(needed, parts) => {
                let parts: Vec<Bounds> = parts.iter().map(|part| part.bounds(health)).collect();
                // A part that is down was last up when it fell. So the N-th best of these times is when the endpoint
                // was last up.
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

    /// Each letter is a probe: u is up, x down, d degraded to a quarter, n degraded to nothing, r up but unconfirmed, s
    /// down but unconfirmed, e degraded and about to be up, ? has no outcome.
    fn health(probes: &str) -> impl Fn(&Target) -> Health {
        move |target: &Target| {
            let quarter = Some(Share::from_thousandths(250));
            let outcomes: &[Option<Share>] = match probes.as_bytes()[usize::from(target.address.port()) - 1] {
                b'u' => &[Some(Share::FULL)],
                b'd' => &[quarter],
                b'n' => &[Some(Share::NONE)],
                b'e' => &[quarter, Some(Share::FULL)],
                b'r' => &[Some(Share::FULL), None],
                b's' => &[None, Some(Share::FULL)],
                b'?' => &[],
                _ => &[None],
            };
            let mut health = Health::UNKNOWN;
            for &outcome in outcomes {
                health.observe(outcome, &target.monitor, Duration::ZERO);
            }
            health
        }
    }

    fn condition(needed: u8, probes: &str) -> Condition {
        let parts = (1..=probes.len() as u16).map(|port| Condition::Probe(target(port))).collect();
        Condition::AtLeast(needed, parts)
    }

    fn verdict(needed: u8, probes: &str) -> ConditionState {
        condition(needed, probes).verdict(&health(probes))
    }

    #[test]
    fn probes_without_an_outcome_confirm_nothing() {
        for (needed, probes, confirmed) in
            [(1, "?", false), (1, "u?", true), (2, "u?", false), (1, "x?", false), (2, "dn", true), (1, "xx", false)]
        {
            assert_eq!(condition(needed, probes).is_confirmed_up(&health(probes)), confirmed, "{needed} of {probes}");
        }
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
