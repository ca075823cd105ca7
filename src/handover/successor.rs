//! Processes that ask to replace this one.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustix::net::sockopt::socket_peercred;
use rustix::net::{Shutdown, shutdown};
use rustix::process::geteuid;
use tokio::sync::mpsc;
use tracing::warn;

use super::channel::{Channel, HandoverError, Message, Parcel};
use super::kept::KeptSocket;
use super::private::PrivateSocket;
use super::sockets::Labelled;
use super::{CHECKING, GREETING, PREPARING, SOCKET, TAKING, VERSION};

/// Waits for processes that ask to replace this one, and admits one at a time. Dropping it removes the socket.
#[derive(Debug)]
pub struct Successors {
    file: KeptSocket,
    ready: mpsc::Receiver<Successor>,
}

/// A process that has read its configuration and asks for the sockets. Dropping it before [`release`](Self::release)
/// tells it that this process goes on. The methods block.
#[derive(Debug)]
pub struct Successor {
    channel: Channel,
    pid: i32,
    program: String,
    _turn: Turn,
}

/// The facts that every greeting needs.
struct Greeter {
    program: String,
    manager: Option<String>,
    is_taken: Arc<AtomicBool>,
    ready: mpsc::Sender<Successor>,
}

/// The turn of the one process that is admitted.
#[derive(Debug)]
struct Turn(Arc<AtomicBool>);

impl Turn {
    fn take(is_taken: &Arc<AtomicBool>) -> Option<Self> {
        (!is_taken.swap(true, Ordering::AcqRel)).then(|| Self(is_taken.clone()))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl Successors {
    /// Listens in the state folder, in the place of the process that this one replaced. Fails if the system refuses the
    /// socket or the thread. `program` is this program's name and version; `manager` is the address on which its
    /// service manager listens.
    pub fn listen(folder: &Path, program: &str, manager: Option<String>) -> io::Result<Self> {
        let (file, listener) = PrivateSocket::bind_over(&folder.join(SOCKET))?;
        let (sender, ready) = mpsc::channel(1);
        let greeter = Greeter { program: program.to_owned(), manager, is_taken: Arc::default(), ready: sender };
        let mut latest = listener.try_clone()?;
        let greeter = Arc::new(greeter);
        greeter.listen(listener)?;
        let renewed = move |listener: UnixListener| {
            // Nobody can reach the old one, and its thread ends. Without a descriptor or a thread nobody can replace this
            // process.
            let _ = shutdown(&latest, Shutdown::Both);
            let listening = listener.try_clone().and_then(|handle| {
                latest = handle;
                greeter.listen(listener)
            });
            let _ = listening.inspect_err(|error| warn!(%error, "no process can replace this one"));
        };
        Ok(Self { file: KeptSocket::start(file, "the socket for processes that replace this one", renewed)?, ready })
    }

    /// Waits for the next process that is ready to replace this one.
    pub async fn next(&mut self) -> Successor {
        match self.ready.recv().await {
            Some(successor) => successor,
            None => std::future::pending().await,
        }
    }

    /// Leaves the socket's file to the process that replaced this one.
    pub fn leave(self) {
        self.file.leave();
    }
}

/// Greets every process that connects, until this process ends or the listener is shut down.
fn accept(listener: &UnixListener, greeter: &Arc<Greeter>) {
    for stream in listener.incoming() {
        let stream = match stream {
            Ok(stream) => stream,
            // Its file is gone, and another listener has taken its place.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => return,
            // Without a descriptor or a thread nobody is greeted; the next one may be.
            Err(_) => {
                thread::sleep(GREETING);
                continue;
            }
        };
        let greeter = greeter.clone();
        // An error means that the other process has gone, or that it got a refusal.
        let greet = move || _ = greeter.greet(stream);
        let _ = thread::Builder::new().name("handover".to_owned()).spawn(greet);
    }
}

impl Greeter {
    /// Greets whoever connects, on a thread of its own.
    fn listen(self: &Arc<Self>, listener: UnixListener) -> io::Result<()> {
        let greeter = self.clone();
        thread::Builder::new().name("handover".to_owned()).spawn(move || accept(&listener, &greeter)).map(drop)
    }

    fn greet(&self, stream: UnixStream) -> Result<(), HandoverError> {
        let peer = socket_peercred(&stream).map_err(io::Error::from)?;
        let mut channel = Channel(stream);
        if !peer.uid.is_root() && peer.uid != geteuid() {
            return channel.send(&refusal("only the user of the running process, or root, may replace it"));
        }
        let Message::Hello { version, program, manager } = channel.receive(GREETING)? else {
            return Err(HandoverError::Unexpected);
        };
        if version != VERSION {
            return channel.send(&refusal(&format!(
                "the running process ({}) hands over in another way (version {VERSION}, not {version}): stop it, and \
                 start the new one",
                self.program
            )));
        }
        if self.manager.is_some() && manager != self.manager {
            return channel.send(&refusal(
                "the running process is a service of systemd, which would stop its replacement: replace it with \
                 `systemctl kill --kill-whom=main --signal=USR2` and the name of its unit",
            ));
        }
        let Some(turn) = Turn::take(&self.is_taken) else {
            return channel.send(&refusal("another process is already replacing the running one"));
        };
        channel.send(&Message::Welcome { program: self.program.clone() })?;
        channel.expect(&Message::Prepare, CHECKING)?;
        let pid = peer.pid.as_raw_nonzero().get();
        // The node may be stopping.
        let _ = self.ready.blocking_send(Successor { channel, pid, program, _turn: turn });
        Ok(())
    }
}

fn refusal(why: &str) -> Message {
    Message::Refused { why: why.to_owned() }
}

impl Successor {
    /// The process id.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// The name and version of its program.
    pub fn program(&self) -> &str {
        &self.program
    }

    /// Tells the process why it cannot replace this one.
    pub fn refuse(mut self, why: &str) {
        // It may be gone.
        let _ = self.channel.send(&refusal(why));
    }

    /// Gives the other process the sockets and the rows, and waits until it is ready to take over. Fails if it refuses,
    /// ends or takes too long.
    pub fn prepare(&mut self, sockets: &[Labelled], parcel: &Parcel, rows: &[u8]) -> Result<(), HandoverError> {
        let labels = sockets.iter().map(|socket| socket.label.clone()).collect();
        let Parcel { lock, secret } = parcel;
        let prepared = Message::Prepared { sockets: labels, with_lock: lock.is_some(), secret: secret.clone() };
        self.channel.send(&prepared)?;
        let mut descriptors: Vec<BorrowedFd<'_>> = sockets.iter().map(|labelled| labelled.socket.as_fd()).collect();
        descriptors.extend(lock.as_ref().map(AsFd::as_fd));
        self.channel.send_descriptors(&descriptors)?;
        self.channel.send_rows(rows)?;
        self.channel.expect(&Message::Take, PREPARING)
    }

    /// Gives the other process the last rows, and waits until it answers queries. Fails if it refuses, ends or takes
    /// too long.
    pub fn hand_over(&mut self, rows: &[u8]) -> Result<(), HandoverError> {
        self.channel.send_rows(rows)?;
        self.channel.expect(&Message::Answering, TAKING)
    }

    /// Gives the other process ownership of everything. Fails if it has ended.
    pub fn release(&mut self) -> Result<(), HandoverError> {
        self.channel.send(&Message::Yours)
    }

    /// Tells the other process that this one no longer reads the sockets of QUIC.
    pub fn free_quic(mut self) {
        // An error means that the other process has ended, or no longer waits for the message.
        let _ = self.channel.send(&Message::QuicIsFree);
    }
}
