//! Numbers of several rounds, and how they are printed.

use std::fmt;

/// The same measure in each round.
pub(crate) struct Rounds(Vec<f64>);

impl Rounds {
    pub(crate) fn new(values: Vec<f64>) -> Self {
        assert!(!values.is_empty(), "at least one round");
        Self(values)
    }

    pub(crate) fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let (lower, upper) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
        f64::midpoint(lower, upper)
    }

    /// The ratio to another server in each round. Both had the same machine at nearly the same time.
    pub(crate) fn ratio(&self, other: &Self) -> Self {
        Self::new(self.0.iter().zip(&other.0).map(|(ours, theirs)| ours / theirs).collect())
    }
}

/// The median, and the lowest and highest round.
impl fmt::Display for Rounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bound = |pick: fn(f64, f64) -> f64| self.0.iter().copied().reduce(pick).unwrap_or_default();
        f.pad(&format!("{:.2} ({:.2}-{:.2})", self.median(), bound(f64::min), bound(f64::max)))
    }
}
