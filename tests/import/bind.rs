//! Debian's BIND, with a master file.

use std::fs;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use hickory_proto::op::Message;
use tempfile::TempDir;

use super::world::free_address;
use super::*;
use crate::harness::{Log, random};

const ZONE: &str = r#"$ORIGIN example.com.
$TTL 1h
@       IN SOA ns1 hostmaster ( 2026010101 ; serial
                2h 30m 3d 15m )
        IN NS  ns1
        NS     ns2.example.net.
        MX     10 mail
        TXT    "v=spf1 mx -all" "and; more"
ns1     A      192.0.2.53
        AAAA   2001:db8::53
mail    30 A   192.0.2.25
www     CNAME  web
web     300 IN A 192.0.2.80
web     IN 300 A 192.0.2.81
*.apps  A      192.0.2.90
_sip._tcp SRV  10 20 5060 mail
old     DNAME  example.net.
lab     NS     ns.lab
ns.lab  A      192.0.2.60
caa     CAA    0 issue "ca.example.net"
long    TXT    ( "one"
                 "two" )
odd     TYPE65280 \# 2 abcd
$GENERATE 1-9 host-$ A 192.0.2.$
$INCLUDE more.inc sub
"#;

const MORE: &str = "a A 192.0.2.71\n$ORIGIN deep\nb A 192.0.2.72\n  TXT \"of b\"\n";

/// named in the foreground, gone when it is dropped.
struct Named {
    folder: TempDir,
    child: Child,
    address: SocketAddr,
}

impl Named {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let path = folder.path().to_str().expect("temporary folders have plain names");
        let address = free_address();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("the folder is writable");
        write("db.example.com", ZONE);
        write("more.inc", MORE);
        let config = format!(
            "options {{ directory \"{path}\"; listen-on port {} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; pid-file none;\n\
             session-keyfile none; recursion no; minimal-responses yes; }};\ncontrols {{ }};\n\
             zone \"example.com\" {{ type primary; file \"db.example.com\"; notify no; }};\n",
            address.port()
        );
        write("named.conf", &config);
        let search = format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
        let mut command = Command::new("named");
        command.env("PATH", search).args(["-g", "-n", "1", "-c", &format!("{path}/named.conf")]).stdin(Stdio::null());
        let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        let mut child = child.expect("BIND is installed: apt-get install bind9");
        let mut log = Log::read(child.stderr.take().expect("it is piped"));
        let named = Self { folder, child, address };
        log.wait_for("running");
        named
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the code, the answer with its TTLs, and the nameservers of a referral.
fn told(reply: &Message) -> (u16, BTreeSet<String>, BTreeSet<String>) {
    let records = |records: &[hickory_proto::rr::Record]| records.iter().map(ToString::to_string).collect();
    let referral = reply.authorities.iter().filter(|record| record.record_type() == RecordType::NS).cloned();
    let referral: Vec<_> = referral.filter(|_| reply.answers.is_empty()).collect();
    (reply.metadata.response_code.into(), records(&reply.answers), records(&referral))
}

#[test]
fn every_question_has_the_same_answer_from_the_imported_zone() {
    let named = Named::start();
    let file = named.folder.path().join("db.example.com").display().to_string();
    let imported = Imported::of(&["bind", &file]);
    assert_eq!((imported.code, imported.told.trim()), (Some(0), "carried over: 22 records, 1 zone"));
    let (_files, node) = imported.serve(crate::harness::SERVER);
    let (mut before, mut after) = (Asker::new(named.address), node.asker());
    let labels = [
        "@",
        "ns1",
        "mail",
        "www",
        "web",
        "apps",
        "x.apps",
        "y.x.apps",
        "_sip._tcp",
        "old",
        "x.old",
        "lab",
        "host.lab",
        "ns.lab",
        "caa",
        "long",
        "odd",
        "host-1",
        "host-9",
        "host-10",
        "a.sub",
        "sub",
        "b.deep.sub",
        "deep.sub",
        "nowhere",
    ];
    let types = [
        RecordType::A,
        RecordType::AAAA,
        RecordType::MX,
        RecordType::NS,
        RecordType::TXT,
        RecordType::SOA,
        RecordType::CNAME,
        RecordType::SRV,
        RecordType::CAA,
        RecordType::Unknown(65280),
    ];
    let mut random = random();
    for _ in 0..CLIENTS {
        let (label, rtype) = (labels[random.usize(..labels.len())], types[random.usize(..types.len())]);
        let name = if label == "@" { "example.com.".to_owned() } else { format!("{label}.example.com.") };
        let (before, after) = (before.ask(&name, rtype, None), after.ask(&name, rtype, None));
        assert_eq!(told(&before), told(&after), "{name} {rtype}");
    }
}

#[test]
fn signatures_stay_with_the_old_signer() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let file = folder.path().join("example.org.signed");
    let text = "@ 60 SOA ns1 h 1 2 3 4 5\n  60 RRSIG SOA 13 2 60 20260101000000 20250101000000 1 example.org. AAAA\n\
                @ 60 NS ns1\nns1 60 A 192.0.2.53\n  60 NSEC example.org. A RRSIG NSEC\n  60 TXT \"kept\"\n";
    fs::write(&file, text).expect("the folder is writable");
    let ran = run(["import", "bind", file.to_str().expect("a plain name")]);
    assert_eq!(ran.code, Some(3), "{}", ran.stderr);
    assert!(ran.stderr.contains("records of DNSSEC are left out"), "{}", ran.stderr);
    assert!(!ran.stdout.contains("RRSIG SOA") && ran.stdout.contains("60 TXT \"kept\""), "{}", ran.stdout);
}
