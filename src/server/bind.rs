//! Binds all sockets before any query is answered, or takes them over from another process.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use socket2::{Domain, Protocol, Socket, Type};

use super::{batch, udp};
use crate::answer::Transport;
use crate::handover::{Inherited, Role};

/// Octets of queries that the kernel buffers for a busy worker: about a thousand queries. The kernel doubles the number
/// for its own overhead, and grants no more than `net.core.rmem_max`.
const RECEIVE_BUFFER: usize = 1 << 20;

/// Octets of answers that the kernel buffers before it sends them; at most `net.core.wmem_max`.
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
    /// The address, as configured.
    pub(super) configured: SocketAddr,
    /// The address, with the port that the kernel chose.
    pub(super) address: SocketAddr,
    /// One for each worker. If they come from another process, there may be fewer; then several workers share one.
    pub(super) udp: Vec<Arc<Socket>>,
    pub(super) tcp: TcpListener,
}

/// A listener of an encrypted transport, with its configured address.
#[derive(Debug)]
pub(super) struct Listener<S> {
    pub(super) configured: SocketAddr,
    pub(super) socket: S,
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

/// Ports below this one are privileged, unless `net.ipv4.ip_unprivileged_port_start` was changed.
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
    /// TCP. If there are inherited sockets for this address, uses all of them instead: the kernel sends each socket of
    /// the group (SO_REUSEPORT) a part of the queries, and nobody would read those of a socket that is not used.
    pub(super) fn bind(
        address: SocketAddr,
        workers: NonZeroUsize,
        inherited: &mut Inherited,
    ) -> Result<Self, BindError> {
        let (udp, tcp) = (inherited.take(Role::Udp, address), inherited.take(Role::Tcp, address));
        if !udp.is_empty() || !tcp.is_empty() {
            return Self::adopt(address, udp, tcp, workers);
        }
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
        Ok(Self { configured: address, address: chosen, udp, tcp })
    }

    /// Uses sockets of another process. Binds the sockets that are missing.
    fn adopt(
        configured: SocketAddr,
        udp: Vec<OwnedFd>,
        tcp: Vec<OwnedFd>,
        workers: NonZeroUsize,
    ) -> Result<Self, BindError> {
        let fault =
            |transport| move |error: io::Error| BindError { address: configured, transport, reason: error.into() };
        let tcp = tcp.into_iter().map(adopt_tcp).next().transpose().map_err(fault(Transport::Tcp))?;
        let udp = udp.into_iter().map(|socket| adopt_udp(socket, configured)).collect::<io::Result<Vec<_>>>();
        let mut udp = udp.map_err(fault(Transport::Udp))?;
        let known = udp.first().map(|socket| local_address(socket)).transpose().map_err(fault(Transport::Udp))?;
        let known = known.or_else(|| tcp.as_ref()?.local_addr().ok());
        let mut address = known.unwrap_or(configured);
        if udp.is_empty() {
            (address, udp) = bind_udp(address, workers).map_err(fault(Transport::Udp))?;
        }
        let tcp = tcp.map_or_else(|| bind_tcp(address).map_err(fault(Transport::Tcp)), Ok)?;
        Ok(Self { configured, address, udp, tcp })
    }

    /// Returns the number of workers for UDP: at least one for each socket.
    pub(super) fn workers(&self, wanted: NonZeroUsize) -> usize {
        self.udp.len().max(wanted.get())
    }
}

/// Binds a listener for an encrypted transport over TCP, or uses an inherited one.
pub(super) fn bind_stream(
    configured: SocketAddr,
    transport: Transport,
    role: Role,
    inherited: &mut Inherited,
) -> Result<Listener<TcpListener>, BindError> {
    let inherited = inherited.take(role, configured).into_iter().next();
    let socket = inherited.map_or_else(|| bind_tcp(configured), adopt_tcp);
    let socket = socket.map_err(|error| BindError { address: configured, transport, reason: error.into() })?;
    Ok(Listener { configured, socket })
}

/// Binds a socket for QUIC, which sets its own options, or uses an inherited one.
pub(super) fn bind_quic(address: SocketAddr, inherited: &mut Inherited) -> Result<Listener<UdpSocket>, BindError> {
    if let Some(socket) = inherited.take(Role::Quic, address).into_iter().next() {
        return Ok(Listener { configured: address, socket: socket.into() });
    }
    let bind = || {
        let socket = socket(address, Type::DGRAM, Protocol::UDP)?;
        socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
        socket.set_send_buffer_size(SEND_BUFFER)?;
        socket.bind(&address.into())?;
        Ok(Listener { configured: address, socket: socket.into() })
    };
    bind().map_err(|error: io::Error| BindError { address, transport: Transport::Quic, reason: error.into() })
}

/// Binds a UDP socket for each worker. Returns the address with its port, and the sockets.
fn bind_udp(address: SocketAddr, workers: NonZeroUsize) -> io::Result<(SocketAddr, Vec<Arc<Socket>>)> {
    // With SO_REUSEPORT, any process of this user can bind the address too, even a second truenorth, and take a part of
    // the queries. So the first socket is bound without it, which fails if the address is in use. The option is set
    // after that, for the sockets of the other workers.
    let first = udp_socket(address)?;
    first.bind(&address.into())?;
    first.set_reuse_port(true)?;
    let chosen = local_address(&first)?;
    let mut sockets = vec![Arc::new(first)];
    for _ in 1..workers.get() {
        let socket = udp_socket(address)?;
        socket.set_reuse_port(true)?;
        socket.bind(&chosen.into())?;
        sockets.push(Arc::new(socket));
    }
    Ok((chosen, sockets))
}

fn udp_socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = socket(address, Type::DGRAM, Protocol::UDP)?;
    set_udp_options(&socket, address)?;
    Ok(socket)
}

fn set_udp_options(socket: &Socket, address: SocketAddr) -> io::Result<()> {
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.set_read_timeout(Some(udp::RECEIVE_TIMEOUT))?;
    batch::set_options(socket.as_fd(), address)
}

/// Uses a UDP socket of another process. That process may have set other options, so all of them are set again.
fn adopt_udp(socket: OwnedFd, address: SocketAddr) -> io::Result<Arc<Socket>> {
    let socket = Socket::from(socket);
    socket.set_nonblocking(false)?;
    set_udp_options(&socket, address)?;
    Ok(Arc::new(socket))
}

fn adopt_tcp(socket: OwnedFd) -> io::Result<TcpListener> {
    let socket = Socket::from(socket);
    socket.set_nonblocking(true)?;
    listen(&socket)?;
    Ok(socket.into())
}

fn listen(socket: &Socket) -> io::Result<()> {
    // If the kernel does not allow it (`net.ipv4.tcp_fastopen`), each connection only takes a round trip longer.
    let _ = batch::accept_fast_open(socket.as_fd(), FAST_OPEN_QUEUE);
    socket.listen(LISTEN_BACKLOG)
}

fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket(address, Type::STREAM, Protocol::TCP)?;
    // Old connections of a process that has ended do not keep the port in use.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    listen(&socket)?;
    Ok(socket.into())
}

fn socket(address: SocketAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    if address.is_ipv6() {
        // IPv4 has sockets of its own, so no client appears with an IPv4-mapped address.
        socket.set_only_v6(true)?;
    }
    Ok(socket)
}

fn local_address(socket: &Socket) -> io::Result<SocketAddr> {
    socket.local_addr()?.as_socket().ok_or_else(|| ErrorKind::Unsupported.into())
}
