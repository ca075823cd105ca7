//! Looks up names in the DNS, for probes of host names and for pools whose endpoints a name lists.
//!
//! It is a stub resolver (RFC 1034, section 5.3.1): it asks recursive servers and follows no referrals. It asks those
//! of `[resolver]` in the server file, or those that `/etc/resolv.conf` lists when it asks. It reads neither
//! `/etc/hosts` nor search lists: names are absolute, and the same on every node.
//!
//! ```text
//!   look_up ── known ──► the last address at once; asks again beside it if the TTL is over
//!      └────── new ────► asks, and waits
//! ```
//!
//! **A failure keeps the last answer**, and NXDOMAIN and an empty answer are failures too. So a broken resolver, or a
//! name that somebody deleted by mistake, changes nothing that worked before. The next attempt is soon.

mod ask;
mod names;
mod query;
mod servers;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use domain::base::iana::Rtype;
use tracing::{info, warn};

use names::{Names, Next, Taken};

pub use query::{Answer, Service};

/// The longest time for which an answer is used. An answer with a longer TTL is asked for again.
pub const MAX_TTL: Duration = Duration::from_secs(3600);

/// The shortest time for which an answer is used, also if its TTL is 0.
pub const MIN_TTL: Duration = Duration::from_secs(1);

/// The time from a failure to the next attempt.
pub const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Why a name could not be looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResolveError {
    /// The name is no domain name.
    BadName(String),
    /// No server answered in time.
    TimedOut,
    /// A server answered with this response code.
    Rcode(String),
    /// The name has no records of the type.
    NoData,
    /// The answer is malformed, or is not for the question.
    Malformed,
    /// The servers could not be asked, or are not known.
    Io(String),
}

impl fmt::Display for ResolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadName(why) => write!(f, "no domain name: {why}"),
            Self::TimedOut => f.write_str("no resolver answered"),
            Self::Rcode(code) => write!(f, "the resolver answered {code}"),
            Self::NoData => f.write_str("it has no such records"),
            Self::Malformed => f.write_str("the resolver's answer is malformed"),
            Self::Io(why) => write!(f, "the resolver cannot be asked: {why}"),
        }
    }
}

impl std::error::Error for ResolveError {}

/// Looks up names; cheap to clone, and all clones share what is known. Runs on tokio, with I/O and time enabled.
#[derive(Clone, Debug)]
pub struct Resolver {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// The servers that the server file names; empty for those of the system.
    servers: Mutex<Vec<SocketAddr>>,
    names: Mutex<Names>,
    /// The zero of the clock of `names`.
    base: Instant,
}

impl Default for Resolver {
    /// Returns a resolver that asks the servers of the system.
    fn default() -> Self {
        let (servers, names) = (Mutex::default(), Mutex::default());
        Self { shared: Arc::new(Shared { servers, names, base: Instant::now() }) }
    }
}

impl Resolver {
    /// Asks these servers from now on; those of the system if there are none.
    pub fn ask_servers(&self, servers: &[SocketAddr]) {
        *lock(&self.shared.servers) = servers.to_vec();
    }

    /// Returns an address of a host: the lowest IPv4 address, or the lowest IPv6 address if it has no other. A known one
    /// is returned at once. Fails if the name is looked up for the first time and cannot be.
    pub async fn look_up(&self, host: &str) -> Result<IpAddr, ResolveError> {
        let next = lock(&self.shared.names).next(host, self.now());
        match next {
            Next::Use(address) => Ok(address),
            Next::UseAndAsk(address) => {
                let (resolver, host) = (self.clone(), Box::<str>::from(host));
                tokio::spawn(async move { resolver.ask_for_host(&host).await });
                Ok(address)
            }
            Next::Ask => self.ask_for_host(host).await,
        }
    }

    /// Returns all addresses of a host, asked for now. Fails if it has none.
    pub async fn addresses(&self, host: &str) -> Result<Answer<IpAddr>, ResolveError> {
        let (v4, v6) = tokio::join!(self.ask(host, Rtype::A), self.ask(host, Rtype::AAAA));
        match (v4, v6) {
            (Ok(v4), Ok(v6)) => {
                let values = v4.addresses().chain(v6.addresses()).collect();
                Ok(Answer { values, ttl: v4.ttl.min(v6.ttl) })
            }
            // Half of the addresses are not an answer, unless the name has none of the other family.
            (Ok(found), Err(ResolveError::NoData)) | (Err(ResolveError::NoData), Ok(found)) => {
                Ok(Answer { values: found.addresses().collect(), ttl: found.ttl })
            }
            (Err(why), _) | (_, Err(why)) => Err(why),
        }
    }

    /// Returns the SRV records of a name, asked for now (RFC 2782). Fails if it has none.
    pub async fn services(&self, name: &str) -> Result<Answer<Service>, ResolveError> {
        let answer = self.ask(name, Rtype::SRV).await?;
        Ok(Answer { values: answer.services().collect(), ttl: answer.ttl })
    }

    async fn ask(&self, name: &str, rtype: Rtype) -> Result<query::Found, ResolveError> {
        let mut servers = lock(&self.shared.servers).clone();
        if servers.is_empty() {
            servers = servers::of_system()?;
        }
        ask::ask(&servers, name, rtype).await
    }

    /// Asks for a host's addresses and remembers them, or that they could not be found out.
    async fn ask_for_host(&self, host: &str) -> Result<IpAddr, ResolveError> {
        let found = match self.ask(host, Rtype::A).await {
            Err(ResolveError::NoData) => self.ask(host, Rtype::AAAA).await,
            found => found,
        };
        let found = found.map(|found| Answer { values: found.addresses().collect(), ttl: found.ttl });
        let why = found.as_ref().err().map(ToString::to_string);
        let (taken, address) = lock(&self.shared.names).take(host, found, self.now());
        match taken {
            Taken::New(address) => info!(host, %address, "host is probed at this address"),
            Taken::Moved(before, address) => info!(host, %before, %address, "host is probed at another address"),
            Taken::Failed => warn!(host, why, "host cannot be looked up: its last address is used"),
            Taken::Back => info!(host, "host can be looked up again"),
            Taken::Same => {}
        }
        address
    }

    fn now(&self) -> Duration {
        self.shared.base.elapsed()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
