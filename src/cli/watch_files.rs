//! Notices when the files of a configuration differ from those that were read.
//!
//! ```text
//!   the kernel reports a name of interest ─┐
//!   every few seconds ─────────────────────┴─► look: do files differ? ─ yes, and quiet for a while ─► a change
//! ```
//!
//! The files on disk are compared with those that were read, by their identity. So there is no second reload for an
//! edit that an ordered reload has read already, and other files in the folders do not matter. Reports from the kernel
//! only make it faster. Where there are none, as on network file systems, for files with several names, or if inotify
//! has no room, the regular look finds the change.

mod ears;
mod folders;
mod vigil;

use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Instant;

use rustix::event::{EventfdFlags, eventfd};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tracing::error;

use crate::config::Watching;
use crate::disk::Reads;
use ears::Ears;
use folders::Folders;
use vigil::{Found, Vigil};

/// A handle to the watching thread.
pub(super) struct FileWatch {
    orders: mpsc::Sender<Order>,
    /// Wakes the thread when there is an order.
    bell: Arc<OwnedFd>,
    changes: UnboundedReceiver<u64>,
    /// The number of orders so far.
    number: u64,
}

/// The files to watch from now on.
struct Order {
    number: u64,
    reads: Reads,
    watching: Watching,
}

/// The state of the thread.
struct Watcher {
    orders: mpsc::Receiver<Order>,
    changes: UnboundedSender<u64>,
    ears: Ears,
}

impl FileWatch {
    /// Starts the thread, with no file to watch yet. Fails if the system has no thread or no descriptor for it.
    pub(super) fn start() -> io::Result<Self> {
        let bell = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        Self::start_with(Ears::new(bell.clone()), bell)
    }

    fn start_with(ears: Ears, bell: Arc<OwnedFd>) -> io::Result<Self> {
        let (orders, received) = mpsc::channel();
        let (sender, changes) = unbounded_channel();
        let watcher = Watcher { orders: received, changes: sender, ears };
        thread::Builder::new().name("watch".to_owned()).spawn(move || watcher.run())?;
        Ok(Self { orders, bell, changes, number: 0 })
    }

    /// Watches the files that were read, and no others.
    pub(super) fn follow(&mut self, reads: Reads, watching: Watching) {
        self.number += 1;
        // The thread can only have ended after a panic, which was logged.
        let _ = self.orders.send(Order { number: self.number, reads, watching });
        ears::ring(&self.bell);
    }

    /// Waits until the files differ from those that were read last.
    pub(super) async fn changed(&mut self) {
        loop {
            match self.changes.recv().await {
                Some(number) if number == self.number => return,
                // The files were read again in the meantime.
                Some(_) => {}
                None => {
                    error!("the node no longer notices changed files: send SIGHUP, or run `truenorth reload`");
                    return std::future::pending().await;
                }
            }
        }
    }
}

impl Drop for FileWatch {
    fn drop(&mut self) {
        // The thread ends when it wakes and finds no sender.
        let (nowhere, _) = mpsc::channel();
        self.orders = nowhere;
        ears::ring(&self.bell);
    }
}

impl Watcher {
    fn run(mut self) {
        let mut followed: Option<(u64, Vigil)> = None;
        loop {
            let wake_at = followed.as_ref().map(|(_, vigil)| vigil.wake_at(Instant::now()));
            let is_stirred = self.ears.listen(wake_at);
            loop {
                match self.orders.try_recv() {
                    Ok(order) => followed = self.follow(order),
                    Err(mpsc::TryRecvError::Empty) => break,
                    Err(mpsc::TryRecvError::Disconnected) => return,
                }
            }
            let Some((number, vigil)) = &mut followed else { continue };
            let now = Instant::now();
            if is_stirred {
                vigil.stir(now);
            }
            match vigil.turn(now, self.ears.is_writing(now)) {
                // The node may be stopping.
                Found::Change => _ = self.changes.send(*number),
                Found::Same => _ = self.ears.listen_to(&Folders::of(vigil.read())),
                Found::Nothing => {}
            }
        }
    }

    fn follow(&mut self, Order { number, reads, watching }: Order) -> Option<(u64, Vigil)> {
        if !watching.is_on {
            self.ears.listen_to(&Folders::default());
            return None;
        }
        let is_sharp = self.ears.listen_to(&Folders::of(&reads));
        Some((number, Vigil::new(reads, watching.quiet, is_sharp, Instant::now())))
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;
    use crate::disk::Disk;

    /// Longest time until a change on disk is reported, however busy the machine is.
    const PATIENCE: Duration = Duration::from_secs(20);

    const WATCHING: Watching = Watching { is_on: true, quiet: Duration::from_millis(100) };

    fn is_zone(name: &OsStr) -> bool {
        Path::new(name).extension().is_some_and(|extension| extension == "zone")
    }

    /// Two releases with a zone and an included file. The first release is current.
    struct Scene {
        folder: tempfile::TempDir,
    }

    impl Scene {
        fn new() -> Self {
            let scene = Self { folder: tempfile::tempdir().unwrap() };
            for release in ["one", "two"] {
                fs::create_dir_all(scene.at(release).join("zones/parts")).unwrap();
                fs::write(scene.at(release).join("zones/a.zone"), release).unwrap();
                fs::write(scene.at(release).join("zones/parts/hosts"), release).unwrap();
            }
            fs::write(scene.at("shared"), "shared").unwrap();
            symlink("../../shared", scene.at("one/zones/b.zone")).unwrap();
            symlink("one", scene.at("current")).unwrap();
            scene
        }

        fn at(&self, path: &str) -> std::path::PathBuf {
            self.folder.path().join(path)
        }

        fn turn(&self, target: &str, link: &str) {
            symlink(target, self.at("new")).unwrap();
            fs::rename(self.at("new"), self.at(link)).unwrap();
        }

        fn read(&self) -> Reads {
            let disk = Disk::new();
            for path in disk.list(&self.at("current/zones"), is_zone).unwrap() {
                disk.read(&path).unwrap();
            }
            disk.read(&self.at("current/zones/parts/hosts")).unwrap();
            disk.reads()
        }
    }

    /// Asserts that a change is reported after `change` ran, both with the kernel's reports and without them.
    async fn expect_change(what: &str, change: impl Fn(&Scene)) {
        for is_deaf in [false, true] {
            let scene = Scene::new();
            let bell = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).unwrap());
            let ears = if is_deaf { Ears::deaf(bell.clone()) } else { Ears::new(bell.clone()) };
            let mut watch = FileWatch::start_with(ears, bell).unwrap();
            watch.follow(scene.read(), WATCHING);
            change(&scene);
            timeout(PATIENCE, watch.changed()).await.unwrap_or_else(|_| panic!("{what}, deaf: {is_deaf}"));
            // The change is reported once.
            watch.follow(scene.read(), WATCHING);
            let again = timeout(WATCHING.quiet * 5, watch.changed()).await;
            assert!(again.is_err(), "{what}, deaf: {is_deaf}: it was read again, and is told again");
        }
    }

    #[tokio::test]
    async fn whatever_reading_would_find_is_told_once() {
        expect_change("an edit", |scene| fs::write(scene.at("one/zones/a.zone"), "edited").unwrap()).await;
        expect_change("a link above", |scene| scene.turn("two", "current")).await;
        expect_change("a link's target", |scene| fs::write(scene.at("shared"), "edited").unwrap()).await;
        expect_change("a link that is turned", |scene| scene.turn("../../one/zones/a.zone", "one/zones/b.zone")).await;
        expect_change("a part in a subfolder", |scene| {
            fs::write(scene.at("one/zones/parts/hosts"), "edited").unwrap();
        })
        .await;
        expect_change("another name", |scene| fs::write(scene.at("one/zones/c.zone"), "").unwrap()).await;
        expect_change("a name that goes", |scene| fs::remove_file(scene.at("one/zones/b.zone")).unwrap()).await;
        expect_change("a folder that is replaced", |scene| {
            fs::rename(scene.at("one/zones"), scene.at("before")).unwrap();
            fs::rename(scene.at("two/zones"), scene.at("one/zones")).unwrap();
        })
        .await;
        expect_change("a second name of the file", |scene| {
            fs::hard_link(scene.at("shared"), scene.at("other")).unwrap();
            fs::write(scene.at("other"), "edited").unwrap();
        })
        .await;
    }

    #[tokio::test]
    async fn neighbours_do_not_count_and_a_switch_turns_it_off() {
        let scene = Scene::new();
        let mut watch = FileWatch::start().unwrap();
        watch.follow(scene.read(), WATCHING);
        fs::write(scene.at("one/zones/a.tml"), "").unwrap();
        fs::write(scene.at("one/zones/parts/others"), "").unwrap();
        fs::write(scene.at("beside"), "").unwrap();
        assert!(timeout(WATCHING.quiet * 5, watch.changed()).await.is_err());
        watch.follow(scene.read(), Watching { is_on: false, ..WATCHING });
        fs::write(scene.at("one/zones/a.zone"), "edited").unwrap();
        assert!(timeout(WATCHING.quiet * 5, watch.changed()).await.is_err());
        watch.follow(scene.read(), WATCHING);
        fs::write(scene.at("one/zones/a.zone"), "edited again").unwrap();
        timeout(PATIENCE, watch.changed()).await.unwrap();
    }

    #[tokio::test]
    async fn an_edit_that_was_read_meanwhile_is_not_told() {
        let scene = Scene::new();
        let mut watch = FileWatch::start().unwrap();
        watch.follow(scene.read(), WATCHING);
        fs::write(scene.at("one/zones/a.zone"), "edited").unwrap();
        watch.follow(scene.read(), WATCHING);
        assert!(timeout(WATCHING.quiet * 5, watch.changed()).await.is_err());
    }
}
