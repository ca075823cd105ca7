//! Any octets as a message, by any transport: the answer is a message, fits what the asker takes, and repeats the ID.
//!
//! The first octet tells the transport and the asker's family, the rest is the message.
#![no_main]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use hickory_proto::op::{Message, MessageType};
use libfuzzer_sys::fuzz_target;
use truenorth::answer::{Asker, Outcome, Rotation, Transfer, Transport, Worker, answer};
use truenorth::config;
use truenorth::geo::Locations;
use truenorth::snapshot::{Blueprint, Snapshot, Standing};
use truenorth::wire::{MAX_MESSAGE, Query};

/// Unix seconds.
const NOW: u64 = 1_559_731_985;

/// Messages that a copy of the world's zone takes at most.
const MAX_MESSAGES: usize = 4;

static SNAPSHOT: LazyLock<Snapshot> = LazyLock::new(|| {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("world/truenorth.toml");
    let config = config::load(&path, &truenorth::disk::Disk::new(), &|_| None).unwrap_or_else(|faults| panic!("{}", faults.render(false)));
    let blueprint = Blueprint::compile(config.world, Arc::new(Locations::unknown()), None);
    Snapshot::new(Arc::new(blueprint), |_, _| Standing::CALM, None)
});

static ROTATION: LazyLock<Arc<Rotation>> = LazyLock::new(Arc::default);

fn asker(choice: u8) -> Asker {
    let transports = [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Https, Transport::Quic];
    let transport = transports[usize::from(choice & 0x7f) % transports.len()];
    let address: IpAddr = if choice & 0x80 == 0 { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() };
    Asker { address, transport, idle: transport.is_stream().then_some(Duration::from_secs(10)) }
}

fn check(query: &[u8], reply: &[u8]) {
    assert_eq!(reply[..2], query[..2]);
    let reply = Message::from_vec(reply).expect("an answer is a message");
    assert_eq!(reply.metadata.message_type, MessageType::Response);
}

fuzz_target!(|octets: &[u8]| {
    let Some((&choice, message)) = octets.split_first() else { return };
    let asker = asker(choice);
    let mut out = vec![0; MAX_MESSAGE];
    let mut worker = Worker::new(ROTATION.clone());
    if let Outcome::Reply { length, .. } = answer(&SNAPSHOT, &mut worker, message, asker, NOW, &mut out) {
        check(message, &out[..length]);
    }
    let Some(query) = Query::parse(message) else { return };
    let Some(mut transfer) = Transfer::find(&SNAPSHOT, &query, asker, NOW) else { return };
    let mut messages = 0;
    while let Some(length) = transfer.next(&mut out) {
        check(message, &out[..length]);
        messages += 1;
        assert!(messages <= MAX_MESSAGES, "a transfer ends");
    }
});
