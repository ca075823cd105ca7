//! The house keeps its floors: a room imports only rooms below it, each third party stays behind its door, and `unsafe`
//! stands in one file.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms from the ground up. Rooms on one line do not know each other.
const FLOORS: &[&[&str]] = &[
    &["name", "geo", "health", "suggest"],
    &["latency"],
    &["wire", "steering", "overrides", "load"],
    &["zone", "rollout"],
    &["snapshot"],
    &["answer", "watch"],
    &["config", "geoip", "monitor", "control", "store", "report"],
    &["server", "admin", "webhook"],
    &["cli"],
];

/// Who may use what comes from outside.
const DOORS: &[(&str, &[&str])] = &[
    ("maxminddb", &["geoip"]),
    ("axum", &["admin"]),
    ("hyper", &["monitor", "server", "admin", "cli"]),
    ("h2", &["monitor"]),
    ("reqwest", &["cli", "webhook"]),
    ("rustls", &["monitor", "config", "server", "webhook", "cli"]),
    ("tokio_rustls", &["monitor", "server"]),
    ("quinn", &["server"]),
    ("hickory_server", &["server"]),
    ("subtle", &["config"]),
    ("x509_parser", &["monitor", "config"]),
    ("redb", &["store"]),
    ("serde", &["config", "geoip", "store", "report"]),
    ("serde_json", &["monitor", "store", "report", "config"]),
    ("toml", &["config"]),
    ("url::Url", &["config"]),
    ("hickory_proto", &["monitor", "report", "admin", "cli"]),
    ("tokio", &["monitor", "control", "server", "admin", "webhook", "cli"]),
    ("std::fs", &["config", "geoip", "store", "cli"]),
    ("std::time::Instant", &["monitor", "control", "server", "admin", "cli"]),
    ("std::net::UdpSocket", &["server"]),
];

/// The only file with `unsafe` in it.
const UNSAFE: &str = "server/batch.rs";

fn sources() -> BTreeMap<PathBuf, String> {
    fn gather(folder: &Path, sources: &mut BTreeMap<PathBuf, String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                gather(&path, sources);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                sources.insert(path, text);
            }
        }
    }
    let is_test = |path: &Path| path.iter().any(|part| part == "tests" || part == "tests.rs");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = BTreeMap::new();
    gather(&root, &mut sources);
    let inside = sources.into_iter().map(|(path, text)| (path.strip_prefix(&root).unwrap().to_owned(), text));
    inside.filter(|(path, _)| !is_test(path)).collect()
}

/// The room that a file stands in; `None` for the crate's own two files.
fn room(path: &Path) -> Option<String> {
    let first = path.iter().next()?.to_str()?.trim_end_matches(".rs");
    (!matches!(first, "lib" | "main")).then(|| first.to_owned())
}

/// The part of a file that is not tests: those may look at rooms above to set a scene.
fn without_tests(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap()
}

/// The code of a line, without what it says.
fn code(line: &str) -> &str {
    line.split("//").next().unwrap()
}

fn rooms_named(text: &str) -> Vec<String> {
    let mut rooms = Vec::new();
    for line in text.lines().map(code) {
        for behind in line.split("crate::").skip(1) {
            let room: String = behind.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            rooms.push(room);
        }
    }
    rooms
}

#[test]
fn imports_only_run_down() {
    let floor = |room: &str| FLOORS.iter().position(|rooms| rooms.contains(&room));
    for (path, text) in sources() {
        let Some(here) = room(&path) else { continue };
        let here_floor = floor(&here).unwrap_or_else(|| panic!("{here} stands on no floor"));
        for other in rooms_named(without_tests(&text)).iter().filter(|other| **other != here) {
            let Some(other_floor) = floor(other) else { continue };
            assert!(other_floor < here_floor, "{} imports {other}, which is not below it", path.display());
        }
    }
}

#[test]
fn every_room_stands_on_a_floor() {
    let mut rooms: Vec<String> = sources().keys().filter_map(|path| room(path)).collect();
    rooms.dedup();
    let mut placed: Vec<&str> = FLOORS.iter().flat_map(|rooms| rooms.iter().copied()).collect();
    rooms.sort_unstable();
    placed.sort_unstable();
    assert_eq!(rooms, placed);
}

#[test]
fn third_parties_stay_behind_their_doors() {
    for (path, text) in sources() {
        let Some(here) = room(&path) else { continue };
        for (party, doors) in DOORS {
            let used = without_tests(&text).lines().map(code).any(|line| {
                line.match_indices(party).any(|(at, _)| {
                    let before = line[..at].chars().next_back();
                    let behind = line[at + party.len()..].chars().next();
                    let is_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
                    !is_word(before) && behind.is_some_and(|c| c == ':' || c == ';')
                })
            });
            assert!(!used || doors.contains(&here.as_str()), "{} uses {party}", path.display());
        }
    }
}

#[test]
fn unsafe_stands_in_one_file() {
    for (path, text) in sources() {
        let used = text.lines().map(code).any(|line| line.contains("unsafe {") || line.contains("unsafe fn"));
        assert!(!used || path == Path::new(UNSAFE), "{} holds unsafe", path.display());
    }
}
