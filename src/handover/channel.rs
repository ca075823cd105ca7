//! Messages, rows and descriptors on a stream between two processes.
//!
//! A message is JSON behind its length, so that a later version can add fields. Rows are octets behind their length.
//! Descriptors come with single octets after the message that lists them.

use std::fmt;
use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize};

use super::sockets::Label;

/// Descriptors that one system call carries; the kernel's limit is 253.
const AT_ONCE: usize = 64;

/// Maximum number of octets of a message.
const MAX_MESSAGE: u64 = 16 << 20;

/// Maximum number of octets of rows.
const MAX_ROWS: u64 = 4 << 30;

/// A message. The module doc of `handover` shows their order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Message {
    Hello {
        version: u32,
        program: String,
        /// The address on which the service manager listens to the new process.
        manager: Option<String>,
    },
    Welcome {
        program: String,
    },
    Refused {
        why: String,
    },
    Prepare,
    Prepared {
        sockets: Vec<Label>,
        /// True if the lock of the state folder comes after the sockets.
        with_lock: bool,
        /// The secret of server cookies.
        secret: Vec<u8>,
    },
    Take,
    Answering,
    Yours,
    QuicIsFree,
}

/// Everything that the running process gives away, apart from its sockets.
#[derive(Debug)]
pub struct Parcel {
    /// The lock of the state folder, if the process holds it.
    pub lock: Option<OwnedFd>,
    /// The secret that server cookies are made with.
    pub secret: Vec<u8>,
}

/// The reason why a hand-over ended.
#[derive(Debug)]
pub enum HandoverError {
    /// The other process closed the channel, or ended.
    Gone,
    /// The other process did not answer in time.
    Late,
    /// The other process refused, with its reason.
    Refused(String),
    /// The other process sent something else than expected.
    Unexpected,
    /// Another error of the operating system.
    Io(io::Error),
}

impl fmt::Display for HandoverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("the other process ended, or closed the channel"),
            Self::Late => f.write_str("the other process did not answer in time"),
            Self::Refused(why) => f.write_str(why),
            Self::Unexpected => f.write_str("the other process sent an unexpected message"),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for HandoverError {}

impl From<io::Error> for HandoverError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe | ErrorKind::ConnectionReset => Self::Gone,
            ErrorKind::WouldBlock | ErrorKind::TimedOut => Self::Late,
            _ => Self::Io(error),
        }
    }
}

/// One end of the stream.
#[derive(Debug)]
pub(super) struct Channel(pub(super) UnixStream);

impl Channel {
    /// Sends a message. Fails if the other process does not read.
    pub(super) fn send(&mut self, message: &Message) -> Result<(), HandoverError> {
        let text = serde_json::to_vec(message).map_err(|_| HandoverError::Unexpected)?;
        self.send_rows(&text)
    }

    /// Receives the next message within this time.
    pub(super) fn receive(&mut self, within: Duration) -> Result<Message, HandoverError> {
        let text = self.receive_octets(within, MAX_MESSAGE)?;
        serde_json::from_slice(&text).map_err(|_| HandoverError::Unexpected)
    }

    /// Receives the next message, which has to be this one. A refusal becomes an error.
    pub(super) fn expect(&mut self, expected: &Message, within: Duration) -> Result<(), HandoverError> {
        match self.receive(within)? {
            message if message == *expected => Ok(()),
            Message::Refused { why } => Err(HandoverError::Refused(why)),
            _ => Err(HandoverError::Unexpected),
        }
    }

    pub(super) fn send_rows(&mut self, octets: &[u8]) -> Result<(), HandoverError> {
        self.0.set_write_timeout(Some(super::GREETING))?;
        self.0.write_all(&(octets.len() as u64).to_le_bytes())?;
        Ok(self.0.write_all(octets)?)
    }

    pub(super) fn receive_rows(&mut self, within: Duration) -> Result<Vec<u8>, HandoverError> {
        self.receive_octets(within, MAX_ROWS)
    }

    fn receive_octets(&mut self, within: Duration, most: u64) -> Result<Vec<u8>, HandoverError> {
        self.0.set_read_timeout(Some(within))?;
        let mut length = [0; 8];
        self.0.read_exact(&mut length)?;
        let length = u64::from_le_bytes(length);
        if length > most {
            return Err(HandoverError::Unexpected);
        }
        let mut octets = Vec::new();
        self.0.set_read_timeout(Some(super::GREETING))?;
        (&self.0).take(length).read_to_end(&mut octets)?;
        if octets.len() as u64 == length { Ok(octets) } else { Err(HandoverError::Gone) }
    }

    pub(super) fn send_descriptors(&mut self, descriptors: &[BorrowedFd<'_>]) -> Result<(), HandoverError> {
        self.0.set_write_timeout(Some(super::GREETING))?;
        for some in descriptors.chunks(AT_ONCE) {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(AT_ONCE))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            control.push(SendAncillaryMessage::ScmRights(some));
            sendmsg(self.0.as_fd(), &[IoSlice::new(&[0])], &mut control, SendFlags::NOSIGNAL)
                .map_err(io::Error::from)?;
        }
        Ok(())
    }

    /// Receives this many descriptors.
    pub(super) fn receive_descriptors(&mut self, count: usize) -> Result<Vec<OwnedFd>, HandoverError> {
        self.0.set_read_timeout(Some(super::GREETING))?;
        let mut descriptors = Vec::new();
        while descriptors.len() < count {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(AT_ONCE))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let mut octet = [0];
            let received =
                recvmsg(self.0.as_fd(), &mut [IoSliceMut::new(&mut octet)], &mut control, RecvFlags::CMSG_CLOEXEC)
                    .map_err(io::Error::from)?;
            let before = descriptors.len();
            for message in control.drain() {
                if let RecvAncillaryMessage::ScmRights(some) = message {
                    descriptors.extend(some);
                }
            }
            if received.bytes == 0 {
                return Err(HandoverError::Gone);
            }
            // If this process reaches its limit of descriptors, the kernel drops the rest.
            if descriptors.len() == before {
                return Err(HandoverError::Unexpected);
            }
        }
        if descriptors.len() == count { Ok(descriptors) } else { Err(HandoverError::Unexpected) }
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    #[test]
    fn descriptors_rows_and_messages_arrive_in_order() {
        let (one, other) = UnixStream::pair().unwrap();
        let (mut one, mut other) = (Channel(one), Channel(other));
        let sockets: Vec<UdpSocket> =
            (0..AT_ONCE + 3).map(|_| UdpSocket::bind((std::net::Ipv4Addr::LOCALHOST, 0)).unwrap()).collect();
        one.send(&Message::Take).unwrap();
        one.send_descriptors(&sockets.iter().map(AsFd::as_fd).collect::<Vec<_>>()).unwrap();
        one.send_rows(b"rows").unwrap();
        other.expect(&Message::Take, super::super::GREETING).unwrap();
        let received = other.receive_descriptors(sockets.len()).unwrap();
        let address = |socket: OwnedFd| UdpSocket::from(socket).local_addr().unwrap();
        assert!(received.into_iter().map(address).eq(sockets.iter().map(|socket| socket.local_addr().unwrap())));
        assert_eq!(other.receive_rows(super::super::GREETING).unwrap(), b"rows");
        drop(one);
        assert!(matches!(other.receive(super::super::GREETING), Err(HandoverError::Gone)));
    }

    #[test]
    fn a_refusal_has_its_reason_and_silence_ends() {
        let (one, other) = UnixStream::pair().unwrap();
        let (mut one, mut other) = (Channel(one), Channel(other));
        one.send(&Message::Refused { why: "no".to_owned() }).unwrap();
        let refused = other.expect(&Message::Yours, super::super::GREETING).unwrap_err();
        assert_eq!(refused.to_string(), "no");
        assert!(matches!(other.receive(Duration::from_millis(10)), Err(HandoverError::Late)));
    }
}
