//! Why a claim or a release is refused.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use super::LeaseId;
use crate::duration::Written;
use crate::snapshot::Source;

/// The reason why a claim or a release is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeaseRefusal {
    /// No pool has this name.
    NoPool(String),
    /// The pools that this name may mean.
    SeveralPools(String, Vec<String>),
    /// The pool takes no registered endpoints.
    Closed(String),
    /// A source lists the endpoints of the pool.
    Discovered(String, Source),
    /// The address is in none of the pool's prefixes.
    Outside(IpAddr, String),
    /// The pool takes no endpoints from this asker.
    Stranger(Option<Box<str>>, String),
    /// The address cannot be handed out.
    BadAddress(IpAddr, &'static str),
    /// The files list the address in the pool.
    InFiles(IpAddr, String),
    /// Another lease of the pool holds the address, for at most this time.
    AddressHeld(IpAddr, LeaseId, Duration),
    /// An endpoint with this other address holds the id, for at most this time.
    IdHeld(LeaseId, IpAddr, Duration),
    /// The pool has as many leases as it may have.
    Full(String, usize),
    /// There is no such lease.
    NoLease(LeaseId, String),
    /// The lease belongs to another asker.
    Foreign(LeaseId, Option<Box<str>>),
}

impl LeaseRefusal {
    /// True if the asker tried something that the files do not allow it. This is audited.
    pub fn is_forbidden(&self) -> bool {
        matches!(
            self,
            Self::Closed(_) | Self::Discovered(..) | Self::Outside(..) | Self::Stranger(..) | Self::Foreign(..)
        )
    }
}

impl fmt::Display for LeaseRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |name: &Option<Box<str>>| name.as_deref().map_or("an asker without a name".into(), quoted);
        match self {
            Self::NoPool(pool) => write!(f, "there is no pool {pool}"),
            Self::SeveralPools(pool, pools) => {
                write!(f, "{pool} may mean {}: `datacenter` or `zone` says which", pools.join(" or "))
            }
            Self::Closed(pool) => write!(f, "pool {pool} takes no registered endpoints: it has no `registered`"),
            Self::Discovered(pool, source) => {
                write!(f, "pool {pool} takes no registered endpoints: {source} lists its endpoints")
            }
            Self::Outside(address, pool) => write!(f, "{address} is in none of the `prefixes` of pool {pool}"),
            Self::Stranger(asker, pool) => {
                write!(f, "{} is not in `by` of pool {pool}", name(asker))
            }
            Self::BadAddress(address, why) => write!(f, "{address} {why}"),
            Self::InFiles(address, pool) => write!(f, "the files list {address} in pool {pool} already"),
            Self::AddressHeld(address, id, left) => write!(
                f,
                "{address} is registered as {id}: release that lease, or wait {} until it ends",
                Written(whole(*left))
            ),
            Self::IdHeld(id, address, left) => write!(
                f,
                "{id} is registered with {address}: release that lease, or wait {} until it ends",
                Written(whole(*left))
            ),
            Self::Full(pool, max) => write!(f, "pool {pool} has {max} leases, and its `max` allows no more"),
            Self::NoLease(id, pool) => write!(f, "pool {pool} has no lease of {id}"),
            Self::Foreign(id, holder) => write!(f, "{} registered {id}, and only it can release that", name(holder)),
        }
    }
}

impl std::error::Error for LeaseRefusal {}

fn quoted(name: &str) -> String {
    format!("`{name}`")
}

/// Returns a time rounded up to whole seconds.
fn whole(time: Duration) -> Duration {
    Duration::from_secs(time.as_millis().div_ceil(1000) as u64)
}
