//! A scripted endpoint: real sockets, a script for each connection, and a record of the requests.
//!
//! It runs on its own threads, one to accept and one for each connection, so that a busy runtime of a test cannot stall
//! it. `stop_listening` and `listen_again`, or another script, break and repair it. Dropping it ends all threads.

// Each test binary compiles this module and uses a part of it.
#![allow(dead_code)]

pub(crate) mod certificates;
pub(crate) mod probing;

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use socket2::SockRef;

/// An address of loopback with a port that the kernel chooses.
pub(crate) const ANY_PORT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// The steps of a connection, in order. After the last one the endpoint closes its direction (FIN), and waits until the
/// peer closes the other.
#[derive(Clone, Debug)]
pub(crate) struct Script(pub(crate) Vec<Step>);

/// A part of a script.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Reads the head of a request, up to its empty line.
    Read,
    /// Reads a line.
    ReadLine,
    /// Reads a DNS message with its length.
    ReadQuestion,
    /// Writes these octets.
    Say(Vec<u8>),
    /// Writes these octets one at a time, waiting before each.
    Trickle(Vec<u8>, Duration),
    /// Writes these octets repeatedly until the peer leaves.
    Forever(Vec<u8>),
    /// Waits.
    Pause(Duration),
    /// Says nothing until the peer leaves.
    Hang,
    /// Ends the connection by RST.
    Reset,
}

impl Script {
    /// A response of this status with a short body.
    pub(crate) fn status(code: u16) -> Self {
        Self::respond(code, &format!("{code}\n"))
    }

    /// A response of this status and body, with its length.
    pub(crate) fn respond(code: u16, body: &str) -> Self {
        let length = body.len();
        Self::say(format!("HTTP/1.1 {code} Scripted\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"))
    }

    /// Sends these octets after it has read a request.
    pub(crate) fn say(octets: impl Into<Vec<u8>>) -> Self {
        Self::answer([Step::Say(octets.into())])
    }

    /// Never sends anything.
    pub(crate) fn hang() -> Self {
        Self::answer([Step::Hang])
    }

    /// Reads a request, then takes these steps.
    pub(crate) fn answer(steps: impl IntoIterator<Item = Step>) -> Self {
        Self([Step::Read].into_iter().chain(steps).collect())
    }
}

/// An endpoint that a test talks to.
pub(crate) struct Endpoint {
    address: SocketAddr,
    stage: Arc<Stage>,
    accepting: Option<JoinHandle<()>>,
}

/// State that the endpoint's threads share.
struct Stage {
    script: Mutex<Script>,
    tls: Option<Arc<ServerConfig>>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    connections: usize,
    requests: Vec<String>,
    server_names: Vec<Option<String>>,
    /// The connections that are open, by number.
    open: HashMap<usize, TcpStream>,
    stopping: bool,
}

impl Endpoint {
    /// Listens at the address, a port of 0 meaning any, and plays the script to each connection.
    pub(crate) fn start(address: SocketAddr, script: Script) -> Self {
        Self::begin(address, script, None)
    }

    /// The same inside of TLS.
    pub(crate) fn start_tls(address: SocketAddr, script: Script, tls: Arc<ServerConfig>) -> Self {
        Self::begin(address, script, Some(tls))
    }

    fn begin(address: SocketAddr, script: Script, tls: Option<Arc<ServerConfig>>) -> Self {
        let stage = Arc::new(Stage { script: Mutex::new(script), tls, seen: Mutex::default() });
        let mut endpoint = Self { address, stage, accepting: None };
        endpoint.listen_again();
        endpoint
    }

    /// Returns the address where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Plays another script to the connections that come from now on.
    pub(crate) fn play(&self, script: Script) {
        *self.stage.script.lock().unwrap() = script;
    }

    /// Closes its listening socket and all connections: the next one is refused.
    pub(crate) fn stop_listening(&mut self) {
        let Some(accepting) = self.accepting.take() else { return };
        {
            let mut seen = self.stage.seen();
            seen.stopping = true;
            for stream in seen.open.values() {
                let _ = stream.shutdown(Shutdown::Both);
            }
        }
        // Wakes the thread that accepts, so that it sees the request to stop.
        let _ = TcpStream::connect(self.address);
        accepting.join().expect("the accepting thread does not panic");
    }

    /// Listens on the same address again.
    pub(crate) fn listen_again(&mut self) {
        assert!(self.accepting.is_none(), "it listens already");
        let listener = TcpListener::bind(self.address).expect("the address is free");
        self.address = listener.local_addr().expect("a bound socket has an address");
        self.stage.seen().stopping = false;
        let stage = Arc::clone(&self.stage);
        self.accepting = Some(thread::spawn(move || accept(&listener, &stage)));
    }

    /// Connections that were accepted so far.
    pub(crate) fn connections(&self) -> usize {
        self.stage.seen().connections
    }

    /// Connections that are open now.
    pub(crate) fn open_connections(&self) -> usize {
        self.stage.seen().open.len()
    }

    /// The heads of the requests so far, as they came.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.stage.seen().requests.clone()
    }

    /// The SNI of each handshake so far; `None` for a handshake without it.
    pub(crate) fn server_names(&self) -> Vec<Option<String>> {
        self.stage.seen().server_names.clone()
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.stop_listening();
    }
}

impl Stage {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap()
    }
}

fn accept(listener: &TcpListener, stage: &Arc<Stage>) {
    let mut playing: Vec<JoinHandle<()>> = Vec::new();
    loop {
        let stream = listener.accept().map(|(stream, _)| stream);
        let number = {
            let mut seen = stage.seen();
            if seen.stopping {
                break;
            }
            let Ok(Ok(handle)) = stream.as_ref().map(TcpStream::try_clone) else { continue };
            seen.connections += 1;
            let number = seen.connections;
            seen.open.insert(number, handle);
            number
        };
        playing.retain(|player| !player.is_finished());
        let stage = Arc::clone(stage);
        let stream = stream.expect("it was cloned above");
        playing.push(thread::spawn(move || {
            // An error means that the peer is gone, which it may be at any time.
            let _ = converse(stream, number, &stage);
            stage.seen().open.remove(&number);
        }));
    }
    for player in playing {
        player.join().expect("a connection's thread does not panic");
    }
}

fn converse(stream: TcpStream, number: usize, stage: &Stage) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let Some(config) = &stage.tls else {
        return play(stream, number, stage);
    };
    let session = ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
    let mut stream = StreamOwned::new(session, stream);
    while stream.conn.is_handshaking() {
        if let Err(error) = stream.conn.complete_io(&mut stream.sock) {
            // Closing with unread octets would send a RST, which the peer may see before the alert with the reason.
            stream.sock.shutdown(Shutdown::Write)?;
            wait_for_end(&mut stream.sock)?;
            return Err(error);
        }
    }
    let name = stream.conn.server_name().map(ToOwned::to_owned);
    stage.seen().server_names.push(name);
    play(stream, number, stage)
}

/// A stream that can be ended in both ways.
trait Conversation: Read + Write {
    fn close(&mut self) -> io::Result<()>;
    fn socket(&self) -> &TcpStream;
}

impl Conversation for TcpStream {
    fn close(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }

    fn socket(&self) -> &TcpStream {
        self
    }
}

impl Conversation for StreamOwned<ServerConnection, TcpStream> {
    fn close(&mut self) -> io::Result<()> {
        self.conn.send_close_notify();
        self.flush()?;
        self.sock.shutdown(Shutdown::Write)
    }

    fn socket(&self) -> &TcpStream {
        &self.sock
    }
}

fn play(mut stream: impl Conversation, number: usize, stage: &Stage) -> io::Result<()> {
    let Script(steps) = stage.script.lock().unwrap().clone();
    for step in steps {
        match step {
            Step::Read | Step::ReadLine => {
                let end: &[u8] = if matches!(step, Step::Read) { b"\r\n\r\n" } else { b"\n" };
                let head = read_until(end, &mut stream)?;
                if !head.is_empty() {
                    stage.seen().requests.push(head);
                }
            }
            Step::ReadQuestion => {
                let mut length = [0; 2];
                stream.read_exact(&mut length)?;
                stream.read_exact(&mut vec![0; u16::from_be_bytes(length).into()])?;
            }
            Step::Say(octets) => write(&mut stream, &octets)?,
            Step::Trickle(octets, pause) => {
                for octet in octets {
                    thread::sleep(pause);
                    write(&mut stream, &[octet])?;
                }
            }
            Step::Forever(octets) => loop {
                write(&mut stream, &octets)?;
            },
            Step::Pause(time) => thread::sleep(time),
            Step::Hang => return wait_for_end(stream),
            Step::Reset => {
                SockRef::from(stream.socket()).set_linger(Some(Duration::ZERO))?;
                // The RST goes out when the last handle of the socket is closed.
                stage.seen().open.remove(&number);
                return Ok(());
            }
        }
    }
    stream.close()?;
    // Closing with unread octets would send a RST instead of the FIN.
    wait_for_end(stream.socket())
}

fn write(stream: &mut impl Conversation, octets: &[u8]) -> io::Result<()> {
    stream.write_all(octets)?;
    stream.flush()
}

/// Returns what the peer sends, up to this end or until it closes.
fn read_until(end: &[u8], stream: &mut impl Conversation) -> io::Result<String> {
    let mut head = Vec::new();
    let mut octet = [0];
    while !head.ends_with(end) {
        if stream.read(&mut octet)? == 0 {
            break;
        }
        head.push(octet[0]);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

fn wait_for_end(mut stream: impl Read) -> io::Result<()> {
    let mut ignored = [0; 1024];
    while stream.read(&mut ignored)? > 0 {}
    Ok(())
}
