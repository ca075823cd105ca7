//! The line between one node of the demo and the NATS server, which can be cut and mended over HTTP.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tracing::info;

use super::endpoints::{Answer, respond};

/// The answer to paths that it does not know.
const HELP: &str = "POST /cut  POST /mend\n";

/// A line.
pub(super) struct Relay {
    /// Where the node finds it.
    pub(super) address: SocketAddr,
    /// Where it is cut and mended.
    pub(super) switch: SocketAddr,
}

impl Relay {
    /// Lays the line of the node with this number to the NATS server. It is cut and mended on 127.50.0.N, on this port.
    pub(super) async fn lay(node: &'static str, number: u8, port: u16, nats: SocketAddr) -> io::Result<Self> {
        let line = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let switch = TcpListener::bind((Ipv4Addr::new(127, 50, 0, number), port)).await?;
        let relay = Self { address: line.local_addr()?, switch: switch.local_addr()? };
        let (cut, is_cut) = watch::channel(false);
        tokio::spawn(carry(line, nats, is_cut));
        tokio::spawn(obey(switch, node, cut));
        Ok(relay)
    }
}

/// Carries connections to the server while the line is whole.
async fn carry(line: TcpListener, nats: SocketAddr, is_cut: watch::Receiver<bool>) {
    loop {
        let Ok((mut node, _)) = line.accept().await else {
            tokio::task::yield_now().await;
            continue;
        };
        let mut is_cut = is_cut.clone();
        if *is_cut.borrow() {
            continue;
        }
        tokio::spawn(async move {
            let Ok(mut server) = TcpStream::connect(nats).await else { return };
            tokio::select! {
                _ = copy_bidirectional(&mut node, &mut server) => {}
                _ = is_cut.wait_for(|is_cut| *is_cut) => {}
            }
        });
    }
}

/// Cuts and mends the line as it is told.
async fn obey(switch: TcpListener, node: &'static str, cut: watch::Sender<bool>) {
    loop {
        let Ok((stream, _)) = switch.accept().await else {
            tokio::task::yield_now().await;
            continue;
        };
        let cut = cut.clone();
        let answer = service_fn(move |request: Request<_>| {
            let answer = turn(request.method(), request.uri().path(), node, &cut);
            async { Ok::<_, Infallible>(answer) }
        });
        // An error means that the client closed the connection, which is no problem.
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
    }
}

fn turn(method: &Method, path: &str, node: &str, cut: &watch::Sender<bool>) -> Response<Answer> {
    let is_cut = match path {
        "/cut" => true,
        "/mend" => false,
        _ => return respond(StatusCode::NOT_FOUND, HELP.to_owned()),
    };
    if method != Method::POST {
        return respond(StatusCode::METHOD_NOT_ALLOWED, format!("use curl -X POST\n{HELP}"));
    }
    cut.send_replace(is_cut);
    let what = if is_cut { format!("you cut {node} from NATS") } else { format!("you joined {node} to NATS") };
    info!("{what}");
    respond(StatusCode::OK, format!("{what}\n"))
}
