//! DNS over TLS (RFC 7858).

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn rfc7858_answers_come_as_over_tcp() {
    let server = Server::start(limits());
    for alpn in [&["dot"][..], &[]] {
        let mut stream = server.tls(alpn);
        assert_eq!(addresses(&ask(&mut stream, &ns1())), ["192.0.2.53".parse::<std::net::IpAddr>().unwrap()]);
        let big = query("big", RecordType::TXT);
        let both = [framed(&big), framed(&ns1())].concat();
        stream.write_all(&both).unwrap();
        let answer = encrypted::next_answer(&mut stream);
        assert_eq!((answer.metadata.id, strings(&answer).len()), (big.metadata.id, BIG_RECORDS));
        encrypted::next_answer(&mut stream);
    }
    server.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc7301_3_2_a_client_that_wants_another_protocol_is_refused() {
    let server = Server::start(limits());
    let refused = tls(connect(server.tls), trusting(&[&server.identity], &["h2"])).unwrap_err();
    assert!(refused.to_string().contains("NoApplicationProtocol"), "{refused}");
    server.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_is_closed_with_a_word() {
    let server = Server::start(TcpLimits { idle: SHORT, ..limits() });
    let mut stream = server.tls(&["dot"]);
    ask(&mut stream, &ns1());
    assert_closed_inside(&mut stream);
    server.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_has_its_time() {
    let server = Server::start(TcpLimits { handshake: SHORT, ..limits() });
    let began = Instant::now();
    let mut slow = [connect(server.tls), connect(server.https)];
    for stream in &mut slow {
        // The head of a record with a ClientHello.
        stream.write_all(&[22, 3, 1, 2, 0, 1]).unwrap();
    }
    slow.iter_mut().for_each(assert_closed);
    assert!(began.elapsed() >= SHORT);
    server.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_dns_and_noise_end_the_connection() {
    let server = Server::start(limits());
    for address in [server.tls, server.https] {
        let mut stream = connect(address);
        stream.write_all(&framed(&ns1())).unwrap();
        // An alert may come before the end.
        let mut rest = Vec::new();
        match stream.read_to_end(&mut rest) {
            Ok(_) => assert!(rest.len() <= 7, "{rest:?}"),
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
        }
    }
    server.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_half_open_handshakes_of_one_client_keep_nobody_waiting() {
    const FLOOD: usize = 300;
    let server = Server::start(limits());
    let mut other_client = connect_from("127.0.0.9", server.dns);
    ask_tcp(&mut other_client, &ns1());
    for address in [server.tls, server.https] {
        let mut half_open: Vec<_> = (0..FLOOD).map(|_| connect(address)).collect();
        for stream in &mut half_open {
            // An error means that the server has closed the connection already.
            let _ = stream.write_all(&[22, 3, 1, 2, 0, 1]);
        }
        // Another client asks meanwhile.
        let began = Instant::now();
        let stream = connect_from("127.0.0.10", server.tls);
        ask(&mut tls(stream, trusting(&[&server.identity], &["dot"])).unwrap(), &ns1());
        assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());

        // The server keeps as many connections of this client as its limit allows, and has closed the others.
        let kept = TcpLimits::default().connections_per_client;
        assert_closed(&mut half_open[0]);
        assert_closed(&mut half_open[FLOOD - kept - 1]);
        let began = Instant::now();
        ask(&mut server.tls(&["dot"]), &ns1());
        assert_eq!(http(&mut server.https(), &get(&ns1()), b"").status, 200);
        assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
    }
    ask_tcp(&mut other_client, &ns1());
    server.running.stop().await;
}
