//! `[listen]`: the addresses of every transport, and the certificate with its key.

use super::*;
use crate::config::Connections;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{CertificateParams, KeyPair, date_time_ymd};

const SMALL: &[u8] = b"[nameservers]\nns1 = [\"192.0.2.53\"]\n";

/// A certificate that is valid in these years, and its key, in PEM.
fn certificate(years: std::ops::Range<i32>) -> [String; 2] {
    certificate_with(|params| {
        params.not_before = date_time_ymd(years.start, 1, 1);
        params.not_after = date_time_ymd(years.end, 1, 1);
    })
}

fn certificate_with(set_dates: impl FnOnce(&mut CertificateParams)) -> [String; 2] {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["dns.example.com".to_owned()]).unwrap();
    set_dates(&mut params);
    [params.self_signed(&key).unwrap().pem(), key.serialize_pem()]
}

/// Loads a server file with this `[listen]`, next to `a.pem` and `a.key`.
fn load_listen(listen: &str, certificate: &str, key: &str) -> Result<Config, Faults> {
    load_listen_by(&Disk::new(), listen, certificate, key)
}

fn load_listen_by(disk: &Disk, listen: &str, certificate: &str, key: &str) -> Result<Config, Faults> {
    let server = format!("[listen]\n{listen}");
    let files: [(&str, &[u8]); 4] = [
        ("truenorth.toml", server.as_bytes()),
        ("zones/a.example.toml", SMALL),
        ("a.pem", certificate.as_bytes()),
        ("a.key", key.as_bytes()),
    ];
    load_files_by(disk, &files)
}

/// The faults, without the folder of the files.
fn told_of(listen: &str, certificate: &str, key: &str) -> Vec<String> {
    let without_folder = |line: &String| {
        let words = line.split(' ').map(|word| word.rsplit_once('/').map_or(word, |(_, file)| file));
        words.collect::<Vec<_>>().join(" ")
    };
    lines(&told(load_listen(listen, certificate, key))).iter().map(without_folder).collect()
}

const TLS: &str = "tls = [\"127.0.0.1:853\"]\ncertificate = \"a.pem\"\nkey = \"a.key\"\n";

#[test]
fn every_way_has_its_addresses_and_the_certificate_is_watched() {
    let [certificate, key] = certificate(2020..2100);
    let listen = "dns = [\"127.0.0.1:53\"]\ntls = [\"127.0.0.1:853\"]\nquic = [\"127.0.0.1:853\", \"[::1]:853\"]\n\
                  https = [\"127.0.0.1:443\"]\ncertificate = \"a.pem\"\nkey = \"a.key\"\n";
    let disk = Disk::new();
    let config = load_listen_by(&disk, listen, &certificate, &key).unwrap();
    assert_eq!(lines(&config.warnings), [""; 0]);
    let Listen { dns, tls, https, quic } = config.server.listen;
    let of = |addresses: &[&str]| addresses.iter().map(|address| address.parse().unwrap()).collect::<Vec<_>>();
    assert_eq!((dns, tls), (of(&["127.0.0.1:53"]), of(&["127.0.0.1:853"])));
    assert_eq!((https, quic), (of(&["127.0.0.1:443"]), of(&["127.0.0.1:853", "[::1]:853"])));
    assert_eq!(config.credentials.unwrap().cert.len(), 1);
    for file in ["a.pem", "a.key"] {
        assert!(was_read(&disk, file), "{file}");
    }
}

#[test]
fn ways_that_share_a_port_are_told() {
    let [certificate, key] = certificate(2020..2100);
    let listen = "dns = [\"127.0.0.1:54\", \"127.0.0.1:0\"]\ntls = [\"127.0.0.1:54\", \"127.0.0.1:0\"]\n\
                  quic = [\"127.0.0.1:54\"]\ncertificate = \"a.pem\"\nkey = \"a.key\"\n";
    assert_eq!(
        told_of(listen, &certificate, &key),
        [
            "3:8 error: `tls` and `dns` both need 127.0.0.1:54 over TCP | taken | 2:8 first here",
            "4:9 error: `quic` and `dns` both need 127.0.0.1:54 over UDP | taken | 2:8 first here",
        ]
    );
}

#[test]
fn ports_of_other_ways_are_told() {
    let [certificate, key] = certificate(2020..2100);
    let listen = "dns = [\"127.0.0.1:853\"]\ntls = [\"127.0.0.1:53\"]\nquic = [\"[::1]:53\"]\n\
                  certificate = \"a.pem\"\nkey = \"a.key\"\n";
    assert_eq!(
        told_of(listen, &certificate, &key),
        [
            "2:8 error: port 853 is never for plain DNS (RFC 7858, section 3.1)",
            "3:8 error: port 53 is never for DNS over TLS (RFC 7858, section 3.1)",
            "4:9 error: port 53 is never for DNS over QUIC (RFC 9250, section 4.1.1)",
        ]
    );
}

#[test]
fn a_certificate_and_its_key_are_needed_and_read() {
    let [certificate, key] = certificate(2020..2100);
    let faults = [
        (
            "https = [\"127.0.0.1:443\"]\nkey = \"a.key\"\n",
            "2:1 error: `https` needs `certificate` and `key` | `certificate` is missing here",
        ),
        (
            "quic = [\"127.0.0.1:853\"]\ncertificate = \"a.pem\"\nkey = \"b.key\"\n",
            "4:7 error: cannot read b.key: No such file or directory (os error 2)",
        ),
        (
            "tls = [\"127.0.0.1:853\"]\ncertificate = \"a.key\"\nkey = \"a.key\"\n",
            "3:15 error: a.key holds no certificate in PEM",
        ),
        (
            "tls = [\"127.0.0.1:853\"]\ncertificate = \"a.pem\"\nkey = \"a.pem\"\n",
            "4:7 error: a.pem holds no private key in PEM",
        ),
        ("key = \"a.key\"\n", "2:1 warning: `key` is not used: there is no `tls`, `https` or `quic`"),
    ];
    for (listen, fault) in faults {
        assert_eq!(told_of(listen, &certificate, &key), [fault], "{listen}");
    }
}

#[test]
fn a_key_of_another_certificate_is_told() {
    let ([certificate, _], [_, key]) = (certificate(2020..2100), self::certificate(2020..2100));
    assert_eq!(
        told_of(TLS, &certificate, &key),
        ["4:7 error: a.key is not the key of a.pem | another certificate's key | 3:15 the certificate"]
    );
}

#[test]
fn what_is_no_certificate_or_key_is_told() {
    let [certificate, key] = certificate(2020..2100);
    let pem = |label| format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n");
    let [fault] = &told_of(TLS, &pem("CERTIFICATE"), &key)[..] else { panic!("one fault is expected") };
    assert!(fault.starts_with("3:15 error: a.pem holds no certificate that can be read: "), "{fault}");
    let expected =
        "4:7 error: a.key holds a key of an unsupported kind; RSA, ECDSA P-256 and P-384, and Ed25519 are supported";
    assert_eq!(told_of(TLS, &certificate, &pem("PRIVATE KEY")), [expected]);
    let cut = &certificate[..certificate.len() / 2];
    let [fault] = &told_of(TLS, cut, &key)[..] else { panic!("one fault is expected") };
    assert!(fault.starts_with("3:15 error: a.pem is not PEM: "), "{fault}");
}

#[test]
fn a_certificate_that_is_not_valid_now_is_warned_of_and_served() {
    for (years, label) in [(2000..2001, "has expired"), (2100..2101, "is not valid yet")] {
        let [certificate, key] = certificate(years);
        let config = load_listen(TLS, &certificate, &key).unwrap();
        assert!(config.credentials.is_some());
        let [warning] = &config.warnings.0[..] else { panic!("one warning is expected") };
        assert_eq!((warning.severity, &*warning.label), (Severity::Warning, label));
        assert!(warning.message.contains(" 1 00:00:00 "), "{}", warning.message);
    }
}

#[test]
fn a_certificate_that_ends_soon_is_warned_of() {
    const DAY: Duration = Duration::from_secs(24 * 3600);
    let today = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    for (days, is_told) in [(6, true), (8, false)] {
        let [certificate, key] =
            certificate_with(|params| params.not_after = date_time_ymd(1970, 1, 1) + today + days * DAY);
        let labels: Vec<String> =
            load_listen(TLS, &certificate, &key).unwrap().warnings.0.into_iter().map(|fault| fault.label).collect();
        assert_eq!(labels == ["expires soon"], is_told, "{labels:?}");
    }
}

#[test]
fn a_chain_fits_a_handshake() {
    let [certificate, key] = certificate(2020..2100);
    assert_eq!(told_of(TLS, &certificate.repeat(10), &key), [""; 0]);
    let found = told_of(TLS, &certificate.repeat(1000), &key);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("a.pem holds 1000 certificates, "), "{found:?}");
    assert!(found[0].contains("clients refuse a handshake above 65000"), "{found:?}");
}

#[test]
fn the_limits_of_connections_are_read_and_checked() {
    let read = |limits: &str| load_listen(&format!("[connections]\n{limits}"), "", "");
    let connections = read("max = 20000\nper_client = 100\nidle = \"1m\"\n").unwrap().server.connections;
    let (max, per_client, idle) = (Some(20_000), Some(100), Some(Duration::from_secs(60)));
    assert_eq!(connections, Connections { max, per_client, idle });
    assert_eq!(read("").unwrap().server.connections, Connections::default());
    assert_eq!(
        lines(&told(read("max = 10\nper_client = 11\n"))),
        ["4:14 error: a client cannot have 11 connections: there are 10 | more than `max` | 3:7 all"]
    );
    for (limits, fault) in [
        ("max = 0", "3:7 error: `max` takes a whole number from 1 to 1000000 | 0"),
        ("idle = 10", "3:8 error: `idle` takes a duration such as \"5s\", from 1s to 1h | did you mean \"10s\"?"),
        ("idel = \"10s\"", "3:1 error: `[connections]` has no key `idel` | did you mean `idle`?"),
    ] {
        assert_eq!(lines(&told(read(limits)))[..1], [fault], "{limits}");
    }
}
