//! Listeners for what runs over TCP: DNS itself, and DNS inside of TLS and HTTPS. A task for each listener, a task for each
//! connection.
//!
//! A listener does nothing but accept: handshakes belong to the connection's own task, and have its seat and their time.

use std::io::ErrorKind;
use std::net::IpAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::yield_now;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::https;
use super::service::Service;
use super::stream::Conversation;
use crate::answer::{Asker, Transport};
use crate::limiter::Permit;

/// How long nothing is accepted when there are no descriptors or no memory left for it.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What is spoken on the connections of a listener.
#[derive(Clone)]
pub(super) enum Protocol {
    Dns,
    DnsOverTls(TlsAcceptor),
    DnsOverHttps(TlsAcceptor),
}

/// Accepts the connections of one listener. The listener is dropped first: who waits for the service's `stopping` finds the
/// port free.
pub(super) struct Acceptor {
    pub(super) listener: TcpListener,
    pub(super) protocol: Protocol,
    pub(super) service: Service,
}

impl Acceptor {
    /// Accepts until told to end.
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
                    self.receive(stream, peer.ip());
                    // In a burst each one has its query read, if that is there, before many others come behind it and it
                    // gives way.
                    yield_now().await;
                }
                // The client has gone already.
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    if !is_failing {
                        tracing::error!(%error, "accepting connections over TCP fails");
                    }
                    is_failing = true;
                    // The connection remains in the kernel's queue: asking at once for it again would fail again.
                    self.service.limiter.free_one();
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn receive(&self, stream: TcpStream, client: IpAddr) {
        // Without it an answer waits for the acknowledgement of the one before. Only a dead connection refuses it.
        if stream.set_nodelay(true).is_err() {
            return;
        }
        // Nobody's seat is safe here: who asks is active.
        let Some(permit) = self.service.limiter.take(client) else { return };
        let (protocol, service) = (self.protocol.clone(), self.service.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = converse(protocol, stream, client, service, &permit) => {}
                () = permit.evicted() => {}
            }
        });
    }
}

async fn converse(protocol: Protocol, stream: TcpStream, client: IpAddr, mut service: Service, permit: &Permit) {
    // RFC 7828 is for connections that DNS has for itself.
    let idle = Some(service.limits.idle);
    let asker = |transport, idle| Asker { address: client, transport, idle };
    match protocol {
        Protocol::Dns => Conversation::new(stream, asker(Transport::Tcp, idle), service).run(permit).await,
        Protocol::DnsOverTls(acceptor) => {
            let Some(stream) = handshake(&acceptor, stream, &mut service).await else { return };
            Conversation::new(stream, asker(Transport::Tls, idle), service).run(permit).await;
        }
        Protocol::DnsOverHttps(acceptor) => {
            let Some(stream) = handshake(&acceptor, stream, &mut service).await else { return };
            https::converse(stream, asker(Transport::Https, None), service, permit).await;
        }
    }
}

/// `None` where the client speaks no TLS, not ours, or takes too long.
async fn handshake(acceptor: &TlsAcceptor, stream: TcpStream, service: &mut Service) -> Option<TlsStream<TcpStream>> {
    tokio::select! {
        shaken = timeout(service.limits.handshake, acceptor.accept(stream)) => shaken.ok()?.ok(),
        _ = service.stopping.changed() => None,
    }
}
