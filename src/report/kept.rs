//! What became of an order beside being in force: whether it is on disk, and whether the fleet has it.

use std::fmt::Write;

use serde::{Deserialize, Serialize};

/// Whether the fleet has an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FleetShare {
    /// True if the stream of the fleet has it: all nodes that are connected follow.
    pub shared: bool,
    /// Why not. It goes out as soon as it can, unless something else is ordered elsewhere first.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub why: Option<String>,
}

/// Returns the warnings about an order that is in force but not in the state folder, or not known to the fleet. They
/// follow the result of the order. Empty for other orders, and for lists.
pub(super) fn warning(kept: Option<bool>, fleet: Option<&FleetShare>) -> String {
    let mut text = String::new();
    if kept == Some(false) {
        text.push_str("\n\nin force, but not on disk: a restart of the node would lose it (see the node's log)");
    }
    if let Some(FleetShare { shared: false, why }) = fleet {
        let why = why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
        let _ = write!(
            text,
            "\n\nin force at this node, but the fleet does not have it yet{why}: it goes out when the connection is back, \
             unless something else is ordered elsewhere first"
        );
    }
    text
}
