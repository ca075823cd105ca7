//! The condition for an endpoint to be up: one probe, or a number of several probes.
//!
//! The *verdict* of a condition is the share of its clients that the endpoint keeps. `all`, `any` and `at_least = N`
//! are one rule: the N-th best of the parts. A degraded part therefore degrades the endpoint only if the endpoint needs
//! it. A part that is down is worse than one that asks for no clients: the first fails the endpoint, the second drains
//! it.
//!
//! **Inverted conditions** are good while what they invert is down. They read the state that probes confirmed, not each
//! outcome: `rise`, `fall`, `hold_down`, a fleet's quorum and fail-static mean the same as for other probes, and an
//! inverted condition changes at the moment at which the state does. Two rules follow from "down": a degraded probe is
//! not down, so its inversion is; and a probe without an outcome says nothing, so it counts as good, inverted or not.

use std::time::Duration;

use super::{Health, Share, State, Target};

/// The condition for an endpoint to be up. `T` is a target, or its id.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Condition<T = Target> {
    /// This probe of the endpoint is up.
    Probe(T),
    /// This probe of something else that the endpoint depends on is up. Other endpoints may depend on it too.
    Dependency(T),
    /// At least this many of the parts are up. The number is from 1 to the number of parts.
    AtLeast(u8, Box<[Condition<T>]>),
    /// This condition is down.
    Not(Box<Condition<T>>),
}

/// A probe of a condition, and its part in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConditionProbe<T> {
    /// The target.
    pub target: T,
    /// True if the endpoint only depends on it.
    pub is_dependency: bool,
    /// True if it is good for the endpoint that the probe fails.
    pub is_inverted: bool,
}

impl<T> ConditionProbe<T> {
    /// True if a success of the probe says that the endpoint itself works.
    pub fn is_own(&self) -> bool {
        !self.is_dependency && !self.is_inverted
    }
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
            Self::Dependency(target) => Condition::Dependency(value(target)),
            Self::AtLeast(needed, parts) => {
                Condition::AtLeast(*needed, parts.iter().map(|part| part.map(value)).collect())
            }
            Self::Not(condition) => Condition::Not(Box::new(condition.map(value))),
        }
    }

    /// Calls `visit` for every probe, in order.
    pub fn each_probe<'a>(&'a self, visit: &mut impl FnMut(ConditionProbe<&'a T>)) {
        self.visit(false, visit);
    }

    /// Calls `visit` for every probe, in order.
    pub fn each_target<'a>(&'a self, visit: &mut impl FnMut(&'a T)) {
        self.visit(false, &mut |part| visit(part.target));
    }

    fn visit<'a>(&'a self, is_inverted: bool, visit: &mut impl FnMut(ConditionProbe<&'a T>)) {
        match self {
            Self::Probe(target) => visit(ConditionProbe { target, is_dependency: false, is_inverted }),
            Self::Dependency(target) => visit(ConditionProbe { target, is_dependency: true, is_inverted }),
            Self::AtLeast(_, parts) => parts.iter().for_each(|part| part.visit(is_inverted, visit)),
            Self::Not(condition) => condition.visit(!is_inverted, visit),
        }
    }

    /// True if the endpoint has the state of its only probe: it needs no calculation.
    pub fn is_one_probe(&self) -> bool {
        matches!(self, Self::Probe(_))
    }

    /// The state that follows from the health of the probes.
    pub fn verdict(&self, health: &impl Fn(&T) -> Health) -> ConditionState {
        let Bounds { share, least, most, last_up } = self.bounds(false, health);
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

    /// True if enough probes were found up, or down if they are inverted. Probes without an outcome are not.
    pub fn is_confirmed_up(&self, health: &impl Fn(&T) -> Health) -> bool {
        self.is_confirmed(false, health)
    }

    fn is_confirmed(&self, is_inverted: bool, health: &impl Fn(&T) -> Health) -> bool {
        match self {
            Self::Probe(target) | Self::Dependency(target) => match health(target).state() {
                State::Unknown => false,
                state => (state == State::Down) == is_inverted,
            },
            Self::AtLeast(needed, parts) => {
                let needed = nth(*needed, parts.len(), is_inverted);
                parts.iter().filter(|part| part.is_confirmed(is_inverted, health)).count() >= needed
            }
            Self::Not(condition) => condition.is_confirmed(!is_inverted, health),
        }
    }

    fn bounds(&self, is_inverted: bool, health: &impl Fn(&T) -> Health) -> Bounds {
        match self {
            Self::Probe(target) | Self::Dependency(target) => {
                let bounds = Bounds::of(health(target));
                if is_inverted { bounds.inverted(health(target)) } else { bounds }
            }
            Self::AtLeast(needed, parts) => {
                let needed = nth(*needed, parts.len(), is_inverted);
                let parts: Vec<Bounds> = parts.iter().map(|part| part.bounds(is_inverted, health)).collect();
                // A part that is down was last up when it fell. So the N-th best of these times is when the endpoint
                // was last up.
                let last_up = nth_best(needed, &parts, |part| part.last_up).unwrap_or_default();
                let nth_best = |of: fn(&Bounds) -> Option<Share>| nth_best(needed, &parts, of).flatten();
                Bounds {
                    share: nth_best(|part| part.share),
                    least: nth_best(|part| part.least),
                    most: nth_best(|part| part.most),
                    last_up,
                }
            }
            Self::Not(condition) => condition.bounds(!is_inverted, health),
        }
    }
}

impl Bounds {
    fn of(health: Health) -> Self {
        let (least, most) = health.prospects();
        Self { share: health.share(), least, most, last_up: health.last_up() }
    }

    /// The same for an endpoint that is up while the probe is down.
    fn inverted(self, health: Health) -> Self {
        let inverted = |share: Option<Share>| if share.is_none() { Some(Share::FULL) } else { None };
        match health.state() {
            // No outcome speaks against the endpoint.
            State::Unknown => self,
            state => Self {
                share: inverted(self.share),
                least: inverted(self.most),
                most: inverted(self.least),
                last_up: if state == State::Down { Duration::MAX } else { health.risen() },
            },
        }
    }
}

/// How many of the parts must be good. Of `count` parts at least `needed` are not up if, and only if, more than
/// `count - needed` are not.
fn nth(needed: u8, count: usize, is_inverted: bool) -> usize {
    let needed = usize::from(needed);
    if is_inverted { (count + 1).saturating_sub(needed) } else { needed }
}

fn nth_best<T: Ord>(nth: usize, parts: &[Bounds], of: fn(&Bounds) -> T) -> Option<T> {
    let mut values: Vec<T> = parts.iter().map(of).collect();
    values.sort_unstable_by(|a, b| b.cmp(a));
    values.into_iter().nth(nth.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::{Check, Monitor, TcpCheck};
    use std::net::SocketAddr;
    use std::sync::Arc;

    fn target(port: u16) -> Target {
        let monitor = Monitor::new(Check::Tcp(TcpCheck::default()), port);
        Target {
            address: SocketAddr::from(([127, 0, 0, 1], port)).into(),
            host: "a".into(),
            monitor: Arc::new(monitor),
        }
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

    #[test]
    fn an_inverted_probe_is_up_while_the_probe_is_down() {
        for (probe, share, restless, confirmed) in [
            ("u", None, false, false),
            ("d", None, false, false),
            ("n", None, false, false),
            ("x", Some(Share::FULL), false, true),
            ("r", None, true, false),
            ("s", Some(Share::FULL), true, true),
            // A degraded probe that is about to be up is not about to be down.
            ("e", None, false, false),
            ("?", Some(Share::FULL), false, false),
        ] {
            let condition = Condition::Not(Box::new(Condition::Dependency(target(1))));
            let found = condition.verdict(&health(probe));
            assert_eq!((found.share, found.restless), (share, restless), "{probe}");
            assert_eq!(found.last_up == Duration::MAX, share.is_some(), "{probe}");
            assert_eq!(condition.is_confirmed_up(&health(probe)), confirmed, "{probe}");
            let state = condition.state(&health(probe));
            assert_eq!(state == State::Unknown, probe == "?", "{probe}");
            let twice = Condition::Not(Box::new(condition));
            assert_eq!(twice.verdict(&health(probe)), Condition::Probe(target(1)).verdict(&health(probe)), "{probe}");
        }
    }

    #[test]
    fn an_inverted_number_is_the_number_of_inverted_parts() {
        for probes in ["uuu", "uux", "uxx", "xxx", "rux", "ssx", "u?x", "???"] {
            for needed in 1..=3 {
                let Condition::AtLeast(_, parts) = condition(needed, probes) else { unreachable!() };
                let parts: Box<[Condition]> = parts.into_iter().map(|part| Condition::Not(Box::new(part))).collect();
                let of_parts = Condition::AtLeast(4 - needed, parts);
                let whole = Condition::Not(Box::new(condition(needed, probes)));
                let of = |condition: &Condition| {
                    (condition.verdict(&health(probes)), condition.is_confirmed_up(&health(probes)))
                };
                assert_eq!(of(&whole), of(&of_parts), "not {needed} of {probes}");
            }
        }
    }

    #[test]
    fn an_inverted_probe_was_last_up_when_the_probe_rose() {
        let monitor = target(1).monitor;
        let mut health = Health::UNKNOWN;
        for (second, outcome) in [(1, None), (2, Some(Share::FULL)), (3, Some(Share::FULL)), (4, Some(Share::FULL))] {
            health.observe(outcome, &monitor, Duration::from_secs(second));
        }
        let condition = Condition::Not(Box::new(Condition::Probe(target(1))));
        assert_eq!(condition.verdict(&|_| health).last_up, Duration::from_secs(3), "two in a row bring it up");
    }

    #[test]
    fn parts_say_whose_probe_it_is_and_whether_it_is_inverted() {
        let not = |condition| Condition::Not(Box::new(condition));
        let parts = [Condition::Probe(1), Condition::Dependency(2), not(Condition::Probe(3))];
        let condition =
            not(Condition::AtLeast(2, [not(Condition::AtLeast(1, parts.into())), Condition::Dependency(4)].into()));
        let mut seen = Vec::new();
        condition
            .each_probe(&mut |part| seen.push((*part.target, part.is_dependency, part.is_inverted, part.is_own())));
        let expected =
            [(1, false, false, true), (2, true, false, false), (3, false, true, false), (4, true, true, false)];
        assert_eq!(seen, expected);
    }
}
