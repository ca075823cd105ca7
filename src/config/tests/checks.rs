//! `[monitors]` of the types other than http, https and tls: the checks that they become, and the faults of broken
//! ones.

use super::*;
use crate::config::IcmpMonitor;
use crate::health::{
    BodyMatch, Check, DnsCheck, DnsTransport, ExecCheck, ExitCodes, ExpectedRecord, GrpcCheck, Monitor, Pattern,
    TcpCheck, TlsCheck,
};

/// A zone around a monitor, whose keys begin on line 2.
fn zone(monitor: &str) -> String {
    format!(
        "[monitors.m]\n{monitor}\n\
         [nameservers]\nns1 = [\"192.0.2.53\"]\n[datacenters]\nfra = {{ latitude = 50, longitude = 8 }}\n\
         [pools.web]\ndatacenter = \"fra\"\nmonitor = \"m\"\nendpoints = [\"192.0.2.1\"]\n\
         [names.www]\npools = [\"web\"]\nsteer = []\n"
    )
}

/// The check that a valid monitor becomes.
fn monitor(text: &str) -> Monitor {
    let config = load_zone(&zone(text)).unwrap_or_else(|faults| panic!("{}", faults.render(false)));
    let target = config.world.pools[0].members.targets()[0].clone();
    Arc::unwrap_or_clone(target.monitor)
}

/// The faults of a monitor.
fn faults(text: &str) -> Vec<String> {
    lines(&told(load_zone(&zone(text))))
}

#[test]
fn what_probes_ask_for_does_not_depend_on_the_order_of_names() {
    let alpha = "[names.alpha]\npools = [\"web\"]\nsteer = []\n";
    let wildcard = "[names.\"*.apps\"]\npools = [\"web\"]\nsteer = []\n";
    let fallback =
        "[pools.x]\nendpoints = [\"192.0.2.9\"]\n[names.x]\npools = [\"x\"]\nfallback = \"web\"\nsteer = []\n";
    let kinds = [
        "type = \"http\"",
        "type = \"https\"",
        "type = \"tls\"\nport = 853",
        "type = \"grpc\"\nport = 1\ntls = true",
        "type = \"exec\"\ncommand = [\"/bin/true\", \"{host}\"]",
    ];
    for kind in kinds {
        for more in ["", wildcard] {
            let loaded = load_zone(&format!("{}{more}", zone(kind)));
            let config = loaded.unwrap_or_else(|faults| panic!("{}", faults.render(false)));
            let hosts: Vec<_> = config.world.pools[0].members.targets().iter().map(|target| &*target.host).collect();
            assert_eq!(hosts, ["www.example.com"], "{kind} {more}");
        }
        for more in [alpha, fallback] {
            let told = lines(&told(load_zone(&format!("{}{more}", zone(kind)))));
            assert!(told.len() == 1 && told[0].contains("give its monitor a host"), "{kind} {more} {told:?}");
            let with_host = format!("{}{more}", zone(&format!("{kind}\nhost = \"x.example.net\"")));
            let config = load_zone(&with_host).unwrap_or_else(|faults| panic!("{}", faults.render(false)));
            assert_eq!(&*config.world.pools[0].members.targets()[0].host, "x.example.net");
        }
    }
    // These need no host.
    for kind in
        ["type = \"tcp\"\nport = 22", "type = \"icmp\"", "type = \"exec\"\ncommand = [\"/bin/true\", \"{address}\"]"]
    {
        assert_eq!(lines(&told(load_zone(&format!("{}{alpha}", zone(kind))))), [""; 0], "{kind}");
    }
}

#[test]
fn tcp_sends_octets_and_expects_text_or_a_pattern() {
    assert_eq!(monitor("type = \"tcp\"\nport = 22"), Monitor::new(Check::Tcp(TcpCheck::default()), 22));
    let redis = TcpCheck { send: b"PING\r\n"[..].into(), expect: Some(BodyMatch::Substring("+PONG".into())) };
    let text = "type = \"tcp\"\nport = 6379\nsend = \"PING\\r\\n\"\nexpect = \"+PONG\"";
    assert_eq!(monitor(text), Monitor::new(Check::Tcp(redis), 6379));
    let pattern = Pattern(regex::bytes::Regex::new("^220 ").unwrap());
    let smtp = TcpCheck { send: Box::default(), expect: Some(BodyMatch::Pattern(pattern)) };
    assert_eq!(monitor("type = \"tcp\"\nport = 25\nexpect = \"/^220 /\""), Monitor::new(Check::Tcp(smtp), 25));
}

#[test]
fn tcp_is_told_what_it_cannot_send_or_expect() {
    assert_eq!(
        faults("type = \"tcp\"\nsend = 1\nexpect = \"\"\npath = \"/\"\nhost = \"a\""),
        [
            "1:11 error: a monitor needs `port` | `port` is missing here",
            "3:8 error: `send` takes a string | 1",
            "4:10 error: `expect` takes text that an answer can lack | an empty string",
            "5:1 error: `path` is for monitors of type http and https",
            "6:1 error: `host` is for monitors of type http, https, tls, grpc and exec",
        ]
    );
    assert_eq!(
        faults(&format!("type = \"tcp\"\nport = 1\nsend = \"{}\"\nexpect = \"/(/\"", "x".repeat(4097))),
        [
            "4:8 error: `send` is longer than 4096 octets | 4097 octets",
            "5:10 error: `expect` is not a regular expression | unclosed group",
        ]
    );
}

#[test]
fn dns_asks_and_expects_records() {
    let www = DnsCheck {
        query: b"\x03www\x07example\x03com\0"[..].into(),
        qtype: 1,
        transport: DnsTransport::Udp,
        recursion: false,
        expect_rcode: vec![0],
        expect: vec![],
    };
    let text = "type = \"dns\"\nquery = \"www.example.com\"";
    assert_eq!(monitor(text), Monitor::new(Check::Dns(www.clone()), 53));
    let mail = ExpectedRecord { text: "10 mail".into(), rdata: b"\0\x0a\x04mail\0"[..].into() };
    let mx = DnsCheck {
        qtype: 15,
        transport: DnsTransport::Tcp,
        recursion: true,
        expect_rcode: vec![0, 3],
        expect: vec![mail],
        ..www.clone()
    };
    let keys = "qtype = \"mx\"\ntransport = \"tcp\"\nport = 5353\nrecursion = true\n\
                expect_rcode = [\"NOERROR\", \"NXDOMAIN\"]\nexpect = \"10 mail\"";
    assert_eq!(monitor(&format!("{text}\n{keys}")), Monitor::new(Check::Dns(mx), 5353));
    let blanks = ExpectedRecord { text: "a b".into(), rdata: b"\x03a b"[..].into() };
    let txt = DnsCheck { qtype: 16, expect: vec![blanks], ..www };
    let keys = "qtype = \"TXT\"\nexpect = [\"a b\"]";
    assert_eq!(monitor(&format!("{text}\n{keys}")), Monitor::new(Check::Dns(txt), 53));
}

#[test]
fn dns_is_told_what_it_cannot_ask_or_expect() {
    assert_eq!(
        faults("type = \"dns\"\nqtype = \"AXFR\"\ntransport = \"quic\"\nexpect_rcode = []\nsend = \"x\""),
        [
            "1:11 error: a monitor needs `query` | `query` is missing here",
            "3:9 error: `qtype` takes a record type such as \"A\"",
            "4:13 error: `transport` takes one of `udp`, `tcp` | not one of them",
            "5:16 error: `expect_rcode` needs a response code | none",
            "6:1 error: `send` is for monitors of type tcp",
        ]
    );
    assert_eq!(
        faults(
            "type = \"dns\"\nquery = \"a..b\"\nexpect_rcode = [\"NOERR\"]\nrecursion = 1\nexpect = [\"192.0.2\", 1]"
        ),
        [
            "3:9 error: `query` takes a name such as \"www.example.com\"",
            "4:17 error: `expect_rcode` takes a response code such as \"NOERROR\"",
            "5:13 error: `recursion` takes true or false | 1",
            "6:11 error: no A data: the address is an IPv4 address, not `192.0.2`",
            "6:22 error: `expect` takes a string | 1",
        ]
    );
}

#[test]
fn grpc_asks_a_service_plain_or_over_tls() {
    let plain = GrpcCheck { service: "".into(), tls: None };
    assert_eq!(monitor("type = \"grpc\"\nport = 50051"), Monitor::new(Check::Grpc(plain), 50_051));
    let tls = TlsCheck { sni: Some("edge.example.net".into()), verify: false, ..TlsCheck::default() };
    let cart = GrpcCheck { service: "shop.Cart".into(), tls: Some(tls) };
    let keys = "port = 443\nservice = \"shop.Cart\"\ntls = true\nsni = \"edge.example.net\"\nverify = false";
    assert_eq!(monitor(&format!("type = \"grpc\"\n{keys}")), Monitor::new(Check::Grpc(cart), 443));
}

#[test]
fn grpc_is_told_what_it_cannot_ask() {
    assert_eq!(
        faults("type = \"grpc\"\nsni = \"a\"\nservice = 1\npath = \"/\""),
        [
            "1:11 error: a monitor needs `port` | `port` is missing here",
            "3:1 error: `sni` needs `tls = true`",
            "4:11 error: `service` takes a string | 1",
            "5:1 error: `path` is for monitors of type http and https",
        ]
    );
    let long = "x".repeat(256);
    assert_eq!(
        faults(&format!("type = \"grpc\"\nport = 1\nservice = \"{long}\"\ntls = 1")),
        ["4:11 error: the name of a service has at most 255 octets", "5:7 error: `tls` takes true or false | 1",]
    );
}

#[test]
fn grpc_over_tls_needs_a_name_to_verify() {
    let shared = |monitor: &str| {
        let zone = zone(&format!("type = \"grpc\"\nport = 443\n{monitor}"));
        lines(&told(load_zone(&format!("{zone}[names.other]\npools = [\"web\"]\nsteer = []\n"))))
    };
    let used = "used by www.example.com., other.example.com.";
    assert_eq!(
        shared("tls = true"),
        [format!(
            "9:8 error: probes of pool `web` need a host name, but several names use the pool | {used} | help: give its monitor a host, such as host = \"www.example.com\""
        )]
    );
    assert_eq!(
        shared(""),
        [format!(
            "9:8 error: probes of pool `web` need a host name, but several names use the pool | {used} | help: give its monitor a host, such as host = \"www.example.com\""
        )]
    );
    assert_eq!(shared("host = \"www.example.com\""), [""; 0]);
}

#[test]
fn icmp_has_no_port() {
    assert_eq!(monitor("type = \"icmp\""), Monitor::new(Check::Icmp, 0));
    assert_eq!(
        faults("type = \"icmp\"\nport = 7\nhost = \"a\""),
        [
            "3:1 error: `port` is for monitors of other types: icmp has no ports",
            "4:1 error: `host` is for monitors of type http, https, tls, grpc and exec",
        ]
    );
}

#[test]
fn icmp_monitors_are_known_wherever_they_stand() {
    let server = format!("{SERVER}[monitors.shared]\ntype = \"icmp\"\n[monitors.other]\ntype = \"http\"\n");
    let zone = zone("type = \"icmp\"");
    let files = [("truenorth.toml", server.as_bytes()), ("zones/example.com.toml", zone.as_bytes())];
    let icmp = load_files(&files).unwrap().icmp;
    let icmp: Vec<_> =
        icmp.iter().map(|IcmpMonitor { name, place }| (name.as_str(), place.line(), place.column())).collect();
    assert_eq!(icmp, [("m", 1, 11), ("shared", 3, 11)]);
}

#[test]
fn icmp_has_one_target_whatever_the_port() {
    let zone = zone("type = \"icmp\"").replace("[\"192.0.2.1\"]", "[{ address = \"192.0.2.1\", check_port = 80 }]");
    let config = load_zone(&zone).unwrap_or_else(|faults| panic!("{}", faults.render(false)));
    assert_eq!(config.world.pools[0].members.targets()[0].to_string(), "192.0.2.1");
}

#[test]
fn exec_runs_a_program_that_is_there() {
    let shell = |arguments: &[&str]| ExecCheck {
        program: Path::new("/bin/sh").into(),
        arguments: arguments.iter().map(|&argument| argument.into()).collect(),
        degraded: ExitCodes::default(),
    };
    let bare = Monitor::new(Check::Exec(shell(&[])), 0);
    assert_eq!(monitor("type = \"exec\"\ncommand = [\"/bin/sh\"]"), bare);
    let with_port = Monitor::new(Check::Exec(shell(&["-H", "{address}:{port}", ""])), 8080);
    let keys = "port = 8080\ncommand = [\"/bin/sh\", \"-H\", \"{address}:{port}\", \"\"]";
    assert_eq!(monitor(&format!("type = \"exec\"\n{keys}")), with_port);
}

#[test]
fn exec_is_given_a_host_if_there_is_one() {
    let host = |text: &str| {
        let config = load_zone(&zone(text)).unwrap_or_else(|faults| panic!("{}", faults.render(false)));
        config.world.pools[0].members.targets()[0].host.clone()
    };
    assert_eq!(&*host("type = \"exec\"\ncommand = [\"/bin/sh\"]"), "www.example.com");
    assert_eq!(&*host("type = \"exec\"\ncommand = [\"/bin/sh\"]\nhost = \"example.net\""), "example.net");
}

#[test]
fn exec_programs_are_found_from_the_folder_of_their_file() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("zones")).unwrap();
    fs::write(folder.path().join("truenorth.toml"), SERVER).unwrap();
    fs::write(folder.path().join("zones/check"), "").unwrap();
    let text = zone("type = \"exec\"\ncommand = [\"./check\"]");
    fs::write(folder.path().join("zones/example.com.toml"), text).unwrap();
    let config = load(&folder.path().join("truenorth.toml"), &Disk::new(), &|_| None).unwrap();
    let Check::Exec(exec) = &config.world.pools[0].members.targets()[0].monitor.check else { panic!() };
    assert_eq!(*exec.program, *folder.path().join("zones/./check"));
    assert_eq!(lines(&config.warnings), ["3:12 warning: `./check` cannot be run | it is not executable"]);
}

#[test]
fn exec_is_told_what_it_cannot_run() {
    assert_eq!(
        faults("type = \"exec\"\nport = 0"),
        [
            "1:11 error: a monitor needs `command` | `command` is missing here",
            "3:8 error: `port` takes a whole number from 1 to 65535 | 0",
        ]
    );
    assert_eq!(
        faults("type = \"exec\"\ncommand = []\nquery = \"a\""),
        ["3:11 error: `command` needs a program | none", "4:1 error: `query` is for monitors of type dns"]
    );
    assert_eq!(
        faults("type = \"exec\"\ncommand = \"/bin/sh -c true\""),
        ["3:11 error: `command` takes a list | did you mean [\"/bin/sh\", \"-c\", \"true\"]?"]
    );
    assert_eq!(
        faults("type = \"exec\"\ncommand = [\"check\", \"{port}\", \"a\\u0000\"]"),
        [
            "3:12 error: `check` is not the path of a program | no slash | help: write an absolute path, or one relative to the folder of this file, as in \"./check\"",
            "3:21 error: `{port}` has no value | the monitor has no `port`",
            "3:31 error: an argument cannot hold the character U+0000",
        ]
    );
    assert_eq!(faults("type = \"exec\"\ncommand = [\"/bin/sh\", 1]"), ["3:23 error: `command` takes a string | 1"]);
    assert_eq!(
        faults("type = \"exec\"\ncommand = [\"/nowhere/check\"]"),
        ["3:12 warning: `/nowhere/check` cannot be run | No such file or directory (os error 2)"]
    );
    assert_eq!(faults("type = \"exec\"\ncommand = [\"/\"]"), ["3:12 warning: `/` cannot be run | it is not a file"]);
}
