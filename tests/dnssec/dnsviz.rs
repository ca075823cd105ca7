//! DNSViz, which sees more than resolvers do: it finds no fault with a zone of every kind of name, signed here or by its file.
//!
//! It asks from a network namespace with a route to everywhere, because it does not ask loopback addresses. The node is in another
//! one, and is told as the delegation with its DS record: there is no internet above.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::harness::netns::{Namespaces, if_permitted, ip};
use crate::harness::{Files, Node, places};
use crate::presigned::signers::{Signed, Way};
use crate::world::{ZONE, create_key, ds};

/// The address of the node, which serves the zones below too.
const SERVER: &str = "[listen]\ndns = [\"192.0.2.53:53\"]\n";

/// Time for it to ask everything, in seconds. On an idle machine it takes 3.
const LONGEST: &str = "60";

/// The only faults that there may be: the root servers, which know the addresses of nameservers, cannot be asked.
const ALONE: [&str; 1] = ["ERROR_RESOLVING_NS_NAME"];

/// Static records of every kind. The DS record of `securecut` follows.
const RECORDS: &str = "$ORIGIN signed.example.
$TTL 300
@ SOA ns1 hostmaster 1 3600 600 604800 60
@ NS ns1
@ MX 10 mail
@ TXT \"v=spf1 -all\"
@ CAA 0 issue \"ca.example\"
ns1 A 192.0.2.53
mail A 192.0.2.25
mail AAAA 2001:db8::25
chain CNAME link
link CNAME mail
dangling CNAME nothing
a.b.c TXT deep
*.wild TXT wildcard
*.wildalias CNAME mail
old DNAME new
old TXT moved
host.new A 192.0.2.31
svcb HTTPS 1 . alpn=h2
svcb A 192.0.2.30
unknown TYPE65280 \\# 3 010203
cut NS ns.cut
ns.cut A 192.0.2.53
securecut NS ns.securecut
ns.securecut A 192.0.2.53
securecut DS ";

/// Names below the zone. It asks for many types of each.
const STATIC: [&str; 17] = [
    "mail",
    "chain",
    "dangling",
    "b.c",
    "a.b.c",
    "x.wild",
    "x.wildalias",
    "old",
    "host.old",
    "nothing.old",
    "svcb",
    "unknown",
    "nope",
    "nope.mail",
    "www.cut",
    "www.securecut",
    "nope.securecut",
];

/// Those of a zone that is signed here.
const STEERED: [&str; 6] = ["www", "many", "x.apps", "alias", "reserve", "whoami"];

fn steered() -> String {
    let zone = places!();
    let datacenters = zone.split("[datacenters]\n").nth(1).expect("they come last");
    format!(
        r#"
[dnssec]
enabled = true
[datacenters]
{datacenters}
[pools.web]
endpoints.fra = ["192.0.2.10", "192.0.2.11", "2001:db8::10"]
endpoints.iad = ["192.0.2.20"]
[pools.many]
endpoints = ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", "2001:db8::1", "2001:db8::2"]
[pools.sorry]
endpoints = [{{ cname = "mail.signed.example." }}]
[names.www]
pools = ["web"]
https = {{ alpn = ["h2"] }}
[names.many]
pools = ["many"]
[names."*.apps"]
pools = ["web"]
[names.alias]
pools = ["sorry"]
[names.reserve]
pools = ["web"]
fallback = "sorry"
[names.whoami]
reflect = true
"#
    )
}

/// Two network namespaces with a cable between them. They vanish with it.
struct Cable(Namespaces);

impl Cable {
    /// `None` if the system forbids it and tests may be skipped.
    fn lay() -> Option<Self> {
        let mut namespaces = Namespaces::new("dnsviz");
        let [node, viewer] = ["node", "viewer"].map(|end| namespaces.name(end));
        let is_laid = namespaces.add("node")
            && namespaces.add("viewer")
            && [
                format!("-n {node} link add wire type veth peer name wire netns {viewer}"),
                format!("-n {node} address add 192.0.2.53/24 dev wire"),
                format!("-n {viewer} address add 192.0.2.2/24 dev wire"),
                format!("-n {node} link set lo up"),
                format!("-n {viewer} link set lo up"),
                format!("-n {node} link set wire up"),
                format!("-n {viewer} link set wire up"),
                format!("-n {viewer} route add default via 192.0.2.53"),
            ]
            .iter()
            .all(|words| ip(words));
        if_permitted(is_laid, Self(namespaces))
    }

    /// Serves these files in one namespace, and lets DNSViz look from the other one at these names, and the zone itself. Returns
    /// the faults that it finds, and the number of RRsets and proofs that it finds valid.
    fn look(&self, files: &Files, ds: &str, names: &[&str]) -> (BTreeSet<String>, usize) {
        let [node, viewer] = ["node", "viewer"].map(|end| self.0.name(end));
        let _node: Node = files.serve_in(&node);
        // It takes no final dots.
        let zone = ZONE.trim_end_matches('.');
        let mut words = vec![zone.to_owned()];
        words.extend(names.iter().map(|name| format!("{name}.{zone}")));
        let (server, ds) = (format!("{zone}:ns1.{zone}=192.0.2.53"), format!("{zone}:{ds}"));
        let mut probe = Command::new("timeout");
        // With several threads it can wait for itself for ever.
        probe.args([
            LONGEST, "ip", "netns", "exec", &viewer, "dnsviz", "probe", "-A", "-a", ".", "-N", &server, "-D", &ds,
        ]);
        // One node serves both sides of these cuts, so it refers nobody to them.
        for cut in ["cut", "securecut"] {
            probe.args(["-x", &format!("{cut}.{zone}:ns.{cut}.{zone}=192.0.2.53")]);
        }
        let probed = probe.args(&words).output().expect("there is ip");
        assert!(probed.status.success(), "apt-get install dnsviz: {probed:?}");
        let mut grok = Command::new("dnsviz");
        grok.args(["grok", "-P", "-l", "info"]).args(&words).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut grok = grok.spawn().expect("dnsviz is installed: apt-get install dnsviz");
        grok.stdin.take().expect("it is piped").write_all(&probed.stdout).expect("it reads");
        let output = grok.wait_with_output().expect("it ends");
        let seen: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let mut faults = BTreeSet::new();
        let mut valid = 0;
        collect("", &seen, &mut faults, &mut valid);
        for (zone, status) in [("", "SECURE"), ("cut.", "INSECURE"), ("securecut.", "SECURE")] {
            let zone = format!("{zone}{ZONE}");
            assert_eq!(seen[&zone]["delegation"]["status"], status, "{zone}: {seen:#}");
        }
        (faults, valid)
    }
}

/// Finds the errors and warnings, each as its place and code, and counts what is valid.
fn collect(place: &str, value: &Value, faults: &mut BTreeSet<String>, valid: &mut usize) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let place = format!("{place}/{name}");
                if matches!(name.as_str(), "errors" | "warnings") {
                    let of = value.as_array().expect("a list").iter();
                    let serious = of.filter(|fault| !ALONE.iter().any(|code| fault["code"] == *code));
                    faults.extend(serious.map(|fault| format!("{place}: {fault}")));
                } else if name == "status" {
                    match value.as_str().expect("a word") {
                        "VALID" => *valid += 1,
                        "NOERROR" | "NXDOMAIN" | "SECURE" | "INSECURE" => {}
                        other => _ = faults.insert(format!("{place}: {other}")),
                    }
                } else {
                    collect(&place, value, faults, valid);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(place, item, faults, valid)),
        _ => {}
    }
}

/// The zones below: one is signed here, and one is not. Returns the DS record of the first.
fn below(files: &Files) -> String {
    let zone = |origin: &str| {
        format!("$TTL 300\n@ SOA ns.{origin}. h 1 3600 600 604800 60\n@ NS ns\nns A 192.0.2.53\nwww A 192.0.2.99\n")
    };
    for origin in ["cut.signed.example", "securecut.signed.example"] {
        files.write(&format!("zones/{origin}.zone"), zone(origin));
    }
    files.write("zones/securecut.signed.example.toml", "[dnssec]\nenabled = true\n");
    create_key(files, "securecut.signed.example.");
    ds(files, "securecut.signed.example")
}

#[test]
fn dnsviz_finds_no_fault() {
    let Some(cable) = Cable::lay() else { return };
    let files = Files::new(SERVER, &[]);
    let records = format!("{RECORDS}{}\n", below(&files));
    files.write("zones/signed.example.zone", &records);
    files.write("zones/signed.example.toml", steered());
    create_key(&files, ZONE);
    let (faults, valid) = cable.look(&files, &ds(&files, "signed.example"), &[&STATIC[..], &STEERED].concat());
    assert!(faults.is_empty() && valid > 80, "{valid} {faults:#?}");
    for way in [Way::BindNsec, Way::KnotSingleKey] {
        let files = Files::new(SERVER, &[]);
        let signed = Signed::zone(&format!("{RECORDS}{}\n", below(&files)), way);
        files.write("zones/signed.example.zone", &signed.text);
        let (faults, valid) = cable.look(&files, &signed.ds, &STATIC);
        assert!(faults.is_empty() && valid > 60, "{way:?}: {valid} {faults:#?}");
    }
}
