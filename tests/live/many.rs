//! A node of many names, all of which are asked for: queries come in bursts, and each gets its own answer.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr};

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::RecordType;

use crate::harness::{Files, SERVER, addresses, query};

/// So many that the node reads ahead what a batch of queries needs.
const NAMES: u32 = 20_000;

/// Queries that are sent before the first answer is read. Their answers fit in a socket's buffer.
const BURST: u32 = 100;

/// Every tenth name is steered, and the others have a record.
fn is_steered(number: u32) -> bool {
    number.is_multiple_of(10)
}

fn address(number: u32) -> IpAddr {
    Ipv4Addr::from_bits(0x0a00_0000 + number).into()
}

#[test]
fn each_of_many_names_gets_its_own_answer() {
    let mut zone = "[nameservers]\nns1 = [\"127.0.0.1\"]\n".to_owned();
    let mut records = "$TTL 30\n".to_owned();
    for number in 0..NAMES {
        let address = address(number);
        if is_steered(number) {
            writeln!(
                zone,
                "[pools.p{number}]\nendpoints = [\"{address}\"]\n[names.n{number}]\npools = [\"p{number}\"]"
            )
            .expect("memory");
        } else {
            writeln!(records, "n{number} A {address}").expect("memory");
        }
    }
    let files = Files::new(SERVER, &[("example.com.toml", &zone), ("example.com.zone", &records)]);
    let node = files.serve();
    let asker = node.asker();
    // An odd factor without a common divisor visits each name once, in an order that looks random.
    let scattered = |turn: u32| turn.wrapping_mul(7_919) % NAMES;
    for burst in 0..NAMES / BURST {
        let turns = burst * BURST..(burst + 1) * BURST;
        for turn in turns.clone() {
            let number = scattered(turn);
            let name = match turn % 5 {
                0 => format!("N{number}.Example.COM."),
                1 => format!("no{number}.example.com."),
                _ => format!("n{number}.example.com."),
            };
            assert!(asker.send(&query(turn as u16, &name, RecordType::A, None)));
        }
        for _ in turns.clone() {
            let reply = Message::from_vec(&asker.receive().expect("all are answered")).expect("it is sound");
            let turn = turns.start + u32::from(reply.metadata.id.wrapping_sub(turns.start as u16));
            let expected = if turn % 5 == 1 { vec![] } else { vec![address(scattered(turn))] };
            assert_eq!(addresses(&reply), expected, "{reply}");
            let is_missing = reply.metadata.response_code == ResponseCode::NXDomain;
            assert_eq!(is_missing, expected.is_empty(), "{reply}");
        }
    }
}
