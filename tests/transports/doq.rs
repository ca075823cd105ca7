//! DNS over QUIC (RFC 9250).

use super::*;
use quinn::{ApplicationClose, ConnectionError, VarInt};
use std::net::UdpSocket;

const PROTOCOL_ERROR: u32 = 2;
const EXCESSIVE_LOAD: u32 = 4;
const UNSPECIFIED_ERROR: u32 = 5;

/// The code of DoQ that the server closed the connection with.
pub(super) async fn closed_with(connection: &quinn::Connection) -> u32 {
    match timeout(PATIENCE, connection.closed()).await.unwrap() {
        ConnectionError::ApplicationClosed(ApplicationClose { error_code, .. }) => {
            u64::from(error_code).try_into().unwrap()
        }
        other => panic!("closed for another reason: {other}"),
    }
}

/// Sends this on a stream and ends it.
async fn say(connection: &quinn::Connection, octets: &[u8]) -> quinn::RecvStream {
    let (mut send, receive) = connection.open_bi().await.unwrap();
    // The server may close the connection before all is sent.
    if send.write_all(octets).await.is_ok() {
        let _ = send.finish();
    }
    receive
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc9250_4_2_each_query_has_a_stream() {
    let server = Server::start(limits());
    let connection = server.quic().await;
    assert_eq!(addresses(&ask_quic(&connection, &ns1()).await), ["192.0.2.53".parse::<std::net::IpAddr>().unwrap()]);
    assert_eq!(strings(&ask_quic(&connection, &query("big", RecordType::TXT)).await).len(), BIG_RECORDS);
    let answer = ask_quic(&connection, &query("nothing", RecordType::A)).await;
    assert_eq!(answer.metadata.response_code, ResponseCode::NXDomain);
    // Far more than the limit of concurrent queries.
    let asked: Vec<_> = (0..500)
        .map(|_| {
            let connection = connection.clone();
            tokio::spawn(async move { ask_quic(&connection, &ns1()).await })
        })
        .collect();
    for asked in asked {
        timeout(PATIENCE, asked).await.unwrap().unwrap();
    }
    server.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_hangs_keeps_no_other_waiting_and_has_its_time() {
    let server = Server::start(TcpLimits { query: SHORT, ..limits() });
    let connection = server.quic().await;
    let (mut send, mut receive) = connection.open_bi().await.unwrap();
    send.write_all(&framed(&ns1())).await.unwrap();
    ask_quic(&connection, &ns1()).await;
    let reset = timeout(PATIENCE, receive.read_to_end(9)).await.unwrap().unwrap_err();
    let expected = quinn::ReadError::Reset(VarInt::from_u32(UNSPECIFIED_ERROR));
    assert_eq!(reset, quinn::ReadToEndError::Read(expected));
    ask_quic(&connection, &ns1()).await;
    server.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc9250_4_3_1_a_query_that_is_cancelled_costs_nothing_else() {
    let server = Server::start(limits());
    let connection = server.quic().await;
    let (mut send, mut receive) = connection.open_bi().await.unwrap();
    send.write_all(&[0]).await.unwrap();
    send.reset(VarInt::from_u32(3)).unwrap();
    receive.stop(VarInt::from_u32(3)).unwrap();
    ask_quic(&connection, &ns1()).await;
    server.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc9250_4_3_3_a_protocol_error_ends_the_connection() {
    let server = Server::start(limits());
    let mut numbered = ns1();
    numbered.metadata.id = 1;
    let mut sound = ns1();
    sound.metadata.id = 0;
    let sound = framed(&sound);
    let mut response = sound.clone();
    response[4] |= 0x80;
    let cut = sound[..sound.len() - 1].to_vec();
    for wrong in [framed(&numbered), cut, sound.repeat(2), Vec::new(), vec![0; 70_000], response] {
        let connection = server.quic().await;
        ask_quic(&connection, &ns1()).await;
        let _ = say(&connection, &wrong).await;
        assert_eq!(closed_with(&connection).await, PROTOCOL_ERROR, "{} octets", wrong.len());
    }
    server.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc9250_4_1_a_client_that_wants_another_protocol_is_refused() {
    let server = Server::start(limits());
    let refused = quic_endpoint(&server.identity, "h3").connect(server.quic, NAME).unwrap().await.unwrap_err();
    assert!(
        refused.to_string().contains("no application protocol") || refused.to_string().contains("120"),
        "{refused}"
    );
    server.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc9250_4_5_there_is_no_early_data() {
    let server = Server::start(limits());
    let endpoint = quic_endpoint(&server.identity, "doq");
    let first = endpoint.connect(server.quic, NAME).unwrap().await.unwrap();
    // Session tickets come with or before the answer.
    ask_quic(&first, &ns1()).await;
    assert!(endpoint.connect(server.quic, NAME).unwrap().into_0rtt().is_err());
    server.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_is_closed() {
    let server = Server::start(TcpLimits { idle: SHORT, ..limits() });
    let connection = server.quic().await;
    ask_quic(&connection, &ns1()).await;
    let reason = timeout(PATIENCE, connection.closed()).await.unwrap();
    assert!(matches!(reason, ConnectionError::TimedOut), "{reason}");
    server.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn handshakes_that_nobody_completes_keep_nobody_waiting() {
    let server = Server::start(limits());
    // Nobody reads the server's messages to this socket.
    let (to_server, abyss) = (udp(), udp());
    to_server.connect(server.quic).unwrap();
    let endpoint = quic_endpoint(&server.identity, "doq");
    let half_open: Vec<_> = (0..300).map(|_| endpoint.connect(abyss.local_addr().unwrap(), NAME).unwrap()).collect();
    let mut packet = [0; 2048];
    for _ in 0..300 {
        let length = abyss.recv(&mut packet).unwrap();
        to_server.send(&packet[..length]).unwrap();
    }
    let began = Instant::now();
    for _ in 0..3 {
        let connection = timeout(AT_ONCE, server.quic()).await.unwrap();
        ask_quic(&connection, &ns1()).await;
    }
    assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
    drop(half_open);
    server.running.stop().await;
}

fn udp() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

#[tokio::test(flavor = "multi_thread")]
async fn all_ways_share_a_clients_seats_and_the_longest_idle_goes() {
    let server = Server::start(TcpLimits { connections_per_client: 2, ..limits() });
    let first = server.quic().await;
    ask_quic(&first, &ns1()).await;
    let mut second = server.tls(&["dot"]);
    ask(&mut second, &ns1());
    ask_quic(&first, &ns1()).await;

    let mut third = server.https();
    assert_eq!(http(&mut third, &get(&ns1()), b"").status, 200);
    assert!(second.read(&mut [0]).is_err_and(|error| error.kind() == ErrorKind::UnexpectedEof));
    ask_quic(&first, &ns1()).await;

    let mut fourth = connect(server.dns);
    ask_tcp(&mut fourth, &ns1());
    assert!(third.read(&mut [0]).is_err_and(|error| error.kind() == ErrorKind::UnexpectedEof));

    ask_tcp(&mut fourth, &ns1());
    let _fifth = server.quic().await;
    assert_eq!(closed_with(&first).await, EXCESSIVE_LOAD);
    server.running.stop().await;
}
