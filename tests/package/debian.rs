//! Installs the Debian package in a minimal Debian, serves with it, upgrades it and removes it. The package contains
//! the binary of the tests.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, OnceLock};

use tempfile::TempDir;

use crate::harness::{Node, cannot};

/// Where the server file of the package listens.
const ADDRESS: &str = "@127.0.0.1 -p 5300";

/// Folders whose contents are not the package's: the kernel's, and those that every installation writes to.
const NOT_OURS: [&str; 9] = ["proc", "sys", "dev", "run", "tmp", "var/log", "var/cache", "var/lib/dpkg", "var/lib/apt"];

/// Files that `adduser` leaves, whatever user it makes.
const OF_ADDUSER: [&str; 5] = ["etc/.pwd.lock", "etc/passwd-", "etc/group-", "etc/shadow-", "etc/gshadow-"];

/// Acts like systemd when the scripts of the package call it, and records the calls. A Debian in a folder has no
/// systemd.
const SYSTEMCTL: &str = r#"#!/bin/sh
echo "$*" >> /var/log/systemctl
running() { [ -e /var/lib/truenorth/lock ] && kill -0 "$(cat /var/lib/truenorth/lock)" 2> /dev/null; }
case "$*" in
*is-enabled*) echo enabled ;;
*is-active*) running ;;
*--signal=USR2*truenorth.service) kill -USR2 "$(cat /var/lib/truenorth/lock)" ;;
*stop*truenorth.service)
    kill -TERM "$(cat /var/lib/truenorth/lock)"
    while running; do sleep 0.1; done
    ;;
esac
"#;

/// A Debian in a folder, and a network namespace for what runs in it.
struct Debian {
    folder: TempDir,
    namespace: String,
}

impl Debian {
    /// Creates one. Fails with the reason if this machine cannot.
    fn new() -> Result<Self, String> {
        if fs::metadata("/proc/self").unwrap().uid() != 0 {
            return Err("only root can install into another root folder".to_owned());
        }
        for (program, argument) in [("cargo-deb", "--version"), ("debootstrap", "--version"), ("ip", "-V")] {
            if Command::new(program).arg(argument).output().is_err() {
                return Err(format!("there is no {program}"));
            }
        }
        let folder = copy_of_clean_root()?;
        let namespace = format!("truenorth-package-{}", std::process::id());
        let debian = Self { folder, namespace };
        let made = Command::new("ip").args(["netns", "add", &debian.namespace]).output().unwrap();
        if !made.status.success() {
            return Err("this user may not make network namespaces".to_owned());
        }
        succeeded(Command::new("ip").args(["-n", &debian.namespace, "link", "set", "lo", "up"]).output().unwrap());
        Ok(debian)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A shell command in this Debian and its network. `exec` in it makes the program the process that is started.
    fn command(&self, script: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace, "unshare", "--mount", "sh", "-ec"]);
        command.arg("mount -t proc proc \"$0/proc\"; exec chroot \"$0\" /bin/sh -ec \"$1\"");
        command.arg(self.folder.path()).arg(script);
        command
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("DEBIAN_FRONTEND", "noninteractive");
        command
    }

    /// Runs a shell command to its end, and returns what it prints.
    #[track_caller]
    fn run(&self, script: &str) -> String {
        succeeded(self.command(script).output().unwrap())
    }

    /// Asks the node in this network.
    fn dig(&self, words: &str) -> String {
        let mut dig = Command::new("ip");
        dig.args(["netns", "exec", &self.namespace, "dig", "-r", "+short"]).args(ADDRESS.split_whitespace());
        succeeded(dig.args(words.split_whitespace()).output().unwrap())
    }

    /// Installs this systemctl, and makes it look as if systemd were running.
    fn play_systemd(&self) {
        // With one in /usr/bin, `deb-systemd-helper` would leave the links of the unit to it.
        fs::remove_file(self.path("usr/bin/systemctl")).unwrap();
        let path = self.path("usr/local/bin/systemctl");
        fs::write(&path, SYSTEMCTL).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir_all(self.path("run/systemd/system")).unwrap();
    }

    /// True if the scripts of the package have asked systemd to do this to the unit.
    fn asked_systemd_to(&self, verb: &str) -> bool {
        let asked = fs::read_to_string(self.path("var/log/systemctl")).unwrap_or_default();
        asked.lines().any(|line| line.contains("truenorth.service") && line.split_whitespace().any(|word| word == verb))
    }

    /// Installs a package.
    fn install(&self, package: &Path) {
        fs::copy(package, self.path("truenorth.deb")).unwrap();
        self.run("cd / && dpkg --install truenorth.deb; rm truenorth.deb");
    }

    /// The paths of everything in it, and the users and groups.
    fn contents(&self) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        gather(self.folder.path(), self.folder.path(), &mut found);
        for path in ["etc/passwd", "etc/group"] {
            found.insert(path.to_owned(), fs::read_to_string(self.path(path)).unwrap());
        }
        found
    }
}

impl Drop for Debian {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "delete", &self.namespace]).output();
    }
}

fn gather(root: &Path, folder: &Path, found: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        if NOT_OURS.contains(&name.as_str()) || OF_ADDUSER.contains(&name.as_str()) {
            continue;
        }
        if path.is_dir() && !path.is_symlink() {
            gather(root, &path, found);
        }
        found.insert(name, String::new());
    }
}

/// Returns the output. Fails if the command failed.
#[track_caller]
pub(crate) fn succeeded(output: Output) -> String {
    let text = |octets: Vec<u8>| String::from_utf8(octets).unwrap();
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    assert!(output.status.success(), "{}: {stdout}{stderr}", output.status);
    stdout
}

/// Returns a copy of a fresh Debian that can be booted.
pub(crate) fn copy_of_clean_root() -> Result<TempDir, String> {
    static CLEAN: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let clean = CLEAN.get_or_init(clean_root).as_ref().map_err(Clone::clone)?;
    let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let mut copy = Command::new("cp");
    copy.args(["-a", "--reflink=auto"]).arg(format!("{}/.", clean.display())).arg(folder.path());
    succeeded(copy.output().unwrap());
    Ok(folder)
}

/// Returns a fresh Debian of the release that this machine runs, from the mirror that it uses. It is kept for the next
/// time.
fn clean_root() -> Result<PathBuf, String> {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let codename = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME=")).unwrap_or_default();
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("bootable-debian-{codename}"));
    if root.exists() {
        return Ok(root);
    }
    let mut targets = Command::new("apt-get");
    targets.args(["indextargets", "--format", "$(CODENAME) $(SITE)", "Created-By: Packages", "Component: main"]);
    let targets = targets.output().map_err(|error| format!("there is no apt-get: {error}"))?;
    let targets = String::from_utf8(targets.stdout).unwrap();
    let mirror =
        targets.lines().find_map(|line| line.split_once(' ').filter(|(of, _)| *of == codename).map(|(_, site)| site));
    let mirror = mirror.ok_or(format!("apt-get knows no mirror of Debian {codename}"))?;
    let fresh = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let mut debootstrap = Command::new("debootstrap");
    debootstrap
        .args(["--variant=minbase", "--include=adduser,dbus,init-system-helpers,systemd,systemd-sysv", codename])
        .arg(fresh.path())
        .arg(mirror);
    let output = debootstrap.output().unwrap();
    if !output.status.success() {
        return Err(format!("debootstrap fails: {}", String::from_utf8_lossy(&output.stdout)));
    }
    fs::rename(fresh.keep(), &root).unwrap();
    Ok(root)
}

/// Packs the binary of the tests as this version of the package.
pub(crate) fn package(version: &str, folder: &Path) -> PathBuf {
    // The script always puts what it packs into the same folder.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _alone = ONE_AT_A_TIME.lock();
    let mut build = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/build"));
    build
        .args(["deb", "--of", env!("CARGO_BIN_EXE_truenorth"), "--version", version, "--fast"])
        .env("PACKAGES", folder);
    succeeded(build.output().unwrap());
    let is_it = |path: &PathBuf| path.to_str().is_some_and(|path| path.contains(&format!("_{version}_")));
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).find(is_it).expect("the package")
}

/// The process that holds the state folder. It is killed at the end, because it is no child of the test.
struct Holder(u32);

impl Holder {
    fn of(debian: &Debian) -> Self {
        let lock = fs::read_to_string(debian.path("var/lib/truenorth/lock")).unwrap();
        Self(lock.trim().parse().expect("the number of a process"))
    }

    fn signal(&self, name: &str) -> bool {
        let kill = format!("kill -s {name} {}", self.0);
        Command::new("sh").args(["-c", &kill]).output().unwrap().status.success()
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.signal("KILL");
    }
}

#[test]
fn a_clean_debian_installs_serves_upgrades_and_removes_it() {
    let debian = match Debian::new() {
        Ok(debian) => debian,
        Err(why) => return cannot(&why),
    };
    let packages = tempfile::tempdir().unwrap();
    let [first, second] = ["1.0.0-1", "1.0.1-1"].map(|version| package(version, packages.path()));
    debian.play_systemd();
    let before = debian.contents();

    debian.install(&first);
    assert!(debian.asked_systemd_to("start") && !debian.asked_systemd_to("kill"));
    assert!(debian.run("truenorth --version").starts_with(concat!("truenorth ", env!("CARGO_PKG_VERSION"))));
    let user = debian.run("getent passwd truenorth");
    assert!(user.contains(":/nonexistent:") && user.trim().ends_with("nologin"), "{user}");
    let files = debian.run("dpkg --listfiles truenorth");
    for path in [
        "/usr/lib/systemd/system/truenorth.service",
        "/usr/share/man/man1/truenorth-serve.1.gz",
        "/usr/share/man/man5/truenorth.toml.5.gz",
        "/usr/share/man/man5/truenorth-zone.5.gz",
        "/usr/share/bash-completion/completions/truenorth",
        "/usr/share/truenorth/schemas/zone.schema.json",
        "/usr/share/doc/truenorth/copyright",
    ] {
        assert!(files.lines().any(|line| line == path), "{path} is not in:\n{files}");
        assert!(debian.path(path.trim_start_matches('/')).exists(), "{path}");
    }
    assert!(debian.path("etc/systemd/system/multi-user.target.wants/truenorth.service").is_symlink(), "not enabled");
    let check = debian.run("truenorth check 2>&1");
    assert!(check.contains("there is no zone in /etc/truenorth/zones") && check.contains("good: 0 zones"), "{check}");
    let init = debian.run(
        "truenorth init --zone gslb.example.com --nameserver ns1=192.0.2.53 --datacenter fra=50.11,8.68 \
         --endpoints fra=192.0.2.80 --check none",
    );
    assert!(init.starts_with("wrote /etc/truenorth/zones/gslb.example.com.toml\n"), "{init}");

    // The demo finds the database of the package.
    let mut demo = debian.command("exec truenorth demo").stdout(Stdio::piped()).spawn().unwrap();
    let mut shown = BufReader::new(demo.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(shown.any(|line| line.contains("dig @127.0.0.1")), "the demo shows no commands to try");
    demo.kill().unwrap();
    demo.wait().unwrap();

    // As the unit does.
    debian.run("install -d -o truenorth -g truenorth -m 700 /var/lib/truenorth /run/truenorth");
    let serve = "exec setpriv --reuid=truenorth --regid=truenorth --clear-groups truenorth serve";
    let mut node = Node::start_unheard(debian.command(serve));
    node.wait_for_answers();
    assert_eq!(debian.dig("www.gslb.example.com"), "192.0.2.80\n");
    assert!(
        debian.run("truenorth status --json").contains("www.gslb.example.com"),
        "root reaches the node by its socket"
    );

    // An edited server file stays as it is, and the running node hands over to the new version.
    debian.run("sed -i 's/max_source_v4 = 24 /max_source_v4 = 20 /' /etc/truenorth/truenorth.toml");
    debian.install(&second);
    assert!(debian.run("dpkg-query --show truenorth").contains("1.0.1-1"));
    assert!(debian.run("cat /etc/truenorth/truenorth.toml").contains("max_source_v4 = 20 "));
    assert!(debian.asked_systemd_to("kill"));
    assert_eq!(node.wait().code(), Some(0), "the first process goes when the new one answers");
    let holder = Holder::of(&debian);
    assert_ne!(holder.0, node.pid());
    assert_eq!(debian.dig("www.gslb.example.com"), "192.0.2.80\n");

    debian.run("dpkg --remove truenorth");
    assert!(debian.asked_systemd_to("stop") && !holder.signal("0"), "the process runs on");
    assert!(!debian.path("usr/bin/truenorth").exists());
    assert!(debian.path("etc/truenorth/truenorth.toml").exists(), "only a purge removes the configuration");
    drop(holder);
    debian.run("rm -r /run/truenorth; dpkg --purge truenorth");
    let after = debian.contents();
    let left: Vec<_> = after.iter().filter(|(path, text)| before.get(*path) != Some(*text)).collect();
    assert!(left.is_empty(), "a purge leaves {left:#?}");
    let missing: Vec<_> = before.keys().filter(|path| !after.contains_key(*path)).collect();
    assert!(missing.is_empty(), "a purge takes away {missing:#?}");
}
