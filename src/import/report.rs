//! The summary of an import.

use std::collections::BTreeMap;
use std::fmt;

/// What was carried over, and what was not.
#[derive(Debug, Default)]
pub struct Report {
    /// The number of things of each kind that were carried over.
    carried: BTreeMap<&'static str, usize>,
    /// What has no equal, or another meaning: a sentence each, in the order of the source.
    notes: Vec<String>,
}

impl Report {
    /// Counts things of a kind, a plural such as "names", that were carried over.
    pub(super) fn carried(&mut self, kind: &'static str, count: usize) {
        *self.carried.entry(kind).or_default() += count;
    }

    /// Notes something that was not carried over as it is, once. Returns the sentence, for a comment at its place.
    pub(super) fn note(&mut self, sentence: impl Into<String>) -> String {
        let sentence = sentence.into();
        if !self.notes.contains(&sentence) {
            self.notes.push(sentence.clone());
        }
        sentence
    }

    /// True if everything was carried over.
    pub fn is_complete(&self) -> bool {
        self.notes.is_empty()
    }
}

/// A line of counts, then a line for each note.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts: Vec<String> = self
            .carried
            .iter()
            .filter(|&(_, &count)| count > 0)
            .map(|(kind, count)| format!("{count} {}", if *count == 1 { singular(kind) } else { kind }))
            .collect();
        let counts = if counts.is_empty() { "nothing".to_owned() } else { counts.join(", ") };
        write!(f, "carried over: {counts}")?;
        if !self.notes.is_empty() {
            write!(f, "\nnot carried over as it is: {}", self.notes.len())?;
        }
        self.notes.iter().try_for_each(|note| write!(f, "\n  * {note}"))
    }
}

fn singular(kind: &str) -> &str {
    kind.strip_suffix('s').unwrap_or(kind)
}
