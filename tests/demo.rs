//! The demo as a user sees it: the real binary, `dig` lines copied from its output, endpoints that are broken and
//! repaired over HTTP, and an edited zone.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Reading the database and the first probes, in a debug build on a busy machine.
const START: Duration = Duration::from_secs(60);

/// The sample's interval (1 s) by its `fall` or `rise` (2), and its time-out (0.5 s).
const TURN: Duration = Duration::from_millis(2500);

/// For a busy machine.
const SLACK: Duration = Duration::from_secs(30);

const POLL: Duration = Duration::from_millis(20);

const EUROPE: &str = "193.0.6.0/24";
const AMERICA: &str = "128.6.1.0/24";
const ASIA: &str = "133.11.0.0/24";

/// A running demo, and its output so far.
struct Demo {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
    dns: u16,
    http: u16,
    admin: u16,
    zone: PathBuf,
}

impl Demo {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_truenorth"))
            .args(["demo", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--http-port", "0"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (output, heard) = (BufReader::new(child.stdout.take().unwrap()), lines.clone());
        let reader = thread::spawn(move || output.lines().for_each(|line| heard.lock().unwrap().push(line.unwrap())));
        let mut demo = Self { child, lines, reader: Some(reader), dns: 0, http: 0, admin: 0, zone: PathBuf::new() };
        demo.wait_for_line(START, "answering");
        let word_behind = |marker: &str| {
            let line = demo.line(|line| line.contains(marker)).unwrap();
            let behind = line.split_once(marker).unwrap().1;
            behind.split([' ', '/']).next().unwrap().to_owned()
        };
        let ports = [" -p ", "curl http://127.10.0.10:", "Open http://127.0.0.1:"];
        [demo.dns, demo.http, demo.admin] = ports.map(|marker| word_behind(marker).parse().unwrap());
        demo.zone = demo.line(|line| line.ends_with("/zones/gslb.example.com.toml")).unwrap().trim().into();
        demo
    }

    fn line(&self, is_it: impl Fn(&str) -> bool) -> Option<String> {
        self.lines.lock().unwrap().iter().find(|line| is_it(line)).cloned()
    }

    /// Waits for a line with these words, and returns the first one.
    fn wait_for_line(&self, time: Duration, words: &str) -> String {
        let mut found = None;
        wait_until(time, || {
            found = self.line(|line| line.contains(words));
            (found.is_some(), format!("a line with {words:?} in {:#?}", self.lines.lock().unwrap()))
        });
        found.unwrap()
    }

    /// The addresses of an answer, in their order.
    fn dig(&self, name: &str, client: &str) -> Vec<String> {
        run(&format!("dig @127.0.0.1 -p {} {name}.gslb.example.com +short +subnet={client}", self.dns))
    }

    /// Waits until a name's answer to a client holds exactly these addresses.
    fn wait_for_answer(&self, name: &str, client: &str, addresses: &[&str]) {
        let wanted: BTreeSet<&str> = addresses.iter().copied().collect();
        wait_until(TURN + SLACK, || {
            let answer = self.dig(name, client);
            let same = answer.iter().map(String::as_str).collect::<BTreeSet<_>>() == wanted;
            (same, format!("{name} to be {addresses:?} for {client}, not {answer:?}"))
        });
    }

    async fn post(&self, address: &str, path: &str) -> String {
        let url = format!("http://{address}:{}{path}", self.http);
        let response = client().post(url).send().await.unwrap();
        assert!(response.status().is_success());
        response.text().await.unwrap()
    }

    async fn get(&self, address: &str, path: &str) -> (u16, String) {
        let response = client().get(format!("http://{address}:{}{path}", self.http)).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    fn edit(&self, from: &str, to: &str) {
        let text = fs::read_to_string(&self.zone).unwrap();
        assert!(text.contains(from));
        fs::write(&self.zone, text.replace(from, to)).unwrap();
    }

    fn folder(&self) -> &Path {
        self.zone.parent().unwrap().parent().unwrap()
    }

    /// Sends SIGTERM and waits for the end.
    fn stop(&mut self) -> ExitStatus {
        run(&format!("kill -TERM {}", self.child.id()));
        let mut status = None;
        wait_until(SLACK, || {
            status = self.child.try_wait().unwrap();
            (status.is_some(), "the demo to end".to_owned())
        });
        self.reader.take().unwrap().join().unwrap();
        status.unwrap()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // After a good end there is nothing left to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a command as a shell would, and gives its lines.
fn run(command: &str) -> Vec<String> {
    let output = Command::new("sh").args(["-c", command]).output().unwrap();
    assert!(output.status.success(), "{command}: {output:?}");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// Repeats a check until it succeeds, for at most this time.
fn wait_until(time: Duration, mut is_so: impl FnMut() -> (bool, String)) {
    let deadline = Instant::now() + time;
    loop {
        let (so, what) = is_so();
        if so {
            return;
        }
        assert!(Instant::now() < deadline, "waited {time:?} for {what}");
        thread::sleep(POLL);
    }
}

#[tokio::test]
async fn a_person_plays_with_the_demo() {
    let mut demo = Demo::start();

    let guide: Vec<String> = demo.lines.lock().unwrap().clone();

    // The first line has the address of the page, which shows that all is well.
    let page = guide[0].strip_prefix("Open ").and_then(|line| line.split(' ').next()).unwrap();
    let shown = client().get(page).send().await.unwrap().text().await.unwrap();
    assert!(shown.contains("<title>truenorth</title>") && shown.contains("127.20.0.11"), "{shown}");
    let overview = client().get(format!("{page}v1/overview")).send().await.unwrap().text().await.unwrap();
    assert!(overview.contains("\"endpoints\":{\"up\":8,"), "{overview}");

    // Every dig line of the guide works without changes.
    let lines: Vec<&str> = guide.iter().map(|line| line.trim()).filter(|line| line.starts_with("dig ")).collect();
    assert_eq!(lines.len(), 7);
    for line in lines {
        assert!(!run(line).is_empty(), "{line} tells nothing");
    }

    // Each client is sent to its datacenter, and addresses rotate.
    demo.wait_for_answer("www", EUROPE, &["127.10.0.10", "127.10.0.11"]);
    demo.wait_for_answer("www", AMERICA, &["127.20.0.10", "127.20.0.11"]);
    demo.wait_for_answer("www", ASIA, &["127.30.0.10", "127.30.0.11"]);
    demo.wait_for_answer("shop.apps", EUROPE, &["127.20.0.10", "127.20.0.11"]);
    demo.wait_for_answer("files", ASIA, &["127.20.0.10", "127.20.0.11"]);
    let (first, second) = (demo.dig("www", EUROPE), demo.dig("www", EUROPE));
    assert_ne!(first[0], second[0]);
    assert_eq!(demo.get("127.10.0.10", "/").await, (200, "hello from fra, 127.10.0.10\n".to_owned()));

    // Weights hold: 100 draws with a chance of 0.1 are all alike once in 37,000 runs.
    let canary = (0..100).filter(|_| demo.dig("api", EUROPE) == ["127.10.0.20"]).count();
    assert!((1..=35).contains(&canary), "{canary} of 100 answers are the canary");

    // An endpoint that fails leaves the answers, and returns when it is repaired.
    assert_eq!(demo.post("127.10.0.10", "/break").await, "you broke 127.10.0.10 in fra\n");
    assert_eq!(demo.get("127.10.0.10", "/").await.0, 503);
    demo.wait_for_answer("www", EUROPE, &["127.10.0.11"]);
    // On a busy machine another endpoint may have timed out before.
    let down = demo.wait_for_line(SLACK, &format!("127.10.0.10:{} in web/fra, status 503", demo.http));
    assert!(down.contains("endpoint is down"), "{down}");
    demo.post("127.10.0.10", "/mend").await;
    demo.wait_for_answer("www", EUROPE, &["127.10.0.10", "127.10.0.11"]);
    demo.wait_for_line(SLACK, "endpoint is up");

    // A datacenter can fail too: its clients go to the next one, and all others stay.
    demo.post("127.20.0.11", "/datacenter/break").await;
    demo.wait_for_answer("www", AMERICA, &["127.10.0.10", "127.10.0.11"]);
    demo.wait_for_answer("files", ASIA, &["127.10.0.10", "127.10.0.11"]);
    demo.wait_for_answer("www", ASIA, &["127.30.0.10", "127.30.0.11"]);

    // If all endpoints are down, the fallback answers.
    demo.post("127.10.0.10", "/datacenter/break").await;
    demo.wait_for_answer("www", EUROPE, &["127.30.0.10", "127.30.0.11"]);
    demo.post("127.30.0.10", "/datacenter/break").await;
    for client in [EUROPE, AMERICA, ASIA] {
        demo.wait_for_answer("www", client, &["127.40.0.10"]);
    }
    for address in ["127.10.0.10", "127.20.0.10", "127.30.0.10"] {
        demo.post(address, "/datacenter/mend").await;
    }
    demo.wait_for_answer("www", EUROPE, &["127.10.0.10", "127.10.0.11"]);

    // A good edit takes effect; a broken one is reported with its position, and the old answers stay.
    demo.edit("\"continent:EU\", \"continent:AF\"", "\"continent:AF\"");
    demo.edit("\"continent:AS\"", "\"continent:EU\", \"continent:AS\"");
    demo.wait_for_answer("www", EUROPE, &["127.30.0.10", "127.30.0.11"]);
    demo.wait_for_line(SLACK, "configuration reloaded");
    demo.edit("ttl = 30 ", "tll = 30 ");
    demo.wait_for_line(SLACK, &format!("{}:4:1: ", demo.zone.display()));
    demo.wait_for_line(SLACK, "the old one stays in use");
    demo.wait_for_answer("www", EUROPE, &["127.30.0.10", "127.30.0.11"]);

    // The end is clean.
    let folder = demo.folder().to_owned();
    assert!(folder.exists());
    assert!(demo.stop().success());
    assert!(!folder.exists());
}

#[test]
fn a_port_that_is_taken_gives_way_to_one_from_the_kernel() {
    let mut first = Demo::start();
    let taken = (first.dns, first.http, first.admin);
    let mut second = Command::new(env!("CARGO_BIN_EXE_truenorth"))
        .args(["demo", "--listen", &format!("127.0.0.1:{}", taken.0), "--http-port", &taken.1.to_string()])
        .args(["--admin", &format!("127.0.0.1:{}", taken.2)])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(second.stdout.take().unwrap());
    let mut lines = output.lines().map(Result::unwrap);
    let guide: Vec<String> = lines.by_ref().take_while(|line| !line.contains("answering:")).collect();
    run(&format!("kill -TERM {}", second.id()));
    assert!(second.wait().unwrap().success());
    assert!(
        guide.iter().any(|line| line.starts_with(&format!("Another process uses 127.0.0.1:{}", taken.0))),
        "{guide:#?}"
    );
    assert!(
        guide.iter().any(|line| line.starts_with(&format!("Another process uses 127.0.0.1:{}", taken.2))),
        "{guide:#?}"
    );
    assert!(guide.iter().any(|line| line.starts_with(&format!("Another process uses port {}", taken.1))), "{guide:#?}");
    assert!(first.stop().success());
}

#[test]
fn a_database_that_is_not_there_is_told_with_what_to_do() {
    let output =
        Command::new(env!("CARGO_BIN_EXE_truenorth")).args(["demo", "--geoip", "nowhere.mmdb"]).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(told.contains("nowhere.mmdb") && told.contains("--geoip FILE"), "{told}");
}

/// The HTTP client of the tests, which uses plain HTTP and trusts no certificate.
fn client() -> reqwest::Client {
    let tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    reqwest::Client::builder().tls_backend_preconfigured(tls).build().unwrap()
}
