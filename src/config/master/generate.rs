//! `$GENERATE` of BIND: a template for many records.
//!
//! ```text
//!   $GENERATE 1-254      host-$  300 IN  A     192.0.2.$
//!   $GENERATE 0-255/16   $       PTR     host-${1,3,x}.example.com.
//!             range      owner   [TTL] [class] type, data
//! ```
//!
//! `$` is the number of a record, and `${offset,width,base}` the number plus an offset, filled up to a width with zeros,
//! in the base `d`, `o`, `x` or `X`. The bases `n` and `N` write the hexadecimal digits as labels, the last one first,
//! as names below ip6.arpa have them; the dots count as width. `\$` is a dollar sign. Data of several words may be one
//! quoted string.

use std::fmt::Write as _;
use std::iter::StepBy;
use std::ops::{Range, RangeInclusive};

use crate::config::presentation::{Entries, Token};

/// Maximum width of a number. The longest name has fewer characters.
const MAX_WIDTH: usize = 255;

/// Reads a range: `1-254`, or `0-254/2` for every second number. Fails with the message of a fault.
pub(super) fn numbers(text: &str) -> Result<StepBy<RangeInclusive<u32>>, &'static str> {
    let (range, step) = text.split_once('/').unwrap_or((text, "1"));
    let number = |text: &str| text.parse::<u32>().ok().filter(|_| text.bytes().all(|digit| digit.is_ascii_digit()));
    let numbers = range.split_once('-').and_then(|(start, stop)| Some((number(start)?, number(stop)?)));
    match (numbers, number(step)) {
        (Some((start, stop)), Some(step)) if start <= stop && step > 0 => Ok((start..=stop).step_by(step as usize)),
        (Some((start, stop)), Some(1..)) if start > stop => Err("the range ends before it begins"),
        _ => Err("a range is START-STOP or START-STOP/STEP, as in 1-254"),
    }
}

/// The words of a record, in which dollar signs stand for its number.
pub(super) struct Template {
    words: Vec<Word>,
}

/// A token that does not borrow its text.
struct Word {
    text: String,
    quoted: bool,
    glued: bool,
    span: Range<usize>,
}

impl Template {
    /// Creates a template from the tokens up to the type, and those of the data. Fails with the message of a fault if
    /// the data is a quoted string that cannot be split into tokens.
    pub(super) fn new(head: &[Token<'_>], data: &[Token<'_>]) -> Result<Self, &'static str> {
        let mut words: Vec<_> = head.iter().map(Word::from).collect();
        match data {
            [Token { text, quoted: true, span, .. }] => {
                let text = text.replace("\\\"", "\"");
                if let Some(entry) = Entries::new(&text).next() {
                    let tokens = entry.map_err(|error| error.message)?.tokens;
                    words.extend(tokens.iter().map(|token| Word { span: span.clone(), ..Word::from(token) }));
                }
            }
            _ => words.extend(data.iter().map(Word::from)),
        }
        Ok(Self { words })
    }

    /// Returns the texts of a record's words. Fails with the range and the message of a fault if a number cannot be
    /// written as the template asks.
    pub(super) fn texts(&self, number: u32) -> Result<Vec<String>, (Range<usize>, &'static str)> {
        let fill = |word: &Word| fill(&word.text, number).map_err(|message| (word.span.clone(), message));
        self.words.iter().map(fill).collect()
    }

    /// Returns the tokens of a record with these texts.
    pub(super) fn tokens<'a>(&self, texts: &'a [String]) -> Vec<Token<'a>> {
        let token = |(word, text): (&Word, &'a String)| Token {
            text,
            quoted: word.quoted,
            glued: word.glued,
            span: word.span.clone(),
        };
        self.words.iter().zip(texts).map(token).collect()
    }
}

impl From<&Token<'_>> for Word {
    fn from(token: &Token<'_>) -> Self {
        Self { text: token.text.to_owned(), quoted: token.quoted, glued: token.glued, span: token.span.clone() }
    }
}

/// Replaces each `$` that is not escaped.
fn fill(text: &str, number: u32) -> Result<String, &'static str> {
    let mut filled = String::with_capacity(text.len() + 8);
    let mut rest = text;
    while let Some(at) = rest.find(['$', '\\']) {
        filled.push_str(&rest[..at]);
        let special = &rest[at..];
        if let Some(escaped) = special.strip_prefix('\\') {
            let length = 1 + escaped.chars().next().map_or(0, char::len_utf8);
            filled.push_str(&special[..length]);
            rest = &special[length..];
        } else if let Some(modifier) = special.strip_prefix("${") {
            let (modifier, after) = modifier.split_once('}').ok_or("a `${` has no `}`")?;
            filled.push_str(&modified(modifier, number)?);
            rest = after;
        } else {
            let _ = write!(filled, "{number}");
            rest = &special[1..];
        }
    }
    filled.push_str(rest);
    Ok(filled)
}

/// Writes the number as the text between `${` and `}` says.
fn modified(modifier: &str, number: u32) -> Result<String, &'static str> {
    const SYNTAX: &str = "after `$` comes {OFFSET}, {OFFSET,WIDTH} or {OFFSET,WIDTH,BASE}, as in ${-10,3,d}";
    let mut parts = modifier.split(',').map(str::trim);
    let offset: i64 = parts.next().and_then(|offset| offset.parse().ok()).ok_or(SYNTAX)?;
    let width = parts.next().map_or(Some(0), |width| width.parse::<usize>().ok().filter(|w| *w <= MAX_WIDTH));
    let (width, base) = (width.ok_or(SYNTAX)?, parts.next().unwrap_or("d"));
    if parts.next().is_some() {
        return Err(SYNTAX);
    }
    let value = i64::from(number).checked_add(offset).and_then(|value| u32::try_from(value).ok());
    let value = value.ok_or("the offset makes a number below 0, or above 4294967295")?;
    Ok(match base {
        "d" => format!("{value:0width$}"),
        "o" => format!("{value:0width$o}"),
        "x" => format!("{value:0width$x}"),
        "X" => format!("{value:0width$X}"),
        "n" => nibbles(value, width).to_ascii_lowercase(),
        "N" => nibbles(value, width),
        _ => return Err("the base is d, o, x, X, n or N"),
    })
}

/// The hexadecimal digits as labels, the last one first.
fn nibbles(mut value: u32, width: usize) -> String {
    let mut labels = String::new();
    loop {
        let _ = write!(labels, "{:X}", value % 16);
        value /= 16;
        let is_done = |labels: &String| value == 0 && labels.len() >= width;
        if is_done(&labels) {
            return labels;
        }
        labels.push('.');
        // An even width ends with a dot.
        if is_done(&labels) {
            return labels;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_has_an_end_and_perhaps_steps() {
        let all = |text| numbers(text).map(Iterator::collect::<Vec<_>>);
        assert_eq!(all("1-3"), Ok(vec![1, 2, 3]));
        assert_eq!(all("0-10/4"), Ok(vec![0, 4, 8]));
        assert_eq!(all("7-7"), Ok(vec![7]));
        assert_eq!(all("3-1"), Err("the range ends before it begins"));
        for bad in ["", "1", "1-", "-1-2", "1-2/0", "1-2/", "+1-2", "1-4294967296", "a-b", "1-2-3"] {
            assert!(all(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_dollar_sign_is_the_number() {
        let written = [
            ("host-$", "host-10"),
            ("$.$", "10.10"),
            (r"\$a\\$", r"\$a\\10"),
            ("${5}", "15"),
            ("${-10,3}", "000"),
            ("${0,4,x}${0,0,X}", "000aA"),
            ("${0,2,o}", "12"),
            ("${246,0,n}", "0.0.1"),
            ("${0,5,N}", "A.0.0"),
            ("${0,4,n}", "a.0."),
        ];
        for (template, text) in written {
            assert_eq!(fill(template, 10).as_deref(), Ok(text), "{template}");
        }
        for bad in ["${", "${}", "${a}", "${-11}", "${0,256}", "${0,1,b}", "${0,1,d,1}", "${4294967295}"] {
            assert!(fill(bad, 10).is_err(), "{bad}");
        }
    }
}
