//! A small HTTP server that holds a state and lets requests wait until it changes: what the tests of Consul and of
//! Kubernetes have in common.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use reqwest::Url;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// The longest time that a request waits before it looks at the state again.
const LOOK: Duration = Duration::from_millis(200);

/// How the server answers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Manner {
    /// As it should.
    Serve,
    /// With this status.
    Status(u16),
    /// With this text as a whole answer.
    Say(String),
    /// With an answer that has no end.
    Huge,
    /// With an answer that comes octet by octet.
    Trickle,
}

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: BTreeMap<String, String>,
}

impl Request {
    pub(crate) fn query(&self, key: &str) -> Option<&str> {
        self.query.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }
}

/// A protocol: its state, and its answer to a request.
pub(crate) trait Protocol: Send + Sized + 'static {
    /// The header with the token, and what stands before it.
    const TOKEN: (&'static str, &'static str);

    /// Answers. May wait for a change with [`Hall::wait`].
    fn answer(hall: &Hall<Self>, request: &Request, out: &mut dyn Write) -> io::Result<()>;
}

/// What all connections share.
pub(crate) struct Hall<P> {
    pub(crate) state: Mutex<P>,
    changed: Condvar,
    manner: Mutex<Manner>,
    /// The token that is accepted.
    token: Mutex<Option<String>>,
    requests: Mutex<Vec<Request>>,
    open: Mutex<Vec<TcpStream>>,
    stopping: AtomicBool,
    tls: Option<Arc<ServerConfig>>,
}

/// A server.
pub(crate) struct Api<P: Protocol> {
    pub(crate) address: SocketAddr,
    hall: Arc<Hall<P>>,
    accepting: Option<JoinHandle<()>>,
}

impl<P: Protocol> Api<P> {
    pub(crate) fn start(state: P, tls: Option<Arc<ServerConfig>>) -> Self {
        let hall = Hall {
            state: Mutex::new(state),
            changed: Condvar::new(),
            manner: Mutex::new(Manner::Serve),
            token: Mutex::default(),
            requests: Mutex::default(),
            open: Mutex::default(),
            stopping: AtomicBool::new(false),
            tls,
        };
        let mut api = Self { address: SocketAddr::from(([127, 0, 0, 1], 0)), hall: Arc::new(hall), accepting: None };
        api.come();
        api
    }

    /// Begins to listen, at the address that it had before.
    pub(crate) fn come(&mut self) {
        let listener = TcpListener::bind(self.address).expect("the address is free");
        self.address = listener.local_addr().expect("bound");
        self.hall.stopping.store(false, Ordering::SeqCst);
        let hall = self.hall.clone();
        self.accepting = Some(thread::spawn(move || accept(&listener, &hall)));
    }

    /// Closes all connections and listens no more.
    pub(crate) fn go(&mut self) {
        self.hall.stopping.store(true, Ordering::SeqCst);
        self.hang_up();
        let Some(accepting) = self.accepting.take() else { return };
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
        accepting.join().expect("it does not panic");
    }

    fn hang_up(&self) {
        for stream in self.hall.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        self.hall.changed.notify_all();
    }

    /// Answers in this manner from now on. What waits is closed.
    pub(crate) fn behave(&self, manner: Manner) {
        *self.hall.manner.lock().unwrap() = manner;
        self.hang_up();
    }

    /// Accepts this token alone from now on. What waits is closed.
    pub(crate) fn demand(&self, token: &str) {
        *self.hall.token.lock().unwrap() = Some(token.to_owned());
        self.hang_up();
    }

    /// Changes the state.
    pub(crate) fn change(&self, change: impl FnOnce(&mut P)) {
        change(&mut self.hall.state.lock().unwrap());
        self.hall.changed.notify_all();
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.hall.requests.lock().unwrap().clone()
    }
}

impl<P: Protocol> Drop for Api<P> {
    fn drop(&mut self) {
        self.go();
    }
}

impl<P> Hall<P> {
    /// Waits a little for a change. Fails if the server stops.
    pub(crate) fn wait<'a>(&self, state: std::sync::MutexGuard<'a, P>) -> io::Result<std::sync::MutexGuard<'a, P>> {
        if self.stopping.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(self.changed.wait_timeout(state, LOOK).unwrap().0)
    }
}

fn accept<P: Protocol>(listener: &TcpListener, hall: &Arc<Hall<P>>) {
    while let Ok((stream, _)) = listener.accept() {
        if hall.stopping.load(Ordering::SeqCst) {
            return;
        }
        hall.open.lock().unwrap().extend(stream.try_clone());
        let hall = hall.clone();
        // It ends when its connection is closed, which the server does when it stops.
        thread::spawn(move || match hall.tls.clone() {
            None => converse(stream, &hall),
            Some(tls) => {
                converse(StreamOwned::new(ServerConnection::new(tls).expect("a good configuration"), stream), &hall)
            }
        });
    }
}

fn converse<P: Protocol>(mut stream: impl Read + Write, hall: &Hall<P>) -> io::Result<()> {
    while let Some(request) = read(&mut stream)? {
        hall.requests.lock().unwrap().push(request.clone());
        let (header, before) = P::TOKEN;
        let given = request.headers.get(header).and_then(|value| value.strip_prefix(before));
        let is_allowed = hall.token.lock().unwrap().as_deref().is_none_or(|token| given == Some(token));
        let manner = if is_allowed { hall.manner.lock().unwrap().clone() } else { Manner::Status(401) };
        match manner {
            Manner::Serve => P::answer(hall, &request, &mut stream)?,
            Manner::Status(status) => {
                // A hostile server sends the token back.
                respond(&mut stream, status, &[], &format!("denied: {given:?}"))?;
            }
            Manner::Say(text) => respond(&mut stream, 200, &[("X-Consul-Index", "9".to_owned())], &text)?,
            Manner::Huge => {
                write!(stream, "HTTP/1.1 200 OK\r\nX-Consul-Index: 9\r\nTransfer-Encoding: chunked\r\n\r\n")?;
                loop {
                    chunk(&mut stream, &" ".repeat(1 << 20))?;
                }
            }
            Manner::Trickle => {
                write!(stream, "HTTP/1.1 200 OK\r\nX-Consul-Index: 9\r\nTransfer-Encoding: chunked\r\n\r\n")?;
                loop {
                    chunk(&mut stream, "[")?;
                    thread::sleep(LOOK);
                }
            }
        }
    }
    Ok(())
}

/// Writes a whole response.
pub(crate) fn respond(mut out: impl Write, status: u16, headers: &[(&str, String)], body: &str) -> io::Result<()> {
    let mut head = format!("HTTP/1.1 {status} Played\r\nContent-Type: application/json\r\n");
    for (name, value) in headers {
        head.extend([name, ": ", value, "\r\n"]);
    }
    out.write_all(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes())?;
    out.flush()
}

/// Writes a chunk of a response (RFC 9112, section 7.1).
pub(crate) fn chunk(mut out: impl Write, text: &str) -> io::Result<()> {
    out.write_all(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes())?;
    out.flush()
}

/// Reads the head of a request without a body; `None` at the end of the connection.
fn read(stream: &mut impl Read) -> io::Result<Option<Request>> {
    let (mut head, mut octet) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut octet)? == 0 {
            return Ok(None);
        }
        head.push(octet[0]);
    }
    let head = String::from_utf8(head).expect("text");
    let mut lines = head.lines();
    let target = lines.next().and_then(|line| line.split(' ').nth(1)).expect("a request line");
    let url = Url::parse(&format!("http://host{target}")).expect("a target");
    let headers = lines.filter_map(|line| line.split_once(": "));
    Ok(Some(Request {
        path: url.path().to_owned(),
        query: url.query_pairs().into_owned().collect(),
        headers: headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect(),
    }))
}
