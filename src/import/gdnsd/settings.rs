//! The syntax of gdnsd's configuration: hashes, arrays and strings, comments and includes (gdnsd.config(5)).

use std::iter::Peekable;
use std::path::Path;
use std::str::Chars;

use crate::import::Reader;

/// Includes within includes, at most.
const MAX_DEPTH: usize = 16;

/// Hashes and arrays within others, at most.
const MAX_NESTING: usize = 64;

/// A value of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Setting {
    Text(String),
    List(Vec<Setting>),
    Hash(Vec<(String, Setting)>),
}

impl Setting {
    /// The value of a key of a hash.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        self.entries().iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// The entries of a hash; none for other values.
    pub(super) fn entries(&self) -> &[(String, Self)] {
        if let Self::Hash(entries) = self { entries } else { &[] }
    }

    /// The items of an array. A single value stands for an array of one.
    pub(super) fn items(&self) -> &[Self] {
        if let Self::List(items) = self { items } else { std::slice::from_ref(self) }
    }

    pub(super) fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// The strings of an array of strings, or the only one.
    pub(super) fn texts(&self) -> Vec<String> {
        self.items().iter().filter_map(Self::text).map(str::to_owned).collect()
    }

    /// The number of a string.
    pub(super) fn number<T: std::str::FromStr>(&self) -> Option<T> {
        self.text()?.parse().ok()
    }

    pub(super) fn is_true(&self) -> bool {
        self.text().is_some_and(|text| text.eq_ignore_ascii_case("true"))
    }
}

/// Reads a file of the configuration. Fails with the file, the line and the reason.
pub(super) fn read(path: &str, read: Reader<'_>) -> Result<Setting, String> {
    file(path, read, 0)
}

fn file(path: &str, read: Reader<'_>, depth: usize) -> Result<Setting, String> {
    if depth > MAX_DEPTH {
        return Err(format!("{path}: files include one another more than {MAX_DEPTH} deep"));
    }
    let text = read(path)?;
    let mut parser = Parser { path, letters: text.chars().peekable(), line: 1, read, depth, nesting: 0 };
    parser.blanks();
    let setting =
        if parser.letters.peek() == Some(&'[') { parser.value() } else { parser.hash(None).map(Setting::Hash) };
    setting.map_err(|why| format!("{path}:{}: {why}", parser.line))
}

struct Parser<'a> {
    path: &'a str,
    letters: Peekable<Chars<'a>>,
    line: usize,
    read: Reader<'a>,
    depth: usize,
    /// The number of hashes and arrays around what comes next.
    nesting: usize,
}

impl Parser<'_> {
    fn next(&mut self) -> Option<char> {
        let letter = self.letters.next();
        self.line += usize::from(letter == Some('\n'));
        letter
    }

    /// Skips blanks and comments.
    fn blanks(&mut self) {
        while let Some(&letter) = self.letters.peek() {
            match letter {
                '#' | ';' => {
                    while self.letters.peek().is_some_and(|&letter| letter != '\n') {
                        self.next();
                    }
                }
                letter if letter.is_whitespace() => _ = self.next(),
                _ => return,
            }
        }
    }

    /// Takes a letter, if it comes next.
    fn take(&mut self, letter: char) -> bool {
        let is_next = self.letters.peek() == Some(&letter);
        if is_next {
            self.next();
        }
        is_next
    }

    /// Reads entries up to the closing bracket, or to the end of the file.
    fn hash(&mut self, end: Option<char>) -> Result<Vec<(String, Setting)>, String> {
        let mut entries: Vec<(String, Setting)> = Vec::new();
        loop {
            self.blanks();
            match (self.letters.peek(), end) {
                (None, None) => return Ok(entries),
                (None, Some(end)) => return Err(format!("the file ends before `{end}`")),
                (Some(letter), Some(end)) if *letter == end => {
                    self.next();
                    return Ok(entries);
                }
                (Some('$'), _) => entries.extend(self.include()?.entries().iter().cloned()),
                _ => {
                    let key = self.string()?;
                    self.blanks();
                    if !self.take('=') {
                        return Err(format!("`{key}` has no `=>`"));
                    }
                    self.take('>');
                    self.blanks();
                    let value = self.value()?;
                    if entries.iter().any(|(other, _)| *other == key) {
                        return Err(format!("`{key}` is given twice"));
                    }
                    entries.push((key, value));
                }
            }
            self.blanks();
            self.take(',');
        }
    }

    fn value(&mut self) -> Result<Setting, String> {
        if self.nesting > MAX_NESTING {
            return Err(format!("values are nested more than {MAX_NESTING} deep"));
        }
        self.nesting += 1;
        let value = self.any_value();
        self.nesting -= 1;
        value
    }

    fn any_value(&mut self) -> Result<Setting, String> {
        match self.letters.peek() {
            Some('{') => {
                self.next();
                self.hash(Some('}')).map(Setting::Hash)
            }
            Some('[') => {
                self.next();
                let mut items = Vec::new();
                loop {
                    self.blanks();
                    if self.take(']') {
                        return Ok(Setting::List(items));
                    }
                    items.push(self.value()?);
                    self.blanks();
                    self.take(',');
                }
            }
            Some('$') => self.include(),
            Some(_) => self.string().map(Setting::Text),
            None => Err("a value is missing".to_owned()),
        }
    }

    /// Reads `$include{path}`. Only files that are named one by one are read.
    fn include(&mut self) -> Result<Setting, String> {
        for letter in "$include{".chars() {
            if self.next() != Some(letter) {
                return Err("only `$include{...}` begins with a `$`".to_owned());
            }
        }
        self.blanks();
        let written = self.string()?;
        self.blanks();
        if !self.take('}') {
            return Err("`$include{` has no `}`".to_owned());
        }
        let folder = Path::new(self.path).parent().unwrap_or(Path::new(""));
        file(&folder.join(written.trim()).display().to_string(), self.read, self.depth + 1)
    }

    fn string(&mut self) -> Result<String, String> {
        let is_quoted = self.take('"');
        let mut text = String::new();
        while let Some(&letter) = self.letters.peek() {
            match letter {
                '"' if is_quoted => {
                    self.next();
                    return Ok(text);
                }
                '\\' => {
                    self.next();
                    text.push(self.escape()?);
                }
                _ if is_quoted => {
                    text.push(letter);
                    self.next();
                }
                letter if letter.is_whitespace() || "][}{;#,\"=".contains(letter) => break,
                _ => {
                    text.push(letter);
                    self.next();
                }
            }
        }
        match (is_quoted, text.is_empty()) {
            (true, _) => Err("a quoted string has no end".to_owned()),
            (false, true) => Err(format!("`{}` is not expected here", self.letters.peek().unwrap_or(&' '))),
            (false, false) => Ok(text),
        }
    }

    /// Reads what follows a backslash: three digits are an octet, anything else is itself.
    fn escape(&mut self) -> Result<char, String> {
        let first = self.next().ok_or("a backslash ends the file")?;
        if !first.is_ascii_digit() {
            return Ok(first);
        }
        let digits: String = [Some(first), self.next(), self.next()].into_iter().flatten().collect();
        digits.parse::<u8>().map(char::from).map_err(|_| format!("`\\{digits}` is not an octet"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Setting, String> {
        read("dir/config", &|path| match path {
            "dir/config" => Ok(text.to_owned()),
            "dir/more" => Ok("[ a, b ]".to_owned()),
            "dir/hash" => Ok("x = 1\ny = 2".to_owned()),
            _ => Err(format!("{path}: no such file")),
        })
    }

    #[test]
    fn all_ways_of_writing_are_read() {
        let plain = parsed("options = { listen = [ 192.0.2.1, 192.0.2.2 ], }").unwrap();
        for text in [
            "\"options\" => {\n  listen => [ 192.0.2.1 192.0.2.2 ] # comment\n}",
            "options={listen=[192.0.2.1 192.0.2.2]}; the end",
            "opt\\105ons = { listen = [ \"192.0.2.1\" 192\\.0.2.2 ] }",
        ] {
            assert_eq!(parsed(text).unwrap(), plain, "{text}");
        }
        let included = parsed("a => $include{more} b => { $include{ \"hash\" } z = 3 }").unwrap();
        assert_eq!(included.get("a").unwrap().texts(), ["a", "b"]);
        assert_eq!(included.get("b").unwrap().entries().len(), 3);
    }

    #[test]
    fn faults_have_a_line() {
        for (text, expected) in [
            ("a = 1\na = 2", "dir/config:2: `a` is given twice"),
            ("a = {\nb = 1", "dir/config:2: the file ends before `}`"),
            ("a 1", "dir/config:1: `a` has no `=>`"),
            ("a = $include{none}", "dir/config:1: dir/none: no such file"),
            ("a = \"b", "dir/config:1: a quoted string has no end"),
            ("a = [ }", "dir/config:1: `}` is not expected here"),
        ] {
            assert_eq!(parsed(text).unwrap_err(), expected, "{text}");
        }
        let deep = format!("a = {}", "[".repeat(100_000));
        assert_eq!(parsed(&deep).unwrap_err(), "dir/config:1: values are nested more than 64 deep");
    }
}
