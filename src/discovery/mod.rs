//! Sources of endpoints: what a file, a name in the DNS, Consul or Kubernetes says belongs into a pool.
//!
//! ```text
//!   source ── looks, again and again ──► Found ──► Leases::discover ──► the pool's leases ──► blueprint
//! ```
//!
//! A source only looks. It holds no state of the pool and decides nothing: [`Leases`](crate::lease::Leases) compares what
//! was found with the leases that the pool has, within the bounds of the files, and keeps them if nothing was found.

mod api;
mod consul;
mod dns;
mod file;
mod kubernetes;

use std::path::Path;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::disk::Disk;
use crate::health::PoolKey;
use crate::lease::Discovered;
use crate::resolver::Resolver;
use crate::snapshot::Source;

/// Number of results that may wait to be taken in. Sources wait meanwhile.
pub const WAITING: usize = 64;

/// A source of endpoints.
trait Watcher: Send {
    /// Looks once. May wait until something changes, but not for longer than a few minutes: what is found also renews the
    /// leases.
    fn look(&mut self) -> impl Future<Output = Sight> + Send;
}

/// The result of one look.
struct Sight {
    /// The endpoints, or why they could not be found out.
    endpoints: Result<Vec<Discovered>, String>,
    /// The time until the next look.
    again_after: Duration,
}

/// The result of a look at the source of a pool.
#[derive(Debug)]
pub struct Found {
    /// The pool.
    pub pool: PoolKey,
    /// The source.
    pub source: Source,
    /// The endpoints, or why they could not be found out.
    pub endpoints: Result<Vec<Discovered>, String>,
}

/// Looks again and again, and sends what it finds, until nobody takes it. `datacenter` is the one of the pool.
pub async fn run(
    pool: PoolKey,
    datacenter: Option<Box<str>>,
    source: Source,
    resolver: Resolver,
    found: mpsc::Sender<Found>,
) {
    let id = (pool, source.clone());
    match source {
        Source::File(path) => follow(file::FileSource::new(path, datacenter), id, found).await,
        Source::Addresses(name) => follow(dns::AddressSource::new(name, resolver), id, found).await,
        Source::Services(name) => follow(dns::ServiceSource::new(name, resolver), id, found).await,
        Source::Consul(service) => follow(consul::ConsulSource::new(service), id, found).await,
        Source::Kubernetes(service) => follow(kubernetes::KubernetesSource::new(service), id, found).await,
    }
}

async fn follow(mut source: impl Watcher, (pool, from): (PoolKey, Source), found: mpsc::Sender<Found>) {
    loop {
        let Sight { endpoints, again_after } = source.look().await;
        let sent = found.send(Found { pool: pool.clone(), source: from.clone(), endpoints }).await;
        if sent.is_err() {
            return;
        }
        tokio::time::sleep(again_after).await;
    }
}

/// Reads a regular file of at most `most` octets. A file system that hangs makes it fail. Blocks.
fn small_file(path: &Path, most: u64) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| error.to_string();
    let too_long = || format!("it is longer than {most} octets");
    let disk = Disk::new();
    // A longer one is not read at all.
    if disk.metadata(path).map_err(failed)?.len() > most {
        return Err(too_long());
    }
    let octets = disk.read(path).map_err(failed)?.octets;
    if octets.len() as u64 > most { Err(too_long()) } else { Ok(octets) }
}
