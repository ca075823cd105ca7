//! How messages are exchanged, whatever they ask for.

use std::net::IpAddr;

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
    /// Who may copy whole zones.
    pub transfers: Transfers,
}

impl Default for Protocol {
    fn default() -> Self {
        Self {
            payload: DEFAULT_UDP_PAYLOAD,
            cookies: Cookies::default(),
            identity: Identity::default(),
            transfers: Transfers::default(),
        }
    }
}

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
