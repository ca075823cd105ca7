//! Faults as JSON.

use serde::{Serialize, Serializer};

use super::fault::{Fault, Faults, Place, Severity};

#[derive(Serialize)]
struct Shape<'a> {
    severity: &'static str,
    message: &'a str,
    file: Option<String>,
    line: Option<usize>,
    column: Option<usize>,
    label: &'a str,
    help: Option<&'a str>,
}

impl Serialize for Fault {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { severity, message, place, label, related: _, help } = self;
        let severity = match severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let shape = Shape {
            severity,
            message,
            file: place.as_ref().map(|place| place.source.path.display().to_string()),
            line: place.as_ref().map(Place::line),
            column: place.as_ref().map(Place::column),
            label,
            help: help.as_deref(),
        };
        shape.serialize(serializer)
    }
}

impl Serialize for Faults {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}
