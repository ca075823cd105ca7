//! The manual pages of section 5, about the TOML files, made from their schemas.
//!
//! A key with a simple value is an entry. A table, a list of tables or a set of named tables is a section of its own,
//! after the section of the table that contains it.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt::Write;
use std::path::Path;
use std::{fs, io};

use serde_json::Value;

use super::super::schema;

/// The pages: file name, title, description of the TOML file, and its schema.
const PAGES: [(&str, &str, &str, &str); 2] = [
    ("truenorth.toml.5", "truenorth.toml", "the server file of truenorth", schema::SERVER),
    ("truenorth-zone.5", "truenorth-zone", "the zone files of truenorth, zones/NAME.toml", schema::ZONE),
];

/// Parts of the patterns of texts, and the words for such texts.
const TEXTS: [(&str, &str); 4] = [
    ("(ms|s|m|h|d)$", "a duration such as \"5s\""),
    ("[Tt ][0-9]{2}:", "a time with an offset"),
    ("]):[0-9]{1,5}$", "an address with a port"),
    ("[Hh][Tt][Tt][Pp]", "a URL"),
];

/// Writes the pages into a folder.
pub(super) fn write_to(folder: &Path) -> io::Result<()> {
    for (file, title, what, schema) in PAGES {
        let schema: Value = serde_json::from_str(schema)?;
        fs::write(folder.join(file), page(title, what, &schema))?;
    }
    Ok(())
}

fn page(title: &str, what: &str, schema: &Value) -> String {
    let mut page = Page { root: schema, out: String::new(), sections: VecDeque::new(), headings: HashMap::new() };
    let version = env!("CARGO_PKG_VERSION");
    page.line(&format!(".TH {title} 5 \"\" \"truenorth {version}\" \"File formats\""));
    page.line(".SH NAME");
    page.text(&format!("{title} - {what}"));
    page.line(".SH DESCRIPTION");
    page.text(description(schema));
    page.text(
        "The file is TOML. An unknown key is an error. `truenorth check` finds mistakes and says where they are.",
    );
    page.line(".SH KEYS");
    page.keys("", schema);
    while let Some((heading, table)) = page.sections.pop_front() {
        page.line(&format!(".SS {}", quoted(&heading)));
        page.text(description(table));
        page.keys(&heading, table);
    }
    page.line(".SH SEE ALSO");
    page.line(".BR truenorth (1),");
    page.line(".BR truenorth\\-check (1),");
    let other = PAGES.iter().map(|(_, other, ..)| *other).find(|other| *other != title).unwrap_or_default();
    page.line(&format!(".BR {} (5)", escaped(other)));
    page.out
}

/// A page that is being written.
struct Page<'a> {
    root: &'a Value,
    out: String,
    /// Tables that are not written yet, with their headings.
    sections: VecDeque<(String, &'a Value)>,
    /// All tables so far, by their headings.
    headings: HashMap<String, &'a Value>,
}

impl<'a> Page<'a> {
    fn line(&mut self, line: &str) {
        let _ = writeln!(self.out, "{line}");
    }

    /// Writes a paragraph.
    fn text(&mut self, text: &str) {
        if !text.is_empty() {
            self.line(".PP");
            self.line(&escaped(text));
        }
    }

    /// Writes the keys of a table, and queues the tables in it. The branches of a choice are sections of their own, unless
    /// they only say which of the table's keys are required.
    fn keys(&mut self, heading: &str, table: &'a Value) {
        let mut inner = Vec::new();
        let own = table.get("properties").and_then(Value::as_object);
        let has_more = |branch: &&Value| {
            let keys = branch.get("properties").and_then(Value::as_object);
            keys.is_some_and(|keys| keys.keys().any(|key| own.is_none_or(|own| !own.contains_key(key))))
        };
        for branch in self.branches(table).into_iter().filter(has_more) {
            let kind = branch.pointer("/properties/type/enum/0").and_then(Value::as_str);
            let of = kind.map_or_else(|| lower(description(branch)), |kind| format!("type = \"{kind}\""));
            inner.push((format!("{heading}, {of}"), branch));
        }
        if inner.is_empty() {
            for (key, value) in own.into_iter().flatten() {
                let is_needed =
                    table["required"].as_array().is_some_and(|needed| needed.contains(&Value::from(&**key)));
                inner.extend(self.key(heading, key, self.resolved(value), is_needed));
            }
            // In addition to the keys of the schema, there may be tables whose names the operator chooses.
            inner.extend(self.named(table).map(|named| (format!("[{}]", path(heading, "NAME")), named)));
        }
        for section in inner.into_iter().rev() {
            if self.headings.insert(section.0.clone(), section.1).is_none() {
                self.sections.push_front(section);
            }
        }
    }

    /// Writes a key. Returns the table that it holds, with its heading.
    fn key(&mut self, heading: &str, key: &str, value: &'a Value, is_needed: bool) -> Option<(String, &'a Value)> {
        if let Some((mut inner, table)) = self.table_in(heading, key, value) {
            // Two branches of a choice may have different tables with the same path.
            if self.headings.get(&inner).is_some_and(|other| !std::ptr::eq(*other, table))
                && let Some((_, branch)) = heading.split_once(", ")
            {
                let _ = write!(inner, ", {branch}");
            }
            self.entry(key, &format!("see {inner}"), description(value));
            return Some((inner, table));
        }
        let nested =
            self.nested(value).map(|table| (format!("{}, {}", path(heading, key), lower(description(table))), table));
        let mut kind = self.kind(value);
        if let Some((inner, _)) = &nested {
            let _ = write!(kind, ": see {inner}");
        }
        if is_needed {
            kind.push_str(", required");
        }
        if let Some(default) = value.get("default") {
            let _ = write!(kind, ", by default {default}");
        }
        self.entry(key, &kind, description(value));
        nested
    }

    fn entry(&mut self, key: &str, kind: &str, description: &str) {
        self.line(".TP");
        self.line(&format!("\\fB{}\\fR = {}", escaped(key), escaped(kind)));
        self.line(&escaped(description));
    }

    /// The table that a value of a key holds, with its heading.
    fn table_in(&self, heading: &str, key: &str, value: &'a Value) -> Option<(String, &'a Value)> {
        let path = path(heading, key);
        if self.has_keys(value) {
            return Some((format!("[{path}]"), value));
        }
        if let Some(item) = value.get("items").map(|item| self.resolved(item)).filter(|item| self.has_keys(item)) {
            return Some((format!("[[{path}]]"), item));
        }
        self.named(value).map(|named| (format!("[{path}.NAME]"), named))
    }

    /// The table that each name of a set has.
    fn named(&self, value: &'a Value) -> Option<&'a Value> {
        let named = value.get("additionalProperties").filter(|named| named.is_object())?;
        Some(self.resolved(named)).filter(|named| self.has_keys(named))
    }

    /// The first table somewhere within a value, such as in a list of lists.
    fn nested(&self, value: &'a Value) -> Option<&'a Value> {
        let value = self.resolved(value);
        if value.get("properties").is_some() {
            return Some(value);
        }
        let within = ["items", "additionalProperties"].into_iter().filter_map(|key| value.get(key));
        self.branches(value).into_iter().chain(within).find_map(|inner| self.nested(inner))
    }

    /// True for a table with keys, or a choice of such tables.
    fn has_keys(&self, value: &'a Value) -> bool {
        value.get("properties").is_some()
            || self.branches(value).iter().any(|branch| branch.get("properties").is_some())
    }

    /// The branches of a choice.
    fn branches(&self, value: &'a Value) -> Vec<&'a Value> {
        let choice = value.get("anyOf").or(value.get("oneOf")).and_then(Value::as_array);
        choice.into_iter().flatten().map(|branch| self.resolved(branch)).collect()
    }

    /// Follows a reference.
    fn resolved(&self, value: &'a Value) -> &'a Value {
        let target = value.get("$ref").and_then(Value::as_str);
        let target = target.and_then(|target| self.root.pointer(target.trim_start_matches('#')));
        target.unwrap_or(value)
    }

    /// Returns the kind of a value in words, such as "text".
    fn kind(&self, value: &'a Value) -> String {
        let value = self.resolved(value);
        if let Some(words) = value.get("enum").and_then(Value::as_array) {
            return one_of(words.iter().map(ToString::to_string).collect());
        }
        let branches = self.branches(value);
        if !branches.is_empty() {
            return one_of(branches.into_iter().map(|branch| self.kind(branch)).collect());
        }
        match value.get("type").and_then(Value::as_str) {
            Some("boolean") => "true or false".to_owned(),
            Some("integer") => format!("a whole number{}", bounds(value)),
            Some("number") => format!("a number{}", bounds(value)),
            Some("array") => match value.get("items") {
                Some(item) => format!("a list, each item {}", self.kind(item)),
                None => "a list".to_owned(),
            },
            Some("object") => "a table".to_owned(),
            _ => {
                let pattern = value.get("pattern").and_then(Value::as_str).unwrap_or_default();
                TEXTS.iter().find(|(part, _)| pattern.contains(part)).map_or("a string", |(_, text)| text).to_owned()
            }
        }
    }
}

/// The path of a key in the table with this heading.
fn path(heading: &str, key: &str) -> String {
    let outer = heading.split(',').next().unwrap_or_default().trim_matches(['[', ']']);
    if outer.is_empty() { key.to_owned() } else { format!("{outer}.{key}") }
}

fn description(value: &Value) -> &str {
    value.get("description").and_then(Value::as_str).unwrap_or_default()
}

fn bounds(value: &Value) -> String {
    match (value.get("minimum"), value.get("maximum")) {
        (Some(least), Some(most)) => format!(" from {least} to {most}"),
        (Some(least), None) => format!(" from {least} on"),
        (None, Some(most)) => format!(" up to {most}"),
        (None, None) => String::new(),
    }
}

/// Joins different words with commas and `or`.
fn one_of(mut words: Vec<String>) -> String {
    let mut seen = HashSet::new();
    words.retain(|word| seen.insert(word.clone()));
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        Some((last, _)) => last.clone(),
        None => String::new(),
    }
}

/// Returns a sentence for use within another one: with a small first letter, and without the full stop.
fn lower(text: &str) -> String {
    let text = text.trim_end_matches('.');
    let first = text.chars().next().map(|first| first.to_lowercase().to_string()).unwrap_or_default();
    first + text.get(text.chars().next().map_or(0, char::len_utf8)..).unwrap_or_default()
}

/// Escapes text, so that roff finds no request and no escape in it.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\(rs").replace('-', "\\-").replace('`', "\\(ga").replace('\'', "\\(aq");
    if text.starts_with('.') { format!("\\&{text}") } else { text }
}

/// Returns text as one argument of a roff request.
fn quoted(text: &str) -> String {
    format!("\"{}\"", escaped(text).replace('"', "\\(dq"))
}
