//! Queries and connections that the node lost because more came than it can handle.

use std::sync::atomic::AtomicU64;

/// The numbers of lost queries and connections since the start, by cause.
#[derive(Debug, Default)]
pub struct Losses {
    /// Queries over UDP that the kernel dropped, because more arrived than the workers could read. If it grows, give
    /// the node more processors, raise `net.core.rmem_max`, or look for an attack.
    pub queries: AtomicU64,
    /// Connections of DNS that the kernel refused, because more arrived than were accepted. If it grows, raise
    /// `net.core.somaxconn`, or look for an attack.
    pub connections: AtomicU64,
    /// The same for connections to the admin server over TCP. If it grows, keep strangers from its port.
    pub admin_connections: AtomicU64,
    /// Zone transfers that took too long and were cut. If it grows, a secondary's connection is too slow for its zones,
    /// or somebody holds transfers open.
    pub transfers: AtomicU64,
    /// Responses over the rate limit that had only TC, so that the client can ask over TCP.
    pub slipped: AtomicU64,
    /// Responses over the rate limit that were not sent. If it grows, clients flood the node, or forged queries try to
    /// make it flood others.
    pub limited: AtomicU64,
}
