//! Whether there are others to agree with, and how a node that was just started waits for them.
//!
//! ```text
//!   nobody ── the first one is heard ──► listening ── 2 intervals ──► agreeing
//!     ▲                                      │                            │
//!     └──────────── all are lost ────────────┴────────────────────────────┘
//! ```
//!
//! A node *arrives* from its start until it agrees with others for the first time, or 4 intervals passed without anybody.
//! Until then what the fleet agreed before the restart stands: so a restart within an incident changes no answer.

use std::time::Duration;

use super::peer::FORGOTTEN_AFTER;

/// Agreement begins this number of intervals after the first other node was heard.
const SETTLES_AFTER: u32 = 2;

/// This node and the others.
#[derive(Debug, Default)]
pub(super) struct Company {
    others: Others,
    arrival: Arrival,
    /// Until when the first answers may wait for somebody; `None` while the first attempt to connect lasts.
    expects_until: Option<Duration>,
}

/// Who is heard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Others {
    /// No other node.
    #[default]
    None,
    /// Agreement begins at this time: by then all that can be heard have been.
    Listening(Duration),
    /// Their opinions count.
    Agreeing,
}

/// The first time of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Arrival {
    /// It has not begun.
    #[default]
    Ahead,
    /// It ends at this time if nobody is heard.
    Until(Duration),
    /// It is over.
    Over,
}

impl Company {
    /// Takes in that this node decides about endpoints from now on.
    pub(super) fn begin(&mut self, now: Duration, interval: Duration) {
        if self.arrival == Arrival::Ahead {
            self.arrival = Arrival::Until(now + interval * FORGOTTEN_AFTER);
        }
    }

    /// Takes in that others can be heard from now on.
    pub(super) fn connect(&mut self, now: Duration, interval: Duration) {
        let is_first = self.expects_until.is_none();
        // Everybody reports once an interval.
        self.expects_until.get_or_insert(now + interval);
        if let Arrival::Until(until) = &mut self.arrival
            && is_first
        {
            *until = now + interval * FORGOTTEN_AFTER;
        }
    }

    /// Takes in that nobody can be heard.
    pub(super) fn disconnect(&mut self) {
        self.expects_until.get_or_insert(Duration::ZERO);
    }

    /// Takes in that another node is heard.
    pub(super) fn meet(&mut self, now: Duration, interval: Duration) {
        if self.others == Others::None {
            self.others = Others::Listening(now + interval * SETTLES_AFTER);
        }
    }

    /// Takes in that no other node is heard any more.
    pub(super) fn part(&mut self) {
        self.others = Others::None;
    }

    /// Lets time pass. Returns true if it changed whose opinions count.
    pub(super) fn advance(&mut self, now: Duration) -> bool {
        let (others, arrival) = (self.others, self.arrival);
        if matches!(others, Others::Listening(until) if until <= now) {
            self.others = Others::Agreeing;
            self.arrival = Arrival::Over;
        }
        if self.others == Others::None && matches!(arrival, Arrival::Until(until) if until <= now) {
            self.arrival = Arrival::Over;
        }
        (self.others, self.arrival) != (others, arrival)
    }

    /// When to call [`advance`](Self::advance), or to ask again whether somebody is expected.
    pub(super) fn wake_at(&self, now: Duration) -> Option<Duration> {
        let settles_at = match (self.others, self.arrival) {
            (Others::Listening(until), _) | (Others::None, Arrival::Until(until)) => Some(until),
            _ => None,
        };
        let expects_until = self.expects_until.filter(|until| *until > now && self.is_arriving());
        [settles_at, expects_until].into_iter().flatten().min()
    }

    /// True if the opinions of others count.
    pub(super) fn is_settled(&self) -> bool {
        self.others == Others::Agreeing
    }

    /// True until this process has agreed with others, or there was time to hear them.
    pub(super) fn is_arriving(&self) -> bool {
        self.arrival != Arrival::Over
    }

    /// True while this node arrives and others are about to be heard.
    pub(super) fn expects_others(&self, now: Duration) -> bool {
        self.is_arriving()
            && match self.others {
                Others::None => self.expects_until.is_none_or(|until| now < until),
                Others::Listening(until) => now < until,
                Others::Agreeing => false,
            }
    }
}
