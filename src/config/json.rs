//! Faults as JSON.

use serde::{Serialize, Serializer};

use super::code::Code;
use super::fault::{Fault, Faults, Severity};
use super::source::{Place, Position};

#[derive(Serialize)]
struct Shape<'a> {
    severity: &'static str,
    code: Code,
    message: &'a str,
    #[serde(flatten)]
    place: PlaceShape,
    label: &'a str,
    related: Vec<RelatedShape<'a>>,
    help: Option<&'a str>,
    count: usize,
}

#[derive(Serialize)]
struct RelatedShape<'a> {
    #[serde(flatten)]
    place: PlaceShape,
    label: &'a str,
}

/// A place; every field is `null` for a fault without a place. Lines and columns count from 1, columns in characters.
/// The end is the position behind the last character.
#[derive(Default, Serialize)]
struct PlaceShape {
    file: Option<String>,
    line: Option<usize>,
    column: Option<usize>,
    end_line: Option<usize>,
    end_column: Option<usize>,
}

impl PlaceShape {
    fn of(place: &Place) -> Self {
        let (Position { line, column }, end) = (place.start(), place.end());
        Self {
            file: Some(place.source.path.display().to_string()),
            line: Some(line),
            column: Some(column),
            end_line: Some(end.line),
            end_column: Some(end.column),
        }
    }
}

impl Serialize for Fault {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { severity, code, message, place, label, related, help, certificate_of: _, count } = self;
        let severity = match severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let related = related.iter().map(|(place, label)| RelatedShape { place: PlaceShape::of(place), label });
        let shape = Shape {
            severity,
            code: *code,
            message,
            place: place.as_ref().map(PlaceShape::of).unwrap_or_default(),
            label,
            related: related.collect(),
            help: help.as_deref(),
            count: *count,
        };
        shape.serialize(serializer)
    }
}

impl Serialize for Faults {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}
