//! Start and stop: signals, and folders and ports that another process holds.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::thread;
use std::time::Duration;

use crate::harness::{Files, Load, SERVER};

const ZONE: &str = "[nameservers]\nns1 = [\"127.0.0.1\"]\n[records.www]\nA = [\"192.0.2.1\"]\n";

/// Duration of a load before an event.
const WHILE: Duration = Duration::from_millis(300);

#[test]
fn it_stops_under_load_when_it_is_asked_to() {
    for signal in ["TERM", "INT"] {
        let mut node = Files::new(SERVER, &[("example.com.toml", ZONE)]).serve();
        let load = Load::start(node.address(), "www.example.com.");
        thread::sleep(WHILE);
        node.signal(signal);
        node.log.wait_for("stopping");
        // A second signal at the wrong moment changes nothing.
        let status = node.terminate();
        let tally = load.stop();
        assert_eq!(status.code(), Some(0), "{signal}");
        assert_eq!(tally.answers.len(), 1, "{signal}: {tally:?}");
        assert!(tally.answered() > 10, "{signal}: {tally:?}");
    }
}

#[test]
fn a_state_folder_has_one_process() {
    let files = Files::new(SERVER, &[("example.com.toml", ZONE)]);
    let node = files.serve();
    let second = files.run("serve");
    assert_eq!(second.code, Some(1), "{second:?}");
    let told = second.stderr.lines().last().unwrap_or_default();
    assert!(told.contains("another truenorth uses this state folder"), "{second:?}");
    assert!(told.ends_with(&format!(": process {}", node.pid())), "{second:?}");
    assert!(told.contains(files.path("state").to_str().unwrap()), "{second:?}");
    assert_eq!(node.dig("www.example.com").data(), ["192.0.2.1"], "the first one goes on");
    // The kernel releases the lock when the process ends in any way.
    drop(node);
    assert_eq!(files.serve().terminate().code(), Some(0));
}

#[test]
fn a_port_that_is_taken_is_told() {
    let files = Files::new(SERVER, &[("example.com.toml", ZONE)]);
    let node = files.serve();
    let of_other_kind = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let taken = [node.address(), of_other_kind.local_addr().unwrap(), tcp.local_addr().unwrap()];
    for address in taken {
        let other = Files::new(&format!("[listen]\ndns = [\"{address}\"]\n"), &[("example.com.toml", ZONE)]);
        let ran = other.run("serve");
        assert_eq!(ran.code, Some(1), "{ran:?}");
        let told = ran.stderr.lines().last().unwrap_or_default();
        assert!(told.contains(&address.to_string()), "{ran:?}");
        assert!(told.contains("another process listens there"), "{ran:?}");
    }
    assert_eq!(node.dig("www.example.com").data(), ["192.0.2.1"], "the first one goes on");
}
