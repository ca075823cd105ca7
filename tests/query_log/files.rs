//! Files: their bounds, who else handles them, and a disk that fails.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::process::Command;

use hickory_proto::rr::RecordType;

use crate::harness::{Node, cannot};
use crate::{FAILING, WRITTEN, configuration, lines, metric, server, status, told, wait_for_lines, wait_until};

/// Asks so many times.
fn ask(node: &Node, count: usize) {
    let mut asker = node.asker();
    for _ in 0..count {
        asker.ask("www.example.com.", RecordType::A, None);
    }
}

#[test]
fn a_full_file_is_put_aside_and_the_oldest_is_removed() {
    const QUERIES: usize = 6000;
    let files = configuration("sink = \"queries.json\"\nformat = \"json\"\nsize_mib = 1\nversions = 1");
    let node = files.serve();
    for done in 1..=6 {
        ask(&node, QUERIES / 6);
        let written = (QUERIES / 6 * done) as u64;
        wait_until("all are written", || {
            metric(&node, "truenorth_query_log_entries_total{result=\"written\"}") == written
        });
    }
    let path = |suffix: &str| files.path(&format!("queries.json{suffix}"));
    let kept = [path(""), path(".1")].map(|path| lines(&path).len());
    assert!(kept[1] > 1000 && kept[0] + kept[1] < QUERIES, "{kept:?}");
    let size = fs::metadata(path(".1")).unwrap().len();
    assert!((1 << 20..2 << 20).contains(&size), "{size}");
    assert!(!path(".2").exists());
    assert_eq!(metric(&node, "truenorth_query_log_entries_total{result=\"lost\"}"), 0);
}

#[test]
fn a_file_that_logrotate_renamed_is_made_again() {
    let files = configuration("sink = \"queries.json\"\nformat = \"json\"");
    let node = files.serve();
    ask(&node, 1);
    wait_for_lines(&files.path("queries.json"), 1);
    fs::rename(files.path("queries.json"), files.path("moved")).unwrap();
    let mut asked = 1;
    wait_until("the file is there again", || {
        ask(&node, 1);
        asked += 1;
        files.path("queries.json").exists()
    });
    wait_until("no entry is lost", || {
        lines(&files.path("moved")).len() + lines(&files.path("queries.json")).len() == asked
    });
}

#[test]
fn a_line_that_a_kill_tore_is_ended_and_another_format_is_put_aside() {
    let files = configuration("sink = \"queries\"\nformat = \"json\"");
    let mut node = files.serve();
    ask(&node, 1);
    wait_for_lines(&files.path("queries"), 1);
    node.signal("KILL");
    node.wait();
    OpenOptions::new().append(true).open(files.path("queries")).unwrap().write_all(b"{\"time\":\"20").unwrap();
    let node = files.serve();
    ask(&node, 1);
    let text = || fs::read_to_string(files.path("queries")).unwrap();
    wait_until("the new line", || text().lines().count() == 3 && text().ends_with('\n'));
    assert_eq!(text().lines().nth(1), Some("{\"time\":\"20"));
    assert_eq!(node.terminate().code(), Some(0));
    files.write("truenorth.toml", server("sink = \"queries\""));
    let node = files.serve();
    ask(&node, 1);
    wait_until("both messages", || crate::read_dnstap(&files.path("queries")).len() == 2);
    assert_eq!(fs::read_to_string(files.path("queries.1")).unwrap().lines().count(), 3);
    assert_eq!(node.terminate().code(), Some(0));
    // A stream has one end, so each start begins another file.
    let node = files.serve();
    ask(&node, 2);
    wait_until("the other messages", || crate::read_dnstap(&files.path("queries")).len() == 4);
    assert_eq!(crate::read_dnstap(&files.path("queries.1")).len(), 2);
}

#[test]
fn a_second_node_does_not_write_the_same_file() {
    let files = configuration("sink = \"queries.json\"\nformat = \"json\"");
    let first = files.serve();
    let path = files.path("queries.json");
    let other = configuration(&format!("sink = {path:?}\nformat = \"json\""));
    let mut second = other.serve();
    told(&mut second, FAILING, 1);
    ask(&second, 3);
    ask(&first, 2);
    wait_for_lines(&path, 2);
    assert_eq!(status(&second)["up"], false);
    drop(first);
    told(&mut second, WRITTEN, 1);
    wait_for_lines(&path, 5);
}

#[test]
fn a_full_disk_costs_no_answer_and_what_waited_is_written_whole_when_there_is_room() {
    let works = Command::new("unshare").args(["--map-root-user", "--mount", "true"]).status();
    if !works.is_ok_and(|status| status.success()) {
        return cannot("it has no mount namespaces");
    }
    let files = configuration("sink = \"small/queries.json\"\nformat = \"json\"");
    fs::create_dir(files.path("small")).unwrap();
    let mounts = "mount -t tmpfs -o size=1m tmpfs small && head -c 1036000 /dev/zero > small/ballast";
    let mut node = files.serve_with_mounts(mounts);
    ask(&node, 100);
    told(&mut node, FAILING, 1);
    ask(&node, 100);
    assert_eq!(metric(&node, "truenorth_query_log_up"), 0);
    fs::remove_file(node.its_path(&files.path("small/ballast"))).unwrap();
    told(&mut node, WRITTEN, 2);
    let log = node.its_path(&files.path("small/queries.json"));
    let written = metric(&node, "truenorth_query_log_entries_total{result=\"written\"}");
    assert!(written > 0);
    wait_until("whole lines", || lines(&log).len() as u64 >= written);
}

#[test]
fn check_tells_paths_that_cannot_hold_the_log() {
    let files = configuration("");
    fs::create_dir(files.path("folder")).unwrap();
    assert!(Command::new("mkfifo").arg(files.path("pipe")).status().unwrap().success());
    for (sink, told) in [
        ("nowhere/queries.json", "there is no folder"),
        ("folder", "it is not a regular file"),
        ("pipe", "it is not a regular file"),
        ("truenorth.toml", "which the node reads"),
        ("zones/example.com.toml", "which holds other files"),
        ("state/queries.json", "which holds other files"),
        ("unix:admin.sock", "the query log and the admin server both need"),
        ("tcp:localhost:6000", "`sink` takes a path"),
        ("tcp:127.0.0.1:0", "`sink` takes a path"),
    ] {
        files.write("truenorth.toml", server(&format!("sink = \"{sink}\"")));
        let ran = files.run("check");
        assert_eq!(ran.code, Some(1), "{sink}: {ran:?}");
        assert!(ran.stderr.contains(told) || ran.stdout.contains(told), "{sink}: {ran:?}");
    }
}

#[test]
fn the_sandbox_leaves_the_folder_of_the_log_writable() {
    let files = configuration("sink = \"log/queries.json\"\nformat = \"json\"\nversions = 1\nsize_mib = 1");
    fs::create_dir(files.path("log")).unwrap();
    let server = fs::read_to_string(files.path("truenorth.toml")).unwrap();
    files.write("truenorth.toml", format!("{server}[process]\nsandbox = true\n"));
    let node = files.serve();
    // Enough for one file to be put aside.
    let start = std::time::Instant::now();
    while !files.path("log/queries.json.1").exists() {
        assert!(start.elapsed() < crate::PATIENCE, "nothing was put aside");
        ask(&node, 500);
    }
}
