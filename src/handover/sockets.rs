//! Listening sockets that come from another process: from the one that is replaced, or from systemd.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, absolute};

use listenfd::ListenFd;
use serde::{Deserialize, Serialize};

/// The kind of a socket, as the kernel knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// UDP.
    Datagram,
    /// A listener for TCP.
    Stream,
    /// A listener in the file system.
    File,
}

/// The purpose of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// DNS over UDP: several sockets may share the address.
    Udp,
    /// DNS over TCP.
    Tcp,
    /// DNS over TLS.
    Tls,
    /// DNS over HTTPS.
    Https,
    /// DNS over QUIC.
    Quic,
    /// The admin server.
    Admin,
    /// The admin server's socket in the file system.
    AdminFile,
}

impl Role {
    /// The kind of its sockets.
    pub fn kind(self) -> Kind {
        match self {
            Self::Udp | Self::Quic => Kind::Datagram,
            Self::Tcp | Self::Tls | Self::Https | Self::Admin => Kind::Stream,
            Self::AdminFile => Kind::File,
        }
    }
}

/// The purpose of a socket, and its address as the configuration names it. The port is 0 if the kernel chose it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// The purpose.
    pub role: Role,
    /// The address, or the path.
    pub address: String,
}

impl Label {
    /// The address of a socket in the file system: the same for processes in all working directories.
    pub fn of_file(path: &Path) -> String {
        absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
    }
}

/// A socket with its label.
#[derive(Debug)]
pub struct Labelled {
    /// The label.
    pub label: Label,
    /// The socket.
    pub socket: OwnedFd,
}

impl Labelled {
    /// Labels a socket.
    pub fn new(role: Role, address: impl fmt::Display, socket: impl Into<OwnedFd>) -> Self {
        Self { label: Label { role, address: address.to_string() }, socket: socket.into() }
    }

    /// Returns the same socket under another descriptor. Fails if the process has no descriptor left.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { label: self.label.clone(), socket: self.socket.try_clone()? })
    }
}

/// Sockets that come from another process, and that were not taken yet.
#[derive(Debug, Default)]
pub struct Inherited(Vec<Offered>);

#[derive(Debug)]
struct Offered {
    /// `None` for a socket of systemd, which fits every role of its kind.
    role: Option<Role>,
    kind: Kind,
    address: String,
    socket: OwnedFd,
}

/// The reason why the sockets of systemd cannot be used.
#[derive(Debug)]
pub struct ActivationError(String);

impl fmt::Display for ActivationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "socket activation: {}", self.0)
    }
}

impl std::error::Error for ActivationError {}

impl Inherited {
    /// The sockets that systemd passes to this process (`LISTEN_FDS`), perhaps none. Fails if one of them is of another
    /// kind, or has no address. Removes the variables, so it must be called before there are other threads.
    pub fn from_systemd() -> Result<Self, ActivationError> {
        let mut passed = ListenFd::from_env();
        let offered = (0..passed.len()).map(|number| {
            let name = |why: &dyn fmt::Display| ActivationError(format!("descriptor {number}: {why}"));
            let of = |kind, address: Option<SocketAddr>, socket| {
                let address = address.ok_or_else(|| name(&"no address"))?.to_string();
                Ok(Offered { role: None, kind, address, socket })
            };
            if let Ok(Some(socket)) = passed.take_udp_socket(number) {
                return of(Kind::Datagram, socket.local_addr().ok(), socket.into());
            }
            if let Ok(Some(listener)) = passed.take_tcp_listener(number) {
                return of(Kind::Stream, listener.local_addr().ok(), listener.into());
            }
            let listener: UnixListener = passed
                .take_unix_listener(number)
                .ok()
                .flatten()
                .ok_or_else(|| name(&"neither a UDP socket nor a listener for TCP or in the file system"))?;
            let path = listener.local_addr().ok().and_then(|address| address.as_pathname().map(Path::to_owned));
            let address = path.ok_or_else(|| name(&"a socket without a path"))?.display().to_string();
            Ok(Offered { role: None, kind: Kind::File, address, socket: listener.into() })
        });
        offered.collect::<Result<_, _>>().map(Self)
    }

    /// The sockets of the process that is replaced.
    pub(super) fn new(labelled: impl IntoIterator<Item = (Label, OwnedFd)>) -> Self {
        let offered = labelled.into_iter().map(|(Label { role, address }, socket)| Offered {
            role: Some(role),
            kind: role.kind(),
            address,
            socket,
        });
        Self(offered.collect())
    }

    /// Takes all sockets with this purpose and address. Returns none if there is none.
    pub fn take(&mut self, role: Role, address: impl fmt::Display) -> Vec<OwnedFd> {
        let address = address.to_string();
        let fits = |offered: &mut Offered| {
            let is_for_it = offered.role.map_or(offered.kind == role.kind(), |its| its == role);
            is_for_it && offered.address == address
        };
        self.0.extract_if(.., fits).map(|offered| offered.socket).collect()
    }

    /// The addresses of the sockets that were not taken.
    pub fn left(&self) -> Vec<String> {
        let protocol = |kind| match kind {
            Kind::Datagram => "UDP",
            Kind::Stream => "TCP",
            Kind::File => "file system",
        };
        self.0.iter().map(|offered| format!("{} ({})", offered.address, protocol(offered.kind))).collect()
    }
}
