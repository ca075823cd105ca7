//! Problem responses of the admin server.

use serde::{Deserialize, Serialize};

/// The reason why a request was refused, as problem details (RFC 9457). Its type is `about:blank`, which is left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The phrase of the status.
    pub title: String,
    /// The status of HTTP.
    pub status: u16,
    /// The reason: a sentence without a full stop.
    pub detail: String,
}

/// A problem with further members (RFC 9457, section 3.2).
#[derive(Debug, Serialize)]
pub struct ProblemWith<'a, T> {
    /// The problem.
    #[serde(flatten)]
    pub problem: Problem,
    /// The further members.
    #[serde(flatten)]
    pub members: &'a T,
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
