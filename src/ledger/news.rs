//! News of the ledger for operators.

use std::fmt;

use super::{Matter, Origin};
use crate::vantage::NodeName;

/// Something about the orders that the fleet shares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LedgerNews {
    /// Orders are shared from now on: both streams are read. Holds how many orders of this node still wait.
    Shared(usize),
    /// Orders are no longer shared, or cannot be, for this reason.
    Apart(Box<str>),
    /// An order that was given here while the node was cut off does not count: this one was given meanwhile.
    Overtaken(Matter, Option<Origin>),
    /// The stream does not take an order of this node for this reason.
    Refused(Matter, Box<str>),
    /// The files of this node have nothing of that name. The order is kept, in case they get it.
    Meaningless(Matter, Origin),
    /// The stream is another one than before. This node gives it back so many entries.
    Restored(usize),
}

impl LedgerNews {
    /// The kind as one word, for events.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Shared(_) => "shared",
            Self::Apart(_) => "apart",
            Self::Overtaken(..) => "overtaken",
            Self::Refused(..) => "refused",
            Self::Meaningless(..) => "meaningless",
            Self::Restored(_) => "restored",
        }
    }

    /// The node that it is about.
    pub fn nodes(&self) -> &[NodeName] {
        match self {
            Self::Overtaken(_, Some(origin)) | Self::Meaningless(_, origin) => std::slice::from_ref(&origin.node),
            Self::Shared(_) | Self::Apart(_) | Self::Overtaken(_, None) | Self::Refused(..) | Self::Restored(_) => &[],
        }
    }

    /// True if nothing is wrong, or no longer.
    pub fn is_good(&self) -> bool {
        matches!(self, Self::Shared(_))
    }
}

impl fmt::Display for LedgerNews {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shared(0) => f.write_str("orders are shared with the fleet"),
            Self::Shared(waiting) => write!(f, "orders are shared with the fleet, {waiting} of them from now on"),
            Self::Apart(why) => write!(f, "orders are not shared with the fleet: {why}; those given here count here"),
            Self::Overtaken(matter, Some(Origin { node, who, .. })) => {
                write!(f, "{matter} were ordered anew at {node}")?;
                if !who.is_empty() {
                    write!(f, " by {who}")?;
                }
                f.write_str(": what was ordered here while this node was cut off no longer counts")
            }
            Self::Overtaken(matter, None) => {
                write!(f, "{matter} were ordered anew elsewhere: what was ordered here no longer counts")
            }
            Self::Refused(matter, why) => {
                write!(f, "an order is not shared, and counts at this node only: {matter}: {why}")
            }
            Self::Meaningless(matter, Origin { node, who, .. }) => {
                let by = if who.is_empty() { String::new() } else { format!(" by {who}") };
                write!(
                    f,
                    "{matter}, ordered at {node}{by}, do nothing here: this node's files have nothing of that name"
                )
            }
            Self::Restored(entries) => {
                write!(f, "the stream of orders is a new one: this node gives it the {entries} that it knows")
            }
        }
    }
}
