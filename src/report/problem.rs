//! Problem responses of the admin server.

use serde::{Deserialize, Serialize};

/// The reason why a request was refused, as problem details (RFC 9457). Its type is `about:blank`, which is left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The phrase of the status.
    pub title: String,
    /// The HTTP status code.
    pub status: u16,
    /// The reason: a sentence without a full stop.
    pub detail: String,
}

impl Problem {
    /// Returns the problem as JSON, with the members of `members` (RFC 9457, section 3.2).
    pub fn to_json_with(&self, members: &impl Serialize) -> String {
        #[derive(Serialize)]
        struct Whole<'a, T> {
            #[serde(flatten)]
            problem: &'a Problem,
            #[serde(flatten)]
            members: &'a T,
        }
        super::to_json(&Whole { problem: self, members })
    }
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
