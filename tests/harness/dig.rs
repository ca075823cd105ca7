//! Debian's `dig`, and what it prints.

use std::net::SocketAddr;
use std::process::Command;

/// A response, as `dig` shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reply {
    /// NOERROR, NXDOMAIN, ...
    pub(crate) status: String,
    pub(crate) flags: Vec<String>,
    pub(crate) answer: Vec<Record>,
    pub(crate) authority: Vec<Record>,
    pub(crate) additional: Vec<Record>,
    /// The Client Subnet option: its prefix and its scope prefix length.
    pub(crate) subnet: Option<(String, u8)>,
}

/// A record in presentation format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) name: String,
    pub(crate) ttl: u32,
    pub(crate) rtype: String,
    pub(crate) data: String,
}

impl Reply {
    /// The RDATA of the answer's records, in order.
    pub(crate) fn data(&self) -> Vec<&str> {
        self.answer.iter().map(|record| record.data.as_str()).collect()
    }

    /// A section's records in a line each.
    pub(crate) fn lines(section: &[Record]) -> Vec<String> {
        section.iter().map(|Record { name, ttl, rtype, data }| format!("{name} {ttl} {rtype} {data}")).collect()
    }

    /// The scope prefix length.
    pub(crate) fn scope(&self) -> Option<u8> {
        self.subnet.as_ref().map(|(_, scope)| *scope)
    }

    /// True if a flag is set.
    pub(crate) fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|set| set == flag)
    }
}

/// Asks, and reads all that came back.
pub(super) fn dig(node: SocketAddr, words: &str) -> Vec<Reply> {
    // The sockets of dig may share a port (SO_REUSEPORT), and so may the node's. Now and then the kernel gives dig the very
    // port that the node listens on, and the query comes back to dig itself.
    let is_echo = |replies: &[Reply]| replies.iter().any(|reply| !reply.has("qr"));
    let replies = ask(node, words);
    if is_echo(&replies) { ask(node, words) } else { replies }
}

/// Asks once. `-r` keeps the user's `.digrc` out.
fn ask(node: SocketAddr, words: &str) -> Vec<Reply> {
    let mut command = Command::new("dig");
    command.args(["-r", &format!("@{}", node.ip()), "-p", &node.port().to_string()]).args(words.split_whitespace());
    let output = command.output().expect("dig is installed: apt-get install bind9-dnsutils");
    let text = String::from_utf8(output.stdout).expect("dig writes ASCII");
    assert!(output.status.success(), "dig {words}: {text}");
    parse(&text)
}

fn parse(text: &str) -> Vec<Reply> {
    let mut replies: Vec<Reply> = Vec::new();
    let mut section = "";
    for line in text.lines() {
        if let Some(header) = line.strip_prefix(";; ->>HEADER<<- ") {
            let status = header.split("status: ").nth(1).and_then(|rest| rest.split(',').next()).unwrap_or_default();
            replies.push(Reply { status: status.to_owned(), ..Reply::default() });
            continue;
        }
        let Some(reply) = replies.last_mut() else { continue };
        if let Some(flags) = line.strip_prefix(";; flags: ") {
            let flags = flags.split(';').next().unwrap_or_default();
            reply.flags = flags.split_whitespace().map(str::to_owned).collect();
        } else if let Some(subnet) = line.strip_prefix("; CLIENT-SUBNET: ") {
            let (prefix, scope) = subnet.rsplit_once('/').expect("prefix/source/scope");
            reply.subnet = Some((prefix.to_owned(), scope.parse().expect("a length")));
        } else if let Some(name) = line.strip_prefix(";; ").and_then(|line| line.strip_suffix(" SECTION:")) {
            section = name;
        } else if line.is_empty() {
            section = "";
        } else if !line.starts_with(';') {
            match section {
                "ANSWER" => reply.answer.push(record(line)),
                "AUTHORITY" => reply.authority.push(record(line)),
                "ADDITIONAL" => reply.additional.push(record(line)),
                _ => {}
            }
        }
    }
    replies
}

/// `name ttl class type data`; blanks inside of the data stay as they are.
fn record(line: &str) -> Record {
    let mut rest = line;
    let mut field = || {
        let (field, after) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        rest = after.trim_start();
        field.to_owned()
    };
    let (name, ttl, _class, rtype) = (field(), field(), field(), field());
    Record { name, ttl: ttl.parse().expect("a TTL"), rtype, data: rest.to_owned() }
}
