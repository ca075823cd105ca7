//! State that a replacement takes over.

use std::thread;
use std::time::{Duration, Instant};

use crate::SERVER;
use crate::endpoint::{Endpoint, Script};
use crate::harness::{Files, PATIENCE, probed_zone};

fn endpoint(address: &str) -> Endpoint {
    Endpoint::start(format!("{address}:0").parse().unwrap(), Script::status(200))
}

#[test]
fn an_order_right_before_a_replacement_holds_after_it() {
    let (fra, iad) = (endpoint("127.23.0.1"), endpoint("127.23.0.2"));
    let files = Files::new(SERVER, &[("example.com.toml", &probed_zone(fra.address(), iad.address(), ""))]);
    let mut node = files.serve();
    assert_eq!(node.dig("www.example.com").data(), ["127.23.0.1"]);
    assert_eq!(files.run("txt set _acme-challenge.example.com token").code, Some(0));
    let serial = node.dig("example.com SOA").data()[0].to_owned();
    assert_eq!(files.run("drain dc:fra --reason upgrade").code, Some(0));
    let mut new = files.replace();
    node.log.wait_for("replaced: this process serves its open connections, and ends");
    assert_eq!(new.dig("www.example.com").data(), ["127.23.0.2"]);
    assert_eq!(new.dig("_acme-challenge.example.com TXT").data(), ["\"token\""]);
    assert_eq!(new.dig("example.com SOA").data(), [serial]);
    let overrides = files.run("overrides");
    assert!(overrides.stdout.contains("dc:fra") && overrides.stdout.contains("upgrade"), "{overrides:?}");
    let taken_over = "kept state taken over endpoints=2 overrides=1 rollouts=0 txt=1";
    assert!(new.log.lines().iter().any(|line| line.contains(taken_over)), "{:?}", new.log.lines());
    // Orders after that are kept for the next process.
    assert_eq!(files.run("lift dc:fra").code, Some(0));
    let third = files.replace();
    new.log.wait_for("replaced: this process serves its open connections, and ends");
    assert_eq!(third.dig("www.example.com").data(), ["127.23.0.1"]);
}

#[test]
fn an_endpoint_that_is_down_stays_down_and_is_not_probed_first() {
    let (mut fra, iad) = (endpoint("127.23.1.1"), endpoint("127.23.1.2"));
    let files = Files::new(SERVER, &[("example.com.toml", &probed_zone(fra.address(), iad.address(), ""))]);
    let mut node = files.serve();
    fra.stop_listening();
    node.log.wait_for("endpoint is down");
    // The state need not be on disk yet. The probe hangs, so that no outcome changes the state before the first
    // answers.
    fra.listen_again();
    for endpoint in [&fra, &iad] {
        endpoint.play(Script::hang());
    }
    let load = crate::harness::Load::start(node.address(), "www.example.com.");
    let _new = files.replace();
    node.log.wait_for("replaced: this process serves its open connections, and ends");
    thread::sleep(Duration::from_millis(100));
    let tally = load.stop();
    assert_eq!(tally.lost, 0, "{tally:?}");
    assert_eq!(tally.answers.keys().cloned().collect::<Vec<_>>().last(), Some(&vec![iad.address().ip()]), "{tally:?}");
}

#[test]
fn state_goes_over_without_a_disk() {
    let files = Files::new(
        "state = \"state\"\n[listen]\ndns = [\"127.0.0.1:0\"]\n[admin]\nsocket = \"admin.sock\"\n",
        &[("example.com.toml", &crate::zone(1))],
    );
    let mut node = files.serve();
    // No state file can be written any more.
    std::fs::create_dir(files.path("state/state.redb.new")).unwrap();
    std::fs::remove_file(files.path("state/state.redb")).unwrap();
    assert_eq!(files.run("txt set a.example.com kept").code, Some(0));
    let new = files.replace();
    node.log.wait_for("replaced: this process serves its open connections, and ends");
    assert_eq!(new.dig("a.example.com TXT").data(), ["\"kept\""]);
}

/// The socket that the new process asks at, and the one that it inherits, are those that were made again.
#[test]
fn sockets_whose_files_were_removed_go_over_once_they_are_made_again() {
    let files = crate::files(1);
    let mut node = files.serve();
    let wait_for_socket = || {
        let deadline = Instant::now() + PATIENCE;
        while !files.path("state/handover.sock").exists() {
            assert!(Instant::now() < deadline, "the socket is not made");
            thread::sleep(Duration::from_millis(10));
        }
    };
    // It is made last at the start.
    wait_for_socket();
    std::fs::remove_file(files.path("admin.sock")).unwrap();
    std::fs::remove_dir_all(files.path("state")).unwrap();
    node.log.wait_for("the admin server's socket was moved or removed: it is created again");
    // The folder comes back with the next change of the state, which may be an event.
    loop {
        assert_eq!(files.run("txt set a.example.com kept").code, Some(0));
        if files.path("state").is_dir() {
            break;
        }
    }
    // It may have come with an event, before the other socket.
    wait_for_socket();
    let new = files.replace();
    node.log.wait_for("replaced: this process serves its open connections, and ends");
    assert_eq!(node.wait().code(), Some(0));
    assert_eq!(new.dig("a.example.com TXT").data(), ["\"kept\""]);
    assert_eq!(files.run("status").code, Some(0));
    new.terminate();
    assert!(!files.path("admin.sock").exists());
}
