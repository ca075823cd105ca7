//! The cost of ten thousand probed endpoints for a node, and their effect on its answers.
//!
//! The endpoints are addresses of 127.0.0.0/8 behind one socket of another process, which is this program again, so
//! that the node's processor time is its own. The node is the real command with 10,000 names, each with a pool of its
//! own, at the default interval of 5 s. The output: processor time and memory while it probes; how late probes start
//! (by the node's own count, and by the gaps between probes as the endpoints see them); the cost of a query with and
//! without probing; and how long one failed probe takes to change an answer.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

const ENDPOINTS: u32 = 10_000;
const INTERVAL: Duration = Duration::from_secs(5);

/// Time for which probing alone is measured.
const PROBING: Duration = Duration::from_secs(20);
/// Duration of each load.
const LOAD: Duration = Duration::from_secs(5);
/// Number of simultaneous clients; each waits for its answer before it asks again.
const CLIENTS: usize = 8;
/// Number of failed probes whose effect on answers is measured.
const FAILURES: u32 = 20;

const TTL: u8 = 30;
/// The argument that starts the second process.
const ROLE: &str = "PROBES_BENCH_ENDPOINTS";

fn address(number: u32) -> Ipv4Addr {
    let [_, _, high, low] = number.to_be_bytes();
    Ipv4Addr::new(127, 32, high, low)
}

fn main() {
    if std::env::var_os(ROLE).is_some() {
        return endpoints();
    }
    let folder = tempfile::tempdir().expect("a folder");
    let mut endpoints = Endpoints::start();
    let probed = Node::start(&folder.path().join("probed"), Some(endpoints.port));
    println!("{ENDPOINTS} endpoints, {} probes a second", f64::from(ENDPOINTS) / INTERVAL.as_secs_f64());
    println!("first answer            {:>10} ms", probed.ready.as_millis());

    let (ticks, begun) = (probed.ticks(), Instant::now());
    thread::sleep(PROBING);
    let share = (probed.ticks() - ticks) as f64 / 100.0 / begun.elapsed().as_secs_f64();
    println!("processor               {:>10.1} % of one", share * 100.0);
    println!("a probe                 {:>10.1} us", share * 1e6 / (f64::from(ENDPOINTS) / INTERVAL.as_secs_f64()));
    println!("resident                {:>10} MiB", probed.resident() / 1024);

    let unprobed = Node::start(&folder.path().join("unprobed"), None);
    println!("{:<24}{:>13}{:>14}{:>14}", "", "us a query", "queries a s", "p99 us");
    for _ in 0..3 {
        unprobed.load("without probes", 0.0);
        probed.load("with probes", share);
    }

    let shown = probed.failures(&mut endpoints);
    println!(
        "a failure shows after   {:>10.1} ms (median), {:.1} ms (longest)",
        shown[shown.len() / 2],
        shown[shown.len() - 1]
    );
    println!("{}", probed.stop());
    println!("{}", endpoints.stop());
}

/// The endpoints, controlled by the first process.
struct Endpoints {
    process: Child,
    orders: ChildStdin,
    told: BufReader<ChildStdout>,
    port: u16,
}

impl Endpoints {
    fn start() -> Self {
        let own = std::env::current_exe().expect("this program");
        let mut process = Command::new(own)
            .env(ROLE, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program runs once more");
        let orders = process.stdin.take().expect("it is piped");
        let mut told = BufReader::new(process.stdout.take().expect("it is piped"));
        let port = line(&mut told).parse().expect("a port");
        Self { process, orders, told, port }
    }

    /// Makes the next probe of an endpoint fail, and returns when it did.
    fn fail(&mut self, number: u32) -> SystemTime {
        writeln!(self.orders, "{}", address(number)).expect("it reads");
        let nanos: u64 = line(&mut self.told).parse().expect("a time");
        SystemTime::UNIX_EPOCH + Duration::from_nanos(nanos)
    }

    fn stop(mut self) -> String {
        drop(self.orders);
        let mut rest = String::new();
        self.told.read_to_string(&mut rest).expect("text");
        self.process.wait().expect("it ends");
        rest.trim_end().to_owned()
    }
}

fn line(from: &mut impl BufRead) -> String {
    let mut line = String::new();
    from.read_line(&mut line).expect("text");
    line.trim_end().to_owned()
}

struct Node {
    process: Child,
    port: u16,
    ready: Duration,
    log: BufReader<std::process::ChildStderr>,
}

impl Node {
    fn start(folder: &Path, probed_at: Option<u16>) -> Self {
        fs::create_dir_all(folder.join("zones")).expect("a folder");
        fs::write(folder.join("truenorth.toml"), "[listen]\ndns = [\"127.0.0.1:0\"]\n").expect("a file");
        let monitor = if probed_at.is_some() { "monitor = \"web\"\n" } else { "" };
        let mut zone = format!("ttl = {TTL}\nttl_min = 5\n[soa]\nserial = 1\n[nameservers]\nns1 = [\"127.0.0.1\"]\n");
        if let Some(port) = probed_at {
            let _ = write!(zone, "[monitors.web]\ntype = \"http\"\nhost = \"www.example.com\"\nport = {port}\n");
            let _ = writeln!(zone, "interval = \"{}s\"", INTERVAL.as_secs());
        }
        for number in 0..ENDPOINTS {
            let _ = write!(
                zone,
                "[pools.p{number}]\n{monitor}endpoints = [\"{}\"]\n[names.n{number}]\npools = [\"p{number}\"]\n",
                address(number)
            );
        }
        fs::write(folder.join("zones/example.com.toml"), zone).expect("a file");
        let begun = Instant::now();
        let mut process = Command::new(env!("CARGO_BIN_EXE_truenorth"))
            .env("RUST_LOG", "info")
            .env("NO_COLOR", "1")
            .arg("serve")
            .arg("--config")
            .arg(folder.join("truenorth.toml"))
            .stderr(Stdio::piped())
            .spawn()
            .expect("the node runs");
        let mut log = BufReader::new(process.stderr.take().expect("it is piped"));
        let port = loop {
            let line = line(&mut log);
            assert!(!line.is_empty(), "the node ended");
            if let Some((_, rest)) = line.split_once("answering addresses=[127.0.0.1:") {
                break rest.split(']').next().and_then(|port| port.parse().ok()).expect("a port");
            }
        };
        Self { process, port, ready: begun.elapsed(), log }
    }

    /// User and system time so far, in clock ticks of 10 ms.
    fn ticks(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process.id())).expect("it runs");
        let fields: Vec<&str> = stat.rsplit(") ").next().expect("fields").split(' ').collect();
        [11, 12].iter().map(|&at: &usize| fields[at].parse::<u64>().expect("ticks")).sum()
    }

    /// KiB.
    fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// Asks for all names in turn. `idle` is the share of a processor that the node uses without queries.
    fn load(&self, what: &str, idle: f64) {
        let (asked, stop) = (AtomicU64::new(0), AtomicBool::new(false));
        let times = Mutex::new(Vec::new());
        let (ticks, begun) = (self.ticks(), Instant::now());
        thread::scope(|scope| {
            for client in 0..CLIENTS {
                let (asked, stop, times) = (&asked, &stop, &times);
                scope.spawn(move || {
                    let mut asker = Asker::new(self.port);
                    let mut own = Vec::new();
                    for number in (client as u32..).step_by(CLIENTS) {
                        if stop.load(Ordering::Relaxed) {
                            break;
                        }
                        let sent = Instant::now();
                        asker.ask(number % ENDPOINTS);
                        own.push(sent.elapsed());
                        asked.fetch_add(1, Ordering::Relaxed);
                    }
                    times.lock().expect("no client panics").extend(own);
                });
            }
            thread::sleep(LOAD);
            stop.store(true, Ordering::Relaxed);
        });
        let (seconds, asked) = (begun.elapsed().as_secs_f64(), asked.into_inner() as f64);
        let busy = (self.ticks() - ticks) as f64 / 100.0 - idle * seconds;
        let mut times = times.into_inner().expect("no client panics");
        times.sort_unstable();
        let p99 = times[times.len() * 99 / 100].as_micros();
        println!("{what:<24}{:>13.2}{:>14.0}{p99:>14}", busy * 1e6 / asked, asked / seconds);
    }

    /// Milliseconds from failed probes to answers with the short TTL, sorted.
    fn failures(&self, endpoints: &mut Endpoints) -> Vec<f64> {
        let mut asker = Asker::new(self.port);
        let one = |number| {
            let failed = endpoints.fail(number);
            while asker.ask(number) == TTL {}
            failed.elapsed().expect("time goes on").as_secs_f64() * 1000.0
        };
        let mut times: Vec<f64> = (0..FAILURES).map(|number| number * 479).map(one).collect();
        times.sort_unstable_by(f64::total_cmp);
        times
    }

    /// The node's log message about its probes when it stops.
    fn stop(mut self) -> String {
        let pid = rustix::process::Pid::from_child(&self.process);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it runs");
        let mut log = String::new();
        self.log.read_to_string(&mut log).expect("text");
        let last = log.lines().find_map(|line| line.split_once("stopping ")).map(|(_, told)| told.to_owned());
        format!("the node says           {}", last.expect("it tells"))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to stop.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

struct Asker {
    socket: UdpSocket,
    id: u16,
}

impl Asker {
    fn new(port: u16) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        socket.connect((Ipv4Addr::LOCALHOST, port)).expect("loopback");
        socket.set_read_timeout(Some(Duration::from_secs(5))).expect("a time-out");
        Self { socket, id: 0 }
    }

    /// The TTL's last octet.
    fn ask(&mut self, number: u32) -> u8 {
        self.id = self.id.wrapping_add(1);
        let label = format!("n{number}");
        let mut query = self.id.to_be_bytes().to_vec();
        query.extend(b"\x01\0\0\x01\0\0\0\0\0\0");
        query.push(label.len() as u8);
        query.extend(label.as_bytes());
        query.extend(b"\x07example\x03com\0\0\x01\0\x01");
        self.socket.send(&query).expect("it listens");
        let mut reply = [0; 512];
        let length = self.socket.recv(&mut reply).expect("an answer");
        assert!(length == query.len() + 16 && reply[7] == 1, "one address");
        reply[query.len() + 9]
    }
}

/// The observations of the endpoints.
#[derive(Default)]
struct Seen {
    last: HashMap<IpAddr, Instant>,
    /// Between two probes of one endpoint.
    gaps: Vec<Duration>,
    /// The endpoint whose next probe fails.
    failing: Option<IpAddr>,
}

/// The second process: answers 200 on every address until the first process ends.
fn endpoints() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let seen: Arc<Mutex<Seen>> = Arc::default();
    let orders = Arc::clone(&seen);
    thread::spawn(move || {
        for order in std::io::stdin().lock().lines() {
            let address = order.expect("text").parse().expect("an address");
            orders.lock().expect("nobody panics").failing = Some(address);
        }
        let mut gaps = std::mem::take(&mut orders.lock().expect("nobody panics").gaps);
        gaps.sort_unstable();
        let [p50, p99] = [50, 99].map(|percent| gaps[gaps.len() * percent / 100]);
        println!(
            "the endpoints say       probes={} gap_p50={p50:?} gap_p99={p99:?} gap_max={:?}",
            gaps.len(),
            gaps[gaps.len() - 1]
        );
        std::process::exit(0);
    });
    runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        socket.bind(SocketAddr::from(([0, 0, 0, 0], 0))).expect("a port");
        let listener = socket.listen(4096).expect("it listens");
        println!("{}", listener.local_addr().expect("a bound socket has an address").port());
        loop {
            let (stream, _) = listener.accept().await.expect("there are descriptors");
            tokio::spawn(answer(stream, Arc::clone(&seen)));
        }
    });
}

async fn answer(mut stream: tokio::net::TcpStream, seen: Arc<Mutex<Seen>>) -> std::io::Result<()> {
    let address = stream.local_addr()?.ip();
    let (now, mut octets) = (Instant::now(), [0; 1024]);
    // A probe's request is one segment on loopback.
    let _ = stream.read(&mut octets).await?;
    let fails = {
        let mut seen = seen.lock().expect("nobody panics");
        if let Some(before) = seen.last.insert(address, now) {
            seen.gaps.push(now - before);
        }
        seen.failing.take_if(|failing| *failing == address).is_some()
    };
    let status = if fails { "503 Unavailable" } else { "200 OK" };
    let response = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    stream.write_all(response.as_bytes()).await?;
    if fails {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
        println!("{}", now.as_nanos());
    }
    // The node closes first, as it does with every probe.
    while stream.read(&mut octets).await? > 0 {}
    Ok(())
}
