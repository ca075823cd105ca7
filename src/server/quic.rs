//! DNS over QUIC (RFC 9250): a task for each socket, for each connection, and for each of its queries.
//!
//! The source of a datagram may be forged, so a datagram alone must not cost another client its connection. A new
//! connection gets its permit only when its handshake has proven the client's address. Until then it counts against
//! [`UNPROVEN_HANDSHAKES`]. When that limit is reached, further clients get a Retry packet with a token (RFC 9000,
//! section 8.1.2). A client that comes back with its token has proven its address, and gets a permit at once.
//!
//! quinn is used directly. hickory-server would wait for a handshake before it accepts the next, end every connection
//! after 100 queries, and encode each answer again.

use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use quinn::crypto::rustls::QuicServerConfig;
use quinn::{
    AsyncUdpSocket, Connection, Endpoint, EndpointConfig, IdleTimeout, Incoming, Runtime, ServerConfig, TokioRuntime,
    TransportConfig, VarInt,
};
use tokio::sync::{Semaphore, TryAcquireError, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::doq::{self, DOQ_EXCESSIVE_LOAD, DOQ_NO_ERROR, Exchange};
use super::recorder::Ends;
use super::service::{Service, SharedResponder, TcpLimits};
use crate::limiter::Permit;
use crate::tls::{self, Shown};

/// Maximum number of simultaneous handshakes of clients that have not proven their addresses yet.
const UNPROVEN_HANDSHAKES: usize = 128;

/// Maximum number of clients that wait until the task accepts them. quinn buffers their first packets.
const WAITING: usize = 1024;

/// Maximum number of octets of first packets that are buffered for all waiting clients together.
const WAITING_OCTETS: u64 = 4 << 20;

/// Maximum number of simultaneous queries of a connection.
const MAX_STREAMS: u32 = 100;

/// Octets that a client may send ahead: on each stream, and on a connection.
const STREAM_WINDOW: u32 = 16 * 1024;
const CONNECTION_WINDOW: u32 = 128 * 1024;

/// Maximum number of octets of answers that are kept for a client until it acknowledges them.
const SEND_WINDOW: u64 = 256 * 1024;

/// Maximum time for closed connections to send their last packets.
const FAREWELL: Duration = Duration::from_millis(300);

/// Time between two checks whether the socket is closed.
const CLOSING_PAUSE: Duration = Duration::from_millis(5);

/// Accepts the connections of one socket.
pub(super) struct QuicAcceptor {
    endpoint: Endpoint,
    /// The address that the socket is bound to.
    address: SocketAddr,
    socket: Weak<dyn AsyncUdpSocket>,
    handshakes: Arc<Semaphore>,
    service: Service,
}

impl QuicAcceptor {
    /// Makes the acceptor, on the current tokio runtime.
    pub(super) fn new(socket: std::net::UdpSocket, shown: &Arc<Shown>, service: Service) -> std::io::Result<Self> {
        let (runtime, address) = (Arc::new(TokioRuntime), socket.local_addr()?);
        let socket = runtime.wrap_udp_socket(socket)?;
        let weak = Arc::downgrade(&socket);
        let config = config(shown, service.limits);
        let endpoint = Endpoint::new_with_abstract_socket(EndpointConfig::default(), Some(config), socket, runtime)?;
        let handshakes = Arc::new(Semaphore::new(UNPROVEN_HANDSHAKES));
        Ok(Self { endpoint, address, socket: weak, handshakes, service })
    }

    /// Accepts connections until the server stops, then waits for connections to end, then closes the socket.
    pub(super) async fn run(mut self) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                _ = self.service.stopping.changed() => break,
                // Tasks that have ended take up memory until they are joined. So this comes before new connections.
                Some(_) = connections.join_next() => {}
                incoming = self.endpoint.accept() => match incoming {
                    Some(incoming) => self.receive(incoming, &mut connections),
                    None => break,
                },
            }
        }
        self.endpoint.set_server_config(None);
        // The caller limits this time, and then closes the connections.
        while connections.join_next().await.is_some() {}
        self.endpoint.close(DOQ_NO_ERROR, b"");
        let _ = timeout(FAREWELL, self.endpoint.wait_idle()).await;
        drop(self.endpoint);
        // quinn's own task is the last one to hold the socket.
        while self.socket.strong_count() > 0 {
            sleep(CLOSING_PAUSE).await;
        }
    }

    fn receive(&self, incoming: Incoming, connections: &mut JoinSet<()>) {
        let client = incoming.remote_address().ip();
        let (service, address) = (self.service.clone(), self.address);
        if incoming.remote_address_validated() {
            let Some(permit) = service.limiter.take(client) else { return };
            connections.spawn(async move {
                let Some(connection) = handshake(incoming, &service).await else { return };
                converse(connection, address, service, permit).await;
            });
            return;
        }
        let unproven = match self.handshakes.clone().try_acquire_owned() {
            Ok(unproven) => unproven,
            Err(TryAcquireError::NoPermits | TryAcquireError::Closed) => {
                // Retry fails only for clients that have already brought a token.
                let _ = incoming.retry();
                return;
            }
        };
        connections.spawn(async move {
            let Some(connection) = handshake(incoming, &service).await else { return };
            drop(unproven);
            let Some(permit) = service.limiter.take(client) else { return };
            converse(connection, address, service, permit).await;
        });
    }
}

/// Accepts the connections of a socket that another process still uses, as soon as `gate` holds true or its sender is
/// gone.
pub(super) async fn run_behind(
    mut gate: watch::Receiver<bool>,
    socket: std::net::UdpSocket,
    shown: Arc<Shown>,
    mut service: Service,
) {
    tokio::select! {
        _ = gate.wait_for(|is_open| *is_open) => {}
        _ = service.stopping.changed() => return,
    }
    match QuicAcceptor::new(socket, &shown, service) {
        Ok(acceptor) => acceptor.run().await,
        Err(error) => tracing::error!(%error, "cannot listen for QUIC: the node answers over its other transports"),
    }
}

fn config(shown: &Arc<Shown>, limits: TcpLimits) -> ServerConfig {
    let crypto = QuicServerConfig::try_from(tls::over_quic(shown, tls::DOQ))
        .expect("ring has the cipher suite that QUIC begins with (RFC 9001, section 5.2)");
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(MAX_STREAMS.into())
        // RFC 9250, section 4.2: queries use bidirectional streams; there are no unidirectional ones.
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .datagram_receive_buffer_size(None)
        .stream_receive_window(STREAM_WINDOW.into())
        .receive_window(CONNECTION_WINDOW.into())
        .send_window(SEND_WINDOW)
        .max_idle_timeout(IdleTimeout::try_from(limits.idle).ok());
    let mut config = ServerConfig::with_crypto(Arc::new(crypto));
    config.transport_config(Arc::new(transport)).max_incoming(WAITING).incoming_buffer_size_total(WAITING_OCTETS);
    config
}

/// Returns the connection; `None` if the client does not speak this QUIC version or protocol, or takes too long.
async fn handshake(incoming: Incoming, service: &Service) -> Option<Connection> {
    let connecting = incoming.accept().ok()?;
    let mut stopping = service.stopping.clone();
    tokio::select! {
        shaken = timeout(service.limits.handshake, connecting) => shaken.ok()?.ok(),
        _ = stopping.changed() => None,
    }
}

/// Answers until one side closes the connection.
async fn converse(connection: Connection, address: SocketAddr, service: Service, permit: Permit) {
    let code = tokio::select! {
        code = answer_streams(&connection, address, service, &permit) => code,
        // There are more clients than permits, and another client needs this one.
        () = permit.evicted() => DOQ_EXCESSIVE_LOAD,
    };
    connection.close(code, b"");
}

/// Answers the queries of a connection, each in a task of its own. Returns the code to close the connection with.
async fn answer_streams(connection: &Connection, address: SocketAddr, mut service: Service, permit: &Permit) -> VarInt {
    let responder = Arc::new(SharedResponder::new(service.clone()));
    let mut exchanges: JoinSet<Result<(), doq::ProtocolError>> = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            Some(ended) = exchanges.join_next() => {
                if let Ok(Err(doq::ProtocolError)) = ended {
                    return doq::DOQ_PROTOCOL_ERROR;
                }
            }
            stream = connection.accept_bi() => {
                let Ok((send, receive)) = stream else { return DOQ_NO_ERROR };
                permit.touch();
                // A client's address may change during a connection, so each query has its own.
                let client = connection.remote_address();
                let server = connection.local_ip().unwrap_or(address.ip());
                let ends = Ends { client, server: Some((server, address.port()).into()) };
                let exchange = Exchange { send, receive, ends, limits: service.limits };
                exchanges.spawn(exchange.run(responder.clone()));
            }
            _ = service.stopping.changed() => break,
        }
    }
    // Queries in progress are completed.
    while exchanges.join_next().await.is_some() {}
    DOQ_NO_ERROR
}
