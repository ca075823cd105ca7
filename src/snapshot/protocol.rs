//! Settings for messages that do not depend on the question.

use std::net::IpAddr;
use std::num::NonZeroU32;

use ipnet::IpNet;

use super::query_log::LogRule;

use crate::dnssec::Limits;
use crate::wire::{CookieSecret, DEFAULT_UDP_PAYLOAD};

/// Maximum number of octets of each string by which a node identifies itself. With this limit, the longest question and
/// all other options still fit into the 512 octets that every client accepts.
pub const MAX_IDENTITY: usize = 128;

/// Maximum number of secrets for cookies; replacing one needs two.
pub const MAX_SECRETS: usize = 8;

/// Settings for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protocol {
    /// Maximum UDP payload that is accepted and sent, in octets: 512 to
    /// [`MAX_UDP_PAYLOAD`](crate::wire::MAX_UDP_PAYLOAD).
    pub payload: u16,
    /// DNS cookies.
    pub cookies: Cookies,
    /// The strings by which the node identifies itself.
    pub identity: Identity,
    /// The limit on responses over UDP, if there is one.
    pub rate_limit: Option<RateLimit>,
    /// The networks that may copy whole zones.
    pub transfers: Transfers,
    /// Selects the answers of the query log; `None` without a query log.
    pub query_log: Option<LogRule>,
    /// How much workers sign, and how many signatures are kept.
    pub signing: Limits,
}

impl Default for Protocol {
    fn default() -> Self {
        Self {
            payload: DEFAULT_UDP_PAYLOAD,
            cookies: Cookies::default(),
            identity: Identity::default(),
            rate_limit: None,
            transfers: Transfers::default(),
            query_log: None,
            signing: Limits::default(),
        }
    }
}

/// Maximum rate of responses over UDP to one client network. Clients with a valid cookie are not limited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Responses of each class per second.
    pub responses_per_second: NonZeroU32,
    /// Replaces `responses_per_second` for names that do not exist.
    pub nxdomains_per_second: Option<NonZeroU32>,
    /// Replaces `responses_per_second` for errors.
    pub errors_per_second: Option<NonZeroU32>,
    /// Length of the credit window in seconds, 1 to 3600: a client that was quiet may get as many responses at once as
    /// in this time.
    pub window: NonZeroU32,
    /// One in this number of responses over the limit is sent as a header with TC; the others are dropped. 0 drops all.
    pub slip: u32,
    /// Number of leading bits of an IPv4 address that form a network, 1-32.
    pub prefix_v4: u8,
    /// The same for IPv6, 1-128.
    pub prefix_v6: u8,
    /// Networks that are not limited.
    pub exempt: Vec<IpNet>,
}

/// Maximum of [`RateLimit::window`], in seconds.
pub const MAX_WINDOW: u32 = 3600;

/// DNS cookies (RFC 7873).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cookies {
    /// The first secret makes cookies, and all of them verify cookies. At most [`MAX_SECRETS`]. If the list is empty,
    /// the node uses a random secret.
    pub secrets: Vec<CookieSecret>,
    /// True if a client over UDP that sends a cookie must send a valid one.
    pub are_required: bool,
}

/// The strings by which a node identifies itself; `None` hides the string. Each has 1 to [`MAX_IDENTITY`] octets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The answer to NSID (RFC 5001).
    pub nsid: Option<Box<str>>,
    /// The answer to `id.server.` and `hostname.bind.`, class CH.
    pub id: Option<Box<str>>,
    /// The answer to `version.server.` and `version.bind.`, class CH.
    pub version: Option<Box<str>>,
}

/// The networks that may copy whole zones (RFC 5936); none by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transfers {
    /// Networks, without host bits.
    pub allow: Vec<IpNet>,
}

impl Transfers {
    /// True if a client with this address may copy zones. An IPv4-mapped IPv6 address counts as IPv4.
    pub fn allows(&self, client: IpAddr) -> bool {
        let client = client.to_canonical();
        self.allow.iter().any(|network| network.contains(&client))
    }
}
