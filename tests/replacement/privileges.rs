//! The privileges that a process of root gives up.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use crate::harness::{Files, Node, cannot};
use crate::{Started, zone};

/// The line of a process's status with this name.
fn status(pid: u32, name: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {name} in {status}")).trim().to_owned()
}

/// Starts a node in a network namespace of its own, where every port is free.
fn serve(files: &Files) -> Node {
    let mut command = Command::new("unshare");
    let script = "ip link set lo up && exec \"$0\" serve --config \"$1\"";
    command.args(["--net", "sh", "-c", script, env!("CARGO_BIN_EXE_truenorth")]).arg(files.path("truenorth.toml"));
    command.env("RUST_LOG", "info").stdin(Stdio::null());
    Node::start_unheard(command)
}

/// Runs a command in the network namespace of a node, and returns what it prints.
fn within(node: &Node, words: &str) -> String {
    let pid = node.pid().to_string();
    let ran = Command::new("nsenter").args(["--target", &pid, "--net", "sh", "-c", words]).output().unwrap();
    String::from_utf8_lossy(&ran.stdout).trim().to_owned()
}

#[test]
fn root_binds_port_53_becomes_another_user_and_keeps_no_capability() {
    let able = Command::new("unshare").args(["--net", "ip", "link", "set", "lo", "up"]).status();
    if !able.is_ok_and(|status| status.success()) {
        return cannot("make network namespaces");
    }
    let server = "[listen]\ndns = [\"127.0.0.1:53\"]\n[admin]\nsocket = \"state/admin.sock\"\n\
                  [process]\nuser = \"nobody\"\nsandbox = true\n";
    let files = Files::new(server, &[("example.com.toml", &zone(1))]);
    fs::set_permissions(files.path("."), Permissions::from_mode(0o755)).unwrap();
    let mut node = serve(&files);
    node.log.wait_for("answering addresses=[127.0.0.1:53]");
    let privileges = node.log.lines().iter().find(|line| line.contains("INFO privileges")).cloned();
    assert!(privileges.as_ref().is_some_and(|line| line.contains("sandbox=\"no new privileges")), "{privileges:?}");
    assert_eq!(within(&node, "dig @127.0.0.1 +short www.example.com"), "192.0.2.1");
    let own = status(std::process::id(), "Uid");
    for thread in fs::read_dir(format!("/proc/{}/task", node.pid())).unwrap() {
        let thread: u32 = thread.unwrap().file_name().to_str().unwrap().parse().unwrap();
        assert_ne!(status(thread, "Uid"), own);
        for set in ["CapEff", "CapPrm", "CapInh", "CapAmb"] {
            let held = u64::from_str_radix(&status(thread, set), 16).unwrap();
            // If the system allows no group to ping, the process keeps CAP_NET_RAW for icmp monitors.
            assert_eq!(held & !(1 << 13), 0, "{set} of thread {thread}");
        }
        assert_eq!(status(thread, "NoNewPrivs"), "1");
    }
    // Reloads, orders and state go on.
    files.write("zones/example.com.toml", zone(2));
    node.signal("HUP");
    node.log.wait_for("configuration reloaded");
    assert_eq!(files.run("txt set a.example.com kept").code, Some(0));
    assert!(files.path("state/state.redb").exists());
    // The program replaces itself: the new process gets the port, although it could not bind it.
    node.signal("USR2");
    node.log.wait_for("replaced: this process serves its open connections, and ends");
    assert_eq!(node.wait().code(), Some(0));
    let new = Started::holding(&files);
    let answer = Command::new("nsenter")
        .args(["--target", &new.0, "--net", "dig", "@127.0.0.1", "+short", "a.example.com", "TXT"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&answer.stdout).trim(), "\"kept\"");
}

#[test]
fn a_user_that_does_not_exist_is_a_reason_not_to_start() {
    let server = "[listen]\ndns = [\"127.0.0.1:0\"]\n[process]\nuser = \"nobody-of-this-name\"\n";
    let ran = Files::new(server, &[("example.com.toml", &zone(1))]).run("serve");
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("cannot become the user `nobody-of-this-name`"), "{ran:?}");
}
