//! One TOML value with its place, and how it is read as each type.

use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeString, DeValue};

use crate::duration::{self, Written};

use super::code::Code;
use super::decode::{Placed, TomlTable};
use super::fault::{Fault, Faults};
use super::meant;
use super::secrets::is_secret;
use super::source::{Place, Source};
use super::suggest::{did_you_mean, list_of};

/// One value of a table or a list.
#[derive(Clone)]
pub(super) struct Value<'d> {
    source: &'d Arc<Source>,
    /// Where the parsed text begins in the source.
    offset: usize,
    /// Its key, or the key of the list that holds it.
    pub(super) key: &'d str,
    /// The place of the whole value: its key, or the value itself in a list.
    anchor: Range<usize>,
    content: &'d Spanned<DeValue<'d>>,
}

impl<'d> Value<'d> {
    /// The value of a key. `offset` is where the parsed text begins in the source.
    pub(super) fn of_key(
        (source, offset): (&'d Arc<Source>, usize),
        key: &'d Spanned<DeString<'d>>,
        content: &'d Spanned<DeValue<'d>>,
    ) -> Self {
        Self { source, offset, key: key.get_ref(), anchor: at(offset, &key.span()), content }
    }

    /// The place of the value.
    pub(super) fn place(&self) -> Place {
        Place { source: self.source.clone(), span: at(self.offset, &self.content.span()) }
    }

    /// The place of its key, or of the value itself in a list.
    pub(super) fn anchor(&self) -> Place {
        Place { source: self.source.clone(), span: self.anchor.clone() }
    }

    /// Where the value begins: the octet of its source.
    pub(super) fn begins_at(&self) -> usize {
        self.anchor.start
    }

    /// Its key, as a name that the operator chose.
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

    /// Reads a string.
    pub(super) fn string(&self, faults: &mut Faults) -> Option<Placed<String>> {
        match self.content.get_ref() {
            DeValue::String(text) => Some(Placed { value: text.clone().into_owned(), place: self.place() }),
            _ => self.misread("a string", self.only_text().map(|text| format!("\"{text}\"")), faults),
        }
    }

    /// The only value of a list, if it is a text. `None` for a secret, because messages must not show it.
    fn only_text(&self) -> Option<&str> {
        match self.content.get_ref() {
            DeValue::Array(items) if items.len() == 1 && !is_secret(self.key) => {
                items[0].get_ref().as_str().filter(|text| !text.contains(['"', '\\']))
            }
            _ => None,
        }
    }

    /// Reads a string with `parse`. `expected` describes the valid texts for the fault.
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
            faults.push(self.bad(&self.place(), expected, String::new()));
        }
        Some(Placed { value: value?, place: self.place() })
    }

    /// Reads one of `words`.
    pub(super) fn word<T: Copy>(&self, words: &[(&'static str, T)], faults: &mut Faults) -> Option<Placed<T>> {
        let known: Vec<&str> = words.iter().map(|&(word, _)| word).collect();
        let number = self.number_of_word(&known, faults)?;
        Some(Placed { value: words[number].1, place: self.place() })
    }

    /// Returns which of `known` the value is.
    fn number_of_word(&self, known: &[&str], faults: &mut Faults) -> Option<usize> {
        let expected = || format!("one of {}", list_of(known));
        let Some(text) = self.content.get_ref().as_str() else { return self.unexpected(&expected(), faults) };
        let number = known.iter().position(|&word| word == text);
        if number.is_none() {
            let label = meant::word(text, known).or_else(|| did_you_mean(text, known.iter().copied()));
            let label = label.map_or_else(|| "not one of them".to_owned(), |word| format!("did you mean `{word}`?"));
            faults.push(self.bad(&self.place(), &expected(), label));
        }
        number
    }

    /// Reads a path. A relative one is relative to the folder of its file.
    pub(super) fn path(&self, faults: &mut Faults) -> Option<Placed<PathBuf>> {
        let text = self.parsed("a path", faults, |text| Some(PathBuf::from(text)))?;
        let folder = self.source.path.parent().unwrap_or(Path::new(""));
        Some(text.with(folder.join(&text.value)))
    }

    /// Reads a whole number in a range.
    pub(super) fn integer<T>(&self, range: RangeInclusive<T>, faults: &mut Faults) -> Option<Placed<T>>
    where
        T: TryFrom<i128> + PartialOrd + std::fmt::Display,
    {
        let number = self.content.get_ref().as_integer();
        let number = number.and_then(|digits| i128::from_str_radix(digits.as_str(), digits.radix()).ok());
        let value = number.and_then(|number| T::try_from(number).ok()).filter(|value| range.contains(value));
        if let Some(value) = value {
            return Some(Placed { value, place: self.place() });
        }
        let fits = |text: &str| {
            let number: Option<i128> = text.parse().ok();
            number.and_then(|number| T::try_from(number).ok()).is_some_and(|value| range.contains(&value))
        };
        let meant = self.text().or(self.float()).and_then(meant::number).filter(|meant| fits(meant));
        let expected = format!("a whole number from {} to {}", range.start(), range.end());
        self.misread(&expected, meant.map(|meant| format!("`{meant}`")), faults)
    }

    /// Reads a number in a range.
    pub(super) fn number(&self, range: RangeInclusive<f64>, faults: &mut Faults) -> Option<Placed<f64>> {
        let number = match self.content.get_ref() {
            DeValue::Float(digits) => digits.as_str().parse().ok(),
            DeValue::Integer(digits) => {
                i64::from_str_radix(digits.as_str(), digits.radix()).ok().map(|whole| whole as f64)
            }
            _ => None,
        };
        if let Some(value) = number.filter(|number| range.contains(number)) {
            return Some(Placed { value, place: self.place() });
        }
        let is_share = *range.start() >= 0.0 && *range.end() <= 1.0;
        let whole = || self.word_or_number().filter(|_| is_share);
        let meant = self.text().or_else(whole).and_then(|text| meant::share(text, |number| range.contains(&number)));
        let expected = format!("a number from {} to {}", range.start(), range.end());
        self.misread(&expected, meant.map(|meant| format!("`{meant}`")), faults)
    }

    /// Reads `true` or `false`.
    pub(super) fn boolean(&self, faults: &mut Faults) -> Option<Placed<bool>> {
        if let Some(value) = self.content.get_ref().as_bool() {
            return Some(Placed { value, place: self.place() });
        }
        let meant = self.text().and_then(meant::boolean);
        self.misread("true or false", meant.map(|meant| format!("`{meant}`")), faults)
    }

    /// The date, the time or both, if the value is of that type.
    pub(super) fn datetime(&self) -> Option<toml::value::Datetime> {
        match self.content.get_ref() {
            DeValue::Datetime(value) => Some(*value),
            _ => None,
        }
    }

    /// Reads a duration such as `"500ms"`, `"5s"`, `"1m"`, `"1h"` or `"1d"`.
    pub(super) fn duration(&self, range: RangeInclusive<Duration>, faults: &mut Faults) -> Option<Placed<Duration>> {
        let (least, most) = (Written(*range.start()), Written(*range.end()));
        let expected = format!("a duration such as \"5s\", from {least} to {most}");
        let text = self.text().filter(|text| !text.is_empty());
        if let Some(value) = text.and_then(duration::parse).filter(|value| range.contains(value)) {
            return Some(Placed { value, place: self.place() });
        }
        let written = self.word_or_number().or(self.float());
        let meant = written.filter(|text| duration::parse(text).is_none()).and_then(meant::duration);
        let fits = |meant: &String| duration::parse(meant).is_some_and(|value| range.contains(&value));
        // A number without a unit that is too large in seconds is probably in milliseconds.
        let in_milliseconds = || meant.as_ref().filter(|_| text.is_none_or(|text| !text.ends_with('s')));
        let in_milliseconds = in_milliseconds().map(|meant| meant.replace('s', "ms")).filter(fits);
        let meant = meant.filter(fits).or(in_milliseconds);
        match meant {
            None if text.is_some() => {
                faults.push(self.bad(&self.place(), &expected, String::new()));
                None
            }
            meant => self.misread(&expected, meant.map(|meant| format!("\"{meant}\"")), faults),
        }
    }

    /// Its text, if it is a string.
    pub(super) fn text(&self) -> Option<&str> {
        self.content.get_ref().as_str()
    }

    /// Its digits, if it is a number with a fraction.
    pub(super) fn float(&self) -> Option<&str> {
        match self.content.get_ref() {
            DeValue::Float(digits) => Some(digits.as_str()),
            _ => None,
        }
    }

    /// Its text if it is a string, or the digits of a whole number.
    pub(super) fn word_or_number(&self) -> Option<&str> {
        self.text().or_else(|| self.content.get_ref().as_integer().map(toml::de::DeInteger::as_str))
    }

    /// Reads the values of a list.
    pub(super) fn list(&self, faults: &mut Faults) -> Option<Vec<Value<'d>>> {
        let DeValue::Array(items) = self.content.get_ref() else {
            let text = self.text().filter(|text| !text.is_empty() && !is_secret(self.key));
            return self.misread("a list", text.map(|text| meant::list(self.key, text)), faults);
        };
        let item = |content: &'d Spanned<DeValue<'d>>| Value {
            source: self.source,
            key: self.key,
            offset: self.offset,
            anchor: at(self.offset, &content.span()),
            content,
        };
        Some(items.iter().map(item).collect())
    }

    /// Reads the values of a list that must not be empty. Reports `needed` if it is.
    pub(super) fn items(&self, needed: &str, faults: &mut Faults) -> Vec<Value<'d>> {
        let Some(items) = self.list(faults) else { return Vec::new() };
        if items.is_empty() {
            faults.push(Fault::error(&self.place(), needed, "none").code(Code::MissingKey));
        }
        items
    }

    /// Reads each value of a list with `read`. Leaves out faulty values.
    pub(super) fn each<T>(
        &self,
        faults: &mut Faults,
        mut read: impl FnMut(&Value<'d>, &mut Faults) -> Option<T>,
    ) -> Vec<T> {
        let items = self.list(faults).unwrap_or_default();
        items.iter().filter_map(|item| read(item, faults)).collect()
    }

    /// Reads a table; `what` is the kind of table for messages.
    pub(super) fn table(&self, what: &'static str, faults: &mut Faults) -> Option<TomlTable<'d>> {
        match self.content.get_ref() {
            DeValue::Table(table) => Some(TomlTable::new((self.source, self.offset), self.anchor.clone(), what, table)),
            _ => self.unexpected("a table", faults),
        }
    }

    /// Reports that the value is not what `expected` describes, and what was probably meant.
    pub(super) fn misread<T>(&self, expected: &str, meant: Option<String>, faults: &mut Faults) -> Option<T> {
        let Some(meant) = meant else { return self.unexpected(expected, faults) };
        faults.push(self.bad(&self.place(), expected, format!("did you mean {meant}?")));
        None
    }

    /// Reports that the value is not what `expected` describes.
    pub(super) fn unexpected<T>(&self, expected: &str, faults: &mut Faults) -> Option<T> {
        faults.push(self.mistake(expected));
        None
    }

    /// Returns the fault that the value is not what `expected` describes.
    fn mistake(&self, expected: &str) -> Fault {
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
        // The range of a table can be its whole section.
        let place = if self.is_table() { self.anchor() } else { self.place() };
        self.bad(&place, expected, found)
    }

    /// Returns the fault that the value at `place` is not what `expected` describes, with a label for it.
    fn bad(&self, place: &Place, expected: &str, label: String) -> Fault {
        Fault::error(place, format!("`{}` takes {expected}", self.key), label).code(Code::BadValue)
    }
}

/// Octets of a parsed text, as octets of the source.
fn at(offset: usize, span: &Range<usize>) -> Range<usize> {
    offset + span.start..offset + span.end
}
