//! Connections that have asked once and wait: each costs little memory, so that a node can have thousands of them.

use tokio::io::AsyncReadExt;

use super::*;

/// Many connections that may be idle for longer than this test takes.
const LIMITS: &str = "[connections]\nmax = 900\nidle = \"10m\"\n";

/// Connections that are made before memory is measured: the first ones make what all share.
const FIRST: usize = 200;

/// Connections that are measured.
const MEASURED: usize = 600;

/// Octets that a connection may take: 10,000 idle ones of TLS fit into 200 MiB, with all else. HTTP/2 keeps more.
const MOST: u64 = 16 << 10;
const MOST_OF_HTTPS: u64 = 60 << 10;

/// Makes connections with `connect`, which gets their numbers. None may take more than so many octets.
async fn measure<C>(scene: &Scene, most: u64, connect: impl AsyncFn(usize) -> C) {
    let mut held = Vec::new();
    for number in 0..FIRST {
        held.push(connect(number).await);
    }
    let before = scene.resident();
    for number in FIRST..FIRST + MEASURED {
        held.push(connect(number).await);
    }
    let each = scene.resident().saturating_sub(before) / MEASURED as u64;
    println!("{each} octets");
    assert!(each < most, "{each} octets");
}

/// Asks and reads the whole answer.
async fn ask(mut stream: impl tokio::io::AsyncRead + AsyncWriteExt + Unpin) -> impl Sized {
    stream.write_all(&framed(&query(0, "www.example.com.", RecordType::A, None))).await.unwrap();
    stream.flush().await.unwrap();
    let mut answer = vec![0; usize::from(stream.read_u16().await.unwrap())];
    stream.read_exact(&mut answer).await.unwrap();
    stream
}

#[tokio::test]
async fn of_tcp() {
    let scene = Scene::with(LIMITS);
    let connect = async |number| {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((client(number), 0).into()).unwrap();
        ask(socket.connect(scene.node.address()).await.unwrap()).await
    };
    measure(&scene, MOST, connect).await;
}

#[tokio::test]
async fn of_tls() {
    let scene = Scene::with(LIMITS);
    let connector = connector(&scene, &["dot"]);
    let connect = async |number| ask(connect_tls(&connector, scene.tls, number).await).await;
    measure(&scene, MOST, connect).await;
}

#[tokio::test]
async fn of_https() {
    let scene = Scene::with(LIMITS);
    let connector = connector(&scene, &["h2"]);
    let query = query(0, "www.example.com.", RecordType::A, None);
    let connect = async |number| {
        let (mut responses, connection) = leave_unread(&scene, &connector, number, 65_535, &query, 1).await;
        let response = responses.pop().expect("it asked").await.unwrap();
        assert_eq!(response.status(), 200);
        (response, connection)
    };
    measure(&scene, MOST_OF_HTTPS, connect).await;
}
