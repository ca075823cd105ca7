//! `[admin]`: TLS, the clients that are known by certificates, and the ways to other nodes.

use super::*;
use crate::config::{NodeUrl, Purpose};

use rcgen::{CertificateParams, KeyPair};

/// Loads a server file with this `[admin]`, beside the certificate `a.pem`, its key `a.key` and `broken.pem`.
fn load_admin(admin: &str) -> Result<Config, Faults> {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["ns1.example.com".to_owned()]).unwrap().self_signed(&key).unwrap();
    let server = format!("[admin]\n{admin}");
    load_files(&[
        ("truenorth.toml", server.as_bytes()),
        ("zones/a.example.toml", b"[nameservers]\nns1 = [\"192.0.2.53\"]\n"),
        ("a.pem", certificate.pem().as_bytes()),
        ("a.key", key.serialize_pem().as_bytes()),
        ("broken.pem", b"no certificate"),
    ])
}

/// The faults, without the folder of the files and without help.
fn told_of(admin: &str) -> Vec<String> {
    let without_folder = |line: &String| {
        let words = line
            .split(' ')
            .map(|word| if word.contains("://") { word } else { word.rsplit_once('/').map_or(word, |(_, file)| file) });
        words.collect::<Vec<_>>().join(" ")
    };
    let told = lines(&told(load_admin(admin)));
    let without_help = |line: String| line.split(" | help: ").next().unwrap_or_default().to_owned();
    told.iter().map(without_folder).map(without_help).collect()
}

const OFF_LOOPBACK: &str = "listen = \"192.0.2.53:8053\"\n";
const TOKEN: &str = "token = \"0123456789abcdef\"\n";
const CERTIFICATE: &str = "certificate = \"a.pem\"\nkey = \"a.key\"\n";

#[test]
fn off_loopback_connections_are_encrypted_or_that_is_told() {
    let plain = "2:10 warning: connections to the admin server at 192.0.2.53:8053 are not encrypted | tokens can be read on the way";
    assert_eq!(told_of(&format!("{OFF_LOOPBACK}{TOKEN}")), [plain]);
    for good in ["plain = true\n", CERTIFICATE] {
        assert_eq!(told_of(&format!("{OFF_LOOPBACK}{TOKEN}{good}")), [""; 0]);
    }
    let config = load_admin(&format!("{OFF_LOOPBACK}{TOKEN}{CERTIFICATE}")).unwrap();
    assert!(config.server.admin.is_some_and(|admin| admin.is_encrypted));
    assert!(config.admin_tls.is_some_and(|tls| tls.clients.is_none()));
}

#[test]
fn keys_of_tls_need_each_other_and_an_address() {
    for (admin, fault) in [
        ("certificate = \"a.pem\"\n", "4:1 error: `certificate` needs `certificate` and `key` | `key` is missing here"),
        ("key = \"a.key\"\n", "4:1 error: `key` needs `certificate` and `key` | `certificate` is missing here"),
        ("certificate = \"broken.pem\"\nkey = \"a.key\"\n", "4:15 error: broken.pem holds no certificate in PEM"),
        (
            "certificate = \"a.pem\"\nkey = \"a.key\"\nclient_ca = \"broken.pem\"\n",
            "6:13 error: broken.pem holds no certificate in PEM",
        ),
        (
            "certificate = \"a.pem\"\nkey = \"a.key\"\nplain = true\n",
            "6:1 warning: `plain` is not used: there is a certificate",
        ),
        (
            "certificate = \"a.pem\"\nkey = \"a.key\"\nclients.ada = { may = [\"read\"] }\n",
            "6:1 error: clients are known by their certificates, so `[admin]` needs `client_ca`",
        ),
    ] {
        assert_eq!(told_of(&format!("{OFF_LOOPBACK}{TOKEN}{admin}")), [fault], "{admin}");
    }
    let on_loopback = "listen = \"127.0.0.1:8053\"\n";
    let unused = "3:1 warning: `certificate` is not used: the admin server has no address off loopback";
    assert_eq!(told_of(&format!("{on_loopback}{CERTIFICATE}")), [unused]);
    let unused = "3:1 warning: `plain` is not used: no address is off loopback";
    assert_eq!(told_of(&format!("{on_loopback}plain = true\n")), [unused]);
}

#[test]
fn an_authority_of_clients_stands_in_for_a_token() {
    let admin = format!("{OFF_LOOPBACK}{CERTIFICATE}client_ca = \"a.pem\"\n");
    assert_eq!(told_of(&admin), [""; 0]);
    let config = load_admin(&format!(
        "{admin}[admin.clients.ada]\nnames = [\"Ada@example.net\", \"ada.example.net\"]\nmay = [\"read\", \"order\"]\n"
    ))
    .unwrap();
    assert!(config.admin_tls.is_some_and(|tls| tls.clients.is_some()));
    let admin = config.server.admin.unwrap();
    let [ada] = &admin.clients[..] else { panic!("{admin:?}") };
    assert_eq!((&*ada.name, &ada.may[..]), ("ada", &[Purpose::Read, Purpose::Order][..]));
    for (name, is_hers) in
        [("ADA.example.net", true), ("Ada@example.net", true), ("ada@example.net", false), ("ada", false)]
    {
        assert_eq!(ada.is(&["x".into(), name.into()]), is_hers, "{name}");
    }
    let twice = "[admin.clients.a]\nmay = [\"read\"]\n[admin.clients.b]\nnames = [\"A\"]\nmay = [\"read\"]\n";
    let told = told_of(&format!("{OFF_LOOPBACK}{CERTIFICATE}client_ca = \"a.pem\"\n{twice}"));
    assert_eq!(told, ["9:10 error: `A` is the name of the client `a` too | again"]);
}

#[test]
fn nodes_are_addresses_or_urls() {
    for (text, url) in [
        ("192.0.2.53:8053", Some("http://192.0.2.53:8053")),
        ("[2001:db8::53]:8053", Some("http://[2001:db8::53]:8053")),
        ("https://ns1.example.net:8053", Some("https://ns1.example.net:8053")),
        ("https://ns1.example.net/", Some("https://ns1.example.net")),
        ("HTTPS://192.0.2.53:8053", Some("https://192.0.2.53:8053")),
        ("[fe80::1%2]:8053", None),
        ("ns1.example.net:8053", None),
        ("https://ns1.example.net/admin", None),
        ("https://ns1.example.net/?x=y", None),
        ("https://me:secret@ns1.example.net", None),
        ("ftp://ns1.example.net", None),
        ("https://", None),
        ("", None),
    ] {
        assert_eq!(NodeUrl::parse(text).map(|url| url.to_string()).as_deref(), url, "{text}");
    }
    // For the commands alone: there is no server.
    assert!(load_admin("nodes.ns1 = \"https://ns1.example.net:8053\"\n").unwrap().server.admin.is_none());
    let [fault] = &told_of("nodes.ns1 = \"192.0.2.53\"\n")[..] else { panic!("one fault is expected") };
    assert!(fault.contains("`ns1` takes an address with a port") && fault.contains("did you mean"), "{fault}");
}
