//! Files that change or vanish, and files that give no data or endless data.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::{Files, Node, SERVER, cannot};

const ADMIN: &str = "[admin]\nlisten = \"127.0.0.1:0\"\n";

/// Longer than the quiet time before a reload, plus the first check.
const LONG_QUIET: Duration = Duration::from_secs(3);

/// Maximum time of a stop: two seconds are promised, and the machine may be busy.
const LONGEST_END: Duration = Duration::from_secs(10);

fn zone(address: &str) -> String {
    format!("[nameservers]\nns1 = [\"127.0.0.1\"]\n[records.www]\nA = [\"{address}\"]\n")
}

fn master(addresses: &[&str]) -> String {
    let records: Vec<_> = addresses.iter().zip(1..).map(|(address, n)| format!("w{n} IN A {address}\n")).collect();
    let records = records.concat();
    format!("$TTL 300\n@ IN SOA ns1 hostmaster 1 2 3 4 5\n@ IN NS ns1\nns1 IN A 127.0.0.1\n{records}")
}

/// Returns the number of reloads that were taken until now.
fn reloads(node: &mut Node) -> usize {
    node.log.lines().iter().filter(|line| line.contains("configuration reloaded")).count()
}

fn make_fifo(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status().expect("coreutils are there");
    assert!(made.success());
}

#[test]
fn a_pipe_among_the_files_is_refused_by_name_and_waited_for_by_nobody() {
    let server = format!(
        "{SERVER}tls = [\"127.0.0.1:0\"]\ncertificate = \"cert.pem\"\nkey = \"key.pem\"\n[geoip]\n\
         databases = [\"country.mmdb\"]\n[admin]\nlisten = \"127.0.0.1:0\"\ntoken_file = \"token\"\n"
    );
    let files = Files::new(&server, &[("example.net.zone", "$INCLUDE parts\n")]);
    for name in ["cert.pem", "key.pem", "country.mmdb", "token", "zones/parts", "zones/example.com.toml"] {
        make_fifo(&files.path(name));
    }
    let start = Instant::now();
    let ran = files.run("check");
    assert_eq!(ran.code, Some(1), "{ran:?}");
    for name in ["cert.pem", "key.pem", "token", "zones/example.com.toml"] {
        let message = format!("cannot read {}: it is a named pipe, not a regular file", files.path(name).display());
        assert!(ran.stderr.contains(&message), "{message}\n{}", ran.stderr);
    }
    assert!(ran.stderr.contains("parts is not a file"), "{}", ran.stderr);
    assert_eq!(files.run("serve").code, Some(1));

    // Databases are read when nothing else is wrong. Links to pipes, devices and folders are no better.
    let files =
        Files::new(&format!("{SERVER}[geoip]\ndatabases = [\"db\"]\n"), &[("example.com.toml", &zone("192.0.2.1"))]);
    make_fifo(&files.path("pipe"));
    for (target, what) in [("pipe", "a named pipe"), ("/dev/zero", "a device"), ("zones", "a folder")] {
        symlink(target, files.path("db.new")).unwrap();
        fs::rename(files.path("db.new"), files.path("db")).unwrap();
        let ran = files.run("check");
        let message = format!("db: cannot be read: it is {what}, not a regular file");
        assert!(ran.code == Some(1) && ran.stderr.contains(&message), "{target}: {ran:?}");
    }
    assert!(start.elapsed() < Duration::from_secs(60), "nothing waits: {:?}", start.elapsed());
}

#[test]
fn a_pipe_that_comes_with_a_reload_changes_nothing() {
    let files = Files::new(SERVER, &[("example.com.toml", &zone("192.0.2.1"))]);
    let mut node = files.serve();
    make_fifo(&files.path("zones/example.org.toml"));
    node.log.wait_for("example.org.toml: it is a named pipe, not a regular file");
    node.log.wait_for("the old one stays in use");
    assert_eq!(node.dig("www.example.com").data(), ["192.0.2.1"]);
    fs::remove_file(files.path("zones/example.org.toml")).unwrap();
    node.log.wait_for("configuration reloaded");
    assert_eq!(node.terminate().code(), Some(0));
}

/// Mounts a file system there that never responds, because this process holds its descriptor. `None` without FUSE.
fn mount_hung(folder: &str) -> Option<String> {
    if !Path::new("/dev/fuse").exists() {
        cannot("without /dev/fuse no file system hangs");
        return None;
    }
    Some(format!(
        "mkdir -p {folder} && exec 3<>/dev/fuse && mount -i -t fuse -o fd=3,rootmode=40000,user_id=0,group_id=0 none {folder}"
    ))
}

#[test]
fn a_file_system_that_hangs_is_told_and_stops_nothing() {
    let Some(mount) = mount_hung("hung") else { return };
    let server = format!("zones = \"here\"\n{SERVER}{ADMIN}");
    let files = Files::new(&server, &[("example.com.toml", &zone("192.0.2.1"))]);
    symlink("zones", files.path("here")).unwrap();
    let mut node = files.serve_with_mounts(&mount);
    symlink("hung", files.path("here.new")).unwrap();
    fs::rename(files.path("here.new"), files.path("here")).unwrap();
    node.signal("HUP");
    let line = node.log.wait_for("ERROR");
    assert!(line.contains("here: no data came for 10 s: its file system may hang"), "{line}");
    node.log.wait_for("the old one stays in use");
    assert_eq!(node.dig("www.example.com").data(), ["192.0.2.1"]);
    // The node is in the middle of another attempt.
    node.signal("HUP");
    thread::sleep(Duration::from_millis(500));
    let start = Instant::now();
    assert_eq!(node.terminate().code(), Some(0));
    assert!(start.elapsed() < LONGEST_END, "{:?}", start.elapsed());
}

#[test]
fn a_state_folder_that_hangs_keeps_the_node_from_nothing_but_its_state() {
    let Some(mount) = mount_hung("hung") else { return };
    let server = format!("state = \"hung/state\"\n{SERVER}");
    let files = Files::new(&server, &[("example.com.toml", &zone("192.0.2.1"))]);
    let mut node = files.start_with_mounts(&mount);
    let line = node.log.wait_for("state is not kept");
    assert!(line.contains("hung/state") && line.contains("its file system may hang"), "{line}");
    node.wait_for_answers();
    assert_eq!(node.dig("www.example.com").data(), ["192.0.2.1"]);
    node.signal("HUP");
    node.log.wait_for("configuration reloaded");
    node.signal("TERM");
    let start = Instant::now();
    assert_eq!(node.wait().code(), Some(0));
    assert!(start.elapsed() < LONGEST_END, "{:?}", start.elapsed());
}

#[test]
fn a_start_that_waits_for_a_file_system_ends_when_it_is_told_to() {
    let Some(mount) = mount_hung("hung") else { return };
    let files = Files::new(&format!("zones = \"hung\"\n{SERVER}"), &[]);
    let mut node = files.start_with_mounts(&mount);
    thread::sleep(Duration::from_secs(2));
    node.signal("TERM");
    let start = Instant::now();
    assert_eq!(node.wait().code(), Some(0));
    assert!(start.elapsed() < LONGEST_END, "{:?}", start.elapsed());
    // Without further changes it reports the fault, and ends.
    let mut node = files.start_with_mounts(&mount);
    node.log.wait_for("its file system may hang");
    assert_eq!(node.wait().code(), Some(1));
}

#[test]
fn a_release_that_a_link_leads_to_is_taken_when_the_link_is_turned() {
    let files = Files::new(&format!("zones = \"current/zones\"\n{SERVER}"), &[]);
    for (release, address) in [("one", "192.0.2.1"), ("two", "192.0.2.2")] {
        fs::create_dir_all(files.path(release).join("zones/parts")).unwrap();
        let included = master(&[address]) + "$INCLUDE parts/more\n";
        fs::write(files.path(release).join("zones/example.com.zone"), included).unwrap();
        fs::write(files.path(release).join("zones/parts/more"), "more IN A 192.0.2.3\n").unwrap();
    }
    symlink("one", files.path("current")).unwrap();
    let mut node = files.serve();
    assert_eq!(node.dig("w1.example.com").data(), ["192.0.2.1"]);
    symlink("two", files.path("new")).unwrap();
    fs::rename(files.path("new"), files.path("current")).unwrap();
    node.log.wait_for("configuration reloaded");
    node.comes_to_answer("w1.example.com", &["192.0.2.2"]);
    // A file that is included from a subfolder counts as well.
    fs::write(files.path("two/zones/parts/more"), "more IN A 192.0.2.4\n").unwrap();
    node.log.wait_for("configuration reloaded");
    node.comes_to_answer("more.example.com", &["192.0.2.4"]);
    // A folder that is replaced as a whole counts as well.
    fs::rename(files.path("two/zones"), files.path("two/before")).unwrap();
    fs::rename(files.path("one/zones"), files.path("two/zones")).unwrap();
    node.log.wait_for("configuration reloaded");
    node.comes_to_answer("w1.example.com", &["192.0.2.1"]);
}

#[test]
fn an_edit_is_read_once_whoever_asks_for_it() {
    let server = format!("{SERVER}{ADMIN}");
    let files = Files::new(&server, &[("example.com.toml", &zone("192.0.2.1"))]);
    let mut node = files.serve();
    node.log.wait_for("admin server listening");
    files.write("zones/example.com.toml", zone("192.0.2.2"));
    let ran = files.run(&format!("reload --node {}", node.admin()));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(node.dig("www.example.com").data(), ["192.0.2.2"]);
    // Files with other names start no reload.
    files.write("zones/example.com.tml", "");
    files.write("zones/.example.com.toml.swp", "");
    files.write("zones/README", "");
    thread::sleep(LONG_QUIET);
    assert_eq!(reloads(&mut node), 1, "{:?}", node.log.lines());
}

#[test]
fn a_file_that_grows_in_pieces_is_read_when_it_is_whole() {
    // The quiet time is much longer than the pause of a busy machine between two writes.
    let server = format!("{SERVER}[reload]\nquiet = \"5s\"\n");
    let files = Files::new(&server, &[("example.com.zone", &master(&["192.0.2.1"]))]);
    let mut node = files.serve();
    let path = files.path("zones/example.com.zone");
    // Each write opens and closes the file, as `echo ... >>` does.
    for number in 2..10 {
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        writeln!(file, "w{number} IN A 192.0.2.{number}").unwrap();
        drop(file);
        thread::sleep(Duration::from_millis(300));
        assert_eq!(reloads(&mut node), 0, "after {number}");
    }
    node.log.wait_for("configuration reloaded");
    node.comes_to_answer("w9.example.com", &["192.0.2.9"]);
}

#[test]
fn a_copy_that_pauses_for_longer_than_the_quiet_is_read_when_its_file_is_closed() {
    let files = Files::new(SERVER, &[("example.com.zone", &master(&["192.0.2.1"]))]);
    let mut node = files.serve();
    let path = files.path("zones/example.com.zone");
    let mut file = OpenOptions::new().append(true).open(&path).unwrap();
    for number in 10..13 {
        writeln!(file, "w{number} IN A 192.0.2.{number}").unwrap();
        thread::sleep(Duration::from_millis(1500));
        assert_eq!(reloads(&mut node), 0, "after {number}");
    }
    drop(file);
    node.log.wait_for("configuration reloaded");
    node.comes_to_answer("w12.example.com", &["192.0.2.12"]);
}

#[test]
fn watching_can_be_turned_off() {
    let server = format!("{SERVER}[reload]\nwatch = false\n");
    let files = Files::new(&server, &[("example.com.toml", &zone("192.0.2.1"))]);
    let mut node = files.serve();
    files.write("zones/example.com.toml", zone("192.0.2.2"));
    thread::sleep(LONG_QUIET);
    assert_eq!(reloads(&mut node), 0);
    assert_eq!(node.dig("www.example.com").data(), ["192.0.2.1"]);
    node.signal("HUP");
    node.log.wait_for("configuration reloaded");
    node.comes_to_answer("www.example.com", &["192.0.2.2"]);
}

#[test]
fn a_system_without_inotify_is_looked_at_instead() {
    let files = Files::new(SERVER, &[("example.com.toml", &zone("192.0.2.1"))]);
    let mut node = files.serve_with_mounts("echo 0 > /proc/sys/user/max_inotify_instances");
    assert!(node.log.lines().iter().any(|line| line.contains("inotify cannot be used")), "{:?}", node.log.lines());
    files.write("zones/example.com.toml", zone("192.0.2.2"));
    node.log.wait_for("configuration reloaded");
    node.comes_to_answer("www.example.com", &["192.0.2.2"]);
    // A copy that pauses for longer than two checks, and whose file is not seen to be open.
    let text = master(&["192.0.2.1", "192.0.2.2"]);
    let (one, two) = text.split_at(text.rfind("w2").expect("it is there"));
    let path = files.path("zones/example.org.zone");
    for part in [one, two] {
        OpenOptions::new().create(true).append(true).open(&path).unwrap().write_all(part.as_bytes()).unwrap();
        if part == one {
            thread::sleep(LONG_QUIET);
        }
    }
    node.log.wait_for("configuration reloaded");
    assert_eq!(reloads(&mut node), 2);
    node.comes_to_answer("w2.example.org", &["192.0.2.2"]);
}

#[test]
fn zones_that_are_lost_are_named_and_the_last_one_stays_unless_it_is_meant() {
    let server = format!("{SERVER}{ADMIN}");
    let files =
        Files::new(&server, &[("example.com.toml", &zone("192.0.2.1")), ("example.org.toml", &zone("192.0.2.2"))]);
    let mut node = files.serve();
    node.log.wait_for("admin server listening");
    fs::remove_file(files.path("zones/example.org.toml")).unwrap();
    node.log.wait_for(
        "WARN zones that are served now are missing in the new configuration, so queries for them would be refused: example.org.",
    );
    node.log.wait_for("configuration reloaded");
    node.comes_to_say("www.example.org", "REFUSED");
    // The folder looks as if it was not mounted.
    fs::remove_file(files.path("zones/example.com.toml")).unwrap();
    node.log.wait_for("ERROR no zone is left");
    node.log.wait_for("the old one stays in use");
    node.signal("HUP");
    node.log.wait_for("ERROR no zone is left");
    let reload = format!("reload --node {}", node.admin());
    let ran = files.run(&reload);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stdout.contains("example.com.") && ran.stdout.contains("--allow-empty"), "{ran:?}");
    assert_eq!(node.dig("www.example.com").data(), ["192.0.2.1"]);
    let ran = files.run(&format!("{reload} --allow-empty"));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(node.dig("www.example.com").status, "REFUSED");
    files.write("zones/example.com.toml", zone("192.0.2.1"));
    node.log.wait_for("configuration reloaded");
    node.log.wait_for("configuration reloaded");
    node.comes_to_answer("www.example.com", &["192.0.2.1"]);
}

#[test]
fn a_file_without_an_end_or_larger_than_memory_is_refused() {
    let files = Files::new(SERVER, &[("example.com.toml", &zone("192.0.2.1"))]);
    let mut node = files.serve();
    // The kernel says that this regular file is empty.
    symlink("/proc/self/pagemap", files.path("zones/example.org.toml")).unwrap();
    node.log.wait_for("example.org.toml: it grows without end while it is read");
    fs::remove_file(files.path("zones/example.org.toml")).unwrap();
    node.log.wait_for("configuration reloaded");
    // It takes no room on the disk.
    fs::File::create(files.path("zones/example.org.zone")).unwrap().set_len(1 << 40).unwrap();
    node.log.wait_for("example.org.zone: it is larger than 8 GiB");
    assert_eq!(node.dig("www.example.com").data(), ["192.0.2.1"]);
    assert_eq!(node.terminate().code(), Some(0));
}
