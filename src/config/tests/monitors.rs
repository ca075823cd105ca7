//! Monitors of each type: what they are read as, and what is told of broken ones.

use super::*;
use crate::health::{BodyMatch, Check, Monitor, Pattern, TcpCheck};

/// A zone around a monitor, whose keys begin on line 2.
fn zone(monitor: &str) -> String {
    format!(
        "[monitors.m]\n{monitor}\n\
         [nameservers]\nns1 = [\"192.0.2.53\"]\n[datacenters]\nfra = {{ latitude = 50, longitude = 8 }}\n\
         [regions.default]\nprefer = [\"fra\"]\n\
         [pools.web]\ndatacenter = \"fra\"\nmonitor = \"m\"\nendpoints = [\"192.0.2.1\"]\n\
         [names.www]\npools = [\"web\"]\nsteer = []\n"
    )
}

/// What a good monitor is read as.
fn monitor(text: &str) -> Monitor {
    let config = load_zone(&zone(text)).unwrap_or_else(|faults| panic!("{}", faults.render(false)));
    let target = config.world.pools[0].members.targets()[0].clone();
    Arc::unwrap_or_clone(target.monitor)
}

/// What is told of a monitor that may be broken.
fn faults(text: &str) -> Vec<String> {
    lines(&told(load_zone(&zone(text))))
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
            "6:1 error: `host` is for monitors of type http and https",
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
