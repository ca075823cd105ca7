//! The values of `steer`, `pick` and `all_down`.

/// One step of a chain. A step ranks pools, with ties allowed. A chain is the lexicographic order of its steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// By the tiers of the client's region.
    Region,
    /// By the measured round trip time to the client's network.
    Latency,
    /// By the great-circle distance from the client's coordinates.
    Distance,
    /// By the order in `pools`.
    Failover,
    /// Pools with headroom before full ones. A pool that is over its capacity, or dead, keeps the clients it can, and
    /// the others go to all other pools in proportion to their headroom.
    Load,
    /// One pool, drawn for each query in proportion to weight. It leaves no ties.
    Weight,
    /// One pool by weighted rendezvous hash of the client's prefix and the name. It leaves no ties.
    Sticky,
}

impl Step {
    /// All steps, with their names in a zone file.
    pub const ALL: [(&'static str, Self); 7] = [
        ("region", Self::Region),
        ("latency", Self::Latency),
        ("distance", Self::Distance),
        ("failover", Self::Failover),
        ("load", Self::Load),
        ("weight", Self::Weight),
        ("sticky", Self::Sticky),
    ];

    /// Its name in a zone file.
    pub fn as_str(self) -> &'static str {
        Self::ALL[self as usize].0
    }

    /// True if it draws one pool of a tie, so that no ties are left.
    pub fn draws(self) -> bool {
        matches!(self, Self::Weight | Self::Sticky)
    }
}

/// The selection of a pool's open endpoints for an answer, before `answers` limits their number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pick {
    /// All, rotated.
    Rotate,
    /// Drawn without replacement, in proportion to weight.
    Weighted,
    /// All, in random order.
    Random,
    /// By weighted rendezvous hash of the client's prefix, the name and the endpoint.
    Sticky,
    /// Drawn without replacement, in proportion to headroom; if no endpoint reports its load, in proportion to response
    /// speed.
    LeastLoad,
}

/// The answer when no pool is left, not even by `fallback`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AllDown {
    /// Health is ignored: the chain runs as if all were up.
    All,
    /// The chain runs over the endpoints that were last open.
    LastHealthy,
    /// An empty answer.
    Nodata,
    /// SERVFAIL.
    Servfail,
}

impl AllDown {
    /// All values, with their names in a zone file.
    pub const ALL: [(&'static str, Self); 4] = [
        ("all", Self::All),
        ("last-healthy", Self::LastHealthy),
        ("nodata", Self::Nodata),
        ("servfail", Self::Servfail),
    ];

    /// The reason for an answer that it decides.
    pub fn reason(self) -> &'static str {
        match self {
            Self::All => "all down: all",
            Self::LastHealthy => "all down: last-healthy",
            Self::Nodata => "all down: nodata",
            Self::Servfail => "all down: servfail",
        }
    }
}
