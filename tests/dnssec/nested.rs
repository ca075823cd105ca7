//! Zones within signed zones, and chains of aliases through zones of which one is signed.

use hickory_proto::rr::RecordType::{A, DS, SOA, TXT};

use crate::harness::{Files, SERVER, places};
use crate::validators::{Memory, Validator, is_authentic};
use crate::world::{PLAIN, ZONE, create_key, ds};

fn outer(more: &str) -> String {
    format!(
        "[dnssec]\nenabled = true\n{}[records.www]\nA = [\"192.0.2.1\"]\n[records.toplain]\nCNAME = [\"host.plain.example.\"]\n{more}",
        places!()
    )
}

const INNER: &str = "$TTL 60\n@ SOA ns h 1 3600 600 604800 1\n@ NS ns1.signed.example.\nhost A 192.0.2.40\n";

#[test]
fn chains_and_zones_below_are_secure_as_far_as_they_are_signed() {
    let files = Files::new(SERVER, &[("plain.example.zone", PLAIN), ("insecure.signed.example.zone", INNER)]);
    let inner = format!("[dnssec]\nenabled = true\n{}[records.host]\nA = [\"192.0.2.41\"]\n", places!());
    files.write("zones/secure.signed.example.toml", inner);
    create_key(&files, ZONE);
    create_key(&files, "secure.signed.example");
    let of_inner = ds(&files, "secure.signed.example");
    let cuts = format!("[records.insecure]\nNS = [\"ns1\"]\n[records.secure]\nNS = [\"ns1\"]\nDS = [\"{of_inner}\"]\n");
    files.write("zones/signed.example.toml", outer(&cuts));
    let node = files.serve();
    let anchor = ds(&files, ZONE);
    for validator in [
        Validator::unbound(node.address(), &anchor, Memory::Long),
        Validator::named(node.address(), &anchor, Memory::Long),
    ] {
        let mut client = validator.client(false);
        for (name, rtype, records, authentic) in [
            ("www.signed.example.", A, 1, true),
            ("toplain.signed.example.", A, 2, false),
            ("into.plain.example.", A, 2, false),
            ("missing.plain.example.", A, 1, false),
            ("host.insecure.signed.example.", A, 1, false),
            ("nope.insecure.signed.example.", A, 0, false),
            ("host.secure.signed.example.", A, 1, true),
            ("nope.secure.signed.example.", TXT, 0, true),
            ("secure.signed.example.", SOA, 1, true),
            ("secure.signed.example.", DS, 1, true),
            ("insecure.signed.example.", DS, 0, true),
        ] {
            let reply = client.ask(name, rtype);
            let is_record =
                |record: &&hickory_proto::rr::Record| record.record_type() != hickory_proto::rr::RecordType::RRSIG;
            let count = reply.answers.iter().filter(is_record).count();
            let seen = (count, is_authentic(&reply), reply.metadata.response_code.low() == 2);
            assert_eq!(
                seen,
                (records, authentic, false),
                "{}: {name} {rtype}: {reply}\n{}",
                client.name,
                validator.log()
            );
        }
    }
}

#[test]
fn zones_that_resolvers_would_reject_are_refused() {
    let files = Files::new(SERVER, &[("inner.signed.example.zone", INNER)]);
    create_key(&files, ZONE);
    let refused = |more: &str, why: &str| {
        files.write("zones/signed.example.toml", outer(more));
        let check = files.run("check");
        assert!(check.code == Some(1) && check.stderr.contains(why), "{why}: {check:?}");
    };
    refused("", "is signed, but does not delegate inner.signed.example.");
    let digest = "0123456789ABCDEF".repeat(4);
    let cut = format!("[records.inner]\nNS = [\"ns1\"]\nDS = [\"1 13 2 {digest}\"]\n");
    refused(&cut, "holds DS records of inner.signed.example., but it is not signed");
    files.write("zones/signed.example.toml", outer("[records.inner]\nNS = [\"ns1\"]\n"));
    assert_eq!(files.run("check").code, Some(0));
    std::fs::remove_file(files.path("zones/inner.signed.example.zone")).unwrap();
    files.write("zones/inner.signed.example.toml", format!("[dnssec]\nenabled = true\n{}", places!()));
    create_key(&files, "inner.signed.example");
    refused(&cut, "but none of them is that of a key that signs it");
}
