//! Up, degraded and down.
//!
//! An outcome is a failure, a success, or a success that asks for less than all clients. The machine counts outcomes of
//! four kinds: failures, outcomes worse than a full success, successes of either kind, and full successes.
//!
//! Successes count in a row. So do failures if `clear` is 1; otherwise a failure counts until `clear` successes in a row
//! have come after it. An endpoint that fails every other time then goes down.
//!
//! ```text
//!                   worse in a row: fall                 failures in a row: fall
//!        ┌─────────────────────────────────► degraded ──────────────────────────────┐
//!        │  ┌────────── full in a row: rise ───┘  ▲ └─ keeps a share of its clients │
//!        │  ▼                                     │                                 ▼
//!        up ◄─────────────────────────────────────┼─────────────────────────────── down
//!        │          full in a row: rise           └── successes in a row: rise ─────┤
//!        └─────────────────────────────────────────────────────────────────────────►┘
//!                                 failures in a row: fall
//!
//!   unknown ── the first outcome ──► up, degraded or down
//! ```
//!
//! `unknown` is served as up once the deadline of the first round has passed: there is no outcome against the endpoint.
//!
//! **Hold-down.** An endpoint that fell stays down for at least `hold_down`, whatever its probes find. If it falls
//! again within the time of the hold after it rose, the next hold is twice as long, up to sixteen times `hold_down`.

use std::time::Duration;

use super::{KeptHold, Monitor, Opinion, Share};

/// The state of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Not probed yet.
    Unknown,
    /// It serves.
    Up,
    /// It serves, and asks for no more than this share of its clients.
    Degraded(Share),
    /// It does not serve.
    Down,
}

/// An endpoint's state, and the consecutive outcomes that may change it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Health {
    state: State,
    rows: Rows,
    hold: Hold,
    /// If it is down: when it fell; zero if it was never in another state.
    fell: Duration,
}

/// Outcomes up to the last one: consecutive successes, and failures that no row of successes has cleared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Rows {
    failures: u8,
    /// Failures, and successes that ask for less than all clients.
    worse: u8,
    /// Successes of either kind.
    successes: u8,
    /// Successes that ask for all clients.
    full: u8,
}

/// The hold that keeps an endpoint from flapping.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Hold {
    /// The end of the hold: the endpoint stays down until then.
    until: Duration,
    /// When it last came up.
    risen: Duration,
    /// Number of times that the hold was doubled.
    doublings: u8,
}

/// The longest hold is `hold_down` times 2 to the power of this.
const MAX_DOUBLINGS: u8 = 4;

/// The effect of an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// No change that answers could show.
    None,
    /// The state is the same, but an outcome now contradicts it, or no longer does: the TTL changes.
    Restless,
    /// The state changed.
    Changed,
}

impl Health {
    /// Not probed yet.
    pub const UNKNOWN: Self = Self::settled(State::Unknown);

    /// A state that no outcome contradicts.
    pub const fn settled(state: State) -> Self {
        Self {
            state,
            rows: Rows { failures: 0, worse: 0, successes: 0, full: 0 },
            hold: Hold { until: Duration::ZERO, risen: Duration::ZERO, doublings: 0 },
            fell: Duration::ZERO,
        }
    }

    /// The state of the endpoint.
    pub fn state(self) -> State {
        self.state
    }

    /// The health that an earlier run kept, or that another monitor with the same question found. The hold is shortened
    /// to the longest one that this monitor allows.
    pub fn kept(state: State, fell: Duration, hold: Option<KeptHold>, monitor: &Monitor, now: Duration) -> Self {
        let health = Self { fell: fell.min(now), ..Self::settled(state) };
        let Some(KeptHold { until, risen, doublings }) = hold else { return health };
        let hold = Hold { until, risen: risen.min(now), doublings: doublings.min(MAX_DOUBLINGS) };
        Self { hold, ..health }.under(monitor, now)
    }

    /// The same health under another monitor with the same question.
    pub fn under(mut self, monitor: &Monitor, now: Duration) -> Self {
        self.hold.until = self.hold.until.min(now + monitor.hold_down * (1 << self.hold.doublings));
        self
    }

    /// The same state, without any consecutive outcomes.
    pub fn without_outcomes(self) -> Self {
        Self { rows: Rows::default(), ..self }
    }

    /// The hold to keep for the next run; `None` if the endpoint never fell.
    pub fn hold(self) -> Option<KeptHold> {
        let Hold { until, risen, doublings } = self.hold;
        (until > Duration::ZERO).then_some(KeptHold { until, risen, doublings })
    }

    /// The same health with the opinion that a fleet agreed on at `since`; itself if that is its own.
    pub fn overruled(self, opinion: Opinion, since: Duration) -> Self {
        if self.state != State::Unknown && self.share() == opinion {
            return self;
        }
        let state = match opinion {
            None => State::Down,
            Some(share) if share.is_full() => State::Up,
            Some(share) => State::Degraded(share),
        };
        match opinion {
            None => Self { hold: self.hold, fell: since, ..Self::settled(state) },
            Some(_) => Self { hold: Hold { risen: since, ..self.hold }, ..Self::settled(state) },
        }
    }

    /// When it was last up, on the clock of [`Health::observe`]: [`Duration::MAX`] while it is, zero if it never was.
    pub fn last_up(self) -> Duration {
        if self.state == State::Down { self.fell } else { Duration::MAX }
    }

    /// When it last came up after it was down, on the clock of [`Health::observe`]; zero if it never did.
    pub fn risen(self) -> Duration {
        self.hold.risen
    }

    /// The share of its clients that it keeps; `None` if it is down. Only a confirmed failure takes it down. An
    /// endpoint that asks for no clients keeps none, but is not down.
    pub fn share(self) -> Option<Share> {
        match self.state {
            State::Unknown | State::Up => Some(Share::FULL),
            State::Degraded(share) => Some(share),
            State::Down => None,
        }
    }

    /// True if an unconfirmed outcome contradicts the state.
    pub fn is_restless(self) -> bool {
        let (least, most) = self.prospects();
        least != most
    }

    /// The least and the greatest share that unconfirmed outcomes could lead to. Both are its share if there are none.
    pub fn prospects(self) -> (Option<Share>, Option<Share>) {
        let share = self.share();
        let falls = match self.state {
            State::Up => self.rows.worse > 0,
            State::Degraded(_) => self.rows.failures > 0,
            State::Unknown | State::Down => false,
        };
        let rises = match self.state {
            State::Degraded(_) => self.rows.full > 0,
            State::Down => self.rows.successes > 0,
            State::Unknown | State::Up => false,
        };
        (if falls { None } else { share }, if rises { Some(Share::FULL) } else { share })
    }

    /// The end of the hold, on the clock of [`Health::observe`]; in the past if there is none.
    pub fn held_until(self) -> Duration {
        self.hold.until
    }

    /// The failures that count, and consecutive successes up to the last outcome. At least one of them is 0 unless the
    /// monitor has a `clear` above 1; both are 0 after the first outcome.
    pub fn in_a_row(self) -> (u8, u8) {
        (self.rows.failures, self.rows.successes)
    }

    /// Takes in one outcome: the share of clients that a success asks for, or `None` for a failure. `now` must never
    /// run backwards.
    pub fn observe(&mut self, outcome: Option<Share>, monitor: &Monitor, now: Duration) -> Transition {
        let before = *self;
        self.rows.count(outcome, monitor.clear.get());
        self.state = self.next(outcome, monitor, now);
        match (before.state, self.state) {
            (State::Unknown, _) => self.rows = Rows::default(),
            (State::Up | State::Degraded(_), State::Down) => self.fall(monitor, now),
            (State::Down, State::Up | State::Degraded(_)) => self.hold.risen = now,
            _ => {}
        }
        // An endpoint that came up begins without failures, however few successes that took.
        if before.state != self.state && self.state == State::Up {
            self.rows = Rows { failures: 0, worse: 0, ..self.rows };
        } else if before.state == State::Down && self.state != State::Down {
            self.rows.failures = 0;
        }
        if self.state != before.state {
            Transition::Changed
        } else if self.is_restless() != before.is_restless() {
            Transition::Restless
        } else {
            Transition::None
        }
    }

    fn next(&self, outcome: Option<Share>, monitor: &Monitor, now: Duration) -> State {
        let (rise, fall) = (monitor.rise.get(), monitor.fall.get());
        let Rows { failures, worse, successes, full } = self.rows;
        let served = |share: Share| if share.is_full() { State::Up } else { State::Degraded(share) };
        match (self.state, outcome) {
            (State::Unknown, None) => State::Down,
            (State::Unknown, Some(share)) => served(share),
            (State::Up | State::Degraded(_), None) if failures >= fall => State::Down,
            (State::Up, Some(share)) if !share.is_full() && worse >= fall => State::Degraded(share),
            (State::Degraded(_), Some(share)) if share.is_full() && full >= rise => State::Up,
            // The share may change with each outcome. That the endpoint is degraded is confirmed.
            (State::Degraded(_), Some(share)) if !share.is_full() => State::Degraded(share),
            (State::Down, Some(share)) if now >= self.hold.until => {
                if share.is_full() && full >= rise {
                    State::Up
                } else if !share.is_full() && successes >= rise {
                    State::Degraded(share)
                } else {
                    State::Down
                }
            }
            (state, _) => state,
        }
    }

    fn fall(&mut self, monitor: &Monitor, now: Duration) {
        self.fell = now;
        if monitor.hold_down.is_zero() {
            self.hold = Hold::default();
            return;
        }
        let held = monitor.hold_down * (1 << self.hold.doublings);
        let again = self.hold.risen > Duration::ZERO && now.saturating_sub(self.hold.risen) < held;
        self.hold.doublings = if again { (self.hold.doublings + 1).min(MAX_DOUBLINGS) } else { 0 };
        self.hold.until = now + monitor.hold_down * (1 << self.hold.doublings);
    }
}

impl Rows {
    fn count(&mut self, outcome: Option<Share>, clear: u8) {
        let row = |row: &mut u8, goes_on: bool| *row = if goes_on { row.saturating_add(1) } else { 0 };
        let bad = |count: &mut u8, is_bad: bool, good: u8| match is_bad {
            true => *count = count.saturating_add(1),
            false if good >= clear => *count = 0,
            false => {}
        };
        let is_full = outcome.is_some_and(Share::is_full);
        row(&mut self.successes, outcome.is_some());
        row(&mut self.full, is_full);
        bad(&mut self.failures, outcome.is_none(), self.successes);
        bad(&mut self.worse, !is_full, self.full);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::{Check, DEFAULT_FALL, DEFAULT_RISE, TcpCheck};
    use proptest::prelude::*;

    const QUARTER: Share = Share::from_thousandths(250);
    const MINUTE: Duration = Duration::from_secs(60);

    fn monitor() -> Monitor {
        Monitor::new(Check::Tcp(TcpCheck::default()), 80)
    }

    /// `+` is a success, `-` a failure, `d` a success that asks for a quarter, `n` one that asks for nothing.
    fn outcome(letter: char) -> Option<Share> {
        match letter {
            '+' => Some(Share::FULL),
            'd' => Some(QUARTER),
            'n' => Some(Share::NONE),
            _ => None,
        }
    }

    fn after(outcomes: &str) -> Health {
        let mut health = Health::UNKNOWN;
        for letter in outcomes.chars() {
            health.observe(outcome(letter), &monitor(), Duration::ZERO);
        }
        health
    }

    #[test]
    fn one_that_asks_for_nothing_gets_nothing_and_is_not_down() {
        let drained = after("+nnn");
        assert_eq!(drained.share(), Some(Share::NONE));
        assert_ne!(drained.state(), State::Down);
        assert_eq!(drained.held_until(), Duration::ZERO, "it did not fall");
    }

    #[test]
    fn states_and_whether_something_speaks_against_them() {
        let degraded = State::Degraded(QUARTER);
        for (outcomes, state, restless) in [
            ("", State::Unknown, false),
            ("+", State::Up, false),
            ("-", State::Down, false),
            ("d", degraded, false),
            ("+-", State::Up, true),
            ("+--", State::Up, true),
            ("+--+", State::Up, false),
            ("+---", State::Down, false),
            ("+---+", State::Down, true),
            ("+---+-", State::Down, false),
            ("+---++", State::Up, false),
            ("+dd", State::Up, true),
            ("+ddd", degraded, false),
            ("+d-d", degraded, false),
            // The third in a row is worse than a full success, but only the second failure: the state waits for a
            // success that says which share is left.
            ("+d--", State::Up, true),
            ("+d---", State::Down, false),
            ("+ddd-", degraded, true),
            ("+ddd---", State::Down, false),
            ("+ddd+", degraded, true),
            ("+ddd++", State::Up, false),
            ("+---dd", degraded, false),
            ("+---+d", degraded, false),
            ("+---d+", State::Down, true),
            ("+---d++", State::Up, false),
            ("n", State::Degraded(Share::NONE), false),
            ("+nn", State::Up, true),
            ("+nnn", State::Degraded(Share::NONE), false),
            ("+nnn-", State::Degraded(Share::NONE), true),
            ("+nnn+", State::Degraded(Share::NONE), true),
            ("+nnn++", State::Up, false),
            ("+nnnd", degraded, false),
            ("+---nn", State::Degraded(Share::NONE), false),
        ] {
            let health = after(outcomes);
            assert_eq!((health.state(), health.is_restless()), (state, restless), "{outcomes}");
        }
    }

    #[test]
    fn failures_count_until_enough_successes_clear_them() {
        let monitor = Monitor { clear: 3.try_into().unwrap(), ..monitor() };
        for (outcomes, state, restless) in [
            // 200 and 503 in turn.
            ("+-+-+", State::Up, true),
            ("+-+-+-", State::Down, false),
            ("+-++-++-", State::Down, false),
            ("+-+++", State::Up, false),
            ("+-+++-+++-+++-", State::Up, true),
            ("+---++", State::Up, false),
            ("+---++-", State::Up, true),
            ("+---+-+", State::Down, true),
            ("+d+d+d", State::Degraded(QUARTER), false),
        ] {
            let mut health = Health::UNKNOWN;
            for letter in outcomes.chars() {
                health.observe(outcome(letter), &monitor, Duration::ZERO);
            }
            assert_eq!((health.state(), health.is_restless()), (state, restless), "{outcomes}");
        }
    }

    #[test]
    fn a_degraded_endpoint_may_ask_for_another_share_at_any_time() {
        let mut health = after("+ddd");
        let half = Share::from_thousandths(500);
        assert_eq!(health.observe(Some(half), &monitor(), Duration::ZERO), Transition::Changed);
        assert_eq!(health.share(), Some(half));
    }

    #[test]
    fn what_fell_stays_down_for_its_hold_and_longer_each_time_it_falls_soon_again() {
        let monitor = Monitor { hold_down: MINUTE, ..monitor() };
        let mut health = Health::UNKNOWN;
        let mut now = MINUTE;
        let observe = |health: &mut Health, letters: &str, now: Duration| {
            letters.chars().for_each(|letter| _ = health.observe(outcome(letter), &monitor, now));
        };
        observe(&mut health, "+---", now);
        for doubling in [1, 2, 4, 8, 16, 16] {
            assert_eq!(health.held_until(), now + MINUTE * doubling);
            now = health.held_until() - Duration::from_secs(1);
            observe(&mut health, "+++", now);
            assert_eq!(health.state(), State::Down);
            assert!(health.is_restless());
            now = health.held_until();
            observe(&mut health, "+", now);
            assert_eq!(health.state(), State::Up);
            observe(&mut health, "---", now);
        }
        now = health.held_until();
        observe(&mut health, "++", now);
        now = health.held_until() + MINUTE * 16;
        observe(&mut health, "---", now);
        assert_eq!(health.held_until(), now + MINUTE);
    }

    proptest! {
        #[test]
        fn no_shorter_row_than_fall_takes_it_down_and_none_shorter_than_rise_brings_it_up(letters in "[+d-]{1,200}") {
            let mut health = Health::UNKNOWN;
            let (mut failures, mut successes) = (0, 0);
            for (place, letter) in letters.chars().enumerate() {
                let before = health.state();
                health.observe(outcome(letter), &monitor(), Duration::ZERO);
                (failures, successes) = if letter == '-' { (failures + 1, 0) } else { (0, successes + 1) };
                if place == 0 {
                    (failures, successes) = (0, 0);
                    continue;
                }
                let (was_down, is_down) = (before == State::Down, health.state() == State::Down);
                prop_assert_eq!(!was_down && is_down, !was_down && failures >= DEFAULT_FALL.get());
                prop_assert!(!was_down || is_down || successes >= DEFAULT_RISE.get());
            }
        }
    }
}
