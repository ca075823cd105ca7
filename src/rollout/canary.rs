//! The configuration of a roll-out.

use std::fmt;
use std::time::Duration;

use crate::duration::Written;
use crate::health::Share;

/// Maximum number of steps of a canary.
pub const MAX_STEPS: usize = 32;

/// The way in which a name's clients move from some of its pools to others.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Spec {
    /// Blue-green: this pool (as in `pools`) answers; the others stand by.
    Active(Box<str>),
    /// Canary: a growing share of clients is sent to a new pool, as long as the pool does well.
    Canary(Canary),
}

/// A new pool, and the steps by which clients move to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Canary {
    /// The new pool, as in `pools`.
    pub pool: Box<str>,
    /// The shares of clients that it gets, one after the other.
    pub steps: Steps,
    /// The time that each step is held.
    pub hold: Duration,
    /// The limits at which it is rolled back.
    pub bounds: Bounds,
}

/// Shares of clients: at least one, each greater than the one before, the first above 0.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Steps(Box<[Share]>);

/// Why numbers are not valid [`Steps`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepsError {
    /// There is none.
    Empty,
    /// There are more than [`MAX_STEPS`].
    TooMany(usize),
    /// The step at this position is not greater than the one before it.
    NotAscending(usize),
}

impl fmt::Display for StepsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a canary needs at least one step"),
            Self::TooMany(count) => write!(f, "a canary may have at most {MAX_STEPS} steps, not {count}"),
            Self::NotAscending(_) => f.write_str("each step must be greater than the one before it"),
        }
    }
}

impl std::error::Error for StepsError {}

impl Steps {
    /// Takes steps in per cent. Fails if they are no valid [`Steps`].
    pub fn try_new(percents: &[u8]) -> Result<Self, StepsError> {
        if percents.is_empty() {
            return Err(StepsError::Empty);
        }
        if percents.len() > MAX_STEPS {
            return Err(StepsError::TooMany(percents.len()));
        }
        let before = [0].iter().chain(percents);
        match percents.iter().zip(before).position(|(step, before)| step <= before) {
            Some(place) => Err(StepsError::NotAscending(place)),
            None => {
                Ok(Self(percents.iter().map(|&percent| Share::from_thousandths(u16::from(percent) * 10)).collect()))
            }
        }
    }

    /// The number of steps.
    #[allow(clippy::len_without_is_empty, reason = "there is always one")]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The share of clients at this step; after the last step, the share of the last one.
    pub fn share(&self, step: usize) -> Share {
        self.0[step.min(self.0.len() - 1)]
    }
}

/// The limits of a canary. It is rolled back when any of them is broken.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Bounds {
    /// Broken if a smaller share of its endpoints is open.
    pub healthy: Option<Share>,
    /// Broken if a greater share of its requests is reported as failed.
    pub errors: Option<Share>,
    /// Broken if its probes take longer on average.
    pub latency: Option<LatencyBound>,
}

/// The limit for the average time of a new pool's probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LatencyBound {
    /// At most this long.
    Absolute(Duration),
    /// At most this many per cent of the average of the other pools.
    Relative(u32),
}

impl fmt::Display for LatencyBound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absolute(time) => Written(*time).fmt(f),
            Self::Relative(percent) => write!(f, "{percent} %"),
        }
    }
}

impl Canary {
    /// Identifies this roll-out: the pool and the steps.
    pub fn identity(&self) -> String {
        let steps: Vec<String> = (0..self.steps.len()).map(|step| self.steps.share(step).to_string()).collect();
        format!("{}: {}", self.pool, steps.join(", "))
    }

    /// All settings of the canary as text. A restarted node compares them to notice a change.
    pub fn terms(&self) -> String {
        let Bounds { healthy, errors, latency } = &self.bounds;
        let text = |bound: Option<String>| bound.unwrap_or_else(|| "any".to_owned());
        let (healthy, errors) = (healthy.map(|share| share.to_string()), errors.map(|share| share.to_string()));
        let latency = latency.map(|bound| bound.to_string());
        let bounds = [text(healthy), text(errors), text(latency)].join(", ");
        format!("{}; {}; {bounds}", self.identity(), Written(self.hold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_ascend_from_above_nothing() {
        assert_eq!(Steps::try_new(&[]), Err(StepsError::Empty));
        assert_eq!(Steps::try_new(&[0, 5]), Err(StepsError::NotAscending(0)));
        assert_eq!(Steps::try_new(&[5, 25, 25]), Err(StepsError::NotAscending(2)));
        assert_eq!(Steps::try_new(&[1; 40]), Err(StepsError::TooMany(40)));
        let steps = Steps::try_new(&[5, 100]).unwrap();
        assert_eq!(
            (steps.share(0), steps.share(1), steps.share(9)),
            (Share::from_thousandths(50), Share::FULL, Share::FULL)
        );
    }
}
