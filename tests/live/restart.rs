//! The state of a node after it was killed, and the effects of a broken state folder.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use hickory_proto::rr::RecordType;
use truenorth::health::{Kept, State};
use truenorth::store::{HEALTH, SERIALS, Store};

use crate::endpoint::{Endpoint, Script};
use crate::harness::{Asker, Files, Node, SERVER, addresses, member, ttl};

const INTERVAL: Duration = Duration::from_secs(3);
const TIMEOUT: Duration = Duration::from_millis(2900);

/// Allowance for a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(60);

const LOOK: Duration = Duration::from_millis(20);

const TTL: u32 = 30;

const ZONE: &str = "[nameservers]\nns1 = [\"127.0.0.1\"]\n[records.www]\nA = [\"192.0.2.1\"]\n";

/// Two endpoints that are probed, in one pool.
struct Scene {
    files: Files,
    one: Endpoint,
    two: Endpoint,
}

impl Scene {
    fn start(network: u8) -> Self {
        let start = |host: u8| Endpoint::start((IpAddr::from([127, 22, network, host]), 0).into(), Script::status(200));
        let (one, two) = (start(1), start(2));
        let zone = format!(
            "ttl = {TTL}\n[soa]\nserial = 1\n[nameservers]\nns1 = [\"127.0.0.1\"]\n\
             [monitors.web]\ntype = \"http\"\ninterval = \"{}ms\"\ntimeout = \"{}ms\"\nfall = 2\nrise = 2\n\
             [pools.web]\nmonitor = \"web\"\nendpoints = [{}, {}]\n[names.www]\npools = [\"web\"]\n",
            INTERVAL.as_millis(),
            TIMEOUT.as_millis(),
            member(one.address()),
            member(two.address())
        );
        Self { files: Files::new(SERVER, &[("example.com.toml", &zone)]), one, two }
    }

    /// Runs a node until it has kept that the first endpoint is down, and kills it.
    fn leave_with_one_down(&mut self) {
        let mut node = self.files.serve();
        self.one.stop_listening();
        node.log.wait_for("endpoint is down");
        let start = Instant::now();
        while !self.kept_states().contains(&State::Down) {
            assert!(start.elapsed() < PATIENCE, "{:?}", self.kept_states());
            thread::sleep(LOOK);
        }
        // SIGKILL.
        drop(node);
        self.one.listen_again();
    }

    /// The states that the next node would find if this one were killed now.
    fn kept_states(&self) -> Vec<State> {
        copy(&self.files.path("state")).all(&HEALTH).into_values().map(|record| Kept::from(record).state).collect()
    }

    fn hang(&self) {
        for endpoint in [&self.one, &self.two] {
            endpoint.play(Script::hang());
        }
    }

    /// Checks that the first answers are those from before the restart, because no probe can have ended yet.
    #[track_caller]
    fn assert_as_before(&self, node: &mut Node) {
        let lines = node.log.lines();
        assert!(!lines.iter().any(|line| line.contains("endpoint is")), "{lines:?}");
        assert_eq!(sight(&mut node.asker()), (vec![self.two.address().ip()], TTL));
    }
}

/// Returns the store that the next node would find if the node with this folder were killed now.
fn copy(state: &Path) -> Store {
    let copy = tempfile::tempdir().unwrap();
    // Before the first write there is no file.
    let _ = fs::copy(state.join("state.redb"), copy.path().join("state.redb"));
    Store::open(copy.path()).unwrap()
}

/// Returns the line with these words, from before the first answer or later.
#[track_caller]
fn told(node: &mut Node, words: &str) -> String {
    let start = Instant::now();
    loop {
        let line = node.log.lines().iter().find(|line| line.contains(words));
        if let Some(line) = line {
            return line.clone();
        }
        assert!(start.elapsed() < PATIENCE, "no `{words}` in {:?}", node.log.lines());
        thread::sleep(LOOK);
    }
}

fn sight(asker: &mut Asker) -> (Vec<IpAddr>, u32) {
    let reply = asker.ask("www.example.com.", RecordType::A, None);
    let mut addresses = addresses(&reply);
    addresses.sort();
    (addresses, ttl(&reply).expect("every answer here has a TTL"))
}

#[test]
fn a_node_that_was_killed_answers_at_once_as_before() {
    let mut scene = Scene::start(0);
    scene.leave_with_one_down();
    scene.hang();
    let mut node = scene.files.serve();
    scene.assert_as_before(&mut node);
    // From here on health works as usual: an endpoint that was down comes up after the usual number of successes.
    let mut asker = node.asker();
    for endpoint in [&scene.one, &scene.two] {
        endpoint.play(Script::status(200));
    }
    let start = Instant::now();
    let both = vec![scene.one.address().ip(), scene.two.address().ip()];
    while sight(&mut asker) != (both.clone(), TTL) {
        assert!(start.elapsed() < PATIENCE, "{:?}", sight(&mut asker));
        thread::sleep(LOOK);
    }
    // The next node knows all states again: a change is kept within a second.
    while scene.kept_states() != [State::Up, State::Up] {
        assert!(start.elapsed() < PATIENCE, "{:?}", scene.kept_states());
        thread::sleep(LOOK);
    }
}

#[test]
fn a_state_folder_that_can_only_be_read_is_read() {
    let mut scene = Scene::start(1);
    scene.leave_with_one_down();
    scene.hang();
    let mut node = scene.files.serve_with_mounts("mount --bind state state && mount -o remount,bind,ro state");
    scene.assert_as_before(&mut node);
    let line = told(&mut node, "state is not kept");
    assert!(line.contains("state.redb") && line.contains("Read-only file system"), "{line}");
    assert_eq!(node.terminate().code(), Some(0));
}

#[test]
fn a_full_disk_is_told_once_and_so_is_that_there_is_room_again() {
    let zone = |serial: u32| format!("{ZONE}[soa]\nserial = {serial}\n");
    let files = Files::new(SERVER, &[("example.com.toml", &zone(1))]);
    let mut node = files.serve_with_mounts(
        "mkdir state && mount -t tmpfs -o size=8m none state && ! head -c 9m /dev/zero > state/filler",
    );
    let state = node.its_path(&files.path("state"));
    assert_eq!(node.dig("www.example.com").data(), ["192.0.2.1"]);
    // Another attempt is made in the meantime, and is not logged.
    thread::sleep(Duration::from_secs(6));
    let lines = node.log.lines();
    assert_eq!(lines.iter().filter(|line| line.contains("state is not kept")).count(), 1, "{lines:?}");
    assert!(!state.join("state.redb").exists());
    fs::remove_file(state.join("filler")).unwrap();
    node.log.wait_for("state is kept again");
    assert_eq!(serials(&state), [1]);

    // The disk becomes full while a state file exists.
    assert!(io::copy(&mut io::repeat(0), &mut fs::File::create(state.join("filler")).unwrap()).is_err());
    files.write("zones/example.com.toml", zone(2));
    let line = node.log.wait_for("state is not kept");
    assert!(line.contains("state/state.redb: ") && line.contains("No space left on device"), "{line}");
    assert_eq!(node.dig("www.example.com").data(), ["192.0.2.1"]);
    assert_eq!(serials(&state), [1], "the old file stays intact");
    fs::remove_file(state.join("filler")).unwrap();
    node.log.wait_for("state is kept again");
    assert_eq!(serials(&state), [2]);
    assert_eq!(node.terminate().code(), Some(0));
}

/// The serials that a node would find if this one were killed now.
fn serials(state: &Path) -> Vec<u32> {
    copy(state).all(&SERIALS).into_values().collect()
}

#[test]
fn a_corrupt_file_is_set_aside_and_answers_begin() {
    let mut scene = Scene::start(2);
    scene.leave_with_one_down();
    fs::write(scene.files.path("state/state.redb"), "garbage").unwrap();
    let mut node = scene.files.serve();
    let line = told(&mut node, "the state file is corrupt");
    assert!(line.contains(scene.files.path("state/state.redb.corrupt-").to_str().unwrap()), "{line}");
    // The node knows no earlier states: the first outcomes set the state.
    let both = vec![scene.one.address().ip(), scene.two.address().ip()];
    assert_eq!(sight(&mut node.asker()), (both, TTL));
    let start = Instant::now();
    while scene.kept_states() != [State::Up, State::Up] {
        assert!(start.elapsed() < PATIENCE, "{:?}", scene.kept_states());
        thread::sleep(LOOK);
    }
}

#[test]
fn a_state_folder_that_cannot_be_made_does_not_keep_a_node_from_answering() {
    let files = Files::new(&format!("state = \"/proc/truenorth\"\n{SERVER}"), &[("example.com.toml", ZONE)]);
    let mut node = files.serve();
    assert_eq!(node.dig("www.example.com").data(), ["192.0.2.1"]);
    let line = told(&mut node, "WARN state is not kept");
    assert!(line.contains("/proc/truenorth"), "{line}");
    assert_eq!(node.terminate().code(), Some(0));
}

/// A zone whose serial the node counts, with this address.
fn counted(host: u8) -> String {
    ZONE.replace("192.0.2.1", &format!("192.0.2.{host}"))
}

/// Runs a node. Returns its serial and the address of www.
fn serial_and_address(files: &Files) -> (u32, String) {
    let node = files.serve();
    let soa = node.dig("example.com SOA");
    let serial = soa.data()[0].split(' ').nth(2).and_then(|serial| serial.parse().ok()).expect("a serial");
    let address = node.dig("www.example.com").data()[0].to_owned();
    assert_eq!(node.terminate().code(), Some(0));
    (serial, address)
}

const HOUR: Duration = Duration::from_secs(3600);

/// As `touch -d` does.
fn date(path: &Path, at: SystemTime) {
    fs::File::options().append(true).open(path).unwrap().set_modified(at).unwrap();
}

#[test]
fn a_serial_goes_up_with_an_older_file_that_comes_back_and_stays_where_one_is_touched() {
    let files = Files::new(SERVER, &[("example.com.toml", &counted(1))]);
    let file = files.path("zones/example.com.toml");
    let older = SystemTime::now() - 2 * HOUR;
    date(&file, older);
    let (first, address) = serial_and_address(&files);
    assert_eq!(address, "192.0.2.1");
    assert_eq!(u64::from(first), older.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs());

    files.write("zones/example.com.toml", counted(2));
    let (second, address) = serial_and_address(&files);
    assert_eq!(address, "192.0.2.2");
    assert!(second > first, "{second} after {first}");

    // As `cp -p` of the old file does.
    files.write("zones/example.com.toml", counted(1));
    date(&file, older);
    let (third, address) = serial_and_address(&files);
    assert_eq!(address, "192.0.2.1");
    assert_eq!(third, second + 1);

    // A different time of the file alone does not change the serial, whether it is earlier or later.
    for at in [SystemTime::now() + HOUR, older - HOUR] {
        date(&file, at);
        assert_eq!(serial_and_address(&files), (third, address.clone()));
    }
}

const ADMIN: &str = "[admin]\nlisten = \"127.0.0.1:0\"\n";

const DRAINED: &str = "[nameservers]\nns1 = [\"127.0.0.1\"]\n[pools.one]\nendpoints = [\"192.0.2.1\"]\n\
                       [pools.two]\nendpoints = [\"192.0.2.2\"]\n[names.www]\npools = [\"one\", \"two\"]\nsteer = [\"failover\"]\n";

#[test]
fn an_order_that_is_not_on_disk_says_so() {
    let files = Files::new(&format!("{SERVER}{ADMIN}"), &[("example.com.toml", DRAINED)]);
    // A file is in the place of the folder.
    files.write("state", "");
    let mut node = files.serve();
    let admin = node.wait_for_admin();
    let ran = files.run(&format!("drain pool:one --node {admin}"));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.contains("in force, but not on disk: a restart of the node would lose it"), "{ran:?}");
    let not_on_disk = "an order is in force but not on disk";
    node.log.wait_for(not_on_disk);
    node.comes_to_answer("www.example.com", &["192.0.2.2"]);
    // A list is not an order: it neither waits for the disk nor logs this.
    let ran = files.run(&format!("txt list --node {admin}"));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    fs::remove_file(files.path("state")).unwrap();
    node.log.wait_for("state is kept again");
    assert_eq!(node.log.lines().iter().filter(|line| line.contains(not_on_disk)).count(), 1, "{:?}", node.log.lines());
    let ran = files.run(&format!("drain pool:two --reason test --yes --node {admin}"));
    assert!(ran.code == Some(0) && !ran.stdout.contains("not on disk"), "{ran:?}");
}

#[test]
fn a_state_folder_that_is_removed_is_made_again() {
    let files = Files::new(&format!("{SERVER}{ADMIN}"), &[("example.com.toml", DRAINED)]);
    let mut node = files.serve();
    let admin = node.wait_for_admin();
    fs::remove_dir_all(files.path("state")).unwrap();
    let ran = files.run(&format!("drain pool:one --node {admin}"));
    assert!(ran.code == Some(0) && !ran.stdout.contains("not on disk"), "{ran:?}");
    node.log.wait_for("the state file was moved or removed: it is created again");
    node.signal("KILL");
    node.wait();
    let node = files.serve();
    node.comes_to_answer("www.example.com", &["192.0.2.2"]);
}

/// What is no file is not read, whether it would hold up the node for ever or fill its memory.
#[test]
fn a_state_file_that_is_none_is_told_and_does_not_hold_up_the_node() {
    for make in ["mkfifo state/state.redb", "ln -s /dev/zero state/state.redb", "mkdir -p state/state.redb/x"] {
        let files = Files::new(&format!("{SERVER}{ADMIN}"), &[("example.com.toml", DRAINED)]);
        let script = format!("mkdir -p state && {make}");
        let made = Command::new("sh").args(["-c", &script]).current_dir(files.path("")).status().unwrap();
        assert!(made.success(), "{make}");
        let mut node = files.serve();
        let admin = node.wait_for_admin();
        let is_told = |line: &String| line.contains("state is not kept") && line.contains("not a regular file");
        assert!(node.log.lines().iter().any(is_told), "{make}: {:?}", node.log.lines());
        let ran = files.run(&format!("drain pool:one --node {admin}"));
        assert!(ran.stdout.contains("in force, but not on disk"), "{make}: {ran:?}");
        node.comes_to_answer("www.example.com", &["192.0.2.2"]);
        fs::rename(files.path("state/state.redb"), files.path("away")).unwrap();
        node.log.wait_for("state is kept again");
        assert_eq!(node.terminate().code(), Some(0), "{make}");
    }
}
