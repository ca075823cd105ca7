//! Master files (RFC 1035, section 5) entry by entry, with the text of each, so that most of a file is kept as it is.

use std::path::Path;

use super::Reader;

/// Includes within includes, at most.
const MAX_DEPTH: usize = 8;

/// A word of an entry, without its quotes and escapes as they are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) text: String,
    pub(super) is_quoted: bool,
}

/// A line, or several between parentheses.
struct Entry<'a> {
    /// With its comments, without the line break at its end.
    raw: &'a str,
    words: Vec<Word>,
    /// True if it begins with a blank: the owner is that of the record before.
    is_continued: bool,
}

/// A record of the file.
#[derive(Debug)]
pub(super) struct Record<'a> {
    /// Its absolute owner in lower case, with the final dot.
    pub(super) owner: String,
    /// Its TTL as it is written, or that of `$TTL`.
    pub(super) ttl: Option<String>,
    /// Its type in upper case.
    pub(super) rtype: String,
    pub(super) data: Vec<Word>,
    raw: &'a str,
    /// The whole entry, word by word.
    words: Vec<Word>,
    is_continued: bool,
}

/// Reads a master file, and decides what becomes of each record.
pub(super) struct Master<'a> {
    /// The zone, absolute, in lower case.
    zone: String,
    origin: String,
    owner: String,
    ttl: Option<String>,
    read: Reader<'a>,
    /// The new text.
    text: String,
    /// The owner of the last record of the new text.
    written: String,
}

/// What becomes of a record.
pub(super) enum Fate {
    /// It stays as it is.
    Keep,
    /// A comment takes its place.
    Comment(String),
    /// Nothing is left of it.
    Drop,
}

impl<'a> Master<'a> {
    /// `zone` is absolute. `read` reads included files.
    pub(super) fn new(zone: &str, read: Reader<'a>) -> Self {
        let zone = zone.to_ascii_lowercase();
        Self {
            origin: zone.clone(),
            owner: zone.clone(),
            zone,
            ttl: None,
            read,
            text: String::new(),
            written: String::new(),
        }
    }

    /// Returns the new text, with the contents of included files. Fails with the file, the line and the reason.
    pub(super) fn rewrite(
        mut self,
        path: &str,
        text: &str,
        decide: &mut dyn FnMut(&Record<'_>) -> Fate,
    ) -> Result<String, String> {
        self.file(path, text, 0, decide)?;
        Ok(self.text)
    }

    fn file(
        &mut self,
        path: &str,
        text: &str,
        depth: usize,
        decide: &mut dyn FnMut(&Record<'_>) -> Fate,
    ) -> Result<(), String> {
        let first = self.origin.clone();
        let mut line = 1;
        for entry in entries(text) {
            let at = format!("{path}:{line}");
            line += entry.raw.matches('\n').count() + 1;
            let Some(word) = entry.words.first() else {
                self.write(entry.raw);
                continue;
            };
            let argument = |place: usize| entry.words.get(place).map(|word| word.text.as_str());
            let missing = || format!("{at}: {} without a value", word.text);
            match word.text.to_ascii_uppercase().as_str() {
                "$ORIGIN" => {
                    self.origin = self.absolute(argument(1).ok_or_else(missing)?, &first);
                    self.write(&format!("$ORIGIN {}", self.origin));
                }
                "$TTL" => {
                    self.ttl = Some(argument(1).ok_or_else(missing)?.to_owned());
                    self.write(entry.raw);
                }
                "$INCLUDE" => {
                    let written = argument(1).ok_or_else(missing)?;
                    if depth == MAX_DEPTH {
                        return Err(format!("{at}: files include one another more than {MAX_DEPTH} deep"));
                    }
                    let folder = Path::new(path).parent().unwrap_or(Path::new(""));
                    let included = folder.join(written).display().to_string();
                    let text = (self.read)(&included).map_err(|why| format!("{at}: {why}"))?;
                    let origin = argument(2).map_or_else(|| self.origin.clone(), |name| self.absolute(name, &first));
                    self.include((&included, &text), origin, depth, decide)?;
                }
                directive if directive.starts_with('$') && directive != "$GENERATE" => {
                    return Err(format!("{at}: {} is not known", word.text));
                }
                "$GENERATE" => self.write(entry.raw),
                _ => self.record(&entry, &first, decide).map_err(|why| format!("{at}: {why}"))?,
            }
        }
        Ok(())
    }

    /// Reads an included file. Its `$ORIGIN` and `$TTL` end with it.
    fn include(
        &mut self,
        (path, text): (&str, &str),
        origin: String,
        depth: usize,
        decide: &mut dyn FnMut(&Record<'_>) -> Fate,
    ) -> Result<(), String> {
        let (before, ttl) = (std::mem::replace(&mut self.origin, origin), self.ttl.clone());
        self.write(&format!("; from {path}"));
        self.write(&format!("$ORIGIN {}", self.origin));
        self.file(path, text, depth + 1, decide)?;
        self.origin = before;
        self.write(&format!("$ORIGIN {}", self.origin));
        if let Some(ttl) = ttl.as_ref().filter(|_| ttl != self.ttl) {
            self.write(&format!("$TTL {ttl}"));
        }
        self.ttl = ttl;
        Ok(())
    }

    fn record(
        &mut self,
        entry: &Entry<'_>,
        first: &str,
        decide: &mut dyn FnMut(&Record<'_>) -> Fate,
    ) -> Result<(), String> {
        let mut words = entry.words.iter();
        if !entry.is_continued {
            let written = &words.next().ok_or("a record without an owner")?.text;
            self.owner = self.absolute(written, first);
        }
        let mut ttl = None;
        let rtype = loop {
            let word = words.next().ok_or("a record without a type")?;
            match word.text.to_ascii_uppercase() {
                class if class == "IN" => {}
                class if ["CH", "HS", "CS"].contains(&class.as_str()) => {
                    return Err(format!("records of class {class} are not served"));
                }
                text if text.starts_with(|letter: char| letter.is_ascii_digit()) => ttl = Some(word.text.clone()),
                rtype => break rtype,
            }
        };
        let record = Record {
            owner: self.owner.clone(),
            ttl: ttl.or_else(|| self.ttl.clone()),
            rtype,
            data: words.cloned().collect(),
            raw: entry.raw,
            words: entry.words.clone(),
            is_continued: entry.is_continued,
        };
        match decide(&record) {
            Fate::Comment(comment) => comment.lines().for_each(|line| self.write(&format!("; {line}"))),
            Fate::Keep => self.keep(&record, first),
            Fate::Drop => {}
        }
        Ok(())
    }

    fn keep(&mut self, record: &Record<'_>, first: &str) {
        // gdnsd's `@Z` and `@F` are the zone and the origin at the beginning of the file.
        let is_special = |word: &Word| !word.is_quoted && special(&word.text).is_some();
        if record.words.iter().any(is_special) {
            let words = record.words.iter().map(|word| match special(&word.text).filter(|_| !word.is_quoted) {
                Some(_) => self.absolute(&word.text, first),
                None => word.written(),
            });
            let line: Vec<String> = words.collect();
            let owner = if record.is_continued { format!("{} ", record.owner) } else { String::new() };
            self.write(&format!("{owner}{}", line.join(" ")));
        } else if record.is_continued && self.written != record.owner {
            self.write(&format!("{} {}", record.owner, record.raw.trim_start()));
        } else {
            self.write(record.raw);
        }
        self.written.clone_from(&record.owner);
    }

    fn write(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// Returns a name in lower case, with its final dot. `first` is the origin at the beginning of the file.
    fn absolute(&self, name: &str, first: &str) -> String {
        match special(name) {
            Some((front, 'Z')) => format!("{front}{}", self.zone),
            Some((front, _)) => format!("{front}{first}"),
            None => absolute(name, &self.origin),
        }
    }
}

/// Endings and beginnings of files that hold a zone.
const ENDINGS: [&str; 5] = [".zone", ".db", ".txt", ".hosts", ".signed"];
const BEGINNINGS: [&str; 3] = ["db.", "pri.", "zone."];

/// Returns the absolute name of the zone in a file: `given`, or the owner of its SOA record, for which the file's name may
/// have to be known. Fails if nothing tells it.
pub(super) fn zone_of(path: &str, text: &str, given: Option<&str>, read: Reader<'_>) -> Result<String, String> {
    if let Some(given) = given {
        return Ok(absolute(given, "."));
    }
    let stem = Path::new(path).file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mut name = stem.as_str();
    while let Some(shorter) = ENDINGS.iter().find_map(|ending| name.strip_suffix(ending)) {
        name = shorter;
    }
    let name = BEGINNINGS.iter().find_map(|beginning| name.strip_prefix(beginning)).unwrap_or(name);
    let is_name =
        name.contains('.') && name.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-_./".contains(&octet));
    let guess = if is_name { absolute(name, ".") } else { ".".to_owned() };
    let mut apex = None;
    Master::new(&guess, read).rewrite(path, text, &mut |record| {
        if record.rtype == "SOA" {
            apex.get_or_insert_with(|| record.owner.clone());
        }
        Fate::Drop
    })?;
    let apex = apex.ok_or_else(|| format!("{path}: there is no SOA record"))?;
    if apex == "." { Err(format!("{path}: nothing tells the zone's name: give it with --zone")) } else { Ok(apex) }
}

/// Returns the part before gdnsd's `@Z` or `@F`, and its letter.
fn special(name: &str) -> Option<(&str, char)> {
    let letter = name.chars().last().filter(|letter| "ZF".contains(*letter))?;
    let front = name.strip_suffix(letter)?.strip_suffix('@')?;
    (front.is_empty() || front.ends_with('.')).then_some((front, letter))
}

impl Word {
    fn written(&self) -> String {
        if self.is_quoted { format!("\"{}\"", self.text) } else { self.text.clone() }
    }
}

/// Returns a name in lower case with its final dot.
pub(super) fn absolute(name: &str, origin: &str) -> String {
    let name = name.to_ascii_lowercase();
    match name.as_str() {
        "@" => origin.to_owned(),
        _ if name.ends_with('.') => name,
        _ if origin == "." => format!("{name}."),
        _ => format!("{name}.{origin}"),
    }
}

/// Returns a name as a zone file of truenorth has it: relative to the zone, `@` for the apex.
pub(super) fn relative(name: &str, zone: &str) -> String {
    if name == zone {
        return "@".to_owned();
    }
    let below = name.strip_suffix(zone).and_then(|front| front.strip_suffix('.'));
    below.map_or_else(|| name.to_owned(), str::to_owned)
}

/// Returns the seconds of a TTL such as `300` or `1h30m`.
pub(super) fn seconds(text: &str) -> Option<u32> {
    let (mut total, mut number) = (0_u32, None::<u32>);
    for letter in text.chars() {
        if let Some(digit) = letter.to_digit(10) {
            number = Some(number.unwrap_or(0).checked_mul(10)?.checked_add(digit)?);
            continue;
        }
        let unit = match letter.to_ascii_lowercase() {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            'w' => 604_800,
            _ => return None,
        };
        total = total.checked_add(number.take()?.checked_mul(unit)?)?;
    }
    total.checked_add(number.unwrap_or(0)).filter(|_| !text.is_empty())
}

/// Divides a file into entries. An entry without words holds blanks and comments only.
fn entries(text: &str) -> Vec<Entry<'_>> {
    let mut entries = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (entry, length) = entry(rest);
        entries.push(entry);
        rest = &rest[length..];
    }
    entries
}

/// Reads the first entry. Returns it with its length, the line break included.
fn entry(text: &str) -> (Entry<'_>, usize) {
    let mut words: Vec<Word> = Vec::new();
    let (mut depth, mut is_quoted, mut is_comment, mut is_open) = (0_usize, false, false, false);
    let mut letters = text.char_indices().peekable();
    let mut end = text.len();
    let mut length = text.len();
    while let Some((place, letter)) = letters.next() {
        let mut push = |words: &mut Vec<Word>, letter: char, is_quoted: bool| {
            if !std::mem::replace(&mut is_open, true) {
                words.push(Word { text: String::new(), is_quoted });
            }
            words.last_mut().expect("one was pushed").text.push(letter);
        };
        match letter {
            '\n' if depth == 0 && !is_quoted => {
                (end, length) = (place, place + 1);
                break;
            }
            '\n' if !is_quoted => (is_comment, is_open) = (false, false),
            _ if is_comment => {}
            '"' => {
                is_quoted = !is_quoted;
                // An empty string is a word too.
                if is_quoted {
                    words.push(Word { text: String::new(), is_quoted });
                }
                is_open = is_quoted;
            }
            '\\' => {
                push(&mut words, letter, is_quoted);
                if let Some((_, next)) = letters.next() {
                    push(&mut words, next, is_quoted);
                }
            }
            _ if is_quoted => push(&mut words, letter, true),
            ';' => is_comment = true,
            '(' => (depth, is_open) = (depth + 1, false),
            ')' => (depth, is_open) = (depth.saturating_sub(1), false),
            letter if letter.is_whitespace() => is_open = false,
            letter => push(&mut words, letter, false),
        }
    }
    let raw = text[..end].trim_end_matches('\r');
    (Entry { raw, words, is_continued: raw.starts_with([' ', '\t']) }, length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(text: &str) -> Result<String, String> {
        let read = |path: &str| match path {
            "zones/more" => Ok("$TTL 5\nx A 192.0.2.9\n$ORIGIN deep\ny A 192.0.2.8\nz.@F A 192.0.2.7\n".to_owned()),
            _ => Err(format!("{path}: no such file")),
        };
        let master = Master::new("example.com.", &read);
        master.rewrite("zones/example.com", text, &mut |record| match record.rtype.as_str() {
            "DYNA" => Fate::Comment(format!("{} {:?} {}", record.owner, record.ttl, record.data[0].text)),
            _ => Fate::Keep,
        })
    }

    #[test]
    fn what_stays_is_kept_as_it_is() {
        let text = "; head\n$TTL 300\n@ SOA ns1 h ( 1 ; serial\n  2 3 4 5 )\n  NS ns1\ntxt TXT \"a;b\" \"\" \"(\"\n\n";
        assert_eq!(rewritten(text).unwrap(), text);
    }

    #[test]
    fn what_goes_leaves_its_owner_to_the_next_record() {
        let text = "www 30/5 DYNA geoip!web\n    MX 10 mail\n    TXT \"x\"\n";
        let expected = "; www.example.com. Some(\"30/5\") geoip!web\nwww.example.com. MX 10 mail\n    TXT \"x\"\n";
        assert_eq!(rewritten(text).unwrap(), expected);
    }

    #[test]
    fn includes_and_special_names_are_resolved() {
        let text = "$INCLUDE more sub\na.@Z CNAME b.@Z\n";
        let expected = "; from zones/more\n$ORIGIN sub.example.com.\n$TTL 5\nx A 192.0.2.9\n\
                        $ORIGIN deep.sub.example.com.\ny A 192.0.2.8\nz.sub.example.com. A 192.0.2.7\n\
                        $ORIGIN example.com.\na.example.com. CNAME b.example.com.\n";
        assert_eq!(rewritten(text).unwrap(), expected);
        assert_eq!(rewritten("\n$INCLUDE none").unwrap_err(), "zones/example.com:2: zones/none: no such file");
        assert_eq!(rewritten("a CH TXT x").unwrap_err(), "zones/example.com:1: records of class CH are not served");
    }

    #[test]
    fn times_are_read() {
        for (text, expected) in
            [("300", Some(300)), ("1h30m", Some(5400)), ("2W", Some(1_209_600)), ("x", None), ("", None)]
        {
            assert_eq!(seconds(text), expected, "{text}");
        }
    }
}
