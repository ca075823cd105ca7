//! Events of leases, for the audit.

use std::net::IpAddr;

use super::shared::Saying;
use super::{LeaseId, LeaseRefusal};

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub enum LeaseNews {
    /// To one lease, or to an attempt to get one.
    Lease {
        /// The pool, such as `web/fra`.
        pool: Box<str>,
        /// The endpoint's own name.
        id: LeaseId,
        /// Its address.
        address: Option<IpAddr>,
        /// The name of the token or the client that asked for it.
        who: Option<Box<str>>,
        /// The event.
        happening: LeaseHappening,
    },
    /// All leases of a pool stopped being renewed, and the last ones are kept; or they are renewed again.
    Silence {
        /// The pool, such as `web/fra`.
        pool: Box<str>,
        /// True at the beginning.
        began: bool,
        /// Number of leases of the pool.
        leases: usize,
        /// Why the source of the endpoints cannot be used; `None` if they register themselves, or if it can.
        why: Option<Box<str>>,
    },
}

/// The event of one lease. A renewal that changes nothing is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeaseHappening {
    /// The endpoint registered itself.
    Registered,
    /// It renewed its lease with another weight, capacity or term, or after it had asked to leave.
    Changed,
    /// It asked to leave: it is drained until its lease ends.
    Leaving,
    /// It left, or an operator removed it.
    Released,
    /// It had asked to leave, and the time of its drain is over.
    Left,
    /// It did not renew its lease.
    Ended,
    /// A reload took the endpoint's address out of the pool's bounds.
    Barred,
    /// A request was refused because the files do not allow it.
    Refused(LeaseRefusal),
}

impl LeaseHappening {
    /// The kind of the word that takes back a lease for a whole fleet; `None` for what concerns one node alone.
    pub(super) fn saying(&self) -> Option<Saying> {
        match self {
            Self::Released => Some(Saying::Order),
            Self::Ended | Self::Left => Some(Saying::Finding),
            Self::Registered | Self::Changed | Self::Leaving | Self::Barred | Self::Refused(_) => None,
        }
    }

    /// Returns the word for it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Changed => "changed",
            Self::Leaving => "leaving",
            Self::Released | Self::Left => "released",
            Self::Ended => "ended",
            Self::Barred => "barred",
            Self::Refused(_) => "refused",
        }
    }
}
