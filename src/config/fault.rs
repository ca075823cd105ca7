//! What is wrong with a file, and where.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

/// A file that was read.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    /// Its path as the operator would write it.
    pub path: PathBuf,
    /// What stands in it.
    pub text: String,
}

/// Somewhere in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub source: Arc<Source>,
    /// Octets of its text.
    pub span: Range<usize>,
}

impl Place {
    /// The line it begins on, from 1.
    pub fn line(&self) -> usize {
        1 + self.before().matches('\n').count()
    }

    /// The character of that line it begins with, from 1.
    pub fn column(&self) -> usize {
        let before = self.before();
        1 + before[before.rfind('\n').map_or(0, |newline| newline + 1)..].chars().count()
    }

    /// The text before it. A parser's span may lie off a character's boundary or behind the end; it is moved back then.
    fn before(&self) -> &str {
        let text = &self.source.text;
        &text[..floor_char_boundary(text, self.span.start)]
    }
}

/// The last boundary between characters that is not behind `index`.
pub(super) fn floor_char_boundary(text: &str, index: usize) -> usize {
    (0..=index.min(text.len())).rev().find(|&index| text.is_char_boundary(index)).unwrap_or(0)
}

/// Whether a fault keeps a configuration from being used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// It does.
    Error,
    /// It works, but probably not as meant.
    Warning,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in a sentence without a full stop.
    pub message: String,
    /// Where; absent for what has no place in a file, such as a folder that is not there.
    pub place: Option<Place>,
    /// What is written under the place, such as "not a datacenter".
    pub label: String,
    /// Another place that belongs to it, with what is written there, such as "first named here".
    pub related: Option<(Place, String)>,
    /// What to do about it.
    pub help: Option<String>,
}

impl Fault {
    /// Something that keeps the configuration from being used.
    pub fn error(place: &Place, message: impl Into<String>, label: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            message: message.into(),
            place: Some(place.clone()),
            label: label.into(),
            related: None,
            help: None,
        }
    }

    /// Something that works, but probably not as meant.
    pub fn warning(place: &Place, message: impl Into<String>, label: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(place, message, label) }
    }

    /// Something wrong outside of what stands in files, such as a file that cannot be read.
    pub fn without_place(message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            message: message.into(),
            place: None,
            label: String::new(),
            related: None,
            help: None,
        }
    }

    /// Says what to do about it.
    pub fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// Names another place that belongs to it.
    pub fn related(self, place: &Place, label: impl Into<String>) -> Self {
        Self { related: Some((place.clone(), label.into())), ..self }
    }
}

/// All that is wrong with a set of files, in the order it was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl Faults {
    /// One more.
    pub fn push(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    /// Whether anything keeps the configuration from being used.
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|fault| fault.severity == Severity::Error)
    }

    /// Whether an error was found since there were `before` faults.
    pub(super) fn has_errors_since(&self, before: usize) -> bool {
        self.0.iter().skip(before).any(|fault| fault.severity == Severity::Error)
    }

    /// Whether anything is wrong with this file.
    pub(super) fn has_errors_in(&self, source: &Arc<Source>) -> bool {
        let is_there = |place: &Place| Arc::ptr_eq(&place.source, source);
        self.0.iter().any(|fault| fault.severity == Severity::Error && fault.place.as_ref().is_some_and(is_there))
    }

    /// By file and line; what has no place comes first.
    pub(super) fn sort(&mut self) {
        self.0.sort_by_cached_key(|fault| {
            fault.place.as_ref().map(|place| (place.source.path.clone(), place.span.start))
        });
    }
}
