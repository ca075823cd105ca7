//! Clients that ask and never read, or do worse, over every transport with connections: the memory that they make a node
//! use is bounded, and given back, and others are answered meanwhile.

#[path = "../encrypted/mod.rs"]
mod encrypted;
mod handshakes;
#[path = "../harness/mod.rs"]
mod harness;
mod idle;
#[path = "../served/mod.rs"]
mod served;
mod streams;

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use quinn::crypto::rustls::QuicClientConfig;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use socket2::{Domain, Socket, Type};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpSocket;
use tokio_rustls::TlsConnector;

use encrypted::{Identity, NAME, trusting};
use harness::{Files, Node, query};
use hickory_proto::rr::RecordType;

/// Connections of each transport.
const CONNECTIONS: usize = 300;

/// Connections of each client: fewer than its limit.
const OF_A_CLIENT: usize = 50;

/// Queries on each connection, or streams of it.
const QUERIES: usize = 100;

/// Octets that a node may take up, whatever its clients do.
const MEMORY: u64 = 300 << 20;

/// Maximum time until free memory is given back: twice the time of src/server/memory.rs, and an allowance for the
/// machine.
const GIVEN_BACK: Duration = Duration::from_secs(90);

/// Octets that may remain beside those of a node that served no client yet.
const KEPT: u64 = 16 << 20;

/// Time for which the connections are left unread.
const LEFT_FOR: Duration = Duration::from_secs(2);

struct Scene {
    identity: Identity,
    node: Node,
    tls: SocketAddr,
    https: SocketAddr,
    quic: SocketAddr,
    admin: SocketAddr,
    files: Files,
}

impl Scene {
    fn new() -> Self {
        Self::with("")
    }

    /// One zone that may be copied, with an RRset of some 63 KB, and this at the end of the server file.
    fn with(more: &str) -> Self {
        let limit = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).expect("up to the hard limit it may");
        let identity = Identity::new();
        let server = format!(
            "[listen]\ndns = [\"127.0.0.1:0\"]\ntls = [\"127.0.0.1:0\"]\nhttps = [\"127.0.0.1:0\"]\n\
                      quic = [\"127.0.0.1:0\"]\ncertificate = \"cert.pem\"\nkey = \"key.pem\"\n\
                      [admin]\nlisten = \"127.0.0.1:0\"\n[transfer]\nallow = [\"127.0.0.0/8\"]\n{more}"
        );
        let strings: Vec<String> = (0..240).map(|number| format!("\"{number:0>250}\"")).collect();
        let zone = format!(
            "[nameservers]\nns1 = [\"127.0.0.1\"]\n[records.www]\nA = [\"192.0.2.1\"]\n[records.big]\nTXT = [{}]\n",
            strings.join(", ")
        );
        let files = Files::new(&server, &[("example.com.toml", &zone)]);
        files.write("cert.pem", &identity.certificate_pem);
        files.write("key.pem", identity.key_pem());
        let mut node = files.serve();
        let line = node.log.wait_for("answering encrypted");
        let address = |key: &str| {
            let (_, rest) = line.split_once(&format!("{key}=[")).expect("the way is there");
            rest.split([',', ']']).next().and_then(|address| address.parse().ok()).expect("an address")
        };
        let (tls, https, quic) = (address("tls"), address("https"), address("quic"));
        let admin = node.wait_for_admin();
        Self { identity, node, tls, https, quic, admin, files }
    }

    /// Waits until the node has given back what it took for clients that are gone.
    async fn gives_back(&self, at_rest: u64) {
        let start = Instant::now();
        while self.resident() > at_rest + KEPT {
            assert!(start.elapsed() < GIVEN_BACK, "{} MiB are kept", self.resident() >> 20);
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// Octets of memory.
    fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.node.pid())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux tells");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
    }

    #[track_caller]
    fn is_bounded(&self, way: &str) {
        let taken = self.resident();
        println!("{way}: {} MiB", taken >> 20);
        assert!(taken < MEMORY, "{way}: {} MiB", taken >> 20);
        assert_eq!(self.node.dig("www.example.com").data(), ["192.0.2.1"]);
    }
}

/// The address that a connection comes from.
fn client(number: usize) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(127, 0, 1, (1 + number / OF_A_CLIENT) as u8))
}

/// A connection whose window is as small as the kernel lets it be.
fn connect(server: SocketAddr, number: usize) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(2048).unwrap();
    socket.bind(&SocketAddr::from((client(number), 0)).into()).unwrap();
    socket.connect(&server.into()).unwrap();
    socket.into()
}

fn framed(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u16).to_be_bytes()[..], message].concat()
}

fn big() -> Vec<u8> {
    query(0, "big.example.com.", RecordType::TXT, None)
}

#[test]
fn over_tcp_and_in_transfers() {
    let scene = Scene::new();
    for (way, rtype) in [("TCP", RecordType::TXT), ("AXFR", RecordType::AXFR)] {
        let name = if rtype == RecordType::AXFR { "example.com." } else { "big.example.com." };
        let queries = framed(&query(0, name, rtype, None)).repeat(QUERIES);
        let mut streams: Vec<TcpStream> =
            (0..CONNECTIONS).map(|number| connect(scene.node.address(), number)).collect();
        for stream in &mut streams {
            stream.set_nonblocking(true).unwrap();
            let _ = stream.write(&queries);
        }
        std::thread::sleep(LEFT_FOR);
        scene.is_bounded(way);
    }
}

fn connector(scene: &Scene, alpn: &[&str]) -> TlsConnector {
    let config: ClientConfig = trusting(&[&scene.identity], alpn);
    Arc::new(config).into()
}

async fn connect_tls(
    connector: &TlsConnector,
    server: SocketAddr,
    number: usize,
) -> tokio_rustls::client::TlsStream<tokio::net::TcpStream> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((client(number), 0).into()).unwrap();
    let stream = socket.connect(server).await.unwrap();
    connector.connect(ServerName::try_from(NAME).unwrap(), stream).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn over_tls() {
    let scene = Scene::new();
    let connector = connector(&scene, &["dot"]);
    let queries = framed(&big()).repeat(QUERIES);
    let mut streams = Vec::new();
    for number in 0..CONNECTIONS {
        let mut stream = connect_tls(&connector, scene.tls, number).await;
        stream.write_all(&queries).await.unwrap();
        stream.flush().await.unwrap();
        streams.push(stream);
    }
    tokio::time::sleep(LEFT_FOR).await;
    scene.is_bounded("TLS");
}

/// Sends so many queries on streams of one connection, with this window for each, and reads no answer.
async fn leave_unread(
    scene: &Scene,
    connector: &TlsConnector,
    number: usize,
    window: u32,
    query: &[u8],
    queries: usize,
) -> (Vec<h2::client::ResponseFuture>, tokio::task::JoinHandle<()>) {
    let stream = connect_tls(connector, scene.https, number).await;
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(window);
    let (mut requests, connection) = builder.handshake::<_, Bytes>(stream).await.unwrap();
    let connection = tokio::spawn(async move {
        // An error means that the server has closed the connection.
        let _ = connection.await;
    });
    let dns = data_encoding::BASE64URL_NOPAD.encode(query);
    let mut responses = Vec::new();
    for _ in 0..queries {
        let request = hyper::Request::get(format!("https://{NAME}/dns-query?dns={dns}")).body(()).unwrap();
        let Ok(ready) = requests.ready().await else { break };
        requests = ready;
        let Ok((response, _)) = requests.send_request(request, true) else { break };
        responses.push(response);
    }
    (responses, connection)
}

#[tokio::test(flavor = "multi_thread")]
async fn over_https_and_memory_is_given_back() {
    let scene = Scene::new();
    let at_rest = scene.resident();
    let small = query(0, "www.example.com.", RecordType::A, None);
    for (way, window, query) in
        [("HTTPS, no window", 0, big()), ("HTTPS, a window of an octet", 1, big()), ("HTTPS, short answers", 0, small)]
    {
        let connector = connector(&scene, &["h2"]);
        let mut held = Vec::new();
        for number in 0..CONNECTIONS {
            held.push(leave_unread(&scene, &connector, number, window, &query, QUERIES).await);
        }
        tokio::time::sleep(LEFT_FOR).await;
        scene.is_bounded(way);
        for (_, connection) in &held {
            connection.abort();
        }
    }
    scene.gives_back(at_rest).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_quic() {
    let scene = Scene::new();
    let crypto = QuicClientConfig::try_from(trusting(&[&scene.identity], &["doq"])).unwrap();
    let mut config = quinn::ClientConfig::new(Arc::new(crypto));
    let mut transport = quinn::TransportConfig::default();
    transport.stream_receive_window(1_u8.into()).receive_window(1_u8.into());
    config.transport_config(Arc::new(transport));
    let mut held = Vec::new();
    for number in 0..CONNECTIONS {
        if number % OF_A_CLIENT == 0 {
            held.push((quinn::Endpoint::client((client(number), 0).into()).unwrap(), Vec::new()));
        }
        let (endpoint, connections) = held.last_mut().expect("the first number makes one");
        let connecting = endpoint.connect_with(config.clone(), scene.quic, NAME).unwrap();
        let connection = connecting.await.unwrap();
        for _ in 0..QUERIES {
            let (mut send, receive) = connection.open_bi().await.unwrap();
            send.write_all(&framed(&big())).await.unwrap();
            send.finish().unwrap();
            connections.push((send, receive));
        }
    }
    tokio::time::sleep(LEFT_FOR).await;
    scene.is_bounded("QUIC");
}

#[test]
fn of_the_admin_server() {
    let scene = Scene::new();
    // The last two read a few octets now and then.
    for (path, reads) in [
        ("/v1/events", false),
        ("/v1/status", false),
        ("/", false),
        ("/page/world.js", false),
        ("/v1/events?since=1h", false),
        ("/metrics", true),
        ("/openapi.json", true),
    ] {
        let mut streams: Vec<TcpStream> = (0..CONNECTIONS).map(|number| connect(scene.admin, number)).collect();
        for stream in &mut streams {
            // An error means that the server refused or closed the connection.
            let _ = stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes());
        }
        let left_at = Instant::now();
        while left_at.elapsed() < LEFT_FOR {
            for stream in streams.iter_mut().filter(|_| reads) {
                let _ = stream.set_nonblocking(true).and_then(|()| stream.read(&mut [0; 8]));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        scene.is_bounded(path);
        let mut health = connect(scene.admin, 0);
        health.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let mut response = String::new();
        match health.read_to_string(&mut response) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
        }
        assert!(response.starts_with("HTTP/1.1 200"), "{response}");
    }
}
