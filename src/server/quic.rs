//! DNS over QUIC (RFC 9250): a task for each socket, a task for each connection, a task for each query of it.
//!
//! A datagram's source may be forged, so nobody loses a seat for one: a connection takes its seat when its handshake has
//! shown that the client is there. Until then it counts against [`UNPROVEN_HANDSHAKES`]; beyond those a newcomer is sent
//! a token to come back with (Retry, RFC 9000, section 8.1.2), and has a seat from the first packet that brings it.
//!
//! quinn is used as it is. hickory-server would await a handshake before it accepts the next, end every connection after 100
//! queries, and encode each answer anew.

use std::sync::{Arc, Weak};
use std::time::Duration;

use quinn::crypto::rustls::QuicServerConfig;
use quinn::{
    AsyncUdpSocket, Connection, Endpoint, EndpointConfig, IdleTimeout, Incoming, Runtime, ServerConfig, TokioRuntime,
    TransportConfig, VarInt,
};
use tokio::sync::{Semaphore, TryAcquireError};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::doq::{self, DOQ_EXCESSIVE_LOAD, DOQ_NO_ERROR, Exchange};
use super::service::{Service, SharedResponder, TcpLimits};
use super::tls::{self, Shown};
use crate::limiter::Permit;

/// Handshakes at once of clients that have not shown yet that they are where they say.
const UNPROVEN_HANDSHAKES: usize = 128;

/// Clients that wait for the task to see them. quinn buffers their first packets.
const WAITING: usize = 1024;

/// Octets of first packets that are kept for them, in all.
const WAITING_OCTETS: u64 = 4 << 20;

/// Queries of a connection that are under way at once.
const MAX_STREAMS: u32 = 100;

/// Octets that a client may send before they are wanted: for each stream, and for a connection.
const STREAM_WINDOW: u32 = 16 * 1024;
const CONNECTION_WINDOW: u32 = 128 * 1024;

/// Octets of answers that are kept for a client until it acknowledges them.
const SEND_WINDOW: u64 = 256 * 1024;

/// How long closed connections may take to say so.
const FAREWELL: Duration = Duration::from_millis(300);

/// How often it is looked whether the socket is closed.
const CLOSING_PAUSE: Duration = Duration::from_millis(5);

/// Accepts the connections of one socket.
pub(super) struct QuicAcceptor {
    endpoint: Endpoint,
    socket: Weak<dyn AsyncUdpSocket>,
    handshakes: Arc<Semaphore>,
    service: Service,
}

impl QuicAcceptor {
    /// On the tokio runtime that this is called in.
    pub(super) fn new(socket: std::net::UdpSocket, shown: &Arc<Shown>, service: Service) -> std::io::Result<Self> {
        let runtime = Arc::new(TokioRuntime);
        let socket = runtime.wrap_udp_socket(socket)?;
        let weak = Arc::downgrade(&socket);
        let config = config(shown, service.limits);
        let endpoint = Endpoint::new_with_abstract_socket(EndpointConfig::default(), Some(config), socket, runtime)?;
        let handshakes = Arc::new(Semaphore::new(UNPROVEN_HANDSHAKES));
        Ok(Self { endpoint, socket: weak, handshakes, service })
    }

    /// Accepts until told to end, then lets connections end, then closes the socket.
    pub(super) async fn run(mut self) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                _ = self.service.stopping.changed() => break,
                incoming = self.endpoint.accept() => match incoming {
                    Some(incoming) => self.receive(incoming, &mut connections),
                    None => break,
                },
                Some(_) = connections.join_next() => {}
            }
        }
        self.endpoint.set_server_config(None);
        // Whoever ends all of this sets a limit and then takes the seats.
        while connections.join_next().await.is_some() {}
        self.endpoint.close(DOQ_NO_ERROR, b"");
        let _ = timeout(FAREWELL, self.endpoint.wait_idle()).await;
        drop(self.endpoint);
        // quinn's own task is the last to hold the socket.
        while self.socket.strong_count() > 0 {
            sleep(CLOSING_PAUSE).await;
        }
    }

    fn receive(&self, incoming: Incoming, connections: &mut JoinSet<()>) {
        let client = incoming.remote_address().ip();
        let service = self.service.clone();
        if incoming.remote_address_validated() {
            let Some(permit) = service.limiter.take(client) else { return };
            connections.spawn(async move {
                let Some(connection) = handshake(incoming, &service).await else { return };
                converse(connection, service, permit).await;
            });
            return;
        }
        let unproven = match self.handshakes.clone().try_acquire_owned() {
            Ok(unproven) => unproven,
            Err(TryAcquireError::NoPermits | TryAcquireError::Closed) => {
                // It fails for those alone that have brought a token.
                let _ = incoming.retry();
                return;
            }
        };
        connections.spawn(async move {
            let Some(connection) = handshake(incoming, &service).await else { return };
            drop(unproven);
            let Some(permit) = service.limiter.take(client) else { return };
            converse(connection, service, permit).await;
        });
    }
}

fn config(shown: &Arc<Shown>, limits: TcpLimits) -> ServerConfig {
    let crypto = QuicServerConfig::try_from(tls::over_quic(shown, tls::DOQ))
        .expect("ring has the cipher suite that QUIC begins with (RFC 9001, section 5.2)");
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(MAX_STREAMS.into())
        // RFC 9250, section 4.2: queries come on bidirectional streams, and nothing else does.
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

/// `None` where the client speaks no QUIC, not ours, or takes too long.
async fn handshake(incoming: Incoming, service: &Service) -> Option<Connection> {
    let connecting = incoming.accept().ok()?;
    let mut stopping = service.stopping.clone();
    tokio::select! {
        shaken = timeout(service.limits.handshake, connecting) => shaken.ok()?.ok(),
        _ = stopping.changed() => None,
    }
}

/// Answers until one side has had enough.
async fn converse(connection: Connection, service: Service, permit: Permit) {
    let code = tokio::select! {
        code = answer_streams(&connection, service, &permit) => code,
        // There are more who want one than there are.
        () = permit.evicted() => DOQ_EXCESSIVE_LOAD,
    };
    connection.close(code, b"");
}

/// With which code the connection is to be closed.
async fn answer_streams(connection: &Connection, mut service: Service, permit: &Permit) -> VarInt {
    let responder = Arc::new(SharedResponder::new(service.responder()));
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
                // A client may move; where it asks from is where it is.
                let client = connection.remote_address().ip();
                let exchange = Exchange { send, receive, client, limits: service.limits };
                exchanges.spawn(exchange.run(responder.clone()));
            }
            _ = service.stopping.changed() => break,
        }
    }
    // What has begun may be completed.
    while exchanges.join_next().await.is_some() {}
    DOQ_NO_ERROR
}
