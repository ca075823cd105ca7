//! A small hand-made world, a server that answers from it, and an independent client.

// Each test binary compiles this module and uses a part of it.
#![allow(dead_code)]

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::num::{NonZeroU16, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use hickory_proto::op::{Message, Query};
use hickory_proto::rr::{RData, RecordType};
use socket2::{Domain, Socket, Type};
use truenorth::answer::Rotation;
use truenorth::geo::{Locations, Regions};
use truenorth::name::Name;
use truenorth::server::{Bound, Running, TcpLimits};
use truenorth::snapshot::{
    Addresses, Blueprint, Ecs, Endpoint, EndpointState, Members, PoolId, PoolList, PoolSpec, PoolUse, Snapshot,
    SteeredName, Steering, Ttls, World, ZoneSpec,
};
use truenorth::steering::Pick;
use truenorth::wire::Rtype;
use truenorth::zone::{Record, Tree};

/// Maximum time of an answer on loopback, even on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Number of addresses of each family at `www.example.test.`, which rotate.
pub(crate) const ADDRESSES: u8 = 5;

/// Records at `big.example.test.`, and octets of each one's only string.
pub(crate) const BIG_RECORDS: usize = 40;
const BIG_STRING: u8 = 200;

/// A snapshot of `example.test.` whose TXT record `version` has this text.
pub(crate) fn snapshot(version: &str) -> Arc<Snapshot> {
    let addresses = Addresses::try_new((1..=ADDRESSES).flat_map(|n| [v4(n), v6(n)]).map(endpoint).collect());
    let world = World {
        pools: vec![Arc::new(PoolSpec::new("web", Members::Addresses(addresses.unwrap())))],
        zones: vec![zone(version)],
        datacenters: Vec::new(),
        windows: Vec::new(),
        ecs: Ecs::default(),
        protocol: truenorth::snapshot::Protocol::default(),
        probing: truenorth::snapshot::Probing::default(),
        node: "test".into(),
        site_country: None,
        site_coordinates: None,
    };
    let blueprint = Blueprint::compile(world, Arc::new(Locations::unknown()), None);
    Arc::new(Snapshot::new(Arc::new(blueprint), |_, _| EndpointState::CALM, None))
}

fn v4(n: u8) -> IpAddr {
    Ipv4Addr::new(192, 0, 2, n).into()
}

fn v6(n: u8) -> IpAddr {
    Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, n.into()).into()
}

fn endpoint(value: IpAddr) -> Endpoint<IpAddr> {
    Endpoint { value, weight: 1, capacity: None, condition: None, lease: None }
}

fn zone(version: &str) -> ZoneSpec {
    let origin = Name::parse("example.test.", &Name::root()).unwrap();
    let name = |text: &str| Name::parse(text, &origin).unwrap();
    let record =
        |owner: &str, rtype, rdata: Vec<u8>| Record { owner: name(owner), rtype, ttl: 300, rdata: rdata.into() };
    let string = |text: &[u8]| [&[text.len() as u8][..], text].concat();
    let timers = [1_u32, 3600, 600, 604_800, 60].map(u32::to_be_bytes).concat();
    let soa = [name("ns1").as_wire(), name("hostmaster").as_wire(), &timers].concat();
    let mut records = vec![
        record("@", Rtype::SOA, soa),
        record("@", Rtype::NS, name("ns1").as_wire().to_vec()),
        record("ns1", Rtype::A, vec![192, 0, 2, 53]),
        record("version", Rtype::TXT, string(version.as_bytes())),
    ];
    let big = (0..BIG_RECORDS).map(|n| record("big", Rtype::TXT, string(&[b'a' + n as u8; BIG_STRING as usize])));
    records.extend(big);
    let pools =
        PoolList::try_new(vec![PoolUse { pool: PoolId::from_index(0), weight: 1, order: 0, mode: None }]).unwrap();
    let steering = Steering {
        pick: Some(Pick::Rotate),
        answers: NonZeroU16::new(ADDRESSES.into()),
        ..Steering::new(pools, Ttls::try_new(30, 5).unwrap())
    };
    ZoneSpec {
        regions: Arc::new(Regions::new(Vec::new())),
        tree: Arc::new(Tree::build(&origin, &records, [&name("www")], []).unwrap()),
        serial: 1,
        names: [SteeredName { owner: name("www"), steering: steering.into() }].into(),
        reflect: Arc::default(),
        counts_serial: false,
        contents: 0,
        text: 0,
        keys: None,
        origin,
    }
}

/// A running server.
pub(crate) struct Server {
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) published: Arc<ArcSwap<Snapshot>>,
    pub(crate) running: Running,
}

impl Server {
    /// Starts a server at 127.0.0.1, on a port that the kernel chooses.
    pub(crate) fn start(workers: usize) -> Self {
        Self::start_at(&["127.0.0.1:0"], workers, TcpLimits::default())
    }

    pub(crate) fn start_at(addresses: &[&str], workers: usize, limits: TcpLimits) -> Self {
        let addresses: Vec<_> = addresses.iter().map(|address| address.parse().unwrap()).collect();
        let bound = Bound::new(&addresses, NonZeroUsize::new(workers).unwrap()).unwrap().with_tcp_limits(limits);
        let addresses = bound.addresses();
        let published = Arc::new(ArcSwap::new(snapshot("one")));
        let running = bound.start(published.clone(), Arc::new(Rotation::default())).unwrap();
        Self { addresses, published, running }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.addresses[0]
    }

    pub(crate) async fn stop(self) {
        self.running.stop().await;
    }
}

/// A query for a name below `example.test.`.
pub(crate) fn query(name: &str, rtype: RecordType) -> Message {
    let name = hickory_proto::rr::Name::from_ascii(format!("{name}.example.test.")).unwrap();
    let mut message = Message::query();
    message.add_query(Query::query(name, rtype));
    message
}

/// The answer over UDP to a socket of its own, and its length.
pub(crate) fn ask_udp(server: SocketAddr, query: &Message) -> (Message, usize) {
    let socket = udp_socket(server);
    socket.send(&query.to_vec().unwrap()).unwrap();
    let mut octets = vec![0; 65_535];
    let length = socket.recv(&mut octets).unwrap();
    let answer = Message::from_vec(&octets[..length]).unwrap();
    assert_eq!(answer.metadata.id, query.metadata.id);
    assert_eq!(answer.queries, query.queries);
    (answer, length)
}

/// A socket that takes answers from nowhere but the server.
pub(crate) fn udp_socket(server: SocketAddr) -> UdpSocket {
    let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).unwrap();
    socket.connect(server).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// The string of `version.example.test.` over UDP.
pub(crate) fn version(server: SocketAddr) -> String {
    String::from_utf8(strings(&ask_udp(server, &query("version", RecordType::TXT)).0).concat()).unwrap()
}

/// The first strings of all TXT records in the answer section.
pub(crate) fn strings(answer: &Message) -> Vec<Vec<u8>> {
    let first = |record: &hickory_proto::rr::Record| match &record.data {
        RData::TXT(txt) => txt.txt_data[0].to_vec(),
        other => panic!("{other} is no TXT record"),
    };
    answer.answers.iter().map(first).collect()
}

/// The addresses in the answer section.
pub(crate) fn addresses(answer: &Message) -> Vec<IpAddr> {
    answer.answers.iter().map(|record| record.data.ip_addr().unwrap()).collect()
}

/// A connection to the server.
pub(crate) fn connect(server: SocketAddr) -> TcpStream {
    connect_from("127.0.0.1", server)
}

/// A connection of the client with this address.
pub(crate) fn connect_from(client: &str, server: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::new(client.parse().unwrap(), 0).into()).unwrap();
    socket.connect_timeout(&server.into(), PATIENCE).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// A message with its length in front.
pub(crate) fn framed(query: &Message) -> Vec<u8> {
    let message = query.to_vec().unwrap();
    [&(message.len() as u16).to_be_bytes()[..], &message].concat()
}

/// The next answer of a connection.
pub(crate) fn next_answer(stream: &mut TcpStream) -> Message {
    let mut length = [0; 2];
    stream.read_exact(&mut length).unwrap();
    let mut message = vec![0; u16::from_be_bytes(length).into()];
    stream.read_exact(&mut message).unwrap();
    Message::from_vec(&message).unwrap()
}

/// Sends a query on a connection, and returns the answer.
pub(crate) fn ask_tcp(stream: &mut TcpStream, query: &Message) -> Message {
    stream.write_all(&framed(query)).unwrap();
    let answer = next_answer(stream);
    assert_eq!(answer.metadata.id, query.metadata.id);
    answer
}

/// Waits until the server has closed the connection. Fails if more data comes.
pub(crate) fn assert_closed(stream: &mut TcpStream) {
    match stream.read(&mut [0; 1]) {
        Ok(0) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        other => panic!("the connection is not closed: {other:?}"),
    }
}
