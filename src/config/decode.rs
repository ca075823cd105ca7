//! Reads TOML tables key by key, every value with its place.
//!
//! serde's data model loses the places of values and stops at the first fault. A [`Table`] hands out its values by key, a
//! [`Value`] turns into a type or tells a fault and becomes `None`, and [`Table::finish`] tells of every key that nobody
//! asked for. So one run finds all there is to find, and no key is ever ignored.

use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::code::Code;
use super::fault::{Fault, Faults};
use super::secrets::is_secret;
use super::source::{Place, Source};
use super::suggest::{did_you_mean, list_of};

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Placed<T> {
    pub(super) value: T,
    pub(super) place: Place,
}

impl<T> Placed<T> {
    /// Another value for the same place.
    pub(super) fn with<U>(&self, value: U) -> Placed<U> {
        Placed { value, place: self.place.clone() }
    }
}

/// Reads a whole file. If its syntax is broken, only that is told: what a recovering parser makes of the rest would be
/// blamed for what the operator never wrote.
pub(super) fn read_document<T>(
    source: &Arc<Source>,
    what: &'static str,
    faults: &mut Faults,
    read: impl FnOnce(Table<'_>, &mut Faults) -> T,
) -> Option<T> {
    let (table, errors) = DeTable::parse_recoverable(&source.text);
    for error in &errors {
        let end = source.text.len();
        let place = Place { source: source.clone(), span: error.span().unwrap_or(end..end) };
        faults.push(Fault::error(&place, format!("this is not TOML: {}", error.message()), "").code(Code::Syntax));
    }
    errors.is_empty().then(|| read(Table::new(source, 0..0, what, table.get_ref()), faults))
}

/// A table whose keys are taken one by one.
pub(super) struct Table<'d> {
    source: &'d Arc<Source>,
    /// Where to point when the whole table is meant: its key.
    anchor: Range<usize>,
    /// "a monitor".
    what: &'static str,
    /// What has not been taken yet, in the order of the file.
    rest: Vec<Value<'d>>,
    /// The keys that were asked for.
    known: Vec<&'static str>,
}

impl<'d> Table<'d> {
    fn new(source: &'d Arc<Source>, anchor: Range<usize>, what: &'static str, table: &'d DeTable<'d>) -> Self {
        let mut rest: Vec<_> = table
            .iter()
            .map(|(key, content)| Value { source, key: key.get_ref(), anchor: key.span(), content })
            .collect();
        rest.sort_by_key(|value| value.anchor.start);
        Self { source, anchor, what, rest, known: Vec::new() }
    }

    /// Where to point when the whole table is meant.
    pub(super) fn place(&self) -> Place {
        Place { source: self.source.clone(), span: self.anchor.clone() }
    }

    /// The value of a key, if it is there.
    pub(super) fn take(&mut self, key: &'static str) -> Option<Value<'d>> {
        self.known.push(key);
        let position = self.rest.iter().position(|value| value.key == key)?;
        Some(self.rest.remove(position))
    }

    /// The value of a key that has to be there.
    pub(super) fn require(&mut self, key: &'static str, faults: &mut Faults) -> Option<Value<'d>> {
        let value = self.take(key);
        if value.is_none() {
            let message = format!("{} needs `{key}`", self.what);
            faults
                .push(Fault::error(&self.place(), message, format!("`{key}` is missing here")).code(Code::MissingKey));
        }
        value
    }

    /// All that is left, for tables whose keys are the operator's own words.
    pub(super) fn into_values(self) -> Vec<Value<'d>> {
        self.rest
    }

    /// What is left, without taking it.
    pub(super) fn rest(&self) -> &[Value<'d>] {
        &self.rest
    }

    /// Refuses `keys` if they are there, each with the reason.
    pub(super) fn refuse(&mut self, keys: &[&'static str], reason: &str, faults: &mut Faults) {
        let (refused, rest) = std::mem::take(&mut self.rest).into_iter().partition(|value| keys.contains(&value.key));
        self.rest = rest;
        let refused: Vec<Value<'_>> = refused;
        for value in refused {
            let message = format!("`{}` {reason}", value.key);
            faults.push(Fault::error(&value.anchor(), message, "").code(Code::UnknownKey));
        }
    }

    /// Tells of every key that nobody asked for.
    pub(super) fn finish(self, faults: &mut Faults) {
        for value in &self.rest {
            let message = format!("{} has no key `{}`", self.what, value.key);
            let fault = match did_you_mean(value.key, self.known.iter().copied()) {
                Some(key) => Fault::error(&value.anchor(), message, format!("did you mean `{key}`?")),
                None => Fault::error(&value.anchor(), message, "unknown key")
                    .help(format!("its keys are {}", list_of(&self.known))),
            };
            faults.push(fault.code(Code::UnknownKey));
        }
    }
}

/// What stands in a section whose keys are the operator's own words, such as `[pools]`; nothing if it is absent.
pub(super) fn entries<'d>(section: Option<&Value<'d>>, what: &'static str, faults: &mut Faults) -> Vec<Value<'d>> {
    section.and_then(|section| section.table(what, faults)).map(Table::into_values).unwrap_or_default()
}

/// One value of a table or a list.
#[derive(Clone)]
pub(super) struct Value<'d> {
    source: &'d Arc<Source>,
    /// The key it has, or that its list has.
    pub(super) key: &'d str,
    /// Where to point when all of it is meant: its key, or itself in a list.
    anchor: Range<usize>,
    content: &'d Spanned<DeValue<'d>>,
}

impl<'d> Value<'d> {
    /// Where it stands.
    pub(super) fn place(&self) -> Place {
        Place { source: self.source.clone(), span: self.content.span() }
    }

    /// Where its key stands, or itself in a list.
    pub(super) fn anchor(&self) -> Place {
        Place { source: self.source.clone(), span: self.anchor.clone() }
    }

    /// Its key as a name that the operator chose.
    pub(super) fn name(&self) -> Placed<String> {
        Placed { value: self.key.to_owned(), place: self.anchor() }
    }

    pub(super) fn is_string(&self) -> bool {
        self.content.get_ref().is_str()
    }

    pub(super) fn is_table(&self) -> bool {
        self.content.get_ref().is_table()
    }

    pub(super) fn is_list(&self) -> bool {
        self.content.get_ref().is_array()
    }

    /// A string.
    pub(super) fn string(&self, faults: &mut Faults) -> Option<Placed<String>> {
        match self.content.get_ref() {
            DeValue::String(text) => Some(Placed { value: text.clone().into_owned(), place: self.place() }),
            _ => self.unexpected("a string", faults),
        }
    }

    /// A string that `parse` understands; `expected` says which ones it does.
    pub(super) fn parsed<T>(
        &self,
        expected: &str,
        faults: &mut Faults,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<Placed<T>> {
        let Some(text) = self.content.get_ref().as_str().filter(|text| !text.is_empty()) else {
            return self.unexpected(expected, faults);
        };
        let value = parse(text);
        if value.is_none() {
            faults
                .push(Fault::error(&self.place(), format!("`{}` takes {expected}", self.key), "").code(Code::BadValue));
        }
        Some(Placed { value: value?, place: self.place() })
    }

    /// One of `words`.
    pub(super) fn word<T: Copy>(&self, words: &[(&'static str, T)], faults: &mut Faults) -> Option<Placed<T>> {
        let known: Vec<&str> = words.iter().map(|&(word, _)| word).collect();
        let Some(text) = self.content.get_ref().as_str() else {
            return self.unexpected(&format!("one of {}", list_of(&known)), faults);
        };
        if let Some(&(_, value)) = words.iter().find(|&&(word, _)| word == text) {
            return Some(Placed { value, place: self.place() });
        }
        let message = format!("`{}` takes one of {}", self.key, list_of(&known));
        let label = did_you_mean(text, known.iter().copied());
        let label = label.map_or_else(|| "not one of them".to_owned(), |word| format!("did you mean `{word}`?"));
        faults.push(Fault::error(&self.place(), message, label).code(Code::BadValue));
        None
    }

    /// A path; a relative one continues the folder of the file that it stands in.
    pub(super) fn path(&self, faults: &mut Faults) -> Option<Placed<PathBuf>> {
        let text = self.parsed("a path", faults, |text| Some(PathBuf::from(text)))?;
        let folder = self.source.path.parent().unwrap_or(Path::new(""));
        Some(text.with(folder.join(&text.value)))
    }

    /// A whole number in a range.
    pub(super) fn integer<T>(&self, range: RangeInclusive<T>, faults: &mut Faults) -> Option<Placed<T>>
    where
        T: TryFrom<i128> + PartialOrd + std::fmt::Display,
    {
        let number = self.content.get_ref().as_integer();
        let number = number.and_then(|digits| i128::from_str_radix(digits.as_str(), digits.radix()).ok());
        match number.and_then(|number| T::try_from(number).ok()).filter(|value| range.contains(value)) {
            Some(value) => Some(Placed { value, place: self.place() }),
            None => self.unexpected(&format!("a whole number from {} to {}", range.start(), range.end()), faults),
        }
    }

    /// A number in a range.
    pub(super) fn number(&self, range: RangeInclusive<f64>, faults: &mut Faults) -> Option<Placed<f64>> {
        let number = match self.content.get_ref() {
            DeValue::Float(digits) => digits.as_str().parse().ok(),
            DeValue::Integer(digits) => {
                i64::from_str_radix(digits.as_str(), digits.radix()).ok().map(|whole| whole as f64)
            }
            _ => None,
        };
        match number.filter(|number| range.contains(number)) {
            Some(value) => Some(Placed { value, place: self.place() }),
            None => self.unexpected(&format!("a number from {} to {}", range.start(), range.end()), faults),
        }
    }

    /// `true` or `false`.
    pub(super) fn boolean(&self, faults: &mut Faults) -> Option<Placed<bool>> {
        match self.content.get_ref().as_bool() {
            Some(value) => Some(Placed { value, place: self.place() }),
            None => self.unexpected("true or false", faults),
        }
    }

    /// A date, a time or both, if one stands there.
    pub(super) fn datetime(&self) -> Option<toml::value::Datetime> {
        match self.content.get_ref() {
            DeValue::Datetime(value) => Some(*value),
            _ => None,
        }
    }

    /// A duration such as `"500ms"`, `"5s"`, `"1m"`, `"1h"` or `"1d"`.
    pub(super) fn duration(&self, range: RangeInclusive<Duration>, faults: &mut Faults) -> Option<Placed<Duration>> {
        let expected = format!("a duration such as \"5s\", from {:?} to {:?}", range.start(), range.end());
        self.parsed(&expected, faults, |text| parse_duration(text).filter(|value| range.contains(value)))
    }

    /// The values of a list.
    pub(super) fn list(&self, faults: &mut Faults) -> Option<Vec<Value<'d>>> {
        let DeValue::Array(items) = self.content.get_ref() else {
            return self.unexpected("a list", faults);
        };
        let item = |content: &'d Spanned<DeValue<'d>>| Value {
            source: self.source,
            key: self.key,
            anchor: content.span(),
            content,
        };
        Some(items.iter().map(item).collect())
    }

    /// The values of a list that is not empty; `needed` is told if it is.
    pub(super) fn items(&self, needed: &str, faults: &mut Faults) -> Vec<Value<'d>> {
        let Some(items) = self.list(faults) else { return Vec::new() };
        if items.is_empty() {
            faults.push(Fault::error(&self.place(), needed, "none"));
        }
        items
    }

    /// Each of a list's values as `read` has it; those that are faulty are left out.
    pub(super) fn each<T>(
        &self,
        faults: &mut Faults,
        mut read: impl FnMut(&Value<'d>, &mut Faults) -> Option<T>,
    ) -> Vec<T> {
        let items = self.list(faults).unwrap_or_default();
        items.iter().filter_map(|item| read(item, faults)).collect()
    }

    /// A table; `what` says of what kind.
    pub(super) fn table(&self, what: &'static str, faults: &mut Faults) -> Option<Table<'d>> {
        match self.content.get_ref() {
            DeValue::Table(table) => Some(Table::new(self.source, self.anchor.clone(), what, table)),
            _ => self.unexpected("a table", faults),
        }
    }

    /// Tells that something else than `expected` stands here.
    pub(super) fn unexpected<T>(&self, expected: &str, faults: &mut Faults) -> Option<T> {
        let found = match self.content.get_ref() {
            DeValue::Integer(_) | DeValue::Float(_) if is_secret(self.key) => "a number".to_owned(),
            DeValue::String(text) if text.is_empty() => "an empty string".to_owned(),
            DeValue::String(_) => "a string".to_owned(),
            DeValue::Integer(digits) => digits.to_string(),
            DeValue::Float(digits) => digits.to_string(),
            DeValue::Boolean(value) => value.to_string(),
            DeValue::Datetime(_) => "a date or time".to_owned(),
            DeValue::Array(_) => "a list".to_owned(),
            DeValue::Table(_) => "a table".to_owned(),
        };
        // A table's own span may be the whole of its section.
        let place = if self.is_table() { self.anchor() } else { self.place() };
        faults.push(Fault::error(&place, format!("`{}` takes {expected}", self.key), found).code(Code::BadValue));
        None
    }
}

/// Digits and a unit, nothing between: `500ms`, `5s`, `1m` or `1h`.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => number.checked_mul(60).map(Duration::from_secs),
        "h" => number.checked_mul(3600).map(Duration::from_secs),
        "d" => number.checked_mul(86_400).map(Duration::from_secs),
        _ => None,
    }
}
