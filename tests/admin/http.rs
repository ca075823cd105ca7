//! An HTTP client that sends exactly the given octets.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// Maximum time of an answer on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A response.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// The header fields in lower case, one per line.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Response {
    /// The body as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        // Problems have a type of their own (RFC 9457, section 3).
        let media = if self.status < 400 { "json" } else { "problem+json" };
        let is_json = |media: &str| self.head.contains(&format!("content-type: application/{media}\r\n"));
        assert!(is_json(media) || is_json("json"), "{self:?}");
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// The error in the body.
    #[track_caller]
    pub(crate) fn error(&self) -> String {
        self.json()["detail"].as_str().unwrap_or_else(|| panic!("no error in {self:?}")).to_owned()
    }

    fn parse(octets: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(octets);
        let (head, body) = text.split_once("\r\n\r\n")?;
        let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
        Some(Self { status, head: head.to_ascii_lowercase(), body: body.to_owned() })
    }
}

pub(crate) fn connect(admin: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(admin).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("the time-out is above 0");
    stream
}

/// Returns the response to these octets, up to the end of the connection; `None` if it is not a response.
pub(crate) fn send(admin: SocketAddr, octets: impl AsRef<[u8]>) -> Option<Response> {
    let mut stream = connect(admin);
    // The server may refuse the request before all is sent.
    let _ = stream.write_all(octets.as_ref());
    receive(stream)
}

/// Reads up to the end of the connection.
pub(crate) fn receive(mut stream: TcpStream) -> Option<Response> {
    let mut octets = Vec::new();
    let mut part = [0; 4096];
    // The connection may end with a reset after the response.
    while let Ok(length @ 1..) = stream.read(&mut part) {
        octets.extend_from_slice(&part[..length]);
    }
    Response::parse(&octets)
}

/// A request with these fields besides `Host`, and this body.
#[track_caller]
pub(crate) fn ask(admin: SocketAddr, line: &str, fields: &[&str], body: &str) -> Response {
    let fields = fields.iter().map(|field| format!("{field}\r\n")).collect::<Vec<_>>().concat();
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    let request = format!("{line} HTTP/1.1\r\nHost: {admin}\r\n{fields}{length}\r\n{body}");
    send(admin, request).unwrap_or_else(|| panic!("{line} has a response"))
}

#[track_caller]
pub(crate) fn get(admin: SocketAddr, path: &str) -> Response {
    ask(admin, &format!("GET {path}"), &[], "")
}

#[track_caller]
pub(crate) fn post(admin: SocketAddr, path: &str, body: &str) -> Response {
    ask(admin, &format!("POST {path}"), &[], body)
}
