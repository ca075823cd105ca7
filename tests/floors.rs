//! The rooms keep their floors: a room imports only rooms below it, each dependency is used only in its listed rooms,
//! and `unsafe` is in two files.
//!
//! The sources are read as Rust tokens, so comments and strings do not count. Code for tests does not count either; it
//! may use rooms above. A group such as `use crate::{name::Name, wire}` is read as the paths in it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// The rooms from the lowest floor up. Rooms on one line do not import each other.
const FLOORS: &[&[&str]] = &[
    &["backoff", "duration", "glob", "mix", "printable", "quoted", "serial", "timestamp"],
    &["name", "geo", "health", "suggest", "vital"],
    &["latency"],
    &["vantage", "wire", "steering", "overrides", "load"],
    &["zone", "rollout", "counters", "tap", "versions"],
    &["dnssec"],
    &["snapshot"],
    &["answer", "watch", "lease"],
    &["ledger"],
    &["clock", "disk", "external_dns", "outbound", "resolver"],
    &["config", "discovery", "geoip", "monitor", "control", "store", "report", "limiter", "handover", "tls"],
    &["server", "admin", "webhook", "querylog", "fleet", "import"],
    &["cli"],
];

/// The rooms that use each dependency. Every dependency of Cargo.toml has a line here, and every room of a line uses it.
const DOORS: &[(&str, &[&str])] = &[
    ("async_nats", &["fleet"]),
    ("annotate_snippets", &["config"]),
    ("arc_swap", &["admin", "cli", "server", "tls"]),
    ("arrayvec", &["answer", "server", "tap", "zone"]),
    ("axum", &["admin"]),
    ("bytes", &["cli", "monitor", "server"]),
    ("clap", &["cli"]),
    ("clap_complete", &["cli"]),
    ("clap_mangen", &["cli"]),
    ("data_encoding", &["admin", "cli", "config", "dnssec", "report", "server", "zone"]),
    ("domain", &["config", "monitor", "report", "resolver", "wire"]),
    ("fastrand", &["admin", "answer", "cli", "discovery", "fleet", "steering", "watch", "webhook"]),
    ("foldhash", &["config", "control", "geo", "geoip", "report", "server", "snapshot", "steering", "watch", "zone"]),
    ("futures_util", &["admin", "fleet"]),
    ("getrandom", &["monitor", "resolver", "snapshot"]),
    ("h2", &["monitor"]),
    ("hickory_proto", &["admin", "cli", "report"]),
    ("http_body_util", &["admin", "cli", "monitor", "server"]),
    ("hyper", &["admin", "cli", "monitor", "server"]),
    ("hyper_util", &["admin", "cli", "monitor", "server"]),
    // Stands in the manifest to choose its version: `url` uses it.
    ("idna_adapter", &[]),
    ("ipnet", &["config", "fleet", "geo", "import", "latency", "report", "snapshot", "store"]),
    ("landlock", &["cli"]),
    ("libc", &["cli", "disk", "monitor", "querylog", "server"]),
    ("listenfd", &["handover"]),
    ("maxminddb", &["geoip"]),
    ("nix", &["cli"]),
    ("percent_encoding", &["server"]),
    ("quinn", &["server"]),
    ("redb", &["store"]),
    ("regex", &["config", "health"]),
    ("reqwest", &["cli", "discovery", "outbound", "webhook"]),
    // Only `dnssec`, `versions` and `zone` use the crate. Elsewhere such a path leads into the provider of rustls, or into
    // `tap::ring`.
    ("ring", &["cli", "config", "dnssec", "fleet", "monitor", "outbound", "tap", "tls", "versions", "zone"]),
    ("rustix", &["cli", "config", "handover", "monitor"]),
    ("rustls", &["admin", "cli", "config", "discovery", "fleet", "monitor", "outbound", "server", "tls"]),
    ("rustls_native_certs", &["cli", "fleet", "monitor", "outbound"]),
    (
        "serde",
        &["config", "discovery", "external_dns", "fleet", "geoip", "handover", "import", "querylog", "report", "store"],
    ),
    (
        "serde_json",
        &[
            "cli",
            "config",
            "discovery",
            "external_dns",
            "fleet",
            "handover",
            "import",
            "monitor",
            "querylog",
            "report",
            "store",
        ],
    ),
    ("siphasher", &["config", "dnssec", "health", "ledger", "steering", "vantage", "wire"]),
    ("socket2", &["admin", "monitor", "querylog", "server"]),
    ("strsim", &["suggest"]),
    ("subtle", &["config"]),
    ("tempfile", &["cli"]),
    (
        "tokio",
        &[
            "admin",
            "cli",
            "control",
            "discovery",
            "fleet",
            "handover",
            "monitor",
            "limiter",
            "resolver",
            "server",
            "vital",
            "webhook",
        ],
    ),
    ("tokio_rustls", &["admin", "monitor", "server"]),
    ("toml", &["config"]),
    (
        "tracing",
        &[
            "admin", "cli", "control", "fleet", "handover", "monitor", "querylog", "resolver", "server", "store",
            "webhook",
        ],
    ),
    ("tracing_subscriber", &["cli"]),
    ("url", &["config"]),
    ("webpki", &["monitor"]),
    ("yaml_rust2", &["discovery"]),
    ("x509_parser", &["config", "monitor", "tls"]),
];

/// The rooms that use files, the clock and sockets of the standard library.
const STD_DOORS: &[(&str, &[&str])] = &[
    ("std::fs", &["disk", "config", "handover", "store", "admin", "cli", "querylog", "resolver"]),
    // `disk` reads the time of a file's last change, and `config` compares it with the present time.
    ("std::time::SystemTime", &["clock", "config", "disk"]),
    (
        "std::time::Instant",
        &[
            "monitor", "control", "fleet", "handover", "limiter", "resolver", "server", "admin", "cli", "store",
            "querylog",
        ],
    ),
    ("std::net::UdpSocket", &["server"]),
];

/// The only files with `unsafe` in them.
const UNSAFE: [&str; 2] = ["server/batch.rs", "server/memory.rs"];

/// A path as it is written, `["crate", "wire", "Rtype"]` for example.
type Segments = Vec<String>;

/// The paths that one source file uses outside its tests.
struct Source {
    /// The file, below `src/`.
    path: PathBuf,
    paths: Vec<Segments>,
    is_unsafe: bool,
}

impl Source {
    fn read(path: PathBuf, text: &str) -> Self {
        let tokens: TokenStream = text.parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let tokens = without_tests(tokens);
        let mut paths = Vec::new();
        gather_paths(&tokens, &mut paths);
        for path_named in &mut paths {
            root_supers(path_named, module_depth(&path));
        }
        let is_unsafe = has_word(&tokens, "unsafe");
        Self { path, paths, is_unsafe }
    }

    /// Returns the file's room; `None` for the crate's own two files.
    fn room(&self) -> Option<&str> {
        let first = self.path.iter().next()?.to_str()?.trim_end_matches(".rs");
        (!matches!(first, "lib" | "main")).then_some(first)
    }

    /// The rooms that it names.
    fn rooms_named(&self) -> impl Iterator<Item = &str> {
        self.paths.iter().filter(|path| path[0] == "crate").filter_map(|path| path.get(1)).map(String::as_str)
    }

    /// True if a path leads into this room, or into this other crate. A single word is a name of the file's own.
    fn uses(&self, party: &str) -> bool {
        let party: Vec<&str> = party.split("::").collect();
        let leads_in = |path: &Segments| path.len() > 1 && path.iter().take(party.len()).eq(party.iter().copied());
        self.paths.iter().any(leads_in)
    }
}

/// All sources, read once for all tests.
static SOURCES: LazyLock<Vec<Source>> = LazyLock::new(sources);

fn sources() -> Vec<Source> {
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
    inside.filter(|(path, _)| !is_test(path)).map(|(path, text)| Source::read(path, &text)).collect()
}

/// Modules between a file's code and the root of the crate: 1 for `wire/mod.rs`, 2 for `wire/opt.rs`.
fn module_depth(path: &Path) -> usize {
    path.iter().count() - usize::from(path.file_name().is_some_and(|name| name == "mod.rs"))
}

/// Returns the tokens without each item, field or variant after `#[cfg(test)]`.
fn without_tests(tokens: TokenStream) -> Vec<TokenTree> {
    let mut kept = Vec::new();
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        let is_hash = matches!(&token, TokenTree::Punct(punct) if punct.as_char() == '#');
        if is_hash && tokens.peek().is_some_and(is_cfg_test) {
            // Skips to the item's end: its body, or its semicolon or comma.
            for token in tokens.by_ref() {
                let ends = match &token {
                    TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
                    TokenTree::Punct(punct) => matches!(punct.as_char(), ';' | ','),
                    _ => false,
                };
                if ends {
                    break;
                }
            }
            continue;
        }
        kept.push(token);
    }
    kept
}

fn is_cfg_test(attribute: &TokenTree) -> bool {
    let TokenTree::Group(attribute) = attribute else { return false };
    let tokens: Vec<TokenTree> = attribute.stream().into_iter().collect();
    matches!(&tokens[..], [TokenTree::Ident(cfg), ..] if cfg == "cfg") && has_word(&tokens, "test")
}

fn has_word(tokens: &[TokenTree], word: &str) -> bool {
    tokens.iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == word,
        TokenTree::Group(group) => has_word(&group.stream().into_iter().collect::<Vec<_>>(), word),
        _ => false,
    })
}

/// Every path in these tokens, those within groups and macros included.
fn gather_paths(tokens: &[TokenTree], paths: &mut Vec<Segments>) {
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at] {
            TokenTree::Ident(_) => at = gather_path(tokens, at, &[], paths),
            TokenTree::Group(group) => {
                gather_paths(&without_tests(group.stream()), paths);
                at += 1;
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => at += 1,
        }
    }
}

/// Adds the path that begins at `at`, or the paths if it ends in a group. Returns where it ends.
fn gather_path(tokens: &[TokenTree], mut at: usize, before: &[String], paths: &mut Vec<Segments>) -> usize {
    let mut path = before.to_vec();
    loop {
        match tokens.get(at) {
            Some(TokenTree::Ident(ident)) => path.push(ident.to_string()),
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                for part in inner.split(|token| matches!(token, TokenTree::Punct(comma) if comma.as_char() == ',')) {
                    if !part.is_empty() {
                        gather_path(part, 0, &path, paths);
                    }
                }
                return at + 1;
            }
            _ => break,
        }
        at += 1;
        if !is_path_separator(tokens, at) {
            break;
        }
        at += 2;
    }
    paths.push(path);
    at
}

fn is_path_separator(tokens: &[TokenTree], at: usize) -> bool {
    let is_colon = |at: usize| matches!(tokens.get(at), Some(TokenTree::Punct(colon)) if colon.as_char() == ':');
    is_colon(at) && is_colon(at + 1)
}

/// Writes a path that climbs out of its room with `super` as one from the root of the crate.
fn root_supers(path: &mut Segments, depth: usize) {
    let supers = path.iter().take_while(|segment| *segment == "super").count();
    if supers >= depth && supers > 0 {
        path.splice(..supers, ["crate".to_owned()]);
    }
}

#[test]
fn imports_only_run_down() {
    let floor = |room: &str| FLOORS.iter().position(|rooms| rooms.contains(&room));
    for source in &*SOURCES {
        let Some(here) = source.room() else { continue };
        let here_floor = floor(here).unwrap_or_else(|| panic!("{here} stands on no floor"));
        for other in source.rooms_named().filter(|other| *other != here) {
            let Some(other_floor) = floor(other) else { continue };
            assert!(other_floor < here_floor, "{} imports {other}, which is not below it", source.path.display());
        }
    }
}

#[test]
fn every_room_stands_on_a_floor() {
    let rooms: BTreeSet<&str> = SOURCES.iter().filter_map(Source::room).collect();
    let placed: BTreeSet<&str> = FLOORS.iter().flat_map(|rooms| rooms.iter().copied()).collect();
    assert_eq!(rooms, placed);
}

#[test]
fn third_parties_stay_behind_their_doors() {
    let users = |party: &str| -> BTreeSet<&str> {
        SOURCES.iter().filter(|source| source.uses(party)).filter_map(Source::room).collect()
    };
    for (party, doors) in DOORS.iter().chain(STD_DOORS) {
        let doors: BTreeSet<&str> = doors.iter().copied().collect();
        assert_eq!(users(party), doors, "the rooms that use {party}, and those that tests/floors.rs lists");
    }
}

#[test]
fn every_dependency_has_a_door() {
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    let names = manifest["dependencies"].as_table().unwrap().keys().map(|name| name.replace('-', "_"));
    let doors = DOORS.iter().map(|(party, _)| (*party).to_owned());
    assert_eq!(names.collect::<BTreeSet<_>>(), doors.collect());
}

#[test]
fn unsafe_stands_in_one_file() {
    for source in &*SOURCES {
        assert!(
            !source.is_unsafe || UNSAFE.iter().any(|path| source.path == Path::new(path)),
            "{} holds unsafe",
            source.path.display()
        );
    }
}

/// Sources are read as Rust tokens, so that words in comments and strings do not count.
#[test]
fn sources_are_read_as_rust() {
    let text = "
        use crate::{name::Name, wire::{self, Rtype}};
        #[cfg(test)] use crate::cli;
        #[cfg(test)] mod tests { use crate::server; }
        /// crate::admin in a comment
        fn f() -> &'static str { tracing::info!(crate::geo::WORLD, \"crate::store\"); super::super::zone::f() }
    ";
    let source = Source::read(PathBuf::from("answer/chain.rs"), text);
    let rooms: BTreeSet<&str> = source.rooms_named().collect();
    assert_eq!(rooms, BTreeSet::from(["geo", "name", "wire", "zone"]));
    let deeper = Source::read(PathBuf::from("answer/chain/link.rs"), text);
    assert!(deeper.rooms_named().all(|room| room != "zone"), "two steps up from answer::chain::link is answer");
    assert!(source.uses("tracing") && !source.uses("info"));
}
