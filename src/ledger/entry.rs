//! Entries of the ledger.

use std::fmt;

use super::{Matter, MatterKey};
use crate::lease::LeaseRow;
use crate::overrides::{Override, OverrideId, TargetPattern};
use crate::rollout::Kept;
use crate::vantage::NodeName;
use crate::versions::Releases;

/// A word on a matter.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    matter: Matter,
    content: Option<Content>,
    origin: Origin,
}

// Loads in leases are never NaN.
impl Eq for Entry {}

/// What is ordered.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// The overrides of a target.
    Target(TargetOrders),
    /// A TXT record, until this Unix time in seconds.
    Txt(u64),
    /// A lease.
    Lease(LeaseRow),
    /// The state of a roll-out. Its times are wall-clock times.
    Rollout(Kept),
    /// Which versions of the zones are current.
    Zones(Releases),
}

impl Eq for Content {}

/// All overrides that are placed on one target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetOrders {
    /// The overrides, in the order of their placement.
    pub placed: Vec<Override>,
    /// True if the target was just opened, which also releases what failback holds back.
    pub opens: bool,
}

/// Where an entry comes from. No two entries have the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The node where it was given.
    pub node: NodeName,
    /// The run of the process: a later run has a greater number.
    pub run: u64,
    /// Increases from entry to entry of one run.
    pub number: u64,
    /// Who gave it; may be empty.
    pub who: Box<str>,
}

impl Entry {
    /// Returns `None` if the content does not belong to the matter.
    pub fn try_new(matter: Matter, content: Option<Content>, origin: Origin) -> Option<Self> {
        let fits = match (&matter, &content) {
            (_, None)
            | (Matter::Txt(..), Some(Content::Txt(_)))
            | (Matter::Rollout(_), Some(Content::Rollout(_)))
            | (Matter::Zones, Some(Content::Zones(_))) => true,
            (Matter::Target(target), Some(Content::Target(orders))) => orders.fit(target),
            (Matter::Lease(pool, id), Some(Content::Lease(row))) => row.pool == *pool && row.id == *id,
            _ => false,
        };
        fits.then_some(Self { matter, content, origin })
    }

    /// The same as another entry of its node.
    pub(super) fn numbered(self, run: u64, number: u64) -> Self {
        Self { origin: Origin { run, number, ..self.origin }, ..self }
    }

    /// The subject.
    pub fn matter(&self) -> &Matter {
        &self.matter
    }

    /// The identity of the subject.
    pub fn key(&self) -> MatterKey {
        self.matter.key()
    }

    /// What is ordered; `None` if it is taken back.
    pub fn content(&self) -> Option<&Content> {
        self.content.as_ref()
    }

    /// Where it comes from.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }
}

impl TargetOrders {
    /// True if all overrides are on this target, were placed, and have different numbers.
    fn fit(&self, target: &TargetPattern) -> bool {
        let is_one = |item: &Override| {
            matches!(item.id, OverrideId::Placed(_))
                && item.order.target == *target
                && item.order.is_well_timed()
                && item.order.fits_target()
        };
        self.placed.iter().all(is_one) && self.placed.is_sorted_by(|one, next| one.id < next.id)
    }
}

/// The operator and the node: `ada at ns1`.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { node, who, .. } = self;
        write!(f, "{} at {node}", if who.is_empty() { "somebody" } else { who })
    }
}

impl Origin {
    /// Names whoever said it; an entry without origin is one that the stream no longer has.
    pub fn shown(origin: Option<&Self>) -> String {
        origin.map_or_else(|| "the fleet, which no longer has it".to_owned(), Self::to_string)
    }

    /// True if it comes from the same node as another one, and not after it.
    pub(super) fn is_up_to(&self, other: &Self) -> bool {
        self.node == other.node && (self.run, self.number) <= (other.run, other.number)
    }
}
