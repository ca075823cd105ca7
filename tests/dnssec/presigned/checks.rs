//! What `check` says of signed files that resolvers would reject.

use super::signers::{Signed, UNSIGNED, Way};
use crate::harness::{Files, SERVER};
use crate::world::create_key;

/// Returns the output of `check` for these files, and its code.
fn check(files: &Files) -> (i32, String) {
    let ran = files.run("check");
    (ran.code.unwrap_or(-1), ran.stderr + &ran.stdout)
}

#[track_caller]
fn assert_refused(files: &Files, texts: &[&str]) {
    let (code, said) = check(files);
    assert_eq!(code, 1, "{said}");
    for text in texts {
        assert!(said.contains(text), "{text}: {said}");
    }
}

#[test]
fn a_signed_file_is_served_and_its_end_is_told() {
    let signed = Signed::zone(UNSIGNED, Way::BindNsec);
    let files = signed.files(SERVER);
    let (code, said) = check(&files);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("signed.example. is signed by its file"), "{said}");
    for (end, text) in [
        ("now-3600", "signatures of signed.example. have expired, the first at 20"),
        ("now+86400", "the first signature of signed.example. expires at 20"),
    ] {
        let files = Signed::zone_until(UNSIGNED, Way::BindNsec, end).files(SERVER);
        let (code, said) = check(&files);
        assert!(code == 0 && said.contains("warning") && said.contains(text), "{said}");
    }
}

#[test]
fn what_no_signature_covers_is_refused_with_its_place() {
    let signed = Signed::zone(UNSIGNED, Way::BindNsec);
    let files = signed.files(SERVER);
    let help = "remove the signatures from the file and let `[dnssec]` sign the zone";
    for (toml, texts) in [
        (
            "[pools.web]\nendpoints = [\"192.0.2.1\"]\n[names.steered]\npools = [\"web\"]\n",
            &[
                "steered.signed.example. is answered by choice, but the zone signed.example. is signed by its file",
                "example.toml:3:",
                help,
            ][..],
        ),
        ("[names.me]\nreflect = true\n", &["me.signed.example. is answered by choice", "example.toml:1:"]),
        (
            "[records.more]\nTXT = [\"x\"]\n",
            &["this file adds TXT records of more.signed.example.", "example.toml:2:", help],
        ),
        ("[dnssec]\nenabled = true\n", &["holds signatures or keys, and is to be signed here", "example.toml:1:"]),
    ] {
        files.write("zones/signed.example.toml", toml);
        assert_refused(&files, texts);
    }
    files.write("zones/signed.example.toml", "[dnssec]\nenabled = false\n");
    assert_eq!(check(&files).0, 0);
    // The server file signs all zones but this one.
    files.write("truenorth.toml", format!("{SERVER}[dnssec]\nenabled = true\n"));
    create_key(&files, "plain.example");
    files.write("zones/plain.example.toml", "");
    let (code, said) = check(&files);
    assert_eq!(code, 0, "{said}");
    std::fs::remove_file(files.path("zones/signed.example.toml")).unwrap();
    assert_refused(&files, &["set `enabled = false` in `[dnssec]` of its own zone file"]);
    let generated = format!("{}\n$GENERATE 1-3 host$ A 192.0.2.$\n", signed.text);
    files.write("truenorth.toml", SERVER);
    files.write("zones/signed.example.zone", generated);
    assert_refused(&files, &["records are generated, but the zone signed.example. is signed by its file"]);
}

#[test]
fn gaps_are_refused() {
    let refused = |way: Way, change: &dyn Fn(&str) -> String, texts: &[&str]| {
        let signed = Signed::zone(UNSIGNED, way);
        let files = Files::new(SERVER, &[("signed.example.zone", &change(&signed.flat()))]);
        assert_refused(&files, texts);
    };
    let without = |text: &str, is: &dyn Fn(&str) -> bool| -> String {
        text.lines().filter(|line| !is(line)).flat_map(|line| [line, "\n"]).collect()
    };
    for way in [Way::BindNsec, Way::BindNsec3] {
        let text = &|text: &str| format!("{text}added.signed.example. 300 IN A 192.0.2.1\n");
        let nsec = if way == Way::BindNsec { "NSEC" } else { "NSEC3" };
        refused(
            way,
            text,
            &[
                "no key of the zone has signed the A records of added.signed.example.",
                &format!("added.signed.example. has no {nsec} record"),
                "sign the zone again",
            ],
        );
        let text = &|text: &str| text.replace("2026112801", "2026112802");
        refused(way, text, &["is not that of these SOA records of signed.example.: they have changed since"]);
        let text = &|text: &str| {
            without(text, &|line| line.starts_with("zzz.signed.example.") && line.contains("\tRRSIG\tA "))
        };
        refused(way, text, &["no key of the zone has signed the A records of zzz.signed.example."]);
        let text = &|text: &str| without(text, &|line| line.contains("\tDNSKEY\t"));
        refused(way, text, &["has no DNSKEY record of a key that signs"]);
    }
    let text =
        &|text: &str| without(text, &|line| line.starts_with("mail.signed.example.") && line.contains("\tNSEC\t"));
    refused(Way::BindNsec, text, &["mail.signed.example. has no NSEC record", "does not lead to the next one"]);
    let text = &|text: &str| without(text, &|line| line.contains("\tNSEC\t"));
    refused(
        Way::BindNsec,
        text,
        &["cannot prove what does not exist: it has neither NSEC records nor an NSEC3PARAM record"],
    );
    let text = &|text: &str| without(text, &|line| line.contains("\tNSEC3\t"));
    refused(Way::BindNsec3, text, &["no NSEC3 record has the parameters of its NSEC3PARAM record"]);
    let text = &|text: &str| text.replace("NSEC3PARAM\t1 0 5 ", "NSEC3PARAM\t1 0 101 ");
    refused(Way::BindNsec3, text, &["hashed with 101 iterations, and 100 are the most"]);
}

#[test]
fn what_resolvers_accept_is_warned_of() {
    let signed = Signed::zone(UNSIGNED, Way::BindNsec3);
    let (code, said) = check(&signed.files(SERVER));
    assert!(
        code == 0 && said.contains("names are hashed with 5 additional iterations (RFC 9276, section 3.1)"),
        "{said}"
    );
    // A signature that is left behind when its records go.
    let signed = Signed::zone(UNSIGNED, Way::BindNsec);
    let text = signed.flat();
    let stray = text.lines().find(|line| line.starts_with("zzz.") && line.contains("\tRRSIG\tA ")).unwrap();
    let files =
        Files::new(SERVER, &[("signed.example.zone", &format!("{text}{}\n", stray.replace("\tA 13", "\tAAAA 13")))]);
    let (code, said) = check(&files);
    assert!(
        code == 0
            && said.contains("a signature covers AAAA records of zzz.signed.example., and none are to be signed there"),
        "{said}"
    );
}

#[test]
fn txt_records_cannot_be_set_in_a_signed_file() {
    let server = format!("{SERVER}[admin]\nsocket = \"admin.sock\"\n");
    let (files, mut node) = Signed::zone(UNSIGNED, Way::BindNsec).serve(&server);
    node.log.wait_for("admin server listening");
    let ran = files.run("txt set _acme-challenge.signed.example token");
    assert!(ran.code != Some(0) && ran.stderr.contains("the zone is signed by its file"), "{ran:?}");
    assert!(node.is_running());
}

#[test]
fn zones_below_are_delegated_and_fit_their_ds() {
    let inner = "$TTL 60\n@ SOA ns h 1 3600 600 604800 1\n@ NS ns1.signed.example.\n";
    let files = Signed::zone(UNSIGNED, Way::BindNsec).files(SERVER);
    files.write("zones/inner.signed.example.zone", inner);
    assert_refused(&files, &["is signed, but does not delegate inner.signed.example."]);
    std::fs::remove_file(files.path("zones/inner.signed.example.zone")).unwrap();
    files.write("zones/securecut.signed.example.zone", inner);
    assert_refused(&files, &["holds DS records of securecut.signed.example., but it is not signed"]);
    std::fs::remove_file(files.path("zones/securecut.signed.example.zone")).unwrap();
    files.write("zones/cut.signed.example.zone", inner);
    assert_eq!(check(&files).0, 0);
}
