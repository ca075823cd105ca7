//! If the log cannot be written, or nobody reads it, only lines are lost.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::IpAddr;
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use hickory_proto::rr::RecordType;
use truenorth::config::MAX_TOLD;

use crate::endpoint::{Endpoint, Script};
use crate::harness::{Asker, Files, Node, addresses, member, run};

const SERVER: &str = "[listen]\ndns = [\"127.0.0.1:0\"]\n[admin]\nlisten = \"127.0.0.1:0\"\n";

/// Allowance for a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(20);

const LOOK: Duration = Duration::from_millis(20);

/// Broken files whose faults, reported twice, are longer than the 64 KiB that a pipe can hold (pipe(7)).
const BROKEN: usize = 10;

/// A name with two endpoints, one of which dies.
struct Scene {
    files: Files,
    one: Endpoint,
    two: Endpoint,
}

impl Scene {
    fn new(network: u8) -> Self {
        let start = |host: u8| Endpoint::start((IpAddr::from([127, 23, network, host]), 0).into(), Script::status(200));
        let (one, two) = (start(1), start(2));
        let scene = Self { files: Files::new(SERVER, &[]), one, two };
        scene.files.write("zones/example.com.toml", scene.zone());
        scene
    }

    fn zone(&self) -> String {
        format!(
            "[nameservers]\nns1 = [\"127.0.0.1\"]\n[datacenters]\nfra = {{ latitude = 50, longitude = 8 }}\n\
             [regions.default]\nprefer = [\"fra\"]\n[monitors.web]\ntype = \"http\"\ninterval = \"1s\"\n\
             timeout = \"900ms\"\nfall = 1\nrise = 1\n[pools.web]\ndatacenter = \"fra\"\nmonitor = \"web\"\n\
             endpoints = [{}, {}]\n[names.www]\npools = [\"web\"]\n",
            member(self.one.address()),
            member(self.two.address())
        )
    }

    fn both(&self) -> Vec<IpAddr> {
        vec![self.one.address().ip(), self.two.address().ip()]
    }

    /// Checks that the node still works: health, reloads, orders, its health check, its end.
    fn expect_life(&mut self, mut node: Node) {
        let mut asker = node.asker();
        wait_for(&mut asker, &self.both());
        self.one.stop_listening();
        wait_for(&mut asker, &[self.two.address().ip()]);
        self.one.listen_again();
        wait_for(&mut asker, &self.both());
        node.signal("HUP");
        let target = format!("endpoint:{}", self.one.address().ip());
        let config = self.files.path("truenorth.toml");
        let config = ["--config", config.to_str().expect("temporary folders have plain names")];
        let node_at = node.admin().to_string();
        let words = ["force-down", &target, "--node", &node_at];
        let ran = run(words.into_iter().chain(config));
        assert_eq!(ran.code, Some(0), "{ran:?}");
        wait_for(&mut asker, &[self.two.address().ip()]);
        assert!(node.healthz().starts_with("HTTP/1.1 200 "), "{}", node.healthz());
        assert!(node.is_running());
        let start = Instant::now();
        assert_eq!(node.terminate().code(), Some(0));
        assert!(start.elapsed() < Duration::from_secs(10), "it promises two seconds: {:?}", start.elapsed());
    }
}

/// Asks until exactly these addresses are answered.
#[track_caller]
fn wait_for(asker: &mut Asker, expected: &[IpAddr]) {
    let start = Instant::now();
    loop {
        let mut found = addresses(&asker.ask("www.example.com.", RecordType::A, None));
        found.sort();
        if found == expected {
            return;
        }
        assert!(start.elapsed() < PATIENCE, "{found:?} and not {expected:?}");
        thread::sleep(LOOK);
    }
}

#[test]
fn a_device_that_is_full_stops_nothing() {
    let mut scene = Scene::new(0);
    let full = File::options().write(true).open("/dev/full").unwrap();
    let node = scene.files.serve_logging_to(full, None);
    scene.expect_life(node);
}

#[test]
fn a_pipe_whose_reader_died_stops_nothing() {
    let mut scene = Scene::new(1);
    let (reader, writer) = std::io::pipe().unwrap();
    let node = scene.files.serve_logging_to(writer, None);
    drop(reader);
    scene.expect_life(node);
}

#[test]
fn a_pipe_that_nobody_reads_stops_nothing() {
    let mut scene = Scene::new(2);
    let (mut reader, writer) = std::io::pipe().unwrap();
    let node = scene.files.serve_logging_to(writer, None);
    // A reload reports many faults of each file; together they are longer than the pipe can hold.
    let broken = |number| format!("zones/broken{number}.example.toml");
    let faults: Vec<String> = (0..MAX_TOLD).map(|number| format!("[records.w{number}]\nA = [\"192.0.2\"]\n")).collect();
    for number in 0..BROKEN {
        scene.files.write(&broken(number), format!("{}{}", scene.zone(), faults.concat()));
    }
    let reload = format!("reload --node {}", node.admin());
    assert_eq!(scene.files.run(&reload).code, Some(1));
    assert_eq!(scene.files.run(&reload).code, Some(1));
    for number in 0..BROKEN {
        fs::remove_file(scene.files.path(&broken(number))).unwrap();
    }
    assert_eq!(scene.files.run(&reload).code, Some(0));
    // The test reads the log for a while: no line is missing.
    let (line_read, lines) = mpsc::channel();
    let (enough, stop) = mpsc::channel::<()>();
    let reading = thread::spawn(move || {
        for line in BufReader::new(&mut reader).lines() {
            let _ = line_read.send(line.expect("it writes UTF-8"));
            if stop.try_recv().is_ok() {
                break;
            }
        }
        reader
    });
    let mut told = 0;
    loop {
        let line = lines.recv_timeout(PATIENCE).expect("the node goes on");
        told += usize::from(line.contains(".example.toml:"));
        assert!(!line.contains("log lines were lost"), "{line}");
        if line.contains("configuration reloaded") && told >= 2 * BROKEN * MAX_TOLD {
            break;
        }
    }
    enough.send(()).unwrap();
    node.signal("HUP");
    let reader = reading.join().unwrap();
    // Then it stops reading.
    scene.expect_life(node);
    drop(reader);
}

#[test]
fn a_disk_that_is_full_stops_nothing_and_what_is_lost_is_told() {
    let mut scene = Scene::new(3);
    let node = scene.files.serve_unlogged_with_mounts(
        "mkdir log && mount -t tmpfs -o size=8k none log && ! head -c 9k /dev/zero > log/filler && exec 2>> log/log",
    );
    let log = node.its_path(&scene.files.path("log/log"));
    node.signal("HUP");
    thread::sleep(Duration::from_millis(500));
    assert_eq!(fs::read_to_string(&log).unwrap(), "", "there is no room");
    fs::remove_file(node.its_path(&scene.files.path("log/filler"))).unwrap();
    let start = Instant::now();
    loop {
        node.signal("HUP");
        let text = fs::read_to_string(&log).unwrap();
        if text.contains("log lines were lost") {
            break;
        }
        assert!(start.elapsed() < PATIENCE, "{text}");
        thread::sleep(LOOK * 10);
    }
    scene.expect_life(node);
}

#[test]
fn a_start_that_fails_ends_with_its_code_although_nobody_can_be_told() {
    let files = Files::new(SERVER, &[("example.com.toml", "[names.www]\npools = [\"web\"]\n")]);
    let config = files.path("truenorth.toml");
    for words in ["serve", "check"] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_truenorth"));
        let status = command.arg(words).arg("--config").arg(&config).stderr(full).status().unwrap();
        assert_eq!(status.code(), Some(1), "{words}");
    }
}

#[test]
fn lines_are_json_objects_where_that_is_asked_for() {
    let scene = Scene::new(90);
    scene.files.write("truenorth.toml", format!("{SERVER}[log]\nformat = \"json\"\nfilter = \"info,hyper=off\"\n"));
    let mut node = scene.files.start_under("RUST_LOG", "");
    let line = node.log.wait_for("\"answering\"");
    let fields: serde_json::Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in {line}"));
    assert_eq!((&fields["level"], &fields["message"]), (&"INFO".into(), &"answering".into()));
    assert!(fields["timestamp"].as_str().is_some_and(|time| time.ends_with('Z')), "{line}");
    assert_eq!(fields["zones"], 1);
}

#[test]
fn a_filter_that_would_select_nothing_is_a_fault() {
    let files = Files::new(&format!("{SERVER}[log]\nfilter = \"inof\"\nformat = \"xml\"\n"), &[]);
    let ran = files.run("check");
    assert_eq!(ran.code, Some(1));
    for told in [
        "`filter` selects no events: `inof` is neither a level nor TARGET=LEVEL; did you mean `info`?",
        "`format` takes",
    ] {
        assert!(ran.stderr.contains(told) || ran.stdout.contains(told), "{told} in {ran:?}");
    }
    let files = Files::new(SERVER, &[]);
    let mut node = files.start_under("RUST_LOG", "truenorth=verbose");
    node.log.wait_for("RUST_LOG: `truenorth=verbose` is neither a level nor TARGET=LEVEL");
    assert_eq!(node.wait().code(), Some(1));
}

/// Broken files whose faults together are longer than what may wait for the log.
const MANY_BROKEN: usize = 700;

#[test]
fn a_start_that_fails_tells_every_fault_however_many_there_are() {
    let files = Files::new(SERVER, &[]);
    let faults: Vec<String> = (0..MAX_TOLD).map(|number| format!("[records.w{number}]\nA = [\"192.0.2\"]\n")).collect();
    for number in 0..MANY_BROKEN {
        files.write(
            &format!("zones/zone{number}.example.toml"),
            format!("[nameservers]\nns1 = []\n{}", faults.concat()),
        );
    }
    let output = files.path("log");
    let status = Command::new(env!("CARGO_BIN_EXE_truenorth"))
        .args(["serve", "--config"])
        .arg(files.path("truenorth.toml"))
        .stderr(File::create(&output).unwrap())
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(1));
    let told = fs::read_to_string(output).unwrap();
    assert!(told.len() > 4 << 20, "{} octets", told.len());
    assert_eq!(told.matches("no A data").count(), MANY_BROKEN * MAX_TOLD);
}
