//! What probes of each protocol ask, and what they take for success.

use super::BodyMatch;

/// A connection, and what is said on it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TcpCheck {
    /// What is sent once the connection is accepted; nothing if empty.
    pub send: Box<[u8]>,
    /// What the first 64 KiB that come must hold; without it a connection that is accepted is enough.
    pub expect: Option<BodyMatch>,
}
