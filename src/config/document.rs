//! Reads a whole TOML file.
//!
//! The tables of the parser take some twenty times the memory of the text. A zone file may hold hundreds of thousands of
//! `[records.…]` tables, one like the other, so those of a large file are cut out and parsed a part at a time:
//!
//! ```text
//!   [names.www] ... [records.a] ... [records.b] ... [records.z] ... [pools.web] ...
//!   └─ the table ─┘ └─ part ──────┘ └─ part ──────────────────┘ └─ the table ─┘
//! ```
//!
//! Each cut is at the beginning of a line with a header. All lines of a part are complete by themselves: no text and no list
//! goes on in the next line, so that no header is inside of one. Otherwise, and after any error, the file is parsed as a
//! whole.

use std::cell::Cell;
use std::ops::Range;
use std::sync::Arc;

use toml::de::DeTable;

use super::code::Code;
use super::decode::TomlTable;
use super::fault::{Fault, Faults};
use super::source::{Place, Source};
use super::syntax::{self, Mended};

/// The beginning of the header of a table that may be in a part.
const HEADER: &str = "[records.";

/// Octets of such tables from which on it is worth the effort to cut them out.
const LARGE: usize = 256 << 10;

/// Octets of a part, about: its tables stay in the cache of a processor.
const PART: usize = 32 << 10;

/// Most stretches of such tables, with others between them. Before each of them the file is parsed once more.
const MAX_STRETCHES: usize = 16;

/// The tables that were cut out of a file.
#[derive(Debug, Default)]
pub(super) struct Parts {
    /// The octets of each.
    pub(super) ranges: Vec<Range<usize>>,
    /// True if one of them is not TOML.
    pub(super) are_broken: Cell<bool>,
}

/// Reads a whole file. If its syntax is broken, this reports only the syntax faults: a recovering parser would blame
/// the operator for values that nobody wrote.
pub(super) fn read_document<T>(
    source: &Arc<Source>,
    what: &'static str,
    faults: &mut Faults,
    read: impl FnOnce(TomlTable<'_>, &mut Faults) -> T,
) -> Option<T> {
    read_document_again(source, what, faults, read, |_, _| ())
}

/// Does the same. If it is clear how the syntax was meant, `again` reads the mended file, to find what else is wrong
/// with the values that were mended.
pub(super) fn read_document_again<T>(
    source: &Arc<Source>,
    what: &'static str,
    faults: &mut Faults,
    read: impl FnOnce(TomlTable<'_>, &mut Faults) -> T,
    again: impl FnOnce(TomlTable<'_>, &mut Faults),
) -> Option<T> {
    let text = source.text();
    if let Some(Cut { rest, parts }) = cut(&text) {
        let (table, errors) = DeTable::parse_recoverable(&rest);
        if errors.is_empty() {
            let before = faults.0.len();
            let found = read(TomlTable::document(source, what, table.get_ref(), &parts), faults);
            if !parts.are_broken.get() {
                return Some(found);
            }
            faults.0.truncate(before);
            report_syntax(source, what, faults, again);
            if !faults.has_errors_since(before) {
                let place = Place { source: source.clone(), span: 0..0 };
                faults.push(Fault::error(&place, "this is not TOML in some of its records", "").code(Code::Syntax));
            }
            return None;
        }
    }
    let (table, errors) = DeTable::parse_recoverable(&text);
    if errors.is_empty() {
        return Some(read(TomlTable::document(source, what, table.get_ref(), &Parts::default()), faults));
    }
    drop(table);
    report_syntax(source, what, faults, again);
    None
}

/// Reports what is wrong with the syntax of a file.
fn report_syntax(
    source: &Arc<Source>,
    what: &'static str,
    faults: &mut Faults,
    again: impl FnOnce(TomlTable<'_>, &mut Faults),
) {
    let text = source.text();
    let (_, errors) = DeTable::parse_recoverable(&text);
    let mut broken = syntax::faults(source, &errors);
    if let Some(mended) = Mended::new(source, &broken) {
        let text = mended.source.text();
        let (table, errors) = DeTable::parse_recoverable(&text);
        if errors.is_empty() {
            let mut found = Faults::default();
            again(TomlTable::document(&mended.source, what, table.get_ref(), &Parts::default()), &mut found);
            mended.tell(&mut broken, &found);
        }
    }
    faults.0.extend(broken.into_iter().map(|broken| broken.fault));
}

/// A text without its tables of records.
struct Cut {
    /// The text with blanks in their place, so that all other places stay the same.
    rest: String,
    parts: Parts,
}

/// Cuts the tables of records out of a text. `None` if there are not enough of them, or if it is not certain where they
/// begin and end.
fn cut(text: &str) -> Option<Cut> {
    if text.len() < LARGE {
        return None;
    }
    let (mut stretches, mut parts) = (Vec::<Range<usize>>::new(), Vec::<Range<usize>>::new());
    let (mut at, mut is_open) = (0, false);
    for line in text.split_inclusive('\n') {
        let start = at;
        at += line.len();
        let head = line.trim_start();
        match (head.starts_with('['), head.starts_with(HEADER)) {
            (true, true) if !is_open => {
                is_open = true;
                stretches.push(start..at);
                parts.push(start..at);
            }
            (true, true) if parts.last().is_some_and(|part| part.len() >= PART) => parts.push(start..at),
            (true, false) => is_open = false,
            _ => {}
        }
        if is_open {
            if !is_complete(line) {
                return None;
            }
            let open = stretches.last_mut().into_iter().chain(parts.last_mut());
            open.for_each(|range| range.end = at);
        }
    }
    if stretches.len() > MAX_STRETCHES || stretches.iter().map(Range::len).sum::<usize>() < LARGE {
        return None;
    }
    let (mut rest, mut end) = (String::with_capacity(text.len()), 0);
    for stretch in stretches {
        rest.push_str(&text[end..stretch.start]);
        // Otherwise the first header may be inside of a text or a list.
        if !DeTable::parse_recoverable(&rest).1.is_empty() {
            return None;
        }
        rest.extend(std::iter::repeat_n(' ', stretch.len()));
        end = stretch.end;
    }
    rest.push_str(&text[end..]);
    Some(Cut { rest, parts: Parts { ranges: parts, are_broken: Cell::new(false) } })
}

/// True if no text and no bracket of a line is still open at its end.
fn is_complete(line: &str) -> bool {
    let (mut depth, mut quote, mut is_escaped) = (0_usize, None, false);
    for octet in line.bytes() {
        match (quote, octet) {
            (Some(b'"'), b'\\') if !is_escaped => {
                is_escaped = true;
                continue;
            }
            (Some(open), _) if octet == open && !is_escaped => quote = None,
            (None, b'"' | b'\'') => quote = Some(octet),
            (None, b'#') => break,
            (None, b'[' | b'{') => depth += 1,
            (None, b']' | b'}') => depth = depth.saturating_sub(1),
            _ => {}
        }
        is_escaped = false;
    }
    // Three quotes begin a text that may be longer than its line.
    depth == 0 && quote.is_none() && !line.contains("\"\"\"") && !line.contains("'''")
}

#[cfg(test)]
mod tests;
