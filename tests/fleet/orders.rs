//! Orders that are given at one node count at all of them, over JetStream.

use std::time::Duration;

use crate::harness::Files;
use crate::nats::{LEAF, Nats};
use crate::trio::{FRA, IAD, NAMES, Trio, ZONE, claim, http, wait_until_shared};
use crate::wait_until;
use crate::way::Way;

#[test]
fn an_order_at_one_node_is_in_the_answers_of_all_within_a_second() {
    let mut trio = Trio::start();
    trio.wait_until_shared();

    let said = trio.order(0, "drain dc:fra --reason power --for 1h");
    assert!(!said.contains("the fleet does not have it"), "{said}");
    trio.soon("www.example.com A", &[IAD]);
    // Everywhere it is known who ordered it, and where.
    for number in 0..3 {
        let list = trio.order(number, "overrides --json");
        assert!(list.contains(" at ns1\"") && list.contains("\"power\""), "{list}");
        wait_until("the event is told", || trio.events(number).contains(" at ns1"));
    }
    // Another node lifts it by its number, which is the same everywhere.
    let number = |number: usize| -> String {
        let list: serde_json::Value = serde_json::from_str(&trio.order(number, "overrides --json")).expect("JSON");
        list["overrides"][0]["override"].to_string()
    };
    assert_eq!(number(0), number(2));
    trio.order(2, "open dc:fra");
    trio.soon("www.example.com A", &[FRA]);

    trio.order(2, "txt set _acme-challenge.example.com token-1 --for 1h");
    trio.soon("_acme-challenge.example.com TXT", &["\"token-1\""]);
    trio.order(1, "txt set _acme-challenge.example.com token-2 --for 1h");
    trio.soon("_acme-challenge.example.com TXT", &["\"token-1\"", "\"token-2\""]);
    trio.order(0, "txt unset _acme-challenge.example.com");
    trio.soon("_acme-challenge.example.com TXT", &[]);

    claim(&trio, 1, "i-1", "203.0.113.5");
    trio.soon("spot.example.com A", &["203.0.113.5"]);
    let gone = http(trio.node(0).admin(), "DELETE", "/v1/pools/spots/endpoints/i-1", "");
    assert!(gone.starts_with("HTTP/1.1 200"), "{gone}");
    trio.soon("spot.example.com A", &[]);

    // Another process takes over, and goes on sharing.
    let after = trio.nodes[1].0.replace();
    trio.nodes[1].1 = Some(after);
    wait_until_shared(trio.node_mut(1));
    trio.order(0, "txt set b.example.com token-3 --for 1h");
    trio.soon("b.example.com TXT", &["\"token-3\""]);

    trio.order(1, "switch app.example.com green");
    trio.soon("app.example.com A", &["192.0.2.8"]);
    trio.order(2, "switch app.example.com --back");
    trio.soon("app.example.com A", &["192.0.2.7"]);
}

#[test]
fn whatever_is_killed_all_nodes_end_with_the_same_orders() {
    let mut trio = Trio::start();
    trio.wait_until_shared();
    trio.order(0, "drain dc:fra --for 1h");
    trio.order(1, "txt set a.example.com one --for 1h");
    claim(&trio, 2, "i-1", "203.0.113.5");
    trio.wait_for(&[0, 1, 2], "spot.example.com A", &["203.0.113.5"]);

    // A node is killed in the midst of orders.
    trio.order(0, "txt set a.example.com two --for 1h");
    trio.kill(0);
    trio.order(1, "txt set a.example.com three --for 1h");
    trio.order(1, "txt unset a.example.com one");
    trio.start_again(0);
    let both = ["\"three\"", "\"two\""];
    trio.wait_for(&[0, 1, 2], "a.example.com TXT", &both);
    trio.wait_for(&[0, 1, 2], "www.example.com A", &[IAD]);

    // The server is killed. Orders count where they are given, and that is said.
    trio.nats.kill();
    trio.node_mut(0).log.wait_for("not connected to the fleet");
    let said = trio.order(0, "txt set a.example.com four --for 1h");
    assert!(said.contains("the fleet does not have it yet (not connected)"), "{said}");
    assert_eq!(trio.answers(0, "a.example.com TXT"), ["\"four\"", "\"three\"", "\"two\""]);
    assert_eq!(trio.answers(1, "a.example.com TXT"), both);
    // Nodes that start meanwhile have what they last heard, and what was ordered at them.
    for number in 0..3 {
        trio.kill(number);
        trio.start_again(number);
    }
    assert_eq!(trio.answers(0, "a.example.com TXT"), ["\"four\"", "\"three\"", "\"two\""]);
    for number in 0..3 {
        assert_eq!(trio.answers(number, "www.example.com A"), [IAD]);
        assert_eq!(trio.answers(number, "spot.example.com A"), ["203.0.113.5"]);
    }
    assert_eq!(trio.answers(2, "a.example.com TXT"), both);

    trio.nats.start_again();
    let all = ["\"four\"", "\"three\"", "\"two\""];
    let took = trio.wait_for(&[0, 1, 2], "a.example.com TXT", &all);
    println!("all nodes have it {took:?} after the server is back");
    trio.wait_for(&[0, 1, 2], "www.example.com A", &[IAD]);

    // The server loses its disk: the nodes give it back what they know.
    trio.nats.kill();
    std::fs::remove_dir_all(trio.nats.path("jetstream")).expect("it is there");
    trio.nats.start_again();
    for number in 0..3 {
        trio.node_mut(number).log.wait_for("orders are shared with the fleet");
    }
    trio.kill(2);
    std::fs::remove_dir_all(trio.nodes[2].0.path("state")).expect("it is there");
    trio.start_again(2);
    trio.wait_for(&[2], "a.example.com TXT", &all);
    trio.wait_for(&[0, 1, 2], "www.example.com A", &[IAD]);
}

#[test]
fn a_node_that_was_cut_off_heals_to_the_order_of_the_stream() {
    let mut trio = Trio::start();
    trio.wait_until_shared();
    trio.ways[2].cut();
    trio.node_mut(2).log.wait_for("not connected to the fleet");
    let said = trio.order(2, "drain dc:fra --reason here --for 1h");
    assert!(said.contains("the fleet does not have it yet"), "{said}");
    trio.order(2, "force-down pool:blue --for 1h");
    trio.wait_for(&[2], "www.example.com A", &[IAD]);
    // The others order something else for the same target, later by any clock or not.
    trio.order(0, "drain dc:fra --reason before --for 2h");
    trio.order(1, "open dc:fra");
    trio.order(1, "drain dc:fra --reason there --for 3h");
    assert_eq!(trio.answers(0, "app.example.com A"), ["192.0.2.7"]);

    trio.ways[2].mend();
    let line = trio.node_mut(2).log.wait_for("no longer counts");
    assert!(line.contains("the overrides of dc:fra") && line.contains("at ns2"), "{line}");
    for number in 0..3 {
        wait_until("all have the same orders", || {
            let list = trio.order(number, "overrides --json");
            list.contains("\"there\"") && !list.contains("\"here\"") && list.contains("pool:blue")
        });
        trio.wait_for(&[number], "www.example.com A", &[IAD]);
    }
    // Nobody said anything about it meanwhile.
    trio.wait_for(&[0, 1, 2], "app.example.com A", &["192.0.2.8"]);
    assert!(trio.events(2).contains("overtaken"));
}

#[test]
fn without_jetstream_that_is_said_and_orders_count_where_they_are_given() {
    let mut trio = Trio::start_with(ZONE, |_| String::new());
    let line = trio.node_mut(0).log.wait_for("orders are not shared with the fleet");
    assert!(line.contains("JetStream is not enabled"), "{line}");
    let said = trio.order(0, "drain dc:fra --for 1h");
    assert!(said.contains("JetStream is not enabled"), "{said}");
    trio.wait_for(&[0], "www.example.com A", &[IAD]);
    assert_eq!(trio.answers(1, "www.example.com A"), [FRA]);
    let status = trio.order(0, "fleet");
    assert!(status.contains("JetStream is not enabled"), "{status}");
    // It is turned on.
    trio.nats.kill();
    trio.nats.turn_on_jetstream();
    trio.nats.start_again();
    trio.wait_for(&[0, 1, 2], "www.example.com A", &[IAD]);
}

#[test]
fn strangers_change_nothing() {
    let mut trio = Trio::start();
    trio.wait_until_shared();
    trio.order(0, "drain dc:fra --for 1h");
    trio.wait_for(&[0, 1, 2], "www.example.com A", &[IAD]);
    let runtime = tokio::runtime::Runtime::new().expect("there are threads");
    let url = trio.nats.url();
    let ignored = |trio: &Trio| {
        let metrics = http(trio.node(1).admin(), "GET", "/metrics", "");
        let line = metrics.lines().find(|line| line.contains("ignored_messages_total{reason=\"malformed\"}"));
        line.and_then(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).expect("it is counted")
    };
    let lift = "{\"v\":1,\"node\":\"ns1\",\"run\":9999999999999,\"number\":1,\"override\":{\"target\":\"dc:fra\"}}";
    runtime.block_on(async {
        // Who may only read publishes nothing, neither to a stream nor to its interface.
        let reader = trio.nats.options("reader").connect(&url).await.expect("it may connect");
        let subject = format!("truenorth.main.order.override.{}", "baafce600c4d67e249d18c7956ae2259");
        for subject in [subject.as_str(), "$JS.API.STREAM.DELETE.truenorth-main-orders"] {
            let _ = reader.publish(subject.to_owned(), lift.into()).await;
        }
        reader.flush().await.expect("it is connected");
        // A node's user publishes garbage, and an entry under the subject of another one.
        let node = trio.nats.options("ns3").connect(&url).await.expect("it may connect");
        for (number, garbage) in ["x", "{}", "{\"v\":1}", lift].into_iter().enumerate() {
            node.publish(format!("truenorth.main.order.override.{number}"), garbage.into()).await.expect("it may");
        }
        node.flush().await.expect("it is connected");
    });
    wait_until("garbage is counted", || ignored(&trio) >= 4.0);
    for number in 0..3 {
        assert_eq!(trio.answers(number, "www.example.com A"), [IAD]);
    }
    // A newcomer reads the stream with the garbage in it.
    trio.kill(2);
    std::fs::remove_dir_all(trio.nodes[2].0.path("state")).expect("it is there");
    trio.start_again(2);
    trio.wait_for(&[2], "www.example.com A", &[IAD]);
}

#[test]
fn an_order_for_what_a_node_does_not_have_is_kept_and_told() {
    let mut trio = Trio::start();
    trio.wait_until_shared();
    let zone = ZONE.replace("fra = [\"192.0.2.1\"]", "fra = [\"192.0.2.1\", \"192.0.2.2\"]");
    trio.nodes[0].0.write("zones/example.com.toml", &zone);
    trio.order(0, "reload");
    trio.order(0, "force-down endpoint:192.0.2.2 --for 1h");
    trio.wait_for(&[0], "www.example.com A", &[FRA]);
    let line = trio.node_mut(1).log.wait_for("do nothing here");
    assert!(line.contains("endpoint:192.0.2.2") && line.contains("ns1"), "{line}");
    // Once the files have it, it counts.
    trio.nodes[1].0.write("zones/example.com.toml", &zone);
    trio.order(1, "reload");
    assert!(trio.order(1, "status").contains("192.0.2.2"));
    assert_eq!(trio.answers(1, "www.example.com A"), [FRA]);
    trio.order(2, "lift endpoint:192.0.2.2");
    trio.wait_for(&[0, 1], "www.example.com A", &[FRA, "192.0.2.2"]);
}

/// A NATS server with JetStream, and one without that is a leaf of it.
pub(crate) fn hub_and_leaf() -> (Nats, Nats) {
    let port =
        std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("there is one").port();
    let any = "127.0.0.1:0".parse().expect("an address");
    let hub = Nats::start_with(None, any, &NAMES, |path| {
        format!(
            "{}\nleafnodes {{ listen: \"127.0.0.1:{port}\"\n\
             tls {{ cert_file: \"{path}/server.pem\", key_file: \"{path}/server.key\", timeout: 10 }} }}",
            Nats::jetstream(path).replace("store_dir", "domain: hub, store_dir")
        )
    });
    let authority = hub.path("server.pem").display().to_string();
    let leaf = Nats::start_with(None, any, &NAMES, |_| {
        format!(
            "leafnodes {{ reconnect: 1\nremotes: [ {{ url: \"tls://leaf:{LEAF}@127.0.0.1:{port}\", account: FLEET, \
             tls {{ ca_file: \"{authority}\", timeout: 10 }} }} ] }}"
        )
    });
    (hub, leaf)
}

#[test]
fn a_node_at_a_leaf_without_jetstream_shares_orders_and_goes_on_while_it_is_parted() {
    let (mut hub, leaf) = hub_and_leaf();
    let serve = |nats: &Nats, name: &str| {
        let section = nats.section(name, name, &format!("{name}.password"));
        let server = format!(
            "[listen]\ndns = [\"127.0.0.1:0\"]\n[admin]\nsocket = \"admin.sock\"\n{section}jetstream_domain = \"hub\"\n"
        );
        let files = Files::new(&server, &[("example.com.toml", ZONE)]);
        let mut node = files.serve();
        wait_until_shared(&mut node);
        (files, node)
    };
    let (at_hub, at_leaf) = (serve(&hub, "ns1"), serve(&leaf, "ns3"));
    let set = |files: &Files, value: &str| {
        let ran = files.run(&format!("txt set a.example.com {value} --for 1h"));
        assert_eq!(ran.code, Some(0), "{ran:?}");
    };
    let both = |data: &[&str]| {
        for node in [&at_hub.1, &at_leaf.1] {
            wait_until("both answer the same", || {
                let mut got: Vec<String> =
                    node.dig("a.example.com TXT").data().into_iter().map(str::to_owned).collect();
                got.sort();
                got == data
            });
        }
    };
    set(&at_hub.0, "one");
    set(&at_leaf.0, "two");
    both(&["\"one\"", "\"two\""]);
    // The leaf is parted from the hub: its server runs, and the streams are gone.
    hub.kill();
    set(&at_leaf.0, "three");
    assert_eq!(at_leaf.1.dig("a.example.com TXT").data().len(), 3);
    hub.start_again();
    both(&["\"one\"", "\"three\"", "\"two\""]);
}

#[test]
fn whatever_is_killed_or_cut_at_any_moment_all_end_with_the_same() {
    let mut trio = Trio::start();
    trio.wait_until_shared();
    let mut rng = crate::harness::random();
    let mut is_served = true;
    for round in 0..40 {
        let number = rng.usize(..3);
        let is_up = trio.nodes[number].1.is_some();
        match rng.u8(..10) {
            0 | 1 if is_up => trio.kill(number),
            2 if is_served => {
                trio.nats.kill();
                is_served = false;
            }
            3 | 4 if !is_served => {
                trio.nats.start_again();
                is_served = true;
            }
            5 => trio.ways[number].cut(),
            6 => trio.ways.iter().for_each(Way::mend),
            _ if !is_up => trio.start_again(number),
            7 => _ = trio.order(number, &format!("drain dc:fra --reason r{round} --for 1h")),
            8 => _ = trio.nodes[number].0.run("lift dc:fra"),
            _ => _ = trio.order(number, &format!("txt set a.example.com v{round} --for 1h")),
        }
        std::thread::sleep(Duration::from_millis(rng.u64(..300)));
    }
    trio.ways.iter().for_each(Way::mend);
    if !is_served {
        trio.nats.start_again();
    }
    for number in 0..3 {
        if trio.nodes[number].1.is_none() {
            trio.start_again(number);
        }
    }
    let view = |trio: &Trio, number: usize| {
        let list: serde_json::Value = serde_json::from_str(&trio.order(number, "overrides --json")).expect("JSON");
        let status: serde_json::Value = serde_json::from_str(&trio.order(number, "fleet --json")).expect("JSON");
        let answers = ["a.example.com TXT", "www.example.com A", "example.com SOA"];
        let answers = answers.map(|question| trio.answers(number, question));
        (status["fleet"]["orders"].clone(), list["overrides"].clone(), answers)
    };
    wait_until("all have the same orders and serials, and nothing waits", || {
        let views = [0, 1, 2].map(|number| view(&trio, number));
        let is_calm = views[0].0["waiting"] == 0 && views[0].0["shared"] == true;
        is_calm && views[0] == views[1] && views[1] == views[2]
    });
    println!("{:?}", view(&trio, 0));
}

#[test]
fn a_node_that_may_not_give_orders_follows_those_of_others_and_says_that_its_own_count_there_alone() {
    let mut trio = Trio::start();
    trio.wait_until_shared();
    let section = trio.nats.section("follower", "follower", "follower.password");
    let server = format!("[listen]\ndns = [\"127.0.0.1:0\"]\n[admin]\nsocket = \"admin.sock\"\n{section}");
    let files = Files::new(&server, &[("example.com.toml", ZONE)]);
    let mut follower = files.serve();
    wait_until_shared(&mut follower);
    trio.order(0, "drain dc:fra --for 1h");
    wait_until("it follows", || follower.dig("www.example.com A").data() == [IAD]);
    let ran = files.run("force-down pool:blue --for 1h");
    assert!(ran.code == Some(0) && ran.stdout.contains("the fleet does not have it yet"), "{ran:?}");
    let line = follower.log.wait_for("an order is not shared");
    assert!(line.contains("pool:blue") && line.contains("permissions"), "{line}");
    assert_eq!(follower.dig("app.example.com A").data(), ["192.0.2.8"]);
    for number in 0..3 {
        assert_eq!(trio.answers(number, "app.example.com A"), ["192.0.2.7"]);
    }
    // What others order about the same counts there too.
    trio.order(1, "drain pool:blue --reason later --for 1h --yes");
    wait_until("the others' order counts", || files.run("overrides --json").stdout.contains("\"later\""));
}

#[test]
fn a_report_at_one_node_counts_at_all() {
    let zone = ZONE.replace(
        "[pools.web]\n",
        "[monitors.told]\ntype = \"push\"\ndeadline = \"1m\"\nfall = 3\nrise = 1\n[pools.web]\nmonitor = \"told\"\n",
    );
    let mut trio = Trio::start_with(&zone, Nats::jetstream);
    trio.wait_until_shared();
    for number in 0..3 {
        wait_until("all hear each other", || {
            let view: serde_json::Value = serde_json::from_str(&trio.order(number, "fleet --json")).expect("JSON");
            let points = view["fleet"]["vantage_points"].as_array().cloned().unwrap_or_default();
            points.len() == 3 && points.iter().all(|point| point["in_step"] == true)
        });
    }
    let report = |body: &str| {
        let said = http(trio.node(1).admin(), "POST", "/v1/reports", body);
        assert!(said.starts_with("HTTP/1.1 200"), "{said}");
    };
    report("{\"endpoint\":\"192.0.2.1\",\"ok\":false,\"failures\":3,\"reason\":\"disk full\"}");
    trio.soon("www.example.com A", &[IAD]);
    report("{\"endpoint\":\"192.0.2.1\",\"ok\":true}");
    trio.soon("www.example.com A", &[FRA]);
}
