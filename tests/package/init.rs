//! `truenorth init`: what it writes can be served.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use crate::harness::{Node, shipped_database};
use crate::schema;

/// Answers as flags, without a service that would need an endpoint.
const FLAGS: &str = "--zone gslb.example.com --nameserver ns1=192.0.2.53 --nameserver ns2=198.51.100.53 \
                     --datacenter fra=50.11,8.68 --datacenter iad=38.95,-77.45 \
                     --endpoints fra=127.0.0.1,fd00::1 --endpoints iad=127.0.0.2,fd00::2 --check none";

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// `truenorth` in a folder, where it finds no server file elsewhere.
fn truenorth(folder: &Path, words: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_truenorth"));
    command.args(words.split_whitespace()).current_dir(folder).env("TRUENORTH_CONFIG", "truenorth.toml");
    command.env("RUST_LOG", "info").stdin(Stdio::null());
    command
}

fn init(folder: &Path, words: &str) -> (Option<i32>, String, String) {
    told(&truenorth(folder, &format!("init {words}")).output().unwrap())
}

fn told(output: &Output) -> (Option<i32>, String, String) {
    let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// The paths below a folder.
fn paths(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            found.extend(paths(&path).into_iter().map(|inner| format!("{name}/{inner}")));
        }
        found.push(name);
    }
    found.sort();
    found
}

#[test]
fn what_it_writes_is_checked_served_and_asked() {
    let folder = folder();
    let database = shipped_database();
    let words = format!("{FLAGS} --listen 127.0.0.1:0 --geoip {}", database.display());
    let (code, stdout, stderr) = init(folder.path(), &words);
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
    assert!(stdout.starts_with("wrote truenorth.toml and zones/gslb.example.com.toml\n"), "{stdout}");
    for line in [
        "  truenorth serve",
        "  gslb.example.com.  NS  ns2.gslb.example.com.",
        "  ns1.gslb.example.com.  A  192.0.2.53",
    ] {
        assert!(stdout.lines().any(|told| told == line), "{line} is not told in:\n{stdout}");
    }
    let check = truenorth(folder.path(), "check").output().unwrap();
    let (code, stdout, stderr) = told(&check);
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "there are warnings");
    assert!(stdout.starts_with("good: 1 zone, 1 steered name,"), "{stdout}");
    for (path, file) in [("truenorth.toml", schema::SERVER), ("zones/gslb.example.com.toml", schema::ZONE)] {
        schema::of(file).accepts(path, &fs::read_to_string(folder.path().join(path)).unwrap());
    }

    let mut node = Node::start_unheard(truenorth(folder.path(), "serve"));
    node.wait_for_answers();
    // Frankfurt is near the Netherlands, Ashburn near New Jersey.
    assert_eq!(node.dig("www.gslb.example.com +subnet=193.0.6.0/24").data(), ["127.0.0.1"]);
    assert_eq!(node.dig("www.gslb.example.com +subnet=128.6.1.0/24").data(), ["127.0.0.2"]);
    assert_eq!(node.dig("www.gslb.example.com AAAA +subnet=128.6.1.0/24").data(), ["fd00::2"]);
    assert_eq!(node.dig("gslb.example.com NS").answer.len(), 2);
    let (code, stdout, stderr) = told(&truenorth(folder.path(), "status --json").output().unwrap());
    assert_eq!(code, Some(0), "the commands do not reach the node: {stdout}{stderr}");
    let status: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    let version = told(&truenorth(folder.path(), "--version").output().unwrap()).1;
    assert_eq!(version.trim_end(), format!("truenorth {}", status["version"].as_str().unwrap()));
    assert_eq!(node.terminate().code(), Some(0));
}

/// A zone for each way to probe, and with and without a database and a choice, is free of warnings.
#[test]
fn no_answer_leads_to_a_warning() {
    let one = "--zone a.example --nameserver ns.example.net --datacenter fra=50,8 --endpoints fra=127.0.0.1";
    let two = "--zone b.example --nameserver ns1=127.0.0.1 --datacenter fra=50,8 --datacenter iad=38,-77 \
               --endpoints iad=127.0.0.1 --endpoints fra=::1,127.0.0.2";
    let geoip = format!("--geoip {}", shipped_database().display());
    let checks = ["http", "http:8080/healthz", "https/", "tcp:443", "none"];
    let ways = checks.map(|check| (check, "")).into_iter().chain([("http", geoip.as_str())]);
    for (answers, (check, geoip)) in
        [one, two].into_iter().flat_map(|answers| ways.clone().map(move |way| (answers, way)))
    {
        let folder = folder();
        let (code, stdout, stderr) = init(folder.path(), &format!("{answers} --check {check} {geoip}"));
        // `check` warns of a pool with IPv6 in only one datacenter, because the answers say so.
        let foreseen = |line: &str| line.contains("AAAA") || line.contains("IPv6");
        let warned: Vec<&str> = stderr.lines().filter(|line| line.starts_with("warning") && !foreseen(line)).collect();
        assert_eq!((code, warned), (Some(0), Vec::new()), "{answers} {check} {geoip}: {stdout}{stderr}");
    }
}

#[test]
fn nothing_is_overwritten_and_another_zone_is_added() {
    let folder = folder();
    assert_eq!(init(folder.path(), &format!("{FLAGS} --listen 127.0.0.1:0")).0, Some(0));
    let server = fs::read_to_string(folder.path().join("truenorth.toml")).unwrap();
    let edited = server.replace("max_source_v4 = 24", "max_source_v4 = 20");
    fs::write(folder.path().join("truenorth.toml"), &edited).unwrap();

    let (code, _, stderr) = init(folder.path(), FLAGS);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("zones/gslb.example.com.toml exists already, and is not overwritten"), "{stderr}");

    let (code, _, stderr) = init(folder.path(), &format!("{FLAGS} --listen 127.0.0.1:0"));
    assert!(code == Some(2) && stderr.contains("--listen is only for a new server file"), "{stderr}");

    let (code, stdout, stderr) = init(folder.path(), &FLAGS.replace("gslb.example.com", "shop.example.com"));
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
    assert!(stdout.starts_with("wrote zones/shop.example.com.toml\n\ngood: 2 zones"), "{stdout}");
    assert_eq!(fs::read_to_string(folder.path().join("truenorth.toml")).unwrap(), edited);

    fs::write(folder.path().join("truenorth.toml"), "zones = 1").unwrap();
    let (code, _, stderr) = init(folder.path(), &FLAGS.replace("gslb.example.com", "third.example.com"));
    assert!(
        code == Some(1) && stderr.contains("truenorth.toml:1:9") && stderr.contains("nothing was written"),
        "{stderr}"
    );
}

#[test]
fn what_cannot_be_is_refused_and_nothing_is_left() {
    let folder = folder();
    for (wrong, right, code, expected) in [
        ("--zone *.example", "--zone gslb.example.com", 2, "is not a zone"),
        ("--nameserver ns1.gslb.example.com", "--nameserver ns1=192.0.2.53", 2, "needs its addresses: ns1=192.0.2.53"),
        ("--datacenter sin=1,103", "--datacenter iad=38.95,-77.45", 2, "there is no datacenter iad, only fra, sin"),
        ("--endpoints fra=192.0.2.256", "--endpoints fra=127.0.0.1,fd00::1", 2, "`192.0.2.256` is not an address"),
        ("--check ftp", "--check none", 2, "is not a check"),
        // It is an address, but no host can have it.
        ("--endpoints fra=224.0.0.1", "--endpoints fra=127.0.0.1,fd00::1", 1, "is a multicast address"),
        ("--geoip none.mmdb --check none", "--check none", 1, "none.mmdb"),
    ] {
        assert!(FLAGS.contains(right), "{right}");
        let (ended, stdout, stderr) = init(folder.path(), &FLAGS.replace(right, wrong));
        assert_eq!((ended, stdout.as_str()), (Some(code), ""), "{wrong}: {stderr}");
        assert!(stderr.contains(expected), "{wrong}: {stderr}");
        assert_eq!(paths(folder.path()), Vec::<String>::new(), "{wrong}");
    }
}

#[test]
fn without_a_terminal_it_says_which_flags_it_needs() {
    let folder = folder();
    let (code, _, stderr) = init(folder.path(), "--zone gslb.example.com --check none");
    assert_eq!(code, Some(2));
    assert!(stderr.contains("no terminal") && stderr.contains("--nameserver, --datacenter, --endpoints\n"), "{stderr}");
    let mut closed = Command::new("sh");
    closed.args(["-c", "exec \"$0\" init <&-", env!("CARGO_BIN_EXE_truenorth")]).current_dir(folder.path());
    assert_eq!(told(&closed.env("TRUENORTH_CONFIG", "truenorth.toml").output().unwrap()).0, Some(2));
    assert_eq!(paths(folder.path()), Vec::<String>::new());
}

/// Runs it at a terminal, types these keys, and returns the exit code and what the terminal shows.
fn type_into(folder: &Path, flags: &str, keys: &str) -> (Option<i32>, String) {
    let command = format!("{} init {flags}", env!("CARGO_BIN_EXE_truenorth"));
    let mut script = Command::new("script");
    script.args(["-q", "-e", "-c", &command, "/dev/null"]).current_dir(folder);
    script.env("TRUENORTH_CONFIG", "truenorth.toml").env("SHELL", "/bin/sh");
    let mut child = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("`script` is in bsdutils");
    child.stdin.take().unwrap().write_all(keys.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn a_terminal_is_asked_five_questions_and_again_after_a_wrong_answer() {
    let folder = folder();
    let keys = "gslb.example.com\nns1\nns1=127.0.0.1\nfra=50.11,8.68\nfra=127.0.0.1\n\n";
    let (code, shown) = type_into(folder.path(), "--listen 127.0.0.1:0", keys);
    assert_eq!(code, Some(0), "{shown}");
    for (question, times) in [("1/5", 1), ("2/5", 2), ("3/5", 1), ("4/5", 1), ("5/5", 1)] {
        assert_eq!(shown.matches(question).count(), times, "{question} in {shown}");
    }
    assert!(shown.contains("needs its addresses: ns1=192.0.2.53"), "{shown}");
    let zone = fs::read_to_string(folder.path().join("zones/gslb.example.com.toml")).unwrap();
    assert!(zone.contains("type = \"http\"") && zone.contains("endpoints.fra = [\"127.0.0.1\"]"), "{zone}");
}

#[test]
fn the_end_of_input_writes_nothing() {
    let folder = folder();
    // Control-D
    let (code, shown) = type_into(folder.path(), "", "gslb.example.com\n\u{4}");
    assert!(code == Some(1) && shown.contains("no answer for --nameserver; nothing was written"), "{code:?} {shown}");
    assert_eq!(paths(folder.path()), Vec::<String>::new());
}

#[test]
fn the_readme_shows_the_dialogue_as_it_is() {
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let (_, rest) = readme.split_once("$ truenorth init\n").expect("the dialogue");
    let (dialogue, _) = rest.split_once("```").expect("it ends");
    let (typed, told): (Vec<&str>, Vec<&str>) = dialogue.lines().partition(|line| line.starts_with("> "));
    let keys: String = typed.iter().flat_map(|line| [&line[2..], "\n"]).collect();
    let folder = folder();
    let (code, shown) = type_into(folder.path(), "", &keys);
    assert_eq!(code, Some(0), "{shown}");
    for line in told {
        assert!(shown.contains(line), "{line} is not told in:\n{shown}");
    }
}
