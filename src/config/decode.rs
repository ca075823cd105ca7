//! Reads TOML tables key by key, every value with its place.
//!
//! serde's data model loses the places of values and stops at the first fault. A [`TomlTable`] returns its values by
//! key. A [`Value`] turns into a type, or reports a fault and becomes `None`. [`TomlTable::finish`] reports every key
//! that no caller asked for. One run therefore finds all faults, and no key is silently ignored.

use std::ops::Range;
use std::sync::Arc;

use toml::de::DeTable;

use super::code::Code;
use super::document::Parts;
use super::fault::{Fault, Faults};
use super::meant;
use super::source::{Place, Source};
use super::suggest::{did_you_mean, list_of};
pub(super) use super::value::Value;

/// A value and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Placed<T> {
    pub(super) value: T,
    pub(super) place: Place,
}

impl<T> Placed<T> {
    /// Returns another value with the same place.
    pub(super) fn with<U>(&self, value: U) -> Placed<U> {
        Placed { value, place: self.place.clone() }
    }
}

/// A table from which callers take one key after the other.
pub(super) struct TomlTable<'d> {
    source: &'d Arc<Source>,
    /// The place of the whole table: its key.
    anchor: Range<usize>,
    /// The kind of table with its article, such as "a monitor".
    what: &'static str,
    /// The values that no caller took yet, in the order of the file.
    rest: Vec<Value<'d>>,
    /// The keys that callers asked for.
    known: Vec<&'static str>,
    /// The parts that were cut out of a large file. Their tables are not in this one.
    parts: Option<&'d Parts>,
}

impl<'d> TomlTable<'d> {
    /// The table of a whole file. `parts` are those that were cut out of it.
    pub(super) fn document(
        source: &'d Arc<Source>,
        what: &'static str,
        table: &'d DeTable<'d>,
        parts: &'d Parts,
    ) -> Self {
        Self { parts: Some(parts), ..Self::new((source, 0), 0..0, what, table) }
    }

    /// `offset` is where the parsed text begins in the source.
    pub(super) fn new(
        (source, offset): (&'d Arc<Source>, usize),
        anchor: Range<usize>,
        what: &'static str,
        table: &'d DeTable<'d>,
    ) -> Self {
        let mut rest: Vec<_> =
            table.iter().map(|(key, content)| Value::of_key((source, offset), key, content)).collect();
        rest.sort_by_key(Value::begins_at);
        Self { source, anchor, what, rest, known: Vec::new(), parts: None }
    }

    /// Calls `read` with the value of a key, and with its value in each part.
    pub(super) fn each(
        &mut self,
        key: &'static str,
        faults: &mut Faults,
        read: &mut impl FnMut(&Value<'_>, &mut Faults),
    ) {
        if let Some(value) = self.take(key) {
            read(&value, faults);
        }
        let Some(parts) = self.parts else { return };
        let text = self.source.text();
        for part in &parts.ranges {
            let (table, errors) = DeTable::parse_recoverable(&text[part.clone()]);
            if !errors.is_empty() {
                // `read_document` reports the error.
                parts.are_broken.set(true);
                return;
            }
            let mut table = TomlTable::new((self.source, part.start), 0..0, self.what, table.get_ref());
            if let Some(value) = table.take(key) {
                read(&value, faults);
            }
        }
    }

    /// The place of the whole table.
    pub(super) fn place(&self) -> Place {
        Place { source: self.source.clone(), span: self.anchor.clone() }
    }

    /// Takes the value of a key, if it exists.
    pub(super) fn take(&mut self, key: &'static str) -> Option<Value<'d>> {
        self.known.push(key);
        let position = self.rest.iter().position(|value| value.key == key)?;
        Some(self.rest.remove(position))
    }

    /// Takes the value of a key that must exist. Reports a fault if it is missing.
    pub(super) fn require(&mut self, key: &'static str, faults: &mut Faults) -> Option<Value<'d>> {
        let value = self.take(key);
        if value.is_none() && !self.is_misnamed(key, faults) {
            let message = format!("{} needs `{key}`", self.what);
            faults
                .push(Fault::error(&self.place(), message, format!("`{key}` is missing here")).code(Code::MissingKey));
        }
        value
    }

    /// Reports a key that is probably a wrong name for the missing `key`: a similar name, or another product's name for
    /// it. Returns true if there is one, so that the caller need not report the missing key too.
    pub(super) fn is_misnamed(&mut self, key: &'static str, faults: &mut Faults) -> bool {
        let unknown = || self.rest.iter().map(|value| value.key).filter(|other| !self.known.contains(other));
        let of_others = || unknown().find(|other| meant::key(other, &[key]).is_some());
        let meant = did_you_mean(key, unknown()).or_else(of_others);
        let Some(position) = self.rest.iter().position(|other| meant == Some(other.key)) else { return false };
        let written = self.rest.remove(position);
        let message = format!("{} has no key `{}`", self.what, written.key);
        let fault = Fault::error(&written.anchor(), message, format!("did you mean `{key}`?"));
        faults.push(fault.code(Code::UnknownKey));
        true
    }

    /// Takes all remaining values. For tables whose keys are the operator's own words.
    pub(super) fn into_values(self) -> Vec<Value<'d>> {
        self.rest
    }

    /// The remaining values.
    pub(super) fn rest(&self) -> &[Value<'d>] {
        &self.rest
    }

    /// Reports each of `keys` that exists as not allowed, with the reason.
    pub(super) fn refuse(&mut self, keys: &[&'static str], reason: &str, faults: &mut Faults) {
        let (refused, rest) = std::mem::take(&mut self.rest).into_iter().partition(|value| keys.contains(&value.key));
        self.rest = rest;
        let refused: Vec<Value<'_>> = refused;
        for value in refused {
            let message = format!("`{}` {reason}", value.key);
            faults.push(Fault::error(&value.anchor(), message, "").code(Code::UnknownKey));
        }
    }

    /// Reports every key that no caller asked for.
    pub(super) fn finish(self, faults: &mut Faults) {
        for value in &self.rest {
            let message = format!("{} has no key `{}`", self.what, value.key);
            let meant = did_you_mean(value.key, self.known.iter().copied()).or(meant::key(value.key, &self.known));
            let fault = match meant {
                Some(key) => Fault::error(&value.anchor(), message, format!("did you mean `{key}`?")),
                None => Fault::error(&value.anchor(), message, "unknown key")
                    .help(format!("its keys are {}", list_of(&self.known))),
            };
            faults.push(fault.code(Code::UnknownKey));
        }
    }
}

/// The values of a section whose keys are the operator's own words, such as `[pools]`; empty if the section is missing.
pub(super) fn entries<'d>(section: Option<&Value<'d>>, what: &'static str, faults: &mut Faults) -> Vec<Value<'d>> {
    section.and_then(|section| section.table(what, faults)).map(TomlTable::into_values).unwrap_or_default()
}
