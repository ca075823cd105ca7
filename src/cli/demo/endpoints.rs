//! The datacenters of the demo: a small HTTP server on a loopback address for each endpoint.
//!
//! A broken endpoint answers 503, to the monitor and to everybody else. It does not refuse connections, so that people
//! can still ask it which endpoint it is. In the demo of a fleet it may be broken for some nodes alone.

use std::convert::Infallible;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tracing::info;

use super::askers::Askers;

/// The contents of an answer.
pub(super) type Answer = Full<Bytes>;

/// A datacenter of the demo, or the fallback. Its endpoints can be broken and mended together.
pub(super) struct DemoSite {
    /// The name in the zone file.
    pub(super) name: &'static str,
    /// A description for people.
    pub(super) about: &'static str,
    pub(super) addresses: &'static [Ipv4Addr],
}

/// Everything in the sample zone that has an address.
pub(super) const PLACES: &[DemoSite] = &[
    DemoSite {
        name: "fra",
        about: "Frankfurt; the last one is the canary, green",
        addresses: &[Ipv4Addr::new(127, 10, 0, 10), Ipv4Addr::new(127, 10, 0, 11), Ipv4Addr::new(127, 10, 0, 20)],
    },
    DemoSite {
        name: "iad",
        about: "Ashburn, Virginia",
        addresses: &[Ipv4Addr::new(127, 20, 0, 10), Ipv4Addr::new(127, 20, 0, 11)],
    },
    DemoSite {
        name: "sin",
        about: "Singapore",
        addresses: &[Ipv4Addr::new(127, 30, 0, 10), Ipv4Addr::new(127, 30, 0, 11)],
    },
    DemoSite {
        name: "sorry",
        about: "the fallback, when all else is down",
        addresses: &[Ipv4Addr::new(127, 40, 0, 10)],
    },
];

/// Maximum number of attempts to find a port that is free on all addresses.
const PORT_ATTEMPTS: usize = 32;

/// Pause of a listener when there are no descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The answer of an endpoint to paths that it does not know: a list of those that it knows.
const HELP: &str = "GET /  GET /healthz  POST /break  POST /mend  POST /datacenter/break  POST /datacenter/mend\n";

/// All endpoints with their sockets, on one port.
pub(super) struct Stage {
    endpoints: Vec<(TcpListener, Endpoint)>,
    port: u16,
}

/// One endpoint of a datacenter.
#[derive(Clone)]
struct Endpoint {
    place: &'static DemoSite,
    /// The index of its address in the datacenter.
    number: usize,
    /// The flags of all of the datacenter's endpoints, by index; true if broken.
    broken: Arc<[AtomicBool]>,
    /// The nodes of a fleet for which alone it is broken.
    broken_for: Arc<Mutex<Vec<String>>>,
    at: SocketAddrV4,
    askers: Askers,
}

impl Stage {
    /// Binds all addresses on port `wanted`, or on a port that the kernel chooses if `wanted` is in use on any of them.
    /// Fails if an address cannot be bound.
    pub(super) async fn open(wanted: u16) -> io::Result<Self> {
        match Self::bind(wanted).await {
            Err(error) if error.kind() == ErrorKind::AddrInUse => {}
            settled => return settled,
        }
        let mut attempts = PORT_ATTEMPTS;
        loop {
            attempts -= 1;
            match Self::bind(0).await {
                Err(error) if error.kind() == ErrorKind::AddrInUse && attempts > 0 => {}
                settled => return settled,
            }
        }
    }

    async fn bind(mut port: u16) -> io::Result<Self> {
        let mut endpoints = Vec::new();
        for place in PLACES {
            let broken: Arc<[AtomicBool]> = place.addresses.iter().map(|_| AtomicBool::new(false)).collect();
            for (number, &address) in place.addresses.iter().enumerate() {
                let listener = TcpListener::bind(SocketAddr::from((address, port))).await?;
                port = listener.local_addr()?.port();
                let endpoint = Endpoint {
                    place,
                    number,
                    broken: broken.clone(),
                    broken_for: Arc::default(),
                    at: SocketAddrV4::new(address, port),
                    askers: Askers::default(),
                };
                endpoints.push((listener, endpoint));
            }
        }
        Ok(Self { endpoints, port })
    }

    /// Returns the port that all endpoints share.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Starts to answer, in tasks that end with the runtime. `askers` are the nodes of a fleet.
    pub(super) fn begin(self, askers: &Askers) {
        for (listener, endpoint) in self.endpoints {
            tokio::spawn(accept(listener, Endpoint { askers: askers.clone(), ..endpoint }));
        }
    }
}

async fn accept(listener: TcpListener, endpoint: Endpoint) {
    loop {
        let Ok((stream, asker)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let endpoint = endpoint.clone();
        let answer = service_fn(move |request: Request<_>| {
            let uri = request.uri();
            let response = endpoint.answer(request.method(), uri.path(), uri.query().unwrap_or_default(), asker);
            async { Ok::<_, Infallible>(response) }
        });
        // An error means that the client closed the connection, which is no problem.
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
    }
}

impl Endpoint {
    fn answer(&self, method: &Method, path: &str, query: &str, asker: SocketAddr) -> Response<Answer> {
        let (place, address) = (self.place.name, self.place.addresses[self.number]);
        match (path, method) {
            ("/" | "/healthz", &Method::GET | &Method::HEAD) if self.is_broken() || self.is_broken_for(asker) => {
                respond(StatusCode::SERVICE_UNAVAILABLE, format!("{place}, {address}: broken\n"))
            }
            ("/", &Method::GET | &Method::HEAD) => respond(StatusCode::OK, format!("hello from {place}, {address}\n")),
            ("/healthz", &Method::GET | &Method::HEAD) => respond(StatusCode::OK, "ok\n".to_owned()),
            ("/break", &Method::POST) if query.starts_with("for=") => self.break_for(&query["for=".len()..]),
            ("/break", &Method::POST) => self.set(self.number..=self.number, true),
            ("/mend", &Method::POST) => self.set(self.number..=self.number, false),
            ("/datacenter/break", &Method::POST) => self.set(0..=self.broken.len() - 1, true),
            ("/datacenter/mend", &Method::POST) => self.set(0..=self.broken.len() - 1, false),
            ("/break" | "/mend" | "/datacenter/break" | "/datacenter/mend", _) => {
                let mut response = respond(StatusCode::METHOD_NOT_ALLOWED, format!("use curl -X POST\n{HELP}"));
                response.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static("POST"));
                response
            }
            _ => respond(StatusCode::NOT_FOUND, HELP.to_owned()),
        }
    }

    fn is_broken(&self) -> bool {
        self.broken[self.number].load(Ordering::Relaxed)
    }

    /// True if it is broken for the node of a fleet that asks.
    fn is_broken_for(&self, asker: SocketAddr) -> bool {
        let nodes = self.broken_for.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // The owner of the socket is only looked for if it matters.
        !nodes.is_empty() && self.askers.name_of(asker, self.at).is_some_and(|node| nodes.iter().any(|it| it == node))
    }

    /// Breaks it for one node of a fleet.
    fn break_for(&self, node: &str) -> Response<Answer> {
        let Some(node) = self.askers.names().into_iter().find(|name| *name == node) else {
            let names = self.askers.names().join(", ");
            return respond(StatusCode::NOT_FOUND, format!("there is no such node: {names}\n"));
        };
        self.broken_for.lock().unwrap_or_else(PoisonError::into_inner).push(node.to_owned());
        let (place, address) = (self.place.name, self.place.addresses[self.number]);
        info!("you broke {address} in {place} for {node} alone");
        respond(StatusCode::OK, format!("you broke {address} in {place} for {node} alone\n"))
    }

    /// Breaks or mends the datacenter's endpoints with these indexes. If it is this endpoint that is mended, it is mended for
    /// all nodes.
    fn set(&self, numbers: std::ops::RangeInclusive<usize>, broken: bool) -> Response<Answer> {
        if !broken {
            self.broken_for.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
        let addresses: Vec<String> = self.place.addresses[numbers.clone()].iter().map(ToString::to_string).collect();
        self.broken[numbers].iter().for_each(|flag| flag.store(broken, Ordering::Relaxed));
        let what = if broken { "you broke" } else { "you mended" };
        let (place, addresses) = (self.place.name, addresses.join(", "));
        info!("{what} {addresses} in {place}");
        respond(StatusCode::OK, format!("{what} {addresses} in {place}\n"))
    }
}

pub(super) fn respond(status: StatusCode, text: String) -> Response<Answer> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
