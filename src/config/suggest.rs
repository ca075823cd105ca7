//! Texts for suggestions.

use super::fault::{Faults, MAX_TOLD};

pub(super) use crate::suggest::did_you_mean;

/// Approximate maximum number of comparisons with candidates in one run. Ten thousand references to missing pools, each
/// compared with ten thousand pools, would take minutes, and only the first few suggestions are useful: no more than
/// [`MAX_TOLD`] faults of a file are shown.
const MAX_COMPARISONS: usize = 100_000;

/// True if another fault is worth a comparison with this number of candidates.
pub(super) fn is_worth_comparing(faults: &Faults, candidates: usize) -> bool {
    let told = faults.0.len();
    told < MAX_TOLD || told.saturating_mul(candidates) <= MAX_COMPARISONS
}

/// Returns the words in backquotes, separated by commas.
pub(super) fn list_of(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}
