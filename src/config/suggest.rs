//! Texts for suggestions.

pub(super) use crate::suggest::did_you_mean;

/// Returns the words in backquotes, separated by commas.
pub(super) fn list_of(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}
