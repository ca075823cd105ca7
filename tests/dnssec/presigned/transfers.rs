//! Copies of signed files hold everything.

use std::process::Command;

use super::signers::{Signed, UNSIGNED, WAYS};
use crate::harness::{Node, SERVER};

const ALLOWED: &str = "[transfer]\nallow = [\"127.0.0.0/8\"]\n";

/// Copies the zone by AXFR or IXFR, with the second SOA record left out.
fn copy(node: &Node, kind: &str) -> String {
    let address = node.address();
    let output = Command::new("dig")
        .args([&format!("@{}", address.ip()), "-p", &address.port().to_string(), "signed.example"])
        .args([kind, "+noall", "+answer", "+onesoa"])
        .output()
        .expect("apt-get install bind9-dnsutils");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn nothing_is_wrong_with_a_copy() {
    for way in WAYS {
        let signed = Signed::zone(UNSIGNED, way);
        let (_files, node) = signed.serve(&format!("{SERVER}{ALLOWED}"));
        for kind in ["AXFR", "IXFR=1"] {
            let copy = copy(&node, kind);
            assert!(copy.contains("2026112801"), "the serial is the file's: {copy}");
            assert_eq!(signed.verify(&copy), Ok(()), "{way:?} {kind}");
            // The records are those of the file, which the signer's own reader counts.
            let records = copy.lines().filter(|line| !line.starts_with(';') && !line.is_empty()).count();
            // `dig` shows the second SOA record of IXFR.
            let repeated = usize::from(kind != "AXFR");
            assert_eq!(records, signed.records() + repeated, "{way:?} {kind}");
        }
    }
}
