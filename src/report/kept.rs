//! Tells if a restart would lose an order.

/// Returns the lines that follow the result of an order which is in force but not in the state folder; empty for other
/// orders, and for lists.
pub(super) fn warning(kept: Option<bool>) -> &'static str {
    if kept == Some(false) {
        "\n\nin force, but not on disk: a restart of the node would lose it (see the node's log)"
    } else {
        ""
    }
}
