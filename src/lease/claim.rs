//! The values that an endpoint gives when it claims a lease.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use crate::name::Name;
use crate::snapshot::Capacity;

/// The shortest term. An endpoint renews three times in a term.
pub const MIN_TTL: Duration = Duration::from_secs(1);

/// The longest term. An endpoint that needs a longer one belongs in the files.
pub const MAX_TTL: Duration = Duration::from_secs(24 * 3600);

/// The longest id, in octets. A host name with a process id fits.
const MAX_ID: usize = 128;

/// The name that an endpoint gives itself, unique in its pool: letters, digits, `.`, `_`, `:`, `@` and `-`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LeaseId(Box<str>);

impl LeaseId {
    /// Returns it as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for LeaseId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_fit = |octet: u8| octet.is_ascii_alphanumeric() || b"._:@-".contains(&octet);
        if (1..=MAX_ID).contains(&text.len()) && text.bytes().all(is_fit) {
            return Ok(Self(text.into()));
        }
        Err(format!("an id has 1 to {MAX_ID} letters, digits, or characters of `._:@-`"))
    }
}

impl fmt::Display for LeaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The pool that an endpoint means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolChoice {
    /// Its name, `web/fra`, or that of its entry, `web`.
    pub pool: Box<str>,
    /// The datacenter, if the entry has pools in several.
    pub datacenter: Option<Box<str>>,
    /// The zone whose file defines it, if pools of several zones have the name.
    pub zone: Option<Name>,
}

/// A claim of an endpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    /// Its address.
    pub address: IpAddr,
    /// Weight for draws.
    pub weight: u16,
    /// Its maximum load.
    pub capacity: Option<Capacity>,
    /// The term, from [`MIN_TTL`] to [`MAX_TTL`].
    pub ttl: Duration,
}

/// The client that claims or releases a lease.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asker {
    /// The name of the token or the client; `None` if it has none.
    pub name: Option<Box<str>>,
    /// True if it may give orders: it may release the leases of others.
    pub may_order: bool,
}
