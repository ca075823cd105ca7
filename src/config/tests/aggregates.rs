//! Monitors made of other monitors, monitors that wait for reports, and the settings of all probes.

use std::time::Duration;

use super::*;
use crate::health::{Check, Condition};

const HEAD: &str = "[nameservers]\nns1 = [\"192.0.2.53\"]\n[datacenters]\nfra = { latitude = 1, longitude = 1 }\n";
const TAIL: &str = "[pools.web]\nmonitor = \"top\"\nendpoints = [\"192.0.2.1\"]\n[names.www]\npools = [\"web\"]\n";
const PARTS: &str = "[monitors.web]\ntype = \"http\"\nrise = 1\n[monitors.db]\ntype = \"tcp\"\nport = 5432\n";

/// The condition of the only endpoint, with these monitors.
fn condition(monitors: &str) -> Condition {
    let config =
        load_zone(&format!("{HEAD}{monitors}{TAIL}")).unwrap_or_else(|faults| panic!("{}", faults.render(false)));
    assert!(config.warnings.0.is_empty(), "{}", config.warnings.render(false));
    config.world.pools[0].members.condition(0).expect("it is watched").clone()
}

/// The faults of these monitors. Lines count from the first monitor, except those of related places.
fn told_of(monitors: &str) -> Vec<String> {
    let head = HEAD.lines().count();
    let line = |line: &String| {
        let placed = line.split_once(':').and_then(|(number, rest)| Some((number.parse::<usize>().ok()?, rest)));
        placed.map_or_else(|| line.clone(), |(number, rest)| format!("{}:{rest}", number - head))
    };
    lines(&told(load_zone(&format!("{HEAD}{monitors}{TAIL}")))).iter().map(line).collect()
}

/// `2(tcp 80, tcp 81)`.
fn draw(condition: &Condition) -> String {
    match condition {
        Condition::Probe(target) => {
            let check = match target.monitor.check {
                Check::Tcp(_) => "tcp",
                Check::Push => "push",
                _ => &*target.host,
            };
            format!("{check} {}", target.address.port())
        }
        Condition::AtLeast(needed, parts) => {
            format!("{needed}({})", parts.iter().map(draw).collect::<Vec<_>>().join(", "))
        }
    }
}

#[test]
fn aggregates_are_made_of_monitors_each_with_its_own_rule() {
    for (top, drawn) in [
        ("type = \"all\"\nof = [\"web\", \"db\"]\n", "2(www.example.com 80, tcp 5432)"),
        ("type = \"any\"\nof = [\"web\", \"db\"]\n", "1(www.example.com 80, tcp 5432)"),
        ("type = \"at_least\"\ncount = 2\nof = [\"web\", \"db\"]\n", "2(www.example.com 80, tcp 5432)"),
    ] {
        let found = condition(&format!("{PARTS}[monitors.top]\n{top}"));
        assert_eq!(draw(&found), drawn);
        let mut rises = Vec::new();
        found.each_target(&mut |target| rises.push(target.monitor.rise.get()));
        assert_eq!(rises, [1, 2]);
    }
    let nested = "[monitors.top]\ntype = \"any\"\nof = [\"both\", \"word\"]\n[monitors.both]\ntype = \"all\"\nof = [\"web\", \"db\"]\n\
        [monitors.word]\ntype = \"push\"\n";
    assert_eq!(draw(&condition(&format!("{nested}{PARTS}"))), "1(2(www.example.com 80, tcp 5432), push 0)");
}

#[test]
fn a_zone_aggregates_what_the_server_file_defines() {
    let server = format!("{SERVER}{PARTS}[monitors.either]\ntype = \"any\"\nof = [\"web\", \"db\"]\n");
    // The server file's `either` is made of the server file's own `web`.
    let zone = format!(
        "{HEAD}[monitors.web]\ntype = \"tcp\"\nport = 1\n[monitors.top]\ntype = \"all\"\nof = [\"web\", \"either\"]\n{TAIL}"
    );
    let files = [("truenorth.toml", server.as_bytes()), ("zones/example.com.toml", zone.as_bytes())];
    let config = load_files(&files).unwrap();
    assert!(config.warnings.0.is_empty(), "{}", config.warnings.render(false));
    let condition = config.world.pools[0].members.condition(0).unwrap();
    assert_eq!(draw(condition), "2(tcp 1, 1(www.example.com 80, tcp 5432))");
}

#[test]
fn a_push_monitor_has_a_deadline() {
    let of = |rest: &str| match condition(&format!("[monitors.top]\ntype = \"push\"\n{rest}")) {
        Condition::Probe(target) => target,
        other @ Condition::AtLeast(..) => panic!("{other:?}"),
    };
    let plain = of("");
    assert_eq!((&plain.monitor.check, plain.monitor.pace.interval()), (&Check::Push, Duration::from_secs(30)));
    assert!(!plain.is_probed());
    let own = of("deadline = \"2m\"\nfall = 1\nhold_down = \"1m\"\n");
    assert_eq!((own.monitor.pace.interval(), own.monitor.fall.get()), (Duration::from_secs(120), 1));
    assert_eq!(
        told_of("[monitors.top]\ntype = \"push\"\ninterval = \"5s\"\nport = 80\npath = \"/\"\n"),
        [
            "3:1 error: `interval` is for monitors that probe: a push monitor has a `deadline`",
            "4:1 error: `port` is for monitors that probe",
            "5:1 error: `path` is for monitors of type http and https",
        ]
    );
    assert_eq!(
        told_of("[monitors.top]\ntype = \"tcp\"\nport = 1\ndeadline = \"5s\"\n"),
        ["4:1 error: `deadline` is for monitors of type push"]
    );
}

#[test]
fn what_cannot_be_aggregated_is_told() {
    let with_parts = |top: &str| told_of(&format!("[monitors.top]\n{top}{PARTS}"));
    assert_eq!(
        with_parts("type = \"all\"\nof = [\"web\", \"bd\", \"db\"]\n"),
        ["3:14 error: there is no monitor `bd` | did you mean `db`? | help: there is `top`, `web`, `db`"]
    );
    assert_eq!(
        with_parts("type = \"all\"\nof = [\"web\", \"db\"]\ninterval = \"5s\"\ncount = 1\n"),
        [
            "4:1 error: `interval` is for the monitors that an aggregate is made of",
            "5:1 error: `count` is for monitors of type at_least",
        ]
    );
    assert_eq!(
        with_parts("type = \"at_least\"\nof = [\"web\", \"db\"]\ncount = 3\n"),
        ["4:9 error: `count` takes a whole number from 1 to 2 | 3"]
    );
    assert_eq!(
        with_parts("type = \"at_least\"\nof = [\"web\", \"db\"]\n"),
        ["1:11 error: a monitor needs `count` | `count` is missing here"]
    );
    let one = with_parts("type = \"any\"\nof = [\"web\"]\n");
    assert_eq!(one[0], "3:6 error: an aggregate needs at least two monitors | 1");
    let twice = with_parts("type = \"any\"\nof = [\"web\", \"db\", \"web\"]\n");
    assert_eq!(twice, ["3:20 error: `web` is given twice | again | 7:7 first named here"]);
    assert_eq!(
        told_of("[monitors.top]\ntype = \"tcp\"\nport = 1\nof = [\"web\"]\n"),
        ["4:1 error: `of` is for monitors of type all, any and at_least"]
    );
}

#[test]
fn a_monitor_is_not_part_of_itself() {
    let aggregate = |name: &str, of: &str| format!("[monitors.{name}]\ntype = \"all\"\nof = [\"{of}\", \"db\"]\n");
    let found = told_of(&format!("{}{PARTS}", aggregate("top", "top")));
    assert_eq!(found, ["3:7 error: monitor `top` is part of itself | refers back to it | 5:11 this one"]);
    let three = aggregate("top", "next") + &aggregate("next", "last") + &aggregate("last", "top");
    let found = told_of(&format!("{three}{PARTS}"));
    assert_eq!(found, ["9:7 error: monitor `top` is part of itself | refers back to it | 5:11 this one"]);
}

#[test]
fn an_endpoint_has_so_many_probes_at_most() {
    let aggregate = |kind: &str, name: &str, of: [&str; 2]| {
        format!("[monitors.{name}]\ntype = \"{kind}\"\nof = [\"{}\", \"{}\"]\n", of[0], of[1])
    };
    // Each monitor has twice the probes of the one before.
    let doubled = (1..=12).map(|number| {
        let next = if number == 12 { "web".to_owned() } else { format!("m{}", number + 1) };
        let (one, other) = (format!("m{number}"), format!("a{number}"));
        aggregate("all", &one, [&next, &other]) + &aggregate("any", &other, [&next, "db"])
    });
    let found = told_of(&(aggregate("all", "top", ["m1", "web"]) + &doubled.collect::<String>() + PARTS));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("error: an endpoint has at most 32 probes"), "{found:?}");

    let deep = (0..10_000).map(|number| aggregate("all", &format!("m{number}"), [&format!("m{}", number + 1), "web"]));
    let ends = "[monitors.top]\ntype = \"push\"\n[monitors.m10000]\ntype = \"push\"\n";
    let found = told_of(&(deep.collect::<String>() + ends + PARTS));
    assert!(found.iter().any(|line| line.contains("an endpoint has at most 32 probes")), "{found:?}");
}

#[test]
fn the_server_file_says_how_long_states_are_held() {
    let hold = |server: &str| {
        let files = [("truenorth.toml", server.as_bytes())];
        load_files(&files).map(|config| config.world.probing.hold)
    };
    assert_eq!(hold("").unwrap(), Duration::from_secs(60));
    assert_eq!(hold("[probes]\nhold = \"0s\"").unwrap(), Duration::ZERO);
    assert_eq!(hold("[probes]\nhold = \"5m\"").unwrap(), Duration::from_secs(300));
    assert!(hold("[probes]\nhold = \"2h\"").is_err());
}
