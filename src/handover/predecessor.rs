//! The running process, as the process sees it that replaces it.

use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt::socket_peercred;
use rustix::process::{Pid, PidfdFlags, geteuid, pidfd_open};

use super::channel::{Channel, HandoverError, Message, Parcel};
use super::sockets::Inherited;
use super::{GREETING, READYING, SOCKET, VERSION};

/// How long a process that closed its channel may take to end.
const ENDING: Duration = Duration::from_secs(1);

/// Longest time until the running process has closed its QUIC connections.
const QUIC: Duration = Duration::from_secs(5);

/// The running process. Its methods block.
#[derive(Debug)]
pub struct Predecessor {
    channel: Channel,
    pid: Pid,
    /// Readable once the process has ended; `None` on kernels before 5.3.
    ends: Option<OwnedFd>,
    program: String,
}

impl Predecessor {
    /// Finds the process that holds this state folder, and asks to replace it. Returns `None` if no process runs.
    /// `program` is this program's name and version; `manager` is the address on which its service manager listens.
    pub fn find(folder: &Path, program: &str, manager: Option<String>) -> Result<Option<Self>, HandoverError> {
        let stream = match UnixStream::connect(folder.join(SOCKET)) {
            Ok(stream) => stream,
            // The file of a process that was killed is still there.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => {
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        let peer = socket_peercred(&stream).map_err(io::Error::from)?;
        if !peer.uid.is_root() && peer.uid != geteuid() && !geteuid().is_root() {
            return Err(HandoverError::Refused(format!(
                "process {} belongs to another user",
                peer.pid.as_raw_nonzero()
            )));
        }
        let mut channel = Channel(stream);
        channel.send(&Message::Hello { version: VERSION, program: program.to_owned(), manager })?;
        match channel.receive(GREETING)? {
            Message::Welcome { program } => {
                let ends = pidfd_open(peer.pid, PidfdFlags::empty()).ok();
                Ok(Some(Self { channel, pid: peer.pid, ends, program }))
            }
            Message::Refused { why } => Err(HandoverError::Refused(why)),
            _ => Err(HandoverError::Unexpected),
        }
    }

    /// The process id.
    pub fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// The name and version of its program.
    pub fn program(&self) -> &str {
        &self.program
    }

    /// Asks for sockets and rows. From now on the process neither reloads nor changes TXT records, and its serials stay
    /// as they are.
    pub fn prepare(&mut self) -> Result<(Inherited, Parcel, Vec<u8>), HandoverError> {
        self.channel.send(&Message::Prepare)?;
        let (labels, with_lock, secret) = match self.channel.receive(READYING)? {
            Message::Prepared { sockets, with_lock, secret } => (sockets, with_lock, secret),
            Message::Refused { why } => return Err(HandoverError::Refused(why)),
            _ => return Err(HandoverError::Unexpected),
        };
        let mut descriptors = self.channel.receive_descriptors(labels.len() + usize::from(with_lock))?;
        let lock = if with_lock { descriptors.pop() } else { None };
        let inherited = Inherited::new(labels.into_iter().zip(descriptors));
        let rows = self.channel.receive_rows(GREETING)?;
        Ok((inherited, Parcel { lock, secret }, rows))
    }

    /// Asks for the last rows. From now on the process neither probes nor takes orders.
    pub fn take(&mut self) -> Result<Vec<u8>, HandoverError> {
        self.channel.send(&Message::Take)?;
        self.channel.receive_rows(READYING)
    }

    /// Reports that this process answers, and waits until everything belongs to this process. This is also the case if
    /// the other process has ended meanwhile. Fails if the other process goes on.
    pub fn replace(&mut self) -> Result<(), HandoverError> {
        let told = self.channel.send(&Message::Answering);
        match told.and_then(|()| self.channel.expect(&Message::Yours, GREETING)) {
            Err(_) if self.has_ended() => Ok(()),
            other => other,
        }
    }

    /// Waits until the process no longer reads the sockets of QUIC.
    pub fn wait_for_quic(mut self) {
        // If it ended or hangs, there is nothing more to wait for.
        let _ = self.channel.expect(&Message::QuicIsFree, QUIC);
    }

    /// Waits until the process has ended, but not longer than [`ENDING`].
    fn has_ended(&self) -> bool {
        let Some(ends) = &self.ends else { return false };
        let deadline = Instant::now() + ENDING;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let left = Timespec::try_from(left).ok();
            match poll(&mut [PollFd::new(ends, PollFlags::IN)], left.as_ref()) {
                Err(rustix::io::Errno::INTR) => {}
                polled => return polled.is_ok_and(|ready| ready > 0),
            }
        }
    }
}
