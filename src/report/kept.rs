//! The warning that a restart would lose an order.

/// Returns the warning for an order that is in force but not in the state folder. It follows the result of the order.
/// Empty for other orders, and for lists.
pub(super) fn warning(kept: Option<bool>) -> &'static str {
    if kept == Some(false) {
        "\n\nin force, but not on disk: a restart of the node would lose it (see the node's log)"
    } else {
        ""
    }
}
