//! The listener of the socket in the file system. If somebody deletes the file of the socket, it is created again.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use tokio::sync::{mpsc, watch};
use tracing::error;

use super::connection;
use super::rooms::Rooms;
use crate::handover::{KeptSocket, Label, Labelled, PrivateSocket, Role};

/// Number of listeners that wait to be used. At most one a second is created.
const WAITING: usize = 1;

/// The socket, as the rest of the server sees it.
#[derive(Debug)]
pub(super) struct FileListener {
    file: KeptSocket,
    /// The listener that is used now, for a process that replaces this one.
    latest: Arc<Mutex<OwnedFd>>,
}

impl FileListener {
    /// Creates the file again whenever it is gone. Returns the receiver of listeners: this one first, then each new
    /// one, which replaces the one before.
    pub(super) fn start(
        file: PrivateSocket,
        listener: UnixListener,
    ) -> io::Result<(Self, mpsc::Receiver<UnixListener>)> {
        let latest = Arc::new(Mutex::new(OwnedFd::from(listener.try_clone()?)));
        let (sender, listeners) = mpsc::channel(WAITING);
        // This cannot fail: the channel is empty, and its receiver exists.
        let _ = sender.try_send(listener);
        let replaced = latest.clone();
        let renewed =
            move |listener: UnixListener| match listener.set_nonblocking(true).and_then(|()| listener.try_clone()) {
                Ok(handle) => {
                    *replaced.lock().unwrap_or_else(PoisonError::into_inner) = handle.into();
                    // The server may have stopped.
                    let _ = sender.blocking_send(listener);
                }
                Err(error) => not_used(&error),
            };
        let file = KeptSocket::start(file, "the admin server's socket", renewed)?;
        Ok((Self { file, latest }, listeners))
    }

    /// Returns the path of the socket.
    pub(super) fn path(&self) -> &Path {
        self.file.path()
    }

    /// Returns a copy of the listener that is used now.
    pub(super) fn labelled(&self) -> io::Result<Labelled> {
        let socket = self.latest.lock().unwrap_or_else(PoisonError::into_inner).try_clone()?;
        Ok(Labelled::new(Role::AdminFile, Label::of_file(self.path()), socket))
    }

    /// Leaves the file to another process.
    pub(super) fn leave(self) {
        self.file.leave();
    }
}

/// Accepts the connections of the latest listener until the server stops.
pub(super) async fn accept(
    mut listeners: mpsc::Receiver<UnixListener>,
    routes: Router,
    rooms: Arc<Rooms>,
    stopping: watch::Receiver<()>,
) {
    let mut latest = next(&mut listeners).await;
    loop {
        let listener = match tokio::net::UnixListener::from_std(latest) {
            Ok(listener) => listener,
            Err(error) => {
                not_used(&error);
                latest = next(&mut listeners).await;
                continue;
            }
        };
        tokio::select! {
            () = connection::accept(listener, None, routes.clone(), rooms.clone(), stopping.clone()) => return,
            newer = next(&mut listeners) => latest = newer,
        }
    }
}

/// Waits for the next listener. Waits for ever if there is no sender any more.
async fn next(listeners: &mut mpsc::Receiver<UnixListener>) -> UnixListener {
    match listeners.recv().await {
        Some(listener) => listener,
        None => std::future::pending().await,
    }
}

fn not_used(error: &io::Error) {
    error!(%error, "the admin server's socket was created again, but cannot be used");
}
