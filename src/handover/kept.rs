//! Keeps the file of a listening socket in its place while the process runs.
//!
//! A thread of its own looks, because the file system may hang. It ends with the [`KeptSocket`].

use std::io;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use tracing::warn;

use super::private::PrivateSocket;
use crate::duration::Written;

/// How often the thread looks.
const LOOK: Duration = Duration::from_secs(1);

/// Longest time that the end of the process waits for a file system that hangs.
const ENDING: Duration = Duration::from_millis(500);

/// A listening socket whose file is made again when it is gone. Dropping it removes the file.
#[derive(Debug)]
pub struct KeptSocket {
    path: PathBuf,
    /// Closed when it is time to end. A message says that the file stays.
    ending: Option<mpsc::Sender<Leave>>,
    /// Closed when the thread has ended.
    ended: mpsc::Receiver<()>,
}

/// The file is left to another process.
#[derive(Debug)]
struct Leave;

impl KeptSocket {
    /// Looks after the file. When it is gone and can be made again, `renewed` gets the new listener. `what` names the
    /// socket for the log. Fails if there is no thread.
    pub fn start(
        file: PrivateSocket,
        what: &'static str,
        renewed: impl FnMut(UnixListener) + Send + 'static,
    ) -> io::Result<Self> {
        let path = file.path().to_owned();
        let ((ending, asked), (done, ended)) = (mpsc::channel(), mpsc::channel());
        let keep = move || {
            keep(file, what, renewed, &asked);
            drop(done);
        };
        thread::Builder::new().name("socket-file".to_owned()).spawn(keep)?;
        Ok(Self { path, ending: Some(ending), ended })
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves the file to another process.
    pub fn leave(self) {
        // The thread ends only with this.
        let _ = self.ending.as_ref().map(|ending| ending.send(Leave));
    }
}

impl Drop for KeptSocket {
    fn drop(&mut self) {
        self.ending = None;
        let _ = self.ended.recv_timeout(ENDING);
    }
}

fn keep(mut file: PrivateSocket, what: &str, mut renewed: impl FnMut(UnixListener), asked: &mpsc::Receiver<Leave>) {
    let mut is_told = false;
    loop {
        match asked.recv_timeout(LOOK) {
            Ok(Leave) => return file.leave(),
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) if file.is_in_place() => {
                is_told = false;
                continue;
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
        let path = file.path().display().to_string();
        match file.renew() {
            Ok(listener) => {
                is_told = false;
                warn!(path, "{what} was moved or removed: it is created again");
                renewed(listener);
            }
            Err(error) if !is_told => {
                is_told = true;
                warn!(path, %error, retry = %Written(LOOK), "{what} was moved or removed, and cannot be created again");
            }
            Err(_) => {}
        }
    }
}
