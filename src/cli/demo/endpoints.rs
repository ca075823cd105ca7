//! The datacenters of the demo: a small HTTP server on a loopback address for each endpoint.
//!
//! A broken endpoint answers 503, to the monitor and to everybody else. It does not refuse connections, so that people
//! can still ask it which endpoint it is.

use std::convert::Infallible;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tracing::info;

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
                endpoints.push((listener, Endpoint { place, number, broken: broken.clone() }));
            }
        }
        Ok(Self { endpoints, port })
    }

    /// Returns the port that all endpoints share.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Starts to answer, in tasks that end with the runtime.
    pub(super) fn begin(self) {
        for (listener, endpoint) in self.endpoints {
            tokio::spawn(accept(listener, endpoint));
        }
    }
}

async fn accept(listener: TcpListener, endpoint: Endpoint) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let endpoint = endpoint.clone();
        let answer = service_fn(move |request: Request<_>| {
            let response = endpoint.answer(request.method(), request.uri().path());
            async { Ok::<_, Infallible>(response) }
        });
        // An error means that the client closed the connection, which is no problem.
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
    }
}

impl Endpoint {
    fn answer(&self, method: &Method, path: &str) -> Response<Full<Bytes>> {
        let (place, address) = (self.place.name, self.place.addresses[self.number]);
        match (path, method) {
            ("/" | "/healthz", &Method::GET | &Method::HEAD) if self.is_broken() => {
                respond(StatusCode::SERVICE_UNAVAILABLE, format!("{place}, {address}: broken\n"))
            }
            ("/", &Method::GET | &Method::HEAD) => respond(StatusCode::OK, format!("hello from {place}, {address}\n")),
            ("/healthz", &Method::GET | &Method::HEAD) => respond(StatusCode::OK, "ok\n".to_owned()),
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

    /// Breaks or mends the datacenter's endpoints with these indexes.
    fn set(&self, numbers: std::ops::RangeInclusive<usize>, broken: bool) -> Response<Full<Bytes>> {
        let addresses: Vec<String> = self.place.addresses[numbers.clone()].iter().map(ToString::to_string).collect();
        self.broken[numbers].iter().for_each(|flag| flag.store(broken, Ordering::Relaxed));
        let what = if broken { "you broke" } else { "you mended" };
        let (place, addresses) = (self.place.name, addresses.join(", "));
        info!("{what} {addresses} in {place}");
        respond(StatusCode::OK, format!("{what} {addresses} in {place}\n"))
    }
}

fn respond(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
