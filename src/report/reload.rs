//! The result of a reload.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Summary;

/// The loaded configuration, or the reason why it was not loaded. `F` is the type of faults.
#[derive(Debug, Serialize, Deserialize)]
pub struct Reload<F> {
    /// The reason why nothing was loaded, which the problem tells; absent if it was loaded.
    #[serde(skip_serializing, default)]
    pub detail: Option<String>,
    /// All faults of the files.
    pub faults: F,
    /// The configuration that is served now.
    pub summary: Option<Summary>,
    /// The first generation with this configuration.
    pub generation: Option<u64>,
}

/// A fault in JSON.
#[derive(Debug, Serialize, Deserialize)]
pub struct ToldFault {
    severity: String,
    code: String,
    message: String,
    #[serde(flatten)]
    place: ToldPlace,
    label: String,
    related: Vec<Related>,
    help: Option<String>,
    count: usize,
}

/// Another position that belongs to a fault.
#[derive(Debug, Serialize, Deserialize)]
struct Related {
    #[serde(flatten)]
    place: ToldPlace,
    label: String,
}

/// A position in a file; the file may be unknown.
#[derive(Debug, Serialize, Deserialize)]
struct ToldPlace {
    file: Option<String>,
    line: Option<usize>,
    column: Option<usize>,
    end_line: Option<usize>,
    end_column: Option<usize>,
}

impl fmt::Display for ToldPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let (Some(file), Some(line), Some(column)) = (&self.file, self.line, self.column) {
            write!(f, "\n  --> {file}:{line}:{column}")?;
        }
        Ok(())
    }
}

impl fmt::Display for ToldFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}{}", self.severity, self.message, self.place)?;
        if !self.label.is_empty() {
            write!(f, "\n  = {}", self.label)?;
        }
        for Related { place, label } in &self.related {
            write!(f, "{place}\n  = {label}")?;
        }
        match &self.help {
            Some(help) => write!(f, "\n  = help: {help}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Reload<Vec<ToldFault>> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.faults.iter().try_for_each(|fault| writeln!(f, "{fault}\n"))?;
        match (&self.detail, &self.summary) {
            (Some(detail), _) => f.write_str(detail),
            (None, Some(summary)) => summary.fmt(f),
            (None, None) => f.write_str("reloaded"),
        }
    }
}
