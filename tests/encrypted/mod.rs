//! Certificates, a server with encrypted transports, and independent clients for them.

// Each test binary compiles this module and uses a part of it.
#![allow(dead_code)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::num::NonZeroUsize;
use std::sync::Arc;

use arc_swap::ArcSwap;
use hickory_proto::op::Message;
use quinn::crypto::rustls::QuicClientConfig;
use rcgen::{CertificateParams, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use truenorth::answer::Rotation;
use truenorth::server::{Bound, EncryptedAddresses, Running, TcpLimits};

use crate::served::{connect, framed, snapshot};

/// The name in the certificates of these tests.
pub(crate) const NAME: &str = "dns.example.test";

/// A self-signed certificate, and its key.
pub(crate) struct Identity {
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) certificate_pem: String,
    key: KeyPair,
}

impl Identity {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new([NAME.to_owned()]).unwrap().self_signed(&key).unwrap();
        Self { certificate_pem: certificate.pem(), certificate: certificate.into(), key }
    }

    pub(crate) fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    pub(crate) fn credentials(&self) -> Arc<CertifiedKey> {
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(self.key.serialize_der()));
        let provider = ring::default_provider();
        Arc::new(CertifiedKey::from_der(vec![self.certificate.clone()], key, &provider).unwrap())
    }
}

/// The TLS configuration of a client that trusts only these certificates.
pub(crate) fn trusting(identities: &[&Identity], alpn: &[&str]) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    for identity in identities {
        roots.add(identity.certificate.clone()).unwrap();
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    config
}

/// A server that answers from the small world, over every transport.
pub(crate) struct Server {
    pub(crate) identity: Identity,
    pub(crate) dns: SocketAddr,
    pub(crate) tls: SocketAddr,
    pub(crate) https: SocketAddr,
    pub(crate) quic: SocketAddr,
    pub(crate) running: Running,
}

impl Server {
    pub(crate) fn start(limits: TcpLimits) -> Self {
        let any = || vec!["127.0.0.1:0".parse().unwrap()];
        let identity = Identity::new();
        let bound = Bound::new(&any(), NonZeroUsize::MIN).unwrap();
        let addresses = EncryptedAddresses { tls: any(), https: any(), quic: any() };
        let bound = bound.with_encrypted(&addresses, identity.credentials()).unwrap().with_tcp_limits(limits);
        let (dns, encrypted) = (bound.addresses()[0], bound.encrypted_addresses().unwrap());
        let published = Arc::new(ArcSwap::new(snapshot("one")));
        let running = bound.start(published, Arc::new(Rotation::default())).unwrap();
        let EncryptedAddresses { tls, https, quic } = encrypted;
        Self { identity, dns, tls: tls[0], https: https[0], quic: quic[0], running }
    }

    /// Its encrypted addresses, for a second server to bind.
    pub(crate) fn encrypted(&self) -> EncryptedAddresses {
        EncryptedAddresses { tls: vec![self.tls], https: vec![self.https], quic: vec![self.quic] }
    }

    pub(crate) fn tls(&self, alpn: &[&str]) -> Tls {
        tls(connect(self.tls), trusting(&[&self.identity], alpn)).unwrap()
    }

    pub(crate) fn https(&self) -> Tls {
        tls(connect(self.https), trusting(&[&self.identity], &["http/1.1"])).unwrap()
    }

    pub(crate) async fn quic(&self) -> quinn::Connection {
        quic(self.quic, &self.identity).await.unwrap()
    }
}

/// A TLS stream after its handshake.
pub(crate) type Tls = StreamOwned<ClientConnection, TcpStream>;

/// Performs a TLS handshake on a stream.
pub(crate) fn tls(mut stream: TcpStream, config: ClientConfig) -> std::io::Result<Tls> {
    let mut connection = ClientConnection::new(Arc::new(config), ServerName::try_from(NAME).unwrap()).unwrap();
    while connection.is_handshaking() {
        connection.complete_io(&mut stream)?;
    }
    Ok(StreamOwned::new(connection, stream))
}

/// Sends a query on a stream, and returns the answer.
pub(crate) fn ask(stream: &mut (impl Read + Write), query: &Message) -> Message {
    stream.write_all(&framed(query)).unwrap();
    stream.flush().unwrap();
    let answer = next_answer(stream);
    assert_eq!(answer.metadata.id, query.metadata.id);
    answer
}

/// The next answer of a stream.
pub(crate) fn next_answer(stream: &mut impl Read) -> Message {
    let mut length = [0; 2];
    stream.read_exact(&mut length).unwrap();
    let mut message = vec![0; u16::from_be_bytes(length).into()];
    stream.read_exact(&mut message).unwrap();
    Message::from_vec(&message).unwrap()
}

/// A client's end for QUIC that trusts this certificate.
pub(crate) fn quic_endpoint(identity: &Identity, alpn: &str) -> quinn::Endpoint {
    let crypto = QuicClientConfig::try_from(trusting(&[identity], &[alpn])).unwrap();
    let mut endpoint = quinn::Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    endpoint.set_default_client_config(quinn::ClientConfig::new(Arc::new(crypto)));
    endpoint
}

/// A connection of QUIC.
pub(crate) async fn quic(server: SocketAddr, identity: &Identity) -> Result<quinn::Connection, quinn::ConnectionError> {
    quic_endpoint(identity, "doq").connect(server, NAME).unwrap().await
}

/// Sends a query on a new stream of the connection, and returns the answer.
pub(crate) async fn ask_quic(connection: &quinn::Connection, query: &Message) -> Message {
    let (mut send, mut receive) = connection.open_bi().await.unwrap();
    let mut query = query.clone();
    query.metadata.id = 0;
    send.write_all(&framed(&query)).await.unwrap();
    send.finish().unwrap();
    let stream = receive.read_to_end(1 << 17).await.unwrap();
    assert_eq!(stream.len() - 2, usize::from(u16::from_be_bytes([stream[0], stream[1]])));
    let answer = Message::from_vec(&stream[2..]).unwrap();
    assert_eq!((answer.metadata.id, &answer.queries), (0, &query.queries));
    answer
}

/// A response of HTTP/1.1.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// In lower case.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// The value of a header field.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// Sends a request and reads its response; that of HEAD has no body.
pub(crate) fn http(stream: &mut Tls, head: &str, body: &[u8]) -> Response {
    let length = if body.is_empty() { String::new() } else { format!("content-length: {}\r\n", body.len()) };
    let head_octets = format!("{head}\r\nhost: {NAME}\r\n{length}\r\n");
    // A server that refuses a request may close while the body is being sent.
    let _ = stream.write_all(&[head_octets.as_bytes(), body].concat()).and_then(|()| stream.flush());
    read_response(stream, head.starts_with("HEAD"))
}

/// Reads a response.
pub(crate) fn read_response(stream: &mut Tls, is_head: bool) -> Response {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut octet = [0];
        stream.read_exact(&mut octet).unwrap();
        head.push(octet[0]);
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let mut response = Response { status, head, body: Vec::new() };
    if !is_head {
        let length = response.field("content-length").map_or(0, |length| length.parse().unwrap());
        response.body.resize(length, 0);
        stream.read_exact(&mut response.body).unwrap();
    }
    response
}
