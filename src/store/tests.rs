//! State folders that are opened again, intact and damaged.

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use serde::Deserialize;
use tempfile::TempDir;
use tokio::time::timeout;

use super::*;

/// Longest time of a disk operation, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(20);

const NUMBERS: StoreTable<String, u32> = StoreTable::new("numbers");

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    (folder, state)
}

fn put(store: &Store, rows: &[(&str, u32)]) {
    let mut batch = Batch::default();
    for (key, value) in rows {
        batch.put(&NUMBERS, &(*key).to_owned(), value);
    }
    store.write(batch);
}

fn numbers(rows: &[(&str, u32)]) -> BTreeMap<String, u32> {
    rows.iter().map(|(key, value)| ((*key).to_owned(), *value)).collect()
}

/// A folder with these rows of an earlier process.
fn left(rows: &[(&str, u32)]) -> (TempDir, PathBuf) {
    let (folder, state) = folder();
    put(&Store::open(&state).unwrap(), rows);
    (folder, state)
}

fn names(state: &Path) -> Vec<String> {
    let entries = fs::read_dir(state).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = entries.collect();
    names.sort();
    names
}

/// Waits until the file holds these rows.
#[track_caller]
fn wait_for(state: &Path, rows: &BTreeMap<String, u32>) {
    let start = Instant::now();
    loop {
        let octets = file::read(&state.join("state.redb")).unwrap_or_default();
        let found = octets.get("numbers").into_iter().flatten();
        let found: BTreeMap<_, _> =
            found.filter_map(|(key, value)| StoreTable::<String, u32>::row(key, value)).collect();
        if found == *rows {
            return;
        }
        assert!(start.elapsed() < PATIENCE, "{found:?}");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_folder_has_one_holder() {
    let (_folder, state) = folder();
    let store = Store::open(&state).unwrap();
    let held = Store::open(&state).unwrap_err();
    let by = std::process::id();
    let expected = format!("{}: another truenorth uses this state folder: process {by}", state.display());
    assert_eq!(held.to_string(), expected);
    drop(store);
    assert!(Store::open(&state).is_ok());
}

#[test]
fn what_is_written_is_there_when_the_folder_is_opened_again() {
    let (_folder, state) = left(&[("a", 1), ("b", 2)]);
    let store = Store::open(&state).unwrap();
    assert_eq!(store.all(&NUMBERS), numbers(&[("a", 1), ("b", 2)]));
    assert_eq!(store.get(&NUMBERS, &"b".to_owned()), Some(2));
    assert_eq!(store.get(&NUMBERS, &"c".to_owned()), None);
    let mut batch = Batch::default();
    batch.delete(&NUMBERS, &"a".to_owned());
    batch.put(&NUMBERS, &"c".to_owned(), &3);
    batch.put(
        &HEALTH,
        &7,
        &HealthRecord::new(crate::health::Kept {
            state: crate::health::State::Up,
            confirmed: PATIENCE,
            fell: Duration::ZERO,
            hold: None,
            question: 0,
            hostless: 0,
            host: "".into(),
        })
        .unwrap(),
    );
    store.write(batch);
    assert_eq!(store.all(&NUMBERS), numbers(&[("b", 2), ("c", 3)]), "seen at once");
    drop(store);
    let store = Store::open(&state).unwrap();
    assert_eq!(store.all(&NUMBERS), numbers(&[("b", 2), ("c", 3)]));
    assert_eq!(store.all(&HEALTH).keys().collect::<Vec<_>>(), [&7]);
    assert!(store.all(&SERIALS).is_empty());
}

#[test]
fn what_is_written_is_on_disk_soon_and_not_only_when_the_store_is_dropped() {
    let (_folder, state) = folder();
    let store = Store::open(&state).unwrap();
    put(&store, &[("a", 1)]);
    wait_for(&state, &numbers(&[("a", 1)]));
    put(&store, &[("a", 2), ("b", 2)]);
    wait_for(&state, &numbers(&[("a", 2), ("b", 2)]));
}

#[test]
fn a_file_that_a_process_left_as_it_was_killed_is_read() {
    let (_folder, state) = folder();
    let store = Store::open(&state).unwrap();
    put(&store, &[("a", 1)]);
    wait_for(&state, &numbers(&[("a", 1)]));
    // A killed process leaves the file as it is now.
    let (_other, copy) = self::folder();
    fs::create_dir(&copy).unwrap();
    fs::copy(state.join("state.redb"), copy.join("state.redb")).unwrap();
    assert_eq!(Store::open(&copy).unwrap().all(&NUMBERS), numbers(&[("a", 1)]));
}

#[test]
fn a_row_of_another_shape_is_taken_away_and_the_rest_stays() {
    /// The same table in another release.
    #[derive(serde::Serialize, Deserialize)]
    struct Other {
        number: u32,
    }
    const OTHERS: StoreTable<String, Other> = StoreTable::new("numbers");
    let (_folder, state) = left(&[("a", 1)]);
    let store = Store::open(&state).unwrap();
    let mut batch = Batch::default();
    batch.put(&OTHERS, &"b".to_owned(), &Other { number: 2 });
    store.write(batch);
    assert_eq!(store.all(&NUMBERS), numbers(&[("a", 1)]));
    assert_eq!(store.all(&OTHERS).len(), 0);
    drop(store);
    assert!(Store::open(&state).unwrap().all(&NUMBERS).is_empty(), "the other shape had no use for the first row");
}

#[test]
fn a_corrupt_file_is_set_aside_and_the_latest_few_stay() {
    let (_folder, state) = left(&[("a", 1)]);
    for second in 1..=5 {
        fs::write(state.join(format!("state.redb.corrupt-{second}")), "old").unwrap();
    }
    fs::write(state.join("state.redb"), "garbage").unwrap();
    let store = Store::open(&state).unwrap();
    assert!(store.all(&NUMBERS).is_empty());
    put(&store, &[("b", 2)]);
    drop(store);
    let names = names(&state);
    let [lock, file, latest, fourth, fifth] = &names[..] else { panic!("{names:?}") };
    assert_eq!([lock, file, fourth, fifth], ["lock", "state.redb", "state.redb.corrupt-4", "state.redb.corrupt-5"]);
    assert!(latest.starts_with("state.redb.corrupt-"), "{latest}");
    assert_eq!(fs::read_to_string(state.join(latest)).unwrap(), "garbage");
    assert_eq!(Store::open(&state).unwrap().all(&NUMBERS), numbers(&[("b", 2)]));
}

#[test]
fn an_empty_file_is_set_aside_and_told_too() {
    let (_folder, state) = left(&[("a", 1)]);
    fs::write(state.join("state.redb"), "").unwrap();
    assert!(Store::open(&state).unwrap().all(&NUMBERS).is_empty());
    assert!(names(&state).iter().any(|name| name.starts_with("state.redb.corrupt-")));
}

#[test]
fn no_flipped_bit_and_no_missing_end_ends_the_process_or_makes_up_a_row() {
    let rows: Vec<_> = (0..200).map(|number| (number.to_string(), number)).collect();
    let (_folder, state) = folder();
    let store = Store::open(&state).unwrap();
    let mut batch = Batch::default();
    for (key, value) in &rows {
        batch.put(&NUMBERS, key, value);
    }
    store.write(batch);
    drop(store);
    let path = state.join("state.redb");
    let whole = fs::read(&path).unwrap();
    let good = file::read(&path).unwrap();
    let damaged = state.join("damaged");
    let mut random = fastrand::Rng::with_seed(1);
    for round in 0..300 {
        let mut octets = whole.clone();
        match round % 3 {
            0 => octets.truncate(random.usize(..octets.len())),
            // The header is a small part of the file, and the most sensitive.
            1 => octets[random.usize(9..320)] ^= 1 << random.u8(..8),
            _ => octets[random.usize(..whole.len())] ^= 1 << random.u8(..8),
        }
        fs::write(&damaged, octets).unwrap();
        if let Ok(rows) = file::read(&damaged) {
            // Perhaps only an earlier commit is left.
            assert!(rows == good || rows.values().all(BTreeMap::is_empty), "round {round}");
        }
    }
}

#[test]
fn a_folder_that_cannot_be_made_costs_only_what_a_restart_would_know() {
    let (_folder, state) = folder();
    fs::write(&state, "a file").unwrap();
    let store = Store::open(&state).unwrap();
    put(&store, &[("a", 1)]);
    assert_eq!(store.all(&NUMBERS), numbers(&[("a", 1)]));
    // An operator repairs it.
    fs::remove_file(&state).unwrap();
    wait_for(&state, &numbers(&[("a", 1)]));
    assert!(Store::open(&state).is_err(), "and it is held");
}

#[test]
fn a_file_that_cannot_be_read_is_taken_in_once_it_can_be() {
    let (_folder, state) = left(&[("a", 1), ("b", 1)]);
    let (path, away) = (state.join("state.redb"), state.join("away"));
    fs::rename(&path, &away).unwrap();
    // A link to a folder can be replaced atomically with a file: the writer may look at any time.
    std::os::unix::fs::symlink(&state, &path).unwrap();
    let store = Store::open(&state).unwrap();
    assert!(store.all(&NUMBERS).is_empty());
    put(&store, &[("b", 2)]);
    fs::rename(&away, &path).unwrap();
    wait_for(&state, &numbers(&[("a", 1), ("b", 2)]));
    assert_eq!(store.all(&NUMBERS), numbers(&[("a", 1), ("b", 2)]));
}

#[tokio::test]
async fn what_settled_is_on_disk() {
    let (_folder, state) = folder();
    let store = Store::open(&state).unwrap();
    for number in 0..20 {
        put(&store, &[("a", number)]);
        assert!(timeout(PATIENCE, store.settled()).await.unwrap());
        holds_now(&state, &numbers(&[("a", number)]));
    }
    assert!(store.settled().await, "nothing is left to be written");
}

#[tokio::test]
async fn a_file_that_somebody_removed_is_created_again_with_all_rows() {
    let (_folder, state) = folder();
    let store = Store::open(&state).unwrap();
    put(&store, &[("a", 1)]);
    assert!(timeout(PATIENCE, store.settled()).await.unwrap());
    // The file alone, the folder, and the folder with a file in its place that another program made.
    fs::remove_file(state.join("state.redb")).unwrap();
    put(&store, &[("b", 2)]);
    assert!(timeout(PATIENCE, store.settled()).await.unwrap());
    holds_now(&state, &numbers(&[("a", 1), ("b", 2)]));
    fs::remove_dir_all(&state).unwrap();
    put(&store, &[("c", 3)]);
    assert!(timeout(PATIENCE, store.settled()).await.unwrap());
    holds_now(&state, &numbers(&[("a", 1), ("b", 2), ("c", 3)]));
    assert!(Store::open(&state).is_err(), "the new folder is held too");
    fs::remove_file(state.join("state.redb")).unwrap();
    fs::write(state.join("state.redb"), "another's").unwrap();
    put(&store, &[("c", 4)]);
    assert!(timeout(PATIENCE, store.settled()).await.unwrap());
    holds_now(&state, &numbers(&[("a", 1), ("b", 2), ("c", 4)]));
}

/// Asserts that the file has these rows now.
#[track_caller]
fn holds_now(state: &Path, rows: &BTreeMap<String, u32>) {
    let octets = file::read(&state.join("state.redb")).unwrap();
    let found = octets["numbers"].iter().filter_map(|(key, value)| StoreTable::<String, u32>::row(key, value));
    assert_eq!(&found.collect::<BTreeMap<_, _>>(), rows);
}

#[tokio::test]
async fn a_broken_disk_is_not_waited_for() {
    let (_folder, state) = folder();
    // A file is in the place of the folder.
    fs::write(&state, "").unwrap();
    let store = Store::open(&state).unwrap();
    put(&store, &[("a", 1)]);
    assert!(!timeout(PATIENCE, store.settled()).await.unwrap());
}

#[test]
fn files_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let (_folder, state) = left(&[("a", 1)]);
    let mode = |name: &str| fs::metadata(state.join(name)).unwrap().permissions().mode() & 0o777;
    for name in names(&state) {
        assert_eq!(mode(&name), 0o600, "{name}");
        // With the permissions that an earlier version gave them.
        fs::set_permissions(state.join(&name), fs::Permissions::from_mode(0o644)).unwrap();
    }
    drop(Store::open(&state).unwrap());
    for name in names(&state) {
        assert_eq!(mode(&name), 0o600, "{name}");
    }
}

#[test]
fn a_folder_goes_to_another_process_with_all_rows_and_its_lock() {
    let (_folder, state) = left(&[("a", 1)]);
    let store = Store::open(&state).unwrap();
    let early = store.pack();
    let other = Store::of_successor(&state, store.lock(), &early).unwrap();
    assert_eq!(other.all(&NUMBERS), numbers(&[("a", 1)]));
    // The other process makes its own changes on top of the rows that it gets last.
    put(&store, &[("b", 2)]);
    store.pause().unwrap();
    wait_for(&state, &numbers(&[("a", 1), ("b", 2)]));
    other.replace(&store.pack()).unwrap();
    put(&other, &[("c", 3)]);
    // Changes after the pause are not written, not even at the end.
    put(&store, &[("lost", 9)]);
    store.close();
    other.own();
    wait_for(&state, &numbers(&[("a", 1), ("b", 2), ("c", 3)]));
    assert!(Store::open(&state).is_err(), "the other process has the lock");
    drop(other);
    assert_eq!(Store::open(&state).unwrap().all(&NUMBERS), numbers(&[("a", 1), ("b", 2), ("c", 3)]));
}

#[test]
fn a_pause_that_ends_leaves_everything_as_it_was() {
    let (_folder, state) = folder();
    let store = Store::open(&state).unwrap();
    put(&store, &[("a", 1)]);
    let other = Store::of_successor(&state, store.lock(), &store.pack()).unwrap();
    store.pause().unwrap();
    put(&store, &[("b", 2)]);
    wait_for(&state, &numbers(&[("a", 1)]));
    // The other process fails.
    drop(other);
    store.resume();
    wait_for(&state, &numbers(&[("a", 1), ("b", 2)]));
    assert!(Store::open(&state).is_err(), "it still has the lock");
}
