//! A signed zone with a name of every kind, and a node that serves it.

use std::path::Path;

use crate::harness::{Files, Node, SERVER, member, places};

/// The zone that is signed.
pub(crate) const ZONE: &str = "signed.example.";

/// Steered, static and reflecting names, wildcards, aliases, cuts and a DNAME. `pool` holds the endpoints of `www`.
pub(crate) fn zone(pool: &str) -> String {
    format!(
        r#"
ttl = 6
ttl_min = 3
[dnssec]
enabled = true
{places}[regions.europe]
clients = ["198.51.100.0/24"]
prefer = ["fra", "iad"]
[regions.default]
prefer = ["iad", "fra"]
{pool}
[pools.many]
endpoints = ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5", "2001:db8::1", "2001:db8::2"]
[pools.sorry]
endpoints = [{{ cname = "sorry.signed.example." }}]
[names.www]
pools = ["web"]
https = {{ alpn = ["h2"] }}
[names.maybe]
pools = ["web"]
fallback = "sorry"
all_down = "nodata"
[names.nodata]
pools = ["web"]
all_down = "nodata"
[names.many]
pools = ["many"]
[names.some]
pools = ["many"]
pick = "random"
answers = 2
https = {{}}
[names."*.apps"]
pools = ["many"]
[names.alias]
pools = ["sorry"]
[names.whoami]
reflect = true
[records."@"]
MX = ["10 Mail", "20 mail.elsewhere.example."]
TXT = ["v=spf1 -all"]
CAA = ["0 issue \"ca.example\""]
[records.mail]
A = ["192.0.2.25"]
AAAA = ["2001:db8::25"]
[records.sorry]
A = ["192.0.2.99"]
TXT = ["sorry"]
[records.Upper]
CNAME = ["WWW"]
[records.out]
CNAME = ["www.elsewhere.example."]
[records.loop]
CNAME = ["loop"]
[records.chain]
CNAME = ["upper"]
[records.dangling]
CNAME = ["nothing.here.elsewhere.example."]
[records."a.b.c"]
TXT = ["deep"]
[records."*.wild"]
A = ["192.0.2.7"]
TXT = ["a wildcard"]
[records."*.wildalias"]
CNAME = ["mail"]
[records.svcb]
HTTPS = ["1 Svc.signed.example. alpn=h2"]
SRV = ["1 2 443 Mail"]
[records.Svc]
A = ["192.0.2.30"]
[records.unknown]
TYPE65280 = ["\\# 3 010203"]
[records.cut]
NS = ["ns.cut", "ns.elsewhere.example."]
[records."ns.cut"]
A = ["192.0.2.54"]
[records.securecut]
NS = ["ns.securecut"]
DS = ["12345 13 2 0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF"]
[records."ns.securecut"]
A = ["192.0.2.55"]
[records.old]
DNAME = ["new"]
TXT = ["moved"]
[records."host.new"]
A = ["192.0.2.31"]
"#,
        places = places!()
    )
}

/// A pool without monitors.
pub(crate) const STEADY: &str =
    "[pools.web]\nendpoints.fra = [\"192.0.2.10\", \"192.0.2.11\"]\nendpoints.iad = [\"192.0.2.20\"]\n";

/// A pool with probed endpoints.
pub(crate) fn probed(fra: std::net::SocketAddr, iad: std::net::SocketAddr) -> String {
    format!(
        "[monitors.web]\ntype = \"http\"\ninterval = \"300ms\"\ntimeout = \"250ms\"\nhost = \"www.signed.example\"\nrise = 1\nfall = 1\n\
         [pools.web]\nmonitor = \"web\"\nendpoints.fra = [{}]\nendpoints.iad = [{}]\n",
        member(fra),
        member(iad)
    )
}

/// A zone that is not signed, with aliases into the signed one.
pub(crate) const PLAIN: &str = "$TTL 60\n@ SOA ns h 1 3600 600 604800 1\n@ NS ns1.signed.example.\nhost A 192.0.2.40\n\
    into CNAME www.signed.example.\nmissing CNAME nope.signed.example.\n*.w CNAME many.signed.example.\n";

/// A server file with an admin server, for TXT records and orders.
pub(crate) fn server(more: &str) -> String {
    format!("{SERVER}[admin]\nsocket = \"admin.sock\"\n{more}")
}

/// The files of a signed zone, with a new key.
pub(crate) fn files(server: &str, zone: &str) -> Files {
    let files = Files::new(server, &[("signed.example.toml", zone), ("plain.example.zone", PLAIN)]);
    create_key(&files, ZONE);
    files
}

/// Makes a key of a zone. Returns the DS record that the command prints.
pub(crate) fn create_key(files: &Files, zone: &str) -> String {
    let created = files.run(&format!("dnssec create {zone}"));
    assert_eq!(created.code, Some(0), "{created:?}");
    created.stdout.lines().last().expect("the DS record is the last line").to_owned()
}

/// Returns the DS record of a zone: its four fields.
pub(crate) fn ds(files: &Files, zone: &str) -> String {
    let ran = files.run(&format!("dnssec ds {zone}"));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let (_, fields) = ran.stdout.trim().split_once(" DS ").expect("a DS record");
    fields.to_owned()
}

/// Returns the paths of the public and the private key, of which there is one.
pub(crate) fn key_paths(files: &Files) -> [std::path::PathBuf; 2] {
    let folder = files.path("keys");
    let find = |extension: &str| {
        let mut paths =
            std::fs::read_dir(&folder).expect("there are keys").map(|entry| entry.expect("it stays").path());
        let is = |path: &std::path::PathBuf| path.extension().is_some_and(|own| own == extension);
        paths.find(is).unwrap_or_else(|| panic!("no file ends in .{extension} in {}", Path::display(&folder)))
    };
    [find("key"), find("private")]
}

/// A node that serves the signed zone with steady endpoints.
pub(crate) fn steady() -> (Files, Node) {
    let files = files(&server(""), &zone(STEADY));
    let node = files.serve();
    (files, node)
}
