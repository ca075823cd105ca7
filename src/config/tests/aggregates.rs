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
        Condition::Dependency(target) => format!("{} at {}", &*target.host, target),
        Condition::AtLeast(needed, parts) => {
            format!("{needed}({})", parts.iter().map(draw).collect::<Vec<_>>().join(", "))
        }
        Condition::Not(condition) => format!("not {}", draw(condition)),
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
        other => panic!("{other:?}"),
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

#[test]
fn monitors_may_probe_what_endpoints_depend_on_and_may_be_good_when_they_fail() {
    let db = "[monitors.db]\ntype = \"tcp\"\nport = 5432\naddress = \"10.0.0.53\"\n";
    let queue = "[monitors.queue]\ntype = \"http\"\naddress = \"Queue.example.net.\"\n";
    let page = "[monitors.page]\ntype = \"http\"\npath = \"/maintenance\"\ninvert = true\n";
    for (top, drawn) in [
        ("type = \"tcp\"\nport = 5432\naddress = \"2001:db8::53\"\n", "2001:db8::53 at [2001:db8::53]:5432"),
        ("type = \"icmp\"\naddress = \"db.example.net\"\n", "db.example.net at db.example.net"),
        ("type = \"http\"\ninvert = true\n", "not www.example.com 80"),
        (
            "type = \"all\"\nof = [\"db\", \"queue\", \"page\"]\n",
            "3(10.0.0.53 at 10.0.0.53:5432, queue.example.net at queue.example.net:80, not www.example.com 80)",
        ),
        (
            "type = \"any\"\nof = [\"db\", \"page\"]\ninvert = true\n",
            "not 1(10.0.0.53 at 10.0.0.53:5432, not www.example.com 80)",
        ),
        (
            "type = \"http\"\naddress = \"10.0.0.9\"\nhost = \"cache.internal\"\ninvert = true\n",
            "not cache.internal at 10.0.0.9:80",
        ),
    ] {
        let used: String = [("db", db), ("queue", queue), ("page", page)]
            .into_iter()
            .filter(|(name, _)| top.contains(&format!("\"{name}\"")))
            .map(|(_, text)| text)
            .collect();
        assert_eq!(draw(&condition(&format!("{used}[monitors.top]\n{top}"))), drawn, "{top}");
    }
}

#[test]
fn what_makes_no_sense_of_a_monitor_elsewhere_or_inverted_is_refused() {
    for (keys, expected) in [
        (
            "type = \"push\"\naddress = \"10.0.0.1\"\ninvert = true\n",
            vec![
                "3:1 error: `address` is for monitors that probe: reports are about the endpoints",
                "4:1 error: `invert` is for monitors that probe: a report says itself what is good",
            ],
        ),
        (
            "type = \"http\"\naddress = \"10.0.0.1\"\nload_json = \"load\"\n",
            vec!["4:1 error: `load_json` is about the endpoints, which a monitor with an `address` does not ask"],
        ),
        (
            "type = \"http\"\ninvert = true\ndegraded = { above = \"1s\" }\n",
            vec!["4:1 error: `degraded` has no effect on an inverted monitor: it is good while the probe fails"],
        ),
        (
            "type = \"tcp\"\nport = 1\naddress = \"tcp://db.example.net:5432\"\n",
            vec![
                "4:11 error: `address` takes an address or a host name, without a port | did you mean \"db.example.net\"?",
            ],
        ),
        (
            "type = \"tcp\"\nport = 1\naddress = \"0.0.0.0\"\n",
            vec!["4:11 error: 0.0.0.0 is not an address of a host | not the address of a host"],
        ),
        (
            "type = \"https\"\naddress = \"10.0.0.1\"\n",
            vec!["4:8 error: the certificate of 10.0.0.1 cannot be verified: no host name is set | by monitor `top`"],
        ),
    ] {
        let told = told_of(&format!("[monitors.top]\n{keys}"));
        assert_eq!(told.len(), expected.len(), "{told:?}");
        for (told, expected) in told.iter().zip(expected) {
            let same = told == expected
                || expected.starts_with("4:11 error: 0.0.0.0") && told.starts_with("4:11 error: 0.0.0.0");
            assert!(same || told.starts_with(expected), "{told}");
        }
    }
    let of_aggregate =
        told_of(&format!("{PARTS}[monitors.top]\ntype = \"all\"\nof = [\"web\", \"db\"]\naddress = \"10.0.0.1\"\n"));
    assert!(
        of_aggregate[0].ends_with("`address` is for the monitors that an aggregate is made of"),
        "{of_aggregate:?}"
    );
}

#[test]
fn an_endpoint_may_be_probed_at_a_name() {
    let of = |monitor: &str, endpoint: &str| {
        let pools =
            format!("[pools.web]\nmonitor = \"top\"\nendpoints = [{endpoint}]\n[names.www]\npools = [\"web\"]\n");
        let zone = format!("{HEAD}[monitors.top]\n{monitor}{pools}");
        load_zone(&zone).map(|config| {
            assert!(config.warnings.0.len() < 2, "{}", config.warnings.render(false));
            (draw(config.world.pools[0].members.condition(0).unwrap()), config.warnings.render(false))
        })
    };
    let tcp = "type = \"tcp\"\nport = 80\n";
    let (drawn, _) =
        of(tcp, "{ cname = \"lb.example.net.\", check_name = \"LB.example.net\", check_port = 81 }").unwrap();
    assert_eq!(drawn, "tcp 81");
    // Without probes at the endpoint itself, a CNAME needs no address for them.
    let elsewhere = "type = \"tcp\"\nport = 5432\naddress = \"10.0.0.53\"\n";
    let (drawn, warnings) = of(elsewhere, "{ cname = \"lb.example.net.\" }").unwrap();
    assert_eq!((&*drawn, &*warnings), ("10.0.0.53 at 10.0.0.53:5432", ""));
    let (_, warnings) = of(elsewhere, "{ address = \"192.0.2.1\", check_port = 81 }").unwrap();
    assert!(warnings.contains("the pool has no monitor that probes its endpoints"), "{warnings}");
    for (endpoint, expected) in [
        (
            "{ address = \"192.0.2.1\", check_name = \"a.example\", check_address = \"192.0.2.2\" }",
            "an endpoint has either `check_address` or `check_name`",
        ),
        ("{ address = \"192.0.2.1\", check_name = \"192.0.2.2\" }", "`check_name` takes a host name"),
        ("{ cname = \"lb.example.net.\" }", "a CNAME in a pool with a monitor needs `check_address` or `check_name`"),
    ] {
        let faults = of(tcp, endpoint).unwrap_err().render(false);
        assert!(faults.contains(expected), "{faults}");
    }
}
