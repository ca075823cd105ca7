//! Problem responses of the admin server.

use serde::{Deserialize, Serialize};

/// The reason why a request was refused.
#[derive(Debug, Serialize, Deserialize)]
pub struct Problem {
    /// A sentence without a full stop.
    pub error: String,
}

/// The result of a test in which the node queries itself.
#[derive(Debug, Serialize, Deserialize)]
pub struct SelfCheck {
    /// True if it answers on all addresses.
    pub ok: bool,
    /// The failures.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub failed: Vec<String>,
}
