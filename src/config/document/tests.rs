//! Large files are read in parts, and nobody can tell.

use std::fmt::Write as _;

use super::*;
use crate::config::decode::Value;

/// Enough records for several parts.
const MANY: usize = 12_000;

fn records(count: usize) -> String {
    (0..count).fold(String::new(), |mut text, number| {
        let _ = write!(text, "[records.n{number}]\nA = [\"192.0.2.1\"] # ä\n");
        text
    })
}

/// The keys in `[records]` with the lines where they are, and the other keys.
fn read(text: &str) -> (Vec<(String, usize)>, Vec<String>) {
    let source = Arc::new(Source::new("a.toml", text));
    let read = |mut table: TomlTable<'_>, faults: &mut Faults| {
        let mut owners = Vec::new();
        let mut each = |section: &Value<'_>, faults: &mut Faults| {
            let values = section.table("records", faults).map(TomlTable::into_values).unwrap_or_default();
            for value in values {
                assert_eq!(&text[value.anchor().span], value.key);
                let inner = value.table("owner", faults).map(TomlTable::into_values).unwrap_or_default();
                assert!(inner.iter().all(|rrset| text[rrset.place().span].starts_with(['[', '"'])));
                owners.push((value.key.to_owned(), value.anchor().line()));
            }
        };
        table.each("records", faults, &mut each);
        (owners, table.into_values().iter().map(|value| value.key.to_owned()).collect())
    };
    let mut faults = Faults::default();
    let found = read_document(&source, "a file", &mut faults, read);
    assert!(faults.0.is_empty(), "{}", faults.render(false));
    found.expect("it has no fault")
}

#[test]
fn a_large_file_is_cut_and_all_of_it_is_read_with_its_places() {
    let many = records(MANY);
    let text = format!(
        "ttl = 30\n[records]\nm.A = [\"192.0.2.2\"]\n[names.www]\n{many}[pools.web]\nx = 1\n[records.last]\nA = \"192.0.2.3\"\n"
    );
    let found = cut(&text).expect("it is large");
    let parts = &found.parts.ranges;
    assert!(parts.len() > 5 && parts.iter().all(|part| part.len() < PART + 100));
    assert_eq!(found.rest.len(), text.len());
    let (owners, others) = read(&text);
    assert_eq!(owners.len(), MANY + 2);
    for expected in [("m", 3), ("n0", 5), ("n1", 7), ("n11999", 5 + 2 * 11999), ("last", 7 + 2 * MANY)] {
        assert!(owners.contains(&(expected.0.to_owned(), expected.1)), "{expected:?}");
    }
    assert_eq!(others, ["ttl", "names", "pools"]);
    assert!(cut(&records(100)).is_none(), "a small file is parsed at once");
}

#[test]
fn indented_headers_are_headers() {
    let many = records(MANY);
    let text = format!("{many}\t[pools.web]\nx = 1\n  [records.last]\nA = \"192.0.2.3\"\n  [[windows]]\ny = 1\n");
    let (owners, others) = read(&text);
    assert_eq!(owners.len(), MANY + 1);
    assert!(owners.contains(&("last".to_owned(), 3 + 2 * MANY)));
    assert_eq!(others, ["pools", "windows"]);
}

/// A header inside of a text or a list is none.
#[test]
fn what_only_looks_like_a_header_is_not_cut() {
    let many = records(MANY);
    for text in [
        format!("a = \"\"\"\n{many}\"\"\"\n"),
        format!("a = \"\"\"\n[records.x]\n\"\"\"\n{many}"),
        format!("{many}TXT = \"\"\"\n[names.x]\n\"\"\"\n"),
        format!("{many}TXT = [\"\"\"\n[records.x]\nA = \"192.0.2.1\"\n\"\"\", \"b\"]\n"),
    ] {
        let whole = DeTable::parse_recoverable(&text);
        assert!(whole.1.is_empty());
        let records = whole.0.get_ref().get("records").map_or(0, |section| section.get_ref().as_table().unwrap().len());
        assert_eq!(read(&text).0.len(), records);
    }
    for broken in [
        format!("prefer = [\n{many}]\n"),
        format!("{many}[records.x\n"),
        format!("{many}a = \n[names.b]\n"),
        format!("{many}[records.y]\nA = 192.0.2.1\n"),
        format!("{many}a = [\n[names.b]\n"),
    ] {
        let (source, mut faults) = (Arc::new(Source::new("a.toml", broken)), Faults::default());
        assert!(read_document(&source, "a file", &mut faults, read_all).is_none());
        assert!(faults.has_errors());
    }
}

/// Reads all records, as a zone does.
fn read_all(mut table: TomlTable<'_>, faults: &mut Faults) {
    table.each("records", faults, &mut |_, _| ());
}

#[test]
fn a_line_is_complete_or_goes_on() {
    for line in ["", "# [", r#"A = ["[", ']', "\"["] # ["#, r#"[records."a]b"]"#, r"A = '\'", "a = { b = [1] }"] {
        assert!(is_complete(line), "{line}");
    }
    for line in ["A = [", "a = { b = [1]", r#"A = "\""#, "A = '", "A = \"\"\"x", "A = \'\'\'x\'\'\'", "[records.x"] {
        assert!(!is_complete(line), "{line}");
    }
}
