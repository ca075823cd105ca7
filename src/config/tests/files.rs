//! Several files together: their faults, the drawings of these, and that no contents make the reader panic.

use proptest::prelude::*;

use crate::wire::Rtype;

use super::*;

const SERVER_FILE: (&str, &[u8]) = ("truenorth.toml", SERVER.as_bytes());

/// A minimal zone.
const SMALL: &[u8] =
    b"[nameservers]\nns1 = [\"192.0.2.53\"]\n[datacenters]\nfra = { latitude = 50.11, longitude = 8.68 }\n";

fn told_of(files: &[(&str, &[u8])]) -> Vec<String> {
    let faults = told(load_files(files));
    let file = |fault: &super::super::Fault| {
        let path = &fault.place.as_ref()?.source.path;
        Some(format!("{} ", path.file_name()?.to_str()?))
    };
    faults.0.iter().zip(lines(&faults)).map(|(fault, line)| file(fault).unwrap_or_default() + &line).collect()
}

#[track_caller]
fn assert_told(files: &[(&str, &[u8])], expected: &[&str]) {
    let found = told_of(files);
    assert_eq!(found, expected, "\n{}", found.join("\n"));
}

#[test]
fn a_pool_is_judged_by_the_names_of_its_own_file() {
    let by_load = "[nameservers]\nns1 = [\"192.0.2.53\"]\n[pools.a]\ncapacity = 10\nendpoints = [\"192.0.2.1\"]\n\
                   [pools.b]\nendpoints = [\"192.0.2.2\"]\n[names.www]\npools = [\"a\", \"b\"]\nsteer = [\"load\"]\n";
    let other = b"[nameservers]\nns1 = [\"192.0.2.53\"]\n";
    let files: [(&str, &[u8]); 3] =
        [("truenorth.toml", b""), ("zones/a.example.toml", by_load.as_bytes()), ("zones/b.example.toml", other)];
    assert_told(&files, &[]);
}

#[test]
fn syntax_errors_of_all_files_are_told() {
    assert_told(
        &[
            ("truenorth.toml", b"zones = \"zones\"\nsite = \n"),
            ("zones/a.example.toml", b"ttl = 30\n[names.www\n"),
            ("zones/b.example.toml", b"x = 'ok'\nx = 'ok'\n"),
        ],
        &[
            "truenorth.toml 2:8 error: this is not TOML: `site` has no value",
            "a.example.toml 2:1 error: this is not TOML: this header is not closed | help: write `[names.www]`",
            "b.example.toml 2:1 error: `x` is given twice | again | 1:1 first here | help: TOML has each table and each key once: put both together",
        ],
    );
    assert_told(
        &[
            SERVER_FILE,
            ("zones/a.example.toml", b"ttl = 30\n[names.www\n"),
            ("zones/b.example.toml", b"x = 'ok'\nx = 'ok'\n"),
            ("zones/c.example.toml", b"tll = 30\n[nameservers]\nns1 = [\"192.0.2.53\"]\n"),
        ],
        &[
            "a.example.toml 2:1 error: this is not TOML: this header is not closed | help: write `[names.www]`",
            "b.example.toml 2:1 error: `x` is given twice | again | 1:1 first here | help: TOML has each table and each key once: put both together",
            "c.example.toml 1:1 error: a zone file has no key `tll` | did you mean `ttl`?",
        ],
    );
    assert_told(
        &[SERVER_FILE, ("zones/a.example.toml", b"ttl = '\xff'\n"), ("zones/a.example.zone", b"@ SOA\n")],
        &["a.example.toml 1:8 error: the file is not UTF-8 | this is not a character"],
    );
}

#[test]
fn zones_have_one_origin_and_datacenters_one_place() {
    assert_told(
        &[
            SERVER_FILE,
            ("zones/a.example.toml", SMALL),
            ("zones/b.example.toml", &[&b"origin = \"A.example\"\n"[..], SMALL].concat()),
        ],
        &["b.example.toml 1:10 error: the zone A.example. is given twice | again | 1:1 first defined here"],
    );
    assert_told(&[SERVER_FILE, ("zones/a.example.toml", SMALL), ("zones/b.example.toml", SMALL)], &[]);
    assert_told(
        &[
            SERVER_FILE,
            ("zones/a.example.toml", SMALL),
            (
                "zones/b.example.toml",
                b"[datacenters]\nfra = { latitude = 50.11, longitude = 8.69 }\n[nameservers]\nns1 = [\"192.0.2.53\"]\n",
            ),
        ],
        &[
            "b.example.toml 2:1 error: datacenter `fra` has two different locations | another location | 4:1 first defined here",
        ],
    );
    assert_told(
        &[SERVER_FILE, ("zones/a..example.toml", SMALL)],
        &["a..example.toml 1:1 error: this is not a domain name: a label may not be empty"],
    );
}

#[test]
fn an_rrset_that_fits_no_message_is_told_with_its_place() {
    let mut zone = b"@ SOA ns1 host 1 2 3 4 5\n@ NS ns1\nns1 A 192.0.2.1\n".to_vec();
    for number in 0..60_000_u32 {
        let [_, _, high, low] = number.to_be_bytes();
        zone.extend_from_slice(format!("many A 10.0.{high}.{low}\n").as_bytes());
    }
    let text = "the 60000 A records of many.a.example. do not fit into a message";
    let help = "a message has 65535 octets at most: spread them over several names";
    assert_told(
        &[("truenorth.toml", b""), ("zones/a.example.zone", &zone)],
        &[&format!("a.example.zone 4:1 error: {text} | the first of them | help: {help}")],
    );
}

#[test]
fn a_half_signed_zone_is_served_without_signatures_and_that_is_told_once() {
    let signed = b"@ SOA ns1 host 1 2 3 4 5\n@ NS ns1\nns1 A 192.0.2.1\n\
        ns1 RRSIG A 13 3 300 20260101000000 20250101000000 1 a.example. AQID\n\
        ns1 NSEC a.example. A RRSIG NSEC\n@ NSEC3PARAM 1 0 0 -\n";
    let text = "the SOA record of a.example. has no signature, so that answers carry none";
    let help = "sign the whole zone, or write it unsigned: validating resolvers reject such answers while the parent \
                zone holds a DS record";
    assert_told(
        &[("truenorth.toml", b""), ("zones/a.example.zone", signed)],
        &[&format!("a.example.zone 4:1 warning: {text} | RRSIG is not served with answers | help: {help}")],
    );
    let toml = b"[nameservers]\nns1 = [\"192.0.2.53\"]\n[records.x]\nNSEC = \"y A\"\n";
    assert_told(
        &[("truenorth.toml", b""), ("zones/a.example.toml", toml)],
        &[&format!("a.example.toml 4:8 warning: {text} | NSEC is not served with answers | help: {help}")],
    );
}

#[test]
fn a_master_file_stands_alone_or_beside_a_zone_file() {
    assert_told(
        &[SERVER_FILE, ("zones/a.example.zone", b"www A 192.0.2.1\n"), ("zones/b.example.toml", SMALL)],
        &[
            "a.example.zone 1:1 error: the zone a.example. has no SOA record at its apex",
            "a.example.zone 1:1 error: the zone a.example. has no NS record at its apex",
        ],
    );
    assert_told(
        &[
            SERVER_FILE,
            ("zones/a.example.zone", b"@ 300 SOA ns1 host 1 2 3 4 5\n@ NS ns1\nns1 A 192.0.2.1\n"),
            ("zones/a.example.toml", &[&b"[soa]\nserial = 1\n"[..], SMALL].concat()),
        ],
        &[
            "a.example.zone 1:1 error: the zone's SOA is in both of its files | here, in the master file | 1:2 and here",
            "a.example.zone 2:1 error: the zone's NS is in both of its files | here, in the master file | 3:2 and here",
        ],
    );
    assert_told(
        &[
            SERVER_FILE,
            ("zones/a.example.zone", b"@ SOA ns1 host 1 2 3 4 5\n@ NS ns1\nns1 A 192.0.2.1\n"),
            ("zones/a.example.toml", b"[datacenters]\nfra = { latitude = 50.11, longitude = 8.68 }\n"),
        ],
        &[],
    );
    assert_told(
        &[
            SERVER_FILE,
            ("zones/a.example.zone", b"www A 192.0.2.1\nwww A 192.0.2\n"),
            (
                "zones/a.example.toml",
                &[SMALL, &b"[pools.p]\nendpoints = [\"192.0.2.7\"]\n[names.www]\npools = [\"p\"]\nsteer = []\n"[..]]
                    .concat(),
            ),
        ],
        &[
            "a.example.zone 1:1 error: www.a.example. is steered and has a static A record | static | 7:8 steered here",
            "a.example.zone 2:7 error: no A data: the address is an IPv4 address, not `192.0.2`",
        ],
    );
    assert_told(
        &[
            SERVER_FILE,
            ("zones/a.example.zone", b"@ SOA ns1 host 1 2 3 4 5\n@ NS ns1\nns1 A 192.0.2\n"),
            ("zones/b.example.toml", SMALL),
        ],
        &["a.example.zone 3:7 error: no A data: the address is an IPv4 address, not `192.0.2`"],
    );
    assert_told(
        &[
            SERVER_FILE,
            ("zones/a.example.toml", SMALL),
            ("zones/.a.example.zone", b"nonsense"),
            ("zones/README.md", b"nonsense"),
            ("zones/a.example.toml~", b"nonsense"),
        ],
        &[],
    );
    assert_told(&[SERVER_FILE,("zones/a.example.toml", &[SMALL, &b"[records.x]\nMX = \"10 www.b.example.\"\n"[..]].concat()),("zones/b.example.toml", &[SMALL, &b"[pools.p]\nendpoints = [{cname = \"c.example.\"}]\n[names.www]\npools = [\"p\"]\nsteer = []\n"[..]].concat())], &["a.example.toml 6:6 error: MX points at www.b.example., which may become a CNAME | not allowed | 7:8 its pools or its fallback hold a CNAME"]);
}

#[test]
fn the_server_file_is_checked() {
    assert_told(
        &[("truenorth.toml", b"site = \"far\"\nzone = \"zones\"\n"), ("zones/a.example.toml", SMALL)],
        &[
            "truenorth.toml 1:8 error: there is no datacenter `far` | did you mean `fra`?",
            "truenorth.toml 2:1 error: the server file has no key `zone` | did you mean `zones`?",
            "a.example.toml 4:1 warning: datacenter `fra` is never used | nothing refers to it",
        ],
    );
    assert_told(
        &[
            (
                "truenorth.toml",
                b"site = { latitude = 1, longitude = 2 }\n\
                  [admin]\n\
                  listen = [\"127.0.0.1:8053\", \"192.0.2.1\"]\n\
                  [listen]\n\
                  tls = []\n\
                  dns = [\"127.0.0.1\", \"[::1]:53\", \"[::1]:53\"]\n",
            ),
            ("zones/a.example.toml", SMALL),
        ],
        &[
            "truenorth.toml 1:1 error: a site needs `country` | `country` is missing here",
            r#"truenorth.toml 3:29 error: `listen` takes an address with a port, such as "127.0.0.1:8053" or "[::1]:8053" | did you mean "192.0.2.1:8053"?"#,
            "truenorth.toml 5:1 error: `tls` needs `certificate` and `key` | `certificate` is missing here",
            "truenorth.toml 5:1 error: `tls` needs `certificate` and `key` | `key` is missing here",
            "truenorth.toml 5:7 error: `tls` needs an address | none",
            r#"truenorth.toml 6:8 error: `dns` takes addresses with a port, such as "192.0.2.53:53" or "[2001:db8::53]:53" | did you mean "127.0.0.1:53"?"#,
            "truenorth.toml 6:33 error: `dns` names [::1]:53 twice | again",
            "a.example.toml 4:1 warning: datacenter `fra` is never used | nothing refers to it",
        ],
    );
    assert_told(
        &[
            (
                "truenorth.toml",
                b"site = \"fra\"\n\
                  [ecs]\n\
                  max_source_v4 = 33\n\
                  max_source_v6 = 129\n\
                  enabled = 1\n\
                  [listen]\n\
                  dns = []\n\
                  [geoip]\n\
                  databases = \"x\"\n",
            ),
            ("zones/a.example.toml", SMALL),
        ],
        &[
            "truenorth.toml 3:17 error: `max_source_v4` takes a whole number from 0 to 32 | 33",
            "truenorth.toml 4:17 error: `max_source_v6` takes a whole number from 0 to 128 | 129",
            "truenorth.toml 5:11 error: `enabled` takes true or false | 1",
            "truenorth.toml 7:7 error: `dns` needs an address | none",
            "truenorth.toml 9:13 error: `databases` takes a list | did you mean [\"x\"]?",
        ],
    );
}

#[test]
fn the_server_files_sections_are_checked() {
    assert_told(
        &[
            (
                "truenorth.toml",
                b"site = \"fra\"\n[transfer]\nallow = [\"192.0.2.1/24\", \"everyone\", \"2001:db8::/32\"]\n",
            ),
            ("zones/a.example.toml", SMALL),
        ],
        &[
            "truenorth.toml 3:10 error: `192.0.2.1/24` has host bits set | bits after the prefix | help: the network is 192.0.2.0/24",
            "truenorth.toml 3:26 error: `allow` takes prefixes such as 192.0.2.0/24 or 2001:db8::/32",
        ],
    );
    assert_told(
        &[
            (
                "truenorth.toml",
                b"site = \"fra\"\n\
                  [pools.p]\n\
                  endpoints = [{ cname = \"www\" }]\n\
                  [regions.a]\n\
                  clients = [\"asn:1\"]\n\
                  prefer = [\"fra\"]\n",
            ),
            ("zones/a.example.toml", SMALL),
        ],
        &[
            "truenorth.toml 3:24 error: `www` is relative, but the server file has no origin | end it with a dot",
            "truenorth.toml 6:11 error: there is no datacenter `fra` | not a datacenter | help: no datacenter is defined here or in the server file",
        ],
    );
    assert_told(
        &[
            (
                "truenorth.toml",
                b"site = \"fra\"\n\
                  [datacenters]\n\
                  fra = { latitude = 50.11, longitude = 8.68 }\n\
                  [regions.a]\n\
                  clients = [\"asn:1\"]\n\
                  prefer = [\"fra\"]\n\
                  [regions.b]\n\
                  clients = [\"asn:1\"]\n\
                  prefer = [\"fra\"]\n",
            ),
            ("zones/a.example.toml", SMALL),
        ],
        &["truenorth.toml 8:12 error: the clients asn:1 are named twice | again | 5:12 first named here"],
    );
    assert_told(
        &[
            (
                "truenorth.toml",
                b"site = \"fra\"\n\
                  [datacenters]\n\
                  fra = { latitude = 50.11, longitude = 8.68 }\n\
                  [regions.a]\n\
                  clients = [\"asn:1\"]\n\
                  prefer = [\"fra\"]\n\
                  [regions.b]\n\
                  clients = [\"asn:2\"]\n\
                  prefer = [\"fra\"]\n\
                  [pools.p]\n\
                  endpoints = [\"192.0.2.1\"]\n",
            ),
            (
                "zones/a.example.toml",
                &[SMALL, &b"[regions.a]\nclients = [\"asn:2\"]\nprefer = [\"fra\"]\n"[..]].concat(),
            ),
        ],
        &["a.example.toml 6:12 error: the clients asn:2 are named twice | again | 8:12 first named here"],
    );
}

#[test]
fn edns_cookies_and_identity_are_checked() {
    let told = |server: &str| {
        let server = format!("{server}[datacenters]\nfra = {{ latitude = 50.11, longitude = 8.68 }}\n");
        let faults = told_of(&[("truenorth.toml", server.as_bytes()), ("zones/a.example.toml", SMALL)]);
        faults.into_iter().filter(|line| line.contains("error")).collect::<Vec<_>>()
    };
    for payload in ["511", "4097"] {
        let line = format!("truenorth.toml 2:11 error: `payload` takes a whole number from 512 to 4096 | {payload}");
        assert_eq!(told(&format!("[edns]\npayload = {payload}\n")), [line]);
    }
    let secrets = "`secrets` takes secrets of 32 hexadecimal digits, such as `openssl rand -hex 16` makes";
    for broken in
        ["+5e973e5a6b2a43f48e7dc849e37bfcf", "e5e973e5a6b2a43f48e7dc849e37bfc", "not hexadecimal digits, but 32 o"]
    {
        let line = format!("truenorth.toml 2:12 error: {secrets}");
        assert_eq!(told(&format!("[cookies]\nsecrets = [\"{broken}\"]\n")), [line]);
    }
    assert_eq!(
        told("[cookies]\nsecrets = []\nrequired = true\n"),
        [
            "truenorth.toml 2:11 error: `secrets` needs a secret; without the key a random one is made | none",
            "truenorth.toml 3:1 error: `[cookies]` has no key `required` | did you mean `require`?",
        ]
    );
    let twice = "[cookies]\nsecrets = [\"000102030405060708090a0b0c0d0e0f\", \"000102030405060708090A0B0C0D0E0F\"]\n";
    assert_eq!(
        told(twice),
        ["truenorth.toml 2:48 error: `secrets` has the same secret twice | again | 2:12 first here"]
    );
    let many: Vec<String> = (0..9).map(|n| format!("\"{n:032x}\"")).collect();
    let many = format!("[cookies]\nsecrets = [{}]\n", many.join(", "));
    assert_eq!(told(&many), ["truenorth.toml 2:300 error: `secrets` takes at most 8 | one too many"]);
    let long = format!("[identity]\nid = \"\"\nnsid = \"{}\"\n", "n".repeat(129));
    assert_eq!(
        told(&long),
        [
            "truenorth.toml 2:6 error: `id` takes 1 to 128 octets of text | an empty string",
            "truenorth.toml 3:8 error: `nsid` takes 1 to 128 octets of text",
        ]
    );
}

#[test]
fn there_is_one_soa() {
    let zone = b"@ SOA ns1 host 1 2 3 4 5\n@ SOA ns1 host 2 2 3 4 5\n@ NS ns1\nns1 A 192.0.2.1\n";
    let told = r"a.example.zone 2:1 error: a.example. has two SOA records | another one | 1:1 the SOA";
    assert_told(&[("truenorth.toml", b""), ("zones/a.example.zone", zone)], &[told]);
}

#[test]
fn a_folder_that_is_not_there_or_empty_is_told() {
    let told = told_of(&[("truenorth.toml", b"zones = \"nowhere\"\n")]);
    assert!(told[0].starts_with("truenorth.toml 1:9 error: cannot read the zones in "), "{told:?}");
    let told = told_of(&[("truenorth.toml", b"")]);
    assert!(told[0].starts_with("warning: there is no zone in "), "{told:?}");
    let faults = load(Path::new("/nowhere/truenorth.toml"), &Disk::new(), &|_| None).unwrap_err();
    assert!(lines(&faults)[0].starts_with("error: cannot read /nowhere/truenorth.toml: "));
}

#[test]
fn faults_are_drawn_with_their_lines() {
    let zone = "\
[names.www]
pools = [\"web\"]
[names.\"ümlaut\"]
pools = [\"wbe\"] # wëb
[pools.web]
endpoints = [\"192.0.2.1\", \"192.0.2.1\"]
[nameservers]
ns1 = [\"192.0.2.53\"]
";
    let faults = told(load_files(&[("truenorth.toml", b""), ("zones/example.com.toml", zone.as_bytes())]));
    let folder = regex::Regex::new("--> .*/zones/").unwrap();
    assert_eq!(folder.replace_all(&faults.render(false), "--> zones/"), DRAWN);
    assert!(faults.render(true).contains("\u{1b}["), "no colour");
}

const DRAWN: &str = "\
error: there is no pool `wbe`
 --> zones/example.com.toml:4:10
  |
4 | pools = [\"wbe\"] # wëb
  |          ^^^^^ did you mean `web`?
  |
  = help: there is `web`

error: the pool holds 192.0.2.1 twice
 --> zones/example.com.toml:6:27
  |
6 | endpoints = [\"192.0.2.1\", \"192.0.2.1\"]
  |              -----------  ^^^^^^^^^^^ again
  |              |
  |              first named here
  |
  = help: give it once, with a higher `weight` if it is to answer more often
";

proptest! {
    #[test]
    fn no_octets_break_the_reading(content in prop::collection::vec(any::<u8>(), 0..200)) {
        let files = [("truenorth.toml", &content[..]), ("zones/a.zone", &content), ("zones/a.toml", &content)];
        told(load_files(&files)).render(false);
        told(load_files(&[SERVER_FILE, ("zones/a.zone", &content), ("zones/b.toml", &content)])).render(false);
    }

    #[test]
    fn no_change_of_a_zone_breaks_the_reading(
        at in any::<prop::sample::Index>(),
        removed in 0..40_usize,
        from in any::<prop::sample::Index>(),
        copied in 0..40_usize,
    ) {
        let sample = include_bytes!("../../../zones/gslb.example.com.toml");
        let (at, from) = (at.index(sample.len()), from.index(sample.len()));
        let mut content = sample.to_vec();
        let copy = &sample[from..(from + copied).min(sample.len())];
        content.splice(at..(at + removed).min(sample.len()), copy.iter().copied());
        let loaded = load_files(&[SERVER_FILE, ("zones/example.com.toml", &content)]);
        for zone in loaded.iter().flat_map(|config| &config.world.zones) {
            let count = |rtype| {
                zone.tree.records().iter().filter(|record| record.rtype == rtype && record.owner == zone.origin).count()
            };
            prop_assert_eq!(count(Rtype::SOA), 1);
            prop_assert!(count(Rtype::NS) >= 1);
        }
        told(loaded).render(true);
    }
}
