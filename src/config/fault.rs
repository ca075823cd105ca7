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

/// All that is wrong with a set of files, in the order it was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);
