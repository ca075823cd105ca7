//! Listeners for transports over TCP: plain DNS, DNS over TLS and DNS over HTTPS. There is a task for each listener and
//! for each connection.
//!
//! A listener only accepts connections. The task of a connection does the handshake, so a slow handshake uses the
//! permit and the time of its own connection only.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, BufWriter};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::yield_now;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::https;
use super::recorder::Ends;
use super::service::{Peer, Service};
use super::stream::Conversation;
use crate::answer::Transport;
use crate::limiter::Permit;

/// Pause of a listener when there are no descriptors or no memory left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The protocol on the connections of a listener.
#[derive(Clone)]
pub(super) enum Protocol {
    Dns,
    DnsOverTls(TlsAcceptor),
    DnsOverHttps(TlsAcceptor),
}

/// Accepts the connections of one listener. The listener is the first field, so it is dropped before the receiver
/// `stopping` of the service: when no receiver is left, the port is free.
pub(super) struct Acceptor {
    pub(super) listener: TcpListener,
    pub(super) protocol: Protocol,
    pub(super) service: Service,
}

impl Acceptor {
    /// Accepts connections until the server stops.
    pub(super) async fn run(mut self) {
        let mut is_failing = false;
        loop {
            let accepted = tokio::select! {
                biased;
                _ = self.service.stopping.changed() => return,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    is_failing = false;
                    self.receive(stream, peer);
                    // In a burst of connections, let the task of this one read its query before many others are
                    // accepted.
                    yield_now().await;
                }
                // The client has gone already.
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    if !is_failing {
                        tracing::error!(%error, "cannot accept connections over TCP; the node keeps trying");
                    }
                    is_failing = true;
                    // The connection stays in the kernel's queue, so another attempt would fail at once.
                    self.service.limiter.free_one();
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn receive(&self, stream: TcpStream, client: SocketAddr) {
        // Without this option, an answer waits for the acknowledgement of the one before. Only a dead connection
        // refuses it.
        if stream.set_nodelay(true).is_err() {
            return;
        }
        // If the limit is reached, the limiter closes the connection that has been idle longest.
        let Some(permit) = self.service.limiter.take(client.ip()) else { return };
        let (protocol, service) = (self.protocol.clone(), self.service.clone());
        let ends = Ends { client, server: stream.local_addr().ok() };
        tokio::spawn(async move {
            tokio::select! {
                () = converse(protocol, stream, ends, service, &permit) => {}
                () = permit.evicted() => {}
            }
        });
    }
}

async fn converse(protocol: Protocol, stream: TcpStream, ends: Ends, mut service: Service, permit: &Permit) {
    // RFC 7828 applies only to connections that are used for DNS alone.
    let idle = Some(service.limits.idle);
    let peer = |transport, idle| Peer { transport, ends, idle };
    match protocol {
        Protocol::Dns => Conversation::new(stream, peer(Transport::Tcp, idle), service).run(permit).await,
        Protocol::DnsOverTls(acceptor) => {
            let Some(stream) = handshake(&acceptor, stream, &mut service).await else { return };
            Conversation::new(stream, peer(Transport::Tls, idle), service).run(permit).await;
        }
        Protocol::DnsOverHttps(acceptor) => {
            let stream = BufWriter::with_capacity(https::UNSENT, stream);
            let Some(stream) = handshake(&acceptor, stream, &mut service).await else { return };
            // Its future is much larger than those of the others, which would have its size.
            Box::pin(https::converse(stream, peer(Transport::Https, None), service, permit)).await;
        }
    }
}

/// Returns the connection; `None` if the client does not speak TLS or a supported version, or takes too long.
async fn handshake<S>(acceptor: &TlsAcceptor, stream: S, service: &mut Service) -> Option<TlsStream<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    tokio::select! {
        shaken = timeout(service.limits.handshake, acceptor.accept(stream)) => shaken.ok()?.ok(),
        _ = service.closing.changed() => None,
    }
}
