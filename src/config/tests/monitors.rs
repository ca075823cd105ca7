//! `[monitors]` of type http, https and tls: every key, the files that they name, and the faults of both.

use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};

use crate::health::{
    Certificates, Check, Degraded, HttpCheck, HttpVersion, Monitor, PrivateKey, Share, StatusRange, TlsCheck,
};

use super::*;

/// A zone with one monitor, `web`, which has these keys.
fn zone(keys: &str) -> String {
    format!(
        "nameservers = {{ ns1 = [\"192.0.2.53\"] }}\n[names.www]\npools = [\"web\"]\nsteer = []\n[pools.web]\n\
         monitor = \"web\"\nendpoints = [\"192.0.2.1\"]\n[monitors.web]\n{keys}"
    )
}

/// The line before a monitor's first key.
const HEAD: usize = 8;

struct Files {
    authority: String,
    certificate: String,
    key: String,
}

impl Files {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(["probe.example.com".to_owned()]).unwrap().self_signed(&key).unwrap();
        let pem = certificate.pem();
        Self { authority: pem.clone(), certificate: pem, key: key.serialize_pem() }
    }

    fn load(&self, keys: &str) -> Result<Config, Faults> {
        self.load_by(&Disk::new(), keys)
    }

    fn load_by(&self, disk: &Disk, keys: &str) -> Result<Config, Faults> {
        let zone = zone(keys);
        let files: [(&str, &[u8]); 5] = [
            ("truenorth.toml", b""),
            ("zones/example.com.toml", zone.as_bytes()),
            ("zones/ca.pem", self.authority.as_bytes()),
            ("probe.pem", self.certificate.as_bytes()),
            ("probe.key", self.key.as_bytes()),
        ];
        load_files_by(disk, &files)
    }

    fn monitor(&self, keys: &str) -> Monitor {
        let config = self.load(keys).unwrap_or_else(|faults| panic!("{}", faults.render(false)));
        let target = config.world.pools[0].members.targets()[0];
        (*target.monitor).clone()
    }

    /// The faults. Lines count from the monitor's first key, and paths have no folder.
    fn told(&self, keys: &str) -> Vec<String> {
        let mut faults = told(self.load(keys));
        for fault in &mut faults.0 {
            let file = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
            let words = fault.message.split(' ');
            let words = words.map(|word| if word.starts_with('/') { file(word) } else { word.to_owned() });
            fault.message = words.collect::<Vec<_>>().join(" ");
        }
        let from_head = |line: String| {
            let (number, rest) = line.split_once(':').unwrap();
            format!("{}:{rest}", number.parse::<usize>().unwrap() - HEAD)
        };
        lines(&faults).into_iter().map(from_head).collect()
    }
}

fn der(pem: &str) -> Box<[u8]> {
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    data_encoding::BASE64.decode(body.as_bytes()).unwrap().into()
}

const SECURED: &str = "ca = \"ca.pem\"\ncertificate = \"../probe.pem\"\nkey = \"../probe.key\"\n";

#[test]
fn every_key_of_http_is_taken_over() {
    let keys = "type = \"https\"\nversion = \"2\"\nreuse = true\nweight_header = \"X-Weight\"\nload_json = \"workers.busy\"\n\
                degraded = { expect_status = [429, \"500-599\"], above = \"300ms\", share = 0.25 }\nexpiry_warning = \"30d\"";
    let ranges = [(429, 429), (500, 599)].map(|(first, last)| StatusRange { first, last });
    let http = HttpCheck {
        version: Some(HttpVersion::Http2),
        degraded: Some(Degraded {
            expect_status: ranges.to_vec(),
            above: Some(Duration::from_millis(300)),
            share: Share::from_thousandths(250),
        }),
        weight_header: Some("X-Weight".into()),
        load_json: Some("/workers/busy".into()),
        reuse: true,
        ..HttpCheck::default()
    };
    let tls = TlsCheck { expiry_warning: Duration::from_secs(30 * 86_400), ..TlsCheck::default() };
    assert_eq!(Files::new().monitor(keys), Monitor::new(Check::Https(http, tls), 443));
}

#[test]
fn what_is_not_said_is_usual() {
    let files = Files::new();
    let plain = HttpCheck { version: Some(HttpVersion::Http1), ..HttpCheck::default() };
    assert_eq!(files.monitor("type = \"http\""), Monitor::new(Check::Http(plain), 80));
    assert_eq!(files.monitor("type = \"http\""), files.monitor("type = \"http\"\nversion = \"1.1\""));
    let https = Check::Https(HttpCheck::default(), TlsCheck::default());
    assert_eq!(files.monitor("type = \"https\""), Monitor::new(https, 443));
    let tls = Check::Tls(TlsCheck::default(), Vec::new());
    assert_eq!(files.monitor("type = \"tls\"\nport = 853"), Monitor::new(tls, 853));
    let Check::Http(HttpCheck { degraded: Some(degraded), .. }) =
        files.monitor("type = \"http\"\ndegraded = { above = \"1s\" }").check
    else {
        panic!("it is degraded")
    };
    let above = Some(Duration::from_secs(1));
    assert_eq!(degraded, Degraded { expect_status: Vec::new(), above, share: Share::from_thousandths(500) });
}

#[test]
fn paths_into_json_are_pointers() {
    for (path, pointer) in [("/a/b~1c/0", "/a/b~1c/0"), ("a", "/a"), ("a.0.b c", "/a/0/b c"), ("a~b.c/d", "/a~0b/c~1d")]
    {
        let monitor = Files::new().monitor(&format!("type = \"http\"\nload_json = \"{path}\""));
        assert!(matches!(monitor.check, Check::Http(http) if http.load_json.as_deref() == Some(pointer)), "{path}");
    }
}

#[test]
fn files_stand_where_the_zone_stands_and_are_watched() {
    let files = Files::new();
    let keys = format!("type = \"tls\"\nport = 853\nalpn = [\"dot\"]\n{SECURED}");
    let Check::Tls(tls, alpn) = files.monitor(&keys).check else { panic!("it is tls") };
    assert_eq!(alpn, ["dot".into()]);
    assert_eq!(tls.authorities, Some(Certificates::new([der(&files.authority)])));
    let identity = tls.identity.unwrap();
    assert_eq!(identity.chain, Certificates::new([der(&files.certificate)]));
    assert_eq!(identity.key, PrivateKey::new(&*der(&files.key)));
    let disk = Disk::new();
    files.load_by(&disk, &keys).unwrap();
    for file in ["zones/ca.pem", "probe.pem", "probe.key"] {
        assert!(was_read(&disk, file), "{file}");
    }
}

#[test]
fn another_content_of_a_file_is_another_monitor() {
    let keys = format!("type = \"https\"\n{SECURED}");
    let mut files = Files::new();
    let before = files.monitor(&keys);
    assert_eq!(files.monitor(&keys), before);
    files.authority = Files::new().authority;
    assert_ne!(files.monitor(&keys), before);
}

#[test]
fn keys_of_http_and_tls_say_what_they_take() {
    let files = Files::new();
    for (keys, told) in [
        ("type = \"http\"\nversion = \"3\"", "2:11 error: `version` takes one of `1.1`, `2` | did you mean `2`?"),
        ("type = \"http\"\nca = \"ca.pem\"", "2:1 error: `ca` is for monitors of type https, tls and grpc"),
        ("type = \"https\"\nalpn = [\"h2\"]", "2:1 error: `alpn` is for monitors of type tls"),
        ("type = \"tls\"\nport = 1\nreuse = true", "3:1 error: `reuse` is for monitors of type http and https"),
        ("type = \"tls\"", "0:11 error: a monitor needs `port` | `port` is missing here"),
        ("type = \"tls\"\nport = 1\nalpn = []", "3:8 error: `alpn` needs a protocol | none"),
        ("type = \"tls\"\nport = 1\nalpn = [\"h 2\"]", "3:9 error: `alpn` takes protocols such as \"h2\""),
        (
            "type = \"http\"\ndegraded = { share = 0.5 }",
            "2:1 error: `degraded` needs `expect_status` or `above` | when is an endpoint degraded?",
        ),
        (
            "type = \"http\"\ndegraded = { above = \"2s\" }",
            "2:22 error: `above` (2s) is not below the timeout (2s) | no response takes so long",
        ),
        (
            "type = \"http\"\ndegraded = { above = \"1s\", share = 2 }",
            "2:36 error: `share` takes a number from 0 to 1 | 2",
        ),
        (
            "type = \"http\"\ndegraded = { expect_status = 700 }",
            "2:30 error: `expect_status` takes a whole number from 100 to 599 | 700",
        ),
        ("type = \"http\"\nweight_header = \"a b\"", "2:17 error: `weight_header` takes the name of a header field"),
        (
            "type = \"http\"\nload_json = \"a..b\"",
            "2:13 error: `load_json` takes a path such as \"workers.busy\" or \"/workers/busy\"",
        ),
        (
            "type = \"http\"\nload_json = \"/a~2\"",
            "2:13 error: `load_json` takes a path such as \"workers.busy\" or \"/workers/busy\"",
        ),
        ("type = \"http\"\nreuse = 1", "2:9 error: `reuse` takes true or false | 1"),
        (
            "type = \"https\"\nexpiry_warning = \"14\"",
            "2:18 error: `expiry_warning` takes a duration such as \"5s\", from 0s to 398d | did you mean \"14s\"?",
        ),
        (
            "type = \"https\"\ncertificate = \"../probe.pem\"",
            "2:1 error: `certificate` needs `key` | `key` is missing here",
        ),
        (
            "type = \"https\"\nkey = \"../probe.key\"",
            "2:1 error: `key` needs `certificate` | `certificate` is missing here",
        ),
        (
            "type = \"https\"\nverify = false\nca = \"ca.pem\"",
            "3:1 warning: `ca` is not used: the monitor has `verify = false`",
        ),
    ] {
        assert_eq!(files.told(keys), [told], "{keys}");
    }
}

#[test]
fn broken_files_are_told_where_they_are_named() {
    let good = Files::new();
    let with = |change: fn(&mut Files)| {
        let mut files =
            Files { authority: good.authority.clone(), certificate: good.certificate.clone(), key: good.key.clone() };
        change(&mut files);
        files.told(&format!("type = \"https\"\n{SECURED}"))
    };
    let not_a_certificate = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
    assert_eq!(with(|_| {}), [""; 0]);
    assert_eq!(with(|files| files.authority = "x".into()), ["2:6 error: ca.pem holds no certificate in PEM"]);
    assert_eq!(with(|files| files.key = "x".into()), ["4:7 error: probe.key holds no private key in PEM"]);
    let told = with(|files| files.authority = "-----BEGIN CERTIFICATE-----\n".into());
    assert!(told[0].starts_with("2:6 error: ca.pem is not PEM: "), "{told:?}");
    let mut files = Files::new();
    files.authority = not_a_certificate.to_owned();
    let told = files.told(&format!("type = \"https\"\n{SECURED}"));
    assert!(told[0].starts_with("2:6 error: ca.pem holds no certificate that can be read: "), "{told:?}");
    files.authority = format!("{}{not_a_certificate}", good.authority);
    let told = files.told(&format!("type = \"https\"\n{SECURED}"));
    assert!(told[0].starts_with("2:6 error: ca.pem holds a certificate that cannot be used (number 2): "), "{told:?}");
    files = Files { key: good.key.clone(), ..Files::new() };
    assert_eq!(
        files.told(&format!("type = \"https\"\n{SECURED}")),
        ["4:7 error: probe.key is not the key of probe.pem | another certificate's key | 11:15 the certificate"]
    );
    let told = files.told("type = \"https\"\nca = \"nowhere.pem\"");
    assert_eq!(told, ["2:6 error: cannot read nowhere.pem: No such file or directory (os error 2)"]);
}
