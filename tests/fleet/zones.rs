//! Versions of the zones that are pushed to one node and served by all.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::fleet::{expect_schema, expect_shape};
use crate::harness::{Files, Ran, random};
use crate::nats::Nats;
use crate::orders::hub_and_leaf;
use crate::trio::{NAMES, Trio, http, wait_until_shared};
use crate::wait_until;

/// A version is to be in the answers of all nodes within a second of the push. The test machine may be busy.
const SOON: Duration = Duration::from_secs(3);

const TAKES: &str = "zones = true\n";

/// A zone that answers with this text, and whose serial truenorth counts.
fn zone(text: &str) -> String {
    format!(
        "[nameservers]\nns1 = [\"127.0.0.1\"]\nns2 = [\"127.0.0.2\"]\n\
         [datacenters]\nfra = {{ latitude = 50, longitude = 8 }}\n\
         [pools.web]\ndatacenter = \"fra\"\nendpoints = [\"192.0.2.1\"]\n\
         [names.www]\npools = [\"web\"]\n[records.v]\nTXT = [\"{text}\"]\n"
    )
}

/// Three nodes that take their zones from the fleet, and share what they are told.
fn start() -> Trio {
    let mut trio = Trio::start_each(&[("example.com.toml", &zone("own"))], Nats::jetstream, |_| TAKES.to_owned());
    trio.wait_until_shared();
    trio
}

/// A folder at a node with this zone.
fn folder(trio: &Trio, number: usize, text: &str) -> PathBuf {
    let folder = trio.nodes[number].0.path("pushed");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir(&folder).expect("it is writable");
    fs::write(folder.join("example.com.toml"), zone(text)).expect("it is writable");
    folder
}

fn push(trio: &Trio, number: usize, text: &str, words: &str) -> Ran {
    let folder = folder(trio, number, text);
    trio.nodes[number].0.run(&format!("push {} {words}", folder.display()))
}

#[track_caller]
fn push_well(trio: &Trio, number: usize, text: &str, words: &str) -> String {
    let ran = push(trio, number, text, words);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    ran.stdout
}

fn wait_for(trio: &Trio, nodes: &[usize], text: &str) {
    trio.wait_for(nodes, "v.example.com TXT", &[&format!("\"{text}\"")]);
}

fn text(trio: &Trio, number: usize) -> String {
    trio.answers(number, "v.example.com TXT").concat().trim_matches('"').to_owned()
}

fn serial(trio: &Trio, number: usize) -> u32 {
    let soa = trio.answers(number, "example.com SOA").concat();
    soa.split(' ').nth(2).and_then(|serial| serial.parse().ok()).unwrap_or_else(|| panic!("{soa}"))
}

/// The serial that all nodes serve.
#[track_caller]
fn one_serial(trio: &Trio) -> u32 {
    let all = [0, 1, 2].map(|number| serial(trio, number));
    assert_eq!([all[0]; 3], all);
    all[0]
}

fn versions(trio: &Trio, number: usize) -> Value {
    let list = serde_json::from_str(&trio.order(number, "fleet --versions --json")).expect("JSON");
    expect_schema(&list, "ZonesList");
    list
}

fn told(trio: &mut Trio, number: usize, words: &str) -> String {
    let mut found = None;
    wait_until(words, || {
        found = trio.node_mut(number).log.lines().iter().find(|line| line.contains(words)).cloned();
        found.is_some()
    });
    found.unwrap_or_default()
}

#[test]
fn a_good_version_is_served_by_all_within_a_second_and_a_bad_one_changes_nothing() {
    let mut trio = start();
    assert_eq!([0, 1, 2].map(|number| text(&trio, number)), ["own"; 3]);
    let began = Instant::now();
    let said = push_well(&trio, 0, "one", "--comment first");
    let took = began.elapsed();
    assert_eq!([0, 1, 2].map(|number| text(&trio, number)), ["one"; 3], "{said}");
    assert!(took < SOON, "{took:?}");
    println!("pushed, checked and in the answers of all nodes after {took:?}");
    assert!(said.contains("version 1 is current") && said.contains("changed: example.com."), "{said}");
    let first = one_serial(&trio);
    assert!(push_well(&trio, 1, "one", "").contains("version 1 has the same files"));

    // A version with an error.
    for number in 0..3 {
        let ran = push(&trio, number, "two\"]\nbroken = [\"", "");
        assert!(ran.code == Some(1) && ran.stderr.contains("pushed/example.com.toml:13:"), "{ran:?}");
    }
    // The node itself says so too, whatever the client has checked.
    let bad = zone("two").replace("[names.www]", "[names.www]\nsteer = [\"regoin\"]");
    let body = serde_json::json!({ "files": [{ "path": "example.com.toml", "text": bad }] }).to_string();
    let refused = http(trio.node(1).admin(), "POST", "/v1/zones", &body);
    assert!(refused.starts_with("HTTP/1.1 422"), "{refused}");
    let (_, refused) = refused.split_once("\r\n\r\n").expect("a body");
    let refused: Value = serde_json::from_str(refused).expect("JSON");
    let fault = &refused["faults"][0];
    assert!(fault["file"].as_str().is_some_and(|file| file.ends_with("zones/example.com.toml")), "{refused:#}");
    assert_eq!((fault["line"].as_u64(), fault["column"].as_u64()), (Some(10), Some(10)), "{refused:#}");
    for escape in ["../x.toml", "/etc/x.toml", "a/../../x.toml"] {
        let body = serde_json::json!({ "files": [{ "path": escape, "text": "" }] }).to_string();
        assert!(http(trio.node(1).admin(), "POST", "/v1/zones", &body).starts_with("HTTP/1.1 422"));
    }
    let state = || fs::read_dir(trio.nodes[1].0.path("state/versions")).expect("it is there").count();
    assert_eq!((versions(&trio, 2)["current"]["version"].as_u64(), state()), (Some(1), 3));
    assert_eq!(
        [0, 1, 2].map(|number| (text(&trio, number), serial(&trio, number))),
        [0; 3].map(|_| ("one".to_owned(), first))
    );

    // Only checked.
    let said = push_well(&trio, 2, "two", "--dry-run");
    assert!(said.contains("nothing was pushed") && said.contains("nothing moves"), "{said}");
    assert_eq!(versions(&trio, 2)["current"]["version"], 1);

    // The files of the zones folder do nothing, and a reload goes on with the version.
    trio.nodes[0].0.write("zones/example.com.toml", "nonsense = 1\n");
    trio.order(0, "reload");
    trio.order(0, "check");
    assert_eq!(text(&trio, 0), "one");
    told(&mut trio, 0, "the files of the folder");

    push_well(&trio, 1, "two", "-m second");
    let second = one_serial(&trio);
    assert!(second > first);
    // Back, by any node: the serial goes on.
    let said = trio.order(2, "push --rollback");
    assert!(said.contains("version 3 is current"), "{said}");
    assert_eq!([0, 1, 2].map(|number| text(&trio, number)), ["one"; 3]);
    assert!(one_serial(&trio) > second);
    let ran = trio.nodes[0].0.run("push --rollback 9");
    assert!(ran.code == Some(1) && ran.stderr.contains("there is no version 9"), "{ran:?}");
    let told: Value = serde_json::from_str(&trio.order(0, "push --rollback 2 --json")).expect("JSON");
    assert_eq!((&told["release"]["version"], &told["nodes"][2]["serves"]), (&4.into(), &4.into()), "{told:#}");
    assert_eq!([0, 1, 2].map(|number| text(&trio, number)), ["two"; 3]);
    let list = versions(&trio, 1);
    let past: Vec<u64> =
        list["past"].as_array().expect("a list").iter().filter_map(|it| it["version"].as_u64()).collect();
    assert_eq!((list["current"]["version"].as_u64(), past), (Some(4), vec![3, 2, 1]));
    assert!(list["past"][2]["who"].as_str().is_some_and(|who| who.ends_with(" at ns1")), "{list:#}");
    let seen = trio.order(1, "fleet");
    assert!(seen.contains("SERVES") && seen.contains("all nodes serve the same"), "{seen}");
    assert!(trio.events(1).contains("serving version 4 of the zones"));
}

#[test]
fn of_two_pushes_from_one_version_one_is_refused() {
    let trio = start();
    push_well(&trio, 0, "one", "--based-on 0");
    let begin = |number: usize, text: &str| -> Child {
        let folder = folder(&trio, number, text);
        trio.nodes[number].0.start(&format!("push {} --based-on 1", folder.display()))
    };
    let pushes = [begin(0, "left"), begin(1, "right")];
    let codes = pushes.map(|push| push.wait_with_output().expect("it ran").status.code());
    assert!(codes == [Some(0), Some(1)] || codes == [Some(1), Some(0)], "{codes:?}");
    let winner = if codes[0] == Some(0) { "left" } else { "right" };
    wait_for(&trio, &[0, 1, 2], winner);
    let ran = push(&trio, 2, "late", "--based-on 1");
    assert!(ran.code == Some(1) && ran.stderr.contains("version 2 is current by now"), "{ran:?}");
    push_well(&trio, 2, "late", "--based-on 1 --force");
    assert_eq!(versions(&trio, 0)["current"]["version"], 3);
    // Whoever orders many at once loses none, and none is half there.
    let pushes: Vec<Child> = (0..3)
        .map(|number| {
            let folder = folder(&trio, number, &format!("many{number}"));
            trio.nodes[number].0.start(&format!("push {}", folder.display()))
        })
        .collect();
    let won = pushes.into_iter().map(|push| push.wait_with_output().expect("it ran").status.code() == Some(0));
    let won = won.filter(|won| *won).count();
    assert!(won >= 1);
    wait_until("all have the same", || {
        let texts = [0, 1, 2].map(|number| text(&trio, number));
        texts[0].starts_with("many") && texts == [0; 3].map(|_| texts[0].clone())
    });
    one_serial(&trio);
}

#[test]
fn some_nodes_have_a_version_first_and_then_all_or_none() {
    let trio = start();
    push_well(&trio, 0, "one", "");
    let ran = push_well(&trio, 0, "two", "--canary-node ns2");
    assert!(ran.contains("version 2 is current"), "{ran}");
    assert_eq!([0, 1, 2].map(|number| text(&trio, number)), ["one", "two", "one"]);
    let ran = push(&trio, 2, "three", "");
    assert!(ran.code == Some(1) && ran.stderr.contains("version 2 is tried at ns2"), "{ran:?}");
    assert_eq!(versions(&trio, 2)["canary"]["nodes"][0], "ns2");
    trio.order(2, "push --promote");
    assert_eq!([0, 1, 2].map(|number| text(&trio, number)), ["two"; 3]);
    let promoted = one_serial(&trio);
    let ran = trio.nodes[0].0.run("push --promote");
    assert!(ran.code == Some(1) && ran.stderr.contains("there is none to promote"), "{ran:?}");

    push_well(&trio, 1, "three", "--canary-node ns1 --canary-node ns3");
    assert_eq!([0, 1, 2].map(|number| text(&trio, number)), ["three", "two", "three"]);
    let tried = serial(&trio, 0);
    assert!(tried > promoted && serial(&trio, 2) == tried);
    trio.order(1, "push --rollback");
    assert_eq!([0, 1, 2].map(|number| text(&trio, number)), ["two"; 3]);
    assert!(one_serial(&trio) > tried);
}

#[test]
fn a_node_that_was_away_has_the_version_and_one_without_nats_has_the_last() {
    let mut trio = start();
    push_well(&trio, 0, "one", "");
    wait_for(&trio, &[0, 1, 2], "one");
    // One is cut off during a push, one is down.
    trio.ways[2].cut();
    trio.node_mut(2).log.wait_for("not connected to the fleet");
    let ran = push(&trio, 2, "nowhere", "");
    assert!(ran.code == Some(1) && ran.stderr.contains("not connected"), "{ran:?}");
    trio.kill(1);
    let ran = push(&trio, 0, "two", "--wait 1s");
    assert!(ran.stdout.contains("version 2 is current"), "{ran:?}");
    wait_for(&trio, &[0], "two");
    assert_eq!(text(&trio, 2), "one");
    trio.ways[2].mend();
    wait_for(&trio, &[2], "two");
    trio.start_again(1);
    wait_for(&trio, &[1], "two");
    one_serial(&trio);

    // NATS is away: a node starts with the last version, and goes on.
    trio.nats.kill();
    for number in 0..3 {
        trio.kill(number);
        trio.start_again(number);
        assert_eq!(text(&trio, number), "two");
    }
    one_serial(&trio);
    // The last version is damaged on disk: the one before is served, and that is said.
    trio.kill(1);
    let folder = trio.nodes[1].0.path("state/versions");
    let served: Value = serde_json::from_slice(&fs::read(folder.join("served")).expect("it is there")).expect("JSON");
    assert_eq!(served.as_array().map(Vec::len), Some(2));
    let last = served[0]["id"].as_str().expect("a digest");
    fs::write(folder.join(format!("{last}.zones")), "garbage").expect("it is writable");
    fs::write(folder.join("left.new"), "half").expect("it is writable");
    trio.start_again(1);
    assert_eq!(text(&trio, 1), "one");
    let line = told(&mut trio, 1, "serving the earlier version 1");
    assert!(line.contains("damaged"), "{line}");
    assert!(!folder.join("left.new").exists());
    trio.nats.start_again();
    wait_for(&trio, &[1], "two");

    // The server loses its disk: the nodes give it the version back, and one with an empty state folder gets it.
    trio.nats.kill();
    fs::remove_dir_all(trio.nats.path("jetstream")).expect("it is there");
    trio.nats.start_again();
    trio.wait_until_shared();
    trio.kill(2);
    fs::remove_dir_all(trio.nodes[2].0.path("state")).expect("it is there");
    fs::remove_dir_all(trio.nodes[2].0.path("zones")).expect("it is there");
    trio.start_again(2);
    wait_for(&trio, &[2], "two");
    one_serial(&trio);
    // It may not have heard all others yet.
    push_well(&trio, 2, "three", "");
    wait_for(&trio, &[0, 1, 2], "three");
    one_serial(&trio);
    // Another process takes over, with the version.
    let after = trio.nodes[0].0.replace();
    trio.nodes[0].1 = Some(after);
    wait_until_shared(trio.node_mut(0));
    assert_eq!(text(&trio, 0), "three");
    push_well(&trio, 1, "four", "");
    wait_for(&trio, &[0, 1, 2], "four");
}

#[test]
fn a_node_whose_server_file_lacks_something_refuses_and_the_others_go_on() {
    let monitor = |name: &str| {
        let shared = "[monitors.shared]\ntype = \"tcp\"\nport = 9\n";
        format!("{TAKES}{}", if name == "ns3" { "" } else { shared })
    };
    let mut trio = Trio::start_each(&[("example.com.toml", &zone("own"))], Nats::jetstream, monitor);
    trio.wait_until_shared();
    push_well(&trio, 0, "one", "");
    let folder = folder(&trio, 0, "two");
    let text_of = zone("two").replace("[pools.web]\n", "[pools.web]\nmonitor = \"shared\"\n");
    fs::write(folder.join("example.com.toml"), text_of).expect("it is writable");
    let ran = trio.nodes[0].0.run(&format!("push {}", folder.display()));
    assert!(ran.code == Some(1) && ran.stdout.contains("refuses 2: "), "{ran:?}");
    assert!(ran.stdout.contains("zones/example.com.toml:7:11"), "{ran:?}");
    assert!(ran.stderr.contains("1 of 3 nodes do not serve version 2"), "{ran:?}");
    wait_for(&trio, &[0, 1], "two");
    assert_eq!(text(&trio, 2), "one");
    told(&mut trio, 2, "version 2 of the zones is not served here");
    assert!(trio.events(2).contains("version 2 of the zones is not served here"));
    assert!(trio.order(1, "fleet").contains("refuses 2"));
    let metrics = http(trio.node(2).admin(), "GET", "/metrics", "");
    assert!(metrics.contains("truenorth_fleet_zones_version{what=\"served\"} 1"), "{metrics}");
    assert!(metrics.contains("truenorth_fleet_zones_version{what=\"wanted\"} 2"), "{metrics}");
    // It goes on with the old one over a restart, and takes the new one once it can.
    trio.kill(2);
    trio.start_again(2);
    assert_eq!(text(&trio, 2), "one");
    let server = fs::read_to_string(trio.nodes[2].0.path("truenorth.toml")).expect("it is there");
    trio.nodes[2].0.write("truenorth.toml", format!("{server}[monitors.shared]\ntype = \"tcp\"\nport = 9\n"));
    trio.order(2, "reload");
    wait_for(&trio, &[2], "two");
    one_serial(&trio);
}

#[test]
fn who_may_not_publish_versions_changes_nothing_and_serves_those_of_others() {
    let trio = start();
    push_well(&trio, 0, "one", "");
    let section = trio.nats.section("follower", "follower", "follower.password");
    let server = format!("[listen]\ndns = [\"127.0.0.1:0\"]\n[admin]\nsocket = \"admin.sock\"\n{section}{TAKES}");
    let files = Files::new(&server, &[]);
    let mut follower = files.serve();
    wait_until_shared(&mut follower);
    wait_until("it has the version", || follower.dig("v.example.com TXT").data() == ["\"one\""]);
    let folder = files.path("pushed");
    fs::create_dir(&folder).expect("it is writable");
    fs::write(folder.join("example.com.toml"), zone("mine")).expect("it is writable");
    let ran = files.run(&format!("push {}", folder.display()));
    assert!(ran.code == Some(1) && ran.stderr.contains("permissions"), "{ran:?}");
    // Garbage in the stream, and parts of a version that nobody made.
    let runtime = tokio::runtime::Runtime::new().expect("there are threads");
    runtime.block_on(async {
        let reader = trio.nats.options("reader").connect(trio.nats.url()).await.expect("it may connect");
        let node = trio.nats.options("ns3").connect(trio.nats.url()).await.expect("it may connect");
        for client in [&reader, &node] {
            for subject in
                ["truenorth.main.zones.current.0", "truenorth.main.zones.part.00.0", "truenorth.main.zones.x"]
            {
                client.publish(subject, "{\"v\":1}".into()).await.expect("it is connected");
            }
            client.flush().await.expect("it is connected");
        }
        // The reader cannot replace a part of the version by another one.
        let id = versions(&trio, 0)["current"]["id"].as_str().expect("a digest").to_owned();
        reader.publish(format!("truenorth.main.zones.part.{id}.0"), "forged".into()).await.expect("it is connected");
        reader.flush().await.expect("it is connected");
    });
    assert_eq!([0, 1, 2].map(|number| text(&trio, number)), ["one"; 3]);
    assert_eq!(follower.dig("v.example.com TXT").data(), ["\"one\""]);
    push_well(&trio, 1, "two", "");
    wait_until("it follows", || follower.dig("v.example.com TXT").data() == ["\"two\""]);
}

#[test]
fn a_node_that_only_observes_takes_versions_too() {
    let trio = start();
    push_well(&trio, 0, "one", "");
    let section = trio.nats.section("follower", "follower", "follower.password");
    let files = Files::new(&format!("{section}{TAKES}"), &[]);
    let mut command = Command::new(env!("CARGO_BIN_EXE_truenorth"));
    command.args(["probe", "--config"]).arg(files.path("truenorth.toml"));
    let mut probe = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the binary runs");
    let serves = |version: u64| {
        let view: Value = serde_json::from_str(&trio.order(0, "fleet --json")).expect("JSON");
        expect_shape(&view, "FleetView");
        let points = view["fleet"]["vantage_points"].as_array().cloned().unwrap_or_default();
        points.iter().any(|point| point["node"] == "follower" && point["zones"]["serves"] == version)
    };
    wait_until("it has the first version", || serves(1));
    let said = push_well(&trio, 1, "two", "");
    assert!(said.contains("follower") && serves(2), "{said}");
    probe.kill().and_then(|()| probe.wait()).expect("it runs");
}

#[test]
fn whatever_is_killed_at_any_moment_of_a_push_each_node_has_the_old_version_or_the_new_one() {
    let mut trio = start();
    push_well(&trio, 0, "v0", "");
    wait_for(&trio, &[0, 1, 2], "v0");
    let mut rng = random();
    let mut told = vec!["v0".to_owned()];
    for round in 1..=12 {
        let (author, victim) = (rng.usize(..3), rng.usize(..3));
        let next = format!("v{round}");
        let folder = folder(&trio, author, &next);
        told.push(next);
        let push = trio.nodes[author].0.start(&format!("push {} --wait 1s", folder.display()));
        sleep(Duration::from_millis(rng.u64(..400)));
        let is_server = rng.u8(..4) == 0;
        if is_server {
            trio.nats.kill();
        } else {
            trio.kill(victim);
        }
        let said = push.wait_with_output().expect("it ran");
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        for number in (0..3).filter(|number| is_server || *number != victim) {
            let found = text(&trio, number);
            assert!(told.contains(&found), "{}: {found}, and told was {told:?}", NAMES[number]);
        }
        if is_server {
            trio.nats.start_again();
        } else {
            trio.start_again(victim);
            // Not before the fleet is heard either.
            let found = text(&trio, victim);
            assert!(told.contains(&found), "{found}, and told was {told:?}");
        }
        wait_until("all have the same version", || {
            let texts = [0, 1, 2].map(|number| text(&trio, number));
            let versions = [0, 1, 2].map(|number| versions(&trio, number)["current"]["version"].clone());
            texts == [0; 3].map(|_| texts[0].clone()) && versions == [0; 3].map(|_| versions[0].clone())
        });
        // What was said to be current is.
        if said.contains("is current") {
            wait_for(&trio, &[0, 1, 2], told.last().expect("there is one"));
        }
        let now = text(&trio, 0);
        let place = told.iter().position(|text| *text == now);
        let place = place.unwrap_or_else(|| panic!("{now} after {told:?}"));
        // A later one may be in the stream, although nobody has heard it yet.
        told.drain(..place);
        wait_until("serials agree", || serial(&trio, 0) == serial(&trio, 1) && serial(&trio, 1) == serial(&trio, 2));
    }
    println!("ended with {told:?}");
}

#[test]
fn a_node_whose_disk_is_full_stays_on_the_old_version_and_says_so() {
    let mut trio = start();
    push_well(&trio, 0, "one", "");
    wait_for(&trio, &[0, 1, 2], "one");
    trio.kill(2);
    let mounts = "mv state/versions kept && mkdir state/versions && mount -t tmpfs -o size=128k none state/versions && \
                  cp -r kept/. state/versions";
    trio.nodes[2].1 = Some(trio.nodes[2].0.serve_with_mounts(mounts));
    wait_until_shared(trio.node_mut(2));
    assert_eq!(text(&trio, 2), "one");
    let folder = folder(&trio, 0, "two");
    let large = format!("{}# {}\n", zone("two"), "x".repeat(200_000));
    fs::write(folder.join("example.com.toml"), large).expect("it is writable");
    let ran = trio.nodes[0].0.run(&format!("push {} --wait 3s", folder.display()));
    assert!(ran.code == Some(1) && ran.stdout.contains("No space left on device"), "{ran:?}");
    wait_for(&trio, &[0, 1], "two");
    assert_eq!(text(&trio, 2), "one");
    let line = told(&mut trio, 2, "version 2 of the zones is not served here");
    assert!(line.contains("cannot be written to the state folder"), "{line}");
    // The next one fits.
    push_well(&trio, 1, "three", "");
    assert_eq!([0, 1, 2].map(|number| text(&trio, number)), ["three"; 3]);
    one_serial(&trio);
}

#[test]
fn a_version_that_is_pushed_at_a_leaf_is_served_at_the_hub_and_back() {
    let (hub, leaf) = hub_and_leaf();
    let serve = |nats: &Nats, name: &str| {
        let section = nats.section(name, name, &format!("{name}.password"));
        let server = format!(
            "[listen]\ndns = [\"127.0.0.1:0\"]\n[admin]\nsocket = \"admin.sock\"\n{section}jetstream_domain = \"hub\"\n{TAKES}"
        );
        let files = Files::new(&server, &[("example.com.toml", &zone("own"))]);
        let mut node = files.serve();
        wait_until_shared(&mut node);
        (files, node)
    };
    let nodes = [serve(&hub, "ns1"), serve(&leaf, "ns3")];
    for (number, text) in [(1, "one"), (0, "two")] {
        let (files, _) = &nodes[number];
        files.write("zones/example.com.toml", zone(text));
        let ran = files.run("push");
        assert_eq!(ran.code, Some(0), "{ran:?}");
        for (_, node) in &nodes {
            wait_until("both have it", || node.dig("v.example.com TXT").data() == [format!("\"{text}\"")]);
        }
    }
}
