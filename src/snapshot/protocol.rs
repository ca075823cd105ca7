//! How messages are exchanged, whatever they ask for.

use std::net::IpAddr;
use std::num::NonZeroU32;

use ipnet::IpNet;

use crate::wire::{CookieSecret, DEFAULT_UDP_PAYLOAD};

/// Octets of each string by which a node tells who it is: with all other options they leave room for the longest question in
/// the 512 octets that every asker takes.
pub const MAX_IDENTITY: usize = 128;

/// Secrets for cookies at most; rolling one over takes two.
pub const MAX_SECRETS: usize = 8;

/// How messages are exchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protocol {
    /// Octets that are taken over UDP, and sent at most: 512 to [`MAX_UDP_PAYLOAD`](crate::wire::MAX_UDP_PAYLOAD).
    pub payload: u16,
    /// DNS cookies.
    pub cookies: Cookies,
    /// What the node says of itself.
    pub identity: Identity,
    /// How fast clients are answered over UDP at most, if there is a limit.
    pub rate_limit: Option<RateLimit>,
    /// Who may copy whole zones.
    pub transfers: Transfers,
}

impl Default for Protocol {
    fn default() -> Self {
        Self {
            payload: DEFAULT_UDP_PAYLOAD,
            cookies: Cookies::default(),
            identity: Identity::default(),
            rate_limit: None,
            transfers: Transfers::default(),
        }
    }
}

/// How fast a client's network is sent responses over UDP at most. Whoever holds a valid cookie is not limited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Responses of each class in a second.
    pub responses_per_second: NonZeroU32,
    /// In place of that for names that do not exist.
    pub nxdomains_per_second: Option<NonZeroU32>,
    /// In place of that for errors.
    pub errors_per_second: Option<NonZeroU32>,
    /// Seconds for which a client that was quiet may be sent at once what it could be sent in them; 1 to 3600.
    pub window: NonZeroU32,
    /// One in so many responses over the limit is cut to a header with TC instead of not being sent; 0 for none.
    pub slip: u32,
    /// Bits of an IPv4 address that make a network, 1-32.
    pub prefix_v4: u8,
    /// Bits of an IPv6 address, 1-128.
    pub prefix_v6: u8,
    /// Networks without a limit.
    pub exempt: Vec<IpNet>,
}

/// Seconds of [`RateLimit::window`] at most.
pub const MAX_WINDOW: u32 = 3600;

/// DNS cookies (RFC 7873).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cookies {
    /// The first makes cookies, all verify them; none stands for a random one. At most [`MAX_SECRETS`].
    pub secrets: Vec<CookieSecret>,
    /// Whether an asker over UDP that speaks of cookies must hold a valid one.
    pub are_required: bool,
}

/// What a node says of itself; nothing unless told to. Each has 1 to [`MAX_IDENTITY`] octets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// To NSID (RFC 5001).
    pub nsid: Option<Box<str>>,
    /// To `id.server.` and `hostname.bind.`, class CH.
    pub id: Option<Box<str>>,
    /// To `version.server.` and `version.bind.`, class CH.
    pub version: Option<Box<str>>,
}

/// Who may copy whole zones (RFC 5936); nobody unless told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transfers {
    /// Networks, without host bits.
    pub allow: Vec<IpNet>,
}

impl Transfers {
    /// Whether an asker with this address may; an IPv4 address within IPv6 counts as IPv4.
    pub fn allows(&self, asker: IpAddr) -> bool {
        let asker = asker.to_canonical();
        self.allow.iter().any(|network| network.contains(&asker))
    }
}
