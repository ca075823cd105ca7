//! Sources of endpoints: what a file or a name in the DNS says belongs into a pool.
//!
//! ```text
//!   source ── looks, again and again ──► Found ──► Leases::discover ──► the pool's leases ──► blueprint
//! ```
//!
//! A source only looks. It holds no state of the pool and decides nothing: [`Leases`](crate::lease::Leases) compares what
//! was found with the leases that the pool has, within the bounds of the files, and keeps them if nothing was found.

mod dns;
mod file;

use std::time::Duration;

use tokio::sync::mpsc;

use crate::health::PoolKey;
use crate::lease::Discovered;
use crate::resolver::Resolver;
use crate::snapshot::Source;

/// Number of results that may wait to be taken in. Sources wait meanwhile.
pub const WAITING: usize = 64;

/// A source of endpoints.
trait Watcher: Send {
    /// Looks once.
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
