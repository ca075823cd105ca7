//! `[fleet]` of the server file, and the `quorum` and `vantages` of monitors.

use std::num::NonZeroU16;
use std::time::Duration;

use super::*;
use crate::config::FleetLogin;
use crate::health::{Quorum, Share};

const ZONE: &[u8] = b"[nameservers]\nns1 = [\"192.0.2.53\"]\n";
const CREDENTIALS: &[u8] = b"-----BEGIN NATS USER JWT-----\neyJ\n------END NATS USER JWT------\n\
    -----BEGIN USER NKEY SEED-----\nSUAB\n------END USER NKEY SEED------\n";

fn load_fleet(section: &str) -> Result<Config, Faults> {
    let server = format!("[fleet]\n{section}\n");
    load_files(&[
        ("truenorth.toml", server.as_bytes()),
        ("zones/example.com.toml", ZONE),
        ("ns1.creds", CREDENTIALS),
        ("ns1.nk", b"SUANQDPB2RUOE4ETUA26CNX7FUKE5ZZKFCQIIW63OX225F2CO7UEXTM7ZY\n"),
        ("ns1.password", b"secret\n"),
        ("empty", b""),
    ])
}

const ENOUGH: &str = "node = \"ns1\"\nservers = [\"tls://nats.example.net\"]";

#[test]
fn a_name_and_a_server_are_enough() {
    let config = load_fleet(ENOUGH).unwrap();
    let fleet = config.server.fleet.unwrap();
    assert_eq!((fleet.name.as_ref(), fleet.node.as_str(), fleet.site.as_ref()), ("main", "ns1", ""));
    assert_eq!(fleet.servers, ["tls://nats.example.net:4222".into()]);
    assert_eq!((fleet.login, fleet.interval), (FleetLogin::Open, Duration::from_secs(2)));
    assert_eq!(config.world.probing.quorum, Quorum::Majority);
}

#[test]
fn without_the_section_there_is_no_fleet() {
    let config = load_files(&[("truenorth.toml", b""), ("zones/example.com.toml", ZONE)]).unwrap();
    assert_eq!(config.server.fleet, None);
}

#[test]
fn servers_are_urls_with_or_without_port_and_scheme() {
    let servers = |text: &str| {
        let config = load_fleet(&format!("node = \"ns1\"\nservers = [\"{text}\"]")).unwrap();
        config.server.fleet.unwrap().servers.remove(0)
    };
    assert_eq!(&*servers("192.0.2.1"), "nats://192.0.2.1:4222");
    assert_eq!(&*servers("tls://[2001:db8::1]:4333/"), "tls://[2001:db8::1]:4333");
}

#[test]
fn a_quorum_is_a_word_a_number_or_a_share() {
    for (text, quorum) in [
        ("\"majority\"", Quorum::Majority),
        ("3", Quorum::Number(3.try_into().unwrap())),
        ("0.66", Quorum::Share(Share::from_thousandths(660))),
        ("1.0", Quorum::Share(Share::FULL)),
    ] {
        let config = load_fleet(&format!("{ENOUGH}\nquorum = {text}")).unwrap();
        assert_eq!(config.world.probing.quorum, quorum);
    }
}

#[test]
fn all_nodes_probe_unless_a_number_is_given() {
    let vantages = |section: &str| load_fleet(section).unwrap().world.probing.vantages.map(NonZeroU16::get);
    assert_eq!((vantages(ENOUGH), vantages(&format!("{ENOUGH}\nvantages = 3"))), (None, Some(3)));
}

#[test]
fn each_way_to_log_in_is_read() {
    for (keys, login) in [
        ("credentials = \"ns1.creds\"", FleetLogin::Credentials(str::from_utf8(CREDENTIALS).unwrap().trim().into())),
        (
            "nkey_file = \"ns1.nk\"",
            FleetLogin::Nkey("SUANQDPB2RUOE4ETUA26CNX7FUKE5ZZKFCQIIW63OX225F2CO7UEXTM7ZY".into()),
        ),
        ("user = \"ns1\"\npassword_file = \"ns1.password\"", FleetLogin::Password("ns1".into(), "secret".into())),
    ] {
        let fleet = load_fleet(&format!("{ENOUGH}\n{keys}")).unwrap().server.fleet.unwrap();
        assert!(fleet.login == login, "{keys}");
        let shown = format!("{fleet:?}");
        assert!(!shown.contains("secret") && !shown.contains("SUA"), "{shown}");
    }
}

#[test]
fn what_is_wrong_with_a_fleet_is_told() {
    let with = |line: &str| format!("{ENOUGH}\n{line}");
    for (section, expected) in [
        ("servers = [\"tls://a\"]".to_owned(), "1:2 error: `[fleet]` needs `node` | `node` is missing here"),
        ("node = \"ns1\"".to_owned(), "1:2 error: `[fleet]` needs `servers` | `servers` is missing here"),
        (
            "node = \"ns1.fra\"\nservers = [\"tls://a\"]".to_owned(),
            "2:8 error: `node` takes a name of up to 63 letters, digits, `-` and `_`",
        ),
        (with("nodes = 1"), "4:1 error: `[fleet]` has no key `nodes` | did you mean `node`?"),
        (with("quorum = 0"), "4:10 error: `quorum` takes a whole number from 1 to 65535 | 0"),
        (with("quorum = \"all\""), "4:10 error: `quorum` takes one of `majority` | not one of them"),
        (with("vantages = 0"), "4:12 error: `vantages` takes a whole number from 1 to 64 | 0"),
        (with("vantages = \"all\""), "4:12 error: `vantages` takes a whole number from 1 to 64 | a string"),
        (with("user = \"ns1\""), "4:1 error: `user` needs `password_file` | `password_file` is missing here"),
        (with("key = \"a.pem\""), "4:1 error: `key` needs `certificate` | `certificate` is missing here"),
    ] {
        assert_eq!(lines(&told(load_fleet(&section))), [expected], "{section}");
    }
    let fault = |section: &str| lines(&told(load_fleet(section))).join("; ");
    let both = fault(&with("credentials = \"ns1.creds\"\nnkey_file = \"ns1.nk\""));
    assert!(both.contains("`credentials` and `nkey_file` both say how the node logs in"), "{both}");
    let wrong = fault(&with("credentials = \"ns1.nk\""));
    assert!(wrong.contains("does not hold a user's JWT and nkey"), "{wrong}");
    let empty = fault(&with("user = \"ns1\"\npassword_file = \"empty\""));
    assert!(empty.contains("does not hold a password on one line"), "{empty}");
    let missing = fault(&with("nkey_file = \"none\""));
    assert!(missing.contains("cannot read"), "{missing}");
    let user = fault("node = \"ns1\"\nservers = [\"tls://me:secret@nats.example.net\"]");
    assert!(user.contains("without a user or a password"), "{user}");
    let plain = fault("node = \"ns1\"\nservers = [\"a\"]\nuser = \"ns1\"\npassword_file = \"ns1.password\"");
    assert!(plain.contains("nats://a:4222 is used without TLS if the server does not ask for it"), "{plain}");
}

#[test]
fn monitors_that_probe_may_have_a_quorum_and_vantages() {
    let zone = |monitor: &str| {
        format!(
            "[nameservers]\nns1 = [\"192.0.2.53\"]\n[datacenters]\nfra = {{ latitude = 50, longitude = 8 }}\n\
             [regions.default]\nprefer = [\"fra\"]\n[monitors.web]\n{monitor}\nquorum = 2\nvantages = 5\n\
             [pools.web]\nmonitor = \"web\"\nendpoints.fra = [\"192.0.2.1\"]\n[names.www]\npools = [\"web\"]\n"
        )
    };
    let load = |zone: String| load_files(&[("truenorth.toml", b""), ("zones/example.com.toml", zone.as_bytes())]);
    let config = load(zone("type = \"tcp\"\nport = 80")).unwrap();
    let target = config.world.pools[0].members.targets()[0];
    assert_eq!(target.monitor.quorum, Some(Quorum::Number(2.try_into().unwrap())));
    assert_eq!(target.monitor.vantages.map(NonZeroU16::get), Some(5));
    let refused = lines(&told(load(zone("type = \"push\"")))).join("; ");
    assert!(refused.contains("`quorum` is for monitors that probe: reports come to one node"), "{refused}");
    assert!(refused.contains("`vantages` is for monitors that probe: reports come to one node"), "{refused}");
}
