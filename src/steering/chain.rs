//! The words of `steer`, `pick` and `all_down`.

/// One step of a chain. Steps rank pools, ties allowed; a chain is the lexicographic order of its steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// By the tiers of the client's region.
    Region,
    /// By measured round trip time to the client's network.
    Latency,
    /// By great circle from the client's coordinates.
    Distance,
    /// By the order in `pools`.
    Failover,
    /// Those with room before full ones: a pool over its capacity, or dead, keeps what it can of its clients, and the others go
    /// to all others in proportion to their room.
    Load,
    /// One pool drawn for each query in proportion to weight. It leaves no ties.
    Weight,
    /// One pool by weighted rendezvous hash of the client's prefix and the name. It leaves no ties.
    Sticky,
}

impl Step {
    /// All of them, with their names in a zone file.
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

    /// Whether it draws one pool of a tie, so that it leaves none.
    pub fn draws(self) -> bool {
        matches!(self, Self::Weight | Self::Sticky)
    }
}

/// Which of a pool's open endpoints answer, before `answers` cuts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pick {
    /// All, in turn.
    Rotate,
    /// A draw without replacement, in proportion to weight.
    Weighted,
    /// All, in random order.
    Random,
    /// By weighted rendezvous hash of the client's prefix, the name and the endpoint.
    Sticky,
    /// A draw without replacement, in proportion to room, or to how fast endpoints respond where none reports its load.
    LeastLoad,
}

/// What is answered when nothing is left, `fallback` included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AllDown {
    /// Health is ignored: the chain runs as if all were up.
    All,
    /// The chain runs over the endpoints that were open last.
    LastHealthy,
    /// An empty answer.
    Nodata,
    /// SERVFAIL.
    Servfail,
}
