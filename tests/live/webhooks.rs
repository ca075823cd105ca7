//! Webhooks: the node posts events to the receivers, and waits for none of them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::mpsc::{Receiver as Channel, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::endpoint::{ANY_PORT, Endpoint, Script};
use crate::harness::{Files, Node, SERVER, member, probed_zone};

/// Maximum time that a test waits for an event, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// The `Retry-After` of a busy receiver: longer than a reload takes.
const RETRY_AFTER: &str = "Retry-After: 4\r\n";

const SECRET: &str = "hush-0123456789";

/// A request that was posted.
#[derive(Debug)]
struct Post {
    head: String,
    body: String,
}

impl Post {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

/// Receives requests; responds with these statuses in turn, and with 200 after that.
struct Receiver {
    address: SocketAddr,
    posts: Channel<Post>,
}

impl Receiver {
    fn start(statuses: &'static [u16]) -> Self {
        let listener = TcpListener::bind(ANY_PORT).unwrap();
        let address = listener.local_addr().unwrap();
        let (posts, received) = channel();
        let mut statuses = statuses.iter().copied();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let post = take(&stream, statuses.next().unwrap_or(200));
                // The test may be over.
                if posts.send(post).is_err() {
                    return;
                }
            }
        });
        Self { address, posts: received }
    }

    #[track_caller]
    fn next(&self) -> Post {
        self.posts.recv_timeout(PATIENCE).expect("something is posted")
    }
}

fn take(stream: &TcpStream, status: u16) -> Post {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(reader.read_line(&mut head).unwrap(), 0, "{head}");
    }
    let head = head.to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
    let mut body = vec![0; length.parse().unwrap()];
    reader.read_exact(&mut body).unwrap();
    let later = if status == 429 { RETRY_AFTER } else { "" };
    let answer = format!("HTTP/1.1 {status} Scripted\r\nContent-Length: 0\r\n{later}Connection: close\r\n\r\n");
    (&mut &*stream).write_all(answer.as_bytes()).unwrap();
    Post { head, body: String::from_utf8(body).unwrap() }
}

/// Two datacenters that are probed, and a server file with this at its end.
fn files(fra: &Endpoint, iad: &Endpoint, server: &str) -> Files {
    let zone = probed_zone(fra.address(), iad.address(), "");
    Files::new(&format!("{SERVER}{server}"), &[("example.com.toml", &zone)])
}

fn well(host: u8) -> Endpoint {
    Endpoint::start((Ipv4Addr::new(127, 41, 0, host), 0).into(), Script::status(200))
}

#[test]
fn a_fall_is_posted_with_what_was_seen_and_what_it_moves_and_no_secret_is_logged() {
    let (fra, iad) = (well(1), well(2));
    let (json, slack) = (Receiver::start(&[]), Receiver::start(&[]));
    let server = format!(
        "[[webhooks]]\nurl = \"http://{}/{SECRET}\"\nevents = [\"endpoint\"]\ngather = \"0s\"\n\
         headers = {{ Authorization = \"Bearer {SECRET}\" }}\n\
         [[webhooks]]\nurl = \"http://{}/b?c\"\nbody = '{{\"text\": \"{{{{to}}}}: {{{{impact}}}}\", \"{SECRET}\": 1}}'\n\
         events = [\"endpoint\"]\ngather = \"0s\"\n",
        json.address, slack.address
    );
    let files = files(&fra, &iad, &server);
    let mut node = files.serve();
    for receiver in [&json, &slack] {
        for _ in 0..2 {
            assert!(receiver.next().body.contains("up"), "both were found to be up before");
        }
    }
    fra.play(Script::status(503));
    let post = json.next();
    assert!(post.head.starts_with(&format!("post /{SECRET} http/1.1\r\n")), "{}", post.head);
    assert!(post.head.contains(&format!("authorization: bearer {SECRET}\r\n")), "{}", post.head);
    assert!(post.head.contains("content-type: application/json\r\n"), "{}", post.head);
    let told = post.json();
    let endpoint = fra.address().to_string();
    assert_eq!(
        (&told["event"], &told["endpoint"], &told["to"]),
        (&json!("endpoint"), &json!(endpoint), &json!("down"))
    );
    assert_eq!(
        (&told["outcome"], &told["status"], &told["error"]),
        (&json!("status"), &json!(503), &json!("status 503"))
    );
    let shift = json!([{
        "names": ["www.example.com."], "more": 0, "from": ["fra"], "to": ["iad"], "clients": ["everybody"]
    }]);
    assert_eq!(told["impact"], shift);
    assert_eq!((&told["action"], &told["severity"], &told["lost"]), (&json!("trigger"), &json!("error"), &json!(0)));
    let told = slack.next().json();
    assert_eq!(told["text"], "down: name www.example.com.: fra -> iad for everybody");

    fra.play(Script::status(200));
    let told = json.next().json();
    assert_eq!((&told["to"], &told["action"], &told["outcome"]), (&json!("up"), &json!("resolve"), &json!("ok")));
    assert!(told["took_ms"].as_f64().unwrap() > 0.0 && told["connect_ms"].as_f64().unwrap() > 0.0, "{told}");
    assert_eq!((&told["impact"][0]["from"], &told["impact"][0]["to"]), (&json!(["iad"]), &json!(["fra"])));

    files.write("truenorth.toml", format!("{SERVER}{server}timeout = 7\n"));
    node.signal("HUP");
    node.log.wait_for("configuration not reloaded");
    node.signal("TERM");
    node.log.wait_for("stopping");
    assert!(!node.log.lines().iter().any(|line| line.contains(SECRET)), "{:?}", node.log.lines());
}

#[test]
fn what_is_not_taken_is_posted_again_and_in_order() {
    let (fra, iad) = (well(3), well(4));
    let receiver = Receiver::start(&[500, 503]);
    let server = format!("[[webhooks]]\nurl = \"http://{}/\"\nevents = [\"start\", \"reload\"]\n", receiver.address);
    let files = files(&fra, &iad, &server);
    let mut node = files.serve();
    node.signal("HUP");
    node.log.wait_for("configuration reloaded");
    let told: Vec<Value> = (0..4).map(|_| receiver.next().json()).collect();
    let events: Vec<&str> = told.iter().map(|notice| notice["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["start", "start", "start", "reload"]);
    assert_eq!((&told[0], &told[1]), (&told[2], &told[2]), "the same notice each time");
    assert!(told[3]["id"].as_u64() > told[2]["id"].as_u64());
}

#[test]
fn what_was_refused_is_lost_and_told_with_the_next_notice() {
    let (fra, iad) = (well(5), well(6));
    let receiver = Receiver::start(&[302, 404]);
    let server = format!(
        "[[webhooks]]\nurl = \"http://{}/\"\nevents = [\"endpoint\", \"reload\"]\ngather = \"0s\"\n",
        receiver.address
    );
    let files = files(&fra, &iad, &server);
    let node = files.serve();
    for _ in 0..2 {
        assert_eq!(receiver.next().json()["to"], "up");
    }
    node.signal("HUP");
    let told = receiver.next().json();
    assert_eq!((&told["event"], &told["lost"]), (&json!("reload"), &json!(2)));
    assert!(told["summary"].as_str().unwrap().ends_with("(2 earlier notices were lost)"), "{told}");
}

#[test]
fn a_receiver_that_is_dead_or_hangs_holds_up_nobody() {
    let (fra, iad) = (well(7), well(8));
    let hanging = Endpoint::start(ANY_PORT, Script::hang());
    let dead = {
        let mut endpoint = Endpoint::start(ANY_PORT, Script::status(200));
        endpoint.stop_listening();
        endpoint.address()
    };
    let receiver = Receiver::start(&[]);
    let hooks: String = [hanging.address(), dead, receiver.address]
        .map(|address| {
            format!("[[webhooks]]\nurl = \"http://{address}/\"\nevents = [\"endpoint\"]\ngather = \"0s\"\ntimeout = \"60s\"\n")
        })
        .concat();
    let node = files(&fra, &iad, &hooks).serve();
    let answered = |down: &Endpoint, other: &Endpoint, status: u16| {
        down.play(Script::status(status));
        let wanted = if status == 200 { down } else { other }.address().ip().to_string();
        let begun = Instant::now();
        while node.dig("www.example.com").data() != [wanted.clone()] {
            assert!(begun.elapsed() < PATIENCE, "the answers do not change to {wanted}");
        }
    };
    for _ in 0..2 {
        answered(&fra, &iad, 503);
        answered(&fra, &iad, 200);
    }
    let told: Vec<Value> = (0..6).map(|_| receiver.next().json()["to"].clone()).collect();
    assert_eq!(told, ["up", "up", "down", "up", "down", "up"]);
    let begun = Instant::now();
    assert_eq!(node.terminate().code(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

/// A datacenter with five endpoints in two pools, and one beside it.
fn datacenter(fra: &Endpoint, hosts: &[Endpoint], iad: &Endpoint) -> String {
    let first = member(fra.address());
    let all: Vec<String> = [fra].into_iter().chain(hosts).map(|host| member(host.address())).collect();
    let zone = probed_zone(fra.address(), iad.address(), "");
    let zone = zone.replace(&format!("endpoints.fra = [{first}]"), &format!("endpoints.fra = [{}]", all.join(", ")));
    format!("{zone}[pools.api]\nmonitor = \"web\"\nendpoints.fra = [{first}]\n[names.api]\npools = [\"api\"]\n")
}

#[test]
fn a_dead_datacenter_is_one_notice_with_what_it_moves_and_so_is_its_return() {
    let (fra, hosts, iad) = (well(21), [well(22), well(23), well(24)], well(25));
    let receiver = Receiver::start(&[]);
    let server = format!(
        "{SERVER}[[webhooks]]\nurl = \"http://{}/\"\ngather = \"3s\"\n\
         events = [\"endpoint\", \"pool\", \"datacenter\", \"reload\"]\n",
        receiver.address
    );
    let files = Files::new(&server, &[("example.com.toml", &datacenter(&fra, &hosts, &iad))]);
    let mut node = files.serve();
    // One address is probed for two names.
    for _ in 0..6 {
        assert_eq!(receiver.next().json()["to"], "up", "each endpoint was found to be up");
    }
    for endpoint in hosts.iter().chain([&fra]) {
        endpoint.play(Script::status(503));
    }
    let told = receiver.next().json();
    assert_eq!(
        (&told["event"], &told["datacenter"], &told["to"], &told["severity"], &told["action"]),
        (&json!("datacenter"), &json!("fra"), &json!("down"), &json!("critical"), &json!("trigger")),
        "{told}"
    );
    assert_eq!((&told["down"], &told["endpoints"]), (&json!(5), &json!(5)));
    assert!(told["impact"].to_string().contains("www.example.com."), "{told}");
    // The log has it too.
    let line = node.log.wait_for("datacenter fra is down: 5 of 5 endpoints down");
    assert!(line.contains("WARN") && line.contains("fra -> iad"), "{line}");
    for endpoint in hosts.iter().chain([&fra]) {
        endpoint.play(Script::status(200));
    }
    let told = receiver.next().json();
    assert_eq!(
        (&told["event"], &told["to"], &told["action"]),
        (&json!("datacenter"), &json!("up"), &json!("resolve")),
        "{told}"
    );
    eventually_all_up(&node);
    // Nothing else was posted: the next notice is of something else.
    node.signal("HUP");
    let told = receiver.next().json();
    assert_eq!(told["event"], "reload", "{told}");
}

/// Waits until every endpoint answers again.
fn eventually_all_up(node: &Node) {
    let begun = Instant::now();
    while node.dig("www.example.com").data().len() != 4 {
        assert!(begun.elapsed() < PATIENCE, "{:?}", node.dig("www.example.com").data());
    }
}

/// An endpoint that is up while one of its two probes succeeds. `rest` is appended to the zone file.
fn aggregate(one: &Endpoint, two: &Endpoint, rest: &str) -> String {
    let part = |name: &str, endpoint: &Endpoint| {
        let port = endpoint.address().port();
        format!(
            "[monitors.{name}]\ntype = \"http\"\nport = {port}\nhost = \"www\"\ninterval = \"1s\"\n\
             timeout = \"900ms\"\nfall = 3\nrise = 1\n"
        )
    };
    format!(
        "[nameservers]\nns1 = [\"127.0.0.1\"]\n{}{}[monitors.web]\ntype = \"at_least\"\ncount = 1\n\
         of = [\"one\", \"two\"]\n[pools.web]\nmonitor = \"web\"\nendpoints = [\"{}\"]\n\
         [names.www]\npools = [\"web\"]\n{rest}",
        part("one", one),
        part("two", two),
        one.address().ip()
    )
}

#[test]
fn a_part_of_an_aggregate_that_holds_pages_nobody() {
    let at = |port: u16| (Ipv4Addr::new(127, 41, 1, 1), port).into();
    let (one, two) = (Endpoint::start(at(0), Script::status(200)), Endpoint::start(at(0), Script::status(503)));
    let receiver = Receiver::start(&[]);
    let url = receiver.address;
    let server = format!(
        "{SERVER}[[webhooks]]\nurl = \"http://{url}/\"\nevents = [\"endpoint\", \"reload\"]\ngather = \"0s\"\n"
    );
    let files = Files::new(&server, &[("example.com.toml", &aggregate(&one, &two, ""))]);
    let mut node = files.serve();
    // One of the two probes is down from the start, and later changes; the endpoint stays up.
    let told = receiver.next().json();
    assert_eq!((&told["event"], &told["to"]), (&json!("endpoint"), &json!("up")), "{told}");
    assert_eq!(told["endpoint"], "127.41.1.1", "and no part of it");
    two.play(Script::status(200));
    node.log.wait_for(&format!("a probe of the endpoint is up probe={}", two.address()));
    two.play(Script::status(503));
    let line = node.log.wait_for(&format!("a probe of the endpoint is down probe={}", two.address()));
    assert!(line.contains("INFO"), "{line}");
    // The next notice is of something else.
    node.signal("HUP");
    let told = receiver.next().json();
    assert_eq!(told["event"], "reload", "{told}");
    one.play(Script::status(503));
    let told = receiver.next().json();
    assert_eq!((&told["endpoint"], &told["to"]), (&json!("127.41.1.1"), &json!("down")), "{told}");
    // The endpoint is up again when either probe succeeds.
    two.play(Script::status(200));
    let told = receiver.next().json();
    assert_eq!((&told["endpoint"], &told["to"]), (&json!("127.41.1.1"), &json!("up")), "{told}");
}

#[test]
fn a_part_that_is_all_of_an_endpoint_elsewhere_pages_for_that_one() {
    let at = |port: u16| (Ipv4Addr::new(127, 41, 1, 2), port).into();
    let (one, two) = (Endpoint::start(at(0), Script::status(200)), Endpoint::start(at(0), Script::status(200)));
    let receiver = Receiver::start(&[]);
    let url = receiver.address;
    let server = format!("{SERVER}[[webhooks]]\nurl = \"http://{url}/\"\nevents = [\"endpoint\"]\ngather = \"0s\"\n");
    let rest = "[pools.alone]\nmonitor = \"two\"\nendpoints = [\"127.41.1.2\"]\n[names.alone]\npools = [\"alone\"]\n";
    let files = Files::new(&server, &[("example.com.toml", &aggregate(&one, &two, rest))]);
    let node = files.serve();
    let mut up = [receiver.next().json(), receiver.next().json()].map(|told| told["pools"].clone());
    up.sort_by_key(Value::to_string);
    assert_eq!(up, [json!(["alone"]), json!(["web"])]);
    two.play(Script::status(503));
    let told = receiver.next().json();
    assert_eq!((&told["pools"], &told["to"]), (&json!(["alone"]), &json!("down")), "{told}");
    assert_eq!(node.dig("www.example.com").data(), ["127.41.1.2"]);
}

#[test]
fn a_task_that_panics_is_begun_anew_and_loses_nothing() {
    let (fra, iad) = (well(11), well(12));
    let receiver = Receiver::start(&[]);
    let hook = format!("[[webhooks]]\nurl = \"http://{}/\"\nevents = [\"start\", \"reload\"]\n", receiver.address);
    let files = files(&fra, &iad, &hook);
    let mut node = files.serve_under(&[("TRUENORTH_BREAK", Path::new("a webhook's task"))]);
    assert_eq!(receiver.next().json()["event"], "start");
    thread::sleep(Duration::from_secs(1));
    node.signal("HUP");
    node.log.wait_for("a webhook's task panicked, which is a bug of truenorth; it is restarted");
    let told = receiver.next().json();
    assert_eq!((&told["event"], &told["lost"]), (&json!("reload"), &json!(0)));
    assert_eq!(node.dig("www.example.com").status, "NOERROR");
}

#[test]
fn a_hook_that_stays_keeps_what_it_has_not_delivered() {
    let (fra, iad) = (well(9), well(10));
    let receiver = Receiver::start(&[429]);
    let hook = format!("[[webhooks]]\nurl = \"http://{}/\"\nevents = [\"start\"]\n", receiver.address);
    let files = files(&fra, &iad, &hook);
    let mut node = files.serve();
    assert_eq!(receiver.next().json()["event"], "start");
    files.write("truenorth.toml", format!("{SERVER}{hook}headers = {{ x-new = \"1\" }}\n"));
    node.log.wait_for("configuration reloaded");
    let post = receiver.next();
    assert_eq!(post.json()["event"], "start");
    assert!(post.head.contains("x-new: 1\r\n"), "{}", post.head);
}

#[test]
fn a_receiver_that_sends_interim_responses_without_end_stops_nothing() {
    let flood = TcpListener::bind(ANY_PORT).unwrap();
    let address = flood.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in flood.incoming().flatten() {
            let interim = "HTTP/1.1 100 Continue\r\n\r\n".repeat(10_000);
            thread::spawn(move || while stream.write_all(interim.as_bytes()).is_ok() {});
        }
    });
    let (mut fra, iad) =
        (Endpoint::start(ANY_PORT, Script::status(200)), Endpoint::start(ANY_PORT, Script::status(200)));
    let hooks = format!("[[webhooks]]\nurl = \"http://{address}/\"\n");
    let server = format!("{SERVER}[admin]\nlisten = \"127.0.0.1:0\"\n{hooks}");
    let files = Files::new(&server, &[("example.com.toml", &probed_zone(fra.address(), iad.address(), ""))]);
    let mut node = files.serve();
    let admin = node.wait_for_admin();
    for round in 0..5 {
        let start = Instant::now();
        let ran = files.run(&format!("drain endpoint:192.0.2.1 --node {admin}"));
        assert_ne!(ran.stderr, "", "no pool has such an endpoint: {ran:?}");
        assert!(node.healthz().starts_with("HTTP/1.1 200"), "{round}");
        assert!(start.elapsed() < PATIENCE / 4, "{round}: {:?}", start.elapsed());
    }
    fra.stop_listening();
    node.log.wait_for("endpoint is down");
}

#[test]
fn texts_from_outside_reach_receivers_without_control_characters() {
    let (json, plain) = (Receiver::start(&[]), Receiver::start(&[]));
    let zone = "[nameservers]\nns1 = [\"192.0.2.53\"]\n[monitors.push]\ntype = \"push\"\nrise = 1\nfall = 1\n\
                [pools.web]\nmonitor = \"push\"\nendpoints = [\"192.0.2.1\", \"192.0.2.2\"]\n\
                [names.www]\npools = [\"web\"]\nsteer = []\n";
    let server = format!(
        "{SERVER}[admin]\nlisten = \"127.0.0.1:0\"\n\
         [[webhooks]]\nurl = \"http://{}/\"\nevents = [\"endpoint\", \"override\"]\n\
         gather = \"0s\"\n[[webhooks]]\nurl = \"http://{}/\"\nevents = [\"endpoint\", \"override\"]\ngather = \"0s\"\nbody = \"{{{{summary}}}}\"\n\
         headers = {{ Content-Type = \"text/plain\" }}\n",
        json.address, plain.address
    );
    let files = Files::new(&server, &[("example.com.toml", zone)]);
    let mut node = files.serve();
    let admin = node.wait_for_admin();
    // An escape sequence of a terminal, a line of its own, and a mark that reverses the rest.
    let reason = "a\u{1b}[31m\r\nb\u{202e}c";
    let shown = r"a\u{1b}[31m\r\nb\u{202e}c";
    let post = |path: &str, body: Value| {
        let body = body.to_string();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let mut stream = TcpStream::connect(admin).unwrap();
        stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
    };
    post("/v1/reports", json!({ "endpoint": "192.0.2.1", "ok": false, "reason": reason }));
    post("/v1/overrides", json!({ "mode": "drain", "target": "endpoint:192.0.2.2", "reason": reason, "who": reason }));
    for event in ["endpoint", "override"] {
        let (body, text) = (json.next(), plain.next().body);
        assert_eq!(body.json()["event"], event);
        assert!(body.json()["summary"].as_str().unwrap().contains(shown), "{}", body.body);
        assert!(text.contains(shown), "{text:?}");
        for body in [&body.body, &text] {
            assert!(!body.contains(['\u{1b}', '\r', '\n', '\u{202e}']), "{body:?}");
        }
    }
}
