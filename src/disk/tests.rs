use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::time::SystemTime;

use super::regular::{MOST_OCTETS, read_all};
use super::*;

#[test]
fn what_is_no_regular_file_is_refused_by_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let _socket = UnixListener::bind(at("socket")).unwrap();
    symlink("/dev/null", at("device")).unwrap();
    fs::create_dir(at("folder")).unwrap();
    fs::write(at("file"), "text").unwrap();
    let disk = Disk::new();
    for (name, what) in [("socket", "a socket"), ("device", "a device"), ("folder", "a folder")] {
        let error = disk.read(&at(name)).unwrap_err();
        assert_eq!(error.to_string(), format!("it is {what}, not a regular file"));
    }
    assert_eq!(disk.read(&at("gone")).unwrap_err().kind(), io::ErrorKind::NotFound);
    assert_eq!(disk.read(&at("file")).unwrap().octets, b"text");
    assert!(!disk.is_stuck());
}

#[test]
fn files_that_do_not_fit_into_memory_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let told = |path: &Path| Disk::new().read(path).unwrap_err().to_string();
    let sparse = File::create_new(at("sparse")).unwrap();
    sparse.set_len(5 << 30).unwrap();
    let metadata = sparse.metadata().unwrap();
    let error = read_all(&sparse, &metadata, || 4 << 20, &AtomicU64::new(0)).unwrap_err();
    assert_eq!(error.to_string(), "it has 5120 MiB, and there is memory for a file of 4 MiB");
    File::create_new(at("huge")).unwrap().set_len(MOST_OCTETS + 1).unwrap();
    assert_eq!(told(&at("huge")), "it is larger than 8 GiB");
    // The kernel reports size 0 for this regular file. It has an entry for each page of the address space.
    symlink("/proc/self/pagemap", at("endless")).unwrap();
    assert_eq!(told(&at("endless")), "it grows without end while it is read");
}

#[test]
fn many_files_are_read_in_their_order_and_folders_are_not_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("folder")).unwrap();
    let large = "x".repeat(3 << 20);
    for (name, text) in [("a", "one"), ("large", &large), ("b", "two")] {
        fs::write(at(name), text).unwrap();
    }
    let disk = Disk::new();
    let names = ["b", "folder", "large", "gone", "a"];
    let octets_of =
        |read| if let Reading::New(contents) = read { contents.octets } else { panic!("nothing is known of it") };
    let found = disk.read_in_turn(names.map(|name| (at(name), None)).to_vec());
    let found: Vec<_> = found.map(|(path, read)| (path, read.map(octets_of))).collect();
    assert_eq!(found.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>(), names.map(at));
    let kind = |number: usize| found[number].1.as_ref().map_err(io::Error::kind).err();
    assert_eq!((kind(1), kind(3)), (Some(io::ErrorKind::IsADirectory), Some(io::ErrorKind::NotFound)));
    let octets = |number: usize| found[number].1.as_deref().unwrap();
    assert_eq!((octets(0), octets(2), octets(4)), (&b"two"[..], large.as_bytes(), &b"one"[..]));
    let reads = disk.reads();
    fs::write(at("folder/new"), "").unwrap();
    assert!(reads.look_again().is_same(&reads));
    fs::write(at("gone"), "back").unwrap();
    assert!(!reads.look_again().is_same(&reads));
}

#[test]
fn a_file_with_the_known_identity_is_not_read_again_unless_it_changed_just_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    fs::write(&path, "1").unwrap();
    let read = |known: Option<Seen>| match Disk::new().read_in_turn(vec![(path.clone(), known)]).next().unwrap().1 {
        Ok(Reading::New(contents)) => Some(contents),
        Ok(Reading::Same) => None,
        Err(error) => panic!("{error}"),
    };
    let first = read(None).unwrap();
    assert_eq!((&*first.octets, first.identity), (&b"1"[..], None));
    let seen = Seen::at(&path);
    assert!(read(Some(seen.clone())).is_none());
    fs::write(&path, "22").unwrap();
    assert_eq!(read(Some(seen)).unwrap().octets, b"22");
    // An hour later the change is long past; a clock that was set back makes it one of the future.
    let hour = Duration::from_secs(3600);
    let seen = Seen::at(&path);
    assert!(seen.is_settled(SystemTime::now() + hour, SETTLES) && !seen.is_settled(SystemTime::now() - hour, SETTLES));
    assert!(!Seen::Unknown.is_settled(SystemTime::now() + hour, SETTLES));
}

#[test]
fn a_file_system_that_hangs_ends_the_reading_of_many() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::with_patience(Duration::from_millis(50));
    let paths = ["a", "b", "c"].map(|name| folder.path().join(name));
    let (hangs, never) = channel::<()>();
    disk.submit(Job(Box::new(move || _ = never.recv()))).unwrap();
    let files = || paths.each_ref().map(|path| (path.clone(), None)).to_vec();
    let found: Vec<_> = disk.read_in_turn(files()).collect();
    let [(path, Err(error))] = &found[..] else { panic!("{found:?}") };
    assert_eq!((path, error.kind()), (&paths[0], io::ErrorKind::TimedOut));
    assert!(disk.is_stuck());
    let again: Vec<_> = disk.read_in_turn(files()).collect();
    assert!(again[0].1.as_ref().unwrap_err().to_string().contains("could not be read in time"), "{again:?}");
    assert_eq!(again.len(), 1);
    drop(hangs);
}

#[test]
fn a_file_and_a_pipe_are_read_in_pieces_and_a_pipe_without_a_writer_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let [file, pipe] = ["file", "pipe"].map(|name| folder.path().join(name));
    let text = "one\ntwo\n".repeat(1000);
    fs::write(&file, &text).unwrap();
    let disk = Disk::new();
    let read = |path: &Path| {
        let mut found = String::new();
        io::BufReader::with_capacity(7, disk.open(path)?).read_to_string(&mut found).map(|_| found)
    };
    assert_eq!(read(&file).unwrap(), text);
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let (into, written) = (pipe.clone(), text.clone());
    let writer = thread::spawn(move || fs::write(into, written));
    assert_eq!(read(&pipe).unwrap(), text);
    writer.join().unwrap().unwrap();
    assert_eq!(read(folder.path()).unwrap_err().kind(), io::ErrorKind::IsADirectory);
    assert_eq!(read(&folder.path().join("gone")).unwrap_err().kind(), io::ErrorKind::NotFound);
    let impatient = Disk::with_patience(Duration::from_millis(50));
    assert_eq!(impatient.open(&pipe).unwrap_err().kind(), io::ErrorKind::TimedOut);
}

#[test]
fn a_file_system_that_hangs_is_waited_for_once_and_is_never_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::with_patience(Duration::from_millis(50));
    let path = folder.path().join("file");
    fs::write(&path, "text").unwrap();
    let (_hangs, never) = channel::<()>();
    let hung = disk.run(&path, &AtomicU64::new(0), move || never.recv().is_ok());
    assert_eq!(hung.unwrap_err().kind(), io::ErrorKind::TimedOut);
    assert!(disk.is_stuck());
    let other = disk.read(&folder.path().join("other")).unwrap_err();
    assert!(other.to_string().contains("file could not be read in time"), "{other}");
    let reads = disk.reads();
    assert!(!reads.look_again().is_same(&reads));
}

#[test]
fn slow_is_not_hung() {
    let disk = Disk::with_patience(Duration::from_millis(200));
    let progress = Arc::new(AtomicU64::new(0));
    let counted = progress.clone();
    let slow = move || {
        for _ in 0..8 {
            thread::sleep(Duration::from_millis(50));
            counted.fetch_add(1, Ordering::Relaxed);
        }
    };
    disk.run(Path::new("slow"), &progress, slow).unwrap();
}
