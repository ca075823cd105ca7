//! The Debian package under a systemd of its own: a whole Debian is booted in a container.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::debian::{copy_of_clean_root, package, succeeded};
use crate::harness::cannot;

/// Maximum time that something takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

const ZONE: &str = r#"
[soa]
serial = 1
[nameservers]
ns1 = ["192.0.2.53"]
[records.www]
A = ["192.0.2.80"]
"#;

/// A Debian that systemd runs, in namespaces of its own.
struct Machine {
    folder: TempDir,
    container: Child,
    /// The process that is systemd.
    init: u32,
}

impl Machine {
    /// Boots a Debian. Fails with the reason if this machine cannot.
    fn boot(folder: TempDir) -> Result<Self, String> {
        let mut container = Command::new("systemd-nspawn")
            .args(["--boot", "--private-network", "--register=no", "--keep-unit", "--quiet", "--directory"])
            .arg(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let of_container = container.id();
        let is_systemd = |process: &u32| {
            fs::read_to_string(format!("/proc/{process}/comm")).is_ok_and(|name| name.trim() == "systemd")
        };
        let started = eventually("systemd starts", || match container.try_wait().unwrap() {
            Some(status) => Some(Err(format!("boot a Debian in a container: {status}"))),
            None => child_of(of_container).filter(is_systemd).map(Ok),
        });
        started.map(|init| Self { folder, container, init })
    }

    /// Runs a command in it. Returns what it prints, and whether it succeeded.
    fn run(&self, words: &str) -> (String, bool) {
        let of_init = self.init.to_string();
        let namespaces = ["--mount", "--uts", "--ipc", "--net", "--pid", "--root", "--wd"];
        let mut command = Command::new("nsenter");
        command.args(["--target", &of_init]).args(namespaces).args(words.split(' '));
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        let ran = command.output().unwrap();
        (String::from_utf8_lossy(&ran.stdout).trim().to_owned(), ran.status.success())
    }

    /// Returns a property of the unit.
    fn property(&self, name: &str) -> String {
        self.run(&format!("systemctl show truenorth --value --property {name}")).0
    }

    /// The main process of the unit, as processes in the container number it.
    fn main_process(&self) -> u32 {
        self.property("MainPID").parse().expect("a number")
    }

    /// Returns the process whose child the main process is.
    fn parent_of_main(&self) -> Option<u32> {
        let (stat, _) = self.run(&format!("cat /proc/{}/stat", self.main_process()));
        parent(&stat)
    }

    /// Waits for the right answer.
    fn wait_for_answer(&self) {
        let init = self.init.to_string();
        let ask = || {
            let mut dig = Command::new("nsenter");
            dig.args(["--target", &init, "--net", "dig", "@127.0.0.1", "+short", "+time=1", "+tries=1"]);
            let answer = dig.arg("www.gslb.example.com").output().unwrap();
            (answer.stdout == b"192.0.2.80\n").then_some(())
        };
        eventually("it answers", ask);
    }

    fn signal_main(&self, signal: &str) {
        assert!(self.run(&format!("systemctl kill --kill-whom=main --signal={signal} truenorth")).1);
    }

    /// The log of the unit.
    fn log(&self) -> String {
        self.run("journalctl --no-pager --output=cat --unit=truenorth").0
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Its namespace ends with it.
        let _ = Command::new("kill").args(["-KILL", &self.init.to_string()]).status();
        let _ = self.container.wait();
    }
}

/// Returns the parent in the text of `/proc/PID/stat`. The name of the program comes before it, in parentheses.
fn parent(stat: &str) -> Option<u32> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// Returns a child of a process.
fn child_of(process: u32) -> Option<u32> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).find(|candidate: &u32| {
        let stat = fs::read_to_string(format!("/proc/{candidate}/stat")).unwrap_or_default();
        parent(&stat) == Some(process)
    })
}

#[track_caller]
fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn systemd_starts_reloads_replaces_restarts_and_stops_the_package() {
    let folder = match copy_of_clean_root() {
        Ok(folder) => folder,
        Err(why) => return cannot(&why),
    };
    let packages = tempfile::tempdir().unwrap();
    fs::copy(package("1.0.0-1", packages.path()), folder.path().join("truenorth.deb")).unwrap();
    succeeded(Command::new("chroot").arg(folder.path()).args(["dpkg", "--install", "truenorth.deb"]).output().unwrap());
    let server = folder.path().join("etc/truenorth/truenorth.toml");
    let text = fs::read_to_string(&server).unwrap().replace("127.0.0.1:5300", "127.0.0.1:53");
    fs::write(&server, text).unwrap();
    let zone = folder.path().join("etc/truenorth/zones/gslb.example.com.toml");
    fs::write(&zone, ZONE).unwrap();

    let machine = match Machine::boot(folder) {
        Ok(machine) => machine,
        Err(why) => return cannot(&why),
    };
    machine.wait_for_answer();
    eventually("systemd knows that it answers", || (machine.property("ActiveState") == "active").then_some(()));
    let log = machine.log();
    assert!(log.contains("capabilities=CapabilitySet(0x0)"), "it holds capabilities:\n{log}");

    fs::write(&zone, format!("{ZONE}oops = 1\n")).unwrap();
    assert!(!machine.run("systemctl reload truenorth").1, "broken files are reloaded");
    assert!(machine.property("StatusText").contains("the last reload failed"));
    fs::write(&zone, ZONE).unwrap();
    assert!(machine.run("systemctl reload truenorth").1, "{}", machine.log());

    // A process that replaced another one is stopped and restarted like any other.
    for _ in 0..2 {
        let before = machine.main_process();
        machine.signal_main("USR2");
        eventually("another process is the main one", || (machine.main_process() != before).then_some(()));
        assert_eq!(machine.parent_of_main(), Some(1));
        machine.wait_for_answer();
    }
    machine.signal_main("KILL");
    eventually("it is restarted", || (machine.property("NRestarts") == "1").then_some(()));
    machine.wait_for_answer();
    let before = machine.main_process();
    machine.signal_main("USR2");
    eventually("another process is the main one", || (machine.main_process() != before).then_some(()));
    assert!(machine.run("systemctl stop truenorth").1);
    assert_eq!([machine.property("Result"), machine.property("ActiveState")], ["success", "inactive"]);
    let log = machine.log();
    assert!(!log.contains("not our child"), "{log}");
    assert!(machine.folder.path().join("var/lib/truenorth").is_dir());
}
