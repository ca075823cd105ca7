//! Files that change while queries come in.

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::thread;
use std::time::Duration;

use crate::endpoint::{Endpoint, Script};
use crate::harness::{Files, Load, SERVER, shipped_database};

/// Duration of a load after the event that it tests.
const WHILE: Duration = Duration::from_millis(300);

fn zone(address: &str) -> String {
    format!(
        "[nameservers]\nns1 = [\"127.0.0.1\"]\n\n[pools.web]\nendpoints = [\"{address}\"]\n\n[names.www]\npools = [\"web\"]\n"
    )
}

fn only(address: &str, count: u64) -> BTreeMap<Vec<IpAddr>, u64> {
    BTreeMap::from([(vec![address.parse().expect("an address")], count)])
}

#[test]
fn a_broken_edit_under_load_changes_nothing_but_the_log() {
    let files = Files::new(SERVER, &[("example.com.toml", &zone("192.0.2.1"))]);
    let mut node = files.serve();
    let load = Load::start(node.address(), "www.example.com.");
    thread::sleep(WHILE);
    files.write("zones/example.com.toml", zone("192.0.2.2").replace("pools = [\"web\"]", "pools = [\"wbe\"]"));
    let line = node.log.wait_for("ERROR");
    assert!(line.contains("zones/example.com.toml:8:10: "), "{line}");
    assert!(line.contains("`wbe`") && line.contains("did you mean `web`?"), "{line}");
    node.log.wait_for("configuration not reloaded: the old one stays in use");
    // Broken syntax and a missing file also keep the old answers.
    files.write("zones/example.com.toml", "[nameservers\n");
    let line = node.log.wait_for("ERROR");
    assert!(line.contains("zones/example.com.toml:1:"), "{line}");
    node.log.wait_for("configuration not reloaded: the old one stays in use");
    thread::sleep(WHILE);
    let tally = load.stop();
    let answered = tally.answered();
    assert_eq!((tally.lost, tally.answers), (0, only("192.0.2.1", answered)));
    assert!(answered > 500, "{answered} answers are no load");

    // The repaired file takes effect, and no query is lost meanwhile.
    let load = Load::start(node.address(), "www.example.com.");
    thread::sleep(WHILE);
    files.write("zones/example.com.toml", zone("192.0.2.3"));
    node.log.wait_for("configuration reloaded reason=\"file changed\"");
    thread::sleep(WHILE);
    let tally = load.stop();
    assert_eq!(tally.lost, 0);
    assert_eq!(tally.answers.len(), 2, "the old answer, then the new one: {tally:?}");
    assert_eq!(node.dig("www.example.com").data(), ["192.0.2.3"]);
}

#[test]
fn sighup_reloads() {
    let files = Files::new(SERVER, &[("example.com.toml", &zone("192.0.2.1"))]);
    let mut node = files.serve();
    // A file behind a symbolic link to elsewhere changes unseen.
    let elsewhere = Files::new(SERVER, &[("other.example.toml", &zone("192.0.2.2"))]);
    std::os::unix::fs::symlink(elsewhere.path("zones/other.example.toml"), files.path("zones/other.example.toml"))
        .unwrap();
    node.log.wait_for("configuration reloaded reason=\"file changed\"");
    node.comes_to_answer("www.other.example", &["192.0.2.2"]);
    elsewhere.write("zones/other.example.toml", zone("192.0.2.4"));
    node.signal("HUP");
    node.log.wait_for("configuration reloaded reason=\"signal\"");
    node.comes_to_answer("www.other.example", &["192.0.2.4"]);
    // And a fault is reported as usual.
    elsewhere.write("zones/other.example.toml", "ttl = []\n");
    node.signal("HUP");
    node.log.wait_for("other.example.toml:1:7: ");
    node.log.wait_for("configuration not reloaded: the old one stays in use reason=\"signal\"");
    assert_eq!(node.dig("www.other.example").data(), ["192.0.2.4"]);
}

#[test]
fn zones_come_and_go_with_their_files() {
    let files = Files::new(SERVER, &[("example.com.toml", &zone("192.0.2.1"))]);
    let mut node = files.serve();
    assert_eq!(node.dig("www.example.org").status, "REFUSED");
    files.write("zones/example.org.toml", zone("192.0.2.2"));
    node.log.wait_for("configuration reloaded");
    node.log.wait_for("zones added zones=\"example.org.\"");
    node.comes_to_answer("www.example.org", &["192.0.2.2"]);
    fs::remove_file(files.path("zones/example.org.toml")).unwrap();
    node.log.wait_for("configuration reloaded");
    node.log.wait_for("zones removed zones=\"example.org.\"");
    node.comes_to_say("www.example.org", "REFUSED");
    node.comes_to_answer("www.example.com", &["192.0.2.1"]);
}

#[test]
fn an_endpoint_that_comes_with_a_reload_is_not_answered_unseen() {
    let (well, mut ill) = (endpoint("127.21.0.1"), endpoint("127.21.0.2"));
    ill.stop_listening();
    let zone = |endpoints: &[&Endpoint]| {
        let members = endpoints.iter().map(|endpoint| endpoint.address());
        let members: Vec<String> =
            members.map(|at| format!("{{ address = \"{}\", check_port = {} }}", at.ip(), at.port())).collect();
        format!(
            "[nameservers]\nns1 = [\"127.0.0.1\"]\n[monitors.web]\ntype = \"http\"\ninterval = \"30s\"\n\
             [pools.web]\nmonitor = \"web\"\nendpoints = [{}]\n[names.www]\npools = [\"web\"]\n",
            members.join(", ")
        )
    };
    let files = Files::new(SERVER, &[("example.com.toml", &zone(&[&well]))]);
    let mut node = files.serve();
    let load = Load::start(node.address(), "www.example.com.");
    files.write("zones/example.com.toml", zone(&[&well, &ill]));
    node.log.wait_for("configuration reloaded");
    node.log.wait_for("endpoint is down");
    thread::sleep(WHILE);
    let tally = load.stop();
    let answered = tally.answered();
    assert_eq!((tally.lost, tally.answers), (0, only("127.21.0.1", answered)));
    assert_eq!(well.connections(), 1, "state carries over a reload: it was not probed again before its time");
}

#[test]
fn a_name_above_the_old_one_does_not_change_what_probes_ask_for() {
    let web = endpoint("127.21.0.3");
    let at = web.address();
    let zone = |host: &str, more: &str| {
        format!(
            "[nameservers]\nns1 = [\"127.0.0.1\"]\n[monitors.web]\ntype = \"http\"\ninterval = \"200ms\"\ntimeout = \"100ms\"\n{host}\
             [pools.web]\nmonitor = \"web\"\nendpoints = [{{ address = \"{}\", check_port = {} }}]\n\
             {more}[names.www]\npools = [\"web\"]\n",
            at.ip(),
            at.port()
        )
    };
    let above = "[names.alpha]\npools = [\"web\"]\n";
    let files = Files::new(SERVER, &[("example.com.toml", &zone("", ""))]);
    let mut node = files.serve();
    files.write("zones/example.com.toml", zone("", above));
    let line = node.log.wait_for("several names use the pool");
    assert!(
        line.contains("such as host = \\\"alpha.example.com\\\"") || line.contains("host = \"alpha.example.com\""),
        "{line}"
    );
    node.log.wait_for("configuration not reloaded: the old one stays in use");
    // With a `host` both names are served, and probes ask for the same host as before.
    files.write("zones/example.com.toml", zone("host = \"www.example.com\"\n", above));
    node.log.wait_for("configuration reloaded");
    let probes = web.requests().len();
    while web.requests().len() < probes + 2 {
        thread::sleep(Duration::from_millis(20));
    }
    let hosts = web.requests();
    assert!(hosts.iter().all(|request| request.contains("Host: www.example.com:")), "{hosts:?}");
    assert_eq!(node.dig("alpha.example.com").data(), ["127.21.0.3"]);
}

/// A zone whose pool is used by these names. Its monitor has no `host`.
fn used_by(names: &[&str], web: &Endpoint) -> String {
    let at = web.address();
    let names: Vec<String> = names.iter().map(|name| format!("[names.\"{name}\"]\npools = [\"web\"]\n")).collect();
    format!(
        "[nameservers]\nns1 = [\"127.0.0.1\"]\n[monitors.web]\ntype = \"http\"\ninterval = \"1s\"\ntimeout = \"900ms\"\n\
         fall = 3\n[pools.web]\nmonitor = \"web\"\nendpoints = [{{ address = \"{}\", check_port = {} }}]\n{}",
        at.ip(),
        at.port(),
        names.concat()
    )
}

#[test]
fn a_host_that_changes_with_the_names_is_told_and_takes_nothing_down_at_once() {
    let web = endpoint("127.21.0.5");
    let files = Files::new(SERVER, &[("example.com.toml", &used_by(&["*"], &web))]);
    let mut node = files.serve();
    let mut reload = |names: &[&str], before: &str, after: &str| {
        files.write("zones/example.com.toml", used_by(names, &web));
        let told = format!("probes of pool `web` now ask for the host {after} instead of {before}");
        node.log.wait_for(&told);
        node.log.wait_for("configuration reloaded");
    };
    reload(&["*", "www"], "127.21.0.5", "www.example.com");
    reload(&["*", "shop"], "www.example.com", "shop.example.com");
    reload(&["*"], "shop.example.com", "127.21.0.5");
    // The endpoint refuses the new host name. It stays in answers until three probes in a row have failed.
    web.play(Script::status(404));
    let before = web.requests().len();
    reload(&["www"], "127.21.0.5", "www.example.com");
    let line = node.log.wait_for("endpoint is down");
    assert!(line.contains("404"), "{line}");
    let asked = web.requests()[before..].iter().filter(|request| request.contains("Host: www.example.com:")).count();
    assert!(asked >= 3, "down after {asked} probes");
    let lines = node.log.lines();
    assert_eq!(lines.iter().filter(|line| line.contains("endpoint is down")).count(), 1, "{lines:?}");
}

#[test]
fn a_host_that_changes_is_told_to_who_reloads() {
    let web = endpoint("127.21.0.6");
    let server =
        format!("{SERVER}[admin]\nlisten = \"127.0.0.1:0\"\nsocket = \"admin.sock\"\n[reload]\nwatch = false\n");
    let files = Files::new(&server, &[("example.com.toml", &used_by(&["*"], &web))]);
    let _node = files.serve();
    files.write("zones/example.com.toml", used_by(&["*", "www"], &web));
    let ran = files.run("reload");
    let told = "probes of pool `web` now ask for the host www.example.com instead of 127.21.0.6";
    assert!(ran.code == Some(0) && ran.stdout.contains(told), "{ran:?}");
    let again = files.run("reload");
    assert!(again.code == Some(0) && !again.stdout.contains("now ask for the host"), "{again:?}");
}

#[test]
fn addresses_that_nobody_has_are_told_of_when_they_come() {
    let zone = |address: &str| {
        format!(
            "[nameservers]\nns1 = [\"127.0.0.1\"]\n[monitors.web]\ntype = \"tcp\"\nport = 1\n\
             [pools.web]\nmonitor = \"web\"\nendpoints = [\"{address}\"]\n[names.www]\npools = [\"web\"]\n"
        )
    };
    let files = Files::new(SERVER, &[("example.com.toml", &zone("127.21.0.4"))]);
    let mut node = files.serve();
    let told = |lines: &[String]| lines.iter().filter(|line| line.contains("from ranges for documentation")).count();
    assert_eq!(told(node.log.lines()), 0);
    files.write("zones/example.com.toml", zone("192.0.2.1"));
    let line = node.log.wait_for("from ranges for documentation");
    assert!(line.contains("1 probed address is"), "{line}");
    node.log.wait_for("configuration reloaded");
    // One reload is enough.
    files.write("zones/example.com.toml", zone("192.0.2.1") + "answers = 1\n");
    node.log.wait_for("configuration reloaded");
    assert_eq!(told(node.log.lines()), 1);
}

fn endpoint(address: &str) -> Endpoint {
    Endpoint::start((address.parse::<IpAddr>().expect("an address"), 0).into(), Script::status(200))
}

#[test]
fn a_database_that_is_broken_is_not_taken_and_the_old_table_goes_on() {
    let zone = "[nameservers]\nns1 = [\"127.0.0.1\"]\n[datacenters]\nfra = { latitude = 50.11, longitude = 8.68 }\n\
                nrt = { latitude = 35.77, longitude = 140.39 }\n[regions.japan]\nclients = [\"country:JP\"]\n\
                prefer = [\"nrt\"]\n[regions.default]\nprefer = [\"fra\"]\n[pools.web]\n\
                endpoints.fra = [\"192.0.2.1\"]\nendpoints.nrt = [\"192.0.2.2\"]\n[names.www]\npools = [\"web\"]\n";
    let files =
        Files::new(&format!("{SERVER}[geoip]\ndatabases = [\"country.mmdb\"]\n"), &[("example.com.toml", zone)]);
    let database = fs::read(shipped_database()).unwrap();
    files.write("country.mmdb", &database);
    let mut node = files.serve();
    let japan = "www.example.com +subnet=133.11.0.0/24";
    assert_eq!(node.dig(japan).data(), ["192.0.2.2"]);
    for garbage in [&b"garbage"[..], &database[..database.len() / 2], b""] {
        files.write("country.mmdb", garbage);
        let line = node.log.wait_for("ERROR");
        assert!(line.contains("country.mmdb"), "{line}");
        node.log.wait_for("configuration not reloaded: the old one stays in use");
        assert_eq!(node.dig(japan).data(), ["192.0.2.2"]);
    }
    files.write("country.mmdb", &database);
    node.log.wait_for("configuration reloaded");
    assert_eq!(node.dig(japan).data(), ["192.0.2.2"]);
}
