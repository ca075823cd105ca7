//! Holds the leases of one endpoint at several nodes, each on its own: a node that is silent does not disturb the others.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use tokio::net::UdpSocket;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::cli::ask::{AskError, Link};
use crate::cli::output;
use crate::duration::Written;
use crate::lease::LeaseId;
use crate::printable::Printable;
use crate::report::{self, LeaseClaim, LeaseList};

/// A lease is renewed so often in its term.
const RENEWALS: u32 = 3;

/// After a failure, the next attempt comes this many times sooner than a renewal, within these bounds.
const SOONER: u32 = 5;
const RETRY: std::ops::RangeInclusive<Duration> = Duration::from_millis(200)..=Duration::from_secs(5);

/// Maximum time for the release of a lease. After that it ends by itself.
const RELEASE: Duration = Duration::from_secs(5);

/// The leases of one endpoint.
pub(super) struct Holder {
    path: String,
    /// The parameters that say which pool is meant.
    query: Vec<(&'static str, String)>,
    links: Vec<Arc<Link>>,
    /// Tells the tasks that renew to end.
    stop: watch::Sender<bool>,
    renewing: Vec<JoinHandle<()>>,
}

impl Holder {
    /// Claims the lease of an endpoint of a pool at each node, and renews it from now on.
    pub(super) fn start(links: Vec<Link>, (pool, id): (&str, &LeaseId), claim: &LeaseClaim, term: Duration) -> Self {
        let path = format!("/v1/pools/{}/endpoints/{id}", pool.replace('/', "%2F"));
        let links: Vec<Arc<Link>> = links.into_iter().map(Arc::new).collect();
        let body = report::to_json_line(claim);
        let what = format!("{} ({id}) in pool {pool}", claim.address);
        let (stop, stopping) = watch::channel(false);
        let renew = |link: &Arc<Link>| {
            let renewal = Renewal { path: path.clone(), body: body.clone(), what: what.clone(), term };
            tokio::spawn(renewal.run(link.clone(), stopping.clone()))
        };
        let renewing = links.iter().map(renew).collect();
        let parameters = [("datacenter", claim.datacenter.clone()), ("zone", claim.zone.clone())];
        let query = parameters.into_iter().filter_map(|(key, value)| Some((key, value?))).collect();
        Self { path, query, links, stop, renewing }
    }

    /// Drains the endpoint for this time. Its leases end after that.
    pub(super) async fn drain(&mut self, time: Duration) {
        self.stop_renewing().await;
        self.delete(&[("drain", Written(time).to_string())]).await;
    }

    /// Gives the leases up.
    pub(super) async fn release(&mut self) {
        self.stop_renewing().await;
        self.delete(&[]).await;
    }

    /// Ends renewals. A claim that is under way ends first: it would otherwise come after the release.
    async fn stop_renewing(&mut self) {
        self.stop.send_replace(true);
        for task in self.renewing.drain(..) {
            let _ = timeout(RELEASE, task).await;
        }
    }

    async fn delete(&self, more: &[(&'static str, String)]) {
        let query: Vec<_> = self.query.iter().chain(more).cloned().collect();
        let mut deleting = Vec::new();
        for link in &self.links {
            let (link, path, query) = (link.clone(), self.path.clone(), query.clone());
            deleting.push(tokio::spawn(async move {
                let sent = timeout(RELEASE, link.send(Method::DELETE, &path, &query, None)).await;
                if let Ok(Err(why)) = sent {
                    tell(&link, &format!("the lease is not released, and ends by itself: {why}"));
                }
            }));
        }
        for task in deleting {
            let _ = task.await;
        }
    }
}

/// The claim of a lease at one node, again and again.
struct Renewal {
    path: String,
    body: String,
    /// The claim in words.
    what: String,
    term: Duration,
}

impl Renewal {
    /// Claims and renews until it is told to stop. Tells when the lease is held, and when it no longer can be.
    async fn run(self, link: Arc<Link>, mut stopping: watch::Receiver<bool>) {
        let Self { path, body, what, term } = self;
        let pause = term / RENEWALS;
        let retry = (pause / SOONER).clamp(*RETRY.start(), *RETRY.end());
        let mut told: Option<Result<(), String>> = None;
        while !*stopping.borrow_and_update() {
            let result = match timeout(pause, claim(&link, &path, &body)).await {
                Ok(result) => result.map_err(|error| error.to_string()),
                Err(_) => Err(format!("no node answers at {link}: timed out")),
            };
            let is_held = result.is_ok();
            if told.as_ref() != Some(&result) {
                match &result {
                    Ok(()) => tell(&link, &format!("registered {what}")),
                    Err(why) => tell(&link, &format!("{what} is not registered: {why}")),
                }
                told = Some(result);
            }
            // Either of the two ends the wait.
            let _ = timeout(if is_held { pause } else { retry }, stopping.changed()).await;
        }
    }
}

async fn claim(link: &Link, path: &str, body: &str) -> Result<(), AskError> {
    link.send(Method::PUT, path, &[], Some(body.to_owned())).await?.shape::<LeaseList>().map(drop)
}

fn tell(link: &Link, what: &str) {
    output::complain(format_args!("truenorth: {link}: {}", Printable(what)));
}

/// Returns the address from which this machine reaches the first node that is reached over a network. Fails if there is
/// none.
pub(super) async fn own_address(links: &[Link]) -> Result<IpAddr, String> {
    let mut why = "the node is not reached over a network".to_owned();
    for (host, port) in links.iter().filter_map(Link::host_and_port) {
        match route_to(&host, port).await {
            Ok(address) => return Ok(address),
            Err(error) => why = format!("there is no route to {host}: {error}"),
        }
    }
    Err(why)
}

/// Returns the address of the route to a host. Nothing is sent.
async fn route_to(host: &str, port: u16) -> std::io::Result<IpAddr> {
    let mut last = std::io::Error::new(std::io::ErrorKind::NotFound, "the name has no address");
    for address in tokio::net::lookup_host((host, port)).await? {
        let own: IpAddr = if address.is_ipv4() { [0; 4].into() } else { [0; 16].into() };
        let socket = UdpSocket::bind((own, 0)).await?;
        match socket.connect(address).await.and_then(|()| socket.local_addr()) {
            Ok(own) => return Ok(own.ip()),
            Err(error) => last = error,
        }
    }
    Err(last)
}
