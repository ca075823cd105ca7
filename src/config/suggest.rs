//! Words for suggestions.

pub(super) use crate::suggest::did_you_mean;

/// The words in backquotes, commas between.
pub(super) fn list_of(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}
