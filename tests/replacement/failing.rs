//! Replacements that fail: the running process continues as before.

use std::thread;
use std::time::Duration;

use crate::load::Load;
use crate::{files, zone};

/// Duration of a load around an event.
const WHILE: Duration = Duration::from_millis(200);

#[test]
fn broken_files_replace_nothing() {
    let files = files(1);
    let node = files.serve();
    let load = Load::start(node.address(), "www.example.com.");
    files.write("zones/example.com.toml", zone(1).replace("192.0.2.1", "192.0.2"));
    let ran = files.run("serve --replace");
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("zones/example.com.toml:4:"), "{ran:?}");
    thread::sleep(WHILE);
    load.stop().assert_lossless([1]);
    assert_eq!(node.terminate().code(), Some(0));
}

#[test]
fn a_replacement_that_is_killed_at_any_point_leaves_the_old_process_as_it_was() {
    let files = files(1);
    let mut node = files.serve();
    for (point, host) in [("checked", 2), ("prepared", 3), ("taken", 4), ("answering", 5)] {
        let load = Load::start(node.address(), "www.example.com.");
        let mut new = files.replace_under("TRUENORTH_HOLD", point);
        new.log.wait_for(&format!("holding: {point}"));
        thread::sleep(WHILE);
        // SIGKILL.
        drop(new);
        if point != "checked" {
            node.log.wait_for("this process was not replaced, and goes on");
        }
        thread::sleep(WHILE);
        let tally = load.stop();
        if point == "answering" {
            // The killed process answered queries too. Only the queries that it had read and not answered are lost.
            assert!(tally.other.is_empty() && tally.lost <= 64, "{tally:?}");
        } else {
            tally.assert_lossless([host - 1]);
        }
        // Reloads and orders go on, and are kept.
        files.write("zones/example.com.toml", zone(host));
        let ran = files.run("reload");
        assert_eq!(ran.code, Some(0), "{point}: {ran:?}");
        assert_eq!(node.dig("www.example.com").data(), [format!("192.0.2.{host}")], "{point}");
        let ran = files.run(&format!("txt set {point}.example.com kept"));
        assert_eq!(ran.code, Some(0), "{point}: {ran:?}");
    }
    let new = files.replace();
    node.log.wait_for("replaced: this process serves its open connections, and ends");
    assert_eq!(new.dig("www.example.com").data(), ["192.0.2.5"]);
    for point in ["checked", "prepared", "taken", "answering"] {
        assert_eq!(new.dig(&format!("{point}.example.com TXT")).data(), ["\"kept\""]);
    }
}

#[test]
fn a_replacement_that_hangs_is_given_up_and_ends() {
    let files = files(1);
    let mut node = files.serve();
    let mut new = files.replace_under("TRUENORTH_HOLD", "taken");
    new.log.wait_for("holding: taken");
    // An order that comes meanwhile waits, and is executed.
    let ran = files.run("txt set late.example.com waited");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    node.log.wait_for("the other process did not answer in time");
    assert_eq!(node.dig("late.example.com TXT").data(), ["\"waited\""]);
    assert!(new.is_running());
}

#[test]
fn one_process_at_a_time_replaces_another() {
    let files = files(1);
    let mut node = files.serve();
    let mut first = files.replace_under("TRUENORTH_HOLD", "checked");
    first.log.wait_for("holding: checked");
    let second = files.run("serve --replace");
    assert_eq!(second.code, Some(1), "{second:?}");
    assert!(second.stderr.contains("another process is already replacing the running one"), "{second:?}");
    drop(first);
    let _third = files.replace();
    node.log.wait_for("replaced: this process serves its open connections, and ends");
}

#[test]
fn without_a_running_process_it_starts_as_usual() {
    let files = files(1);
    let node = files.replace();
    assert_eq!(node.dig("www.example.com").data(), ["192.0.2.1"]);
    // SIGKILL: the socket of the dead process is still there.
    drop(node);
    assert!(files.path("state/handover.sock").exists());
    let mut node = files.replace();
    assert!(node.log.lines().iter().any(|line| line.contains("there is no running process to replace")));
    assert_eq!(node.terminate().code(), Some(0));
    assert!(!files.path("state/handover.sock").exists());
}

#[test]
fn addresses_come_and_go_with_a_replacement() {
    let files = crate::harness::Files::new(
        "[listen]\ndns = [\"127.0.0.1:0\", \"127.0.0.2:0\"]\n",
        &[("example.com.toml", &zone(1))],
    );
    let mut node = files.serve();
    files.write("truenorth.toml", "[listen]\ndns = [\"127.0.0.1:0\", \"127.0.0.3:0\"]\n");
    let load = Load::start(node.address(), "www.example.com.");
    let new = files.replace();
    node.log.wait_for("replaced: this process serves its open connections, and ends");
    assert_eq!(new.address(), node.address());
    thread::sleep(WHILE);
    load.stop().assert_lossless([1]);
    // Another process has the new address, so the old process continues.
    let taken = std::net::UdpSocket::bind("127.0.0.4:0").unwrap().local_addr().unwrap();
    let holder = std::net::UdpSocket::bind(taken).unwrap();
    files.write("truenorth.toml", format!("[listen]\ndns = [\"127.0.0.1:0\", \"{taken}\"]\n"));
    let ran = files.run("serve --replace");
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("another process listens there"), "{ran:?}");
    assert_eq!(new.dig("www.example.com").data(), ["192.0.2.1"]);
    drop(holder);
}
