use std::net::UdpSocket;
use std::os::fd::AsFd;

use super::*;

#[test]
fn the_kernel_tells_what_it_dropped() {
    let (server, client) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
    assert_eq!(drops(server.as_fd()).unwrap(), 0);
    socket2::SockRef::from(&server).set_recv_buffer_size(4096).unwrap();
    for _ in 0..100 {
        client.send_to(&[0; 512], server.local_addr().unwrap()).unwrap();
    }
    let dropped = drops(server.as_fd()).unwrap();
    assert!((1..100).contains(&dropped), "{dropped}");
}

#[test]
fn an_answer_that_cannot_be_sent_costs_no_other() {
    let (server, client) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
    for number in 0..4 {
        client.send_to(&[number], server.local_addr().unwrap()).unwrap();
    }
    let mut batch = Batch::new();
    batch.receive(server.as_fd(), Wait::ForOne).unwrap();
    batch.answer_rest(|query, answer| {
        assert_eq!(query.source(), client.local_addr().unwrap());
        assert_eq!(query.destination(), None, "the socket is bound to one address");
        answer[0] = query.octets[0];
        query.octets.len()
    });
    // The kernel refuses to send to an unspecified address.
    for unsendable in [0, 2] {
        batch.headers[unsendable].msg_hdr.msg_namelen = 0;
    }
    batch.send(server.as_fd());
    client.set_nonblocking(true).unwrap();
    let mut answer = [0; 2];
    let answers = std::iter::from_fn(|| client.recv(&mut answer).ok().map(|length| (length, answer[0])));
    assert_eq!(answers.collect::<Vec<_>>(), [(1, 1), (1, 3)]);
}
