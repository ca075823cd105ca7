//! What the admin server says when something is not as it should be.

use serde::{Deserialize, Serialize};

/// Why a request was not obeyed.
#[derive(Debug, Serialize, Deserialize)]
pub struct Problem {
    /// In a sentence without a full stop.
    pub error: String,
}

/// Whether the node answers its own questions.
#[derive(Debug, Serialize, Deserialize)]
pub struct SelfCheck {
    /// Whether it does everywhere.
    pub ok: bool,
    /// What failed.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub failed: Vec<String>,
}
