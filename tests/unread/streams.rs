//! What a client can do with the streams, the address and the port of DNS over QUIC.

use std::net::UdpSocket;
use std::time::Instant;

use quinn::{Connection, ReadError, ReadToEndError, RecvStream, SendStream, VarInt};
use tokio::task::JoinSet;

use super::*;
use crate::encrypted::{quic, quic_endpoint};

/// Connections that are misused at a time.
const HOSTILE: usize = 40;

/// Times that all streams of such a connection are opened and reset.
const ROUNDS: usize = 10;

/// Maximum time in which an honest client gets its answer, on a busy machine.
const HONEST: Duration = Duration::from_secs(20);

/// The code with which the node ends a stream whose query does not come (`DOQ_UNSPECIFIED_ERROR`).
const TOO_SLOW: VarInt = VarInt::from_u32(5);

fn small() -> Vec<u8> {
    framed(&query(0, "www.example.com.", RecordType::A, None))
}

async fn ask(connection: &Connection) -> Result<Vec<u8>, ReadToEndError> {
    let (mut send, mut receive) = connection.open_bi().await.map_err(|error| ReadToEndError::Read(error.into()))?;
    send.write_all(&small()).await.expect("the stream is open");
    send.finish().expect("it was not finished before");
    receive.read_to_end(4096).await
}

fn is_answer(stream: &[u8]) -> bool {
    stream.ends_with(&[192, 0, 2, 1])
}

/// Connects and asks as an honest client does.
async fn honest(scene: &Scene) {
    let begun = Instant::now();
    let answer = tokio::time::timeout(HONEST, async {
        let connection = quic(scene.quic, &scene.identity).await.expect("there is room for it");
        ask(&connection).await.expect("it is answered")
    });
    let answer = answer.await.unwrap_or_else(|_| panic!("no answer in {:?}", begun.elapsed()));
    assert!(is_answer(&answer), "{answer:?}");
}

/// Connections of several clients, each of which has fewer than its limit.
async fn hostile(scene: &Scene) -> Vec<(quinn::Endpoint, Connection)> {
    let mut connections = Vec::new();
    let config = quic_config(scene);
    for number in 0..HOSTILE {
        let endpoint = quinn::Endpoint::client((client(number * 10), 0).into()).unwrap();
        let connection = endpoint.connect_with(config.clone(), scene.quic, NAME).unwrap().await.unwrap();
        connections.push((endpoint, connection));
    }
    connections
}

pub(super) fn quic_config(scene: &Scene) -> quinn::ClientConfig {
    let crypto = QuicClientConfig::try_from(trusting(&[&scene.identity], &["doq"])).unwrap();
    quinn::ClientConfig::new(Arc::new(crypto))
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_streams_that_are_opened_and_reset() {
    let scene = Scene::new();
    let at_rest = scene.resident();
    let hostile = hostile(&scene).await;
    for round in 0..ROUNDS {
        for (_, connection) in &hostile {
            let mut streams = Vec::new();
            // As many as the node allows now.
            while let Ok(Ok(stream)) = tokio::time::timeout(Duration::from_millis(20), connection.open_bi()).await {
                streams.push(stream);
                if streams.len() == QUERIES {
                    break;
                }
            }
            for (number, (mut send, mut receive)) in streams.into_iter().enumerate() {
                let query = small();
                let _ = send.write_all(&query[..(number + round) % query.len()]).await;
                let _ = (send.reset(VarInt::from_u32(3)), receive.stop(VarInt::from_u32(3)));
            }
        }
        honest(&scene).await;
    }
    scene.is_bounded("QUIC, streams reset");
    for (_, connection) in &hostile {
        assert!(is_answer(&ask(connection).await.expect("the connection is good still")));
    }
    drop(hostile);
    scene.gives_back(at_rest).await;
}

/// Streams that never end are ended, those that get on slowly within their time are answered, and nobody waits for them.
#[tokio::test(flavor = "multi_thread")]
async fn streams_without_an_end_and_streams_of_single_octets() {
    let scene = Scene::new();
    let hostile = hostile(&scene).await;
    let mut endless: Vec<(SendStream, RecvStream)> = Vec::new();
    for (number, (_, connection)) in hostile.iter().enumerate() {
        // Half of the connections send whole queries without an end, the others a part of one.
        let query = small();
        let sent = if number % 2 == 0 { &query[..] } else { &query[..7] };
        for _ in 0..QUERIES {
            let (mut send, receive) = connection.open_bi().await.unwrap();
            send.write_all(sent).await.unwrap();
            endless.push((send, receive));
        }
    }
    honest(&scene).await;
    let patient = quic(scene.quic, &scene.identity).await.unwrap();
    let (mut send, mut receive) = patient.open_bi().await.unwrap();
    for octet in small() {
        send.write_all(&[octet]).await.unwrap();
        tokio::task::yield_now().await;
    }
    send.finish().unwrap();
    assert!(is_answer(&receive.read_to_end(4096).await.unwrap()));
    scene.is_bounded("QUIC, streams without an end");
    // Sixteen of each connection are read, until their time is over; the others follow.
    let (_open, receives): (Vec<SendStream>, Vec<RecvStream>) = endless.drain(..QUERIES).unzip();
    let mut ends: JoinSet<_> =
        receives.into_iter().map(|mut receive| async move { receive.read_to_end(4096).await }).collect();
    let ended = tokio::time::timeout(HONEST, ends.join_next()).await.expect("one is ended").unwrap().unwrap();
    assert!(matches!(ended, Err(ReadToEndError::Read(ReadError::Reset(TOO_SLOW)))), "{ended:?}");
}

/// A client that does not want an answer any more loses only that one.
#[tokio::test(flavor = "multi_thread")]
async fn queries_behind_stop_sending() {
    let scene = Scene::new();
    let connection = quic(scene.quic, &scene.identity).await.unwrap();
    for _ in 0..QUERIES * 5 {
        let (mut send, mut receive) = connection.open_bi().await.unwrap();
        receive.stop(VarInt::from_u32(3)).unwrap();
        send.write_all(&framed(&big())).await.unwrap();
        send.finish().unwrap();
    }
    assert!(is_answer(&ask(&connection).await.unwrap()));
    scene.is_bounded("QUIC, answers that nobody wants");
}

/// A ticket makes the next handshake shorter. Early data can be replayed, so the node takes none.
#[tokio::test(flavor = "multi_thread")]
async fn early_data_is_not_taken() {
    let scene = Scene::new();
    let endpoint = quic_endpoint(&scene.identity, "doq");
    for _ in 0..3 {
        let connecting = endpoint.connect(scene.quic, NAME).unwrap();
        let connection = match connecting.into_0rtt() {
            Ok(_) => panic!("a ticket allows early data"),
            Err(connecting) => connecting.await.unwrap(),
        };
        assert!(is_answer(&ask(&connection).await.unwrap()));
        connection.close(VarInt::from_u32(0), b"");
    }
}

/// A client whose address changes, again and again, keeps its connection.
#[tokio::test(flavor = "multi_thread")]
async fn connections_that_migrate() {
    let scene = Scene::new();
    let endpoint = quic_endpoint(&scene.identity, "doq");
    let connection = endpoint.connect(scene.quic, NAME).unwrap().await.unwrap();
    for number in 0..30_u8 {
        assert!(is_answer(&ask(&connection).await.unwrap()), "{number}");
        endpoint.rebind(UdpSocket::bind((Ipv4Addr::new(127, 0, 2, number + 1), 0)).unwrap()).unwrap();
    }
    honest(&scene).await;
}

/// Datagrams of any kind at the port: no memory, no answer that is longer than what was sent, and honest clients are
/// answered between them.
#[tokio::test(flavor = "multi_thread")]
async fn floods_of_datagrams() {
    const DATAGRAMS: usize = 60_000;
    let scene = Scene::new();
    let at_rest = scene.resident();
    let server = scene.quic;
    let flood = std::thread::spawn(move || {
        let socket = UdpSocket::bind((Ipv4Addr::new(127, 0, 3, 1), 0)).unwrap();
        socket.set_nonblocking(true).unwrap();
        let (mut sent, mut received, mut seed) = (0, 0, 1_u64);
        for number in 0..DATAGRAMS {
            let mut datagram: Vec<u8> = std::iter::repeat_with(|| {
                // A generator of Marsaglia's: any octets will do.
                seed ^= seed << 13;
                seed ^= seed >> 7;
                seed ^= seed << 17;
                seed as u8
            })
            .take([1200, 40, 1, 1200, 22, 1452][number % 6])
            .collect();
            match number % 6 {
                // A long header of QUIC 1: Initial, with ids of eight octets. The rest is random.
                0 => datagram[..15].copy_from_slice(&[0xc3, 0, 0, 0, 1, 8, 1, 2, 3, 4, 5, 6, 7, 8, 8]),
                // A version that nobody has.
                3 => datagram[..6].copy_from_slice(&[0xc0, 0xba, 0xba, 0xba, 0xba, 8]),
                // A short header of no connection.
                5 => datagram[0] = 0x40,
                _ => {}
            }
            sent += socket.send_to(&datagram, server).unwrap_or_default();
            while let Ok(length) = socket.recv(&mut [0; 2048]) {
                received += length;
            }
        }
        (sent, received)
    });
    while !flood.is_finished() {
        honest(&scene).await;
    }
    let (sent, received) = flood.join().unwrap();
    assert!(received < sent, "{received} of {sent} octets come back");
    scene.is_bounded("QUIC, datagrams of any kind");
    scene.gives_back(at_rest).await;
}
