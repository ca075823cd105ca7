//! Debian's programs that sign zones.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::harness::{Files, Node};
use crate::world::PLAIN;

/// Names of every kind. All are in lower case, so that servers that keep it and others agree.
pub(crate) const UNSIGNED: &str = "$ORIGIN signed.example.
$TTL 300
@ 3600 SOA ns1 hostmaster 2026112801 3600 600 604800 60
@ 3600 NS ns1
@ 3600 NS ns.elsewhere.example.
@ MX 10 mail
@ MX 20 *.wildmail
@ TXT \"v=spf1 -all\"
@ CAA 0 issue \"ca.example\"
@ CDS 0 0 0 00
@ CDNSKEY 0 3 0 AA==
ns1 A 127.0.0.1
mail 900 A 192.0.2.25
mail 900 A 192.0.2.26
mail 1200 AAAA 2001:db8::25
mail 60 TXT \"one\" \"two\"
www CNAME mail
chain CNAME www
out CNAME www.elsewhere.example.
dangling CNAME nope.nothing
loop CNAME loop
intoplain CNAME host.plain.example.
*.wild A 192.0.2.7
*.wild TXT \"a wildcard\"
*.wildmail A 192.0.2.8
*.wildalias CNAME mail
*.wildchain CNAME x.wild
*.wildnothing CNAME nope
*.wildout CNAME www.elsewhere.example.
a.b.c TXT \"deep\"
sub.*.emptywild TXT \"below an asterisk\"
cut NS ns.cut
cut NS ns.elsewhere.example.
ns.cut A 192.0.2.54
securecut NS ns.securecut
securecut DS 12345 13 2 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
ns.securecut AAAA 2001:db8::55
only.cuts.below NS ns.elsewhere.example.
other.cuts.below NS ns.elsewhere.example.
old DNAME new
old TXT \"moved\"
host.new A 192.0.2.31
looping DNAME deep.looping
svcb HTTPS 1 . alpn=h2
svcb A 192.0.2.30
srv SRV 1 2 443 mail
unknown TYPE65280 \\# 3 010203
tlsa TLSA 3 1 1 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
xn--bcher-kva A 192.0.2.9
_tcp PTR svcb
\\000 TXT \"the first name\"
zzz A 192.0.2.10
";

/// A way to sign a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// `dnssec-signzone` with a KSK and a ZSK.
    BindNsec,
    /// The same, with NSEC3, a salt and iterations.
    BindNsec3,
    /// The same, with opt-out.
    BindOptOut,
    /// The same, with two algorithms.
    BindTwoAlgorithms,
    /// `ldns-signzone` with RSA and NSEC3.
    LdnsNsec3,
    /// Knot's `kzonesign` with one key, Ed25519 and NSEC3.
    KnotSingleKey,
}

pub(crate) const WAYS: [Way; 6] =
    [Way::BindNsec, Way::BindNsec3, Way::BindOptOut, Way::BindTwoAlgorithms, Way::LdnsNsec3, Way::KnotSingleKey];

/// A zone that was signed.
pub(crate) struct Signed {
    /// The signed master file.
    pub(crate) text: String,
    /// The fields of the DS record of its entry point.
    pub(crate) ds: String,
    /// The DNSKEY records of its keys.
    pub(crate) keys: Vec<String>,
    folder: TempDir,
}

fn run(folder: &Path, package: &str, words: &[&str]) -> String {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).current_dir(folder);
    command.env("PATH", format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default()));
    let output = command.output();
    let output = output.unwrap_or_else(|error| panic!("{} ({error}): apt-get install {package}", words[0]));
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

impl Signed {
    /// Signs a zone in this way.
    pub(crate) fn zone(text: &str, way: Way) -> Self {
        Self::zone_until(text, way, "now+2592000")
    }

    /// Signs a zone so that its signatures end then, in the words of BIND.
    pub(crate) fn zone_until(text: &str, way: Way, end: &str) -> Self {
        if way == Way::KnotSingleKey {
            return Self::by_knot(text);
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        fs::write(path.join("unsigned"), text).unwrap();
        let keygen = |words: &[&str]| {
            let words = [&["dnssec-keygen", "-q", "-L", "3600"], words, &["signed.example."]].concat();
            run(path, "bind9-utils", &words).trim().to_owned()
        };
        let algorithm = if way == Way::LdnsNsec3 { "RSASHA256" } else { "ECDSAP256SHA256" };
        let ksk = keygen(&["-a", algorithm, "-f", "KSK"]);
        let mut keys = vec![keygen(&["-a", algorithm])];
        keys.push(ksk.clone());
        if way == Way::BindTwoAlgorithms {
            keys.push(keygen(&["-a", "ED25519", "-f", "KSK"]));
            keys.push(keygen(&["-a", "ED25519"]));
        }
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        if way == Way::LdnsNsec3 {
            // Clocks that are read in another way may be behind.
            let begin = run(path, "coreutils", &["date", "-u", "-d", "yesterday", "+%Y%m%d%H%M%S"]);
            let words = ["ldns-signzone", "-n", "-s", "0a0b", "-t", "1", "-i", begin.trim(), "-o", "signed.example."];
            run(path, "ldnsutils", &[&words[..], &["-f", "signed", "unsigned"], &keys].concat());
        } else {
            let of_keys: String = keys.iter().flat_map(|key| ["$INCLUDE ", key, ".key\n"]).collect();
            fs::write(path.join("unsigned"), format!("{text}{of_keys}")).unwrap();
            let mut words = vec![
                "dnssec-signzone",
                "-P",
                "-q",
                "-o",
                "signed.example.",
                "-f",
                "signed",
                "-s",
                "now-86400",
                "-e",
                end,
            ];
            words.extend(match way {
                Way::BindNsec3 => &["-3", "aabbcc", "-H", "5"][..],
                Way::BindOptOut => &["-3", "-", "-H", "0", "-A"],
                _ => &[],
            });
            words.push("unsigned");
            run(path, "bind9-utils", &[&words[..], &keys].concat());
        }
        let text = fs::read_to_string(path.join("signed")).unwrap();
        let ds = run(path, "bind9-utils", &["dnssec-dsfromkey", "-2", &ksk]);
        let (_, ds) = ds.trim().split_once(" DS ").unwrap();
        let record = |key: &&str| {
            let text = fs::read_to_string(path.join(format!("{key}.key"))).unwrap();
            text.lines().find(|line| line.contains(" DNSKEY ")).unwrap().to_owned()
        };
        let keys = keys.iter().map(record).collect();
        Self { text, ds: ds.to_owned(), keys, folder }
    }

    fn by_knot(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        fs::write(path.join("unsigned"), text).unwrap();
        let storage = path.display();
        let config = format!(
            "server:\n    rundir: {storage}\ndatabase:\n    storage: {storage}\npolicy:\n  - id: p\n    algorithm: ed25519\n    \
             single-type-signing: on\n    nsec3: on\n    nsec3-iterations: 0\n    nsec3-salt-length: 0\n    \
             cds-cdnskey-publish: none\ntemplate:\n  - id: default\n    storage: {storage}\n    dnssec-signing: on\n    \
             dnssec-policy: p\nzone:\n  - domain: signed.example\n    file: unsigned\n"
        );
        fs::write(path.join("knot.conf"), config).unwrap();
        fs::create_dir(path.join("out")).unwrap();
        let keymgr =
            |words: &[&str]| run(path, "knot", &[&["keymgr", "-c", "knot.conf", "signed.example"], words].concat());
        keymgr(&["generate", "algorithm=ed25519", "ksk=yes", "zsk=yes"]);
        run(path, "knot-dnssecutils", &["kzonesign", "-c", "knot.conf", "-o", "out", "signed.example"]);
        fs::rename(path.join("out/unsigned"), path.join("signed")).unwrap();
        let text = fs::read_to_string(path.join("signed")).unwrap();
        let (ds, keys) = (keymgr(&["ds"]), keymgr(&["dnskey"]));
        let ds =
            ds.lines().find_map(|line| line.split_once(" DS ").map(|(_, ds)| ds).filter(|ds| ds.contains(" 15 2 ")));
        let ds = ds.expect("a digest with SHA-256").to_owned();
        Self { text, ds, keys: keys.lines().map(str::to_owned).collect(), folder }
    }

    /// Returns the signed zone with one record on each line, and tabs between its fields.
    pub(crate) fn flat(&self) -> String {
        let words = [
            "named-compilezone",
            "-q",
            "-i",
            "none",
            "-k",
            "ignore",
            "-n",
            "ignore",
            "-o",
            "-",
            "signed.example",
            "signed",
        ];
        let text = run(self.folder.path(), "bind9-utils", &words);
        let flat = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        let tabbed = |line: String| line.splitn(5, ' ').collect::<Vec<_>>().join("\t") + "\n";
        let is_record = |line: &String| !line.is_empty() && !line.starts_with(';');
        text.lines().map(flat).filter(is_record).map(tabbed).collect()
    }

    /// Returns the number of its records.
    pub(crate) fn records(&self) -> usize {
        self.flat().lines().count()
    }

    /// Files with the signed zone, and one that is not signed.
    pub(crate) fn files(&self, server: &str) -> Files {
        Files::new(server, &[("signed.example.zone", &self.text), ("plain.example.zone", PLAIN)])
    }

    /// A node that serves them.
    pub(crate) fn serve(&self, server: &str) -> (Files, Node) {
        let files = self.files(server);
        let node = files.serve();
        (files, node)
    }

    /// Returns what `ldns-verify-zone` finds wrong with a copy of the zone.
    pub(crate) fn verify(&self, copy: &str) -> Result<(), String> {
        let path = self.folder.path().join("copy");
        fs::write(&path, copy).unwrap();
        let output = Command::new("ldns-verify-zone").arg(&path).output().expect("apt-get install ldnsutils");
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        if output.status.success() { Ok(()) } else { Err(said.into_owned()) }
    }
}
