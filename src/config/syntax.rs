//! Reports faults of TOML's syntax: the text that the parser could not read, and what was probably meant.
//!
//! The parser gives the place where it stopped. The line around that place shows more: a value without quotes, a header
//! whose name needs quotes, a colon in place of the equals sign. The message describes that mistake in the words of the
//! file.

mod kinds;
mod mended;

use std::ops::Range;
use std::sync::Arc;

use toml::de::Error;

use super::code::Code;
use super::fault::Fault;
use super::meant;
use super::source::{Place, Source};
use kinds::Kind;
use mended::Mend;
pub(super) use mended::{Broken, Mended};

/// Tables whose entries have names of any kind: the rest of the header is one name.
const NAMED: &[&str] = &["names", "records", "nameservers"];

/// Quotes that word processors write in place of TOML's.
const TYPOGRAPHIC: &[char] = &['“', '”', '„', '‘', '’', '«', '»', '`', '´'];

/// Returns the faults for the errors of the TOML parser. Leaves out errors that follow from an earlier one: a second
/// error in the same line, errors in a table that is given twice, and errors after a part that is never closed.
pub(super) fn faults(source: &Arc<Source>, errors: &[Error]) -> Vec<Broken> {
    let mut faults = Vec::new();
    let (mut told_line, mut doubled) = (None, 0..0);
    let text = source.text();
    let end = text.len();
    let mut errors: Vec<_> = errors.iter().map(|error| (error.span().unwrap_or(end..end), error)).collect();
    errors.sort_by_key(|(span, _)| span.start);
    for (span, error) in errors {
        let line = source.line_number(span.start);
        if told_line.replace(line) == Some(line) || doubled.contains(&span.start) {
            continue;
        }
        let place = Place { source: source.clone(), span };
        if error.message() == "duplicate key" {
            let body = place.first_line().0.end;
            doubled = body..text[body..].find("\n[").map_or(end, |length| body + length);
            faults.push(without_mend(duplicate(&place)));
            continue;
        }
        let Some(broken) = Line::around(&place, &text).explain(error.message()) else {
            faults.push(without_mend(fault(&place, in_our_words(error.message()))));
            break;
        };
        faults.push(broken);
    }
    faults
}

/// Returns a message of the parser in words that do not need the grammar of TOML.
fn in_our_words(message: &str) -> &str {
    const WORDS: [(&str, &str); 9] = [
        ("invalid basic string, expected `\"`", "a text in `\"` is not closed in its line"),
        ("invalid literal string, expected `'`", "a text in `'` is not closed in its line"),
        ("unclosed array", "a list is not closed: its `]` is missing"),
        ("missing comma between array elements", "a list is not closed, or a comma is missing in it"),
        ("missing key for inline table", "a table in braces is not closed in its line, or a comma is missing in it"),
        ("missing comma between key-value", "a table in braces is not closed in its line, or a comma is missing in it"),
        ("missing escaped value", "this is no escape: write a backslash as `\\\\`, or put the text in `'`"),
        ("unexpected key or value", "something follows the value in its line"),
        ("key with no value", "a key has no `=` and no value"),
    ];
    WORDS.iter().find(|(theirs, _)| message.starts_with(theirs)).map_or(message, |(_, ours)| ours)
}

fn without_mend(fault: Fault) -> Broken {
    Broken { fault, mend: None }
}

fn fault(place: &Place, message: &str) -> Fault {
    Fault::error(place, format!("this is not TOML: {message}"), "").code(Code::Syntax)
}

/// The fault for a duplicate table or key, of which the parser knows only one of the two places.
fn duplicate(place: &Place) -> Fault {
    let text = place.source.text();
    let (line, marked) = place.first_line();
    let is_header = text[line.clone()].trim_start().starts_with('[');
    // The header of a table, or a key up to its equals sign.
    let head = |line: &str| {
        let line = line.trim();
        let end = if is_header { line.find(']').map(|at| at + 1) } else { line.find('=') };
        line[..end.unwrap_or(line.len())].trim().to_owned()
    };
    let wanted = head(&text[line.clone()]);
    let table = if is_header { 0 } else { text[..line.start].rfind("\n[").unwrap_or(0) };
    let mut at = table;
    let first = text[table..line.start].split_inclusive('\n').find_map(|line| {
        let start = at + (line.len() - line.trim_start().len());
        at += line.len();
        (head(line) == wanted).then(|| Place { source: place.source.clone(), span: start..start + wanted.len() })
    });
    let what = if is_header { wanted.clone() } else { text[marked].to_owned() };
    let fault = Fault::error(place, format!("`{what}` is given twice"), "again").code(Code::Duplicate);
    match first {
        Some(first) => {
            fault.related(&first, "first here").help("TOML has each table and each key once: put both together")
        }
        None => fault,
    }
}

/// The line that the parser could not read.
struct Line<'a> {
    source: &'a Arc<Source>,
    /// The octets of the line in the file.
    range: Range<usize>,
    text: &'a str,
    /// The octet in the line at which the parser stopped.
    at: usize,
}

/// A value in a line, or the text in the place of a value.
struct Written<'a> {
    /// Its key; `None` in a list that began in an earlier line.
    key: Option<&'a str>,
    /// True for an item of a list.
    is_item: bool,
    /// Its octets in the line.
    range: Range<usize>,
}

impl<'a> Line<'a> {
    /// Returns the line of a place in a file with this text.
    fn around(place: &'a Place, text: &'a str) -> Self {
        let (range, marked) = place.first_line();
        let text = &text[range.clone()];
        Self { source: &place.source, text, at: (marked.start - range.start).min(text.len()), range }
    }

    fn place(&self, range: Range<usize>) -> Place {
        Place { source: self.source.clone(), span: self.range.start + range.start..self.range.start + range.end }
    }

    /// Returns the fault with the probable meaning. Returns `None` if the line does not show it, or if the mistake
    /// makes the rest of the file unreadable.
    fn explain(&self, message: &str) -> Option<Broken> {
        let is_header = self.text.trim_start().starts_with('[')
            && self.text.trim_start_matches(['[', ' ', '\t']).starts_with(|c: char| c.is_ascii_alphabetic());
        if is_header {
            return self.explain_header();
        }
        if message.contains("missing comma") {
            return None;
        }
        self.explain_comma().or_else(|| self.explain_equals()).or_else(|| self.explain_value())
    }

    /// `latitude = 50,11` and `max_keys = 1,000`: a number as people write it. TOML takes the comma for the end of the value.
    fn explain_comma(&self) -> Option<Broken> {
        let line = without_comment(self.text);
        let is_digit = |c: char| c.is_ascii_digit();
        // The parser stops at the comma, or somewhere up to the next one.
        let in_number = |comma: &usize| line[..*comma].ends_with(is_digit) && line[comma + 1..].starts_with(is_digit);
        let commas = line.match_indices(',').map(|(at, _)| at).take_while(|comma| *comma <= self.at);
        let comma = commas.filter(in_number).last()?;
        let end = comma + 1 + line[comma + 1..].find(|c| !is_digit(c)).unwrap_or(line.len() - comma - 1);
        let before = line[..comma].trim_end_matches(is_digit);
        let before = before.strip_suffix('-').unwrap_or(before);
        let (whole, rest) = (&line[before.len()..comma], &line[comma + 1..end]);
        if line.get(end..self.at).is_some_and(|behind| !behind.trim_matches([',', ' ', '\t']).is_empty()) {
            return None;
        }
        let key = before.trim_end().strip_suffix('=')?.trim_end();
        let key = &key[key.rfind(['{', ',', ' ']).map_or(0, |at| at + 1)..];
        let meant = match kinds::of(key) {
            Some(Kind::Number) if rest.len() == 3 => format!("{whole}{rest}"),
            Some(_) => return None,
            None => format!("{whole}.{rest}"),
        };
        let range = before.len()..end;
        let fault = self.with_help(
            fault(&self.place(range.clone()), "a number is written with a decimal point, and without commas"),
            range.clone(),
            &format!("{key} = {meant}"),
        );
        Some(Broken { fault, mend: Some(Mend { range: self.place(range).span, meant, is_value: true }) })
    }

    /// `[names.*.apps]`: a name that needs quotes, or a missing bracket.
    fn explain_header(&self) -> Option<Broken> {
        let header = without_comment(self.text).trim();
        let opening = if header.starts_with("[[") { "[[" } else { "[" };
        let closing = &"]]"[..opening.len()];
        let inner = header[opening.len()..].trim_end_matches(']').trim();
        let (table, name) = inner.split_once('.').unwrap_or((inner, ""));
        let is_bare =
            |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
        let parts = if NAMED.contains(&table.trim()) { vec![name] } else { name.split('.').collect() };
        let parts = parts.into_iter().map(|part| {
            let part = part.trim().trim_matches(|c| c == '"' || c == '\'' || TYPOGRAPHIC.contains(&c));
            if is_bare(part) { part.to_owned() } else { format!("\"{part}\"") }
        });
        let meant = format!("{opening}{}.{}{closing}", table.trim(), parts.collect::<Vec<_>>().join("."));
        if !is_bare(table.trim()) || name.is_empty() || meant == header || name.contains(['\\', '=']) {
            return None;
        }
        let start = self.text.len() - self.text.trim_start().len();
        let message = if header.ends_with(closing) {
            "a name with other characters than letters, digits, `-` and `_` is in quotes"
        } else {
            "this header is not closed"
        };
        let place = self.place(start..start + header.len());
        let fault = fault(&place, message).help(format!("write `{meant}`"));
        Some(Broken { fault, mend: Some(Mend { range: place.span, meant, is_value: false }) })
    }

    /// `type : "http"`, `type "http"` and `type == "http"`: a key without one equals sign.
    fn explain_equals(&self) -> Option<Broken> {
        let line = without_comment(self.text).trim_end();
        let start = line[..self.at.min(line.len())].rfind(['{', ',']).map_or(0, |at| at + 1);
        let rest = line[start..].trim_start();
        let key_end = rest.find(|c: char| !c.is_ascii_alphanumeric() && !"-_.".contains(c)).filter(|&end| end > 0)?;
        let (key, rest) = (&rest[..key_end], rest[key_end..].trim_start());
        let value = match rest.strip_prefix(':').or_else(|| rest.strip_prefix("==")).or_else(|| rest.strip_prefix("=>"))
        {
            Some(value) => value,
            None if rest.starts_with(['"', '\'', '[', '{']) => rest,
            None => return None,
        };
        let value = value.split([',', '}']).next().filter(|_| start > 0).unwrap_or(value).trim();
        let meant =
            if value.starts_with(['"', '\'', '[', '{']) { value.to_owned() } else { meant_value(key, value, false)? };
        let begins = self.text.len() - self.text[start..].trim_start().len();
        let begins = if start == 0 { begins } else { start + (line[start..].len() - line[start..].trim_start().len()) };
        let fault = fault(&self.place(begins..begins + key.len()), "between a key and its value is one `=`");
        let meant = format!("{key} = {meant}");
        // In a table in braces, other entries follow in the line.
        let mend = || Mend { range: self.place(begins..line.len()).span, meant: meant.clone(), is_value: true };
        let mend = (start == 0).then(mend);
        Some(Broken { fault: self.with_help(fault, begins..line.len(), &meant), mend })
    }

    /// A value that is not one: text without quotes, or something behind the value.
    fn explain_value(&self) -> Option<Broken> {
        let Written { key, is_item, range } = self.value()?;
        let raw = &self.text[range.clone()];
        let name = key.unwrap_or_default();
        let place = self.place(range.clone());
        let meant = |value: &str| match key {
            Some(key) if !is_item => format!("{key} = {value}"),
            _ => value.to_owned(),
        };
        if raw.is_empty() {
            let fault = |key| fault(&self.place(self.at..self.at), &format!("`{key}` has no value"));
            return key.map(|key| without_mend(fault(key)));
        }
        if let Some(quote) = raw.chars().next().filter(|c| "\"'".contains(*c)) {
            let end = 1 + raw[1..].find(quote)? + 1;
            let (value, behind) = (&raw[..end], raw[end..].trim());
            let message = match behind {
                ";" | "," => format!("a line ends with its value, without `{behind}`"),
                _ if behind.starts_with("//") || behind.starts_with("--") || behind.starts_with(';') => {
                    "a comment begins with `#`".to_owned()
                }
                _ => return None,
            };
            let surplus = self.place(range.start + raw.len() - behind.len()..range.end);
            let fault = self.with_help(fault(&surplus, &message), range, &meant(value));
            return Some(Broken {
                fault,
                mend: Some(Mend { range: place.span, meant: value.to_owned(), is_value: true }),
            });
        }
        if raw.starts_with(['[', '{', '=']) {
            return None;
        }
        let value = meant_value(name, raw, is_item)?;
        let message = match value.as_bytes()[0] {
            b'0'..=b'9' => "this is not a number",
            b't' | b'f' => "this is neither `true` nor `false`",
            _ => "text is in quotes",
        };
        let fault = self.with_help(fault(&place, message), range, &meant(&value));
        Some(Broken { fault, mend: Some(Mend { range: place.span, meant: value, is_value: true }) })
    }

    /// Adds what to write, unless it would show a secret.
    fn with_help(&self, fault: Fault, written: Range<usize>, meant: &str) -> Fault {
        let range = self.range.start + written.start..self.range.start + written.end;
        let is_secret = self.source.shown(range.clone()) != self.source.text()[range];
        if is_secret { fault } else { fault.help(format!("write `{meant}`")) }
    }

    /// The value at which the parser stopped.
    fn value(&self) -> Option<Written<'a>> {
        let line = without_comment(self.text);
        let (mut key, mut start, mut depth, mut quote) = (None, 0, 0_usize, None);
        // True where an equals sign ends a key.
        let mut is_key = true;
        // The kinds of brackets that are open.
        let mut tables = Vec::new();
        for (at, c) in line.char_indices().take_while(|(at, _)| *at <= self.at) {
            match (quote, c) {
                (Some(open), _) => quote = Some(open).filter(|open| *open != c),
                (None, '"' | '\'') => quote = Some(c),
                (None, '=') if is_key => {
                    key = Some(line[start..at].trim());
                    (start, is_key) = (at + 1, false);
                }
                (None, '[' | '{') if line[start..at].trim().is_empty() => {
                    depth += 1;
                    tables.push(c == '{');
                    (start, is_key) = (at + 1, c == '{');
                }
                (None, ',') if depth > 0 || key.is_none() => {
                    (start, is_key) = (at + 1, tables.last().copied().unwrap_or(false));
                }
                _ => {}
            }
        }
        // A line without a key is in a list that began before it, or is no entry at all.
        let is_item = tables.last().map_or(key.is_none(), |is_table| !is_table);
        if key.is_none() && line.trim_start().starts_with(|c: char| c.is_ascii_alphabetic()) && depth == 0 {
            return None;
        }
        let is_inner = depth > 0 || key.is_none();
        let end = line[start..].find([',', ']', '}']).filter(|_| is_inner).map_or(line.len(), |length| start + length);
        let raw = &line[start..end];
        let begin = start + (raw.len() - raw.trim_start().len());
        Some(Written { key, is_item, range: begin..begin + raw.trim().len() })
    }
}

/// The line without its comment. A `#` inside of quotes, or directly behind other text, begins none.
fn without_comment(line: &str) -> &str {
    let (mut quote, mut before) = (None, ' ');
    for (at, c) in line.char_indices() {
        match (quote, c) {
            (Some(open), _) => quote = Some(open).filter(|open| *open != c),
            (None, '"' | '\'') => quote = Some(c),
            (None, '#') if before.is_whitespace() || "\"'],}".contains(before) => return &line[..at],
            _ => {}
        }
        before = c;
    }
    line
}

/// Writes a value that is not valid TOML in the form that its key needs; `None` if that form is unknown.
fn meant_value(key: &str, raw: &str, is_item: bool) -> Option<String> {
    let text = raw.trim_end_matches([';', ',']).trim_matches(TYPOGRAPHIC).trim();
    let meant = match kinds::of(key) {
        Some(Kind::Number) => meant::number(&text.trim_end_matches('.').replace('_', "")).map(|number| {
            let digits = number.trim_start_matches('0');
            if digits.is_empty() { "0" } else { digits }.to_owned()
        }),
        Some(Kind::Duration) => meant::duration(text).map(|duration| format!("\"{duration}\"")),
        Some(Kind::Boolean) => meant::boolean(text).map(|boolean| boolean.to_string()),
        Some(Kind::List) if !is_item => Some(meant::list(key, text)),
        Some(Kind::List) | None => None,
    };
    if meant.is_some() {
        return meant;
    }
    match (text.contains(['"', '\\']), text.contains('\'')) {
        _ if text.is_empty() => None,
        // The octets that a monitor sends are written with escapes.
        (true, _) if key == "send" && !text.contains('"') => Some(format!("\"{text}\"")),
        (false, _) => Some(format!("\"{text}\"")),
        (true, false) => Some(format!("'{text}'")),
        (true, true) => None,
    }
}

#[cfg(test)]
mod tests;
