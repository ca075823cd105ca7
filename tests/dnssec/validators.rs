//! Debian's validators, which trust the key of the zone and ask the node.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RecordType};
use tempfile::TempDir;

use crate::harness::PATIENCE;

/// Time to wait for an answer: the validator asks several questions for it.
const ANSWER: Duration = Duration::from_secs(10);

/// The zones that it is told to ask the node for.
const STUBS: [&str; 2] = ["signed.example", "plain.example"];

/// A running validator.
pub(crate) struct Validator {
    name: &'static str,
    process: Child,
    folder: TempDir,
    port: u16,
    /// The resolver that it asks, if it asks one.
    beneath: Option<Box<Validator>>,
}

/// How long it keeps answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Memory {
    /// For a second, so that nearly every question reaches the node.
    Short,
    /// As long as their TTL says; and it concludes from proofs what else does not exist (RFC 8198).
    Long,
}

impl Validator {
    /// Starts unbound. `ds` holds the fields of the DS record that it trusts.
    pub(crate) fn unbound(node: SocketAddr, ds: &str, memory: Memory) -> Self {
        Self::unbound_for(&STUBS.map(|zone| (zone, node)), ds, memory)
    }

    /// Starts unbound. It trusts the DS records of the first zone, one on each line, and asks each zone's own node.
    pub(crate) fn unbound_for(zones: &[(&str, SocketAddr)], ds: &str, memory: Memory) -> Self {
        let anchor = zones[0].0;
        let anchors: Vec<String> = ds.lines().map(|ds| format!("trust-anchor: \"{anchor}. DS {ds}\"\n ")).collect();
        let trust = format!("{}aggressive-nsec: yes\n", anchors.concat());
        Self::resolver(zones, &format!("module-config: \"validator iterator\"\n {trust}"), memory)
    }

    /// Starts an unbound with these lines, which asks each zone's own node.
    fn resolver(zones: &[(&str, SocketAddr)], lines: &str, memory: Memory) -> Self {
        Self::start("unbound", "unbound", zones[0], |folder, port| {
            let ttl = if memory == Memory::Short { "cache-max-ttl: 1\n cache-max-negative-ttl: 1\n" } else { "" };
            let stub = |&(zone, node): &(&str, SocketAddr)| {
                format!("stub-zone:\n name: \"{zone}\"\n stub-addr: {}@{}\n", node.ip(), node.port())
            };
            let stubs: Vec<String> = zones.iter().map(stub).collect();
            format!(
                "server:\n directory: \"{folder}\"\n chroot: \"\"\n username: \"\"\n pidfile: \"\"\n use-syslog: no\n \
                 logfile: \"{folder}/log\"\n val-log-level: 2\n log-servfail: yes\n interface: 127.0.0.1\n port: {port}\n do-ip6: no\n \
                 do-not-query-localhost: no\n access-control: 127.0.0.0/8 allow\n num-threads: 1\n {lines} {ttl}\
                 remote-control:\n control-enable: no\n{}",
                stubs.concat()
            )
        })
    }

    /// Starts knot-resolver.
    pub(crate) fn kresd(node: SocketAddr, ds: &str, memory: Memory) -> Self {
        Self::kresd_for(&STUBS.map(|zone| (zone, node)), ds, memory)
    }

    /// Starts knot-resolver. It trusts the DS records of the first zone, one on each line. It validates only what it asks a
    /// resolver for, so it asks one that does not validate, which asks each zone's own node.
    pub(crate) fn kresd_for(zones: &[(&str, SocketAddr)], ds: &str, memory: Memory) -> Self {
        let beneath = Self::resolver(zones, "module-config: \"iterator\"\n", memory);
        let (anchor, port_beneath) = (zones[0].0, beneath.port);
        let mut validator = Self::start("kresd", "knot-resolver", zones[0], |folder, port| {
            let ttl = if memory == Memory::Short { "cache.max_ttl(1)\n" } else { "" };
            let add = |ds: &str| format!("trust_anchors.add('{anchor}. 3600 IN DS {ds}')\n");
            let anchors: Vec<String> = ds.lines().map(add).collect();
            format!(
                "net.listen('127.0.0.1', {port}, {{ kind = 'dns' }})\nnet.ipv6 = false\n\
                 cache.open(10 * MB, 'lmdb://{folder}/cache')\ncache.min_ttl(0)\n{ttl}\
                 trust_anchors.remove('.')\n{}\
                 trust_anchors.set_insecure({{ '{}.' }})\n\
                 policy.add(policy.all(policy.FORWARD({{ '127.0.0.1@{port_beneath}' }})))\n",
                anchors.concat(),
                STUBS[1]
            )
        });
        validator.beneath = Some(Box::new(beneath));
        validator
    }

    /// Starts a validating `named`.
    pub(crate) fn named(node: SocketAddr, ds: &str, memory: Memory) -> Self {
        Self::named_for(&STUBS.map(|zone| (zone, node)), ds, memory)
    }

    /// Starts a validating `named`. It trusts the DS records of the first zone, one on each line, and asks each zone's own
    /// node.
    pub(crate) fn named_for(nodes: &[(&str, SocketAddr)], ds: &str, memory: Memory) -> Self {
        let anchor = nodes[0].0;
        let trusted = |ds: &str| {
            let fields: Vec<&str> = ds.split(' ').collect();
            format!("\"{anchor}.\" static-ds {} \"{}\"; ", fields[..3].join(" "), fields[3..].concat())
        };
        let anchors: Vec<String> = ds.lines().map(trusted).collect();
        Self::start("named", "bind9", nodes[0], |folder, port| {
            let ttl =
                if memory == Memory::Short { "max-cache-ttl 1; max-ncache-ttl 1;" } else { "synth-from-dnssec yes;" };
            let forward = |&(zone, node): &(&str, SocketAddr)| {
                format!(
                    "zone \"{zone}\" {{ type forward; forward only; forwarders {{ {} port {}; }}; }};\n",
                    node.ip(),
                    node.port()
                )
            };
            let zones: Vec<String> = nodes.iter().map(forward).collect();
            format!(
                "options {{ directory \"{folder}\"; listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};\n \
                 recursion yes; dnssec-validation yes; pid-file none; session-keyfile none; empty-zones-enable no;\n \
                 qname-minimization off; querylog no; {ttl} }};\ncontrols {{ }};\n\
                 trust-anchors {{ {}}};\n{}",
                anchors.concat(),
                zones.concat()
            )
        })
    }

    fn start(
        name: &'static str,
        package: &str,
        anchor: (&str, SocketAddr),
        config: impl Fn(&str, u16) -> String,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let path = folder.path().join("validator.conf");
        fs::write(&path, config(folder.path().to_str().unwrap(), port)).unwrap();
        let log = fs::File::create(folder.path().join("output")).unwrap();
        let mut command = Command::new(name);
        match name {
            "named" => command.args(["-g", "-n", "1", "-c"]).arg(&path),
            "kresd" => command.args(["-n", "-q", "-c"]).arg(&path).arg(folder.path()),
            _ => command.args(["-d", "-c"]).arg(&path),
        };
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        command.env("PATH", format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default()));
        let process = command.spawn();
        let process =
            process.unwrap_or_else(|error| panic!("{name} does not start ({error}): apt-get install {package}"));
        let mut validator = Self { name, process, folder, port, beneath: None };
        validator.wait_until_it_answers(anchor);
        validator
    }

    fn wait_until_it_answers(&mut self, (zone, node): (&str, SocketAddr)) {
        let end = Instant::now() + PATIENCE;
        let mut client = self.client(false);
        client.wait_at_most(Duration::from_millis(500));
        while client.try_ask(&format!("{zone}."), RecordType::SOA).is_none() {
            assert!(matches!(self.process.try_wait(), Ok(None)), "{} ended: {}", self.name, self.log());
            assert!(Instant::now() < end, "{} does not answer for {node}: {}", self.name, self.log());
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// A client of this validator, over UDP or TCP.
    pub(crate) fn client(&self, is_tcp: bool) -> Client {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        Client { name: self.name, ..Client::of_node(address, is_tcp) }
    }

    /// What it has written, and logged.
    pub(crate) fn log(&self) -> String {
        let read = |name: &str| fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
        let text = read("output") + &read("log");
        // The end says most.
        let from = text.len().saturating_sub(4000);
        text.get(from..).unwrap_or(&text).to_owned()
    }
}

impl Drop for Validator {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A client of a validator.
pub(crate) struct Client {
    pub(crate) name: &'static str,
    address: SocketAddr,
    socket: UdpSocket,
    is_tcp: bool,
    id: u16,
}

impl Client {
    pub(crate) fn wait_at_most(&mut self, time: Duration) {
        self.socket.set_read_timeout(Some(time)).unwrap();
    }

    /// A client of a node itself.
    pub(crate) fn of_node(address: SocketAddr, is_tcp: bool) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.connect(address).unwrap();
        socket.set_read_timeout(Some(ANSWER)).unwrap();
        Self { name: "the node", address, socket, is_tcp, id: 0 }
    }

    /// Asks with RD and DO. Returns the response.
    #[track_caller]
    pub(crate) fn ask(&mut self, name: &str, rtype: RecordType) -> Message {
        self.try_ask(name, rtype).unwrap_or_else(|| panic!("{} does not answer for {name} {rtype}", self.name))
    }

    pub(crate) fn try_ask(&mut self, name: &str, rtype: RecordType) -> Option<Message> {
        self.try_ask_with(name, rtype, |edns| _ = edns.set_dnssec_ok(true))
    }

    /// Asks with an OPT record of one's own.
    pub(crate) fn try_ask_with(
        &mut self,
        name: &str,
        rtype: RecordType,
        set: impl FnOnce(&mut Edns),
    ) -> Option<Message> {
        self.id = self.id.wrapping_add(1);
        let mut message = Message::new(self.id, MessageType::Query, OpCode::Query);
        message.metadata.recursion_desired = true;
        message.add_query(Query::query(Name::from_ascii(name).unwrap(), rtype));
        let mut edns = Edns::new();
        set(&mut edns);
        edns.set_max_payload(1232);
        message.set_edns(edns);
        let octets = message.to_vec().unwrap();
        let reply = if self.is_tcp { self.over_tcp(&octets) } else { self.over_udp(&octets) };
        reply.filter(|reply| reply.metadata.id == self.id)
    }

    fn over_udp(&self, octets: &[u8]) -> Option<Message> {
        self.socket.send(octets).ok()?;
        let mut buffer = [0; 4096];
        loop {
            let length = self.socket.recv(&mut buffer).ok()?;
            // A late answer to an earlier question is skipped.
            if buffer[..2] == octets[..2] {
                return Message::from_vec(&buffer[..length]).ok();
            }
        }
    }

    fn over_tcp(&self, octets: &[u8]) -> Option<Message> {
        use std::io::{Read, Write};
        let mut stream = TcpStream::connect(self.address).ok()?;
        stream.set_read_timeout(Some(ANSWER)).unwrap();
        stream.write_all(&[&(octets.len() as u16).to_be_bytes(), octets].concat()).ok()?;
        let mut length = [0; 2];
        stream.read_exact(&mut length).ok()?;
        let mut reply = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut reply).ok()?;
        Message::from_vec(&reply).ok()
    }
}

/// The verdict of a validator about an answer.
pub(crate) fn is_authentic(reply: &Message) -> bool {
    reply.metadata.authentic_data
        && matches!(reply.metadata.response_code, ResponseCode::NoError | ResponseCode::NXDomain)
}

/// Asks `delv`, which validates on its own. Returns its output.
pub(crate) fn delv(node: SocketAddr, ds: &str, words: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let anchors = folder.path().join("anchors");
    let fields: Vec<&str> = ds.split(' ').collect();
    let (head, digest) = (fields[..3].join(" "), fields[3..].concat());
    fs::write(&anchors, format!("trust-anchors {{ \"signed.example.\" static-ds {head} \"{digest}\"; }};\n")).unwrap();
    let mut command = Command::new("delv");
    command.arg(format!("@{}", node.ip())).args(["-p", &node.port().to_string(), "-a"]).arg(&anchors);
    command.args(["+root=signed.example."]).args(words.split_whitespace());
    let output = command.output().expect("delv is installed: apt-get install bind9-dnsutils");
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// A port that is free for UDP and TCP now: these programs do not accept port 0.
pub(crate) fn free_port() -> u16 {
    loop {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = tcp.local_addr().unwrap().port();
        if UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}
