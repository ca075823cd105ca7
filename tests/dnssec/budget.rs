//! The budget for signatures: random names cannot take it from known ones.

use std::time::{Duration, Instant};

use crate::harness::PATIENCE;
use crate::world::{STEADY, files, server, zone};

#[test]
fn beyond_the_budget_only_fresh_signatures_fail() {
    let files = files(&server("[dnssec]\nenabled = false\nsignatures_per_second = 4\n"), &zone(STEADY));
    let node = files.serve();
    // The first answers need more signatures than a second may have.
    let start = Instant::now();
    while node.dig("+dnssec www.signed.example A").status != "NOERROR" {
        assert!(start.elapsed() < PATIENCE);
        std::thread::sleep(Duration::from_millis(100));
    }
    let mut failed = 0;
    let words: Vec<String> = (0..60).map(|number| format!("+dnssec n{number}.signed.example A")).collect();
    for words in words.chunks(20) {
        let replies = node.dig_all(&words.join(" "));
        failed += replies.iter().filter(|reply| reply.status == "SERVFAIL").count();
        for reply in replies {
            assert!(matches!(&*reply.status, "NOERROR" | "SERVFAIL"), "{reply:?}");
            assert_eq!(reply.status == "SERVFAIL", reply.authority.is_empty(), "an answer is whole, or none");
        }
        // What was signed before is answered all the while, and who wants no signatures too.
        assert_eq!(node.dig("+dnssec www.signed.example A").status, "NOERROR");
        assert_eq!(node.dig("never.signed.example A").status, "NXDOMAIN");
    }
    assert!(failed > 0, "no answer was refused");
}
