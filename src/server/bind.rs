//! Sockets, bound before anything is answered.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::num::NonZeroUsize;
use std::os::fd::AsFd;

use socket2::{Domain, Protocol, Socket, Type};

use super::{batch, udp};
use crate::answer::Transport;

/// Octets of queries that the kernel keeps for a worker which is busy: about a thousand of them. The kernel doubles the
/// number for its own overhead, and grants no more than `net.core.rmem_max`.
const RECEIVE_BUFFER: usize = 1 << 20;

/// Octets of answers that the kernel keeps until they are on their way; as above, `net.core.wmem_max`.
const SEND_BUFFER: usize = 1 << 20;

/// Connections that the kernel keeps until they are accepted; at most `net.core.somaxconn`.
const LISTEN_BACKLOG: i32 = 1024;

/// Connections that may begin with a query before their client has shown that it is there (RFC 7413, section 5.1, has the
/// limit against forged sources).
const FAST_OPEN_QUEUE: i32 = 128;

/// How often another port is tried when the kernel's choice for UDP is taken for TCP.
const PORT_ATTEMPTS: usize = 32;

/// The sockets of one address.
#[derive(Debug)]
pub(super) struct Sockets {
    /// With the port that the kernel chose.
    pub(super) address: SocketAddr,
    /// One for each worker.
    pub(super) udp: Vec<Socket>,
    pub(super) tcp: TcpListener,
}

/// Why an address cannot be listened on.
#[derive(Debug)]
pub struct BindError {
    /// As it was given.
    pub address: SocketAddr,
    /// By which way.
    pub transport: Transport,
    /// What is wrong.
    pub reason: BindFailure,
}

/// What is wrong with an address.
#[derive(Debug)]
pub enum BindFailure {
    /// Another process listens there, or it is given twice.
    InUse,
    /// The process may not listen there.
    NotPermitted,
    /// No interface of this host has it.
    NotHere,
    /// Something else.
    Other(io::Error),
}

/// Ports below it are privileged (`net.ipv4.ip_unprivileged_port_start`, unless it was changed).
const FIRST_UNPRIVILEGED_PORT: u16 = 1024;

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot listen on {} ({}): ", self.address, self.transport.as_str())?;
        match &self.reason {
            BindFailure::InUse => f.write_str("another process listens there, or the address is given twice"),
            BindFailure::NotPermitted if self.address.port() < FIRST_UNPRIVILEGED_PORT => {
                write!(f, "not permitted; ports below {FIRST_UNPRIVILEGED_PORT} need root or CAP_NET_BIND_SERVICE")
            }
            BindFailure::NotPermitted => f.write_str("not permitted"),
            BindFailure::NotHere => f.write_str("this host does not have the address"),
            BindFailure::Other(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for BindError {}

impl From<io::Error> for BindFailure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::AddrInUse => Self::InUse,
            ErrorKind::PermissionDenied => Self::NotPermitted,
            ErrorKind::AddrNotAvailable => Self::NotHere,
            _ => Self::Other(error),
        }
    }
}

impl Sockets {
    /// Binds one address for so many workers. Port 0 is one that the kernel chooses, the same for UDP and TCP.
    pub(super) fn bind(address: SocketAddr, workers: NonZeroUsize) -> Result<Self, BindError> {
        let mut attempts = if address.port() == 0 { PORT_ATTEMPTS } else { 1 };
        loop {
            attempts -= 1;
            match Self::try_bind(address, workers) {
                Err(BindError { reason: BindFailure::InUse, .. }) if attempts > 0 => {}
                settled => return settled,
            }
        }
    }

    fn try_bind(address: SocketAddr, workers: NonZeroUsize) -> Result<Self, BindError> {
        let fault = |transport| move |error: io::Error| BindError { address, transport, reason: error.into() };
        let (chosen, udp) = bind_udp(address, workers).map_err(fault(Transport::Udp))?;
        let tcp = bind_tcp(chosen).map_err(fault(Transport::Tcp))?;
        Ok(Self { address: chosen, udp, tcp })
    }
}

/// A listener for an encrypted way over TCP.
pub(super) fn bind_stream(address: SocketAddr, transport: Transport) -> Result<TcpListener, BindError> {
    bind_tcp(address).map_err(|error| BindError { address, transport, reason: error.into() })
}

/// A socket for QUIC, which sets its own options.
pub(super) fn bind_quic(address: SocketAddr) -> Result<UdpSocket, BindError> {
    let bind = || {
        let socket = socket(address, Type::DGRAM, Protocol::UDP)?;
        socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
        socket.set_send_buffer_size(SEND_BUFFER)?;
        socket.bind(&address.into())?;
        Ok(socket.into())
    };
    bind().map_err(|error: io::Error| BindError { address, transport: Transport::Quic, reason: error.into() })
}

/// The address with its port, and a socket for each worker.
fn bind_udp(address: SocketAddr, workers: NonZeroUsize) -> io::Result<(SocketAddr, Vec<Socket>)> {
    // SO_REUSEPORT would let any process of this user join in, a second truenorth too, and take a part of the queries. So the
    // first socket is bound without it: that fails if anyone is there already. Then it opens the door for its own kind.
    let first = udp_socket(address)?;
    first.bind(&address.into())?;
    first.set_reuse_port(true)?;
    let chosen = local_address(&first)?;
    let mut sockets = vec![first];
    for _ in 1..workers.get() {
        let socket = udp_socket(address)?;
        socket.set_reuse_port(true)?;
        socket.bind(&chosen.into())?;
        sockets.push(socket);
    }
    Ok((chosen, sockets))
}

fn udp_socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = socket(address, Type::DGRAM, Protocol::UDP)?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.set_read_timeout(Some(udp::RECEIVE_TIMEOUT))?;
    batch::set_options(socket.as_fd(), address)?;
    Ok(socket)
}

fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket(address, Type::STREAM, Protocol::TCP)?;
    // Connections of a process that has just ended do not keep its port.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    // A kernel that is set to do without it (`net.ipv4.tcp_fastopen`) costs clients a round trip, no more.
    let _ = batch::accept_fast_open(socket.as_fd(), FAST_OPEN_QUEUE);
    socket.listen(LISTEN_BACKLOG)?;
    Ok(socket.into())
}

fn socket(address: SocketAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    if address.is_ipv6() {
        // IPv4 has sockets of its own, and clients no mapped addresses.
        socket.set_only_v6(true)?;
    }
    Ok(socket)
}

fn local_address(socket: &Socket) -> io::Result<SocketAddr> {
    socket.local_addr()?.as_socket().ok_or_else(|| ErrorKind::Unsupported.into())
}
