//! Files of truenorth as text: TOML tables with comments, and master files.

use std::fmt::Write;

use crate::quoted::Quoted;

/// The longest line of a comment.
const WIDTH: usize = 120;

/// A file that an import makes.
#[derive(Debug)]
pub(super) struct File {
    /// Its path, below the folder of the server file.
    pub(super) path: String,
    pub(super) body: Body,
}

/// What a file holds.
#[derive(Debug)]
pub(super) enum Body {
    /// TOML: sentences at its head, and tables. A table without a path is the file's own.
    Toml(Vec<String>, Vec<Table>),
    /// A master file.
    Master(String),
}

impl File {
    pub(super) fn render(&self) -> String {
        match &self.body {
            Body::Master(text) => text.clone(),
            Body::Toml(head, tables) => {
                let mut text = String::new();
                for sentence in head {
                    comment(&mut text, sentence);
                }
                for table in tables {
                    if !text.is_empty() {
                        text.push('\n');
                    }
                    table.render(&mut text);
                }
                text
            }
        }
    }
}

/// A value of TOML.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Text(String),
    Number(i64),
    Fraction(f64),
    Flag(bool),
    List(Vec<Value>),
    Inline(Vec<(String, Value)>),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Fraction(number)
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(list: Vec<T>) -> Self {
        Self::List(list.into_iter().map(Into::into).collect())
    }
}

/// A table of TOML, with sentences above it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Table {
    /// The keys of its header.
    pub(super) path: Vec<String>,
    pub(super) comments: Vec<String>,
    /// Dotted keys, and their values.
    pub(super) keys: Vec<(Vec<String>, Value)>,
}

impl Table {
    pub(super) fn new(path: &[&str]) -> Self {
        Self { path: path.iter().map(|&key| key.to_owned()).collect(), ..Self::default() }
    }

    /// Returns the table with one more key.
    pub(super) fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.set(key, value);
        self
    }

    pub(super) fn set(&mut self, key: &str, value: impl Into<Value>) {
        self.keys.push((vec![key.to_owned()], value.into()));
    }

    /// Sets `endpoints.fra`, for example.
    pub(super) fn set_part(&mut self, key: &str, part: &str, value: impl Into<Value>) {
        self.keys.push((vec![key.to_owned(), part.to_owned()], value.into()));
    }

    /// Adds a sentence above it.
    pub(super) fn comment(&mut self, sentence: impl Into<String>) {
        self.comments.push(sentence.into());
    }

    fn render(&self, text: &mut String) {
        for sentence in &self.comments {
            comment(text, sentence);
        }
        if !self.path.is_empty() {
            let _ = writeln!(text, "[{}]", dotted(&self.path));
        }
        for (path, value) in &self.keys {
            let _ = writeln!(text, "{} = {}", dotted(path), rendered(value));
        }
    }
}

/// Writes a sentence as lines of a comment. A control character in it cannot end the comment.
fn comment(text: &mut String, sentence: &str) {
    let mut line = String::from("#");
    for word in sentence.split_whitespace() {
        if line.len() + word.len() >= WIDTH && line.len() > 1 {
            text.push_str(&line);
            text.push('\n');
            "#".clone_into(&mut line);
        }
        line.push(' ');
        line.extend(word.chars().map(|letter| if letter.is_control() { '?' } else { letter }));
    }
    text.push_str(&line);
    text.push('\n');
}

fn dotted(path: &[String]) -> String {
    path.iter().map(|key| self::key(key)).collect::<Vec<_>>().join(".")
}

/// A key, in quotes if it needs them.
fn key(key: &str) -> String {
    let is_bare = !key.is_empty() && key.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-_".contains(&octet));
    if is_bare { key.to_owned() } else { Quoted(key).to_string() }
}

fn rendered(value: &Value) -> String {
    match value {
        Value::Text(text) => Quoted(text).to_string(),
        Value::Number(number) => number.to_string(),
        // A fraction always has a point.
        Value::Fraction(number) => format!("{number:?}"),
        Value::Flag(flag) => flag.to_string(),
        Value::List(items) => {
            let items: Vec<String> = items.iter().map(rendered).collect();
            let line = format!("[{}]", items.join(", "));
            if line.len() <= WIDTH { line } else { format!("[\n    {},\n]", wrapped(&items)) }
        }
        Value::Inline(keys) => {
            let keys: Vec<String> =
                keys.iter().map(|(name, value)| format!("{} = {}", key(name), rendered(value))).collect();
            format!("{{ {} }}", keys.join(", "))
        }
    }
}

/// Items on as many lines as they need.
fn wrapped(items: &[String]) -> String {
    let mut text = String::new();
    let mut length = 0;
    for (place, item) in items.iter().enumerate() {
        if place > 0 {
            let fits = length + item.len() + 2 <= WIDTH;
            text.push_str(if fits { ", " } else { ",\n    " });
            length = if fits { length + 2 } else { 0 };
        }
        text.push_str(item);
        length += item.len();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let odd = "a \"quoted\" \\ text\nof two lines \u{7f}";
        let mut table = Table::new(&["pools", "a.b"]).with("name", odd).with("share", 1.0).with("count", 3);
        table.set_part("endpoints", "fr a", vec![Value::Inline(vec![("x y".into(), true.into())])]);
        table.set("long", (0..100).map(|number| format!("item {number}")).collect::<Vec<_>>());
        table.comment(format!("{odd} {}", "word ".repeat(60)));
        let file = File { path: String::new(), body: Body::Toml(vec![odd.into()], vec![table]) };
        let read: toml::Table = file.render().parse().unwrap();
        let pool = &read["pools"]["a.b"];
        assert_eq!(pool["name"].as_str(), Some(odd));
        assert_eq!((pool["share"].as_float(), pool["count"].as_integer()), (Some(1.0), Some(3)));
        assert_eq!(pool["endpoints"]["fr a"][0]["x y"].as_bool(), Some(true));
        assert_eq!(pool["long"].as_array().map(Vec::len), Some(100));
    }
}
