//! Texts for suggestions.

use std::cell::Cell;

pub(super) use crate::suggest::did_you_mean;

/// Most comparisons of names for the suggestions about one kind of fault in a file. Of many faults only the first are shown, so
/// most suggestions of a file that is wrong throughout would be made for nothing.
const MAX_COMPARISONS: usize = 200_000;

/// The comparisons that are left for suggestions.
#[derive(Clone, Debug)]
pub(super) struct Suggestions(Cell<usize>);

impl Default for Suggestions {
    fn default() -> Self {
        Self(Cell::new(MAX_COMPARISONS))
    }
}

impl Suggestions {
    /// Takes this number of comparisons. Returns false if too few are left.
    pub(super) fn take(&self, comparisons: usize) -> bool {
        let left = self.0.get().checked_sub(comparisons);
        self.0.set(left.unwrap_or(0));
        left.is_some()
    }
}

/// Returns the words in backquotes, separated by commas.
pub(super) fn list_of(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparisons_run_out() {
        let suggestions = Suggestions::default();
        assert!(suggestions.take(MAX_COMPARISONS - 1));
        assert!(!suggestions.take(2));
        assert!(!suggestions.take(1), "what is too much for one fault is too much for those after it");
    }
}
