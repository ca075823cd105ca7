//! Sockets, bound before any query is answered.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::num::NonZeroUsize;
use std::os::fd::AsFd;

use socket2::{Domain, Protocol, Socket, Type};

use super::{batch, udp};
use crate::answer::Transport;

/// Octets of queries that the kernel buffers for a busy worker: about a thousand queries. The kernel doubles the number
/// for its own overhead, and grants no more than `net.core.rmem_max`.
const RECEIVE_BUFFER: usize = 1 << 20;

/// Octets of answers that the kernel buffers before they are sent; at most `net.core.wmem_max`.
const SEND_BUFFER: usize = 1 << 20;

/// Number of connections that the kernel queues until they are accepted; at most `net.core.somaxconn`.
const LISTEN_BACKLOG: i32 = 1024;

/// Number of connections that may begin with a query before their client has proven its address (RFC 7413, section 5.1,
/// sets the limit against forged sources).
const FAST_OPEN_QUEUE: i32 = 128;

/// Number of attempts to find a port that is free for both UDP and TCP.
const PORT_ATTEMPTS: usize = 32;

/// The sockets of one address.
#[derive(Debug)]
pub(super) struct Sockets {
    /// The address, with the port that the kernel chose.
    pub(super) address: SocketAddr,
    /// One for each worker.
    pub(super) udp: Vec<Socket>,
    pub(super) tcp: TcpListener,
}

/// The reason why the server cannot listen on an address.
#[derive(Debug)]
pub struct BindError {
    /// The address, as configured.
    pub address: SocketAddr,
    /// The transport.
    pub transport: Transport,
    /// The reason.
    pub reason: BindFailure,
}

/// The reason why the server cannot listen.
#[derive(Debug)]
pub enum BindFailure {
    /// Another process listens on it, or the configuration names it twice.
    InUse,
    /// The process lacks the permission.
    NotPermitted,
    /// No interface of this host has the address.
    NotHere,
    /// Another error of the operating system.
    Other(io::Error),
}

/// Lower ports are privileged (`net.ipv4.ip_unprivileged_port_start`, unless it was changed).
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
    /// Binds one address, with a UDP socket for each worker. For port 0 the kernel chooses a port, the same for UDP and
    /// TCP.
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

/// Binds a listener for an encrypted transport over TCP.
pub(super) fn bind_stream(address: SocketAddr, transport: Transport) -> Result<TcpListener, BindError> {
    bind_tcp(address).map_err(|error| BindError { address, transport, reason: error.into() })
}

/// Binds a socket for QUIC, which sets its own options.
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

/// Returns the address with its port, and a socket for each worker.
fn bind_udp(address: SocketAddr, workers: NonZeroUsize) -> io::Result<(SocketAddr, Vec<Socket>)> {
    // SO_REUSEPORT would let any process of this user bind the address too, even a second truenorth, and take a part of
    // the queries. So the first socket is bound without it, which fails if the address is in use. Only then the option
    // is set, for the other workers.
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
    // The port is free again as soon as a process has ended, in spite of its old connections.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    // If the kernel is configured without it (`net.ipv4.tcp_fastopen`), clients only lose a round trip.
    let _ = batch::accept_fast_open(socket.as_fd(), FAST_OPEN_QUEUE);
    socket.listen(LISTEN_BACKLOG)?;
    Ok(socket.into())
}

fn socket(address: SocketAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    if address.is_ipv6() {
        // IPv4 has sockets of its own; no client has an IPv4-mapped address.
        socket.set_only_v6(true)?;
    }
    Ok(socket)
}

fn local_address(socket: &Socket) -> io::Result<SocketAddr> {
    socket.local_addr()?.as_socket().ok_or_else(|| ErrorKind::Unsupported.into())
}
