//! Signatures that are made before they are asked for, and what `explain` tells of them.

use std::time::Instant;

use hickory_proto::rr::RecordType::{A, AAAA, HTTPS};

use crate::endpoint::{ANY_PORT, Endpoint, Script};
use crate::harness::{Node, PATIENCE, SERVER};
use crate::validators::{Memory, Validator, is_authentic};
use crate::world::{ZONE, ds, files, probed, zone};

/// The steered names of the zone that no wildcard holds.
const NAMES: [&str; 6] = ["www", "maybe", "nodata", "many", "some", "alias"];

const TYPES: [&str; 3] = ["A", "AAAA", "HTTPS"];

/// A client that the datacenter fra serves as long as it is up.
const CLIENT: &str = "+subnet=198.51.100.0/24";

fn made(node: &Node) -> u64 {
    node.count("truenorth_signatures_total{source=\"made\"}")
}

fn signed_ahead(node: &Node, state: &str) -> u64 {
    node.count(&format!("truenorth_signatures_ahead_total{{state=\"{state}\"}}"))
}

/// Waits until nothing more is signed ahead: that takes a fraction of a second, at a tenth of a processor.
fn wait_until_ready(node: &Node) {
    let (start, mut last, mut since) = (Instant::now(), 0, Instant::now());
    while last == 0 || since.elapsed().as_millis() < 1500 {
        assert!(start.elapsed() < PATIENCE, "{last} signatures are made");
        let now = signed_ahead(node, "made");
        if now > last {
            (last, since) = (now, Instant::now());
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

/// Asks all questions, and fails if an answer needed a signature that was not there.
#[track_caller]
fn asks(node: &Node, when: &str) {
    let before = made(node);
    for name in NAMES {
        for rtype in TYPES {
            for client in [CLIENT, "+subnet=203.0.113.0/24", ""] {
                let reply = node.dig(&format!("+dnssec {client} {name}.signed.example {rtype}"));
                assert_eq!(reply.status, "NOERROR", "{when}: {reply:?}");
                assert_eq!(made(node), before, "{when}: {name} {rtype} {client}: {reply:?}");
            }
        }
    }
}

#[test]
fn first_answers_have_signatures_that_were_made_ahead() {
    let [mut fra, iad] = [(); 2].map(|()| Endpoint::start(ANY_PORT, Script::status(200)));
    let server = format!("{SERVER}[admin]\nlisten = \"127.0.0.1:0\"\n");
    let files = files(&server, &zone(&probed(fra.address(), iad.address())));
    let mut node = files.serve();
    let admin = node.wait_for_admin();
    wait_until_ready(&node);
    assert_eq!(signed_ahead(&node, "used"), 0);

    // An explanation changes nothing.
    let explain = |name: &str| {
        let ran = files.run(&format!("explain {name}.signed.example --client 198.51.100.0/24 --node {admin}"));
        assert_eq!(ran.code, Some(0), "{ran:?}");
        ran.stdout.lines().filter(|line| line.starts_with("  signed ")).map(str::to_owned).collect::<Vec<_>>()
    };
    let is_kept = |line: &String| line.ends_with(", kept");
    assert!(explain("www").iter().all(is_kept) && explain("www").len() == 1, "{:?}", explain("www"));
    for _ in 0..2 {
        assert!(explain("mail")[0].ends_with(", made when it is asked for"), "{:?}", explain("mail"));
    }
    assert_eq!([made(&node), signed_ahead(&node, "used")], [0; 2]);

    asks(&node, "at first");
    let used = signed_ahead(&node, "used");
    assert!(used > 10, "{used}");
    let home = node.dig(&format!("{CLIENT} www.signed.example A")).data().join(" ");
    fra.stop_listening();
    let away = node.dig("+subnet=203.0.113.0/24 www.signed.example A").data().join(" ");
    node.comes_to_answer(&format!("{CLIENT} www.signed.example A"), &[&away]);
    asks(&node, "after a fall");
    assert!(signed_ahead(&node, "used") > used, "with the other TTL at least");
    wait_until_ready(&node);
    fra.listen_again();
    node.comes_to_answer(&format!("{CLIENT} www.signed.example A"), &[&home]);
    asks(&node, "after the return");

    node.dig("+dnssec mail.signed.example A");
    assert!(explain("mail").iter().all(is_kept), "{:?}", explain("mail"));
    let validator = Validator::unbound(node.address(), &ds(&files, ZONE), Memory::Short);
    let mut client = validator.client(false);
    for name in NAMES {
        for rtype in [A, AAAA, HTTPS] {
            let reply = client.ask(&format!("{name}.{ZONE}"), rtype);
            assert!(is_authentic(&reply), "{name} {rtype}: {reply}\n{}", validator.log());
        }
    }
}
