//! The query log of the real binary: what it holds, and that nothing that happens to its sink holds up an answer.
//!
//! dnstap is read by others: `dnstap-read` of Debian's bind9-dnsutils, and `fstrm_capture` of fstrm-bin.

#[path = "../harness/mod.rs"]
mod harness;

mod collectors;
mod contents;
mod files;
mod handing_over;

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use harness::{Files, Node};
use serde_json::Value;

/// Allowance for a machine that is busy with other tests.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Pause between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// Two datacenters; `www` goes to `fra` for 203.0.113.0/24, and to `iad` for others.
pub(crate) const ZONE: &str = r#"
[nameservers]
ns1 = ["192.0.2.53"]
[datacenters]
fra = { latitude = 50.11, longitude = 8.68 }
iad = { latitude = 38.95, longitude = -77.45 }
[regions.europe]
clients = ["203.0.113.0/24"]
prefer = ["fra", "iad"]
[regions.default]
prefer = ["iad", "fra"]
[pools.web]
endpoints.fra = ["198.51.100.10"]
endpoints.iad = ["192.0.2.10", "192.0.2.11"]
[names.www]
pools = ["web"]
steer = ["region"]
"#;

/// A configuration with a query log, whose section has these lines.
pub(crate) fn configuration(log: &str) -> Files {
    Files::new(
        &server(log),
        &[("example.com.toml", ZONE), ("example.net.toml", "[nameservers]\nns1 = [\"192.0.2.53\"]\n")],
    )
}

/// The server file of that configuration.
pub(crate) fn server(log: &str) -> String {
    let section = if log.is_empty() { String::new() } else { format!("[query_log]\n{log}\n") };
    format!("[listen]\ndns = [\"127.0.0.1:0\"]\n[admin]\nsocket = \"admin.sock\"\nlisten = \"127.0.0.1:0\"\n{section}")
}

/// The entries of JSON lines; a line that is not JSON fails the test.
pub(crate) fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let is_whole = text.is_empty() || text.ends_with('\n');
    let whole = text.lines().take(text.lines().count() - usize::from(!is_whole));
    whole.map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// Waits until this is true.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        thread::sleep(LOOK);
    }
}

/// Waits until a file has so many lines, and returns them.
#[track_caller]
pub(crate) fn wait_for_lines(path: &Path, count: usize) -> Vec<Value> {
    wait_until("the lines of the log", || lines(path).len() >= count);
    let lines = lines(path);
    assert_eq!(lines.len(), count, "{lines:#?}");
    lines
}

/// Lines of `dnstap-read`, one for each message: `AQ 127.0.0.1:40000 -> 127.0.0.1:53 UDP 56b www.example.com/IN/A`.
pub(crate) fn read_dnstap(path: &Path) -> Vec<String> {
    let output = Command::new("dnstap-read").arg(path).output().expect("apt-get install bind9-dnsutils");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    // The first two words are date and time.
    text.lines().filter_map(|line| Some(line.splitn(3, ' ').nth(2)?.to_owned())).collect()
}

/// Waits until the node's log has said this so many times.
#[track_caller]
pub(crate) fn told(node: &mut Node, words: &str, times: usize) {
    let told = |node: &mut Node| node.log.lines().iter().filter(|line| line.contains(words)).count();
    wait_until(words, || told(node) >= times);
    assert_eq!(told(node), times, "{words}");
}

/// Parts of the lines that a node logs when its sink takes entries, and when it does not.
pub(crate) const WRITTEN: &str = "the query log is written sink=";
pub(crate) const FAILING: &str = "the query log cannot be written; answers go on";

/// The number in a metric of the node.
pub(crate) fn metric(node: &Node, sample: &str) -> u64 {
    metric_at(node.admin(), sample)
}

/// The same, by the address of its admin server.
pub(crate) fn metric_at(admin: SocketAddr, sample: &str) -> u64 {
    let text = get(admin, "/metrics");
    let number = text.lines().find_map(|line| line.strip_prefix(sample)?.trim().parse().ok());
    number.unwrap_or_else(|| panic!("{sample}: {text}"))
}

/// `query_log` of the status of the node.
pub(crate) fn status(node: &Node) -> Value {
    let status: Value = serde_json::from_str(&get(node.admin(), "/v1/status")).expect("the status is JSON");
    status["query_log"].clone()
}

/// The body of a resource of an admin server.
pub(crate) fn get(admin: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(admin).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\r\n").as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text.split_once("\r\n\r\n").expect("a head and a body").1.to_owned()
}
